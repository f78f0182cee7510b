/* view_compare.c -- two to four runs on one time axis, and how they differ: a lane a run (how many tasks of which function ran at once, and when
 * it was over), where the time of the workers went, figures, and sentences.
 *
 * The idea: time begins at the first submission of each run. Or, turned (Z), each run is drawn as long as the one that the other views show: then it
 * is seen what takes the same part of each. A function has one colour in all runs (runs.h). state.from and .to
 * are times of that run; the lanes of all others go along.
 *
 * Reading order: 1 where things are; 2 the lanes; 3 the view. Figures and sentences: view_figures.c. */
#include <math.h>
#include <string.h>

#include <glib.h>

#include "timeline.h"
#include "view.h"
#include "view_figures.h"
#include "work.h"

enum { STACKED = 24 }; /* functions that are told apart; the others are grey */

typedef struct memory {
    sk_compare *compare;
    const sk_model *of[SK_RUNS];
    sk_step steps[SK_RUNS];
    sk_work work[SK_RUNS];
} memory;

typedef struct chart {
    const sk_view_in *in;
    sk_draw *out;
    memory *mem;
    const sk_compare *c;
    unsigned current;             /* the run that the other views show */
    double from, to, all;         /* of the axis that is seen, and of all of it: ns since the first submission, as long as the current run's */
    bool whole;                   /* all of it */
    sk_rect plot, words, figures; /* of time; of sentences; of the rest. h 0: they follow the sentences */
    uint32_t top;                 /* of what is listed in `words`: the first that is seen */
    bool instead;                 /* the area is too low for both: the list is seen when it is scrolled to, in place of the lanes */
    float lane, gap;
} chart;

/* ---- 1. Where things are ---------------------------------------------------------------------------------------------------------------- */

/* How much longer the time of a run is drawn than it is. */
static double stretch(const chart *c, unsigned run)
{
    int64_t own = c->c->run[run].makespan, shown = c->c->run[c->current].makespan;
    return c->in->state->normal && own > 0 && shown > 0 ? (double)shown / (double)own : 1;
}

/* ns: since the first submission of the run. */
static float x_of(const chart *c, unsigned run, int64_t ns)
{
    return c->plot.x + (float)(((double)ns * stretch(c, run) - c->from) / (c->to - c->from) * (double)c->plot.w);
}

static int64_t ns_of(const chart *c, unsigned run, float x)
{
    return (int64_t)((c->from + (double)(x - c->plot.x) / (double)c->plot.w * (c->to - c->from)) / stretch(c, run));
}

static float lane_y(const chart *c, unsigned run) { return c->plot.y + (float)run * (c->lane + c->gap); }

static void follow(memory *mem, const sk_runs *runs)
{
    bool same = mem->compare && mem->compare->n == runs->n;
    for (unsigned i = 0; i < runs->n; i++) {
        same = same && mem->of[i] == runs->model[i] && mem->steps[i] == runs->model[i]->nsteps;
        if (mem->of[i] != runs->model[i])
            sk_work_clear(&mem->work[i]);
        sk_work_follow(&mem->work[i], runs->model[i]);
        mem->of[i] = runs->model[i], mem->steps[i] = runs->model[i]->nsteps;
    }
    if (same)
        return;
    sk_compare_free(mem->compare);
    mem->compare = sk_compare_new(runs);
}

static const char *length_of(const chart *c, unsigned run, char text[32])
{
    const sk_compare_run *r = &c->c->run[run];
    char time[16];
    g_snprintf(text, 32, "%s%s", sk_timeline_time(r->makespan, time), r->spent.open ? " so far" : "");
    return text;
}

/* The axis goes on behind the longest run, for the times that are written behind the ends. */
static double axis_of_all(const chart *c)
{
    double all = 1;
    char text[32];
    for (unsigned i = 0; i < c->c->n; i++) {
        float u = c->in->unit, wide = sk_draw_width(length_of(c, i, text), SK_FONT_BOLD, 11 * u) + 9 * u;
        double room = MAX(c->plot.w - wide, c->plot.w / 2);
        all = MAX(all, (double)c->c->run[i].makespan * stretch(c, i) * MAX(1.06, (double)c->plot.w / room));
    }
    return all;
}

/* How far the list can be scrolled: in place of the lanes, they come first. */
static uint32_t last_listed(const chart *c)
{
    uint32_t n = sk_figures_listed(c->c, c->figures.h <= 0);
    return c->instead ? n : MAX(n, 1) - 1;
}

