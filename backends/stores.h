/* stores.h -- the object stores of the simulated nodes: which copies are where, what makes room, what goes to disk. No bytes are held.
 *
 * The idea: a node's store has a capacity. The *primary* copy of an object (where it was made) is the only one that may not be lost: when room
 * is needed it is *spilled*, written to the node's disk, and *restored* when somebody wants it. Other, *secondary* copies came over the
 * network and can come again: they are *evicted*, that is dropped. A copy that is in use is *pinned* and stays. So room is made, in this order,
 * from secondary copies, then from primary ones, each least recently used first; as in Ray, where eviction comes before spilling.
 *
 * Nothing takes time here: the caller hears what a step would take and schedules it. The disk is one per node: a later
 * transfer begins when the earlier ones have ended (`busy_until`).
 *
 *     sk_stores_init(&s, nodes);
 *     sk_store_set(&s, node, capacity, disk_bandwidth);
 *     sk_store_add(&s, now, node, object, size, SK_COPY_PRIMARY, &what)  ->  what.evicted[], what.spilled_bytes, what.ready_at     */
#ifndef SK_STORES_H
#define SK_STORES_H

#include "base.h"

typedef enum sk_copy_kind { SK_COPY_PRIMARY, SK_COPY_SECONDARY } sk_copy_kind;

typedef struct sk_sim_store {            /* one node's */
    int64_t capacity;                    /* bytes; 0: no limit */
    int64_t disk_bandwidth;              /* bytes a second; 0: spilling takes no time */
    int64_t used, pinned, on_disk;       /* bytes */
    int64_t used_peak;
    int64_t busy_until;                  /* the disk, ns */
    uint32_t oldest[2], newest[2];       /* unpinned copies of each kind, by last use */
} sk_sim_store;

typedef struct sk_copies sk_copies;
typedef struct sk_stores {
    sk_sim_store *nodes;
    uint32_t n;
    sk_copies *copies;
    uint64_t evictions, spills, restores;
} sk_stores;

/* What a step did. Arrays are the stores', good until the next step. */
typedef struct sk_store_report {
    const uint64_t *evicted, *spilled;   /* objects whose copy here is gone; is on disk now */
    size_t nevicted, nspilled;
    int64_t spilled_bytes, restored_bytes;
    int64_t ready_at;                    /* when the disk has done its part; at least `now` */
    int64_t need, have;                  /* after a refusal: bytes asked for, bytes that could be made free */
} sk_store_report;

void sk_stores_init(sk_stores *s, uint32_t nodes);
void sk_stores_clear(sk_stores *s);
void sk_store_set(sk_stores *s, uint32_t node, int64_t capacity, int64_t disk_bandwidth);

/* An object's copy comes into a store, pinned once. false: there is no room, and nothing has been changed (report->need,
 * have). Not if it is there. */
bool sk_store_add(sk_stores *s, int64_t now, uint32_t node, uint64_t object, int64_t size, sk_copy_kind kind, sk_store_report *report);
/* Somebody uses the copy until sk_store_unpin: brings it back from disk if need be. false: it is on disk and there is no room. It
 * must be there. */
bool sk_store_pin(sk_stores *s, int64_t now, uint32_t node, uint64_t object, sk_store_report *report);
void sk_store_unpin(sk_stores *s, uint32_t node, uint64_t object);
/* The copy is gone, pinned or not, also from disk: its object was freed. false: it was not there. */
bool sk_store_drop(sk_stores *s, uint32_t node, uint64_t object);
/* The copy is the primary one from now on (the node that had it is lost). false: it is not there. */
bool sk_store_promote(sk_stores *s, uint32_t node, uint64_t object);
/* Every object whose primary copy is there, before sk_store_lose: another copy is to be promoted. */
void sk_store_visit_primary(const sk_stores *s, uint32_t node, void (*visit)(void *data, uint64_t object), void *data);
/* The node crashed: all that its store and disk held is gone. */
void sk_store_lose(sk_stores *s, uint32_t node);

bool sk_store_has(const sk_stores *s, uint32_t node, uint64_t object);       /* in memory or on disk */
int64_t sk_store_size(const sk_stores *s, uint32_t node, uint64_t object);   /* bytes of the copy; 0: it is not there */
bool sk_store_on_disk(const sk_stores *s, uint32_t node, uint64_t object);

#endif
