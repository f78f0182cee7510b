/* model_ask.c -- asking a model: see model.h, section 4. */
#include <string.h>

#include "grow.h"
#include "model_own.h"

sk_step sk_model_step_at(const sk_model *m, int64_t ns)
{
    sk_step low = 0, high = m->nsteps;
    while (low < high) {
        sk_step middle = low + (high - low) / 2;
        if (m->events[middle].ns <= ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t sk_model_ns(const sk_model *m, sk_step k)
{
    if (k == 0 || !m->nsteps)
        return m->first;
    return m->events[MIN(k, m->nsteps) - 1].ns;
}

uint32_t sk_model_slice_of(const sk_model *m, uint32_t task, sk_step k)
{
    const sk_model_task *t = &m->tasks[task];
    if (t->first_slice == SK_NO_INDEX || m->slices[t->first_slice].begin > k)
        return SK_NO_INDEX;
    uint32_t s = t->last_slice;
    while (m->slices[s].begin > k) /* back, in jumps that do not go too far */
        s = m->slices[m->slices[s].far].begin > k ? m->slices[s].far : m->slices[s].before;
    return s;
}

bool sk_model_is_lost(const sk_model_slice *s) { return s->how == SK_END_RETRIED && (s->code == SK_WORKER_DIED || s->code == SK_WORKER_OOM); }

sk_task_state sk_model_task_at(const sk_model *m, uint32_t task, sk_step k)
{
    const sk_model_task *t = &m->tasks[task];
    if (t->submitted > k)
        return SK_TASK_NONE;
    if (t->changed <= k)
        return (sk_task_state)t->state;
    uint32_t s = t->started <= k ? sk_model_slice_of(m, task, k) : SK_NO_INDEX;
    if (s != SK_NO_INDEX) {
        if (m->slices[s].end > k)
            return m->slices[s].blocked ? SK_TASK_BLOCKED : SK_TASK_RUNNING;
        switch (m->slices[s].how) {
        case SK_END_DONE: return SK_TASK_DONE; /* and later once more */
        case SK_END_FAILED: return SK_TASK_FAILED;
        case SK_END_CANCELLED: return SK_TASK_CANCELLED;
        default: return SK_TASK_READY; /* to be tried again */
        }
    }
    return t->ready <= k ? SK_TASK_READY : SK_TASK_WAITING;
}

sk_object_state sk_model_object_at(const sk_model *m, uint32_t object, sk_step k)
{
    const sk_model_object *o = &m->objects[object];
    if (o->born > k)
        return SK_OBJECT_NONE;
    if (o->freed <= k)
        return SK_OBJECT_FREED;
    if (o->lost <= k && !(o->again <= k && o->again > o->lost))
        return (sk_object_state)o->lost_as;
    return o->made <= k ? SK_OBJECT_READY : SK_OBJECT_PENDING;
}

uint32_t sk_model_spill_of(const sk_model *m, uint32_t object, sk_step k)
{
    uint32_t s = m->objects[object].last_spill;
    while (s != SK_NO_INDEX && m->spills[s].out > k) { /* back, in jumps that do not go too far; the first one's leads to itself */
        uint32_t far = m->spills[s].far;
        s = far != s && m->spills[far].out > k ? far : m->spills[s].before;
    }
    return s != SK_NO_INDEX && m->spills[s].back > k ? s : SK_NO_INDEX;
}

/* The first of the worker's slices that begins after step k. */
static uint32_t slices_until(const sk_model *m, const sk_model_worker *w, sk_step k)
{
    uint32_t low = 0, high = w->nslices;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (m->slices[w->slices[middle]].begin <= k)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t sk_model_running(const sk_model *m, uint32_t worker, sk_step k)
{
    enum { DEEPEST = 256 }; /* tasks that are blocked there, below the one that runs */
    const sk_model_worker *w = &m->workers[worker];
    uint32_t i = slices_until(m, w, k);
    for (uint32_t tried = 0; i-- && tried < DEEPEST; tried++) {
        const sk_model_slice *s = &m->slices[w->slices[i]];
        if (s->end > k && !s->blocked)
            return s->task;
    }
    return SK_NO_INDEX;
}

int64_t sk_model_run_ns(const sk_model *m, uint32_t task, sk_step k, int64_t ns)
{
    uint32_t i = sk_model_slice_of(m, task, k);
    if (i == SK_NO_INDEX)
        return 0;
    const sk_model_slice *s = &m->slices[i];
    int64_t end = s->end <= k ? sk_model_ns(m, s->end) : MAX(ns, sk_model_ns(m, k));
    return s->ran + (s->blocked ? 0 : MAX(0, end - sk_model_ns(m, s->begin)));
}

bool sk_model_same_line(const sk_model *m, uint32_t site, uint32_t other)
{
    const sk_model_site *a = &m->sites[site], *b = &m->sites[other];
    return site == other || (a->line == b->line && !strcmp(a->file, b->file));
}

/* The last tally that was written down not later than after k steps: the first is after none. */
static const sk_model_check *check_before(const struct sk_model_own *own, sk_step k)
{
    uint32_t low = 0, high = own->nchecks - 1;
    while (low < high) {
        uint32_t middle = high - (high - low) / 2;
        if (own->checks[middle].step <= k)
            low = middle;
        else
            high = middle - 1;
    }
    return &own->checks[low];
}

void sk_model_count(const sk_model *m, sk_step k, sk_model_counts *c)
{
    struct sk_model_own *own = m->own;
    k = MIN(k, m->nsteps);
    const sk_model_check *at = check_before(own, k);
    sk_model_tally tally = at->tally;
    while (own->nanswer < m->ngroups)
        (void)SK_GROW(own->answer, own->nanswer);
    if (m->ngroups)
        memset(own->answer, 0, m->ngroups * sizeof(sk_by_state));
    if (at->ngroups)
        memcpy(own->answer, own->check_group + at->group, at->ngroups * sizeof(sk_by_state));
    for (sk_step i = at->step; i < k; i++)
        sk_model_tally_step(m, &m->events[i], &tally, own->answer);
    memcpy(c->tasks, tally.tasks, sizeof c->tasks);
    c->group = (const uint32_t(*)[SK_MODEL_STATES])own->answer;
    c->ngroups = m->ngroups;
    c->objects = tally.objects;
    c->bytes = tally.bytes;
}
