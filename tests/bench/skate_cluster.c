/* skate_cluster.c -- what a cluster of nodes costs, on the backend tcp and this machine. Limits are tcp_bench.c's rows of the same names.
 *
 *   ping_tcp        us: a task on the other node and its answer, all asleep in between; the median
 *   pipe_tcp        tasks/s: tasks for the other node, all submitted before the first answer is taken
 *   pull_100MB      GB/s: from submitting a task of the other node that takes 100 MB of ours until it has answered
 *   pull_tls_100MB  the same in TLS: the node has joined at an address of this machine that is not loopback's
 *   fan_out_8       how many of the eight copies are sent by the node that made the object, if eight others ask for it at once
 *   fan_out_8_rate  GB/s: bytes of all copies over the time until all eight have answered
 *   startup_4_tcp   ms from before sk_init until the workers of four nodes have answered
 *   shutdown_4_tcp  ms that sk_shutdown takes then
 *   idle_tcp        % of a cpu: all processes of four nodes that have nothing to do, together
 *
 * Two nodes, if nothing else is said; a worker each. The first node is the head, which is this program. From pull_tls_100MB on in fresh processes
 * (bench_child.h): each is a cluster of its own.
 *
 * Reading order: 1 tasks for the other node; 2 what a fan-out sends; 3 start, end, idling; 4 TLS; 5 the rows. */
#define _GNU_SOURCE
#include <skate.h>
#include <trace_read.h>
#include "../../backends/secret.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <signal.h>

#include "bench_child.h"

enum { PINGS = 2000, TASKS = 20000, COPIES = 8, MOST_PROCESSES = 64 };

static char **own_argv;

/* ---- 1. Tasks for the other node -------------------------------------------------------------- */

SK_REMOTE(int, next_of, (int, x)) { return x + 1; }
SK_REMOTE(double, last_of, (sk_array, a)) { return sk_read(double, a)[sk_len(a) - 1]; }

/* A worker process starts with its first task. */
static void wake_nodes(int n)
{
    sk_ref refs[n];
    for (int i = 1; i < n; i++)
        refs[i] = sk_remote_with(SK_OPTS(.node = i), next_of, i);
    for (int i = 1; i < n; i++)
        bench_expect("the first answer of a node", sk_take(int, refs[i]), i + 1);
}

static double ping_tcp(void)
{
    static double us[PINGS];
    int n = bench_n(PINGS);
    for (int i = 0; i < n; i++) {
        double start = bench_now();
        int answer = sk_take(int, sk_remote_with(SK_OPTS(.node = 1), next_of, i));
        us[i] = (bench_now() - start) * 1e6;
        bench_expect("the answer of the other node", answer, i + 1);
    }
    return bench_median(us, n);
}

static double pipe_tcp(void)
{
    static sk_ref refs[TASKS];
    int n = bench_n(TASKS);
    double start = bench_now(), sum = 0;
    for (int i = 0; i < n; i++)
        refs[i] = sk_remote_with(SK_OPTS(.node = 1), next_of, i);
    for (int i = 0; i < n; i++)
        sum += sk_take(int, refs[i]);
    double seconds = bench_now() - start;
    bench_expect("sum of the answers", sum, n * (n + 1.0) / 2);
    return n / seconds;
}

/* 100 MB of ours that no other node has. */
static sk_ref put_object(void)
{
    int n = bench_n(BENCH_100MB);
    double *source = malloc((size_t)n * sizeof *source);
    if (!source)
        bench_give_up("100 MB");
    bench_fill(source, (size_t)n, 3);
    sk_ref object = sk_put(sk_array_of(source, n));
    free(source);
    return object;
}

/* Nodes 1 .. `copies` want the object at once. GB/s */
static double pull_all(sk_ref object, int copies)
{
    sk_ref refs[copies];
    double start = bench_now();
    for (int i = 0; i < copies; i++)
        refs[i] = sk_remote_with(SK_OPTS(.node = i + 1), last_of, object);
    for (int i = 0; i < copies; i++)
        bench_expect("last element pulled", sk_take(double, refs[i]), bench_n(BENCH_100MB) + 2);
    return copies * 8e-9 * bench_n(BENCH_100MB) / (bench_now() - start);
}

static double pull_100MB(void)
{
    sk_ref object = put_object();
    double rate = pull_all(object, 1);
    sk_drop(object);
    return rate;
}