/* false: there are no two runs, or there is no room. */
static bool chart_of(chart *c, memory *mem, const sk_view_in *in, sk_draw *out)
{
    const sk_view_state *s = in->state;
    float u = in->unit, w = in->area.w, h = in->area.h;
    if (!s->runs || s->runs->n < 2)
        return false;
    follow(mem, s->runs);
    *c = (chart){ .in = in, .out = out, .mem = mem, .c = mem->compare, .gap = 9 * u };
    unsigned n = c->c->n;
    for (unsigned i = 0; i < n; i++)
        c->current = s->runs->model[i] == in->model ? i : c->current;
    float labels = MIN(176 * u, w * 0.3f), axis = h > 100 * u ? 22 * u : 0, below = h > 230 * u ? MIN(h * 0.48f, 330 * u) : h > 60 * u ? 19 * u : 0;
    c->instead = h <= 230 * u;
    c->lane = (h - axis - below) / (float)n - c->gap;
    if (c->lane > 92 * u) {
        below += (c->lane - 92 * u) * (float)n;
        c->lane = 92 * u;
    }
    c->plot = (sk_rect){ in->area.x + labels, in->area.y + axis, w - labels - 12 * u, (c->lane + c->gap) * (float)n };
    int64_t start = c->c->run[c->current].spent.from;
    c->whole = s->to <= s->from;
    c->all = axis_of_all(c);
    c->from = c->whole ? 0 : (double)(s->from - start);
    c->to = c->whole ? c->all : (double)(s->to - start);
    sk_rect rest = { in->area.x + 12 * u, c->plot.y + c->plot.h, w - 24 * u, in->area.y + h - c->plot.y - c->plot.h };
    bool two = w > 820 * u;
    float half = two ? rest.h : rest.h * 0.5f;
    bool listed = c->instead || half < ((float)n * 19 + 112) * u; /* no room for the bars, and some rows of the table */
    c->words = (sk_rect){ rest.x, rest.y, two && !listed ? rest.w * 0.5f - 14 * u : rest.w, two || listed ? rest.h : half };
    c->figures = two ? (sk_rect){ rest.x + rest.w * 0.5f, rest.y, rest.w * 0.5f, half } : (sk_rect){ rest.x, rest.y + half, rest.w, half };
    if (listed)
        c->figures.h = 0;
    float at = CLAMP(s->scroll, 0, (float)last_listed(c));
    c->top = (uint32_t)at;
    if (c->instead && c->top > 0) {
        c->words = (sk_rect){ rest.x, in->area.y, rest.w, h };
        c->top--;
    }
    return c->plot.w > 8 && c->lane > 4;
}

/* By function that is compared: the current run's of that name, which can be picked out; SK_NO_INDEX: it has none. The caller's. */
static uint32_t *functions_here(const chart *c)
{
    uint32_t *here = g_new(uint32_t, (gsize)c->c->nfns + 1);
    memset(here, 0xff, c->c->nfns * sizeof *here);
    for (uint32_t f = c->in->model->nfns; f-- > 0;)
        here[c->c->fn_of[c->current][f]] = f;
    return here;
}

/* ---- 2. The lanes ------------------------------------------------------------------------------------------------------------------------ */

static void axis(const chart *c)
{
    const sk_palette *p = c->in->palette;
    float u = c->in->unit, bottom = c->plot.y + c->plot.h - c->gap;
    double all = (double)MAX(c->c->run[c->current].makespan, 1), unit = c->in->state->normal ? all / 100 : 1;
    double least = (c->to - c->from) / unit * 90.0 * (double)u / (double)c->plot.w, step = pow(10, floor(log10(MAX(least, 1e-9))));
    step *= step * 2 >= least ? 2 : step * 5 >= least ? 5 : 10;
    if (step / 2 >= least)
        step /= 2;
    for (double t = ceil(c->from / unit / step) * step; t * unit <= c->to; t += step) {
        char text[24];
        float x = c->plot.x + (float)((t * unit - c->from) / (c->to - c->from) * (double)c->plot.w);
        if (c->in->state->normal)
            g_snprintf(text, sizeof text, "%g %%", t);
        else
            sk_timeline_time((int64_t)t, text);
        sk_draw_line(c->out, x, c->plot.y, x, bottom, &(sk_pen){ .stroke = p->grid });
        if (c->plot.y > c->in->area.y && x + 60 * u < c->plot.x + c->plot.w)
            sk_draw_text(c->out, x + 3 * u, c->plot.y - 6 * u, text, SK_FONT, 11 * u, SK_LEFT, p->dim);
    }
    if (c->plot.y > c->in->area.y && c->plot.x > 100 * u)
        sk_draw_label(c->out, (sk_rect){ c->in->area.x + 12 * u, c->in->area.y, c->plot.x - c->in->area.x - 20 * u, 22 * u },
                      c->in->state->normal ? "parts of each (Z: time)" : "since first task (Z: parts)", SK_FONT, 10 * u, SK_LEFT, p->dim);
}

