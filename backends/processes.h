/* processes.h -- a node of worker processes: what its parts share. See processes.c for the idea. */
#ifndef SK_PROCESSES_H
#define SK_PROCESSES_H

#include "cluster.h"
#include "error.h"
#include "events.h"
#include "fiber.h"
#include "lane.h"
#include "process.h"
#include "serve.h"
#include "shm.h"
#include "spin.h"
#include "wire.h"
#include "runfile.h"

#include <pthread.h>

enum { PN_MORE_PROCESSES = 126, PN_FAR_WORKERS = 16, PN_MORE_FAR = 30, PN_MOST_AHEAD = 64, PN_EVENT_RUN = 0, PN_EVENT_ALARM, PN_EVENT_KILL, PN_EVENT_FAR };

typedef enum pn_state { PN_NONE, PN_WANTED, PN_STARTING, PN_UP, PN_GONE } pn_state;

typedef struct pn_block { sk_blob *blob; size_t size; bool handed_over, foreseen, is_whole; } pn_block;    /* foreseen: not asked for; is_whole: sk_shm_is_whole */

typedef struct pn_pin { const sk_blob *blob; uint64_t serial; struct pn_host *host; } pn_pin;      /* there; see sk_shm_unpin: no reference */

/* For a task that was sent ahead: its arguments in the store, with a reference each, and a block for what it makes. */
typedef struct pn_kept {
    pn_pin pins[SK_MAX_ARGS];
    unsigned npins;
    pn_block block;                    /* size 0: none */
} pn_kept;

/* A task that has been sent to a worker which still runs another. */
typedef struct pn_ahead {
    uint64_t task, attempt;
    const sk_fn *fn;
    int64_t expected_ns, sent;
    uint8_t number;                    /* of its RUN */
    bool unwanted;                     /* cancelled, and has begun */
    pn_kept *kept;                     /* NULL: nothing */
} pn_ahead;

/* One process, and the place it has: its successor gets the same arena. */
typedef struct pn_worker {
    struct pnode *node;
    struct pn_host *host;
    unsigned slot;                     /* its arena's owner is slot + 1 */
    pn_state state;
    bool has_arena;
    sk_process process;                /* what it prints, and where from, under node->output */
    sk_wire wire;
    GPtrArray *fns;                    /* that it has named */
    bool lacks_arenas;                 /* one could not be given to it */
    struct run *run;                   /* whose body it runs; NULL: idle */
    struct pn_worker *next_idle;
    bool doomed;                       /* has been sent a signal to end it: takes no other task */
    uint8_t sent, run_number, heard;   /* numbers of RUNs, which wrap: the last; of the task it runs, as far as is known here; of the last that has ended */
    pn_ahead ahead[PN_MOST_AHEAD];     /* to run next, in this order */
    unsigned nahead;
    int64_t ahead_ns;                  /* what they will take, together */
    bool recalling;                    /* far: its node was asked to close their gates, and has not answered yet. Then some are ahead */
    int end_with;                      /* the signal that it is sent then, if none of them has begun; 0: none */
    int row;                           /* of the task that it runs */
    struct pn_worker *next_free;       /* see pn_run_next */
    bool reaped;                       /* what follows holds */
    unsigned failures;                 /* starts that came to nothing, one after the other */
} pn_worker;

/* A node, as the graph's process sees it: the driver's own (number 0), or one at the other end of a link. */
typedef struct pn_host {
    struct pnode *node;
    int number, workers;               /* workers: as many work at a time */
    unsigned first, nslots;            /* its slots, of node->workers */
    unsigned up, starting;             /* processes that are there, or on their way */
    unsigned most;                     /* as many as can be had; at first nslots */
    size_t blocked;                    /* attempts */
    bool is_taken;                     /* away, by who runs it: attempts that end for that are not charged */
    struct run *owes;                  /* it may use more than the store has, for its arguments; NULL: nobody */
    pn_worker *idle;                   /* last used first */
    struct run *queue, **queue_end;    /* for a process, first come first served */
    sk_error start_error;
    sk_shm *store;                     /* of number 0 the memory, of others books (shm.h) */
    size_t store_bytes;
} pn_host;

