/* compare_test.c -- the view Compare: where the time went adds up, by any way of counting; the words are those of the figures; a function has one
 * colour in all runs. */
#include <check.h>
#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "unit/trace_forge.h"
#include "viz/compare.h"
#include "viz/view.h"

static sk_model *model_of(forge *f, bool whole, uint64_t ns)
{
    sk_model *m = view_model_of(forge_end(f, whole, ns));
    if (!whole)
        m->trouble = "cut off";
    return m;
}

static void node(forge *f, uint64_t ns, uint64_t number, uint64_t workers, bool comes)
{
    uint64_t w = number << 32 | workers;
    forge_record(f, 0, ns, SK_TRACE_NODE, comes ? SK_NODE_NONE << 4 | SK_NODE_ALIVE : SK_NODE_ALIVE << 4 | SK_NODE_DEAD, &w, 1);
}

static void flies(forge *f, uint64_t end, uint64_t took, uint64_t object, uint64_t bytes)
{
    uint64_t w[4] = { object, bytes, 0ull << 32 | 1, took };
    forge_record(f, 0, end, SK_TRACE_TRANSFER, 0, w, 4);
}

static void text_info(forge *f, const char *program, const char *backend)
{
    forge_info(f, "program", program);
    forge_info(f, "backend", backend);
    forge_info(f, "time", "virtual");
}

/* ---- Where the time went ---------------------------------------------------------------------------------------------------------------- */

/* A run by dice, in nanoseconds, short enough to be looked at one by one. */
static sk_model *random_run(GRand *dice)
{
    enum { TASKS = 40 };
    forge f = forge_new(1);
    uint64_t ns = 0;
    uint8_t state[TASKS + 1] = { 0 };
    forge_fn(&f, 1, "f");
    node(&f, 0, 0, 2, true);
    bool second = false;
    for (unsigned ended = 0; ended < TASKS;) {
        uint64_t t = (uint64_t)g_rand_int_range(dice, 1, TASKS + 1);
        ns += (uint64_t)g_rand_int_range(dice, 0, 6);
        unsigned next = state[t] == SK_TASK_NONE      ? SK_TASK_WAITING
                        : state[t] == SK_TASK_WAITING ? SK_TASK_READY
                        : state[t] == SK_TASK_READY   ? SK_TASK_RUNNING
                        : state[t] == SK_TASK_BLOCKED ? SK_TASK_RUNNING
                        : g_rand_int(dice) % 3 == 0   ? SK_TASK_BLOCKED
                                                      : SK_TASK_DONE;
        if (state[t] == SK_TASK_DONE)
            continue;
        if (next == SK_TASK_WAITING)
            forge_task(&f, 0, ns, t, 1, 0, 1, 0, t);
        else
            forge_move(&f, 0, ns, t, state[t] == SK_TASK_WAITING ? SK_TASK_NONE : state[t], next, 0);
        state[t] = (uint8_t)next;
        ended += next == SK_TASK_DONE;
        if (g_rand_int(dice) % 8 == 0)
            flies(&f, ns, (uint64_t)g_rand_int_range(dice, 0, (gint32)MIN(ns, 40) + 1), t, 100);
        if (g_rand_int(dice) % 30 == 0) {
            node(&f, ns, 1, 3, !second);
            second = !second;
        }
    }
    flies(&f, ns + 9, 4, 1, 100); /* after the last task: not of its makespan */
    return model_of(&f, true, ns + 9);
}

