/* plan.h -- a random program for the property test, as data, with the answers it must give.
 *
 * The idea: from a seed comes a list of steps of a driver: put, promise, fulfil, submit, cancel, wait, get, drop ... Each makes
 * objects ("slots"). What every slot must hold in the end follows from the plan alone (plan.c computes it without Skate), because
 * the generator allows only what is deterministic: it cancels only tasks that are held by a promise, gets only what can come.
 * All arithmetic is order-sensitive, so that a swapped argument or a wrong order shows.
 *
 * Reading order: 1 arithmetic; 2 functions; 3 steps and slots; 4 the plan. */
#ifndef PLAN_H
#define PLAN_H

#include <skate.h>
#include <stdio.h>
#include <string.h>

/* ---- 1. Arithmetic that forgives nothing ------------------------------------------------------------------- */

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t h = a * 0x9e3779b97f4a7c15u + (b ^ 0x7f4a7c159e3779b9u) * 0xc2b2ae3d27d4eb4fu;
    return (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
}

enum { TEXT_MAX = 16 * 20 + 1 };
/* A text of a length and content that follow from h. */
static inline void text_of(uint64_t h, char *text)
{
    for (uint64_t i = 0; i <= h % 20; i++)
        sprintf(text + 16 * i, "%016lx", (unsigned long)mix(h, i));
}

static inline uint64_t hash_of(const char *text)
{
    uint64_t h = 7;
    for (; *text; text++)
        h = mix(h, (unsigned char)*text);
    return h;
}

/* ---- 2. Functions: functions.c has the remote ones, plan.c what they must answer ------------------------------ */

typedef enum fn_kind {
    F_MIX2, F_MIX8, F_SPLIT, F_SPLIT_FAIL, F_FAIL, F_FAIL_FIFTH, F_FOLD, F_TREE, F_LIST, F_REF, F_COPE, F_ARRAY, F_ARRAY_FOLD,
    F_TEXT, F_HASH, F_ROLL, F_DEEP_FAIL, F_COPE_CHILD, F_CANCEL_CHILD, F_FORGET, F_KINDS
} fn_kind;

typedef enum fold_mode { BY_GET, BY_GET_ALL, BY_WAIT, BY_TRY, BY_WAITER, BY_CHILDREN, FOLD_MODES } fold_mode;

/* What F_LIST puts at place i: a value, or a failure ("boom i."). */
static inline bool list_fails(uint64_t salt, uint64_t i) { return (salt + i) % 11 == 0; }
static inline uint64_t list_value(uint64_t a, uint64_t salt, uint64_t i) { return mix(mix(a, salt), i); }
uint64_t tree_value(int depth, uint64_t salt);

/* ---- 3. Steps and slots ----------------------------------------------------------------------------------------- */

typedef enum step_kind {
    S_PUT, S_PUT_LIST, S_PROMISE, S_FULFIL, S_CALL, S_CANCEL, S_DROP, S_DUP, S_GET, S_GET_ALL, S_UNPACK, S_UNWRAP, S_WAIT, S_WAITER,
    S_REDUCE, S_MAP, S_SCOPE, S_KINDS
} step_kind;

/* T_ROLL: a number nobody but sk_random knows; it is got and compared with serial's, not used. */
typedef enum slot_type { T_NUMBER, T_LIST, T_REF, T_ARRAY, T_TEXT, T_ROLL, T_KINDS } slot_type;

typedef struct arg { int slot; uint64_t value; } arg;         /* slot < 0: the value */

enum { MAX_LIST = 24, MAX_OUT = 24 };
typedef struct step {
    step_kind kind;
    fn_kind fn;
    int nargs, nlist, nout;
    arg args[8];
    int list[MAX_LIST];           /* slots */
    int out;                      /* the first slot it makes */
    uint64_t salt;
    int mode, need;               /* fold_mode; num_returns */
    double cpus;                  /* options */
    int priority;
    bool retry, gpu, poll;
    bool cancelled;               /* by a later step, before it could start */
    bool infeasible;
} step;

typedef struct outcome {
    sk_code code;
    uint64_t value;               /* of a list: how many */
    int boom;                     /* "boom N." is in the message; 0: not known */
} outcome;

typedef struct slot {
    slot_type type;
    int step;                     /* that made it */
    int which;                    /* of its answers */
    int origin;                   /* the first slot that names the same object; mostly itself */
    int from;                     /* the list or ref it was taken out of, else -1 */
    uint64_t gates;               /* promises that must be kept before it can be there (or more) */
    bool pending;                 /* held by a promise for certain, now */
    bool waits_inside;            /* it, or what it needs, is a task that waits for promises while it runs */
    bool dropped, got;
    outcome outcome;
} slot;

/* ---- 4. The plan -------------------------------------------------------------------------------------------------- */

typedef struct plan {
    uint64_t seed, random;
    step *steps;
    int nsteps;
    slot *slots;
    int nslots;
    int tasks;                    /* with those that tasks submit */
    int ngates;
    int gate_slot[64];
    uint64_t kept;                /* the promises kept so far */
    int held;                     /* tasks that wait for promises while they run */
    bool forgets;                 /* leaves tasks that nobody waits for */
} plan;

plan *plan_new(uint64_t seed);
void plan_free(plan *p);
void plan_print(const plan *p, FILE *out);
/* What place i of the list in this slot must hold. */
outcome plan_element(const plan *p, int list_slot, int i);

#endif
