/* lane.h -- what belongs to one thread (later: fiber) that calls Skate: a lane; and to one running task on it: a frame.
 *
 * The idea: everything the fast path touches besides the records themselves is here, owned by one thread, found by one
 * thread-local pointer: caches of free records, the trace buffer, counters, and the stack of handles, the refs that the running
 * tasks have made and not yet dropped. Frames nest when a waiting task runs the task it waits for; the handles
 * of a frame are those above its base.                                                                       */
#ifndef SK_LANE_H
#define SK_LANE_H

#include "base.h"
#include "error.h"
#include "pool.h"
#include "trace.h"

#include <setjmp.h>

enum { SK_STORE_CLASSES = 4 * 34, SK_STORE_SMALL = 33 };    /* small: up to 16 KB */

/* Out of a task's body, back into call_body (attempt.c). The compiler's own pair costs a tenth of setjmp, which saves what only
 * other languages' runtimes need; sanitizers know setjmp only. */
#if defined(SK_SANITIZED) || !(defined(__x86_64__) || (defined(__aarch64__) && !defined(__clang__)))
typedef jmp_buf sk_jump;
#define sk_jump_set(jump) _setjmp(jump)
#define sk_jump_to(jump)  longjmp(jump, 1)         /* not _longjmp, which is the same here but unknown to ThreadSanitizer */
#else
typedef void *sk_jump[5];
#define sk_jump_set(jump) __builtin_setjmp(jump)
#define sk_jump_to(jump)  __builtin_longjmp(jump, 1)
#endif

typedef struct sk_task sk_task;
typedef struct sk_frame {
    struct sk_frame *below;
    sk_task *task;                 /* NULL: the driver */
    uint64_t id;                   /* the task's name; 0 is the driver */
    uint64_t seed, submitted;      /* the k-th task submitted here has the seed mix(seed, k) */
    uint64_t random;               /* state of sk_random */
    size_t handles, scratch;       /* where this frame's begin on the lane's stacks */
    size_t scopes;                 /* 1 + where the innermost sk_scope's handles begin; 0: none open */
    sk_failure *failure;           /* set by sk_fail before it jumps */
    int worker, node;
    uint8_t died;                  /* sk_death: its node is gone, and the task has been decided on (sk_task_died) */
    bool buries;                   /* died: the record is to be given back when this frame ends */
    void *dups;                    /* GHashTable: refs duplicated here that others made; NULL: none */
    struct sk_waiter *waiters;     /* made here and not freed yet: a task may fail in sk_waiter_next */
    struct sk_frame *next_dead;    /* of attempt.c's list of frames that have died and not ended */
    sk_jump jump;
} sk_frame;

/* FENCED: it may go on to its next call, but whatever it brings is refused. GONE: it goes on no more. */
typedef enum sk_death { SK_ALIVE, SK_FENCED, SK_GONE } sk_death;

/* Memory of a call in which the task may end: sk_frame_fail frees it. */
typedef struct sk_temp { struct sk_temp *below; sk_frame *frame; uint64_t data[]; } sk_temp;

/* What goes with a stack. A thread has one stack; a backend that runs tasks on fibers has one lane for all, and puts each fiber's
 * strand in it while the fiber runs (sk_strand_enter). */
#define SK_STRAND                                                                                             \
    sk_frame *frame;                                                                                          \
    uint64_t *handles;                              /* object names */                                        \
    size_t nhandles, handles_capacity, handles_check;                                                         \
    struct sk_blob **scratch;                       /* blobs that live until the frame ends */                \
    size_t nscratch, scratch_capacity;                                                                        \
    sk_temp *temps;                                 /* last first */                                          \
    char *stack_floor;                              /* below this, no task is run on top of another */        \
    _Atomic(struct sk_wait *) waiting;              /* the innermost wait it is blocked in */                 \
    _Atomic(void *) thread;    /* the backend's; the owner writes it, who wakes all lanes reads it */

typedef struct sk_strand { SK_STRAND struct sk_strand *after, *before; } sk_strand;     /* a list of all */

/* Free memory of one size, linked. `batch` and `n`: of the first of a batch in the common list. */
typedef struct sk_free_block { struct sk_free_block *next, *batch; uint32_t n; } sk_free_block;
typedef struct sk_own_blocks { sk_free_block *hot, *spare; uint32_t n; } sk_own_blocks;     /* n in hot; spare: NULL, or a batch of full size */