/* The rows of the workers: each was there for so long, and that is what the shares have to be of; what ran on them was computing. */
static void rows_add_up(const sk_model *m, const sk_spent *s)
{
    int64_t there = 0, ran = 0;
    for (uint32_t i = 0; i < m->nnodes; i++) {
        int64_t from = MAX(s->from, sk_model_ns(m, m->nodes[i].alive));
        int64_t to = m->nodes[i].dead == SK_NEVER ? s->to : MIN(s->to, sk_model_ns(m, m->nodes[i].dead));
        there += m->nodes[i].workers * MAX(0, to - from);
    }
    for (uint32_t i = 0; i < m->nslices; i++)
        if (!m->slices[i].blocked)
            ran += sk_model_ns(m, m->slices[i].end) - sk_model_ns(m, m->slices[i].begin);
    ck_assert_int_eq(s->all, there);
    ck_assert_int_eq(s->compute + s->beyond, ran);
    ck_assert_int_eq(s->compute + s->transfer + s->scheduling + s->idle, there);
}

START_TEST(where_the_time_went_is_what_each_nanosecond_says_and_adds_up)
{
    GRand *dice = g_rand_new_with_seed(7);
    int64_t sums[4] = { 0 };
    for (int round = 0; round < 40; round++) {
        sk_model *m = random_run(dice);
        sk_spent s = sk_spent_of(m);
        int64_t all = 0, compute = 0, transfer = 0, scheduling = 0, idle = 0;
        ck_assert_int_eq(s.compute + s.transfer + s.scheduling + s.idle, s.all);
        for (int64_t ns = s.from; ns < s.to; ns++) {
            sk_step k = sk_model_step_at(m, ns);
            uint32_t running = 0, ready = 0, flying = 0, workers = 0;
            for (uint32_t t = 0; t < m->ntasks; t++) {
                running += sk_model_task_at(m, t, k) == SK_TASK_RUNNING;
                ready += sk_model_task_at(m, t, k) == SK_TASK_READY;
            }
            for (uint32_t i = 0; i < m->ntransfers; i++) {
                int64_t end = sk_model_ns(m, m->transfers[i].end);
                flying += ns >= end - m->transfers[i].took && ns < end;
            }
            for (uint32_t i = 0; i < m->nnodes; i++)
                workers += m->nodes[i].alive <= k && m->nodes[i].dead > k ? m->nodes[i].workers : 0;
            for (uint32_t w = 0; w < workers; w++) {
                all++;
                if (running)
                    running--, compute++;
                else if (flying)
                    flying--, transfer++;
                else if (ready)
                    ready--, scheduling++;
                else
                    idle++;
            }
        }
        ck_assert_int_eq(s.all, all);
        ck_assert_int_eq(s.compute, compute);
        ck_assert_int_eq(s.transfer, transfer);
        ck_assert_int_eq(s.scheduling, scheduling);
        ck_assert_int_eq(s.idle, idle);
        rows_add_up(m, &s);
        sums[0] += compute, sums[1] += transfer, sums[2] += scheduling, sums[3] += idle;
        sk_model_free(m);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_int_gt(sums[i], 1000);
    g_rand_free(dice);
}
END_TEST

START_TEST(times_beyond_all_measure_are_counted_without_overflow)
{
    forge f = forge_new(1);
    forge_fn(&f, 1, "f");
    node(&f, 0, 0, UINT32_MAX, true);
    forge_task(&f, 0, 1, 1, 1, 0, 1, 0, 1);
    forge_move(&f, 0, 2, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_move(&f, 0, INT64_MAX / 2, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    flies(&f, INT64_MAX - 1, UINT64_MAX, 1, UINT64_MAX);
    sk_model *m = model_of(&f, true, INT64_MAX - 1);
    sk_spent s = sk_spent_of(m);
    ck_assert_int_gt(s.all, 0);
    sk_runs runs = { .model = { m, m }, .path = { "a", "b" }, .n = 2 };
    sk_compare *c = sk_compare_new(&runs);
    ck_assert_uint_gt(c->words->len, 0);
    sk_compare_free(c);
    sk_model_free(m);
}
END_TEST

/* ---- Words ------------------------------------------------------------------------------------------------------------------------------- */

/* Four tasks of `work` of 10 ms, over `workers`; the arguments of each task come `late` ms after it is ready. */
static sk_model *four_tasks(const char *program, const char *backend, uint32_t workers, uint64_t late)
{
    enum { MS = 1000000 };
    forge f = forge_new(1);
    text_info(&f, program, backend);
    forge_fn(&f, 1, "work");
    node(&f, 0, 0, workers, true);
    for (uint64_t t = 1; t <= 4; t++)
        forge_task(&f, 0, 0, t, 1, 0, 1, 0, t);
    for (uint64_t t = 1; t <= 4; t++) {
        uint64_t start = (t - 1) / workers * (10 + late) * MS;
        forge_move(&f, 0, start, t, SK_TASK_NONE, SK_TASK_READY, 0);
        if (late)
            flies(&f, start + late * MS, late * MS, t, 1000);
        forge_run(&f, (unsigned)((t - 1) % workers), start + late * MS, start + (late + 10) * MS, t, t);
    }
    return model_of(&f, true, 4 * (10 + late) * MS);
}

static void says(const sk_compare *c, unsigned i, const char *words)
{
    ck_assert_msg(i < c->words->len, "there is no sentence %u", i);
    ck_assert_str_eq(c->words->pdata[i], words);
}

START_TEST(the_words_are_those_of_the_figures)
{
    sk_model *a = four_tasks("bin/sum", "threads", 1, 0), *b = four_tasks("sum", "tcp", 1, 5), *d = four_tasks("./sum", "virtual", 2, 0);
    sk_runs runs = { .model = { a, b, d }, .path = { "a.sktrace", "b.sktrace", "d.sktrace" }, .n = 3 };
    sk_compare *c = sk_compare_new(&runs);
    ck_assert_int_eq(c->run[0].makespan, 40000000);
    ck_assert_int_eq(c->run[1].spent.transfer, 20000000);
    ck_assert_int_eq(c->run[2].spent.compute, 40000000);
    ck_assert_str_eq(c->run[1].name, "B (tcp)");
    says(c, 0, "C (virtual) is the fastest and B (tcp) the slowest: it takes 3.00x as long.");
    says(c, 1, "B (tcp) takes 1.50x as long as A (threads): 60.0 ms, not 40.0 ms.");
    says(c, 2, "On average a worker of B spends 20.0 ms more waiting for transfers (A: none) than one of A.");
    says(c, 3, "B moves 4.00 kB in 4 transfers between nodes, A nothing.");
    says(c, 4, "C (virtual) is 2.00x as fast as A (threads): 20.0 ms, not 40.0 ms.");
    says(c, 5, "On average a worker of C spends 20.0 ms less computing (-50%) than one of A.");
    says(c, 6, "C has 2 workers, not 1: 2x the workers bring 2.00x the speed.");
    ck_assert_uint_eq(c->words->len, 7);
    sk_compare *again = sk_compare_new(&runs);
    for (unsigned i = 0; i < c->words->len; i++)
        says(again, i, c->words->pdata[i]);
    sk_compare_free(again);
    sk_compare_free(c);
    sk_runs same = { .model = { a, a }, .path = { "x/a.sktrace", "y/a.sktrace" }, .n = 2 };
    c = sk_compare_new(&same);
    says(c, 0, "B takes as long as A: 40.0 ms.");
    ck_assert_uint_eq(c->words->len, 1);
    sk_compare_free(c);
    sk_model_free(a);
    sk_model_free(b);
    sk_model_free(d);
}
END_TEST

START_TEST(runs_of_different_programs_are_said_to_be_and_what_is_wrong_with_a_run_too)
{
    enum { MS = 1000000 };
    sk_model *a = four_tasks("sum", "threads", 1, 0), *other = four_tasks("sort", "threads", 2, 0);
    forge f = forge_new(1);
    text_info(&f, "sum", "threads");
    forge_info(&f, "error", "sk_get: it failed");
    forge_fn(&f, 1, "work");
    node(&f, 0, 0, 1, true);
    for (uint64_t t = 1; t <= 4; t++) {
        forge_task(&f, 0, 0, t, 1, 0, 1, 0, t);
        forge_move(&f, 0, 0, t, SK_TASK_NONE, SK_TASK_READY, 0);
    }
    forge_move(&f, 0, 0, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 0, 8 * MS, 1, SK_TASK_RUNNING, SK_TASK_FAILED, SK_TASK);
    forge_move(&f, 0, 8 * MS, 2, SK_TASK_READY, SK_TASK_RUNNING, 0);
    sk_model *bad = model_of(&f, false, 9 * MS);
    sk_runs runs = { .model = { a, other, bad }, .path = { "a", "b", "c" }, .n = 3 };
    sk_compare *c = sk_compare_new(&runs);
    says(c, 0, "The trace of C (c) is cut off: its figures are of the part that is there.");
    says(c, 1, "C (c) ended by an error: sk_get: it failed.");
    says(c, 2, "C (c) is unfinished: 3 of its 4 tasks have not ended.");
    says(c, 3, "A (a) and B (b) are different programs, sum and sort: that one takes longer says nothing of where they ran.");
    says(c, 4, "B (b) is 2.00x as fast as A (a): 20.0 ms, not 40.0 ms.");
    says(c, 5, "C (c) has taken 8.00 ms so far, A (a) takes 40.0 ms."); /* and is not said to be faster, nor to be over */
    says(c, 6, "In C (c) 1 task failed.");
    ck_assert_uint_eq(c->words->len, 7);
    ck_assert_str_eq(c->run[2].state, "ended by an error");
    ck_assert_ptr_null(c->run[0].state);
    sk_compare_free(c);
    sk_model_free(a);
    sk_model_free(other);
    sk_model_free(bad);
}
END_TEST

/* ---- Colours and pictures ---------------------------------------------------------------------------------------------------------------- */

/* Two functions, named in this order, one after the other on one worker. */
static sk_model *two_functions(const char *first, const char *second)
{
    enum { MS = 1000000 };
    forge f = forge_new(1);
    text_info(&f, "p", first);
    forge_fn(&f, 1, first);
    forge_fn(&f, 2, second);
    node(&f, 0, 0, 1, true);
    for (uint64_t t = 1; t <= 2; t++) {
        forge_task(&f, 0, 0, t, (uint32_t)t, 0, 1, 0, t);
        forge_move(&f, 0, 0, t, SK_TASK_NONE, SK_TASK_READY, 0);
    }
    for (uint64_t t = 1; t <= 2; t++)
        forge_run(&f, 0, 10 * (t - 1) * MS, 10 * t * MS, t, t);
    return model_of(&f, true, 20 * MS);
}

/* The colour in the lane of a run in the middle of its first, or second, half. */
static sk_colour colour_at(const sk_draw *d, unsigned run, unsigned half)
{
    sk_rect lane = { 0 }, bar = { 0 };
    for (uint32_t i = 0; i < d->nitems; i++) { /* right of its label; beneath the tasks is a bar, as long as the makespan */
        const sk_item *item = &d->items[i];
        if (d->hits[item->hit].what == SK_HIT_RUN && d->hits[item->hit].index == run && item->kind == SK_DRAW_RECT)
            lane = item->box;
    }
    for (uint32_t i = 0; i < d->nitems; i++) {
        sk_rect b = d->items[i].box;
        if (d->items[i].kind == SK_DRAW_RECT && b.h == 4 && b.w > 300 && b.y > lane.y && b.y < lane.y + lane.h)
            bar = b;
    }
    ck_assert(lane.w > 0 && bar.w > 0);
    float x = bar.x + bar.w * (half ? 0.75f : 0.25f), y = bar.y - 7;
    sk_colour found = 0;
    for (uint32_t i = 0; i < d->nitems; i++) {
        sk_rect b = d->items[i].box;
        if (d->items[i].kind == SK_DRAW_RECT && b.x <= x && b.x + b.w >= x && b.y <= y && b.y + b.h >= y && b.w < 0.7f * bar.w)
            found = d->items[i].pen.fill;
    }
    return found;
}

/* In the legend of a picture of this run. */
static sk_colour colour_in_legend(const sk_view *view, const sk_model *m, const sk_view_state *s, const char *name)
{
    sk_draw *d = sk_draw_new();
    void *memory = view->open ? view->open() : NULL;
    sk_colour found = 0;
    sk_frame_draw(view, memory, m, s, 1280, 720, d);
    for (uint32_t i = 0; i < d->nitems; i++) {
        const sk_hit *hit = &d->hits[d->items[i].hit];
        const sk_item *item = &d->items[i];
        if (item->hit && hit->what == SK_HIT_FN && item->kind == SK_DRAW_RECT && item->pen.fill && item->box.y > 660 && !strcmp(m->fns[hit->index].name, name))
            found = item->pen.fill;
    }
    if (view->close)
        view->close(memory);
    sk_draw_free(d);
    return found;
}

START_TEST(the_legend_of_compare_names_the_functions_of_all_runs_each_once)
{
    sk_model *a = two_functions("add", "sub"), *b = two_functions("sub", "other");
    sk_runs runs = { .model = { a, b }, .path = { "a", "b" }, .n = 2 };
    static const char *const names[] = { "add", "sub", "other" };
    sk_runs_look(&runs);
    for (unsigned shown = 0; shown < 2; shown++)
        for (unsigned v = 0; sk_views[v]; v++) {
            sk_view_state s;
            sk_draw *d = sk_draw_new();
            sk_view_state_init(&s, runs.model[shown]);
            s.runs = &runs;
            sk_palette p = sk_view_palette(&s, runs.model[shown]);
            sk_view_in in = { runs.model[shown], &s, &p, { 0, 0, 1280, 30 }, 1 };
            sk_legend_draw(sk_views[v], &in, d);
            for (unsigned f = 0; f < G_N_ELEMENTS(names); f++) {
                unsigned named = 0, coloured = 0;
                for (uint32_t i = 0; i < d->nitems; i++) {
                    named += d->items[i].kind == SK_DRAW_TEXT && !strcmp(d->chars + d->items[i].text, names[f]);
                    coloured += d->items[i].kind == SK_DRAW_RECT && d->items[i].pen.fill == sk_palette_look(&p, f).fill;
                }
                bool there = sk_views[v] == &sk_view_compare || f == 1 || f == 2 * shown;
                ck_assert_msg(named == there && coloured == there, "%s is named %u times in %s of run %u", names[f], named, sk_views[v]->name, shown);
            }
            sk_draw_free(d);
        }
    sk_runs_unlook(&runs);
    sk_model_free(a);
    sk_model_free(b);
}
END_TEST

START_TEST(a_function_has_one_colour_in_all_views_of_all_runs)
{
    sk_model *a = two_functions("add", "sub"), *b = two_functions("sub", "add"), *e = two_functions("other", "add");
    sk_runs runs = { .model = { a, b, e }, .path = { "a", "b", "c" }, .n = 3 };
    sk_runs_look(&runs);
    for (unsigned shown = 0; shown < 3; shown++) {
        sk_view_state s;
        sk_draw *d = sk_draw_new();
        void *memory = sk_view_compare.open();
        const sk_palette *p = sk_palette_of(SK_THEME_LIGHT);
        sk_view_state_init(&s, runs.model[shown]);
        s.runs = &runs;
        sk_frame_draw(&sk_view_compare, memory, runs.model[shown], &s, 1280, 720, d);
        sk_colour add = colour_at(d, 0, 0), sub = colour_at(d, 0, 1), other = colour_at(d, 2, 0);
        ck_assert_uint_ne(add, 0);
        ck_assert_uint_ne(add, sub);
        ck_assert_uint_ne(add, other);
        ck_assert_uint_ne(sub, other);
        ck_assert_uint_eq(colour_at(d, 1, 0), sub);
        ck_assert_uint_eq(colour_at(d, 1, 1), add);
        ck_assert_uint_eq(colour_at(d, 2, 1), add);
        ck_assert_uint_eq(add, sk_palette_look(p, 0).fill);
        for (unsigned v = 0; sk_views[v]; v++) {
            const struct { const char *name; sk_colour colour; } want[] = { { "add", add }, { "sub", sub }, { "other", other } };
            for (unsigned i = 0, n = 0; i < G_N_ELEMENTS(want); i++) {
                sk_colour found = colour_in_legend(sk_views[v], runs.model[shown], &s, want[i].name);
                ck_assert_msg(!found || found == want[i].colour, "%s in %s of run %u", want[i].name, sk_views[v]->name, shown);
                n += found != 0;
                ck_assert(i < 2 || n == 2);
            }
        }
        sk_view_compare.close(memory);
        sk_draw_free(d);
    }
    sk_runs_unlook(&runs);
    sk_model_free(a);
    sk_model_free(b);
    sk_model_free(e);
}
END_TEST

START_TEST(every_size_and_scale_can_be_drawn_and_moving_stays_in_sight)
{
    static const float sizes[][2] = { { 50, 50 }, { 200, 150 }, { 640, 400 }, { 3840, 2160 }, { 60, 2000 }, { 2000, 60 } };
    sk_model *a = sk_model_load(view_trace, NULL), *b = two_functions("add", "number"), *none = sk_model_new();
    sk_runs runs = { .model = { a, b, none, b }, .path = { "a", "b", NULL, "d" }, .n = 4 };
    for (unsigned n = 2; n <= 4; n++)
        for (unsigned i = 0; i < 2 * G_N_ELEMENTS(sizes); i++) {
            sk_view_state s;
            const float *size = sizes[i / 2];
            sk_draw *d = sk_draw_new();
            void *memory = sk_view_compare.open();
            sk_view_state_init(&s, a);
            runs.n = n;
            s.runs = &runs;
            s.normal = i % 2;
            s.scale = i % 3 == 0 ? 0.75f : i % 3 == 1 ? 1 : 3;
            for (unsigned step = 0; step < 40; step++) {
                sk_view_move by = { size[0] / 2, size[1] / 3, step % 3 ? 500 : -900, step % 2 ? 40 : -30, step % 5 ? 1.5f : 0.3f, step == 20 };
                sk_frame_move(&sk_view_compare, memory, a, &s, size[0], size[1], &by);
                sk_draw_clear(d);
                sk_frame_draw(&sk_view_compare, memory, a, &s, size[0], size[1], d);
                for (uint32_t k = 0; k < d->nitems; k++) {
                    sk_rect r = d->items[k].box;
                    ck_assert(isfinite(r.x) && isfinite(r.y) && isfinite(r.w) && isfinite(r.h));
                    ck_assert(d->items[k].kind != SK_DRAW_RECT || (r.w >= 0 && r.h >= 0));
                }
                ck_assert_uint_lt(d->nitems, 20000);
            }
            sk_view_compare.close(memory);
            sk_draw_free(d);
        }
    sk_model_free(a);
    sk_model_free(b);
    sk_model_free(none);
}
END_TEST

TCase *compare_cases(void)
{
    TCase *t = tcase_create("compare");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, where_the_time_went_is_what_each_nanosecond_says_and_adds_up);
    tcase_add_test(t, times_beyond_all_measure_are_counted_without_overflow);
    tcase_add_test(t, the_words_are_those_of_the_figures);
    tcase_add_test(t, runs_of_different_programs_are_said_to_be_and_what_is_wrong_with_a_run_too);
    tcase_add_test(t, the_legend_of_compare_names_the_functions_of_all_runs_each_once);
    tcase_add_test(t, a_function_has_one_colour_in_all_views_of_all_runs);
    tcase_add_test(t, every_size_and_scale_can_be_drawn_and_moving_stays_in_sight);
    return t;
}
