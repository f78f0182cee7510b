/* child.c -- see child.h. */
#include "child.h"

#include "error.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- errors ---- */

static const char *advice(int error, char *text, size_t room)
{
    struct rlimit limit = { 0 };
    switch (error) {
    case EMFILE:
        getrlimit(RLIMIT_NOFILE, &limit);
        snprintf(text, room, "%llu descriptors are allowed: allow more (ulimit -n), or start fewer workers", (unsigned long long)limit.rlim_cur);
        break;
    case ENFILE: snprintf(text, room, "the system's table of open files is full (sysctl fs.file-max)"); break;
    case EAGAIN: snprintf(text, room, "allow more processes (ulimit -u, or the container's limit of pids), or start fewer workers"); break;
    case ENOMEM: snprintf(text, room, "start fewer workers, or leave more memory free"); break;
    case E2BIG: snprintf(text, room, "arguments and environment are too long together: make the environment smaller"); break;
    case ENOENT: case EACCES: snprintf(text, room, "see that the file is there and may be run (and that /proc is mounted)"); break;
    default: snprintf(text, room, "try it again; if it stays, see what the system log says");
    }
    return text;
}

static bool fail(sk_error *err, const sk_child_spec *spec, const char *what, int error)
{
    char text[200];
    sk_code code = error == ENOENT || error == EACCES || error == ENOEXEC ? SK_MISUSE : SK_LIMIT;
    return sk_error_set(err, code, "process \"%s\" cannot be started: %s: %s; %s", spec->argv[0], what, strerror(error),
                        advice(error, text, sizeof text));
}

/* ---- descriptors ---- */

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A copy at `least` or above. A limit below that is reported as what it is to the user. */
static int copy_above(int fd, int least)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, least);
    if (copy < 0 && errno == EINVAL)
        errno = EMFILE;
    return copy;
}

/* Moves it to `least` or above, if it is not there. On failure it is closed. */
static bool lift(int *fd, int least)
{
    if (*fd < 0 || *fd >= least)
        return *fd >= 0;
    int copy = copy_above(*fd, least), error = errno;
    shut(fd);
    *fd = copy;
    errno = error;
    return copy >= 0;
}

/* In a program that has closed 0-2, pipes would land there, and become its stdin or stdout: `mine`, the reader's end, is moved above. */
static bool make_pipe(int *mine, int *its, int least)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    *mine = ends[0];
    *its = ends[1];
    return lift(mine, 3) && lift(its, least) && fcntl(*mine, F_SETFL, O_NONBLOCK) == 0;
}

/* ---- start ---- */

/* The array is the caller's; what it points to is not. */
static char **environment(const char *const *extra)
{
    size_t n = 0, more = 0, kept = 0;
    while (environ && environ[n])
        n++;
    while (extra && extra[more])
        more++;
    char **all = calloc(n + more + 1, sizeof *all);
    if (!all)
        abort();
    for (size_t i = 0; i < n; i++) {
        bool replaced = false;
        for (size_t j = 0; j < more && !replaced; j++)
            replaced = !strncmp(environ[i], extra[j], (size_t)(strchr(extra[j], '=') - extra[j]) + 1);
        if (!replaced)
            all[kept++] = environ[i];
    }
    for (size_t j = 0; j < more; j++)
        all[kept++] = (char *)extra[j];            /* execve takes them without const, and does not write */
    return all;
}

/* Descriptor i of the child is a copy of from[i], all of which lie above: so none overwrites what another is to be copied from. */
static int spawn(pid_t *pid, const sk_child_spec *spec, const int *from, int n)
{
    static const int by_default[] = { SIGPIPE, SIGCHLD, SIGTERM };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, reset;
    sigemptyset(&none);
    sigemptyset(&reset);
    for (size_t i = 0; i < sizeof by_default / sizeof *by_default; i++)
        sigaddset(&reset, by_default[i]);
    int error = posix_spawnattr_init(&attributes);
    if (error)
        return error;
    error = posix_spawn_file_actions_init(&files);
    if (error) {
        posix_spawnattr_destroy(&attributes);
        return error;
    }
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &reset);
    for (int i = 0; i < n && !error; i++)
        error = posix_spawn_file_actions_adddup2(&files, from[i], i);
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(&files, n);
    if (!error) {
        char **env = environment(spec->env);
        error = posix_spawn(pid, spec->path ? spec->path : "/proc/self/exe", &files, &attributes, spec->argv, env);
        free(env);
    }
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return error;
}

