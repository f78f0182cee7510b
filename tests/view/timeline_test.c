/* timeline_test.c -- tests of what the Timeline writes on its bars. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "unit/trace_forge.h"
#include "view/cases.h"
#include "viz/view.h"

static bool draws(const sk_draw *d, const char *words)
{
    for (uint32_t i = 0; i < d->nitems; i++)
        if (d->items[i].kind == SK_DRAW_TEXT && !strcmp(d->chars + d->items[i].text, words))
            return true;
    return false;
}

/* Three runs of the same function one after the other: long, shorter than its name, shorter than its number. */
START_TEST(a_bar_without_room_for_the_name_of_its_task_has_its_number)
{
    enum { MS = 1000000 }; /* about a pixel */
    static const uint64_t ends[] = { 900, 960, 968 };
    forge f = forge_start(1, 1, "aggregate_data", NULL);
    for (uint64_t t = 1; t <= 3; t++) {
        forge_task(&f, 0, 0, t, 1, 0, 1, 0, t);
        forge_move(&f, 0, 0, t, SK_TASK_NONE, SK_TASK_READY, 0);
    }
    for (uint64_t t = 1; t <= 3; t++)
        forge_run(&f, 0, t > 1 ? ends[t - 2] * MS : 0, ends[t - 1] * MS, t, t);
    sk_model *m = view_model_of(forge_end(&f, true, 1000 * MS));
    sk_view_state s;
    sk_draw *d = sk_draw_new();
    void *memory = sk_view_timeline.open();
    sk_view_state_init(&s, m);
    sk_frame_draw(&sk_view_timeline, memory, m, &s, 1100, 400, d);
    ck_assert(draws(d, "aggregate_data 1"));
    ck_assert(draws(d, "2"));
    ck_assert(!draws(d, "3"));
    for (uint32_t i = 0; i < d->nitems; i++)
        ck_assert(d->items[i].kind != SK_DRAW_TEXT || !strstr(d->chars + d->items[i].text, "\u2026")); /* nothing is cut */
    sk_view_timeline.close(memory);
    sk_draw_free(d);
    sk_model_free(m);
}
END_TEST

/* The time that is shown goes through a tick, and through the tray, which is not on the axis. */
START_TEST(the_cursor_does_not_lie_on_what_is_written)
{
    sk_model *m = sk_model_load(view_trace, NULL);
    sk_draw *d = sk_draw_new();
    unsigned ticks = 0, chips = 0;
    for (sk_step k = 1; k < m->nsteps; k++) {
        sk_view_state s;
        sk_rect mark = { 0 };
        float x = 0;
        void *memory = sk_view_timeline.open();
        sk_view_state_init(&s, m);
        sk_view_step(&s, m, k);
        sk_draw_clear(d);
        sk_frame_draw(&sk_view_timeline, memory, m, &s, 1280, 720, d);
        sk_colour now = sk_palette_of(SK_THEME_LIGHT)->now;
        for (uint32_t i = 0; i < d->nitems; i++)
            if (d->items[i].kind == SK_DRAW_POLY && d->items[i].pen.fill == now)
                mark = d->items[i].box, x = mark.x + mark.w / 2;
        for (uint32_t i = 0; mark.w > 0 && i < d->nitems; i++) {
            const sk_item *it = &d->items[i];
            const sk_rect b = it->box;
            float w = it->kind == SK_DRAW_TEXT ? sk_draw_width(d->chars + it->text, it->font, it->pen.width) : 0;
            if (it->kind == SK_DRAW_TEXT && it->align == SK_LEFT && b.y > 40 && b.y < 60 && b.x < mark.x + mark.w && b.x + w > mark.x) {
                ticks++;
                ck_assert_float_gt(mark.y, b.y + 2); /* where its letters stand */
            }
            if (it->kind == SK_DRAW_RECT && b.w > 29 && b.w < 31 && b.h < 24 && b.x < x && b.x + b.w > x) {
                chips++;
                for (uint32_t n = 0; n < d->nitems; n++) {
                    const sk_item *line = &d->items[n];
                    bool is_cursor = line->kind == SK_DRAW_POLY && line->npoints == 2 && line->pen.stroke == now && !line->pen.dashed && fabsf(line->box.x - x) < 0.5f;
                    ck_assert(!is_cursor || line->box.y >= b.y + b.h || line->box.y + line->box.h <= b.y);
                }
            }
        }
        sk_view_timeline.close(memory);
    }
    ck_assert_uint_gt(ticks, 0);
    ck_assert_uint_gt(chips, 0);
    sk_draw_free(d);
    sk_model_free(m);
}
END_TEST

