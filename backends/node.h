/* node.h -- the process that is a node of a cluster, apart from the driver's: worker processes and memory, which a head decides about. What it
 * and the head say to each other is node_wire.h.
 *
 * The idea. It is the driver's program once more, diverted before main like a worker (sim/divert.h), with SKATE_WORKER=node: so it has the same
 * remote functions, and can start workers by executing itself. What it is to do, its *order*, comes in descriptor 3: the end of a pipe, for the
 * secret is in it, and arguments and environments can be read by others. Who starts one:
 *
 *     sk_node_order order = { .head = "127.0.0.1:7000", .workers = 2, .has_secret = true, .secret = secret, .parent = getpid() };
 *     int fd = sk_node_order_send(&order, err);
 *     sk_child_start(&c, &(sk_child_spec){ .argv = argv, .env = (const char *[]){ "SKATE_WORKER=node", NULL }, .fds = &fd, .nfds = 1 }, err)
 *
 * and closes fd. What the node has to say goes to stderr, but for what `says` asks for. It ends with one of the statuses below.
 *
 * Reading order of the node itself: node_parts.h, node.c (the loop), node_head.c, node_workers.c, node_objects.c. */
#ifndef SK_NODE_H
#define SK_NODE_H

#include "secret.h"
#include "transport.h"

#include <sys/types.h>

/* How a node ends. Numbers as in sysexits.h. */
enum {
    SK_NODE_DONE = 0,                      /* the run is over, or it was told to end (SIGINT, SIGTERM) */
    SK_NODE_REFUSED = 65,                  /* by the head: another version or other functions, its name is taken, there are too many; it says why */
    SK_NODE_UNABLE = 70,                   /* the system does not give it what it needs, or the order is none */
    SK_NODE_HEAD_LOST = 69,                /* HEAD_LOST: the head has never answered, or is gone, and has not come back */
    SK_NODE_NONSENSE = 76,                 /* what the head said is not the protocol */
    SK_NODE_STRANGER = 77,                 /* the head has another secret, or is none */
};

typedef struct sk_node_order {
    char head[SK_TRANSPORT_ADDRESS];       /* HOST:PORT */
    char serve[SK_TRANSPORT_ADDRESS];      /* where other nodes get objects from it: as for sk_transport_listen. "": loopback */
    char name[64];                         /* of the node; "": the head gives it one */
    char resources[300];                   /* "gpu=1" */
    unsigned workers;                      /* that work at a time: 1 at least */
    uint64_t store_bytes;                  /* what its objects may take; 0: 30 % of the machine's memory */
    int64_t wait_ns;                       /* for a head that does not answer yet */
    uint64_t mark;                         /* by which the head knows its own child, whatever others are called; 0: it is none. At most INT64_MAX */
    pid_t parent;                          /* that has started it, and with which it dies; 0: none */
    bool says;                             /* lines for who looks on: that it has joined, and why it ends */
    bool has_secret;                       /* `secret`, of this run; else it is in the file */
    sk_secret secret;
    char secret_file[1024];
} sk_node_order;

/* The end of a pipe with the order in it, close-on-exec; -1: *err says why. */
int sk_node_order_send(const sk_node_order *order, sk_error *err);

/* By the node: reads it to its end, and closes it. false: it is not one. */
bool sk_node_order_receive(int fd, sk_node_order *order, sk_error *err);

/* What a node does instead of main; see sk_worker_divert. */
_Noreturn void sk_node_main(void);

#endif
