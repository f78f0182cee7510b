/* status.c -- `skate status`: asks the head of a cluster of several machines which nodes it has, and what they do, and prints its answer.
 *
 * It connects as a tool (SK_ROLE_TOOL, auth.h): the head tells it how things are, and lets it do nothing. It must know the secret like a node:
 * so only runs with a secret file can be asked. The others have a secret of their own in memory, which is what keeps others out.
 *
 * Reading order: the conversation; how it ends; main.                                                 */
#include <glib.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "backends/address.h"
#include "backends/node.h"
#include "backends/node_wire.h"
#include "backends/secret.h"

enum { USAGE_ERROR = 2, PATIENCE_S = 5 };

static gchar *secret_file;

static const GOptionEntry entries[] = {
    { "secret-file", 0, 0, G_OPTION_ARG_FILENAME, &secret_file, "the one that the program uses ($SKATE_SECRET_FILE)", "FILE" },
    G_OPTION_ENTRY_NULL
};

static const char help[] =
    "One line for each node, the program's own machine first: how many workers it has and how many tasks run there now, what the objects take that\n"
    "were made there, and copies of others', how far its clock is from the head's, and whether it is silent just now.\n"
    "A program that was started without --secret-file has a secret of its own, and cannot be asked from outside; on its machine there is skate ps.\n\n"
    "Exit status: 0; 2 misuse; 69 nobody is there, or nobody answers within 5 s; 76 what answers is no head; 77 it has another secret.\n\n"
    "Example:\n"
    "  skate status lab-01:7000 --secret-file ~/.skate-secret";

/* ---- The conversation ---- */

typedef struct asking {
    sk_transport *transport;
    const char *address;
    char *answer;                          /* NULL: it has not come */
    bool is_up, is_over;
    int status;
    char why[SK_TRANSPORT_WHY + 200];
} asking;

G_GNUC_PRINTF(3, 4)
static void end(asking *a, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    a->is_over = true;
    a->status = status;
    vsnprintf(a->why, sizeof a->why, format, args);
    va_end(args);
}

static void on_end(asking *a, const sk_peer_info *info)
{
    if (info->end == SK_PEER_REFUSED && info->refused == SK_WHY_VERSION)
        end(a, SK_NODE_REFUSED, "the head at %s is another version of Skate: %s", a->address, info->why);
    else if (info->end == SK_PEER_REFUSED && info->refused == SK_WHY_BUSY)
        end(a, SK_NODE_HEAD_LOST, "the head at %s is busy: %s", a->address, info->why);
    else if (info->end == SK_PEER_REFUSED && info->refused == SK_WHY_MAGIC)
        end(a, SK_NODE_NONSENSE, "what listens at %s is no head: %s", a->address, info->why);
    else if (info->end == SK_PEER_REFUSED)
        end(a, SK_NODE_STRANGER, "%s does not let us in: %s", a->address, info->why);
    else if (info->end == SK_PEER_BROKEN)
        end(a, SK_NODE_NONSENSE, "what listens at %s is no head: %s", a->address, info->why);
    else if (a->is_up)
        end(a, SK_NODE_HEAD_LOST, "the head at %s has gone before it answered: %s", a->address, info->why);
    else
        end(a, SK_NODE_HEAD_LOST, "no head answers at %s: %s", a->address, info->why);
}

static void on_state(void *data, sk_peer peer, const sk_peer_info *info)
{
    asking *a = data;
    if (info->state == SK_PEER_UP && !a->is_up) {
        a->is_up = true;
        sk_node_send(a->transport, peer, &(sk_node_msg){ .type = SK_NODE_STATUS });
    } else if (info->state == SK_PEER_DEAD && !a->is_over) {
        on_end(a, info);
    }
}

static void on_control(void *data, sk_peer peer, uint16_t type, uint64_t req, const uint8_t *bytes, size_t size)
{
    asking *a = data;
    sk_node_msg m;
    sk_error err;
    (void)peer, (void)req;
    if (a->is_over)
        return;
    if (!sk_node_decode(&m, type, bytes, size, &err))
        end(a, SK_NODE_NONSENSE, "what listens at %s is no head: %s", a->address, err.message);
    else if (m.type != SK_NODE_STATE)
        end(a, SK_NODE_NONSENSE, "what listens at %s is no head: asked for its state it said %s", a->address, sk_node_name(m.type));
    else
        a->answer = g_strdup(m.text), a->is_over = true;
}

