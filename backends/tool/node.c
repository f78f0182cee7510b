/* node.c -- `skate node`: checks what this machine is to be in a cluster, and becomes a node of it (backends/node.h): the same program that
 * runs at the head, which leaves its path before main.
 *
 * All that can be wrong here is said here, before anything is connected to. That it is a program of Skate's is found out by asking it: with
 * SKATE_WORKER=probe: it prints the table of its functions instead of running (sim/divert.h).
 *
 * Reading order: the options, checking them, the program, main.                                       */
#include <fcntl.h>
#include <glib.h>
#include <locale.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "backends/address.h"
#include "backends/child.h"
#include "backends/cluster_units.h"
#include "backends/node.h"
#include "become.h"
#include "error.h"
#include "resources.h"

enum { USAGE_ERROR = 2, WORKERS_MOST = 4096, PROBE_MS = 10000 };

static gchar *join_to, *secret_file, *name, *workers, *resources, *store_bytes, *listen_at, *wait_for;

static const GOptionEntry entries[] = {
    { "join", 0, 0, G_OPTION_ARG_STRING, &join_to, "where the program that uses the cluster listens; it prints that", "HOST:PORT" },
    { "secret-file", 0, 0, G_OPTION_ARG_FILENAME, &secret_file, "the same as there: skate secret new FILE makes one", "FILE" },
    { "name", 0, 0, G_OPTION_ARG_STRING, &name, "of this node, for messages (the machine's)", "NAME" },
    { "workers", 0, 0, G_OPTION_ARG_STRING, &workers, "how many tasks run at a time (one per core)", "N" },
    { "resources", 0, 0, G_OPTION_ARG_STRING, &resources, "besides cpus: gpu=2,licence=0.5", "R" },
    { "store-bytes", 0, 0, G_OPTION_ARG_STRING, &store_bytes, "what objects may take here: 500M, 2G (30 % of memory)", "N" },
    { "listen", 0, 0, G_OPTION_ARG_STRING, &listen_at,
      "where other nodes get objects from this one (the address that reaches HOST, any port)", "ADDRESS" },
    { "wait", 0, 0, G_OPTION_ARG_STRING, &wait_for, "for the program, if it is not there yet (30)", "SECONDS" },
    G_OPTION_ENTRY_NULL
};

static const char help[] =
    "Stays until the program ends, then ends itself. Ctrl-C leaves: what ran here runs elsewhere, what was only here is made again.\n"
    "How often nodes show that they live, and how long a silence is death, the program says (skate run --heartbeat, --dead-after).\n"
    "PROGRAM must be built from the same source as at the other end, for its functions run here; its main does not.\n\n"
    "Exit status: 0 the program has ended, or you have stopped it; 2 misuse; 65 refused: another build or version, or the name is taken;\n"
    "69 the program does not answer, or is gone; 77 it has another secret.\n\n"
    "Examples:\n"
    "  skate node --join 127.0.0.1:7000 --secret-file ~/.skate-secret ./program\n"
    "  skate node --join lab-01:7000 --secret-file ~/.skate-secret --workers 2 --resources gpu=1 ./program";

/* ---- Checking ---- */

G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN
static void refuse(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "skate node: ");
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    exit(USAGE_ERROR);
}

static void set_text(const char *option, const char *text, char *to, size_t room)
{
    if (text && (strlen(text) >= room || strpbrk(text, "\r\n")))
        refuse("%s: it must be one line of at most %zu bytes", option, room - 1);
    if (text)
        strcpy(to, text);
}

static unsigned worker_count(void)
{
    uint64_t n = (uint64_t)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1);
    if (workers && (!sk_parse_whole(workers, WORKERS_MOST, &n) || n == 0))
        refuse("--workers: \"%s\" is no number from 1 to %d; a node without workers cannot do anything", workers, WORKERS_MOST);
    return (unsigned)n;
}

static void set_sizes(sk_node_order *order)
{
    int64_t bytes = 0;
    if (store_bytes && !sk_parse_bytes(store_bytes, &bytes))
        refuse("--store-bytes: \"%s\" is not a size; give bytes, or for example 500M or 2G", store_bytes);
    order->store_bytes = (uint64_t)bytes;
    char *end = NULL;
    double seconds = wait_for ? g_ascii_strtod(wait_for, &end) : 30;
    if (wait_for && (end == wait_for || *end || !(seconds >= 0 && seconds <= 1e6)))
        refuse("--wait: \"%s\" is no time; give seconds, 0 not to wait", wait_for);
    order->wait_ns = (int64_t)(seconds * 1e9);
}

static void set_resources(sk_node_order *order)
{
    sk_demand demand;
    sk_error err;
    if (!sk_demand_parse(&demand, resources, &err))
        refuse("--resources: %s", err.message);
    set_text("--resources", resources, order->resources, sizeof order->resources);
}

/* The file is read again by the node: its path from here, for it is not opened for anybody else. */
static void set_secret(sk_node_order *order)
{
    sk_secret secret;
    sk_error err;
    if (!secret_file)
        refuse("--secret-file FILE is missing: the one that the program at the other end uses (skate secret new FILE makes one)");
    if (!sk_secret_read(&secret, secret_file, &err))
        refuse("%s", err.message);
    sk_secret_wipe(&secret, sizeof secret);
    g_autofree char *path = g_canonicalize_filename(secret_file, NULL);
    set_text("--secret-file", path, order->secret_file, sizeof order->secret_file);
}

