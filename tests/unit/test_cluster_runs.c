/* test_cluster_runs.c -- whole runs of the cluster: Graham's bounds, equal seeds, random events with losses, scale.
 *
 * The driver here is the smallest of simulations: a heap of (time, sequence), and attempts that end when their time has come. */
#include "cluster.h"

#include <check.h>
#include <glib.h>

static const char *const policies[] = { "random", "fifo", "lifo", "locality", "bottom-up", "b-level", "heft", "power-of-two" };
enum { POLICIES = sizeof policies / sizeof *policies };

static uint64_t stream;
static uint64_t draw(uint64_t below)
{
    stream += 0x9e3779b97f4a7c15u;
    return sk_mix(stream) % below;
}

static sk_cluster *open_cluster(const char *policy, uint64_t seed, int nodes, int cpus)
{
    sk_cluster *c = sk_cluster_new(&(sk_cluster_config){ .policy = policy, .seed = seed }, NULL);
    sk_cluster_node spec = { 0 };
    sk_resource_pool_init(&spec.pool, (int64_t)cpus * SK_UNITS, &(sk_demand){ 0 });
    for (int i = 0; i < nodes; i++)
        ck_assert(sk_cluster_node_up(c, i, &spec));
    return c;
}

/* ---- Graham's bounds ---------------------------------------------------------------------------------------- */

enum { MOST_TASKS = 60 };
typedef struct event { int64_t at; uint64_t seq; sk_command start; } event;
typedef struct graph { int n; int64_t cost[MOST_TASKS], rank[MOST_TASKS]; bool needs[MOST_TASKS][MOST_TASKS]; } graph;

static graph *random_graph(void)
{
    graph *g = g_new0(graph, 1);
    g->n = 1 + (int)draw(MOST_TASKS);
    int density = 1 + (int)draw(30);
    for (int i = 0; i < g->n; i++) {
        g->cost[i] = 1 + (int64_t)draw(100);
        for (int j = 0; j < i; j++)
            g->needs[i][j] = draw(100) < (uint64_t)density;
    }
    for (int i = g->n - 1; i >= 0; i--) {
        for (int k = i + 1; k < g->n; k++)
            if (g->needs[k][i] && g->rank[k] > g->rank[i])
                g->rank[i] = g->rank[k];
        g->rank[i] += g->cost[i];
    }
    return g;
}

/* The run's makespan. All tasks take one cpu, nothing is fetched. The events are few: a plain array will do for a heap. */
static int64_t run_graph(const graph *g, const char *policy, uint64_t seed, int nodes, int cpus, uint64_t *digest)
{
    sk_cluster *c = open_cluster(policy, seed, nodes, cpus);
    event events[MOST_TASKS];
    int n = 0, missing[MOST_TASKS] = { 0 }, home[MOST_TASKS] = { 0 }, done = 0;
    int64_t now = 0;
    uint64_t seq = 0;
    for (int i = 0; i < g->n; i++)
        for (int j = 0; j < i; j++)
            missing[i] += g->needs[i][j];
    bool is_first = true;
    for (int ended = -1; ; ) {
        for (int i = 0; i < g->n; i++)
            if ((is_first && !missing[i]) || (ended >= 0 && g->needs[i][ended] && --missing[i] == 0))
                sk_cluster_ready(c, &(sk_cluster_task){ .id = 1 + (uint64_t)i, .order = (uint64_t)i, .demand = { .cpus = SK_UNITS },
                                 .affinity = -1, .home = home[i], .cost_ns = g->cost[i], .rank = g->rank[i] });
        is_first = false;
        for (sk_command got; sk_cluster_next(c, &got); ) {
            ck_assert_int_eq(got.kind, SK_COMMAND_START);
            events[n++] = (event){ now + g->cost[got.task - 1], seq++, got };
            *digest = sk_mix(*digest ^ got.task ^ (uint64_t)got.node << 32 ^ (uint64_t)got.worker << 48);
        }
        sk_cluster_check(c);
        if (n == 0)
            break;
        int next = 0;
        for (int i = 1; i < n; i++)
            if (events[i].at < events[next].at || (events[i].at == events[next].at && events[i].seq < events[next].seq))
                next = i;
        event e = events[next];
        events[next] = events[--n];
        now = e.at;
        ended = (int)e.start.task - 1;
        for (int i = ended; i < g->n; i++)
            home[i] = g->needs[i][ended] ? e.start.node : home[i];
        ck_assert(sk_cluster_ended(c, e.start.task, e.start.attempt, g->cost[ended]));
        done++;
    }
    ck_assert_int_eq(done, g->n);
    sk_cluster_free(c);
    return now;
}

