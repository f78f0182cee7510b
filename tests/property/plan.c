/* plan.c -- makes a random program from a seed, and says what it must answer.
 *
 * Two facts about each slot are kept while the steps are drawn: `gates`, the promises that must be kept before it can be there
 * (a superset), and `pending`, that it cannot be there yet for certain. A slot may be waited for when its gates are kept;
 * a task may be cancelled when it is pending. Both hold in every schedule; so the answers are the same in every schedule. */
#include "plan.h"
#include <stdlib.h>

static uint64_t draw(plan *p)       /* splitmix64 */
{
    uint64_t z = p->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int below(plan *p, int n) { return (int)(draw(p) % (uint64_t)n); }
static bool one_in(plan *p, int n) { return below(p, n) == 0; }

uint64_t tree_value(int depth, uint64_t salt)
{
    return depth == 0 ? mix(salt, 0) : mix(tree_value(depth - 1, mix(salt, 1)), tree_value(depth - 1, mix(salt, 2)));
}

/* ---- Slots ------------------------------------------------------------------------------------------------------ */

static slot *add_slot(plan *p, slot_type type, int which)
{
    if ((p->nslots & (p->nslots - 1)) == 0)
        p->slots = realloc(p->slots, sizeof *p->slots * (p->nslots ? 2 * (size_t)p->nslots : 1));
    slot *s = &p->slots[p->nslots];
    *s = (slot){ .type = type, .step = p->nsteps, .which = which, .origin = p->nslots, .from = -1 };
    p->nslots++;
    return s;
}

static bool can_come(const plan *p, const slot *s) { return (s->gates & ~p->kept) == 0; }

/* A live slot of this type (and that can come, if asked for), mostly a young one; -1 if none was found. */
static int pick(plan *p, slot_type type, bool must_come)
{
    for (int tries = 0; tries < 60 && p->nslots > 0; tries++) {
        int window = one_in(p, 3) ? p->nslots : p->nslots < 30 ? p->nslots : 30;
        int i = p->nslots - 1 - below(p, window);
        if (p->slots[i].type == type && !p->slots[i].dropped && (!must_come || can_come(p, &p->slots[i])))
            return i;
    }
    return -1;
}

static arg number(plan *p)
{
    int s = one_in(p, 4) ? -1 : pick(p, T_NUMBER, false);
    int gate = p->ngates ? p->gate_slot[below(p, p->ngates)] : -1;
    if (gate >= 0 && p->slots[gate].pending && one_in(p, 5))
        s = gate;
    return (arg){ s, draw(p) };
}

/* ---- What is held -------------------------------------------------------------------------------------------------- */

static bool is_task(const plan *p, const slot *s)
{
    step_kind kind = p->steps[s->step].kind;
    return kind == S_CALL || kind == S_MAP;
}

/* A step's argument that it cannot start without. */
static bool waits_for_arguments(const step *st) { return !(st->kind == S_CALL && st->fn == F_COPE); }

static bool is_pending(const plan *p, int i)
{
    const slot *s = &p->slots[i];
    const step *st = &p->steps[s->step];
    if (s->origin != i)
        return p->slots[s->origin].pending;
    if (st->kind == S_PROMISE)
        return (s->gates & ~p->kept) != 0;
    if (s->from >= 0 || !is_task(p, s) || st->cancelled || st->infeasible || !waits_for_arguments(st))
        return false;
    if (st->kind == S_MAP)
        return p->slots[st->list[s->which]].pending;
    for (int k = 0; k < st->nargs; k++)
        if (st->args[k].slot >= 0 && p->slots[st->args[k].slot].pending)
            return true;
    return false;
}

static void look_who_is_pending(plan *p)
{
    for (int i = 0; i < p->nslots; i++)
        p->slots[i].pending = is_pending(p, i);
}

/* ---- Steps ----------------------------------------------------------------------------------------------------------- */

/* Ends a step under construction: it makes `n` slots of this type. */
static void finish(plan *p, step st, slot_type type, int n)
{
    uint64_t gates = 0;
    bool waits_inside = st.kind == S_CALL && (st.fn == F_FOLD || st.fn == F_COPE);
    for (int k = 0; k < st.nargs + st.nlist; k++) {
        int from = k < st.nargs ? st.args[k].slot : st.list[k - st.nargs];
        if (from < 0)
            continue;
        gates |= p->slots[from].gates;
        waits_inside |= p->slots[from].waits_inside;
    }
    if ((p->nsteps & (p->nsteps - 1)) == 0)
        p->steps = realloc(p->steps, sizeof *p->steps * (p->nsteps ? 2 * (size_t)p->nsteps : 1));
    st.out = p->nslots;
    st.nout = n;
    p->steps[p->nsteps] = st;
    for (int k = 0; k < n; k++) {
        slot *made = add_slot(p, type, k);
        made->gates = gates;
        made->waits_inside = waits_inside;
    }
    p->nsteps++;
    for (int k = 0; k < n; k++)
        p->slots[st.out + k].pending = is_pending(p, st.out + k);
}

static bool blocks(fn_kind fn)
{
    return fn == F_FOLD || fn == F_TREE || fn == F_COPE || fn == F_ROLL || fn == F_DEEP_FAIL || fn == F_COPE_CHILD || fn == F_CANCEL_CHILD;
}

static void random_options(plan *p, step *st)
{
    static const double cpus[] = { 0, 0, 0, 0, 0.5, 0.25, 0.0001, SK_ZERO, 2, 1 };
    if (one_in(p, 2))
        return;
    st->cpus = cpus[below(p, 10)];
    st->priority = below(p, 5) - 2;
    st->retry = one_in(p, 4);
    st->gpu = one_in(p, 4) && !blocks(st->fn);
    st->infeasible = one_in(p, 40);
}

static void call_fold(plan *p, step *st)
{
    st->mode = below(p, FOLD_MODES);
    int list = one_in(p, 2) ? pick(p, T_LIST, false) : -1;
    if (list >= 0) {
        st->nargs = 1;
        st->args[0].slot = list;
        return;
    }
    bool duplicates = st->mode != BY_WAIT;
    for (int n = below(p, MAX_LIST); st->nlist < n;) {
        int s = pick(p, T_NUMBER, st->nlist % 4 != 0);      /* some may be held */
        bool again = false;
        for (int k = 0; k < st->nlist && s >= 0; k++)
            again |= p->slots[st->list[k]].origin == p->slots[s].origin;
        if (s < 0 || (again && !duplicates))
            break;
        st->list[st->nlist++] = s;
    }
}

/* Lists that tasks wait for must have no duplicates. */
static bool has_duplicates(const plan *p, int list)
{
    const slot *l = &p->slots[p->slots[list].origin];
    const step *st = &p->steps[l->step];
    if (st->kind != S_PUT_LIST)
        return false;
    for (int i = 0; i < st->nlist; i++)
        for (int k = 0; k < i; k++)
            if (p->slots[st->list[i]].origin == p->slots[st->list[k]].origin)
                return true;
    return false;
}

static void step_call(plan *p)
{
    step st = { .kind = S_CALL, .fn = (fn_kind)below(p, F_KINDS), .salt = draw(p) };
    slot_type type = T_NUMBER;
    int n = 1;
    random_options(p, &st);
    p->tasks++;
    if ((st.fn == F_DEEP_FAIL || st.fn == F_FAIL || st.fn == F_SPLIT_FAIL) && !one_in(p, 3))
        st.fn = F_MIX2;             /* failures spread by themselves */
    switch (st.fn) {
    case F_MIX8: st.nargs = 8; break;
    case F_MIX2: st.nargs = 2; break;
    case F_SPLIT: case F_SPLIT_FAIL: st.nargs = 1; n = 3; break;
    case F_FAIL: case F_FAIL_FIFTH: case F_TEXT: case F_ARRAY: st.nargs = 1; break;
    case F_LIST: st.nargs = 1; st.mode = below(p, MAX_LIST); type = T_LIST; p->tasks += st.mode; break;
    case F_REF: st.nargs = 1; type = T_REF; p->tasks++; break;
    case F_FOLD:
        call_fold(p, &st);
        if (st.nargs && has_duplicates(p, st.args[0].slot) && st.mode == BY_WAIT)
            st.mode = BY_GET;
        p->tasks += st.mode == BY_CHILDREN ? MAX_LIST : 0;
        break;
    case F_TREE: st.mode = below(p, 6); p->tasks += 2 << st.mode; break;
    case F_COPE: st.nargs = 1; st.args[0].slot = pick(p, T_NUMBER, false); if (st.args[0].slot < 0) return; break;
    case F_ARRAY_FOLD: st.nargs = 1; st.args[0].slot = pick(p, T_ARRAY, false); if (st.args[0].slot < 0) return; break;
    case F_HASH: st.nargs = 1; st.args[0].slot = pick(p, T_TEXT, false); if (st.args[0].slot < 0) return; break;
    case F_ROLL: case F_DEEP_FAIL: st.mode = below(p, 5); p->tasks += st.mode; break;
    case F_COPE_CHILD: p->tasks += 2; break;
    case F_CANCEL_CHILD: p->tasks += 3; break;
    default: st.mode = below(p, 6); p->tasks += 2 * st.mode; p->forgets = true; break;
    }
    if (st.fn == F_ARRAY)
        st.mode = below(p, 50), type = T_ARRAY;
    if (st.fn == F_TEXT)
        type = T_TEXT;
    if (st.fn == F_ROLL)
        type = T_ROLL;
    if (st.fn != F_FOLD && st.fn != F_COPE && st.fn != F_ARRAY_FOLD && st.fn != F_HASH)
        for (int k = 0; k < st.nargs; k++)
            st.args[k] = number(p);
    if ((st.fn == F_FOLD || st.fn == F_COPE) && p->held++ > 40)
        return;
    finish(p, st, type, n);
}

static void step_put_list(plan *p)
{
    step st = { .kind = S_PUT_LIST };
    for (int n = below(p, MAX_LIST); st.nlist < n;) {
        int s = pick(p, T_NUMBER, st.nlist % 4 != 0);
        if (s < 0)
            break;
        st.list[st.nlist++] = s;
    }
    finish(p, st, T_LIST, 1);
    p->slots[p->nslots - 1].pending = false;
}

static void step_promise(plan *p)
{
    if (p->ngates == 64)
        return;
    finish(p, (step){ .kind = S_PROMISE, .salt = draw(p) }, T_NUMBER, 1);
    p->slots[p->nslots - 1].gates = 1ull << p->ngates;
    p->slots[p->nslots - 1].pending = true;
    p->gate_slot[p->ngates++] = p->nslots - 1;
}

static void fulfil(plan *p, int gate)
{
    finish(p, (step){ .kind = S_FULFIL, .nargs = 1, .args = { { p->gate_slot[gate], 0 } } }, T_NUMBER, 0);
    p->kept |= 1ull << gate;
    look_who_is_pending(p);
}

static void step_fulfil(plan *p)
{
    int gate = p->ngates ? below(p, p->ngates) : 0;
    if (p->ngates && !(p->kept >> gate & 1))
        fulfil(p, gate);
}

static void step_cancel(plan *p)
{
    int i = p->nslots ? below(p, p->nslots) : 0;
    for (int tries = one_in(p, 3) ? 0 : 40; tries > 0 && p->nslots && !p->slots[i].pending; tries--)
        i = below(p, p->nslots);
    if (!p->nslots || p->slots[i].dropped || p->slots[i].from >= 0)
        return;
    const slot *o = &p->slots[p->slots[i].origin];
    bool cancels = o->pending && p->steps[o->step].kind == S_CALL;
    if (!cancels && !(o->got && is_task(p, o)))
        return;
    finish(p, (step){ .kind = S_CANCEL, .nargs = 1, .args = { { i, 0 } }, .mode = below(p, 4) }, T_NUMBER, 0);
    if (cancels) {
        p->steps[p->slots[p->slots[i].origin].step].cancelled = true;
        look_who_is_pending(p);
    }
}

static void step_drop(plan *p)
{
    int i = p->nslots ? below(p, p->nslots) : 0;
    if (!p->nslots || p->slots[i].dropped)
        return;
    if (p->steps[p->slots[i].step].kind == S_PROMISE && p->slots[i].origin == i && !can_come(p, &p->slots[i]))
        return;                     /* it must still be kept */
    finish(p, (step){ .kind = S_DROP, .nargs = 1, .args = { { i, 0 } } }, T_NUMBER, 0);
    p->slots[i].dropped = true;
}

static void step_dup(plan *p)
{
    int i = pick(p, (slot_type)below(p, T_KINDS), false);
    if (i < 0)
        return;
    finish(p, (step){ .kind = S_DUP, .nargs = 1, .args = { { i, 0 } } }, p->slots[i].type, 1);
    slot *s = &p->slots[p->nslots - 1];
    s->origin = p->slots[i].origin;
    s->pending = p->slots[s->origin].pending;
    s->from = p->slots[i].from;
}

static void get(plan *p, int i)
{
    finish(p, (step){ .kind = S_GET, .nargs = 1, .args = { { i, 0 } }, .poll = one_in(p, 4) }, T_NUMBER, 0);
    p->slots[p->slots[i].origin].got = true;
}

static void step_get(plan *p)
{
    int i = pick(p, (slot_type)below(p, T_KINDS), true);
    if (i >= 0)
        get(p, i);
}

/* Numbers that can come, each another object. */
static void choose_many(plan *p, step *st, bool must_come, bool duplicates)
{
    for (int tries = 2 + below(p, 12); tries > 0; tries--) {
        int s = pick(p, T_NUMBER, must_come);
        /* A task that would wait for a promise inside must not be waited for now: `serial` would never come back to keep it. */
        bool again = s < 0 || (st->kind == S_WAIT && !can_come(p, &p->slots[s]) && p->slots[s].waits_inside);
        for (int k = 0; k < st->nlist && s >= 0; k++)
            again |= p->slots[st->list[k]].origin == p->slots[s].origin;
        if (s >= 0 && (!again || (duplicates && st->kind != S_WAIT)))
            st->list[st->nlist++] = s;
    }
}

static void step_many(plan *p, step_kind kind)
{
    step st = { .kind = kind, .salt = draw(p) };
    choose_many(p, &st, kind != S_REDUCE && kind != S_MAP && kind != S_WAIT, kind == S_GET_ALL || kind == S_WAITER);
    if (st.nlist < 2)
        return;
    if (kind == S_WAIT) {
        int can = 0;
        for (int k = 0; k < st.nlist; k++)
            can += can_come(p, &p->slots[st.list[k]]);
        if (can == 0)
            return;
        st.need = 1 + below(p, can);
        st.poll = one_in(p, 4);
    }
    p->tasks += kind == S_REDUCE || kind == S_MAP ? st.nlist : 0;
    finish(p, st, T_NUMBER, kind == S_REDUCE ? 1 : kind == S_MAP ? st.nlist : 0);
    if (kind == S_MAP)              /* each has the gates of its own argument only */
        for (int k = 0; k < st.nlist; k++)
            p->slots[p->nslots - st.nlist + k].gates = p->slots[st.list[k]].gates;
}

/* Takes element `which` out of a list, or the ref out of a ref: perhaps an object that another slot names already. */
static void step_take_out(plan *p, step_kind kind)
{
    int i = pick(p, kind == S_UNPACK ? T_LIST : T_REF, true);
    if (i < 0)
        return;
    int from = p->slots[i].origin;
    const step *made = &p->steps[p->slots[from].step];
    int n = kind == S_UNWRAP ? 1 : made->kind == S_PUT_LIST ? made->nlist : made->mode, which = n ? below(p, n) : 0;
    int origin = kind == S_UNPACK && made->kind == S_PUT_LIST && n ? p->slots[made->list[which]].origin : p->nslots;
    for (int k = 0; k < p->nslots && origin == p->nslots; k++)
        if (p->slots[k].from == from && p->slots[k].origin == k && p->steps[p->slots[k].step].mode == which && n)
            origin = k;
    finish(p, (step){ .kind = kind, .nargs = 1, .args = { { i, 0 } }, .mode = which }, T_NUMBER, 1);
    slot *s = &p->slots[p->nslots - 1];
    s->from = from;
    s->origin = origin;
    s->pending = false;
    p->slots[from].got = true;
}

static void step_scope(plan *p)
{
    int i = pick(p, T_NUMBER, true);
    if (i >= 0)
        finish(p, (step){ .kind = S_SCOPE, .nargs = 1, .args = { { i, 0 } }, .salt = draw(p), .mode = below(p, 4) }, T_NUMBER, 0);
}

static void random_step(plan *p)
{
    static const uint8_t weight[S_KINDS] = { [S_PUT] = 8, [S_PUT_LIST] = 4, [S_PROMISE] = 4, [S_FULFIL] = 2, [S_CALL] = 60,
        [S_CANCEL] = 6, [S_DROP] = 14, [S_DUP] = 4, [S_GET] = 12, [S_GET_ALL] = 2, [S_UNPACK] = 4, [S_UNWRAP] = 3, [S_WAIT] = 3,
        [S_WAITER] = 2, [S_REDUCE] = 2, [S_MAP] = 2, [S_SCOPE] = 2 };
    int at = below(p, 134), kind = 0;
    while (at >= weight[kind])
        at -= weight[kind++];
    switch ((step_kind)kind) {
    case S_PUT: finish(p, (step){ .kind = S_PUT, .salt = draw(p) }, T_NUMBER, 1); break;
    case S_PUT_LIST: step_put_list(p); break;
    case S_PROMISE: step_promise(p); break;
    case S_FULFIL: step_fulfil(p); break;
    case S_CALL: step_call(p); break;
    case S_CANCEL: step_cancel(p); break;
    case S_DROP: step_drop(p); break;
    case S_DUP: step_dup(p); break;
    case S_GET: step_get(p); break;
    case S_UNPACK: case S_UNWRAP: step_take_out(p, (step_kind)kind); break;
    case S_SCOPE: step_scope(p); break;
    default: step_many(p, (step_kind)kind); break;
    }
}

/* ---- What it must answer ---------------------------------------------------------------------------------------------- */

static outcome ok(uint64_t value) { return (outcome){ .code = SK_OK, .value = value }; }
static outcome boom(int number) { return (outcome){ .code = SK_TASK, .boom = number }; }
static outcome because_of(outcome o) { return (outcome){ .code = SK_TASK, .boom = o.boom }; }

outcome plan_element(const plan *p, int list_slot, int i)
{
    const slot *s = &p->slots[p->slots[list_slot].origin];
    const step *st = &p->steps[s->step];
    if (st->kind == S_PUT_LIST)
        return p->slots[st->list[i]].outcome;
    uint64_t a = st->args[0].slot < 0 ? st->args[0].value : p->slots[st->args[0].slot].outcome.value;
    return list_fails(st->salt, (uint64_t)i) ? boom(i) : ok(list_value(a, st->salt, (uint64_t)i));
}

static outcome fold_outcome(const plan *p, const step *st)
{
    int list = st->nargs ? st->args[0].slot : -1;
    int n = list >= 0 ? (int)p->slots[list].outcome.value : st->nlist;
    uint64_t h = st->salt;
    outcome failed = { 0 };
    int failures = 0;
    for (int i = 0; i < n; i++) {
        outcome e = list >= 0 ? plan_element(p, list, i) : p->slots[st->list[i]].outcome;
        if (e.code != SK_OK && failures++ == 0)
            failed = e;
        h = mix(h, e.code == SK_OK ? e.value : 1000 + (uint64_t)e.code);
    }
    if (failures && st->mode != BY_TRY) {
        outcome o = because_of(failed);
        if (st->mode == BY_GET_ALL && failures > 1)
            o.boom = 0;
        return o;
    }
    return ok(h);
}

static outcome call_outcome(const plan *p, const step *st, int which, int id)
{
    uint64_t v[8], s = st->salt, task = 1000 + SK_TASK;
    if (st->infeasible)
        return (outcome){ .code = SK_INFEASIBLE };
    if (st->cancelled)
        return (outcome){ .code = SK_CANCELLED };
    for (int k = 0; k < st->nargs; k++) {
        outcome o = st->args[k].slot < 0 ? ok(st->args[k].value) : p->slots[st->args[k].slot].outcome;
        if (st->fn == F_COPE && o.code != SK_OK)
            o = ok(1000 + (uint64_t)o.code);
        if (o.code != SK_OK)
            return because_of(o);
        v[k] = o.value;
    }
    outcome o = ok(0);
    switch (st->fn) {
    case F_MIX2: o = ok(mix(mix(v[0], v[1]), s)); break;
    case F_MIX8: o = ok(mix(mix(mix(v[0], v[1]), mix(v[2], v[3])), mix(mix(v[4], v[5]), mix(v[6], v[7])))); break;
    case F_SPLIT: o = ok(mix(v[0], s + (uint64_t)which)); break;
    case F_SPLIT_FAIL: o = v[0] % 5 ? ok(mix(v[0], s + (uint64_t)which)) : boom(id); break;
    case F_FAIL: return boom(id);
    case F_FAIL_FIFTH: o = v[0] % 5 ? ok(mix(v[0], s)) : boom(id); break;
    case F_FOLD: o = fold_outcome(p, st); break;
    case F_TREE: o = ok(tree_value(st->mode, s)); break;
    case F_LIST: o = ok((uint64_t)st->mode); break;
    case F_REF: o = ok(mix(v[0], s)); break;
    case F_COPE: o = ok(mix(s, v[0])); break;
    case F_ARRAY: o = ok(v[0]); break;
    case F_ARRAY_FOLD: {
        const step *made = &p->steps[p->slots[p->slots[st->args[0].slot].origin].step];
        uint64_t h = s;
        for (int i = 0; i < 2 * made->mode; i++)
            h = mix(h, mix(v[0], (uint64_t)i));
        o = ok(h);
        break;
    }
    case F_TEXT: o = ok(v[0]); break;
    case F_HASH: {
        char text[TEXT_MAX];
        text_of(v[0], text);
        o = ok(mix(hash_of(text), s));
        break;
    }
    case F_ROLL: break;
    case F_DEEP_FAIL: return boom(id);
    case F_COPE_CHILD: o = ok(mix(task, mix(task, s))); break;
    case F_CANCEL_CHILD: o = ok(mix(task, mix(1000 + SK_CANCELLED, mix(s, s)))); break;
    default: o = ok(mix(s, 3)); break;
    }
    return o;
}

static outcome reduce_outcome(const plan *p, const step *st)
{
    outcome level[MAX_LIST];
    int n = st->nlist;
    for (int i = 0; i < n; i++)
        level[i] = p->slots[st->list[i]].outcome;
    for (; n > 1; n = (n + 1) / 2)
        for (int i = 0; i < n; i += 2) {
            outcome a = level[i], b = i + 1 < n ? level[i + 1] : ok(0);
            level[i / 2] = i + 1 == n ? a : a.code != SK_OK ? because_of(a) : b.code != SK_OK ? because_of(b) : ok(mix(a.value, b.value));
        }
    return level[0];
}

static outcome outcome_of(const plan *p, int i)
{
    const slot *s = &p->slots[i];
    const step *st = &p->steps[s->step];
    switch (st->kind) {
    case S_PUT: case S_PROMISE: return ok(st->salt);
    case S_PUT_LIST: return ok((uint64_t)st->nlist);
    case S_CALL: return call_outcome(p, st, s->which, s->step + 1);
    case S_DUP: return p->slots[st->args[0].slot].outcome;
    case S_UNWRAP: case S_UNPACK: {         /* of what has failed, run.c makes a task that fails for it */
        outcome whole = p->slots[st->args[0].slot].outcome;
        if (whole.code != SK_OK)
            return because_of(whole);
        return st->kind == S_UNWRAP ? whole : whole.value == 0 ? ok(0) : plan_element(p, st->args[0].slot, st->mode);
    }
    case S_REDUCE: return reduce_outcome(p, st);
    default: {                      /* S_MAP */
        outcome o = p->slots[st->list[s->which]].outcome;
        return o.code == SK_OK ? ok(mix(o.value, 1)) : because_of(o);
    }
    }
}

/* ---- The plan ------------------------------------------------------------------------------------------------------------- */

plan *plan_new(uint64_t seed)
{
    plan *p = calloc(1, sizeof *p);
    p->seed = p->random = seed;
    int size = one_in(p, 8) ? 800 + below(p, 1100) : 20 + below(p, 300);
    while (p->tasks < size)
        random_step(p);
    for (int g = 0; g < p->ngates; g++)         /* mostly, all promises are kept in the end */
        if (!(p->kept >> g & 1) && !one_in(p, 10))
            fulfil(p, g);
    for (int i = 0, n = p->nslots; i < n; i++)
        if (!p->slots[i].dropped && can_come(p, &p->slots[i]))
            get(p, i);
    for (int i = 0; i < p->nslots; i++)
        p->slots[i].outcome = outcome_of(p, i);
    return p;
}

void plan_free(plan *p)
{
    free(p->steps);
    free(p->slots);
    free(p);
}

void plan_print(const plan *p, FILE *out)
{
    static const char *const kinds[] = { "put", "put_list", "promise", "fulfil", "call", "cancel", "drop", "dup", "get", "get_all",
        "unpack", "unwrap", "wait", "waiter", "reduce", "map", "scope" };
    static const char *const fns[] = { "mix2", "mix8", "split", "split_fail", "fail", "fail_fifth", "fold", "tree", "make_list", "make_ref",
        "cope", "make_array", "fold_array", "make_text", "hash_text", "roll", "deep_fail", "cope_child", "cancel_child", "forget" };
    for (int i = 0; i < p->nsteps; i++) {
        const step *st = &p->steps[i];
        fprintf(out, "%4d %s%s%s", i, kinds[st->kind], st->kind == S_CALL ? " " : "", st->kind == S_CALL ? fns[st->fn] : "");
        for (int k = 0; k < st->nargs; k++)
            st->args[k].slot < 0 ? fprintf(out, " #") : fprintf(out, " s%d", st->args[k].slot);
        for (int k = 0; k < st->nlist; k++)
            fprintf(out, "%ss%d", k ? "," : " [", st->list[k]);
        fprintf(out, "%s mode %d%s%s", st->nlist ? "]" : "", st->mode, st->poll ? " poll" : "", st->cancelled ? " cancelled" : "");
        if (st->kind == S_WAIT)
            fprintf(out, " need %d", st->need);
        if (st->kind == S_CALL && (st->cpus != 0 || st->gpu || st->retry || st->priority || st->infeasible))
            fprintf(out, " {cpus %g%s%s priority %d%s}", st->cpus, st->gpu ? " gpu" : "", st->retry ? " retry" : "", st->priority,
                    st->infeasible ? " infeasible" : "");
        for (int k = 0; k < st->nout; k++) {
            outcome o = p->slots[st->out + k].outcome;
            fprintf(out, " -> s%d=%s", st->out + k, sk_code_name(o.code));
        }
        fprintf(out, "\n");
    }
}
