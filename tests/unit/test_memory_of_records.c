/* test_memory_of_records.c -- where records (pool.h) and small values (store.c) lie: each has its place for itself, records begin empty, and what one
 * thread has freed others get. */
#include "sim/aligned.h"
#include "sim/lane.h"
#include "sim/pool.h"
#include "sim/value.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- addresses ---- */

static size_t mapped_bytes(void)
{
    char text[64];
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert(f && fgets(text, sizeof text, f));
    fclose(f);
    return strtoull(text, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* Not of sanitizers, which map memory of their own at any time. */
static void expect_mapped(size_t bytes)
{
#ifndef SK_SANITIZED
    ck_assert_uint_eq(mapped_bytes(), bytes);
#else
    (void)bytes;
#endif
}

START_TEST(addresses_begin_at_a_multiple_and_what_is_around_them_goes_back)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), aligns[] = { page, 1 << 20, 2 << 20, 64 << 20 };
    const size_t sizes[] = { 1, page, 3 * page + 5, (2 << 20) - 1, 5 << 20 };
    mapped_bytes();                        /* what fopen takes is there now */
    for (size_t i = 0; i < 20; i++) {
        size_t align = aligns[i % 4], size = sizes[i % 5], rounded = (size + page - 1) / page * page, before = mapped_bytes();
        char *p = sk_aligned_map(size, align, PROT_READ | PROT_WRITE, MAP_NORESERVE);
        ck_assert(p && (uintptr_t)p % align == 0);
        expect_mapped(before + rounded);
        ck_assert(!p[0] && !p[size - 1]);
        p[0] = p[size - 1] = 1;
        munmap(p, rounded);
        expect_mapped(before);
    }
    errno = 0;
    ck_assert(!sk_aligned_map(SIZE_MAX - 5, 2 << 20, PROT_NONE, 0) && errno == ENOMEM);
    ck_assert(!sk_aligned_map(SIZE_MAX / 4, page, PROT_NONE, 0) && errno == ENOMEM);
}
END_TEST

/* ---- records ---- */

enum { SIZES = 3, RECORDS = 3 * SK_CHUNK_RECORDS };      /* several chunks of each size */

static void take_all(sk_pool *pool, sk_cache *cache, char **records)
{
    for (int i = 0; i < RECORDS; i++) {
        records[i] = sk_pool_take(pool, cache, 1);
        for (uint32_t at = 0; at < pool->record_size; at++)
            if (records[i][at])
                ck_abort_msg("record %d of %u bytes is not empty at byte %u", i, pool->record_size, at);
        memset(records[i], 1 + i % 250, pool->record_size);
    }
}

START_TEST(records_of_all_sizes_begin_empty_and_lie_apart_also_in_the_next_session)
{
    static char *records[SIZES][RECORDS];
    for (int session = 0; session < 3; session++) {
        sk_pool pools[SIZES];
        sk_cache caches[SIZES] = { 0 };
        for (int p = 0; p < SIZES; p++)
            sk_pool_init(&pools[p], 64u << p);
        for (int p = 0; p < SIZES; p++)
            take_all(&pools[p], &caches[p], records[p]);
        for (int p = 0; p < SIZES; p++)
            for (int i = 0; i < RECORDS; i++) {
                for (uint32_t at = 0; at < pools[p].record_size; at++)
                    if (records[p][i][at] != (char)(1 + i % 250))
                        ck_abort_msg("session %d: record %d of %u bytes was written to by another's owner", session, i, 64u << p);
                ck_assert_ptr_eq(sk_pool_at(&pools[p], 6 + p, sk_pool_number(6 + p, records[p][i])), records[p][i]);
            }
        for (int p = 0; p < SIZES; p++)
            sk_pool_clear(&pools[p]);
    }
}
END_TEST

/* ---- values ---- */

enum { BLOCKS = 200, SIZE = 8000, OWN = 8 };       /* a thread keeps at most so many of this size for itself */

static void *blocks[BLOCKS], *others[BLOCKS];

