/* attach.c -- see attach.h. The lines are those of sim/live.h. Reading order: addresses; open; lines; events; commands. */
#define _GNU_SOURCE
#include "attach.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { VERSION = 1, LINE = 200, PATIENCE_MS = 2000, GRACE_MS = 1000 };

#define NAME "skate-live/" /* after a NUL; then the pid */

struct sk_attach {
    int fd;                 /* -1: closed */
    sk_attach_status status;
    char refusal[LINE];
    char line[LINE];        /* that is coming in */
    size_t n;
    sk_reader *log;
    sk_cursor *cursor;
    gint64 grew_at;         /* since the connection has closed: when the log has last grown */
};

G_GNUC_PRINTF(2, 3) static void *fail(sk_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (err) {
        err->code = SK_MISUSE;
        vsnprintf(err->message, sizeof err->message, format, args);
    }
    va_end(args);
    return NULL;
}

/* ---- addresses ---- */

/* Something, a colon, and a port. */
static bool is_host_and_port(const char *text)
{
    const char *colon = strrchr(text, ':');
    return colon && colon > text && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1);
}

bool sk_attach_address(const char *text, pid_t *pid, sk_error *err)
{
    guint64 number;
    const char *digits = *text == '@' ? text + 1 : text;
    bool is_name = g_str_has_prefix(digits, NAME);
    if ((is_name || digits == text) && g_ascii_string_to_unsigned(is_name ? digits + strlen(NAME) : text, 10, 1, G_MAXINT32, &number, NULL)) {
        *pid = (pid_t)number;
        return true;
    }
    if (is_host_and_port(text)) {
        *pid = 0;
        return true;
    }
    fail(err, "\"%s\" is neither the number of a process, 1 or more, nor the name of a run's socket, @%s1234, nor HOST:PORT of a relay; `skate ps` lists the runs",
         text, NAME);
    return false;
}

/* ---- open ---- */

static int connect_to(pid_t pid)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int n = snprintf(at.sun_path + 1, sizeof at.sun_path - 1, NAME "%d", (int)pid);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

/* Somebody else may have taken the name. */
static bool is_trusted(int fd)
{
    struct ucred who;
    socklen_t size = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && (who.uid == geteuid() || who.uid == 0 || geteuid() == 0);
}

/* The first line, and the descriptor that comes with it; -1: none came. */
static int take_hello(int fd, char *text, size_t room)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec part = { text, room - 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room };
    int log = -1;
    *text = '\0';
    if (poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, PATIENCE_MS) != 1)
        return -1;
    ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head))
        if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof(int)))
            memcpy(&log, CMSG_DATA(head), sizeof log);
    return log;
}

static sk_attach *begin(int fd, pid_t pid, sk_error *err)
{
    char hello[LINE], can[16], name[40];
    int version = 0, its_pid = 0, used = 0;
    unsigned long long scale = 0;
    if (!is_trusted(fd))
        return fail(err, "process %d: what listens for viewers there is another user's", (int)pid);
    int log = take_hello(fd, hello, sizeof hello);
    char *end = strchr(hello, '\n');
    if (g_str_has_prefix(hello, "no ")) {
        if (end)
            *end = '\0';
        return fail(err, "process %d: it cannot be watched: %s", (int)pid, hello + 3);
    }
    if (!end || sscanf(hello, "skate %d %d %llu %15s%n", &version, &its_pid, &scale, can, &used) != 4) {
        if (log >= 0)
            close(log);
        return fail(err, "process %d: what listens for viewers there does not speak as a Skate program does%s", (int)pid, *hello ? "" : "; it says nothing");
    }
    if (version != VERSION || log < 0) {
        if (log >= 0)
            close(log);
        return fail(err, "process %d: it is watched by version %d of the line, this viewer speaks version %d; take the viewer of its Skate", (int)pid, version, VERSION);
    }
    snprintf(name, sizeof name, "the log of process %d", its_pid);
    sk_reader *reader = sk_trace_follow_open(log, name, scale, err);
    close(log);
    if (!reader)
        return NULL;
    sk_attach *a = g_new0(sk_attach, 1);
    a->fd = fd;
    a->log = reader;
    a->cursor = sk_trace_read_cursor(reader);
    sk_trace_read_until(a->cursor, 0);
    a->status = (sk_attach_status){ .pid = its_pid, .has_gate = !strcmp(can, "gate"), .refusal = a->refusal };
    a->n = strlen(end + 1);
    memcpy(a->line, end + 1, a->n);
    return a;
}

