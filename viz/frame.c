/* frame.c -- the picture around a view: see sk_frame_draw in view.h. From top to bottom: title and tabs; the view, and at its right the
 * inspector if something is selected; the legend; the status line. What does not fit is left out, the view last. */
#include "view.h"

#include <math.h>

#include <glib.h>

#include "critical.h"
#include "timeline.h"

/* ---- Tabs: all of them, narrower if need be; else those that fit, the one that is shown among them, and how many there are besides ---- */

typedef struct tab_look { float size, pad, gap; } tab_look; /* in units */
enum { TAB_LOOKS = 3 };
static const tab_look tab_looks[TAB_LOOKS] = { { 13, 20, 4 }, { 13, 10, 2 }, { 11, 8, 1 } };

static float tab_width(const char *title, const tab_look *l, float u) { return sk_draw_width(title, SK_FONT, l->size * u) + l->pad * u; }

static float all_tabs(const tab_look *l, float u)
{
    float all = 0;
    for (unsigned i = 0; sk_views[i]; i++)
        all += (i ? l->gap * u : 0) + tab_width(sk_views[i]->title, l, u);
    return all;
}

static float least_tabs(const sk_view *view, const tab_look *l, float u) { return tab_width(view->title, l, u) + l->gap * u + tab_width("+ 9", l, u); }

static void tab(const sk_view_in *in, sk_rect box, unsigned to, const char *text, bool here, float size, const char *tip, sk_draw *out)
{
    const sk_palette *p = in->palette;
    float u = in->unit;
    sk_draw_hit(out, SK_HIT_VIEW, to, tip);
    sk_draw_rect(out, box, here ? &(sk_pen){ .fill = p->ground, .stroke = p->line, .radius = 4 * u } : &(sk_pen){ 0 });
    sk_draw_label(out, box, text, here ? SK_FONT_BOLD : SK_FONT, size * u, SK_CENTRE, here ? p->text : p->dim);
    sk_draw_hit(out, SK_HIT_NONE, 0, NULL);
}

static void tabs(const sk_view_in *in, const sk_view *view, const tab_look *l, float x, float right, sk_draw *out)
{
    float u = in->unit, gap = l->gap * u, y = in->area.y + 5 * u, h = in->area.h - 10 * u;
    bool fit = all_tabs(l, u) <= right - x;
    float room = fit ? INFINITY : right - x - least_tabs(view, l, u) - gap;
    unsigned current = 0, hidden = 0, next = 0; /* the next one that is hidden, after the one that is shown, or from the first on */
    while (sk_views[current] && sk_views[current] != view)
        current++;
    for (unsigned i = 0; sk_views[i]; i++) {
        float wide = tab_width(sk_views[i]->title, l, u);
        if (i != current && (hidden || wide + gap > room)) {
            if (!hidden++ || (next < current && i > current))
                next = i;
            continue;
        }
        room -= i != current ? wide + gap : 0;
        tab(in, (sk_rect){ x, y, wide, h }, i, sk_views[i]->title, i == current, l->size, NULL, out);
        x += wide + gap;
    }
    if (!hidden)
        return;
    g_autofree char *more = g_strdup_printf("+ %u", hidden), *tip = g_strdup_printf("%u more view%s: go on to %s", hidden, hidden == 1 ? "" : "s", sk_views[next]->title);
    tab(in, (sk_rect){ x, y, tab_width(more, l, u), h }, next, more, false, l->size, tip, out);
}

