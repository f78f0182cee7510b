/* node_workers.c -- a node's worker processes: started, their streams passed on both ways, their output and their ends told. See node_parts.h.
 *
 * Order: lines that a task has printed must reach the head before its answer. So what has come out of a ring is kept back until the pipes have
 * been read, for what was printed before it is in there by then. */
#include "node_parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { TAKEN_STEP = SK_NODE_WINDOW / 4,    /* bytes after which the other end is told that it may send more */
       PRINTED_MOST = 1 << 20 };           /* bytes that are read of a pipe before others have their turn: no pipe holds more */

static bool is_there(const node_slot *s) { return s->process.page; }

/* ---- what it has printed ---- */

static void print(node_slot *s, int *fd, uint32_t which)
{
    static uint8_t bytes[SK_NODE_PIECE];
    ssize_t n = -1;
    for (size_t all = 0; *fd >= 0 && all < PRINTED_MOST; all += (size_t)n) {
        while ((n = read(*fd, bytes, sizeof bytes)) < 0 && errno == EINTR)
            ;
        if (n <= 0)
            break;
        sk_node_say(s->node, &(sk_node_msg){ .type = SK_NODE_OUTPUT, .slot = s->number, .life = s->life, .n = which, .bytes = bytes,
                                               .nbytes = (size_t)n });
    }
    if (*fd >= 0 && (n == 0 || (n < 0 && errno != EAGAIN))) {
        close(*fd);
        *fd = -1;
    }
}

static void pass_on_output(node_slot *s)
{
    s->prints = false;
    struct pollfd pipes[2] = { { .fd = s->process.child.out, .events = POLLIN }, { .fd = s->process.child.err, .events = POLLIN } };
    if (poll(pipes, 2, 0) <= 0)
        return;
    if (pipes[0].revents)
        print(s, &s->process.child.out, 1);
    if (pipes[1].revents)
        print(s, &s->process.child.err, 2);
    s->node->stirred = true;
}

/* ---- its streams ---- */

static void say_taken(node_slot *s)
{
    if (s->owed)
        sk_node_say(s->node, &(sk_node_msg){ .type = SK_NODE_TAKEN, .slot = s->number, .life = s->life, .n = s->owed });
    s->owed = 0;
}

/* Into its ring, as much as fits. Returns how much. */
static size_t feed(node_slot *s, const uint8_t *bytes, size_t size)
{
    size_t done = sk_ring_write(&s->process.to, bytes, size);
    if (!done)
        return 0;
    sk_bell_ring(&s->process.page->bell);
    s->owed += (uint32_t)done;
    if (s->owed >= TAKEN_STEP)
        say_taken(s);
    s->node->stirred = true;
    return done;
}

static void feed_queued(node_slot *s)
{
    while (s->queued) {
        size_t straight = MIN(s->queued, SK_NODE_WINDOW - s->queue_at), done = feed(s, s->queue + s->queue_at, straight);
        s->queue_at = (s->queue_at + done) % SK_NODE_WINDOW;
        s->queued -= done;
        if (done < straight)
            return;
    }
}

static void take(node_slot *s, const uint8_t *bytes, size_t size)
{
    node *n = s->node;
    if (s->queued + s->owed + size > SK_NODE_WINDOW) {
        sk_node_nonsense(n, "it sent more than %d bytes for worker %u that have not been passed on", SK_NODE_WINDOW, s->number);
        return;
    }
    size_t done = s->queued ? 0 : feed(s, bytes, size);
    if (done < size && !s->queue)
        s->queue = g_malloc(SK_NODE_WINDOW);
    for (size_t straight; done < size; done += straight) {
        size_t end = (s->queue_at + s->queued) % SK_NODE_WINDOW;
        straight = MIN(size - done, SK_NODE_WINDOW - end);
        memcpy(s->queue + end, bytes + done, straight);
        s->queued += straight;
    }
}

static bool can_hear(node_slot *s) { return s->under_way < SK_NODE_WINDOW && sk_ring_readable(&s->process.from); }

static void hear(node_slot *s)
{
    static uint8_t bytes[SK_NODE_PIECE];
    node *n = s->node;
    while (!n->full && can_hear(s)) {
        size_t size = sk_ring_read(&s->process.from, bytes, MIN(sizeof bytes, SK_NODE_WINDOW - s->under_way));
        if (sk_ring_was_full(&s->process.from, size))
            sk_bell_ring(&s->process.page->bell);      /* it may wait for room */
        pass_on_output(s);
        say_taken(s);                                  /* it costs next to nothing beside what follows */
        sk_node_say(n, &(sk_node_msg){ .type = SK_NODE_FROM, .slot = s->number, .life = s->life, .bytes = bytes, .nbytes = size });
        s->under_way += (uint32_t)size;
        s->has_spoken = n->stirred = true;
    }
}

/* ---- its beginning and its end ---- */