START_TEST(every_policy_keeps_grahams_bounds)
{
    const char *policy = policies[_i];
    for (uint64_t seed = 0; seed < 250; seed++) {
        stream = seed;
        graph *g = random_graph();
        int nodes = 1 + (int)draw(6), cpus = 1 + (int)draw(3), p = nodes * cpus;
        int64_t t1 = 0, longest = 0;
        for (int i = 0; i < g->n; i++) {
            t1 += g->cost[i];
            longest = g->rank[i] > longest ? g->rank[i] : longest;
        }
        uint64_t first = 0, second = 0;
        int64_t c = run_graph(g, policy, seed, nodes, cpus, &first);
        ck_assert_msg(c >= longest && c * p >= t1, "%s, seed %d: %d is too early", policy, (int)seed, (int)c);
        ck_assert_msg(c * p <= t1 + longest * (p - 1), "%s, seed %d: %d is too late", policy, (int)seed, (int)c);
        ck_assert_int_eq(run_graph(g, policy, seed, nodes, cpus, &second), c);
        ck_assert_uint_eq(first, second);
        g_free(g);
    }
}
END_TEST

/* ---- Random events -------------------------------------------------------------------------------------------- */

enum { FUZZ_NODES = 6, FUZZ_TASKS = 80, FUZZ_OBJECTS = 40, FUZZ_FETCHES = 400 };
enum { GONE, THERE, LOST };

typedef struct fuzz {
    sk_cluster *c;
    bool up[FUZZ_NODES];
    enum { FREE, WAITING, AHEAD, RUNNING, BLOCKED } task[FUZZ_TASKS];
    sk_command start[FUZZ_TASKS];
    uint64_t args[FUZZ_TASKS][3];
    int nargs[FUZZ_TASKS];
    int object[FUZZ_OBJECTS];
    bool is_put[FUZZ_OBJECTS];
    uint64_t name[FUZZ_OBJECTS];         /* a new one for each life */
    sk_command fetch[FUZZ_FETCHES];
    int nfetches;
    uint64_t names, order, digest, handed_on, taken_back;
    bool to_rebuild[FUZZ_OBJECTS];
    bool is_doomed[FUZZ_TASKS];          /* its node was lost; DIED has not been taken yet */
} fuzz;

static int object_named(const fuzz *f, uint64_t name)
{
    for (int i = 0; i < FUZZ_OBJECTS; i++)
        if (f->object[i] != GONE && f->name[i] == name)
            return i;
    return -1;
}

static bool task_needs(const fuzz *f, int t, uint64_t name)
{
    for (int i = 0; i < f->nargs[t]; i++)
        if (f->args[t][i] == name)
            return true;
    return false;
}

static void drop_fetch(fuzz *f, int i) { f->fetch[i] = f->fetch[--f->nfetches]; }

