/* bench_child.h -- figures from a fresh process, so that nothing is warm from another run: a program runs itself again as
 * `PROGRAM --child KIND N`, which prints one line of at most MOST_ANSWERS numbers. And what /proc says of a process and its children.
 *
 * Reading order: 1 a child; 2 what /proc says. */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/* ---- 1. A child ----------------------------------------------------------------------------- */

static inline _Noreturn void bench_give_up(const char *what)
{
    perror(what);
    exit(1);
}

enum { BENCH_ANSWERS = 4 };
typedef struct bench_answers { double n[BENCH_ANSWERS]; } bench_answers;

/* Runs a child and reads its numbers; those it does not print are 0. `argv` is main's: the --sk-* options in it go to the child. */
static inline bench_answers bench_run_child(char **argv, const char *kind, int n)
{
    char number[16], *args[64] = { argv[0], "--child", (char *)kind, number };
    int count = 4, ends[2], status = 0, numbers = 0;
    bench_answers found = { { 0 } };
    snprintf(number, sizeof number, "%d", n);
    for (char **arg = argv + 1; *arg && count < 63; arg++)
        if (strncmp(*arg, "--sk-", 5) == 0)
            args[count++] = *arg;

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (pipe2(ends, O_CLOEXEC) != 0)
        bench_give_up("pipe");
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    pid_t pid;
    if (posix_spawn(&pid, "/proc/self/exe", &actions, NULL, args, environ) != 0)
        bench_give_up("posix_spawn");
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    while (numbers < BENCH_ANSWERS && fscanf(output, "%lf", &found.n[numbers]) == 1)
        numbers++;
    fclose(output);
    if (waitpid(pid, &status, 0) != pid || status != 0 || numbers < 1) {
        fprintf(stderr, "%s --child %s %d failed (status %d)\n", argv[0], kind, n, status);
        exit(1);
    }
    return found;
}

/* In main: is this such a child? Then *kind and *n say which. */
static inline bool bench_is_child(int argc, char **argv, const char **kind, int *n)
{
    if (argc < 4 || strcmp(argv[1], "--child") != 0)
        return false;
    *kind = argv[2];
    *n = atoi(argv[3]);
    return true;
}

/* ---- 2. What /proc says --------------------------------------------------------------------- */

/* A line "KEY:  N kB" of /proc/PID/FILE, in bytes. `pid` 0: this process. */
static inline double bench_memory(pid_t pid, const char *name, const char *key)
{
    char path[64], line[256];
    double bytes = -1;
    snprintf(path, sizeof path, "/proc/%d/%s", pid ? (int)pid : (int)getpid(), name);
    FILE *file = fopen(path, "r");
    if (!file)
        bench_give_up(path);
    while (bytes < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            bytes = atof(line + strlen(key)) * 1024;
    fclose(file);
    if (bytes < 0) {
        fprintf(stderr, "%s: there is no line %s\n", path, key);
        exit(1);
    }
    return bytes;
}

static inline double bench_pss(pid_t pid) { return bench_memory(pid, "smaps_rollup", "Pss:"); }

/* The processes that `of` has started and that are there: at most `most`; returns how many. */
static inline int bench_children_of(pid_t of, pid_t *pids, int most)
{
    int count = 0;
    DIR *all = opendir("/proc");
    if (!all)
        bench_give_up("/proc");
    for (struct dirent *entry; count < most && (entry = readdir(all));) {
        char path[300], text[512], state;
        int pid = atoi(entry->d_name), parent;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = pid > 0 ? fopen(path, "r") : NULL;
        if (!file)
            continue;                               /* no process, or one that has just ended */
        size_t size = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[size] = '\0';
        const char *after = strrchr(text, ')');     /* the name may have blanks and brackets */
        if (after && sscanf(after + 1, " %c %d", &state, &parent) == 2 && parent == of && state != 'Z')
            pids[count++] = pid;
    }
    closedir(all);
    return count;
}

static inline int bench_children(pid_t *pids, int most) { return bench_children_of(getpid(), pids, most); }

#endif
