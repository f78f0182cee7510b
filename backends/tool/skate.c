/* skate.c -- the `skate` command: finds the program that does the work, and becomes it.
 *
 * The idea is git's: `skate trace run.sktrace` runs skate-trace, one executable per folder of the
 * project, so that no command needs the libraries of another. They lie in ../libexec/skate as seen
 * from this program, in the build tree as well as where it was installed.
 *
 * A new command is one line in `commands`. Reading order: the table, help, finding, main.        */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef SKATE_VERSION
#define SKATE_VERSION "unknown"
#endif

typedef struct command {
    const char *name;
    const char *program;        /* in ../libexec/skate */
    bool shared;                /* the program does several commands: tell it which */
    const char *summary, *example;
} command;

static const command commands[] = {
    { "run", "skate-run", false, "run a program on a backend of your choice",
      "skate run --workers 4 --gantt ./program" },
    { "node", "skate-node", false, "join a program's cluster with this machine",
      "skate node --join lab-01:7000 --secret-file ~/.skate-secret ./program" },
    { "status", "skate-status", false, "list the nodes of a running program's cluster, and what they do",
      "skate status lab-01:7000 --secret-file ~/.skate-secret" },
    { "ps", "skate-ps", false, "list the programs that run tasks now, their workers, their store",
      "skate ps" },
    { "cluster", "skate-cluster", false, "show a cluster to simulate: a preset's text, or what a file says",
      "skate cluster laptop" },
    { "secret", "skate-secret", false, "make the secret of a cluster of several machines, or check one",
      "skate secret new ~/.skate-secret" },
    { "trace", "skate-trace", false, "read the log of a run: summary, Gantt chart, exports",
      "skate trace run.sktrace --summary" },
    { "view", "skate-view", false, "watch a run in a window: its graph, its timeline; or make pictures of it",
      "skate view run.sktrace" },
    { "relay", "skate-relay", false, "let a viewer on another machine watch a program that runs here",
      "skate relay 4711 --bind 0.0.0.0 --port 7001 --secret-file ~/.skate-secret" },
    { "calibrate", "skate-calibrate", false, "measure this machine, for predictions",
      "skate calibrate -o here.cluster" },
    { "predict", "skate-predict", false, "how long a program takes, predicted and measured",
      "skate predict --like here.cluster ./program" },
    { "conform", "skate-conform", false, "test a backend, also one of your own",
      "skate conform ./mine.so" },
    { "new", "skate-lessons", true, "start a project: a program and its Makefile",
      "skate new hello" },
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void list_commands(FILE *out)
{
    for (int i = 0; i < COMMANDS; i++) {
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
        fprintf(out, "  %-9s   $ %s\n", "", commands[i].example);
    }
}

static void help(void)
{
    printf("skate " SKATE_VERSION " -- tasks, objects and wait in C\n\n"
           "usage: skate COMMAND [ARGS]\n\n");
    list_commands(stdout);
    printf("\n  help COMMAND, COMMAND --help   more about one of them\n"
           "  --version                      skate " SKATE_VERSION "\n");
}

static const command *find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* How many letters to insert, remove or change to get from a to b (Levenshtein). */
static int distance(const char *a, const char *b)
{
    enum { MAX = 32 };
    int row[MAX + 1];
    size_t n = strlen(b);
    if (n > MAX || strlen(a) > MAX)
        return MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = (int)j;
    for (size_t i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= n; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

static int unknown(const char *name)
{
    const command *nearest = NULL;
    int least = 4;                          /* further off is no help */
    for (int i = 0; i < COMMANDS; i++) {
        int d = distance(name, commands[i].name);
        if (d < least && d < (int)strlen(commands[i].name)) {
            least = d;
            nearest = &commands[i];
        }
    }
    fprintf(stderr, "skate: there is no command \"%s\"", name);
    if (nearest)
        fprintf(stderr, "; did you mean `skate %s`?", nearest->name);
    else if (access(name, X_OK) == 0)
        fprintf(stderr, "; to run a program: skate run %s%s", strchr(name, '/') ? "" : "./", name);
    fprintf(stderr, "\nThe commands are\n");
    list_commands(stderr);
    return 2;
}

/* Becomes the program; returns only if that fails. argv[0] is the command's name, the rest its
 * arguments, up to a NULL; there is one more before it. */
static int become(const command *c, char **argv)
{
    char path[PATH_MAX + sizeof "/libexec/skate/" + 32];
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
    if (n < 0) {
        fprintf(stderr, "skate: cannot find itself in /proc/self/exe: %s\n", strerror(errno));
        return 1;
    }
    path[n] = '\0';
    for (int up = 0; up < 2; up++) {        /* PREFIX/bin/skate -> PREFIX */
        char *slash = strrchr(path, '/');
        if (slash)
            *slash = '\0';
    }
    snprintf(path + strlen(path), 64, "/libexec/skate/%s", c->program);

    /* The program calls itself what the user typed: "usage: skate run ...". */
    char title[64];
    snprintf(title, sizeof title, c->shared ? "skate" : "skate %s", c->name);
    if (c->shared)
        argv--;                             /* keep the command's name as the first argument */
    argv[0] = title;
    execv(path, argv);

    if (errno == ENOENT)
        fprintf(stderr, "skate %s: %s is not there; build it with `make`, or install Skate again\n",
                c->name, path);
    else
        fprintf(stderr, "skate %s: %s: %s\n", c->name, path, strerror(errno));
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help();
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("skate " SKATE_VERSION "\n");
        return 0;
    }
    if (strcmp(argv[1], "help") == 0) {
        if (argc == 2) {
            help();
            return 0;
        }
        const command *c = find(argv[2]);
        if (!c)
            return unknown(argv[2]);
        char *ask[] = { argv[0], argv[2], "--help", NULL };
        return become(c, ask + 1);
    }
    const command *c = find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    return become(c, argv + 1);
}
