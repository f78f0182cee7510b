/* idmap.h -- finds records by number.
 *
 * A set of pointers to records whose first member is their uint64_t id: open addressing with linear probing, and removal
 * that moves later entries back, so there are no tombstones (Knuth, vol. 3, 6.4, algorithm R). Eight bytes a slot. There is no way to
 * visit them, on purpose: nothing may depend on the order of a hash table.                                          */
#ifndef SK_IDMAP_H
#define SK_IDMAP_H

#include "base.h"
#include <glib.h>

typedef struct sk_idmap { uint64_t **slots; size_t mask, n; } sk_idmap;    /* all zero: empty */

/* The slot that has the id, or the empty one where it would go. */
static inline size_t sk_idmap_slot(const sk_idmap *map, uint64_t id)
{
    size_t at = sk_mix(id) & map->mask;
    while (map->slots[at] && *map->slots[at] != id)
        at = (at + 1) & map->mask;
    return at;
}

static inline void *sk_idmap_find(const sk_idmap *map, uint64_t id)
{
    return map->n ? map->slots[sk_idmap_slot(map, id)] : NULL;
}

/* The id must not be there yet. */
static inline void sk_idmap_add(sk_idmap *map, void *record)
{
    if (map->n * 4 >= (map->slots ? map->mask + 1 : 0) * 3) {
        sk_idmap bigger = { .mask = map->slots ? map->mask * 2 + 1 : 63, .n = map->n };
        bigger.slots = g_new0(uint64_t *, bigger.mask + 1);
        for (size_t i = 0; map->slots && i <= map->mask; i++)
            if (map->slots[i])
                bigger.slots[sk_idmap_slot(&bigger, *map->slots[i])] = map->slots[i];
        g_free(map->slots);
        *map = bigger;
    }
    map->slots[sk_idmap_slot(map, *(uint64_t *)record)] = record;
    map->n++;
}

/* The id must be there. */
static inline void sk_idmap_remove(sk_idmap *map, uint64_t id)
{
    size_t hole = sk_idmap_slot(map, id);
    for (size_t at = (hole + 1) & map->mask; map->slots[at]; at = (at + 1) & map->mask) {
        size_t home = sk_mix(*map->slots[at]) & map->mask;
        if (((at - home) & map->mask) >= ((at - hole) & map->mask)) {    /* its probing passes the hole: move it there */
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole] = NULL;
    map->n--;
}

static inline void sk_idmap_clear(sk_idmap *map)    /* the records are the caller's */
{
    g_free(map->slots);
    *map = (sk_idmap){ 0 };
}

static inline void sk_idmap_free(sk_idmap *map)     /* the records too */
{
    for (size_t i = 0; map->slots && i <= map->mask; i++)
        g_free(map->slots[i]);
    sk_idmap_clear(map);
}

#endif
