/* paint_pixels.c -- the painter of paint_pixels.h. Reading order: blending; boxes; lines; areas; text; the list. */
#include "paint_pixels.h"

#include <glib.h>
#include <math.h>

typedef struct canvas {
    sk_pixels *p;
    int left, top, right, bottom; /* the clip */
} canvas;

/* ---- Blending ---------------------------------------------------------------------------------------------------------------------- */

/* `cover` of 256 parts of the pixel. */
static inline void blend(uint32_t *to, sk_colour colour, unsigned cover)
{
    unsigned part = (colour & 255) * cover / 255;           /* 0 .. 256 */
    uint32_t from = colour >> 8, rb = *to & 0xff00ff, g = *to & 0x00ff00;
    rb += (((from & 0xff00ff) - rb) * part) >> 8;
    g += (((from & 0x00ff00) - g) * part) >> 8;
    *to = (rb & 0xff00ff) | (g & 0x00ff00);
}

static inline void dot(canvas *c, int x, int y, sk_colour colour, float cover)
{
    if (x >= c->left && x < c->right && y >= c->top && y < c->bottom && cover > 0)
        blend(&c->p->at[(size_t)y * c->p->stride + x], colour, cover >= 1 ? 256 : (unsigned)(cover * 256));
}

static void fill(canvas *c, int x0, int y0, int x1, int y1, sk_colour colour)
{
    x0 = MAX(x0, c->left), x1 = MIN(x1, c->right), y0 = MAX(y0, c->top), y1 = MIN(y1, c->bottom);
    bool opaque = (colour & 255) == 255;
    for (int y = y0; y < y1; y++) {
        uint32_t *row = c->p->at + (size_t)y * c->p->stride;
        if (opaque)
            for (int x = x0; x < x1; x++)
                row[x] = colour >> 8;
        else
            for (int x = x0; x < x1; x++)
                blend(&row[x], colour, 256);
    }
}

void sk_pixels_fill(sk_pixels *p, sk_colour colour)
{
    canvas c = { p, 0, 0, p->width, p->height };
    fill(&c, 0, 0, p->width, p->height, colour | 255);
}

/* ---- Boxes: their edges are on whole pixels --------------------------------------------------------------------------------------- */

typedef struct box { int x0, y0, x1, y1; } box;

static int whole(float v) { return (int)lrintf(CLAMP(v, -100000.f, 100000.f)); }

static box box_of(sk_rect r)
{
    box b = { whole(r.x), whole(r.y), whole(r.x + r.w), whole(r.y + r.h) };
    b.x1 = MAX(b.x1, b.x0 + (r.w > 0)); /* what is there is seen */
    b.y1 = MAX(b.y1, b.y0 + (r.h > 0));
    return b;
}

/* How much of the pixel (x, y) from a corner is inside a quarter circle of this radius around (r, r). */
static float corner(int x, int y, float r, float radius)
{
    return CLAMP(radius + .5f - hypotf(r - x - .5f, r - y - .5f), 0.f, 1.f);
}

/* What lies within `width` of the edge of a box with round corners; all of it if the width is the box's. */
static void ring(canvas *c, box b, int width, float radius, sk_colour colour)
{
    int r = MIN((int)ceilf(radius), MIN(b.x1 - b.x0, b.y1 - b.y0) / 2);
    bool all = 2 * width >= MIN(b.x1 - b.x0, b.y1 - b.y0);
    for (int y = 0; y < r; y++)
        for (int x = 0; x < r; x++) {
            float cover = corner(x, y, r, r) - (all ? 0 : corner(x, y, r, r - width));
            dot(c, b.x0 + x, b.y0 + y, colour, cover), dot(c, b.x1 - 1 - x, b.y0 + y, colour, cover);
            dot(c, b.x0 + x, b.y1 - 1 - y, colour, cover), dot(c, b.x1 - 1 - x, b.y1 - 1 - y, colour, cover);
        }
    if (all) {
        fill(c, b.x0 + r, b.y0, b.x1 - r, b.y0 + r, colour);
        fill(c, b.x0, b.y0 + r, b.x1, b.y1 - r, colour);
        fill(c, b.x0 + r, b.y1 - r, b.x1 - r, b.y1, colour);
        return;
    }
    int side = MAX(r, width);
    fill(c, b.x0 + r, b.y0, b.x1 - r, b.y0 + width, colour);
    fill(c, b.x0 + r, b.y1 - width, b.x1 - r, b.y1, colour);
    fill(c, b.x0, b.y0 + side, b.x0 + width, b.y1 - side, colour);
    fill(c, b.x1 - width, b.y0 + side, b.x1, b.y1 - side, colour);
}

