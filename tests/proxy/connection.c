/* connection.c -- two sockets, and a pipe each way between them. See inside.h.
 *
 * Pipe i reads socket i and writes the other. A connection is a GSource that waits for what the pipes say: socket i readable if pipe i has room,
 * the other writable if a write would have blocked, a time if a pipe is late on purpose. A socket nothing is wanted of is not polled at all: poll
 * tells of a hang-up whether asked or not, and would do so for ever. */
#include "inside.h"

#include "base.h"

enum { CLIENT, TARGET };                       /* sockets */
enum { PIECE = 64 << 10, TURN = 1 << 20, TURN_PIECES = 256 };          /* what is done at once, before others have a turn */
enum { ACK_WAIT_NS = 1000000 };                /* until a look whether all has arrived */

enum { DIALING, RUNNING, DRAINING };           /* DRAINING: dropped with FIN; what still comes is thrown away, or it would be an RST */

struct connection {
    GSource source;
    proxy *proxy;
    unsigned number;
    int state;
    bool at_once;                              /* to be dropped without regard to what is on its way */
    GSocket *socket[2];
    gpointer tag[2];
    GIOCondition wants[2];
    fault_pipe *pipe[2];
    bool ended[2];                             /* socket i has nothing more to read */
    bool told[2];                              /* the end of pipe i has been forwarded */
    bool broken[2];                            /* what comes out of pipe i cannot be written any more: that peer is gone */
};

unsigned connection_number(const connection *c) { return c->number; }
fault_pipe *connection_pipe(const connection *c, int i) { return c->pipe[i]; }
void connection_at_once(connection *c) { c->at_once = true; }

/* ---- Waiting ---- */

static void want(connection *c, int i, GIOCondition condition)
{
    if (condition == c->wants[i])
        return;
    if (!condition)
        g_source_remove_unix_fd(&c->source, c->tag[i]);
    else if (c->wants[i])
        g_source_modify_unix_fd(&c->source, c->tag[i], condition);
    else
        c->tag[i] = g_source_add_unix_fd(&c->source, g_socket_get_fd(c->socket[i]), condition);
    c->wants[i] = condition;
}

static void ring_at(connection *c, int64_t when)
{
    g_source_set_ready_time(&c->source, when == INT64_MAX ? -1 : when / 1000 + (when % 1000 != 0));
}

/* ---- The end ---- */

void connection_close(connection *c)
{
    proxy *p = c->proxy;
    for (int i = 0; i < 2; i++) {
        if (!c->socket[i])
            continue;
        want(c, i, 0);
        g_socket_close(c->socket[i], NULL);
        g_clear_object(&c->socket[i]);
    }
    pipe_counts_add(&p->over.up, fault_pipe_counts(c->pipe[0]));
    pipe_counts_add(&p->over.down, fault_pipe_counts(c->pipe[1]));
    p->over.open--;
    p->connections = g_list_remove(p->connections, c);
    g_source_destroy(&c->source);
    g_source_unref(&c->source);
}

static void reset(connection *c, uint64_t *count)
{
    ++*count;
    for (int i = 0; i < 2; i++) {
        want(c, i, 0);
        if (c->socket[i])
            sockets_reset(c->socket[i]);
    }
    connection_close(c);
}

