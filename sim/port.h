/* port.h -- the port: every public call goes through a table that is either the graph in this process (graph.c) or a
 * proxy that writes the call to a channel (proxy.c), where a server (serve.c) makes it on the proxy's behalf.
 *
 * A worker process, a TCP node's worker and a graded student's process make their calls through the same proxy. Each lane has its
 * port. The functions of skate.h check what can be checked anywhere (misuse of numbers), box and unbox values, and call the port. */
#ifndef SK_PORT_H
#define SK_PORT_H

#include "error.h"
#include "trace_format.h"
#include "value.h"

typedef struct sk_port {
    /* Values and their blobs are taken over. refs: room for fn->nreturns. */
    void   (*submit)(const sk_fn *fn, sk_site *site, size_t nargs, const sk_value *args, const sk_options *options, sk_ref *refs);
    sk_ref (*put)(sk_value value, sk_site *site);
    sk_ref (*promise)(sk_site *site);
    void   (*fulfil)(sk_ref ref, sk_value value, sk_site *site);
    /* Waits for one object. SK_OK and *value, borrowed from the ref; SK_TIMEOUT; or another code and *why (owned). `call`: for messages. */
    sk_code (*get)(sk_ref ref, double timeout_s, sk_value *value, sk_failure **why, sk_site *site, const char *call);
    /* Waits for `need` of n objects; ready[i] says which are. With stop_on_failure, ends at the first failure, index in *failed
     * (else n). SK_OK, SK_TIMEOUT, or another code and *why (owned). *count: how many are ready. */
    sk_code (*wait)(const sk_ref *refs, size_t n, size_t need, double timeout_s, bool stop_on_failure, uint8_t *ready, size_t *count,
                    size_t *failed, sk_failure **why, sk_site *site, const char *call);
    void  *(*waiter_new)(const sk_ref *refs, size_t n, sk_site *site);
    /* SK_OK and *index of the next, SK_TIMEOUT, or another code. */
    sk_code (*waiter_next)(void *waiter, double timeout_s, size_t *index, sk_site *site);
    void   (*waiter_free)(void *waiter);
    void   (*cancel)(sk_ref ref, int flags, sk_site *site);
    void   (*drop)(sk_ref ref, sk_site *site, const char *call);
    sk_ref (*dup)(sk_ref ref, sk_site *site, const char *call);
    void   (*scope_begin)(sk_mark *mark);
    void   (*scope_end)(sk_mark *mark);
    void   (*sleep)(double seconds, sk_site *site);
    void   (*compute)(double units, sk_site *site);
    double (*now)(void);
    bool   (*cancelled)(void);
    sk_counts (*counts)(void);
    size_t (*resources)(sk_resource *out, size_t max);
    size_t (*nodes)(sk_node_info *out, size_t max);
    size_t (*print_refs)(void);
    /* A ref that a blob contains gets or loses a handle. hold: false if the ref is not live. */
    bool   (*hold)(sk_ref ref);
    void   (*release)(sk_ref ref);
    void   (*say)(const char *text);      /* for the log */
} sk_port;

extern const sk_port sk_graph_port;      /* graph.c; for tasks */
extern const sk_port sk_turn_port;       /* turns.c */
const sk_port *sk_local_port(void);      /* for threads of the program: one of the two */

#endif
