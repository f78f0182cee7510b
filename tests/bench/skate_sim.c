/* skate_sim.c -- how fast the virtual backend simulates, and what a simulated task costs in memory.
 *
 * An activity is a task or a transfer, as SimGrid counts. Every figure is end to end, from before sk_init to after sk_shutdown, of a
 * process of its own (a fork, made before Skate is started), so that nothing is warm and the peak of memory is that run's.
 *
 *   sim_tree             activities/s: 8,192 leaves and their pairwise sums, 1 ms each, 1 KB an edge, on 100 nodes of one cpu;
 *                        task i on node i mod 100: the work of SimGrid's `sim dagcomm 8192 100`
 *   sim_mw               activities/s: 100,000 tasks of 1 ms on 999 nodes, 1 KB from the master to each, who sends to none that has
 *                        not finished what it was sent before: SimGrid's `sim mwsync 100000 1000`
 *   sim_mw_all           the same with all sends posted at once, 10,000 of them: `sim mw 10000 1000`
 *   sim_events           task events/s (submitted, ready, started, ended) of 100,000 independent tasks on 100 nodes of 8 cpus
 *   sim_events_traced    the same with a trace written
 *   sim_tree_4096        s: a tree of 1,048,575 tasks of 1 ms on 4,096 nodes, placed by the scheduler
 *   sim_tree_4096_bytes  what its resident memory grew by from sk_init to the peak, in bytes a task
 *   sim_10000            s: 100,000 independent tasks of 10 ms on 10,000 nodes
 *   sim_lesson           ms: ten tasks that sleep for a second
 *
 * With SIM_VERBOSE=1 each run says more: cpu seconds too, for when the machine is not ours alone.
 *
 * Reading order: 1 the runs; 2 a process for each; 3 the rows.  */
#define _GNU_SOURCE
#include <skate.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { MOST = 1 << 21 };

/* ---- 1. The runs: they return how many activities there were --------------------------------- */

static sk_ref *refs;
static char kilobyte[1024];

SK_REMOTE(int64_t, leaf, (int64_t, number))
{
    sk_compute(1000);
    return number;
}

SK_REMOTE(int64_t, add, (int64_t, a), (int64_t, b))
{
    sk_compute(1000);
    return a + b;
}

SK_REMOTE(sk_buf, leaf_buf, (int64_t, number))
{
    sk_compute(1000);
    memcpy(kilobyte, &number, sizeof number);
    return sk_buf_of(kilobyte, sizeof kilobyte);
}

SK_REMOTE(sk_buf, add_buf, (sk_buf, a), (sk_buf, b))
{
    sk_compute(1000);
    int64_t x, y;
    memcpy(&x, a.data, sizeof x);
    memcpy(&y, b.data, sizeof y);
    x += y;
    memcpy(kilobyte, &x, sizeof x);
    return sk_buf_of(kilobyte, sizeof kilobyte);
}

SK_REMOTE(int64_t, work, (sk_buf, message))
{
    sk_compute(1000);
    return (int64_t)message.size;
}

static int on(int node) { return node ? node : SK_ZERO; }

/* Task i of 1 .. 2n - 1 has the children 2i and 2i + 1 and runs on node i mod 100. */
static double run_tree_of_buffers(int n)
{
    double activities = 2.0 * n - 1;
    for (int i = 2 * n - 1; i > 0; i--) {
        if (i >= n) {
            refs[i] = sk_remote_with(SK_OPTS(.node = on(i % 100)), leaf_buf, i - n);
            continue;
        }
        refs[i] = sk_remote_with(SK_OPTS(.node = on(i % 100)), add_buf, refs[2 * i], refs[2 * i + 1]);
        for (int child = 2 * i; child <= 2 * i + 1; child++) {
            activities += child % 100 != i % 100;
            sk_drop(refs[child]);
        }
    }
    sk_buf sum = sk_get(sk_buf, refs[1]);
    int64_t found;
    memcpy(&found, sum.data, sizeof found);
    bench_expect("sum of the tree", (double)found, n * (n - 1.0) / 2);
    return activities;
}

