/* child.h -- a process of ours: how it is started, watched, ended; not what it does. Linux only.
 *
 *     sk_child c;
 *     if (!sk_child_start(&c, &(sk_child_spec){ .argv = argv, .env = env, .fds = fds, .nfds = 2 }, err)) ...
 *     ... poll c.out, c.err (lines.h) and c.pidfd, which becomes readable when it has ended ...
 *     sk_child_reap(&c, true);
 *     printf("worker 1 %s\n", sk_child_fate(&c, text, sizeof text));
 *     sk_child_close(&c);
 *
 * One thread at a time may use an sk_child; but while one waits for its end, another may kill it. */
#ifndef SK_CHILD_H
#define SK_CHILD_H

#include "base.h"

#include <sys/resource.h>
#include <sys/types.h>

enum { SK_CHILD_FDS = 32 };      /* that one may inherit */

typedef struct sk_child_spec {   /* all borrowed, and only during the call */
    const char *path;            /* the program; NULL: the one that runs now, even if its file has been replaced */
    char *const *argv;           /* up to a NULL; argv[0] is what ps shows and errors name */
    const char *const *env;      /* "NAME=value", up to a NULL: on top of ours. NULL: none */
    const int *fds;              /* the child has them as 3, 4, 5 ...; one may stand there twice */
    size_t nfds;
} sk_child_spec;

typedef struct sk_child {
    pid_t pid;                   /* 0: there is none */
    int pidfd;                   /* -1: the kernel has none */
    int out, err;                /* what it writes to stdout and stderr; non-blocking. Ours are never 0-2 */
    _Atomic bool ended;          /* reaped: status and usage are there, the pid may be another's */
    bool taken;                  /* ended, but somebody else has its status */
    int status;                  /* of waitpid */
    struct rusage usage;
    int64_t max_rss;             /* bytes; 0: not known, for it took less than rss_floor */
    int64_t rss_floor;           /* what this process had taken at the start: the kernel charges a vforked child with that */
} sk_child;

/* Starts it: without copying this process's page tables (vfork), so a large driver starts workers as fast as a small one. It has stdin from
 * /dev/null, the descriptors of `spec` and no others, whatever the program has open; no signal blocked; SIGPIPE, SIGCHLD and SIGTERM by
 * default, even if the program ignores them. On failure *c holds nothing, and *err names what was asked, what the kernel said, and what to do. */
bool sk_child_start(sk_child *c, const sk_child_spec *spec, sk_error *err);

/* Has it ended? `block`: waits until it has. Waits for this process only: the program may have children of its own. A program that waits for
 * any child, or ignores SIGCHLD, takes the status from us; then it is not known (`taken`), but ended it has. */
bool sk_child_reap(sk_child *c, bool block);

void sk_child_kill(sk_child *c, int sig);          /* nothing, if it has been reaped or there is none */

/* Of a reaped one, to follow its name: "was killed by signal 9 (Killed)", "called exit(3)". Returns `text`. */
const char *sk_child_fate(const sk_child *c, char *text, size_t room);

/* Closes its descriptors here. One that has not been reaped is killed and reaped. May be called twice, and on one that is all zeros. */
void sk_child_close(sk_child *c);

/* In the child, first of all; `parent` is the pid of the process that started it. The child dies with that, even if it is killed: by
 * SIGKILL from the kernel, or here if that was too late to be told.
 *
 * To the kernel, the parent is the *thread* that started the child: if it ends, the child is killed, though the process lives on. So children
 * are started by a thread that lives as long as the process needs them (a thread of the backend's own, or main's).
 *
 * Ctrl-C goes to all processes of the terminal, but belongs to the driver: SIGINT is ignored. SIGPIPE stays deadly, as in any program. stdout is
 * a pipe now, and would keep what it has until it is full or the process exits, which workers do not: it passes on each line. */
void sk_child_adopt(pid_t parent);

#endif
