/* host_bench.c -- what the machine itself takes for the things that tasks are made of. A virtual machine's cpus are put now here, now there, and its
 * pages may have two tables to go through; then the same program is half as fast as a minute ago. So `run` asks this in each round.
 *
 *   host_line   us: a cache line goes to another cpu and comes back. Seen on one virtual machine: 0.06 with both on one core, 0.5 with two
 *   host_wake   us: a thread that has slept for a millisecond on another cpu is woken, and says so; who wakes it spins until then
 *   host_page   us: a fresh page of ordinary memory is written to for the first time; the mean of many
 *   host_seal   us: 8 MB of shared memory in pages of 2 MB, written to, are put out of reach (mprotect), given back, and each page is written to once
 *               more, while another process computes. What a worker of `processes` pays for an array of a million doubles
 *
 * The two cpus are the lowest ones that we may use.
 *
 * Build: cc -O3 -march=native -pthread host_bench.c */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_child.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25                 /* Linux 6.1 */
#endif

enum { TRIPS = 100000, WAKES = 200, PAGES = 4096, HUGE = 2 << 20, SEALED = 4 * HUGE, SEALS = 100 };

static cpu_set_t ours;                   /* where we may run */
static int cpus[2];                      /* two of them */
static _Alignas(64) int turn;            /* atomic */
static _Alignas(64) int done;

static const char *why_not_two(void)
{
    int n = 0;
    if (sched_getaffinity(0, sizeof ours, &ours) != 0)
        return "it needs two cpus, and there are too many to be told apart";
    for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
        if (CPU_ISSET(i, &ours))
            cpus[n++] = i;
    return n < 2 ? "it needs two cpus, and there is one" : NULL;
}

static cpu_set_t only(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return one;
}

/* From now on, until go_anywhere. */
static void stay_on(int cpu)
{
    cpu_set_t one = only(cpu);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        bench_give_up("sched_setaffinity");
}

static void go_anywhere(void) { sched_setaffinity(0, sizeof ours, &ours); }

/* A thread on the other cpu. */
static pthread_t beside(void *(*fn)(void *))
{
    cpu_set_t there = only(cpus[1]);
    pthread_attr_t attributes;
    pthread_t other;
    pthread_attr_init(&attributes);
    if ((errno = pthread_attr_setaffinity_np(&attributes, sizeof there, &there)) != 0
        || (errno = pthread_create(&other, &attributes, fn, NULL)) != 0)
        bench_give_up("a thread on another cpu");
    pthread_attr_destroy(&attributes);
    return other;
}

/* ---- a line ---- */

static void *answer(void *trips)
{
    (void)trips;
    for (int i = 0, n = bench_n(TRIPS); i < n; i++) {
        while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != 2 * i + 1)
            bench_pause();
        __atomic_store_n(&turn, 2 * i + 2, __ATOMIC_RELEASE);
    }
    return NULL;
}

static double host_line(void)
{
    int n = bench_n(TRIPS);
    turn = 0;
    stay_on(cpus[0]);
    pthread_t other = beside(answer);
    double start = 0;
    for (int i = 0; i < n; i++) {
        __atomic_store_n(&turn, 2 * i + 1, __ATOMIC_RELEASE);
        while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != 2 * i + 2)
            bench_pause();
        if (i == 0)                      /* the other one is up */
            start = bench_now();
    }
    double us = (bench_now() - start) * 1e6 / (n - 1);
    pthread_join(other, NULL);
    go_anywhere();
    return us;
}

/* ---- a wake ---- */

static void futex(int what, int value) { syscall(SYS_futex, &turn, what, value, NULL, NULL, 0); }

static void *get_up(void *nothing)
{
    (void)nothing;
    for (int i = 1, n = bench_n(WAKES); i <= n; i++) {
        for (int now; (now = __atomic_load_n(&turn, __ATOMIC_ACQUIRE)) != i;)
            futex(FUTEX_WAIT_PRIVATE, now);
        __atomic_store_n(&done, i, __ATOMIC_RELEASE);
    }
    return NULL;
}

