/* test_wire.c -- the wire's codec, and a server that is told nonsense. That calls through a proxy mean what they mean without one
 * is the conformance suite's business: SKATE_PORT=proxy skate conform. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fn.h"
#include "lane.h"
#include "serve.h"
#include "wire.h"

Suite *wire_suite(void);

SK_REMOTE(int64_t, wire_plus, (int64_t, a), (int64_t, b)) { return a + b; }
SK_REMOTE(int64_t, wire_takes_ref, (sk_ref, r)) { return r.id != 0; }

static sk_site here = { .file = "student.c", .line = 12, .func = "main" }, there = { .file = "dir/other.c", .line = 7, .func = "f" };

static void begin(void)
{
    unsetenv("SKATE_PORT");
    sk_init(NULL, NULL, &(sk_config){ .backend = "serial" });
}

static void end(void) { sk_shutdown(); }

/* ---- both ends in memory ---- */

typedef struct pair { sk_wire to, from; sk_msg got; } pair;

static void open_pair(pair *p)
{
    memset(p, 0, sizeof *p);
    sk_wire_init(&p->to, -1);
    sk_wire_init(&p->from, -1);
}

static void close_pair(pair *p)
{
    sk_msg_clear(&p->got);
    sk_wire_clear(&p->to);
    sk_wire_clear(&p->from);
}

static size_t frame_size(const uint8_t *f) { return SK_WIRE_HEADER + (f[0] | f[1] << 8 | f[2] << 16 | (size_t)f[3] << 24); }

/* Decodes what stands in `to`; the SITE frames before the last one are for `from` alone. Returns where the last one begins. */
static size_t carry(pair *p)
{
    size_t at = 0, last = 0;
    while (at < p->to.nout) {
        sk_msg_clear(&p->got);
        last = at;
        ck_assert_msg(sk_wire_decode(&p->from, p->to.out + at, frame_size(p->to.out + at), &p->got), "%s", p->from.error.message);
        at += frame_size(p->to.out + at);
    }
    ck_assert_uint_eq(at, p->to.nout);
    p->to.nout = 0;
    return last;
}

static bool is_same_site(const sk_site *a, const sk_site *b)
{
    return (!a && !b) || (a && b && a->line == b->line && !strcmp(a->file, b->file) && !strcmp(a->func, b->func));
}

static bool is_same_value(const sk_value *a, const sk_value *b)
{
    if (a->type != b->type)
        return false;
    if (!sk_type_has_blob(a->type))
        return a->type == SK_T_NONE || (a->type == SK_T_BOOL ? a->b == b->b : a->u64 == b->u64);
    const sk_blob *x = a->blob, *y = b->blob;
    return x->size == y->size && x->dtype == y->dtype && x->ndim == y->ndim && !memcmp(x->shape, y->shape, sizeof x->shape)
           && !memcmp(sk_blob_data(x), sk_blob_data(y), x->size) && y->sealed;
}

static sk_value array_value(sk_dtype dtype, int ndim, int64_t n)
{
    static double room[3 * 3 * 3 * 3] = { 1.5, -2, 1e300 };
    sk_array a = { room, dtype, ndim, { 1, 1, 1, 1 }, NULL };
    for (int i = 0; i < ndim; i++)
        a.shape[i] = n;
    return sk_from_array(a);
}

enum { VALUES = 40 };

/* One of every sort; returns how many. */
static int all_values(sk_value *v)
{
    static const unsigned char bytes[1000] = { 1, 0, 2, 255 };
    sk_ref refs[3] = { sk_put(1), sk_put(2), sk_put(3) };
    int n = 0;
    v[n++] = sk_from_none((sk_none){ 0 });
    v[n++] = sk_from_bool(true);
    v[n++] = sk_from_bool(false);
    v[n++] = sk_from_i64(INT64_MIN);
    v[n++] = sk_from_u64(UINT64_MAX);
    v[n++] = sk_from_f64(-0.0);
    v[n++] = sk_from_f64(__builtin_nan("123"));
    v[n++] = sk_from_str("");
    v[n++] = sk_from_str("a text");
    v[n++] = sk_from_buf((sk_buf){ NULL, 0, NULL });
    v[n++] = sk_from_buf((sk_buf){ bytes, sizeof bytes, NULL });
    for (sk_dtype d = SK_F64; d <= SK_U8; d++)
        for (int ndim = 1; ndim <= SK_MAX_DIMS; ndim++)
            v[n++] = array_value(d, ndim, 3);
    v[n++] = array_value(SK_I32, 2, 0);
    v[n++] = sk_from_list((sk_list){ refs, 3, NULL });
    v[n++] = sk_from_list((sk_list){ refs, 0, NULL });
    v[n++] = sk_from_ref(refs[0]);
    ck_assert_int_le(n, VALUES);
    return n;
}

