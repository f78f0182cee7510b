/* film.c -- see film.h. */
#include "film.h"

#include <math.h>

#include <glib.h>

enum { FPS = 15, LEAST_S = 3, MOST_S = 8, HOLD = 200 }; /* HOLD: of the last picture, in 1/100 s */
static const double event_s = 0.5, motion_s = 0.25;

void sk_film_init(sk_film *f, const sk_model *m, const sk_film_plan *plan)
{
    *f = (sk_film){ .model = m, .plan = *plan };
    sk_film_plan *p = &f->plan;
    double steps = (double)p->to.step - (double)p->from.step;
    p->fps = p->fps ? p->fps : FPS;
    p->as_it_was &= p->to.ns > p->from.ns;
    if (p->seconds <= 0)
        p->seconds = CLAMP(steps * event_s, LEAST_S, MOST_S);
    bool still = steps <= 0 && p->to.ns <= p->from.ns;
    f->frames = still ? 1 : 1 + (uint32_t)MAX(1, lround(p->seconds * p->fps));
    f->moving = p->as_it_was ? 0 : (float)(motion_s / p->seconds * steps);
}

void sk_film_state(const sk_film *f, uint32_t i, sk_view_state *s)
{
    const sk_moment *from = &f->plan.from, *to = &f->plan.to;
    const sk_model *m = f->model;
    double part = f->frames > 1 ? (double)i / (double)(f->frames - 1) : 1;
    s->moving = 0, s->motion = 1;
    if (i + 1 >= f->frames) {
        s->step = to->step, s->ns = to->ns;
    } else if (f->plan.as_it_was) {
        s->ns = from->ns + (int64_t)(part * (double)(to->ns - from->ns));
        s->step = CLAMP(sk_model_step_at(m, s->ns), from->step, to->step);
    } else {
        double at = from->step + part * ((double)to->step - (double)from->step);
        s->step = (sk_step)at;
        s->motion = (float)(at - s->step);
        s->moving = f->moving;
        int64_t now = MAX(sk_model_ns(m, s->step), from->ns), next = MIN(s->step < to->step ? sk_model_ns(m, s->step + 1) : to->ns, to->ns);
        s->ns = now + (int64_t)((double)s->motion * (double)MAX(next - now, 0)); /* bars grow from event to event */
    }
}

unsigned sk_film_hundredths(const sk_film *f, uint32_t i)
{
    long begin = lround(i * 100.0 / f->plan.fps), end = lround((i + 1) * 100.0 / f->plan.fps);
    return (unsigned)(end - begin) + (i + 1 == f->frames ? HOLD : 0);
}