/* The master sends to one worker after the other, and to none that has not finished what it was sent before. */
static double run_master_worker(int n, int ahead)
{
    double bytes = 0;
    for (int i = 0; i < n + ahead; i++) {
        if (i >= ahead)
            bytes += (double)sk_take(int64_t, refs[i - ahead]);
        if (i >= n)
            continue;
        sk_ref message = sk_put(sk_buf_of(kilobyte, sizeof kilobyte));
        refs[i] = sk_remote_with(SK_OPTS(.node = 1 + i % 999), work, message);
        sk_drop(message);
    }
    bench_expect("bytes that came", bytes, 1024.0 * n);
    return 2.0 * n;
}

static double run_master_waits(int n) { return run_master_worker(n, 999); }
static double run_all_at_once(int n)  { return run_master_worker(n, n); }

static double run_independent(int n)
{
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote(leaf, i);
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += sk_take(double, refs[i]);
    bench_expect("sum of the leaves", sum, n * (n - 1.0) / 2);
    return n;
}

static double run_tree(int n)
{
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote(leaf, i);
    for (int k = 0; k < n - 1; k++) {
        refs[n + k] = sk_remote(add, refs[2 * k], refs[2 * k + 1]);
        sk_drop(refs[2 * k]);
        sk_drop(refs[2 * k + 1]);
    }
    bench_expect("sum of the tree", sk_take(double, refs[2 * n - 2]), n * (n - 1.0) / 2);
    return 2.0 * n - 1;
}

SK_REMOTE(int, nap)
{
    sk_sleep(1);
    return 1;
}

static double run_lesson(int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote(nap);
    for (int i = 0; i < n; i++)
        sum += sk_take(int, refs[i]);
    bench_expect("tasks that slept", sum, n);
    bench_expect("virtual seconds of ten sleeps on ten workers", sk_now(), 1);
    return n;
}

/* ---- 2. A process for each ------------------------------------------------------------------- */

typedef struct figures { double activities, seconds, cpu_seconds, virtual_seconds, bytes; } figures;

static char directory[] = "/tmp/skate-sim-XXXXXX", cluster_file[sizeof directory + 16], trace_file[sizeof directory + 16];
static char **own_argv;

/* The peer's platform: cpus of 1 Gflop/s, 10 Gbit/s, 25 us from a node to the middle. */
static void write_cluster(int nodes)
{
    FILE *file = fopen(cluster_file, "w");
    if (!file || fprintf(file, "[cluster]\nnodes = %d\nworkers = 1\n[network]\nlatency = 50us\nbandwidth = 10Gbit/s\n", nodes) < 0
        || fclose(file) != 0) {
        perror(cluster_file);
        exit(1);
    }
}

static double memory(const char *key)            /* bytes, from /proc/self/status */
{
    char line[256];
    double kb = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            kb = atof(line + strlen(key));
    if (file)
        fclose(file);
    bench_expect(key, kb > 0, 1);
    return kb * 1024;
}

static figures run_here(double (*run)(int), int n, char **options)
{
    char *argv[64] = { own_argv[0], "--sk-backend=virtual" };
    int argc = 2;
    for (; *options; options++)
        argv[argc++] = *options;
    for (char **arg = own_argv + 1; *arg && argc < 63; arg++)
        if (strncmp(*arg, "--sk-", 5) == 0)
            argv[argc++] = *arg;
    refs = malloc(MOST * sizeof *refs);
    memset(refs, 1, MOST * sizeof *refs);        /* the program's own, not the tasks' */
    char **args = argv;
    double start = bench_now();
    clock_t cpu = clock();
    sk_init(&argc, &args, NULL);
    double before = memory("VmRSS:"), activities = run(n), end = sk_now();
    sk_shutdown();
    return (figures){ activities, bench_now() - start, (double)(clock() - cpu) / CLOCKS_PER_SEC, end, memory("VmHWM:") - before };
}

