/* skate_node.c -- what a node of worker processes is for: large objects that are read where they lie, workers that are there quickly
 * and take little. The other backends have most of these rows too.
 *
 *   put_100MB        GB/s: 12.5 million doubles into the store, whose pages are warm. Its limit: memcpy (limit_bench.c)
 *   get_100MB        us: sk_get of an array that a task has made, which nobody here has seen yet
 *   get_100MB_read   ms: the same, and every element is read once: what the pages' mapping costs
 *   get_first_rss    MB by which the resident shared memory of the driver grows with the first get of 100 MB, all of it read,
 *   get_next9_rss    and with the next nine: nothing is copied, and what is mapped once stays mapped
 *   get_first_pss    the same of its share of memory (Pss: pages that n processes have mapped count 1/n)
 *   get_next9_pss
 *   startup_4        ms from before sk_init until the first tasks of four workers have answered: each waits for the other three
 *   mem_worker       MB, Pss, of a worker that has run a task and is idle now; the mean of W of them
 *
 * Those after get_100MB_read in fresh processes (bench_child.h): the place of an object that is gone would be mapped already.
 * Reading order: 1 large objects; 2 workers; 3 the rows. */
#define _GNU_SOURCE
#include <skate.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "bench_child.h"

/* ---- 1. Large objects ------------------------------------------------------------------------ */

static double put_100MB(void)
{
    static double *source;
    int n = bench_n(BENCH_100MB);
    if (!source) {
        source = malloc((size_t)n * sizeof *source);
        if (!source)
            bench_give_up("100 MB");
        bench_fill(source, (size_t)n, 0);
    }
    double start = bench_now();
    sk_ref ref = sk_put(sk_array_of(source, n));
    double seconds = bench_now() - start;
    sk_array copy = sk_get(sk_array, ref);
    bench_expect("last element put", sk_read(double, copy)[n - 1], n - 1);
    sk_drop(ref);
    return n * 8e-9 / seconds;
}

SK_REMOTE(sk_array, fill, (int64_t, n))
{
    sk_array a = sk_new_array(SK_F64, n);
    bench_fill(sk_write(double, a), (size_t)n, 0);
    return a;
}

/* An array that is ready, and that the driver has not got yet. */
static sk_ref filled(void)
{
    sk_ref ref = sk_remote(fill, bench_n(BENCH_100MB));
    sk_wait(&ref, 1, 1, SK_FOREVER);
    return ref;
}

static void get_and_read(sk_ref ref)
{
    sk_array a = sk_get(sk_array, ref);
    double n = bench_n(BENCH_100MB), sum = 0;
    for (int64_t i = 0; i < sk_len(a); i++)
        sum += sk_read(double, a)[i];
    bench_expect("sum of 100 MB", sum, n * (n - 1) / 2);
}

static double get_100MB(void)
{
    sk_ref ref = filled();
    double start = bench_now();
    sk_array a = sk_get(sk_array, ref);
    double us = (bench_now() - start) * 1e6;
    bench_expect("last element got", sk_read(double, a)[sk_len(a) - 1], bench_n(BENCH_100MB) - 1);
    sk_drop(ref);
    return us;
}

static double get_100MB_read(void)
{
    sk_ref ref = filled();
    double start = bench_now();
    get_and_read(ref);
    double ms = (bench_now() - start) * 1e3;
    sk_drop(ref);
    return ms;
}

/* Prints by how much the first get makes us grow, and the next nine do: resident shared memory, then our share of memory. */
static void child_gets(void)
{
    sk_ref ref = filled();
    double rss[3], pss[3];
    for (int i = 0; i < 3; i++) {
        for (int gets = 0; gets < (int[]){ 0, 1, 9 }[i]; gets++)
            get_and_read(ref);
        rss[i] = bench_memory(0, "status", "RssShmem:");
        pss[i] = bench_pss(0);
    }
    printf("%.17g %.17g %.17g %.17g\n", rss[1] - rss[0], rss[2] - rss[1], pss[1] - pss[0], pss[2] - pss[1]);
    sk_drop(ref);
}

static char **own_argv;

static double grown(int which) { return bench_run_child(own_argv, "gets", bench_workers()).n[which] * 1e-6; }

