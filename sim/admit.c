/* admit.c -- see admit.h. */
#include "admit.h"

#include "session.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* All under the lock, but `wanted` is also read without. */
static sk_resource_pool pool;
static sk_extras *waiting, *running;       /* waiting: in order */
static int64_t spare;                      /* units of the borrowed leases that nobody uses; may be negative, see unblock */
static int64_t in_use;                     /* cpus of admitted tasks that are not blocked */
static int borrowed;
static _Atomic int wanted, wanted_idle;
static size_t nwaiting;
static bool idle_gift;                     /* the backend has just given an idle worker */
static uint64_t rows;                      /* rows of the picture beyond the workers that are taken; 64 are enough to look at */

void sk_admit_open(const sk_resource_pool *p)
{
    pool = *p;
    waiting = running = NULL;
    spare = in_use = 0;
    borrowed = 0;
    nwaiting = 0;
    rows = 0;
    atomic_store(&wanted, 0);
    atomic_store(&wanted_idle, 0);
}

void sk_admit_close(void)
{
    waiting = running = NULL;
}

int sk_cpus_wanted(void)      { return atomic_load_explicit(&wanted, seq_cst); }
int sk_cpus_wanted_idle(void) { return atomic_load_explicit(&wanted_idle, seq_cst); }
const sk_resource_pool *sk_admit_pool(void) { return &pool; }
size_t sk_admit_waiting(void) { return nwaiting; }

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

/* Finds as many waiting tasks as can run now their resources; returns them as a list. */
static sk_extras *try_all(void)
{
    sk_extras *start = NULL, **start_end = &start, **at = &waiting;
    int want = 0, want_idle = 0;
again:
    while (*at && !want && !want_idle) {
        sk_extras *e = *at;
        if (!has_resources(e)) {
            at = &e->next_waiting;
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
        *at = e->next_waiting;
        nwaiting--;
        e->next_running = running;
        running = e;
        e->next_waiting = NULL;
        *start_end = e;
        start_end = &e->next_waiting;
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
        start = e->next_waiting;
        e->next_waiting = NULL;
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

void sk_admit(sk_lane *lane, sk_task *t, uint64_t name)
{
    sk_extras *e = t->extras;
    pthread_mutex_lock(&lock);
    e->task = name;
    e->admitted = false;
    sk_extras **at = &waiting;
    while (*at && ((*at)->priority > e->priority || ((*at)->priority == e->priority && (*at)->order < e->order)))
        at = &(*at)->next_waiting;
    e->next_waiting = *at;
    *at = e;
    nwaiting++;
    sk_extras *start = try_all();
    pthread_mutex_unlock(&lock);
    start_all(lane, start);
}

/* true: it was in the queue, and is not any more. false: it is being started; start_all will find it cancelled. */
bool sk_admit_remove(sk_extras *extras)
{
    bool found = false;
    pthread_mutex_lock(&lock);
    for (sk_extras **at = &waiting; *at; at = &(*at)->next_waiting)
        if (*at == extras) {
            *at = extras->next_waiting;
            nwaiting--;
            found = true;
            break;
        }
    pthread_mutex_unlock(&lock);
    return found;
}

void sk_admit_end(sk_lane *lane, sk_extras *extras)
{
    pthread_mutex_lock(&lock);
    for (sk_extras **at = &running; *at; at = &(*at)->next_running)
        if (*at == extras) {
            *at = extras->next_running;
            break;
        }
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
                for (sk_extras *r = running; r; r = r->next_running)
                    for (int k = 0; k < r->demand.n; k++)
                        if (!strcmp(r->demand.amounts[k].name, pool.items[j].name))
                            holder = r->task;
            }
    pthread_mutex_unlock(&lock);
    return holder;
}
