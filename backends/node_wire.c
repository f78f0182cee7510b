/* node_wire.c -- messages between head and nodes as bytes, and back: both walk the letters of the table. See node_wire.h. */
#include "node_wire.h"

#include <string.h>

static const struct kind { const char *name, *fields; } kinds[] = {
#define SK_NODE_KIND(name, number, fields, words) [number] = { #name, fields },
    SK_NODE_MESSAGES(SK_NODE_KIND)
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Longer ones than any that is sent, so that a reader takes no more. */
static uint32_t most_of(const char *fields)
{
    uint32_t most = 0;
    for (const char *f = fields; *f; f++)
        most += strchr("slnmk", *f) ? 4 : strchr("pzrwvuxy", *f) ? 8 : strchr("to", *f) ? 4 + SK_NODE_TEXT + 1 : *f == 'h' ? SK_NODE_BLOB
                : *f == 'i' ? (uint32_t)sizeof(sk_id) : SK_NODE_PIECE;
    return most;
}

const sk_frame_kind *sk_node_kinds(unsigned *n)
{
    static sk_frame_kind table[KINDS];
    for (unsigned i = 0; i < KINDS; i++)
        table[i] = (sk_frame_kind){ kinds[i].name, most_of(kinds[i].fields), false };
    *n = KINDS;
    return table;
}

const char *sk_node_name(unsigned type)
{
    return type >= SK_TRANSPORT_TYPE && type - SK_TRANSPORT_TYPE < KINDS ? kinds[type - SK_TRANSPORT_TYPE].name : NULL;
}

static uint32_t *number_of(sk_node_msg *m, char field)
{
    switch (field) {
    case 's': return &m->slot;
    case 'l': return &m->life;
    case 'n': return &m->n;
    case 'm': return &m->m;
    case 'k': return &m->k;
    }
    return NULL;
}

static uint64_t *word_of(sk_node_msg *m, char field)
{
    switch (field) {
    case 'p': return &m->place;
    case 'z': return &m->size;
    case 'r': return &m->req;
    case 'w': return &m->w;
    case 'v': return &m->v;
    case 'u': return &m->u;
    case 'x': return &m->x;
    case 'y': return &m->y;
    }
    return NULL;
}

/* ---- out ---- */

static uint8_t *put(uint8_t *to, uint64_t x, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(x >> 8 * (bytes - 1 - i));
    return to + bytes;
}

size_t sk_node_encode(const sk_node_msg *message, uint8_t *payload, size_t room)
{
    sk_node_msg *m = (sk_node_msg *)message;               /* number_of and word_of are used for both ways */
    uint8_t *to = payload;
    for (const char *f = kinds[m->type - SK_TRANSPORT_TYPE].fields; *f && *f != 'b'; f++) {
        if (number_of(m, *f)) {
            to = put(to, *number_of(m, *f), 4);
        } else if (word_of(m, *f)) {
            to = put(to, *word_of(m, *f), 8);
        } else if (*f == 'h') {
            to = (uint8_t *)memcpy(to, m->header, sizeof m->header) + sizeof m->header;
        } else if (*f == 'i') {
            to = (uint8_t *)memcpy(to, &m->id, sizeof m->id) + sizeof m->id;
        } else {
            const char *text = *f == 't' ? m->text : m->other;
            size_t length = text ? strnlen(text, SK_NODE_TEXT) : 0;
            to = put(to, length + 1, 4);
            if (length)
                memcpy(to, text, length);
            to[length] = '\0';
            to += length + 1;
        }
    }
    size_t size = (size_t)(to - payload);
    if (size > room)
        abort();
    return size;
}

sk_transport_sent sk_node_send(sk_transport *t, sk_peer peer, const sk_node_msg *m)
{
    uint8_t payload[3 * SK_NODE_TEXT];
    struct iovec pieces[2] = { { payload, sk_node_encode(m, payload, sizeof payload) }, { (void *)m->bytes, m->nbytes } };
    return sk_transport_send(t, peer, (uint16_t)m->type, m->req, pieces, m->nbytes ? 2 : 1);
}

/* ---- in ---- */

static uint64_t get(const uint8_t *from, unsigned bytes)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < bytes; i++)
        x = x << 8 | from[i];
    return x;
}

static bool take(const uint8_t **at, const uint8_t *end, size_t size, const uint8_t **bytes)
{
    *bytes = *at;
    if ((size_t)(end - *at) < size)
        return false;
    *at += size;
    return true;
}

static bool take_text(const uint8_t **at, const uint8_t *end, const char **text)
{
    const uint8_t *bytes;
    if (!take(at, end, 4, &bytes))
        return false;
    uint64_t size = get(bytes, 4);
    if (size < 1 || size > SK_NODE_TEXT + 1 || !take(at, end, size, &bytes) || memchr(bytes, '\0', size) != bytes + size - 1)
        return false;
    *text = (const char *)bytes;
    return true;
}

static bool take_field(sk_node_msg *m, char field, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *bytes;
    if (number_of(m, field)) {
        if (!take(at, end, 4, &bytes))
            return false;
        *number_of(m, field) = (uint32_t)get(bytes, 4);
    } else if (word_of(m, field)) {
        if (!take(at, end, 8, &bytes))
            return false;
        *word_of(m, field) = get(bytes, 8);
    } else if (field == 'h' || field == 'i') {
        size_t size = field == 'h' ? sizeof m->header : sizeof m->id;
        if (!take(at, end, size, &bytes))
            return false;
        memcpy(field == 'h' ? (void *)m->header : (void *)&m->id, bytes, size);
    } else if (field == 'b') {
        m->bytes = *at;
        m->nbytes = (size_t)(end - *at);
        *at = end;
    } else {
        return take_text(at, end, field == 't' ? &m->text : &m->other);
    }
    return true;
}

bool sk_node_decode(sk_node_msg *m, unsigned type, const uint8_t *payload, size_t size, sk_error *err)
{
    *m = (sk_node_msg){ .type = type, .text = "", .other = "" };
    const char *name = sk_node_name(type);
    if (!name)
        return sk_error_set(err, SK_PROTOCOL, "a message of type %u, which there is not", type);
    const uint8_t *at = payload, *end = payload + size;
    for (const char *f = kinds[type - SK_TRANSPORT_TYPE].fields; *f; f++)
        if (!take_field(m, *f, &at, end))
            return sk_error_set(err, SK_PROTOCOL, "%s of %zu bytes: its field '%c' at byte %zu is cut off, or no text", name, size, *f,
                                (size_t)(at - payload));
    return at == end || sk_error_set(err, SK_PROTOCOL, "%s has %zu bytes too many", name, (size_t)(end - at));
}

bool sk_node_is_of_other_version(const sk_node_msg *m) { return m->type == SK_NODE_JOIN && m->n && m->n != SK_NODE_VERSION; }
