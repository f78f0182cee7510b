/* conform.c -- the frame of the conformance suite: `skate conform [BACKEND ...]`.
 *
 * The idea: one table of cases, run on every backend named. Check forks a process for each case; the TCase is the backend. What a
 * backend cannot do it says in its table (`can`); a case that needs it is skipped, and the skip is printed. After each case
 * the frame counts: no object and no byte may be left, and every resource must be back to the digit; the trace of
 * the run must replay to a legal history (tests/trace_check.c).
 *
 * Reading order: 1 the table; 2 one case; 3 ends of programs; 4 helpers; 5 main. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "conform.h"
#include "../leaks.h"
#include <locale.h>
#include <ctype.h>
#include <glib.h>
#include <sched.h>
#include <session.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if __has_include("../trace_check.h")
#include "../trace_check.h"
#else
bool trace_check(const char *path, char *why, size_t n);
#endif
#pragma weak trace_check            /* the suite can be built without the checker; it says so at the end */

/* ---- 1. The table ------------------------------------------------------------------------------------------ */

static conform_case *first_case;
static conform_case **cases;
static int case_count;
static const char *backend;         /* under test, in the child */
static unsigned can;
static int nodes = 1;                /* of each case that does not say */
static bool check_traces = true;
static char *scratch_dir;

void conform_add(conform_case *c)
{
    c->next = first_case;
    first_case = c;
}

static int by_file_and_line(const void *left, const void *right)
{
    const conform_case *a = *(conform_case *const *)left, *b = *(conform_case *const *)right;
    int order = strcmp(a->file, b->file);
    return order ? order : a->line - b->line;
}

static void make_table(void)
{
    for (conform_case *c = first_case; c; c = c->next)
        case_count++;
    cases = g_new(conform_case *, case_count);
    int n = 0;
    for (conform_case *c = first_case; c; c = c->next)
        cases[n++] = c;
    qsort(cases, n, sizeof *cases, by_file_and_line);
}

static char *sentence_of(const conform_case *c)
{
    return g_strdelimit(g_strdup(c->name), "_", ' ');
}

static const char *theme_of(const conform_case *c)
{
    const char *slash = strrchr(c->file, '/');
    return slash ? slash + 1 : c->file;
}

static char *except;                       /* how names of files begin that are left out; NULL: none is */

static bool is_wanted(const conform_case *c, const char *only)
{
    if (except && g_str_has_prefix(theme_of(c), except))
        return false;
    if (!only)
        return true;
    g_autofree char *name = sentence_of(c);
    g_autofree char *words = g_strdelimit(g_strdup(only), "_", ' ');
    return strstr(name, words) || g_str_has_prefix(theme_of(c), only);
}

