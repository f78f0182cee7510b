/* trace_fuzz.c -- any bytes as a log (*.sktrace): read, followed while it grows, made a model, asked, and drawn.
 * covers: sim/trace_cursor.c sim/trace_ids.c viz/model.c viz/model_ask.c viz/layout.c viz/profile.c viz/places.c viz/stats.c viz/critical.c viz/listing.c viz/storyboard.c
 *
 * What opens ends; each event has the words of its type, and its times have a limit. What is there of a log that was followed in pieces is what
 * is there at once. A model is consistent whatever the log says: indices point to what there is, times never go back, and what is counted is
 * what can be counted. Every view can draw it.
 *
 * Input: the file. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib.h>

#include "timeline.h"
#include "trace_read.h"
#include "viz/film.h"
#include "viz/storyboard.h"
#include "viz/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(what) do { if (!(what)) { fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what); abort(); } } while (0)

static uint64_t looked_at; /* so that nothing is left out by the compiler */

static void look_at(const sk_event *e)
{
    HOLDS(e->type >= SK_TRACE_INFO && e->type < SK_TRACE_TYPES);
    HOLDS(e->ns <= INT64_MAX / 4 && e->ns >= -INT64_MAX / 4);
    for (unsigned i = 0; i < e->n; i++)
        looked_at += e->word[i];
    for (unsigned k = 0; k < 4; k++)
        looked_at += strlen(sk_trace_read_text(e, k));
}

/* ---- The model ------------------------------------------------------------------------------------------------------------------------ */

static bool in(uint32_t index, uint32_t n) { return index < n || index == SK_NO_INDEX; }

static void check_model(const sk_model *m)
{
    for (sk_step k = 1; k < m->nsteps; k++)
        HOLDS(m->events[k].ns >= m->events[k - 1].ns);
    HOLDS(!m->nsteps || (m->first == m->events[0].ns && m->last == m->events[m->nsteps - 1].ns));
    for (uint32_t i = 0; i < m->ntasks; i++) {
        const sk_model_task *t = &m->tasks[i];
        if (t->fn == SK_NO_INDEX) { /* nothing is known of it yet */
            HOLDS(t->submitted == SK_NEVER);
            continue;
        }
        HOLDS(t->fn < m->nfns && t->site < m->nsites && in(t->parent, m->ntasks) && t->group < m->ngroups && t->layer < m->nlayers);
        HOLDS(in(t->first_slice, m->nslices) && in(t->last_slice, m->nslices) && t->state <= SK_TASK_CANCELLED);
        HOLDS(!t->ndeps || t->first_dep + t->ndeps <= m->ndeps);
        HOLDS(!t->nobjects || t->first_object + t->nobjects <= m->nobjects);
        HOLDS(t->submitted != SK_NEVER && t->submitted <= m->nsteps + 1);
    }
    for (uint32_t i = 0; i < m->ndeps; i++)
        HOLDS(m->deps[i] < m->nobjects);
    for (uint32_t i = 0; i < m->nobjects; i++)
        HOLDS(in(m->objects[i].producer, m->ntasks) && in(m->objects[i].maker, m->ntasks) && m->objects[i].site < m->nsites);
    for (uint32_t i = 0; i < m->nslices; i++)
        HOLDS(m->slices[i].task < m->ntasks && m->slices[i].worker < m->nworkers && m->slices[i].begin <= m->slices[i].end);
    for (uint32_t i = 0; i < m->nworkers; i++)
        HOLDS(m->lanes[i] < m->nworkers);
    for (uint32_t i = 0; i < m->nwaits; i++)
        HOLDS(in(m->waits[i].task, m->ntasks) && in(m->waits[i].object, m->nobjects) && m->waits[i].site < m->nsites && m->waits[i].begin <= m->waits[i].end);
    for (uint32_t i = 0; i < m->ntransfers; i++)
        HOLDS(m->transfers[i].object < m->nobjects && m->transfers[i].begin <= m->transfers[i].end);
    for (uint32_t i = 0; i < m->nsays; i++)
        HOLDS(in(m->says[i].task, m->ntasks) && g_utf8_validate(m->says[i].text, -1, NULL));
    for (uint32_t i = 0; i < m->nfns; i++)
        HOLDS(g_utf8_validate(m->fns[i].name, -1, NULL) && g_utf8_validate(m->fns[i].file, -1, NULL));
}

