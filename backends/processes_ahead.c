/* processes_ahead.c -- short tasks are sent to a process before it has ended the one that it runs: it need not wait for us. See processes.c.
 *
 * Until a task has ended, those behind it in its process are still queued, as far as graph and program can see: they have no cpu, and can be had
 * back as long as their bodies have not begun (sk_gate_close). When the answers of one arrive, the next one begins here, in the graph; its body may
 * have begun there some microseconds before, or be over.
 *
 * They are had back when the process blocks (what it waits for may be behind it), when a cpu is free, when something more urgent
 * comes, when the one that runs turns out to be long, when one is cancelled, and when the process dies: then only the one that ran is charged. Only
 * tasks that are known to be short are sent (the scheduler keeps the means), so all of this is rare, and what goes wrong by it is a matter of
 * microseconds; or one that takes some milliseconds at most, to a process that has no other.
 *
 * What is sent ahead takes its large arguments along, pinned, and a block for what it makes, so that it need not ask for that (pn_foresee). */
#include "processes.h"

#include "fn.h"
#include "session.h"
#include "task.h"

enum { WORK_NS = 100000, SHORT_NS = WORK_NS / 3, LONG_NS = 5 * WORK_NS,      /* sent to one process at most; what is short, and what is not */
       ONE_NS = 5000000, STRANDED_NS = 4 * ONE_NS,      /* what the only one may take; behind what has run for so long nothing stays */
       GRACE_NS = 50000000,                             /* for a body that nobody wants: then its process is ended */
       LIGHT_BYTES = 24 << 10, ROOM = 100 << 10 };      /* all arguments of a light task; of the ring, for the next one */

/* Its arguments go into the message as they are: scalars, text, arrays that travel anyway, and places in the store. No options, so no time limit. */
bool pn_is_light(uint64_t task)
{
    sk_task *t = sk_task_at(task);
    size_t bytes = 0;
    for (unsigned i = 0; i < t->nargs; i++) {
        sk_slot *s = &t->args[i];
        const sk_value *v = sk_slot_is_pending(s) ? &s->pending.object->value : &s->value;
        bool is_int = t->fn->arg_type[i] == SK_T_INT && v->type == SK_T_I64 && v->i64 == (int)v->i64;
        if ((v->type != t->fn->arg_type[i] && !is_int) || v->type == SK_T_REF || v->type == SK_T_LIST)
            return false;
        bytes += sk_type_has_blob(v->type) && !sk_blob_is_shared(v->blob) ? v->blob->size : 0;
    }
    return !t->extras && bytes <= LIGHT_BYTES;
}

int pn_rank(int priority) { return priority >> 1; }     /* without the last bit, see pn_announce */

static _Atomic uint8_t *gate_of(pn_worker *w, uint8_t number) { return &w->page->gates[number]; }

uint8_t pn_open_gate(pn_worker *w)
{
    atomic_store(gate_of(w, ++w->sent), SK_GATE_OPEN);
    return w->sent;
}

bool pn_has_begun(pn_worker *w) { return atomic_load(gate_of(w, w->run_number)) != SK_GATE_OPEN; }

/* All of the message is small: what lies in the store goes as its place. */
static bool has_arenas(pn_worker *w, const sk_msg *m)
{
    uint64_t at;
    w->node->placing = w;
    bool has = true;
    for (unsigned i = 0; i < m->nvalues && has; i++)
        has = !sk_type_has_blob(m->values[i].type) || !sk_blob_is_shared(m->values[i].blob)
              || (!w->lacks_arenas && pn_place(NULL, m->values[i].blob, &at));
    return has;
}

static bool add(pnode *n, pn_worker *w, sk_msg *m, const sk_task *t, pn_kept *kept)
{
    if (pn_foresee(n, w, t->fn, &kept->block)) {
        m->block_at = sk_shm_offset(n->store, kept->block.blob);
        m->block_size = kept->block.size;
        m->flag = kept->block.is_whole;
    }
    bool added = has_arenas(w, m) && sk_wire_add(&w->wire, m);
    n->placing = NULL;
    return added;
}

static bool send(pnode *n, pn_worker *w, const sk_cluster_next_task *next, int64_t now)
{
    sk_task *t = sk_task_at(next->task);
    sk_msg m = { .type = SK_WIRE_RUN, .number = t->fn->index, .more = (uint32_t)w->row, .word = t->seed, .id = next->task, .site = t->site,
                 .nvalues = t->nargs };
    for (unsigned i = 0; i < t->nargs; i++)
        m.values[i] = sk_slot_is_pending(&t->args[i]) ? t->args[i].pending.object->value : t->args[i].value;
    pn_kept kept = { .npins = 0 };
    if (!pn_keep(n, &kept, m.values, m.nvalues) || !add(n, w, &m, t, &kept)) {
        pn_let_go(n, &kept);
        return false;
    }
    w->ahead[w->nahead++] = (pn_ahead){ .task = next->task, .attempt = next->attempt, .fn = t->fn, .expected_ns = next->expected_ns, .sent = now,
                                        .number = pn_open_gate(w),
                                        .kept = kept.npins || kept.block.size ? g_memdup2(&kept, sizeof kept) : NULL };
    w->ahead_ns += next->expected_ns;
    if (n->nahead++ == 0 || n->ahead_rank > pn_rank(next->priority))
        n->ahead_rank = pn_rank(next->priority);
    return true;
}

