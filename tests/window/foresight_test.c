/* foresight_test.c -- the window's critical path, predict mode, and breakpoints of a run that is followed: by keys and by clicks. */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "viz/window.h"
#include "window/cases.h"

#define MS 1000000ll

static sk_window *open_run(const char *path)
{
    sk_model *m = sk_model_load(path, NULL);
    ck_assert_ptr_nonnull(m);
    sk_window *w = sk_window_new(&(sk_window_setup){ .model = m, .path = "run.sktrace", .calm = true });
    sk_window_tick(w, 1);
    return w;
}

static sk_window *open_window(void) { return open_run(getenv("TRACE")); }

static void press(sk_window *w, uint32_t key) { sk_window_input(w, &(sk_input){ SK_INPUT_KEY, .key = key }); }

static void pass(sk_window *w, int64_t ns)
{
    for (int64_t end = w->player.now + ns; w->player.now < end;) {
        sk_window_tick(w, w->player.now + 10 * MS);
        sk_window_draw(w);
    }
}

/* Where something is that can be clicked; false: it is not in the picture. */
static bool place_of(sk_window *w, sk_hit_what what, uint32_t index, float *x, float *y)
{
    const sk_draw *d = sk_window_draw(w);
    for (uint32_t i = d->nitems; i-- > 0;) {
        const sk_item *item = &d->items[i];
        const sk_hit *hit = &d->hits[item->hit];
        if (item->kind == SK_DRAW_RECT && item->box.w > 0 && hit->what == what && hit->index == index)
            return *x = item->box.x + item->box.w / 2, *y = item->box.y + item->box.h / 2, true;
    }
    return false;
}

static void click_at(sk_window *w, float x, float y)
{
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = x, .y = y });
}

static void click(sk_window *w, sk_hit_what what, uint32_t index)
{
    float x, y;
    ck_assert_msg(place_of(w, what, index, &x, &y), "there is no %s-%u", sk_draw_hit_name(what), index + 1);
    click_at(w, x, y);
}

static bool says(sk_window *w, const char *words) /* anywhere in the picture */
{
    const sk_draw *d = sk_window_draw(w);
    for (uint32_t i = 0; i < d->nitems; i++)
        if (d->items[i].kind == SK_DRAW_TEXT && strstr(d->chars + d->items[i].text, words))
            return true;
    return false;
}

/* ---- The critical path ------------------------------------------------------------------------------------------------------------------ */

START_TEST(p_picks_out_the_critical_path_and_says_how_long_it_is)
{
    sk_window *w = open_window();
    ck_assert(!says(w, "at once on average"));
    press(w, 'p');
    ck_assert(w->state.critical);
    ck_assert(says(w, "at once on average"));
    press(w, 'p');
    ck_assert(!says(w, "at once on average"));
    sk_window_free(w);
}
END_TEST

/* ---- The next run ------------------------------------------------------------------------------------------------------------------------ */

START_TEST(the_next_run_is_shown_as_this_one_was_at_the_same_time_and_each_keeps_its_bookmarks)
{
    sk_window *w = open_window();
    sk_window_add(w, sk_model_load(getenv("TRACE"), NULL), "other.sktrace");
    press(w, 'u');
    ck_assert_uint_eq(w->state.step, w->model->nsteps); /* from end to end */
    press(w, 'u');
    unsigned speed = w->player.speed;
    press(w, 'p'), press(w, speed + 1 < SK_SPEEDS ? ']' : '[');
    ck_assert_uint_ne(w->player.speed, speed);
    sk_window_do(w, SK_DO_EDGES), sk_window_do(w, SK_DO_FLIP);
    press(w, SK_KEY_HOME);
    for (sk_step k = 0; k < w->model->nsteps / 2; k++)
        press(w, '.');
    press(w, 'm');
    sk_view_state was = w->state;
    ck_assert(was.critical && was.flip && was.all_edges && was.step && was.step < w->model->nsteps);
    speed = w->player.speed;
    press(w, 'u');
    ck_assert_str_eq(w->path, "other.sktrace");
    ck_assert(w->state.critical && w->state.flip && w->state.all_edges);
    ck_assert_int_eq(w->state.ns, was.ns);
    ck_assert_uint_ge(w->state.step, was.step); /* the last at this time */
    ck_assert_uint_lt(w->state.step, w->model->nsteps);
    ck_assert_uint_eq(w->player.speed, speed);
    ck_assert_uint_eq(w->player.nmarks, 0);
    press(w, SK_KEY_HOME), press(w, 'u');
    ck_assert_uint_eq(w->state.step, 0);
    ck_assert_uint_eq(w->player.nmarks, 1);
    ck_assert_uint_eq(w->player.marks[0], was.step);
    sk_window_free(w);
}
END_TEST

