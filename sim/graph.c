/* graph.c -- the port's local end: public calls on the graph in this process. Start here to follow a call.
 *
 * Reading order: submit; put; get; wait; waiter; references; the rest; the table.                        */
#include "admit.h"
#include "port.h"
#include "session.h"
#include "task.h"
#include "wait.h"

#include <glib.h>

/* ---- submit ---- */

static sk_extras *make_extras(const sk_fn *fn, const sk_options *o, sk_site *site)
{
    sk_extras *e = calloc(1, sizeof *e);
    sk_error err;
    if (!e)
        abort();
    e->max_retries = o->max_retries == 0 ? SK_DEFAULT_RETRIES : o->max_retries == SK_ZERO ? 0 : o->max_retries;
    e->retry_errors = o->retry_errors;
    e->priority = o->priority;
    e->node = o->node == 0 ? -1 : o->node == SK_ZERO ? 0 : o->node;
    e->timeout = e->deadline = SK_NEVER;
    if (e->max_retries < 0 || e->max_retries > 250)
        sk_misuse(site, "sk_remote_with(%s): max_retries is %d; give 0 (the default, %d) to 250, or SK_ZERO", fn->name,
                  o->max_retries, SK_DEFAULT_RETRIES);
    if (o->num_cpus == 0)
        e->demand.cpus = SK_UNITS;
    else if (o->num_cpus != SK_ZERO && !sk_units_from_double(o->num_cpus, &e->demand.cpus))
        sk_misuse(site, "sk_remote_with(%s): num_cpus is %g; give 0 (the default, 1), more than 0, or SK_ZERO", fn->name, o->num_cpus);
    if (!sk_demand_parse(&e->demand, o->resources, &err))
        sk_misuse(site, "sk_remote_with(%s): %s", fn->name, err.message);
    if (o->timeout_s < 0 || o->timeout_s != o->timeout_s)
        sk_misuse(site, "sk_remote_with(%s): timeout_s is %g; give seconds, or 0 for none", fn->name, o->timeout_s);
    if (o->timeout_s > 0 && o->timeout_s < 9e8)
        e->timeout = sk_ns_of(o->timeout_s);
    if (o->node < SK_ZERO)
        sk_misuse(site, "sk_remote_with(%s): node is %d; give a node's number, or SK_ZERO for node 0", fn->name, o->node);
    e->name = o->name ? strdup(o->name) : NULL;
    e->resources = o->resources ? strdup(o->resources) : NULL;
    if ((o->name && !e->name) || (o->resources && !e->resources))
        abort();
    e->unusual = e->demand.cpus != SK_UNITS || e->demand.n || e->priority;
    return e;
}

SK_COLD static void trace_new(sk_lane *lane, sk_task *t, uint64_t name, const sk_ref *refs)
{
    uint64_t site = sk_trace_site(lane->trace, t->site);
    unsigned deps = 0;
    for (unsigned i = 0; i < t->nargs; i++)
        deps += sk_slot_is_pending(&t->args[i]);
    uint64_t *w = sk_trace_record_at(lane->trace, sk_trace_tick(), SK_TRACE_TASK_NEW, (unsigned)t->nreturns << 4 | deps,
                                     3 + t->nreturns + deps);
    *w++ = name;
    *w++ = (uint64_t)t->fn->index << 32 | site;
    *w++ = atomic_load_explicit(&t->parent, relaxed);
    for (unsigned i = 0; i < t->nreturns; i++)
        *w++ = refs[i].id;
    for (unsigned i = 0; i < t->nargs; i++)
        if (sk_slot_is_pending(&t->args[i]))
            *w++ = sk_object_id(t->args[i].pending.object);
    sk_trace_done(lane->trace);
    if (t->extras) {
        uint64_t words[2] = { name, (uint64_t)t->extras->demand.cpus << 32 | (uint32_t)t->extras->priority };
        sk_trace_text(lane->trace, SK_TRACE_TASK_ASKS, 0, words, 2,
                      (const char *[]){ t->extras->name ? t->extras->name : "", t->extras->resources ? t->extras->resources : "" }, 2);
    }
}

