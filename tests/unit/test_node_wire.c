/* test_node_wire.c -- what head and nodes say to each other, as bytes and back; what is cut off, too long or of no kind is refused. */
#include "backends/node_wire.h"

#include <check.h>
#include <stdio.h>

Suite *node_wire_suite(void);

enum { FIRST = SK_TRANSPORT_TYPE, ROOM = SK_NODE_PAYLOAD + 8 };

static unsigned count(void)
{
    unsigned n;
    sk_node_kinds(&n);
    return n;
}

/* Every field has a value of its own, whether the message has it or not. */
static sk_node_msg full_of(unsigned type)
{
    sk_node_msg m = { .type = type, .slot = 0xf1000001, .life = 2, .n = 3, .m = UINT32_MAX, .k = 5, .place = 0x0102030405060708, .size = UINT64_MAX,
                      .req = 9, .w = 10, .v = 11, .u = 12, .x = 13, .text = "a text", .other = "",
                      .bytes = (const uint8_t *)"bytes\0and more", .nbytes = 14 };
    for (unsigned i = 0; i < sizeof m.header; i++)
        m.header[i] = (uint8_t)(i + 100);
    for (unsigned i = 0; i < sizeof m.id; i++)
        m.id.bytes[i] = (unsigned char)(i + 200);
    return m;
}

static size_t put(const sk_node_msg *m, uint8_t *payload, const char *fields)
{
    size_t size = sk_node_encode(m, payload, ROOM);
    if (!strchr(fields, 'b'))
        return size;
    memcpy(payload + size, m->bytes, m->nbytes);
    return size + m->nbytes;
}

static const char *const fields[] = {
#define FIELDS(name, number, letters, words) [number] = letters,
    SK_NODE_MESSAGES(FIELDS)
};

static void check_same(const sk_node_msg *a, const sk_node_msg *b, const char *letters)
{
#define SAME(letter, member) if (strchr(letters, letter)) ck_assert(a->member == b->member); else ck_assert(b->member == 0)
    SAME('s', slot); SAME('l', life); SAME('n', n); SAME('m', m); SAME('k', k); SAME('p', place); SAME('z', size); SAME('r', req);
    SAME('w', w); SAME('v', v); SAME('u', u); SAME('x', x);
    ck_assert_str_eq(b->text, strchr(letters, 't') ? a->text : "");
    ck_assert_str_eq(b->other, strchr(letters, 'o') ? a->other : "");
    if (strchr(letters, 'h'))
        ck_assert_mem_eq(a->header, b->header, sizeof a->header);
    if (strchr(letters, 'i'))
        ck_assert_mem_eq(&a->id, &b->id, sizeof a->id);
    if (strchr(letters, 'b')) {
        ck_assert_uint_eq(a->nbytes, b->nbytes);
        ck_assert_mem_eq(a->bytes, b->bytes, a->nbytes);
    }
}

START_TEST(every_message_comes_back_as_it_was)
{
    uint8_t payload[ROOM];
    sk_error err;
    for (unsigned i = 0; i < count(); i++) {
        sk_node_msg m = full_of(FIRST + i), got;
        size_t size = put(&m, payload, fields[i]);
        ck_assert_uint_le(size, sk_node_kinds(&(unsigned){ 0 })[i].most);
        ck_assert_msg(sk_node_decode(&got, FIRST + i, payload, size, &err), "%s", err.message);
        ck_assert_uint_eq(got.type, FIRST + i);
        check_same(&m, &got, fields[i]);
    }
    ck_assert_uint_ge(count(), 26);
}
END_TEST

START_TEST(numbers_are_big_endian_in_the_order_of_the_letters)
{
    uint8_t payload[ROOM], want[] = { 1, 2, 3, 4, 0, 0, 0, 5, 0, 0, 0, 3, 'x', 'y', 0 };
    size_t size = sk_node_encode(&(sk_node_msg){ .type = SK_NODE_FAILED, .slot = 0x01020304, .life = 5, .text = "xy" }, payload, sizeof payload);
    ck_assert_uint_eq(size, sizeof want);
    ck_assert_mem_eq(payload, want, sizeof want);
}
END_TEST

