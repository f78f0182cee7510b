/* chaos.c -- kill -9: of random worker processes, while a program reduces trees (`make chaos`), and of programs.
 *
 *   chaos [--kills N] [--drivers N] [--seed N] [--store]
 *
 * The idea: a round is a reduction whose answer tells whether every part came once and in its place (rounds.c). A thread kills children of
 * this process all the time, also while a session starts and shuts down (killer.c). Each round is right, none takes ten times as long as
 * half of them do (and five seconds), and after each session there are as many descriptors as before it, no process, and no shared memory.
 * Then programs are killed as a whole (drivers.c). What is random comes from the seed, but for the moments.
 *
 * --store: the store is far too small for what the rounds have at once, so that it spills and workers wait for room; objects are of random sizes, and
 * come and go in random order, while those who read and write them are killed (store.c).
 *
 * --stay: a round that hangs is left hanging, for a debugger. */
#include "chaos.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SESSIONS = 5, MOST_ROUNDS = 1 << 20 };

static struct {
    long kills, drivers;
    uint64_t seed;
    bool stay, store;
    double patience;                        /* factor: sanitizers */
} option = { .kills = 500, .drivers = 100, .patience = 1 };

static _Atomic long passed, failed, rounds, held;      /* the watchdog reads them */
static long retries;
static double *lengths;
static _Atomic double round_began, limit;   /* 0: no round */

uint64_t chaos_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

double chaos_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void expect(bool ok, const char *format, long got, long wanted)
{
    if (ok) {
        passed++;
        return;
    }
    failed++;
    printf("chaos: FAILED: ");
    printf(format, got, wanted);
    printf("\n");
}

/* ---- the watchdog ---- */

static int by_size(const void *l, const void *r)
{
    double a = *(const double *)l, b = *(const double *)r;
    return (a > b) - (a < b);
}

static double median(void)
{
    double *sorted = malloc((size_t)rounds * sizeof *sorted);
    if (!sorted)
        abort();
    memcpy(sorted, lengths, (size_t)rounds * sizeof *sorted);
    qsort(sorted, (size_t)rounds, sizeof *sorted, by_size);
    double m = sorted[rounds / 2];
    free(sorted);
    return m;
}

static void *watch(void *data)
{
    (void)data;
    bool holds = false;
    for (double said = chaos_now();;) {
        nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
        double began = atomic_load(&round_began), now = chaos_now();
        /* A parent that waits beside ten other processes may be killed before its children are done, again and again, if the machine is
         * slow. That is no hang: one is what does not end though nobody is killed any more. */
        bool is_long = began > 0 && now - began > atomic_load(&limit) / 3;
        if (is_long != holds)
            chaos_hold_fire(holds = is_long), held += is_long;
        if (began > 0 && now - began > atomic_load(&limit)) {
            printf("chaos: FAILED: round %ld hangs: %.1f s, and half of them took less than a tenth of that; %ld kills; seed %llu\n", rounds,
                   now - began, chaos_killed(), (unsigned long long)option.seed);
            printf("chaos: %ld passed, %ld failed\n", passed, failed + 1);
            fflush(stdout);
            while (option.stay)
                pause();
            _exit(1);
        }
        if (now - said > 5) {
            said = now;
            printf("chaos: %ld of %ld kills, %ld rounds, %ld failed\n", chaos_killed(), option.kills, rounds, failed);
            fflush(stdout);
        }
    }
    return NULL;
}

static void play_round(uint64_t seed)
{
    if (rounds < 32 || rounds % 32 == 0) {
        double most = rounds > 0 ? 10 * median() : 0;
        atomic_store(&limit, (most > 5 ? most : 5) * option.patience);
    }
    double began = chaos_now();
    atomic_store(&round_began, began);
    bool ok = option.store ? chaos_store_round(seed) : chaos_round(seed);
    atomic_store(&round_began, 0);
    lengths[rounds++ % MOST_ROUNDS] = chaos_now() - began;
    if (ok)
        passed++;
    else
        failed++;
}

/* ---- what is left ---- */

static int descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = -1;                             /* the list's own */
    for (struct dirent *e; d && (e = readdir(d));)
        n += *e->d_name != '.';
    if (d)
        closedir(d);
    return n;
}

static int shared_mappings(void)
{
    char line[600];
    int n = 0;
    FILE *f = fopen("/proc/self/maps", "re");
    while (f && fgets(line, sizeof line, f))
        n += strstr(line, "memfd:") != NULL;
    if (f)
        fclose(f);
    return n;
}

