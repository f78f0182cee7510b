/* link_pair.h -- two transports in one process, over real sockets on loopback, and what they have told.
 *
 * Time stands still unless a test moves it (pair.clock), nothing sleeps: `until` turns both until a condition holds, and waits for
 * descriptors in between. If nothing happens for PATIENCE_MS the test has failed; how fast things happen does not matter. */
#ifndef LINK_PAIR_H
#define LINK_PAIR_H

#include "backends/transport.h"

#include <check.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>

enum { PATIENCE_MS = 20000, TEXT = SK_TRANSPORT_TYPE, SMALL, SECOND = 1000000000 };

typedef struct end {
    sk_transport *t;
    sk_transport_self self;
    sk_transport_config config;
    char address[SK_TRANSPORT_ADDRESS];
    bool is_frozen;                        /* not turned */
    sk_peer peer;                          /* the last that came UP, or was dialed */
    sk_peer_info last;                     /* of the last change of state; `why` is in the next */
    char why[SK_TRANSPORT_WHY];
    sk_auth_hello hello;
    char states[200];                      /* "AUTHENTICATING UP " */
    char log[4000];
    unsigned nlines, ncontrol, nroom, nlost, nsent, nfailed, nchunks, nplaces;
    uint64_t last_req, last_request;       /* of a control message; of a chunk */
    uint8_t *text;                         /* the last control message */
    size_t ntext;
    uint8_t *memory;                       /* where chunks go: at offset + 4096 * (request % 8) */
    size_t room;
    uint64_t arrived[8];                   /* bytes, by request % 8 */
    void (*on_control)(struct end *, sk_peer peer, uint16_t type, uint64_t req);
    void (*on_chunk)(struct end *, sk_peer peer, uint64_t req);
    void (*on_state)(struct end *, sk_peer peer, const sk_peer_info *info);
    void (*on_lost)(struct end *, sk_peer peer);
    void (*on_room)(struct end *, sk_peer peer);
    void (*on_sent)(struct end *, sk_peer peer);
} end;

static int64_t pair_clock;
static int64_t pair_now(void *data) { (void)data; return pair_clock; }

static const sk_frame_kind pair_kinds[] = { { "TEXT", SK_TRANSPORT_CONTROL, false }, { "SMALL", 16, false } };

/* ---- what the transport tells ---- */

static void on_state(void *data, sk_peer peer, const sk_peer_info *info)
{
    static const char *const names[] = { "CONNECTING", "AUTHENTICATING", "UP", "SUSPECT", "DEAD" };
    end *e = data;
    e->last = *info;
    snprintf(e->why, sizeof e->why, "%s", info->why);
    if (info->hello)
        e->hello = *info->hello;
    if (info->state == SK_PEER_UP)
        e->peer = peer;
    snprintf(e->states + strlen(e->states), sizeof e->states - strlen(e->states), "%s ", names[info->state]);
    if (e->on_state)
        e->on_state(e, peer, info);
}

static void on_control(void *data, sk_peer peer, uint16_t type, uint64_t req, const uint8_t *bytes, size_t size)
{
    end *e = data;
    e->ncontrol++;
    e->last_req = req;
    e->text = realloc(e->text, size + 1);
    memcpy(e->text, bytes, size);
    e->text[size] = '\0';
    e->ntext = size;
    if (e->on_control)
        e->on_control(e, peer, type, req);
}

static void on_room(void *data, sk_peer peer)
{
    end *e = data;
    e->nroom++;
    if (e->on_room)
        e->on_room(e, peer);
}

static void *on_place(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size)
{
    end *e = data;
    (void)peer;
    e->nplaces++;
    uint64_t at = offset + 4096 * (req % 8);
    return e->memory && at + size <= e->room ? e->memory + at : NULL;
}

static void on_chunk(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size)
{
    end *e = data;
    (void)offset;
    e->nchunks++;
    e->arrived[req % 8] += size;
    e->last_request = req;
    if (e->on_chunk)
        e->on_chunk(e, peer, req);
}

static void on_sent(void *data, sk_peer peer, uint64_t req, bool sent)
{
    end *e = data;
    (void)req;
    e->nsent += sent;
    e->nfailed += !sent;
    if (e->on_sent)
        e->on_sent(e, peer);
}

static void on_lost(void *data, sk_peer peer, const char *why)
{
    end *e = data;
    ck_assert(*why);
    e->nlost++;
    if (e->on_lost)
        e->on_lost(e, peer);
}

static void on_log(void *data, const char *line)
{
    end *e = data;
    e->nlines++;
    ck_assert(!strchr(line, '\n'));
    snprintf(e->log + strlen(e->log), sizeof e->log - strlen(e->log), "%s\n", line);
}

static const sk_transport_events pair_events = { on_state, on_control, on_room, on_place, on_chunk, on_sent, on_lost, on_log };

/* ---- ends ---- */