static void obey_start(fuzz *f, sk_command got)
{
    int at[FUZZ_NODES];
    int t = (int)got.task - 1;
    ck_assert(f->task[t] == WAITING && f->up[got.node]);
    for (int i = 0; i < f->nargs[t]; i++) {
        size_t n = sk_cluster_copies(f->c, f->args[t][i], at, FUZZ_NODES);
        bool is_there = object_named(f, f->args[t][i]) < 0;
        for (size_t k = 0; k < n; k++)
            is_there |= at[k] == got.node;
        ck_assert_msg(is_there, "task %d started without its argument", t);
    }
    f->task[t] = RUNNING;
    f->start[t] = got;
}

static void obey_fetch(fuzz *f, sk_command got)
{
    int here = 0;
    ck_assert(f->up[got.node] && f->up[got.from] && got.from != got.node);
    for (int i = 0; i < f->nfetches; i++) {
        here += f->fetch[i].node == got.node;
        ck_assert(f->fetch[i].node != got.node || f->fetch[i].object != got.object);
    }
    ck_assert_int_lt(here, SK_MAX_PULLS);
    f->fetch[f->nfetches++] = got;
}

static void obey_lost(fuzz *f, sk_command got)
{
    int o = object_named(f, got.object);
    ck_assert(o >= 0 && f->is_put[o]);
    f->object[o] = LOST;
    for (int t = 0; t < FUZZ_TASKS; t++)
        if (f->task[t] == WAITING && task_needs(f, t, got.object) && sk_cluster_cancel(f->c, (uint64_t)t + 1))
            f->task[t] = FREE;
}

static void obey(fuzz *f)
{
    for (sk_command got; sk_cluster_next(f->c, &got); ) {
        f->digest = sk_mix(f->digest ^ got.task ^ got.object << 16 ^ (uint64_t)got.kind << 40 ^ (uint64_t)got.node << 48
                           ^ (uint64_t)got.from << 56) + got.attempt;
        if (got.kind == SK_COMMAND_START) {
            obey_start(f, got);
        } else if (got.kind == SK_COMMAND_FETCH) {
            obey_fetch(f, got);
        } else if (got.kind == SK_COMMAND_DIED) {
            ck_assert(f->is_doomed[got.task - 1] && f->start[got.task - 1].attempt == got.attempt);
            f->is_doomed[got.task - 1] = false;
            f->task[got.task - 1] = FREE;
        } else if (got.kind == SK_COMMAND_REBUILD) {
            int o = object_named(f, got.object);
            ck_assert(o >= 0 && !f->is_put[o]);
            f->to_rebuild[o] = true;
        } else {
            obey_lost(f, got);
        }
    }
}

static void fuzz_ready(fuzz *f, int t)
{
    sk_cluster_task task = { .id = (uint64_t)t + 1, .fn = draw(3), .order = f->order++, .priority = (int)draw(3) - 1,
                             .demand = { .cpus = draw(2) ? SK_UNITS : (int64_t)draw(4) * SK_UNITS / 2 }, .home = (int)draw(FUZZ_NODES),
                             .affinity = draw(6) ? -1 : (int)draw(FUZZ_NODES), .rank = (int64_t)draw(50), .is_light = draw(3) };
    if (draw(5) == 0)
        task.demand.amounts[task.demand.n++] = (sk_amount){ .name = "gpu", .units = SK_UNITS };
    f->nargs[t] = 0;
    for (int i = 0; i < 3; i++) {
        int o = (int)draw(FUZZ_OBJECTS);
        if (draw(2) && f->object[o] == THERE)
            f->args[t][f->nargs[t]++] = f->name[o];
    }
    task.args = f->args[t];
    task.nargs = (size_t)f->nargs[t];
    f->task[t] = WAITING;
    sk_cluster_ready(f->c, &task);
}

