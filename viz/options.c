/* options.c -- see options.h. */
#include "options.h"

#include <stdio.h>
#include <string.h>

enum {
    PICTURES = SK_MAKE_PICTURE | SK_MAKE_FILM | SK_MAKE_STORYBOARD,
    OF_FILE = PICTURES | SK_MAKE_WINDOW | SK_MAKE_SCRIPT,
    WINDOWS = SK_MAKE_WINDOW | SK_MAKE_SCRIPT | SK_MAKE_LIVE | SK_MAKE_START,
    SHOWN = PICTURES | WINDOWS,
};

static const struct { sk_make bit; const char *name; } makes[] = {
    { SK_MAKE_WINDOW, "a window with a FILE" }, { SK_MAKE_START, "a window without one" }, { SK_MAKE_LIVE, "--attach" }, { SK_MAKE_SCRIPT, "--script" },
    { SK_MAKE_PICTURE, "-o" }, { SK_MAKE_FILM, "--gif" }, { SK_MAKE_STORYBOARD, "--storyboard" }, { SK_MAKE_STATE, "--state" },
};

/* An option that is not here says itself what is made. views: where it is seen; NULL: in all. That counts for what is made of one view, and so not for
 * windows: of these makes. several: it is of several runs. */
static const struct { const char *name; int makes; const char *views; int viewed; gboolean several; } rules[] = {
    { "view", SHOWN, NULL, 0, FALSE },
    { "at", SK_MAKE_WINDOW | SK_MAKE_SCRIPT | SK_MAKE_PICTURE | SK_MAKE_STATE, NULL, 0, FALSE },
    { "size", PICTURES, NULL, 0, FALSE },
    { "theme", SHOWN, NULL, 0, FALSE },
    { "scale", SHOWN, NULL, 0, FALSE },
    { "select", OF_FILE, "graph reduce timeline cluster code", SK_MAKE_STORYBOARD, FALSE }, /* a storyboard has no inspector ... */
    { "fold", OF_FILE, "graph", PICTURES, FALSE },
    { "flip", OF_FILE, "graph", PICTURES, FALSE },
    { "parts", OF_FILE, "compare", PICTURES, TRUE },
    { "critical", OF_FILE, "graph reduce timeline cluster", SK_MAKE_STORYBOARD, FALSE }, /* ... and no status line */
    { "calm", WINDOWS, NULL, 0, FALSE },
    { "secret-file", SK_MAKE_LIVE, NULL, 0, FALSE },
    { "from", SK_MAKE_FILM | SK_MAKE_STORYBOARD, NULL, 0, FALSE },
    { "to", SK_MAKE_FILM | SK_MAKE_STORYBOARD, NULL, 0, FALSE },
    { "frames", SK_MAKE_STORYBOARD, NULL, 0, FALSE },
    { "fps", SK_MAKE_FILM, NULL, 0, FALSE },
    { "seconds", SK_MAKE_FILM, NULL, 0, FALSE },
    { "pace", SK_MAKE_FILM, NULL, 0, FALSE },
    { "strict", OF_FILE | SK_MAKE_STATE, NULL, 0, FALSE },
};

gboolean sk_option_is_given(const GOptionEntry *e)
{
    switch (e->arg) {
    case G_OPTION_ARG_NONE: return *(gboolean *)e->arg_data;
    case G_OPTION_ARG_INT: return *(int *)e->arg_data != SK_UNSET;
    default: return *(char **)e->arg_data != NULL;
    }
}

static void list(GString *text, int set)
{
    int left = set;
    for (unsigned i = 0; i < G_N_ELEMENTS(makes); i++) {
        if (!(left & makes[i].bit))
            continue;
        left &= ~makes[i].bit;
        g_string_append_printf(text, "%s%s", text->len == 0 ? "" : left ? ", " : " or ", makes[i].name);
    }
}

static char *words(const char *option, int wanted, int made)
{
    GString *for_what = g_string_new(NULL), *what = g_string_new(NULL);
    list(for_what, wanted);
    list(what, made);
    char *all = g_strdup_printf("--%s is for %s; this is %s", option, for_what->str, what->str);
    g_string_free(for_what, TRUE);
    g_string_free(what, TRUE);
    return all;
}

static gboolean is_among(const char *view, const char *views)
{
    g_auto(GStrv) each = g_strsplit(views, " ", -1);
    return g_strv_contains((const char *const *)each, view);
}

static char *view_words(const char *option, const char *views, int viewed, const char *view)
{
    g_auto(GStrv) each = g_strsplit(views, " ", -1);
    g_autofree char *names = g_strjoinv(", ", each);
    return g_strdup_printf("--%s%s is for the view%s %s; this is %s", option, viewed == SK_MAKE_STORYBOARD ? " with --storyboard" : "", each[1] ? "s" : "", names,
                           view);
}

char *sk_options_wrong(const GOptionEntry *e, sk_make make, const char *view, int files)
{
    for (; e->long_name; e++)
        for (unsigned i = 0; i < G_N_ELEMENTS(rules) && sk_option_is_given(e); i++) {
            if (strcmp(e->long_name, rules[i].name))
                continue;
            if (!(rules[i].makes & make))
                return words(e->long_name, rules[i].makes, make);
            if (rules[i].viewed & make && !is_among(view, rules[i].views))
                return view_words(e->long_name, rules[i].views, rules[i].viewed, view);
            if (rules[i].several && make & PICTURES && files < 2)
                return g_strdup_printf("--%s is for several FILEs; this is one", e->long_name);
        }
    if (files > 1 && make & PICTURES && strcmp(view, "compare"))
        return g_strdup_printf("several FILEs are for the view compare; this is %s: name one", view);
    return NULL;
}

int sk_options_usage(const char *what, const char *which)
{
    fprintf(stderr, "skate view: %s%s; see skate view --help\n", what, which ? which : "");
    return 2;
}
