/* virtual_faults.c -- what goes wrong in a simulated cluster: the [faults] of its description happen at their times.
 *
 *   crash   The node's workers, store and disk are gone. Attempts there die (task.c, sk_task_died, decides what becomes of their tasks), copies there
 *           are lost (lineage.h makes them again), fetches from and to it end. After `for` it is back, empty; without, it never is.
 *   freeze  It runs nothing and sends nothing for a while, then goes on. A computation takes that much longer; who sleeps wakes at its
 *           time, or at the thaw. It gets no new tasks. The head hears nothing of it: after 10 s it takes it for dead, as if
 *           it had crashed. When such a node thaws, its attempts are fenced: one whose sleep is over runs on to its next call or its end, and what it brings
 *           is refused; the others stop where they are. Then the node is back, empty.
 *   slow    Computations there take so many times longer, those under way from now on. Sleeping and sending do not.
 *   cut     No bytes pass between the two. A fetch that another copy can serve goes there at once, others wait for the repair. Commands and
 *           results of scalars pass all the same: they go by way of the head.
 *
 * The driver and the head survive everything: they are guests of node 0, no part of it. What the driver has put lies in its node's store, though, and
 * is lost with it. While node 0 is down, the driver is the guest of the first node that is up; if none is, it waits.
 *
 * Faults of one instant happen before everything else then, scripted ones first. Those at random: the time from the end of one to the next is uniform from
 * 0 to twice the mean, one stream for each node and kind, so that one more node or kind moves no other. Faults alone keep no simulation going: when
 * nothing else can happen, only those count that bring something back, and only while somebody waits for it. */
#include "virtual.h"

#include "lineage.h"
#include "session.h"
#include "virtual_report.h"

#include <stdio.h>

#define TAKEN_FOR_DEAD ((int64_t)10 * 1000000000)     /* after so long a silence, ns */

typedef struct node {
    bool down;
    int64_t thaws, silent_since;           /* frozen until; 0: not */
    bool given_up;                         /* frozen, and taken for dead */
    unsigned losses;
    int64_t slow;                          /* SK_UNITS times slower; 0: not */
    uint64_t slow_number;                  /* of the slowing that is in force */
    char why[64];                          /* "node 3, which crashed at 1.5 s" */
    uint64_t random[SK_FAULT_RATES];
} node;

struct sk_virtual_faults {
    sk_events queue;
    node *nodes;
    int returns;                           /* events in the queue that bring something back */
    uint64_t slowings;
    uint64_t idle;                         /* events since anything else happened */
};

enum { SCRIPTED, AT_RANDOM, RESTART, THAW, GIVE_UP, SPEED_UP, REPAIR };

/* ---- asking ---- */

bool sk_virtual_is_up(const vcluster *v, int n)     { return !v->faults || !v->faults->nodes[n].down; }
bool sk_virtual_is_frozen(const vcluster *v, int n) { return v->faults && v->faults->nodes[n].thaws; }
unsigned sk_virtual_losses(const vcluster *v, int n) { return v->faults ? v->faults->nodes[n].losses : 0; }

/* The end of time is no time at which anything goes on: SK_NEVER means that nothing is to come. */
static int64_t after(int64_t when, int64_t ns) { return ns > SK_NEVER - 1 - when ? SK_NEVER - 1 : when + ns; }

static int64_t scale(int64_t ns, int64_t to, int64_t from)
{
    __int128 scaled = ((__int128)ns * to + from - 1) / from;
    return scaled >= SK_NEVER ? SK_NEVER - 1 : (int64_t)scaled;
}

int64_t sk_virtual_slowed(const vcluster *v, int n, int64_t ns)
{
    return v->faults && v->faults->nodes[n].slow ? scale(ns, v->faults->nodes[n].slow, SK_UNITS) : ns;
}

void sk_virtual_lost(vcluster *v, const sk_command *c)
{
    const char *why = c->node >= 0 ? v->faults->nodes[c->node].why : "no node: none was up";
    char room[64];
    if (!*why) {
        snprintf(room, sizeof room, "node %d, whose store had no room", c->node);
        why = room;
    }
    sk_virtual_lend(v, c->object);
    sk_lineage_lost(v->lane, c->object, why);
}

/* ---- a node is lost, and comes back ---- */

static void find_driver(vcluster *v)
{
    for (uint32_t i = 0; i < v->spec->nodes; i++)
        if (!v->faults->nodes[i].down) {
            v->driver_node = (int)i;
            return;
        }
}

static int workers_of(const vcluster *v, int n) { return sk_cluster_spec_node(v->spec, (uint32_t)n)->workers; }

