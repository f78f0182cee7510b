/* view.c -- tests of the viewer, but for pictures (tests/view/run): the model at every step, views that go on from what they know, pointing,
 * damaged files.
 *
 *     build/tests/view TRACE              the tests; TRACE is a run of sum.c on virtual
 *     build/tests/view --same A.png B.png  how far two pictures differ: status 0 if hardly */
#include <check.h>
#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "film.h"
#include "unit/trace_forge.h"
#include "view/cases.h"
#include "viz/layout.h"
#include "viz/model_own.h"
#include "viz/paint.h"
#include "viz/paint_pixels.h"
#include "viz/profile.h"
#include "viz/view.h"

const char *view_trace;

/* ---- Helpers ---------------------------------------------------------------------------------------------------------------------------- */

static char *model_text(const sk_model *m, sk_step k)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    sk_model_print(m, k, out);
    fclose(out);
    return text;
}

static char *picture_text(const sk_view *view, void *memory, const sk_model *m, const sk_view_state *s)
{
    g_autofree char *path = g_strdup_printf("%s/skate-view-%d.txt", g_get_tmp_dir(), (int)getpid());
    sk_draw *d = sk_draw_new();
    char *text = NULL;
    sk_frame_draw(view, memory, m, s, 900, 600, d);
    ck_assert(sk_paint_text(d, 900, 600, path, NULL));
    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    remove(path);
    sk_draw_free(d);
    return text;
}

/* A run of 3000 tasks in binary trees over 4 workers, some of which are tried again, fail or block: more steps than between two tallies. */
static GByteArray *forged_file(uint64_t tasks)
{
    forge f = forge_new(1);
    uint64_t ns = 0;
    forge_fn(&f, 1, "leaf");
    forge_fn(&f, 2, "add");
    for (uint64_t t = 1; t <= tasks; t++) {
        uint64_t a = t > 1000 && t % 3 ? t - 1000 : 0;
        if (a)
            forge_task(&f, 0, ns, t, 2, 0, 1, 1, t, a);
        else
            forge_task(&f, 0, ns, t, 1, 0, 1, 0, t);
        uint64_t where = t % 4;
        forge_move(&f, 0, ns, t, SK_TASK_NONE, SK_TASK_READY, 0);
        forge_move(&f, 0, ns += 3, t, SK_TASK_READY, SK_TASK_RUNNING, where);
        if (t % 7 == 0) {
            forge_move(&f, 0, ns += 2, t, SK_TASK_RUNNING, SK_TASK_READY, 0);
            forge_move(&f, 0, ns += 1, t, SK_TASK_READY, SK_TASK_RUNNING, where);
        }
        if (t % 5 == 0) {
            forge_move(&f, 0, ns += 4, t, SK_TASK_RUNNING, SK_TASK_BLOCKED, 0);
            forge_move(&f, 0, ns += 9, t, SK_TASK_BLOCKED, SK_TASK_RUNNING, where);
        }
        bool fails = t % 11 == 0;
        forge_move(&f, 0, ns += 1 + t % 13, t, SK_TASK_RUNNING, fails ? SK_TASK_FAILED : SK_TASK_DONE, fails ? SK_TASK : 0);
        uint64_t ready[] = { t, (uint64_t)SK_T_I64 << 56 | 8, t };
        forge_record(&f, 0, ns, SK_TRACE_OBJECT, SK_OBJECT_PENDING << 4 | (fails ? SK_OBJECT_FAILED : SK_OBJECT_READY), ready, fails ? 1 : 3);
    }
    return forge_end(&f, true, ns);
}

sk_model *view_model_of(GByteArray *file)
{
    sk_reader *log = sk_trace_read_memory("forged", file->data, file->len, NULL);
    sk_model *m = sk_model_new();
    sk_cursor *c = sk_trace_read_cursor(log);
    for (sk_event e; sk_trace_read_next(c, &e);)
        sk_model_take(m, &e);
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
    return m;
}

static sk_model *forged(void)
{
    sk_model *m = view_model_of(forged_file(3000));
    ck_assert_uint_eq(m->ntasks, 3000);
    return m;
}