static figures run_apart(double (*run)(int), int n, char **options)
{
    int ends[2], status = 0;
    figures found = { 0, 0, 0, 0, 0 };
    if (pipe(ends) != 0) {
        perror("pipe");
        exit(1);
    }
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        found = run_here(run, n, options);
        _exit(write(ends[1], &found, sizeof found) == sizeof found ? 0 : 1);
    }
    close(ends[1]);
    ssize_t size = read(ends[0], &found, sizeof found);
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0 || size != sizeof found) {
        fprintf(stderr, "skate_sim: a run failed (status %d)\n", status);
        exit(1);
    }
    if (getenv("SIM_VERBOSE"))
        fprintf(stderr, "%g activities, %.3f s (cpu %.3f s), %.9g virtual s, %.0f bytes each\n", found.activities, found.seconds,
                found.cpu_seconds, found.virtual_seconds, found.bytes / found.activities);
    return found;
}

/* ---- 3. The rows ------------------------------------------------------------------------------ */

static figures on_cluster(double (*run)(int), int n, int nodes)
{
    char option[sizeof cluster_file + 16];
    write_cluster(nodes);
    snprintf(option, sizeof option, "--sk-cluster=%s", cluster_file);
    return run_apart(run, n, (char *[]){ option, NULL });
}

static double rate(figures f)    { return f.activities / f.seconds; }
static double sim_tree(void)     { return rate(on_cluster(run_tree_of_buffers, bench_n(8192), 100)); }
static double sim_mw(void)       { return rate(on_cluster(run_master_waits, bench_n(100000), 1000)); }
static double sim_mw_all(void)   { return rate(on_cluster(run_all_at_once, bench_n(10000), 1000)); }

enum { EVENTS_OF_A_TASK = 4 };

static double sim_events(void)
{
    return EVENTS_OF_A_TASK * rate(run_apart(run_independent, bench_n(100000), (char *[]){ "--sk-nodes=100", "--sk-workers=8", NULL }));
}

static double sim_events_traced(void)
{
    char option[sizeof trace_file + 16];
    snprintf(option, sizeof option, "--sk-trace=%s", trace_file);
    return EVENTS_OF_A_TASK * rate(run_apart(run_independent, bench_n(100000), (char *[]){ "--sk-nodes=100", "--sk-workers=8", option, NULL }));
}

static figures big_tree(void)
{
    return run_apart(run_tree, bench_n(1 << 19), (char *[]){ "--sk-nodes=4096", "--sk-workers=1", NULL });
}

static double sim_tree_4096(void) { return big_tree().seconds; }

static double sim_tree_4096_bytes(void)
{
    figures f = big_tree();
    return f.bytes / f.activities;
}

static double sim_10000(void)
{
    return run_apart(run_independent, bench_n(100000), (char *[]){ "--sk-nodes=10000", "--sk-workers=1", NULL }).seconds;
}

static double sim_lesson(void)
{
    return 1000 * run_apart(run_lesson, 10, (char *[]){ "--sk-workers=10", NULL }).seconds;
}

static const bench_row rows[] = {
    BENCH_ROW(sim_tree, "activities/s", .cold = true),
    BENCH_ROW(sim_mw, "activities/s", .cold = true),
    BENCH_ROW(sim_mw_all, "activities/s", .cold = true),
    BENCH_ROW(sim_events, "events/s", .cold = true),
    BENCH_ROW(sim_events_traced, "events/s", .cold = true),
    BENCH_ROW(sim_tree_4096, "s", .cold = true),
    BENCH_ROW(sim_tree_4096_bytes, "bytes", .runs = 1, .cold = true),
    BENCH_ROW(sim_10000, "s", .cold = true),
    BENCH_ROW(sim_lesson, "ms", .cold = true),
};

int main(int argc, char **argv)
{
    (void)argc;
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    own_argv = argv;
    if (!mkdtemp(directory)) {
        perror(directory);
        return 1;
    }
    snprintf(cluster_file, sizeof cluster_file, "%s/cluster", directory);
    snprintf(trace_file, sizeof trace_file, "%s/run.sktrace", directory);
    bench_main("skate", "virtual", BENCH_ROWS(rows), argv);
    remove(cluster_file);
    remove(trace_file);
    rmdir(directory);
    return 0;
}
