/* processes.h -- a node of worker processes: what its parts share. See processes.c for the idea. */
#ifndef SK_PROCESSES_H
#define SK_PROCESSES_H

#include "child.h"
#include "cluster.h"
#include "error.h"
#include "events.h"
#include "fiber.h"
#include "lane.h"
#include "lines.h"
#include "serve.h"
#include "shm.h"
#include "wire.h"
#include "runfile.h"
#include "worker.h"

#include <pthread.h>

enum { PN_MORE_PROCESSES = 126, PN_MOST_AHEAD = 64, PN_EVENT_RUN = 0, PN_EVENT_ALARM, PN_EVENT_KILL };

typedef enum pn_state { PN_NONE, PN_WANTED, PN_STARTING, PN_UP, PN_GONE } pn_state;

typedef struct pn_block { sk_blob *blob; size_t size; bool handed_over, foreseen, is_whole; } pn_block;    /* foreseen: not asked for; is_whole: sk_shm_is_whole */

typedef struct pn_pin { const sk_blob *blob; uint64_t serial; } pn_pin;      /* see sk_shm_unpin: no reference */

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
    unsigned slot;                     /* its arena's owner is slot + 1 */
    pn_state state;
    bool has_arena;
    sk_child child;
    int control;                       /* -1: none */
    sk_worker_page *page;
    sk_ring_end to, from;
    sk_wire wire;
    GPtrArray *fns;                    /* that it has named */
    uint8_t *arenas;                   /* by owner: it has that arena */
    bool lacks_arenas;                 /* one could not be given to it */
    struct run *run;                   /* whose body it runs; NULL: idle */
    struct pn_worker *next_idle;
    bool prints;                       /* out and err are there; under node->output, as they and the child's descriptors are */
    sk_lines out, err;
    bool doomed;                       /* has been sent a signal to end it: takes no other task */
    uint8_t sent, run_number;          /* numbers of RUNs, which wrap: the last, and that of the task it runs, as far as is known here */
    pn_ahead ahead[PN_MOST_AHEAD];     /* to run next, in this order */
    unsigned nahead;
    int64_t ahead_ns;                  /* what they will take, together */
    int row;                           /* of the task that it runs */
    struct pn_worker *next_free;       /* see pn_run_next */
    bool reaped;                       /* what follows holds */
    unsigned failures;                 /* starts that came to nothing, one after the other */
} pn_worker;

/* One attempt of a task: a fiber of the node that stands for the body, which runs elsewhere. */
typedef struct run {
    struct pnode *node;
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
    bool hungry, fed, refused, lent;   /* it waits for room in the store: there may be some; there is none; its cpu is another's. processes_room.c */
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
    _Atomic int entering;
    sk_lane *lane;                     /* of all fibers, and of the loop */
    sk_cluster *cluster;
    sk_events events;
    uint64_t order;

    sk_bell *bell;                     /* shared with all workers */
    int bell_fd;
    bool keeper_listens, keeper_muted; /* see keep() */
    int64_t keeper_until;              /* it listens until then */
    sk_bell aside;                     /* the keeper's, while somebody else turns the loop */
    unsigned waiting;                  /* threads of the program that wait, and turn the loop */
    pthread_t keeper, attendant;
    bool has_keeper, has_attendant;
    _Atomic bool closing;

    pn_worker *workers;                /* by slot */
    unsigned nslots, used;             /* used: no slot from here on has ever had a process */
    unsigned up, starting;             /* processes that are there, or on their way */
    unsigned most;                     /* as many as can be had; at first nslots */
    unsigned busy, up_peak;
    pn_worker *idle;                   /* last used first */
    int wake_fd;                       /* for the attendant */
    pthread_mutex_t output;

    run *current;
    pn_worker *placing;                /* whom the values go to that are being sent */
    run *runnable, **runnable_end, *free_runs;
    run *first_run, *last_run;
    run *queue, **queue_end;           /* for a process, first come first served */
    size_t alive, blocked, blocked_peak;
    size_t nahead;                     /* of all workers */
    int ahead_rank;                    /* the lowest of them */
    bool recall_all;
    pn_worker *free;                   /* have ended a task, and have another there */
    bool look_at_all;
    bool some_gone;
    sk_error start_error;
    int64_t kills;                     /* by the kernel for want of memory, that are accounted for; see is_for_memory */

    pthread_mutex_t store_lock;
    sk_shm *store;
    GArray *habits;                    /* pn_habit, by fn->index */
    _Atomic unsigned hungry, starving; /* attempts, and threads of the program, that wait for room in the store */
    _Atomic uint64_t room_changes;     /* how often there may have been more of it */
    uint64_t room_seen;                /* as many of them have the hungry ones been told */
} pnode;

static inline pnode *pn_of(sk_backend *self) { return (pnode *)self; }

/* processes.c */
void pn_enter(pnode *n);
void pn_leave(pnode *n);
void pn_wake_run(pnode *n, run *r);
int64_t pn_now(void);
void pn_announce(pnode *n, uint64_t task);                     /* ready: to the scheduler */
bool pn_go_on(pnode *n, int64_t until);                        /* a thread of the program: a step, or a nap. false: nothing can happen */
int pn_depth_of(pnode *n, uint64_t task);                      /* in how many tasks that are under way it is nested */

