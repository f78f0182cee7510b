/* processes.c -- one node: worker processes around a shared-memory object store. A worker that dies costs a retry, and nothing else.
 *
 * The idea. The graph is in the driver's process, and one thread at a time calls it (it holds the `turn`). A task's body runs in a worker
 * process; for each attempt the node has a *fiber* that stands for the body: it sends the function's name and the arguments off, makes the calls
 * that come back, and leaves with the answers. So a task is in this process all that it is on any other backend, a frame with refs,
 * children and a parent; only its C runs elsewhere. If the process dies, the fiber is told, and the graph decides (sk_task_died).
 *
 *     program thread: sk_get --> wait: the loop, step by step, until the wait is over
 *                                |
 *       step: a fiber that may go on | a frame of a worker | a command of the scheduler (cluster.h) | a death | a time
 *
 *     keeper:     turns the loop while no thread of the program waits in it
 *     attendant:  starts worker processes, waits for their ends, and passes on what they print (processes_workers.c)
 *
 * Who finds nothing to do spins for some microseconds, then sleeps by the node's bell, which workers ring. A thread of the program that waits
 * mutes the keeper, so that a round trip wakes one thread, not two.
 *
 * Placement is the scheduler's, as on `virtual`; which process takes an attempt is ours: the one that was idle last. A task that waits keeps
 * its process and gives back its cpus, so another process takes over, up to a bound.
 *
 * Reading order: the turn; the loop; waiting; the keeper; asking; open and close; the table. Then processes_tasks.c, _ahead.c, _workers.c, _store.c,
 * _room.c, and worker.c, the other side. */
#include "processes.h"

#include "backends.h"
#include "cluster_file.h"
#include "live.h"
#include "memory.h"
#include "session.h"
#include "task.h"
#include "turnstile.h"
#include "wait.h"

#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { KILL_AFTER_NS = 2000000000, MOST_NESTING = 1 << 14, TURNSTILE_NS = 20000000 };

int64_t pn_now(void) { return sk_session_monotonic(); }

/* ---- the turn ---- */

static bool in_loop(const pnode *n) { return sk_lane_self == n->lane; }

static void take_turn(pnode *n)
{
    atomic_fetch_add_explicit(&n->entering, 1, seq_cst);
    pthread_mutex_lock(&n->turn);
    atomic_fetch_sub_explicit(&n->entering, 1, seq_cst);
}

void pn_enter(pnode *n)
{
    if (in_loop(n))
        return;
    if (atomic_load_explicit(&n->holder, relaxed) == sk_lane_self) {
        n->depth++;
        return;
    }
    take_turn(n);
    atomic_store_explicit(&n->holder, sk_lane_self, relaxed);
    n->depth = 1;
}

static bool step(pnode *n);

/* What the call has made possible is begun before it returns. */
void pn_leave(pnode *n)
{
    if (in_loop(n) || --n->depth > 0)
        return;
    sk_lane *mine = sk_lane_self;
    sk_lane_self = n->lane;
    n->leaving = true;
    while (step(n))
        ;
    n->leaving = false;
    sk_lane_self = mine;
    atomic_store_explicit(&n->holder, NULL, relaxed);
    pthread_mutex_unlock(&n->turn);
}

void pn_enter_slot(sk_backend *self) { pn_enter(pn_of(self)); }
void pn_leave_slot(sk_backend *self) { pn_leave(pn_of(self)); }

/* Lets others have the turn, with all that goes with it, while f runs. */
typedef struct away { sk_lane *lane; int depth; } away;

static away go_away(pnode *n)
{
    away a = { atomic_load_explicit(&n->holder, relaxed), n->depth };
    atomic_store_explicit(&n->holder, NULL, relaxed);
    pthread_mutex_unlock(&n->turn);
    return a;
}

static void come_back(pnode *n, away a)
{
    take_turn(n);
    atomic_store_explicit(&n->holder, a.lane, relaxed);
    n->depth = a.depth;
}

/* ---- the loop ---- */

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

