/* test_fn_table.c -- the table of remote functions as text and hash, and where two of them differ. */
#include "fn_table.h"

#include <check.h>
#include <glib.h>
#include <stdio.h>

SK_REMOTE(double, table_two, (double, a), (sk_array, b)) { return a + (double)b.ndim; }
SK_REMOTE_OUT(table_one, ((int64_t, q), (int64_t, r)), (int64_t, a)) { *q = a; *r = a; }
SK_REMOTE(int, table_three) { return 3; }

/* ---- Ours ---- */

START_TEST(the_text_has_a_line_for_each_function_sorted_by_name)
{
    char *text = sk_fn_table_text();
    size_t n = 0;
    for (const sk_fn *fn = sk_fn_first(); fn; fn = fn->next) {
        g_autofree char *line = g_strdup_printf("%s\t%s\n", fn->name, fn->signature);
        const char *at = strstr(text, line);
        ck_assert(at && (at == text || at[-1] == '\n'));
        n++;
    }
    ck_assert_uint_ge(n, 3);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    ck_assert_uint_eq(g_strv_length(lines), n + 1);
    for (size_t i = 1; i < n; i++)
        ck_assert_int_lt(strcmp(lines[i - 1], lines[i]), 0);
    ck_assert_ptr_nonnull(strstr(text, "table_one\t((int64_t, q), (int64_t, r)) table_one((int64_t, a))\n"
                                       "table_three\tint table_three()\n"
                                       "table_two\tdouble table_two((double, a), (sk_array, b))\n"));
    free(text);
}
END_TEST

START_TEST(the_hash_is_that_of_the_text)
{
    unsigned char id[32];
    char *text = sk_fn_table_text(), hex[65];
    sk_fn_table_id(id);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", id[i]);
    g_autofree char *want = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
    ck_assert_str_eq(hex, want);
    free(text);
}
END_TEST

/* Whoever registers a function by hand may write anything: it stays one line. */
START_TEST(a_signature_of_several_lines_is_one_line)
{
    static sk_fn by_hand = { .name = "zz_by_hand", .signature = "int\tzz_by_hand(\n(int, a))" };
    sk_fn_register(&by_hand);
    char *text = sk_fn_table_text();
    ck_assert_ptr_nonnull(strstr(text, "\nzz_by_hand\tint zz_by_hand( (int, a))\n"));
    free(text);
}
END_TEST

/* ---- Where two differ ---- */

static const char base[] = "add\tdouble add((double, a), (double, b))\n"
                           "div\t((int64_t, q), (int64_t, r)) div((int64_t, a), (int64_t, b))\n"
                           "none\tint none()\n";

static void differs(const char *ours, const char *theirs, const char *words)
{
    char text[2000];
    bool found = sk_fn_table_differs(ours, theirs, strlen(theirs), "node 3", text, sizeof text);
    ck_assert(found);
    ck_assert_str_eq(text, words);
}

static char *with(const char *old, const char *new)
{
    const char *at = strstr(base, old);
    ck_assert_ptr_nonnull(at);
    return g_strdup_printf("%.*s%s%s", (int)(at - base), base, new, at + strlen(old));
}

START_TEST(equal_tables_do_not_differ)
{
    char text[100], *ours = sk_fn_table_text();
    ck_assert(!sk_fn_table_differs(base, base, strlen(base), "node 3", text, sizeof text));
    ck_assert(!sk_fn_table_differs(ours, ours, strlen(ours), "node 3", text, sizeof text));
    ck_assert(!sk_fn_table_differs("", "", 0, "node 3", text, sizeof text));
    free(ours);
}
END_TEST

START_TEST(a_function_that_one_lacks_is_named)
{
    static const char *const lines[] = { "add\tdouble add((double, a), (double, b))\n", "none\tint none()\n",
                                         "div\t((int64_t, q), (int64_t, r)) div((int64_t, a), (int64_t, b))\n" };
    static const char *const names[] = { "add", "none", "div" };
    for (int i = 0; i < 3; i++) {
        g_autofree char *less = with(lines[i], ""), *theirs = g_strdup_printf("node 3 has no `%s`", names[i]);
        g_autofree char *ours = g_strdup_printf("node 3 has `%s`, which is not here", names[i]);
        differs(base, less, theirs);
        differs(less, base, ours);
    }
    differs(base, "", "node 3 has no `add`");
    differs("", base, "node 3 has `add`, which is not here");
}
END_TEST

