/* window_look.c -- pan and zoom, selection, clicks, finding. What lies where in a view, only the view knows: it is asked to move
 * (sk_frame_move). */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "window_own.h"

#define STEP 1.25f /* of one notch of the wheel, or one key */

/* ---- Pan and zoom ------------------------------------------------------------------------------------------------------------------ */

static void move(sk_window *w, sk_view_move by)
{
    sk_window_places at = sk_window_where(w);
    sk_view_state s = w->state;
    s.scale = sk_window_unit(w);
    sk_frame_move(sk_views[w->view], w->memory[w->view], w->model, &s, at.frame.w, at.frame.h, &by);
    s.scale = w->state.scale;
    if (memcmp(&s, &w->state, sizeof s)) {
        w->state = s;
        w->stale = true;
    }
}

void sk_window_zoom(sk_window *w, float x, float y, float factor) { move(w, (sk_view_move){ .x = x, .y = y, .factor = factor }); }

void sk_window_pan(sk_window *w, float dx, float dy) { move(w, (sk_view_move){ .x = w->x, .y = w->y, .dx = dx, .dy = dy, .factor = 1 }); }

/* With a key: around the mouse if it is in the view, else around the middle. */
static void zoom_here(sk_window *w, float factor)
{
    sk_rect box = sk_window_where(w).box;
    bool inside = w->x >= box.x && w->x < box.x + box.w && w->y >= box.y && w->y < box.y + box.h;
    sk_window_zoom(w, inside ? w->x : box.x + box.w / 2, inside ? w->y : box.y + box.h / 2, factor);
}

static void fit(sk_window *w)
{
    w->state.from = w->state.to = 0;
    w->state.zoom = w->state.pan_x = w->state.pan_y = 0;
    w->state.scroll = 0;
    w->state.file = 0, w->state.row = 0;
    w->stale = true;
}

/* Where the task is drawn; false: it is not. */
static bool place_of(const sk_window *w, uint32_t task, sk_rect *box)
{
    for (uint32_t i = 0; i < w->base; i++) {
        const sk_item *item = &w->draw->items[i];
        const sk_hit *hit = &w->draw->hits[item->hit];
        if (item->hit && hit->what == SK_HIT_TASK && hit->index == task && item->kind == SK_DRAW_RECT)
            return *box = item->box, true;
    }
    return false;
}

static void to_selection(sk_window *w)
{
    const sk_model *m = w->model;
    if (w->state.task == SK_NO_INDEX)
        return sk_window_say(w, "closer to what? Click a task, or Tab");
    const sk_model_task *t = &m->tasks[w->state.task];
    w->state.file = 0, w->state.row = 0; /* Code goes there */
    if (t->first_slice != SK_NO_INDEX) { /* the stretch of its run, and as much again at both sides */
        int64_t from = sk_model_ns(m, m->slices[t->first_slice].begin), to = sk_model_ns(m, m->slices[t->last_slice].end);
        int64_t more = MAX(to - from, 1000);
        w->state.from = MAX(from - more, MIN((int64_t)0, m->first)), w->state.to = to + more;
    }
    sk_rect at, box = sk_window_where(w).box;
    w->stale = true;
    sk_window_draw(w);
    if (place_of(w, w->state.task, &at)) {
        sk_window_pan(w, box.x + box.w / 2 - at.x - at.w / 2, box.y + box.h / 2 - at.y - at.h / 2);
        if (at.w < 60 * sk_window_unit(w))
            sk_window_zoom(w, box.x + box.w / 2, box.y + box.h / 2, MIN(60 * sk_window_unit(w) / MAX(at.w, 1), 8));
    }
    w->stale = true;
}

/* ---- Selection --------------------------------------------------------------------------------------------------------------------- */

void sk_window_select(sk_window *w, uint32_t task)
{
    sk_view_state *s = &w->state;
    s->task = task;
    s->object = s->worker = s->node = SK_NO_INDEX;
    s->file = 0, s->row = 0; /* Code shows where it was submitted */
    if (s->site != SK_NO_INDEX && (task == SK_NO_INDEX || !sk_model_same_line(w->model, s->site, w->model->tasks[task].site)))
        s->site = SK_NO_INDEX; /* it is no longer about that line */
    w->stale = true;
}

static void next_task(sk_window *w, int way)
{
    uint32_t n = w->model->ntasks, task = w->state.task;
    if (n == 0)
        return sk_window_say(w, "there are no tasks");
    sk_window_select(w, task == SK_NO_INDEX ? (way > 0 ? 0 : n - 1) : (task + n + (uint32_t)way) % n);
}

