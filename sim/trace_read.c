/* trace_read.c -- see trace_read.h.
 *
 * Reading order: 1 what a record must look like; 2 opening: chunks, then tables, then the clock; 3 the cursor: lanes in a heap,
 * lanes that are held back, what a record waits for; 4 numbers to indices. */
#include "trace_read.h"

#include <errno.h>
#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(G_BYTE_ORDER == G_LITTLE_ENDIAN, "traces are little-endian and read in place");

enum { HOLD_NS = 1000000000 };         /* how long a lane is held back at most: far beyond any interruption */

typedef struct chunk {
    uint64_t offset;                   /* of the records */
    uint64_t tick, ns;
    uint32_t lane, number, bytes;
} chunk;

struct sk_reader {
    const char *data;
    size_t size;
    GMappedFile *map;                  /* NULL: the caller's memory */
    sk_read_info info;
    uint32_t clock;
    GArray *chunks;                    /* of chunk; by lane, then number */
    GArray *lane_first;                /* of uint32_t: where each lane starts in chunks; one more at the end */
    GHashTable *fns, *sites;           /* number -> sk_read_fn *, sk_read_site * */
    GHashTable *values;                /* key -> value, both in the file */
    uint64_t base_tick;                /* ns = base_ns + (tick - base_tick) * scale / 2^48 */
    int64_t base_ns;
    uint64_t scale;
};

/* ---- 1. What a record must look like -------------------------------------------------------------- */

static const struct shape { uint8_t words, strings; } shapes[] = {       /* at least; the text follows the words */
    [SK_TRACE_INFO] = { 0, 2 },     [SK_TRACE_FUNCTION] = { 1, 3 }, [SK_TRACE_SITE] = { 1, 2 },
    [SK_TRACE_TASK_NEW] = { 3, 0 }, [SK_TRACE_TASK_ASKS] = { 2, 2 }, [SK_TRACE_TASK] = { 1, 0 },
    [SK_TRACE_OBJECT] = { 1, 0 },   [SK_TRACE_NODE] = { 1, 0 },     [SK_TRACE_WAIT] = { 4, 0 },
    [SK_TRACE_WAIT_END] = { 3, 0 }, [SK_TRACE_SAY] = { 1, 1 },      [SK_TRACE_NOTE] = { 0, 1 },
    [SK_TRACE_DROPPED] = { 1, 0 },  [SK_TRACE_END] = { 4, 0 },
};

static bool known(unsigned type)
{
    return type > 0 && type < G_N_ELEMENTS(shapes);
}

/* NULL if the record can be read as its type says, else what is wrong with it. */
static const char *check_record(const sk_trace_record *r)
{
    if (!known(r->type))
        return r->type ? NULL : "a record without a type";
    unsigned words = shapes[r->type].words, strings = shapes[r->type].strings, from = r->a >> 4, to = r->a & 15;
    if (r->type == SK_TRACE_TASK_NEW) {
        words += from + to;
    } else if (r->type == SK_TRACE_TASK) {
        if (from > SK_TASK_CANCELLED || to > SK_TASK_CANCELLED)
            return "a task state that does not exist";
        words += to == SK_TASK_RUNNING || to == SK_TASK_FAILED || to == SK_TASK_CANCELLED;
    } else if (r->type == SK_TRACE_OBJECT) {
        if (from > SK_OBJECT_FREED || to > SK_OBJECT_FREED)
            return "an object state that does not exist";
        words += (to == SK_OBJECT_READY ? 2 : 0) + (from == SK_OBJECT_NONE ? 2 : 0);
    } else if (r->type == SK_TRACE_NODE && (from > SK_NODE_DEAD || to > SK_NODE_DEAD)) {
        return "a node state that does not exist";
    }
    if (r->n < words)
        return "a record that is too short for its type";
    const char *p = (const char *)(r + 1) + 8 * words, *end = (const char *)(r + 1) + 8 * r->n;
    for (; strings; strings--) {
        p = p < end ? memchr(p, '\0', (size_t)(end - p)) : NULL;
        if (!p++)
            return "a text without an end";
    }
    return NULL;
}

