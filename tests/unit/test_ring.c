/* test_ring.c -- rings between threads and between processes; no wake-up is lost; a peer that dies. One that scribbles has a file of
 * its own, test_ring_scribble.c. */
#include "backends/ring.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *ring_suite(void);

enum { CAPACITY = 4096, RING = sizeof(sk_ring_memory) + CAPACITY, MOST = 3 * CAPACITY, STREAM = 2 << 20, ROUNDS = 20000 };
enum { THREADS, PROCESSES };               /* what a loop test runs between */

/* What both sides see: two rings, and a bell for each side. */
typedef struct shared {
    sk_bell bell[2];
    _Alignas(64) unsigned char ring[2][RING];
} shared;

static sk_ring_memory *ring_of(shared *s, int i) { return (sk_ring_memory *)s->ring[i]; }

static shared *share(void)
{
    shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(s != MAP_FAILED);
    ck_assert_uint_eq(sk_ring_bytes(CAPACITY), RING);
    memset(s, 0xee, sizeof *s);            /* nothing needs zeroed memory */
    for (int i = 0; i < 2; i++) {
        sk_bell_init(&s->bell[i]);
        sk_ring_init(ring_of(s, i), CAPACITY);
    }
    return s;
}

static uint64_t next(uint64_t *seed) { return sk_mix((*seed)++); }
static unsigned char byte_at(uint64_t i) { return (unsigned char)(sk_mix(i) >> 56); }

/* One side in another thread or process, the other here; how many of the two found something wrong. */
typedef int side(shared *);
typedef struct other { side *run; shared *s; int wrong; } other;

static void *run_other(void *data)
{
    other *o = data;
    o->wrong = o->run(o->s);
    return NULL;
}

static pid_t run_in_process(side *run, shared *s)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(run(s));
    return pid;
}

static int run_both(int where, side *there, side *here)
{
    shared *s = share();
    other o = { there, s, 0 };
    int wrong;
    if (where == THREADS) {
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, run_other, &o), 0);
        wrong = here(s);
        pthread_join(thread, NULL);
    } else {
        int status;
        pid_t pid = run_in_process(there, s);
        wrong = here(s);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        o.wrong = status != 0;
    }
    for (int i = 0; i < 2; i++)
        ck_assert_uint_eq(atomic_load(&s->bell[i].asleep), 0);
    munmap(s, sizeof *s);
    return wrong + o.wrong;
}

/* These sleep by the bell `mine` whenever nothing can be done, and never otherwise wait. 0: woken, or broken. */
static size_t write_or_sleep(sk_ring_end *e, const void *data, size_t size, sk_bell *mine, sk_bell *theirs)
{
    size_t n = sk_ring_write(e, data, size);
    if (!n) {
        uint32_t ticket = sk_bell_listen(mine);
        n = sk_ring_write(e, data, size);
        if (!n && !e->broken)
            sk_bell_sleep(mine, ticket, SK_NEVER);
        sk_bell_awake(mine);
    }
    if (n)
        sk_bell_ring(theirs);
    return n;
}

static bool rings_for_room_only;           /* readers ring where the ring was full, and never else */

static size_t read_or_sleep(sk_ring_end *e, void *out, size_t size, sk_bell *mine, sk_bell *theirs)
{
    size_t n = sk_ring_read(e, out, size);
    if (!n) {
        uint32_t ticket = sk_bell_listen(mine);
        n = sk_ring_read(e, out, size);
        if (!n && !e->broken)
            sk_bell_sleep(mine, ticket, SK_NEVER);
        sk_bell_awake(mine);
    }
    if (n && (!rings_for_room_only || sk_ring_was_full(e, n)))
        sk_bell_ring(theirs);
    return n;
}

/* ---- One end after the other ---- */