static void label(const chart *c, unsigned i)
{
    const sk_compare_run *r = &c->c->run[i];
    const sk_palette *p = c->in->palette;
    float u = c->in->unit, y = lane_y(c, i), line = 15 * u;
    sk_rect box = { c->in->area.x + 5 * u, y, c->plot.x - c->in->area.x - 10 * u, c->lane };
    char time[16];
    const char *path = c->in->state->runs->path[i];
    g_autofree char *program = g_path_get_basename(r->m->program), *file = g_path_get_basename(path ? path : "?");
    g_autofree char *where = g_strdup_printf("%s, %u worker%s", r->m->backend, r->spent.workers, r->spent.workers == 1 ? "" : "s");
    g_autofree char *what = g_strdup_printf("%s, %s", program, file);
    g_autofree char *length = g_strdup_printf("%s%s%s", sk_timeline_time(r->makespan, time), r->state ? ", " : "", r->state ? r->state : "");
    g_autofree char *tip = g_strdup_printf("%s\n%s on %s\n%u tasks in %s%s%s\nclick: the other views show this run", path ? path : "?", program,
                                           where, r->tasks, sk_timeline_time(r->makespan, time), r->state ? ", " : "", r->state ? r->state : "");
    sk_draw_hit(c->out, SK_HIT_RUN, i, tip);
    sk_draw_rect(c->out, box, &(sk_pen){ .fill = i == c->current ? p->panel : 0, .stroke = i == c->current ? p->select : 0, .radius = 4 * u });
    sk_draw_hit(c->out, SK_HIT_NONE, 0, NULL);
    const struct {
        const char *text;
        sk_font font;
        sk_colour colour;
    } lines[] = { { r->name, SK_FONT_BOLD, p->text },
                  { length, SK_FONT, r->state ? p->failed : p->text },
                  { where, SK_FONT, p->text },
                  { what, SK_FONT, p->dim } };
    unsigned n = CLAMP((int)((c->lane + 2 * u) / line), 1, (int)G_N_ELEMENTS(lines)); /* the others are in the tooltip */
    float pad = MAX(0, (c->lane - (float)n * line) / 2);
    for (unsigned k = 0; k < n; k++)
        sk_draw_label(c->out, (sk_rect){ box.x + 7 * u, y + pad + (float)k * line, MAX(0, box.w - 12 * u), MIN(line, c->lane) }, lines[k].text,
                      lines[k].font, MIN(12 * u, c->lane * 0.8f), SK_LEFT, lines[k].colour);
}

/* Neighbouring columns of the same height are one box. */
typedef struct layer {
    float x, end, y, h;
} layer;

static void flush(const chart *c, const layer *l, uint32_t f, uint32_t here)
{
    const sk_palette *p = c->in->palette;
    sk_look own = f < STACKED ? sk_palette_look(p, f) : (sk_look){ .fill = p->dim };
    bool known = f < STACKED && here != SK_NO_INDEX;
    if (l->h <= 0 || l->end <= l->x)
        return;
    if (sk_view_is_grey(c->in, here))
        own.fill = sk_palette_mix(own.fill, p->ground, 0.8f), own.pattern = 0;
    sk_draw_hit(c->out, known ? SK_HIT_FN : SK_HIT_NONE, here, f < STACKED ? c->c->fns[f].name : NULL);
    sk_draw_rect(c->out, (sk_rect){ l->x, l->y, l->end - l->x, l->h },
                 &(sk_pen){ .fill = own.fill, .pattern = l->end - l->x >= 6 && l->h >= 6 ? own.pattern : 0 });
    sk_draw_hit(c->out, SK_HIT_NONE, 0, NULL);
}

/* How long each function had run in this run, at this time since its first submission. */
static void sums(const chart *c, unsigned run, int64_t ns, int64_t *sum, uint32_t n)
{
    const sk_compare_run *r = &c->c->run[run];
    const int64_t *ran = sk_work_at(&c->mem->work[run], r->m, MIN(r->spent.from + ns, r->spent.to));
    memset(sum, 0, n * sizeof *sum);
    for (uint32_t g = 0; g < r->m->ngroups; g++)
        sum[MIN(c->c->fn_of[run][r->m->groups[g].fn], n - 1)] += ran[g];
}

