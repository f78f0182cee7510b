/* draw.c -- see draw.h. Reading order: 1 memory; 2 shapes; 3 text; 4 signs; 5 reading. */
#include "draw.h"

#include <math.h>
#include <string.h>

#include <glib.h>

/* ---- 1. Memory ------------------------------------------------------------------------------------------------------------------------- */

enum { ROOM_ITEMS, ROOM_POINTS, ROOM_HITS, ROOM_CLIPS, ROOM_CHARS };

/* Makes room for `more` at array[n]; a list that is cleared keeps its room. */
#define ROOM(d, which, array, n, more)                                                                                                 \
    do {                                                                                                                               \
        if ((n) + (more) > (d)->room[which]) {                                                                                         \
            (d)->room[which] = MAX(64, 2 * ((n) + (more)));                                                                            \
            (array) = g_realloc_n((array), (d)->room[which], sizeof *(array));                                                         \
        }                                                                                                                              \
    } while (0)

sk_draw *sk_draw_new(void)
{
    sk_draw *d = g_new0(sk_draw, 1);
    sk_draw_clear(d);
    return d;
}

void sk_draw_free(sk_draw *d)
{
    if (!d)
        return;
    void *arrays[] = { d->items, d->points, d->hits, d->clips, d->chars, d };
    for (unsigned i = 0; i < G_N_ELEMENTS(arrays); i++)
        g_free(arrays[i]);
}

void sk_draw_clear(sk_draw *d)
{
    d->nitems = d->npoints = d->nhits = d->nclips = d->nchars = 0;
    d->hit = d->clip = 0;
    d->layer = SK_LAYER_GROUND;
    ROOM(d, ROOM_CHARS, d->chars, 0, 1);
    ROOM(d, ROOM_HITS, d->hits, 0, 1);
    ROOM(d, ROOM_CLIPS, d->clips, 0, 1);
    d->chars[d->nchars++] = '\0';
    d->hits[d->nhits++] = (sk_hit){ 0 };
    d->clips[d->nclips++] = (sk_rect){ 0 };
}

static uint32_t keep(sk_draw *d, const char *text, size_t n)
{
    if (!n)
        return 0;
    ROOM(d, ROOM_CHARS, d->chars, d->nchars, (uint32_t)n + 1);
    uint32_t at = d->nchars;
    memcpy(d->chars + at, text, n);
    d->chars[at + n] = '\0';
    d->nchars += (uint32_t)n + 1;
    return at;
}

void sk_draw_layer(sk_draw *d, sk_layer layer) { d->layer = (uint8_t)layer; }

void sk_draw_hit(sk_draw *d, sk_hit_what what, uint32_t index, const char *tip)
{
    d->hit = 0;
    if (what == SK_HIT_NONE)
        return;
    ROOM(d, ROOM_HITS, d->hits, d->nhits, 1);
    d->hit = d->nhits;
    d->hits[d->nhits++] = (sk_hit){ (uint8_t)what, index, tip ? keep(d, tip, strlen(tip)) : 0 };
}

void sk_draw_clip(sk_draw *d, sk_rect box)
{
    ROOM(d, ROOM_CLIPS, d->clips, d->nclips, 1);
    d->clip = d->nclips;
    d->clips[d->nclips++] = box;
}

void sk_draw_unclip(sk_draw *d) { d->clip = 0; }

/* ---- 2. Shapes ------------------------------------------------------------------------------------------------------------------------- */

static sk_item *add(sk_draw *d, sk_draw_kind kind, sk_rect box, const sk_pen *pen)
{
    ROOM(d, ROOM_ITEMS, d->items, d->nitems, 1);
    sk_item *i = &d->items[d->nitems++];
    *i = (sk_item){ .kind = (uint8_t)kind, .layer = d->layer, .box = box, .clip = d->clip, .hit = d->hit };
    if (pen)
        i->pen = *pen;
    if (i->pen.stroke && i->pen.width <= 0)
        i->pen.width = 1;
    return i;
}

void sk_draw_rect(sk_draw *d, sk_rect box, const sk_pen *pen) { add(d, SK_DRAW_RECT, box, pen); }

void sk_draw_poly(sk_draw *d, const sk_point *points, uint32_t n, const sk_pen *pen)
{
    float x0 = points[0].x, x1 = x0, y0 = points[0].y, y1 = y0;
    ROOM(d, ROOM_POINTS, d->points, d->npoints, n);
    for (uint32_t i = 0; i < n; i++) {
        x0 = MIN(x0, points[i].x), x1 = MAX(x1, points[i].x);
        y0 = MIN(y0, points[i].y), y1 = MAX(y1, points[i].y);
        d->points[d->npoints + i] = points[i];
    }
    sk_item *item = add(d, SK_DRAW_POLY, (sk_rect){ x0, y0, x1 - x0, y1 - y0 }, pen);
    item->point = d->npoints;
    item->npoints = n;
    d->npoints += n;
}

void sk_draw_line(sk_draw *d, float x1, float y1, float x2, float y2, const sk_pen *pen)
{
    sk_draw_poly(d, (sk_point[]){ { x1, y1 }, { x2, y2 } }, 2, pen);
}

