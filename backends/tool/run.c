/* run.c -- `skate run`: sets what a program reads from its environment, and becomes the program.
 * The lists of backends, policies and clusters are the library's own tables.
 *
 * The idea: a program that calls sk_init reads SKATE_BACKEND, SKATE_WORKERS and so on, wherever it
 * was started from; so nothing of the program's own command line is touched, and its exit status,
 * signals and output are its own.
 *
 * Reading order: the options, checking them, the program, help, main.                                 */
#define _GNU_SOURCE
#include <errno.h>
#include <glib.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/cluster_file.h"
#include "policy.h"
#include "session.h"

#define USAGE_ERROR 2

static gchar *backend, *workers, *nodes, *resources, *seed, *store_bytes, *spill_dir, *trace, *policy, *cluster, *cost, *stack_bytes, *tasks, *patience, *worker_memory;
static gboolean gantt, prefix;

static const GOptionEntry entries[] = {
    { "backend", 0, 0, G_OPTION_ARG_FILENAME, &backend,
      "what runs the tasks (list below), or a module of your own: ./mine.so", "B" },
    { "workers", 0, 0, G_OPTION_ARG_STRING, &workers,
      "how many tasks run at a time, per node (one per core; on virtual 4)", "N" },
    { "nodes", 0, 0, G_OPTION_ARG_STRING, &nodes, "how many nodes (1)", "N" },
    { "resources", 0, 0, G_OPTION_ARG_STRING, &resources,
      "besides cpus, per node: gpu=2,licence=0.5", "R" },
    { "cluster", 0, 0, G_OPTION_ARG_FILENAME, &cluster,
      "the cluster to simulate: a preset (list below) or a file; instead of the three above", "C" },
    { "policy", 0, 0, G_OPTION_ARG_STRING, &policy,
      "which task first, and where, on backends with nodes (list below)", "P" },
    { "cost", 0, 0, G_OPTION_ARG_STRING, &cost,
      "what plain C costs on virtual: none (the default), live (what it takes here), live*2.5", "C" },
    { "stack-bytes", 0, 0, G_OPTION_ARG_STRING, &stack_bytes, "stack of a simulated task (256K)", "N" },
    { "tasks", 0, 0, G_OPTION_ARG_STRING, &tasks,
      "most simulated tasks that may run or be blocked at once (25000)", "N" },
    { "patience", 0, 0, G_OPTION_ARG_STRING, &patience,
      "a simulated task has hung after so much cpu time of the process without waiting (10; 0: never)", "SECONDS" },
    { "seed", 0, 0, G_OPTION_ARG_STRING, &seed, "of sk_random, and of choices by lot (1)", "N" },
    { "store-bytes", 0, 0, G_OPTION_ARG_STRING, &store_bytes,
      "what objects may take in this process: 500M, 2G (a simulated node's: store-bytes in its cluster file)", "N" },
    { "spill-dir", 0, 0, G_OPTION_ARG_FILENAME, &spill_dir,
      "where objects go when the store of processes is full ($TMPDIR, or /var/tmp), or none", "DIR" },
    { "worker-memory", 0, 0, G_OPTION_ARG_STRING, &worker_memory,
      "what each worker of processes may take besides objects: 500M, 2G (no limit)", "N" },
    { "prefix", 0, 0, G_OPTION_ARG_NONE, &prefix,
      "on processes, begin each line that a task prints with who prints it: (square pid=123)", NULL },
    { "trace", 0, 0, G_OPTION_ARG_FILENAME, &trace,
      "write the log of the run, for skate trace", "FILE" },
    { "gantt", 0, 0, G_OPTION_ARG_NONE, &gantt, "print who did what when, at the end", NULL },
    G_OPTION_ENTRY_NULL
};

/* ---- Checking -------------------------------------------------------------------------------- */

G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN
static void refuse(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "skate run: ");
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    exit(USAGE_ERROR);
}

