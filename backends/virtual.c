/* virtual.c -- a cluster of 1 to 10,000 nodes in one thread and in its own time: a discrete-event simulation that runs the program for real.
 *
 * The idea. A task's body really runs, on a fiber; but time passes only where the program says so (sk_sleep, sk_compute) and where
 * the cluster's description does (submitting, fetching, starting). Whatever takes time is an event in a queue; the one loop takes the
 * next one, sets the clock to it, and lets happen what it brings: a fiber goes on, a transfer ends. Plain C between two calls
 * takes no time at all (or what it really takes, with --cost live). So ten tasks that sleep for a second on ten workers take exactly
 * 1.000000000 s, in a millisecond; and equal programs with equal seeds do equal things to the nanosecond, on any machine.
 *
 *     the program's thread: sk_get --> threads_wait .. here: virtual_wait --> the loop: step, step, step ... until the wait is over
 *                                                                    |
 *       step: a fiber that may go on | a command of the scheduler (cluster.h: start this there, fetch that) | the next event
 *
 * Strictly one thing at a time: the loop runs in whichever thread of the program waits (it holds the `turn`), and a fiber runs until it
 * waits or ends. All fibers share one lane; each has a strand that is put into it (lane.h).
 *
 * At one instant things happen in this order: fibers that may go on, commands, events by sequence. Nothing depends on addresses, hashes or
 * real time, so nothing differs between runs. If nothing can happen and somebody waits, that is a deadlock: proved, not guessed.
 *
 * Reading order: the loop; waiting; tasks and objects; asking; open and close; the table. Then virtual_tasks.c, virtual_objects.c. */
#include "virtual.h"

#include "backends.h"
#include "error.h"
#include "session.h"
#include "task.h"
#include "wait.h"

#include <errno.h>
#include <stdio.h>

enum { MOST_POLLS = 1000, MOST_TASKS = 25000 };

/* ---- the turn ---- */

/* Calls that come from the loop or a fiber have it already. */
static bool in_loop(vcluster *v) { return sk_lane_self == v->lane; }

static void virtual_enter(sk_backend *self)
{
    vcluster *v = virtual_of(self);
    if (in_loop(v))
        return;
    if (atomic_load_explicit(&v->holder, relaxed) == sk_lane_self) {
        v->depth++;
        return;
    }
    atomic_fetch_add_explicit(&v->entering, 1, seq_cst);
    pthread_mutex_lock(&v->turn);
    atomic_fetch_sub_explicit(&v->entering, 1, seq_cst);
    atomic_store_explicit(&v->holder, sk_lane_self, relaxed);
    v->depth = 1;
    if (v->live != 0)
        sk_virtual_live_enter(v);
}

static void virtual_leave(sk_backend *self)
{
    vcluster *v = virtual_of(self);
    if (in_loop(v) || --v->depth > 0)
        return;
    if (v->live != 0)
        sk_virtual_live_leave(v);
    atomic_store_explicit(&v->holder, NULL, relaxed);
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->turn);
}

/* ---- the loop ---- */

static void look_at(sk_strand *strand, void *data)
{
    sk_wait *wait = atomic_load_explicit(&strand->waiting, relaxed);
    if (wait && wait->task && sk_wait_over(wait))
        sk_virtual_wake(data, sk_wait_thread(wait));
}

static void announce(vcluster *v, uint64_t task)
{
    sk_task *t = sk_task_at(task);
    uint64_t word = atomic_load_explicit(&t->state, relaxed), args[SK_MAX_ARGS];
    if (sk_generation_of(word) != (uint32_t)(task >> 32) || sk_state_of(word) != SK_TASK_READY)
        return;                            /* cancelled while the scheduler had not come to it */
    sk_cluster_task ready = { .id = task, .fn = t->fn->index, .order = ++v->order, .affinity = -1, .home = sk_virtual_node(v), .args = args };
    ready.demand.cpus = SK_UNITS;
    if (t->extras) {
        ready.demand = t->extras->demand;
        ready.priority = t->extras->priority;
        ready.affinity = t->extras->node;
    }
    for (unsigned i = 0; i < t->nargs; i++)
        if (sk_slot_is_pending(&t->args[i]) && sk_value_has_bytes(&t->args[i].pending.object->value))
            args[ready.nargs++] = sk_object_id(t->args[i].pending.object);
    sk_cluster_ready(v->cluster, &ready);
}

