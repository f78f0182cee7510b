/* window_main.h -- `skate view` with a window: from words of the command line to a window that is done. */
#ifndef SK_WINDOW_MAIN_H
#define SK_WINDOW_MAIN_H

#include "skate.h"
#include "window.h"

typedef struct sk_window_options {
    sk_model *model;             /* the window's from then on; NULL: the start screen */
    const char *path;            /* what to call it; the file, if it is one */
    sk_view_state state;         /* to begin with; without a model its theme and scale are enough. scale 0: what suits the display */
    sk_model *other[SK_RUNS]; const char *other_path[SK_RUNS]; unsigned others; /* to be compared with it; the window's from then on */
    const char *view, *script;   /* NULL: the first; NULL: a hand at a display */
    bool calm;
    const sk_window_live *live;  /* of a run that goes on; NULL: a file */
} sk_window_options;

/* Returns the exit status; what went wrong has been said. */
int sk_window_main(const sk_window_options *o);

#endif
