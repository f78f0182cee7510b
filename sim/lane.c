/* lane.c -- see lane.h. */
#include "lane.h"

#include "object.h"
#include "session.h"
#include "task.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

enum { SIGNAL_STACK = 64 << 10 };

__thread sk_lane *sk_lane_self;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sk_lane *lanes;                     /* under the lock */
static pthread_key_t at_thread_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void thread_exits(void *lane) { sk_lane_free(lane); }
static void make_key(void)           { pthread_key_create(&at_thread_exit, thread_exits); }

/* Where this thread's stack must not go below when it is about to run one task on top of another. */
static char *find_stack_floor(void)
{
    pthread_attr_t attr;
    void *low = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &low, &size);
        pthread_attr_destroy(&attr);
    }
    return (char *)low + (size / 4 > (256 << 10) ? 256 << 10 : size / 4);
}

bool sk_stack_is_low(void)
{
    char here;
    return __builtin_frame_address(0) ? (char *)__builtin_frame_address(0) < sk_lane_self->stack_floor : &here < sk_lane_self->stack_floor;
}

/* A signal that a stack overflow brings cannot be handled on that stack. */
static void make_signal_stack(sk_lane *lane)
{
    stack_t had, stack = { .ss_size = SIGNAL_STACK };
    if (sigaltstack(NULL, &had) == 0 && had.ss_flags & SS_DISABLE && (stack.ss_sp = malloc(SIGNAL_STACK))
        && sigaltstack(&stack, NULL) == 0)
        lane->signal_stack = stack.ss_sp;
    else
        free(stack.ss_sp);                        /* there is one already, a sanitizer's for instance */
}

/* Of a thread that lives on it stays: it may be needed yet. */
static void free_signal_stack(sk_lane *lane)
{
    stack_t none = { .ss_flags = SS_DISABLE };
    if (lane == sk_lane_self && lane->signal_stack && sigaltstack(&none, NULL) == 0)
        free(lane->signal_stack);
}

static sk_trace_lane common_trace;         /* of all lanes, where one thread at a time has the turn */

static sk_lane *new_lane(bool is_worker)
{
    sk_lane *lane = aligned_alloc(64, (sizeof *lane + 63) & ~(size_t)63);
    if (!lane)
        abort();
    memset(lane, 0, sizeof *lane);
    lane->frame = &lane->driver;
    lane->port = is_worker ? &sk_graph_port : sk_local_port();
    lane->trace = sk_session.backend->ops->enter ? &common_trace : &lane->own_trace;
    uint64_t before = is_worker ? 0 : atomic_fetch_add_explicit(&sk_session.program_threads, 1, relaxed);
    uint64_t seed = sk_mix(sk_session.settings.seed + 0xd1342543de82ef95u * before);     /* each thread of the program draws its own numbers */
    lane->driver = (sk_frame){ .seed = seed, .random = seed, .worker = -1 };
    pthread_mutex_lock(&lock);
    lane->next = lanes;
    lanes = lane;
    pthread_mutex_unlock(&lock);
    return lane;
}

static sk_lane *make(const char *what, const sk_site *site, bool is_worker)
{
    if (!sk_session.started)
        sk_misuse(site, sk_session.ended_before ? "%s: called after sk_shutdown" : "%s: called before sk_init", what);
    static _Atomic bool has_lane;
    if (sk_session.is_worker && atomic_exchange(&has_lane, true))
        sk_misuse(site, "%s: called by a thread or a child process that a task has started; in a worker process only the task's own thread "
                  "may call Skate", what);
    pthread_once(&once, make_key);
    sk_lane *lane = new_lane(is_worker);
    lane->stack_floor = find_stack_floor();
    make_signal_stack(lane);
    sk_lane_self = lane;
    pthread_setspecific(at_thread_exit, lane);
    return lane;
}

sk_lane *sk_lane_make(const char *what, const sk_site *site) { return make(what, site, false); }

/* ---- strands ---- */

static sk_strand *strands;                 /* who has the turn guards the list */

sk_lane *sk_lane_new_for_fibers(void)
{
    sk_lane *lane = new_lane(true);
    lane->is_worker = true;
    lane->has_no_thread = true;
    return lane;
}

void sk_strand_init(sk_strand *strand, sk_lane *lane, void *thread, char *stack_floor)
{
    memset(strand, 0, sizeof *strand);
    strand->frame = &lane->driver;         /* what is below all tasks; nobody looks into it */
    strand->thread = thread;
    strand->stack_floor = stack_floor;
    strand->handles_capacity = strand->handles_check = 16;       /* there may be thousands of fibers */
    strand->handles = malloc(16 * sizeof *strand->handles);
    if (!strand->handles)
        abort();
    strand->after = strands;
    if (strands)
        strands->before = strand;
    strands = strand;
}

