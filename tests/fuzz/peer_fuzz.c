/* peer_fuzz.c -- a peer that knows the secret and means no good: any frames of the transport's own (tcp_frames.h) and of the runtime's, in any order, on a
 * link for control and on links for bulk, while time passes and the runtime makes calls of its own, in events too.
 *
 * Over real sockets on loopback; time is the input's. Whatever comes, the transport goes on, an end is told once with words, no byte is written to a place
 * that was not given or was taken back, and what was given to be sent is told of exactly once.
 *
 * Input:  side u8: bit 0 the transport dials (else it is dialed), then steps, each an op u8 (% 6) and
 *   0, 1  a frame on the link for control (0) or on the newest for bulk (1): type u8, request u8 (255: UINT64_MAX), size u8, so many bytes
 *   2     time passes: tenths of a second u8
 *   3     the peer has a new link for bulk: number u8, 255: UINT64_MAX (where the transport dials: it gets the next that was dialed)
 *   4     the runtime calls: what u8 (send bulk, cancel, forget, send), request u8
 *   5     in the next event it makes that call: what u8, request u8                                                                          */
#include "backends/tcp_frames.h"
#include "backends/transport.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(what) do { if (!(what)) { fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what); abort(); } } while (0)

enum { ROOM = 4096, NLINKS = 8, TURNS = 200, PATIENCE_MS = 5000, TENTH = 100000000 };

static struct play {
    sk_transport *t;
    sk_transport_self self;
    sk_peer peer;
    bool is_up, is_dead, dials;
    int64_t clock;
    struct sockaddr_in at;                 /* where the transport listens; or the peer, at the door */
    int door, fds[NLINKS];                 /* [0]: control; the rest for bulk */
    unsigned nfds;
    sk_frame_writer writers[NLINKS];
    unsigned sending, told;                /* send_bulk and bulk_sent */
    uint8_t place[ROOM];
    bool is_given;                         /* a chunk is on its way into it */
    uint64_t given_to;
    int next_call, next_request;           /* -1: none */
} p;

static const sk_secret secret = { "thirty-two bytes that are known" };
static const uint8_t sent[600];

/* ---- the runtime ---- */

static void call(int what, uint64_t request)
{
    struct iovec piece = { (void *)sent, sizeof sent };
    if (what % 4 == 0)
        p.sending += sk_transport_send_bulk(p.t, p.peer, request, 0, &piece, 1);
    else if (what % 4 == 1)
        sk_transport_cancel(p.t, p.peer, request);
    else if (what % 4 == 2) {
        sk_transport_forget(p.t, p.peer, request);
        if (p.is_given && p.given_to == request) {
            p.is_given = false;
            memset(p.place, 0xee, sizeof p.place);
        }
    } else
        (void)sk_transport_send(p.t, p.peer, SK_TRANSPORT_TYPE, request, &piece, 1);
}

static void call_in_event(void)
{
    int what = p.next_call;
    p.next_call = -1;
    if (what >= 0)
        call(what, (uint64_t)p.next_request);
}

static int64_t now(void *data) { (void)data; return p.clock; }

static void on_state(void *data, sk_peer peer, const sk_peer_info *info)
{
    (void)data;
    if (info->state == SK_PEER_UP && !p.is_up)
        p.is_up = true, p.peer = peer;
    if (peer.id == p.peer.id && info->state == SK_PEER_DEAD) {
        HOLDS(!p.is_dead && *info->why && info->end != SK_PEER_ALIVE);
        p.is_dead = true;
        p.is_given = false;
    }
    call_in_event();
}

static void on_control(void *data, sk_peer peer, uint16_t type, uint64_t req, const uint8_t *bytes, size_t size)
{
    (void)data, (void)peer, (void)req, (void)bytes;
    HOLDS(type == SK_TRANSPORT_TYPE && size <= 1000);
    call_in_event();
}

static void on_room(void *data, sk_peer peer) { (void)data, (void)peer; call_in_event(); }

static void *on_place(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size)
{
    (void)data, (void)peer;
    bool fits = offset <= ROOM && size <= ROOM - offset;
    p.is_given = fits;
    p.given_to = req;
    return fits ? p.place + offset : NULL;
}

static void on_bulk(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size)
{
    (void)data, (void)peer;
    HOLDS(p.is_given && p.given_to == req && offset + size <= ROOM);
    p.is_given = false;
    call_in_event();
}

static void on_sent(void *data, sk_peer peer, uint64_t req, bool all) { (void)data, (void)peer, (void)req, (void)all; p.told++; call_in_event(); }
static void on_lost(void *data, sk_peer peer, const char *why) { (void)data, (void)peer; HOLDS(*why); p.is_given = false; call_in_event(); }

static const sk_transport_events events = { on_state, on_control, on_room, on_place, on_bulk, on_sent, on_lost, NULL };
static const sk_frame_kind kinds[] = { { "TEXT", 1000, false } };

/* ---- the peer ---- */

static const sk_frame_kind any_kinds[20] = { [0 ... 19] = { "ANY", 1000, false } };
static const sk_frame_rules any = { any_kinds, 20, SK_FRAME_CONTROL, false };

/* Until nothing is left to do; a bounded number of turns, as the runtime may always have something. What comes to the peer is thrown away. */
static void turn(void)
{
    char rest[4096];
    for (int i = 0; i < TURNS; i++) {
        int64_t wait;
        sk_transport_poll(p.t, 0);
        for (unsigned k = 0; k < p.nfds; k++)
            while (p.fds[k] >= 0 && recv(p.fds[k], rest, sizeof rest, MSG_DONTWAIT) > 0)
                continue;
        struct pollfd it = { .fd = sk_transport_watch(p.t, &wait), .events = POLLIN };
        if (wait > 0 && poll(&it, 1, 0) == 0)
            return;
    }
}

