/* link_io.c -- see link_io.h: reading, writing, and what is queued. */
#include "link_io.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURN = 1 << 20, OUT_FIRST = 4096, OUT_KEPT = 64 << 10 };      /* bytes: that TLS sends in a turn; of `out`, at first and when it is empty */

/* ---- reading ---- */

static bool is_nothing_now(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

/* The stream has ended, with an error perhaps; an earlier one of send says more. */
static void ended(sk_link *l, int error)
{
    error = error && error != EPIPE ? error : l->error;
    if (l->stage == SK_LINK_PROVING && !error) {
        sk_link_give_up(l, SK_WHY_CLOSED);
        return;
    }
    const char *during = l->stage == SK_LINK_OPEN ? "" : " during the handshake";
    if (error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH)
        sk_link_close(l, SK_PEER_SILENT, "the network does not bring our bytes to it any more%s: %s", during, strerror(error));
    else if (error && error != ECONNRESET && error != EPIPE)
        sk_link_close(l, SK_PEER_CLOSED, "the connection broke%s: %s", during, strerror(error));
    else
        sk_link_close(l, SK_PEER_CLOSED, "it closed the connection%s", during);
}

/* One recv a turn: what comes after it has its turn later. -1: closed. */
static ssize_t receive(sk_link *l, void *to, size_t room)
{
    if (l->has_read && l->stage == SK_LINK_OPEN)
        return 0;
    ssize_t n = recv(l->fd, to, room, 0);
    if (n > 0) {
        l->has_read = true;
        l->bytes_in += (uint64_t)n;
        l->user->heard(l);
        return n;
    }
    if (n < 0 && is_nothing_now(errno))
        return 0;
    if (n == 0 && l->tls)
        return -2;                         /* TLS has a word on that */
    ended(l, n < 0 ? errno : 0);
    return -1;
}

bool sk_link_fill(sk_link *l)
{
    size_t room;
    void *to = sk_tls_room(l->tls, &room);
    if (!l->dialed && l->stage != SK_LINK_OPEN) {
        if (l->unproven >= SK_LINK_TLS_MOST) {
            l->refused = SK_WHY_MAGIC;
            sk_link_close(l, SK_PEER_REFUSED, "it sent more than %d bytes before it was authenticated", SK_LINK_TLS_MOST);
            return false;
        }
        room = room < SK_LINK_TLS_MOST - l->unproven ? room : SK_LINK_TLS_MOST - l->unproven;
    }
    ssize_t n = receive(l, to, room);
    if (n == -2) {
        if (l->stage == SK_LINK_OPEN)
            sk_tls_ended(l->tls);
        else
            ended(l, 0);
        return l->stage != SK_LINK_CLOSED;
    }
    if (n <= 0)
        return false;
    l->unproven += (size_t)n;
    sk_tls_arrived(l->tls, (size_t)n);
    return true;
}

ssize_t sk_link_read(sk_link *l, void *to, size_t room)
{
    if (!l->tls)
        return receive(l, to, room);
    for (;;) {
        ssize_t n = sk_tls_read(l->tls, to, room);
        if (n > 0)
            return n;
        if (n == SK_TLS_END || n == SK_TLS_CUT)        /* a process that was killed says no farewell; each frame has shown that it is whole */
            ended(l, 0);
        else if (n == SK_TLS_BROKEN)
            sk_link_close(l, SK_PEER_BROKEN, "%s", sk_tls_error(l->tls));
        else if (sk_link_fill(l))
            continue;
        return l->stage == SK_LINK_CLOSED ? -1 : 0;
    }
}

/* Hands out all frames that are whole. */
static void hand_out(sk_link *l)
{
    sk_frame_head head;
    while (l->stage == SK_LINK_OPEN)
        switch (sk_frame_next(&l->in, &head)) {
        case SK_FRAME_MORE: return;
        case SK_FRAME_WHERE: l->user->where(l, &head); break;
        case SK_FRAME_WHOLE:
            l->frames_in++;
            l->user->frame(l, &head);
            break;
        case SK_FRAME_BROKEN: sk_link_close(l, SK_PEER_BROKEN, "%s", l->in.error.message); break;
        }
}

void sk_link_receive(sk_link *l)
{
    while (l->stage == SK_LINK_OPEN) {
        size_t room;
        void *to = sk_frame_room(&l->in, &room);
        ssize_t n = sk_link_read(l, to, room);
        if (n <= 0)
            return;
        sk_frame_arrived(&l->in, (size_t)n);
        hand_out(l);
        if (!l->tls)
            return;                        /* in TLS, until all that was received has been read: epoll does not know of it */
    }
}

/* ---- writing ---- */

void sk_link_arm(sk_link *l, bool armed)
{
    if (l->armed == armed)
        return;
    l->armed = armed;
    epoll_ctl(l->epoll, EPOLL_CTL_MOD, l->fd, &(struct epoll_event){ .events = EPOLLIN | (armed ? EPOLLOUT : 0), .data.ptr = &l->watch });
}

static size_t give(sk_link *l, const struct iovec *pieces, size_t n)
{
    if (l->mute)
        return 0;
    struct msghdr message = { .msg_iov = (struct iovec *)pieces, .msg_iovlen = n };
    ssize_t gave = sendmsg(l->fd, &message, MSG_NOSIGNAL);
    if (gave > 0) {
        l->bytes_out += (uint64_t)gave;
        return (size_t)gave;
    }
    if (gave < 0 && !is_nothing_now(errno)) {
        l->mute = true;
        l->error = errno;
        sk_link_arm(l, false);             /* it would always be writable now */
    }
    return 0;
}

/* Ciphertext that is left: was all of it taken? */
static bool give_ciphertext(sk_link *l)
{
    size_t n;
    const uint8_t *bytes = sk_tls_out(l->tls, &n);
    if (n)
        sk_tls_sent(l->tls, give(l, &(struct iovec){ (void *)bytes, n }, 1));
    sk_tls_out(l->tls, &n);
    return n == 0;
}

size_t sk_link_write(sk_link *l, const struct iovec *pieces, size_t n)
{
    if (!l->tls)
        return n ? give(l, pieces, n) : 0;
    size_t taken = 0;
    if (!give_ciphertext(l))
        return 0;
    for (size_t i = 0; i < n; i++)
        for (size_t at = 0; at < pieces[i].iov_len;) {
            ssize_t wrote = sk_tls_write(l->tls, (const uint8_t *)pieces[i].iov_base + at, pieces[i].iov_len - at);
            if (wrote < 0) {
                sk_link_close(l, SK_PEER_BROKEN, "%s", sk_tls_error(l->tls));
                return 0;
            }
            if (wrote == 0) {
                if (taken >= TURN || !give_ciphertext(l))
                    return taken;
                continue;
            }
            at += (size_t)wrote;
            taken += (size_t)wrote;
        }
    give_ciphertext(l);
    return taken;
}

void sk_link_flush(sk_link *l)
{
    if (l->stage != SK_LINK_OPEN)
        return;
    bool left = false;
    if (l->out_at < l->out_end)
        l->out_at += sk_link_write(l, &(struct iovec){ l->out + l->out_at, l->out_end - l->out_at }, 1);
    if (l->out_at == l->out_end) {
        l->out_at = l->out_end = 0;
        if (l->out_room > OUT_KEPT) {      /* a long queue is rare */
            free(l->out);
            l->out = NULL;
            l->out_room = 0;
        }
        left = !l->mute && l->user->more(l);
    } else {
        left = true;
    }
    if (l->stage == SK_LINK_OPEN && l->tls && !left)
        left = !give_ciphertext(l);
    if (l->stage == SK_LINK_OPEN)
        sk_link_arm(l, left && !l->mute);
}

/* ---- the queue ---- */

size_t sk_link_queued(const sk_link *l) { return l->out_end - l->out_at; }

/* What is queued moves to the front when that is the smaller half, else to a buffer of twice the size: so a byte moves twice at most, also where the
 * queue is always nearly full. */
static void make_room(sk_link *l, size_t size)
{
    if (l->out_room - l->out_end >= size)
        return;
    size_t queued = sk_link_queued(l), room = l->out_room ? l->out_room : OUT_FIRST;
    if (l->out_at < queued)
        room *= 2;
    while (room - queued < size)
        room *= 2;
    if (room == l->out_room && l->out_at) {
        memmove(l->out, l->out + l->out_at, queued);
    } else {
        uint8_t *out = malloc(room);
        if (!out)
            abort();
        if (queued)
            memcpy(out, l->out + l->out_at, queued);
        free(l->out);
        l->out = out;
        l->out_room = room;
    }
    l->out_at = 0;
    l->out_end = queued;
}

void sk_link_queue(sk_link *l, uint16_t type, uint64_t request, const struct iovec *pieces, size_t n)
{
    size_t size = SK_FRAME_HEADER;
    for (size_t i = 0; i < n; i++)
        size += pieces[i].iov_len;
    make_room(l, size);
    uint8_t *header = l->out + l->out_end, *to = header + SK_FRAME_HEADER;
    for (size_t i = 0; i < n; i++) {
        if (pieces[i].iov_len)
            memcpy(to, pieces[i].iov_base, pieces[i].iov_len);
        to += pieces[i].iov_len;
    }
    sk_frame_seal(&l->writer, header, &(sk_frame_head){ .type = type, .request = request },
                  &(struct iovec){ header + SK_FRAME_HEADER, size - SK_FRAME_HEADER }, 1);
    l->out_end += size;
    l->frames_out++;
}

/* ---- the end ---- */

void sk_link_say_farewell(sk_link *l)
{
    if (give_ciphertext(l)) {
        sk_tls_farewell(l->tls);
        give_ciphertext(l);
    }
}

/* What has come and was not read would make the kernel reset the connection, and what we have said last might be lost: so it is read first, and
 * not looked at. A little of it: whoever goes on sending is reset. */
void sk_link_let_go(sk_link *l)
{
    uint8_t rest[4096];
    if (l->fd >= 0) {
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->fd, NULL);
        shutdown(l->fd, SHUT_WR);
        for (int i = 0; i < 4 && recv(l->fd, rest, sizeof rest, MSG_DONTWAIT) == sizeof rest; i++)
            continue;
        close(l->fd);
    }
    l->fd = -1;
    sk_tls_free(l->tls);
    l->tls = NULL;
    if (l->auth) {
        sk_auth_clear(l->auth);
        free(l->auth);
        l->auth = NULL;
    }
}
