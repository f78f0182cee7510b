/* ring.c -- see ring.h. Linux: futexes, and not the private kind, since who rings and who sleeps may be two processes; eventfd. */
#include "ring.h"

#include "error.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A lock hidden in an atomic would be private to a process, and one could die with it. */
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "rings need 32 and 64 bit atomics without locks");
_Static_assert(sizeof(_Atomic uint32_t) == 4, "a futex is 4 bytes");

/* ---- The bell ---- */

void sk_bell_init(sk_bell *b)
{
    atomic_store_explicit(&b->word, 0, relaxed);
    atomic_store_explicit(&b->asleep, 0, relaxed);
}

uint32_t sk_bell_listen(sk_bell *b)
{
    atomic_fetch_add_explicit(&b->asleep, 1, seq_cst);             /* before the caller looks: pairs with the load in sk_bell_ring */
    /* After that. If it is the word of a ring that has just been, this acquires what was published before it (the caller's look sees it);
     * if the ring comes later, the word is no longer the ticket. */
    return atomic_load_explicit(&b->word, seq_cst);
}

void sk_bell_sleep(sk_bell *b, uint32_t ticket, int64_t ns)
{
    struct timespec ts = { ns / 1000000000, ns % 1000000000 };
    if (ns > 0)
        syscall(SYS_futex, &b->word, FUTEX_WAIT, ticket, ns == SK_NEVER ? NULL : &ts, NULL, 0);
}

uint32_t sk_bell_ticket(sk_bell *b) { return atomic_load_explicit(&b->word, seq_cst); }
bool sk_bell_is_awaited(sk_bell *b) { return atomic_load_explicit(&b->asleep, seq_cst) != 0; }

void sk_bell_awake(sk_bell *b) { atomic_fetch_sub_explicit(&b->asleep, 1, seq_cst); }

void sk_bell_ring(sk_bell *b)
{
    if (atomic_load_explicit(&b->asleep, seq_cst))                 /* after the position was stored: pairs with sk_bell_listen */
        sk_bell_ring_anyway(b);
}

/* Who dies between the two lines has woken nobody, but has not kept anyone else from doing so: the next ring does. */
void sk_bell_ring_anyway(sk_bell *b)
{
    atomic_fetch_add_explicit(&b->word, 1, seq_cst);
    syscall(SYS_futex, &b->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* The count of an eventfd stays until it is read, so it does not matter whether the owner is in poll yet. */
void sk_bell_tell(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0)
        if (errno == EAGAIN)
            return;                        /* it has been told already */
        else if (errno != EINTR)           /* whoever waits for what we have to say would wait for ever */
            sk_die(NULL, NULL, 1, "a thread that sleeps in poll cannot be woken: write: %s", strerror(errno));
}

void sk_bell_ring_anyway_by(sk_bell *b, int fd)
{
    if (fd < 0) {
        sk_bell_ring_anyway(b);
        return;
    }
    atomic_fetch_add_explicit(&b->word, 1, seq_cst);               /* tickets are old now, also those of whoever has not come to sleep yet */
    sk_bell_tell(fd);
}

void sk_bell_ring_by(sk_bell *b, int fd)
{
    if (atomic_load_explicit(&b->asleep, seq_cst))
        sk_bell_ring_anyway_by(b, fd);
}

int sk_bell_fd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

void sk_bell_heard(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

/* ---- The ring ---- */

size_t sk_ring_bytes(size_t capacity)
{
    assert(capacity >= 4096 && (capacity & (capacity - 1)) == 0);
    return sizeof(sk_ring_memory) + capacity;
}

void sk_ring_init(sk_ring_memory *ring, size_t capacity)
{
    assert(((uintptr_t)ring & 63) == 0 && capacity >= 4096 && (capacity & (capacity - 1)) == 0);
    (void)capacity;
    atomic_store_explicit(&ring->head, 0, relaxed);
    atomic_store_explicit(&ring->tail, 0, relaxed);
}

void sk_ring_open(sk_ring_end *e, sk_ring_memory *ring, size_t capacity)
{
    assert(((uintptr_t)ring & 63) == 0 && capacity >= 4096 && (capacity & (capacity - 1)) == 0);
    *e = (sk_ring_end){ .ring = ring, .capacity = capacity };
}

/* The reader looks at head: it is at most a ring's length before me, and not behind where it was. One load, and only its result is used:
 * it may change again at any time. seq_cst, after sk_bell_listen; acquires the bytes. */
static void look_at_head(sk_ring_end *e)
{
    uint64_t head = atomic_load_explicit(&e->ring->head, seq_cst);
    if (head - e->at > e->capacity || head - e->at < e->seen - e->at)
        e->broken = true;
    else
        e->seen = head;
}

/* The writer looks at tail: it is at most a ring's length behind me, and not behind where it was. As above; acquires the room, in
 * which the reader is done reading. */
static void look_at_tail(sk_ring_end *e)
{
    uint64_t tail = atomic_load_explicit(&e->ring->tail, seq_cst);
    if (e->at - tail > e->at - e->seen)                            /* which is at most the capacity */
        e->broken = true;
    else
        e->seen = tail;
}

static size_t there_is(const sk_ring_end *e) { return e->broken ? 0 : (size_t)(e->seen - e->at); }
static size_t room(const sk_ring_end *e) { return e->broken ? 0 : (size_t)(e->capacity - (e->at - e->seen)); }

size_t sk_ring_readable(sk_ring_end *e)
{
    look_at_head(e);
    return there_is(e);
}

size_t sk_ring_writable(sk_ring_end *e)
{
    look_at_tail(e);
    return room(e);
}

/* Where my position is, and how many of n bytes lie before the end of the memory; the rest begins at its start. */
static unsigned char *place(const sk_ring_end *e, size_t n, size_t *straight)
{
    size_t from = (size_t)(e->at & (e->capacity - 1)), to_end = (size_t)e->capacity - from;
    *straight = n < to_end ? n : to_end;
    return e->ring->data + from;
}

size_t sk_ring_write(sk_ring_end *e, const void *data, size_t size)
{
    if (room(e) < size)
        look_at_tail(e);
    size_t n = room(e) < size ? room(e) : size, straight;
    if (!n)
        return 0;
    unsigned char *to = place(e, n, &straight);
    memcpy(to, data, straight);
    memcpy(e->ring->data, (const unsigned char *)data + straight, n - straight);
    e->at += n;
    atomic_store_explicit(&e->ring->head, e->at, seq_cst);         /* releases the bytes to look_at_head; before sk_bell_ring */
    return n;
}

size_t sk_ring_read(sk_ring_end *e, void *out, size_t size)
{
    if (there_is(e) < size)
        look_at_head(e);
    size_t n = there_is(e) < size ? there_is(e) : size, straight;
    if (!n)
        return 0;
    const unsigned char *from = place(e, n, &straight);
    memcpy(out, from, straight);
    memcpy((unsigned char *)out + straight, e->ring->data, n - straight);
    e->at += n;
    atomic_store_explicit(&e->ring->tail, e->at, seq_cst);         /* releases the room to look_at_tail; before sk_bell_ring */
    return n;
}

/* A writer sleeps if it has seen, after sk_bell_listen, a tail that is a whole ring behind its head. If it has not seen the tail that has just been stored
 * (seq_cst), then its head, which is older than that look, is seen here, and is a ring ahead of the tail before. */
bool sk_ring_was_full(sk_ring_end *e, size_t n)
{
    return e->broken || atomic_load_explicit(&e->ring->head, seq_cst) - (e->at - n) >= e->capacity;
}