/* The next one on the worker where the selected task was last. */
static void next_here(sk_window *w, int way)
{
    const sk_model *m = w->model;
    uint32_t slice = w->state.task == SK_NO_INDEX ? SK_NO_INDEX : m->tasks[w->state.task].last_slice;
    if (slice == SK_NO_INDEX)
        return sk_window_say(w, "on which worker? Select a task that has run");
    const sk_model_worker *worker = &m->workers[m->slices[slice].worker];
    uint32_t i = 0;
    while (i < worker->nslices && worker->slices[i] != slice)
        i++;
    do
        i += (uint32_t)way;
    while (i < worker->nslices && m->slices[worker->slices[i]].task == w->state.task);
    if (i >= worker->nslices) /* -1 too */
        return sk_window_say(w, way > 0 ? "it is the last on its worker" : "it is the first on its worker");
    sk_window_select(w, m->slices[worker->slices[i]].task);
}

/* ---- Finding ----------------------------------------------------------------------------------------------------------------------- */

static bool is_in(const char *name, const char *want)
{
    g_autofree char *folded = g_utf8_casefold(name, -1);
    return strstr(folded, want) != NULL;
}

void sk_window_find(sk_window *w, int way)
{
    const sk_model *m = w->model;
    if (!*w->find)
        return sk_window_say(w, "find what? / asks");
    g_autofree char *want = g_utf8_casefold(w->find, -1);
    g_autofree bool *fns = g_new0(bool, m->nfns + 1);
    for (uint32_t i = 0; i < m->nfns; i++)
        fns[i] = is_in(m->fns[i].name, want);
    bool states[SK_TASK_CANCELLED + 1] = { false };
    for (unsigned i = SK_TASK_WAITING; i <= SK_TASK_CANCELLED; i++)
        states[i] = strlen(want) > 3 && g_str_has_prefix(sk_model_state(i), want);
    char *end;
    uint64_t number = strtoull(w->find, &end, 10);
    bool is_number = *end == 0;
    uint32_t n = m->ntasks, start = w->state.task == SK_NO_INDEX ? (way > 0 ? n - 1 : 0) : w->state.task;
    for (uint32_t i = 1; i <= n; i++) {
        uint32_t task = way > 0 ? (start + i) % n : (start + n - i) % n;
        const sk_model_task *t = &m->tasks[task];
        if (is_number ? task + 1 == number
                      : fns[t->fn] || states[sk_model_task_at(m, task, w->state.step)] || (t->name && is_in(t->name, want))) {
            sk_window_select(w, task);
            return sk_window_say(w, "task %u: %s", task + 1, sk_model_name(m, task));
        }
    }
    sk_window_say(w, "there is no task with \"%s\" in its name, its number or its state", w->find);
}

/* ---- Commands and clicks ----------------------------------------------------------------------------------------------------------- */

static void toggle_fold(sk_window *w)
{
    sk_view_state *s = &w->state;
    if (s->nunfolded)
        s->nunfolded = 0;
    else
        s->fold = s->fold ? 0 : 1; /* groups always, or where there is too much */
    sk_window_say(w, s->fold ? "groups of tasks; a click unfolds one" : "task by task, where there are not too many");
}

static void toggle_group(sk_window *w, uint32_t group)
{
    sk_view_state *s = &w->state;
    for (uint32_t i = 0; i < s->nunfolded; i++)
        if (s->unfolded[i] == group) {
            s->unfolded[i] = s->unfolded[--s->nunfolded];
            return;
        }
    if (s->nunfolded == G_N_ELEMENTS(s->unfolded))
        return sk_window_say(w, "%u groups are unfolded already; G folds them", s->nunfolded);
    s->unfolded[s->nunfolded++] = group;
}

static void next_run(sk_window *w) { sk_window_go_to_run(w, sk_runs_find(&w->runs, w->model) + 1); }

bool sk_window_look_do(sk_window *w, sk_command_id id)
{
    sk_rect box = sk_window_where(w).box;
    switch (id) {
    case SK_DO_ZOOM_IN: zoom_here(w, STEP); break;
    case SK_DO_ZOOM_OUT: zoom_here(w, 1 / STEP); break;
    case SK_DO_LEFT: sk_window_pan(w, box.w / 8, 0); break;
    case SK_DO_RIGHT: sk_window_pan(w, -box.w / 8, 0); break;
    case SK_DO_UP: sk_window_pan(w, 0, box.h / 8); break;
    case SK_DO_DOWN: sk_window_pan(w, 0, -box.h / 8); break;
    case SK_DO_FIT: fit(w); break;
    case SK_DO_TO_SELECTION: to_selection(w); break;
    case SK_DO_FIND: w->finding = true, *w->find = 0; break;
    case SK_DO_FIND_NEXT: sk_window_find(w, 1); break;
    case SK_DO_FIND_PREVIOUS: sk_window_find(w, -1); break;
    case SK_DO_NEXT_TASK: next_task(w, 1); break;
    case SK_DO_PREVIOUS_TASK: next_task(w, -1); break;
    case SK_DO_NEXT_HERE: next_here(w, 1); break;
    case SK_DO_PREVIOUS_HERE: next_here(w, -1); break;
    case SK_DO_FOLD: toggle_fold(w); break;
    case SK_DO_TURN:
        if (sk_views[w->view] == &sk_view_code || sk_views[w->view] == &sk_view_compare)
            move(w, (sk_view_move){ .factor = 1, .turn = true });
        else
            sk_window_say(w, "there is nothing to turn to in this view; Code has files, Compare two axes");
        break;
    case SK_DO_NEXT_RUN: next_run(w); break;
    default: return false;
    }
    w->stale = true;
    return true;
}