static void ask(const sk_model *m, sk_step k)
{
    uint32_t states[SK_TASK_CANCELLED + 1] = { 0 }, objects = 0;
    sk_model_counts c;
    char text[200];
    for (uint32_t i = 0; i < m->ntasks; i++) {
        sk_task_state state = sk_model_task_at(m, i, k);
        HOLDS(state <= SK_TASK_CANCELLED);
        states[state]++;
        HOLDS(sk_model_run_ns(m, i, k, m->last) >= 0);
    }
    for (uint32_t i = 0; i < m->nobjects; i++)
        objects += sk_model_object_at(m, i, k) == SK_OBJECT_READY, looked_at += strlen(sk_model_value(m, i, k, text));
    for (uint32_t w = 0; w < MIN(m->nworkers, 64); w++)
        HOLDS(in(sk_model_running(m, w, k), m->ntasks));
    sk_model_count(m, k, &c);
    HOLDS(c.ngroups == m->ngroups);
    for (unsigned s = SK_TASK_WAITING; s <= SK_TASK_CANCELLED; s++) {
        uint32_t sum = 0;
        for (uint32_t g = 0; g < c.ngroups; g++)
            sum += c.group[g][s];
        HOLDS(sum == c.tasks[s] && sum <= m->ntasks);
    }
    HOLDS(c.objects <= m->nobjects);
    if (k == m->nsteps) { /* (before that, what a damaged log tells twice is remembered once) */
        for (unsigned s = SK_TASK_WAITING; s <= SK_TASK_CANCELLED; s++)
            HOLDS(c.tasks[s] == states[s]);
        (void)objects;
    }
    HOLDS(g_utf8_validate(sk_model_sentence(m, k, text), -1, NULL));
}

/* One view by itself, the next in a storyboard: which, the input's length decides, so that an input costs little. */
static void draw(const sk_model *m, size_t size)
{
    sk_view_state s;
    sk_key keys[6];
    sk_film film;
    uint32_t n = sk_storyboard_pick(m, 0, m->nsteps, keys, 1 + size / 8 % 6), views = 0;
    sk_film_init(&film, m, &(sk_film_plan){ .to = { m->nsteps, m->last }, .fps = 1 });
    sk_draw *d = sk_draw_new();
    sk_view_state_init(&s, m);
    while (sk_views[views])
        views++;
    for (unsigned way = 0; way < 2; way++) {
        const sk_view *view = sk_views[(size / 8 + way) % views];
        void *memory = view->open ? view->open() : NULL;
        sk_draw_clear(d);
        if (way) {
            sk_storyboard_draw(view, memory, m, &s, keys, n, 900, 500, d);
        } else {
            sk_film_state(&film, film.frames / 2, &s);
            s.task = m->ntasks ? m->ntasks / 2 : SK_NO_INDEX;
            s.fold = size / 8 % 3;
            sk_frame_draw(view, memory, m, &s, 640, 360, d);
        }
        looked_at += d->nitems;
        if (view->close)
            view->close(memory);
    }
    sk_draw_free(d);
}

/* ---- Both ways of reading ------------------------------------------------------------------------------------------------------------- */

static uint64_t at_once(const sk_reader *log, size_t size)
{
    sk_model *m = sk_model_new();
    sk_cursor *c = sk_trace_read_cursor(log);
    uint64_t n = 0;
    for (sk_event e; sk_trace_read_next(c, &e); n++) {
        look_at(&e);
        sk_model_take(m, &e);
    }
    sk_trace_read_cursor_free(c);
    check_model(m);
    for (unsigned part = 0; part <= 4; part++)
        ask(m, (sk_step)((uint64_t)m->nsteps * part / 4));
    draw(m, size);
    sk_model_free(m);
    return n;
}

/* In three pieces; the cursor goes on from piece to piece. At the end the whole file is loaded: *whole: nothing is missing. */
static uint64_t followed(const uint8_t *data, size_t size, bool *whole)
{
    int fd = memfd_create("trace", MFD_CLOEXEC);
    size_t first = size / 3 < 16 ? MIN(16, size) : size / 3, at = 0;
    uint64_t n = 0;
    sk_error err;
    HOLDS(fd >= 0 && write(fd, data, first) == (ssize_t)first);
    sk_reader *log = sk_trace_follow_open(fd, "followed", (uint64_t)1 << 48, &err);
    sk_cursor *c = log ? sk_trace_read_cursor(log) : NULL;
    for (at = first; log; at += MIN(first, size - at)) {
        sk_trace_read_until(c, at < size ? (int64_t)at * 1000 : INT64_MAX);
        for (sk_event e; sk_trace_read_next(c, &e); n++)
            look_at(&e);
        if (at == size)
            break;
        HOLDS(write(fd, data + at, MIN(first, size - at)) >= 0);
        sk_trace_follow_more(log);
    }
    if (log) {
        sk_trace_read_cursor_free(c);
        sk_trace_read_close(log);
    }
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    sk_model *m = sk_model_load(path, &err);
    HOLDS((m != NULL) == (log != NULL));
    *whole = m && !m->trouble;
    sk_model_free(m);
    close(fd);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sk_error err = { 0 };
    g_autofree uint8_t *bytes = g_malloc(size); /* aligned, and exactly as long: a byte too far is seen */
    if (size)
        memcpy(bytes, data, size);
    sk_reader *log = sk_trace_read_memory("made up", bytes, size, &err);
    if (!log) {
        HOLDS(*err.message);
        return 0;
    }
    const sk_read_info *info = sk_trace_read_info(log);
    HOLDS(!info->whole || (!info->truncated && !info->damage));
    sk_timeline *t = sk_timeline_new(log);
    sk_timeline_free(t);
    bool whole;
    uint64_t n = at_once(log, size), more = followed(data, size, &whole);
    HOLDS(more <= n && (more == n || !info->whole) && whole == (info->whole && !info->missing_chunks));
    sk_trace_read_close(log);
    return 0;
}
