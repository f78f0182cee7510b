/* graham.c -- every policy is greedy: on random graphs without transfers each stays within Graham's bounds (SIAM J. Appl. Math. 17, 1969).
 *
 * With T1 all work, Tinf the longest way, P cpus, a greedy schedule takes C with max(T1/P, Tinf) <= C <= T1/P + Tinf (1 - 1/P). The
 * upper bound holds because whenever a cpu is idle, every longest way of what is left gets shorter. All in whole nanoseconds. */
#include "clusters.h"

enum { MOST_TASKS = 60, MOST_ARGS = 3 };

typedef struct plan {
    int n, nargs[MOST_TASKS], args[MOST_TASKS][MOST_ARGS];
    int64_t ns[MOST_TASKS], work, span;
} plan;

static uint64_t draw(uint64_t *state)           /* splitmix64 */
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Of random width: arguments are among the last few tasks, or among all. */
static plan make_plan(uint64_t seed)
{
    plan p = { 0 };
    int64_t until[MOST_TASKS];
    uint64_t s = seed;
    p.n = 1 + (int)(draw(&s) % MOST_TASKS);
    int reach = 1 + (int)(draw(&s) % 20);
    bool alike = draw(&s) % 3 == 0;
    for (int i = 0; i < p.n; i++) {
        p.ns[i] = alike ? 1000 : (int64_t)(draw(&s) % 1000);
        p.nargs[i] = i ? (int)(draw(&s) % (MOST_ARGS + 1)) : 0;
        until[i] = 0;
        for (int k = 0; k < p.nargs[i]; k++) {
            int back = 1 + (int)(draw(&s) % (uint64_t)(reach < i ? reach : i));
            p.args[i][k] = i - back;
            if (until[i - back] > until[i])
                until[i] = until[i - back];
        }
        until[i] += p.ns[i];
        p.work += p.ns[i];
        if (until[i] > p.span)
            p.span = until[i];
    }
    return p;
}

SK_REMOTE(int64_t, step, (int64_t, ns), (int64_t, a), (int64_t, b), (int64_t, c))
{
    sk_sleep((double)ns / 1e9);
    return ns + a + b + c;
}

static int64_t run_plan(const plan *p)
{
    sk_ref refs[MOST_TASKS], none = sk_put((int64_t)0);
    int64_t began = now_ns();
    for (int i = 0; i < p->n; i++) {
        sk_ref args[MOST_ARGS] = { none, none, none };
        for (int k = 0; k < p->nargs[i]; k++)
            args[k] = refs[p->args[i][k]];
        refs[i] = sk_remote(step, p->ns[i], args[0], args[1], args[2]);
    }
    get_all_of(refs, (size_t)p->n);
    int64_t took = now_ns() - began;
    for (int i = 0; i < p->n; i++)
        sk_drop(refs[i]);
    sk_drop(none);
    return took;
}

enum { SEEDS = 200, FEW_SEEDS = 20 };      /* the arithmetic of 32 clusters is all the same to ThreadSanitizer */

static void stay_within_bounds(const char *policy)
{
    static const struct { int nodes, workers; } clusters[] = { { 1, 1 }, { 1, 4 }, { 3, 2 }, { 16, 1 } };
    for (size_t k = 0; k < sizeof clusters / sizeof *clusters; k++) {
        char file[100];
        int64_t cpus = clusters[k].nodes * clusters[k].workers;
        snprintf(file, sizeof file, "[cluster]\nnodes = %d\nworkers = %d\n", clusters[k].nodes, clusters[k].workers);
        start_on(file, policy);
        for (uint64_t seed = 1, last = with_few() ? FEW_SEEDS : SEEDS; seed <= last; seed++) {
            plan p = make_plan(seed);
            int64_t took = run_plan(&p);
            ck_assert_msg(took >= p.span && took * cpus >= p.work && took * cpus <= p.work + p.span * (cpus - 1),
                          "%s, seed %lu, %d nodes of %d: T1 %ld, Tinf %ld, took %ld", policy, (unsigned long)seed, clusters[k].nodes,
                          clusters[k].workers, (long)p.work, (long)p.span, (long)took);
        }
        stop();
    }
}

CASE(random_is_greedy, CLOSED_FORM)       { stay_within_bounds("random"); }
CASE(fifo_is_greedy, CLOSED_FORM)         { stay_within_bounds("fifo"); }
CASE(lifo_is_greedy, CLOSED_FORM)         { stay_within_bounds("lifo"); }
CASE(locality_is_greedy, CLOSED_FORM)     { stay_within_bounds("locality"); }
CASE(bottom_up_is_greedy, CLOSED_FORM)    { stay_within_bounds("bottom-up"); }
CASE(b_level_is_greedy, CLOSED_FORM)      { stay_within_bounds("b-level"); }
CASE(heft_is_greedy, CLOSED_FORM)         { stay_within_bounds("heft"); }
CASE(power_of_two_is_greedy, CLOSED_FORM) { stay_within_bounds("power-of-two"); }
