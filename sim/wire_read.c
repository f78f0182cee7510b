/* wire_read.c -- see wire.h: bytes into messages. Nothing here trusts what it reads.
 *
 * A reader that has found something wrong goes on reading zeros, so that only its end is checked. */
#include "wire.h"

#include "lane.h"

#include <pthread.h>

typedef struct reader { const uint8_t *at, *end; const char *wrong; } reader;

static const uint8_t *take_bytes(reader *r, size_t size)
{
    static const uint8_t zeros[64];
    if ((size_t)(r->end - r->at) < size) {
        r->wrong = r->wrong ? r->wrong : "ends too early";
        r->at = r->end;
        return size <= sizeof zeros ? zeros : NULL;       /* so that reading numbers needs no checks */
    }
    const uint8_t *at = r->at;
    r->at += size;
    return at;
}

static uint64_t take_number(reader *r, size_t size)
{
    const uint8_t *bytes = take_bytes(r, size);
    uint64_t x = 0;
    for (size_t i = 0; i < size; i++)
        x |= (uint64_t)bytes[i] << 8 * i;
    return x;
}

static double take_double(reader *r)
{
    uint64_t bits = take_number(r, 8);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A number that counts things of at least `each` bytes: 0 if they cannot be there. */
static size_t take_count(reader *r, size_t size, size_t most, size_t each)
{
    uint64_t n = take_number(r, size);
    if (!r->wrong && n > most)
        r->wrong = "has a length over the limit";
    else if (!r->wrong && n * each > (size_t)(r->end - r->at))
        r->wrong = "has a length beyond its end";
    return r->wrong ? 0 : n;
}

static unsigned take_enum(reader *r, unsigned end)
{
    unsigned x = (unsigned)take_number(r, 1);
    if (x >= end)
        r->wrong = "has a number that means nothing";
    return x < end ? x : 0;
}

static const char *take_text(reader *r, size_t most)
{
    size_t size = take_count(r, 4, most, 1);
    const char *text = size ? (const char *)take_bytes(r, size) : NULL;
    if (text && memchr(text, '\0', size) != text + size - 1) {
        r->wrong = "has a text without an end";
        return NULL;
    }
    return text;
}

static sk_ref *take_refs(reader *r, size_t *n)
{
    *n = take_count(r, 4, SK_WIRE_MAX_REFS, 8);
    sk_ref *refs = g_new(sk_ref, *n + 1);
    for (size_t i = 0; i < *n; i++)
        refs[i].id = take_number(r, 8);
    return refs;
}

static sk_value take_list(sk_wire *w, reader *r)
{
    size_t n;
    sk_ref *refs = take_refs(r, &n);
    sk_value v = { SK_T_NONE, { 0 } };
    if (!r->wrong)
        v = w->list_in ? w->list_in(w->data, refs, n) : sk_from_list((sk_list){ refs, n, NULL });
    g_free(refs);
    return v;
}

static sk_value take_blob(const sk_wire *w, reader *r, sk_type type)
{
    sk_blob head = { .dtype = 0, .shape = { 1, 1, 1, 1 } };
    if (type == SK_T_ARRAY) {
        head.dtype = (uint8_t)take_enum(r, SK_U8 + 1);
        head.ndim = (uint8_t)take_enum(r, SK_MAX_DIMS + 1);
        for (int i = 0; i < head.ndim; i++)
            head.shape[i] = (int64_t)take_number(r, 8);
    }
    size_t size = take_count(r, 8, SK_WIRE_MAX_BLOB, 1);
    if (r->wrong)
        return (sk_value){ SK_T_NONE, { 0 } };
    const uint8_t *data = take_bytes(r, size);
    sk_error *err = &sk_lane_get("a value that arrives", NULL)->boxing_error;
    sk_blob *blob = w->copies ? sk_blob_new_copy(type, size) : sk_blob_new(type, size, err);
    if (!blob && w->copies)
        sk_error_set(err, SK_STORE_FULL, "no memory for a copy of %zu bytes", size);
    if (!blob)
        return sk_value_bad(err->message);
    if (size)
        memcpy(sk_blob_data(blob), data, size);
    blob->dtype = head.dtype;
    blob->ndim = head.ndim;
    memcpy(blob->shape, head.shape, sizeof head.shape);
    blob->sealed = true;
    if (!sk_blob_is_sound(blob)) {
        r->wrong = "has a value that contradicts itself";
        sk_blob_unref(blob);
        return (sk_value){ SK_T_NONE, { 0 } };
    }
    return (sk_value){ type, { .blob = blob } };
}

/* A blob that lies in the store of both ends. */
static sk_value take_placed(sk_wire *w, reader *r, sk_type type)
{
    uint64_t at = take_number(r, 8);
    w->header = w->headers_in ? take_bytes(r, sizeof(sk_blob)) : NULL;
    bool may = w->blob_at && (type == SK_T_STR || type == SK_T_BUF || type == SK_T_ARRAY);
    sk_blob *blob = r->wrong || !may ? NULL : w->blob_at(w->data, type, at);
    if (!blob) {
        r->wrong = r->wrong ? r->wrong : "has a value at a place where there is none";
        return (sk_value){ SK_T_NONE, { 0 } };
    }
    return (sk_value){ type, { .blob = blob } };
}

static sk_value take_value(sk_wire *w, reader *r)
{
    unsigned type = (unsigned)take_number(r, 1);
    if (type & SK_WIRE_AT_PLACE)
        return take_placed(w, r, (sk_type)(type & ~(unsigned)SK_WIRE_AT_PLACE));
    if (type >= SK_T_BAD) {
        r->wrong = "has a number that means nothing";
        type = SK_T_NONE;
    }
    switch (type) {
    case SK_T_NONE: return (sk_value){ SK_T_NONE, { 0 } };
    case SK_T_BOOL: return sk_from_bool(take_enum(r, 2));
    case SK_T_I64: case SK_T_U64: case SK_T_F64: case SK_T_REF: return (sk_value){ type, { .u64 = take_number(r, 8) } };
    case SK_T_STR: case SK_T_BUF: case SK_T_ARRAY: return take_blob(w, r, (sk_type)type);
    case SK_T_LIST: return take_list(w, r);
    default:                                      /* narrow types do not travel */
        r->wrong = "has a value of no type";
        return (sk_value){ SK_T_NONE, { 0 } };
    }
}

static const sk_options *take_options(reader *r, sk_options *o)
{
    if (!take_enum(r, 2))
        return NULL;
    o->num_cpus = take_double(r);
    o->timeout_s = take_double(r);
    o->node = (int)take_number(r, 4);
    o->max_retries = (int)take_number(r, 4);
    o->priority = (int)take_number(r, 4);
    o->retry_errors = take_enum(r, 2);
    o->name = take_text(r, SK_WIRE_MAX_NAME);
    o->resources = take_text(r, SK_WIRE_MAX_NAME);
    return o;
}

static sk_site *take_site(sk_wire *w, reader *r)
{
    uint32_t number = (uint32_t)take_number(r, 4);
    if (number > w->sites_in->len) {
        r->wrong = "names a place in the source that was not sent";
        return NULL;
    }
    return number ? w->sites_in->pdata[number - 1] : NULL;
}

static sk_failure *take_failure(sk_wire *w, reader *r)
{
    sk_failure *failure = NULL;
    for (size_t n = take_count(r, 4, SK_WIRE_MAX_HOPS, 10); n > 0 && !r->wrong; n--) {
        unsigned code = take_enum(r, SK_CODES);
        sk_site *site = take_site(w, r);
        const char *text = take_text(r, SK_WIRE_MAX_TEXT);
        if (!r->wrong && !text)
            r->wrong = "has a failure without words";
        if (!r->wrong)
            failure = sk_failure_new((sk_code)code, site, failure, "%s", text);
    }
    return failure;
}

static void take_counts(reader *r, sk_counts *c)
{
    uint64_t *const words[] = { &c->tasks_submitted, &c->tasks_done, &c->tasks_failed, &c->tasks_cancelled, &c->attempts, &c->retries,
                                &c->objects_made, &c->objects_live, &c->bytes_live, &c->bytes_peak, &c->bytes_spilled, &c->steals, &c->parks,
                                &c->transfers, &c->bytes_moved };
    int *const numbers[] = { &c->workers, &c->threads, &c->threads_peak, &c->blocked_peak };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        *words[i] = take_number(r, 8);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i] = (int)take_number(r, 4);
}