static void fuzz_node(fuzz *f, int n)
{
    if (f->up[n]) {
        f->up[n] = false;
        for (int t = 0; t < FUZZ_TASKS; t++)
            f->is_doomed[t] |= (f->task[t] == RUNNING || f->task[t] == BLOCKED || f->task[t] == AHEAD) && f->start[t].node == n;
        for (int i = f->nfetches; i-- > 0; )
            if (f->fetch[i].node == n || f->fetch[i].from == n)
                drop_fetch(f, i);
        sk_cluster_node_lost(f->c, n);
    } else {
        sk_demand gpu = { .n = n % 2, .amounts = { { .name = "gpu", .units = SK_UNITS } } };
        sk_cluster_node spec = { .speed = SK_UNITS * (1 + n % 3), .store_bytes = n % 3 ? 0 : 150 };
        sk_resource_pool_init(&spec.pool, (1 + (int64_t)draw(4)) * SK_UNITS, &gpu);
        f->up[n] = true;
        ck_assert(sk_cluster_node_up(f->c, n, &spec));
    }
}

static void fuzz_object(fuzz *f, int o)
{
    int n = (int)draw(FUZZ_NODES);
    if (f->object[o] == GONE && f->up[n]) {
        f->object[o] = THERE;
        f->name[o] = 1000 + f->names++;
        f->is_put[o] = draw(4) == 0;
        f->to_rebuild[o] = false;
        sk_cluster_object(f->c, f->name[o], 1 + (int64_t)draw(100), n, !f->is_put[o]);
    } else if (f->object[o] != GONE && (draw(3) == 0 || f->object[o] == LOST)) {
        f->object[o] = GONE;
        sk_cluster_object_freed(f->c, f->name[o]);
    } else if (f->object[o] == THERE && draw(2)) {
        sk_cluster_wanted(f->c, f->name[o], n);
    } else if (f->object[o] == THERE) {
        sk_cluster_copy_gone(f->c, f->name[o], n);
    }
}

static void fuzz_ahead(fuzz *f, int node)
{
    sk_cluster_next_task next;
    if (!sk_cluster_ahead(f->c, node, 5000, &next))
        return;
    int t = (int)next.task - 1;
    ck_assert(f->task[t] == WAITING && f->up[node]);
    f->task[t] = AHEAD;
    f->start[t] = (sk_command){ .task = next.task, .attempt = next.attempt, .node = node };
}

/* Behind any task that runs at its node. */
static void fuzz_next(fuzz *f, int t)
{
    sk_command s = f->start[t];
    ck_assert(!sk_cluster_blocked(f->c, s.task, s.attempt) && !sk_cluster_unblocked(f->c, s.task, s.attempt));
    for (int k = 0, i = (int)draw(FUZZ_TASKS); k < FUZZ_TASKS && draw(40); k++, i = (i + 1) % FUZZ_TASKS)
        if (f->task[i] == RUNNING && !f->is_doomed[i] && f->start[i].node == s.node) {
            ck_assert_int_eq(sk_cluster_handed_on(f->c, f->start[i].task, f->start[i].attempt, 10, s.task, s.attempt), f->start[i].worker);
            f->start[t].worker = f->start[i].worker;
            f->task[i] = FREE;
            f->task[t] = RUNNING;
            f->handed_on++;
            return;
        }
    ck_assert(sk_cluster_taken_back(f->c, s.task, s.attempt));
    f->task[t] = WAITING;
    f->taken_back++;
}

static void fuzz_task(fuzz *f, int t)
{
    sk_command s = f->start[t];
    if (f->is_doomed[t]) {
        ck_assert(!sk_cluster_ended(f->c, s.task, s.attempt, 1));
        return;
    }
    switch (f->task[t]) {
    case FREE:
        fuzz_ready(f, t);
        break;
    case WAITING:
        ck_assert(!sk_cluster_ended(f->c, (uint64_t)t + 1, s.attempt, 1));      /* a late result of an attempt before */
        if (draw(4) == 0 && sk_cluster_cancel(f->c, (uint64_t)t + 1))           /* false: its START waits to be taken */
            f->task[t] = FREE;
        break;
    case RUNNING:
        if (draw(3)) {
            ck_assert(sk_cluster_ended(f->c, s.task, s.attempt, (int64_t)draw(1000)));
            f->task[t] = FREE;
        } else {
            ck_assert(sk_cluster_blocked(f->c, s.task, s.attempt));
            f->task[t] = BLOCKED;
        }
        break;
    case AHEAD:
        fuzz_next(f, t);
        break;
    case BLOCKED:
        ck_assert(sk_cluster_unblocked(f->c, s.task, s.attempt));
        f->task[t] = RUNNING;
        break;
    }
}

