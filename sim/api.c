/* api.c -- the functions behind the macros of skate.h: check what can be checked anywhere, then call the lane's port.
 *
 * Two ways to fail: in a task, a failed get fails the task (its chain goes on); in the driver it ends the program. */
#include "reduce.h"
#include "session.h"
#include "task.h"
#include "wait.h"
#include "whose.h"

#include <pthread.h>
#include <stdarg.h>
#include <time.h>

void sk_need_started(const char *call, const sk_site *site)
{
    if (unlikely(!sk_lane_self))
        sk_lane_make(call, site);
}

/* ---- submit, put ---- */

/* Out of line, as the next: submitting is to keep its registers. */
SK_COLD static _Noreturn void refuse_bad(const sk_value *v, const char *call, int argument, const sk_site *site)
{
    sk_lane *lane = sk_lane_self;
    bool full = v->why == lane->boxing_error.message;
    sk_failure *why = argument ? sk_failure_new(full ? SK_STORE_FULL : SK_MISUSE, site, NULL, "%s: argument %d: %s", call, argument, v->why)
                               : sk_failure_new(full ? SK_STORE_FULL : SK_MISUSE, site, NULL, "%s: %s", call, v->why);
    if (full && lane->frame->task)
        sk_frame_fail(lane->frame, why);
    sk_die(site, NULL, full ? 1 : 2, "%s", why->text);
}

SK_COLD static _Noreturn void refuse_number(const sk_fn *fn, size_t nargs, const sk_site *site)
{
    sk_misuse(site, "sk_remote_fn(%s): %zu arguments given, %d wanted: %s", fn->name, nargs, fn->nargs, fn->signature);
}

void sk_submit(const sk_fn *fn, sk_site *site, size_t nargs, const sk_value *args,
               const sk_options *options, sk_ref *returns)
{
    if (unlikely(!sk_lane_self))
        sk_lane_make("sk_remote", site);
    if (unlikely(nargs != fn->nargs))             /* of a program built with a header of before sk_submit_checked */
        refuse_number(fn, nargs, site);
    for (size_t i = 0; i < nargs; i++)
        if (unlikely(args[i].type == SK_T_BAD))
            refuse_bad(&args[i], fn->name, (int)i + 1, site);
    sk_lane_self->port->submit(fn, site, nargs, args, options, returns);
}

void sk_submit_values(const sk_fn *fn, sk_site *site, size_t nargs, const sk_value *args,
                      const sk_options *options, sk_ref *returns)
{
    if (unlikely(!sk_lane_self))
        sk_lane_make("sk_remote_fn", site);
    if (nargs != fn->nargs)
        refuse_number(fn, nargs, site);
    for (size_t i = 0; i < nargs; i++) {
        if (args[i].type == SK_T_BAD)
            refuse_bad(&args[i], fn->name, (int)i + 1, site);
        if (!SK_FITS(fn->arg_type[i], args[i].type))
            sk_misuse(site, "sk_remote_fn(%s): argument %zu is %s, wanted %s: %s", fn->name, i + 1,
                      sk_type_name((sk_type)args[i].type), sk_type_name((sk_type)fn->arg_type[i]), fn->signature);
    }
    sk_submit(fn, site, nargs, args, options, returns);
}

sk_ref sk_submit_checked(const sk_fn *fn, sk_site *site, size_t nargs, const sk_value *args)
{
    sk_ref answer[SK_MAX_RETURNS];
    sk_submit_values(fn, site, nargs, args, NULL, answer);
    return answer[0];
}

sk_ref sk_put_value(sk_value value, sk_site *site)
{
    sk_lane *lane = sk_lane_get("sk_put", site);
    if (unlikely(value.type == SK_T_BAD))
        refuse_bad(&value, "sk_put", 0, site);
    return lane->port->put(value, site);
}

sk_ref sk_promise_at(sk_site *site) { return sk_lane_get("sk_promise", site)->port->promise(site); }

void sk_fulfil_at(sk_ref ref, sk_value value, sk_site *site)
{
    sk_lane *lane = sk_lane_get("sk_fulfil", site);
    if (value.type == SK_T_BAD)
        refuse_bad(&value, "sk_fulfil", 0, site);
    lane->port->fulfil(ref, value, site);
}

/* ---- get ---- */

