/* network.c -- see network.h. How the shares are found:
 *
 * A link is *tight* while it owns flows (it is their bottleneck), else *loose*. Flows that cross it and are owned by their other link are
 * *foreign* to it: their rates are given. A tight link splits among its own flows what the foreign ones leave:
 *
 *     share = (bandwidth - sum of foreign rates) / own flows
 *
 * A foreign flow that is faster than this share has its bottleneck here: the link *grabs* it, fastest first. A loose link whose foreign flows
 * would exceed its bandwidth becomes tight by grabbing. Where no link wants to grab, rates are max-min fair. Looking
 * at links whose surroundings have changed (*dirty*), until none is left, gets there in any order (Charny, Clark and Jain,
 * ICC'95: what the tightest link says stands after one round, then the next one's, and so on); and it stays where the change was.
 *
 * A link with thousands of flows, one source that all pull from, must not visit them all when its share changes. Most of their other ends are loose,
 * and stay so as long as each flow gets at most an equal part of that link (its *level*). The owner keeps the lowest such level as its
 * *limit*, and visits only the flows that are *coupled*: the other end is tight, or some flow there is above the level.    */
#include "network.h"

#include "network_links.h"

#include <assert.h>

/* ---- a flow and its two links ---- */

static amount rate_of(const sk_network *net, const flow *f) { return owner_of(net, f)->share; }
static amount capacity(const link *l)                       { return (amount)l->bandwidth << FRACTION; }
static amount level(const link *l)                          { return capacity(l) / (l->own.n + l->foreign.n); }

static void bring_clock(link *l, int64_t now)
{
    l->clock += l->share * (amount)(now - l->at);
    l->at = now;
}

static void attach(sk_network *net, uint32_t f, int side, amount left)
{
    flow *w = &net->flows[f];
    uint32_t here = w->link[side], there = w->link[!side];
    link *l = &net->links[here], *m = &net->links[there];
    w->state = MOVING;
    w->owner = (uint8_t)side;
    bring_clock(l, net->now);
    if (l->own.n == 0) {                     /* becomes tight */
        l->clock = l->share = l->foreign_rate = 0;
        l->limit = NO_LIMIT;
        for (uint32_t i = 0; i < l->foreign.n; i++) {
            l->foreign_rate += rate_of(net, &net->flows[l->foreign.items[i]]);
            couple(net, l->foreign.items[i]);
        }
    }
    w->tag = l->clock + left;
    own_add(net, &l->own, f);
    add_foreign(net, f, !side);
    couple(net, f);
    if (m->own.n)
        m->foreign_rate += l->share;
    mark_dirty(net, here);
    mark_dirty(net, there);
    touch(net, here);
}

/* Returns what is left of it. */
static amount detach(sk_network *net, uint32_t f)
{
    flow *w = &net->flows[f];
    uint32_t here = w->link[w->owner], there = w->link[!w->owner];
    link *l = &net->links[here], *m = &net->links[there];
    bring_clock(l, net->now);
    uncouple(net, f);
    own_remove(net, &l->own, w->place[w->owner]);
    remove_foreign(net, f, !w->owner);
    if (m->own.n)
        m->foreign_rate -= l->share;
    if (l->own.n == 0)
        l->share = 0;                        /* loose */
    mark_dirty(net, here);
    mark_dirty(net, there);
    touch(net, here);
    return w->tag > l->clock ? w->tag - l->clock : 0;
}

/* ---- shares ---- */

/* Loose, and the foreign flows leave it so: tells their owners how far they may go. One that takes more than its equal part leaves less to the
 * others: then all of them are coupled. */
static bool stays_loose(sk_network *net, link *l)
{
    amount sum = 0, most = 0, mine = l->foreign.n ? level(l) : 0;
    for (uint32_t i = 0; i < l->foreign.n; i++) {
        amount rate = rate_of(net, &net->flows[l->foreign.items[i]]);
        sum += rate;
        most = rate > most ? rate : most;
    }
    if (sum > capacity(l) + SLACK)
        return false;
    l->watched = most > mine;
    for (uint32_t i = 0; i < l->foreign.n; i++) {
        uint32_t f = l->foreign.items[i];
        link *owner = owner_of(net, &net->flows[f]);
        if (l->watched)
            couple(net, f);
        else if (net->flows[f].coupled == NONE && mine < owner->limit)
            owner->limit = mine;
    }
    return true;
}

/* The foreign flow with the highest rate; of equal ones the oldest. */
static uint32_t fastest_foreign(const sk_network *net, const link *l)
{
    uint32_t best = NONE;
    amount most = 0;
    for (uint32_t i = 0; i < l->foreign.n; i++) {
        uint32_t f = l->foreign.items[i];
        amount rate = rate_of(net, &net->flows[f]);
        if (best == NONE || rate > most || (rate == most && net->flows[f].seq < net->flows[best].seq)) {
            best = f;
            most = rate;
        }
    }
    return best;
}