/* This machine's address on the way to that one. Nothing is sent: the kernel looks into its table of routes. */
static bool own_address_towards(const sk_address *there, char text[SK_ADDRESS_TEXT])
{
    sk_address here = { .size = sizeof here.room };
    int fd = socket(there->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, &there->any, there->size) == 0 && getsockname(fd, &here.any, &here.size) == 0;
    if (fd >= 0)
        close(fd);
    if (ok && here.any.sa_family == AF_INET6)
        ((struct sockaddr_in6 *)&here.room)->sin6_port = 0;
    else if (ok)
        ((struct sockaddr_in *)&here.room)->sin_port = 0;
    if (ok)
        sk_address_print(&here, text);
    return ok;
}

static void set_addresses(sk_node_order *order)
{
    sk_address there[SK_ADDRESS_MOST], here[SK_ADDRESS_MOST];
    sk_error err;
    if (!join_to)
        refuse("--join HOST:PORT is missing: where the program that uses the cluster listens");
    if (!sk_address_find(join_to, false, there, &err))
        refuse("--join: %s", err.message);
    set_text("--join", join_to, order->head, sizeof order->head);
    if (listen_at && !sk_address_find(listen_at, true, here, &err))
        refuse("--listen: %s", err.message);
    if (listen_at && sk_address_is_any(&here[0]))
        refuse("--listen: %s is no address that others could reach; give the one of this machine that they use", listen_at);
    set_text("--listen", listen_at, order->serve, sizeof order->serve);
    if (!listen_at && !sk_address_is_loopback(&there[0]) && !own_address_towards(&there[0], order->serve))
        refuse("there is no way from here to %s: %s; is this machine on that network? (or say with --listen where others reach it)", join_to,
               g_strerror(errno));
}

/* ---- The program ---- */

/* What it prints, up to a line break; "" if that takes too long. */
static void first_line(sk_child *c, char *line, size_t room)
{
    size_t n = 0;
    gint64 until = g_get_monotonic_time() + PROBE_MS * 1000;
    while (n + 1 < room && !memchr(line, '\n', n)) {
        gint64 left = until - g_get_monotonic_time();
        struct pollfd p = { .fd = c->out, .events = POLLIN };
        if (left <= 0 || poll(&p, 1, (int)(left / 1000) + 1) < 0)
            break;
        ssize_t got = read(c->out, line + n, room - 1 - n);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            break;
        n += got > 0 ? (size_t)got : 0;
    }
    line[n] = '\0';
    line[strcspn(line, "\n")] = '\0';
}

/* It has not answered: perhaps it has said why on stderr (a library is missing). */
G_GNUC_NORETURN static void refuse_stranger(const char *program, sk_child *c)
{
    char words[400];
    ssize_t n = read(c->err, words, sizeof words - 1);
    words[n > 0 ? n : 0] = '\0';
    sk_child_close(c);
    refuse("%s was not built with Skate: asked for its remote functions it printed none; is it the program that runs at the other end?%s%s", program,
           *words ? " It said: " : "", g_strchomp(words));
}

static void ask(const char *program, const char *path, char **argv)
{
    sk_child c;
    sk_error err;
    char line[200];
    unsigned long long fingerprint;
    size_t functions = 0;
    if (access(path, X_OK) != 0 || g_file_test(path, G_FILE_TEST_IS_DIR)) {
        g_autofree char *why = why_not_run(program, g_file_test(path, G_FILE_TEST_IS_DIR) ? EACCES : errno);
        refuse("%s", why);
    }
    if (!sk_child_start(&c, &(sk_child_spec){ .path = path, .argv = argv, .env = (const char *[]){ "SKATE_WORKER=probe:", NULL } }, &err))
        refuse("%s", err.message);
    first_line(&c, line, sizeof line);
    if (sscanf(line, "probe: %zu functions, fingerprint %llx", &functions, &fingerprint) != 2)
        refuse_stranger(program, &c);
    sk_child_close(&c);
    if (functions == 0)
        refuse("%s has no remote functions: there is nothing that it could run here", program);
}

G_GNUC_NORETURN
static void become(char **argv, const sk_node_order *order)
{
    sk_error err;
    g_autofree char *path = strchr(argv[0], '/') ? g_strdup(argv[0]) : g_find_program_in_path(argv[0]);
    if (!path) {
        g_autofree char *why = why_not_run(argv[0], ENOENT);
        refuse("%s", why);
    }
    ask(argv[0], path, argv);
    int fd = sk_node_order_send(order, &err);
    if (fd < 0)
        refuse("%s", err.message);
    if (fd == 3 ? fcntl(3, F_SETFD, 0) != 0 : dup2(fd, 3) != 3)
        refuse("the program cannot be given its order: %s", g_strerror(errno));
    if (fd != 3)
        close(fd);
    g_setenv("SKATE_WORKER", "node", TRUE);
    execv(path, argv);
    g_autofree char *why = why_not_run(argv[0], errno);
    refuse("%s", why);
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("PROGRAM [ARGS]");
    g_option_context_set_summary(context, "Joins a program's cluster: this machine runs tasks of it, and keeps objects, until it ends.");
    g_option_context_set_description(context, help);
    g_option_context_set_strict_posix(context, TRUE);       /* PROGRAM's own options are not ours */
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        refuse("%s; `skate node --help` lists the options", error->message);
    if (argc > 1 && strcmp(argv[1], "--") == 0)
        argv++, argc--;
    if (argc < 2)
        refuse("no program given; for example: skate node --join lab-01:7000 --secret-file ~/.skate-secret ./program");

    sk_node_order order = { .says = true };
    set_addresses(&order);
    set_secret(&order);
    order.workers = worker_count();
    set_resources(&order);
    set_sizes(&order);
    set_text("--name", name ? name : g_get_host_name(), order.name, sizeof order.name);
    become(argv + 1, &order);
}
