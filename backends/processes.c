/* processes.c -- one node: worker processes around a shared-memory object store. A worker that dies costs a retry, and nothing else.
 *
 * The idea. The graph is in the driver's process, and one thread at a time calls it (it holds the `turn`). A task's body runs in a worker
 * process; for each attempt the node has a *fiber* that stands for the body: it sends the function's name and the arguments off, makes the calls
 * that come back, and leaves with the answers. So a task is in this process all that it is on any other backend, a frame with refs,
 * children and a parent; only its C runs elsewhere. If the process dies, the fiber is told, and the graph decides (sk_task_died).
 *
 *     program thread: sk_get --> wait: the loop, step by step, until the wait is over
 *                                |
 *       step: a fiber that may go on | a frame of a worker | a command of the scheduler (cluster.h) | a death | a time
 *
 *     keeper:     turns the loop while no thread of the program waits in it (processes_wait.c)
 *     attendant:  starts worker processes, waits for their ends, and passes on what they print (processes_workers.c)
 *
 * Placement is the scheduler's, as on `virtual`; which process takes an attempt is ours: the one that was idle last. A task that waits keeps
 * its process and gives back its cpus, so another process takes over, up to a bound.
 *
 * This file begins and ends it, and has the backend's table; it owns the hosts and the store until they are shared out.
 *
 * Reading order: tasks; asking; open and close; the table. Then processes_loop.c (the turn, a step), _wait.c (who turns the loop), _tasks.c, _ahead.c,
 * _workers.c, _store.c, _room.c, and worker.c, the other side. */
#include "processes.h"

#include "backends.h"
#include "live.h"
#include "memory.h"
#include "session.h"
#include "task.h"

#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_NESTING = 1 << 14 };

int64_t pn_now(void) { return sk_session_monotonic(); }

/* ---- tasks ---- */

/* Children go before new siblings, or each sibling would need a process that waits. */
int pn_depth_of(pnode *n, uint64_t task)
{
    uint64_t parent = atomic_load_explicit(&sk_task_at(task)->parent, relaxed);
    run *r = parent ? pn_run_of(n, parent) : NULL;
    return r ? r->nesting + 1 : 0;
}

void pn_announce(pnode *n, uint64_t task)
{
    sk_task *t = sk_task_at(task);
    uint64_t keys[SK_MAX_ARGS];
    sk_cluster_task ready = { .id = task, .fn = t->fn->index, .order = ++n->order, .affinity = -1, .args = keys,
                              .home = n->current ? n->current->host->number : n->far ? 0 : -1, .is_light = pn_is_light(task) };
    ready.demand.cpus = SK_UNITS;
    if (t->extras) {
        ready.demand = t->extras->demand;
        ready.priority = t->extras->priority;
        ready.affinity = t->extras->node;
    }
    int nearness = 2 * pn_depth_of(n, task), most = MOST_NESTING - 2;
    for (unsigned i = 0; i < t->nargs; i++)
        if (sk_slot_is_pending(&t->args[i])) {
            nearness++;                    /* it uses up what others have made, whose memory then serves again, still warm */
            break;
        }
    ready.priority = CLAMP(ready.priority, INT_MIN / MOST_NESTING, INT_MAX / MOST_NESTING) * MOST_NESTING + MIN(nearness, most);
    n->recall_all |= n->nahead && pn_rank(ready.priority) > n->ahead_rank;
    pn_keep_arguments(n, t);
    if (n->far)
        ready.nargs = n->far->keys(n, t, keys);
    sk_cluster_ready(n->cluster, &ready);
}

void pn_ready(sk_backend *self, sk_task_name task)
{
    pnode *n = pn_of(self);
    if (n->current && pn_in_loop(n) && n->current->task == task.id && !n->current->died) {
        n->current->again = true;          /* a retry: the attempt before is still under way, for a few lines of code */
        return;
    }
    pn_enter(n);
    pn_announce(n, task.id);
    pn_leave(n);
}

void pn_forget(sk_backend *self, sk_task_name task)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    pn_forget_ahead(n, task.id);
    sk_cluster_cancel(n->cluster, task.id);
    pn_leave(n);
}

void pn_kill(sk_backend *self, sk_task_name task)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    run *r = pn_run_of(n, task.id);
    if (r && r->worker)
        pn_end_process(r, SIGKILL);
    pn_leave(n);
}

