/* tcp_transport.c -- the table of transport.h over TCP: the loop, time, the log. tcp_peers.h has the idea of the rest.
 *
 * A turn of poll: chores (what calls since the last one have asked for), one send for each link that has something queued, one epoll_wait,
 * one recv for each link that has something to read; then what time has to say, and what the events have queued. So a message costs its receiver
 * epoll_wait and recv, and its sender one send, with all that was queued beside it. A turn is bounded, whatever the events do.
 *
 * epoll, not GIO's main context: a round trip of 64 bytes between two processes that sleep took 29-30 us with epoll and 41-46 us with a GSocket source
 * (3 system calls a side beside 6: the context rings an eventfd of its own twice and reads it), and 18-20 us of cpu a side beside 23-28.
 * Two cores that others used too, three runs by turns.
 *
 * Time is looked at twice in a turn. Between two looks at most what epoll was to wait and a heartbeat count as time in which others could have
 * been heard: for the rest this process was stopped, or busy (away), and so were they, perhaps (^Z, and fg). When anything is due is kept as one number (check), which may be early, never late; then all peers are
 * asked. */
#include "tcp_peers.h"

#include "gnutls_late.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 128, SECOND = 1000000000, LINES = 10, LEAST_ROOM = (1 << 20) + (64 << 10) };

static const sk_frame_kind opening_kinds[] = SK_TCP_OPENING_KINDS, own_kinds[SK_TRANSPORT_TYPE] = SK_TCP_CONTROL_KINDS, bulk_kinds[] = SK_TCP_BULK_KINDS;

/* ---- time and log ---- */

