/* cluster_state.h -- what the cluster remembers: for cluster*.c and policy.c only.
 *
 * Who is on which list decides what may happen to it:
 *
 *   task    in one queue (QUEUED), on one object's list (PARKED), or on one of its node's three lists (the other states)
 *   queue   tasks of equal demand, priority and place: if its head does not fit a node, none of it does. So a scheduling decision
 *           looks at heads of queues, not at tasks
 *   node    two accounts: `pool` is what is free, `plan` what is neither taken nor claimed by bound tasks (plan <= pool)
 *   fetch   one per (object, receiving node): parked on its object, queued at the node, or under way               */
#ifndef SK_CLUSTER_STATE_H
#define SK_CLUSTER_STATE_H

#include "cluster.h"
#include "idmap.h"
#include "policy.h"
#include "room.h"

typedef struct sk_task_record sk_task_record;
typedef struct sk_task_list { sk_task_record *first, *last; int n; } sk_task_list;
typedef struct sk_queue sk_queue;

typedef struct sk_shape {            /* a demand that tasks have in common */
    sk_demand demand;
    int64_t *want;                   /* the same as columns of the room trees */
    sk_queue *steal_first, *steal_last;    /* nodes' own queues with tasks of this shape: any node may take from them */
} sk_shape;

typedef struct sk_entry { int64_t key; sk_task_record *task; } sk_entry;    /* the smaller key first, then order, then id */

struct sk_queue {                    /* a 4-ary heap */
    sk_shape *shape;
    int priority;
    int node;                        /* whose it is; -1: common */
    bool hard;                       /* these tasks may run at `node` only */
    bool is_stealable;               /* on its shape's list */
    int held;                        /* a node that is kept free for the head of this queue, or -1 */
    uint32_t n, room;
    sk_entry *heap;
    sk_queue *next, *prev;
};

typedef struct sk_object_record {
    uint64_t id;
    uint64_t serial;
    int64_t bytes;
    struct sk_object_record *next, *prev;       /* all of them, oldest first */
    union { int32_t few[2]; int32_t *many; };   /* nodes with a copy, ascending; `many` when room > 2 */
    uint32_t copies, room;
    uint32_t needed, users;                     /* arguments of tasks that have not started; of all tasks */
    uint32_t fetches;
    struct sk_fetch *wants;                     /* gets that wait for a copy to exist */
    sk_task_list parked;
    bool is_rebuildable, is_freed;
    bool is_told;                               /* REBUILD or LOST was said */
    int32_t last_node;                          /* that had a copy and lost it; -1 */
} sk_object_record;

typedef enum { SK_PARKED, SK_QUEUED, SK_PULLING, SK_BOUND, SK_RUNNING, SK_BLOCKED } sk_task_place;

struct sk_task_record {
    uint64_t id;
    uint64_t order;
    int64_t key, cost;
    uint64_t attempt;
    sk_shape *shape;
    union {
        struct { sk_task_record *next, *prev; };      /* PARKED, PULLING, BOUND, RUNNING, BLOCKED */
        struct { sk_queue *queue; uint32_t heap_at; };    /* QUEUED */
    };
    int32_t priority, affinity, home;
    int32_t node, worker;
    uint32_t fn, nargs;
    uint8_t place;                   /* sk_task_place */
    bool is_told;                    /* the caller has seen its START */
    bool is_admitted;                /* PULLING: its fetches may be issued */
    bool is_light, is_ahead;         /* is_ahead: BLOCKED before it has run, in no row */
    sk_object_record *args[];        /* those the cluster knows, and only those; PARKED: on the list of the first */
};

typedef enum { SK_FETCH_WAITS, SK_FETCH_QUEUED, SK_FETCH_UNDER_WAY } sk_fetch_place;

typedef struct sk_fetch {
    uint64_t key;                    /* object's serial, node */
    sk_object_record *object;
    uint64_t attempt;
    struct sk_fetch *next, *prev;
    int32_t node, from;
    uint8_t place;
    bool is_get;                     /* not just an argument */
} sk_fetch;

typedef struct sk_fetch_list { sk_fetch *first, *last; int n; } sk_fetch_list;

typedef struct sk_node_record {
    sk_resource_pool pool, plan;
    int64_t speed, store_bytes, pulling_bytes;    /* pulling_bytes: of admitted bundles */
    int incarnation;
    bool is_up, is_paused, is_expected, is_dirty;
    bool is_closed;                  /* a bound task lacks cpus here: it comes first */
    sk_queue *held_for;
    sk_queue **queues;               /* its own and the hard ones */
    int nqueues, queued;             /* queued: tasks in them */
    sk_task_list pulling, bound, running, blocked;
    sk_fetch_list gets, arguments, under_way;
    int sending;
    uint64_t *rows;                  /* bits of worker rows that are taken */
    int nrows;                       /* words */
} sk_node_record;

typedef struct sk_fn_record { uint64_t id; uint32_t index; } sk_fn_record;
typedef struct sk_fn_mean { int64_t work; int64_t n; } sk_fn_mean;

enum { SK_COLUMN_CPUS, SK_COLUMN_SPEED, SK_COLUMN_NAMES };