/* Attempts there die. FENCED: their stacks stay as they are until the node thaws. */
static void kill_runs(vcluster *v, int n, sk_death death, const char *how)
{
    for (run *r = v->first_run; r; r = r->after)
        if (r->agent.node == n && !r->died)
            r->died = (uint8_t)death;              /* first all: what ends here wakes others that are to end */
    for (run *r = v->first_run; r; r = r->after)
        if (r->agent.node == n && r->strand.frame->task && !r->strand.frame->died)
            sk_task_died(v->lane, &r->strand, death, SK_WORKER_DIED, how, SK_CHARGED);
    for (run *r = v->first_run, *next; r; r = next) {
        next = r->after;
        if (r->agent.node != n || (death == SK_FENCED && r->strand.frame->task))      /* who has not begun goes elsewhere at once */
            continue;
        if (r->strand.frame->task)
            sk_task_died(v->lane, &r->strand, SK_GONE, SK_WORKER_DIED, how, SK_CHARGED);
        sk_virtual_abandon(v, r);
    }
}

static void lose(vcluster *v, int n, sk_death death, const char *what)
{
    node *at = &v->faults->nodes[n];
    char how[80];
    snprintf(at->why, sizeof at->why, "node %d, which %s at %.9g s", n, what, (double)v->now / 1e9);
    snprintf(how, sizeof how, "node %d %s at %.9g s", n, what, (double)v->now / 1e9);
    at->down = true;
    at->losses++;
    sk_node_move(n, SK_NODE_ALIVE, SK_NODE_DEAD, workers_of(v, n));
    find_driver(v);
    for (run *r = v->first_run; r; r = r->after)
        if (r->agent.node == n)
            sk_virtual_unpin(v, r);
    sk_virtual_lose_copies(v, (uint32_t)n);
    kill_runs(v, n, death, how);
    sk_virtual_move_pulls(v, n);
}

/* At the end of the program: those that will never go on (their node is frozen beyond all patience) make room for the shutdown. */
bool sk_virtual_end_runs(vcluster *v)
{
    bool any = v->faults && v->first_run;
    for (uint32_t n = 0; any && n < v->spec->nodes; n++) {
        for (run *r = v->first_run; r; r = r->after)
            if (r->agent.node == (int)n && !r->died)
                sk_cluster_ended(v->cluster, r->task, r->attempt, 0);
        kill_runs(v, (int)n, SK_GONE, "the program ended");
    }
    return any;
}

static void set_cards(vcluster *v, int n, bool on)
{
    int64_t own = sk_cluster_spec_node(v->spec, (uint32_t)n)->bandwidth, bandwidth = own ? own : v->spec->bandwidth;
    bandwidth = !on ? 0 : bandwidth ? bandwidth : SK_UNLIMITED;
    sk_network_set_bandwidth(v->network, v->now, (uint32_t)n, bandwidth, bandwidth);
}

static void later(vcluster *v, int64_t in, uint16_t kind, uint32_t a, uint64_t b)
{
    sk_events_push(&v->faults->queue, after(v->now, in), kind, a, b);
    v->faults->returns++;
}

/* Tasks that ask for it need not fail: it is coming back. */
static void expect(vcluster *v, int n)
{
    sk_cluster_node spec;
    sk_virtual_node_spec(v, (uint32_t)n, &spec);
    sk_cluster_expect(v->cluster, n, &spec);
}

static void come_up(vcluster *v, int n)
{
    sk_cluster_node spec;
    v->faults->nodes[n].down = false;
    sk_node_move(n, SK_NODE_DEAD, SK_NODE_ALIVE, workers_of(v, n));
    find_driver(v);
    sk_virtual_node_spec(v, (uint32_t)n, &spec);
    sk_cluster_node_up(v->cluster, n, &spec);
    sk_virtual_move_pulls(v, n);
}

static void crash(vcluster *v, int n, int64_t lasts)
{
    node *at = &v->faults->nodes[n];
    if (at->given_up) {                            /* taken for dead, and now it is */
        at->thaws = 0;
        at->given_up = false;
        set_cards(v, n, true);
        kill_runs(v, n, SK_GONE, "");
    } else if (at->down) {
        return;
    } else {
        if (at->thaws)
            set_cards(v, n, true);
        at->thaws = 0;
        lose(v, n, SK_GONE, "crashed");
    }
    if (lasts) {
        expect(v, n);
        later(v, lasts, RESTART, (uint32_t)n, at->losses);
    }
}

static void restart(vcluster *v, int n)
{
    if (v->faults->nodes[n].down && !v->faults->nodes[n].given_up)
        come_up(v, n);
}

/* ---- freezing ---- */

/* Computations under way there take so much longer. */
static void put_off(vcluster *v, int n, int64_t ns)
{
    for (run *r = v->first_run; r; r = r->after) {
        int64_t when = sk_events_when(&v->events, r->agent.handle);
        if (r->agent.node == n && r->computing && when != SK_NEVER)
            sk_events_set(&v->events, r->agent.handle, after(when, ns), EVENT_AGENT, (uint64_t)(uintptr_t)&r->agent);
    }
}

