/* test_ring_scribble.c -- rings whose peer writes anything into its words: it is found out, and nothing outside of the ring is touched. */
#include "backends/ring.h"

#include <check.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *ring_scribble_suite(void);

enum { CAPACITY = 4096, RING = sizeof(sk_ring_memory) + CAPACITY, MOST = 3 * CAPACITY };

static uint64_t next(uint64_t *seed) { return sk_mix((*seed)++); }

/* A ring with known bytes before it in its page, and no memory behind it nor before that page. */
typedef struct guarded { unsigned char *all; size_t page, bytes, before; sk_ring_memory *ring; } guarded;

static guarded guard(void)
{
    guarded g = { .page = (size_t)sysconf(_SC_PAGESIZE) };
    g.bytes = (RING + g.page - 1) / g.page * g.page;
    g.before = g.bytes - RING;
    g.all = mmap(NULL, g.bytes + 2 * g.page, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(g.all != MAP_FAILED);
    ck_assert_int_eq(mprotect(g.all + g.page, g.bytes, PROT_READ | PROT_WRITE), 0);
    memset(g.all + g.page, 0xa5, g.bytes);
    g.ring = (sk_ring_memory *)(g.all + g.page + g.before);
    sk_ring_init(g.ring, CAPACITY);
    return g;
}

static void check_guard(guarded *g)
{
    for (size_t i = 0; i < g->before; i++)
        ck_assert_uint_eq(g->all[g->page + i], 0xa5);
}

static void unguard(guarded *g)
{
    check_guard(g);
    munmap(g->all, g->bytes + 2 * g->page);
}

static bool all_are(const unsigned char *p, size_t n, unsigned char what)
{
    while (n--)
        if (*p++ != what)
            return false;
    return true;
}

START_TEST(a_head_that_cannot_be_breaks_the_reader_for_good)
{
    /* Of a ring into which 1000 bytes were written, seen by the reader, and 600 read. */
    const uint64_t nonsense[] = { 0, 599, 600, 999, 600 + CAPACITY + 1, 1000 + CAPACITY, 1u << 31, 1ull << 32, 1ull << 63, UINT64_MAX };
    static unsigned char data[CAPACITY], out[MOST];
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        guarded g = guard();
        sk_ring_end w, r;
        sk_ring_open(&w, g.ring, CAPACITY);
        sk_ring_open(&r, g.ring, CAPACITY);
        ck_assert_uint_eq(sk_ring_write(&w, data, 1000), 1000);
        ck_assert_uint_eq(sk_ring_readable(&r), 1000);
        ck_assert_uint_eq(sk_ring_read(&r, out, 600), 600);
        memset(out, 0x5a, sizeof out);
        atomic_store(&g.ring->head, nonsense[i]);
        ck_assert_uint_eq(sk_ring_read(&r, out, MOST), 0);
        ck_assert_msg(r.broken, "a head of %llu was believed", (unsigned long long)nonsense[i]);
        atomic_store(&g.ring->head, 1000);
        ck_assert_uint_eq(sk_ring_read(&r, out, MOST), 0);
        ck_assert_uint_eq(sk_ring_read(&r, out, 1), 0);
        ck_assert_uint_eq(sk_ring_readable(&r), 0);
        ck_assert(r.broken);
        ck_assert(all_are(out, sizeof out, 0x5a));
        ck_assert_uint_eq(atomic_load(&g.ring->tail), 600);
        unguard(&g);
    }
}
END_TEST

START_TEST(a_tail_that_cannot_be_breaks_the_writer_for_good)
{
    /* Of a ring into which 1000 bytes were written, and of which 600 were read, as the writer has seen. */
    const uint64_t nonsense[] = { 0, 599, 1001, 1000 + CAPACITY, 1u << 31, 1ull << 32, 1ull << 63, UINT64_MAX };
    static unsigned char data[MOST], out[CAPACITY];
    memset(data, 0x5a, sizeof data);
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        guarded g = guard();
        sk_ring_end w, r;
        sk_ring_open(&w, g.ring, CAPACITY);
        sk_ring_open(&r, g.ring, CAPACITY);
        ck_assert_uint_eq(sk_ring_write(&w, data, 1000), 1000);
        ck_assert_uint_eq(sk_ring_read(&r, out, 600), 600);
        ck_assert_uint_eq(sk_ring_writable(&w), CAPACITY - 400);
        atomic_store(&g.ring->tail, nonsense[i]);
        ck_assert_uint_eq(sk_ring_write(&w, data, MOST), 0);
        ck_assert_msg(w.broken, "a tail of %llu was believed", (unsigned long long)nonsense[i]);
        atomic_store(&g.ring->tail, 600);
        ck_assert_uint_eq(sk_ring_write(&w, data, MOST), 0);
        ck_assert_uint_eq(sk_ring_write(&w, data, 1), 0);
        ck_assert_uint_eq(sk_ring_writable(&w), 0);
        ck_assert(w.broken);
        ck_assert(all_are(g.ring->data + 1000, CAPACITY - 1000, 0xa5));
        ck_assert_uint_eq(atomic_load(&g.ring->head), 1000);
        unguard(&g);
    }
}
END_TEST

