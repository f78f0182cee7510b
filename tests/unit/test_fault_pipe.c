/* test_fault_pipe.c -- each fault at chosen ticks: what is let through, when, and what is counted. See proxy/pipe.h. */
#include "proxy/pipe.h"

#include "base.h"

#include <check.h>

Suite *fault_pipe_suite(void);

enum { MS = 1000000, LONG = 10000, PIECES = 4096 };

/* A pipe, and all that has come out of it. */
typedef struct stream {
    fault_pipe *pipe;
    unsigned char out[LONG];
    size_t n;
    size_t piece[PIECES];              /* sizes of what was written at once */
    size_t pieces;
    pipe_step last;                    /* what it says now */
    int64_t when;
    int ends;
} stream;

static unsigned char byte_at(uint64_t i) { return (unsigned char)(sk_mix(i) >> 56); }

static stream *stream_new(uint64_t seed, proxy_faults faults)
{
    stream *s = calloc(1, sizeof *s);
    s->pipe = fault_pipe_new(seed);
    fault_pipe_set(s->pipe, 0, &faults);
    return s;
}

static void stream_free(stream *s)
{
    fault_pipe_free(s->pipe);
    free(s);
}

static void set(stream *s, int64_t now, proxy_faults faults) { fault_pipe_set(s->pipe, now, &faults); }
static const pipe_counts *counts(stream *s) { return fault_pipe_counts(s->pipe); }

/* The next n bytes of the stream that all these tests send. */
static void put(stream *s, int64_t now, size_t n)
{
    unsigned char data[LONG];
    for (size_t i = 0; i < n; i++)
        data[i] = byte_at(counts(s)->read + i);
    ck_assert_uint_ge(fault_pipe_room(s->pipe), n);
    fault_pipe_put(s->pipe, now, data, n);
}

/* All that is let through now, at most `most` bytes at once. */
static void run(stream *s, int64_t now, size_t most)
{
    for (;;) {
        unsigned char data[LONG];
        size_t size = most;
        s->last = fault_pipe_look(s->pipe, now, data, &size, &s->when);
        s->ends += s->last == PIPE_END;
        if (s->last == PIPE_END)
            continue;
        if (s->last != PIPE_WRITE)
            return;
        if (size == 0 || size > most || s->n + size > LONG)
            ck_abort_msg("it lets %zu bytes through at once, of at most %zu, after %zu", size, most, s->n);
        memcpy(s->out + s->n, data, size);
        s->n += size;
        if (s->pieces < PIECES)
            s->piece[s->pieces++] = size;
        fault_pipe_take(s->pipe, now, size);
    }
}

/* n bytes are out, as they were put in. */
static void expect(stream *s, size_t n)
{
    ck_assert_uint_eq(s->n, n);
    ck_assert_uint_eq(counts(s)->forwarded, n);
    size_t same = 0;                       /* not an assertion for each: Check notes them all */
    while (same < n && s->out[same] == byte_at(same))
        same++;
    ck_assert_uint_eq(same, n);
}

START_TEST(without_faults_bytes_and_the_end_pass_at_once)
{
    stream *s = stream_new(1, (proxy_faults){ 0 });
    for (size_t n = 1; n < 100; n++) {
        put(s, (int64_t)n, n);
        run(s, (int64_t)n, LONG);
        expect(s, n * (n + 1) / 2);
        ck_assert_int_eq(s->last, PIPE_WAIT);
        ck_assert_int_eq(s->when, INT64_MAX);
    }
    fault_pipe_end(s->pipe, 100, false);
    ck_assert_uint_eq(fault_pipe_room(s->pipe), 0);
    run(s, 100, LONG);
    run(s, 101, LONG);
    ck_assert_int_eq(s->ends, 1);
    ck_assert_uint_eq(counts(s)->corrupted + counts(s)->swallowed + counts(s)->cuts, 0);
    stream_free(s);
}
END_TEST

