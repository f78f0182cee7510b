/* task.h -- a task: a remote function, its arguments, the objects it will make.
 *
 * States (sk_task_move is the one function that changes them; where two threads want to, a compare-and-swap decides):
 *
 *     WAITING -> READY -> RUNNING <-> BLOCKED -> DONE | FAILED | CANCELLED        a retry: RUNNING or, if its node died, BLOCKED -> READY
 *                                                                                 lineage.h: DONE -> WAITING
 *
 * `missing` counts arguments that are not there, plus one while the task is being submitted. Sealing an object counts down; who
 * brings it to zero makes the task ready. end, in attempt.c, is the one place that decides between result, retry, failure, cancellation.
 *
 * While a task runs, only its own thread moves it: a plain store. The exception is one with a timeout (SK_FLAG_TIMED), which
 * an alarm may end. A request to cancel does not touch the state; it has a word of its own, tagged with the generation.
 *
 * A name goes stale when the record is used for another task: its generation is in the state word, so that claiming a task
 * by a stale name fails in the same compare-and-swap that claims it.                                              */
#ifndef SK_TASK_H
#define SK_TASK_H

#include "object.h"
#include "resources.h"
#include "session.h"
#include "turnstile.h"

enum { SK_SMALL_ARGS = 4, SK_BIG_TASK = 1u << 31 };    /* the top bit of a number tells the pool */

typedef union sk_slot {                  /* an argument */
    sk_value value;
    struct { _Atomic uint64_t next; sk_object *object; } pending;      /* next << 8 | SK_T_PENDING; stays so until the end */
} sk_slot;
_Static_assert(sizeof(sk_slot) == 16, "");

typedef struct sk_extras {               /* of tasks with options; owned by the task */
    char *name, *resources;              /* may be NULL */
    sk_demand demand;
    int node, max_retries, priority;
    bool retry_errors;
    bool admitted;                       /* has its own cpus (see admit.h) ... */
    bool unusual;                        /* ... because it asks for other than one cpu, or resources, or a priority */
    int64_t timeout;                     /* ns; SK_NEVER */
    int64_t deadline;                    /* of the running attempt */
    int worker;                          /* when admitted: the row it is drawn in */
    uint64_t order;                      /* of submission */
    /* admit.c's, under its lock: the queue it waits in (NULL: in none) and where; neighbours among those that run; the next to start. */
    struct sk_admit_queue *queue;
    uint32_t heap_at;
    struct sk_extras *before, *after, *next_start;
    uint64_t task;                       /* the task's name */
} sk_extras;

struct sk_task {
    _Atomic uint64_t state;              /* generation << 32 | flags << 8 | sk_task_state */
    _Atomic int32_t missing;
    uint8_t nargs, nreturns, attempts, big;
    _Atomic uint64_t cancel;             /* generation << 32 | SK_CANCEL_...: only says something to a task of that generation */
    const sk_fn *fn;                     /* from here on: constant once submitted */
    uint64_t seed;
    sk_extras *extras;                   /* NULL: an ordinary task */
    _Atomic uint64_t parent;
    sk_site *site;
    sk_slot args[];                      /* 4, or 12 in a big record; the outputs' object pointers follow the arguments */
};
_Static_assert(sizeof(sk_task) == 64, "");

enum { SK_CANCEL_REQUESTED = 1, SK_CANCEL_ONLY_THIS = 2 };
enum { SK_FLAG_TIMED_OUT = 2,
       SK_FLAG_QUEUED = 8,               /* READY, but admit.c has not found it its resources yet */
       SK_FLAG_KEPT = 4,                 /* DONE, and its record stays for lineage.h ... */
       SK_FLAG_UNNEEDED = 1,             /* ... which is about to give it up */
       SK_FLAG_ADMITTED = 16,            /* READY or RUNNING, with cpus of its own */
       SK_FLAG_SEALED = 32,              /* cancelled while WAITING or being admitted, and its refs have failed */
       SK_FLAG_LET_GO = 128,             /* cancelled, and the last link to it is gone */
       SK_FLAG_TIMED = 64,               /* has a timeout: not to be run on top of a wait that must end in time */
       SK_FLAG_ROW_SHIFT = 8, SK_FLAG_ROWS = 0xffff00 };       /* with ADMITTED: the row it is drawn in */
