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
 * Gates of another host's workers are closed by its node, which is asked to, and says what they were then. In between (`recalling`) nothing more is sent, and when
 * the task that runs ends its worker is not idle: whether it has begun the next one is not known.
 *
 * What is sent ahead takes its large arguments along, pinned, and a block for what it makes, so that it need not ask for that (pn_foresee). */
#include "processes.h"

#include "fn.h"
#include "session.h"
#include "task.h"

enum { WORK_NS = 100000, FAR_WORK_NS = 1000000,         /* sent to one process at most: of this host, of another */
       SHORT_PARTS = 3, LONG_NS = 5 * WORK_NS,          /* of that, what is short; what is long */
       ONE_NS = 5000000, STRANDED_NS = 4 * ONE_NS,      /* what the only one may take; behind what has run for so long nothing stays */
       GRACE_NS = 50000000,                             /* for a body that nobody wants: then its process is ended */
       LIGHT_BYTES = 24 << 10, ROOM = 100 << 10 };      /* all arguments of a light task; of the ring, for the next one */

/* Its arguments go into the message as they are: scalars, text, arrays that travel anyway, and places in the store. No options but a name and a node. */
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
    const sk_extras *e = t->extras;
    bool is_plain = !e || (!e->unusual && !e->retry_errors && e->timeout == SK_NEVER && e->max_retries == SK_DEFAULT_RETRIES);
    return is_plain && bytes <= LIGHT_BYTES;
}

int pn_rank(int priority) { return priority >> 1; }     /* without the last bit, see pn_announce */

static _Atomic uint8_t *gate_of(pn_worker *w, uint8_t number) { return &w->process.page->gates[number]; }

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
    pn_foresee(n, w, t->fn, m, &kept->block);
    bool added = has_arenas(w, m) && sk_wire_add(&w->wire, m);
    n->placing = NULL;
    return added;
}

