/* trace_cursor.c -- section 3 of trace_read.h.
 *
 * The idea: the lanes whose next record may come are in a heap by time; a lane whose next record
 * must wait for another's is held back, in a heap of its own, and is found by the task or object
 * it waits for. When a record changes that one, the lane goes back to the first heap, where its
 * time makes it the next.
 *
 * Reading order: 1 a lane's next record; 2 heaps; 3 open and close; 4 may a record come now?; 5
 * lanes that are held back; 6 the next one of all. */
#include "trace_read.h"

#include <string.h>

#include "trace_file.h"
#include "trace_room.h"

/* How long a lane is held back at most: far beyond any interruption. And how often for one record: a record waits for one change, which
 * comes soon; a log that means no good could make a million lanes wait for each of a million. */
enum { HOLD_NS = 1000000000, PATIENCE = 100 };

/* ---- 1. A lane's next record ---------------------------------------------------------------- */

typedef struct lane {
    uint32_t chunks;                   /* that it has begun to read */
    const char *at, *end;              /* the next record; the end of the chunk */
    bool is_at_end;                    /* in neither heap nor held: it has no head. More may come, if the log grows */
    sk_event head;                     /* the lane's next event */
    uint64_t waits_for;                /* while held back: this task or object must change first */
    bool waits_for_task;
    uint8_t tried;                     /* so often has the head not fitted */
    uint32_t place;                    /* in the heap it is in */
    uint32_t next, previous;           /* while held back: in the same bucket, SK_NO_INDEX the last and the first */
    uint32_t fitted;                   /* where the head fits: the index of its task or object */
    uint64_t awaited; /* between WAIT and WAIT_END for one object: that one, else 0 */
} lane;

typedef struct heap { uint32_t *lane, n; } heap; /* lanes by (time, number), a binary heap */

struct sk_cursor {
    const sk_reader *log;
    lane *lanes;
    uint32_t nlanes;
    int64_t until; /* events after this wait: the log grows, and others may come before them */
    heap ready, held;      /* held: lanes that are held back, ... */
    uint32_t *bucket;      /* ... by what they wait for: the first of each chain */
    uint32_t buckets;      /* a power of two; 0: not as many as lanes yet */
    sk_ids tasks, objects;
    struct task {
        const uint64_t *new;           /* the words of its TASK_NEW, NULL before */
        uint8_t state;
    } *task;                           /* by index, like ... */
    uint8_t *object;                   /* ... the states of objects */
    uint32_t task_room, object_room;
};

static int64_t ns_of(const sk_reader *log, const sk_file_chunk *c, uint32_t dt)
{
    __int128 ns;
    if (log->clock == 1)
        ns = (__int128)c->ns + dt;
    else if (log->fd >= 0)
        ns = (__int128)c->ns + (((__int128)dt * (int64_t)log->scale + ((int64_t)1 << 47)) >> 48);
    else
        ns = log->base_ns +
             (((__int128)(int64_t)(c->tick + dt - log->base_tick) * (int64_t)log->scale +
               ((int64_t)1 << 47)) >>
              48);
    const int64_t most = INT64_MAX / 4; /* so that nobody's differences overflow */
    return ns > most ? most : ns < -most ? -most : (int64_t)ns;
}

/* Makes the lane's next record of a known type its head; false at its end. */
static bool advance(const sk_cursor *cursor, lane *l)
{
    const sk_reader *log = cursor->log;
    uint32_t number = (uint32_t)(l - cursor->lanes);
    for (;;) {
        while (l->at == l->end) {
            l->is_at_end = l->chunks == sk_file_lane_at(log, number)->chunks->len;
            if (l->is_at_end)
                return false;
            const sk_file_chunk *next = sk_file_chunk_at(log, number, l->chunks++);
            l->at = log->data + next->offset;
            l->end = l->at + next->bytes;
        }
        const sk_file_chunk *chunk = sk_file_chunk_at(log, number, l->chunks - 1);
        const sk_trace_record *r = (const sk_trace_record *)l->at;
        l->at += sizeof *r + 8 * r->n;
        if (sk_trace_file_knows(r->type)) {
            l->tried = 0;
            l->head = (sk_event){ ns_of(log, chunk, r->dt), chunk->lane, r->type, r->a, r->n,
                                  (const uint64_t *)(r + 1) };
            return true;
        }
    }
}

