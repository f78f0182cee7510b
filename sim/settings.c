/* settings.c -- sk_init's options, from the command line, the environment, sk_config and defaults, in this order.
 *
 * One table says what there is; --sk-help, the messages and the parsing all come from it.                    */
#include "session.h"

#include "policy.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <unistd.h>

enum kind { TEXT, COUNT, SIZE, SEED, FLAG, SECONDS };
static const struct option {
    const char *name, *form, *help;
    enum kind kind;
    size_t at;                               /* in sk_settings */
} options[] = {
    { "backend", "NAME", "what runs the tasks (list below), or the path of a module: ./mine.so", TEXT, offsetof(sk_settings, backend) },
    { "nodes", "N", "nodes of the cluster; default 1", COUNT, offsetof(sk_settings, nodes) },
    { "workers", "N", "workers per node; default one per core, 4 on virtual", COUNT, offsetof(sk_settings, workers) },
    { "resources", "LIST", "named resources per node: gpu=2,licence=0.5", TEXT, offsetof(sk_settings, resources) },
    { "policy", "NAME", "which task first, and where, on backends with nodes (list below)", TEXT, offsetof(sk_settings, policy) },
    { "cluster", "FILE", "the cluster to simulate: a file, or a preset's name (`skate cluster` lists them)", TEXT, offsetof(sk_settings, cluster) },
    { "cost", "WHAT", "plain C in simulated tasks costs: none (the default), live, or a factor: live*2.5", TEXT, offsetof(sk_settings, cost) },
    { "stack-bytes", "SIZE", "stack of a simulated task; default 256K", SIZE, offsetof(sk_settings, stack_bytes) },
    { "tasks", "N", "most simulated tasks that may run or be blocked at once; default 25000", COUNT, offsetof(sk_settings, tasks) },
    { "patience", "SECONDS", "a simulated task has hung after so much cpu time of the process without waiting; default 10, 0: never", TEXT, offsetof(sk_settings, patience) },
    { "seed", "N", "of sk_random; default 1", SEED, offsetof(sk_settings, seed) },
    { "store-bytes", "SIZE", "what objects may take: 500M, 2G; on tcp each node's, else all nodes' together; default 30 % of memory, on tcp divided among --nodes", SIZE, offsetof(sk_settings, store_bytes) },
    { "spill-dir", "DIR", "where objects go when the store of processes is full, or none; default $TMPDIR or /var/tmp", TEXT, offsetof(sk_settings, spill_dir) },
    { "worker-memory", "SIZE", "what each worker of processes may take besides objects: 500M, 2G; default no limit", SIZE, offsetof(sk_settings, worker_memory) },
    { "prefix", NULL, "on processes, begin each line that a task prints with who prints it: (square pid=123)", FLAG, offsetof(sk_settings, prefix) },
    { "head", "HOST:PORT", "on tcp, let nodes of other machines join here (port 0: any): skate node --join", TEXT, offsetof(sk_settings, head) },
    { "secret-file", "FILE", "what those nodes must know: skate secret new FILE", TEXT, offsetof(sk_settings, secret_file) },
    { "expect", "N", "how many of those to wait for before the program goes on; default none", COUNT, offsetof(sk_settings, expect) },
    { "join-wait", "SECONDS", "for how long; default 300", COUNT, offsetof(sk_settings, join_wait) },
    { "heartbeat", "SECONDS", "how often nodes show that they live; default 1", SECONDS, offsetof(sk_settings, heartbeat_ns) },
    { "dead-after", "SECONDS", "how long a node may be silent before it is taken for dead; default 10", SECONDS, offsetof(sk_settings, dead_ns) },
    { "trace", "FILE", "write the event log to FILE (skate trace FILE reads it)", TEXT, offsetof(sk_settings, trace) },
    { "gantt", NULL, "print a Gantt chart at the end", FLAG, offsetof(sk_settings, gantt) },
    { "live", NULL, "let `skate view --attach PID` watch the run", FLAG, offsetof(sk_settings, live) },
    { "gate", NULL, "and hold tasks back: none starts before the viewer opens the gate", FLAG, offsetof(sk_settings, gate) },
};
enum { OPTIONS = sizeof options / sizeof options[0], MAX_NODES = 100000, MAX_WORKERS = 4096, MAX_TASKS = 25000, A_DAY_S = 86400 };

