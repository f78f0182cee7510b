/* run.c -- executes a plan on a backend, compares every answer with what it must be, and writes all answers down. */
#include "run.h"
#include "functions.h"
#include <glib.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct walk {
    const plan *plan;
    answers *out;
    sk_ref *refs;                 /* of each slot */
    int workers;
    int at;                       /* the step */
} walk;

static void wrong(const walk *w, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
static void wrong(const walk *w, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "  step %d: ", w->at);
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
    fflush(NULL);
    _exit(3);
}

static void note(walk *w, sk_code code, uint64_t value)
{
    if (w->out->n == MAX_ANSWERS)
        wrong(w, "too many answers");
    w->out->answer[w->out->n++] = (answer){ w->at, (uint32_t)code, value };
}

/* ---- getting ---- */

#define TRY(ref, poll, value, err)                                                             \
    ({                                                                                            \
        bool got_;                                                                                \
        unsigned turns_ = 0;              /* on virtual it takes a thousand polls until time goes on */ \
        while (!(got_ = sk_try_get(ref, value, (poll) ? 0 : SK_FOREVER, err)) && (poll) && (err)->code == SK_TIMEOUT)  \
            if (++turns_ % 128 == 0)                                                              \
                sched_yield();                                                                    \
        got_;                                                                                     \
    })

/* One number stands for the whole answer. */
static bool get_any(const slot *s, sk_ref ref, bool poll, uint64_t *value, sk_error *err)
{
    sk_list list;
    sk_array array;
    const char *text;
    sk_ref inner;
    switch (s->type) {
    case T_LIST:
        if (!TRY(ref, poll, &list, err))
            return false;
        *value = list.n;
        return true;
    case T_ARRAY:
        if (!TRY(ref, poll, &array, err))
            return false;
        *value = (uint64_t)array.shape[0] << 32;
        for (int64_t i = 0; i < sk_len(array); i++)
            *value = mix(*value, (uint64_t)sk_read(int64_t, array)[i]);
        return true;
    case T_TEXT:
        if (!TRY(ref, poll, &text, err))
            return false;
        *value = hash_of(text);
        return true;
    case T_REF:
        return TRY(ref, poll, &inner, err) && TRY(inner, poll, value, err);
    default:
        return TRY(ref, poll, value, err);
    }
}

static uint64_t expected_value(const plan *p, const slot *s)
{
    char text[TEXT_MAX];
    if (s->type == T_TEXT) {
        text_of(s->outcome.value, text);
        return hash_of(text);
    }
    if (s->type == T_ARRAY) {
        const step *made = &p->steps[p->slots[s->origin].step];
        uint64_t h = (uint64_t)made->mode << 32;
        for (int i = 0; i < 2 * made->mode; i++)
            h = mix(h, mix(s->outcome.value, (uint64_t)i));
        return h;
    }
    return s->outcome.value;
}

static void get_and_compare(walk *w, int i, bool poll)
{
    const slot *s = &w->plan->slots[i];
    uint64_t value = 0;
    sk_error err = { 0 };
    bool good = get_any(s, w->refs[i], poll, &value, &err);
    sk_code code = good ? SK_OK : err.code;
    note(w, code, good ? value : 0);
    if (code != s->outcome.code)
        wrong(w, "s%d is %s, not %s: %s", i, sk_code_name(code), sk_code_name(s->outcome.code), good ? "" : err.message);
    if (good && s->type != T_ROLL && value != expected_value(w->plan, s))
        wrong(w, "s%d has another value", i);
    char boom[32];
    snprintf(boom, sizeof boom, "boom %d.", s->outcome.boom);
    if (!good && s->outcome.boom && !strstr(err.message, boom) && !strstr(err.message, "..."))
        wrong(w, "s%d: \"%s\" is not in \"%s\"", i, boom, err.message);
}

/* ---- steps ---- */

