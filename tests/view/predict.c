/* predict.c -- tests of predict mode's questions (viz/predict.h): the answer that is called right is what happens, and no other is; and of the
 * estimate with other workers (viz/schedule.h). */
#include <check.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "unit/trace_forge.h"
#include "view/cases.h"
#include "viz/critical.h"
#include "viz/predict.h"
#include "viz/schedule.h"

static sk_model *model_of(unsigned seed) { return view_model_of(made_up_run(seed)); }

/* ---- The estimate ----------------------------------------------------------------------------------------------------------------------- */

START_TEST(one_worker_takes_the_work_and_more_of_them_no_less_than_the_bounds)
{
    unsigned flat = 0;
    for (unsigned seed = 1; seed <= 300; seed++) {
        sk_model *m = model_of(seed);
        const sk_critical *c = sk_critical_of(m);
        bool nested = false;
        for (uint32_t i = 0; i < m->ntasks; i++)
            nested |= m->tasks[i].parent != SK_NO_INDEX;
        ck_assert_int_eq(sk_schedule_estimate(m, 1), c->work);
        for (unsigned p = 2; p <= 5; p++) {
            int64_t estimate = sk_schedule_estimate(m, p);
            ck_assert_int_ge(estimate * p, c->work);
            ck_assert_int_le(estimate, c->work);
            if (!nested) { /* Graham 1966: no list is worse than this */
                ck_assert_int_ge(estimate, c->span);
                ck_assert_int_le(estimate * p, c->work + (int64_t)(p - 1) * c->span);
            }
        }
        if (!nested)
            ck_assert_int_eq(sk_schedule_estimate(m, 1000), c->span);
        flat += !nested && m->ntasks > 3;
        sk_model_free(m);
    }
    ck_assert_uint_gt(flat, 5);
}
END_TEST

/* ---- Questions -------------------------------------------------------------------------------------------------------------------------- */

/* The next task that starts after this step, and when; from the events alone. */
static uint32_t starts_next(const sk_model *m, sk_step k, sk_step *when)
{
    for (sk_step i = k + 1; i <= m->nsteps; i++) {
        const sk_model_event *e = &m->events[i - 1];
        if (e->type == SK_TRACE_TASK && e->to == SK_TASK_RUNNING && (e->from == SK_TASK_READY || e->from == SK_TASK_NONE))
            return *when = i, e->index;
    }
    return SK_NO_INDEX;
}

static void check_question(const sk_model *m, sk_step k, unsigned over, const sk_question *q)
{
    sk_step when = 0;
    char value[48], where[32];
    sk_question again;
    ck_assert_uint_ge(q->asked, k);
    ck_assert_uint_ge(q->shows, q->asked);
    ck_assert_uint_ge(q->answers, SK_PREDICT_FEWEST);
    ck_assert_uint_le(q->answers, SK_PREDICT_MOST);
    ck_assert_uint_lt(q->right, q->answers);
    ck_assert(*q->text && g_str_has_suffix(q->why, ".")); /* it is not cut off */
    for (unsigned i = 0; i < q->answers; i++)
        for (unsigned other = 0; other < i; other++)
            ck_assert_str_ne(q->answer[i], q->answer[other]);
    const char *right = q->answer[q->right];
    switch (q->sort) {
    case SK_PREDICT_NEXT: {
        uint32_t task = starts_next(m, q->asked, &when);
        ck_assert_uint_eq((uint32_t)atoi(right + strlen("task ")), task + 1);
        ck_assert_uint_eq(q->shows, when);
        ck_assert_uint_le(m->tasks[task].submitted, q->asked);
        for (unsigned i = 0; i < q->answers; i++) {
            const sk_model_task *other = &m->tasks[atoi(q->answer[i] + strlen("task ")) - 1];
            ck_assert_uint_le(other->submitted, q->asked);
            ck_assert(i == q->right || other->started == SK_NEVER || sk_model_ns(m, other->started) > sk_model_ns(m, when));
        }
        break;
    }
    case SK_PREDICT_WORKER:
        ck_assert_uint_eq(q->task, starts_next(m, q->asked, &when));
        ck_assert_str_eq(right, sk_model_where(m, m->slices[m->tasks[q->task].first_slice].worker, where));
        break;
    case SK_PREDICT_VALUE:
        ck_assert_str_eq(right, sk_model_value(m, m->tasks[q->task].first_object, m->nsteps, value));
        ck_assert_uint_eq(m->objects[m->tasks[q->task].first_object].made, q->shows);
        ck_assert_uint_le(m->tasks[q->task].submitted, q->asked);
        break;
    default: ck_assert_uint_eq(q->shows, q->asked);
    }
    ck_assert(sk_predict_ask(m, k, &over, &again)); /* the same step asks the same */
    ck_assert_mem_eq(&again, q, sizeof again);
}

