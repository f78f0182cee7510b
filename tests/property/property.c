/* property.c -- random programs give the same answers on every backend.
 *
 *     build/tests/property                 200 seeds: half of them always the same, half by the clock
 *     build/tests/property 1234 77         these seeds again
 *     build/tests/property --cases 1000    more of them (or PROPERTY_CASES=1000); --show 1234 prints the program
 *     PROPERTY_SEED=1234 make check        the same seed again, from outside
 *
 * Every seed runs in a child process on serial and on each other backend; a child that does not end is a failure of its seed.
 * The first bits of `mix` show every exchanged argument and every wrong order. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "run.h"
#include <glib.h>
#include <signal.h>
#include <skate/backend.h>
#include <session.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if __has_include("../trace_check.h")
#include "../trace_check.h"
#else
bool trace_check(const char *path, char *why, size_t n);
#endif
#pragma weak trace_check

typedef struct config { const char *backend; int workers; bool proxy, trace, cluster; int nodes; } config;     /* cluster: a random one; nodes: real ones */

static const config builtin[] = {
    { "serial", 2, false, false, false, 0 }, { "threads", 1, false, false, false, 0 }, { "threads", 2, false, true, false, 0 },
    { "threads", 4, false, false, false, 0 },
    { "threads", 8, false, false, false, 0 }, { "threads", 2, true, false, false, 0 }, { "serial", 2, true, true, false, 0 },
    { "processes", 2, false, true, false, 0 },
    { "tcp", 1, false, true, false, 3 },
    { "virtual", 2, false, true, false, 0 }, { "virtual", 2, true, false, false, 0 },
    { "virtual", 2, false, true, true, 0 }, { "virtual", 1, false, false, true, 0 }, { "virtual", 4, false, false, true, 0 }, { 0 },
};
enum { DEFAULT_CASES = 200 };
static answers *serial_answers, *these_answers;     /* shared with the children */
static char trace_path[64];

static int patience(void)
{
    const char *more = getenv("CK_TIMEOUT_MULTIPLIER");
    return 30 * (more && atoi(more) > 0 ? atoi(more) : 1);
}

/* A cluster that follows from the seed: nodes, speeds, network, stores that are too small, overheads, policy. Answers must not depend on any of it. */
static void draw_cluster(uint64_t seed, int workers)
{
    static const char *const policies[] = { "random", "fifo", "lifo", "locality", "bottom-up", "b-level", "heft", "power-of-two" };
    static const char *const latencies[] = { "0s", "1us", "1ms" }, *const bandwidths[] = { "1MB/s", "100MB/s", "10GB/s" };
    uint64_t h = mix(seed, (uint64_t)workers);
    g_autofree char *path = g_strdup_printf("/tmp/property-%d.cluster", (int)getpid());
    FILE *out = fopen(path, "w");
    if (!out)
        exit(2);
    fprintf(out, "[cluster]\nnodes = %d\nworkers = %d\nresources = gpu=1\nseed = %lu\npolicy = %s\n", 1 + (int)(h % 6), workers,
            (unsigned long)(h >> 1), policies[h / 6 % 8]);
    if (h >> 20 & 1)
        fprintf(out, "store-bytes = 200\ndisk-bandwidth = 1MB/s\n");
    if (h >> 21 & 1)
        fprintf(out, "[node.odd*]\ncount = 2\nspeed = 0.5\n");
    if (h >> 22 & 3)
        fprintf(out, "[network]\nlatency = %s\nbandwidth = %s\n", latencies[(h >> 24) % 3], bandwidths[(h >> 28) % 3]);
    if (h >> 23 & 1)
        fprintf(out, "[overheads]\nsubmit = 1us\nschedule = 2us\ndispatch = 3us\nget = 4us\nput = 5us\nput-per-byte = 1ns\n");
    fclose(out);
    setenv("SKATE_CLUSTER", path, 1);
}

static void remove_cluster(pid_t child)
{
    g_autofree char *path = g_strdup_printf("/tmp/property-%d.cluster", (int)child);
    unlink(path);
}

static void be_the_child(uint64_t seed, const config *c, bool overlaps, answers *out)
{
    alarm((unsigned)patience());
    if (c->proxy)
        setenv("SKATE_PORT", "proxy", 1);
    if (c->cluster)
        draw_cluster(seed, c->workers);
    plan *p = plan_new(seed);
    run_plan(p, &(sk_config){ .backend = c->backend, .workers = c->workers, .nodes = c->nodes, .resources = "gpu=1", .seed = seed | 1,
                              .trace = c->trace && trace_check ? trace_path : NULL }, overlaps, patience() / 2.0, out);
    plan_free(p);
    fflush(NULL);
    exit(0);
}

static unsigned can(const char *backend)
{
    sk_error err = { 0 };
    const sk_backend_ops *ops = sk_backend_find(backend, &err);
    if (!ops) {
        fprintf(stderr, "property: %s\n", err.message);
        exit(2);
    }
    return ops->can;
}

static bool same_answers(const answers *a, const answers *b)
{
    return a->n == b->n && memcmp(a->answer, b->answer, sizeof(answer) * (size_t)a->n) == 0;
}

