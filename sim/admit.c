/* admit.c -- see admit.h.
 *
 * The idea: where the first of the tasks of equal demand does not fit, none of them does. So they have a queue in common (as in
 * cluster_state.h), and an admission looks at the heads of queues, in their order, not at tasks. A queue is a heap: mostly tasks come in
 * their order, but not one of higher priority, nor a retry, nor one whose arguments were late.
 *
 * Reading order: queues; what there is; admitting; the calls. */
#include "admit.h"

#include "session.h"

#include <glib.h>
#include <pthread.h>

typedef struct sk_admit_queue {
    const sk_demand *demand;               /* that of one of its tasks */
    sk_extras **heap;                      /* a binary heap: the parent of i is (i - 1) / 2 */
    uint32_t n, room;
} queue;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* All under the lock, but `wanted` is also read without. */
static sk_resource_pool pool;
static GHashTable *queues;                 /* those that have tasks, by demand */
static GTree *heads;                       /* the same in the order of their first tasks */
static sk_extras *running;
static int64_t spare;                      /* units of the borrowed leases that nobody uses; may be negative, see unblock */
static int64_t in_use;                     /* cpus of admitted tasks that are not blocked */
static int borrowed;
static _Atomic int wanted, wanted_idle;
static _Atomic size_t nwaiting;             /* written under the lock, read without */
static bool idle_gift;                     /* the backend has just given an idle worker */
static uint64_t rows;                      /* rows of the picture beyond the workers that are taken; 64 are enough to look at */

/* ---- queues ---- */

static guint hash_demand(gconstpointer key)
{
    const sk_demand *d = ((const queue *)key)->demand;
    uint64_t h = sk_mix((uint64_t)d->cpus);
    for (int i = 0; i < d->n; i++)
        h = sk_mix(h ^ (uint64_t)d->amounts[i].units << 32 ^ g_str_hash(d->amounts[i].name));
    return (guint)h;
}

static gboolean same_demand(gconstpointer left, gconstpointer right)
{
    const sk_demand *a = ((const queue *)left)->demand, *b = ((const queue *)right)->demand;
    if (a->cpus != b->cpus || a->n != b->n)
        return FALSE;
    for (int i = 0; i < a->n; i++)
        if (a->amounts[i].units != b->amounts[i].units || strcmp(a->amounts[i].name, b->amounts[i].name))
            return FALSE;
    return TRUE;
}

static bool is_before(const sk_extras *a, const sk_extras *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->order < b->order;
}

static int by_head(const void *left, const void *right)
{
    const sk_extras *a = ((const queue *)left)->heap[0], *b = ((const queue *)right)->heap[0];
    return a == b ? 0 : is_before(a, b) ? -1 : 1;
}

static void set(queue *q, uint32_t at, sk_extras *e)
{
    q->heap[at] = e;
    e->heap_at = at;
}

/* Finds e a place from `at` on, up or down. */
static void settle(queue *q, uint32_t at, sk_extras *e)
{
    for (; at > 0 && is_before(e, q->heap[(at - 1) / 2]); at = (at - 1) / 2)
        set(q, at, q->heap[(at - 1) / 2]);
    for (uint32_t child; (child = 2 * at + 1) < q->n; at = child) {
        if (child + 1 < q->n && is_before(q->heap[child + 1], q->heap[child]))
            child++;
        if (!is_before(q->heap[child], e))
            break;
        set(q, at, q->heap[child]);
    }
    set(q, at, e);
}

static void enqueue(sk_extras *e)
{
    queue key = { .demand = &e->demand }, *q = g_hash_table_lookup(queues, &key);
    bool is_new = !q, is_first = is_new || is_before(e, q->heap[0]);
    if (is_new) {
        q = g_new0(queue, 1);
        q->demand = &e->demand;
        g_hash_table_add(queues, q);
    } else if (is_first) {
        g_tree_remove(heads, q);                  /* while it is where its old head says */
    }
    if (q->n == q->room) {
        q->room = q->room ? 2 * q->room : 4;
        q->heap = g_renew(sk_extras *, q->heap, q->room);
    }
    settle(q, q->n++, e);
    e->queue = q;
    if (is_first)
        g_tree_insert(heads, q, q);
    SK_COUNT_UP(nwaiting);
}

static void dequeue(sk_extras *e)
{
    queue *q = e->queue;
    bool is_first = e->heap_at == 0, is_last = q->n == 1;
    if (is_first)
        g_tree_remove(heads, q);
    if (is_last)
        g_hash_table_remove(queues, q);
    sk_extras *last = q->heap[--q->n];
    if (last != e)
        settle(q, e->heap_at, last);
    if (!is_last && is_first)
        g_tree_insert(heads, q, q);
    if (!is_last) {
        q->demand = &q->heap[0]->demand;          /* e may be freed */
    } else {
        g_free(q->heap);
        g_free(q);
    }
    e->queue = NULL;
    atomic_store_explicit(&nwaiting, atomic_load_explicit(&nwaiting, relaxed) - 1, relaxed);
}

