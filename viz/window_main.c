/* window_main.c -- see window_main.h. */
#include "window_main.h"

#include <glib.h>
#include <unistd.h>

#include "window_sdl.h"
#include "window_script.h"

/* The folder that this program was started from, with what lies beside it. NULL: unknown */
static char *beside(const char *name)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = self ? g_path_get_dirname(self) : NULL;
    g_autofree char *path = dir ? g_build_filename(dir, name, NULL) : NULL;
    return path && g_file_test(path, G_FILE_TEST_EXISTS) ? g_steal_pointer(&path) : NULL;
}

int sk_window_main(const sk_window_options *o)
{
    sk_error err;
    /* both in the tree, where it is built/libexec/skate/skate-view, and where it was installed */
    g_autofree char *lessons = beside("../../lessons"), *runner = beside("../../bin/skate");
    g_autofree char *recent = g_build_filename(g_get_user_data_dir(), "skate", "recent", NULL);
    sk_window *w = sk_window_new(&(sk_window_setup){ .model = o->model, .path = o->path, .live = o->live, .view = o->view, .lessons = lessons,
                                                    .runner = runner, .recent = o->script ? NULL : recent, .theme = o->state.theme,
                                                    .scale = o->state.scale, .calm = o->calm });
    if (o->model)
        w->state = o->state;
    bool scaled = o->state.scale > 0;
    if (!scaled)
        w->state.scale = 1;
    for (unsigned i = 0; i < o->others; i++)
        sk_window_add(w, o->other[i], o->other_path[i]);
    bool good = o->script ? sk_script_run(w, o->script, &err) : sk_sdl_run(w, scaled, &err);
    if (!good)
        g_printerr("skate view: %s%s%s\n", o->script ? o->script : "", o->script ? ": " : "", err.message);
    sk_window_free(w);
    return good ? 0 : 1;
}