/* ---- The model -------------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_run_looked_back_on_is_what_it_was_when_it_had_come_so_far)
{
    sk_model *whole = sk_model_load(view_trace, NULL), *live = sk_model_new();
    ck_assert_ptr_nonnull(whole);
    sk_reader *log = sk_trace_read_open(view_trace, NULL);
    sk_cursor *c = sk_trace_read_cursor(log);
    unsigned compared = 0;
    for (sk_event e; sk_trace_read_next(c, &e); compared++) {
        sk_step before = live->nsteps;
        sk_model_take(live, &e);
        if (live->nsteps == before)
            continue;
        char *then = model_text(live, live->nsteps), *now = model_text(whole, live->nsteps);
        ck_assert_str_eq(then, now);
        free(then);
        free(now);
    }
    ck_assert_uint_gt(compared, 100);
    ck_assert_uint_eq(live->nsteps, whole->nsteps);
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(log);
    sk_model_free(live);
    sk_model_free(whole);
}
END_TEST

static void check_counts(const sk_model *m, sk_step k)
{
    uint32_t states[SK_TASK_CANCELLED + 1] = { 0 }, objects = 0;
    sk_model_counts c;
    for (uint32_t i = 0; i < m->ntasks; i++)
        states[sk_model_task_at(m, i, k)]++;
    for (uint32_t i = 0; i < m->nobjects; i++)
        objects += sk_model_object_at(m, i, k) == SK_OBJECT_READY;
    sk_model_count(m, k, &c);
    for (unsigned s = SK_TASK_WAITING; s <= SK_TASK_CANCELLED; s++) {
        uint32_t sum = 0;
        for (uint32_t g = 0; g < c.ngroups; g++)
            sum += c.group[g][s];
        ck_assert_uint_eq(c.tasks[s], states[s]);
        ck_assert_uint_eq(sum, states[s]);
    }
    ck_assert_uint_eq(c.objects, objects);
    ck_assert_uint_eq(c.bytes, 8 * objects);
}

START_TEST(an_attempt_that_was_lost_with_its_worker_is_told_from_one_that_failed_and_tells_why)
{
    static const struct { uint8_t from, code; const char *words; bool lost; } ends[] = {
        { SK_TASK_RUNNING, SK_WORKER_DIED, "task 1 (f) is to run once more: its attempt is lost, WORKER_DIED", true },
        { SK_TASK_BLOCKED, SK_WORKER_OOM, "task 1 (f) is to run once more: its attempt is lost, WORKER_OOM", true },
        { SK_TASK_RUNNING, SK_TASK, "task 1 (f) is to run once more: TASK", false },
        { SK_TASK_RUNNING, SK_OK, "task 1 (f) is to run once more", false },
        { SK_TASK_BLOCKED, SK_OK, "task 1 (f) is to run once more", false },
    };
    forge f = forge_start(1, 1, "f", NULL);
    uint64_t ns = 1;
    forge_task(&f, 0, ns, 1, 1, 0, 1, 0, 1ull);
    forge_move(&f, 0, ns, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(ends); i++) {
        forge_move(&f, 0, ++ns, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
        if (ends[i].from == SK_TASK_BLOCKED)
            forge_move(&f, 0, ++ns, 1, SK_TASK_RUNNING, SK_TASK_BLOCKED, 0);
        forge_move(&f, 0, ++ns, 1, ends[i].from, SK_TASK_READY, ends[i].code);
    }
    forge_move(&f, 0, ++ns, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 0, ++ns, 1, SK_TASK_RUNNING, SK_TASK_FAILED, SK_WORKER_DIED); /* and that is a failure */
    sk_model *m = view_model_of(forge_end(&f, true, ns));
    unsigned n = 0;
    for (uint32_t i = 0; i < m->nslices; i++) {
        const sk_model_slice *s = &m->slices[i];
        char words[160];
        if (s->how != SK_END_RETRIED) {
            ck_assert(!sk_model_is_lost(s) && s->code == SK_OK);
            continue;
        }
        ck_assert_str_eq(sk_model_sentence(m, s->end, words), ends[n].words);
        ck_assert_int_eq(sk_model_is_lost(s), ends[n].lost);
        n++;
    }
    ck_assert_uint_eq(n, G_N_ELEMENTS(ends));
    ck_assert_uint_eq(m->tasks[0].state, SK_TASK_FAILED);
    sk_model_free(m);
}
END_TEST

START_TEST(what_is_counted_at_a_step_is_what_each_task_says_then)
{
    sk_model *m = forged();
    ck_assert_uint_gt(m->nsteps, 3 * 4096);
    for (sk_step k = 0; k <= m->nsteps; k += k % 4096 < 2 || k % 4096 > 4093 ? 1 : 501)
        check_counts(m, k);
    sk_model_free(m);
}
END_TEST

START_TEST(a_log_of_as_many_groups_as_tasks_takes_memory_by_its_steps)
{
    enum { TASKS = 20000 };
    forge f = forge_new(1);
    for (uint64_t t = 1; t <= TASKS; t++) { /* each of a function of its own */
        forge_task(&f, 0, t, t, (uint32_t)t, 0, 0, 0);
        forge_move(&f, 0, t, t, SK_TASK_NONE, SK_TASK_READY, 0);
    }
    sk_model *m = view_model_of(forge_end(&f, true, TASKS));
    ck_assert_uint_eq(m->ngroups, TASKS);
    ck_assert_uint_le(m->own->ncheck_group, m->nsteps);
    for (sk_step k = 0; k <= m->nsteps; k += 1999)
        check_counts(m, k);
    sk_model_free(m);
}
END_TEST

START_TEST(workers_beyond_number_share_lanes_and_a_node_that_comes_again_gets_no_more)
{
    enum { TASKS = 70000, NODES = 1000 };
    forge f = forge_new(1);
    uint64_t node = 9ull << 32 | 5;
    for (uint64_t t = 1; t <= TASKS; t++) { /* each on a worker of its own, the last first */
        forge_task(&f, 0, t, t, 1, 0, 0, 0);
        forge_move(&f, 0, t, t, SK_TASK_NONE, SK_TASK_READY, 0);
        forge_move(&f, 0, t, t, SK_TASK_READY, SK_TASK_RUNNING, TASKS - t);
    }
    for (unsigned i = 0; i < NODES; i++)
        forge_record(&f, 0, TASKS, SK_TRACE_NODE, (i % 2 ? SK_NODE_ALIVE << 4 | SK_NODE_DEAD : SK_NODE_DEAD << 4 | SK_NODE_ALIVE), &node, 1);
    sk_model *m = view_model_of(forge_end(&f, true, TASKS));
    ck_assert_uint_eq(m->nworkers, (1 << 16) + 5);
    ck_assert_uint_eq(m->nslices, TASKS);
    ck_assert_uint_eq(m->nnodes, NODES / 2);
    for (uint32_t i = 1; i < m->nworkers; i++) {
        const sk_model_worker *a = &m->workers[m->lanes[i - 1]], *b = &m->workers[m->lanes[i]];
        ck_assert(a->node < b->node || (a->node == b->node && a->worker < b->worker));
    }
    sk_model_free(m);
}
END_TEST

