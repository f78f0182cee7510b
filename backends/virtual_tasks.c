/* virtual_tasks.c -- task bodies on fibers: they start, spend time, wait, go on and end. See virtual.c. */
#include "virtual.h"

#include "error.h"
#include "session.h"
#include "task.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

/* What asking the clock has taken of the time that it shows: more than many a body does. To be called once for each time it is asked. */
static int64_t asking(void)
{
    static __thread int64_t once, all;
    static __thread bool known;
    struct timespec a, b;
    for (int i = 0; !known && i < 100; i++) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        int64_t ns = (b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec;
        once = i == 0 || ns < once ? ns : once;
    }
    known = true;
    return all += once;
}

/* ---- the time that plain C takes (--cost live) ---- */

static int64_t cpu_time(void)
{
    int64_t asked = asking();              /* first: finding out takes a while, once */
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - asked;
}

/* Of a thread of the program: when its last call ended, in which session. */
static __thread struct { uint64_t session; int64_t mark; } outside;
static uint64_t sessions;

void sk_virtual_live_open(vcluster *v)
{
    v->session = ++sessions;
    if (v->live != 0)
        sk_virtual_live_leave(v);
}

void sk_virtual_live_enter(vcluster *v)
{
    if (outside.session == v->session)
        v->live_owed += cpu_time() - outside.mark;
}

void sk_virtual_live_leave(vcluster *v)
{
    outside.session = v->session;
    outside.mark = cpu_time();
}

/* What the caller has computed since it was last charged. */
static int64_t live_cost(vcluster *v)
{
    if (v->live == 0)
        return 0;
    int64_t cost = v->live_owed;
    if (v->current) {
        int64_t now = cpu_time();
        cost = now - v->live_mark;
        v->live_mark = now;
    } else {
        v->live_owed = 0;
    }
    return (int64_t)((double)cost * v->live);
}

/* ---- agents ---- */

agent *sk_virtual_agent(vcluster *v)
{
    if (v->current)
        return &v->current->agent;
    agent *a = v->free_agents;
    if (a) {
        v->free_agents = a->next;
    } else {
        a = calloc(1, sizeof *a);
        if (!a)
            abort();
        a->handle = sk_events_add_handles(&v->events, 1);
    }
    return a;
}

void sk_virtual_agent_done(vcluster *v, agent *a)
{
    if (!a->run) {
        a->next = v->free_agents;
        v->free_agents = a;
    }
}

void sk_virtual_wake(vcluster *v, agent *a)
{
    run *r = a->run;
    if (!r || r->runnable || r->died || r == v->current)
        return;                            /* the program's looks by itself */
    if (v->faults && sk_virtual_is_frozen(v, a->node)) {
        r->held = true;
        return;
    }
    r->runnable = true;
    r->next = NULL;
    *v->runnable_end = r;
    v->runnable_end = &r->next;
}

/* ---- fibers ---- */

static void put_away(vcluster *v, run *r)
{
    *(r->before ? &r->before->after : &v->first_run) = r->after;
    *(r->after ? &r->after->before : &v->last_run) = r->before;
    r->next = v->free_runs;
    v->free_runs = r;
    v->alive--;
}

void sk_virtual_resume(vcluster *v, run *r)
{
    v->current = r;
    v->switches++;
    sk_strand_exchange(v->lane, &r->strand);
    if (v->live != 0)
        v->live_mark = cpu_time();
    sk_fiber_switch(r->fiber);
    sk_strand_exchange(v->lane, &r->strand);
    v->current = NULL;
    if (r->ended) {
        sk_strand_clear(&r->strand);
        put_away(v, r);
    }
}

static void body(void *data)
{
    run *r = data;
    vcluster *v = r->cluster;
    r->began = v->now;
    r->computing = false;
    if (r->died) {                         /* before it began: the cluster has forgotten it, the task is still ready */
        r->again = true;
    } else {
        sk_task_run_at((sk_task_name){ r->task }, r->agent.node, r->worker);
        sk_cluster_ended(v->cluster, r->task, r->attempt, v->now - r->began);
    }
    sk_virtual_unpin(v, r);
    if (r->again)
        sk_virtual_ready(v, r->task);
    r->ended = true;
}

