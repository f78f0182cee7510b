/* pool.c -- the slow half of pool.h: chunks, and the depot of magazines. */
#include "pool.h"

#include <stdio.h>
#include <sys/mman.h>

static void *map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        fprintf(stderr, "skate: no memory for the records of tasks and objects (%zu bytes asked); "
                "fewer pending tasks need less\n", size);
        abort();
    }
    return p;
}

void sk_pool_init(sk_pool *pool, uint32_t record_size)
{
    memset(pool, 0, sizeof *pool);
    pool->record_size = record_size;
    pool->chunks = map(SK_POOL_CHUNKS * sizeof *pool->chunks);
    pthread_mutex_init(&pool->lock, NULL);
}

void sk_pool_clear(sk_pool *pool)
{
    uint32_t n = atomic_load_explicit(&pool->nchunks, relaxed);
    for (uint32_t i = 0; i < n; i++)
        munmap(atomic_load_explicit(&pool->chunks[i], relaxed), (size_t)pool->record_size << SK_CHUNK_SHIFT);
    munmap((void *)pool->chunks, SK_POOL_CHUNKS * sizeof *pool->chunks);
    free(pool->depot);
    pthread_mutex_destroy(&pool->lock);
    memset(pool, 0, sizeof *pool);
}

static char *new_chunk(sk_pool *pool)           /* under the lock */
{
    size_t size = (size_t)pool->record_size << SK_CHUNK_SHIFT;
    char *raw = map(2 * size), *chunk = (char *)(((uintptr_t)raw + size - 1) & ~(uintptr_t)(size - 1));
    if (chunk > raw)
        munmap(raw, (size_t)(chunk - raw));
    munmap(chunk + size, size - (size_t)(chunk - raw));
    madvise(chunk, size, MADV_POPULATE_WRITE);  /* one call instead of a fault per page; older kernels refuse, which is fine */
    uint32_t n = atomic_load_explicit(&pool->nchunks, relaxed);
    if (n == SK_POOL_CHUNKS) {
        fprintf(stderr, "skate: more than %u million tasks or objects at once\n", SK_POOL_CHUNKS >> 8);
        abort();
    }
    *(uint32_t *)chunk = n;
    atomic_store_explicit(&pool->chunks[n], chunk, release);     /* pairs with sk_pool_at */
    atomic_store_explicit(&pool->nchunks, n + 1, relaxed);
    return chunk;
}

/* Everything in the cache is used up. Carves fresh records one by one, so that an idle magazine costs no memory. */
void *sk_pool_refill(sk_pool *pool, sk_cache *cache)
{
    if (cache->spare.head) {
        cache->hot = cache->spare;
        cache->spare = (sk_magazine){ 0 };
        return sk_pool_take(pool, cache);
    }
    if (cache->fresh == cache->fresh_end) {
        pthread_mutex_lock(&pool->lock);
        if (pool->ndepot) {
            cache->hot = pool->depot[--pool->ndepot];
            pthread_mutex_unlock(&pool->lock);
            return sk_pool_take(pool, cache);
        }
        char *chunk = new_chunk(pool);
        pthread_mutex_unlock(&pool->lock);
        cache->fresh = chunk + pool->record_size;
        cache->fresh_end = chunk + ((size_t)pool->record_size << SK_CHUNK_SHIFT);
    }
    void *record = cache->fresh;
    cache->fresh += pool->record_size;
    return record;
}

static void to_depot(sk_pool *pool, sk_magazine *magazine)
{
    if (!magazine->head)
        return;
    pthread_mutex_lock(&pool->lock);
    if (pool->ndepot == pool->depot_capacity) {
        pool->depot_capacity = pool->depot_capacity ? 2 * pool->depot_capacity : 64;
        pool->depot = realloc(pool->depot, pool->depot_capacity * sizeof *pool->depot);
        if (!pool->depot)
            abort();
    }
    pool->depot[pool->ndepot++] = *magazine;
    pthread_mutex_unlock(&pool->lock);
    *magazine = (sk_magazine){ 0 };
}

void sk_pool_spill(sk_pool *pool, sk_cache *cache)
{
    to_depot(pool, &cache->spare);
    cache->spare = cache->hot;
    cache->hot = (sk_magazine){ 0 };
}

void sk_pool_flush(sk_pool *pool, sk_cache *cache)
{
    while (cache->fresh != cache->fresh_end) {
        char *record = cache->fresh;
        cache->fresh += pool->record_size;
        sk_pool_give(pool, cache, record);
    }
    to_depot(pool, &cache->hot);
    to_depot(pool, &cache->spare);
}
