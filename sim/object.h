/* object.h -- an object: something immutable, or about to be, that refs name.
 *
 * States (sk_object_move is the one function that changes them):
 *
 *     PENDING -> READY | FAILED -> FREED        (READY -> MISSING -> PENDING | FAILED | FREED by lineage.h, on backends with nodes)
 *
 * Who waits: a list of links, pushed without a lock; sealing closes the list and tells everybody on it. A link is either a
 * task's argument slot (its task counts one less missing) or a wait's. Only a wait that gives up takes its link out again, and
 * locks the list (a bit in its head) meanwhile.
 *
 * Who keeps it: two counts in one word. Handles are references that a program can see: the maker's and its duplicates, those in
 * lists, sk_ref arguments. Holds are the core's: tasks that have it as an argument, waits. Without handles, any use is misuse,
 * whatever holds there are: so "used after sk_drop" is found on every backend alike.
 *
 * The task that will make it has no count: its list of waiters, not closed yet, says so. Whoever gives up the last count of an open
 * object leaves SK_ABANDONED there for the sealing thread, who frees it. So a task that ends touches no counter.    */
#ifndef SK_OBJECT_H
#define SK_OBJECT_H

#include "lane.h"
#include "value.h"

typedef struct sk_object {
    _Atomic uint64_t waiters;      /* a tagged link (below), SK_CLOSED, with the lock bit */
    _Atomic uint64_t counts;       /* handles << 32 | holds */
    _Atomic uint32_t generation;   /* of the name; grows when freed */
    _Atomic uint8_t state;         /* sk_object_state */
    _Atomic uint8_t flags;         /* SK_MADE: the maker's own handle is there; SK_PROMISED: no task makes it (constant); others: lineage.c */
    _Atomic uint16_t dups;         /* the maker's duplicates */
    sk_value value;                /* set before READY / FAILED (then .failure), constant after */
    uint64_t producer;             /* the name of the task that makes it; 0: none. Constant */
    uint64_t maker;                /* the frame whose handles die with it. Constant */
    sk_site *site;                 /* where it was made */
} sk_object;
_Static_assert(sizeof(sk_object) == 64, "one cache line");

/* A ref's id is generation << 32 | number; the top bit says that sk_dup made it: so the two references are told apart when one is dropped. */
#define SK_DUPLICATE ((uint64_t)1 << 63)
static inline uint32_t sk_ref_generation(uint64_t id) { return (uint32_t)(id >> 32) & INT32_MAX; }

#define SK_HANDLE ((uint64_t)1 << 32)
#define SK_HOLD   ((uint64_t)1)
enum { SK_MADE = 1, SK_PROMISED = 2, SK_MOST_DUPS = UINT16_MAX };
enum { SK_HAS_PAST = 4,           /* lineage.c remembers something about it */
       SK_REBUILDABLE = 8,        /* its task's record is kept: it can be made again */
       SK_OLD_BYTES = 16 };       /* lost: `value` still has the bytes it had, for the views there may be */

/* Links. The low bits of a pointer to one say what it is. */
enum { SK_LINK_ARG = 0, SK_LINK_BIG_ARG = 1, SK_LINK_WAIT = 2, SK_LINK_TAG = 3, SK_CLOSED = 4, SK_LOCKED = 8,
       SK_ABANDONED = 16 };        /* the whole word: nobody waits on an object without counts, every link has one */
#define SK_T_PENDING 0xff          /* type of an argument slot that waits: next << 8 | SK_T_PENDING, object */

/* Aligned to 16, as argument slots are: four bits are free for tags. */
typedef struct sk_link { _Alignas(16) uint64_t next; struct sk_wait *wait; sk_object *object; uint64_t index; } sk_link;

SK_OURS extern sk_pool sk_object_pool;
/* The backend has nodes, and wants to know of objects with bytes; set at init. */
SK_OURS extern bool sk_has_cluster;
/* Its nodes may be lost, and what was on them is made again; set by the backend's open. Only where there is a cluster. See lineage.h. */
SK_OURS extern bool sk_has_lineage;

