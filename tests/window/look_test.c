/* look_test.c -- pan and zoom, finding, sizes. */
#include <check.h>
#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "hands.h"
#include "viz/paint_pixels.h"

static sk_rect task_box(sk_window *w, uint32_t task)
{
    const sk_draw *d = sk_window_draw(w);
    for (uint32_t i = 0; i < w->base; i++)
        if (d->hits[d->items[i].hit].what == SK_HIT_TASK && d->hits[d->items[i].hit].index == task && d->items[i].kind == SK_DRAW_RECT)
            return d->items[i].box;
    ck_abort_msg("task %u is not in the picture", task);
}

START_TEST(zooming_leaves_what_is_under_the_mouse_where_it_is)
{
    for (unsigned view = 0; view < 2; view++) {
        sk_window *w = open_window();
        w->view = index_of(view), w->stale = true;
        uint32_t task = w->model->ntasks / 3;
        sk_rect a = task_box(w, task);
        float x = a.x + a.w / 2, y = a.y + a.h / 2;
        sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y });
        for (int i = 0; i < 3; i++) {
            sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = 1 });
            sk_rect b = task_box(w, task);
            ck_assert_msg(fabsf(b.x + b.w / 2 - x) < 3 && fabsf(b.y + b.h / 2 - y) < 3, "view %u: (%g, %g) was (%g, %g)", view, b.x + b.w / 2,
                          b.y + b.h / 2, x, y);
            ck_assert(b.w >= a.w);
        }
        press(w, '0');
        sk_rect c = task_box(w, task);
        ck_assert(fabsf(a.x - c.x) < .01f && fabsf(a.w - c.w) < .01f);
        sk_window_free(w);
    }
}
END_TEST

START_TEST(a_drag_takes_the_picture_along)
{
    sk_window *w = open_window();
    uint32_t task = w->model->ntasks / 3;
    sk_rect a = task_box(w, task);
    float x = a.x + a.w / 2, y = a.y + a.h / 2;
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y });
    for (int i = 0; i < 5; i++)
        sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = 1 });
    a = task_box(w, task);
    sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = x, .y = y });
    for (int i = 1; i <= 30; i++)
        sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x + i, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = x + 30, .y = y });
    sk_rect b = task_box(w, task);
    ck_assert_msg(fabsf(b.x - a.x - 30) < 2, "moved by %g", b.x - a.x);
    ck_assert_uint_eq(w->state.task, SK_NO_INDEX); /* it was no click */
    sk_window_free(w);
}
END_TEST

START_TEST(finding_goes_round_and_says_what_is_not_there)
{
    sk_window *w = open_window();
    const char *name = w->model->fns[w->model->tasks[0].fn].name;
    press(w, '/');
    for (const char *s = name; *s; s++)
        press(w, (uint32_t)*s);
    press(w, 'x'), press(w, SK_KEY_BACK);
    press(w, SK_KEY_ENTER);
    ck_assert(!w->finding);
    uint32_t first = w->state.task;
    ck_assert_uint_eq(w->model->tasks[first].fn, w->model->tasks[0].fn);
    press(w, 'n');
    ck_assert_uint_ne(w->state.task, first);
    press(w, SK_SHIFT | 'n');
    ck_assert_uint_eq(w->state.task, first);
    strcpy(w->find, "7");
    press(w, 'n');
    ck_assert_uint_eq(w->state.task, 6);
    strcpy(w->find, "nothing like that");
    press(w, 'n');
    ck_assert_uint_eq(w->state.task, 6);
    ck_assert_ptr_nonnull(strstr(w->message, "nothing like that"));
    sk_window_free(w);
}
END_TEST

