/* options.h -- which options of `skate view` go together: one table for all of them. What would be ignored is an error.
 *
 *     char *wrong = sk_options_wrong(entries, SK_MAKE_PICTURE, "reduce", 1);     "--fold is for the view graph; this is reduce" */
#ifndef SK_OPTIONS_H
#define SK_OPTIONS_H

#include <limits.h>

#include <glib.h>

/* What a call of it makes. */
typedef enum sk_make {
    SK_MAKE_WINDOW = 1, SK_MAKE_SCRIPT = 2, SK_MAKE_PICTURE = 4, SK_MAKE_STATE = 8, SK_MAKE_FILM = 16, SK_MAKE_STORYBOARD = 32, SK_MAKE_LIVE = 64,
    SK_MAKE_START = 128, /* the start screen: a window without a file */
} sk_make;

enum { SK_UNSET = INT_MIN }; /* what a number is before it is given: 0 is a wrong number, not none */

/* Has this option been given? Of numbers: is it not SK_UNSET. */
gboolean sk_option_is_given(const GOptionEntry *entry);
/* The first option of these that has been given though what is made, of so many files, has no use for it, in words; NULL: there is none. The caller's.
 * Nor has one view of one run a use for more files. In windows, which go from view to view, an option may be for another view. */
char *sk_options_wrong(const GOptionEntry *entries, sk_make make, const char *view, int files);
/* Says it on standard error; returns the exit status. which: may be NULL. */
int sk_options_usage(const char *what, const char *which);

#endif
