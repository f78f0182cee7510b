/* test_shm.c -- the store's shared memory: blocks and their reuse, the cap, who may write where, and what fails. A call that must fail is made
 * to fail by a seccomp filter, in a child of its own. */
#include "backends/shm.h"               /* first: it asks for all that the system has */

#include "failing.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *shm_suite(void);

#define MB ((size_t)1 << 20)
static sk_shm *s;
static sk_error why;
static size_t page;

static void begin(void)
{
    page = sk_shm_page();
    s = sk_shm_new(8 * MB, 3, NULL, &why);
    ck_assert_msg(s != NULL, "%s", why.message);
    ck_assert(sk_shm_add(s, 0, &why) && sk_shm_add(s, 1, &why));
}
static void end(void)
{
    sk_shm_free(s);
    s = NULL;
}

static int open_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    ck_assert(d != NULL);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* Bytes that the arenas' pages take, as the kernel says. */
static uint64_t in_memory(void)
{
    uint64_t sum = 0;
    for (unsigned owner = 0; owner < 3; owner++)
        if (sk_shm_has(s, owner)) {
            struct stat st;
            int fd = sk_shm_descriptor(s, owner, false, &why);
            ck_assert(fd >= 0 && fstat(fd, &st) == 0);
            close(fd);
            sum += (uint64_t)st.st_blocks * 512;
        }
    return sum;
}

/* Where the system gives tmpfs huge pages unasked, a file has more than it was asked to have. */
static bool small_pages(void)
{
    char line[200] = "";
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "r");
    if (f) {
        if (!fgets(line, sizeof line, f))
            line[0] = 0;
        fclose(f);
    }
    return !strstr(line, "[always]") && !strstr(line, "[within_size]") && !strstr(line, "[force]");
}

static bool all_are(const char *p, size_t size, char c) { return p[0] == c && !memcmp(p, p + 1, size - 1); }

/* What waitpid says of a child that runs this. */
static int in_child(int (*body)(void *), void *arg)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        signal(SIGSEGV, SIG_DFL);            /* not a sanitizer's */
        signal(SIGBUS, SIG_DFL);
        _exit(body(arg));
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}
#define ck_child_returns(body, arg, value)                                                     \
    do {                                                                                       \
        int status_ = in_child(body, arg);                                                     \
        ck_assert_msg(WIFEXITED(status_), "signal %d", WTERMSIG(status_));                     \
        ck_assert_int_eq(WEXITSTATUS(status_), value);                                         \
    } while (0)

/* ---- blocks ---- */

START_TEST(a_block_is_whole_pages_and_zeros_at_first)
{
    char *p = sk_shm_alloc(s, 0, 1), *q = sk_shm_alloc(s, 1, 3 * page + 1);
    unsigned owner;
    ck_assert(p && q && (uintptr_t)p % page == 0 && (uintptr_t)q % page == 0);
    ck_assert_uint_eq(sk_shm_block(s, sk_shm_offset(s, p), &owner), page);
    ck_assert_uint_eq(owner, 0);
    ck_assert_uint_eq(sk_shm_block(s, sk_shm_offset(s, q), &owner), 4 * page);
    ck_assert_uint_eq(owner, 1);
    ck_assert_uint_eq(sk_shm_live(s), 5 * page);
    ck_assert(all_are(q, 4 * page, 0));
    sk_shm_release(s, p);
    ck_assert_uint_eq(sk_shm_live(s), 4 * page);
    ck_assert_uint_eq(sk_shm_warm(s), page);
    ck_assert_uint_eq(sk_shm_peak(s), 5 * page);
}
END_TEST

static int reuses(void *unused)
{
    (void)unused;
    fails(SYS_fallocate, ENOSPC, -1, 0);
    char *again = sk_shm_alloc(s, 1, 2 * page);
    return again && !strcmp(again, "b") && !strcmp(again + page, "B") ? 42 : 1;
}

START_TEST(the_last_freed_of_a_size_comes_first_with_what_was_in_it_and_no_call)
{
    char *a = sk_shm_alloc(s, 1, 2 * page), *b = sk_shm_alloc(s, 1, 2 * page), *c = sk_shm_alloc(s, 1, 2 * page);
    strcpy(a, "a");
    strcpy(b, "b");
    strcpy(b + page, "B");
    strcpy(c, "c");
    sk_shm_release(s, c);
    sk_shm_release(s, a);
    sk_shm_release(s, b);
    ck_child_returns(reuses, NULL, 42);
    ck_assert_ptr_eq(sk_shm_alloc(s, 1, 2 * page), b);
    ck_assert_ptr_eq(sk_shm_alloc(s, 1, 2 * page), a);
    ck_assert_ptr_eq(sk_shm_alloc(s, 1, 2 * page), c);
    ck_assert_uint_eq(sk_shm_warm(s), 0);
}
END_TEST

START_TEST(freed_neighbours_serve_a_larger_block_and_a_larger_one_several)
{
    char *small[64];
    for (int i = 0; i < 64; i++)
        ck_assert((small[i] = sk_shm_alloc(s, 1, page)) && (i == 0 || small[i] == small[i - 1] + page));
    char *fence = sk_shm_alloc(s, 1, page);
    for (int i = 0; i < 64; i++)
        sk_shm_release(s, small[i * 37 % 64]);
    uint64_t before = in_memory();
    char *all = sk_shm_alloc(s, 1, 64 * page);
    ck_assert_ptr_eq(all, small[0]);
    sk_shm_release(s, all);
    for (int i = 0; i < 4; i++)
        ck_assert_ptr_eq(sk_shm_alloc(s, 1, 16 * page), small[16 * i]);
    ck_assert_uint_eq(in_memory(), before);
    ck_assert(fence != NULL);
}
END_TEST

