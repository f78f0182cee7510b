/* skate_bench.c -- how fast Skate is: the rows that its peers have too (omp_bench.c, glib_bench.c),
 * then Ray's microbenchmarks under Ray's names, then how long it takes to drain many refs.
 *
 * Everything is written as a student would write it: each task has a ref, each ref is got and
 * dropped. What a figure costs besides time (memory, idling, tracing) is in skate_costs.c.
 *
 * Arguments: rows (see bench.h) and Skate's own, --sk-backend=serial for instance.
 * Reading order: 1 tasks by the million; 2 round trips; 3 arrays; 4 Ray's; 5 drains; 6 the rows. */
#define _GNU_SOURCE
#include <skate.h>
#include <skate/backend.h>
#include <unistd.h>

#include "bench.h"

static void *room_for(size_t n, size_t size)
{
    void *room = calloc(n, size);
    if (!room) {
        fprintf(stderr, "no memory for %zu times %zu bytes\n", n, size);
        exit(1);
    }
    return room;
}

/* The driver's refs, for every row. Touched once, so that no row pays for fresh pages. */
static sk_ref refs[BENCH_SPAWN];

/* ---- 1. Tasks by the million ---------------------------------------------------------------- */

SK_REMOTE(int, one) { return 1; }

static double spawn_rate(int n)
{
    double start = bench_now();
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote(one);
    long sum = 0;
    for (int i = 0; i < n; i++)
        sum += sk_take(int, refs[i]);
    double seconds = bench_now() - start;
    bench_expect("spawn", (double)sum, n);
    return n / seconds;
}

static double spawn(void)     { return spawn_rate(bench_many(BENCH_SPAWN)); }
static double spawn_10k(void) { return spawn_rate(bench_n(BENCH_10K)); }

SK_REMOTE(int, pass, (int, x)) { return x; }

/* A function of each number, all answers at once: Pool.map(f, range(n), chunksize=1). */
static double map_10k(void)
{
    static int answers[BENCH_10K];
    int n = bench_n(BENCH_10K);
    double start = bench_now(), sum = 0;
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote(pass, i);
    sk_get_all(int, refs, (size_t)n, answers);
    double seconds = bench_now() - start;
    for (int i = 0; i < n; i++) {
        sum += answers[i];
        sk_drop(refs[i]);
    }
    bench_expect("map_10k", sum, n * (n - 1.0) / 2);
    return n / seconds;
}

SK_REMOTE(int64_t, fib_one, (int, n))
{
    if (n < 2)
        return n;
    sk_ref x = sk_remote(fib_one, n - 1);
    int64_t y = fib_one_body(n - 2);
    return sk_get(int64_t, x) + y;
}

SK_REMOTE(int64_t, fib_both, (int, n))
{
    if (n < 2)
        return n;
    sk_ref x = sk_remote(fib_both, n - 1), y = sk_remote(fib_both, n - 2);
    return sk_get(int64_t, y) + sk_get(int64_t, x);
}

static double fib(const sk_fn *fn)
{
    int n = bench_fib_n();
    double start = bench_now();
    int64_t answer = sk_take(int64_t, sk_remote_fn(fn, n));
    double seconds = bench_now() - start;
    bench_expect("fib", (double)answer, bench_fib(n));
    return (2 * bench_fib(n + 1) - 1) / seconds;
}

static double fib_fork1(void) { return fib(&fib_one); }
static double fib_fork2(void) { return fib(&fib_both); }

SK_REMOTE(int64_t, successor, (int64_t, x)) { return x + 1; }

static double chain(void)
{
    int n = bench_many(BENCH_CHAIN);
    double start = bench_now();
    sk_ref last = sk_remote(successor, 0);
    for (int i = 1; i < n; i++) {
        sk_ref next = sk_remote(successor, last);
        sk_drop(last);
        last = next;
    }
    int64_t answer = sk_take(int64_t, last);
    double seconds = bench_now() - start;
    bench_expect("chain", (double)answer, n);
    return n / seconds;
}

SK_REMOTE(double, leaf, (int, number)) { return number; }
SK_REMOTE(double, add, (double, a), (double, b)) { return a + b; }

