/* relays.h -- what the tests of `skate relay` share: an end of it is started, dialed as a viewer does, and judged. */
#ifndef LIVE_RELAYS_H
#define LIVE_RELAYS_H

#include "live.h"

#include <stdio.h>

typedef struct relay {
    pid_t pid;
    FILE *out;                             /* what it says, on both */
    char line[800];                        /* the first */
    char address[200];                     /* beside: where it listens */
} relay;

#define MINE secret("mine", 'a')
const char *secret(const char *name, char digit);
relay start_relay(const char *const *args, void (*prepare)(void));             /* `prepare`, in the child, may be NULL */
relay beside(pid_t pid);
relay from_with(const char *address, const char *file, void (*prepare)(void));
relay from(const relay *r);
int end_of_relay(relay *r);
void refused_with(relay r, int status, const char *words);
int dial(pid_t pid);                       /* -1: it does not listen */
int take_log(int fd);                      /* the descriptor that comes with the first line */
bool are_equal(int log, const char *path);

/* relay_stub.c */
void stub_cases(void);

#endif
