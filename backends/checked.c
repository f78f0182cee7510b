/* checked.c -- a decorator: the contract of skate/backend.h, asserted around any other backend. "checked+threads" is for tests.
 *
 * The idea is git's refs/debug.c: a backend whose slots look at what comes and goes, and call another's.            */
#include "session.h"

#include <glib.h>
#include <pthread.h>

typedef struct checked {
    struct sk_backend_base base;
    pthread_mutex_t lock;                 /* guards what follows */
    GHashTable *blocks;                   /* bytes -> size, of what alloc gave and free has not seen */
    bool opened, drained, closed;
    int64_t last_now;
    _Atomic int inside_open;
    _Alignas(64) char inner[];            /* the other backend's struct */
} checked;

static const sk_backend_ops *inner_ops;   /* one session at a time */

static checked *the(sk_backend *self)         { return (checked *)self; }
static sk_backend *inner(sk_backend *self)    { return (sk_backend *)the(self)->inner; }

#define MUST(condition, slot, what) \
    do { if (!(condition)) sk_die(NULL, NULL, 3, "contract of backend %s broken: %s: %s", inner_ops->name, slot, what); } while (0)

static bool checked_open(sk_backend *self, const sk_settings *settings, sk_error *err)
{
    checked *c = the(self);
    pthread_mutex_init(&c->lock, NULL);
    c->blocks = g_hash_table_new(g_direct_hash, g_direct_equal);
    *(struct sk_backend_base *)c->inner = (struct sk_backend_base){ inner_ops, settings };
    MUST(!c->opened, "open", "called twice");
    c->opened = true;
    return !inner_ops->open || inner_ops->open(inner(self), settings, err);
}

static void checked_close(sk_backend *self)
{
    checked *c = the(self);
    MUST(c->opened && c->drained && !c->closed, "close", "must come once, after open and drain");
    c->closed = true;
    if (inner_ops->close)
        inner_ops->close(inner(self));
    sk_counts counts = sk_session_counts();
    MUST(counts.tasks_submitted == counts.tasks_done + counts.tasks_failed + counts.tasks_cancelled, "close",
         "tasks are left that neither ran nor were cancelled");
    g_hash_table_destroy(c->blocks);
    c->blocks = NULL;
}

static void checked_ready(sk_backend *self, sk_task_name task)
{
    checked *c = the(self);
    MUST(c->opened && !c->closed, "ready", "called outside open and close");
    MUST(task.id != 0, "ready", "0 names no task");
    inner_ops->ready(inner(self), task);
}

static void checked_ready_with_cpus(sk_backend *self, sk_task_name task)
{
    checked *c = the(self);
    MUST(c->opened && !c->closed, "ready_with_cpus", "called outside open and close");
    MUST(sk_task_brings_cpus(task) || !sk_task_is_ready(task), "ready_with_cpus", "the task brings no cpus");
    inner_ops->ready_with_cpus(inner(self), task);
}

static void checked_wait(sk_backend *self, sk_wait *wait)
{
    MUST(the(self)->opened && !the(self)->closed, "wait", "called outside open and close");
    void *frame = sk_session_frame();
    inner_ops->wait(inner(self), wait);
    MUST(sk_session_frame() == frame, "wait", "returned in another task than it was called in");
    MUST(((sk_frame *)frame)->died || sk_wait_over(wait) || sk_session_now() >= sk_wait_deadline(wait), "wait", "returned, but the wait is not over and its time is not up");
}

static void checked_wake(sk_backend *self, void *thread)
{
    inner_ops->wake(inner(self), thread);
}

static void checked_drain(sk_backend *self)
{
    inner_ops->drain(inner(self));
    MUST(sk_session_running() == 0, "drain", "returned while a task runs");
    the(self)->drained = true;
}

static int64_t checked_now(sk_backend *self)
{
    checked *c = the(self);
    if (!c->blocks)                       /* before open, after close */
        return inner_ops->now ? inner_ops->now(inner(self)) : sk_session_monotonic();
    pthread_mutex_lock(&c->lock);         /* around the call: or two threads could read in one order and compare in the other */
    int64_t now = inner_ops->now ? inner_ops->now(inner(self)) : sk_session_monotonic();
    bool back = now < c->last_now;
    c->last_now = now;
    pthread_mutex_unlock(&c->lock);
    MUST(!back, "now", "went back");
    return now;
}

static void *checked_alloc(sk_backend *self, size_t size)
{
    checked *c = the(self);
    void *p = inner_ops->alloc ? inner_ops->alloc(inner(self), size) : sk_store_alloc(size);
    if (!p)
        return NULL;
    MUST((uintptr_t)p % 64 == 0, "alloc", "the bytes are not aligned to 64");
    pthread_mutex_lock(&c->lock);
    bool fresh = g_hash_table_insert(c->blocks, p, GSIZE_TO_POINTER(size));
    pthread_mutex_unlock(&c->lock);
    MUST(fresh, "alloc", "gave bytes that are in use");
    memset(p, 0xa5, size);                /* whoever reads what was never set shall see it */
    return p;
}