START_TEST(a_delay_lets_each_read_through_at_its_own_tick_and_then_the_end)
{
    stream *s = stream_new(1, (proxy_faults){ .delay_ns = 10 });
    put(s, 0, 3);
    put(s, 5, 2);
    fault_pipe_end(s->pipe, 7, false);
    static const struct { int64_t now; size_t out; int64_t when; int ends; } ticks[] = {
        { 7, 0, 10, 0 }, { 9, 0, 10, 0 }, { 10, 3, 15, 0 }, { 14, 3, 15, 0 }, { 15, 5, 17, 0 }, { 16, 5, 17, 0 }, { 17, 5, INT64_MAX, 1 },
    };
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++) {
        run(s, ticks[i].now, LONG);
        expect(s, ticks[i].out);
        ck_assert_int_eq(s->when, ticks[i].when);
        ck_assert_int_eq(s->ends, ticks[i].ends);
    }
    stream_free(s);
}
END_TEST

START_TEST(without_its_delay_what_is_held_goes_at_once)
{
    stream *s = stream_new(1, (proxy_faults){ .delay_ns = INT64_MAX, .jitter_ns = INT64_MAX });
    put(s, 1, 100);
    run(s, INT64_MAX - 1, LONG);
    expect(s, 0);
    set(s, 2, (proxy_faults){ 0 });
    run(s, 2, LONG);
    expect(s, 100);
    stream_free(s);
}
END_TEST

/* When each of 50 bytes, put in at its own tick, comes out. */
static void ticks_of(uint64_t seed, int64_t ticks[50])
{
    stream *s = stream_new(seed, (proxy_faults){ .delay_ns = 10, .jitter_ns = 20 });
    size_t seen = 0;
    for (int64_t now = 0; now < 100; now++) {
        if (now < 50)
            put(s, now, 1);
        run(s, now, LONG);
        for (; seen < s->n; seen++)
            ticks[seen] = now;
    }
    expect(s, 50);
    stream_free(s);
}

START_TEST(jitter_stays_in_its_bounds_keeps_the_order_and_follows_the_seed)
{
    int64_t first[50], again[50], other[50];
    ticks_of(1, first);
    ticks_of(1, again);
    ticks_of(2, other);
    ck_assert_mem_eq(first, again, sizeof first);
    ck_assert_mem_ne(first, other, sizeof first);
    int later = 0;
    for (int i = 0; i < 50; i++) {
        ck_assert_int_ge(first[i], i + 10);
        ck_assert_int_le(first[i], i + 30);            /* one before it cannot hold it back for longer than its own jitter */
        later += first[i] > i + 10;
    }
    ck_assert_int_gt(later, 25);
}
END_TEST

START_TEST(a_rate_lets_its_burst_and_then_so_many_bytes_a_second_through)
{
    stream *s = stream_new(1, (proxy_faults){ .rate = 1000, .burst = 10 });
    put(s, 0, 2000);
    run(s, 0, LONG);
    expect(s, 10);
    ck_assert_int_eq(s->when, 10 * MS);                /* not for each byte */
    run(s, MS - 1, LONG);
    expect(s, 10);
    for (int64_t ms = 1; ms <= 500; ms++) {
        run(s, ms * MS, LONG);
        expect(s, 10 + (size_t)ms);
    }
    run(s, 1000000 * (int64_t)MS, LONG);               /* a long pause is worth no more than a burst */
    expect(s, 520);
    set(s, 1000000 * (int64_t)MS, (proxy_faults){ .rate = UINT64_MAX, .burst = 7 });
    run(s, 1000000 * (int64_t)MS, LONG);
    expect(s, 520);                                    /* what the bucket holds does not grow by being set */
    run(s, 1000000 * (int64_t)MS + 1, LONG);
    expect(s, 527);
    set(s, 1000000 * (int64_t)MS + 1, (proxy_faults){ 0 });
    run(s, 1000000 * (int64_t)MS + 1, LONG);
    expect(s, 2000);
    stream_free(s);
}
END_TEST

START_TEST(whoever_comes_when_a_rate_says_moves_a_burst_each_time)
{
    stream *s = stream_new(1, (proxy_faults){ .rate = 100000 });       /* 2000 in 20 ms */
    put(s, 0, 10000);
    int64_t now = 0;
    int times = 0;
    for (run(s, 0, LONG); s->n < 10000; times++) {
        ck_assert_int_gt(s->when, now);
        now = s->when;
        run(s, now, LONG);
    }
    expect(s, 10000);
    ck_assert_int_eq(times, 4);
    ck_assert_int_eq(now, 80 * MS);
    stream_free(s);
}
END_TEST

