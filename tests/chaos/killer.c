/* killer.c -- a thread that kills worker processes of this program, one at a time, at random moments. */
#include "chaos.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CHILDREN = 300 };

static struct { pthread_t thread; uint64_t random; long wanted; double slow; _Atomic long killed; _Atomic bool holds; } killer;

int chaos_children(pid_t *pids, int room)
{
    DIR *tasks = opendir("/proc/self/task");
    int n = 0;
    for (struct dirent *e; tasks && (e = readdir(tasks));) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/task/%.20s/children", e->d_name);
        FILE *f = *e->d_name == '.' ? NULL : fopen(path, "re");
        for (int pid; f && n < room && fscanf(f, "%d", &pid) == 1;)
            pids[n++] = pid;
        if (f)
            fclose(f);
    }
    if (tasks)
        closedir(tasks);
    return n;
}

/* A number may be another process's by now: so first a descriptor of it, then a look whether that is a child. */
bool chaos_kill_child(pid_t pid)
{
    pid_t pids[MOST_CHILDREN];
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), n = fd < 0 ? 0 : chaos_children(pids, MOST_CHILDREN);
    bool is_child = false;
    for (int i = 0; i < n; i++)
        is_child |= pids[i] == pid;
    bool killed = is_child && syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
    if (fd >= 0)
        close(fd);
    return killed;
}

static void *kill_them(void *data)
{
    (void)data;
    while (atomic_load(&killer.killed) < killer.wanted) {
        int64_t most = (int64_t)1 << (20 + chaos_random(&killer.random) % 7);       /* 1 to 64 ms */
        int64_t pause = (int64_t)(chaos_random(&killer.random) % (uint64_t)most);
        pause = (int64_t)((double)pause * killer.slow);
        nanosleep(&(struct timespec){ pause / 1000000000, pause % 1000000000 }, NULL);
        pid_t pids[MOST_CHILDREN];
        int n = atomic_load(&killer.holds) ? 0 : chaos_children(pids, MOST_CHILDREN);
        if (n > 0 && chaos_kill_child(pids[chaos_random(&killer.random) % (unsigned)n]))
            atomic_fetch_add(&killer.killed, 1);
    }
    return NULL;
}

void chaos_killer_start(uint64_t seed, long kills, double slow)
{
    killer.slow = slow;
    killer.random = seed;
    killer.wanted = kills;
    if (pthread_create(&killer.thread, NULL, kill_them, NULL) != 0)
        _exit(3);
}

void chaos_hold_fire(bool hold) { atomic_store(&killer.holds, hold); }
bool chaos_holds_fire(void) { return atomic_load(&killer.holds); }
long chaos_killed(void) { return atomic_load(&killer.killed); }
void chaos_killer_join(void) { pthread_join(killer.thread, NULL); }