START_TEST(every_sort_of_value_goes_through)
{
    pair p;
    sk_value v[VALUES];
    int n = all_values(v);
    open_pair(&p);
    for (int i = 0; i < n; i++) {
        ck_assert(sk_wire_add(&p.to, &(sk_msg){ .type = SK_WIRE_PUT, .id = 5, .values = { v[i] } }));
        carry(&p);
        ck_assert_msg(is_same_value(&v[i], &p.got.values[0]), "value %d of type %s", i, sk_type_name((sk_type)v[i].type));
        sk_value_clear(&v[i]);
    }
    close_pair(&p);
}
END_TEST

static sk_blob *shelf[2];              /* a store of two places, that both ends know */

static bool place_on_shelf(void *data, sk_blob *blob, uint64_t *at)
{
    (void)data;
    for (*at = 0; *at < 2; ++*at)
        if (shelf[*at] == blob)
            return true;
    return false;
}

static sk_blob *take_from_shelf(void *data, sk_type type, uint64_t at)
{
    (void)data;
    return at < 2 && shelf[at] && shelf[at]->type == type ? sk_blob_ref(shelf[at]) : NULL;
}

START_TEST(what_lies_in_a_common_store_goes_as_its_place)
{
    pair p;
    open_pair(&p);
    p.to.place = place_on_shelf;
    p.from.blob_at = take_from_shelf;
    sk_value there_already = array_value(SK_F64, 4, 3), travels = array_value(SK_F64, 4, 3);
    shelf[1] = there_already.blob;
    ck_assert(sk_wire_add(&p.to, &(sk_msg){ .type = SK_WIRE_PUT, .id = 5, .values = { there_already } }));
    ck_assert_uint_lt(p.to.nout, 100);
    carry(&p);
    ck_assert_ptr_eq(p.got.values[0].blob, there_already.blob);
    ck_assert(sk_wire_add(&p.to, &(sk_msg){ .type = SK_WIRE_PUT, .id = 6, .values = { travels } }));
    ck_assert_uint_gt(p.to.nout, 648);
    carry(&p);
    ck_assert(p.got.values[0].blob != travels.blob && is_same_value(&travels, &p.got.values[0]));

    ck_assert(sk_wire_add(&p.to, &(sk_msg){ .type = SK_WIRE_PUT, .id = 7, .values = { there_already } }));
    sk_msg_clear(&p.got);
    shelf[1] = NULL;                   /* nothing lies there any more: nobody follows the place */
    ck_assert(!sk_wire_decode(&p.from, p.to.out, frame_size(p.to.out), &p.got));
    ck_assert_ptr_nonnull(strstr(p.from.error.message, "has a value at a place where there is none"));
    p.from.blob_at = NULL;             /* nor does one who has no such store */
    shelf[1] = there_already.blob;
    ck_assert(!sk_wire_decode(&p.from, p.to.out, frame_size(p.to.out), &p.got));
    p.to.nout = 0;
    shelf[1] = NULL;
    sk_value_clear(&there_already);
    sk_value_clear(&travels);
    close_pair(&p);
}
END_TEST

/* ---- every message ---- */