enum { SK_OBJECT_SHIFT = 6 };
static inline sk_object *sk_object_at(uint32_t number)
{
    return sk_pool_at(&sk_object_pool, SK_OBJECT_SHIFT, number);
}
static inline uint64_t sk_object_id(const sk_object *o)
{
    return (uint64_t)atomic_load_explicit(&o->generation, relaxed) << 32 |
           sk_pool_number(SK_OBJECT_SHIFT, o);
}
static inline void sk_object_fetch(sk_ref ref)              /* a hint: it is going to be written by this thread */
{
    char *chunk = atomic_load_explicit(&sk_object_pool.chunks[(uint32_t)ref.id >> SK_CHUNK_SHIFT], relaxed);
    __builtin_prefetch(chunk + (uint32_t)(ref.id & (SK_CHUNK_RECORDS - 1)) * sizeof(sk_object), 1);
}
static inline bool sk_object_is_owned(sk_object *o)        /* has its maker any handle on it? */
{
    return (atomic_load_explicit(&o->flags, relaxed) & SK_MADE) || atomic_load_explicit(&o->dups, relaxed);
}
/* Has the frame whose handle this is a reference of its own? The handle may be one that was dropped. While the frame owns a reference
 * (SK_MADE, dups: nobody but the frame changes them) nobody can free the object; when it does not, another thread may free it now and use the
 * record anew. Hence, as with a seqlock, flags and dups count only if the generation is the same before and after: what is read of a new
 * object in the record brings its generation along (release in sk_object_new). If they say that it is ours, it stays, and what is constant can be
 * read: its producer. */
static inline bool sk_object_is_still_owned(sk_object *o, uint64_t id, uint8_t *flags, uint16_t *dups)
{
    if (unlikely(!o || atomic_load_explicit(&o->generation, relaxed) != (uint32_t)(id >> 32)))
        return false;
    *flags = atomic_load_explicit(&o->flags, acquire);
    *dups = atomic_load_explicit(&o->dups, acquire);
    return (*flags & SK_MADE || *dups) && atomic_load_explicit(&o->generation, relaxed) == (uint32_t)(id >> 32);
}
static inline sk_failure *sk_object_failure(const sk_object *o) { return (sk_failure *)o->value.blob; }
static inline sk_object_state sk_object_state_of(sk_object *o)
{
    return (sk_object_state)atomic_load_explicit(&o->state, acquire);     /* pairs with sk_object_move */
}
static inline bool sk_object_is_sealed(sk_object *o)
{
    return atomic_load_explicit(&o->waiters, acquire) & SK_CLOSED;        /* pairs with sk_object_seal */
}

__attribute__((cold)) void sk_object_trace(sk_lane *lane, sk_object *o, sk_object_state from,
                                           sk_object_state to);
__attribute__((cold)) _Noreturn void sk_object_is_wrong(sk_object *o, sk_object_state from,
                                                        sk_object_state to);
/* The one function that changes an object's state. */
static inline void sk_object_move(sk_lane *lane, sk_object *o, sk_object_state from,
                                  sk_object_state to)
{
    if (unlikely(atomic_load_explicit(&o->state, relaxed) != from))
        sk_object_is_wrong(o, from, to);
    if (unlikely(sk_trace_on))
        sk_object_trace(lane, o, from, to);
    atomic_store_explicit(&o->state, to, release); /* pairs with sk_object_state_of */
}

/* A pending object with one handle of `maker`. */
static inline sk_object *sk_object_new(sk_lane *lane, uint64_t producer, uint64_t maker,
                                       sk_site *site)
{
    sk_object *o = sk_pool_take(&sk_object_pool, &lane->objects, 1);
    if (unlikely(atomic_load_explicit(&o->generation, relaxed) == 0))
        atomic_store_explicit(&o->generation, 1, relaxed);
    atomic_store_explicit(&o->waiters, 0, relaxed);
    atomic_store_explicit(&o->counts, SK_HANDLE, relaxed);
    atomic_store_explicit(&o->state, SK_OBJECT_PENDING, relaxed); /* for outputs TASK_NEW says so in the trace */
    atomic_store_explicit(&o->flags, SK_MADE, release); /* after the generation: pairs with sk_object_is_still_owned */
    atomic_store_explicit(&o->dups, 0, release);
    o->producer = producer;
    o->maker = maker;
    o->site = site;
    SK_COUNT_UP(lane->made);
    return o;
}
sk_object *sk_object_new_ready(sk_lane *lane, sk_value value, uint64_t maker, sk_site *site); /* value taken over */
sk_object *sk_object_new_promise(sk_lane *lane, uint64_t maker, sk_site *site);
/* The object a ref names; NULL and *why if it was never made or has no handles any more. */
sk_object *sk_object_find(sk_ref ref, const char **why);
/* The same, but misuse ends the program: "FILE:LINE: call: ..." */
sk_object *sk_object_need_slowly(sk_ref ref, const char *call, const sk_site *site);
static inline sk_object *sk_object_need(sk_ref ref, const char *call, const sk_site *site)
{
    uint32_t number = (uint32_t)ref.id;
    sk_object *o = sk_object_at(number);
    if (likely(o && (number & (SK_CHUNK_RECORDS - 1)) &&
               atomic_load_explicit(&o->generation, relaxed) == sk_ref_generation(ref.id) &&
               atomic_load_explicit(&o->counts, relaxed) >> 32))
        return o;
    return sk_object_need_slowly(ref, call, site);
}