static void check_timeout(double timeout_s, const char *call, const sk_site *site)
{
    if (!(timeout_s >= 0))
        sk_misuse(site, "%s: the timeout is %g; give seconds, 0 to poll, or SK_FOREVER", call, timeout_s);
}

/* The same for those that tell it, if they are given an err to tell it in. */
static bool may_wait(double timeout_s, const char *call, sk_error *err, const sk_site *site)
{
    if (err && !(timeout_s >= 0))
        return sk_error_set(err, SK_MISUSE, "%s:%d: %s: the timeout is %g; give seconds, 0 to poll, or SK_FOREVER", site->file, site->line,
                            call, timeout_s);
    check_timeout(timeout_s, call, site);
    return true;
}

/* A get failed for good. `why` taken over. */
static _Noreturn void fail_get(sk_failure *why, const char *call, const sk_site *site)
{
    sk_lane *lane = sk_lane_self;
    if (lane->frame->task) {
        sk_task *t = lane->frame->task;
        bool wait_ended = why->code == SK_DEADLOCK || why->code == SK_LIMIT;
        sk_frame_fail(lane->frame, sk_failure_new(wait_ended ? why->code : SK_TASK, t->site, why, "%s: %s at %s:%d failed",
                                                  sk_task_name_of(t), call, site->file, site->line));
    }
    sk_die(site, why, 1, "%s: failed with %s", call, sk_code_name(why->code));
}

SK_HOT void get_value_of_any_type(sk_ref ref, sk_value *value, sk_site *site, const char *call)
{
    sk_lane *lane = sk_lane_get(call, site);
    sk_failure *why = NULL;
    if (unlikely(lane->port->get(ref, SK_FOREVER, value, &why, site, call) != SK_OK))
        fail_get(why, call, site);
}

/* Is it of the type that was asked for? */
static void check_got(const sk_value *value, sk_type type, sk_site *site, const char *call)
{
    char text[160];
    bool plain_int = value->type == SK_T_I64 && type == SK_T_INT && value->i64 == (int)value->i64;
    if (unlikely(value->type != (uint64_t)type && !plain_int &&
                 !sk_value_fits(value, type, text, sizeof text)))
        fail_get(sk_failure_new(SK_TASK, site, NULL, "the object %s", text), call, site);
    sk_whose_note(value, site);
}

static sk_value get_value(sk_ref ref, sk_type type, sk_site *site, const char *call)
{
    sk_value value;
    get_value_of_any_type(ref, &value, site, call);
    check_got(&value, type, site, call);
    return value;
}

/* What sk_get has got, as the C type that was asked for. */
__attribute__((noinline)) static void convert(const sk_value *value, sk_type type, void *out,
                                              sk_site *site)
{
    check_got(value, type, site, "sk_get");
    sk_value_store(value, type, out);
}

void sk_get_into(sk_ref ref, sk_type type, void *out, sk_site *site)
{
    sk_value value;
    get_value_of_any_type(ref, &value, site, "sk_get");
    if (likely(value.type == (uint64_t)type &&
               (type == SK_T_I64 || type == SK_T_U64 || type == SK_T_F64)))
        memcpy(out, &value.u64, sizeof value.u64);
    else
        convert(&value, type, out, site);
}

/* The value must outlive the ref: a blob stays until the frame (or scope) ends, a ref inside is duplicated. */
void sk_take_into(sk_ref ref, sk_type type, void *out, sk_site *site)
{
    sk_value v = get_value(ref, type, site, "sk_take");
    sk_lane *lane = sk_lane_self;
    if (sk_type_has_blob(v.type))
        sk_lane_add_scratch(lane, sk_blob_ref(v.blob));
    else if (v.type == SK_T_REF)
        lane->port->dup(v.ref, site, "sk_take");
    sk_value_store(&v, type, out);
    lane->port->drop(ref, site, "sk_take");
}

void sk_get_bytes(sk_ref ref, void *out, size_t size, sk_site *site)
{
    sk_value v = get_value(ref, SK_T_BUF, site, "sk_get_struct");
    if (v.blob->size != size)
        fail_get(sk_failure_new(SK_TASK, site, NULL, "the object has %zu bytes, the struct %zu", v.blob->size, size), "sk_get_struct", site);
    memcpy(out, sk_blob_data(v.blob), size);
}

