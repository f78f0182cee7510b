/* compare_test.c -- the view Compare in a window: its lanes that can be clicked, its keys, and which run the other views show. On TRACE, a lesson that
 * takes time, and DEEP, one that takes none. */
#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "trace_read.h"
#include "unit/trace_forge.h"
#include "viz/window.h"
#include "viz/window_own.h"

static void press(sk_window *w, uint32_t key) { sk_window_input(w, &(sk_input){ SK_INPUT_KEY, .key = key }); }

static sk_window *open_runs(const char *const *traces, unsigned n)
{
    sk_window *w = NULL;
    for (unsigned i = 0; i < n; i++) {
        sk_model *m = sk_model_load(getenv(traces[i]), NULL);
        ck_assert_ptr_nonnull(m);
        if (i == 0)
            w = sk_window_new(&(sk_window_setup){ .model = m, .path = getenv(traces[i]), .view = "compare", .calm = true });
        else
            sk_window_add(w, m, getenv(traces[i]));
    }
    sk_window_tick(w, 1);
    return w;
}

static sk_window *open_three(void) { return open_runs((const char *const[]){ "TRACE", "DEEP", "TRACE" }, 3); }

/* Where the thing with this index is. */
static bool place_of(sk_window *w, sk_hit_what what, uint32_t index, sk_rect *box)
{
    const sk_draw *d = sk_window_draw(w);
    for (uint32_t i = 0; i < d->nitems; i++) {
        const sk_item *item = &d->items[i];
        const sk_hit *hit = &d->hits[item->hit];
        if (hit->what == what && hit->index == index && item->kind == SK_DRAW_RECT && item->box.y > 40 && item->box.y < w->height - 120)
            return *box = item->box, true;
    }
    return false;
}

static void click(sk_window *w, float x, float y)
{
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = x, .y = y });
}

static bool shows_text(sk_window *w, const char *words)
{
    const sk_draw *d = sk_window_draw(w);
    for (uint32_t i = 0; i < d->nitems; i++)
        if (d->items[i].kind == SK_DRAW_TEXT && strstr(d->chars + d->items[i].text, words))
            return true;
    return false;
}

START_TEST(a_click_on_a_lane_shows_its_run_in_all_views)
{
    sk_window *w = open_three();
    sk_rect box;
    for (unsigned i = 3; i-- > 0;) {
        ck_assert(place_of(w, SK_HIT_RUN, i, &box));
        press(w, 'z');
        click(w, box.x + box.w / 2, box.y + box.h / 2);
        ck_assert_ptr_eq(w->model, w->runs.model[i]);
        ck_assert_str_eq(w->path, w->runs.path[i]);
        ck_assert_uint_eq(w->state.step, w->model->nsteps);
        ck_assert_str_eq(sk_views[w->view]->name, "compare");
        ck_assert_int_eq(w->state.normal, i % 2 == 0); /* as it was turned */
        for (unsigned v = 0; v < w->nviews; v++) {     /* every view can be gone to, and goes on with this run */
            press(w, '1' + v);
            sk_window_draw(w);
            press(w, SK_KEY_TAB);
            ck_assert_uint_lt(w->state.task, w->model->ntasks);
        }
        while (strcmp(sk_views[w->view]->name, "compare"))
            press(w, '1' + (w->view + 1) % w->nviews);
    }
    sk_window_free(w);
}
END_TEST

START_TEST(u_goes_to_the_next_run_and_round_and_says_so_where_there_is_one)
{
    sk_window *w = open_three();
    for (unsigned i = 1; i <= 7; i++) {
        char letter[4] = { (char)('A' + (char)(i % 3)), ':', ' ', 0 };
        press(w, 'u');
        ck_assert_ptr_eq(w->model, w->runs.model[i % 3]);
        ck_assert(g_str_has_prefix(w->message, letter));
        ck_assert(shows_text(w, letter));
    }
    sk_window_free(w);
    w = open_runs((const char *const[]){ "TRACE" }, 1);
    ck_assert(shows_text(w, "skate view a.sktrace b.sktrace"));
    press(w, 'u');
    ck_assert_ptr_nonnull(strstr(w->message, "skate view A.sktrace B.sktrace"));
    press(w, 'z');
    sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = 2 });
    sk_window_draw(w);
    sk_window_free(w);
}
END_TEST

