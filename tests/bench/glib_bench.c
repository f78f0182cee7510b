/* glib_bench.c -- the rows of skate_bench with GLib's GThreadPool: one queue behind one lock.
 *
 * The pool knows no dependencies and no results, so each job counts by hand what it still waits
 * for, and whoever finishes the last of it pushes the job. fib has no row: jobs that wait for jobs
 * would use up the threads of the pool.
 *
 * Build: cc -O3 -march=native glib_bench.c $(pkg-config --cflags --libs glib-2.0)                */
#define _GNU_SOURCE
#include <glib.h>
#include <unistd.h>

#include "bench.h"

typedef struct job job;
struct job {
    void (*run)(job *self);
    int missing;                /* atomic: jobs before it that are not done */
    int number;
    job *next;                  /* who takes the result; NULL: the main thread waits for it */
    job *from[2];
    double value;
    double *array;
    size_t n;
};

static GThreadPool *pool;
static GMutex lock;
static GCond done_cond;
static bool done;               /* lock */

static void push(job *j)
{
    g_thread_pool_push(pool, j, NULL);
}

static void signal_done(void)
{
    g_mutex_lock(&lock);
    done = true;
    g_cond_signal(&done_cond);
    g_mutex_unlock(&lock);
}

static void wait_done(void)
{
    g_mutex_lock(&lock);
    while (!done)
        g_cond_wait(&done_cond, &lock);
    done = false;
    g_mutex_unlock(&lock);
}

static void work(gpointer data, gpointer unused)
{
    (void)unused;
    job *j = data;
    j->run(j);
}

/* The job has its result: its taker may now have all it waits for. */
static void finish(job *j)
{
    if (!j->next)
        signal_done();
    else if (__atomic_sub_fetch(&j->next->missing, 1, __ATOMIC_ACQ_REL) == 0)
        push(j->next);
}

static void count_down(job *j)
{
    if (__atomic_sub_fetch(&j->missing, 1, __ATOMIC_ACQ_REL) == 0)
        signal_done();
}

static double spawn(void)
{
    int n = bench_many(BENCH_SPAWN);
    job all = { .run = count_down, .missing = n };
    double start = bench_now();
    for (int i = 0; i < n; i++)
        push(&all);
    wait_done();
    return n / (bench_now() - start);
}

static void take_successor(job *j)
{
    j->value = j->from[0] ? j->from[0]->value + 1 : 1;
    finish(j);
}

static double chain(void)
{
    static job jobs[BENCH_CHAIN];
    int n = bench_many(BENCH_CHAIN);
    double start = bench_now();
    for (int i = 0; i < n; i++) {
        bool last = i == n - 1;
        jobs[i] = (job){ .run = take_successor, .missing = 1, .next = last ? NULL : &jobs[i + 1],
                         .from = { i ? &jobs[i - 1] : NULL } };
    }
    push(&jobs[0]);
    wait_done();
    double seconds = bench_now() - start;
    bench_expect("chain", jobs[n - 1].value, n);
    return n / seconds;
}

/* Makes jobs for `count` leaves and, two from the front with the sum to the back, all their sums;
 * pushes the leaves. The last job holds the sum of all. */
static void run_tree(job *jobs, int count, size_t n, void (*leaf)(job *), void (*sum)(job *))
{
    int all = 2 * count - 1;
    for (int i = 0; i < all; i++) {
        job *next = i == all - 1 ? NULL : &jobs[count + i / 2];
        if (i < count)
            jobs[i] = (job){ .run = leaf, .number = i, .next = next, .n = n };
        else
            jobs[i] = (job){ .run = sum, .missing = 2, .next = next, .n = n,
                             .from = { &jobs[2 * (i - count)], &jobs[2 * (i - count) + 1] } };
    }
    for (int i = 0; i < count; i++)
        push(&jobs[i]);
    wait_done();
}

static void take_number(job *j)
{
    j->value = j->number;
    finish(j);
}

static void add_values(job *j)
{
    j->value = j->from[0]->value + j->from[1]->value;
    finish(j);
}

static double tree_dag(void)
{
    static job jobs[BENCH_TREE];
    int leaves = bench_many(BENCH_LEAVES);
    double start = bench_now();
    run_tree(jobs, leaves, 0, take_number, add_values);
    double seconds = bench_now() - start;
    bench_expect("tree_dag", jobs[2 * leaves - 2].value, leaves * (leaves - 1.0) / 2);
    return (2 * leaves - 1) / seconds;
}

static int flag;                /* atomic */

static void raise_flag(job *j)
{
    (void)j;
    __atomic_store_n(&flag, 1, __ATOMIC_RELEASE);
}

static double round_trips(int n, unsigned sleep_us, bool spin)
{
    static double us[BENCH_PING];
    job ping = { .run = spin ? raise_flag : finish };
    for (int i = 0; i < n; i++) {
        __atomic_store_n(&flag, 0, __ATOMIC_RELAXED);
        if (sleep_us)
            usleep(sleep_us);
        double start = bench_now();
        push(&ping);
        if (spin)
            bench_spin_until(&flag);
        else
            wait_done();
        us[i] = (bench_now() - start) * 1e6;
    }
    return bench_median(us, n);
}

static double ping_wait(void)     { return round_trips(bench_many(BENCH_PING), 0, false); }
static double ping_other(void)    { return round_trips(bench_many(BENCH_PING), 0, true); }
static double ping_cold(void)     { return round_trips(bench_n(BENCH_COLD), BENCH_COLD_US, true); }
static double ping_cold_get(void) { return round_trips(bench_n(BENCH_COLD), BENCH_COLD_US, false); }

static void fill_array(job *j)
{
    j->array = malloc(j->n * sizeof(double));
    bench_fill(j->array, j->n, j->number);
    finish(j);
}

static void add_arrays(job *j)
{
    j->array = malloc(j->n * sizeof(double));
    bench_add(j->array, j->from[0]->array, j->from[1]->array, j->n);
    free(j->from[0]->array);
    free(j->from[1]->array);
    finish(j);
}

static double arrays(int count, size_t n)
{
    job *jobs = calloc((size_t)count * 2, sizeof *jobs);
    double start = bench_now();
    run_tree(jobs, count, n, fill_array, add_arrays);
    double seconds = bench_now() - start;
    bench_check_sum(jobs[2 * count - 2].array, n, count);
    free(jobs[2 * count - 2].array);
    free(jobs);
    return seconds * 1e3;
}

static double arr_100x1000(void) { return arrays(bench_n(100), (size_t)bench_n(1000)); }
static double arr_256x1M(void)   { return arrays(bench_n(256), (size_t)bench_n(1000000)); }

static const bench_row rows[] = {
    BENCH_ROW(spawn, "tasks/s"),
    BENCH_ROW(chain, "tasks/s"),
    BENCH_ROW(tree_dag, "tasks/s"),
    BENCH_ROW(ping_wait, "us"),
    BENCH_ROW(ping_other, "us"),
    BENCH_ROW(ping_cold, "us"),
    BENCH_ROW(ping_cold_get, "us"),
    BENCH_ROW(arr_100x1000, "ms"),
    BENCH_ROW(arr_256x1M, "ms"),
};

int main(int argc, char **argv)
{
    (void)argc;
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    pool = g_thread_pool_new(work, NULL, bench_workers(), TRUE, NULL);
    bench_main("glib", "", BENCH_ROWS(rows), argv);
    g_thread_pool_free(pool, FALSE, TRUE);
    return 0;
}