static void title(const sk_view_in *in, const sk_view *view, sk_draw *out)
{
    const sk_palette *p = in->palette;
    const sk_model *m = in->model;
    float u = in->unit, x = in->area.x + 12 * u, right = in->area.x + in->area.w - 12 * u;
    char time[16];
    g_autofree char *program = g_path_get_basename(m->program);
    char letter[4] = "";
    for (unsigned i = 0; in->state->runs && i < in->state->runs->n; i++)
        if (in->state->runs->model[i] == m)
            g_snprintf(letter, sizeof letter, "%c: ", 'A' + (int)i);
    g_autofree char *name = g_strdup_printf("%s%s on %s", letter, program, m->backend);
    g_autofree char *at = g_strdup_printf("t = %s", sk_timeline_time(in->state->ns, time));
    sk_draw_rect(out, in->area, &(sk_pen){ .fill = p->panel });
    sk_draw_line(out, in->area.x, in->area.y + in->area.h, in->area.x + in->area.w, in->area.y + in->area.h, &(sk_pen){ .stroke = p->line });
    float w = sk_draw_width(at, SK_FONT_BOLD, 15 * u);
    sk_draw_label(out, (sk_rect){ right - w, in->area.y, w + u, in->area.h }, at, SK_FONT_BOLD, 15 * u, SK_LEFT, p->text);
    right -= w + 20 * u;
    w = MIN(sk_draw_width(name, SK_FONT_BOLD, 15 * u) + u, right - x);
    unsigned look = 0;
    while (look + 1 < TAB_LOOKS && all_tabs(&tab_looks[look], u) > right - x - w - 24 * u)
        look++;
    float wanted = right - x - 24 * u - all_tabs(&tab_looks[look], u); /* for the name, which gives way to the tabs */
    if (wanted < w)
        w = wanted >= 60 * u ? wanted : MIN(w, 90 * u);
    if (x + w + 24 * u + least_tabs(view, &tab_looks[look], u) > right)
        w = -24 * u;
    else
        sk_draw_label(out, (sk_rect){ x, in->area.y, w, in->area.h }, name, SK_FONT_BOLD, 15 * u, SK_LEFT, p->text);
    tabs(in, view, &tab_looks[look], x + w + 24 * u, right, out);
}

/* A function of the legend. fn: of the model; SK_NO_INDEX: only another run has it */
typedef struct entry { const char *name; sk_look look; uint32_t fn; } entry;

/* Those with tasks: of the run, or of all that Compare shows. The caller's (g_free). */
static entry *entries_of(const sk_view *view, const sk_view_in *in, uint32_t *n)
{
    const sk_model *m = in->model;
    uint32_t *of[SK_RUNS];
    entry *all;
    *n = 0;
    if (view != &sk_view_compare || !in->state->runs) {
        all = g_new(entry, (gsize)m->nfns + 1);
        for (uint32_t f = 0; f < m->nfns; f++)
            if (m->fns[f].tasks)
                all[(*n)++] = (entry){ m->fns[f].name, sk_palette_fn(in->palette, f), f };
        return all;
    }
    const sk_runs *runs = in->state->runs;
    g_autoptr(GPtrArray) names = sk_runs_functions(runs, of);
    g_autofree bool *has_tasks = g_new0(bool, (gsize)names->len + 1);
    all = g_new(entry, (gsize)names->len + 1);
    for (uint32_t i = 0; i < names->len; i++)
        all[i] = (entry){ names->pdata[i], sk_palette_look(in->palette, i), SK_NO_INDEX };
    for (unsigned r = 0; r < runs->n; r++) {
        for (uint32_t f = runs->model[r]->nfns; f-- > 0;) {
            has_tasks[of[r][f]] |= runs->model[r]->fns[f].tasks > 0;
            if (runs->model[r] == m)
                all[of[r][f]].fn = f;
        }
        g_free(of[r]);
    }
    for (uint32_t i = 0; i < names->len; i++)
        if (has_tasks[i])
            all[(*n)++] = all[i];
    return all;
}

static char *entry_tip(const sk_model *m, const entry *e)
{
    if (e->fn == SK_NO_INDEX)
        return g_strdup_printf("%s\nnot in the run that the other views show", e->name);
    const sk_model_fn *f = &m->fns[e->fn];
    return g_strdup_printf("%s\n%u tasks\n%s:%d", f->signature, f->tasks, f->file, f->line);
}

