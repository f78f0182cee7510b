/* reduce.c -- tests of the Reduce view: what a tree that is wider than its picture shows. */
#include <check.h>
#include <math.h>
#include <string.h>

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

/* So many values, from a queue: the two that are first in it become one, that goes to its end. Then some other, smaller trees, and one that is deeper, of its own. */
static GByteArray *queue_file(uint64_t leaves, uint64_t deeper)
{
    forge f = forge_start(1, 1, "leaf", "add", NULL);
    g_autofree uint64_t *queue = g_new(uint64_t, 2 * leaves);
    uint64_t t = 0, first = 0, n = 0;
    for (; n < leaves; n++) {
        queue[n] = ++t;
        forge_task(&f, 0, t, t, 1, 0, 1, 0, t);
    }
    for (; n - first > 1; first += 2) {
        queue[n++] = ++t;
        forge_task(&f, 0, t, t, 2, 0, 1, 2, t, queue[first], queue[first + 1]);
    }
    for (uint64_t i = 0; i < deeper; i++) {
        t++;
        forge_task(&f, 0, t, t, i ? 2 : 1, 0, 1, i ? 1 : 0, t, t - 1);
    }
    return forge_end(&f, true, t + 1);
}

static bool same_pictures(const sk_draw *a, const sk_draw *b)
{
    if (a->nitems != b->nitems)
        return false;
    for (uint32_t i = 0; i < a->nitems; i++) {
        const sk_item *x = &a->items[i], *y = &b->items[i];
        sk_rect r = x->box, s = y->box;
        if (x->kind != y->kind || a->hits[x->hit].index != b->hits[y->hit].index || r.x != s.x || r.y != s.y || r.w != s.w || r.h != s.h)
            return false;
        if (x->kind == SK_DRAW_TEXT && strcmp(a->chars + x->text, b->chars + y->text))
            return false;
    }
    return true;
}

/* Each time more of the log is there: what was there has not moved, unless the tree is another; and it is the picture of somebody who has read all at once. */
START_TEST(a_tree_that_grows_leaves_what_is_placed_where_it_is)
{
    static const struct { uint64_t leaves, deeper; } cases[] = { { 16, 0 }, { 13, 0 }, { 5, 0 }, { 7, 9 } };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        GByteArray *file = queue_file(cases[i].leaves, cases[i].deeper);
        sk_reader *log = sk_trace_read_memory("forged", file->data, file->len, NULL);
        sk_cursor *c = sk_trace_read_cursor(log);
        sk_model *m = sk_model_new();
        sk_draw *now = sk_draw_new(), *before = sk_draw_new(), *fresh = sk_draw_new();
        void *memory = sk_view_reduce.open();
        uint32_t stayed = 0, others = 0, deepest = SK_NO_INDEX;
        for (sk_event e; sk_trace_read_next(c, &e);) {
            sk_view_state s;
            sk_model_take(m, &e);
            sk_view_state_init(&s, m);
            s.zoom = 40, s.pan_x = 3, s.pan_y = 2;
            sk_draw_clear(now);
            sk_frame_draw(&sk_view_reduce, memory, m, &s, 3000, 1500, now);
            void *own = sk_view_reduce.open();
            sk_draw_clear(fresh);
            sk_frame_draw(&sk_view_reduce, own, m, &s, 3000, 1500, fresh);
            sk_view_reduce.close(own);
            ck_assert_msg(same_pictures(now, fresh), "case %u: after %u events it is another picture than that of all of them", i, m->nsteps);
            uint32_t moved = 0, same = 0;
            sk_rect was, is;
            for (uint32_t t = 0; t < m->ntasks; t++)
                if (box_of(before, t, &was)) {
                    bool stays = box_of(now, t, &is) && fabsf(was.x + was.w / 2 - is.x - is.w / 2) < 0.01f && was.y == is.y;
                    *(stays ? &same : &moved) += 1;
                }
            if (m->deepest != deepest && moved && !same)
                others++;
            else
                ck_assert_msg(!moved, "case %u: after %u events %u of %u knots have moved", i, m->nsteps, moved, moved + same);
            stayed += same && m->deepest != deepest;
            deepest = m->deepest;
            sk_draw *swap = before;
            before = now, now = swap;
        }
        ck_assert_uint_ge(stayed, 2);
        ck_assert_uint_eq(others, cases[i].deeper > 0);
        sk_view_reduce.close(memory);
        sk_draw_free(now);
        sk_draw_free(before);
        sk_draw_free(fresh);
        sk_model_free(m);
        sk_trace_read_cursor_free(c);
        sk_trace_read_close(log);
        g_byte_array_unref(file);
    }
}
END_TEST

/* A task that another submits is in a deeper layer, also if it takes nothing: what is reduced is still there. */
START_TEST(a_child_without_operands_does_not_end_the_picture)
{
    forge f = forge_start(1, 1, "leaf", "add", NULL);
    forge_task(&f, 0, 1, 1, 1, 0, 1, 0, 1ull);
    forge_task(&f, 0, 2, 2, 2, 0, 1, 1, 2ull, 1ull);
    forge_task(&f, 0, 3, 3, 1, 2, 1, 0, 3ull);
    sk_model *m = view_model_of(forge_end(&f, true, 4));
    ck_assert_uint_eq(m->tasks[2].layer, 2);
    ck_assert_uint_eq(m->deepest, 1);
    sk_model_free(m);
}
END_TEST

TCase *reduce_case(void)
{
    TCase *t = tcase_create("reduce");
    tcase_add_test(t, a_tree_that_grows_leaves_what_is_placed_where_it_is);
    tcase_add_test(t, a_child_without_operands_does_not_end_the_picture);
    tcase_add_test(t, edges_from_operands_beside_the_picture_are_drawn_also_where_knots_stand_close);
    return t;
}