static sk_attach *try_to_open(pid_t pid, bool *listens, sk_error *err)
{
    int fd = connect_to(pid);
    *listens = fd >= 0;
    int why_not = fd < 0 && kill(pid, 0) != 0 ? errno : 0;
    if (why_not == ESRCH)
        return fail(err, "there is no process %d; `skate ps` lists the runs", (int)pid);
    if (why_not == EPERM)
        return fail(err, "process %d is another user's, and lets nobody watch it; `skate ps` lists your runs", (int)pid);
    if (fd < 0)
        return fail(err, "process %d lets nobody watch it: it is no Skate program, its run is over, or it was started without --sk-live (skate run --view does that)", (int)pid);
    sk_attach *a = begin(fd, pid, err);
    if (!a)
        close(fd);
    return a;
}

sk_attach *sk_attach_open(pid_t pid, sk_error *err)
{
    bool listens;
    return try_to_open(pid, &listens, err);
}

sk_attach *sk_attach_wait(pid_t pid, int ms, sk_error *err)
{
    for (gint64 end = g_get_monotonic_time() + ms * G_GINT64_CONSTANT(1000);;) {
        bool listens;
        sk_attach *a = try_to_open(pid, &listens, err);
        if (a || listens || g_get_monotonic_time() > end || kill(pid, 0) != 0)
            return a;
        g_usleep(2000);
    }
}

static void hang_up(sk_attach *a)
{
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
    a->grew_at = g_get_monotonic_time();
    sk_trace_read_until(a->cursor, INT64_MAX);
}

void sk_attach_close(sk_attach *a)
{
    if (!a)
        return;
    hang_up(a);
    sk_trace_read_cursor_free(a->cursor);
    sk_trace_read_close(a->log);
    g_free(a);
}

int sk_attach_fd(const sk_attach *a) { return a->fd; }
const sk_attach_status *sk_attach_status_of(const sk_attach *a) { return &a->status; }
const sk_reader *sk_attach_log(const sk_attach *a) { return a->log; }

/* ---- lines ---- */

static void hear(sk_attach *a, const char *line)
{
    gint64 ns;
    char state[8];
    unsigned waiting;
    if (sscanf(line, "upto %" G_GINT64_FORMAT, &ns) == 1) {
        sk_trace_follow_more(a->log);
        sk_trace_read_until(a->cursor, ns);
    } else if (sscanf(line, "gate %7s %u", state, &waiting) == 2) {
        a->status.gate_is_closed = !strcmp(state, "closed");
        a->status.waiting = waiting;
        a->status.gates++;
    } else if (g_str_has_prefix(line, "no ")) {
        g_strlcpy(a->refusal, line + 3, sizeof a->refusal);
        a->status.refusals++;
    }                       /* "end": it hangs up, too */
}

static void read_lines(sk_attach *a)
{
    for (;;) {
        for (char *end; (end = memchr(a->line, '\n', a->n)); ) {
            *end = '\0';
            hear(a, a->line);
            size_t used = (size_t)(end + 1 - a->line);
            memmove(a->line, a->line + used, a->n -= used);
        }
        ssize_t n = a->fd >= 0 && a->n < sizeof a->line ? recv(a->fd, a->line + a->n, sizeof a->line - a->n, MSG_DONTWAIT) : 0;
        if (n > 0)
            a->n += (size_t)n;
        else if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        else {
            if (a->fd >= 0)
                hang_up(a);
            return;
        }
    }
}

/* ---- events ---- */

/* The connection has closed: the program writes the end of its log, or it is gone. */
static void look_for_the_end(sk_attach *a)
{
    gint64 now = g_get_monotonic_time();
    if (sk_trace_follow_more(a->log)) {
        a->grew_at = now;
        sk_trace_read_until(a->cursor, INT64_MAX);
    }
    const sk_read_info *info = sk_trace_read_info(a->log);
    if (info->has_end)
        a->status.state = SK_ATTACH_ENDED;
    else if (now - a->grew_at > GRACE_MS * 1000 && kill(a->status.pid, 0) != 0)
        a->status.state = SK_ATTACH_LOST;
}

size_t sk_attach_read(sk_attach *a, sk_attach_take *take, void *data, size_t most)
{
    size_t n = 0;
    if (a->fd >= 0)
        read_lines(a);
    if (a->fd < 0 && a->status.state == SK_ATTACH_RUNS)
        look_for_the_end(a);
    for (sk_event e; n < most && sk_trace_read_next(a->cursor, &e); n++)
        take(data, &e);
    return n;
}

/* ---- commands ---- */

G_GNUC_PRINTF(2, 3) static bool say(sk_attach *a, const char *format, ...)
{
    char text[60];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return a->fd >= 0 && send(a->fd, text, (size_t)n, MSG_NOSIGNAL) == n;
}

bool sk_attach_gate(sk_attach *a, bool closed)           { return say(a, "gate %s\n", closed ? "closed" : "open"); }
bool sk_attach_step(sk_attach *a, unsigned n)            { return say(a, "step %u\n", n); }
bool sk_attach_kill(sk_attach *a, int node, int worker)  { return say(a, "kill %d %d\n", node, worker); }
