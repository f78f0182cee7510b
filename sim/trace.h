/* trace.h -- writing the event log (trace_format.h says what is in it).
 *
 * The idea: each lane (thread) fills a buffer of its own and writes it to the file when it is full: no locks on the way of an
 * event, and nothing is ever dropped while the disk takes it. Off costs one predictable branch. Writers look like
 *
 *     if (sk_trace_on) sk_trace_task(lane, ...);
 *
 * Only the functions that change a state (sk_task_move, sk_object_move, sk_node_move) write TASK, OBJECT and NODE. */
#ifndef SK_TRACE_H
#define SK_TRACE_H

#include "base.h"
#include "trace_format.h"
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum { SK_TRACE_BUFFER = 256 << 10 };

typedef struct sk_trace_lane {     /* owner thread only, except that a dying program writes it out from a signal handler */
    char *at, *end;                /* room for records; NULL: no buffer yet */
    char *buffer;                  /* starts with the chunk's header */
    uint64_t tick;                 /* of the chunk */
    uint64_t records;
    _Atomic(char *) written;       /* records that end here or before are whole: others may read them; NULL: none */
    char *sent;                    /* where the part begins that is not in the file; this and what follows: under the lock */
    uint32_t lane, number;         /* number: of the next chunk in the file */
    uint64_t dropped;
    uint64_t counted;              /* of records: those that went to the file */
    bool is_kept;                  /* by sk_trace_keep, whose it is */
} sk_trace_lane;

SK_OURS extern _Atomic bool sk_trace_is_on;     /* set before other threads start; cleared after they ended, or when the program dies */
#define sk_trace_on atomic_load_explicit(&sk_trace_is_on, relaxed)
extern bool sk_trace_counter;      /* the clock is the processor's counter, not nanoseconds */
extern bool sk_trace_own_clock;    /* the backend has a time of its own: nanoseconds only. Set before sk_trace_open */

/* Opens the file. false and *err if it cannot be written; then the run goes on without and the exit says so. */
bool sk_trace_open(const char *path, sk_error *err);
/* Writes END and closes; lanes have been flushed. false and *err if anything could not be written. */
bool sk_trace_close(uint64_t tasks, uint64_t objects, sk_error *err);
void sk_trace_flush(sk_trace_lane *t);
/* Any thread: what the owner has written so far goes to the file, as a chunk of its own, so that who reads along sees it. */
void sk_trace_publish(sk_trace_lane *t);
/* The program is dying: writes what another thread has so far, while it may still write. The record in the making may be lost. */
void sk_trace_flush_dying(sk_trace_lane *t);

/* A program that ends by an error writes a whole file, while its other threads run on: stop; keep, for each lane; finish. From stop on nobody
 * else writes to the file or frees a buffer; what other threads still put into theirs is lost. Of their buffers keep only reads, and leaves
 * out the last record: it may be in the making. finish adds why the program ends, and END, and closes. */
bool sk_trace_stop(void);                               /* false: there is no log, or somebody else has stopped it */
void sk_trace_keep(sk_trace_lane *t, bool is_mine);
bool sk_trace_finish(const char *why, uint64_t tasks, uint64_t objects, sk_error *err);
void sk_trace_free(sk_trace_lane *t);                   /* flushes, adds up, gives the buffer back */
void sk_trace_text(sk_trace_lane *t, sk_trace_type type, unsigned a, const uint64_t *words, unsigned n,
                   const char *const *strings, unsigned nstrings);
uint32_t sk_trace_site_slow(sk_trace_lane *t, sk_site *site);
void sk_trace_room_slow(sk_trace_lane *t, uint64_t tick);
extern uint32_t sk_trace_first_site;
uint64_t sk_trace_now(void);                            /* nanoseconds; the backend's time */

static inline uint64_t sk_trace_tick(void)
{
#if defined(__x86_64__)
    unsigned core;
    if (likely(sk_trace_counter))
        return __rdtscp(&core);    /* waits for what was before it: an effect is not stamped before its cause */
#endif
    return sk_trace_now();
}

/* Room for one record at this tick; returns where its words go. When they are there: sk_trace_done. */
static inline uint64_t *sk_trace_record_at(sk_trace_lane *t, uint64_t tick, sk_trace_type type, unsigned a, unsigned n)
{
    uint64_t dt = tick - t->tick;
    if (unlikely(t->end - t->at < (ptrdiff_t)(8 + 8 * n) || dt > UINT32_MAX)) {
        if ((int64_t)dt < 0 && t->at)
            tick = t->tick, dt = 0;          /* a counter that went back a little: keep the lane's order */
        if (t->end - t->at < (ptrdiff_t)(8 + 8 * n) || dt > UINT32_MAX) {
            sk_trace_room_slow(t, tick);
            dt = tick - t->tick;
        }
    }
    sk_trace_record *r = (sk_trace_record *)t->at;
    *r = (sk_trace_record){ (uint32_t)dt, (uint8_t)type, (uint8_t)a, (uint16_t)n };
    t->at += 8 + 8 * n;
    t->records++;
    return (uint64_t *)(r + 1);
}

static inline void sk_trace_done(sk_trace_lane *t)
{
    atomic_store_explicit(&t->written, t->at, release);      /* pairs with sk_trace_publish */
}

static inline uint32_t sk_trace_site(sk_trace_lane *t, sk_site *site)
{
    uint32_t index = __atomic_load_n(&site->index, __ATOMIC_RELAXED);
    return likely(index > sk_trace_first_site) ? index : sk_trace_site_slow(t, site);
}

#endif