START_TEST(a_page_does_not_take_the_place_of_a_large_block)
{
    char *large = sk_shm_alloc(s, 0, 4 * MB), *next = sk_shm_alloc(s, 0, page);
    ck_assert(large && next);
    sk_shm_release(s, large);
    char *small = sk_shm_alloc(s, 0, page);
    ck_assert(small < large || small >= large + 4 * MB);
    ck_assert_ptr_eq(sk_shm_alloc(s, 0, 4 * MB), large);
}
END_TEST

START_TEST(a_page_does_take_it_when_all_is_full)
{
    char *large = sk_shm_alloc(s, 0, MB);
    for (int i = 0; i < 7; i++)
        ck_assert(sk_shm_alloc(s, 0, MB) != NULL);
    ck_assert(large && !sk_shm_alloc(s, 0, 1));
    sk_shm_release(s, large);
    ck_assert_ptr_eq(sk_shm_alloc(s, 0, 1), large);
    ck_assert_uint_eq(sk_shm_live(s) + sk_shm_warm(s), 8 * MB);
}
END_TEST

START_TEST(no_two_blocks_overlap_and_the_cap_holds_whatever_happens)
{
    enum { OPS = 20000, LIVE = 300 };
    typedef struct { char *at; size_t size; unsigned owner; } block;
    static block live[LIVE];
    size_t stride = sk_shm_stride(s), n = 0, refused = 0, whole = 8 * MB, pages = 2 * stride / page;
    uint32_t *map = calloc(pages, sizeof *map), id = 0;
    uint64_t state = 20261125, sum = 0, peak = 0;
    bool exact = small_pages();
    for (int op = 0; op < OPS; op++) {
        uint64_t r = state = sk_mix(state);
        if (n < LIVE && (n == 0 || r % 100 < 52)) {
            size_t most = r >> 8 & 15 ? (r >> 12 & 3 ? 8 : 64) : 700, size = ((r >> 16) % most + 1) * page - (r >> 40) % page;
            block k = { .size = (size + page - 1) / page * page, .owner = r >> 60 & 1 };
            if (!(k.at = sk_shm_alloc(s, k.owner, size))) {
                ck_assert(sum + k.size > whole);                     /* the only reason to refuse */
                refused++;
                continue;
            }
            uint64_t offset = sk_shm_offset(s, k.at);
            size_t asked = k.size;
            k.size = sk_shm_block(s, offset, NULL);
            ck_assert(k.size == asked || (k.size > asked && k.size % (2 * MB) == 0 && offset % (2 * MB) == 0));
            ck_assert(offset / stride == k.owner && (offset + k.size - 1) / stride == k.owner && offset % page == 0);
            id++;
            for (size_t i = 0; i < k.size / page; i++) {
                ck_assert_uint_eq(map[offset / page + i], 0);
                map[offset / page + i] = id;
            }
            *(uint32_t *)(void *)k.at = *(uint32_t *)(void *)(k.at + k.size - 4) = id;
            live[n++] = k;
            sum += k.size;
        } else {
            size_t i = (r >> 8) % n;
            block k = live[i];
            uint64_t offset = sk_shm_offset(s, k.at);
            ck_assert_uint_eq(sk_shm_block(s, offset, NULL), k.size);
            ck_assert_uint_eq(*(uint32_t *)(void *)k.at, map[offset / page]);
            ck_assert_uint_eq(*(uint32_t *)(void *)(k.at + k.size - 4), map[offset / page]);
            memset(map + offset / page, 0, k.size / page * sizeof *map);
            sk_shm_release(s, k.at);
            ck_assert_uint_eq(sk_shm_block(s, offset, NULL), 0);
            live[i] = live[--n];
            sum -= k.size;
        }
        peak = sum > peak ? sum : peak;
        ck_assert_uint_eq(sk_shm_live(s), sum);
        ck_assert_uint_eq(sk_shm_peak(s), peak);
        ck_assert_uint_le(sum + sk_shm_warm(s), whole);
        if (op % 500 == 0 && exact)
            ck_assert_uint_eq(in_memory(), sum + sk_shm_warm(s));
    }
    ck_assert(refused > 100 && id > 5000);                           /* it was tight, and still went on */
    while (n)
        sk_shm_release(s, live[--n].at);
    char *all = sk_shm_alloc(s, 0, whole);                           /* nothing was lost on the way */
    ck_assert(all != NULL);
    ck_assert_uint_eq(sk_shm_live(s), whole);
    ck_assert_uint_eq(sk_shm_warm(s), 0);
    free(map);
}
END_TEST

START_TEST(many_blocks_of_one_size_come_and_go)
{
    enum { N = 2000 };
    static char *p[N];
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < N; i++)
            ck_assert((p[i] = sk_shm_alloc(s, 1, page)) != NULL);
        for (int i = 0; i < N; i++)
            sk_shm_release(s, p[(i * 7 + round) % N]);
    }
    ck_assert_uint_eq(sk_shm_warm(s), N * page);                     /* the same pages each time */
}
END_TEST

/* ---- the cap ---- */

