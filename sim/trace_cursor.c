/* trace_cursor.c -- section 3 of trace_read.h.
 *
 * The idea: the lanes whose next record may come are in a heap by time; a lane whose next record
 * must wait for another's is held back, beside the heap, with a note of the task or object it
 * waits for. When a record changes that one, the lane goes back to the heap, where its time makes
 * it the next.
 *
 * Reading order: 1 a lane's next record; 2 the heap; 3 open and close; 4 may a record come now?; 5
 * the next one of all. */
#include "trace_read.h"

#include <string.h>

#include "trace_file.h"

/* How long a lane is held back at most: far beyond any interruption. */
enum { HOLD_NS = 1000000000 };

/* ---- 1. A lane's next record ---------------------------------------------------------------- */

typedef struct lane {
    const sk_file_chunk *chunk, *last; /* the one being read; one past the lane's last */
    const char *at, *end;              /* the next record; the end of the chunk */
    sk_event head;                     /* the lane's next event */
    uint64_t waits_for;                /* while held back: this task or object must change first */
    bool waits_for_task;
    uint64_t awaited; /* between WAIT and WAIT_END for one object: that one, else 0 */
} lane;

struct sk_cursor {
    const sk_reader *log;
    lane *lanes;
    uint32_t *heap, nheap; /* lanes by (time, number), as a binary heap */
    uint32_t *held, nheld; /* lanes that are held back */
    int64_t held_since;    /* the earliest time among them */
    sk_ids tasks, objects;
    GByteArray *task_state, *object_state; /* by index */
    GPtrArray *task_new;                   /* by index: the words of its TASK_NEW, NULL before */
};

static int64_t ns_of(const sk_reader *log, const sk_file_chunk *c, uint32_t dt)
{
    __int128 ns;
    if (log->clock == 1)
        ns = (__int128)c->ns + dt;
    else
        ns = log->base_ns +
             (((__int128)(int64_t)(c->tick + dt - log->base_tick) * (int64_t)log->scale +
               ((int64_t)1 << 47)) >>
              48);
    const int64_t most = INT64_MAX / 4; /* so that nobody's differences overflow */
    return ns > most ? most : ns < -most ? -most : (int64_t)ns;
}

/* Makes the lane's next record of a known type its head; false at its end. */
static bool advance(const sk_reader *log, lane *l)
{
    for (;;) {
        while (l->at == l->end) {
            if (l->chunk && ++l->chunk == l->last)
                return false;
            l->at = log->data + l->chunk->offset;
            l->end = l->at + l->chunk->bytes;
        }
        const sk_trace_record *r = (const sk_trace_record *)l->at;
        l->at += sizeof *r + 8 * r->n;
        if (sk_trace_file_knows(r->type)) {
            l->head = (sk_event){ ns_of(log, l->chunk, r->dt), l->chunk->lane, r->type, r->a, r->n,
                                  (const uint64_t *)(r + 1) };
            return true;
        }
    }
}

/* ---- 2. The heap ---------------------------------------------------------------------------- */

static bool before(const sk_cursor *c, uint32_t a, uint32_t b)
{
    int64_t x = c->lanes[a].head.ns, y = c->lanes[b].head.ns;
    return x < y || (x == y && a < b);
}

static void sift_down(sk_cursor *c)
{
    uint32_t i = 0, moving = c->heap[0];
    for (uint32_t child; (child = 2 * i + 1) < c->nheap; i = child) {
        if (child + 1 < c->nheap && before(c, c->heap[child + 1], c->heap[child]))
            child++;
        if (before(c, moving, c->heap[child]))
            break;
        c->heap[i] = c->heap[child];
    }
    c->heap[i] = moving;
}

static void push(sk_cursor *c, uint32_t l)
{
    uint32_t i = c->nheap++;
    for (; i && before(c, l, c->heap[(i - 1) / 2]); i = (i - 1) / 2)
        c->heap[i] = c->heap[(i - 1) / 2];
    c->heap[i] = l;
}

static void pop(sk_cursor *c)
{
    c->heap[0] = c->heap[--c->nheap];
    if (c->nheap)
        sift_down(c);
}

/* ---- 3. Open and close ---------------------------------------------------------------------- */

sk_cursor *sk_trace_read_cursor(const sk_reader *log)
{
    sk_cursor *c = g_new0(sk_cursor, 1);
    uint32_t n = log->info.lanes;
    c->log = log;
    c->lanes = g_new0(lane, n);
    c->heap = g_new(uint32_t, n);
    c->held = g_new(uint32_t, n);
    c->task_state = g_byte_array_new();
    c->object_state = g_byte_array_new();
    c->task_new = g_ptr_array_new();
    for (uint32_t i = 0; i < n; i++) {
        lane *l = &c->lanes[i];
        const sk_file_chunk *chunks = (const sk_file_chunk *)log->chunks->data;
        l->chunk = chunks + g_array_index(log->lane_first, uint32_t, i);
        l->last = chunks + g_array_index(log->lane_first, uint32_t, i + 1);
        l->at = log->data + l->chunk->offset;
        l->end = l->at + l->chunk->bytes;
        if (advance(log, l))
            push(c, i);
    }
    return c;
}

void sk_trace_read_cursor_free(sk_cursor *c)
{
    if (!c)
        return;
    g_free(c->lanes);
    g_free(c->heap);
    g_free(c->held);
    g_byte_array_unref(c->task_state);
    g_byte_array_unref(c->object_state);
    g_ptr_array_unref(c->task_new);
    sk_trace_ids_clear(&c->tasks);
    sk_trace_ids_clear(&c->objects);
    g_free(c);
}

