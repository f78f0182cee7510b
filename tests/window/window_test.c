/* window_test.c -- the window (viz/window.h) driven by inputs and a clock of its own, on logs of lessons in virtual time: TRACE, a few tasks
 * that take time, and DEEP, a tree whose tasks take none (tests/window/run makes them). No display, no fonts. */
#include <check.h>
#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "cases.h"
#include "window/cases.h"
#include "viz/paint_pixels.h"
#include "viz/window.h"
#include "viz/window_script.h"
#include "cases.h"

#define MS 1000000ll
static const char *trace;

/* ---- What tests need --------------------------------------------------------------------------------------------------------------- */

static sk_window *open_window(void)
{
    sk_error err;
    sk_model *m = sk_model_load(trace, &err);
    ck_assert_msg(m != NULL, "%s", err.message);
    sk_window *w = sk_window_new(&(sk_window_setup){ .model = m, .path = "run.sktrace", .calm = true });
    sk_window_tick(w, 1);
    return w;
}

/* Of those that can be zoomed and moved: 0 the graph, 1 the timeline. */
static unsigned index_of(unsigned view)
{
    unsigned i = 0;
    while (sk_views[i] != (view ? &sk_view_timeline : &sk_view_graph))
        i++;
    return i;
}

static void press(sk_window *w, uint32_t key) { sk_window_input(w, &(sk_input){ SK_INPUT_KEY, .key = key }); }

static void click(sk_window *w, float x, float y)
{
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = x, .y = y });
}

/* Everything the window says of itself. */
static char *words_of(const sk_window *w)
{
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    sk_window_print(w, out);
    fprintf(out, "picture %s\n", w->picture ? "yes" : "no");
    fclose(out);
    return text;
}

/* Time passes in frames of 10 ms. */
static void pass(sk_window *w, int64_t ns)
{
    for (int64_t end = w->player.now + ns; w->player.now < end;) {
        sk_window_tick(w, w->player.now + 10 * MS);
        sk_window_draw(w);
    }
}

/* A window in which every command has something to do: in the middle, closer, with a selected task that is neither the first nor the last of its
 * worker, a bookmark on either side, and something to find. */
static sk_window *busy_window(void)
{
    sk_window *w = open_window();
    sk_step n = w->model->nsteps;
    sk_step at[] = { n / 4, n / 4 * 3, n / 2 };
    for (int i = 0; i < 3; i++) {
        sk_view_step(&w->state, w->model, at[i]);
        if (i < 2)
            press(w, 'm');
    }
    strcpy(w->find, "a");
    const sk_model_worker *lane = &w->model->workers[0];
    for (uint32_t i = 0; i < w->model->nworkers && lane->nslices < 3; i++)
        lane = &w->model->workers[i];
    ck_assert_uint_ge(lane->nslices, 3);
    w->state.task = w->model->slices[lane->slices[1]].task;
    w->player.speed = 5;
    *w->message = 0;
    sk_window_draw(w);
    return w;
}

/* ---- Keys and clicks ------------------------------------------------------------------------------------------------------------------ */

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
    trace = getenv("DEEP");
    sk_window *w = open_window();
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

/* ---- Time ------------------------------------------------------------------------------------------------------------------------------ */

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

/* ---- Looking --------------------------------------------------------------------------------------------------------------------------- */

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
    trace = getenv("DEEP");
    sk_window *w = open_window();
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

/* ---- Live ----------------------------------------------------------------------------------------------------------------------------- */

typedef struct run {
    sk_reader *log;
    sk_cursor *cursor;
    unsigned gates, releases, kills;
    bool held;
    uint32_t node;
    int worker;
    const char *words, *why; /* status; a refusal */
} run;

static uint32_t take(void *of, sk_model *m)
{
    run *r = of;
    sk_event e;
    uint32_t n = 0;
    for (; n < 5 && sk_trace_read_next(r->cursor, &e); n++)
        sk_model_take(m, &e);
    return n;
}
static const char *status(void *of) { return ((run *)of)->words ? ((run *)of)->words : ((run *)of)->held ? "held" : "attached to 4711"; }
static bool gate(void *of, bool held) { return ((run *)of)->gates++, ((run *)of)->held = held, true; }
static bool release(void *of) { return ((run *)of)->releases++, true; }
static bool kill_worker(void *of, uint32_t node, int worker)
{
    run *r = of;
    r->kills++, r->node = node, r->worker = worker;
    return true;
}