/* A count as sk_init reads it: digits, from 1 to what an int holds. */
static void set_count(const char *option, const char *variable, const char *text, guint most)
{
    if (!text)
        return;
    char *end;
    gint64 number = g_ascii_strtoll(text, &end, 10);
    if (end == text || *end)
        refuse("%s: \"%s\" is not a whole number; give 1 or more", option, text);
    if (number < 1)
        refuse("%s: %s is too few; give 1 or more", option, text);
    if (!g_ascii_string_to_unsigned(text, 10, 1, most, NULL, NULL))
        refuse("%s: %s is too many; give at most %u", option, text, most);
    g_setenv(variable, text, TRUE);
}

static void set_seed(const char *text)
{
    if (!text)
        return;
    char *end;
    errno = 0;
    (void)g_ascii_strtoull(text, &end, 0);
    if (end == text || *end || errno || *text == '-')
        refuse("--seed: \"%s\" is not a whole number of 0 or more", text);
    g_setenv("SKATE_SEED", text, TRUE);
}

/* Bytes, also as 500M, 1.5G, 64KiB: what sk_init reads. */
static void set_size(const char *option, const char *variable, const char *text)
{
    if (!text)
        return;
    char *end;
    double n = g_ascii_strtod(text, &end);
    if (end == text)
        refuse("%s: \"%s\" is not a size; give bytes, or for example 500M or 2G", option, text);
    if (*end && strchr("KMGT", g_ascii_toupper(*end)))
        end += g_str_equal(end + 1, "B") ? 2 : g_str_equal(end + 1, "iB") ? 3 : 1;
    if (*end)
        refuse("%s: \"%s\" is not a size; give bytes, or for example 500M or 2G", option, text);
    if (!(n > 0))
        refuse("%s: %s is too few; give 1 or more", option, text);
    g_setenv(variable, text, TRUE);
}

static void set_patience(const char *text)
{
    if (!text)
        return;
    char *end;
    double seconds = g_ascii_strtod(text, &end);
    if (end == text || *end || !(seconds >= 0 && seconds <= 1e6))       /* as in backends/virtual_watch.c */
        refuse("--patience: \"%s\" is no time; give seconds of cpu time, or 0 for no limit", text);
    g_setenv("SKATE_PATIENCE", text, TRUE);
}

/* A module's path becomes absolute, so that it is found whatever directory the program goes to.
 * "checked+./mine.so" names one too. */
static void set_backend(const char *name)
{
    if (!name)
        return;
    const char *plus = strrchr(name, '+');
    const char *last = plus ? plus + 1 : name;
    if (!strchr(last, '/') && !g_str_has_suffix(last, ".so")) {
        g_setenv("SKATE_BACKEND", name, TRUE);
        return;
    }
    g_autofree char *path = g_canonicalize_filename(last, NULL);
    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR))
        refuse("--backend: there is no module %s; build it with\n"
               "  cc -shared -fPIC $(pkg-config --cflags skate) mine.c -o mine.so", path);
    g_autofree char *full = g_strdup_printf("%.*s%s", (int)(last - name), name, path);
    g_setenv("SKATE_BACKEND", full, TRUE);
}

/* Checked here, where the option's name is known. A file's path becomes absolute, like a module's. */
static void set_cluster(const char *name)
{
    if (!name)
        return;
    sk_error err;
    sk_cluster_spec *spec = sk_cluster_spec_load(name, &err);
    if (!spec)
        refuse("--cluster: %s", err.message);
    sk_cluster_spec_free(spec);
    g_autofree char *path = sk_cluster_preset_find(name) ? g_strdup(name) : g_canonicalize_filename(name, NULL);
    g_setenv("SKATE_CLUSTER", path, TRUE);
}

static void set_policy(const char *name)
{
    sk_error err;
    if (name && !sk_policy_find(name, &err))
        refuse("--policy: %s", err.message);
    if (name)
        g_setenv("SKATE_POLICY", name, TRUE);
}

static void set_text(const char *variable, const char *text)
{
    if (text)
        g_setenv(variable, text, TRUE);
}

/* ---- The program ----------------------------------------------------------------------------- */

