/* calibrate.c -- `skate calibrate`: what Skate's own calls cost on this machine, as a cluster file for the virtual backend.
 *
 * The idea: the virtual backend charges each submission, start, get and put a fixed time and one for each byte, and lets plain C cost what
 * the processor takes for it (--cost live). Those times are measured here on a real backend:
 *
 *   submit     a submission, in a row of many
 *   dispatch   running a task that does nothing, on a worker that has more to do: time x workers / tasks, once all are ready
 *   schedule   if more workers do not run more tasks: what they wait for in turn; else 0
 *   get, put   of a number, in a row of many; per byte: how much longer it takes with a large buffer
 *
 * The same is done on virtual with costs of 0, and taken off: what --cost live charges there anyway, between two calls. Where nothing is
 * left (the real call is as fast as virtual's own, or other programs blur the difference) the cost is 0, and the file says so.
 *
 * Every round is a process of its own, and the median of the rounds counts. Then a few small programs are run by turns on the
 * backend and on virtual with what was found; how far the two differ is the error band in the file.
 *
 * Reading order: 1 what is measured; 2 the programs of the error band; 3 processes; 4 from figures to costs; 5 the command. */
#define _GNU_SOURCE
#include "calibration.h"
#include "../cluster_file.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <skate/backend.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { USAGE_ERROR = 2, MANY = 2000, LARGE = 1 << 20, SMALL = 1 << 14, COPIES = 40, MOST_ROUNDS = 100 };

static gchar *output, *backend = "threads";
static gint workers = -1, rounds;            /* -1: one per core */
static gboolean quick;

/* ---- 1. What is measured, in seconds of the backend ---------------------------------------------------------------------- */

enum { SUBMIT, RUN_FEW, RUN_MANY, GET, PUT, PUT_SMALL, PUT_LARGE, GET_SMALL, GET_LARGE, FIGURES };

static sk_ref refs[4 * MANY];
static char bytes[LARGE];
static int workers_here;                     /* of the backend that is measured, in the process that measures */
static bool is_virtual;

SK_REMOTE(int, nothing, (int, x)) { return x; }

static double submit_time(void)
{
    double start = sk_now();
    for (int i = 0; i < MANY; i++)
        refs[i] = sk_remote(nothing, i);
    double time = sk_now() - start;
    for (int i = 0; i < MANY; i++)
        (void)sk_take(int, refs[i]);
    return time / MANY;
}

/* Keeps a worker busy while others are submitted. */
static atomic_int held, let_go;

SK_REMOTE(int, hold)
{
    atomic_fetch_add(&held, 1);
    while (!atomic_load(&let_go))
        usleep(20);
    return 1;
}

/* A backend that runs nothing before somebody waits lets nobody be held, and need not. */
static void hold_workers(sk_ref *holders)
{
    atomic_store(&held, 0);
    atomic_store(&let_go, is_virtual);
    for (int i = 0; i < workers_here; i++)
        holders[i] = sk_remote(hold);
    for (int tries = 0; tries < 1000 && !is_virtual && atomic_load(&held) < workers_here; tries++)
        usleep(20);
}

/* From when all are ready until all have run. */
static double run_time(int n)
{
    sk_ref *holders = g_new(sk_ref, workers_here);
    hold_workers(holders);
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote(nothing, i);
    double start = sk_now();
    atomic_store(&let_go, 1);
    sk_wait(refs, (size_t)n, (size_t)n, SK_FOREVER);
    double time = sk_now() - start;
    for (int i = 0; i < n; i++)
        sk_drop(refs[i]);
    for (int i = 0; i < workers_here; i++)
        (void)sk_take(int, holders[i]);
    g_free(holders);
    return time;
}

static double get_time(void)
{
    for (int i = 0; i < MANY; i++)
        refs[i] = sk_put(i);
    double start = sk_now();
    for (int i = 0; i < MANY; i++)
        (void)sk_get(int, refs[i]);
    double time = sk_now() - start;
    for (int i = 0; i < MANY; i++)
        sk_drop(refs[i]);
    return time / MANY;
}

static double put_time(void)
{
    double start = sk_now();
    for (int i = 0; i < MANY; i++)
        refs[i] = sk_put(i);
    double time = sk_now() - start;
    for (int i = 0; i < MANY; i++)
        sk_drop(refs[i]);
    return time / MANY;
}

static void copy_times(size_t size, double *put, double *get)
{
    double puts[COPIES], gets[COPIES];
    for (int i = 0; i < COPIES; i++) {
        double start = sk_now();
        sk_ref ref = sk_put(sk_buf_of(bytes, size));
        double between = sk_now();
        (void)sk_get(sk_buf, ref);
        puts[i] = between - start;
        gets[i] = sk_now() - between;
        sk_drop(ref);
    }
    *put = calibration_median(puts, COPIES);
    *get = calibration_median(gets, COPIES);
}

