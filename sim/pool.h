/* pool.h -- records of one size, found by number, never given back to the system while the program runs.
 *
 * The idea: names of objects and tasks outlive them (a dropped ref, a stale entry in a deque). A name is a
 * number and a generation: the number leads to the record, whose memory is always a record of the same kind, and the
 * generation tells whether it is still the same one. So a stale name is found out by one comparison, never by a crash.
 *
 * Allocation: each thread has a cache of two magazines; full and empty magazines are exchanged with a depot under a lock, once
 * in 256 operations (Bonwick & Adams, "Magazines and Vmem", USENIX'01). A record freed by another thread than
 * the one that took it comes back through the depot: it lies in the other core's cache, and moving it costs more than
 * all else about a small task. So taking a record also fetches the one that will be taken a few takes later.
 *
 *   void *sk_pool_take(pool, cache, lines)          a record, its fields as they were left
 *   void  sk_pool_give(pool, cache, record)
 *   void *sk_pool_at(pool, shift, number)           NULL if there was never such a number; records have 1 << shift bytes
 *   uint32_t sk_pool_number(shift, record)
 */
#ifndef SK_POOL_H
#define SK_POOL_H

#include "base.h"
#include <pthread.h>

enum { SK_CHUNK_SHIFT = 12, SK_CHUNK_RECORDS = 1 << SK_CHUNK_SHIFT, SK_POOL_CHUNKS = 1 << 20,
       SK_MAGAZINE = 256, SK_AHEAD = 4 };

typedef struct sk_magazine { struct sk_magazine *next; uint32_t n; void *records[SK_MAGAZINE]; } sk_magazine;    /* next, n: in the depot */
typedef struct sk_cache {              /* owner thread only */
    uint32_t n, room;                  /* records in the hot magazine, and how many it holds: 0 while there is none */
    sk_magazine *hot, *spare;          /* the spare one is full, or NULL */
    char *fresh, *fresh_end;           /* never used before */
} sk_cache;

typedef struct sk_pool {
    uint32_t record_size;    /* a power of two, at least 64; set once */
    _Atomic(char *) *chunks; /* SK_POOL_CHUNKS entries; an entry is set once */
    _Atomic uint32_t nchunks;
    pthread_mutex_t lock;              /* guards the depot and the making of chunks */
    sk_magazine *full, *empty;         /* the depot. Full ones may lack some records: what an ended thread had left */
} sk_pool;

void sk_pool_init(sk_pool *pool, uint32_t record_size);
void sk_pool_clear(sk_pool *pool);                       /* all records are gone after this */
void sk_pool_flush(sk_pool *pool, sk_cache *cache);      /* before a thread ends */
void *sk_pool_refill(sk_pool *pool, sk_cache *cache);
void sk_pool_spill(sk_pool *pool, sk_cache *cache, void *record);

/* `lines`: how much of the record is written at once; 64 bytes each. */
static inline void *sk_pool_take(sk_pool *pool, sk_cache *cache, int lines)
{
    if (unlikely(cache->n == 0))
        return sk_pool_refill(pool, cache);
    uint32_t n = --cache->n;
    if (likely(n >= SK_AHEAD)) {
        char *later = cache->hot->records[n - SK_AHEAD];
        __builtin_prefetch(later, 1);
        if (lines > 1)
            __builtin_prefetch(later + 64, 1);
    }
    return cache->hot->records[n];
}

static inline void sk_pool_give(sk_pool *pool, sk_cache *cache, void *record)
{
    if (unlikely(cache->n == cache->room))
        sk_pool_spill(pool, cache, record);
    else
        cache->hot->records[cache->n++] = record;
}

static inline void *sk_pool_at(sk_pool *pool, int shift, uint32_t number)
{
    char *chunk = atomic_load_explicit(&pool->chunks[number >> SK_CHUNK_SHIFT], acquire);
    return chunk ? chunk + ((size_t)(number & (SK_CHUNK_RECORDS - 1)) << shift) : NULL;
}

/* Record 0 of a chunk is not used as a record: it holds the chunk's place. Chunks are aligned to their size. */
static inline uint32_t sk_pool_number(int shift, const void *record)
{
    uintptr_t at = (uintptr_t)record, size = (uintptr_t)SK_CHUNK_RECORDS << shift;
    const uint32_t *place = (const uint32_t *)(at & ~(size - 1));
    return (*place << SK_CHUNK_SHIFT) + (uint32_t)((at & (size - 1)) >> shift);
}

#endif
