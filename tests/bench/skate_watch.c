/* skate_watch.c -- what it costs to watch: a program with the window of `skate view --attach` beside it, against the same program that only writes
 * its log; and the window when nothing happens. The window is a process of its own, as it is for a student, 1280x720 on Xvfb (Debian: xvfb).
 * Without that it draws for no display, and an idle window is not measured: SDL asks such a display a thousand times a second for events.
 *
 *   view_overhead        time of tree_dag (its tasks are empty) with one worker, watched / tracing to a file
 *   view_overhead_10us   the same with independent tasks of 10 us each
 *   view_idle_cpu        per cent of one cpu that the window takes while nothing happens, for two seconds, after a log of 100,000 tasks was opened
 *
 * Reading order: 1 the program that is watched; 2 the window; 3 children that are spoken to; 4 the rows. */
#define _GNU_SOURCE
#include <skate.h>

#include <glib.h>
#include <signal.h>

#include "../../viz/window_live.h"
#include "../../viz/window_main.h"

#include "bench_child.h"

enum { SPINS = 20000, TIMED = 3, TASKS = 100000, BENCH_REFS = 2 * BENCH_LEAVES };

#include "bench_tree.h"

/* ---- 1. The program that is watched: begins when it is told to, and says how long it took ----------------------------------------- */

static void program(const char *kind, int n, int argc, char **argv)
{
    double seconds[TIMED];
    double (*once)(int) = strcmp(kind, "tree") ? bench_spin_seconds : bench_tree_seconds;
    sk_init(&argc, &argv, &(sk_config){ .workers = 1 });
    once(n);                                    /* to warm up */
    printf("1\n");
    fflush(stdout);
    if (getchar() != '\n')
        exit(1);
    for (int i = 0; i < TIMED; i++)
        seconds[i] = once(n);
    printf("%.17g\n", bench_median(seconds, TIMED));
    fflush(stdout);
    sk_shutdown();
}

/* ---- 2. The window ------------------------------------------------------------------------------------------------------------------ */