const char *sk_trace_read_text(const sk_event *e, unsigned k)
{
    if (!known(e->type) || k >= shapes[e->type].strings)
        return "";
    const char *p = (const char *)(e->word + shapes[e->type].words);
    while (k--)
        p += strlen(p) + 1;
    return p;
}

/* ---- 2. Opening ----------------------------------------------------------------------------------- */

static G_GNUC_PRINTF(2, 3) bool fail(sk_error *err, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->code = SK_PROTOCOL;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return false;
}

static void damaged(sk_reader *log, uint64_t at, const char *what)
{
    log->info.damaged_at = at;
    log->info.damage = what;
}

static void collect_table(sk_reader *log, const sk_event *e)
{
    uint32_t number = e->n ? sk_trace_hi(e->word[0]) : 0;
    int line = e->n ? (int)sk_trace_lo(e->word[0]) : 0;
    if (e->type == SK_TRACE_FUNCTION) {
        sk_read_fn *fn = g_new(sk_read_fn, 1);
        *fn = (sk_read_fn){ number, line, sk_trace_read_text(e, 0), sk_trace_read_text(e, 1), sk_trace_read_text(e, 2) };
        g_hash_table_replace(log->fns, GUINT_TO_POINTER(number), fn);
    } else if (e->type == SK_TRACE_SITE) {
        sk_read_site *site = g_new(sk_read_site, 1);
        *site = (sk_read_site){ number, line, sk_trace_read_text(e, 0), sk_trace_read_text(e, 1) };
        g_hash_table_replace(log->sites, GUINT_TO_POINTER(number), site);
    } else if (e->type == SK_TRACE_INFO) {
        g_hash_table_replace(log->values, (char *)sk_trace_read_text(e, 0), (char *)sk_trace_read_text(e, 1));
    } else if (e->type == SK_TRACE_DROPPED) {
        log->info.dropped += e->word[0];
    } else if (e->type == SK_TRACE_END) {
        sk_read_info *info = &log->info;
        info->has_end = true;
        info->end_records = e->word[0];
        info->end_dropped = e->word[1];
        info->end_tasks = e->word[2];
        info->end_objects = e->word[3];
    }
}

/* Walks over the records in [at, end); returns where the last whole one ends. Shorter than `end`: cut, or damaged. */
static uint64_t scan_records(sk_reader *log, uint64_t at, uint64_t end, bool *ended)
{
    *ended = false;
    while (end - at >= sizeof(sk_trace_record)) {
        const sk_trace_record *r = (const sk_trace_record *)(log->data + at);
        uint64_t bytes = sizeof *r + 8ull * r->n;
        if (bytes > end - at)
            break;
        const char *wrong = check_record(r);
        if (wrong) {
            damaged(log, at, wrong);
            break;
        }
        sk_event e = { .type = r->type, .a = r->a, .n = r->n, .word = (const uint64_t *)(r + 1) };
        collect_table(log, &e);
        *ended |= r->type == SK_TRACE_END;
        log->info.records++;
        at += bytes;
    }
    return at;
}

static void scan_chunks(sk_reader *log)
{
    uint64_t at = sizeof(sk_trace_header);
    bool ended = false;
    while (at < log->size && !log->info.damage && !log->info.truncated) {
        sk_trace_chunk head;
        if (log->size - at < sizeof head) {
            log->info.truncated = true;
            break;
        }
        memcpy(&head, log->data + at, sizeof head);
        if (head.magic != SK_CHUNK_MAGIC) {
            damaged(log, at, "no chunk starts here");
            break;
        }
        if (head.bytes % 8) {
            damaged(log, at, "a chunk whose length is not a multiple of 8");
            break;
        }
        at += sizeof head;
        bool cut = head.bytes > log->size - at;
        uint64_t end = cut ? log->size - (log->size - at) % 8 : at + head.bytes;
        uint64_t stop = scan_records(log, at, end, &ended);
        if (stop < end && !log->info.damage && !cut)
            damaged(log, stop, "a record that is longer than its chunk");
        log->info.truncated = cut;
        chunk c = { at, head.tick, head.ns, head.lane, head.number, (uint32_t)(stop - at) };
        g_array_append_val(log->chunks, c);
        at = end;
    }
    log->info.truncated |= !ended && !log->info.damage;
    log->info.whole = ended && !log->info.truncated && !log->info.damage;
    if (log->info.end_dropped > log->info.dropped)
        log->info.dropped = log->info.end_dropped;
}

