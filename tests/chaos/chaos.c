/* chaos.c -- kill -9: of random worker processes, while a program reduces trees (`make chaos`), and of programs.
 *
 *   chaos [--kills N] [--drivers N] [--seed N] [--store]
 *   chaos --nodes [--kills N] [--freezes N] [--faults N] [--drivers N] [--seed N]
 *
 * The idea: a round is a reduction whose answer tells whether every part came once and in its place (rounds.c). A thread kills children of
 * this process all the time, also while a session starts and shuts down (killer.c). Each round is right, none takes ten times as long as
 * half of them do (and five seconds), and after each session there are as many descriptors as before it, no process, and no shared memory.
 * Then programs are killed as a whole (drivers.c). What is random comes from the seed, but for the moments.
 *
 * --store: the store is far too small for what the rounds have at once, so that it spills and workers wait for room; objects are of random sizes, and
 * come and go in random order, while those who read and write them are killed (store.c).
 *
 * --nodes: on tcp. Nodes are killed with -9, frozen for longer than the head waits for them and for less, and what goes between them and the head is
 * delayed, cut into pieces, changed, held back (nodes.c). After a kill, and after a freeze has been noticed, the answer comes within two seconds and
 * what a round takes. A freeze that is short costs no attempt. All nodes are back after each session.
 *
 * --stay: a round that hangs is left hanging, for a debugger. */
#include "chaos.h"

#include "backends/secret.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RECOVERIES = 1 << 12, SESSIONS = 5, MOST_OWN = 3, MOST_ROUNDS = 1 << 20 };

static struct {
    long kills, drivers, freezes, faults;
    uint64_t seed;
    bool stay, store, nodes;
    double patience;                        /* factor: sanitizers */
} option = { .kills = 500, .drivers = 100, .freezes = 20, .faults = 50, .patience = 1 };

static _Atomic long passed, failed, rounds, held;      /* the watchdog reads them */
static int open_at_first;                               /* descriptors, before anything ran */
static _Atomic long troubles;              /* of the sessions before */
static long retries;
static double *lengths;
static double recoveries[RECOVERIES], recovery_limit;      /* from the last harm in a round to its answer, of one sort of trouble; 0: none is judged */
static int nrecoveries;
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

static long harm(void) { return option.nodes ? troubles + chaos_troubles() : chaos_killed(); }

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
            printf("chaos: FAILED: round %ld hangs: %.1f s, and half of them took less than a tenth of that; %ld %s; seed %llu\n", rounds,
                   now - began, harm(), option.nodes ? "troubles" : "kills", (unsigned long long)option.seed);
            printf("chaos: %ld passed, %ld failed\n", passed, failed + 1);
            fflush(stdout);
            while (option.stay)
                pause();
            _exit(1);
        }
        if (now - said > 5) {
            said = now;
            printf("chaos: %ld %s, %ld rounds, %ld failed\n", harm(), option.nodes ? "troubles" : "kills", rounds, failed);
            fflush(stdout);
        }
    }
    return NULL;
}

static void note_recovery(double began, double now)
{
    double struck = recovery_limit > 0 ? chaos_struck() : 0, took = now - struck, most = (recovery_limit + median()) * option.patience;
    if (struck < began || nrecoveries == RECOVERIES)
        return;
    recoveries[nrecoveries++] = took;
    expect(took <= most, "an answer came %ld ms after the last harm, more than %ld ms", (long)(took * 1000), (long)(most * 1000));
}

