/* view_figures.h -- the lower half of Compare: bars of where the time went, a table of figures, sentences. What does not fit is counted, and can be scrolled to. */
#ifndef SK_VIEW_FIGURES_H
#define SK_VIEW_FIGURES_H

#include "view.h"

/* Returns how high the bars are; 0: there is no room. */
float sk_figures_spent(const sk_view_in *in, sk_draw *out, const sk_compare *c, sk_rect box);
/* here: by function that is compared, that of in->model; SK_NO_INDEX: it has none. first: the row that is on top, if rows can be scrolled; else SK_FIXED_ROWS */
enum { SK_FIXED_ROWS = -1 };
void sk_figures_table(const sk_view_in *in, sk_draw *out, const sk_compare *c, sk_rect box, const uint32_t *here, int first);
/* From this one of a list of things on: the sentences; if `here` is given, then the bars with the table, and the rows of the table, each on top. */
void sk_figures_list(const sk_view_in *in, sk_draw *out, const sk_compare *c, sk_rect box, uint32_t first, const uint32_t *here);
/* How many things that are. */
uint32_t sk_figures_listed(const sk_compare *c, bool figures);

#endif