static int by_lane(const void *a, const void *b)
{
    const chunk *x = a, *y = b;
    if (x->lane != y->lane)
        return x->lane < y->lane ? -1 : 1;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->offset < y->offset ? -1 : 1;
}

static void sort_lanes(sk_reader *log)
{
    g_array_sort(log->chunks, by_lane);
    const chunk *c = (const chunk *)log->chunks->data;
    uint32_t n = log->chunks->len;
    for (uint32_t i = 0; i <= n; i++) {
        bool first = i < n && (i == 0 || c[i].lane != c[i - 1].lane);
        if (first || i == n)
            g_array_append_val(log->lane_first, i);
        if (i < n) {
            uint32_t expected = first ? 0 : c[i - 1].number + 1;
            log->info.missing_chunks += c[i].number > expected ? c[i].number - expected : 0;
        }
    }
    log->info.chunks = n;
    log->info.lanes = log->lane_first->len - 1;
}

/* Ticks become nanoseconds along the line through the first and the last chunk's pair. */
static void set_clock(sk_reader *log)
{
    const chunk *first = NULL, *last = NULL;
    for (uint32_t i = 0; i < log->chunks->len; i++) {
        const chunk *c = &g_array_index(log->chunks, chunk, i);
        if (!first || c->tick < first->tick)
            first = c;
        if (!last || c->tick > last->tick)
            last = c;
    }
    const uint64_t one = 1ull << 48;
    log->scale = one;
    if (!first)
        return;
    log->base_tick = first->tick;
    log->base_ns = (int64_t)MIN(first->ns, (uint64_t)INT64_MAX / 2);
    if (last->tick == first->tick || log->clock == 1)
        return;
    unsigned __int128 scale = last->ns < first->ns ? 0
        : ((unsigned __int128)(last->ns - first->ns) << 48) / (last->tick - first->tick);
    if (scale == 0 || scale >> 63) {
        if (!log->info.damage)
            damaged(log, first->offset, "clocks that contradict each other");
        log->info.whole = false;
    } else {
        log->scale = (uint64_t)scale;
    }
}

static bool check_header(sk_reader *log, const char *name, sk_error *err)
{
    sk_trace_header head = { 0 };
    size_t n = MIN(log->size, sizeof head);
    if (n)
        memcpy(&head, log->data, n);
    if (!n)
        return fail(err, "%s: not a Skate trace (found an empty file); was the program killed before it wrote one?", name);
    if (memcmp(head.magic, SK_TRACE_MAGIC, MIN(n, sizeof head.magic))) {
        char found[4 * sizeof head.magic + 1] = "";
        for (size_t i = 0; i < MIN(n, sizeof head.magic); i++) {
            unsigned char b = (unsigned char)head.magic[i];
            sprintf(found + strlen(found), g_ascii_isprint(b) && b != '"' ? "%c" : "\\x%02x", b);
        }
        return fail(err, "%s: not a Skate trace (found \"%s\" at its start); make one with --sk-trace=FILE or "
                         "`skate run --trace FILE PROGRAM`", name, found);
    }
    if (n < sizeof head)
        return fail(err, "%s: not a Skate trace (found %zu bytes, its header alone has %zu)", name, n, sizeof head);
    if (head.version != SK_TRACE_VERSION)
        return fail(err, "%s: a Skate trace of version %u, but this skate reads version %d; record it again, or use the skate "
                         "that made it", name, head.version, SK_TRACE_VERSION);
    if (head.clock > 1)
        return fail(err, "%s: not a Skate trace (found clock %u, there are 0 and 1)", name, head.clock);
    log->clock = head.clock;
    return true;
}