static amount fair_share(const link *l)
{
    return capacity(l) > l->foreign_rate ? (capacity(l) - l->foreign_rate) / l->own.n : 0;
}

static void grab(sk_network *net, uint32_t l)
{
    for (;;) {
        uint32_t f = fastest_foreign(net, &net->links[l]);
        if (f == NONE || (net->links[l].own.n && rate_of(net, &net->flows[f]) <= fair_share(&net->links[l]) + SLACK))
            return;
        int side = net->flows[f].link[IN] == l;
        attach(net, f, side, detach(net, f));
    }
}

/* The share has passed the limit: some other ends may fill up from now on. */
static void find_limit(sk_network *net, link *l)
{
    l->limit = NO_LIMIT;
    for (uint32_t i = 0; i < l->own.n; i++) {
        flow *f = &net->flows[l->own.items[i]];
        if (f->coupled != NONE)
            continue;
        uint32_t there = f->link[!f->owner];
        amount its = level(&net->links[there]);
        if (its < l->share) {
            couple(net, l->own.items[i]);
            mark_dirty(net, there);
        } else if (its < l->limit) {
            l->limit = its;
        }
    }
}

static void set_share(sk_network *net, link *l, amount share)
{
    amount before = l->share;
    bring_clock(l, net->now);
    l->share = share;
    for (uint32_t i = l->coupled.n; i-- > 0;) {
        uint32_t f = l->coupled.items[i], there = net->flows[f].link[!net->flows[f].owner];
        link *m = &net->links[there];
        if (m->own.n) {
            m->foreign_rate += share - before;           /* modulo 2^128: may be negative */
            mark_dirty(net, there);
        } else if (!m->watched && level(m) >= share) {
            uncouple(net, f);
            if (level(m) < l->limit)
                l->limit = level(m);
        } else if (share > before) {
            mark_dirty(net, there);
        }
    }
    if (share > l->limit)
        find_limit(net, l);
}

static void relax(sk_network *net, uint32_t i)
{
    link *l = &net->links[i];
    net->counts.relaxed++;
    l->dirty = false;
    if (l->own.n == 0 && stays_loose(net, l))
        return;
    grab(net, i);
    if (l->own.n == 0)
        return;
    amount share = fair_share(l);
    touch(net, i);
    if (share != l->share)
        set_share(net, l, share);
}

/* When the lowest tag is reached. A remainder that rounding may have made is none: an amount is off by a few units for each ns. */
static amount rounding(const flow *f, int64_t at) { return 8 * (amount)(at - f->start + 1); }

static void schedule(sk_network *net, uint32_t i)
{
    link *l = &net->links[i];
    l->touched = false;
    int64_t at = SK_NEVER;
    if (l->own.n && l->share) {
        const flow *first = &net->flows[l->own.items[0]];
        bring_clock(l, net->now);
        amount left = first->tag > l->clock ? first->tag - l->clock : 0, ns = left / l->share;
        if (ns < (amount)(SK_NEVER - net->now - 1)) {
            at = net->now + (int64_t)ns;
            at += left % l->share > rounding(first, at);
        }
    }
    if (at != sk_events_when(&net->events, i))
        sk_events_set(&net->events, i, at, EVENT_LINK, 0);
}

/* The proof of convergence is for real numbers. Should rounding ever make two links answer each other for ever, rates stay as they are then,
 * off by next to nothing; no test has seen it. */
static void settle(sk_network *net)
{
    uint64_t most = net->counts.relaxed + 1000 * (uint64_t)net->nodes + 100000;
    while (net->dirty_first < net->dirty.n && net->counts.relaxed < most)
        relax(net, net->dirty.items[net->dirty_first++]);
    while (net->dirty_first < net->dirty.n)
        net->links[net->dirty.items[net->dirty_first++]].dirty = false;
    net->dirty.n = net->dirty_first = 0;
    for (uint32_t i = 0; i < net->touched.n; i++)
        schedule(net, net->touched.items[i]);
    net->touched.n = 0;
}

/* ---- the life of a flow ---- */

static void free_flow(sk_network *net, uint32_t f)
{
    net->flows[f].state = FREE;
    net->flows[f].place[0] = net->free_flow;
    net->free_flow = f;
}

static uint32_t new_flow(sk_network *net)
{
    uint32_t f = net->free_flow;
    if (f != NONE) {
        net->free_flow = net->flows[f].place[0];
        return f;
    }
    if (net->nflows == net->flows_room) {
        net->flows_room = net->flows_room ? 2 * net->flows_room : 64;
        net->flows = realloc(net->flows, net->flows_room * sizeof *net->flows);
        if (!net->flows)
            abort();
    }
    return net->nflows++;
}