/* What a cluster of several nodes does besides; see tcp.c. With the turn, if not said otherwise. */
typedef struct pn_far {
    unsigned (*hosts)(struct pnode *n);                    /* at open: as many as there may be */
    bool (*step)(struct pnode *n);                         /* takes what has come, sends what is to go. false: there was nothing */
    bool (*is_audible)(struct pnode *n);                   /* would step do something? */
    void (*sleep)(struct pnode *n, uint32_t ticket, int64_t ns);   /* by node->bell, and until something comes. No turn */
    void (*keep)(struct pnode *n, uint32_t ticket, int64_t ns);    /* the same, by the keeper; while it is muted, only this long */
    void (*mute)(struct pnode *n, bool muted);                     /* the keeper, which may be asleep */
    void (*call)(struct pnode *n);                                 /* the muted keeper, soon: nobody waits any more. Whoever waits again by then is left alone */
    bool (*start)(pn_worker *w);                           /* a process */
    void (*signal)(pn_worker *w, int sig);
    void (*give_arena)(pn_worker *w, unsigned owner);
    void (*wrote)(pn_worker *w);                           /* into its ring, or has read from it */
    void (*recall)(pn_worker *w, uint8_t first, uint8_t last);      /* closes the gates of these RUNs, from the last on, until one has begun; then pn_recalled */
    void (*clear)(pn_worker *w);
    void (*command)(struct pnode *n, const sk_command *c); /* of the scheduler, other than START */
    bool (*expects)(struct pnode *n);                      /* something comes by itself: bytes, a node */
    bool (*end_want)(struct pnode *n);                     /* all stands still: gives something up. false: there is nothing */
    void (*fails)(struct pn_host *h, const char *how);     /* no process can be started there */
    size_t (*keys)(struct pnode *n, sk_task *t, uint64_t *keys);     /* the scheduler's names of the arguments that have bytes in the store */
    void (*made)(struct pnode *n, sk_blob *blob);          /* in a far worker, and handed over: it is sealed */
    void (*freed)(struct pnode *n, sk_blob *blob, size_t size);    /* no turn, perhaps: copies and books of a block */
    /* Copies at a host of what others have made: like blocks in sk_shm, but what is not pinned may be dropped, for it is elsewhere too. */
    bool (*pin_copy)(pn_host *h, const sk_blob *blob, bool for_good);      /* false: errno is EDQUOT, or ESTALE: it is not there (any more) */
    void (*unpin_copy)(pn_host *h, const sk_blob *blob, uint64_t serial);
    uint64_t (*copy_serial)(pn_host *h, const sk_blob *blob);
    size_t (*copy_takes)(pn_host *h, const sk_blob *blob);                 /* what pinning it takes */
    size_t (*idle_copies)(pn_host *h);                                     /* bytes of those that are not pinned */
    bool (*drop_copy)(pn_host *h);                                         /* the one that was used longest ago. false: there is none */
    bool (*give_up)(pn_host *h, const sk_blob *blob, const char *why);     /* it cannot read what it has made: others may. false: there are none */
} pn_far;

