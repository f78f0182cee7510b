/* sim_faults.c -- the fault simulator: random programs on random clusters under random faults, in virtual time.
 *
 *     build/tests/sim-faults                     10,000 seeds, on all cores
 *     build/tests/sim-faults --seeds 2000
 *     build/tests/sim-faults --seed 1234         this one again, and what it is: cluster, faults, program
 *
 * Each seed runs twice in one process. Every answer must be the serial one, or an error that a fault explains; the run must end, in bounded
 * virtual and real time; nothing may be left (objects, bytes, resources); its log must be a legal history (trace_check); and
 * both logs must have one digest: SHA-256 over all events in order, sites as FILE:LINE. A campaign in which some fault never struck, or nothing was
 * retried, rebuilt or lost, has tested nothing, and fails.
 *
 * Reading order: the cluster of a seed; one run; the digest; processes; the report. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "graph.h"

#include "../trace_check.h"
#include "backends/virtual_report.h"
#include "session.h"
#include "trace_read.h"

#include <glib.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONGEST 100000.0                   /* virtual seconds a run may take */
enum { PATIENCE = 30 };                    /* real seconds a seed may take */

typedef enum counted {
    CRASHES, FREEZES, SLOW_NODES, CUTS, TAKEN_FOR_DEAD, RETRIES, REBUILDS, LOST_PUTS, RELEASED, ERRORS, RIGHT, COUNTED
} counted;
static const char *const count_names[] = {
    "a crash", "a freeze", "a slow node", "a cut link", "a node taken for dead", "retries", "rebuilt objects", "lost objects",
    "bytes given back to lineage", "errors", "right answers",
};

typedef struct job {                       /* shared with the process that does it */
    uint64_t next, end;                    /* seeds */
    uint64_t passed, failed;
    uint64_t seeds_with[COUNTED], total[COUNTED];
} job;

typedef struct result { char digest[65]; uint64_t count[COUNTED]; const char *wrong; } result;

/* ---- the cluster of a seed ---- */

typedef struct setting { char text[4000]; int nodes; bool has_gpu, for_good; graph graph; } setting;