static run *new_run(vcluster *v)
{
    run *r = v->free_runs;
    if (r) {
        v->free_runs = r->next;
    } else {
        r = calloc(1, sizeof *r);
        if (!r)
            abort();
        r->agent.handle = sk_events_add_handles(&v->events, 1);
        r->agent.run = r;
    }
    r->ended = r->runnable = r->again = r->held = r->computing = false;
    r->died = SK_ALIVE;
    r->after = NULL;
    r->before = v->last_run;
    *(v->last_run ? &v->last_run->after : &v->first_run) = r;
    v->last_run = r;
    r->agent.due = false;
    if (++v->alive > v->alive_peak)
        v->alive_peak = v->alive;
    return r;
}

/* There is no stack for it: its refs fail. */
static void refuse(vcluster *v, run *r)
{
    char text[300];
    snprintf(text, sizeof text, "%zu tasks run or are blocked at once, and there is no stack for one more (%s). Pass refs as arguments "
             "instead of getting them inside tasks, or give the cluster fewer workers", v->alive - 1,
             v->alive <= v->most_alive ? strerror(errno) : "--sk-tasks");
    sk_task_never(v->lane, sk_task_at(r->task), (uint32_t)(r->task >> 32), SK_TASK_FAILED, SK_LIMIT, text);
    sk_cluster_ended(v->cluster, r->task, r->attempt, 0);
    put_away(v, r);
}

void sk_virtual_start(vcluster *v, const sk_command *command)
{
    run *r = new_run(v);
    r->cluster = v;
    r->task = command->task;
    r->attempt = command->attempt;
    r->agent.node = command->node;
    r->worker = command->worker;
    r->fiber = v->alive <= v->most_alive ? sk_fiber_new(body, r) : NULL;
    if (!r->fiber) {
        refuse(v, r);
        return;
    }
    size_t size;
    char *stack = sk_fiber_stack(r->fiber, &size);
    sk_strand_init(&r->strand, v->lane, &r->agent, stack + size / 4);
    int64_t at = sk_virtual_pin(v, r), ns = sk_overhead_of(&v->spec->overheads[SK_OVER_DISPATCH], 0);
    r->computing = ns > 0;
    if (at > v->now || ns)
        sk_events_set(&v->events, r->agent.handle, at + ns, EVENT_AGENT, (uint64_t)(uintptr_t)&r->agent);
    else
        sk_virtual_resume(v, r);
}

void sk_virtual_abandon(vcluster *v, run *r)
{
    r->died = SK_GONE;
    r->held = false;
    sk_events_cancel(&v->events, r->agent.handle);
    sk_virtual_resume(v, r);               /* it finds itself dead wherever it waits, and comes back ended */
}

void sk_virtual_clear_runs(vcluster *v)
{
    for (run *r; (r = v->free_runs); free(r->pinned), free(r))
        v->free_runs = r->next;
    for (agent *a; (a = v->free_agents); free(a))
        v->free_agents = a->next;
}

/* ---- waiting ---- */

bool sk_virtual_until(vcluster *v, agent *a, int64_t at, bool (*over)(void *), void *data)
{
    a->due = false;
    if (at != SK_NEVER)
        sk_events_set(&v->events, a->handle, at > v->now ? at : v->now, EVENT_AGENT, (uint64_t)(uintptr_t)a);
    bool is = false;
    sk_lane *mine = sk_lane_self;
    sk_lane_self = v->lane;
    while (!(is = over && over(data)) && !a->due) {
        if (a->run && a->run->died)
            break;
        if (a->run)
            sk_fiber_switch(NULL);         /* to the loop, until somebody resumes us */
        else if (!sk_virtual_step(v))
            break;
    }
    sk_lane_self = mine;
    sk_events_cancel(&v->events, a->handle);
    return is;
}

void sk_virtual_elapse(vcluster *v, int64_t ns)
{
    ns += live_cost(v);
    if (ns <= 0)
        return;
    agent *a = sk_virtual_agent(v);
    sk_virtual_until(v, a, ns > SK_NEVER - v->now ? SK_NEVER - 1 : v->now + ns, NULL, NULL);
    sk_virtual_agent_done(v, a);
}

void sk_virtual_work(vcluster *v, int64_t ns)
{
    run *r = v->current;
    if (r)
        r->computing = true;
    sk_virtual_elapse(v, ns);
    if (r)
        r->computing = false;
}
