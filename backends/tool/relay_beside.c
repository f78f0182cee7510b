/* relay_beside.c -- the end of `skate relay` beside the program: a viewer to it, and to the viewer's relay the one that listens. See relay.h.
 *
 * It watches the program from its own start on, so the gate of a program waits for a viewer that has a long way to come, and then while a viewer is
 * there: with the viewer goes the watching, which opens the gate. One viewer at a time.
 *
 * What it has of the log it sends when the queue to the viewer is short, so that lines never wait behind more than QUEUE. An "upto" is kept until the
 * bytes that it speaks of are sent, and if more of them come meanwhile, the last: so nothing grows here, however slow the way is.
 *
 * Reading order: the program; to the viewer; from the program; the viewer; the end; the loop. */
#include "relay.h"

#include "trace_read.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NICE = 10, PATIENCE_MS = 2000, RETRY_US = 20000, END_MS = 20, GONE_MS = 1000, QUEUE = 1 << 20 };

typedef struct upto {
    char text[SK_LIVE_LINE];               /* "": none */
    uint64_t at;                           /* so long the log was when it came */
} upto;

typedef struct beside {
    pid_t pid;
    int pidfd;                             /* -1: the kernel has none */
    int program, log;                      /* -1: it is not watched now; program: or its run is over */
    bool says_end;                         /* in its words */
    bool has_ended;                        /* it has said so, closed the connection, or is gone: what it writes now is the end of its log */
    unsigned long long scale;
    relay_lines in;
    char hello[SK_LIVE_LINE], gate[SK_LIVE_LINE];
    upto due, latest;                      /* due: the next to be sent */
    uint64_t sent;                         /* bytes of the log */
    sk_reader *reader;                     /* has_ended: to see its end */
    sk_transport *transport;
    sk_peer viewer;                        /* 0: there is none */
    char viewer_at[SK_TRANSPORT_ADDRESS];
    bool told_end;
    bool is_closed;                        /* it lets nobody watch it any more */
    bool over;
} beside;

/* ---- the program ---- */

static bool is_gone(const beside *b)
{
    return b->pidfd >= 0 ? poll(&(struct pollfd){ b->pidfd, POLLIN, 0 }, 1, 0) == 1 : kill(b->pid, 0) != 0 && errno == ESRCH;
}

static bool connect_to(beside *b, sk_error *err)
{
    struct sockaddr_un at;
    socklen_t size = sk_live_address(b->pid, &at);
    b->program = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (b->program < 0)
        return sk_error_set(err, SK_LIMIT, "no socket: %s", strerror(errno));
    /* The first time it may not have come so far: skate run --live ./program & skate relay $! */
    int64_t until = b->transport ? 0 : g_get_monotonic_time() + PATIENCE_MS * 1000;
    int failed;
    while ((failed = connect(b->program, (struct sockaddr *)&at, size) == 0 ? 0 : errno) == ECONNREFUSED && g_get_monotonic_time() < until && !is_gone(b))
        g_usleep(RETRY_US);
    b->is_closed = failed == ECONNREFUSED;
    if (failed == EAGAIN)                  /* a queue that is full */
        return sk_error_set(err, SK_MISUSE, "process %d does not answer: others wait to watch it already, or it has been stopped", (int)b->pid);
    if (failed)
        return is_gone(b) ? sk_error_set(err, SK_MISUSE, "there is no process %d; `skate ps` lists the runs", (int)b->pid)
                          : sk_error_set(err, SK_MISUSE, "process %d lets nobody watch it: it is no Skate program, its run is over, or it was started without "
                                         "--sk-live (skate run --live does that)", (int)b->pid);
    if (!sk_live_is_trusted(b->program, true))
        return sk_error_set(err, SK_MISUSE, "process %d: what listens for viewers there is another user's", (int)b->pid);
    return true;
}