static void fuzz_step(fuzz *f)
{
    uint64_t dice = draw(100);
    int o = (int)draw(FUZZ_OBJECTS);
    if (dice < 2) {
        fuzz_node(f, (int)draw(FUZZ_NODES));
    } else if (dice < 4) {
        sk_cluster_node_pause(f->c, (int)draw(FUZZ_NODES), draw(2));
    } else if (dice < 24) {
        fuzz_object(f, o);
    } else if (dice < 50 && f->nfetches) {
        int i = (int)draw((uint64_t)f->nfetches);
        sk_command got = f->fetch[i];
        drop_fetch(f, i);
        if (draw(5))
            sk_cluster_arrived(f->c, got.object, got.node, got.attempt);
        else
            sk_cluster_fetch_failed(f->c, got.object, got.node, got.attempt);
    } else if (dice < 60 && f->to_rebuild[o] && f->object[o] == THERE) {
        int n = (int)draw(FUZZ_NODES);
        f->to_rebuild[o] = !f->up[n];
        if (f->up[n])
            sk_cluster_object(f->c, f->name[o], 50, n, true);
    } else if (dice < 70) {
        for (int n = 0; n < FUZZ_NODES; n++)
            fuzz_ahead(f, n);
    } else {
        fuzz_task(f, (int)draw(FUZZ_TASKS));
    }
}

/* Everything comes to an end once the nodes are there to stay, fetches arrive, objects are rebuilt and tasks end. */
static void fuzz_finish(fuzz *f)
{
    for (int n = 0; n < FUZZ_NODES; n++) {
        if (f->up[n])
            fuzz_node(f, n);
        obey(f);
        sk_demand gpu = { .n = 1, .amounts = { { .name = "gpu", .units = SK_UNITS } } };
        sk_cluster_node spec = { 0 };
        sk_resource_pool_init(&spec.pool, 4 * SK_UNITS, &gpu);
        f->up[n] = true;
        sk_cluster_node_up(f->c, n, &spec);
    }
    for (int round = 0; round < 2000 && sk_cluster_waiting(f->c) + sk_cluster_running(f->c) + (size_t)f->nfetches; round++) {
        obey(f);
        for (int o = 0; o < FUZZ_OBJECTS; o++)
            if (f->to_rebuild[o] && f->object[o] == THERE) {
                f->to_rebuild[o] = false;
                sk_cluster_object(f->c, f->name[o], 50, (int)draw(FUZZ_NODES), true);
            }
        while (f->nfetches) {
            sk_command got = f->fetch[--f->nfetches];
            sk_cluster_arrived(f->c, got.object, got.node, got.attempt);
        }
        for (int t = 0; t < FUZZ_TASKS; t++)
            if (f->task[t] == RUNNING || f->task[t] == BLOCKED || f->task[t] == AHEAD) {
                ck_assert(sk_cluster_ended(f->c, f->start[t].task, f->start[t].attempt, 1));
                f->task[t] = FREE;
            }
    }
    ck_assert_uint_eq(sk_cluster_waiting(f->c), 0);
    for (int n = 0; n < FUZZ_NODES; n++) {
        sk_cluster_view view;
        ck_assert(sk_cluster_look(f->c, n, &view));
        ck_assert(view.pool.cpus_free == view.pool.cpus && view.pool.items[0].free == SK_UNITS && !view.sending);
    }
}

static uint64_t all_handed_on, all_taken_back;