/* ---- 4. May a record come now? -------------------------------------------------------------- */

static unsigned object_state(const sk_cursor *c, uint64_t number)
{
    uint32_t i = sk_trace_ids_find(&c->objects, number);
    return i == SK_NO_INDEX ? SK_OBJECT_NONE : c->object_state->data[i];
}

static void set_object(sk_cursor *c, uint64_t number, unsigned to)
{
    uint32_t i = sk_trace_ids_add(&c->objects, number);
    if (i == c->object_state->len)
        g_byte_array_set_size(c->object_state, i + 1);
    c->object_state->data[i] = (uint8_t)to;
}

static uint32_t task_index(sk_cursor *c, uint64_t number)
{
    uint32_t i = sk_trace_ids_add(&c->tasks, number);
    if (i == c->task_state->len) {
        g_byte_array_append(c->task_state, (const uint8_t[]){ SK_TASK_NONE }, 1);
        g_ptr_array_add(c->task_new, NULL);
    }
    return i;
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
    switch (e->type) {
    case SK_TRACE_TASK_NEW: /* here `from` and `to` count returns and arguments */
        if (e->word[2] && ((i = sk_trace_ids_find(&c->tasks, e->word[2])) == SK_NO_INDEX ||
                           !c->task_new->pdata[i]))
            return waits_for(l, true, e->word[2]);
        for (unsigned d = 0; d < to; d++)
            if (object_state(c, e->word[3 + from + d]) == SK_OBJECT_NONE)
                return waits_for(l, false, e->word[3 + from + d]);
        return true;
    case SK_TRACE_TASK:
        i = sk_trace_ids_find(&c->tasks, e->word[0]);
        if (i == SK_NO_INDEX || !c->task_new->pdata[i] || c->task_state->data[i] != from)
            return waits_for(l, true, e->word[0]);
        if (to == SK_TASK_READY && from <= SK_TASK_WAITING &&
            missing_argument(c, c->task_new->pdata[i], &which))
            return waits_for(l, false, which);
        return true;
    case SK_TRACE_OBJECT:
        return object_state(c, e->word[0]) == from || waits_for(l, false, e->word[0]);
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
        uint32_t task = task_index(c, e->word[0]);
        c->task_new->pdata[task] = (void *)e->word;
        for (unsigned i = 0; i < sk_trace_from(e); i++)
            if (object_state(c, e->word[3 + i]) == SK_OBJECT_NONE)
                set_object(c, e->word[3 + i], SK_OBJECT_PENDING);
    } else if (e->type == SK_TRACE_TASK) {
        uint32_t task = task_index(c, e->word[0]);
        c->task_state->data[task] = (uint8_t)sk_trace_to(e);
    } else if (e->type == SK_TRACE_OBJECT) {
        set_object(c, e->word[0], sk_trace_to(e));
    }
}

/* ---- 5. The next one of all ----------------------------------------------------------------- */

static bool changes(const sk_event *e, const lane *l)
{
    if (e->type == SK_TRACE_TASK)
        return l->waits_for_task && l->waits_for == e->word[0];
    if (e->type == SK_TRACE_OBJECT)
        return !l->waits_for_task && l->waits_for == e->word[0];
    if (e->type != SK_TRACE_TASK_NEW)
        return false;
    if (l->waits_for_task)
        return l->waits_for == e->word[0];
    for (unsigned i = 0; i < sk_trace_from(e); i++)
        if (l->waits_for == e->word[3 + i])
            return true;
    return false;
}

static void unhold(sk_cursor *c, uint32_t k)
{
    c->held[k] = c->held[--c->nheld];
    c->held_since = INT64_MAX;
    for (uint32_t i = 0; i < c->nheld; i++)
        c->held_since = MIN(c->held_since, c->lanes[c->held[i]].head.ns);
}

static void hold(sk_cursor *c, uint32_t l)
{
    c->held_since = c->nheld ? MIN(c->held_since, c->lanes[l].head.ns) : c->lanes[l].head.ns;
    c->held[c->nheld++] = l;
}

/* The earliest lane that was held back for too long, else SK_NO_INDEX. */
static uint32_t overdue(sk_cursor *c)
{
    if (!c->nheld || (c->nheap && c->lanes[c->heap[0]].head.ns <= c->held_since + HOLD_NS))
        return SK_NO_INDEX;
    uint32_t best = 0;
    for (uint32_t i = 1; i < c->nheld; i++)
        if (before(c, c->held[i], c->held[best]))
            best = i;
    uint32_t l = c->held[best];
    unhold(c, best);
    return l;
}

bool sk_trace_read_next(sk_cursor *c, sk_event *e)
{
    for (;;) {
        uint32_t l = overdue(c);
        bool forced = l != SK_NO_INDEX;
        if (!forced) {
            if (!c->nheap)
                return false;
            l = c->heap[0];
            if (!fits(c, &c->lanes[l])) {
                pop(c);
                hold(c, l);
                continue;
            }
        }
        *e = c->lanes[l].head;
        apply(c, &c->lanes[l]);
        bool more = advance(c->log, &c->lanes[l]);
        if (forced && more)
            push(c, l);
        else if (!forced && more)
            sift_down(c);
        else if (!forced)
            pop(c);
        for (uint32_t i = c->nheld; i--;) {
            uint32_t other = c->held[i];
            if (changes(e, &c->lanes[other])) {
                unhold(c, i);
                push(c, other);
            }
        }
        return true;
    }
}
