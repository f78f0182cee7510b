/* view_main.c -- skate view: a run in a window, or a picture of it in a file. Options in, then: the window (window_main.h), or model, view, frame,
 * painter. Exit status: 0, 1 if the trace cannot be read, the picture not be written, or there is no display, 2 for wrong usage. Pictures need none. */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "film_main.h"
#include "options.h"
#include "window_live.h"
#include "paint.h"
#include "view.h"
#include "window_main.h"
#include "window_script.h"

static const char help[] =
    "Without -o: in a window; without a file: lessons to run, and recent files. Two to four files: they are compared.\n"
    "What OUT ends with decides what it is: .png, .svg (with tooltips), .pdf, or .txt (the list of what is drawn).\n"
    "With --gif, OUT.gif is a film: the run played as in the window, in up to 8 seconds; its end is held.\n"
    "An option that what is made has no use for is an error.\n"
    "Without --scale a window on X11 is as large as GDK_SCALE and GDK_DPI_SCALE say, else by the dots per inch of the display (Xft.dpi).\n"
    "T is a time since the program called sk_init: 12ms, 1.5s, 800us, 50% (of the run), or step:120 (after 120 events).\n"
    "Of compared runs it is on the clock of the one that is named first; 50% is of the time from the first submission to the last end of any of them.\n"
    "What is beyond the end is taken as the end, and that is said.\n"
    "\n"
    "Example:\n"
    "  skate run --trace run.sktrace build/lessons/06-tree-reduction\n"
    "  skate view run.sktrace\n"
    "  skate run --view --gate build/lessons/06-tree-reduction\n"
    "  skate view --attach lab-01:7001 --secret-file ~/.skate-secret\n"
    "  skate view run.sktrace -o graph.png\n"
    "  skate view run.sktrace -o half.svg --view timeline --at 50% --theme dark\n"
    "  skate view threads.sktrace tcp.sktrace\n"
    "  skate view one.sktrace two.sktrace four.sktrace -o compared.png\n"
    "  skate view run.sktrace --gif run.gif --view reduce --from 20% --to 80% --seconds 6\n"
    "  skate view run.sktrace --storyboard board.svg --frames 4\n"
    "  skate view run.sktrace -o big.pdf --view graph --size 1920x1080 --scale 150 --select 7";

static bool parse_size(const char *text, int *width, int *height)
{
    char *end;
    long w = strtol(text, &end, 10), h = *end == 'x' ? strtol(end + 1, &end, 10) : 0;
    *width = (int)CLAMP(w, 0, 100000);
    *height = (int)CLAMP(h, 0, 100000);
    return !*end && w >= 50 && h >= 50 && w <= 20000 && h <= 20000;
}

static char *view_names(void)
{
    GString *names = g_string_new(NULL);
    for (unsigned i = 0; sk_views[i]; i++)
        g_string_append_printf(names, "%s%s", i ? ", " : "", sk_views[i]->name);
    return g_string_free(names, FALSE);
}

static char *help_and_keys(void)
{
    char *keys = NULL;
    size_t size;
    FILE *out = open_memstream(&keys, &size);
    sk_keys_print(out);
    fclose(out);
    char *all = g_strconcat(help, "\n\nKeys of the window\n", keys, "\nLines of a script\n", SK_SCRIPT_HELP, NULL);
    free(keys);
    return all;
}

static int watch(sk_watch *live, const sk_error *err, sk_window_options *shown)
{
    if (!live) {
        fprintf(stderr, "skate view: %s\n", err->message);
        return 1;
    }
    shown->live = &live->window;
    shown->path = live->name;
    shown->model = sk_model_new();
    sk_view_state fresh;
    sk_view_state_init(&fresh, shown->model);
    fresh.theme = shown->state.theme;
    fresh.scale = shown->state.scale;
    shown->state = fresh;
    int status = sk_window_main(shown);
    sk_watch_close(live);
    return status;
}

static void drop(sk_runs *runs)
{
    while (runs->n)
        sk_model_free(runs->model[--runs->n]);
    sk_runs_unlook(runs);
}

/* Reads the runs; says what cannot be read. The first is what the other views show. */
static bool load(sk_runs *runs, int n, char **paths)
{
    sk_error err;
    for (int i = 0; i < n; i++) {
        sk_model *m = sk_model_load(paths[i], &err);
        if (!m) {
            fprintf(stderr, "skate view: %s\n", err.message);
            drop(runs);
            return false;
        }
        runs->model[runs->n] = m, runs->path[runs->n++] = paths[i];
    }
    sk_runs_look(runs);
    return true;
}

