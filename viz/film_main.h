/* film_main.h -- the options of `skate view` that make several pictures of a run: --gif, --storyboard, and which part of it, how fast; and --strict. */
#ifndef SK_FILM_MAIN_H
#define SK_FILM_MAIN_H

#include <glib.h>

#include "view.h"

void sk_film_options(GOptionContext *options);
/* Once they are parsed. A film or storyboard is wanted, and what is wrong with how: false and the words, or NULL. `other`: so is another picture. */
bool sk_film_wanted(void);
bool sk_film_good(bool other, const char **wrong, const char **which);
/* Writes it: the exit status. width, height: 0: as large as it is by itself. */
int sk_film_main(const sk_view *view, const sk_model *m, const sk_view_state *state, int width, int height);
/* --strict, and this trace is not whole: says so, and how much is missing. */
bool sk_film_refuses(const sk_model *m, const char *path);

#endif
