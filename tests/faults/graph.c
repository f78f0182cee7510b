/* graph.c -- see graph.h. Reading order: matrices; the remote functions; making a graph up; running it. */
#include "graph.h"

#include "base.h"

#include <stdlib.h>
#include <string.h>

/* ---- matrices ---- */

uint64_t draw(uint64_t *stream) { return sk_mix(*stream += 0x9e3779b97f4a7c15u); }

static matrix of_seed(uint64_t seed)
{
    matrix m;
    for (int i = 0; i < 4; i++)
        m.at[i] = (int64_t)(draw(&seed) % PRIME);
    return m;
}

static matrix times(matrix a, matrix b)
{
    return (matrix){ { (a.at[0] * b.at[0] + a.at[1] * b.at[2]) % PRIME, (a.at[0] * b.at[1] + a.at[1] * b.at[3]) % PRIME,
                       (a.at[2] * b.at[0] + a.at[3] * b.at[2]) % PRIME, (a.at[2] * b.at[1] + a.at[3] * b.at[3]) % PRIME } };
}

static int64_t det(matrix a) { return ((a.at[0] * a.at[3] - a.at[1] * a.at[2]) % PRIME + PRIME) % PRIME; }

static matrix scaled(matrix a, int64_t by)
{
    for (int i = 0; i < 4; i++)
        a.at[i] = a.at[i] * by % PRIME;
    return a;
}

/* The padding follows from the matrix, and is looked at: half an object that arrived is no object. */
static sk_array box(matrix m, int pad)
{
    sk_array a = sk_new_array(SK_I64, 4 + pad);
    int64_t *to = sk_write(int64_t, a);
    memcpy(to, m.at, sizeof m.at);
    for (int i = 0; i < pad; i++)
        to[4 + i] = m.at[i & 3] ^ i;
    return a;
}

static bool unbox(sk_array a, matrix *m)
{
    const int64_t *from = sk_read(int64_t, a);
    memcpy(m->at, from, sizeof m->at);
    for (int64_t i = 4; i < sk_len(a); i++)
        if (from[i] != (m->at[(i - 4) & 3] ^ (i - 4)))
            return false;
    return true;
}

static matrix open_or_fail(sk_array a)
{
    matrix m;
    if (!unbox(a, &m))
        sk_fail("the padding is not what it was");
    return m;
}

/* ---- the remote functions ---- */

static void spend(double seconds, double units)
{
    if (seconds > 0)
        sk_sleep(seconds);
    if (units > 0)
        sk_compute(units);
}

SK_REMOTE(sk_array, leaf, (uint64_t, seed), (int, pad), (double, seconds), (double, units))
{
    spend(seconds, units);
    return box(of_seed(seed), pad);
}

SK_REMOTE(sk_array, mul, (sk_array, a), (sk_array, b))
{
    spend(0.1, 50000);
    return box(times(open_or_fail(a), open_or_fail(b)), 0);
}

SK_REMOTE(sk_array, mul2, (sk_array, a), (sk_array, b), (int, pad), (double, seconds), (double, units))
{
    spend(seconds, units);
    return box(times(open_or_fail(a), open_or_fail(b)), pad);
}

SK_REMOTE(sk_array, mul4, (sk_array, a), (sk_array, b), (sk_array, c), (sk_array, d), (int, pad), (double, seconds), (double, units))
{
    spend(seconds, units);
    return box(times(times(open_or_fail(a), open_or_fail(b)), times(open_or_fail(c), open_or_fail(d))), pad);
}

SK_REMOTE_OUT(split, ((sk_array, x), (sk_array, y)), (sk_array, a), (sk_array, b), (int, pad), (double, seconds), (double, units))
{
    spend(seconds, units);
    *x = box(times(open_or_fail(a), open_or_fail(b)), pad);
    *y = box(times(open_or_fail(b), open_or_fail(a)), 0);
}

SK_REMOTE(int64_t, determinant, (sk_array, a), (double, seconds))
{
    spend(seconds, 0);
    return det(open_or_fail(a));
}