bool sk_try_get_into(sk_ref ref, sk_type type, void *out, double timeout_s, sk_error *err, sk_site *site)
{
    sk_lane *lane = sk_lane_get("sk_try_get", site);
    sk_value value;
    sk_failure *why = NULL;
    char text[160];
    if (!may_wait(timeout_s, "sk_try_get", err, site))
        return false;
    sk_code code = lane->port->get(ref, timeout_s, &value, &why, site, "sk_try_get");
    if (code == SK_TIMEOUT && !why)
        return sk_error_set(err, SK_TIMEOUT, "not ready after %g s", timeout_s);
    if (code != SK_OK) {
        sk_error_from_failure(err, why);
        sk_failure_unref(why);
        return false;
    }
    if (!sk_value_fits(&value, type, text, sizeof text))
        return sk_error_set(err, SK_TASK, "the object %s", text);
    sk_whose_note(&value, site);
    sk_value_store(&value, type, out);
    return true;
}

static bool get_all(const sk_ref *refs, size_t n, sk_type type, void *values, size_t stride, double timeout_s, sk_failure **why,
                    sk_site *site, const char *call)
{
    sk_lane *lane = sk_lane_get(call, site);
    if (n == 0)
        return true;
    uint8_t *ready = sk_lane_take_temp(lane, n);
    size_t count, failed;
    sk_code code = lane->port->wait(refs, n, n, timeout_s, true, ready, &count, &failed, why, site, call);
    sk_lane_free_temp(lane);
    char text[160];
    for (size_t i = 0; i < n && code == SK_OK; i++) {
        sk_value v;
        code = lane->port->get(refs[i], SK_FOREVER, &v, why, site, call);
        if (code == SK_OK && !sk_value_fits(&v, type, text, sizeof text)) {
            *why = sk_failure_new(SK_TASK, site, NULL, "object %zu of %zu %s", i + 1, n, text);
            return false;
        }
        if (code == SK_OK) {
            sk_whose_note(&v, site);
            sk_value_store(&v, type, (char *)values + i * stride);
        }
    }
    if (code == SK_TIMEOUT && !*why)
        *why = sk_failure_new(SK_TIMEOUT, site, NULL, "%zu of %zu ready after %g s", count, n, timeout_s);
    return code == SK_OK;
}

void sk_get_all_into(const sk_ref *refs, size_t n, sk_type type, void *values, size_t stride, sk_site *site)
{
    sk_failure *why = NULL;
    if (!get_all(refs, n, type, values, stride, SK_FOREVER, &why, site, "sk_get_all"))
        fail_get(why, "sk_get_all", site);
}

bool sk_try_get_all_into(const sk_ref *refs, size_t n, sk_type type, void *values, size_t stride, double timeout_s, sk_error *err,
                         sk_site *site)
{
    sk_failure *why = NULL;
    sk_lane_get("sk_try_get_all", site);
    if (!may_wait(timeout_s, "sk_try_get_all", err, site))
        return false;
    if (get_all(refs, n, type, values, stride, timeout_s, &why, site, "sk_try_get_all"))
        return true;
    sk_error_from_failure(err, why);
    sk_failure_unref(why);
    return false;
}

/* ---- wait ---- */

/* Index of a ref that is there twice, or n. A small open-addressing table: O(n). */
static size_t find_duplicate(const sk_ref *refs, size_t n)
{
    size_t size = 16;
    while (size < 2 * n)
        size *= 2;
    uint64_t *table = calloc(size, sizeof *table);
    if (!table)
        abort();
    size_t found = n;
    for (size_t i = 0; i < n && found == n; i++) {
        size_t at = sk_mix(refs[i].id & ~SK_DUPLICATE) & (size - 1);
        while (table[at] && table[at] != (refs[i].id & ~SK_DUPLICATE))
            at = (at + 1) & (size - 1);
        if (table[at])
            found = i;
        table[at] = refs[i].id & ~SK_DUPLICATE;
    }
    free(table);
    return found;
}