START_TEST(a_live_run_is_followed_until_its_end_and_left_alone_while_paused)
{
    sk_error err;
    run r = { .log = sk_trace_read_open(trace, &err) };
    ck_assert_ptr_nonnull(r.log);
    r.cursor = sk_trace_read_cursor(r.log);
    sk_window_live live = { &r, -1, take, status, gate, release, kill_worker, NULL, NULL };
    sk_window *w = sk_window_new(&(sk_window_setup){ .model = sk_model_new(), .path = "4711", .live = &live });
    sk_step last = 0;
    for (int i = 0; i < 8; i++) {
        pass(w, 10 * MS);
        ck_assert_uint_eq(w->state.step, w->model->nsteps);
        ck_assert_uint_ge(w->state.step, last);
        last = w->state.step;
    }
    ck_assert_uint_gt(last, 0);
    press(w, ','); /* back: it is not followed any more */
    sk_step here = w->state.step;
    pass(w, 30 * MS);
    ck_assert_uint_eq(w->state.step, here);
    ck_assert_uint_gt(w->model->nsteps, last);
    press(w, SK_KEY_END);
    pass(w, 1000 * MS);
    ck_assert_uint_eq(w->state.step, w->model->nsteps);
    sk_model *whole = sk_model_load(trace, &err);
    ck_assert_uint_eq(w->model->nsteps, whole->nsteps);

    press(w, 'h'), press(w, 'l'), press(w, 'h');
    ck_assert_uint_eq(r.gates, 2);
    ck_assert(!r.held);
    ck_assert_uint_eq(r.releases, 1);
    press(w, 'k'); /* of which worker? */
    ck_assert(!w->asking);
    w->state.task = 0;
    press(w, 'k'), press(w, 'n');
    ck_assert_uint_eq(r.kills, 0);
    press(w, 'k'), press(w, 'y');
    ck_assert_uint_eq(r.kills, 1);
    const sk_model_worker *worker = &w->model->workers[w->model->slices[w->model->tasks[0].last_slice].worker];
    ck_assert_int_eq(r.worker, worker->worker);
    ck_assert_uint_eq(r.node, worker->node);
    sk_model_free(whole);
    sk_window_free(w);
    sk_trace_read_cursor_free(r.cursor);
    sk_trace_read_close(r.log);
}
END_TEST

static const char *refusal(void *of)
{
    const char *why = ((run *)of)->why;
    ((run *)of)->why = NULL;
    return why;
}

/* Of the run in `trace`, which has come so far (all of it in the end); with a gate or without one. */
static sk_window *live_window(run *r, sk_window_live *live, bool has_gate, int64_t ns)
{
    sk_error err;
    *r = (run){ .log = sk_trace_read_open(trace, &err) };
    ck_assert_ptr_nonnull(r->log);
    r->cursor = sk_trace_read_cursor(r->log);
    *live = (sk_window_live){ .of = r, .fd = -1, .take = take, .status = status, .kill = kill_worker, .refusal = refusal };
    if (has_gate)
        live->gate = gate, live->release = release;
    sk_window *w = sk_window_new(&(sk_window_setup){ .model = sk_model_new(), .path = "4711", .live = live, .calm = true });
    sk_window_tick(w, 1);
    pass(w, ns);
    return w;
}

static void close_live(sk_window *w, run *r)
{
    sk_window_free(w);
    sk_trace_read_cursor_free(r->cursor);
    sk_trace_read_close(r->log);
}

/* As window_live.c does where nothing more comes. */
static void end_run(sk_window *w, run *r, sk_window_live *live)
{
    pass(w, 2000 * MS);
    live->take = NULL, live->gate = NULL, live->release = NULL, live->kill = NULL;
    r->words = "the run has ended";
}