/* Of a run whose first event comes a quarter of a second after its start. */
START_TEST(the_axis_tells_the_time_that_is_shown)
{
    enum { MS = 1000000 };
    forge f = forge_new(1);
    forge_info(&f, "program", "forge");
    forge_info(&f, "backend", "threads");
    forge_fn(&f, 1, "late");
    forge_site(&f, 1, 1);
    forge_record(&f, 0, 250 * MS, SK_TRACE_NODE, SK_NODE_NONE << 4 | SK_NODE_ALIVE, &(uint64_t){ 1 }, 1);
    forge_task(&f, 0, 250 * MS, 1, 1, 0, 1, 0, 1);
    forge_move(&f, 0, 250 * MS, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_run(&f, 0, 250 * MS, 900 * MS, 1, 1);
    sk_model *m = view_model_of(forge_end(&f, true, 1000 * MS));
    ck_assert_int_eq(m->first, 250 * MS);
    sk_view_state s;
    sk_draw *d = sk_draw_new();
    void *memory = sk_view_timeline.open();
    sk_view_state_init(&s, m);
    sk_view_seek(&s, m, 600 * MS);
    sk_frame_draw(&sk_view_timeline, memory, m, &s, 1100, 400, d);
    sk_colour now = sk_palette_of(SK_THEME_LIGHT)->now;
    float tick = 0, cursor = -100;
    for (uint32_t i = 0; i < d->nitems; i++)
        if (d->items[i].kind == SK_DRAW_TEXT && d->items[i].box.y > 36 && !strcmp(d->chars + d->items[i].text, "600 ms"))
            tick = d->items[i].box.x;
        else if (d->items[i].kind == SK_DRAW_POLY && d->items[i].pen.fill == now)
            cursor = d->items[i].box.x + d->items[i].box.w / 2;
    ck_assert_float_eq_tol(tick, cursor + 3, 1);
    ck_assert(draws(d, "t = 600 ms"));
    sk_view_timeline.close(memory);
    sk_draw_free(d);
    sk_model_free(m);
}
END_TEST

/* A double has no nanoseconds there. */
START_TEST(a_damaged_log_of_forty_years_later_has_an_axis)
{
    const uint64_t start = (uint64_t)1 << 60;
    forge f = forge_new(1);
    forge_info(&f, "program", "forge");
    forge_info(&f, "backend", "threads");
    forge_fn(&f, 1, "late");
    forge_site(&f, 1, 1);
    forge_record(&f, 0, start, SK_TRACE_NODE, SK_NODE_NONE << 4 | SK_NODE_ALIVE, &(uint64_t){ 1 }, 1);
    forge_task(&f, 0, start, 1, 1, 0, 1, 0, 1);
    forge_move(&f, 0, start, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_run(&f, 0, start, start + 900, 1, 1);
    sk_model *m = view_model_of(forge_end(&f, true, start + 1000));
    ck_assert_int_eq(m->first, (int64_t)start);
    sk_view_state s;
    sk_draw *d = sk_draw_new();
    void *memory = sk_view_timeline.open();
    sk_view_state_init(&s, m);
    sk_frame_draw(&sk_view_timeline, memory, m, &s, 1100, 400, d);
    ck_assert_uint_lt(d->nitems, 1000);
    sk_view_timeline.close(memory);
    sk_draw_free(d);
    sk_model_free(m);
}
END_TEST

TCase *timeline_case(void)
{
    TCase *t = tcase_create("timeline");
    tcase_add_test(t, a_damaged_log_of_forty_years_later_has_an_axis);
    tcase_add_test(t, the_axis_tells_the_time_that_is_shown);
    tcase_add_test(t, the_cursor_does_not_lie_on_what_is_written);
    tcase_add_test(t, a_bar_without_room_for_the_name_of_its_task_has_its_number);
    return t;
}
