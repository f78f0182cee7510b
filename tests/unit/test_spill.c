/* test_spill.c -- what the store spills: which block, what stays, that it comes back as it was, and calls that fail (in a child of their own). */
#include "backends/node_parts.h"
#include "backends/shm.h"
#include "backends/shm_spill.h"
#include "apart.h"
#include "failing.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

Suite *spill_suite(void);

#define MB ((size_t)1 << 20)
static sk_shm *s;
static sk_error why;
static size_t page;

static void begin(void)
{
    page = sk_shm_page();
    s = sk_shm_new(8 * MB, 2, NULL, &why);
    ck_assert_msg(s && sk_shm_add(s, 0, &why) && sk_shm_add(s, 1, &why), "%s", why.message);
}
static void end(void) { sk_shm_free(s); }

/* Bytes that tell which block it is, and where in it. */
static void fill(char *p, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size / 8; i++)
        ((uint64_t *)p)[i] = seed * 0x9e3779b97f4a7c15u + i;
}
static bool is_filled(const char *p, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size / 8; i++)
        if (((const uint64_t *)p)[i] != seed * 0x9e3779b97f4a7c15u + i)
            return false;
    return true;
}

static char *made(unsigned owner, size_t size, unsigned seed)
{
    char *p = sk_shm_alloc(s, owner, size);
    ck_assert_ptr_nonnull(p);
    fill(p, size, seed);
    sk_shm_keep(s, p);
    return p;
}

/* ---- which, and what stays ---- */

START_TEST(a_spilled_block_keeps_its_first_page_and_comes_back_as_it_was)
{
    char *p = made(1, 2 * MB, 7);
    uint64_t at = sk_shm_offset(s, p);
    ck_assert_uint_eq(sk_shm_idle(s), 2 * MB);
    ck_assert_uint_eq(sk_shm_spill(s), 2 * MB - page);
    ck_assert_uint_eq(sk_shm_live(s), page);
    ck_assert_uint_eq(sk_shm_left(s), page);
    ck_assert_uint_eq(sk_shm_spilled(s), 2 * MB - page);
    ck_assert_uint_eq(sk_shm_away(s, p), 2 * MB - page);
    ck_assert_uint_eq(sk_shm_block(s, at, NULL), 2 * MB);
    ck_assert(is_filled(p, page, 7) && ((uint64_t *)p)[page / 8] == 0);      /* a hole reads as zeros */
    ck_assert_uint_eq(sk_shm_spill(s), 0);
    ck_assert(sk_shm_pin(s, p, &why));
    ck_assert(is_filled(p, 2 * MB, 7) && is_filled(sk_shm_view(s, p), 2 * MB, 7));
    ck_assert_uint_eq(sk_shm_live(s), 2 * MB);
    ck_assert_uint_eq(sk_shm_spilled(s), 0);
}
END_TEST

static struct { uint64_t name; size_t size; bool back; } told[8];
static unsigned ntold;

static void note_told(void *listener, uint64_t name, size_t size, bool back)
{
    ck_assert(listener == told && ntold < 8);
    told[ntold].name = name, told[ntold].size = size, told[ntold++].back = back;
}

START_TEST(who_listens_hears_of_blocks_with_a_name_when_they_go_and_when_they_are_back)
{
    ntold = 0;
    sk_shm_listen(s, note_told, told);
    char *p = made(1, 2 * MB, 7), *other = made(1, MB, 8);
    sk_shm_set_name(s, p, 77);
    ck_assert_uint_eq(sk_shm_name(s, p), 77);
    ck_assert(sk_shm_spill(s) && sk_shm_spill(s));
    ck_assert(ntold == 1 && told[0].name == 77 && told[0].size == 2 * MB - page && !told[0].back);
    ck_assert(sk_shm_pin(s, other, &why) && sk_shm_pin(s, p, &why));
    ck_assert(ntold == 2 && told[1].name == 77 && told[1].size == 2 * MB - page && told[1].back);
    sk_shm_unpin(s, p, sk_shm_serial(s, p));
    ck_assert(sk_shm_spill(s) && ntold == 3);
    sk_shm_set_name(s, p, 0);                                        /* from now on nobody hears of it */
    ck_assert(sk_shm_pin(s, p, &why) && ntold == 3);
    sk_shm_set_name(s, p, 78);
    sk_shm_release(s, p);
    p = made(1, 2 * MB, 9);                                          /* in its place */
    ck_assert_uint_eq(sk_shm_name(s, p), 0);
    ck_assert(sk_shm_spill(s) && ntold == 3);
}
END_TEST