/* Children go before new siblings, or each sibling would need a process that waits. */
int pn_depth_of(pnode *n, uint64_t task)
{
    uint64_t parent = atomic_load_explicit(&sk_task_at(task)->parent, relaxed);
    run *r = parent ? pn_run_of(n, parent) : NULL;
    return r ? r->nesting + 1 : 0;
}

void pn_announce(pnode *n, uint64_t task)
{
    sk_task *t = sk_task_at(task);
    uint64_t keys[SK_MAX_ARGS];
    sk_cluster_task ready = { .id = task, .fn = t->fn->index, .order = ++n->order, .affinity = -1, .args = keys,
                              .home = n->current ? n->current->host->number : n->far ? 0 : -1, .is_light = pn_is_light(task) };
    ready.demand.cpus = SK_UNITS;
    if (t->extras) {
        ready.demand = t->extras->demand;
        ready.priority = t->extras->priority;
        ready.affinity = t->extras->node;
    }
    int nearness = 2 * pn_depth_of(n, task), most = MOST_NESTING - 2;
    for (unsigned i = 0; i < t->nargs; i++)
        if (sk_slot_is_pending(&t->args[i])) {
            nearness++;                    /* it uses up what others have made, whose memory then serves again, still warm */
            break;
        }
    ready.priority = CLAMP(ready.priority, INT_MIN / MOST_NESTING, INT_MAX / MOST_NESTING) * MOST_NESTING + MIN(nearness, most);
    n->recall_all |= n->nahead && pn_rank(ready.priority) > n->ahead_rank;
    pn_keep_arguments(n, t);
    if (n->far)
        ready.nargs = n->far->keys(n, t, keys);
    sk_cluster_ready(n->cluster, &ready);
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

/* Anything to hear? Like hear(), without doing it: for one who is about to sleep. */
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

static bool turnstile_is_there(void) { return atomic_load_explicit(&sk_turnstile_is_there, relaxed); }

static bool step(pnode *n)
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

/* ---- waiting ---- */

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

/* By the bell. Who opens the turnstile does not ring it; and it may open at any time, also now. */
static void sleep_by_bell(pnode *n, uint32_t ticket, int64_t ns, bool is_keeper)
{
    if (turnstile_is_there() && ns > TURNSTILE_NS)
        ns = TURNSTILE_NS;
    if (n->far && is_keeper)
        n->far->keep(n, ticket, ns);
    else if (n->far)
        n->far->sleep(n, ticket, ns);
    else
        sk_bell_sleep(n->bell, ticket, ns);
}

static void mute_keeper(pnode *n, bool muted)
{
    n->keeper_muted = muted;
    if (n->far)
        n->far->mute(n, muted);
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

static void look_for_a_while(pnode *n)
{
    int64_t end = pn_now() + SK_SPIN_NS;
    for (bool on = true; on && !is_audible(n) && !atomic_load_explicit(&n->entering, relaxed); ) {
        for (int i = 0; !n->far && i < 20; i++)
            sk_pause();
        on = n->far ? sk_spin_on(&n->spin) : pn_now() < end;
    }
}

/* Sleeps by the bell, without the turn, until something may have happened, or this time. */
static void doze(pnode *n, int64_t until)
{
    int64_t next = sk_events_next(&n->events);
    if (until > next)
        until = next;
    look_for_a_while(n);
    uint32_t ticket = sk_bell_listen(n->bell);
    bool stay = is_audible(n);
    away a = go_away(n);
    int64_t left = until == SK_NEVER ? SK_NEVER : until - pn_now();
    if (!stay && !atomic_load_explicit(&n->entering, seq_cst) && left > 0)
        sleep_by_bell(n, ticket, left, false);
    sk_bell_awake(n->bell);
    come_back(n, a);
    if (is_audible(n))                     /* (who wakes for the time alone need not look long) */
        sk_spin_found(&n->spin);
}

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
    sk_cluster_blocked(n->cluster, r->task, r->attempt);
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
    if (n->keeper_listens && n->keeper_muted) {
        mute_keeper(n, false);
        sk_bell_listen(n->bell);
        if (is_audible(n) || sk_events_next(&n->events) < n->keeper_until)
            pn_ring(n);
    }
}

static void wait_in_program(pnode *n, sk_wait *wait)
{
    sk_lane *mine = sk_lane_self;
    int64_t deadline = sk_wait_deadline(wait);
    relieve_keeper(n);
    while (!sk_wait_over(wait)) {
        sk_lane_self = n->lane;
        bool did = step(n);
        sk_lane_self = mine;
        if (did) {
            if (atomic_load_explicit(&n->entering, relaxed)) {
                away a = go_away(n);
                come_back(n, a);
            }
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
    call_keeper(n);
}

bool pn_go_on(pnode *n, int64_t until)
{
    sk_lane *mine = sk_lane_self;
    sk_lane_self = n->lane;
    bool did = step(n);
    sk_lane_self = mine;
    if (did && atomic_load_explicit(&n->entering, relaxed)) {
        away a = go_away(n);
        come_back(n, a);
    }
    if (did)
        return true;
    if (is_standing_still(n))
        return end_want(n);
    doze(n, until);
    return true;
}

void pn_wait(sk_backend *self, sk_wait *wait)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    if (n->current && in_loop(n))
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
    sk_lane *mine = sk_lane_self;
    for (;;) {
        sk_lane_self = n->lane;
        bool did = step(n);
        sk_lane_self = mine;
        if (did)
            continue;
        if (!n->alive && !n->held)
            break;
        if (!is_standing_still(n)) {
            doze(n, SK_NEVER);
        } else if (atomic_load_explicit(&n->entering, seq_cst)) {      /* perhaps only the keeper, on its way aside: first that is seen */
            away a = go_away(n);
            come_back(n, a);
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
    take_turn(n);
}

/* Turns the loop while no thread of the program does. `keeper_muted`: one waits in it, and the bell does not count the keeper, which sleeps on; if it
 * rings for that thread all the same it steps aside. */
static void *keep(void *data)
{
    pnode *n = data;
    take_turn(n);
    while (!atomic_load(&n->closing)) {
        if (n->waiting) {
            step_aside(n);
            continue;
        }
        sk_lane_self = n->lane;
        bool did = step(n);
        sk_lane_self = NULL;
        if (did && !atomic_load_explicit(&n->entering, relaxed))
            continue;
        if (did) {
            pthread_mutex_unlock(&n->turn);
            sched_yield();
            take_turn(n);
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
        take_turn(n);
        if (n->keeper_muted)
            mute_keeper(n, false);
        else
            sk_bell_awake(n->bell);
        n->keeper_listens = false;
    }
    pthread_mutex_unlock(&n->turn);
    return NULL;
}

/* ---- time ---- */

/* In the program: without the turn. (Tasks sleep and compute in their workers.) */
void pn_sleep(sk_backend *self, int64_t ns)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    away a = go_away(n);
    struct timespec ts = { ns / 1000000000, ns % 1000000000 };
    while (nanosleep(&ts, &ts) != 0)
        ;
    come_back(n, a);
    pn_leave(n);
}

void pn_compute(sk_backend *self, double units)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    away a = go_away(n);
    sk_compute_here(units);
    come_back(n, a);
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

/* ---- tasks ---- */

void pn_ready(sk_backend *self, sk_task_name task)
{
    pnode *n = pn_of(self);
    if (n->current && in_loop(n) && n->current->task == task.id && !n->current->died) {
        n->current->again = true;          /* a retry: the attempt before is still under way, for a few lines of code */
        return;
    }
    pn_enter(n);
    pn_announce(n, task.id);
    pn_leave(n);
}

void pn_forget(sk_backend *self, sk_task_name task)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    pn_forget_ahead(n, task.id);
    sk_cluster_cancel(n->cluster, task.id);
    pn_leave(n);
}

void pn_kill(sk_backend *self, sk_task_name task)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    run *r = pn_run_of(n, task.id);
    if (r && r->worker)
        pn_end_process(r, SIGKILL);
    pn_leave(n);
}

void pn_spend(sk_backend *self, sk_operation what, size_t bytes) { (void)self, (void)what, (void)bytes; }
static void pn_freed(sk_backend *self, uint64_t object) { (void)self, (void)object; }

/* ---- asking ---- */

bool pn_is_feasible(sk_backend *self, const sk_demand *demand, int node, char *why, size_t room)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    bool feasible = sk_cluster_is_feasible(n->cluster, demand, node, why, room);
    pn_leave(n);
    return feasible;
}

size_t pn_resources(sk_backend *self, sk_resource *out, size_t max)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    size_t count = sk_cluster_resources(n->cluster, out, max);
    pn_leave(n);
    return count;
}

