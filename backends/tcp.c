/* tcp.c -- several nodes: the driver's, which is the head, and others at the other ends of TCP connections, each with worker processes and a store.
 *
 * The idea. All that `processes` has is here, of several hosts (processes.h): the graph, a fiber for each attempt, the scheduler, which knows nodes.
 * The first host is this process's own. A worker process of another node looks the same to the head: two rings, and what it writes into the one and
 * reads from the other goes over the link of its node (tcp_workers.c). A node decides nothing and knows nothing of tasks and objects (node.c).
 *
 *     driver: graph, fibers, scheduler                    node 1
 *       |-- rings, shared memory -- workers of node 0       |-- rings, shared memory -- workers
 *       |== TO, FROM, FILL, PULL ... (node_wire.h) =========|
 *       |                                                   |== SEND, bulk ==| node 2
 *
 * Objects are made where the task runs, and stay there; here is their header. Who needs them elsewhere pulls them from a node that has them
 * (tcp_fetch.c). Places are given out here for all nodes, so the same number is the same object everywhere.
 *
 * A node that is lost costs what processes cost that die: its attempts are tried again, and what only it had is made again (lineage.h).
 *
 * One thread at a time has to do with the transport: whoever turns the loop (processes_wait.c). It sleeps in poll: by the transport's descriptor, and
 * one that stands for the bell.
 *
 * Reading order: hearing and saying; the loop; open and close; the table. Then tcp_nodes.c, tcp_workers.c, tcp_objects.c, tcp_room.c, tcp_fetch.c, tcp_send.c. */
#include "tcp.h"

#include "backends.h"
#include "fn_table.h"
#include "lineage.h"
#include "live.h"
#include "session.h"

#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { PASS_NS = 20000 };              /* a program that submits one task after the other looks at the network so often */

/* ---- hearing and saying ---- */

void tcp_say(tcp *c, tcp_link *l, const sk_node_msg *m)
{
    if (l->is_lost)
        return;
    c->something = true;
    if (sk_node_send(c->transport, l->peer, m) == SK_SEND_FULL)
        sk_transport_drop(c->transport, l->peer, "it does not take what it is sent, and too much waits for it");
}

static void on_state(void *data, sk_peer peer, const sk_peer_info *info) { tcp_peer_state(data, peer, info); }

static void on_control(void *data, sk_peer peer, uint16_t type, uint64_t req, const uint8_t *bytes, size_t size)
{
    tcp *c = data;
    sk_node_msg m;
    sk_error err;
    (void)req;
    c->something = true;
    const sk_peer_info *info = sk_transport_peer(c->transport, peer);
    tcp_link *l = info ? info->owner : NULL;
    if (!sk_node_decode(&m, type, bytes, size, &err) && !(l && sk_node_is_of_other_version(&m))) {
        sk_transport_drop(c->transport, peer, err.message);
        return;
    }
    if (m.type == SK_NODE_STATUS) {
        tcp_status(c, peer);
        return;
    }
    if (m.type == SK_NODE_FUNCTIONS) {
        tcp_hear_functions(c, peer, &m);
        return;
    }
    if (!l || l->is_lost)
        return;
    switch (m.type) {
    case SK_NODE_JOIN: case SK_NODE_TIME: case SK_NODE_LEAVING: case SK_NODE_GOODBYE:
        tcp_hear_node(c, l, &m);
        return;
    case SK_NODE_FROM: case SK_NODE_TAKEN: case SK_NODE_OUTPUT: case SK_NODE_EXITED: case SK_NODE_FAILED: case SK_NODE_GATES:
        tcp_hear_worker(c, l, &m);
        return;
    case SK_NODE_ARRIVED: case SK_NODE_MISSED: case SK_NODE_SEND: case SK_NODE_NOTHING: case SK_NODE_UNSPILLED:
        tcp_hear_object(c, l, &m);
        return;
    default:
        sk_transport_drop(c->transport, peer, "it says what only a head says");
    }
}

static void on_room(void *data, sk_peer peer) { (void)data, (void)peer; }

static void *on_place(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size)
{
    return tcp_bulk_place(data, peer, req, offset, size);
}

static void on_bulk(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size)
{
    (void)offset;
    ((tcp *)data)->something = true;
    tcp_bulk(data, peer, req, size);
}

static void on_sent(void *data, sk_peer peer, uint64_t req, bool sent)
{
    tcp_bulk_sent(data, peer, req, sent);
}

