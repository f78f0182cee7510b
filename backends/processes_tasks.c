/* processes_tasks.c -- attempts: each is a fiber of the node that stands for a body in a worker process. See processes.c.
 *
 * The fiber sends the body off (RUN), and then serves it: each call that the body makes arrives as a frame and is made here, in the task's
 * frame, as if the body ran here; a call that waits leaves the fiber. RAN brings the answers. If the process dies, the fiber is told
 * (sk_task_died) wherever it is, and leaves. */
#include "processes.h"

#include "fn.h"
#include "session.h"
#include "task.h"

#include <errno.h>
#include <stdio.h>

/* ---- fibers ---- */

static void put_away(pnode *n, run *r)
{
    *(r->before ? &r->before->after : &n->first_run) = r->after;
    *(r->after ? &r->after->before : &n->last_run) = r->before;
    r->next = n->free_runs;
    n->free_runs = r;
    n->alive--;
}

static void withdraw(pnode *n, run *r);

void pn_resume(pnode *n, run *r)
{
    n->current = r;
    sk_strand_exchange(n->lane, &r->strand);
    sk_fiber_switch(r->fiber);
    sk_strand_exchange(n->lane, &r->strand);
    n->current = NULL;
    if (r->lacks) {
        withdraw(n, r);
    } else if (r->ended) {
        sk_strand_clear(&r->strand);
        put_away(n, r);
    }
}

void pn_leave_fiber(run *r)
{
    (void)r;
    sk_fiber_switch(NULL);
}

static void let_worker_go(pnode *n, run *r)
{
    pn_worker *w = r->worker;
    r->worker = NULL;
    if (!w)
        return;
    w->run = NULL;
    n->busy--;
    if (w->doomed)                         /* the signal may come late, or be blocked: the next task must not be hit by it */
        pn_signal(w, SIGKILL);
    else if (w->state == PN_UP && n->free != w && !w->recalling)
        pn_idle(w);
}

static void abandon(pnode *n, run *r);

static void body(void *data)
{
    run *r = data;
    pnode *n = r->node;
    if (!r->unwanted)
        sk_task_run_at((sk_task_name){ r->task }, r->host->number, r->row);
    if (r->is_there)                       /* cancelled in between */
        abandon(n, r);
    if (!r->died && !pn_hand_on(n, r))
        sk_cluster_ended(n->cluster, r->task, r->attempt, r->body_ns);
    pn_give_back(n, r);
    pn_unpin_all(n, r);
    pn_let_go(n, r->kept);
    g_free(r->kept);
    let_worker_go(n, r);
    if (r->again)
        pn_announce(n, r->task);
    r->ended = true;
}

run *pn_new_run(pn_host *h, uint64_t task, uint64_t attempt, int row, const sk_fn *fn)
{
    pnode *n = h->node;
    run *r = n->free_runs;
    if (r) {
        n->free_runs = r->next;
    } else {
        r = calloc(1, sizeof *r);
        if (!r)
            abort();
        r->handle = sk_events_add_handles(&n->events, 1);
        r->node = n;
    }
    r->host = h;
    r->task = task;
    r->attempt = attempt;
    r->row = row;
    r->fn = fn;
    r->nesting = pn_depth_of(n, task);
    r->due = r->again = r->runnable = r->ended = r->blocked = r->listens = r->moves = r->hungry = r->is_there = r->unwanted = r->asked = r->ran = false;
    r->body_ns = 0;
    r->pulls = 0;
    r->no_bytes = false;
    r->lacks = NULL;
    r->kept = NULL;
    r->died = SK_ALIVE;
    r->worker = NULL;
    r->served = NULL;
    r->msg = (sk_msg){ 0 };
    r->next = r->after = NULL;
    r->before = n->last_run;
    *(n->last_run ? &n->last_run->after : &n->first_run) = r;
    n->last_run = r;
    n->alive++;
    return r;
}

static void refuse(pnode *n, run *r, const char *text)
{
    if (!r->unwanted)
        sk_task_never(n->lane, sk_task_at(r->task), (uint32_t)(r->task >> 32), SK_TASK_FAILED, SK_LIMIT, text);
    sk_cluster_ended(n->cluster, r->task, r->attempt, 0);
    pn_give_back(n, r);
    pn_let_go(n, r->kept);
    g_free(r->kept);
    put_away(n, r);
}