static void never_feasible(sk_lane *lane, sk_task *t, const char *why)
{
    sk_task_never(lane, t, sk_generation_of(atomic_load_explicit(&t->state, relaxed)), SK_TASK_FAILED, SK_INFEASIBLE, why);
}

SK_COLD static void spend(sk_operation what, const sk_value *values, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += sk_value_bytes(&values[i]);
    sk_session.backend->ops->spend((sk_backend *)sk_session.backend, what, bytes);
}

static bool is_feasible(const sk_extras *e, char *why, size_t room)
{
    sk_backend *backend = (sk_backend *)sk_session.backend;
    if (e->node >= sk_session.settings.nodes) {
        snprintf(why, room, "asks for node %d, the nodes are 0 to %d", e->node, sk_session.settings.nodes - 1);
        return false;
    }
    return sk_has_cluster ? sk_session.backend->ops->is_feasible(backend, &e->demand, e->node, why, room)
                          : sk_demand_is_feasible(&e->demand, sk_admit_pool(), why, room);
}

/* A large value is no part of the message that starts a task on another node: there it is put, as in Ray, so that it has a place, is fetched
 * like any object, and counts. */
enum { LARGE_VALUE = 100000 };

static bool is_put_first(const sk_value *v)
{
    if (sk_session.settings.nodes <= 1 || !sk_type_has_blob(v->type) || !v->blob)
        return false;
    return sk_shared_store.size ? sk_blob_is_shared(v->blob) : v->blob->size >= LARGE_VALUE;       /* real nodes: what lies in a store */
}

/* On a cluster, before a task is made: submitting takes time there, and the caller's node may be gone. */
SK_COLD static void submit_on_cluster(sk_frame *frame, size_t nargs,
                                                              const sk_value *args)
{
    spend(SK_SUBMIT, args, nargs);
    for (size_t i = 0; i < nargs && unlikely(frame->died); i++)
        if (args[i].type != SK_T_REF)
            sk_value_clear((sk_value *)&args[i]);
    sk_frame_leave_if_dead(frame);
}

SK_COLD static void put_first(sk_lane *lane, sk_slot *s,
                                                      const sk_value *value, sk_site *site)
{
    sk_object *o = sk_object_new_ready(lane, *value, lane->frame->id, site);
    atomic_store_explicit(&s->pending.next, SK_T_PENDING, relaxed);
    s->pending.object = o;
    sk_object_ref(o, SK_HOLD);
    sk_object_unref(lane, o, SK_HANDLE);
}

/* Values into its slots; returns how many arguments are objects it needs. */
static inline int32_t take_arguments(sk_lane *lane, sk_task *t, size_t nargs, const sk_value *args,
                                     sk_site *site)
{
    /* Most likely other cores have written them. Fetch them side by side; locked instructions would do it one by one. */
    for (size_t i = 0; i < nargs && nargs > 1; i++)
        if (args[i].type == SK_T_REF)
            sk_object_fetch(args[i].ref);
    int32_t deps = 0;
    for (size_t i = 0; i < nargs; i++) {
        sk_slot *s = &t->args[i];
        if (unlikely(sk_has_cluster) && is_put_first(&args[i])) {
            put_first(lane, s, &args[i], site);
            deps++;
            continue;
        }
        if (args[i].type != SK_T_REF) {
            sk_value_copy(&s->value, &args[i]);
            continue;
        }
        sk_object *o = sk_object_need(args[i].ref, "sk_remote", site);
        if (t->fn->arg_type[i] == SK_T_REF) { /* wants the ref itself */
            sk_object_ref(o, SK_HANDLE);
            s->value = args[i];
        } else {
            sk_object_ref(o, SK_HOLD);
            atomic_store_explicit(&s->pending.next, SK_T_PENDING, relaxed);
            s->pending.object = o;
            deps++;
        }
    }
    return deps;
}

/* Its options are its extras by now. false: it can never run, and has failed. */
SK_COLD static bool heed_options(sk_lane *lane, sk_task *t)
{
    char why[200];
    if (!is_feasible(t->extras, why, sizeof why)) {
        never_feasible(lane, t, why);
        return false;
    }
    if (t->extras->timeout != SK_NEVER)
        atomic_fetch_or_explicit(&t->state, SK_FLAG_TIMED << 8, relaxed);
    static _Atomic uint64_t order;
    t->extras->order = atomic_fetch_add_explicit(&order, 1, relaxed);
    return true;
}