/* In a large store sizes near a multiple of 2 MiB are rounded up to it: what nobody asked for stays, and is counted. */
START_TEST(of_a_block_that_was_rounded_up_the_bytes_that_were_asked_for_go_and_come_back)
{
    sk_shm_free(s);
    s = sk_shm_new(64 * MB, 2, NULL, &why);
    ck_assert(s && sk_shm_add(s, 0, &why) && sk_shm_add(s, 1, &why));
    size_t size = 2 * MB - 5 * page;
    char *p = made(1, size, 3), *next = made(1, size, 4);
    ck_assert_uint_eq(sk_shm_live(s), 4 * MB);
    ck_assert_uint_eq(sk_shm_spill(s), size - page);
    ck_assert_uint_eq(sk_shm_live(s), 4 * MB - (size - page));
    ck_assert_uint_eq(sk_shm_left(s), 6 * page);
    ck_assert_uint_eq(sk_shm_available(s, 0), 64 * MB);
    ck_assert(is_filled(next, size, 4));
    ck_assert(sk_shm_pin(s, p, &why) && is_filled(p, size, 3));
    ck_assert_uint_eq(sk_shm_live(s), 4 * MB);
    sk_shm_release(s, p);
    sk_shm_spill(s);
    sk_shm_release(s, next);                                         /* while it is away */
    ck_assert_uint_eq(sk_shm_live(s), 0);
    ck_assert_uint_eq(sk_shm_spilled(s) + sk_shm_left(s) + sk_shm_idle(s), 0);
}
END_TEST

START_TEST(what_is_not_kept_or_is_pinned_stays)
{
    char *written = sk_shm_alloc(s, 0, MB), *p = made(0, MB, 1);
    fill(written, MB, 2);
    ck_assert_uint_eq(sk_shm_available(s, 0), 7 * MB);
    ck_assert_uint_eq(sk_shm_takes(s, p), MB);
    ck_assert(sk_shm_pin(s, p, &why) && sk_shm_pin(s, p, &why));
    ck_assert_uint_eq(sk_shm_available(s, 0), 6 * MB);
    ck_assert_uint_eq(sk_shm_takes(s, p), 0);
    uint64_t serial = sk_shm_serial(s, p);
    ck_assert_uint_eq(sk_shm_spill(s), 0);
    sk_shm_unpin(s, p, serial);
    ck_assert_uint_eq(sk_shm_spill(s), 0);
    sk_shm_unpin(s, p, serial);
    ck_assert_uint_eq(sk_shm_spill(s), MB - page);
    ck_assert(is_filled(written, MB, 2) && sk_shm_away(s, p));
    ck_assert_uint_eq(sk_shm_available(s, 0), 7 * MB);
    ck_assert_uint_eq(sk_shm_takes(s, p), MB);
}
END_TEST

START_TEST(the_one_that_is_idle_longest_goes_first)
{
    char *p[4];
    for (unsigned i = 0; i < 4; i++)
        p[i] = made(i % 2, MB, i);
    ck_assert(sk_shm_pin(s, p[0], &why));
    sk_shm_unpin(s, p[0], sk_shm_serial(s, p[0]));
    static const unsigned order[] = { 1, 2, 3, 0 };
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(sk_shm_away(s, p[order[i]]), 0);
        sk_shm_spill(s);
        ck_assert_uint_eq(sk_shm_away(s, p[order[i]]), MB - page);
    }
}
END_TEST