/* A message with something in every field; static things and, in *owned, what must be freed. */
static sk_msg full_message(sk_wire_type type)
{
    static sk_ref refs[] = { { 1 }, { UINT64_MAX }, { 0 } };
    static const sk_options options = { .name = "nick", .num_cpus = 2.5, .resources = "gpu=1", .node = -1, .max_retries = 9,
                                        .retry_errors = true, .timeout_s = 1.25, .priority = -3 };
    static const uint8_t bits[] = { 0, 1, 1, 0 };
    static sk_resource resources[] = { { "cpu", 4, 2.5 }, { "gpu", 1, 0 } };
    memset(resources[1].name + sizeof "gpu", 'x', sizeof resources[1].name - sizeof "gpu");     /* not to be sent */
    static sk_node_info nodes[] = { { 0, 4, true }, { 1, 2, false } };
    sk_failure *root = sk_failure_new(SK_CANCELLED, &there, NULL, "root");
    sk_msg m = { .type = type, .number = 0xfedcba98, .more = 0x76543210, .id = 0x123456789abcdef0, .word = UINT64_MAX - 1, .seconds = 0.1, .flag = 3,
                 .code = SK_DEADLOCK, .site = &here, .text = "a name", .other = "another", .nvalues = 3, .refs = refs, .nrefs = 3,
                 .options = &options, .bits = bits, .nbits = 4, .resources = resources, .nodes = nodes, .nitems = 2,
                 .failure = sk_failure_new(SK_TASK, &here, sk_failure_new(SK_TASK, NULL, root, "middle"), "top"),
                  .counts = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, -15, 16, 17, 18, 1ull << 63 | 19 } };
    m.values[0] = sk_from_str("first");
    m.values[1] = sk_from_i64(-2);
    m.values[2] = array_value(SK_F32, 2, 3);
    return m;
}

static void free_message(sk_msg *m)
{
    for (unsigned i = 0; i < m->nvalues; i++)
        sk_value_clear(&m->values[i]);
    sk_failure_unref(m->failure);
}

static bool is_same_field(const sk_msg *a, const sk_msg *b, char field)
{
    const sk_options *x = a->options, *y = b->options;
    switch (field) {
    case 'n': return a->number == b->number;
    case 'm': return a->more == b->more;
    case 'i': return a->id == b->id;
    case 'w': return a->word == b->word;
    case 'g': return a->block_at == b->block_at && a->block_size == b->block_size;
    case 'd': return a->seconds == b->seconds;
    case 'b': return a->flag == b->flag;
    case 'c': return a->code == b->code;
    case 's': return is_same_site(a->site, b->site);
    case 't': return !g_strcmp0(a->text, b->text);
    case 'u': return !g_strcmp0(a->other, b->other);
    case 'v': return b->nvalues == 1 && is_same_value(&a->values[0], &b->values[0]);
    case 'V':
        for (unsigned i = 0; i < a->nvalues; i++)
            if (b->nvalues != a->nvalues || !is_same_value(&a->values[i], &b->values[i]))
                return false;
        return true;
    case 'R': return a->nrefs == b->nrefs && !memcmp(a->refs, b->refs, a->nrefs * sizeof *a->refs);
    case 'o':
        return !x ? !y : y && !g_strcmp0(x->name, y->name) && !g_strcmp0(x->resources, y->resources) && x->num_cpus == y->num_cpus
                         && x->node == y->node && x->max_retries == y->max_retries && x->retry_errors == y->retry_errors
                         && x->timeout_s == y->timeout_s && x->priority == y->priority;
    case 'f': {
        const sk_failure *f = a->failure, *g = b->failure;
        for (; f && g; f = f->cause, g = g->cause)
            if (f->code != g->code || strcmp(f->text, g->text) || !is_same_site(f->site, g->site))
                return false;
        return !f && !g;
    }
    case 'B': return a->nbits == b->nbits && !memcmp(a->bits, b->bits, a->nbits);
    case 'C': return !memcmp(&a->counts, &b->counts, sizeof a->counts);
    case 'A':
        return a->nitems == b->nitems && !strcmp(a->resources[1].name, b->resources[1].name)
               && b->resources[1].name[sizeof b->resources[1].name - 1] == '\0'
               && a->resources[0].available == b->resources[0].available;
    case 'N': return a->nitems == b->nitems && a->nodes[1].workers == b->nodes[1].workers && a->nodes[1].alive == b->nodes[1].alive;
    default: return false;
    }
}

START_TEST(every_message_goes_through_whole)
{
    pair p;
    int types = 0;
    open_pair(&p);
    for (unsigned type = 0; type < 256; type++) {
        if (!sk_wire_name(type))
            continue;
        sk_msg m = full_message((sk_wire_type)type);
        ck_assert(sk_wire_add(&p.to, &m));
        carry(&p);
        ck_assert_int_eq(p.got.type, type);
        for (const char *f = sk_wire_fields(type); *f; f++)
            ck_assert_msg(is_same_field(&m, &p.got, *f), "%s: field %c", sk_wire_name(type), *f);
        free_message(&m);
        types++;
    }
    ck_assert_int_ge(types, 36);
    close_pair(&p);
}
END_TEST

