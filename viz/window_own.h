/* window_own.h -- what the files of the window (window.h) do for each other. */
#ifndef SK_WINDOW_OWN_H
#define SK_WINDOW_OWN_H

#include "window.h"

/* ---- window.c ---- */
bool sk_window_is_live(const sk_window *w);                     /* more may come */
bool sk_window_goes(const sk_window *w);                        /* Space would stop it: the run, or the player */
void sk_window_go_to_run(sk_window *w, unsigned run);           /* the views show this one of those that are compared */

/* ---- window_time.c: the player ---- */
void sk_window_time_init(sk_window *w);                         /* for another model */
bool sk_window_time_do(sk_window *w, sk_command_id id);         /* false: not one of its commands */
int64_t sk_window_time_tick(sk_window *w, int64_t passed);      /* as sk_window_tick; `passed` since the last */
void sk_window_seek(sk_window *w, int64_t ns);
void sk_window_to_step(sk_window *w, sk_step k);                /* there at once */
void sk_window_mark_at(sk_window *w, sk_step k);

/* ---- window_look.c: pan and zoom, selection, finding ---- */
bool sk_window_look_do(sk_window *w, sk_command_id id);
void sk_window_zoom(sk_window *w, float x, float y, float factor);
void sk_window_pan(sk_window *w, float dx, float dy);
void sk_window_select(sk_window *w, uint32_t task);
void sk_window_click(sk_window *w, sk_hit hit);
/* Selects the next task (+1) or the one before (-1) that fits w->find; says so if there is none. */
void sk_window_find(sk_window *w, int way);

/* ---- window_draw.c: what lies above the view's frame ---- */
typedef struct sk_window_places { /* in pixels */
    sk_rect frame, bar, scrubber, box;                          /* box: where the view itself is, about: the frame without its edges */
} sk_window_places;
sk_window_places sk_window_where(const sk_window *w);
float sk_window_unit(const sk_window *w);                       /* pixels per unit, the user's scale included */
void sk_window_draw_top(sk_window *w);

/* ---- window_predict.c: predict mode ---- */
void sk_window_predict(sk_window *w);                           /* begins, or ends */
void sk_window_predict_answer(sk_window *w, unsigned answer);   /* from 0; once it is told: on to the next question */
bool sk_window_predict_key(sk_window *w, uint32_t key);         /* true: it was for predict mode */
bool sk_window_predict_forbids(sk_window *w, sk_command_id id); /* says so: time would go on and show the answer */
void sk_window_predict_draw(sk_window *w);

/* ---- window_start.c: the start screen ---- */
struct sk_start *sk_start_new(const sk_window_setup *setup);
void sk_start_free(struct sk_start *s);
void sk_start_remember(struct sk_start *s, const char *path);   /* among the recent files */
void sk_start_draw(sk_window *w, sk_draw *d);
bool sk_start_key(sk_window *w, uint32_t key);                  /* true: it was for the start screen */
void sk_start_choose(sk_window *w, uint32_t entry);             /* opens it, or runs it first */
int64_t sk_start_tick(sk_window *w);                            /* as sk_window_tick */

#endif