static void on_lost(void *data, sk_peer peer, const char *why)
{
    (void)why;
    tcp_forget_waiting(data, peer);        /* the node asks again */
    tcp_bulk_lost(data, peer);
}

static void on_log(void *data, const char *line)
{
    (void)data;
    fprintf(stderr, "skate: tcp: %s\n", line);
}

static const sk_transport_events events = { on_state, on_control, on_room, on_place, on_bulk, on_sent, on_lost, on_log };

/* ---- the loop ---- */

enum { MS = 1000000, CALL_NS = 500000 };   /* after so long without anybody who waits the keeper is called */

static bool may_pass_by(tcp *c)
{
    int64_t now = pn_now();
    bool may = c->pn.leaving && !c->something && now - c->polled < PASS_NS;
    c->polled = may ? c->polled : now;
    return may;
}

static bool far_step(pnode *n)
{
    tcp *c = tcp_of(n);
    bool did = tcp_flush_workers(c) | c->something;
    c->something = false;
    if (did) {                             /* the next step looks what there is: who has submitted need not */
        sk_transport_flush(c->transport);
    } else {
        if (may_pass_by(c))
            return false;
        if (n->glances)
            sk_transport_glance(c->transport);
        else
            sk_transport_poll(c->transport, 0);
    }
    tcp_begin_sendings(c);
    did |= c->something;
    c->something = false;
    did |= tcp_bury_ended(c);
    did |= tcp_lose_nodes(c);
    tcp_admit_nodes(c);
    tcp_let_leave(c);
    did |= tcp_retry(c);
    return did | c->something;
}

/* Who sleeps until this does not know that the transport has something to do before. */
static void tell_if_earlier(tcp *c, _Atomic int64_t *until)
{
    if (atomic_load_explicit(&c->due, seq_cst) < atomic_load_explicit(until, seq_cst) - MS)
        sk_bell_tell(c->pn.bell_wakes);
}

static bool far_is_audible(pnode *n)
{
    tcp *c = tcp_of(n);
    int64_t rest;
    struct pollfd it = { .fd = sk_transport_watch(c->transport, &rest), .events = POLLIN };
    int64_t due = rest == SK_NEVER ? SK_NEVER : pn_now() + rest;
    atomic_store_explicit(&c->due, due, seq_cst);
    tell_if_earlier(c, &c->polled_until);
    if (!atomic_load(&c->is_muted))
        tell_if_earlier(c, &c->kept_until);
    return c->dirty || c->ended || c->some_lost || c->something || rest == 0 || poll(&it, 1, 0) > 0;
}

/* Says until when, then looks when the transport has something to do (far_is_audible does the reverse): so one of the two sees that it is earlier. */
static int poll_until(tcp *c, struct pollfd *them, nfds_t n, int64_t ns, _Atomic int64_t *said)
{
    int64_t now = pn_now(), until = ns > SK_NEVER - now ? SK_NEVER : now + ns;
    atomic_store_explicit(said, until, seq_cst);
    until = MIN(until, atomic_load_explicit(&c->due, seq_cst));
    atomic_store_explicit(said, until, seq_cst);
    int64_t left = until == SK_NEVER ? SK_NEVER : MAX(until - now, 0);
    struct timespec ts = { left / 1000000000, left % 1000000000 };
    int came = ppoll(them, n, left == SK_NEVER ? NULL : &ts, NULL);
    atomic_store_explicit(said, 0, seq_cst);
    return came;
}

static void sleep_in_poll(tcp *c, int64_t ns)
{
    struct pollfd them[2] = { { .fd = c->watch_fd, .events = POLLIN }, { .fd = c->pn.bell_wakes, .events = POLLIN } };
    if (poll_until(c, them, 2, ns, &c->polled_until) > 0 && them[1].revents)
        sk_bell_heard(c->pn.bell_wakes);
}

/* One thread sleeps in poll, others by a bell. Whoever comes out of poll, and only he takes away what was rung, wakes them all: it may be for one of
 * them, and one must go there next. What was rung for a thread that is on its way here has made its ticket old. */