void sk_draw_curve(sk_draw *d, float x1, float y1, float x2, float y2, const sk_pen *pen)
{
    add(d, SK_DRAW_CURVE, (sk_rect){ x1, y1, x2 - x1, y2 - y1 }, pen);
}

/* ---- 3. Text --------------------------------------------------------------------------------------------------------------------------- */

/* How wide the letters from ' ' to '~' are, in thousandths of the size: DejaVu Sans, and bold. */
static const uint16_t widths[2][95] = {
    { 318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636, 636,
      636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787,
      603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635,
      634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838 },
    { 348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696, 696, 696, 696, 696, 696,
      696, 696, 400, 400, 838, 838, 838, 580, 1000, 774, 762, 734, 830, 683, 683, 821, 837, 372, 372, 775, 637, 995, 837, 850,
      733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457, 365, 457, 838, 500, 500, 675, 716, 593, 716, 678, 435, 716,
      712, 343, 343, 665, 343, 1042, 712, 687, 716, 716, 493, 595, 478, 712, 652, 924, 645, 652, 582, 712, 365, 712, 838 },
};
enum { MONO = 602, OTHER = 650, WIDE = 1000 }; /* of every letter of DejaVu Sans Mono; of most letters of other scripts; of Chinese ones */

static unsigned letter(gunichar c, sk_font font)
{
    if (c < 0x80 && font == SK_FONT_MONO)
        return MONO;
    if (c >= ' ' && c <= '~')
        return widths[font == SK_FONT_BOLD][c - ' '];
    return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) || c == 0x2026 ? WIDE : OTHER;
}

float sk_draw_width(const char *text, sk_font font, float size)
{
    unsigned sum = 0;
    for (const char *p = text; *p; p = g_utf8_next_char(p))
        sum += letter(g_utf8_get_char(p), font);
    return (float)sum * size / 1000;
}

static void put_text(sk_draw *d, float x, float baseline, uint32_t text, sk_font font, float size, sk_align align, sk_colour colour)
{
    sk_item *i = add(d, SK_DRAW_TEXT, (sk_rect){ x, baseline, 0, 0 }, &(sk_pen){ .fill = colour, .width = size });
    i->text = text;
    i->font = (uint8_t)font;
    i->align = (uint8_t)align;
}

void sk_draw_text(sk_draw *d, float x, float baseline, const char *text, sk_font font, float size, sk_align align, sk_colour colour)
{
    if (*text)
        put_text(d, x, baseline, keep(d, text, strlen(text)), font, size, align, colour);
}

void sk_draw_label(sk_draw *d, sk_rect box, const char *text, sk_font font, float size, sk_align align, sk_colour colour)
{
    const float room = box.w * 1000 / size, dots = WIDE;
    float sum = 0;
    const char *fits = text, *p = text; /* fits: where it ends if dots must follow */
    for (; *p && sum <= room; p = g_utf8_next_char(p)) {
        if (sum + dots <= room)
            fits = p;
        sum += (float)letter(g_utf8_get_char(p), font);
    }
    uint32_t at;
    if (sum <= room) {
        at = keep(d, text, (size_t)(p - text));
    } else if (fits == text) {
        return;
    } else {
        g_autofree char *cut = g_strdup_printf("%.*s…", (int)(fits - text), text);
        at = keep(d, cut, strlen(cut));
    }
    float x = align == SK_LEFT ? box.x : align == SK_CENTRE ? box.x + box.w / 2 : box.x + box.w;
    if (at)
        put_text(d, x, box.y + box.h / 2 + 0.36f * size, at, font, size, align, colour); /* 0.36: half the height of a capital */
}

float sk_draw_paragraph(sk_draw *d, sk_rect box, const char *text, sk_font font, float size, sk_colour colour)
{
    const float high = 1.4f * size, room = box.w * 1000 / size;
    float y = 0;
    while (*text && y + high <= box.h) {
        const char *p = text, *space = NULL;
        float sum = 0;
        for (; *p && (sum += (float)letter(g_utf8_get_char(p), font)) <= room; p = g_utf8_next_char(p))
            if (*p == ' ')
                space = p;
        bool whole = !*p, last = y + 2 * high > box.h;
        const char *end = whole || *p == ' ' ? p : space ? space : p == text ? g_utf8_next_char(p) : p; /* a word that is too long is broken */
        g_autofree char *line = last && !whole ? g_strdup(text) : g_strndup(text, (gsize)(end - text));
        sk_draw_label(d, (sk_rect){ box.x, box.y + y, box.w, high }, line, font, size, SK_LEFT, colour);
        y += high;
        for (text = end; *text == ' '; text++)
            ;
    }
    return y;
}

/* ---- 4. Signs: strokes in a square of 8 by 8 ------------------------------------------------------------------------------------------- */