static void dashes(canvas *c, box b, int width, sk_colour colour)
{
    int dash = 3 * width, step = 2 * dash;
    for (int x = b.x0; x < b.x1; x += step) {
        fill(c, x, b.y0, MIN(x + dash, b.x1), b.y0 + width, colour);
        fill(c, x, b.y1 - width, MIN(x + dash, b.x1), b.y1, colour);
    }
    for (int y = b.y0; y < b.y1; y += step) {
        fill(c, b.x0, y, b.x0 + width, MIN(y + dash, b.y1), colour);
        fill(c, b.x1 - width, y, b.x1, MIN(y + dash, b.y1), colour);
    }
}

/* Lines that go on from box to box: they are fixed to the picture. */
static void pattern(canvas *c, box b, unsigned kind, sk_colour colour)
{
    enum { STEP = 6 };
    int x0 = MAX(b.x0, c->left), x1 = MIN(b.x1, c->right), y0 = MAX(b.y0, c->top), y1 = MIN(b.y1, c->bottom);
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) {
            bool on = false;
            switch (kind) {
            case SK_PATTERN_HATCH: on = (x + y) % STEP == 0; break;
            case SK_PATTERN_BACK_HATCH: on = (x - y + STEP * 100000) % STEP == 0; break;
            case SK_PATTERN_DOTS: on = x % 4 < 2 && y % 4 < 2 && (x / 4 + y / 4) % 2 == 0; break;
            case SK_PATTERN_CROSS: on = (x + y) % STEP == 0 || (x - y + STEP * 100000) % STEP == 0; break;
            default: return;
            }
            if (on)
                dot(c, x, y, colour, .7f);
        }
}

static void paint_box(canvas *c, const sk_item *item)
{
    const sk_pen *pen = &item->pen;
    box b = box_of(item->box);
    if (b.x1 <= c->left || b.x0 >= c->right || b.y1 <= c->top || b.y0 >= c->bottom)
        return;
    bool small = b.x1 - b.x0 < 6 || b.y1 - b.y0 < 6;
    float radius = small ? 0 : pen->radius;
    if (pen->fill)
        ring(c, b, b.x1 - b.x0 + b.y1 - b.y0, radius, pen->fill);
    if (pen->pattern)
        pattern(c, b, pen->pattern, pen->stroke ? pen->stroke : 0x000000b0);
    else if (pen->stroke) {
        int width = MAX(1, whole(pen->width));
        if (pen->dashed)
            dashes(c, b, width, pen->stroke);
        else
            ring(c, b, width, radius, pen->stroke);
    }
}

/* ---- Lines ------------------------------------------------------------------------------------------------------------------------- */

