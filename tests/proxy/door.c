/* door.c -- see inside.h. How a door is shut on Linux:
 *
 * Refused is who connects to a port where nobody listens. So the listener is closed; another socket, bound to the port as well, keeps others
 * from getting it meanwhile.
 *
 * No answer gets who connects to a listener whose queue is full: the kernel drops the SYN, and the other side sends it again, later and later. So
 * the queue is made as short as can be, one place, filled by a connection of our own, and nobody is let in. */
#include "inside.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { QUEUE = 128, PAUSE_MS = 100 };

static gboolean let_in(GSocket *, GIOCondition, gpointer);

static void attach(proxy *p, GSource *source, GSourceFunc function)
{
    g_source_set_callback(source, function, p, NULL);
    g_source_attach(source, p->context);
}

static void detach(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_source_unref(*source);
        *source = NULL;
    }
}

static void drop(GSocket **s)
{
    if (*s)
        g_socket_close(*s, NULL);
    g_clear_object(s);
}

static void watch(proxy *p)
{
    detach(&p->door.source);
    p->door.source = g_socket_create_source(p->door.listener, G_IO_IN, NULL);
    attach(p, p->door.source, G_SOURCE_FUNC(let_in));
}

/* There was no descriptor left: once more when some may have been closed. */
static gboolean try_again(gpointer data)
{
    proxy *p = data;
    pthread_mutex_lock(&p->lock);
    watch(p);
    pthread_mutex_unlock(&p->lock);
    return G_SOURCE_REMOVE;
}

static bool is_filler(const door *d, GSocket *from)
{
    if (!d->filler)
        return false;
    g_autoptr(GSocketAddress) theirs = g_socket_get_remote_address(from, NULL), ours = g_socket_get_local_address(d->filler, NULL);
    return theirs && ours &&
           g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(theirs)) == g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(ours));
}

static gboolean let_in(GSocket *listener, GIOCondition condition, gpointer data)
{
    (void)condition;
    proxy *p = data;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        g_autoptr(GError) error = NULL;
        GSocket *from = g_socket_accept(listener, NULL, &error);
        if (!from) {
            if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED))
                break;
            detach(&p->door.source);
            p->door.source = g_timeout_source_new(PAUSE_MS);
            attach(p, p->door.source, try_again);
            break;
        }
        if (is_filler(&p->door, from)) {
            drop(&from);
            drop(&p->door.filler);
        } else {
            connection_new(p, from);
        }
    }
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return G_SOURCE_CONTINUE;
}

static GSocket *bind_to(GSocketAddress *at, char why[PROXY_WHY])
{
    GSocket *s = sockets_new(at, why);
    g_autoptr(GError) error = NULL;
    if (s && !g_socket_bind(s, at, TRUE, &error)) {
        g_autofree char *text = g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(at));
        bool taken = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
        snprintf(why, PROXY_WHY, "cannot listen on %s: %s%s", text, error->message, taken ? "; choose another port, or 0 for any that is free" : "");
        g_clear_object(&s);
    }
    return s;
}

static bool listen_with(proxy *p, int queue, char why[PROXY_WHY])
{
    if (!p->door.listener && !(p->door.listener = bind_to(p->door.at, why)))
        return false;
    if (listen(g_socket_get_fd(p->door.listener), queue) == 0)         /* GSocket would not have it twice, which changes the queue */
        return true;
    snprintf(why, PROXY_WHY, "cannot listen: %s", g_strerror(errno));
    drop(&p->door.listener);
    return false;
}

static uint16_t port_of(GSocketAddress *at) { return g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(at)); }

/* Where to reach ourselves: what listens everywhere also listens on the loopback. */
static GSocketAddress *inward(GSocketAddress *at)
{
    GInetAddress *address = g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(at));
    if (!g_inet_address_get_is_any(address))
        return g_object_ref(at);
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(g_inet_address_get_family(address));
    return g_inet_socket_address_new(loopback, port_of(at));
}

/* When the listener has something to accept, its queue is full. Should somebody else have been faster, that is as good. */
static bool fill(proxy *p, char why[PROXY_WHY])
{
    door *d = &p->door;
    g_autoptr(GSocketAddress) at = inward(d->at);
    drop(&d->filler);
    if (!(d->filler = sockets_new(at, why)))
        return false;
    g_socket_connect(d->filler, at, NULL, NULL);                       /* which it does not wait for */
    g_autoptr(GError) error = NULL;
    if (g_socket_condition_timed_wait(d->listener, G_IO_IN, G_USEC_PER_SEC, NULL, &error))
        return true;
    snprintf(why, PROXY_WHY, "cannot fill the queue of the listener: %s", error->message);
    return false;
}

bool door_become(proxy *p, proxy_door wanted, char why[PROXY_WHY])
{
    door *d = &p->door;
    if (wanted == p->door_is && (d->listener || wanted == PROXY_REFUSE))
        return true;
    detach(&d->source);
    if (wanted == PROXY_REFUSE) {
        drop(&d->listener);
        drop(&d->filler);
    } else if (!listen_with(p, wanted == PROXY_OPEN ? QUEUE : 0, why) || (wanted == PROXY_BLACK_HOLE && !fill(p, why))) {
        return false;
    }
    if (wanted == PROXY_OPEN)
        watch(p);
    p->door_is = wanted;
    return true;
}

bool door_init(proxy *p, const char *at, char why[PROXY_WHY])
{
    door *d = &p->door;
    g_autoptr(GSocketAddress) asked = sockets_look_up(at, why);
    if (!asked || !(d->keeper = bind_to(asked, why)))
        return false;
    g_autoptr(GError) error = NULL;
    if (!(d->at = g_socket_get_local_address(d->keeper, &error))) {
        snprintf(why, PROXY_WHY, "cannot tell the port chosen: %s", error->message);
        return false;
    }
    p->port = port_of(d->at);
    return door_become(p, PROXY_OPEN, why);
}

void door_clear(proxy *p)
{
    detach(&p->door.source);
    drop(&p->door.listener);
    drop(&p->door.filler);
    drop(&p->door.keeper);
    g_clear_object(&p->door.at);
}