static void print_help(FILE *out)
{
    fprintf(out, "Options of every Skate program (or in the environment: SKATE_BACKEND=serial):\n");
    for (int i = 0; i < OPTIONS; i++) {
        char form[48];
        snprintf(form, sizeof form, "--sk-%s%s%s", options[i].name, options[i].form ? "=" : "", options[i].form ? options[i].form : "");
        fprintf(out, "  %-24s %s\n", form, options[i].help);
    }
    fprintf(out, "  %-24s %s\n", "--sk-help", "this list");
    fprintf(out, "Backends:\n");
    for (int i = 0; sk_backends[i]; i++)
        fprintf(out, "  %-24s %s\n", sk_backends[i]->name, sk_backends[i]->summary);
    char policies[200];
    fprintf(out, "Policies:\n  %s\n", sk_policy_names(policies, sizeof policies));
    fprintf(out, "Example: ./program --sk-backend=serial --sk-gantt\n");
}

static bool parse_size(const char *text, size_t *out)
{
    char *end;
    errno = 0;
    double x = strtod(text, &end);
    static const char units[] = "KMGT";
    if (end == text || errno || !(x > 0))
        return false;
    if (*end) {
        const char *u = strchr(units, toupper((unsigned char)*end));
        if (!u || (end[1] && strcmp(end + 1, "B") && strcmp(end + 1, "iB")))
            return false;
        for (long i = 0; i <= u - units; i++)
            x *= 1024;
    }
    if (x > 1e18)
        return false;
    *out = (size_t)x;
    return true;
}

static char *copy_of(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        abort();
    return copy;
}

/* `from` is how the user gave it: "--sk-workers=0", "SKATE_WORKERS=0". */
static void set(sk_settings *settings, const struct option *o, const char *value, const char *from, const sk_site *site)
{
    char *at = (char *)settings + o->at, *end;
    switch (o->kind) {
    case TEXT:
        if (!*value)
            sk_misuse(site, "%s: %s is empty; %s", from, o->name, o->help);
        free(*(char **)at);
        *(char **)at = copy_of(value);
        return;
    case COUNT: {
        long most = o->at == offsetof(sk_settings, nodes) ? MAX_NODES : o->at == offsetof(sk_settings, tasks) ? MAX_TASKS :
                    o->at == offsetof(sk_settings, join_wait) ? A_DAY_S : MAX_WORKERS;
        errno = 0;
        long n = strtol(value, &end, 10);
        if (end == value || *end || errno || n < 1 || n > most)
            sk_misuse(site, "%s: %s must be a number from 1 to %ld, not \"%s\"", from, o->name, most, value);
        *(int *)at = (int)n;
        return;
    }
    case SECONDS: {
        errno = 0;
        double x = strtod(value, &end);
        if (end == value || *end || errno || !(x >= 0.01) || x > A_DAY_S)
            sk_misuse(site, "%s: %s must be a number of seconds from 0.01 to 86400, not \"%s\"", from, o->name, value);
        *(int64_t *)at = (int64_t)(x * 1e9);
        return;
    }
    case SEED:
        errno = 0;
        *(uint64_t *)at = strtoull(value, &end, 0);
        if (end == value || *end || errno || *value == '-')
            sk_misuse(site, "%s: %s must be a number from 0, not \"%s\"", from, o->name, value);
        return;
    case SIZE:
        if (!parse_size(value, (size_t *)at))
            sk_misuse(site, "%s: %s must be a size like 500M or 2G, not \"%s\"", from, o->name, value);
        return;
    case FLAG:
        if (!strcmp(value, "1") || !strcmp(value, "yes") || !strcmp(value, "true"))
            *(bool *)at = true;
        else if (!strcmp(value, "0") || !strcmp(value, "no") || !strcmp(value, "false"))
            *(bool *)at = false;
        else
            sk_misuse(site, "%s: %s is yes or no, not \"%s\"", from, o->name, value);
        return;
    }
}

static const struct option *option(const char *name)
{
    const struct option *o = options;
    while (strcmp(o->name, name) != 0)
        o++;
    return o;
}