static uint64_t run_fuzz(const char *policy, uint64_t seed, int steps)
{
    fuzz *f = g_new0(fuzz, 1);
    stream = seed;
    f->c = sk_cluster_new(&(sk_cluster_config){ .policy = policy, .seed = seed, .bytes_per_second = 1000 }, NULL);
    for (int i = 0; i < steps; i++) {
        fuzz_step(f);
        sk_cluster_check(f->c);
        if (draw(3))
            obey(f);
        sk_cluster_check(f->c);
    }
    fuzz_finish(f);
    uint64_t digest = f->digest;
    all_handed_on += f->handed_on;
    all_taken_back += f->taken_back;
    sk_cluster_free(f->c);
    g_free(f);
    return digest;
}

START_TEST(random_events_leave_everything_in_agreement_and_equal_seeds_agree)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        uint64_t digest = run_fuzz(policies[_i], seed, 500);
        if (seed < 5)
            ck_assert_uint_eq(run_fuzz(policies[_i], seed, 500), digest);
    }
    ck_assert_msg(all_handed_on > 20 && all_taken_back > 20, "only %d and %d", (int)all_handed_on, (int)all_taken_back);
}
END_TEST

/* ---- Scale ----------------------------------------------------------------------------------------------------- */

/* All tasks are ready before the first ends; each node's end lets the next begin. Only counts. */
static void run_many(const char *policy, int nodes, int cpus, uint64_t tasks)
{
    sk_cluster *c = open_cluster(policy, 1, nodes, cpus);
    GArray *running = g_array_new(FALSE, FALSE, sizeof(sk_command));
    uint64_t started = 0, ended = 0;
    sk_command got;
    for (uint64_t i = 1; i <= tasks; i++) {
        sk_cluster_ready(c, &(sk_cluster_task){ .id = i, .order = i, .demand = { .cpus = SK_UNITS }, .affinity = -1, .home = -1 });
        while (sk_cluster_next(c, &got))
            g_array_append_val(running, got);
    }
    ck_assert_uint_eq(running->len, MIN(tasks, (uint64_t)(nodes * cpus)));
    for (; ended < running->len; ended++) {
        sk_command s = g_array_index(running, sk_command, ended);
        ck_assert(sk_cluster_ended(c, s.task, s.attempt, 1000));
        while (sk_cluster_next(c, &got))
            g_array_append_val(running, got);
    }
    started = running->len;
    ck_assert_uint_eq(started, tasks);
    g_array_unref(running);
    sk_cluster_check(c);
    sk_cluster_free(c);
}

START_TEST(ten_thousand_nodes_run_a_hundred_thousand_tasks) { run_many(policies[_i], 10000, 4, 100000); }
END_TEST

/* SK_CLUSTER_TASKS=1000000 build/tests/unit measures; without it a tenth. */
START_TEST(four_thousand_nodes_run_many_tasks)
{
    const char *text = getenv("SK_CLUSTER_TASKS");
    run_many("fifo", 4096, 1, text ? strtoull(text, NULL, 10) : 100000);
}
END_TEST

Suite *cluster_runs_suite(void)
{
    Suite *suite = suite_create("cluster runs");
    TCase *graham = tcase_create("graham"), *random = tcase_create("random events"), *scale = tcase_create("scale");
    tcase_add_loop_test(graham, every_policy_keeps_grahams_bounds, 0, POLICIES);
    tcase_add_loop_test(random, random_events_leave_everything_in_agreement_and_equal_seeds_agree, 0, POLICIES);
    tcase_add_loop_test(scale, ten_thousand_nodes_run_a_hundred_thousand_tasks, 0, POLICIES);
    tcase_add_test(scale, four_thousand_nodes_run_many_tasks);
    TCase *all[] = { graham, random, scale };
    for (int i = 0; i < 3; i++) {
        tcase_set_timeout(all[i], 120);
        suite_add_tcase(suite, all[i]);
    }
    return suite;
}