START_TEST(the_first_of_several_is_named)
{
    g_autofree char *other = with("add((double, a)", "add((float, a)");
    differs(base, "add\tdouble add((float, a), (double, b))\nnone\tint none((int, a))\n", "`add` takes (double, double) here and (float, double) there");
    differs(other, "aaa\tint aaa()\n", "node 3 has `aaa`, which is not here");
    differs(other, "b\tint b()\n", "node 3 has no `add`");
}
END_TEST

START_TEST(types_that_differ_are_said)
{
    g_autofree char *a = with("(double, b))", "(int64_t, b))"), *b = with("none()", "none((sk_buf, x))"), *c = with("double add", "float add");
    g_autofree char *d = with("(int64_t, r)) div", "(int32_t, r)) div"), *e = with("(int64_t, q), ", ""), *f = with("int none", "add none");
    differs(base, a, "`add` takes (double, double) here and (double, int64_t) there");
    differs(a, base, "`add` takes (double, int64_t) here and (double, double) there");
    differs(base, b, "`none` takes () here and (sk_buf) there");
    differs(base, c, "`add` answers (double) here and (float) there");
    differs(base, d, "`div` answers (int64_t, int64_t) here and (int64_t, int32_t) there");
    differs(base, e, "`div` answers (int64_t, int64_t) here and (int64_t) there");
    differs(base, f, "`none` answers (int) here and (add) there");
    differs("int\tint_x int((int, a))\n", "int\tint_y int((int, a))\n", "`int` answers (int_x) here and (int_y) there");
}
END_TEST

START_TEST(names_of_parameters_that_differ_are_shown)
{
    g_autofree char *a = with("(double, a)", "(double, x)");
    differs(base, a, "`add` is written `double add((double, a), (double, b))` here and `double add((double, x), (double, b))` there");
    differs("f\tnonsense\n", "f\tint f()\n", "`f` is written `nonsense` here and `int f()` there");
}
END_TEST

START_TEST(what_is_no_table_is_said_to_be_none)
{
    differs(base, "add", "node 3 sent no table of functions: line 1 does not end");
    differs(base, "add\n", "node 3 sent no table of functions: line 1 has no tab");
    differs(base, "\tint add()\n", "node 3 sent no table of functions: line 1 has no name");
    g_autofree char *twice = g_strconcat(base, base, NULL);
    differs(base, twice, "node 3 sent no table of functions: line 4 is not in the order of names");
    differs("a\tint a()\n", "a\tint a()\na\tint a()\n", "node 3 sent no table of functions: line 2 is not in the order of names");
}
END_TEST

/* What a terminal obeys is not shown, and no more of it than a line has room for. */
START_TEST(a_table_is_not_trusted)
{
    char text[2000], small[16];
    static const char evil[] = "add\x1b[2J\0x\tint add()\n";
    ck_assert(sk_fn_table_differs("", evil, sizeof evil - 1, "node 3", text, sizeof text));
    ck_assert_str_eq(text, "node 3 has `add?[2J?x`, which is not here");
    g_autofree char *name = g_strnfill(100000, 'a'), *line = g_strconcat(name, "\tint a()\n", NULL);
    ck_assert(sk_fn_table_differs("", line, strlen(line), "node 3", text, sizeof text));
    ck_assert_uint_eq(strlen(text), strlen("node 3 has ``, which is not here") + 300);
    ck_assert(sk_fn_table_differs(base, line, strlen(line), "node 3", small, sizeof small));
    ck_assert_str_eq(small, "node 3 has `aaa");
    for (size_t size = 0; size < strlen(base); size++) {       /* every beginning, in memory that ends where it does */
        g_autofree char *part = g_memdup2(base, size);
        ck_assert(sk_fn_table_differs(base, part ? part : "", size, "node 3", text, sizeof text));
    }
}
END_TEST

Suite *fn_table_suite(void)
{
    Suite *suite = suite_create("fn_table");
    TCase *ours = tcase_create("ours"), *two = tcase_create("two");
    tcase_add_test(ours, the_text_has_a_line_for_each_function_sorted_by_name);
    tcase_add_test(ours, the_hash_is_that_of_the_text);
    tcase_add_test(ours, a_signature_of_several_lines_is_one_line);
    suite_add_tcase(suite, ours);
    tcase_add_test(two, equal_tables_do_not_differ);
    tcase_add_test(two, a_function_that_one_lacks_is_named);
    tcase_add_test(two, the_first_of_several_is_named);
    tcase_add_test(two, types_that_differ_are_said);
    tcase_add_test(two, names_of_parameters_that_differ_are_shown);
    tcase_add_test(two, what_is_no_table_is_said_to_be_none);
    tcase_add_test(two, a_table_is_not_trusted);
    suite_add_tcase(suite, two);
    return suite;
}