/* ---- Predict mode ----------------------------------------------------------------------------------------------------------------------- */

static sk_window *asked_window(void)
{
    sk_window *w = open_window();
    press(w, SK_KEY_HOME);
    press(w, 'r');
    ck_assert(w->quiz.on && !w->quiz.told);
    ck_assert(says(w, w->quiz.question.answer[0]));
    return w;
}

START_TEST(an_answer_is_told_with_its_reason_and_counted)
{
    sk_window *w = asked_window();
    sk_question first = w->quiz.question;
    press(w, '1' + first.right);
    ck_assert(w->quiz.told);
    ck_assert_uint_eq(w->quiz.asked, 1);
    ck_assert_uint_eq(w->quiz.right, 1);
    ck_assert_uint_eq(w->state.step, first.shows); /* there it is */
    ck_assert(says(w, "Right."));
    ck_assert(says(w, "1 of 1 right"));
    press(w, SK_KEY_ENTER);
    ck_assert(w->quiz.on && !w->quiz.told);
    ck_assert_uint_ge(w->quiz.question.asked, first.shows);
    press(w, '1' + (w->quiz.question.right + 1) % w->quiz.question.answers);
    ck_assert(says(w, "Not so."));
    ck_assert(says(w, "1 of 2 right"));
    press(w, SK_KEY_ESC);
    ck_assert(!w->quiz.on);
    ck_assert_ptr_nonnull(strstr(w->message, "1 of 2 predicted"));
    sk_window_free(w);
}
END_TEST

START_TEST(answers_are_clicked_and_a_click_goes_on)
{
    sk_window *w = asked_window();
    for (uint32_t i = 0; i < w->quiz.question.answers; i++) {
        sk_window *other = asked_window();
        click(other, SK_HIT_ANSWER, i);
        ck_assert(other->quiz.told);
        ck_assert_uint_eq(other->quiz.chosen, i);
        ck_assert_uint_eq(other->quiz.right, i == other->quiz.question.right);
        sk_window_free(other);
    }
    float x, y;
    ck_assert(place_of(w, SK_HIT_ANSWER, SK_PREDICT_MOST, &x, &y)); /* beside the answers */
    const sk_draw *d = sk_window_draw(w);
    for (uint32_t i = 0; i < d->nitems; i++)
        if (d->hits[d->items[i].hit].what == SK_HIT_ANSWER && d->hits[d->items[i].hit].index == SK_PREDICT_MOST && d->items[i].kind == SK_DRAW_RECT)
            x = d->items[i].box.x + 4, y = d->items[i].box.y + 4;
    click_at(w, x, y);
    ck_assert(!w->quiz.told); /* no answer */
    press(w, '2');
    sk_step was = w->quiz.question.asked;
    click_at(w, x, y + 40);
    ck_assert(!w->quiz.told);
    ck_assert_uint_gt(w->quiz.question.asked, was);
    sk_window_free(w);
}
END_TEST

START_TEST(time_stands_still_while_a_question_is_open)
{
    static const uint32_t keys[] = { ' ', '.', ',', SK_KEY_END, SK_KEY_HOME, '{', '}' };
    sk_window *w = asked_window();
    sk_step here = w->state.step;
    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        press(w, keys[i]);
        pass(w, 50 * MS);
        ck_assert_uint_eq(w->state.step, here);
        ck_assert(w->quiz.on && !w->quiz.told);
    }
    click(w, SK_HIT_BUTTON, SK_DO_LAST);
    click(w, SK_HIT_TIME, 0);
    ck_assert_uint_eq(w->state.step, here);
    press(w, 'w'), press(w, SK_KEY_TAB), press(w, 't'); /* to look around is no harm */
    ck_assert(w->state.zoom > 0 || w->state.to > 0);
    ck_assert_int_eq(w->state.theme, SK_THEME_DARK);
    click(w, SK_HIT_VIEW, 1);
    ck_assert_uint_eq(w->view, 1);
    ck_assert(w->quiz.on);
    press(w, 'r'); /* ends as it began */
    ck_assert(!w->quiz.on);
    press(w, SK_KEY_END);
    ck_assert_uint_eq(w->state.step, w->model->nsteps);
    press(w, 'r');
    ck_assert(!w->quiz.on);
    ck_assert_ptr_nonnull(strstr(w->message, "go back first"));
    sk_window_free(w);
}
END_TEST

