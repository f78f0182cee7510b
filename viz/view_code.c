/* view_code.c -- the source: each line that submits tasks with how many, how far they are, and how long they ran; the margin is as warm as the
 * line's share of the time. A click on a line puts its tasks in colour, and selects one after the other.
 *
 * The idea: rows (listing.h), of which those are drawn that can be seen. Where there is no source the rows are the lines that the trace names.
 * Which rows can be seen is up to the hand (state.row), or up to the selected task: pages, half a page apart, so that it does not jump from
 * each task to the next.
 *
 * Reading order: 1 where things are; 2 tabs and notices; 3 a row; 4 the view. */
#include <math.h>
#include <string.h>

#include <glib.h>

#include "listing.h"
#include "timeline.h"
#include "view.h"

typedef struct page {
    const sk_view_in *in;
    sk_draw *out;
    sk_listing *list;
    uint32_t file, rows;                     /* shown; of all of it */
    float first;                             /* the first row that is shown, with the part of it that is above */
    float tabs, notice;                      /* how high these are */
    float row;                               /* how high a row is */
    float count, bar, time, line, text, end; /* where the columns begin, or end (numbers); bar, time: 0: left out */
    sk_rect box;                             /* of the rows */
} page;

/* ---- 1. Where things are -------------------------------------------------------------------------------------------------------------- */

static const sk_listing_mark *selected_mark(const page *p)
{
    uint32_t task = p->in->state->task;
    return task < p->in->model->ntasks ? sk_listing_of_task(p->list, p->in->model, task) : NULL;
}

/* That of the hand, else of the selected task, else the first. */
static uint32_t file_of(const page *p)
{
    const sk_listing_mark *mark = selected_mark(p);
    uint32_t file = p->in->state->file;
    return file ? MIN(file - 1, p->list->nfiles - 1) : mark ? mark->file : 0;
}

/* The page with the row of the selected task, else with that of the most tasks. */
static float page_of(const page *p)
{
    const sk_listing_file *f = &p->list->files[p->file];
    const sk_listing_mark *mark = selected_mark(p);
    bool selected = mark && mark->file == p->file;
    for (uint32_t i = selected ? f->n : 0; i < f->n; i++)
        if (i == 0 || p->list->marks[f->first + i].total > mark->total)
            mark = &p->list->marks[f->first + i];
    float shown = p->box.h / p->row, half = MAX(1, floorf(shown / 2)), rest = MIN(3, shown / 4);
    float at = mark ? (float)sk_listing_row_of(p->list, p->in->model, mark) : 0;
    return at + rest < shown ? 0 : half * ceilf((at + rest - shown) / half);
}

static char *notice_of(const page *p)
{
    const sk_model *m = p->in->model;
    const sk_source *s = sk_listing_source(p->list, m, p->file);
    if (s->trouble)
        return g_strdup(s->trouble);
    if (m->written && s->changed > m->written)
        return g_strdup("This file was changed after the run: its lines may have moved since.");
    if (p->rows > s->nlines)
        return g_strdup(
            "The trace names lines that this file does not have: it has changed since the run, or is another. They follow its last line.");
    return NULL;
}

/* As it is when it is drawn, however its words are broken. */
static float height_of(const char *text, float wide, float size)
{
    sk_draw *d = sk_draw_new();
    float high = sk_draw_paragraph(d, (sk_rect){ 0, 0, wide, 100 * size }, text, SK_FONT, size, 0);
    sk_draw_free(d);
    return high;
}

static page page_make(sk_listing *list, const sk_view_in *in, sk_draw *out)
{
    float u = in->unit, wide = in->area.w, x = in->area.x;
    page p = { .in = in, .out = out, .list = list, .row = 17 * u, .tabs = in->area.h > 120 * u ? 30 * u : 0 };
    p.file = file_of(&p);
    p.rows = sk_listing_rows(list, in->model, p.file);
    p.count = x + 52 * u;
    p.bar = wide > 520 * u ? p.count + 10 * u : 0;
    p.time = wide > 520 * u ? p.bar + 64 * u + 60 * u : 0;
    p.line = (p.time > 0 ? p.time : p.count) + 52 * u;
    p.text = p.line + 12 * u;
    p.end = x + wide - 8 * u;
    g_autofree char *notice = notice_of(&p);
    p.notice = notice ? MIN(height_of(notice, MAX(0, wide - 36 * u), 12 * u) + 13 * u, in->area.h / 3) : 0;
    float above = p.tabs + p.notice + (p.tabs > 0 ? 18 * u : 0);
    p.box = (sk_rect){ x, in->area.y + above, wide, MAX(0, in->area.h - above) };
    float most = MAX(0, (float)p.rows - p.box.h / p.row + 1); /* a row of nothing below the last */
    p.first = CLAMP(in->state->row > 0 ? in->state->row - 1 : page_of(&p), 0, most);
    return p;
}