/* 3000 bytes put in in reads of `read` bytes and taken out at most `most` at once. */
static stream *run_in_reads(uint64_t seed, proxy_faults faults, size_t read, size_t most)
{
    stream *s = stream_new(seed, faults);
    for (size_t at = 0; at < 3000; at += read) {
        put(s, 0, read < 3000 - at ? read : 3000 - at);
        run(s, 0, most);
    }
    return s;
}

START_TEST(split_pieces_have_1_to_k_bytes_and_end_at_the_same_places_however_the_bytes_arrive)
{
    stream *all = run_in_reads(1, (proxy_faults){ .split = 5 }, 3000, LONG), *other = run_in_reads(2, (proxy_faults){ .split = 5 }, 3000, LONG);
    expect(all, 3000);
    bool end[3001] = { false };
    size_t at = 0, sizes[6] = { 0 };
    for (size_t i = 0; i < all->pieces; i++) {
        ck_assert_uint_le(all->piece[i], 5);
        sizes[all->piece[i]]++;
        end[at += all->piece[i]] = true;
    }
    for (int i = 1; i <= 5; i++)
        ck_assert_uint_gt(sizes[i], 100);
    ck_assert(other->pieces != all->pieces || memcmp(other->piece, all->piece, sizeof all->piece) != 0);
    static const size_t reads[] = { 1, 2, 3, 7, 100, 2999 };
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++)
        for (size_t most = 1; most < 8; most += 3) {
            stream *s = run_in_reads(1, (proxy_faults){ .split = 5 }, reads[i], most);
            expect(s, 3000);
            bool ended[3001] = { false };
            size_t to = 0;
            for (size_t j = 0; j < s->pieces; j++)
                ended[to += s->piece[j]] = true;
            for (size_t j = 0; j <= 3000; j++)
                ck_assert(ended[j] || !end[j]);
            ck_assert_uint_ge(counts(s)->cuts + 1, counts(all)->cuts);
            ck_assert_uint_le(counts(s)->cuts, counts(all)->cuts);
            stream_free(s);
        }
    stream_free(other);
    stream_free(all);
}
END_TEST

START_TEST(split_1_writes_each_byte_by_itself)
{
    stream *s = run_in_reads(1, (proxy_faults){ .split = 1 }, 1000, LONG);
    expect(s, 3000);
    ck_assert_uint_eq(s->pieces, 3000);
    ck_assert_uint_eq(counts(s)->pieces, 3000);
    ck_assert_uint_eq(counts(s)->cuts, 3000);
    stream_free(s);
}
END_TEST

START_TEST(a_cut_ends_a_piece_at_each_byte_and_pauses_for_the_gap)
{
    for (size_t at = 1; at < 20; at++) {
        stream *s = stream_new(1, (proxy_faults){ .cut_at = at, .gap_ns = 100 });
        put(s, 0, 20);
        run(s, 1, LONG);
        expect(s, at);
        ck_assert_int_eq(s->when, 101);
        run(s, 100, LONG);
        expect(s, at);
        run(s, 101, LONG);
        expect(s, 20);
        ck_assert_uint_eq(counts(s)->cuts, 1);
        ck_assert_uint_eq(counts(s)->pieces, 2);
        stream_free(s);
    }
}
END_TEST

START_TEST(a_gap_that_is_taken_away_is_over)
{
    stream *s = stream_new(1, (proxy_faults){ .split = 1, .gap_ns = INT64_MAX });
    put(s, 0, 20);
    run(s, 1000, LONG);
    expect(s, 1);
    set(s, 1000, (proxy_faults){ 0 });
    run(s, 1000, LONG);
    expect(s, 20);
    stream_free(s);
}
END_TEST

START_TEST(the_bits_that_were_asked_for_are_flipped_in_the_byte_that_was_asked_for)
{
    for (size_t at = 0; at < 20; at++)
        for (int bit = 0; bit < 8; bit++) {
            stream *s = stream_new(1, (proxy_faults){ .corrupt_at = at, .corrupt_mask = (uint8_t)(1 << bit) });
            put(s, 0, 20);
            run(s, 0, 1 + at % 3);
            ck_assert_uint_eq(s->n, 20);
            for (size_t i = 0; i < 20; i++)
                ck_assert_uint_eq(s->out[i] ^ byte_at(i), i == at ? 1 << bit : 0);
            ck_assert_uint_eq(counts(s)->corrupted, 1);
            stream_free(s);
        }
}
END_TEST

