/* cases.h -- what the files of build/tests/window have in common: window_test.c has main, the others hand it a case each. The logs are those
 * that TRACE, DEEP and so on name (run makes them). */
#ifndef SK_WINDOW_CASES_H
#define SK_WINDOW_CASES_H

#include <check.h>

TCase *window_keys_case(void), *window_time_case(void), *window_look_case(void), *window_live_case(void), *window_files_case(void), *window_painter_case(void);
TCase *window_cluster_case(void), *window_stats_case(void), *code_window_cases(void), *compare_window_cases(void), *foresight_case(void), *scale_case(void);

#endif