START_TEST(what_was_freed_first_gives_its_pages_back)
{
    char *old = sk_shm_alloc(s, 0, MB), *young = sk_shm_alloc(s, 1, MB + MB / 4);
    for (int i = 0; i < 5; i++)
        ck_assert(sk_shm_alloc(s, 0, MB) != NULL);
    memset(old, 1, MB);
    memset(young, 2, MB + MB / 4);
    sk_shm_release(s, old);
    sk_shm_release(s, young);
    uint64_t before = in_memory();
    if (small_pages())
        ck_assert_uint_eq(before, 7 * MB + MB / 4);
    char *p = sk_shm_alloc(s, 0, MB + 3 * MB / 8);                   /* five eighths too much */
    ck_assert(p != NULL);
    ck_assert_uint_eq(sk_shm_live(s), 6 * MB + 3 * MB / 8);
    ck_assert_uint_eq(sk_shm_warm(s), MB + 5 * MB / 8);
    if (small_pages())
        ck_assert_uint_eq(in_memory(), 8 * MB);
    sk_shm_release(s, p);
    ck_assert_ptr_eq(sk_shm_alloc(s, 1, MB + MB / 4), young);        /* the younger one is as it was */
    ck_assert(all_are(young, MB + MB / 4, 2));
    ck_assert_ptr_eq(sk_shm_alloc(s, 0, MB + 3 * MB / 8), p);
    ck_assert(!sk_shm_alloc(s, 0, MB));
}
END_TEST

START_TEST(large_blocks_begin_and_end_at_multiples_of_2_MiB_also_when_a_part_goes_back)
{
    sk_error why;
    sk_shm_free(s);
    s = sk_shm_new(64 * MB, 3, NULL, &why);
    ck_assert(s && sk_shm_add(s, 0, &why) && sk_shm_add(s, 1, &why));
    char *a = sk_shm_alloc(s, 0, 3 * MB + MB / 2), *b = sk_shm_alloc(s, 1, 2 * MB - page);
    ck_assert(a && b);
    ck_assert_uint_eq(sk_shm_block(s, sk_shm_offset(s, a), NULL), 4 * MB);
    ck_assert_uint_eq(sk_shm_block(s, sk_shm_offset(s, b), NULL), 2 * MB);
    ck_assert(sk_shm_offset(s, a) % (2 * MB) == 0 && sk_shm_offset(s, b) % (2 * MB) == 0);
    sk_shm_release(s, a);
    char *c = sk_shm_alloc(s, 0, 2 * MB + MB / 4);                   /* nearer to no multiple: page by page */
    ck_assert_uint_eq(sk_shm_block(s, sk_shm_offset(s, c), NULL), 2 * MB + MB / 4);
    ck_assert(sk_shm_alloc(s, 0, 30 * MB) && sk_shm_alloc(s, 0, 26 * MB));      /* too large a part of the store: page by page too */
    ck_assert_uint_eq(sk_shm_warm(s), 2 * MB);                       /* a quarter of a megabyte too much: 2 have gone */
    char *d = sk_shm_alloc(s, 0, 2 * MB);
    ck_assert(sk_shm_offset(s, d) % (2 * MB) == 0);
    ck_assert_uint_eq(sk_shm_warm(s), 0);
    char *e = sk_shm_alloc(s, 1, 2 * MB - MB / 2);                   /* 1.75 MB are left: as it was asked for, then */
    ck_assert_uint_eq(sk_shm_block(s, sk_shm_offset(s, e), NULL), 2 * MB - MB / 2);
}
END_TEST

START_TEST(pages_that_went_back_come_again_as_zeros)
{
    char *old = sk_shm_alloc(s, 0, 4 * MB);
    memset(old, 1, 4 * MB);
    sk_shm_release(s, old);
    uint64_t before = in_memory();
    char *other = sk_shm_alloc(s, 1, 8 * MB);
    ck_assert(other != NULL);
    ck_assert_uint_eq(sk_shm_warm(s), 0);
    sk_shm_release(s, other);
    char *again = sk_shm_alloc(s, 0, 4 * MB);
    ck_assert(again && all_are(again, 4 * MB, 0));
    if (small_pages())
        ck_assert_uint_eq(in_memory(), before + 4 * MB);
}
END_TEST

START_TEST(too_much_is_refused_and_costs_nothing_that_is_kept)
{
    char *p = sk_shm_alloc(s, 0, MB), *q = sk_shm_alloc(s, 0, 6 * MB);
    sk_shm_release(s, q);
    ck_assert(p && !sk_shm_alloc(s, 0, 7 * MB + 1) && !sk_shm_alloc(s, 0, 8 * MB + 1) && !sk_shm_alloc(s, 0, SIZE_MAX));
    ck_assert(!sk_shm_alloc(s, 2, 1) && !sk_shm_alloc(s, 3, 1));     /* no arena; no such owner */
    ck_assert_uint_eq(sk_shm_warm(s), 6 * MB);
    ck_assert(sk_shm_alloc(s, 0, 7 * MB) != NULL);
}
END_TEST

START_TEST(what_was_freed_in_pieces_serves_a_block_as_large_as_the_store)
{
    char *p[8];
    end();
    s = sk_shm_new(16 * MB, 3, NULL, &why);
    ck_assert(s && sk_shm_add(s, 0, &why));
    for (int i = 0; i < 8; i++)
        ck_assert((p[i] = sk_shm_alloc(s, 0, 2 * MB)) != NULL);
    for (int i = 0; i < 8; i += 2)
        sk_shm_release(s, p[i]);
    for (int i = 1; i < 8; i += 2)
        sk_shm_release(s, p[i]);
    ck_assert(sk_shm_alloc(s, 0, 16 * MB) != NULL);
}
END_TEST