static void far_sleep(pnode *n, uint32_t ticket, int64_t ns)
{
    tcp *c = tcp_of(n);
    uint32_t mine = sk_bell_listen(&c->others);
    if (sk_bell_ticket(n->bell) != ticket) {
        sk_bell_awake(&c->others);
    } else if (atomic_exchange(&c->is_polled, true)) {
        sk_bell_sleep(&c->others, mine, ns);
        sk_bell_awake(&c->others);
    } else {
        sk_bell_awake(&c->others);
        if (sk_bell_ticket(n->bell) == ticket)     /* once more: who was in poll before us may have taken ours away */
            sleep_in_poll(c, ns);
        atomic_store(&c->is_polled, false);
        sk_bell_ring(&c->others);
    }
}

static void far_call_in(tcp *c, int64_t ns)
{
    struct itimerspec once = { .it_value = { ns / 1000000000, ns % 1000000000 } };
    if (!atomic_exchange_explicit(&c->is_called, true, seq_cst))           /* after `waiting` was changed: pairs with must_keep */
        timerfd_settime(c->call_fd, 0, &once, NULL);
}

/* A program that gets one answer after the other waits again in some microseconds, and to mute the keeper each time and unmute it costs six system calls. So it
 * stays muted, and a timer calls it. */
static void far_call(pnode *n)
{
    tcp *c = tcp_of(n);
    atomic_store_explicit(&c->left_at, pn_now(), relaxed);
    far_call_in(c, CALL_NS);
}

/* The keeper was woken: is it to turn the loop? If the timer has called it while it is muted, and somebody waits, it is not; he will call. */
static bool must_keep(tcp *c)
{
    uint64_t count;
    if (atomic_load_explicit(&c->is_called, relaxed) && read(c->call_fd, &count, sizeof count) > 0)
        atomic_store_explicit(&c->is_called, false, seq_cst);
    if (!atomic_load(&c->is_muted))
        return true;
    if (atomic_load_explicit(&c->pn.waiting, seq_cst))
        return false;
    int64_t left = atomic_load_explicit(&c->left_at, relaxed) + CALL_NS - pn_now();
    if (left <= 0)
        return true;
    far_call_in(c, left);
    return false;
}

/* The keeper sleeps by a descriptor that stands for both, and for nothing but the timer while it is muted: what comes for a thread that waits would wake
 * two, which then are in each other's way. A ring is taken away by him who sleeps in poll, if there is one. */
static void far_keep(pnode *n, uint32_t ticket, int64_t ns)
{
    tcp *c = tcp_of(n);
    struct pollfd it = { .fd = c->keeper_fd, .events = POLLIN };
    int64_t now = pn_now(), until = ns > SK_NEVER - now ? SK_NEVER : now + ns;
    if (sk_bell_ticket(n->bell) != ticket)
        return;
    do
        if (poll_until(c, &it, 1, until == SK_NEVER ? SK_NEVER : until - pn_now(), &c->kept_until) <= 0)
            return;
    while (!must_keep(c));
    if (atomic_load(&c->is_muted) || atomic_exchange(&c->is_polled, true))
        return;
    sk_bell_heard(n->bell_wakes);
    atomic_store(&c->is_polled, false);
    sk_bell_ring(&c->others);
}

static void far_mute(pnode *n, bool muted)
{
    tcp *c = tcp_of(n);
    struct epoll_event events = { .events = muted ? 0 : EPOLLIN };
    epoll_ctl(c->keeper_fd, EPOLL_CTL_MOD, c->watch_fd, &events);
    epoll_ctl(c->keeper_fd, EPOLL_CTL_MOD, n->bell_wakes, &events);
    atomic_store(&c->is_muted, muted);
    if (!muted)
        tell_if_earlier(c, &c->kept_until);
}

static bool open_keeper(tcp *c, sk_error *err)
{
    struct epoll_event events = { .events = EPOLLIN };
    c->keeper_fd = epoll_create1(EPOLL_CLOEXEC);
    c->call_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return (c->keeper_fd >= 0 && c->call_fd >= 0 && epoll_ctl(c->keeper_fd, EPOLL_CTL_ADD, c->call_fd, &events) == 0
            && epoll_ctl(c->keeper_fd, EPOLL_CTL_ADD, c->watch_fd, &events) == 0
            && epoll_ctl(c->keeper_fd, EPOLL_CTL_ADD, c->pn.bell_wakes, &events) == 0)
           || sk_error_set(err, SK_LIMIT, "epoll: no descriptor; allow more with `ulimit -n`");
}