SK_REMOTE(sk_array, scale, (sk_array, a), (int64_t, by), (int, pad), (double, seconds), (double, units))
{
    spend(seconds, units);
    return box(scaled(open_or_fail(a), by), pad);
}

static void leaves(sk_ref *refs, uint64_t seed, int n, int pad, double seconds, double units)
{
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote(leaf, seed + (uint64_t)i, pad, seconds, units);
}

/* Submits, reduces, gets: a parent that waits for its children. */
SK_REMOTE(sk_array, fan, (uint64_t, seed), (int, n), (int, pad), (double, seconds), (double, units))
{
    sk_ref refs[MOST_FAN];
    leaves(refs, seed, n, pad, seconds, units);
    return sk_get(sk_array, sk_reduce(mul, refs, (size_t)n));
}

/* Submits and goes: what it returns names objects that are not there yet. */
SK_REMOTE(sk_list, list_of_leaves, (uint64_t, seed), (int, n), (int, pad), (double, seconds), (double, units))
{
    sk_ref refs[MOST_FAN];
    leaves(refs, seed, n, pad, seconds, units);
    return sk_list_of(refs, (size_t)n);
}

SK_REMOTE(sk_list, putter, (uint64_t, seed), (int, n), (int, pad), (double, seconds), (double, units))
{
    sk_ref refs[MOST_FAN];
    spend(seconds, units);
    for (int i = 0; i < n; i++)
        refs[i] = sk_put(box(of_seed(seed + (uint64_t)i), pad));
    return sk_list_of(refs, (size_t)n);
}

SK_REMOTE(sk_array, fold, (sk_list, list), (int, pad), (double, seconds), (double, units))
{
    matrix m = open_or_fail(sk_get(sk_array, list.refs[0]));
    for (size_t i = 1; i < list.n; i++) {
        spend(seconds / (double)list.n, 0);
        m = times(m, open_or_fail(sk_get(sk_array, list.refs[i])));
    }
    spend(0, units);
    return box(m, pad);
}

SK_REMOTE(sk_array, by_ref, (sk_ref, ref), (double, seconds))
{
    spend(seconds, 0);
    sk_wait(&ref, 1, 1, SK_FOREVER);
    return sk_get(sk_array, ref);
}

SK_REMOTE(sk_array, nay, (uint64_t, seed), (double, seconds))
{
    spend(seconds, 0);
    sk_fail("nay %d", (int)(seed % 1000));
}

/* ---- making a graph up ---- */

static int pick(const graph *g, uint64_t *r, bool scalar, bool list)
{
    for (int tries = 0; tries < 8; tries++) {
        int i = below(r, g->n);
        if (below(r, 3) && g->n > 8)
            i = g->n - 1 - below(r, 8);            /* mostly recent ones: deep graphs */
        if (g->slots[i].is_scalar == scalar && g->slots[i].is_list == list)
            return i;
    }
    return -1;
}

static bool take_args(graph *g, slot *s, uint64_t *r, int n)
{
    for (int i = 0; i < n; i++) {
        int from = pick(g, r, false, false);
        if (from < 0)
            return false;
        s->args[s->nargs++] = from;
        s->fails |= g->slots[from].fails;
    }
    return true;
}

static matrix value(const graph *g, const slot *s, int i) { return g->slots[s->args[i]].is; }

static matrix product(uint64_t seed, int n)
{
    matrix m = of_seed(seed);
    for (int i = 1; i < n; i++)
        m = times(m, of_seed(seed + (uint64_t)i));
    return m;
}

static void choose_options(slot *s, uint64_t *r, int nodes, bool has_gpu)
{
    static const int retries[] = { 0, 0, 0, 0, SK_ZERO, 1, 8, 20 };
    s->options.max_retries = retries[below(r, 8)];
    if (!below(r, 8))
        s->options.num_cpus = below(r, 2) ? 0.5 : SK_ZERO;
    if (!below(r, 8)) {
        int node = below(r, nodes);
        s->options.node = node ? node : SK_ZERO;
    }
    bool waits = s->what == FAN || s->what == FOLD || s->what == BY_REF;      /* who holds a gpu and waits for who needs it is a true deadlock */
    if (!below(r, 12) && has_gpu && !s->options.node && !waits)
        s->options.resources = "gpu=1";
    if (!below(r, 8))
        s->options.priority = below(r, 5) - 2;
}