static double host_wake(void)
{
    static double us[WAKES];
    int n = bench_n(WAKES);
    turn = done = 0;
    stay_on(cpus[0]);                    /* or the one would run in the other's place, which is a switch of 5 us */
    pthread_t other = beside(get_up);
    for (int i = 1; i <= n; i++) {
        usleep(1000);
        double start = bench_now();
        __atomic_store_n(&turn, i, __ATOMIC_RELEASE);
        futex(FUTEX_WAKE_PRIVATE, 1);
        while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) != i)
            bench_pause();
        us[i - 1] = (bench_now() - start) * 1e6;
    }
    pthread_join(other, NULL);
    go_anywhere();
    return bench_median(us, n);
}

/* ---- pages ---- */

static char *map(size_t size)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        bench_give_up("mmap");
    return p;
}

static double host_page(void)
{
    size_t n = (size_t)bench_n(PAGES), page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = map(n * page);
    madvise(p, n * page, MADV_NOHUGEPAGE);
    double start = bench_now();
    for (size_t i = 0; i < n; i++)
        ((volatile char *)p)[i * page] = 1;
    double us = (bench_now() - start) * 1e6 / (double)n;
    munmap(p, n * page);
    return us;
}

static void write_to_each(char *p)
{
    for (size_t at = 0; at < SEALED; at += HUGE)
        ((volatile char *)p)[at]++;
}

/* Made once. NULL: the kernel gives none. */
static char *large_pages(void)
{
    static char *p;
    static bool tried;
    if (tried)
        return p;
    tried = true;
    int file = memfd_create("host", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, SEALED) != 0)
        bench_give_up("8 MB of shared memory");
    char *room = map(SEALED + HUGE);
    room += (HUGE - (uintptr_t)room % HUGE) % HUGE;
    if (mmap(room, SEALED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
        bench_give_up("mmap");
    memset(room, 1, SEALED);
    if (madvise(room, SEALED, MADV_COLLAPSE) == 0)
        p = room;
    return p;
}

static const char *why_no_seal(void)
{
    const char *why = why_not_two();
    return why ? why : large_pages() ? NULL : "it needs shared memory in pages of 2 MB, and there is none (Linux 6.1, and memory in one piece)";
}

/* A process on the other cpu, which ends with us; it is up when this returns. */
static pid_t compute_beside(void)
{
    int up[2];
    char byte;
    if (pipe(up) != 0)
        bench_give_up("pipe");
    pid_t parent = getpid(), child = fork();
    if (child < 0)
        bench_give_up("fork");
    if (child == 0) {
        cpu_set_t there = only(cpus[1]);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || sched_setaffinity(0, sizeof there, &there) != 0 || write(up[1], "", 1) != 1)
            _exit(1);
        for (volatile long x = 0;; x++)
            ;
    }
    close(up[1]);
    errno = ECHILD;                        /* if it has ended */
    if (read(up[0], &byte, 1) != 1)
        bench_give_up("a process on another cpu");
    close(up[0]);
    return child;
}

static double host_seal(void)
{
    static double us[SEALS];
    int n = bench_n(SEALS);
    char *p = large_pages();
    pid_t other = compute_beside();
    stay_on(cpus[0]);
    for (int i = 0; i < n; i++) {
        double start = bench_now();
        if (mprotect(p, SEALED, PROT_NONE) != 0 || mprotect(p, SEALED, PROT_READ | PROT_WRITE) != 0)
            bench_give_up("mprotect");
        write_to_each(p);
        us[i] = (bench_now() - start) * 1e6;
    }
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    go_anywhere();
    return bench_median(us, n);
}

/* ---- main ---- */

static const bench_row rows[] = {
    BENCH_ROW(host_line, "us", .why_not = why_not_two, .runs = 3),
    BENCH_ROW(host_wake, "us", .why_not = why_not_two, .runs = 3),
    BENCH_ROW(host_page, "us", .runs = 3),
    BENCH_ROW(host_seal, "us", .why_not = why_no_seal, .runs = 3),
};

int main(int argc, char **argv)
{
    (void)argc;
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    bench_main("host", "", BENCH_ROWS(rows), argv);
    return 0;
}