/* NULL, or why these arguments are misuse. */
static const char *check_wait(const sk_ref *refs, size_t n, size_t num_returns, double timeout_s, char *room, size_t size)
{
    size_t twice;
    if (!(timeout_s >= 0))                        /* Ray's order: timeout, empty, duplicates, num_returns */
        snprintf(room, size, "the timeout is %g; give seconds, 0 to poll, or SK_FOREVER", timeout_s);
    else if (n == 0)
        return NULL;
    else if ((twice = find_duplicate(refs, n)) < n)
        snprintf(room, size, "refs[%zu] is there twice (duplicate); each ref may be waited for once", twice);
    else if (num_returns < 1)
        snprintf(room, size, "num_returns is 0; ask for at least 1");
    else if (num_returns > n)
        snprintf(room, size, "num_returns is %zu, but n is %zu", num_returns, n);
    else
        return NULL;
    return room;
}

static sk_code wait_partition(sk_ref *refs, size_t n, size_t num_returns, double timeout_s, size_t *count, sk_failure **why,
                              sk_site *site, const char *call)
{
    sk_lane *lane = sk_lane_get(call, site);
    size_t failed, there, front = 0, back = 0;
    *count = 0;
    if (n == 0)
        return SK_OK;
    sk_ref *rest = sk_lane_take_temp(lane, n * (sizeof *rest + 1));
    uint8_t *ready = (uint8_t *)(rest + n);
    sk_code code = lane->port->wait(refs, n, num_returns, timeout_s, false, ready, &there, &failed, why, site, call);
    for (size_t i = 0; i < n; i++)
        if (ready[i] && front < num_returns)      /* never more than asked for, even if more are ready */
            refs[front++] = refs[i];
        else
            rest[back++] = refs[i];
    memcpy(refs + front, rest, back * sizeof *rest);
    sk_lane_free_temp(lane);
    *count = front;
    return code == SK_TIMEOUT ? SK_OK : code;
}

size_t sk_wait_at(sk_ref *refs, size_t n, size_t num_returns, double timeout_s, sk_site *site)
{
    char room[160];
    sk_lane_get("sk_wait", site);
    const char *wrong = check_wait(refs, n, num_returns, timeout_s, room, sizeof room);
    if (wrong)
        sk_misuse(site, "sk_wait: %s", wrong);
    size_t count;
    sk_failure *why = NULL;
    if (wait_partition(refs, n, num_returns, timeout_s, &count, &why, site, "sk_wait") != SK_OK)
        fail_get(why, "sk_wait", site);
    return count;
}

bool sk_try_wait_at(sk_ref *refs, size_t n, size_t num_returns, double timeout_s, size_t *count, sk_error *err, sk_site *site)
{
    char room[160];
    sk_lane_get("sk_try_wait", site);
    const char *wrong = check_wait(refs, n, num_returns, timeout_s, room, sizeof room);
    size_t ready = 0;
    sk_failure *why = NULL;
    bool ok = !wrong;
    if (wrong && !err) {
        sk_misuse(site, "sk_try_wait: %s", wrong);
    } else if (wrong) {
        sk_error_set(err, SK_MISUSE, "%s:%d: sk_try_wait: %s", site->file, site->line, wrong);
    } else if (wait_partition(refs, n, num_returns, timeout_s, &ready, &why, site, "sk_try_wait") != SK_OK) {
        sk_error_from_failure(err, why);
        sk_failure_unref(why);
        ok = false;
    }
    if (count)
        *count = ready;
    return ok;
}

struct sk_waiter {
    void *impl;
    sk_ref *refs;
    size_t n, left;
    sk_site *site;
    struct sk_waiter *next, **link;       /* the list of its frame; under waiters_lock: the driver may have threads */
};
static pthread_mutex_t waiters_lock = PTHREAD_MUTEX_INITIALIZER;

sk_waiter *sk_waiter_new_at(const sk_ref *refs, size_t n, sk_site *site)
{
    sk_lane *lane = sk_lane_get("sk_waiter_new", site);
    sk_waiter *w = malloc(sizeof *w);
    if (!w || !(w->refs = malloc((n + 1) * sizeof *refs)))
        abort();
    if (n)
        memcpy(w->refs, refs, n * sizeof *refs);
    w->n = w->left = n;
    w->site = site;
    w->impl = lane->port->waiter_new(refs, n, site);
    pthread_mutex_lock(&waiters_lock);
    w->link = &lane->frame->waiters;
    w->next = *w->link;
    if (w->next)
        w->next->link = &w->next;
    *w->link = w;
    pthread_mutex_unlock(&waiters_lock);
    return w;
}