/* One attempt of a task: a fiber of the node that stands for the body, which runs elsewhere. */
typedef struct run {
    struct pnode *node;
    pn_host *host;
    uint64_t task, attempt;
    const sk_fn *fn;
    int row, nesting;                  /* nesting: in how many tasks that are under way */
    sk_fiber *fiber;
    sk_strand strand;
    pn_worker *worker;                 /* NULL: it waits for one */
    sk_served *served;
    sk_msg msg;                        /* the frame it deals with */
    pn_block *own;                     /* made in the worker, and not free of this task yet */
    size_t nown, own_room;
    int64_t began, sent;               /* sent: its RUN, at the earliest */
    uint32_t handle;                   /* of its one event: the time it waits for */
    bool due, again, runnable, ended, blocked, listens;     /* listens: for its worker's ring */
    bool asked, ran;                   /* for room, or that has come along; to its end */
    bool moves;                        /* its process died before it had begun the body: it takes another */
    bool is_there;                     /* its RUN was sent ahead, and nothing that the body says has been read */
    bool unwanted;                     /* the graph does not know of it: only the body must end */
    int64_t body_ns;                   /* as the worker has measured */
    size_t bundle;                     /* bytes of its arguments while it waits to pin them, if a store has as many; else 0 */
    bool hungry, fed, refused, lent;   /* it waits for room in the store: there may be some; there is none; its cpu is another's. processes_room.c */
    uint64_t pulls;                    /* the object that it waits for the bytes of; 0: none. tcp_objects.c */
    bool no_bytes;                     /* they will not come */
    char *lacks;                       /* why its arguments cannot be read here, if others may have them: the attempt is withdrawn. Owned; else NULL */
    pn_kept *kept;
    pn_pin *pins;                      /* what its body may read */
    size_t npins, pin_room;
    uint8_t died;
    sk_wait *wait;                     /* if blocked */
    struct run *next;                  /* runnable, free, or waiting for a process */
    struct run *before, *after;        /* all that have begun */
} run;

typedef struct pnode {
    struct sk_backend_base base;
    pthread_mutex_t turn;              /* who calls the graph, or turns the loop */
    _Atomic(sk_lane *) holder;
    int depth;
    bool leaving;                      /* the holder only begins what it has made possible, and goes */
    _Atomic int entering;
    sk_spin spin;                      /* of whoever waits in the loop */
    bool glances;                      /* this step need not look at all nodes: the next one does */
    sk_lane *lane;                     /* of all fibers, and of the loop */
    sk_cluster *cluster;
    sk_events events;
    uint64_t order;

    sk_bell *bell;                     /* shared with all workers */
    int bell_fd;
    int bell_wakes;                    /* -1; or what wakes those who cannot sleep by a bell only: see sk_bell_ring_by */
    bool keeper_listens, keeper_muted; /* see keep() */
    int64_t keeper_until;              /* it listens until then */
    sk_bell aside;                     /* the keeper's, while somebody else turns the loop */
    _Atomic unsigned waiting;          /* threads of the program that wait, and turn the loop. Read without the turn, too */
    pthread_t keeper, attendant;
    bool has_keeper, has_attendant;
    _Atomic bool closing;

    pn_host *hosts;                    /* by number */
    unsigned nhosts;
    pn_worker *workers;                /* by slot, over all hosts: the owner of an arena is its slot + 1 */
    unsigned nslots;
    pn_worker **active;                /* that are not PN_NONE */
    unsigned nactive;
    unsigned up, starting;             /* of all hosts */
    unsigned busy, up_peak;
    int wake_fd;                       /* for the attendant */
    pthread_mutex_t output;

    run *current;
    pn_worker *placing;                /* whom the values go to that are being sent */
    run *runnable, **runnable_end, *free_runs;
    run *first_run, *last_run;
    size_t alive, blocked, blocked_peak, pulling;      /* pulling: wait for bytes from another host */
    size_t nahead;                     /* of all workers */
    int ahead_rank;                    /* the lowest of them */
    bool held;                         /* some task waits for the turnstile alone: as of the last step */
    bool recall_all;
    pn_worker *free;                   /* have ended a task, and have another there */
    bool look_at_all;
    bool some_gone;
    sk_error start_error;
    sk_process_kills kills;

    const pn_far *far;                 /* NULL: there is one host */
    pthread_mutex_t store_lock;
    sk_shm *store;                     /* of the first host */
    GArray *habits;                    /* pn_habit, by fn->index */
    _Atomic unsigned hungry, starving; /* attempts, and threads of the program, that wait for room in the store */
    _Atomic uint64_t room_changes;     /* how often there may have been more of it */
    uint64_t room_seen;                /* as many of them have the hungry ones been told */
    uint64_t retried_at;               /* 1 + room_seen when they looked once more because all stood still */
} pnode;

