/* live_test.c -- runs that go on: followed, held, killed. */
#include <check.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "hands.h"

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
    run r = { .log = sk_trace_read_open(getenv("TRACE"), &err) };
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
    sk_model *whole = sk_model_load(getenv("TRACE"), &err);
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

/* Of the run in TRACE, which has come so far (all of it in the end); with a gate or without one. */
static sk_window *live_window(run *r, sk_window_live *live, bool has_gate, int64_t ns)
{
    sk_error err;
    *r = (run){ .log = sk_trace_read_open(getenv("TRACE"), &err) };
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

TCase *window_live_case(void)
{
    TCase *t = tcase_create("live");
    tcase_add_test(t, a_live_run_is_followed_until_its_end_and_left_alone_while_paused);
    tcase_add_test(t, who_was_asked_about_is_killed_wherever_the_task_is_then);
    tcase_add_test(t, how_a_live_run_ends_is_drawn_and_it_can_be_played_again);
    tcase_add_test(t, space_opens_the_gate_whatever_is_looked_at);
    tcase_add_test(t, a_live_run_without_a_gate_plays_until_space_stops_it);
    tcase_add_test(t, a_refusal_is_said_once);
    tcase_add_test(t, what_a_run_cannot_is_said);
    return t;
}
