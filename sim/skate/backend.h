/* skate/backend.h -- the seam: what a backend must do, and what it may call. Provisional until the tcp backend works.
 *
 * A backend runs ready tasks and holds bytes. What a program means (dependencies, wait, errors, retries, cancel, reference
 * counts, resources) is decided above this line, once, in the core; nothing a student could observe is decided below it.
 *
 * To write one: copy backends/serial.c, which uses only skate.h and this file, export
 *
 *     const sk_backend_ops sk_backend_module = { .version = SK_BACKEND_VERSION, .name = "mine", ... };
 *
 * build it with `cc -shared -fPIC $(pkg-config --cflags skate) mine.c -o mine.so`, run programs with --backend ./mine.so
 * and try it with `skate conform ./mine.so`.
 *
 * Reading order: 1 the table; 2 what a backend calls to run tasks; 3 to wait; 4 threads; 5 promises.     */
#ifndef SKATE_BACKEND_H
#define SKATE_BACKEND_H

#include <skate.h>

#define SK_BACKEND_VERSION 1
#define SK_NEVER INT64_MAX              /* a time that does not come */

typedef struct sk_backend sk_backend;   /* yours; its first member must be `struct sk_backend_base base;` or equal */
typedef struct sk_wait sk_wait;         /* somebody waits for objects; opaque */

/* A task that may run. Names go stale: when the task was run by someone else, or cancelled, sk_task_run says so and
 * does nothing. So a backend may keep names in any queue as long as it likes. 0 names no task. */
typedef struct sk_task_name { uint64_t id; } sk_task_name;

/* What a backend can do; tests that need more are skipped, and the skip is printed. */
enum {
    SK_CAN_OVERLAP = 1,       /* runs tasks at the same time */
    SK_CAN_TIME_OUT = 2,      /* a timed wait ends in time even while tasks run */
    SK_CAN_KILL = 4,          /* can end a running task by force */
    SK_CAN_NODES = 8,         /* more than one node */
    SK_CAN_VIRTUAL_TIME = 16, /* its time is simulated and exact */
    SK_CAN_ISOLATE = 32,      /* a crash in a task does not end the program */
};

typedef enum sk_operation { SK_SUBMIT, SK_PUT, SK_GET, SK_OTHER } sk_operation;
struct sk_demand;                       /* resources.h */
struct sk_failure;                      /* error.h */

typedef struct sk_settings {            /* what sk_init found; strings live until close */
    const char *backend;
    int nodes, workers;
    const char *resources, *trace;
    const char *policy, *cluster, *cost, *patience;     /* NULL: not given */
    size_t stack_bytes;                      /* of a task's stack, and how many tasks may be under way; 0: not given */
    int tasks;
    uint64_t seed;
    size_t store_bytes;
    const char *spill_dir;                   /* NULL: not given; "none" */
    bool gantt;
    bool live, gate;                         /* a viewer may watch, and hold tasks back */
    size_t worker_memory;                    /* bytes; 0: no limit */
    bool prefix;                             /* lines that tasks print say who printed them */
    const char *head, *secret_file;          /* of tcp: where the head listens for other machines' nodes; NULL: it does not. And what they must know */
    int expect, join_wait;                   /* how many of those are waited for, and for how many seconds */
    int64_t heartbeat_ns, dead_ns;           /* 0: the transport's */
} sk_settings;

/* ---- 1. The table -------------------------------------------------------------------------------
 * The core allocates `size` zeroed bytes, aligned to 64, for the backend's own struct, calls open, then the other slots from any thread,
 * close last. A slot that may be NULL says what happens then.                                          */