/* The first `count` of refs become one: two are taken from the front, the sum goes to the back. */
#define TAKE_TWO_APPEND(fn, count)                                                                \
    for (int k = 0; k < (count) - 1; k++) {                                                       \
        refs[(count) + k] = sk_remote(fn, refs[2 * k], refs[2 * k + 1]);                          \
        sk_drop(refs[2 * k]);                                                                     \
        sk_drop(refs[2 * k + 1]);                                                                 \
    }

static double tree_dag(void)
{
    int leaves = bench_many(BENCH_LEAVES);
    double start = bench_now();
    for (int i = 0; i < leaves; i++)
        refs[i] = sk_remote(leaf, i);
    TAKE_TWO_APPEND(add, leaves);
    double sum = sk_take(double, refs[2 * leaves - 2]);
    double seconds = bench_now() - start;
    bench_expect("tree_dag", sum, leaves * (leaves - 1.0) / 2);
    return (2 * leaves - 1) / seconds;
}

/* ---- 2. Round trips: microseconds from submission to knowing that the task has run ---------- */

static int flag;                /* atomic */

SK_REMOTE(int, raise_flag)
{
    __atomic_store_n(&flag, 1, __ATOMIC_RELEASE);
    return 1;
}

/* With `spin` the driver does not wait for the ref, so another thread has to run the task. */
static double round_trips(int n, unsigned sleep_us, bool spin)
{
    static double us[BENCH_PING];
    for (int i = 0; i < n; i++) {
        __atomic_store_n(&flag, 0, __ATOMIC_RELAXED);
        if (sleep_us)
            usleep(sleep_us);
        double start = bench_now();
        sk_ref ref = sk_remote(raise_flag);
        if (spin) {
            bench_spin_until(&flag);
            us[i] = (bench_now() - start) * 1e6;
        }
        bench_expect("ping", sk_take(int, ref), 1);
        if (!spin)
            us[i] = (bench_now() - start) * 1e6;
    }
    return bench_median(us, n);
}

static double ping_wait(void)     { return round_trips(bench_many(BENCH_PING), 0, false); }
static double ping_other(void)    { return round_trips(bench_many(BENCH_PING), 0, true); }
static double ping_cold(void)     { return round_trips(bench_n(BENCH_COLD), BENCH_COLD_US, true); }
static double ping_cold_get(void) { return round_trips(bench_n(BENCH_COLD), BENCH_COLD_US, false); }

/* ---- 3. Arrays: made in tasks and added up out of place ------------------------------------- */

SK_REMOTE(sk_array, fill, (int64_t, n), (int, number))
{
    sk_array a = sk_new_array(SK_F64, n);
    bench_fill(sk_write(double, a), (size_t)n, number);
    return a;
}

SK_REMOTE(sk_array, add_arrays, (sk_array, a), (sk_array, b))
{
    sk_array sum = sk_new_array(SK_F64, sk_len(a));
    bench_add(sk_write(double, sum), sk_read(double, a), sk_read(double, b), (size_t)sk_len(a));
    return sum;
}

static double arrays(int count, int64_t n)
{
    double start = bench_now();
    for (int i = 0; i < count; i++)
        refs[i] = sk_remote(fill, n, i);
    TAKE_TWO_APPEND(add_arrays, count);
    sk_ref last = refs[2 * count - 2];
    sk_array sum = sk_get(sk_array, last);
    double seconds = bench_now() - start;
    bench_expect("length of the sum", (double)sk_len(sum), (double)n);
    bench_check_sum(sk_read(double, sum), (size_t)n, count);
    sk_drop(last);
    return seconds * 1e3;
}

static double arr_100x1000(void) { return arrays(bench_n(100), bench_n(1000)); }
static double arr_16x1M(void)    { return arrays(bench_n(16), bench_n(1000000)); }
static double arr_256x1M(void)   { return arrays(bench_n(256), bench_n(1000000)); }

/* ---- 4. Ray's rows: names and work of python/ray/_private/ray_perf.py ----------------------- */

enum { BATCH = 1000, REFS_IN_OBJECT = 10000, RAY_SYNC = 20000, RAY_CALLS = 200000, RAY_BATCHES = 30,
       RAY_GETS = 1000 };

SK_REMOTE(const char *, small_value) { return "ok"; }