struct sk_cluster {
    const sk_policy *policy;
    int64_t inline_bytes, bytes_per_second, latency_ns;
    int pulls;
    uint64_t place_stream, key_stream, source_stream;    /* one for each purpose: a draw more in one moves no other */

    sk_node_record *nodes;
    int nnodes, rooms;               /* rooms: allocated */
    int next_node;                   /* where the search for room goes on */
    int64_t *speeds;                 /* that nodes have, fastest first, each once */
    int nspeeds;
    int *feasible_at;                /* who asked last found a node here: a guess that no answer depends on */
    sk_room idle, planned;           /* pool and plan of the nodes that may start tasks */
    GPtrArray *names;                /* of the columns from SK_COLUMN_NAMES on */
    GArray *dirty;                   /* nodes that may have room for more, int */

    GHashTable *shape_of;            /* sk_demand -> sk_shape: looked up, never walked */
    GPtrArray *shapes, *common;      /* common: queues of no node */
    sk_shape *last_shape;
    sk_idmap tasks, objects, fetches, fns;
    GArray *means;
    sk_object_record *first_object, *last_object;
    uint64_t serial, attempts;
    size_t waiting, running;

    sk_command *commands;            /* a ring */
    size_t first_command, ncommands, command_room;
    bool holds;                          /* STARTs wait */
};

/* cluster.c */
void sk_cluster_command(sk_cluster *c, sk_command command);
void sk_cluster_touch(sk_cluster *c, int node);          /* may have room for more: looked at when the event is done */
void sk_cluster_settle_down(sk_cluster *c);               /* the last thing every event does */
void sk_cluster_learn(sk_cluster *c, const sk_task_record *t, int64_t duration_ns);
void sk_cluster_forget(sk_cluster *c, sk_task_record *t);
sk_task_record *sk_cluster_attempt(sk_cluster *c, uint64_t task, uint64_t attempt);    /* RUNNING or BLOCKED; NULL: it is fenced */
uint64_t sk_cluster_draw(uint64_t *stream);
void sk_task_list_add(sk_task_list *list, sk_task_record *t);
void sk_task_list_remove(sk_task_list *list, sk_task_record *t);

/* cluster_place.c */
void sk_queue_free(void *queue);
void sk_shape_free(void *shape);
sk_shape *sk_place_shape(sk_cluster *c, const sk_demand *demand);
void sk_place_columns(const sk_cluster *c, sk_shape *shape);
void sk_place_settle(sk_cluster *c, sk_task_record *t);  /* not on any list: start it, bind it, queue it or park it */
void sk_place_unqueue(sk_cluster *c, sk_task_record *t);
void sk_place_withdraw(sk_cluster *c, sk_task_record *t); /* the same, of a task that will not run: the next one gets its chance */
void sk_place_unbind(sk_cluster *c, sk_task_record *t);  /* PULLING or BOUND: gives up its claim; on no list then */
void sk_place_release(sk_cluster *c, sk_task_record *t); /* RUNNING or BLOCKED: gives back all; on no list then */
void sk_place_arrived(sk_cluster *c, sk_task_record *t); /* PULLING and all is there */
void sk_place_fill(sk_cluster *c, int node);
sk_task_record *sk_place_pick(sk_cluster *c, int node);  /* what would start there; it stays where it is */
int sk_place_take_row(sk_node_record *n);
void sk_place_show(sk_cluster *c, int node);             /* writes the node's leaves of the trees */
bool sk_place_is_before(const sk_task_record *a, const sk_task_record *b);

/* cluster_place.c, for policies. May the task be bound to (or start at) this node now? */
bool sk_place_may(const sk_cluster *c, const sk_task_record *t, int node);
/* The next node where it may, from `from` on and round; -1: none. At least `speed`, if that is not 0. */
int sk_place_find(const sk_cluster *c, const sk_task_record *t, int from, int64_t speed);

/* cluster_pull.c */
bool sk_pull_is_there(const sk_object_record *o, int node);
int64_t sk_pull_missing(const sk_task_record *t, int node);    /* bytes of arguments to fetch */
sk_object_record *sk_pull_lost(const sk_task_record *t);       /* an argument without a copy, or NULL */
void sk_pull_serve(sk_cluster *c, int node);                   /* admits bundles, starts fetches */
void sk_pull_unbundle(sk_cluster *c, sk_task_record *t);       /* PULLING no more */
void sk_pull_park(sk_cluster *c, sk_task_record *t, sk_object_record *lost);
void sk_pull_unpark(sk_task_record *t);
void sk_pull_need(sk_task_record *t);                          /* it waits for its arguments to be there (again) */
void sk_pull_unneed(sk_task_record *t);                        /* started or cancelled */
void sk_pull_forget(sk_cluster *c, sk_task_record *t);         /* it is over: its arguments may go */
bool sk_pull_is_current(sk_cluster *c, const sk_command *fetch);
void sk_pull_node_lost(sk_cluster *c, int node);
int32_t *sk_pull_copies(sk_object_record *o);
bool sk_pull_has_copy(const sk_object_record *o, int node);

#endif