int main(int argc, char **argv)
{
    g_autofree char *out = NULL, *name = NULL, *when = NULL, *size = NULL, *theme = NULL, *words = NULL, *script = NULL, *address = NULL, *secret_file = NULL;
    int scale = SK_UNSET, chosen = SK_UNSET, fold = SK_UNSET;
    gboolean starts = FALSE, flip = FALSE, parts = FALSE, critical = FALSE, state_text = FALSE, calm = FALSE;
    GOptionEntry entries[] = {
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &out, "The picture", "OUT" },
        { "view", 0, 0, G_OPTION_ARG_STRING, &name, "Which view (graph; of several files: compare)", "VIEW" },
        { "at", 0, 0, G_OPTION_ARG_STRING, &when, "At this time (the end)", "T" },
        { "size", 0, 0, G_OPTION_ARG_STRING, &size, "In pixels (1280x720)", "WxH" },
        { "theme", 0, 0, G_OPTION_ARG_STRING, &theme, "light (or dark)", "THEME" },
        { "scale", 0, 0, G_OPTION_ARG_INT, &scale, "Of all text and distances, 75 to 300 (100; window: as large as the display says, see below)", "PERCENT" },
        { "select", 0, 0, G_OPTION_ARG_INT, &chosen, "Task number N is selected, and inspected", "N" },
        { "fold", 0, 0, G_OPTION_ARG_INT, &fold, "Graph: show groups where there are more tasks than this (1500)", "N" },
        { "flip", 0, 0, G_OPTION_ARG_NONE, &flip, "Graph: let it grow to the right", NULL },
        { "parts", 0, 0, G_OPTION_ARG_NONE, &parts, "Compare, of several FILEs: draw each run as long as the first, to compare parts of each", NULL },
        { "critical", 0, 0, G_OPTION_ARG_NONE, &critical, "Graph, reduce, timeline, cluster: the critical path is picked out; all views: the status line tells of it", NULL },
        { "calm", 0, 0, G_OPTION_ARG_NONE, &calm, "Window: things jump to their places instead of moving", NULL },
        { "attach", 0, 0, G_OPTION_ARG_STRING, &address, "Window: of a program that runs here, by its number or its socket's name (skate ps lists them; started with skate run --view or --live); or elsewhere, where skate relay listens: HOST:PORT", "ADDR" },
        { "secret-file", 0, 0, G_OPTION_ARG_FILENAME, &secret_file, "With --attach HOST:PORT: the secret that skate relay has, too ($SKATE_SECRET_FILE)", "FILE" },
        { "starts", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &starts, "It is just being started: wait for it (skate run --view)", NULL },
        { "script", 0, 0, G_OPTION_ARG_FILENAME, &script, "Window: none; do what the lines of FILE say (see below)", "FILE" },
        { "state", 0, 0, G_OPTION_ARG_NONE, &state_text, "No picture: the state at T as text, on standard output", NULL },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    setlocale(LC_CTYPE, "");
    g_set_prgname("skate view");
    g_autofree char *names = view_names();
    g_autofree char *about = g_strdup_printf("Shows a run, from its trace. Views: %s.", names);
    g_autoptr(GOptionContext) options = g_option_context_new("[FILE.sktrace ...] [-o OUT]");
    g_option_context_set_summary(options, about);
    g_autofree char *all = help_and_keys();
    g_option_context_set_description(options, all);
    g_option_context_add_main_entries(options, entries, NULL);
    g_option_context_add_main_entries(options, sk_film_options(), NULL);
    g_autoptr(GError) wrong = NULL;
    if (!g_option_context_parse(options, &argc, &argv, &wrong))
        return sk_options_usage(wrong->message, NULL);
    if (argc > 1 && !strcmp(argv[1], "--"))
        argc--, argv++;
    const char *what, *which;
    bool live = address != NULL;
    pid_t pid = 0;
    sk_error err;
    bool window = !out && !state_text && !sk_film_wanted();
    if (!!out + !!state_text + !!script + sk_film_wanted() > 1)
        return sk_options_usage("one thing at a time: -o, --gif, --storyboard, --state or --script", NULL);
    if (argc < 2 && !window)
        return sk_options_usage("which trace? Name a FILE.sktrace", NULL);
    if (argc > 1 + SK_RUNS)
        return sk_options_usage("four traces can be compared, but there is also ", argv[1 + SK_RUNS]);
    if (argc > 2 && state_text)
        return sk_options_usage("--state is of one trace, but there is also ", argv[2]);
    if (!name && argc > 2)
        name = g_strdup("compare");
    const sk_view *view = sk_view_find(name ? name : "graph");
    if (!view) {
        words = g_strdup_printf("there is no view \"%s\"; the views are %s", name, names);
        return sk_options_usage(words, NULL);
    }
    sk_painter *paint = out ? sk_painter_of(out) : NULL;
    int width = 1280, height = 720;
    if (out && g_str_has_suffix(out, ".gif"))
        return sk_options_usage("-o is a picture, and a film is --gif ", out);
    if (out && !paint)
        return sk_options_usage("a picture ends with .png, .svg, .pdf or .txt, unlike ", out);
    if (size && !parse_size(size, &width, &height))
        return sk_options_usage("--size is WIDTHxHEIGHT, 50 to 20000 each (1920x1080), unlike ", size);
    if (live && !sk_attach_address(address, &pid, &err))
        return sk_options_usage("--attach: ", err.message);
    if (live && pid && secret_file)
        return sk_options_usage("--secret-file is for --attach HOST:PORT; this is --attach ", address);
    if (live && !pid && !secret_file && !g_getenv("SKATE_SECRET_FILE"))
        return sk_options_usage("--secret-file FILE is missing, a copy of the one that skate relay PID --secret-file FILE has at the other end: --attach ", address);
    if (live && (argc > 1 || !window))
        return sk_options_usage("--attach shows a run that goes on: it goes without a FILE, -o, --state, --gif and --storyboard", NULL);
    sk_make make = out          ? SK_MAKE_PICTURE
                   : state_text ? SK_MAKE_STATE
                   : !window    ? sk_film_make()
                   : live       ? SK_MAKE_LIVE
                   : argc < 2   ? SK_MAKE_START
                   : script     ? SK_MAKE_SCRIPT
                                : SK_MAKE_WINDOW;
    if ((words = sk_options_wrong(entries, make, view->name, argc - 1)) || (words = sk_options_wrong(sk_film_options(), make, view->name, argc - 1)))
        return sk_options_usage(words, NULL);
    if (!sk_film_good(&what, &which))
        return sk_options_usage(what, which);
    if (theme && strcmp(theme, "light") && strcmp(theme, "dark"))
        return sk_options_usage("--theme is light or dark, not ", theme);
    if (scale != SK_UNSET && (scale < 75 || scale > 300))
        return sk_options_usage("--scale is 75 to 300", NULL);
    if (fold != SK_UNSET && fold < 1)
        return sk_options_usage("--fold is a number of tasks, 1 or more", NULL);

    sk_window_options shown = { .path = argc > 1 ? argv[1] : NULL, .view = name, .script = script, .calm = calm };
    shown.state.theme = theme && !strcmp(theme, "dark") ? SK_THEME_DARK : SK_THEME_LIGHT;
    shown.state.scale = scale == SK_UNSET ? 0 : (float)scale / 100;
    if (live)
        return watch(pid ? sk_watch_open(pid, starts, &err) : sk_watch_open_far(address, secret_file, &err), &err, &shown);
    if (argc < 2)
        return sk_window_main(&shown);
    sk_runs runs = { .n = 0 };
    if (!load(&runs, argc - 1, argv + 1))
        return 1;
    sk_model *m = runs.model[0];
    for (unsigned i = 0; i < runs.n; i++)
        if (sk_film_refuses(runs.model[i], runs.path[i])) {
            drop(&runs);
            return 1;
        }
    for (unsigned i = 0; i < runs.n; i++)
        if (runs.model[i]->trouble)
            fprintf(stderr, "skate view: %s is %s; this is what there is of it\n", runs.path[i], runs.model[i]->trouble);
    int status = 0;
    sk_view_state state;
    sk_view_state_init(&state, m);
    state.theme = shown.state.theme;
    state.scale = shown.state.scale;
    state.flip = flip;
    state.critical = critical;
    state.fold = fold == SK_UNSET ? 0 : (uint32_t)fold;
    state.normal = parts;
    state.runs = runs.n > 1 ? &runs : NULL;
    if (when && !sk_film_seek(view, &state, m, "--at", when)) {
        status = sk_options_usage("--at is a time like 12ms, 1.5s, 50% or step:120, unlike ", when);
    } else if (chosen != SK_UNSET && (chosen < 1 || (uint32_t)chosen > m->ntasks)) {
        words = g_strdup_printf("--select %d: the tasks are 1 to %u", chosen, m->ntasks);
        status = sk_options_usage(words, NULL);
    } else if (state_text) {
        sk_model_print(m, state.step, stdout);
        status = fflush(stdout) || ferror(stdout) ? 1 : 0;
    } else if (sk_film_wanted()) {
        state.task = chosen != SK_UNSET ? (uint32_t)chosen - 1 : SK_NO_INDEX;
        status = sk_film_main(view, m, &state, size ? width : 0, size ? height : 0);
    } else if (window) {
        state.task = chosen != SK_UNSET ? (uint32_t)chosen - 1 : SK_NO_INDEX;
        shown.model = m;
        shown.state = state;
        shown.state.runs = NULL; /* the window makes its own */
        for (unsigned i = 1; i < runs.n; i++)
            shown.other[i - 1] = runs.model[i], shown.other_path[i - 1] = runs.path[i], shown.others = i;
        runs.n = 0; /* the window's now */
        status = sk_window_main(&shown);
    } else {
        state.task = chosen != SK_UNSET ? (uint32_t)chosen - 1 : SK_NO_INDEX;
        sk_paint_may_be_ended();
        sk_draw *d = sk_draw_new();
        void *memory = view->open ? view->open() : NULL;
        sk_frame_draw(view, memory, m, &state, (float)width, (float)height, d);
        if (!paint(d, width, height, out, &err)) {
            fprintf(stderr, "skate view: %s\n", err.message);
            status = 1;
        }
        if (view->close)
            view->close(memory);
        sk_draw_free(d);
    }
    drop(&runs);
    return status;
}