void pn_begin(pnode *n, run *r, pn_worker *w)
{
    r->worker = w;
    w->run = r;
    w->row = r->row;
    n->busy++;
    if (r->moves) {
        pn_resume(n, r);
        return;
    }
    r->began = pn_now();
    r->fiber = sk_fiber_new(body, r);
    if (!r->fiber) {
        char text[200];
        snprintf(text, sizeof text, "%zu tasks run or are blocked at once, and there is no stack in the driver for one more (%s)",
                 n->alive - 1, strerror(errno));
        if (r->is_there)                   /* it runs without being served */
            pn_signal(w, SIGKILL);
        let_worker_go(n, r);
        refuse(n, r, text);
        return;
    }
    size_t size;
    char *stack = sk_fiber_stack(r->fiber, &size);
    sk_strand_init(&r->strand, n->lane, r, stack + size / 4);
    pn_resume(n, r);
}

bool pn_assign(pnode *n)
{
    bool any = false;
    for (pn_host *h = n->hosts; h < n->hosts + n->nhosts; h++)
        while (h->queue && h->idle) {
            run *r = h->queue;
            pn_worker *w = h->idle;
            h->queue = r->next;
            if (!h->queue)
                h->queue_end = &h->queue;
            h->idle = w->next_idle;
            pn_begin(n, r, w);
            any = true;
        }
    return any;
}

/* Processes that may be idle as soon as their node has answered. */
static size_t between_tasks(const pn_host *h)
{
    const pnode *n = h->node;
    size_t count = 0;
    for (unsigned i = 0; h->number && i < n->nactive; i++)
        count += n->active[i]->host == h && n->active[i]->recalling && !n->active[i]->run;
    return count;
}

/* What waits for a process has its cpu: if there are too few, others are blocked in theirs, and one more takes over. */
static void man_queue(pn_host *h)
{
    size_t waiting = 0;
    for (run *q = h->queue; q; q = q->next)
        waiting++;
    size_t come = h->starting + between_tasks(h);
    for (const pn_worker *w = h->idle; w; w = w->next_idle)    /* see pn_assign: soon */
        come++;
    if (waiting > come)
        pn_want_worker(h);
}

void pn_start(pnode *n, const sk_command *command)
{
    pn_host *h = &n->hosts[command->node];
    run *r = pn_new_run(h, command->task, command->attempt, command->worker, sk_task_at(command->task)->fn);
    *h->queue_end = r;
    h->queue_end = &r->next;
    pn_assign(n);
    man_queue(h);
}

/* Its process was perhaps taken for one that is between two tasks when it had begun this one: what was started then waits for it. See between_tasks. */
bool pn_lend_cpu(pnode *n, run *r)
{
    bool lends = sk_cluster_blocked(n->cluster, r->task, r->attempt);
    if (lends)
        man_queue(r->host);
    return lends;
}

run *pn_run_of(pnode *n, uint64_t task)
{
    for (run *r = n->first_run; r; r = r->after)
        if (r->task == task && !r->died && !r->ended && !r->unwanted)
            return r;
    return NULL;
}

/* The cluster forgets the attempt first: the task may be ready again at once. */
static void end_attempt(pnode *n, run *r, sk_code code, const char *how, sk_charge charge)
{
    sk_cluster_ended(n->cluster, r->task, r->attempt, pn_now() - r->began);
    r->died = SK_GONE;
    sk_events_cancel(&n->events, r->handle);
    if (!r->unwanted)
        sk_task_died(n->lane, &r->strand, SK_GONE, code, how, charge);
    pn_resume(n, r);                       /* it finds itself dead wherever it is, and comes back ended */
}

/* Its process has died. */
void pn_died(pnode *n, run *r, sk_code code, const char *how)
{
    end_attempt(n, r, code, how, r->host->is_taken ? SK_TAKEN_AWAY : SK_CHARGED);
}

/* Its arguments are not here any more, and its body has not begun: it starts anew where they are, when they are there. */
static void withdraw(pnode *n, run *r)
{
    g_autofree char *lacks = g_steal_pointer(&r->lacks);
    end_attempt(n, r, SK_OBJECT_LOST, lacks, SK_NOT_BEGUN);
}

void pn_end_process(run *r, int sig) { pn_end_alone(r->node, r->worker, sig); }

/* A process may be killed while it is idle, and be given a task before that is known; or between two. The task has not run: it is not charged. */
bool pn_move(pnode *n, run *r)
{
    pn_worker *w = r->worker;
    if ((!r->served && !r->hungry) || r->runnable || r->unwanted || w->doomed || (r->served && pn_has_begun(w)))
        return false;
    r->moves = true;
    r->worker = NULL;
    w->run = NULL;
    n->busy--;
    r->next = r->host->queue;
    r->host->queue = r;
    if (!r->next)
        r->host->queue_end = &r->next;
    pn_resume(n, r);                       /* it lets go of the process, and waits for another */
    return true;
}

