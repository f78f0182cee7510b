/* view_stats.c -- the run in numbers: where the time of the workers went, how far each function is, and how long its tasks ran.
 *
 * The idea: three parts below each other. A bar of workers x time, in four shares (spent.h says what each is). A line a function: a bar of its
 * tasks by their state, then how often and how long they ran; a click picks it out. And a histogram of how long tasks ran, of that function or
 * of all, on a scale on which each octave is as wide as the next. All of it up to the time shown; a frame costs some searches (stats.h, spent.h,
 * sk_model_count), however long the run is.
 *
 * Reading order: 1 where the time went; 2 a line a function; 3 the histogram; 4 the view. */
#include <math.h>
#include <string.h>

#include <glib.h>

#include "stats.h"
#include "timeline.h"
#include "view.h"

typedef struct page {
    const sk_view_in *in;
    sk_draw *out;
    const sk_run_stats *stats;
    float u, x, w;              /* from x on everything is this wide */
} page;

static void heading(const page *g, float y, const char *text, const char *more)
{
    float u = g->u, wide = sk_draw_width(text, SK_FONT_BOLD, 13 * u) + 14 * u;
    sk_draw_label(g->out, (sk_rect){ g->x, y, g->w, 20 * u }, text, SK_FONT_BOLD, 13 * u, SK_LEFT, g->in->palette->text);
    sk_draw_label(g->out, (sk_rect){ g->x + wide, y, MAX(g->w - wide, 0), 20 * u }, more, SK_FONT, 11 * u, SK_LEFT, g->in->palette->dim);
}

/* ---- 1. Where the time went ------------------------------------------------------------------------------------------------------------ */

/* Whole, the bar, and in words: so high. */
static float where_height(const page *g, float room) { return room >= 200 * g->u ? 76 * g->u : room >= 70 * g->u ? 50 * g->u : 0; }

static void share(const page *g, unsigned index, const char *name, const char *words, int64_t ns, double part, sk_rect box, const sk_pen *look)
{
    float u = g->u;
    char time[16];
    g_autofree char *tip = g_strdup_printf("%s: %s, %.1f %%\n%s", name, sk_timeline_time(ns, time), 100 * part, words);
    g_autofree char *label = g_strdup_printf("%s %.0f %%", name, 100 * part);
    float w = sk_draw_width(label, SK_FONT, 11 * u) + 8 * u;
    sk_draw_hit(g->out, SK_HIT_PART, index, tip);
    sk_draw_rect(g->out, box, &(sk_pen){ .fill = look->fill, .stroke = box.w >= 4 ? look->stroke : 0, .pattern = box.w >= 8 ? look->pattern : 0 });
    if (w + 6 * u <= box.w) {
        if (look->pattern)
            sk_draw_rect(g->out, (sk_rect){ box.x + (box.w - w) / 2, box.y + 4 * u, w, box.h - 8 * u }, &(sk_pen){ .fill = look->fill, .radius = 2 * u });
        sk_draw_label(g->out, box, label, SK_FONT, 11 * u, SK_CENTRE, g->in->palette->text);
    }
    sk_draw_hit(g->out, SK_HIT_NONE, 0, NULL);
}