static size_t pn_nodes(sk_backend *self, sk_node_info *out, size_t max)
{
    if (max)
        *out = (sk_node_info){ 0, pn_of(self)->base.settings->workers, true };
    return 1;
}

void pn_counts(sk_backend *self, sk_counts *counts)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    counts->threads = (int)n->up;
    counts->threads_peak = (int)n->up_peak;
    counts->blocked_peak = (int)n->blocked_peak;
    pthread_mutex_lock(&n->store_lock);
    for (pn_host *h = n->hosts; h < n->hosts + n->nhosts; h++)
        if (h->store) {
            counts->bytes_spilled += sk_shm_spilled(h->store);
            counts->bytes_live += h->number ? sk_shm_live(h->store) : 0;       /* what is here is in the account (store.c) */
            counts->bytes_peak += h->number ? sk_shm_peak(h->store) : 0;
        }
    pthread_mutex_unlock(&n->store_lock);
    pn_leave(n);
}

sk_task_name pn_holder(sk_backend *self, sk_task_name task, char *text, size_t room)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    sk_task_name holder = { sk_cluster_holder(n->cluster, task.id, text, room) };
    pn_leave(n);
    return holder;
}

/* ---- open and close ---- */

static bool open_cluster(pnode *n, const sk_settings *s, sk_error *err)
{
    n->cluster = sk_cluster_new(&(sk_cluster_config){ .policy = s->policy, .seed = s->seed }, err);
    sk_demand others;
    if (!n->cluster || !sk_demand_parse(&others, s->resources, err))
        return false;
    sk_cluster_node node = { .speed = SK_UNITS };
    sk_resource_pool_init(&node.pool, (int64_t)s->workers * SK_UNITS, &others);
    sk_cluster_node_up(n->cluster, 0, &node);
    return true;
}

