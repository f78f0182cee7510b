/* storyboard.h -- a run as a few pictures beside each other, for a slide: the most telling moments, each with a caption.
 *
 * The idea: the run is cut into many short stretches, half by time and half by events, so that neither a long sleep nor a burst takes all of them.
 * Where it starts and ends is always shown; then what went wrong, half of the pictures at most; then where most changes, far from what is shown
 * already: at the end of that stretch. The caption is what has happened most since the picture before ("t = 2.00 s: 10 tasks of f2 start").
 * Of several runs that are compared the moments are where one of them ends, and halves of what lies between.
 *
 *     sk_key keys[6];
 *     uint32_t n = sk_storyboard_pick(m, 0, m->nsteps, keys, 6);
 *     sk_storyboard_draw(view, memory, m, &state, keys, n, 1600, 900, out); */
#ifndef SK_STORYBOARD_H
#define SK_STORYBOARD_H

#include "view.h"

enum { SK_STORYBOARD_MOST = 24 };

/* ns: may be after the end of the run, while others go on. brief: the caption where a picture has no room for it; "": it is cut off, then */
typedef struct sk_key { sk_step step; int64_t ns; char caption[200], brief[120]; } sk_key;

/* In the order of time, `most` (1 .. SK_STORYBOARD_MOST) or, where less happens, fewer: one at least. */
uint32_t sk_storyboard_pick(const sk_model *m, sk_step from, sk_step to, sk_key *keys, uint32_t most);
/* Of several runs, on the clock of the one that the views show: where each of them ends, and in between; the captions say how far each of them is.
 * parts: as sk_view_state.normal. O(events) */
uint32_t sk_storyboard_pick_runs(const sk_runs *runs, const sk_model *shown, bool parts, int64_t from, int64_t to, sk_key *keys, uint32_t most);
/* On that clock: from the first submission, which all have in common, to the end of the longest. O(events) */
void sk_storyboard_span(const sk_runs *runs, const sk_model *shown, bool parts, int64_t *from, int64_t *to);
/* `state`: all but the time. `memory` is the view's. */
void sk_storyboard_draw(const sk_view *view, void *memory, const sk_model *m, const sk_view_state *state, const sk_key *keys, uint32_t n, float width,
                        float height, sk_draw *out);

#endif
