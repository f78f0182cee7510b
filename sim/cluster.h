/* cluster.h -- the scheduler of backends with nodes: events in, commands out.
 *
 * It knows the nodes, where the objects are, which attempts run where and which tasks wait; it decides what starts
 * where and what is fetched from where, and nothing else. It has no clock, does no I/O, has no threads and calls nobody. A backend
 * tells it what has happened, then takes commands until there are none. Tasks and objects are numbers of the caller's. Equal
 * events and an equal seed give equal commands, on any machine.
 *
 *     queued --> pulling --> bound --> running <-> blocked --> (ended, died: forgotten)          queued <-> ahead --> running
 *        \ \________________________^                  a task that needs nothing pulled starts at once
 *         \-> parked                                   an argument has no copy anywhere: until there is one
 *
 * Pulling tasks are bound to a node, where their arguments are being fetched. They *claim* what they will take, so that the
 * node is not promised twice, but take it only when they start: meanwhile tasks that need nothing pulled may use it.
 *
 * A worker need not wait for its next task: one can be *sent ahead*, behind a task that runs. It has no cpus until that task has ended and
 * hands its own on, so what is taken is at all times what runs.
 *
 * What a program means (retry, fail, cancel, references) is the graph's. Reading order of the code: cluster_state.h, cluster.c
 * (events), cluster_ahead.c, cluster_place.c (what runs where), cluster_pull.c (objects and fetches), policy.c, cluster_look.c (questions).  */
#ifndef SK_CLUSTER_H
#define SK_CLUSTER_H

#include "resources.h"

enum { SK_MAX_NODES = 1 << 20, SK_MAX_PULLS = 8 };

typedef struct sk_cluster sk_cluster;

typedef struct sk_cluster_config {
    const char *policy;          /* NULL: "locality"; see policy.h */
    uint64_t seed;
    int64_t inline_bytes;        /* objects up to this size travel in messages: they have no copies, and cost nothing here */
    int64_t bytes_per_second;    /* what a transfer costs, for policies that weigh it (heft); 0: nothing */
    int64_t latency_ns;
    int pulls;                   /* fetches under way at once to one node; 0: SK_MAX_PULLS */
} sk_cluster_config;

/* NULL and *err (SK_MISUSE, with the list) if there is no such policy. */
sk_cluster *sk_cluster_new(const sk_cluster_config *config, sk_error *err);
void sk_cluster_free(sk_cluster *c);                        /* NULL is fine */

/* ---- 1. Events: nodes ---------------------------------------------------------------------------- */

typedef struct sk_cluster_node {
    sk_resource_pool pool;       /* totals; what is free in it is ignored */
    int64_t speed;               /* SK_UNITS is 1.0; 0 means that too */
    int64_t store_bytes;         /* whole bundles of arguments are pulled only while they fit in here; 0: no limit */
} sk_cluster_node;

/* Numbers are small and dense. false: it is up already, or the number is out of range. */
bool sk_cluster_node_up(sk_cluster *c, int node, const sk_cluster_node *spec);
/* It will come: counts for sk_cluster_is_feasible. NULL: it will not. */
void sk_cluster_expect(sk_cluster *c, int node, const sk_cluster_node *spec);
/* Attempts there are over (DIED for each that was started), queued tasks go elsewhere, copies there are gone, and so are
 * fetches from and to it: report no more of them. */
void sk_cluster_node_lost(sk_cluster *c, int node);
/* Starts nothing there (frozen, suspected, leaving) until told otherwise; what runs goes on. */
void sk_cluster_node_pause(sk_cluster *c, int node, bool paused);

/* ---- 2. Events: objects -------------------------------------------------------------------------- */

/* A sealed object has a copy at this node. rebuildable: a task made it, and can again; else it was put. One that was freed may come again. */
void sk_cluster_object(sk_cluster *c, uint64_t object, int64_t bytes, int node, bool rebuildable);
/* Nobody needs it any more. Fetches under way still end by arrived or fetch_failed. */
void sk_cluster_object_freed(sk_cluster *c, uint64_t object);
void sk_cluster_copy_gone(sk_cluster *c, uint64_t object, int node);    /* evicted there */
/* A get or wait at this node needs the bytes there: they are fetched before arguments. Asked twice, fetched once. */
void sk_cluster_wanted(sk_cluster *c, uint64_t object, int node);
/* `from` is to leave: what only it has is wanted at `to`. How many such there are still. */
size_t sk_cluster_rescue(sk_cluster *c, int from, int to);
/* Each FETCH ends by exactly one of these, but for those that a lost node ended. `attempt` is the command's; a stale one is
 * ignored. false: nobody needs these bytes (any more), drop them. A failed fetch is tried again, from elsewhere if it can. */
bool sk_cluster_arrived(sk_cluster *c, uint64_t object, int node, uint64_t attempt);
void sk_cluster_fetch_failed(sk_cluster *c, uint64_t object, int node, uint64_t attempt);

/* ---- 3. Events: tasks ---------------------------------------------------------------------------- */

typedef struct sk_cluster_task {
    uint64_t id;                 /* not in the cluster at the moment */
    uint64_t fn;                 /* the function, for estimates of how long it runs */
    uint64_t order;              /* of submission */
    sk_demand demand;
    int priority;                /* higher first, under every policy */
    int affinity;                /* this node only; -1: any */
    int home;                    /* the node of the task that submitted it; -1: none */
    int64_t cost_ns;             /* on a node of speed 1; 0: not known, the function's mean is used */
    int64_t rank;                /* b-level, the longest way to an exit; 0: not known, the cost is used */
    bool is_light;               /* may be sent ahead */
    const uint64_t *args;        /* borrowed. Objects the cluster was not told of are taken to be inline */
    size_t nargs;
} sk_cluster_task;

