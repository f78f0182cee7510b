/* store.c -- the bytes of objects in a process's own memory, kept warm for reuse; and the account of all stores.
 *
 * The idea: a fresh page costs eight times a warm copy here (page fault, zeroing), so blocks are kept in free lists by size
 * class (four per power of two) and the last one freed is the first one reused, still in cache. A thread keeps two batches of
 * small blocks for itself, the newer one in use; whole batches are exchanged with common lists under a lock. A batch is at most 32 KB: what one
 * thread keeps another has to have fresh. Blocks of 128 KB and more are mapped, with huge pages where the system gives them. */
#include "value.h"

#include "aligned.h"
#include "lane.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { CLASSES = SK_STORE_CLASSES, SMALL_CLASSES = SK_STORE_SMALL, MAPPED = 128 << 10,
       BATCH_BYTES = 32 << 10 };

typedef sk_free_block block;
static pthread_mutex_t lock = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static block *kept[CLASSES];                /* under the lock: batches of free blocks */
static size_t kept_bytes;
size_t sk_store_keep = (size_t)1 << 30;     /* free blocks kept warm, at most, in bytes; those of the area stay in any case */
static size_t limit = SIZE_MAX;
static _Atomic uint64_t live, peak;

/* Class 0 holds 64 bytes; sizes 64, 80, 96, 112, 128, 160, ... : at most a quarter is wasted. */
static unsigned class_of(size_t size, size_t *rounded)
{
    if (size <= 64) {
        *rounded = 64;
        return 0;
    }
    unsigned shift = 63 - (unsigned)__builtin_clzll(size - 1);         /* 2^shift < size <= 2^(shift + 1) */
    size_t quarter = (size_t)1 << (shift - 2), steps = (size - 1 - ((size_t)1 << shift)) / quarter;
    *rounded = ((size_t)1 << shift) + (steps + 1) * quarter;
    return (shift - 6) * 4 + (unsigned)steps + 1;
}

/* ---- fresh memory ---- */

/* To touch a fresh page for the first time costs 0.3 us on good days and 20 us in some virtual machines, a page of 2 MiB as much as a few dozen of those.
 * So programs with more than a few small blocks get them out of one area of large pages. It stays until the process ends. */
static struct {
    _Atomic(char *) base;                   /* set once */
    char *next, *usable;                    /* carved up to next; may be written up to usable */
    size_t by_malloc;                       /* small programs have blocks of their own, not 2 MiB */
    size_t blocks;                          /* carved */
    bool is_refused;                        /* until the session ends */
} area;                                     /* under the lock */

#ifdef SK_SANITIZED
#define AREA_FROM SIZE_MAX                  /* malloc's blocks, which are watched */
#else
#define AREA_FROM ((size_t)64 << 10)
#endif
enum { HUGE = 2 << 20, AREA_SIZE = 256 << 20 };

static bool is_in_area(const void *p)
{
    char *base = atomic_load_explicit(&area.base, relaxed);
    return base && (uintptr_t)p - (uintptr_t)base < AREA_SIZE;
}

/* Addresses that are limited are for others. */
static bool may_have_area(void)
{
    struct rlimit most;
    return getrlimit(RLIMIT_AS, &most) == 0 && (most.rlim_cur == RLIM_INFINITY || most.rlim_cur / 8 >= AREA_SIZE);
}

/* Under the lock: room for so much more. false: there is none. */
static bool widen_area(size_t size)
{
    if (!area.base) {
        if (!may_have_area())
            return false;
        char *base = sk_aligned_map(AREA_SIZE, HUGE, PROT_NONE, MAP_NORESERVE);
        if (!base)
            return false;
        madvise(base, AREA_SIZE, MADV_HUGEPAGE);
        area.next = area.usable = base;
        area.base = base;
    }
    while (area.next + size > area.usable) {
        if (area.usable == area.base + AREA_SIZE || mprotect(area.usable, HUGE, PROT_READ | PROT_WRITE) != 0)
            return false;
        area.usable += HUGE;
    }
    return true;
}

/* The same; what was refused is not asked for again in this session. */
static bool has_room_in_area(size_t size)
{
    if (!area.is_refused)
        area.is_refused = !widen_area(size);
    return !area.is_refused;
}

