/* window_draw.c -- what lies above the view's frame: the transport bar, tooltips, the list of keys, the box to find with, questions. Buttons are
 * commands (SK_HIT_BUTTON, index: sk_command_id), so what can be clicked can be done by keys, and the tooltip says which. */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "window_own.h"

#define FONT 12.f
#define ROUND 4.f

/* clang-format off */
typedef struct pencil { sk_window *w; sk_draw *d; const sk_palette *p; float u; } pencil; /* u: pixels per unit */
/* clang-format on */

float sk_window_unit(const sk_window *w) { return w->state.scale * w->unit; }

static float bar_height(const sk_window *w)
{
    float u = sk_window_unit(w);
    return w->height < 200 * u ? (w->height < 110 * u ? 0 : 30 * u) : 56 * u;
}

sk_window_places sk_window_where(const sk_window *w)
{
    float u = sk_window_unit(w), bar = bar_height(w), h = w->height - bar;
    sk_window_places at = { { 0, 0, w->width, h }, { 0, h, w->width, bar }, { 10 * u, h + 6 * u, MAX(w->width - 20 * u, 1), 18 * u }, { 0, 0, 0, 0 } };
    if (w->model) {
        sk_view_state s = w->state;
        s.scale = u;
        at.box = sk_frame_area(w->model, &s, w->width, h);
    }
    return at;
}

/* ---- The transport bar -------------------------------------------------------------------------------------------------------------- */

static void icon(pencil *k, sk_command_id id, sk_rect box, sk_colour colour)
{
    float x = box.x + box.w / 2, y = box.y + box.h / 2, s = 5 * k->u;
    sk_pen ink = { .fill = colour }, line = { .stroke = colour, .width = MAX(1, 1.5f * k->u) };
    float way = id == SK_DO_BACK || id == SK_DO_FIRST ? -1 : 1;
    sk_point arrow[3] = { { x - way * s * .8f, y - s }, { x - way * s * .8f, y + s }, { x + way * s, y } };
    switch (id) {
    case SK_DO_PLAY:
        if (!sk_window_goes(k->w))
            sk_draw_poly(k->d, arrow, 3, &ink);
        else
            for (int i = -1; i <= 1; i += 2)
                sk_draw_rect(k->d, (sk_rect){ x + (i < 0 ? -s * .9f : s * .25f), y - s, s * .65f, 2 * s }, &ink);
        break;
    case SK_DO_STEP: case SK_DO_BACK: /* a bar, then the arrow away from it */
        sk_draw_poly(k->d, arrow, 3, &ink);
        sk_draw_line(k->d, x - way * s * 1.3f, y - s, x - way * s * 1.3f, y + s, &line);
        break;
    case SK_DO_FIRST: case SK_DO_LAST: /* the arrow against a bar */
        sk_draw_poly(k->d, arrow, 3, &ink);
        sk_draw_line(k->d, x + way * s * 1.2f, y - s, x + way * s * 1.2f, y + s, &line);
        break;
    default: break;
    }
}

/* A button with an icon (text NULL) or words; returns where the next may begin. */
static float button(pencil *k, sk_command_id id, float x, float y, float height, const char *text, bool on)
{
    char tip[120], keys[80];
    g_snprintf(tip, sizeof tip, "%s (%s)", sk_commands[id].words, sk_command_keys(id, keys));
    float width = text ? sk_draw_width(text, SK_FONT, FONT * k->u) + 14 * k->u : height + 4 * k->u;
    sk_rect box = { x, y, width, height };
    bool over = k->w->over.what == SK_HIT_BUTTON && k->w->over.index == id;
    sk_draw_hit(k->d, SK_HIT_BUTTON, id, tip);
    sk_colour ground = on ? sk_palette_mix(k->p->panel, k->p->select, .35f) : over ? sk_palette_mix(k->p->panel, k->p->text, .15f) : k->p->ground;
    sk_draw_rect(k->d, box, &(sk_pen){ .fill = ground, .stroke = k->p->line, .radius = ROUND * k->u });
    if (text)
        sk_draw_label(k->d, box, text, SK_FONT, FONT * k->u, SK_CENTRE, k->p->text);
    else
        icon(k, id, box, k->p->text);
    sk_draw_hit(k->d, SK_HIT_NONE, 0, NULL);
    return x + width + 4 * k->u;
}

/* How many events fall into each column. Kept until there are others. */
static void count_density(sk_window *w, uint32_t columns)
{
    const sk_model *m = w->model;
    if (w->ndensity == columns && w->density_steps == m->nsteps)
        return;
    w->density = g_renew(uint32_t, w->density, columns);
    sk_step before = 0;
    for (uint32_t i = 0; i < columns; i++) {
        sk_step k = i + 1 == columns ? m->nsteps : sk_model_step_at(m, m->first + (int64_t)((double)(m->last - m->first) * (i + 1) / columns));
        w->density[i] = k - before;
        before = k;
    }
    w->ndensity = columns, w->density_steps = m->nsteps;
}

