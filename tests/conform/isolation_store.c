/* isolation_store.c -- a store that is full: what is spilled and comes back, who waits for room, who gets SK_STORE_FULL, and spill directories
 * that cannot be used. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "isolation.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define MIB ((int64_t)1 << 20)

/* Numbers that tell which array it is, and where in it. */
static void fill(int64_t *to, int64_t n, int64_t seed)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = seed * 1000003 + i;
}

static bool is_filled(const int64_t *x, int64_t n, int64_t seed)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] != seed * 1000003 + i)
            return false;
    return true;
}

static int64_t longs_of(int64_t mib) { return mib * MIB / 8 - 8; }      /* with its header it is whole MiB */

SK_REMOTE(sk_array, filled, (int64_t, mib), (int64_t, seed))
{
    sk_array a = sk_new_array(SK_I64, longs_of(mib));
    fill(sk_write(int64_t, a), sk_len(a), seed);
    return a;
}

SK_REMOTE(bool, filled_is_whole, (sk_array, a), (int64_t, seed)) { return is_filled(sk_read(int64_t, a), sk_len(a), seed); }

SK_REMOTE(bool, both_are_whole, (sk_array, a), (int64_t, x), (sk_array, b), (int64_t, y))
{
    return is_filled(sk_read(int64_t, a), sk_len(a), x) && is_filled(sk_read(int64_t, b), sk_len(b), y);
}

static bool is_whole(sk_ref r, int64_t seed) { return sk_take(bool, sk_remote(filled_is_whole, r, seed)); }

/* ---- what is spilled comes back ---- */

CASE(ten_times_what_the_store_holds_is_kept_and_comes_back_as_it_was, ISOLATED, .config.store_bytes = 8 << 20)
{
    enum { N = 80 };
    sk_ref r[N];
    for (int i = 0; i < N; i++)
        r[i] = sk_remote(filled, 1, i);
    for (int i = 0; i < N; i++)
        ck_assert_msg(is_whole(r[i * 37 % N], i * 37 % N), "array %d", i * 37 % N);
    sk_counts c = sk_stats();
    uint64_t most = (uint64_t)sk_nodes(NULL, 0) * (8 << 20);      /* each node has a store */
    ck_assert(c.bytes_live <= most && c.bytes_live + c.bytes_spilled >= 80 << 20);
    for (int i = N - 1; i >= 0; i--) {
        sk_array a = sk_get(sk_array, r[i]);
        ck_assert_msg(is_filled(sk_read(int64_t, a), sk_len(a), i), "array %d in the driver", i);
        sk_drop(r[i]);
    }
    ck_assert_uint_le(sk_stats().bytes_peak, most);
    ck_assert_uint_eq(sk_stats().bytes_spilled, 0);
}

CASE(what_the_driver_puts_and_passes_by_value_is_spilled_too, ISOLATED, .config.store_bytes = 4 << 20)
{
    enum { N = 20 };
    static int64_t mine[131064];
    sk_ref put[N], passed[N], gate = sk_promise(), held = hold_one(gate, NULL), held_too = hold_one(gate, NULL);
    for (int i = 0; i < N; i++) {
        fill(mine, longs_of(1), i);
        put[i] = sk_put(sk_array_of(mine, longs_of(1)));
        fill(mine, longs_of(1), 100 + i);
        passed[i] = sk_remote(filled_is_whole, sk_array_of(mine, longs_of(1)), 100 + i);      /* has no cpu yet */
    }
    sk_fulfil(gate, 1);
    ck_assert_int_eq(sk_get(int64_t, held) + sk_get(int64_t, held_too), 2);
    for (int i = 0; i < N; i++)
        ck_assert(sk_get(bool, passed[i]) && is_whole(put[i], i));
}