static bool by_proxy(void)
{
    return g_strcmp0(getenv("SKATE_PORT"), "proxy") == 0;
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
const bool under_tsan = true;
#else
const bool under_tsan = false;
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
static const bool under_sanitizer = true;
#else
static const bool under_sanitizer = false;
#endif

/* "threads" of "checked+threads". */
static const char *undecorated(const char *name)
{
    const char *plus = strrchr(name, '+');
    return plus ? plus + 1 : name;
}

/* Why a case cannot run on the backend of that name, which can `has`; NULL if it can. */
static const char *reason_to_skip(const conform_case *c, const char *name, unsigned has)
{
    static const struct { unsigned bit; const char *why; } words[] = {
        { SK_CAN_OVERLAP, "it does not run tasks at the same time" },
        { SK_CAN_TIME_OUT, "its waits do not end in time while tasks run" },
        { SK_CAN_KILL, "it cannot end a running task by force" },
        { SK_CAN_NODES, "it has one node" },
        { SK_CAN_VIRTUAL_TIME, "its time is real" },
        { SK_CAN_ISOLATE, "a crash in a task ends the program" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (c->needs & ~has & words[i].bit)
            return words[i].why;
    if (c->only_on && strcmp(c->only_on, undecorated(name)) != 0)
        return "another backend's promise";
    if (c->looks_inside && (has & SK_CAN_ISOLATE))
        return "its tasks do not share the driver's memory";
    if (c->spins && (has & SK_CAN_VIRTUAL_TIME))
        return "its time does not pass while a body turns";
    if (c->own_queue && (has & (SK_CAN_NODES | SK_CAN_ISOLATE)))
        return "its cluster queues tasks by rules of its own";
    if (c->limits_memory && under_sanitizer)
        return "a sanitizer's own memory would count";
    if (c->not_by_proxy && by_proxy())
        return "the driver sits behind a proxy (SKATE_PORT=proxy)";
    return NULL;
}

static unsigned capabilities_of(const char *name)
{
    sk_error err = { 0 };
    const sk_backend_ops *ops = sk_backend_find(name, &err);
    if (!ops) {
        fprintf(stderr, "skate conform: %s\n", err.message);
        exit(2);
    }
    return ops->can;
}

/* ---- 2. One case ---------------------------------------------------------------------------------------------- */

const char *backend_name(void) { return backend; }
unsigned backend_can(void) { return can; }

size_t conform_nodes(void) { return can & SK_CAN_NODES ? (size_t)nodes : 1; }
int nodes_here(void) { return (int)sk_nodes(NULL, 0); }
int node_wish(int number) { return nodes_here() == 1 ? 0 : number ? number : SK_ZERO; }

bool with_few(void) { return under_tsan && (can & SK_CAN_VIRTUAL_TIME); }

/* Memory that lives as long as the process, and is no leak for LeakSanitizer. */
static void *keep(void *memory)
{
    static GSList *kept;
    kept = g_slist_prepend(kept, memory);
    return memory;
}

const char *scratch(const char *name)
{
    return keep(g_strdup_printf("%s/%d-%s", scratch_dir, (int)getpid(), name));
}

static void init_with(const sk_config *config, const char *trace)
{
    sk_config c = config ? *config : (sk_config){ 0 };
    if (!c.backend)
        c.backend = backend;
    if (!c.workers)
        c.workers = 2;
    if (!c.nodes && can & SK_CAN_NODES)
        c.nodes = nodes;
    if (!c.trace)
        c.trace = trace;
    sk_init(NULL, NULL, &c);
}

void start(const sk_config *config) { init_with(config, NULL); }
void stop(void) { sk_shutdown(); }

bool conform_turn(int *turns)
{
    static gint64 patience, since;      /* in microseconds */
    if (!patience) {
        const char *more = getenv("CK_TIMEOUT_MULTIPLIER");
        patience = 10 * G_USEC_PER_SEC * (more && atoi(more) > 0 ? atoi(more) : 1);
    }
    if (*turns == 0)
        since = g_get_monotonic_time();
    if (can & SK_CAN_VIRTUAL_TIME)
        sk_sleep(0.001);                /* in no time; looking alone would change nothing */
    else
        sched_yield();                  /* nothing tells when a count changes */
    ++*turns;
    return g_get_monotonic_time() - since < patience;
}

/* Everything has been given back, or what has not. A worker may still be tidying up after the task whose answer we
 * have: so this looks until it is true. */
static bool nothing_is_left(GString *what)
{
    sk_counts counts = sk_stats();
    g_string_truncate(what, 0);
    if (counts.objects_live || counts.bytes_live)
        g_string_append_printf(what, "%lu objects, %lu bytes are left; ", (unsigned long)counts.objects_live,
                               (unsigned long)counts.bytes_live);
    sk_resource have[16];
    size_t n = sk_resources(have, 16);
    for (size_t i = 0; i < n; i++)
        if (have[i].available != have[i].total)
            g_string_append_printf(what, "%.17g of %.17g %s are free; ", have[i].available, have[i].total, have[i].name);
    return what->len == 0;
}

static void expect_nothing_left(void)
{
    GString *what = g_string_new(NULL);
    int turns = 0;
    while (!nothing_is_left(what) && conform_turn(&turns)) { }
    if (what->len)
        sk_print_refs();
    ck_assert_msg(what->len == 0, "after the case: %s", what->str);
    g_string_free(what, TRUE);
}

static void expect_legal_trace(const char *path)
{
    char why[1024] = "";
    if (trace_check && !trace_check(path, why, sizeof why))
        ck_abort_msg("the trace is not legal: %s (kept in %s)", why, path);
    unlink(path);
}

static void run_in_scope(const conform_case *c)
{
    sk_scope {
        c->body();
    }
}

static void expect_end(const conform_case *c)
{
    ending end = run_apart(c->body);
    ck_assert_msg(end.status == c->dies, "exit status %d instead of %d; it printed:\n%s", end.status, c->dies, end.output);
    if (end.line) {
        g_autofree char *place = g_strdup_printf("%s:%d", theme_of(c), end.line);
        ck_assert_msg(strstr(end.output, place), "%s is not in the message:\n%s", place, end.output);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(c->says) && c->says[i]; i++)
        CONTAINS(end.output, c->says[i]);
}

static const conform_case *this_case;

typedef struct run { const char *name; unsigned can; } run;
static run *runs;                   /* the backends to try */

/* In the process that Check has forked for it. Check's loop index tells the backend and the case. */
static void run_case(int number)
{
    const conform_case *c = this_case = cases[number % case_count];
    backend = runs[number / case_count].name;
    can = runs[number / case_count].can;
    mark_point();
    if (c->dies) {
        expect_end(c);
        return;
    }
    if (c->by_hand) {
        c->body();
        return;
    }
    g_autofree char *trace = check_traces ? g_strdup_printf("%s/%d.sktrace", scratch_dir, (int)getpid()) : NULL;
    init_with(&c->config, trace);
    run_in_scope(c);
    if (!c->leaves)
        expect_nothing_left();
    sk_shutdown();
    if (trace)
        expect_legal_trace(trace);
}

/* ---- 3. Ends of programs -------------------------------------------------------------------------------------- */

static int *wrong_line;             /* in memory shared with the child */

void conform_wrong_line(int line)
{
    if (wrong_line)
        *wrong_line = line;
}

static void child(void (*body)(void), int out)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGALRM };      /* Check has handlers of its own */
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
        signal(signals[i], SIG_DFL);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    setvbuf(stdout, NULL, _IOLBF, 0);       /* stdout and stderr in the order written */
    if (this_case->dies && !this_case->by_hand)
        init_with(&this_case->config, NULL);
    body();
    fflush(NULL);
    _exit(0);
}

static char *all_of(int fd)
{
    GString *text = g_string_new(NULL);
    char part[4096];
    ssize_t n;
    while ((n = read(fd, part, sizeof part)) > 0)
        g_string_append_len(text, part, n);
    return keep(g_string_free(text, FALSE));
}

ending run_apart(void (*body)(void))
{
    int pipes[2];
    ck_assert(pipe(pipes) == 0);
    if (!wrong_line)
        wrong_line = mmap(NULL, sizeof *wrong_line, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *wrong_line = 0;
    fflush(NULL);
    pid_t pid = fork();
    ck_assert(pid >= 0);
    if (pid == 0) {
        close(pipes[0]);
        child(body, pipes[1]);
    }
    close(pipes[1]);
    ending end = { .output = all_of(pipes[0]), .line = *wrong_line };
    close(pipes[0]);
    int status;
    ck_assert(waitpid(pid, &status, 0) == pid);
    end.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    return end;
}

void run_apart_on(const char *other, void (*body)(void), ending *end)
{
    const char *mine = backend;
    unsigned can_mine = can;
    backend = other;
    can = capabilities_of(other);
    *end = run_apart(body);
    backend = mine;
    can = can_mine;
}

/* ---- 4. Helpers --------------------------------------------------------------------------------------------------- */

size_t count_of(const char *text, const char *words)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, words)); at += strlen(words))
        n++;
    return n;
}

