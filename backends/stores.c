/* stores.c -- see stores.h. All copies of all nodes lie in one array, found by (node, object) through one hash table with open addressing. The
 * table is only asked, never walked: what happens depends on the lists alone, which are in the order of use. */
#include "stores.h"

#include <assert.h>

enum { NONE = UINT32_MAX, NO_KIND = 2 };

typedef struct copy {
    uint64_t object;
    int64_t size;
    uint32_t node, pins;
    uint32_t older, newer;               /* in its node's list, if in memory and unpinned; free ones: older is the next free */
    uint8_t kind;                        /* NO_KIND: free */
    bool on_disk;
} copy;

typedef struct ids { uint64_t *items; size_t n, room; } ids;

struct sk_copies {
    copy *all;
    uint32_t n, room, free, live;
    uint32_t *table, slots;              /* numbers of copies, or NONE; slots is a power of two */
    ids evicted, spilled;
};

static void *grown(void *items, size_t n, size_t size)
{
    void *p = realloc(items, n * size);
    if (!p)
        abort();
    return p;
}

static void add_id(ids *l, uint64_t object)
{
    if (l->n == l->room)
        l->items = grown(l->items, l->room = l->room ? 2 * l->room : 16, sizeof *l->items);
    l->items[l->n++] = object;
}

/* ---- finding a copy: linear probing (Knuth 6.4) ---- */

static uint32_t home(const sk_copies *c, uint32_t node, uint64_t object) { return (uint32_t)sk_mix(object ^ sk_mix(node)) & (c->slots - 1); }

static uint32_t slot_of(const sk_copies *c, uint32_t node, uint64_t object)
{
    uint32_t i = home(c, node, object);
    while (c->table[i] != NONE && (c->all[c->table[i]].object != object || c->all[c->table[i]].node != node))
        i = (i + 1) & (c->slots - 1);
    return i;
}

static copy *find(const sk_stores *s, uint32_t node, uint64_t object)
{
    uint32_t i = s->copies->table[slot_of(s->copies, node, object)];
    return i == NONE ? NULL : &s->copies->all[i];
}

static void make_table(sk_copies *c, uint32_t slots)
{
    free(c->table);
    c->slots = slots;
    c->table = grown(NULL, slots, sizeof *c->table);
    memset(c->table, 0xff, slots * sizeof *c->table);
    for (uint32_t i = 0; i < c->n; i++)
        if (c->all[i].kind != NO_KIND)
            c->table[slot_of(c, c->all[i].node, c->all[i].object)] = i;
}

/* Moves up those that would not be found any more across the hole (Knuth 6.4, algorithm R): no tombstones. */
static void empty_slot(sk_copies *c, uint32_t hole)
{
    uint32_t mask = c->slots - 1;
    for (uint32_t i = (hole + 1) & mask; c->table[i] != NONE; i = (i + 1) & mask) {
        const copy *k = &c->all[c->table[i]];
        if (((i - home(c, k->node, k->object)) & mask) >= ((i - hole) & mask)) {
            c->table[hole] = c->table[i];
            hole = i;
        }
    }
    c->table[hole] = NONE;
}

static copy *new_copy(sk_copies *c, uint32_t node, uint64_t object)
{
    uint32_t i = c->free;
    if (2 * (c->live + 1) > c->slots)
        make_table(c, 2 * c->slots);
    if (i != NONE) {
        c->free = c->all[i].older;
    } else {
        if (c->n == c->room)
            c->all = grown(c->all, c->room = c->room ? 2 * c->room : 64, sizeof *c->all);
        i = c->n++;
    }
    c->all[i] = (copy){ .object = object, .node = node, .older = NONE, .newer = NONE };
    c->table[slot_of(c, node, object)] = i;
    c->live++;
    return &c->all[i];
}

static void free_copy(sk_copies *c, copy *k)
{
    empty_slot(c, slot_of(c, k->node, k->object));
    k->kind = NO_KIND;
    k->older = c->free;
    c->free = (uint32_t)(k - c->all);
    c->live--;
}

/* ---- the order of use ---- */