START_TEST(a_file_makes_the_model_that_its_events_make)
{
    GByteArray *file = forged_file(9000);
    char *path = NULL;
    close(g_file_open_tmp("skate-view-XXXXXX", &path, NULL));
    ck_assert(g_file_set_contents(path, (const char *)file->data, file->len, NULL));
    sk_model *loaded = sk_model_load(path, NULL), *taken = view_model_of(file);
    ck_assert_ptr_nonnull(loaded);
    remove(path);
    g_free(path);
    ck_assert_uint_gt(loaded->nsteps, 10 * 4096); /* more than goes without a thread, more than its ring has */
    ck_assert_uint_eq(loaded->nsteps, taken->nsteps);
    for (sk_step k = 0; k < loaded->nsteps; k++) {
        const sk_model_event *a = &loaded->events[k], *b = &taken->events[k];
        ck_assert(a->ns == b->ns && a->index == b->index && a->type == b->type && a->from == b->from && a->to == b->to);
    }
    for (sk_step k = 0; k <= loaded->nsteps; k += loaded->nsteps / 3) {
        char *a = model_text(loaded, k), *b = model_text(taken, k);
        ck_assert_str_eq(a, b);
        free(a);
        free(b);
    }
    sk_model_free(loaded);
    sk_model_free(taken);
}
END_TEST

START_TEST(those_who_take_a_result_are_those_that_name_it)
{
    sk_model *m = forged();
    uint32_t uses = 0, deepest = SK_NO_INDEX;
    g_autofree uint32_t *next = g_new(uint32_t, m->nobjects); /* the use of each object that has to come now */
    for (uint32_t i = 0; i < m->nobjects; i++)
        next[i] = m->objects[i].last_use == SK_NO_INDEX ? SK_NO_INDEX : m->uses[m->objects[i].last_use].next;
    for (uint32_t t = 0; t < m->ntasks; t++) {
        for (uint32_t d = m->tasks[t].first_dep; d < m->tasks[t].first_dep + m->tasks[t].ndeps; d++, uses++) {
            uint32_t *at = &next[m->deps[d]];
            ck_assert_uint_eq(*at, d);
            ck_assert_uint_eq(m->uses[d].task, t);
            *at = d == m->objects[m->deps[d]].last_use ? SK_NO_INDEX : m->uses[d].next;
        }
        if (m->tasks[t].ndeps && (deepest == SK_NO_INDEX || m->tasks[t].layer > m->tasks[deepest].layer))
            deepest = t;
    }
    for (uint32_t i = 0; i < m->nobjects; i++)
        ck_assert_uint_eq(next[i], SK_NO_INDEX);
    ck_assert_uint_gt(uses, 1000);
    ck_assert_uint_eq(uses, m->nuses);
    ck_assert_uint_ne(deepest, SK_NO_INDEX);
    ck_assert_uint_eq(m->deepest, deepest);
    sk_model_free(m);
}
END_TEST

START_TEST(a_time_finds_the_last_step_that_is_not_later)
{
    sk_model *m = forged();
    for (int64_t ns = m->first - 1; ns <= m->last + 1; ns += 37) {
        sk_step k = sk_model_step_at(m, ns);
        ck_assert(k == 0 || m->events[k - 1].ns <= ns);
        ck_assert(k == m->nsteps || m->events[k].ns > ns);
    }
    sk_model_free(m);
}
END_TEST

/* ---- What views compute from it --------------------------------------------------------------------------------------------------------- */

START_TEST(how_busy_a_worker_was_is_the_sum_of_its_slices)
{
    sk_model *m = forged();
    sk_profile p = { 0 };
    sk_profile_follow(&p, m);
    GRand *dice = g_rand_new_with_seed(1);
    for (int i = 0; i < 2000; i++) {
        uint32_t w = g_rand_int(dice) % m->nworkers, blocked = g_rand_int(dice) % 2, longest;
        int64_t from = g_rand_int_range(dice, 0, (gint32)m->last), to = from + 1 + g_rand_int_range(dice, 0, i % 2 ? 40 : 9000),
                now = g_rand_int_range(dice, 0, (gint32)m->last + 100), sum = 0;
        for (uint32_t s = 0; s < m->nslices; s++) {
            const sk_model_slice *it = &m->slices[s];
            int64_t begin = sk_model_ns(m, it->begin), end = sk_model_ns(m, it->end);
            if (it->worker == w && it->blocked == blocked)
                sum += MAX(0, MIN(MIN(end, to), now) - MAX(begin, from));
        }
        ck_assert_int_eq(sk_profile_busy(&p.rows[w][blocked], m, from, to, now, &longest), sum);
    }
    int64_t work = 0;
    for (uint32_t s = 0; s < m->nslices; s++)
        work += m->slices[s].blocked ? 0 : sk_model_ns(m, m->slices[s].end) - sk_model_ns(m, m->slices[s].begin);
    ck_assert_int_eq(sk_profile_work(&p, m, m->last), work);
    g_rand_free(dice);
    sk_profile_clear(&p);
    sk_model_free(m);
}
END_TEST

