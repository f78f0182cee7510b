/* test_crc32c.c -- known checksums, and the instruction against the tables. */
#include "backends/crc32c.h"

#include <check.h>

Suite *crc32c_suite(void);

typedef uint32_t way(uint32_t before, const void *data, size_t n);
static way *const ways[] = { sk_crc32c, sk_crc32c_hardware, sk_crc32c_tables };
enum { WAYS = 3, MOST = 3 * 4096 * 2 + 3 * 256 * 2 + 64 };         /* twice through each loop of the three streams */

static unsigned char byte_at(uint64_t i) { return (unsigned char)(sk_mix(i) >> 56); }

/* One bit at a time: the definition. */
static uint32_t by_definition(uint32_t before, const unsigned char *data, size_t n)
{
    uint32_t c = ~before;
    for (size_t i = 0; i < n; i++) {
        c ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0x82f63b78u : 0);
    }
    return ~c;
}

/* RFC 3720, appendix B.4, and the check value of the catalogues. */
START_TEST(the_published_checksums_come_out)
{
    static const unsigned char read_pdu[48] = { 0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02 };
    unsigned char zeros[32] = { 0 }, ones[32], up[32], down[32];
    memset(ones, 0xff, 32);
    for (unsigned i = 0; i < 32; i++) {
        up[i] = (unsigned char)i;
        down[i] = (unsigned char)(31 - i);
    }
    way *w = ways[_i];
    ck_assert_uint_eq(w(0, "123456789", 9), 0xe3069283);
    ck_assert_uint_eq(w(0, zeros, 32), 0x8a9136aa);
    ck_assert_uint_eq(w(0, ones, 32), 0x62a8ab43);
    ck_assert_uint_eq(w(0, up, 32), 0x46dd794e);
    ck_assert_uint_eq(w(0, down, 32), 0x113fdb5c);
    ck_assert_uint_eq(w(0, read_pdu, 48), 0xd9963a56);
    ck_assert_uint_eq(w(0, NULL, 0), 0);
    ck_assert_uint_eq(w(0xe3069283, NULL, 0), 0xe3069283);
}
END_TEST

START_TEST(every_length_and_alignment_gives_what_the_definition_gives)
{
    static unsigned char data[MOST + 8];
    way *w = ways[_i];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = byte_at(i);
    for (size_t n = 0; n <= 100; n++)
        for (size_t from = 0; from < 8; from++)
            ck_assert_uint_eq(w((uint32_t)n, data + from, n), by_definition((uint32_t)n, data + from, n));
    static const size_t edges[] = { 3 * 256, 6 * 256, 3 * 4096, 3 * 4096 + 3 * 256, MOST - 20 };
    for (size_t e = 0; e < sizeof edges / sizeof *edges; e++)
        for (size_t n = edges[e] - 10; n <= edges[e] + 10; n++)
            ck_assert_uint_eq(w(~(uint32_t)n, data + n % 8, n), by_definition(~(uint32_t)n, data + n % 8, n));
}
END_TEST

START_TEST(the_checksum_of_parts_is_that_of_the_whole)
{
    static unsigned char data[MOST];
    way *w = ways[_i];
    for (size_t i = 0; i < MOST; i++)
        data[i] = byte_at(7 * i);
    uint32_t whole = w(0, data, MOST), c = 0;
    ck_assert_uint_eq(whole, by_definition(0, data, MOST));
    for (size_t cut = 0; cut <= MOST; cut += 97)
        ck_assert_uint_eq(w(w(0, data, cut), data + cut, MOST - cut), whole);
    for (size_t i = 0; i < MOST; i++)
        c = w(c, data + i, 1);
    ck_assert_uint_eq(c, whole);
}
END_TEST

/* Each stream of the three at work must see its own bytes: any bit of any of them changes the sum. */
START_TEST(a_changed_bit_anywhere_changes_the_checksum)
{
    static unsigned char data[MOST];
    way *w = ways[_i];
    for (size_t i = 0; i < MOST; i++)
        data[i] = byte_at(3 * i);
    uint32_t right = w(0, data, MOST);
    for (size_t i = 0; i < MOST; i += 13) {
        unsigned char bit = (unsigned char)(1u << (i & 7));
        data[i] ^= bit;
        ck_assert_uint_ne(w(0, data, MOST), right);
        data[i] ^= bit;
    }
}
END_TEST

Suite *crc32c_suite(void)
{
    Suite *suite = suite_create("crc32c");
    TCase *c = tcase_create("crc32c");
    tcase_add_loop_test(c, the_published_checksums_come_out, 0, WAYS);
    tcase_add_loop_test(c, every_length_and_alignment_gives_what_the_definition_gives, 0, WAYS);
    tcase_add_loop_test(c, the_checksum_of_parts_is_that_of_the_whole, 0, WAYS);
    tcase_add_loop_test(c, a_changed_bit_anywhere_changes_the_checksum, 0, WAYS);
    suite_add_tcase(suite, c);
    return suite;
}
