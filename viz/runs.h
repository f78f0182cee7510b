/* runs.h -- two to four runs that are shown together, and what their functions have in common: a function is the same by its name, and has one
 * colour in all views of all of them.
 *
 *     sk_runs runs = { .model = { a, b }, .path = { "a.sktrace", "b.sktrace" }, .n = 2 };
 *     sk_runs_look(&runs);                     from now on colours are linked (sk_view_palette)
 *     sk_runs_unlook(&runs); */
#ifndef SK_RUNS_H
#define SK_RUNS_H

#include <glib.h>

#include "model.h"

enum { SK_RUNS = 4 };
typedef struct sk_runs {
    sk_model *model[SK_RUNS];
    const char *path[SK_RUNS];
    unsigned n;
    uint32_t *look[SK_RUNS]; /* by function of the model: its look (sk_palette_look); NULL: its own number. sk_runs_look's */
} sk_runs;

/* The functions of all runs by name, as they appear in the first run, then those that are only in the others. of[i]: by function of run i, its
 * place among them; the caller's (g_free), as is the array. The names are the models'. */
GPtrArray *sk_runs_functions(const sk_runs *r, uint32_t *of[SK_RUNS]);
/* Gives each function its look in all runs, anew if there are more runs. O(functions). */
void sk_runs_look(sk_runs *r);
void sk_runs_unlook(sk_runs *r);
/* The place of a model among the runs; r->n: it is none of them. */
unsigned sk_runs_find(const sk_runs *r, const sk_model *m);
/* The function of `to` that has the name of this one of `from`; SK_NO_INDEX: none has, or fn is none. */
uint32_t sk_runs_same_function(const sk_model *from, uint32_t fn, const sk_model *to);

#endif