static void from_config(sk_settings *s, const sk_config *c, const sk_site *site)
{
    char number[32];
    if (c->backend)
        set(s, option("backend"), c->backend, "sk_config.backend", site);
    if (c->nodes) {
        snprintf(number, sizeof number, "%d", c->nodes);
        set(s, option("nodes"), number, "sk_config.nodes", site);
    }
    if (c->workers) {
        snprintf(number, sizeof number, "%d", c->workers);
        set(s, option("workers"), number, "sk_config.workers", site);
    }
    if (c->resources && *c->resources)
        set(s, option("resources"), c->resources, "sk_config.resources", site);
    if (c->seed)
        s->seed = c->seed;
    if (c->store_bytes)
        s->store_bytes = c->store_bytes;
    if (c->spill_dir && *c->spill_dir)
        set(s, option("spill-dir"), c->spill_dir, "sk_config.spill_dir", site);
    if (c->worker_memory)
        s->worker_memory = c->worker_memory;
    if (c->prefix)
        s->prefix = true;
    if (c->trace && *c->trace)
        set(s, option("trace"), c->trace, "sk_config.trace", site);
    if (c->gantt)
        s->gantt = true;
}

/* Options that the user has given, in the environment or on the command line: a bit each. */
static uint32_t given;

static void from_user(sk_settings *s, const struct option *o, const char *value, const char *from)
{
    set(s, o, value, from, NULL);
    given |= 1u << (o - options);
}

static bool is_given(const char *name) { return given & 1u << (option(name) - options); }

/* A cluster file describes the nodes. What the program's config asks for gives way to it; what the user asks for would contradict. */
static void check_cluster(const sk_settings *s)
{
    static const char *const others[] = { "nodes", "workers", "resources" };
    for (size_t i = 0; s->cluster && i < sizeof others / sizeof *others; i++)
        if (is_given(others[i]))
            sk_misuse(NULL, "cluster %s describes nodes, workers and resources itself; leave --%s out (or take it out of the "
                      "environment), or write it into a cluster file of your own: skate cluster %s >my.conf", s->cluster, others[i], s->cluster);
}

static void from_environment(sk_settings *s)
{
    for (int i = 0; i < OPTIONS; i++) {
        char name[40] = "SKATE_", from[400];
        size_t n = strlen(name);
        for (const char *p = options[i].name; *p; p++)
            name[n++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
        name[n] = '\0';
        const char *value = getenv(name);
        if (value && *value) {
            snprintf(from, sizeof from, "%s=%.300s in the environment", name, value);
            from_user(s, &options[i], value, from);
        }
    }
}

static void from_command_line(sk_settings *s, int *argc, char ***argv)
{
    int kept = *argc > 0;
    for (int i = 1; i < *argc; i++) {
        char *arg = (*argv)[i];
        if (!strcmp(arg, "--")) {                /* the rest is the program's */
            while (i < *argc)
                (*argv)[kept++] = (*argv)[i++];
            break;
        }
        if (strncmp(arg, "--sk-", 5) != 0) {
            (*argv)[kept++] = arg;
            continue;
        }
        const char *name = arg + 5, *value = strchr(name, '=');
        size_t length = value ? (size_t)(value - name) : strlen(name);
        if (!strcmp(name, "help")) {
            print_help(stdout);
            exit(0);
        }
        const struct option *o = NULL;
        for (int j = 0; j < OPTIONS && !o; j++)
            if (strlen(options[j].name) == length && !strncmp(options[j].name, name, length))
                o = &options[j];
        if (!o) {
            fprintf(stderr, "skate: %s: no such option\n", arg);
            print_help(stderr);
            exit(2);
        }
        if (!value && o->kind != FLAG) {
            if (i + 1 == *argc)
                sk_misuse(NULL, "%s: give a value, --sk-%s=%s (%s)", arg, o->name, o->form, o->help);
            from_user(s, o, (*argv)[++i], arg);
        } else {
            from_user(s, o, value ? value + 1 : "1", arg);
        }
    }
    *argc = kept;
    (*argv)[kept] = NULL;
}

void sk_settings_read(sk_settings *s, int *argc, char ***argv, const sk_config *config)
{
    given = 0;
    *s = (sk_settings){ .backend = copy_of("threads"), .nodes = 1, .seed = 1, .join_wait = 300 };
    if (config)
        from_config(s, config, sk_session.init_site);
    from_environment(s);
    if (argc && argv)
        from_command_line(s, argc, argv);
    check_cluster(s);
}

/* Options of a cluster of several machines, and of nothing else. */
static void check_machines(sk_settings *s, const sk_backend_ops *ops, const sk_site *site)
{
    static const char *const of_machines[] = { "head", "secret-file", "expect", "join-wait", "heartbeat", "dead-after" };
    bool joins = ops->can & SK_CAN_NODES && ops->can & SK_CAN_ISOLATE;
    for (size_t i = 0; i < sizeof of_machines / sizeof *of_machines && !joins; i++)
        if (is_given(of_machines[i]))
            sk_misuse(site, "--sk-%s: no node joins the backend %s; leave it out, or take the backend tcp", of_machines[i], ops->name);
    if (!joins)
        return;
    for (size_t i = 2; i < 4; i++)
        if (is_given(of_machines[i]) && !s->head)
            sk_misuse(site, "--sk-%s: nodes of other machines cannot join without --sk-head=HOST:PORT, which says where", of_machines[i]);
    if (s->dead_ns && !s->heartbeat_ns)
        s->heartbeat_ns = s->dead_ns / 10 < 1000000000 ? s->dead_ns / 10 : 1000000000;
    int64_t heartbeat = s->heartbeat_ns ? s->heartbeat_ns : 1000000000, dead = s->dead_ns ? s->dead_ns : 10000000000;
    if (heartbeat > dead / 4)
        sk_misuse(site, "a node that shows every %g s that it lives cannot be taken for dead after %g s of silence: give --sk-dead-after=%g or more, "
                  "or --sk-heartbeat=%g or less", (double)heartbeat / 1e9, (double)dead / 1e9, (double)heartbeat * 4 / 1e9, (double)dead / 4e9);
}

/* The default: nodes that are really there, on this machine, share its memory. */
static size_t part_of_memory(const sk_settings *s, const sk_backend_ops *ops)
{
    double bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) * 0.3;
    bool share = ops->can & SK_CAN_NODES && ops->can & SK_CAN_ISOLATE;
#ifdef SK_TSAN      /* it leaves half a terabyte of addresses for sure, and every process reserves this much for each of hundreds */
    if (ops->can & SK_CAN_ISOLATE)
        bytes = fmin(bytes, 1 << 30);
#endif
    return (size_t)(bytes / (share ? s->nodes : 1));
}

