/* relay.c -- `skate relay`: lets a viewer watch a run on another machine. What is asked for; relay.h has the idea, and the rest.
 *
 * Reading order: the options; which end; main. */
#include "backends/address.h"
#include "relay.h"

#include <glib.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>

enum { USAGE_ERROR = 2 };

static gchar *secret_file, *bind_to, *port, *far;

static const GOptionEntry entries[] = {
    { "secret-file", 0, 0, G_OPTION_ARG_FILENAME, &secret_file, "that both ends have ($SKATE_SECRET_FILE); skate secret new FILE makes one", "FILE" },
    { "bind", 0, 0, G_OPTION_ARG_STRING, &bind_to, "beside the program: at which address of this machine (127.0.0.1; 0.0.0.0: at all)", "ADDR" },
    { "port", 0, 0, G_OPTION_ARG_STRING, &port, "beside the program: at which port (0: any that is free)", "N" },
    { "from", 0, 0, G_OPTION_ARG_STRING, &far, "beside the viewer: from the relay that listens there (skate view --attach does this by itself)", "HOST:PORT" },
    G_OPTION_ENTRY_NULL
};

static const char help[] =
    "On the machine of the program, with its number (skate ps; it was started with skate run --live): prints where it listens, and serves one viewer at a\n"
    "time until the run is over. The viewer can do what it can at the machine itself: hold tasks back, let them go, end workers. If it leaves, the gate opens.\n"
    "Before the first one has come, the gate of a program that was started with --gate stays closed: it waits for the viewer.\n"
    "With --from, started by hand: stays until its viewer has come and left, though the run may be over; it has the log then. Ctrl-C ends it.\n"
    "Both ends must have the same secret file. Beyond loopback all is encrypted.\n\n"
    "Exit status: 0 the run is over, or the viewer has left; 2 misuse; 65 another version; 69 nobody is there, or the other end is gone; 70 the system does not\n"
    "give what is needed; 76 what answers is no relay; 77 it has another secret.\n\n"
    "Example:\n"
    "  lab-01$ skate run --live ./program &\n"
    "  lab-01$ skate relay $! --bind 0.0.0.0 --port 7001 --secret-file ~/.skate-secret\n"
    "  desk$   skate view --attach lab-01:7001 --secret-file ~/.skate-secret";

static void usage(const char *what, const char *which)
{
    relay_fail(0, "%s%s; see skate relay --help", what, which ? which : "");
    exit(USAGE_ERROR);
}

/* ---- Which end ---- */

/* Where to listen, as address.h reads it. */
static char *listens(void)
{
    const char *host = bind_to ? bind_to : "127.0.0.1";
    bool bare6 = strchr(host, ':') && *host != '[';
    if (port && !g_ascii_string_to_unsigned(port, 10, 0, 65535, NULL, NULL))
        usage("--port is a number from 0 to 65535, unlike ", port);
    if (!*host || (strchr(host, ':') && !bare6 && host[strlen(host) - 1] != ']'))
        usage("--bind is an address of this machine, without a port, unlike ", host);
    char *text = g_strdup_printf(bare6 ? "[%s]:%s" : "%s:%s", host, port ? port : "0");
    sk_address found[SK_ADDRESS_MOST];
    sk_error err;
    if (!sk_address_find(text, true, found, &err))
        usage("--bind: ", err.message);
    return text;
}

static pid_t program(const char *text)
{
    guint64 pid;
    if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT32, &pid, NULL))
        usage("a program is named by its number (skate ps), unlike ", text);
    return (pid_t)pid;
}

/* A viewer can hold tasks back and end workers, and the log tells what the program does: so nobody comes without the secret, on loopback neither. */
static const char *secret_of(sk_secret *secret)
{
    const char *file = secret_file ? secret_file : g_getenv("SKATE_SECRET_FILE");
    sk_error err;
    if ((!file || !*file) && bind_to)
        usage("--secret-file FILE is missing: others of the network could watch the run at --bind, hold its tasks back and end its workers, and both ends must "
              "prove who they are (skate secret new FILE makes one, copy it to the other machine): --bind ", bind_to);
    if (!file || !*file)
        usage("--secret-file FILE is missing: who watches a run can hold its tasks back and end its workers, so both ends must prove who they are; skate secret "
              "new FILE makes one, copy it to the other machine", NULL);
    if (!sk_secret_read(secret, file, &err))
        usage(err.message, NULL);
    return file;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);              /* who has read where it listens need not read on */
    signal(SIGXFSZ, SIG_IGN);              /* a log larger than ulimit -f allows is a write that fails, and is said to */
    g_set_prgname("skate relay");
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("PID | --from HOST:PORT");
    g_option_context_set_summary(context, "Lets a viewer on another machine watch a program that runs here.");
    g_option_context_set_description(context, help);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        usage(error->message, NULL);
    if (far && (argc > 1 || bind_to || port))
        usage("--from is the end beside the viewer: it has no PID, no --bind and no --port", NULL);
    if (!far && argc < 2)
        usage("which program? Its number, as skate ps says; for example: skate relay 4711 --secret-file ~/.skate-secret", NULL);
    if (argc > 2)
        usage("one program at a time, but there is also ", argv[2]);

    sk_error err;
    relay_order order = { .pid = far ? 0 : program(argv[1]) };
    g_autofree char *here = far ? NULL : listens();
    order.address = far ? far : here;
    sk_secret *secret = sk_secret_new(&err);
    if (!secret || !sk_id_random(&order.self.node, &err))
        return relay_fail(SK_NODE_UNABLE, "%s", err.message);
    order.self.secret = secret;
    order.self.secret_name = secret_of(secret);
    order.self.secret_is_file = true;
    int status = far ? relay_from(&order) : relay_beside(&order);
    sk_secret_free(secret);
    return status;
}