START_TEST(a_ring_takes_what_fits_and_gives_what_it_holds)
{
    static unsigned char data[MOST], out[MOST];
    shared *s = share();
    sk_ring_end w, r;
    sk_ring_open(&w, ring_of(s, 0), CAPACITY);
    sk_ring_open(&r, ring_of(s, 0), CAPACITY);
    for (int i = 0; i < MOST; i++)
        data[i] = byte_at((uint64_t)i);
    ck_assert_uint_eq(sk_ring_readable(&r), 0);
    ck_assert_uint_eq(sk_ring_read(&r, out, MOST), 0);
    ck_assert_uint_eq(sk_ring_writable(&w), CAPACITY);
    ck_assert_uint_eq(sk_ring_write(&w, data, 0), 0);
    ck_assert_uint_eq(sk_ring_write(&w, data, MOST), CAPACITY);
    ck_assert_uint_eq(sk_ring_writable(&w), 0);
    ck_assert_uint_eq(sk_ring_write(&w, data, 1), 0);
    ck_assert_uint_eq(sk_ring_readable(&r), CAPACITY);
    ck_assert_uint_eq(sk_ring_read(&r, out, 100), 100);
    ck_assert_uint_eq(sk_ring_writable(&w), 100);
    ck_assert_uint_eq(sk_ring_write(&w, data + CAPACITY, MOST - CAPACITY), 100);
    ck_assert_uint_eq(sk_ring_read(&r, out + 100, MOST), CAPACITY);
    ck_assert_uint_eq(sk_ring_read(&r, out, 1), 0);
    ck_assert_mem_eq(out, data, CAPACITY + 100);
    ck_assert(!w.broken && !r.broken);
    munmap(s, sizeof *s);
}
END_TEST

/* Every place where a message can wrap around, and every place where 2^64 can lie in it. */
START_TEST(messages_wrap_around_the_end_of_the_memory_and_of_the_positions)
{
    unsigned char data[300], out[300];
    shared *s = share();
    for (uint64_t before = 0; before <= 300; before++) {
        sk_ring_end w, r;
        sk_ring_open(&w, ring_of(s, 0), CAPACITY);
        sk_ring_open(&r, ring_of(s, 0), CAPACITY);
        w.at = w.seen = r.at = r.seen = 0 - before;
        atomic_store(&ring_of(s, 0)->head, 0 - before);
        atomic_store(&ring_of(s, 0)->tail, 0 - before);
        for (uint64_t i = 0; i < 300; i++)
            data[i] = byte_at(before * 300 + i);
        memset(out, 0, sizeof out);
        ck_assert_uint_eq(sk_ring_write(&w, data, 300), 300);
        ck_assert_uint_eq(sk_ring_writable(&w), CAPACITY - 300);
        ck_assert_uint_eq(sk_ring_readable(&r), 300);
        ck_assert_uint_eq(sk_ring_read(&r, out, 300), 300);
        ck_assert_mem_eq(out, data, 300);
        ck_assert_uint_eq(sk_ring_writable(&w), CAPACITY);
        ck_assert(!w.broken && !r.broken);
    }
    munmap(s, sizeof *s);
}
END_TEST

/* ---- Both ends at once ---- */

static int send_stream(shared *s)
{
    static unsigned char data[MOST];
    sk_ring_end w;
    uint64_t seed = 1;
    sk_ring_open(&w, ring_of(s, 0), CAPACITY);
    for (uint64_t at = 0; at < STREAM;) {
        size_t size = next(&seed) % (next(&seed) % 4 ? 200 : MOST) + 1, done = 0;
        if (size > STREAM - at)
            size = STREAM - at;
        for (size_t i = 0; i < size; i++)
            data[i] = byte_at(at + i);
        while (done < size) {
            done += write_or_sleep(&w, data + done, size - done, &s->bell[0], &s->bell[1]);
            if (w.broken)
                return 1;
        }
        at += size;
    }
    return 0;
}

static int receive_stream(shared *s)
{
    static unsigned char out[MOST];
    sk_ring_end r;
    uint64_t seed = 2;
    sk_ring_open(&r, ring_of(s, 0), CAPACITY);
    for (uint64_t at = 0; at < STREAM;) {
        size_t n = read_or_sleep(&r, out, next(&seed) % (next(&seed) % 4 ? 200 : MOST) + 1, &s->bell[1], &s->bell[0]);
        for (size_t i = 0; i < n; i++)
            if (out[i] != byte_at(at + i))
                return 1;
        if (r.broken)
            return 1;
        at += n;
    }
    return sk_ring_readable(&r) != 0;
}

START_TEST(messages_of_random_sizes_arrive_byte_for_byte)
{
    ck_assert_int_eq(run_both(_i, send_stream, receive_stream), 0);
    ck_assert_int_eq(run_both(_i, receive_stream, send_stream), 0);
}
END_TEST

/* Else somebody sleeps for ever. */
START_TEST(a_writer_that_sleeps_for_room_is_woken_by_a_reader_that_rings_for_nothing_else)
{
    rings_for_room_only = true;
    for (int round = 0; round < 5; round++)
        ck_assert_int_eq(run_both(_i, send_stream, receive_stream), 0);
    rings_for_room_only = false;
}
END_TEST

