/* far.c -- see far.h. What the relay says first, on a pipe, is a line: that it is ready, or why not. */
#define _GNU_SOURCE
#include "far.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE = 1000, LAST_WORDS_MS = 500 };

struct sk_far {
    pid_t pid;              /* 0: it has ended, and is reaped */
    pid_t was;
    int said;               /* the end of the pipe */
    char *name;
};

/* It lies beside this program, in the tree as well as where it was installed. */
static char *relay_path(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL), *dir = self ? g_path_get_dirname(self) : NULL;
    return g_build_filename(dir ? dir : ".", "skate-relay", NULL);
}

G_GNUC_NORETURN
static void become(const char *path, const char *address, const char *secret_file, int out, pid_t parent)
{
    const char *argv[] = { "skate relay", "--from", address, secret_file ? "--secret-file" : NULL, secret_file, NULL };
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0)
        dup2(null, 0);
    dup2(out, 1);
    dup2(out, 2);
    execv(path, (char **)argv);
    dprintf(2, "skate relay: %s: %s; build it with `make`, or install Skate again\n", path, g_strerror(errno));
    _exit(127);
}

/* Above the standard descriptors, which may be closed here: the relay gives those numbers to others. */
static bool make_pipe(int ends[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) != 0)
        return false;
    for (int i = 0; i < 2; i++)
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 3);
    int why = errno;
    close(low[0]);
    close(low[1]);
    for (int i = 0; i < 2 && (ends[0] < 0 || ends[1] < 0); i++)
        if (ends[i] >= 0)
            close(ends[i]);
    errno = why;
    return ends[0] >= 0 && ends[1] >= 0;
}

/* Its first line, without the newline. */
static void read_line(int fd, char line[LINE])
{
    size_t n = 0;
    while (n < LINE - 1) {
        ssize_t got = read(fd, line + n, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || line[n] == '\n')
            break;
        n++;
    }
    line[n] = '\0';
}

static sk_far *fail(sk_far *f, sk_error *err, const char *why)
{
    err->code = SK_MISUSE;
    g_snprintf(err->message, sizeof err->message, "%s", why);
    sk_far_close(f);
    return NULL;
}

sk_far *sk_far_open(const char *address, const char *secret_file, sk_error *err)
{
    int ends[2];
    g_autofree char *path = relay_path();
    sk_far *f = g_new0(sk_far, 1);
    f->said = -1;
    if (!make_pipe(ends))
        return fail(f, err, g_strerror(errno));
    f->said = ends[0];
    pid_t self = getpid();
    f->pid = f->was = fork();
    if (f->pid == 0)
        become(path, address, secret_file, ends[1], self);
    close(ends[1]);
    if (f->pid < 0) {
        f->pid = 0;
        return fail(f, err, g_strerror(errno));
    }
    char line[LINE];
    read_line(f->said, line);
    const char *ready = strstr(line, " is watched through process "), *own = "skate relay: ";
    if (!ready || !g_str_has_prefix(line, "process "))
        return fail(f, err, g_str_has_prefix(line, own) ? line + strlen(own) : *line ? line : "the relay has ended without a word");
    f->name = g_strndup(line, (gsize)(ready - line));
    return f;
}

pid_t sk_far_pid(const sk_far *f) { return f->was; }
const char *sk_far_name(const sk_far *f) { return f->name; }

void sk_far_reap(sk_far *f)
{
    if (f->pid && waitpid(f->pid, NULL, WNOHANG) != 0)
        f->pid = 0;
}

void sk_far_close(sk_far *f)
{
    if (!f)
        return;
    if (f->pid) {                /* it ends when its viewer has left, after what that has said last */
        poll(&(struct pollfd){ f->said, 0, 0 }, 1, LAST_WORDS_MS);
        kill(f->pid, SIGTERM);
        while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (f->said >= 0)
        close(f->said);
    g_free(f->name);
    g_free(f);
}