static void call(walk *w, const step *st)
{
    sk_options options = {
        .num_cpus = st->infeasible ? 100000 : st->cpus > w->workers ? w->workers : st->cpus, .priority = st->priority,
        .retry_errors = st->retry, .max_retries = st->retry ? 2 : 0, .resources = st->gpu ? "gpu=0.5" : NULL,
        .name = st->priority == 1 ? "a name" : NULL };
    sk_ref out[3], list[MAX_LIST], r[8];
    int id = w->at + 1;
    for (int k = 0; k < st->nlist; k++)
        list[k] = w->refs[st->list[k]];
    for (int k = 0; k < st->nargs; k++)     /* an argument by value goes as it is for the first, as a put for the others */
        r[k] = st->args[k].slot >= 0 ? w->refs[st->args[k].slot] : sk_put(st->args[k].value);
    bool by_value = st->nargs > 0 && st->args[0].slot < 0;
    uint64_t v = st->args[0].value, s = st->salt;
    int mode = st->mode;
#define CALL1(fn, ...) (by_value ? sk_remote_with(&options, fn, v, ##__VA_ARGS__) : sk_remote_with(&options, fn, r[0], ##__VA_ARGS__))
    switch (st->fn) {
    case F_MIX2: out[0] = CALL1(mix2, r[1], s); break;
    case F_MIX8: out[0] = sk_remote_with(&options, mix8, r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]); break;
    case F_SPLIT: sk_remote_into_with(&options, out, split, r[0], s); break;
    case F_SPLIT_FAIL: sk_remote_into_with(&options, out, split_fail, r[0], s, id); break;
    case F_FAIL: out[0] = CALL1(fail, id); break;
    case F_FAIL_FIFTH: out[0] = CALL1(fail_fifth, s, id); break;
    case F_FOLD:
        out[0] = st->nargs ? sk_remote_with(&options, fold, r[0], mode, s) :
            sk_remote_with(&options, fold, sk_list_of(list, (size_t)st->nlist), mode, s);
        break;
    case F_TREE: out[0] = sk_remote_with(&options, tree, mode, s); break;
    case F_LIST: out[0] = sk_remote_with(&options, make_list, mode, r[0], s); break;
    case F_REF: out[0] = CALL1(make_ref, s); break;
    case F_COPE: out[0] = sk_remote_with(&options, cope, r[0], s); break;
    case F_ARRAY: out[0] = sk_remote_with(&options, make_array, mode, r[0]); break;
    case F_ARRAY_FOLD: out[0] = sk_remote_with(&options, fold_array, r[0], s); break;
    case F_TEXT: out[0] = sk_remote_with(&options, make_text, r[0]); break;
    case F_HASH: out[0] = sk_remote_with(&options, hash_text, r[0], s); break;
    case F_ROLL: out[0] = sk_remote_with(&options, roll, mode); break;
    case F_DEEP_FAIL: out[0] = sk_remote_with(&options, deep_fail, mode, id); break;
    case F_COPE_CHILD: out[0] = sk_remote_with(&options, cope_child, id, s); break;
    case F_CANCEL_CHILD: out[0] = sk_remote_with(&options, cancel_child, s); break;
    default: out[0] = sk_remote_with(&options, forget, mode, s); break;
    }
    for (int k = 0; k < st->nargs; k++)
        if (st->args[k].slot < 0)
            sk_drop(r[k]);
    memcpy(&w->refs[st->out], out, sizeof *out * (size_t)st->nout);
}

/* Both parts must keep the order they had. */
static void expect_order(walk *w, const sk_ref *before, const sk_ref *after, size_t n, size_t done)
{
    size_t in_first = 0, in_second = done;
    for (size_t i = 0; i < n; i++)
        if (in_first < done && after[in_first].id == before[i].id)
            in_first++;
        else if (in_second < n && after[in_second].id == before[i].id)
            in_second++;
        else
            wrong(w, "sk_wait has changed the order");
}

