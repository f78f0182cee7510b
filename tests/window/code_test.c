/* code_test.c -- the view Code in a window: each thing in it that can be clicked, and each key that means something there. On TRACE, a lesson whose
 * source is in this tree. */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "unit/trace_forge.h"
#include "viz/window.h"

static unsigned code_view(void)
{
    unsigned i = 0;
    while (sk_views[i] != &sk_view_code)
        i++;
    return i;
}

static void press(sk_window *w, uint32_t key) { sk_window_input(w, &(sk_input){ SK_INPUT_KEY, .key = key }); }

static sk_window *window_of(sk_model *m)
{
    ck_assert_ptr_nonnull(m);
    sk_window *w = sk_window_new(&(sk_window_setup){ .model = m, .path = "run.sktrace", .view = "code", .calm = true });
    sk_window_tick(w, 1);
    ck_assert_uint_eq(w->view, code_view());
    return w;
}

static sk_window *open_window(void) { return window_of(sk_model_load(getenv("TRACE"), NULL)); }

/* Where the n-th thing of this kind is (its index in *index); false: there is none. */
static bool place_of(sk_window *w, sk_hit_what what, uint32_t n, sk_rect *box, uint32_t *index)
{
    const sk_draw *d = sk_window_draw(w);
    uint32_t last = 0;
    for (uint32_t i = 0; i < d->nitems; i++) {
        const sk_item *item = &d->items[i];
        if (d->hits[item->hit].what != what || item->hit == last || item->kind != SK_DRAW_RECT || item->box.y < 30)
            continue;
        last = item->hit;
        if (n-- == 0)
            return *box = item->box, *index = d->hits[item->hit].index, true;
    }
    return false;
}

static void click(sk_window *w, float x, float y)
{
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = x, .y = y });
}

static uint32_t tasks_of(const sk_model *m, uint32_t site)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->ntasks; i++)
        n += sk_model_same_line(m, site, m->tasks[i].site);
    return n;
}

/* A run of `files` files of 200 lines each, not here, with a task submitted on each line. */
static sk_window *long_window(uint64_t files)
{
    enum { LINES = 200 };
    forge f = forge_new(1);
    forge_fn(&f, 1, "work");
    for (uint64_t i = 0; i < files * LINES; i++) {
        uint64_t site = (i + 1) << 32 | (i % LINES + 1), w[4] = { i + 1, 1ull << 32 | (i + 1), 0, i + 1 };
        g_autofree char *name = g_strdup_printf("file-%d.c", (int)(i / LINES));
        forge_text(&f, 0, 0, SK_TRACE_SITE, &site, 1, name, "main", NULL);
        forge_record(&f, 0, i, SK_TRACE_TASK_NEW, 1 << 4, w, 4);
    }
    GByteArray *file = forge_end(&f, true, files * LINES);
    sk_reader *log = sk_trace_read_memory("long", file->data, file->len, NULL);
    sk_cursor *c = sk_trace_read_cursor(log);
    sk_model *m = sk_model_new();
    for (sk_event e; sk_trace_read_next(c, &e);)
        sk_model_take(m, &e);
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
    return window_of(m);
}

START_TEST(clicks_on_a_line_select_each_of_its_tasks_in_turn_and_leave_it_under_the_mouse)
{
    sk_window *w = open_window();
    sk_rect box, again;
    uint32_t site, index, lines = 0;
    for (uint32_t n = 0; place_of(w, SK_HIT_SITE, n, &box, &site); n++, lines++) {
        uint32_t tasks = tasks_of(w->model, site), first = SK_NO_INDEX;
        ck_assert_uint_gt(tasks, 0);
        for (uint32_t i = 0; i <= tasks; i++) {
            click(w, box.x + 300, box.y + box.h / 2);
            ck_assert(sk_model_same_line(w->model, w->model->tasks[w->state.task].site, site));
            ck_assert_uint_eq(w->state.site, site);
            if (i == 0)
                first = w->state.task;
            else if (i < tasks)
                ck_assert_uint_ne(w->state.task, first);
            else
                ck_assert_uint_eq(w->state.task, first);
            ck_assert(place_of(w, SK_HIT_SITE, n, &again, &index));
            ck_assert_uint_eq(index, site);
            ck_assert_float_eq(again.y, box.y);
        }
        ck_assert_ptr_nonnull(strstr(w->message, " of line "));
    }
    ck_assert_uint_ge(lines, 1);
    press(w, SK_KEY_ESC);
    ck_assert_uint_eq(w->state.site, SK_NO_INDEX);
    ck_assert_uint_eq(w->state.task, SK_NO_INDEX);
    sk_window_free(w);
}
END_TEST

START_TEST(tasks_of_other_lines_are_grey_in_all_views_until_another_is_selected)
{
    sk_window *w = long_window(2);
    sk_rect box;
    uint32_t site;
    ck_assert(place_of(w, SK_HIT_SITE, 5, &box, &site));
    click(w, box.x + 300, box.y + box.h / 2);
    const sk_view_in in = { .model = w->model, .state = &w->state };
    for (uint32_t i = 0; i < w->model->ntasks; i++)
        ck_assert_int_eq(sk_view_is_dim(&in, i), !sk_model_same_line(w->model, site, w->model->tasks[i].site));
    press(w, SK_KEY_TAB);
    ck_assert_uint_eq(w->state.site, SK_NO_INDEX);
    ck_assert(!sk_view_is_dim(&in, 0));
    sk_window_free(w);
}
END_TEST

