/* deque.h -- a work-stealing deque of task names: its owner pushes and pops at the bottom, thieves take from the top.
 *
 * After Chase & Lev, "Dynamic Circular Work-Stealing Deque" (SPAA'05), with C11 orders in the manner of Le, Pop,
 * Cohen & Zappa Nardelli (PPoPP'13), but seq_cst accesses to top and bottom instead of fences: on x86 they cost the same,
 * and ThreadSanitizer understands them. The ring doubles when full; old rings stay readable until the end, since a
 * thief may still look at one.                                                                              */
#ifndef SK_DEQUE_H
#define SK_DEQUE_H

#include "base.h"

typedef struct sk_ring { struct sk_ring *older; int64_t mask; _Atomic uint64_t slot[]; } sk_ring;

typedef struct sk_deque {
    _Alignas(64) _Atomic int64_t top;          /* thieves and, for the last entry, the owner */
    _Alignas(64) _Atomic int64_t bottom;       /* written by the owner */
    _Atomic(sk_ring *) ring;                   /* written by the owner */
    int64_t top_seen;                          /* owner only: top was at least this */
} sk_deque;

static inline sk_ring *sk_ring_new(int64_t size, sk_ring *older)
{
    sk_ring *ring = malloc(sizeof *ring + (size_t)size * sizeof ring->slot[0]);
    if (!ring)
        abort();
    ring->older = older;
    ring->mask = size - 1;
    return ring;
}

static inline void sk_deque_init(sk_deque *d)
{
    atomic_store_explicit(&d->ring, sk_ring_new(1024, NULL), relaxed);
}

static inline void sk_deque_clear(sk_deque *d)
{
    for (sk_ring *ring = atomic_load_explicit(&d->ring, relaxed), *older; ring; ring = older) {
        older = ring->older;
        free(ring);
    }
}

/* Owner: room for n more, at most as many as a ring holds at first. */
SK_COLD static void sk_deque_make_room(sk_deque *d, int n)
{
    int64_t b = atomic_load_explicit(&d->bottom, relaxed);
    sk_ring *ring = atomic_load_explicit(&d->ring, relaxed);
    d->top_seen = atomic_load_explicit(&d->top, acquire);
    if (b + n - 1 - d->top_seen > ring->mask) {
        sk_ring *wider = sk_ring_new(2 * (ring->mask + 1), ring);
        for (int64_t i = d->top_seen; i < b; i++)
            atomic_store_explicit(&wider->slot[i & wider->mask],
                                  atomic_load_explicit(&ring->slot[i & ring->mask], relaxed),
                                  relaxed);
        atomic_store_explicit(&d->ring, wider, release); /* pairs with the load in steal */
    }
}

/* Owner. Pushes names[n-1] first, names[0] last: pops give them back in order. */
static inline void sk_deque_push_many(sk_deque *d, const uint64_t *names, int n)
{
    int64_t b = atomic_load_explicit(&d->bottom, relaxed);
    if (unlikely(b + n - 1 - d->top_seen > atomic_load_explicit(&d->ring, relaxed)->mask))
        sk_deque_make_room(d, n);
    sk_ring *ring = atomic_load_explicit(&d->ring, relaxed);
    for (int i = 0; i < n; i++)
        atomic_store_explicit(&ring->slot[(b + n - 1 - i) & ring->mask], names[i], relaxed);
    atomic_store_explicit(&d->bottom, b + n, seq_cst);              /* publishes the slots; before the look at who sleeps */
}

static inline void sk_deque_push(sk_deque *d, uint64_t name) { sk_deque_push_many(d, &name, 1); }

/* Owner: pushes without the fence, if that is surely possible without more room. What the owner reads next is read after this in the order of the
 * program, but others may see the push later than that; sk_deque_publish makes up for it. */
SK_HOT bool sk_deque_push_plain(sk_deque *d, uint64_t name)
{
    int64_t b = atomic_load_explicit(&d->bottom, relaxed);
    sk_ring *ring = atomic_load_explicit(&d->ring, relaxed);
    if (unlikely(b - d->top_seen > ring->mask))
        return false;
    atomic_store_explicit(&ring->slot[b & ring->mask], name, relaxed);
    atomic_store_explicit(&d->bottom, b + 1, release);
    atomic_signal_fence(seq_cst);
    return true;
}

static inline void sk_deque_publish(sk_deque *d)
{
    atomic_store_explicit(&d->bottom, atomic_load_explicit(&d->bottom, relaxed), seq_cst);
}

/* Owner: takes out the youngest, if it is this one, in two steps. In between the owner claims the task itself, which decides who runs it, and
 * which on x86 is the full fence that pop needs between its store and its load. So a pop of what is claimed anyway costs none of its own. */
SK_HOT bool sk_deque_pop_begin(sk_deque *d, uint64_t name)
{
    int64_t b = atomic_load_explicit(&d->bottom, relaxed) - 1;
    sk_ring *ring = atomic_load_explicit(&d->ring, relaxed);
    if (b < atomic_load_explicit(&d->top, relaxed) ||
        atomic_load_explicit(&ring->slot[b & ring->mask], relaxed) != name)
        return false;
#if defined(__x86_64__) && !defined(SK_TSAN)
    atomic_store_explicit(&d->bottom, b, release);
#else
    atomic_exchange_explicit(&d->bottom, b, seq_cst);
#endif
    return true;
}

