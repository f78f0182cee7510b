/* test_timeline.c -- the model of a run, its figures, and what is made of them: Gantt chart,
 * Chrome JSON, CSV, DOT. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../viz/export.h"
#include "gantt.h"
#include "timeline.h"
#include "trace_forge.h"

Suite *timeline_suite(void);

typedef struct loaded {
    GByteArray *file;
    sk_reader *log;
    sk_timeline *t;
} loaded;

static loaded load(GByteArray *file)
{
    loaded l = { file, sk_trace_read_memory("x", file->data, file->len, NULL), NULL };
    ck_assert_ptr_nonnull(l.log);
    l.t = sk_timeline_new(l.log);
    return l;
}

static void unload(loaded *l)
{
    sk_timeline_free(l->t);
    sk_trace_read_close(l->log);
    g_byte_array_unref(l->file);
}

static void write_gantt(FILE *out, const sk_timeline *t) { sk_gantt_print(out, t, 60); }
static void write_summary(FILE *out, const sk_timeline *t)
{
    sk_summary_print(out, t, "x.sktrace");
}

/* What `write` prints of this timeline; free it. */
static char *text_of(const sk_timeline *t, void (*write)(FILE *, const sk_timeline *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    write(out, t);
    fclose(out);
    return text;
}

static void assert_text(const char *text, const char *expected)
{
    ck_assert_msg(!strcmp(text, expected), "it is:\n%s\nbut should be:\n%s", text, expected);
}

static void assert_in(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "this:\n%s\ndoes not say \"%s\"", text, part);
}

enum { MS = 1000000 };

/* Submits a task at `ns` and makes it READY when its arguments are there, at `ready` (== ns: at
 * once). */
#define SUBMIT(f, ns, ready, task, fn, parent, ...)                                                \
    do {                                                                                           \
        forge_task((f), 0, (ns), (task), (fn), (parent), __VA_ARGS__);                             \
        forge_move((f), 0, (ns), (task), SK_TASK_NONE,                                             \
                   (ready) == (ns) ? SK_TASK_READY : SK_TASK_WAITING, 0);                          \
        if ((ready) != (ns))                                                                       \
            forge_move((f), 9, (ready), (task), SK_TASK_WAITING, SK_TASK_READY, 0);                \
    } while (0)

/* Three tasks of 100 ms, each takes the one before. */
static forge chain(void)
{
    forge f = forge_start(1, 1, "link", NULL);
    SUBMIT(&f, 0, 0, 1, 1, 0, 1, 0, 101ull);
    SUBMIT(&f, 0, 100 * MS, 2, 1, 0, 1, 1, 102ull, 101ull);
    SUBMIT(&f, 0, 200 * MS, 3, 1, 0, 1, 1, 103ull, 102ull);
    for (uint64_t i = 0; i < 3; i++)
        forge_run(&f, 0, i * 100 * MS, (i + 1) * 100 * MS, i + 1, 101 + i);
    return f;
}

/* Four leaves of 100 ms on four workers, added pairwise in 50 ms. */
static forge tree(void)
{
    forge f = forge_start(1, 4, "leaf", "add", NULL);
    for (uint64_t i = 1; i <= 4; i++)
        SUBMIT(&f, 0, 0, i, 1, 0, 1, 0, 100 + i);
    SUBMIT(&f, 0, 100 * MS, 5, 2, 0, 1, 2, 105ull, 101ull, 102ull);
    SUBMIT(&f, 0, 100 * MS, 6, 2, 0, 1, 2, 106ull, 103ull, 104ull);
    SUBMIT(&f, 0, 150 * MS, 7, 2, 0, 1, 2, 107ull, 105ull, 106ull);
    for (uint64_t i = 0; i < 4; i++)
        forge_run(&f, (unsigned)i, 0, 100 * MS, i + 1, 101 + i);
    forge_run(&f, 0, 100 * MS, 150 * MS, 5, 105);
    forge_run(&f, 2, 100 * MS, 150 * MS, 6, 106);
    forge_run(&f, 0, 150 * MS, 200 * MS, 7, 107);
    forge_wait(&f, 0, 1 * MS, 200 * MS, 0, 107);
    return f;
}