/* ---- what there is ---- */

void sk_admit_open(const sk_resource_pool *p)
{
    pool = *p;
    queues = g_hash_table_new(hash_demand, same_demand);
    heads = g_tree_new(by_head);
    running = NULL;
    spare = in_use = 0;
    borrowed = 0;
    nwaiting = 0;
    rows = 0;
    atomic_store(&wanted, 0);
    atomic_store(&wanted_idle, 0);
}

void sk_admit_close(void)
{
    g_hash_table_destroy(queues);
    g_tree_destroy(heads);
}

int sk_cpus_wanted(void)      { return atomic_load_explicit(&wanted, seq_cst); }
int sk_cpus_wanted_idle(void) { return atomic_load_explicit(&wanted_idle, seq_cst); }
const sk_resource_pool *sk_admit_pool(void) { return &pool; }
size_t sk_admit_waiting(void) { return atomic_load_explicit(&nwaiting, relaxed); }

static bool has_resources(const sk_extras *e)
{
    for (int i = 0; i < e->demand.n; i++)
        for (int j = 0; j < pool.n; j++)
            if (!strcmp(pool.items[j].name, e->demand.amounts[i].name) && e->demand.amounts[i].units > pool.items[j].free)
                return false;
    return true;
}

static int take(int k, bool only_if_idle)
{
    const sk_backend_ops *ops = sk_session.backend->ops;
    int got = ops->take_workers ? ops->take_workers((sk_backend *)sk_session.backend, k, only_if_idle) : k;
    borrowed += got;
    spare += (int64_t)got * SK_UNITS;
    return got;
}

/* Whole leases that nobody uses go back to the backend. */
static void put_back_spare(void)
{
    int n = spare >= SK_UNITS ? (int)(spare / SK_UNITS) : 0;
    if (n > borrowed)
        n = borrowed;
    if (n == 0)
        return;
    spare -= (int64_t)n * SK_UNITS;
    borrowed -= n;
    if (sk_session.backend->ops->put_back)
        sk_session.backend->ops->put_back((sk_backend *)sk_session.backend, n);
}

/* ---- admitting ---- */

static void link_running(sk_extras *e)
{
    e->before = NULL;
    e->after = running;
    if (running)
        running->before = e;
    running = e;
}

static void unlink_running(sk_extras *e)
{
    *(e->before ? &e->before->after : &running) = e->after;
    if (e->after)
        e->after->before = e->before;
}

/* Finds as many waiting tasks as can run now their resources; returns them as a list. What there is only gets less meanwhile: so a queue whose
 * head has not fitted is not looked at again. */
static sk_extras *try_all(void)
{
    sk_extras *start = NULL, **start_end = &start;
    GTreeNode *at = g_tree_node_first(heads);
    int want = 0, want_idle = 0;
again:
    while (at && !want && !want_idle) {
        sk_extras *e = ((queue *)g_tree_node_key(at))->heap[0];
        if (!has_resources(e)) {
            at = g_tree_node_next(at);
            continue;
        }
        bool low = e->priority < 0;               /* comes after ordinary tasks: what is over goes to them first */
        if (low && !idle_gift)
            put_back_spare();
        int k = (int)((e->demand.cpus - spare + SK_UNITS - 1) / SK_UNITS);
        if (k > 0) {
            int got = take(k, low && !idle_gift);
            if (got < k) {
                *(low ? &want_idle : &want) = k - got;
                break;
            }
        }
        spare -= e->demand.cpus;
        in_use += e->demand.cpus;
        sk_resources_take(&pool, &e->demand);
        int row = ~rows ? __builtin_ctzll(~rows) : 63;
        rows |= (uint64_t)1 << row;
        e->worker = sk_session.settings.workers + row;
        e->admitted = true;
        sk_extras only = { .priority = e->priority, .order = e->order }, *one = &only;
        dequeue(e);
        at = g_tree_upper_bound(heads, &(queue){ .heap = &one });
        link_running(e);
        e->next_start = NULL;
        *start_end = e;
        start_end = &e->next_start;
    }
    atomic_store_explicit(&wanted, want, seq_cst);
    atomic_store_explicit(&wanted_idle, want_idle, seq_cst);
    /* First say what is wanted, then look once more: a worker that put its lease back in between has not seen it (it does
     * the same the other way round). */
    if ((want && take(want, false) > 0) || (want_idle && take(want_idle, true) > 0)) {
        want = want_idle = 0;
        goto again;
    }
    if (!want)
        put_back_spare();
    return start;
}

