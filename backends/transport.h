/* transport.h -- peers that send each other messages and objects: the table under the node runtime, whatever carries the bytes.
 *
 * The idea: the runtime of a node (head, node, object server) knows *peers*, not sockets. It dials some and others dial it; each peer is
 * authenticated before the runtime hears of it. Then there are two ways to send, and neither delays the other:
 *
 *   control    small messages, copied and queued, in order, bounded: a full queue says so, and says when there is room again
 *   bulk       ranges of the sender's memory, not copied, cut into chunks; the receiver says where each chunk's bytes go. Requests
 *              take turns, so a small object need not wait for a large one. A chunk is announced when it is whole and its checksum right
 *
 * A peer is a connection that was dialed from one end: if two nodes dial each other, each sees two peers. Use either.
 *
 * What becomes of a peer is told as states; DEAD is the last, has a reason in words, and comes by itself: from the end of the
 * connection, a protocol error, or silence (heartbeats). Silence is judged after reading, and of the time between two polls a heartbeat's counts at
 * most: so a process that was stopped for a while, perhaps together with its peers, does not take them for dead because of its own sleep.
 *
 *     CONNECTING -> AUTHENTICATING -> UP <-> SUSPECT -> DEAD          (DEAD from any of them)
 *
 * One thread: whoever polls makes all calls, the others only `wake`. No call but open, listen and dial (for a name) blocks, and no
 * thread is made. Events come out of poll alone, never out of another call; in an event any call is allowed but poll and close.
 *
 *     sk_transport_config config = { .me = &me, .kinds = kinds, .nkinds = N, .events = &events, .data = runtime };
 *     sk_transport *t = sk_tcp_transport.open(&config, err);
 *     sk_transport_listen(t, "127.0.0.1:0", printed, err)
 *     while (running)
 *         sk_transport_poll(t, SK_NEVER);                 ... events->control(...), which sends answers ...
 *     sk_transport_close(t);
 *
 * Reading order: peers; events; configuration; the table; the calls. */
#ifndef SK_TRANSPORT_H
#define SK_TRANSPORT_H

#include "auth.h"
#include "frame.h"

typedef struct sk_transport sk_transport;

enum {
    SK_TRANSPORT_CONTROL = 1 << 20,        /* a control message's bytes, at most */
    SK_TRANSPORT_CHUNK = 4 << 20,          /* a bulk chunk's bytes, at most */
    SK_TRANSPORT_TYPE = 16,                /* types of control messages from here on are the runtime's, those below the transport's */
    SK_TRANSPORT_PIECES = 64,              /* a call's pieces, at most */
    SK_TRANSPORT_ADDRESS = 300,            /* HOST:PORT as text, with its NUL */
    SK_TRANSPORT_WHY = 800,                /* a reason, with its NUL */
};

/* ---- Peers ---- */

typedef struct sk_peer {                   /* a name; all zeros is none. Stale ones are found out, so they may be kept */
    uint64_t id;
} sk_peer;

typedef enum sk_peer_state {
    SK_PEER_CONNECTING,                    /* dialed, nobody has answered yet */
    SK_PEER_AUTHENTICATING,
    SK_PEER_UP,
    SK_PEER_SUSPECT,                       /* silent for config.suspect_ns; a byte makes it UP again */
    SK_PEER_DEAD,
} sk_peer_state;

/* What may go wrong with a peer, for programs; `why` has it in words. */
typedef enum sk_peer_end {
    SK_PEER_ALIVE,
    SK_PEER_CLOSED,                        /* it has closed the connection, or has ended */
    SK_PEER_SILENT,                        /* config.dead_ns without a byte: frozen, or the link is cut */
    SK_PEER_UNREACHABLE,                   /* refused, no route, nobody answered in time */
    SK_PEER_REFUSED,                       /* secret, version, build, cluster, role, too busy: `refused` says which */
    SK_PEER_BROKEN,                        /* what it sent is not the protocol, or was damaged on the way */
    SK_PEER_LEFT,                          /* closed here, by sk_transport_drop */
} sk_peer_end;