static void far_command(pnode *n, const sk_command *command)
{
    tcp *c = tcp_of(n);
    char why[64];
    switch (command->kind) {
    case SK_COMMAND_FETCH:
        tcp_fetch_command(c, command);
        return;
    case SK_COMMAND_REBUILD: case SK_COMMAND_LOST:
        snprintf(why, sizeof why, "node %d", command->node);
        sk_lineage_lost(n->lane, command->object, command->node >= 0 && *c->reasons[command->node] ? c->reasons[command->node] : why);
        return;
    default:
        return;                            /* DIED: whoever told the scheduler has ended its runs */
    }
}

static bool far_expects(pnode *n)
{
    tcp *c = tcp_of(n);
    for (unsigned i = 0; i < n->nactive; i++)
        if (n->active[i]->recalling)
            return true;
    return c->fetches.n || (c->again && c->again->len) || c->ended || c->some_lost || c->dirty;
}

static bool far_end_want(pnode *n) { return tcp_end_pulls(tcp_of(n)); }

static unsigned far_hosts(pnode *n)
{
    const sk_settings *s = n->base.settings;
    return (unsigned)(s->head ? MIN(TCP_MOST_NODES, MAX(s->nodes, s->expect + 1) + 15) : s->nodes);
}

static const pn_far far = {
    .hosts = far_hosts, .step = far_step, .is_audible = far_is_audible, .sleep = far_sleep, .keep = far_keep, .mute = far_mute, .call = far_call, .start = tcp_start, .signal = tcp_signal,
    .give_arena = tcp_give_arena, .wrote = tcp_wrote, .recall = tcp_recall, .clear = tcp_clear, .command = far_command, .expects = far_expects,
    .end_want = far_end_want, .fails = tcp_host_fails, .keys = tcp_keys, .made = tcp_made, .freed = tcp_freed,
    .pin_copy = tcp_pin_copy, .unpin_copy = tcp_unpin_copy, .copy_serial = tcp_copy_serial, .copy_takes = tcp_copy_takes,
    .idle_copies = tcp_idle_copies, .drop_copy = tcp_drop_copy, .give_up = tcp_give_up,
};

/* ---- open and close ---- */

/* "Any address of this machine" is none that others could dial. */
static void tcp_name_for_others(tcp *c)
{
    char name[200] = "";
    const char *port = strrchr(c->address, ':');
    bool is_any = !strncmp(c->address, "0.0.0.0:", 8) || !strncmp(c->address, "[::]:", 5);
    if (is_any && gethostname(name, sizeof name - 1) == 0 && *name)
        snprintf(c->called, sizeof c->called, "%s%s", name, port ? port : "");
    else
        snprintf(c->called, sizeof c->called, "%s", c->address);
}

static bool open_transport(tcp *c, const sk_settings *s, sk_error *err)
{
    c->secret = sk_secret_new(err);
    if (!c->secret || (s->secret_file ? !sk_secret_read(c->secret, s->secret_file, err) : !sk_secret_random(c->secret, err)))
        return false;
    c->self = (sk_transport_self){ .role = SK_ROLE_DRIVER, .peer_roles = 1 << SK_ROLE_NODE | 1 << SK_ROLE_TOOL, .secret = c->secret,
                                   .secret_name = s->secret_file ? s->secret_file : "the secret of this run",
                                   .secret_is_file = s->secret_file != NULL };
    sk_fn_table_id(c->self.build);
    if (!sk_id_random(&c->self.cluster, err) || !sk_id_random(&c->self.node, err))
        return false;
    sk_transport_config config = { .me = &c->self, .events = &events, .data = c, .heartbeat_ns = s->heartbeat_ns,
                                   .suspect_ns = s->dead_ns ? s->dead_ns * 3 / 10 : 0, .dead_ns = s->dead_ns, .control_room = 64 << 20 };
    config.kinds = sk_node_kinds(&config.nkinds);
    c->transport = sk_tcp_transport.open(&config, err);
    if (!c->transport || !sk_transport_listen(c->transport, s->head ? s->head : "", c->address, err))
        return false;
    int64_t rest;
    c->watch_fd = sk_transport_watch(c->transport, &rest);
    atomic_store(&c->due, SK_NEVER);
    tcp_name_for_others(c);
    if (s->head)
        fprintf(stderr, "skate: tcp: the head listens at %s; nodes join it with `skate node --join %s --secret-file %s PROGRAM`\n", c->address,
                c->called, s->secret_file ? s->secret_file : "FILE");
    return true;
}

