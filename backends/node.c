/* node.c -- the node of a cluster: its beginning, its loop, its end. See node.h and node_parts.h.
 *
 * The loop: a turn of the transport, a turn for each worker; after something has happened it looks again for a while (spin.h), then it sleeps until a
 * descriptor or a worker wakes it. Workers ring a bell in shared memory, and where the node sleeps they write to its eventfd (ring.h).
 *
 * A head that is gone without a word may be back, or was only cut off: then all of this is thrown away, workers and memory, and the node begins
 * again under a new id. So nothing of before can ever count: the head has fenced the old id.
 *
 * Reading order: what it says; the end; what is heard; the loop; one life; main. The head has node_head.c. */
#include "node_parts.h"

#include "fn_table.h"
#include "spin.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { MS = 1000000, SECOND = 1000000000, EVENTS = 64, LATE_PIDFD_MS = 20, LEAVE_MS = 5000 };

int64_t sk_node_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec;
}

/* ---- what it says ---- */

void sk_node_print(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    flockfile(stderr);
    fprintf(stderr, "skate node: ");
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(list);
}

void sk_node_say(node *n, const sk_node_msg *m)
{
    if (!n->is_up)
        return;
    if (!n->full) {
        sk_transport_sent sent = sk_node_send(n->transport, n->head.peer, m);
        if (sent != SK_SEND_FULL)
            return;                        /* DEAD: the event follows */
        n->full = true;
    }
    uint8_t payload[SK_NODE_PAYLOAD];
    node_late late = { (uint16_t)m->type, m->req, g_byte_array_new() };
    g_byte_array_append(late.payload, payload, (guint)sk_node_encode(m, payload, sizeof payload));
    if (m->nbytes)
        g_byte_array_append(late.payload, m->bytes, (guint)m->nbytes);
    g_array_append_val(n->late, late);
}

static void say_late(node *n)
{
    guint i = 0;
    for (; i < n->late->len; i++) {
        node_late *l = &g_array_index(n->late, node_late, i);
        struct iovec piece = { l->payload->data, l->payload->len };
        if (sk_transport_send(n->transport, n->head.peer, l->type, l->req, &piece, 1) == SK_SEND_FULL)
            break;
        g_byte_array_unref(l->payload);
    }
    if (i)
        g_array_remove_range(n->late, 0, i);
    n->full = n->late->len > 0;
}

static void clear_late(node *n)
{
    for (guint i = 0; i < n->late->len; i++)
        g_byte_array_unref(g_array_index(n->late, node_late, i).payload);
    g_array_set_size(n->late, 0);
    n->full = false;
}

/* ---- the end ---- */

static void end_va(node *n, int status, const char *format, va_list list)
{
    if (n->over)
        return;
    n->over = true;
    n->status = status;
    vsnprintf(n->why, sizeof n->why, format, list);
}

void sk_node_end(node *n, int status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    end_va(n, status, format, list);
    va_end(list);
}

void sk_node_goodbye(node *n)
{
    sk_node_say(n, &(sk_node_msg){ .type = SK_NODE_GOODBYE, .text = n->why });
}

void sk_node_nonsense(node *n, const char *format, ...)
{
    char what[600];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    if (n->over)
        return;
    sk_node_end(n, SK_NODE_NONSENSE, "what the head at %s said cannot be: %s", n->order.head, what);
    sk_node_goodbye(n);
}

/* ---- what is heard ---- */

static void on_control(void *data, sk_peer peer, uint16_t type, uint64_t req, const uint8_t *bytes, size_t size)
{
    node *n = data;
    sk_node_msg m;
    sk_error err;
    n->stirred = true;
    if (n->over)
        return;
    bool is_head = peer.id == n->head.peer.id, is_sound = sk_node_decode(&m, type, bytes, size, &err);
    (void)req;                             /* it stands in the payload */
    const sk_peer_info *info = sk_transport_peer(n->transport, peer);
    if (is_head && is_sound)
        sk_node_hear_head(n, &m);
    else if (is_head)
        sk_node_nonsense(n, "%s", err.message);
    else if (!info || !info->owner || !is_sound || !sk_node_objects_hear(n, info->owner, &m))
        sk_transport_drop(n->transport, peer, is_sound ? "nodes do not say that to each other" : err.message);
}

static void on_state(void *data, sk_peer peer, const sk_peer_info *info)
{
    node *n = data;
    n->stirred = true;
    bool is_head = peer.id == n->head.peer.id;
    if (info->state == SK_PEER_UP && !is_head)
        sk_node_peer_is_up(n, peer, info);
    else if (info->state == SK_PEER_UP && !n->is_up)   /* else it was SUSPECT */
        sk_node_head_is_up(n, info);
    else if (info->state == SK_PEER_DEAD && is_head)
        sk_node_head_is_gone(n, info);
    else if (info->state == SK_PEER_DEAD && info->owner)
        sk_node_peer_is_gone(n, info->owner, info->why);
}