/* ---- 2. Tabs and notices -------------------------------------------------------------------------------------------------------------- */

static void heat_legend(const page *p, float right, float y, float h)
{
    enum { STEPS = 12 };
    float u = p->in->unit, wide = 5 * u * STEPS, x = right - wide - 34 * u;
    for (int i = 0; i < STEPS; i++)
        sk_draw_rect(p->out, (sk_rect){ x + 5 * u * (float)i, y + h / 2 - 5 * u, 5 * u, 10 * u },
                     &(sk_pen){ .fill = sk_palette_heat((float)i / (STEPS - 1)) });
    sk_draw_label(p->out, (sk_rect){ x - 150 * u, y, 144 * u, h }, "run time: little", SK_FONT, 11 * u, SK_RIGHT, p->in->palette->dim);
    sk_draw_label(p->out, (sk_rect){ x + wide + 6 * u, y, 40 * u, h }, "most", SK_FONT, 11 * u, SK_LEFT, p->in->palette->dim);
}

static void tabs(const page *p)
{
    const sk_palette *c = p->in->palette;
    float u = p->in->unit, x = p->in->area.x + 10 * u, y = p->in->area.y, right = p->in->area.x + p->in->area.w - 8 * u;
    if (p->in->area.w > 760 * u) {
        heat_legend(p, right, y, p->tabs);
        right -= 210 * u;
    }
    /* from the one that is shown on, if they do not all fit */
    float all = 0;
    for (uint32_t i = 0; i < p->list->nfiles && all < 1e5f; i++) {
        g_autofree char *name = g_path_get_basename(p->list->files[i].name);
        all += sk_draw_width(name, SK_FONT_BOLD, 12 * u) + 24 * u;
    }
    for (uint32_t i = x + all > right ? p->file : 0; i < p->list->nfiles; i++) {
        const sk_listing_file *f = &p->list->files[i];
        g_autofree char *name = g_path_get_basename(f->name), *more = g_strdup_printf("+ %u (Z)", p->list->nfiles - i);
        float wide = MIN(sk_draw_width(name, SK_FONT_BOLD, 12 * u) + 20 * u, right - x), rest = i + 1 < p->list->nfiles ? 60 * u : 0;
        if (i > p->file && x + wide + rest > right) {
            sk_draw_label(p->out, (sk_rect){ x + 4 * u, y, MAX(0, right - x), p->tabs }, more, SK_FONT, 12 * u, SK_LEFT, c->dim);
            break;
        }
        bool on = i == p->file;
        sk_rect box = { x, y + 5 * u, MAX(0, wide), p->tabs - 9 * u };
        sk_draw_hit(p->out, SK_HIT_FILE, i, f->name);
        sk_draw_rect(p->out, box, &(sk_pen){ .fill = on ? c->panel : 0, .stroke = on ? c->select : c->line, .radius = 4 * u });
        sk_draw_label(p->out, (sk_rect){ x + 8 * u, box.y, MAX(0, wide - 14 * u), box.h }, name, on ? SK_FONT_BOLD : SK_FONT, 12 * u, SK_LEFT,
                      on ? c->text : c->dim);
        sk_draw_hit(p->out, SK_HIT_NONE, 0, NULL);
        x += wide + 4 * u;
    }
}

static void heading(const page *p)
{
    const sk_palette *c = p->in->palette;
    float u = p->in->unit, x = p->in->area.x, y = p->box.y - 18 * u;
    sk_draw_label(p->out, (sk_rect){ x, y, p->count - x, 16 * u }, "tasks", SK_FONT, 10 * u, SK_RIGHT, c->dim);
    if (p->time > 0)
        sk_draw_label(p->out, (sk_rect){ p->bar, y, p->time - p->bar, 16 * u }, "ran in all", SK_FONT, 10 * u, SK_RIGHT, c->dim);
    sk_draw_label(p->out, (sk_rect){ p->line - 50 * u, y, 50 * u, 16 * u }, "line", SK_FONT, 10 * u, SK_RIGHT, c->dim);
    sk_draw_label(p->out, (sk_rect){ p->text, y, MAX(0, p->end - p->text), 16 * u }, p->list->files[p->file].name, SK_FONT, 10 * u, SK_LEFT,
                  c->dim);
    sk_draw_line(p->out, x, p->box.y - 1, x + p->box.w, p->box.y - 1, &(sk_pen){ .stroke = c->line });
}

/* ---- 3. A row ------------------------------------------------------------------------------------------------------------------------- */