void pn_forget_queue(pn_host *h, const char *how)
{
    pnode *n = h->node;
    for (run *r; (r = h->queue); ) {
        h->queue = r->next;
        if (!h->queue)
            h->queue_end = &h->queue;
        if (r->moves) {
            pn_died(n, r, SK_WORKER_DIED, how);
            continue;
        }
        uint64_t task = r->task;           /* it has not begun */
        put_away(n, r);
        if (sk_task_is_ready((sk_task_name){ task }))
            pn_announce(n, task);
    }
}

void pn_clear_runs(pnode *n)
{
    for (run *r; (r = n->free_runs); free(r->own), free(r->pins), free(r))
        n->free_runs = r->next;
}

/* ---- serving a body ---- */

static void end_serving(run *r)
{
    sk_msg_clear(&r->msg);
    if (r->served)
        sk_served_end(r->served);
    r->served = NULL;
}

/* It says nonsense, or cannot be told what it must be told: it ends, and this attempt with it. */
static void give_up_worker(run *r, const char *why)
{
    fprintf(stderr, "skate: processes: worker %u: %s; it is ended\n", r->worker->slot, why);
    pn_signal(r->worker, SIGKILL);
    while (!r->died)
        pn_leave_fiber(r);
}

static void answer(run *r, const sk_msg *m)
{
    sk_wire *wire = &r->worker->wire;
    if (!sk_wire_add(wire, m) && !r->died)
        give_up_worker(r, wire->error.message);
}

static void alloc(pnode *n, run *r)
{
    sk_error err;
    pn_block block;
    sk_msg a = { .type = SK_WIRE_PLACED };
    if (!pn_alloc_for(n, r->worker->slot + 1, r->msg.word, &block, &err)) {
        a.code = err.code;
        a.text = err.message;
    } else {
        a.word = sk_shm_offset(n->store, block.blob);
        a.flag = block.is_whole;
        pn_own(r, &block);
        pn_note_asked(n, r, r->msg.word);
    }
    answer(r, &a);
}

/* The program has made a mistake in a task: it ends, as it would on any backend. */
static _Noreturn void die(pnode *n, run *r)
{
    char why[2000];
    snprintf(why, sizeof why, "%s", r->msg.text ? r->msg.text : "?");
    pn_drain_output(n, r->worker);
    sk_die_of((int)r->msg.number, why);
}

/* One frame of the body's; true: it has ended. */
static bool deal_with(pnode *n, run *r)
{
    sk_msg *m = &r->msg;
    switch (m->type) {
    case SK_WIRE_RAN:
        return true;
    case SK_WIRE_ALLOC:
        alloc(n, r);
        break;
    case SK_WIRE_FREE:
        pn_free_block(n, r, m->word);
        break;
    case SK_WIRE_SAY:
        sk_lane_self->port->say(m->text ? m->text : "");
        break;
    case SK_WIRE_DIE:
        die(n, r);
    default:
        if (!sk_served_call(r->served, m) && !r->died)
            give_up_worker(r, r->worker->wire.error.message);
    }
    sk_msg_clear(m);
    return false;
}

static bool take_answers(run *r, const sk_fn *fn, sk_value *out, sk_failure **why)
{
    sk_msg *m = &r->msg;
    *why = m->failure;
    m->failure = NULL;
    if (m->code != SK_OK)
        return false;
    if (m->nvalues != fn->nreturns) {
        *why = sk_failure_new(SK_PROTOCOL, NULL, NULL, "%s: %u answers arrived", fn->name, m->nvalues);
        return false;
    }
    for (unsigned i = 0; i < m->nvalues; i++) {
        out[i] = m->values[i];
        if (out[i].type == SK_T_REF)
            out[i].ref = sk_served_object(r->served, out[i].ref);
        m->values[i] = (sk_value){ SK_T_NONE, { 0 } };
    }
    return true;
}

