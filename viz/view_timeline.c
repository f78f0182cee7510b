/* view_timeline.c -- time from left to right: above how many tasks run at once; then the driver's waits; what is waited for (view_tray.c); then a
 * lane a worker, by nodes.
 *
 * The idea: what is wider than a pixel or two is drawn as it is; the rest pixel by pixel, in the colour of the longest task there, and as
 * strong as the worker was busy: idle time stays visible however far away one looks. So a picture costs its pixels, not its tasks. Time that
 * has not come yet is empty.
 *
 * Reading order: 1 the axis; 2 a lane; 3 the strip of parallelism; 4 the driver; 5 arrows of the selected task; 6 the critical path; 7 the view. */
#include <math.h>

#include <glib.h>

#include "critical.h"
#include "profile.h"
#include "timeline.h"
#include "view.h"

typedef struct chart {
    const sk_view_in *in;
    sk_draw *out;
    const sk_profile *profile;
    sk_rect plot;               /* where time is */
    float strip, driver, tray;  /* how high these are; 0: left out */
    float first_lane, lane;     /* where lanes begin, and how high they are */
    uint32_t scroll, shown;     /* the first lane, and how many */
    int64_t from, to;
} chart;

/* ---- 1. The axis ----------------------------------------------------------------------------------------------------------------------- */

static float x_of(const chart *c, int64_t ns)
{
    return c->plot.x + (float)((double)(ns - c->from) / (double)(c->to - c->from) * (double)c->plot.w);
}

static int64_t ns_of(const chart *c, float x)
{
    return c->from + (int64_t)((double)(x - c->plot.x) / (double)c->plot.w * (double)(c->to - c->from));
}

static void axis(const chart *c, float top, float bottom)
{
    const sk_palette *p = c->in->palette;
    float u = c->in->unit;
    double least = (double)(c->to - c->from) * 90.0 * (double)u / (double)c->plot.w, step = pow(10, floor(log10(MAX(least, 1.0))));
    step *= step * 2 >= least ? 2 : step * 5 >= least ? 5 : 10;
    if (step / 2 >= least && step >= 10)
        step /= 2;
    /* as in the title and in --at: from the start of the run on, which is before its first event. (A double may be too coarse for a damaged log's times.) */
    int64_t by = (int64_t)step;
    for (int64_t t = c->from / by * by; t <= c->to; t += by) {
        char text[16];
        if (t < c->from)
            continue;
        float x = x_of(c, t);
        sk_timeline_time(t, text);
        sk_draw_line(c->out, x, top, x, bottom, &(sk_pen){ .stroke = p->grid });
        if (x + 3 * u + sk_draw_width(text, SK_FONT, 11 * u) <= c->in->area.x + c->in->area.w)
            sk_draw_text(c->out, x + 3 * u, top - 5 * u, text, SK_FONT, 11 * u, SK_LEFT, p->dim);
    }
}

/* ---- 2. A lane ------------------------------------------------------------------------------------------------------------------------- */

/* Who it is; without room for that, which of its colour it is: words that are cut to a letter or two say nothing. */
static void slice_label(const chart *c, const sk_model_slice *s, sk_rect box, sk_colour text)
{
    float u = c->in->unit, size = MIN(12 * u, box.h * 0.75f);
    sk_rect room = { box.x + 4 * u, box.y, box.w - 8 * u, box.h };
    g_autofree char *number = g_strdup_printf("%u", s->task + 1), *whole = g_strdup_printf("%s %s", sk_model_name(c->in->model, s->task), number);
    const char *label = sk_draw_width(whole, SK_FONT, size) <= room.w ? whole : number;
    if (sk_draw_width(label, SK_FONT, size) <= room.w)
        sk_draw_label(c->out, room, label, SK_FONT, size, s->blocked ? SK_RIGHT : SK_LEFT, text);
}