/* From a to b: in each column it passes (or row, if it is steep) a run of pixels as long as the line is thick there. */
static void line(canvas *c, sk_point a, sk_point b, float width, sk_colour colour)
{
    bool steep = fabsf(b.y - a.y) > fabsf(b.x - a.x);
    if (steep)
        a = (sk_point){ a.y, a.x }, b = (sk_point){ b.y, b.x };
    if (a.x > b.x) {
        sk_point swap = a;
        a = b, b = swap;
    }
    float slope = b.x - a.x > 1e-6f ? (b.y - a.y) / (b.x - a.x) : 0;
    float thick = width * sqrtf(1 + slope * slope);
    if (fabsf(slope) < 1e-4f) { /* upright or level: on whole pixels, or it is grey and wide */
        int w = MAX(1, whole(width)), v = (int)floorf(a.y - w / 2.f + .5f), u0 = whole(a.x), u1 = MAX(whole(b.x), whole(a.x) + 1);
        if (steep)
            fill(c, v, u0, v + w, u1, colour);
        else
            fill(c, u0, v, u1, v + w, colour);
        return;
    }
    int from = steep ? c->top : c->left, to = steep ? c->bottom : c->right;
    for (int u = MAX((int)floorf(a.x), from); u < MIN((int)ceilf(b.x), to); u++) {
        float here = MIN(u + 1.f, b.x) - MAX((float)u, a.x);        /* of this column, at the ends */
        float middle = a.y + slope * (u + .5f - a.x), low = middle - thick / 2, high = middle + thick / 2;
        for (int v = (int)floorf(low); v < high; v++) {
            float cover = here * (MIN(v + 1.f, high) - MAX((float)v, low));
            if (steep)
                dot(c, v, u, colour, cover);
            else
                dot(c, u, v, colour, cover);
        }
    }
}

static void dashed(canvas *c, sk_point a, sk_point b, float width, sk_colour colour, float *along)
{
    float length = hypotf(b.x - a.x, b.y - a.y), dash = 3 * MAX(width, 1.f);
    if (!(length > 0) || length > 20000)
        return;
    for (float at = 0; at < length;) {
        float in = fmodf(*along + at, 2 * dash), next = MIN(at + (in < dash ? dash : 2 * dash) - in + .01f, length);
        if (in < dash)
            line(c, (sk_point){ a.x + (b.x - a.x) * at / length, a.y + (b.y - a.y) * at / length },
                 (sk_point){ a.x + (b.x - a.x) * next / length, a.y + (b.y - a.y) * next / length }, width, colour);
        at = next;
    }
    *along += length;
}

static void lines(canvas *c, const sk_point *points, uint32_t n, bool closed, const sk_pen *pen)
{
    float width = pen->width > 0 ? pen->width : 1, along = 0;
    for (uint32_t i = 0; i + 1 < n + closed; i++) {
        sk_point a = points[i], b = points[(i + 1) % n];
        if (pen->dashed)
            dashed(c, a, b, width, pen->stroke, &along);
        else
            line(c, a, b, width, pen->stroke);
    }
}

/* ---- Areas: by rows, four lines in each ------------------------------------------------------------------------------------------ */

static void area(canvas *c, const sk_point *points, uint32_t n, sk_rect cover, sk_colour colour)
{
    enum { LINES = 4 };
    int x0 = MAX((int)floorf(cover.x), c->left), x1 = MIN((int)ceilf(cover.x + cover.w) + 1, c->right);
    int y0 = MAX((int)floorf(cover.y), c->top), y1 = MIN((int)ceilf(cover.y + cover.h) + 1, c->bottom);
    if (x0 >= x1 || y0 >= y1)
        return;
    g_autofree float *row = g_new(float, x1 - x0), *cross = g_new(float, n);
    for (int y = y0; y < y1; y++) {
        for (int x = 0; x < x1 - x0; x++)
            row[x] = 0;
        for (int k = 0; k < LINES; k++) {
            float at = y + (k + .5f) / LINES;
            uint32_t ncross = 0;
            for (uint32_t i = 0; i < n; i++) {
                sk_point a = points[i], b = points[(i + 1) % n];
                if ((a.y <= at) == (b.y <= at))
                    continue;
                float x = a.x + (b.x - a.x) * (at - a.y) / (b.y - a.y);
                uint32_t j = ncross++;
                for (; j > 0 && cross[j - 1] > x; j--)
                    cross[j] = cross[j - 1];
                cross[j] = x;
            }
            for (uint32_t i = 0; i + 1 < ncross; i += 2)
                for (int x = MAX((int)floorf(cross[i]), x0); x < MIN((int)ceilf(cross[i + 1]), x1); x++)
                    row[x - x0] += (MIN(x + 1.f, cross[i + 1]) - MAX((float)x, cross[i])) / LINES;
        }
        for (int x = x0; x < x1; x++)
            dot(c, x, y, colour, row[x - x0]);
    }
}