CASE(what_the_driver_looks_at_is_not_spilled_below_its_eyes, ISOLATED, .config.store_bytes = 4 << 20)
{
    sk_ref r = sk_remote(filled, 1, 7), others[12];
    sk_array a = sk_get(sk_array, r);
    for (int i = 0; i < 12; i++)
        others[i] = sk_remote(filled, 1, i);
    for (int i = 0; i < 12; i++)
        ck_assert(is_whole(others[i], i) && is_filled(sk_read(int64_t, a), sk_len(a), 7));
}

SK_REMOTE(bool, gets_what_it_makes_and_keeps_looking, (int64_t, n))
{
    static int64_t numbers[10000];
    fill(numbers, 10000, -2);
    sk_ref mine = sk_remote(filled, 1, -1), last[8] = { 0 };
    sk_array a = sk_get(sk_array, mine);
    sk_buf handed_over = sk_buf_of(numbers, sizeof numbers);      /* the one in the store, below, and still looked at here */
    sk_ref put = sk_put(handed_over);
    bool good = true;
    for (int64_t i = 0; i < n; i++) {
        sk_ref r = sk_remote(filled, 1, i);
        good &= is_filled(sk_read(int64_t, a), sk_len(a), -1) && is_filled(handed_over.data, 10000, -2);
        if (last[i % 8].id) {
            sk_array b = sk_get(sk_array, last[i % 8]);
            good &= is_filled(sk_read(int64_t, b), sk_len(b), i - 8);
            sk_drop(last[i % 8]);
        }
        last[i % 8] = r;
    }
    return good && is_filled(sk_get(sk_buf, put).data, 10000, -2);
}

CASE(a_task_streams_through_more_than_the_store_holds_beside_what_it_looks_at, ISOLATED, .config.store_bytes = 4 << 20)
{
    sk_ref kept[6];
    for (int i = 0; i < 6; i++)
        kept[i] = sk_remote(filled, 1, 50 + i);
    bool good = sk_get(bool, sk_remote(gets_what_it_makes_and_keeps_looking, 30));
    ck_assert(good);
    for (int i = 0; i < 6; i++)
        ck_assert(is_whole(kept[i], 50 + i));
}

SK_REMOTE(const char *, long_text, (int, digit)) { return sk_format("%0*d", 300000, digit); }
SK_REMOTE(int64_t, last_digit_of, (const char *, text)) { return strlen(text) == 300000 ? text[299999] - '0' : -1; }

CASE(strings_are_spilled_and_lists_that_name_them_are_not, ISOLATED, .config.store_bytes = 2 << 20)
{
    enum { N = 40, NAMES = 6000 };
    sk_ref texts[N], names[NAMES];
    for (int i = 0; i < N; i++)
        texts[i] = sk_remote(long_text, i % 10);
    for (int i = 0; i < NAMES; i++)
        names[i] = texts[i % N];
    sk_ref list = sk_put(sk_list_of(names, NAMES));
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(sk_take(int64_t, sk_remote(last_digit_of, texts[i])), i % 10);
    for (int i = 0; i < N; i++)
        sk_drop(texts[i]);
    sk_list again = sk_get(sk_list, list);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(sk_take(int64_t, sk_remote(last_digit_of, again.refs[i])), i % 10);
}

/* ---- waiting for room ---- */

CASE(two_results_that_do_not_fit_at_once_both_come_if_the_first_is_used_up, ISOLATED, .config.store_bytes = 4 << 20,
     .config.spill_dir = "none")
{
    for (int i = 0; i < 10; i++)
        sk_scope {
            sk_ref one = sk_remote(filled, 3, 1), two = sk_remote(filled, 3, 2);
            sk_ref first = sk_remote(filled_is_whole, one, 1), second = sk_remote(filled_is_whole, two, 2);
            sk_drop(one);
            sk_drop(two);
            ck_assert(sk_get(bool, first) && sk_get(bool, second));
        }
}

CASE(a_put_waits_until_a_task_has_used_up_what_fills_the_store, ISOLATED, .config.store_bytes = 4 << 20, .config.spill_dir = "none")
{
    static int64_t mine[3 * 131072];
    for (int i = 0; i < 10; i++) {
        fill(mine, longs_of(3), i);
        sk_ref r = sk_put(sk_array_of(mine, longs_of(3))), whole = sk_remote(filled_is_whole, r, i);
        sk_drop(r);
        sk_ref next = sk_put(sk_array_of(mine, longs_of(3)));
        ck_assert(sk_take(bool, whole) && is_whole(next, i));
        sk_drop(next);
    }
}