/* A batch of n fresh blocks, or NULL. */
static block *carve(size_t rounded, uint32_t n)
{
    size_t stride = (rounded + 63) & ~(size_t)63;
    block *first = NULL;
    pthread_mutex_lock(&lock);
    if (area.by_malloc < AREA_FROM) {
        area.by_malloc += stride;
    } else if (has_room_in_area(n * stride)) {
        for (uint32_t i = n; i-- > 0; ) {
            block *b = (block *)(area.next + i * stride);
            b->next = first;
            first = b;
        }
        first->n = n;
        area.next += n * stride;
        area.blocks += n;
    }
    pthread_mutex_unlock(&lock);
    return first;
}

static void *fresh(size_t size)
{
    if (size < MAPPED)
        return aligned_alloc(64, (size + 63) & ~(size_t)63);
    char *p = sk_aligned_map(size, size >= HUGE ? HUGE : 1, PROT_READ | PROT_WRITE, 0);
    if (p && size >= HUGE)
        madvise(p, size, MADV_HUGEPAGE);
    return p;
}

static void give_back(void *p, size_t size)
{
    if (size < MAPPED)
        free(p);
    else
        munmap(p, (size + 4095) & ~(size_t)4095);
}

/* ---- blocks ---- */

/* Blocks of a batch. */
static uint32_t batch_of(size_t rounded)
{
    size_t n = BATCH_BYTES / rounded;
    return n > 16 ? 16 : n < 2 ? 2 : (uint32_t)n;
}

static block *take_batch(unsigned c, size_t rounded)
{
    pthread_mutex_lock(&lock);
    block *first = kept[c];
    if (first) {
        kept[c] = first->batch;
        kept_bytes -= first->n * rounded;
    }
    pthread_mutex_unlock(&lock);
    return first;
}

static void keep(block *first, uint32_t n, unsigned c, size_t rounded)          /* under the lock */
{
    first->n = n;
    first->batch = kept[c];
    kept[c] = first;
    kept_bytes += n * rounded;
}

/* To the system; but what is of the area is put on *stay. Returns how much that was. */
static uint32_t give_batch_back(block *first, size_t rounded, block **stay)
{
    uint32_t n = 0;
    for (block *next; first; first = next) {
        next = first->next;
        if (is_in_area(first)) {
            first->next = *stay;
            *stay = first;
            n++;
        } else {
            give_back(first, rounded);
        }
    }
    return n;
}

static void put_batch(block *first, uint32_t n, unsigned c, size_t rounded)
{
    pthread_mutex_lock(&lock);
    bool fits = kept_bytes + n * rounded <= sk_store_keep;
    if (likely(fits))
        keep(first, n, c, rounded);
    pthread_mutex_unlock(&lock);
    if (likely(fits))
        return;
    block *stay = NULL;
    n = give_batch_back(first, rounded, &stay);
    if (stay) {
        pthread_mutex_lock(&lock);
        keep(stay, n, c, rounded);
        pthread_mutex_unlock(&lock);
    }
}

void *sk_store_alloc(size_t size)
{
    size_t rounded;
    unsigned c = class_of(size, &rounded);
    sk_lane *lane = sk_lane_self;
    if (c >= CLASSES)
        return fresh(rounded);
    if (c >= SMALL_CLASSES || !lane) {
        block *first = take_batch(c, rounded);
        if (!first && rounded < MAPPED)
            first = carve(rounded, 1);
        if (first && first->n > 1)
            put_batch(first->next, first->n - 1, c, rounded);
        return first ? first : fresh(rounded);
    }
    sk_own_blocks *own = &lane->blocks[c];
    if (own->n == 0) {
        own->hot = own->spare;
        own->spare = NULL;
        if (own->hot)
            own->n = batch_of(rounded);
        else if ((own->hot = take_batch(c, rounded)) || (own->hot = carve(rounded, batch_of(rounded))))
            own->n = own->hot->n;
        else
            return fresh(rounded);
    }
    block *p = own->hot;
    own->hot = p->next;
    own->n--;
    return p;
}

void sk_store_free(void *p, size_t size)
{
    size_t rounded;
    unsigned c = class_of(size, &rounded);
    sk_lane *lane = sk_lane_self;
    block *freed = p;
    if (c >= CLASSES) {
        give_back(p, rounded);
        return;
    }
    if (c >= SMALL_CLASSES || !lane) {
        freed->next = NULL;
        put_batch(freed, 1, c, rounded);
        return;
    }
    sk_own_blocks *own = &lane->blocks[c];
    uint32_t most = batch_of(rounded);
    if (own->n >= most) {
        if (own->spare)
            put_batch(own->spare, most, c, rounded);
        own->spare = own->hot;
        own->hot = NULL;
        own->n = 0;
    }
    freed->next = own->hot;
    own->hot = freed;
    own->n++;
}

