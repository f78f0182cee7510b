/* tcp.h -- the head of a cluster of several nodes: what its parts share. See tcp.c for the idea. */
#ifndef SK_TCP_H
#define SK_TCP_H

#include "ear.h"
#include "idmap.h"
#include "node_table.h"
#include "node_wire.h"
#include "processes.h"
#include "shm_spill.h"

enum { TCP_MOST_NODES = 64, TCP_CLOCKS = 8,        /* a place's hosts are bits of one word; questions for the time at a joining */
       TCP_PATIENCE_S = 30 };                      /* with nodes that this process starts, and theirs with it */

/* The other end of a host. */
typedef struct tcp_link {
    struct tcp *cluster;
    pn_host *host;                     /* NULL: it has not joined yet, or is gone */
    sk_peer peer;
    sk_id id;
    char name[64], address[SK_TRANSPORT_ADDRESS], serves[SK_TRANSPORT_ADDRESS], resources[300];
    unsigned workers;
    uint64_t store_bytes, mark;        /* mark: what it says for that of a child of this process: see tcp_child_of */
    unsigned clocks;                   /* answers to CLOCK that are still to come */
    int64_t round_trip, offset;        /* the quickest of them, and its clock minus ours then */
    int64_t asked;                     /* to join, then, and it has not been decided: 0: it has not asked, or it has been */
    bool has_joined, is_suspect, is_leaving, is_lost;
    char why[SK_TRANSPORT_WHY];
    sk_shm_far pages;
    bool pulling;                      /* pages at `pulled` are had by a PULL, and need no FILL; or it has given them back itself */
    uint64_t pulled;
    struct tcp_link *next;
} tcp_link;

/* What pn_worker has not, of one that is far; by slot. */
typedef struct tcp_worker {
    sk_ring_end sink, feed;            /* the other ends of process.to and process.from */
    uint32_t life;
    uint64_t sent, taken;              /* of `to`: bytes that left; that the node has passed on */
    uint64_t owed;                     /* of `from`: the node was told of so many that were read here */
    sk_lines out, err;
    bool dirty;
    char *fate;                        /* it has ended: how. Owned */
    sk_code code;
    bool failed;                       /* it has never been */
    pn_worker *next;                   /* dirty, or ended */
} tcp_worker;

/* The scheduler's name of bytes. */
typedef struct tcp_name {
    uint64_t key;                      /* first: sk_idmap finds it. An object */
    struct tcp_place *place;
    struct tcp_name *next;             /* of the same place */
} tcp_name;

/* Bytes that a host has got from another. */
typedef struct tcp_copy {
    struct tcp_place *of;
    struct tcp_copy *next;             /* of the same place */
    struct tcp_copy *before, *after;   /* not pinned: in the order of use, of its host */
    uint64_t serial;                   /* no other has it */
    unsigned pins;
    int host;
    bool for_good;                     /* one of the pins is the program's */
} tcp_copy;

typedef struct tcp_copies { tcp_copy *oldest, *newest; _Atomic uint64_t idle; } tcp_copies;     /* that are not pinned; their bytes */

/* Bytes at a place, and who has them. */
typedef struct tcp_place {
    uint64_t place;                    /* first: sk_idmap finds it */
    size_t size;
    uint64_t hosts;                    /* a bit for each that has them */
    uint16_t sent[TCP_MOST_NODES];     /* how often each has sent them */
    tcp_name *names;
    tcp_copy *copies;
    struct tcp_fetch *fetches;
} tcp_place;

/* One FETCH of the scheduler, from its command to its end. */
typedef struct tcp_fetch {
    uint64_t req;                      /* first: sk_idmap finds it */
    uint64_t key, attempt;
    sk_blob *blob;                     /* with a reference: its place is not given to another meanwhile */
    int from, to;                      /* from: -1 while all that have the bytes are sending them to others */
    pn_pin held;                       /* there */
    int64_t began;
    size_t left;                       /* to us: bytes that have not come yet */
    bool relays;                       /* to us, for another node that cannot get them from there; the scheduler does not know of it */
    bool refills;                      /* to the place here where it was made: sk_shm_refill */
    bool has_relay;                    /* one was made for this one */
    struct tcp_fetch *next;            /* of the same place */
    struct tcp_fetch *same;            /* others that want the same bytes at the same node, under other names */
} tcp_fetch;

/* A node cannot get bytes from another, though both have a link to us. */
typedef struct tcp_cut { int64_t until; unsigned times; } tcp_cut;

/* Bytes that leave this process. */
typedef struct tcp_sending {
    uint64_t req;
    sk_peer peer;
    sk_blob *blob;
    uint64_t serial;                   /* pinned. 0: it is not, for it is a copy, or: */
    uint8_t *part;                     /* what is being sent of it, read from the file, where all but its first page is. NULL: it is in memory */
    bool waits;                        /* for a part that another gives back: nothing was given to the transport yet */
    size_t sent;                       /* bytes that the transport was given */
    struct tcp_sending *next;
} tcp_sending;