/* Its first words, and the descriptor that comes with them; the log stays -1 if none does. */
static void take_hello(beside *b)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec part = { b->in.text, sizeof b->in.text };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room };
    ssize_t n = poll(&(struct pollfd){ b->program, POLLIN, 0 }, 1, PATIENCE_MS) == 1 ? recvmsg(b->program, &message, MSG_CMSG_CLOEXEC) : 0;
    b->in.n = n > 0 ? (size_t)n : 0;
    for (struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR(&message) : NULL; head; head = CMSG_NXTHDR(&message, head))
        if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof(int)))
            memcpy(&b->log, CMSG_DATA(head), sizeof b->log);
}

static bool understand_hello(beside *b, sk_error *err)
{
    int version = 0, pid = 0, used = 0;
    char can[16], *end = memchr(b->in.text, '\n', b->in.n);
    size_t length = end ? (size_t)(end - b->in.text) : 0;
    if (!end || !relay_is_line((uint8_t *)b->in.text, length, b->hello))
        return sk_error_set(err, SK_MISUSE, "process %d: what listens for viewers there does not speak as a Skate program does", (int)b->pid);
    memmove(b->in.text, end + 1, b->in.n -= length + 1);
    if (!strncmp(b->hello, "no ", 3))
        return sk_error_set(err, SK_MISUSE, "process %d: it cannot be watched: %s", (int)b->pid, b->hello + 3);
    if (sscanf(b->hello, "skate %d %d %llu %15s%n", &version, &pid, &b->scale, can, &used) != 4 || b->hello[used])
        return sk_error_set(err, SK_MISUSE, "process %d: what listens for viewers there does not speak as a Skate program does", (int)b->pid);
    if (version != SK_LIVE_VERSION || b->log < 0)
        return sk_error_set(err, SK_MISUSE, "process %d: it is watched by version %d of the line, this relay speaks version %d; take the relay of its Skate",
                            (int)b->pid, version, SK_LIVE_VERSION);
    return true;
}

static void leave(beside *b)
{
    if (b->program >= 0)
        close(b->program);
    if (b->log >= 0)
        close(b->log);
    sk_trace_read_close(b->reader);
    b->reader = NULL;
    b->program = b->log = -1;
    b->in.n = 0;
    b->gate[0] = b->due.text[0] = b->latest.text[0] = '\0';
}

static bool attach(beside *b, sk_error *err)
{
    if (connect_to(b, err)) {
        take_hello(b);
        if (understand_hello(b, err))
            return true;
    }
    leave(b);
    return false;
}

/* ---- to the viewer ---- */