/* It has so many arguments that are objects: waits for those that are not there. */
__attribute__((noinline)) static void await_arguments(sk_lane *lane, sk_task *t, uint64_t name,
                                                      int32_t deps)
{
    /* From here on others may count down; the one more that we hold keeps the record ours until the last line. */
    atomic_store_explicit(&t->missing, deps + 1, relaxed);
    sk_task_change(lane, t, (uint32_t)(name >> 32), SK_TASK_NONE, SK_TASK_WAITING, 0, 0, 0);
    int32_t there = 1;
    uint64_t tag = t->big ? SK_LINK_BIG_ARG : SK_LINK_ARG;
    for (unsigned i = 0, nargs = t->nargs; i < nargs; i++) {
        sk_slot *s = &t->args[i];
        if (sk_slot_is_pending(s)
            && !sk_object_add_waiter(s->pending.object, (uint64_t)(uintptr_t)s | tag, (uint64_t *)&s->pending.next))
            there++;
    }
    if (atomic_fetch_sub_explicit(&t->missing, there, acq_rel) == there)
        sk_task_all_there(lane, t);
}

static void submit(const sk_fn *fn, sk_site *site, size_t nargs, const sk_value *args,
                   const sk_options *options, sk_ref *refs)
{
    sk_lane *lane = sk_lane_self;
    sk_frame *frame = lane->frame;
    if (unlikely(sk_has_cluster))
        submit_on_cluster(frame, nargs, args);
    unsigned nreturns = fn->nreturns;
    sk_task *t = sk_task_new(lane, (unsigned)nargs, nreturns);
    uint64_t name = sk_task_id(t);
    t->fn = fn;
    t->site = site;
    atomic_store_explicit(&t->parent, frame->id, relaxed);
    t->seed = sk_mix(frame->seed + 0x632be59bd9b4e019u * ++frame->submitted);
    if (unlikely(options != NULL))
        t->extras = make_extras(fn, options, site);
    int32_t deps = take_arguments(lane, t, nargs, args, site);
    unsigned i = 0;
    do {
        sk_object *o = sk_object_new(lane, name, frame->id, site);
        sk_task_outputs(t)[i] = o;
        refs[i].id = sk_object_id(o);
        sk_lane_add_handle(lane, refs[i].id);
    } while (unlikely(++i < nreturns));
    SK_COUNT_UP(lane->submitted);
    if (unlikely(sk_trace_on))
        trace_new(lane, t, name, refs);
    if (unlikely(options != NULL) && !heed_options(lane, t))
        return;
    if (deps == 0)
        sk_task_make_ready(lane, t, name, SK_TASK_NONE, SK_OK);
    else
        await_arguments(lane, t, name, deps);
}

/* ---- put ---- */

static sk_ref put(sk_value value, sk_site *site)
{
    sk_lane *lane = sk_lane_self;
    if (unlikely(sk_has_cluster)) {
        spend(SK_PUT, &value, 1);
        if (unlikely(lane->frame->died))
            sk_value_clear(&value);
        sk_frame_leave_if_dead(lane->frame);
    }
    sk_object *o = sk_object_new_ready(lane, value, lane->frame->id, site);
    sk_ref ref = { sk_object_id(o) };
    sk_lane_add_handle(lane, ref.id);
    return ref;
}

static sk_ref promise(sk_site *site)
{
    sk_lane *lane = sk_lane_self;
    sk_object *o = sk_object_new_promise(lane, lane->frame->id, site);
    sk_ref ref = { sk_object_id(o) };
    sk_lane_add_handle(lane, ref.id);
    return ref;
}

