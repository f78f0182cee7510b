/* storyboard.h -- a run as a few pictures beside each other, for a slide: the most telling moments, each with a caption.
 *
 * The idea: the run is cut into many short stretches, half by time and half by events, so that neither a long sleep nor a burst takes all of them.
 * Where it starts and ends is always shown; then what went wrong, half of the pictures at most; then where most changes, far from what is shown
 * already: at the end of that stretch. The caption is what has happened most since the picture before ("t = 2.00 s: 10 tasks of f2 start").
 *
 *     sk_key keys[6];
 *     uint32_t n = sk_storyboard_pick(m, 0, m->nsteps, keys, 6);
 *     sk_storyboard_draw(view, memory, m, &state, keys, n, 1600, 900, out); */
#ifndef SK_STORYBOARD_H
#define SK_STORYBOARD_H

#include "view.h"

enum { SK_STORYBOARD_MOST = 24 };

typedef struct sk_key { sk_step step; char caption[200]; } sk_key;

/* In the order of time, `most` (1 .. SK_STORYBOARD_MOST) or, where less happens, fewer: one at least. */
uint32_t sk_storyboard_pick(const sk_model *m, sk_step from, sk_step to, sk_key *keys, uint32_t most);
/* `state`: all but the time. `memory` is the view's. */
void sk_storyboard_draw(const sk_view *view, void *memory, const sk_model *m, const sk_view_state *state, const sk_key *keys, uint32_t n, float width,
                        float height, sk_draw *out);

#endif