/* Not behind one that has run for long: who knows when it ends. Gates that were closed are free again when the worker has come to them. */
static bool takes_more(pn_worker *w, int64_t now)
{
    run *r = w->run;
    if (w->state != PN_UP || w->doomed || w->reaped || w->wire.nout || !r || !r->served || !r->listens || r->blocked || r->died
        || now - r->began > LONG_NS)
        return false;
    uint8_t gate = atomic_load(gate_of(w, (uint8_t)(w->sent + 2 * PN_MOST_AHEAD)));
    return gate != SK_GATE_OPEN && gate != SK_GATE_CLOSED;
}

static void fill(pnode *n, pn_worker *w, int64_t now)
{
    sk_cluster_next_task next;
    while (w->nahead < PN_MOST_AHEAD && w->ahead_ns < WORK_NS && sk_ring_writable(&w->to) >= w->wire.nout + ROOM
           && sk_cluster_ahead(n->cluster, 0, w->nahead ? SHORT_NS : ONE_NS, &next))
        if (!send(n, w, &next, now)) {
            sk_cluster_taken_back(n->cluster, next.task, next.attempt);
            break;
        }
    if (w->wire.nout)
        sk_wire_flush(&w->wire);           /* fits: the fiber of its task is not here to wait */
}

void pn_send_ahead(pnode *n)
{
    int64_t now = sk_cluster_waiting(n->cluster) ? pn_now() : 0;
    for (unsigned i = 0; i < n->used && sk_cluster_waiting(n->cluster); i++) {
        pn_worker *w = &n->workers[i];
        if (w->nahead && w->run && now - w->run->began > STRANDED_NS)
            pn_recall(n, w);
        if (w->nahead <= PN_MOST_AHEAD / 2 && w->ahead_ns <= WORK_NS / 2 && takes_more(w, now))
            fill(n, w, now);
    }
}

/* ---- having them back ---- */

static void take_out(pnode *n, pn_worker *w, unsigned from)
{
    for (unsigned i = from; i < w->nahead; i++) {
        w->ahead_ns -= w->ahead[i].expected_ns;
        pn_let_go(n, w->ahead[i].kept);
        g_free(w->ahead[i].kept);
        if (!w->ahead[i].unwanted)
            sk_cluster_taken_back(n->cluster, w->ahead[i].task, w->ahead[i].attempt);
    }
    n->nahead -= w->nahead - from;
    w->nahead = from;
}

bool pn_recall(pnode *n, pn_worker *w)
{
    unsigned kept = w->nahead;
    while (kept && sk_gate_close(gate_of(w, w->ahead[kept - 1].number)))
        kept--;
    take_out(n, w, kept);
    return kept == 0;
}

bool pn_recall_with_run(pnode *n, pn_worker *w) { return pn_recall(n, w) && sk_gate_close(gate_of(w, w->run_number)); }

void pn_take_back_all(pnode *n, pn_worker *w) { take_out(n, w, 0); }

bool pn_recall_all(pnode *n)
{
    size_t had = n->nahead;
    for (unsigned i = 0; had && i < n->used; i++)
        pn_recall(n, &n->workers[i]);
    return n->nahead < had;
}

bool pn_recall_most(pnode *n)
{
    if (sk_cluster_cpus_free(n->cluster, 0) < SK_UNITS)
        return false;
    pn_worker *most = NULL;
    for (unsigned i = 0; i < n->used; i++)
        if (n->workers[i].nahead && (!most || n->workers[i].nahead > most->nahead))
            most = &n->workers[i];
    size_t had = n->nahead;
    if (most)
        pn_recall(n, most);
    return n->nahead < had;
}

static pn_ahead *find(pnode *n, uint64_t task, pn_worker **whose)
{
    for (unsigned i = 0; i < n->used; i++)
        for (unsigned k = 0; k < n->workers[i].nahead; k++)
            if (n->workers[i].ahead[k].task == task) {
                *whose = &n->workers[i];
                return &n->workers[i].ahead[k];
            }
    return NULL;
}

void pn_forget_ahead(pnode *n, uint64_t task)
{
    pn_worker *w;
    if (!n->nahead || !find(n, task, &w))
        return;
    pn_recall(n, w);
    pn_ahead *a = find(n, task, &w);
    if (!a)
        return;
    a->unwanted = true;                    /* its body has begun */
    sk_cluster_ended(n->cluster, a->task, a->attempt, 0);
}

void pn_give_grace(pnode *n, run *r) { sk_events_push(&n->events, pn_now() + GRACE_NS, PN_EVENT_KILL, 0, r->attempt); }

/* ---- one after the other ---- */

static void put_first(pnode *n, pn_worker *w)
{
    w->next_free = n->free;
    n->free = w;
}

bool pn_hand_on(pnode *n, run *r)
{
    pn_worker *w = r->worker;
    if (!w || !w->nahead || w->doomed || w->state != PN_UP)
        return false;
    put_first(n, w);
    int row = w->ahead[0].unwanted ? -1 : sk_cluster_handed_on(n->cluster, r->task, r->attempt, r->body_ns, w->ahead[0].task, w->ahead[0].attempt);
    if (row >= 0)
        w->row = row;
    return row >= 0;
}

void pn_run_next(pnode *n, pn_worker *w)
{
    if (!w->nahead) {                      /* had back meanwhile */
        pn_idle(n, w);
        return;
    }
    pn_ahead a = w->ahead[0];
    memmove(w->ahead, w->ahead + 1, --w->nahead * sizeof *w->ahead);
    w->ahead_ns -= a.expected_ns;
    n->nahead--;
    run *r = pn_new_run(n, a.task, a.attempt, w->row, a.fn);
    r->kept = a.kept;
    if (a.kept && a.kept->block.size) {
        pn_own(r, &a.kept->block);
        a.kept->block.size = 0;
    }
    r->is_there = true;
    r->unwanted = a.unwanted;
    r->sent = a.sent;
    w->run_number = a.number;
    pn_begin(n, r, w);
}