START_TEST(a_block_of_one_page_is_never_spilled)
{
    made(0, page, 1);
    ck_assert_uint_eq(sk_shm_spill(s), 0);
}
END_TEST

START_TEST(what_was_pinned_for_good_stays_until_it_is_released)
{
    char *p = made(0, MB, 1);
    ck_assert(sk_shm_pin_for_good(s, p, &why) && sk_shm_pin_for_good(s, p, &why));
    ck_assert_uint_eq(sk_shm_spill(s), 0);
    sk_shm_release(s, p);
    char *q = made(0, MB, 2);
    ck_assert_ptr_eq(p, q);
    ck_assert_uint_eq(sk_shm_spill(s), MB - page);
}
END_TEST

START_TEST(a_pin_of_a_released_block_says_nothing_about_the_next_one_there)
{
    char *p = made(0, MB, 1);
    ck_assert(sk_shm_pin(s, p, &why));
    uint64_t serial = sk_shm_serial(s, p);
    sk_shm_release(s, p);
    sk_shm_unpin(s, p, serial);
    ck_assert_ptr_eq(made(0, MB, 2), p);
    ck_assert(sk_shm_pin(s, p, &why));
    sk_shm_unpin(s, p, serial);
    ck_assert_uint_eq(sk_shm_spill(s), 0);        /* the new one is pinned still */
}
END_TEST

START_TEST(what_does_not_fit_beside_what_is_pinned_stays_away)
{
    char *p = made(0, 4 * MB, 1);
    sk_shm_spill(s);
    char *q = made(1, 6 * MB, 2);
    ck_assert(sk_shm_pin(s, q, &why));
    errno = 0;
    ck_assert(!sk_shm_pin(s, p, &why) && errno == EDQUOT);
    ck_assert_uint_eq(sk_shm_away(s, p), 4 * MB - page);
    sk_shm_unpin(s, q, sk_shm_serial(s, q));
    ck_assert(!sk_shm_pin(s, p, &why));
    sk_shm_spill(s);
    ck_assert(sk_shm_pin(s, p, &why) && is_filled(p, 4 * MB, 1));
}
END_TEST

START_TEST(a_spilled_block_that_is_released_leaves_nothing)
{
    for (unsigned i = 0; i < 20; i++) {
        char *p = made(1, 3 * MB, i);
        sk_shm_spill(s);
        sk_shm_release(s, p);
        ck_assert_uint_eq(sk_shm_live(s) + sk_shm_left(s) + sk_shm_spilled(s) + sk_shm_idle(s) + sk_shm_warm(s), 0);
    }
    char *p = sk_shm_alloc(s, 1, 8 * MB);
    ck_assert(p && ((uint64_t *)p)[0] == 0);      /* its first page went too */
}
END_TEST

START_TEST(more_than_the_capacity_has_places)
{
    enum { N = 60 };
    char *p[N];
    for (unsigned i = 0; i < N; i++) {
        while (!(p[i] = sk_shm_alloc(s, 1, MB)))
            ck_assert(errno == EDQUOT && sk_shm_spill(s));
        fill(p[i], MB, i);
        sk_shm_keep(s, p[i]);
        ck_assert_uint_le(sk_shm_live(s), 8 * MB);
    }
    for (unsigned i = 0; i < N; i++) {
        while (!sk_shm_pin(s, p[i], &why))
            ck_assert(errno == EDQUOT && sk_shm_spill(s));
        ck_assert(is_filled(p[i], MB, i));
        sk_shm_unpin(s, p[i], sk_shm_serial(s, p[i]));
    }
}
END_TEST

/* Random steps against a model: what is pinned is what was written, and the cap holds. */
typedef struct thing { char *at; size_t size; unsigned seed, pins; uint64_t serial; } thing;

