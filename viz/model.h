/* model.h -- a run as it grows: all that the views know of it. No drawing here, and nothing of the runtime.
 *
 * The idea: the model is a fold over the events of a log (trace_read.h). Each event is a *step*; "at step k" means after the first k
 * events: 0 is before all of them, nsteps is now. Things remember the steps at which they changed, so the state of any of them at any
 * step is a comparison or two, and going to another time costs nothing but drawing it. What has to be counted (how many tasks
 * wait, run ...) is written down every 4096 steps (where there are more groups: as many), and counted on from there.
 *
 * Events are only ever appended, and nothing that is there changes its place: an index of a task, an object, a group stays good for ever,
 * so a view may keep what it computed and go on from there. A live run and its file make the same model.
 *
 *     sk_model *m = sk_model_load("run.sktrace", &err);         or: sk_model_new(), then sk_model_take(m, &event) for each event
 *     sk_step k = sk_model_step_at(m, 12000000);                 at 12 ms
 *     for (uint32_t i = 0; i < m->ntasks; i++) ... sk_model_task_at(m, i, k) ...
 *     sk_model_free(m);
 *
 * All times are nanoseconds since sk_init; they never go back from step to step. Strings are the model's own, valid UTF-8 without control
 * characters. About 350 bytes a task, its objects and events included. One thread at a time.
 *
 * Reading order: 1 what there is; 2 the model; 3 making it; 4 asking it; 5 words. */
#ifndef SK_MODEL_H
#define SK_MODEL_H

#include <stdio.h>

#include "trace_read.h"

/* ---- 1. What there is. Everything refers to everything else by index; SK_NO_INDEX: to nothing (of a task's parent: the driver) ------ */

typedef uint32_t sk_step;
#define SK_NEVER UINT32_MAX /* "x is so at step k": mark <= k */

typedef struct sk_model_task {
    uint64_t number;                    /* in the log */
    uint32_t fn, site, parent, group;
    const char *name;                   /* NULL: called like its function */
    uint32_t first_dep, first_object;   /* in deps[], objects[] */
    sk_step submitted, ready, started, ended; /* ready, started: the first time; ended: the last */
    sk_step changed;                    /* the last time that its state did */
    uint32_t first_slice, last_slice;   /* chained by sk_model_slice.before */
    uint32_t layer;                     /* 1 + the highest of who makes its arguments, and its parent: final when it is submitted */
    uint16_t attempts;
    uint8_t ndeps, nobjects;
    uint8_t state, code;                /* now (sk_task_state); sk_code if FAILED or CANCELLED */
} sk_model_task;

typedef enum sk_model_end { SK_END_OPEN, SK_END_GOES_ON, SK_END_DONE, SK_END_FAILED, SK_END_CANCELLED, SK_END_RETRIED } sk_model_end;

/* A stretch in which a task was RUNNING, or BLOCKED, on one worker. */
typedef struct sk_model_slice {
    sk_step begin, end;                 /* end: SK_NEVER while it is OPEN */
    uint32_t task, worker;
    uint32_t before, far;               /* slices of the same task: the one before; one long before, to find one of many in few steps */
    uint32_t number;                    /* so many of the task came before */
    int64_t ran;                        /* so many ns had it run when this one began */
    uint16_t attempt;                   /* 1, 2 ... */
    uint8_t blocked, how;               /* how it ended: sk_model_end. RETRIED is no failure: the program does not see it */
    uint8_t code;                       /* of one that was RETRIED: why (sk_code); SK_OK: the log does not say */
} sk_model_slice;

typedef struct sk_model_object {
    uint64_t number, bytes, preview;    /* preview: the value, if it is a scalar */
    uint32_t producer, site;            /* the task that returns it; of a put: SK_NO_INDEX */
    uint32_t maker;                     /* of a put: the task that put it, SK_NO_INDEX the driver */
    uint32_t last_spill;                /* SK_NO_INDEX: it was never spilled */
    uint32_t last_use;                  /* in deps[] and uses[]: the last that names it, SK_NO_INDEX: nobody takes it */
    sk_step born, made, lost, again, freed; /* made: READY for the first time; lost: MISSING or FAILED, the last time; again: READY after that */
    uint8_t state, type, lost_as;       /* now (sk_object_state); sk_type; MISSING or FAILED */
} sk_model_object;

typedef struct sk_model_use { uint32_t task, next; } sk_model_use; /* who takes it; the next one of the same object, of the last: the first */