/* false: there is nothing to make it of. */
static bool fill(graph *g, slot *s, uint64_t *r)
{
    s->seed = draw(r) >> 1;
    s->pad = below(r, 3) ? 0 : below(r, 4000);
    s->seconds = below(r, 2) ? below(r, 1500) / 1000.0 : 0;
    s->units = below(r, 2) ? below(r, 1500) * 1000.0 : 0;
    s->drop = !below(r, 4);
    s->wait = !below(r, 12);
    switch (s->what) {
    case PUT: case LEAF: s->is = of_seed(s->seed); return true;
    case MUL: if (!take_args(g, s, r, 2)) return false;
        s->is = times(value(g, s, 0), value(g, s, 1));
        return true;
    case MUL4: if (!take_args(g, s, r, 4)) return false;
        s->is = times(times(value(g, s, 0), value(g, s, 1)), times(value(g, s, 2), value(g, s, 3)));
        return true;
    case SPLIT: if (!take_args(g, s, r, 2)) return false;
        s->is = times(value(g, s, 0), value(g, s, 1));
        return true;
    case DET: if (!take_args(g, s, r, 1)) return false;
        s->is = (matrix){ { det(value(g, s, 0)) } };
        s->is_scalar = true;
        return true;
    case SCALE: {
        int scalar = pick(g, r, true, false);
        if (scalar < 0 || !take_args(g, s, r, 1)) return false;
        s->args[s->nargs++] = scalar;
        s->fails |= g->slots[scalar].fails;
        s->is = scaled(value(g, s, 0), value(g, s, 1).at[0]);
        return true;
    }
    case FAN: case LIST: case PUTTER:
        s->which = 2 + below(r, MOST_FAN - 1);
        s->is = product(s->seed, s->which);
        s->is_list = s->what != FAN;
        return true;
    case FOLD: {
        int list = pick(g, r, false, true);
        if (list < 0) return false;
        s->args[s->nargs++] = list;
        s->is = g->slots[list].is;
        return true;
    }
    case BY_REF: if (!take_args(g, s, r, 1)) return false;
        s->is = value(g, s, 0);
        return true;
    case REDUCE: if (!take_args(g, s, r, 2 + below(r, MOST_FAN - 1))) return false;
        s->is = value(g, s, 0);
        for (int i = 1; i < s->nargs; i++)
            s->is = times(s->is, value(g, s, i));
        return true;
    case NAY: s->fails = true; return true;
    case WHATS: break;
    }
    return false;
}

/* A tree over many leaves, the last slot. */
static void make_tree(graph *g, uint64_t *r)
{
    int n = 2 + below(r, 40);
    for (int level = 0, first = 0, end; n > 1; level++, first = end, n = (n + 1) / 2) {
        for (int i = 0; level == 0 && i < n; i++) {
            slot *s = &g->slots[g->n++];
            s->what = LEAF;
            fill(g, s, r);
            s->drop = s->wait = false;
        }
        end = g->n;
        for (int i = 0; i < (n + 1) / 2; i++) {
            slot *s = &g->slots[g->n++];
            *s = (slot){ .what = MUL, .args = { first + 2 * i, first + 2 * i + 1 }, .nargs = 2, .units = below(r, 1000) * 1000.0, .pad = below(r, 2000) };
            if (2 * i + 1 == n) {                  /* the odd one out moves up, times the identity's stand-in: itself by reference */
                s->what = BY_REF;
                s->nargs = 1;
                s->is = value(g, s, 0);
            } else {
                s->is = times(value(g, s, 0), value(g, s, 1));
            }
        }
    }
    for (int i = 0; i < g->n - 1; i++)
        g->slots[i].drop = true;
}

