/* skate.h -- tasks, objects and wait: Ray's programming model in C. The whole public interface.
 *
 *   #include <skate.h>
 *
 *   SK_REMOTE(double, add, (double, a), (double, b)) { return a + b; }     // Ray: @ray.remote
 *
 *   int main(int argc, char **argv)
 *   {
 *       sk_init(&argc, &argv, NULL);              // Ray: ray.init()
 *       sk_ref x = sk_put(1.0);                   // Ray: ray.put(1.0)
 *       sk_ref y = sk_remote(add, x, 2.0);        // Ray: add.remote(x, 2.0)
 *       printf("%g\n", sk_get(double, y));        // Ray: ray.get(y)
 *       sk_shutdown();
 *   }
 *
 * Reading order: 1 start and stop; 2 things that travel; 3 objects; 4 tasks; 5 wait; 6 references;
 * 7 inside a task; 8 errors; 9 what the cluster has. The macros SK_REMOTE, sk_remote, sk_put, sk_get
 * ... are made in skate/remote.h; what they mean is said here.
 *
 * Misuse (a dropped ref, a negative timeout, a call before sk_init) ends the program with a message
 * that names your file and line; the sk_try_ calls return SK_MISUSE where that is said. Everything may be called from any thread.                        */
#ifndef SKATE_H
#define SKATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#error "skate.h is for C (gnu11); C++ has no _Generic"
#endif

#define SK_VERSION "0.1.0"
#define SK_FOREVER (1e300)            /* a timeout that never ends */
#define SK_ZERO (-1)                  /* in options: "none", where 0 means "the default" */

/* ---- 1. Start and stop ------------------------------------------------------------------------
 * Every option can be given four ways; the first found wins: the command line (--sk-workers=4, removed
 * from argv), the environment (SKATE_WORKERS=4), sk_config (what it has), the default. --sk-help lists all. */

typedef struct sk_config {
    const char *backend;      /* "threads" (default), "serial", "processes", "virtual", or a module's path: "./mine.so" */
    int nodes;                /* 1 */
    int workers;              /* per node; default: one per core, 4 on virtual */
    const char *resources;    /* per node, besides cpus: "gpu=2,licence=0.5"; default none */
    uint64_t seed;            /* of sk_random; default 1 */
    size_t store_bytes;       /* what objects may take; default 30 % of memory */
    size_t worker_memory;     /* on processes: what a worker may take besides objects; default no limit */
    bool prefix;              /* on processes and tcp: lines of tasks begin with who prints them: "(square pid=123) ", "(square pid=123 node=2) " */
    const char *trace;        /* write the event log to this file; default none */
    bool gantt;               /* print a text Gantt chart at shutdown */
    const char *spill_dir;    /* processes: where objects go when the store is full; default $TMPDIR or /var/tmp; "none" */
} sk_config;

/* Starts the runtime. argc and argv (may be NULL) are read for --sk-* options, which are removed;
 * config may be NULL. Ends the program on unknown options or backends. Ray: ray.init(). */
#define sk_init(...) sk_init_at(SK_HERE, __VA_ARGS__)      /* (int *argc, char ***argv, const sk_config *config) */

/* Runs what has been submitted and not cancelled, drops the driver's refs, stops the backend, closes the trace.
 * Ray: ray.shutdown() (which does not wait: a C program has no interpreter to outlive it). */
#define sk_shutdown() sk_shutdown_at(SK_HERE)

/* ---- 2. Things that travel --------------------------------------------------------------------
 * bool, int, unsigned, int64_t, uint64_t, float, double, and the five below. Parameters of remote
 * functions, return values, and T in sk_get(T, ref) are of these types. Numbers widen (an int may be given
 * for a double) and are range-checked when they narrow (int64_t 5e9 arriving at an int is an error).
 *
 * Strings, buffers, arrays and lists that come out of sk_get, or arrive as arguments, are read-only
 * views of the object, not copies: valid until the ref is dropped (arguments: until the task ends).  */

typedef struct sk_ref { uint64_t id; } sk_ref;                      /* names an object; 0 is none  */
typedef struct sk_none { char unused; } sk_none;                    /* of functions with no answer */
typedef struct sk_buf { const void *data; size_t size; const void *owner; } sk_buf;       /* bytes */
typedef struct sk_list { const sk_ref *refs; size_t n; const void *owner; } sk_list;      /* refs  */