START_TEST(who_was_asked_about_is_killed_wherever_the_task_is_then)
{
    run r;
    sk_window_live live;
    sk_window *w = live_window(&r, &live, true, 2000 * MS);
    const sk_model *m = w->model;
    uint32_t other = 0;
    while (m->slices[m->tasks[other].last_slice].worker == m->slices[m->tasks[0].last_slice].worker)
        ck_assert_uint_lt(++other, m->ntasks);
    const sk_model_worker *worker = &m->workers[m->slices[m->tasks[0].last_slice].worker];
    w->state.task = 0;
    press(w, 'k');
    ck_assert(w->asking);
    g_autofree char *whom = g_strdup_printf("worker %d of node %u", worker->worker, worker->node);
    ck_assert_ptr_nonnull(strstr(w->question, whom));
    ck_assert_ptr_nonnull(strstr(w->question, "Task 1 does not run there now"));
    w->state.task = other;
    press(w, 'y');
    ck_assert_int_eq(r.worker, worker->worker);
    ck_assert_uint_eq(r.node, worker->node);
    press(w, 'k');
    live.kill = NULL;
    press(w, 'y'); /* the run has ended meanwhile */
    ck_assert_uint_eq(r.kills, 1);
    ck_assert_ptr_nonnull(strstr(w->message, "over"));
    live.kill = kill_worker;
    press(w, 'k');
    end_run(w, &r, &live);
    pass(w, 10 * MS);
    ck_assert(!w->asking);
    close_live(w, &r);
}
END_TEST

START_TEST(how_a_live_run_ends_is_drawn_and_it_can_be_played_again)
{
    for (int has_gate = 0; has_gate < 2; has_gate++) {
        run r;
        sk_window_live live;
        sk_window *w = live_window(&r, &live, has_gate, 2000 * MS);
        sk_window_draw(w);
        uint64_t serial = w->serial;
        r.words = "process 4711 is gone";
        sk_window_tick(w, w->player.now + 10 * MS);
        sk_window_draw(w);
        ck_assert_uint_eq(w->serial, serial + 1); /* of the frame */
        w->model->error = "object 3 is wrong";
        sk_window_tick(w, w->player.now + 10 * MS);
        sk_window_draw(w);
        ck_assert_uint_eq(w->serial, serial + 2);
        end_run(w, &r, &live);
        pass(w, 5000 * MS);
        ck_assert(!w->player.playing && !w->player.follow);
        ck_assert_int_eq(sk_window_tick(w, w->player.now + 10 * MS), INT64_MAX); /* nothing moves any more */
        press(w, ' ');
        ck_assert_uint_eq(w->state.step, 0);
        ck_assert(w->player.playing);
        close_live(w, &r);
    }
}
END_TEST

START_TEST(space_opens_the_gate_whatever_is_looked_at)
{
    run r;
    sk_window_live live;
    sk_window *w = live_window(&r, &live, true, 50 * MS);
    press(w, ' ');
    ck_assert(r.held && w->held);
    press(w, ',');
    ck_assert(!w->player.follow);
    press(w, ' ');
    ck_assert(!r.held && !w->player.playing);
    press(w, ' '); /* it is open: what was before is played, up to what is */
    ck_assert(!r.held && w->player.playing);
    w->player.speed = SK_SPEEDS - 1;
    pass(w, 5000 * MS);
    ck_assert(w->player.playing && w->player.follow);
    ck_assert_uint_eq(w->state.step, w->model->nsteps);
    close_live(w, &r);
}
END_TEST

START_TEST(a_live_run_without_a_gate_plays_until_space_stops_it)
{
    run r;
    sk_window_live live;
    sk_window *w = live_window(&r, &live, false, 50 * MS);
    ck_assert(w->player.playing && w->player.follow);
    ck_assert_double_eq(sk_speeds[w->player.speed], 1);
    press(w, ' ');
    sk_step here = w->state.step;
    ck_assert(!w->player.playing);
    pass(w, 50 * MS);
    ck_assert_uint_eq(w->state.step, here);
    press(w, SK_KEY_END);
    pass(w, 2000 * MS);
    ck_assert(w->player.playing && w->player.follow);
    sk_window_draw(w);
    ck_assert_int_eq(sk_window_tick(w, w->player.now + 10 * MS), 50 * MS); /* it waits, and draws nothing */
    press(w, SK_KEY_HOME);
    ck_assert(!w->player.playing); /* what is gone to stays */
    close_live(w, &r);
}
END_TEST