bool sk_child_start(sk_child *c, const sk_child_spec *spec, sk_error *err)
{
    assert(spec->nfds <= SK_CHILD_FDS);
    int n = 3 + (int)spec->nfds, from[3 + SK_CHILD_FDS], error = 0;
    const char *what = NULL;
    *c = (sk_child){ .pidfd = -1, .out = -1, .err = -1 };
    for (int i = 0; i < n; i++)
        from[i] = -1;

    from[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (!lift(&from[0], n))
        what = "/dev/null for its stdin", error = errno;
    else if (!make_pipe(&c->out, &from[1], n))
        what = "a pipe for its stdout", error = errno;
    else if (!make_pipe(&c->err, &from[2], n))
        what = "a pipe for its stderr", error = errno;
    for (int i = 3; i < n && !what; i++) {
        from[i] = copy_above(spec->fds[i - 3], n);
        if (from[i] < 0)
            what = "a descriptor it inherits", error = errno;
    }
    if (!what) {
        error = spawn(&c->pid, spec, from, n);
        if (error)
            what = spec->path ? spec->path : "/proc/self/exe", c->pid = 0;
    }
    for (int i = 0; i < n; i++)
        shut(&from[i]);
    if (!what) {
        struct rusage ours;
        getrusage(RUSAGE_SELF, &ours);
        c->rss_floor = 1024 * (int64_t)ours.ru_maxrss;
        c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
        bool lacking = c->pidfd < 0 && (errno == ENOSYS || errno == EPERM);      /* EPERM: a container's filter */
        if (!lacking && !lift(&c->pidfd, 3))
            what = "a descriptor to watch it", error = errno;
    }
    if (!what)
        return true;
    sk_child_close(c);
    return fail(err, spec, what, error);
}

/* ---- end ---- */

bool sk_child_reap(sk_child *c, bool block)
{
    pid_t got;
    if (c->ended || !c->pid)
        return true;
    do
        got = wait4(c->pid, &c->status, block ? 0 : WNOHANG, &c->usage);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return false;
    c->ended = true;
    c->taken = got < 0;
    int64_t most = got > 0 ? 1024 * (int64_t)c->usage.ru_maxrss : 0;
    c->max_rss = most > c->rss_floor ? most : 0;
    return true;
}

void sk_child_kill(sk_child *c, int sig)
{
    if (!c->pid || c->ended)
        return;
    if (c->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, c->pidfd, sig, NULL, 0);
    else
        kill(c->pid, sig);
}

const char *sk_child_fate(const sk_child *c, char *text, size_t room)
{
    assert(c->ended);
    char memory[80] = "";
    if (c->taken)
        snprintf(text, room, "ended, how is not known (the program waits for any child, or ignores SIGCHLD)");
    else if (WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0)
        snprintf(text, room, "ended with status 0");
    else if (WIFEXITED(c->status))
        snprintf(text, room, "called exit(%d)", WEXITSTATUS(c->status));
    else {
        int sig = WTERMSIG(c->status);
        const char *name = sigdescr_np(sig);
        if (sig == SIGKILL && c->max_rss > 0)      /* perhaps the kernel's, for want of memory: the user will want to know */
            snprintf(memory, sizeof memory, "; it had taken %lld MB of memory", (long long)(c->max_rss / 1000000));
        snprintf(text, room, "was killed by signal %d (%s)%s%s", sig, name ? name : "a real-time signal",
                 WCOREDUMP(c->status) ? " and dumped core" : "", memory);
    }
    return text;
}

void sk_child_close(sk_child *c)
{
    if (c->pid && !c->ended) {
        sk_child_kill(c, SIGKILL);
        sk_child_reap(c, true);
    }
    c->pid = 0;
    int *fds[] = { &c->pidfd, &c->out, &c->err };
    for (int i = 0; i < 3; i++) {
        if (*fds[i] < 3)                           /* all zeros, never started */
            *fds[i] = -1;
        shut(fds[i]);
    }
}

/* ---- in the child ---- */

void sk_child_adopt(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(0);                                  /* nobody is left to be told */
    signal(SIGINT, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
}
