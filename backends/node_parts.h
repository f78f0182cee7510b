/* node_parts.h -- a node from inside: what its parts share. node.h has the idea, node_wire.h what it says and hears.
 *
 * One thread does all of it, and nothing in it waits but `rest` in node.c. What goes to the head is said by sk_node_say, which keeps what the
 * connection has no room for: then the node is *full*, and hears nothing of its workers until there is room again. So what is kept is bounded by
 * what the head itself has asked for.
 *
 * A worker's stream is bytes to this node. What comes for it (TO) goes into its ring as far as there is room, the rest into a queue; what it says
 * goes on (FROM) as far as the head's window allows, the rest stays in the ring, and then the worker waits. */
#ifndef SK_NODE_PARTS_H
#define SK_NODE_PARTS_H

#include "ear.h"
#include "node.h"
#include "node_wire.h"
#include "idmap.h"
#include "process.h"
#include "shm.h"
#include "shm_spill.h"

#include <glib.h>

/* ---- The parts ---- */

typedef struct node_slot {                 /* a place for a worker process */
    struct node *node;
    unsigned number;                       /* its arena's owner is node->first + number */
    uint32_t life;
    sk_process process;                    /* page NULL: there is none */
    uint8_t *queue;                        /* of SK_NODE_WINDOW bytes, used round: `queued` from `queue_at` on, which its ring had no room for */
    size_t queue_at, queued;
    uint32_t owed;                         /* bytes that have gone into its ring, and the head has not been told */
    uint32_t under_way;                    /* FROM it, and the head has not TAKEN them */
    bool has_spoken, doomed;               /* doomed: the signal that ends it is our doing */
    bool prints, ends, reaped;             /* prints, ends: its descriptors say so */
    bool starved;                          /* ended for want of memory: */
    char words[400];                       /* why we have ended it; "": we have not */
} node_slot;

typedef struct node_peer {                 /* the head, or another node: one connection */
    sk_peer peer;
    sk_id id;
    bool is_head, dialed;
    struct node_peer *next;
} node_peer;

typedef struct node_pull {                 /* a block that comes */
    uint64_t req, ask;                     /* the head's number of it, and ours for the peer */
    uint64_t place, size, got;             /* got: bytes behind the header */
    uint8_t header[SK_NODE_BLOB];
    node_peer *from;
    bool is_second;                        /* it has been asked for again */
    int64_t began;
    struct node_pull *next;
} node_pull;

typedef struct node_send {                 /* a block that goes */
    sk_peer to;
    uint64_t req, place, size;
    uint8_t *part;                         /* what is being sent of it, read from the file, where all but its first page is. NULL: it is in memory */
    bool waits;                            /* for a part that another gives back: nothing was given to the transport yet */
    uint64_t sent;                         /* bytes behind the header that the transport was given */
    bool is_gone;                          /* the peer has been told NOTHING, or does not want it: only its end is awaited */
    struct node_send *next;
} node_send;

typedef struct node_late { uint16_t type; uint64_t req; GByteArray *payload; } node_late;

typedef struct node {
    sk_node_order order;
    sk_transport_self self;
    sk_transport *transport;
    char serves_at[SK_TRANSPORT_ADDRESS];
    int signals, epoll;
    bool stirred;                          /* something has happened since this was last looked at */

    node_peer head;                        /* peer.id 0: there is none, and it is to be dialed at `dial_at`, until `dial_until` */
    char head_at[SK_TRANSPORT_ADDRESS];    /* the address at which it has answered once, also in an earlier life; "": none yet */
    bool is_up, welcome;                   /* the head has proven itself; has said WELCOME */
    int64_t dial_at, dial_until, lost_since, gone_at;   /* lost_since: when it was heard last; gone_at: when that was noticed; of the life before */
    bool has_waited, asks_why;             /* asks_why: it has been refused for its functions, and is a tool now; with which words: */
    char refusal[SK_TRANSPORT_WHY];
    bool full;
    GArray *late;                          /* node_late: what there was no room for */

    int64_t leave_at;                      /* it wants to leave, and does so then at the latest; SK_NEVER: it does not */
    bool over, again;                      /* it ends; then another beginning, under a new id */
    int status;
    char why[SK_TRANSPORT_WHY + 200];

    unsigned number, owners, first, nslots;             /* of WELCOME, up to: */
    uint64_t seed, memory;
    int64_t start, head_wait;
    bool labels;
    node_slot *slots, **active;            /* active: those with a process */
    unsigned nactive;
    bool must_ask;                         /* some process has no pidfd: an old kernel */
    sk_bell *bell;
    int bell_fd, wake_fd;
    sk_ear ear;
    sk_process_kills kills;

    sk_shm *space;
    sk_spill *spill;
    sk_idmap spilled;                      /* node_away, by place */
    node_peer *peers;
    node_pull *pulls;
    node_send *sends;                      /* the last first */
    sk_spill_parts parts;                  /* of all of them */
    uint64_t asks;                         /* the last number of a SEND of ours */
} node;