static void where_part(const page *g, float y, bool words)
{
    const sk_palette *p = g->in->palette;
    sk_spent t = sk_spent_at(&g->stats->spent, g->in->model, g->in->state->step, g->in->state->ns);
    float u = g->u, x = g->x, next = g->x, bar = 24 * u;
    const struct { const char *name, *words; int64_t ns; } part[SK_SHARES] = {
        { "compute", "workers that ran a task", t.compute },
        { "transfer", "workers without a task, as many as objects were on their way", t.transfer },
        { "scheduling", "workers without a task, as many of the rest as tasks were ready", t.scheduling },
        { "idle", "the other workers: there was too little to do", t.idle },
    };
    char all[16], time[16];
    g_autofree char *beyond = t.beyond > 0 ? g_strdup_printf("; and %s beyond, in place of workers whose tasks wait", sk_timeline_time(t.beyond, time)) : g_strdup("");
    g_autofree char *more = g_strdup_printf("workers x time, first submission to %s: %s%s", t.open ? "now" : "last end", sk_timeline_time(t.all, all), beyond);
    heading(g, y, "Where the time of the workers went", more);
    y += 24 * u;
    sk_draw_rect(g->out, (sk_rect){ g->x, y, g->w, bar }, &(sk_pen){ .fill = p->panel, .stroke = p->line });
    if (t.all <= 0)
        sk_draw_label(g->out, (sk_rect){ g->x, y, g->w, bar }, "no time has passed", SK_FONT, 11 * u, SK_CENTRE, p->dim);
    for (unsigned i = 0; i < G_N_ELEMENTS(part); i++) {
        double of = t.all > 0 ? (double)part[i].ns / (double)t.all : 0;
        float wide = (float)of * g->w;
        sk_look share_look = sk_palette_share(p, i);
        sk_pen look = { .fill = share_look.fill, .pattern = share_look.pattern, .stroke = p->line };
        if (of > 0)
            share(g, i, part[i].name, part[i].words, part[i].ns, of, (sk_rect){ x, y, MAX(wide, 1), bar }, &look);
        x += wide;
        g_autofree char *label = g_strdup_printf("%s %s", part[i].name, sk_timeline_time(part[i].ns, time));
        wide = sk_draw_width(label, SK_FONT, 11 * u);
        if (!words || next + wide + 16 * u > g->x + g->w)
            continue;
        sk_draw_rect(g->out, (sk_rect){ next, y + 33 * u, 11 * u, 11 * u }, &look);
        sk_draw_text(g->out, next + 16 * u, y + 42 * u, label, SK_FONT, 11 * u, SK_LEFT, p->dim);
        next += wide + 36 * u;
    }
}

/* ---- 2. A line a function -------------------------------------------------------------------------------------------------------------- */

typedef struct by_state { uint32_t n[SK_TASK_CANCELLED + 1], all; } by_state;

/* Of each function; [nfns]: of all. */
static by_state *count(const sk_view_in *in)
{
    const sk_model *m = in->model;
    by_state *of = g_new0(by_state, m->nfns + 1);
    sk_model_counts c;
    sk_model_count(m, in->state->step, &c);
    for (uint32_t i = 0; i < c.ngroups; i++)
        for (unsigned s = SK_TASK_WAITING; s <= SK_TASK_CANCELLED; s++) {
            of[m->groups[i].fn].n[s] += c.group[i][s], of[m->groups[i].fn].all += c.group[i][s];
            of[m->nfns].n[s] += c.group[i][s], of[m->nfns].all += c.group[i][s];
        }
    return of;
}

enum { COLUMNS = 8, ROW = 24 };
typedef struct table { float name, bar, bar_w, column[COLUMNS]; unsigned columns; } table; /* where they end, from the left */

/* What there is room for: numbers are left out before the bar gets too short. */
static table table_of(const page *g)
{
    float u = g->u, each = 68 * u, least = 150 * u;
    table t = { .name = MIN(150 * u, g->w * 0.3f) };
    t.columns = (unsigned)CLAMP((g->w - t.name - least) / each, 0, COLUMNS);
    t.bar = g->x + t.name + 8 * u, t.bar_w = g->w - t.name - 8 * u - each * (float)t.columns - 8 * u;
    for (unsigned i = 0; i < t.columns; i++)
        t.column[i] = g->x + g->w - each * (float)(t.columns - 1 - i);
    return t;
}

