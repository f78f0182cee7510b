/* live.h -- what the files of build/tests/live share: a program that is watched is started, watched, and judged. */
#ifndef LIVE_H
#define LIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "viz/attach.h"

enum { FEW = 5 };                          /* tasks of "few": their sum is 10 */

extern const char *backend;                /* of the case */
extern char where[100];                    /* of the program that was started last: its FIFO */

const char *path_of(const char *name);     /* in a folder of this test's own; good for four calls */
pid_t start(const char *what, const char *option, const char *log);
int end_of(pid_t pid);                     /* its exit status; -signal */
void meet(const char *path, int how);      /* waits for who opens the other end */
void expect(bool ok, const char *what);

typedef struct view {
    sk_attach *a;
    uint64_t events, by_type[32], to[16];  /* to: tasks that came into this state */
    uint64_t dead;                         /* nodes, with a bit each */
    uint64_t last_place;                   /* worker:node of the last that came to RUNNING */
    uint64_t nodes;                        /* bit n: one came to RUNNING on node n */
    int64_t last_ns;
    char error[400];
} view;

view watch(pid_t pid);
bool look(view *v, double *until);         /* at what has come, a little later; false: that took too long */
void look_often(view *v);                  /* long enough for what must not happen */

#define STATUS(v) sk_attach_status_of((v)->a)

#define WAIT_FOR(v, condition)                                                                                  \
    do {                                                                                                        \
        double until = 0;                                                                                       \
        bool in_time = true;                                                                                    \
        while (!(condition) && (in_time = look(v, &until)))                                                     \
            ;                                                                                                   \
        expect(in_time, #condition);                                                                            \
    } while (0)

/* relay.c */
void relay_cases(void);                    /* on a backend */
void relay_refusals(void);

#endif