/* Somebody may still be giving back. */
static void expect_no_bytes(void)
{
    double end = chaos_now() + 5 * option.patience;
    sk_counts c = sk_stats();
    while ((c.bytes_live || c.objects_live) && chaos_now() < end) {
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
        c = sk_stats();
    }
    expect(c.bytes_live == 0, "%ld bytes are left in the store, instead of %ld", (long)c.bytes_live, 0);
    expect(c.objects_live == 0, "%ld objects are left, instead of %ld", (long)c.objects_live, 0);
}

static void play_session(uint64_t *random, long until)
{
    pid_t pids[10];
    int before = descriptors();
    sk_init(NULL, NULL, &(sk_config){ .backend = "processes", .workers = 2 + (int)(chaos_random(random) % 2),
                                      .store_bytes = option.store ? CHAOS_STORE : 256 << 20 });
    do
        play_round(chaos_random(random));
    while (chaos_killed() < until);
    expect_no_bytes();
    retries += (long)sk_stats().retries;
    atomic_store(&round_began, chaos_now());        /* it may not hang in its end either */
    sk_shutdown();
    atomic_store(&round_began, 0);
    int children = chaos_children(pids, 10);
    expect(children == 0 && waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "%ld processes are left, instead of %ld", children, 0);
    int maps = shared_mappings();
    expect(maps == 0, "%ld mappings of shared memory are left, instead of %ld", maps, 0);
    int after = descriptors();                      /* the killer has some for a moment */
    for (double end = chaos_now() + 1; after != before && chaos_now() < end; after = descriptors())
        ;
    expect(after == before, "%ld descriptors are open, instead of %ld", after, before);
}

/* ---- main ---- */

static _Noreturn void be_a_victim(uint64_t seed, bool store)
{
    sk_init(NULL, NULL, &(sk_config){ .backend = "processes", .workers = 2, .store_bytes = store ? CHAOS_STORE : 256 << 20 });
    for (;;)
        if (!(store ? chaos_store_round : chaos_round)(chaos_random(&seed)))
            exit(1);
}

static void read_options(int argc, char **argv)
{
    option.seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--victim") || !strcmp(argv[i], "--store-victim"))
            be_a_victim(strtoull(value, NULL, 10), argv[i][2] == 's');
        else if (!strcmp(argv[i], "--kills"))
            option.kills = atol(value), i++;
        else if (!strcmp(argv[i], "--drivers"))
            option.drivers = atol(value), i++;
        else if (!strcmp(argv[i], "--seed"))
            option.seed = strtoull(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--patience"))
            option.patience = atof(value), i++;
        else if (!strcmp(argv[i], "--stay"))
            option.stay = true;
        else if (!strcmp(argv[i], "--store"))
            option.store = true;
        else {
            fprintf(stderr, "usage: chaos [--kills N] [--drivers N] [--seed N] [--patience FACTOR] [--store] [--stay]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    printf("chaos: %ld kills of workers, %ld of drivers, seed %llu\n", option.kills, option.drivers, (unsigned long long)option.seed);
    fflush(stdout);
    uint64_t random = option.seed;
    lengths = calloc(MOST_ROUNDS, sizeof *lengths);
    pthread_t watchdog;
    if (!lengths || pthread_create(&watchdog, NULL, watch, NULL) != 0)
        return 3;
    double began = chaos_now();
    if (option.kills > 0) {
        chaos_killer_start(chaos_random(&random), option.kills, option.patience);
        for (long i = 1; i <= SESSIONS; i++)
            play_session(&random, option.kills * i / SESSIONS);
        chaos_killer_join();
        printf("chaos: %ld kills, %ld of them of running tasks, in %ld rounds, %.1f s; a round took %.1f ms (median); "
               "the killer held its fire %ld times\n", chaos_killed(), retries, rounds, chaos_now() - began, 1000 * median(), held);
    }
    int left = chaos_kill_drivers("/proc/self/exe", option.store ? "--store-victim" : "--victim", chaos_random(&random), (int)option.drivers);
    passed += option.drivers - left;
    failed += left;
    if (option.store)
        printf("chaos: at most %.1f times what the store holds was alive at once\n", chaos_most_alive());
    printf("chaos: %ld passed, %ld failed\n", passed, failed);
    return failed > 0;
}