static void measure(double *figure)
{
    memset(bytes, 1, sizeof bytes);
    for (int warm = 0; warm < 2; warm++) {
        figure[SUBMIT] = submit_time();
        figure[RUN_FEW] = run_time(MANY);
        figure[RUN_MANY] = run_time(4 * MANY);
        figure[GET] = get_time();
        figure[PUT] = put_time();
        copy_times(SMALL, &figure[PUT_SMALL], &figure[GET_SMALL]);
        copy_times(LARGE, &figure[PUT_LARGE], &figure[GET_LARGE]);
    }
}

/* ---- 2. The programs of the error band: their makespans -------------------------------------------------- */

enum { EMPTY, COMPUTE, TREE, PUTS, PROGRAMS };
static const char *const program_names[] = { "empty tasks", "computing tasks", "tree of arrays", "puts" };

static uint64_t churn(uint64_t x, int steps)
{
    for (int i = 0; i < steps; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    return x;
}

SK_REMOTE(uint64_t, compute, (uint64_t, x)) { return churn(x, 300000); }
SK_REMOTE(double, add_up, (sk_buf, data))
{
    double sum = 0;
    for (size_t i = 0; i < data.size; i++)
        sum += ((const unsigned char *)data.data)[i];
    return sum;
}

enum { LENGTH = 20000, LEAVES = 64 };

SK_REMOTE(sk_array, fill, (int, x))
{
    sk_array data = sk_new_array(SK_F64, LENGTH);
    double *to = sk_write(double, data);
    for (int i = 0; i < LENGTH; i++)
        to[i] = sin(x + i);
    return data;
}

SK_REMOTE(sk_array, add, (sk_array, x), (sk_array, y))
{
    sk_array sum = sk_new_array(SK_F64, LENGTH);
    const double *a = sk_read(double, x), *b = sk_read(double, y);
    double *to = sk_write(double, sum);
    for (int i = 0; i < LENGTH; i++)
        to[i] = a[i] + b[i];
    return sum;
}

static void run_program(int program)
{
    int n = program == EMPTY ? 4 * MANY : program == COMPUTE ? 100 : program == TREE ? LEAVES : 200;
    for (int i = 0; i < n; i++) {
        if (program == EMPTY) {
            refs[i] = sk_remote(nothing, i);
        } else if (program == COMPUTE) {
            refs[i] = sk_remote(compute, (uint64_t)i);
        } else if (program == TREE) {
            refs[i] = sk_remote(fill, i);
        } else {
            sk_ref data = sk_put(sk_buf_of(bytes, 100000));
            refs[i] = sk_remote(add_up, data);
            sk_drop(data);
        }
    }
    sk_ref last = program == TREE ? sk_reduce(add, refs, (size_t)n) : refs[0];
    sk_wait(&last, 1, 1, SK_FOREVER);
    sk_wait(refs, (size_t)n, (size_t)n, SK_FOREVER);
}

/* The second run of it counts: the first finds memory cold and workers not yet there. */
static void time_programs(double *figure)
{
    for (int i = 0; i < PROGRAMS; i++)
        for (int warm = 0; warm < 2; warm++) {
            double start = sk_now();
            sk_scope
                run_program(i);
            figure[i] = sk_now() - start;
        }
}

/* ---- 3. Processes ---------------------------------------------------------------------------------------- */

G_GNUC_PRINTF(2, 3) G_GNUC_NORETURN
static void stop(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "skate calibrate: ");
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    exit(status);
}

/* Runs `work` under this backend in a process of its own; it fills n figures. cluster: the file for virtual, or NULL. */
static void apart(const char *name, int on, const char *cluster, void (*work)(double *), double *figure, int n)
{
    int ends[2], status = 0;
    ssize_t size = (ssize_t)((size_t)n * sizeof *figure), came = -1;
    if (pipe(ends) != 0)
        stop(1, "pipe: %s", g_strerror(errno));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        workers_here = on;
        is_virtual = cluster != NULL;
        g_autofree char *b = g_strdup_printf("--sk-backend=%s", name), *w = g_strdup_printf("--sk-workers=%d", on);
        g_autofree char *c = g_strdup_printf("--sk-cluster=%s", cluster ? cluster : "");
        char *list[] = { (char *)"skate calibrate", b, cluster ? c : w, (char *)"--sk-cost=live", NULL }, **argv = list;
        int argc = cluster ? 4 : 3;
        list[argc] = NULL;
        sk_init(&argc, &argv, NULL);
        work(figure);
        sk_shutdown();
        _exit(write(ends[1], figure, (size_t)size) == size ? 0 : 1);
    }
    close(ends[1]);
    if (child > 0)
        came = read(ends[0], figure, (size_t)size);
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0 || came != size)
        stop(1, "a measurement on %s failed%s", name, child < 0 ? ": there is no process for it" : "; its message is above");
}