/* In the process that the attempt has now. */
static bool run_there(pnode *n, run *r, const sk_fn *fn, const sk_value *in, sk_value *out, sk_failure **why)
{
    pn_worker *w = r->worker;
    sk_frame *frame = sk_lane_self->frame;
    const sk_task *t = frame->task;
    bool is_there = r->is_there;
    r->is_there = false;
    sk_error err;
    if (!pn_pin_arguments(n, r, in, fn->nargs, &err)) {        /* may have waited: perhaps it has another process now, or none */
        if (r->lacks)
            pn_leave_fiber(r);             /* see withdraw */
        else if (!r->died && !r->moves)
            *why = sk_failure_new(err.code, t->site, NULL, "%s: %s", sk_task_name_of(t), err.message);
        return false;
    }
    r->served = sk_served_new(&w->wire, w->fns);
    sk_served_turn(r->served);
    sk_msg m = { .type = SK_WIRE_RUN, .number = fn->index, .more = (uint32_t)frame->worker, .word = frame->seed, .id = frame->id, .site = t->site,
                 .text = t->extras ? t->extras->name : NULL, .nvalues = fn->nargs };
    memcpy(m.values, in, fn->nargs * sizeof *in);
    pn_block block;
    if (!is_there && pn_foresee(n, w, fn, &m, &block))
        pn_own(r, &block);
    if (!is_there && !sk_wire_add(&w->wire, &m)) {
        *why = sk_failure_new(SK_STORE_FULL, t->site, NULL, "%s: %s", sk_task_name_of(t), w->wire.error.message);
        end_serving(r);
        return false;
    }
    if (!is_there) {
        w->run_number = pn_open_gate(w);
        r->sent = r->began;
    }
    bool ok = false;
    while (sk_wire_flush(&w->wire) && sk_wire_receive(&w->wire, &r->msg))
        if (deal_with(n, r)) {
            if (r->msg.flag)
                pn_drain_output(n, w);
            r->ran = true;
            w->heard = w->run_number;
            r->body_ns = (int64_t)MIN(r->msg.word, (uint64_t)(pn_now() - r->sent));
            ok = take_answers(r, fn, out, why);
            end_serving(r);
            return ok;
        }
    if (!r->died && !r->moves)
        give_up_worker(r, w->wire.error.message);
    end_serving(r);
    *why = NULL;
    return false;
}

bool pn_is_wanted(const run *r)
{
    uint32_t generation = (uint32_t)(r->task >> 32);
    return !sk_task_cancel_flags(sk_task_at(r->task), generation) && !(sk_task_flags(r->task) & SK_FLAG_TIMED_OUT);
}

bool pn_run_body(sk_backend *self, const sk_fn *fn, const sk_value *in, sk_value *out, sk_failure **why)
{
    pnode *n = pn_of(self);
    run *r = n->current;
    bool ok = run_there(n, r, fn, in, out, why);
    while (r->moves) {
        pn_give_back(n, r);                /* what had come along to the process that is gone */
        while (!r->worker && !r->died)     /* it may lose its node while it waits */
            pn_leave_fiber(r);
        r->moves = r->asked = false;
        if (r->died || !pn_is_wanted(r))   /* cancelled while it had none */
            return false;
        ok = run_there(n, r, fn, in, out, why);
    }
    return ok;
}

/* Whatever the body says now does not count, until it has left. */
static void wait_for_its_end(pnode *n, run *r, uint64_t id)
{
    pn_worker *w = r->worker;
    sk_msg ended = { .type = SK_WIRE_ENDED, .id = id };
    bool left = false;
    if (sk_wire_add(&w->wire, &ended) && sk_wire_flush(&w->wire))
        while (!left && sk_wire_receive(&w->wire, &r->msg)) {
            left = r->msg.type == SK_WIRE_RAN;
            w->heard = left ? w->run_number : w->heard;
            if (left && r->msg.flag)
                pn_drain_output(n, w);
            if (r->msg.type == SK_WIRE_DIE)
                die(n, r);
            if (r->msg.type == SK_WIRE_FN)
                sk_served_call(r->served, &r->msg);               /* the connection's, not the task's */
            sk_msg_clear(&r->msg);
        }
    if (!left && !r->died)
        give_up_worker(r, w->wire.error.message);
}

/* A call has ended the task and will have no answer. */
void pn_leave_body(sk_backend *self)
{
    pnode *n = pn_of(self);
    run *r = n->current;
    if (!r->died) {
        sk_msg_clear(&r->msg);
        wait_for_its_end(n, r, sk_lane_self->frame->id);
    }
    end_serving(r);
}

/* It was sent ahead, and is not wanted any more. */
static void abandon(pnode *n, run *r)
{
    pn_worker *w = r->worker;
    r->is_there = false;
    r->unwanted = true;
    if (pn_recall_with_run(n, w))
        return;                            /* it has not begun, and will not */
    pn_give_grace(n, r);                   /* it may never end, and no other will ask for that */
    r->served = sk_served_new(&w->wire, w->fns);
    sk_served_turn(r->served);
    wait_for_its_end(n, r, r->task);
    end_serving(r);
}