START_TEST(a_refusal_is_said_once)
{
    run r;
    sk_window_live live;
    sk_window *w = live_window(&r, &live, false, 50 * MS);
    r.why = "no task runs there";
    pass(w, 10 * MS);
    ck_assert_ptr_nonnull(strstr(w->message, "no task runs there"));
    pass(w, 5000 * MS);
    ck_assert_str_eq(w->message, "");
    close_live(w, &r);
}
END_TEST

START_TEST(where_no_time_passes_events_are_played_one_by_one)
{
    trace = getenv("DEEP");
    sk_window *w = open_window();
    ck_assert_int_eq(w->model->first, w->model->last);
    press(w, ' ');
    pass(w, 1100 * MS);
    ck_assert_uint_gt(w->state.step, 0);
    ck_assert_uint_lt(w->state.step, w->model->nsteps);
    sk_window_free(w);
}
END_TEST

START_TEST(what_a_run_cannot_is_said)
{
    sk_window *w = busy_window();
    press(w, 'h');
    ck_assert_ptr_nonnull(strstr(w->message, "over"));
    sk_window_live nothing = { .fd = -1 };
    w->live = &nothing;
    press(w, 'k');
    ck_assert_ptr_nonnull(strstr(w->message, "cannot"));
    sk_window_draw(w);
    sk_window_free(w);
}
END_TEST

/* ---- The start screen, files, words --------------------------------------------------------------------------------------------------- */

static char *file_in(const char *folder, const char *name, const char *text, int mode)
{
    char *path = g_build_filename(folder, name, NULL);
    ck_assert(g_file_set_contents(path, text, -1, NULL));
    ck_assert_int_eq(g_chmod(path, mode), 0);
    return path;
}

START_TEST(a_lesson_is_opened_under_its_name_whatever_is_chosen_meanwhile)
{
    g_autofree char *folder = g_dir_make_tmp("window-XXXXXX", NULL), *list = g_strdup_printf("%s\n", trace);
    g_autofree char *runner = file_in(folder, "runner", "#!/bin/sh\ncp \"$TRACE\" \"$3\"\n", 0700), *lesson = file_in(folder, "1-one", "#!/bin/sh\n", 0700);
    g_autofree char *recent = file_in(folder, "recent", list, 0600);
    sk_window *w = sk_window_new(&(sk_window_setup){ .lessons = folder, .recent = recent, .runner = runner });
    press(w, SK_KEY_ENTER);
    press(w, SK_KEY_UP); /* round to the recent file */
    for (int64_t now = 1; !w->model && !*w->message; now++)
        sk_window_tick(w, now);
    ck_assert_msg(w->model != NULL, "%s", w->message);
    ck_assert_str_eq(w->path, "1-one");
    sk_window_free(w);
    g_unlink(runner), g_unlink(lesson), g_unlink(recent), g_rmdir(folder);
}
END_TEST

START_TEST(a_picture_takes_the_place_of_no_other)
{
    g_autofree char *folder = g_dir_make_tmp("window-XXXXXX", NULL);
    ck_assert_int_eq(chdir(folder), 0);
    g_autofree char *old = file_in(folder, "run-graph-1.png", "of the last session", 0600);
    sk_window *w = open_window();
    press(w, SK_KEY_F12);
    ck_assert_str_eq(w->picture, "run-graph-2.png");
    sk_window_free(w);
    g_unlink(old), g_rmdir(folder);
}
END_TEST