static void into_list(sk_stores *s, copy *k)
{
    sk_sim_store *n = &s->nodes[k->node];
    uint32_t i = (uint32_t)(k - s->copies->all), newest = n->newest[k->kind];
    k->older = newest;
    k->newer = NONE;
    if (newest != NONE)
        s->copies->all[newest].newer = i;
    else
        n->oldest[k->kind] = i;
    n->newest[k->kind] = i;
}

static void out_of_list(sk_stores *s, copy *k)
{
    sk_sim_store *n = &s->nodes[k->node];
    if (k->older != NONE)
        s->copies->all[k->older].newer = k->newer;
    else
        n->oldest[k->kind] = k->newer;
    if (k->newer != NONE)
        s->copies->all[k->newer].older = k->older;
    else
        n->newest[k->kind] = k->older;
}

static bool is_listed(const copy *k) { return k->pins == 0 && !k->on_disk; }

/* ---- making room ---- */

static void disk(sk_sim_store *n, int64_t now, int64_t bytes, sk_store_report *report)
{
    int64_t begin = n->busy_until > now ? n->busy_until : now;
    if (n->disk_bandwidth && bytes)
        begin += (int64_t)(((__int128)bytes * 1000000000 + n->disk_bandwidth - 1) / n->disk_bandwidth);
    if (bytes)
        report->ready_at = n->busy_until = begin;
}

static void begin_report(sk_stores *s, int64_t now, sk_store_report *report)
{
    s->copies->evicted.n = s->copies->spilled.n = 0;
    *report = (sk_store_report){ .ready_at = now };
}

static void evict(sk_stores *s, copy *k)
{
    out_of_list(s, k);
    s->nodes[k->node].used -= k->size;
    s->evictions++;
    add_id(&s->copies->evicted, k->object);
    free_copy(s->copies, k);
}

static void spill(sk_stores *s, copy *k, sk_store_report *report)
{
    sk_sim_store *n = &s->nodes[k->node];
    out_of_list(s, k);
    k->on_disk = true;
    n->used -= k->size;
    n->on_disk += k->size;
    s->spills++;
    report->spilled_bytes += k->size;
    add_id(&s->copies->spilled, k->object);
}

/* All that is not pinned could go. If that is enough, as little goes as the order allows. */
static bool make_room(sk_stores *s, int64_t now, uint32_t node, int64_t need, sk_store_report *report)
{
    sk_sim_store *n = &s->nodes[node];
    begin_report(s, now, report);
    report->need = need;
    report->have = n->capacity ? n->capacity - n->pinned : INT64_MAX;
    if (report->have < need)
        return false;
    while (n->capacity && n->capacity - n->used < need) {
        if (n->oldest[SK_COPY_SECONDARY] != NONE)
            evict(s, &s->copies->all[n->oldest[SK_COPY_SECONDARY]]);
        else
            spill(s, &s->copies->all[n->oldest[SK_COPY_PRIMARY]], report);
    }
    disk(n, now, report->spilled_bytes, report);
    report->evicted = s->copies->evicted.items;
    report->nevicted = s->copies->evicted.n;
    report->spilled = s->copies->spilled.items;
    report->nspilled = s->copies->spilled.n;
    return true;
}

static void take_room(sk_sim_store *n, int64_t size)
{
    n->used += size;
    n->pinned += size;
    if (n->used > n->used_peak)
        n->used_peak = n->used;
}

/* ---- the steps ---- */

bool sk_store_add(sk_stores *s, int64_t now, uint32_t node, uint64_t object, int64_t size, sk_copy_kind kind, sk_store_report *report)
{
    assert(!find(s, node, object) && size >= 0);
    if (!make_room(s, now, node, size, report))
        return false;
    copy *k = new_copy(s->copies, node, object);
    k->size = size;
    k->kind = (uint8_t)kind;
    k->pins = 1;
    take_room(&s->nodes[node], size);
    return true;
}

