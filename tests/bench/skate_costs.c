/* skate_costs.c -- what Skate costs besides time: memory of pending tasks, cpu while idle, tracing.
 *
 * Each figure comes from a fresh process (bench_child.h).
 *
 *   mem_pending           bytes of resident memory per task that waits for a promise; it has two
 *   mem_pending_refs      arguments (one of them a ref; both refs) and one result
 *   idle_cpu              per cent of one cpu while nobody does anything for a second; worker processes count
 *   trace_tree_dag        time of tree_dag with the trace on / off (its tasks are empty)
 *   trace_tree_dag_whole  the same from sk_init to the end of sk_shutdown: the file is written
 *   trace_10us            as trace_tree_dag, with independent tasks of 10 us each
 *   trace_events          records in the trace of a run that makes at least 10 million
 *   trace_dropped         how many of that run's records were lost
 *
 * Reading order: 1 the children; 2 the end of a trace file; 3 the rows.                          */
#define _GNU_SOURCE
#include <skate.h>
#include <skate/backend.h>
#include <trace_format.h>

#include "bench_child.h"

enum { PENDING = 1000000, TIMED = 3, SPINS = 20000, BENCH_REFS = PENDING, EVENTS = 10000000, MOST_CHILDREN = 256 };

#include "bench_tree.h"

/* ---- 1. The children ------------------------------------------------------------------------ */

static double resident_bytes(void) { return bench_memory(0, "status", "VmRSS:"); }

static void child_memory(int both_refs)
{
    int n = bench_n(PENDING);
    sk_ref gate = sk_promise(), number = sk_put(3);
    double before = resident_bytes();
    for (int i = 0; i < n; i++)
        bench_refs[i] = both_refs ? sk_remote(add, gate, number) : sk_remote(add, gate, 3);
    printf("%.17g\n", (resident_bytes() - before) / n);
    fflush(stdout);
    sk_fulfil(gate, 4);
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += sk_take(double, bench_refs[i]);
    bench_expect("sum of the pending tasks", sum, 7.0 * n);
}

