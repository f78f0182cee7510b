/* cases.h -- what the files of build/tests/view have in common: view.c has main, the others hand it a case each. */
#ifndef SK_VIEW_CASES_H
#define SK_VIEW_CASES_H

#include <check.h>
#include <glib.h>

extern const char *view_trace;            /* a run of sum.c on virtual */
struct sk_model *view_model_of(GByteArray *file); /* event by event, as a run that goes on makes it; takes the file */
GByteArray *made_up_run(unsigned seed);   /* critical.c: a log; the caller's */

TCase *view_places_case(void), *view_stats_case(void), *code_cases(void), *compare_cases(void), *critical_case(void), *figures_case(void), *graph_case(void), *timeline_case(void), *predict_case(void), *reduce_case(void);

#endif