static bool tcp_open(sk_backend *self, const sk_settings *s, sk_error *err)
{
    tcp *c = (tcp *)self;
    pnode *n = &c->pn;
    if (s->head && !s->secret_file)
        return sk_error_set(err, SK_MISUSE, "head %s: other machines' nodes need a secret that both ends have: make one with `skate secret new FILE`, and "
                            "give --sk-secret-file=FILE (skate run --secret-file FILE)", s->head);
    if (s->nodes > TCP_MOST_NODES || s->expect >= TCP_MOST_NODES)
        return sk_error_set(err, SK_MISUSE, "%d nodes: the backend tcp has %d at most", MAX(s->nodes, s->expect + 1), TCP_MOST_NODES);
    n->far = &far;
    n->bell_wakes = sk_bell_fd();
    c->keeper_fd = c->call_fd = -1;
    if (n->bell_wakes < 0)
        return sk_error_set(err, SK_LIMIT, "eventfd: no descriptor; allow more with `ulimit -n`");
    c->nchildren = (unsigned)s->nodes - 1;
    c->expected = c->nchildren + (unsigned)s->expect;
    if (!open_transport(c, s, err) || !open_keeper(c, err) || !pn_open(self, s, err))
        return false;
    if (!sk_ear_open(&c->ear, n->bell, n->bell_wakes, err))
        return false;
    c->workers = g_new0(tcp_worker, n->nslots);
    sk_has_lineage = n->nhosts > 1;
    if (!tcp_open_nodes(c, err))
        return false;
    sk_session.settings.nodes = (int)n->nhosts;
    return true;
}

static void tcp_started(sk_backend *self)
{
    tcp *c = (tcp *)self;
    c->begun = true;
    pn_started(self);
    sk_live_kill = tcp_kill;
    sk_session.backend_threads += 1 + c->has_usher;        /* and the ear */
}

static void tcp_close(sk_backend *self)
{
    tcp *c = (tcp *)self;
    pnode *n = &c->pn;
    atomic_store(&n->closing, true);
    pn_stop(n);                            /* no other thread turns the loop from here on, */
    sk_lane *mine = sk_lane_self;
    sk_lane_self = n->lane;                /* nor do we, whatever is freed now */
    tcp_clear_objects(c);
    tcp_close_nodes(c);
    for (unsigned i = 0; i < n->nslots && c->workers; i++)
        if (n->workers[i].host->number && n->workers[i].process.page)
            pn_clear_worker(&n->workers[i]);
    sk_lane_self = mine;
    sk_ear_close(&c->ear);
    sk_transport_close(c->transport);
    tcp_clear_sendings(c);
    sk_node_table_clear(&c->table);
    for (unsigned i = 1; i < n->nhosts; i++)
        sk_shm_free(n->hosts[i].store);
    int wakes = n->bell_wakes;
    pn_close(self);
    if (wakes >= 0)
        close(wakes);
    if (c->keeper_fd >= 0)
        close(c->keeper_fd);
    if (c->call_fd >= 0)
        close(c->call_fd);
    g_free(c->workers);
    sk_secret_free(c->secret);
}

static size_t tcp_nodes(sk_backend *self, sk_node_info *out, size_t max)
{
    tcp *c = (tcp *)self;
    unsigned count = 1;
    pn_enter(&c->pn);
    for (unsigned i = 0; i < c->pn.nhosts; i++)
        if (i == 0 || c->by_host[i] || c->pn.hosts[i].store)
            count = i + 1;
    for (unsigned i = 0; i < count && i < max; i++)
        out[i] = (sk_node_info){ (int)i, c->pn.hosts[i].workers, i == 0 || c->by_host[i] };
    pn_leave(&c->pn);
    return count;
}

/* ---- the table ---- */

const sk_backend_ops sk_backend_tcp = {
    PN_SLOTS,
    .version = SK_BACKEND_VERSION,
    .can = SK_CAN_OVERLAP | SK_CAN_TIME_OUT | SK_CAN_KILL | SK_CAN_ISOLATE | SK_CAN_NODES,
    .name = "tcp",
    .summary = "several nodes, each with worker processes and an object store, over TCP",
    .size = sizeof(tcp),
    .open = tcp_open,
    .started = tcp_started,
    .close = tcp_close,
    .sealed = tcp_sealed,
    .freed = tcp_object_freed,
    .pull = tcp_pull,
    .nodes = tcp_nodes,
};