static inline pnode *pn_of(sk_backend *self) { return (pnode *)self; }
static inline pn_host *pn_host_of(pnode *n, unsigned owner) { return owner ? n->workers[owner - 1].host : &n->hosts[0]; }

static inline void pn_ring(pnode *n) { sk_bell_ring_by(n->bell, n->bell_wakes); }
static inline void pn_ring_anyway(pnode *n) { sk_bell_ring_anyway_by(n->bell, n->bell_wakes); }

/* processes_loop.c: the turn, and what is done by whoever holds it */
typedef struct pn_away { sk_lane *lane; int depth; } pn_away;

static inline bool pn_in_loop(const pnode *n) { return sk_lane_self == n->lane; }
void pn_enter(pnode *n);
void pn_leave(pnode *n);
void pn_lock_turn(pnode *n);                                   /* the mutex alone: by a thread without a lane; then unlock `turn` */
pn_away pn_go_away(pnode *n);                                  /* lets others have the turn, with all that goes with it, until pn_come_back */
void pn_come_back(pnode *n, pn_away a);
bool pn_step(pnode *n);                                        /* of the loop, with its lane. false: there was nothing to do */
void pn_wake_run(pnode *n, run *r);

/* processes_wait.c: who turns the loop */
bool pn_go_on(pnode *n, int64_t until);                        /* a thread of the program: a step, or a nap. false: nothing can happen */
bool pn_start_keeper(pnode *n);
void pn_stop(pnode *n);                                        /* no turn: only the caller turns the loop from now on */

/* processes.c */
int64_t pn_now(void);
void pn_announce(pnode *n, uint64_t task);                     /* ready: to the scheduler */
int pn_depth_of(pnode *n, uint64_t task);                      /* in how many tasks that are under way it is nested */

/* The slots of the table that one host and several have alike (processes_loop.c, processes_wait.c, processes.c). */
void pn_enter_slot(sk_backend *self);
void pn_leave_slot(sk_backend *self);
void pn_wait(sk_backend *self, sk_wait *wait);
void pn_wake(sk_backend *self, void *thread);
void pn_drain(sk_backend *self);
void pn_sleep(sk_backend *self, int64_t ns);
void pn_compute(sk_backend *self, double units);
void pn_alarm(sk_backend *self, int64_t at, sk_task_name task);
void pn_ready(sk_backend *self, sk_task_name task);
void pn_forget(sk_backend *self, sk_task_name task);
void pn_kill(sk_backend *self, sk_task_name task);
void pn_spend(sk_backend *self, sk_operation what, size_t bytes);
bool pn_is_feasible(sk_backend *self, const sk_demand *demand, int node, char *why, size_t room);
size_t pn_resources(sk_backend *self, sk_resource *out, size_t max);
void pn_counts(sk_backend *self, sk_counts *counts);
sk_task_name pn_holder(sk_backend *self, sk_task_name task, char *text, size_t room);
void pn_started(sk_backend *self);
void pn_close(sk_backend *self);
bool pn_open(sk_backend *self, const sk_settings *settings, sk_error *err);

#define PN_SLOTS \
    .ready = pn_ready, .wait = pn_wait, .wake = pn_wake, .drain = pn_drain, \
    .sleep = pn_sleep, .compute = pn_compute, .alloc = pn_alloc, .free = pn_free, \
    .alarm = pn_alarm, .kill = pn_kill, .counts = pn_counts, .enter = pn_enter_slot, \
    .leave = pn_leave_slot, .spend = pn_spend, .forget = pn_forget, .is_feasible = pn_is_feasible, \
    .resources = pn_resources, .holder = pn_holder, .run_body = pn_run_body, .leave_body = pn_leave_body