bool sk_waiter_next_at(sk_waiter *w, sk_ref *ref, double timeout_s, sk_site *site)
{
    sk_lane *lane = sk_lane_get("sk_waiter_next", site);
    size_t index;
    check_timeout(timeout_s, "sk_waiter_next", site);
    if (w->left == 0)
        return false;
    sk_code code = lane->port->waiter_next(w->impl, timeout_s, &index, site);
    if (code == SK_TIMEOUT)
        return false;
    if (code != SK_OK)
        fail_get(sk_failure_new(code, site, NULL, "%s", code == SK_DEADLOCK ? lane->boxing_error.message
                 : "too many tasks are blocked at once, or they nest too deeply"),
                 "sk_waiter_next", site);
    w->left--;
    *ref = w->refs[index];
    return true;
}

size_t sk_waiter_left(const sk_waiter *waiter) { return waiter->left; }

void sk_waiter_free(sk_waiter *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&waiters_lock);
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    pthread_mutex_unlock(&waiters_lock);
    sk_lane_get("sk_waiter_free", w->site)->port->waiter_free(w->impl);
    free(w->refs);
    free(w);
}

void sk_waiter_free_all(sk_frame *frame)
{
    while (frame->waiters)
        sk_waiter_free(frame->waiters);
}

/* ---- references ---- */

void sk_cancel_at(sk_ref ref, int flags, sk_site *site)
{
    if (flags & ~(SK_FORCE | SK_ONLY_THIS))
        sk_misuse(site, "sk_cancel: flags is %d; give 0, SK_FORCE, SK_ONLY_THIS or both", flags);
    sk_lane_get("sk_cancel", site)->port->cancel(ref, flags, site);
}

void sk_drop_at(sk_ref ref, sk_site *site)  { sk_lane_get("sk_drop", site)->port->drop(ref, site, "sk_drop"); }
sk_ref sk_dup_at(sk_ref ref, sk_site *site) { return sk_lane_get("sk_dup", site)->port->dup(ref, site, "sk_dup"); }

sk_mark sk_scope_begin(void)
{
    sk_mark mark;
    sk_lane_get("sk_scope", NULL)->port->scope_begin(&mark);
    return mark;
}

void sk_scope_end(sk_mark *mark) { sk_lane_get("sk_scope", NULL)->port->scope_end(mark); }

/* ---- inside a task ---- */

void sk_fail_at(sk_site *site, const char *format, ...)
{
    char text[1000];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    sk_lane *lane = sk_lane_get("sk_fail", site);
    if (!lane->frame->task)
        sk_misuse(site, "sk_fail: called outside a task, with \"%s\"; the driver ends with exit()", text);
    sk_task *t = lane->frame->task;
    sk_frame_fail(lane->frame, sk_failure_new(SK_TASK, t->site, NULL, "%s: %s", sk_task_name_of(t), text));
}

sk_ref sk_reduce_at(const sk_fn *fn, const sk_ref *refs, size_t n, sk_site *site)
{
    sk_lane_get("sk_reduce", site);
    if (n == 0)
        sk_misuse(site, "sk_reduce: there is nothing to reduce; n must be at least 1");
    if (fn->nargs != 2 || fn->nreturns != 1)
        sk_misuse(site, "sk_reduce: %s has %d parameters and %d answers, wanted 2 and 1: %s", fn->name, fn->nargs, fn->nreturns, fn->signature);
    return sk_reduce_tree(fn, refs, n, site);
}

bool (sk_cancelled)(void) { return sk_lane_get("sk_cancelled", NULL)->port->cancelled(); }
double (sk_now)(void)     { return sk_lane_get("sk_now", NULL)->port->now(); }
int (sk_node)(void)       { return sk_lane_get("sk_node", NULL)->frame->node; }
int (sk_worker)(void)     { return sk_lane_get("sk_worker", NULL)->frame->worker; }
sk_counts (sk_stats)(void) { return sk_lane_get("sk_stats", NULL)->port->counts(); }
size_t (sk_resources)(sk_resource *out, size_t max) { return sk_lane_get("sk_resources", NULL)->port->resources(out, max); }
size_t (sk_nodes)(sk_node_info *out, size_t max)    { return sk_lane_get("sk_nodes", NULL)->port->nodes(out, max); }
size_t (sk_print_refs)(void) { return sk_lane_get("sk_print_refs", NULL)->port->print_refs(); }

