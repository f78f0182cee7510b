/* process.h -- one worker process, seen by whoever started it: how it is begun, fed, given arenas, listened to, ended, and what it died of. Not
 * what it is to do: whose task it runs, and what the messages in its rings say, is the node's (processes.h).
 *
 *     sk_process p;
 *     if (!sk_process_start(&p, &spec, err)) ...
 *     ... sk_ring_write(&p.to, ...); sk_bell_ring(&p.page->bell);  sk_ring_read(&p.from, ...) when the node's bell rings
 *     ... poll p.child.out, p.child.err: sk_process_drain(&p); p.child.pidfd: sk_process_reap(&p, false)
 *     code = sk_process_fate(&p, &kills, alive, how, sizeof how);
 *     sk_process_clear(&p);
 *
 * The worker dies with the *thread* that starts it (child.h). Nothing here takes a lock. Where several threads have to do with one process:
 *
 *     who talks to it            to, from, page, arenas
 *     who holds a lock on output prints, out, err, and the pipes' descriptors in child: _drain, _clear, and whoever polls them
 *     who waits for its end      _reap; another may signal it meanwhile
 *
 * Linux only. */
#ifndef SK_PROCESS_H
#define SK_PROCESS_H

#include "child.h"
#include "error.h"
#include "lines.h"
#include "worker.h"

enum { SK_PROCESS_GRACE_MS = 2000 };

typedef struct sk_process_spec {           /* all borrowed, and only during the call */
    const char *path;                      /* the program; NULL: the one that runs now */
    const char *name;                      /* what ps shows, and errors name: "skate worker 3 of 4711" */
    int wake;                              /* an eventfd that the worker rings by, where its starter sleeps in poll; 0: none. See sk_bell_ring_by */
    int bell, arena;                       /* descriptors: of the node's bell (sk_process_bell_new); of its own arena, for writing */
    unsigned node;                         /* whose it is: what sk_node() says in its tasks */
    unsigned owner, owners;                /* of arenas: its own, and how many there are. shm.h */
    size_t stride, large;
    int64_t start;                         /* of the session, on this machine's monotonic clock */
    uint64_t seed;
    int workers;                           /* how many work at a time */
    size_t memory;                         /* that it may take for itself; 0: no limit */
    bool headed;                           /* with the place of what it has made it sends the blob's header: its node's graph is elsewhere */
    bool labels;                           /* each line says who has printed it: lines.h */
    FILE *out, *err;                       /* where its lines go. NULL: nowhere, the caller reads child.out and child.err itself, labels and all */
} sk_process_spec;

typedef struct sk_process {
    sk_child child;
    sk_worker_page *page;                  /* shared with it; NULL: there is no process */
    sk_ring_end to, from;
    int control;                           /* the socket that arenas go through; -1: none */
    uint8_t *arenas;                       /* by owner: it has that arena */
    bool prints;                           /* out and err are there */
    sk_lines out, err;
} sk_process;

/* Without a process: sk_process_clear is fine, and sk_process_start. */
#define SK_PROCESS_NONE ((sk_process){ .control = -1, .child = { .pidfd = -1, .out = -1, .err = -1 } })

/* It has been started; its first frame, HELLO, comes in `from`. false: *err says why, and nothing is left, *p is SK_PROCESS_NONE. */
bool sk_process_start(sk_process *p, const sk_process_spec *spec, sk_error *err);

static inline bool sk_process_has_arena(const sk_process *p, unsigned owner) { return p->arenas[owner]; }
/* Sends it the descriptor, a read-only one, which stays the caller's to close; from then on it has that arena. To be sent before the first value
 * that lies there. false: it cannot be sent. */
bool sk_process_give_arena(sk_process *p, unsigned owner, int fd);

/* What it has printed so far is passed on. At the end of a pipe closes it: its descriptor is -1 then. */
void sk_process_drain(sk_process *p);

static inline void sk_process_signal(sk_process *p, int sig) { sk_child_kill(&p->child, sig); }      /* nothing, if it has been reaped */
static inline bool sk_process_reap(sk_process *p, bool block) { return sk_child_reap(&p->child, block); }      /* true: it has ended */

/* It has been asked to go: waits for its end, SK_PROCESS_GRACE_MS at most, then makes it. Reaped. */
void sk_process_end(sk_process *p);

/* Ended or not, nothing of it is left: what was left of its lines is passed on, *p is SK_PROCESS_NONE. May be called twice. */
void sk_process_clear(sk_process *p);

/* ---- what it died of: of one that is reaped ---- */

bool sk_process_was_killed(const sk_process *p);                   /* by SIGKILL, whoever sent it */

/* The kernel counts whom it has killed for want of memory, but not by name. So each death by SIGKILL that is not our doing takes one of those
 * that are new. One count for all processes of a node. */
typedef struct sk_process_kills { int64_t known; } sk_process_kills;      /* accounted for; -1: the kernel does not tell */
void sk_process_kills_init(sk_process_kills *k);

/* In words, with what it said last: "its process (4711) was killed by signal 9 (Killed): by the kernel's OOM killer: ...". Returns
 * SK_WORKER_OOM, if it was want of memory, else SK_WORKER_DIED. `kills` NULL: we have sent the signal. `alive`: processes of this node, this
 * one among them; at most so many kills are left over for those that may have died with it. */
sk_code sk_process_fate(sk_process *p, sk_process_kills *kills, unsigned alive, char *how, size_t room);

/* ---- the node's bell, which all its workers ring ---- */

sk_bell *sk_process_bell_new(int *fd, sk_error *err);              /* NULL: *err says why. *fd: for sk_process_spec */
void sk_process_bell_free(sk_bell *bell, int fd);                  /* NULL is fine */

/* *err from errno: "WHAT: why; what to do". false. */
bool sk_process_error(sk_error *err, const char *what);

#endif