/* Functions lie on top of each other, each as high as many of its tasks ran at once. `most`: as many as fill the lane. */
static void stack(const chart *c, unsigned run, const uint32_t *here, double most, float y, float h)
{
    const uint32_t n = MIN(c->c->nfns, STACKED + 1);
    float step = MAX(1, floorf(2 * c->in->unit)), right = MIN(c->plot.x + c->plot.w, x_of(c, run, c->c->run[run].makespan));
    int64_t before[STACKED + 1], after[STACKED + 1];
    layer open[STACKED + 1] = { { 0, 0, 0, 0 } };
    int64_t from = MAX(0, ns_of(c, run, c->plot.x));
    float x = MAX(c->plot.x, x_of(c, run, 0));
    if (!n || x >= right)
        return;
    sums(c, run, from, before, n);
    for (; x < right; x += step) {
        float end = MIN(x + step, right), top = y + h;
        int64_t to = MAX(from + 1, ns_of(c, run, end));
        sums(c, run, to, after, n);
        for (uint32_t f = 0; f < n; f++) {
            float high = (float)MIN((double)(after[f] - before[f]) / (double)(to - from) / most, 1.1) * h;
            high = MIN(high, top - y);
            top -= high;
            if (fabsf(open[f].y - top) > 0.1f || fabsf(open[f].h - high) > 0.1f || open[f].end < x - 0.5f) {
                flush(c, &open[f], f, here[f]);
                open[f] = (layer){ x, end, top, high };
            }
            open[f].end = end;
        }
        memcpy(before, after, sizeof before);
        from = to;
    }
    for (uint32_t f = 0; f < n; f++)
        flush(c, &open[f], f, here[f]);
}

static void lane(const chart *c, unsigned i, const uint32_t *here)
{
    const sk_compare_run *r = &c->c->run[i];
    const sk_palette *p = c->in->palette;
    float u = c->in->unit, y = lane_y(c, i), bar = c->lane > 24 * u ? 12 * u : 0, h = c->lane - bar, right = c->plot.x + c->plot.w;
    uint32_t most = r->spent.workers, least = MAX(r->spent.workers, 1);
    char text[32];
    for (unsigned k = 0; k < c->c->n; k++)
        most = MAX(most, c->c->run[k].spent.workers), least = MIN(least, MAX(c->c->run[k].spent.workers, 1));
    if (most > 8 * least) /* one scale for all would leave nothing to see of some */
        most = r->spent.workers;
    stack(c, i, here, MAX(most, 1), y, h);
    float full = y + h - h * (float)r->spent.workers / (float)MAX(most, 1), end = x_of(c, i, r->makespan), begin = MAX(c->plot.x, x_of(c, i, 0));
    sk_draw_line(c->out, c->plot.x, full, right, full, &(sk_pen){ .stroke = p->dim, .dashed = true });
    sk_draw_line(c->out, c->plot.x, y + h, right, y + h, &(sk_pen){ .stroke = p->line });
    if (bar > 0 && end >= c->plot.x && begin <= right) { /* the makespan */
        float wide = sk_draw_width(length_of(c, i, text), SK_FONT_BOLD, 11 * u) + 8 * u, shown = MIN(end, right);
        sk_draw_rect(c->out, (sk_rect){ begin, y + h + 3 * u, MAX(1, shown - begin), 4 * u },
                     &(sk_pen){ .fill = r->state ? p->failed : p->text });
        if (end <= right && !r->spent.open) /* else it is not the end */
            sk_draw_rect(c->out, (sk_rect){ end - u, y, 2 * u, h + 8 * u }, &(sk_pen){ .fill = r->state ? p->failed : p->text });
        if (end + wide < right)
            sk_draw_text(c->out, end + 6 * u, y + h + 9 * u, text, SK_FONT_BOLD, 11 * u, SK_LEFT, p->text);
    }
}

/* ---- 3. The view ------------------------------------------------------------------------------------------------------------------------- */

static void how_to(const sk_view_in *in, sk_draw *out)
{
    float u = in->unit, wide = MIN(560 * u, in->area.w - 24 * u);
    sk_rect box = { in->area.x + (in->area.w - wide) / 2, in->area.y + in->area.h * 0.3f, MAX(0, wide), in->area.h * 0.65f };
    static const char *const lines[] = {
        "This view puts two to four runs on one time axis, and says in words how they differ. Here is but one.",
        "skate run --backend threads --trace a.sktrace ./program",
        "skate run --backend tcp --nodes 2 --trace b.sktrace ./program",
        "skate view a.sktrace b.sktrace",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++) {
        float high =
            sk_draw_paragraph(out, box, lines[i], i ? SK_FONT_MONO : SK_FONT, (i ? 12 : 14) * u, i ? in->palette->text : in->palette->dim) +
            8 * u;
        box.y += high, box.h = MAX(0, box.h - high);
    }
}