/* ---- 4. From figures to costs ------------------------------------------------------------------------------ */

/* Of each round: with all workers, with one, and on virtual without costs. */
typedef struct figures { double all[MOST_ROUNDS * FIGURES], one[MOST_ROUNDS * FIGURES], model[MOST_ROUNDS * FIGURES]; } figures;

static int64_t whole(double x) { return x > 0 ? (int64_t)(x + 0.5) : 0; }

static double median_of(const double *figures, int stride, int at)
{
    double x[MOST_ROUNDS];
    for (int r = 0; r < rounds; r++)
        x[r] = figures[r * stride + at];
    return calibration_median(x, rounds);
}

/* Seconds a task, once all are ready. The difference of two sizes: what it takes to get going is in neither. */
static double per_task(const double *figures)
{
    return (median_of(figures, FIGURES, RUN_MANY) - median_of(figures, FIGURES, RUN_FEW)) / (3 * MANY);
}

/* By how much this figure of the real backend is above virtual's. */
static double above(const figures *f, int at) { return median_of(f->all, FIGURES, at) - median_of(f->model, FIGURES, at); }

static sk_overhead by_size(const figures *f, int number, int small, int large)
{
    double slope = (above(f, large) - above(f, small)) / (LARGE - SMALL), least = 1e-12;      /* below that it is noise: nothing is copied */
    return (sk_overhead){ whole(above(f, number) * 1e9), slope > least ? whole(slope * 1e15) : 0 };
}

static void find_costs(sk_cluster_spec *spec, const figures *f)
{
    double together = per_task(f->all), alone = per_task(f->one), free = per_task(f->model) * workers;
    sk_overhead *cost = spec->overheads;
    cost[SK_OVER_SUBMIT].fixed = whole(above(f, SUBMIT) * 1e9);
    cost[SK_OVER_DISPATCH].fixed = whole((fmin(alone, together * workers) - free) * 1e9);
    if (together > 1.5 * alone / workers && workers > 1)
        cost[SK_OVER_SCHEDULE].fixed = whole(together * 1e9);
    cost[SK_OVER_GET] = by_size(f, GET, GET_SMALL, GET_LARGE);
    cost[SK_OVER_PUT] = by_size(f, PUT, PUT_SMALL, PUT_LARGE);
}

/* How much longer (signed) virtual says the programs take, each the median of its rounds. */
static void find_errors(const double *real, const double *predicted, double *error)
{
    for (int i = 0; i < PROGRAMS; i++) {
        double measured = median_of(real, PROGRAMS, i);
        error[i] = median_of(predicted, PROGRAMS, i) / measured - 1;
        fprintf(stderr, "  %-16s measured %8.3f ms, predicted %+5.1f %%\n", program_names[i], measured * 1e3, 100 * error[i]);
    }
}

/* ---- 5. The command ------------------------------------------------------------------------------------------ */

static void progress(const char *what, int round)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\rskate calibrate: %s, round %d of %d%s", what, round, rounds, round == rounds ? "\n" : "");
    else if (round == rounds)
        fprintf(stderr, "skate calibrate: %s, %d rounds\n", what, rounds);
}

static bool is_free(const sk_cluster_spec *spec, int kind) { return spec->overheads[kind].fixed == 0; }

static char *about(const sk_cluster_spec *spec, const double *error)
{
    double sizes[PROGRAMS];
    for (int i = 0; i < PROGRAMS; i++)
        sizes[i] = error ? 100 * fabs(error[i]) : 0;
    double median = calibration_median(sizes, PROGRAMS);
    g_autofree char *host = calibration_this_host();
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *date = g_date_time_format(now, "%Y-%m-%d %H:%M UTC");
    g_autofree char *band = error ? g_strdup_printf(CALIBRATION_BAND "median %.1f %%, worst %.1f %%\n", median, sizes[PROGRAMS - 1]) : NULL;
    bool some_free = error && (is_free(spec, SK_OVER_SUBMIT) || is_free(spec, SK_OVER_DISPATCH) || is_free(spec, SK_OVER_GET)
                               || is_free(spec, SK_OVER_PUT));
    return g_strdup_printf("Written by `skate calibrate`; for `skate predict PROGRAM --like THIS` and --sk-cluster=THIS.\n"
                           CALIBRATED "%s\n" CALIBRATION_HOST "%s\nmeasured on %s with %d workers, %d rounds\n%s%s",
                           date, host, backend, workers, rounds, band ? band : "",
                           some_free ? "a cost of 0s: no more was measured than virtual's own call takes, which --cost live charges\n" : "");
}