static sk_secret pair_secret = { "thirty-two bytes that are known" };

static void end_init(end *e, sk_auth_role role, unsigned char name, bool encrypt)
{
    memset(e, 0, sizeof *e);
    e->self = (sk_transport_self){ .role = role, .peer_roles = 1u << SK_ROLE_DRIVER | 1u << SK_ROLE_NODE, .build = { 7 }, .cluster = { { 9 } },
                                   .node = { { name } }, .secret = &pair_secret, .secret_name = "the secret of this run" };
    e->config = (sk_transport_config){ .me = &e->self, .kinds = pair_kinds, .nkinds = 2, .events = &pair_events, .data = e, .encrypt = encrypt,
                                       .clock = pair_now };
}

static void end_open(end *e)
{
    sk_error err = { 0 };
    e->t = sk_tcp_transport.open(&e->config, &err);
    ck_assert_msg(e->t != NULL, "%s", err.message);
}

static void end_listen(end *e, const char *address)
{
    sk_error err = { 0 };
    ck_assert_msg(sk_transport_listen(e->t, address, e->address, &err), "%s", err.message);
}

static void end_close(end *e)
{
    sk_transport_close(e->t);
    e->t = NULL;
    free(e->text);
    free(e->memory);
    e->text = e->memory = NULL;
}

/* ---- both of them ---- */

static end head, node;                     /* node dials head */

static unsigned descriptors(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static unsigned descriptors_before;

static void pair_open(bool encrypt)
{
    descriptors_before = descriptors();
    pair_clock = 1000 * (int64_t)SECOND;
    end_init(&head, SK_ROLE_DRIVER, 'h', encrypt);
    end_init(&node, SK_ROLE_NODE, 'n', encrypt);
    end_open(&head);
    end_open(&node);
    end_listen(&head, "");
}

static inline void pair_close(void)
{
    end_close(&node);
    end_close(&head);
    ck_assert_uint_eq(descriptors(), descriptors_before);
}

static void turn(end *e)
{
    if (e->t && !e->is_frozen)
        sk_transport_poll(e->t, 0);
}

/* Descriptors of either are ready, or calls are left over. */
static bool anything_to_do(int ms, int other)
{
    struct pollfd fds[3] = { { -1, POLLIN, 0 }, { -1, POLLIN, 0 }, { other, POLLIN, 0 } };
    end *ends[] = { &head, &node };
    for (int i = 0; i < 2; i++) {
        int64_t wait;
        if (!ends[i]->t || ends[i]->is_frozen)
            continue;
        fds[i].fd = sk_transport_watch(ends[i]->t, &wait);
        if (wait == 0)
            return true;
    }
    return poll(fds, 3, ms) > 0;
}

static void stuck_unless(bool goes_on, const char *condition)
{
    ck_assert_msg(goes_on, "nothing happens, and not: %s (head %s%u messages %llu bytes, node %s%u messages %llu bytes)", condition, head.states,
                  head.ncontrol, (unsigned long long)head.arrived[0], node.states, node.ncontrol, (unsigned long long)node.arrived[0]);
}

#define UNTIL(condition) do {                                                                               \
        while (!(condition)) {                                                                              \
            turn(&head);                                                                                    \
            turn(&node);                                                                                    \
            if (!(condition))                                                                               \
                stuck_unless(anything_to_do(PATIENCE_MS, -1), #condition);                                  \
        }                                                                                                   \
    } while (0)

/* Both have nothing to do any more. */
static inline void settle(void)
{
    do {
        turn(&head);
        turn(&node);
    } while (anything_to_do(0, -1));
}

static sk_peer dial_to(end *from, const char *address, const sk_id *who)
{
    sk_error err = { 0 };
    sk_peer peer = sk_transport_dial(from->t, address, who, NULL, &err);
    ck_assert_msg(peer.id != 0, "%s", err.message);
    return peer;
}

static inline void pair_connect(void)
{
    node.peer = dial_to(&node, head.address, NULL);
    UNTIL(head.last.state == SK_PEER_UP && node.last.state == SK_PEER_UP);
}

static inline sk_transport_sent send_text(end *from, uint16_t type, uint64_t req, const char *text)
{
    return sk_transport_send(from->t, from->peer, type, req, &(struct iovec){ (void *)text, strlen(text) }, 1);
}

static inline uint8_t bulk_byte(size_t i) { return (uint8_t)(i ^ i >> 8 ^ i >> 17); }

/* Byte by byte a hundred million of them would take ThreadSanitizer minutes, and nobody else has the memory yet. */
SK_NO_TSAN __attribute__((unused)) static uint8_t *bulk_bytes(size_t n)
{
    uint8_t *bytes = malloc(n);
    for (size_t i = 0; i < n; i++)
        bytes[i] = bulk_byte(i);
    return bytes;
}

static inline void end_make_room(end *e, size_t n)
{
    e->memory = calloc(1, n);
    e->room = n;
}

#endif