static float x_of(const sk_window *w, sk_rect bar, int64_t ns)
{
    const sk_model *m = w->model;
    return bar.x + bar.w * (float)((double)(ns - m->first) / (double)MAX(m->last - m->first, 1));
}

static void draw_scrubber(pencil *k, sk_rect bar)
{
    sk_window *w = k->w;
    sk_draw_hit(k->d, SK_HIT_TIME, 0, "click or drag: to this time");
    sk_draw_rect(k->d, bar, &(sk_pen){ .fill = k->p->ground, .stroke = k->p->grid, .radius = ROUND * k->u });
    float step = MAX(1, 2 * k->u), now = CLAMP(x_of(w, bar, w->state.ns), bar.x, bar.x + bar.w);
    uint32_t columns = (uint32_t)MAX(bar.w / step, 1);
    count_density(w, columns);
    double most = 1;
    for (uint32_t i = 0; i < columns; i++)
        most = MAX(most, w->density[i]);
    for (uint32_t i = 0; i < columns; i++)
        if (w->density[i]) {
            float x = bar.x + i * step, h = (float)(log1p(w->density[i]) / log1p(most)) * (bar.h - 4 * k->u) + 1;
            sk_draw_rect(k->d, (sk_rect){ x, bar.y + bar.h - h - 1, step, h }, &(sk_pen){ .fill = x < now ? k->p->running : k->p->dim });
        }
    sk_draw_rect(k->d, (sk_rect){ now - k->u, bar.y - 3 * k->u, 2 * k->u, bar.h + 6 * k->u }, &(sk_pen){ .fill = k->p->now });
    sk_point knob[3] = { { now - 5 * k->u, bar.y - 5 * k->u }, { now + 5 * k->u, bar.y - 5 * k->u }, { now, bar.y + 2 * k->u } };
    sk_draw_poly(k->d, knob, 3, &(sk_pen){ .fill = k->p->now });
    for (uint32_t i = 0; i < w->player.nmarks; i++) {
        float x = x_of(w, bar, sk_model_ns(w->model, w->player.marks[i])), s = 4 * k->u;
        sk_point flag[4] = { { x, bar.y }, { x + 2 * s, bar.y + s }, { x, bar.y + 2 * s }, { x, bar.y + bar.h } };
        sk_draw_poly(k->d, flag, 4, &(sk_pen){ .fill = k->p->select });
    }
    sk_draw_hit(k->d, SK_HIT_NONE, 0, NULL);
}

static const char *time_words(int64_t ns, int64_t all, char buf[32])
{
    if (all >= 10000000000ll)
        g_snprintf(buf, 32, "%.2f s", ns / 1e9);
    else if (all >= 10000000)
        g_snprintf(buf, 32, "%.2f ms", ns / 1e6);
    else
        g_snprintf(buf, 32, "%.1f us", ns / 1e3);
    return buf;
}

static const char *speed_words(const sk_player *p, char buf[32])
{
    double speed = sk_speeds[p->speed];
    if (p->equal)
        g_snprintf(buf, 32, "by events");
    else if (speed < 1)
        g_snprintf(buf, 32, "1/%.0f", 1 / speed);
    else
        g_snprintf(buf, 32, "%.0fx", speed);
    return buf;
}

