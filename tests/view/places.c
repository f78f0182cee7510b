/* places.c -- tests of what lies where (viz/spans.h, places.h): what is found at a step is what a look at everything finds. */
#include <check.h>

#include "unit/trace_forge.h"
#include "view/cases.h"
#include "viz/places.h"

START_TEST(the_open_stretches_at_a_step_are_all_that_have_begun_and_not_ended)
{
    GRand *dice = g_rand_new_with_seed(3);
    sk_spans s = { 0 };
    sk_step begin = 1;
    for (int i = 0; i < 300; i++) {
        begin += g_rand_int(dice) % 3;
        sk_spans_add(&s, begin, g_rand_int(dice) % 2 ? SK_NEVER : begin + g_rand_int(dice) % 60);
        uint32_t ends = g_rand_int(dice) % s.n;
        if (s.end[0][ends] == SK_NEVER && g_rand_int(dice) % 2)
            sk_spans_end(&s, ends, begin);
        if (i % 37)
            continue;
        for (sk_step k = 0; k < begin + 70; k += 7) {
            uint32_t at = UINT32_MAX;
            for (uint32_t left = s.n; left--;)
                if (s.begin[left] <= k && s.end[0][left] > k) {
                    at = sk_spans_open(&s, at, k);
                    ck_assert_uint_eq(at, left);
                }
            ck_assert_uint_eq(sk_spans_open(&s, at, k), SK_NO_INDEX);
        }
    }
    sk_spans_clear(&s);
    g_rand_free(dice);
}
END_TEST

START_TEST(what_nodes_hold_and_run_adds_up_to_what_the_model_counts)
{
    sk_error err;
    sk_model *m = sk_model_load(view_trace, &err);
    ck_assert_msg(m != NULL, "%s", err.message);
    sk_places p = { 0 };
    sk_places_follow(&p, m);
    ck_assert_uint_gt(p.nnodes, 0);
    for (sk_step k = 0; k <= m->nsteps; k++) {
        sk_model_counts c;
        uint64_t running = 0, objects = 0, bytes = 0;
        sk_model_count(m, k, &c);
        for (uint32_t i = 0; i < p.nnodes; i++) {
            const sk_place *n = &p.nodes[i];
            if (sk_places_node(n, k) != SK_NODE_IS_UP)
                continue;
            running += sk_sums_count(&n->ran, k) - sk_sums_count(&n->rested, k);
            objects += sk_sums_count(&n->came, k) - sk_sums_count(&n->went, k);
            bytes += sk_sums_at(&n->came, k) - sk_sums_at(&n->went, k);
            uint64_t seen = 0;
            for (uint32_t at = UINT32_MAX; (at = sk_spans_open(&n->spans, at, k)) != SK_NO_INDEX;)
                seen += m->objects[p.copies[n->copies[at]].object].bytes;
            ck_assert_uint_eq(seen, sk_sums_at(&n->came, k) - sk_sums_at(&n->went, k));
        }
        ck_assert_uint_eq(running, c.tasks[SK_TASK_RUNNING]);
        if (running) { /* before the nodes end */
            ck_assert_uint_eq(objects, c.objects);
            ck_assert_uint_eq(bytes, c.bytes);
        }
        for (uint32_t w = 0; w < m->nworkers; w++) {
            uint32_t blocked, slice = sk_places_slice(&p, m, w, k, &blocked), task = sk_model_running(m, w, k);
            ck_assert_uint_eq(slice == SK_NO_INDEX || m->slices[slice].blocked ? SK_NO_INDEX : m->slices[slice].task, task);
        }
    }
    sk_places_clear(&p);
    sk_model_free(m);
}
END_TEST

static sk_model *model_of(forge *f)
{
    return view_model_of(forge_end(f, true, 1 << 30));
}