/* Slots of the first host, then those of the others, as many each. */
static void open_hosts(pnode *n, const sk_settings *s, unsigned more, unsigned nhosts, unsigned far_slots)
{
    unsigned own = (unsigned)s->workers + more;
    n->nhosts = nhosts;
    n->nslots = own + (nhosts - 1) * far_slots;
    n->hosts = calloc(nhosts, sizeof *n->hosts);
    n->workers = calloc(n->nslots, sizeof *n->workers);
    n->active = calloc(n->nslots, sizeof *n->active);
    if (!n->hosts || !n->workers || !n->active)
        abort();
    for (unsigned i = 0; i < nhosts; i++) {
        pn_host *h = &n->hosts[i];
        *h = (pn_host){ .node = n, .number = (int)i, .first = i ? own + (i - 1) * far_slots : 0, .nslots = i ? far_slots : own, .queue_end = &h->queue };
        for (unsigned k = h->first; k < h->first + h->nslots; k++)
            n->workers[k] = (pn_worker){ .node = n, .host = h, .slot = k, .process = SK_PROCESS_NONE };
    }
    n->hosts[0].workers = s->workers;
    n->hosts[0].most = own;
    n->hosts[0].store_bytes = s->store_bytes;
    n->hosts[0].store = n->store;
}

/* Stacks of tasks that are blocked, those of threads, and what malloc takes: all that must be left of the addresses beside the store. */
static bool has_room_beside(void)
{
    const size_t size = 256 << 20;
    void *room = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return room != MAP_FAILED && munmap(room, size) == 0;
}

