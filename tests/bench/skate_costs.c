/* skate_costs.c -- what Skate costs besides time: memory of pending tasks, cpu while idle, tracing.
 *
 * Each figure comes from a fresh process, so that nothing is warm from another: this program runs
 * itself again as `skate_costs --child KIND N`, which prints one line of numbers.
 *
 *   mem_pending           bytes of resident memory per task that waits for a promise; it has two
 *   mem_pending_refs      arguments (one of them a ref; both refs) and one result
 *   idle_cpu              per cent of one cpu while nobody does anything for a second
 *   trace_tree_dag        time of tree_dag with the trace on / off (its tasks are empty)
 *   trace_tree_dag_whole  the same from sk_init to the end of sk_shutdown: the file is written
 *   trace_10us            as trace_tree_dag, with independent tasks of 10 us each
 *   trace_events          records in the trace of a run that makes at least 10 million
 *   trace_dropped         how many of that run's records were lost
 *
 * Reading order: 1 the children; 2 how they are run; 3 the end of a trace file; 4 the rows.      */
#define _GNU_SOURCE
#include <fcntl.h>
#include <skate.h>
#include <skate/backend.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <trace_format.h>
#include <unistd.h>

#include "bench.h"

enum { PENDING = 1000000, TIMED = 3, SPINS = 20000, SPIN_US = 10, EVENTS = 10000000 };

/* ---- 1. The children ------------------------------------------------------------------------ */

static sk_ref refs[PENDING];

static void give_up(const char *what)
{
    perror(what);
    exit(1);
}

SK_REMOTE(int64_t, leaf, (int64_t, number)) { return number; }
SK_REMOTE(int64_t, add, (int64_t, a), (int64_t, b)) { return a + b; }

static double resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        give_up("/proc/self/statm");
    if (fscanf(file, "%*s %ld", &pages) != 1)
        bench_expect("/proc/self/statm", 0, 1);
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void child_memory(int both_refs)
{
    sk_ref gate = sk_promise(), number = sk_put(3);
    double before = resident_bytes();
    for (int i = 0; i < PENDING; i++)
        refs[i] = both_refs ? sk_remote(add, gate, number) : sk_remote(add, gate, 3);
    printf("%.17g\n", (resident_bytes() - before) / PENDING);
    fflush(stdout);
    sk_fulfil(gate, 4);
    double sum = 0;
    for (int i = 0; i < PENDING; i++)
        sum += sk_take(double, refs[i]);
    bench_expect("sum of the pending tasks", sum, 7.0 * PENDING);
}

static double cpu_seconds(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec)
           + (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-6;
}

static void child_idle(int tasks)
{
    for (int i = 0; i < tasks; i++)
        sk_take(int64_t, sk_remote(leaf, i));
    usleep(100000);                             /* those who look for work may give up first */
    double cpu = cpu_seconds(), start = bench_now();
    usleep(1000000);
    printf("%.17g\n", (cpu_seconds() - cpu) / (bench_now() - start) * 100);
}

static double tree_seconds(void)
{
    double start = bench_now();
    for (int i = 0; i < BENCH_LEAVES; i++)
        refs[i] = sk_remote(leaf, i);
    for (int k = 0; k < BENCH_LEAVES - 1; k++) {
        refs[BENCH_LEAVES + k] = sk_remote(add, refs[2 * k], refs[2 * k + 1]);
        sk_drop(refs[2 * k]);
        sk_drop(refs[2 * k + 1]);
    }
    double sum = sk_take(double, refs[BENCH_TREE - 1]), seconds = bench_now() - start;
    bench_expect("tree_dag", sum, BENCH_LEAVES * (BENCH_LEAVES - 1.0) / 2);
    return seconds;
}

SK_REMOTE(int, spin)
{
    for (double end = bench_now() + SPIN_US * 1e-6; bench_now() < end;)
        bench_pause();
    return 1;
}