/* A run of a task of each of these three functions. */
static sk_model *run_of(const char *a, const char *b, const char *c)
{
    forge f = forge_start(1, 1, a, b, c, NULL);
    for (uint64_t t = 1; t <= 3; t++) {
        forge_task(&f, 0, t, t, (uint32_t)t, 0, 1, 0, t);
        forge_move(&f, 0, 10 * t, t, SK_TASK_NONE, SK_TASK_READY, 0);
        forge_move(&f, 0, 10 * t, t, SK_TASK_READY, SK_TASK_RUNNING, 0);
        forge_move(&f, 0, 10 * t + 5, t, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    }
    GByteArray *file = forge_end(&f, true, 40);
    sk_reader *log = sk_trace_read_memory("forged", file->data, file->len, NULL);
    sk_cursor *events = sk_trace_read_cursor(log);
    sk_model *m = sk_model_new();
    for (sk_event e; sk_trace_read_next(events, &e);)
        sk_model_take(m, &e);
    sk_trace_read_cursor_free(events);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
    return m;
}

static uint32_t called(const sk_model *m, const char *name)
{
    uint32_t f = 0;
    while (f < m->nfns && strcmp(m->fns[f].name, name))
        f++;
    return f < m->nfns ? f : SK_NO_INDEX;
}

START_TEST(the_function_that_is_picked_out_stays_so_in_the_next_run_by_its_name)
{
    sk_model *runs[] = { run_of("load", "map", "add"), run_of("add", "load", "split") };
    sk_window *w = sk_window_new(&(sk_window_setup){ .model = runs[0], .path = "a.sktrace", .view = "compare", .calm = true });
    sk_window_add(w, runs[1], "b.sktrace");
    sk_window_tick(w, 1);
    static const char *const picked[] = { "load", "add", "map" }; /* the last is in one of them only */
    for (unsigned i = 0; i < G_N_ELEMENTS(picked); i++) {
        sk_window_go_to_run(w, 0);
        w->state.fn = called(runs[0], picked[i]);
        ck_assert_uint_ne(w->state.fn, SK_NO_INDEX);
        ck_assert_uint_ne(w->state.fn, called(runs[1], picked[i]));
        press(w, 'u');
        ck_assert_ptr_eq(w->model, runs[1]);
        ck_assert_uint_eq(w->state.fn, called(runs[1], picked[i]));
    }
    sk_window_free(w);
}
END_TEST

/* The text of the axis that is the furthest left, and where it is. */
static float axis_at(sk_window *w, const char *text)
{
    const sk_draw *d = sk_window_draw(w);
    for (uint32_t i = 0; i < d->nitems; i++)
        if (d->items[i].kind == SK_DRAW_TEXT && d->items[i].box.y < 70 && !strcmp(d->chars + d->items[i].text, text))
            return d->items[i].box.x;
    return -1;
}

START_TEST(z_draws_all_runs_as_long_as_each_other_and_back)
{
    sk_window *w = open_three();
    float zero = axis_at(w, "0 ns");
    ck_assert_float_gt(zero, 0);
    press(w, 'w');
    press(w, 'z');
    ck_assert(w->state.normal);
    ck_assert_int_eq(w->state.from, 0);
    ck_assert_int_eq(w->state.to, 0);
    ck_assert_float_eq_tol(axis_at(w, "0 %"), zero, .01f);
    press(w, 'z');
    ck_assert(!w->state.normal);
    ck_assert_float_eq_tol(axis_at(w, "0 ns"), zero, .01f);
    sk_window_free(w);
}
END_TEST

START_TEST(zoom_and_pan_hold_the_time_under_the_mouse_in_all_lanes)
{
    sk_window *w = open_three();
    float y = 100;
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = 700, .y = y });
    int64_t last = w->model->last;
    sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = 3 });
    int64_t wide = w->state.to - w->state.from;
    ck_assert_int_gt(wide, 0);
    ck_assert_int_lt(wide, last);
    double at = (double)w->state.from + (700.0 - 176) / (w->width - 176 - 12) * (double)wide;
    sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = 3 });
    double then = (double)w->state.from + (700.0 - 176) / (w->width - 176 - 12) * (double)(w->state.to - w->state.from);
    ck_assert_double_eq_tol(at, then, (double)wide / 1000);
    int64_t from = w->state.from;
    press(w, 'd');
    ck_assert_int_gt(w->state.from, from);
    press(w, 'a');
    ck_assert_int_le(llabs(w->state.from - from), 2);
    sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = 700, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = 800, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = 800, .y = y });
    ck_assert_int_lt(w->state.from, from);
    press(w, '0');
    ck_assert_int_eq(w->state.to, 0);
    sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = -9 });
    ck_assert_int_eq(w->state.to, 0); /* further away than all there is is all there is */
    sk_window_free(w);
}
END_TEST

