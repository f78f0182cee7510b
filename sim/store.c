/* store.c -- the bytes of objects in a process's own memory, kept warm for reuse; and the account of all stores.
 *
 * The idea: a fresh page costs eight times a warm copy here (page fault, zeroing), so blocks are kept in free lists by size
 * class (four per power of two) and the last one freed is the first one reused, still in cache. A thread keeps a few small
 * blocks for itself; the others lie in common lists under a lock. Blocks of 128 KB and more are mapped, with huge pages
 * where the system gives them.                                                                               */
#include "value.h"

#include "lane.h"

#include <pthread.h>
#include <sys/mman.h>

enum { CLASSES = SK_STORE_CLASSES, SMALL_CLASSES = SK_STORE_SMALL, MAPPED = 128 << 10 };
#define KEEP_BYTES ((size_t)1 << 30)        /* free blocks kept warm, at most */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *kept[CLASSES];                 /* under the lock: free blocks, linked through their first word */
static size_t kept_bytes;
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

static void *fresh(size_t size)
{
    if (size < MAPPED)
        return aligned_alloc(64, (size + 63) & ~(size_t)63);
    size_t huge = (size_t)2 << 20, align = size >= huge ? huge : 4096, whole = size + align;
    char *raw = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    char *p = (char *)(((uintptr_t)raw + align - 1) & ~(uintptr_t)(align - 1)), *end = p + ((size + 4095) & ~(size_t)4095);
    if (p > raw)
        munmap(raw, (size_t)(p - raw));
    if (end < raw + whole)
        munmap(end, (size_t)(raw + whole - end));
    if (size >= huge)
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

void *sk_store_alloc(size_t size)
{
    size_t rounded;
    unsigned c = class_of(size, &rounded);
    sk_lane *lane = sk_lane_self;
    void *p = NULL;
    if (c < SMALL_CLASSES && lane && (p = lane->blocks[c].head)) {
        lane->blocks[c].head = *(void **)p;
        lane->blocks[c].n--;
        return p;
    }
    if (c >= CLASSES)
        return fresh(rounded);
    pthread_mutex_lock(&lock);
    if ((p = kept[c])) {
        kept[c] = *(void **)p;
        kept_bytes -= rounded;
    }
    pthread_mutex_unlock(&lock);
    return p ? p : fresh(rounded);
}

void sk_store_free(void *p, size_t size)
{
    size_t rounded;
    unsigned c = class_of(size, &rounded);
    sk_lane *lane = sk_lane_self;
    if (c < SMALL_CLASSES && lane && lane->blocks[c].n < SK_STORE_OWN) {
        *(void **)p = lane->blocks[c].head;
        lane->blocks[c].head = p;
        lane->blocks[c].n++;
        return;
    }
    if (c < CLASSES) {
        pthread_mutex_lock(&lock);
        bool keep = kept_bytes + rounded <= KEEP_BYTES;
        if (keep) {
            *(void **)p = kept[c];
            kept[c] = p;
            kept_bytes += rounded;
        }
        pthread_mutex_unlock(&lock);
        if (keep)
            return;
    }
    give_back(p, rounded);
}

/* What a thread kept for itself goes back to the system. */
void sk_store_flush(sk_lane *lane)
{
    for (unsigned c = 0; c < SMALL_CLASSES; c++)
        while (lane->blocks[c].head) {
            void *p = lane->blocks[c].head;
            lane->blocks[c].head = *(void **)p;
            free(p);
        }
}

void sk_store_clear(void)
{
    for (unsigned c = 0; c < CLASSES; c++)
        while (kept[c]) {
            void *p = kept[c];
            kept[c] = *(void **)p;
            size_t rounded = c == 0 ? 64 : ((size_t)1 << ((c - 1) / 4 + 6)) + ((c - 1) % 4 + 1) * ((size_t)1 << ((c - 1) / 4 + 4));
            give_back(p, rounded);
        }
    kept_bytes = 0;
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