static void draw_bar(pencil *k)
{
    sk_window *w = k->w;
    const sk_model *m = w->model;
    sk_window_places at = sk_window_where(w);
    float u = k->u, y = at.bar.y + 28 * u, high = 22 * u, x = at.scrubber.x, right = w->width - 10 * u;
    if (at.bar.h <= 0)
        return;
    sk_draw_rect(k->d, at.bar, &(sk_pen){ .fill = k->p->panel });
    sk_draw_rect(k->d, (sk_rect){ 0, at.bar.y, w->width, 1 }, &(sk_pen){ .fill = k->p->line });
    draw_scrubber(k, at.scrubber);
    if (at.bar.h < 50 * u)
        return;
    sk_draw_clip(k->d, (sk_rect){ 0, at.bar.y, right + 10 * u, at.bar.h });
    const sk_command_id row[] = { SK_DO_FIRST, SK_DO_BACK, SK_DO_PLAY, SK_DO_STEP, SK_DO_LAST };
    for (unsigned i = 0; i < G_N_ELEMENTS(row); i++)
        x = button(k, row[i], x, y, high, NULL, row[i] == SK_DO_PLAY && sk_window_goes(w));
    if (w->width > 420 * u) {
        char words[32];
        x = button(k, SK_DO_SLOWER, x + 6 * u, y, high, "\xe2\x88\x92", false);
        sk_draw_label(k->d, (sk_rect){ x, y, 62 * u, high }, speed_words(&w->player, words), SK_FONT, FONT * u, SK_CENTRE, k->p->text);
        x = button(k, SK_DO_FASTER, x + 66 * u, y, high, "+", false);
        x = button(k, SK_DO_EQUAL, x, y, high, "=", w->player.equal);
    }
    if (w->live && w->width > 560 * u) {
        if (w->live->gate) {
            x = button(k, SK_DO_GATE, x + 6 * u, y, high, w->held ? "let go" : "hold", w->held);
            x = button(k, SK_DO_RELEASE, x, y, high, "one", false);
        }
        if (w->live->kill)
            x = button(k, SK_DO_KILL, x, y, high, "kill", false);
    }
    if (w->width > 340 * u) {
        float q = sk_draw_width("?", SK_FONT, FONT * u) + 14 * u;
        button(k, SK_DO_HELP, right - q, y, high, "?", w->help);
        right -= q + 8 * u;
    }
    char now[32], all[32];
    int64_t stretch = m->last - MIN((int64_t)0, m->first);
    g_autofree char *words = g_strdup_printf("%s of %s", time_words(w->state.ns, stretch, now), time_words(m->last, stretch, all));
    sk_draw_label(k->d, (sk_rect){ x + 8 * u, y, MAX(MIN(right - x - 8 * u, 170 * u), 0), high }, words, SK_FONT, FONT * u, SK_LEFT, k->p->text);
    x += 186 * u;
    if (x < right - 60 * u) { /* what there is to say, else how the run is connected */
        bool fresh = *w->message && w->message_until > w->player.now;
        g_autofree char *lost = m->dropped ? g_strdup_printf("%" G_GUINT64_FORMAT " events were lost   ", m->dropped) : g_strdup("");
        g_autofree char *status = g_strconcat(lost, fresh ? w->message : w->live && w->live->status ? w->live->status(w->live->of) : "", NULL);
        sk_draw_label(k->d, (sk_rect){ x, y, right - x, high }, status, SK_FONT, FONT * u, SK_RIGHT, m->dropped ? k->p->failed : k->p->dim);
    }
    sk_draw_unclip(k->d);
}

/* ---- Above all ------------------------------------------------------------------------------------------------------------------------ */

static void panel(pencil *k, sk_rect box)
{
    sk_draw_rect(k->d, (sk_rect){ box.x + 3 * k->u, box.y + 3 * k->u, box.w, box.h }, &(sk_pen){ .fill = 0x00000030, .radius = ROUND * k->u });
    sk_draw_rect(k->d, box, &(sk_pen){ .fill = k->p->panel, .stroke = k->p->line, .radius = ROUND * k->u });
}

/* What the mouse is over, in words, beside it. */
static void draw_tip(pencil *k)
{
    const sk_window *w = k->w;
    const char *text = w->over.tip ? k->d->chars + w->over.tip : "";
    if (w->x < 0 || !*text || w->help || w->drag == SK_DRAG_PAN)
        return;
    g_auto(GStrv) line = g_strsplit(text, "\n", 12);
    unsigned n = g_strv_length(line);
    float size = FONT * k->u, wide = 0, high = n * 1.35f * size + 10 * k->u;
    for (unsigned i = 0; i < n; i++)
        wide = MAX(wide, sk_draw_width(line[i], i ? SK_FONT : SK_FONT_BOLD, size));
    wide = MIN(wide + 14 * k->u, w->width);
    sk_rect box = { w->x + 14 * k->u, w->y + 18 * k->u, wide, high };
    if (box.x + box.w > w->width)
        box.x = MAX(w->width - box.w, 0);
    if (box.y + box.h > w->height)
        box.y = MAX(w->y - box.h - 6 * k->u, 0);
    panel(k, box);
    for (unsigned i = 0; i < n; i++)
        sk_draw_label(k->d, (sk_rect){ box.x + 7 * k->u, box.y + 5 * k->u + i * 1.35f * size, box.w - 10 * k->u, 1.35f * size }, line[i],
                      i ? SK_FONT : SK_FONT_BOLD, size, SK_LEFT, k->p->text);
}