typedef struct sk_peer_info {
    sk_peer_state state;
    sk_peer_end end;
    sk_auth_why refused;                   /* REFUSED */
    int error;                             /* UNREACHABLE: the system's errno, ECONNREFUSED where nobody listens; 0: it told none */
    const char *why;                       /* DEAD: "silent for 10.0 s", for the user; "" before */
    bool dialed;                           /* from here */
    bool encrypted;
    const sk_auth_hello *hello;            /* from UP on: its role, its name, its cluster; NULL before */
    const char *address;                   /* "10.0.0.7:7000": its end of the connection */
    int64_t heard_ns;                      /* when its last byte came; on config.clock */
    size_t control_queued;                 /* bytes that wait here to be sent */
    uint64_t bulk_queued;
    void *owner;                           /* the runtime's, see sk_transport_own */
} sk_peer_info;

/* ---- Events: what the runtime is told, from poll. All are required but `log` ---- */

typedef struct sk_transport_events {
    /* Its state has changed; a peer that dialed is first heard of when it is UP. After DEAD nothing more comes, no memory of the runtime's is
     * touched for it, and its name is stale: `info` is the last that is known. Bulk that was still to be sent has ended (bulk_sent, false). */
    void (*state)(void *data, sk_peer peer, const sk_peer_info *info);

    /* A control message. The bytes are borrowed, until the return. */
    void (*control)(void *data, sk_peer peer, uint16_t type, uint64_t req, const uint8_t *bytes, size_t size);

    /* After sk_transport_send has said FULL: there is room again. */
    void (*room)(void *data, sk_peer peer);

    /* A chunk comes: `size` bytes of request `req`, which belong at `offset` of it. Nothing about them has been checked: they may be none
     * of the request's. Returns where the bytes go, which must stay there until `bulk` or `bulk_lost` tells its end, or
     * sk_transport_forget, or DEAD; NULL: they are passed over. */
    void *(*bulk_place)(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size);

    /* The chunk is there, and its checksum is right. Until then the place may hold anything. Not called for what was passed over. */
    void (*bulk)(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size);

    /* What sk_transport_send_bulk was given is not needed here any more. sent: it has left; else it has not, not all of it. */
    void (*bulk_sent)(void *data, sk_peer peer, uint64_t req, bool sent);

    /* The way for bulk has broken, both directions; the peer lives. What was to come does not; what was to be sent has ended (bulk_sent, false). A
     * place that was given may hold anything, also where chunks of a request had been announced: so ask for each request that is not complete
     * again, from its beginning and under a new number. What is asked for after this event comes on a new way. */
    void (*bulk_lost)(void *data, sk_peer peer, const char *why);

    /* A line for the log, without newline; never secret. At most ten a second, then how many more there were. NULL: to nobody. */
    void (*log)(void *data, const char *line);
} sk_transport_events;

/* ---- Configuration: copied; what it points to is borrowed for as long as the transport is open. Zero means default ---- */

typedef struct sk_transport_self {         /* who this end is. Read at each handshake: whoever has joined a cluster writes its name here */
    sk_auth_role role;
    unsigned peer_roles;                   /* 1 << role, of those that may be peers */
    unsigned char build[32];
    sk_id cluster;                         /* all zero if it is not known yet: then only a head can be dialed */
    sk_id node;
    const sk_secret *secret;
    const char *secret_name;               /* for messages: its file, or "the secret of this run" */
    bool secret_is_file;                   /* that others can have: needed to listen or dial beyond loopback */
} sk_transport_self;