/* The same, but where the bytes end nothing may be read: a copy of its own size, for AddressSanitizer. */
static bool decodes(unsigned type, const uint8_t *payload, size_t size, sk_error *err)
{
    uint8_t *exact = malloc(size + !size);
    sk_node_msg got;
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, payload, size);
    bool ok = sk_node_decode(&got, type, exact, size, err);
    free(exact);
    return ok;
}

START_TEST(a_message_that_is_cut_off_anywhere_is_refused_unless_bytes_end_it)
{
    uint8_t payload[ROOM];
    unsigned cuts = 0;
    for (unsigned i = 0; i < count(); i++) {
        sk_node_msg m = full_of(FIRST + i);
        size_t size = put(&m, payload, fields[i]), whole = strchr(fields[i], 'b') ? size - m.nbytes : size;
        for (size_t cut = 0; cut < whole; cut++, cuts++) {
            sk_error err = { 0 };
            ck_assert_msg(!decodes(FIRST + i, payload, cut, &err), "%s at %zu of %zu", sk_node_name(FIRST + i), cut, whole);
            ck_assert_int_eq(err.code, SK_PROTOCOL);
            ck_assert_ptr_nonnull(strstr(err.message, sk_node_name(FIRST + i)));
        }
        for (size_t cut = whole; cut <= size; cut++)
            ck_assert(decodes(FIRST + i, payload, cut, NULL));
    }
    ck_assert_uint_gt(cuts, 500);
}
END_TEST

START_TEST(a_byte_too_many_is_refused_unless_bytes_end_it)
{
    uint8_t payload[ROOM];
    for (unsigned i = 0; i < count(); i++) {
        sk_node_msg m = full_of(FIRST + i);
        size_t size = put(&m, payload, fields[i]);
        payload[size] = 0;
        ck_assert_int_eq(decodes(FIRST + i, payload, size + 1, NULL), strchr(fields[i], 'b') != NULL);
    }
}
END_TEST

START_TEST(a_text_that_is_none_is_refused)
{
    static const struct { const char *what; uint8_t bytes[12]; size_t size; } wrong[] = {
        { "no NUL", { 0, 0, 0, 2, 'a', 'b' }, 6 },
        { "a NUL inside", { 0, 0, 0, 3, 'a', 0, 0 }, 7 },
        { "no bytes at all, not the NUL either", { 0, 0, 0, 0 }, 4 },
        { "more than there are", { 0, 0, 0, 9, 'a', 0 }, 6 },
        { "as many as can be", { 255, 255, 255, 255, 'a', 0 }, 6 },
    };
    sk_error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(!decodes(SK_NODE_LEAVE, wrong[i].bytes, wrong[i].size, &err), "%s", wrong[i].what);
    ck_assert(decodes(SK_NODE_LEAVE, (const uint8_t[]){ 0, 0, 0, 2, 'a', 0 }, 6, &err));
}
END_TEST

START_TEST(a_long_text_is_cut_when_it_is_sent_and_refused_when_it_comes)
{
    static char text[SK_NODE_TEXT + 100];
    static uint8_t payload[3 * SK_NODE_TEXT];
    sk_node_msg got;
    sk_error err;
    memset(text, 'x', sizeof text - 1);
    size_t size = sk_node_encode(&(sk_node_msg){ .type = SK_NODE_LEAVE, .text = text }, payload, sizeof payload);
    ck_assert_uint_eq(size, 4 + SK_NODE_TEXT + 1);
    ck_assert(sk_node_decode(&got, SK_NODE_LEAVE, payload, size, &err));
    ck_assert_uint_eq(strlen(got.text), SK_NODE_TEXT);
    payload[3]++;                          /* one more, and it is there */
    payload[size - 1] = 'x';
    payload[size] = 0;
    ck_assert(!sk_node_decode(&got, SK_NODE_LEAVE, payload, size + 1, &err));
}
END_TEST

