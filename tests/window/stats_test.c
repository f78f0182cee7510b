/* stats_test.c -- the Stats view in the window: a click on a function picks it out, and the histogram is its own; the rest only tells. */
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "cases.h"
#include "viz/window.h"

static sk_window *open_stats(float width, float height)
{
    sk_error err;
    sk_model *m = sk_model_load(getenv("FAULTS"), &err);
    ck_assert_msg(m != NULL, "%s", err.message);
    sk_window *w = sk_window_new(&(sk_window_setup){ .model = m, .path = "faults.sktrace", .view = "stats", .calm = true });
    sk_window_input(w, &(sk_input){ SK_INPUT_SIZE, .x = width, .y = height });
    sk_window_tick(w, 1);
    sk_window_draw(w);
    return w;
}

static void click(sk_window *w, float x, float y)
{
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = x, .y = y });
    sk_window_draw(w);
}

static bool says(const sk_window *w, const char *words)
{
    const sk_draw *d = w->draw;
    for (uint32_t i = 0; i < d->nitems; i++)
        if (d->items[i].kind == SK_DRAW_TEXT && strstr(d->chars + d->items[i].text, words))
            return true;
    return false;
}

START_TEST(the_time_of_the_workers_is_up_to_now_while_tasks_are_open)
{
    sk_window *w = open_stats(1280, 800);
    sk_model_counts c;
    ck_assert(says(w, "workers x time, first submission to last end: "));
    sk_view_step(&w->state, w->model, w->model->nsteps / 2);
    sk_model_count(w->model, w->state.step, &c);
    ck_assert_uint_gt(c.tasks[SK_TASK_WAITING] + c.tasks[SK_TASK_READY] + c.tasks[SK_TASK_RUNNING] + c.tasks[SK_TASK_BLOCKED], 0);
    w->stale = true;
    sk_window_draw(w);
    ck_assert(says(w, "workers x time, first submission to now: "));
    ck_assert(!says(w, "last end"));
    sk_window_free(w);
}
END_TEST

START_TEST(everything_in_the_statistics_can_be_clicked)
{
    sk_window *w = open_stats(1280, 800);
    uint32_t fns = 0, parts = 0, n = w->base;
    float *x = g_new(float, n), *y = g_new(float, n);
    sk_hit *hit = g_new(sk_hit, n);
    for (uint32_t i = 0; i < n; i++) {
        const sk_item *item = &w->draw->items[i];
        x[i] = item->box.x + item->box.w / 2, y[i] = item->box.y + item->box.h / 2;
        hit[i] = w->draw->hits[sk_draw_at(w->draw, x[i], y[i])];
    }
    for (uint32_t i = 0; i < n; i++) {
        if (hit[i].what != SK_HIT_FN && hit[i].what != SK_HIT_PART)
            continue;
        sk_window_input(w, &(sk_input){ SK_INPUT_KEY, .key = SK_KEY_ESC });
        sk_window_draw(w);
        click(w, x[i], y[i]);
        if (hit[i].what == SK_HIT_FN) {
            ck_assert_uint_eq(w->state.fn, hit[i].index);
            g_autofree char *own = g_strdup_printf("%s: ", w->model->fns[hit[i].index].name);
            ck_assert(says(w, own));
            click(w, x[i], y[i]);
            ck_assert_uint_eq(w->state.fn, SK_NO_INDEX);
            ck_assert(says(w, "all functions: "));
            fns++;
        } else {
            ck_assert_uint_eq(w->state.fn, SK_NO_INDEX);
            parts++;
        }
    }
    ck_assert_uint_ge(fns, 2 * w->model->nfns);
    ck_assert_uint_gt(parts, 8);
    g_free(x), g_free(y), g_free(hit);
    sk_window_free(w);
}
END_TEST

START_TEST(shares_and_columns_say_what_they_mean)
{
    sk_window *w = open_stats(1280, 800);
    static const char *const words[] = { "workers that ran a task", "there was too little to do", "attempts of tasks that came to their end",
                                         "half of them ran no longer", "attempts that were broken off" };
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        bool said = false;
        uint32_t n = w->base;
        for (uint32_t k = 0; k < n && !said; k++) {
            sk_item item = w->draw->items[k];
            const sk_hit *hit = &w->draw->hits[item.hit];
            if (hit->what != SK_HIT_PART || !strstr(w->draw->chars + hit->tip, words[i]) || item.kind != SK_DRAW_RECT)
                continue;
            sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = item.box.x + item.box.w / 2, .y = item.box.y + item.box.h / 2 });
            sk_window_draw(w);
            said = says(w, words[i]);
        }
        ck_assert_msg(said, "no tooltip with \"%s\"", words[i]);
    }
    sk_window_free(w);
}
END_TEST

START_TEST(functions_that_have_no_room_are_scrolled_to)
{
    sk_window *w = open_stats(700, 330);
    ck_assert_uint_eq(w->model->nfns, 4);
    ck_assert(says(w, "1 to "));
    for (int i = 0; i < 60; i++)
        sk_window_input(w, &(sk_input){ SK_INPUT_KEY, .key = SK_KEY_DOWN });
    sk_window_draw(w);
    ck_assert(says(w, "to 4 of 4"));
    for (int i = 0; i < 60; i++)
        sk_window_input(w, &(sk_input){ SK_INPUT_KEY, .key = SK_KEY_UP });
    sk_window_draw(w);
    ck_assert(says(w, "1 to "));
    sk_window_free(w);
}
END_TEST

TCase *window_stats_case(void)
{
    TCase *t = tcase_create("stats");
    tcase_add_test(t, everything_in_the_statistics_can_be_clicked);
    tcase_add_test(t, the_time_of_the_workers_is_up_to_now_while_tasks_are_open);
    tcase_add_test(t, shares_and_columns_say_what_they_mean);
    tcase_add_test(t, functions_that_have_no_room_are_scrolled_to);
    return t;
}
