/* view_figures.c -- see view_figures.h. Reading order: 1 where the time went; 2 figures; 3 sentences. */
#include "view_figures.h"

#include <math.h>

#include "timeline.h"

/* ---- 1. Where the time went ------------------------------------------------------------------------------------------------------------- */

typedef struct part {
    const char *name;
    size_t at;
    sk_colour fill;
    uint8_t pattern;
} part;

static void parts_of(const sk_palette *p, part parts[SK_SHARES])
{
    static const struct { const char *name; size_t at; } all[SK_SHARES] = {
        [SK_SHARE_COMPUTE] = { "compute", offsetof(sk_spent, compute) }, [SK_SHARE_TRANSFER] = { "transfer", offsetof(sk_spent, transfer) },
        [SK_SHARE_SCHEDULING] = { "scheduling", offsetof(sk_spent, scheduling) }, [SK_SHARE_IDLE] = { "idle", offsetof(sk_spent, idle) },
    };
    for (int k = 0; k < SK_SHARES; k++) {
        sk_look look = sk_palette_share(p, k);
        parts[k] = (part){ all[k].name, all[k].at, look.fill, look.pattern };
    }
}

static int64_t value_of(const sk_spent *s, const part *p) { return *(const int64_t *)((const char *)s + p->at); }

/* Whole percents that add up to 100: those that lose most by being cut get what is left. */
static void percents_of(const sk_spent *s, const part parts[SK_SHARES], int percent[SK_SHARES])
{
    double lost[SK_SHARES];
    int left = 100;
    for (int k = 0; k < SK_SHARES; k++) {
        double exact = 100.0 * (double)value_of(s, &parts[k]) / (double)MAX(s->all, 1);
        percent[k] = (int)CLAMP(exact, 0, 100);
        lost[k] = exact - percent[k];
        left -= percent[k];
    }
    for (; left > 0 && left < SK_SHARES; left--) {
        int most = 0;
        for (int k = 1; k < SK_SHARES; k++)
            most = lost[k] > lost[most] ? k : most;
        percent[most]++;
        lost[most]--;
    }
}

/* What the shares are of, and of which runs only so far: their tasks are not over. The caller's. */
static char *heading_words(const sk_compare *c)
{
    GString *open = g_string_new(NULL);
    unsigned n = 0;
    for (unsigned i = 0; i < c->n; i++)
        if (c->run[i].spent.open)
            g_string_append_printf(open, "%s%c", n++ ? ", " : "", 'A' + (char)i);
    if (n == c->n)
        g_string_assign(open, "since the first submission, so far");
    else if (n)
        g_string_prepend(open, "first submission to last end ("), g_string_append(open, ": so far)");
    else
        g_string_assign(open, "first submission to last end");
    g_string_prepend(open, "of one of them on average, ");
    return g_string_free(open, FALSE);
}