static bool open_store(pnode *n, const sk_settings *s, sk_error *err)
{
    /* Addresses for an arena each: where they are short (ulimit -v, ThreadSanitizer) there are fewer processes to take over from blocked ones. */
    unsigned nhosts = n->far ? n->far->hosts(n) : 1, more = PN_MORE_PROCESSES, far_slots = 0;
    for (; !n->store && more >= 2; more /= 2) {
        far_slots = n->far ? PN_FAR_WORKERS + MIN(more, PN_MORE_FAR) : 0;
        n->store = sk_shm_new(s->store_bytes, (unsigned)s->workers + more + (nhosts - 1) * far_slots + 1, s->spill_dir, err);
        if (n->store && more / 2 >= 2 && !has_room_beside()) {
            sk_shm_free(n->store);
            n->store = NULL;
        }
        if (n->store)
            open_hosts(n, s, more, nhosts, far_slots);
    }
    if (!n->store || !sk_shm_add(n->store, 0, err))
        return false;
    pn_room_open();
    uintptr_t base = (uintptr_t)sk_shm_at(n->store, 0);
    sk_shared_store.base = base;
    sk_shared_store.remembers_gets = true;
    sk_shared_store.size = sk_shm_stride(n->store) * (n->nslots + 1);
    sk_shared_store.view_delta = (uintptr_t)sk_shm_view(n->store, (void *)base) - base;
    return true;
}

bool pn_open(sk_backend *self, const sk_settings *settings, sk_error *err)
{
    pnode *n = pn_of(self);
    if (settings->worker_memory && settings->worker_memory < SK_MEMORY_LEAST)
        return sk_error_set(err, SK_MISUSE, "worker-memory is %zu bytes; give 1M or more", settings->worker_memory);
#ifdef SK_SANITIZED
    if (settings->worker_memory)
        return sk_error_set(err, SK_LIMIT, "worker-memory: the program is built with a sanitizer, whose own memory would count; leave it out");
#endif
    pthread_mutex_init(&n->turn, NULL);
    pthread_mutex_init(&n->output, NULL);
    pthread_mutex_init(&n->store_lock, NULL);
    n->runnable_end = &n->runnable;
    n->wake_fd = -1;
    if (!n->far)
        n->bell_wakes = -1;
    sk_events_init(&n->events);
    sk_fiber_pool_init(settings->stack_bytes);
    n->lane = sk_lane_new_for_fibers();
    n->lane->thread = n;
    return open_cluster(n, settings, err) && open_store(n, settings, err) && pn_workers_open(n, err);
}

void pn_started(sk_backend *self)
{
    pnode *n = pn_of(self);
    sigset_t all, before;
    sigfillset(&all);
    for (size_t i = 0; i < 5; i++)
        sigdelset(&all, (const int[]){ SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT }[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    n->has_keeper = pthread_create(&n->keeper, NULL, keep, n) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    sk_session.backend_threads = 2;
    sk_runfile_fill_rows = pn_report;
    sk_live_kill = pn_kill_worker;
    if (!n->has_keeper)
        sk_die(NULL, NULL, 1, "backend processes: no thread for its loop");
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

void pn_close(sk_backend *self)
{
    pnode *n = pn_of(self);
    pn_stop(n);
    pn_workers_close(n);
    pn_clear_runs(n);
    if (n->habits)
        g_array_free(n->habits, TRUE);
    sk_fiber_counts fibers = sk_fiber_pool_counts();
    if (fibers.alive || fibers.made > 128)
        sk_fiber_pool_clear();
    sk_cluster_free(n->cluster);
    sk_events_clear(&n->events);
    pn_room_close();
    sk_shared_store = (struct sk_shared_store){ 0 };
    sk_shm_free(n->store);
    free(n->hosts);
    free(n->workers);
    free(n->active);
    pthread_mutex_destroy(&n->turn);
    pthread_mutex_destroy(&n->output);
    pthread_mutex_destroy(&n->store_lock);
}

/* ---- the table ---- */

const sk_backend_ops sk_backend_processes = {
    PN_SLOTS,
    .version = SK_BACKEND_VERSION,
    .can = SK_CAN_OVERLAP | SK_CAN_TIME_OUT | SK_CAN_KILL | SK_CAN_ISOLATE,
    .name = "processes",
    .summary = "worker processes around a shared-memory object store: a crash costs a retry",
    .size = sizeof(pnode),
    .open = pn_open,
    .started = pn_started,
    .close = pn_close,
    .sealed = pn_sealed,
    .freed = pn_freed,
    .pull = pn_pull,
    .nodes = pn_nodes,
};
