/* events.h -- the queue of a discrete-event simulation: what happens next, and among equals what was scheduled first.
 *
 * The idea: a heap ordered by (time, sequence). The sequence is a counter, so events of one instant come out in the order in which
 * they went in, on every machine: a simulation may branch on nothing else. The heap has four children a node (LaMarca and Ladner,
 * JEA'96): half as deep as a binary one, and the four lie in two cache lines that are fetched together.
 *
 * Most events are pushed once and popped once. What is often put off (the next completion at a network card, an alarm) has a
 * *handle* instead: a number with at most one event, which can be moved or taken out in place. So nothing stale is ever in the heap.
 *
 *     sk_events_push(&q, now + 1000, EVENT_ARRIVAL, node, object);
 *     while (sk_events_pop(&q, &e)) { now = e.at; switch (e.kind) ... }                                  */
#ifndef SK_EVENTS_H
#define SK_EVENTS_H

#include "base.h"

typedef struct sk_event {
    int64_t at;                      /* ns */
    uint64_t seq;
    uint16_t kind;                   /* the caller's */
    bool has_handle;                 /* then a is the handle */
    uint32_t a;
    uint64_t b;
} sk_event;

typedef struct sk_events {
    sk_event *heap;                  /* the root is heap[3], so that four siblings begin on a multiple of 128 bytes */
    size_t n, room;                  /* events in the heap; places, the three unused ones included */
    uint64_t seq;
    uint32_t *places;                /* of each handle: where its event is in the heap; 0: nowhere */
    uint32_t nhandles, handles_room;
} sk_events;

void sk_events_init(sk_events *q);
void sk_events_clear(sk_events *q);

void sk_events_push(sk_events *q, int64_t at, uint16_t kind, uint32_t a, uint64_t b);
/* Takes the first event out; false if there is none. */
bool sk_events_pop(sk_events *q, sk_event *event);

/* The first event, or NULL; good until the next call. */
static inline const sk_event *sk_events_peek(const sk_events *q) { return q->n ? &q->heap[3] : NULL; }
static inline int64_t sk_events_next(const sk_events *q) { return q->n ? q->heap[3].at : SK_NEVER; }

/* Makes n handles without events; returns the first, the others follow. */
uint32_t sk_events_add_handles(sk_events *q, uint32_t n);
/* The handle's event is at this time from now on, as if just pushed; SK_NEVER: it has none. */
void sk_events_set(sk_events *q, uint32_t handle, int64_t at, uint16_t kind, uint64_t b);
static inline void sk_events_cancel(sk_events *q, uint32_t handle) { sk_events_set(q, handle, SK_NEVER, 0, 0); }
/* When the handle's event is; SK_NEVER. */
static inline int64_t sk_events_when(const sk_events *q, uint32_t handle)
{
    return q->places[handle] ? q->heap[q->places[handle]].at : SK_NEVER;
}

#endif