static double get_first_rss(void) { return grown(0); }
static double get_next9_rss(void) { return grown(1); }
static double get_first_pss(void) { return grown(2); }
static double get_next9_pss(void) { return grown(3); }

/* ---- 2. Workers ------------------------------------------------------------------------------- */

/* Comes back when `all` have come here, wherever they run: they count in a file that all map. */
SK_REMOTE(int, meet, (const char *, name), (int, all))
{
    int fd = open(name, O_RDWR | O_CLOEXEC);
    uint32_t *here = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *here, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (here == MAP_FAILED)
        sk_fail("%s cannot be mapped", name);
    close(fd);
    __atomic_add_fetch(here, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, here, FUTEX_WAKE, all, NULL, NULL, 0);
    for (uint32_t count; (count = __atomic_load_n(here, __ATOMIC_SEQ_CST)) < (uint32_t)all;)
        syscall(SYS_futex, here, FUTEX_WAIT, count, NULL, NULL, 0);
    munmap(here, sizeof *here);
    return sk_worker();
}

/* Each of n workers runs a task at the same time. */
static void let_all_meet(int n)
{
    char name[] = "/tmp/skate-meet-XXXXXX";
    int fd = mkstemp(name);
    if (fd < 0 || ftruncate(fd, 4096) != 0)
        bench_give_up(name);
    close(fd);
    sk_ref refs[n];
    int seen = 0;
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote(meet, name, n);
    for (int i = 0; i < n; i++)
        seen |= 1 << sk_take(int, refs[i]);
    unlink(name);
    bench_expect("workers that have answered", seen, (1 << n) - 1);
}

/* Prints milliseconds since `start` when n workers have answered, the mean of what the child processes take, and how many they are. */
static void child_workers(int n, double start)
{
    double bytes = 0;
    let_all_meet(n);
    double ms = (bench_now() - start) * 1e3;
    pid_t pids[64];
    int count = bench_children(pids, 64);
    for (int i = 0; i < count; i++)
        bytes += bench_pss(pids[i]);
    printf("%.17g %.17g %d\n", ms, count ? bytes / count : 0, count);
}

static void child(const char *kind, int n, int argc, char **argv)
{
    double start = bench_now();
    sk_init(&argc, &argv, &(sk_config){ .workers = n });
    if (strcmp(kind, "gets") == 0)
        child_gets();
    else
        child_workers(n, start);
    sk_shutdown();
}

static double startup_4(void) { return bench_run_child(own_argv, "workers", 4).n[0]; }

static double mem_worker(void)
{
    bench_answers found = bench_run_child(own_argv, "workers", bench_workers());
    bench_expect("worker processes", found.n[2], bench_workers());
    return found.n[1] * 1e-6;
}

/* ---- 3. The rows ------------------------------------------------------------------------------ */

static const bench_row rows[] = {
    BENCH_ROW(put_100MB, "GB/s"),
    BENCH_ROW(get_100MB, "us"),
    BENCH_ROW(get_100MB_read, "ms"),
    BENCH_ROW(get_first_rss, "MB", .runs = 1, .cold = true),
    BENCH_ROW(get_next9_rss, "MB", .runs = 1, .cold = true),
    BENCH_ROW(get_first_pss, "MB", .runs = 1, .cold = true),
    BENCH_ROW(get_next9_pss, "MB", .runs = 1, .cold = true),
    BENCH_ROW(startup_4, "ms", .cold = true, .not_on = "serial virtual",
              .because = "it has four tasks wait for each other, and there only one task runs at a time"),
    BENCH_ROW(mem_worker, "MB", .runs = 1, .cold = true, .not_on = "serial threads virtual", .because = "there are no worker processes"),
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
    const char *backend = bench_skate_backend(argv), *name = bench_skate_name(backend);
    own_argv = calloc((size_t)argc + 1, sizeof *own_argv);      /* sk_init takes the options out of argv */
    for (int i = 0; i < argc; i++)
        own_argv[i] = argv[i];
    bench_is_far = strcmp(backend, "processes") == 0;
    sk_init(&argc, &argv, &(sk_config){ .workers = bench_workers() });
    bench_main(name, backend, BENCH_ROWS(rows), argv);
    sk_shutdown();
    free(own_argv);
    return 0;
}