void graph_make(graph *g, uint64_t seed, int nodes, bool has_gpu)
{
    uint64_t r = seed;
    memset(g, 0, sizeof *g);
    g->pause = below(&r, 3) ? 0 : below(&r, 200) / 1000.0;
    if (below(&r, 3) == 0) {
        make_tree(g, &r);
    } else {
        int n = 8 + below(&r, MOST_SLOTS - 12);
        while (g->n < n) {
            slot s = { .what = g->n < 4 ? (what)below(&r, 2) : (what)below(&r, WHATS) };
            if (s.what == NAY && below(&r, 4))
                continue;
            if (!fill(g, &s, &r))
                continue;
            g->slots[g->n++] = s;
            if (s.what == SPLIT) {
                slot second = s;
                second.which = 1;
                second.is = times(value(g, &s, 1), value(g, &s, 0));
                g->slots[g->n++] = second;
            }
        }
    }
    for (int i = 0; i < g->n; i++)
        if (g->slots[i].what != PUT && g->slots[i].what != REDUCE)
            choose_options(&g->slots[i], &r, nodes, has_gpu);
}

static const char *const names[] = { "put", "leaf", "mul2", "mul4", "split", "determinant", "scale", "fan", "list_of_leaves", "fold", "putter",
                                     "by_ref", "sk_reduce", "nay" };

void graph_print(const graph *g, FILE *out)
{
    for (int i = 0; i < g->n; i++) {
        const slot *s = &g->slots[i];
        fprintf(out, "  %2d  %s(", i, names[s->what]);
        for (int k = 0; k < s->nargs; k++)
            fprintf(out, "%s%d", k ? ", " : "", s->args[k]);
        fprintf(out, ")%s  sleeps %g s, computes %g; pad %d; retries %d%s%s%s", s->which && s->what == SPLIT ? " second" : "", s->seconds, s->units,
                s->pad, s->options.max_retries, s->drop ? "; dropped" : "", s->wait ? "; waited for" : "", s->fails ? "; fails" : "");
        if (s->options.node)
            fprintf(out, "; node %d", s->options.node == SK_ZERO ? 0 : s->options.node);
        fprintf(out, "\n");
    }
}

/* ---- running it ---- */

static void submit(const slot *s, sk_ref *refs, int i)
{
    sk_ref arg[MOST_FAN];
    for (int k = 0; k < s->nargs; k++)
        arg[k] = refs[s->args[k]];
    switch (s->what) {
    case PUT:    refs[i] = sk_put(box(s->is, s->pad)); return;
    case LEAF:   refs[i] = sk_remote_with(&s->options, leaf, s->seed, s->pad, s->seconds, s->units); return;
    case MUL:    refs[i] = sk_remote_with(&s->options, mul2, arg[0], arg[1], s->pad, s->seconds, s->units); return;
    case MUL4:   refs[i] = sk_remote_with(&s->options, mul4, arg[0], arg[1], arg[2], arg[3], s->pad, s->seconds, s->units); return;
    case SPLIT: {
        if (s->which)
            return;
        sk_ref two[2];
        sk_remote_into_with(&s->options, two, split, arg[0], arg[1], s->pad, s->seconds, s->units);
        refs[i] = two[0];
        refs[i + 1] = two[1];
        return;
    }
    case DET:    refs[i] = sk_remote_with(&s->options, determinant, arg[0], s->seconds); return;
    case SCALE:  refs[i] = sk_remote_with(&s->options, scale, arg[0], arg[1], s->pad, s->seconds, s->units); return;
    case FAN:    refs[i] = sk_remote_with(&s->options, fan, s->seed, s->which, s->pad, s->seconds, s->units); return;
    case LIST:   refs[i] = sk_remote_with(&s->options, list_of_leaves, s->seed, s->which, s->pad, s->seconds, s->units); return;
    case FOLD:   refs[i] = sk_remote_with(&s->options, fold, arg[0], s->pad, s->seconds, s->units); return;
    case PUTTER: refs[i] = sk_remote_with(&s->options, putter, s->seed, s->which, s->pad, s->seconds, s->units); return;
    case BY_REF: refs[i] = sk_remote_with(&s->options, by_ref, arg[0], s->seconds); return;
    case REDUCE: refs[i] = sk_reduce(mul, arg, (size_t)s->nargs); return;
    case NAY:    refs[i] = sk_remote_with(&s->options, nay, s->seed, s->seconds); return;
    case WHATS:  return;
    }
}