SK_HOT void sk_deque_pop_end(sk_deque *d)
{
    int64_t b = atomic_load_explicit(&d->bottom, relaxed),
            t = atomic_load_explicit(&d->top, seq_cst);
    if (likely(t < b))
        return;
    if (t == b) /* the last one: a thief may be about to take it */
        atomic_compare_exchange_strong_explicit(&d->top, &t, t + 1, seq_cst, relaxed);
    atomic_store_explicit(&d->bottom, b + 1, relaxed);
}

static inline uint64_t sk_deque_peek(sk_deque *d)                   /* owner: what pop would give, if no thief is faster; 0 */
{
    int64_t b = atomic_load_explicit(&d->bottom, relaxed);
    if (b <= atomic_load_explicit(&d->top, relaxed))
        return 0;
    sk_ring *ring = atomic_load_explicit(&d->ring, relaxed);
    return atomic_load_explicit(&ring->slot[(b - 1) & ring->mask], relaxed);
}

static inline uint64_t sk_deque_pop(sk_deque *d)                    /* owner; 0: empty */
{
    int64_t b = atomic_load_explicit(&d->bottom, relaxed) - 1;
    if (b < atomic_load_explicit(&d->top, relaxed))                 /* surely empty: top only grows */
        return 0;
    sk_ring *ring = atomic_load_explicit(&d->ring, relaxed);
    atomic_exchange_explicit(&d->bottom, b, seq_cst);               /* before the load of top: pairs with steal */
    int64_t t = atomic_load_explicit(&d->top, seq_cst);
    uint64_t name = 0;
    if (t <= b) {
        name = atomic_load_explicit(&ring->slot[b & ring->mask], relaxed);
        if (t < b)
            return name;
        if (!atomic_compare_exchange_strong_explicit(&d->top, &t, t + 1, seq_cst, relaxed))
            name = 0;                                               /* a thief had the last one */
    }
    atomic_store_explicit(&d->bottom, b + 1, relaxed);
    return name;
}

static inline uint64_t sk_deque_steal(sk_deque *d)                  /* anyone; 0: empty, or lost a race */
{
    int64_t t = atomic_load_explicit(&d->top, seq_cst);
    int64_t b = atomic_load_explicit(&d->bottom, seq_cst);          /* after top: pairs with pop; acquires the slot */
    if (t >= b)
        return 0;
    sk_ring *ring = atomic_load_explicit(&d->ring, acquire);
    uint64_t name = atomic_load_explicit(&ring->slot[t & ring->mask], relaxed);
    return atomic_compare_exchange_strong_explicit(&d->top, &t, t + 1, seq_cst, relaxed) ? name : 0;
}

/* Takes up to `most` of the oldest at once. Only for a deque whose owner never pops: a pop would not notice. Returns how many. */
static inline int sk_deque_steal_many(sk_deque *d, uint64_t *names, int most)
{
    int64_t t = atomic_load_explicit(&d->top, seq_cst);
    int64_t b = atomic_load_explicit(&d->bottom, seq_cst), n = b - t < most ? b - t : most;
    if (n <= 0)
        return 0;
    sk_ring *ring = atomic_load_explicit(&d->ring, acquire);
    for (int64_t i = 0; i < n; i++)
        names[i] = atomic_load_explicit(&ring->slot[(t + i) & ring->mask], relaxed);
    return atomic_compare_exchange_strong_explicit(&d->top, &t, t + n, seq_cst, relaxed) ? (int)n : 0;
}

/* Takes the oldest, if it is this one. */
static inline bool sk_deque_steal_if(sk_deque *d, uint64_t name)
{
    int64_t t = atomic_load_explicit(&d->top, relaxed);
    sk_ring *ring = atomic_load_explicit(&d->ring, acquire);
    return t < atomic_load_explicit(&d->bottom, acquire) && atomic_load_explicit(&ring->slot[t & ring->mask], relaxed) == name
           && atomic_compare_exchange_strong_explicit(&d->top, &t, t + 1, seq_cst, relaxed);
}

static inline uint64_t sk_deque_oldest(sk_deque *d)                 /* a look; 0: empty */
{
    int64_t t = atomic_load_explicit(&d->top, acquire);
    if (t >= atomic_load_explicit(&d->bottom, acquire))
        return 0;
    sk_ring *ring = atomic_load_explicit(&d->ring, acquire);
    return atomic_load_explicit(&ring->slot[t & ring->mask], relaxed);
}

static inline int64_t sk_deque_size(sk_deque *d)                    /* about */
{
    return atomic_load_explicit(&d->bottom, relaxed) - atomic_load_explicit(&d->top, relaxed);
}

static inline bool sk_deque_is_empty(sk_deque *d)
{
    return atomic_load_explicit(&d->top, seq_cst) >= atomic_load_explicit(&d->bottom, seq_cst);
}

#endif