void sk_sleep_at(double seconds, sk_site *site)
{
    sk_lane *lane = sk_lane_get("sk_sleep", site);
    if (!(seconds >= 0))
        sk_misuse(site, "sk_sleep: %g seconds; give 0 or more", seconds);
    lane->port->sleep(seconds, site);
}

void sk_compute_at(double units, sk_site *site)
{
    sk_lane *lane = sk_lane_get("sk_compute", site);
    if (!(units >= 0 && units < 1e18))
        sk_misuse(site, "sk_compute: %g units; give 0 or more", units);
    lane->port->compute(units, site);
}

/* xoshiro would be better, but one word per task is enough for lessons: splitmix64 has passed BigCrush. */
double (sk_random)(void)
{
    sk_frame *frame = sk_lane_get("sk_random", NULL)->frame;
    uint64_t x = sk_mix(frame->random);
    frame->random += 0x9e3779b97f4a7c15u;
    return (double)(x >> 11) * 0x1p-53;
}

void sk_say_at(sk_site *site, const char *format, ...)
{
    char text[1000];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    sk_lane *lane = sk_lane_get("sk_say", site);
    printf("[%9.6f] %s\n", lane->port->now(), text);
    lane->port->say(text);
}

/* ---- arrays ---- */

int64_t sk_len(sk_array array)
{
    int64_t n = 1;
    for (int i = 0; i < array.ndim; i++)
        n *= array.shape[i];
    return n;
}

/* Bytes of an array of this shape; misuse if there is no such thing. */
static size_t array_bytes(sk_dtype dtype, const int64_t *shape, int ndim, const char *call, const sk_site *site)
{
    if ((unsigned)dtype > SK_U8)
        sk_misuse(site, "%s: the dtype is %d; give SK_F64, SK_F32, SK_I64, SK_I32 or SK_U8", call, dtype);
    if (ndim < 1 || ndim > SK_MAX_DIMS)
        sk_misuse(site, "%s: %d dimensions; give 1 to %d", call, ndim, SK_MAX_DIMS);
    size_t bytes = sk_dtype_size(dtype);
    for (int i = 0; i < ndim; i++) {
        if (shape[i] < 0)
            sk_misuse(site, "%s: dimension %d is %lld; give 0 or more", call, i + 1, (long long)shape[i]);
        if (__builtin_mul_overflow(bytes, (size_t)shape[i], &bytes))
            bytes = SIZE_MAX / 2;                 /* more than any store has: STORE_FULL says so */
        if (bytes > SIZE_MAX / 2)
            bytes = SIZE_MAX / 2;
    }
    return bytes;
}

sk_array sk_new_array_at(sk_dtype dtype, const int64_t *shape, int ndim, bool zeroed, sk_site *site)
{
    const char *call = zeroed ? "sk_zeros" : "sk_new_array";
    sk_lane *lane = sk_lane_get(call, site);
    size_t bytes = array_bytes(dtype, shape, ndim, call, site);
    sk_error err;
    sk_blob *blob = sk_blob_new(SK_T_ARRAY, bytes, &err);
    if (!blob) {
        if (lane->frame->task)
            sk_frame_fail(lane->frame, sk_failure_new(SK_STORE_FULL, site, NULL, "%s: %s", call, err.message));
        sk_die(site, NULL, 1, "%s: %s", call, err.message);
    }
    if (zeroed)
        memset(sk_blob_data(blob), 0, bytes);
    blob->dtype = (uint8_t)dtype;
    blob->ndim = (uint8_t)ndim;
    for (int i = 0; i < ndim; i++)
        blob->shape[i] = shape[i];
    blob->maker = lane->frame->id;
    sk_lane_add_scratch(lane, blob);
    return sk_to_array((sk_value){ SK_T_ARRAY, { .blob = blob } });
}

/* Inside a task, a copy that lives until the task ends: what a task returns is boxed after its stack is gone. */
static const void *keep(sk_value value, const char *call, sk_site *site)
{
    if (unlikely(value.type == SK_T_BAD))
        refuse_bad(&value, call, 0, site);
    sk_lane_add_scratch(sk_lane_self, value.blob);
    return value.blob;
}

