/* critical.c -- tests of the critical path (viz/critical.h): against a search that shares nothing with it, on runs made up at random, and against
 * `skate trace`'s (sim/timeline.h), which computes it from the log. */
#include <check.h>

#include "timeline.h"
#include "unit/trace_forge.h"
#include "view/cases.h"
#include "viz/critical.h"

/* ---- Runs made up at random ------------------------------------------------------------------------------------------------------------- */

enum { WORKERS = 3, MOST = 24 };
typedef enum { NEW, READY, RUNS, BLOCKED, DONE } state;
typedef struct task { state state; unsigned ndeps; uint64_t dep[3], parent, awaited[3], nawaited, worker; } task;

/* Tasks of one answer, which has the task's number: submitted by the driver or by a task that runs, with up to three arguments; some wait for the
 * answers of children, of several at once now and then, while others of them end too. At each moment something happens that can happen; where they
 * come to wait for each other, the log ends there. Each worker has a lane, so has the driver. */
GByteArray *made_up_run(unsigned seed)
{
    forge f = forge_start(1, WORKERS, "leaf", "node", NULL);
    GRand *dice = g_rand_new_with_seed(seed);
    task tasks[MOST + 1] = { 0 };
    uint64_t busy[WORKERS] = { 0 }, n = 0, done = 0, ns = 10, most = 4 + seed % (MOST - 3);
    for (unsigned tries = 0; tries < 3000 && done < most; tries++) {
        ns += (uint64_t)g_rand_int_range(dice, 1, 6);
        uint64_t i = n ? 1 + g_rand_int(dice) % n : 0;
        task *t = &tasks[i];
        uint64_t w = t->worker;
        switch (i ? t->state : NEW) {
        case NEW: case DONE: { /* another is submitted: by this one's parent, if that runs, else by the driver */
            if (n == most)
                break;
            uint64_t parent = i && tasks[t->parent].state == RUNS ? t->parent : 0, often = seed % 4;
            for (uint64_t r = 1; r <= n && !parent && often && g_rand_int(dice) % 4 < often; r++)
                parent = tasks[r].state == RUNS ? r : 0;
            task *new = &tasks[++n];
            *new = (task){ .state = READY, .parent = parent, .ndeps = n > 1 ? g_rand_int(dice) % 3 : 0 };
            for (unsigned d = 0; d < new->ndeps; d++) {
                new->dep[d] = 1 + g_rand_int(dice) % (n - 1);
            }
            forge_task(&f, parent ? 1 + (unsigned)tasks[parent].worker : 0, ns, n, 1 + n % 2, parent, 1, new->ndeps, n, new->dep[0], new->dep[1], new->dep[2]);
            break;
        }
        case READY: {
            bool can = true;
            for (unsigned d = 0; d < t->ndeps; d++)
                can &= tasks[t->dep[d]].state == DONE;
            w = g_rand_int(dice) % WORKERS;
            if (!can || busy[w])
                break;
            forge_move(&f, 1 + (unsigned)w, ns, i, SK_TASK_NONE, SK_TASK_READY, 0);
            forge_move(&f, 1 + (unsigned)w, ns, i, SK_TASK_READY, SK_TASK_RUNNING, w);
            busy[w] = i, t->worker = w, t->state = RUNS;
            break;
        }
        case RUNS: {
            uint64_t most_awaited = seed % 2 ? 3 : 1;
            for (uint64_t other = 1; other <= n; other++) /* a lane has one wait at a time */
                if (tasks[other].state == BLOCKED && tasks[other].worker == w)
                    most_awaited = 0;
            t->nawaited = 0;
            for (uint64_t c = i + 1; c <= n && g_rand_int(dice) % 4 && t->nawaited < most_awaited; c++)
                if (tasks[c].parent == i && (tasks[c].state != DONE || t->nawaited))
                    t->awaited[t->nawaited++] = c;
            if (t->nawaited) {
                uint64_t begin[4] = { i, t->nawaited << 32 | t->nawaited, 1ull << 32, t->awaited[0] }, on[4] = { i };
                forge_move(&f, 1 + (unsigned)w, ns, i, SK_TASK_RUNNING, SK_TASK_BLOCKED, 0);
                forge_record(&f, 1 + (unsigned)w, ns, SK_TRACE_WAIT, SK_WAIT_GET, begin, 4);
                memcpy(on + 1, t->awaited, sizeof t->awaited);
                if (t->nawaited > 1)
                    forge_record(&f, 1 + (unsigned)w, ns, SK_TRACE_WAIT_ON, SK_WAIT_GET, on, 1 + (unsigned)t->nawaited);
                t->state = BLOCKED, busy[w] = 0;
            } else if (g_rand_int(dice) % 3 == 0) {
                forge_object(&f, 1 + (unsigned)w, ns, i, SK_OBJECT_PENDING, SK_OBJECT_READY, 8);
                forge_move(&f, 1 + (unsigned)w, ns, i, SK_TASK_RUNNING, SK_TASK_DONE, 0);
                t->state = DONE, busy[w] = 0, done++;
            }
            break;
        }
        case BLOCKED: {
            uint64_t end[3] = { i, 1, 0 };
            bool there = true;
            for (uint64_t a = 0; a < t->nawaited; a++)
                there &= tasks[t->awaited[a]].state == DONE;
            if (!there || busy[w])
                break;
            forge_record(&f, 1 + (unsigned)w, ns, SK_TRACE_WAIT_END, SK_WAIT_GET, end, 3);
            forge_move(&f, 1 + (unsigned)w, ns, i, SK_TASK_BLOCKED, SK_TASK_RUNNING, w);
            t->state = RUNS, busy[w] = i;
            break;
        }
        }
    }
    g_rand_free(dice);
    return forge_end(&f, true, ns);
}

