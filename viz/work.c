/* work.c -- see work.h. */
#include "work.h"

#include <string.h>

#include "grow.h"

/* Rows are kept every so many steps: more where there are many groups, so that what is kept stays in proportion to the steps. */
static sk_step spacing(const sk_model *m) { return MAX(256, 4 * m->ngroups); }

/* Unsigned: the times of a damaged log may be beyond all measure. */
static int64_t ran_until(const sk_work_row *r, int64_t ns)
{
    return (int64_t)((uint64_t)r->ran + r->running * ((uint64_t)ns - (uint64_t)r->since));
}

static void step(sk_work *w, const sk_model *m)
{
    const sk_model_event *e = &m->events[w->at++];
    bool was = e->from == SK_TASK_RUNNING, is = e->to == SK_TASK_RUNNING;
    if (e->type != SK_TRACE_TASK || was == is)
        return;
    sk_work_row *r = &w->row[m->tasks[e->index].group];
    r->ran = ran_until(r, e->ns);
    r->since = e->ns;
    r->running += (uint32_t)is - (uint32_t)was;
}

static void go_to(sk_work *w, const sk_model *m, sk_step k)
{
    uint32_t low = 0, high = w->nchecks; /* the last check that is not later: low - 1 */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (w->checks[middle].step <= k)
            low = middle + 1;
        else
            high = middle;
    }
    sk_step from = low ? w->checks[low - 1].step : 0;
    if (w->at > k || w->at < from) {
        uint32_t n = low ? w->checks[low - 1].n : 0;
        if (n)
            memcpy(w->row, w->kept + w->checks[low - 1].first, n * sizeof *w->row);
        if (w->nrow > n)
            memset(w->row + n, 0, (w->nrow - n) * sizeof *w->row);
        w->at = from;
    }
    while (w->at < k)
        step(w, m);
}

void sk_work_follow(sk_work *w, const sk_model *m)
{
    while (w->nrow < m->ngroups)
        memset(SK_GROW(w->row, w->nrow), 0, sizeof *w->row);
    while (w->nanswer < m->ngroups)
        *SK_GROW(w->answer, w->nanswer) = 0;
    if (w->followed == m->nsteps)
        return;
    go_to(w, m, w->followed);
    for (sk_step last = w->nchecks ? w->checks[w->nchecks - 1].step : 0; w->at < m->nsteps;) {
        step(w, m);
        if (w->at - last < spacing(m))
            continue;
        last = w->at;
        *SK_GROW(w->checks, w->nchecks) = (struct sk_work_check){ last, w->nkept, w->nrow };
        for (uint32_t g = 0; g < w->nrow; g++) {
            sk_work_row r = w->row[g];
            *SK_GROW(w->kept, w->nkept) = r;
        }
    }
    w->followed = m->nsteps;
}

const int64_t *sk_work_at(sk_work *w, const sk_model *m, int64_t ns)
{
    go_to(w, m, MIN(sk_model_step_at(m, ns), w->followed));
    for (uint32_t g = 0; g < w->nrow; g++)
        w->answer[g] = w->row[g].running ? ran_until(&w->row[g], MAX(ns, w->row[g].since)) : w->row[g].ran;
    return w->answer;
}

void sk_work_clear(sk_work *w)
{
    g_free(w->row);
    g_free(w->checks);
    g_free(w->kept);
    g_free(w->answer);
    *w = (sk_work){ 0 };
}