static sk_model *forged_loss(void)
{
    forge f = forge_start(1, 2, "make", NULL);
    uint64_t other[] = { 1ull << 32 | 2 }, start[] = { 1, 1 }, moved[] = { 1, 5000, 1ull << 32, 10 }, again[] = { 1, 1 };
    forge_record(&f, 0, 0, SK_TRACE_NODE, SK_NODE_NONE << 4 | SK_NODE_ALIVE, other, 1);
    forge_task(&f, 0, 1, 1, 1, 0, 1, 0, (uint64_t)1);
    forge_move(&f, 0, 2, 1, SK_TASK_NONE, SK_TASK_WAITING, 0);
    forge_move(&f, 0, 3, 1, SK_TASK_WAITING, SK_TASK_READY, 0);
    forge_record(&f, 0, 4, SK_TRACE_TASK, SK_TASK_READY << 4 | SK_TASK_RUNNING, start, 2);
    forge_object(&f, 0, 10, 1, SK_OBJECT_PENDING, SK_OBJECT_READY, 5000);
    forge_move(&f, 0, 10, 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    forge_record(&f, 0, 30, SK_TRACE_TRANSFER, 0, moved, 4);
    forge_record(&f, 0, 40, SK_TRACE_NODE, SK_NODE_ALIVE << 4 | SK_NODE_DEAD, (uint64_t[]){ 1ull << 32 }, 1);
    forge_record(&f, 0, 50, SK_TRACE_NODE, SK_NODE_ALIVE << 4 | SK_NODE_DEAD, (uint64_t[]){ 0 }, 1);
    forge_object(&f, 0, 51, 1, SK_OBJECT_READY, SK_OBJECT_MISSING, 0);
    forge_record(&f, 0, 60, SK_TRACE_NODE, SK_NODE_DEAD << 4 | SK_NODE_ALIVE, other, 1);
    forge_object(&f, 0, 61, 1, SK_OBJECT_MISSING, SK_OBJECT_PENDING, 0);
    forge_move(&f, 0, 61, 1, SK_TASK_DONE, SK_TASK_WAITING, 0);
    forge_move(&f, 0, 61, 1, SK_TASK_WAITING, SK_TASK_READY, 0);
    forge_record(&f, 0, 62, SK_TRACE_TASK, SK_TASK_READY << 4 | SK_TASK_RUNNING, again, 2);
    forge_object(&f, 0, 70, 1, SK_OBJECT_PENDING, SK_OBJECT_READY, 5000);
    forge_move(&f, 0, 70, 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    return model_of(&f);
}

START_TEST(copies_go_with_their_node_and_what_is_lost_leaves_a_mark_until_it_is_made_again)
{
    sk_model *m = forged_loss();
    sk_places p = { 0 };
    sk_places_follow(&p, m);
    ck_assert_uint_eq(p.nnodes, 2);
    struct { int64_t ns; uint32_t on[2], copies, marks; sk_node_is is[2]; } at[] = {
        { 5, { 0, 0 }, 0, 0, { SK_NODE_IS_UP, SK_NODE_IS_UP } },
        { 10, { 0, 1 }, 1, 0, { SK_NODE_IS_UP, SK_NODE_IS_UP } },       /* where it was made */
        { 30, { 1, 1 }, 2, 0, { SK_NODE_IS_UP, SK_NODE_IS_UP } },       /* and where it has come to */
        { 40, { 1, 0 }, 1, 0, { SK_NODE_IS_UP, SK_NODE_IS_DOWN } },
        { 51, { 0, 0 }, 0, 1, { SK_NODE_IS_DOWN, SK_NODE_IS_DOWN } },   /* lost */
        { 65, { 0, 0 }, 0, 1, { SK_NODE_IS_DOWN, SK_NODE_IS_UP } },
        { 70, { 0, 1 }, 1, 0, { SK_NODE_IS_DOWN, SK_NODE_IS_UP } },     /* made again */
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(at); i++) {
        sk_step k = sk_model_step_at(m, at[i].ns);
        uint32_t marks = 0;
        for (unsigned n = 0; n < 2; n++) {
            const sk_place *node = &p.nodes[p.order[n]];
            ck_assert_uint_eq(node->node, n);
            ck_assert_msg(sk_sums_count(&node->came, k) - sk_sums_count(&node->went, k) == at[i].on[n], "node %u at %d", n, (int)at[i].ns);
            ck_assert_int_eq(sk_places_node(node, k), at[i].is[n]);
            for (uint32_t c = UINT32_MAX; (c = sk_spans_open(&node->spans, c, k)) != SK_NO_INDEX;)
                marks += p.copies[node->copies[c]].lost;
        }
        ck_assert_uint_eq(sk_places_copies(&p, 0, k), at[i].copies);
        ck_assert_uint_eq(marks, at[i].marks);
    }
    sk_places_clear(&p);
    sk_model_free(m);
}
END_TEST

/* Often, at node 1; lost with its node while it is spilled; made again, and moved to node 0. */
START_TEST(a_copy_is_spilled_from_when_it_went_to_the_disk_until_it_is_back_or_gone_looked_at_in_any_order)
{
    enum { TIMES = 300 };
    forge f = forge_start(1, 2, "make", NULL);
    uint64_t other[] = { 1ull << 32 | 2 }, start[] = { 1, 1 }, spill[] = { 1, 4000, 1ull << 32 };
    forge_record(&f, 0, 0, SK_TRACE_NODE, SK_NODE_NONE << 4 | SK_NODE_ALIVE, other, 1);
    forge_task(&f, 0, 1, 1, 1, 0, 1, 0, (uint64_t)1);
    forge_move(&f, 0, 2, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_record(&f, 0, 3, SK_TRACE_TASK, SK_TASK_READY << 4 | SK_TASK_RUNNING, start, 2);
    forge_object(&f, 0, 5, 1, SK_OBJECT_PENDING, SK_OBJECT_READY, 5000);
    forge_move(&f, 0, 5, 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    for (uint64_t i = 0; i < TIMES; i++) {
        forge_record(&f, 0, 10 + 10 * i, SK_TRACE_SPILL, 0, spill, 3);
        if (i < TIMES - 1)
            forge_record(&f, 0, 16 + 10 * i, SK_TRACE_SPILL, 1, spill, 3);
    }
    uint64_t lost = 10 + 10 * TIMES;
    forge_object(&f, 0, lost, 1, SK_OBJECT_READY, SK_OBJECT_MISSING, 0);
    forge_object(&f, 0, lost + 10, 1, SK_OBJECT_MISSING, SK_OBJECT_READY, 5000);
    forge_record(&f, 0, lost + 20, SK_TRACE_TRANSFER, 0, (uint64_t[]){ 1, 5000, 1ull << 32, 1 }, 4);
    forge_record(&f, 0, lost + 30, SK_TRACE_SPILL, 0, spill, 3);
    sk_model *m = model_of(&f);
    sk_places p = { 0 };
    sk_places_follow(&p, m);
    ck_assert_uint_eq(m->nspills, TIMES + 1);
    for (int64_t ns = (int64_t)lost + 40; ns >= 0; ns--) {
        sk_step k = sk_model_step_at(m, ns);
        bool now = ns >= 10 && ns < (int64_t)lost && (ns % 10 < 6 || ns >= (int64_t)lost - 10);
        now |= ns >= (int64_t)lost + 30;
        ck_assert_msg((sk_model_spill_of(m, 0, k) != SK_NO_INDEX) == now, "at %d", (int)ns);
        unsigned spilled = 0;
        for (uint32_t c = 0; c < p.ncopies; c++) {
            const sk_place *n = &p.nodes[p.copies[c].store];
            bool is = n->spans.begin[p.copies[c].place] <= k && n->spans.end[0][p.copies[c].place] > k && sk_places_spill(&p, m, c, k) != SK_NO_INDEX;
            ck_assert(!is || n->node == 1);
            spilled += is;
        }
        ck_assert_uint_eq(spilled, now);
    }
    sk_places_clear(&p);
    sk_model_free(m);
}
END_TEST

/* More tasks may come: that all have ended is not known before the log does. */
START_TEST(of_a_node_that_goes_it_is_said_whether_a_task_is_open_then)
{
    forge f = forge_start(1, 2, "make", NULL);
    uint64_t other[] = { 1ull << 32 | 2 };
    char words[160];
    forge_record(&f, 0, 0, SK_TRACE_NODE, SK_NODE_NONE << 4 | SK_NODE_ALIVE, other, 1);
    forge_task(&f, 0, 1, 1, 1, 0, 1, 0, (uint64_t)1);
    forge_move(&f, 0, 2, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_record(&f, 0, 10, SK_TRACE_NODE, SK_NODE_ALIVE << 4 | SK_NODE_DEAD, other, 1);
    forge_record(&f, 0, 11, SK_TRACE_NODE, SK_NODE_DEAD << 4 | SK_NODE_ALIVE, other, 1);
    forge_move(&f, 0, 20, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 0, 30, 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    forge_record(&f, 0, 40, SK_TRACE_NODE, SK_NODE_ALIVE << 4 | SK_NODE_DEAD, other, 1); /* between two waves of tasks */
    forge_task(&f, 0, 50, 2, 1, 0, 1, 0, (uint64_t)2);
    sk_model *m = model_of(&f);
    ck_assert_str_eq(sk_model_sentence(m, sk_model_step_at(m, 10), words), "node 1 is gone");
    ck_assert_str_eq(sk_model_sentence(m, sk_model_step_at(m, 11), words), "node 1 is there");
    ck_assert_str_eq(sk_model_sentence(m, sk_model_step_at(m, 40), words), "node 1 is gone; no task is open");
    sk_model_free(m);
}
END_TEST

/* Each of these would take minutes if what a step costs grew with what came before it. */
START_TEST(a_log_that_names_very_many_nodes_backwards_gets_a_place_for_some_of_them_only)
{
    enum { NAMED = 400000 };
    forge f = forge_start(1, 1, "f", NULL);
    for (uint32_t i = 0; i < NAMED; i++) {
        uint64_t moved[] = { 1, 8, NAMED - i, 1 };
        forge_record(&f, 0, i, SK_TRACE_TRANSFER, 0, moved, 4);
    }
    sk_model *m = model_of(&f);
    sk_places p = { 0 };
    sk_places_follow(&p, m);
    ck_assert_uint_eq(m->ntransfers, NAMED);
    ck_assert_uint_eq(p.nnodes, SK_PLACES_MANY);
    for (uint32_t i = 1; i < p.nnodes; i++)
        ck_assert_uint_lt(p.nodes[p.order[i - 1]].node, p.nodes[p.order[i]].node);
    sk_places_clear(&p);
    sk_model_free(m);
}
END_TEST

START_TEST(an_object_may_come_to_very_many_nodes_and_be_lost_and_made_again_very_often)
{
    enum { NAMED = 400000, TIMES = 100000 };
    forge f = forge_start(1, 1, "f", NULL);
    for (uint32_t i = 0; i < NAMED; i++) {
        uint64_t moved[] = { 1, 8, i, 1 };
        forge_record(&f, 0, i, SK_TRACE_TRANSFER, 0, moved, 4);
    }
    for (uint32_t i = 0; i < TIMES; i++) {
        forge_object(&f, 0, NAMED + i, 1, SK_OBJECT_READY, SK_OBJECT_MISSING, 8);
        forge_object(&f, 0, NAMED + i, 1, SK_OBJECT_MISSING, SK_OBJECT_READY, 8);
    }
    sk_model *m = model_of(&f);
    sk_places p = { 0 };
    sk_places_follow(&p, m);
    ck_assert_uint_eq(p.nnodes, SK_PLACES_MOST);
    ck_assert_uint_eq(sk_places_copies(&p, 0, m->nsteps), 1);
    ck_assert_uint_eq(p.ncopies, SK_PLACES_MOST + 2 * TIMES);
    sk_places_clear(&p);
    sk_model_free(m);
}
END_TEST

TCase *view_places_case(void)
{
    TCase *t = tcase_create("places");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_open_stretches_at_a_step_are_all_that_have_begun_and_not_ended);
    tcase_add_test(t, what_nodes_hold_and_run_adds_up_to_what_the_model_counts);
    tcase_add_test(t, copies_go_with_their_node_and_what_is_lost_leaves_a_mark_until_it_is_made_again);
    tcase_add_test(t, a_copy_is_spilled_from_when_it_went_to_the_disk_until_it_is_back_or_gone_looked_at_in_any_order);
    tcase_add_test(t, of_a_node_that_goes_it_is_said_whether_a_task_is_open_then);
    tcase_add_test(t, a_log_that_names_very_many_nodes_backwards_gets_a_place_for_some_of_them_only);
    tcase_add_test(t, an_object_may_come_to_very_many_nodes_and_be_lost_and_made_again_very_often);
    return t;
}
