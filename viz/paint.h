/* paint.h -- painters: a draw list (draw.h) into a file. They know nothing of models and views.
 *
 *   paint_cairo.c   PNG and PDF, by Cairo and Pango. The reference: what a draw list should look like
 *   paint_svg.c     SVG: hits become ids and titles, so that a browser shows tooltips and a script finds task-7
 *   paint_text.c    the list itself, an item a line: for tests, and to see what a view has done
 *   paint_gif.h     pictures one after the other, from what sk_paint_image makes of lists
 *
 * The same list gives the same bytes, on one machine: no dates, no clocks, no hinting. (Fonts and libraries of another one may draw a letter
 * otherwise; text and SVG are the same everywhere.) false and *err (may be NULL) if it cannot be written; path "-" is standard output. */
#ifndef SK_PAINT_H
#define SK_PAINT_H

#include <stdio.h>

#include "draw.h"
#include "skate.h"

typedef bool sk_painter(const sk_draw *d, int width, int height, const char *path, sk_error *err);
sk_painter sk_paint_png, sk_paint_pdf, sk_paint_svg, sk_paint_text;
sk_painter *sk_painter_of(const char *path); /* by what it ends with; NULL: there is none */

/* Into memory, by Cairo: width * height pixels, 0x00RRGGBB. */
void sk_paint_image(const sk_draw *d, int width, int height, uint32_t *pixels);

/* From here on a signal that ends the program (^C) takes away what is being written: for programs that do nothing else. */
void sk_paint_may_be_ended(void);

/* For painters: what they write to. A file gets its name when it is closed, if all went well. `wrong`: what else went wrong, NULL: nothing. Closes in
 * any case. */
FILE *sk_paint_open(const char *path, sk_error *err);
bool sk_paint_close(FILE *out, const char *path, const char *wrong, sk_error *err);

#endif