bool sk_store_pin(sk_stores *s, int64_t now, uint32_t node, uint64_t object, sk_store_report *report)
{
    copy *k = find(s, node, object);
    sk_sim_store *n = &s->nodes[node];
    assert(k);
    begin_report(s, now, report);
    if (k->on_disk) {
        if (!make_room(s, now, node, k->size, report))
            return false;
        k->on_disk = false;              /* still k: making room frees copies, but moves none */
        n->on_disk -= k->size;
        s->restores++;
        report->restored_bytes = k->size;
        disk(n, now, k->size, report);
        take_room(n, k->size);
    } else if (k->pins == 0) {
        out_of_list(s, k);
        n->pinned += k->size;
    }
    k->pins++;
    return true;
}

void sk_store_unpin(sk_stores *s, uint32_t node, uint64_t object)
{
    copy *k = find(s, node, object);
    assert(k && k->pins > 0);
    if (--k->pins > 0)
        return;
    s->nodes[node].pinned -= k->size;
    into_list(s, k);
}

bool sk_store_drop(sk_stores *s, uint32_t node, uint64_t object)
{
    copy *k = find(s, node, object);
    sk_sim_store *n = &s->nodes[node];
    if (!k)
        return false;
    if (is_listed(k))
        out_of_list(s, k);
    n->pinned -= k->pins ? k->size : 0;
    *(k->on_disk ? &n->on_disk : &n->used) -= k->size;
    free_copy(s->copies, k);
    return true;
}

bool sk_store_promote(sk_stores *s, uint32_t node, uint64_t object)
{
    copy *k = find(s, node, object);
    if (!k)
        return false;
    if (is_listed(k))
        out_of_list(s, k);
    k->kind = SK_COPY_PRIMARY;
    if (is_listed(k))
        into_list(s, k);                 /* as if just used */
    return true;
}

void sk_store_visit_primary(const sk_stores *s, uint32_t node, void (*visit)(void *data, uint64_t object), void *data)
{
    for (uint32_t i = 0; i < s->copies->n; i++)
        if (s->copies->all[i].kind == SK_COPY_PRIMARY && s->copies->all[i].node == node)
            visit(data, s->copies->all[i].object);
}

void sk_store_lose(sk_stores *s, uint32_t node)
{
    sk_sim_store *n = &s->nodes[node];
    for (uint32_t i = 0; i < s->copies->n; i++)
        if (s->copies->all[i].kind != NO_KIND && s->copies->all[i].node == node)
            free_copy(s->copies, &s->copies->all[i]);
    *n = (sk_sim_store){ .capacity = n->capacity, .disk_bandwidth = n->disk_bandwidth, .used_peak = n->used_peak,
                         .oldest = { NONE, NONE }, .newest = { NONE, NONE } };
}

bool sk_store_has(const sk_stores *s, uint32_t node, uint64_t object) { return find(s, node, object) != NULL; }

int64_t sk_store_size(const sk_stores *s, uint32_t node, uint64_t object)
{
    const copy *k = find(s, node, object);
    return k ? k->size : 0;
}

bool sk_store_on_disk(const sk_stores *s, uint32_t node, uint64_t object)
{
    const copy *k = find(s, node, object);
    return k && k->on_disk;
}

/* ---- the whole ---- */

void sk_stores_init(sk_stores *s, uint32_t nodes)
{
    *s = (sk_stores){ .n = nodes, .nodes = grown(NULL, (size_t)nodes + 1, sizeof *s->nodes), .copies = grown(NULL, 1, sizeof *s->copies) };
    *s->copies = (sk_copies){ .free = NONE };
    for (uint32_t i = 0; i < nodes; i++)
        s->nodes[i] = (sk_sim_store){ .oldest = { NONE, NONE }, .newest = { NONE, NONE } };
    make_table(s->copies, 64);
}

void sk_stores_clear(sk_stores *s)
{
    free(s->copies->all);
    free(s->copies->table);
    free(s->copies->evicted.items);
    free(s->copies->spilled.items);
    free(s->copies);
    free(s->nodes);
    *s = (sk_stores){ 0 };
}

void sk_store_set(sk_stores *s, uint32_t node, int64_t capacity, int64_t disk_bandwidth)
{
    s->nodes[node].capacity = capacity;
    s->nodes[node].disk_bandwidth = disk_bandwidth;
}
