/* relay_from.c -- the end of `skate relay` beside the viewer: dials the one beside the program, keeps the log that comes, and is the program to a viewer
 * of this machine. See relay.h.
 *
 * Nothing of what comes is believed for being authenticated: bytes of the log must be those that are next, a line one of those that a program says.
 * What they mean is for the viewer, whose reader copes with any log.
 *
 * To the viewer goes what is the newest, when its socket takes it: "upto" and "gate" say all that the ones before have said.
 *
 * Reading order: how it ends; the file; from the far end; the viewer; the loop. */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_S = 5 };

typedef struct from {
    const char *address;
    sk_transport *transport;
    sk_peer far;                           /* 0: it has gone, or is not needed any more */
    bool was_up, has_hello, has_said_end, whole;
    int64_t patience;                      /* until when it must have begun to send the log, us; 0: it has */
    int version, pid;                      /* of the program, as HELLO has it */
    unsigned long long scale;
    char can[16];
    int file, readable;                    /* the log, to write and to read */
    uint64_t size;
    int listener, viewer;                  /* viewer -1: none yet */
    relay_lines in;
    char gate[SK_LIVE_LINE], upto[SK_LIVE_LINE], no[SK_LIVE_LINE];         /* that the viewer is to be told; gate: also what it was told last */
    bool owes_gate;
    bool over;
    int status;
} from;

/* ---- how it ends ---- */