/* A parent runs 10 ms, waits for its child of 60 ms on another worker, runs 20 ms more. */
static forge nested(void)
{
    forge f = forge_start(1, 2, "parent", "child", NULL);
    SUBMIT(&f, 0, 0, 1, 1, 0, 1, 0, 101ull);
    forge_move(&f, 1, 0, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_task(&f, 1, 10 * MS, 2, 2, 1, 1, 0, 102ull);
    forge_move(&f, 1, 10 * MS, 2, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_move(&f, 1, 10 * MS, 1, SK_TASK_RUNNING, SK_TASK_BLOCKED, 0);
    forge_run(&f, 1, 20 * MS, 80 * MS, 2, 102);
    forge_wait(&f, 1, 10 * MS, 80 * MS, 1, 102);
    forge_move(&f, 1, 80 * MS, 1, SK_TASK_BLOCKED, SK_TASK_RUNNING, 0);
    forge_object(&f, 1, 100 * MS, 101, SK_OBJECT_PENDING, SK_OBJECT_READY, 8);
    forge_move(&f, 1, 100 * MS, 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    return f;
}

/* Attempt 1 ends after 40 ms and is tried again, attempt 2 fails; one is cancelled while it runs,
 * one is never run. */
static forge trouble(void)
{
    forge f = forge_start(1, 2, "shaky", "slow", NULL);
    SUBMIT(&f, 0, 0, 1, 1, 0, 1, 0, 101ull);
    SUBMIT(&f, 0, 0, 2, 2, 0, 1, 0, 102ull);
    SUBMIT(&f, 0, 90 * MS, 3, 2, 0, 1, 1, 103ull, 101ull);
    forge_move(&f, 1, 0, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 1, 40 * MS, 1, SK_TASK_RUNNING, SK_TASK_READY, 0);
    forge_move(&f, 1, 50 * MS, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_object(&f, 1, 90 * MS, 101, SK_OBJECT_PENDING, SK_OBJECT_FAILED, 0);
    forge_move(&f, 1, 90 * MS, 1, SK_TASK_RUNNING, SK_TASK_FAILED, SK_TASK);
    forge_move(&f, 2, 0, 2, SK_TASK_READY, SK_TASK_RUNNING, 1);
    forge_object(&f, 2, 60 * MS, 102, SK_OBJECT_PENDING, SK_OBJECT_FAILED, 0);
    forge_move(&f, 2, 60 * MS, 2, SK_TASK_RUNNING, SK_TASK_CANCELLED, SK_CANCELLED);
    forge_object(&f, 1, 95 * MS, 103, SK_OBJECT_PENDING, SK_OBJECT_FAILED, 0);
    forge_move(&f, 1, 95 * MS, 3, SK_TASK_READY, SK_TASK_FAILED, SK_TASK);
    return f;
}

/* ---- the model ---- */

START_TEST(a_chain_has_no_parallelism)
{
    forge f = chain();
    loaded l = load(forge_end(&f, true, 300 * MS));
    ck_assert_int_eq(l.t->work, 300 * MS);
    ck_assert_int_eq(l.t->span, 300 * MS);
    ck_assert_int_eq(l.t->makespan, 300 * MS);
    ck_assert_uint_eq(l.t->npath, 3);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(l.t->path[i].task, i);
        ck_assert_int_eq(l.t->path[i].ns, 100 * MS);
    }
    ck_assert_uint_eq(l.t->done, 3);
    ck_assert_uint_eq(l.t->tasks[2].ndeps, 1);
    ck_assert_uint_eq(l.t->objects[l.t->deps[l.t->tasks[2].first_dep]].producer, 1);
    ck_assert_int_eq(l.t->tasks[2].ready, 200 * MS);
    ck_assert_uint_eq(l.t->sites[l.t->tasks[0].site].line, 1);
    unload(&l);
}
END_TEST

START_TEST(a_tree_has_the_span_of_its_height)
{
    forge f = tree();
    loaded l = load(forge_end(&f, true, 200 * MS));
    ck_assert_int_eq(l.t->work, 550 * MS);
    ck_assert_int_eq(l.t->span, 200 * MS);
    ck_assert_uint_eq(l.t->npath, 3);
    ck_assert_uint_eq(l.t->path[2].task, 6);
    ck_assert_int_eq(l.t->path[2].ns, 50 * MS);
    ck_assert_uint_eq(l.t->nworkers, 4);
    ck_assert_int_eq(l.t->workers[0].busy_ns, 200 * MS);
    ck_assert_int_eq(l.t->workers[3].busy_ns, 100 * MS);
    ck_assert_uint_eq(l.t->nwaits, 1);
    ck_assert_int_eq(l.t->waits[0].end, 200 * MS);
    ck_assert_uint_eq(l.t->fns[l.t->tasks[6].fn].tasks, 3);
    ck_assert_str_eq(sk_timeline_name(l.t, 6), "add");
    unload(&l);
}
END_TEST

START_TEST(a_parent_that_waits_depends_on_its_child)
{
    forge f = nested();
    loaded l = load(forge_end(&f, true, 100 * MS));
    ck_assert_int_eq(l.t->work, 90 * MS);
    ck_assert_int_eq(l.t->span, 90 * MS);
    ck_assert_int_eq(l.t->makespan, 100 * MS);
    ck_assert_int_eq(l.t->tasks[0].run_ns, 30 * MS);
    ck_assert_int_eq(l.t->tasks[0].blocked_ns, 70 * MS);
    ck_assert_uint_eq(l.t->tasks[1].parent, 0);
    const uint32_t tasks[] = { 0, 1, 0 };
    const int64_t times[] = { 10 * MS, 60 * MS, 20 * MS };
    ck_assert_uint_eq(l.t->npath, 3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(l.t->path[i].task, tasks[i]);
        ck_assert_int_eq(l.t->path[i].ns, times[i]);
    }
    unload(&l);
}
END_TEST

START_TEST(a_child_nobody_waits_for_does_not_delay_its_parent)
{
    forge f = forge_start(1, 2, "parent", "child", NULL);
    SUBMIT(&f, 0, 0, 1, 1, 0, 1, 0, 101ull);
    forge_move(&f, 1, 0, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_task(&f, 1, 10 * MS, 2, 2, 1, 1, 0, 102ull);
    forge_move(&f, 1, 10 * MS, 2, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_move(&f, 1, 30 * MS, 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    forge_run(&f, 1, 20 * MS, 80 * MS, 2, 102);
    loaded l = load(forge_end(&f, true, 100 * MS));
    ck_assert_int_eq(l.t->span, 70 * MS);
    ck_assert_uint_eq(l.t->npath, 2);
    unload(&l);
}
END_TEST

START_TEST(retries_failures_and_cancels_are_told_apart)
{
    forge f = trouble();
    loaded l = load(forge_end(&f, true, 100 * MS));
    ck_assert_uint_eq(l.t->failed, 2);
    ck_assert_uint_eq(l.t->cancelled, 1);
    ck_assert_uint_eq(l.t->retries, 1);
    const sk_line_task *shaky = &l.t->tasks[0];
    ck_assert_uint_eq(shaky->attempts, 2);
    ck_assert_int_eq(shaky->run_ns, 80 * MS);
    ck_assert_uint_eq(shaky->code, SK_TASK);
    const sk_line_slice *first = &l.t->slices[shaky->first_slice],
                        *second = &l.t->slices[first->next];
    ck_assert_uint_eq(first->how, SK_SLICE_RETRIED);
    ck_assert_uint_eq(second->how, SK_SLICE_FAILED);
    ck_assert_uint_eq(second->attempt, 2);
    ck_assert_int_eq(l.t->tasks[2].start, SK_NO_TIME);
    ck_assert_str_eq(sk_timeline_outcome(l.t, 1), "cancelled");
    ck_assert_str_eq(sk_timeline_code(l.t->tasks[1].code), "CANCELLED");
    unload(&l);
}
END_TEST

/* Its worker dies while it runs, then while it is blocked; then it fails by itself, and is tried again: none of that is a failure. */
START_TEST(an_attempt_that_was_lost_is_told_from_one_that_failed_and_neither_is_a_failure_of_the_task)
{
    forge f = forge_start(1, 1, "f", NULL);
    SUBMIT(&f, 1, 1, 1, 1, 0, 1, 0, 1ull);
    forge_move(&f, 0, 2, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 0, 3, 1, SK_TASK_RUNNING, SK_TASK_READY, SK_WORKER_DIED);
    forge_move(&f, 0, 4, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 0, 5, 1, SK_TASK_RUNNING, SK_TASK_BLOCKED, 0);
    forge_move(&f, 0, 6, 1, SK_TASK_BLOCKED, SK_TASK_READY, SK_WORKER_OOM);
    forge_move(&f, 0, 7, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 0, 8, 1, SK_TASK_RUNNING, SK_TASK_READY, SK_TASK);
    forge_move(&f, 0, 9, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 0, 10, 1, SK_TASK_RUNNING, SK_TASK_READY, 0); /* as older logs have it */
    forge_move(&f, 0, 11, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 0, 12, 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    loaded l = load(forge_end(&f, true, 20));
    static const uint8_t codes[] = { SK_WORKER_DIED, SK_OK, SK_WORKER_OOM, SK_TASK, SK_OK, SK_OK };
    ck_assert_uint_eq(l.t->failed, 0);
    ck_assert_uint_eq(l.t->retries, 4);
    ck_assert_uint_eq(l.t->lost, 2);
    ck_assert_uint_eq(l.t->nslices, G_N_ELEMENTS(codes));
    for (uint32_t i = 0; i < l.t->nslices; i++)
        ck_assert_uint_eq(l.t->slices[i].code, codes[i]);
    unload(&l);
}
END_TEST

START_TEST(bytes_are_counted_while_they_live)
{
    forge f = forge_start(1, 1, "f", NULL);
    forge_object(&f, 0, 1, 1, SK_OBJECT_NONE, SK_OBJECT_READY, 1000);
    forge_object(&f, 0, 2, 2, SK_OBJECT_NONE, SK_OBJECT_READY, 500);
    forge_object(&f, 0, 3, 1, SK_OBJECT_READY, SK_OBJECT_FREED, 0);
    forge_object(&f, 0, 4, 3, SK_OBJECT_NONE, SK_OBJECT_READY, 200);
    loaded l = load(forge_end(&f, true, 9));
    ck_assert_uint_eq(l.t->bytes_made, 1700);
    ck_assert_uint_eq(l.t->bytes_peak, 1500);
    ck_assert_uint_eq(l.t->objects_freed, 1);
    ck_assert_uint_eq(l.t->objects[1].site, l.t->objects[0].site);
    unload(&l);
}
END_TEST

/* Two objects go from node 1 to 2, one of them on to 3. */
static forge moves(void)
{
    static const uint64_t records[][4] = { { 1, 1000, 1ull << 32 | 2, 5 * MS }, { 2, 500, 1ull << 32 | 2, 7 * MS }, { 1, 1000, 2ull << 32 | 3, 1 * MS } };
    forge f = forge_start(1, 1, "f", NULL);
    forge_object(&f, 0, 1 * MS, 1, SK_OBJECT_NONE, SK_OBJECT_READY, 1000);
    forge_object(&f, 0, 2 * MS, 2, SK_OBJECT_NONE, SK_OBJECT_READY, 500);
    for (uint64_t i = 0; i < 3; i++)
        forge_record(&f, 0, (10 + i) * MS, SK_TRACE_TRANSFER, 0, records[i], 4);
    return f;
}

START_TEST(transfers_are_told_with_source_target_bytes_and_times)
{
    forge f = moves();
    loaded l = load(forge_end(&f, true, 99 * MS));
    ck_assert_uint_eq(l.t->ntransfers, 3);
    ck_assert_uint_eq(l.t->bytes_moved, 2500);
    g_autofree char *text = text_of(l.t, sk_transfers_write), *summary = text_of(l.t, write_summary), *chrome = text_of(l.t, sk_chrome_write);
    assert_text(text, "object,made_by,file,line,bytes,from,to,start_ns,end_ns\n"
                      "1,0,forge.c,1,1000,1,2,5000000,10000000\n"
                      "2,0,forge.c,1,500,1,2,4000000,11000000\n"
                      "1,0,forge.c,1,1000,2,3,11000000,12000000\n");
    assert_in(summary, "transfers    3 from node to node; 2.50 kB in all");
    assert_in(summary, "1 -> 2                           2   6.00 ms   7.00 ms   1.50 kB");
    assert_in(summary, "2 -> 3                           1   1.00 ms   1.00 ms   1.00 kB");
    assert_in(chrome, "\"ph\":\"b\",\"cat\":\"transfer\",\"name\":\"from node 1\",\"id\":2,\"pid\":3,\"tid\":0,\"ts\":4000.000,"
                      "\"args\":{\"object\":2,\"bytes\":500,\"made at\":\"forge.c:1\"}}");
    assert_in(chrome, "\"ph\":\"e\",\"cat\":\"transfer\",\"name\":\"from node 1\",\"id\":2,\"pid\":3,\"tid\":0,\"ts\":11000.000}");
    unload(&l);
}
END_TEST

START_TEST(times_are_printed_in_three_digits)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        { 0, "0 ns" },          { 999, "999 ns" },        { 1000, "1.00 us" },
        { 12345, "12.3 us" },   { 123456, "123 us" },     { 999600, "1.00 ms" },
        { 1500000, "1.50 ms" }, { 2000000000, "2.00 s" }, { 3600000000000, "3600 s" },
        { -1500, "-1.50 us" },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        char buf[16];
        ck_assert_str_eq(sk_timeline_time(cases[i].ns, buf), cases[i].text);
    }
}
END_TEST

/* ---- damage ---- */

static void try_everything(const GByteArray *file, size_t size)
{
    uint64_t *copy = g_malloc(size + 8);
    memcpy(copy, file->data, size);
    sk_reader *log = sk_trace_read_memory("x", copy, size, NULL);
    if (log) {
        void (*const writers[])(FILE *, const sk_timeline *) = { write_gantt,   write_summary,
                                                                 sk_refs_print, sk_chrome_write,
                                                                 sk_dot_write,  sk_csv_write };
        sk_timeline *t = sk_timeline_new(log);
        for (unsigned i = 0; i < G_N_ELEMENTS(writers); i++)
            free(text_of(t, writers[i]));
        sk_timeline_free(t);
    }
    sk_trace_read_close(log);
    g_free(copy);
}

START_TEST(what_is_left_of_a_cut_trace_can_be_shown)
{
    forge (*const makers[])(void) = { tree, nested, trouble };
    for (unsigned m = 0; m < G_N_ELEMENTS(makers); m++) {
        forge f = makers[m]();
        GByteArray *file = forge_end(&f, true, 300 * MS);
        for (size_t n = 0; n < file->len; n += 8)
            try_everything(file, n);
        g_byte_array_unref(file);
    }
}
END_TEST

START_TEST(a_trace_with_any_byte_changed_can_be_shown)
{
    forge f = nested();
    GByteArray *file = forge_end(&f, true, 300 * MS);
    for (size_t at = 0; at < file->len; at++) {
        uint8_t was = file->data[at];
        for (unsigned k = 0; k < 2; k++) {
            file->data[at] = k ? 0xff : (uint8_t)(was ^ 1);
            try_everything(file, file->len);
        }
        file->data[at] = was;
    }
    g_byte_array_unref(file);
}
END_TEST

START_TEST(a_truncated_trace_is_shown_as_far_as_it_goes_and_says_so)
{
    forge f = forge_start(1, 1, "long", NULL);
    SUBMIT(&f, 0, 0, 1, 1, 0, 1, 0, 101ull);
    forge_move(&f, 1, 10 * MS, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_object(&f, 0, 50 * MS, 102, SK_OBJECT_NONE, SK_OBJECT_READY, 1);
    loaded l = load(forge_end(&f, false, 0));
    ck_assert_uint_eq(l.t->unfinished, 1);
    ck_assert_int_eq(l.t->tasks[0].run_ns, 40 * MS);
    g_autofree char *summary = text_of(l.t, write_summary), *gantt = text_of(l.t, write_gantt);
    assert_in(summary, "TRUNCATED");
    assert_in(summary, "1 unfinished");
    assert_in(gantt, "TRUNCATED");
    unload(&l);
}
END_TEST

START_TEST(a_trace_of_a_program_that_ended_by_an_error_is_whole_and_says_why)
{
    forge f = forge_start(1, 1, "long", NULL);
    SUBMIT(&f, 0, 0, 1, 1, 0, 1, 0, 101ull);
    forge_move(&f, 1, 10 * MS, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_info(&f, "error", "main.c:3: sk_get: failed with TASK; no: it rains");
    loaded l = load(forge_end(&f, true, 50 * MS));
    ck_assert(l.t->info.whole);
    ck_assert_uint_eq(l.t->unfinished, 1);
    g_autofree char *summary = text_of(l.t, write_summary), *gantt = text_of(l.t, write_gantt);
    assert_in(summary, "ENDED BY AN ERROR: main.c:3: sk_get: failed with TASK; no: it rains");
    assert_in(gantt, "ENDED BY AN ERROR: main.c:3: sk_get: failed with TASK; no: it rains");
    ck_assert(!strstr(summary, "TRUNCATED") && !strstr(gantt, "TRUNCATED"));
    unload(&l);
}
END_TEST

START_TEST(dropped_records_are_said_loudly)
{
    forge f = chain();
    f.dropped = 17;
    loaded l = load(forge_end(&f, true, 300 * MS));
    g_autofree char *summary = text_of(l.t, write_summary), *gantt = text_of(l.t, write_gantt);
    assert_in(summary, "DROPPED: 17 records");
    assert_in(gantt, "INCOMPLETE: 17 records");
    unload(&l);
}
END_TEST

/* ---- the Gantt chart ---- */

START_TEST(a_gantt_shows_ten_sleeps_as_ten_bars)
{
    forge f = forge_start(1, 10, "nap", NULL);
    for (uint64_t i = 1; i <= 10; i++)
        SUBMIT(&f, 0, 0, i, 1, 0, 1, 0, 100 + i);
    for (unsigned i = 0; i < 10; i++)
        forge_run(&f, i, 0, 1000 * MS, i + 1, 101 + i);
    forge_wait(&f, 0, 0, 1000 * MS, 0, 101);
    loaded l = load(forge_end(&f, true, 1000 * MS));
    g_autofree char *text = text_of(l.t, write_gantt);
    assert_text(text, "forge on threads, 10 workers: 10 tasks in 1.00 s\n"
                      "          0 s                   0.5 s                 1.0 s\n"
                      "          +---------------------+---------------------+ busy\n"
                      "  driver  ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~   0%\n"
                      "worker 0  NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN 100%\n"
                      "worker 1  NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN 100%\n"
                      "worker 2  NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN 100%\n"
                      "worker 3  NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN 100%\n"
                      "worker 4  NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN 100%\n"
                      "worker 5  NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN 100%\n"
                      "worker 6  NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN 100%\n"
                      "worker 7  NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN 100%\n"
                      "worker 8  NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN 100%\n"
                      "worker 9  NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN 100%\n"
                      "          N nap   10 tasks, mean 1.00 s, in all 10.0 s\n"
                      "          ~ waiting (sk_get, sk_wait)   = driver at work\n"
                      "          work T1 10.0 s, span Tinf 1.00 s, T1/Tinf 10.00\n");
    unload(&l);
}
END_TEST

START_TEST(a_gantt_shows_a_tree_getting_narrow)
{
    forge f = tree();
    loaded l = load(forge_end(&f, true, 200 * MS));
    g_autofree char *text = text_of(l.t, write_gantt);
    assert_text(text, "forge on threads, 4 workers: 7 tasks in 200 ms\n"
                      "          0 ms       50 ms      100 ms     150 ms     200 ms\n"
                      "          +----------+----------+----------+----------+ busy\n"
                      "  driver  ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~   1%\n"
                      "worker 0  LLLLLLLLLLLLLLLLLLLLLL|AAAAAAAAAA|AAAAAAAAAAA 100%\n"
                      "worker 1  LLLLLLLLLLLLLLLLLLLLLLL......................  50%\n"
                      "worker 2  LLLLLLLLLLLLLLLLLLLLLL|AAAAAAAAAAA...........  75%\n"
                      "worker 3  LLLLLLLLLLLLLLLLLLLLLLL......................  50%\n"
                      "          L leaf  4 tasks, mean 100 ms, in all 400 ms\n"
                      "          A add   3 tasks, mean 50.0 ms, in all 150 ms\n"
                      "          . idle   ~ waiting (sk_get, sk_wait)\n"
                      "          = driver at work   | next task\n"
                      "          work T1 550 ms, span Tinf 200 ms, T1/Tinf 2.75\n");
    unload(&l);
}
END_TEST

START_TEST(a_gantt_marks_what_went_wrong)
{
    forge f = trouble();
    loaded l = load(forge_end(&f, true, 100 * MS));
    g_autofree char *text = text_of(l.t, write_gantt);
    assert_text(text, "forge on threads, 2 workers: 3 tasks in 95.0 ms\n"
                      "          0 ms     20 ms    40 ms     60 ms    80 ms\n"
                      "          +--------+--------+---------+--------+------- busy\n"
                      "  driver  ============================================= 100%\n"
                      "worker 0  SSSSSSSSSSSSSSSSSS!....sSSSSSSSSSSSSSSSSSSx..  84%\n"
                      "worker 1  LLLLLLLLLLLLLLLLLLLLLLLLLLLL/................  63%\n"
                      "          S shaky  1 task, mean 80.0 ms, in all 80.0 ms\n"
                      "          L slow   2 tasks, mean 30.0 ms, in all 60.0 ms\n"
                      "          . idle   = driver at work\n"
                      "          small letter: less than half busy   x failed\n"
                      "          ! broken off, tried again   / cancelled\n"
                      "          work T1 140 ms, span Tinf 80.0 ms, T1/Tinf 1.75\n");
    unload(&l);
}
END_TEST

START_TEST(a_gantt_shows_blocked_tasks_and_neighbours_apart)
{
    forge f = nested();
    SUBMIT(&f, 0, 0, 3, 2, 0, 1, 0, 103ull);
    forge_run(&f, 1, 80 * MS, 95 * MS, 3, 103);
    loaded l = load(forge_end(&f, true, 100 * MS));
    g_autofree char *text = text_of(l.t, write_gantt);
    assert_text(text, "forge on threads, 2 workers: 3 tasks in 100 ms\n"
                      "          0 ms                  50 ms                 100 ms\n"
                      "          +---------------------+---------------------+ busy\n"
                      "  driver  ============================================= 100%\n"
                      "worker 0  PPPPP~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~PPPPPPPPP  30%\n"
                      "worker 1  .........CCCCCCCCCCCCCCCCCCCCCCCCCCC|CCCCCC..  75%\n"
                      "          C child   2 tasks, mean 37.5 ms, in all 75.0 ms\n"
                      "          P parent  1 task, mean 30.0 ms, in all 30.0 ms\n"
                      "          . idle   ~ waiting (sk_get, sk_wait)\n"
                      "          = driver at work   | next task\n"
                      "          work T1 105 ms, span Tinf 90.0 ms, T1/Tinf 1.17\n");
    unload(&l);
}
END_TEST

START_TEST(a_gantt_of_nothing_says_so)
{
    forge f = forge_start(1, 1, NULL);
    loaded l = load(forge_end(&f, true, 10));
    g_autofree char *text = text_of(l.t, write_gantt);
    assert_in(text, "no task ran");
    unload(&l);
}
END_TEST

/* Many tasks a cell, many functions, more workers than rows. */
static forge crowd(void)
{
    forge f = forge_start(1, 100, NULL);
    for (uint32_t fn = 1; fn <= 40; fn++) {
        g_autofree char *name = g_strdup_printf("a_function_with_a_long_name_for_a_legend_%u", fn);
        forge_fn(&f, fn, name);
    }
    for (uint64_t i = 0; i < 3000; i++)
        SUBMIT(&f, i * 7, i * 7, i + 1, (uint32_t)(i % 40) + 1, 0, 1, 0, 10000 + i);
    for (uint64_t i = 0; i < 3000; i++) {
        uint64_t start = 30000 + i / 60 * 100, end = start + i % 97;
        unsigned lane = 1 + (unsigned)(i % 60) / 4;
        forge_move(&f, lane, start, i + 1, SK_TASK_READY, SK_TASK_RUNNING, i % 60);
        forge_move(&f, lane, end, i + 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    }
    return f;
}

START_TEST(no_line_of_a_gantt_is_longer_than_it_was_asked_to_be)
{
    forge f = crowd();
    loaded l = load(forge_end(&f, true, 100000));
    for (int columns = 50; columns <= 130; columns += 10) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        sk_gantt_print(out, l.t, columns);
        fclose(out);
        gchar **lines = g_strsplit(text, "\n", -1);
        for (unsigned i = 0; lines[i]; i++)
            ck_assert_msg((int)strlen(lines[i]) <= columns, "%d columns: %s", columns, lines[i]);
        assert_in(text, "worker 60-99"); /* idle; the others in groups of five */
        assert_in(text, "worker 55-59");
        g_strfreev(lines);
        free(text);
    }
    unload(&l);
}
END_TEST

/* `nodes` nodes of `workers` workers; node i runs one task of 100 ms per worker, from start(i) on. -1: none. */
static loaded cluster(uint32_t nodes, uint32_t workers, int64_t (*start)(uint32_t node))
{
    forge f = forge_new(1);
    uint64_t task = 0;
    forge_fn(&f, 1, "work");
    for (uint64_t i = 0; i < nodes; i++) {
        uint64_t w = i << 32 | workers;
        forge_record(&f, 0, 0, SK_TRACE_NODE, SK_NODE_NONE << 4 | SK_NODE_ALIVE, &w, 1);
    }
    for (uint32_t i = 0; i < nodes; i++)
        for (uint64_t worker = 0; worker < workers && start(i) >= 0; worker++) {
            uint64_t at = (uint64_t)start(i), w[2] = { ++task, worker << 32 | i };
            forge_task(&f, 0, 0, task, 1, 0, 1, 0, 100000 + task);
            forge_move(&f, 0, 0, task, SK_TASK_NONE, SK_TASK_READY, 0);
            forge_record(&f, 0, at, SK_TRACE_TASK, SK_TASK_READY << 4 | SK_TASK_RUNNING, w, 2);
            forge_move(&f, 0, at + 100 * MS, task, SK_TASK_RUNNING, SK_TASK_DONE, 0);
        }
    return load(forge_end(&f, true, 1000 * MS));
}

static int64_t first_ten(uint32_t node) { return node < 10 ? 0 : -1; }
static int64_t all_at_once(uint32_t node) { return node < 700 ? 0 : 100 * MS; }
static int64_t one_by_one(uint32_t node) { return node * MS; }

static unsigned lines_in(const char *text)
{
    unsigned n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

START_TEST(a_thousand_nodes_fit_in_a_gantt_because_equal_and_idle_ones_share_lines)
{
    static const struct { int64_t (*start)(uint32_t); uint32_t workers; const char *has[3]; } runs[] = {
        { first_ten, 1, { "node 9>0  WWW", "node 10-999  ...", "1000 workers on 1000 nodes" } },
        { all_at_once, 8, { "node 0-699  WWW", "node 700-999  ...", "8000 workers on 1000 nodes" } },
        { one_by_one, 8, { "node 0-49  wWW", "node 950-999  ...", "their mean" } },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(runs); i++) {
        loaded l = cluster(1000, runs[i].workers, runs[i].start);
        g_autofree char *text = text_of(l.t, write_gantt);
        for (unsigned k = 0; k < 3; k++)
            assert_in(text, runs[i].has[k]);
        ck_assert_msg(lines_in(text) <= 50, "%u lines:\n%s", lines_in(text), text);
        unload(&l);
    }
}
END_TEST

/* ---- exports ---- */

typedef struct json_slice {
    unsigned pid, tid;
    double ts, end;
} json_slice;

static int by_track(const void *a, const void *b)
{
    const json_slice *x = a, *y = b;
    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    if (x->tid != y->tid)
        return x->tid < y->tid ? -1 : 1;
    return x->ts < y->ts ? -1 : x->ts > y->ts;
}

static double number_after(const char *line, const char *key)
{
    const char *p = strstr(line, key);
    ck_assert_msg(p != NULL, "%s in %s", key, line);
    return g_ascii_strtod(p + strlen(key), NULL);
}

/* Slices of one track do not overlap; each arrow starts inside a slice and ends at one. Returns
 * how many arrows. */
static unsigned check_chrome(const char *text)
{
    gchar **lines = g_strsplit(text, "\n", -1);
    GArray *slices = g_array_new(FALSE, FALSE, sizeof(json_slice));
    unsigned arrows = 0;
    for (unsigned i = 0; lines[i]; i++) {
        if (!strstr(lines[i], "\"ph\":\"X\""))
            continue;
        json_slice s = { (unsigned)number_after(lines[i], "\"pid\":"),
                         (unsigned)number_after(lines[i], "\"tid\":"),
                         number_after(lines[i], "\"ts\":"), 0 };
        s.end = s.ts + number_after(lines[i], "\"dur\":");
        g_array_append_val(slices, s);
    }
    qsort(slices->data, slices->len, sizeof(json_slice), by_track);
    const json_slice *s = (const json_slice *)slices->data;
    for (unsigned i = 1; i < slices->len; i++)
        if (s[i].pid == s[i - 1].pid && s[i].tid == s[i - 1].tid)
            ck_assert_double_ge(s[i].ts + 1e-6, s[i - 1].end);
    for (unsigned i = 0; lines[i]; i++) {
        bool start = strstr(lines[i], "\"ph\":\"s\""), end = strstr(lines[i], "\"ph\":\"f\"");
        bool bound = !start && !end;
        for (unsigned k = 0; k < slices->len && !bound; k++)
            bound = s[k].pid == (unsigned)number_after(lines[i], "\"pid\":") &&
                    s[k].tid == (unsigned)number_after(lines[i], "\"tid\":") &&
                    number_after(lines[i], "\"ts\":") >= s[k].ts &&
                    number_after(lines[i], "\"ts\":") <= s[k].end;
        ck_assert_msg(bound, "bound to no slice: %s", lines[i]);
        arrows += start;
    }
    g_array_unref(slices);
    g_strfreev(lines);
    return arrows;
}

START_TEST(chrome_slices_of_one_track_do_not_overlap_and_arrows_are_bound)
{
    static const struct {
        forge (*make)(void);
        unsigned arrows;
    } cases[] = { { chain, 2 }, { tree, 6 }, { nested, 0 }, { trouble, 0 } };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        forge f = cases[i].make();
        loaded l = load(forge_end(&f, true, 300 * MS));
        g_autofree char *text = text_of(l.t, sk_chrome_write);
        ck_assert_uint_eq(check_chrome(text), cases[i].arrows);
        unload(&l);
    }
}
END_TEST

START_TEST(two_tasks_at_once_on_one_worker_get_two_chrome_tracks)
{
    forge f = forge_start(1, 1, "f", NULL);
    SUBMIT(&f, 0, 0, 1, 1, 0, 1, 0, 101ull);
    SUBMIT(&f, 0, 0, 2, 1, 0, 1, 0, 102ull);
    forge_move(&f, 1, 10 * MS, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 2, 20 * MS, 2, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 1, 30 * MS, 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    forge_move(&f, 2, 40 * MS, 2, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    loaded l = load(forge_end(&f, true, 50 * MS));
    g_autofree char *text = text_of(l.t, sk_chrome_write);
    check_chrome(text);
    assert_in(text, "worker 0 (at the same time)");
    unload(&l);
}
END_TEST

START_TEST(chrome_text_is_escaped)
{
    forge f = forge_start(1, 1, "a\"b\\c\td\xff", NULL);
    SUBMIT(&f, 0, 0, 1, 1, 0, 1, 0, 101ull);
    forge_run(&f, 0, 0, 10, 1, 101);
    loaded l = load(forge_end(&f, true, 50));
    g_autofree char *text = text_of(l.t, sk_chrome_write);
    assert_in(text, "\"name\":\"a\\\"b\\\\c\\u0009d\xef\xbf\xbd\"");
    unload(&l);
}
END_TEST

START_TEST(csv_has_a_line_a_task)
{
    forge f = trouble();
    loaded l = load(forge_end(&f, true, 100 * MS));
    g_autofree char *text = text_of(l.t, sk_csv_write);
    assert_text(text, "id,name,file,line,parent,worker,node,submitted_ns,ready_ns,start_ns,end_ns,"
                      "blocked_ns,attempts,outcome,deps\n"
                      "1,shaky,forge.c,1,0,0,0,0,0,0,90000000,0,2,failed,\n"
                      "2,slow,forge.c,2,0,1,0,0,0,0,60000000,0,1,cancelled,\n"
                      "3,slow,forge.c,2,0,,,0,90000000,,95000000,0,0,failed,1\n");
    unload(&l);
}
END_TEST

START_TEST(dot_has_boxes_arrows_and_what_failed)
{
    forge f = trouble();
    loaded l = load(forge_end(&f, true, 100 * MS));
    g_autofree char *text = text_of(l.t, sk_dot_write);
    assert_in(text, "digraph skate {");
    assert_in(text, "t1 [label=\"shaky\\n80.0 ms\\n2 attempts\\nFAILED: TASK\"");
    assert_in(text, "t1 -> t3;");
    unload(&l);
}
END_TEST

START_TEST(refs_name_the_line_whose_objects_only_grow)
{
    forge f = chain();
    for (uint64_t i = 0; i < 20; i++)
        forge_object(&f, 0, 10 * MS + i, 500 + i, SK_OBJECT_NONE, SK_OBJECT_READY, 8);
    for (uint64_t i = 0; i < 20; i++)
        forge_object(&f, 0, 400 * MS, 500 + i, SK_OBJECT_READY, SK_OBJECT_FREED, 0);
    loaded l = load(forge_end(&f, true, 400 * MS));
    g_autofree char *text = text_of(l.t, sk_refs_print);
    assert_in(text, "forge.c:1 (main)  ONLY GROWS");
    assert_in(text, "3 objects were never freed");
    unload(&l);
}
END_TEST

START_TEST(a_summary_has_the_figures_and_the_critical_path)
{
    forge f = tree();
    loaded l = load(forge_end(&f, true, 200 * MS));
    g_autofree char *text = text_of(l.t, write_summary);
    assert_in(text, "tasks        7: 7 done, 0 failed, 0 cancelled; 0 retries");
    assert_in(text, "work T1      550 ms");
    assert_in(text, "span Tinf    200 ms");
    assert_in(text, "parallelism  2.75");
    assert_in(text, "critical path: 200 ms in 3 steps");
    assert_in(text, "add x 2                  submitted at forge.c:2");
    unload(&l);
}
END_TEST

Suite *timeline_suite(void)
{
    Suite *s = suite_create("timeline");
    TCase *t = tcase_create("timeline");
    tcase_add_test(t, a_chain_has_no_parallelism);
    tcase_add_test(t, a_tree_has_the_span_of_its_height);
    tcase_add_test(t, a_parent_that_waits_depends_on_its_child);
    tcase_add_test(t, a_child_nobody_waits_for_does_not_delay_its_parent);
    tcase_add_test(t, retries_failures_and_cancels_are_told_apart);
    tcase_add_test(t, an_attempt_that_was_lost_is_told_from_one_that_failed_and_neither_is_a_failure_of_the_task);
    tcase_add_test(t, bytes_are_counted_while_they_live);
    tcase_add_test(t, transfers_are_told_with_source_target_bytes_and_times);
    tcase_add_test(t, times_are_printed_in_three_digits);
    tcase_add_test(t, what_is_left_of_a_cut_trace_can_be_shown);
    tcase_add_test(t, a_trace_with_any_byte_changed_can_be_shown);
    tcase_add_test(t, a_truncated_trace_is_shown_as_far_as_it_goes_and_says_so);
    tcase_add_test(t, a_trace_of_a_program_that_ended_by_an_error_is_whole_and_says_why);
    tcase_add_test(t, dropped_records_are_said_loudly);
    suite_add_tcase(s, t);
    t = tcase_create("gantt");
    tcase_add_test(t, a_gantt_shows_ten_sleeps_as_ten_bars);
    tcase_add_test(t, a_gantt_shows_a_tree_getting_narrow);
    tcase_add_test(t, a_gantt_marks_what_went_wrong);
    tcase_add_test(t, a_gantt_shows_blocked_tasks_and_neighbours_apart);
    tcase_add_test(t, a_gantt_of_nothing_says_so);
    tcase_add_test(t, no_line_of_a_gantt_is_longer_than_it_was_asked_to_be);
    tcase_add_test(t, a_thousand_nodes_fit_in_a_gantt_because_equal_and_idle_ones_share_lines);
    suite_add_tcase(s, t);
    t = tcase_create("exports");
    tcase_add_test(t, chrome_slices_of_one_track_do_not_overlap_and_arrows_are_bound);
    tcase_add_test(t, two_tasks_at_once_on_one_worker_get_two_chrome_tracks);
    tcase_add_test(t, chrome_text_is_escaped);
    tcase_add_test(t, csv_has_a_line_a_task);
    tcase_add_test(t, dot_has_boxes_arrows_and_what_failed);
    tcase_add_test(t, refs_name_the_line_whose_objects_only_grow);
    tcase_add_test(t, a_summary_has_the_figures_and_the_critical_path);
    suite_add_tcase(s, t);
    return s;
}
