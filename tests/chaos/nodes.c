/* nodes.c -- the nodes of a cluster whose head is this process, and what befalls them. See chaos.c.
 *
 * A thread starts them, each this program once more (backends/node.h), and starts another for each that ends. Meanwhile, pause by pause, it does harm
 * to one: kills it; stops it for longer than the head's patience, or for less; or spoils what goes through its proxy (tests/proxy), of which
 * each node has one. With CHAOS_OWN_KILLS it starts none, and kills those that the program has started by itself.
 *
 * A node ends as it says it does: with a status of node.h, or because it was killed here; by any other signal, or status, is a failure. When the
 * session is over all end by themselves. */
#include "chaos.h"

#include "backends/node.h"
#include "proxy/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGAIN 0.1                          /* seconds between two starts of one: its proxy may let none join */

extern char **environ;

enum { MOST_CHILDREN = 300, TICK_NS = 1000000, WORKERS = 2 };

typedef struct node {
    pid_t pid;                             /* 0: none */
    bool was_killed;
    double began;
    double until;                          /* the trouble of now ends then; 0: none */
    proxy *proxy;                          /* CHAOS_PROXY */
    char what[80];
} node;

static struct {
    chaos_cluster it;
    pthread_t thread;
    node nodes[CHAOS_NODES];
    double next;
    pid_t killed[CHAOS_NODES];             /* of the program's own: one may be there for a while, as a zombie */
    _Atomic long troubles, wrong;
    _Atomic double struck;
    _Atomic bool harms, closing, over;
} nodes;

static uint64_t below(uint64_t n) { return chaos_random(&nodes.it.seed) % n; }
static double between(double least, double most) { return least + (most - least) * (double)below(1000000) / 1e6; }

int chaos_free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof at;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof at) != 0 || getsockname(s, (struct sockaddr *)&at, &size) != 0)
        exit(3);
    close(s);
    return ntohs(at.sin_port);
}

/* ---- starting one, and seeing it end ---- */

static void start(node *n)
{
    const chaos_cluster *it = &nodes.it;
    sk_error err;
    sk_node_order order = { .workers = WORKERS, .store_bytes = 128 << 20, 
                            .wait_ns = (int64_t)(it->dead_after * 2e9), .parent = getpid() };
    if (n->proxy)
        snprintf(order.head, sizeof order.head, "127.0.0.1:%d", proxy_port(n->proxy));
    else
        snprintf(order.head, sizeof order.head, "%s", it->head);
    snprintf(order.secret_file, sizeof order.secret_file, "%s", it->secret_file);
    int fd = sk_node_order_send(&order, &err);
    size_t vars = 0;
    while (environ[vars])
        vars++;
    char **env = calloc(vars + 2, sizeof *env);
    if (fd < 0 || !env)
        exit(3);
    memcpy(env, environ, vars * sizeof *env);
    env[vars] = (char *)"SKATE_WORKER=node";
    pid_t pid = fork();
    if (pid == 0) {
        if (fd == 3)
            fcntl(3, F_SETFD, 0);
        else
            dup2(fd, 3);
        execve("/proc/self/exe", (char *[]){ (char *)"skate node of chaos", NULL }, env);
        _exit(127);
    }
    close(fd);
    free(env);
    if (pid < 0)
        exit(3);
    n->pid = pid;
    n->was_killed = false;
    n->began = chaos_now();
}

static void wrong(const node *n, const char *what, int number)
{
    nodes.wrong++;
    printf("chaos: FAILED: node with pid %d %s %d%s%s\n", (int)n->pid, what, number, *n->what ? ", after " : "", n->what);
    fflush(stdout);
}

static void judge_end(const node *n, int status)
{
    if (WIFSIGNALED(status)) {
        if (WTERMSIG(status) != SIGKILL || !n->was_killed)
            wrong(n, "was killed by signal", WTERMSIG(status));
        return;
    }
    bool is_proxied = nodes.it.trouble == CHAOS_PROXY;
    switch (WEXITSTATUS(status)) {
    case SK_NODE_DONE: case SK_NODE_HEAD_LOST:
        return;
    case SK_NODE_REFUSED: case SK_NODE_NONSENSE: case SK_NODE_STRANGER:
        if (is_proxied)
            return;
    }
    wrong(n, "ended with status", WEXITSTATUS(status));
}