static void wait_for_some(walk *w, const step *st)
{
    sk_ref before[MAX_LIST], refs[MAX_LIST];
    size_t n = (size_t)st->nlist, need = (size_t)st->need;
    for (size_t k = 0; k < n; k++)
        before[k] = refs[k] = w->refs[st->list[k]];
    if (st->poll) {
        size_t done = sk_wait(refs, n, need, 0);
        if (done > need)
            wrong(w, "sk_wait returned %zu, more than %zu", done, need);
        expect_order(w, before, refs, n, done);
        memcpy(refs, before, sizeof refs);
    }
    size_t done = sk_wait(refs, n, need, SK_FOREVER);
    if (done != need)
        wrong(w, "sk_wait returned %zu, not %zu", done, need);
    expect_order(w, before, refs, n, done);
    note(w, SK_OK, done);
}

static void drain_some(walk *w, const step *st)
{
    sk_ref refs[MAX_LIST], one;
    uint64_t sum = 0, handed = 0;
    for (int k = 0; k < st->nlist; k++) {
        refs[k] = w->refs[st->list[k]];
        sum += refs[k].id;
    }
    sk_waiter *waiter = sk_waiter_new(refs, (size_t)st->nlist);
    int n = st->salt % 3 ? st->nlist : st->nlist / 2;       /* sometimes it is freed before the end */
    for (int k = 0; k < n; k++) {
        if (!sk_waiter_next(waiter, &one, SK_FOREVER))
            wrong(w, "the waiter ended after %d of %d", k, st->nlist);
        handed += one.id;
    }
    if (n == st->nlist && (handed != sum || sk_waiter_next(waiter, &one, SK_FOREVER)))
        wrong(w, "the waiter handed out something else");
    sk_waiter_free(waiter);
    note(w, SK_OK, (uint64_t)n);
}

static void get_all_of_some(walk *w, const step *st)
{
    sk_ref refs[MAX_LIST] = { 0 };
    uint64_t values[MAX_LIST], h = 0;
    bool fails = false;
    for (int k = 0; k < st->nlist; k++) {
        refs[k] = w->refs[st->list[k]];
        fails |= w->plan->slots[st->list[k]].outcome.code != SK_OK;
    }
    sk_error err = { 0 };
    bool good = sk_try_get_all(refs, (size_t)st->nlist, values, SK_FOREVER, &err);
    if (good == fails)
        wrong(w, "sk_try_get_all %s: %s", good ? "succeeded" : "failed", err.message);
    for (int k = 0; k < st->nlist && good; k++) {
        h = mix(h, values[k]);
        if (values[k] != w->plan->slots[st->list[k]].outcome.value)
            wrong(w, "value %d of sk_try_get_all is another one", k);
    }
    note(w, SK_OK, h);
}

static void take_out(walk *w, const step *st)
{
    sk_ref whole = w->refs[st->args[0].slot], inner;
    sk_list list;
    if (st->kind == S_UNWRAP)
        inner = sk_try_get(whole, &inner, SK_FOREVER, NULL) ? sk_dup(inner) : sk_remote(mix_one, whole);
    else if (!sk_try_get(whole, &list, SK_FOREVER, NULL))
        inner = sk_remote(mix_one, whole);
    else
        inner = list.n ? sk_dup(list.refs[st->mode]) : sk_put((uint64_t)0);
    w->refs[st->out] = inner;
}

static void in_a_scope(walk *w, const step *st)
{
    sk_ref kept = { 0 };
    sk_scope {
        sk_ref x = w->refs[st->args[0].slot];
        for (int i = 0; i < st->mode; i++)
            sk_remote(mix_one, x);
        sk_scope {
            kept = sk_dup(sk_remote(mix2, x, sk_put(st->salt), st->salt));
            if (st->mode == 1)
                break;
            sk_put((uint64_t)1);
        }
    }
    const outcome *o = &w->plan->slots[st->args[0].slot].outcome;
    uint64_t value = 0;
    sk_error err = { 0 };
    bool good = sk_try_get(kept, &value, SK_FOREVER, &err);
    if (good != (o->code == SK_OK) || (good && value != mix(mix(o->value, st->salt), st->salt)) || (!good && err.code != SK_TASK))
        wrong(w, "what left the scope is wrong");
    sk_drop(kept);
    note(w, good ? SK_OK : err.code, value);
}