START_TEST(what_may_be_missing_may_be_missing)
{
    pair p;
    open_pair(&p);
    sk_msg m = { .type = SK_WIRE_SUBMIT };
    ck_assert(sk_wire_add(&p.to, &m));
    carry(&p);
    ck_assert(!p.got.site && !p.got.options && p.got.nvalues == 0);
    m = (sk_msg){ .type = SK_WIRE_WAIT };
    ck_assert(sk_wire_add(&p.to, &m));
    carry(&p);
    ck_assert(!p.got.text && p.got.nrefs == 0);
    m = (sk_msg){ .type = SK_WIRE_GOT };
    ck_assert(sk_wire_add(&p.to, &m));
    carry(&p);
    ck_assert(!p.got.failure && p.got.values[0].type == SK_T_NONE);
    close_pair(&p);
}
END_TEST

START_TEST(a_place_in_the_source_is_sent_once)
{
    pair p;
    open_pair(&p);
    sk_msg m = { .type = SK_WIRE_PROMISE, .site = &here };
    ck_assert(sk_wire_add(&p.to, &m));
    size_t first = p.to.nout;
    carry(&p);
    sk_site *copy = p.got.site;
    ck_assert(sk_wire_add(&p.to, &m));
    ck_assert_uint_lt(p.to.nout, first);
    carry(&p);
    ck_assert_ptr_eq(p.got.site, copy);
    ck_assert_ptr_ne(copy, &here);
    close_pair(&p);
}
END_TEST

/* ---- what is not the protocol ---- */

static void set_length(uint8_t *frame, size_t n)
{
    for (int i = 0; i < 4; i++)
        frame[i] = (uint8_t)(n >> 8 * i);
}

static void expect_refused(pair *p, const uint8_t *frame, size_t size)
{
    uint8_t *copy = g_memdup2(frame, size);       /* exactly as large, so that ASan sees one byte too far */
    sk_msg m;
    p->from.error.code = SK_OK;
    ck_assert_msg(!sk_wire_decode(&p->from, copy, size, &m), "a bad %s of %zu bytes was taken", size > 4 ? sk_wire_name(copy[4]) : "?", size);
    ck_assert_int_eq(p->from.error.code, SK_PROTOCOL);
    g_free(copy);
}

START_TEST(a_frame_cut_at_any_byte_is_refused)
{
    pair p;
    open_pair(&p);
    for (unsigned type = 0; type < 256; type++) {
        if (!sk_wire_name(type))
            continue;
        sk_msg m = full_message((sk_wire_type)type);
        ck_assert(sk_wire_add(&p.to, &m));
        size_t end_of_it = p.to.nout, at = carry(&p), size = end_of_it - at;
        uint8_t *frame = g_malloc(size + 1);
        memcpy(frame, p.to.out + at, size);
        for (size_t cut = 0; cut < size; cut++) {
            expect_refused(&p, frame, cut);       /* the header announces more */
            uint8_t *shorter = g_memdup2(frame, size);
            if (cut >= SK_WIRE_HEADER) {
                set_length(shorter, cut - SK_WIRE_HEADER);
                expect_refused(&p, shorter, cut);
            }
            g_free(shorter);
        }
        frame[size] = 0;
        set_length(frame, size + 1 - SK_WIRE_HEADER);
        expect_refused(&p, frame, size + 1);
        g_free(frame);
        free_message(&m);
    }
    close_pair(&p);
}
END_TEST

START_TEST(ten_thousand_spoilt_frames_crash_nothing)
{
    pair p;
    uint64_t seed = 1;
    int taken = 0, refused = 0;
    open_pair(&p);
    while (taken + refused < 10000)
        for (unsigned type = 0; type < 256; type++) {
            if (!sk_wire_name(type))
                continue;
            sk_msg m = full_message((sk_wire_type)type);
            ck_assert(sk_wire_add(&p.to, &m));
            size_t end_of_it = p.to.nout, at = carry(&p), size = end_of_it - at;
            uint8_t *frame = g_memdup2(p.to.out + at, size);
            for (int n = 1 + (int)((seed = sk_mix(seed)) % 4); n > 0; n--) {
                seed = sk_mix(seed);
                size_t from = seed & 1 ? 4 : 0;    /* half of them with a right length */
                frame[from + (seed >> 8) % (size - from)] = (seed >> 32) % 3 ? (uint8_t)(seed >> 40) : 0xff;
            }
            sk_msg got;
            if (sk_wire_decode(&p.from, frame, size, &got)) {
                if (sk_wire_add(&p.to, &got))
                    p.to.nout = 0;
                sk_msg_clear(&got);
                taken++;
            } else {
                refused++;
            }
            g_free(frame);
            free_message(&m);
        }
    ck_assert_int_gt(taken, 100);
    ck_assert_int_gt(refused, 1000);
    close_pair(&p);
    ck_assert_uint_eq(sk_stats().bytes_live, 0);
}
END_TEST