static void happen(vcluster *v, const sk_event *e)
{
    switch (e->kind) {
    case EVENT_AGENT: {
        agent *a = (agent *)(uintptr_t)e->b;
        a->due = true;
        sk_virtual_wake(v, a);
        return;
    }
    case EVENT_READY: announce(v, e->b); return;
    case EVENT_ALARM: sk_task_alarm((sk_task_name){ e->b }); return;
    case EVENT_SEND:  sk_virtual_send(v, e->a); return;
    }
}

static void obey(vcluster *v, const sk_command *c)
{
    switch (c->kind) {
    case SK_COMMAND_START: sk_virtual_start(v, c); return;
    case SK_COMMAND_FETCH: sk_virtual_fetch(v, c); return;
    case SK_COMMAND_REBUILD:
    case SK_COMMAND_LOST: sk_virtual_lost(v, c); return;
    case SK_COMMAND_DIED: return;          /* whoever told the cluster has ended its runs */
    }
}

bool sk_virtual_step(vcluster *v)
{
    if (v->look_at_all) {
        v->look_at_all = false;
        sk_strands_visit(look_at, v);
    }
    run *r = v->runnable;
    if (r) {
        v->runnable = r->next;
        if (!v->runnable)
            v->runnable_end = &v->runnable;
        r->runnable = false;
        sk_virtual_resume(v, r);
        return true;
    }
    sk_command command;
    if (sk_cluster_next(v->cluster, &command)) {
        obey(v, &command);
        return true;
    }
    int64_t next = sk_events_next(&v->events), network = sk_network_next(v->network);
    if (v->faults && sk_virtual_faults_step(v, network < next ? network : next))
        return true;
    if (network <= next) {
        if (network == SK_NEVER)
            return false;
        v->now = network;
        sk_virtual_network(v, network);
        return true;
    }
    sk_event e;
    sk_events_pop(&v->events, &e);
    sk_virtual_network(v, e.at);           /* nothing is due there: its clock goes along */
    v->now = e.at;
    happen(v, &e);
    return true;
}

/* ---- waiting ---- */

static bool is_over(void *wait) { return sk_wait_over(wait); }

/* A poll lets everything else of this instant happen. Who polls again and again at one instant waits for something that time brings. */
int64_t sk_virtual_until_when(vcluster *v, agent *a, int64_t deadline)
{
    if (deadline > v->now)
        return deadline;
    if (a->polled_at != v->now)
        a->polls = 0;
    a->polled_at = v->now;
    if (++a->polls < MOST_POLLS)
        return v->now;
    int64_t next = sk_events_next(&v->events), network = sk_network_next(v->network), fault = sk_virtual_faults_next(v);
    next = network < next ? network : next;
    next = fault < next ? fault : next;    /* a node that is to come back, perhaps: nothing else moves time then */
    return next == SK_NEVER ? v->now : next;
}

/* Nothing can happen in here. Another thread of the program may bring something; if not, waits end with SK_DEADLOCK. */
static void stand_still(vcluster *v)
{
    sk_lane *mine = sk_lane_self;
    sk_lane_self = v->lane;
    size_t ended = atomic_load_explicit(&v->entering, seq_cst) == 0 ? sk_virtual_end_pulls(v) || sk_deadlock() : 0;
    sk_lane_self = mine;
    if (ended)
        return;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_nsec += 10000000;
    ts.tv_sec += ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;
    int depth = v->depth;
    atomic_store_explicit(&v->holder, NULL, relaxed);
    pthread_cond_timedwait(&v->changed, &v->turn, &ts);
    atomic_store_explicit(&v->holder, mine, relaxed);
    v->depth = depth;
}

static void wait_in_task(vcluster *v, run *r, sk_wait *wait)
{
    if (v->alive >= v->most_waiting) {     /* a stack each: there would be none left for what it waits for */
        sk_wait_give_up(wait);
        return;
    }
    sk_cluster_blocked(v->cluster, r->task, r->attempt);
    sk_virtual_until(v, &r->agent, sk_wait_deadline(wait) == SK_NEVER ? SK_NEVER
                     : sk_virtual_until_when(v, &r->agent, sk_wait_deadline(wait)), is_over, wait);
    sk_cluster_unblocked(v->cluster, r->task, r->attempt);
}