/* ---- 2. Heaps ------------------------------------------------------------------------------- */

static bool before(const sk_cursor *c, uint32_t a, uint32_t b)
{
    int64_t x = c->lanes[a].head.ns, y = c->lanes[b].head.ns;
    return x < y || (x == y && a < b);
}

static void put(sk_cursor *c, heap *h, uint32_t i, uint32_t l)
{
    h->lane[i] = l;
    c->lanes[l].place = i;
}

static void sift_down(sk_cursor *c, heap *h, uint32_t i)
{
    uint32_t moving = h->lane[i];
    for (uint32_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && before(c, h->lane[child + 1], h->lane[child]))
            child++;
        if (before(c, moving, h->lane[child]))
            break;
        put(c, h, i, h->lane[child]);
    }
    put(c, h, i, moving);
}

static void sift_up(sk_cursor *c, heap *h, uint32_t i)
{
    uint32_t moving = h->lane[i];
    for (; i && before(c, moving, h->lane[(i - 1) / 2]); i = (i - 1) / 2)
        put(c, h, i, h->lane[(i - 1) / 2]);
    put(c, h, i, moving);
}

static void push(sk_cursor *c, heap *h, uint32_t l)
{
    h->lane[h->n] = l;
    sift_up(c, h, h->n++);
}

static void take_out(sk_cursor *c, heap *h, uint32_t i)
{
    uint32_t last = h->lane[--h->n];
    if (i == h->n)
        return;
    put(c, h, i, last);
    sift_up(c, h, i);
    sift_down(c, h, c->lanes[last].place);
}

/* ---- 3. Open and close ---------------------------------------------------------------------- */

/* Lanes that are new, and those that were at their end and have more. */
static void look_for_more(sk_cursor *c)
{
    uint32_t n = c->log->info.lanes;
    if (n > c->nlanes || !c->lanes) {
        c->lanes = g_renew(lane, c->lanes, n);
        c->ready.lane = g_renew(uint32_t, c->ready.lane, n);
        c->held.lane = g_renew(uint32_t, c->held.lane, n);
        for (; c->nlanes < n; c->nlanes++)
            c->lanes[c->nlanes] = (lane){ .is_at_end = true };
    }
    for (uint32_t i = 0; i < n; i++)
        if (c->lanes[i].is_at_end && advance(c, &c->lanes[i]))
            push(c, &c->ready, i);
}

void sk_trace_read_until(sk_cursor *c, int64_t ns)
{
    c->until = ns;
    look_for_more(c);
}

sk_cursor *sk_trace_read_cursor(const sk_reader *log)
{
    sk_cursor *c = g_new0(sk_cursor, 1);
    c->log = log;
    c->until = INT64_MAX;
    look_for_more(c);
    return c;
}

void sk_trace_read_cursor_free(sk_cursor *c)
{
    if (!c)
        return;
    g_free(c->lanes);
    g_free(c->ready.lane);
    g_free(c->held.lane);
    g_free(c->bucket);
    g_free(c->task);
    g_free(c->object);
    sk_trace_ids_clear(&c->tasks);
    sk_trace_ids_clear(&c->objects);
    g_free(c);
}

/* ---- 4. May a record come now? -------------------------------------------------------------- */

static unsigned object_state(const sk_cursor *c, uint64_t number)
{
    uint32_t i = sk_trace_ids_find(&c->objects, number);
    return i == SK_NO_INDEX ? SK_OBJECT_NONE : c->object[i];
}

static void set_object(sk_cursor *c, uint64_t number, unsigned to)
{
    uint32_t i = sk_trace_ids_add(&c->objects, number);
    if (i == c->object_room) {
        c->object_room = i ? 2 * i : 1024;
        c->object = sk_trace_room(c->object, i, c->object_room);
    }
    c->object[i] = (uint8_t)to;
}

static struct task *task_of(sk_cursor *c, uint64_t number)
{
    uint32_t n = c->tasks.n, i = sk_trace_ids_add(&c->tasks, number);
    if (i == c->task_room) {
        c->task_room = i ? 2 * i : 1024;
        c->task = sk_trace_room(c->task, i * sizeof *c->task, c->task_room * sizeof *c->task);
    }
    if (i == n)
        c->task[i] = (struct task){ 0 };
    return &c->task[i];
}