bool contains_any_case(const char *text, const char *words)
{
    return strcasestr(text, words) != NULL;
}

sk_error error_of(sk_ref ref)
{
    sk_error err = { 0 };
    sk_ref one[1] = { ref };
    size_t ready = 0;
    /* Waiting first needs no type, so any kind of answer will do. */
    ck_assert_msg(sk_try_wait(one, 1, 1, SK_FOREVER, &ready, &err), "%s", err.message);
    int64_t value;
    if (sk_try_get(ref, &value, SK_FOREVER, &err))
        err.code = SK_OK;
    return err;
}

/* ---- 5. main -------------------------------------------------------------------------------------------------------- */

static const char *const about =
    "Runs the conformance suite on each BACKEND: a built-in name (serial, threads, processes, tcp, virtual) or the path of a module.\n"
    "Without any: serial and threads. Every case runs in a process of its own.\n\n"
    "Examples:\n"
    "  skate conform                           serial and threads\n"
    "  skate conform ./mine.so                 your own\n"
    "  skate conform --only wait threads       cases with \"wait\" in the sentence, or in wait.c\n"
    "  SKATE_PORT=proxy skate conform          all calls of the driver through a socketpair\n";

static void list_cases(const char *only)
{
    for (int i = 0; i < case_count; i++) {
        g_autofree char *name = sentence_of(cases[i]);
        if (is_wanted(cases[i], only))
            printf("%s:%d: %s\n", theme_of(cases[i]), cases[i]->line, name);
    }
}

/* All of the machine's settings that would outrank a case's. */
static void forget_environment(void)
{
    static const char *const names[] = { "BACKEND", "NODES", "WORKERS", "RESOURCES", "SEED", "STORE_BYTES", "TRACE",
                                         "GANTT", "POLICY", "VIEW", "LIVE", "GATE", "SPILL_DIR", "LINT", "CLUSTER", "COST", "PATIENCE", "WORKER_MEMORY", "PREFIX", "STACK_BYTES", "TASKS",
                                         "HEAD", "SECRET_FILE", "EXPECT", "JOIN_WAIT", "HEARTBEAT", "DEAD_AFTER" };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *name = g_strconcat("SKATE_", names[i], NULL);
        unsetenv(name);
    }
}