/* As long as its makespan, on one scale (or all as long as each other): what a worker spent on average. Returns how high it all is. */
float sk_figures_spent(const sk_view_in *in, sk_draw *out, const sk_compare *c, sk_rect box)
{
    const sk_palette *p = in->palette;
    float u = in->unit, x = box.x, row = 19 * u, name = MIN(150 * u, box.w / 3), beyond = 70 * u;
    part parts[SK_SHARES];
    int64_t longest = 1;
    bool normal = in->state->normal;
    char text[32], time[16];
    g_autofree char *of_what = heading_words(c);
    parts_of(p, parts);
    for (unsigned i = 0; i < c->n; i++) {
        longest = MAX(longest, c->run[i].makespan);
        beyond = c->run[i].spent.open ? 110 * u : beyond; /* for the words behind the time */
    }
    float room = box.w - name - beyond;
    if (box.h < (float)c->n * row + 36 * u || room < 40 * u)
        return 0;
    const char *heading = "Where the time of the workers went";
    float beside = sk_draw_width(heading, SK_FONT_BOLD, 12 * u) + 10 * u;
    sk_draw_label(out, (sk_rect){ x, box.y, box.w, 18 * u }, heading, SK_FONT_BOLD, 12 * u, SK_LEFT, p->text);
    sk_draw_label(out, (sk_rect){ x + beside, box.y, MAX(0, box.w - beside), 18 * u }, of_what, SK_FONT, 11 * u, SK_LEFT, p->dim);
    for (unsigned i = 0; i < c->n; i++) {
        const sk_compare_run *r = &c->run[i];
        float y = box.y + 20 * u + (float)i * row, at = x + name;
        int percent[SK_SHARES];
        percents_of(&r->spent, parts, percent);
        sk_draw_label(out, (sk_rect){ x, y, name - 6 * u, row }, r->name, SK_FONT, 11 * u, SK_LEFT, p->text);
        for (unsigned k = 0; k < G_N_ELEMENTS(parts) && r->spent.all > 0; k++) {
            double of = (double)value_of(&r->spent, &parts[k]) / (double)r->spent.all;
            float wide = (float)(of * (normal ? 1 : (double)r->makespan / (double)longest)) * room;
            if (wide <= 0)
                continue;
            sk_draw_rect(out, (sk_rect){ at, y + 2 * u, wide, row - 5 * u },
                         &(sk_pen){ .fill = parts[k].fill, .pattern = wide > 4 ? parts[k].pattern : 0, .stroke = wide > 2 ? p->dim : 0 });
            g_snprintf(text, sizeof text, "%d %%", percent[k]);
            if (sk_draw_width(text, SK_FONT, 10 * u) + 6 * u < wide) {
                float w = sk_draw_width(text, SK_FONT, 10 * u) + 4 * u;
                if (parts[k].pattern) /* so that it can be read */
                    sk_draw_rect(out, (sk_rect){ at + (wide - w) / 2, y + 3 * u, w, row - 7 * u }, &(sk_pen){ .fill = parts[k].fill });
                sk_draw_label(out, (sk_rect){ at, y + 2 * u, wide, row - 5 * u }, text, SK_FONT, 10 * u, SK_CENTRE, p->text);
            }
            at += wide;
        }
        g_snprintf(text, sizeof text, "%s%s", sk_timeline_time(r->makespan, time), r->spent.open ? " so far" : "");
        sk_draw_label(out, (sk_rect){ at + 5 * u, y, beyond - 4 * u, row }, text, SK_FONT, 11 * u, SK_LEFT, p->text);
    }
    float y = box.y + 20 * u + (float)c->n * row, wide = 0;
    for (unsigned k = 0; k < G_N_ELEMENTS(parts); k++)
        wide += 26 * u + sk_draw_width(parts[k].name, SK_FONT, 11 * u);
    float at = name + wide <= box.w ? x + name : x, each = MIN(1, box.w / wide); /* of what it wants: words are cut, with a sign */
    for (unsigned k = 0; k < G_N_ELEMENTS(parts); k++) {
        wide = each * (26 * u + sk_draw_width(parts[k].name, SK_FONT, 11 * u));
        sk_draw_rect(out, (sk_rect){ at, y + 3 * u, 11 * u, 11 * u },
                     &(sk_pen){ .fill = parts[k].fill, .pattern = parts[k].pattern, .stroke = p->dim });
        sk_draw_label(out, (sk_rect){ at + 15 * u, y, each < 1 ? MAX(0, wide - 17 * u) : wide, 17 * u }, parts[k].name, SK_FONT, 11 * u, SK_LEFT, p->dim);
        at += wide;
    }
    return 20 * u + (float)c->n * row + 26 * u;
}

/* ---- 2. Figures -------------------------------------------------------------------------------------------------------------------------- */

typedef struct table {
    const sk_view_in *in;
    sk_draw *out;
    const sk_compare *c;
    float x, y, name, column, row, bottom;
    uint32_t left, fns; /* rows to come; how many of all are of functions, which stand apart */
    uint32_t above;     /* rows that are scrolled out of sight */
    const char *where;  /* are those that have no room? */
} table;
typedef enum sort { TIME, COUNT, BYTES } sort;

enum { GAP = 4 }; /* before the functions, in units */

/* Is there no room for the next row, and for one that says how many there are besides? Then that is what is written, once. */
static bool is_full(table *t)
{
    float u = t->in->unit, both = 2 * t->row + (t->left == t->fns + 1 ? GAP * u : 0);
    if (t->y + (t->left > 1 ? both : t->row) <= t->bottom) {
        t->left--;
        return false;
    }
    g_autofree char *more = g_strdup_printf("+ %u row%s: %s", t->left, t->left == 1 ? "" : "s", t->where);
    if (t->y + t->row <= t->bottom)
        sk_draw_label(t->out, (sk_rect){ t->x, t->y, t->name + t->column * (float)t->c->n, t->row }, more, SK_FONT, 11 * u, SK_LEFT, t->in->palette->dim);
    t->bottom = 0;
    return true;
}

