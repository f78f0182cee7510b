/* network.h -- the simulated network: bytes flow between nodes, and flows that meet at a network card share it.
 *
 * The model: a flow of B bytes from one node to another waits for the latency, then moves at a rate. Each node's card has a bandwidth out
 * and one in: a *link* each; the cables between are wide enough. Rates are *max-min fair* (Bertsekas and Gallager, Data Networks, 6.5):
 * no flow could go faster but at the cost of one that is not faster. Then every flow has a *bottleneck*: a full link where
 * nobody is faster than it.
 *
 * The idea that makes it fast: all flows with the same bottleneck have the same rate, the link's *share*. So a link owns the flows whose
 * bottleneck it is, and has a clock of its own, of the bytes that each of them has got so far. A flow is finished when this clock
 * shows what it showed at the flow's start plus its bytes (its *tag*; Parekh and Gallager's virtual time, ToN'93). When a share changes, the
 * clock runs faster or slower, and no flow need be touched: one pending event a link, for its lowest tag. Rescheduling
 * each flow at each change makes 219 M events, 98 % of them stale, of a million flows.
 *
 * All arithmetic is on integers: a rate is in 2^-44 bytes a second, an amount in 2^-44 * 10^-9 bytes. So results are the
 * same everywhere, and exact where the closed form is: one flow takes latency + B * 10^9 / bandwidth ns, rounded up.
 *
 *     flow = sk_network_start(net, now, from, to, bytes, my_number);
 *     at = sk_network_next(net);                  when to come back
 *     sk_network_advance(net, at, on_done, me);   on_done(me, my_number) for every flow that is finished then    */
#ifndef SK_NETWORK_H
#define SK_NETWORK_H

#include "base.h"

#define SK_UNLIMITED INT64_MAX                /* a bandwidth */
#define SK_MOST_FLOW_BYTES 1000000000000000   /* 10^15: amounts fit into 128 bits */

typedef struct sk_network sk_network;
typedef void (*sk_network_done)(void *data, uint64_t user);

typedef struct sk_network_counts {
    uint64_t started, done;       /* flows */
    uint64_t events;              /* taken from the queue */
    uint64_t relaxed;             /* how often a link's share was looked at */
    uint64_t bytes;               /* of flows that are done */
} sk_network_counts;

/* Nodes are 0 .. nodes-1. bandwidth: bytes a second each way, of all nodes; 0 or SK_UNLIMITED: without limit. latency: ns. */
sk_network *sk_network_new(uint32_t nodes, int64_t latency, int64_t bandwidth);
void sk_network_free(sk_network *net);        /* NULL is fine */

/* Of one node; 0: nothing moves. For slow nodes, and for frozen ones. */
void sk_network_set_bandwidth(sk_network *net, int64_t now, uint32_t node, int64_t out, int64_t in);

/* Returns the flow's number, valid until it is reported (done or lost) or stopped. `bytes` from 0; within one node it takes no time. Times never
 * go backwards, and what was due before `now` must have been taken (sk_network_advance). */
uint32_t sk_network_start(sk_network *net, int64_t now, uint32_t from, uint32_t to, int64_t bytes, uint64_t user);
/* Nobody wants it any more. */
void sk_network_stop(sk_network *net, int64_t now, uint32_t flow);

/* When the next thing happens; SK_NEVER. */
int64_t sk_network_next(const sk_network *net);
/* Goes on to time `to`, and calls `done` for each flow that finishes, in the order of time and, at one time, of their starts. `done` may start and
 * stop flows at sk_network_now(net). */
void sk_network_advance(sk_network *net, int64_t to, sk_network_done done, void *data);
int64_t sk_network_now(const sk_network *net);

/* No bytes pass between the two, either way. Flows between them wait for the repair, or, if `lost` is given, end and are
 * reported to it in the order of their starts. Those that start meanwhile wait. Cutting twice needs repairing twice. */
void sk_network_cut(sk_network *net, int64_t now, uint32_t a, uint32_t b, sk_network_done lost, void *data);
void sk_network_repair(sk_network *net, int64_t now, uint32_t a, uint32_t b);
bool sk_network_is_cut(const sk_network *net, uint32_t a, uint32_t b);
/* All flows from and to this node end and are reported. */
void sk_network_lose(sk_network *net, int64_t now, uint32_t node, sk_network_done lost, void *data);

int64_t sk_network_rate(const sk_network *net, uint32_t flow);           /* bytes a second, rounded down */
sk_network_counts sk_network_count(const sk_network *net);

#endif