START_TEST(about_every_nth_byte_is_corrupted_and_the_same_ones_however_the_bytes_arrive)
{
    proxy_faults faults = { .corrupt_every = 10 };
    stream *all = run_in_reads(1, faults, 3000, LONG), *pieces = run_in_reads(1, faults, 7, 3), *other = run_in_reads(2, faults, 3000, LONG);
    size_t wrong = 0;
    for (size_t i = 0; i < 3000; i++) {
        unsigned flipped = all->out[i] ^ byte_at(i);
        ck_assert_int_le(__builtin_popcount(flipped), 1);
        wrong += flipped != 0;
    }
    ck_assert_uint_eq(counts(all)->corrupted, wrong);
    ck_assert_uint_eq(counts(pieces)->corrupted, wrong);
    ck_assert_uint_gt(wrong, 200);
    ck_assert_uint_lt(wrong, 400);
    ck_assert_mem_eq(all->out, pieces->out, 3000);
    ck_assert_mem_ne(all->out, other->out, 3000);
    stream_free(all);
    stream_free(pieces);
    stream_free(other);
}
END_TEST

START_TEST(exactly_n_bytes_pass_before_a_drop_and_none_afterwards)
{
    static const struct { proxy_then then; pipe_step step; } ways[] = { { PROXY_FIN, PIPE_FIN }, { PROXY_RST, PIPE_RST } };
    for (int way = 0; way < 2; way++)
        for (size_t n = 0; n < 30; n++)
            for (size_t read = 1; read < 30; read += 6) {
                stream *s = stream_new(1, (proxy_faults){ .after = n, .then = ways[way].then });
                for (size_t at = 0; at < 30 && fault_pipe_room(s->pipe); at += read) {
                    put(s, 0, read);
                    run(s, 0, 4);
                }
                run(s, 0, 4);
                expect(s, n);
                ck_assert_int_eq(s->last, ways[way].step);
                ck_assert(fault_pipe_dropped(s->pipe));
                set(s, 1, (proxy_faults){ 0 });        /* too late */
                run(s, 1, LONG);
                ck_assert_int_eq(s->last, ways[way].step);
                expect(s, n);
                stream_free(s);
            }
}
END_TEST

START_TEST(a_position_may_be_counted_from_where_the_stream_is)
{
    stream *s = stream_new(1, (proxy_faults){ 0 });
    put(s, 0, 100);
    run(s, 0, LONG);
    set(s, 0, (proxy_faults){ .cut_at = PROXY_FROM_NOW + 3, .corrupt_at = PROXY_FROM_NOW + 5, .corrupt_mask = 4,
                              .after = PROXY_FROM_NOW + 10, .then = PROXY_FIN });
    ck_assert_uint_eq(fault_pipe_faults(s->pipe)->after, 110);
    set(s, 0, *fault_pipe_faults(s->pipe));            /* they are not counted anew */
    put(s, 0, 100);
    run(s, 0, LONG);
    ck_assert_uint_eq(s->n, 110);
    ck_assert_uint_eq(s->piece[1], 3);
    ck_assert_uint_eq(s->out[105] ^ byte_at(105), 4);
    ck_assert_int_eq(s->last, PIPE_FIN);
    stream_free(s);

    s = stream_new(1, (proxy_faults){ 0 });            /* one that is behind us already is now */
    put(s, 0, 100);
    run(s, 0, LONG);
    set(s, 0, (proxy_faults){ .after = 50, .then = PROXY_RST });
    run(s, 0, LONG);
    ck_assert_int_eq(s->last, PIPE_RST);
    stream_free(s);
}
END_TEST

