/* window_test.c -- the window (viz/window.h) driven by inputs and a clock of its own, on logs of lessons in virtual time: TRACE, a few tasks
 * that take time, and DEEP, a tree whose tasks take none (tests/window/run makes them). No display, no fonts. The tests are in the other files here. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "cases.h"

int main(void)
{
    if (!getenv("TRACE") || !getenv("DEEP")) {
        fputs("window: TRACE and DEEP name logs of lessons; tests/window/run makes them\n", stderr);
        return 2;
    }
    Suite *suite = suite_create("window");
    suite_add_tcase(suite, window_keys_case());
    suite_add_tcase(suite, window_time_case());
    suite_add_tcase(suite, window_look_case());
    suite_add_tcase(suite, window_live_case());
    suite_add_tcase(suite, window_files_case());
    suite_add_tcase(suite, window_painter_case());
    suite_add_tcase(suite, window_cluster_case());
    suite_add_tcase(suite, window_stats_case());
    suite_add_tcase(suite, code_window_cases());
    suite_add_tcase(suite, compare_window_cases());
    suite_add_tcase(suite, foresight_case());
    suite_add_tcase(suite, scale_case());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner), run_all = srunner_ntests_run(runner);
    printf("window: %d passed, %d failed\n", run_all - failed, failed);
    srunner_free(runner);
    return failed || !run_all;
}
