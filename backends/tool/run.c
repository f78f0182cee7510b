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
#include <sys/wait.h>
#include <unistd.h>

#include "backends/address.h"
#include "backends/cluster_file.h"
#include "backends/secret.h"
#include "become.h"
#include "policy.h"
#include "session.h"

#define USAGE_ERROR 2

static gchar *backend, *workers, *nodes, *resources, *seed, *store_bytes, *spill_dir, *trace, *policy, *cluster, *cost, *stack_bytes, *tasks, *patience, *worker_memory;
static gchar *head, *secret_file, *expect, *join_wait, *heartbeat, *dead_after;
static gboolean gantt, prefix, view, live, gate;

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
      "what objects may take, on tcp at each node: 500M, 2G (30 % of memory, shared by --nodes; a simulated node's: in its cluster file)", "N" },
    { "spill-dir", 0, 0, G_OPTION_ARG_FILENAME, &spill_dir,
      "where objects go when the store of processes is full ($TMPDIR, or /var/tmp), or none", "DIR" },
    { "worker-memory", 0, 0, G_OPTION_ARG_STRING, &worker_memory,
      "what each worker of processes may take besides objects: 500M, 2G (no limit)", "N" },
    { "prefix", 0, 0, G_OPTION_ARG_NONE, &prefix,
      "on processes, begin each line that a task prints with who prints it: (square pid=123)", NULL },
    { "head", 0, 0, G_OPTION_ARG_STRING, &head,
      "on tcp, let nodes of other machines join here (skate node --join); port 0: any", "HOST:PORT" },
    { "secret-file", 0, 0, G_OPTION_ARG_FILENAME, &secret_file,
      "what those nodes must know: skate secret new FILE makes one", "FILE" },
    { "expect", 0, 0, G_OPTION_ARG_STRING, &expect,
      "how many of those to wait for before the program goes on (none)", "N" },
    { "join-wait", 0, 0, G_OPTION_ARG_STRING, &join_wait, "for how long (300)", "SECONDS" },
    { "heartbeat", 0, 0, G_OPTION_ARG_STRING, &heartbeat,
      "how often nodes show that they live (1, or a tenth of the next)", "SECONDS" },
    { "dead-after", 0, 0, G_OPTION_ARG_STRING, &dead_after,
      "how long a node may be silent before it is taken for dead (10)", "SECONDS" },
    { "trace", 0, 0, G_OPTION_ARG_FILENAME, &trace,
      "write the log of the run, for skate trace", "FILE" },
    { "gantt", 0, 0, G_OPTION_ARG_NONE, &gantt, "print who did what when, at the end", NULL },
    { "view", 0, 0, G_OPTION_ARG_NONE, &view, "watch it in a window while it runs (skate view)", NULL },
    { "gate", 0, 0, G_OPTION_ARG_NONE, &gate,
      "no task starts before the window says so; Space opens and closes, . lets one through", NULL },
    { "live", 0, 0, G_OPTION_ARG_NONE, &live, "open no window, but let one look in later: skate view --attach PID", NULL },
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

/* HOST:PORT, as the head will listen. A name is looked up here already: its error belongs to the option. */
static void set_head(const char *address)
{
    sk_address found[SK_ADDRESS_MOST];
    sk_error err;
    if (!address)
        return;
    if (!sk_address_find(address, true, found, &err))
        refuse("--head: %s", err.message);
    if (!secret_file && !g_getenv("SKATE_SECRET_FILE"))
        refuse("--head %s: the nodes that join there must prove who they are, and a file is missing that both ends have: make one with\n"
               "  skate secret new FILE\nand give --secret-file FILE here, and to skate node", address);
    g_setenv("SKATE_HEAD", address, TRUE);
}

/* Can it be read, and is it yours alone? Its path becomes absolute, like a module's. */
static void set_secret_file(const char *name)
{
    sk_secret secret;
    sk_error err;
    if (!name)
        return;
    if (!sk_secret_read(&secret, name, &err))
        refuse("--secret-file: %s", err.message);
    sk_secret_wipe(&secret, sizeof secret);
    g_autofree char *path = g_canonicalize_filename(name, NULL);
    g_setenv("SKATE_SECRET_FILE", path, TRUE);
}

static void set_seconds(const char *option, const char *variable, const char *text)
{
    if (!text)
        return;
    char *end;
    double seconds = g_ascii_strtod(text, &end);
    if (end == text || *end || !(seconds >= 0.01 && seconds <= 86400))       /* as in sim/settings.c */
        refuse("%s: \"%s\" is no such time; give seconds, from 0.01 to 86400", option, text);
    g_setenv(variable, text, TRUE);
}

static void set_text(const char *variable, const char *text)
{
    if (text)
        g_setenv(variable, text, TRUE);
}

/* ---- The program ----------------------------------------------------------------------------- */

/* The viewer watches this process, whatever it becomes. It is nobody's child, so the program waits for none that it has not made; and in a session of
 * its own, so Ctrl-C ends the program, and the window stays to look at what it did. */
static void start_viewer(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL), *libexec = self ? g_path_get_dirname(self) : NULL;
    g_autofree char *skate = libexec ? g_build_filename(libexec, "..", "..", "bin", "skate", NULL) : g_strdup("skate");
    g_autofree char *pid = g_strdup_printf("%d", (int)getpid());
    g_setenv("SKATE_VIEWER_FOR", pid, TRUE);                /* so that it does not end before the viewer has come: sim/live.c */
    pid_t child = fork();
    if (child == 0) {
        if (fork() != 0)
            _exit(0);
        setsid();
        execl(skate, "skate", "view", "--starts", "--attach", pid, (char *)NULL);
        fprintf(stderr, "skate run: the viewer cannot be started: %s: %s\n", skate, g_strerror(errno));
        _exit(127);
    }
    if (child < 0 || waitpid(child, NULL, 0) != child)
        fprintf(stderr, "skate run: the viewer cannot be started: %s\n", g_strerror(errno));
}

G_GNUC_NORETURN
static void become(char **argv)
{
    const char *program = argv[0];
    execvp(program, argv);
    g_autofree char *why = why_not_run(program, errno);
    refuse("%s", why);
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
        "  skate run --view --gate ./program\n"
        "  skate run --backend virtual --nodes 1000 --workers 8 --gantt ./program\n"
        "  skate run --backend virtual --cluster classroom-32 --policy random ./program\n"
        "  skate run --backend tcp --nodes 4 ./program\n"
        "  skate run --backend tcp --head 0.0.0.0:7000 --expect 2 --secret-file ~/.skate-secret ./program\n\n"
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
    set_secret_file(secret_file);
    set_head(head);
    set_count("--expect", "SKATE_EXPECT", expect, 63);           /* and the driver's: as in backends/tcp.h */
    set_count("--join-wait", "SKATE_JOIN_WAIT", join_wait, 86400);
    set_seconds("--heartbeat", "SKATE_HEARTBEAT", heartbeat);
    set_seconds("--dead-after", "SKATE_DEAD_AFTER", dead_after);
    set_text("SKATE_TRACE", trace);
    set_text("SKATE_GANTT", gantt ? "1" : NULL);
    set_text("SKATE_LIVE", view || live ? "1" : NULL);
    set_text("SKATE_GATE", gate ? "1" : NULL);
    if (gate && !view && !live)
        refuse("--gate holds tasks back until a viewer lets them go: give --view, too, or --live");
    if (view)
        start_viewer();
    become(argv + 1);
}