static void fulfil(sk_ref ref, sk_value value, sk_site *site)
{
    sk_lane *lane = sk_lane_self;
    if (unlikely(sk_has_cluster))
        spend(SK_OTHER, NULL, 0);
    sk_object *o = sk_object_need(ref, "sk_fulfil", site);
    if (unlikely(lane->frame->died))
        sk_value_clear(&value);
    sk_frame_leave_if_dead(lane->frame);
    bool promised = atomic_load_explicit(&o->flags, relaxed) & SK_PROMISED;
    if (!promised || sk_object_is_sealed(o))
        sk_misuse(site, "sk_fulfil: the ref is %s", promised ? "fulfilled already" : "not one of sk_promise");
    sk_object_ref(o, SK_HOLD);
    sk_object_seal(lane, o, value, NULL);
    sk_object_unref(lane, o, SK_HOLD);
}

/* ---- get ---- */

static sk_failure *why_of_wait(sk_code code, const sk_wait *wait, sk_site *site)
{
    if (code == SK_DEADLOCK)
        return sk_failure_new(SK_DEADLOCK, site, NULL, "%s", wait->message ? wait->message : "nothing can happen any more");
    return sk_failure_new(SK_LIMIT, site, NULL, "too many tasks are blocked in sk_get or sk_wait at once, or they nest too deeply; "
                          "pass refs as arguments instead of getting them inside tasks");
}

/* The bytes come to where the caller is. They may be lost on their way, or while they are made again. */
SK_COLD static sk_code pull(sk_lane *lane, sk_object *o, int64_t deadline, sk_failure **why, sk_site *site)
{
    spend(SK_GET, &o->value, 1);
    sk_frame_leave_if_dead(lane->frame);
    lane->boxing_error.code = SK_OK;
    bool there = !sk_value_has_bytes(&o->value) || sk_session.backend->ops->pull((sk_backend *)sk_session.backend, sk_object_id(o), deadline);
    sk_frame_leave_if_dead(lane->frame);
    sk_object_state state = sk_object_state_of(o);
    if (state == SK_OBJECT_FAILED) {
        *why = sk_failure_ref(sk_object_failure(o));
        return sk_object_failure(o)->code;
    }
    if (there && state == SK_OBJECT_READY)
        return SK_OK;
    if (deadline != SK_NEVER && sk_session_now() >= deadline)
        return SK_TIMEOUT;
    if (lane->boxing_error.code) {                /* the backend knows */
        *why = sk_failure_new(lane->boxing_error.code, site, NULL, "%s", lane->boxing_error.message);
        return lane->boxing_error.code;
    }
    *why = sk_failure_new(SK_OBJECT_LOST, site, NULL, "the object is out of reach: no node that has a copy can send it, and none ever will");
    return SK_OBJECT_LOST;
}

static bool is_there(sk_object *o)
{
    return sk_object_is_sealed(o) && likely(sk_object_state_of(o) == SK_OBJECT_READY);
}

__attribute__((noinline)) static sk_code get_slowly(sk_ref ref, double timeout_s, sk_value *value,
                                                    sk_failure **why, sk_site *site,
                                                    const char *call)
{
    if (unlikely(sk_has_cluster))
        spend(SK_OTHER, NULL, 0);
    sk_object *o = sk_object_need(ref, call, site);
    sk_lane *lane = sk_lane_self;
    sk_frame_leave_if_dead(lane->frame);
    int64_t deadline = unlikely(sk_has_cluster) && timeout_s < SK_FOREVER
                           ? sk_wait_deadline_from(timeout_s)
                           : SK_NEVER;
    if (!sk_object_is_sealed(o)) {
        sk_link link = { .object = o };
        sk_wait wait;
        wait.collects = false;
        sk_wait_start(lane, &wait, &link, 1, 1, false);
        sk_code code = SK_OK;
        if (!sk_wait_is_satisfied(&wait))
            code = sk_wait_block(lane, &wait, timeout_s >= SK_FOREVER ? SK_NEVER : sk_wait_deadline_from(timeout_s), site,
                                 SK_WAIT_GET, NULL);
        if (unlikely(code > SK_TIMEOUT))
            *why = why_of_wait(code, &wait, site);
        sk_wait_finish(&wait);
        if (code != SK_OK)
            return code;
    }
    if (unlikely(sk_object_state_of(o) == SK_OBJECT_FAILED)) {
        *why = sk_failure_ref(sk_object_failure(o));
        return sk_object_failure(o)->code;
    }
    if (unlikely(sk_has_cluster)) {
        sk_code code = pull(lane, o, deadline, why, site);
        if (code != SK_OK)
            return code;
    }
    *value = o->value;
    return SK_OK;
}