static void virtual_wait(sk_backend *self, sk_wait *wait)
{
    vcluster *v = virtual_of(self);
    virtual_enter(self);
    if (v->current) {
        wait_in_task(v, v->current, wait);
    } else {
        agent *a = sk_virtual_agent(v);
        int64_t deadline = sk_wait_deadline(wait);
        int64_t at = deadline == SK_NEVER ? SK_NEVER : sk_virtual_until_when(v, a, deadline);
        while (!sk_virtual_until(v, a, at, is_over, wait) && !a->due)
            stand_still(v);
        sk_virtual_agent_done(v, a);
    }
    virtual_leave(self);
}

static void virtual_wake(sk_backend *self, void *thread)
{
    vcluster *v = virtual_of(self);
    virtual_enter(self);
    if (thread == v)
        v->look_at_all = true;             /* the loop's own lane: somebody wakes all there are */
    else if (thread)
        sk_virtual_wake(v, thread);
    virtual_leave(self);
}

static void virtual_drain(sk_backend *self)
{
    vcluster *v = virtual_of(self);
    virtual_enter(self);
    sk_lane *mine = sk_lane_self;
    sk_lane_self = v->lane;
    do
        while (sk_virtual_step(v))
            ;
    while (v->alive && (sk_virtual_end_pulls(v) || sk_deadlock() > 0 || sk_virtual_end_runs(v)));
    sk_lane_self = mine;
    virtual_leave(self);
}

static int64_t virtual_now(sk_backend *self) { return virtual_of(self)->now; }

static void virtual_sleep(sk_backend *self, int64_t ns)
{
    vcluster *v = virtual_of(self);
    virtual_enter(self);
    sk_virtual_elapse(v, ns);
    virtual_leave(self);
}

/* A unit is a microsecond on a node of speed 1. */
static void virtual_compute(sk_backend *self, double units)
{
    vcluster *v = virtual_of(self);
    int64_t speed = sk_cluster_spec_node(v->spec, (uint32_t)sk_virtual_node(v))->speed;
    double ns = units * 1000 * SK_UNITS / (double)speed;
    int64_t whole = ns >= 9e18 ? SK_NEVER : (int64_t)(ns + 0.5);
    virtual_enter(self);
    sk_virtual_work(v, v->current ? sk_virtual_slowed(v, v->current->agent.node, whole) : whole);
    virtual_leave(self);
}

static void virtual_alarm(sk_backend *self, int64_t at, sk_task_name task)
{
    vcluster *v = virtual_of(self);
    virtual_enter(self);
    sk_events_push(&v->events, at > v->now ? at : v->now, EVENT_ALARM, 0, task.id);
    virtual_leave(self);
}

/* ---- tasks and objects ---- */

void sk_virtual_ready(vcluster *v, uint64_t task)
{
    int64_t cost = v->spec->overheads[SK_OVER_SCHEDULE].fixed;
    if (cost) {
        v->scheduler_free = (v->scheduler_free > v->now ? v->scheduler_free : v->now) + cost;
        sk_events_push(&v->events, v->scheduler_free, EVENT_READY, 0, task);
    } else {
        announce(v, task);
    }
}

static void virtual_ready(sk_backend *self, sk_task_name task)
{
    vcluster *v = virtual_of(self);
    if (v->current && v->current->task == task.id) {
        v->current->again = true;          /* a retry: the attempt before is still under way, for a few lines of code */
        return;
    }
    virtual_enter(self);
    sk_virtual_ready(v, task.id);
    virtual_leave(self);
}

static void virtual_forget(sk_backend *self, sk_task_name task)
{
    vcluster *v = virtual_of(self);
    virtual_enter(self);
    sk_cluster_cancel(v->cluster, task.id);
    virtual_leave(self);
}

static void virtual_sealed(sk_backend *self, uint64_t object, size_t bytes, bool made_by_task)
{
    vcluster *v = virtual_of(self);
    virtual_enter(self);
    sk_virtual_sealed(v, object, bytes, made_by_task);
    virtual_leave(self);
}