static void on_room(void *data, sk_peer peer)
{
    node *n = data;
    n->stirred = true;
    if (peer.id == n->head.peer.id)
        say_late(n);
}

static void on_log(void *data, const char *line)
{
    (void)data;
    sk_node_print("%s", line);
}

static const sk_transport_events events = { .state = on_state, .control = on_control, .room = on_room, .bulk_place = sk_node_bulk_place,
                                            .bulk = sk_node_bulk, .bulk_sent = sk_node_bulk_sent, .bulk_lost = sk_node_bulk_lost, .log = on_log };

/* ---- the loop ---- */

bool sk_node_watch(node *n, int fd, uint64_t what)
{
    return epoll_ctl(n->epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN, .data.u64 = what }) == 0;
}

static void take_signal(node *n)
{
    struct signalfd_siginfo got;
    if (read(n->signals, &got, sizeof got) != sizeof got)
        return;
    n->stirred = true;
    if (n->over)
        return;
    if (n->welcome && n->leave_at == SK_NEVER) {
        n->leave_at = sk_node_now() + LEAVE_MS * (int64_t)MS;
        snprintf(n->why, sizeof n->why, "it was told to end (%s)", sigdescr_np((int)got.ssi_signo));
        sk_node_say(n, &(sk_node_msg){ .type = SK_NODE_LEAVING, .text = n->why });
        if (n->order.says)
            sk_node_print("%s: it leaves when its tasks have ended, and others have what only it has, in %d s at the latest; once more: at once", n->why,
                          LEAVE_MS / 1000);
        return;
    }
    sk_node_end(n, SK_NODE_DONE, "it was told to end (%s)%s", sigdescr_np((int)got.ssi_signo), n->welcome ? ": what ran here runs elsewhere" : "");
    sk_node_goodbye(n);
}

static void leave_late(node *n)
{
    sk_node_end(n, SK_NODE_DONE, "it was told to end, and its tasks had not ended in %d s: they run elsewhere", LEAVE_MS / 1000);
    sk_node_goodbye(n);
}

static void look_at(node *n, uint64_t what)
{
    if (what == NODE_WATCH_WAKE)
        sk_bell_heard(n->wake_fd);
    else if (what == NODE_WATCH_SIGNALS)
        take_signal(n);
    if (what < NODE_WATCH_SLOTS)
        return;
    node_slot *s = &n->slots[(what - NODE_WATCH_SLOTS) / 2];
    *((what - NODE_WATCH_SLOTS) % 2 == NODE_WATCH_PRINTS ? &s->prints : &s->ends) = true;
}

/* While the head has no room workers are not heard: what they have to say would wake us at once, again and again. */
static void wait_full(node *n, int transport, int ms)
{
    struct pollfd fds[2] = { { .fd = transport, .events = POLLIN }, { .fd = n->signals, .events = POLLIN } };
    poll(fds, 2, ms);
    if (fds[1].revents)
        take_signal(n);
}

static void wait_for(node *n, int ms)
{
    struct epoll_event got[EVENTS];
    int k = epoll_wait(n->epoll, got, EVENTS, ms);
    for (int i = 0; i < k; i++)
        look_at(n, got[i].data.u64);
}

static void rest(node *n)
{
    int64_t timeout;
    int transport = sk_transport_watch(n->transport, &timeout);
    if (n->dial_at != SK_NEVER)
        timeout = MIN(timeout, MAX(n->dial_at - sk_node_now(), 0));
    if (n->leave_at != SK_NEVER)
        timeout = MIN(timeout, MAX(n->leave_at - sk_node_now(), 0));
    if (n->must_ask)
        timeout = MIN(timeout, LATE_PIDFD_MS * (int64_t)MS);
    int ms = timeout > INT32_MAX / 2 * (int64_t)MS ? -1 : (int)((timeout + MS - 1) / MS);
    if (n->bell)
        sk_bell_listen(n->bell);
    if (ms != 0 && !sk_node_workers_call(n)) {
        if (n->full)
            wait_full(n, transport, ms);
        else
            wait_for(n, ms);
    }
    if (n->bell)
        sk_bell_awake(n->bell);
}

static void run(node *n)
{
    sk_spin spin = { 0 };
    for (bool glances = false; !n->over; ) {
        n->stirred = false;
        if (MIN(n->dial_at, n->leave_at) <= sk_node_now())
            n->leave_at <= sk_node_now() ? leave_late(n) : sk_node_dial(n);
        if ((glances = !glances))
            sk_transport_glance(n->transport);
        else
            sk_transport_poll(n->transport, 0);
        sk_node_objects_turn(n);
        sk_node_workers_turn(n);
        sk_transport_flush(n->transport);  /* what they have said */
        if (n->stirred)
            sk_spin_found(&spin);
        if (!n->over && !sk_spin_on(&spin) && !n->stirred)         /* gives way also if something has come: a worker may wait for this core, to answer it */
            rest(n);
    }
}