enum { SK_DEFAULT_RETRIES = 3 };

/* Does an attempt that died count? It does; or somebody has taken the node away, and only a task that may not begin twice (max_retries 0) fails for that; or
 * its body had not begun, and it is as if it had never been. */
typedef enum sk_charge { SK_CHARGED, SK_TAKEN_AWAY, SK_NOT_BEGUN } sk_charge;

typedef enum sk_outcome { SK_ENDED_RESULT, SK_ENDED_ERROR, SK_ENDED_REFUSED, SK_ENDED_CANCELLED, SK_ENDED_TIME, SK_ENDED_DIED } sk_outcome;

SK_OURS extern sk_pool sk_task_pool, sk_big_task_pool;
enum { SK_TASK_SHIFT = 7, SK_BIG_TASK_SHIFT = 8 };

static inline sk_task_state sk_state_of(uint64_t word) { return (sk_task_state)(word & 0xff); }
static inline unsigned sk_flags_of(uint64_t word)      { return (unsigned)(word >> 8) & 0xffffff; }
static inline uint32_t sk_generation_of(uint64_t word) { return (uint32_t)(word >> 32); }

static inline sk_task *sk_task_at(uint64_t name)
{
    uint32_t number = (uint32_t)name;
    return unlikely(number & SK_BIG_TASK)
               ? sk_pool_at(&sk_big_task_pool, SK_BIG_TASK_SHIFT, number & ~SK_BIG_TASK)
               : sk_pool_at(&sk_task_pool, SK_TASK_SHIFT, number);
}
static inline uint32_t sk_task_number(const sk_task *t)
{
    return unlikely(t->big) ? sk_pool_number(SK_BIG_TASK_SHIFT, t) | SK_BIG_TASK
                            : sk_pool_number(SK_TASK_SHIFT, t);
}
static inline uint64_t sk_task_id(sk_task *t)
{
    uint32_t number = sk_task_number(t);
    return (atomic_load_explicit(&t->state, relaxed) >> 32) << 32 | number;
}
static inline bool sk_task_is_under_way(uint64_t name)
{
    uint64_t word = atomic_load_explicit(&sk_task_at(name)->state, relaxed);
    return sk_generation_of(word) == (uint32_t)(name >> 32) && (sk_state_of(word) == SK_TASK_RUNNING || sk_state_of(word) == SK_TASK_BLOCKED);
}

/* Hints: the record, later the objects it will make, are going to be written by this thread. They may be stale. */
static inline void sk_task_fetch(uint64_t name)
{
    __builtin_prefetch(sk_task_at(name), 1);
    __builtin_prefetch((char *)sk_task_at(name) + 64, 1);
}
SK_NO_TSAN void sk_task_fetch_outputs(uint64_t name);

/* The flags of a task by its name; 0 if it is stale. */
static inline unsigned sk_task_flags(uint64_t name)
{
    uint64_t word = atomic_load_explicit(&sk_task_at(name)->state, relaxed);
    return likely(sk_generation_of(word) == (uint32_t)(name >> 32)) ? sk_flags_of(word) : 0;
}
static inline sk_object **sk_task_outputs(sk_task *t) { return (sk_object **)&t->args[t->nargs]; }
static inline sk_task *sk_slot_task(uint64_t tagged)
{
    return (sk_task *)(tagged & ~(uint64_t)(tagged & SK_LINK_BIG_ARG ? 255 : 127));
}
static inline bool sk_slot_is_pending(sk_slot *s)
{
    return (atomic_load_explicit(&s->pending.next, relaxed) & 0xff) == SK_T_PENDING;
}
const char *sk_task_name_of(const sk_task *t);
/* SK_CANCEL_... of this generation; 0: none */
static inline unsigned sk_task_cancel_flags(sk_task *t, uint32_t generation)
{
    uint64_t cancel = atomic_load_explicit(&t->cancel, seq_cst);
    return unlikely((cancel >> 32) == generation) ? (unsigned)cancel : 0;
}