static void slice(const chart *c, uint32_t index, sk_rect box)
{
    const sk_model_slice *s = &c->in->model->slices[index];
    const sk_palette *p = c->in->palette;
    const sk_model_task *t = &c->in->model->tasks[s->task];
    float u = c->in->unit;
    bool open = s->end > c->in->state->step;
    sk_look look = sk_palette_fn(p, t->fn);
    char tip[512];
    if (sk_view_is_dim(c->in, s->task))
        look.fill = sk_palette_mix(look.fill, p->ground, 0.8f), look.pattern = 0, look.text = p->dim;
    sk_pen pen = { .fill = look.fill, .pattern = box.w >= 6 ? look.pattern : 0, .radius = box.w > 6 * u ? 2 * u : 0 };
    if (s->blocked)
        pen = (sk_pen){ .fill = sk_palette_mix(look.fill, p->ground, 0.75f), .stroke = look.fill, .width = u, .dashed = true };
    else if (box.w >= 4 && box.h >= 6)
        pen.stroke = open ? p->running : sk_palette_mix(look.fill, 0x000000ff, 0.3f), pen.width = open ? 2 * u : 1;
    sk_draw_hit(c->out, SK_HIT_TASK, s->task, sk_view_tip(c->in, s->task, tip));
    sk_draw_rect(c->out, box, &pen);
    if (!open && (s->how == SK_END_FAILED || s->how == SK_END_RETRIED)) {
        sk_colour colour = s->how == SK_END_FAILED ? p->failed : p->retried;
        float size = MIN(box.h, 12 * u);
        sk_draw_rect(c->out, (sk_rect){ box.x + box.w - 3 * u, box.y, 3 * u, box.h }, &(sk_pen){ .fill = colour });
        if (box.w > 3 * size)
            sk_draw_sign(c->out, s->how == SK_END_FAILED ? SK_SIGN_CROSS : SK_SIGN_AGAIN,
                         (sk_rect){ box.x + box.w - size - 5 * u, box.y + (box.h - size) / 2, size, size }, colour);
    }
    if (box.w > 16 * u && box.h >= 11 * u)
        slice_label(c, s, box, s->blocked ? p->dim : look.text);
    if (s->task == c->in->state->task)
        sk_draw_rect(c->out, (sk_rect){ box.x - 3 * u, box.y - 3 * u, box.w + 6 * u, box.h + 6 * u },
                     &(sk_pen){ .stroke = p->select, .width = 2 * u, .radius = 4 * u });
    sk_draw_hit(c->out, SK_HIT_NONE, 0, NULL);
}

/* Pixels of one colour that follow each other, to be drawn as one. */
typedef struct stripe { float x, end; sk_colour colour; } stripe;

static void flush(const chart *c, stripe *s, float y, float h)
{
    if (s->colour)
        sk_draw_rect(c->out, (sk_rect){ s->x, y, s->end - s->x, h }, &(sk_pen){ .fill = s->colour });
    s->colour = 0;
}

static void pixel(const chart *c, stripe *s, const sk_profile_row *r, float x, float y, float h)
{
    enum { SHADES = 6 };
    const sk_model *m = c->in->model;
    uint32_t longest;
    int64_t from = ns_of(c, x), to = MAX(from + 1, ns_of(c, x + 1)), busy = sk_profile_busy(r, m, from, to, c->in->state->ns, &longest);
    sk_colour colour = 0;
    if (longest != SK_NO_INDEX && busy > 0) {
        uint32_t task = m->slices[longest].task, fn = m->tasks[task].fn;
        float part = ceilf((float)((double)busy / (double)(to - from)) * SHADES) / SHADES;
        if (sk_view_is_dim(c->in, task))
            part *= 0.25f;
        colour = sk_palette_mix(c->in->palette->ground, sk_palette_fn(c->in->palette, fn).fill, 0.2f + 0.8f * part);
    }
    if (colour != s->colour || x > s->end) {
        flush(c, s, y, h);
        *s = (stripe){ x, x, colour };
    }
    s->end = x + 1;
}