static void expect_ok(const char *value)
{
    if (strcmp(value, "ok") != 0) {
        fprintf(stderr, "small_value: found \"%s\", expected \"ok\"\n", value);
        exit(1);
    }
}

static double single_client_tasks_sync(void)
{
    int n = bench_many(RAY_SYNC);
    double start = bench_now();
    for (int i = 0; i < n; i++) {
        sk_ref ref = sk_remote(small_value);
        expect_ok(sk_get(const char *, ref));
        sk_drop(ref);
    }
    return n / (bench_now() - start);
}

static void submit_and_get_batch(void)
{
    const char *values[BATCH];
    for (int i = 0; i < BATCH; i++)
        refs[i] = sk_remote(small_value);
    sk_get_all(const char *, refs, BATCH, values);
    for (int i = 0; i < BATCH; i++) {
        expect_ok(values[i]);
        sk_drop(refs[i]);
    }
}

static double tasks_and_get_batch(void)
{
    int n = bench_many(RAY_BATCHES);
    double start = bench_now();
    for (int i = 0; i < n; i++)
        submit_and_get_batch();
    return n / (bench_now() - start);
}

static double single_client_tasks_async(void)
{
    return tasks_and_get_batch() * BATCH;
}

static double single_client_get_calls(void)
{
    int n = bench_many(RAY_CALLS);
    sk_ref ref = sk_put(7);
    long sum = 0;
    double start = bench_now();
    for (int i = 0; i < n; i++)
        sum += sk_get(int, ref);
    double seconds = bench_now() - start;
    sk_drop(ref);
    bench_expect("get_calls", (double)sum, 7.0 * n);
    return n / seconds;
}

static double single_client_put_calls(void)
{
    int n = bench_many(RAY_CALLS);
    double start = bench_now();
    for (int i = 0; i < n; i++)
        sk_drop(sk_put(0));
    return n / (bench_now() - start);
}

static double single_client_put_gigabytes(void)
{
    const int64_t n = bench_n(100 << 20);        /* Ray's array: 800 MiB of int64 */
    static int64_t *source;
    if (!source) {
        source = room_for((size_t)n, sizeof *source);
        for (int64_t i = 0; i < n; i++)
            source[i] = i;
    }
    double start = bench_now();
    sk_ref ref = sk_put(sk_array_of(source, n));
    double seconds = bench_now() - start;
    sk_array copy = sk_get(sk_array, ref);
    bench_expect("last element put", (double)sk_read(int64_t, copy)[n - 1], (double)(n - 1));
    sk_drop(ref);
    return (double)n * sizeof *source * 1e-9 / seconds;
}

/* Submits 1,000 tasks and waits for one of them 1,000 times, each time for those still left. */
static void wait_for_each(void)
{
    for (int i = 0; i < BATCH; i++)
        refs[i] = sk_remote(one);
    for (int i = 0; i < BATCH; i++) {
        bench_expect("sk_wait", (double)sk_wait(refs + i, (size_t)(BATCH - i), 1, SK_FOREVER), 1);
        bench_expect("what was waited for", sk_take(int, refs[i]), 1);
    }
}

static double single_client_wait_1k_refs(void)
{
    int n = bench_n(10);
    double start = bench_now();
    for (int i = 0; i < n; i++)
        wait_for_each();
    return n / (bench_now() - start);
}

SK_REMOTE(sk_list, create_object_containing_refs)
{
    static sk_ref inside[REFS_IN_OBJECT];      /* static: copied after the body has returned */
    for (int i = 0; i < REFS_IN_OBJECT; i++)
        inside[i] = sk_put(1);
    return sk_list_of(inside, REFS_IN_OBJECT);
}

static double get_object_containing_10k_refs(void)
{
    sk_ref object = sk_remote(create_object_containing_refs);
    sk_get(sk_list, object);
    int n = bench_n(RAY_GETS);
    double start = bench_now();
    for (int i = 0; i < n; i++) {
        sk_list list = sk_get(sk_list, object);
        uint64_t all = 0;                      /* Ray makes 10,000 objects; we only look at each */
        for (size_t k = 0; k < list.n; k++)
            all += list.refs[k].id != 0;
        bench_expect("refs in the object", (double)all, REFS_IN_OBJECT);
    }
    double seconds = bench_now() - start;
    sk_list list = sk_get(sk_list, object);
    bench_expect("the last of them", sk_get(int, list.refs[list.n - 1]), 1);
    sk_drop(object);
    return n / seconds;
}

