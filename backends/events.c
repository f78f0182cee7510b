/* events.c -- see events.h. */
#include "events.h"

enum { ROOT = 3, FIRST_ROOM = 256, ALIGNMENT = 128 };

/* With the root at 3, the children of i are 4i-8 .. 4i-5: 4..7, 8..11, ... */
static inline size_t first_child(size_t i) { return 4 * i - 8; }
static inline size_t parent(size_t i)      { return (i + 8) / 4; }

/* Both words as one number: a comparison without a branch. Times are not negative. */
static inline unsigned __int128 key(const sk_event *e) { return (unsigned __int128)(uint64_t)e->at << 64 | e->seq; }

static inline void put(sk_events *q, size_t i, const sk_event *e)
{
    q->heap[i] = *e;
    if (unlikely(e->has_handle))
        q->places[e->a] = (uint32_t)i;
}

static void move_up(sk_events *q, size_t i, sk_event e)
{
    while (i > ROOT && key(&e) < key(&q->heap[parent(i)])) {
        put(q, i, &q->heap[parent(i)]);
        i = parent(i);
    }
    put(q, i, &e);
}

/* Of the children of i, the first one's place; i has at least one. */
static inline size_t least_child(const sk_events *q, size_t i, size_t end)
{
    size_t c = first_child(i), least = c;
    if (likely(c + 4 <= end)) {
        size_t x = c + (key(&q->heap[c + 1]) < key(&q->heap[c]));            /* sums, not branches: a guess would be wrong half the time */
        size_t y = c + 2 + (key(&q->heap[c + 3]) < key(&q->heap[c + 2]));
        return x + (y - x) * (key(&q->heap[y]) < key(&q->heap[x]));
    }
    for (size_t j = c + 1; j < end; j++)
        if (key(&q->heap[j]) < key(&q->heap[least]))
            least = j;
    return least;
}

/* The event at i goes, and the last one takes its place, or one near it. Going down to a leaf first and up again from there needs
 * fewer comparisons: what was last belongs near the bottom. */
static void fill(sk_events *q, size_t i)
{
    size_t end = ROOT + --q->n;
    if (i == end)
        return;
    sk_event last = q->heap[end];
    while (first_child(i) < end) {
        size_t c = least_child(q, i, end);
        put(q, i, &q->heap[c]);
        i = c;
    }
    move_up(q, i, last);
}

static void grow(sk_events *q)
{
    size_t room = q->room ? 2 * q->room : FIRST_ROOM;
    sk_event *heap = aligned_alloc(ALIGNMENT, room * sizeof *heap);
    if (!heap)
        abort();
    if (q->n)
        memcpy(heap + ROOT, q->heap + ROOT, q->n * sizeof *heap);
    free(q->heap);
    q->heap = heap;
    q->room = room;
}

void sk_events_init(sk_events *q) { *q = (sk_events){ 0 }; }

void sk_events_clear(sk_events *q)
{
    free(q->heap);
    free(q->places);
    *q = (sk_events){ 0 };
}

static void add(sk_events *q, sk_event e)
{
    if (unlikely(ROOT + q->n >= q->room))
        grow(q);
    e.seq = q->seq++;
    move_up(q, ROOT + q->n++, e);
}

void sk_events_push(sk_events *q, int64_t at, uint16_t kind, uint32_t a, uint64_t b)
{
    add(q, (sk_event){ .at = at, .kind = kind, .a = a, .b = b });
}

bool sk_events_pop(sk_events *q, sk_event *event)
{
    if (!q->n)
        return false;
    *event = q->heap[ROOT];
    if (event->has_handle)
        q->places[event->a] = 0;
    fill(q, ROOT);
    return true;
}

uint32_t sk_events_add_handles(sk_events *q, uint32_t n)
{
    uint32_t first = q->nhandles;
    if (first + n > q->handles_room) {
        q->handles_room = 2 * q->handles_room > first + n ? 2 * q->handles_room : first + n;
        q->places = realloc(q->places, q->handles_room * sizeof *q->places);
        if (!q->places)
            abort();
    }
    memset(q->places + first, 0, n * sizeof *q->places);
    q->nhandles += n;
    return first;
}

void sk_events_set(sk_events *q, uint32_t handle, int64_t at, uint16_t kind, uint64_t b)
{
    if (q->places[handle]) {
        size_t i = q->places[handle];
        q->places[handle] = 0;
        fill(q, i);
    }
    if (at != SK_NEVER)
        add(q, (sk_event){ .at = at, .kind = kind, .has_handle = true, .a = handle, .b = b });
}
