/* wire.c -- see wire.h: messages into bytes, and the connection. The way back is in wire_read.c. */
#include "wire.h"

#include <errno.h>
#include <sys/socket.h>

static const struct { const char *name, *fields; } messages[256] = {
#define ENTRY(name, number, fields, words) [number] = { #name, fields },
    SK_WIRE_MESSAGES(ENTRY)
#undef ENTRY
};

const char *sk_wire_name(unsigned type)   { return type < 256 ? messages[type].name : NULL; }
const char *sk_wire_fields(unsigned type) { return messages[type].fields; }

/* ---- encoding ---- */

static void add_bytes(sk_wire *w, const void *data, size_t size)
{
    if (w->nout + size > w->out_room) {
        while (w->nout + size > w->out_room)
            w->out_room = w->out_room ? 2 * w->out_room : SK_WIRE_BATCH;
        w->out = g_realloc(w->out, w->out_room);
    }
    if (size)
        memcpy(w->out + w->nout, data, size);
    w->nout += size;
}

static void add_number(sk_wire *w, uint64_t x, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(x >> 8 * i);
    add_bytes(w, bytes, size);
}

static void add_double(sk_wire *w, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    add_number(w, bits, 8);
}

static bool add_text(sk_wire *w, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    add_number(w, size, 4);
    add_bytes(w, text, size);
    return size <= SK_WIRE_MAX_NAME
           || sk_error_set(&w->error, SK_LIMIT, "a text of %zu characters is too long to be sent; %d is the limit", size - 1,
                           SK_WIRE_MAX_NAME - 1);
}

static bool add_refs(sk_wire *w, const sk_ref *refs, size_t n, bool inside_value)
{
    if (n > SK_WIRE_MAX_REFS)
        return sk_error_set(&w->error, SK_LIMIT, "%zu refs are too many to be sent at once; %d is the limit", n, SK_WIRE_MAX_REFS);
    add_number(w, n, 4);
    for (size_t i = 0; i < n; i++)
        add_number(w, inside_value && w->ref_out ? w->ref_out(w->data, refs[i], true) : refs[i].id, 8);
    return true;
}

static bool add_value(sk_wire *w, const sk_value *v)
{
    sk_blob *blob = v->blob;
    uint64_t at;
    if (w->place && sk_type_has_blob(v->type) && v->type != SK_T_LIST && w->place(w->data, blob, &at)) {
        add_number(w, v->type | SK_WIRE_AT_PLACE, 1);
        add_number(w, at, 8);
        if (w->headers_out)
            add_bytes(w, blob, sizeof *blob);
        return true;
    }
    add_number(w, v->type, 1);
    switch (v->type) {
    case SK_T_NONE:
        return true;
    case SK_T_BOOL:
        add_number(w, v->u64 != 0, 1);
        return true;
    case SK_T_I64: case SK_T_U64: case SK_T_F64:
        add_number(w, v->u64, 8);
        return true;
    case SK_T_REF:
        add_number(w, w->ref_out ? w->ref_out(w->data, v->ref, false) : v->ref.id, 8);
        return true;
    case SK_T_LIST:
        return add_refs(w, sk_blob_data(blob), blob->size / sizeof(sk_ref), true);
    case SK_T_ARRAY:
        add_number(w, blob->dtype, 1);
        add_number(w, blob->ndim, 1);
        for (int i = 0; i < blob->ndim; i++)
            add_number(w, (uint64_t)blob->shape[i], 8);
        break;
    case SK_T_STR: case SK_T_BUF:
        break;
    default:
        return sk_error_set(&w->error, SK_LIMIT, "a value of type %s cannot be sent", sk_type_name((sk_type)v->type));
    }
    if (blob->size > SK_WIRE_MAX_BLOB)
        return sk_error_set(&w->error, SK_STORE_FULL, "%zu bytes are too many to be sent; %zu is the limit", blob->size, SK_WIRE_MAX_BLOB);
    add_number(w, blob->size, 8);
    add_bytes(w, sk_blob_data(blob), blob->size);
    return true;
}

static bool add_options(sk_wire *w, const sk_options *o)
{
    add_number(w, o != NULL, 1);
    if (!o)
        return true;
    add_double(w, o->num_cpus);
    add_double(w, o->timeout_s);
    add_number(w, (uint32_t)o->node, 4);
    add_number(w, (uint32_t)o->max_retries, 4);
    add_number(w, (uint32_t)o->priority, 4);
    add_number(w, o->retry_errors, 1);
    return add_text(w, o->name) && add_text(w, o->resources);
}

