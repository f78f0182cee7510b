/* trace_ids.c -- section 4 of trace_read.h. Open addressing, at most five eighths full.
 *
 * Numbers are given out in order, and used in order. So a slot, a cache line, holds the indices of 14 neighbours: a table of a million
 * numbers has 7 MB instead of 26, and the next number is mostly in the line of the last. */
#include "trace_read.h"

#include <glib.h>
#include <string.h>

#include "trace_room.h"

enum { NEIGHBOURS = 14 };

struct sk_ids_slot {
    uint64_t key_plus_1; /* of number / NEIGHBOURS; 0: empty */
    uint32_t index_plus_1[NEIGHBOURS];
};
_Static_assert(sizeof(struct sk_ids_slot) == 64, "a slot is a cache line");

/* The slot of this key, or the empty one where it belongs. */
static struct sk_ids_slot *find(const sk_ids *ids, uint64_t key)
{
    uint32_t i = (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32) & ids->mask;
    while (ids->slot[i].key_plus_1 && ids->slot[i].key_plus_1 != key + 1)
        i = (i + 1) & ids->mask;
    return &ids->slot[i];
}

uint32_t sk_trace_ids_find(const sk_ids *ids, uint64_t number)
{
    if (!ids->slot)
        return SK_NO_INDEX;
    return find(ids, number / NEIGHBOURS)->index_plus_1[number % NEIGHBOURS] - 1; /* 0 - 1 is SK_NO_INDEX */
}

static struct sk_ids_slot *new_slots(size_t n)
{
    size_t bytes = n * sizeof(struct sk_ids_slot);
    return memset(sk_trace_room(NULL, 0, bytes), 0, bytes);
}

static void grow(sk_ids *ids)
{
    struct sk_ids_slot *old = ids->slot;
    uint64_t n = old ? (uint64_t)ids->mask + 1 : 0;
    ids->mask = n ? (uint32_t)(2 * n - 1) : 15;
    ids->slot = new_slots(ids->mask + 1);
    for (uint64_t i = 0; i < n; i++)
        if (old[i].key_plus_1)
            *find(ids, old[i].key_plus_1 - 1) = old[i];
    g_free(old);
}

uint32_t sk_trace_ids_add(sk_ids *ids, uint64_t number)
{
    uint64_t key = number / NEIGHBOURS;
    if (!ids->slot)
        grow(ids);
    struct sk_ids_slot *slot = find(ids, key);
    if (!slot->key_plus_1) {
        if (ids->used > ids->mask / 8 * 5) {
            grow(ids);
            slot = find(ids, key);
        }
        slot->key_plus_1 = key + 1;
        ids->used++;
    }
    uint32_t *index = &slot->index_plus_1[number % NEIGHBOURS];
    if (!*index)
        *index = ++ids->n;
    return *index - 1;
}

void sk_trace_ids_clear(sk_ids *ids)
{
    g_free(ids->slot);
    *ids = (sk_ids){ 0 };
}