static double spin_seconds(void)
{
    double start = bench_now();
    long sum = 0;
    for (int i = 0; i < SPINS; i++)
        refs[i] = sk_remote(spin);
    for (int i = 0; i < SPINS; i++)
        sum += sk_take(int, refs[i]);
    double seconds = bench_now() - start;
    bench_expect("spin", (double)sum, SPINS);
    return seconds;
}

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
    double start = bench_now();
    memset(refs, 1, sizeof refs);
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

/* ---- 2. How they are run -------------------------------------------------------------------- */

static char **own_argv;         /* of main: --sk-* options go to the children */
static char directory[] = "/tmp/skate-bench-XXXXXX", trace_file[sizeof directory + 16];

typedef struct answers { double first, whole; } answers;

/* Runs a child and reads its two numbers. With `traced` it writes trace_file. */
static answers run_child(const char *kind, int n, bool traced)
{
    char number[16], *args[64] = { own_argv[0], "--child", (char *)kind, number };
    int count = 4, ends[2], status = 0;
    answers found = { 0, 0 };
    snprintf(number, sizeof number, "%d", n);
    for (char **arg = own_argv + 1; *arg && count < 63; arg++)
        if (strncmp(*arg, "--sk-", 5) == 0)
            args[count++] = *arg;
    if (traced)
        setenv("SKATE_TRACE", trace_file, 1);
    else
        unsetenv("SKATE_TRACE");
    remove(trace_file);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (pipe2(ends, O_CLOEXEC) != 0)
        give_up("pipe");
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    pid_t pid;
    if (posix_spawn(&pid, "/proc/self/exe", &actions, NULL, args, environ) != 0)
        give_up("posix_spawn");
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    int numbers = fscanf(output, "%lf %lf", &found.first, &found.whole);
    fclose(output);
    if (waitpid(pid, &status, 0) != pid || status != 0 || numbers < 1) {
        fprintf(stderr, "skate_costs --child %s %d failed (status %d)\n", kind, n, status);
        exit(1);
    }
    return found;
}

/* ---- 3. The end of a trace file: how many records there are, and how many were lost --------- */

typedef struct trace_end { double records, dropped; } trace_end;

static trace_end read_trace_end(const char *name)
{
    trace_end end = { -1, -1 };
    sk_trace_header header;
    sk_trace_chunk chunk;
    long last = 0, next = sizeof header;
    FILE *file = fopen(name, "r");
    if (!file)
        give_up(name);
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

/* ---- 4. The rows ---------------------------------------------------------------------------- */

static double mem_pending(void)      { return run_child("memory", 0, false).first; }
static double mem_pending_refs(void) { return run_child("memory", 1, false).first; }
static double idle_cpu(void)         { return run_child("idle", 1000, false).first; }

static double ratio(const char *kind, bool whole)
{
    answers on = run_child(kind, 0, true), off = run_child(kind, 0, false);
    return whole ? on.whole / off.whole : on.first / off.first;
}

static double trace_tree_dag(void)       { return ratio("tree", false); }
static double trace_tree_dag_whole(void) { return ratio("tree", true); }
static double trace_10us(void)           { return ratio("spin", false); }

/* Grows the run until there are enough records; once for both rows. */
static trace_end many_events(void)
{
    static trace_end end;
    for (int trees = 8; end.records < EVENTS; trees *= 2) {
        run_child("trees", trees, true);
        end = read_trace_end(trace_file);
        bench_expect("the trace has a record END", end.records >= 0, 1);
        bench_expect("trees enough for 10 million records", trees <= 128, 1);
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
    if (argc >= 4 && strcmp(argv[1], "--child") == 0) {
        child(argv[2], atoi(argv[3]), argc, argv);
        return 0;
    }
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    own_argv = argv;
    if (!mkdtemp(directory))
        give_up(directory);
    snprintf(trace_file, sizeof trace_file, "%s/run.sktrace", directory);
    bench_main(bench_skate_name(argv), BENCH_ROWS(rows), argv);
    remove(trace_file);
    rmdir(directory);
    return 0;
}
