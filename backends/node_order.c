/* node_order.c -- a node's order as lines `key=value` in a pipe, and back. See node.h. */
#include "node.h"

#include "secret_text.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <unistd.h>

enum { MOST = 4096 };                      /* of an order: a pipe takes as much at once, so who writes does not wait for a reader */

typedef enum kind { TEXT, NUMBER, COUNT, PID, FLAG, SECRET } kind;

static const struct key { const char *name; kind kind; size_t at, room; } keys[] = {
#define KEY(name, kind, member) { name, kind, offsetof(sk_node_order, member), sizeof ((sk_node_order *)0)->member }
    KEY("head", TEXT, head), KEY("serve", TEXT, serve), KEY("name", TEXT, name), KEY("resources", TEXT, resources),
    KEY("workers", COUNT, workers), KEY("store-bytes", NUMBER, store_bytes),
    KEY("wait-ns", NUMBER, wait_ns), KEY("parent", PID, parent), KEY("mark", NUMBER, mark), KEY("says", FLAG, says),
    KEY("secret-file", TEXT, secret_file), KEY("secret", SECRET, secret),
};
enum { KEYS = sizeof keys / sizeof *keys };

/* ---- out ---- */

/* The value of a key; "": not worth a line. */
static void value_of(const sk_node_order *order, const struct key *k, char *text, size_t room)
{
    const char *at = (const char *)order + k->at;
    *text = '\0';
    switch (k->kind) {
    case TEXT: snprintf(text, room, "%s", at); break;
    case NUMBER: snprintf(text, room, "%llu", (unsigned long long)*(const uint64_t *)at); break;
    case COUNT: snprintf(text, room, "%u", *(const unsigned *)at); break;
    case PID: snprintf(text, room, "%d", (int)*(const pid_t *)at); break;
    case FLAG: snprintf(text, room, "%d", *(const bool *)at); break;
    case SECRET:
        if (!order->has_secret)
            return;
        sk_secret_to_digits(text, order->secret.bytes, SK_SECRET_BYTES);
        text[SK_SECRET_DIGITS] = '\0';
    }
}

static bool fail(sk_error *err, const char *call)
{
    return sk_error_set(err, SK_LIMIT, "a node cannot be given its order: %s: %s%s", call, strerror(errno),
                        errno == EMFILE || errno == ENFILE ? "; allow more descriptors with `ulimit -n`" : "");
}

int sk_node_order_send(const sk_node_order *order, sk_error *err)
{
    char text[MOST], value[sizeof order->secret_file + 1];
    size_t size = 0;
    int ends[2];
    for (const struct key *k = keys; k < keys + KEYS; k++) {
        value_of(order, k, value, sizeof value);
        if (strchr(value, '\n')) {
            sk_error_set(err, SK_MISUSE, "a node's %s has a line break in it", k->name);
            return -1;
        }
        if (*value)
            size += (size_t)snprintf(text + size, sizeof text - size, "%s=%s\n", k->name, value);
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fail(err, "pipe");
        return -1;
    }
    bool sent = write(ends[1], text, size) == (ssize_t)size || fail(err, "write");
    sk_secret_wipe(text, sizeof text);
    sk_secret_wipe(value, sizeof value);
    close(ends[1]);
    if (!sent) {
        close(ends[0]);
        return -1;
    }
    return ends[0];
}

/* ---- in ---- */

static bool take_secret(sk_node_order *order, const char *text)
{
    if (strlen(text) != SK_SECRET_DIGITS || sk_secret_digits(text, SK_SECRET_DIGITS) != SK_SECRET_DIGITS)
        return false;
    sk_secret_from_digits(order->secret.bytes, text, SK_SECRET_BYTES);
    return order->has_secret = true;
}

static bool take_value(sk_node_order *order, const struct key *k, const char *text)
{
    char *at = (char *)order + k->at;
    guint64 n = 0;
    if (k->kind == TEXT)
        return snprintf(at, k->room, "%s", text) < (int)k->room;
    if (k->kind == SECRET)
        return take_secret(order, text);
    guint64 most = k->kind == NUMBER ? G_MAXINT64 : k->kind == FLAG ? 1 : G_MAXINT32;
    if (!g_ascii_string_to_unsigned(text, 10, 0, most, &n, NULL))
        return false;
    switch (k->kind) {
    case NUMBER: *(uint64_t *)at = n; break;
    case COUNT: *(unsigned *)at = (unsigned)n; break;
    case PID: *(pid_t *)at = (pid_t)n; break;
    default: *(bool *)at = n;
    }
    return true;
}

static bool take_line(sk_node_order *order, char *line, sk_error *err)
{
    char *equals = strchr(line, '=');
    if (equals)
        *equals = '\0';
    for (const struct key *k = keys; equals && k < keys + KEYS; k++)
        if (!strcmp(k->name, line))                                /* the value may be the secret: it is not shown */
            return take_value(order, k, equals + 1) || sk_error_set(err, SK_PROTOCOL, "its order's %s cannot be read", line);
    return sk_error_set(err, SK_PROTOCOL, "its order has a line that is none: \"%.40s\"", line);
}

bool sk_node_order_receive(int fd, sk_node_order *order, sk_error *err)
{
    char text[MOST + 1];
    size_t size = 0;
    ssize_t n = 0;
    *order = (sk_node_order){ 0 };
    while (size < MOST && ((n = read(fd, text + size, MOST - size)) > 0 || (n < 0 && errno == EINTR)))
        size += n > 0 ? (size_t)n : 0;
    text[size] = '\0';
    bool ok = n >= 0 || sk_error_set(err, SK_PROTOCOL, "its order cannot be read from descriptor %d: %s", fd, strerror(errno));
    close(fd);
    char *rest = text;
    for (char *line; ok && (line = strsep(&rest, "\n"));)
        ok = !*line || take_line(order, line, err);
    sk_secret_wipe(text, sizeof text);
    return ok && ((*order->head && order->workers > 0 && (order->has_secret || *order->secret_file))
                  || sk_error_set(err, SK_PROTOCOL, "its order lacks %s",
                                      !*order->head ? "the head's address" : !order->workers ? "workers" : "a secret"));
}
