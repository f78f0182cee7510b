/* timeline.h -- a run as a model: tasks with what they did when and where, objects, workers, waits
 * of the driver, and totals.
 *
 * The idea: one pass over a cursor (trace_read.h) fills plain arrays; everything refers to
 * everything else by index. Charts, exports and summaries read these arrays and nothing else.
 * About 250 bytes a task, twice that while building.
 *
 * Words, as used in every output:
 *   run time      of a task: the time its attempts were RUNNING, without the time they were BLOCKED
 *   work T1       the run time of all tasks
 *   span Tinf     the longest path, in run time, through the graph made of these edges: a task
 *                 starts after the tasks that make its arguments, and after the point of its
 *                 parent where it was submitted; it goes on, after a wait, after those awaited
 *                 objects that are there by then (for those that the log does not name, of more
 *                 than 64, stand its children that ended while it waited). The driver is not part
 *                 of it: its time does not count, its order does not bind.
 *   makespan      from the first submission to the end of the last task
 *   busy          of a worker: the time at least one task was RUNNING on it; blocked: at least one
 *                 was BLOCKED. A worker whose task is blocked may run another: the two overlap.
 *
 *     sk_timeline *t = sk_timeline_load("run.sktrace", &err);
 *     for (uint32_t i = 0; i < t->ntasks; i++) ... sk_timeline_name(t, i), t->tasks[i].run_ns ...
 *     sk_timeline_free(t); */
#ifndef SK_TIMELINE_H
#define SK_TIMELINE_H

#include "trace_read.h"

/* Times are nanoseconds since sk_init; SK_NO_TIME: it never happened. SK_NO_INDEX: there is none
 * (for `parent`: the driver). */
#define SK_NO_TIME INT64_MIN

typedef struct sk_line_task {
    uint64_t number;                      /* in the trace */
    int64_t submitted, ready, start, end; /* ready, start: the first time */
    int64_t run_ns, blocked_ns;
    uint32_t fn, site, parent, name;  /* name: in names[]; 0: the function's */
    uint32_t first_slice, last_slice; /* chained by sk_line_slice.next */
    uint32_t first_dep, first_object; /* in deps[], objects[] */
    uint32_t path;                    /* while building: where it is in the graph of paths */
    uint16_t attempts;
    uint8_t ndeps, nobjects;
    uint8_t state, code; /* sk_task_state, where it ended; sk_code if FAILED or CANCELLED */
} sk_line_task;

typedef enum sk_slice_end {
    SK_SLICE_GOES_ON,
    SK_SLICE_DONE,
    SK_SLICE_FAILED,
    SK_SLICE_CANCELLED,
    SK_SLICE_RETRIED,
    SK_SLICE_UNFINISHED
} sk_slice_end;

/* A stretch of time in which a task was RUNNING, or BLOCKED, on one worker. */
typedef struct sk_line_slice {
    int64_t start, end;
    uint32_t task, row, next; /* row: in workers[]; next slice of the same task */
    uint16_t attempt;         /* 1, 2 ... */
    uint8_t blocked, how;     /* how it ended: sk_slice_end. UNFINISHED: the trace ends here */
    uint8_t code;             /* of one that was RETRIED: why (sk_code); SK_OK: the log does not say */
} sk_line_slice;

typedef struct sk_line_object {
    uint64_t number, bytes, preview;
    int64_t made, freed;
    uint32_t producer, site; /* the task that returns it; a put: SK_NO_INDEX */
    uint32_t maker;          /* a put: the task that put it, SK_NO_INDEX the driver */
    uint8_t state, type;     /* sk_object_state; sk_type */
    bool was_spilled;        /* to a disk, at least once */
} sk_line_object;

typedef struct sk_line_worker {
    uint32_t node;
    int32_t worker;
    int64_t busy_ns, blocked_ns;
    uint32_t tasks;
    bool extra; /* not one of the node's workers: while tasks are blocked, others run beside them */
} sk_line_worker;

