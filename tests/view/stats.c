/* stats.c -- tests of what is counted of a run (viz/stats.h): at every step it is what counting everything anew gives. */
#include <check.h>
#include <stdlib.h>

#include "unit/trace_forge.h"
#include "view/cases.h"
#include "viz/stats.h"

/* A run of 2 workers on 2 nodes, of which one dies; 9000 short tasks, of which some are tried again, or fail; objects move, for a long time. */
static GByteArray *forged_file(void)
{
    forge f = forge_start(1, 1, "one", "other", NULL);
    uint64_t ns = 10, second[] = { 1ull << 32 | 1 };
    forge_record(&f, 0, 0, SK_TRACE_NODE, SK_NODE_NONE << 4 | SK_NODE_ALIVE, second, 1);
    for (uint64_t t = 1; t <= 9000; t++) {
        bool late = t % 50 > 40, fails = t % 11 == 0;
        forge_task(&f, 0, ns, t, 1 + t % 2, 0, 1, 0, t);
        forge_move(&f, 0, ns, t, SK_TASK_NONE, SK_TASK_WAITING, 0);
        forge_move(&f, 0, ns += 2, t, SK_TASK_WAITING, SK_TASK_READY, 0);
        forge_move(&f, 0, ns += late ? 90 : 3, t, SK_TASK_READY, SK_TASK_RUNNING, 0);
        if (t % 7 == 0) {
            forge_move(&f, 0, ns += 200, t, SK_TASK_RUNNING, SK_TASK_READY, 0);
            forge_move(&f, 0, ns += 1, t, SK_TASK_READY, SK_TASK_RUNNING, 0);
        }
        if (t % 5 == 0) {
            forge_move(&f, 0, ns += 4, t, SK_TASK_RUNNING, SK_TASK_BLOCKED, 0);
            forge_move(&f, 0, ns += 900, t, SK_TASK_BLOCKED, SK_TASK_RUNNING, 0);
        }
        forge_move(&f, 0, ns += 20 + t * t % 5000, t, SK_TASK_RUNNING, fails ? SK_TASK_FAILED : SK_TASK_DONE, fails ? SK_TASK : 0);
        uint64_t moved[] = { t, 100, 1, t % 90 == 0 ? 30000 : 40 };
        if (t % 9 == 0)
            forge_record(&f, 0, ns += 5, SK_TRACE_TRANSFER, 0, moved, 4);
        if (t == 6000)
            forge_record(&f, 0, ns, SK_TRACE_NODE, SK_NODE_ALIVE << 4 | SK_NODE_DEAD, (uint64_t[]){ 1ull << 32 }, 1);
    }
    return forge_end(&f, true, ns);
}