/* The next task (after the selected one) of which this is true. */
static void next_of(sk_window *w, bool (*is)(const sk_window *w, uint32_t task, uint32_t index), uint32_t index, const char *none)
{
    uint32_t n = w->model->ntasks, start = w->state.task == SK_NO_INDEX ? n - 1 : w->state.task;
    for (uint32_t i = 1; i <= n; i++)
        if (is(w, (start + i) % n, index))
            return sk_window_select(w, (start + i) % n);
    sk_window_say(w, "%s", none);
}

static bool is_in_state(const sk_window *w, uint32_t task, uint32_t state) { return sk_model_task_at(w->model, task, w->state.step) == state; }
static bool is_of_site(const sk_window *w, uint32_t task, uint32_t site) { return sk_model_same_line(w->model, site, w->model->tasks[task].site); }

/* The tasks of a line: all in colour, and one after the other selected. In Code the line stays under the mouse. */
static void select_line(sk_window *w, uint32_t site)
{
    sk_view_state *s = &w->state;
    if (sk_views[w->view] == &sk_view_code)
        sk_window_pan(w, 0, 0);
    uint32_t file = s->file, n = 0, before = 0;
    float row = s->row;
    for (uint32_t i = 0; i < w->model->ntasks; i++)
        n += is_of_site(w, i, site);
    if (!n)
        return sk_window_say(w, "no task was submitted on this line");
    next_of(w, is_of_site, site, "");
    for (uint32_t i = 0; i <= s->task; i++)
        before += is_of_site(w, i, site);
    s->site = site, s->file = file, s->row = row;
    sk_window_say(w, "task %u: %u of %u of line %d", s->task + 1, before, n, w->model->sites[site].line);
}

/* And the task that runs there, if one does. */
static void pick_worker(sk_window *w, uint32_t worker)
{
    const sk_model *m = w->model;
    if (worker >= m->nworkers)
        return;
    char where[32];
    uint32_t task = sk_model_running(m, worker, w->state.step);
    sk_window_select(w, task);
    w->state.worker = worker;
    if (task == SK_NO_INDEX)
        sk_window_say(w, "nothing runs on %s now", sk_model_where(m, worker, where));
}

static void pick_node(sk_window *w, uint32_t node)
{
    if (node >= w->model->nnodes)
        return;
    sk_window_select(w, SK_NO_INDEX);
    w->state.node = node;
    sk_window_say(w, "node %u%s", w->model->nodes[node].node, w->live && w->live->kill ? ": K kills it" : "");
}

void sk_window_click(sk_window *w, sk_hit hit)
{
    const sk_model *m = w->model;
    if (hit.what == SK_HIT_RUN)
        return sk_window_go_to_run(w, hit.index);
    switch (hit.what) {
    case SK_HIT_NONE: sk_window_select(w, SK_NO_INDEX); break;
    case SK_HIT_TASK: sk_window_select(w, hit.index); break;
    case SK_HIT_OBJECT: w->state.object = hit.index; break;
    case SK_HIT_TRANSFER: w->state.object = hit.index < m->ntransfers ? m->transfers[hit.index].object : SK_NO_INDEX; break;
    case SK_HIT_FN: w->state.fn = w->state.fn == hit.index ? SK_NO_INDEX : hit.index; break;
    case SK_HIT_GROUP: toggle_group(w, hit.index); break;
    case SK_HIT_SITE: select_line(w, hit.index); break;
    case SK_HIT_FILE: w->state.file = 1 + hit.index, w->state.row = w->state.pan_x = 0; break;
    case SK_HIT_STATE: next_of(w, is_in_state, hit.index, "no task is in this state now"); break;
    case SK_HIT_WORKER: pick_worker(w, hit.index); break;
    case SK_HIT_NODE: pick_node(w, hit.index); break;
    default: break;
    }
    w->stale = true;
}