/* From what is over to what is still to come, each in the look of its state. */
static void progress(const page *g, const by_state *c, uint32_t fn, sk_rect box)
{
    static const uint8_t order[] = { SK_TASK_DONE, SK_TASK_FAILED, SK_TASK_CANCELLED, SK_TASK_RUNNING, SK_TASK_BLOCKED, SK_TASK_READY, SK_TASK_WAITING };
    const sk_palette *p = g->in->palette;
    float u = g->u, x = box.x;
    for (unsigned i = 0; i < G_N_ELEMENTS(order) && c->all; i++) {
        unsigned s = order[i];
        float wide = (float)((double)c->n[s] / (double)c->all) * box.w;
        if (!c->n[s])
            continue;
        sk_look look = sk_palette_task(p, fn == SK_NO_INDEX ? 0 : fn, s, 0);
        if (fn == SK_NO_INDEX && s >= SK_TASK_RUNNING && s <= SK_TASK_DONE) { /* of all: no function's colour */
            look.fill = sk_palette_mix(p->panel, p->dim, s == SK_TASK_DONE ? 0.35f : s == SK_TASK_RUNNING ? 0.15f : 0), look.text = p->text, look.pattern = 0;
            look.stroke = s == SK_TASK_DONE ? p->dim : look.stroke;
        }
        if (s == SK_TASK_FAILED)
            look.fill = sk_palette_mix(p->ground, p->failed, 0.35f);
        if (fn != SK_NO_INDEX && sk_view_is_grey(g->in, fn))
            look.fill = sk_palette_mix(look.fill, p->ground, 0.8f), look.text = p->dim, look.pattern = 0;
        sk_rect part = { x, box.y, MAX(wide, 1), box.h };
        float pen = MIN(look.width * u, wide / 3);
        sk_draw_rect(g->out, (sk_rect){ part.x + pen / 2, part.y + pen / 2, MAX(part.w - pen, 0.5f), part.h - pen },
                     &(sk_pen){ .fill = look.fill, .stroke = wide >= 4 ? look.stroke : 0, .width = pen, .pattern = wide >= 8 ? look.pattern : 0,
                                .dashed = look.dashed && wide >= 8 });
        g_autofree char *text = g_strdup_printf("%u", c->n[s]);
        if (sk_draw_width(text, SK_FONT, 10 * u) + 8 * u <= wide)
            sk_draw_label(g->out, part, text, SK_FONT, 10 * u, SK_CENTRE, look.text);
        x += wide;
    }
}

static void row(const page *g, const table *t, const by_state *c, uint32_t fn, float y)
{
    const sk_model *m = g->in->model;
    const sk_palette *p = g->in->palette;
    float u = g->u;
    sk_rect line = { g->x, y, g->w, ROW * u };
    bool all = fn == SK_NO_INDEX, picked = !all && g->in->state->fn == fn;
    GString *tip = g_string_new(all ? "all functions" : m->fns[fn].signature);
    for (unsigned s = SK_TASK_WAITING; s <= SK_TASK_CANCELLED; s++)
        if (c->n[s])
            g_string_append_printf(tip, "\n%u %s", c->n[s], sk_model_state(s));
    sk_draw_hit(g->out, all ? SK_HIT_PART : SK_HIT_FN, all ? 4 : fn, tip->str);
    sk_draw_rect(g->out, line, picked ? &(sk_pen){ .fill = sk_palette_mix(p->ground, p->select, 0.15f), .radius = 3 * u } : &(sk_pen){ 0 });
    if (!all)
        sk_draw_rect(g->out, (sk_rect){ g->x + 4 * u, y + 6 * u, 12 * u, 12 * u },
                     &(sk_pen){ .fill = sk_palette_fn(p, fn).fill, .pattern = sk_palette_fn(p, fn).pattern, .radius = 2 * u });
    sk_draw_label(g->out, (sk_rect){ g->x + 22 * u, y, t->name - 22 * u, ROW * u }, all ? "all" : m->fns[fn].name, all ? SK_FONT_BOLD : SK_FONT, 12 * u, SK_LEFT,
                  !all && sk_view_is_grey(g->in, fn) ? p->dim : p->text);
    if (t->bar_w > 4)
        progress(g, c, fn, (sk_rect){ t->bar, y + 4 * u, t->bar_w, (ROW - 8) * u });
    sk_times times = sk_run_stats_times(g->stats, fn, g->in->state->step);
    const int64_t value[COLUMNS] = { times.runs, times.total, times.median, times.most, times.mean, times.p95, times.retries, c->n[SK_TASK_FAILED] };
    for (unsigned i = 0; i < t->columns; i++) {
        bool is_time = i >= 1 && i <= 5, loud = i >= 6 && value[i];
        char text[24] = "";
        if (!is_time)
            g_snprintf(text, sizeof text, "%u", (unsigned)value[i]);
        else if (times.runs)
            sk_timeline_time(value[i], text);
        sk_draw_label(g->out, (sk_rect){ t->column[i] - 66 * u, y, 62 * u, ROW * u }, text, loud ? SK_FONT_BOLD : SK_FONT, 11 * u, SK_RIGHT,
                      loud ? (i == 6 ? p->retried : p->failed) : value[i] ? p->text : p->dim);
    }
    sk_draw_hit(g->out, SK_HIT_NONE, 0, NULL);
    g_string_free(tip, TRUE);
}