/* A figure of each run, and how many times the first's it is. fn: the figure is of that function, which is `here` in the model. */
static void row(table *t, const char *name, sort sort, const int64_t *value, uint32_t fn, uint32_t here)
{
    const sk_view_in *in = t->in;
    sk_draw *out = t->out;
    const sk_compare *c = t->c;
    const sk_palette *p = in->palette;
    float u = in->unit, indent = fn == SK_NO_INDEX ? 0 : 16 * u;
    if (t->above) {
        t->above--, t->left--;
        return;
    }
    if (is_full(t))
        return;
    if (indent > 0) {
        sk_look own = sk_palette_look(p, fn);
        bool known = here < in->model->nfns;
        sk_draw_hit(out, known ? SK_HIT_FN : SK_HIT_NONE, here, known ? in->model->fns[here].signature : NULL);
        sk_draw_rect(out, (sk_rect){ t->x, t->y, t->name - 8 * u, t->row }, &(sk_pen){ 0 });
        sk_draw_rect(out, (sk_rect){ t->x, t->y + t->row / 2 - 5.5f * u, 11 * u, 11 * u },
                     &(sk_pen){ .fill = own.fill, .pattern = own.pattern, .radius = 2 * u });
        sk_draw_hit(out, SK_HIT_NONE, 0, NULL);
    }
    sk_draw_label(out, (sk_rect){ t->x + indent, t->y, MAX(0, t->name - indent - 6 * u), t->row }, name, SK_FONT, 11 * u, SK_LEFT, p->text);
    for (unsigned i = 0; i < c->n; i++) {
        char text[24], ratio[16];
        float x = t->x + t->name + t->column * (float)i, half = t->column * 0.58f;
        if (sort == TIME)
            sk_timeline_time(value[i], text);
        else if (sort == BYTES)
            sk_model_bytes((uint64_t)value[i], text);
        else
            g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, value[i]);
        sk_draw_label(out, (sk_rect){ x, t->y, half, t->row }, text, SK_FONT, 11 * u, SK_RIGHT, p->text);
        bool pair = i > 0 && !c->run[0].part && !c->run[i].part; /* a part is not compared with a whole */
        if (pair && value[0] > 0 && value[i] > 0 && value[i] != value[0])
            sk_draw_label(out, (sk_rect){ x + half + 5 * u, t->y, MAX(0, t->column - half - 5 * u), t->row },
                          sk_compare_ratio((double)value[i] / (double)value[0], ratio), SK_FONT, 10 * u, SK_LEFT, p->dim);
    }
    t->y += t->row;
}

static bool any_run_has(const sk_compare *c, uint32_t fn)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->fns[fn].tasks[i])
            return true;
    return false;
}

enum { OF_ALL = 5 }; /* rows of the whole run, besides its parts */

static uint32_t rows_of_functions(const sk_compare *c)
{
    uint32_t n = 0;
    for (uint32_t f = 0; f < c->nfns; f++)
        n += any_run_has(c, f);
    return n;
}

void sk_figures_table(const sk_view_in *in, sk_draw *out, const sk_compare *c, sk_rect box, const uint32_t *here, int first)
{
    const sk_palette *p = in->palette;
    float u = in->unit, name = MIN(140 * u, box.w * 0.28f);
    unsigned n = c->n;
    table t = { in, out, c, box.x, box.y, name, MIN((box.w - name) / (float)n, 150 * u), 16 * u, box.y + box.h, 0, rows_of_functions(c),
                (uint32_t)MAX(first, 0), first == SK_FIXED_ROWS ? "there is no room here" : "Down, or drag" };
    part parts[SK_SHARES];
    int64_t v[OF_ALL][SK_RUNS];
    if (box.h < 50 * u)
        return;
    for (unsigned i = 0; i < n; i++) {
        char letter[12];
        g_snprintf(letter, sizeof letter, "%c%s", 'A' + (char)i, c->run[i].spent.open ? ", so far" : "");
        sk_draw_label(out, (sk_rect){ t.x + name + t.column * (float)i, t.y, t.column * 0.58f, t.row }, letter, SK_FONT_BOLD, 12 * u, SK_RIGHT,
                      p->text);
        v[0][i] = c->run[i].makespan, v[1][i] = c->run[i].work, v[2][i] = c->run[i].tasks, v[3][i] = c->run[i].spent.workers;
        v[4][i] = (int64_t)c->run[i].moved;
    }
    t.y += t.row;
    t.left = OF_ALL + SK_SHARES + t.fns;
    row(&t, "makespan", TIME, v[0], SK_NO_INDEX, SK_NO_INDEX);
    parts_of(p, parts);
    for (unsigned k = 0; k < G_N_ELEMENTS(parts); k++) {
        int64_t part[SK_RUNS];
        g_autofree char *words = g_strconcat("   ", parts[k].name, NULL);
        for (unsigned i = 0; i < n; i++)
            part[i] = sk_compare_part(&c->run[i], value_of(&c->run[i].spent, &parts[k]));
        row(&t, words, TIME, part, SK_NO_INDEX, SK_NO_INDEX);
    }
    row(&t, "T1, all tasks", TIME, v[1], SK_NO_INDEX, SK_NO_INDEX);
    row(&t, "tasks", COUNT, v[2], SK_NO_INDEX, SK_NO_INDEX);
    row(&t, "workers", COUNT, v[3], SK_NO_INDEX, SK_NO_INDEX);
    row(&t, "between nodes", BYTES, v[4], SK_NO_INDEX, SK_NO_INDEX);
    t.y += GAP * u;
    for (uint32_t f = 0; f < c->nfns && t.y + t.row <= t.bottom; f++)
        if (any_run_has(c, f))
            row(&t, c->fns[f].name, TIME, c->fns[f].ns, f, here[f]);
}