static sk_code get(sk_ref ref, double timeout_s, sk_value *value, sk_failure **why, sk_site *site,
                   const char *call)
{
    if (likely(!sk_has_cluster)) {
        sk_object *o = sk_object_need(ref, call, site);
        if (!is_there(o) && timeout_s >= SK_FOREVER && o->producer &&
            sk_session.backend->ops->run_here)
            sk_wait_run_here(sk_lane_self, o, site); /* nobody has started it: the quick way */
        if (is_there(o)) {
            sk_value_copy(value, &o->value);
            return SK_OK;
        }
    }
    return get_slowly(ref, timeout_s, value, why, site, call);
}

/* ---- wait ---- */

/* Who waits for objects is going to get them: their bytes set out at once, those of the whole list. */
SK_COLD static void start_to_fetch(const sk_ref *refs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sk_object *o = sk_object_at((uint32_t)refs[i].id);
        if (sk_object_state_of(o) == SK_OBJECT_READY && sk_value_has_bytes(&o->value))
            sk_session.backend->ops->pull((sk_backend *)sk_session.backend, sk_object_id(o), -1);
    }
}

static sk_code wait_for(const sk_ref *refs, size_t n, size_t need, double timeout_s, bool stop_on_failure, uint8_t *ready,
                        size_t *count, size_t *failed, sk_failure **why, sk_site *site, const char *call)
{
    sk_lane *lane = sk_lane_self;
    if (unlikely(sk_has_cluster))
        spend(SK_OTHER, NULL, 0);
    size_t there = 0;
    sk_frame_leave_if_dead(lane->frame);
    *failed = n;
    for (size_t i = 0; i < n; i++) {
        sk_object *o = sk_object_need(refs[i], call, site);
        ready[i] = sk_object_is_sealed(o);
        there += ready[i];
        if (ready[i] && stop_on_failure && *failed == n && sk_object_state_of(o) == SK_OBJECT_FAILED)
            *failed = i;
    }
    sk_code code = SK_OK;
    if (there < need && *failed == n) {
        sk_link *links = malloc((n - there) * sizeof *links);
        if (!links)
            abort();
        size_t pending = 0;
        for (size_t i = 0; i < n; i++)
            if (!ready[i])
                links[pending++].object = sk_object_need(refs[i], call, site);
        sk_wait wait;
        wait.collects = false;
        sk_wait_start(lane, &wait, links, pending, (int64_t)(need - there), stop_on_failure);
        if (!sk_wait_is_satisfied(&wait))
            code = sk_wait_block(lane, &wait, timeout_s >= SK_FOREVER ? SK_NEVER : sk_wait_deadline_from(timeout_s), site,
                                 stop_on_failure ? SK_WAIT_GET_ALL : SK_WAIT_WAIT, links);
        if (unlikely(code > SK_TIMEOUT))
            *why = why_of_wait(code, &wait, site);
        sk_wait_finish(&wait);
        uint64_t first = atomic_load_explicit(&wait.failed, acquire);
        if (first) {
            sk_object *o = links[first - 1].object;
            for (*failed = 0; sk_object_need(refs[*failed], call, site) != o; )
                ++*failed;
        }
        free(links);
        there = 0;
        for (size_t i = 0; i < n; i++)
            there += ready[i] = sk_object_is_sealed(sk_object_need(refs[i], call, site));
    }
    if (unlikely(sk_has_cluster))
        start_to_fetch(refs, n);
    *count = there;
    if (*failed < n) {
        sk_object *o = sk_object_need(refs[*failed], call, site);
        *why = sk_failure_ref(sk_object_failure(o));
        return sk_object_failure(o)->code;
    }
    return code == SK_TIMEOUT && there >= need ? SK_OK : code;
}

/* ---- waiter ---- */

typedef struct waiter {
    sk_wait wait;
    sk_link *taken;                       /* fired links not handed out yet, oldest first */
    sk_link links[];
} waiter;