void sk_object_tell_backend(sk_object *o);                /* it is sealed */
void sk_object_tell_waiters(sk_lane *lane, sk_object *o); /* the same; closes the list */
void sk_lineage_shelve(sk_object *o, bool fails);         /* see lineage.h */
/* Gives it its value (taken over) or failure (taken over), and tells everybody who waits. Somebody else's after this. */
static inline void sk_object_seal_with(sk_lane *lane, sk_object *o, const sk_value *value, sk_failure *failure)
{
    if (unlikely(sk_has_lineage))
        sk_lineage_shelve(o, failure != NULL);
    if (unlikely(failure != NULL))
        o->value = (sk_value){ SK_T_BAD, { .blob = (struct sk_blob *)failure } };
    else
        sk_value_copy(&o->value, value);
    sk_object_move(lane, o, SK_OBJECT_PENDING, failure ? SK_OBJECT_FAILED : SK_OBJECT_READY);
    if (unlikely(sk_has_cluster) && !failure)
        sk_object_tell_backend(o);
    uint64_t head = atomic_load_explicit(&o->waiters, relaxed);
    if (head ||
        !atomic_compare_exchange_strong_explicit(&o->waiters, &head, SK_CLOSED, release, relaxed))
        sk_object_tell_waiters(lane, o);
}
static inline void sk_object_seal(sk_lane *lane, sk_object *o, sk_value value, sk_failure *failure)
{
    sk_object_seal_with(lane, o, &value, failure);
}

/* All its bytes have come from one node to another, which took so many ns: counts that, and writes the trace record. For backends with nodes;
 * `object` may have been freed meanwhile. */
void sk_object_moved(sk_lane *lane, uint64_t object, int from, int to, uint64_t bytes, int64_t ns);

/* So many of its bytes have left that node's store for a file on its disk, or are back from it: writes the trace record. The caller sees to it that
 * `object` is not freed meanwhile. */
void sk_object_spilled(sk_lane *lane, uint64_t object, int node, uint64_t bytes, bool back);

/* false: it is sealed already. */
bool sk_object_add_waiter(sk_object *o, uint64_t tagged_link, uint64_t *next);
/* false: it is not on the list any more (the object has been sealed: the link fires, or has fired). */
bool sk_object_remove_waiter(sk_object *o, sk_link *link);

static inline void sk_object_ref(sk_object *o, uint64_t unit)
{
    atomic_fetch_add_explicit(&o->counts, unit, relaxed);
}
void sk_object_free(sk_lane *lane, sk_object *o);
void sk_object_abandon(sk_lane *lane, sk_object *o);           /* no counts left, not sealed yet */
void sk_object_drop_promise(sk_lane *lane, sk_object *o);      /* gives up a handle of a promise */
void sk_object_is_idle(sk_lane *lane, sk_object *o);           /* lineage.c: one hold is left, perhaps that of lineage alone */
/* lineage.c's only: READY <-> MISSING, PENDING and FAILED. */
void sk_object_lose(sk_lane *lane, sk_object *o, sk_object_state from, sk_object_state to);
/* Gives up one handle or hold. */
static inline void sk_object_unref(sk_lane *lane, sk_object *o, uint64_t unit)
{
    if (unlikely(atomic_load_explicit(&o->flags, relaxed) & SK_PROMISED) && unit == SK_HANDLE) {
        sk_object_drop_promise(lane, o);
        return;
    }
    /* After the subtraction o is somebody else's, unless nothing is left. */
    if (atomic_load_explicit(&o->counts, acquire) == unit)    /* only ours: nobody else can come by one */
        atomic_store_explicit(&o->counts, 0, relaxed);
    else {
        uint64_t left = atomic_fetch_sub_explicit(&o->counts, unit, acq_rel) - unit;
        if (unlikely(sk_has_lineage) && left == SK_HOLD)
            sk_object_is_idle(lane, o);
        if (left)
            return;
    }
    if (likely(sk_object_is_sealed(o)))
        sk_object_free(lane, o);
    else
        sk_object_abandon(lane, o);
}

#endif
