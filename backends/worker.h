/* worker.h -- what a node and one of its worker processes share, apart from the store: a page with parameters, and two rings. */
#ifndef SK_WORKER_H
#define SK_WORKER_H

#include "ring.h"

enum { SK_WORKER_RING = 256 << 10, SK_WORKER_PAGE = 4096,
       SK_WORKER_ROOM = 0, SK_WORKER_BELL = 1, SK_WORKER_CONTROL = 2, SK_WORKER_ARENA = 3, SK_WORKER_FDS = 4,      /* inherited as 3, 4, ... */
       SK_WORKER_WAKE = 4,                 /* one more, where page->wakes: the node sleeps in poll, on this eventfd */
       SK_PLACED_MIN = 32 << 10 };        /* blobs from this size on lie in the shared store; smaller ones travel in messages */

/* Several RUNs may be on their way to a worker. Each has a gate. The node opens it and sends the RUN. The worker passes it, and begins the body; or the
 * node closes it first, and has the task back: then the worker, when it comes to it, only says that it has seen that.
 *
 * In a node whose graph is elsewhere (headed) nobody reads the RUNs on their way. There all gates are open at first, and the worker, when it comes to one,
 * opens that which comes SK_GATES_AHEAD later: of so many last numbers they tell which bodies have begun. */
enum { SK_GATES = 256, SK_GATES_AHEAD = SK_GATES / 2 };
typedef enum sk_gate { SK_GATE_DONE, SK_GATE_OPEN, SK_GATE_BEGUN, SK_GATE_CLOSED } sk_gate;

typedef struct sk_worker_page {           /* the first page; rings follow: to the worker, from it */
    sk_bell bell;                         /* of the worker */
    int64_t start;                        /* sk_session.start: CLOCK_MONOTONIC is the same in all processes of a machine */
    uint64_t seed, stride, large;         /* see shm.h */
    uint32_t owners, owner;               /* of arenas; this worker's own */
    int32_t driver, workers;              /* pid; how many work at a time */
    uint32_t node;                        /* what sk_node() says in its tasks */
    uint64_t memory;                      /* that it may take for itself; 0: no limit */
    uint32_t labels;                      /* what is printed is to say by which task: see lines.h */
    uint32_t headed;                      /* places that are sent to the node are followed by headers: sk_wire.headed */
    uint32_t wakes;                       /* the node is rung by sk_bell_ring_by */
    uint32_t out_of_memory;               /* it ends for want of memory; the worker writes */
    char last_words[800];                 /* what its handler of crashes knows; the worker writes */
    _Alignas(64) _Atomic uint8_t gates[SK_GATES];        /* of RUNs, by number: see sk_gate */
} sk_worker_page;
_Static_assert(sizeof(sk_worker_page) <= SK_WORKER_PAGE, "");

/* By the worker. false: skip it. Neither open nor closed: this memory has been written to, and nothing is certain any more. */
static inline bool sk_gate_pass(_Atomic uint8_t *gate, bool *is_sound)
{
    uint8_t was = SK_GATE_OPEN;
    bool passed = atomic_compare_exchange_strong(gate, &was, SK_GATE_BEGUN);
    *is_sound = passed || was == SK_GATE_CLOSED;
    if (!passed)
        atomic_store(gate, SK_GATE_DONE);
    return passed;
}

/* By the node. false: it has begun. */
static inline bool sk_gate_close(_Atomic uint8_t *gate)
{
    uint8_t was = SK_GATE_OPEN;
    return atomic_compare_exchange_strong(gate, &was, SK_GATE_CLOSED) || was != SK_GATE_BEGUN;
}

static inline size_t sk_worker_room(void) { return SK_WORKER_PAGE + 2 * ((sk_ring_bytes(SK_WORKER_RING) + 4095) & ~(size_t)4095); }
static inline sk_ring_memory *sk_worker_ring(sk_worker_page *page, int which)
{
    return (sk_ring_memory *)((char *)page + SK_WORKER_PAGE + (size_t)which * ((sk_ring_bytes(SK_WORKER_RING) + 4095) & ~(size_t)4095));
}

/* One message on the control socket: this arena, with its read-only descriptor. */
typedef struct sk_arena_message { uint32_t owner; } sk_arena_message;

/* What a worker process does instead of main; see sk_worker_divert. */
_Noreturn void sk_worker_main(const char *text);

#endif
