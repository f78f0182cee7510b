/* ring.h -- bytes from one process to another through shared memory, and a bell to sleep by.
 *
 * A ring has one writer and one reader: the node and a worker, one ring each way. Its two positions count bytes from the beginning and
 * only grow, so head - tail is what is in it, also where they pass 2^64. There is no lock: a process that dies between any two
 * instructions leaves a ring with some whole number of its bytes published, and the other end goes on.
 *
 * Nor is there trust. Each end keeps its own position, the capacity and what it last saw of the other's position in memory of its own
 * (sk_ring_end), and reads one word of the other's: how far it is. A word that cannot be (more than fits, or less than it once was) breaks
 * the end, for good: it then reads and writes nothing. What passes that check is a place inside of the ring. The bytes are copied out
 * before the caller sees them; what they say is the caller's to check.
 *
 * Who finds nothing to do sleeps by a bell, one for everything its owner looks at. The orders, for no lost wake-up:
 *
 *     who publishes                                   who sleeps
 *     sk_ring_write or _read: position (store)        sk_bell_listen: asleep (add)
 *     sk_bell_ring: asleep (load)                     looks at all its rings: position (load)
 *
 * All four are seq_cst, so they have one order: either the second load sees the position, or the first sees `asleep` and the bell is
 * rung. A ring that comes before the listener is in the kernel changes the word that its ticket was read from, and the kernel does not let
 * it sleep.
 *
 * Who also waits for descriptors cannot sleep in the futex. Such an owner has an eventfd, which those who ring share: it listens as above, sleeps in
 * poll, and they ring by writing there (sk_bell_ring_by). The orders are the same.
 *
 * A process may die after publishing and before ringing: whoever notices a death rings for it (sk_bell_ring_anyway).
 *
 * `asleep` is written by those who listen, only read by those who ring: a dead ringer holds nothing. One that scribbles on it can cost a
 * wake-up, and no more: a node that must survive even that sleeps for some time, not SK_NEVER.
 *
 * (The struct is sk_ring_memory because sk_ring is a part of deque.h.) */
#ifndef SK_RING_H
#define SK_RING_H

#include "base.h"

/* ---- A bell. In memory that all who ring and listen share ---- */

typedef struct sk_bell {
    _Alignas(64) _Atomic uint32_t word;    /* counts rings that found somebody asleep; who rings writes */
    _Atomic uint32_t asleep;               /* how many listen; who listens writes */
} sk_bell;

void sk_bell_init(sk_bell *);              /* before anyone else knows it, or when all who did are gone. Zeroed memory will do */

/* "I am about to sleep." Look at everything once more, then sleep with the ticket that this returns, or do not; then sk_bell_awake. Listeners
 * of one bell are threads of one process, as many as like to: a process that died listening would be counted for ever. */
uint32_t sk_bell_listen(sk_bell *);

/* Returns when the bell has been rung since the ticket was taken, when `ns` are over (SK_NEVER: not for that), or for no reason: look again. */
void sk_bell_sleep(sk_bell *, uint32_t ticket, int64_t ns);

uint32_t sk_bell_ticket(sk_bell *);        /* the same without being counted as asleep: only sk_bell_ring_anyway wakes from such a sleep */
bool sk_bell_is_awaited(sk_bell *);        /* would sk_bell_ring do anything? */

void sk_bell_awake(sk_bell *);             /* once for each sk_bell_listen */

/* After publishing. Wakes all who listen; if nobody does, it is one load. */
void sk_bell_ring(sk_bell *);

void sk_bell_ring_anyway(sk_bell *);       /* whatever `asleep` says: for news of a process that may have scribbled on it */

/* As sk_bell_ring, where the owner sleeps in poll on `fd`, an eventfd of sk_bell_fd; -1: it sleeps by the bell. */
void sk_bell_ring_by(sk_bell *, int fd);
void sk_bell_ring_anyway_by(sk_bell *, int fd);

void sk_bell_tell(int fd);                 /* only that: tickets hold. See ear.h */

/* Such a descriptor, close-on-exec and non-blocking; -1: errno. */
int sk_bell_fd(void);

/* After such a sleep, before the owner looks: what was rung is heard. */
void sk_bell_heard(int fd);

/* ---- A ring ---- */

typedef struct sk_ring_memory {            /* in shared memory */
    _Alignas(64) _Atomic uint64_t head;    /* bytes ever written; the writer writes */
    _Alignas(64) _Atomic uint64_t tail;    /* bytes ever read; the reader writes */
    _Alignas(64) unsigned char data[];
} sk_ring_memory;

typedef struct sk_ring_end {               /* private to one process, one thread at a time; writes only, or reads only */
    sk_ring_memory *ring;
    uint64_t capacity;
    uint64_t at;                           /* my position */
    uint64_t seen;                         /* the other's, when last looked at */
    bool broken;                           /* the other's position was nonsense */
} sk_ring_end;

/* The memory that a ring needs. `capacity`: bytes it can hold, a power of two, at least 4096. */
size_t sk_ring_bytes(size_t capacity);

/* An empty ring, by the process that makes it, before the other knows it. Aligned to 64; need not be zeroed, so the ring of a dead worker
 * will do. */
void sk_ring_init(sk_ring_memory *, size_t capacity);

/* One end of an empty ring: once by the writer and once by the reader, before anything is written. The capacity is told, not
 * looked up. The memory is borrowed. */
void sk_ring_open(sk_ring_end *, sk_ring_memory *, size_t capacity);

/* Copies in as much as fits, publishes it, and returns how much that was. 0: full, or broken; it has looked. */
size_t sk_ring_write(sk_ring_end *, const void *data, size_t size);

/* Copies out as much as there is, at most `size`, and gives its room back. 0: empty, or broken; it has looked. */
size_t sk_ring_read(sk_ring_end *, void *out, size_t size);

/* Of a reader that has just read n bytes: may the writer have found the ring full before? Only then can it be asleep for want of room, and is to
 * be rung for that. */
bool sk_ring_was_full(sk_ring_end *, size_t n);

/* What sk_ring_read could bring, and what sk_ring_write could take, right now. Look at the other's position; 0 if broken. */
size_t sk_ring_readable(sk_ring_end *);
size_t sk_ring_writable(sk_ring_end *);

#endif