START_TEST(a_type_that_there_is_not_is_refused_and_has_no_name)
{
    sk_error err;
    unsigned none[] = { 0, FIRST - 1, FIRST + count(), 0xffff };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        ck_assert(!decodes(none[i], (const uint8_t *)"", 0, &err));
        ck_assert_int_eq(err.code, SK_PROTOCOL);
        ck_assert_ptr_null(sk_node_name(none[i]));
    }
    for (unsigned i = 0; i < count(); i++)
        ck_assert_str_eq(sk_node_name(FIRST + i), sk_node_kinds(&(unsigned){ 0 })[i].name);
}
END_TEST

/* JOIN as it was in version 2: without the mark. Whoever sends it is to be told why it is not let in, so its version must be found. */
START_TEST(the_version_of_a_join_is_found_though_the_rest_of_it_is_of_another)
{
    static const uint8_t old[] = { 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 5, 'l', 'a', 'b', '7', 0,
                                   0, 0, 0, 1, 0, '1', '2', '7', '.', '0', '.', '0', '.', '1', ':', '7' };
    sk_node_msg got;
    sk_error err = { 0 };
    ck_assert(!sk_node_decode(&got, SK_NODE_JOIN, old, sizeof old, &err));
    ck_assert(sk_node_is_of_other_version(&got));
    ck_assert_uint_eq(got.n, 2);
    ck_assert(!sk_node_decode(&got, SK_NODE_JOIN, old, 3, &err) && !sk_node_is_of_other_version(&got));
    ck_assert(!sk_node_decode(&got, SK_NODE_JOIN, (const uint8_t[]){ 0, 0, 0, SK_NODE_VERSION }, 4, &err) && !sk_node_is_of_other_version(&got));
    ck_assert(!sk_node_decode(&got, SK_NODE_FAILED, old, sizeof old, &err) && !sk_node_is_of_other_version(&got));
}
END_TEST

/* Else the fuzzers begin with what is refused at once. */
START_TEST(each_message_is_in_the_corpus_of_the_fuzzers_as_it_is_now)
{
    static uint8_t bytes[1 + SK_NODE_PAYLOAD];
    for (unsigned i = 0; i < count(); i++) {
        char path[100];
        sk_error err = { 0 };
        snprintf(path, sizeof path, "tests/fuzz/corpus/node/%s", sk_node_name(FIRST + i));
        FILE *f = fopen(path, "rb");
        ck_assert_msg(f, "there is no %s", path);
        size_t size = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        ck_assert_msg(size > 0 && bytes[0] == i, "%s is of another message", path);
        ck_assert_msg(decodes(FIRST + i, bytes + 1, size - 1, &err), "%s: %s", path, err.message);
    }
}
END_TEST

Suite *node_wire_suite(void)
{
    Suite *suite = suite_create("node_wire");
    TCase *all = tcase_create("messages");
    tcase_add_test(all, every_message_comes_back_as_it_was);
    tcase_add_test(all, numbers_are_big_endian_in_the_order_of_the_letters);
    tcase_add_test(all, a_message_that_is_cut_off_anywhere_is_refused_unless_bytes_end_it);
    tcase_add_test(all, a_byte_too_many_is_refused_unless_bytes_end_it);
    tcase_add_test(all, a_text_that_is_none_is_refused);
    tcase_add_test(all, a_long_text_is_cut_when_it_is_sent_and_refused_when_it_comes);
    tcase_add_test(all, a_type_that_there_is_not_is_refused_and_has_no_name);
    tcase_add_test(all, the_version_of_a_join_is_found_though_the_rest_of_it_is_of_another);
    tcase_add_test(all, each_message_is_in_the_corpus_of_the_fuzzers_as_it_is_now);
    suite_add_tcase(suite, all);
    return suite;
}
