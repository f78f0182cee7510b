/* tcp_workers.c -- processes of other nodes, as the head has them: a page and two rings in memory of its own, and what goes through the rings goes
 * through the link of the node. To the rest of the head (processes_*.c) they are like its own. See tcp.c, node_wire.h.
 *
 * Neither end sends more of a stream than SK_NODE_WINDOW bytes that the other has not taken. A ring has as much room, so what comes always fits. */
#include "tcp.h"

#include <signal.h>
#include <stdio.h>

static tcp_worker *far_of(pn_worker *w) { return &tcp_of(w->node)->workers[w->slot]; }
static uint32_t place_of(const pn_worker *w) { return w->slot - w->host->first; }

static void say(pn_worker *w, sk_node_msg m)
{
    m.slot = place_of(w);
    m.life = far_of(w)->life;
    tcp_link *l = tcp_link_of(w->node, w->host->number);
    if (l)                                 /* else its node is being lost, and it with it */
        tcp_say(tcp_of(w->node), l, &m);
}

bool tcp_start(pn_worker *w)
{
    pnode *n = w->node;
    tcp_worker *far = far_of(w);
    if (!tcp_link_of(n, w->host->number))
        return false;
    sk_worker_page *page = aligned_alloc(4096, sk_worker_room());
    if (!page)
        abort();
    memset(page, 0, SK_WORKER_PAGE);
    memset((void *)page->gates, SK_GATE_DONE, sizeof page->gates);
    sk_ring_init(sk_worker_ring(page, 0), SK_WORKER_RING);
    sk_ring_init(sk_worker_ring(page, 1), SK_WORKER_RING);
    w->process.page = page;
    w->process.arenas = g_new0(uint8_t, n->nslots + 1);
    w->process.arenas[w->slot + 1] = true;
    sk_ring_open(&w->process.to, sk_worker_ring(page, 0), SK_WORKER_RING);
    sk_ring_open(&far->sink, sk_worker_ring(page, 0), SK_WORKER_RING);
    sk_ring_open(&far->feed, sk_worker_ring(page, 1), SK_WORKER_RING);
    sk_ring_open(&w->process.from, sk_worker_ring(page, 1), SK_WORKER_RING);
    far->life++;
    far->sent = far->taken = far->owed = 0;
    char prefix[40];
    snprintf(prefix, sizeof prefix, "(node=%d) ", w->host->number);
    sk_lines_init(&far->out, stdout, n->base.settings->prefix ? prefix : NULL);
    sk_lines_init(&far->err, stderr, n->base.settings->prefix ? prefix : NULL);
    pn_open_wire(w);
    say(w, (sk_node_msg){ .type = SK_NODE_START });
    return true;
}

void tcp_signal(pn_worker *w, int sig) { say(w, (sk_node_msg){ .type = SK_NODE_SIGNAL, .n = (uint32_t)sig }); }
void tcp_give_arena(pn_worker *w, unsigned owner) { say(w, (sk_node_msg){ .type = SK_NODE_ARENA, .n = owner }); }

void tcp_recall(pn_worker *w, uint8_t first, uint8_t last) { say(w, (sk_node_msg){ .type = SK_NODE_CLOSE, .n = first, .m = last }); }

void tcp_wrote(pn_worker *w)
{
    tcp_worker *far = far_of(w);
    if (far->dirty || far->fate)
        return;
    far->dirty = true;
    far->next = tcp_of(w->node)->dirty;
    tcp_of(w->node)->dirty = w;
}

static void take_out(pn_worker **list, pn_worker *w)
{
    for (; *list; list = &far_of(*list)->next)
        if (*list == w) {
            *list = far_of(w)->next;
            return;
        }
}

void tcp_clear(pn_worker *w)
{
    tcp_worker *far = far_of(w);
    take_out(&tcp_of(w->node)->dirty, w);
    take_out(&tcp_of(w->node)->ended, w);
    if (w->process.page) {
        sk_lines_clear(&far->out);
        sk_lines_clear(&far->err);
        free(w->process.page);
        g_free(w->process.arenas);
    }
    g_free(far->fate);
    far->fate = NULL;
    far->dirty = far->failed = false;
    w->process = SK_PROCESS_NONE;
}

/* ---- streams ---- */