typedef struct sk_model_worker {
    uint32_t node;
    int32_t worker;
    sk_step since;                      /* when it appeared */
    bool extra;                         /* not one of the node's own: where tasks are blocked, others run beside them */
    uint32_t *slices, nslices;          /* all that ran or was blocked here, as they began */
} sk_model_worker;

typedef struct sk_model_node { sk_step alive, dead; uint32_t node, workers; } sk_model_node; /* a life of a node: it may come back */
typedef struct sk_model_wait {          /* the driver, or a task, in sk_get, sk_wait ... */
    sk_step begin, end;
    uint32_t task, wanted, given, ready, site, object; /* object: the first that is awaited */
    uint32_t first_awaited, nawaited;   /* in awaited[]: of several, those that the log names: 64 at most, of an sk_waiter what is left */
    uint8_t how, code;                  /* sk_trace_wait, sk_code */
} sk_model_wait;
typedef struct sk_model_transfer { sk_step begin, end; uint32_t object, from, to; uint64_t bytes; int64_t took; } sk_model_transfer;
/* Bytes of an object were on a node's disk only, from `out` to `back`: until they were restored, or it was lost or freed. */
typedef struct sk_model_spill {
    sk_step out, back;                  /* back: SK_NEVER while they are there */
    uint32_t object, node;
    uint32_t before, far, number;       /* spills of the same object: the one before; one long before; so many came before it */
    uint64_t bytes;
} sk_model_spill;
typedef struct sk_model_say { sk_step step; uint32_t task; bool note; const char *text; } sk_model_say;
typedef struct sk_model_fn { const char *name, *signature, *file; int line; uint32_t tasks; } sk_model_fn; /* by first appearance */
typedef struct sk_model_site { const char *file, *fn; int line; } sk_model_site;

/* Tasks of one function, submitted on one line, in one band of layers. Bands double (0, 1-2, 3-6, 7-14 ...), so there are few groups, and
 * the group of a task is final when it is submitted. What is too much to be shown one by one is shown by groups. */
typedef struct sk_model_group { uint32_t fn, site, band, first_task, tasks; } sk_model_group;

/* What happened in a step. */
typedef struct sk_model_event {
    int64_t ns;
    uint32_t index;                     /* of the task, object, transfer ... that `type` is about */
    uint8_t type, from, to;             /* sk_trace_type; the states */
} sk_model_event;

/* ---- 2. The model. Read what you like; write nothing ---------------------------------------------------------------------------- */

/* clang-format off */
typedef struct sk_model {
    const char *program, *backend, *time;              /* what INFO says; "?" */
    const char *executable;                            /* the absolute path of its file; NULL: an older log does not say */
    const char *error;                                 /* why the program ended early; NULL: it did not */
    const char *trouble;                               /* what is missing from the log ("it ends in the middle ..."); NULL: it is whole */
    uint64_t dropped;                                  /* events that the program, or the stream, could not deliver */
    bool ended;                                        /* END was there: nothing more comes */
    const char *path; int64_t written;                 /* of its file; and when that was last written, in seconds since 1970. NULL, 0: live */

    sk_model_event *events;       sk_step nsteps;      /* step k is events[k - 1] */
    sk_model_task *tasks;         uint32_t ntasks;     /* in the order of submission */
    sk_model_object *objects;     uint32_t nobjects;   /* a task's are neighbours */
    uint32_t *deps;               uint32_t ndeps;      /* indices of objects */
    sk_model_use *uses;           uint32_t nuses;      /* by index in deps[]: who takes an object, as a ring */
    sk_model_slice *slices;       uint32_t nslices;    /* as they began */
    sk_model_worker *workers;     uint32_t nworkers;   /* as they appeared; those that idle too */
    uint32_t *lanes;                                   /* indices of the workers, by node, then number */
    sk_model_node *nodes;         uint32_t nnodes;
    sk_model_wait *waits;         uint32_t nwaits;
    uint32_t *awaited;            uint32_t nawaited;   /* indices of objects */
    sk_model_transfer *transfers; uint32_t ntransfers; /* as they ended */
    sk_model_spill *spills;       uint32_t nspills;    /* as they began */
    sk_model_say *says;           uint32_t nsays;
    sk_model_fn *fns;             uint32_t nfns;
    sk_model_site *sites;         uint32_t nsites;     /* 0: unknown */
    sk_model_group *groups;       uint32_t ngroups;    /* by first appearance */
    uint32_t nlayers, nbands;
    uint32_t deepest;                                  /* of the tasks that take a result, the first in the last layer; SK_NO_INDEX: none does */
    uint32_t *roots;              uint32_t nroots;     /* what has been the deepest so far, one after the other: it is the last of them */
    int64_t first, last;                               /* the times of the first and the last step */
    struct sk_model_own *own;                          /* what only making it needs */
} sk_model;
/* clang-format on */