/* A column that is full goes on in the next. Smaller than elsewhere if the window is too small for it. */
static void draw_help(pencil *k)
{
    sk_window *w = k->w;
    float rows = SK_GROUPS * 1.6f + SK_COMMANDS, columns = w->width > w->height * 1.1f ? 2 : 1;
    float size = MIN(FONT * k->u, MIN((w->height - 40) / ((rows / columns + 3) * 1.45f), w->width / (columns * 36)));
    float line = 1.45f * size, wide = 34 * size, inside = ceilf(rows / columns + 1.5f) * line;
    sk_rect box = { (w->width - columns * wide) / 2 - size, (w->height - inside) / 2 - 2 * size, columns * wide + 2 * size, inside + 4 * size };
    panel(k, box);
    sk_draw_label(k->d, (sk_rect){ box.x, box.y + size * .6f, box.w, 2 * size }, "Keys   (Esc closes this)", SK_FONT_BOLD, 1.15f * size, SK_CENTRE,
                  k->p->text);
    float left = box.x + 1.5f * size, top = box.y + 3 * size, x = left, y = top;
    for (int group = 0; group < SK_GROUPS; group++) {
        if (y > top && y + 4 * line > top + inside)
            x += wide, y = top;
        sk_draw_label(k->d, (sk_rect){ x, y, wide, line * 1.4f }, sk_command_groups[group], SK_FONT_BOLD, size, SK_LEFT, k->p->running);
        y += 1.5f * line;
        for (int id = 0; id < SK_COMMANDS; id++) {
            if (sk_commands[id].group != group)
                continue;
            char keys[80];
            if (y + line > top + inside)
                x += wide, y = top;
            sk_draw_hit(k->d, SK_HIT_BUTTON, (uint32_t)id, NULL);
            sk_draw_rect(k->d, (sk_rect){ x, y, wide - size, line }, &(sk_pen){ 0 });
            sk_draw_label(k->d, (sk_rect){ x, y, 8.5f * size, line }, sk_command_keys(id, keys), SK_FONT_MONO, .9f * size, SK_LEFT, k->p->text);
            sk_draw_label(k->d, (sk_rect){ x + 9.5f * size, y, wide - 11 * size, line }, sk_commands[id].words, SK_FONT, size, SK_LEFT, k->p->text);
            sk_draw_hit(k->d, SK_HIT_NONE, 0, NULL);
            y += line;
        }
    }
}

static void draw_question(pencil *k, const char *text, bool mono)
{
    sk_window *w = k->w;
    float size = 1.15f * FONT * k->u, wide = MIN(MAX(sk_draw_width(text, SK_FONT, size) + 40 * k->u, 360 * k->u), w->width);
    sk_rect box = { (w->width - wide) / 2, MIN(70 * k->u, w->height / 4), wide, 2.6f * size };
    panel(k, box);
    sk_draw_label(k->d, (sk_rect){ box.x + 12 * k->u, box.y, box.w - 20 * k->u, box.h }, text, mono ? SK_FONT_MONO : SK_FONT, size, SK_LEFT, k->p->text);
}

static void draw_measure(pencil *k)
{
    const sk_window *w = k->w;
    sk_rect box = sk_window_where(w).box;
    float x0 = MIN(w->from_x, w->x), x1 = MAX(w->from_x, w->x);
    sk_draw_rect(k->d, (sk_rect){ x0, box.y, x1 - x0, box.h }, &(sk_pen){ .fill = (k->p->select & ~255u) | 50 });
    int64_t from = w->state.from, to = w->state.to;
    if (to <= from)
        from = MIN((int64_t)0, w->model->first), to = w->model->last;
    double per = (double)(to - from) / MAX(box.w, 1);
    char words[32];
    time_words((int64_t)((x1 - x0) * per), (int64_t)((x1 - x0) * per), words);
    sk_draw_text(k->d, (x0 + x1) / 2, box.y + 20 * k->u, words, SK_FONT_BOLD, FONT * k->u, SK_CENTRE, k->p->text);
}

void sk_window_draw_top(sk_window *w)
{
    pencil k = { w, w->draw, sk_palette_of(w->state.theme), sk_window_unit(w) };
    sk_draw_unclip(w->draw);
    sk_draw_hit(w->draw, SK_HIT_NONE, 0, NULL);
    sk_draw_layer(w->draw, SK_LAYER_PANELS);
    if (w->model)
        draw_bar(&k);
    sk_draw_layer(w->draw, SK_LAYER_TOP);
    if (w->drag == SK_DRAG_MEASURE && w->model)
        draw_measure(&k);
    if (w->quiz.on && w->model)
        sk_window_predict_draw(w);
    if (w->finding) {
        g_autofree char *text = g_strdup_printf("find: %s_", w->find);
        draw_question(&k, text, true);
    }
    if (w->asking)
        draw_question(&k, w->question, false);
    if (w->help)
        draw_help(&k);
    draw_tip(&k);
}