typedef struct tcp {
    pnode pn;
    sk_transport *transport;
    sk_transport_self self;
    sk_secret *secret;                     /* sk_secret_new */
    char address[SK_TRANSPORT_ADDRESS];
    char called[SK_TRANSPORT_ADDRESS];         /* the same, for others to dial */
    tcp_link *links;
    tcp_link *by_host[TCP_MOST_NODES];
    char reasons[TCP_MOST_NODES][200];         /* "node 2 (lab7), which was silent for 10 s": of those that were lost */
    sk_node_table table;                       /* of `asking`, a node that has other functions */
    sk_peer asking;
    tcp_worker *workers;
    pn_worker *dirty, *ended;
    bool some_lost, some_ask, some_leave, begun, something;
    int64_t leavers_at;                /* some_leave: when those are looked at again */
    int64_t polled;                    /* when the network was looked at last */
    int watch_fd, keeper_fd, call_fd;  /* keeper_fd: an epoll over watch_fd and the bell's descriptor, for the keeper alone, and over call_fd, a timer */
    _Atomic bool is_called;            /* the timer runs: when it ends the keeper looks whether anybody waits */
    _Atomic int64_t left_at;           /* when nobody waited any more */
    _Atomic bool is_polled;            /* some thread sleeps in poll */
    sk_bell others;                    /* those that sleep meanwhile sleep by this */
    sk_ear ear;
    _Atomic int64_t due;               /* when the transport has something to do */
    _Atomic int64_t polled_until, kept_until;          /* until when who is in poll, and the keeper, sleep at most; 0: nobody does */
    _Atomic bool is_muted;             /* the keeper hears nothing: others turn the loop */
    sk_idmap places, names, fetches;
    tcp_copies copies[TCP_MOST_NODES];
    uint64_t copies_made;
    tcp_cut cuts[TCP_MOST_NODES][TCP_MOST_NODES];      /* from, to */
    uint64_t requests;
    tcp_sending *sending;              /* the last first */
    sk_spill_parts parts;              /* of all of them */
    GArray *again;                     /* fetches that have failed, to be told of at a time: tcp_retry */
    size_t pulls;                      /* gets that wait for bytes */
    unsigned complaints;               /* about bytes that did not come */
    unsigned expected;
    sk_child *children;                /* the nodes that this process has started */
    uint64_t *marks;                   /* each of them says its own when it joins, and nobody else knows it */
    unsigned nchildren;
    pthread_t usher;
    bool has_usher;
    _Atomic int started;               /* by the usher: 1 all, -1 no */
    sk_error usher_error;
    int usher_fd;
} tcp;

static inline tcp *tcp_of(pnode *n) { return (tcp *)n; }
/* The cluster's pace: its nodes hear of it in WELCOME. */
static inline int64_t tcp_heartbeat(tcp *c) { int64_t ns = c->pn.base.settings->heartbeat_ns; return ns ? ns : (int64_t)1000000000; }
static inline int64_t tcp_dead_after(tcp *c) { int64_t ns = c->pn.base.settings->dead_ns; return ns ? ns : (int64_t)10 * 1000000000; }
static inline tcp_link *tcp_link_of(pnode *n, int host) { return tcp_of(n)->by_host[host]; }

/* tcp.c */
void tcp_say(tcp *c, tcp_link *l, const sk_node_msg *m);           /* nothing, if it is gone */

/* tcp_workers.c: processes of other nodes */
bool tcp_start(pn_worker *w);
void tcp_signal(pn_worker *w, int sig);
void tcp_give_arena(pn_worker *w, unsigned owner);
void tcp_wrote(pn_worker *w);
void tcp_recall(pn_worker *w, uint8_t first, uint8_t last);
void tcp_clear(pn_worker *w);
bool tcp_flush_workers(tcp *c);
bool tcp_bury_ended(tcp *c);
void tcp_hear_worker(tcp *c, tcp_link *l, const sk_node_msg *m);   /* FROM, TAKEN, OUTPUT, EXITED, FAILED, GATES */

/* tcp_objects.c: where the bytes are */
static inline uint64_t tcp_bit(int host) { return (uint64_t)1 << host; }
static inline uint64_t tcp_place_of(tcp *c, const sk_blob *blob) { return sk_shm_offset(c->pn.store, blob); }
static inline sk_blob *tcp_blob_of(tcp *c, uint64_t place) { return sk_shm_at(c->pn.store, place); }
static inline int tcp_maker_of(tcp *c, uint64_t place) { return pn_host_of(&c->pn, sk_shm_owner(c->pn.store, place))->number; }
static inline size_t tcp_size_of(const sk_blob *blob) { return sizeof *blob + blob->size; }
sk_blob *tcp_blob_of_key(uint64_t key);                            /* the scheduler's. NULL: freed, or lost */
void tcp_wake_pulls(tcp *c, uint64_t key);                         /* those who wait for these bytes look again */
size_t tcp_keys(pnode *n, sk_task *t, uint64_t *keys);
void tcp_made(pnode *n, sk_blob *blob);
void tcp_freed(pnode *n, sk_blob *blob, size_t size);
void tcp_sealed(sk_backend *self, uint64_t object, size_t bytes, bool made);
void tcp_object_freed(sk_backend *self, uint64_t object);
bool tcp_pull(sk_backend *self, uint64_t object, int64_t deadline);
bool tcp_end_pulls(tcp *c);                                        /* nothing can bring those bytes. true: there were some */
void tcp_clear_objects(tcp *c);                                    /* and all fetches */

