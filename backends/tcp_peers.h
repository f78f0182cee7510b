/* tcp_peers.h -- the TCP transport from inside: who its peers are, what they are told, when they are given up.
 *
 * What they say to each other is in tcp_frames.h. A peer has a link for control, dialed or accepted, and perhaps one for bulk, which the end that
 * dialed the first makes when somebody needs it: its own send_bulk, or WANT_BULK from the other end. OPEN says which of that peer's it is, whose node_id
 * the handshake has shown. As the second link could overtake the first, it is not dialed before a frame has come back on the first; so that one does, a
 * HEARTBEAT answers OPEN.
 *
 * If a link for bulk breaks, the end that notices says BULK_LOST(n) on the control link, before anything that is sent later; the other closes its
 * end of n too, and both tell their runtime. Numbers only grow, so a link that was made meanwhile is not meant. A link that could not be made (the other
 * end is busy, there is no descriptor here) was none: nobody is told, what is to be sent waits, and after a while the next is tried.
 *
 * Files: tcp_transport.c the table, the loop, time and the log; tcp_listen.c who comes; tcp_peers.c control, life and death;
 * tcp_bulk.c the links for bulk. */
#ifndef SK_TCP_PEERS_H
#define SK_TCP_PEERS_H

#include "bulk.h"
#include "tcp_frames.h"

#include <glib.h>

enum {
    SK_TCP_UNKNOWN_MOST = 64,              /* accepted links that are not authenticated */
    SK_TCP_LISTENERS = 8,
};

typedef struct sk_tcp sk_tcp;

typedef struct sk_tcp_link {
    sk_link link;
    sk_tcp *tcp;
    struct sk_tcp_peer *peer;              /* NULL: accepted, and not known yet */
    uint64_t number;                       /* of links for bulk: from 1 on; 0: control */
    bool is_dirty;                         /* on the list of those to flush */
    struct sk_tcp_link *next, *prev;       /* of all that are not closed */
} sk_tcp_link;

typedef struct sk_tcp_peer {
    sk_tcp *tcp;
    sk_peer name;
    sk_peer_info info;
    sk_auth_hello hello;
    char address[SK_TRANSPORT_ADDRESS], why[SK_TRANSPORT_WHY];
    sk_address tries[SK_ADDRESS_MOST];     /* dialed: its addresses, and which is tried */
    size_t ntries, trying;
    bool has_node;
    sk_id node;                            /* dialed: who must answer */
    int64_t deadline;                      /* until UP */
    int64_t heard;                         /* when its last byte came, on the clock that stands while we are away */
    sk_tcp_link *control, *bulk;           /* NULL: none, or closed */
    uint64_t bulk_number, bulk_lost;       /* the highest yet, and of those that are lost */
    bool wants_bulk;                       /* accepted: WANT_BULK has been said for the next number */
    unsigned bulk_failures;                /* links for bulk that were open, and over which nothing went, in a row */
    int64_t bulk_again;                    /* dialed: when to try once more to make one; 0: as soon as one is wanted */
    int64_t bulk_vain;                     /* since when none could be made, by `heard`'s clock; 0: the last one could */
    bool was_full;                         /* SEND_FULL has been said */
    bool is_back;                          /* SUSPECT, and a byte has come: UP is to be told */
    bool doomed;                           /* its end is to be told: info.end and why */
    bool has_chores;
    sk_bulk_out out;
    sk_bulk_in in;
} sk_tcp_peer;

typedef struct sk_tcp_listener {
    sk_watch watch;
    sk_tcp *tcp;
    int fd;
    bool paused;                           /* until the next tick: there was no descriptor to be had */
} sk_tcp_listener;

struct sk_tcp {
    sk_transport base;
    sk_transport_config config;
    sk_frame_kind *kinds;                  /* the transport's and the runtime's */
    sk_frame_rules opening, control, bulk;
    int epoll, reserve;
    struct { sk_watch watch; int fd; } bell;
    sk_tcp_listener listeners[SK_TCP_LISTENERS];
    unsigned nlisteners, unknown;          /* unknown: accepted links that are not authenticated */
    GPtrArray *peers;                      /* by number, NULL: free; */
    GArray *generations;                   /* of each number: how often it was given */
    GPtrArray *dirty, *flushing, *closed;  /* links to flush; that are being flushed; to free when nobody looks at them any more */
    GPtrArray *chores;                     /* peers that poll has to do something about */
    sk_tcp_link *links;
    sk_tcp_link *hot;                      /* for control, over which something of the runtime's went last; NULL: none, or it is closed */
    int64_t now, check;                    /* check: when time may have something to say, at the earliest */
    int64_t looked, away;                  /* when poll last looked at the clock; for how long in all this process was stopped, or busy elsewhere */
    bool crowded;                          /* more events than one look took: silence is not judged */
    bool closing;                          /* no events any more */
    sk_transport_counts counts, shown;     /* without those of links that live; with */
    struct { int64_t begins; unsigned lines; uint64_t held; } log;
    struct { unsigned told; uint64_t n; int64_t last; } turned;    /* away: for which reasons it has been told, how many since, and when the last */
};