static bool waits_for(lane *l, bool task, uint64_t number)
{
    l->waits_for_task = task;
    l->waits_for = number;
    return false;
}

/* Does a task with these words in its TASK_NEW have an argument that is neither there nor failed?
 */
static bool missing_argument(const sk_cursor *c, const uint64_t *w, uint64_t *which)
{
    const sk_trace_record *r = (const sk_trace_record *)w - 1;
    unsigned returns = r->a >> 4, deps = r->a & 15;
    for (unsigned i = 0; i < deps; i++) {
        unsigned state = object_state(c, *which = w[3 + returns + i]);
        if (state != SK_OBJECT_READY && state != SK_OBJECT_FAILED)
            return true;
    }
    return false;
}

/* May the lane's head come now? If not, notes what it waits for. */
static bool fits(sk_cursor *c, lane *l)
{
    const sk_event *e = &l->head;
    unsigned from = sk_trace_from(e), to = sk_trace_to(e);
    uint64_t which;
    uint32_t i;
    l->fitted = SK_NO_INDEX;
    switch (e->type) {
    case SK_TRACE_TASK_NEW: /* here `from` and `to` count returns and arguments */
        if (e->word[2] && ((i = sk_trace_ids_find(&c->tasks, e->word[2])) == SK_NO_INDEX || !c->task[i].new))
            return waits_for(l, true, e->word[2]);
        for (unsigned d = 0; d < to; d++)
            if (object_state(c, e->word[3 + from + d]) == SK_OBJECT_NONE)
                return waits_for(l, false, e->word[3 + from + d]);
        return true;
    case SK_TRACE_TASK:
        i = sk_trace_ids_find(&c->tasks, e->word[0]);
        if (i == SK_NO_INDEX || !c->task[i].new || c->task[i].state != from)
            return waits_for(l, true, e->word[0]);
        if (to == SK_TASK_READY && from <= SK_TASK_WAITING &&
            missing_argument(c, c->task[i].new, &which))
            return waits_for(l, false, which);
        l->fitted = i;
        return true;
    case SK_TRACE_OBJECT:
        i = sk_trace_ids_find(&c->objects, e->word[0]);
        if ((i == SK_NO_INDEX ? SK_OBJECT_NONE : c->object[i]) != from)
            return waits_for(l, false, e->word[0]);
        l->fitted = i;
        return true;
    case SK_TRACE_SPILL:
        return object_state(c, e->word[0]) >= SK_OBJECT_READY || waits_for(l, false, e->word[0]);
    case SK_TRACE_WAIT_END:
        if (l->awaited && e->word[2] == SK_OK && object_state(c, l->awaited) == SK_OBJECT_PENDING)
            return waits_for(l, false, l->awaited);
        return true;
    }
    return true;
}

static void apply(sk_cursor *c, lane *l)
{
    const sk_event *e = &l->head;
    if (e->type == SK_TRACE_WAIT)
        l->awaited = sk_trace_lo(e->word[1]) == 1 ? e->word[3] : 0;
    else if (e->type == SK_TRACE_WAIT_END)
        l->awaited = 0;
    if (e->type == SK_TRACE_TASK_NEW) {
        task_of(c, e->word[0])->new = e->word;
        for (unsigned i = 0; i < sk_trace_from(e); i++)
            if (object_state(c, e->word[3 + i]) == SK_OBJECT_NONE)
                set_object(c, e->word[3 + i], SK_OBJECT_PENDING);
    } else if (e->type == SK_TRACE_TASK) {
        struct task *t = l->fitted == SK_NO_INDEX ? task_of(c, e->word[0]) : &c->task[l->fitted];
        t->state = (uint8_t)sk_trace_to(e);
    } else if (e->type == SK_TRACE_OBJECT && l->fitted != SK_NO_INDEX) {
        c->object[l->fitted] = (uint8_t)sk_trace_to(e);
    } else if (e->type == SK_TRACE_OBJECT) {
        set_object(c, e->word[0], sk_trace_to(e));
    }
}