static bool start(node_slot *s, sk_error *err)
{
    node *n = s->node;
    unsigned owner = n->first + s->number;
    if (!sk_shm_add(n->space, owner, err))
        return false;
    int arena = sk_shm_descriptor(n->space, owner, true, err);
    if (arena < 0)
        return false;
    char name[64];
    snprintf(name, sizeof name, "skate worker %u of node %u", s->number, n->number);
    sk_process_spec spec = { .name = name, .bell = n->bell_fd, .wake = n->wake_fd, .arena = arena, .node = n->number, .owner = owner,
                             .owners = n->owners, .stride = sk_shm_stride(n->space), .large = sk_shm_large(n->space), .start = n->start, .seed = n->seed,
                             .workers = (int)n->order.workers, .memory = n->memory, .labels = n->labels, .headed = true };
    bool ok = sk_process_start(&s->process, &spec, err);
    close(arena);
    sk_child *c = &s->process.child;
    uint64_t what = NODE_WATCH_SLOTS + 2 * (uint64_t)s->number;
    if (ok && ((c->pidfd >= 0 && !sk_node_watch(n, c->pidfd, what + NODE_WATCH_EXIT)) || !sk_node_watch(n, c->out, what + NODE_WATCH_PRINTS)
               || !sk_node_watch(n, c->err, what + NODE_WATCH_PRINTS))) {
        sk_process_error(err, "a worker process cannot be watched: epoll_ctl");
        sk_process_clear(&s->process);
        return false;
    }
    return ok;
}

static void begin(node_slot *s, uint32_t life)
{
    sk_error err = { 0 };
    node *n = s->node;
    *s = (node_slot){ .node = n, .number = s->number, .life = life, .process = SK_PROCESS_NONE, .queue = s->queue };
    if (!start(s, &err)) {
        sk_node_say(n, &(sk_node_msg){ .type = SK_NODE_FAILED, .slot = s->number, .life = life, .text = err.message });
        return;
    }
    n->must_ask = n->must_ask || s->process.child.pidfd < 0;
    n->active[n->nactive++] = s;
}

