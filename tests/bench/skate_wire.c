/* skate_wire.c -- what framing costs between nodes, without a network: checksums, frames made, frames read.
 *
 *   crc32c          GB/s: checksums of 256 KB at a time, as much as recv() brings
 *   crc32c_tables   the same where the processor has no instruction for it
 *   frames_small    frames/s: 64 bytes of payload, sealed into a buffer; and read from it, 64 KB at a time
 *   frames_bulk     GB/s: chunks of 4 MB, sealed, and read straight to their place, 256 KB at a time
 *
 * What is read is copied to where the reader wants it: recv() would do that. */
#define _GNU_SOURCE
#include "../../backends/crc32c.h"
#include "../../backends/frame.h"

#include "bench.h"

enum { PIECE = 256 << 10, SMALL_FRAMES = 1000000, SMALL_PAYLOAD = 64, SUM_BYTES = 1 << 30, CHUNKS = 100, NOTE = 0, CHUNK = 1 };

static const sk_frame_kind kinds[] = { [NOTE] = { "NOTE", SMALL_PAYLOAD, false }, [CHUNK] = { "CHUNK", SK_FRAME_BULK, true } };
static const sk_frame_rules control = { kinds, 2, SK_FRAME_CONTROL, false }, bulk = { kinds, 2, SK_FRAME_BULK, true };

static unsigned char *bytes, *object;          /* a chunk each */

/* ---- Checksums ---- */

static double sum_up(uint32_t (*sum)(uint32_t, const void *, size_t))
{
    int times = bench_n(SUM_BYTES / PIECE);
    uint32_t c = 0;
    double start = bench_now();
    for (int i = 0; i < times; i++)
        c = sum(c, bytes, PIECE);
    double seconds = bench_now() - start;
    uint32_t whole = 0;
    for (int i = 0; i < times * (PIECE / 4096); i++)               /* in other pieces */
        whole = sk_crc32c(whole, bytes + i % (PIECE / 4096) * 4096, 4096);
    bench_expect("checksum", c, whole);
    return (double)times * PIECE * 1e-9 / seconds;
}

static double crc32c(void)        { return sum_up(sk_crc32c); }
static double crc32c_tables(void) { return sum_up(sk_crc32c_tables); }

/* ---- Frames ---- */

/* Gives the reader n bytes in pieces, and returns how many frames have come out. */
static int read_all(sk_frame_reader *r, const unsigned char *from, size_t n, size_t piece)
{
    int frames = 0;
    for (size_t at = 0;;) {
        sk_frame_head head;
        switch (sk_frame_next(r, &head)) {
        case SK_FRAME_WHOLE: frames++; break;
        case SK_FRAME_WHERE: sk_frame_into(r, object + head.done, head.size - head.done); break;
        case SK_FRAME_BROKEN:
            fprintf(stderr, "%s\n", r->error.message);
            exit(1);
        case SK_FRAME_MORE:
            if (at == n)
                return frames;
            size_t room, some = n - at < piece ? n - at : piece;
            void *to = sk_frame_room(r, &room);
            some = room < some ? room : some;
            memcpy(to, from + at, some);
            at += some;
            sk_frame_arrived(r, some);
        }
    }
}

static double frames_small(void)
{
    enum { FRAME = SK_FRAME_HEADER + SMALL_PAYLOAD, BATCH = SK_FRAME_BULK / FRAME };
    int n = bench_n(SMALL_FRAMES), got = 0;
    sk_frame_writer w = { .rules = &control };
    sk_frame_reader r;
    sk_frame_reader_init(&r, &control);
    double start = bench_now();
    for (int i = 0; i < n;) {
        size_t size = 0;
        for (int k = 0; k < BATCH && i < n; k++, i++) {
            sk_frame_head head = { .type = NOTE, .request = (uint64_t)i };
            struct iovec payload = { bytes + size + SK_FRAME_HEADER, SMALL_PAYLOAD };
            size += sk_frame_seal(&w, bytes + size, &head, &payload, 1);
        }
        got += read_all(&r, bytes, size, SK_FRAME_BUFFER);
    }
    double seconds = bench_now() - start;
    bench_expect("frames", got, n);
    sk_frame_reader_clear(&r);
    return n / seconds;
}

static double frames_bulk(void)
{
    int n = bench_n(CHUNKS), got = 0;
    uint8_t header[SK_FRAME_HEADER];
    sk_frame_writer w = { .rules = &bulk };
    sk_frame_reader r;
    sk_frame_reader_init(&r, &bulk);
    double start = bench_now();
    for (int i = 0; i < n; i++) {
        struct iovec payload = { bytes, SK_FRAME_BULK };
        sk_frame_seal(&w, header, &(sk_frame_head){ .type = CHUNK }, &payload, 1);
        got += read_all(&r, header, sizeof header, PIECE);
        got += read_all(&r, bytes, SK_FRAME_BULK, PIECE);
    }
    double seconds = bench_now() - start;
    bench_expect("frames", got, n);
    bench_expect("the chunk", memcmp(object, bytes, SK_FRAME_BULK), 0);
    sk_frame_reader_clear(&r);
    return (double)n * SK_FRAME_BULK * 1e-9 / seconds;
}

static const bench_row rows[] = {
    BENCH_ROW(crc32c, "GB/s"),
    BENCH_ROW(crc32c_tables, "GB/s"),
    BENCH_ROW(frames_small, "frames/s"),
    BENCH_ROW(frames_bulk, "GB/s"),
};

int main(int argc, char **argv)
{
    (void)argc;
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    bytes = malloc(SK_FRAME_BULK);
    object = malloc(SK_FRAME_BULK);
    if (!bytes || !object) {
        perror("8 MB");
        return 1;
    }
    for (size_t i = 0; i < SK_FRAME_BULK; i++)
        bytes[i] = (unsigned char)(sk_mix(i) >> 56);
    bench_main("skate", "", BENCH_ROWS(rows), argv);
    free(bytes);
    free(object);
    return 0;
}
