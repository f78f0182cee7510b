/* inspector.c -- all about the task that is selected, at the right of every view: see view.h. */
#include "view.h"

#include <glib.h>

#include "timeline.h"

typedef struct pane { const sk_view_in *in; sk_draw *out; float x, y, w; } pane;

static bool full(const pane *p) { return p->y > p->in->area.y + p->in->area.h - 20 * p->in->unit; }

static void line(pane *p, const char *what, const char *value, sk_colour colour)
{
    float u = p->in->unit, label = 84 * u;
    if (full(p))
        return;
    sk_draw_label(p->out, (sk_rect){ p->x, p->y, label, 18 * u }, what, SK_FONT, 12 * u, SK_LEFT, p->in->palette->dim);
    sk_draw_label(p->out, (sk_rect){ p->x + label, p->y, p->w - label, 18 * u }, value, SK_FONT, 12 * u, SK_LEFT, colour);
    p->y += 18 * u;
}

static void heading(pane *p, const char *text)
{
    float u = p->in->unit;
    p->y += 8 * u;
    if (full(p))
        return;
    sk_draw_label(p->out, (sk_rect){ p->x, p->y, p->w, 20 * u }, text, SK_FONT_BOLD, 12 * u, SK_LEFT, p->in->palette->text);
    p->y += 20 * u;
}

static void when(pane *p, const char *what, sk_step k)
{
    char time[16];
    if (k <= p->in->state->step)
        line(p, what, sk_timeline_time(sk_model_ns(p->in->model, k), time), p->in->palette->text);
}

/* A line that leads to another task: it can be clicked. */
static void link_to(pane *p, const char *what, uint32_t task, uint32_t object)
{
    const sk_model *m = p->in->model;
    char text[128], value[48] = "";
    if (full(p))
        return;
    if (object != SK_NO_INDEX)
        sk_model_value(m, object, p->in->state->step, value);
    if (task == SK_NO_INDEX)
        g_snprintf(text, sizeof text, "put by the driver%s%s", *value ? " = " : "", value);
    else
        g_snprintf(text, sizeof text, "task %u %.*s%s%s", task + 1, sk_model_fits(sk_model_name(m, task), 40), sk_model_name(m, task), *value ? " = " : "", value);
    if (task != SK_NO_INDEX)
        sk_draw_hit(p->out, SK_HIT_TASK, task, NULL);
    sk_draw_rect(p->out, (sk_rect){ p->x, p->y, p->w, 18 * p->in->unit }, &(sk_pen){ 0 });
    line(p, what, text, task == SK_NO_INDEX ? p->in->palette->text : p->in->palette->select);
    sk_draw_hit(p->out, SK_HIT_NONE, 0, NULL);
}

static void dependants(pane *p, uint32_t task)
{
    enum { MOST = 8 };
    const sk_model *m = p->in->model;
    const sk_model_task *t = &m->tasks[task];
    uint32_t found = 0, use[15], last = SK_NO_INDEX; /* the next use of each of its objects, SK_NO_INDEX: no more; the task found last */
    unsigned n = MIN(t->nobjects, G_N_ELEMENTS(use));
    for (unsigned o = 0; o < n; o++) {
        uint32_t end = m->objects[t->first_object + o].last_use;
        use[o] = end == SK_NO_INDEX ? end : m->uses[end].next;
    }
    for (;;) { /* in the order of the tasks, each once */
        unsigned first = n;
        for (unsigned o = 0; o < n; o++)
            if (use[o] != SK_NO_INDEX && (first == n || use[o] < use[first]))
                first = o;
        if (first == n || found > MOST)
            return;
        uint32_t of = m->uses[use[first]].task;
        use[first] = use[first] == m->objects[t->first_object + first].last_use ? SK_NO_INDEX : m->uses[use[first]].next;
        if (of == last)
            continue;
        if (m->tasks[of].submitted > p->in->state->step)
            return;
        last = of;
        if (!found)
            heading(p, "Taken by");
        if (found++ < MOST)
            link_to(p, "", of, SK_NO_INDEX);
        else
            line(p, "", "and others", p->in->palette->dim);
    }
}