static void take_items(reader *r, sk_msg *m, bool nodes)
{
    m->nitems = take_count(r, 1, SK_WIRE_MAX_ITEMS, nodes ? 9 : sizeof m->resources->name + 16);
    if (nodes)
        m->nodes = g_new0(sk_node_info, m->nitems + 1);
    else
        m->resources = g_new0(sk_resource, m->nitems + 1);
    for (size_t i = 0; i < m->nitems; i++)
        if (nodes) {
            m->nodes[i].node = (int)take_number(r, 4);
            m->nodes[i].workers = (int)take_number(r, 4);
            m->nodes[i].alive = take_enum(r, 2);
        } else {
            memcpy(m->resources[i].name, take_bytes(r, sizeof m->resources[i].name), sizeof m->resources[i].name);
            if (m->resources[i].name[sizeof m->resources[i].name - 1])
                r->wrong = "has a text without an end";
            m->resources[i].total = take_double(r);
            m->resources[i].available = take_double(r);
        }
}

static void take_field(sk_wire *w, reader *r, sk_msg *m, char field)
{
    switch (field) {
    case 'n': m->number = (uint32_t)take_number(r, 4); break;
    case 'm': m->more = (uint32_t)take_number(r, 4); break;
    case 'i': m->id = take_number(r, 8); break;
    case 'w': m->word = take_number(r, 8); break;
    case 'g': m->block_at = take_number(r, 8); m->block_size = take_number(r, 8); break;
    case 'd': m->seconds = take_double(r); break;
    case 'b': m->flag = (uint8_t)take_number(r, 1); break;
    case 'c': m->code = (sk_code)take_enum(r, SK_CODES); break;
    case 's': m->site = take_site(w, r); break;
    case 't': m->text = take_text(r, SK_WIRE_MAX_NAME); break;
    case 'u': m->other = take_text(r, SK_WIRE_MAX_NAME); break;
    case 'v':
        m->values[0] = take_value(w, r);
        m->nvalues = 1;
        break;
    case 'V':
        for (size_t n = take_count(r, 1, SK_MAX_ARGS, 1); m->nvalues < n && !r->wrong; m->nvalues++)
            m->values[m->nvalues] = take_value(w, r);
        break;
    case 'R': m->refs = take_refs(r, &m->nrefs); break;
    case 'o': m->options = take_options(r, &m->room_for_options); break;
    case 'f': m->failure = take_failure(w, r); break;
    case 'B':
        m->nbits = take_count(r, 4, SK_WIRE_MAX_REFS, 1);
        m->bits = take_bytes(r, m->nbits);
        break;
    case 'C': take_counts(r, &m->counts); break;
    case 'A': case 'N': take_items(r, m, field == 'N'); break;
    default: abort();
    }
}

