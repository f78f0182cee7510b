/* virtual.h -- the simulated cluster: what its parts share. See virtual.c for the idea. */
#ifndef SK_VIRTUAL_H
#define SK_VIRTUAL_H

#include "cluster.h"
#include "cluster_file.h"
#include "events.h"
#include "fiber.h"
#include "lane.h"
#include "network.h"
#include "stores.h"

#include <pthread.h>

/* Who can wait for a time or for bytes: a running task, or a thread of the program in a call. */
typedef struct agent {
    struct run *run;                   /* NULL: the program's */
    uint32_t handle;                   /* of its one event: the time it waits for */
    bool due;                          /* that time has come */
    uint64_t pulls;                    /* the object it waits for the bytes of; 0: none */
    int node;
    bool moved;                        /* the program's: the node where it waited for bytes is gone */
    bool lends;                        /* its cpus, to whoever makes what it waits for once more */
    struct agent *next;                /* of those that wait for bytes, or of the free ones */
    int64_t polled_at;                 /* the instant at which it polls, and how often it has */
    unsigned polls;
} agent;

/* One attempt of a task, on a fiber of its own. */
typedef struct run {
    agent agent;
    struct vcluster *cluster;
    uint64_t task, attempt;
    int worker;
    sk_fiber *fiber;
    sk_strand strand;
    int64_t began;
    bool again;                        /* it is to be tried again */
    bool runnable, ended;              /* runnable: in the queue of those that go on at this instant */
    struct run *next;                  /* of that queue, or of the free ones */
    uint64_t *pinned;                  /* arguments that may not leave the node's store meanwhile */
    unsigned npinned;
    struct run *before, *after;        /* of all that have begun and not ended, by their start */
    bool computing;                    /* what it waits for takes its node's work, not only time */
    bool held;                         /* it could go on, were its node not frozen */
    uint8_t died;                      /* sk_death */
} run;

enum { EVENT_AGENT, EVENT_READY, EVENT_ALARM, EVENT_SEND };
typedef struct sk_virtual_faults sk_virtual_faults;

typedef struct fetch { uint64_t object, attempt; int64_t bytes, began; int from, node; uint32_t next_free; unsigned losses; } fetch;

typedef struct vcluster {
    struct sk_backend_base base;
    pthread_mutex_t turn;              /* who calls the graph, or runs the simulation */
    _Atomic(sk_lane *) holder;         /* has the turn, `depth` times */
    int depth;
    pthread_cond_t changed;            /* a thread of the program has done something, while the one that runs it had nothing to do */
    _Atomic int entering;              /* threads that want the turn */
    sk_lane *lane;                     /* of all fibers, and of the event loop */

    sk_cluster_spec *spec;
    sk_cluster *cluster;
    sk_events events;
    sk_network *network;
    sk_stores stores;
    bool has_stores;                   /* some node's is limited */
    int64_t now;
    int64_t scheduler_free;            /* it takes one task after the other */
    uint64_t order;                    /* of tasks that became ready */

    run *current;                      /* NULL: the loop, or the program */
    run *runnable, **runnable_end, *free_runs;
    run *first_run, *last_run;         /* begun and not ended */
    sk_virtual_faults *faults;         /* NULL: none can happen */
    uint64_t struck[SK_FAULT_RATES], given_up;      /* for reports: faults that have happened, nodes taken for dead */
    int driver_node;                   /* whose guest the driver is: the first that is up */
    agent *free_agents, **pulling;     /* pulling: of each node, those that wait for bytes there */
    size_t npulling;                   /* agents on all these lists */
    fetch *fetches;
    uint32_t nfetches, fetches_room, free_fetch;
    size_t alive, alive_peak;          /* runs */
    size_t most_waiting, most_alive;   /* no task may start to wait, or start at all, when so many are alive */
    bool look_at_all;                  /* some waits may be over, nobody knows which */

    double live;                       /* virtual ns for one of cpu time; 0: plain C costs nothing */
    int64_t live_mark;                 /* cpu time, ns, when the running body was last charged */
    int64_t live_owed;                 /* what the program has computed between its calls, and not been charged for */
    uint64_t session;                  /* which one of the process it is */
    uint64_t switches;                 /* to fibers, ever: the watchdog compares */
    timer_t watchdog;
    bool has_watchdog;
} vcluster;

static inline vcluster *virtual_of(sk_backend *self) { return (vcluster *)self; }
static inline int sk_virtual_node(const vcluster *v) { return v->current ? v->current->agent.node : v->driver_node; }

