/* chrome.c -- see export.h. Chrome's trace event format, which ui.perfetto.dev and
 * chrome://tracing open.
 *
 * The idea: viewers draw a slice ("X") on a track and nest what overlaps, so slices of one track
 * must not overlap. A worker is a track; a task that was blocked in the middle is two slices. If a
 * worker still has two tasks at once, the second goes to a further track of the same name. An
 * arrow is a pair of events "s" and "f" with one id: "s" lies inside the last slice of the task
 * that made the argument, "f" at the start of the first slice of the one that takes it.
 *
 * Reading order: 1 text; 2 tracks; 3 slices, arrows, the driver, transfers; 4 the whole. */
#include "export.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

enum { DRIVER_TRACK = 1, FIRST_TRACK = 2, SKEW_NS = 1000 };

typedef struct placed {
    int64_t start;
    uint32_t track;
} placed;

typedef struct chrome {
    FILE *out;
    const sk_timeline *t;
    placed *places;  /* of each slice */
    uint32_t tracks; /* numbers used so far */
    bool comma;
} chrome;

/* ---- 1. Text -------------------------------------------------------------------------------- */

static void put_string(FILE *out, const char *text)
{
    g_autofree char *valid = g_utf8_validate(text, -1, NULL) ? NULL : g_utf8_make_valid(text, -1);
    fputc('"', out);
    for (const char *p = valid ? valid : text; *p; p++) {
        if (*p == '"' || *p == '\\')
            fputc('\\', out), fputc(*p, out);
        else if ((unsigned char)*p < ' ')
            fprintf(out, "\\u%04x", (unsigned)*p);
        else
            fputc(*p, out);
    }
    fputc('"', out);
}

/* Microseconds, exact to the nanosecond. */
static void put_us(FILE *out, const char *key, int64_t ns)
{
    uint64_t size = ns < 0 ? (uint64_t)-ns : (uint64_t)ns;
    fprintf(out, ",\"%s\":%s%" G_GUINT64_FORMAT ".%03u", key, ns < 0 ? "-" : "", size / 1000,
            (unsigned)(size % 1000));
}

static void next_event(chrome *c)
{
    fputs(c->comma ? ",\n{" : "\n{", c->out);
    c->comma = true;
}

static void put_meta(chrome *c, uint32_t pid, uint32_t tid, const char *what, const char *name)
{
    next_event(c);
    fprintf(c->out, "\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"name\":\"%s\",\"args\":{\"name\":", pid,
            tid, what);
    put_string(c->out, name);
    fputs("}}", c->out);
}

static void put_order(chrome *c, uint32_t pid, uint32_t tid, uint32_t order)
{
    next_event(c);
    fprintf(c->out,
            "\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"name\":\"thread_sort_index\",\"args\":{\"sort_"
            "index\":%u}}",
            pid, tid, order);
}

/* ---- 2. Tracks ------------------------------------------------------------------------------ */

static int by_row(const void *a, const void *b, void *data)
{
    const sk_timeline *t = data;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    const sk_line_slice *x = &t->slices[i], *y = &t->slices[k];
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return i < k ? -1 : 1;
}

static uint32_t pid_of(const sk_timeline *t, uint32_t row)
{
    return t->workers[row].node + 1; /* some viewers take pid 0 for the idle process */
}

static void new_track(chrome *c, uint32_t row, unsigned extra)
{
    char label[60];
    g_snprintf(label, sizeof label, extra ? "worker %d (at the same time)" : "worker %d",
               c->t->workers[row].worker);
    put_meta(c, pid_of(c->t, row), c->tracks, "thread_name", label);
    put_order(c, pid_of(c->t, row), c->tracks, 1 + 2 * row + (extra > 0));
    c->tracks++;
}

/* The first track of this row that is free at the slice's start; two threads' clocks may differ a
 * little. */
static void place(chrome *c, uint32_t slice, GArray *ends, GArray *tracks)
{
    const sk_line_slice *s = &c->t->slices[slice];
    int64_t start = s->start;
    uint32_t k = 0;
    for (; k < ends->len; k++) {
        int64_t free_at = g_array_index(ends, int64_t, k);
        if (free_at <= s->start)
            break;
        if (free_at - s->start <= SKEW_NS && 2 * (free_at - s->start) <= s->end - s->start) {
            start = free_at;
            break;
        }
    }
    if (k == ends->len) {
        g_array_append_val(ends, s->end);
        g_array_append_val(tracks, c->tracks);
        new_track(c, s->row, k);
    }
    g_array_index(ends, int64_t, k) = MAX(s->end, start);
    c->places[slice] = (placed){ start, g_array_index(tracks, uint32_t, k) };
}

static void place_all(chrome *c)
{
    const sk_timeline *t = c->t;
    g_autofree uint32_t *order = g_new(uint32_t, (gsize)t->nslices + 1);
    g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(int64_t)),
                      tracks = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->nslices; i++)
        if (!t->slices[i].blocked)
            order[n++] = i;
    g_qsort_with_data(order, (int)n, sizeof *order, by_row, (void *)t);
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || t->slices[order[i]].row != t->slices[order[i - 1]].row) {
            g_array_set_size(ends, 0);
            g_array_set_size(tracks, 0);
        }
        place(c, order[i], ends, tracks);
    }
}