static void *take_others(void *data)
{
    (void)data;
    sk_lane_get("the test", NULL);
    for (int i = 0; i < BLOCKS; i++)
        others[i] = sk_store_alloc(SIZE);
    for (int i = 0; i < BLOCKS; i++)
        sk_store_free(others[i], SIZE);
    return NULL;
}

static int by_address(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    return (x > y) - (x < y);
}

START_TEST(what_a_thread_has_freed_others_get_but_for_a_few_blocks)
{
    pthread_t other;
    int same = 0;
    sk_init(NULL, NULL, &(sk_config){ .backend = "threads", .workers = 1 });
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = sk_store_alloc(SIZE);
    for (int i = 0; i < BLOCKS; i++)
        sk_store_free(blocks[i], SIZE);
    ck_assert_int_eq(pthread_create(&other, NULL, take_others, NULL), 0);
    pthread_join(other, NULL);
    qsort(blocks, BLOCKS, sizeof *blocks, by_address);
    for (int i = 0; i < BLOCKS; i++)
        same += bsearch(&others[i], blocks, BLOCKS, sizeof *blocks, by_address) != NULL;
    ck_assert_int_ge(same, BLOCKS - OWN);
    /* That thread has ended: all of its blocks are for us now. */
    enum { MORE = 2 * OWN };               /* what start-up has left may come in between */
    void *again[BLOCKS + MORE];
    qsort(others, BLOCKS, sizeof *others, by_address);
    for (int i = 0; i < BLOCKS + MORE; i++)
        again[i] = sk_store_alloc(SIZE);
    same = 0;
    for (int i = 0; i < BLOCKS + MORE; i++)
        same += bsearch(&again[i], others, BLOCKS, sizeof *others, by_address) != NULL;
    ck_assert_int_eq(same, BLOCKS);
    for (int i = 0; i < BLOCKS + MORE; i++)
        sk_store_free(again[i], SIZE);
    sk_shutdown();
}
END_TEST

enum { PLACES = 300, STEPS = 20000, MOST = 40000 };

typedef struct churner { unsigned seed; bool is_wrong; } churner;

static unsigned char mark_of(const void *p, size_t size) { return (unsigned char)((uintptr_t)p / 64 * 31 + size); }

static bool is_as_left(const unsigned char *p, size_t *size)        /* the size stands in front, so that whoever has the block can free it */
{
    memcpy(size, p, sizeof *size);
    return *size >= 64 && *size <= MOST && p[sizeof *size] == mark_of(p, *size) && p[*size - 1] == mark_of(p, *size);
}

static _Atomic(unsigned char *) places[PLACES];     /* of all threads */

/* Puts blocks of all sizes in places, and frees what was there, mostly another's, if its ends are as they were left. */
static void *churn(void *data)
{
    churner *c = data;
    sk_lane_get("the test", NULL);
    for (int step = 0; step < STEPS && !c->is_wrong; step++) {
        size_t size = 64 + (size_t)rand_r(&c->seed) % (rand_r(&c->seed) % 4 ? 2000 : MOST - 64);
        unsigned char *p = sk_store_alloc(size);
        memcpy(p, &size, sizeof size);
        p[sizeof size] = p[size - 1] = mark_of(p, size);
        p = atomic_exchange(&places[rand_r(&c->seed) % PLACES], p);
        if (p && is_as_left(p, &size))
            sk_store_free(p, size);
        else
            c->is_wrong = p != NULL;
    }
    return NULL;
}

static void clear_places(void)
{
    for (int i = 0; i < PLACES; i++) {
        unsigned char *p = atomic_exchange(&places[i], NULL);
        size_t size;
        if (p) {
            ck_assert(is_as_left(p, &size));
            sk_store_free(p, size);
        }
    }
}