/* true: it has ended. */
static bool look(node *n)
{
    int status;
    if (n->pid && waitpid(n->pid, &status, WNOHANG) == n->pid) {
        judge_end(n, status);
        n->pid = 0;
    }
    return !n->pid;
}

/* ---- harm ---- */

static void signal_all(pid_t pid, int sig, bool workers)
{
    char path[64];
    if (workers) {
        snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
        FILE *f = fopen(path, "re");
        for (int child; f && fscanf(f, "%d", &child) == 1;)
            kill(child, sig);
        if (f)
            fclose(f);
    }
    kill(pid, sig);
}

static void spoil(node *n)
{
    uint64_t bytes = PROXY_FROM_NOW + below((uint64_t)1 << (4 + below(16)));
    proxy_faults f = { 0 };
    char why[PROXY_WHY];
    switch (below(11)) {
    case 0: f.delay_ns = 1000000 * (1 + (int64_t)below(50)), f.jitter_ns = f.delay_ns / 2; strcpy(n->what, "delay"); break;
    case 1: f.split = 1; strcpy(n->what, "split at every byte"); break;
    case 2: f.split = 1 + below(100), f.gap_ns = 200000; strcpy(n->what, "pieces and pauses"); break;
    case 3: f.after = bytes, f.then = PROXY_FIN; strcpy(n->what, "truncate"); break;
    case 4: f.after = bytes, f.then = PROXY_RST; strcpy(n->what, "reset"); break;
    case 5: f.corrupt_every = (uint64_t)1 << (4 + below(14)); strcpy(n->what, "many bits"); break;
    case 6: f.corrupt_at = bytes, f.corrupt_mask = (uint8_t)(1 << below(8)); strcpy(n->what, "one bit"); break;
    case 7: f.after = bytes, f.then = PROXY_HOLD; strcpy(n->what, "freeze"); break;
    case 8: f.after = bytes, f.then = PROXY_SWALLOW; strcpy(n->what, "half-open"); break;
    case 9: f.rate = 20000 + below(200000); strcpy(n->what, "throttle"); break;
    default:
        f.then = PROXY_RST, f.after = PROXY_FROM_NOW; strcpy(n->what, "cut, and nobody gets in");
        proxy_set_door(n->proxy, below(2) ? PROXY_REFUSE : PROXY_BLACK_HOLE, why);
    }
    proxy_set(n->proxy, PROXY_ALL, (proxy_direction)(1 + below(3)), &f);
}

static void begin_trouble(node *n, double now)
{
    const chaos_cluster *it = &nodes.it;
    snprintf(n->what, sizeof n->what, "%s", it->trouble == CHAOS_NAPS ? "a short freeze" : "a freeze");
    switch (it->trouble) {
    case CHAOS_FREEZES: case CHAOS_NAPS: {
        bool is_nap = it->trouble == CHAOS_NAPS;
        if (!is_nap)
            atomic_store(&nodes.struck, now);
        bool workers = below(2);
        signal_all(n->pid, SIGSTOP, workers);
        n->until = now + it->dead_after * (is_nap ? between(0.05, 0.4) : between(1.3, 2));
        break;
    }
    case CHAOS_PROXY:
        spoil(n);
        n->until = now + it->dead_after * between(0.05, 2);
        break;
    default:
        atomic_store(&nodes.struck, now);
        n->was_killed = kill(n->pid, SIGKILL) == 0;
        nodes.troubles++;
    }
}

static void end_trouble(node *n)
{
    char why[PROXY_WHY];
    n->until = 0;
    nodes.troubles++;
    if (n->proxy) {
        proxy_set(n->proxy, PROXY_ALL, PROXY_BOTH, &(proxy_faults){ 0 });
        proxy_set_door(n->proxy, PROXY_OPEN, why);
    } else if (n->pid) {
        signal_all(n->pid, SIGCONT, true);
    }
}

