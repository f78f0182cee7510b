/* link.c -- see link.h: life and handshake. link_io.c has the bytes. */
#include "link.h"

#include "link_io.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BULK_BUFFER = 2 << 20 };

/* ---- the end ---- */

void sk_link_close(sk_link *l, sk_peer_end end, const char *format, ...)
{
    if (l->stage == SK_LINK_CLOSED)
        return;
    va_list list;
    va_start(list, format);
    vsnprintf(l->why, sizeof l->why, format, list);
    va_end(list);
    l->end = end;
    if (l->tls && l->stage == SK_LINK_OPEN && !l->mute)
        sk_link_say_farewell(l);
    l->stage = SK_LINK_CLOSED;
    sk_link_let_go(l);
    l->user->closed(l);
}

/* The machine knows best why. What it has to say to the other end (one refusal for all) has been sent, if the socket took it. */
static void refuse(sk_link *l)
{
    l->refused = l->auth->why;
    sk_peer_end end = l->auth->why == SK_WHY_CLOSED ? SK_PEER_CLOSED : l->auth->why == SK_WHY_LATE ? SK_PEER_SILENT : SK_PEER_REFUSED;
    sk_link_close(l, end, "%s", l->auth->reason);
}

/* false: it has closed over that, and the machine is no more. */
static bool send_proof(sk_link *l)
{
    size_t size;
    const unsigned char *bytes = sk_auth_output(l->auth, &size);
    size_t wrote = size ? sk_link_write(l, &(struct iovec){ (void *)bytes, size }, 1) : 0;
    if (l->stage != SK_LINK_PROVING)
        return false;
    sk_auth_wrote(l->auth, wrote);
    return true;
}

void sk_link_give_up(sk_link *l, sk_auth_why why)
{
    if (l->stage != SK_LINK_PROVING) {
        char text[300];
        if (l->stage == SK_LINK_CONNECTING)
            sk_link_close(l, SK_PEER_UNREACHABLE, "%s", sk_address_cannot_dial(ETIMEDOUT, text, sizeof text));
        else
            sk_link_close(l, why == SK_WHY_CLOSED ? SK_PEER_CLOSED : SK_PEER_SILENT, "it did not finish the handshake in time");
        return;
    }
    sk_auth_stop(l->auth, why);
    if (send_proof(l))
        refuse(l);
}

void sk_link_clear(sk_link *l)
{
    sk_link_let_go(l);
    sk_frame_reader_clear(&l->in);
    free(l->out);
    l->out = NULL;
}

/* ---- handshake ---- */

static void opened(sk_link *l)
{
    l->hello = l->auth->peer;
    sk_auth_clear(l->auth);
    free(l->auth);
    l->auth = NULL;
    l->stage = SK_LINK_OPEN;
    l->was_open = true;
    sk_frame_reader_init(&l->in, l->rules);
    l->user->opened(l);
    sk_link_flush(l);
}

/* As far as it goes with what is there. */
static void prove(sk_link *l)
{
    unsigned char bytes[SK_AUTH_MOST];
    while (l->stage == SK_LINK_PROVING) {
        size_t left;
        if (!send_proof(l))
            return;
        sk_auth_output(l->auth, &left);
        if (l->auth->state == SK_AUTH_FAILED) {
            refuse(l);
        } else if (left && !l->mute) {
            sk_link_arm(l, true);
            return;
        } else if (l->auth->state == SK_AUTH_DONE) {
            opened(l);
        } else {
            sk_link_arm(l, false);
            size_t wants = sk_auth_wants(l->auth);
            ssize_t n = sk_link_read(l, bytes, wants < sizeof bytes ? wants : sizeof bytes);
            if (n <= 0)
                return;
            sk_auth_take(l->auth, bytes, (size_t)n);
        }
    }
}

static void begin_proof(sk_link *l)
{
    l->stage = SK_LINK_PROVING;
    l->auth = malloc(sizeof *l->auth);
    if (!l->auth)
        abort();
    sk_auth_spec spec = l->spec;
    spec.in_tls = l->tls;
    if (l->tls)
        spec.secret = NULL;
    if (l->tls && !l->dialed) {            /* it must be whom the key belongs to */
        l->client = *sk_tls_client(l->tls);
        spec.peer = &l->client;
    }
    sk_auth_begin(l->auth, &spec);
    prove(l);
}

static void secure(sk_link *l)
{
    for (;;) {
        int step = sk_tls_handshake(l->tls);
        sk_link_write(l, NULL, 0);         /* what TLS has to say, an alert too */
        if (step == SK_TLS_BROKEN) {
            l->refused = SK_WHY_PROOF;
            sk_link_close(l, SK_PEER_REFUSED, "%s", sk_tls_error(l->tls));
            return;
        }
        if (step != SK_TLS_MORE)
            break;
        if (!sk_link_fill(l))
            return;
    }
    begin_proof(l);
}

