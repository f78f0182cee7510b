/* node_fuzz.c -- any bytes as a message between head and nodes, and as a table of functions in pieces.
 * covers: backends/node_wire.c backends/node_table.c
 *
 * What is taken for a message is exactly one: written again it is the same bytes. All texts in it end within it. What is no message is said to be
 * none, with a reason.
 *
 * Input:  type u8; below 0x80: the payload of message SK_TRANSPORT_TYPE + type. Else pieces of a table: its whole size u16, then for each its size u8
 *         and its bytes; each is said to be of the whole size, plus the highest bit of its own size. */
#include "backends/node_table.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(what) do { if (!(what)) { fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what); abort(); } } while (0)

static bool lies_in(const char *text, const uint8_t *bytes, size_t size)
{
    return !*text || ((const uint8_t *)text >= bytes && (const uint8_t *)text + strlen(text) < bytes + size);
}

static void one_message(unsigned type, const uint8_t *bytes, size_t size)
{
    static uint8_t again[4 * SK_NODE_TEXT];
    sk_node_msg m;
    sk_error err = { 0 };
    if (!sk_node_decode(&m, type, bytes, size, &err)) {
        HOLDS(err.code == SK_PROTOCOL && *err.message);
        return;
    }
    HOLDS(sk_node_name(type) && m.type == type);
    HOLDS(lies_in(m.text, bytes, size) && lies_in(m.other, bytes, size));
    HOLDS(!m.nbytes || (m.bytes >= bytes && m.bytes + m.nbytes == bytes + size));
    size_t n = sk_node_encode(&m, again, sizeof again);
    HOLDS(n + m.nbytes == size && !memcmp(again, bytes, n));
}

static void pieces(const uint8_t *bytes, size_t size)
{
    sk_node_table table = { 0 };
    char why[300];
    if (size < 2)
        return;
    size_t whole = (size_t)bytes[0] << 8 | bytes[1], fed = 0;
    for (size_t at = 2; at < size;) {
        unsigned n = bytes[at] & 127, lie = bytes[at] >> 7;
        n = n < size - at - 1 ? n : (unsigned)(size - at - 1);
        memset(why, 0, sizeof why);
        bool is_over = sk_node_table_take(&table, &(sk_node_msg){ .size = whole + lie, .bytes = bytes + at + 1, .nbytes = n }, "it", why, sizeof why);
        fed += n;
        HOLDS(is_over == (*why != '\0'));
        if (is_over)
            break;
        HOLDS(table.size == fed && fed < table.whole);
        at += 1 + n;
    }
    sk_node_table_clear(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (data[0] < 0x80)
        one_message(SK_TRANSPORT_TYPE + data[0], data + 1, size - 1);
    else
        pieces(data + 1, size - 1);
    return 0;
}
