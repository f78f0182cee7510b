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
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NAMES = 4000 };
typedef char names[NAMES];                 /* paths, each between newlines */

static bool has_name(const char *all, const char *path)
{
    char line[NAMES];
    snprintf(line, sizeof line, "\n%s\n", path);
    return strstr(all, line) != NULL;
}

static void add_name(char *all, const char *path)
{
    size_t n = strlen(all);
    if (n + strlen(path) + 3 < NAMES)
        sprintf(all + n, "%s%s\n", n ? "" : "\n", path);
}

/* Files that this library might leave, but those in `but`. Folders it keeps (runfile.h), and tests that run beside this one make some. */
static void list_files(char *all, const char *but)
{
    static const char *const folders[] = { "/dev/shm", "/tmp", "/var/tmp" };
    *all = '\0';
    for (int i = 0; i < 3; i++) {
        DIR *d = opendir(folders[i]);
        char path[300];
        struct stat s;
        for (struct dirent *e; d && (e = readdir(d));) {
            snprintf(path, sizeof path, "%s/%s", folders[i], e->d_name);
            if (!strncmp(e->d_name, "skate", 5) && lstat(path, &s) == 0 && !S_ISDIR(s.st_mode) && !(but && has_name(but, path)))
                add_name(all, path);
        }
        if (d)
            closedir(d);
    }
}

/* Has a process that lives this file open? Then it is that one's: another program's that runs here now. */
static bool is_open_somewhere(const char *path)
{
    bool found = false;
    DIR *all = opendir("/proc");
    for (struct dirent *p; all && !found && (p = readdir(all));) {
        char folder[300], link[600], target[300];
        snprintf(folder, sizeof folder, "/proc/%s/fd", p->d_name);
        DIR *fds = *p->d_name >= '1' && *p->d_name <= '9' ? opendir(folder) : NULL;
        for (struct dirent *e; fds && !found && (e = readdir(fds));) {
            snprintf(link, sizeof link, "%s/%s", folder, e->d_name);
            ssize_t n = readlink(link, target, sizeof target - 1);
            target[n > 0 ? n : 0] = '\0';
            found = !strcmp(target, path);
        }
        if (fds)
            closedir(fds);
    }
    if (all)
        closedir(all);
    return found;
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

/* A dead program's files stay, and nobody has them open; those of others go within five seconds, or are open. true: none has stayed. */
static bool no_file_stays(const char *before)
{
    double end = chaos_now() + 5;
    for (;;) {
        names new, left = "";
        list_files(new, before);
        for (char *at = new, *path; (path = strtok_r(NULL, "\n", &at));)
            if (!is_open_somewhere(path) && access(path, F_OK) == 0)
                add_name(left, path);
        if (!*left)
            return true;
        if (chaos_now() > end) {
            printf("chaos: these files were left, and nobody has them open:%s", left);
            return false;
        }
        nap(0.01);
    }
}

static bool leaves_nothing(const char *program, const char *victim, uint64_t *random, int slow)
{
    names before;
    char seed[30];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)chaos_random(random));
    list_files(before, NULL);
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
    bool clean = no_file_stays(before);
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