/* A record, in no state yet; with room for so many. */
SK_HOT sk_task *sk_task_new(sk_lane *lane, unsigned nargs, unsigned nreturns)
{
    bool big = nargs + (nreturns + 1) / 2 > SK_SMALL_ARGS;
    sk_task *t = unlikely(big) ? sk_pool_take(&sk_big_task_pool, &lane->big_tasks, 2)
                               : sk_pool_take(&sk_task_pool, &lane->tasks, 2);
    if (unlikely(atomic_load_explicit(&t->state, relaxed) >> 32 == 0)) /* a fresh record */
        atomic_store_explicit(&t->state, (uint64_t)1 << 32, relaxed);
    t->big = big;
    t->nargs = (uint8_t)nargs;
    t->nreturns = (uint8_t)nreturns;
    t->attempts = 0;
    t->extras = NULL;
    return t;
}

void sk_task_trace(sk_lane *lane, sk_task *t, uint32_t generation, sk_task_state from, sk_task_state to, uint64_t trace_word, uint64_t tick);

/* The function behind sk_task_move, and the only one that writes a state; here to be inlined where it is hot. Also sets and clears flags. */
SK_HOT bool sk_task_change(sk_lane *lane, sk_task *t, uint32_t generation, sk_task_state from,
                           sk_task_state to, unsigned set, unsigned clear, uint64_t trace_word)
{
    uint64_t word = atomic_load_explicit(&t->state, relaxed), next, tick = 0;
    if (unlikely(sk_trace_on) && to == SK_TASK_READY)
        tick = sk_trace_tick();                   /* before: from then on others may run it */
    /* Nobody else moves a task that is new, or that runs and has no timeout: so its generation is right, too. */
    bool alone = from == SK_TASK_NONE || (from >= SK_TASK_RUNNING && likely(!(sk_flags_of(word) & SK_FLAG_TIMED)));
    if (likely(alone && sk_state_of(word) == from)) {
        next = ((word & ~((uint64_t)clear << 8)) | (uint64_t)set << 8) + to - from;
        atomic_store_explicit(&t->state, next, release);
    } else do {
        if (unlikely(sk_generation_of(word) != generation || sk_state_of(word) != from))
            return false;
        if (from == SK_TASK_READY && to == SK_TASK_RUNNING && unlikely(sk_flags_of(word) & SK_FLAG_QUEUED))
            return false;
        next = (word & ~(uint64_t)0xff & ~((uint64_t)clear << 8)) | (uint64_t)set << 8 | to;
    } while (unlikely(!atomic_compare_exchange_weak_explicit(&t->state, &word, next, acq_rel, relaxed)));
    if (unlikely(sk_trace_on))
        sk_task_trace(lane, t, generation, from, to, trace_word, tick);
    return true;
}

/* Moves a task of this generation from one state to another; false if it is not in `from` (any more). Writes the trace record;
 * `word` goes with it: worker:node when RUNNING, the code when FAILED or CANCELLED. */
bool sk_task_move(sk_lane *lane, sk_task *t, uint32_t generation, sk_task_state from, sk_task_state to, uint64_t word);

/* READY to RUNNING, for this thread, which goes on to sk_task_run_claimed. NULL: it is not READY, or somebody was faster. *row: where it is to be drawn; a
 * task that brings its own cpus has a row of its own. Where it moves the task, it is a locked instruction on x86: a full fence. */
SK_HOT sk_task *sk_task_claim(sk_lane *lane, sk_task_name name, int node, int *row)
{
    sk_task *t = sk_task_at(name.id);
    uint32_t generation = (uint32_t)(name.id >> 32);
    uint64_t word = atomic_load_explicit(&t->state, relaxed);
    if (sk_generation_of(word) != generation || sk_state_of(word) != SK_TASK_READY)
        return NULL;
    bool admitted = sk_flags_of(word) & SK_FLAG_ADMITTED;
    if (unlikely(admitted))
        *row = (int)(sk_flags_of(word) >> SK_FLAG_ROW_SHIFT);
    bool by_step = sk_turnstile_pass();
    if (unlikely(!sk_task_change(lane, t, generation, SK_TASK_READY, SK_TASK_RUNNING, 0, 0,
                                 (uint64_t)(uint32_t)*row << 32 | (uint32_t)node))) {
        if (unlikely(by_step)) /* it was cancelled meanwhile: the step is another one's */
            sk_turnstile_step(1);
        return NULL;
    }
    if (likely(!admitted))
        atomic_store_explicit(&lane->running, atomic_load_explicit(&lane->running, relaxed) + 1,
                              relaxed);
    return t;
}
void sk_task_run_claimed(sk_lane *lane, sk_task *t, sk_task_name name, int node, int row);

