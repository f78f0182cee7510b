/* processes_wait.c -- who turns the loop of a node of processes, and what it does when there is nothing to do. See processes.c.
 *
 * A thread of the program that waits turns the loop itself, so that what it waits for need not be told to it by another thread. While none waits, the
 * *keeper* does. Only one of them is to wake when a worker rings the node's bell: whoever waits mutes the keeper (relieve_keeper), which sleeps
 * on, and steps aside if it wakes all the same; the last one that has waited calls it back (call_keeper).
 *
 * Who finds nothing to do looks on for some microseconds, then sleeps by the bell, without the turn. It has listened to the bell before it looked for the
 * last time, so nothing is missed in between. If nothing can happen by itself, all stands still: somebody who wants something gets it, or
 * goes without it, or it is a deadlock.
 *
 * A task that waits is a fiber: it only leaves, and the loop goes on without it.
 *
 * This file owns the keeper (keeper, keeper_listens, keeper_muted, keeper_until, has_keeper, aside, waiting, closing) and counts who is blocked.
 *
 * Reading order: is there anything to come; sleeping; a task waits; a thread of the program waits; the keeper; time. */
#include "processes.h"

#include "session.h"
#include "task.h"
#include "turnstile.h"
#include "wait.h"

#include <signal.h>
#include <time.h>

enum { TURNSTILE_NS = 20000000 };

/* ---- is there anything to come? ---- */

/* Anything to hear? Like hear() of processes_loop.c, without doing it: for one who is about to sleep. */
static bool is_audible(pnode *n)
{
    for (unsigned i = 0; i < n->nactive; i++) {
        pn_worker *w = n->active[i];
        if ((w->state == PN_UP || w->state == PN_STARTING) && !w->reaped && (w->run ? w->run->listens : !w->recalling)
            && (sk_ring_readable(&w->process.from) || (w->run && w->wire.nout && sk_ring_writable(&w->process.to))))
            return true;
    }
    return n->some_gone || pn_is_food(n) || (n->far && n->far->is_audible(n));
}

/* Does some worker compute, or is one on its way to somebody who needs it? Then something will happen by itself. */
static bool is_busy(const pnode *n)
{
    size_t waiting = n->blocked + n->pulling + atomic_load_explicit(&n->hungry, relaxed);
    return n->alive > waiting && (n->busy > waiting || n->starting);
}

static bool is_attempt(const pnode *n, uint64_t attempt)
{
    for (const run *r = n->first_run; r; r = r->after)
        if (r->attempt == attempt && !r->died)
            return true;
    return false;
}

/* Will something happen at some time? Times of what is over by now do not count, and go. */
static bool expects_something(pnode *n)
{
    sk_event over;
    for (const sk_event *e; (e = sk_events_peek(&n->events)); sk_events_pop(&n->events, &over))
        if (e->kind == PN_EVENT_ALARM ? sk_task_is_under_way(e->b) : e->kind == PN_EVENT_KILL ? is_attempt(n, e->b) : true)
            return true;
    return false;
}

static bool is_standing_still(pnode *n)
{
    return !is_busy(n) && !n->some_gone && !expects_something(n) && !(n->far && n->far->expects(n)) && !n->held;
}

/* What stands still for want of a process, or of room in the store. */
static bool end_want(pnode *n)
{
    for (pn_host *h = n->hosts; h < n->hosts + n->nhosts; h++)
        if (h->queue && !h->starting && pn_want_worker(h))
            return true;
    return pn_end_hunger(n) || (n->far && n->far->end_want(n));
}

/* Somebody waits, and nothing can happen in here. Attempts that wait for a process get none, or the program's other threads bring something, or it
 * is a deadlock. */
static bool end_standstill(pnode *n)
{
    if (end_want(n))
        return true;
    for (run *r = n->last_run; r; r = r->before)                   /* no process can be had: who waits gives up */
        if (r->blocked && r->host->queue && !r->host->idle && !r->host->starting) {
            sk_wait_give_up(r->wait);
            pn_wake_run(n, r);
            return true;
        }
    sk_lane *mine = sk_lane_self;
    sk_lane_self = n->lane;
    size_t ended = atomic_load_explicit(&n->entering, seq_cst) == 0 ? sk_deadlock() : 0;
    sk_lane_self = mine;
    return ended > 0;
}

/* ---- sleeping ---- */

/* A step, by a thread that is not the loop's own. */
static bool step_for_loop(pnode *n)
{
    sk_lane *mine = sk_lane_self;
    sk_lane_self = n->lane;
    bool did = pn_step(n);
    sk_lane_self = mine;
    if (did)                               /* who wakes for the time alone need not look long */
        sk_spin_found(&n->spin);
    return did;
}

/* By the bell. Who opens the turnstile does not ring it; and it may open at any time, also now. */
static void sleep_by_bell(pnode *n, uint32_t ticket, int64_t ns, bool is_keeper)
{
    if (atomic_load_explicit(&sk_turnstile_is_there, relaxed) && ns > TURNSTILE_NS)
        ns = TURNSTILE_NS;
    if (n->far && is_keeper)
        n->far->keep(n, ticket, ns);
    else if (n->far)
        n->far->sleep(n, ticket, ns);
    else
        sk_bell_sleep(n->bell, ticket, ns);
}

