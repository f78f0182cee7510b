/* test_trace_read.c -- reading traces: order, damage, foreign files; and the checker that other
 * tests rely on. */
#include <check.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

#include "../trace_check.h"
#include "trace_forge.h"
#include "trace_read.h"

Suite *trace_read_suite(void);

/* Two tasks on two workers, the second takes what the first makes. Lane 0 is the driver's. */
static GByteArray *chain_of_two(uint32_t clock)
{
    forge f = forge_start(clock, 2, "make", "take", NULL);
    forge_task(&f, 0, 10, 1, 1, 0, 1, 0, 101ull);
    forge_move(&f, 0, 11, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_task(&f, 0, 12, 2, 2, 0, 1, 1, 102ull, 101ull);
    forge_move(&f, 0, 13, 2, SK_TASK_NONE, SK_TASK_WAITING, 0);
    forge_move(&f, 1, 20, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_object(&f, 1, 119, 101, SK_OBJECT_PENDING, SK_OBJECT_READY, 100);
    forge_move(&f, 1, 120, 2, SK_TASK_WAITING, SK_TASK_READY, 0);
    forge_move(&f, 1, 121, 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    forge_run(&f, 1, 130, 230, 2, 102);
    forge_object(&f, 0, 300, 101, SK_OBJECT_READY, SK_OBJECT_FREED, 0);
    forge_object(&f, 0, 301, 102, SK_OBJECT_READY, SK_OBJECT_FREED, 0);
    return forge_end(&f, true, 310);
}

/* Reads all events; returns how many. */
static unsigned walk(const sk_reader *log)
{
    sk_cursor *c = sk_trace_read_cursor(log);
    unsigned n = 0;
    for (sk_event e; sk_trace_read_next(c, &e); n++)
        for (unsigned k = 0; k < 4; k++)
            ck_assert_ptr_nonnull(sk_trace_read_text(&e, k));
    sk_trace_read_cursor_free(c);
    return n;
}

static char *save(const GByteArray *file)
{
    char *path = NULL;
    int fd = g_file_open_tmp("skate-XXXXXX.sktrace", &path, NULL);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert(g_file_set_contents(path, (const char *)file->data, file->len, NULL));
    return path;
}

static const char *open_fails(const void *data, size_t size)
{
    static sk_error err;
    ck_assert_ptr_null(sk_trace_read_memory("x.sktrace", data, size, &err));
    ck_assert_int_eq(err.code, SK_PROTOCOL);
    return err.message;
}

/* Checks the trace with trace_check; returns why it is wrong, or "". Takes the file. */
static const char *verdict(GByteArray *file)
{
    static char why[300];
    g_autofree char *path = save(file);
    g_byte_array_unref(file);
    bool good = trace_check(path, why, sizeof why);
    g_unlink(path);
    return good ? "" : why;
}

static void assert_in(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" does not say \"%s\"", text, part);
}

START_TEST(a_whole_trace_has_its_tables_and_counts)
{
    GByteArray *file = chain_of_two(1);
    sk_reader *log = sk_trace_read_memory("x", file->data, file->len, NULL);
    ck_assert_ptr_nonnull(log);
    const sk_read_info *info = sk_trace_read_info(log);
    ck_assert(info->whole && !info->truncated && !info->damage);
    ck_assert_uint_eq(info->records, info->end_records);
    ck_assert_uint_eq(info->end_tasks, 2);
    ck_assert_uint_eq(info->lanes, 3);
    ck_assert_str_eq(sk_trace_read_value(log, "backend"), "threads");
    ck_assert_ptr_null(sk_trace_read_value(log, "colour"));
    ck_assert_str_eq(sk_trace_read_fn(log, 2)->name, "take");
    ck_assert_int_eq(sk_trace_read_site(log, 3)->line, 3);
    ck_assert_ptr_null(sk_trace_read_site(log, 4));
    ck_assert_uint_eq(walk(log), info->records);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
}
END_TEST

START_TEST(lanes_are_merged_by_time)
{
    for (uint32_t clock = 0; clock <= 1; clock++) {
        GByteArray *file = chain_of_two(clock);
        sk_reader *log = sk_trace_read_memory("x", file->data, file->len, NULL);
        sk_cursor *c = sk_trace_read_cursor(log);
        int64_t last = INT64_MIN;
        for (sk_event e; sk_trace_read_next(c, &e); last = e.ns)
            ck_assert_int_ge(e.ns, last);
        ck_assert_int_eq(last, 310);
        sk_trace_read_cursor_free(c);
        sk_trace_read_close(log);
        g_byte_array_unref(file);
    }
}
END_TEST

START_TEST(a_counter_that_runs_for_an_hour_stays_exact_to_the_nanosecond)
{
    forge f = forge_new(0);
    uint64_t hour = 3600000000000ull, w = 0;
    forge_record(&f, 0, 0, SK_TRACE_DROPPED, 0, &w, 1);
    forge_record(&f, 1, hour / 3 + 7, SK_TRACE_DROPPED, 0, &w, 1);
    forge_record(&f, 2, hour, SK_TRACE_DROPPED, 0, &w, 1);
    GByteArray *file = forge_end(&f, false, 0);
    sk_reader *log = sk_trace_read_memory("x", file->data, file->len, NULL);
    sk_cursor *c = sk_trace_read_cursor(log);
    const uint64_t expected[] = { 0, hour / 3 + 7, hour };
    sk_event e;
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(sk_trace_read_next(c, &e));
        ck_assert_int_le(llabs(e.ns - (int64_t)expected[i]), 1);
    }
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
}
END_TEST

START_TEST(a_trace_cut_at_any_byte_gives_its_whole_records_and_says_so)
{
    GByteArray *file = chain_of_two(1);
    unsigned before = 0;
    for (size_t n = 0; n <= file->len; n++) {
        uint64_t *copy = g_malloc(n + 8);
        memcpy(copy, file->data, n);
        if (n < sizeof(sk_trace_header)) {
            assert_in(open_fails(copy, n), "not a Skate trace");
        } else {
            sk_reader *log = sk_trace_read_memory("x", copy, n, NULL);
            ck_assert_ptr_nonnull(log);
            const sk_read_info *info = sk_trace_read_info(log);
            ck_assert_int_eq(info->whole, n == file->len);
            ck_assert_int_eq(info->truncated, n < file->len);
            ck_assert_ptr_null(info->damage);
            unsigned now = walk(log);
            ck_assert_uint_eq(now, info->records);
            ck_assert_uint_ge(now, before);
            before = now;
            sk_trace_read_close(log);
        }
        g_free(copy);
    }
    g_byte_array_unref(file);
}
END_TEST

START_TEST(a_trace_with_any_byte_changed_is_read_without_harm)
{
    GByteArray *file = chain_of_two(0);
    for (size_t at = 0; at < file->len; at++) {
        for (unsigned k = 0; k < 4; k++) {
            const uint8_t changes[] = { 0, 0xff, (uint8_t)(file->data[at] ^ 1),
                                        (uint8_t)(file->data[at] ^ 0x80) };
            uint8_t was = file->data[at];
            file->data[at] = changes[k];
            sk_reader *log = sk_trace_read_memory("x", file->data, file->len, NULL);
            if (log)
                ck_assert_uint_le(walk(log), sk_trace_read_info(log)->records);
            sk_trace_read_close(log);
            file->data[at] = was;
        }
    }
    g_byte_array_unref(file);
}
END_TEST

START_TEST(foreign_files_are_refused_with_what_was_found)
{
    const char png[24] = "\x89PNG\r\n\x1a\n", text[] = "hello, this is not a trace at all";
    assert_in(open_fails(png, sizeof png), "x.sktrace: not a Skate trace (found \"\\x89PNG");
    assert_in(open_fails(text, sizeof text), "x.sktrace: not a Skate trace (found \"hello, t\"");
    assert_in(open_fails("", 0), "x.sktrace: not a Skate trace (found an empty file)");
    assert_in(open_fails("SKTR", 4), "found 4 bytes");

    sk_error err;
    ck_assert_ptr_null(sk_trace_read_open("/nowhere/x.sktrace", &err));
    assert_in(err.message, "/nowhere/x.sktrace: cannot read it: No such file");
    ck_assert_ptr_null(sk_trace_read_open("/", &err));
    assert_in(err.message, "/: not a Skate trace (found a folder");
    ck_assert_ptr_null(sk_trace_read_open("/nowhere/x.sktrace", NULL));
}
END_TEST

START_TEST(a_wrong_header_is_refused_by_name)
{
    GByteArray *file = chain_of_two(1);
    sk_trace_header *head = (sk_trace_header *)file->data;
    head->version = 7;
    assert_in(open_fails(file->data, file->len), "version 7, but this skate reads version 1");
    head->version = SK_TRACE_VERSION;
    head->clock = 2;
    assert_in(open_fails(file->data, file->len), "found clock 2");
    head->clock = 1;
    head->magic[7] = '!';
    assert_in(open_fails(file->data, file->len), "not a Skate trace");
    g_byte_array_unref(file);
}
END_TEST

START_TEST(damage_in_the_middle_ends_reading_there_and_is_named)
{
    GByteArray *file = chain_of_two(1);
    sk_trace_chunk *first = (sk_trace_chunk *)(file->data + sizeof(sk_trace_header));
    sk_trace_chunk *second = (sk_trace_chunk *)((char *)(first + 1) + first->bytes);
    second->magic = 1;
    sk_reader *log = sk_trace_read_memory("x", file->data, file->len, NULL);
    const sk_read_info *info = sk_trace_read_info(log);
    ck_assert_str_eq(info->damage, "no chunk starts here");
    ck_assert_uint_eq(info->damaged_at, (uint64_t)((uint8_t *)second - file->data));
    ck_assert(!info->whole);
    ck_assert_uint_gt(walk(log), 0);
    sk_trace_read_close(log);

    second->magic = SK_CHUNK_MAGIC;
    sk_trace_record *record = (sk_trace_record *)(second + 1);
    record->n = 60000;
    log = sk_trace_read_memory("x", file->data, file->len, NULL);
    ck_assert_str_eq(sk_trace_read_info(log)->damage, "a record that is longer than its chunk");
    sk_trace_read_close(log);
    g_byte_array_unref(file);
}
END_TEST

START_TEST(a_chunk_that_was_written_twice_counts_once)
{
    GByteArray *file = chain_of_two(1);
    sk_reader *log = sk_trace_read_memory("x", file->data, file->len, NULL);
    unsigned once = walk(log);
    sk_trace_read_close(log);
    sk_trace_chunk *chunk = (sk_trace_chunk *)(file->data + sizeof(sk_trace_header));
    g_autofree void *copy = g_memdup2(chunk, sizeof *chunk + chunk->bytes);
    g_byte_array_append(file, copy, (guint)sizeof *chunk + ((sk_trace_chunk *)copy)->bytes);
    log = sk_trace_read_memory("x", file->data, file->len, NULL);
    ck_assert_uint_eq(walk(log), once);
    ck_assert_str_eq(sk_trace_read_info(log)->damage, "a chunk that is there twice");
    sk_trace_read_close(log);
    g_byte_array_unref(file);
}
END_TEST

START_TEST(records_of_unknown_types_are_skipped)
{
    forge f = forge_start(1, 1, "f", NULL);
    uint64_t w[3] = { 1, 2, 3 };
    forge_record(&f, 0, 5, 200, 77, w, 3);
    GByteArray *file = forge_end(&f, true, 9);
    sk_reader *log = sk_trace_read_memory("x", file->data, file->len, NULL);
    ck_assert(sk_trace_read_info(log)->whole);
    ck_assert_uint_eq(walk(log) + 1, sk_trace_read_info(log)->records);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
}
END_TEST

START_TEST(dropped_records_and_missing_chunks_are_counted)
{
    forge f = forge_start(1, 1, "f", NULL);
    uint64_t dropped = 12;
    f.number[3] = 2;
    forge_record(&f, 3, 5, SK_TRACE_DROPPED, 0, &dropped, 1);
    GByteArray *file = forge_end(&f, true, 9);
    sk_reader *log = sk_trace_read_memory("x", file->data, file->len, NULL);
    ck_assert_uint_eq(sk_trace_read_info(log)->dropped, 12);
    ck_assert_uint_eq(sk_trace_read_info(log)->missing_chunks, 2);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
}
END_TEST

/* The worker's clock is 50 ns behind: it seems to run the task before it was submitted. */
static forge skewed(void)
{
    forge f = forge_start(1, 2, "make", "take", NULL);
    forge_task(&f, 0, 100, 1, 1, 0, 1, 0, 101ull);
    forge_move(&f, 0, 101, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_run(&f, 0, 60, 95, 1, 101);
    forge_task(&f, 0, 110, 2, 2, 0, 1, 1, 102ull, 101ull);
    forge_move(&f, 0, 111, 2, SK_TASK_NONE, SK_TASK_WAITING, 0);
    forge_move(&f, 1, 98, 2, SK_TASK_WAITING, SK_TASK_READY, 0);
    forge_run(&f, 1, 30, 50, 2, 102);
    forge_object(&f, 2, 55, 101, SK_OBJECT_READY, SK_OBJECT_FREED, 0);
    forge_object(&f, 0, 120, 102, SK_OBJECT_READY, SK_OBJECT_FREED, 0);
    return f;
}

START_TEST(causes_come_before_effects_though_clocks_differ)
{
    forge f = skewed();
    ck_assert_str_eq(verdict(forge_end(&f, true, 200)), "");
}
END_TEST

START_TEST(an_argument_is_there_before_the_task_is_ready_though_clocks_differ)
{
    forge f = forge_start(1, 1, "take", NULL);
    forge_object(&f, 1, 50, 7, SK_OBJECT_NONE, SK_OBJECT_PENDING, 0);
    forge_task(&f, 0, 100, 1, 1, 0, 0, 1, 7ull);
    forge_move(&f, 0, 101, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_object(&f, 1, 150, 7, SK_OBJECT_PENDING, SK_OBJECT_READY, 8);
    GByteArray *file = forge_end(&f, true, 200);
    sk_reader *log = sk_trace_read_memory("x", file->data, file->len, NULL);
    sk_cursor *c = sk_trace_read_cursor(log);
    bool there = false, ready = false;
    for (sk_event e; sk_trace_read_next(c, &e);) {
        there |= e.type == SK_TRACE_OBJECT && sk_trace_to(&e) == SK_OBJECT_READY;
        if (e.type == SK_TRACE_TASK)
            ready = true, ck_assert(there);
    }
    ck_assert(ready);
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
}
END_TEST

START_TEST(a_record_whose_cause_never_comes_is_not_lost)
{
    forge f = forge_start(1, 2, "f", NULL);
    forge_run(&f, 0, 50, 60, 99, 199);            /* no TASK_NEW */
    forge_task(&f, 0, 70, 1, 1, 98, 0, 1, 55ull); /* neither parent nor argument is known */
    forge_move(&f, 0, 71, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    for (uint64_t s = 1; s < 5; s++)
        forge_object(&f, 2, s * 1000000000, 200 + s, SK_OBJECT_NONE, SK_OBJECT_READY, 1);
    GByteArray *file = forge_end(&f, true, 6000000000);
    sk_reader *log = sk_trace_read_memory("x", file->data, file->len, NULL);
    ck_assert_uint_eq(walk(log), sk_trace_read_info(log)->records);

    sk_cursor *c = sk_trace_read_cursor(log); /* and comes not much later than it was */
    unsigned puts = 0;
    for (sk_event e; sk_trace_read_next(c, &e);) {
        if (e.type == SK_TRACE_OBJECT && sk_trace_from(&e) == SK_OBJECT_NONE)
            puts++;
        if (e.type == SK_TRACE_TASK)
            ck_assert_uint_le(puts, 2);
    }
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
}
END_TEST

/* A log of many lanes: each has one record of its own, OBJECT number 1, at the time that is its number. */
static GByteArray *crowd(forge *f, uint32_t lanes, unsigned from, unsigned to)
{
    GByteArray *file = forge_end(f, false, 0);
    for (uint32_t i = 0; i < lanes; i++) {
        sk_trace_chunk head = { SK_CHUNK_MAGIC, 100 + i, 40, 0, 1 + i, 1 + i };
        sk_trace_record r = { 0, SK_TRACE_OBJECT, (uint8_t)(from << 4 | to), 4 };
        uint64_t words[4] = { 1, 8, 0, 0 };
        g_byte_array_append(file, (const guint8 *)&head, sizeof head);
        g_byte_array_append(file, (const guint8 *)&r, sizeof r);
        g_byte_array_append(file, (const guint8 *)words, sizeof words);
    }
    return file;
}

START_TEST(thousands_of_lanes_that_were_held_back_come_in_the_order_of_their_times)
{
    enum { LANES = 5000 };
    forge f = forge_start(1, 1, "f", NULL);
    forge_task(&f, 0, 9000, 1, 1, 0, 1, 0, 1ull); /* until then there is no object 1 */
    GByteArray *file = crowd(&f, LANES, SK_OBJECT_PENDING, SK_OBJECT_PENDING);
    sk_reader *log = sk_trace_read_memory("x", file->data, file->len, NULL);
    sk_cursor *c = sk_trace_read_cursor(log);
    bool there = false;
    int64_t last = 0;
    unsigned n = 0;
    for (sk_event e; sk_trace_read_next(c, &e);) {
        there |= e.type == SK_TRACE_TASK_NEW;
        if (e.type != SK_TRACE_OBJECT)
            continue;
        ck_assert(there);
        ck_assert_int_eq(e.ns, last + 1);
        last = e.ns;
        n++;
    }
    ck_assert_uint_eq(n, LANES);
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
}
END_TEST

START_TEST(a_record_that_has_not_fitted_a_hundred_times_comes_nevertheless)
{
    forge f = forge_start(1, 1, "f", NULL);
    forge_object(&f, 0, 5000, 1, SK_OBJECT_NONE, SK_OBJECT_READY, 8);
    for (uint64_t i = 0; i < 500; i++)
        forge_object(&f, 0, 5001 + i, 1, i % 2 ? SK_OBJECT_MISSING : SK_OBJECT_READY, i % 2 ? SK_OBJECT_READY : SK_OBJECT_MISSING, 8);
    GByteArray *file = crowd(&f, 3, SK_OBJECT_FREED, SK_OBJECT_FREED);
    sk_reader *log = sk_trace_read_memory("x", file->data, file->len, NULL);
    sk_cursor *c = sk_trace_read_cursor(log);
    unsigned moves = 0, forced = 0;
    for (sk_event e; sk_trace_read_next(c, &e);) {
        moves += e.type == SK_TRACE_OBJECT;
        forced += e.lane >= 100;
        if (e.lane >= 100)
            ck_assert_uint_lt(moves, 120);
    }
    ck_assert_uint_eq(forced, 3);
    ck_assert_uint_eq(moves, 504);
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
}
END_TEST

START_TEST(numbers_get_indices_in_the_order_they_come)
{
    sk_ids ids = { 0 };
    const uint64_t step = 0x9000000fffful;
    for (uint32_t i = 0; i < 100000; i++)
        ck_assert_uint_eq(sk_trace_ids_add(&ids, i * step), i);
    for (uint32_t i = 0; i < 100000; i++) {
        ck_assert_uint_eq(sk_trace_ids_find(&ids, i * step), i);
        ck_assert_uint_eq(sk_trace_ids_add(&ids, i * step), i);
    }
    ck_assert_uint_eq(sk_trace_ids_find(&ids, 5), SK_NO_INDEX);
    ck_assert_uint_eq(ids.n, 100000);
    sk_trace_ids_clear(&ids);
}
END_TEST

/* ---- the checker ---- */

/* One task, until it is READY; the rest is the test's. */
static forge one_ready(void)
{
    forge f = forge_start(1, 2, "f", NULL);
    forge_task(&f, 0, 10, 1, 1, 0, 1, 0, 101ull);
    forge_move(&f, 0, 11, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    return f;
}

START_TEST(the_checker_accepts_legal_histories)
{
    ck_assert_str_eq(verdict(chain_of_two(1)), "");
    ck_assert_str_eq(verdict(chain_of_two(0)), "");

    forge f = one_ready(); /* blocked, retried, failed */
    forge_move(&f, 1, 20, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 1, 30, 1, SK_TASK_RUNNING, SK_TASK_BLOCKED, 0);
    forge_move(&f, 1, 40, 1, SK_TASK_BLOCKED, SK_TASK_RUNNING, 1);
    forge_move(&f, 1, 50, 1, SK_TASK_RUNNING, SK_TASK_READY, 0);
    forge_move(&f, 1, 60, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_object(&f, 1, 69, 101, SK_OBJECT_PENDING, SK_OBJECT_FAILED, 0);
    forge_move(&f, 1, 70, 1, SK_TASK_RUNNING, SK_TASK_FAILED, SK_TASK);
    forge_object(&f, 0, 80, 101, SK_OBJECT_FAILED, SK_OBJECT_FREED, 0);
    ck_assert_str_eq(verdict(forge_end(&f, true, 90)), "");
}
END_TEST

/* An object is put at 20; then these records SPILL (a, node); it is freed at 60. */
static const char *verdict_of_spills(unsigned n, const unsigned (*spill)[2])
{
    forge f = forge_start(1, 1, NULL);
    forge_object(&f, 0, 20, 101, SK_OBJECT_NONE, SK_OBJECT_READY, 5000);
    for (unsigned i = 0; i < n; i++)
        forge_record(&f, 0, 30 + i, SK_TRACE_SPILL, spill[i][0], (uint64_t[]){ 101, 904, (uint64_t)spill[i][1] << 32 }, 3);
    forge_object(&f, 0, 60, 101, SK_OBJECT_READY, SK_OBJECT_FREED, 0);
    return verdict(forge_end(&f, true, 90));
}

START_TEST(what_is_spilled_is_ready_and_what_is_restored_was_spilled_there)
{
    ck_assert_str_eq(verdict_of_spills(3, (const unsigned[][2]){ { 0, 0 }, { 1, 0 }, { 0, 0 } }), "");
    assert_in(verdict_of_spills(1, (const unsigned[][2]){ { 1, 0 } }), "is restored at node 0, but it is not spilled there");
    assert_in(verdict_of_spills(2, (const unsigned[][2]){ { 0, 0 }, { 0, 0 } }), "is spilled at node 0, but it is spilled there");
    assert_in(verdict_of_spills(1, (const unsigned[][2]){ { 0, 7 } }), "is spilled at node 7: there is no such node");
    assert_in(verdict_of_spills(1, (const unsigned[][2]){ { 2, 0 } }), "a way of spilling that does not exist");

    const uint64_t spill[] = { 101, 904, 0 };
    forge f = one_ready();
    forge_record(&f, 0, 30, SK_TRACE_SPILL, 0, spill, 3);
    assert_in(verdict(forge_end(&f, true, 90)), "is spilled at node 0, but is PENDING");
    f = forge_start(1, 1, NULL);
    forge_object(&f, 0, 20, 101, SK_OBJECT_NONE, SK_OBJECT_READY, 5000);
    forge_object(&f, 0, 60, 101, SK_OBJECT_READY, SK_OBJECT_FREED, 0);
    forge_record(&f, 0, 70, SK_TRACE_SPILL, 0, spill, 3);
    assert_in(verdict(forge_end(&f, true, 90)), "is spilled at node 0, but is FREED");
}
END_TEST

/* The lane that spills is ahead of the one that made it. */
START_TEST(an_object_is_there_before_it_is_spilled_though_clocks_differ)
{
    forge f = forge_start(1, 1, NULL);
    forge_record(&f, 1, 19, SK_TRACE_SPILL, 0, (uint64_t[]){ 101, 904, 0 }, 3);
    forge_object(&f, 0, 20, 101, SK_OBJECT_NONE, SK_OBJECT_READY, 5000);
    forge_object(&f, 0, 60, 101, SK_OBJECT_READY, SK_OBJECT_FREED, 0);
    ck_assert_str_eq(verdict(forge_end(&f, true, 90)), "");
}
END_TEST

START_TEST(the_checker_refuses_what_cannot_have_happened)
{
    forge f = one_ready();
    ck_assert_ptr_nonnull(strstr(verdict(forge_end(&f, false, 90)), "does not end with END"));

    f = one_ready();
    assert_in(verdict(forge_end(&f, true, 90)), "is still READY in the end");

    f = one_ready();
    forge_move(&f, 1, 20, 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    assert_in(verdict(forge_end(&f, true, 90)), "moves from RUNNING to DONE, but is READY");

    f = one_ready();
    forge_move(&f, 1, 20, 1, SK_TASK_READY, SK_TASK_DONE, 0);
    assert_in(verdict(forge_end(&f, true, 90)), "there is no such edge");

    f = one_ready();
    forge_move(&f, 1, 20, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 1, 30, 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    assert_in(verdict(forge_end(&f, true, 90)), "is DONE, but its answer 1 is PENDING");

    f = one_ready();
    forge_run(&f, 0, 20, 30, 1, 101);
    assert_in(verdict(forge_end(&f, true, 90)), "still READY in the end");

    f = one_ready(); /* two at once on worker 0 */
    forge_task(&f, 0, 12, 2, 1, 0, 1, 0, 102ull);
    forge_move(&f, 0, 13, 2, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_move(&f, 1, 20, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 2, 25, 2, SK_TASK_READY, SK_TASK_RUNNING, 0);
    assert_in(verdict(forge_end(&f, true, 90)),
              "runs on worker 0 of node 0, where task 1 is running");

    f = one_ready(); /* takes what is not there yet */
    forge_task(&f, 0, 12, 2, 1, 0, 1, 1, 102ull, 101ull);
    forge_move(&f, 0, 13, 2, SK_TASK_NONE, SK_TASK_READY, 0);
    assert_in(verdict(forge_end(&f, true, 90)), "is READY, but its argument 1 is PENDING");

    f = one_ready();
    forge_task(&f, 0, 12, 2, 9, 0, 0, 0);
    assert_in(verdict(forge_end(&f, true, 90)), "runs function 9, which has no FUNCTION record");

    f = one_ready();
    forge_task(&f, 0, 12, 2, 1, 0, 0, 0);
    assert_in(verdict(forge_end(&f, true, 90)), "is not followed by its first TASK");

    GByteArray *file = chain_of_two(1);
    *(uint64_t *)(file->data + file->len - 16) = 3; /* END's number of tasks */
    assert_in(verdict(file), "END counts 3 tasks, there are 2");

    f = one_ready();
    f.dropped = 4;
    assert_in(verdict(forge_end(&f, true, 90)), "4 records were dropped");
}
END_TEST

Suite *trace_read_suite(void)
{
    Suite *s = suite_create("trace_read");
    TCase *t = tcase_create("trace_read");
    tcase_add_test(t, a_whole_trace_has_its_tables_and_counts);
    tcase_add_test(t, lanes_are_merged_by_time);
    tcase_add_test(t, a_counter_that_runs_for_an_hour_stays_exact_to_the_nanosecond);
    tcase_add_test(t, a_trace_cut_at_any_byte_gives_its_whole_records_and_says_so);
    tcase_add_test(t, a_trace_with_any_byte_changed_is_read_without_harm);
    tcase_add_test(t, foreign_files_are_refused_with_what_was_found);
    tcase_add_test(t, a_wrong_header_is_refused_by_name);
    tcase_add_test(t, damage_in_the_middle_ends_reading_there_and_is_named);
    tcase_add_test(t, a_chunk_that_was_written_twice_counts_once);
    tcase_add_test(t, records_of_unknown_types_are_skipped);
    tcase_add_test(t, dropped_records_and_missing_chunks_are_counted);
    tcase_add_test(t, causes_come_before_effects_though_clocks_differ);
    tcase_add_test(t, an_argument_is_there_before_the_task_is_ready_though_clocks_differ);
    tcase_add_test(t, a_record_whose_cause_never_comes_is_not_lost);
    tcase_add_test(t, thousands_of_lanes_that_were_held_back_come_in_the_order_of_their_times);
    tcase_add_test(t, a_record_that_has_not_fitted_a_hundred_times_comes_nevertheless);
    tcase_add_test(t, numbers_get_indices_in_the_order_they_come);
    suite_add_tcase(s, t);
    t = tcase_create("trace_check");
    tcase_add_test(t, the_checker_accepts_legal_histories);
    tcase_add_test(t, what_is_spilled_is_ready_and_what_is_restored_was_spilled_there);
    tcase_add_test(t, an_object_is_there_before_it_is_spilled_though_clocks_differ);
    tcase_add_test(t, the_checker_refuses_what_cannot_have_happened);
    suite_add_tcase(s, t);
    return s;
}