START_TEST(up_and_down_go_through_the_sentences)
{
    sk_window *w = open_three();
    const char *first = "No time passes in B";
    ck_assert(shows_text(w, first));
    press(w, SK_KEY_DOWN);
    ck_assert(!shows_text(w, first));
    for (int i = 0; i < 50; i++)
        press(w, SK_KEY_DOWN);
    ck_assert_float_le(w->state.scroll, 20);
    for (int i = 0; i < 50; i++)
        press(w, SK_KEY_UP);
    ck_assert(shows_text(w, first));
    ck_assert_float_eq(w->state.scroll, 0);
    press(w, SK_KEY_DOWN); /* other views have their own place */
    float scroll = w->state.scroll;
    press(w, '3');
    ck_assert_float_eq(w->state.scroll, 0);
    while (strcmp(sk_views[w->view]->name, "compare"))
        press(w, '1' + (w->view + 1) % w->nviews);
    ck_assert_float_eq(w->state.scroll, scroll);
    sk_window_free(w);
}
END_TEST

START_TEST(a_click_on_a_function_in_a_lane_or_in_the_table_puts_it_alone_in_colour)
{
    sk_window *w = open_three();
    sk_rect box;
    unsigned clicked = 0;
    for (uint32_t f = 0; f < w->model->nfns; f++)
        if (place_of(w, SK_HIT_FN, f, &box)) {
            click(w, box.x + box.w / 2, box.y + box.h / 2);
            ck_assert_uint_eq(w->state.fn, f);
            click(w, box.x + box.w / 2, box.y + box.h / 2);
            ck_assert_uint_eq(w->state.fn, SK_NO_INDEX);
            clicked++;
        }
    ck_assert_uint_gt(clicked, 0);
    sk_window_free(w);
}
END_TEST

START_TEST(a_file_that_is_opened_instead_ends_the_comparison_and_a_fifth_run_is_not_taken)
{
    sk_window *w = open_runs((const char *const[]){ "TRACE", "DEEP", "TRACE", "DEEP", "TRACE" }, 5);
    ck_assert_uint_eq(w->runs.n, SK_RUNS);
    press(w, 'u');
    sk_window_show(w, sk_model_load(getenv("TRACE"), NULL), w->path);
    ck_assert_uint_eq(w->runs.n, 0);
    ck_assert_ptr_null(w->state.runs);
    ck_assert(shows_text(w, "skate view a.sktrace b.sktrace"));
    sk_window_free(w);
}
END_TEST

TCase *compare_window_cases(void)
{
    TCase *t = tcase_create("compare");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_click_on_a_lane_shows_its_run_in_all_views);
    tcase_add_test(t, u_goes_to_the_next_run_and_round_and_says_so_where_there_is_one);
    tcase_add_test(t, the_function_that_is_picked_out_stays_so_in_the_next_run_by_its_name);
    tcase_add_test(t, z_draws_all_runs_as_long_as_each_other_and_back);
    tcase_add_test(t, zoom_and_pan_hold_the_time_under_the_mouse_in_all_lanes);
    tcase_add_test(t, up_and_down_go_through_the_sentences);
    tcase_add_test(t, a_click_on_a_function_in_a_lane_or_in_the_table_puts_it_alone_in_colour);
    tcase_add_test(t, a_file_that_is_opened_instead_ends_the_comparison_and_a_fifth_run_is_not_taken);
    return t;
}