static void freeze(vcluster *v, int n, int64_t lasts)
{
    node *at = &v->faults->nodes[n];
    int64_t until = after(v->now, lasts);
    if ((at->down && !at->given_up) || until <= at->thaws)
        return;
    put_off(v, n, until - (at->thaws ? at->thaws : v->now));
    if (!at->thaws) {
        at->silent_since = v->now;
        sk_cluster_node_pause(v->cluster, n, true);
        set_cards(v, n, false);
    }
    if (!at->given_up && until - at->silent_since > TAKEN_FOR_DEAD)
        later(v, at->silent_since + TAKEN_FOR_DEAD - v->now, GIVE_UP, (uint32_t)n, at->losses);
    at->thaws = until;
    later(v, until - v->now, THAW, (uint32_t)n, at->losses);
}

static void give_up(vcluster *v, int n)
{
    node *at = &v->faults->nodes[n];
    if (!at->thaws || at->given_up || v->now - at->silent_since < TAKEN_FOR_DEAD)
        return;
    at->given_up = true;
    v->given_up++;
    lose(v, n, SK_FENCED, "had been silent for 10 s");
    expect(v, n);
}

static void thaw(vcluster *v, int n)
{
    node *at = &v->faults->nodes[n];
    if (!at->thaws || v->now < at->thaws)
        return;                                    /* frozen longer since */
    at->thaws = 0;
    set_cards(v, n, true);
    if (!at->given_up) {
        sk_cluster_node_pause(v->cluster, n, false);
        for (run *r = v->first_run; r; r = r->after)
            if (r->agent.node == n && r->held) {
                r->held = false;
                sk_virtual_wake(v, &r->agent);
            }
        return;
    }
    at->given_up = false;
    for (run *r = v->first_run, *next; r; r = next) {
        next = r->after;
        if (r->agent.node == n && r->died == SK_FENCED && r->agent.due && r->strand.frame->task)
            sk_virtual_resume(v, r);               /* its sleep was over: it goes on, and does not know */
    }
    kill_runs(v, n, SK_GONE, "");
    come_up(v, n);
}

/* ---- slow nodes, cut links ---- */

static void set_speed(vcluster *v, int n, int64_t by)
{
    node *at = &v->faults->nodes[n];
    int64_t from = at->slow ? at->slow : SK_UNITS;
    at->slow = by == SK_UNITS ? 0 : by;
    for (run *r = v->first_run; r; r = r->after) {
        int64_t when = sk_events_when(&v->events, r->agent.handle), begin = at->thaws > v->now ? at->thaws : v->now;
        if (r->agent.node == n && r->computing && when != SK_NEVER && when > begin)
            sk_events_set(&v->events, r->agent.handle, after(begin, scale(when - begin, by, from)), EVENT_AGENT,
                          (uint64_t)(uintptr_t)&r->agent);
    }
}

static void slow(vcluster *v, int n, int64_t by, int64_t lasts)
{
    v->faults->nodes[n].slow_number = ++v->faults->slowings;
    set_speed(v, n, by);
    if (lasts)
        later(v, lasts, SPEED_UP, (uint32_t)n, v->faults->slowings);
}

static void cut(vcluster *v, uint32_t a, uint32_t b, int64_t lasts)
{
    sk_virtual_cut(v, a, b);
    if (lasts)
        later(v, lasts, REPAIR, a, b);
}

/* ---- when ---- */

static uint64_t draw(vcluster *v, int n, int kind)
{
    uint64_t *stream = &v->faults->nodes[n].random[kind];
    *stream += 0x9e3779b97f4a7c15u;
    return sk_mix(*stream);
}

static void next_at_random(vcluster *v, int n, int kind, int64_t pause)
{
    const sk_fault_rate *rate = &v->spec->rates[kind];
    int64_t range = rate->every > SK_NEVER / 4 ? SK_NEVER / 2 : 2 * rate->every;
    int64_t in = 1 + (int64_t)(draw(v, n, kind) % (uint64_t)range);
    if (pause < SK_NEVER - v->now - in)
        sk_events_push(&v->faults->queue, v->now + pause + in, AT_RANDOM, (uint32_t)n, (uint64_t)kind);
}

static void strike(vcluster *v, const sk_fault *f)
{
    if (f->kind != SK_FAULT_RESTART)
        v->struck[f->kind]++;
    switch (f->kind) {
    case SK_FAULT_CRASH:   crash(v, (int)f->node, f->lasts); return;
    case SK_FAULT_FREEZE:  freeze(v, (int)f->node, f->lasts); return;
    case SK_FAULT_SLOW:    slow(v, (int)f->node, f->by, f->lasts); return;
    case SK_FAULT_CUT:     cut(v, f->node, f->other, f->lasts); return;
    case SK_FAULT_RESTART: restart(v, (int)f->node); return;
    }
}

