/* main.c -- skate trace: what is in an event log, as text, or exported for other programs. Options
 * in; the forms are in export.h. Exit status: 0, 1 if the trace cannot be read, is not whole, or an export cannot
 * be written, 2 for wrong usage. */
#include <errno.h>
#include <glib.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "export.h"
#include "gantt.h"
#include "trace_digest.h"

static const char help[] =
    "Without options: --summary. OUT is a file, or - for standard output.\n"
    "Tasks are numbered 1, 2, 3 ... in the order of their submission; 0 is the driver.\n"
    "\n"
    "Example:\n"
    "  skate run --trace run.sktrace build/lessons/06-tree-reduction\n"
    "  skate trace run.sktrace --summary --gantt\n"
    "  skate trace run.sktrace --chrome run.json        # open it at https://ui.perfetto.dev\n"
    "  skate trace run.sktrace --dot - | dot -Tsvg > graph.svg\n"
    "\n"
    "Runs on virtual are exact. Equal ones have one digest, on any machine; where two differ:\n"
    "  skate trace run.sktrace --digest\n"
    "  skate trace run.sktrace --canonical a.txt        # the text that is hashed: diff it";

static int usage(const char *what, const char *which)
{
    fprintf(stderr, "skate trace: %s%s; see skate trace --help\n", what, which ? which : "");
    return 2;
}

static void write_canonical(FILE *out, const sk_timeline *t)
{
    char hex[SK_DIGEST_SIZE];
    sk_trace_digest(t->log, t->program, out, hex, NULL);
}

/* Writes one form to `path`, "-" for standard output. */
static bool export(const sk_timeline *t, const char *path,
                   void (*write)(FILE *, const sk_timeline *))
{
    bool console = !strcmp(path, "-");
    FILE *out = console ? stdout : fopen(path, "w");
    errno = out ? 0 : errno;
    if (out)
        write(out, t);
    bool bad = !out || fflush(out) || ferror(out);
    int why = errno;
    if (out && !console && fclose(out))
        bad = true, why = errno;
    if (bad)
        fprintf(stderr, "skate trace: cannot write %s: %s\n", console ? "to standard output" : path,
                why ? g_strerror(why) : "some of it could not be written");
    return !bad;
}

/* Prints the digest if asked to, writes the text if there is a path. */
static bool digest(const sk_timeline *t, const char *name, bool print, const char *path)
{
    char hex[SK_DIGEST_SIZE];
    sk_error err;
    if (!sk_trace_digest(t->log, name, NULL, hex, &err)) {
        fprintf(stderr, "skate trace: %s\n", err.message);
        return false;
    }
    if (print)
        puts(hex);
    return !path || export(t, path, write_canonical);
}

int main(int argc, char **argv)
{
    gboolean summary = FALSE, gantt = FALSE, refs = FALSE, sum = FALSE;
    g_autofree char *chrome = NULL, *dot = NULL, *csv = NULL, *canonical = NULL,
                    *transfers = NULL;
    GOptionEntry entries[] = {
        { "summary", 0, 0, G_OPTION_ARG_NONE, &summary,
          "Tasks, T1, Tinf, workers, functions, critical path, bytes", NULL },
        { "gantt", 0, 0, G_OPTION_ARG_NONE, &gantt, "A chart as text: one row a worker", NULL },
        { "refs", 0, 0, G_OPTION_ARG_NONE, &refs,
          "Objects by the line that made them, and what only grows", NULL },
        { "chrome", 0, 0, G_OPTION_ARG_FILENAME, &chrome, "Chrome trace JSON, for Perfetto",
          "OUT.json" },
        { "dot", 0, 0, G_OPTION_ARG_FILENAME, &dot, "The task graph, for Graphviz", "OUT.dot" },
        { "csv", 0, 0, G_OPTION_ARG_FILENAME, &csv, "One line a task", "OUT.csv" },
        { "transfers", 0, 0, G_OPTION_ARG_FILENAME, &transfers,
          "One line a transfer: which object, bytes, from and to which node, when", "OUT.csv" },
        { "digest", 0, 0, G_OPTION_ARG_NONE, &sum, "SHA-256 of the run's canonical log (virtual only)",
          NULL },
        { "canonical", 0, 0, G_OPTION_ARG_FILENAME, &canonical, "The canonical log itself, as text",
          "OUT.txt" },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    setlocale(LC_CTYPE, ""); /* not numbers: JSON and CSV want points */
    g_set_prgname("skate trace");
    g_autoptr(GOptionContext) options = g_option_context_new("FILE.sktrace");
    g_option_context_set_summary(
        options,
        "Shows an event log that --sk-trace=FILE, or skate run --trace FILE, has written.");
    g_option_context_set_description(options, help);
    g_option_context_add_main_entries(options, entries, NULL);
    g_autoptr(GError) wrong = NULL;
    if (!g_option_context_parse(options, &argc, &argv, &wrong))
        return usage(wrong->message, NULL);
    if (argc > 1 && !strcmp(argv[1], "--"))
        argc--, argv++;
    if (argc < 2)
        return usage("which trace? Name a FILE.sktrace", NULL);
    if (argc > 2)
        return usage("one trace at a time, but there is also ", argv[2]);
    const char *outs[] = { chrome, dot, csv, canonical, transfers };
    unsigned console = summary || gantt || refs || sum;
    for (unsigned i = 0; i < G_N_ELEMENTS(outs); i++)
        console += outs[i] && !strcmp(outs[i], "-");
    if (console > 1)
        return usage("only one thing can go to standard output", NULL);

    sk_error err;
    sk_timeline *t = sk_timeline_load(argv[1], &err);
    if (!t) {
        fprintf(stderr, "skate trace: %s\n", err.message);
        return 1;
    }
    bool exact = sum || canonical; /* these say themselves what is missing, and refuse */
    summary |= !gantt && !refs && !chrome && !dot && !csv && !transfers && !exact;
    if (!summary && !exact)
        sk_summary_warn(stderr, t);
    bool good = t->info.damage == NULL && !t->info.truncated;
    if (summary)
        sk_summary_print(stdout, t, argv[1]);
    if (gantt)
        sk_gantt_print(stdout, t, 0);
    if (refs)
        sk_refs_print(stdout, t);
    if (exact)
        good &= digest(t, argv[1], sum, canonical);
    if ((summary || gantt || refs || sum) && (fflush(stdout) || ferror(stdout)))
        good = fprintf(stderr, "skate trace: cannot write to standard output: %s\n",
                       g_strerror(errno)) < 0;
    if (chrome)
        good &= export(t, chrome, sk_chrome_write);
    if (dot)
        good &= export(t, dot, sk_dot_write);
    if (csv)
        good &= export(t, csv, sk_csv_write);
    if (transfers)
        good &= export(t, transfers, sk_transfers_write);
    sk_timeline_free(t);
    return good ? 0 : 1;
}