static void *waiter_new(const sk_ref *refs, size_t n, sk_site *site)
{
    waiter *w = malloc(sizeof *w + n * sizeof *w->links);
    if (!w)
        abort();
    for (size_t i = 0; i < n; i++)
        w->links[i].object = sk_object_need(refs[i], "sk_waiter_new", site);
    w->taken = NULL;
    w->wait.collects = true;
    sk_wait_start(sk_lane_self, &w->wait, w->links, n, INT64_MAX, false);
    return w;
}

static sk_code waiter_next(void *data, double timeout_s, size_t *index, sk_site *site)
{
    waiter *w = data;
    sk_lane *lane = sk_lane_self;
    if (unlikely(sk_has_cluster))
        spend(SK_OTHER, NULL, 0);
    if (!w->taken) {
        sk_link *fired = atomic_exchange_explicit(&w->wait.done, NULL, seq_cst);
        if (!fired) {
            atomic_store_explicit(&w->wait.thread, atomic_load_explicit(&lane->thread, relaxed), seq_cst);
            w->wait.task = lane->frame->id;
            sk_code code = sk_wait_block(lane, &w->wait, timeout_s >= SK_FOREVER ? SK_NEVER : sk_wait_deadline_from(timeout_s), site,
                                         SK_WAIT_WAITER, NULL);
            fired = atomic_exchange_explicit(&w->wait.done, NULL, seq_cst);
            if (!fired) {
                if (code == SK_DEADLOCK && w->wait.message)
                    snprintf(lane->boxing_error.message, sizeof lane->boxing_error.message, "%s", w->wait.message);
                atomic_store_explicit(&w->wait.code, SK_OK, relaxed);
                return code == SK_OK ? SK_TIMEOUT : code;
            }
        }
        while (fired) {                           /* last first: turn round */
            sk_link *next = (sk_link *)(uintptr_t)fired->next;
            fired->next = (uint64_t)(uintptr_t)w->taken;
            w->taken = fired;
            fired = next;
        }
    }
    *index = w->taken->index;
    w->taken = (sk_link *)(uintptr_t)w->taken->next;
    return SK_OK;
}

static void waiter_free(void *data)
{
    waiter *w = data;
    sk_wait_finish(&w->wait);
    free(w);
}

/* ---- references ---- */

static void cancel(sk_ref ref, int flags, sk_site *site)
{
    sk_object *o = sk_object_need(ref, "sk_cancel", site);
    if (o->producer && !sk_object_is_sealed(o))
        sk_task_cancel(sk_lane_self, o->producer, flags);
}

static void drop(sk_ref ref, sk_site *site, const char *call)
{
    sk_lane *lane = sk_lane_self;
    sk_frame *frame = lane->frame;
    sk_object *o = sk_object_need(ref, call, site);
    bool duplicate = ref.id & SK_DUPLICATE;
    if (likely(o->maker == frame->id)) {
        /* Threads of the program may drop duplicates side by side; the one made first can only be dropped once. */
        uint8_t flags = atomic_load_explicit(&o->flags, relaxed);
        uint16_t dups = duplicate ? atomic_load_explicit(&o->dups, relaxed) : 0;
        do {
            if (duplicate ? !dups : !(flags & SK_MADE))
                sk_misuse(site, "%s: this ref has been dropped before; the object lives on because a duplicate, a list or a "
                          "pending task has it", call);
        } while (duplicate && !atomic_compare_exchange_weak_explicit(&o->dups, &dups, dups - 1, relaxed, relaxed));
        if (!duplicate)
            atomic_store_explicit(&o->flags, flags & ~SK_MADE, relaxed);
    } else {
        gpointer key = (gpointer)(uintptr_t)(ref.id & ~SK_DUPLICATE);
        size_t n = frame->dups ? GPOINTER_TO_SIZE(g_hash_table_lookup(frame->dups, key)) : 0;
        if (!n || !duplicate)
            sk_misuse(site, "%s: the ref is not this task's to drop: it was neither made nor duplicated here", call);
        if (n == 1)
            g_hash_table_remove(frame->dups, key);
        else
            g_hash_table_insert(frame->dups, key, GSIZE_TO_POINTER(n - 1));
    }
    sk_object_unref(lane, o, SK_HANDLE);
}

