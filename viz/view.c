/* view.c -- the list of views, their state, and what several of them use: see view.h. */
#include "view.h"

#include <math.h>
#include <string.h>

#include <glib.h>

#include "critical.h"
#include "timeline.h"

const sk_view *const sk_views[] = {
    &sk_view_graph, &sk_view_reduce, &sk_view_timeline, &sk_view_cluster, &sk_view_stats, &sk_view_compare, &sk_view_code, NULL,
};

const sk_view *sk_view_find(const char *name)
{
    for (unsigned i = 0; sk_views[i]; i++)
        if (!strcmp(sk_views[i]->name, name))
            return sk_views[i];
    return NULL;
}

void sk_view_state_init(sk_view_state *s, const sk_model *m)
{
    *s = (sk_view_state){ .task = SK_NO_INDEX, .object = SK_NO_INDEX, .worker = SK_NO_INDEX, .node = SK_NO_INDEX, .fn = SK_NO_INDEX, .site = SK_NO_INDEX,
                          .motion = 1, .scale = 1 };
    sk_view_step(s, m, m->nsteps);
}

sk_palette sk_view_palette(const sk_view_state *s, const sk_model *m)
{
    sk_palette p = *sk_palette_of(s->theme);
    unsigned run = s->runs ? sk_runs_find(s->runs, m) : 0;
    if (s->runs && run < s->runs->n && s->runs->look[run])
        p.look = s->runs->look[run], p.nlooks = m->nfns;
    return p;
}

void sk_view_seek(sk_view_state *s, const sk_model *m, int64_t ns)
{
    s->step = sk_model_step_at(m, ns);
    s->ns = ns;
}

void sk_view_step(sk_view_state *s, const sk_model *m, sk_step k)
{
    s->step = MIN(k, m->nsteps);
    s->ns = sk_model_ns(m, s->step);
}

/* The nearest of least .. most: those are not numbers that a double can hold. */
static int64_t within(double ns, int64_t least, int64_t most)
{
    return ns >= (double)most ? most : ns <= (double)least ? least : (int64_t)ns;
}

/* A time that somebody has written: a number, and of what. */
typedef enum unit { STEPS, PERCENT, NS } unit;
typedef struct written { unit unit; double x; } written;

static bool read_time(const char *when, written *t)
{
    static const struct { const char *name; unit unit; double by; } units[] = { { "%", PERCENT, 1 }, { "ns", NS, 1 }, { "us", NS, 1e3 }, { "ms", NS, 1e6 }, { "s", NS, 1e9 } };
    char *end;
    bool step = g_str_has_prefix(when, "step:");
    double x = g_ascii_strtod(when + (step ? 5 : 0), &end);
    if (end == when + (step ? 5 : 0) || !isfinite(x) || x < 0)
        return false;
    *t = (written){ STEPS, x };
    for (unsigned i = 0; !step && i < G_N_ELEMENTS(units); i++)
        if (!strcmp(end, units[i].name)) {
            *t = (written){ units[i].unit, x * units[i].by };
            return true;
        }
    return step && !*end;
}

bool sk_view_seek_within(sk_view_state *s, const sk_model *m, const char *when, int64_t first, int64_t last)
{
    written t;
    if (!read_time(when, &t))
        return false;
    double part = MIN(t.x, 100) / 100;
    if (t.unit == STEPS)
        sk_view_step(s, m, (sk_step)MIN(t.x, (double)m->nsteps));
    else if (t.unit == NS)
        sk_view_seek(s, m, within(t.x, first, last));
    else if (first == last) /* no time passes in it: of its events, then */
        sk_view_step(s, m, (sk_step)((double)m->nsteps * part));
    else
        sk_view_seek(s, m, within((double)first + ((double)last - (double)first) * part, first, last));
    return true;
}

const char *sk_view_beyond(const sk_model *m, const char *when, int64_t last, char end[16])
{
    written t = { STEPS, 0 };
    char time[16];
    if (!read_time(when, &t))
        return NULL;
    if (t.unit == STEPS)
        g_snprintf(end, 16, "step:%u", m->nsteps);
    else if (t.unit == PERCENT)
        g_strlcpy(end, "100%", 16);
    else
        sk_timeline_time(last, end);
    bool beyond = t.x > (t.unit == STEPS ? m->nsteps : t.unit == PERCENT ? 100 : (double)last);
    /* who writes a time as it is shown, which is rounded, means the end */
    return beyond && (t.unit != NS || strcmp(sk_timeline_time(within(t.x, 0, INT64_MAX), time), end)) ? end : NULL;
}

bool sk_view_seek_text(sk_view_state *s, const sk_model *m, const char *when)
{
    return sk_view_seek_within(s, m, when, m->first, m->last);
}