static void lane(const chart *c, const sk_profile_row *r, float y, float h)
{
    const sk_model *m = c->in->model;
    const float least = 2; /* pixels: what is narrower is a part of the pixels it is in */
    sk_step now = c->in->state->step;
    float right = MIN(c->plot.x + c->plot.w, x_of(c, c->in->state->ns));
    uint32_t i = sk_profile_from(r, m, c->from);
    stripe s = { 0 };
    i -= i > 0; /* it may reach in */
    for (float x = c->plot.x; x < right && i < r->n;) {
        const sk_model_slice *it = &m->slices[r->slices[i]];
        if (it->begin > now)
            break;
        float begin = x_of(c, sk_model_ns(m, it->begin)), end = it->end <= now ? x_of(c, sk_model_ns(m, it->end)) : right;
        if (end <= x && end < c->plot.x) { /* before what is shown */
            i++;
        } else if (end - begin >= least || it->end > now) {
            flush(c, &s, y, h);
            begin = MAX(begin, c->plot.x - 8);
            slice(c, r->slices[i], (sk_rect){ begin, y, MAX(1, MIN(end, c->plot.x + c->plot.w + 8) - begin), h });
            x = MAX(x, end);
            i++;
        } else { /* this pixel, and on with whoever begins after it */
            float at = MAX(x, floorf(begin));
            pixel(c, &s, r, at, y, h);
            x = at + 1;
            uint32_t next = i + 1;
            if (next < r->n && x_of(c, sk_model_ns(m, m->slices[r->slices[next]].begin)) < x)
                next = MAX(next, sk_profile_from(r, m, ns_of(c, x)));
            if (next > i + 1 && sk_model_ns(m, m->slices[r->slices[next - 1]].end) > ns_of(c, x))
                next--; /* it begins in this pixel, and goes on */
            i = next;
        }
    }
    flush(c, &s, y, h);
}

static void lanes(const chart *c)
{
    const sk_model *m = c->in->model;
    const sk_palette *p = c->in->palette;
    float u = c->in->unit, pad = c->lane >= 12 * u ? 2 * u : c->lane >= 4 ? 1 : 0;
    uint32_t last = UINT32_MAX;
    float named = -1e9f;
    for (uint32_t i = 0; i < c->shown; i++) {
        uint32_t w = m->lanes[c->scroll + i];
        const sk_model_worker *worker = &m->workers[w];
        float y = c->first_lane + (float)i * c->lane;
        char label[32];
        if (worker->node != last && (i == 0 || c->lane >= 8))
            sk_draw_line(c->out, c->in->area.x, y, c->plot.x + c->plot.w, y, &(sk_pen){ .stroke = p->line });
        else if (c->lane >= 8)
            sk_draw_line(c->out, c->plot.x, y, c->plot.x + c->plot.w, y, &(sk_pen){ .stroke = p->grid });
        last = worker->node;
        if (y - named >= 13 * u || c->lane >= 13 * u) {
            sk_rect name = { c->in->area.x + 6 * u, y, c->plot.x - c->in->area.x - 12 * u, MAX(c->lane, 13 * u) };
            sk_draw_hit(c->out, SK_HIT_WORKER, w, NULL);
            sk_draw_rect(c->out, name, &(sk_pen){ 0 }); /* to be clicked */
            sk_draw_label(c->out, name, sk_model_where(m, w, label), SK_FONT, 11 * u, SK_RIGHT, worker->extra ? p->dim : p->text);
            sk_draw_hit(c->out, SK_HIT_NONE, 0, NULL);
            named = y;
        }
        lane(c, &c->profile->rows[w][1], y + pad + (c->lane - 2 * pad) * 0.7f, (c->lane - 2 * pad) * 0.3f);
        lane(c, &c->profile->rows[w][0], y + pad, c->lane - 2 * pad);
    }
}

/* ---- 3. The strip of parallelism ------------------------------------------------------------------------------------------------------ */

/* A word at x, on the side of it where there is more room. */
static void word(const chart *c, float x, float y, const char *text, sk_font font, sk_colour colour)
{
    float u = c->in->unit, wide = sk_draw_width(text, font, 11 * u) + 6 * u, left = x + wide + 4 * u > c->plot.x + c->plot.w ? x - wide : x;
    sk_draw_rect(c->out, (sk_rect){ left + 2 * u, y, wide - 4 * u + 2 * u, 13 * u }, &(sk_pen){ .fill = c->in->palette->ground, .radius = 2 * u });
    sk_draw_text(c->out, left + 4 * u, y + 10.5f * u, text, font, 11 * u, SK_LEFT, colour);
}

/* Nobody is done before this: from the first submission on, all work on all workers, or the longest chain. */
static void bound(const chart *c, int64_t ns, const char *name, int64_t takes, float at, float y, float h, sk_colour colour)
{
    float x = x_of(c, ns);
    char text[48], time[16];
    if (x < c->plot.x || x > c->plot.x + c->plot.w)
        return;
    g_snprintf(text, sizeof text, "%s %s", name, sk_timeline_time(takes, time));
    sk_draw_line(c->out, x, y, x, y + h, &(sk_pen){ .stroke = colour, .width = 1.5f * c->in->unit, .dashed = true });
    word(c, x, at, text, SK_FONT, colour);
}