/* ---- 2. What a fan-out sends ------------------------------------------------------------------ */

/* Of the large objects in this log: how many came from node 0, and how many there were in all. */
static int sent_by_head(const char *path, int *all)
{
    sk_error err;
    sk_reader *log = sk_trace_read_open(path, &err);
    if (!log) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    sk_cursor *cursor = sk_trace_read_cursor(log);
    int ours = 0;
    *all = 0;
    for (sk_event e; sk_trace_read_next(cursor, &e);)
        if (e.type == SK_TRACE_TRANSFER && e.word[1] >= 8u * (unsigned)bench_n(BENCH_100MB)) {
            ours += sk_trace_hi(e.word[2]) == 0;
            ++*all;
        }
    sk_trace_read_cursor_free(cursor);
    sk_trace_read_close(log);
    return ours;
}

static void child_fan_out(int copies)
{
    char path[] = "/tmp/skate-fan-out-XXXXXX";
    int fd = mkstemp(path), all;
    if (fd < 0)
        bench_give_up(path);
    close(fd);
    sk_init(NULL, NULL, &(sk_config){ .backend = "tcp", .nodes = copies + 1, .workers = 1, .trace = path });
    wake_nodes(copies + 1);
    double rate = pull_all(put_object(), copies);
    sk_shutdown();
    int ours = sent_by_head(path, &all);
    unlink(path);
    bench_expect("copies made", all, copies);
    printf("%d %.17g\n", ours, rate);
}

static double fan_out_8(void)      { return bench_run_child(own_argv, "fan-out", COPIES).n[0]; }
static double fan_out_8_rate(void) { return bench_run_child(own_argv, "fan-out", COPIES).n[1]; }

/* ---- 3. Start, end, idling -------------------------------------------------------------------- */

static double cpu_seconds(const pid_t *pids, int n)
{
    double seconds = 0;
    for (int i = 0; i < n; i++) {
        clockid_t clock;
        struct timespec t;
        if (clock_getcpuclockid(pids[i], &clock) != 0 || clock_gettime(clock, &t) != 0)
            bench_give_up("the clock of a process of the cluster");
        seconds += (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
    }
    return seconds;
}

/* Prints milliseconds until all nodes have answered, milliseconds that the end takes, and the per cent of a cpu in between. */
static void child_nodes(int n, bool idles)
{
    double start = bench_now(), busy = 0;
    sk_init(NULL, NULL, &(sk_config){ .backend = "tcp", .nodes = n, .workers = 1 });
    sk_ref ours = sk_remote_with(SK_OPTS(.node = SK_ZERO), next_of, 0);
    wake_nodes(n);
    bench_expect("the first answer of the head's node", sk_take(int, ours), 1);
    double started = bench_now();
    if (idles) {
        pid_t pids[MOST_PROCESSES] = { getpid() };
        int count = 1;
        for (int i = 0; i < count && count < MOST_PROCESSES; i++)       /* nodes have workers */
            count += bench_children_of(pids[i], pids + count, MOST_PROCESSES - count);
        bench_expect("processes of nodes and of workers, at least", count >= 2 * n, true);
        usleep(100000);                             /* those who look for work may give up first */
        double cpu = cpu_seconds(pids, count), since = bench_now();
        usleep((useconds_t)bench_n(2000000));
        busy = (cpu_seconds(pids, count) - cpu) / (bench_now() - since) * 100;
    }
    double ends = bench_now();
    sk_shutdown();
    printf("%.17g %.17g %.17g\n", (started - start) * 1e3, (bench_now() - ends) * 1e3, busy);
}

static double startup_4_tcp(void)  { return bench_run_child(own_argv, "nodes", 4).n[0]; }
static double shutdown_4_tcp(void) { return bench_run_child(own_argv, "nodes", 4).n[1]; }
static double idle_tcp(void)       { return bench_run_child(own_argv, "idle", 4).n[2]; }

/* ---- 4. TLS ----------------------------------------------------------------------------------- */

/* An address of this machine that is not loopback's: what goes there never leaves the machine either. NULL: it has none. */
static const char *address_here(void)
{
    static char text[INET_ADDRSTRLEN];
    struct ifaddrs *all = NULL;
    *text = '\0';
    if (getifaddrs(&all) != 0)
        return NULL;
    for (struct ifaddrs *i = all; i && !*text; i = i->ifa_next)
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && i->ifa_flags & IFF_UP && !(i->ifa_flags & IFF_LOOPBACK))
            inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, text, sizeof text);
    freeifaddrs(all);
    return *text ? text : NULL;
}

