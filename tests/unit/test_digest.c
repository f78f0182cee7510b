/* test_digest.c -- the canonical log and its digest: what it does not look at, what it does, and which traces have none. */
#include <check.h>
#include <stdlib.h>

#include "trace_digest.h"
#include "trace_forge.h"

Suite *digest_suite(void);

/* What the runs below differ in. */
typedef struct variant {
    uint64_t base;               /* of task and object numbers */
    const char *folder;          /* of the source file */
    int line;
    const char *pid, *time, *seed, *said;
    unsigned type;               /* of the answer */
    uint64_t preview, end_ns;
    uint32_t worker, workers;
    uint32_t source;             /* of a transfer to node 0 when the answer is there, else 0 */
    bool spilled;                /* the number is, when it is made */
    bool swapped;                /* sites 1 and 2 were named the other way round */
} variant;

static const variant usual = { .base = 100, .folder = "/home/ann/", .line = 7, .pid = "17", .time = "virtual", .seed = "1",
                               .said = "hello", .type = SK_T_I64, .preview = 42, .end_ns = 50, .worker = 1, .workers = 2 };

/* A task that is submitted, runs from 10 to end_ns, says something, and makes a number. */
static GByteArray *run(variant v, bool with_end)
{
    forge f = forge_new(1);
    g_autofree char *file = g_strconcat(v.folder, "prog.c", NULL);
    uint64_t fn = 1ull << 32 | (uint32_t)v.line, task = v.base + 1, object = v.base + 2, site = v.swapped ? 2 : 1;
    forge_info(&f, "backend", g_str_equal(v.time, "real") ? "threads" : "virtual");
    forge_info(&f, "pid", v.pid);
    forge_info(&f, "time", v.time);
    forge_info(&f, "seed", v.seed);
    forge_text(&f, 0, 0, SK_TRACE_FUNCTION, &fn, 1, "work", "int work(int)", file, NULL);
    for (uint64_t s = 1; s <= 2; s++) {
        uint64_t w = s << 32 | (uint32_t)v.line;
        forge_text(&f, 0, 0, SK_TRACE_SITE, &w, 1, s == site ? file : "other.c", s == site ? "main" : "other", NULL);
    }
    uint64_t node = v.workers, new[4] = { task, 1ull << 32 | site, 0, object };
    forge_record(&f, 0, 0, SK_TRACE_NODE, SK_NODE_NONE << 4 | SK_NODE_ALIVE, &node, 1);
    forge_record(&f, 0, 5, SK_TRACE_TASK_NEW, 1 << 4, new, 4);
    forge_move(&f, 0, 5, task, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_move(&f, 1, 10, task, SK_TASK_READY, SK_TASK_RUNNING, v.worker);
    forge_text(&f, 1, 20, SK_TRACE_SAY, &task, 1, v.said, NULL);
    uint64_t ready[3] = { object, (uint64_t)v.type << 56 | 8, v.preview };
    forge_record(&f, 1, v.end_ns, SK_TRACE_OBJECT, SK_OBJECT_PENDING << 4 | SK_OBJECT_READY, ready, 3);
    forge_move(&f, 1, v.end_ns, task, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    if (v.spilled)
        forge_record(&f, 1, v.end_ns, SK_TRACE_SPILL, 0, (uint64_t[]){ object, 8, 0 }, 3);
    uint64_t moved[4] = { object, 8, (uint64_t)v.source << 32, 30 };
    if (v.source)
        forge_record(&f, 1, v.end_ns + 30, SK_TRACE_TRANSFER, 0, moved, 4);
    return forge_end(&f, with_end, 100);
}

/* The digest, and the text if asked for; NULL and *err: refused. */
static char *digest(GByteArray *file, char **text, sk_error *err)
{
    sk_reader *log = sk_trace_read_memory("x.sktrace", file->data, file->len, err);
    char hex[SK_DIGEST_SIZE], *mine = NULL;
    size_t size;
    FILE *out = text ? open_memstream(text, &size) : NULL;
    ck_assert_ptr_nonnull(log);
    bool good = sk_trace_digest(log, "x.sktrace", out, hex, err);
    if (out)
        fclose(out);
    if (good)
        mine = g_strdup(hex);
    sk_trace_read_close(log);
    g_byte_array_unref(file);
    return mine;
}

static bool same(variant v)
{
    g_autofree char *a = digest(run(usual, true), NULL, NULL), *b = digest(run(v, true), NULL, NULL);
    ck_assert_uint_eq(strlen(a), 64);
    return g_str_equal(a, b);
}

#define WITH(...) ({ variant v = usual; __VA_ARGS__; v; })

START_TEST(equal_runs_have_one_digest_whatever_their_folders_lines_numbers_and_processes)
{
    ck_assert(same(usual));
    ck_assert(same(WITH(v.base = 1ull << 40)));
    ck_assert(same(WITH(v.folder = "../")));
    ck_assert(same(WITH(v.folder = "")));
    ck_assert(same(WITH(v.line = 8)));
    ck_assert(same(WITH(v.pid = "18")));
    ck_assert(same(WITH(v.seed = "2")));
    ck_assert(same(WITH(v.swapped = true)));
    ck_assert(same(WITH(v.spilled = true)));
    ck_assert(same(WITH(v.said = "0.1 and the like")));
}
END_TEST

START_TEST(runs_that_differ_in_a_time_a_place_or_a_value_have_different_digests)
{
    ck_assert(!same(WITH(v.end_ns = 51)));
    ck_assert(!same(WITH(v.worker = 0)));
    ck_assert(!same(WITH(v.workers = 3)));
    ck_assert(!same(WITH(v.preview = 43)));
    ck_assert(!same(WITH(v.type = SK_T_U64)));
}
END_TEST

START_TEST(floating_point_values_are_not_looked_at_but_whole_ones_are)
{
    g_autofree char *a = digest(run(WITH(v.type = SK_T_F64, v.preview = 1), true), NULL, NULL);
    g_autofree char *b = digest(run(WITH(v.type = SK_T_F64, v.preview = 2), true), NULL, NULL);
    ck_assert_str_eq(a, b);
    g_autofree char *c = digest(run(WITH(v.type = SK_T_BOOL, v.preview = 1), true), NULL, NULL);
    g_autofree char *d = digest(run(WITH(v.type = SK_T_BOOL, v.preview = 0xff01), true), NULL, NULL);
    g_autofree char *e = digest(run(WITH(v.type = SK_T_BOOL, v.preview = 0), true), NULL, NULL);
    ck_assert_str_eq(c, d); /* a bool is one byte */
    ck_assert_str_ne(c, e);
}
END_TEST

START_TEST(the_digest_is_the_hash_of_the_canonical_log_which_is_this_text)
{
    char *text;
    g_autofree char *hex = digest(run(usual, true), &text, NULL);
    ck_assert_str_eq(text, "0 node 0 none alive workers 2\n"
                           "5 task 1 new work \"int work(int)\" at prog.c main by 0 makes 1 needs\n"
                           "5 task 1 none ready\n"
                           "10 task 1 ready running on 0 1\n"
                           "20 task 1 says\n"
                           "50 object 1 pending ready type 4 8 is 42\n"
                           "50 task 1 running done\n");
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
    ck_assert_str_eq(hex, sum);
    free(text);
}
END_TEST

START_TEST(a_transfer_is_a_line_of_the_canonical_log)
{
    char *text;
    g_autofree char *a = digest(run(WITH(v.source = 3), true), &text, NULL);
    g_autofree char *b = digest(run(WITH(v.source = 2), true), NULL, NULL);
    ck_assert_ptr_nonnull(strstr(text, "\n80 object 1 moves from 3 to 0 bytes 8 took 30\n"));
    ck_assert_str_ne(a, b);
    free(text);
}
END_TEST

START_TEST(traces_that_are_cut_or_of_real_or_measured_time_have_no_digest)
{
    static const struct { const char *time, *says; bool whole; } bad[] = {
        { "virtual", "stops before its end", false }, { "real", "\"threads\", in real time", true }, { "measured", "--cost", true },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        sk_error err;
        ck_assert_ptr_null(digest(run(WITH(v.time = bad[i].time), bad[i].whole), NULL, &err));
        ck_assert_msg(strstr(err.message, bad[i].says) != NULL, "\"%s\" does not say \"%s\"", err.message, bad[i].says);
    }
    GByteArray *file = run(usual, true);
    memset(file->data + sizeof(sk_trace_header), 'x', 4);
    sk_error err;
    ck_assert_ptr_null(digest(file, NULL, &err));
    ck_assert_msg(strstr(err.message, "damaged at byte 16") != NULL, "%s", err.message);
}
END_TEST

Suite *digest_suite(void)
{
    Suite *s = suite_create("digest");
    TCase *t = tcase_create("digest");
    suite_add_tcase(s, t);
    tcase_add_test(t, equal_runs_have_one_digest_whatever_their_folders_lines_numbers_and_processes);
    tcase_add_test(t, runs_that_differ_in_a_time_a_place_or_a_value_have_different_digests);
    tcase_add_test(t, floating_point_values_are_not_looked_at_but_whole_ones_are);
    tcase_add_test(t, the_digest_is_the_hash_of_the_canonical_log_which_is_this_text);
    tcase_add_test(t, a_transfer_is_a_line_of_the_canonical_log);
    tcase_add_test(t, traces_that_are_cut_or_of_real_or_measured_time_have_no_digest);
    return s;
}