SK_REMOTE(bool, makes_one_after_the_other, (int64_t, n))
{
    for (int64_t i = 0; i < n; i++) {
        sk_ref r = sk_remote(filled, 2, i);
        if (!sk_take(bool, sk_remote(filled_is_whole, r, i)))
            return false;
        sk_drop(r);
    }
    return true;
}

CASE(many_tasks_that_need_more_than_half_of_the_store_take_turns, ISOLATED, .config = { .workers = 3, .store_bytes = 3 << 20 })
{
    sk_ref all[6];
    for (int i = 0; i < 6; i++)
        all[i] = sk_remote(makes_one_after_the_other, 5);
    for (int i = 0; i < 6; i++)
        ck_assert(sk_get(bool, all[i]));
    ck_assert_uint_eq(sk_stats().retries, 0);
}

CASE(arguments_that_fit_only_one_task_at_a_time_do_not_deadlock, ISOLATED, .config = { .workers = 4, .store_bytes = 5 << 20 })
{
    enum { N = 12 };
    sk_ref r[N], good[N];
    for (int i = 0; i < N; i++)
        r[i] = sk_remote(filled, 2, i);
    for (int i = 0; i < N; i++)
        good[i] = sk_remote(both_are_whole, r[i], i, r[(i + 5) % N], (i + 5) % N);
    for (int i = 0; i < N; i++)
        ck_assert(sk_get(bool, good[i]));
}

SK_REMOTE(int64_t, works_meanwhile, (sk_list, begun))
{
    sk_fulfil(begun.refs[0], 1);
    while (!sk_cancelled())
        sk_compute(1000);
    return 0;
}

CASE(a_task_waits_for_room_no_longer_than_its_timeout, ISOLATED, .config = { .nodes = 1, .store_bytes = 4 << 20, .spill_dir = "none" })
{
    sk_ref begun = sk_promise(), works = sk_remote(works_meanwhile, sk_list_of(&begun, 1)), held = sk_remote(filled, 3, 1);
    ck_assert(sk_get(int64_t, begun) == 1 && is_whole(held, 1));
    static const sk_options short_time = { .timeout_s = 0.3 };
    (void)FAILS(sk_remote_with(&short_time, filled, 3, 2), SK_TASK_TIMEOUT);
    ck_assert(is_whole(held, 1));
    sk_cancel(works, SK_FORCE);
    (void)FAILS(works, SK_CANCELLED);
}

CASE(a_task_that_waits_for_room_can_be_cancelled, ISOLATED, .config = { .store_bytes = 4 << 20, .spill_dir = "none" })
{
    sk_ref begun = sk_promise(), works = sk_remote(works_meanwhile, sk_list_of(&begun, 1)), held = sk_remote(filled, 3, 1);
    ck_assert(sk_get(int64_t, begun) == 1 && is_whole(held, 1));
    sk_ref waits = sk_remote(filled, 3, 2);
    for (int i = 0; i < 200; i++)
        (void)sk_stats();
    sk_cancel(waits, 0);
    (void)FAILS(waits, SK_CANCELLED);
    sk_cancel(works, 0);
    ck_assert_int_eq(error_of(works).code, SK_CANCELLED);
}

/* ---- SK_STORE_FULL ---- */

static void says_need_and_have(const sk_error *err, const char *need)
{
    CONTAINS(err->message, need);
    CONTAINS(err->message, "the object store is full: need ");
    CONTAINS(err->message, " of 4194304 free; ");
    CONTAINS(err->message, " in use by tasks that run or seen by the program, ");
    CONTAINS(err->message, "drop refs you no longer need, or give more with --sk-store-bytes");
}