START_TEST(a_ring_was_full_only_if_it_was)
{
    static unsigned char data[MOST];
    shared *s = share();
    sk_ring_end w, r;
    sk_ring_open(&w, ring_of(s, 0), CAPACITY);
    sk_ring_open(&r, ring_of(s, 0), CAPACITY);
    ck_assert(!sk_ring_was_full(&r, 0));
    ck_assert_uint_eq(sk_ring_write(&w, data, CAPACITY - 1), CAPACITY - 1);
    ck_assert_uint_eq(sk_ring_read(&r, data, 100), 100);
    ck_assert(!sk_ring_was_full(&r, 100));
    ck_assert_uint_eq(sk_ring_write(&w, data, 101), 101);
    ck_assert_uint_eq(sk_ring_read(&r, data, 1), 1);
    ck_assert(sk_ring_was_full(&r, 1));
    ck_assert_uint_eq(sk_ring_read(&r, data, 1), 1);
    ck_assert(!sk_ring_was_full(&r, 1));
    ck_assert_uint_eq(sk_ring_write(&w, data, 1), 1);                /* as if before that read, which had not seen it */
    ck_assert(sk_ring_was_full(&r, 1));
    munmap(s, sizeof *s);
}
END_TEST

/* The first side begins; each sleeps whenever its ring is empty, so a wake-up that is lost is a test that hangs. */
static int play(shared *s, int me)
{
    sk_ring_end w, r;
    sk_ring_open(&w, ring_of(s, me), CAPACITY);
    sk_ring_open(&r, ring_of(s, !me), CAPACITY);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t got = 0;
        if (me == 0 && write_or_sleep(&w, &i, sizeof i, &s->bell[me], &s->bell[!me]) != sizeof i)
            return 1;
        while (read_or_sleep(&r, &got, sizeof got, &s->bell[me], &s->bell[!me]) == 0)
            if (r.broken)
                return 1;
        if (got != i)
            return 1;
        if (me == 1 && write_or_sleep(&w, &i, sizeof i, &s->bell[me], &s->bell[!me]) != sizeof i)
            return 1;
    }
    return 0;
}

static int play_first(shared *s) { return play(s, 0); }
static int play_second(shared *s) { return play(s, 1); }

START_TEST(no_wake_up_is_lost_when_both_sides_sleep_whenever_they_can)
{
    ck_assert_int_eq(run_both(_i, play_second, play_first), 0);
}
END_TEST

/* ---- Bells ---- */

START_TEST(a_bell_rung_between_listening_and_sleeping_lets_nobody_sleep)
{
    sk_bell b;
    sk_bell_init(&b);
    uint32_t ticket = sk_bell_listen(&b);
    sk_bell_ring(&b);
    sk_bell_sleep(&b, ticket, SK_NEVER);
    sk_bell_awake(&b);
    ck_assert_uint_eq(atomic_load(&b.asleep), 0);
    ck_assert_uint_eq(atomic_load(&b.word), ticket + 1);
}
END_TEST

START_TEST(a_bell_is_not_rung_when_nobody_listens_unless_it_is_rung_anyway)
{
    sk_bell b;
    sk_bell_init(&b);
    sk_bell_ring(&b);
    ck_assert_uint_eq(atomic_load(&b.word), 0);
    uint32_t ticket = sk_bell_listen(&b);
    atomic_store(&b.asleep, 0);            /* somebody scribbles */
    sk_bell_ring(&b);
    ck_assert_uint_eq(atomic_load(&b.word), ticket);
    sk_bell_ring_anyway(&b);
    sk_bell_sleep(&b, ticket, SK_NEVER);
    ck_assert_uint_eq(atomic_load(&b.word), ticket + 1);
}
END_TEST

static bool is_rung(int fd) { return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 1; }

START_TEST(who_sleeps_in_poll_is_rung_by_a_descriptor_only_while_it_listens)
{
    sk_bell b;
    sk_bell_init(&b);
    int fd = sk_bell_fd();
    ck_assert_int_ge(fd, 0);
    sk_bell_ring_by(&b, fd);
    ck_assert(!is_rung(fd));
    sk_bell_listen(&b);
    ck_assert(!is_rung(fd));
    sk_bell_ring_by(&b, fd);
    sk_bell_ring_by(&b, fd);
    ck_assert(is_rung(fd));
    sk_bell_awake(&b);
    sk_bell_heard(fd);
    ck_assert(!is_rung(fd));
    sk_bell_heard(fd);                     /* nothing to hear: comes back all the same */
    sk_bell_ring_by(&b, fd);
    ck_assert(!is_rung(fd));
    close(fd);
}
END_TEST