START_TEST(lengths_over_their_limits_are_refused_before_anything_is_allocated)
{
    static const struct { sk_wire_type type; const char *before; size_t nbefore; uint64_t length; size_t size; } forged[] = {
        { SK_WIRE_HELLO, "", 0, SK_WIRE_MAX_NAME + 1, 4 },
        { SK_WIRE_HELLO, "", 0, UINT32_MAX, 4 },
        { SK_WIRE_WAITER_NEW, "\0\0\0\0\0\0\0\0", 8, SK_WIRE_MAX_REFS + 1, 4 },
        { SK_WIRE_WAITER_NEW, "\0\0\0\0\0\0\0\0", 8, SK_WIRE_MAX_REFS, 4 },
        { SK_WIRE_PUT, "\0\0\0\0\0\0\0\0\0\0\0\0\x09", 13, SK_WIRE_MAX_BLOB + 1, 8 },
        { SK_WIRE_PUT, "\0\0\0\0\0\0\0\0\0\0\0\0\x09", 13, SK_WIRE_MAX_BLOB, 8 },
        { SK_WIRE_PUT, "\0\0\0\0\0\0\0\0\0\0\0\0\x09", 13, UINT64_MAX, 8 },
        { SK_WIRE_PUT, "\0\0\0\0\0\0\0\0\0\0\0\0\x0b", 13, UINT32_MAX, 4 },
        { SK_WIRE_GOT, "\0\0", 2, UINT32_MAX, 4 },
        { SK_WIRE_NODED, "\0\0\0\0\0\0\0\0", 8, 255, 1 },
    };
    pair p;
    open_pair(&p);
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        uint8_t frame[64] = { 0 };
        size_t size = SK_WIRE_HEADER + forged[i].nbefore;
        frame[4] = forged[i].type;
        memcpy(frame + SK_WIRE_HEADER, forged[i].before, forged[i].nbefore);
        for (size_t j = 0; j < forged[i].size; j++)
            frame[size++] = (uint8_t)(forged[i].length >> 8 * j);
        size += 20;                                /* some of it is there */
        set_length(frame, size - SK_WIRE_HEADER);
        expect_refused(&p, frame, size);
    }
    ck_assert_uint_lt(sk_stats().bytes_peak, 4096);
    close_pair(&p);
}
END_TEST

START_TEST(what_is_too_long_is_not_sent)
{
    pair p;
    open_pair(&p);
    char *name = g_strnfill(SK_WIRE_MAX_NAME, 'x');
    ck_assert(!sk_wire_add(&p.to, &(sk_msg){ .type = SK_WIRE_HELLO, .text = name }));
    ck_assert_uint_eq(p.to.nout, 0);
    ck_assert(strstr(p.to.error.message, "4096"));
    name[SK_WIRE_MAX_NAME - 1] = '\0';
    ck_assert(sk_wire_add(&p.to, &(sk_msg){ .type = SK_WIRE_HELLO, .text = name }));
    carry(&p);
    ck_assert_str_eq(p.got.text, name);
    g_free(name);
    close_pair(&p);
}
END_TEST

/* ---- a connection ---- */

static void *write_slowly(void *data)
{
    int fd = ((int *)data)[0];
    sk_wire w;
    sk_wire_init(&w, -1);
    for (int i = 0; i < 20; i++) {
        sk_msg m = full_message(SK_WIRE_SUBMIT);
        m.number = (uint32_t)i;
        ck_assert(sk_wire_add(&w, &m));
        free_message(&m);
    }
    for (size_t at = 0; at < w.nout; at += 7)
        ck_assert(send(fd, w.out + at, MIN(7, w.nout - at), MSG_NOSIGNAL) > 0);
    sk_wire_clear(&w);
    close(fd);
    return NULL;
}