static sk_model *model_of(GByteArray *file, sk_run_stats *grown)
{
    sk_reader *log = sk_trace_read_memory("forged", file->data, file->len, NULL);
    sk_model *m = sk_model_new();
    sk_cursor *c = sk_trace_read_cursor(log);
    uint32_t n = 0;
    for (sk_event e; sk_trace_read_next(c, &e); n++) {
        sk_model_take(m, &e);
        if (grown && n % 37 == 0)
            sk_run_stats_follow(grown, m);
    }
    if (grown)
        sk_run_stats_follow(grown, m);
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(log);
    return m;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

START_TEST(bins_follow_each_other_and_hold_what_is_between_their_ends)
{
    for (uint32_t b = 0; b + 1 < SK_BINS && sk_bin_from(b + 1) < INT64_MAX; b++) {
        ck_assert_uint_eq(sk_bin_of(sk_bin_from(b)), b);
        ck_assert_uint_eq(sk_bin_of(sk_bin_from(b + 1) - 1), b);
        ck_assert_int_le((sk_bin_from(b + 1) - sk_bin_from(b) - 1) * 16, sk_bin_from(b));
    }
    ck_assert_uint_lt(sk_bin_of(INT64_MAX), SK_BINS);
}
END_TEST

START_TEST(the_times_of_a_function_are_those_of_its_runs_up_to_the_step)
{
    GByteArray *file = forged_file();
    sk_model *m = model_of(file, NULL);
    sk_run_stats s = { 0 };
    sk_run_stats_follow(&s, m);
    int64_t *ran = g_new(int64_t, m->nslices);
    for (sk_step k = 0; k <= m->nsteps; k += m->nsteps / 23)
        for (uint32_t fn = 0; fn <= m->nfns; fn++) {
            uint32_t n = 0, retries = 0, bins[SK_BINS], all = 0;
            int64_t total = 0, most = 0;
            for (uint32_t i = 0; i < m->nslices; i++) {
                const sk_model_slice *last = &m->slices[i];
                if (last->end > k || (fn < m->nfns && m->tasks[last->task].fn != fn))
                    continue;
                retries += last->how == SK_END_RETRIED;
                if (last->how != SK_END_DONE && last->how != SK_END_FAILED)
                    continue;
                ran[n] = 0;
                for (uint32_t j = i; j != SK_NO_INDEX && i - j < 4; j--) /* those of its attempt are the last few */
                    if (m->slices[j].task == last->task && m->slices[j].attempt == last->attempt && !m->slices[j].blocked)
                        ran[n] += sk_model_ns(m, m->slices[j].end) - sk_model_ns(m, m->slices[j].begin);
                total += ran[n], most = MAX(most, ran[n]), n++;
            }
            qsort(ran, n, sizeof *ran, compare);
            sk_times t = sk_run_stats_times(&s, fn < m->nfns ? fn : SK_NO_INDEX, k);
            ck_assert_uint_eq(t.runs, n);
            ck_assert_uint_eq(t.retries, retries);
            ck_assert_int_eq(t.total, total);
            ck_assert_int_eq(t.most, most);
            sk_run_stats_bins(&s, fn < m->nfns ? fn : SK_NO_INDEX, k, bins);
            for (uint32_t b = 0; b < SK_BINS; b++)
                all += bins[b];
            ck_assert_uint_eq(all, n);
            if (!n)
                continue;
            int64_t half = ran[(n - 1) / 2], p95 = ran[(n * 95 + 99) / 100 - 1], near = n <= 512 ? 0 : 1;
            ck_assert_msg(llabs(t.median - half) * 32 <= half * near, "%d of %u", (int)t.median, n);
            ck_assert_msg(llabs(t.p95 - p95) * 32 <= p95 * near, "%d of %u", (int)t.p95, n);
        }
    g_free(ran);
    sk_run_stats_clear(&s);
    sk_model_free(m);
    g_byte_array_unref(file);
}
END_TEST

static void are_same(const sk_spent *a, const sk_spent *b)
{
    ck_assert_int_eq(a->from, b->from);
    ck_assert_int_eq(a->to, b->to);
    ck_assert_int_eq(a->all, b->all);
    ck_assert_int_eq(a->compute, b->compute);
    ck_assert_int_eq(a->transfer, b->transfer);
    ck_assert_int_eq(a->scheduling, b->scheduling);
    ck_assert_int_eq(a->idle, b->idle);
    ck_assert_int_eq(a->beyond, b->beyond);
    ck_assert_uint_eq(a->workers, b->workers);
}

/* Moment by moment, as spent.h says it. */
static sk_spent reckoned(const sk_model *m, sk_step until, int64_t now)
{
    sk_spent w = { .from = m->first, .to = m->first };
    int64_t running = 0, ready = 0, workers = 0;
    sk_step first = SK_NEVER, last = 0;
    for (uint32_t i = 0; i < m->ntasks; i++)
        if (m->tasks[i].submitted <= until)
            first = MIN(first, m->tasks[i].submitted), last = MAX(last, m->tasks[i].ended);
    if (first != SK_NEVER)
        w.from = sk_model_ns(m, first), w.to = last <= until ? sk_model_ns(m, last) : now;
    GArray *cuts = g_array_new(FALSE, FALSE, sizeof(int64_t));
    for (uint32_t i = 0; i < m->ntransfers; i++) {
        int64_t begin = sk_model_ns(m, m->transfers[i].end) - m->transfers[i].took;
        g_array_append_val(cuts, begin);
    }
    g_array_sort(cuts, compare);
    uint32_t begun = 0, over = 0;
    int64_t at = w.from;
    for (sk_step k = 0; k <= until; k++) {
        int64_t end = k < until ? sk_model_ns(m, k + 1) : now;
        if (k) {
            const sk_model_event *e = &m->events[k - 1];
            running += e->type == SK_TRACE_TASK ? (e->to == SK_TASK_RUNNING) - (e->from == SK_TASK_RUNNING) : 0;
            ready += e->type == SK_TRACE_TASK ? (e->to == SK_TASK_READY) - (e->from == SK_TASK_READY) : 0;
            if (e->type == SK_TRACE_NODE)
                workers += e->to == SK_NODE_ALIVE ? m->nodes[e->index].workers : -(int64_t)m->nodes[e->index].workers;
            w.workers = (uint32_t)MAX(w.workers, workers);
        }
        while (over < m->ntransfers && m->transfers[over].end <= k)
            over++;
        for (end = MIN(end, w.to); at < end;) {
            while (begun < cuts->len && g_array_index(cuts, int64_t, begun) <= at)
                begun++;
            int64_t next = begun < cuts->len ? MIN(end, g_array_index(cuts, int64_t, begun)) : end, dt = next - at;
            int64_t compute = MIN(running, workers), transfer = MIN(workers - compute, begun - over), scheduling = MIN(workers - compute - transfer, ready);
            w.all += workers * dt, w.compute += compute * dt, w.transfer += transfer * dt, w.scheduling += scheduling * dt;
            w.idle += (workers - compute - transfer - scheduling) * dt, w.beyond += (running - compute) * dt;
            at = next;
        }
    }
    g_array_unref(cuts);
    return w;
}

START_TEST(where_the_time_went_adds_up_to_workers_times_time_at_every_step)
{
    sk_error err;
    GByteArray *file = forged_file();
    sk_run_stats grown = { 0 };
    sk_model *models[] = { sk_model_load(view_trace, &err), model_of(file, &grown) };
    unsigned seen = 0;
    for (unsigned i = 0; i < 2; i++) {
        sk_model *m = models[i];
        sk_spent_fold f = { 0 };
        sk_spent_follow(&f, m);
        for (sk_step k = 0; k <= m->nsteps; k += i ? 6011 : 1)
            for (int64_t more = 0; more < 2; more++) {
                int64_t next = k < m->nsteps ? sk_model_ns(m, k + 1) : m->last + 100, here = sk_model_ns(m, k), ns = more ? here + (next - here) / 2 : here;
                sk_spent t = sk_spent_at(&f, m, k, ns), r = reckoned(m, k, ns), *all[] = { &t, &r };
                sk_spent g = i ? sk_spent_at(&grown.spent, m, k, ns) : t; /* what has followed a live run knows the same */
                are_same(&g, &t);
                for (unsigned a = 0; a < 2; a++)
                    ck_assert_int_eq(all[a]->compute + all[a]->transfer + all[a]->scheduling + all[a]->idle, all[a]->all);
                are_same(&t, &r);
                seen |= (t.compute > 0) | (t.transfer > 0) << 1 | (t.scheduling > 0) << 2 | (t.idle > 0) << 3;
            }
        sk_spent t = sk_spent_at(&f, m, m->nsteps, m->last), c = sk_spent_of(m); /* Stats at its end, and Compare */
        are_same(&t, &c);
        sk_spent_clear(&f);
    }
    ck_assert_uint_eq(seen, 15);
    sk_run_stats_clear(&grown);
    sk_model_free(models[0]);
    sk_model_free(models[1]);
    g_byte_array_unref(file);
}
END_TEST

/* It would take minutes if each begin were put in its place by moving those behind it. */
START_TEST(transfers_that_began_in_any_order_count_for_a_million_steps_at_most)
{
    enum { MANY = 400000, LATER = SK_SPENT_BACK + 1000 };
    forge f = forge_start(1, 1, "one", NULL);
    forge_task(&f, 0, 0, 1, 1, 0, 1, 0, 1); /* it never ends */
    for (uint32_t i = 0; i < LATER; i++)
        forge_record(&f, 0, i, SK_TRACE_TRANSFER, 0, (uint64_t[]){ 1, 8, 1ull << 32, 0 }, 4);
    for (uint32_t i = 0; i < MANY; i++) /* each began before the one that ended before it */
        forge_record(&f, 0, LATER + i, SK_TRACE_TRANSFER, 0, (uint64_t[]){ 1, 8, 1ull << 32, 2 * i }, 4);
    GByteArray *file = forge_end(&f, true, LATER + MANY);
    sk_model *m = model_of(file, NULL);
    sk_spent_fold s = { 0 };
    sk_spent_follow(&s, m);
    ck_assert_uint_eq(s.nbegins, LATER + MANY);
    for (uint32_t i = 1; i < s.nbegins; i++)
        ck_assert_int_le(s.begins[i - 1], s.begins[i]);
    sk_spent w = sk_spent_at(&s, m, m->nsteps, m->last);
    ck_assert_int_eq(w.all, m->last);
    ck_assert_int_ge(w.transfer, MANY);
    sk_spent_clear(&s);
    g_byte_array_unref(file);
    sk_model_free(m);

    f = forge_start(1, 1, "one", NULL); /* and one that takes all the time there is */
    forge_task(&f, 0, 0, 1, 1, 0, 1, 0, 1);
    for (uint32_t i = 0; i < LATER; i++)
        forge_object(&f, 0, i, 1, i % 2 ? SK_OBJECT_MISSING : SK_OBJECT_READY, i % 2 ? SK_OBJECT_READY : SK_OBJECT_MISSING, 8);
    forge_record(&f, 0, LATER, SK_TRACE_TRANSFER, 0, (uint64_t[]){ 1, 8, 1ull << 32, LATER - 1 }, 4);
    file = forge_end(&f, true, LATER);
    m = model_of(file, NULL);
    s = (sk_spent_fold){ 0 };
    sk_spent_follow(&s, m);
    ck_assert_uint_lt(m->transfers[0].begin, 10);
    sk_step from = m->transfers[0].end - SK_SPENT_BACK;
    ck_assert_int_eq(sk_spent_at(&s, m, from, sk_model_ns(m, from)).transfer, 0);
    ck_assert_int_eq(sk_spent_at(&s, m, m->nsteps, m->last).transfer, SK_SPENT_BACK);
    sk_spent_clear(&s);
    g_byte_array_unref(file);
    sk_model_free(m);
}
END_TEST

TCase *view_stats_case(void)
{
    TCase *t = tcase_create("stats");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, bins_follow_each_other_and_hold_what_is_between_their_ends);
    tcase_add_test(t, the_times_of_a_function_are_those_of_its_runs_up_to_the_step);
    tcase_add_test(t, where_the_time_went_adds_up_to_workers_times_time_at_every_step);
    tcase_add_test(t, transfers_that_began_in_any_order_count_for_a_million_steps_at_most);
    return t;
}
