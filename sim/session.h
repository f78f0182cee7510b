/* session.h -- the one run of a program between sk_init and sk_shutdown: settings, backend, and what the parts of the core
 * need from each other across floors. */
#ifndef SK_SESSION_H
#define SK_SESSION_H

#include "lane.h"
#include "port.h"
#include "resources.h"

typedef struct sk_session_state {
    _Atomic uint64_t program_threads;            /* that have called Skate, the driver included */
    bool started, draining, ending;              /* draining: sk_shutdown waits for what runs */
    bool ended_before;                           /* sk_shutdown has been called */
    struct sk_backend_base *backend;
    sk_settings settings;
    sk_site *init_site;
    int64_t start;                               /* CLOCK_MONOTONIC at sk_init, ns */
    bool trace_failed;                           /* could not be opened: said again at the end */
    sk_error trace_error;
    bool trace_is_temporary;                     /* only there for the Gantt chart, or for who watches */
    unsigned backend_threads;                    /* of the backend's own, without a lane: they call nothing that a program could wait for */
    bool is_worker;                              /* this is a worker process of the backend processes, not the program */
    bool proxied;                                /* SKATE_PORT=proxy: the driver's calls go through a socketpair */
} sk_session_state;

SK_OURS extern sk_session_state sk_session;

int64_t sk_session_now(void);                    /* ns since sk_init, backend's time */
void sk_session_wake_all(void);                  /* every lane looks whether its wait is over */
bool sk_session_hold_contained(sk_ref ref);      /* through this lane's port */
void sk_session_release_contained(sk_ref ref);
sk_counts sk_session_counts(void);
int64_t sk_session_monotonic(void);              /* ns since sk_init, whatever the backend's time */
/* What the handler of SIGSEGV does: says what ran, and dies of the signal. Where it faulted; the handler's third argument. */
void sk_session_crash(int sig, const void *address, const void *context);
void sk_compute_here(double units);              /* graph.c: really computes */
/* api.c: what sk_remote_fn calls; here for serve.c. Checks number and types of the arguments; misuse ends the program. */
void sk_submit_values(const sk_fn *fn, sk_site *site, size_t nargs, const sk_value *args, const sk_options *options, sk_ref *returns);
void *sk_session_frame(void);                    /* identifies the task this thread is in */
int64_t sk_session_running(void);                /* ordinary tasks that run now */

/* The one function that changes a node's state. Nodes are 0 .. settings.nodes-1. */
void sk_node_move(int node, sk_node_state from, sk_node_state to, int workers);
bool sk_node_is_alive(int node);
bool sk_node_has_been(int node);                 /* alive, or dead since */

/* A backend by its name, a decorator and a name ("checked+threads"), or a module's path; NULL and *err with the list. */
const sk_backend_ops *sk_backend_find(const char *name, sk_error *err);
/* The list is the program's (backends/backends.c): NULL-terminated. */
extern const sk_backend_ops *const sk_backends[];
const sk_backend_ops *sk_backend_checked(const sk_backend_ops *inner);     /* backends/checked.c */

/* settings.c: reads command line, environment, config and defaults, in this order. Ends the program on what it does not know. */
void sk_settings_read(sk_settings *settings, int *argc, char ***argv, const sk_config *config);
/* What depends on the backend: defaults, and options that it has no use for end the program. */
void sk_settings_for(sk_settings *settings, const sk_backend_ops *ops, sk_site *site);
void sk_settings_clear(sk_settings *settings);
enum { SK_VIRTUAL_WORKERS = 4 };                 /* a simulated node's, where nobody says how many */

#endif