START_TEST(long_words_are_cut_between_letters)
{
    ck_assert_int_eq(sk_model_fits("a\xc3\xa9", 3), 3);
    ck_assert_int_eq(sk_model_fits("a\xc3\xa9", 2), 1);
    ck_assert_int_eq(sk_model_fits("\xe4\xb8\xad", 2), 0);
    GString *name = g_string_new(NULL);
    for (int i = 0; i < 100; i++)
        g_string_append(name, "\xe4\xb8\xad");
    for (unsigned shift = 0; shift < 3; shift++) {
        sk_window *w = busy_window();
        for (uint32_t i = 0; i < w->model->ntasks; i++)
            w->model->tasks[i].name = name->str;
        for (uint32_t i = 0; i < w->model->nsites; i++)
            w->model->sites[i].file = name->str;
        sk_window_say(w, "%s", name->str);
        ck_assert(g_utf8_validate(w->message, -1, NULL));
        for (unsigned view = 0; view < w->nviews; view++) {
            w->view = view, w->stale = true;
            const sk_draw *d = sk_window_draw(w);
            for (uint32_t at = 1; at < d->nchars; at += (uint32_t)strlen(d->chars + at) + 1)
                ck_assert_msg(g_utf8_validate(d->chars + at, -1, NULL), "in view %u: %s", view, d->chars + at);
        }
        sk_window_free(w);
        g_string_insert_c(name, 0, 'x');
    }
    g_string_free(name, TRUE);
}
END_TEST

/* ---- Anything ------------------------------------------------------------------------------------------------------------------------- */

START_TEST(no_sequence_of_inputs_breaks_it)
{
    uint32_t seed = getenv("SEED") ? (uint32_t)atoi(getenv("SEED")) : 1;
    GRand *r = g_rand_new_with_seed(seed);
    sk_window *w = open_window();
    for (int i = 0; i < 3000; i++) {
        float x = (float)g_rand_double_range(r, -50, w->width + 50), y = (float)g_rand_double_range(r, -50, w->height + 50);
        uint32_t mods = g_rand_int_range(r, 0, 4) ? 0 : g_rand_boolean(r) ? SK_SHIFT : SK_CTRL;
        switch (g_rand_int_range(r, 0, 8)) {
        case 0: case 1: press(w, sk_commands[g_rand_int_range(r, 0, SK_COMMANDS)].key[0]); break;
        case 2: press(w, (uint32_t)g_rand_int_range(r, 1, 0x3000) | mods); break;
        case 3: sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y }); break;
        case 4: sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = x, .y = y, .mods = mods }); break;
        case 5: sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = x, .y = y, .mods = mods }); break;
        case 6: sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = (float)g_rand_double_range(r, -5, 5), .mods = mods }); break;
        case 7:
            if (g_rand_int_range(r, 0, 10) == 0)
                sk_window_input(w, &(sk_input){ SK_INPUT_SIZE, .x = (float)g_rand_int_range(r, 1, 2000), .y = (float)g_rand_int_range(r, 1, 1500), .by = 1 });
            break;
        }
        pass(w, 10 * MS * g_rand_int_range(r, 0, 3));
        sk_window_draw(w);
        const sk_view_state *s = &w->state;
        ck_assert_msg(s->step <= w->model->nsteps && s->ns >= sk_model_ns(w->model, s->step) && (s->task == SK_NO_INDEX || s->task < w->model->ntasks)
                          && s->scale >= .75f && s->scale <= 3 && w->view < w->nviews && s->from <= s->to && isfinite(s->zoom) && isfinite(s->pan_x),
                      "after %d inputs of SEED=%u", i, seed);
        w->done = false;
    }
    g_rand_free(r);
    sk_window_free(w);
}
END_TEST