typedef struct sk_backend_ops {
    uint32_t version;         /* SK_BACKEND_VERSION */
    unsigned can;             /* SK_CAN_... */
    const char *name;
    const char *summary;      /* one line for --help */
    size_t size;

    /* Starts. false and *err if it cannot (the program then ends with that message). May be NULL. */
    bool (*open)(sk_backend *self, const sk_settings *settings, sk_error *err);

    /* The run has begun: the log is open, node 0 lives. May be NULL. */
    void (*started)(sk_backend *self);

    /* Ends: no task is running or ready any more and none will come. Give back all there is. May be NULL. */
    void (*close)(sk_backend *self);

    /* This task may run now. Remember its name, return, and call sk_task_run for it soon, from any thread. Called from any
     * thread, also from inside tasks, also with the name of a task that was given before (a retry); never block here.
     * It takes one of the `workers` while it runs. A worker should run what its own task made ready before older tasks: children
     * finish first. */
    void (*ready)(sk_backend *self, sk_task_name task);

    /* The same for a task for which the core has already set cpus aside: it takes no worker. NULL: workers are not counted, `ready` gets
     * these too. */
    void (*ready_with_cpus)(sk_backend *self, sk_task_name task);

    /* The calling thread waits: return once sk_wait_over(wait), or once now() >= sk_wait_deadline(wait). Called inside tasks
     * (then let other tasks have the worker meanwhile, and have one again before returning) and by the driver. You
     * may run tasks here, but only those that sk_wait_next names: any other may need, in the end, the very task below it on this stack. If
     * nothing can happen any more, in any thread, and the wait has no deadline, call sk_deadlock(). */
    void (*wait)(sk_backend *self, sk_wait *wait);

    /* A short cut for wait, when one ready task that needs nothing unusual makes the one awaited object: run it on this thread with
     * sk_task_run, now, or do nothing. *worker is the number of the waiting task (-1: the driver waits); set it if the task goes on
     * as another. May be NULL. */
    void (*run_here)(sk_backend *self, sk_task_name task, int *worker);

    /* A wait by this thread (the `thread` it had in sk_wait_thread) is over. Called from any thread. May be NULL if wait
     * runs everything itself. May come too early, late or twice. */
    void (*wake)(sk_backend *self, void *thread);

    /* Runs or waits until nothing is running and nothing given to ready can run. Called by the driver, at shutdown. */
    void (*drain)(sk_backend *self);

    /* Nanoseconds since open, in the backend's own time. NULL: the monotonic clock. */
    int64_t (*now)(sk_backend *self);

    /* The calling task or driver spends time: sleeping (keeps its cpus), or computing. NULL: the real thing. */
    void (*sleep)(sk_backend *self, int64_t ns);
    void (*compute)(sk_backend *self, double units);

    /* The bytes of an object: size bytes aligned to 64, readable wherever its users run. NULL if there is no memory. The
     * core counts them against store_bytes. Both NULL: the process's own memory, kept warm for reuse. */
    void *(*alloc)(sk_backend *self, size_t size);
    void (*free)(sk_backend *self, void *bytes, size_t size);

    /* Call sk_task_alarm(task) at this time, unless closed before. NULL: a timeout is noticed when the task returns. */
    void (*alarm)(sk_backend *self, int64_t at, sk_task_name task);

    /* A thread of the program that has called Skate (and has something in sk_thread_get) has ended. May be NULL. */
    void (*thread_gone)(sk_backend *self, void *thread);

    /* The core wants `n` of the workers for tasks that bring their own cpus. Take them from idle ones and return how many there were
     * (only_if_idle: none, if ordinary tasks are ready to run);
     * for the rest, whenever a worker is between two tasks and sk_cpus_wanted() > 0 (look once more after you have put one among the
     * idle), take it out of service and call
     * sk_cpus_give(1). `put_back` returns n of them. Both NULL: workers are not counted (one task at a time). */
    int (*take_workers)(sk_backend *self, int n, bool only_if_idle);
    void (*put_back)(sk_backend *self, int n);

    /* Ends a running task by force. NULL: SK_FORCE is like no flag (for `processes`; how the end is reported comes with it). */
    void (*kill)(sk_backend *self, sk_task_name task);

    /* Fills in threads, threads_peak, blocked_peak, steals, parks. May be NULL. */
    void (*counts)(sk_backend *self, sk_counts *counts);

    /* Every call from a thread of the program is between these two: for backends that let one thread at a time. Calls may nest. Both NULL: all
     * threads call at once. */
    void (*enter)(sk_backend *self);
    void (*leave)(sk_backend *self);

    /* ---- Backends with nodes (SK_CAN_NODES); none of these may be NULL there, and they are not called elsewhere. Every task goes to
     * `ready`, and the backend's scheduler counts cpus and resources. Objects are those with bytes: scalars travel in messages. */

    /* The calling task or driver submits, puts or gets so many bytes: the time it takes. SK_OTHER: it does something that takes none,
     * or a task's body has ended; whoever counts what plain C takes counts it now. */
    void (*spend)(sk_backend *self, sk_operation what, size_t bytes);
    /* A ready task was cancelled: it will not run. */
    void (*forget)(sk_backend *self, sk_task_name task);
    /* An object has its bytes, where the calling task or driver is; is gone for good. */
    void (*sealed)(sk_backend *self, uint64_t object, size_t bytes, bool made_by_task);
    void (*freed)(sk_backend *self, uint64_t object);
    /* The calling task or driver needs the bytes where it is. Returns when they are there, or at the deadline (before now(): only starts
     * to fetch them): false. If they cannot be had for another reason than that they are lost, the lane's boxing_error says why. */
    bool (*pull)(sk_backend *self, uint64_t object, int64_t deadline);
    /* Could it ever run? If not, says why: "asks for 4 cpus, the largest node has 2". node: -1 any. */
    bool (*is_feasible)(sk_backend *self, const struct sk_demand *demand, int node, char *why, size_t room);
    size_t (*resources)(sk_backend *self, sk_resource *out, size_t max);
    size_t (*nodes)(sk_backend *self, sk_node_info *out, size_t max);
    /* Where bodies do not run in this process: runs this one, of the calling lane's running task, and returns when it has returned: true
     * and its answers in out; or false and *why it failed (owned; NULL: it was cancelled). leave_body: the task has ended in the middle of a
     * call that its body has made; makes the body leave. Both NULL: bodies run here. */
    bool (*run_body)(sk_backend *self, const sk_fn *fn, const sk_value *in, sk_value *out, struct sk_failure **why);
    void (*leave_body)(sk_backend *self);
    /* Why has this ready task not started? Fills `text` ("lacks gpu of node 2"); returns a task that holds what it lacks, 0: none. */
    sk_task_name (*holder)(sk_backend *self, sk_task_name task, char *text, size_t room);
} sk_backend_ops;