void sk_strand_clear(sk_strand *strand)
{
    *(strand->before ? &strand->before->after : &strands) = strand->after;
    if (strand->after)
        strand->after->before = strand->before;
    free(strand->handles);
    free(strand->scratch);
}

void sk_strand_exchange(sk_lane *lane, sk_strand *strand)
{
    enum { SIZE = offsetof(sk_strand, after) };
    char had[SIZE];
    memcpy(had, (void *)lane, SIZE);
    memcpy((void *)lane, (void *)strand, SIZE);
    memcpy((void *)strand, had, SIZE);
}

void sk_strands_visit(void (*visit)(sk_strand *, void *), void *data)
{
    for (sk_strand *s = strands; s; s = s->after)
        visit(s, data);
}

/* ---- all lanes ---- */

void sk_lanes_visit(void (*visit)(sk_lane *, void *), void *data)
{
    pthread_mutex_lock(&lock);
    for (sk_lane *lane = lanes; lane; lane = lane->next)
        visit(lane, data);
    pthread_mutex_unlock(&lock);
}

/* Who has the lock may be this very thread, or one that a signal has stopped: waits a while, and no longer. */
static bool try_to_lock(void)
{
    for (int i = 0; i < 1000; i++) {
        if (pthread_mutex_trylock(&lock) == 0)
            return true;
        sched_yield();
    }
    return false;
}

void sk_lanes_visit_dying(void (*visit)(sk_lane *, void *), void *data)
{
    bool locked = try_to_lock();
    for (sk_lane *lane = lanes; lane; lane = lane->next)
        visit(lane, data);
    if (locked)
        pthread_mutex_unlock(&lock);
}

/* What ended lanes counted, and the refs that ended threads of the program made. Under the lock. */
static sk_lane gone = { .frame = &gone.driver };

void sk_lane_add_counts(sk_lane *to, sk_lane *from)
{
#define ADD(c) atomic_store_explicit(&to->c, atomic_load_explicit(&to->c, relaxed) + atomic_load_explicit(&from->c, relaxed), relaxed)
    ADD(submitted); ADD(done); ADD(failed); ADD(cancelled); ADD(attempts); ADD(retries); ADD(made); ADD(freed);
    ADD(transfers); ADD(bytes_moved);
#undef ADD
    atomic_store_explicit(&to->running, atomic_load_explicit(&to->running, relaxed) + atomic_load_explicit(&from->running, relaxed), relaxed);
}

static void sum_up(sk_lane *sum, bool locked)
{
    memset(sum, 0, sizeof *sum);
    sk_lane_add_counts(sum, &gone);
    for (sk_lane *lane = lanes; lane; lane = lane->next)
        sk_lane_add_counts(sum, lane);
    if (locked)
        pthread_mutex_unlock(&lock);
}

void sk_lanes_sum(sk_lane *sum)
{
    pthread_mutex_lock(&lock);
    sum_up(sum, true);
}

void sk_lanes_sum_dying(sk_lane *sum) { sum_up(sum, try_to_lock()); }

void sk_lane_free(sk_lane *lane)
{
    if (!lane->is_worker && !sk_session.ending && lane->thread && sk_session.backend->ops->thread_gone)
        sk_session.backend->ops->thread_gone((sk_backend *)sk_session.backend, lane->thread);
    lane->driver.handles = lane->driver.scratch = 0;
    if (sk_session.ending) {
        sk_frame_end(lane, &lane->driver);
    } else if (!atomic_load_explicit(&lane->is_worker, relaxed)) {                /* a thread of the program: what it made is the driver's, until shutdown */
        pthread_mutex_lock(&lock);
        for (size_t i = 0; i < lane->nhandles; i++)
            sk_lane_add_handle(&gone, lane->handles[i]);
        pthread_mutex_unlock(&lock);
        lane->nhandles = 0;
        sk_frame_end(lane, &lane->driver);        /* its duplicates of others' refs, and its scratch */
    }
    sk_pool_flush(&sk_object_pool, &lane->objects);
    sk_pool_flush(&sk_task_pool, &lane->tasks);
    sk_pool_flush(&sk_big_task_pool, &lane->big_tasks);
    sk_store_flush(lane);
    sk_trace_free(&lane->own_trace);
    pthread_mutex_lock(&lock);
    for (sk_lane **at = &lanes; *at; at = &(*at)->next)
        if (*at == lane) {
            *at = lane->next;
            break;
        }
    sk_lane_add_counts(&gone, lane);
    pthread_mutex_unlock(&lock);
    free(lane->handles);
    free(lane->scratch);
    free_signal_stack(lane);
    if (sk_lane_self == lane) {
        sk_lane_self = NULL;
        pthread_setspecific(at_thread_exit, NULL);
    }
    free(lane);
}