sk_array sk_array_view(const void *data, sk_dtype dtype, const int64_t *shape, int ndim, sk_site *site)
{
    sk_lane *lane = sk_lane_get("sk_array_of", site);
    array_bytes(dtype, shape, ndim, "sk_array_of", site);
    sk_array a = { data, dtype, ndim, { 1, 1, 1, 1 }, NULL };
    for (int i = 0; i < ndim; i++)
        a.shape[i] = shape[i];
    if (lane->frame->task) {
        a.owner = keep(sk_from_array(a), "sk_array_of", site);
        a.data = sk_blob_data(a.owner);
    }
    return a;
}

sk_list sk_list_view(const sk_ref *refs, size_t n, sk_site *site)
{
    sk_list list = { refs, n, NULL };
    if (sk_lane_get("sk_list_of", site)->frame->task) {
        list.owner = keep(sk_from_list(list), "sk_list_of", site);
        list.refs = sk_blob_data(list.owner);
    }
    return list;
}

sk_buf sk_buf_view(const void *data, size_t size, sk_site *site)
{
    sk_buf buf = { data, size, NULL };
    if (sk_lane_get("sk_buf_of", site)->frame->task) {
        buf.owner = keep(sk_from_buf(buf), "sk_buf_of", site);
        buf.data = sk_blob_data(buf.owner);
    }
    return buf;
}

const char *sk_format(const char *format, ...)
{
    sk_lane_get("sk_format", NULL);
    va_list ap;
    va_start(ap, format);
    int length = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    char *text = malloc((size_t)length + 1);
    if (!text)
        abort();
    va_start(ap, format);
    vsnprintf(text, (size_t)length + 1, format, ap);
    va_end(ap);
    sk_value value = sk_from_str(text);
    free(text);
    return sk_blob_data(keep(value, "sk_format", NULL));
}

/* A mistake about an array's type: fails the task, ends the driver. */
static _Noreturn void fail_array(const char *text, const sk_site *site)
{
    sk_lane *lane = sk_lane_self;
    if (lane && lane->frame->task)
        sk_frame_fail(lane->frame, sk_failure_new(SK_TASK, site, NULL, "%s: %s", sk_task_name_of(lane->frame->task), text));
    sk_misuse(site, "%s", text);
}

const void *sk_read_at(sk_array array, sk_dtype dtype, sk_site *site)
{
    if (unlikely(array.dtype != dtype)) {
        char text[100];
        snprintf(text, sizeof text, "sk_read: the array holds %s, not %s", sk_dtype_name(array.dtype), sk_dtype_name(dtype));
        fail_array(text, site);
    }
    return array.data;
}

void *sk_write_at(sk_array array, sk_dtype dtype, sk_site *site)
{
    sk_lane *lane = sk_lane_get("sk_write", site);
    const sk_blob *blob = array.owner;
    sk_read_at(array, dtype, site);
    if (unlikely(!blob || blob->sealed || blob->maker != lane->frame->id))
        fail_array(blob && blob->sealed ? "sk_write: the array is an object: immutable; make a new one with sk_new_array"
                                        : "sk_write: the array was not made here with sk_new_array", site);
    return (void *)(uintptr_t)array.data;
}

void sk_expect_shape_at(sk_array array, const int64_t *shape, int ndim, sk_site *site)
{
    bool same = array.ndim == ndim;
    for (int i = 0; i < ndim && same; i++)
        same = array.shape[i] == shape[i];
    if (same)
        return;
    char text[200];
    size_t n = (size_t)snprintf(text, sizeof text, "sk_expect_shape: the array is");
    for (int i = 0; i < array.ndim && n < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%lld", i ? " x " : " ", (long long)array.shape[i]);
    for (int i = 0; i < ndim && n < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%lld", i ? " x " : ", wanted ", (long long)shape[i]);
    fail_array(text, site);
}

void sk_unpack_into(sk_buf buf, void *value, size_t size, sk_site *site)
{
    if (buf.size != size) {
        char text[100];
        snprintf(text, sizeof text, "sk_unpack: the buffer has %zu bytes, the struct %zu", buf.size, size);
        fail_array(text, site);
    }
    memcpy(value, buf.data, size);
}