void sk_inspector_draw(const sk_view_in *in, sk_draw *out)
{
    const sk_model *m = in->model;
    const sk_palette *c = in->palette;
    uint32_t task = in->state->task;
    const sk_model_task *t = &m->tasks[task];
    sk_step k = in->state->step;
    sk_task_state state = sk_model_task_at(m, task, k);
    float u = in->unit;
    pane p = { in, out, in->area.x + 14 * u, in->area.y + 10 * u, in->area.w - 28 * u };
    char text[256], where[32], time[16], value[48];
    sk_draw_clip(out, in->area);
    sk_draw_rect(out, in->area, &(sk_pen){ .fill = c->panel });
    sk_draw_line(out, in->area.x, in->area.y, in->area.x, in->area.y + in->area.h, &(sk_pen){ .stroke = c->line });
    sk_draw_rect(out, (sk_rect){ p.x, p.y + 2 * u, 16 * u, 16 * u },
                 &(sk_pen){ .fill = sk_palette_fn(c, t->fn).fill, .pattern = sk_palette_fn(c, t->fn).pattern, .radius = 3 * u });
    g_snprintf(text, sizeof text, "task %u  %.*s", task + 1, sk_model_fits(sk_model_name(m, task), 60), sk_model_name(m, task));
    sk_draw_label(out, (sk_rect){ p.x + 24 * u, p.y, p.w - 24 * u, 20 * u }, text, SK_FONT_BOLD, 14 * u, SK_LEFT, c->text);
    p.y += 28 * u;

    line(&p, "state", state == SK_TASK_NONE ? "not submitted yet" : sk_model_state(state), state == SK_TASK_FAILED ? c->failed : c->text);
    if (state == SK_TASK_FAILED || state == SK_TASK_CANCELLED)
        line(&p, "error", sk_timeline_code(t->code), c->failed);
    uint32_t s = sk_model_slice_of(m, task, k);
    if (s != SK_NO_INDEX) {
        line(&p, "where", sk_model_where(m, m->slices[s].worker, where), c->text);
        line(&p, "ran", sk_timeline_time(sk_model_run_ns(m, task, k, in->state->ns), time), c->text);
        if (m->slices[s].attempt > 1) {
            g_snprintf(text, sizeof text, "%u", m->slices[s].attempt);
            line(&p, "attempt", text, c->retried);
        }
    }
    g_autofree char *file = g_path_get_basename(m->sites[t->site].file);
    g_snprintf(text, sizeof text, "%.*s:%d", sk_model_fits(file, 100), file, m->sites[t->site].line);
    line(&p, "submitted at", text, c->text);
    line(&p, "function", m->fns[t->fn].signature, c->text);

    heading(&p, "When");
    when(&p, "submitted", t->submitted);
    when(&p, "ready", t->ready);
    when(&p, "started", t->started);
    when(&p, "ended", t->ended);
    if (t->ndeps || t->parent != SK_NO_INDEX)
        heading(&p, "Comes from");
    if (t->parent != SK_NO_INDEX)
        link_to(&p, "parent", t->parent, SK_NO_INDEX);
    for (unsigned d = 0; d < t->ndeps; d++) {
        uint32_t object = m->deps[t->first_dep + d];
        g_snprintf(text, sizeof text, "needs");
        link_to(&p, text, m->objects[object].producer, object);
    }
    if (t->nobjects)
        heading(&p, "Gives");
    for (unsigned o = 0; o < t->nobjects; o++) {
        static const char *const states[] = { "", "not there yet", "", "failed", "lost", "freed" };
        uint32_t object = t->first_object + o;
        sk_object_state os = sk_model_object_at(m, object, k);
        sk_model_value(m, object, k, value);
        g_snprintf(text, sizeof text, "%s%s%s", value, *value && *states[os] ? ", " : "", states[os]);
        g_snprintf(where, sizeof where, "object %u", object + 1);
        line(&p, where, text, c->text);
    }
    dependants(&p, task);
    sk_draw_unclip(out);
}
