/* test_shm_whole.c -- large blocks of the store: of pages of 2 MiB where the kernel has them, and then unlocked by their protection. */
#include "backends/shm.h"

#include <check.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

Suite *shm_whole_suite(void);

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define MB ((size_t)1 << 20)

static sk_shm *s;
static sk_shm_map m;
static sk_error why;

static void begin(void)
{
    s = sk_shm_new(128 * MB, 3, NULL, &why);
    ck_assert_msg(s && sk_shm_add(s, 0, &why) && sk_shm_add(s, 1, &why), "%s", why.message);
    ck_assert_uint_gt(sk_shm_large(s), 0);
    ck_assert_msg(sk_shm_map_open(&m, sk_shm_stride(s), 3, &why)
                  && sk_shm_map_add(&m, 1, sk_shm_descriptor(s, 1, true, &why), true, &why), "%s", why.message);
    m.large = sk_shm_large(s);
}

static void end(void)
{
    sk_shm_map_close(&m);
    sk_shm_free(s);
}

/* Does the kernel make pages of 2 MiB of shared memory, if it is asked for that? Asked without any code of ours. */
static bool kernel_collapses(void)
{
    int fd = memfd_create("probe", MFD_CLOEXEC);
    char *raw = fd >= 0 && ftruncate(fd, 4 * MB) == 0 ? mmap(NULL, 8 * MB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
    ck_assert(raw != MAP_FAILED);
    char *p = (char *)(((uintptr_t)raw + 2 * MB - 1) & ~(uintptr_t)(2 * MB - 1));
    ck_assert(mmap(p, 4 * MB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == p);
    *p = 1;
    bool can = madvise(p, 2 * MB, MADV_COLLAPSE) == 0;
    munmap(raw, 8 * MB);
    close(fd);
    return can;
}

/* Of this mapping, in kB: what is mapped by whole entries. */
static long whole_kb(const void *p)
{
    char line[400];
    long kb = 0;
    bool here = false;
    FILE *f = fopen("/proc/self/smaps", "r");
    ck_assert(f != NULL);
    while (fgets(line, sizeof line, f)) {
        unsigned long from, to;
        long n;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = from <= (uintptr_t)p && (uintptr_t)p < to;
        else if (here && sscanf(line, "ShmemPmdMapped: %ld", &n) == 1)
            kb += n;
    }
    fclose(f);
    return kb;
}

static sigjmp_buf back;
static void on_fault(int sig) { siglongjmp(back, sig); }

static bool faults(volatile char *p)
{
    struct sigaction had, now = { .sa_handler = on_fault };
    sigaction(SIGSEGV, &now, &had);
    bool fault = sigsetjmp(back, 1) != 0;
    if (!fault)
        *p = *p;
    sigaction(SIGSEGV, &had, NULL);
    return fault;
}

START_TEST(large_blocks_are_of_2_MiB_pages_where_the_kernel_has_them)
{
    char *large = sk_shm_alloc(s, 1, 8 * MB - 100), *small = sk_shm_alloc(s, 1, MB);
    memset(large, 1, 8 * MB - 100);
    bool can = kernel_collapses();
    ck_assert_int_eq(sk_shm_is_whole(s, large), can);
    ck_assert(!sk_shm_is_whole(s, small));
    ck_assert_int_eq(whole_kb(large) > 0, can);        /* all of it, where memory is not in pieces */
    const char *view = sk_shm_view(s, large);
    ck_assert_int_eq(view[0] + view[8 * MB - 101], 2);
    ck_assert(!can || whole_kb(view) > 0);
}
END_TEST

START_TEST(what_never_had_a_block_is_not_whole)
{
    char *p = sk_shm_alloc(s, 1, 4 * MB);
    ck_assert(!sk_shm_is_whole(s, p + 2 * MB) && !sk_shm_is_whole(s, &p));
    sk_shm_release(s, p);
    ck_assert(!sk_shm_is_whole(s, p));
}
END_TEST

START_TEST(a_large_block_is_written_from_unlock_to_lock_and_at_no_other_time)
{
    char *a = sk_shm_map_at(&m, sk_shm_offset(s, sk_shm_alloc(s, 1, 4 * MB))), *next = sk_shm_map_at(&m, sk_shm_offset(s, sk_shm_alloc(s, 1, 2 * MB)));
    ck_assert(sk_shm_map_in_place(&m) && sk_shm_map_in_place(&m));
    for (int round = 0; round < 3; round++) {
        char *written = sk_shm_map_unlock(&m, a, 4 * MB - 7);
        ck_assert(written && sk_shm_map_offset(&m, written) == sk_shm_map_offset(&m, a));
        ck_assert(!faults(written) && !faults(written + 4 * MB - 1) && faults(written + 4 * MB) && faults(a) && faults(next));
        memset(written, 'a' + round, 4 * MB);
        ck_assert(sk_shm_map_lock(&m, written, 4 * MB - 7));
        ck_assert(faults(written) && faults(written + 4 * MB - 1) && faults(a));
        ck_assert(a[0] == 'a' + round && a[4 * MB - 1] == 'a' + round);
    }
}
END_TEST

START_TEST(large_blocks_that_are_cut_anew_and_small_ones_are_written_where_they_are)
{
    char *a = sk_shm_map_at(&m, sk_shm_offset(s, sk_shm_alloc(s, 1, 4 * MB))), *page = sk_shm_map_at(&m, sk_shm_offset(s, sk_shm_alloc(s, 1, 1)));
    ck_assert(sk_shm_map_in_place(&m));
    char *half = sk_shm_map_unlock(&m, a + 2 * MB, 2 * MB);
    memset(half, 'h', 2 * MB);
    char *one = sk_shm_map_unlock(&m, page, 1);
    ck_assert(!faults(one) && faults(half - 1));
    *one = 'p';
    ck_assert(sk_shm_map_lock(&m, half, 2 * MB) && sk_shm_map_lock(&m, one, 1));
    ck_assert(faults(half) && faults(one) && *page == 'p' && a[2 * MB] == 'h' && a[4 * MB - 1] == 'h' && a[2 * MB - 1] == 0);
}
END_TEST

START_TEST(without_large_blocks_or_an_arena_of_its_own_nothing_is_written_in_place)
{
    m.large = 0;
    ck_assert(!sk_shm_map_in_place(&m));
    sk_shm_map_close(&m);
    ck_assert(sk_shm_map_open(&m, sk_shm_stride(s), 3, &why));
    m.large = sk_shm_large(s);
    ck_assert(!sk_shm_map_in_place(&m));
}
END_TEST

START_TEST(a_large_block_whose_pages_went_back_has_them_again)
{
    char *keep[7];
    for (int round = 0; round < 3; round++) {                   /* all of the room, by turns in large and in small blocks */
        for (int i = 0; i < 7; i++)
            ck_assert((keep[i] = sk_shm_alloc(s, 1, 8 * MB)) != NULL);
        for (int i = 0; i < 7; i++)
            memset(keep[i], i + 1, 8 * MB);
        for (int i = 0; i < 7; i++)
            ck_assert(keep[i][0] == i + 1 && keep[i][8 * MB - 1] == i + 1);
        for (int i = 0; i < 7; i++)
            sk_shm_release(s, keep[i]);
        char *all = sk_shm_alloc(s, 0, 127 * MB);
        ck_assert(all != NULL);
        ck_assert_uint_le(sk_shm_live(s) + sk_shm_warm(s), 128 * MB);
        sk_shm_release(s, all);
    }
}
END_TEST

Suite *shm_whole_suite(void)
{
    Suite *suite = suite_create("shm_whole");
    TCase *all = tcase_create("shm_whole");
    tcase_add_checked_fixture(all, begin, end);
    tcase_add_test(all, large_blocks_are_of_2_MiB_pages_where_the_kernel_has_them);
    tcase_add_test(all, what_never_had_a_block_is_not_whole);
    tcase_add_test(all, a_large_block_is_written_from_unlock_to_lock_and_at_no_other_time);
    tcase_add_test(all, large_blocks_that_are_cut_anew_and_small_ones_are_written_where_they_are);
    tcase_add_test(all, without_large_blocks_or_an_arena_of_its_own_nothing_is_written_in_place);
    tcase_add_test(all, a_large_block_whose_pages_went_back_has_them_again);
    suite_add_tcase(suite, all);
    return suite;
}