/* ---- 3. Slices, arrows, the driver, transfers ----------------------------------------------- */

static void put_slice(chrome *c, uint32_t i)
{
    static const char *const ends[] = { "goes on",   "done",        "failed",
                                        "cancelled", "tried again", "unfinished" };
    const sk_timeline *t = c->t;
    const sk_line_slice *s = &t->slices[i];
    const sk_line_task *task = &t->tasks[s->task];
    const sk_line_site *site = &t->sites[task->site];
    next_event(c);
    fputs("\"ph\":\"X\",\"cat\":\"task\",\"name\":", c->out);
    put_string(c->out, sk_timeline_name(t, s->task));
    fprintf(c->out, ",\"pid\":%u,\"tid\":%u", pid_of(t, s->row), c->places[i].track);
    put_us(c->out, "ts", c->places[i].start);
    put_us(c->out, "dur", s->end - c->places[i].start);
    if (s->how == SK_SLICE_FAILED)
        fputs(",\"cname\":\"terrible\"", c->out);
    fprintf(c->out, ",\"args\":{\"task\":%u,\"outcome\":\"%s\",\"ends\":\"%s\"", s->task + 1,
            sk_timeline_outcome(t, s->task), ends[s->how]);
    unsigned code = s->how == SK_SLICE_RETRIED ? s->code : task->code; /* what this attempt came to, not a later one */
    if (code)
        fprintf(c->out, ",\"code\":\"%s\"", sk_timeline_code(code));
    if (task->attempts > 1)
        fprintf(c->out, ",\"attempt\":%u", s->attempt);
    g_autofree char *where = g_strdup_printf("%s:%d", site->file, site->line);
    fputs(",\"submitted at\":", c->out);
    put_string(c->out, where);
    fprintf(c->out, ",\"parent\":%u}}", task->parent + 1);
}

static void put_arrow_end(chrome *c, const char *phase, uint32_t id, uint32_t slice, int64_t ns)
{
    next_event(c);
    fprintf(c->out,
            "\"ph\":\"%s\",\"cat\":\"argument\",\"name\":\"argument\",\"id\":%u,\"pid\":%u,\"tid\":"
            "%u%s",
            phase, id, pid_of(c->t, c->t->slices[slice].row), c->places[slice].track,
            *phase == 'f' ? ",\"bp\":\"e\"" : "");
    put_us(c->out, "ts", ns);
    fputc('}', c->out);
}

static void put_arrows(chrome *c)
{
    const sk_timeline *t = c->t;
    uint32_t id = 0;
    for (uint32_t i = 0; i < t->ntasks; i++) {
        const sk_line_task *task = &t->tasks[i];
        for (unsigned d = 0; d < task->ndeps && task->first_slice != SK_NO_INDEX; d++) {
            const sk_line_object *o = &t->objects[t->deps[task->first_dep + d]];
            uint32_t from = o->producer == SK_NO_INDEX ? SK_NO_INDEX
                                                       : t->tasks[o->producer].last_slice,
                     to = task->first_slice;
            if (from == SK_NO_INDEX || t->slices[from].blocked || t->slices[to].blocked)
                continue;
            /* Inside the slice: its very end belongs to whatever comes next on the track. */
            int64_t arrives = c->places[to].start, leaves = MIN(t->slices[from].end - 1, arrives);
            put_arrow_end(c, "s", ++id, from, MAX(leaves, c->places[from].start));
            put_arrow_end(c, "f", id, to, arrives);
        }
    }
}

static int by_start(const void *a, const void *b)
{
    const sk_line_wait *x = *(sk_line_wait *const *)a, *y = *(sk_line_wait *const *)b;
    return x->start < y->start ? -1 : x->start > y->start;
}

/* Waits of several of the driver's threads may overlap: each goes to the first track that is free.
 */