/* ---- Text -------------------------------------------------------------------------------------------------------------------------- */

static void letter(canvas *c, const sk_glyph *g, int x, int y, sk_colour colour)
{
    int left = x + g->left, top = y - g->top;
    int x0 = MAX(left, c->left), x1 = MIN(left + g->width, c->right), y0 = MAX(top, c->top), y1 = MIN(top + g->height, c->bottom);
    for (int v = y0; v < y1; v++) {
        uint32_t *row = c->p->at + (size_t)v * c->p->stride;
        const uint8_t *mask = g->mask + (size_t)(v - top) * g->width - left;
        for (int u = x0; u < x1; u++)
            if (mask[u])
                blend(&row[u], colour, mask[u] + (mask[u] >> 7));
    }
}

static void paint_text(canvas *c, const sk_item *item, const char *text, sk_glyphs *glyphs, void *fonts)
{
    int size = MAX(1, whole(item->pen.width));
    float x = item->box.x, width = 0;
    if (item->align != SK_LEFT) {
        for (const char *s = text; *s; s = g_utf8_next_char(s))
            width += glyphs(fonts, item->font, size, g_utf8_get_char(s))->advance;
        x -= item->align == SK_RIGHT ? width : width / 2;
    }
    int baseline = whole(item->box.y);
    if (baseline + size < c->top || baseline - 2 * size > c->bottom)
        return;
    for (const char *s = text; *s && x < c->right; s = g_utf8_next_char(s)) {
        const sk_glyph *g = glyphs(fonts, item->font, size, g_utf8_get_char(s));
        if (g->mask)
            letter(c, g, whole(x), baseline, item->pen.fill);
        x += g->advance;
    }
}

/* ---- The list ---------------------------------------------------------------------------------------------------------------------- */

static void paint_curve(canvas *c, const sk_item *item)
{
    enum { MOST = 24 };
    sk_point points[MOST + 1], head[3];
    uint32_t n = CLAMP((uint32_t)(MIN(hypotf(item->box.w, item->box.h), 1000) / 8), 6, MOST);
    sk_draw_bend(item, points, n);
    lines(c, points, n + 1, false, &item->pen);
    if (item->pen.arrow) {
        sk_draw_arrow(item, head);
        float x0 = MIN(head[0].x, MIN(head[1].x, head[2].x)), x1 = MAX(head[0].x, MAX(head[1].x, head[2].x));
        float y0 = MIN(head[0].y, MIN(head[1].y, head[2].y)), y1 = MAX(head[0].y, MAX(head[1].y, head[2].y));
        area(c, head, 3, (sk_rect){ x0, y0, x1 - x0, y1 - y0 }, item->pen.stroke);
    }
}

void sk_paint_pixels(const sk_draw *d, sk_pixels *p, sk_glyphs *glyphs, void *fonts)
{
    g_autofree uint32_t *order = sk_draw_order(d);
    for (uint32_t i = 0; i < d->nitems; i++) {
        const sk_item *item = &d->items[order[i]];
        canvas c = { p, 0, 0, p->width, p->height };
        if (item->clip) {
            box b = box_of(d->clips[item->clip]);
            c.left = MAX(b.x0, 0), c.top = MAX(b.y0, 0), c.right = MIN(b.x1, p->width), c.bottom = MIN(b.y1, p->height);
        }
        switch (item->kind) {
        case SK_DRAW_RECT: paint_box(&c, item); break;
        case SK_DRAW_CURVE: paint_curve(&c, item); break;
        case SK_DRAW_TEXT: paint_text(&c, item, d->chars + item->text, glyphs, fonts); break;
        case SK_DRAW_POLY:
            if (item->pen.fill)
                area(&c, d->points + item->point, item->npoints, item->box, item->pen.fill);
            if (item->pen.stroke)
                lines(&c, d->points + item->point, item->npoints, item->pen.closed || item->pen.fill, &item->pen);
            break;
        }
    }
}