/* ---- tcp_transport.c ---- */

void sk_tcp_log(sk_tcp *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sk_tcp_look_at(sk_tcp *t, int64_t when);          /* check is then, or before */
sk_tcp_link *sk_tcp_link_new(sk_tcp *t, sk_tcp_peer *peer);    /* NULL: accepted, nobody knows from whom */
void sk_tcp_discard(sk_tcp_link *l);                   /* a closed one */
void sk_tcp_abandon(sk_tcp_link *l);                   /* one that never had a connection */
int64_t sk_tcp_now(sk_tcp *t);
void sk_tcp_dirty(sk_tcp_link *l);                     /* something is queued */
void sk_tcp_chore(sk_tcp_peer *p);                     /* poll is to look after it */

/* ---- tcp_listen.c ---- */

bool sk_tcp_listen(sk_transport *base, const char *address, char printed[SK_TRANSPORT_ADDRESS], sk_error *err);
void sk_tcp_listen_again(sk_tcp *t);                   /* those that were paused */
int sk_tcp_reserve(void);                              /* a descriptor to give up when there is no other; -1: there is none */
bool sk_tcp_may_leave(const sk_tcp *t, const char *address, const char *verb, sk_error *err);      /* is there a secret for more than loopback? */

/* ---- tcp_peers.c ---- */

extern const sk_link_user sk_tcp_user;                 /* of every link */
sk_peer sk_tcp_dial(sk_transport *base, const char *address, const sk_id *node, void *owner, sk_error *err);
sk_peer sk_tcp_dial_all(sk_tcp *t, const sk_address *addresses, size_t n, const sk_id *node, void *owner, sk_error *err);    /* of one host */
sk_tcp_peer *sk_tcp_peer_of(sk_tcp *t, sk_peer peer);  /* NULL: stale */
void sk_tcp_doom(sk_tcp_peer *p, sk_peer_end end, const char *format, ...) __attribute__((format(printf, 3, 4)));
void sk_tcp_bury(sk_tcp_peer *p);                      /* tells its end, and forgets it */
void sk_tcp_free_peer(sk_tcp_peer *p);
void sk_tcp_judge(sk_tcp_peer *p);                     /* what time has to say about it */
void sk_tcp_tell_back(sk_tcp_peer *p);                 /* that it is UP again, if it is */
int64_t sk_tcp_awake(const sk_tcp *t);                 /* a clock that stands while this process is stopped, or busy elsewhere */
void sk_tcp_judge_unknown(sk_tcp_link *l);

/* Dials l->link.other; `node` must answer, NULL: whoever has the secret, a head. */
bool sk_tcp_begin(sk_tcp_link *l, const sk_id *node, const sk_id *cluster, sk_error *err);

/* ---- tcp_bulk.c ---- */

void sk_tcp_dial_bulk(sk_tcp_peer *p);
void sk_tcp_want_bulk(sk_tcp_peer *p);                 /* there is something to send: sees that there is a link, or will be */
void sk_tcp_miss_bulk(sk_tcp_peer *p, const char *why);        /* a link that was dialed could not be made; p->bulk is closed already */
void sk_tcp_lose_bulk(sk_tcp_peer *p, uint64_t number, const char *why, bool tell_it);         /* p->bulk is closed already; tells the runtime */
void sk_tcp_hear_of_loss(sk_tcp_peer *p, uint64_t number, const char *why);    /* the other end's link of this number is no more */
void sk_tcp_attach_bulk(sk_tcp_link *l, sk_tcp_peer *p, uint64_t number);      /* accepted, and OPEN(number) has come */
void sk_tcp_tell_over(sk_tcp_peer *p);                 /* bulk_sent */

#endif
