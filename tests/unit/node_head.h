/* node_head.h -- a head for tests of nodes: a transport in the test's process, and nodes, which are this program again (SKATE_WORKER=node), whose
 * workers are this program once more. It decides nothing: a test says what it says, and takes what the nodes have said, in order.
 *
 * Nothing sleeps: who waits turns the transport until it has what it waits for. If nothing comes for PATIENCE_MS the test has failed. */
#ifndef NODE_HEAD_H
#define NODE_HEAD_H

#include "backends/child.h"
#include "backends/node.h"
#include "backends/node_table.h"
#include "backends/node_wire.h"
#include "backends/shm.h"

#include "apart.h"
#include "fn.h"
#include "fn_table.h"
#include "wire.h"

#include <glib.h>
#include <stdio.h>

enum { PATIENCE_MS = 30000, NODES = 2, SLOTS = 3, OWNERS = 1 + NODES * SLOTS };

typedef struct said { sk_node_msg m; uint8_t *payload; struct said *next; } said;

typedef struct far {                       /* a node, as the head sees it */
    sk_child child;
    sk_peer peer;
    bool is_up;
    unsigned ups, downs;
    sk_id id;
    char why[SK_TRANSPORT_WHY];            /* its connection is no more */
    said *first, **last;                   /* what it has said and nobody has taken */
    said *taken;                           /* what next() has returned last */
    char words[4000];                      /* its stderr, when it has ended */
    char serves_at[SK_TRANSPORT_ADDRESS];
} far;

static struct {
    sk_transport_self self;
    sk_transport *t;
    char address[SK_TRANSPORT_ADDRESS];
    far nodes[NODES];
    sk_node_table table;                   /* of a node that asks as a tool */
    sk_shm *shm;                           /* its own memory */
    uint64_t bulk_req, bulk_got;           /* what it pulls itself, to */
    uint8_t *bulk_to;
    size_t bulk_room;
    unsigned nsent;
    char log[2000];
} head;

static const char *spills_to;                  /* a node that joins; NULL: where it wants */
static sk_secret head_secret = { "thirty-two bytes that are known" };

/* ---- what the transport tells ---- */

static far *far_of(sk_peer peer)
{
    for (unsigned i = 0; i < NODES; i++)
        if (head.nodes[i].peer.id == peer.id)
            return &head.nodes[i];
    return NULL;
}

/* They have no numbers before they say JOIN: in the order in which they come, unless one comes again. */
static void on_state(void *data, sk_peer peer, const sk_peer_info *info)
{
    (void)data;
    far *f = far_of(peer);
    if (info->hello && info->hello->role == SK_ROLE_TOOL)
        return;
    if (info->state == SK_PEER_UP && !f) {
        for (unsigned i = 0; i < NODES && !f; i++)
            if (head.nodes[i].child.pid && !head.nodes[i].is_up)
                f = &head.nodes[i];
        ck_assert(f);
        f->peer = peer;
        f->id = info->hello->node;
        f->is_up = true;
        f->ups++;
    } else if (info->state == SK_PEER_DEAD && f) {
        snprintf(f->why, sizeof f->why, "%s", info->why);
        f->is_up = false;
        f->downs++;
        f->peer = (sk_peer){ 0 };
    }
}

/* It wants to know what is the matter with its functions. */
static void answer_tool(sk_peer peer, uint16_t type, const uint8_t *bytes, size_t size)
{
    sk_node_msg m;
    sk_error err;
    char why[500];
    ck_assert(type == SK_NODE_FUNCTIONS && sk_node_decode(&m, type, bytes, size, &err));
    if (!sk_node_table_take(&head.table, &m, "the node", why, sizeof why))
        return;
    ck_assert_int_eq(sk_node_send(head.t, peer, &(sk_node_msg){ .type = SK_NODE_LEAVE, .text = why }), SK_SENT);
    sk_node_table_clear(&head.table);
}