void sk_msg_clear(sk_msg *m)
{
    for (unsigned i = 0; i < m->nvalues; i++)
        sk_value_clear(&m->values[i]);
    m->nvalues = 0;
    g_clear_pointer(&m->refs, g_free);
    g_clear_pointer(&m->resources, g_free);
    g_clear_pointer(&m->nodes, g_free);
    sk_failure_unref(m->failure);
    m->failure = NULL;
}

/* ---- sites ---- */

static guint hash_site(gconstpointer p)
{
    const sk_site *s = p;
    return g_str_hash(s->file) * 31 + (guint)s->line;
}

static gboolean same_site(gconstpointer a, gconstpointer b)
{
    const sk_site *x = a, *y = b;
    return x->line == y->line && !strcmp(x->file, y->file) && !strcmp(x->func, y->func);
}

/* Sites live as long as the program: traces and failures point to them. So one copy for all connections. */
static sk_site *permanent_site(const char *file, int line, const char *func)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static GHashTable *sites;                     /* under the lock */
    sk_site key = { .file = file, .line = line, .func = func };
    pthread_mutex_lock(&lock);
    if (!sites)
        sites = g_hash_table_new(hash_site, same_site);
    sk_site *site = g_hash_table_lookup(sites, &key);
    if (!site) {
        site = g_new0(sk_site, 1);
        *site = (sk_site){ .file = g_strdup(file), .line = line, .func = g_strdup(func) };
        g_hash_table_add(sites, site);
    }
    pthread_mutex_unlock(&lock);
    return site;
}

/* ---- a frame ---- */

bool sk_wire_decode(sk_wire *w, const uint8_t *frame, size_t size, sk_msg *m)
{
    reader r = { frame, frame + size, NULL };
    memset(m, 0, sizeof *m);
    size_t length = (size_t)take_number(&r, 4);
    m->type = (sk_wire_type)take_number(&r, 1);
    const char *name = sk_wire_name(m->type);
    if (!r.wrong && length != (size_t)(r.end - r.at))
        r.wrong = "has a wrong length";
    if (!r.wrong && !name)
        r.wrong = "is of no known type";
    for (const char *f = name ? sk_wire_fields(m->type) : ""; *f && !r.wrong; f++)
        take_field(w, &r, m, *f);
    if (!r.wrong && r.at != r.end)
        r.wrong = "goes on after its end";
    if (!r.wrong && m->type == SK_WIRE_SITE) {
        if (!m->text || w->sites_in->len >= SK_WIRE_MAX_SITES)
            r.wrong = "is one too many";
        else
            g_ptr_array_add(w->sites_in, permanent_site(m->text, (int)m->number, m->other ? m->other : ""));
    }
    if (r.wrong) {
        sk_msg_clear(m);
        return sk_error_set(&w->error, SK_PROTOCOL, "what arrives is not Skate's protocol: a frame %s %s", name ? name : "?", r.wrong);
    }
    return true;
}
