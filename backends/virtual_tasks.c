/* virtual_tasks.c -- task bodies on fibers: they start, spend time, wait, go on and end. See virtual.c. */
#include "virtual.h"

#include "error.h"
#include "session.h"
#include "task.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>


/* ---- the time that plain C takes (--cost live) ---- */

static int64_t cpu_time(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* What the body has computed since it was last charged. */
static int64_t live_cost(vcluster *v)
{
    if (v->live == 0 || !v->current)
        return 0;
    int64_t now = cpu_time(), ns = (int64_t)((double)(now - v->live_mark) * v->live);
    v->live_mark = now;
    return ns;
}

/* ---- the watchdog: a body that never gives the simulation a turn ---- */

static void watch(vcluster *v, bool on)
{
    if (v->has_watchdog)
        timer_settime(v->watchdog, 0, &(struct itimerspec){ .it_value.tv_sec = on ? 10 : 0 }, NULL);
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

void sk_virtual_resume(vcluster *v, run *r)
{
    v->current = r;
    sk_strand_exchange(v->lane, &r->strand);
    if (v->live != 0)
        v->live_mark = cpu_time();
    sk_fiber_switch(r->fiber);
    sk_strand_exchange(v->lane, &r->strand);
    v->current = NULL;
    if (r->ended) {
        sk_strand_clear(&r->strand);
        *(r->before ? &r->before->after : &v->first_run) = r->after;
        *(r->after ? &r->after->before : &v->last_run) = r->before;
        r->next = v->free_runs;
        v->free_runs = r;
        v->alive--;
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
        watch(v, true);
        sk_task_run_at((sk_task_name){ r->task }, r->agent.node, r->worker);
        watch(v, false);
        sk_cluster_ended(v->cluster, r->task, r->attempt, v->now - r->began);
    }
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

void sk_virtual_start(vcluster *v, const sk_command *command)
{
    run *r = new_run(v);
    r->cluster = v;
    r->task = command->task;
    r->attempt = command->attempt;
    r->agent.node = command->node;
    r->worker = command->worker;
    r->fiber = sk_fiber_new(body, r);
    if (!r->fiber)
        sk_die(NULL, NULL, 1, "virtual: %zu tasks are blocked or running at once, and there is no stack for one more (%s); "
               "pass refs as arguments instead of getting them inside tasks", v->alive - 1, strerror(errno));
    size_t size;
    char *stack = sk_fiber_stack(r->fiber, &size);
    sk_strand_init(&r->strand, v->lane, &r->agent, stack + size / 4);
    int64_t ns = sk_overhead_of(&v->spec->overheads[SK_OVER_DISPATCH], 0);
    r->computing = ns > 0;
    if (ns)
        sk_events_set(&v->events, r->agent.handle, v->now + ns, EVENT_AGENT, (uint64_t)(uintptr_t)&r->agent);
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

/* In a task: leaves its stack for the loop, until somebody resumes it. */
static void rest(vcluster *v)
{
    watch(v, false);
    sk_fiber_switch(NULL);
    watch(v, true);
}

void sk_virtual_clear_runs(vcluster *v)
{
    for (run *r; (r = v->free_runs); free(r))
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
            rest(v);
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