const char *sk_view_tip(const sk_view_in *in, uint32_t task, char buf[512])
{
    const sk_model *m = in->model;
    const sk_model_task *t = &m->tasks[task];
    const sk_model_site *site = &m->sites[t->site];
    sk_step k = in->state->step;
    char where[32], time[16], value[48];
    uint32_t s = sk_model_slice_of(m, task, k);
    int n = g_snprintf(buf, 512, "task %u: %.*s\n%s", task + 1, sk_model_fits(sk_model_name(m, task), 60), sk_model_name(m, task),
                       sk_model_state(sk_model_task_at(m, task, k)));
    if (s != SK_NO_INDEX)
        n += g_snprintf(buf + n, 512 - (gulong)n, " on %s, ran %s", sk_model_where(m, m->slices[s].worker, where),
                        sk_timeline_time(sk_model_run_ns(m, task, k, in->state->ns), time));
    if (t->nobjects && *sk_model_value(m, t->first_object, k, value))
        n += g_snprintf(buf + n, 512 - (gulong)n, "\nresult: %s", value);
    g_snprintf(buf + n, 512 - (gulong)n, "\nsubmitted at %.*s:%d", sk_model_fits(site->file, 120), site->file, site->line);
    return buf;
}

bool sk_view_is_critical(const sk_view_in *in, uint32_t task)
{
    return in->state->critical && sk_critical_has(sk_critical_of(in->model), task);
}

static bool is_grey(const sk_view_in *in, uint32_t task)
{
    const sk_model_task *t = &in->model->tasks[task];
    uint32_t site = in->state->site;
    return sk_view_is_grey(in, t->fn) || (site < in->model->nsites && !sk_model_same_line(in->model, site, t->site));
}

bool sk_view_is_dim(const sk_view_in *in, uint32_t task)
{
    return is_grey(in, task) || (in->state->critical && !sk_view_is_critical(in, task));
}

void sk_view_task_box(const sk_view_in *in, sk_draw *out, uint32_t task, sk_rect box)
{
    const sk_model_task *t = &in->model->tasks[task];
    sk_task_state state = sk_model_task_at(in->model, task, in->state->step);
    uint32_t s = sk_model_slice_of(in->model, task, in->state->step);
    bool again = s != SK_NO_INDEX && in->model->slices[s].attempt > 1;
    sk_look look = sk_palette_task(in->palette, t->fn, state, again);
    float u = in->unit, small = MIN(box.w, box.h), radius = small > 10 * u ? 3 * u : 0;
    bool critical = sk_view_is_critical(in, task);
    if (sk_view_is_dim(in, task))
        look.fill = sk_palette_mix(look.fill, in->palette->ground, 0.8f), look.stroke = in->palette->grid, look.pattern = 0;
    if (task == in->state->task) {
        float halo = (critical ? 5 : 3) * u;
        sk_draw_rect(out, (sk_rect){ box.x - halo, box.y - halo, box.w + 2 * halo, box.h + 2 * halo },
                     &(sk_pen){ .stroke = in->palette->select, .width = 2 * u, .radius = radius + halo });
    }
    if (critical && small >= 8) {
        float halo = 1.5f * u;
        sk_draw_rect(out, (sk_rect){ box.x - halo, box.y - halo, box.w + 2 * halo, box.h + 2 * halo },
                     &(sk_pen){ .stroke = in->palette->critical, .width = 3 * u, .radius = radius + halo });
    } else if (critical) {
        look.fill = in->palette->critical;
    }
    sk_pen pen = { .fill = look.fill, .stroke = small >= 4 ? look.stroke : 0, .width = small < 8 ? MIN(look.width, 1) : look.width * u,
                   .radius = radius, .pattern = small >= 8 ? look.pattern : 0, .dashed = look.dashed && small >= 8 };
    if (small < 4 && look.fill == in->palette->ground)
        pen.fill = look.stroke; /* too small for a border */
    sk_draw_rect(out, box, &pen);
    if (look.sign && small >= 22 * u && box.w >= 30 * u) {
        static const uint8_t loud[] = { [SK_TASK_FAILED] = 1, [SK_TASK_CANCELLED] = 2 };
        sk_colour colour = again && state != SK_TASK_FAILED ? in->palette->retried
                           : state >= sizeof loud || !loud[state] ? (state == SK_TASK_DONE ? in->palette->done : in->palette->text)
                           : loud[state] == 1 ? in->palette->failed : in->palette->cancelled;
        sk_draw_sign(out, (sk_sign)look.sign, (sk_rect){ box.x + box.w - 13 * u, box.y + 3 * u, 10 * u, 10 * u }, colour);
    }
}

void sk_view_bar(const sk_view_in *in, sk_draw *out, const uint32_t states[SK_TASK_CANCELLED + 1], uint32_t all, uint32_t fn, sk_rect box)
{
    const sk_palette *c = in->palette;
    const struct { uint32_t n; sk_colour colour; } parts[] = {
        { states[SK_TASK_DONE], sk_palette_fn(c, fn).fill },
        { states[SK_TASK_RUNNING] + states[SK_TASK_BLOCKED], c->running },
        { states[SK_TASK_FAILED], c->failed },
        { states[SK_TASK_CANCELLED], c->cancelled },
        { states[SK_TASK_READY], sk_palette_mix(c->ready, c->ground, 0.5f) },
    };
    float x = box.x;
    sk_draw_rect(out, box, &(sk_pen){ .fill = c->ground });
    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        float w = box.w * (float)parts[i].n / (float)MAX(all, 1);
        if (parts[i].n && w < 1.5f)
            w = MIN(1.5f, box.x + box.w - x);
        sk_draw_rect(out, (sk_rect){ x, box.y, w, box.h }, &(sk_pen){ .fill = parts[i].n ? parts[i].colour : 0 });
        x += w;
    }
    sk_draw_rect(out, box, &(sk_pen){ .stroke = c->line });
}