static bool make_thing(thing *t, unsigned owner, size_t size, unsigned seed)
{
    void *at;
    while (!(at = sk_shm_alloc(s, owner, size)))
        if (errno != EDQUOT || !sk_shm_spill(s))
            return false;
    *t = (thing){ at, size, seed, 0, sk_shm_serial(s, at) };
    fill(at, size, seed);
    if (seed % 8)
        sk_shm_keep(s, at);
    return true;
}

START_TEST(whatever_happens_in_whatever_order_bytes_stay_and_the_cap_holds)
{
    enum { THINGS = 40 };
    thing things[THINGS] = { 0 };
    uint64_t random = (uint64_t)_i + 1, restored = 0;
    for (int step = 0; step < 4000; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned r = (unsigned)(random >> 33);
        thing *t = &things[r / 8 % THINGS];
        if (!t->at) {
            make_thing(t, r / 1024 % 2, page * (1 + r / 2048 % 200), (unsigned)step);
        } else if (r % 8 < 3) {
            bool was_away = sk_shm_away(s, t->at), pinned = sk_shm_pin(s, t->at, &why);
            t->pins += pinned;
            restored += was_away && pinned;
            ck_assert(!pinned || is_filled(t->at, t->size, t->seed));
        } else if (r % 8 < 6 && t->pins) {
            ck_assert(is_filled(t->at, t->size, t->seed));
            sk_shm_unpin(s, t->at, t->serial);
            t->pins--;
        } else if (r % 8 == 6) {
            sk_shm_spill(s);
        } else if (r % 16 == 7) {
            sk_shm_release(s, t->at);
            *t = (thing){ 0 };
        }
        ck_assert(sk_shm_live(s) <= 8 * MB && sk_shm_idle(s) <= sk_shm_live(s));
    }
    for (int i = 0; i < THINGS; i++)
        if (things[i].at)
            sk_shm_release(s, things[i].at);
    ck_assert_uint_eq(sk_shm_live(s) + sk_shm_left(s) + sk_shm_spilled(s) + sk_shm_idle(s), 0);
    ck_assert_uint_gt(restored, 100);
}
END_TEST

START_TEST(what_is_lent_is_for_who_borrows_and_for_nobody_else)
{
    char *block[3];
    sk_shm *s = sk_shm_new(2 * MB + MB / 2, 1, NULL, &why);
    ck_assert(s && sk_shm_add(s, 0, &why));
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_ptr_nonnull(block[i] = sk_shm_alloc(s, 0, MB));
        fill(block[i], MB, i);
        sk_shm_keep(s, block[i]);
        if (i == 1)
            ck_assert_uint_gt(sk_shm_spill(s), 0);                 /* the first: there is room for the third */
    }
    ck_assert(sk_shm_pin(s, block[1], &why) && sk_shm_pin(s, block[2], &why));
    ck_assert(!sk_shm_pin(s, block[0], &why) && errno == EDQUOT);
    size_t room = sk_shm_room(s), available = sk_shm_available(s, 0);
    sk_shm_lend(s, MB);
    ck_assert(!sk_shm_pin(s, block[0], &why) && errno == EDQUOT);     /* it was another who asked */
    ck_assert_uint_eq(sk_shm_available(s, 0), available);
    sk_shm_borrow(s, true);
    ck_assert_uint_eq(sk_shm_available(s, 0), available + MB);
    ck_assert_uint_eq(sk_shm_room(s), room);                        /* nothing new is made there */
    ck_assert(sk_shm_pin(s, block[0], &why) && is_filled(block[0], MB, 0));
    ck_assert_uint_eq(sk_shm_room(s), 0);                           /* it has more than it may, not less than nothing */
    sk_shm_lend(s, 0);
    ck_assert_uint_eq(sk_shm_available(s, 0), 0);
    sk_shm_free(s);
}
END_TEST

/* ---- the file ---- */