static float rows(const page *g, float y, float room)
{
    static const char *const names[COLUMNS] = { "runs", "total", "median", "longest", "mean", "95 %", "retries", "failed" };
    static const char *const words[COLUMNS] = { "attempts of tasks that came to their end", "how long they ran together, without the time they were blocked",
                                                "half of them ran no longer (of many: to 3 %)", "of one run", "of a run, on average",
                                                "95 in 100 ran no longer (of many: to 3 %)",
                                                "attempts that were broken off and are tried again", "tasks that failed" };
    const sk_model *m = g->in->model;
    const sk_palette *p = g->in->palette;
    float u = g->u;
    g_autofree by_state *of = count(g->in);
    g_autofree uint32_t *shown = g_new(uint32_t, m->nfns + 1);
    uint32_t n = 0;
    for (uint32_t f = 0; f < m->nfns; f++)
        if (of[f].all)
            shown[n++] = f;
    table t = table_of(g);
    heading(g, y, "Functions", "");
    for (unsigned i = 0; i < t.columns; i++) {
        sk_rect box = { t.column[i] - 66 * u, y, 62 * u, 20 * u };
        g_autofree char *tip = g_strdup_printf("%s\n%s", names[i], words[i]);
        sk_draw_hit(g->out, SK_HIT_PART, 5 + i, tip);
        sk_draw_rect(g->out, box, &(sk_pen){ 0 });
        sk_draw_label(g->out, box, names[i], SK_FONT, 11 * u, SK_RIGHT, p->dim);
        sk_draw_hit(g->out, SK_HIT_NONE, 0, NULL);
    }
    float top = y;
    y += 22 * u;
    uint32_t fits = (uint32_t)MAX((room - 22 * u) / (ROW * u), 0), of_all = fits > 1 && n != 1;
    fits -= MIN(fits, of_all);
    uint32_t first = (uint32_t)CLAMP(g->in->state->scroll, 0, (float)(n - MIN(n, fits)));
    if (of_all)
        row(g, &t, &of[m->nfns], SK_NO_INDEX, y), y += ROW * u;
    for (uint32_t i = first; i < n && i < first + fits; i++, y += ROW * u)
        row(g, &t, &of[shown[i]], shown[i], y);
    if (fits < n) {
        g_autofree char *more = g_strdup_printf("%u to %u of %u", first + 1, MIN(first + fits, n), n);
        float wide = sk_draw_width("Functions", SK_FONT_BOLD, 13 * u) + 12 * u;
        sk_draw_label(g->out, (sk_rect){ g->x + wide, top, 120 * u, 20 * u }, more, SK_FONT, 11 * u, SK_LEFT, p->dim);
    }
    return y;
}

/* ---- 3. The histogram ------------------------------------------------------------------------------------------------------------------ */

