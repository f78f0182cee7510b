/* pool.c -- the slow half of pool.h: memory for chunks, and the depot of magazines. */
#include "pool.h"

#include "aligned.h"

#include <stdio.h>
#include <sys/mman.h>

SK_COLD _Noreturn static void no_memory(size_t size)
{
    fprintf(stderr, "skate: no memory for the records of tasks and objects (%zu bytes asked); "
            "fewer pending tasks need less\n", size);
    abort();
}

static void *map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        no_memory(size);
    return p;
}

void sk_pool_init(sk_pool *pool, uint32_t record_size)
{
    memset(pool, 0, sizeof *pool);
    pool->record_size = record_size;
    pool->chunks = map(SK_POOL_CHUNKS * sizeof *pool->chunks);
    pthread_mutex_init(&pool->lock, NULL);
}

static void free_all(sk_magazine *m)
{
    while (m) {
        sk_magazine *next = m->next;
        free(m);
        m = next;
    }
}

/* The first chunk of an ended session's pool, for the next one: to clear it costs a tenth of what fresh pages cost. */
static struct { uint32_t record_size; char *chunk; } kept[4];

static bool keep(uint32_t record_size, char *chunk)
{
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (!kept[i].chunk) {
            kept[i].record_size = record_size;
            kept[i].chunk = chunk;
            return true;
        }
    return false;
}

static char *take_kept(uint32_t record_size)
{
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (kept[i].chunk && kept[i].record_size == record_size) {
            char *chunk = kept[i].chunk;
            kept[i].chunk = NULL;
            memset(chunk, 0, (size_t)record_size << SK_CHUNK_SHIFT);
            return chunk;
        }
    return NULL;
}

void sk_pool_clear(sk_pool *pool)
{
    uint32_t n = atomic_load_explicit(&pool->nchunks, relaxed);
    for (uint32_t i = 0; i < n; i++) {
        char *chunk = atomic_load_explicit(&pool->chunks[i], relaxed);
        if (i > 0 || !keep(pool->record_size, chunk))
            munmap(chunk, (size_t)pool->record_size << SK_CHUNK_SHIFT);
    }
    munmap((void *)pool->chunks, SK_POOL_CHUNKS * sizeof *pool->chunks);
    free_all(pool->full);
    free_all(pool->empty);
    pthread_mutex_destroy(&pool->lock);
    memset(pool, 0, sizeof *pool);
}

/* ---- memory for chunks ---- */

/* Chunks have 256 KiB, 512 KiB or 1 MiB, and are pieces of pages of 2 MiB (buddies: a piece too large is halved; they are never merged): one fault instead
 * of hundreds, which in some virtual machines cost 10 us each even if the system has been asked for all of them at once. */
enum { PIECE = 256 << 10, HALVINGS = 3 };
static char *pieces[HALVINGS];             /* the free one of each size PIECE << i: a larger one is halved only where there is none */
static pthread_mutex_t pieces_lock = PTHREAD_MUTEX_INITIALIZER;

static char *take_piece(int order)         /* under pieces_lock; NULL: there is no memory for a whole page */
{
    if (order == HALVINGS) {
        char *page = sk_aligned_map((size_t)PIECE << order, (size_t)PIECE << order, PROT_READ | PROT_WRITE, MAP_NORESERVE);
        if (page)
            madvise(page, (size_t)PIECE << order, MADV_HUGEPAGE);
        return page;
    }
    char *p = pieces[order];
    if (p) {
        pieces[order] = NULL;
        return p;
    }
    char *whole = take_piece(order + 1);
    if (whole)
        pieces[order] = whole + ((size_t)PIECE << order);
    return whole;
}