typedef struct sk_line_wait { /* the driver in sk_get, sk_wait ... */
    int64_t start, end;
    uint32_t wanted, given, ready, site;
    uint8_t how, code; /* sk_trace_wait, sk_code */
} sk_line_wait;

typedef struct sk_line_fn {
    const char *name, *signature, *file;
    int line;
    uint32_t tasks, attempts, failed;
    int64_t run_ns, longest_ns; /* longest: of a task */
} sk_line_fn;

typedef struct sk_line_site {
    const char *file, *fn;
    int line;
} sk_line_site;
typedef struct sk_line_say {
    int64_t ns;
    uint32_t task;
    bool note;
    const char *text;
} sk_line_say;
typedef struct sk_line_transfer { /* an object's bytes, from one node to another */
    int64_t start, end;
    uint64_t bytes;
    uint32_t object, from, to; /* object: in objects[] */
} sk_line_transfer;
typedef struct sk_line_step {
    uint32_t task;
    int64_t ns;
} sk_line_step; /* of the critical path: run time it adds */

/* clang-format off */
typedef struct sk_timeline {
    sk_read_info info;
    const char *program, *backend;               /* "?" if the trace does not say */
    const char *error;                           /* why the program ended early; NULL: it did not */
    sk_line_task *tasks;      uint32_t ntasks;   /* in the order of submission */
    sk_line_object *objects;  uint32_t nobjects; /* a task's are neighbours */
    sk_line_slice *slices;    uint32_t nslices;  /* as they started, up to skew */
    uint32_t *deps;           uint32_t ndeps;    /* indices of objects */
    sk_line_worker *workers;  uint32_t nworkers; /* by node, then number; idle ones too */
                              uint32_t nextra;   /* among them */
    sk_line_wait *waits;      uint32_t nwaits;   /* of the driver */
    sk_line_transfer *transfers; uint32_t ntransfers;   /* as they ended */
    sk_line_fn *fns;          uint32_t nfns;
    sk_line_site *sites;      uint32_t nsites;   /* 0: unknown */
    const char **names;       uint32_t nnames;   /* 0: none */
    sk_line_say *says;        uint32_t nsays;
    sk_line_step *path;       uint32_t npath;    /* the critical path, first task first */

    int64_t first, last;                         /* the first and the last event but END */
    int64_t makespan, work, span;
    uint32_t done, failed, cancelled;            /* tasks */
    uint32_t unfinished;                         /* tasks, where the trace ends before they did */
    uint32_t retries, lost;                      /* attempts that were tried again; those of them whose worker or node died */
    uint32_t nodes;
    uint64_t bytes_made, bytes_peak;             /* of objects; live at once */
    uint64_t bytes_moved;                        /* by the transfers */
    uint64_t bytes_spilled, bytes_restored;      /* each time an object was */
    uint32_t objects_spilled, restores;          /* those that ever were; how often one came back */
    uint32_t objects_freed;

    sk_reader *log;                              /* where the strings are */
    bool owns_log;
} sk_timeline;
/* clang-format on */

/* NULL and *err (may be NULL) if the file is not a readable trace. Look at info.whole and
 * info.dropped. */
sk_timeline *sk_timeline_load(const char *path, sk_error *err);
/* The same from an open reader, which is borrowed and must live longer. */
sk_timeline *sk_timeline_new(sk_reader *log);
void sk_timeline_free(sk_timeline *t); /* NULL is fine */

/* The task's own name, else its function's. */
const char *sk_timeline_name(const sk_timeline *t, uint32_t task);
const char *sk_timeline_code(unsigned code); /* "TASK_TIMEOUT"; "?" */
/* The task's outcome in one word: done failed cancelled, or where the trace left it: waiting ready
 * running blocked. */
const char *sk_timeline_outcome(const sk_timeline *t, uint32_t task);
/* "2.5 ms", in `buf`, which it returns. Three digits. */
const char *sk_timeline_time(int64_t ns, char buf[16]);

#endif
