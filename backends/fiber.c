/* fiber.c -- see fiber.h.
 *
 * A place is, from low to high: guard | stack | sk_fiber. The record shares the page in which the stack begins, so that an idle fiber
 * costs one page. Places are mapped in blocks, since what costs most about a mapping is to give it back (each time, all processors
 * are asked to forget it). A fiber cannot poison or give away the stack it stands on: whoever comes next does it (`arrive`). */
#include "fiber.h"

#include "fiber_switch.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define TSAN 1
#include <sanitizer/tsan_interface.h>
#else
#define TSAN 0
#endif

enum {
    PAGE = 4096,
    GUARD = 256 << 10,
    DEFAULT_STACK = (256 << 10) << (ASAN || TSAN),       /* instrumented frames are larger */
    MOST = TSAN ? 7000 : 30000,                          /* ThreadSanitizer knows 8,128 threads and fibers */
    MOST_WARM = 256,
    SHALLOW = 16 << 10,                                  /* beyond MOST_WARM, a stack of which no more was used stays warm too: */
    LOOKS = 16,                                          /* every so many uses, somebody looks */
    BLOCK = 64,                                          /* places mapped at once */
};

struct sk_fiber {
    sk_context context;
    void (*entry)(void *);
    void *arg;
    sk_fiber *next;                  /* in the pool */
    char *low;                       /* where its place begins: the guard */
    uint32_t number, uses;
    bool alive;
    void *fake_stack, *tsan;         /* the sanitizers' */
};

static struct {
    sk_fiber **all;                  /* by number; the signal handler reads it */
    size_t n, room, stack_size, alive, alive_peak;
    char **blocks;                   /* n / BLOCK of them, rounded up */
    sk_fiber *warm, *cold;
    size_t nwarm, ncold;
    sk_fiber *self, *ended;          /* runs now; has ended, and its stack is still to be put away */
    sk_context home;
    const void *home_low;            /* AddressSanitizer wants to know our own stack: learned at each switch away from it */
    size_t home_size;
    void *home_fake_stack, *home_tsan;
} pool = { .stack_size = DEFAULT_STACK };

/* ---- a stack ---- */

static size_t record_size(void)              { return (sizeof(sk_fiber) + 63) & ~(size_t)63; }
static size_t place_size(void)               { return GUARD + pool.stack_size; }
static char *stack_low(const sk_fiber *f)    { return f->low + GUARD; }
static size_t stack_room(void)               { return pool.stack_size - record_size(); }

/* What frames had poisoned stays so when they are left by sk_fiber_done, or when the addresses go to somebody else. */
static void unpoison(const sk_fiber *f)
{
#if ASAN
    __asan_unpoison_memory_region(stack_low(f), stack_room());
#else
    (void)f;
#endif
}

static bool make_room(void)
{
    if (pool.n < pool.room)
        return true;
    size_t room = pool.room ? 2 * pool.room : BLOCK;
    sk_fiber **all = realloc(pool.all, room * sizeof *all);
    if (all)
        pool.all = all;
    char **blocks = realloc(pool.blocks, room / BLOCK * sizeof *blocks);
    if (blocks)
        pool.blocks = blocks;
    if (!all || !blocks)
        return false;
    pool.room = room;
    return true;
}