/* Of those since the last call. */
static void print_recoveries(void)
{
    if (nrecoveries) {
        qsort(recoveries, (size_t)nrecoveries, sizeof *recoveries, by_size);
        printf("chaos: %d answers came after harm in their round: half within %.2f s, all within %.2f s\n", nrecoveries, recoveries[nrecoveries / 2],
               recoveries[nrecoveries - 1]);
    }
    nrecoveries = 0;
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
    double now = chaos_now();
    lengths[rounds++ % MOST_ROUNDS] = now - began;
    note_recovery(began, now);
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

static void expect_nothing_open(void)
{
    int maps = shared_mappings();
    expect(maps == 0, "%ld mappings of shared memory are left, instead of %ld", maps, 0);
    int now = descriptors();                        /* the killer has some for a moment */
    for (double end = chaos_now() + 1; now != open_at_first && chaos_now() < end; now = descriptors())
        ;
    expect(now == open_at_first, "%ld descriptors are open, instead of %ld", now, open_at_first);
}

static void play_session(uint64_t *random, long until)
{
    pid_t pids[10];
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
    expect_nothing_open();
}

/* ---- sessions on several nodes ---- */

static const char *secret_file(void)
{
    static char path[60];
    sk_error err;
    if (!*path) {
        snprintf(path, sizeof path, "/tmp/chaos-secret-%d", (int)getpid());
        unlink(path);
        if (!sk_secret_create(path, &err)) {
            fprintf(stderr, "chaos: %s\n", err.message);
            exit(3);
        }
    }
    return path;
}

static void init_cluster(const chaos_cluster *c)
{
    char beat[30], dead[30];
    bool own = c->trouble == CHAOS_OWN_KILLS;
    snprintf(beat, sizeof beat, "--sk-heartbeat=%.3f", c->heartbeat);
    snprintf(dead, sizeof dead, "--sk-dead-after=%.3f", c->dead_after);
    char head[60], secret[80];
    snprintf(head, sizeof head, "--sk-head=%s", c->head);
    snprintf(secret, sizeof secret, "--sk-secret-file=%s", c->secret_file);
    char *list[] = { (char *)"chaos", beat, dead, head, secret, (char *)"--sk-expect=3", NULL }, **argv = list;
    int argc = own ? 3 : 6;
    list[argc] = NULL;
    sk_init(&argc, &argv, &(sk_config){ .backend = "tcp", .nodes = own ? 1 + CHAOS_NODES : 1, .workers = 2, .store_bytes = 256 << 20 });
}

static long alive(void)
{
    sk_node_info list[64];
    size_t n = sk_nodes(list, 64);
    long count = 0;
    for (size_t i = 0; i < n && i < 64; i++)
        count += list[i].alive;
    return count;
}

/* Orphans are this process's children too: workers, whose node was killed. */
static void expect_no_orphans(void)
{
    pid_t got;
    double end = chaos_now() + 2 * option.patience;
    while (((got = waitpid(-1, NULL, WNOHANG)) >= 0 || errno == EINTR) && chaos_now() < end)
        if (got == 0)
            nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    bool none = got < 0 && errno == ECHILD;
    pid_t pids[10];
    expect(none, "%ld processes are left after two seconds, instead of %ld", chaos_children(pids, 10), 0);
}

static void play_cluster(uint64_t *random, chaos_trouble trouble, long n)
{
    double dead_after = option.patience > 1 ? 2 : 1;
    chaos_cluster c = { trouble, n, chaos_random(random), option.patience, 0.1 * dead_after, dead_after, "", secret_file() };
    snprintf(c.head, sizeof c.head, "127.0.0.1:%d", chaos_free_port());
    long wrong = failed;
    bool kills = trouble == CHAOS_KILLS || trouble == CHAOS_OWN_KILLS;
    recovery_limit = kills ? 2 : trouble == CHAOS_FREEZES ? dead_after + 2 : 0;
    atomic_store(&limit, 30 * option.patience);
    atomic_store(&round_began, chaos_now());        /* it may not hang in its beginning either */
    if (trouble != CHAOS_OWN_KILLS)
        chaos_nodes_begin(&c);
    if (trouble == CHAOS_KILLS && chaos_random(random) % 4 == 0)
        chaos_nodes_harm();                         /* while they join, too */
    init_cluster(&c);
    if (trouble == CHAOS_OWN_KILLS)
        chaos_nodes_begin(&c);
    chaos_nodes_harm();
    atomic_store(&round_began, 0);
    do
        play_round(chaos_random(random));
    while (chaos_troubles() < n);
    double end = chaos_now() + 3 * dead_after + 3 * option.patience;
    long wanted = trouble == CHAOS_OWN_KILLS ? 1 + CHAOS_NODES - n : 1 + CHAOS_NODES;
    do
        play_round(chaos_random(random));
    while (alive() != wanted && chaos_now() < end);
    expect(alive() == wanted, "%ld nodes are there in the end, instead of %ld", alive(), wanted);
    expect_no_bytes();
    long again = (long)sk_stats().retries;
    retries += again;
    if (trouble == CHAOS_NAPS)
        expect(again == 0, "%ld attempts were lost by freezes that were short, instead of %ld", again, 0);
    atomic_store(&round_began, chaos_now());
    chaos_nodes_close();
    sk_shutdown();
    int misdeeds = chaos_nodes_end();
    atomic_store(&round_began, 0);
    expect(misdeeds == 0, "%ld nodes did what none should, instead of %ld", misdeeds, 0);
    expect_no_orphans();
    expect_nothing_open();
    troubles += n;
    if (failed != wrong)
        printf("chaos: FAILED: in a session of trouble %d, its seed %llu\n", (int)trouble, (unsigned long long)c.seed);
}

static void play_clusters(uint64_t *random)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    long own = option.kills * 2 / 5, naps = option.freezes;
    static const struct { chaos_trouble trouble; const char *name; } sorts[] = {
        { CHAOS_KILLS, "kills of nodes" }, { CHAOS_OWN_KILLS, "kills of nodes of the program's own" }, { CHAOS_FREEZES, "long freezes" },
        { CHAOS_NAPS, "short freezes" }, { CHAOS_PROXY, "faults of connections" },
    };
    const long counts[] = { option.kills - own, own, option.freezes, naps, option.faults }, most[] = { 5, MOST_OWN, 10, 10, 10 };
    for (int i = 0; i < 5; i++) {
        double began = chaos_now();
        long first = rounds, again = retries;
        for (long n, left = counts[i]; left > 0; left -= n)
            play_cluster(random, sorts[i].trouble, n = left < most[i] ? left : most[i]);
        printf("chaos: %ld %s, in %ld rounds, %.1f s; %ld attempts were made again\n", counts[i], sorts[i].name, rounds - first, chaos_now() - began,
               retries - again);
        print_recoveries();
        fflush(stdout);
    }
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    unlink(secret_file());
}