START_TEST(without_a_descriptor_it_is_the_bell_that_is_rung)
{
    sk_bell b;
    sk_bell_init(&b);
    uint32_t ticket = sk_bell_listen(&b);
    sk_bell_ring_by(&b, -1);
    sk_bell_sleep(&b, ticket, SK_NEVER);
    ck_assert_uint_ne(atomic_load(&b.word), ticket);
    sk_bell_awake(&b);
}
END_TEST

/* As play above, but both sleep in poll. The descriptors were made before the fork. */
static int polled[2];

static bool read_or_poll(sk_ring_end *e, uint64_t *got, sk_bell *mine, int fd)
{
    while (sk_ring_readable(e) < sizeof *got && !e->broken) {
        sk_bell_listen(mine);
        if (sk_ring_readable(e) < sizeof *got)
            poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1);
        sk_bell_awake(mine);
        sk_bell_heard(fd);
    }
    return sk_ring_read(e, got, sizeof *got) == sizeof *got;
}

static int play_by_descriptor(shared *s, int me)
{
    sk_ring_end w, r;
    sk_ring_open(&w, ring_of(s, me), CAPACITY);
    sk_ring_open(&r, ring_of(s, !me), CAPACITY);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t got = UINT64_MAX;
        for (int turn = 0; turn < 2; turn++)
            if (turn == me) {
                if (sk_ring_write(&w, &i, sizeof i) != sizeof i)
                    return 1;
                sk_bell_ring_by(&s->bell[!me], polled[!me]);
            } else if (!read_or_poll(&r, &got, &s->bell[me], polled[me]) || got != i) {
                return 2;
            }
    }
    return 0;
}
static int poll_first(shared *s) { return play_by_descriptor(s, 0); }
static int poll_second(shared *s) { return play_by_descriptor(s, 1); }

START_TEST(no_wake_up_is_lost_when_both_sides_sleep_in_poll)
{
    polled[0] = sk_bell_fd();
    polled[1] = sk_bell_fd();
    ck_assert_int_eq(run_both(_i, poll_first, poll_second), 0);
    close(polled[0]);
    close(polled[1]);
}
END_TEST

START_TEST(who_sleeps_for_some_time_gets_up_without_a_ring)
{
    sk_bell b;
    sk_bell_init(&b);
    for (int64_t ns = -1; ns < 3; ns++) {
        uint32_t ticket = sk_bell_listen(&b);
        sk_bell_sleep(&b, ticket, ns);
        sk_bell_awake(&b);
    }
    ck_assert_uint_eq(atomic_load(&b.word), 0);
    ck_assert_uint_eq(atomic_load(&b.asleep), 0);
}
END_TEST

typedef struct crowd { sk_bell bell; pthread_barrier_t listening; } crowd;

static void *listen_in_a_crowd(void *data)
{
    crowd *c = data;
    uint32_t ticket = sk_bell_listen(&c->bell);
    pthread_barrier_wait(&c->listening);
    while (atomic_load(&c->bell.word) == ticket)
        sk_bell_sleep(&c->bell, ticket, SK_NEVER);
    sk_bell_awake(&c->bell);
    return NULL;
}

START_TEST(one_ring_wakes_all_who_listen)
{
    enum { MANY = 4 };
    for (int round = 0; round < 200; round++) {
        crowd c;
        pthread_t thread[MANY];
        sk_bell_init(&c.bell);
        pthread_barrier_init(&c.listening, NULL, MANY + 1);
        for (int i = 0; i < MANY; i++)
            ck_assert_int_eq(pthread_create(&thread[i], NULL, listen_in_a_crowd, &c), 0);
        pthread_barrier_wait(&c.listening);
        ck_assert_uint_eq(atomic_load(&c.bell.asleep), MANY);
        for (int i = 0; i < round; i++)    /* sometimes they are in the kernel by then, sometimes not */
            sched_yield();
        sk_bell_ring(&c.bell);
        for (int i = 0; i < MANY; i++)
            pthread_join(thread[i], NULL);
        ck_assert_uint_eq(atomic_load(&c.bell.word), 1);
        ck_assert_uint_eq(atomic_load(&c.bell.asleep), 0);
        pthread_barrier_destroy(&c.listening);
    }
}
END_TEST

/* ---- A peer that dies ---- */

static _Noreturn int send_for_ever(shared *s)
{
    static unsigned char data[200];
    sk_ring_end w;
    uint64_t seed = 5;
    sk_ring_open(&w, ring_of(s, 0), CAPACITY);
    for (uint64_t at = 0;;) {
        size_t size = next(&seed) % sizeof data + 1;
        for (size_t i = 0; i < size; i++)
            data[i] = byte_at(at + i);
        at += write_or_sleep(&w, data, size, &s->bell[0], &s->bell[1]);
    }
}

