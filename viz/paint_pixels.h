/* paint_pixels.h -- a painter for 60 pictures a second: a draw list (draw.h) into pixels in memory. No window system, no font library.
 *
 * The idea: nearly all of a picture of a large run is upright boxes, thin lines and letters. Boxes are rows of equal pixels; a line is, in each
 * column (or row) that it passes, a short run of pixels of which the outer two are covered in part; a letter is a mask that was made once.
 * So edges are smooth, and a picture costs little more than writing its pixels. SDL's software renderer has no smooth lines, and
 * thick ones only as triangles. (Cairo: paint_cairo.c, the same picture, is for files.)
 *
 *     sk_pixels p = { pixels, 1280, 720, 1280 };
 *     sk_pixels_fill(&p, d->ground);
 *     sk_paint_pixels(d, &p, glyphs, fonts);                    where glyphs(fonts, font, size, letter) makes masks */
#ifndef SK_PAINT_PIXELS_H
#define SK_PAINT_PIXELS_H

#include "draw.h"

typedef struct sk_pixels {
    uint32_t *at;               /* 0x00RRGGBB, rows from the top */
    int width, height, stride;  /* stride: pixels from row to row */
} sk_pixels;

/* A letter: how much of each pixel it covers, and where that lies, from the pen's place on the baseline. */
typedef struct sk_glyph {
    uint8_t *mask;              /* width * height; NULL: nothing to see */
    int width, height, left, top; /* top: of the first row, above the baseline */
    float advance;
} sk_glyph;
typedef const sk_glyph *sk_glyphs(void *fonts, sk_font font, int size, uint32_t letter); /* never NULL */

void sk_pixels_fill(sk_pixels *p, sk_colour colour);
/* All items. An item that reaches beyond the pixels, or its clip, is cut. */
void sk_paint_pixels(const sk_draw *d, sk_pixels *p, sk_glyphs *glyphs, void *fonts);

#endif
