/* tcp_listen.c -- who may dial us, and how many at once: see tcp_peers.h.
 *
 * Whoever connects gets 256 bytes and 5 seconds to say who it is (link.h), and there are SK_TCP_UNKNOWN_MOST such connections at most: one more
 * is closed at once. Where the process has no descriptor left, connections would stay in the listener's queue and epoll would tell of them for ever:
 * so one descriptor is kept in reserve, given up to accept the connection and to close it, and taken back. If somebody else in the process was faster,
 * the listener rests until the next tick. Whoever is turned away dials again, many times a second: each reason is logged once, and when nobody has
 * been turned away for a while, how many were. */
#include "tcp_peers.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BACKLOG = 128, ONE_TURN = 16, HANDSHAKE_S = 5 };
static const int64_t REST_NS = 100000000, CALM_NS = 2000000000;
enum { NO_DESCRIPTOR = 1, NOT_JOINED = 2, TOO_MANY = 4, UNABLE = 8 };     /* reasons, in tcp.turned.told */

int sk_tcp_reserve(void) { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

/* ---- who comes ---- */

static void watch(sk_tcp_listener *s, bool listens)
{
    s->paused = !listens;
    epoll_ctl(s->tcp->epoll, EPOLL_CTL_MOD, s->fd, &(struct epoll_event){ .events = listens ? EPOLLIN : 0, .data.ptr = &s->watch });
    if (s->paused)
        sk_tcp_look_at(s->tcp, s->tcp->now + REST_NS);
}

static void tell_once(sk_tcp *t, unsigned reason, const char *why)
{
    if (!(t->turned.told & reason))
        sk_tcp_log(t, "nobody is let in for now: %s", why);
    t->turned.told |= reason;
    t->turned.last = t->now;
    sk_tcp_look_at(t, t->now + CALM_NS);
}

static void tell_over(sk_tcp *t)
{
    if (!t->turned.told)
        return;
    if (t->now < t->turned.last + CALM_NS) {
        sk_tcp_look_at(t, t->turned.last + CALM_NS);
        return;
    }
    uint64_t n = t->turned.n;
    t->turned.told = 0;
    t->turned.n = 0;
    sk_tcp_log(t, "nobody has been turned away for %d s; before, %llu connection%s closed at once", (int)(CALM_NS / 1000000000),
               (unsigned long long)n, n == 1 ? " was" : "s were");
}

void sk_tcp_listen_again(sk_tcp *t)
{
    tell_over(t);
    if (t->reserve < 0 && (t->reserve = sk_tcp_reserve()) < 0)
        sk_tcp_look_at(t, t->now + REST_NS);
    for (unsigned i = 0; i < t->nlisteners; i++)
        if (t->listeners[i].paused)
            watch(&t->listeners[i], true);
}

/* An end in clear is told BUSY, in the layout of AUTH, which is all that can be said before its HELLO has been read. In TLS that would be noise. */
static void shed(sk_tcp *t, int fd, bool clear, unsigned reason, const char *why)
{
    unsigned char busy[SK_AUTH_PROOF_BYTES] = { 'S', 'K', 'A', 'U', 0, SK_AUTH_PROTOCOL, 0, SK_AUTH_BUSY }, rest[SK_AUTH_MOST];
    if (clear && send(fd, busy, sizeof busy, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof busy)
        (void)!recv(fd, rest, sizeof rest, MSG_DONTWAIT);      /* or the kernel would reset it, and BUSY might be lost */
    close(fd);
    t->counts.shed++;
    t->turned.n++;
    tell_once(t, reason, why);
}

/* On the address that it has dialed, which is the one that it decides by. */
static bool is_encrypted(const sk_tcp *t, int fd)
{
    sk_address ours = { .size = sizeof ours.room };
    return t->config.encrypt || getsockname(fd, &ours.any, &ours.size) != 0 || !sk_address_is_loopback(&ours);
}

static void welcome(sk_tcp *t, int fd, const sk_address *from)
{
    sk_error err;
    const sk_transport_self *me = t->config.me;
    sk_tls_self self = { .secret = me->secret, .cluster = me->cluster, .node = me->node, .head = me->role == SK_ROLE_DRIVER || me->role == SK_ROLE_RELAY };
    sk_tcp_link *l = sk_tcp_link_new(t, NULL);
    l->link.other = *from;
    l->link.deadline = t->now + HANDSHAKE_S * INT64_C(1000000000);
    sk_tcp_look_at(t, l->link.deadline);
    t->unknown++;
    t->counts.accepted++;
    if (!sk_link_accept(&l->link, fd, is_encrypted(t, fd) ? &self : NULL, &err)) {
        close(fd);
        sk_link_close(&l->link, SK_PEER_LEFT, "%s", err.message);
    }
}

static void someone_comes(sk_watch *self, uint32_t events)
{
    sk_tcp_listener *s = (sk_tcp_listener *)self;
    sk_tcp *t = s->tcp;
    (void)events;
    for (int i = 0; i < ONE_TURN && !s->paused; i++) {
        sk_address from = { .size = sizeof from.room };
        int fd = accept4(s->fd, &from.any, &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC), error = fd < 0 ? errno : 0;
        if ((error == EMFILE || error == ENFILE) && t->reserve >= 0) {
            close(t->reserve);
            fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            error = fd < 0 ? errno : 0;
            if (fd >= 0)
                shed(t, fd, !is_encrypted(t, fd), NO_DESCRIPTOR, "this process has no more descriptors (ulimit -n)");
            t->reserve = sk_tcp_reserve();
            if (t->reserve < 0)
                sk_tcp_look_at(t, t->now + REST_NS);
        } else if (fd >= 0 && memcmp(&t->config.me->cluster, &(sk_id){ 0 }, sizeof(sk_id)) == 0) {
            shed(t, fd, !is_encrypted(t, fd), NOT_JOINED, "this node has not joined a cluster yet, and knows none that others could be of");
        } else if (fd >= 0 && t->unknown >= SK_TCP_UNKNOWN_MOST) {
            shed(t, fd, !is_encrypted(t, fd), TOO_MANY, "too many others have not said yet who they are");
        } else if (fd >= 0) {
            welcome(t, fd, &from);
        }
        if (error == EAGAIN)
            return;
        if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS) {
            tell_once(t, UNABLE, strerror(error));
            watch(s, false);
        }
    }
}

/* ---- where ---- */

bool sk_tcp_may_leave(const sk_tcp *t, const char *address, const char *verb, sk_error *err)
{
    return t->config.me->secret_is_file
           || sk_error_set(err, SK_MISUSE, "%s cannot be %s without a secret file: it is not on loopback, and others could not prove "
                           "who they are; make a file (skate secret new FILE), copy it to the other machines, and say --secret-file FILE on each", address, verb);
}

/* -1 and errno: the system does not want it. */
static int bind_to(const sk_address *a)
{
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    if (bind(fd, &a->any, a->size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

bool sk_tcp_listen(sk_transport *base, const char *address, char printed[SK_TRANSPORT_ADDRESS], sk_error *err)
{
    sk_tcp *t = (sk_tcp *)base;
    sk_address found[SK_ADDRESS_MOST];
    char text[SK_ADDRESS_TEXT];
    int fd = -1;
    if (t->nlisteners == SK_TCP_LISTENERS)
        return sk_error_set(err, SK_LIMIT, "%s would be one address too many to listen at; %d is the limit", address, SK_TCP_LISTENERS);
    size_t n = sk_address_find(address, true, found, err);
    if (!n)
        return false;
    for (size_t i = 0; i < n && fd < 0; i++) {
        sk_address_print(&found[i], text);
        if (!sk_address_is_loopback(&found[i]) && !sk_tcp_may_leave(t, text, "listened at", err))
            return false;
        fd = bind_to(&found[i]);
    }
    if (fd < 0)
        return sk_address_cannot_listen(text, errno, err);
    sk_tcp_listener *s = &t->listeners[t->nlisteners];
    *s = (sk_tcp_listener){ .watch.ready = someone_comes, .tcp = t, .fd = fd };
    sk_address ours = { .size = sizeof ours.room };
    if (getsockname(fd, &ours.any, &ours.size) != 0
        || epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = &s->watch }) != 0) {
        int error = errno;
        close(fd);
        return sk_address_cannot_listen(text, error, err);
    }
    t->nlisteners++;
    sk_address_print(&ours, printed);
    return true;
}