START_TEST(what_a_killed_writer_had_published_can_still_be_read)
{
    unsigned char out[CAPACITY];
    shared *s = share();
    for (uint64_t round = 0; round < 50; round++) {
        sk_ring_end r;
        uint64_t at = 0;
        bool dead = false;
        sk_ring_init(ring_of(s, 0), CAPACITY);
        sk_bell_init(&s->bell[0]);         /* on which the one before it may have slept */
        sk_ring_open(&r, ring_of(s, 0), CAPACITY);
        pid_t pid = run_in_process(send_for_ever, s);
        for (;;) {
            size_t n = dead ? sk_ring_read(&r, out, sizeof out) : read_or_sleep(&r, out, 100, &s->bell[1], &s->bell[0]);
            for (size_t i = 0; i < n; i++)
                ck_assert_uint_eq(out[i], byte_at(at + i));
            at += n;
            ck_assert(!r.broken);
            if (dead && n == 0)
                break;
            if (!dead && at > round * 500) {
                ck_assert_int_eq(kill(pid, SIGKILL), 0);
                ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
                dead = true;
            }
        }
        ck_assert_uint_gt(at, round * 500);
        ck_assert_uint_eq(at, atomic_load(&ring_of(s, 0)->head));
        ck_assert_uint_eq(atomic_load(&s->bell[1].asleep), 0);
    }
    munmap(s, sizeof *s);
}
END_TEST

static _Noreturn int listen_for_ever(shared *s)
{
    for (;;)
        sk_bell_sleep(&s->bell[0], sk_bell_listen(&s->bell[0]), SK_NEVER);
}

START_TEST(a_reader_killed_in_its_sleep_holds_up_no_writer)
{
    static unsigned char data[MOST];
    shared *s = share();
    sk_ring_end w;
    sk_ring_open(&w, ring_of(s, 0), CAPACITY);
    pid_t pid = run_in_process(listen_for_ever, s);
    while (!atomic_load(&s->bell[0].asleep))
        sched_yield();
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < CAPACITY; i += 64) {
        ck_assert_uint_eq(sk_ring_write(&w, data, 64), 64);
        sk_bell_ring(&s->bell[0]);
    }
    ck_assert_uint_eq(sk_ring_write(&w, data, 64), 0);
    ck_assert(!w.broken);
    munmap(s, sizeof *s);
}
END_TEST

Suite *ring_suite(void)
{
    Suite *suite = suite_create("ring");
    TCase *ends = tcase_create("ends"), *bells = tcase_create("bells"), *peers = tcase_create("peers");
    tcase_add_test(ends, a_ring_takes_what_fits_and_gives_what_it_holds);
    tcase_add_test(ends, messages_wrap_around_the_end_of_the_memory_and_of_the_positions);
    tcase_add_loop_test(ends, messages_of_random_sizes_arrive_byte_for_byte, THREADS, PROCESSES + 1);
    tcase_add_loop_test(ends, a_writer_that_sleeps_for_room_is_woken_by_a_reader_that_rings_for_nothing_else, THREADS, PROCESSES + 1);
    tcase_add_test(ends, a_ring_was_full_only_if_it_was);
    suite_add_tcase(suite, ends);
    tcase_add_loop_test(bells, no_wake_up_is_lost_when_both_sides_sleep_whenever_they_can, THREADS, PROCESSES + 1);
    tcase_add_test(bells, a_bell_rung_between_listening_and_sleeping_lets_nobody_sleep);
    tcase_add_test(bells, a_bell_is_not_rung_when_nobody_listens_unless_it_is_rung_anyway);
    tcase_add_test(bells, who_sleeps_in_poll_is_rung_by_a_descriptor_only_while_it_listens);
    tcase_add_test(bells, without_a_descriptor_it_is_the_bell_that_is_rung);
    tcase_add_loop_test(bells, no_wake_up_is_lost_when_both_sides_sleep_in_poll, THREADS, PROCESSES + 1);
    tcase_add_test(bells, who_sleeps_for_some_time_gets_up_without_a_ring);
    tcase_add_test(bells, one_ring_wakes_all_who_listen);
    suite_add_tcase(suite, bells);
    tcase_add_test(peers, what_a_killed_writer_had_published_can_still_be_read);
    tcase_add_test(peers, a_reader_killed_in_its_sleep_holds_up_no_writer);
    suite_add_tcase(suite, peers);
    return suite;
}