typedef enum sk_dtype { SK_F64, SK_F32, SK_I64, SK_I32, SK_U8 } sk_dtype;
enum { SK_MAX_DIMS = 4 };
typedef struct sk_array {             /* 1 to 4 dimensions, row-major, data aligned to 64 bytes */
    const void *data;
    sk_dtype dtype;
    int ndim;
    int64_t shape[SK_MAX_DIMS];       /* elements; unused dimensions are 1 */
    const void *owner;                /* the library's; leave it 0 in arrays you fill in yourself */
} sk_array;

typedef struct sk_fn sk_fn;           /* a remote function; SK_REMOTE makes one */

/* sk_array   sk_new_array(dtype, n...)    an array in the store, its elements not set, yours to fill with sk_write; return it
 *                                         from the task and it becomes the result without a copy. Freed
 *                                         with the task (the driver: at shutdown) if you do not.
 * sk_array   sk_zeros(dtype, n...)        the same, all elements 0
 * const T *  sk_read(T, array)            its elements; T must match the dtype
 * T *        sk_write(T, array)           the same, to fill; only before the array is sealed
 * int64_t    sk_len(array)                elements in all
 * void       sk_expect_shape(array, n...) fails the task unless the shape is this
 * sk_array   sk_array_of(pointer, n...)   your own memory as an array, to put, pass or return
 * sk_list    sk_list_of(refs, n)          your own refs as a list
 * sk_buf     sk_buf_of(data, size)        your own bytes as a buffer
 * sk_buf     sk_pack(lvalue)              the bytes of a plain struct
 * T          sk_unpack(T, buf)            and back; the size is checked
 *
 * The four that take your own memory copy it at once inside a task, so that a task may return what stands on its
 * stack; the driver's is borrowed until the call that takes the value, and copied there.                    */
int64_t sk_len(sk_array array);
/* printf into a string that lives until the task (or sk_scope) ends: to return, or to pass. */
const char *sk_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- 3. Objects -------------------------------------------------------------------------------
 *
 * sk_ref sk_put(x)       Copies x into the object store, where nothing can change it any more, and returns
 *                        a reference. A ref cannot be put (put a list of it). Ray: ray.put(x).
 *
 * T sk_get(T, ref)       Waits until the object is there and returns its value. If the task that was to
 *                        make it failed: in a task, fails this task too; in the driver, prints the chain
 *                        of submit sites, root cause last, and ends the program. Inside a task the
 *                        task's cpus are given up meanwhile. Ray: ray.get(ref).
 *
 * T sk_take(T, ref)      sk_get, then sk_drop. Views stay valid until the end of the task or sk_scope.
 *
 * bool sk_try_get(ref, T *value, double timeout_s, sk_error *err)
 *                        As sk_get, but false and *err (may be NULL) on failure, SK_TIMEOUT after
 *                        timeout_s seconds among them (the object is not consumed). 0 polls. A negative
 *                        timeout is SK_MISUSE, its message names the line (without an err to say it in, it
 *                        ends the program); a ref used after sk_drop, or never made, ends it always.
 *                        Ray: ray.get(ref, timeout=...).
 *
 * sk_get_all(T, refs, n, values)   and
 * bool sk_try_get_all(refs, n, values, timeout_s, err)
 *                        Gets n values into an array; refs may repeat. The first failure in time is reported at
 *                        once, without waiting for the rest. Ray: ray.get([...]).
 *
 * T sk_get_struct(T, ref)  a struct put as sk_put(sk_pack(x)).                                              */