static sk_reader *open_data(sk_reader *log, const char *name, sk_error *err)
{
    log->chunks = g_array_new(FALSE, FALSE, sizeof(chunk));
    log->lane_first = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    log->fns = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    log->sites = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    log->values = g_hash_table_new(g_str_hash, g_str_equal);
    log->info.bytes = log->size;
    if (!check_header(log, name, err)) {
        sk_trace_read_close(log);
        return NULL;
    }
    scan_chunks(log);
    sort_lanes(log);
    set_clock(log);
    return log;
}

sk_reader *sk_trace_read_memory(const char *name, const void *data, size_t size, sk_error *err)
{
    sk_reader *log = g_new0(sk_reader, 1);
    log->data = data;
    log->size = size;
    return open_data(log, name, err);
}

sk_reader *sk_trace_read_open(const char *path, sk_error *err)
{
    GError *why = NULL;
    GMappedFile *map = g_mapped_file_new(path, FALSE, &why);
    if (!map) {
        fail(err, "%s: cannot read it: %s", path, g_strerror(why->domain == G_FILE_ERROR && why->code == G_FILE_ERROR_NOENT
             ? ENOENT : why->code == G_FILE_ERROR_ACCES ? EACCES : why->code == G_FILE_ERROR_ISDIR ? EISDIR : EIO));
        g_error_free(why);
        return NULL;
    }
    sk_reader *log = g_new0(sk_reader, 1);
    log->map = map;
    log->data = g_mapped_file_get_contents(map);
    log->size = g_mapped_file_get_length(map);
    return open_data(log, path, err);
}

void sk_trace_read_close(sk_reader *log)
{
    if (!log)
        return;
    g_array_unref(log->chunks);
    g_array_unref(log->lane_first);
    g_hash_table_unref(log->fns);
    g_hash_table_unref(log->sites);
    g_hash_table_unref(log->values);
    if (log->map)
        g_mapped_file_unref(log->map);
    g_free(log);
}

const sk_read_info *sk_trace_read_info(const sk_reader *log)
{
    return &log->info;
}

const char *sk_trace_read_value(const sk_reader *log, const char *key)
{
    return g_hash_table_lookup(log->values, key);
}

const sk_read_fn *sk_trace_read_fn(const sk_reader *log, uint32_t number)
{
    return g_hash_table_lookup(log->fns, GUINT_TO_POINTER(number));
}

const sk_read_site *sk_trace_read_site(const sk_reader *log, uint32_t number)
{
    return g_hash_table_lookup(log->sites, GUINT_TO_POINTER(number));
}

/* ---- 3. The cursor -------------------------------------------------------------------------------- */

typedef struct lane {
    const chunk *chunk, *last;         /* the one being read; one past the lane's last */
    const char *at, *end;              /* the next record; the end of the chunk */
    sk_event head;                     /* the lane's next event */
    uint64_t waits_for;                /* while held back: this task or object must change first */
    bool waits_for_task;
    uint64_t awaited;                  /* between WAIT and WAIT_END for one object: that one, else 0 */
} lane;

struct sk_cursor {
    const sk_reader *log;
    lane *lanes;
    uint32_t *heap, nheap;             /* lanes by (time, number), as a binary heap */
    uint32_t *held, nheld;             /* lanes that are held back */
    int64_t held_since;                /* the earliest time among them */
    sk_ids tasks, objects;
    GByteArray *task_state, *object_state;       /* by index */
    GPtrArray *task_new;               /* by index: the words of its TASK_NEW, NULL before */
};