/* processes_tasks.c: attempts. With the turn. */
void pn_start(pnode *n, const sk_command *command);
void pn_resume(pnode *n, run *r);
void pn_assign(pnode *n);                                      /* idle processes to attempts that wait for one */
void pn_died(pnode *n, run *r, sk_code code, const char *how);
bool pn_move(pnode *n, run *r);                                /* to another process, if this one has not begun. false: it has */
void pn_end_process(run *r, int sig);                          /* because of this task, if the process still runs it */
run *pn_new_run(pnode *n, uint64_t task, uint64_t attempt, int row, const sk_fn *fn);
void pn_begin(pnode *n, run *r, pn_worker *w);                 /* it has a process: its fiber begins */
void pn_leave_fiber(run *r);                                   /* to the loop, until somebody resumes us */
bool pn_run_body(sk_backend *self, const sk_fn *fn, const sk_value *in, sk_value *out, sk_failure **why);
void pn_leave_body(sk_backend *self);
void pn_clear_runs(pnode *n);
run *pn_run_of(pnode *n, uint64_t task);
bool pn_is_wanted(const run *r);                               /* neither cancelled nor out of time */

/* processes_ahead.c: tasks that are sent to a process which still runs another. With the turn. */
bool pn_is_light(uint64_t task);
int pn_rank(int priority);                                     /* what is worth calling tasks back for */
void pn_send_ahead(pnode *n);                                  /* as many as seem good to all who run something */
bool pn_recall(pnode *n, pn_worker *w);                        /* those that have not begun. false: it runs another than we know */
bool pn_recall_with_run(pnode *n, pn_worker *w);               /* that too. false: it has begun, and goes on */
uint8_t pn_open_gate(pn_worker *w);                            /* for the next RUN, whose number it returns */
bool pn_has_begun(pn_worker *w);                               /* the body of what it runs */
void pn_take_back_all(pnode *n, pn_worker *w);                 /* of a dead one */
bool pn_recall_all(pnode *n);                                  /* from all. true: there were some */
bool pn_recall_most(pnode *n);                                 /* from the worker that has most, if a cpu is free */
void pn_forget_ahead(pnode *n, uint64_t task);                 /* cancelled */
void pn_give_grace(pnode *n, run *r);                          /* to a body that nobody wants */
bool pn_hand_on(pnode *n, run *r);                             /* its cpu, to the next task in its process. false: there is none */
void pn_run_next(pnode *n, pn_worker *w);                      /* the next one is the one that runs */

/* processes_workers.c: the processes. With the turn, if not said otherwise. */
bool pn_workers_open(pnode *n, sk_error *err);                 /* no turn: no other thread yet */
void pn_workers_close(pnode *n);                               /* no turn: nothing runs any more */
bool pn_want_worker(pnode *n);                                 /* one more process. false: there are as many as there may be */
void pn_hello(pnode *n, pn_worker *w);                         /* an idle one has written */
void pn_bury_gone(pnode *n);
void pn_idle(pnode *n, pn_worker *w);
void pn_drain_output(pnode *n, pn_worker *w);                  /* what it has printed so far is printed */
bool pn_give_arena(pn_worker *w, unsigned owner);

/* processes_report.c: any thread, without the turn */
void pn_report(sk_runfile *file);

/* processes_room.c: with the turn, if not said otherwise */
typedef struct pn_need {
    size_t charge, pages, asked;       /* to be charged; of shared memory; for the message */
    bool no_memory, only_wait;         /* the system has none; what can be spilled is what would be needed itself */
} pn_need;
/* true: try again. false: *err says why there is none. May leave the fiber, or turn the loop, until the deadline (before now: does not wait). Any thread. */
bool pn_make_room(pnode *n, const pn_need *need, int64_t deadline, sk_error *err);
void pn_room_may_be(pnode *n);                                 /* something was freed, or can be spilled now. Any thread */
bool pn_is_food(const pnode *n);                               /* ... since the hungry ones have been told */
bool pn_feed(pnode *n);                                        /* tells them */
void pn_wake_hungry(pnode *n);                                 /* some may be wanted no more */
bool pn_end_hunger(pnode *n);                                  /* nothing can happen: some hungry one has to do without. false: there is none */
bool pn_pin_arguments(pnode *n, run *r, const sk_value *in, unsigned nargs, sk_error *err);      /* until pn_unpin_all. May leave the fiber */
void pn_unpin_all(pnode *n, run *r);
bool pn_keep(pnode *n, pn_kept *kept, const sk_value *in, unsigned nargs);      /* what is in the store. false: one is spilled, or somebody waits for room */
void pn_let_go(pnode *n, pn_kept *kept);                       /* it is all 0 again; NULL is fine */
void pn_pin_own(pnode *n, run *r, const sk_blob *blob);        /* what has never been away */
bool pn_pull(sk_backend *self, uint64_t object, int64_t deadline);
void pn_sealed(sk_backend *self, uint64_t object, size_t bytes, bool made);
void pn_keep_arguments(pnode *n, sk_task *t);                  /* the values among them may be spilled until it starts */
void pn_room_open(void);
void pn_room_close(void);

/* processes_store.c: any thread */
void *pn_alloc(sk_backend *self, size_t size);
void pn_free(sk_backend *self, void *bytes, size_t size);
bool pn_alloc_for(pnode *n, unsigned owner, size_t size, pn_block *out, sk_error *err);      /* charged; to be written by that worker. Turn; may leave the fiber */
bool pn_place(void *served, sk_blob *blob, uint64_t *at);
sk_blob *pn_blob_at(void *served, sk_type type, uint64_t at);
bool pn_foresee(pnode *n, const pn_worker *w, const sk_fn *fn, pn_block *out);       /* a block that its body will ask for, if there is room. Turn */
void pn_own(run *r, const pn_block *block);                    /* from now on the attempt has it */
void pn_note_asked(pnode *n, run *r, size_t size);             /* its body has asked for so much */
void pn_free_foreseen(pnode *n, const pn_block *block);
void pn_give_back(pnode *n, run *r);                           /* what the attempt has made and not handed over */
void pn_free_block(pnode *n, run *r, uint64_t at);

#endif