__attribute__((format(printf, 3, 4))) static void end(from *f, int status, const char *format, ...)
{
    if (f->over)
        return;
    va_list args;
    va_start(args, format);
    g_autofree char *why = g_strdup_vprintf(format, args);
    va_end(args);
    f->over = true;
    f->status = relay_fail(status, "%s", why);
    if (f->viewer >= 0) {
        char text[SK_LIVE_LINE];
        int n = snprintf(text, sizeof text, "no %.*s\n", SK_LIVE_LINE - 6, why);
        (void)!send(f->viewer, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

static void nonsense(from *f, const char *what) { end(f, SK_NODE_NONSENSE, "what listens at %s is no relay of a run: %s", f->address, what); }

static void on_far_end(from *f, const sk_peer_info *info)
{
    if (f->was_up && info->end != SK_PEER_BROKEN)
        end(f, SK_NODE_HEAD_LOST, "the relay at %s is gone: %s", f->address, info->why);
    else if (f->has_hello && info->end == SK_PEER_BROKEN)  /* it has spoken as a relay does */
        end(f, SK_NODE_HEAD_LOST, "the connection to the relay at %s was damaged: %s", f->address, info->why);
    else if (info->end == SK_PEER_BROKEN || (info->end == SK_PEER_REFUSED && (info->refused == SK_WHY_MAGIC || info->refused == SK_WHY_ROLE)))
        nonsense(f, info->why);
    else if (info->end == SK_PEER_REFUSED && info->refused == SK_WHY_VERSION)
        end(f, SK_NODE_REFUSED, "the relay at %s is another version of Skate: %s", f->address, info->why);
    else if (info->end == SK_PEER_REFUSED && info->refused == SK_WHY_BUSY)
        end(f, SK_NODE_HEAD_LOST, "the relay at %s is busy: %s", f->address, info->why);
    else if (info->end == SK_PEER_REFUSED)
        end(f, SK_NODE_STRANGER, "%s does not let us in: %s", f->address, info->why);
    else
        end(f, SK_NODE_HEAD_LOST, "no relay answers at %s: %s", f->address, info->why);
}

/* ---- the file: it has no name, and goes with who has it open ---- */

static int make_file(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    g_autofree char *path = g_strdup_printf("%s/skate-relay-XXXXXX", directory);           /* file systems without O_TMPFILE */
    fd = mkostemp(path, O_CLOEXEC);
    int why = errno;
    if (fd >= 0)
        unlink(path);
    errno = why;
    return fd;
}

static const char *directory(void)
{
    const char *given = g_getenv("TMPDIR");
    return given && *given ? given : "/var/tmp";
}

static bool open_file(from *f, sk_error *err)
{
    f->file = make_file(directory());
    g_autofree char *again = g_strdup_printf("/proc/self/fd/%d", f->file);
    f->readable = f->file >= 0 ? open(again, O_RDONLY | O_CLOEXEC) : -1;
    return f->readable >= 0 || sk_error_set(err, SK_LIMIT, "the log cannot be kept in %s: %s; set TMPDIR to a directory with room", directory(), strerror(errno));
}

static void keep(from *f, uint64_t offset, const uint8_t *bytes, size_t size)
{
    if (offset != f->size) {
        nonsense(f, "it has left out a part of the log");
        return;
    }
    while (size > 0) {
        ssize_t n = pwrite(f->file, bytes, size, (off_t)f->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            end(f, SK_NODE_UNABLE, "the log cannot be kept in %s: %s after %llu bytes; set TMPDIR to a directory with more room", directory(),
                n < 0 ? strerror(errno) : "it takes no more", (unsigned long long)f->size);
            return;
        }
        f->size += (uint64_t)n;
        bytes += n;
        size -= (size_t)n;
    }
}

/* ---- from the far end ---- */

static void take_hello(from *f, uint64_t version, const char *text)
{
    int used = 0;
    if (version != RELAY_VERSION)
        end(f, SK_NODE_REFUSED, "the relay at %s speaks version %llu, and this is version %d; both ends need the same Skate", f->address,
            (unsigned long long)version, RELAY_VERSION);
    else if (sscanf(text, "skate %d %d %llu %15s%n", &f->version, &f->pid, &f->scale, f->can, &used) != 4 || text[used])
        nonsense(f, "its first words are not a program's");
    f->has_hello = true;
}

/* When the beginning of the log is there, which a viewer reads at once. */
static void open_door(from *f)
{
    f->patience = 0;
    f->listener = sk_live_listen(4);       /* as a program would: by this process's number */
    if (f->listener < 0) {
        end(f, SK_NODE_UNABLE, "no viewer can be listened to: %s", strerror(errno));
        return;
    }
    printf("process %d at %s is watched through process %d: skate view --attach %d\n", f->pid, f->address, (int)getpid(), (int)getpid());
    fflush(stdout);
}

static void take_line(from *f, const char *text)
{
    long long ns;
    unsigned waiting;
    char state[8];
    int used = 0;
    if (!f->has_hello && !strncmp(text, "no ", 3))
        end(f, SK_NODE_HEAD_LOST, "%s: %s", f->address, text + 3);
    else if (!f->has_hello)
        nonsense(f, "its first words are not a relay's");
    else if (sscanf(text, "upto %lld%n", &ns, &used) == 1 && !text[used])
        g_strlcpy(f->upto, text, sizeof f->upto);
    else if (sscanf(text, "gate %7s %u%n", state, &waiting, &used) == 2 && !text[used] && (!strcmp(state, "open") || !strcmp(state, "closed"))) {
        g_strlcpy(f->gate, text, sizeof f->gate);
        f->owes_gate = true;
    } else if (!strncmp(text, "no ", 3))
        g_strlcpy(f->no, text, sizeof f->no);
    else
        nonsense(f, "it says what no program does");
}

static void on_control(void *data, sk_peer peer, uint16_t type, uint64_t req, const uint8_t *bytes, size_t size)
{
    from *f = data;
    char text[SK_LIVE_LINE];
    bool is_line = relay_is_line(bytes, size, text);
    if (f->over || peer.id != f->far.id)
        return;
    if (type == RELAY_HELLO && !f->has_hello && is_line) {
        take_hello(f, req, text);
    } else if (type == RELAY_LINE && is_line) {
        take_line(f, text);
    } else if (type == RELAY_LOG && f->has_hello) {
        keep(f, req, bytes, size);
        if (f->patience && !f->over)
            open_door(f);
    } else if (type == RELAY_END && !f->patience) {
        f->has_said_end = true;
        f->whole = req == 1;
        sk_transport_drop(f->transport, peer, "the log is here");
        f->far.id = 0;
    } else {
        nonsense(f, "it says what is not its turn");
    }
}

static void on_state(void *data, sk_peer peer, const sk_peer_info *info)
{
    from *f = data;
    if (peer.id != f->far.id)
        return;
    if (info->state == SK_PEER_UP)
        f->was_up = true;
    else if (info->state == SK_PEER_DEAD && !f->over)
        on_far_end(f, info);
}

static const sk_transport_events events = {
    on_state, on_control, relay_no_room, relay_no_place, relay_no_bulk, relay_no_sent, relay_no_loss, NULL,
};

/* ---- the viewer ---- */

static bool say(int fd, const char *text)
{
    char line[SK_LIVE_LINE + 1];
    int n = snprintf(line, sizeof line, "%s\n", text);
    return send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) == n;
}

static void welcome(from *f)
{
    int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (!sk_live_is_trusted(fd, false)) {
        say(fd, "no this relay is another user's");
    } else if (f->viewer >= 0) {
        say(fd, "no a relay serves one viewer, and one watches already");
    } else if (sk_live_send_hello(fd, f->version, f->scale, f->can, f->readable)) {
        f->viewer = fd;
        f->owes_gate = *f->gate;
        return;
    }
    close(fd);
}

static bool owes(const from *f) { return f->owes_gate || *f->no || *f->upto; }

/* Of each the newest, as far as it takes them. */
static void tell_viewer(from *f)
{
    if (f->owes_gate)
        f->owes_gate = !say(f->viewer, f->gate);
    if (*f->no && say(f->viewer, f->no))
        f->no[0] = '\0';
    if (*f->upto && say(f->viewer, f->upto))
        f->upto[0] = '\0';
    if (!f->has_said_end || owes(f))
        return;
    if (f->whole)
        say(f->viewer, "end");
    else
        relay_fail(0, "process %d at %s is gone: it crashed, or was killed", f->pid, f->address);
    f->over = true;
}

static void on_viewer_line(void *data, const char *text)
{
    from *f = data;
    char plain[SK_LIVE_LINE];
    if (!relay_is_line((const uint8_t *)text, strlen(text), plain))
        say(f->viewer, "no such command");
    else if (f->far.id && relay_send(f->transport, f->far, RELAY_LINE, 0, plain, strlen(plain)) == SK_SEND_FULL)
        say(f->viewer, "no the way to the program is blocked");
}

/* ---- the loop ---- */

static int patience(const from *f, int64_t ns)
{
    int64_t ms = ns / 1000000 + 1, left = f->patience ? (f->patience - g_get_monotonic_time()) / 1000 + 1 : INT32_MAX;
    return ns == 0 || left <= 0 ? 0 : (int)MIN(MIN(ms, left), INT32_MAX);
}

static void turn(from *f)
{
    int64_t left;
    int fd = sk_transport_watch(f->transport, &left);
    struct pollfd polled[] = { { fd, POLLIN, 0 }, { f->listener, POLLIN, 0 }, { f->viewer, POLLIN | (owes(f) ? POLLOUT : 0), 0 } };
    poll(polled, 3, patience(f, left));
    if (f->viewer >= 0 && polled[2].revents & ~POLLOUT && !relay_hear(f->viewer, &f->in, on_viewer_line, f)) {
        f->over = true;                    /* it has left */
        return;
    }
    sk_transport_poll(f->transport, 0);
    if (f->patience && g_get_monotonic_time() > f->patience)
        end(f, SK_NODE_HEAD_LOST, "the relay at %s has not said within %d s whom one can watch there", f->address, 2 * PATIENCE_S);
    if (!f->over && polled[1].revents)
        welcome(f);
    if (!f->over && f->viewer >= 0)
        tell_viewer(f);
}

int relay_from(relay_order *order)
{
    sk_error err;
    from f = { .address = order->address, .file = -1, .readable = -1, .listener = -1, .viewer = -1 };
    order->self.role = SK_ROLE_VIEWER;
    order->self.peer_roles = 1 << SK_ROLE_RELAY;
    sk_transport_config config = { .me = &order->self, .kinds = relay_kinds, .nkinds = RELAY_KINDS, .events = &events, .data = &f,
                                   .dial_ns = (int64_t)PATIENCE_S * 1000000000 };
    if (!open_file(&f, &err) || !(f.transport = sk_tcp_transport.open(&config, &err)))
        end(&f, SK_NODE_UNABLE, "%s", err.message);
    else if (!(f.far = sk_transport_dial(f.transport, f.address, NULL, NULL, &err)).id)
        end(&f, SK_NODE_HEAD_LOST, "%s cannot be dialed: %s", f.address, err.message);
    f.patience = g_get_monotonic_time() + 2 * PATIENCE_S * G_USEC_PER_SEC;     /* from now on: its name may have taken long to find */
    while (!f.over)
        turn(&f);
    if (f.far.id && f.transport) {         /* what the viewer has said last goes before it */
        sk_transport_drop(f.transport, f.far, "the viewer has left");
        sk_transport_poll(f.transport, 0);
    }
    sk_transport_close(f.transport);
    int *all[] = { &f.file, &f.readable, &f.listener, &f.viewer };
    for (int i = 0; i < 4; i++)
        if (*all[i] >= 0)
            close(*all[i]);
    return f.status;
}