START_TEST(a_run_in_which_no_time_passes_has_nothing_to_predict_and_says_why)
{
    sk_window *w = open_run(getenv("DEEP"));
    press(w, SK_KEY_HOME);
    press(w, 'r');
    ck_assert(!w->quiz.on);
    ck_assert_str_eq(w->message, "nothing to predict: no time passes in this run");
    sk_window_free(w);
}
END_TEST

START_TEST(who_knows_all_answers_comes_to_the_end_with_all_of_them_right)
{
    sk_window *w = asked_window();
    unsigned n = 0;
    for (; w->quiz.on && n < 1000; n++) {
        press(w, '1' + w->quiz.question.right);
        ck_assert(w->quiz.told);
        press(w, ' ');
    }
    ck_assert(!w->quiz.on);
    ck_assert_uint_ge(n, 2);
    ck_assert_uint_eq(w->quiz.right, n);
    g_autofree char *words = g_strdup_printf("no more questions: %u of %u predicted", n, n);
    ck_assert_str_eq(w->message, words);
    sk_window_free(w);
}
END_TEST

START_TEST(a_question_has_a_picture_at_every_size)
{
    static const float sizes[][2] = { { 60, 60 }, { 200, 150 }, { 480, 320 }, { 3840, 2160 } };
    sk_window *w = asked_window();
    unsigned leaves = 0;
    for (int told = 0; told < 2; told++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
            sk_window_input(w, &(sk_input){ SK_INPUT_SIZE, .x = sizes[i][0], .y = sizes[i][1] });
            const sk_draw *d = sk_window_draw(w);
            for (uint32_t k = 0; k < d->nitems; k++)
                ck_assert(d->hits[d->items[k].hit].what != SK_HIT_ANSWER || (d->items[k].box.x >= 0 && d->items[k].box.y >= 0));
            ck_assert(i == 0 || says(w, "1   "));
            for (uint32_t a = 0; a < w->quiz.question.answers && i && !told; a++) {
                float x, y;
                ck_assert(place_of(w, SK_HIT_ANSWER, a, &x, &y));
                ck_assert_msg(x < sizes[i][0] && y + 5 < sizes[i][1], "at %g x %g answer %u is at %g, %g", sizes[i][0], sizes[i][1], a + 1, x, y);
            }
            for (uint32_t k = 0; k < d->nitems; k++)
                if (d->items[k].kind == SK_DRAW_TEXT && strstr(d->chars + d->items[k].text, "Esc: leave"))
                    leaves += d->items[k].box.y < sizes[i][1];
        }
        press(w, '1');
    }
    ck_assert_uint_eq(leaves, 6); /* in all but the smallest there is how to leave */
    sk_window_free(w);
}
END_TEST

/* ---- A run that is followed ------------------------------------------------------------------------------------------------------------- */

typedef struct run { sk_reader *log; sk_cursor *cursor; bool held; unsigned gates; sk_window_live live; } run;

static uint32_t take(void *of, sk_model *m) /* a few at a time; nothing while it is held */
{
    run *r = of;
    sk_event e;
    uint32_t n = 0;
    for (; n < 7 && !r->held && sk_trace_read_next(r->cursor, &e); n++)
        sk_model_take(m, &e);
    return n;
}
static const char *status(void *of) { return (void)of, "it runs"; }
static bool gate(void *of, bool held) { return ((run *)of)->gates++, ((run *)of)->held = held, true; }
static bool release(void *of) { return (void)of, true; }

static sk_window *follow(run *r, bool has_gate)
{
    *r = (run){ .log = sk_trace_read_open(getenv("TRACE"), NULL) };
    r->cursor = sk_trace_read_cursor(r->log);
    r->live = (sk_window_live){ .of = r, .fd = -1, .take = take, .status = status };
    if (has_gate)
        r->live.gate = gate, r->live.release = release;
    sk_window *w = sk_window_new(&(sk_window_setup){ .model = sk_model_new(), .path = "4711", .live = &r->live, .calm = true });
    sk_window_tick(w, 1);
    for (int i = 0; i < 100 && !w->model->ntasks; i++)
        pass(w, 10 * MS);
    w->state.fn = 0;
    press(w, 'b');
    return w;
}