/* NULL, or what went wrong. */
static const char *run_one(uint64_t seed, const config *c, answers *out)
{
    static char what[1200];
    fflush(NULL);
    bool over = can(c->backend) & SK_CAN_OVERLAP;
    pid_t pid = fork();
    if (pid == 0)
        be_the_child(seed, c, over, out);
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return "cannot fork";
    if (c->cluster)
        remove_cluster(pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(what, sizeof what, "hangs: no end after %d s", patience());
    else if (WIFSIGNALED(status))
        snprintf(what, sizeof what, "killed by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        snprintf(what, sizeof what, "exit status %d", WEXITSTATUS(status));
    else if (out != serial_answers && !same_answers(out, serial_answers))
        snprintf(what, sizeof what, "other answers than serial");
    else if (c->trace && trace_check) {
        char why[1024] = "";
        bool legal = trace_check(trace_path, why, sizeof why);
        unlink(trace_path);
        snprintf(what, sizeof what, "the trace is not legal: %s", why);
        return legal ? NULL : what;
    } else
        return NULL;
    return what;
}

static bool run_seed(uint64_t seed, const config *configs)
{
    bool good = true;
    for (const config *c = configs; c->backend; c++) {
        const char *what = run_one(seed, c, c == configs ? serial_answers : these_answers);
        if (!what)
            continue;
        printf("property: seed %lu on %s with %d workers%s%s: %s\n", (unsigned long)seed, c->backend, c->workers,
               c->proxy ? " by proxy" : "", c->cluster ? " a node of a random cluster" : c->nodes ? " a node" : "", what);
        good = false;
        if (c == configs)           /* nothing to compare with */
            break;
    }
    return good;
}

/* serial first, then the given backends with 1, 2, 4 and 8 workers, and, if they have nodes, with simulated ones in random clusters or with a few
 * real ones. */
static const config *configs_for(char **backends)
{
    if (!backends)
        return builtin;
    static config *list;                   /* (static: what main still has when it returns is no leak) */
    list = g_new0(config, 12 * g_strv_length(backends) + 2);
    int n = 0;
    list[n++] = builtin[0];
    for (int i = 0; backends[i]; i++) {
        for (int workers = 1; workers <= 8; workers *= 2)
            list[n++] = (config){ backends[i], workers, false, workers == 2, false, 0 };
        bool has_nodes = can(backends[i]) & SK_CAN_NODES, simulated = can(backends[i]) & SK_CAN_VIRTUAL_TIME;
        for (int workers = 1; workers <= 8 && has_nodes && simulated; workers *= 2)
            list[n++] = (config){ backends[i], workers, false, false, true, 0 };
        for (int nodes = 2; nodes <= 4 && has_nodes && !simulated; nodes++)
            list[n++] = (config){ backends[i], 1 + nodes % 2, nodes == 3, nodes != 3, false, nodes };
    }
    return list;
}

static void *shared(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void show(uint64_t seed)
{
    plan *p = plan_new(seed);
    plan_print(p, stdout);
    printf("%d steps, %d slots, about %d tasks\n", p->nsteps, p->nslots, p->tasks);
    plan_free(p);
}

int main(int argc, char **argv)
{
    int cases = DEFAULT_CASES;
    gboolean shows = FALSE;
    g_auto(GStrv) backends = NULL, seeds = NULL;
    GOptionEntry entries[] = {
        { "cases", 'n', 0, G_OPTION_ARG_INT, &cases, "How many random programs (200)", "N" },
        { "show", 0, 0, G_OPTION_ARG_NONE, &shows, "Print the programs of these seeds", NULL },
        { "backend", 0, 0, G_OPTION_ARG_STRING_ARRAY, &backends, "Only these backends, by 1, 2, 4 and 8 workers and on several nodes", "B" },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &seeds, NULL, "[SEED ...]" },
        { 0 },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_add_main_entries(context, entries, NULL);
    g_autoptr(GError) error = NULL;
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "property: %s\n", error->message);
        return 2;
    }
    const char *given = getenv("PROPERTY_SEED"), *many = getenv("PROPERTY_CASES");
    if (many && atoi(many) > 0 && cases == DEFAULT_CASES)
        cases = atoi(many);
    if (!seeds && given && *given)
        seeds = g_strsplit(given, " ", -1);
    if (shows) {
        for (int i = 0; seeds && seeds[i]; i++)
            show(strtoull(seeds[i], NULL, 0));
        return 0;
    }
    serial_answers = shared(sizeof *serial_answers);
    these_answers = shared(sizeof *these_answers);
    snprintf(trace_path, sizeof trace_path, "/tmp/property-%d.sktrace", (int)getpid());
    const config *configs = configs_for(backends);
    int passed = 0, failed = 0;
    uint64_t clock = (uint64_t)time(NULL) * 1000;
    if (!seeds)
        printf("property: seeds 1 to %d and %lu to %lu\n", cases - cases / 2, (unsigned long)clock + 1, (unsigned long)clock + (unsigned long)cases / 2);
    for (int i = 0; seeds ? seeds[i] != NULL : i < cases; i++) {
        uint64_t seed = seeds ? strtoull(seeds[i], NULL, 0) : i < cases - cases / 2 ? (uint64_t)i + 1 : clock + (uint64_t)(i - (cases - cases / 2)) + 1;
        *(run_seed(seed, configs) ? &passed : &failed) += 1;
    }
    printf("property: %d passed, %d failed\n", passed, failed);
    return failed || passed == 0 ? 1 : 0;
}