void pn_spend(sk_backend *self, sk_operation what, size_t bytes) { (void)self, (void)what, (void)bytes; }
/* ---- asking ---- */

bool pn_is_feasible(sk_backend *self, const sk_demand *demand, int node, char *why, size_t room)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    bool feasible = sk_cluster_is_feasible(n->cluster, demand, node, why, room);
    pn_leave(n);
    return feasible;
}

size_t pn_resources(sk_backend *self, sk_resource *out, size_t max)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    size_t count = sk_cluster_resources(n->cluster, out, max);
    pn_leave(n);
    return count;
}

static size_t pn_nodes(sk_backend *self, sk_node_info *out, size_t max)
{
    if (max)
        *out = (sk_node_info){ 0, pn_of(self)->base.settings->workers, true };
    return 1;
}

void pn_counts(sk_backend *self, sk_counts *counts)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    counts->threads = (int)n->up;
    counts->threads_peak = (int)n->up_peak;
    counts->blocked_peak = (int)n->blocked_peak;
    pthread_mutex_lock(&n->store_lock);
    for (pn_host *h = n->hosts; h < n->hosts + n->nhosts; h++)
        if (h->store) {
            counts->bytes_spilled += sk_shm_spilled(h->store);
            counts->bytes_live += h->number ? sk_shm_live(h->store) : 0;       /* what is here is in the account (store.c) */
            counts->bytes_peak += h->number ? sk_shm_peak(h->store) : 0;
        }
    pthread_mutex_unlock(&n->store_lock);
    pn_leave(n);
}

sk_task_name pn_holder(sk_backend *self, sk_task_name task, char *text, size_t room)
{
    pnode *n = pn_of(self);
    pn_enter(n);
    sk_task_name holder = { sk_cluster_holder(n->cluster, task.id, text, room) };
    pn_leave(n);
    return holder;
}

/* ---- open and close ---- */

static bool open_cluster(pnode *n, const sk_settings *s, sk_error *err)
{
    n->cluster = sk_cluster_new(&(sk_cluster_config){ .policy = s->policy, .seed = s->seed }, err);
    sk_demand others;
    if (!n->cluster || !sk_demand_parse(&others, s->resources, err))
        return false;
    sk_cluster_node node = { .speed = SK_UNITS };
    sk_resource_pool_init(&node.pool, (int64_t)s->workers * SK_UNITS, &others);
    sk_cluster_node_up(n->cluster, 0, &node);
    return true;
}

/* Slots of the first host, then those of the others, as many each. */
static void open_hosts(pnode *n, const sk_settings *s, unsigned more, unsigned nhosts, unsigned far_slots)
{
    unsigned own = (unsigned)s->workers + more;
    n->nhosts = nhosts;
    n->nslots = own + (nhosts - 1) * far_slots;
    n->hosts = calloc(nhosts, sizeof *n->hosts);
    n->workers = calloc(n->nslots, sizeof *n->workers);
    n->active = calloc(n->nslots, sizeof *n->active);
    if (!n->hosts || !n->workers || !n->active)
        abort();
    for (unsigned i = 0; i < nhosts; i++) {
        pn_host *h = &n->hosts[i];
        *h = (pn_host){ .node = n, .number = (int)i, .first = i ? own + (i - 1) * far_slots : 0, .nslots = i ? far_slots : own, .queue_end = &h->queue };
        for (unsigned k = h->first; k < h->first + h->nslots; k++)
            n->workers[k] = (pn_worker){ .node = n, .host = h, .slot = k, .process = SK_PROCESS_NONE };
    }
    n->hosts[0].workers = s->workers;
    n->hosts[0].most = own;
    n->hosts[0].store_bytes = s->store_bytes;
    n->hosts[0].store = n->store;
    pn_tell_spills(&n->hosts[0]);
}

/* Stacks of tasks that are blocked, those of threads, and what malloc takes: all that must be left of the addresses beside the store. */
static bool has_room_beside(void)
{
    const size_t size = 256 << 20;
    void *room = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return room != MAP_FAILED && munmap(room, size) == 0;
}

