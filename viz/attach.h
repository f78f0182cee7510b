/* attach.h -- a viewer's end of live.h (sim/): a run that goes on, of this machine and this user. Nothing is drawn here.
 *
 *     sk_attach *a = sk_attach_open(pid, &err);
 *     poll sk_attach_fd(a), at most 50 ms;  sk_attach_read(a, take, model, 100000);      take is called with each new event
 *     sk_attach_gate(a, true); sk_attach_step(a, 1); sk_attach_kill(a, 0, 3);
 *     sk_attach_close(a);                                                                 opens the gate, if it was closed from here
 *
 * One thread at a time. */
#ifndef SK_ATTACH_H
#define SK_ATTACH_H

#include <sys/types.h>

#include "trace_read.h"

typedef struct sk_attach sk_attach;

typedef enum sk_attach_state {
    SK_ATTACH_RUNS,
    SK_ATTACH_ENDED, /* the log is whole: the program has ended, by sk_shutdown or by an error of its own */
    SK_ATTACH_LOST   /* the program is gone, and its log is not whole: it crashed, or was killed */
} sk_attach_state;

typedef struct sk_attach_status {
    sk_attach_state state;
    pid_t pid;
    bool has_gate, gate_is_closed;
    uint64_t gates;         /* how often it has spoken of its gate */
    unsigned waiting;       /* threads that stop at the gate */
    const char *refusal;    /* what the program said of the last command that it did not obey; "": nothing */
    uint64_t refusals;      /* how often it has */
} sk_attach_status;

/* Whom `text` means: 1234, a process of this machine; or skate-live/1234, the name of its socket, as `ss -xl` prints it (@skate-live/1234); or
 * HOST:PORT, another machine: then *pid is 0, and far.h has a process that can be attached to. false and *err: it is no address of a run. */
bool sk_attach_address(const char *text, pid_t *pid, sk_error *err);

/* NULL and *err: nobody listens there, it is another user's, or it speaks another version. Waits two seconds at most. */
sk_attach *sk_attach_open(pid_t pid, sk_error *err);
/* The same, of a program that is just being started: waits until it listens, or is gone, or for so many ms. */
sk_attach *sk_attach_wait(pid_t pid, int ms, sk_error *err);
void sk_attach_close(sk_attach *a); /* NULL is fine */
int sk_attach_fd(const sk_attach *a); /* to poll for reading; -1: it has closed. Events may come all the same: call read every 50 ms */
const sk_attach_status *sk_attach_status_of(const sk_attach *a);
const sk_reader *sk_attach_log(const sk_attach *a);

/* Takes what has come, and gives out up to `most` events; how many. Event's words are good until the close. */
typedef void sk_attach_take(void *data, const sk_event *e);
size_t sk_attach_read(sk_attach *a, sk_attach_take *take, void *data, size_t most);

/* Asks the program; what it thinks of it comes by the status. false: the connection is gone. */
bool sk_attach_gate(sk_attach *a, bool closed);
bool sk_attach_step(sk_attach *a, unsigned n);
bool sk_attach_kill(sk_attach *a, int node, int worker); /* worker -1: the node */

#endif