static sk_ref dup_ref(sk_ref ref, sk_site *site, const char *call)
{
    sk_lane *lane = sk_lane_self;
    sk_frame *frame = lane->frame;
    sk_object *o = sk_object_need(ref, call, site);
    if (o->maker == frame->id) {
        uint16_t dups = atomic_load_explicit(&o->dups, relaxed);
        do {
            if (dups == SK_MOST_DUPS)
                sk_misuse(site, "%s: more than %d duplicates of one ref in one task", call, SK_MOST_DUPS);
        } while (!atomic_compare_exchange_weak_explicit(&o->dups, &dups, dups + 1, relaxed, relaxed));
        if (!dups && !(atomic_load_explicit(&o->flags, relaxed) & SK_MADE))                               /* dropped, but a list still has it: the handle stack may have forgotten it */
            sk_lane_add_handle(lane, sk_object_id(o));
    } else {
        if (!frame->dups)
            frame->dups = g_hash_table_new(g_direct_hash, g_direct_equal);
        gpointer key = (gpointer)(uintptr_t)(ref.id & ~SK_DUPLICATE);
        g_hash_table_insert(frame->dups, key, GSIZE_TO_POINTER(GPOINTER_TO_SIZE(g_hash_table_lookup(frame->dups, key)) + 1));
    }
    sk_object_ref(o, SK_HANDLE);
    return (sk_ref){ ref.id | SK_DUPLICATE };
}

static bool hold(sk_ref ref)
{
    const char *why;
    sk_object *o = sk_object_find(ref, &why);
    if (o)
        sk_object_ref(o, SK_HANDLE);
    return o != NULL;
}

static void let_go(sk_ref ref)
{
    sk_object_unref(sk_lane_self, sk_object_at((uint32_t)ref.id), SK_HANDLE);
}

static void scope_begin(sk_mark *mark)
{
    sk_lane *lane = sk_lane_self;
    *mark = (sk_mark){ .outer = lane->frame->scopes, .scratch = lane->nscratch };
    lane->frame->scopes = lane->nhandles + 1;
}

static void scope_end(sk_mark *mark)
{
    sk_lane *lane = sk_lane_self;
    size_t base = lane->frame->scopes - 1, kept = base;
    for (size_t i = base; i < lane->nhandles; i++) {
        uint64_t id = lane->handles[i];
        sk_object *o = sk_object_at((uint32_t)id);
        uint8_t flags;
        uint16_t dups;
        if (!sk_object_is_still_owned(o, id, &flags, &dups))
            continue;
        if (dups)                                 /* duplicates outlive the scope */
            lane->handles[kept++] = id;
        if (flags & SK_MADE) {
            atomic_store_explicit(&o->flags, flags & ~SK_MADE, relaxed);
            sk_object_unref(lane, o, SK_HANDLE);
        }
    }
    lane->nhandles = kept;
    sk_lane_drop_scratch(lane, mark->scratch);
    lane->frame->scopes = mark->outer;
}

/* ---- the rest ---- */

static void sleep_for(double seconds, sk_site *site)
{
    (void)site;
    const sk_backend_ops *ops = sk_session.backend->ops;
    int64_t ns = seconds >= 9e8 ? SK_NEVER : sk_ns_of(seconds);
    sk_frame *frame = sk_lane_self->frame;
    if (ops->sleep) {
        sk_frame_leave_if_dead(frame);
        int64_t end = ns > SK_NEVER - sk_session_now() ? SK_NEVER : sk_session_now() + ns;
        ops->sleep((sk_backend *)sk_session.backend, ns);
        if (unlikely(frame->died == SK_GONE) || sk_session_now() < end)      /* who is only fenced does not know it yet */
            sk_frame_leave_if_dead(frame);
    } else {
        struct timespec ts = { ns / 1000000000, ns % 1000000000 };
        while (nanosleep(&ts, &ts) != 0)
            ;
    }
}

/* A unit is 1000 steps of a multiplication that the next one waits for: about a microsecond. */
void sk_compute_here(double units)
{
    uint64_t x = 1;
    for (double left = units * 1000; left > 0; left -= 1)
        x = x * 6364136223846793005u + 1442695040888963407u;
    __asm__ volatile("" :: "r"(x));
}

