/* network_links.h -- the records of network.c: flows, links, and which flows a link owns, is crossed by, must visit. Nothing is decided here. */
#ifndef SK_NETWORK_LINKS_H
#define SK_NETWORK_LINKS_H

#include "events.h"
#include "network.h"

typedef unsigned __int128 amount;

enum { FRACTION = 44, NONE = UINT32_MAX };
enum { OUT, IN };
enum { EVENT_BEGINS = 1, EVENT_LINK };
#define SLACK ((amount)1 << 12)               /* in rates: what rounding may make of two equal shares */
#define NO_LIMIT ((amount)-1)

typedef struct list { uint32_t *items, n, room; } list;

typedef struct flow {
    amount tag;                      /* moving: at its owner's clock. Else: what is left */
    int64_t start;
    uint64_t seq, user;
    int64_t bytes;
    uint32_t link[2];                /* OUT of the sender, IN of the receiver */
    uint32_t place[2];               /* there, among the own flows or the foreign ones */
    uint32_t coupled;                /* place in the owner's list, or NONE */
    uint8_t owner;                   /* OUT or IN */
    enum { FREE, LATENT, MOVING, STALLED } state;
} flow;

typedef struct link {
    int64_t bandwidth;
    amount share, clock;             /* what each own flow gets; has got up to `at` */
    int64_t at;
    amount foreign_rate;             /* kept while tight */
    amount limit;
    list own, foreign, coupled;      /* own: a heap by tag */
    bool dirty, touched;
    bool watched;                    /* loose, but some flow is above the level */
} link;

typedef struct cut { uint32_t a, b; } cut;

struct sk_network {
    link *links;                     /* 2 * node + OUT or IN */
    flow *flows;
    uint32_t nodes, nflows, flows_room, free_flow;       /* the free ones are chained by place[0] */
    int64_t now, latency;
    uint64_t seq;
    sk_events events;                /* the handle of a link is its number */
    list dirty, touched, finished;
    uint32_t dirty_first;
    cut *cuts;
    size_t ncuts;
    sk_network_counts counts;
};

/* ---- lists ---- */

static void list_add(list *l, uint32_t item)
{
    if (l->n == l->room) {
        l->room = l->room ? 2 * l->room : 4;
        l->items = realloc(l->items, l->room * sizeof *l->items);
        if (!l->items)
            abort();
    }
    l->items[l->n++] = item;
}

static void mark_dirty(sk_network *net, uint32_t l)
{
    if (!net->links[l].dirty)
        list_add(&net->dirty, l);
    net->links[l].dirty = true;
}

static void touch(sk_network *net, uint32_t l)
{
    if (!net->links[l].touched)
        list_add(&net->touched, l);
    net->links[l].touched = true;
}

static void add_foreign(sk_network *net, uint32_t f, int side)
{
    list *l = &net->links[net->flows[f].link[side]].foreign;
    net->flows[f].place[side] = l->n;
    list_add(l, f);
}

static void remove_foreign(sk_network *net, uint32_t f, int side)
{
    list *l = &net->links[net->flows[f].link[side]].foreign;
    uint32_t i = net->flows[f].place[side], last = l->items[--l->n];
    l->items[i] = last;
    net->flows[last].place[side] = i;
}

static link *owner_of(const sk_network *net, const flow *f) { return &net->links[f->link[f->owner]]; }

static void couple(sk_network *net, uint32_t f)
{
    list *l = &owner_of(net, &net->flows[f])->coupled;
    if (net->flows[f].coupled != NONE)
        return;
    net->flows[f].coupled = l->n;
    list_add(l, f);
}

static void uncouple(sk_network *net, uint32_t f)
{
    list *l = &owner_of(net, &net->flows[f])->coupled;
    uint32_t i = net->flows[f].coupled;
    if (i == NONE)
        return;
    uint32_t last = l->items[--l->n];
    l->items[i] = last;
    net->flows[last].coupled = i;
    net->flows[f].coupled = NONE;
}

/* ---- a link's own flows: a heap by tag ---- */

static bool earlier(const sk_network *net, uint32_t f, uint32_t g)
{
    const flow *a = &net->flows[f], *b = &net->flows[g];
    return a->tag != b->tag ? a->tag < b->tag : a->seq < b->seq;
}

static void own_put(sk_network *net, list *own, uint32_t i, uint32_t f)
{
    own->items[i] = f;
    net->flows[f].place[net->flows[f].owner] = i;
}

static void own_move(sk_network *net, list *own, uint32_t i, uint32_t f)
{
    for (; i > 0 && earlier(net, f, own->items[(i - 1) / 2]); i = (i - 1) / 2)
        own_put(net, own, i, own->items[(i - 1) / 2]);
    for (uint32_t c; (c = 2 * i + 1) < own->n; i = c) {
        if (c + 1 < own->n && earlier(net, own->items[c + 1], own->items[c]))
            c++;
        if (!earlier(net, own->items[c], f))
            break;
        own_put(net, own, i, own->items[c]);
    }
    own_put(net, own, i, f);
}

static void own_add(sk_network *net, list *own, uint32_t f)
{
    list_add(own, f);
    own_move(net, own, own->n - 1, f);
}

static void own_remove(sk_network *net, list *own, uint32_t i)
{
    uint32_t last = own->items[--own->n];
    if (i < own->n)
        own_move(net, own, i, last);
}

#endif
