/* draw.h -- the draw list: a picture as plain data. Views write it; painters (Cairo, SVG, text, SDL) read it; tests compare it.
 *
 * The idea: a flat array of items in units of pixels from the top left, each with all it needs (its clip, its layer, its hit), so a painter
 * keeps no state and may sort as it likes, as long as lower layers come first and items of a layer that overlap keep their
 * order (sk_draw_order is such an order). An item may belong to a *hit*: what it shows (a task, an object ...) and a tooltip. The same
 * hit serves the mouse, and the ids and titles of an SVG.
 *
 *     sk_draw *d = sk_draw_new();
 *     sk_draw_hit(d, SK_HIT_TASK, 7, "task 7: add");             what follows is task 7
 *     sk_draw_rect(d, (sk_rect){ 10, 10, 60, 24 }, &(sk_pen){ .fill = 0x77aaddff, .radius = 3 });
 *     sk_draw_label(d, box, "add", SK_FONT, 12, SK_CENTRE, 0x000000ff);
 *     sk_draw_hit(d, SK_HIT_NONE, 0, NULL);
 *     sk_paint_png(d, 640, 480, "out.png", &err);
 *     sk_draw_clear(d);                                           keeps the memory: the next frame needs about as much
 *
 * Text is measured by a table (DejaVu Sans, which all painters use): views need no font, and a draw list is the same on every machine. */
#ifndef SK_DRAW_H
#define SK_DRAW_H

#include <stdbool.h>

#include "palette.h"

typedef struct sk_rect { float x, y, w, h; } sk_rect;
typedef struct sk_point { float x, y; } sk_point;

typedef enum sk_draw_kind {
    SK_DRAW_RECT,   /* box; fill, stroke, radius, pattern */
    SK_DRAW_POLY,   /* points; filled if there is a fill, closed if so or if `closed` */
    SK_DRAW_CURVE,  /* from (x, y) to (x + w, y + h); leaves and arrives down (or, if `across`, to the right); an arrowhead if `arrow` */
    SK_DRAW_TEXT,   /* at (x, y): on the baseline, from here, around here, or up to here (align) */
} sk_draw_kind;

/* Layers, lowest first. */
typedef enum sk_layer { SK_LAYER_GROUND, SK_LAYER_EDGES, SK_LAYER_BOXES, SK_LAYER_TEXT, SK_LAYER_ABOVE, SK_LAYER_PANELS, SK_LAYER_TOP } sk_layer;
typedef enum sk_font { SK_FONT, SK_FONT_BOLD, SK_FONT_MONO } sk_font;
typedef enum sk_align { SK_LEFT, SK_CENTRE, SK_RIGHT } sk_align;

/* What can be pointed at. The index is the model's; of buttons and other parts of the window the window's own. */
typedef enum sk_hit_what {
    SK_HIT_NONE, SK_HIT_TASK, SK_HIT_OBJECT, SK_HIT_WORKER, SK_HIT_NODE, SK_HIT_FN, SK_HIT_GROUP, SK_HIT_SITE, SK_HIT_TRANSFER,
    SK_HIT_STATE, SK_HIT_VIEW, SK_HIT_BUTTON, SK_HIT_TIME, SK_HIT_FILE, SK_HIT_RUN, SK_HIT_PART /* of a picture: there for its tooltip */,
    SK_HIT_ANSWER
} sk_hit_what;
typedef struct sk_hit { uint8_t what; uint32_t index, tip; } sk_hit; /* tip: in chars[] */

typedef struct sk_pen { /* how a shape looks; zero is nothing, solid, square */
    sk_colour fill, stroke;
    float width, radius;                /* of the stroke (0 with a stroke: 1); of corners */
    uint8_t pattern;                    /* sk_pattern, in `stroke` (else dark) over the fill */
    bool dashed, arrow, across, closed;
} sk_pen;

typedef struct sk_item {
    uint8_t kind, layer, font, align;
    sk_rect box;                        /* of POLY: what it covers */
    sk_pen pen;                         /* of TEXT: fill is its colour, width its size */
    uint32_t text;                      /* in chars[] */
    uint32_t point, npoints;            /* in points[] */
    uint32_t clip, hit;                 /* in clips[], hits[]; 0: none */
} sk_item;

/* clang-format off */
typedef struct sk_draw {
    sk_item *items;   uint32_t nitems;
    sk_point *points; uint32_t npoints;
    sk_hit *hits;     uint32_t nhits;   /* 0: none */
    sk_rect *clips;   uint32_t nclips;  /* 0: none */
    char *chars;      uint32_t nchars;  /* strings, each with its NUL; 0 is "" */
    sk_colour ground;                   /* behind everything */
    uint8_t layer;                      /* of the items to come */
    uint32_t hit, clip;
    uint32_t room[5];                   /* of the arrays */
} sk_draw;
/* clang-format on */

sk_draw *sk_draw_new(void);
void sk_draw_free(sk_draw *d); /* NULL is fine */
void sk_draw_clear(sk_draw *d);

/* ---- Writing ---- */
void sk_draw_layer(sk_draw *d, sk_layer layer);
void sk_draw_hit(sk_draw *d, sk_hit_what what, uint32_t index, const char *tip); /* copied; NULL: none */
void sk_draw_clip(sk_draw *d, sk_rect box);  /* for what follows, in place of the last one */
void sk_draw_unclip(sk_draw *d);
void sk_draw_rect(sk_draw *d, sk_rect box, const sk_pen *pen);
void sk_draw_line(sk_draw *d, float x1, float y1, float x2, float y2, const sk_pen *pen);
void sk_draw_poly(sk_draw *d, const sk_point *points, uint32_t n, const sk_pen *pen);
void sk_draw_curve(sk_draw *d, float x1, float y1, float x2, float y2, const sk_pen *pen);
void sk_draw_sign(sk_draw *d, sk_sign mark, sk_rect box, sk_colour colour); /* a sign, as lines */
void sk_draw_text(sk_draw *d, float x, float baseline, const char *text, sk_font font, float size, sk_align align, sk_colour colour);
/* In the middle of the box's height; what does not fit is cut and ends with "…"; nothing if not even one letter fits. */
void sk_draw_label(sk_draw *d, sk_rect box, const char *text, sk_font font, float size, sk_align align, sk_colour colour);
/* In lines, broken between words, from the top of the box on; the last one that fits its height is cut as a label is. Returns how high they are. */
float sk_draw_paragraph(sk_draw *d, sk_rect box, const char *text, sk_font font, float size, sk_colour colour);
float sk_draw_width(const char *text, sk_font font, float size);

/* ---- Reading ---- */
/* The order to paint in: indices of the items. The caller's, to be freed with g_free. */
uint32_t *sk_draw_order(const sk_draw *d);
/* The topmost hit at this place, else the one of kind SK_HIT_NONE. Its index in hits[]. */
uint32_t sk_draw_at(const sk_draw *d, float x, float y);
const char *sk_draw_hit_name(sk_hit_what what); /* "task" */
/* The points of a curve as a line, for painters that have none: n + 1 of them. */
void sk_draw_bend(const sk_item *curve, sk_point *points, uint32_t n);
/* The arrowhead of a curve: three points. */
void sk_draw_arrow(const sk_item *curve, sk_point points[3]);

#endif