/* ---- 3. Sentences, and what follows them ------------------------------------------------------------------------------------------------- */

uint32_t sk_figures_listed(const sk_compare *c, bool figures)
{
    return c->words->len + (figures ? 1 + OF_ALL + SK_SHARES + rows_of_functions(c) : 0);
}

/* What is not seen of the list. */
static void more(const sk_view_in *in, sk_draw *out, sk_rect box, uint32_t sentences, bool figures)
{
    g_autofree char *words = sentences ? g_strdup_printf("%u more%s: Down, or drag", sentences, figures ? ", and the figures" : "")
                                       : g_strdup("the figures: Down, or drag");
    sk_draw_label(out, box, words, SK_FONT, 11 * in->unit, SK_LEFT, in->palette->dim);
}

/* The bars, if they are not above the first row of the table that is seen, and the table. Without room for the bars and for a word of what follows there is
 * the table alone: it has the same figures. */
static void figures(const sk_view_in *in, sk_draw *out, const sk_compare *c, sk_rect box, bool bars, int row, const uint32_t *here)
{
    float u = in->unit, high = bars && box.h >= ((float)c->n * 19 + 60) * u ? sk_figures_spent(in, out, c, box) : 0;
    sk_rect rest = { box.x, box.y + high, box.w, box.h - high };
    if (rest.h >= 50 * u)
        sk_figures_table(in, out, c, rest, here, row);
    else if (rest.h >= 14 * u)
        sk_draw_label(out, (sk_rect){ rest.x, rest.y, rest.w, 14 * u }, "more figures: Down, or drag", SK_FONT, 11 * u, SK_LEFT, in->palette->dim);
}

void sk_figures_list(const sk_view_in *in, sk_draw *out, const sk_compare *c, sk_rect box, uint32_t first, const uint32_t *here)
{
    const sk_palette *p = in->palette;
    float u = in->unit, y = box.y, bottom = box.y + box.h - 4 * u;
    const GPtrArray *words = c->words;
    if (first < words->len) {
        sk_draw_label(out, (sk_rect){ box.x, y, box.w, 18 * u }, "In words", SK_FONT_BOLD, 12 * u, SK_LEFT, p->text);
        y += 21 * u;
    }
    for (uint32_t i = first; i < words->len; i++) {
        const char *text = words->pdata[i];
        float lines = ceilf(sk_draw_width(text, SK_FONT, 12 * u) / MAX(1, box.w - 14 * u) + 0.1f), room = bottom - y;
        if (i + 1 < words->len || here)
            room -= 17 * u;
        if (room < MIN(lines, 2) * 17 * u)
            return more(in, out, (sk_rect){ box.x + 12 * u, y, box.w - 12 * u, 17 * u }, words->len - i, here != NULL);
        sk_draw_rect(out, (sk_rect){ box.x + u, y + 6 * u, 4 * u, 4 * u }, &(sk_pen){ .fill = p->dim, .radius = 2 * u });
        y += sk_draw_paragraph(out, (sk_rect){ box.x + 12 * u, y, MAX(0, box.w - 12 * u), room }, text, SK_FONT, 12 * u, p->text) + 3 * u;
    }
    if (!here)
        return;
    if (first < words->len && bottom - y < ((float)c->n * 19 + 100) * u) /* they are better seen on top */
        return more(in, out, (sk_rect){ box.x + 12 * u, y, box.w - 12 * u, 17 * u }, 0, true);
    figures(in, out, c, (sk_rect){ box.x, y, box.w, bottom - y }, first <= words->len, MAX(0, (int)first - (int)words->len - 1), here);
}
