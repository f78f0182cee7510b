/* window.h -- the window, without a window system: what it shows, what keys and the mouse change, and when it must be drawn anew.
 *
 * The idea: a state machine. Inputs and the time come in, a draw list goes out; nothing here reads a clock, a font or a device. So a script
 * (window_script.h) drives it as a hand does (window_sdl.c), and a test sees each picture.
 *
 *     sk_window *w = sk_window_new(&(sk_window_setup){ .model = m, .path = "run.sktrace" });
 *     sk_window_input(w, &(sk_input){ SK_INPUT_KEY, .key = ' ' });
 *     int64_t pause = sk_window_tick(w, now_ns);               how long nothing will change by itself
 *     const sk_draw *d = sk_window_draw(w);                    if w->stale
 *
 * Two clocks: the *show* time (sk_window_tick's) is the student's, the *trace* time (w->state.ns) the run's. The player (window_time.c) moves
 * the second by the first: so many times slower, or the same time for each event, or one step.
 *
 * Files: window.c inputs and commands · window_time.c the player · window_look.c pan and zoom, selection, finding · window_draw.c transport
 * bar, overlays · window_predict.c questions · window_start.c the screen without a file · keys.h the table of commands. */
#ifndef SK_WINDOW_H
#define SK_WINDOW_H

#include "keys.h"
#include "predict.h"
#include "view.h"

/* ---- What comes in ----------------------------------------------------------------------------------------------------------------- */

typedef enum sk_input_kind {
    SK_INPUT_KEY,     /* key: with SK_CTRL, SK_SHIFT (keys.h) */
    SK_INPUT_MOVE,    /* to x, y */
    SK_INPUT_PRESS,   /* the first button, at x, y; mods */
    SK_INPUT_RELEASE,
    SK_INPUT_WHEEL,   /* by: steps up; mods */
    SK_INPUT_SIZE,    /* x, y: pixels of the window; by: pixels per unit (0: as before) */
    SK_INPUT_LEAVE,   /* the mouse is elsewhere */
    SK_INPUT_QUIT,
} sk_input_kind;
typedef struct sk_input {
    sk_input_kind kind;
    uint32_t key, mods;
    float x, y, by;
} sk_input;

/* A run that goes on (sim/live.h): what the window may ask of it. NULL: it cannot. Called from the window's thread only. */
typedef struct sk_window_live {
    void *of;
    int fd;                                            /* readable when there is something to take; -1: ask every frame */
    uint32_t (*take)(void *of, sk_model *m);           /* takes what has come into the model; how many events */
    const char *(*status)(void *of);                   /* "attached to 4711", "it has ended"; borrowed */
    bool (*gate)(void *of, bool held);                 /* hold new tasks back, or let them go */
    bool (*release)(void *of);                         /* let one go */
    bool (*kill)(void *of, uint32_t node, int worker); /* worker -1: the node */
    bool (*is_held)(void *of);                         /* are they held back now? NULL: as the window has asked */
    const char *(*refusal)(void *of);                  /* why it did not do what it was asked, once; else NULL. NULL: it never says */
} sk_window_live;

typedef struct sk_window_setup {
    sk_model *model;                     /* the window's from then on; NULL: the start screen */
    const char *path;                    /* of its file, or what to call it */
    const sk_window_live *live;          /* borrowed; NULL: a file */
    const char *view;                    /* its name; NULL: the first */
    const char *lessons, *recent, *runner; /* for the start screen: a folder, a file, the `skate` command; NULL: none */
    sk_theme theme;
    float scale;                         /* 0: 1 */
    bool calm;                           /* without motion */
} sk_window_setup;

/* ---- The window. Read what you like ------------------------------------------------------------------------------------------------ */

enum { SK_WINDOW_VIEWS = 16, SK_WINDOW_MARKS = 32, SK_WINDOW_TEXT = 160, SK_SPEEDS = 13, SK_NORMAL_SPEED = 10 };
extern const double sk_speeds[SK_SPEEDS]; /* 1/1000 .. 10; [SK_NORMAL_SPEED] is 2 */