/* ---- 4. Tasks ---------------------------------------------------------------------------------
 *
 * SK_REMOTE(T, fn, (T1, a), (T2, b), ...) { body }        at file scope; at most 8 parameters
 *                        Defines a remote function; T is the type of its answer (sk_none: none). fn_body(a, b) calls
 *                        the same code as an ordinary C function. Ray: @ray.remote.
 * SK_REMOTE_OUT(fn, ((T1, x), (T2, y)), (T3, a), ...) { *x = ...; *y = ...; }
 *                        Several answers, at most 8: pointers to fill. Ray: num_returns=.
 * SK_REMOTE_DECLARE(T, fn, (T1, a), ...);   SK_REMOTE_OUT_DECLARE(fn, (...), (T3, a), ...);
 *                        Says that fn is defined below, or in another file.
 *
 * sk_ref sk_remote(fn, ...)
 *                        Submits a task and returns at once the reference of its future result. An
 *                        argument may be a value (copied now; on several nodes one of 100 kB or more is put,
 *                        and counts as an object) or an sk_ref: then the task waits for that object and
 *                        receives its value. Refs inside a list stay refs; a parameter of
 *                        type sk_ref receives the ref itself. Wrong number or types do not compile.
 *                        Ray: fn.remote(...).
 * sk_remote_into(refs, fn, ...)            refs is an array of as many sk_ref as fn has answers
 * sk_ref sk_remote_with(SK_OPTS(.num_cpus = 2, ...), fn, ...)     Ray: fn.options(num_cpus=2).remote(...)
 * sk_remote_into_with(SK_OPTS(...), refs, fn, ...)
 * sk_ref sk_remote_fn(const sk_fn *fn, ...)   fn known only at run time (pass &add): checked when called */

typedef struct sk_options {       /* zero means the default, SK_ZERO means none */
    const char *name;             /* shown instead of the function's name; copied */
    double num_cpus;              /* 1; steps of 0.0001 */
    const char *resources;        /* "gpu=1,licence=0.5" */
    int node;                     /* run on this node only: its number, SK_ZERO for node 0; default any */
    int max_retries;              /* 3: how often to start again after a system failure */
    bool retry_errors;            /* also after sk_fail (shares max_retries) */
    double timeout_s;             /* of running time per attempt; default none */
    int priority;                 /* higher first; default 0 */
} sk_options;

/* sk_cancel: a task that has not started never runs; a running one sees sk_cancelled(), its waits end, and its
 * result is CANCELLED (sk_sleep is not cut short); so for the tasks it submitted (unless SK_ONLY_THIS). SK_FORCE kills the worker where that
 * can be (see ARCHITECTURE.md). A finished task is left as it is. Never retried. Ray: ray.cancel(). */
enum { SK_FORCE = 1, SK_ONLY_THIS = 2 };

/* Pairwise reduction over neighbours: fn(x0,x1), fn(x2,x3), ...: order kept, depth ceil(log2 n). refs (n >= 1)
 * are borrowed. fn takes two arguments. Returns a reference of the caller's; for n = 1 a duplicate of refs[0] (see sk_dup). */
#define sk_reduce(fn, refs, n) sk_reduce_at(&(fn), (refs), (n), SK_HERE)
/* out[i] = fn(refs[i]) for each of n refs. */
#define sk_map(fn, refs, n, out) sk_map_at(&(fn), (refs), (n), (out), SK_HERE)

/* ---- 5. Wait ----------------------------------------------------------------------------------
 *
 * size_t sk_wait(refs, n, num_returns, timeout_s)
 *
 * Waits until num_returns of the n refs are ready, or timeout_s seconds have passed.
 *
 *   refs         n references; reordered in place: ready ones first, each part keeping its order. Borrowed.
 *   num_returns  1 .. n
 *   timeout_s    seconds in the backend's time; SK_FOREVER never gives up; 0 polls
 *
 * Returns how many are ready: num_returns, fewer only if the time ran out, never more even if more are ready
 * (the others stay in the second part). A failed task counts as ready; its error waits in sk_get. n = 0
 * returns 0. Inside a task, gives up the task's cpus meanwhile. Misuse (duplicates, num_returns out of range,
 * negative timeout) ends the program naming the caller's line; sk_try_wait(refs, n, num_returns, timeout_s,
 * &count, &err) returns false and SK_MISUSE instead (if err is not NULL). O(n) a call.
 *
 * Ray: ray.wait(refs, num_returns=..., timeout=...), which returns two lists. */

/* For long drains: hands out the n refs one by one as they complete; each sk_waiter_next is O(1) amortised.
 * The refs are borrowed and must outlive the waiter; duplicates are handed out twice. Python: as_completed. */
typedef struct sk_waiter sk_waiter;
#define sk_waiter_new(refs, n) sk_waiter_new_at((refs), (n), SK_HERE)
/* bool sk_waiter_next(waiter, sk_ref *ref, double timeout_s)     false: none left, or timed out
 * size_t sk_waiter_left(waiter)                                 not handed out yet
 * void sk_waiter_free(waiter)                                   NULL is fine; what a task leaves open is freed with it */