/* virtual_tasks.c: agents, fibers, and the slots of the table that a task or the driver calls. All hold the turn. */
agent *sk_virtual_agent(vcluster *v);                          /* the caller's */
void sk_virtual_agent_done(vcluster *v, agent *a);
/* Lets the simulation go on until over(data), or until this time; true: over. */
bool sk_virtual_until(vcluster *v, agent *a, int64_t at, bool (*over)(void *), void *data);
void sk_virtual_elapse(vcluster *v, int64_t ns);               /* the caller spends this time */
void sk_virtual_work(vcluster *v, int64_t ns);                 /* and its node's: a frozen or slow one takes longer */
/* The run's node is gone, its task has been decided on: leaves its stack, now. */
void sk_virtual_abandon(vcluster *v, run *r);
void sk_virtual_wake(vcluster *v, agent *a);
void sk_virtual_start(vcluster *v, const sk_command *command);
void sk_virtual_resume(vcluster *v, run *r);                   /* in the loop: it goes on until it waits or ends */
void sk_virtual_clear_runs(vcluster *v);
void sk_virtual_live_open(vcluster *v);                        /* --cost live */
void sk_virtual_live_enter(vcluster *v);                       /* a thread of the program begins a call, has ended one */
void sk_virtual_live_leave(vcluster *v);

/* virtual_watch.c: tasks that never yield, and those that overflow their stacks */
bool sk_virtual_watch(vcluster *v, const char *patience, sk_error *err);
void sk_virtual_unwatch(vcluster *v);

/* virtual_objects.c */
void sk_virtual_fetch(vcluster *v, const sk_command *command);
void sk_virtual_send(vcluster *v, uint32_t fetch);             /* its bytes set out */
void sk_virtual_network(vcluster *v, int64_t to);              /* the network goes on to this time */
void sk_virtual_sealed(vcluster *v, uint64_t object, size_t bytes, bool made_by_task);
void sk_virtual_freed(vcluster *v, uint64_t object);
bool sk_virtual_pull(vcluster *v, uint64_t object, int64_t deadline);
/* The arguments of a run stay in its node's store while it is under way, and come back from disk first: when they are there. */
int64_t sk_virtual_pin(vcluster *v, run *r);
void sk_virtual_unpin(vcluster *v, run *r);
void sk_virtual_lend(vcluster *v, uint64_t object);            /* it has no copy: tasks that wait for its bytes lend their cpus */
bool sk_virtual_end_pulls(vcluster *v);                        /* nothing can happen any more: their bytes will not come. true: there were some */
void sk_virtual_move_pulls(vcluster *v, int node);             /* the node is down, or up: the program's own ask again, from where it is now */
void sk_virtual_lose_copies(vcluster *v, uint32_t node);       /* the node's store, and what is fetched from and to it; the cluster hears of it too */
void sk_virtual_cut(vcluster *v, uint32_t a, uint32_t b);      /* fetches that another copy can serve go there, others wait */

/* virtual_faults.c. NULL faults are fine. */
void sk_virtual_faults_open(vcluster *v);                      /* after the run has begun */
void sk_virtual_faults_close(vcluster *v);
/* One fault happens if it is due before anything else does, at `next`. */
bool sk_virtual_faults_step(vcluster *v, int64_t next);
int64_t sk_virtual_faults_next(const vcluster *v);             /* when the next one is that is worth waiting for; SK_NEVER */
bool sk_virtual_is_up(const vcluster *v, int node);
bool sk_virtual_is_frozen(const vcluster *v, int node);
unsigned sk_virtual_losses(const vcluster *v, int node);       /* how often it was lost */
int64_t sk_virtual_slowed(const vcluster *v, int node, int64_t ns);
bool sk_virtual_end_runs(vcluster *v);                         /* at shutdown, when nothing can happen: those that are left die. true: there were some */
void sk_virtual_lost(vcluster *v, const sk_command *command);  /* REBUILD, LOST */

/* virtual.c */
void sk_virtual_ready(vcluster *v, uint64_t task);             /* to the scheduler */
int64_t sk_virtual_until_when(vcluster *v, agent *a, int64_t deadline);      /* how long a wait lasts that may be a poll */
void sk_virtual_node_spec(const vcluster *v, uint32_t node, sk_cluster_node *out);
bool sk_virtual_step(vcluster *v);                             /* one thing happens; false: nothing can */

#endif