START_TEST(no_two_tasks_of_a_layer_stand_closer_than_a_slot)
{
    sk_model *m = forged();
    sk_layout l = { 0 };
    sk_layout_follow(&l, m);
    ck_assert_uint_eq(l.ntasks, m->ntasks);
    for (uint32_t i = 0; i < m->ntasks; i++)
        for (uint32_t k = i + 1; k < m->ntasks; k++)
            if (m->tasks[i].layer == m->tasks[k].layer && fabsf(l.x[i] - l.x[k]) < 1)
                ck_abort_msg("tasks %u and %u of layer %u stand at %g and %g", i + 1, k + 1, m->tasks[i].layer, (double)l.x[i], (double)l.x[k]);
    sk_layout_clear(&l);
    sk_model_free(m);
}
END_TEST

START_TEST(a_long_task_is_drawn_though_short_ones_ran_in_the_pixel_in_which_it_begins)
{
    for (uint64_t n = 1; n <= 50; n += 7) {
        forge f = forge_start(1, 1, "work", NULL);
        for (uint64_t t = 1; t <= n; t++) {
            bool longest = t == n;
            forge_task(&f, 0, 0, t, 1, 0, 1, 0, t);
            forge_move(&f, 0, 0, t, SK_TASK_NONE, SK_TASK_READY, 0);
            forge_move(&f, 0, t, t, SK_TASK_READY, SK_TASK_RUNNING, 0);
            forge_move(&f, 0, longest ? 500000 : t, t, SK_TASK_RUNNING, SK_TASK_DONE, 0);
        }
        GByteArray *file = forge_end(&f, true, 1000000);
        sk_reader *log = sk_trace_read_memory("forged", file->data, file->len, NULL);
        sk_model *m = sk_model_new();
        sk_cursor *c = sk_trace_read_cursor(log);
        for (sk_event e; sk_trace_read_next(c, &e);)
            sk_model_take(m, &e);
        sk_trace_read_cursor_free(c);
        sk_view_state s;
        void *memory = sk_view_timeline.open();
        sk_draw *d = sk_draw_new();
        sk_view_state_init(&s, m);
        sk_frame_draw(&sk_view_timeline, memory, m, &s, 800, 400, d);
        float widest = 0;
        for (uint32_t i = 0; i < d->nitems; i++)
            if (d->hits[d->items[i].hit].what == SK_HIT_TASK)
                widest = MAX(widest, d->items[i].box.w);
        ck_assert_msg(widest > 300, "with %u tasks the widest bar has %g pixels", (unsigned)n, (double)widest);
        sk_draw_free(d);
        sk_view_timeline.close(memory);
        sk_model_free(m);
        sk_trace_read_close(log);
        g_byte_array_unref(file);
    }
}
END_TEST

START_TEST(a_view_that_grew_with_its_run_draws_what_a_fresh_one_draws)
{
    sk_model *m = sk_model_new();
    sk_reader *log = sk_trace_read_open(view_trace, NULL);
    void *grown[8];
    unsigned n = 0, events = 0;
    sk_view_state s;
    for (; sk_views[n]; n++)
        grown[n] = sk_views[n]->open ? sk_views[n]->open() : NULL;
    sk_cursor *c = sk_trace_read_cursor(log);
    for (sk_event e; sk_trace_read_next(c, &e); events++) {
        sk_model_take(m, &e);
        sk_view_state_init(&s, m);
        s.fold = events % 2 ? 3 : 0; /* groups too */
        for (unsigned v = 0; v < n && events % 5 == 0; v++) {
            void *fresh = sk_views[v]->open ? sk_views[v]->open() : NULL;
            char *a = picture_text(sk_views[v], grown[v], m, &s), *b = picture_text(sk_views[v], fresh, m, &s);
            ck_assert_str_eq(a, b);
            free(a);
            free(b);
            if (sk_views[v]->close)
                sk_views[v]->close(fresh);
        }
    }
    for (unsigned v = 0; v < n; v++)
        if (sk_views[v]->close)
            sk_views[v]->close(grown[v]);
    ck_assert_uint_gt(events, 100);
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(log);
    sk_model_free(m);
}
END_TEST

/* A task for each link: the next one takes what the one before has made. Task `failed` fails, and all after it. */
static sk_model *chain_of(uint32_t n, uint32_t failed)
{
    forge f = forge_new(1);
    forge_fn(&f, 1, "step");
    for (uint64_t t = 1; t <= n; t++) {
        forge_task(&f, 0, t, t, 1, 0, 1, t > 1, t, t - 1);
        forge_move(&f, 0, t, t, SK_TASK_NONE, t > 1 ? SK_TASK_WAITING : SK_TASK_READY, 0);
    }
    for (uint64_t t = 1; t <= n; t++) {
        if (t > 1)
            forge_move(&f, 0, n + t, t, SK_TASK_WAITING, SK_TASK_READY, 0);
        forge_move(&f, 0, n + t, t, SK_TASK_READY, SK_TASK_RUNNING, 0);
        forge_move(&f, 0, n + t, t, SK_TASK_RUNNING, t == failed ? SK_TASK_FAILED : SK_TASK_DONE, 0);
    }
    return view_model_of(forge_end(&f, true, 2 * n + 1));
}

