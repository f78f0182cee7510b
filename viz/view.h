/* view.h -- what a view is: a function from the model, a time and what the user has chosen, to a draw list.
 *
 * The idea: trace -> model (model.h) -> view -> draw list (draw.h) -> painter (paint.h). A view reads the model and its state and writes draw
 * items, nothing else: it knows no window, no mouse, no clock and no painter. Whoever owns the window (window_*.c, live) or the file
 * (view_main.c) owns the state, turns clicks into changes of the state by the hits of the draw list, and draws anew.
 *
 * A view may keep a *memory*: only what it could compute again from the model (places in a layout, sums), so that a frame of a
 * large run need not start from nothing. It grows with the model; a fresh memory gives the same picture (tests/view checks that).
 *
 * A new view: one file view_NAME.c with a const sk_view, one line in views[] of view.c, goldens by `tests/view/run BUILD --renew`. */
#ifndef SK_VIEW_H
#define SK_VIEW_H

#include "compare.h"
#include "draw.h"
#include "model.h"

/* What the user has chosen. Plain data, copied freely; zero (sk_view_state_init) is a good start. */
typedef struct sk_view_state {
    sk_step step;              /* the state shown is that at this step ... */
    int64_t ns;                /* ... and the time shown is this, not before the step: between two events bars go on growing */
    float motion;              /* 0 .. 1: how far what step `step` changed has moved to its new place; 1: it is there */
    float moving;              /* where events follow each other fast (film.h): a motion lasts so many steps, and several go on at once; 0: see motion */
    int64_t from, to;          /* the stretch of time to see; both 0: all of the run */
    float zoom, pan_x, pan_y;  /* of drawings without a time axis; zoom 0: all of it, else pixels per unit of the layout, and what is in the middle */
    uint32_t task;             /* selected; SK_NO_INDEX: none */
    uint32_t object;           /* selected */
    uint32_t worker, node;     /* picked in the Cluster view: index in workers[], in nodes[] */
    uint32_t fn;               /* only this function is in colour; SK_NO_INDEX: all */
    uint32_t site;             /* only tasks submitted on the line of this site are; SK_NO_INDEX: all */
    uint32_t fold;             /* above so many tasks the graph shows groups; 0: 1500 */
    uint32_t unfolded[16];     /* these groups are shown by their tasks all the same */
    uint32_t nunfolded;
    float scroll;              /* the first lane, where they do not all fit; a slow hand moves it by parts of one */
    uint32_t file;             /* Code: 1 + which file; 0: that of the selected task */
    float row;                 /* Code: 1 + the first row that is shown; 0: so that the line of the selected task is among them */
    const sk_runs *runs;       /* Compare: all of them, the one that the other views show among them; NULL: there is but that one. Borrowed */
    bool normal;               /* Compare: all runs are drawn as long as each other */
    bool flip;                 /* the graph grows to the right instead of down */
    bool all_edges;            /* edges even where there are too many to read */
    bool critical;             /* the critical path is picked out (critical.h) */
    sk_theme theme;
    float scale;               /* of all text and distances: 0.75 .. 3; 0: 1 */
} sk_view_state;

typedef struct sk_view_in {
    const sk_model *model;
    const sk_view_state *state;
    const sk_palette *palette;
    sk_rect area;              /* where to draw; the view clips to it itself */
    float unit;                /* pixels per unit: multiply every distance and text size by it */
} sk_view_in;

/* What a hand does to a picture: pulls it by dx, dy pixels, and makes it `factor` times as large, around x, y, which stays where it is. Or turns
 * it: to its next file, or its other axis, where it has one. */
typedef struct sk_view_move { float x, y, dx, dy, factor; bool turn; } sk_view_move;

typedef struct sk_view {
    const char *name, *title;  /* --view name; the tab */
    char key;                  /* '1' ... */
    void *(*open)(void);       /* its memory; NULL: it needs none */
    void (*close)(void *memory);
    void (*draw)(void *memory, const sk_view_in *in, sk_draw *out);
    /* Changes what is to be seen (from, to, zoom, pan, scroll); NULL: it cannot be changed. */
    void (*move)(void *memory, const sk_view_in *in, sk_view_state *s, const sk_view_move *by);
} sk_view;