START_TEST(frames_may_come_in_pieces)
{
    int fds[2];
    pthread_t thread;
    sk_wire w;
    sk_msg m;
    ck_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    pthread_create(&thread, NULL, write_slowly, fds);
    sk_wire_init(&w, fds[1]);
    for (int i = 0; i < 20; i++) {
        ck_assert_msg(sk_wire_receive(&w, &m), "%s", w.error.message);
        ck_assert_int_eq(m.number, i);
        ck_assert(is_same_site(m.site, &here));
        sk_msg_clear(&m);
    }
    ck_assert(!sk_wire_receive(&w, &m));
    ck_assert_int_eq(w.error.code, SK_HEAD_LOST);
    pthread_join(thread, NULL);
    sk_wire_clear(&w);
    close(fds[1]);
}
END_TEST

START_TEST(an_announced_gigabyte_that_does_not_come_takes_no_room)
{
    int fds[2];
    sk_wire w;
    sk_msg m;
    uint8_t frame[100] = { 0, 0, 0, 0x40, SK_WIRE_PUT };
    ck_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    ck_assert(write(fds[0], frame, sizeof frame) == sizeof frame);
    close(fds[0]);
    sk_wire_init(&w, fds[1]);
    ck_assert(!sk_wire_receive(&w, &m));
    ck_assert_int_eq(w.error.code, SK_HEAD_LOST);
    ck_assert_uint_le(w.in_room, SK_WIRE_BATCH);
    sk_wire_clear(&w);
    close(fds[1]);
}
END_TEST

/* ---- a server that is told nonsense ---- */

typedef struct client { sk_wire wire; int fd; pthread_t thread; sk_msg got; } client;

static void *serve(void *fd)
{
    sk_serve(GPOINTER_TO_INT(fd));
    return NULL;
}

static void call(client *c)
{
    int fds[2];
    memset(c, 0, sizeof *c);
    ck_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    c->fd = fds[0];
    sk_wire_init(&c->wire, c->fd);
    pthread_create(&c->thread, NULL, serve, GINT_TO_POINTER(fds[1]));
}

static void say(client *c, sk_msg m) { ck_assert(sk_wire_add(&c->wire, &m)); }

static sk_msg hello(void)
{
    return (sk_msg){ .type = SK_WIRE_HELLO, .text = "skate", .number = SK_WIRE_VERSION, .word = sk_fn_fingerprint() };
}

static void greet(client *c)
{
    call(c);
    say(c, hello());
    ck_assert(sk_wire_flush(&c->wire) && sk_wire_receive(&c->wire, &c->got));
    ck_assert_int_eq(c->got.type, SK_WIRE_HELLO);
}

static void hang_up(client *c)
{
    sk_msg_clear(&c->got);
    close(c->fd);
    pthread_join(c->thread, NULL);
    sk_wire_clear(&c->wire);
}

/* The last frame must be an ERROR that has these words, and then the end. */
static void expect_error(client *c, const char *words)
{
    sk_wire_flush(&c->wire);
    do {
        sk_msg_clear(&c->got);
        ck_assert_msg(sk_wire_receive(&c->wire, &c->got), "no ERROR came");
    } while (c->got.type != SK_WIRE_ERROR);
    ck_assert_int_eq(c->got.code, SK_PROTOCOL);
    ck_assert_msg(strstr(c->got.text, words), "\"%s\" is not in \"%s\"", words, c->got.text);
    ck_assert(!sk_wire_receive(&c->wire, &c->got));
    hang_up(c);
}

START_TEST(a_server_wants_hello_of_its_own_version_and_functions)
{
    client c;
    sk_msg m;
    call(&c);
    say(&c, (sk_msg){ .type = SK_WIRE_PING });
    expect_error(&c, "no HELLO");
    call(&c);
    m = hello();
    m.number++;
    say(&c, m);
    expect_error(&c, "another version");
    call(&c);
    m = hello();
    m.word++;
    say(&c, m);
    expect_error(&c, "other remote functions");
}
END_TEST