/* The handshake on a connected socket. false: the transport has closed it. */
static bool prove(int fd)
{
    sk_auth a;
    bool accepts = p.dials;
    sk_auth_begin(&a, &(sk_auth_spec){ .accepts = accepts, .secret = &secret, .role = accepts ? SK_ROLE_DRIVER : SK_ROLE_NODE,
                                       .peer_roles = 1u << (accepts ? SK_ROLE_NODE : SK_ROLE_DRIVER), .cluster = { { 9 } }, .node = { { 5 } } });
    for (size_t n; a.state != SK_AUTH_FAILED; ) {
        unsigned char bytes[SK_AUTH_MOST];
        const unsigned char *out = sk_auth_output(&a, &n);
        if (n && send(fd, out, n, MSG_NOSIGNAL) == (ssize_t)n)
            sk_auth_wrote(&a, n);
        if (a.state == SK_AUTH_DONE)
            break;
        sk_transport_poll(p.t, 0);
        ssize_t got = recv(fd, bytes, sk_auth_wants(&a), MSG_DONTWAIT);
        int64_t wait;
        struct pollfd both[2] = { { .fd = fd, .events = POLLIN }, { .fd = sk_transport_watch(p.t, &wait), .events = POLLIN } };
        if (got > 0)
            sk_auth_take(&a, bytes, (size_t)got);
        else if (got == 0 || (wait > 0 && poll(both, 2, PATIENCE_MS) <= 0))
            break;
    }
    bool done = a.state == SK_AUTH_DONE;
    sk_auth_clear(&a);
    return done;
}

static void say(unsigned link, unsigned type, uint64_t request, const uint8_t *bytes, size_t n)
{
    unsigned char frame[SK_FRAME_HEADER + 256];
    if (link >= p.nfds || p.fds[link] < 0)
        return;
    if (n)
        memcpy(frame + SK_FRAME_HEADER, bytes, n);
    size_t whole = sk_frame_seal(&p.writers[link], frame, &(sk_frame_head){ .type = (uint16_t)type, .request = request },
                                 &(struct iovec){ frame + SK_FRAME_HEADER, n }, 1);
    (void)!send(p.fds[link], frame, whole, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* One more link: dialed by the peer, or accepted, if the transport has dialed one. */
static void add_link(uint64_t number)
{
    if (p.nfds == NLINKS)
        return;
    int fd = p.dials ? accept4(p.door, NULL, NULL, SOCK_CLOEXEC) : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    HOLDS(p.dials || connect(fd, (struct sockaddr *)&p.at, sizeof p.at) == 0);
    unsigned link = p.nfds++;
    p.writers[link] = (sk_frame_writer){ &any, 0 };
    p.fds[link] = fd;
    if (!prove(fd)) {
        close(fd);
        p.fds[link] = -1;
    } else if (!p.dials) {
        say(link, SK_TCP_OPEN, number, NULL, 0);
    }
    turn();
}

static void begin(bool dials)
{
    sk_error err;
    char address[SK_TRANSPORT_ADDRESS];
    socklen_t size = sizeof p.at;
    p = (struct play){ .dials = dials, .clock = (int64_t)1000 * 1000000000, .door = -1, .next_call = -1,
                       .at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
                       .self = { .role = dials ? SK_ROLE_NODE : SK_ROLE_DRIVER, .peer_roles = 1u << SK_ROLE_NODE | 1u << SK_ROLE_DRIVER,
                                 .cluster = { { dials ? 0 : 9 } }, .node = { { 'h' } }, .secret = &secret } };
    p.t = sk_tcp_transport.open(&(sk_transport_config){ .me = &p.self, .kinds = kinds, .nkinds = 1, .events = &events, .clock = now }, &err);
    HOLDS(p.t);
    if (dials) {
        p.door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        HOLDS(bind(p.door, (struct sockaddr *)&p.at, size) == 0 && listen(p.door, NLINKS) == 0 && getsockname(p.door, (struct sockaddr *)&p.at, &size) == 0);
        snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(p.at.sin_port));
        p.peer = sk_transport_dial(p.t, address, NULL, NULL, &err);
        HOLDS(p.peer.id);
        sk_transport_poll(p.t, 0);
    } else {
        HOLDS(sk_transport_listen(p.t, "", address, &err));
        p.at.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    }
    add_link(0);
    HOLDS(p.is_up);
}

static uint64_t number_of(uint8_t byte) { return byte == 255 ? UINT64_MAX : byte; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    begin(data[0] & 1);
    for (size_t at = 1; at + 3 < size && !p.is_dead; ) {
        uint8_t op = data[at] % 6, a = data[at + 1], b = data[at + 2];
        size_t n = data[at + 3];
        at += 3;
        switch (op) {
        case 0: case 1:
            at++;
            n = n < size - at ? n : size - at;
            say(op ? p.nfds - 1 : 0, a % 20, number_of(b), data + at, n);
            at += n;
            break;
        case 2: p.clock += a * (int64_t)TENTH; break;
        case 3: add_link(number_of(a)); break;
        case 4: call(a, b); break;
        case 5: p.next_call = a, p.next_request = b; break;
        }
        turn();
        for (size_t i = 0; i < ROOM && !p.is_given && p.place[0] == 0xee; i++)
            HOLDS(p.place[i] == 0xee);     /* taken back, and not written to since */
    }
    sk_transport_drop(p.t, p.peer, "that is all");
    turn();
    HOLDS(p.is_dead && p.sending == p.told);
    sk_transport_close(p.t);
    for (unsigned i = 0; i < p.nfds; i++)
        if (p.fds[i] >= 0)
            close(p.fds[i]);
    if (p.door >= 0)
        close(p.door);
    return 0;
}