static void you_are_here(const chart *c, float y)
{
    float x = x_of(c, c->in->state->ns);
    if (x >= c->plot.x && x <= c->plot.x + c->plot.w + 1)
        word(c, x, y, "you are here", SK_FONT_BOLD, c->in->palette->text);
}

static void strip(const chart *c, float y, float h)
{
    const sk_model *m = c->in->model;
    const sk_palette *p = c->in->palette;
    float u = c->in->unit, right = MIN(c->plot.x + c->plot.w, x_of(c, c->in->state->ns));
    uint32_t own = 0;
    for (uint32_t i = 0; i < m->nworkers; i++)
        own += !m->workers[i].extra;
    double most = MAX(1, own ? own : m->nworkers);
    uint32_t n = 0, pixels = right > c->plot.x ? (uint32_t)(right - c->plot.x) : 0;
    g_autofree sk_point *points = g_new(sk_point, 2 * (gsize)pixels + 4);
    int64_t before = sk_profile_work(c->profile, m, c->from);
    points[n++] = (sk_point){ c->plot.x, y + h };
    for (uint32_t i = 0; i < pixels; i++) {
        int64_t from = ns_of(c, c->plot.x + (float)i), to = MAX(from + 1, ns_of(c, c->plot.x + (float)(i + 1)));
        int64_t work = sk_profile_work(c->profile, m, to);
        float high = (float)MIN((double)(work - before) / (double)(to - from) / most, 1.1) * h / 1.1f, top = y + h - high;
        before = work;
        if (n >= 3 && fabsf(points[n - 1].y - top) < 0.05f) {
            points[n - 1].x = c->plot.x + (float)(i + 1);
            continue;
        }
        points[n++] = (sk_point){ c->plot.x + (float)i, top };
        points[n++] = (sk_point){ c->plot.x + (float)(i + 1), top };
    }
    points[n] = (sk_point){ points[n - 1].x, y + h };
    n++;
    if (pixels)
        sk_draw_poly(c->out, points, n, &(sk_pen){ .fill = sk_palette_mix(p->ground, p->select, 0.35f) });
    float full = y + h - h / 1.1f;
    sk_draw_line(c->out, c->plot.x, full, c->plot.x + c->plot.w, full, &(sk_pen){ .stroke = p->dim, .dashed = true });
    sk_draw_line(c->out, c->plot.x, y + h, c->plot.x + c->plot.w, y + h, &(sk_pen){ .stroke = p->line });
    char text[64], a[16];
    const sk_critical *path = sk_critical_of(m);
    int64_t start = m->ntasks ? sk_model_ns(m, m->tasks[0].submitted) : m->first, share = (int64_t)((double)path->work / most);
    if (path->work > 0) {
        bound(c, start + share, "T1/p", share, y + 2 * u, y, h, p->text);
        bound(c, start + path->span, "Tinf", path->span, y + 16 * u, y, h, p->critical);
    }
    you_are_here(c, y + h - 16 * u);
    sk_rect label = { c->in->area.x + 6 * u, y, c->plot.x - c->in->area.x - 12 * u, 14 * u };
    g_snprintf(text, sizeof text, "p = %u", (unsigned)most);
    label.y = full - 7 * u;
    sk_draw_label(c->out, label, text, SK_FONT, 11 * u, SK_RIGHT, p->text);
    const struct { const char *name; int64_t ns; } rows[] = { { "T1", path->work }, { "T1/p", share }, { "Tinf", path->span } };
    for (unsigned i = 0, skip = h < 58 * u; i + skip < G_N_ELEMENTS(rows); i++) {
        label.y = y + h - 14 * u * (float)(G_N_ELEMENTS(rows) - skip - i);
        g_snprintf(text, sizeof text, "%s %s", rows[i + skip].name, sk_timeline_time(rows[i + skip].ns, a));
        sk_draw_label(c->out, label, text, SK_FONT, 11 * u, SK_RIGHT, p->text);
    }
}

/* ---- 4. The driver --------------------------------------------------------------------------------------------------------------------- */