/* ---- node.c ---- */

int64_t sk_node_now(void);                                     /* CLOCK_MONOTONIC, ns */
void sk_node_say(node *n, const sk_node_msg *m);               /* to the head */
void sk_node_end(node *n, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));      /* the first call counts */
void sk_node_nonsense(node *n, const char *format, ...) __attribute__((format(printf, 2, 3)));             /* what the head said cannot be */
enum { NODE_WATCH_TRANSPORT, NODE_WATCH_WAKE, NODE_WATCH_SIGNALS, NODE_WATCH_SLOTS, NODE_WATCH_EXIT = 0, NODE_WATCH_PRINTS = 1 };
void sk_node_goodbye(node *n);                                 /* n->why, to the head */
void sk_node_print(const char *format, ...) __attribute__((format(printf, 1, 2)));     /* a line for who looks on */
bool sk_node_watch(node *n, int fd, uint64_t what);            /* one of the first three; or NODE_WATCH_SLOTS + 2 * slot + one of the last two */
/* A block of the cluster's space? Then there is its arena, too. `what` of the head's needs it; false: it has been said why not, in *err. */
bool sk_node_place(node *n, uint64_t place, uint64_t size, sk_error *err);

/* ---- node_head.c ---- */

void sk_node_dial(node *n);
void sk_node_head_is_up(node *n, const sk_peer_info *info);
void sk_node_head_is_gone(node *n, const sk_peer_info *info);
void sk_node_hear_head(node *n, const sk_node_msg *m);

/* ---- node_workers.c ---- */

bool sk_node_workers_open(node *n, sk_error *err);             /* WELCOME has come */
void sk_node_workers_close(node *n);                           /* all are killed */
bool sk_node_workers_hear(node *n, const sk_node_msg *m);      /* START TO TAKEN ARENA SIGNAL CLOSE; false: m is another */
void sk_node_workers_turn(node *n);                            /* whatever can be done now */
bool sk_node_workers_call(node *n);                            /* is there something? Asked before the node sleeps */
void sk_node_starve(node *n, unsigned owner, const char *why); /* whose memory cannot be had: its worker ends */

/* ---- node_objects.c ---- */

void sk_node_objects_close(node *n);
void sk_node_objects_turn(node *n);                            /* after each poll: sends that have waited */
/* SEND NOTHING ABANDON, and of the head FILL DROP HEADER PULL SPILL RESTORE FORGET; false: m is another. */
bool sk_node_objects_hear(node *n, node_peer *from, const sk_node_msg *m);
void sk_node_peer_is_up(node *n, sk_peer peer, const sk_peer_info *info);      /* one that has dialed us; or we it */
void sk_node_peer_is_gone(node *n, node_peer *p, const char *why);             /* any, the head too */
void *sk_node_bulk_place(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size);
void sk_node_bulk(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size);
void sk_node_bulk_sent(void *data, sk_peer peer, uint64_t req, bool sent);
void sk_node_bulk_lost(void *data, sk_peer peer, const char *why);

/* ---- node_spill.c: pages that the head has had written to a file ---- */

void sk_node_spill_out(node *n, const sk_node_msg *m);         /* SPILL, RESTORE */
void sk_node_spill_back(node *n, const sk_node_msg *m);
void sk_node_spill_forget(node *n, uint64_t place);            /* FORGET; nothing of it need be there */
bool sk_node_spill_is_away(node *n, uint64_t place);           /* in the file only */
/* A part of what was spilled: from memory, if it is there again, else from the file. false: it is nowhere any more; or it cannot be read, and the node has ended. */
bool sk_node_spill_read(node *n, uint64_t place, uint64_t from, void *bytes, size_t size);
void sk_node_spill_close(node *n);

#endif