static void drain(connection *c)
{
    if (c->state != DRAINING) {
        c->proxy->over.dropped++;
        c->state = DRAINING;
        for (int i = 0; i < 2; i++)
            g_socket_shutdown(c->socket[i], FALSE, TRUE, NULL);
    }
    char thrown_away[4096];
    for (int i = 0; i < 2; i++) {
        for (size_t n = 0; !c->ended[i] && n < TURN; ) {
            g_autoptr(GError) error = NULL;
            gssize got = g_socket_receive(c->socket[i], thrown_away, sizeof thrown_away, NULL, &error);
            if (got < 0 && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
                break;
            c->ended[i] = got <= 0;
            n += sizeof thrown_away;
        }
        want(c, i, c->ended[i] ? 0 : G_IO_IN);
    }
    if (c->ended[0] && c->ended[1])
        connection_close(c);
    else
        ring_at(c, INT64_MAX);
}

/* ---- In and out ---- */

static void pull(connection *c, int i, int64_t now)
{
    char data[PIECE];
    for (size_t read = 0; !c->ended[i] && read < TURN; ) {
        size_t room = fault_pipe_room(c->pipe[i]);
        if (!room)
            return;
        g_autoptr(GError) error = NULL;
        gssize got = g_socket_receive(c->socket[i], data, room < sizeof data ? room : sizeof data, NULL, &error);
        if (got < 0 && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
            return;
        if (got <= 0) {
            c->ended[i] = true;
            fault_pipe_end(c->pipe[i], now, got < 0 || c->broken[1 - i]);
            return;
        }
        fault_pipe_put(c->pipe[i], now, data, (size_t)got);
        read += (size_t)got;
    }
}

/* Writes what pipe i lets through. What else it says; *when: look again; *blocked: when the other socket can be written. */
static pipe_step push(connection *c, int i, int64_t now, int64_t *when, bool *blocked)
{
    char data[PIECE];
    GSocket *to = c->socket[1 - i];
    for (int pieces = 0; pieces < TURN_PIECES; pieces++) {
        size_t size = sizeof data;
        pipe_step step = fault_pipe_look(c->pipe[i], now, data, &size, when);
        if (step == PIPE_END) {
            c->told[i] = true;
            g_socket_shutdown(to, FALSE, TRUE, NULL);
            continue;
        }
        if (step != PIPE_WRITE)
            return step;
        if (c->broken[i])
            return PIPE_WAIT;
        g_autoptr(GError) error = NULL;
        gssize sent = g_socket_send(to, data, size, NULL, &error);
        if (sent < 0 && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
            *blocked = true;
            return PIPE_WAIT;
        }
        if (sent < 0) {                        /* what it has sent before it went can still be read */
            c->broken[i] = true;
            if (c->ended[1 - i])
                fault_pipe_end(c->pipe[1 - i], now, true);
            return PIPE_WAIT;
        }
        fault_pipe_take(c->pipe[i], now, (size_t)sent);
    }
    *when = now;
    return PIPE_WAIT;
}

void connection_step(connection *c, int64_t now)
{
    if (c->state == DIALING)
        return;
    if (c->state == DRAINING) {
        drain(c);
        return;
    }
    int64_t first = INT64_MAX;
    bool blocked[2] = { false, false };
    for (int i = 0; i < 2; i++) {
        int64_t when = INT64_MAX;
        pull(c, i, now);
        pipe_step step = push(c, i, now, &when, &blocked[1 - i]);
        if (step == PIPE_FIN) {
            drain(c);
            return;
        }
        if (step == PIPE_RST || step == PIPE_RESET) {
            /* A reset makes the kernel forget what it has not sent yet: exactly so many bytes must arrive first. */
            if (c->at_once || !sockets_unsent(c->socket[1 - i])) {
                reset(c, step == PIPE_RST ? &c->proxy->over.dropped : &c->proxy->over.ended);
                return;
            }
            when = now + ACK_WAIT_NS;
        }
        first = when < first ? when : first;
    }
    if ((c->broken[0] && c->told[1]) || (c->broken[1] && c->told[0])) {
        reset(c, &c->proxy->over.ended);
        return;
    }
    if (c->told[0] && c->told[1]) {
        c->proxy->over.ended++;
        connection_close(c);
        return;
    }
    for (int i = 0; i < 2; i++)
        want(c, i, (!c->ended[i] && fault_pipe_room(c->pipe[i]) ? G_IO_IN : 0) | (blocked[i] ? G_IO_OUT : 0));
    ring_at(c, first);
}

/* ---- The beginning ---- */

static void dialed(connection *c, GIOCondition condition)
{
    if (!condition)
        return;
    if (!g_socket_check_connect_result(c->socket[TARGET], NULL)) {
        reset(c, &c->proxy->over.failed);
        return;
    }
    c->state = RUNNING;
    connection_step(c, proxy_now());
}

static gboolean dispatch(GSource *source, GSourceFunc function, gpointer data)
{
    (void)function, (void)data;
    connection *c = (connection *)source;
    proxy *p = c->proxy;
    pthread_mutex_lock(&p->lock);
    if (c->state == DIALING)
        dialed(c, g_source_query_unix_fd(source, c->tag[TARGET]));
    else
        connection_step(c, proxy_now());
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return G_SOURCE_CONTINUE;
}

static void finalize(GSource *source)
{
    connection *c = (connection *)source;
    fault_pipe_free(c->pipe[0]);
    fault_pipe_free(c->pipe[1]);
}

static GSourceFuncs functions = { .dispatch = dispatch, .finalize = finalize };

void connection_new(proxy *p, GSocket *from)
{
    connection *c = (connection *)g_source_new(&functions, sizeof *c);
    int64_t now = proxy_now();
    char why[PROXY_WHY];
    c->proxy = p;
    c->number = (unsigned)++p->over.opened;
    for (int i = 0; i < 2; i++) {
        c->pipe[i] = fault_pipe_new(sk_mix(sk_mix(p->seed) + 2 * (uint64_t)c->number + (uint64_t)i));
        fault_pipe_set(c->pipe[i], now, &p->faults[i]);
    }
    p->over.open++;
    p->connections = g_list_append(p->connections, c);
    g_source_attach(&c->source, p->context);

    c->socket[CLIENT] = from;
    g_socket_set_blocking(from, FALSE);
    sockets_be_prompt(from);
    c->socket[TARGET] = sockets_new(p->target, why);
    g_autoptr(GError) error = NULL;
    if (!c->socket[TARGET] || (!g_socket_connect(c->socket[TARGET], p->target, NULL, &error) &&
                               !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_PENDING))) {
        reset(c, &p->over.failed);
        return;
    }
    sockets_be_prompt(c->socket[TARGET]);
    c->state = DIALING;
    want(c, TARGET, G_IO_OUT);
}