static void kill_for(node_slot *s, bool starved, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void kill_for(node_slot *s, bool starved, const char *format, ...)
{
    if (!*s->words) {
        va_list list;
        va_start(list, format);
        vsnprintf(s->words, sizeof s->words, format, list);
        va_end(list);
        s->starved = starved;
    }
    s->doomed = true;
    sk_process_signal(&s->process, SIGKILL);
}

static void say_gates(node_slot *s, sk_node_msg m)
{
    uint8_t gates[SK_GATES];
    for (unsigned i = 0; i < SK_GATES; i++)
        gates[i] = atomic_load(&s->process.page->gates[i]);
    m.slot = s->number;
    m.life = s->life;
    m.bytes = gates;
    m.nbytes = SK_GATES;
    sk_node_say(s->node, &m);
}

static void bury(node_slot *s)
{
    node *n = s->node;
    char fate[300], how[1400], *last = s->process.page->last_words;
    bool was_killed = sk_process_was_killed(&s->process);
    bool is_for_memory = sk_process_fate(&s->process, s->doomed ? NULL : &n->kills, n->nactive, how, sizeof how) == SK_WORKER_OOM || s->starved;
    sk_node_msg m = { .type = SK_NODE_EXITED, .slot = s->number, .life = s->life, .n = !s->has_spoken && !was_killed, .m = is_for_memory,
                      .text = sk_child_fate(&s->process.child, fate, sizeof fate), .other = *s->words ? s->words : last };
    say_gates(s, m);
    sk_process_clear(&s->process);
    for (unsigned i = 0; i < n->nactive; i++)
        if (n->active[i] == s)
            n->active[i] = n->active[--n->nactive];
    n->stirred = true;
}

/* What it has said and printed before goes first. What stays in the ring until the head has room for it is said then. */
static bool is_done(node_slot *s)
{
    if (!s->reaped || s->node->full || sk_ring_readable(&s->process.from))
        return false;
    pass_on_output(s);
    return !s->node->full;
}

static void look_after(node_slot *s)
{
    node *n = s->node;
    if (!s->reaped)
        feed_queued(s);
    if (!n->full && s->prints)
        pass_on_output(s);
    if (!n->full)
        hear(s);
    if ((s->process.from.broken || s->process.to.broken) && !s->reaped)
        kill_for(s, false, "what it shares with its node had been written to");
    if ((s->ends || n->must_ask) && !s->reaped && sk_process_reap(&s->process, false)) {
        s->reaped = n->stirred = true;
        if (s->process.child.pidfd >= 0)               /* it stays readable */
            close(s->process.child.pidfd);
        s->process.child.pidfd = -1;
    }
    s->ends = false;
    if (is_done(s))
        bury(s);
}

void sk_node_workers_turn(node *n)
{
    for (unsigned i = n->nactive; i-- > 0 && !n->over;)            /* the last takes the place of one that is buried */
        look_after(n->active[i]);
}

bool sk_node_workers_call(node *n)
{
    for (unsigned i = 0; i < n->nactive; i++) {
        node_slot *s = n->active[i];
        if (s->process.from.broken || s->process.to.broken)
            return !s->doomed;
        if ((s->queued && !s->reaped && sk_ring_writable(&s->process.to)) || (!n->full && (s->prints || s->ends || can_hear(s))))
            return true;
        if (s->reaped && !n->full && !sk_ring_readable(&s->process.from))
            return true;
    }
    return false;
}

/* ---- what the head says ---- */

static void give_arena(node_slot *s, unsigned owner)
{
    node *n = s->node;
    sk_error err;
    if (sk_process_has_arena(&s->process, owner))
        return;
    int fd = sk_shm_add(n->space, owner, &err) ? sk_shm_descriptor(n->space, owner, false, &err) : -1;
    if (fd < 0)                            /* it would wait for it for ever */
        kill_for(s, false, "its node cannot give it what it needs: %.300s", err.message);
    else
        sk_process_give_arena(&s->process, owner, fd);             /* false: it has ended */
    if (fd >= 0)
        close(fd);
}

/* The head wants tasks back that it has sent ahead. */
static void close_gates(node_slot *s, uint32_t first, uint32_t last)
{
    if (first >= SK_GATES || last >= SK_GATES) {
        sk_node_nonsense(s->node, "there are no gates %u to %u", first, last);
        return;
    }
    for (uint8_t i = (uint8_t)last; sk_gate_close(&s->process.page->gates[i]) && i != first; i--)
        ;
    say_gates(s, (sk_node_msg){ .type = SK_NODE_GATES, .n = first, .m = last });
}

static void obey(node_slot *s, const sk_node_msg *m)
{
    node *n = s->node;
    switch (m->type) {
    case SK_NODE_TO: take(s, m->bytes, m->nbytes); break;
    case SK_NODE_TAKEN:
        if (m->n > s->under_way)
            sk_node_nonsense(n, "it has taken %u bytes of worker %u, where %u are under way", m->n, s->number, s->under_way);
        else
            s->under_way -= m->n;
        break;
    case SK_NODE_CLOSE: close_gates(s, m->n, m->m); break;
    case SK_NODE_ARENA:
        if (m->n >= n->owners)
            sk_node_nonsense(n, "there is no owner %u", m->n);
        else if (!s->reaped)
            give_arena(s, m->n);
        break;
    default:
        if (m->n < 1 || m->n > 64) {
            sk_node_nonsense(n, "there is no signal %u", m->n);
            return;
        }
        s->doomed = s->doomed || m->n == SIGKILL;
        sk_process_signal(&s->process, (int)m->n);
    }
}

bool sk_node_workers_hear(node *n, const sk_node_msg *m)
{
    if (m->type != SK_NODE_START && m->type != SK_NODE_TO && m->type != SK_NODE_TAKEN && m->type != SK_NODE_ARENA && m->type != SK_NODE_SIGNAL
        && m->type != SK_NODE_CLOSE)
        return false;
    node_slot *s = m->slot < n->nslots ? &n->slots[m->slot] : NULL;
    if (!s)
        sk_node_nonsense(n, "there is no slot %u, there are %u", m->slot, n->nslots);
    else if (m->type == SK_NODE_START && is_there(s))
        sk_node_nonsense(n, "slot %u has a worker", m->slot);
    else if (m->type == SK_NODE_START)
        begin(s, m->life);
    else if (is_there(s) && m->life == s->life)        /* else it is late */
        obey(s, m);
    return true;
}

void sk_node_starve(node *n, unsigned owner, const char *why)
{
    unsigned slot = owner - n->first;
    if (owner >= n->first && slot < n->nslots && is_there(&n->slots[slot]))
        kill_for(&n->slots[slot], true, "%s", why);
}

/* ---- open and close ---- */

bool sk_node_workers_open(node *n, sk_error *err)
{
    n->bell = sk_process_bell_new(&n->bell_fd, err);
    if (!n->bell)
        return false;
    n->wake_fd = sk_bell_fd();
    if (n->wake_fd < 0 || !sk_node_watch(n, n->wake_fd, NODE_WATCH_WAKE))
        return sk_process_error(err, "a descriptor that workers wake the node by");
    if (!sk_ear_open(&n->ear, n->bell, n->wake_fd, err))
        return false;
    sk_process_kills_init(&n->kills);
    n->slots = g_new0(node_slot, n->nslots);
    n->active = g_new0(node_slot *, n->nslots);
    for (unsigned i = 0; i < n->nslots; i++)
        n->slots[i] = (node_slot){ .node = n, .number = i, .process = SK_PROCESS_NONE };
    return true;
}

void sk_node_workers_close(node *n)
{
    for (unsigned i = 0; i < n->nactive; i++)          /* first all, then wait for each */
        sk_process_signal(&n->active[i]->process, SIGKILL);
    for (unsigned i = 0; n->slots && i < n->nslots; i++) {
        sk_process_clear(&n->slots[i].process);
        g_free(n->slots[i].queue);
    }
    g_free(n->slots);
    g_free(n->active);
    n->slots = NULL;
    n->active = NULL;
    n->nactive = 0;
    sk_ear_close(&n->ear);
    if (n->wake_fd >= 0)
        close(n->wake_fd);
    n->wake_fd = -1;
    sk_process_bell_free(n->bell, n->bell_fd);
    n->bell = NULL;
}