START_TEST(a_server_refuses_what_no_proxy_would_send)
{
    const sk_value one = sk_from_i64(1), a_ref = { SK_T_REF, { .u64 = SK_WIRE_REF + 1 } };
    const sk_msg plus = { .type = SK_WIRE_FN, .text = "wire_plus", .number = 2, .word = 1 };
    const sk_msg takes = { .type = SK_WIRE_FN, .text = "wire_takes_ref", .number = 1, .word = 1 };
    const uint64_t first = SK_WIRE_REF + 1;
    const struct { sk_msg before, bad; const char *words; } wrong[] = {
        { .bad = { .type = SK_WIRE_FN, .text = "no_such_function" }, .words = "no remote function 'no_such_function'" },
        { .bad = { .type = SK_WIRE_FN, .text = "wire_plus", .number = 3, .word = 1 }, .words = "something else" },
        { .bad = { .type = SK_WIRE_FN }, .words = "no remote function" },
        { .bad = { .type = SK_WIRE_SUBMIT, .number = 1, .id = first }, .words = "not named" },
        { plus, { .type = SK_WIRE_SUBMIT, .number = 0, .id = first }, "not named" },
        { plus, { .type = SK_WIRE_SUBMIT, .number = 1, .id = first, .nvalues = 1, .values = { one } }, "wrong arguments" },
        { takes, { .type = SK_WIRE_SUBMIT, .number = 1, .id = first, .nvalues = 1, .values = { one } }, "wrong arguments" },
        { .bad = { .type = SK_WIRE_PUT, .id = first + 1, .values = { one } }, .words = "do not follow" },
        { .bad = { .type = SK_WIRE_PUT, .id = 1, .values = { one } }, .words = "do not follow" },
        { .bad = { .type = SK_WIRE_PUT, .id = first, .values = { a_ref } }, .words = "PUT of a ref" },
        { .bad = { .type = SK_WIRE_PROMISE, .id = first + 1 }, .words = "do not follow" },
        { { .type = SK_WIRE_PROMISE, .id = first }, { .type = SK_WIRE_FULFIL, .id = first, .values = { a_ref } }, "FULFIL with a ref" },
        { { .type = SK_WIRE_PUT, .id = first, .values = { one } }, { .type = SK_WIRE_RELEASE, .id = first }, "in no list" },
        { .bad = { .type = SK_WIRE_SCOPE_END }, .words = "without a scope" },
        { .bad = { .type = SK_WIRE_WAITER_FREE, .number = 1 }, .words = "no waiter" },
        { .bad = { .type = SK_WIRE_WAITER_NEXT, .number = 1 }, .words = "no waiter" },
        { { .type = SK_WIRE_WAITER_NEW, .number = 1 }, { .type = SK_WIRE_WAITER_NEXT, .number = 1 }, "handed out all" },
        { { .type = SK_WIRE_WAITER_NEW, .number = 1 }, { .type = SK_WIRE_WAITER_NEW, .number = 1 }, "two waiters" },
        { .bad = { .type = SK_WIRE_WAIT, .word = 1 }, .words = "more than there is" },
        { .bad = { .type = SK_WIRE_GET, .seconds = -1 }, .words = "a time" },
        { .bad = { .type = SK_WIRE_SLEEP, .seconds = __builtin_nan("") }, .words = "a time" },
        { .bad = { .type = SK_WIRE_COMPUTE, .seconds = 1e300 }, .words = "a time" },
        { .bad = { .type = SK_WIRE_DONE }, .words = "only a server" },
        { .bad = { .type = SK_WIRE_HELLO, .text = "skate" }, .words = "only a server" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        client c;
        greet(&c);
        if (wrong[i].before.type)
            say(&c, wrong[i].before);
        say(&c, wrong[i].bad);
        expect_error(&c, wrong[i].words);
    }
    ck_assert_uint_eq(sk_stats().objects_live, 0);
}
END_TEST

START_TEST(what_a_peer_that_dies_has_made_is_dropped)
{
    client c;
    greet(&c);
    sk_value text = sk_from_str("kept by nobody");
    say(&c, (sk_msg){ .type = SK_WIRE_PUT, .site = &here, .id = SK_WIRE_REF + 1, .values = { text } });
    say(&c, (sk_msg){ .type = SK_WIRE_PROMISE, .site = &here, .id = SK_WIRE_REF + 2 });
    say(&c, (sk_msg){ .type = SK_WIRE_DUP, .site = &here, .id = SK_WIRE_REF + 1, .text = "sk_dup" });
    say(&c, (sk_msg){ .type = SK_WIRE_WAITER_NEW, .site = &here, .number = 1, .refs = &(sk_ref){ SK_WIRE_REF + 2 }, .nrefs = 1 });
    say(&c, (sk_msg){ .type = SK_WIRE_SCOPE_BEGIN });
    say(&c, (sk_msg){ .type = SK_WIRE_COUNTS });
    ck_assert(sk_wire_flush(&c.wire) && sk_wire_receive(&c.wire, &c.got));
    ck_assert_int_eq(c.got.type, SK_WIRE_COUNTED);
    ck_assert_uint_eq(c.got.counts.objects_live, 2);
    sk_value_clear(&text);
    hang_up(&c);
    ck_assert_uint_eq(sk_stats().objects_live, 0);
    ck_assert_uint_eq(sk_stats().bytes_live, 0);
}
END_TEST

/* Spoilt calls may be misuse, which ends the program with status 2; nothing else may. */
static void tell_nonsense(uint64_t seed)
{
    static const sk_wire_type calls[] = { SK_WIRE_FN, SK_WIRE_SUBMIT, SK_WIRE_PUT, SK_WIRE_PROMISE, SK_WIRE_FULFIL, SK_WIRE_CANCEL, SK_WIRE_DROP,
        SK_WIRE_DUP, SK_WIRE_RELEASE, SK_WIRE_SCOPE_BEGIN, SK_WIRE_SCOPE_END, SK_WIRE_WAITER_NEW, SK_WIRE_WAITER_FREE, SK_WIRE_GET,
        SK_WIRE_WAIT, SK_WIRE_WAITER_NEXT, SK_WIRE_COUNTS, SK_WIRE_RESOURCES, SK_WIRE_NODES, SK_WIRE_PRINT_REFS, SK_WIRE_BYE };
    client c;
    greet(&c);
    for (int i = 0; i < 12; i++) {
        seed = sk_mix(seed);
        sk_msg m = full_message(calls[seed % (sizeof calls / sizeof *calls)]);
        m.number = (seed >> 8) % 3;
        m.word = (seed >> 16) % 3;
        m.id = SK_WIRE_REF + (seed >> 24) % 4;
        m.text = m.type == SK_WIRE_FN ? "wire_plus" : m.text;
        m.seconds = 0;
        say(&c, m);
        free_message(&m);
        if ((seed >> 32) % 4 == 0)
            c.wire.out[c.wire.nout - 1 - (seed >> 40) % MIN(c.wire.nout, 40)] ^= (uint8_t)(seed >> 56);
    }
    sk_wire_flush(&c.wire);
    shutdown(c.fd, SHUT_WR);
    while (sk_wire_receive(&c.wire, &c.got))
        sk_msg_clear(&c.got);
    hang_up(&c);
}

START_TEST(a_server_outlives_nonsense)
{
    end();                             /* the children make threads, so who forks them may have none: ThreadSanitizer insists */
    for (uint64_t seed = 0; seed < 150; seed++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (!freopen("/dev/null", "w", stderr))
                _exit(3);
            begin();
            tell_nonsense(seed);
            _exit(0);
        }
        int status;
        ck_assert(waitpid(pid, &status, 0) == pid);
        ck_assert_msg(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2), "seed %d: status %x", (int)seed, status);
    }
    begin();
}
END_TEST