static void driver(const chart *c, float y, float h)
{
    static const char *const hows[] = { "get", "get all", "wait", "wait" };
    const sk_model *m = c->in->model;
    const sk_palette *p = c->in->palette;
    float u = c->in->unit, last = -1;
    sk_draw_label(c->out, (sk_rect){ c->in->area.x + 6 * u, y, c->plot.x - c->in->area.x - 12 * u, h }, "driver", SK_FONT, 11 * u, SK_RIGHT, p->text);
    const sk_profile *waits = c->profile;
    sk_step past = sk_model_step_at(m, c->from); /* what has ended then is not seen */
    for (uint32_t i = 0; i < waits->nwaits; i++) {
        if (i % SK_PROFILE_WAITS == 0 && waits->wait_end[i / SK_PROFILE_WAITS] < past) {
            i += SK_PROFILE_WAITS - 1;
            continue;
        }
        const sk_model_wait *w = &m->waits[waits->waits[i]];
        if (w->begin > c->in->state->step)
            break;
        bool open = w->end > c->in->state->step;
        float x = x_of(c, sk_model_ns(m, w->begin)), end = x_of(c, open ? c->in->state->ns : sk_model_ns(m, w->end));
        if (x > c->plot.x + c->plot.w)
            break;
        if (end < c->plot.x || end <= last)
            continue;
        x = MAX(x, c->plot.x - 8);
        end = MIN(end, c->plot.x + c->plot.w + 8);
        sk_draw_hit(c->out, SK_HIT_SITE, w->site, m->sites[w->site].fn);
        sk_draw_rect(c->out, (sk_rect){ x, y + 2 * u, MAX(1, end - x), h - 4 * u },
                     &(sk_pen){ .fill = end - x < 3 ? p->dim : 0, .stroke = end - x < 3 ? 0 : p->dim, .dashed = true, .radius = 2 * u });
        g_autofree char *text = w->given > 1 ? g_strdup_printf("%s %u of %u", hows[w->how % 4], w->wanted, w->given) : g_strdup(hows[w->how % 4]);
        sk_draw_label(c->out, (sk_rect){ x + 4 * u, y, end - x - 8 * u, h }, text, SK_FONT, 11 * u, SK_LEFT, p->text);
        sk_draw_hit(c->out, SK_HIT_NONE, 0, NULL);
        last = MAX(end, x + 1);
        past = MAX(past, sk_model_step_at(m, ns_of(c, last)));
    }
}

/* ---- 5. Arrows of the selected task ---------------------------------------------------------------------------------------------------- */

/* The middle of the lane where a task ran, or false. */
static bool lane_of(const chart *c, uint32_t task, float *y)
{
    const sk_model *m = c->in->model;
    uint32_t s = sk_model_slice_of(m, task, c->in->state->step);
    for (uint32_t i = 0; s != SK_NO_INDEX && i < c->shown; i++)
        if (m->lanes[c->scroll + i] == m->slices[s].worker) {
            *y = c->first_lane + ((float)i + 0.5f) * c->lane;
            return true;
        }
    return false;
}

static void arrows(const chart *c, uint32_t task)
{
    const sk_model *m = c->in->model;
    const sk_model_task *t = &m->tasks[task];
    float y1, y2;
    if (t->started > c->in->state->step || !lane_of(c, task, &y2))
        return;
    for (unsigned d = 0; d < t->ndeps; d++) {
        uint32_t maker = m->objects[m->deps[t->first_dep + d]].producer;
        if (maker != SK_NO_INDEX && m->tasks[maker].ended <= t->started && lane_of(c, maker, &y1))
            sk_draw_curve(c->out, x_of(c, sk_model_ns(m, m->tasks[maker].ended)), y1, x_of(c, sk_model_ns(m, t->started)), y2,
                          &(sk_pen){ .stroke = c->in->palette->select, .width = 1.5f * c->in->unit, .arrow = true, .across = true });
    }
}

/* ---- 6. The critical path ---------------------------------------------------------------------------------------------------------------- */

