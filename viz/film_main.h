/* film_main.h -- the options of `skate view` that make several pictures of a run: --gif, --storyboard, and which part of it, how fast; and --strict. */
#ifndef SK_FILM_MAIN_H
#define SK_FILM_MAIN_H

#include <glib.h>

#include "options.h"
#include "view.h"

const GOptionEntry *sk_film_options(void);
/* Once they are parsed. How many are wanted: a film, a storyboard; which of them; and what is wrong with how: false and the words, or NULL. Which
 * options go together is options.h's. */
int sk_film_wanted(void);
sk_make sk_film_make(void);
bool sk_film_good(const char **wrong, const char **which);
/* To a time that somebody has written as this option (sk_view_seek_text); where several runs are seen at once, of the time from the first submission to
 * the last end of any of them. After the end it is the end, and that is said. false: it is none. */
bool sk_film_seek(const sk_view *view, sk_view_state *s, const sk_model *m, const char *option, const char *when);
/* Writes it: the exit status. width, height: 0: as large as it is by itself. */
int sk_film_main(const sk_view *view, const sk_model *m, const sk_view_state *state, int width, int height);
/* --strict, and this trace is not whole: says so, and how much is missing. */
bool sk_film_refuses(const sk_model *m, const char *path);

#endif