static char *map_chunk(uint32_t record_size)
{
    size_t size = (size_t)record_size << SK_CHUNK_SHIFT;
    int order = 0;
    while (((size_t)PIECE << order) < size)
        order++;
    pthread_mutex_lock(&pieces_lock);
    char *chunk = order <= HALVINGS ? take_piece(order) : NULL;
    pthread_mutex_unlock(&pieces_lock);
    if (!chunk && !(chunk = sk_aligned_map(size, size, PROT_READ | PROT_WRITE, MAP_NORESERVE)))
        no_memory(2 * size);
    madvise(chunk, size, MADV_POPULATE_WRITE);  /* where there are no large pages: one call instead of a fault per page; older kernels refuse, which is fine */
    return chunk;
}

static char *new_chunk(sk_pool *pool)           /* under the lock */
{
    uint32_t n = atomic_load_explicit(&pool->nchunks, relaxed);
    if (n == SK_POOL_CHUNKS) {
        fprintf(stderr, "skate: more than %u million tasks or objects at once\n", SK_POOL_CHUNKS >> 8);
        abort();
    }
    char *chunk = n == 0 ? take_kept(pool->record_size) : NULL;
    if (!chunk)
        chunk = map_chunk(pool->record_size);
    *(uint32_t *)chunk = n;
    atomic_store_explicit(&pool->chunks[n], chunk, release);     /* pairs with sk_pool_at */
    atomic_store_explicit(&pool->nchunks, n + 1, relaxed);
    return chunk;
}

/* The hot magazine is empty. Carves fresh records one by one, so that an idle magazine costs no memory. */
void *sk_pool_refill(sk_pool *pool, sk_cache *cache)
{
    sk_magazine *full = cache->spare;
    cache->spare = NULL;
    if (!full && cache->fresh == cache->fresh_end) {
        pthread_mutex_lock(&pool->lock);
        full = pool->full;
        if (full) {
            pool->full = full->next;
        } else {
            cache->fresh = new_chunk(pool) + pool->record_size;
            cache->fresh_end = cache->fresh - pool->record_size + ((size_t)pool->record_size << SK_CHUNK_SHIFT);
        }
        pthread_mutex_unlock(&pool->lock);
    }
    if (!full) {
        void *record = cache->fresh;
        cache->fresh += pool->record_size;
        return record;
    }
    if (cache->hot) {
        pthread_mutex_lock(&pool->lock);
        cache->hot->next = pool->empty;
        pool->empty = cache->hot;
        pthread_mutex_unlock(&pool->lock);
    }
    cache->hot = full;
    cache->room = SK_MAGAZINE;
    cache->n = full->n - 1;
    return full->records[cache->n];
}

/* The hot magazine is full, or there is none yet. */
void sk_pool_spill(sk_pool *pool, sk_cache *cache, void *record)
{
    pthread_mutex_lock(&pool->lock);
    if (cache->spare) {
        cache->spare->next = pool->full;
        pool->full = cache->spare;
    }
    cache->spare = cache->hot;
    if (cache->spare)
        cache->spare->n = cache->n;
    cache->hot = pool->empty;
    if (cache->hot)
        pool->empty = cache->hot->next;
    pthread_mutex_unlock(&pool->lock);
    if (!cache->hot && !(cache->hot = malloc(sizeof *cache->hot)))
        abort();
    cache->hot->records[0] = record;
    cache->n = 1;
    cache->room = SK_MAGAZINE;
}

void sk_pool_flush(sk_pool *pool, sk_cache *cache)
{
    while (cache->fresh != cache->fresh_end) {
        sk_pool_give(pool, cache, cache->fresh);
        cache->fresh += pool->record_size;
    }
    pthread_mutex_lock(&pool->lock);
    if (cache->hot)
        cache->hot->n = cache->n;
    for (int i = 0; i < 2; i++) {
        sk_magazine *m = i ? cache->hot : cache->spare;
        if (m) {
            sk_magazine **list = m->n ? &pool->full : &pool->empty;
            m->next = *list;
            *list = m;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    *cache = (sk_cache){ 0 };
}
