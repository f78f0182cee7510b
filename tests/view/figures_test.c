/* figures_test.c -- the lower half of Compare: its figures are true also of runs that are not over, and none is lost where there is no room for all. */
#include <check.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "unit/trace_forge.h"
#include "viz/compare.h"
#include "viz/view.h"
#include "viz/view_figures.h"

static const char *text_of(const sk_draw *d, uint32_t item) { return d->items[item].kind == SK_DRAW_TEXT ? d->chars + d->items[item].text : ""; }

START_TEST(a_figure_that_is_small_beside_the_first_is_told_as_its_part)
{
    char buf[16];
    ck_assert_str_eq(sk_compare_ratio(7.78e6 / 3e9, buf), "1/386");
    ck_assert_str_eq(sk_compare_ratio(0.5, buf), "0.50x");
    ck_assert_str_eq(sk_compare_ratio(0.095, buf), "0.10x");
    ck_assert_str_eq(sk_compare_ratio(0.0949, buf), "1/11");
    ck_assert_str_eq(sk_compare_ratio(1.8, buf), "1.80x");
}
END_TEST

START_TEST(rows_of_figures_that_have_no_room_are_counted)
{
    sk_model *a = sk_model_load(view_trace, NULL);
    sk_runs runs = { .model = { a, a }, .path = { "a", "b" }, .n = 2 };
    sk_compare *c = sk_compare_new(&runs);
    sk_view_state s;
    sk_view_state_init(&s, a);
    sk_view_in in = { a, &s, sk_palette_of(SK_THEME_LIGHT), { 0, 0, 600, 400 }, 1 };
    uint32_t look[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 }, all = 9 + c->nfns;
    unsigned cut = 0;
    ck_assert_uint_le(c->nfns, 16);
    for (float h = 50; h < 400; h++) {
        sk_draw *d = sk_draw_new();
        uint32_t rows = 0, more = 0;
        sk_figures_table(&in, d, c, (sk_rect){ 10, 0, 580, h }, look, SK_FIXED_ROWS);
        for (uint32_t i = 0; i < d->nitems; i++) {
            const char *text = text_of(d, i);
            if (g_str_has_prefix(text, "+ "))
                more = (uint32_t)atoi(text + 2);
            else if (*text && d->items[i].align == SK_LEFT && d->items[i].box.x < 40)
                rows++;
            ck_assert_float_le(d->items[i].box.y, h);
        }
        ck_assert_msg(rows + more == all, "%u rows and %u more of %u at %g", rows, more, all, (double)h);
        cut += more > 0;
        sk_draw_free(d);
    }
    ck_assert_uint_gt(cut, 100);
    ck_assert_uint_lt(cut, 300);
    sk_compare_free(c);
    sk_model_free(a);
}
END_TEST

/* Two tasks; of the second only the beginning is there, if it is cut. */
static sk_model *two_tasks(bool cut)
{
    enum { MS = 1000000 };
    forge f = forge_new(1);
    uint64_t node = 1; /* of one worker */
    forge_info(&f, "program", "sum");
    forge_fn(&f, 1, "work");
    forge_record(&f, 0, 0, SK_TRACE_NODE, SK_NODE_NONE << 4 | SK_NODE_ALIVE, &node, 1);
    for (uint64_t t = 1; t <= 2; t++) {
        forge_task(&f, 0, 0, t, 1, 0, 1, 0, t);
        forge_move(&f, 0, 0, t, SK_TASK_NONE, SK_TASK_READY, 0);
    }
    forge_run(&f, 0, 0, 10 * MS, 1, 1);
    if (cut)
        forge_move(&f, 0, 15 * MS, 2, SK_TASK_READY, SK_TASK_RUNNING, 0);
    else
        forge_run(&f, 0, 10 * MS, 40 * MS, 2, 2);
    sk_model *m = view_model_of(forge_end(&f, !cut, 40 * MS));
    if (cut)
        m->trouble = "cut off";
    return m;
}

static bool draws(const sk_draw *d, const char *words)
{
    for (uint32_t i = 0; i < d->nitems; i++)
        if (!strcmp(text_of(d, i), words))
            return true;
    return false;
}