static void compute(double units, sk_site *site)
{
    (void)site;
    const sk_backend_ops *ops = sk_session.backend->ops;
    if (ops->compute) {
        sk_frame_leave_if_dead(sk_lane_self->frame);
        ops->compute((sk_backend *)sk_session.backend, units);
        sk_frame_leave_if_dead(sk_lane_self->frame);
        return;
    }
    sk_compute_here(units);
}

static double now(void)
{
    if (unlikely(sk_has_cluster))
        spend(SK_OTHER, NULL, 0);
    return (double)sk_session_now() / 1e9;
}

static bool cancelled(void)
{
    sk_task *t = sk_lane_self->frame->task;
    if (t && t->extras && t->extras->deadline != SK_NEVER && sk_session_now() > t->extras->deadline)
        return true;                              /* where nobody rings an alarm */
    return atomic_load_explicit(&sk_cancellations, relaxed) && sk_lane_self->frame->id && sk_task_is_cancelled(sk_lane_self->frame->id);
}

static size_t resources(sk_resource *out, size_t max)
{
    if (sk_has_cluster)
        return sk_session.backend->ops->resources((sk_backend *)sk_session.backend, out, max);
    sk_lane sum;
    sk_lanes_sum(&sum);
    return sk_admit_resources(out, max, atomic_load_explicit(&sum.running, relaxed));
}

static size_t nodes(sk_node_info *out, size_t max)
{
    if (sk_has_cluster)
        return sk_session.backend->ops->nodes((sk_backend *)sk_session.backend, out, max);
    for (size_t i = 0; i < (size_t)sk_session.settings.nodes && i < max; i++)
        out[i] = (sk_node_info){ (int)i, sk_session.settings.workers, true };
    return (size_t)sk_session.settings.nodes;
}

static gint by_place(gconstpointer a, gconstpointer b)
{
    const sk_site *x = a, *y = b;
    int c = strcmp(x->file, y->file);
    return c ? c : x->line - y->line;
}

/* A look at all records: exact when nothing else runs. */
static size_t print_refs(void)
{
    GHashTable *sites = g_hash_table_new(g_direct_hash, g_direct_equal);
    size_t total = 0;
    uint32_t chunks = atomic_load_explicit(&sk_object_pool.nchunks, acquire);
    for (uint32_t number = 0; number < chunks << SK_CHUNK_SHIFT; number++) {
        sk_object *o = sk_object_at(number);
        if (!(number & (SK_CHUNK_RECORDS - 1)) || !atomic_load_explicit(&o->generation, acquire) ||
            atomic_load_explicit(&o->state, acquire) == SK_OBJECT_FREED)
            continue;
        size_t handles = atomic_load_explicit(&o->counts, relaxed) >> 32;
        if (handles) {
            g_hash_table_insert(sites, o->site, GSIZE_TO_POINTER(GPOINTER_TO_SIZE(g_hash_table_lookup(sites, o->site)) + handles));
            total += handles;
        }
    }
    GList *keys = g_list_sort(g_hash_table_get_keys(sites), by_place);
    for (GList *k = keys; k; k = k->next) {
        const sk_site *site = k->data;
        size_t n = GPOINTER_TO_SIZE(g_hash_table_lookup(sites, site));
        fprintf(stderr, "%s:%d  %zu ref%s\n", site->file, site->line, n, n == 1 ? "" : "s");
    }
    g_list_free(keys);
    g_hash_table_destroy(sites);
    return total;
}

static void say(const char *text)
{
    sk_lane *lane = sk_lane_self;
    if (sk_trace_on)
        sk_trace_text(lane->trace, SK_TRACE_SAY, 0, &lane->frame->id, 1, &text, 1);
}

/* ---- the table ---- */

const sk_port sk_graph_port = {
    submit, put, promise, fulfil, get, wait_for, waiter_new, waiter_next, waiter_free, cancel, drop, dup_ref, scope_begin,
    scope_end, sleep_for, compute, now, cancelled, sk_session_counts, resources, nodes, print_refs, hold, let_go, say,
};