START_TEST(the_selected_task_brings_its_line_into_sight_wherever_it_was_selected)
{
    sk_window *w = long_window(3);
    for (uint32_t i = 0; i < w->model->ntasks; i++) {
        sk_rect box;
        uint32_t site, n = 0;
        bool there = false;
        if (i % 50 == 0)
            sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = -30 }); /* away from it */
        press(w, SK_KEY_TAB);
        ck_assert_uint_eq(w->state.task, i);
        while (!there && place_of(w, SK_HIT_SITE, n++, &box, &site))
            there = sk_model_same_line(w->model, site, w->model->tasks[i].site);
        ck_assert_msg(there && box.y > 60 && box.y + box.h < w->height - 100, "task %u is out of sight", i + 1);
    }
    sk_window_free(w);
}
END_TEST

START_TEST(wheel_drag_and_keys_go_through_the_source_and_not_beyond_it)
{
    sk_window *w = long_window(1);
    float rows = 200;
    press(w, SK_KEY_DOWN);
    float at = w->state.row;
    ck_assert_float_gt(at, 1);
    press(w, SK_KEY_UP);
    ck_assert_float_lt(w->state.row, at);
    press(w, 's');
    ck_assert_float_gt(w->state.row, 1);
    press(w, 'w');
    ck_assert_float_le(w->state.row, 1.01f);
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = 400, .y = 300 });
    sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = -1 });
    ck_assert_float_eq_tol(w->state.row, 4, .01f);
    sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = -1, .mods = SK_CTRL });
    ck_assert_float_gt(w->state.row, 4);
    ck_assert_float_lt(w->state.row, 5);
    at = w->state.row;
    sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = 400, .y = 300 });
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = 400, .y = 300 - 170 });
    sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = 400, .y = 300 - 170 });
    ck_assert_float_eq_tol(w->state.row, at + 10, .01f);
    sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = -1000 });
    ck_assert_float_gt(w->state.row, 100);
    ck_assert_float_lt(w->state.row, rows);
    sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = 1000 });
    ck_assert_float_eq(w->state.row, 1);
    press(w, SK_KEY_RIGHT);
    ck_assert_float_gt(w->state.pan_x, 0);
    press(w, SK_KEY_LEFT);
    press(w, SK_KEY_LEFT);
    ck_assert_float_eq(w->state.pan_x, 0);
    sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = -5 });
    press(w, '0');
    ck_assert_float_eq(w->state.row, 0);
    sk_window_free(w);
}
END_TEST

START_TEST(files_are_gone_to_by_a_click_and_by_z_in_turn)
{
    sk_window *w = long_window(3);
    sk_rect box;
    uint32_t file, site;
    for (uint32_t n = 3; n-- > 0;) {
        ck_assert(place_of(w, SK_HIT_FILE, n, &box, &file));
        ck_assert_uint_eq(file, n);
        click(w, box.x + 5, box.y + 5);
        ck_assert_uint_eq(w->state.file, n + 1);
        ck_assert(place_of(w, SK_HIT_SITE, 0, &box, &site));
        g_autofree char *name = g_strdup_printf("file-%u.c", n);
        ck_assert_str_eq(w->model->sites[site].file, name);
    }
    for (uint32_t i = 1; i <= 5; i++) { /* and that of the function */
        press(w, 'z');
        ck_assert_uint_eq(w->state.file, i % 4 + 1);
    }
    sk_window_free(w);
    w = long_window(300); /* more than there is room for: the one that is shown has its tab all the same */
    for (uint32_t i = 0; i < 300; i++) {
        bool there = false;
        press(w, 'z');
        for (uint32_t n = 0; !there && place_of(w, SK_HIT_FILE, n, &box, &file); n++)
            there = file + 1 == w->state.file && box.x + box.w <= w->width;
        ck_assert(there);
    }
    sk_window_free(w);
}
END_TEST

START_TEST(a_click_on_a_function_puts_it_alone_in_colour_and_z_elsewhere_says_what_it_is_for)
{
    sk_window *w = open_window();
    sk_rect box;
    uint32_t fn;
    sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = 1000 });
    ck_assert(place_of(w, SK_HIT_FN, 0, &box, &fn));
    click(w, box.x + 2, box.y + 2);
    ck_assert_uint_eq(w->state.fn, fn);
    click(w, box.x + 2, box.y + 2);
    ck_assert_uint_eq(w->state.fn, SK_NO_INDEX);
    press(w, '1');
    press(w, 'z');
    ck_assert_ptr_nonnull(strstr(w->message, "Code"));
    sk_window_free(w);
}
END_TEST

TCase *code_window_cases(void)
{
    TCase *t = tcase_create("code");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, clicks_on_a_line_select_each_of_its_tasks_in_turn_and_leave_it_under_the_mouse);
    tcase_add_test(t, tasks_of_other_lines_are_grey_in_all_views_until_another_is_selected);
    tcase_add_test(t, the_selected_task_brings_its_line_into_sight_wherever_it_was_selected);
    tcase_add_test(t, wheel_drag_and_keys_go_through_the_source_and_not_beyond_it);
    tcase_add_test(t, files_are_gone_to_by_a_click_and_by_z_in_turn);
    tcase_add_test(t, a_click_on_a_function_puts_it_alone_in_colour_and_z_elsewhere_says_what_it_is_for);
    return t;
}