static void virtual_freed(sk_backend *self, uint64_t object)
{
    vcluster *v = virtual_of(self);
    virtual_enter(self);
    sk_virtual_freed(v, object);
    virtual_leave(self);
}

static bool virtual_pull(sk_backend *self, uint64_t object, int64_t deadline)
{
    vcluster *v = virtual_of(self);
    virtual_enter(self);
    bool there = sk_virtual_pull(v, object, deadline);
    virtual_leave(self);
    return there;
}

static void virtual_spend(sk_backend *self, sk_operation what, size_t bytes)
{
    static const int kind[] = { [SK_SUBMIT] = SK_OVER_SUBMIT, [SK_PUT] = SK_OVER_PUT, [SK_GET] = SK_OVER_GET };
    vcluster *v = virtual_of(self);
    int64_t ns = what == SK_OTHER ? 0 : sk_overhead_of(&v->spec->overheads[kind[what]], (int64_t)bytes);
    if (ns || v->live != 0) {
        virtual_enter(self);
        sk_virtual_work(v, ns);
        virtual_leave(self);
    }
}

/* ---- asking ---- */

static bool virtual_is_feasible(sk_backend *self, const sk_demand *demand, int node, char *why, size_t room)
{
    vcluster *v = virtual_of(self);
    virtual_enter(self);
    bool feasible = sk_cluster_is_feasible(v->cluster, demand, node, why, room);
    virtual_leave(self);
    return feasible;
}

static size_t virtual_resources(sk_backend *self, sk_resource *out, size_t max)
{
    vcluster *v = virtual_of(self);
    virtual_enter(self);
    size_t n = sk_cluster_resources(v->cluster, out, max);
    virtual_leave(self);
    return n;
}

static size_t virtual_nodes(sk_backend *self, sk_node_info *out, size_t max)
{
    vcluster *v = virtual_of(self);
    for (uint32_t i = 0; i < v->spec->nodes && i < max; i++)
        out[i] = (sk_node_info){ (int)i, sk_cluster_spec_node(v->spec, i)->workers, sk_virtual_is_up(v, (int)i) };
    return v->spec->nodes;
}

static void virtual_counts(sk_backend *self, sk_counts *counts)
{
    vcluster *v = virtual_of(self);
    counts->threads = counts->threads_peak = 1;
    counts->blocked_peak = (int)v->alive_peak;
}

static sk_task_name virtual_holder(sk_backend *self, sk_task_name task, char *text, size_t room)
{
    vcluster *v = virtual_of(self);
    virtual_enter(self);
    sk_task_name holder = { sk_cluster_holder(v->cluster, task.id, text, room) };
    virtual_leave(self);
    return holder;
}

/* ---- open and close ---- */

/* --cost none, live, live*2.5 */
static bool read_cost(vcluster *v, const char *text, sk_error *err)
{
    char *end;
    if (!text || !strcmp(text, "none"))
        return true;
    if (!strcmp(text, "live")) {
        v->live = 1;
        return true;
    }
    if (!strncmp(text, "live*", 5) && (v->live = strtod(text + 5, &end)) > 0 && v->live < 1e9 && !*end && end > text + 5)
        return true;
    return sk_error_set(err, SK_MISUSE, "--sk-cost=%.100s: give none, live, or live*FACTOR", text);
}

static bool read_spec(vcluster *v, const sk_settings *s, sk_error *err)
{
    v->spec = s->cluster ? sk_cluster_spec_load(s->cluster, err)
                         : sk_cluster_spec_from_settings(s->nodes, s->workers, s->resources, 0, err);
    if (!v->spec)
        return false;
    sk_session.settings.nodes = (int)v->spec->nodes;
    sk_session.settings.workers = sk_cluster_spec_node(v->spec, 0)->workers;
    return true;
}

void sk_virtual_node_spec(const vcluster *v, uint32_t node, sk_cluster_node *out)
{
    const sk_node_kind *kind = sk_cluster_spec_node(v->spec, node);
    *out = (sk_cluster_node){ .speed = kind->speed, .store_bytes = kind->store_bytes };
    sk_resource_pool_init(&out->pool, (int64_t)kind->workers * SK_UNITS, &kind->resources);
}