static void put_driver(chrome *c)
{
    static const char *const names[] = { "sk_get", "sk_get_all", "sk_wait", "sk_waiter_next" };
    const sk_timeline *t = c->t;
    g_autofree const sk_line_wait **order = g_new(const sk_line_wait *, (gsize)t->nwaits + 1);
    g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(int64_t)),
                      tracks = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    const int64_t never = INT64_MIN;
    const uint32_t driver = DRIVER_TRACK;
    put_meta(c, 1, DRIVER_TRACK, "thread_name", "driver");
    put_order(c, 1, DRIVER_TRACK, 0);
    g_array_append_val(ends, never);
    g_array_append_val(tracks, driver);
    for (uint32_t i = 0; i < t->nwaits; i++)
        order[i] = &t->waits[i];
    qsort(order, t->nwaits, sizeof *order, by_start);
    for (uint32_t i = 0; i < t->nwaits; i++) {
        const sk_line_wait *w = order[i];
        uint32_t k = 0;
        while (k < ends->len && g_array_index(ends, int64_t, k) > w->start)
            k++;
        if (k == ends->len) {
            g_array_append_val(ends, never);
            g_array_append_val(tracks, c->tracks);
            put_meta(c, 1, c->tracks, "thread_name", "driver (another thread)");
            put_order(c, 1, c->tracks++, 0);
        }
        g_array_index(ends, int64_t, k) = w->end;
        next_event(c);
        fprintf(c->out, "\"ph\":\"X\",\"cat\":\"wait\",\"name\":\"%s\",\"pid\":1,\"tid\":%u",
                names[MIN(w->how, G_N_ELEMENTS(names) - 1)], g_array_index(tracks, uint32_t, k));
        put_us(c->out, "ts", w->start);
        put_us(c->out, "dur", w->end - w->start);
        g_autofree char *where =
            g_strdup_printf("%s:%d", t->sites[w->site].file, t->sites[w->site].line);
        fprintf(c->out, ",\"args\":{\"wanted\":%u,\"of\":%u,\"ready\":%u,\"code\":\"%s\",\"at\":",
                w->wanted, w->given, w->ready, sk_timeline_code(w->code));
        put_string(c->out, where);
        fputs("}}", c->out);
    }
}

/* Transfers overlap as they like: asynchronous events, which viewers stack. With the node that gets the bytes. */
static void put_transfers(chrome *c)
{
    const sk_timeline *t = c->t;
    for (uint32_t i = 0; i < 2 * t->ntransfers; i++) {
        const sk_line_transfer *x = &t->transfers[i / 2];
        const sk_line_object *o = &t->objects[x->object];
        bool ends = i % 2;
        next_event(c);
        fprintf(c->out, "\"ph\":\"%s\",\"cat\":\"transfer\",\"name\":\"from node %u\",\"id\":%u,\"pid\":%u,\"tid\":0",
                ends ? "e" : "b", x->from, i / 2 + 1, x->to + 1);
        put_us(c->out, "ts", ends ? x->end : x->start);
        if (!ends) {
            g_autofree char *where =
                g_strdup_printf("%s:%d", t->sites[o->site].file, t->sites[o->site].line);
            fprintf(c->out, ",\"args\":{\"object\":%u,\"bytes\":%" G_GUINT64_FORMAT ",\"made at\":", x->object + 1, x->bytes);
            put_string(c->out, where);
            fputc('}', c->out);
        }
        fputc('}', c->out);
    }
}

static void put_says(chrome *c)
{
    const sk_timeline *t = c->t;
    for (uint32_t i = 0; i < t->nsays; i++) {
        const sk_line_say *say = &t->says[i];
        uint32_t pid = 1, track = DRIVER_TRACK,
                 s = say->task == SK_NO_INDEX ? SK_NO_INDEX : t->tasks[say->task].first_slice;
        for (; s != SK_NO_INDEX; s = t->slices[s].next) {
            if (t->slices[s].blocked || t->slices[s].start > say->ns)
                continue;
            pid = pid_of(t, t->slices[s].row);
            track = c->places[s].track;
        }
        next_event(c);
        fprintf(c->out, "\"ph\":\"i\",\"s\":\"t\",\"cat\":\"say\",\"name\":");
        put_string(c->out, say->text);
        fprintf(c->out, ",\"pid\":%u,\"tid\":%u", pid, track);
        put_us(c->out, "ts", say->ns);
        fputc('}', c->out);
    }
}

/* ---- 4. The whole --------------------------------------------------------------------------- */

void sk_chrome_write(FILE *out, const sk_timeline *t)
{
    chrome c = { .out = out, .t = t, .tracks = FIRST_TRACK };
    c.places = g_new0(placed, (gsize)t->nslices + 1);
    g_autofree char *program = g_path_get_basename(t->program);
    fputs("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"program\":", out);
    put_string(out, program);
    fputs(",\"backend\":", out);
    put_string(out, t->backend);
    fprintf(out, ",\"complete\":\"%s\"},\"traceEvents\":[",
            t->info.whole && !t->info.dropped ? "yes" : "no");
    for (uint32_t i = 0; i <= t->nworkers; i++) {
        char label[40];
        uint32_t node = i < t->nworkers ? t->workers[i].node : 0;
        if (i == t->nworkers ? i > 0 && t->workers[0].node == 0
                             : i > 0 && node == t->workers[i - 1].node)
            continue; /* node 0 is named even if it has no workers: it is the driver's */
        g_snprintf(label, sizeof label, "node %u", node);
        put_meta(&c, node + 1, 0, "process_name", label);
    }
    put_driver(&c);
    place_all(&c);
    for (uint32_t i = 0; i < t->nslices; i++)
        if (!t->slices[i].blocked)
            put_slice(&c, i);
    put_arrows(&c);
    put_transfers(&c);
    put_says(&c);
    fputs("\n]}\n", out);
    g_free(c.places);
}