static void on_control(void *data, sk_peer peer, uint16_t type, uint64_t req, const uint8_t *bytes, size_t size)
{
    (void)data;
    far *f = far_of(peer);
    sk_error err;
    if (!f) {
        answer_tool(peer, type, bytes, size);
        return;
    }
    said *s = g_new0(said, 1);
    s->payload = g_memdup2(bytes, size ? size : 1);
    ck_assert_msg(sk_node_decode(&s->m, type, s->payload, size, &err), "%s", err.message);
    ck_assert_uint_eq(req, s->m.req);
    *f->last = s;
    f->last = &s->next;
}

static void on_room(void *data, sk_peer peer) { (void)data; (void)peer; }

static void *on_place(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size)
{
    (void)data;
    (void)peer;
    return req == head.bulk_req && offset + size <= head.bulk_room ? head.bulk_to + offset : NULL;
}

static void on_bulk(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size)
{
    (void)data;
    (void)peer;
    (void)req;
    (void)offset;
    head.bulk_got += size;
}

static void on_sent(void *data, sk_peer peer, uint64_t req, bool sent) { (void)data; (void)peer; (void)req; head.nsent += sent; }
static void on_lost(void *data, sk_peer peer, const char *why) { (void)data; (void)peer; ck_abort_msg("bulk is lost: %s", why); }
static void on_log(void *data, const char *line)
{
    (void)data;
    g_strlcat(head.log, line, sizeof head.log);
    g_strlcat(head.log, "\n", sizeof head.log);
}

/* ---- turning ---- */

static bool something_happens(int other)
{
    int64_t wait;
    struct pollfd fds[2] = { { .fd = sk_transport_watch(head.t, &wait), .events = POLLIN }, { .fd = other, .events = POLLIN } };
    return wait == 0 || poll(fds, 2, PATIENCE_MS) > 0;
}

#define UNTIL_OR(condition, fd) do {                                                                        \
        while (sk_transport_poll(head.t, 0), !(condition))                                                  \
            ck_assert_msg(something_happens(fd), "nothing happens, and not: %s (log: %s)", #condition, head.log);    \
    } while (0)
#define UNTIL(condition) UNTIL_OR(condition, -1)

/* ---- begin and end ---- */

static const sk_transport_events head_events = { on_state, on_control, on_room, on_place, on_bulk, on_sent, on_lost, on_log };

static void head_listen(void)
{
    unsigned n;
    sk_error err;
    sk_transport_config config = { .me = &head.self, .kinds = sk_node_kinds(&n), .events = &head_events };
    config.nkinds = n;
    head.t = sk_tcp_transport.open(&config, &err);
    ck_assert_msg(head.t && sk_transport_listen(head.t, head.address, head.address, &err), "%s", err.message);
}

static void head_open(void)
{
    sk_error err;
    sk_fn_sort();
    memset(&head, 0, sizeof head);
    for (unsigned i = 0; i < NODES; i++) {
        head.nodes[i].child = (sk_child){ .pidfd = -1, .out = -1, .err = -1 };
        head.nodes[i].last = &head.nodes[i].first;
    }
    head.self = (sk_transport_self){ .role = SK_ROLE_DRIVER, .peer_roles = 1u << SK_ROLE_NODE | 1u << SK_ROLE_TOOL, .cluster = { { 9 } },
                                     .node = { { 'h' } }, .secret = &head_secret, .secret_name = "the secret of this run" };
    sk_fn_table_id(head.self.build);
    head_listen();
    head.shm = sk_shm_new((size_t)64 << 20, OWNERS, "none", &err);
    ck_assert_msg(head.shm && sk_shm_add(head.shm, 0, &err), "%s", err.message);
}

static void forget(said *s)
{
    if (s)
        g_free(s->payload);
    g_free(s);
}

static sk_node_order order_for(void)
{
    sk_node_order order = { .workers = 2, .parent = getpid(), .has_secret = true, .secret = head_secret, .name = "a node", .resources = "gpu=1",
                            .store_bytes = 64 << 20, .says = true };
    strcpy(order.head, head.address);
    return order;
}

