/* profile.c -- see profile.h. */
#include "profile.h"

#include <string.h>

#include "grow.h"

enum { EVERY = 64, LOOKED_AT = 16 };

static int64_t begin_of(const sk_profile_row *r, const sk_model *m, uint32_t i) { return sk_model_ns(m, m->slices[r->slices[i]].begin); }
static int64_t end_of(const sk_profile_row *r, const sk_model *m, uint32_t i, int64_t now)
{
    const sk_model_slice *s = &m->slices[r->slices[i]];
    return s->end == SK_NEVER ? now : MIN(now, sk_model_ns(m, s->end));
}

/* Sums are known up to the first slice that has not ended. */
static void add_up(sk_profile_row *r, const sk_model *m)
{
    while (r->nbusy <= r->n) {
        uint32_t last = r->nbusy - 1;
        if (r->nbusy == 0) {
            *SK_GROW(r->busy, r->nbusy) = 0;
        } else if (last < r->n && m->slices[r->slices[last]].end != SK_NEVER) {
            int64_t sum = r->busy[last] + end_of(r, m, last, INT64_MAX) - begin_of(r, m, last);
            *SK_GROW(r->busy, r->nbusy) = sum;
        } else {
            break;
        }
    }
}

/* Takes a step into the sum over all workers. */
static void step(const sk_model_event *e, uint32_t *running)
{
    if (e->type == SK_TRACE_TASK)
        *running += (uint32_t)(e->to == SK_TASK_RUNNING) - (uint32_t)(e->from == SK_TASK_RUNNING);
}

static void follow_waits(sk_profile *p, const sk_model *m)
{
    for (; p->nseen < m->nwaits; p->nseen++)
        if (m->waits[p->nseen].task == SK_NO_INDEX)
            *SK_GROW(p->waits, p->nwaits) = p->nseen;
    while (p->nwait_end * SK_PROFILE_WAITS < p->nwaits)
        *SK_GROW(p->wait_end, p->nwait_end) = SK_NEVER;
    for (uint32_t b = 0; b < p->nwait_end; b++) {
        if (p->wait_end[b] != SK_NEVER && b + 1 < p->nwait_end)
            continue;
        p->wait_end[b] = 0;
        for (uint32_t i = b * SK_PROFILE_WAITS; i < MIN(p->nwaits, (b + 1) * SK_PROFILE_WAITS); i++)
            p->wait_end[b] = MAX(p->wait_end[b], m->waits[p->waits[i]].end);
    }
}

void sk_profile_follow(sk_profile *p, const sk_model *m)
{
    while (p->nrows < m->nworkers)
        memset(SK_GROW(p->rows, p->nrows), 0, sizeof *p->rows);
    for (; p->nslices < m->nslices; p->nslices++) {
        const sk_model_slice *s = &m->slices[p->nslices];
        sk_profile_row *r = &p->rows[s->worker][s->blocked];
        *SK_GROW(r->slices, r->n) = p->nslices;
    }
    for (uint32_t i = 0; i < p->nrows; i++)
        for (unsigned b = 0; b < 2; b++)
            add_up(&p->rows[i][b], m);
    follow_waits(p, m);
    if (!p->narea) {
        *SK_GROW(p->area, p->narea) = 0;
        *SK_GROW(p->running, p->nrunning) = 0;
    }
    for (sk_step k = (p->narea - 1) * EVERY; k + EVERY <= m->nsteps; k += EVERY) {
        int64_t area = p->area[p->narea - 1];
        uint32_t running = p->running[p->nrunning - 1];
        for (sk_step i = k; i < k + EVERY; i++) {
            area += (int64_t)running * (m->events[i].ns - sk_model_ns(m, i));
            step(&m->events[i], &running);
        }
        *SK_GROW(p->area, p->narea) = area;
        *SK_GROW(p->running, p->nrunning) = running;
    }
}

void sk_profile_clear(sk_profile *p)
{
    for (uint32_t i = 0; i < p->nrows; i++)
        for (unsigned b = 0; b < 2; b++) {
            g_free(p->rows[i][b].slices);
            g_free(p->rows[i][b].busy);
        }
    g_free(p->rows);
    g_free(p->area);
    g_free(p->running);
    g_free(p->waits);
    g_free(p->wait_end);
    *p = (sk_profile){ 0 };
}

uint32_t sk_profile_from(const sk_profile_row *r, const sk_model *m, int64_t ns)
{
    uint32_t low = 0, high = r->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (begin_of(r, m, middle) < ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t sk_profile_busy(const sk_profile_row *r, const sk_model *m, int64_t from, int64_t to, int64_t now, uint32_t *longest)
{
    uint32_t first = sk_profile_from(r, m, from), last = sk_profile_from(r, m, MIN(to, now));
    int64_t sum = 0, most = -1;
    *longest = SK_NO_INDEX;
    if (first && end_of(r, m, first - 1, now) > from) /* it began before */
        first--;
    if (first >= last)
        return 0;
    /* In the middle by the sums; the first and the last may reach out of the stretch. */
    uint32_t summed = MIN(last, r->nbusy - 1);
    if (summed > first)
        sum = r->busy[summed] - r->busy[first];
    for (uint32_t i = MAX(summed, first); i < last; i++)
        sum += end_of(r, m, i, now) - begin_of(r, m, i);
    sum -= MAX(0, from - begin_of(r, m, first));
    if (summed > first && summed == last) { /* was counted to its end */
        int64_t end = end_of(r, m, last - 1, INT64_MAX);
        sum -= MAX(0, end - MIN(to, now));
    } else {
        sum -= MAX(0, end_of(r, m, last - 1, now) - to);
    }
    uint32_t stride = (last - first + LOOKED_AT - 1) / LOOKED_AT;
    for (uint32_t i = first; i < last; i += stride) {
        int64_t length = MIN(end_of(r, m, i, now), to) - MAX(begin_of(r, m, i), from);
        if (length > most)
            most = length, *longest = r->slices[i];
    }
    return CLAMP(sum, 0, to - from);
}

int64_t sk_profile_work(const sk_profile *p, const sk_model *m, int64_t ns)
{
    sk_step k = sk_model_step_at(m, ns), at = MIN(k / EVERY, p->narea - 1);
    int64_t area = p->area[at];
    uint32_t running = p->running[at];
    for (sk_step i = at * EVERY; i < k; i++) {
        area += (int64_t)running * (m->events[i].ns - sk_model_ns(m, i));
        step(&m->events[i], &running);
    }
    return area + (int64_t)running * MAX(0, ns - sk_model_ns(m, k));
}