static int64_t ns_of(const sk_reader *log, const chunk *c, uint32_t dt)
{
    __int128 ns;
    if (log->clock == 1)
        ns = (__int128)c->ns + dt;
    else
        ns = log->base_ns + (((__int128)(int64_t)(c->tick + dt - log->base_tick) * (int64_t)log->scale) >> 48);
    const int64_t most = INT64_MAX / 4;          /* so that nobody's differences overflow */
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
        if (known(r->type)) {
            l->head = (sk_event){ ns_of(log, l->chunk, r->dt), l->chunk->lane, r->type, r->a, r->n, (const uint64_t *)(r + 1) };
            return true;
        }
    }
}

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
        const chunk *chunks = (const chunk *)log->chunks->data;
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

/* Does a task with these words in its TASK_NEW have an argument that is neither there nor failed? */
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
    case SK_TRACE_TASK_NEW:            /* here `from` and `to` count returns and arguments */
        if (e->word[2] && ((i = sk_trace_ids_find(&c->tasks, e->word[2])) == SK_NO_INDEX || !c->task_new->pdata[i]))
            return waits_for(l, true, e->word[2]);
        for (unsigned d = 0; d < to; d++)
            if (object_state(c, e->word[3 + from + d]) == SK_OBJECT_NONE)
                return waits_for(l, false, e->word[3 + from + d]);
        return true;
    case SK_TRACE_TASK:
        i = sk_trace_ids_find(&c->tasks, e->word[0]);
        if (i == SK_NO_INDEX || !c->task_new->pdata[i] || c->task_state->data[i] != from)
            return waits_for(l, true, e->word[0]);
        if (to == SK_TASK_READY && from <= SK_TASK_WAITING && missing_argument(c, c->task_new->pdata[i], &which))
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
        for (uint32_t i = c->nheld; i--; ) {
            uint32_t other = c->held[i];
            if (changes(e, &c->lanes[other])) {
                unhold(c, i);
                push(c, other);
            }
        }
        return true;
    }
}

/* ---- 4. Numbers to indices ------------------------------------------------------------------------ */

struct sk_ids_slot { uint64_t number; uint32_t index_plus_1; };

/* Neighbours stay neighbours, eight to a group: numbers are given out in order, and used in order. */
static uint32_t hash(uint64_t number)
{
    return (uint32_t)(((number >> 3) * 0x9e3779b97f4a7c15ull) >> 32) << 3 | (number & 7);
}

uint32_t sk_trace_ids_find(const sk_ids *ids, uint64_t number)
{
    if (!ids->slot)
        return SK_NO_INDEX;
    for (uint32_t i = hash(number) & ids->mask; ids->slot[i].index_plus_1; i = (i + 1) & ids->mask)
        if (ids->slot[i].number == number)
            return ids->slot[i].index_plus_1 - 1;
    return SK_NO_INDEX;
}

static void insert(sk_ids *ids, uint64_t number, uint32_t index)
{
    uint32_t i = hash(number) & ids->mask;
    while (ids->slot[i].index_plus_1)
        i = (i + 1) & ids->mask;
    ids->slot[i] = (struct sk_ids_slot){ number, index + 1 };
}

uint32_t sk_trace_ids_add(sk_ids *ids, uint64_t number)
{
    uint32_t found = sk_trace_ids_find(ids, number);
    if (found != SK_NO_INDEX)
        return found;
    if (!ids->slot || ids->n > ids->mask / 8 * 5) {
        struct sk_ids_slot *old = ids->slot;
        uint64_t n = old ? (uint64_t)ids->mask + 1 : 0;
        ids->mask = n ? (uint32_t)(2 * n - 1) : 63;
        ids->slot = g_new0(struct sk_ids_slot, (size_t)ids->mask + 1);
        for (uint64_t i = 0; i < n; i++)
            if (old[i].index_plus_1)
                insert(ids, old[i].number, old[i].index_plus_1 - 1);
        g_free(old);
    }
    insert(ids, number, ids->n);
    return ids->n++;
}

void sk_trace_ids_clear(sk_ids *ids)
{
    g_free(ids->slot);
    *ids = (sk_ids){ 0 };
}