/* Functions, then states: a state in the look of the first function. */
void sk_legend_draw(const sk_view *view, const sk_view_in *in, sk_draw *out)
{
    const sk_model *m = in->model;
    const sk_palette *p = in->palette;
    float u = in->unit, x = in->area.x + 12 * u, right = in->area.x + in->area.w - 8 * u, box = 14 * u, y = in->area.y + (in->area.h - box) / 2;
    float states = 0;
    sk_model_counts c;
    sk_model_count(m, in->state->step, &c);
    sk_draw_rect(out, in->area, &(sk_pen){ .fill = p->panel });
    sk_draw_line(out, in->area.x, in->area.y, in->area.x + in->area.w, in->area.y, &(sk_pen){ .stroke = p->line });
    char labels[SK_TASK_CANCELLED + 1][32];
    for (unsigned s = SK_TASK_WAITING; s <= SK_TASK_CANCELLED; s++) {
        g_snprintf(labels[s], sizeof labels[s], "%s %u", sk_model_state(s), c.tasks[s]);
        states += box + sk_draw_width(labels[s], SK_FONT, 12 * u) + 19 * u;
    }
    bool both = states < (right - x) * 0.75f;
    float end = both ? right - states : right;
    uint32_t n;
    g_autofree entry *fns = entries_of(view, in, &n);
    for (uint32_t i = 0; i < n; i++) {
        char more[32];
        g_snprintf(more, sizeof more, "+ %u more", n - i);
        float wide = box + 5 * u + sk_draw_width(fns[i].name, SK_FONT, 12 * u) + 14 * u;
        if (x + wide > end - (i + 1 < n ? sk_draw_width(more, SK_FONT, 12 * u) + 8 * u : 0)) {
            sk_draw_label(out, (sk_rect){ x, in->area.y, end - x, in->area.h }, more, SK_FONT, 12 * u, SK_LEFT, p->dim);
            break;
        }
        g_autofree char *tip = entry_tip(m, &fns[i]);
        sk_draw_hit(out, fns[i].fn == SK_NO_INDEX ? SK_HIT_NONE : SK_HIT_FN, fns[i].fn, tip);
        sk_draw_rect(out, (sk_rect){ x, in->area.y, wide - 4 * u, in->area.h }, &(sk_pen){ 0 });
        sk_draw_rect(out, (sk_rect){ x, y, box, box }, &(sk_pen){ .fill = fns[i].look.fill, .pattern = fns[i].look.pattern, .radius = 2 * u });
        sk_draw_label(out, (sk_rect){ x + box + 5 * u, in->area.y, wide, in->area.h }, fns[i].name, SK_FONT, 12 * u, SK_LEFT,
                      sk_view_is_grey(in, fns[i].fn) ? p->dim : p->text);
        x += wide;
    }
    sk_draw_hit(out, SK_HIT_NONE, 0, NULL);
    for (unsigned s = SK_TASK_WAITING; both && s <= SK_TASK_CANCELLED; s++) {
        sk_look look = sk_palette_task(p, 0, s, 0);
        sk_colour colour = s == SK_TASK_FAILED ? p->failed : s == SK_TASK_CANCELLED ? p->cancelled : p->text;
        float wide = sk_draw_width(labels[s], SK_FONT, 12 * u);
        if (s >= SK_TASK_RUNNING && s <= SK_TASK_DONE) /* any function's fill will do: white stands for all */
            look.fill = s == SK_TASK_BLOCKED ? p->panel : sk_palette_mix(p->panel, p->dim, 0.35f);
        sk_draw_hit(out, SK_HIT_STATE, s, NULL);
        sk_draw_rect(out, (sk_rect){ end, y, box, box }, &(sk_pen){ .fill = look.fill == p->ground ? p->panel : look.fill, .stroke = look.stroke,
                                                                    .width = look.width * u, .dashed = look.dashed, .radius = 2 * u });
        if (look.sign)
            sk_draw_sign(out, (sk_sign)look.sign, (sk_rect){ end + 3 * u, y + 3 * u, box - 6 * u, box - 6 * u }, colour);
        sk_draw_label(out, (sk_rect){ end + box + 5 * u, in->area.y, wide + u, in->area.h }, labels[s], SK_FONT, 12 * u, SK_LEFT,
                      c.tasks[s] ? p->text : p->dim);
        end += box + wide + 19 * u;
    }
    sk_draw_hit(out, SK_HIT_NONE, 0, NULL);
}