/* All tasks that it knows of are over; there may have been more. */
START_TEST(a_log_that_is_cut_between_two_tasks_is_not_compared_with_a_whole)
{
    enum { MS = 1000000 };
    forge f = forge_start(1, 1, "work", NULL);
    forge_task(&f, 0, 0, 1, 1, 0, 1, 0, 1);
    forge_move(&f, 0, 0, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_run(&f, 0, 0, 10 * MS, 1, 1);
    sk_model *whole = two_tasks(false), *cut = view_model_of(forge_end(&f, false, 10 * MS));
    cut->trouble = "cut off";
    sk_runs runs = { .path = { "a", "b" }, .model = { whole, cut }, .n = 2 };
    sk_compare *c = sk_compare_new(&runs);
    sk_view_state s;
    sk_view_state_init(&s, whole);
    sk_view_in in = { whole, &s, sk_palette_of(SK_THEME_LIGHT), { 0, 0, 1200, 400 }, 1 };
    uint32_t here[] = { 0 };
    sk_draw *d = sk_draw_new();
    sk_figures_table(&in, d, c, in.area, here, SK_FIXED_ROWS);
    ck_assert(draws(d, "40.0 ms") && draws(d, "10.0 ms"));
    ck_assert(!draws(d, "0.25x") && !draws(d, "0.50x"));
    sk_draw_free(d);
    sk_compare_free(c);
    sk_model_free(whole);
    sk_model_free(cut);
}
END_TEST

START_TEST(a_run_whose_tasks_are_not_over_is_not_said_to_have_ended)
{
    sk_model *whole = two_tasks(false), *cut = two_tasks(true);
    static const struct { const char *heading; bool open[3]; } cases[] = {
        { "of one of them on average, first submission to last end", { false, false, false } },
        { "of one of them on average, first submission to last end (B: so far)", { false, true, false } },
        { "of one of them on average, first submission to last end (A, C: so far)", { true, false, true } },
        { "of one of them on average, since the first submission, so far", { true, true, true } },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        sk_runs runs = { .path = { "a", "b", "c" }, .n = 3 };
        unsigned open = 0;
        for (unsigned k = 0; k < 3; k++)
            runs.model[k] = cases[i].open[k] ? cut : whole, open += cases[i].open[k];
        sk_compare *c = sk_compare_new(&runs);
        sk_view_state s;
        sk_view_state_init(&s, whole);
        sk_view_in in = { whole, &s, sk_palette_of(SK_THEME_LIGHT), { 0, 0, 1200, 400 }, 1 };
        uint32_t here[] = { 0 };
        sk_draw *d = sk_draw_new();
        sk_figures_spent(&in, d, c, in.area);
        ck_assert_msg(draws(d, cases[i].heading), "it does not say \"%s\"", cases[i].heading);
        ck_assert_int_eq(draws(d, "15.0 ms so far"), open > 0);
        ck_assert_int_eq(draws(d, "40.0 ms"), open < 3);
        sk_draw_clear(d);
        sk_figures_table(&in, d, c, in.area, here, SK_FIXED_ROWS);
        ck_assert_int_eq(draws(d, "B, so far"), cases[i].open[1]);
        ck_assert_int_eq(draws(d, "B"), !cases[i].open[1]);
        ck_assert(!draws(d, "0.38x") && !draws(d, "2.67x")); /* a part and a whole are no pair */
        void *memory = sk_view_compare.open();
        sk_draw_clear(d);
        s.runs = &runs;
        sk_frame_draw(&sk_view_compare, memory, whole, &s, 800, 300, d); /* no room for the figures: what is said is the lanes' */
        ck_assert_int_eq(draws(d, "15.0 ms so far"), open > 0);
        sk_view_compare.close(memory);
        sk_draw_free(d);
        sk_compare_free(c);
    }
    sk_model_free(whole);
    sk_model_free(cut);
}
END_TEST

static bool any_begins(GHashTable *texts, const char *beginning)
{
    GHashTableIter at;
    gpointer text;
    g_hash_table_iter_init(&at, texts);
    while (g_hash_table_iter_next(&at, &text, NULL))
        if (g_str_has_prefix(text, beginning))
            return true;
    return false;
}

/* At no scale is something lost without a sign: what has no room is counted, and comes when it is scrolled to. */
START_TEST(all_sentences_and_figures_can_be_come_to_at_every_scale)
{
    static const float sizes[][2] = { { 1280, 720 }, { 640, 400 }, { 800, 500 }, { 1280, 400 } }, scales[] = { .75f, 1, 1.5f, 2, 3 };
    sk_model *a = sk_model_load(view_trace, NULL), *b = two_tasks(true);
    sk_runs runs = { .model = { a, b, a, b }, .path = { "a", "b", "c", "d" } };
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(sizes) * G_N_ELEMENTS(scales); i++) {
        const float *size = sizes[i / 2 % G_N_ELEMENTS(sizes)], scale = scales[i / 2 / G_N_ELEMENTS(sizes)];
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        sk_view_state s;
        sk_draw *d = sk_draw_new();
        void *memory = sk_view_compare.open();
        sk_view_state_init(&s, a);
        runs.n = i % 2 ? 4 : 2;
        s.runs = &runs, s.scale = scale;
        bool end = false;
        for (unsigned round = 0; round < 200 && !end; round++) {
            float before = s.scroll;
            bool more = false;
            sk_draw_clear(d);
            sk_frame_draw(&sk_view_compare, memory, a, &s, size[0], size[1], d);
            for (uint32_t k = 0; k < d->nitems; k++) {
                const char *text = text_of(d, k);
                g_hash_table_add(seen, g_strdup(text));
                more |= g_str_has_suffix(text, "Down, or drag") || g_str_has_prefix(text, "Down");
                if (g_str_has_suffix(text, "there is no room here")) /* beside the sentences */
                    g_hash_table_add(seen, g_strdup("between nodes"));
            }
            sk_rect area = sk_frame_area(a, &s, size[0], size[1]);
            sk_view_move down = { size[0] / 2, size[1] / 2, 0, -area.h / 8, 1, false }; /* as the key does */
            sk_frame_move(&sk_view_compare, memory, a, &s, size[0], size[1], &down);
            end = s.scroll == before; /* clamped */
            ck_assert_msg(!(end && more), "%gx%g at %g: more is said to come, and does not", (double)size[0], (double)size[1], (double)scale);
            ck_assert_msg(more || round > 0 || g_hash_table_contains(seen, "In words"), "%gx%g at %g: no word of the words", (double)size[0], (double)size[1], (double)scale);
        }
        sk_compare *c = sk_compare_new(&runs);
        ck_assert(g_hash_table_contains(seen, "compute") == g_hash_table_contains(seen, "idle")); /* of the bars' legend */
        for (unsigned k = 0; k < c->words->len + 2; k++) {
            const char *words = k < c->words->len ? c->words->pdata[k] : k == c->words->len ? "makespan" : "between nodes";
            g_autofree char *beginning = g_strndup(words, scale * 400 < size[0] ? strcspn(words, " ") : 3); /* on a narrow line the rest is cut, with a sign */
            ck_assert_msg(any_begins(seen, beginning), "%gx%g at %g: \"%s\" is never seen", (double)size[0], (double)size[1], (double)scale, words);
        }
        sk_compare_free(c);
        sk_view_compare.close(memory);
        sk_draw_free(d);
    }
    sk_model_free(a);
    sk_model_free(b);
}
END_TEST