/* These count one store's bytes; far.c has the same for another node's. */
CASE(with_spilling_off_and_all_referenced_the_store_is_full_with_need_and_have, ISOLATED,
     .config = { .nodes = 1, .store_bytes = 4 << 20, .spill_dir = "none" })
{
    sk_ref r[3];
    for (int i = 0; i < 3; i++)
        ck_assert(is_whole(r[i] = sk_remote(filled, 1, i), i));
    sk_error err = FAILS(sk_remote(filled, 2, 9), SK_STORE_FULL);
    says_need_and_have(&err, "need 2097088 bytes, have 1048576 of");
    CONTAINS(err.message, "3145728 are held by refs, and nothing can be spilled (--sk-spill-dir); ");
    sk_drop(r[0]);
    ck_assert(is_whole(sk_remote(filled, 2, 9), 9));
}

CASE(what_the_program_looks_at_fills_the_store_whatever_can_be_spilled, ISOLATED, .config.nodes = 1, .config.store_bytes = 4 << 20)
{
    sk_ref r = sk_remote(filled, 3, 1);
    (void)sk_get(sk_array, r);
    sk_error err = FAILS(sk_remote(filled, 2, 2), SK_STORE_FULL);
    says_need_and_have(&err, "need 2097088 bytes, have 1048576 of");
    CONTAINS(err.message, "3145728 bytes are in use");
    sk_drop(r);
    ck_assert(is_whole(sk_remote(filled, 2, 2), 2));
}

CASE(arguments_that_do_not_fit_together_are_store_full, ISOLATED, .config.nodes = 1, .config.store_bytes = 4 << 20)
{
    sk_ref a = sk_remote(filled, 3, 1), b = sk_remote(filled, 3, 2);
    sk_error err = FAILS(sk_remote(both_are_whole, a, 1, b, 2), SK_STORE_FULL);
    CONTAINS(err.message, "both_are_whole: ");
    says_need_and_have(&err, "need 6291456 bytes, have");
    ck_assert(is_whole(a, 1) && is_whole(b, 2));
}

CASE(a_get_that_does_not_fit_is_store_full_and_not_lost, ISOLATED, .config.store_bytes = 4 << 20)
{
    sk_ref a = sk_remote(filled, 3, 1), b = sk_remote(filled, 3, 2);
    ck_assert(is_whole(b, 2) && is_whole(a, 1));
    (void)sk_get(sk_array, a);
    ck_assert_int_eq(error_of(b).code, SK_STORE_FULL);
    sk_drop(a);
    sk_array got = sk_get(sk_array, b);
    ck_assert(is_filled(sk_read(int64_t, got), sk_len(got), 2));
}

/* ---- directories ---- */

/* n arrays of 1 MiB into a store for two: the spilling fails, or not; what was made is whole, and the rest says why it is not. What was spilled comes
 * back when it has room again. */
static void spill(const char *directory, int n, rlim_t most)
{
    start(&(sk_config){ .nodes = 1, .workers = 2, .store_bytes = (2 << 20) + (64 << 10), .spill_dir = directory });
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ most, most });      /* now: the arenas are files as well */
    sk_ref r[16];
    int whole = 0, full = 0;
    for (int i = 0; i < n; i++) {
        sk_error err;
        bool good;
        r[i] = sk_remote(filled, 1, i);
        if (sk_try_get(sk_remote(filled_is_whole, r[i], i), &good, SK_FOREVER, &err))
            whole += good;
        else
            full += strstr(err.message, "the object store is full") != NULL;
    }
    printf("%d whole, %d full\n", whole, full);
    for (int i = n - 1; i >= 0; i--) {
        if (i < whole && !is_whole(r[i], i))
            printf("array %d is wrong\n", i);
        sk_drop(r[i]);
    }
    stop();
}

static void spill_a_little(const char *directory) { spill(directory, 4, RLIM_INFINITY); }

static ending spill_apart(void (*body)(void), const char *whole)
{
    ending end = run_apart(body);
    ck_assert_msg(end.status == 0, "status %d: %s", end.status, end.output);
    CONTAINS(end.output, whole);
    ck_assert_ptr_null(strstr(end.output, "is wrong"));
    return end;
}