/* The latency is over, or the link is repaired. */
static void flow_begins(sk_network *net, uint32_t f)
{
    flow *w = &net->flows[f];
    link *out = &net->links[w->link[OUT]], *in = &net->links[w->link[IN]];
    bool free_way = w->link[OUT] / 2 == w->link[IN] / 2 || (out->bandwidth == SK_UNLIMITED && in->bandwidth == SK_UNLIMITED);
    if (sk_network_is_cut(net, w->link[OUT] / 2, w->link[IN] / 2)) {
        w->state = STALLED;
    } else if (free_way || w->tag == 0) {
        list_add(&net->finished, f);
    } else {
        amount there = capacity(out) / (out->own.n + out->foreign.n + 1), here = capacity(in) / (in->own.n + in->foreign.n + 1);
        attach(net, f, here < there ? IN : OUT, w->tag);     /* a guess; settle() puts it right */
    }
}

static void flows_finish(sk_network *net, uint32_t i)
{
    link *l = &net->links[i];
    bring_clock(l, net->now);
    while (l->own.n) {
        uint32_t f = l->own.items[0];
        if (net->flows[f].tag > l->clock + rounding(&net->flows[f], net->now))
            break;
        detach(net, f);
        list_add(&net->finished, f);
    }
    touch(net, i);
}

typedef struct ended { uint64_t seq, user; } ended;
static int by_start(const void *a, const void *b)
{
    uint64_t x = ((const ended *)a)->seq, y = ((const ended *)b)->seq;
    return x < y ? -1 : x > y;
}

/* Frees those in `finished` and reports them. What is called may change the network: so from a copy. */
static void report(sk_network *net, sk_network_done call, void *data, bool done)
{
    uint32_t n = net->finished.n;
    if (n == 0)
        return;
    ended few[16], *e = n <= 16 ? few : malloc(n * sizeof *e);
    if (!e)
        abort();
    for (uint32_t i = 0; i < n; i++) {
        const flow *f = &net->flows[net->finished.items[i]];
        e[i] = (ended){ f->seq, f->user };
        net->counts.done += done;
        net->counts.bytes += done ? (uint64_t)f->bytes : 0;
        free_flow(net, net->finished.items[i]);
    }
    net->finished.n = 0;
    qsort(e, n, sizeof *e, by_start);
    for (uint32_t i = 0; i < n && call; i++)
        call(data, e[i].user);
    if (e != few)
        free(e);
}

static void happens(sk_network *net, const sk_event *e)
{
    net->counts.events++;
    if (e->kind == EVENT_LINK)
        flows_finish(net, e->a);
    else if (net->flows[e->a].state == LATENT && net->flows[e->a].seq == e->b)       /* not stopped meanwhile */
        flow_begins(net, e->a);
}

void sk_network_advance(sk_network *net, int64_t to, sk_network_done done, void *data)
{
    while (sk_events_next(&net->events) <= to && net->events.n) {
        net->now = sk_events_next(&net->events);
        sk_event e;
        while (sk_events_next(&net->events) == net->now && sk_events_pop(&net->events, &e))
            happens(net, &e);
        settle(net);
        report(net, done, data, true);
    }
    if (to > net->now)
        net->now = to;
}

static void set_time(sk_network *net, int64_t now)
{
    assert(now >= net->now && "time goes backwards");
    assert(sk_events_next(&net->events) >= now && "sk_network_advance first");
    net->now = now;
}

uint32_t sk_network_start(sk_network *net, int64_t now, uint32_t from, uint32_t to, int64_t bytes, uint64_t user)
{
    assert(from < net->nodes && to < net->nodes && bytes >= 0 && bytes <= SK_MOST_FLOW_BYTES);
    set_time(net, now);
    uint32_t f = new_flow(net);
    net->flows[f] = (flow){
        .tag = ((amount)bytes * 1000000000) << FRACTION, .bytes = bytes, .seq = net->seq++, .user = user, .coupled = NONE,
        .start = from == to ? now : now + net->latency, .link = { 2 * from + OUT, 2 * to + IN }, .state = LATENT,
    };
    net->counts.started++;
    sk_events_push(&net->events, net->flows[f].start, EVENT_BEGINS, f, net->flows[f].seq);
    return f;
}

void sk_network_stop(sk_network *net, int64_t now, uint32_t f)
{
    set_time(net, now);
    if (net->flows[f].state == MOVING)
        detach(net, f);
    free_flow(net, f);
    settle(net);
}

/* ---- faults ---- */