static bool shows_task(const sk_draw *d, uint32_t task)
{
    for (uint32_t i = 0; i < d->nitems; i++)
        if (d->hits[d->items[i].hit].what == SK_HIT_TASK && d->hits[d->items[i].hit].index == task)
            return true;
    return false;
}

START_TEST(a_long_chain_is_reduced_by_as_many_items_as_can_be_seen_and_what_matters_is_among_them)
{
    enum { LINKS = 20000, FAILED = 7777, CHOSEN = 12345 };
    sk_model *m = chain_of(LINKS, FAILED + 1);
    sk_view_state s;
    sk_draw *d = sk_draw_new();
    void *memory = sk_view_reduce.open();
    ck_assert_uint_eq(m->nlayers, LINKS);
    sk_view_state_init(&s, m);
    sk_frame_draw(&sk_view_reduce, memory, m, &s, 1280, 720, d);
    ck_assert_uint_gt(d->nitems, 300);
    ck_assert_uint_lt(d->nitems, 2000);
    ck_assert(shows_task(d, FAILED));
    ck_assert(!shows_task(d, CHOSEN));
    s.task = CHOSEN;
    sk_draw_clear(d);
    sk_frame_draw(&sk_view_reduce, memory, m, &s, 1280, 720, d);
    ck_assert(shows_task(d, CHOSEN));
    for (unsigned i = 0; i < 30; i++) /* close to it: only what is in sight */
        sk_frame_move(&sk_view_reduce, memory, m, &s, 1280, 720, &(sk_view_move){ .x = 400, .y = 300, .factor = 2 });
    sk_draw_clear(d);
    sk_frame_draw(&sk_view_reduce, memory, m, &s, 1280, 720, d);
    ck_assert_uint_gt(d->nitems, 50);
    ck_assert_uint_lt(d->nitems, 1000);
    s.scale = 3; /* where there is no room, no words lie on the picture */
    for (unsigned small = 0; small < 2; small++) {
        unsigned headlines = 0;
        sk_draw_clear(d);
        sk_frame_draw(&sk_view_reduce, memory, m, &s, small ? 200 : 1280, small ? 150 : 720, d);
        for (uint32_t i = 0; i < d->nitems; i++)
            headlines += d->items[i].layer == SK_LAYER_ABOVE && d->items[i].kind == SK_DRAW_TEXT;
        ck_assert_uint_eq(headlines, small ? 0 : 1);
    }
    sk_view_reduce.close(memory);
    sk_draw_free(d);
    sk_model_free(m);
}
END_TEST

START_TEST(a_view_stays_in_its_area_and_every_size_can_be_drawn)
{
    static const float sizes[][2] = { { 50, 50 }, { 200, 150 }, { 640, 360 }, { 3840, 2160 }, { 60, 2000 }, { 2000, 60 } };
    sk_model *m = sk_model_load(view_trace, NULL);
    for (unsigned v = 0; sk_views[v]; v++)
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
            sk_view_state s;
            sk_draw *d = sk_draw_new();
            void *memory = sk_views[v]->open ? sk_views[v]->open() : NULL;
            sk_view_state_init(&s, m);
            s.task = 12;
            s.scale = i % 2 ? 3 : 0.75f;
            sk_frame_draw(sk_views[v], memory, m, &s, sizes[i][0], sizes[i][1], d);
            for (uint32_t k = 0; k < d->nitems; k++) {
                sk_rect b = d->items[k].box;
                ck_assert(isfinite(b.x) && isfinite(b.y) && isfinite(b.w) && isfinite(b.h));
                ck_assert_msg(d->items[k].kind != SK_DRAW_RECT || (b.w >= 0 && b.h >= 0), "%s at %g x %g: a box of %g x %g", sk_views[v]->name,
                              (double)sizes[i][0], (double)sizes[i][1], (double)b.w, (double)b.h);
            }
            if (sk_views[v]->close)
                sk_views[v]->close(memory);
            sk_draw_free(d);
        }
    sk_model_free(m);
}
END_TEST

/* ---- The draw list ---------------------------------------------------------------------------------------------------------------------- */

START_TEST(by_its_tabs_every_view_can_be_reached_and_the_one_that_is_shown_has_a_tab_at_any_size)
{
    static const struct { float w, h, scale; } sizes[] = { { 1280, 720, 1 }, { 1280, 720, 2 }, { 1280, 720, 1.5f }, { 700, 420, 1 }, { 700, 420, 1.5f },
                                                           { 400, 300, 1 }, { 300, 300, 1 }, { 240, 200, 1 } };
    sk_error err;
    sk_model *m = sk_model_load(view_trace, &err);
    ck_assert_msg(m != NULL, "%s", err.message);
    sk_view_state s;
    sk_view_state_init(&s, m);
    unsigned views = 0;
    while (sk_views[views])
        views++;
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        bool reached[32] = { true };
        s.scale = sizes[i].scale;
        for (unsigned round = 0; round < views; round++)
            for (unsigned v = 0; v < views; v++) {
                if (!reached[v])
                    continue;
                void *memory = sk_views[v]->open ? sk_views[v]->open() : NULL;
                sk_draw *d = sk_draw_new();
                bool own = false;
                sk_frame_draw(sk_views[v], memory, m, &s, sizes[i].w, sizes[i].h, d);
                for (uint32_t k = 0; k < d->nitems; k++) {
                    const sk_item *it = &d->items[k];
                    if (d->hits[it->hit].what != SK_HIT_VIEW || it->kind != SK_DRAW_RECT)
                        continue;
                    uint32_t to = d->hits[it->hit].index, there = sk_draw_at(d, it->box.x + it->box.w / 2, it->box.y + it->box.h / 2);
                    ck_assert_uint_eq(there, it->hit); /* nothing lies on it */
                    ck_assert_msg(it->box.x >= 0 && it->box.x + it->box.w <= sizes[i].w, "a tab is beside a picture of %g", (double)sizes[i].w);
                    reached[to] = true;
                    own |= to == v;
                }
                ck_assert_msg(own, "%s has no tab at %gx%g, scale %g", sk_views[v]->title, (double)sizes[i].w, (double)sizes[i].h, (double)s.scale);
                sk_draw_free(d);
                if (sk_views[v]->close)
                    sk_views[v]->close(memory);
            }
        for (unsigned v = 0; v < views; v++)
            ck_assert_msg(reached[v], "%s cannot be reached at %gx%g, scale %g", sk_views[v]->title, (double)sizes[i].w, (double)sizes[i].h, (double)s.scale);
    }
    sk_model_free(m);
}
END_TEST