static void checked_free(sk_backend *self, void *bytes, size_t size)
{
    checked *c = the(self);
    if (c->blocks) {                      /* what the driver's lanes keep is freed after close */
        pthread_mutex_lock(&c->lock);
        size_t had = GPOINTER_TO_SIZE(g_hash_table_lookup(c->blocks, bytes));
        g_hash_table_remove(c->blocks, bytes);
        pthread_mutex_unlock(&c->lock);
        MUST(had == size, "free", "not what alloc gave, or not with its size");
    }
    if (inner_ops->free)
        inner_ops->free(inner(self), bytes, size);
    else
        sk_store_free(bytes, size);
}

static int checked_take_workers(sk_backend *self, int n, bool only_if_idle)
{
    MUST(n > 0, "take_workers", "n must be above 0");
    int got = inner_ops->take_workers(inner(self), n, only_if_idle);
    MUST(got >= 0 && got <= n, "take_workers", "took more than was asked for");
    return got;
}

#define PASS(slot, args, call) static void checked_##slot args { inner_ops->slot call; }
PASS(started, (sk_backend *self), (inner(self)))
PASS(run_here, (sk_backend *self, sk_task_name task, int *worker), (inner(self), task, worker))
PASS(sleep, (sk_backend *self, int64_t ns), (inner(self), ns))
PASS(compute, (sk_backend *self, double units), (inner(self), units))
PASS(alarm, (sk_backend *self, int64_t at, sk_task_name task), (inner(self), at, task))
PASS(thread_gone, (sk_backend *self, void *thread), (inner(self), thread))
PASS(put_back, (sk_backend *self, int n), (inner(self), n))
PASS(kill, (sk_backend *self, sk_task_name task), (inner(self), task))
PASS(counts, (sk_backend *self, sk_counts *counts), (inner(self), counts))
PASS(enter, (sk_backend *self), (inner(self)))
PASS(leave, (sk_backend *self), (inner(self)))
PASS(spend, (sk_backend *self, sk_operation what, size_t bytes), (inner(self), what, bytes))
PASS(forget, (sk_backend *self, sk_task_name task), (inner(self), task))
PASS(freed, (sk_backend *self, uint64_t object), (inner(self), object))

static void checked_sealed(sk_backend *self, uint64_t object, size_t bytes, bool made_by_task)
{
    MUST(object != 0 && bytes > 0, "sealed", "an object without a name or without bytes");
    inner_ops->sealed(inner(self), object, bytes, made_by_task);
}

#define PASS_FOR(type, slot, args, call) static type checked_##slot args { return inner_ops->slot call; }
PASS_FOR(bool, pull, (sk_backend *self, uint64_t object, int64_t deadline), (inner(self), object, deadline))
PASS_FOR(bool, is_feasible, (sk_backend *self, const struct sk_demand *demand, int node, char *why, size_t room),
         (inner(self), demand, node, why, room))
PASS_FOR(size_t, resources, (sk_backend *self, sk_resource *out, size_t max), (inner(self), out, max))
PASS_FOR(size_t, nodes, (sk_backend *self, sk_node_info *out, size_t max), (inner(self), out, max))
PASS_FOR(sk_task_name, holder, (sk_backend *self, sk_task_name task, char *text, size_t room), (inner(self), task, text, room))

const sk_backend_ops *sk_backend_checked(const sk_backend_ops *ops)
{
    static sk_backend_ops table;
    inner_ops = ops;
#define IF(slot) (ops->slot ? checked_##slot : NULL)
    table = (sk_backend_ops){
        .version = ops->version, .can = ops->can, .name = ops->name, .summary = ops->summary,
        .size = sizeof(checked) + ops->size,
        .open = checked_open, .started = IF(started), .close = checked_close, .ready = checked_ready, .ready_with_cpus = IF(ready_with_cpus), .wait = checked_wait, .wake = IF(wake), .run_here = IF(run_here),
        .drain = checked_drain, .now = checked_now, .sleep = IF(sleep), .compute = IF(compute), .alloc = checked_alloc,
        .free = checked_free, .alarm = IF(alarm), .thread_gone = IF(thread_gone), .take_workers = IF(take_workers), .put_back = IF(put_back),
        .kill = IF(kill), .counts = IF(counts), .enter = IF(enter), .leave = IF(leave), .spend = IF(spend), .forget = IF(forget),
        .sealed = IF(sealed), .freed = IF(freed), .pull = IF(pull), .is_feasible = IF(is_feasible), .resources = IF(resources),
        .nodes = IF(nodes), .holder = IF(holder),
    };
#undef IF
    return &table;
}