START_TEST(every_size_and_scale_has_a_picture)
{
    static const float sizes[][3] = { { 1, 1, 1 }, { 50, 40, 1 }, { 200, 150, 1 }, { 320, 240, 2 }, { 1280, 720, 1 }, { 3840, 2160, 2 }, { 100, 2000, 1 }, { 3000, 60, 1 } };
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++)
        for (unsigned view = 0; view < 2; view++) {
            sk_window *w = busy_window();
            w->view = index_of(view);
            sk_window_input(w, &(sk_input){ SK_INPUT_SIZE, .x = sizes[i][0], .y = sizes[i][1], .by = sizes[i][2] });
            for (int k = 0; k < 12; k++, press(w, k < 9 ? '+' : k == 9 ? '?' : 'w')) {
                const sk_draw *d = sk_window_draw(w);
                for (uint32_t j = 0; j < d->nitems; j++)
                    ck_assert(isfinite(d->items[j].box.x) && isfinite(d->items[j].box.y) && isfinite(d->items[j].box.w) && isfinite(d->items[j].box.h));
                ck_assert(k > 0 || sizes[i][0] < 200 || sizes[i][1] < 150 || d->nitems > 20);
            }
            ck_assert(w->state.scale == 3);
            sk_window_free(w);
        }
}
END_TEST

START_TEST(each_view_has_its_own_zoom_and_the_reduction_goes_along_with_the_mouse)
{
    sk_window *w = open_window_on(getenv("DEEP"));
    press(w, '2');
    ck_assert_ptr_eq(sk_views[w->view], &sk_view_reduce);
    uint32_t task = w->model->ntasks - 1;
    while (w->model->tasks[task].layer + 1 < w->model->nlayers)
        task--;
    sk_rect a = task_box(w, task), b;
    float x = a.x + a.w / 2, y = a.y + a.h / 2;
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y });
    for (int i = 0; i < 3; i++) {
        sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = 1 });
        b = task_box(w, task);
        ck_assert_msg(fabsf(b.x + b.w / 2 - x) < 3 && fabsf(b.y + b.h / 2 - y) < 3, "(%g, %g) was (%g, %g)", b.x + b.w / 2, b.y + b.h / 2, x, y);
    }
    press(w, SK_KEY_LEFT);
    ck_assert(task_box(w, task).x > b.x + 20);
    float zoom = w->state.zoom;
    press(w, '1');
    ck_assert_float_eq(w->state.zoom, 0);
    press(w, '2');
    ck_assert_float_eq(w->state.zoom, zoom);
    sk_window_free(w);
}
END_TEST

START_TEST(lanes_are_scrolled_by_a_slow_hand_and_not_beyond_the_last)
{
    sk_window *w = open_window();
    w->view = index_of(1);
    sk_window_input(w, &(sk_input){ SK_INPUT_SIZE, .x = 800, .y = 110, .by = 1 });
    sk_model *m = w->model;
    m->lanes = g_renew(uint32_t, m->lanes, 200), m->workers = g_renew(sk_model_worker, m->workers, 200);
    for (uint32_t i = m->nworkers; i < 200; i++) /* more than fit */
        m->lanes[i] = i, m->workers[i] = (sk_model_worker){ .worker = (int)i };
    m->nworkers = 200;
    w->stale = true;
    sk_window_draw(w);
    float x = 400, y = 70;
    sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y - 6 });
    for (int i = 0; i < 20; i++)
        sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y - 6 - .5f * i });
    sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = x, .y = y - 16 });
    ck_assert_float_eq_tol(w->state.scroll, (6 + 9.5f) / 2, .1f); /* a lane is two pixels high */
    for (int i = 0; i < 100; i++)
        press(w, SK_KEY_DOWN);
    float last = w->state.scroll;
    ck_assert(last > 50 && last < 200);
    press(w, SK_KEY_UP);
    ck_assert(w->state.scroll < last);
    sk_window_free(w);
}
END_TEST

TCase *window_look_case(void)
{
    TCase *t = tcase_create("look");
    tcase_add_test(t, zooming_leaves_what_is_under_the_mouse_where_it_is);
    tcase_add_test(t, a_drag_takes_the_picture_along);
    tcase_add_test(t, finding_goes_round_and_says_what_is_not_there);
    tcase_add_test(t, each_view_has_its_own_zoom_and_the_reduction_goes_along_with_the_mouse);
    tcase_add_test(t, lanes_are_scrolled_by_a_slow_hand_and_not_beyond_the_last);
    tcase_add_test(t, every_size_and_scale_has_a_picture);
    return t;
}