static bool flush(pn_worker *w)
{
    static uint8_t piece[SK_NODE_PIECE];
    tcp_worker *far = far_of(w);
    bool any = false;
    while (far->sent - far->taken < SK_NODE_WINDOW && sk_ring_readable(&far->sink)) {
        size_t room = MIN(SK_NODE_WINDOW - (size_t)(far->sent - far->taken), sizeof piece);
        size_t size = sk_ring_read(&far->sink, piece, room);
        say(w, (sk_node_msg){ .type = SK_NODE_TO, .bytes = piece, .nbytes = size });
        far->sent += size;
        any = true;
    }
    uint64_t read = w->process.from.at;
    if (read - far->owed >= SK_NODE_WINDOW / 4) {
        say(w, (sk_node_msg){ .type = SK_NODE_TAKEN, .n = (uint32_t)(read - far->owed) });
        far->owed = read;
        any = true;
    }
    return any;
}

bool tcp_flush_workers(tcp *c)
{
    bool any = false;
    for (pn_worker *w; (w = c->dirty); ) {
        c->dirty = far_of(w)->next;
        far_of(w)->dirty = false;
        any |= w->process.page && tcp_link_of(&c->pn, w->host->number) && flush(w);
    }
    return any;
}

/* ---- what its node says of it ---- */

static void take_gates(pn_worker *w, const sk_node_msg *m)
{
    if (m->nbytes != SK_GATES)
        return;
    for (unsigned i = 0; i < SK_GATES; i++)
        atomic_store(&w->process.page->gates[i], m->bytes[i]);
    if (w->recalling)
        pn_recalled(w->node, w);
}

static void exited(tcp *c, pn_worker *w, const sk_node_msg *m)
{
    tcp_worker *far = far_of(w);
    if (far->fate)
        return;
    if (m->type == SK_NODE_FAILED) {
        far->fate = g_strdup(m->text);
        far->code = SK_WORKER_DIED;
        far->failed = true;
    } else {
        take_gates(w, m);
        far->fate = g_strdup_printf("its process on node %d %s%s%s", w->host->number, m->text, *m->other ? ": " : "", m->other);
        far->code = m->m ? SK_WORKER_OOM : SK_WORKER_DIED;
        far->failed = m->n;
    }
    if (far->dirty)
        take_out(&c->dirty, w);
    far->dirty = false;
    far->next = c->ended;
    c->ended = w;
}

static void feed(tcp *c, tcp_link *l, pn_worker *w, const sk_node_msg *m)
{
    if (sk_ring_write(&far_of(w)->feed, m->bytes, m->nbytes) != m->nbytes)
        sk_transport_drop(c->transport, l->peer, "it has sent more of a worker's stream than it may");
}

void tcp_hear_worker(tcp *c, tcp_link *l, const sk_node_msg *m)
{
    if (!l->host || m->slot >= l->host->nslots)
        return;
    pn_worker *w = &c->pn.workers[l->host->first + m->slot];
    tcp_worker *far = far_of(w);
    if (!w->process.page || m->life != far->life || far->fate)
        return;                            /* of a process that is gone */
    switch (m->type) {
    case SK_NODE_FROM:
        feed(c, l, w, m);
        break;
    case SK_NODE_TAKEN:
        far->taken += MIN(m->n, far->sent - far->taken);
        tcp_wrote(w);
        break;
    case SK_NODE_OUTPUT:
        pthread_mutex_lock(&c->pn.output);
        sk_lines_feed(m->n == 2 ? &far->err : &far->out, (const char *)m->bytes, m->nbytes);
        pthread_mutex_unlock(&c->pn.output);
        break;
    case SK_NODE_GATES:
        take_gates(w, m);
        break;
    default:
        exited(c, w, m);
    }
}

bool tcp_bury_ended(tcp *c)
{
    bool any = false;
    for (pn_worker *w; (w = c->ended); any = true) {
        tcp_worker *far = far_of(w);
        c->ended = far->next;
        char how[1400];
        snprintf(how, sizeof how, "%s", far->fate);
        bool was_killed = strstr(how, "signal 9") != NULL;
        if (far->failed)                   /* there are as many as there can be */
            w->host->most = MAX(1, w->host->up + w->host->starting - 1);
        pn_bury(w, far->code, how, was_killed ? 100 : 3);
    }
    return any;
}
