/* graph_test.c -- tests of the Graph view where tasks are folded into groups. */
#include <check.h>
#include <math.h>

#include "unit/trace_forge.h"
#include "view/cases.h"
#include "viz/view.h"

static sk_rect box_of(const sk_draw *d, uint32_t group)
{
    sk_rect box = { 0 };
    for (uint32_t i = 0; i < d->nitems; i++) {
        const sk_hit *hit = &d->hits[d->items[i].hit];
        if (hit->what == SK_HIT_GROUP && hit->index == group && d->items[i].kind == SK_DRAW_RECT && d->items[i].box.w > 60)
            box = d->items[i].box; /* the last: the one in front of its pile */
    }
    ck_assert_float_gt(box.w, 0);
    return box;
}

/* Layers 1 and 2 are one band, so the groups of `scale` and `add` stand in one row: that one takes what the other gives is seen all the same. */
START_TEST(groups_in_one_row_that_depend_on_each_other_are_connected)
{
    forge f = forge_start(1, 1, "leaf", "scale", "add", NULL);
    for (uint64_t t = 1; t <= 8; t++)
        forge_task(&f, 0, t, t, 1, 0, 1, 0, t);
    for (uint64_t t = 9; t <= 16; t++)
        forge_task(&f, 0, t, t, 2, 0, 1, 1, t, t - 8);
    for (uint64_t t = 17; t <= 24; t++)
        forge_task(&f, 0, t, t, 3, 0, 1, 1, t, t - 8);
    sk_model *m = view_model_of(forge_end(&f, true, 30));
    ck_assert_uint_eq(m->ngroups, 3);
    ck_assert_uint_eq(m->groups[1].band, m->groups[2].band);
    for (unsigned flip = 0; flip < 2; flip++) {
        sk_view_state s;
        sk_draw *d = sk_draw_new();
        void *memory = sk_view_graph.open();
        sk_view_state_init(&s, m);
        s.fold = 1, s.flip = flip;
        sk_frame_draw(&sk_view_graph, memory, m, &s, 1280, 720, d);
        sk_rect a = box_of(d, 1), b = box_of(d, 2);
        unsigned beside = 0, curves = 0;
        for (uint32_t i = 0; i < d->nitems; i++) {
            const sk_rect c = d->items[i].box;
            if (d->items[i].kind != SK_DRAW_CURVE)
                continue;
            curves++;
            if (flip)
                beside += fabsf(c.y - a.y - a.h) < 1 && fabsf(c.y + c.h - b.y) < 1 && c.x > a.x && c.x < a.x + a.w;
            else
                beside += fabsf(c.x - a.x - a.w) < 1 && fabsf(c.x + c.w - b.x) < 1 && c.y > a.y && c.y < a.y + a.h;
        }
        ck_assert_uint_eq(curves, 2);
        ck_assert_uint_eq(beside, 1);
        sk_view_graph.close(memory);
        sk_draw_free(d);
    }
    sk_model_free(m);
}
END_TEST

TCase *graph_case(void)
{
    TCase *t = tcase_create("graph");
    tcase_add_test(t, groups_in_one_row_that_depend_on_each_other_are_connected);
    return t;
}