static float x_of(sk_rect plot, double low, double octaves, int64_t ns) { return plot.x + (float)((log2((double)MAX(ns, 1)) - low) / octaves) * plot.w; }

static void quantile(const page *g, sk_rect plot, double low, double octaves, int64_t ns, const char *name, float high)
{
    const sk_palette *p = g->in->palette;
    float u = g->u, x = CLAMP(x_of(plot, low, octaves, ns), plot.x, plot.x + plot.w);
    char time[16];
    g_autofree char *text = g_strdup_printf("%s %s", name, sk_timeline_time(ns, time));
    bool left = x + sk_draw_width(text, SK_FONT, 11 * u) + 6 * u > plot.x + plot.w;
    sk_draw_line(g->out, x, plot.y + high, x, plot.y + plot.h, &(sk_pen){ .stroke = p->text, .width = 1.5f * u, .dashed = true });
    sk_draw_text(g->out, left ? x - 4 * u : x + 4 * u, plot.y + high + 9 * u, text, SK_FONT, 11 * u, left ? SK_RIGHT : SK_LEFT, p->text);
}

static void histogram(const page *g, float y, float h)
{
    const sk_model *m = g->in->model;
    const sk_palette *p = g->in->palette;
    const sk_view_state *s = g->in->state;
    enum { EACH = 4, NONE = 16 / EACH }; /* a column is a quarter of an octave; those before NONE are of no time */
    uint32_t fn = s->fn < m->nfns ? s->fn : SK_NO_INDEX, bins[SK_BINS], columns[SK_BINS / EACH], first = UINT32_MAX, last = 0, most = 1, none = 0;
    float u = g->u;
    sk_times times = sk_run_stats_times(g->stats, fn, s->step);
    sk_run_stats_bins(g->stats, fn, s->step, bins);
    for (uint32_t i = 0; i < SK_BINS / EACH; i++) {
        columns[i] = 0;
        for (uint32_t b = i * EACH; b < (i + 1) * EACH; b++)
            columns[i] += bins[b];
        if (i < NONE)
            none += columns[i];
        else if (columns[i])
            first = MIN(first, i), last = i, most = MAX(most, columns[i]);
    }
    g_autofree char *of_none = none ? g_strdup_printf(", %u of them in no time", none) : g_strdup("");
    g_autofree char *what = g_strdup_printf("%s: %u runs%s%s", fn == SK_NO_INDEX ? "all functions" : m->fns[fn].name, times.runs, of_none,
                                            fn == SK_NO_INDEX ? "   (click a function for its own)" : "");
    heading(g, y, "How long tasks ran", what);
    sk_rect plot = { g->x, y + 24 * u, g->w, h - 24 * u - 20 * u };
    sk_draw_line(g->out, plot.x, plot.y + plot.h, plot.x + plot.w, plot.y + plot.h, &(sk_pen){ .stroke = p->line });
    if (first == UINT32_MAX) {
        sk_draw_label(g->out, plot, none ? "no run took any time" : "no run has ended yet", SK_FONT, 12 * u, SK_CENTRE, p->dim);
        return;
    }
    /* One column more on each side, and at least three octaves. */
    int64_t from = sk_bin_from((first - 1) * EACH), to = sk_bin_from(MIN((last + 2) * EACH, SK_BINS - 1));
    double low = log2((double)from), exact = log2((double)MAX(to, from + 1)) - low, octaves = MAX(exact, 3);
    low -= (octaves - exact) / 2;
    for (double decade = floor(low / log2(10)); decade * log2(10) < low + octaves; decade++)
        for (unsigned digit = 1; digit < 10; digit++) {
            double ns = pow(10, decade) * digit;
            bool named = digit == 1 || (octaves < 10 && (digit == 2 || digit == 5));
            float x = plot.x + (float)((log2(ns) - low) / octaves) * plot.w;
            char time[16];
            if (x < plot.x || x > plot.x + plot.w || (!named && octaves > 20))
                continue;
            sk_draw_line(g->out, x, plot.y + (named ? 0 : plot.h - 4 * u), x, plot.y + plot.h, &(sk_pen){ .stroke = p->grid });
            if (named && ns >= 1 && x > plot.x + 10 * u && x < plot.x + plot.w - 14 * u)
                sk_draw_text(g->out, x, plot.y + plot.h + 14 * u, sk_timeline_time((int64_t)(ns + 0.5), time), SK_FONT, 11 * u, SK_CENTRE, p->dim);
        }
    for (uint32_t i = first; i <= last; i++) {
        if (!columns[i])
            continue;
        int64_t begin = sk_bin_from(i * EACH), end = sk_bin_from(MIN((i + 1) * EACH, SK_BINS - 1));
        float x = MAX(x_of(plot, low, octaves, begin), plot.x), wide = MAX(x_of(plot, low, octaves, end) - x, 3);
        float high = MAX((float)columns[i] / (float)most * (plot.h - 26 * u), 1.5f);
        char a[16], b[16];
        g_autofree char *tip = g_strdup_printf("%u run%s\n%s to %s", columns[i], columns[i] == 1 ? "" : "s", sk_timeline_time(begin, a), sk_timeline_time(end, b));
        sk_look look = fn == SK_NO_INDEX ? (sk_look){ .fill = sk_palette_mix(p->panel, p->text, 0.42f) } : sk_palette_fn(p, fn);
        sk_draw_hit(g->out, SK_HIT_PART, 100 + i, tip);
        sk_draw_rect(g->out, (sk_rect){ x, plot.y + plot.h - high, MAX(wide - 1, 2), high }, &(sk_pen){ .fill = look.fill, .pattern = look.pattern });
        sk_draw_hit(g->out, SK_HIT_NONE, 0, NULL);
    }
    if (times.median >= 16)
        quantile(g, plot, low, octaves, times.median, "half in", 0);
    if (times.p95 >= 16 && times.p95 > times.median)
        quantile(g, plot, low, octaves, times.p95, "95 % in", 13 * u);
}