START_TEST(threads_that_free_each_others_blocks_of_all_sizes_never_share_one)
{
    size_t keep = sk_store_keep;
    sk_store_keep = _i ? 1 << 20 : keep;           /* or nearly all that is freed goes back to the system at once */
    for (int session = 0; session < 2; session++) {
        pthread_t threads[3];
        churner churners[3] = { { 1, false }, { 2, false }, { 3, false } };
        sk_init(NULL, NULL, &(sk_config){ .backend = "threads", .workers = 1 });
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, &churners[i]), 0);
        for (int i = 0; i < 3; i++) {
            pthread_join(threads[i], NULL);
            ck_assert_msg(!churners[i].is_wrong, "a block was written to by another's owner");
        }
        clear_places();
        sk_shutdown();
    }
    sk_store_keep = keep;
}
END_TEST

#ifndef SK_SANITIZED                       /* there, all blocks are malloc's; and a sanitizer's own memory grows with each thread */
enum { MANY = 2000, BY_MALLOC = 100 };

START_TEST(a_value_that_outlives_its_session_costs_no_others_their_place)
{
    static void *first[MANY], *second[MANY];
    sk_init(NULL, NULL, &(sk_config){ .backend = "threads", .workers = 1 });
    for (int i = 0; i < MANY; i++)
        first[i] = sk_store_alloc(SIZE);
    for (int i = 0; i < MANY - 1; i++)
        sk_store_free(first[i], SIZE);
    memset(first[MANY - 1], 7, SIZE);
    sk_shutdown();
    qsort(first, MANY - 1, sizeof *first, by_address);
    for (int session = 0; session < 2; session++) {
        int same = 0;
        sk_init(NULL, NULL, &(sk_config){ .backend = "threads", .workers = 1 });
        sk_store_free(sk_store_alloc(SIZE), SIZE);
        for (int i = 0; i < MANY; i++) {
            second[i] = sk_store_alloc(SIZE);
            memset(second[i], 1, SIZE);
            same += bsearch(&second[i], first, MANY - 1, sizeof *first, by_address) != NULL;
        }
        ck_assert_int_ge(same, MANY - 1 - BY_MALLOC);
        for (int i = 0; i < MANY; i++)
            sk_store_free(second[i], SIZE);
        sk_shutdown();
    }
    for (int i = 0; i < SIZE; i++)
        ck_assert_int_eq(((char *)first[MANY - 1])[i], 7);
}
END_TEST

static long resident_kb(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%*d %ld", &pages), 1);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

SK_REMOTE(sk_array, array_of, (int64_t, n))
{
    sk_array a = sk_new_array(SK_F64, n);
    memset(sk_write(double, a), 1, (size_t)n * sizeof(double));
    return a;
}

START_TEST(sessions_one_after_the_other_need_no_more_memory_than_one)
{
    long first = 0;
    for (int session = 0; session < 12; session++) {
        sk_init(NULL, NULL, &(sk_config){ .backend = "threads", .workers = 2 });
        static sk_ref refs[2000];
        for (int i = 0; i < 2000; i++)
            refs[i] = sk_remote(array_of, 500 + 50 * session);          /* 8 to 18 MB, of other sizes each time */
        for (int i = 0; i < 2000; i++)
            sk_get(sk_array, refs[i]);
        sk_shutdown();
        if (session == 1)
            first = resident_kb();
    }
    ck_assert_msg(resident_kb() < first + 16000, "%ld KB after two sessions, %ld KB after twelve", first, resident_kb());
}
END_TEST
#endif

Suite *memory_of_records_suite(void)
{
    Suite *suite = suite_create("memory of records");
    TCase *tc = tcase_create("records and values");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, addresses_begin_at_a_multiple_and_what_is_around_them_goes_back);
    tcase_add_test(tc, records_of_all_sizes_begin_empty_and_lie_apart_also_in_the_next_session);
    tcase_add_test(tc, what_a_thread_has_freed_others_get_but_for_a_few_blocks);
    tcase_add_loop_test(tc, threads_that_free_each_others_blocks_of_all_sizes_never_share_one, 0, 2);
#ifndef SK_SANITIZED
    tcase_add_test(tc, a_value_that_outlives_its_session_costs_no_others_their_place);
    tcase_add_test(tc, sessions_one_after_the_other_need_no_more_memory_than_one);
#endif
    suite_add_tcase(suite, tc);
    return suite;
}