static void connected(sk_link *l)
{
    int error = 0;
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof error }) != 0)
        error = errno;
    if (error) {
        char text[300];
        l->error = error;
        sk_link_close(l, SK_PEER_UNREACHABLE, "%s", sk_address_cannot_dial(error, text, sizeof text));
        return;
    }
    sk_link_arm(l, false);
    l->user->connected(l);
    if (l->stage != SK_LINK_CONNECTING)
        return;
    if (l->tls) {
        l->stage = SK_LINK_SECURING;
        secure(l);
    } else {
        begin_proof(l);
    }
}

/* ---- a turn ---- */

static void ready(sk_watch *watch, uint32_t events)
{
    sk_link *l = (sk_link *)watch;
    l->has_read = false;
    switch (l->stage) {
    case SK_LINK_CONNECTING: connected(l); break;
    case SK_LINK_SECURING: secure(l); break;
    case SK_LINK_PROVING: prove(l); break;
    case SK_LINK_OPEN:
        if (events & ~(uint32_t)EPOLLOUT)
            sk_link_receive(l);
        if (events & EPOLLOUT && l->stage == SK_LINK_OPEN)
            sk_link_flush(l);
        break;
    case SK_LINK_CLOSED: break;            /* an event from before */
    }
}

/* ---- beginnings ---- */

void sk_link_init(sk_link *l, int epoll, const sk_link_user *user, void *owner, const sk_frame_rules *rules, const sk_auth_spec *spec)
{
    *l = (sk_link){ .watch.ready = ready, .epoll = epoll, .user = user, .owner = owner, .fd = -1, .spec = *spec, .rules = rules,
                    .writer = { .rules = rules }, .deadline = SK_NEVER };
}

static bool begin(sk_link *l, int fd, uint32_t events)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = events, .data.ptr = &l->watch }) != 0)
        return false;
    l->fd = fd;
    l->armed = events & EPOLLOUT;
    return true;
}

bool sk_link_dial(sk_link *l, const sk_tls_self *encrypt, const sk_id *server, sk_error *err)
{
    char text[300], address[SK_ADDRESS_TEXT];
    int fd = socket(l->other.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    l->dialed = true;
    if (encrypt) {
        sk_tls_free(l->tls);
        l->tls = sk_tls_dial(encrypt, server, err);
    }
    if (encrypt && !l->tls) {
        errno = 0;
    } else if (fd < 0 || (connect(fd, &l->other.any, l->other.size) != 0 && errno != EINPROGRESS) || !begin(l, fd, EPOLLIN | EPOLLOUT)) {
        l->error = errno;
        sk_error_set(err, errno == EMFILE || errno == ENFILE ? SK_LIMIT : SK_MISUSE, "%s cannot be reached: %s",
                     sk_address_print(&l->other, address), sk_address_cannot_dial(errno, text, sizeof text));
    } else {
        l->stage = SK_LINK_CONNECTING;
        return true;
    }
    if (fd >= 0)
        close(fd);
    return false;
}

bool sk_link_accept(sk_link *l, int fd, const sk_tls_self *encrypt, sk_error *err)
{
    if (encrypt && !(l->tls = sk_tls_answer(encrypt, err)))
        return false;
    if (!begin(l, fd, EPOLLIN))
        return sk_error_set(err, SK_LIMIT, "epoll: %s", strerror(errno));
    l->stage = SK_LINK_SECURING;
    if (!l->tls)
        begin_proof(l);
    return true;
}

void sk_link_tune(sk_link *l, int64_t dead_ns, bool bulk)
{
    struct { int level, name, value; } options[] = {
        { IPPROTO_TCP, TCP_USER_TIMEOUT, (int)(dead_ns / 1000000) },   /* bytes that nobody acknowledges */
        { SOL_SOCKET, SO_KEEPALIVE, 1 },                               /* and where there are none to acknowledge */
        { IPPROTO_TCP, TCP_KEEPIDLE, 10 },
        { IPPROTO_TCP, TCP_KEEPINTVL, 5 },
        { IPPROTO_TCP, TCP_KEEPCNT, 3 },
        { SOL_SOCKET, SO_SNDBUF, BULK_BUFFER },
        { SOL_SOCKET, SO_RCVBUF, BULK_BUFFER },
    };
    for (size_t i = 0; i < sizeof options / sizeof *options - (bulk ? 0 : 2); i++)
        setsockopt(l->fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
}
