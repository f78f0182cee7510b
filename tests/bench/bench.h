/* bench.h -- what the benchmark programs share: a clock, a table of rows, and the work that is the
 * same for every system, so that their figures may be compared.
 *
 * The idea: a row is a function that does its work once and returns its figure. bench_main calls
 * each chosen row once to warm up, then REPS times, and prints
 *
 *     system metric median unit min max runs
 *
 * Arguments choose rows: the whole name of a row, or else any part of names; none: all. --rows
 * lists the names. Environment: REPS repetitions (7), W worker threads (2). A wrong answer ends the
 * program with status 1: a figure is printed only for work that was done.
 *
 * Reading order: 1 sizes; 2 clock and checks; 3 arrays; 4 rows.                                  */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- 1. Sizes ------------------------------------------------------------------------------- */

enum {
    BENCH_SPAWN = 1000000,      /* independent tasks */
    BENCH_CHAIN = 100000,       /* tasks, each waiting for the one before */
    BENCH_LEAVES = 1 << 17,     /* of the tree; as many tasks less one add them up in pairs */
    BENCH_TREE = 2 * BENCH_LEAVES - 1,
    BENCH_PING = 100000,        /* round trips; the row's figure is their median */
    BENCH_COLD = 1000,          /* round trips after a millisecond of sleep */
    BENCH_COLD_US = 1000,
    BENCH_FIB = 32,
    BENCH_FIB_ANSWER = 2178309,
    BENCH_FIB_CALLS = 7049155,  /* invocations of fib that fib(32) takes */
};

/* ---- 2. Clock and checks -------------------------------------------------------------------- */

static inline double bench_now(void)                /* seconds */
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline int bench_env(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text && *text ? atoi(text) : otherwise;
}

static inline int bench_workers(void)
{
    static int workers;
    if (!workers)
        workers = bench_env("W", 2);
    return workers;
}

static inline void bench_expect(const char *what, double found, double expected)
{
    if (found != expected) {
        fprintf(stderr, "%s: found %.17g, expected %.17g\n", what, found, expected);
        exit(1);
    }
}

static inline void bench_pause(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#else
    __asm__ volatile("" ::: "memory");
#endif
}

/* Spins until another thread has set the flag; says so if nobody does. */
static inline void bench_spin_until(const int *flag)
{
    for (long spins = 0; !__atomic_load_n(flag, __ATOMIC_ACQUIRE); spins++) {
        bench_pause();
        if (spins == 1000000000) {
            fprintf(stderr, "ping: no other thread ran the task\n");
            exit(1);
        }
    }
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the figures. */
static inline double bench_median(double *figures, int n)
{
    qsort(figures, (size_t)n, sizeof *figures, bench_compare);
    return n % 2 ? figures[n / 2] : (figures[n / 2 - 1] + figures[n / 2]) / 2;
}

/* ---- 3. Arrays: number i holds i, i + 1, i + 2 ...; all are added up in pairs --------------- */

static inline void bench_fill(double *to, size_t n, int number)
{
    for (size_t i = 0; i < n; i++)
        to[i] = number + (double)(int)i;
}

static inline void bench_add(double *restrict to, const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = a[i] + b[i];
}

static inline void bench_check_sum(const double *sum, size_t n, int arrays)
{
    double first = arrays * (arrays - 1.0) / 2;
    bench_expect("first element of the sum", sum[0], first);
    bench_expect("last element of the sum", sum[n - 1], first + arrays * (double)(n - 1));
}

/* ---- 4. Rows -------------------------------------------------------------------------------- */

typedef struct bench_row {
    const char *metric, *unit;
    double (*once)(void);       /* a negative figure: the row does not apply here, leave it out */
    int workers;                /* needs at least so many; else it is left out */
    int runs;                   /* 0: REPS */
    bool cold;                  /* no warming up: once() starts processes of its own */
} bench_row;

static inline bool bench_is_row(const char *name, const bench_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].metric, name) == 0)
            return true;
    return false;
}

static inline bool bench_chosen(const bench_row *row, const bench_row *rows, size_t n, char **argv)
{
    bool all = true;
    for (char **arg = argv + 1; *arg; arg++) {
        if (strncmp(*arg, "--", 2) == 0)
            continue;
        all = false;
        if (bench_is_row(*arg, rows, n) ? strcmp(row->metric, *arg) == 0
                                        : strstr(row->metric, *arg) != NULL)
            return true;
    }
    return all;
}

static inline bool bench_lists_rows(const bench_row *rows, size_t n, char **argv)
{
    for (char **arg = argv + 1; *arg; arg++)
        if (strcmp(*arg, "--rows") == 0) {
            for (size_t i = 0; i < n; i++)
                puts(rows[i].metric);
            return true;
        }
    return false;
}

/* "skate"; with another backend than the default its name follows: "skate-serial". */
static inline const char *bench_skate_name(char **argv)
{
    static char name[64];
    const char *backend = getenv("SKATE_BACKEND"), option[] = "--sk-backend=";
    for (; *argv; argv++)
        if (strncmp(*argv, option, sizeof option - 1) == 0)
            backend = *argv + sizeof option - 1;
    bool usual = !backend || !*backend || strcmp(backend, "threads") == 0;
    snprintf(name, sizeof name, "skate%s%s", usual ? "" : "-", usual ? "" : backend);
    return name;
}

static inline void bench_main(const char *system, const bench_row *rows, size_t n, char **argv)
{
    enum { MOST_RUNS = 1000 };
    double figures[MOST_RUNS];
    for (const bench_row *row = rows; row < rows + n; row++) {
        if (row->workers > bench_workers() || !bench_chosen(row, rows, n, argv))
            continue;
        int runs = row->runs ? row->runs : bench_env("REPS", 7);
        runs = runs < 1 ? 1 : runs > MOST_RUNS ? MOST_RUNS : runs;
        if (!row->cold && row->once() < 0)
            continue;
        for (int i = 0; i < runs; i++)
            figures[i] = row->once();
        double median = bench_median(figures, runs);
        printf("%s%s %s %.6g %s %.6g %.6g %d\n", system, bench_workers() == 1 ? "@1" : "",
               row->metric, median, row->unit, figures[0], figures[runs - 1], runs);
        fflush(stdout);
    }
}

/* The row is named like the function that measures it. */
#define BENCH_ROW(fn, u, ...) { .metric = #fn, .unit = (u), .once = fn __VA_OPT__(,) __VA_ARGS__ }
#define BENCH_ROWS(rows) (rows), sizeof (rows) / sizeof (rows)[0]

#endif
