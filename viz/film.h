/* film.h -- a run as pictures that follow each other: which state of the view each of them shows.
 *
 * The idea: show time and trace time, as in the window (window_time.c), but the whole of a stretch in so many seconds. Either each event takes the same
 * time, and what it changed moves to its place in a quarter of a second, several things at once where events come fast; or time passes as it
 * did. A picture's state is computed from its number alone: no clock, and any of them can be drawn first.
 *
 *     sk_film f;
 *     sk_film_init(&f, m, &(sk_film_plan){ .to = { m->nsteps, m->last } });
 *     for (uint32_t i = 0; i < f.frames; i++)
 *         sk_film_state(&f, i, &state), ... sk_frame_draw(view, memory, m, &state, ...) ... */
#ifndef SK_FILM_H
#define SK_FILM_H

#include "view.h"

typedef struct sk_moment { sk_step step; int64_t ns; } sk_moment; /* as in sk_view_state */
typedef struct sk_film_plan {
    sk_moment from, to;        /* of the first picture, the last one */
    double seconds;            /* how long it is; 0: half a second for each event, but 3 s at least, and 8 at most */
    unsigned fps;              /* pictures a second; 0: 15 */
    bool as_it_was;            /* time passes as it did; where none passes, events count all the same */
} sk_film_plan;

typedef struct sk_film {
    const sk_model *model;
    sk_film_plan plan;
    uint32_t frames;           /* one at least */
    float moving;              /* steps that a motion lasts */
} sk_film;

void sk_film_init(sk_film *f, const sk_model *m, const sk_film_plan *plan);
/* Picture i of f->frames: changes step, ns, motion and moving of *s, nothing else. */
void sk_film_state(const sk_film *f, uint32_t i, sk_view_state *s);
/* In 1/100 s; the last one is held. All of them together last as long as the film, to the hundredth. */
unsigned sk_film_hundredths(const sk_film *f, uint32_t i);

#endif