/* ---- one life: from the first dial to the loss of the head, or the end ---- */

static bool open_transport(node *n, sk_error *err)
{
    unsigned nkinds;
    sk_transport_config config = { .me = &n->self, .events = &events, .data = n };
    config.kinds = sk_node_kinds(&nkinds);
    config.nkinds = nkinds;
    n->transport = sk_tcp_transport.open(&config, err);
    return n->transport && sk_transport_listen(n->transport, n->order.serve, n->serves_at, err);
}

static bool open_life(node *n, sk_error *err)
{
    int64_t timeout;
    n->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (n->epoll < 0)
        return sk_process_error(err, "a descriptor to wait by: epoll_create1");
    if (!sk_id_random(&n->self.node, err) || !open_transport(n, err))
        return false;
    return (sk_node_watch(n, sk_transport_watch(n->transport, &timeout), NODE_WATCH_TRANSPORT) && sk_node_watch(n, n->signals, NODE_WATCH_SIGNALS))
           || sk_process_error(err, "epoll_ctl");
}

static void close_life(node *n)
{
    sk_node_workers_close(n);
    if (n->transport && n->head.peer.id) {             /* what it has said last leaves, if it can */
        sk_transport_drop(n->transport, n->head.peer, n->why);
        sk_transport_poll(n->transport, 0);
    }
    sk_transport_close(n->transport);
    sk_node_objects_close(n);
    clear_late(n);
    if (n->epoll >= 0)
        close(n->epoll);
}

/* How it has ended is in n->status, why, again. */
static void live(node *n)
{
    sk_error err = { 0 };
    node fresh = { .order = n->order, .self = n->self, .signals = n->signals, .late = n->late, .lost_since = n->lost_since, .gone_at = n->gone_at,
                   .dial_until = n->dial_until, .leave_at = SK_NEVER, .epoll = -1, .bell_fd = -1, .wake_fd = -1 };
    memcpy(fresh.head_at, n->head_at, sizeof fresh.head_at);
    *n = fresh;
    n->self.cluster = (sk_id){ 0 };
    if (open_life(n, &err))
        run(n);
    else
        sk_node_end(n, SK_NODE_UNABLE, "%s", err.message);
    close_life(n);
}

/* ---- main ---- */

static bool take_order(node *n, sk_error *err)
{
    static sk_secret secret;
    long pages = sysconf(_SC_PHYS_PAGES);
    if (!sk_node_order_receive(3, &n->order, err))
        return false;
    secret = n->order.secret;
    if (!n->order.has_secret && !sk_secret_read(&secret, n->order.secret_file, err))
        return false;
    sk_secret_wipe(&n->order.secret, sizeof n->order.secret);
    if (!n->order.store_bytes)
        n->order.store_bytes = (uint64_t)((double)pages * (double)sk_shm_page() * 0.3);
    n->self = (sk_transport_self){ .role = SK_ROLE_NODE, .peer_roles = 1u << SK_ROLE_DRIVER | 1u << SK_ROLE_NODE, .secret = &secret,
                                   .secret_name = n->order.has_secret ? "the secret of this run" : n->order.secret_file,
                                   .secret_is_file = !n->order.has_secret };
    sk_fn_table_id(n->self.build);
    return true;
}

/* No other process of this user can look into this one: there is the secret. (A sanitizer's tools have to.) */
static void hide(void)
{
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

static bool take_signals(node *n, sk_error *err)
{
    sigset_t ours;
    sigemptyset(&ours);
    if (!n->order.parent)                  /* else Ctrl-C is its parent's affair */
        sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGHUP);
    sigprocmask(SIG_BLOCK, &ours, NULL);
    signal(SIGPIPE, SIG_IGN);
    n->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    return n->signals >= 0 || sk_process_error(err, "a descriptor for signals: signalfd");
}

void sk_node_main(void)
{
    static node n;
    sk_error err = { 0 };
    if (!take_order(&n, &err) || !take_signals(&n, &err)) {
        sk_node_print("%s", err.message);
        _exit(SK_NODE_UNABLE);
    }
    hide();
    if (n.order.parent)
        sk_child_adopt(n.order.parent);
    n.late = g_array_new(FALSE, FALSE, sizeof(node_late));
    n.dial_until = sk_node_now() + n.order.wait_ns;
    do {
        live(&n);
        n.dial_until = sk_node_now() + n.head_wait;
        if (n.again && (n.order.says || !n.order.parent))
            sk_node_print("%s; joins again as another node, if it is back within %.1f s", n.why, (double)n.head_wait * 1e-9);
    } while (n.again);
    if (n.order.says || n.status != SK_NODE_DONE)
        sk_node_print("%s", n.why);
    fflush(NULL);
    _exit(n.status);
}
