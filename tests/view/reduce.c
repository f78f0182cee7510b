/* reduce.c -- tests of the Reduce view: what a tree that is wider than its picture shows. */
#include <check.h>
#include <math.h>

#include "unit/trace_forge.h"
#include "view/cases.h"
#include "viz/view.h"

/* So many values become one, two by two: task `leaves` + k takes the results of tasks 2 k - 1 and 2 k. */
static sk_model *binary_tree(uint64_t leaves)
{
    forge f = forge_start(1, 1, "leaf", "add", NULL);
    for (uint64_t t = 1; t < 2 * leaves; t++) {
        uint64_t first = t > leaves ? 2 * (t - leaves) - 1 : 0;
        forge_task(&f, 0, t, t, first ? 2 : 1, 0, 1, first ? 2 : 0, t, first, first + 1);
        forge_move(&f, 0, t, t, SK_TASK_NONE, SK_TASK_READY, 0);
        forge_move(&f, 0, t, t, SK_TASK_READY, SK_TASK_RUNNING, 0);
        forge_move(&f, 0, t, t, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    }
    return view_model_of(forge_end(&f, true, 2 * leaves));
}

/* The box of this task; false: it is not drawn. */
static bool box_of(const sk_draw *d, uint32_t task, sk_rect *box)
{
    for (uint32_t i = 0; i < d->nitems; i++) {
        const sk_hit *hit = &d->hits[d->items[i].hit];
        if (hit->what == SK_HIT_TASK && hit->index == task && d->items[i].kind == SK_DRAW_RECT)
            return *box = d->items[i].box, true;
    }
    return false;
}

static unsigned edges_into(const sk_draw *d, sk_rect box)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < d->nitems; i++) {
        const sk_item *e = &d->items[i];
        n += e->kind == SK_DRAW_CURVE && fabsf(e->box.x + e->box.w - box.x - box.w / 2) < 1 && fabsf(e->box.y + e->box.h - box.y) < 1;
    }
    return n;
}

START_TEST(edges_from_operands_beside_the_picture_are_drawn_also_where_knots_stand_close)
{
    enum { LEAVES = 1024, ROOT = 2 * LEAVES - 2 };
    sk_model *m = binary_tree(LEAVES);
    sk_view_state s;
    sk_draw *d = sk_draw_new();
    void *memory = sk_view_reduce.open();
    sk_view_state_init(&s, m);
    s.task = SK_NO_INDEX;
    for (unsigned zoomed = 0; zoomed < 2; zoomed++) {
        sk_rect root, operand;
        sk_draw_clear(d);
        sk_frame_draw(&sk_view_reduce, memory, m, &s, 240, 200, d);
        ck_assert(box_of(d, ROOT, &root));
        for (unsigned i = 1; i <= 2; i++)
            ck_assert_int_eq(box_of(d, ROOT - i, &operand), !zoomed);
        ck_assert_uint_eq(edges_into(d, root), 2);
        ck_assert_uint_lt(d->nitems, 4000);
        while (s.zoom < 2)
            sk_frame_move(&sk_view_reduce, memory, m, &s, 240, 200, &(sk_view_move){ .x = 120, .y = 100, .factor = 1.5f });
        ck_assert_float_lt(s.zoom, 4); /* pixels from one leaf to the next */
    }
    sk_view_reduce.close(memory);
    sk_draw_free(d);
    sk_model_free(m);
}
END_TEST

TCase *reduce_case(void)
{
    TCase *t = tcase_create("reduce");
    tcase_add_test(t, edges_from_operands_beside_the_picture_are_drawn_also_where_knots_stand_close);
    return t;
}
