/* drivers.c -- kills whole programs at random moments: none of their processes may outlive them by two seconds, and no name may be left.
 *
 * A program and its workers are one process group. This process is made the reaper of orphans, so it is told of each of them. */
#include "chaos.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NAMES = 4000 };

/* Names that this library might leave, as one text. */
static void add_names(const char *folder, const char *start, char *text)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (!strncmp(e->d_name, start, strlen(start)) && strlen(text) + strlen(e->d_name) + 2 < NAMES)
            strcat(strcat(text, e->d_name), " ");
    if (d)
        closedir(d);
}

static int lines_of_pid(const char *path, pid_t pid)
{
    char line[400], word[20];
    int n = 0;
    FILE *f = fopen(path, "re");
    snprintf(word, sizeof word, " %d ", (int)pid);
    while (f && fgets(line, sizeof line, f))
        n += strstr(line, word) != NULL;
    if (f)
        fclose(f);
    return n;
}

static void nap(double seconds) { nanosleep(&(struct timespec){ 0, (long)(seconds * 1e9) }, NULL); }

/* true: all of the group are gone, and reaped, within two seconds. */
static bool all_end(pid_t group)
{
    double end = chaos_now() + 2;
    for (;;) {
        pid_t got = waitpid(-group, NULL, WNOHANG);
        if (got < 0 && errno == ECHILD)
            return true;
        if (got == 0 && chaos_now() > end)
            return false;
        if (got == 0)
            nap(0.001);
    }
}

static bool leaves_nothing(const char *program, const char *victim, uint64_t *random, int slow)
{
    static char before[NAMES], after[NAMES];
    char seed[30];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)chaos_random(random));
    *before = *after = '\0';
    add_names("/dev/shm", "skate", before);
    add_names("/tmp", "skate", before);
    add_names("/var/tmp", "skate", before);
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        execl(program, program, victim, seed, (char *)NULL);
        _exit(127);
    }
    setpgid(pid, pid);
    nap((double)(chaos_random(random) % 1000000) / 1e6 * (chaos_random(random) % 2 ? 0.010 : 0.100) * slow);
    kill(pid, SIGKILL);
    int status = 0;
    bool was_alive = waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), ended = all_end(pid);
    if (!was_alive)
        printf("chaos: the program ended by itself, with status %d\n", status);
    if (!ended) {
        printf("chaos: processes of group %d live on two seconds after their driver\n", (int)pid);
        kill(-pid, SIGKILL);
        all_end(pid);
    }
    add_names("/dev/shm", "skate", after);
    add_names("/tmp", "skate", after);
    add_names("/var/tmp", "skate", after);
    bool clean = !strcmp(before, after);
    if (!clean)
        printf("chaos: names were \"%s\", and are \"%s\"\n", before, after);
    static const char *const lists[] = { "/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg" };
    for (int i = 0; i < 3; i++)
        clean &= lines_of_pid(lists[i], pid) == 0;
    return was_alive && ended && clean;
}

int chaos_kill_drivers(const char *program, const char *victim, uint64_t seed, int n, int slow)
{
    int failed = 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int i = 0; i < n; i++)
        failed += !leaves_nothing(program, victim, &seed, slow);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    return failed;
}
