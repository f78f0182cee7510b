/* limit_bench.c -- what this machine can do, for rows whose limit is the machine: memory that processes share.
 *
 *   put_100MB        GB/s: memcpy of 12.5 million doubles into shared memory whose pages are there
 *   get_100MB_read   ms: 100 MB of shared memory, pages there, are mapped once more for reading, and every element is read
 *
 * Build: cc -O3 -march=native limit_bench.c */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

static int file;
static double *source, *warm;
static size_t size;

static double put_100MB(void)
{
    double start = bench_now();
    memcpy(warm, source, size);
    double seconds = bench_now() - start;
    bench_expect("last element", warm[size / 8 - 1], (double)(size / 8 - 1));
    return (double)size * 1e-9 / seconds;
}

static double get_100MB_read(void)
{
    double n = (double)(size / 8), sum = 0, start = bench_now();
    const double *view = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
    if (view == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    for (size_t i = 0; i < size / 8; i++)
        sum += view[i];
    double ms = (bench_now() - start) * 1e3;
    bench_expect("sum of 100 MB", sum, n * (n - 1) / 2);
    munmap((void *)view, size);
    return ms;
}

static const bench_row rows[] = {
    BENCH_ROW(put_100MB, "GB/s"),
    BENCH_ROW(get_100MB_read, "ms"),
};

int main(int argc, char **argv)
{
    (void)argc;
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    size = (size_t)bench_n(BENCH_100MB) * sizeof *source;
    file = memfd_create("limit", MFD_CLOEXEC);
    source = malloc(size);
    if (file < 0 || ftruncate(file, (off_t)size) != 0 || !source
        || (warm = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) == MAP_FAILED) {
        perror("100 MB of shared memory");
        return 1;
    }
    bench_fill(source, size / 8, 0);
    memcpy(warm, source, size);
    bench_main("memcpy", "", BENCH_ROWS(rows), argv);
    return 0;
}
