/* window_sdl.h -- the window on a real screen (SDL2), and its letters (SDL2_ttf). window_sdl.c alone includes SDL. */
#ifndef SK_WINDOW_SDL_H
#define SK_WINDOW_SDL_H

#include "paint_pixels.h"
#include "skate.h"
#include "window.h"

/* Shows w until it is done, at its scale (`scaled`), else at that which suits the display (display_scale.h). false and *err if there is no display; nothing has been shown then. */
bool sk_sdl_run(sk_window *w, bool scaled, sk_error *err);

/* Letters for sk_paint_pixels: DejaVu, and what the system has for letters that it lacks (Chinese). NULL and *err if there is no font. */
typedef struct sk_sdl_fonts sk_sdl_fonts;
sk_sdl_fonts *sk_sdl_fonts_open(sk_error *err);
void sk_sdl_fonts_close(sk_sdl_fonts *f); /* NULL is fine */
const sk_glyph *sk_sdl_glyph(void *fonts, sk_font font, int size, uint32_t letter); /* an sk_glyphs */

#endif
