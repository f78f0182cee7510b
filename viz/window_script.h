/* window_script.h -- a window driven by a text, without a display, and with a clock that only the text moves: for tests, and for pictures of
 * what a hand would do. A line a command; # begins a comment. */
#ifndef SK_WINDOW_SCRIPT_H
#define SK_WINDOW_SCRIPT_H

#include "skate.h"
#include "window.h"

#define SK_SCRIPT_HELP                                                             \
    "  size W H [PER]        the window's pixels, and pixels per unit\n"            \
    "  key NAME              press a key: a, ?, Space, Tab, Home, Ctrl+f ...\n"     \
    "  text WORDS            type\n"                                                \
    "  move AT               the mouse; AT: X Y, or what is there: task-7, view-1\n" \
    "  click AT [shift]      the first button\n"                                    \
    "  drag AT by DX DY [shift]\n"                                                  \
    "  wheel N AT [shift|ctrl]\n"                                                   \
    "  wait MS               time passes, in frames of 1/60 s\n"                    \
    "  wait-for NAME VALUE   until `dump` says so, a minute at most\n"              \
    "  check NAME VALUE      an error unless `dump` says so\n"                      \
    "  dump [FILE]           the window's state, a line each\n"                     \
    "  draw [FILE]           the draw list\n"                                       \
    "  shot FILE.png         the picture\n"

/* Runs it until its end, or the window is done. false and *err at the first line that cannot be done: it names the line. */
bool sk_script_run(sk_window *w, const char *path, sk_error *err);

#endif