/* tcp_room.c: copies, and which of them go when a store is full. With the turn */
void tcp_name_place(tcp *c, tcp_place *p, uint64_t key);           /* no matter if it is one already */
void tcp_forget_name(tcp *c, uint64_t key);
void tcp_add_copy(tcp *c, tcp_place *p, int host);
void tcp_remove_copy(tcp *c, tcp_place *p, int host);              /* no pages are told; there need be none */
void tcp_forget_place(tcp *c, tcp_place *p);                       /* with names and copies */
bool tcp_pin_copy(pn_host *h, const sk_blob *blob, bool for_good); /* these are slots of pn_far, */
void tcp_unpin_copy(pn_host *h, const sk_blob *blob, uint64_t serial);
uint64_t tcp_copy_serial(pn_host *h, const sk_blob *blob);
size_t tcp_copy_takes(pn_host *h, const sk_blob *blob);
size_t tcp_idle_copies(pn_host *h);
bool tcp_drop_copy(pn_host *h);                                    /* up to here */
pn_pin tcp_hold(tcp *c, int host, const sk_blob *blob);            /* while they are sent from there */
void tcp_let_go(tcp *c, pn_pin *held);                             /* all zeros is fine */

/* tcp_fetch.c: how they come where they are needed */
void tcp_fetch_command(tcp *c, const sk_command *command);
void tcp_hear_object(tcp *c, tcp_link *l, const sk_node_msg *m);   /* ARRIVED, MISSED, SEND, NOTHING, UNSPILLED */
void *tcp_bulk_place(tcp *c, sk_peer peer, uint64_t req, uint64_t offset, size_t size);
void tcp_bulk(tcp *c, sk_peer peer, uint64_t req, size_t size);
void tcp_bulk_lost(tcp *c, sk_peer peer);
void tcp_lose_objects(tcp *c, tcp_link *l);                        /* that node is gone */
bool tcp_retry(tcp *c);                                            /* fetches whose time has come */
void tcp_clear_fetches(tcp *c);

/* tcp_send.c: how they leave this process */
void tcp_send_bytes(tcp *c, tcp_link *l, const sk_node_msg *m);    /* SEND */
void tcp_bulk_sent(tcp *c, sk_peer peer, uint64_t req, bool sent);
void tcp_begin_sendings(tcp *c);                       /* after each poll: those that have waited */
void tcp_forget_waiting(tcp *c, sk_peer peer);         /* who asked does not wait for them any more */
bool tcp_give_up(pn_host *h, const sk_blob *blob, const char *why);            /* a slot of pn_far */
void tcp_let_sendings_go(tcp *c);                      /* they hold nothing in the store any more */
void tcp_clear_sendings(tcp *c);                       /* once the transport is closed, which may look at what is being sent until then */

/* tcp_nodes.c: who joins, and who is lost */
bool tcp_open_nodes(tcp *c, sk_error *err);                        /* starts those that this process starts, waits for all that are expected */
void tcp_close_nodes(tcp *c);
void tcp_peer_state(tcp *c, sk_peer peer, const sk_peer_info *info);
void tcp_hear_node(tcp *c, tcp_link *l, const sk_node_msg *m);     /* JOIN, TIME, LEAVING, GOODBYE */
bool tcp_lose_nodes(tcp *c);
void tcp_let_leave(tcp *c);                                        /* those that want to, and whom nobody needs any more */
void tcp_admit_nodes(tcp *c);                                      /* those that have asked, when it is known whether their names are free */
void tcp_status(tcp *c, sk_peer peer);
void tcp_hear_functions(tcp *c, sk_peer peer, const sk_node_msg *m);
void tcp_host_fails(pn_host *h, const char *how);

/* tcp_children.c: those that this process starts */
bool tcp_start_children(tcp *c, sk_error *err);
unsigned tcp_child_of(const tcp *c, uint64_t mark);                /* the number that the child of this mark has; 0: it is none of ours */
const char *tcp_child_has_ended(const tcp *c);                     /* in words; NULL: none has */
void tcp_end_children(tcp *c);
bool tcp_kill(int node, int worker, char *why, size_t room); /* see sk_live_kill */

#endif