static bool open_store(pnode *n, const sk_settings *s, sk_error *err)
{
    /* Addresses for an arena each: where they are short (ulimit -v, ThreadSanitizer) there are fewer processes to take over from blocked ones. */
    unsigned nhosts = n->far ? n->far->hosts(n) : 1, more = PN_MORE_PROCESSES, far_slots = 0;
    for (; !n->store && more >= 2; more /= 2) {
        far_slots = n->far ? PN_FAR_WORKERS + MIN(more, PN_MORE_FAR) : 0;
        n->store = sk_shm_new(s->store_bytes, (unsigned)s->workers + more + (nhosts - 1) * far_slots + 1, s->spill_dir, err);
        if (n->store && more / 2 >= 2 && !has_room_beside()) {
            sk_shm_free(n->store);
            n->store = NULL;
        }
        if (n->store)
            open_hosts(n, s, more, nhosts, far_slots);
    }
    if (!n->store || !sk_shm_add(n->store, 0, err))
        return false;
    pn_room_open();
    uintptr_t base = (uintptr_t)sk_shm_at(n->store, 0);
    sk_shared_store.base = base;
    sk_shared_store.remembers_gets = true;
    sk_shared_store.size = sk_shm_stride(n->store) * (n->nslots + 1);
    sk_shared_store.view_delta = (uintptr_t)sk_shm_view(n->store, (void *)base) - base;
    return true;
}

bool pn_open(sk_backend *self, const sk_settings *settings, sk_error *err)
{
    pnode *n = pn_of(self);
    if (settings->worker_memory && settings->worker_memory < SK_MEMORY_LEAST)
        return sk_error_set(err, SK_MISUSE, "worker-memory is %zu bytes; give 1M or more", settings->worker_memory);
#ifdef SK_SANITIZED
    if (settings->worker_memory)
        return sk_error_set(err, SK_LIMIT, "worker-memory: the program is built with a sanitizer, whose own memory would count; leave it out");
#endif
    pthread_mutex_init(&n->turn, NULL);
    pthread_mutex_init(&n->output, NULL);
    pthread_mutex_init(&n->store_lock, NULL);
    n->runnable_end = &n->runnable;
    n->wake_fd = -1;
    if (!n->far)
        n->bell_wakes = -1;
    sk_events_init(&n->events);
    sk_fiber_pool_init(settings->stack_bytes);
    n->lane = sk_lane_new_for_fibers();
    n->lane->thread = n;
    return open_cluster(n, settings, err) && open_store(n, settings, err) && pn_workers_open(n, err);
}

void pn_started(sk_backend *self)
{
    pnode *n = pn_of(self);
    bool has_keeper = pn_start_keeper(n);
    sk_session.backend_threads = 2;
    sk_runfile_fill_rows = pn_report;
    sk_live_kill = pn_kill_worker;
    if (!has_keeper)
        sk_die(NULL, NULL, 1, "backend processes: no thread for its loop");
}

void pn_close(sk_backend *self)
{
    pnode *n = pn_of(self);
    pn_stop(n);
    pn_workers_close(n);
    pn_clear_runs(n);
    if (n->habits)
        g_array_free(n->habits, TRUE);
    sk_fiber_counts fibers = sk_fiber_pool_counts();
    if (fibers.alive || fibers.made > 128)
        sk_fiber_pool_clear();
    sk_cluster_free(n->cluster);
    sk_events_clear(&n->events);
    pn_room_close();
    sk_shared_store = (struct sk_shared_store){ 0 };
    sk_shm_free(n->store);
    free(n->hosts);
    free(n->workers);
    free(n->active);
    pthread_mutex_destroy(&n->turn);
    pthread_mutex_destroy(&n->output);
    pthread_mutex_destroy(&n->store_lock);
}

/* ---- the table ---- */

const sk_backend_ops sk_backend_processes = {
    PN_SLOTS,
    .version = SK_BACKEND_VERSION,
    .can = SK_CAN_OVERLAP | SK_CAN_TIME_OUT | SK_CAN_KILL | SK_CAN_ISOLATE,
    .name = "processes",
    .summary = "worker processes around a shared-memory object store: a crash costs a retry",
    .size = sizeof(pnode),
    .open = pn_open,
    .started = pn_started,
    .close = pn_close,
    .sealed = pn_sealed,
    .freed = pn_freed,
    .pull = pn_pull,
    .nodes = pn_nodes,
};