static TCase *cases_on(const run *r, const char *only, int *skipped, int *added)
{
    TCase *tcase = tcase_create(r->name);
    tcase_set_timeout(tcase, 240);
    for (int i = 0; i < case_count; i++) {
        if (!is_wanted(cases[i], only))
            continue;
        const char *why = reason_to_skip(cases[i], r->name, r->can);
        if (why) {
            g_autofree char *name = sentence_of(cases[i]);
            printf("skip %s: %s: %s\n", r->name, name, why);
            ++*skipped;
            continue;
        }
        TTest *test = keep(g_new0(TTest, 1));     /* Check does not copy it */
        *test = (TTest){ cases[i]->name, run_case, cases[i]->file, cases[i]->line };
        int number = (int)(r - runs) * case_count + i;
        _tcase_add_test(tcase, test, 0, 0, number, number + 1);
        ++*added;
    }
    return tcase;
}

static void say_why_none_ran(const char *only, int skipped, int added)
{
    fprintf(stderr, "skate conform: no case ran");
    if (!added && skipped)                        /* if some were added, Check has left them out (CK_RUN_CASE) */
        fprintf(stderr, "; %s above", skipped > 1 ? "all were skipped, for the reasons" : "it was skipped, for the reason");
    else if (!added && only)
        fprintf(stderr, "; none has \"%s\"%s (skate conform --list names them)", only, except ? " and is left" : "");
    else if (!added)
        fprintf(stderr, "; none is left");
    fputc('\n', stderr);
}

static int run_suite(const char *only)
{
    int skipped = 0, added = 0;
    Suite *suite = suite_create("conform");
    for (const run *r = runs; r->name; r++)
        suite_add_tcase(suite, cases_on(r, only, &skipped, &added));
    SRunner *sr = srunner_create(suite);
    srunner_set_fork_status(sr, CK_FORK);
    fflush(NULL);
    leaks_look_once();
    srunner_run_all(sr, CK_ENV);
    int ran = srunner_ntests_run(sr), failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    if (!check_traces || !trace_check)
        printf("conform: traces were not checked\n");
    printf("conform: %d passed, %d failed, %d skipped\n", ran - failed, failed, skipped);
    if (ran == 0)
        say_why_none_ran(only, skipped, added);
    return ran == 0 || failed ? 1 : 0;
}

/* Files of failed cases stay for the one who looks for the mistake. */
static void remove_scratch(bool failed)
{
    g_autoptr(GDir) dir = g_dir_open(scratch_dir, 0, NULL);
    if (dir && !failed)
        for (const char *name; (name = g_dir_read_name(dir));) {
            g_autofree char *path = g_build_filename(scratch_dir, name, NULL);
            remove(path);                  /* a folder, too, that was spilled to */
        }
    if (rmdir(scratch_dir) != 0)
        fprintf(stderr, failed ? "conform: files of the failed cases are in %s\n" : "conform: something is left in %s, though no case failed\n", scratch_dir);
}

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    gboolean list = FALSE, no_trace = FALSE;
    g_autofree char *only = NULL;
    g_auto(GStrv) names = NULL;
    GOptionEntry entries[] = {
        { "list", 0, 0, G_OPTION_ARG_NONE, &list, "Print the cases and stop", NULL },
        { "nodes", 0, 0, G_OPTION_ARG_INT, &nodes, "How many nodes where a case does not say, on backends that have some (1)", "N" },
        { "only", 0, 0, G_OPTION_ARG_STRING, &only, "Only cases whose sentence or file has these words", "WORDS" },
        { "except", 0, 0, G_OPTION_ARG_STRING, &except, "No cases of files whose names begin like this", "NAME" },
        { "no-trace", 0, 0, G_OPTION_ARG_NONE, &no_trace, "Write and check no event logs", NULL },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, NULL, "[BACKEND ...]" },
        { 0 },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_set_summary(context, about);
    g_option_context_add_main_entries(context, entries, NULL);
    g_autoptr(GError) error = NULL;
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "skate conform: %s; see skate conform --help\n", error->message);
        return 2;
    }
    make_table();
    if (list) {
        list_cases(only);
        return 0;
    }
    check_traces = !no_trace;
    forget_environment();
    static char *both[] = { "serial", "threads", NULL };
    char **chosen = names ? names : both;
    runs = g_new0(run, g_strv_length(chosen) + 1);
    for (int i = 0; chosen[i]; i++)
        runs[i] = (run){ chosen[i], capabilities_of(chosen[i]) };
    scratch_dir = g_dir_make_tmp("conform-XXXXXX", &error);
    if (!scratch_dir) {
        fprintf(stderr, "skate conform: %s\n", error->message);
        return 2;
    }
    int failed = run_suite(only);
    remove_scratch(failed);
    return failed;
}