static void expect_refused(void (*body)(void), const char *why, const char *what_to_do)
{
    ending end = spill_apart(body, "2 whole, 2 full\n");
    CONTAINS(end.output, why);
    CONTAINS(end.output, what_to_do);
    ck_assert_int_eq((int)count_of(end.output, "cannot spill"), 1);
}

static void into_a_missing_one(void) { spill_a_little("/nonexistent/skate"); }
static void into_a_file(void)        { spill_a_little("/proc/self/exe"); }
static void into_proc(void)          { spill_a_little("/proc/self"); }

CASE(a_spill_directory_that_is_none_is_named_once_and_the_program_goes_on, ISOLATED, .by_hand = true)
{
    expect_refused(into_a_missing_one, "cannot spill to /nonexistent/skate: open: No such file or directory; ", "make that directory");
    expect_refused(into_a_file, "cannot spill to /proc/self/exe: open: Not a directory; ", "--sk-spill-dir");
    expect_refused(into_proc, "cannot spill to /proc/self: open: ", "--sk-spill-dir");
}

/* A file system of a few pages that only this process and its children see; by root only. */
static void mount_small(const char *directory, bool read_only)
{
    char size[] = "size=1200k";
    mkdir(directory, 0700);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
        || mount("none", directory, "tmpfs", read_only ? MS_RDONLY : 0, size) != 0) {
        printf("cannot mount here\n");
        _exit(0);
    }
}
static const char *directory_of_case;
static void into_a_full_one(void)      { mount_small(directory_of_case, false); spill_a_little(directory_of_case); }
static void into_a_read_only_one(void) { mount_small(directory_of_case, true);  spill_a_little(directory_of_case); }

CASE(a_spill_directory_that_is_full_or_read_only_loses_nothing, ISOLATED, .by_hand = true)
{
    directory_of_case = scratch("mounted");
    ending end = run_apart(into_a_read_only_one);
    if (!strstr(end.output, "cannot mount here")) {
        expect_refused(into_a_read_only_one, "open: Read-only file system; ", "make it writable");
        end = spill_apart(into_a_full_one, "3 whole, 1 full\n");
        CONTAINS(end.output, "write: No space left on device; ");
        CONTAINS(end.output, "make room there");
        ck_assert_int_eq((int)count_of(end.output, "cannot spill"), 1);
    }
    rmdir(directory_of_case);
}

static void with_a_limit_of_file_sizes(void) { spill(NULL, 8, 4 << 20); }

CASE(a_limit_of_file_sizes_ends_the_spilling_and_not_the_program, ISOLATED, .by_hand = true)
{
    ending end = spill_apart(with_a_limit_of_file_sizes, "6 whole, 2 full\n");
    CONTAINS(end.output, "write: File too large; ");
    CONTAINS(end.output, "raise the limit (ulimit -f)");
}

static void and_leave_no_names(void)
{
    mkdir(directory_of_case, 0700);
    start(&(sk_config){ .workers = 2, .store_bytes = 2 << 20, .spill_dir = directory_of_case });
    sk_ref r[8];
    for (int i = 0; i < 8; i++)
        ck_assert(is_whole(r[i] = sk_remote(filled, 1, i), i));
    DIR *d = opendir(directory_of_case);
    for (struct dirent *e; d && (e = readdir(d)); )
        if (e->d_name[0] != '.')
            printf("there is %s\n", e->d_name);
    closedir(d);
    printf("looked\n");
    stop();
}

CASE(the_spill_file_has_no_name, ISOLATED, .by_hand = true)
{
    directory_of_case = scratch("spilled");
    ending end = run_apart(and_leave_no_names);
    ck_assert_msg(end.status == 0 && strstr(end.output, "looked\n") && !strstr(end.output, "there is"), "%s", end.output);
    ck_assert_int_eq(rmdir(directory_of_case), 0);
}