/* processes_tasks.c: attempts. With the turn. */
void pn_start(pnode *n, const sk_command *command);
bool pn_lend_cpu(pnode *n, run *r);                            /* as sk_cluster_blocked */
void pn_resume(pnode *n, run *r);
bool pn_assign(pnode *n);                                      /* idle processes to attempts that wait for one. true: to some */
void pn_died(pnode *n, run *r, sk_code code, const char *how);
bool pn_move(pnode *n, run *r);                                /* to another process, if this one has not begun. false: it has */
void pn_end_process(run *r, int sig);                          /* because of this task, if the process still runs it */
run *pn_new_run(pn_host *h, uint64_t task, uint64_t attempt, int row, const sk_fn *fn);
void pn_begin(pnode *n, run *r, pn_worker *w);                 /* it has a process: its fiber begins */
void pn_leave_fiber(run *r);                                   /* to the loop, until somebody resumes us */
bool pn_run_body(sk_backend *self, const sk_fn *fn, const sk_value *in, sk_value *out, sk_failure **why);
void pn_leave_body(sk_backend *self);
void pn_clear_runs(pnode *n);
void pn_forget_queue(pn_host *h, const char *how);             /* its processes are gone, and no others come */
run *pn_run_of(pnode *n, uint64_t task);
bool pn_is_wanted(const run *r);                               /* neither cancelled nor out of time */

/* processes_ahead.c: tasks that are sent to a process which still runs another. With the turn. */
bool pn_is_light(uint64_t task);
int pn_rank(int priority);                                     /* what is worth calling tasks back for */
void pn_send_ahead(pnode *n);                                  /* as many as seem good to all who run something */
bool pn_recall(pnode *n, pn_worker *w);                        /* those that have not begun. false: it runs another than we know, or its node was asked */
void pn_recalled(pnode *n, pn_worker *w);                      /* its node has answered: the gates in its page are as they were there */
bool pn_recall_with_run(pnode *n, pn_worker *w);               /* that too. false: it has begun, and goes on, or that is not known */
void pn_end_alone(pnode *n, pn_worker *w, int sig);            /* a signal, if it runs what we think it runs */
uint8_t pn_open_gate(pn_worker *w);                            /* for the next RUN, whose number it returns */
bool pn_has_begun(pn_worker *w);                               /* the body of what it runs */
void pn_take_back_all(pnode *n, pn_worker *w);                 /* of a dead one */
bool pn_recall_all(pnode *n);                                  /* from all. true: there were some */
bool pn_recall_most(pnode *n);                                 /* from the worker that has most, if a cpu is free */
void pn_forget_ahead(pnode *n, uint64_t task);                 /* cancelled */
void pn_give_grace(pnode *n, run *r);                          /* to a body that nobody wants */
bool pn_hand_on(pnode *n, run *r);                             /* its cpu, to the next task in its process. false: there is none */
void pn_run_next(pnode *n, pn_worker *w);                      /* the next one is the one that runs */
void pn_take_free(pnode *n, pn_worker *w);                     /* that, if it is in n->free */

/* processes_workers.c: the processes. With the turn, if not said otherwise. */
bool pn_workers_open(pnode *n, sk_error *err);                 /* no turn: no other thread yet */
/* Has the attendant tried to start all that were wanted at first? false and *err: in vain. Without the turn. */
bool pn_workers_tried(pnode *n, bool *tried, sk_error *err);
void pn_workers_close(pnode *n);                               /* no turn: nothing runs any more */
bool pn_want_worker(pn_host *h);                               /* one more process. false: there are as many as there may be */
void pn_hello(pnode *n, pn_worker *w);                         /* an idle one has written */
void pn_bury_gone(pnode *n);
void pn_clear_worker(pn_worker *w);                            /* nothing of its process is left here */
void pn_open_wire(pn_worker *w);                               /* its page and rings are there */
void pn_bury(pn_worker *w, sk_code code, const char *how, int most);   /* it has died; `most` starts in a row may come to nothing */
void pn_idle(pn_worker *w);
void pn_drain_output(pnode *n, pn_worker *w);                  /* what it has printed so far is printed */
bool pn_give_arena(pn_worker *w, unsigned owner);
void pn_signal(pn_worker *w, int sig);

