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
    MOST = TSAN ? 750 : 30000,                           /* ThreadSanitizer's part of a fiber is 2 MB, see below */
    MOST_WARM = 256,
    SHALLOW = 16 << 10,                                  /* beyond MOST_WARM, a stack of which no more was used stays warm too: */
    LOOKS = 16,                                          /* every so many uses, somebody looks */
    BLOCK = 64,                                          /* places mapped at once */
    FEW = 128,                                           /* stay from one session to the next */
    MOST_SPARE = TSAN ? MOST : 1,
    MOST_USES = 200,                                     /* of a context */
};

typedef struct tsan_context { void *state; uint32_t uses; } tsan_context;

struct sk_fiber {
    sk_context context;
    void (*entry)(void *);
    void *arg;
    sk_fiber *next;                  /* in the pool */
    char *low;                       /* where its place begins: the guard */
    uint32_t number, uses;
    bool alive;
    void *fake_stack;                /* AddressSanitizer's */
    tsan_context tsan;
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
    tsan_context spare[MOST_SPARE];
    size_t nspare;
} pool = { .stack_size = DEFAULT_STACK };

/* ---- ThreadSanitizer's contexts ---- */

/* To it a fiber is a thread, of 2 MB that are mapped and cleared, for 5 ms or so: a thousand times what our own part of sk_fiber_new
 * takes. So those of ended fibers are used again, until the session is over. It misses nothing by that: each switch orders what was before it and what comes after, so
 * two bodies were never at the same time to it. Not for ever, though: a body that ends by sk_fiber_done leaves its frames on the
 * context's stack of calls, which has room for 65,536. */
static tsan_context take_context(void)
{
    if (pool.nspare)
        return pool.spare[--pool.nspare];
#if TSAN
    return (tsan_context){ __tsan_create_fiber(0), 0 };
#else
    return (tsan_context){ NULL, 0 };
#endif
}

static void destroy_context(tsan_context context)
{
#if TSAN
    __tsan_destroy_fiber(context.state);
#else
    (void)context;
#endif
}

static void put_context(tsan_context context)
{
    if (TSAN && ++context.uses < MOST_USES && pool.nspare < MOST_SPARE)
        pool.spare[pool.nspare++] = context;
    else
        destroy_context(context);
}

/* A process that ends while it has some waits a second for them, as for any thread. */
static void destroy_spare_contexts(void)
{
    while (pool.nspare)
        destroy_context(pool.spare[--pool.nspare]);
}

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
    put_context(f->tsan);
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
    __tsan_switch_to_fiber(to ? to->tsan.state : pool.home_tsan, 0);
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
    f->tsan = take_context();
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
        if (pool.all[i]->alive)
            destroy_context(pool.all[i]->tsan);
    }
    destroy_spare_contexts();
    for (size_t i = 0; i < pool.n; i += BLOCK)
        munmap(pool.blocks[i / BLOCK], BLOCK * place_size());
    free(pool.blocks);
    free(pool.all);
    size_t stack_size = pool.stack_size;
    memset(&pool, 0, sizeof pool);
    pool.stack_size = stack_size;
}

void sk_fiber_pool_trim(void)
{
    destroy_spare_contexts();
    if (pool.alive || pool.n > FEW)
        sk_fiber_pool_clear();
}

size_t sk_fiber_most(void) { return MOST; }

sk_fiber_counts sk_fiber_pool_counts(void)
{
    return (sk_fiber_counts){ pool.n, pool.alive, pool.alive_peak, pool.nwarm, pool.ncold };
}