static uint32_t site_number(sk_wire *w, const sk_site *site)
{
    return site ? GPOINTER_TO_UINT(g_hash_table_lookup(w->sites_out, site)) : 0;
}

/* Root first, so that the other end can build it up. */
static void add_failure(sk_wire *w, const sk_failure *failure)
{
    size_t n = 0;
    for (const sk_failure *f = failure; f; f = f->cause)
        n++;
    if (n > SK_WIRE_MAX_HOPS)
        n = SK_WIRE_MAX_HOPS;
    const sk_failure **hops = g_new(const sk_failure *, n + 1);
    const sk_failure *f = failure;
    for (size_t i = 0; i < n; i++, f = f->cause)
        hops[i] = f;
    add_number(w, n, 4);
    while (n-- > 0) {
        size_t length = strlen(hops[n]->text);
        if (length >= SK_WIRE_MAX_TEXT)
            length = SK_WIRE_MAX_TEXT - 1;
        add_number(w, hops[n]->code, 1);
        add_number(w, site_number(w, hops[n]->site), 4);
        add_number(w, length + 1, 4);
        add_bytes(w, hops[n]->text, length);
        add_bytes(w, "", 1);
    }
    g_free(hops);
}

static void add_counts(sk_wire *w, const sk_counts *c)
{
    const uint64_t words[] = { c->tasks_submitted, c->tasks_done, c->tasks_failed, c->tasks_cancelled, c->attempts, c->retries,
                               c->objects_made, c->objects_live, c->bytes_live, c->bytes_peak, c->bytes_spilled, c->steals, c->parks,
                               c->transfers, c->bytes_moved };
    const int numbers[] = { c->workers, c->threads, c->threads_peak, c->blocked_peak };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        add_number(w, words[i], 8);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        add_number(w, (uint32_t)numbers[i], 4);
}

static void add_items(sk_wire *w, const sk_msg *m, bool nodes)
{
    add_number(w, m->nitems, 1);
    for (size_t i = 0; i < m->nitems; i++)
        if (nodes) {
            add_number(w, (uint32_t)m->nodes[i].node, 4);
            add_number(w, (uint32_t)m->nodes[i].workers, 4);
            add_number(w, m->nodes[i].alive, 1);
        } else {
            char name[sizeof m->resources[i].name] = { 0 };     /* what lies behind the end is nobody's business there */
            g_strlcpy(name, m->resources[i].name, sizeof name);
            add_bytes(w, name, sizeof name);
            add_double(w, m->resources[i].total);
            add_double(w, m->resources[i].available);
        }
}

static bool add_field(sk_wire *w, const sk_msg *m, char field)
{
    bool ok = true;
    switch (field) {
    case 'n': add_number(w, m->number, 4); break;
    case 'm': add_number(w, m->more, 4); break;
    case 'i': add_number(w, m->id, 8); break;
    case 'w': add_number(w, m->word, 8); break;
    case 'g': add_number(w, m->block_at, 8); add_number(w, m->block_size, 8); break;
    case 'd': add_double(w, m->seconds); break;
    case 'b': add_number(w, m->flag, 1); break;
    case 'c': add_number(w, m->code, 1); break;
    case 's': add_number(w, site_number(w, m->site), 4); break;
    case 't': return add_text(w, m->text);
    case 'u': return add_text(w, m->other);
    case 'v': return add_value(w, &m->values[0]);
    case 'V':
        add_number(w, m->nvalues, 1);
        for (unsigned i = 0; i < m->nvalues && ok; i++)
            ok = add_value(w, &m->values[i]);
        break;
    case 'R': return add_refs(w, m->refs, m->nrefs, false);
    case 'o': return add_options(w, m->options);
    case 'f': add_failure(w, m->failure); break;
    case 'B':
        add_number(w, m->nbits, 4);
        add_bytes(w, m->bits, m->nbits);
        break;
    case 'C': add_counts(w, &m->counts); break;
    case 'A': case 'N': add_items(w, m, field == 'N'); break;
    default: abort();
    }
    return ok;
}

static void name_site(sk_wire *w, const sk_site *site)
{
    if (!site || g_hash_table_contains(w->sites_out, site))
        return;
    uint32_t number = g_hash_table_size(w->sites_out) + 1;
    sk_msg m = { .type = SK_WIRE_SITE, .number = (uint32_t)site->line, .text = site->file, .other = site->func };
    if (number <= SK_WIRE_MAX_SITES && sk_wire_add(w, &m))
        g_hash_table_insert(w->sites_out, (gpointer)site, GUINT_TO_POINTER(number));
}