static void take_step(walk *w, const step *st)
{
    sk_ref refs[MAX_LIST] = { 0 };
    for (int k = 0; k < st->nlist; k++)
        refs[k] = w->refs[st->list[k]];
    int first = st->nargs ? st->args[0].slot : -1;
    switch (st->kind) {
    case S_PUT: w->refs[st->out] = sk_put(st->salt); break;
    case S_PUT_LIST: w->refs[st->out] = sk_put(sk_list_of(refs, (size_t)st->nlist)); break;
    case S_PROMISE: w->refs[st->out] = sk_promise(); break;
    case S_FULFIL: sk_fulfil(w->refs[first], w->plan->steps[w->plan->slots[first].step].salt); break;
    case S_CALL: call(w, st); break;
    case S_CANCEL: sk_cancel(w->refs[first], st->mode); break;
    case S_DROP: sk_drop(w->refs[first]); break;
    case S_DUP: w->refs[st->out] = sk_dup(w->refs[first]); break;
    case S_GET: get_and_compare(w, first, st->poll); break;
    case S_GET_ALL: get_all_of_some(w, st); break;
    case S_UNPACK: case S_UNWRAP: take_out(w, st); break;
    case S_WAIT: wait_for_some(w, st); break;
    case S_WAITER: drain_some(w, st); break;
    case S_REDUCE: w->refs[st->out] = sk_reduce(mix_pair, refs, (size_t)st->nlist); break;
    case S_MAP: sk_map(mix_one, refs, (size_t)st->nlist, &w->refs[st->out]); break;
    default: in_a_scope(w, st); break;
    }
}

static void expect_nothing_left(walk *w, double patience)
{
    gint64 since = g_get_monotonic_time();
    for (double nap = 1e-9;; nap = nap < 1e-3 ? 2 * nap : nap) {
        sk_counts c = sk_stats();
        sk_resource have[4];
        size_t n = sk_resources(have, 4), busy = 0;
        for (size_t i = 0; i < n; i++)
            busy += have[i].available != have[i].total;
        if (c.objects_live == 0 && c.bytes_live == 0 && busy == 0)
            return;
        if ((double)(g_get_monotonic_time() - since) / G_USEC_PER_SEC > patience) {
            sk_print_refs();
            wrong(w, "%lu objects, %lu bytes and %zu resources were not given back", (unsigned long)c.objects_live,
                  (unsigned long)c.bytes_live, busy);
        }
        sched_yield();                  /* the last task may not be buried yet; nothing tells when it is */
        sk_sleep(nap);                  /* where time is simulated it goes on only in calls, and no further than they say */
    }
}

void run_plan(const plan *p, const sk_config *config, bool runs_by_itself, double patience, answers *out)
{
    walk w = { .plan = p, .out = out, .refs = calloc((size_t)p->nslots + 1, sizeof(sk_ref)), .workers = config->workers };
    out->n = 0;
    sk_init(NULL, NULL, config);
    for (w.at = 0; w.at < p->nsteps; w.at++)
        take_step(&w, &p->steps[w.at]);
    for (int i = 0; i < p->nslots; i++)
        if (!p->slots[i].dropped)
            sk_drop(w.refs[i]);
    /* Where nothing is left to run, nothing may be left over. (`serial` runs what nobody needs at shutdown.) */
    bool all_kept = p->kept == (p->ngates == 64 ? ~0ull : (1ull << p->ngates) - 1);
    if (all_kept && runs_by_itself)
        expect_nothing_left(&w, patience);
    sk_shutdown();
    free(w.refs);
}