static size_t size_of_class(unsigned c)
{
    return c == 0 ? 64 : ((size_t)1 << ((c - 1) / 4 + 6)) + ((c - 1) % 4 + 1) * ((size_t)1 << ((c - 1) / 4 + 4));
}

/* What a thread kept for itself is for others now. */
void sk_store_flush(sk_lane *lane)
{
    for (unsigned c = 0; c < SMALL_CLASSES; c++) {
        sk_own_blocks *own = &lane->blocks[c];
        size_t rounded = size_of_class(c);
        if (own->hot)
            put_batch(own->hot, own->n, c, rounded);
        if (own->spare)
            put_batch(own->spare, batch_of(rounded), c, rounded);
        *own = (sk_own_blocks){ 0 };
    }
}

/* Any number of them, under the lock. */
static void keep_by_the_batch(block *first, uint32_t n, unsigned c)
{
    size_t rounded = size_of_class(c);
    while (n > 0) {
        uint32_t most = batch_of(rounded), take = n < most ? n : most;
        block *last = first;
        for (uint32_t i = 1; i < take; i++)
            last = last->next;
        block *rest = last->next;
        last->next = NULL;
        keep(first, take, c, rounded);
        first = rest;
        n -= take;
    }
}

/* The session is over. If all of the area's blocks are free it is as new, but for its first page of 2 MiB, which stays warm for the next session. */
void sk_store_clear(void)
{
    size_t all = 0;
    block *in_area[CLASSES] = { NULL };
    uint32_t counts[CLASSES] = { 0 };
    pthread_mutex_lock(&lock);
    area.is_refused = false;
    kept_bytes = 0;
    for (unsigned c = 0; c < CLASSES; c++) {
        for (block *first = kept[c], *next; first; first = next) {
            next = first->batch;
            counts[c] += give_batch_back(first, size_of_class(c), &in_area[c]);
        }
        kept[c] = NULL;
        all += counts[c];
    }
    if (all < area.blocks) {
        for (unsigned c = 0; c < CLASSES; c++)
            keep_by_the_batch(in_area[c], counts[c], c);
    } else if (all > 0) {
        area.next = area.base;
        area.blocks = 0;
        if (area.usable > area.base + HUGE)
            madvise(area.base + HUGE, (size_t)(area.usable - area.base) - HUGE, MADV_DONTNEED);
    }
    pthread_mutex_unlock(&lock);
    atomic_store(&live, 0);
    atomic_store(&peak, 0);
}

/* ---- the account ---- */

void sk_store_limit(size_t bytes) { limit = bytes; }
uint64_t sk_store_live(void)      { return atomic_load_explicit(&live, relaxed); }
uint64_t sk_store_peak(void)      { return atomic_load_explicit(&peak, relaxed); }

bool (*sk_store_make_room)(size_t size, size_t asked, sk_error *err);

bool sk_store_say_full(size_t asked, const char *more, sk_error *err)
{
    uint64_t have = sk_store_live();
    return sk_error_set(err, SK_STORE_FULL, "the object store is full: need %zu bytes, have %zu of %zu free; %sdrop refs you no longer need, "
                        "or give more with --sk-store-bytes", asked, limit > have ? (size_t)(limit - have) : 0, limit, more);
}

bool sk_store_has_room(size_t size) { return size <= limit && sk_store_live() <= limit - size; }

bool sk_store_try_charge(size_t size)
{
    uint64_t have = atomic_fetch_add_explicit(&live, size, relaxed), now = have + size;
    if (unlikely(now > limit || now < size)) {
        atomic_fetch_sub_explicit(&live, size, relaxed);
        return false;
    }
    uint64_t old = atomic_load_explicit(&peak, relaxed);
    while (now > old && !atomic_compare_exchange_weak_explicit(&peak, &old, now, relaxed, relaxed))
        ;
    return true;
}

bool sk_store_charge(size_t size, size_t asked, sk_error *err)
{
    while (unlikely(!sk_store_try_charge(size))) {
        if (size > limit || !sk_store_make_room)
            return sk_store_say_full(asked, "", err);
        if (!sk_store_make_room(size, asked, err))
            return false;
    }
    return true;
}

/* What comes back from elsewhere, whether there is room or not. */
void sk_store_recharge(size_t size)
{
    atomic_fetch_add_explicit(&live, size, relaxed);
}

void sk_store_discharge(size_t size)
{
    atomic_fetch_sub_explicit(&live, size, relaxed);
}