START_TEST(what_is_called_right_is_what_the_log_says_at_every_step)
{
    unsigned places[SK_PREDICT_MOST] = { 0 };
    for (unsigned seed = 0; seed <= 60; seed++) {
        sk_model *m = seed ? model_of(seed) : sk_model_load(view_trace, NULL);
        for (sk_step k = 0; k <= m->nsteps; k++) {
            sk_question q;
            unsigned over = 0;
            if (!sk_predict_ask(m, k, &over, &q))
                continue;
            check_question(m, k, 0, &q);
            places[q.right]++;
        }
        sk_model_free(m);
    }
    for (unsigned i = 0; i < SK_PREDICT_MOST; i++) /* the right answer has no place of its own */
        ck_assert_msg(places[i] > 20, "answer %u is right %u times", i + 1, places[i]);
}
END_TEST

/* As one who answers meets them: the next question comes after the step at which the last was answered. */
START_TEST(a_quiz_asks_no_question_twice_the_whole_run_once_and_all_sorts_of_them)
{
    unsigned sorts[SK_PREDICT_SORTS] = { 0 };
    for (unsigned seed = 0; seed <= 60; seed++) {
        sk_model *m = seed ? model_of(seed) : sk_model_load(view_trace, NULL);
        sk_question q, last = { .text = "" };
        unsigned over = 0, was, whole = 0;
        for (sk_step k = 0; was = over, sk_predict_ask(m, k, &over, &q); k = MAX(q.shows, q.asked + 1)) {
            check_question(m, k, was, &q);
            ck_assert_msg(strcmp(q.text, last.text) || strcmp(q.answer[q.right], last.answer[last.right]), "run %u, twice: %s", seed, q.text);
            whole += q.sort == SK_PREDICT_MAKESPAN;
            sorts[q.sort]++;
            last = q;
        }
        ck_assert_uint_le(whole, 1);
        sk_model_free(m);
    }
    for (unsigned i = 0; i < SK_PREDICT_SORTS; i++)
        ck_assert_msg(sorts[i] > 5, "sort %u is asked for %u times", i, sorts[i]);
}
END_TEST