typedef struct sk_lane {
    SK_STRAND                      /* first: see sk_strand_enter */
    const struct sk_port *port;    /* where public calls go */
    void *port_data;
    bool has_no_thread;            /* of a backend's fibers */
    _Atomic bool is_worker;        /* a thread of the backend, not of the program; the owner writes it */
    sk_frame driver;               /* the frame below all tasks */

    sk_cache objects, tasks, big_tasks;             /* owner thread */
    sk_own_blocks blocks[SK_STORE_SMALL];           /* kept warm: see store.c */
    void *signal_stack;                             /* for a stack overflow; owned */
    void *dying;                                    /* objects to free, see sk_object_free */
    bool freeing;
    sk_task *failing;                               /* tasks to fail, see sk_task_all_there */
    bool is_failing;
    sk_trace_lane *trace, own_trace;                /* trace: its own, or where all that happens has one order, everybody's */
    sk_error boxing_error;

    _Atomic int32_t running;                       /* ordinary tasks that run on it and are not blocked: 0 or 1 */
    _Atomic uint64_t submitted, done, failed, cancelled, attempts, retries, made, freed;     /* owner writes, all read */
    _Atomic uint64_t transfers, bytes_moved;                                                 /* the same */
    struct sk_lane *next;                           /* the list of lanes; under its lock */
} sk_lane;

/* initial-exec: found by the thread's register alone, so that code on a fiber finds the thread that runs it now. */
SK_OURS extern __thread sk_lane *sk_lane_self __attribute__((tls_model("initial-exec")));

/* This thread's lane; makes one on the first call of a thread. Ends the program, naming `what`, before sk_init. */
sk_lane *sk_lane_make(const char *what, const sk_site *site);
static inline sk_lane *sk_lane_get(const char *what, const sk_site *site)
{
    sk_lane *lane = sk_lane_self;
    return likely(lane != NULL) ? lane : sk_lane_make(what, site);
}
sk_lane *sk_lane_new_for_fibers(void);         /* of no thread; the caller makes it sk_lane_self while it runs fibers */
void sk_strand_init(sk_strand *strand, sk_lane *lane, void *thread, char *stack_floor);
void sk_strand_clear(sk_strand *strand);
/* Exchanges the lane's strand and this one: on the way into a fiber, and on the way out. */
void sk_strand_exchange(sk_lane *lane, sk_strand *strand);
void sk_strands_visit(void (*visit)(sk_strand *, void *), void *data);      /* those between init and clear that do not run */
void sk_lane_free(sk_lane *lane);              /* of the calling thread, or of one that has ended */
void sk_lanes_free_all(void);
void sk_lanes_drop_refs(void);
void sk_lanes_visit(void (*visit)(sk_lane *, void *), void *data);      /* under the lock of the list */
void sk_lanes_visit_dying(void (*visit)(sk_lane *, void *), void *data);      /* the program dies: does not wait for the lock for long */
void sk_lanes_sum(sk_lane *sum);               /* counters of all lanes, ended ones too */
void sk_lanes_sum_dying(sk_lane *sum);
void sk_store_flush(sk_lane *lane);
void sk_lane_grow_handles(sk_lane *lane);
void sk_lane_add_scratch(sk_lane *lane, struct sk_blob *blob);          /* takes over one reference */
void sk_waiter_free_all(sk_frame *frame);                                /* api.c: what is left of frame->waiters */
void sk_lane_drop_scratch(sk_lane *lane, size_t base);
void *sk_lane_take_temp(sk_lane *lane, size_t size);                     /* for the running frame */
void sk_lane_free_temp(sk_lane *lane);                                   /* the last one */

static inline void sk_lane_add_handle(sk_lane *lane, uint64_t id)
{
    if (unlikely(lane->nhandles == lane->handles_check))
        sk_lane_grow_handles(lane);
    lane->handles[lane->nhandles++] = id;
}

static inline uint64_t sk_frame_place(const sk_frame *f) { return (uint64_t)(uint32_t)f->worker << 32 | (uint32_t)f->node; }

/* Counters have one writer: no read-modify-write needed. */
#define SK_COUNT_ON(counter, n) \
    atomic_store_explicit(&(counter), atomic_load_explicit(&(counter), relaxed) + (n), relaxed)
#define SK_COUNT_UP(counter) SK_COUNT_ON(counter, 1)

#endif