static void status(const sk_view_in *in, sk_draw *out)
{
    const sk_model *m = in->model;
    const sk_palette *p = in->palette;
    float u = in->unit, size = 12 * u;
    char sentence[160], path[96];
    g_autofree char *left = g_strdup_printf("step %u of %u: %s", in->state->step, m->nsteps, sk_model_sentence(m, in->state->step, sentence));
    g_autofree char *right = m->trouble ? g_strdup_printf("The trace is %s", m->trouble)
                             : m->dropped ? g_strdup_printf("%" G_GUINT64_FORMAT " events were dropped", m->dropped)
                             : m->error ? g_strdup_printf("The program ended: %s", m->error)
                             : in->state->critical ? g_strdup(sk_critical_words(sk_critical_of(m), path))
                                        : g_strdup_printf("%u tasks, %u objects, 0 dropped", m->ntasks, m->nobjects);
    bool loud = m->trouble || m->dropped || m->error;
    float w = MIN(sk_draw_width(right, SK_FONT, size) + u, in->area.w * 0.6f);
    sk_draw_rect(out, in->area, &(sk_pen){ .fill = p->panel });
    sk_draw_label(out, (sk_rect){ in->area.x + in->area.w - 12 * u - w, in->area.y, w, in->area.h }, right, loud ? SK_FONT_BOLD : SK_FONT, size, SK_LEFT,
                  loud ? p->failed : p->dim);
    sk_draw_label(out, (sk_rect){ in->area.x + 12 * u, in->area.y, in->area.w - w - 48 * u, in->area.h }, left, SK_FONT, size, SK_LEFT, p->dim);
}

typedef struct margins { float above, beside, legend, below; } margins; /* of title, inspector, legend, status line; 0: left out */

static margins margins_of(const sk_model *m, const sk_view_state *s, float width, float height)
{
    float u = s->scale > 0 ? s->scale : 1;
    margins g = { 34 * u, 300 * u, 28 * u, 22 * u };
    if (height < 160 * u || width < 240 * u)
        g.above = 0;
    if (height < 240 * u || width < 320 * u)
        g.legend = 0;
    if (height < 120 * u || width < 160 * u)
        g.below = 0;
    if (width < 2.2f * g.beside || s->task == SK_NO_INDEX || s->task >= m->ntasks)
        g.beside = 0;
    return g;
}

sk_rect sk_frame_area(const sk_model *m, const sk_view_state *s, float width, float height)
{
    margins g = margins_of(m, s, width, height);
    return (sk_rect){ 0, g.above, width - g.beside, height - g.above - g.legend - g.below };
}

void sk_frame_move(const sk_view *view, void *memory, const sk_model *m, sk_view_state *s, float width, float height, const sk_view_move *by)
{
    sk_view_in in = { m, s, sk_palette_of(s->theme), sk_frame_area(m, s, width, height), s->scale > 0 ? s->scale : 1 };
    if (view->move)
        view->move(memory, &in, s, by);
}

void sk_frame_draw(const sk_view *view, void *memory, const sk_model *m, const sk_view_state *s, float width, float height, sk_draw *out)
{
    sk_palette own = sk_view_palette(s, m), *p = &own;
    margins g = margins_of(m, s, width, height);
    sk_view_in in = { m, s, p, sk_frame_area(m, s, width, height), s->scale > 0 ? s->scale : 1 };
    out->ground = p->ground;
    sk_draw_clip(out, in.area);
    view->draw(memory, &in, out);
    sk_draw_hit(out, SK_HIT_NONE, 0, NULL);
    sk_draw_unclip(out);
    sk_draw_layer(out, SK_LAYER_PANELS);
    if (g.beside > 0) {
        in.area = (sk_rect){ width - g.beside, g.above, g.beside, height - g.above - g.legend - g.below };
        sk_inspector_draw(&in, out);
    }
    if (g.above > 0) {
        in.area = (sk_rect){ 0, 0, width, g.above };
        title(&in, view, out);
    }
    if (g.legend > 0) {
        in.area = (sk_rect){ 0, height - g.below - g.legend, width, g.legend };
        sk_legend_draw(view, &in, out);
    }
    if (g.below > 0) {
        in.area = (sk_rect){ 0, height - g.below, width, g.below };
        status(&in, out);
    }
}