static void look_for_a_while(pnode *n)
{
    int64_t end = pn_now() + SK_SPIN_NS;
    while (!is_audible(n) && !atomic_load_explicit(&n->entering, relaxed) && pn_now() < end)
        for (int i = 0; i < 20; i++)
            sk_pause();
}

/* Where there are several nodes to look is to take a step, or what has come would be asked for twice. Every second one looks at a single node only. true: one was
 * taken. */
static bool step_for_a_while(pnode *n)
{
    bool did = false;
    while (!did && !atomic_load_explicit(&n->entering, relaxed) && sk_spin_on(&n->spin)) {
        n->glances = !n->glances;
        did = step_for_loop(n);
    }
    n->glances = false;                    /* that nothing more comes is judged after a look at all */
    return did;
}

/* Sleeps by the bell, without the turn, until something may have happened, or this time. */
static void doze(pnode *n, int64_t until)
{
    int64_t next = sk_events_next(&n->events);
    if (until > next)
        until = next;
    if (!n->far)
        look_for_a_while(n);
    else if (step_for_a_while(n))
        return;
    uint32_t ticket = sk_bell_listen(n->bell);
    bool stay = is_audible(n);
    pn_away a = pn_go_away(n);
    int64_t left = until == SK_NEVER ? SK_NEVER : until - pn_now();
    if (!stay && !atomic_load_explicit(&n->entering, seq_cst) && left > 0)
        sleep_by_bell(n, ticket, left, false);
    sk_bell_awake(n->bell);
    pn_come_back(n, a);
}

/* ---- a task waits ---- */

/* Too many wait. Whoever is nested deepest gives up, for that is what has brought us here; true: it is this one. */
static bool give_up_deepest(pnode *n, run *r)
{
    run *deepest = r;
    for (run *other = n->first_run; other; other = other->after)
        if (other->blocked && !other->died && other->host == r->host && other->nesting > deepest->nesting)
            deepest = other;
    if (deepest == r)
        return true;
    sk_wait_give_up(deepest->wait);
    pn_wake_run(n, deepest);
    return false;
}

static void wait_in_task(pnode *n, run *r, sk_wait *wait)
{
    if (r->host->blocked + 1 >= r->host->most && give_up_deepest(n, r)) {     /* one must be left for what they wait for */
        sk_wait_give_up(wait);
        return;
    }
    int64_t deadline = sk_wait_deadline(wait);
    pn_recall(n, r->worker);
    pn_lend_cpu(n, r);
    r->due = false;
    r->wait = wait;
    r->blocked = true;
    r->host->blocked++;
    if (++n->blocked > n->blocked_peak)
        n->blocked_peak = n->blocked;
    if (deadline != SK_NEVER)
        sk_events_set(&n->events, r->handle, deadline, PN_EVENT_RUN, (uint64_t)(uintptr_t)r);
    while (!sk_wait_over(wait) && !r->due && !r->died)
        pn_leave_fiber(r);
    sk_events_cancel(&n->events, r->handle);
    r->blocked = false;
    r->host->blocked--;
    n->blocked--;
    if (!r->died)
        sk_cluster_unblocked(n->cluster, r->task, r->attempt);
}

/* ---- a thread of the program waits ---- */

static void mute_keeper(pnode *n, bool muted)
{
    n->keeper_muted = muted;
    if (n->far)
        n->far->mute(n, muted);
}

/* A thread of the program turns the loop from here on: the keeper need not. */
static void relieve_keeper(pnode *n)
{
    n->waiting++;
    if (n->keeper_listens && !n->keeper_muted) {
        mute_keeper(n, true);
        sk_bell_awake(n->bell);
    }
}

static void call_keeper(pnode *n)
{
    if (--n->waiting > 0)
        return;
    sk_bell_ring(&n->aside);
    if (n->keeper_listens && n->keeper_muted && n->far) {
        n->far->call(n);
    } else if (n->keeper_listens && n->keeper_muted) {
        mute_keeper(n, false);
        sk_bell_listen(n->bell);
        if (is_audible(n) || sk_events_next(&n->events) < n->keeper_until)
            pn_ring(n);
    }
}

/* Between two steps: whoever is at the door comes in. */
static void let_in(pnode *n)
{
    if (atomic_load_explicit(&n->entering, relaxed)) {
        pn_away a = pn_go_away(n);
        pn_come_back(n, a);
    }
}

static void wait_in_program(pnode *n, sk_wait *wait)
{
    int64_t deadline = sk_wait_deadline(wait);
    relieve_keeper(n);
    while (!sk_wait_over(wait)) {
        if (step_for_loop(n)) {
            let_in(n);
            continue;
        }
        if (deadline != SK_NEVER && pn_now() >= deadline)
            break;
        if (deadline == SK_NEVER && is_standing_still(n)) {
            if (!end_standstill(n))
                doze(n, pn_now() + 10000000);
            continue;
        }
        doze(n, deadline);
    }
    n->leaving = true;                     /* what else has come is dealt with at once, or the keeper would wake for it */
    while (step_for_loop(n))
        ;
    n->leaving = false;
    call_keeper(n);
}