static void start_node(unsigned i, const sk_node_order *order)
{
    sk_error err;
    int fd = sk_node_order_send(order, &err);
    ck_assert_msg(fd >= 0, "%s", err.message);
    sk_child_spec spec = { .argv = (char *[]){ "a node", NULL }, .env = (const char *[]){ "SKATE_WORKER=node", NULL }, .fds = &fd, .nfds = 1 };
    ck_assert_msg(sk_child_start(&head.nodes[i].child, &spec, &err), "%s", err.message);
    close(fd);
}

/* Its end: the status, and in `words` what it has written to stderr. */
static int end_of(unsigned i)
{
    far *f = &head.nodes[i];
    UNTIL_OR(sk_child_reap(&f->child, false), f->child.pidfd);
    all_of(f->child.err, f->words, sizeof f->words);
    ck_assert_msg(WIFEXITED(f->child.status), "it was killed: %s", f->words);
    sk_child_close(&f->child);
    return WEXITSTATUS(f->child.status);
}

static void head_close(void)
{
    for (unsigned i = 0; i < NODES; i++) {
        far *f = &head.nodes[i];
        sk_child_close(&f->child);
        for (said *s = f->first, *next; s; s = next) {
            next = s->next;
            forget(s);
        }
        forget(f->taken);
    }
    sk_transport_close(head.t);
    sk_shm_free(head.shm);
    free(head.bulk_to);
}

/* ---- saying and hearing ---- */

#define SAY(i, ...) say(i, &(sk_node_msg){ __VA_ARGS__ })
static void say(unsigned i, const sk_node_msg *m) { ck_assert_int_eq(sk_node_send(head.t, head.nodes[i].peer, m), SK_SENT); }

/* The next thing it says; valid until the next call for this node. */
static const sk_node_msg *next_said(unsigned i)
{
    far *f = &head.nodes[i];
    UNTIL(f->first);
    forget(f->taken);
    f->taken = f->first;
    f->first = f->taken->next;
    if (!f->first)
        f->last = &f->first;
    return &f->taken->m;
}

/* That is of this type. */
static const sk_node_msg *hear(unsigned i, sk_node_type type)
{
    const sk_node_msg *m = next_said(i);
    ck_assert_msg(m->type == type, "%s instead of %s", sk_node_name(m->type), sk_node_name(type));
    return m;
}

/* The next of this type; what else comes before is passed over. */
static const sk_node_msg *wait_for(unsigned i, sk_node_type type)
{
    const sk_node_msg *m;
    while ((m = next_said(i))->type != type)
        ;
    return m;
}

static unsigned owner_of(unsigned i, unsigned slot) { return 1 + i * SLOTS + slot; }

static void welcome(unsigned i, int64_t wait_ns)
{
    SAY(i, .type = SK_NODE_WELCOME, .n = i + 1, .m = OWNERS, .k = 1 + i * SLOTS, .life = SLOTS, .place = sk_shm_stride(head.shm),
        .size = sk_shm_large(head.shm), .w = 42, .x = (uint64_t)wait_ns, .y = (uint64_t)wait_ns / 10, .text = "a run", .other = spills_to);
}

static void join(unsigned i, const sk_node_order *order)
{
    sk_node_order usual = order_for();
    start_node(i, order ? order : &usual);
    const sk_node_msg *m = hear(i, SK_NODE_JOIN);
    ck_assert_uint_lt(m->nbytes, SK_TRANSPORT_ADDRESS);
    memcpy(head.nodes[i].serves_at, m->bytes, m->nbytes);
    welcome(i, 0);
}

/* ---- a worker's stream ---- */

typedef struct stream {
    unsigned node, slot, life;
    sk_wire wire;
    uint32_t sent;                         /* TO it, ever */
    GByteArray *in;                        /* FROM it, not read yet */
    uint64_t at;                           /* where the blob lies that is sent */
    uint64_t got_at;                       /* of the blob that came, and its header */
    uint8_t header[SK_NODE_BLOB];
} stream;

