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

/* An option that is not here says itself what is made. */
static const struct { const char *name; int makes; const char *views; } rules[] = {
    { "view", SHOWN, NULL },
    { "at", SK_MAKE_WINDOW | SK_MAKE_SCRIPT | SK_MAKE_PICTURE | SK_MAKE_STATE, NULL },
    { "size", PICTURES, NULL },
    { "theme", SHOWN, NULL },
    { "scale", SHOWN, NULL },
    { "select", OF_FILE, NULL },
    { "fold", OF_FILE, "graph" },
    { "flip", OF_FILE, "graph" },
    { "parts", OF_FILE, "compare" },
    { "critical", OF_FILE, "graph reduce timeline cluster" },
    { "calm", WINDOWS, NULL },
    { "from", SK_MAKE_FILM | SK_MAKE_STORYBOARD, NULL },
    { "to", SK_MAKE_FILM | SK_MAKE_STORYBOARD, NULL },
    { "frames", SK_MAKE_STORYBOARD, NULL },
    { "fps", SK_MAKE_FILM, NULL },
    { "seconds", SK_MAKE_FILM, NULL },
    { "pace", SK_MAKE_FILM, NULL },
    { "strict", OF_FILE | SK_MAKE_STATE, NULL },
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

char *sk_options_wrong(const GOptionEntry *e, sk_make make, const char *view)
{
    for (; e->long_name; e++)
        for (unsigned i = 0; i < G_N_ELEMENTS(rules) && sk_option_is_given(e); i++) {
            if (strcmp(e->long_name, rules[i].name))
                continue;
            if (!(rules[i].makes & make))
                return words(e->long_name, rules[i].makes, make);
            if (rules[i].views && make & PICTURES && !is_among(view, rules[i].views)) {
                g_auto(GStrv) each = g_strsplit(rules[i].views, " ", -1);
                g_autofree char *names = g_strjoinv(", ", each);
                return g_strdup_printf("--%s is for the view%s %s; this is %s", e->long_name, each[1] ? "s" : "", names, view);
            }
        }
    return NULL;
}

int sk_options_usage(const char *what, const char *which)
{
    fprintf(stderr, "skate view: %s%s; see skate view --help\n", what, which ? which : "");
    return 2;
}
