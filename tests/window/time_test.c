/* time_test.c -- the player: playing, steps, breakpoints, the scrubber, bookmarks. */
#include <check.h>
#include <glib.h>

#include "cases.h"
#include "hands.h"

START_TEST(playing_goes_through_the_run_at_its_speed_and_stops_at_the_end)
{
    sk_window *w = open_window();
    press(w, SK_KEY_HOME);
    ck_assert_uint_eq(w->state.step, 0);
    w->player.speed = SK_NORMAL_SPEED - 1; /* as it was */
    int64_t length = w->model->last - w->state.ns, begin = w->state.ns;
    press(w, ' ');
    pass(w, length / 2 / (10 * MS) * (10 * MS));
    ck_assert(w->player.playing);
    ck_assert(llabs(w->state.ns - begin - length / 2) <= 20 * MS);
    ck_assert_uint_eq(w->state.step, sk_model_step_at(w->model, w->state.ns));
    pass(w, length);
    ck_assert(!w->player.playing);
    ck_assert_uint_eq(w->state.step, w->model->nsteps);
    press(w, ' '); /* once more */
    ck_assert_uint_eq(w->state.step, 0);
    ck_assert(w->player.playing);
    sk_window_free(w);
}
END_TEST

START_TEST(each_event_takes_the_same_time_if_asked_to)
{
    sk_window *w = open_window();
    press(w, SK_KEY_HOME);
    w->player.speed = SK_NORMAL_SPEED; /* half a second each */
    press(w, 'x');
    press(w, ' ');
    for (sk_step k = 1; k < 20; k++) {
        pass(w, 500 * MS);
        ck_assert_uint_ge(w->state.step, k - 1);
        ck_assert_uint_le(w->state.step, k);
    }
    w->player.speed = SK_SPEEDS - 1; /* as fast as can be followed: eight a second */
    sk_step before = w->state.step;
    pass(w, 1200 * MS);
    ck_assert_uint_ge(w->state.step, before + 9);
    ck_assert_uint_le(w->state.step, before + 10);
    sk_window_free(w);
}
END_TEST

START_TEST(steps_go_to_every_event_and_back)
{
    sk_window *w = open_window();
    press(w, SK_KEY_HOME);
    press(w, ',');
    ck_assert_uint_eq(w->state.step, 0);
    for (sk_step k = 1; k <= w->model->nsteps; k++) {
        press(w, '.');
        ck_assert_uint_eq(w->state.step, k);
        ck_assert_int_eq(w->state.ns, sk_model_ns(w->model, k));
    }
    press(w, '.');
    ck_assert_uint_eq(w->state.step, w->model->nsteps);
    press(w, ',');
    ck_assert_uint_eq(w->state.step, w->model->nsteps - 1);
    sk_window_free(w);
}
END_TEST

START_TEST(playing_stops_wherever_the_function_of_a_breakpoint_starts)
{
    sk_window *w = open_window();
    uint32_t fn = 0, starts = 0, stops = 0;
    for (sk_step k = 1; k <= w->model->nsteps; k++) {
        const sk_model_event *e = &w->model->events[k - 1];
        starts += e->type == SK_TRACE_TASK && e->to == SK_TASK_RUNNING && e->from != SK_TASK_BLOCKED && w->model->tasks[e->index].fn == fn;
    }
    ck_assert_uint_gt(starts, 1);
    w->state.fn = fn;
    press(w, 'b');
    press(w, SK_KEY_HOME);
    w->player.speed = SK_SPEEDS - 1;
    for (;;) {
        press(w, ' ');
        while (w->player.playing)
            pass(w, 10 * MS);
        if (w->state.step == w->model->nsteps)
            break;
        stops++;
        ck_assert_uint_eq(w->model->tasks[w->state.task].fn, fn);
        ck_assert_int_eq(sk_model_task_at(w->model, w->state.task, w->state.step), SK_TASK_RUNNING);
    }
    ck_assert_uint_eq(stops, starts);
    sk_window_free(w);
}
END_TEST