Suite *wire_suite(void)
{
    Suite *suite = suite_create("wire");
    TCase *codec = tcase_create("codec"), *server = tcase_create("server");
    tcase_add_checked_fixture(codec, begin, end);
    tcase_add_checked_fixture(server, begin, end);
    tcase_set_timeout(codec, 60);
    tcase_set_timeout(server, 120);
    tcase_add_test(codec, every_sort_of_value_goes_through);
    tcase_add_test(codec, what_lies_in_a_common_store_goes_as_its_place);
    tcase_add_test(codec, every_message_goes_through_whole);
    tcase_add_test(codec, what_may_be_missing_may_be_missing);
    tcase_add_test(codec, a_place_in_the_source_is_sent_once);
    tcase_add_test(codec, a_frame_cut_at_any_byte_is_refused);
    tcase_add_test(codec, ten_thousand_spoilt_frames_crash_nothing);
    tcase_add_test(codec, lengths_over_their_limits_are_refused_before_anything_is_allocated);
    tcase_add_test(codec, what_is_too_long_is_not_sent);
    tcase_add_test(codec, frames_may_come_in_pieces);
    tcase_add_test(codec, an_announced_gigabyte_that_does_not_come_takes_no_room);
    tcase_add_test(server, a_server_wants_hello_of_its_own_version_and_functions);
    tcase_add_test(server, a_server_refuses_what_no_proxy_would_send);
    tcase_add_test(server, what_a_peer_that_dies_has_made_is_dropped);
    tcase_add_test(server, a_server_outlives_nonsense);
    suite_add_tcase(suite, codec);
    suite_add_tcase(suite, server);
    return suite;
}