static int no_memory(void *arg)
{
    char *kept = sk_shm_alloc(s, 0, MB), *q = sk_shm_alloc(s, 0, MB);
    uint64_t live = sk_shm_live(s);
    (void)arg;
    memset(kept, 7, MB);
    sk_shm_release(s, q);
    fails(SYS_fallocate, ENOSPC, 1, 1);          /* FALLOC_FL_KEEP_SIZE: getting pages; punching still works */
    if (sk_shm_alloc(s, 0, 3 * MB))
        return 1;
    if (sk_shm_live(s) != live - MB || kept[MB - 1] != 7)
        return 2;
    if (sk_shm_warm(s) != 0)                     /* what was kept was given up for it */
        return 3;
    return 42;
}

START_TEST(no_memory_is_no_block_and_nothing_else_is_lost)
{
    ck_child_returns(no_memory, NULL, 42);
}
END_TEST

/* ---- who may write ---- */

static int write_to(void *p)
{
    *(volatile char *)p = 1;
    return 0;
}
static bool faults(const void *p)
{
    int status = in_child(write_to, (void *)(uintptr_t)p);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

START_TEST(a_view_has_the_same_bytes_and_writing_to_it_faults)
{
    for (unsigned owner = 0; owner < 2; owner++) {
        char *p = sk_shm_alloc(s, owner, 2 * page);
        strcpy(p + page, "seen");
        const char *view = sk_shm_view(s, p);
        ck_assert(view != p && !strcmp(view + page, "seen"));
        p[page] = 'S';
        ck_assert_str_eq(view + page, "Seen");
        ck_assert(faults(view) && faults(view + page) && !faults(p));
        ck_assert_uint_eq(sk_shm_offset(s, view + page), sk_shm_offset(s, p) + page);
        ck_assert(sk_shm_contains(s, view) && sk_shm_contains(s, p));
    }
    char *a = sk_shm_alloc(s, 0, 1), *b = sk_shm_alloc(s, 1, 1);
    ck_assert_int_eq((const char *)sk_shm_view(s, a) - a, (const char *)sk_shm_view(s, b) - b);
}
END_TEST

START_TEST(a_read_only_descriptor_cannot_be_mapped_for_writing_nor_any_be_cut_short)
{
    int r = sk_shm_descriptor(s, 1, false, &why), w = sk_shm_descriptor(s, 1, true, &why);
    ck_assert(r >= 3 && w >= 3);
    ck_assert(fcntl(r, F_GETFD) & FD_CLOEXEC && fcntl(w, F_GETFD) & FD_CLOEXEC);
    ck_assert_ptr_eq(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, r, 0), MAP_FAILED);
    ck_assert_int_eq(errno, EACCES);
    char *p = mmap(NULL, page, PROT_READ, MAP_SHARED, r, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    ck_assert_int_eq(mprotect(p, page, PROT_READ | PROT_WRITE), -1);
    ck_assert_int_eq(errno, EACCES);
    munmap(p, page);
    ck_assert_int_eq(ftruncate(w, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    close(r);
    close(w);
}
END_TEST

/* A worker: its own arena is 1; maps what the node gives it. */
static sk_shm_map worker(void)
{
    sk_shm_map m;
    ck_assert_msg(sk_shm_map_open(&m, sk_shm_stride(s), 3, &why), "%s", why.message);
    ck_assert_msg(sk_shm_map_add(&m, 0, sk_shm_descriptor(s, 0, false, &why), false, &why), "%s", why.message);
    ck_assert_msg(sk_shm_map_add(&m, 1, sk_shm_descriptor(s, 1, true, &why), true, &why), "%s", why.message);
    return m;
}

START_TEST(each_side_sees_what_the_other_wrote_at_the_same_offset)
{
    sk_shm_map m = worker();
    char *put = sk_shm_alloc(s, 0, MB), *result = sk_shm_alloc(s, 1, 3 * page);
    strcpy(put + MB - 10, "argument");
    uint64_t at = sk_shm_offset(s, result);
    ck_assert_str_eq((char *)sk_shm_map_at(&m, sk_shm_offset(s, put)) + MB - 10, "argument");
    char *mine = sk_shm_map_at(&m, at);
    ck_assert(mine != result && sk_shm_map_offset(&m, mine) == at && sk_shm_map_contains(&m, mine) && !sk_shm_map_contains(&m, result));
    char *written = sk_shm_map_unlock(&m, mine, 3 * page);
    ck_assert(written && sk_shm_map_offset(&m, written) == at && sk_shm_map_contains(&m, written));
    strcpy(written + 2 * page, "result");
    ck_assert_str_eq(result + 2 * page, "result");
    ck_assert_str_eq((const char *)sk_shm_view(s, result) + 2 * page, "result");
    sk_shm_map_close(&m);
}
END_TEST

static int other_process(void *arg)
{
    int *fds = arg;                               /* all that is left of the node's side is two descriptors */
    sk_shm_map m;
    size_t stride = sk_shm_stride(s);
    sk_shm_free(s);
    if (!sk_shm_map_open(&m, stride, 3, NULL) || !sk_shm_map_add(&m, 0, fds[0], false, NULL) || !sk_shm_map_add(&m, 1, fds[1], true, NULL))
        return 1;
    char *in = sk_shm_map_at(&m, 0), *out = sk_shm_map_at(&m, stride);
    if (!(out = sk_shm_map_unlock(&m, out, page)))
        return 2;
    for (int i = 0; in[i]; i++)
        out[i] = (char)(in[i] - 32);
    return sk_shm_map_lock(&m, out, page) ? 42 : 3;
}

START_TEST(another_process_reads_and_writes_the_same_bytes)
{
    char *in = sk_shm_alloc(s, 0, 1), *out = sk_shm_alloc(s, 1, 1);
    strcpy(in, "upper");
    ck_assert(sk_shm_offset(s, in) == 0 && sk_shm_offset(s, out) == sk_shm_stride(s));
    int fds[] = { sk_shm_descriptor(s, 0, false, &why), sk_shm_descriptor(s, 1, true, &why) };
    ck_child_returns(other_process, fds, 42);
    ck_assert_str_eq(out, "UPPER");
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(a_worker_writes_only_what_it_unlocked_until_it_locks_it)
{
    sk_shm_map m = worker();
    char *foreign = sk_shm_map_at(&m, sk_shm_offset(s, sk_shm_alloc(s, 0, page)));
    char *a = sk_shm_map_at(&m, sk_shm_offset(s, sk_shm_alloc(s, 1, 2 * page))), *b = a + 2 * page;
    ck_assert(faults(foreign) && faults(a) && faults(b));
    char *written = sk_shm_map_unlock(&m, a, page + 1);
    ck_assert(!faults(written) && !faults(written + 2 * page - 1) && faults(written + 2 * page));
    ck_assert(faults(a) && faults(b - 1) && faults(b) && faults(foreign));
    strcpy(written, "sealed");
    ck_assert(sk_shm_map_lock(&m, written, page + 1));
    ck_assert(faults(written) && faults(written + 2 * page - 1) && faults(a) && faults(b - 1));
    ck_assert_str_eq(a, "sealed");
    sk_shm_map_close(&m);
}
END_TEST

START_TEST(blocks_that_are_cut_anew_are_written_where_they_are)
{
    sk_shm_map m = worker();
    char *a = sk_shm_map_at(&m, m.stride);
    for (int round = 0; round < 3; round++) {
        char *whole = sk_shm_map_unlock(&m, a, 4 * page);
        memset(whole, 'w', 4 * page);
        ck_assert(sk_shm_map_lock(&m, whole, 4 * page));
        char *half = sk_shm_map_unlock(&m, a + 2 * page, 2 * page);
        memset(half, 'h', 2 * page);
        ck_assert(sk_shm_map_lock(&m, half, 2 * page));
        char *middle = sk_shm_map_unlock(&m, a + page, 2 * page), *first = sk_shm_map_unlock(&m, a, page);
        memset(middle, 'm', 2 * page);
        memset(first, 'f', page);
        ck_assert(sk_shm_map_lock(&m, first, page) && sk_shm_map_lock(&m, middle, 2 * page));
        ck_assert(a[0] == 'f' && a[page - 1] == 'f' && a[page] == 'm' && a[3 * page - 1] == 'm' && a[3 * page] == 'h' && a[4 * page - 1] == 'h');
        ck_assert(faults(middle) && faults(first) && faults(whole) && faults(half));
    }
    sk_shm_map_close(&m);
}
END_TEST

START_TEST(unlocking_is_refused_outside_ones_own_arena)
{
    sk_shm_map m = worker();
    size_t stride = m.stride;
    char *own = sk_shm_map_at(&m, stride);
    ck_assert(!sk_shm_map_unlock(&m, m.base, page));                     /* the driver's */
    ck_assert(!sk_shm_map_unlock(&m, m.base + stride - page, 2 * page));
    ck_assert(!sk_shm_map_unlock(&m, own + stride - page, page + 1));    /* over its end */
    ck_assert(!sk_shm_map_unlock(&m, own, SIZE_MAX));
    ck_assert(!sk_shm_map_unlock(&m, own + 8, page));
    ck_assert(!sk_shm_map_unlock(&m, &stride, page) && !sk_shm_map_unlock(&m, NULL, page));
    ck_assert(sk_shm_map_unlock(&m, own + stride - page, page));
    ck_assert(!sk_shm_map_lock(&m, m.base, page));
    sk_shm_map_close(&m);

    ck_assert(sk_shm_map_open(&m, stride, 3, &why));                     /* no arena of its own yet */
    ck_assert(!sk_shm_map_unlock(&m, m.base + stride, page) && !sk_shm_map_at(&m, stride));
    sk_shm_map_close(&m);
}
END_TEST

/* ---- what must be refused ---- */

START_TEST(offsets_that_no_block_has_are_refused)
{
    char *p = sk_shm_alloc(s, 0, 3 * page), *q = sk_shm_alloc(s, 1, page);
    uint64_t at = sk_shm_offset(s, p), stride = sk_shm_stride(s);
    unsigned owner = 77;
    uint64_t bad[] = { at + 1, at + page, at + 3 * page, 2 * stride, 3 * stride, 3 * stride + at, stride * 6, SK_SHM_NOWHERE, UINT64_MAX - 1,
                       (uint64_t)1 << 63, (uint64_t)(uintptr_t)p, stride - page };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_uint_eq(sk_shm_block(s, bad[i], &owner), 0);
        ck_assert_uint_eq(owner, 77);
    }
    ck_assert(sk_shm_at(s, at) == p && sk_shm_at(s, stride) == q);
    ck_assert(!sk_shm_at(s, 2 * stride) && !sk_shm_at(s, 3 * stride) && !sk_shm_at(s, SK_SHM_NOWHERE));
    ck_assert(!sk_shm_contains(s, NULL) && !sk_shm_contains(s, &owner) && !sk_shm_contains(s, p - 1));
    ck_assert(sk_shm_offset(s, NULL) == SK_SHM_NOWHERE && sk_shm_offset(s, p - 1) == SK_SHM_NOWHERE);
    sk_shm_release(s, p);
    ck_assert_uint_eq(sk_shm_block(s, at, NULL), 0);

    sk_shm_map m = worker();
    ck_assert(!sk_shm_map_at(&m, 2 * stride) && !sk_shm_map_at(&m, 3 * stride) && !sk_shm_map_at(&m, SK_SHM_NOWHERE));
    ck_assert(sk_shm_map_offset(&m, NULL) == SK_SHM_NOWHERE && sk_shm_map_offset(&m, m.base + 3 * stride) == SK_SHM_NOWHERE);
    ck_assert(sk_shm_map_has(&m, 1) && !sk_shm_map_has(&m, 2) && !sk_shm_map_has(&m, 3));
    sk_shm_map_close(&m);
}
END_TEST

START_TEST(a_worker_refuses_the_wrong_descriptor_and_closes_it)
{
    sk_shm_map m = worker();
    int before = open_files();
    ck_assert(sk_shm_add(s, 2, &why));
    ck_assert(!sk_shm_map_add(&m, 2, sk_shm_descriptor(s, 2, true, NULL), false, &why));
    ck_assert_ptr_nonnull(strstr(why.message, "it is not this worker's, and its descriptor is writable"));
    ck_assert(!sk_shm_map_add(&m, 2, sk_shm_descriptor(s, 2, false, NULL), true, &why));
    ck_assert_ptr_nonnull(strstr(why.message, "its descriptor is read-only"));
    ck_assert(!sk_shm_map_add(&m, 0, sk_shm_descriptor(s, 0, false, NULL), false, &why));
    ck_assert_ptr_nonnull(strstr(why.message, "mapped already"));
    ck_assert(!sk_shm_map_add(&m, 3, sk_shm_descriptor(s, 2, false, NULL), false, &why));
    ck_assert_ptr_nonnull(strstr(why.message, "no such arena"));
    ck_assert(!sk_shm_map_add(&m, 2, -1, false, &why));
    ck_assert_int_eq(open_files(), before + 1);
    ck_assert(sk_shm_map_add(&m, 2, sk_shm_descriptor(s, 2, false, NULL), false, &why));
    sk_shm_map_close(&m);
    sk_shm_free(s);
    s = NULL;
    ck_assert_int_eq(open_files(), before - 2);       /* the node's; the worker keeps none */
}
END_TEST

/* ---- what fails ---- */

typedef struct failing { int call, error, arg; uint32_t value; const char *says, *todo; } failing;

static int failing_add(void *arg)
{
    const failing *f = arg;
    int before = open_files();
    fails(f->call, f->error, f->arg, f->value);
    if (sk_shm_add(s, 2, &why))
        return 1;
    if (why.code != SK_LIMIT || !strstr(why.message, f->says) || !strstr(why.message, strerror(f->error)) || !strstr(why.message, f->todo)
        || !strstr(why.message, "the objects of worker 2")) {
        fprintf(stderr, "%s\n", why.message);
        return 2;
    }
    if (open_files() != before || sk_shm_has(s, 2) || sk_shm_at(s, 2 * sk_shm_stride(s)))
        return 3;
    return sk_shm_alloc(s, 1, page) ? 42 : 4;    /* the others go on */
}

START_TEST(each_call_that_fails_is_named_and_leaks_nothing)
{
    const failing all[] = {
        { SYS_memfd_create, EMFILE, -1, 0, "memfd_create", "ulimit -n" },
        { SYS_memfd_create, ENFILE, -1, 0, "memfd_create", "the whole system" },
        { SYS_memfd_create, ENOSYS, -1, 0, "memfd_create", "--backend threads" },
        { SYS_ftruncate, ENOMEM, -1, 0, "ftruncate", "--sk-store-bytes" },
        { SYS_fcntl, EPERM, 1, F_ADD_SEALS, "fcntl (seals)", "" },
        { SYS_mmap, ENOMEM, 3, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, "mmap", "--sk-store-bytes" },
        { SYS_mmap, ENOMEM, 2, PROT_READ, "mmap", "--sk-store-bytes" },
    };
    open_files();                                 /* what opendir takes is there before mmap fails */
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        ck_child_returns(failing_add, (void *)(uintptr_t)&all[i], 42);
}
END_TEST

static int after_failed_mmap(void *unused)
{
    (void)unused;
    fails(SYS_mmap, ENOMEM, 2, PROT_READ);        /* the view: the first mapping was made */
    return sk_shm_add(s, 2, NULL) ? 1 : write_to((char *)sk_shm_at(s, 0) + 2 * sk_shm_stride(s));
}

START_TEST(a_half_mapped_arena_is_reserved_addresses_again)
{
    int status = in_child(after_failed_mmap, NULL);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
}
END_TEST

static struct rlimit lower(int resource, rlim_t to)
{
    struct rlimit was;
    ck_assert_int_eq(getrlimit(resource, &was), 0);
    ck_assert_int_eq(setrlimit(resource, &(struct rlimit){ to, was.rlim_max }), 0);
    return was;
}

START_TEST(a_limit_of_open_files_is_a_named_error)
{
    int before = open_files(), highest = dup(0);
    close(highest);
    struct rlimit was = lower(RLIMIT_NOFILE, (rlim_t)highest);
    bool added = sk_shm_add(s, 2, &why);
    sk_error read_error, write_error;
    int r = sk_shm_descriptor(s, 1, false, &read_error), w = sk_shm_descriptor(s, 1, true, &write_error);
    setrlimit(RLIMIT_NOFILE, &was);
    ck_assert(!added && r < 0 && w < 0);
    char expected[60];
    snprintf(expected, sizeof expected, "the limit is %d open files: raise it (ulimit -n)", highest);
    ck_assert_ptr_nonnull(strstr(why.message, expected));
    ck_assert_ptr_nonnull(strstr(why.message, "memfd_create: Too many open files"));
    ck_assert_ptr_nonnull(strstr(read_error.message, expected));
    ck_assert_ptr_nonnull(strstr(write_error.message, "the objects of worker 1: fcntl"));
    ck_assert_int_eq(open_files(), before);
    ck_assert(sk_shm_add(s, 2, &why) && sk_shm_alloc(s, 2, MB));
}
END_TEST

START_TEST(a_limit_of_file_sizes_is_a_named_error_and_no_signal)
{
    int before = open_files();
    struct rlimit was = lower(RLIMIT_FSIZE, MB);
    bool added = sk_shm_add(s, 2, &why);
    ck_assert(sk_shm_alloc(s, 1, 2 * MB) != NULL);                   /* what is there goes on */
    setrlimit(RLIMIT_FSIZE, &was);
    ck_assert(!added);
    ck_assert_ptr_nonnull(strstr(why.message, "ftruncate: File too large; the limit is 1048576 bytes a file: raise it (ulimit -f)"));
    ck_assert_int_eq(open_files(), before);
    ck_assert(sk_shm_add(s, 2, &why));
}
END_TEST

START_TEST(under_a_limit_of_file_sizes_arenas_are_as_long_as_it_allows)
{
    struct rlimit was = lower(RLIMIT_FSIZE, 10 * MB);
    sk_shm *t = sk_shm_new(8 * MB, 3, NULL, &why);
    bool added = t && sk_shm_add(t, 0, &why) && sk_shm_alloc(t, 0, 8 * MB);
    size_t stride = t ? sk_shm_stride(t) : 0;
    sk_shm_free(t);
    setrlimit(RLIMIT_FSIZE, &was);
    ck_assert_msg(added, "%s", why.message);
    ck_assert_uint_eq(stride, 10 * MB);
}
END_TEST

START_TEST(more_addresses_than_there_are_is_a_named_error)
{
    int before = open_files();
    const size_t sizes[] = { SIZE_MAX, SIZE_MAX / 4, SIZE_MAX / 8, (size_t)1 << 50 };
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ck_assert(sk_shm_new(sizes[i], 65, NULL, &why) == NULL);
        ck_assert(why.code == SK_LIMIT && strstr(why.message, "cannot reserve addresses for an object store of")
                  && strstr(why.message, "for 64 workers") && strstr(why.message, "--sk-store-bytes"));
        sk_shm_map m;
        ck_assert(!sk_shm_map_open(&m, sizes[i] & ~(size_t)4095, 65, &why));
        ck_assert(strstr(why.message, "cannot reserve addresses for the object store (65 arenas of"));
        ck_assert(!m.base && !sk_shm_map_at(&m, 0) && !sk_shm_map_contains(&m, &m) && !sk_shm_map_has(&m, 0));
        sk_shm_map_close(&m);
    }
    ck_assert_int_eq(open_files(), before);
}
END_TEST

START_TEST(a_store_as_large_as_this_machine_gets_its_addresses)
{
#ifdef SK_TSAN                                    /* leaves a program 1.5 TB, of which the kernel skips up to 1 TB at random */
    const size_t capacity = (size_t)1 << 30;
#else
    const size_t capacity = (size_t)8 << 30;
#endif
    sk_shm *large = sk_shm_new(capacity, 65, NULL, &why);
    ck_assert_msg(large != NULL, "%s", why.message);
    ck_assert(sk_shm_stride(large) >= capacity);
    ck_assert_msg(sk_shm_add(large, 0, &why) && sk_shm_add(large, 64, &why), "%s", why.message);
    char *p = sk_shm_alloc(large, 64, MB);
    ck_assert(p != NULL);
    memset(p, 3, MB);
    ck_assert_int_eq(((const char *)sk_shm_view(large, p))[MB - 1], 3);
    sk_shm_free(large);
}
END_TEST

#ifndef SK_SANITIZED                              /* a sanitizer has terabytes of addresses */
/* An arena of 64 MB, no longer than the store, and full: 40 live MB, 12 cold, 12 warm. Only both together hold 20. */
static bool room_lies_in_pieces(sk_shm *t)
{
    sk_shm_release(t, sk_shm_at(t, sk_shm_stride(t)));
    char *low = sk_shm_alloc(t, 1, 40 * MB), *x = sk_shm_alloc(t, 1, 12 * MB), *y = sk_shm_alloc(t, 1, 12 * MB);
    if (!low || x != low + 40 * MB || y != x + 12 * MB || !sk_shm_add(t, 2, &why))
        return false;
    sk_shm_release(t, x);
    char *other = sk_shm_alloc(t, 2, 12 * MB);       /* takes x's pages */
    if (!other)
        return false;
    sk_shm_release(t, other);
    sk_shm_release(t, y);
    return sk_shm_alloc(t, 1, 20 * MB) == x;
}

START_TEST(where_addresses_are_scarce_arenas_are_shorter_and_at_last_there_is_an_error)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert(f && fscanf(f, "%ld", &pages) == 1);
    fclose(f);
    size_t have = (size_t)pages * page, capacity = 64 * MB;
    struct rlimit was = lower(RLIMIT_AS, have + 2 * 3 * capacity + 32 * MB);
    sk_shm *t = sk_shm_new(capacity, 3, NULL, &why);
    bool works = t && sk_shm_add(t, 1, &why) && sk_shm_alloc(t, 1, capacity) && !sk_shm_alloc(t, 1, 1);
    size_t stride = t ? sk_shm_stride(t) : 0;
    bool pieces = works && room_lies_in_pieces(t);
    sk_shm_free(t);
    sk_shm *u = sk_shm_new(2 * capacity, 3, NULL, &why);
    setrlimit(RLIMIT_AS, &was);
    ck_assert(works && pieces && !u);
    ck_assert_uint_eq(stride, capacity);
    ck_assert_ptr_nonnull(strstr(why.message, "bytes of addresses: raise it (ulimit -v), or ask for less with --sk-store-bytes"));
    sk_shm *v = sk_shm_new(capacity, 3, NULL, &why);
    ck_assert_uint_ge(sk_shm_stride(v), 2 * capacity);
    sk_shm_free(v);
}
END_TEST
#endif

static int without_stdio(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++)
        close(i);
    if (!sk_shm_add(s, 2, NULL))
        return 1;
    int r = sk_shm_descriptor(s, 2, false, NULL), w = sk_shm_descriptor(s, 2, true, NULL);
    for (int i = 0; i < 3; i++)
        if (fcntl(i, F_GETFD) >= 0)
            return 2;
    return r >= 3 && w >= 3 ? 42 : 3;
}

