/* policy.c -- the policies, simplest first. See policy.h for what they may decide.
 *
 * Each says which paper it follows, what is done here, and what is left out. All steal: see policy.h for why. */
#include "cluster_state.h"

#include "error.h"

typedef sk_cluster cluster;
typedef sk_task_record task;

static int64_t by_order(cluster *c, const task *t, int64_t rank)
{
    (void)c, (void)rank;
    return (int64_t)t->order;
}

static int64_t latest_first(cluster *c, const task *t, int64_t rank) { return -by_order(c, t, rank); }

static int64_t by_lot(cluster *c, const task *t, int64_t rank)
{
    (void)t, (void)rank;
    return (int64_t)(sk_cluster_draw(&c->key_stream) >> 1);
}

static int64_t longest_way_first(cluster *c, const task *t, int64_t rank)
{
    (void)c, (void)t;
    return -rank;
}

/* Round the nodes: each search goes on where the last one ended. */
static int next_with_room(cluster *c, const task *t)
{
    int node = sk_place_find(c, t, c->next_node, 0);
    if (node >= 0)
        c->next_node = node + 1 < c->nnodes ? node + 1 : 0;
    return node;
}

static int any_node(cluster *c) { return c->nnodes ? (int)(sk_cluster_draw(&c->place_stream) % (uint64_t)c->nnodes) : 0; }

/* ---- random ---------------------------------------------------------------------------------------------
 * The baseline of Böhm and Beránek (RSDS, arXiv 2010.11105), who found it surprisingly hard to beat. A random task, and the first node
 * with room from a random one on; they assign at once and balance later, we wait until there is room. */
static int random_place(cluster *c, const task *t) { return sk_place_find(c, t, any_node(c), 0); }

/* ---- locality -------------------------------------------------------------------------------------------
 * Zaharia and others (delay scheduling, EuroSys'10). A task goes where most bytes of its arguments are, and queues there if that node has no room
 * while others have none either; a node with room takes, of the first tasks of a queue, the one with fewest bytes
 * missing. The delay itself is left out (the cluster has no clock): a node without local work takes other work at once. */
enum { MOST_COPIES = 8, MOST_HOLDERS = 32 };

typedef struct holder { int node; int64_t bytes; } holder;

/* The nodes that have some of its arguments; of objects with many copies only the first few count. */
static int find_holders(const task *t, holder *at)
{
    int n = 0;
    for (uint32_t i = 0; i < t->nargs; i++) {
        const int32_t *copies = sk_pull_copies(t->args[i]);
        for (uint32_t k = 0; k < t->args[i]->copies && k < MOST_COPIES; k++) {
            int j = 0;
            while (j < n && at[j].node != copies[k])
                j++;
            if (j == n && n == MOST_HOLDERS)
                continue;
            if (j == n)
                at[n++] = (holder){ .node = copies[k] };
            at[j].bytes += t->args[i]->bytes;
        }
    }
    return n;
}

/* The node with most bytes of it; equal: the lowest. With `room`, only nodes that have room. */
static int best_holder(cluster *c, const task *t, bool room)
{
    holder at[MOST_HOLDERS];
    int n = t->nargs ? find_holders(t, at) : 0;
    const holder *best = NULL;
    for (int i = 0; i < n; i++) {
        if (room && !sk_place_may(c, t, at[i].node))
            continue;
        if (!best || at[i].bytes > best->bytes || (at[i].bytes == best->bytes && at[i].node < best->node))
            best = &at[i];
    }
    return best ? best->node : -1;
}

static int locality_place(cluster *c, const task *t)
{
    int node = best_holder(c, t, true);
    return node >= 0 ? node : next_with_room(c, t);
}

static int locality_queue(cluster *c, const task *t) { return best_holder(c, t, false); }

/* ---- bottom-up ------------------------------------------------------------------------------------------
 * Moritz and others (Ray, OSDI'18). A task runs where it was submitted, or queues there while that queue is shorter than the node
 * has cpus; what is beyond goes to the common queue, as if to the global scheduler. Left out: heartbeats,
 * that is, the global scheduler's view is never old; and an idle node takes what queues at others. */
static int bottom_up_place(cluster *c, const task *t)
{
    if (sk_place_may(c, t, t->home))
        return t->home;
    int node = best_holder(c, t, true);
    return node >= 0 ? node : next_with_room(c, t);
}

static int bottom_up_queue(cluster *c, const task *t)
{
    if (t->home < 0 || t->home >= c->nnodes)
        return -1;
    const sk_node_record *n = &c->nodes[t->home];
    return (int64_t)n->queued * SK_UNITS < n->pool.cpus ? t->home : -1;
}