START_TEST(pointing_at_a_box_finds_its_task_and_pointing_beside_it_nothing)
{
    sk_model *m = sk_model_load(view_trace, NULL);
    sk_view_state s;
    sk_draw *d = sk_draw_new();
    void *memory = sk_view_graph.open();
    sk_view_state_init(&s, m);
    sk_frame_draw(&sk_view_graph, memory, m, &s, 1280, 720, d);
    unsigned found = 0;
    for (uint32_t i = 0; i < d->nitems; i++) {
        const sk_item *it = &d->items[i];
        if (it->kind != SK_DRAW_RECT || d->hits[it->hit].what != SK_HIT_TASK)
            continue;
        const sk_hit *hit = &d->hits[sk_draw_at(d, it->box.x + it->box.w / 2, it->box.y + it->box.h / 2)];
        ck_assert_uint_eq(hit->what, SK_HIT_TASK);
        ck_assert_uint_eq(hit->index, d->hits[it->hit].index);
        found++;
    }
    ck_assert_uint_eq(found, m->ntasks);
    ck_assert_uint_eq(d->hits[sk_draw_at(d, 5, 300)].what, SK_HIT_NONE);
    ck_assert_uint_eq(sk_draw_at(d, -10, -10), 0);
    sk_view_graph.close(memory);
    sk_draw_free(d);
    sk_model_free(m);
}
END_TEST

START_TEST(a_label_fits_its_box_or_ends_with_dots_or_is_left_out)
{
    static const char *const texts[] = { "aggregate_data", "归约树 tree reduction", "ééé", "W", "" };
    sk_draw *d = sk_draw_new();
    for (unsigned t = 0; t < G_N_ELEMENTS(texts); t++)
        for (float w = 0; w < 200; w += 3) {
            sk_draw_clear(d);
            sk_draw_label(d, (sk_rect){ 10, 10, w, 20 }, texts[t], SK_FONT, 12, SK_LEFT, 0xff);
            bool fits = sk_draw_width(texts[t], SK_FONT, 12) <= w;
            if (fits && *texts[t])
                ck_assert_str_eq(d->chars + d->items[0].text, texts[t]);
            if (!d->nitems)
                continue;
            const char *text = d->chars + d->items[0].text;
            ck_assert(sk_draw_width(text, SK_FONT, 12) <= w);
            ck_assert(g_utf8_validate(text, -1, NULL));
            ck_assert(fits || g_str_has_suffix(text, "…"));
        }
    sk_draw_free(d);
}
END_TEST

START_TEST(low_layers_are_painted_first_and_each_in_the_order_of_its_items)
{
    sk_draw *d = sk_draw_new();
    const uint8_t layers[] = { SK_LAYER_TOP, SK_LAYER_GROUND, SK_LAYER_BOXES, SK_LAYER_GROUND, SK_LAYER_BOXES };
    for (unsigned i = 0; i < 5; i++) {
        sk_draw_layer(d, layers[i]);
        sk_draw_rect(d, (sk_rect){ 0, 0, 1, 1 }, &(sk_pen){ .fill = 0xff });
    }
    g_autofree uint32_t *order = sk_draw_order(d);
    const uint32_t expected[] = { 1, 3, 2, 4, 0 };
    ck_assert_mem_eq(order, expected, sizeof expected);
    sk_draw_free(d);
}
END_TEST

/* ---- Damaged files: no crash (the sanitizers look on), and a picture of what there is ---------------------------------------------------- */

static void draw_everything(const char *data, size_t n, unsigned *drawn)
{
    sk_reader *log = sk_trace_read_memory("damaged", data, n, NULL);
    if (!log)
        return;
    sk_model *m = sk_model_new();
    sk_cursor *c = sk_trace_read_cursor(log);
    for (sk_event e; sk_trace_read_next(c, &e);)
        sk_model_take(m, &e);
    sk_trace_read_cursor_free(c);
    for (unsigned v = 0; sk_views[v]; v++) {
        sk_view_state s;
        void *memory = sk_views[v]->open ? sk_views[v]->open() : NULL;
        sk_draw *d = sk_draw_new();
        sk_view_state_init(&s, m);
        sk_view_step(&s, m, m->nsteps / 2 + (sk_step)n % 2 * m->nsteps / 2);
        s.task = m->ntasks ? (uint32_t)n % m->ntasks : SK_NO_INDEX;
        s.fold = n % 3 ? 0 : 2;
        sk_frame_draw(sk_views[v], memory, m, &s, 640, 360, d);
        *drawn += d->nitems > 0;
        sk_draw_free(d);
        if (sk_views[v]->close)
            sk_views[v]->close(memory);
    }
    sk_model_free(m);
    sk_trace_read_close(log);
}