START_TEST(a_step_moves_to_its_place_in_a_quarter_of_a_second_or_at_once_without_motion)
{
    sk_window *w = open_window();
    press(w, SK_KEY_HOME);
    press(w, '.');
    pass(w, 10 * MS);
    ck_assert(w->state.motion == 1);
    press(w, 'v');
    press(w, '.');
    float last = -1;
    for (int i = 0; i < 24; i++) {
        pass(w, 10 * MS);
        ck_assert(w->state.motion > last && w->state.motion < 1);
        last = w->state.motion;
    }
    pass(w, 20 * MS);
    ck_assert(w->state.motion == 1);
    sk_window_free(w);
}
END_TEST

START_TEST(a_window_in_which_nothing_moves_wants_no_time)
{
    sk_window *w = open_window();
    sk_window_draw(w);
    ck_assert_int_eq(sk_window_tick(w, 2), INT64_MAX);
    press(w, 'm'); /* it says something for a while */
    sk_window_draw(w);
    int64_t pause = sk_window_tick(w, 3);
    ck_assert(pause > 1000 * MS && pause < INT64_MAX);
    sk_window_tick(w, 4 + pause);
    sk_window_draw(w);
    ck_assert_int_eq(sk_window_tick(w, 5 + pause), INT64_MAX);
    press(w, SK_KEY_HOME);
    press(w, ' ');
    sk_window_draw(w);
    ck_assert_int_eq(sk_window_tick(w, 6 + pause), 0);
    sk_window_free(w);
}
END_TEST

START_TEST(the_scrubber_goes_to_the_time_under_the_mouse_and_follows_it)
{
    sk_window *w = open_window();
    sk_window_draw(w);
    float y = w->height - 45;
    sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = w->width / 2, .y = y });
    int64_t middle = (w->model->first + w->model->last) / 2, length = w->model->last - w->model->first;
    ck_assert(llabs(w->state.ns - middle) <= length / 100);
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = -500, .y = 3 });
    ck_assert_int_eq(w->state.ns, w->model->first);
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = 5000, .y = 3 });
    ck_assert_uint_eq(w->state.step, w->model->nsteps);
    sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = 5000, .y = 3 });
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = 600, .y = y });
    ck_assert_uint_eq(w->state.step, w->model->nsteps);
    sk_window_free(w);
}
END_TEST

START_TEST(bookmarks_are_gone_to_in_order)
{
    sk_window *w = busy_window();
    sk_step n = w->model->nsteps;
    press(w, '{');
    ck_assert_uint_eq(w->state.step, n / 4);
    press(w, '}');
    ck_assert_uint_eq(w->state.step, n / 4 * 3);
    press(w, 'm');
    ck_assert_uint_eq(w->player.nmarks, 1);
    sk_window_free(w);
}
END_TEST

START_TEST(where_no_time_passes_events_are_played_one_by_one)
{
    sk_window *w = open_window_on(getenv("DEEP"));
    ck_assert_int_eq(w->model->first, w->model->last);
    press(w, ' ');
    pass(w, 1100 * MS);
    ck_assert_uint_gt(w->state.step, 0);
    ck_assert_uint_lt(w->state.step, w->model->nsteps);
    sk_window_free(w);
}
END_TEST

TCase *window_time_case(void)
{
    TCase *t = tcase_create("time");
    tcase_add_test(t, playing_goes_through_the_run_at_its_speed_and_stops_at_the_end);
    tcase_add_test(t, each_event_takes_the_same_time_if_asked_to);
    tcase_add_test(t, steps_go_to_every_event_and_back);
    tcase_add_test(t, playing_stops_wherever_the_function_of_a_breakpoint_starts);
    tcase_add_test(t, a_step_moves_to_its_place_in_a_quarter_of_a_second_or_at_once_without_motion);
    tcase_add_test(t, a_window_in_which_nothing_moves_wants_no_time);
    tcase_add_test(t, the_scrubber_goes_to_the_time_under_the_mouse_and_follows_it);
    tcase_add_test(t, bookmarks_are_gone_to_in_order);
    tcase_add_test(t, where_no_time_passes_events_are_played_one_by_one);
    return t;
}