static void add(setting *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(setting *s, const char *format, ...)
{
    size_t n = strlen(s->text);
    va_list args;
    va_start(args, format);
    vsnprintf(s->text + n, sizeof s->text - n, format, args);
    va_end(args);
}

static void add_script(setting *s, uint64_t *r)
{
    int events = 1 + below(r, 8), lost = 0;
    int64_t ms = 0;
    for (int i = 0; i < events; i++) {
        int node = below(r, s->nodes), other = (node + 1 + below(r, s->nodes > 1 ? s->nodes - 1 : 1)) % s->nodes, kind = below(r, 10);
        ms += 1 + below(r, 3000);
        if (kind < 4) {
            bool for_good = !below(r, 4) && lost < s->nodes - 1;
            lost += for_good;
            s->for_good |= for_good;
            add(s, "at %ldms = crash %d", (long)ms, node);
            if (for_good)
                add(s, "\n");
            else
                add(s, " for %dms\n", 1 + below(r, 4000));
        } else if (kind < 6) {
            add(s, "at %ldms = freeze %d for %dms\n", (long)ms, node, 1 + (below(r, 3) ? below(r, 3000) : below(r, 25000)));
        } else if (kind < 8) {
            add(s, "at %ldms = slow %d by %d%s\n", (long)ms, node, 2 + below(r, 9), below(r, 2) ? " for 2s" : "");
        } else if (node != other) {
            bool for_good = !below(r, 8);
            s->for_good |= for_good;
            add(s, "at %ldms = cut %d %d", (long)ms, node, other);
            if (for_good)
                add(s, "\n");
            else
                add(s, " for %dms\n", 1 + below(r, 5000));
        }
    }
}

static void add_rates(setting *s, uint64_t *r)
{
    if (below(r, 2))
        add(s, "crash = every %dms for %dms\n", 3000 + below(r, 20000), 1 + below(r, 3000));
    if (below(r, 2))
        add(s, "freeze = every %dms for %dms\n", 2000 + below(r, 20000), 1 + below(r, below(r, 3) ? 2000 : 15000));
    if (below(r, 2))
        add(s, "slow = every %dms by %d for 3s\n", 2000 + below(r, 9000), 2 + below(r, 9));
    if (below(r, 2))
        add(s, "cut = every %dms for %dms\n", 1000 + below(r, 9000), 1 + below(r, 4000));
}

static void set_up(setting *s, uint64_t seed)
{
    static const char *const policies[] = { "random", "fifo", "lifo", "locality", "bottom-up", "b-level", "heft", "power-of-two" };
    uint64_t r = sk_mix(seed);
    memset(s, 0, sizeof *s);
    s->nodes = 1 + below(&r, 6);
    s->has_gpu = s->nodes > 1 && !below(&r, 3);
    add(s, "[cluster]\nnodes = %d\nworkers = %d\npolicy = %s\nseed = %llu\n", s->nodes - s->has_gpu, 1 + below(&r, 4), policies[below(&r, 8)],
        (unsigned long long)(seed + 1));
    if (!below(&r, 6))
        add(s, "store-bytes = %dK\n", 64 + below(&r, 200));
    if (s->has_gpu)
        add(s, "[node.gpu]\nworkers = 1\nresources = gpu=1\nspeed = 2\n");
    add(s, "[network]\n");
    if (below(&r, 2))
        add(s, "latency = %dus\n", 1 + below(&r, 5000));
    if (below(&r, 3))
        add(s, "bandwidth = %dkB/s\n", 10 + below(&r, 1000));
    add(s, "[overheads]\n");
    if (!below(&r, 3))
        add(s, "submit = %dus\ndispatch = %dms\nget = 1ms\nput = 1ms\n", 1 + below(&r, 9000), below(&r, 200));
    if (!below(&r, 4))
        add(s, "schedule = %dms\n", below(&r, 50));
    add(s, "[faults]\nseed = %llu\n", (unsigned long long)seed);
    if (below(&r, 3))
        add_script(s, &r);
    else
        add_rates(s, &r);
    graph_make(&s->graph, draw(&r), s->nodes, s->has_gpu);
}

/* ---- the digest ---- */

static void hash_site(GChecksum *sum, const sk_reader *log, uint32_t number)
{
    const sk_read_site *site = number ? sk_trace_read_site(log, number) : NULL;
    g_autofree char *text = site ? g_strdup_printf("%s:%d", site->file, site->line) : g_strdup("-");
    g_checksum_update(sum, (const guchar *)text, -1);
}

/* Sites have other numbers in every run of one process: where a word holds one, its place is hashed. */
static void hash_event(GChecksum *sum, const sk_reader *log, const sk_event *e)
{
    if (e->type == SK_TRACE_INFO || e->type == SK_TRACE_SITE || e->type == SK_TRACE_END)
        return;
    uint64_t head[2] = { (uint64_t)e->ns, (uint64_t)e->type << 8 | e->a };
    uint64_t words[UINT16_MAX + 1];
    memcpy(words, e->word, e->n * sizeof *words);
    bool born = e->type == SK_TRACE_OBJECT && sk_trace_from(e) == SK_OBJECT_NONE;
    unsigned at = e->type == SK_TRACE_TASK_NEW ? 1 : e->type == SK_TRACE_WAIT ? 2 : born ? (sk_trace_to(e) == SK_OBJECT_READY ? 3 : 1) : 0;
    if (at) {
        bool is_low = e->type == SK_TRACE_TASK_NEW;
        hash_site(sum, log, is_low ? sk_trace_lo(words[at]) : sk_trace_hi(words[at]));
        words[at] &= is_low ? 0xffffffff00000000u : 0xffffffffu;
    }
    g_checksum_update(sum, (const guchar *)head, sizeof head);
    g_checksum_update(sum, (const guchar *)words, (gssize)(e->n * sizeof *words));
}

static bool read_log(const char *path, result *out)
{
    sk_error err;
    sk_reader *log = sk_trace_read_open(path, &err);
    if (!log)
        return false;
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    sk_cursor *c = sk_trace_read_cursor(log);
    for (sk_event e; sk_trace_read_next(c, &e); ) {
        hash_event(sum, log, &e);
        if (e.type != SK_TRACE_OBJECT || sk_trace_from(&e) != SK_OBJECT_MISSING)
            continue;
        out->count[REBUILDS] += sk_trace_to(&e) == SK_OBJECT_PENDING;
        out->count[LOST_PUTS] += sk_trace_to(&e) == SK_OBJECT_FAILED;
        out->count[RELEASED] += sk_trace_to(&e) == SK_OBJECT_FREED;
    }
    g_strlcpy(out->digest, g_checksum_get_string(sum), sizeof out->digest);
    sk_trace_read_cursor_free(c);
    g_checksum_free(sum);
    sk_trace_read_close(log);
    return true;
}

/* ---- one run ---- */

static char cluster_path[64], trace_path[64], room[1700];
static int cluster_file = -1;

/* Files in memory, of this process: a campaign writes nothing to any disk. */
static void open_files(void)
{
    cluster_file = memfd_create("cluster", 0);
    int trace = memfd_create("trace", 0);
    if (cluster_file < 0 || trace < 0)
        abort();
    snprintf(cluster_path, sizeof cluster_path, "/proc/self/fd/%d", cluster_file);
    snprintf(trace_path, sizeof trace_path, "/proc/self/fd/%d", trace);
    setenv("SKATE_CLUSTER", cluster_path, 1);
}

static const char *what_is_left(void)
{
    sk_resource have[8];
    for (int turns = 0; turns < 400; turns++) {
        sk_counts counts = sk_stats();
        bool clean = !counts.objects_live && !counts.bytes_live;
        size_t n = sk_resources(have, 8);
        for (size_t i = 0; i < n; i++)
            clean &= have[i].available == have[i].total;
        if (clean)
            return NULL;
        sk_sleep(0.5);                             /* tasks nobody waits for go on, frozen ones too */
    }
    sk_counts counts = sk_stats();
    snprintf(room, sizeof room, "left over: %lu objects, %lu bytes; %g of %g cpus are free", (unsigned long)counts.objects_live,
             (unsigned long)counts.bytes_live, have[0].available, have[0].total);
    return room;
}

static void run(const setting *s, uint64_t seed, bool check_log, result *out)
{
    memset(out, 0, sizeof *out);
    size_t size = strlen(s->text);
    if (ftruncate(cluster_file, 0) != 0 || pwrite(cluster_file, s->text, size, 0) != (ssize_t)size)
        abort();
    unsigned right, errors;
    sk_init(NULL, NULL, &(sk_config){ .backend = "virtual", .seed = seed + 1, .trace = trace_path });
    out->wrong = graph_run(&s->graph, s->for_good, &right, &errors);
    if (!out->wrong && !s->for_good)               /* else tasks may be left that can never run; the log says whether all was freed in the end */
        out->wrong = what_is_left();
    if (!out->wrong && sk_now() > LONGEST)
        out->wrong = "took longer than any run should";
    out->count[ERRORS] = errors;
    out->count[RIGHT] = right;
    out->count[RETRIES] = sk_stats().retries;
    sk_virtual_report(out->count);         /* its order is the enum's */
    sk_shutdown();
    if (!out->wrong && !read_log(trace_path, out))
        out->wrong = "its log cannot be read";
    static char why[1024];
    if (!out->wrong && check_log && !trace_check(trace_path, why, sizeof why)) {
        snprintf(room, sizeof room, "its log is not legal: %s", why);
        out->wrong = room;
    }
}

static bool try_seed(uint64_t seed, job *j, char digest[65])
{
    static setting s;
    static result first, again;
    set_up(&s, seed);
    alarm(PATIENCE);
    run(&s, seed, true, &first);
    if (!first.wrong) {
        run(&s, seed, false, &again);
        first.wrong = again.wrong ? again.wrong : strcmp(first.digest, again.digest) ? "runs otherwise the second time" : NULL;
    }
    alarm(0);
    if (digest)
        memcpy(digest, first.digest, sizeof first.digest);
    for (int i = 0; i < COUNTED; i++) {
        j->total[i] += first.count[i];
        j->seeds_with[i] += first.count[i] > 0;
    }
    if (first.wrong)
        fprintf(stderr, "sim-faults: seed %llu: %s\n    build/tests/sim-faults --seed %llu\n", (unsigned long long)seed, first.wrong,
                (unsigned long long)seed);
    return !first.wrong;
}

/* ---- processes ---- */

static void work(job *j)
{
    open_files();
    while (j->next < j->end) {
        bool good = try_seed(j->next, j, NULL);
        j->passed += good;
        j->failed += !good;
        j->next++;                                 /* last: whoever finds us dead knows by which seed */
    }
    exit(0);                                       /* not _exit: LeakSanitizer looks at the end */
}

static void show(const job *jobs, int n, uint64_t all, bool last)
{
    if (!isatty(STDERR_FILENO))
        return;
    uint64_t done = 0, failed = 0;
    for (int i = 0; i < n; i++) {
        done += jobs[i].passed + jobs[i].failed;
        failed += jobs[i].failed;
    }
    int width = all ? (int)(40 * done / all) : 40;
    fprintf(stderr, "\r[%.*s%*s] %llu of %llu seeds, %llu failed%s", width, "########################################", 40 - width, "",
            (unsigned long long)done, (unsigned long long)all, (unsigned long long)failed, last ? "\n" : "");
}

/* Starts again behind a seed that brought its process down. */
static void campaign(job *jobs, int n, uint64_t all)
{
    pid_t pids[256];
    for (int i = 0; i < n; i++)
        if ((pids[i] = fork()) == 0)
            work(&jobs[i]);
    for (int left = n; left > 0; ) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == 0) {
            show(jobs, n, all, false);
            nanosleep(&(struct timespec){ 0, 50000000 }, NULL);      /* for the bar; nothing waits for it */
            continue;
        }
        int i = 0;
        while (pids[i] != pid)
            i++;
        left--;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        fprintf(stderr, "sim-faults: seed %llu: %s %d\n    build/tests/sim-faults --seed %llu\n", (unsigned long long)jobs[i].next,
                WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "no end in sight: signal" : WIFSIGNALED(status) ? "signal" : "exit status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), (unsigned long long)jobs[i].next);
        jobs[i].failed++;
        jobs[i].next++;
        left++;
        if ((pids[i] = fork()) == 0)
            work(&jobs[i]);
    }
    show(jobs, n, all, true);
}