typedef struct sk_transport_config {
    const sk_transport_self *me;
    const sk_frame_kind *kinds;            /* control messages that may come: name and most bytes of type SK_TRANSPORT_TYPE + i; a NULL name: none */
    unsigned nkinds;
    const sk_transport_events *events;
    void *data;                            /* the events' first argument */
    bool encrypt;                          /* also on loopback; beyond it always */
    int64_t heartbeat_ns, suspect_ns, dead_ns;         /* 1 s, 3 s, 10 s. A frame must be whole in dead_ns too: 1 MiB, 4 MiB in bulk */
    int64_t dial_ns;                       /* from dial to UP at most: 5 s. Those who dial us have 5 s too */
    size_t control_room;                   /* bytes of control messages that may wait, for each peer: 4 MiB, at least 1 MiB and 64 KiB */
    int64_t (*clock)(void *data);          /* ns, never back; NULL: CLOCK_MONOTONIC */
} sk_transport_config;

typedef struct sk_transport_counts {       /* since it was opened */
    uint64_t accepted, dialed;             /* connections, those for bulk too */
    uint64_t shed;                         /* closed at once: too many that are not authenticated, or no descriptor */
    uint64_t refused;                      /* not authenticated: wrong, garbage, too much, too slow */
    uint64_t broken;                       /* authenticated, then not the protocol */
    uint64_t frames_in, frames_out, bytes_in, bytes_out;
    uint64_t log_lines_held;               /* not logged, because there were too many */
} sk_transport_counts;

typedef enum sk_transport_sent { SK_SENT, SK_SEND_FULL, SK_SEND_DEAD } sk_transport_sent;

/* ---- The table ---- */

typedef struct sk_transport_ops {
    const char *name;                      /* "tcp" */

    /* NULL: no descriptors, say; *err says what was asked, what was found, what to do. */
    sk_transport *(*open)(const sk_transport_config *config, sk_error *err);

    /* Lets peers dial `address`: HOST:PORT, HOST, :PORT, or "" (loopback, any port). May be called for several addresses. `printed` is what to tell
     * others: the address with the port that was chosen. false: taken, unknown, not this machine's, or wide without a secret file. */
    bool (*listen)(sk_transport *t, const char *address, char printed[SK_TRANSPORT_ADDRESS], sk_error *err);

    /* Begins to connect; the events say what comes of it. `node`: who must answer; NULL: whoever has the secret; in TLS, a head. The name of a host
     * is looked up here and now, which may take seconds; numbers do not. All zeros and *err: no such address, or no descriptor. */
    sk_peer (*dial)(sk_transport *t, const char *address, const sk_id *node, void *owner, sk_error *err);

    /* Queues a copy of the pieces, for the next poll; also before the peer is UP. FULL: nothing was queued, `room` will tell. DEAD: nobody is
     * there. A type or a size that config.kinds does not have is the caller's bug. */
    sk_transport_sent (*send)(sk_transport *t, sk_peer peer, uint16_t type, uint64_t req, const struct iovec *pieces, size_t n);

    /* Sends the pieces, one after the other, as bytes `offset` on of request `req`. The bytes stay valid and unchanged until bulk_sent
     * (the array need not). Not bounded: it holds no memory of the transport's but the array. false: the peer is dead, there is no event. */
    bool (*send_bulk)(sk_transport *t, sk_peer peer, uint64_t req, uint64_t offset, const struct iovec *pieces, size_t n);

    /* Sender: what has not left of this request does not; bulk_sent(false) comes when its bytes are free. */
    void (*cancel)(sk_transport *t, sk_peer peer, uint64_t req);

    /* Receiver: from the return on nothing is written to places given for this request; chunks on the way are passed over unless
     * bulk_place is asked for them anew. */
    void (*forget)(sk_transport *t, sk_peer peer, uint64_t req);

    /* Sends what is queued, waits at most `timeout_ns` (0: not at all, SK_NEVER) for something to happen, and tells the events. Returns
     * early when woken. */
    void (*poll)(sk_transport *t, int64_t timeout_ns);

    /* For who looks again and again: poll(0) for one peer, with whom there was to do last, which saves a system call. Others are not heard, so call poll
     * in between. Heartbeats are sent all the same. */
    void (*glance)(sk_transport *t);

    /* Sends what is queued, as far as the system takes it, and hears nobody. */
    void (*flush)(sk_transport *t);

    /* From any thread, and from a signal handler: the poll that runs, or else the next, returns at once. */
    void (*wake)(sk_transport *t);

    /* For another loop: a descriptor that is readable when poll has something to do, and how long it may wait at most (0: at once,
     * something is queued). Both are for the thread that polls. */
    int (*watch)(sk_transport *t, int64_t *timeout_ns);

    /* Valid until the next call of this transport. NULL: the name is stale. */
    sk_peer_info *(*peer)(sk_transport *t, sk_peer peer);

    /* Ends the peer: what is queued for it leaves if the system takes it at once, the rest does not. The events (bulk_sent, DEAD) come
     * from the next poll. */
    void (*drop)(sk_transport *t, sk_peer peer, const char *why);

    /* Other times from now on, for all peers: whoever has joined a cluster keeps to its pace. */
    void (*pace)(sk_transport *t, int64_t heartbeat_ns, int64_t suspect_ns, int64_t dead_ns);

    const sk_transport_counts *(*counts)(sk_transport *t);

    /* Everything, without events. Memory given by bulk_place or to send_bulk is not touched after it. NULL is fine. */
    void (*close)(sk_transport *t);
} sk_transport_ops;