/* Below lanes that leave no room for it. */
static void what_else(const chart *c)
{
    uint32_t n = c->c->words->len;
    g_autofree char *words = g_strdup_printf("Down, or drag: %u sentence%s, and the figures", n, n == 1 ? "" : "s");
    sk_draw_label(c->out, (sk_rect){ c->words.x, c->words.y, c->words.w, MIN(c->words.h, 17 * c->in->unit) }, words, SK_FONT, 11 * c->in->unit, SK_LEFT,
                  c->in->palette->dim);
}

static void draw(void *mine, const sk_view_in *in, sk_draw *out)
{
    const sk_palette *p = in->palette;
    float u = in->unit;
    chart c;
    if (!in->state->runs || in->state->runs->n < 2) {
        how_to(in, out);
        return;
    }
    if (!chart_of(&c, mine, in, out))
        return;
    g_autofree uint32_t *here = functions_here(&c);
    if (c.instead && in->state->scroll >= 1) {
        sk_draw_layer(out, SK_LAYER_BOXES);
        sk_figures_list(in, out, c.c, c.words, c.top, here);
        return;
    }
    axis(&c);
    sk_draw_layer(out, SK_LAYER_BOXES);
    sk_draw_clip(out, (sk_rect){ c.plot.x, in->area.y, c.plot.w + 10 * u, c.plot.y + c.plot.h - in->area.y });
    for (unsigned i = 0; i < c.c->n; i++)
        lane(&c, i, here);
    float now = x_of(&c, c.current, in->state->ns - c.c->run[c.current].spent.from);
    if (in->state->ns != in->model->last && now >= c.plot.x && now <= c.plot.x + c.plot.w)
        sk_draw_line(out, now, c.plot.y, now, c.plot.y + c.plot.h - c.gap, &(sk_pen){ .stroke = p->now, .width = 1.5f * u });
    sk_draw_clip(out, in->area);
    for (unsigned i = 0; i < c.c->n; i++)
        label(&c, i);
    sk_draw_clip(out, c.words);
    if (c.instead)
        what_else(&c);
    else
        sk_figures_list(in, out, c.c, c.words, c.top, c.figures.h > 0 ? NULL : here);
    sk_draw_clip(out, in->area);
    if (c.figures.h > 0) {
        float high = sk_figures_spent(in, out, c.c, c.figures);
        sk_figures_table(in, out, c.c, (sk_rect){ c.figures.x, c.figures.y + high, c.figures.w, c.figures.h - high }, here, SK_FIXED_ROWS);
    }
}

/* The time under the mouse stays there, in all lanes; up and down goes through the sentences. */
static void move(void *mine, const sk_view_in *in, sk_view_state *s, const sk_view_move *by)
{
    chart c;
    if (by->turn) {
        s->normal = !s->normal;
        s->from = s->to = 0;
        return;
    }
    if (!chart_of(&c, mine, in, NULL))
        return;
    int64_t start = c.c->run[c.current].spent.from;
    double all = c.all, wide = (c.to - c.from) / (double)by->factor;
    wide = CLAMP(wide, 100, all * 1.2);
    double at = CLAMP((double)(by->x - c.plot.x) / (double)c.plot.w, 0, 1);
    double from = c.from + at * (c.to - c.from - wide) - (double)by->dx / (double)c.plot.w * wide;
    from = CLAMP(from, -wide * 0.5, all - wide * 0.5); /* never out of sight */
    if ((wide >= all && by->factor < 1) || (c.whole && by->dx == 0 && by->factor == 1)) {
        s->from = s->to = 0; /* all of it */
    } else {
        s->from = start + (int64_t)from, s->to = start + (int64_t)(from + wide);
    }
    s->scroll = CLAMP(s->scroll - by->dy / MIN(50 * in->unit, in->area.h / 8), 0, (float)last_listed(&c)); /* Down is an eighth: one at least */
}

static void *open_memory(void) { return g_new0(memory, 1); }
static void close_memory(void *mine)
{
    memory *mem = mine;
    sk_compare_free(mem->compare);
    for (unsigned i = 0; i < SK_RUNS; i++)
        sk_work_clear(&mem->work[i]);
    g_free(mem);
}

const sk_view sk_view_compare = { "compare", "Compare", '6', open_memory, close_memory, draw, move };