/* ---- main ---- */

static _Noreturn void be_a_victim(uint64_t seed, bool store, bool on_nodes)
{
    sk_init(NULL, NULL, &(sk_config){ .backend = on_nodes ? "tcp" : "processes", .nodes = on_nodes ? 1 + CHAOS_NODES : 1, .workers = 2,
                                      .store_bytes = store ? CHAOS_STORE : 256 << 20 });
    for (;;)
        if (!(store ? chaos_store_round : chaos_round)(chaos_random(&seed)))
            exit(1);
}

static void read_options(int argc, char **argv)
{
    option.seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--victim") || !strcmp(argv[i], "--store-victim") || !strcmp(argv[i], "--node-victim"))
            be_a_victim(strtoull(value, NULL, 10), argv[i][2] == 's', argv[i][2] == 'n');
        else if (!strcmp(argv[i], "--kills"))
            option.kills = atol(value), i++;
        else if (!strcmp(argv[i], "--drivers"))
            option.drivers = atol(value), i++;
        else if (!strcmp(argv[i], "--freezes"))
            option.freezes = atol(value), i++;
        else if (!strcmp(argv[i], "--faults"))
            option.faults = atol(value), i++;
        else if (!strcmp(argv[i], "--nodes"))
            option.nodes = true;
        else if (!strcmp(argv[i], "--seed"))
            option.seed = strtoull(value, NULL, 10), i++;
        else if (!strcmp(argv[i], "--patience"))
            option.patience = atof(value), i++;
        else if (!strcmp(argv[i], "--stay"))
            option.stay = true;
        else if (!strcmp(argv[i], "--store"))
            option.store = true;
        else {
            fprintf(stderr, "usage: chaos [--kills N] [--drivers N] [--seed N] [--patience FACTOR] [--store] [--stay] [--nodes [--freezes N] [--faults N]]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    printf("chaos: %ld kills of %s, %ld of drivers, seed %llu\n", option.kills, option.nodes ? "nodes" : "workers", option.drivers,
           (unsigned long long)option.seed);
    fflush(stdout);
    uint64_t random = option.seed;
    lengths = calloc(MOST_ROUNDS, sizeof *lengths);
    pthread_t watchdog;
    if (!lengths || pthread_create(&watchdog, NULL, watch, NULL) != 0)
        return 3;
    double began = chaos_now();
    open_at_first = descriptors();                  /* before the killer runs: a count beside it may hold one of its own */
    if (option.nodes) {
        play_clusters(&random);
        printf("chaos: in all %ld rounds, %.1f s; a round took %.1f ms (median)\n", rounds, chaos_now() - began, rounds ? 1000 * median() : 0);
    } else if (option.kills > 0) {
        chaos_killer_start(chaos_random(&random), option.kills, option.patience);
        for (long i = 1; i <= SESSIONS; i++)
            play_session(&random, option.kills * i / SESSIONS);
        chaos_killer_join();
        printf("chaos: %ld kills, %ld of them of running tasks, in %ld rounds, %.1f s; a round took %.1f ms (median); "
               "the killer held its fire %ld times\n", chaos_killed(), retries, rounds, chaos_now() - began, 1000 * median(), held);
    }
    const char *victim = option.nodes ? "--node-victim" : option.store ? "--store-victim" : "--victim";
    int left = chaos_kill_drivers("/proc/self/exe", victim, chaos_random(&random), (int)option.drivers, option.nodes ? 6 : 1);
    passed += option.drivers - left;
    failed += left;
    if (option.store)
        printf("chaos: at most %.1f times what the store holds was alive at once\n", chaos_most_alive());
    printf("chaos: %ld passed, %ld failed\n", passed, failed);
    return failed > 0;
}
