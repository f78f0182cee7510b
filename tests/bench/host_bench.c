/* host_bench.c -- what the machine itself takes for the things that tasks are made of. A virtual machine's cpus are put now here, now there, and its
 * pages may have two tables to go through; then the same program is half as fast as a minute ago. So `run` asks this in each round.
 *
 *   host_line   us: a cache line goes to another cpu and comes back. 0.1: they share a core; 0.2: a cache; more: neither
 *   host_wake   us: a thread that has slept for a millisecond on another cpu is woken, and says so; who woke it looks on
 *   host_page   us: a fresh page of 4 KB is written to for the first time; the mean of many
 *   host_seal   us: 8 MB of shared memory in pages of 2 MB, written to, are withdrawn from writing (mprotect), given back, and each written to once
 *               more, while another process computes. What a worker of `processes` pays for an array of a million doubles
 *
 * Build: cc -O3 -march=native -pthread host_bench.c */
#define _GNU_SOURCE
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

#include "bench.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25                 /* Linux 6.1 */
#endif

enum { TRIPS = 100000, WAKES = 200, PAGES = 4096, PAGE = 4096, HUGE = 2 << 20, SEALED = 4 * HUGE, SEALS = 100 };

static int cpus[2];                      /* two that we may use */
static _Alignas(64) int turn;            /* atomic */
static _Alignas(64) int done;

static const char *why_not_two(void)
{
    cpu_set_t may;
    int n = 0;
    if (sched_getaffinity(0, sizeof may, &may) == 0)
        for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
            if (CPU_ISSET(i, &may))
                cpus[n++] = i;
    return n < 2 ? "it needs two cpus, and there is one" : NULL;
}

static void stay_on(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        perror("sched_setaffinity");
}

/* On one of the two again. */
static void go_anywhere(void)
{
    cpu_set_t two;
    CPU_ZERO(&two);
    for (int i = 0; i < 2; i++)
        CPU_SET(cpus[i], &two);
    sched_setaffinity(0, sizeof two, &two);
}

static pthread_t with(void *(*fn)(void *))
{
    pthread_t other;
    if (pthread_create(&other, NULL, fn, NULL) != 0) {
        perror("a second thread");
        exit(1);
    }
    return other;
}

/* ---- a line ---- */

static void *answer(void *trips)
{
    (void)trips;
    stay_on(cpus[1]);
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
    pthread_t other = with(answer);
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
    stay_on(cpus[1]);
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
    pthread_t other = with(get_up);
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

static char *map(size_t size, int flags, int file)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, file, 0);
    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return p;
}

static double host_page(void)
{
    size_t n = (size_t)bench_n(PAGES);
    char *p = map(n * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    madvise(p, n * PAGE, MADV_NOHUGEPAGE);
    double start = bench_now();
    for (size_t i = 0; i < n; i++)
        ((volatile char *)p)[i * PAGE] = 1;
    double us = (bench_now() - start) * 1e6 / (double)n;
    munmap(p, n * PAGE);
    return us;
}

static pid_t compute_beside(void)
{
    pid_t parent = getpid(), child = fork();
    if (child < 0) {
        perror("fork");
        exit(1);
    }
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(0);
        stay_on(cpus[1]);
        for (volatile long x = 0;; x++)
            ;
    }
    return child;
}

static void write_to_each(char *p)
{
    for (size_t at = 0; at < SEALED; at += HUGE)
        ((volatile char *)p)[at]++;
}

/* Once for all. */
static char *large_pages(void)
{
    static char *p;
    if (p)
        return p;
    int file = memfd_create("host", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, SEALED) != 0) {
        perror("8 MB of shared memory");
        exit(1);
    }
    char *room = map(SEALED + HUGE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    room += (HUGE - (uintptr_t)room % HUGE) % HUGE;
    p = mmap(room, SEALED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    for (size_t at = 0; at < SEALED; at += HUGE) {
        p[at] = 1;
        madvise(p + at, HUGE, MADV_COLLAPSE);      /* an old kernel does not: then it takes longer, there too */
    }
    memset(p, 1, SEALED);
    return p;
}

static double host_seal(void)
{
    static double us[SEALS];
    int n = bench_n(SEALS);
    char *p = large_pages();
    stay_on(cpus[0]);
    pid_t beside = compute_beside();
    for (int i = 0; i < n; i++) {
        double start = bench_now();
        if (mprotect(p, SEALED, PROT_NONE) != 0 || mprotect(p, SEALED, PROT_READ | PROT_WRITE) != 0) {
            perror("mprotect");
            exit(1);
        }
        write_to_each(p);
        us[i] = (bench_now() - start) * 1e6;
    }
    kill(beside, SIGKILL);
    waitpid(beside, NULL, 0);
    go_anywhere();
    return bench_median(us, n);
}

/* ---- main ---- */

static const bench_row rows[] = {
    BENCH_ROW(host_line, "us", .why_not = why_not_two),
    BENCH_ROW(host_wake, "us", .why_not = why_not_two),
    BENCH_ROW(host_page, "us"),
    BENCH_ROW(host_seal, "us", .why_not = why_not_two),
};

int main(int argc, char **argv)
{
    (void)argc;
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    bench_main("host", "", BENCH_ROWS(rows), argv);
    return 0;
}