/* A tool sends and gets no objects. */
static void on_room(void *data, sk_peer peer) { (void)data, (void)peer; }
static void on_bulk(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size) { (void)data, (void)peer, (void)req, (void)offset, (void)size; }
static void on_sent(void *data, sk_peer peer, uint64_t req, bool sent) { (void)data, (void)peer, (void)req, (void)sent; }
static void on_lost(void *data, sk_peer peer, const char *why) { (void)data, (void)peer, (void)why; }

static void *on_place(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size)
{
    (void)data, (void)peer, (void)req, (void)offset, (void)size;
    return NULL;
}

static const sk_transport_events events = { on_state, on_control, on_room, on_place, on_bulk, on_sent, on_lost, NULL };

static void ask(asking *a, const sk_transport_self *self)
{
    sk_error err;
    sk_transport_config config = { .me = self, .events = &events, .data = a, .dial_ns = (int64_t)PATIENCE_S * 1000000000 };
    config.kinds = sk_node_kinds(&config.nkinds);
    a->transport = sk_tcp_transport.open(&config, &err);
    if (!a->transport) {
        end(a, SK_NODE_UNABLE, "%s", err.message);
        return;
    }
    gint64 until = g_get_monotonic_time() + PATIENCE_S * G_USEC_PER_SEC, left;
    if (!sk_transport_dial(a->transport, a->address, NULL, NULL, &err).id)
        end(a, USAGE_ERROR, "%s cannot be dialed: %s", a->address, err.message);
    while (!a->is_over && (left = until - g_get_monotonic_time()) > 0)
        sk_transport_poll(a->transport, left * 1000);
    if (!a->is_over && a->is_up)
        end(a, SK_NODE_HEAD_LOST, "the head at %s has not answered within %d s; is it stopped, or its machine very busy?", a->address, PATIENCE_S);
    else if (!a->is_over)
        end(a, SK_NODE_HEAD_LOST, "no head has answered at %s within %d s", a->address, PATIENCE_S);
}

/* ---- How it ends ---- */

G_GNUC_PRINTF(2, 3) G_GNUC_NORETURN
static void refuse(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "skate status: ");
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    exit(status);
}

/* It is text of a process that knows the secret, which need not mean well: nothing of it reaches the terminal but what can be read. */
static void print_answer(char *text)
{
    for (char *p = text; *p; p++)
        if (*p != '\n' && ((unsigned char)*p < ' ' || *p == 127))
            *p = '?';
    g_autofree char *readable = g_utf8_make_valid(text, -1);
    fputs(readable, stdout);
    if (!g_str_has_suffix(readable, "\n"))
        putchar('\n');
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("HOST:PORT");
    g_option_context_set_summary(context, "Says which nodes the cluster of a running program has, and what they do.");
    g_option_context_set_description(context, help);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        refuse(USAGE_ERROR, "%s; `skate status --help` lists the options", error->message);
    if (argc < 2)
        refuse(USAGE_ERROR, "where? The program that uses the cluster prints where it listens; for example: skate status lab-01:7000 --secret-file ~/.skate-secret");
    if (argc > 2)
        refuse(USAGE_ERROR, "one address at a time, but there is also %s", argv[2]);
    const char *file = secret_file ? secret_file : g_getenv("SKATE_SECRET_FILE");
    if (!file || !*file)
        refuse(USAGE_ERROR, "--secret-file FILE is missing: the one that the program uses. A program without one has a secret of its own, and cannot be asked from "
               "outside; on its machine `skate ps` shows it");
    sk_error err;
    sk_secret secret;
    sk_address found[SK_ADDRESS_MOST];
    if (!sk_address_find(argv[1], false, found, &err) || !sk_secret_read(&secret, file, &err))
        refuse(USAGE_ERROR, "%s", err.message);
    sk_transport_self self = { .role = SK_ROLE_TOOL, .peer_roles = 1 << SK_ROLE_DRIVER, .secret = &secret, .secret_name = file, .secret_is_file = true };
    if (!sk_id_random(&self.node, &err))
        refuse(SK_NODE_UNABLE, "%s", err.message);
    asking a = { .address = argv[1] };
    ask(&a, &self);
    sk_transport_close(a.transport);
    sk_secret_wipe(&secret, sizeof secret);
    if (!a.answer)
        refuse(a.status, "%s", a.why);
    print_answer(a.answer);
    g_free(a.answer);
    return 0;
}
