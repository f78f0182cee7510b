/* predict.c -- `skate predict PROGRAM --like FILE`: how long the program takes, by the model and by the clock.
 *
 * The idea: the program is run by turns on a real backend and on virtual, with the costs that `skate calibrate` has found and plain C
 * costing what the processor takes for it. Both write a trace, and a trace says the makespan: from the first submission to the end of the
 * last task. The medians of the rounds are compared. Virtual gets as many workers as the real run had, which its trace says: a
 * program may ask for a number of its own.
 *
 * The program's output is thrown away; what it says on standard error is shown if it fails.
 *
 * Exit status: 0; 1 if a run failed; 2 for misuse; 3 if --within is given and the error is larger.
 *
 * Reading order: a run; the rounds; the report; the command. */
#define _GNU_SOURCE
#include "calibration.h"
#include "../cluster_file.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <sys/wait.h>
#include <timeline.h>

enum { USAGE_ERROR = 2, TOO_FAR = 3, MOST_ROUNDS = 1000 };

static gchar *like, *backend = "threads", *cost = "live", *within;
static gint workers = -1, rounds = 5;        /* -1: what the program asks for */

static char directory[] = "/tmp/skate-predict-XXXXXX";
static char *trace_file, *cluster_file, *messages_file;

static void clean_up(void)
{
    char *files[] = { trace_file, cluster_file, messages_file };
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        if (files[i])
            unlink(files[i]);
    rmdir(directory);
}

G_GNUC_PRINTF(2, 3) G_GNUC_NORETURN
static void stop(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "skate predict: ");
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    exit(status);
}

/* ---- A run --------------------------------------------------------------------------------------------------- */

typedef struct result { double makespan; int workers; uint32_t tasks; } result;

static void become(char **program, const char *on)
{
    int nothing = open("/dev/null", O_WRONLY), messages = open(messages_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (nothing < 0 || messages < 0 || dup2(nothing, STDOUT_FILENO) < 0 || dup2(messages, STDERR_FILENO) < 0)
        _exit(126);
    g_setenv("SKATE_BACKEND", on, TRUE);
    g_setenv("SKATE_TRACE", trace_file, TRUE);
    g_unsetenv("SKATE_GANTT");
    if (strcmp(on, "virtual") == 0) {
        g_setenv("SKATE_CLUSTER", cluster_file, TRUE);
        g_setenv("SKATE_COST", cost, TRUE);
        g_unsetenv("SKATE_WORKERS");
    } else {
        g_unsetenv("SKATE_CLUSTER");
        g_unsetenv("SKATE_COST");
        if (workers > 0)
            g_setenv("SKATE_WORKERS", g_strdup_printf("%d", workers), TRUE);
    }
    execvp(program[0], program);
    dprintf(STDERR_FILENO, "%s: %s\n", program[0], g_strerror(errno));
    _exit(127);
}

static void check(char **program, const char *on, int status)
{
    if (status == 0)
        return;
    g_autofree char *messages = NULL;
    g_file_get_contents(messages_file, &messages, NULL, NULL);
    fprintf(stderr, "%s", messages ? messages : "");
    if (WIFSIGNALED(status))
        stop(1, "%s on %s was ended by signal %d (%s); its messages are above", program[0], on, WTERMSIG(status), strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) == 127)
        stop(1, "%s cannot be run; give the path of a program built with Skate: skate predict build/lessons/06-tree-reduction --like FILE",
             program[0]);
    stop(1, "%s on %s ended with status %d; its messages are above", program[0], on, WEXITSTATUS(status));
}

static result read_trace(char **program, const char *on)
{
    sk_error err;
    sk_timeline *t = access(trace_file, F_OK) == 0 ? sk_timeline_load(trace_file, &err) : NULL;
    if (!t)
        stop(1, "%s on %s left no log of its run; is it a program that calls sk_init?", program[0], on);
    if (!t->ntasks)
        stop(1, "%s on %s submitted no task: there is no makespan to predict", program[0], on);
    const char *found = sk_trace_read_value(t->log, "workers"), *ran_on = sk_trace_read_value(t->log, "backend");
    if (!ran_on || strcmp(ran_on, on) != 0)
        stop(1, "%s ran on %s, not on %s: it must let its backend be chosen", program[0], ran_on ? ran_on : "?", on);
    result r = { (double)t->makespan * 1e-9, found ? atoi(found) : 1, t->ntasks };
    sk_timeline_free(t);
    return r;
}