static bool open_cluster(vcluster *v, const sk_settings *s, sk_error *err)
{
    const char *policy = s->policy ? s->policy : *v->spec->policy ? v->spec->policy : NULL;
    v->cluster = sk_cluster_new(&(sk_cluster_config){ .policy = policy, .seed = s->cluster && s->seed == 1 ? v->spec->seed : s->seed,
                                                      .bytes_per_second = v->spec->bandwidth, .latency_ns = v->spec->latency, .pulls = v->spec->pulls }, err);
    if (!v->cluster)
        return false;
    v->network = sk_network_new(v->spec->nodes, v->spec->latency, v->spec->bandwidth);
    sk_stores_init(&v->stores, v->spec->nodes);
    v->pulling = calloc(v->spec->nodes, sizeof *v->pulling);
    if (!v->pulling)
        abort();
    for (uint32_t i = 0; i < v->spec->nodes; i++) {
        const sk_node_kind *kind = sk_cluster_spec_node(v->spec, i);
        sk_cluster_node node;
        sk_virtual_node_spec(v, i, &node);
        sk_cluster_node_up(v->cluster, (int)i, &node);
        if (kind->bandwidth)
            sk_network_set_bandwidth(v->network, 0, i, kind->bandwidth, kind->bandwidth);
        if (kind->store_bytes) {
            sk_store_set(&v->stores, i, kind->store_bytes, kind->disk_bandwidth);
            v->has_stores = true;
        }
    }
    return true;
}

static bool virtual_open(sk_backend *self, const sk_settings *settings, sk_error *err)
{
    vcluster *v = virtual_of(self);
    pthread_mutex_init(&v->turn, NULL);
    pthread_cond_init(&v->changed, NULL);
    v->runnable_end = &v->runnable;
    sk_events_init(&v->events);
    if (!read_cost(v, settings->cost, err) || !read_spec(v, settings, err) || !open_cluster(v, settings, err))
        return false;
    sk_fiber_pool_init(settings->stack_bytes);
    size_t most = sk_fiber_most() * 5 / 6;       /* the rest is for those that the last ones wait for */
    v->most_waiting = settings->tasks ? (size_t)settings->tasks : MOST_TASKS;
    if (v->most_waiting > most)
        v->most_waiting = most;
    v->most_alive = v->most_waiting + v->most_waiting / 5;
    v->lane = sk_lane_new_for_fibers();
    v->lane->thread = v;
    sk_virtual_live_open(v);
    return sk_virtual_watch(v, settings->patience, err);
}

static void virtual_started(sk_backend *self) { sk_virtual_faults_open(virtual_of(self)); }

static void virtual_close(sk_backend *self)
{
    vcluster *v = virtual_of(self);
    sk_virtual_faults_close(v);
    sk_virtual_unwatch(v);
    sk_virtual_clear_runs(v);
    sk_fiber_pool_trim();
    sk_cluster_free(v->cluster);
    sk_network_free(v->network);
    sk_stores_clear(&v->stores);
    sk_events_clear(&v->events);
    sk_cluster_spec_free(v->spec);
    free(v->fetches);
    free(v->pulling);
    pthread_cond_destroy(&v->changed);
    pthread_mutex_destroy(&v->turn);
}

/* ---- the table ---- */

const sk_backend_ops sk_backend_virtual = {
    .version = SK_BACKEND_VERSION,
    .can = SK_CAN_OVERLAP | SK_CAN_TIME_OUT | SK_CAN_NODES | SK_CAN_VIRTUAL_TIME,
    .name = "virtual",
    .summary = "a simulated cluster in virtual time: exact, and equal on every machine",
    .size = sizeof(vcluster),
    .open = virtual_open,
    .started = virtual_started,
    .close = virtual_close,
    .ready = virtual_ready,
    .wait = virtual_wait,
    .wake = virtual_wake,
    .drain = virtual_drain,
    .now = virtual_now,
    .sleep = virtual_sleep,
    .compute = virtual_compute,
    .alarm = virtual_alarm,
    .counts = virtual_counts,
    .enter = virtual_enter,
    .leave = virtual_leave,
    .spend = virtual_spend,
    .forget = virtual_forget,
    .sealed = virtual_sealed,
    .freed = virtual_freed,
    .pull = virtual_pull,
    .is_feasible = virtual_is_feasible,
    .resources = virtual_resources,
    .nodes = virtual_nodes,
    .holder = virtual_holder,
};