/* ---- power-of-two ---------------------------------------------------------------------------------------
 * Mitzenmacher, IEEE TPDS'01; Ousterhout and others (Sparrow, SOSP'13). Of two nodes drawn at random the one with the shorter line. Sparrow's
 * late binding is in that an idle node takes what queues elsewhere; its batch sampling is left out, and a node with room that
 * neither draw hit is found all the same. */
static int64_t load(const cluster *c, int node)
{
    if (node >= c->nnodes)
        return INT64_MAX;
    const sk_node_record *n = &c->nodes[node];
    return n->is_up && n->pool.cpus > 0 ? n->queued * (int64_t)SK_UNITS - n->plan.cpus_free : INT64_MAX;
}

static int power_place(cluster *c, const task *t)
{
    int a = any_node(c), b = any_node(c);
    int better = load(c, b) < load(c, a) ? b : a, other = better == a ? b : a;
    if (sk_place_may(c, t, better))
        return better;
    return sk_place_may(c, t, other) ? other : sk_place_find(c, t, better, 0);
}

static int power_queue(cluster *c, const task *t)
{
    int a = any_node(c), b = any_node(c);
    (void)t;
    return load(c, b) < load(c, a) ? b : a;
}

/* ---- heft -----------------------------------------------------------------------------------------------
 * Topcuoglu, Hariri, Wu (IEEE TPDS'02). By upward rank, each task to the node where it would end first: bytes to fetch, then
 * work by the node's speed. Done as the graph unfolds, so ranks are those the caller knows; looks at nodes that have room now, never plans a start on a busy
 * faster one, and so inserts into no gaps. */
static int64_t finish(const cluster *c, const task *t, int node)
{
    int64_t missing = sk_pull_missing(t, node), ns = 0;
    if (missing > 0)
        ns = c->latency_ns + (c->bytes_per_second ? (int64_t)((__int128)missing * 1000000000 / c->bytes_per_second) : 0);
    return ns + (int64_t)((__int128)t->cost * SK_UNITS / c->nodes[node].speed);
}

static int heft_place(cluster *c, const task *t)
{
    int best = -1;
    for (int i = 0; best < 0 && i < c->nspeeds; i++)        /* the fastest that has room */
        best = sk_place_find(c, t, c->next_node, c->speeds[i]);
    if (best >= 0)
        c->next_node = best + 1 < c->nnodes ? best + 1 : 0;
    holder at[MOST_HOLDERS];
    int n = t->nargs ? find_holders(t, at) : 0;
    for (int i = 0; i < n; i++)
        if (sk_place_may(c, t, at[i].node) && (best < 0 || finish(c, t, at[i].node) < finish(c, t, best)))
            best = at[i].node;
    return best;
}

/* ---- The list -------------------------------------------------------------------------------------------
 * fifo: by submission. lifo: the latest first, which keeps few tasks alive as depth first does (Blumofe and Leiserson, JACM'99, whose
 * work stealing has a stack per worker; here the stack is common). b-level: the longest way to an exit first, HLFET
 * (Adam, Chandy, Dickson, CACM'74), without regard to transfers. */
static const sk_policy policies[] = {
    { "locality", by_order, locality_place, locality_queue, true },
    { "random", by_lot, random_place, NULL, false },
    { "fifo", by_order, next_with_room, NULL, false },
    { "lifo", latest_first, next_with_room, NULL, false },
    { "bottom-up", by_order, bottom_up_place, bottom_up_queue, false },
    { "b-level", longest_way_first, next_with_room, NULL, false },
    { "heft", longest_way_first, heft_place, NULL, false },
    { "power-of-two", by_order, power_place, power_queue, false },
};

enum { POLICIES = sizeof policies / sizeof *policies };

const char *sk_policy_names(char *room, size_t size)
{
    *room = '\0';
    for (size_t i = 0, n = 0; i < POLICIES && n < size; i++)
        n += (size_t)snprintf(room + n, size - n, "%s%s", i ? " " : "", policies[i].name);
    return room;
}

const sk_policy *sk_policy_find(const char *name, sk_error *err)
{
    for (size_t i = 0; i < POLICIES; i++)
        if (!name || !strcmp(policies[i].name, name))
            return &policies[i];
    char all[200];
    sk_error_set(err, SK_MISUSE, "there is no policy \"%.100s\"; there are: %s", name, sk_policy_names(all, sizeof all));
    return NULL;
}