struct sk_transport {                      /* what each transport begins with */
    const sk_transport_ops *ops;
};

extern const sk_transport_ops sk_tcp_transport;            /* tcp_transport.c */

/* ---- The calls: each is its slot's ---- */

static inline bool sk_transport_listen(sk_transport *t, const char *address, char printed[SK_TRANSPORT_ADDRESS], sk_error *err)
{ return t->ops->listen(t, address, printed, err); }
static inline sk_peer sk_transport_dial(sk_transport *t, const char *address, const sk_id *node, void *owner, sk_error *err)
{ return t->ops->dial(t, address, node, owner, err); }
static inline sk_transport_sent sk_transport_send(sk_transport *t, sk_peer peer, uint16_t type, uint64_t req, const struct iovec *pieces, size_t n)
{ return t->ops->send(t, peer, type, req, pieces, n); }
static inline bool sk_transport_send_bulk(sk_transport *t, sk_peer peer, uint64_t req, uint64_t offset, const struct iovec *pieces, size_t n)
{ return t->ops->send_bulk(t, peer, req, offset, pieces, n); }
static inline void sk_transport_cancel(sk_transport *t, sk_peer peer, uint64_t req) { t->ops->cancel(t, peer, req); }
static inline void sk_transport_forget(sk_transport *t, sk_peer peer, uint64_t req) { t->ops->forget(t, peer, req); }
static inline void sk_transport_poll(sk_transport *t, int64_t timeout_ns) { t->ops->poll(t, timeout_ns); }
static inline void sk_transport_glance(sk_transport *t) { t->ops->glance(t); }
static inline void sk_transport_flush(sk_transport *t) { t->ops->flush(t); }
static inline void sk_transport_wake(sk_transport *t) { t->ops->wake(t); }
static inline int sk_transport_watch(sk_transport *t, int64_t *timeout_ns) { return t->ops->watch(t, timeout_ns); }
static inline const sk_peer_info *sk_transport_peer(sk_transport *t, sk_peer peer) { return t->ops->peer(t, peer); }
static inline void sk_transport_drop(sk_transport *t, sk_peer peer, const char *why) { t->ops->drop(t, peer, why); }
static inline void sk_transport_pace(sk_transport *t, int64_t heartbeat_ns, int64_t suspect_ns, int64_t dead_ns)
{ t->ops->pace(t, heartbeat_ns, suspect_ns, dead_ns); }
static inline const sk_transport_counts *sk_transport_count(sk_transport *t) { return t->ops->counts(t); }
static inline void sk_transport_close(sk_transport *t) { if (t) t->ops->close(t); }

/* The runtime's own record of the peer, which then is in each info; false: the name is stale. */
static inline bool sk_transport_own(sk_transport *t, sk_peer peer, void *owner)
{
    sk_peer_info *info = t->ops->peer(t, peer);
    if (info)
        info->owner = owner;
    return info;
}

#endif
