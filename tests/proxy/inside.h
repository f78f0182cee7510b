/* inside.h -- what the files of the proxy share. See proxy.h.
 *
 * One thread owns all sockets and GLib sources. It, and whoever calls the proxy, takes `lock` before touching anything below it; the thread
 * gives it back while it sleeps in poll. Who has changed something wakes the thread (poke), which then steps through all connections.
 * Nothing passes between threads by a lock of GLib, so ThreadSanitizer sees all of it.
 *
 *     proxy.c       the thread, the calls
 *     door.c        listening, refusing, the black hole
 *     connection.c  two sockets and two pipes
 *     sockets.c     what GSocket does not do
 *     commands.c    the same in words */
#ifndef PROXY_INSIDE_H
#define PROXY_INSIDE_H

#include "proxy.h"

#include <gio/gio.h>
#include <pthread.h>

typedef struct connection connection;

typedef struct door {                  /* of the proxy's thread only */
    GSocketAddress *at;
    GSocket *keeper;                   /* bound, never listens: keeps the port while nobody listens */
    GSocket *listener;                 /* NULL: refusing */
    GSource *source;                   /* of the listener; NULL: nobody is let in */
    GSocket *filler;                   /* fills the queue of the black hole */
} door;

struct proxy {
    pthread_mutex_t lock;
    pthread_cond_t changed;            /* counts, the door */
    proxy_faults faults[2];            /* of connections to come: up, down */
    GList *connections;                /* that are open */
    proxy_counts over;                 /* sums of those that are over; the first five are kept up to date */
    proxy_door door_wanted, door_is;
    char door_why[PROXY_WHY];
    uint64_t pokes, obeyed;            /* how many pokes there were, how many of them have been seen to */
    bool stopping;
    uint64_t seed;
    int port;

    GSocketAddress *target;            /* from here on: not changed while the thread runs, or the thread's own */
    GMainContext *context;
    door door;
    pthread_t thread;
};

int64_t proxy_now(void);               /* nanoseconds, monotonic */

/* proxy.c: changes the faults of what is asked for, each as it is. Called with the lock, once for each. */
typedef void proxy_edit(proxy_faults *, const void *data);
bool proxy_change(proxy *, unsigned connection, proxy_direction, proxy_edit *, const void *data);

void pipe_counts_add(pipe_counts *to, const pipe_counts *);

/* door.c. Opens with the port chosen, or not at all. */
bool door_init(proxy *, const char *listen, char why[PROXY_WHY]);
bool door_become(proxy *, proxy_door, char why[PROXY_WHY]);
void door_clear(proxy *);

/* connection.c. All with the lock. */
void connection_new(proxy *, GSocket *from);           /* takes it over, and dials */
void connection_step(connection *, int64_t now);       /* may end it */
void connection_close(connection *);                   /* whatever it is doing */
unsigned connection_number(const connection *);
fault_pipe *connection_pipe(const connection *, int i);        /* 0: up, 1: down */
void connection_at_once(connection *);                 /* a fault that has been set drops it: bytes on their way do not matter */

/* sockets.c */
GSocketAddress *sockets_look_up(const char *host_and_port, char why[PROXY_WHY]);
GSocket *sockets_new(GSocketAddress *, char why[PROXY_WHY]);           /* TCP, of that family, non-blocking */
void sockets_be_prompt(GSocket *);                     /* no Nagle: a piece is a piece */
bool sockets_unsent(GSocket *);                        /* bytes that the other end has not acknowledged, and still can */
void sockets_reset(GSocket *);                         /* closes it with RST */

#endif