struct sk_backend_base {                /* the first member of your struct; filled in by the core before open */
    const sk_backend_ops *ops;
    const sk_settings *settings;
};

/* ---- 2. To run tasks ---------------------------------------------------------------------------- */

/* Runs the task on this thread, as worker number `worker` (0 .. workers-1; ignored for a task that brings its own cpus), to its
 * end. false, and nothing was done, if the name is stale. */
bool sk_task_run(sk_task_name task, int worker);
bool sk_task_run_at(sk_task_name task, int node, int worker);     /* the same, on this node; worker: the row of the node it is drawn in */
bool sk_task_is_ready(sk_task_name task);         /* would sk_task_run run it now? */
bool sk_task_brings_cpus(sk_task_name task);
void sk_task_alarm(sk_task_name task);            /* its time may be up: the core looks */
int  sk_cpus_wanted(void);                        /* how many workers the core waits for; a plain load */
int  sk_cpus_wanted_idle(void);                   /* the same, but only workers that would sleep otherwise */
void sk_cpus_give(int n);

/* ---- 3. To wait ---------------------------------------------------------------------------------- */

bool sk_wait_over(const sk_wait *wait);
int64_t sk_wait_deadline(const sk_wait *wait);    /* nanoseconds as in now(); SK_NEVER */
bool sk_wait_is_in_task(const sk_wait *wait);     /* a task waits, not the driver */
void *sk_wait_thread(const sk_wait *wait);        /* what sk_thread_attach was given by the waiting thread */

void sk_wait_goes_on(sk_wait *wait, int worker);  /* the waiting task continues as this worker; default: as before */
void sk_wait_give_up(sk_wait *wait);              /* ends it with SK_LIMIT: no more threads may be blocked */

/* A ready task that the wait needs: the one that makes an awaited object, or an argument of it, or ... 0 if there is none. `alone`: no
 * other thread runs tasks, and everything is looked at. Beside other threads, only if all awaited objects are needed, and a way down
 * is given up where another thread is at work on it: so the thread should look again, and sleep in the end. */
sk_task_name sk_wait_next(sk_wait *wait, bool alone);

/* Nothing can happen any more, though somebody waits: every wait without a deadline ends with SK_DEADLOCK, which says who waits for
 * whom. Returns how many waits it ended. Call it from one thread at a time. */
size_t sk_deadlock(void);

/* Too little stack left on this thread to run another task on top of the one it is in? */
bool sk_stack_is_low(void);

/* ---- 4. Threads ------------------------------------------------------------------------------------- */

/* Every thread of the backend's own that calls sk_task_run attaches first and detaches before it ends. `thread` is what wake gets.
 * The driver's thread is attached by sk_init (and by the first call, for other threads of the program) with NULL;
 * a backend may set its own with sk_thread_set. */
void sk_thread_attach(void *thread);
void sk_thread_detach(void);
void sk_thread_set(void *thread);
void *sk_thread_get(void);

/* ---- 5. Promises: objects that no task makes. For tests (a gate to hold tasks back) and for servers. -------- */

#define sk_promise() sk_promise_at(SK_HERE)
#define sk_fulfil(ref, x) sk_fulfil_at((ref), SK_BOX(x), SK_HERE)     /* once; not a ref */
sk_ref sk_promise_at(sk_site *site);
void sk_fulfil_at(sk_ref ref, sk_value value, sk_site *site);

#endif