static sk_model *model_of(GByteArray *file, sk_model *m, sk_step most)
{
    sk_reader *log = sk_trace_read_memory("made up", file->data, file->len, NULL);
    sk_cursor *c = sk_trace_read_cursor(log);
    for (sk_event e; m->nsteps < most && sk_trace_read_next(c, &e);)
        sk_model_take(m, &e);
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(log);
    return m;
}

/* ---- The search: all ways back from where a task is at a step, each time anew ------------------------------------------------------------ */

static int64_t ran(const sk_model *m, uint32_t task, sk_step from, sk_step to)
{
    return sk_model_run_ns(m, task, to, sk_model_ns(m, to)) - sk_model_run_ns(m, task, from, sk_model_ns(m, from));
}

static int64_t longest_to(const sk_model *m, uint32_t task, sk_step k)
{
    const sk_model_task *t = &m->tasks[task];
    int64_t start = t->parent == SK_NO_INDEX ? 0 : longest_to(m, t->parent, t->submitted), best;
    for (unsigned d = 0; d < t->ndeps; d++) {
        const sk_model_object *o = &m->objects[m->deps[t->first_dep + d]];
        start = MAX(start, longest_to(m, o->producer, o->made));
    }
    best = start + ran(m, task, t->started, k);
    for (uint32_t i = 0; i < m->nwaits; i++) {
        const sk_model_wait *w = &m->waits[i];
        if (w->task != task || w->end > k)
            continue;
        for (uint32_t a = 0; a < w->nawaited; a++) {
            const sk_model_object *o = &m->objects[m->awaited[w->first_awaited + a]];
            best = MAX(best, longest_to(m, o->producer, o->made) + ran(m, task, w->end, k));
        }
    }
    return best;
}