bool pn_go_on(pnode *n, int64_t until)
{
    if (step_for_loop(n)) {
        let_in(n);
        return true;
    }
    if (is_standing_still(n))
        return end_want(n);
    doze(n, until);
    return true;
}

void pn_wait(sk_backend *self, sk_wait *wait)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    if (n->current && pn_in_loop(n))
        wait_in_task(n, n->current, wait);
    else
        wait_in_program(n, wait);
    pn_leave(n);
}

void pn_wake(sk_backend *self, void *thread)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    if (thread == n)
        n->look_at_all = true;
    else if (thread)
        pn_wake_run(n, thread);
    else
        pn_ring(n);
    pn_leave(n);
}

void pn_drain(sk_backend *self)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    relieve_keeper(n);
    for (;;) {
        if (step_for_loop(n))
            continue;
        if (!n->alive && !n->held)
            break;
        if (!is_standing_still(n)) {
            doze(n, SK_NEVER);
        } else if (atomic_load_explicit(&n->entering, seq_cst)) {      /* perhaps only the keeper, on its way aside: first that is seen */
            pn_away a = pn_go_away(n);
            pn_come_back(n, a);
        } else if (!end_standstill(n)) {
            break;
        }
    }
    call_keeper(n);
    pn_leave(n);
}

/* ---- the keeper ---- */

/* Until no thread of the program waits. */
static void step_aside(pnode *n)
{
    uint32_t ticket = sk_bell_listen(&n->aside);
    pthread_mutex_unlock(&n->turn);
    if (!atomic_load(&n->closing))
        sk_bell_sleep(&n->aside, ticket, SK_NEVER);
    sk_bell_awake(&n->aside);
    pn_lock_turn(n);
}

/* Turns the loop while no thread of the program does. `keeper_muted`: one waits in it, and the bell does not count the keeper, which sleeps on; if it
 * rings for that thread all the same it steps aside. */
static void *keep(void *data)
{
    pnode *n = data;
    pn_lock_turn(n);
    while (!atomic_load(&n->closing)) {
        if (n->waiting) {
            step_aside(n);
            continue;
        }
        sk_lane_self = n->lane;
        bool did = pn_step(n);
        sk_lane_self = NULL;
        if (did && !atomic_load_explicit(&n->entering, relaxed))
            continue;
        if (did) {
            pthread_mutex_unlock(&n->turn);
            sched_yield();
            pn_lock_turn(n);
            continue;
        }
        uint32_t ticket = sk_bell_listen(n->bell);
        if (is_audible(n) || atomic_load(&n->closing)) {
            sk_bell_awake(n->bell);
            continue;
        }
        n->keeper_listens = true;
        n->keeper_muted = false;
        int64_t next = n->keeper_until = sk_events_next(&n->events), left = next == SK_NEVER ? SK_NEVER : next - pn_now();
        pthread_mutex_unlock(&n->turn);
        if (left > 0)
            sleep_by_bell(n, ticket, left, true);
        pn_lock_turn(n);
        if (n->keeper_muted)
            mute_keeper(n, false);
        else
            sk_bell_awake(n->bell);
        n->keeper_listens = false;
    }
    pthread_mutex_unlock(&n->turn);
    return NULL;
}

bool pn_start_keeper(pnode *n)
{
    sigset_t all, before;
    sigfillset(&all);
    for (size_t i = 0; i < 5; i++)
        sigdelset(&all, (const int[]){ SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT }[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    n->has_keeper = pthread_create(&n->keeper, NULL, keep, n) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n->has_keeper;
}

void pn_stop(pnode *n)
{
    atomic_store(&n->closing, true);
    if (n->has_keeper) {
        if (n->far)
            n->far->mute(n, false);
        pn_ring_anyway(n);
        sk_bell_ring_anyway(&n->aside);
        pthread_join(n->keeper, NULL);
    }
    n->has_keeper = false;
}

/* ---- time ---- */

/* In the program: without the turn. (Tasks sleep and compute in their workers.) */
void pn_sleep(sk_backend *self, int64_t ns)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    pn_away a = pn_go_away(n);
    struct timespec ts = { ns / 1000000000, ns % 1000000000 };
    while (nanosleep(&ts, &ts) != 0)
        ;
    pn_come_back(n, a);
    pn_leave(n);
}

void pn_compute(sk_backend *self, double units)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    pn_away a = pn_go_away(n);
    sk_compute_here(units);
    pn_come_back(n, a);
    pn_leave(n);
}

void pn_alarm(sk_backend *self, int64_t at, sk_task_name task)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    sk_events_push(&n->events, at, PN_EVENT_ALARM, 0, task.id);
    if (n->keeper_listens || n->waiting)   /* they must not sleep past this */
        pn_ring_anyway(n);
    pn_leave(n);
}
