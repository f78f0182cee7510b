/* policy.h -- which task first, and where: the part of the cluster that is meant to be exchanged.
 *
 * A policy orders the tasks that wait (key), picks a node for one that becomes ready (place), and says in whose queue one waits
 * that found no room (queue). All else is the same for all, and makes every policy *greedy*: place must name a node
 * if any has room, and a node that gets room takes the best of its own queue, else of the common ones, else what waits at
 * another node. So without transfers Graham's bound holds for each: max(T1/P, Tinf) <= C <= T1/P + Tinf (1 - 1/P) (Graham, 1969). */
#ifndef SK_POLICY_H
#define SK_POLICY_H

#include "base.h"

struct sk_cluster;
struct sk_task_record;

typedef struct sk_policy {
    const char *name;
    /* The smaller goes first among tasks of equal priority; ties by submission. */
    int64_t (*key)(struct sk_cluster *c, const struct sk_task_record *t, int64_t rank);
    /* A node where sk_place_may holds, or -1 if there is none. */
    int (*place)(struct sk_cluster *c, const struct sk_task_record *t);
    /* The node in whose queue it waits, or -1: the common queue. NULL: always common. */
    int (*queue)(struct sk_cluster *c, const struct sk_task_record *t);
    bool seeks_bytes;        /* a node with room may prefer one of the first few tasks for the bytes it has of it */
} sk_policy;

/* NULL and *err if there is none; NULL names the default. */
const sk_policy *sk_policy_find(const char *name, sk_error *err);
/* "locality random ...", the default first, in `room`, which it returns. */
const char *sk_policy_names(char *room, size_t size);

#endif
