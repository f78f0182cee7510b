/* omp_bench.c -- the rows of skate_bench with OpenMP tasks: what a student would use instead.
 *
 * Dependencies are `depend` clauses on the place where each result goes. As in skate_bench one
 * thread submits, and results are combined two from the front with the sum to the back: result k of
 * the second half is the sum of results 2k and 2k + 1.
 *
 * Build: cc -O3 -march=native -fopenmp omp_bench.c      gcc: libgomp; clang: libomp              */
#define _GNU_SOURCE
#include <unistd.h>

#include "bench.h"

#ifdef __clang__
#define SYSTEM "libomp"
#else
#define SYSTEM "libgomp"
#endif

/* Runs what follows on one thread of a team, whose other threads take the tasks it makes. */
#define TEAM _Pragma("omp parallel num_threads(bench_workers())") _Pragma("omp single")

static double spawn(void)
{
    int n = bench_many(BENCH_SPAWN);
    double seconds = 0;
    TEAM {
        double start = bench_now();
        for (int i = 0; i < n; i++) {
            #pragma omp task
            __asm__ volatile("");
        }
        #pragma omp taskwait
        seconds = bench_now() - start;
    }
    return n / seconds;
}

static long fib_one(int n)
{
    if (n < 2)
        return n;
    long x;
    #pragma omp task shared(x) firstprivate(n)
    x = fib_one(n - 1);
    long y = fib_one(n - 2);
    #pragma omp taskwait
    return x + y;
}

static long fib_both(int n)
{
    if (n < 2)
        return n;
    long x, y;
    #pragma omp task shared(x) firstprivate(n)
    x = fib_both(n - 1);
    #pragma omp task shared(y) firstprivate(n)
    y = fib_both(n - 2);
    #pragma omp taskwait
    return x + y;
}

static double fib(long (*fn)(int))
{
    int n = bench_fib_n();
    double seconds = 0;
    long answer = 0;
    TEAM {
        double start = bench_now();
        answer = fn(n);
        seconds = bench_now() - start;
    }
    bench_expect("fib", (double)answer, bench_fib(n));
    return (2 * bench_fib(n + 1) - 1) / seconds;
}

static double fib_fork1(void) { return fib(fib_one); }
static double fib_fork2(void) { return fib(fib_both); }

static double chain(void)
{
    int n = bench_many(BENCH_CHAIN);
    double seconds = 0;
    long x = 0;
    TEAM {
        double start = bench_now();
        for (int i = 0; i < n; i++) {
            #pragma omp task depend(inout: x) shared(x)
            x++;
        }
        #pragma omp taskwait
        seconds = bench_now() - start;
    }
    bench_expect("chain", (double)x, n);
    return n / seconds;
}

static double tree_dag(void)
{
    static double result[BENCH_TREE];
    int leaves = bench_many(BENCH_LEAVES);
    double seconds = 0, *r = result;
    TEAM {
        double start = bench_now();
        for (int i = 0; i < leaves; i++) {
            #pragma omp task depend(out: r[i]) firstprivate(i, r)
            r[i] = i;
        }
        for (int k = 0; k < leaves - 1; k++) {
            int sum = leaves + k;
            #pragma omp task depend(in: r[2 * k], r[2 * k + 1]) depend(out: r[sum]) \
                             firstprivate(k, sum, r)
            r[sum] = r[2 * k] + r[2 * k + 1];
        }
        #pragma omp taskwait
        seconds = bench_now() - start;
    }
    bench_expect("tree_dag", result[2 * leaves - 2], leaves * (leaves - 1.0) / 2);
    return (2 * leaves - 1) / seconds;
}

static double round_trips(int n, unsigned sleep_us, bool spin)
{
    static double us[BENCH_PING];
    TEAM {
        for (int i = 0; i < n; i++) {
            int done = 0;
            if (sleep_us)
                usleep(sleep_us);
            double start = bench_now();
            #pragma omp task shared(done)
            __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
            if (spin) {
                bench_spin_until(&done);
                us[i] = (bench_now() - start) * 1e6;
            }
            #pragma omp taskwait
            if (!spin)
                us[i] = (bench_now() - start) * 1e6;
        }
    }
    return bench_median(us, n);
}

static double ping_wait(void)     { return round_trips(bench_many(BENCH_PING), 0, false); }
static double ping_other(void)    { return round_trips(bench_many(BENCH_PING), 0, true); }
static double ping_cold(void)     { return round_trips(bench_n(BENCH_COLD), BENCH_COLD_US, true); }
static double ping_cold_get(void) { return round_trips(bench_n(BENCH_COLD), BENCH_COLD_US, false); }

static double arrays(int count, size_t n)
{
    double **array = calloc((size_t)count * 2, sizeof *array), seconds = 0;
    TEAM {
        double start = bench_now();
        for (int i = 0; i < count; i++) {
            #pragma omp task depend(out: array[i]) firstprivate(array, i, n)
            {
                array[i] = malloc(n * sizeof(double));
                bench_fill(array[i], n, i);
            }
        }
        for (int k = 0; k < count - 1; k++) {
            double **a = &array[2 * k], **b = a + 1, **sum = &array[count + k];
            #pragma omp task depend(in: a[0], b[0]) depend(out: sum[0]) firstprivate(a, b, sum, n)
            {
                *sum = malloc(n * sizeof(double));
                bench_add(*sum, *a, *b, n);
                free(*a);
                free(*b);
            }
        }
        #pragma omp taskwait
        seconds = bench_now() - start;
    }
    double *sum = array[2 * count - 2];
    bench_check_sum(sum, n, count);
    free(sum);
    free(array);
    return seconds * 1e3;
}

static double arr_100x1000(void) { return arrays(bench_n(100), (size_t)bench_n(1000)); }
static double arr_256x1M(void)   { return arrays(bench_n(256), (size_t)bench_n(1000000)); }

static const bench_row rows[] = {
    BENCH_ROW(spawn, "tasks/s"),
    BENCH_ROW(fib_fork1, "calls/s"),
    BENCH_ROW(fib_fork2, "calls/s"),
    BENCH_ROW(chain, "tasks/s"),
    BENCH_ROW(tree_dag, "tasks/s"),
    BENCH_ROW(ping_wait, "us"),
    BENCH_ROW(ping_other, "us", .workers = 2),
    BENCH_ROW(ping_cold, "us", .workers = 2),
    BENCH_ROW(ping_cold_get, "us"),
    BENCH_ROW(arr_100x1000, "ms"),
    BENCH_ROW(arr_256x1M, "ms"),
};

int main(int argc, char **argv)
{
    (void)argc;
    if (!bench_lists_rows(BENCH_ROWS(rows), argv))
        bench_main(SYSTEM, "", BENCH_ROWS(rows), argv);
    return 0;
}