G_GNUC_NORETURN
static void become(char **argv)
{
    const char *program = argv[0];
    execvp(program, argv);

    int why = errno;
    gboolean is_path = strchr(program, '/') != NULL;
    if (why == ENOENT && !is_path && g_file_test(program, G_FILE_TEST_IS_REGULAR))
        refuse("there is no program \"%s\" in PATH; did you mean ./%s ?", program, program);
    if (why == ENOENT && !is_path)
        refuse("there is no program \"%s\", neither in PATH nor here; give its path: ./%s", program,
               program);
    if (why == ENOENT && g_file_test(program, G_FILE_TEST_EXISTS))
        refuse("%s: what it is to be run with (its #! line or its loader) is not there", program);
    if (why == ENOENT)
        refuse("there is no program %s; build it first, or give another path", program);
    if (why == EACCES && g_file_test(program, G_FILE_TEST_IS_DIR))
        refuse("%s is a directory; give the program inside it", program);
    if (why == EACCES && g_str_has_suffix(program, ".c"))
        refuse("%s is source code; compile it first, then give the program", program);
    if (why == EACCES)
        refuse("%s may not be executed; if it is a program: chmod +x %s", program, program);
    refuse("%s cannot be run: %s", program, g_strerror(why));
}

/* ---- Help ------------------------------------------------------------------------------------ */

static char *description(void)
{
    GString *s = g_string_new("Backends:\n");
    for (int i = 0; sk_backends[i]; i++)
        g_string_append_printf(s, "  %-14s %s\n", sk_backends[i]->name, sk_backends[i]->summary);
    g_string_append(s, "  ./mine.so      yours (see skate/backend.h)\n\nClusters to simulate (skate cluster NAME prints one):\n");
    for (const sk_cluster_preset *p = sk_cluster_presets; p->name; p++)
        g_string_append_printf(s, "  %-14s %.*s\n", p->name, (int)strcspn(p->text + 2, "\n"), p->text + 2);
    char policies[200];
    g_string_append_printf(s, "\nPolicies, the default first:\n  %s\n\n", sk_policy_names(policies, sizeof policies));
    g_string_append(s,
        "Examples:\n"
        "  skate run --backend serial --seed 7 ./program input.txt\n"
        "  skate run --workers 10 --gantt build/lessons/03-ten-sleeps\n"
        "  skate run --trace run.sktrace ./program && skate trace run.sktrace --summary\n"
        "  skate run --backend virtual --nodes 1000 --workers 8 --gantt ./program\n"
        "  skate run --backend virtual --cluster classroom-32 --policy random ./program\n\n"
        "What comes after PROGRAM is the program's. The same options are environment variables\n"
        "(SKATE_WORKERS=4 ./program) and arguments of every program (./program --sk-workers=4).\n");
    return g_string_free(s, FALSE);
}

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("PROGRAM [ARGS]");
    g_autofree char *lists = description();
    g_option_context_set_summary(context, "Runs a program that uses skate.h, with these options:");
    g_option_context_set_description(context, lists);
    g_option_context_set_strict_posix(context, TRUE);       /* PROGRAM's own options are not ours */
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        refuse("%s; `skate run --help` lists the options", error->message);
    if (argc > 1 && strcmp(argv[1], "--") == 0)
        argv++, argc--;
    if (argc < 2)
        refuse("no program given; for example: skate run --workers 4 ./program");

    set_backend(backend);
    set_count("--workers", "SKATE_WORKERS", workers, 4096);      /* as in sim/settings.c */
    set_count("--nodes", "SKATE_NODES", nodes, 100000);
    set_text("SKATE_RESOURCES", resources);
    set_cluster(cluster);
    set_policy(policy);
    set_text("SKATE_COST", cost);
    set_seed(seed);
    set_size("--stack-bytes", "SKATE_STACK_BYTES", stack_bytes);
    set_count("--tasks", "SKATE_TASKS", tasks, 25000);
    set_patience(patience);
    set_size("--store-bytes", "SKATE_STORE_BYTES", store_bytes);
    set_text("SKATE_SPILL_DIR", spill_dir);
    set_size("--worker-memory", "SKATE_WORKER_MEMORY", worker_memory);
    set_text("SKATE_PREFIX", prefix ? "1" : NULL);
    set_text("SKATE_TRACE", trace);
    set_text("SKATE_GANTT", gantt ? "1" : NULL);
    become(argv + 1);
}
