/* proxy.h -- a TCP proxy that stands between two peers and injects faults.
 *
 *     char why[PROXY_WHY];
 *     proxy *p = proxy_open(&(proxy_options){ .target = "127.0.0.1:7000", .seed = 1 }, why);
 *     ... the peer connects to proxy_port(p) ...
 *     proxy_set(p, PROXY_ALL, PROXY_UP, &(proxy_faults){ .after = 100, .then = PROXY_RST });
 *     proxy_wait(p, "dropped", 1);            (until it has happened, not for some time)
 *     proxy_close(p);
 *
 * It runs in a thread of its own, which ends with proxy_close; everything here may be called from any thread. Connections are numbered from
 * 1, as they are accepted. *Up* is the direction from who connects to the target, *down* the way back. A half-close is forwarded as a
 * half-close, a reset as a reset, each behind the bytes before it.
 *
 * SIGPIPE is ignored in the whole process, by GIO. */
#ifndef PROXY_H
#define PROXY_H

#include "pipe.h"

#include <stdio.h>

typedef struct proxy proxy;

enum { PROXY_WHY = 256 };              /* room for a message */
enum { PROXY_ALL = 0 };                /* for the number of a connection: all that there are and will be */
typedef enum proxy_direction { PROXY_UP = 1, PROXY_DOWN = 2, PROXY_BOTH = 3 } proxy_direction;

typedef struct proxy_options {
    const char *target;        /* HOST:PORT of the peer behind it; "[::1]:7000". Looked up once */
    const char *listen;        /* HOST:PORT; NULL: 127.0.0.1:0. Port 0: any that is free */
    uint64_t seed;             /* of jitter, split and corrupt_every; each connection and direction has its own stream from it */
} proxy_options;

/* NULL: it cannot be, for the reason in `why`. */
proxy *proxy_open(const proxy_options *, char why[PROXY_WHY]);
void proxy_close(proxy *);             /* closes all connections, joins the thread. NULL will do */
int proxy_port(const proxy *);

/* ---- Faults. In force when the call returns ---- */

/* Instead of what was set; false: there is no such connection (any more). */
bool proxy_set(proxy *, unsigned connection, proxy_direction, const proxy_faults *);

/* What becomes of who wants to connect. */
typedef enum proxy_door {
    PROXY_OPEN,
    PROXY_REFUSE,              /* nobody listens: "connection refused" */
    PROXY_BLACK_HOLE,          /* no answer at all; who waits long enough gets in when the door opens */
} proxy_door;
bool proxy_set_door(proxy *, proxy_door, char why[PROXY_WHY]);

/* The same in words ("up delay 20 5", "2 down rst 100", "refuse"); what else is set stays. Answers, if there is something to answer, go to
 * `out`. false: `why`. */
bool proxy_command(proxy *, const char *line, FILE *out, char why[PROXY_WHY]);
extern const char proxy_commands[];    /* the list, with what they do */

/* ---- What has happened ---- */

typedef struct proxy_counts {
    uint64_t opened;           /* connections accepted */
    uint64_t open;             /* of these, not over */
    uint64_t ended;            /* over because the peers ended them */
    uint64_t dropped;          /* over because of PROXY_FIN or PROXY_RST */
    uint64_t failed;           /* over because the target could not be reached */
    pipe_counts up, down;      /* sums over all connections, those that are over too */
} proxy_counts;

void proxy_count(proxy *, proxy_counts *);
bool proxy_count_one(proxy *, unsigned connection, proxy_counts *);        /* of one that is open */

/* Their names are those of the fields ("dropped", "up.corrupted"). NULL: there are no more than i. */
const char *proxy_count_name(size_t i);
uint64_t proxy_count_value(const proxy_counts *, size_t i);
bool proxy_wait(proxy *, const char *name, uint64_t n);         /* until that count is at least n. false: there is no such name */

#endif