static bool stream_write(void *channel, const uint8_t *bytes, size_t size)
{
    stream *s = channel;
    for (size_t n; size; bytes += n, size -= n) {
        n = MIN(size, SK_NODE_PIECE);
        SAY(s->node, .type = SK_NODE_TO, .slot = s->slot, .life = s->life, .bytes = bytes, .nbytes = n);
        s->sent += (uint32_t)n;
    }
    return true;
}

static size_t stream_read(void *channel, uint8_t *bytes, size_t room)
{
    stream *s = channel;
    while (!s->in->len) {
        const sk_node_msg *m = wait_for(s->node, SK_NODE_FROM);
        ck_assert(m->slot == s->slot && m->life == s->life);
        g_byte_array_append(s->in, m->bytes, (guint)m->nbytes);
        SAY(s->node, .type = SK_NODE_TAKEN, .slot = s->slot, .life = s->life, .n = (uint32_t)m->nbytes);
    }
    size_t n = MIN(room, s->in->len);
    memcpy(bytes, s->in->data, n);
    g_byte_array_remove_range(s->in, 0, (guint)n);
    return n;
}

static bool stream_place(void *data, sk_blob *blob, uint64_t *at)
{
    (void)blob;
    *at = ((stream *)data)->at;
    return true;
}

static sk_blob *stream_blob(void *data, sk_type type, uint64_t at)
{
    static sk_blob blob;                   /* there is no store here: never freed */
    stream *s = data;
    (void)type;
    s->got_at = at & ~(uint64_t)1;
    memcpy(s->header, s->wire.header, sizeof s->header);
    memcpy(&blob, s->header, sizeof blob);
    blob.refs = 1000;
    return &blob;
}


static void open_stream(stream *s, unsigned node, unsigned slot, unsigned life)
{
    *s = (stream){ .node = node, .slot = slot, .life = life, .in = g_byte_array_new() };
    sk_wire_init(&s->wire, -1);
    s->wire.write = stream_write;
    s->wire.read = stream_read;
    s->wire.place = stream_place;
    s->wire.blob_at = stream_blob;
    s->wire.headers_in = true;
    s->wire.channel = s->wire.data = s;
}

static void close_stream(stream *s)
{
    sk_wire_clear(&s->wire);
    g_byte_array_free(s->in, TRUE);
}

static void get(stream *s, sk_msg *m, sk_wire_type type)
{
    ck_assert_msg(sk_wire_receive(&s->wire, m), "%s", s->wire.error.message);
    ck_assert_msg(m->type == type, "%s instead of %s", sk_wire_name(m->type), sk_wire_name(type));
}

static void put(stream *s, const sk_msg *m) { ck_assert(sk_wire_add(&s->wire, m) && sk_wire_flush(&s->wire)); }

/* A worker is there, and has said HELLO. */
static void begin_worker(stream *s, unsigned node, unsigned slot, unsigned life)
{
    sk_msg m;
    open_stream(s, node, slot, life);
    SAY(node, .type = SK_NODE_START, .slot = slot, .life = life);
    get(s, &m, SK_WIRE_HELLO);
    ck_assert(m.number == SK_WIRE_VERSION && m.word == sk_fn_fingerprint());
    sk_msg_clear(&m);
}

static void order_body(stream *s, const sk_fn *fn, const sk_value *in)
{
    sk_msg run = { .type = SK_WIRE_RUN, .number = fn->index, .id = 1, .nvalues = fn->nargs };
    if (in)
        run.values[0] = *in;
    put(s, &run);
}

/* Of its body, there. */
static int64_t result_of(stream *s, const sk_fn *fn, const sk_value *in)
{
    sk_msg m;
    order_body(s, fn, in);
    get(s, &m, SK_WIRE_RAN);
    ck_assert_int_eq(m.code, SK_OK);
    int64_t result = m.values[0].i64;
    sk_msg_clear(&m);
    return result;
}

#endif