/* All arguments are there (or failed): makes the task ready, or buries it if it was cancelled meanwhile. */
void sk_task_all_there(sk_lane *lane, sk_task *t);
void sk_admit(sk_lane *lane, sk_task *t, uint64_t name); /* see admit.h */
/* From WAITING, NONE or (a retry; `why`: what its last attempt came to) RUNNING or BLOCKED to READY, and on to who runs it. false: it was cancelled. */
SK_HOT bool sk_task_make_ready(sk_lane *lane, sk_task *t, uint64_t name, sk_task_state from,
                               sk_code why)
{
    bool unusual = unlikely(t->extras != NULL) && t->extras->unusual &&
                   !sk_has_cluster; /* after the move t may be somebody else's */
    if (unlikely(!sk_task_change(lane, t, (uint32_t)(name >> 32), from, SK_TASK_READY,
                                 unusual ? SK_FLAG_QUEUED : 0, SK_FLAG_ADMITTED | SK_FLAG_ROWS,
                                 why)))
        return false;
    if (unlikely(unusual))
        sk_admit(lane, t, name);
    else
        sk_session.backend->ops->ready((sk_backend *)sk_session.backend, (sk_task_name){ name });
    return true;
}
void sk_task_seal_all_failed(sk_lane *lane, sk_object **outputs, unsigned n,
                             sk_failure *why); /* why: taken over */
sk_failure *sk_task_timed_out(sk_task *t);
void sk_task_start_time(sk_extras *e,
                        int64_t deadline); /* of the attempt that begins, or of none: SK_NEVER */
void sk_task_free_extras(
    sk_task *t, uint64_t stale); /* on the way to its grave: `stale` is the record's new state */
void sk_values_discard(sk_value *values, unsigned n);
/* The node of the attempt in this frame, which waits somewhere in the backend, is gone: decides now what becomes of the task (`how`: "node 3
 * crashed at 1.5 s"; `code`: what it fails with if this was its last attempt, SK_WORKER_DIED or SK_WORKER_OOM). The frame lives on until its stack has been left: SK_GONE: at once, when the backend lets it go on; SK_FENCED: at its
 * next call, or its end. Once more with SK_GONE after SK_FENCED. With the turn, on backends with strands. */
void sk_task_died(sk_lane *lane, sk_strand *strand, sk_death death, sk_code code, const char *how, sk_charge charge);
/* It will not run (again), and its outputs are sealed: gives back arguments and record. */
void sk_task_bury(sk_lane *lane, sk_task *t);
/* Never runs: all refs fail with this. false if it is not in NONE, WAITING or READY (any more). */
bool sk_task_never(sk_lane *lane, sk_task *t, uint32_t generation, sk_task_state to, sk_code code, const char *text);
void sk_task_bury_cancelled(sk_lane *lane, sk_task *t);     /* admit.c found it cancelled */
/* Has this task, or a running task it was submitted by (and so on), been cancelled? */
bool sk_task_is_cancelled(uint64_t name);
/* Cancels; see sk_cancel. */
void sk_task_cancel(sk_lane *lane, uint64_t name, int flags);
void sk_task_cancel_handles(sk_lane *lane, const uint64_t *handles, size_t n);      /* what makes these, if it is not done */
/* Cancels what the running frame has submitted. */
void sk_task_cancel_children(sk_lane *lane, sk_frame *frame);

void sk_frame_end(sk_lane *lane, sk_frame *frame);      /* drops what it made */
_Noreturn void sk_frame_fail(sk_frame *frame, sk_failure *failure);      /* ends the running task; takes over */
bool sk_frame_run(sk_frame *frame, const sk_fn *fn, const sk_value *in, sk_value *out);     /* the body; false: it ended by sk_frame_fail */
/* Its node is gone: leaves what it is in the middle of. */
static inline void sk_frame_leave_if_dead(sk_frame *frame)
{
    if (unlikely(frame->died))
        sk_frame_fail(frame, NULL);
}

SK_OURS extern _Atomic uint32_t sk_cancellations;       /* ever made; 0 lets the fast path skip the question */

#endif