/* Of this process; 0: of the log that is named. */
static int window(int pid, const char *log)
{
    sk_error err;
    sk_watch *live = pid ? sk_watch_open(pid, false, &err) : NULL;
    sk_window_options shown = { .path = "watched", .model = pid ? sk_model_new() : sk_model_load(log, &err), .view = "timeline" };
    shown.live = live ? &live->window : NULL;
    if (!shown.model || (pid && !live)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    sk_view_state_init(&shown.state, shown.model);
    printf("1\n");
    fflush(stdout);
    return sk_window_main(&shown);
}

/* ---- 3. Children that are spoken to --------------------------------------------------------------------------------------------------- */

typedef struct child { pid_t pid; FILE *says; int hears; } child;

static child start(const char *kind, int n, const char *more)
{
    char number[16];
    const char *args[] = { "skate_watch", "--child", kind, number, more, NULL };
    int down[2], up[2];
    child c;
    posix_spawn_file_actions_t actions;
    snprintf(number, sizeof number, "%d", n);
    if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
        bench_give_up("pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, down[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, up[1], STDOUT_FILENO);
    if (posix_spawn(&c.pid, "/proc/self/exe", &actions, NULL, (char **)args, environ))
        bench_give_up("posix_spawn");
    posix_spawn_file_actions_destroy(&actions);
    close(down[0]), close(up[1]);
    c.hears = down[1];
    c.says = fdopen(up[0], "r");
    return c;
}

static double answer(child *c)
{
    double x;
    if (fscanf(c->says, "%lf", &x) != 1)
        bench_expect("a number from a child that measures", 0, 1);
    return x;
}

static void stop(child *c, bool by_force)
{
    int status;
    if (by_force)
        kill(c->pid, SIGKILL);
    close(c->hears);
    fclose(c->says);
    if (waitpid(c->pid, &status, 0) != c->pid || (!by_force && status))
        bench_expect("the status of a child that measures", status, 0);
}

/* ---- 4. The rows ------------------------------------------------------------------------------------------------------------------- */

static char directory[] = "/tmp/skate-bench-XXXXXX", trace_file[sizeof directory + 16];

static double seconds_of(const char *kind, int n, bool watched)
{
    child program = start(kind, n, watched ? "--sk-live" : NULL), viewer = { 0 };
    answer(&program);
    if (watched) {
        viewer = start("view", program.pid, NULL);
        answer(&viewer);
    }
    usleep((useconds_t)bench_n(1500000)); /* it opens, and takes in what was before. Unwatched, too: the system settles meanwhile (what the warm-up has written) */
    if (write(program.hears, "\n", 1) != 1)
        bench_give_up("write");
    double seconds = answer(&program);
    if (watched)
        stop(&viewer, true);
    stop(&program, false);
    return seconds;
}

static double ratio(const char *kind, int n)
{
    double watched = seconds_of(kind, n, true);
    return watched / seconds_of(kind, n, false);
}

static double view_overhead(void) { return ratio("tree", bench_n(BENCH_LEAVES)); }
static double view_overhead_10us(void) { return ratio("spin", bench_n(SPINS)); }

static double cpu_of(pid_t pid) /* seconds */
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
        bench_give_up("the time of a process");
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double view_idle_cpu(void)
{
    child program = start("tree", bench_n(TASKS / 2 / (TIMED + 1)), NULL);
    answer(&program);
    if (write(program.hears, "\n", 1) != 1)
        bench_give_up("write");
    answer(&program);
    stop(&program, false);
    child viewer = start("view", 0, trace_file);
    answer(&viewer);
    double before;
    do { /* until its first picture is there */
        before = cpu_of(viewer.pid);
        usleep((useconds_t)bench_n(500000));
    } while (cpu_of(viewer.pid) - before > 0.1 * bench_n(500000) * 1e-6);
    before = cpu_of(viewer.pid);
    double since = bench_now();
    usleep((useconds_t)bench_n(2000000));
    double share = (cpu_of(viewer.pid) - before) / (bench_now() - since) * 100;
    stop(&viewer, true);
    return share;
}

/* A display of our own; false: there is no Xvfb. */
static bool open_display(pid_t *xvfb)
{
    char number[16] = "", *args[] = { "Xvfb", "-displayfd", "1", "-screen", "0", "1280x720x24", "-nolisten", "tcp", NULL };
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC))
        bench_give_up("pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    bool there = posix_spawnp(xvfb, "Xvfb", &actions, NULL, args, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    FILE *says = fdopen(ends[0], "r");
    there = there && fscanf(says, "%15s", number) == 1;
    fclose(says);
    g_autofree char *display = g_strconcat(":", number, NULL);
    setenv(there ? "DISPLAY" : "SDL_VIDEODRIVER", there ? display : "dummy", 1);
    return there;
}

static const char *no_display(void)
{
    const char *driver = getenv("SDL_VIDEODRIVER");
    return driver && strcmp(driver, "dummy") == 0 ? "there is no Xvfb (Debian: apt-get install xvfb)" : NULL;
}

static const bench_row rows[] = {
    BENCH_ROW(view_overhead, "ratio", .runs = 5, .cold = true),
    BENCH_ROW(view_overhead_10us, "ratio", .runs = 5, .cold = true),
    BENCH_ROW(view_idle_cpu, "%", .runs = 3, .cold = true, .why_not = no_display),
};

int main(int argc, char **argv)
{
    const char *kind;
    int n;
    if (bench_is_child(argc, argv, &kind, &n)) {
        if (strcmp(kind, "view") == 0)
            return window(n, argc > 4 ? argv[4] : NULL);
        program(kind, n, argc, argv);
        return 0;
    }
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    if (!mkdtemp(directory))
        bench_give_up(directory);
    snprintf(trace_file, sizeof trace_file, "%s/run.sktrace", directory);
    setenv("SKATE_TRACE", trace_file, 1);
    setenv("XDG_DATA_HOME", directory, 1); /* not into what the user has opened last */
    pid_t xvfb = 0;
    bool displays = open_display(&xvfb);
    bench_main("skate", "", BENCH_ROWS(rows), argv);
    if (displays) {
        kill(xvfb, SIGTERM);
        waitpid(xvfb, NULL, 0);
    }
    g_autofree char *recent = g_build_filename(directory, "skate", "recent", NULL), *folder = g_path_get_dirname(recent);
    remove(trace_file), remove(recent);
    rmdir(folder), rmdir(directory);
    return 0;
}