/* A simulated cluster is the same on every machine. */
void sk_settings_for(sk_settings *s, const sk_backend_ops *ops, sk_site *site)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    bool simulates = ops->can & SK_CAN_VIRTUAL_TIME, places = ops->can & SK_CAN_NODES;
    if (!s->workers)
        s->workers = simulates ? SK_VIRTUAL_WORKERS : cores > 0 ? (int)cores : 1;
    if (s->nodes > 1 && !places && !is_given("nodes"))
        sk_misuse(site, "the program asks for %d nodes (sk_config.nodes), the backend %s has one: run it on virtual (--sk-backend=virtual), or on tcp",
                  s->nodes, ops->name);
    if (s->nodes > 1 && !places)
        sk_misuse(site, "--sk-nodes=%d: the backend %s has one node; leave --sk-nodes out, or take the backend tcp or virtual", s->nodes, ops->name);
    check_machines(s, ops, site);
    if (!s->store_bytes)
        s->store_bytes = part_of_memory(s, ops);
    static const char *const of_workers[] = { "worker-memory", "prefix" };
    for (size_t i = 0; i < sizeof of_workers / sizeof *of_workers; i++)
        if (is_given(of_workers[i]) && !(ops->can & SK_CAN_ISOLATE))      /* a program that asks for it itself runs on every backend */
            sk_misuse(site, "--sk-%s: on the backend %s tasks run in the program's own process; leave it out, or take the backend processes, or tcp",
                      of_workers[i], ops->name);
    if (s->policy && !ops->spend)
        sk_misuse(site, "policy %s: the backend %s has one node, and nothing to place; leave the policy out, or take the backend virtual, or tcp",
                  s->policy, ops->name);
    if (s->cluster && !simulates)
        sk_misuse(site, "cluster %s: the backend %s runs on this machine; leave the cluster out, or take the backend virtual", s->cluster,
                  ops->name);
    if (s->cost && !simulates)
        sk_misuse(site, "cost %s: on the backend %s everything costs what it takes; leave the cost out, or take the backend virtual",
                  s->cost, ops->name);
}

void sk_settings_clear(sk_settings *s)
{
    free((char *)s->backend);
    free((char *)s->resources);
    free((char *)s->trace);
    free((char *)s->policy);
    free((char *)s->cluster);
    free((char *)s->cost);
    free((char *)s->patience);
    free((char *)s->spill_dir);
    free((char *)s->head);
    free((char *)s->secret_file);
    *s = (sk_settings){ 0 };
}