static bool send(pnode *n, pn_worker *w, const sk_cluster_next_task *next, int64_t now)
{
    sk_task *t = sk_task_at(next->task);
    sk_msg m = { .type = SK_WIRE_RUN, .number = t->fn->index, .more = (uint32_t)w->row, .word = t->seed, .id = next->task, .site = t->site,
                 .text = t->extras ? t->extras->name : NULL, .nvalues = t->nargs };
    for (unsigned i = 0; i < t->nargs; i++)
        m.values[i] = sk_slot_is_pending(&t->args[i]) ? t->args[i].pending.object->value : t->args[i].value;
    pn_kept kept = { .npins = 0 };
    if (!pn_keep(w->host, &kept, m.values, m.nvalues) || !add(n, w, &m, t, &kept)) {
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

/* Not behind one that has run for long: who knows when it ends. */
static bool takes_more(const pn_worker *w, int64_t now)
{
    const run *r = w->run;
    return w->state == PN_UP && !w->doomed && !w->reaped && !w->recalling && !w->wire.nout && r && r->served && r->listens && !r->blocked && !r->died
           && now - r->began <= LONG_NS;
}

/* A gate serves again when the worker has come to it, also if it was closed. How far it has come is known of what has ended. */
static bool has_gate(const pn_worker *w) { return (uint8_t)(w->sent + 1 - w->heard) < SK_GATES_AHEAD; }

static int64_t work_of(const pn_worker *w) { return w->host->number ? FAR_WORK_NS : WORK_NS; }

static void fill(pnode *n, pn_worker *w, int64_t now)
{
    sk_cluster_next_task next;
    while (w->nahead < PN_MOST_AHEAD && w->ahead_ns < work_of(w) && has_gate(w) && sk_ring_writable(&w->process.to) >= w->wire.nout + ROOM
           && sk_cluster_ahead(n->cluster, w->host->number, w->nahead ? work_of(w) / SHORT_PARTS : ONE_NS, &next))
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
    for (unsigned i = 0; i < n->nactive && sk_cluster_waiting(n->cluster); i++) {
        pn_worker *w = n->active[i];
        if (w->nahead && w->run && now - w->run->began > STRANDED_NS)
            pn_recall(n, w);
        if (w->nahead <= PN_MOST_AHEAD / 2 && w->ahead_ns <= work_of(w) / 2 && takes_more(w, now))
            fill(n, w, now);
    }
}

/* ---- one after the other ---- */

/* The next one has the cpu and the row of what has ended; NULL: it takes a cpu, and some row. false: the scheduler has not heard of the end. */
static bool hand_on(pnode *n, pn_worker *w, const run *ended)
{
    static const run none;
    const run *r = ended ? ended : &none;
    w->next_free = n->free;
    n->free = w;
    int row = w->ahead[0].unwanted ? -1 : sk_cluster_handed_on(n->cluster, r->task, r->attempt, r->body_ns, w->ahead[0].task, w->ahead[0].attempt);
    if (row >= 0)
        w->row = row;
    return row >= 0;
}

bool pn_hand_on(pnode *n, run *r)
{
    pn_worker *w = r->worker;
    return w && w->nahead && !w->recalling && !w->doomed && w->state == PN_UP && hand_on(n, w, r);
}

void pn_take_free(pnode *n, pn_worker *w)
{
    for (pn_worker **at = &n->free; *at; )
        if (*at == w) {
            *at = w->next_free;
            pn_run_next(n, w);
            at = &n->free;                 /* that one may have ended at once */
        } else {
            at = &(*at)->next_free;
        }
}

void pn_run_next(pnode *n, pn_worker *w)
{
    if (w->recalling)                      /* see pn_recalled */
        return;
    if (!w->nahead) {                      /* had back meanwhile */
        pn_idle(w);
        return;
    }
    pn_ahead a = w->ahead[0];
    memmove(w->ahead, w->ahead + 1, --w->nahead * sizeof *w->ahead);
    w->ahead_ns -= a.expected_ns;
    n->nahead--;
    run *r = pn_new_run(w->host, a.task, a.attempt, w->row, a.fn);
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

/* ---- having them back ---- */

/* The scheduler knows no more of those whose node was lost. */
static void take_out(pnode *n, pn_worker *w, unsigned from)
{
    unsigned had = w->nahead;
    w->nahead = from;
    n->nahead -= had - from;
    for (unsigned i = from; i < had; i++) {
        pn_ahead *a = &w->ahead[i];
        w->ahead_ns -= a->expected_ns;
        pn_let_go(n, a->kept);
        g_free(a->kept);
        if (!a->unwanted && !sk_cluster_taken_back(n->cluster, a->task, a->attempt) && sk_task_is_ready((sk_task_name){ a->task }))
            pn_announce(n, a->task);
    }
}

bool pn_recall(pnode *n, pn_worker *w)
{
    unsigned kept = w->nahead;
    if (w->host->number && kept && !w->recalling) {
        w->recalling = true;
        n->far->recall(w, w->ahead[0].number, w->ahead[kept - 1].number);
    }
    if (w->recalling)
        return false;
    while (kept && sk_gate_close(gate_of(w, w->ahead[kept - 1].number)))
        kept--;
    take_out(n, w, kept);
    return kept == 0;
}

bool pn_recall_with_run(pnode *n, pn_worker *w)
{
    return pn_recall(n, w) && !w->host->number && sk_gate_close(gate_of(w, w->run_number));
}

/* Closed. The worker may have come to it before its node wrote down what the gates were: then it is DONE. */
static bool was_closed(pn_worker *w, uint8_t number)
{
    uint8_t gate = atomic_load(gate_of(w, number));
    return gate == SK_GATE_CLOSED || gate == SK_GATE_DONE;
}

/* If its task has ended meanwhile, what became of the next one was not known until now. */
void pn_recalled(pnode *n, pn_worker *w)
{
    unsigned kept = w->nahead;
    while (kept && was_closed(w, w->ahead[kept - 1].number))
        kept--;
    int sig = w->end_with;
    w->recalling = false;
    w->end_with = 0;
    take_out(n, w, kept);
    if (!w->run && kept)
        hand_on(n, w, NULL);
    else if (!w->run)
        pn_idle(w);
    else if (sig && !kept)
        pn_end_alone(n, w, sig);
}

void pn_end_alone(pnode *n, pn_worker *w, int sig)
{
    bool is_alone = pn_recall(n, w);
    if (w->recalling)
        w->end_with = sig;
    if (!is_alone)
        return;                            /* its task has ended, and what says so is on its way; or we shall see */
    w->doomed = true;
    pn_signal(w, sig);
}

void pn_take_back_all(pnode *n, pn_worker *w)
{
    w->recalling = false;
    w->end_with = 0;
    take_out(n, w, 0);
}

bool pn_recall_all(pnode *n)
{
    size_t had = n->nahead;
    for (unsigned i = 0; had && i < n->nactive; i++)
        pn_recall(n, n->active[i]);
    return n->nahead < had;
}

bool pn_recall_most(pnode *n)
{
    pn_worker *most = NULL;
    for (unsigned i = 0; i < n->nactive; i++) {
        pn_worker *w = n->active[i];
        if (w->nahead && !w->recalling && (!most || w->nahead > most->nahead) && sk_cluster_cpus_free(n->cluster, w->host->number) >= SK_UNITS)
            most = w;
    }
    size_t had = n->nahead;
    if (most)
        pn_recall(n, most);
    return n->nahead < had;
}

static pn_ahead *find(pnode *n, uint64_t task, pn_worker **whose)
{
    for (unsigned i = 0; i < n->nactive; i++)
        for (unsigned k = 0; k < n->active[i]->nahead; k++)
            if (n->active[i]->ahead[k].task == task) {
                *whose = n->active[i];
                return &n->active[i]->ahead[k];
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