static char *tip_of(const page *p, const sk_listing_mark *mark)
{
    const sk_model *m = p->in->model;
    const sk_model_site *site = &m->sites[mark->site];
    char time[16];
    GString *tip = g_string_new(NULL);
    g_string_printf(tip, "line %d, in %.*s: %u task%s", mark->line, sk_model_fits(site->fn, 60), site->fn, mark->all, mark->all == 1 ? "" : "s");
    for (unsigned s = SK_TASK_WAITING; s <= SK_TASK_CANCELLED; s++)
        if (mark->tasks[s])
            g_string_append_printf(tip, "\n%u %s", mark->tasks[s], sk_model_state(s));
    g_string_append_printf(tip, "\nran %s in all", sk_timeline_time(mark->ns, time));
    if (p->list->ran > 0)
        g_string_append_printf(tip, ", %.0f %% of the run time of all tasks", 100.0 * (double)mark->ns / (double)p->list->ran);
    g_string_append(tip, "\nclick: its tasks, one after the other");
    return g_string_free(tip, FALSE);
}

/* What stands there in place of a line of source. */
static char *words_of(const page *p, const sk_listing_mark *mark)
{
    const sk_model *m = p->in->model;
    if (mark->site == SK_NO_INDEX)
        return g_strdup_printf("the function %s: %s", m->fns[mark->fn].name, m->fns[mark->fn].signature);
    return g_strdup_printf("%s submits %s%s", m->sites[mark->site].fn, m->fns[mark->submits].name, mark->others ? " and others" : "");
}

enum { MARGIN = 11 }; /* of warmth: units */

static void figures(const page *p, const sk_listing_mark *mark, float y)
{
    const sk_palette *c = p->in->palette;
    float u = p->in->unit, part = p->list->longest > 0 ? (float)((double)mark->ns / (double)p->list->longest) : 0;
    char text[32];
    sk_draw_rect(p->out, (sk_rect){ p->in->area.x + 3 * u, y, (MARGIN - 4) * u, p->row }, &(sk_pen){ .fill = mark->all ? sk_palette_heat(part) : 0 });
    sk_draw_label(p->out, (sk_rect){ p->in->area.x + 10 * u, y, p->count - p->in->area.x - 10 * u, p->row }, sk_listing_times(mark->all, text), SK_FONT_BOLD, 12 * u, SK_RIGHT,
                  mark->all ? c->text : c->dim);
    if (p->bar > 0 && mark->all) {
        sk_view_bar(p->in, p->out, mark->tasks, mark->all, mark->submits, (sk_rect){ p->bar, y + 4 * u, 58 * u, p->row - 8 * u });
        sk_draw_label(p->out, (sk_rect){ p->bar + 60 * u, y, p->time - p->bar - 60 * u, p->row }, sk_timeline_time(mark->ns, text), SK_FONT,
                      12 * u, SK_RIGHT, c->text);
    }
}

static void row(const page *p, uint32_t i, float y)
{
    const sk_view_in *in = p->in;
    const sk_model *m = in->model;
    const sk_palette *c = in->palette;
    sk_listing_row r = sk_listing_row_at(p->list, m, p->file, i);
    const sk_listing_mark *mark = r.mark;
    float u = in->unit;
    bool submits = mark && mark->site != SK_NO_INDEX, defines = mark && mark->fn != SK_NO_INDEX;
    bool selected = mark && mark == selected_mark(p),
         picked = submits && in->state->site < m->nsites && sk_model_same_line(m, in->state->site, mark->site);
    sk_rect box = { in->area.x, y, in->area.w, p->row };
    if (submits) {
        g_autofree char *tip = tip_of(p, mark);
        sk_colour fill = sk_palette_mix(c->ground, selected || picked ? c->select : c->panel, selected ? 0.3f : picked ? 0.18f : 1);
        sk_draw_hit(p->out, SK_HIT_SITE, mark->site, tip);
        sk_draw_rect(p->out, box, &(sk_pen){ .fill = fill });
        if (selected) /* beside the margin, which shows how warm it is */
            sk_draw_rect(p->out, (sk_rect){ box.x + MARGIN * u, box.y, MAX(0, box.w - (MARGIN + 1) * u), box.h },
                         &(sk_pen){ .stroke = c->select, .width = 2 * u, .radius = 3 * u });
        figures(p, mark, y);
        sk_draw_hit(p->out, SK_HIT_NONE, 0, NULL);
    }
    if (defines) {
        const sk_model_fn *fn = &m->fns[mark->fn];
        sk_look look = sk_palette_fn(c, mark->fn);
        float x = submits ? p->line - 62 * u : p->bar > 0 ? p->bar : p->count - 12 * u;
        g_autofree char *tip = g_strdup_printf("%s\n%u tasks in all\nclick: only these in colour", fn->signature, fn->tasks);
        sk_draw_hit(p->out, SK_HIT_FN, mark->fn, tip);
        sk_draw_rect(p->out, (sk_rect){ x - 3 * u, y, submits ? 18 * u : MAX(0, p->end - x), p->row }, &(sk_pen){ 0 });
        sk_draw_rect(p->out, (sk_rect){ x, y + p->row / 2 - 5.5f * u, 11 * u, 11 * u },
                     &(sk_pen){ .fill = look.fill, .pattern = look.pattern, .radius = 2 * u });
        if (p->bar > 0 && !submits)
            sk_draw_label(p->out, (sk_rect){ x + 16 * u, y, p->time - x - 16 * u, p->row }, fn->name, SK_FONT, 11 * u, SK_LEFT, c->dim);
        sk_draw_hit(p->out, SK_HIT_NONE, 0, NULL);
    }
    char number[16];
    g_snprintf(number, sizeof number, "%d", r.line);
    sk_draw_label(p->out, (sk_rect){ p->line - 50 * u, y, 50 * u, p->row }, r.line > 0 ? number : "?", SK_FONT_MONO, 11 * u, SK_RIGHT,
                  mark ? c->text : c->dim);
    g_autofree char *words = r.text ? NULL : words_of(p, mark);
    const char *text = r.text ? r.text : words;
    for (float skip = in->state->pan_x; skip >= 1 && *text; skip--)
        text = g_utf8_next_char(text);
    if (p->end > p->text)
        sk_draw_label(p->out, (sk_rect){ p->text, y, p->end - p->text, p->row }, text, r.text ? SK_FONT_MONO : SK_FONT, 12 * u, SK_LEFT, c->text);
}