typedef struct sk_player {
    bool playing, equal, calm, follow;   /* equal: the same time for each event; follow: the live edge */
    bool stopped;                        /* a breakpoint has shut the gate: to open it is to follow again */
    unsigned speed;                      /* in sk_speeds */
    int64_t now, moved;                  /* show time: of this tick; of when the last step began to move to its place */
    double rest;                         /* of the show time that did not make a whole event yet */
    uint32_t marks[SK_WINDOW_MARKS], nmarks; /* bookmarks: steps, in order */
    uint8_t *breaks;                     /* by function: stop where it starts */
    uint32_t nbreaks;
} sk_player;

typedef struct sk_quiz {               /* predict mode */
    bool on, told;                       /* told: it has been answered */
    unsigned chosen, asked, right;       /* the answer; so many were given, so many of them right */
    unsigned over;                       /* sorts of questions that do not come again */
    sk_question question;
} sk_quiz;

typedef enum sk_drag { SK_DRAG_NONE, SK_DRAG_PRESSED, SK_DRAG_PAN, SK_DRAG_TIME, SK_DRAG_MEASURE } sk_drag;

typedef struct sk_window {
    sk_model *model;                     /* NULL: the start screen is shown */
    char *path;
    const sk_window_live *live;
    sk_runs runs;                        /* that are compared, `model` among them; n 0: there is but that one */
    struct { uint32_t at[SK_WINDOW_MARKS], n; } marks[SK_RUNS]; /* bookmarks of those that are not shown */
    sk_view_state state;
    unsigned view, nviews;               /* in sk_views */
    void *memory[SK_WINDOW_VIEWS];
    struct { float zoom, pan_x, pan_y, scroll; } eye[SK_WINDOW_VIEWS]; /* of the views that are not shown: each has its own */
    sk_player player;
    sk_quiz quiz;
    struct sk_start *start;
    float width, height, unit;           /* pixels; unit: pixels per unit before the user's scale (HiDPI) */

    float x, y;                          /* the mouse; x < 0: elsewhere */
    sk_drag drag;
    float from_x, from_y;                /* where it was pressed */
    uint32_t measure;                    /* mods of the press */
    sk_hit over;                         /* what it is over */

    bool help, finding, held, done;      /* held: the gate is shut */
    bool asking;                         /* "kill worker 3 of node 0? Y: yes": */
    uint32_t asked_node;                 /* whom: as it was when it was asked */
    int asked_worker;
    char question[SK_WINDOW_TEXT];
    char find[64], message[SK_WINDOW_TEXT], status[240]; /* status: what the live run was when it was drawn last */
    const char *error;                   /* and what the model said of it */
    uint64_t dropped;
    int64_t message_until;               /* show time */
    char *picture;                       /* F12 asks whoever paints to write this file (sk_window_write) */
    unsigned pictures;

    sk_draw *draw;
    uint32_t base;                       /* so many of its items are the view's frame ... */
    uint64_t serial;                     /* ... which is another one when this changes */
    uint32_t base_points, base_hits, base_clips, base_chars;
    bool stale, top_stale;               /* all must be drawn anew; only what lies above the frame */
    uint32_t *density, ndensity;         /* events per column of the scrubber */
    sk_step density_steps;
    double frame_ms;                     /* how long the last picture took, as whoever paints says; 0: unknown */
} sk_window;

sk_window *sk_window_new(const sk_window_setup *setup);
void sk_window_free(sk_window *w); /* its model too; NULL is fine */
void sk_window_input(sk_window *w, const sk_input *in);
void sk_window_do(sk_window *w, sk_command_id id);
/* It is `now` (ns, never less than before): the player goes on, live events are taken, messages end. Returns for how many ns nothing will change
 * by itself: 0: draw the next frame; INT64_MAX: until an input comes. */
int64_t sk_window_tick(sk_window *w, int64_t now);
/* The picture, drawn anew where it is stale. */
const sk_draw *sk_window_draw(sk_window *w);
/* Shows another run, or the start screen (NULL). The model is the window's from then on. */
void sk_window_show(sk_window *w, sk_model *m, const char *path);
/* One more run, to be compared (SK_RUNS in all). The model is the window's from then on. */
void sk_window_add(sk_window *w, sk_model *m, const char *path);
void sk_window_say(sk_window *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes the picture that F12 has asked for, if any. */
void sk_window_write(sk_window *w);
/* What the window is in, a line each ("playing no"), for tests. */
void sk_window_print(const sk_window *w, FILE *out);

#endif