/* An error is right if a fault explains it: the root cause stands last, unless the chain was too long for the message. */
static bool is_explained(const slot *s, bool for_good, const sk_error *err)
{
    static const char *const words[] = { "crashed at", "had been silent for", "out of reach", "none was up", "store had no room" };
    size_t length = strlen(err->message);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(err->message, words[i]))
            return true;
    if (s->fails && strstr(err->message, "nay "))
        return true;
    /* what only nodes lost for good could run */
    if (for_good && (err->code == SK_INFEASIBLE || err->code == SK_DEADLOCK || strstr(err->message, "nothing can happen any more") || strstr(err->message, "asks for") || strstr(err->message, "must run on node")
                     || strstr(err->message, "there is no node")))
        return true;
    return length > 3 && !strcmp(err->message + length - 3, "...");
}

static char wrong[1600];

static const char *check(const slot *s, sk_ref ref, int i, bool for_good, unsigned *right, unsigned *errors)
{
    sk_error err = { 0 };
    matrix m = { { 0 } };
    bool ok, good = true;
    sk_array a;
    sk_list list;
    if (s->is_scalar) {
        ok = sk_try_get(ref, &m.at[0], SK_FOREVER, &err);
    } else if (s->is_list) {
        ok = sk_try_get(ref, &list, SK_FOREVER, &err);
        for (size_t k = 0; ok && k < list.n; k++) {
            matrix next;
            ok = sk_try_get(list.refs[k], &a, SK_FOREVER, &err);
            good = good && (!ok || unbox(a, &next));
            m = !ok ? m : k ? times(m, next) : next;
        }
        good = good && (!ok || (int)list.n == s->which);
    } else {
        ok = sk_try_get(ref, &a, SK_FOREVER, &err);
        good = !ok || unbox(a, &m);
    }
    *right += ok;
    *errors += !ok;
    if (ok && s->fails)
        snprintf(wrong, sizeof wrong, "object %d (%s) should have failed", i, names[s->what]);
    else if (ok && (!good || memcmp(&m, &s->is, sizeof m) != 0))
        snprintf(wrong, sizeof wrong, "object %d (%s) is wrong", i, names[s->what]);
    else if (!ok && !is_explained(s, for_good, &err))
        snprintf(wrong, sizeof wrong, "object %d (%s) failed, and no fault explains it: %s: %s", i, names[s->what], sk_code_name(err.code), err.message);
    else
        return NULL;
    return wrong;
}

const char *graph_run(const graph *g, bool for_good, unsigned *right, unsigned *errors)
{
    sk_ref refs[MOST_SLOTS];
    const char *what = NULL;
    *right = *errors = 0;
    sk_scope {
        for (int i = 0; i < g->n; i++) {
            submit(&g->slots[i], refs, i);
            if (g->slots[i].wait)
                sk_wait(&refs[i], 1, 1, 2.0);
            if (g->pause > 0)
                sk_sleep(g->pause);
        }
        for (int i = 0; i < g->n; i++)
            if (g->slots[i].drop)
                sk_drop(refs[i]);
        for (int i = g->n - 1; i >= 0 && !what; i--)
            if (!g->slots[i].drop)
                what = check(&g->slots[i], refs[i], i, for_good, right, errors);
        for (int i = 0; i < g->n; i++)
            if (!g->slots[i].drop)
                sk_cancel(refs[i], 0);             /* what can never run shall not keep its arguments */
    }
    return what;
}