START_TEST(whatever_is_cut_off_or_changed_in_a_file_the_rest_is_drawn)
{
    char *data;
    gsize n;
    unsigned drawn = 0;
    ck_assert(g_file_get_contents(view_trace, &data, &n, NULL));
    for (gsize cut = 16; cut < n; cut += 8 * 7)
        draw_everything(data, cut, &drawn);
    GRand *dice = g_rand_new_with_seed(7);
    for (int round = 0; round < 400; round++) {
        g_autofree char *copy = g_memdup2(data, n);
        for (int i = 0; i <= round % 8; i++)
            copy[g_rand_int_range(dice, 16, (gint32)n)] = (char)(round % 3 ? g_rand_int(dice) % 16 : g_rand_int(dice));
        draw_everything(copy, n, &drawn);
    }
    ck_assert_uint_gt(drawn, 100);
    g_rand_free(dice);
    g_free(data);
}
END_TEST

static const sk_glyph *no_glyph(void *fonts, sk_font font, int size, uint32_t letter)
{
    static const sk_glyph none;
    (void)fonts, (void)font, (void)size, (void)letter;
    return &none;
}

/* Without letters: they come from different libraries. Edges may be smooth in different ways: few pixels differ much, all in all they do little. */
START_TEST(the_picture_of_the_window_is_that_of_the_files)
{
    enum { W = 800, H = 500 };
    sk_error err;
    sk_model *m = sk_model_load(view_trace, &err);
    ck_assert_msg(m != NULL, "%s", err.message);
    g_autofree char *path = g_strdup_printf("%s/skate-view-%d.png", g_get_tmp_dir(), (int)getpid());
    for (unsigned v = 0; sk_views[v]; v++) {
        sk_view_state s;
        sk_view_state_init(&s, m);
        void *memory = sk_views[v]->open ? sk_views[v]->open() : NULL;
        sk_draw *d = sk_draw_new();
        sk_frame_draw(sk_views[v], memory, m, &s, W, H, d);
        uint32_t n = 0;
        for (uint32_t i = 0; i < d->nitems; i++)
            if (d->items[i].kind != SK_DRAW_TEXT)
                d->items[n++] = d->items[i];
        d->nitems = n;
        ck_assert(sk_paint_png(d, W, H, path, &err));
        g_autofree uint32_t *at = g_new(uint32_t, W * H);
        sk_pixels p = { at, W, H, W };
        sk_pixels_fill(&p, d->ground);
        sk_paint_pixels(d, &p, no_glyph, NULL);
        cairo_surface_t *file = cairo_image_surface_create_from_png(path);
        ck_assert_int_eq(cairo_image_surface_get_width(file), W);
        long sum = 0, much = 0;
        for (int y = 0; y < H; y++) {
            const uint32_t *row = (const uint32_t *)(cairo_image_surface_get_data(file) + y * cairo_image_surface_get_stride(file));
            for (int x = 0; x < W; x++)
                for (int shift = 0; shift < 24; shift += 8) {
                    int by = abs((int)(row[x] >> shift & 255) - (int)(at[y * W + x] >> shift & 255));
                    sum += by, much += by > 64;
                }
        }
        double mean = (double)sum / (3.0 * W * H), part = (double)much / (3.0 * W * H);
        ck_assert_msg(mean < 1.5 && part < .01, "%s: mean difference %.3f of 255, %.3f %% differ much", sk_views[v]->name, mean, 100 * part);
        cairo_surface_destroy(file);
        remove(path);
        sk_draw_free(d);
        if (sk_views[v]->close)
            sk_views[v]->close(memory);
    }
    sk_model_free(m);
}
END_TEST

