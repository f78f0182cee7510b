/* paint_gif.h -- pictures, one after the other, as an animated GIF (giflib).
 *
 * The idea: what the viewer draws has few colours, so one fixed palette of 256 (those of palette.h, and what smooth edges between them need) serves
 * all pictures: nothing is dithered, and a pixel that does not change stays the same to the bit. Of each picture only the smallest rectangle
 * that has changed is written, and in it only the pixels that have; of one that is like the last only how long it lasts.
 *
 *     FILE *out = sk_paint_open("run.gif", &err);
 *     sk_gif *g = sk_gif_new(out, 960, 540, sk_palette_of(SK_THEME_LIGHT));
 *     for each: sk_gif_add(g, pixels, 7);                       for 7/100 s
 *     bool good = sk_paint_close(out, "run.gif", sk_gif_free(g), &err); */
#ifndef SK_PAINT_GIF_H
#define SK_PAINT_GIF_H

#include <stdio.h>

#include "palette.h"

typedef struct sk_gif sk_gif;

/* It plays for ever. `out` is borrowed; width, height: 1 .. 65535. Never NULL. */
sk_gif *sk_gif_new(FILE *out, int width, int height, const sk_palette *palette);
/* width * height pixels, 0x00RRGGBB, shown for so many hundredths of a second. Nothing is done once something went wrong. */
void sk_gif_add(sk_gif *g, const uint32_t *pixels, unsigned hundredths);
/* What is left is written. Returns what went wrong, NULL: nothing (but for the stream: ferror says). */
const char *sk_gif_free(sk_gif *g);
/* The colour that a pixel of this one has in the file. */
uint32_t sk_gif_nearest(sk_gif *g, uint32_t colour);

#endif