/* ---- 6. References ----------------------------------------------------------------------------
 * References are counted. What a task makes or duplicates is dropped when the task returns, unless it is part of what
 * it returns; the driver's are dropped at shutdown. References found inside a value (a list, an sk_ref
 * argument or result) belong to that value: duplicate them to keep them longer.
 *
 * sk_drop(ref)           gives up one reference; using the ref afterwards is misuse
 * sk_ref sk_dup(ref)     one more reference to the same object (at most 32767 of one object in one task)
 * sk_scope { ... }       drops at its end what sk_put, sk_remote ... made inside; for loops. break and return work.
 *                        sk_dup inside a scope makes a reference that outlives it.                              */

/* ---- 7. Inside a task (and in the driver) ------------------------------------------------------ */

/* Ends the running task as failed, with this message; does not return. Release what you hold first. */
#define sk_fail(...) sk_fail_at(SK_HERE, __VA_ARGS__)
bool sk_cancelled(void);               /* has the running task been cancelled, or timed out? Stop if so. */
double sk_now(void);                   /* seconds since sk_init, in the backend's time */
#define sk_sleep(seconds) sk_sleep_at((seconds), SK_HERE)
#define sk_compute(units) sk_compute_at((units), SK_HERE)  /* work; a unit is about a microsecond of one core */
#define sk_say(...) sk_say_at(SK_HERE, __VA_ARGS__)    /* printf with the time in front, one line, also in the trace */
double sk_random(void);                /* uniform in [0, 1): one stream per task, the same on every backend */
int sk_node(void);                     /* the node this runs on; 0 is the driver's */
int sk_worker(void);                   /* the worker this runs on, 0 .. workers-1; -1 in the driver. Tasks that ask for other than
                                        * one cpu run beside the workers: from `workers` on */

/* ---- 8. Errors -------------------------------------------------------------------------------- */

typedef enum sk_code {
    SK_OK,
    SK_TIMEOUT,          /* not there yet */
    SK_TASK,             /* the task called sk_fail, or one of its arguments failed or had the wrong type */
    SK_CANCELLED,
    SK_TASK_TIMEOUT,     /* ran longer than its timeout_s */
    SK_WORKER_DIED,      /* its process crashed, exited or was killed, or its node is gone, in its last attempt */
    SK_WORKER_OOM,       /* the same, for want of memory */
    SK_OBJECT_LOST,
    SK_STORE_FULL,       /* need and have are in the message */
    SK_INFEASIBLE,       /* asks for more than any node has */
    SK_DEADLOCK,         /* nothing can happen any more; the message has the wait-for cycle */
    SK_LIMIT,            /* too many blocked workers, or nested too deeply for the stack */
    SK_HEAD_LOST,
    SK_PROTOCOL,         /* a peer sent something that is not Skate's protocol */
    SK_MISUSE,
    SK_CODES
} sk_code;

typedef struct sk_error {
    sk_code code;
    char message[1024];   /* one line per hop, root cause last; cut with "..." where it is longer */
} sk_error;

const char *sk_code_name(sk_code code);      /* "TASK_TIMEOUT" */

/* ---- 9. What the cluster has -------------------------------------------------------------------- */

typedef struct sk_counts {
    uint64_t tasks_submitted, tasks_done, tasks_failed, tasks_cancelled, attempts, retries;
    uint64_t objects_made, objects_live;        /* live: not yet freed */
    uint64_t bytes_live, bytes_peak;            /* of strings, buffers, arrays and lists: in memory */
    uint64_t bytes_spilled;                     /* and in a file only, for want of memory; processes */
    uint64_t steals, parks;                     /* of workers */
    int workers, threads, threads_peak, blocked_peak;   /* OS threads that can run tasks; tasks blocked at once */
    uint64_t transfers, bytes_moved;            /* of objects from one node to another, when all of it is there; on one node 0 */
} sk_counts;

typedef struct sk_resource { char name[32]; double total, available; } sk_resource;
typedef struct sk_node_info { int node; int workers; bool alive; } sk_node_info;

sk_counts sk_stats(void);
size_t sk_resources(sk_resource *out, size_t max);   /* "cpu" first; returns how many there are */
size_t sk_nodes(sk_node_info *out, size_t max);
/* Writes who holds which references, by submit site, to stderr: "main.c:12  3 refs". Returns the total. */
size_t sk_print_refs(void);

#include <skate/remote.h>
#endif