START_TEST(a_script_names_the_line_that_it_cannot_do)
{
    static const struct { const char *text, *says; } bad[] = {
        { "key Home\nfly\n", "line 2: fly what?" }, { "fly away now\n", "line 1: there is no command fly" }, { "key Nothing\n", "no key Nothing" },
        { "click task-99999\n", "there is no task-99999" }, { "check step 99999999\n", "step is " }, { "check nothing yes\n", "knows no nothing" },
        { "drag 10 10\n", "how far?" }, { "wheel\n", "how far?" }, { "click\n", "where?" }, { "click 10\n", "what else?" },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = NULL;
        int fd = g_file_open_tmp("window-XXXXXX.script", &path, NULL);
        ck_assert_int_ge(fd, 0);
        ck_assert(g_file_set_contents(path, bad[i].text, -1, NULL));
        sk_window *w = open_window();
        sk_error err = { 0 };
        ck_assert(!sk_script_run(w, path, &err));
        ck_assert_msg(strstr(err.message, bad[i].says) != NULL, "\"%s\" is not in \"%s\"", bad[i].says, err.message);
        sk_window_free(w);
        g_unlink(path);
        close(fd);
    }
}
END_TEST

/* ---- The painter ------------------------------------------------------------------------------------------------------------------------ */

static const sk_glyph *no_glyph(void *fonts, sk_font font, int size, uint32_t letter)
{
    static const sk_glyph none = { .advance = 7 };
    (void)fonts, (void)font, (void)size, (void)letter;
    return &none;
}

static double sum(const sk_pixels *p) /* of what is white, in pixels */
{
    double all = 0;
    for (int i = 0; i < p->width * p->height; i++)
        all += (p->at[i] >> 8 & 255) / 255.0;
    return all;
}

START_TEST(boxes_and_lines_cover_what_they_should_and_nothing_beyond_their_clip)
{
    uint32_t at[100 * 80];
    sk_pixels p = { at, 100, 80, 100 };
    sk_draw *d = sk_draw_new();
    static const struct { float x1, y1, x2, y2, width; } lines[] = { { 10, 10, 80, 30, 1 }, { 10, 10, 30, 70, 2 }, { 80, 70, 15, 20, 3 }, { 5, 40, 90, 40, 2 }, { 50, 5, 50, 75, 1 } };
    sk_pixels_fill(&p, 0x000000ff);
    sk_draw_rect(d, (sk_rect){ 10, 20, 30, 15 }, &(sk_pen){ .fill = 0xffffffff });
    sk_paint_pixels(d, &p, no_glyph, NULL);
    ck_assert_double_eq(sum(&p), 30 * 15);
    ck_assert_uint_eq(at[20 * 100 + 10], 0xffffff);
    ck_assert_uint_eq(at[20 * 100 + 9], 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++) {
        sk_draw_clear(d);
        sk_pixels_fill(&p, 0x000000ff);
        sk_draw_line(d, lines[i].x1, lines[i].y1, lines[i].x2, lines[i].y2, &(sk_pen){ .stroke = 0xffffffff, .width = lines[i].width });
        sk_paint_pixels(d, &p, no_glyph, NULL);
        double length = hypot(lines[i].x2 - lines[i].x1, lines[i].y2 - lines[i].y1) * lines[i].width;
        ck_assert_msg(fabs(sum(&p) - length) < .06 * length, "line %u covers %g, not %g", i, sum(&p), length);
    }
    sk_draw_clear(d);
    sk_pixels_fill(&p, 0x000000ff);
    sk_draw_poly(d, (sk_point[]){ { 20, 10 }, { 60, 50 }, { 20, 50 } }, 3, &(sk_pen){ .fill = 0xffffffff });
    sk_paint_pixels(d, &p, no_glyph, NULL);
    ck_assert_double_lt(fabs(sum(&p) - 800), 12);
    sk_point comb[81] = { { 0, 70 } }; /* 40 teeth, of which a row crosses 80 sides */
    for (int i = 0; i < 40; i++)
        comb[2 * i] = (sk_point){ 2 * i, 70 }, comb[2 * i + 1] = (sk_point){ 2 * i + 1, 10 };
    comb[80] = (sk_point){ 80, 70 };
    sk_draw_clear(d);
    sk_pixels_fill(&p, 0x000000ff);
    sk_draw_poly(d, comb, 81, &(sk_pen){ .fill = 0xffffffff });
    sk_paint_pixels(d, &p, no_glyph, NULL);
    ck_assert_double_lt(fabs(sum(&p) - 40 * 2 * 60 / 2.0), 40);
    sk_draw_clear(d);
    sk_pixels_fill(&p, 0x000000ff);
    sk_draw_clip(d, (sk_rect){ 20, 20, 10, 10 });
    sk_draw_rect(d, (sk_rect){ -1e9f, -1e9f, 2e9f, 2e9f }, &(sk_pen){ .fill = 0xffffffff, .radius = 5 });
    sk_draw_line(d, -1e6f, -1e6f, 1e6f, 1e6f, &(sk_pen){ .stroke = 0xffffffff, .width = 40 });
    sk_draw_curve(d, -1e6f, 0, 1e6f, 50, &(sk_pen){ .stroke = 0xffffffff, .width = 3, .arrow = true });
    sk_paint_pixels(d, &p, no_glyph, NULL);
    ck_assert_double_eq(sum(&p), 100);
    sk_draw_free(d);
}
END_TEST

