/* base.h -- what every file of the core may use: memory orders by short names, branch hints, a pause. */
#ifndef SK_BASE_H
#define SK_BASE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <skate.h>
#include <skate/backend.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The orders of C11. Every use names what it pairs with. There are no fences: ThreadSanitizer does not
 * understand them, and a seq_cst exchange costs the same. */
#define relaxed memory_order_relaxed
#define acquire memory_order_acquire
#define release memory_order_release
#define acq_rel memory_order_acq_rel
#define seq_cst memory_order_seq_cst

/* A variable of the core that no program and no module sees: read directly, not by way of a table. */
#define SK_OURS __attribute__((visibility("hidden")))

/* What runs for every task is compiled in where it is used; what runs seldom is kept out, so that the first keeps its registers. */
#define SK_HOT  static inline __attribute__((always_inline))
#define SK_COLD __attribute__((noinline, cold))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* For functions that look at what other threads may still change: of a dying program (better a torn word than no word), or for a hint to the processor. */
#define SK_NO_TSAN __attribute__((no_sanitize("thread"), noinline))

#if defined(__SANITIZE_THREAD__)
#define SK_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SK_TSAN 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(SK_TSAN)
#define SK_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SK_SANITIZED 1
#endif
#endif

static inline void sk_pause(void)          /* tells the core that we spin */
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* What is stored before it is seen before what is stored after it: for records that others may look at while they are used again. No
 * more than a hint to the compiler where stores stay in order, and nothing that ThreadSanitizer would have to understand. */
static inline void sk_keep_stores_apart(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("dmb ishst" ::: "memory");
#else
    __sync_synchronize();
#endif
}

/* To the nearest nanosecond: 0.57 * 1e9 is a little less than 570000000. */
static inline int64_t sk_ns_of(double seconds) { return (int64_t)(seconds * 1e9 + 0.5); }

/* splitmix64 (Steele, Lea, Flood, OOPSLA'14): one step of a well-mixed sequence. */
static inline uint64_t sk_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

#endif