/* ---- 4. The view ---------------------------------------------------------------------------------------------------------------------- */

static void draw(void *memory, const sk_view_in *in, sk_draw *out)
{
    sk_listing *list = memory;
    const sk_palette *c = in->palette;
    float u = in->unit;
    sk_listing_follow(list, in->model);
    if (!list->nfiles) {
        sk_draw_label(out, in->area, "no tasks yet, so no lines that submit them", SK_FONT, 14 * u, SK_CENTRE, c->dim);
        return;
    }
    sk_listing_at(list, in->model, in->state->step, in->state->ns);
    page p = page_make(list, in, out);
    g_autofree char *notice = notice_of(&p);
    if (p.tabs > 0) {
        tabs(&p);
        heading(&p);
    }
    if (notice) {
        sk_rect box = { in->area.x + 10 * u, in->area.y + p.tabs, in->area.w - 20 * u, p.notice - 6 * u };
        sk_draw_rect(out, box, &(sk_pen){ .fill = c->panel, .stroke = c->failed, .radius = 4 * u });
        sk_draw_paragraph(out, (sk_rect){ box.x + 8 * u, box.y + 3 * u, MAX(0, box.w - 16 * u), box.h }, notice, SK_FONT, 12 * u, c->text);
    }
    sk_draw_clip(out, p.box);
    sk_draw_layer(out, SK_LAYER_BOXES);
    for (uint32_t i = (uint32_t)p.first; i < p.rows; i++) {
        float y = p.box.y + ((float)i - p.first) * p.row;
        if (y > p.box.y + p.box.h)
            break;
        row(&p, i, y);
    }
    if (p.rows > p.box.h / p.row && p.box.h > 20 * u) { /* where in the file this is */
        float most = (float)p.rows + 1, high = MAX(12 * u, p.box.h * p.box.h / p.row / most);
        float y = p.box.y + (p.box.h - high) * p.first / MAX(1, most - p.box.h / p.row);
        sk_draw_rect(out, (sk_rect){ p.end + 2 * u, y, 4 * u, high }, &(sk_pen){ .fill = c->line, .radius = 2 * u });
    }
    sk_draw_unclip(out);
}

/* There is nothing to enlarge in a list: the wheel goes up and down in it, three rows a notch. */
static void move(void *memory, const sk_view_in *in, sk_view_state *s, const sk_view_move *by)
{
    sk_listing *list = memory;
    sk_listing_follow(list, in->model);
    if (!list->nfiles)
        return;
    page p = page_make(list, in, NULL);
    float up = by->dy / p.row + 3 * logf(by->factor) / logf(1.25f), most = MAX(0, (float)p.rows - p.box.h / p.row + 1);
    if (by->turn) {
        s->file = 1 + (p.file + 1) % list->nfiles;
        s->row = s->pan_x = 0;
        return;
    }
    s->file = 1 + p.file;
    s->row = 1 + CLAMP(p.first - up, 0, most);
    s->pan_x = CLAMP(s->pan_x - by->dx / sk_draw_width("0", SK_FONT_MONO, 12 * in->unit), 0, 500);
}

static void *open_memory(void) { return g_new0(sk_listing, 1); }
static void close_memory(void *memory)
{
    sk_listing_clear(memory);
    g_free(memory);
}

const sk_view sk_view_code = { "code", "Code", '7', open_memory, close_memory, draw, move };