static void write_file(const sk_cluster_spec *spec, const double *error, const char *path)
{
    g_autofree char *lines = about(spec, error);
    g_autoptr(GError) failed = NULL;
    char *text = sk_cluster_spec_write(spec, lines);
    if (!g_file_set_contents(path, text, -1, &failed))
        stop(1, "%s", failed->message);
    free(text);
}

static void calibrate(const char *path)
{
    static figures f;
    double real[MOST_ROUNDS * PROGRAMS], predicted[MOST_ROUNDS * PROGRAMS], error[PROGRAMS];
    sk_error err;
    sk_cluster_spec *spec = sk_cluster_spec_from_settings(1, workers, NULL, 0, &err);
    if (!spec)
        stop(1, "%s", err.message);
    for (int r = 0; r < rounds; r++) {
        apart(backend, workers, NULL, measure, f.all + r * FIGURES, FIGURES);
        apart(backend, 1, NULL, measure, f.one + r * FIGURES, FIGURES);
        if (r == 0)
            write_file(spec, NULL, path);            /* once the backend is known to be there */
        apart("virtual", workers, path, measure, f.model + r * FIGURES, FIGURES);
        progress("calls", r + 1);
    }
    find_costs(spec, &f);
    write_file(spec, NULL, path);
    for (int r = 0; r < rounds; r++) {
        apart(backend, workers, NULL, time_programs, real + r * PROGRAMS, PROGRAMS);
        apart("virtual", workers, path, time_programs, predicted + r * PROGRAMS, PROGRAMS);
        progress("programs", r + 1);
    }
    find_errors(real, predicted, error);
    write_file(spec, error, path);
    sk_cluster_spec_free(spec);
}

static const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "write it here; without: to standard output", "FILE" },
    { "backend", 0, 0, G_OPTION_ARG_STRING, &backend, "what is measured: threads (the default), serial, or a module: ./mine.so", "B" },
    { "workers", 0, 0, G_OPTION_ARG_INT, &workers, "with so many; default one per core (serial: 1)", "N" },
    { "quick", 0, 0, G_OPTION_ARG_NONE, &quick, "3 rounds instead of 15: a second or two, and less certain", NULL },
    G_OPTION_ENTRY_NULL
};

static void forget_settings(void)            /* what the caller set for programs is not for us */
{
    g_auto(GStrv) names = g_listenv();
    for (char **name = names; *name; name++)
        if (g_str_has_prefix(*name, "SKATE_"))
            g_unsetenv(*name);
}

/* Before minutes are spent. The file is written whole at the end: here it only has to be possible. */
static void try_output(const char *path)
{
    bool was_there = access(path, F_OK) == 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        stop(1, "%s: %s; give another with -o", path, g_strerror(errno));
    close(fd);
    if (!was_there)
        unlink(path);
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");        /* not numbers: a cluster file has points */
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_set_summary(context, "Measures what Skate's calls cost on this machine, and writes a cluster file for the virtual backend.");
    g_option_context_set_description(context,
        "Example:\n"
        "  skate calibrate -o here.cluster\n"
        "  skate predict build/lessons/06-tree-reduction --like here.cluster\n"
        "  ./program --sk-backend=virtual --sk-cluster=here.cluster --sk-cost=live\n\n"
        "Leave the machine alone meanwhile: what else runs on it is measured too.\n");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        stop(USAGE_ERROR, "%s; `skate calibrate --help` lists the options", error->message);
    if (argc > 1)
        stop(USAGE_ERROR, "what is \"%s\"? A file is given with -o: skate calibrate -o here.cluster", argv[1]);
    bool is_serial = strcmp(backend, "serial") == 0;
    if (workers == -1)
        workers = is_serial ? 1 : (gint)sysconf(_SC_NPROCESSORS_ONLN);
    if (strcmp(backend, "virtual") == 0)
        stop(USAGE_ERROR, "--backend virtual: its costs are what a cluster file says; measure a real one: threads, serial");
    if (workers < 1 || workers > 4096)
        stop(USAGE_ERROR, "--workers %d: give 1 to 4096", workers);
    if (is_serial && workers != 1)
        stop(USAGE_ERROR, "--workers %d: serial has one", workers);
    rounds = quick ? 3 : 15;
    forget_settings();

    char temporary[] = "/tmp/skate-calibrate-XXXXXX";
    if (output) {
        try_output(output);
    } else {
        int fd = mkstemp(temporary);
        if (fd < 0)
            stop(1, "%s: %s", temporary, g_strerror(errno));
        close(fd);
    }
    calibrate(output ? output : temporary);
    if (!output) {
        g_autofree char *text = NULL;
        if (g_file_get_contents(temporary, &text, NULL, NULL))
            fputs(text, stdout);
        unlink(temporary);
    }
    return 0;
}