/* At the end of the session: what threads of the program hold goes before the backend does, whose store it is in. */
void sk_lanes_drop_refs(void)
{
    for (size_t i = 0; i < gone.nhandles; i++)
        sk_lane_add_handle(sk_lane_self, gone.handles[i]);
    gone.nhandles = 0;
    for (sk_lane *lane = lanes; lane; lane = lane->next)
        if (!atomic_load_explicit(&lane->is_worker, relaxed)) {
            lane->driver.handles = lane->driver.scratch = 0;
            sk_frame_end(lane, &lane->driver);
        }
}

/* At the end of the session: those of threads that live on. */
void sk_lanes_free_all(void)
{
    for (size_t i = 0; i < gone.nhandles; i++)
        sk_lane_add_handle(sk_lane_self, gone.handles[i]);
    while (lanes->next)                            /* the driver's own is the last: it frees what the others held */
        sk_lane_free(lanes == sk_lane_self ? lanes->next : lanes);
    sk_lane_free(lanes);
    sk_trace_free(&common_trace);
    free(gone.handles);
    gone = (sk_lane){ .frame = &gone.driver };
}

/* The stack of handles is full, or it is time to throw out the dropped ones. */
void sk_lane_grow_handles(sk_lane *lane)
{
    size_t base = lane->frame->handles, kept = base;
    if (lane->frame->scopes)                      /* marks point into the part above the innermost one only */
        base = kept = lane->frame->scopes - 1;
    for (size_t i = base; i < lane->nhandles; i++) {
        uint64_t id = lane->handles[i];
        sk_object *o = sk_object_at((uint32_t)id);
        if (atomic_load_explicit(&o->generation, relaxed) == (uint32_t)(id >> 32) && sk_object_is_owned(o))
            lane->handles[kept++] = id;
    }
    lane->nhandles = kept;
    if (kept >= lane->handles_capacity / 2) {
        lane->handles_capacity = lane->handles_capacity ? 2 * lane->handles_capacity : 1024;
        lane->handles = realloc(lane->handles, lane->handles_capacity * sizeof *lane->handles);
        if (!lane->handles)
            abort();
    }
    lane->handles_check = lane->handles_capacity;
}

void sk_lane_add_scratch(sk_lane *lane, sk_blob *blob)
{
    if (lane->nscratch == lane->scratch_capacity) {
        lane->scratch_capacity = lane->scratch_capacity ? 2 * lane->scratch_capacity : 16;
        lane->scratch = realloc(lane->scratch, lane->scratch_capacity * sizeof *lane->scratch);
        if (!lane->scratch)
            abort();
    }
    lane->scratch[lane->nscratch++] = blob;
}

void sk_lane_drop_scratch(sk_lane *lane, size_t base)
{
    while (lane->nscratch > base)
        sk_blob_unref(lane->scratch[--lane->nscratch]);
}

void *sk_lane_take_temp(sk_lane *lane, size_t size)
{
    sk_temp *temp = malloc(sizeof *temp + size);
    if (!temp)
        abort();
    temp->below = lane->temps;
    temp->frame = lane->frame;
    lane->temps = temp;
    return temp->data;
}

void sk_lane_free_temp(sk_lane *lane)
{
    sk_temp *temp = lane->temps;
    lane->temps = temp->below;
    free(temp);
}

void sk_thread_attach(void *thread)
{
    sk_lane *lane = make("sk_thread_attach", NULL, true);
    atomic_store_explicit(&lane->thread, thread, release);        /* the lane is on the list already: pairs with wake_one */
    atomic_store_explicit(&lane->is_worker, true, relaxed);
}

void sk_thread_detach(void)     { sk_lane_free(sk_lane_self); }
void sk_thread_set(void *thread) { atomic_store_explicit(&sk_lane_get("sk_thread_set", NULL)->thread, thread, release); }
void *sk_thread_get(void)        { return sk_lane_self ? atomic_load_explicit(&sk_lane_self->thread, relaxed) : NULL; }