START_TEST(span_is_the_longest_of_all_ways_through_and_work_the_sum_of_all_run_times)
{
    unsigned nested = 0, chains = 0, several = 0;
    for (unsigned seed = 1; seed <= 300; seed++) {
        GByteArray *file = made_up_run(seed);
        sk_model *m = model_of(file, sk_model_new(), SK_NEVER);
        const sk_critical *c = sk_critical_of(m);
        int64_t span = 0, work = 0, sum = 0;
        for (uint32_t i = 0; i < m->ntasks; i++) {
            if (m->tasks[i].started != SK_NEVER)
                span = MAX(span, longest_to(m, i, MIN(m->tasks[i].ended, m->nsteps)));
            work += sk_model_run_ns(m, i, m->nsteps, m->last);
        }
        ck_assert_msg(c->span == span, "run %u: the span is %ld, not %ld", seed, (long)span, (long)c->span);
        ck_assert_int_eq(c->work, work);
        ck_assert_int_le(c->span, c->work);
        ck_assert_int_le(c->span, m->last - m->first);
        for (uint32_t i = 0; i < c->npath; i++) {
            sum += c->path[i].ns;
            ck_assert(sk_critical_has(c, c->path[i].task));
            ck_assert_uint_le(c->path[i].at, c->path[i].left);
            ck_assert(i == 0 || c->path[i - 1].left <= c->path[i].at);
        }
        ck_assert_int_eq(sum, span); /* it is as long as it says */
        uint32_t on = 0;
        for (uint32_t i = 0; i < m->ntasks; i++) {
            on += sk_critical_has(c, i);
            nested += m->tasks[i].parent != SK_NO_INDEX && sk_critical_has(c, i);
        }
        chains += on > 3;
        for (uint32_t i = 0; i < m->nwaits; i++)
            several += m->waits[i].nawaited > 1;
        sk_reader *log = sk_trace_read_memory("made up", file->data, file->len, NULL);
        sk_timeline *t = sk_timeline_new(log);
        ck_assert_int_eq(t->span, c->span);
        ck_assert_int_eq(t->work, c->work);
        sk_timeline_free(t);
        sk_trace_read_close(log);
        sk_model_free(m);
        g_byte_array_unref(file);
    }
    ck_assert_uint_gt(nested, 50); /* it has gone through what it should */
    ck_assert_uint_gt(chains, 100);
    ck_assert_uint_gt(several, 15);
}
END_TEST

/* What a live run does: asked again and again while it grows, it says what one that is asked once says. */
START_TEST(a_path_that_grew_with_its_run_is_that_of_a_fresh_one)
{
    for (unsigned seed = 1; seed <= 100; seed++) {
        GByteArray *file = made_up_run(seed);
        sk_model *grown = sk_model_new();
        sk_reader *log = sk_trace_read_memory("made up", file->data, file->len, NULL);
        sk_cursor *cursor = sk_trace_read_cursor(log);
        for (sk_event e; sk_trace_read_next(cursor, &e);) {
            sk_model_take(grown, &e);
            if (grown->nsteps % (1 + seed % 5))
                continue;
            sk_model *fresh = model_of(file, sk_model_new(), grown->nsteps);
            const sk_critical *a = sk_critical_of(grown), *b = sk_critical_of(fresh);
            ck_assert_int_eq(a->work, b->work);
            ck_assert_int_eq(a->span, b->span);
            ck_assert_uint_eq(a->npath, b->npath);
            for (uint32_t i = 0; i < a->npath; i++)
                ck_assert_mem_eq(&a->path[i], &b->path[i], sizeof a->path[i]);
            for (uint32_t i = 0; i < grown->ntasks; i++) {
                ck_assert_int_eq(sk_critical_has(a, i), sk_critical_has(b, i));
                ck_assert_uint_eq(sk_critical_before(a, i), sk_critical_before(b, i));
            }
            sk_model_free(fresh);
        }
        sk_trace_read_cursor_free(cursor);
        sk_trace_read_close(log);
        sk_model_free(grown);
        g_byte_array_unref(file);
    }
}
END_TEST

TCase *critical_case(void)
{
    TCase *all = tcase_create("critical path");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, span_is_the_longest_of_all_ways_through_and_work_the_sum_of_all_run_times);
    tcase_add_test(all, a_path_that_grew_with_its_run_is_that_of_a_fresh_one);
    return all;
}