START_TEST(a_program_that_closed_0_to_2_does_not_print_into_the_store)
{
    ck_child_returns(without_stdio, NULL, 42);
}
END_TEST

Suite *shm_suite(void)
{
    Suite *suite = suite_create("shm");
    TCase *tests = tcase_create("shm");
    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_test(tests, a_block_is_whole_pages_and_zeros_at_first);
    tcase_add_test(tests, the_last_freed_of_a_size_comes_first_with_what_was_in_it_and_no_call);
    tcase_add_test(tests, freed_neighbours_serve_a_larger_block_and_a_larger_one_several);
    tcase_add_test(tests, a_page_does_not_take_the_place_of_a_large_block);
    tcase_add_test(tests, a_page_does_take_it_when_all_is_full);
    tcase_add_test(tests, no_two_blocks_overlap_and_the_cap_holds_whatever_happens);
    tcase_add_test(tests, many_blocks_of_one_size_come_and_go);
    tcase_add_test(tests, what_was_freed_first_gives_its_pages_back);
    tcase_add_test(tests, large_blocks_begin_and_end_at_multiples_of_2_MiB_also_when_a_part_goes_back);
    tcase_add_test(tests, pages_that_went_back_come_again_as_zeros);
    tcase_add_test(tests, too_much_is_refused_and_costs_nothing_that_is_kept);
    tcase_add_test(tests, what_was_freed_in_pieces_serves_a_block_as_large_as_the_store);
    tcase_add_test(tests, no_memory_is_no_block_and_nothing_else_is_lost);
    tcase_add_test(tests, a_view_has_the_same_bytes_and_writing_to_it_faults);
    tcase_add_test(tests, a_read_only_descriptor_cannot_be_mapped_for_writing_nor_any_be_cut_short);
    tcase_add_test(tests, each_side_sees_what_the_other_wrote_at_the_same_offset);
    tcase_add_test(tests, another_process_reads_and_writes_the_same_bytes);
    tcase_add_test(tests, a_worker_writes_only_what_it_unlocked_until_it_locks_it);
    tcase_add_test(tests, blocks_that_are_cut_anew_are_written_where_they_are);
    tcase_add_test(tests, unlocking_is_refused_outside_ones_own_arena);
    tcase_add_test(tests, offsets_that_no_block_has_are_refused);
    tcase_add_test(tests, a_worker_refuses_the_wrong_descriptor_and_closes_it);
    tcase_add_test(tests, each_call_that_fails_is_named_and_leaks_nothing);
    tcase_add_test(tests, a_half_mapped_arena_is_reserved_addresses_again);
    tcase_add_test(tests, a_limit_of_open_files_is_a_named_error);
    tcase_add_test(tests, a_limit_of_file_sizes_is_a_named_error_and_no_signal);
    tcase_add_test(tests, under_a_limit_of_file_sizes_arenas_are_as_long_as_it_allows);
    tcase_add_test(tests, more_addresses_than_there_are_is_a_named_error);
    tcase_add_test(tests, a_store_as_large_as_this_machine_gets_its_addresses);
#ifndef SK_SANITIZED
    tcase_add_test(tests, where_addresses_are_scarce_arenas_are_shorter_and_at_last_there_is_an_error);
#endif
    tcase_add_test(tests, a_program_that_closed_0_to_2_does_not_print_into_the_store);
    suite_add_tcase(suite, tests);
    return suite;
}