START_TEST(held_bytes_are_neither_read_nor_let_through_nor_lost)
{
    for (size_t n = 0; n < 20; n++) {
        stream *s = stream_new(1, (proxy_faults){ .after = n, .then = PROXY_HOLD });
        if (n) {
            put(s, 0, 20);
            fault_pipe_end(s->pipe, 0, false);
        }
        run(s, 1, LONG);
        expect(s, n);
        ck_assert_uint_eq(fault_pipe_room(s->pipe), 0);
        ck_assert_int_eq(s->last, PIPE_WAIT);
        ck_assert_int_eq(s->when, INT64_MAX);
        set(s, 2, (proxy_faults){ 0 });
        if (!n) {
            put(s, 2, 20);
            fault_pipe_end(s->pipe, 2, false);
        }
        run(s, 2, LONG);
        expect(s, 20);
        ck_assert_int_eq(s->ends, 1);
        stream_free(s);
    }
}
END_TEST

START_TEST(a_half_open_pipe_reads_for_ever_and_tells_nothing)
{
    stream *s = stream_new(1, (proxy_faults){ .after = 5, .then = PROXY_SWALLOW });
    for (int i = 0; i < 100; i++) {
        put(s, i, LONG);
        run(s, i, LONG);
    }
    expect(s, 5);
    ck_assert_uint_eq(counts(s)->swallowed, 100 * LONG - 5);
    fault_pipe_end(s->pipe, 100, false);
    run(s, 100, LONG);
    ck_assert_int_eq(s->ends, 0);
    ck_assert_int_eq(s->when, INT64_MAX);
    stream_free(s);

    s = stream_new(1, (proxy_faults){ .delay_ns = 10 });               /* what is under way is swallowed too; what comes later, not */
    put(s, 0, 100);
    set(s, 1, (proxy_faults){ .then = PROXY_SWALLOW });
    ck_assert_uint_eq(counts(s)->swallowed, 100);
    set(s, 2, (proxy_faults){ 0 });
    put(s, 2, 7);
    run(s, 2, LONG);
    ck_assert_uint_eq(s->n, 7);
    ck_assert_uint_eq(s->out[0], byte_at(100));
    stream_free(s);
}
END_TEST

START_TEST(a_reset_is_told_behind_the_bytes_before_it)
{
    stream *s = stream_new(1, (proxy_faults){ .delay_ns = 10 });
    put(s, 0, 9);
    fault_pipe_end(s->pipe, 5, true);
    run(s, 14, LONG);
    expect(s, 9);
    ck_assert_int_eq(s->last, PIPE_WAIT);
    run(s, 15, LONG);
    ck_assert_int_eq(s->last, PIPE_RESET);
    ck_assert_int_eq(s->ends, 0);
    stream_free(s);
}
END_TEST

/* How much it takes while nothing is let through. */
static uint64_t fill(stream *s, size_t read)
{
    static const unsigned char zeros[1 << 16];
    for (size_t room; (room = fault_pipe_room(s->pipe)); )
        fault_pipe_put(s->pipe, 0, zeros, room < read ? room : read);
    return counts(s)->read;
}

START_TEST(a_pipe_holds_256_KiB_or_with_a_delay_16_MiB_or_16384_reads)
{
    stream *s = stream_new(1, (proxy_faults){ 0 });
    ck_assert_uint_eq(fill(s, 1000), 256 << 10);
    set(s, 0, (proxy_faults){ .delay_ns = 10 });
    ck_assert_uint_eq(fill(s, 1 << 16), 16 << 20);
    set(s, 0, (proxy_faults){ 0 });
    ck_assert_uint_eq(fault_pipe_room(s->pipe), 0);
    unsigned char out[1 << 16];
    uint64_t taken = 0;
    int64_t when;
    for (size_t size = sizeof out; fault_pipe_look(s->pipe, 0, out, &size, &when) == PIPE_WRITE; size = sizeof out) {
        ck_assert_uint_eq(fault_pipe_room(s->pipe), taken > (16 << 20) - (256 << 10) ? taken - ((16 << 20) - (256 << 10)) : 0);
        fault_pipe_take(s->pipe, 0, size);
        taken += size;
    }
    ck_assert_uint_eq(taken, 16 << 20);
    stream_free(s);
    s = stream_new(1, (proxy_faults){ .delay_ns = 10 });
    ck_assert_uint_eq(fill(s, 1), 16384);
    stream_free(s);
}
END_TEST

