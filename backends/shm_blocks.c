/* shm_blocks.c -- see shm_blocks.h. Every step is a list operation, a look into a tree by size, or a merge, of which there are no more than
 * frees and cuts: so taking and giving are O(log n) each, over a run of them. */
#include "shm_blocks.h"

#include <assert.h>
#include <stddef.h>

#define of_link(link, member) ((sk_block *)((char *)(link) - offsetof(sk_block, member)))

typedef struct sizes { size_t size; sk_link blocks; } sizes;            /* free blocks of one size, the last one freed first */

/* ---- rings ---- */

static void ring(sk_link *head) { head->before = head->after = head; }
static bool is_empty(const sk_link *head) { return head->after == head; }

static void link_after(sk_link *place, sk_link *l)
{
    l->before = place;
    l->after = place->after;
    place->after->before = l;
    place->after = l;
}

static void unlink_from(sk_link *l)      /* also of one that is in no ring, but was made one of its own */
{
    l->before->after = l->after;
    l->after->before = l->before;
    ring(l);
}

/* ---- free blocks by size ---- */

static gint by_size(gconstpointer a, gconstpointer b, gpointer unused)
{
    (void)unused;
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static GTree *tree_of(sk_blocks *b, const sk_block *k)
{
    return k->state == SK_BLOCK_WARM ? b->arenas[k->owner].warm : b->arenas[k->owner].cold;
}

static void file(sk_blocks *b, sk_block *k)
{
    GTree *tree = tree_of(b, k);
    sizes *s = g_tree_lookup(tree, &k->size);
    if (!s) {
        s = g_new(sizes, 1);
        s->size = k->size;
        ring(&s->blocks);
        g_tree_insert(tree, &s->size, s);
    }
    link_after(&s->blocks, &k->same);
}

static void unfile(sk_blocks *b, sk_block *k)
{
    sk_link *rest = k->same.after;
    unlink_from(&k->same);
    if (is_empty(rest))                  /* it was the last: what is left is the head */
        g_tree_remove(tree_of(b, k), &k->size);
}

static sk_block *smallest(GTree *tree, size_t size)      /* of at least that size */
{
    GTreeNode *node = g_tree_lower_bound(tree, &size);
    return node ? of_link(((sizes *)g_tree_node_value(node))->blocks.after, same) : NULL;
}

/* ---- blocks ---- */

static sk_block *new_block(uint32_t owner, uint64_t offset, size_t size, sk_block_state state)
{
    sk_block *k = g_new(sk_block, 1);
    *k = (sk_block){ .offset = offset, .size = size, .owner = owner, .state = state, .copy = SK_NO_COPY };
    ring(&k->same);
    ring(&k->age);
    ring(&k->unmerged);
    ring(&k->idle);
    return k;
}

/* ---- live ones: who is idle ---- */

static void update_idle(sk_blocks *b, sk_block *k)
{
    bool is = !is_empty(&k->idle), should_be = k->state == SK_BLOCK_LIVE && k->kept && !k->pins && !k->away;
    if (is == should_be)
        return;
    if (should_be)
        link_after(b->idle.before, &k->idle);
    else
        unlink_from(&k->idle);
    b->idle_bytes += should_be ? k->size : -k->size;
}

void sk_blocks_keep(sk_blocks *b, sk_block *k)
{
    k->kept = true;
    update_idle(b, k);
}

void sk_blocks_pin(sk_blocks *b, sk_block *k)
{
    assert(!k->away);
    k->pins++;
    update_idle(b, k);
}

void sk_blocks_unpin(sk_blocks *b, sk_block *k)
{
    assert(k->pins);
    k->pins--;
    update_idle(b, k);
}

sk_block *sk_blocks_idlest(const sk_blocks *b, bool with_copy)
{
    for (sk_link *l = b->idle.after; l != &b->idle; l = l->after)
        if (!with_copy || of_link(l, idle)->copy != SK_NO_COPY)
            return of_link(l, idle);
    return NULL;
}

void sk_blocks_send(sk_blocks *b, sk_block *k, size_t size)
{
    k->away = size;
    b->live_bytes -= size;
    b->away_bytes += size;
    b->left_bytes += k->size - size;
    update_idle(b, k);
}

void sk_blocks_bring(sk_blocks *b, sk_block *k)
{
    b->live_bytes += k->away;
    b->away_bytes -= k->away;
    b->left_bytes -= k->size - k->away;
    k->away = 0;
    update_idle(b, k);
}

/* It is live no more. */
static void leave_live(sk_blocks *b, sk_block *k, sk_block_state to)
{
    assert(k->state == SK_BLOCK_LIVE && k->copy == SK_NO_COPY);
    sk_idmap_remove(&b->live, k->offset);
    b->live_bytes -= k->size - k->away;
    b->away_bytes -= k->away;
    b->left_bytes -= k->away ? k->size - k->away : 0;
    k->state = to;
    update_idle(b, k);
    k->kept = k->seen = false;
    k->away = k->pins = 0;
}

/* ---- cutting and merging ---- */

/* The first `size` bytes of a block become one of their own, in no list yet; the rest keeps the record. */
static sk_block *cut(sk_blocks *b, sk_block *k, size_t size)
{
    sk_block *front = new_block(k->owner, k->offset, size, k->state);
    front->left = k->left;
    front->right = k;
    if (k->left)
        k->left->right = front;
    else
        b->arenas[k->owner].first = front;
    k->left = front;
    k->offset += size;
    k->size -= size;
    return front;
}

/* Two neighbours become one, in k's record; `other` must be in no list. */
static void absorb(sk_blocks *b, sk_block *k, sk_block *other)
{
    if (other == k->left) {
        k->offset = other->offset;
        k->left = other->left;
        if (k->left)
            k->left->right = k;
        else
            b->arenas[k->owner].first = k;
    } else {
        k->right = other->right;
        if (k->right)
            k->right->left = k;
    }
    k->size += other->size;
    g_free(other);
}

/* ---- warm ones ---- */

static void merge_warm(sk_blocks *b, sk_block *k)
{
    sk_block *other;
    while (((other = k->left) && other->state == SK_BLOCK_WARM) || ((other = k->right) && other->state == SK_BLOCK_WARM)) {
        if (other->freed > k->freed) {                       /* the younger one's place among the ages, in k's record */
            unlink_from(&k->age);
            link_after(&other->age, &k->age);
            k->freed = other->freed;
        }
        if (other->grain > k->grain)
            k->grain = other->grain;
        unfile(b, other);
        unlink_from(&other->age);
        unlink_from(&other->unmerged);
        unfile(b, k);
        absorb(b, k, other);
        file(b, k);
    }
}

static sk_block *make_live(sk_blocks *b, sk_block *k)
{
    k->state = SK_BLOCK_LIVE;
    k->freed = ++b->clock;
    sk_idmap_add(&b->live, k);
    b->live_bytes += k->size;
    return k;
}

sk_block *sk_blocks_take_warm(sk_blocks *b, unsigned owner, size_t size, bool any)
{
    sk_block_arena *a = &b->arenas[owner];
    sk_block *k = smallest(a->warm, size);
    if (!k || k->size != size) {
        while (!is_empty(&a->unmerged)) {
            sk_block *next = of_link(a->unmerged.after, unmerged);
            unlink_from(&next->unmerged);
            merge_warm(b, next);
        }
        k = smallest(a->warm, size);
    }
    if (!k || !(any || k->size == size || k->size - size >= k->grain || size >= k->grain / 8))
        return NULL;
    unfile(b, k);
    b->warm_bytes -= size;
    if (k->size == size) {
        unlink_from(&k->age);
        unlink_from(&k->unmerged);
        return make_live(b, k);
    }
    sk_block *front = cut(b, k, size);
    if (k->grain > k->size)
        k->grain = k->size;
    file(b, k);
    return make_live(b, front);
}

void sk_blocks_give(sk_blocks *b, sk_block *k)
{
    assert(!k->away);
    leave_live(b, k, SK_BLOCK_WARM);
    b->warm_bytes += k->size;
    k->grain = k->size;
    k->freed = ++b->clock;
    link_after(b->age.before, &k->age);
    link_after(&b->arenas[k->owner].unmerged, &k->unmerged);
    file(b, k);
}

sk_block *sk_blocks_oldest(const sk_blocks *b) { return is_empty(&b->age) ? NULL : of_link(b->age.after, age); }

/* ---- cold ones: always merged ---- */

static void make_cold(sk_blocks *b, sk_block *k)
{
    sk_block *other;
    k->state = SK_BLOCK_COLD;
    while (((other = k->left) && other->state == SK_BLOCK_COLD) || ((other = k->right) && other->state == SK_BLOCK_COLD)) {
        unfile(b, other);
        absorb(b, k, other);
    }
    file(b, k);
}

sk_block *sk_blocks_take_cold(sk_blocks *b, unsigned owner, size_t size)
{
    sk_block *k = smallest(b->arenas[owner].cold, size);
    if (!k)
        return NULL;
    unfile(b, k);
    if (k->size == size)
        return make_live(b, k);
    sk_block *front = cut(b, k, size);
    file(b, k);
    return make_live(b, front);
}

void sk_blocks_ungive(sk_blocks *b, sk_block *k)
{
    leave_live(b, k, SK_BLOCK_COLD);
    make_cold(b, k);
}

void sk_blocks_cool(sk_blocks *b, sk_block *k, size_t size)
{
    assert(k->state == SK_BLOCK_WARM && size <= k->size);
    b->warm_bytes -= size;
    unfile(b, k);
    if (size == k->size) {
        unlink_from(&k->age);
        unlink_from(&k->unmerged);
        make_cold(b, k);
        return;
    }
    /* The front stays warm, in a record of its own: it takes the old one's places. */
    sk_block *front = cut(b, k, k->size - size), *back = k;
    front->grain = back->grain < front->size ? back->grain : front->size;
    front->freed = back->freed;
    link_after(&back->age, &front->age);
    unlink_from(&back->age);
    if (!is_empty(&back->unmerged)) {
        link_after(&back->unmerged, &front->unmerged);
        unlink_from(&back->unmerged);
    }
    file(b, front);
    make_cold(b, back);
}

/* ---- all of them ---- */

sk_block *sk_blocks_at(const sk_blocks *b, uint64_t offset) { return sk_idmap_find(&b->live, offset); }

sk_blocks *sk_blocks_new(unsigned owners)
{
    sk_blocks *b = g_malloc0(sizeof *b + owners * sizeof b->arenas[0]);
    b->owners = owners;
    ring(&b->age);
    ring(&b->idle);
    return b;
}

void sk_blocks_add(sk_blocks *b, unsigned owner, uint64_t offset, size_t size)
{
    sk_block_arena *a = &b->arenas[owner];
    assert(!a->warm);
    a->warm = g_tree_new_full(by_size, NULL, NULL, g_free);
    a->cold = g_tree_new_full(by_size, NULL, NULL, g_free);
    ring(&a->unmerged);
    a->first = new_block(owner, offset, size, SK_BLOCK_COLD);
    file(b, a->first);
}

void sk_blocks_free(sk_blocks *b)
{
    if (!b)
        return;
    for (unsigned i = 0; i < b->owners; i++) {
        sk_block_arena *a = &b->arenas[i];
        if (!a->warm)
            continue;
        g_tree_destroy(a->warm);
        g_tree_destroy(a->cold);
        for (sk_block *k = a->first, *next; k; k = next) {
            next = k->right;
            g_free(k);
        }
    }
    sk_idmap_clear(&b->live);
    g_free(b);
}