/* ---- 3. Making it ------------------------------------------------------------------------------------------------------------------ */

sk_model *sk_model_new(void);
void sk_model_free(sk_model *m); /* NULL is fine */
/* The next event; what is needed of it is copied. Causes come before effects (a cursor of trace_read.h sees to that); what does not fit
 * is taken as well as it goes: the model of a damaged log is incomplete, never inconsistent. */
void sk_model_take(sk_model *m, const sk_event *e);
/* All of a file. NULL and *err (may be NULL) if it is no readable trace; m->trouble says if it is not whole. */
sk_model *sk_model_load(const char *path, sk_error *err);

/* ---- 4. Asking it ------------------------------------------------------------------------------------------------------------------ */

sk_step sk_model_step_at(const sk_model *m, int64_t ns);    /* the last step that is not later. O(log n) */
int64_t sk_model_ns(const sk_model *m, sk_step k);          /* when step k was; SK_NEVER: the last one's */
sk_task_state sk_model_task_at(const sk_model *m, uint32_t task, sk_step k);
sk_object_state sk_model_object_at(const sk_model *m, uint32_t object, sk_step k);
/* The object's spill that is not over at step k, in spills[]; SK_NO_INDEX: its bytes are in memory. O(log of its spills). */
uint32_t sk_model_spill_of(const sk_model *m, uint32_t object, sk_step k);
/* The last slice of the task that has begun at step k, else SK_NO_INDEX. */
uint32_t sk_model_slice_of(const sk_model *m, uint32_t task, sk_step k);
/* The task RUNNING on this worker at step k, else SK_NO_INDEX. O(log n). */
uint32_t sk_model_running(const sk_model *m, uint32_t worker, sk_step k);
/* Did this slice end because its worker or node died, and its task was tried again? Of a task that was not, its state tells: FAILED. */
bool sk_model_is_lost(const sk_model_slice *s);
/* How long it had been RUNNING at time ns. */
int64_t sk_model_run_ns(const sk_model *m, uint32_t task, sk_step k, int64_t ns);
/* Are two sites on the same line? A line may submit more than once. */
bool sk_model_same_line(const sk_model *m, uint32_t site, uint32_t other);

/* What is counted. `group` is the model's; it is good until the next call. */
typedef struct sk_model_counts {
    uint32_t tasks[SK_TASK_CANCELLED + 1];              /* in each state */
    const uint32_t (*group)[SK_TASK_CANCELLED + 1];     /* the same of each group */
    uint32_t ngroups;                                   /* that have appeared: group[ngroups] */
    uint32_t objects;                                   /* READY */
    uint64_t bytes;                                     /* of those */
} sk_model_counts;
void sk_model_count(const sk_model *m, sk_step k, sk_model_counts *c); /* O(4096 + groups) */

/* ---- 5. Words ---------------------------------------------------------------------------------------------------------------------- */

/* The task's own name, else its function's. */
const char *sk_model_name(const sk_model *m, uint32_t task);
const char *sk_model_state(unsigned task_state); /* "waiting" */
/* The value of an object, as short as it gets: "8", "true", "array of 8 kB"; "" while there is none. In buf, which it returns. */
const char *sk_model_value(const sk_model *m, uint32_t object, sk_step k, char buf[48]);
int sk_model_fits(const char *text, size_t most); /* so many bytes of it, `most` at most, end with a letter: for %.*s */
const char *sk_model_bytes(uint64_t bytes, char buf[16]); /* "4.10 kB" */
/* "node 1>3"; "worker 3" where there is one node. */
const char *sk_model_where(const sk_model *m, uint32_t worker, char buf[32]);
/* What happened in step k, in a sentence: "task 7 (add) runs on worker 3". In buf, which it returns. */
const char *sk_model_sentence(const sk_model *m, sk_step k, char buf[160]);
/* The model at step k as text, for tests: every task, object, worker and count that there is then. */
void sk_model_print(const sk_model *m, sk_step k, FILE *out);

#endif