int64_t sk_tcp_now(sk_tcp *t)
{
    struct timespec time;
    if (t->config.clock)
        return t->config.clock(t->config.data);
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

void sk_tcp_look_at(sk_tcp *t, int64_t when)
{
    if (when < t->check)
        t->check = when;
}

/* A new second; what was not logged in the last one is told. */
static void turn_log_page(sk_tcp *t)
{
    char line[80];
    if (t->now - t->log.begins < SECOND)
        return;
    t->log.begins = t->now;
    t->log.lines = 0;
    if (t->log.held) {
        snprintf(line, sizeof line, "%llu more lines were not logged, %d a second are", (unsigned long long)t->log.held, LINES);
        t->log.held = 0;
        t->log.lines++;
        t->config.events->log(t->config.data, line);
    }
}

void sk_tcp_log(sk_tcp *t, const char *format, ...)
{
    char line[SK_TRANSPORT_WHY + SK_TRANSPORT_ADDRESS];
    if (!t->config.events->log)
        return;
    turn_log_page(t);
    if (t->log.lines >= LINES) {
        t->log.held++;
        t->counts.log_lines_held++;
        sk_tcp_look_at(t, t->log.begins + SECOND);
        return;
    }
    t->log.lines++;
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    t->config.events->log(t->config.data, line);
}

/* ---- links ---- */

sk_tcp_link *sk_tcp_link_new(sk_tcp *t, sk_tcp_peer *peer)
{
    const sk_transport_self *me = t->config.me;
    sk_tcp_link *l = g_new0(sk_tcp_link, 1);
    sk_auth_spec spec = { .accepts = !peer, .secret = me->secret, .secret_name = me->secret_name, .role = me->role, .peer_roles = me->peer_roles,
                          .cluster = me->cluster, .node = me->node };
    memcpy(spec.build, me->build, sizeof spec.build);
    sk_link_init(&l->link, t->epoll, &sk_tcp_user, l, &t->opening, &spec);
    l->tcp = t;
    l->peer = peer;
    l->next = t->links;
    if (l->next)
        l->next->prev = l;
    t->links = l;
    return l;
}

void sk_tcp_discard(sk_tcp_link *l)
{
    sk_tcp *t = l->tcp;
    if (l->next)
        l->next->prev = l->prev;
    *(l->prev ? &l->prev->next : &t->links) = l->next;
    if (l->is_dirty)
        g_ptr_array_remove_fast(t->dirty, l);
    l->is_dirty = false;
    l->peer = NULL;
    if (t->hot == l)
        t->hot = NULL;
    t->counts.frames_in += l->link.frames_in;
    t->counts.frames_out += l->link.frames_out;
    t->counts.bytes_in += l->link.bytes_in;
    t->counts.bytes_out += l->link.bytes_out;
    g_ptr_array_add(t->closed, l);
}

void sk_tcp_abandon(sk_tcp_link *l)
{
    l->link.stage = SK_LINK_CLOSED;
    sk_tcp_discard(l);
}

void sk_tcp_dirty(sk_tcp_link *l)
{
    if (l->is_dirty || l->link.stage != SK_LINK_OPEN)      /* else what is queued goes when it is */
        return;
    l->is_dirty = true;
    g_ptr_array_add(l->tcp->dirty, l);
}

/* Each link once, those for control first: what their events queue now has its turn later. Links that close meanwhile are not freed here. */
static void flush_dirty(sk_tcp *t)
{
    GPtrArray *links = t->dirty;
    t->dirty = t->flushing;
    t->flushing = links;
    for (guint i = 0; i < links->len; i++)
        ((sk_tcp_link *)links->pdata[i])->is_dirty = false;
    for (int bulk = 0; bulk < 2; bulk++)
        for (guint i = 0; i < links->len; i++) {
            sk_tcp_link *l = links->pdata[i];
            if ((l->number != 0) == bulk && !l->link.armed)        /* armed: epoll will tell when it is worth while */
                sk_link_flush(&l->link);
        }
    g_ptr_array_set_size(links, 0);
}

static void free_closed(sk_tcp *t)
{
    for (guint i = 0; i < t->closed->len; i++) {
        sk_tcp_link *l = t->closed->pdata[i];
        sk_link_clear(&l->link);
        g_free(l);
    }
    g_ptr_array_set_size(t->closed, 0);
}

/* ---- a turn ---- */

void sk_tcp_chore(sk_tcp_peer *p)
{
    if (p->has_chores)
        return;
    p->has_chores = true;
    g_ptr_array_add(p->tcp->chores, p);
}

/* Those that there are; new ones come behind them. */
static void do_chores(sk_tcp *t)
{
    for (guint n = t->chores->len; n && t->chores->len; n--) {
        sk_tcp_peer *p = g_ptr_array_remove_index(t->chores, 0);
        p->has_chores = false;
        sk_tcp_tell_back(p);
        if (!p->doomed && !sk_bulk_is_idle(&p->out))
            sk_tcp_want_bulk(p);
        sk_tcp_tell_over(p);
        if (p->doomed)
            sk_tcp_bury(p);
    }
}

/* The second round is for what the events of the first have asked for. If they go on so, poll must still come to read what others say: the rest
 * is for the next turn, which then does not wait. */
static void work_off(sk_tcp *t)
{
    for (int round = 0; round < 2; round++) {
        do_chores(t);
        flush_dirty(t);
    }
}

static void look_at_clock(sk_tcp *t)
{
    if (t->now < t->check || t->crowded)
        return;
    t->check = SK_NEVER;
    if (t->log.held)
        turn_log_page(t);
    if (t->log.held)
        sk_tcp_look_at(t, t->log.begins + SECOND);
    sk_tcp_listen_again(t);
    for (guint i = 0; i < t->peers->len; i++)
        if (t->peers->pdata[i])
            sk_tcp_judge(t->peers->pdata[i]);
    for (sk_tcp_link *l = t->links, *next; l; l = next) {
        next = l->next;
        if (!l->peer)
            sk_tcp_judge_unknown(l);
    }
}

static int64_t patience(const sk_tcp *t)
{
    if (t->chores->len || t->dirty->len || t->crowded)
        return 0;
    return t->check == SK_NEVER ? SK_NEVER : t->check > t->now ? t->check - t->now : 0;
}

/* Looks at the clock. Since the last look at most `wait` should have passed, or a little more. */
static void look_at_time(sk_tcp *t, int64_t wait)
{
    int64_t now = sk_tcp_now(t), most = t->config.heartbeat_ns + (wait == SK_NEVER ? 0 : wait);
    if (now - t->looked > most)
        t->away += now - t->looked - most;
    t->now = t->looked = now;
}

static void tcp_poll(sk_transport *base, int64_t timeout_ns)
{
    sk_tcp *t = (sk_tcp *)base;
    struct epoll_event events[EVENTS];
    look_at_time(t, 0);
    work_off(t);
    int64_t most = patience(t), wait = timeout_ns < most ? timeout_ns : most;
    int ms = wait >= (int64_t)INT32_MAX * 1000000 ? -1 : (int)((wait + 999999) / 1000000);
    int n = epoll_wait(t->epoll, events, EVENTS, ms);
    look_at_time(t, wait);
    t->crowded = n == EVENTS;
    for (int i = 0; i < n; i++) {
        sk_watch *watch = events[i].data.ptr;
        watch->ready(watch, events[i].events);
    }
    look_at_clock(t);
    work_off(t);
    free_closed(t);
}

static void tcp_flush(sk_transport *base)
{
    sk_tcp *t = (sk_tcp *)base;
    look_at_time(t, 0);
    work_off(t);
    free_closed(t);
}

/* No epoll_wait, just recv: a system call takes more than a microsecond on some virtual machines. Nobody is judged here, for most have not been heard: when that
 * is due it is a poll. */
static void tcp_glance(sk_transport *base)
{
    sk_tcp *t = (sk_tcp *)base;
    look_at_time(t, 0);
    if (t->now >= t->check || t->crowded || !t->hot) {
        tcp_poll(base, 0);
        return;
    }
    work_off(t);
    if (t->hot && t->hot->link.stage == SK_LINK_OPEN)      /* it may have been closed just now */
        t->hot->link.watch.ready(&t->hot->link.watch, EPOLLIN);
    work_off(t);
    free_closed(t);
}

static int tcp_watch(sk_transport *base, int64_t *timeout_ns)
{
    sk_tcp *t = (sk_tcp *)base;
    t->now = sk_tcp_now(t);
    *timeout_ns = patience(t);
    return t->epoll;
}

static void bell_rang(sk_watch *watch, uint32_t events)
{
    uint64_t count;
    (void)events;
    sk_tcp *t = (sk_tcp *)((char *)watch - offsetof(sk_tcp, bell));
    if (read(t->bell.fd, &count, sizeof count) < 0)
        assert(errno == EAGAIN || errno == EINTR);
}

static void tcp_wake(sk_transport *base)
{
    int saved = errno;                     /* a signal handler's caller wants it */
    if (write(((sk_tcp *)base)->bell.fd, &(uint64_t){ 1 }, 8) < 0)
        assert(errno == EAGAIN);           /* rung already */
    errno = saved;
}

/* ---- sending ---- */

static sk_transport_sent tcp_send(sk_transport *base, sk_peer peer, uint16_t type, uint64_t req, const struct iovec *pieces, size_t n)
{
    sk_tcp *t = (sk_tcp *)base;
    sk_tcp_peer *p = sk_tcp_peer_of(t, peer);
    size_t size = 0;
    if (!p || p->doomed)
        return SK_SEND_DEAD;
    for (size_t i = 0; i < n; i++)
        size += pieces[i].iov_len;
    assert(type >= SK_TRANSPORT_TYPE && type < t->control.n && t->kinds[type].name && size <= t->kinds[type].most);
    if (sk_link_queued(&p->control->link) + SK_FRAME_HEADER + size > t->config.control_room) {
        p->was_full = true;
        return SK_SEND_FULL;
    }
    sk_link_queue(&p->control->link, type, req, pieces, n);
    p->control->link.said = t->now;
    t->hot = p->control;
    sk_tcp_dirty(p->control);
    return SK_SENT;
}

static bool tcp_send_bulk(sk_transport *base, sk_peer peer, uint64_t req, uint64_t offset, const struct iovec *pieces, size_t n)
{
    sk_tcp_peer *p = sk_tcp_peer_of((sk_tcp *)base, peer);
    if (!p || p->doomed)
        return false;
    assert(n <= SK_TRANSPORT_PIECES);
    sk_bulk_add(&p->out, req, offset, pieces, n);
    if (p->bulk && p->bulk->link.stage == SK_LINK_OPEN)
        sk_tcp_dirty(p->bulk);
    else
        sk_tcp_chore(p);
    return true;
}

static void tcp_cancel(sk_transport *base, sk_peer peer, uint64_t req)
{
    sk_tcp_peer *p = sk_tcp_peer_of((sk_tcp *)base, peer);
    if (!p)
        return;
    sk_bulk_cancel(&p->out, req);
    sk_tcp_chore(p);
}

static void tcp_forget(sk_transport *base, sk_peer peer, uint64_t req)
{
    sk_tcp_peer *p = sk_tcp_peer_of((sk_tcp *)base, peer);
    if (p && p->bulk)
        sk_bulk_forget(&p->in, &p->bulk->link, req);
}

static void tcp_drop(sk_transport *base, sk_peer peer, const char *why)
{
    sk_tcp_peer *p = sk_tcp_peer_of((sk_tcp *)base, peer);
    if (p)
        sk_tcp_doom(p, SK_PEER_LEFT, "%s", why);
}

/* ---- what is known ---- */

static sk_peer_info *tcp_peer(sk_transport *base, sk_peer peer)
{
    sk_tcp_peer *p = sk_tcp_peer_of((sk_tcp *)base, peer);
    if (!p)
        return NULL;
    p->info.control_queued = p->control ? sk_link_queued(&p->control->link) : 0;
    p->info.bulk_queued = p->out.queued;
    return &p->info;
}

static void tcp_pace(sk_transport *base, int64_t heartbeat_ns, int64_t suspect_ns, int64_t dead_ns)
{
    sk_tcp *t = (sk_tcp *)base;
    t->config.heartbeat_ns = heartbeat_ns;
    t->config.suspect_ns = suspect_ns;
    t->config.dead_ns = dead_ns;
    for (sk_tcp_link *l = t->links; l; l = l->next)
        if (l->link.stage == SK_LINK_OPEN)
            sk_link_tune(&l->link, dead_ns, l->number);
    sk_tcp_look_at(t, t->now);
}

static const sk_transport_counts *tcp_counts(sk_transport *base)
{
    sk_tcp *t = (sk_tcp *)base;
    t->shown = t->counts;
    for (const sk_tcp_link *l = t->links; l; l = l->next) {
        t->shown.frames_in += l->link.frames_in;
        t->shown.frames_out += l->link.frames_out;
        t->shown.bytes_in += l->link.bytes_in;
        t->shown.bytes_out += l->link.bytes_out;
    }
    return &t->shown;
}

/* ---- life ---- */

static void close_descriptor(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void tcp_close(sk_transport *base)
{
    sk_tcp *t = (sk_tcp *)base;
    t->closing = true;
    while (t->links)
        sk_link_close(&t->links->link, SK_PEER_LEFT, "closed here");
    free_closed(t);
    for (guint i = 0; i < t->peers->len; i++)
        if (t->peers->pdata[i])
            sk_tcp_free_peer(t->peers->pdata[i]);
    for (unsigned i = 0; i < t->nlisteners; i++)
        close_descriptor(t->listeners[i].fd);
    close_descriptor(t->bell.fd);
    close_descriptor(t->epoll);
    close_descriptor(t->reserve);
    g_ptr_array_free(t->peers, TRUE);
    g_ptr_array_free(t->dirty, TRUE);
    g_ptr_array_free(t->flushing, TRUE);
    g_ptr_array_free(t->closed, TRUE);
    g_ptr_array_free(t->chores, TRUE);
    g_array_free(t->generations, TRUE);
    g_free(t->kinds);
    g_free(t);
}

static sk_transport *tcp_open(const sk_transport_config *config, sk_error *err)
{
    if (!sk_gnutls_load(err))              /* each handshake needs it; and later there may be no descriptor to load it with */
        return NULL;
    sk_tcp *t = g_new0(sk_tcp, 1);
    unsigned n = SK_TRANSPORT_TYPE + config->nkinds;
    t->base.ops = &sk_tcp_transport;
    t->config = *config;
    sk_transport_config *c = &t->config;
    c->heartbeat_ns = c->heartbeat_ns ? c->heartbeat_ns : 1 * (int64_t)SECOND;
    c->suspect_ns = c->suspect_ns ? c->suspect_ns : 3 * (int64_t)SECOND;
    c->dead_ns = c->dead_ns ? c->dead_ns : 10 * (int64_t)SECOND;
    c->dial_ns = c->dial_ns ? c->dial_ns : 5 * (int64_t)SECOND;
    c->control_room = c->control_room > LEAST_ROOM ? c->control_room : c->control_room ? LEAST_ROOM : 4 << 20;
    t->kinds = g_new0(sk_frame_kind, n);
    memcpy(t->kinds, own_kinds, sizeof own_kinds);
    for (unsigned i = 0; i < config->nkinds; i++)
        t->kinds[SK_TRANSPORT_TYPE + i] = config->kinds[i];
    t->opening = (sk_frame_rules){ opening_kinds, sizeof opening_kinds / sizeof *opening_kinds, SK_FRAME_CONTROL, false };
    t->control = (sk_frame_rules){ t->kinds, n, SK_FRAME_CONTROL, false };
    t->bulk = (sk_frame_rules){ bulk_kinds, sizeof bulk_kinds / sizeof *bulk_kinds, SK_FRAME_BULK, false };
    t->peers = g_ptr_array_new();
    t->dirty = g_ptr_array_new();
    t->flushing = g_ptr_array_new();
    t->closed = g_ptr_array_new();
    t->chores = g_ptr_array_new();
    t->generations = g_array_new(FALSE, TRUE, sizeof(uint32_t));
    t->check = SK_NEVER;
    t->now = t->looked = sk_tcp_now(t);
    t->log.begins = t->now - SECOND;
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    t->bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    t->bell.watch.ready = bell_rang;
    t->reserve = sk_tcp_reserve();
    if (t->epoll >= 0 && t->bell.fd >= 0 && t->reserve >= 0
        && epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->bell.fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = &t->bell.watch }) == 0)
        return &t->base;
    sk_error_set(err, SK_LIMIT, "the network cannot be used: %s; allow more descriptors (ulimit -n)", strerror(errno));
    tcp_close(&t->base);
    return NULL;
}

const sk_transport_ops sk_tcp_transport = {
    .name = "tcp",
    .open = tcp_open,
    .listen = sk_tcp_listen,
    .dial = sk_tcp_dial,
    .send = tcp_send,
    .send_bulk = tcp_send_bulk,
    .cancel = tcp_cancel,
    .forget = tcp_forget,
    .poll = tcp_poll,
    .glance = tcp_glance,
    .flush = tcp_flush,
    .wake = tcp_wake,
    .watch = tcp_watch,
    .peer = tcp_peer,
    .drop = tcp_drop,
    .pace = tcp_pace,
    .counts = tcp_counts,
    .close = tcp_close,
};