bool sk_network_is_cut(const sk_network *net, uint32_t a, uint32_t b)
{
    for (size_t i = 0; i < net->ncuts; i++)
        if ((net->cuts[i].a == a && net->cuts[i].b == b) || (net->cuts[i].a == b && net->cuts[i].b == a))
            return true;
    return false;
}

static bool joins(const flow *f, uint32_t a, uint32_t b)
{
    uint32_t from = f->link[OUT] / 2, to = f->link[IN] / 2;
    return (from == a && to == b) || (from == b && to == a);
}

void sk_network_cut(sk_network *net, int64_t now, uint32_t a, uint32_t b, sk_network_done lost, void *data)
{
    set_time(net, now);
    net->cuts = realloc(net->cuts, (net->ncuts + 1) * sizeof *net->cuts);
    if (!net->cuts)
        abort();
    net->cuts[net->ncuts++] = (cut){ a, b };
    for (uint32_t f = 0; f < net->nflows; f++) {
        flow *w = &net->flows[f];
        if (w->state == FREE || !joins(w, a, b))
            continue;
        if (w->state == MOVING) {
            w->tag = detach(net, f);
            w->state = STALLED;
        }
        if (lost)
            list_add(&net->finished, f);
    }
    settle(net);
    report(net, lost, data, false);
}

void sk_network_repair(sk_network *net, int64_t now, uint32_t a, uint32_t b)
{
    set_time(net, now);
    for (size_t i = 0; i < net->ncuts; i++)
        if ((net->cuts[i].a == a && net->cuts[i].b == b) || (net->cuts[i].a == b && net->cuts[i].b == a)) {
            net->cuts[i] = net->cuts[--net->ncuts];
            break;
        }
    if (sk_network_is_cut(net, a, b))
        return;
    for (uint32_t f = 0; f < net->nflows; f++) {
        flow *w = &net->flows[f];
        if (w->state == STALLED && joins(w, a, b)) {       /* goes on through the queue, like one that begins */
            w->state = LATENT;
            sk_events_push(&net->events, now, EVENT_BEGINS, f, w->seq);
        }
    }
}

void sk_network_lose(sk_network *net, int64_t now, uint32_t node, sk_network_done lost, void *data)
{
    set_time(net, now);
    for (uint32_t f = 0; f < net->nflows; f++) {
        flow *w = &net->flows[f];
        if (w->state == FREE || (w->link[OUT] / 2 != node && w->link[IN] / 2 != node))
            continue;
        if (w->state == MOVING)
            detach(net, f);
        list_add(&net->finished, f);
    }
    settle(net);
    report(net, lost, data, false);
}

void sk_network_set_bandwidth(sk_network *net, int64_t now, uint32_t node, int64_t out, int64_t in)
{
    set_time(net, now);
    net->links[2 * node + OUT].bandwidth = out;
    net->links[2 * node + IN].bandwidth = in;
    mark_dirty(net, 2 * node + OUT);
    mark_dirty(net, 2 * node + IN);
    settle(net);
}

/* ---- the whole ---- */

sk_network *sk_network_new(uint32_t nodes, int64_t latency, int64_t bandwidth)
{
    sk_network *net = calloc(1, sizeof *net);
    link *links = calloc(2 * (size_t)nodes + 1, sizeof *links);
    if (!net || !links)
        abort();
    *net = (sk_network){ .links = links, .nodes = nodes, .latency = latency, .free_flow = NONE };
    for (uint32_t i = 0; i < 2 * nodes; i++)
        links[i] = (link){ .bandwidth = bandwidth ? bandwidth : SK_UNLIMITED, .limit = NO_LIMIT };
    sk_events_init(&net->events);
    sk_events_add_handles(&net->events, 2 * nodes);
    return net;
}

void sk_network_free(sk_network *net)
{
    if (!net)
        return;
    for (uint32_t i = 0; i < 2 * net->nodes; i++) {
        free(net->links[i].own.items);
        free(net->links[i].foreign.items);
        free(net->links[i].coupled.items);
    }
    sk_events_clear(&net->events);
    free(net->dirty.items);
    free(net->touched.items);
    free(net->finished.items);
    free(net->links);
    free(net->flows);
    free(net->cuts);
    free(net);
}

int64_t sk_network_next(const sk_network *net)             { return sk_events_next(&net->events); }
int64_t sk_network_now(const sk_network *net)              { return net->now; }
sk_network_counts sk_network_count(const sk_network *net)  { return net->counts; }

int64_t sk_network_rate(const sk_network *net, uint32_t flow)
{
    const struct flow *f = &net->flows[flow];
    return f->state == MOVING ? (int64_t)(rate_of(net, f) >> FRACTION) : 0;
}