static double cpu_seconds(const pid_t *pids, int n)
{
    double seconds = 0;
    for (int i = 0; i < n; i++) {
        clockid_t clock;
        struct timespec t;
        if (clock_getcpuclockid(pids[i], &clock) == 0 && clock_gettime(clock, &t) == 0)
            seconds += (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
    }
    return seconds;
}

/* Of this process and of its children, which are looked for before: to search /proc takes 2 ms of cpu. */
static void child_idle(int tasks)
{
    for (int i = 0; i < tasks; i++)
        sk_take(int64_t, sk_remote(leaf, i));
    pid_t pids[MOST_CHILDREN];
    int n = bench_children(pids, MOST_CHILDREN - 1);
    pids[n++] = getpid();
    usleep(100000);                             /* those who look for work may give up first */
    double cpu = cpu_seconds(pids, n), start = bench_now();
    usleep((useconds_t)bench_n(1000000));
    printf("%.17g\n", (cpu_seconds(pids, n) - cpu) / (bench_now() - start) * 100);
}

static double tree_seconds(void) { return bench_tree_seconds(bench_many(BENCH_LEAVES)); }
static double spin_seconds(void) { return bench_spin_seconds(bench_many(SPINS)); }

/* Prints the median of n runs, after one to warm up. */
static void child_times(double (*once)(void), int n)
{
    double seconds[TIMED];
    once();
    for (int i = 0; i < n; i++)
        seconds[i] = once();
    printf("%.17g\n", bench_median(seconds, n));
}

/* Then, where it is not the figure itself, the seconds from sk_init to the end of sk_shutdown. */
static void child(const char *kind, int n, int argc, char **argv)
{
    bench_is_far = strcmp(bench_skate_backend(argv), "processes") == 0;
    double start = bench_now();
    memset(bench_refs, 1, sizeof bench_refs);
    sk_init(&argc, &argv, &(sk_config){ .workers = bench_workers() });
    if (strcmp(kind, "memory") == 0)
        child_memory(n);
    else if (strcmp(kind, "idle") == 0)
        child_idle(n);
    else if (strcmp(kind, "tree") == 0)
        child_times(tree_seconds, TIMED);
    else if (strcmp(kind, "spin") == 0)
        child_times(spin_seconds, TIMED);
    else
        for (int i = 0; i < n; i++)
            tree_seconds();
    sk_shutdown();
    printf("%.17g\n", bench_now() - start);
}

static char **own_argv;         /* of main */
static char directory[] = "/tmp/skate-bench-XXXXXX", trace_file[sizeof directory + 16];

/* With `traced` it writes trace_file. */
static bench_answers run_child(const char *kind, int n, bool traced)
{
    if (traced)
        setenv("SKATE_TRACE", trace_file, 1);
    else
        unsetenv("SKATE_TRACE");
    remove(trace_file);
    return bench_run_child(own_argv, kind, n);
}

/* ---- 2. The end of a trace file: how many records there are, and how many were lost --------- */

typedef struct trace_end { double records, dropped; } trace_end;

static trace_end read_trace_end(const char *name)
{
    trace_end end = { -1, -1 };
    sk_trace_header header;
    sk_trace_chunk chunk;
    long last = 0, next = sizeof header;
    FILE *file = fopen(name, "r");
    if (!file)
        bench_give_up(name);
    if (fread(&header, sizeof header, 1, file) != 1 || memcmp(header.magic, SK_TRACE_MAGIC, 8) != 0)
        bench_expect("a trace file's header", 0, 1);
    while (fseek(file, next, SEEK_SET) == 0 && fread(&chunk, sizeof chunk, 1, file) == 1
           && chunk.magic == SK_CHUNK_MAGIC) {
        last = next + (long)sizeof chunk;
        next = last + (long)chunk.bytes;
    }
    sk_trace_record record;
    for (long at = last; last && at < next; at += (long)sizeof record + record.n * 8L) {
        uint64_t word[2];
        if (fseek(file, at, SEEK_SET) != 0 || fread(&record, sizeof record, 1, file) != 1)
            break;
        if (record.type == SK_TRACE_END && record.n >= 2 && fread(word, sizeof word, 1, file) == 1)
            end = (trace_end){ (double)word[0], (double)word[1] };
    }
    fclose(file);
    return end;
}

/* ---- 3. The rows ---------------------------------------------------------------------------- */

static double mem_pending(void)      { return run_child("memory", 0, false).n[0]; }
static double mem_pending_refs(void) { return run_child("memory", 1, false).n[0]; }
static double idle_cpu(void)         { return run_child("idle", 1000, false).n[0]; }

static double ratio(const char *kind, bool whole)
{
    bench_answers on = run_child(kind, 0, true), off = run_child(kind, 0, false);
    return on.n[whole] / off.n[whole];
}

static double trace_tree_dag(void)       { return ratio("tree", false); }
static double trace_tree_dag_whole(void) { return ratio("tree", true); }
static double trace_10us(void)           { return ratio("spin", false); }

/* Grows the run until there are enough records; once for both rows. */
static trace_end many_events(void)
{
    static trace_end end;
    for (int trees = bench_n(8); end.records < bench_n(EVENTS); trees *= 2) {
        run_child("trees", trees, true);
        end = read_trace_end(trace_file);
        bench_expect("the trace has a record END", end.records >= 0, 1);
        bench_expect("trees enough for 10 million records", trees <= 1024, 1);
    }
    return end;
}

static double trace_events(void)  { return many_events().records; }
static double trace_dropped(void) { return many_events().dropped; }

static const bench_row rows[] = {
    BENCH_ROW(mem_pending, "bytes", .runs = 3, .cold = true),
    BENCH_ROW(mem_pending_refs, "bytes", .runs = 3, .cold = true),
    BENCH_ROW(idle_cpu, "%", .runs = 3, .cold = true),
    BENCH_ROW(trace_tree_dag, "ratio", .cold = true),
    BENCH_ROW(trace_tree_dag_whole, "ratio", .cold = true),
    BENCH_ROW(trace_10us, "ratio", .cold = true),
    BENCH_ROW(trace_events, "events", .runs = 1, .cold = true),
    BENCH_ROW(trace_dropped, "records", .runs = 1, .cold = true),
};

int main(int argc, char **argv)
{
    const char *kind;
    int n;
    if (bench_is_child(argc, argv, &kind, &n)) {
        child(kind, n, argc, argv);
        return 0;
    }
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    own_argv = argv;
    if (!mkdtemp(directory))
        bench_give_up(directory);
    snprintf(trace_file, sizeof trace_file, "%s/run.sktrace", directory);
    const char *backend = bench_skate_backend(argv);
    bench_main(bench_skate_name(backend), backend, BENCH_ROWS(rows), argv);
    remove(trace_file);
    rmdir(directory);
    return 0;
}
