/* processes_loop.c -- the turn and the loop: one thread at a time moves a node of processes forward, step by step. See processes.c.
 *
 * The turn is a mutex with a memory: who holds it may call in again (`depth`), and `entering` counts who is about to ask for it, so that whoever turns the
 * loop for long can step aside. Everything in a pnode is the turn's, if its comment does not say otherwise.
 *
 * The loop is `pn_step`: it does the first thing of a fixed order that can be done, and says whether there was one. Who turns it, and what that thread does
 * when there is nothing, is processes_wait.c's. The order is by what others wait for: what is there already, then processes, then the
 * scheduler's commands, then what workers say, then times.
 *
 * This file owns the turn (turn, holder, depth, entering, leaving) and the fibers that may go on (runnable).
 *
 * Reading order: the turn; what a step may find; the step. */
#include "processes.h"

#include "session.h"
#include "task.h"
#include "turnstile.h"
#include "wait.h"

#include <signal.h>

enum { KILL_AFTER_NS = 2000000000 };

/* ---- the turn ---- */

void pn_lock_turn(pnode *n)
{
    atomic_fetch_add_explicit(&n->entering, 1, seq_cst);
    pthread_mutex_lock(&n->turn);
    atomic_fetch_sub_explicit(&n->entering, 1, seq_cst);
}

void pn_enter(pnode *n)
{
    if (pn_in_loop(n))
        return;
    if (atomic_load_explicit(&n->holder, relaxed) == sk_lane_self) {
        n->depth++;
        return;
    }
    pn_lock_turn(n);
    atomic_store_explicit(&n->holder, sk_lane_self, relaxed);
    n->depth = 1;
}

/* What the call has made possible is begun before it returns. */
void pn_leave(pnode *n)
{
    if (pn_in_loop(n) || --n->depth > 0)
        return;
    sk_lane *mine = sk_lane_self;
    sk_lane_self = n->lane;
    n->leaving = true;
    while (pn_step(n))
        ;
    n->leaving = false;
    sk_lane_self = mine;
    atomic_store_explicit(&n->holder, NULL, relaxed);
    pthread_mutex_unlock(&n->turn);
}

void pn_enter_slot(sk_backend *self) { pn_enter(pn_of(self)); }
void pn_leave_slot(sk_backend *self) { pn_leave(pn_of(self)); }

pn_away pn_go_away(pnode *n)
{
    pn_away a = { atomic_load_explicit(&n->holder, relaxed), n->depth };
    atomic_store_explicit(&n->holder, NULL, relaxed);
    pthread_mutex_unlock(&n->turn);
    return a;
}

void pn_come_back(pnode *n, pn_away a)
{
    pn_lock_turn(n);
    atomic_store_explicit(&n->holder, a.lane, relaxed);
    n->depth = a.depth;
}

/* ---- what a step may find ---- */

void pn_wake_run(pnode *n, run *r)
{
    if (r->runnable || r->died || r == n->current)
        return;
    r->runnable = true;
    r->next = NULL;
    *n->runnable_end = r;
    n->runnable_end = &r->next;
}

static void look_at(sk_strand *strand, void *data)
{
    sk_wait *wait = atomic_load_explicit(&strand->waiting, relaxed);
    if (wait && wait->task && sk_wait_over(wait))
        pn_wake_run(data, sk_wait_thread(wait));
}

/* Its time is up. The body is asked to go, and then made to. */
static void alarm_rings(pnode *n, uint64_t task)
{
    sk_task_alarm((sk_task_name){ task });
    run *r = pn_run_of(n, task);
    if (r && r->worker && sk_task_flags(task) & SK_FLAG_TIMED_OUT) {
        pn_end_process(r, SIGTERM);
        sk_events_push(&n->events, pn_now() + KILL_AFTER_NS, PN_EVENT_KILL, 0, r->attempt);
    }
}

static void happen(pnode *n, const sk_event *e)
{
    switch (e->kind) {
    case PN_EVENT_RUN: {
        run *r = (run *)(uintptr_t)e->b;
        r->due = true;
        pn_wake_run(n, r);
        return;
    }
    case PN_EVENT_FAR:                     /* its time has come: far->step looks */
        return;
    case PN_EVENT_ALARM:
        alarm_rings(n, e->b);
        return;
    case PN_EVENT_KILL:
        for (run *r = n->first_run; r; r = r->after)
            if (r->attempt == e->b && r->worker && !r->died)
                pn_end_process(r, SIGKILL);
        return;
    }
}

/* A frame of some worker, or room for one of ours: whoever waits for it goes on. */
static bool hear(pnode *n)
{
    for (unsigned i = 0; i < n->nactive; i++) {
        pn_worker *w = n->active[i];
        sk_ring_end *to = &w->process.to, *from = &w->process.from;
        if ((w->state != PN_UP && w->state != PN_STARTING) || w->reaped)
            continue;
        run *r = w->run;
        if (r ? !r->listens || r->runnable : w->recalling)
            continue;
        if (r && (sk_ring_readable(from) || (w->wire.nout && sk_ring_writable(to)) || from->broken || to->broken)) {
            r->listens = false;
            pn_resume(n, r);
            return true;
        }
        if (!r && sk_ring_readable(from)) {
            pn_hello(n, w);
            return true;
        }
    }
    return false;
}

/* ---- the step ---- */

static bool turnstile_is_there(void) { return atomic_load_explicit(&sk_turnstile_is_there, relaxed); }

bool pn_step(pnode *n)
{
    if (n->look_at_all) {
        n->look_at_all = false;
        sk_strands_visit(look_at, n);
        pn_wake_hungry(n);
    }
    pn_worker *w = n->free;
    if (w) {
        n->free = w->next_free;
        pn_run_next(n, w);
        return true;
    }
    if (pn_feed(n))
        return true;
    run *r = n->runnable;
    if (r) {
        n->runnable = r->next;
        if (!n->runnable)
            n->runnable_end = &n->runnable;
        r->runnable = false;
        if (!r->ended)
            pn_resume(n, r);
        return true;
    }
    if (n->some_gone) {
        pn_bury_gone(n);
        return true;
    }
    if (pn_assign(n))
        return true;
    sk_command command;
    if (turnstile_is_there())
        sk_cluster_hold(n->cluster, !sk_turnstile_may_start());
    if (sk_cluster_next(n->cluster, &command)) {
        if (command.kind == SK_COMMAND_START) {
            sk_turnstile_started();
            pn_start(n, &command);
        } else if (n->far) {
            n->far->command(n, &command);
        }
        return true;
    }
    if (n->recall_all) {
        n->recall_all = false;
        pn_recall_all(n);
        return true;
    }
    if (n->nahead && pn_recall_most(n))
        return true;
    n->held = turnstile_is_there() && sk_cluster_is_holding(n->cluster);
    if (n->busy && !turnstile_is_there())
        pn_send_ahead(n);
    if (hear(n))
        return true;
    if (n->far && n->far->step(n))
        return true;
    if (sk_events_next(&n->events) > pn_now())
        return false;
    sk_event e;
    sk_events_pop(&n->events, &e);
    happen(n, &e);
    return true;
}