void sk_draw_sign(sk_draw *d, sk_sign sign, sk_rect box, sk_colour colour)
{
    static const struct stroke { uint8_t sign, n, closed; sk_point p[9]; } strokes[] = {
        { SK_SIGN_CHECK, 3, 0, { { 1, 4.4f }, { 3.2f, 6.6f }, { 7, 1.6f } } },
        { SK_SIGN_CROSS, 2, 0, { { 1.4f, 1.4f }, { 6.6f, 6.6f } } },
        { SK_SIGN_CROSS, 2, 0, { { 6.6f, 1.4f }, { 1.4f, 6.6f } } },
        { SK_SIGN_AGAIN, 8, 0, { { 6.6f, 2.4f }, { 5, 1.2f }, { 3, 1.2f }, { 1.4f, 2.8f }, { 1.4f, 5 }, { 3, 6.6f }, { 5, 6.6f }, { 6.6f, 5.2f } } },
        { SK_SIGN_AGAIN, 3, 0, { { 7, 0.4f }, { 6.6f, 2.6f }, { 4.6f, 2.4f } } },
        { SK_SIGN_PLAY, 3, 1, { { 2, 1 }, { 7, 4 }, { 2, 7 } } },
        { SK_SIGN_PAUSE, 2, 0, { { 2.8f, 1.4f }, { 2.8f, 6.6f } } },
        { SK_SIGN_PAUSE, 2, 0, { { 5.2f, 1.4f }, { 5.2f, 6.6f } } },
        { SK_SIGN_STRIKE, 2, 0, { { 1, 4 }, { 7, 4 } } },
    };
    float size = MIN(box.w, box.h), x0 = box.x + (box.w - size) / 2, y0 = box.y + (box.h - size) / 2;
    for (unsigned i = 0; i < G_N_ELEMENTS(strokes); i++) {
        const struct stroke *s = &strokes[i];
        sk_point points[9];
        for (unsigned k = 0; k < s->n; k++)
            points[k] = (sk_point){ x0 + s->p[k].x * size / 8, y0 + s->p[k].y * size / 8 };
        if (s->sign == sign)
            sk_draw_poly(d, points, s->n, &(sk_pen){ .stroke = colour, .fill = s->closed ? colour : 0, .width = MAX(1, size / 6) });
    }
}

/* ---- 5. Reading ------------------------------------------------------------------------------------------------------------------------ */

uint32_t *sk_draw_order(const sk_draw *d)
{
    uint32_t first[SK_LAYER_TOP + 2] = { 0 }, *order = g_new(uint32_t, d->nitems + 1);
    for (uint32_t i = 0; i < d->nitems; i++)
        first[d->items[i].layer + 1]++;
    for (unsigned l = 1; l <= SK_LAYER_TOP; l++)
        first[l] += first[l - 1];
    for (uint32_t i = 0; i < d->nitems; i++)
        order[first[d->items[i].layer]++] = i;
    return order;
}

static bool inside(sk_rect r, float x, float y) { return x >= r.x && y >= r.y && x < r.x + r.w && y < r.y + r.h; }

uint32_t sk_draw_at(const sk_draw *d, float x, float y)
{
    const sk_item *top = NULL;
    for (uint32_t k = 0; k < d->nitems; k++) {
        const sk_item *i = &d->items[k];
        bool body = i->kind == SK_DRAW_RECT || (i->kind == SK_DRAW_POLY && i->pen.fill); /* text lies in boxes; lines are too thin */
        if (body && inside(i->box, x, y) && (!i->clip || inside(d->clips[i->clip], x, y)) && (!top || i->layer >= top->layer))
            if (i->hit || i->pen.fill)
                top = i;
    }
    return top ? top->hit : 0;
}

const char *sk_draw_hit_name(sk_hit_what what)
{
    static const char *const names[] = { "none", "task", "object", "worker", "node", "fn", "group", "site", "transfer", "state",
                                         "view", "button", "time", "file", "run", "part", "answer" };
    return what < G_N_ELEMENTS(names) ? names[what] : "?";
}

void sk_draw_bend(const sk_item *c, sk_point *points, uint32_t n)
{
    sk_rect b = c->box;
    for (uint32_t i = 0; i <= n; i++) {
        float t = (float)i / (float)n, along = t, aside = t * t * (3 - 2 * t); /* the cubic of sk_paint_cairo, along its main axis */
        float slow = 1.5f * t * (1 - t) * (1 - t) + 1.5f * t * t * (1 - t) + t * t * t;
        along = slow;
        points[i] = c->pen.across ? (sk_point){ b.x + along * b.w, b.y + aside * b.h } : (sk_point){ b.x + aside * b.w, b.y + along * b.h };
    }
}

void sk_draw_arrow(const sk_item *c, sk_point p[3])
{
    float x = c->box.x + c->box.w, y = c->box.y + c->box.h, size = 3 + 1.5f * c->pen.width;
    float way = (c->pen.across ? c->box.w : c->box.h) < 0 ? -size : size, half = size / 2;
    p[0] = (sk_point){ x, y };
    p[1] = c->pen.across ? (sk_point){ x - way, y - half } : (sk_point){ x - half, y - way };
    p[2] = c->pen.across ? (sk_point){ x - way, y + half } : (sk_point){ x + half, y - way };
}
