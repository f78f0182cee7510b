/* keys_test.c -- keys and the mouse: each of them does something, and what it should. */
#include <check.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "hands.h"

START_TEST(every_command_has_a_name_words_and_a_key_that_no_other_has)
{
    for (int id = 0; id < SK_COMMANDS; id++) {
        ck_assert_ptr_nonnull(sk_commands[id].name);
        ck_assert_ptr_nonnull(sk_commands[id].words);
        ck_assert_uint_ne(sk_commands[id].key[0], 0);
        for (int i = 0; i < 3 && sk_commands[id].key[i]; i++) {
            char name[24];
            ck_assert_int_eq(sk_command_of(sk_commands[id].key[i]), id);
            ck_assert_uint_eq(sk_key_named(sk_key_name(sk_commands[id].key[i], name)), sk_commands[id].key[i]);
        }
    }
}
END_TEST

START_TEST(every_key_of_the_table_changes_something)
{
    for (int id = 0; id < SK_COMMANDS; id++)
        for (int i = 0; i < 3 && sk_commands[id].key[i]; i++)
            for (unsigned view = 0; view < 2; view++) {
                sk_window *w = busy_window();
                w->view = index_of(view);
                press(w, id == SK_DO_VIEW && view == 0 ? '2' : sk_commands[id].key[i]);
                bool look = id == SK_DO_LEFT || id == SK_DO_RIGHT || id == SK_DO_UP || id == SK_DO_DOWN || id == SK_DO_FIT || id == SK_DO_ZOOM_OUT;
                g_autofree char *before = words_of(w);
                if (look) { /* from near by there is somewhere to go */
                    for (int k = 0; k < 6; k++)
                        press(w, 'w');
                    g_free(before);
                    before = words_of(w);
                    press(w, sk_commands[id].key[i]);
                }
                g_autofree char *after = words_of(w);
                sk_window *other = busy_window();
                other->view = index_of(view);
                g_autofree char *start = words_of(other);
                bool flat = id == SK_DO_UP || id == SK_DO_DOWN; /* a small graph and a few lanes are all there: see the test of the deep graph */
                ck_assert_msg(flat || strcmp(look ? before : start, after) != 0, "%s changes nothing in view %u", sk_commands[id].name, view);
                sk_window_free(other);
                sk_window_free(w);
            }
}
END_TEST

/* What a click does is what the key does, or what the hit is: for everything in the picture that can be clicked. */
START_TEST(everything_in_the_picture_can_be_clicked)
{
    unsigned kinds[SK_HIT_RUN + 1] = { 0 };
    for (unsigned view = 0; view < 2; view++)
        for (int help = 0; help < 2; help++) {
            sk_window *w = busy_window();
            w->view = index_of(view);
            w->help = help;
            w->stale = true;
            const sk_draw *d = sk_window_draw(w);
            uint32_t n = d->nitems;
            sk_window_free(w);
            uint64_t last = UINT64_MAX;
            for (uint32_t i = 0; i < n; i++) {
                w = busy_window();
                w->view = index_of(view), w->help = help, w->stale = true;
                d = sk_window_draw(w);
                sk_item item = d->items[i];
                sk_hit hit = d->hits[item.hit];
                float x = item.box.x + item.box.w / 2, y = item.box.y + item.box.h / 2;
                uint64_t this = (uint64_t)hit.what << 32 | hit.index;
                bool body = item.kind == SK_DRAW_RECT || (item.kind == SK_DRAW_POLY && item.pen.fill);
                if (hit.what == SK_HIT_NONE || !body || this == last || memcmp(&d->hits[sk_draw_at(d, x, y)], &hit, sizeof hit)) {
                    sk_window_free(w);
                    continue;
                }
                last = this;
                kinds[hit.what]++;
                sk_window *twin = busy_window();
                twin->view = index_of(view), twin->help = help;
                sk_window_input(twin, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y });
                click(w, x, y);
                if (help && hit.what != SK_HIT_BUTTON && hit.what != SK_HIT_VIEW) { /* a click beside the list of keys closes it */
                    ck_assert(!w->help);
                    sk_window_free(twin);
                    sk_window_free(w);
                    continue;
                }
                switch (hit.what) {
                case SK_HIT_BUTTON: sk_window_do(twin, hit.index); break;
                case SK_HIT_VIEW: press(twin, '1' + hit.index); break;
                case SK_HIT_TASK: ck_assert_uint_eq(w->state.task, hit.index); break;
                case SK_HIT_OBJECT: ck_assert_uint_eq(w->state.object, hit.index); break;
                case SK_HIT_FN: ck_assert_uint_eq(w->state.fn, hit.index); break;
                case SK_HIT_STATE:
                    ck_assert(*w->message || sk_model_task_at(w->model, w->state.task, w->state.step) == hit.index);
                    break;
                case SK_HIT_SITE: ck_assert(*w->message || w->model->tasks[w->state.task].site == hit.index); break;
                case SK_HIT_WORKER: ck_assert(*w->message || sk_model_running(w->model, hit.index, w->state.step) == w->state.task); break;
                case SK_HIT_TIME: ck_assert(w->state.step != w->model->nsteps / 2 || w->state.ns != sk_model_ns(w->model, w->state.step)); break;
                default: break;
                }
                if (hit.what == SK_HIT_BUTTON || hit.what == SK_HIT_VIEW) {
                    g_autofree char *a = words_of(w), *b = words_of(twin);
                    ck_assert_str_eq(a, b);
                }
                sk_window_free(twin);
                sk_window_free(w);
            }
        }
    ck_assert_uint_gt(kinds[SK_HIT_BUTTON], SK_COMMANDS);
    ck_assert_uint_gt(kinds[SK_HIT_TASK], 10);
    ck_assert_uint_ge(kinds[SK_HIT_VIEW], 4);
    ck_assert_uint_ge(kinds[SK_HIT_FN], 1);
    ck_assert_uint_ge(kinds[SK_HIT_STATE], 7);
    ck_assert_uint_ge(kinds[SK_HIT_WORKER], 3);
    ck_assert_uint_ge(kinds[SK_HIT_TIME], 2);
}
END_TEST

START_TEST(up_and_down_go_through_a_deep_graph)
{
    sk_window *w = open_window_on(getenv("DEEP"));
    for (int i = 0; i < 6; i++)
        press(w, 'w');
    float at = w->state.pan_y;
    press(w, SK_KEY_UP);
    ck_assert(w->state.pan_y < at);
    press(w, SK_KEY_DOWN);
    ck_assert_float_eq_tol(w->state.pan_y, at, .01f);
    press(w, SK_KEY_DOWN);
    ck_assert(w->state.pan_y > at);
    sk_window_free(w);
}
END_TEST

START_TEST(keys_with_shift_or_caps_lock_mean_the_same)
{
    sk_window *w = busy_window();
    press(w, 'T');
    ck_assert_int_eq(w->state.theme, SK_THEME_DARK);
    press(w, 'a' | SK_SHIFT);
    ck_assert(w->state.pan_x != 0 || w->state.zoom > 0);
    sk_window_free(w);
}
END_TEST

TCase *window_keys_case(void)
{
    TCase *t = tcase_create("keys");
    tcase_add_test(t, every_command_has_a_name_words_and_a_key_that_no_other_has);
    tcase_add_test(t, every_key_of_the_table_changes_something);
    tcase_add_test(t, everything_in_the_picture_can_be_clicked);
    tcase_add_test(t, up_and_down_go_through_a_deep_graph);
    tcase_add_test(t, keys_with_shift_or_caps_lock_mean_the_same);
    return t;
}