/* Outside the lock: the backend may run them at once. One that was cancelled meanwhile is not READY any more. */
static void start_all(sk_lane *lane, sk_extras *start)
{
    while (start) {
        sk_extras *e = start;
        start = e->next_start;
        uint64_t name = e->task;
        sk_task *t = sk_task_at(name);
        uint64_t word = atomic_load_explicit(&t->state, relaxed), to;
        bool ours = true;
        do {
            if (sk_state_of(word) != SK_TASK_READY) {
                ours = false;
                break;
            }
            to = (word & ~(uint64_t)(SK_FLAG_QUEUED << 8)) | SK_FLAG_ADMITTED << 8 | (uint64_t)e->worker << (8 + SK_FLAG_ROW_SHIFT);
        } while (!atomic_compare_exchange_weak_explicit(&t->state, &word, to, acq_rel, relaxed));
        const sk_backend_ops *ops = sk_session.backend->ops;
        if (ours)
            (ops->ready_with_cpus ? ops->ready_with_cpus : ops->ready)((sk_backend *)sk_session.backend, (sk_task_name){ name });
        else
            sk_admit_end(lane, e), sk_task_bury_cancelled(lane, t);
    }
}

/* ---- the calls ---- */

void sk_admit(sk_lane *lane, sk_task *t, uint64_t name)
{
    sk_extras *e = t->extras;
    pthread_mutex_lock(&lock);
    e->task = name;
    e->admitted = false;
    enqueue(e);
    sk_extras *start = try_all();
    pthread_mutex_unlock(&lock);
    start_all(lane, start);
}

/* true: it was in the queue, and is not any more. false: it is being started; start_all will find it cancelled. */
bool sk_admit_remove(sk_extras *extras)
{
    pthread_mutex_lock(&lock);
    bool found = extras->queue != NULL;
    if (found)
        dequeue(extras);
    pthread_mutex_unlock(&lock);
    return found;
}

void sk_admit_end(sk_lane *lane, sk_extras *extras)
{
    pthread_mutex_lock(&lock);
    unlink_running(extras);
    extras->admitted = false;
    sk_resources_give(&pool, &extras->demand);
    spare += extras->demand.cpus;
    in_use -= extras->demand.cpus;
    int row = extras->worker - sk_session.settings.workers;
    rows &= ~((uint64_t)1 << row);
    sk_extras *start = try_all();
    pthread_mutex_unlock(&lock);
    start_all(lane, start);
}

void sk_admit_block(sk_lane *lane, sk_extras *extras)
{
    pthread_mutex_lock(&lock);
    spare += extras->demand.cpus;
    in_use -= extras->demand.cpus;
    sk_extras *start = try_all();
    pthread_mutex_unlock(&lock);
    start_all(lane, start);
}

/* Goes on at once, even if others have its cpus by now (then there is less than nothing to spare, and no new task is
 * admitted until that is made good). Ray does the same; making it wait could deadlock tasks that wait for each other's cpus. */
void sk_admit_unblock(sk_lane *lane, sk_extras *extras)
{
    (void)lane;
    pthread_mutex_lock(&lock);
    spare -= extras->demand.cpus;
    in_use += extras->demand.cpus;
    pthread_mutex_unlock(&lock);
}

void sk_cpus_give(int n)
{
    sk_lane *lane = sk_lane_get("sk_cpus_give", NULL);
    pthread_mutex_lock(&lock);
    borrowed += n;
    spare += (int64_t)n * SK_UNITS;
    idle_gift = sk_cpus_wanted() == 0;
    sk_extras *start = try_all();
    idle_gift = false;
    pthread_mutex_unlock(&lock);
    start_all(lane, start);
}

size_t sk_admit_resources(sk_resource *out, size_t max, int64_t ordinary_running)
{
    pthread_mutex_lock(&lock);
    size_t n = (size_t)pool.n + 1;
    for (size_t i = 0; i < n && i < max; i++) {
        if (i == 0) {
            int64_t cpus_free = pool.cpus - ordinary_running * SK_UNITS - in_use;
            out[i] = (sk_resource){ "cpu", (double)pool.cpus / SK_UNITS, (double)(cpus_free < 0 ? 0 : cpus_free) / SK_UNITS };
        } else {
            out[i] = (sk_resource){ "", (double)pool.items[i - 1].total / SK_UNITS, (double)pool.items[i - 1].free / SK_UNITS };
            memcpy(out[i].name, pool.items[i - 1].name, sizeof pool.items[i - 1].name);
        }
    }
    pthread_mutex_unlock(&lock);
    return n;
}

uint64_t sk_admit_holder(const sk_extras *extras, char *text, size_t room)
{
    uint64_t holder = 0;
    pthread_mutex_lock(&lock);
    snprintf(text, room, "lacks cpus");
    for (int i = 0; i < extras->demand.n; i++)
        for (int j = 0; j < pool.n; j++)
            if (!strcmp(pool.items[j].name, extras->demand.amounts[i].name)
                && extras->demand.amounts[i].units > pool.items[j].free) {
                snprintf(text, room, "lacks %s", pool.items[j].name);
                for (sk_extras *r = running; r; r = r->after)
                    for (int k = 0; k < r->demand.n; k++)
                        if (!strcmp(r->demand.amounts[k].name, pool.items[j].name))
                            holder = r->task;
            }
    pthread_mutex_unlock(&lock);
    return holder;
}