/* ---- 5. Lanes that are held back ------------------------------------------------------------- */

static uint32_t *bucket_of(sk_cursor *c, bool task, uint64_t number)
{
    return &c->bucket[(uint32_t)((2 * number + task) * 0x9e3779b97f4a7c15ull >> 32) & (c->buckets - 1)];
}

static void chain(sk_cursor *c, uint32_t l)
{
    uint32_t *first = bucket_of(c, c->lanes[l].waits_for_task, c->lanes[l].waits_for);
    c->lanes[l].next = *first;
    c->lanes[l].previous = SK_NO_INDEX;
    if (*first != SK_NO_INDEX)
        c->lanes[*first].previous = l;
    *first = l;
}

static void hold(sk_cursor *c, uint32_t l)
{
    if (c->buckets < c->nlanes) { /* lanes are many: more buckets */
        while (c->buckets < c->nlanes)
            c->buckets = c->buckets ? 2 * c->buckets : 16;
        c->bucket = g_renew(uint32_t, c->bucket, c->buckets);
        memset(c->bucket, 0xff, c->buckets * sizeof *c->bucket);
        for (uint32_t i = 0; i < c->held.n; i++)
            chain(c, c->held.lane[i]);
    }
    c->lanes[l].tried++;
    push(c, &c->held, l);
    chain(c, l);
}

static void unhold(sk_cursor *c, uint32_t number)
{
    lane *l = &c->lanes[number];
    if (l->next != SK_NO_INDEX)
        c->lanes[l->next].previous = l->previous;
    if (l->previous != SK_NO_INDEX)
        c->lanes[l->previous].next = l->next;
    else
        *bucket_of(c, l->waits_for_task, l->waits_for) = l->next;
    take_out(c, &c->held, l->place);
}

/* This task or object has changed: who waits for that may try again. */
static void changed(sk_cursor *c, bool task, uint64_t number)
{
    for (uint32_t l = *bucket_of(c, task, number), next; l != SK_NO_INDEX; l = next) {
        next = c->lanes[l].next;
        if (c->lanes[l].waits_for_task == task && c->lanes[l].waits_for == number) {
            unhold(c, l);
            push(c, &c->ready, l);
        }
    }
}

static void tell(sk_cursor *c, const sk_event *e)
{
    if (e->type == SK_TRACE_TASK || e->type == SK_TRACE_TASK_NEW)
        changed(c, true, e->word[0]);
    else if (e->type == SK_TRACE_OBJECT)
        changed(c, false, e->word[0]);
    for (unsigned i = 0; e->type == SK_TRACE_TASK_NEW && i < sk_trace_from(e); i++)
        changed(c, false, e->word[3 + i]);
}

/* The earliest lane that was held back for too long, else SK_NO_INDEX. */
static uint32_t overdue(sk_cursor *c)
{
    if (!c->held.n)
        return SK_NO_INDEX;
    uint32_t l = c->held.lane[0];
    int64_t next = c->ready.n ? MIN(c->lanes[c->ready.lane[0]].head.ns, c->until) : c->until;
    if (next <= c->lanes[l].head.ns + HOLD_NS)
        return SK_NO_INDEX;
    unhold(c, l);
    return l;
}

/* ---- 6. The next one of all ----------------------------------------------------------------- */

bool sk_trace_read_next(sk_cursor *c, sk_event *e)
{
    for (;;) {
        uint32_t l = overdue(c);
        bool forced = l != SK_NO_INDEX;
        if (!forced) {
            if (!c->ready.n)
                return false;
            l = c->ready.lane[0];
            if (c->lanes[l].head.ns > c->until)
                return false;
            if (!fits(c, &c->lanes[l]) && c->lanes[l].tried < PATIENCE) {
                take_out(c, &c->ready, 0);
                hold(c, l);
                continue;
            }
        }
        *e = c->lanes[l].head;
        apply(c, &c->lanes[l]);
        bool more = advance(c, &c->lanes[l]);
        if (forced && more)
            push(c, &c->ready, l);
        else if (!forced && more)
            sift_down(c, &c->ready, 0);
        else if (!forced)
            take_out(c, &c->ready, 0);
        if (c->held.n)
            tell(c, e);
        return true;
    }
}