static result run(char **program, const char *on)
{
    int status;
    unlink(trace_file);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        become(program, on);
    if (child < 0 || waitpid(child, &status, 0) != child)
        stop(1, "there is no process for %s: %s", program[0], g_strerror(errno));
    check(program, on, status);
    return read_trace(program, on);
}

/* ---- The rounds ------------------------------------------------------------------------------------------------ */

/* Processor time of all of the machine, and of our children: seconds. */
static void processor_time(double *everybody, double *ours)
{
    double user = 0, nice = 0, system = 0, steal = 0;
    FILE *file = fopen("/proc/stat", "r");
    if (!file || fscanf(file, "cpu %lf %lf %lf %*f %*f %*f %*f %lf", &user, &nice, &system, &steal) != 4)
        user = 0;
    if (file)
        fclose(file);
    struct { long ticks; } unit = { sysconf(_SC_CLK_TCK) };
    *everybody = (user + nice + system + steal) / (double)unit.ticks;
    g_autofree char *stat = NULL;
    double times[2] = { 0, 0 };
    if (g_file_get_contents("/proc/self/stat", &stat, NULL, NULL) && strrchr(stat, ')'))
        sscanf(strrchr(stat, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lf %lf", &times[0], &times[1]);
    *ours = (times[0] + times[1]) / (double)unit.ticks;
}

/* The calibrated file, but with the workers that the real run had. */
static void write_cluster(sk_cluster_spec *spec, int on)
{
    g_autoptr(GError) failed = NULL;
    for (uint32_t i = 0; i < spec->nkinds; i++)
        spec->kinds[i].workers = on;
    char *text = sk_cluster_spec_write(spec, NULL);
    if (!g_file_set_contents(cluster_file, text, -1, &failed))
        stop(1, "%s", failed->message);
    free(text);
}

typedef struct rounds_result { double measured[MOST_ROUNDS], predicted[MOST_ROUNDS], others; int workers; uint32_t tasks; } rounds_result;

static void play(char **program, sk_cluster_spec *spec, rounds_result *out)
{
    double before[2], after[2], start = (double)g_get_monotonic_time() * 1e-6;
    result real = run(program, backend);             /* finds files and memory cold: does not count */
    out->workers = real.workers;
    out->tasks = real.tasks;
    write_cluster(spec, real.workers);
    processor_time(&before[0], &before[1]);
    start = (double)g_get_monotonic_time() * 1e-6;
    for (int r = 0; r < rounds; r++) {
        out->measured[r] = run(program, backend).makespan;
        out->predicted[r] = run(program, "virtual").makespan;
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\rskate predict: round %d of %d%s", r + 1, rounds, r + 1 == rounds ? "\n" : "");
    }
    processor_time(&after[0], &after[1]);
    double seconds = (double)g_get_monotonic_time() * 1e-6 - start;
    out->others = (after[0] - before[0] - (after[1] - before[1])) / seconds;
}

/* ---- The report ------------------------------------------------------------------------------------------------- */

static void print_time(const char *what, double *seconds, const char *on)
{
    char middle[16], least[16], most[16];
    double median = calibration_median(seconds, rounds);
    printf("%-11s %-10s on %-8s  median of %d, %s to %s\n", what, sk_timeline_time((int64_t)(median * 1e9), middle), on, rounds,
           sk_timeline_time((int64_t)(seconds[0] * 1e9), least), sk_timeline_time((int64_t)(seconds[rounds - 1] * 1e9), most));
}

static void print_calibration(const char *text)
{
    g_autofree char *date = calibration_say(text, CALIBRATED), *host = calibration_say(text, CALIBRATION_HOST);
    g_autofree char *band = calibration_say(text, CALIBRATION_BAND), *here = calibration_this_host();
    if (!date || !host)
        printf("%-11s %s does not say when and where it was; `skate calibrate -o FILE` writes one that does\n", "calibrated", like);
    else
        printf("%-11s %s on %s: %s\n", "calibrated", date, host, strcmp(host, here) == 0 ? "this machine" : "NOT this machine");
    if (band)
        printf("%-11s %s when it was calibrated\n", "error band", band);
}

static double report(rounds_result *r, const char *text)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    print_time("predicted", r->predicted, "virtual");
    print_time("measured", r->measured, backend);
    double predicted = calibration_median(r->predicted, rounds), measured = calibration_median(r->measured, rounds);
    double error = measured > 0 ? 100 * (predicted - measured) / measured : 0;
    printf("%-11s %+.1f %%     %s\n", "error", error, error < 0 ? "shorter than it was" : error > 0 ? "longer than it was" : "exact");
    printf("%-11s %u tasks on %d workers\n", "program", r->tasks, r->workers);
    print_calibration(text);
    if (r->workers > processors && strcmp(cost, "none") != 0)
        printf("%-11s %d workers share %ld processors; virtual gives each its own. Exact only for tasks that sleep\n", "note", r->workers, processors);
    if (r->others > 0.1)
        printf("%-11s other programs used %.1f of %ld processors meanwhile: the measured times are too long\n", "note", r->others, processors);
    return error;
}

/* ---- The command ------------------------------------------------------------------------------------------------- */

static const GOptionEntry entries[] = {
    { "like", 0, 0, G_OPTION_ARG_FILENAME, &like, "the cluster file that `skate calibrate` wrote, or another, or a preset", "FILE" },
    { "backend", 0, 0, G_OPTION_ARG_STRING, &backend, "what it is compared with: threads (the default), serial, ./mine.so", "B" },
    { "workers", 0, 0, G_OPTION_ARG_INT, &workers, "as in skate run; default what the program asks for", "N" },
    { "rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "how often each is run, by turns (5)", "N" },
    { "cost", 0, 0, G_OPTION_ARG_STRING, &cost, "what plain C costs on virtual: live (the default), none, live*FACTOR", "C" },
    { "within", 0, 0, G_OPTION_ARG_STRING, &within, "exit with status 3 if the error is more than so many per cent", "PERCENT" },
    G_OPTION_ENTRY_NULL
};

static char **parse(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("PROGRAM [ARGS]");
    g_option_context_set_summary(context, "Predicts how long a program takes, runs it, and prints both and the error.");
    g_option_context_set_description(context,
        "Example:\n"
        "  skate calibrate -o here.cluster\n"
        "  skate predict --like here.cluster build/lessons/06-tree-reduction\n"
        "  skate predict build/lessons/06-tree-reduction --like here.cluster\n\n"
        "What comes after PROGRAM is the program's, but for --like FILE at the end.\n"
        "Exit status: 0; 1 if a run failed; 2 for misuse; 3 if --within was given and the error is larger.\n");
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        stop(USAGE_ERROR, "%s; `skate predict --help` lists the options", error->message);
    if (argc > 1 && strcmp(argv[1], "--") == 0)
        argv++, argc--;
    if (argc >= 4 && !like && strcmp(argv[argc - 2], "--like") == 0) {
        like = g_strdup(argv[argc - 1]);
        argv[argc -= 2] = NULL;
    }
    if (argc < 2)
        stop(USAGE_ERROR, "no program given; for example: skate predict --like here.cluster ./program");
    if (!like)
        stop(USAGE_ERROR, "no --like FILE given; `skate calibrate -o here.cluster` makes one");
    return argv + 1;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");                        /* not numbers */
    char **program = parse(argc, argv), *end;
    if (rounds < 1 || rounds > MOST_ROUNDS)
        stop(USAGE_ERROR, "--rounds %d: give 1 to %d", rounds, MOST_ROUNDS);
    if (workers != -1 && (workers < 1 || workers > 4096))
        stop(USAGE_ERROR, "--workers %d: give 1 to 4096", workers);
    if (strcmp(backend, "virtual") == 0)
        stop(USAGE_ERROR, "--backend virtual: that is what predicts; compare with a real one: threads, serial");
    double most = within ? g_ascii_strtod(within, &end) : HUGE_VAL;
    if (within && (end == within || *end || !(most >= 0)))
        stop(USAGE_ERROR, "--within %s: give a number of per cent, such as 15", within);
    sk_error err;
    sk_cluster_spec *spec = sk_cluster_spec_load(like, &err);
    if (!spec)
        stop(USAGE_ERROR, "%s", err.message);
    g_autofree char *text = NULL;
    g_file_get_contents(like, &text, NULL, NULL);    /* a preset has none */
    if (!mkdtemp(directory))
        stop(1, "%s: %s", directory, g_strerror(errno));
    trace_file = g_strdup_printf("%s/run.sktrace", directory);
    cluster_file = g_strdup_printf("%s/cluster", directory);
    messages_file = g_strdup_printf("%s/messages", directory);
    atexit(clean_up);
    rounds_result *r = g_new0(rounds_result, 1);
    play(program, spec, r);
    double error = report(r, text ? text : "");
    sk_cluster_spec_free(spec);
    g_free(r);
    return fabs(error) > most ? TOO_FAR : 0;
}