static const char *no_address(void) { return address_here() ? NULL : "this machine has no address but loopback's, where nothing is encrypted"; }

/* A port there that nobody has. */
static int free_port(const char *address)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, address, &at.sin_addr);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) != 0 || getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        bench_give_up(address);
    close(fd);
    return ntohs(at.sin_port);
}

/* `skate node`, from the build that this program is of: BUILD/bench/native/skate_cluster, BUILD/bin/skate. */
static pid_t start_node(const char *head, const char *secret_file)
{
    char self[4096] = "", tool[4200];
    pid_t pid;
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        bench_give_up("/proc/self/exe");
    snprintf(tool, sizeof tool, "%.*s/../../bin/skate", (int)(strrchr(self, '/') - self), self);
    char *args[] = { tool, "node", "--join", (char *)head, "--secret-file", (char *)secret_file, "--workers", "1", self, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);      /* ours is read by our parent */
    int failure = posix_spawn(&pid, tool, &actions, NULL, args, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0) {
        fprintf(stderr, "%s cannot be run: %s\n", tool, strerror(failure));
        exit(1);
    }
    return pid;
}

static void child_tls(void)
{
    char dir[] = "/tmp/skate-tls-XXXXXX", file[64], head[64];
    sk_error err;
    int status;
    if (!mkdtemp(dir))
        bench_give_up(dir);
    snprintf(file, sizeof file, "%s/secret", dir);
    const char *address = address_here();
    snprintf(head, sizeof head, "%s:%d", address, free_port(address));
    if (!sk_secret_create(file, &err)) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    setenv("SKATE_HEAD", head, 1);
    setenv("SKATE_SECRET_FILE", file, 1);
    setenv("SKATE_EXPECT", "1", 1);
    pid_t node = start_node(head, file);
    sk_init(NULL, NULL, &(sk_config){ .backend = "tcp", .workers = 1 });
    wake_nodes(2);
    pull_100MB();                                   /* now the pages of both stores are there */
    double rate = pull_100MB();
    sk_shutdown();
    unlink(file);
    rmdir(dir);
    if (waitpid(node, &status, 0) != node || status != 0)
        bench_give_up("skate node");
    printf("%.17g\n", rate);
}

static double pull_tls_100MB(void) { return bench_run_child(own_argv, "tls", 2).n[0]; }

/* ---- 5. The rows ------------------------------------------------------------------------------ */

static const bench_row rows[] = {
    BENCH_ROW(ping_tcp, "us"),
    BENCH_ROW(pipe_tcp, "tasks/s"),
    BENCH_ROW(pull_100MB, "GB/s"),
    BENCH_ROW(pull_tls_100MB, "GB/s", .cold = true, .why_not = no_address),
    BENCH_ROW(fan_out_8, "copies", .cold = true),
    BENCH_ROW(fan_out_8_rate, "GB/s", .cold = true),
    BENCH_ROW(startup_4_tcp, "ms", .cold = true),
    BENCH_ROW(shutdown_4_tcp, "ms", .cold = true),
    BENCH_ROW(idle_tcp, "%", .cold = true),
};

static void child(const char *kind, int n)
{
    if (strcmp(kind, "fan-out") == 0)
        child_fan_out(n);
    else if (strcmp(kind, "tls") == 0)
        child_tls();
    else
        child_nodes(n, strcmp(kind, "idle") == 0);
}

int main(int argc, char **argv)
{
    const char *kind;
    int n;
    unsetenv("SKATE_BACKEND");                      /* these would outrank what a row asks for */
    unsetenv("SKATE_NODES");
    unsetenv("SKATE_WORKERS");
    if (bench_is_child(argc, argv, &kind, &n)) {
        child(kind, n);
        return 0;
    }
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    own_argv = argv;
    sk_init(NULL, NULL, &(sk_config){ .backend = "tcp", .nodes = 2, .workers = 1 });
    bench_main("skate-tcp", "tcp", BENCH_ROWS(rows), argv);
    sk_shutdown();
    return 0;
}