bool sk_wire_add(sk_wire *w, const sk_msg *m)
{
    name_site(w, m->site);
    for (const sk_failure *f = m->failure; f; f = f->cause)
        name_site(w, f->site);
    size_t start = w->nout;
    add_number(w, 0, 4);
    add_number(w, m->type, 1);
    bool ok = true;
    for (const char *f = messages[m->type].fields; *f && ok; f++)
        ok = add_field(w, m, *f);
    size_t size = w->nout - start - SK_WIRE_HEADER;
    if (ok && size > SK_WIRE_MAX_FRAME)
        ok = sk_error_set(&w->error, SK_STORE_FULL, "%zu bytes are too many for one call; %zu is the limit", size, SK_WIRE_MAX_FRAME);
    if (!ok) {
        w->nout = start;
        return false;
    }
    for (size_t i = 0; i < 4; i++)
        w->out[start + i] = (uint8_t)(size >> 8 * i);
    return true;
}

/* ---- the connection ---- */

void sk_wire_init(sk_wire *w, int fd)
{
    *w = (sk_wire){ .fd = fd, .sites_out = g_hash_table_new(g_direct_hash, g_direct_equal), .sites_in = g_ptr_array_new() };
}

void sk_wire_clear(sk_wire *w)
{
    g_free(w->out);
    g_free(w->in);
    g_hash_table_destroy(w->sites_out);
    g_ptr_array_free(w->sites_in, TRUE);
}

enum { KEEP_ROOM = 4 << 20 };         /* buffers that one large value has made larger are given back */

bool sk_wire_flush(sk_wire *w)
{
    if (w->write && !w->write(w->channel, w->out, w->nout))
        return sk_error_set(&w->error, SK_HEAD_LOST, "the connection is lost");
    for (size_t at = 0; at < w->nout && !w->write; ) {
        ssize_t n = send(w->fd, w->out + at, w->nout - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return sk_error_set(&w->error, SK_HEAD_LOST, "the connection is lost: %s", strerror(errno));
        at += n > 0 ? (size_t)n : 0;
    }
    w->nout = 0;
    if (w->out_room > KEEP_ROOM) {
        g_clear_pointer(&w->out, g_free);
        w->out_room = 0;
    }
    return true;
}

/* Reads until `size` bytes are there. Room grows with what has come, not with what was announced. */
static bool fill(sk_wire *w, size_t size)
{
    while (w->in_end - w->in_at < size) {
        if (w->in_at == w->in_end) {
            w->in_at = w->in_end = 0;
            if (w->in_room > KEEP_ROOM) {
                g_clear_pointer(&w->in, g_free);
                w->in_room = 0;
            }
        }
        if (w->in_end == w->in_room && w->in_at > 0) {
            memmove(w->in, w->in + w->in_at, w->in_end - w->in_at);
            w->in_end -= w->in_at;
            w->in_at = 0;
        }
        if (w->in_end == w->in_room) {
            w->in_room = w->in_room ? 2 * w->in_room : SK_WIRE_BATCH;
            w->in = g_realloc(w->in, w->in_room);
        }
        ssize_t n = w->read ? (ssize_t)w->read(w->channel, w->in + w->in_end, w->in_room - w->in_end)
                            : recv(w->fd, w->in + w->in_end, w->in_room - w->in_end, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return sk_error_set(&w->error, SK_HEAD_LOST, "the connection is lost: %s", n < 0 ? strerror(errno) : "the other end has closed it");
        w->in_end += (size_t)n;
    }
    return true;
}

bool sk_wire_receive(sk_wire *w, sk_msg *m)
{
    m->nvalues = 0;
    m->refs = NULL;
    m->failure = NULL;
    do {
        if (!fill(w, SK_WIRE_HEADER))
            return false;
        const uint8_t *head = w->in + w->in_at;
        size_t length = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        if (length > SK_WIRE_MAX_FRAME || !sk_wire_name(head[4]))
            return sk_error_set(&w->error, SK_PROTOCOL, "what arrives is not Skate's protocol: a frame of type %u, %zu bytes", head[4], length);
        if (!fill(w, SK_WIRE_HEADER + length))
            return false;
        const uint8_t *frame = w->in + w->in_at;
        w->in_at += SK_WIRE_HEADER + length;
        if (!sk_wire_decode(w, frame, SK_WIRE_HEADER + length, m))
            return false;
    } while (m->type == SK_WIRE_SITE);
    return true;
}