/* Whatever is set, while it does not lose or change bytes: all come out, in order; and who comes back when told does not wait in vain. */
START_TEST(random_faults_that_lose_nothing_lose_nothing)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        uint64_t at = seed * 1000000;
        stream *s = stream_new(seed, (proxy_faults){ 0 });
        int64_t now = 0;
        while (counts(s)->read < 5000) {
            uint64_t r = sk_mix(at++), q = sk_mix(at++);
            size_t n = q % 300, room = fault_pipe_room(s->pipe);
            now += (int64_t)(r >> 8) % 1000;
            switch (r % 4) {
            case 0:
                set(s, now, (proxy_faults){ .delay_ns = q & 1 ? (q >> 8) % 5000 : 0, .jitter_ns = q & 2 ? (q >> 16) % 5000 : 0,
                                            .rate = q & 4 ? 1 + (q >> 24) % 1000000000 : 0, .burst = (q >> 32) % 100, .split = q & 8 ? (q >> 40) % 9 : 0,
                                            .gap_ns = q & 16 ? (q >> 48) % 1000 : 0, .cut_at = PROXY_FROM_NOW + (q >> 50) % 50,
                                            .after = PROXY_FROM_NOW + (q >> 55) % 50, .then = q & 32 ? PROXY_HOLD : PROXY_PASS });
                break;
            case 1:
            case 2:
                n = n < room ? n : room;
                put(s, now, n < 5000 - counts(s)->read ? n : 5000 - counts(s)->read);
                break;
            default:
                run(s, now, 1 + n);
            }
        }
        fault_pipe_end(s->pipe, now, false);
        proxy_faults faults = *fault_pipe_faults(s->pipe);
        faults.then = PROXY_PASS;
        set(s, now, faults);
        int turns = 0;
        for (run(s, now, LONG); !s->ends; run(s, now, LONG)) {
            if (s->last != PIPE_WAIT || s->when <= now || s->when == INT64_MAX || turns++ > 20000)
                ck_abort_msg("seed %d, turn %d at %lld: step %d, again at %lld", (int)seed, turns, (long long)now, (int)s->last, (long long)s->when);
            now = s->when;
        }
        expect(s, 5000);
        stream_free(s);
    }
}
END_TEST

Suite *fault_pipe_suite(void)
{
    Suite *suite = suite_create("fault_pipe");
    TCase *c = tcase_create("pipe with faults");
    tcase_add_test(c, without_faults_bytes_and_the_end_pass_at_once);
    tcase_add_test(c, a_delay_lets_each_read_through_at_its_own_tick_and_then_the_end);
    tcase_add_test(c, without_its_delay_what_is_held_goes_at_once);
    tcase_add_test(c, jitter_stays_in_its_bounds_keeps_the_order_and_follows_the_seed);
    tcase_add_test(c, a_rate_lets_its_burst_and_then_so_many_bytes_a_second_through);
    tcase_add_test(c, whoever_comes_when_a_rate_says_moves_a_burst_each_time);
    tcase_add_test(c, split_pieces_have_1_to_k_bytes_and_end_at_the_same_places_however_the_bytes_arrive);
    tcase_add_test(c, split_1_writes_each_byte_by_itself);
    tcase_add_test(c, a_cut_ends_a_piece_at_each_byte_and_pauses_for_the_gap);
    tcase_add_test(c, a_gap_that_is_taken_away_is_over);
    tcase_add_test(c, the_bits_that_were_asked_for_are_flipped_in_the_byte_that_was_asked_for);
    tcase_add_test(c, about_every_nth_byte_is_corrupted_and_the_same_ones_however_the_bytes_arrive);
    tcase_add_test(c, exactly_n_bytes_pass_before_a_drop_and_none_afterwards);
    tcase_add_test(c, a_position_may_be_counted_from_where_the_stream_is);
    tcase_add_test(c, held_bytes_are_neither_read_nor_let_through_nor_lost);
    tcase_add_test(c, a_half_open_pipe_reads_for_ever_and_tells_nothing);
    tcase_add_test(c, a_reset_is_told_behind_the_bytes_before_it);
    tcase_add_test(c, a_pipe_holds_256_KiB_or_with_a_delay_16_MiB_or_16384_reads);
    tcase_add_test(c, random_faults_that_lose_nothing_lose_nothing);
    suite_add_tcase(suite, c);
    return suite;
}
