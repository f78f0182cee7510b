/* view_figures.h -- the lower half of Compare: bars of where the time went, a table of figures, sentences. What does not fit is left out. */
#ifndef SK_VIEW_FIGURES_H
#define SK_VIEW_FIGURES_H

#include "view.h"

/* Returns how high the bars are; 0: there is no room. */
float sk_figures_spent(const sk_view_in *in, sk_draw *out, const sk_compare *c, sk_rect box);
/* here: by function that is compared, that of in->model; SK_NO_INDEX: it has none. */
void sk_figures_table(const sk_view_in *in, sk_draw *out, const sk_compare *c, sk_rect box, const uint32_t *here);
/* From the sentence on that state->scroll says. */
void sk_figures_words(const sk_view_in *in, sk_draw *out, const sk_compare *c, sk_rect box);

#endif