/* ---- 4. The view ----------------------------------------------------------------------------------------------------------------------- */

static void move(void *memory, const sk_view_in *in, sk_view_state *s, const sk_view_move *by)
{
    (void)memory;
    uint32_t n = 0;
    for (uint32_t f = 0; f < in->model->nfns; f++)
        n += in->model->fns[f].tasks > 0;
    s->scroll = CLAMP(s->scroll - by->dy / (ROW * in->unit), 0, (float)(n ? n - 1 : 0));
}

static void draw(void *memory, const sk_view_in *in, sk_draw *out)
{
    float u = in->unit, pad = MIN(14 * u, in->area.w / 12), y = in->area.y + MIN(8 * u, in->area.h / 8), end = in->area.y + in->area.h - MIN(8 * u, in->area.h / 8);
    page g = { in, out, memory, u, in->area.x + pad, in->area.w - 2 * pad };
    sk_run_stats_follow(memory, in->model);
    if (!in->model->nsteps) {
        sk_draw_label(out, in->area, "nothing has happened yet", SK_FONT, 14 * u, SK_CENTRE, in->palette->dim);
        return;
    }
    sk_draw_layer(out, SK_LAYER_BOXES);
    float where = where_height(&g, end - y), below = (end - y - where) * 0.5f, least = 130 * u;
    if (where > 0)
        where_part(&g, y, where >= 76 * u);
    y += where + (where > 0 ? 4 * u : 0);
    float chart = end - y >= 100 * u + least ? MAX(below, least) : 0;
    float after = rows(&g, y, end - y - chart);
    if (chart > 0)
        histogram(&g, after + 12 * u, MIN(end - after - 12 * u, 460 * u));
}

static void *open_memory(void) { return g_new0(sk_run_stats, 1); }
static void close_memory(void *memory)
{
    sk_run_stats_clear(memory);
    g_free(memory);
}

const sk_view sk_view_stats = { "stats", "Stats", '5', open_memory, close_memory, draw, move };