START_TEST(the_shares_of_a_run_add_up_to_a_hundred)
{
    static const sk_spent spent[] = { { 0, 300, 300, 100, 100, 100, 0, 0, 1, false }, { 0, 1000, 1000, 81, 399, 505, 15, 0, 1, false }, { 0, 6, 6, 1, 1, 1, 3, 0, 1, false },
                                      { 0, 10, 10, 0, 10, 0, 0, 0, 1, false } };
    sk_model *a = sk_model_load(view_trace, NULL);
    sk_runs runs = { .model = { a, a }, .path = { "a", "b" }, .n = 2 };
    sk_compare *c = sk_compare_new(&runs);
    sk_view_state s;
    sk_view_state_init(&s, a);
    sk_view_in in = { a, &s, sk_palette_of(SK_THEME_LIGHT), { 0, 0, 4000, 400 }, 1 };
    c->n = 1;
    for (unsigned i = 0; i < G_N_ELEMENTS(spent); i++) {
        sk_draw *d = sk_draw_new();
        int sum = 0;
        c->run[0].spent = spent[i], c->run[0].makespan = spent[i].to;
        ck_assert_float_gt(sk_figures_spent(&in, d, c, in.area), 0);
        for (uint32_t k = 0; k < d->nitems; k++)
            sum += g_str_has_suffix(text_of(d, k), " %") ? atoi(text_of(d, k)) : 0;
        ck_assert_int_eq(sum, 100);
        sk_draw_free(d);
    }
    c->n = 2;
    sk_compare_free(c);
    sk_model_free(a);
}
END_TEST

TCase *figures_case(void)
{
    TCase *t = tcase_create("figures");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_figure_that_is_small_beside_the_first_is_told_as_its_part);
    tcase_add_test(t, rows_of_figures_that_have_no_room_are_counted);
    tcase_add_test(t, a_log_that_is_cut_between_two_tasks_is_not_compared_with_a_whole);
    tcase_add_test(t, a_run_whose_tasks_are_not_over_is_not_said_to_have_ended);
    tcase_add_test(t, all_sentences_and_figures_can_be_come_to_at_every_scale);
    tcase_add_test(t, the_shares_of_a_run_add_up_to_a_hundred);
    return t;
}