static uint64_t log_size(const beside *b)
{
    struct stat st;
    return fstat(b->log, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void drop(beside *b, const char *why) { sk_transport_drop(b->transport, b->viewer, why); }

/* There is room, as the log leaves some; if not, the viewer has not read for as long as that lasts. */
static void tell(beside *b, uint16_t type, uint64_t request, const void *bytes, size_t size)
{
    if (b->viewer.id && relay_send(b->transport, b->viewer, type, request, bytes, size) == SK_SEND_FULL)
        drop(b, "it does not read what is sent to it");
}

static void tell_line(beside *b, const char *text) { tell(b, RELAY_LINE, 0, text, strlen(text)); }

static void tell_upto(beside *b)
{
    while (*b->due.text && b->due.at <= b->sent) {
        tell_line(b, b->due.text);
        b->due = b->latest;
        b->latest.text[0] = '\0';
    }
}

static bool may_send(const beside *b)
{
    const sk_peer_info *info = b->viewer.id ? sk_transport_peer(b->transport, b->viewer) : NULL;
    return info && info->state != SK_PEER_DEAD && info->control_queued < QUEUE;
}

static void send_log(beside *b)
{
    static char bytes[RELAY_CHUNK];
    while (b->log >= 0 && may_send(b)) {
        ssize_t n = pread(b->log, bytes, sizeof bytes, (off_t)b->sent);
        if (n < 0 && errno != EINTR) {
            drop(b, "the log cannot be read");
            return;
        }
        if (n == 0)
            break;
        if (n > 0) {
            tell(b, RELAY_LOG, b->sent, bytes, (size_t)n);
            b->sent += (uint64_t)n;
            tell_upto(b);
        }
    }
    if (b->viewer.id)
        tell_upto(b);
}

/* ---- from the program ---- */

static void on_program_line(void *data, const char *text)
{
    beside *b = data;
    if (!strncmp(text, "upto ", 5)) {
        upto *u = b->viewer.id && *b->due.text ? &b->latest : &b->due;
        g_strlcpy(u->text, text, sizeof u->text);
        u->at = log_size(b);
    } else if (!strncmp(text, "gate ", 5)) {
        g_strlcpy(b->gate, text, sizeof b->gate);
        tell_line(b, text);
    } else if (!strcmp(text, "end")) {
        b->says_end = true;
    } else {
        tell_line(b, text);
    }
}

/* That it closes the connection is not waited for: a process that a task of it has started may have it open, too. `gone`: nothing more will come. */
static void hear_program(beside *b, bool gone)
{
    sk_error err;
    bool more = true;
    do
        more = relay_hear(b->program, &b->in, on_program_line, b) && !b->says_end;
    while (more && gone && poll(&(struct pollfd){ b->program, POLLIN, 0 }, 1, 0) == 1);
    if (more && !gone)
        return;
    close(b->program);
    b->program = -1;
    b->has_ended = true;
    b->due.text[0] = b->latest.text[0] = '\0';             /* END says more */
    if (b->viewer.id)                      /* all of it is read then */
        b->reader = sk_trace_follow_open(b->log, "the log", b->scale, &err);
}

/* ---- the viewer ---- */

static void welcome(beside *b, sk_peer peer, const sk_peer_info *info)
{
    sk_error err;
    if (b->viewer.id) {
        relay_send_line(b->transport, peer, "no a relay serves one viewer at a time, and the one at %s watches process %d already", b->viewer_at, (int)b->pid);
        sk_transport_drop(b->transport, peer, "another viewer is here");
        return;
    }
    if (b->program < 0 && !attach(b, &err)) {
        relay_send_line(b->transport, peer, "no %s", err.message);
        sk_transport_drop(b->transport, peer, "there is nothing to watch");
        b->over = b->is_closed;            /* the run is over, though the process is there */
        return;
    }
    b->viewer = peer;
    b->sent = 0;
    g_strlcpy(b->viewer_at, info->address, sizeof b->viewer_at);
    tell(b, RELAY_HELLO, RELAY_VERSION, b->hello, strlen(b->hello));
    if (*b->gate)
        tell_line(b, b->gate);
}

static void on_state(void *data, sk_peer peer, const sk_peer_info *info)
{
    beside *b = data;
    if (info->state == SK_PEER_UP && peer.id != b->viewer.id) {
        welcome(b, peer, info);
    } else if (info->state == SK_PEER_DEAD && peer.id == b->viewer.id) {
        b->viewer.id = 0;
        if (!b->told_end)
            relay_fail(0, "the viewer at %s is gone: %s", b->viewer_at, info->why);
        leave(b);
    }
}

static void on_control(void *data, sk_peer peer, uint16_t type, uint64_t req, const uint8_t *bytes, size_t size)
{
    beside *b = data;
    char text[SK_LIVE_LINE];
    (void)req;
    if (peer.id != b->viewer.id)
        return;
    if (type != RELAY_LINE || !relay_is_line(bytes, size, text)) {
        drop(b, "it does not speak as a viewer does");
        return;
    }
    strcat(text, "\n");
    if (b->program < 0)
        tell_line(b, "no the run is over");
    else if (send(b->program, text, size + 1, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size + 1)
        tell_line(b, "no the program takes no commands now");
}

static void on_log(void *data, const char *line)
{
    (void)data;
    relay_fail(0, "%s", line);
}

static const sk_transport_events events = {
    on_state, on_control, relay_no_room, relay_no_place, relay_no_bulk, relay_no_sent, relay_no_loss, on_log,
};

/* ---- the end ---- */

static bool log_has_end(const beside *b)
{
    if (!b->reader)
        return false;
    sk_trace_follow_more(b->reader);
    return sk_trace_read_info(b->reader)->has_end;
}

/* When the run is over: END goes to the viewer behind the last byte, and the relay ends when the viewer has hung up. */
static void look_for_the_end(beside *b)
{
    bool gone = is_gone(b);                /* before the log is looked at: then nobody writes it any more */
    if (b->has_ended && b->viewer.id && !b->told_end) {
        bool whole = log_has_end(b);
        send_log(b);
        if ((gone || whole) && b->sent >= log_size(b) && may_send(b)) {
            b->told_end = true;
            tell(b, RELAY_END, whole, NULL, 0);
        }
    } else if (!b->viewer.id && (b->has_ended || gone)) {
        b->over = true;
    }
}

/* ---- the loop ---- */

static int patience(const beside *b, int64_t ns)
{
    int64_t ms = ns / 1000000 + 1, most = b->has_ended && !b->told_end ? END_MS : b->pidfd < 0 ? GONE_MS : INT32_MAX;
    return ns == 0 ? 0 : (int)MIN(ms, most);
}

static void turn(beside *b)
{
    int64_t left;
    int fd = sk_transport_watch(b->transport, &left);
    struct pollfd polled[] = { { fd, POLLIN, 0 }, { b->program, POLLIN, 0 }, { b->has_ended ? -1 : b->pidfd, POLLIN, 0 } };
    poll(polled, 3, patience(b, left));
    bool gone = b->program >= 0 && is_gone(b);             /* before it is heard: then that was all */
    if (b->program >= 0 && (gone || polled[1].revents))
        hear_program(b, gone);
    sk_transport_poll(b->transport, 0);
    send_log(b);
    look_for_the_end(b);
}

/* What a viewer elsewhere dials: of an address that is all of this machine's, its name. */
static void say_where(const beside *b, const char *listens, const char *secret_file)
{
    bool is_any = !strncmp(listens, "0.0.0.0:", 8) || !strncmp(listens, "[::]:", 5);
    printf("process %d is watched at %s: skate view --attach %s%s --secret-file %s\n", (int)b->pid, listens, is_any ? g_get_host_name() : listens,
           is_any ? strrchr(listens, ':') : "", secret_file);
    fflush(stdout);
}

int relay_beside(relay_order *order)
{
    sk_error err;
    char listens[SK_TRANSPORT_ADDRESS];
    beside b = { .pid = order->pid, .pidfd = (int)syscall(SYS_pidfd_open, order->pid, 0), .program = -1, .log = -1 };
    order->self.role = SK_ROLE_RELAY;
    order->self.peer_roles = 1 << SK_ROLE_VIEWER;
    sk_transport_config config = { .me = &order->self, .kinds = relay_kinds, .nkinds = RELAY_KINDS, .events = &events, .data = &b };
    int status = SK_NODE_HEAD_LOST;
    if (!attach(&b, &err))
        return relay_fail(status, "%s", err.message);
    (void)!nice(NICE);                     /* the run comes first */
    if (!sk_id_random(&order->self.cluster, &err) || !(b.transport = sk_tcp_transport.open(&config, &err))
        || !sk_transport_listen(b.transport, order->address, listens, &err)) {
        status = relay_fail(SK_NODE_UNABLE, "%s", err.message);
    } else {
        say_where(&b, listens, order->self.secret_name);
        while (!b.over)
            turn(&b);
        sk_transport_poll(b.transport, 0); /* what was said last */
        printf("the run of process %d is over\n", (int)b.pid);
        status = SK_NODE_DONE;
    }
    sk_transport_close(b.transport);
    leave(&b);
    if (b.pidfd >= 0)
        close(b.pidfd);
    return status;
}