int main(void)
{
    trace = getenv("TRACE");
    if (!trace || !getenv("DEEP")) {
        fputs("window: TRACE and DEEP name logs of lessons; tests/window/run makes them\n", stderr);
        return 2;
    }
    Suite *suite = suite_create("window");
    TCase *all = tcase_create("all");
    tcase_add_test(all, every_command_has_a_name_words_and_a_key_that_no_other_has);
    tcase_add_test(all, every_key_of_the_table_changes_something);
    tcase_add_test(all, everything_in_the_picture_can_be_clicked);
    tcase_add_test(all, up_and_down_go_through_a_deep_graph);
    tcase_add_test(all, keys_with_shift_or_caps_lock_mean_the_same);
    tcase_add_test(all, playing_goes_through_the_run_at_its_speed_and_stops_at_the_end);
    tcase_add_test(all, each_event_takes_the_same_time_if_asked_to);
    tcase_add_test(all, steps_go_to_every_event_and_back);
    tcase_add_test(all, playing_stops_wherever_the_function_of_a_breakpoint_starts);
    tcase_add_test(all, a_step_moves_to_its_place_in_a_quarter_of_a_second_or_at_once_without_motion);
    tcase_add_test(all, a_window_in_which_nothing_moves_wants_no_time);
    tcase_add_test(all, the_scrubber_goes_to_the_time_under_the_mouse_and_follows_it);
    tcase_add_test(all, bookmarks_are_gone_to_in_order);
    tcase_add_test(all, zooming_leaves_what_is_under_the_mouse_where_it_is);
    tcase_add_test(all, a_drag_takes_the_picture_along);
    tcase_add_test(all, finding_goes_round_and_says_what_is_not_there);
    tcase_add_test(all, each_view_has_its_own_zoom_and_the_reduction_goes_along_with_the_mouse);
    tcase_add_test(all, lanes_are_scrolled_by_a_slow_hand_and_not_beyond_the_last);
    tcase_add_test(all, every_size_and_scale_has_a_picture);
    tcase_add_test(all, a_live_run_is_followed_until_its_end_and_left_alone_while_paused);
    tcase_add_test(all, who_was_asked_about_is_killed_wherever_the_task_is_then);
    tcase_add_test(all, how_a_live_run_ends_is_drawn_and_it_can_be_played_again);
    tcase_add_test(all, space_opens_the_gate_whatever_is_looked_at);
    tcase_add_test(all, a_live_run_without_a_gate_plays_until_space_stops_it);
    tcase_add_test(all, a_refusal_is_said_once);
    tcase_add_test(all, where_no_time_passes_events_are_played_one_by_one);
    tcase_add_test(all, what_a_run_cannot_is_said);
    tcase_add_test(all, a_lesson_is_opened_under_its_name_whatever_is_chosen_meanwhile);
    tcase_add_test(all, a_picture_takes_the_place_of_no_other);
    tcase_add_test(all, long_words_are_cut_between_letters);
    tcase_add_test(all, no_sequence_of_inputs_breaks_it);
    tcase_add_test(all, a_script_names_the_line_that_it_cannot_do);
    tcase_add_test(all, boxes_and_lines_cover_what_they_should_and_nothing_beyond_their_clip);
    suite_add_tcase(suite, all);
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
