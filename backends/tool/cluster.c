/* cluster.c -- `skate cluster`: what there is to simulate. Lists the presets; prints one, as a file to begin with; or reads a file,
 * says what is wrong with it or how large a cluster it is, and prints it as it was understood. */
#include <glib.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "backends/cluster_file.h"

static const char help[] =
    "CLUSTER is a preset's name, or a file. Without one: the list of presets.\n\n"
    "Examples:\n"
    "  skate cluster\n"
    "  skate cluster classroom-32 >my.conf         # a file to begin with\n"
    "  skate cluster my.conf                       # is it right? how is it read?\n"
    "  skate run --backend virtual --cluster my.conf ./program";

static int refuse(const char *what, const char *more)
{
    fprintf(stderr, "skate cluster: %s%s\n", what, more);
    return 2;
}

static void list(void)
{
    for (const sk_cluster_preset *p = sk_cluster_presets; p->name; p++)
        printf("%-14s %.*s\n", p->name, (int)strcspn(p->text + 2, "\n"), p->text + 2);
}

static void print_file(const sk_cluster_spec *spec, const char *name)
{
    uint64_t workers = 0;
    for (uint32_t i = 0; i < spec->nkinds; i++)
        workers += (uint64_t)spec->kinds[i].count * (uint64_t)spec->kinds[i].workers;
    g_autofree char *base = g_path_get_basename(name);
    g_autofree char *about = g_strdup_printf("%s: %u node%s, %" G_GUINT64_FORMAT " worker%s. It says:", base, spec->nodes,
                                             spec->nodes == 1 ? "" : "s", workers, workers == 1 ? "" : "s");
    char *text = sk_cluster_spec_write(spec, about);
    fputs(text, stdout);
    free(text);
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    g_set_prgname("skate cluster");
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("[CLUSTER]");
    g_option_context_set_summary(context, "Shows a cluster that the virtual backend can simulate.");
    g_option_context_set_description(context, help);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        return refuse(error->message, "; see skate cluster --help");
    if (argc > 2)
        return refuse("one cluster at a time, but there is also ", argv[2]);
    if (argc < 2) {
        list();
        return 0;
    }
    sk_error err;
    const sk_cluster_preset *preset = sk_cluster_preset_find(argv[1]);
    sk_cluster_spec *spec = sk_cluster_spec_load(argv[1], &err);
    if (!spec)
        return refuse(err.message, "");
    if (preset)
        fputs(preset->text, stdout);
    else
        print_file(spec, argv[1]);
    sk_cluster_spec_free(spec);
    return 0;
}