static void happen(vcluster *v, const sk_event *e)
{
    sk_virtual_faults *f = v->faults;
    switch (e->kind) {
    case SCRIPTED:
        f->returns -= v->spec->faults[e->a].kind == SK_FAULT_RESTART;
        strike(v, &v->spec->faults[e->a]);
        return;
    case AT_RANDOM: {
        const sk_fault_rate *rate = &v->spec->rates[e->b];
        sk_fault fault = { .kind = (sk_fault_kind)e->b, .node = e->a, .lasts = rate->lasts, .by = rate->by };
        if (fault.kind == SK_FAULT_CUT) {
            fault.other = (uint32_t)(draw(v, (int)e->a, SK_FAULT_CUT) % (v->spec->nodes - 1));
            fault.other += fault.other >= fault.node;
        }
        strike(v, &fault);
        next_at_random(v, (int)e->a, (int)e->b, rate->lasts);
        return;
    }
    }
    f->returns--;
    switch (e->kind) {
    case RESTART:
        if (f->nodes[e->a].losses == e->b)
            restart(v, (int)e->a);
        return;
    case THAW:     thaw(v, (int)e->a); return;
    case GIVE_UP:  give_up(v, (int)e->a); return;
    case SPEED_UP:
        if (f->nodes[e->a].slow_number == e->b)
            set_speed(v, (int)e->a, SK_UNITS);
        return;
    case REPAIR:   sk_network_repair(v->network, v->now, e->a, (uint32_t)e->b); return;
    }
}

/* Faults alone keep nothing going, but what brings something back does, while somebody waits for it. */
static bool returns_matter(const vcluster *v)
{
    return v->faults->returns && (v->alive || v->npulling || sk_cluster_waiting(v->cluster));
}

int64_t sk_virtual_faults_next(const vcluster *v)
{
    return v->faults && returns_matter(v) ? sk_events_next(&v->faults->queue) : SK_NEVER;
}

bool sk_virtual_faults_step(vcluster *v, int64_t next)
{
    sk_virtual_faults *f = v->faults;
    int64_t at = sk_events_next(&f->queue);
    if (next != SK_NEVER)
        f->idle = 0;
    if (at == SK_NEVER || at > next)
        return false;
    if (next == SK_NEVER && (!returns_matter(v) || ++f->idle > 10000 + 16 * (uint64_t)v->spec->nodes))
        return false;
    sk_event e;
    sk_events_pop(&f->queue, &e);
    sk_virtual_network(v, e.at);
    v->now = e.at;
    happen(v, &e);
    return true;
}

void sk_virtual_report(uint64_t struck[SK_FAULT_RATES + 1])
{
    const vcluster *v = (const vcluster *)sk_session.backend;
    for (int kind = 0; kind < SK_FAULT_RATES; kind++)
        struck[kind] = v->struck[kind];
    struck[SK_FAULT_RATES] = v->given_up;
}

/* ---- open, close ---- */

void sk_virtual_faults_open(vcluster *v)
{
    bool any = v->spec->nfaults;
    for (int kind = 0; kind < SK_FAULT_RATES; kind++)
        any |= v->spec->rates[kind].every > 0;
    if (!any)
        return;
    sk_virtual_faults *f = v->faults = calloc(1, sizeof *f);
    if (!f || !(f->nodes = calloc(v->spec->nodes, sizeof *f->nodes)))
        abort();
    sk_has_lineage = true;
    sk_events_init(&f->queue);
    for (uint32_t i = 0; i < v->spec->nfaults; i++) {
        sk_events_push(&f->queue, v->spec->faults[i].at, SCRIPTED, i, 0);
        f->returns += v->spec->faults[i].kind == SK_FAULT_RESTART;
    }
    for (uint32_t n = 0; n < v->spec->nodes; n++) {
        for (int kind = 0; kind < SK_FAULT_RATES; kind++) {
            f->nodes[n].random[kind] = sk_mix(v->spec->fault_seed) ^ sk_mix((uint64_t)n * SK_FAULT_RATES + (uint64_t)kind + 1);
            if (v->spec->rates[kind].every && !(kind == SK_FAULT_CUT && v->spec->nodes < 2))
                next_at_random(v, (int)n, kind, 0);
        }
    }
}

void sk_virtual_faults_close(vcluster *v)
{
    if (!v->faults)
        return;
    sk_events_clear(&v->faults->queue);
    free(v->faults->nodes);
    free(v->faults);
    v->faults = NULL;
}