/* All guard; a stack is opened when it is first taken. */
static bool map_block(void)
{
    char *block = mmap(NULL, BLOCK * place_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (block == MAP_FAILED)
        return false;
    pool.blocks[pool.n / BLOCK] = block;
    return true;
}

static sk_fiber *map_stack(void)
{
    if (pool.n >= MOST || !make_room()) {
        errno = ENOMEM;
        return NULL;
    }
    if (pool.n % BLOCK == 0 && !map_block())
        return NULL;
    char *low = pool.blocks[pool.n / BLOCK] + pool.n % BLOCK * place_size();
    if (mprotect(low + GUARD, pool.stack_size, PROT_READ | PROT_WRITE) != 0) {
        if (pool.n % BLOCK == 0)
            munmap(low, BLOCK * place_size());
        errno = ENOMEM;
        return NULL;
    }
    sk_fiber *f = (sk_fiber *)(low + place_size() - record_size());
    *f = (sk_fiber){ .low = low, .number = (uint32_t)pool.n };
    pool.all[pool.n++] = f;
    return f;
}

/* Warm ones first. Two lists, so that a program that goes to and fro at the limit does not pay a system call each time. */
static sk_fiber *take_stack(void)
{
    sk_fiber *f = pool.warm ? pool.warm : pool.cold;
    if (!f)
        return map_stack();
    if (f == pool.warm) {
        pool.warm = f->next;
        pool.nwarm--;
    } else {
        pool.cold = f->next;
        pool.ncold--;
    }
    return f;
}

/* Has it been used only in its last few pages? To ask is cheap, to give pages back is not. */
static bool is_shallow(const sk_fiber *f)
{
    unsigned char resident[(DEFAULT_STACK - SHALLOW) / PAGE], any = 0;
    if (pool.stack_size > DEFAULT_STACK || pool.stack_size <= SHALLOW)
        return pool.stack_size <= SHALLOW;
    size_t size = pool.stack_size - SHALLOW;
    if (mincore(stack_low(f), size, resident) != 0)
        return false;
    for (size_t i = 0; i < size / PAGE; i++)
        any |= resident[i];
    return !(any & 1);
}

static void put_away(sk_fiber *f)
{
    unpoison(f);
#if TSAN
    __tsan_destroy_fiber(f->tsan);
#endif
    if (pool.nwarm < MOST_WARM || f->uses++ % LOOKS != 0 || is_shallow(f)) {
        f->next = pool.warm;
        pool.warm = f;
        pool.nwarm++;
        return;
    }
    char *last_page = (char *)((uintptr_t)f & ~(uintptr_t)(PAGE - 1));
    madvise(stack_low(f), (size_t)(last_page - stack_low(f)), MADV_DONTNEED);
    f->next = pool.cold;
    pool.cold = f;
    pool.ncold++;
}

/* ---- from one to another ---- */

/* First thing on every stack we come to. */
static void arrive(void *fake_stack)
{
#if ASAN
    const void *low;
    size_t size;
    __sanitizer_finish_switch_fiber(fake_stack, &low, &size);
    if (!pool.home_low) {
        pool.home_low = low;
        pool.home_size = size;
    }
#else
    (void)fake_stack;
#endif
    sk_fiber *ended = pool.ended;
    if (ended) {
        pool.ended = NULL;
        put_away(ended);
    }
}

/* Last thing on the stack we leave. `fake_stack`: where AddressSanitizer may keep what belongs to it; NULL: it is left for good. */
SK_UNSEEN static void depart(sk_fiber *to, void **fake_stack)
{
    pool.self = to;
#if ASAN
    __sanitizer_start_switch_fiber(fake_stack, to ? stack_low(to) : pool.home_low, to ? stack_room() : pool.home_size);
#else
    (void)fake_stack;
#endif
#if TSAN
    __tsan_switch_to_fiber(to ? to->tsan : pool.home_tsan, 0);
#endif
}

SK_UNSEEN void sk_fiber_switch(sk_fiber *to)
{
    sk_fiber *from = pool.self;
#if TSAN
    if (!from)
        pool.home_tsan = __tsan_get_current_fiber();
#endif
#if ASAN
    if (!from)
        pool.home_low = NULL;                    /* another thread's than the last time, perhaps: learned again where we arrive */
#endif
    void **fake_stack = from ? &from->fake_stack : &pool.home_fake_stack;
    depart(to, fake_stack);
    sk_context_switch(from ? &from->context : &pool.home, to ? &to->context : &pool.home);
    arrive(*fake_stack);
}

SK_UNSEEN _Noreturn void sk_fiber_done(sk_fiber *next)
{
    sk_fiber *self = pool.self;
    self->alive = false;
    pool.alive--;
    pool.ended = self;
    depart(next, NULL);
    sk_context_switch(&self->context, next ? &next->context : &pool.home);
    abort();                                     /* nobody comes back */
}

SK_UNSEEN static void begin(void)
{
    arrive(NULL);
    sk_fiber *self = pool.self;
    self->entry(self->arg);
    sk_fiber_done(NULL);
}

sk_fiber *sk_fiber_new(void (*entry)(void *), void *arg)
{
    sk_fiber *f = take_stack();
    if (!f)
        return NULL;
    f->entry = entry;
    f->arg = arg;
    f->alive = true;
    f->fake_stack = NULL;
#if TSAN
    f->tsan = __tsan_create_fiber(0);
#endif
    sk_context_make(&f->context, stack_low(f), stack_room(), begin);
    if (++pool.alive > pool.alive_peak)
        pool.alive_peak = pool.alive;
    return f;
}

/* ---- what others ask ---- */

sk_fiber *sk_fiber_self(void)                     { return pool.self; }
void *sk_fiber_arg(const sk_fiber *fiber)         { return fiber->arg; }
uint32_t sk_fiber_number(const sk_fiber *fiber)   { return fiber->number; }

void *sk_fiber_stack(const sk_fiber *fiber, size_t *size)
{
    *size = stack_room();
    return stack_low(fiber);
}

sk_fiber *sk_fiber_guard_hit(const void *address)
{
    const char *a = address;
    for (size_t i = 0; i < pool.n; i++)
        if (a >= pool.all[i]->low && a < stack_low(pool.all[i]))
            return pool.all[i];
    return NULL;
}

/* ---- the pool ---- */

void sk_fiber_pool_init(size_t stack_size)
{
    size_t least = 4 * PAGE, size = stack_size ? stack_size : (size_t)DEFAULT_STACK;
    size = ((size < least ? least : size) + PAGE - 1) & ~(size_t)(PAGE - 1);
    if (size == pool.stack_size && !pool.alive)
        return;                                  /* what a session before has left is as good as new */
    sk_fiber_pool_clear();
    pool.stack_size = size;
}

void sk_fiber_pool_clear(void)
{
    for (size_t i = 0; i < pool.n; i++) {
        unpoison(pool.all[i]);
#if TSAN
        if (pool.all[i]->alive)
            __tsan_destroy_fiber(pool.all[i]->tsan);
#endif
    }
    for (size_t i = 0; i < pool.n; i += BLOCK)
        munmap(pool.blocks[i / BLOCK], BLOCK * place_size());
    free(pool.blocks);
    free(pool.all);
    size_t stack_size = pool.stack_size;
    memset(&pool, 0, sizeof pool);
    pool.stack_size = stack_size;
}

size_t sk_fiber_most(void) { return MOST; }

sk_fiber_counts sk_fiber_pool_counts(void)
{
    return (sk_fiber_counts){ pool.n, pool.alive, pool.alive_peak, pool.nwarm, pool.ncold };
}