extern const sk_view sk_view_graph, sk_view_reduce, sk_view_timeline, sk_view_cluster, sk_view_stats, sk_view_compare, sk_view_code;

/* All of them, in the order of their keys, up to a NULL. */
extern const sk_view *const sk_views[];
const sk_view *sk_view_find(const char *name); /* NULL: there is none of that name */

/* At the end of the run, nothing selected. */
void sk_view_state_init(sk_view_state *s, const sk_model *m);
/* How far what step k changed has moved to its new place: 0 .. 1. */
static inline float sk_view_motion(const sk_view_state *s, sk_step k)
{
    float far = s->moving > 0 && k <= s->step ? ((float)(s->step - k) + s->motion) / s->moving : k == s->step ? s->motion : 1;
    return far < 1 ? far : 1;
}
/* The palette for pictures of this run: its functions look as they do in the other runs of the state, if there are any. */
sk_palette sk_view_palette(const sk_view_state *s, const sk_model *m);
/* To a time that somebody has written: "12ms", "50%" (of the run), "step:120". false: it is none. */
bool sk_view_seek_text(sk_view_state *s, const sk_model *m, const char *when);
/* The same where more is shown than this run: "50%" is of first .. last, and a time before or after them is the nearest of them. */
bool sk_view_seek_within(sk_view_state *s, const sk_model *m, const char *when, int64_t first, int64_t last);
/* Is that after the end, of which this is the time? Then the end, as somebody would write it; else NULL. */
const char *sk_view_beyond(const sk_model *m, const char *when, int64_t last, char end[16]);
/* To this time, or this step. */
void sk_view_seek(sk_view_state *s, const sk_model *m, int64_t ns);
void sk_view_step(sk_view_state *s, const sk_model *m, sk_step k);

/* The whole picture of width x height: the view with its frame (title and tabs above; inspector at the right if something is selected;
 * legend and status line below). Small pictures leave parts of the frame out. `memory` is the view's. */
void sk_frame_draw(const sk_view *view, void *memory, const sk_model *m, const sk_view_state *s, float width, float height, sk_draw *out);

/* Where in it the view itself is; and the view's own move there. */
sk_rect sk_frame_area(const sk_model *m, const sk_view_state *s, float width, float height);
void sk_frame_move(const sk_view *view, void *memory, const sk_model *m, sk_view_state *s, float width, float height, const sk_view_move *by);

/* ---- For views: words and parts that several use ---- */
void sk_inspector_draw(const sk_view_in *in, sk_draw *out);
void sk_legend_draw(const sk_view *view, const sk_view_in *in, sk_draw *out); /* in Compare of the functions of all runs */
/* Who waits in sk_wait, sk_get ... and for what: the driver's wait, or that of the selected task, as a row. */
void sk_tray_draw(const sk_view_in *in, sk_draw *out, sk_rect label, sk_rect box);
/* A task's tooltip: who it is, its state, where and how long it ran, its value. */
const char *sk_view_tip(const sk_view_in *in, uint32_t task, char buf[512]);
/* A box for a task in its state: fill, border, pattern, mark; greyed if another function is picked out; a halo if selected. */
void sk_view_task_box(const sk_view_in *in, sk_draw *out, uint32_t task, sk_rect box);
/* How far tasks are, as a bar of parts: done, running and blocked, failed, cancelled, ready; what is left of `all` is to come. */
void sk_view_bar(const sk_view_in *in, sk_draw *out, const uint32_t states[SK_TASK_CANCELLED + 1], uint32_t all, uint32_t fn, sk_rect box);
/* Does the state pick out another function than this? */
static inline bool sk_view_is_grey(const sk_view_in *in, uint32_t fn) { return in->state->fn != SK_NO_INDEX && in->state->fn != fn; }
/* Is the task on the critical path, and that to be seen? And does the state pick out other tasks than this: of a function, a line, that path? */
bool sk_view_is_critical(const sk_view_in *in, uint32_t task);
bool sk_view_is_dim(const sk_view_in *in, uint32_t task);

#endif