static void leave(sk_window *w, run *r)
{
    sk_window_free(w);
    sk_trace_read_cursor_free(r->cursor);
    sk_trace_read_close(r->log);
}

static bool starts_at(const sk_window *w, sk_step k)
{
    const sk_model_event *e = &w->model->events[k - 1];
    return e->type == SK_TRACE_TASK && e->to == SK_TASK_RUNNING && e->from != SK_TASK_BLOCKED;
}

START_TEST(a_breakpoint_shuts_the_gate_of_a_run_that_is_followed_and_space_goes_on_to_the_next)
{
    run r;
    sk_window *w = follow(&r, true);
    unsigned stops = 0, starts = 0;
    for (; stops < 100; stops++) {
        pass(w, 1000 * MS);
        if (w->player.follow)
            break; /* the end */
        ck_assert(starts_at(w, w->state.step));
        ck_assert(r.held && w->held);
        ck_assert_ptr_nonnull(strstr(w->message, "starts"));
        ck_assert_ptr_nonnull(strstr(w->message, "new tasks are held back"));
        ck_assert_uint_eq(w->model->events[w->state.step - 1].index, w->state.task);
        press(w, ' ');
        ck_assert(!r.held && !w->held && w->player.follow);
    }
    for (sk_step k = 1; k <= w->model->nsteps; k++)
        starts += starts_at(w, k);
    ck_assert_uint_ge(starts, 4);
    ck_assert_uint_eq(stops, starts); /* none was missed, though events come by sevens */
    leave(w, &r);
}
END_TEST

START_TEST(without_a_gate_only_the_view_stops_at_a_breakpoint_and_says_so)
{
    run r;
    sk_window *w = follow(&r, false);
    pass(w, 100 * MS);
    ck_assert(!w->player.follow && !w->player.playing);
    ck_assert(starts_at(w, w->state.step));
    ck_assert_ptr_nonnull(strstr(w->message, "the run itself goes on"));
    sk_step here = w->state.step;
    pass(w, 100 * MS);
    ck_assert_uint_eq(w->state.step, here);
    ck_assert_uint_gt(w->model->nsteps, here);
    press(w, SK_KEY_END);
    ck_assert(w->player.follow);
    leave(w, &r);
}
END_TEST

START_TEST(a_live_run_that_was_paused_can_be_predicted_and_its_edge_cannot)
{
    run r;
    sk_window *w = follow(&r, false);
    press(w, 'b'); /* no breakpoint */
    pass(w, 300 * MS);
    press(w, SK_KEY_END);
    pass(w, 2000 * MS);
    press(w, 'r');
    ck_assert(!w->quiz.on);
    ck_assert_ptr_nonnull(strstr(w->message, "let more happen"));
    press(w, SK_KEY_HOME);
    press(w, 'r');
    ck_assert(w->quiz.on);
    sk_step here = w->state.step;
    pass(w, 100 * MS);
    ck_assert_uint_eq(w->state.step, here);
    press(w, '1' + w->quiz.question.right);
    ck_assert_uint_eq(w->quiz.right, 1);
    leave(w, &r);
}
END_TEST

TCase *foresight_case(void)
{
    TCase *all = tcase_create("foresight");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, p_picks_out_the_critical_path_and_says_how_long_it_is);
    tcase_add_test(all, the_next_run_is_shown_as_this_one_was_at_the_same_time_and_each_keeps_its_bookmarks);
    tcase_add_test(all, an_answer_is_told_with_its_reason_and_counted);
    tcase_add_test(all, answers_are_clicked_and_a_click_goes_on);
    tcase_add_test(all, time_stands_still_while_a_question_is_open);
    tcase_add_test(all, a_run_in_which_no_time_passes_has_nothing_to_predict_and_says_why);
    tcase_add_test(all, who_knows_all_answers_comes_to_the_end_with_all_of_them_right);
    tcase_add_test(all, a_question_has_a_picture_at_every_size);
    tcase_add_test(all, a_breakpoint_shuts_the_gate_of_a_run_that_is_followed_and_space_goes_on_to_the_next);
    tcase_add_test(all, without_a_gate_only_the_view_stops_at_a_breakpoint_and_says_so);
    tcase_add_test(all, a_live_run_that_was_paused_can_be_predicted_and_its_edge_cannot);
    return all;
}
