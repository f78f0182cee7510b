/* trace_ids.c -- section 4 of trace_read.h. Open addressing, at most five eighths full. */
#include "trace_read.h"

#include <glib.h>

struct sk_ids_slot {
    uint64_t number;
    uint32_t index_plus_1;
};

/* Neighbours stay neighbours, eight to a group: numbers are given out in order, and used in order.
 */
static uint32_t hash(uint64_t number)
{
    return (uint32_t)(((number >> 3) * 0x9e3779b97f4a7c15ull) >> 32) << 3 | (number & 7);
}

uint32_t sk_trace_ids_find(const sk_ids *ids, uint64_t number)
{
    if (!ids->slot)
        return SK_NO_INDEX;
    for (uint32_t i = hash(number) & ids->mask; ids->slot[i].index_plus_1; i = (i + 1) & ids->mask)
        if (ids->slot[i].number == number)
            return ids->slot[i].index_plus_1 - 1;
    return SK_NO_INDEX;
}

static void insert(sk_ids *ids, uint64_t number, uint32_t index)
{
    uint32_t i = hash(number) & ids->mask;
    while (ids->slot[i].index_plus_1)
        i = (i + 1) & ids->mask;
    ids->slot[i] = (struct sk_ids_slot){ number, index + 1 };
}

uint32_t sk_trace_ids_add(sk_ids *ids, uint64_t number)
{
    uint32_t found = sk_trace_ids_find(ids, number);
    if (found != SK_NO_INDEX)
        return found;
    if (!ids->slot || ids->n > ids->mask / 8 * 5) {
        struct sk_ids_slot *old = ids->slot;
        uint64_t n = old ? (uint64_t)ids->mask + 1 : 0;
        ids->mask = n ? (uint32_t)(2 * n - 1) : 63;
        ids->slot = g_new0(struct sk_ids_slot, (size_t)ids->mask + 1);
        for (uint64_t i = 0; i < n; i++)
            if (old[i].index_plus_1)
                insert(ids, old[i].number, old[i].index_plus_1 - 1);
        g_free(old);
    }
    insert(ids, number, ids->n);
    return ids->n++;
}

void sk_trace_ids_clear(sk_ids *ids)
{
    g_free(ids->slot);
    *ids = (sk_ids){ 0 };
}