/* Near what is right, just beside it, or anything. */
static uint64_t scribble(uint64_t right, uint64_t *seed)
{
    switch (next(seed) % 4) {
    case 0: return right + next(seed) % 64;
    case 1: return right + next(seed) % (2 * CAPACITY) - CAPACITY / 2;
    case 2: return (uint64_t)1 << next(seed) % 64;
    default: return next(seed);
    }
}

/* One step of an end whose peer is mad: reads or writes, touches nothing but the ring and what it was given, and never claims more than
 * fits. Broken ends are opened anew. Counts steps that moved bytes, ends that broke, and what was wrong (Check's own counting is slow). */
typedef struct mad { sk_ring_end e; long moved, broke, wrong; uint64_t seed; unsigned char mine[MOST + 64]; } mad;

static void step(mad *m, sk_ring_memory *ring, bool reads)
{
    size_t size = next(&m->seed) % MOST + 1;
    memset(m->mine + size, 0x5a, 64);
    size_t n = reads ? sk_ring_read(&m->e, m->mine, size) : sk_ring_write(&m->e, m->mine, size);
    m->wrong += n > size || n > CAPACITY || !all_are(m->mine + size, 64, 0x5a) || (n && m->e.broken);
    m->moved += n > 0;
    if (m->e.broken) {
        m->broke++;
        sk_ring_init(ring, CAPACITY);
        sk_ring_open(&m->e, ring, CAPACITY);
    }
}

START_TEST(whatever_stands_in_the_peers_word_nothing_outside_is_touched)
{
    static mad m[2];
    for (int reads = 0; reads < 2; reads++) {
        guarded g = guard();
        m[reads].seed = (uint64_t)reads + 1;
        sk_ring_open(&m[reads].e, g.ring, CAPACITY);
        for (int i = 0; i < 100000; i++) {
            atomic_store(reads ? &g.ring->head : &g.ring->tail, scribble(m[reads].e.seen, &m[reads].seed));
            step(&m[reads], g.ring, reads);
        }
        ck_assert_int_eq(m[reads].wrong, 0);
        ck_assert_int_gt(m[reads].moved, 1000);
        ck_assert_int_gt(m[reads].broke, 1000);
        unguard(&g);
    }
}
END_TEST

START_TEST(a_process_that_scribbles_all_the_time_harms_nobody)
{
    static mad m;
    for (int reads = 0; reads < 2; reads++) {
        guarded g = guard();
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        uint64_t seed = 7;
        while (pid == 0) {
            uint64_t right = atomic_load(reads ? &g.ring->tail : &g.ring->head);
            atomic_store(reads ? &g.ring->head : &g.ring->tail, scribble(right, &seed));
            atomic_store(next(&seed) % 8 ? &g.ring->head : &g.ring->tail, scribble(right, &seed));
        }
        m = (mad){ .seed = 3 };
        sk_ring_open(&m.e, g.ring, CAPACITY);
        for (int i = 0; i < 300000; i++)          /* how many of them move bytes is the scheduler's to say */
            step(&m, g.ring, reads);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        ck_assert_int_eq(m.wrong, 0);
        unguard(&g);
    }
}
END_TEST

Suite *ring_scribble_suite(void)
{
    Suite *suite = suite_create("ring_scribble");
    TCase *tests = tcase_create("ring_scribble");
    tcase_add_test(tests, a_head_that_cannot_be_breaks_the_reader_for_good);
    tcase_add_test(tests, a_tail_that_cannot_be_breaks_the_writer_for_good);
    tcase_add_test(tests, whatever_stands_in_the_peers_word_nothing_outside_is_touched);
    tcase_add_test(tests, a_process_that_scribbles_all_the_time_harms_nobody);
    suite_add_tcase(suite, tests);
    return suite;
}