/* Task 2 takes what task 1 makes, and is tried twice; 4 and 5 never start, so they are wrong answers everywhere. */
static sk_model *waited_retried_run(void)
{
    forge f = forge_start(1, 1, "work", NULL);
    for (uint64_t i = 1; i <= 5; i++)
        forge_task(&f, 0, 10, i, 1, 0, 1, i == 2, i, 1ull);
    forge_move(&f, 1, 20, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_run(&f, 0, 30, 50, 1, 1);
    forge_move(&f, 1, 60, 2, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_move(&f, 1, 70, 2, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 1, 80, 2, SK_TASK_RUNNING, SK_TASK_READY, 0);
    forge_run(&f, 0, 90, 100, 2, 2);
    forge_move(&f, 1, 110, 3, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_run(&f, 0, 120, 130, 3, 3);
    return view_model_of(forge_end(&f, true, 140));
}

START_TEST(the_reason_is_a_whole_sentence_and_true_of_a_task_without_arguments_and_of_one_tried_again)
{
    static const struct { int64_t from; const char *why; } told[] = {
        { 10, "Task 1 was ready at 20 ns; it starts at 30 ns on worker 0." },
        { 20, "Task 1 was ready since 20 ns; it starts at 30 ns on worker 0." },
        { 30, "Task 2 was ready at 60 ns, when its last argument was there; it starts at 70 ns on worker 0." },
        { 60, "Task 2 was ready since 60 ns; it starts at 70 ns on worker 0." },
        { 70, "Task 2 had been tried in vain, and was ready again at 80 ns; it starts at 90 ns on worker 0." },
        { 90, "Task 3 was ready at 110 ns; it starts at 120 ns on worker 0." },
    };
    sk_model *m = waited_retried_run();
    for (unsigned i = 0; i < G_N_ELEMENTS(told); i++) {
        unsigned over = ~(1u << SK_PREDICT_NEXT);
        sk_question q;
        ck_assert(sk_predict_ask(m, sk_model_step_at(m, told[i].from), &over, &q));
        ck_assert_str_eq(q.why, told[i].why);
    }
    sk_model_free(m);
}
END_TEST

static void run_once(forge *f, uint64_t start, uint64_t end, uint64_t task)
{
    forge_move(f, 1, start, task, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_run(f, 0, start, end, task, task);
}

/* Tasks that start and end at once, one after the other, so there is nothing to choose from; then some that wait for each other. */
static sk_model *late_run(unsigned dry)
{
    forge f = forge_start(1, 1, "work", NULL);
    for (uint64_t i = 1; i <= dry + 5; i++) {
        forge_task(&f, 0, 10 + i, i, 1, 0, 1, 0, i);
        if (i <= dry)
            run_once(&f, 10 + i, 10 + i, i);
    }
    for (uint64_t i = dry + 1; i <= dry + 5; i++)
        run_once(&f, 100 + dry + 10 * i, 105 + dry + 10 * i, i);
    return view_model_of(forge_end(&f, true, 200 + 20 * (uint64_t)dry));
}

START_TEST(the_first_question_is_found_however_late_it_comes_and_in_a_long_run_by_going_on)
{
    for (unsigned dry = 10; dry <= 20000; dry *= 5) {
        sk_model *m = late_run(dry);
        unsigned over = 1u << SK_PREDICT_MAKESPAN, calls = 1;
        sk_question q;
        sk_step k = 0;
        for (; !sk_predict_ask(m, k, &over, &q); calls++, k = q.asked) {
            ck_assert_uint_gt(q.asked, k);
            ck_assert_uint_lt(q.asked, m->nsteps);
        }
        ck_assert_msg(atoi(q.answer[q.right] + strlen("task ")) > (int)dry, "%s %s at %u", q.text, q.answer[q.right], q.asked);
        ck_assert(dry > 2000 ? calls > 1 : calls == 1);
        sk_model_free(m);
    }
}
END_TEST

START_TEST(a_sum_is_asked_for_among_other_numbers)
{
    sk_model *m = sk_model_load(view_trace, NULL);
    unsigned sums = 0;
    for (sk_step k = 0; k < m->nsteps; k++) {
        sk_question q;
        unsigned over = 0;
        if (!sk_predict_ask(m, k, &over, &q) || q.sort != SK_PREDICT_VALUE || strcmp(q.text, "Task 12: add takes 1 and 2. What does it return?"))
            continue;
        ck_assert_str_eq(q.answer[q.right], "3");
        ck_assert_ptr_nonnull(strstr(q.why, "task 12 has made 3 of 1 and 2"));
        sums++;
    }
    ck_assert_uint_gt(sums, 0);
    sk_model_free(m);
}
END_TEST

/* 15 long numbers: nothing of the question, or of the reason, is cut off. */
START_TEST(a_task_of_many_long_numbers_is_asked_about_with_all_of_them)
{
    enum { ARGS = 15 };
    forge f = forge_start(1, 1, "f", NULL);
    uint64_t needs[3 + 1 + ARGS] = { ARGS + 1, 1ull << 32 | 1, 0, ARGS + 1 };
    for (uint64_t i = 1; i <= ARGS + 1; i++) {
        if (i <= ARGS)
            forge_task(&f, 0, 1, i, 1, 0, 1, 0, i);
        else
            forge_record(&f, 0, 1, SK_TRACE_TASK_NEW, 1 << 4 | ARGS, needs, 4 + ARGS);
        forge_move(&f, 0, 1, i, SK_TASK_NONE, i <= ARGS ? SK_TASK_READY : SK_TASK_WAITING, 0);
        if (i <= ARGS)
            needs[3 + i] = i;
    }
    for (uint64_t i = 1; i <= ARGS + 1; i++) {
        uint64_t there[] = { i, (uint64_t)SK_T_I64 << 56 | 8, (uint64_t)(-100000000000000 - (int64_t)i) }, ns = 10 * i;
        if (i > ARGS)
            forge_move(&f, 0, ns, i, SK_TASK_WAITING, SK_TASK_READY, 0);
        forge_move(&f, 0, ns + 1, i, SK_TASK_READY, SK_TASK_RUNNING, 0);
        forge_move(&f, 0, ns + 2, i, SK_TASK_RUNNING, SK_TASK_DONE, 0);
        forge_record(&f, 0, ns + 2, SK_TRACE_OBJECT, SK_OBJECT_PENDING << 4 | SK_OBJECT_READY, there, 3);
    }
    sk_model *m = view_model_of(forge_end(&f, true, 1000));
    sk_question q;
    unsigned over = 1u << SK_PREDICT_NEXT | 1u << SK_PREDICT_WORKER | 1u << SK_PREDICT_MAKESPAN;
    ck_assert(sk_predict_ask(m, 40, &over, &q));
    ck_assert_uint_eq(q.sort, SK_PREDICT_VALUE);
    ck_assert_msg(g_str_has_suffix(q.text, "-100000000000014 and -100000000000015. What does it return?"), "%s", q.text);
    ck_assert_msg(g_str_has_suffix(q.why, "-100000000000014 and -100000000000015, says the log."), "%s", q.why);
    for (uint32_t i = 0; i < ARGS; i++) {
        char value[48];
        ck_assert_ptr_nonnull(strstr(q.text, sk_model_value(m, m->deps[m->tasks[ARGS].first_dep + i], m->nsteps, value)));
    }
    sk_model_free(m);
}
END_TEST

START_TEST(at_the_end_and_before_anything_there_is_nothing_to_ask)
{
    sk_question q;
    unsigned over = 0;
    sk_model *m = sk_model_load(view_trace, NULL), *none = sk_model_new();
    ck_assert(!sk_predict_ask(m, m->nsteps, &over, &q));
    ck_assert_uint_eq(q.asked, m->nsteps);
    ck_assert(!sk_predict_ask(m, SK_NEVER, &over, &q));
    ck_assert(!sk_predict_ask(none, 0, &over, &q));
    ck_assert_int_eq(sk_schedule_estimate(none, 4), -1);
    ck_assert_int_eq(sk_schedule_estimate(m, 0), -1);
    sk_model_free(none);
    sk_model_free(m);
}
END_TEST

TCase *predict_case(void)
{
    TCase *all = tcase_create("predict");
    tcase_set_timeout(all, 120);
    tcase_add_test(all, one_worker_takes_the_work_and_more_of_them_no_less_than_the_bounds);
    tcase_add_test(all, what_is_called_right_is_what_the_log_says_at_every_step);
    tcase_add_test(all, a_quiz_asks_no_question_twice_the_whole_run_once_and_all_sorts_of_them);
    tcase_add_test(all, the_reason_is_a_whole_sentence_and_true_of_a_task_without_arguments_and_of_one_tried_again);
    tcase_add_test(all, the_first_question_is_found_however_late_it_comes_and_in_a_long_run_by_going_on);
    tcase_add_test(all, a_sum_is_asked_for_among_other_numbers);
    tcase_add_test(all, a_task_of_many_long_numbers_is_asked_about_with_all_of_them);
    tcase_add_test(all, at_the_end_and_before_anything_there_is_nothing_to_ask);
    return all;
}