static int one_seed(uint64_t seed)
{
    static setting s;
    static job j;
    open_files();
    set_up(&s, seed);
    printf("%s", s.text);
    graph_print(&s.graph, stdout);
    fflush(stdout);
    char digest[65];
    bool good = try_seed(seed, &j, digest);
    for (int i = 0; i < COUNTED; i++)
        if (j.total[i])
            printf("%llu %s\n", (unsigned long long)j.total[i], count_names[i]);
    printf("digest %s\n", digest);
    printf("sim-faults: %d passed, %d failed\n", good, !good);
    return !good;
}

int main(int argc, char **argv)
{
    gint64 seeds = 10000, first = 0, seed = -1;
    gint cores = 0;
    const GOptionEntry entries[] = {
        { "seeds", 0, 0, G_OPTION_ARG_INT64, &seeds, "how many (10000)", "N" },
        { "first", 0, 0, G_OPTION_ARG_INT64, &first, "from this one on (0)", "N" },
        { "seed", 0, 0, G_OPTION_ARG_INT64, &seed, "this one alone; prints its cluster and program", "N" },
        { "jobs", 0, 0, G_OPTION_ARG_INT, &cores, "processes (one a core)", "N" },
        { 0 },
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1 || seeds < 1) {
        fprintf(stderr, "sim-faults: %s\n", error ? error->message : "give numbers to options only; see --help");
        return 2;
    }
    if (seed >= 0)
        return one_seed((uint64_t)seed);
    int n = cores > 0 ? cores : (int)sysconf(_SC_NPROCESSORS_ONLN);
    n = n < 1 ? 1 : n > 64 ? 64 : n;
    job *jobs = mmap(NULL, (size_t)n * sizeof *jobs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (jobs == MAP_FAILED)
        return 2;
    for (int i = 0; i < n; i++) {
        jobs[i].next = (uint64_t)(first + seeds * i / n);
        jobs[i].end = (uint64_t)(first + seeds * (i + 1) / n);
    }
    gint64 start = g_get_monotonic_time();
    fflush(NULL);
    campaign(jobs, n, (uint64_t)seeds);
    job sum = { 0 };
    for (int i = 0; i < n; i++) {
        sum.passed += jobs[i].passed;
        sum.failed += jobs[i].failed;
        for (int k = 0; k < COUNTED; k++) {
            sum.seeds_with[k] += jobs[i].seeds_with[k];
            sum.total[k] += jobs[i].total[k];
        }
    }
    printf("%lld seeds in %.1f s, each twice\n", (long long)seeds, (double)(g_get_monotonic_time() - start) / 1e6);
    for (int k = 0; k < COUNTED; k++) {
        printf("  %6llu seeds with %-28s %8llu in all\n", (unsigned long long)sum.seeds_with[k], count_names[k], (unsigned long long)sum.total[k]);
        if (!sum.total[k] && seeds >= 200) {
            printf("sim-faults: no seed had %s: this campaign has not tested it\n", count_names[k]);
            sum.failed++;
        }
    }
    printf("sim-faults: %llu passed, %llu failed\n", (unsigned long long)sum.passed, (unsigned long long)sum.failed);
    return sum.failed > 0;
}