/* Its first part that is left at this step or later. */
static uint32_t part_from(const sk_critical *path, sk_step k)
{
    uint32_t low = 0, high = path->npath;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (path->path[middle].left < k)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A frame around each part of it, and arrows from one to the next. What is narrow is drawn once a pixel: so a long path costs its pixels, too. */
static void critical(const chart *c)
{
    const sk_model *m = c->in->model;
    const sk_critical *path = sk_critical_of(m);
    const float u = c->in->unit, pad = c->lane >= 12 * u ? 2 * u : c->lane >= 4 ? 1 : 0, right = c->plot.x + c->plot.w;
    const sk_colour colour = c->in->palette->critical;
    g_autofree uint32_t *row = g_new(uint32_t, (gsize)m->nworkers + 1);
    for (uint32_t i = 0; i < m->nworkers; i++)
        row[m->lanes[i]] = i - c->scroll; /* those above wrap around */
    sk_step last = MIN(c->in->state->step, sk_model_step_at(m, c->to)), now = c->in->state->step;
    float from_x = 0, from_y = -1, drawn = c->plot.x - 8;
    for (uint32_t i = part_from(path, sk_model_step_at(m, c->from)); i < path->npath && path->path[i].at <= last; i++) {
        const sk_critical_part *part = &path->path[i];
        float x = x_of(c, sk_model_ns(m, part->at)), end = part->left > now ? x_of(c, c->in->state->ns) : x_of(c, sk_model_ns(m, part->left));
        if (end < drawn + 1 && i + 1 < path->npath)
            continue;
        uint32_t s = sk_model_slice_of(m, part->task, MIN(part->left, now)), r = s == SK_NO_INDEX ? SK_NO_INDEX : row[m->slices[s].worker];
        if (r >= c->shown) {
            from_y = -1;
            continue;
        }
        float y = c->first_lane + (float)r * c->lane + pad, h = c->lane - 2 * pad, middle = y + h / 2;
        x = MAX(x, c->plot.x - 8), end = MIN(MAX(end, x), right + 8);
        drawn = end;
        if (from_y >= 0 && (fabsf(middle - from_y) > 1 || x - from_x > 4 * u))
            x - from_x < 16 * u ? sk_draw_line(c->out, from_x, from_y, x, middle, &(sk_pen){ .stroke = colour, .width = 2 * u })
                                : sk_draw_curve(c->out, from_x, from_y, x, middle, &(sk_pen){ .stroke = colour, .width = 2 * u, .arrow = c->lane >= 8, .across = true });
        from_x = end, from_y = middle;
        if (end - x >= 5 * u && h >= 5)
            sk_draw_rect(c->out, (sk_rect){ x, y, end - x, h }, &(sk_pen){ .stroke = colour, .width = 2.5f * u, .radius = 2 * u });
        else
            sk_draw_rect(c->out, (sk_rect){ x, y, MAX(end - x, 1.5f), h }, &(sk_pen){ .fill = colour });
    }
}

/* ---- 7. The view ----------------------------------------------------------------------------------------------------------------------- */

/* Where things are. false: there is no room for any of it. */
static bool chart_of(chart *c, void *memory, const sk_view_in *in, sk_draw *out, float *top, float *high)
{
    const sk_model *m = in->model;
    const sk_view_state *s = in->state;
    float u = in->unit, labels = MIN(104 * u, in->area.w / 3);
    *top = in->area.y + 22 * u, *high = in->area.h - 26 * u;
    *c = (chart){ in, out, memory, { in->area.x + labels, *top, in->area.w - labels - 12 * u, *high }, .from = s->from, .to = s->to };
    if (c->to <= c->from) {
        c->from = m->first;
        c->to = MAX(m->last, m->first + 1);
    }
    if (c->plot.w < 8 || *high < 16 * u)
        return false;
    c->strip = *high > 220 * u ? MIN(72 * u, *high / 5) : 0;
    c->driver = *high > 120 * u ? 20 * u : 0;
    c->tray = *high > 200 * u && m->nwaits ? 24 * u : 0;
    c->first_lane = *top + c->strip + c->driver + c->tray + (c->strip > 0 ? 10 * u : 0);
    float room = *top + *high - c->first_lane;
    c->lane = CLAMP(room / MAX(1, (float)m->nworkers), 2, 46 * u);
    c->shown = MIN(m->nworkers, (uint32_t)MAX(1, room / c->lane));
    c->scroll = (uint32_t)CLAMP(s->scroll, 0, (float)(m->nworkers - c->shown));
    return true;
}

/* The time under the mouse stays there; lanes go along with the hand. */
static void move(void *memory, const sk_view_in *in, sk_view_state *s, const sk_view_move *by)
{
    const sk_model *m = in->model;
    chart c;
    float top, high;
    if (!chart_of(&c, memory, in, NULL, &top, &high))
        return;
    double stretch = (double)(c.to - c.from), all = (double)MAX(m->last - m->first, 1), wide = CLAMP(stretch / (double)by->factor, 100, all * 1.2);
    double at = CLAMP((double)(by->x - c.plot.x) / (double)c.plot.w, 0, 1);
    double from = (double)c.from + at * (stretch - wide) - (double)by->dx / (double)c.plot.w * wide;
    from = CLAMP(from, (double)m->first - wide * 0.5, (double)m->last - wide * 0.5); /* never out of sight */
    s->from = (int64_t)from, s->to = (int64_t)(from + wide);
    if (wide >= all && by->factor < 1)
        s->from = s->to = 0; /* all of it */
    s->scroll = CLAMP(s->scroll - by->dy / c.lane, 0, (float)(m->nworkers - c.shown));
}

/* Where the picture is in time. The tray is not on the axis, and what is written there and above is to be read. */
static void cursor(const chart *c, float top, float high)
{
    float u = c->in->unit, now = x_of(c, c->in->state->ns), tray = c->first_lane - c->tray;
    const sk_pen line = { .stroke = c->in->palette->now, .width = 1.5f * u };
    if (c->in->state->ns >= c->in->model->last || now < c->plot.x || now > c->plot.x + c->plot.w)
        return;
    if (c->tray > 0)
        sk_draw_line(c->out, now, top, now, tray, &line);
    sk_draw_line(c->out, now, c->tray > 0 ? c->first_lane : top, now, top + high, &line);
    sk_draw_poly(c->out, (sk_point[]){ { now - 5 * u, top - u }, { now + 5 * u, top - u }, { now, top + 6 * u } }, 3, &(sk_pen){ .fill = line.stroke });
}

static void draw(void *memory, const sk_view_in *in, sk_draw *out)
{
    const sk_model *m = in->model;
    const sk_view_state *s = in->state;
    const sk_palette *p = in->palette;
    float u = in->unit, top, high;
    chart c;
    sk_profile_follow(memory, m);
    if (!chart_of(&c, memory, in, out, &top, &high))
        return;
    if (m->first == m->last) {
        sk_draw_label(out, in->area, m->nsteps ? "no time passes in this run: on virtual, plain C takes none (skate run --cost live charges it)" : "nothing has happened yet",
                      SK_FONT, 14 * u, SK_CENTRE, p->dim);
        return;
    }
    axis(&c, top, top + high);
    sk_draw_layer(out, SK_LAYER_BOXES);
    if (c.strip > 0)
        strip(&c, top + 4 * u, c.strip);
    if (c.driver > 0)
        driver(&c, c.first_lane - c.tray - c.driver, c.driver);
    if (c.tray > 0)
        sk_tray_draw(in, out, (sk_rect){ in->area.x + 6 * u, c.first_lane - c.tray, c.plot.x - in->area.x - 12 * u, c.tray },
                     (sk_rect){ c.plot.x, c.first_lane - c.tray, c.plot.w, c.tray });
    lanes(&c);
    if (c.shown < m->nworkers) {
        g_autofree char *more = g_strdup_printf("workers %u to %u of %u", c.scroll + 1, c.scroll + c.shown, m->nworkers);
        float w = sk_draw_width(more, SK_FONT_BOLD, 11 * u) + 12 * u;
        sk_draw_layer(out, SK_LAYER_ABOVE);
        sk_draw_rect(out, (sk_rect){ in->area.x + in->area.w - w, top + high - 18 * u, w, 18 * u }, &(sk_pen){ .fill = p->ground });
        sk_draw_text(out, in->area.x + in->area.w - 6 * u, top + high - 5 * u, more, SK_FONT_BOLD, 11 * u, SK_RIGHT, p->text);
    }
    sk_draw_layer(out, SK_LAYER_ABOVE);
    if (s->critical)
        critical(&c);
    if (s->task != SK_NO_INDEX && s->task < m->ntasks)
        arrows(&c, s->task);
    cursor(&c, top, high);
}

static void *open_memory(void) { return g_new0(sk_profile, 1); }
static void close_memory(void *memory)
{
    sk_profile_clear(memory);
    g_free(memory);
}

const sk_view sk_view_timeline = { "timeline", "Timeline", '3', open_memory, close_memory, draw, move };