/* The program's own nodes are among its children, and show that in their names. */
static void kill_own(void)
{
    pid_t pids[MOST_CHILDREN], found[MOST_CHILDREN];
    int n = chaos_children(pids, MOST_CHILDREN), k = 0;
    for (int i = 0; i < n; i++) {
        char path[64], name[32] = "";
        snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pids[i]);
        FILE *f = fopen(path, "re");
        bool is_new = true;
        for (int j = 0; j < CHAOS_NODES; j++)
            is_new &= nodes.killed[j] != pids[i];
        if (f && fgets(name, sizeof name, f) && !strncmp(name, "skate node", 10) && is_new)
            found[k++] = pids[i];
        if (f)
            fclose(f);
    }
    pid_t pid = k > 0 ? found[below((unsigned)k)] : 0;
    if (pid)
        atomic_store(&nodes.struck, chaos_now());
    if (pid && chaos_kill_child(pid))
        nodes.killed[nodes.troubles++ % CHAOS_NODES] = pid;
}

/* ---- the thread ---- */

static bool is_in_trouble(void)
{
    for (int i = 0; i < CHAOS_NODES; i++)
        if (nodes.nodes[i].until > 0)
            return true;
    return false;
}

static void turn(double now)
{
    const chaos_cluster *it = &nodes.it;
    bool own = it->trouble == CHAOS_OWN_KILLS, closing = atomic_load(&nodes.closing), holds = closing || chaos_holds_fire();
    for (node *n = nodes.nodes; n < nodes.nodes + CHAOS_NODES && !own; n++) {
        if (look(n) && !closing && now > n->began + AGAIN && !(n->until > 0 && !n->proxy))
            start(n);
        if (n->until > 0 && (now >= n->until || holds))
            end_trouble(n);
    }
    if (!atomic_load(&nodes.harms) || now < nodes.next || holds || nodes.troubles + is_in_trouble() >= it->troubles)
        return;
    node *n = &nodes.nodes[below(CHAOS_NODES)];
    if (own)
        kill_own();
    else if (n->pid && !n->was_killed && !(n->until > 0) && (now - n->began > 0.3 * it->slow || below(1000) == 0))      /* seldom one that is just starting */
        begin_trouble(n, now);
    else
        return;
    nodes.next = now + between(0, 0.05 * (double)(1 << below(5))) * it->slow;
}

static void *tend(void *data)
{
    (void)data;
    while (!atomic_load(&nodes.over)) {
        turn(chaos_now());
        nanosleep(&(struct timespec){ 0, TICK_NS }, NULL);
    }
    double end = chaos_now() + (3 * nodes.it.dead_after + 2 * nodes.it.slow);
    for (bool any = true; any;) {
        any = false;
        for (node *n = nodes.nodes; n < nodes.nodes + CHAOS_NODES; n++) {
            bool late = chaos_now() > end;
            if (look(n))
                continue;
            any = true;
            if (late && !n->was_killed) {
                wrong(n, "lives on after the head: it is killed by signal", SIGKILL);
                n->was_killed = kill(n->pid, SIGKILL) == 0;
            }
        }
        nanosleep(&(struct timespec){ 0, TICK_NS }, NULL);
    }
    return NULL;
}

void chaos_nodes_begin(const chaos_cluster *cluster)
{
    char why[PROXY_WHY];
    memset(nodes.nodes, 0, sizeof nodes.nodes);
    memset(nodes.killed, 0, sizeof nodes.killed);
    nodes.it = *cluster;
    nodes.troubles = nodes.wrong = 0;
    nodes.struck = 0;
    nodes.harms = nodes.closing = nodes.over = false;
    for (node *n = nodes.nodes; n < nodes.nodes + CHAOS_NODES && cluster->trouble == CHAOS_PROXY; n++)
        if (!(n->proxy = proxy_open(&(proxy_options){ .target = cluster->head, .seed = chaos_random(&nodes.it.seed) }, why))) {
            fprintf(stderr, "chaos: %s\n", why);
            exit(3);
        }
    if (pthread_create(&nodes.thread, NULL, tend, NULL) != 0)
        exit(3);
}

void chaos_nodes_harm(void) { atomic_store(&nodes.harms, true); }
double chaos_struck(void) { return atomic_load(&nodes.struck); }
long chaos_troubles(void) { return atomic_load(&nodes.troubles); }
void chaos_nodes_close(void) { atomic_store(&nodes.closing, true); }

int chaos_nodes_end(void)
{
    atomic_store(&nodes.over, true);
    pthread_join(nodes.thread, NULL);
    for (node *n = nodes.nodes; n < nodes.nodes + CHAOS_NODES; n++)
        proxy_close(n->proxy);
    nodes.troubles = 0;
    return (int)nodes.wrong;
}