void sk_cluster_ready(sk_cluster *c, const sk_cluster_task *task);
bool sk_cluster_cancel(sk_cluster *c, uint64_t task);      /* true: it had not started, and is forgotten */
/* false: refuse the result, this attempt is not (or no longer) running. */
bool sk_cluster_ended(sk_cluster *c, uint64_t task, uint64_t attempt, int64_t duration_ns);
/* A waiting task lends its cpus and keeps its other resources. When it goes on it has them again at once: if others
 * took them the node is oversubscribed, and starts nothing until that is made good (as Ray does). false: stale. */
bool sk_cluster_blocked(sk_cluster *c, uint64_t task, uint64_t attempt);
bool sk_cluster_unblocked(sk_cluster *c, uint64_t task, uint64_t attempt);

/* ---- 4. Sending ahead -------------------------------------------------------------------------------
 *
 * For nodes whose workers are told what to do by messages: one that has the next task there already need not wait for a message. */

typedef struct sk_cluster_next_task { uint64_t task, attempt; int64_t expected_ns; int priority; } sk_cluster_next_task;

/* The task that would start next at this node if one more cpu was free there, if it is light, asks for one cpu and no more, needs nothing pulled,
 * and its function has taken at most `most_ns` so far. It is AHEAD then: like a blocked one, its cpu is lent. No command is given for it. */
bool sk_cluster_ahead(sk_cluster *c, int node, int64_t most_ns, sk_cluster_next_task *out);
/* `ended` has ended, and `next`, which is AHEAD at the same node, runs: with its cpu, and in its row (returned; -1: next is stale, and nothing has
 * happened). If `ended` is stale, next takes its cpu as a task does that was blocked. */
int sk_cluster_handed_on(sk_cluster *c, uint64_t ended, uint64_t attempt, int64_t duration_ns, uint64_t next, uint64_t next_attempt);
/* An attempt that has not begun, whatever was said of it: it is queued again, where it was. false: stale. */
bool sk_cluster_taken_back(sk_cluster *c, uint64_t task, uint64_t attempt);

/* ---- 5. Commands ---------------------------------------------------------------------------------- */

typedef enum sk_command_kind {
    SK_COMMAND_START = 1,   /* task, attempt, node, worker: run it; all its arguments are there */
    SK_COMMAND_FETCH,       /* object, attempt, from, node, bytes: at most `pulls` at once per node, one per object and node */
    SK_COMMAND_DIED,        /* task, attempt, node: its node was lost. The cluster has forgotten it; ready() tries it again */
    SK_COMMAND_REBUILD,     /* object; node, the last to lose a copy, or -1: no copy is left and something needs it. Answer: sk_cluster_object, when it is there again */
    SK_COMMAND_LOST,        /* object, node: it was put and no copy is left. Cancel what needs it; may come again for late comers */
} sk_command_kind;

typedef struct sk_command {
    sk_command_kind kind;
    int node, from;
    int worker;             /* a free row of the node; beyond its cpus where tasks wait or take less than one */
    uint64_t task, object;
    uint64_t attempt;       /* no two STARTs or FETCHes have the same */
    int64_t bytes;
} sk_command;

/* The oldest command that still holds (one that was overtaken by an event is never seen); false: there is none. */
bool sk_cluster_next(sk_cluster *c, sk_command *out);
/* While it is held no START is given out, in their order they wait; all else is. */
void sk_cluster_hold(sk_cluster *c, bool held);
bool sk_cluster_is_holding(const sk_cluster *c);        /* is there a START that waits for nothing else? */

/* ---- 6. Questions (none of them changes anything) -------------------------------------------------- */

/* Could some node, present or expected, ever run it? If not, says why: "asks for 4 cpus, the largest node has 2". */
bool sk_cluster_is_feasible(const sk_cluster *c, const sk_demand *demand, int affinity, char *why, size_t room);

typedef struct sk_cluster_view {
    sk_resource_pool pool;
    bool up, paused;
    int incarnation;        /* how often it came up */
    int running, blocked, bound, queued;    /* bound: pulling too; queued: in this node's own queue */
    int pulling, sending;   /* fetches under way */
} sk_cluster_view;

bool sk_cluster_look(const sk_cluster *c, int node, sk_cluster_view *out);    /* false: never heard of it */
int64_t sk_cluster_cpus_free(const sk_cluster *c, int node);                  /* below 0: oversubscribed */
int sk_cluster_nodes(const sk_cluster *c);                                    /* one more than the largest number */
size_t sk_cluster_resources(const sk_cluster *c, sk_resource *out, size_t max);    /* of all nodes that are up, "cpu" first */
/* Nodes with a copy, ascending; returns how many there are. */
size_t sk_cluster_copies(const sk_cluster *c, uint64_t object, int *nodes, size_t max);
bool sk_cluster_has_copy(const sk_cluster *c, uint64_t object, int node);
/* Does a bound or running task at this node have it as an argument? Then it must not be evicted. */
bool sk_cluster_is_pinned(const sk_cluster *c, uint64_t object, int node);
/* Why has this task not started? Fills `text`; returns a task that holds what it lacks, or 0. */
uint64_t sk_cluster_holder(const sk_cluster *c, uint64_t task, char *text, size_t room);
size_t sk_cluster_waiting(const sk_cluster *c);    /* tasks that have not started */
size_t sk_cluster_running(const sk_cluster *c);    /* blocked ones too */

/* Aborts, naming it, if something that must always hold does not. Looks at everything: for tests. */
void sk_cluster_check(const sk_cluster *c);

#endif
