/* bench.h -- what the benchmark programs share: a clock, a table of rows, and the work that is the
 * same for every system, so that their figures may be compared.
 *
 * The idea: a row is a function that does its work once and returns its figure. bench_main calls
 * each chosen row once to warm up, then REPS times, and prints
 *
 *     system metric median unit min max runs
 *     # system: metric left out: why          (a row that means nothing on this backend)
 *
 * Arguments choose rows: the whole name of a row, or else any part of names; none: all. --rows
 * lists the names, --help says the rest. Environment: REPS repetitions (7), W workers (2), SMALL=1:
 * a hundredth of everything, for tests; the system's name ends with @small then. A wrong answer ends the
 * program with status 1: a figure is printed only for work that was done.
 *
 * Reading order: 1 sizes; 2 clock and checks; 3 arrays; 4 rows; 5 arguments; 6 main.              */
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
    BENCH_10K = 10000,          /* tasks of spawn_10k and map_10k */
    BENCH_FIB = 32,
    BENCH_FIB_FAR = 15,         /* where each call is a message to another process */
    BENCH_FIB_SMALL = 8,
    BENCH_100MB = 12500000,     /* doubles */
};

static inline int bench_env(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text && *text ? atoi(text) : otherwise;
}

static inline bool bench_is_small(void) { return bench_env("SMALL", 0) != 0; }

static bool bench_is_far;       /* tasks run in other processes; a program sets it before its rows run */

/* How many, instead of the whole number: a hundredth in tests. */
static inline int bench_n(int whole)
{
    int n = bench_is_small() ? whole / 100 : whole;
    return n < 4 ? 4 : n;
}

/* The same for rows that give a rate: a tenth is enough where a task takes ten times as long. */
static inline int bench_many(int whole)
{
    int n = bench_n(whole);
    return bench_is_far && !bench_is_small() ? n / 10 : n;
}

static inline int bench_fib_n(void) { return bench_is_small() ? BENCH_FIB_SMALL : bench_is_far ? BENCH_FIB_FAR : BENCH_FIB; }

static inline double bench_fib(int n)               /* fib(n); it takes 2 fib(n + 1) - 1 calls */
{
    double a = 0, b = 1;
    for (int i = 0; i < n; i++) {
        double sum = a + b;
        a = b;
        b = sum;
    }
    return a;
}

/* ---- 2. Clock and checks -------------------------------------------------------------------- */

static inline double bench_now(void)                /* seconds */
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
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
    double (*once)(void);
    const char *not_on, *because;   /* backends on which the row means nothing ("serial virtual"), and why: what follows "left out: " */
    const char *(*why_not)(void);   /* what else can be in its way: as `because`, or NULL */
    int workers;                /* needs at least so many; else it is left out */
    int runs;                   /* 0: REPS */
    bool cold;                  /* no warming up: once() starts processes of its own */
} bench_row;

/* The row is named like the function that measures it. */
#define BENCH_ROW(fn, u, ...) { .metric = #fn, .unit = (u), .once = fn __VA_OPT__(,) __VA_ARGS__ }
#define BENCH_ROWS(rows) (rows), sizeof (rows) / sizeof (rows)[0]

/* Why the row is left out on this backend; NULL: it is not. `room` is for the text. */
static inline const char *bench_why_not(const bench_row *row, const char *backend, char room[160])
{
    const char *found = row->not_on ? strstr(row->not_on, backend) : NULL;
    if (found && *backend)
        return row->because;
    if (row->why_not && row->why_not())
        return row->why_not();
    if (row->workers <= bench_workers())
        return NULL;
    snprintf(room, 160, "it needs %d workers, and W is %d", row->workers, bench_workers());
    return room;
}

/* ---- 5. Arguments --------------------------------------------------------------------------- */

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

static inline void bench_help(const char *program, const bench_row *rows, size_t n)
{
    const char *name = strrchr(program, '/');
    printf("usage: [REPS=7] [W=2] [SMALL=1] %s [ROW...] [--rows] [--help]\n\n"
           "Measures the rows whose names are given, or have a part of them; all if none is given. Each is done once to warm up, then\n"
           "REPS times, and is one line:  system metric median unit min max runs\n"
           "SMALL=1: a hundredth of the work, to see that it runs. --rows: the names only. Programs that start Skate take its options\n"
           "too (--sk-backend=processes). `make bench` runs all of them by turns and makes a table, or JSON=FILE.\n\n", name ? name + 1 : program);
    for (size_t i = 0; i < n; i++)
        printf("  %-34s %-13s%s%s%s%s\n", rows[i].metric, rows[i].unit, rows[i].not_on ? "not on " : "", rows[i].not_on ? rows[i].not_on : "",
               rows[i].not_on ? ": " : "", rows[i].not_on ? rows[i].because : "");
}

/* --rows and --help: true, and there is nothing else to do. */
static inline bool bench_lists_rows(const bench_row *rows, size_t n, char **argv)
{
    for (char **arg = argv + 1; *arg; arg++) {
        bool lists = strcmp(*arg, "--rows") == 0;
        if (strcmp(*arg, "--help") == 0)
            bench_help(argv[0], rows, n);
        for (size_t i = 0; lists && i < n; i++)
            puts(rows[i].metric);
        if (lists || strcmp(*arg, "--help") == 0)
            return true;
    }
    return false;
}

/* Which backend Skate will run on. To be asked before sk_init, which takes its options out of argv. */
static inline const char *bench_skate_backend(char **argv)
{
    const char *backend = getenv("SKATE_BACKEND"), option[] = "--sk-backend=";
    for (; *argv; argv++)
        if (strncmp(*argv, option, sizeof option - 1) == 0)
            backend = *argv + sizeof option - 1;
    return backend && *backend ? backend : "threads";
}

/* "skate"; with another backend than the default its name follows: "skate-serial". */
static inline const char *bench_skate_name(const char *backend)
{
    static char name[64];
    bool usual = strcmp(backend, "threads") == 0;
    snprintf(name, sizeof name, "skate%s%s", usual ? "" : "-", usual ? "" : backend);
    return name;
}

/* ---- 6. Main -------------------------------------------------------------------------------- */

/* Measures the rows that argv chooses. `backend` is Skate's; "": this is another system. */
static inline void bench_main(const char *system, const char *backend, const bench_row *rows, size_t n, char **argv)
{
    enum { MOST_RUNS = 1000 };
    double figures[MOST_RUNS];
    char room[160];
    for (const bench_row *row = rows; row < rows + n; row++) {
        if (!bench_chosen(row, rows, n, argv))
            continue;
        const char *why_not = bench_why_not(row, backend, room);
        if (why_not) {
            printf("# %s: %s left out: %s\n", system, row->metric, why_not);
            continue;
        }
        int runs = row->runs ? row->runs : bench_env("REPS", 7);
        runs = runs < 1 ? 1 : runs > MOST_RUNS ? MOST_RUNS : runs;
        if (!row->cold)
            row->once();
        for (int i = 0; i < runs; i++)
            figures[i] = row->once();
        double median = bench_median(figures, runs);
        printf("%s%s%s %s %.6g %s %.6g %.6g %d\n", system, bench_workers() == 1 ? "@1" : "", bench_is_small() ? "@small" : "",
               row->metric, median, row->unit, figures[0], figures[runs - 1], runs);
        fflush(stdout);
    }
}

#endif