START_TEST(room_in_the_file_is_used_again_and_holes_go_back)
{
    static char bytes[MB], back[MB];
    sk_spill *p = sk_spill_new(NULL);
    uint64_t at[4], again;
    for (unsigned i = 0; i < 4; i++) {
        fill(bytes, MB, i);
        ck_assert(sk_spill_write(p, bytes, MB, &at[i]));
    }
    ck_assert_uint_eq(sk_spill_bytes(p), 4 * MB);
    sk_spill_forget(p, at[1]);
    ck_assert(sk_spill_write(p, bytes, MB / 2, &again));
    ck_assert_uint_eq(again, at[1]);
    for (unsigned i = 0; i < 4; i++)
        ck_assert(i == 1 || (sk_spill_read(p, at[i], back, MB, &why) && is_filled(back, MB, i)));
    ck_assert(sk_spill_read(p, again, back, MB / 2, &why) && is_filled(back, MB / 2, 3));
    sk_spill_free(p);
}
END_TEST

START_TEST(nothing_is_written_behind_the_end_of_a_file_that_was_cut)
{
    static char bytes[MB], back[MB];
    char directory[] = "/tmp/cut-XXXXXX";
    uint64_t at[2];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    sk_spill *p = sk_spill_new(directory);
    fill(bytes, MB, 7);
    ck_assert(sk_spill_write(p, bytes, MB, &at[0]));
    ck_assert_int_eq(cut_files(getpid(), directory), 1);
    ck_assert(!sk_spill_write(p, bytes, MB, &at[1]) && !sk_spill_is_on(p));
    ck_assert(!sk_spill_read(p, at[0], back, MB, &why));           /* no zeros that pass for it */
    ck_assert_int_eq(why.code, SK_OBJECT_LOST);
    sk_spill_free(p);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

/* Who sends it began when it was away. */
START_TEST(what_came_back_at_a_node_is_read_from_memory_and_not_from_the_file)
{
    static char back[MB];
    char directory[] = "/tmp/cut-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(directory));
    static node n;
    n.space = sk_shm_new_space(sk_shm_stride(s), 0, 2, 8 * MB, &why);
    n.spill = sk_spill_new(directory);
    ck_assert(n.space && sk_shm_add(n.space, 1, &why));
    sk_node_msg m = { .place = sk_shm_stride(s) + page, .size = MB, .w = 1 };
    ck_assert(sk_shm_fill(n.space, m.place, MB));
    fill(sk_shm_at(n.space, m.place), MB, 5);
    sk_node_spill_out(&n, &m);
    ck_assert(sk_node_spill_is_away(&n, m.place));
    ck_assert(sk_node_spill_read(&n, m.place, 0, back, MB) && is_filled(back, MB, 5));
    sk_node_spill_back(&n, &m);
    ck_assert(!sk_node_spill_is_away(&n, m.place));
    ck_assert_int_eq(cut_files(getpid(), directory), 1);
    memset(back, 0, MB);
    ck_assert(sk_node_spill_read(&n, m.place, MB / 2, back + MB / 2, MB / 2));
    ck_assert_mem_eq(back + MB / 2, (char *)sk_shm_at(n.space, m.place) + MB / 2, MB / 2);
    ck_assert(!sk_node_spill_read(&n, m.place, MB, back, 1) && !n.over);
    sk_node_spill_forget(&n, m.place);
    sk_node_spill_close(&n);
    sk_shm_free(n.space);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(none_is_no_directory)
{
    uint64_t at;
    sk_spill *p = sk_spill_new("none");
    ck_assert(!sk_spill_is_on(p) && !sk_spill_write(p, "x", 1, &at) && sk_spill_bytes(p) == 0);
    sk_spill_free(p);
}
END_TEST

static void expect_default(const char *directory)
{
    sk_spill *p = sk_spill_new(NULL);
    ck_assert_str_eq(sk_spill_directory(p), directory);
    sk_spill_free(p);
}

START_TEST(the_default_is_tmpdir_or_var_tmp)
{
    setenv("TMPDIR", "/somewhere", 1);
    expect_default("/somewhere");
    struct stat st;
    bool there = stat("/var/tmp", &st) == 0;
    setenv("TMPDIR", "", 1);
    expect_default(there ? "/var/tmp" : "/tmp");
    unsetenv("TMPDIR");
    expect_default(there ? "/var/tmp" : "/tmp");
}
END_TEST

/* ---- calls that fail ---- */

static int in_child(int (*body)(void *), void *arg, char *says, size_t room)
{
    int ends[2], status;
    ck_assert(pipe(ends) == 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        _exit(body(arg));
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; n < room - 1 && (got = read(ends[0], says + n, room - 1 - n)) > 0; )
        n += (size_t)got;
    says[n] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "signal %d: %s", WTERMSIG(status), says);
    return WEXITSTATUS(status);
}

typedef struct failing { int call, error; const char *says, *todo; } failing;

static int spills_twice(void *arg)
{
    const failing *f = arg;
    char *p = made(0, MB, 1), *q = made(0, MB, 2);
    fails(f->call, f->error, -1, 0);
    if (sk_shm_spill(s) || sk_shm_spill(s) || sk_shm_spills_to(s))
        return 1;
    if (!is_filled(p, MB, 1) || !is_filled(q, MB, 2) || sk_shm_live(s) != 2 * MB || sk_shm_spilled(s))
        return 2;
    return sk_shm_alloc(s, 1, MB) ? 42 : 3;
}

START_TEST(a_write_that_fails_is_named_once_and_loses_nothing)
{
    static const failing all[] = {
        { SYS_openat, ENOENT, "open: No such file or directory", "make that directory" },
        { SYS_openat, EROFS, "open: Read-only file system", "make it writable" },
        { SYS_openat, EMFILE, "open: Too many open files", "ulimit -n" },
        { SYS_pwrite64, ENOSPC, "write: No space left on device", "make room there" },
        { SYS_pwrite64, EDQUOT, "write: Disk quota exceeded", "make room there" },
        { SYS_pwrite64, EIO, "write: Input/output error", "--sk-spill-dir" },
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        char says[4000];
        ck_assert_int_eq(in_child(spills_twice, (void *)(uintptr_t)&all[i], says, sizeof says), 42);
        char *first = strstr(says, "cannot spill to ");
        ck_assert_msg(first && strstr(says, all[i].says) && strstr(says, all[i].todo), "%s", says);
        ck_assert_ptr_null(strstr(first + 1, "cannot spill to "));
    }
}
END_TEST

/* Once a write has failed, what has a copy in the file already can still go. */
static int goes_again(void *unused)
{
    (void)unused;
    char *p = made(0, MB, 1), *q = made(0, MB, 2);
    if (sk_shm_spill(s) != MB - page || !sk_shm_pin(s, p, &why))
        return 1;
    fails(SYS_pwrite64, ENOSPC, -1, 0);
    sk_shm_unpin(s, p, sk_shm_serial(s, p));
    if (sk_shm_spill(s) != MB - page || !sk_shm_away(s, p) || sk_shm_away(s, q))
        return 2;
    return sk_shm_pin(s, p, &why) && is_filled(p, MB, 1) && is_filled(q, MB, 2) ? 42 : 3;
}

START_TEST(a_copy_in_the_file_serves_again_without_a_write)
{
    char says[4000];
    ck_assert_int_eq(in_child(goes_again, NULL, says, sizeof says), 42);
}
END_TEST

/* What is in memory and in the file, and the file is cut: memory has the only one. */
static int is_cut_behind_its_back(void *directory)
{
    s = sk_shm_new(8 * MB, 2, directory, &why);
    if (!s || !sk_shm_add(s, 0, &why))
        return 1;
    char *p = made(0, MB, 1);
    if (sk_shm_spill(s) != MB - page || !sk_shm_pin(s, p, &why))
        return 2;
    sk_shm_unpin(s, p, sk_shm_serial(s, p));
    char *q = made(0, MB, 2);
    cut_files(getpid(), directory);
    if (sk_shm_spill(s) || sk_shm_spill(s) || sk_shm_away(s, p) || sk_shm_away(s, q) || sk_shm_spills_to(s))
        return 3;
    if (!is_filled(p, MB, 1) || !is_filled(q, MB, 2) || sk_shm_live(s) != 2 * MB)
        return 4;
    sk_shm_release(s, p);
    return sk_shm_live(s) == MB ? 42 : 5;
}

START_TEST(what_is_in_memory_stays_there_when_its_copy_in_the_file_was_cut_and_that_is_said)
{
    char says[4000], directory[] = "/tmp/cut-XXXXXX", want[400];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    int status = in_child(is_cut_behind_its_back, directory, says, sizeof says);
    ck_assert_int_eq(rmdir(directory), 0);
    ck_assert_msg(status == 42, "%d: %s", status, says);
    snprintf(want, sizeof want, "skate: the file in %s that the object store spills to was cut: it has 0 bytes, and %zu were written; what was spilled "
             "behind that is lost", directory, MB - page);
    char *first = strstr(says, want);
    ck_assert_msg(first && !strstr(first + strlen(want), "was cut") && !strstr(says, "make it writable"), "%s", says);
}
END_TEST

static int cannot_be_read(void *unused)
{
    (void)unused;
    char *p = made(0, MB, 1);
    sk_shm_spill(s);
    fails(SYS_pread64, EIO, -1, 0);
    errno = 0;
    why = (sk_error){ 0 };
    if (sk_shm_pin(s, p, &why) || errno != EIO || why.code != SK_OBJECT_LOST || !strstr(why.message, "cannot be read back: read: Input/output error"))
        return 1;
    if (!sk_shm_away(s, p) || sk_shm_live(s) != page)
        return 2;
    sk_shm_release(s, p);
    return sk_shm_live(s) + sk_shm_spilled(s) == 0 ? 42 : 3;
}

START_TEST(what_cannot_be_read_back_is_lost_by_name)
{
    char says[4000];
    ck_assert_int_eq(in_child(cannot_be_read, NULL, says, sizeof says), 42);
}
END_TEST

START_TEST(what_the_file_has_lost_can_be_filled_again_in_its_place)
{
    char *p = made(0, MB, 1);
    ck_assert(!sk_shm_refill(s, p));                               /* it is whole */
    sk_shm_spill(s);
    ck_assert(!sk_shm_refill(s, p));
    sk_shm_lose(s, p);
    for (int whole = 0; whole < 2; whole++) {
        ck_assert(!sk_shm_pin(s, p, &why) && errno == EIO && why.code == SK_OBJECT_LOST);
        ck_assert_uint_eq(sk_shm_away(s, p), MB - page);
        ck_assert(sk_shm_refill(s, p));
        ck_assert_uint_eq(sk_shm_live(s), MB);
        ck_assert(!sk_shm_pin(s, p, &why) && errno == ESTALE && !sk_shm_spill(s));
        fill(p, MB, 9);
        sk_shm_refilled(s, p, whole);
    }
    ck_assert(sk_shm_spill(s) == MB - page && sk_shm_pin(s, p, &why) && is_filled(p, MB, 9));
    sk_shm_release(s, p);
    ck_assert_uint_eq(sk_shm_live(s) + sk_shm_spilled(s) + sk_shm_idle(s) + sk_shm_left(s), 0);
}
END_TEST

static int has_no_memory(void *unused)
{
    (void)unused;
    char *p = made(0, MB, 1);
    sk_shm_spill(s);
    fails(SYS_fallocate, ENOMEM, 1, 1);           /* FALLOC_FL_KEEP_SIZE: pages cannot be had, holes can be punched */
    errno = 0;
    if (sk_shm_pin(s, p, &why) || errno != ENOMEM || !sk_shm_away(s, p) || sk_shm_live(s) != page)
        return 1;
    return is_filled(p, page, 1) ? 42 : 2;
}

START_TEST(without_memory_to_come_back_to_it_stays_away)
{
    char says[4000];
    ck_assert_int_eq(in_child(has_no_memory, NULL, says, sizeof says), 42);
}
END_TEST

static int without_o_tmpfile(void *directory)
{
    s = sk_shm_new(8 * MB, 2, directory, &why);
    if (!sk_shm_add(s, 0, &why))
        return 1;
    char *p = made(0, MB, 1);
    fails(SYS_openat, EOPNOTSUPP, 2, 020200000 | 02 | 02000000 | 0200);      /* O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC */
    if (sk_shm_spill(s) != MB - page || !sk_shm_pin(s, p, &why) || !is_filled(p, MB, 1))
        return 2;
    int n = 0;
    DIR *d = opendir(directory);
    while (d && readdir(d))
        n++;
    return n == 2 ? 42 : 3;
}

START_TEST(without_o_tmpfile_the_file_has_a_name_for_a_moment_only)
{
    char says[4000], directory[] = "/tmp/test-spill-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(directory));
    int status = in_child(without_o_tmpfile, directory, says, sizeof says);
    ck_assert_int_eq(rmdir(directory), 0);
    ck_assert_msg(status == 42, "%d: %s", status, says);
}
END_TEST

Suite *spill_suite(void)
{
    Suite *suite = suite_create("spill");
    TCase *tests = tcase_create("spill");
    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_test(tests, a_spilled_block_keeps_its_first_page_and_comes_back_as_it_was);
    tcase_add_test(tests, who_listens_hears_of_blocks_with_a_name_when_they_go_and_when_they_are_back);
    tcase_add_test(tests, of_a_block_that_was_rounded_up_the_bytes_that_were_asked_for_go_and_come_back);
    tcase_add_test(tests, what_is_not_kept_or_is_pinned_stays);
    tcase_add_test(tests, the_one_that_is_idle_longest_goes_first);
    tcase_add_test(tests, a_block_of_one_page_is_never_spilled);
    tcase_add_test(tests, what_was_pinned_for_good_stays_until_it_is_released);
    tcase_add_test(tests, a_pin_of_a_released_block_says_nothing_about_the_next_one_there);
    tcase_add_test(tests, what_does_not_fit_beside_what_is_pinned_stays_away);
    tcase_add_test(tests, a_spilled_block_that_is_released_leaves_nothing);
    tcase_add_test(tests, more_than_the_capacity_has_places);
    tcase_add_loop_test(tests, whatever_happens_in_whatever_order_bytes_stay_and_the_cap_holds, 0, 6);
    tcase_add_test(tests, room_in_the_file_is_used_again_and_holes_go_back);
    tcase_add_test(tests, what_came_back_at_a_node_is_read_from_memory_and_not_from_the_file);
    tcase_add_test(tests, none_is_no_directory);
    tcase_add_test(tests, the_default_is_tmpdir_or_var_tmp);
    tcase_add_test(tests, a_write_that_fails_is_named_once_and_loses_nothing);
    tcase_add_test(tests, a_copy_in_the_file_serves_again_without_a_write);
    tcase_add_test(tests, what_is_in_memory_stays_there_when_its_copy_in_the_file_was_cut_and_that_is_said);
    tcase_add_test(tests, what_cannot_be_read_back_is_lost_by_name);
    tcase_add_test(tests, what_is_lent_is_for_who_borrows_and_for_nobody_else);
    tcase_add_test(tests, nothing_is_written_behind_the_end_of_a_file_that_was_cut);
    tcase_add_test(tests, what_the_file_has_lost_can_be_filled_again_in_its_place);
    tcase_add_test(tests, without_memory_to_come_back_to_it_stays_away);
    tcase_add_test(tests, without_o_tmpfile_the_file_has_a_name_for_a_moment_only);
    suite_add_tcase(suite, tests);
    return suite;
}
