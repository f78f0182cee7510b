/* runfile.h -- a small file that says what this run is doing, for `skate ps`: while the run lasts, there is one, named by its pid.
 *
 * The idea: who asks reads a file, and asks nobody, so that a busy or hung program answers too. It lies in $XDG_RUNTIME_DIR/skate, or, where
 * there is no such directory of this user's, in /tmp/skate-UID; a directory of mode 0700 that belongs to the user and is no link, or none is
 * used. A thread of its own writes it anew, when something has changed, four times a second: no task knows of it. It opens the file
 * each time, holds no descriptor that the program could close, and maps nothing that could be cut off below it. If the file cannot be made, or
 * has been removed, the run goes on without.
 *
 * It goes with sk_shutdown and with every other end but SIGKILL and _exit; what these leave behind `skate ps` removes: the pid is gone, or is
 * another process (its start is another). Who reads believes none of it. The layout is that of this machine, and changes with `version`. */
#ifndef SK_RUNFILE_H
#define SK_RUNFILE_H

#include "base.h"

#include <sys/types.h>

enum { SK_RUNFILE_VERSION = 2, SK_RUNFILE_ROWS = 256, SK_RUNFILE_TASK = 56, SK_RUNFILE_PATH = 4200 };
#define SK_RUNFILE_MAGIC "skate-ps"

typedef struct sk_runfile_row {            /* a worker process */
    int32_t pid;
    uint32_t is_blocked;                   /* its task waits for others */
    char task[SK_RUNFILE_TASK];            /* that it runs; empty: none. All strings end with a 0, and are cut to their room */
} sk_runfile_row;

typedef struct sk_runfile {
    char magic[8];                         /* SK_RUNFILE_MAGIC, without the 0 */
    uint32_t version, size;                /* of this struct */
    int32_t pid;
    int32_t nodes, workers;                /* workers: that run at once, per node */
    uint32_t nrows;                        /* of `rows`; 0 on backends without worker processes */
    uint64_t born;                         /* when the process started: field 22 of /proc/PID/stat, in ticks since the machine did */
    int64_t since;                         /* sk_init, in seconds since 1970 */
    char backend[40], program[200];
    uint64_t submitted, done, failed, cancelled, retries;      /* tasks; retries: attempts beyond the first */
    uint64_t running;                      /* tasks that run and are not blocked; without those that ask for other than one cpu */
    uint64_t store_live, store_peak, store_limit, store_spilled;      /* bytes; spilled ones are in a file only, and not live */
    uint64_t worker_processes;             /* of which the first SK_RUNFILE_ROWS are in `rows` */
    sk_runfile_row rows[SK_RUNFILE_ROWS];
} sk_runfile;

/* By sk_init, last, and by sk_shutdown, before the backend closes. open returns how many threads it has started: 0 or 1. */
unsigned sk_runfile_open(const char *program);
void sk_runfile_close(void);
void sk_runfile_remove(void);              /* the program dies; also in a signal handler */

/* Fills in worker_processes, nrows and rows, and store_spilled; a backend sets it before its slot `started` returns. Called by the file's own thread, which has
 * no lane, until the backend's `close`. */
extern void (*sk_runfile_fill_rows)(sk_runfile *file);

/* ---- for who reads ---- */

/* The i-th directory in which there may be files of this user's; false: there are no more. It may not exist, and has not been looked at. */
bool sk_runfile_directory(size_t i, char *path, size_t room);
/* Opens it, if it is as said above. -1: it is not, and errno. */
int sk_runfile_open_directory(const char *path);
uint64_t sk_runfile_birth_of(pid_t pid);   /* 0: there is no such process */

#endif