START_TEST(how_long_a_task_ran_is_the_sum_of_its_slices_at_every_step)
{
    forge f = forge_new(1);
    uint64_t ns = 0;
    forge_fn(&f, 1, "often");
    forge_task(&f, 0, ns, 1, 1, 0, 1, 0, 1);
    forge_move(&f, 0, ns += 2, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_move(&f, 0, ns += 3, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    for (uint64_t i = 0; i < 100; i++) {
        forge_move(&f, 0, ns += 1 + i % 5, 1, SK_TASK_RUNNING, SK_TASK_BLOCKED, 0);
        forge_move(&f, 0, ns += 7, 1, SK_TASK_BLOCKED, SK_TASK_RUNNING, 0);
    }
    forge_move(&f, 0, ns += 4, 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    GByteArray *file = forge_end(&f, true, ns);
    sk_reader *log = sk_trace_read_memory("often", (const char *)file->data, file->len, NULL);
    sk_model *m = sk_model_new();
    sk_cursor *c = sk_trace_read_cursor(log);
    for (sk_event e; sk_trace_read_next(c, &e);)
        sk_model_take(m, &e);
    ck_assert_uint_eq(m->nslices, 201);
    for (sk_step k = 0; k <= m->nsteps; k++) {
        int64_t sum = 0;
        uint32_t last = SK_NO_INDEX;
        for (uint32_t i = 0; i < m->nslices && m->slices[i].begin <= k; last = i++)
            if (!m->slices[i].blocked)
                sum += sk_model_ns(m, MIN(m->slices[i].end, k)) - sk_model_ns(m, m->slices[i].begin);
        ck_assert_uint_eq(sk_model_slice_of(m, 0, k), last);
        ck_assert_int_eq(sk_model_run_ns(m, 0, k, sk_model_ns(m, k)), sum);
    }
    sk_model_free(m);
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
}
END_TEST

/* ---- Pictures --------------------------------------------------------------------------------------------------------------------------- */

/* Letters may differ by the version of a font; boxes and colours may not: so the mean difference is small, and few pixels differ much. */
static int same(const char *a, const char *b)
{
    cairo_surface_t *x = cairo_image_surface_create_from_png(a), *y = cairo_image_surface_create_from_png(b);
    int w = cairo_image_surface_get_width(x), h = cairo_image_surface_get_height(x);
    if (cairo_surface_status(x) || cairo_surface_status(y) || w != cairo_image_surface_get_width(y) || h != cairo_image_surface_get_height(y)) {
        printf("%s and %s have not the same size, or one is no PNG\n", a, b);
        return 1;
    }
    double sum = 0;
    long much = 0;
    for (int row = 0; row < h; row++) {
        const unsigned char *p = cairo_image_surface_get_data(x) + row * cairo_image_surface_get_stride(x),
                            *q = cairo_image_surface_get_data(y) + row * cairo_image_surface_get_stride(y);
        for (int i = 0; i < 4 * w; i++) {
            if (i % 4 == 3) /* unused */
                continue;
            sum += abs(p[i] - q[i]);
            much += abs(p[i] - q[i]) > 48;
        }
    }
    double mean = sum / (3.0 * w * h), part = (double)much / (3.0 * w * h);
    printf("mean difference %.3f of 255, %.3f %% differ much\n", mean, 100 * part);
    cairo_surface_destroy(x);
    cairo_surface_destroy(y);
    return mean > 1.5 || part > 0.015;
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "--same"))
        return same(argv[2], argv[3]);
    if (argc != 2)
        return fprintf(stderr, "usage: view TRACE | view --same A.png B.png\n"), 2;
    view_trace = argv[1];
    Suite *suite = suite_create("view");
    TCase *t = tcase_create("view");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_run_looked_back_on_is_what_it_was_when_it_had_come_so_far);
    tcase_add_test(t, an_attempt_that_was_lost_with_its_worker_is_told_from_one_that_failed_and_tells_why);
    tcase_add_test(t, what_is_counted_at_a_step_is_what_each_task_says_then);
    tcase_add_test(t, a_log_of_as_many_groups_as_tasks_takes_memory_by_its_steps);
    tcase_add_test(t, workers_beyond_number_share_lanes_and_a_node_that_comes_again_gets_no_more);
    tcase_add_test(t, a_file_makes_the_model_that_its_events_make);
    tcase_add_test(t, those_who_take_a_result_are_those_that_name_it);
    tcase_add_test(t, a_time_finds_the_last_step_that_is_not_later);
    tcase_add_test(t, how_busy_a_worker_was_is_the_sum_of_its_slices);
    tcase_add_test(t, no_two_tasks_of_a_layer_stand_closer_than_a_slot);
    tcase_add_test(t, a_long_task_is_drawn_though_short_ones_ran_in_the_pixel_in_which_it_begins);
    tcase_add_test(t, a_view_that_grew_with_its_run_draws_what_a_fresh_one_draws);
    tcase_add_test(t, a_long_chain_is_reduced_by_as_many_items_as_can_be_seen_and_what_matters_is_among_them);
    tcase_add_test(t, a_view_stays_in_its_area_and_every_size_can_be_drawn);
    tcase_add_test(t, by_its_tabs_every_view_can_be_reached_and_the_one_that_is_shown_has_a_tab_at_any_size);
    tcase_add_test(t, pointing_at_a_box_finds_its_task_and_pointing_beside_it_nothing);
    tcase_add_test(t, a_label_fits_its_box_or_ends_with_dots_or_is_left_out);
    tcase_add_test(t, low_layers_are_painted_first_and_each_in_the_order_of_its_items);
    tcase_add_test(t, how_long_a_task_ran_is_the_sum_of_its_slices_at_every_step);
    tcase_add_test(t, the_picture_of_the_window_is_that_of_the_files);
    tcase_add_test(t, whatever_is_cut_off_or_changed_in_a_file_the_rest_is_drawn);
    suite_add_tcase(suite, t);
    suite_add_tcase(suite, view_places_case());
    suite_add_tcase(suite, view_stats_case());
    suite_add_tcase(suite, code_cases());
    suite_add_tcase(suite, compare_cases());
    suite_add_tcase(suite, figures_case());
    suite_add_tcase(suite, graph_case());
    suite_add_tcase(suite, timeline_case());
    suite_add_tcase(suite, film_tests(view_trace));
    suite_add_tcase(suite, critical_case());
    suite_add_tcase(suite, predict_case());
    suite_add_tcase(suite, reduce_case());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int run = srunner_ntests_run(runner), failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    printf("cases: %d passed, %d failed\n", run - failed, failed);
    return failed || !run;
}