/* processes_report.c: any thread, without the turn */
void pn_report(sk_runfile *file);
pnode *pn_take_turn(void);                                               /* pn_lock_turn of the session's; then unlock `turn` */
bool pn_kill_worker(int node, int worker, char *why, size_t room);      /* see sk_live_kill */

/* processes_room.c: with the turn, if not said otherwise */
typedef struct pn_need {
    pn_host *host;                                     /* whose memory; NULL: the first one's */
    size_t charge, pages, asked;       /* to be charged; of shared memory; for the message */
    bool no_memory, only_wait;         /* the system has none; what can be spilled is what would be needed itself */
} pn_need;
/* true: try again. false: *err says why there is none. May leave the fiber, or turn the loop, until the deadline (before now: does not wait). Any thread. */
bool pn_make_room(pnode *n, const pn_need *need, int64_t deadline, sk_error *err);
bool pn_make_way(pn_host *h, size_t pages);                    /* for bytes that come there: at once, or not at all. false: there is no room */
void pn_room_may_be(pnode *n);                                 /* something was freed, or can be spilled now. Any thread */
bool pn_is_food(const pnode *n);                               /* ... since the hungry ones have been told */
bool pn_feed(pnode *n);                                        /* tells them */
void pn_wake_hungry(pnode *n);                                 /* some may be wanted no more */
bool pn_end_hunger(pnode *n);                                  /* nothing can happen: some hungry one has to do without. false: there is none */
bool pn_pin_arguments(pnode *n, run *r, const sk_value *in, unsigned nargs, sk_error *err);      /* until pn_unpin_all. May leave the fiber; false: *err, or r->lacks */
void pn_unpin_all(pnode *n, run *r);
/* For a task at that host: what is in the store. false: one is spilled, or somebody waits for room. */
bool pn_keep(pn_host *h, pn_kept *kept, const sk_value *in, unsigned nargs);
void pn_let_go(pnode *n, pn_kept *kept);                       /* it is all 0 again; NULL is fine */
void pn_pin_own(pnode *n, run *r, const sk_blob *blob);        /* what has never been away */
bool pn_pull(sk_backend *self, uint64_t object, int64_t deadline);
void pn_sealed(sk_backend *self, uint64_t object, size_t bytes, bool made);
void pn_freed(sk_backend *self, uint64_t object);              /* about to be */
void pn_tell_spills(pn_host *h);                               /* its store is new: what it spills and restores is traced */
void pn_keep_arguments(pnode *n, sk_task *t);                  /* the values among them may be spilled until it starts */
void pn_room_open(void);
void pn_room_close(void);

/* processes_store.c: any thread */
void *pn_alloc(sk_backend *self, size_t size);
void pn_free(sk_backend *self, void *bytes, size_t size);
void pn_release(pnode *n, void *block);                        /* of the first host */
bool pn_alloc_for(pnode *n, unsigned owner, size_t size, pn_block *out, sk_error *err);      /* charged; to be written by that worker. Turn; may leave the fiber */
bool pn_place(void *served, sk_blob *blob, uint64_t *at);
sk_blob *pn_blob_at(void *served, sk_type type, uint64_t at);
/* A block that its body will ask for, if there is room: its RUN names it. Turn. */
bool pn_foresee(pnode *n, const pn_worker *w, const sk_fn *fn, sk_msg *m, pn_block *out);
void pn_own(run *r, const pn_block *block);                    /* from now on the attempt has it */
void pn_note_asked(pnode *n, run *r, size_t size);             /* its body has asked for so much */
void pn_free_foreseen(pnode *n, const pn_block *block);
void pn_give_back(pnode *n, run *r);                           /* what the attempt has made and not handed over */
void pn_free_block(pnode *n, run *r, uint64_t at);

#endif