/* ---- 5. Drains: refs handed out as they complete; the time must grow with their number ------ */

static double wait_1k(void)
{
    double start = bench_now();
    wait_for_each();
    return (bench_now() - start) * 1e3;
}

/* Takes over the waiter and the first n refs. */
static void drain(sk_waiter *waiter, int n)
{
    long sum = 0;
    for (sk_ref ref; sk_waiter_next(waiter, &ref, SK_FOREVER);)
        sum += sk_get(int, ref);
    bench_expect("refs left in the waiter", (double)sk_waiter_left(waiter), 0);
    sk_waiter_free(waiter);
    for (int i = 0; i < n; i++)
        sk_drop(refs[i]);
    bench_expect("drain", (double)sum, n);
}

static double drain_of(int n)
{
    double start = bench_now();
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote(one);
    drain(sk_waiter_new(refs, (size_t)n), n);
    return (bench_now() - start) * 1e3;
}

/* Held back until all are submitted: each completion finds the waiter there and has to tell it. */
static double drain_held_of(int n)
{
    double start = bench_now();
    sk_ref gate = sk_promise();
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote(pass, gate);
    sk_waiter *waiter = sk_waiter_new(refs, (size_t)n);
    sk_fulfil(gate, 1);
    drain(waiter, n);
    sk_drop(gate);
    return (bench_now() - start) * 1e3;
}

static double drain_10k(void)       { return drain_of(bench_n(10000)); }
static double drain_100k(void)      { return drain_of(bench_n(100000)); }
static double drain_held_10k(void)  { return drain_held_of(bench_n(10000)); }
static double drain_held_100k(void) { return drain_held_of(bench_n(100000)); }

/* ---- 6. The rows ---------------------------------------------------------------------------- */

#define NEEDS_A_THREAD .not_on = "serial virtual processes", \
    .because = "its driver spins on a flag, and no other thread of its process would set it"

static const bench_row rows[] = {
    BENCH_ROW(spawn, "tasks/s"),
    BENCH_ROW(spawn_10k, "tasks/s"),
    BENCH_ROW(map_10k, "tasks/s"),
    BENCH_ROW(fib_fork1, "calls/s"),
    BENCH_ROW(fib_fork2, "calls/s"),
    BENCH_ROW(chain, "tasks/s"),
    BENCH_ROW(tree_dag, "tasks/s"),
    BENCH_ROW(ping_wait, "us"),
    BENCH_ROW(ping_other, "us", .workers = 2, NEEDS_A_THREAD),
    BENCH_ROW(ping_cold, "us", .workers = 2, NEEDS_A_THREAD),
    BENCH_ROW(ping_cold_get, "us"),
    BENCH_ROW(arr_100x1000, "ms"),
    BENCH_ROW(arr_16x1M, "ms"),
    BENCH_ROW(arr_256x1M, "ms"),
    BENCH_ROW(single_client_tasks_sync, "tasks/s"),
    BENCH_ROW(single_client_tasks_async, "tasks/s"),
    BENCH_ROW(single_client_get_calls, "calls/s"),
    BENCH_ROW(single_client_put_calls, "calls/s"),
    BENCH_ROW(single_client_put_gigabytes, "GB/s"),
    BENCH_ROW(single_client_wait_1k_refs, "loops/s"),
    BENCH_ROW(tasks_and_get_batch, "batches/s"),
    BENCH_ROW(get_object_containing_10k_refs, "gets/s"),
    BENCH_ROW(wait_1k, "ms"),
    BENCH_ROW(drain_10k, "ms"),
    BENCH_ROW(drain_100k, "ms"),
    BENCH_ROW(drain_held_10k, "ms"),
    BENCH_ROW(drain_held_100k, "ms"),
};

int main(int argc, char **argv)
{
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    const char *backend = bench_skate_backend(argv);
    bench_is_far = strcmp(backend, "processes") == 0;
    sk_init(&argc, &argv, &(sk_config){ .workers = bench_workers() });
    memset(refs, 1, sizeof refs);
    bench_main(bench_skate_name(backend), backend, BENCH_ROWS(rows), argv);
    sk_shutdown();
    return 0;
}
