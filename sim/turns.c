/* turns.c -- the port of program threads where one thread at a time may call the graph: on backends that simulate.
 *
 * Each call takes the backend's turn first and gives it back after. Then all that happens has one order, and one stream of trace
 * records: at one instant of virtual time, nothing else would tell cause from effect. Tasks have the turn already: they use graph.c's. */
#include "port.h"
#include "session.h"

static void enter(void) { sk_session.backend->ops->enter((sk_backend *)sk_session.backend); }
static void leave(void) { sk_session.backend->ops->leave((sk_backend *)sk_session.backend); }

#define TURN(name, parameters, arguments) \
    static void name parameters { enter(); sk_graph_port.name arguments; leave(); }
#define TURN_FOR(type, name, parameters, arguments) \
    static type name parameters { enter(); type answer = sk_graph_port.name arguments; leave(); return answer; }

TURN(submit, (const sk_fn *fn, sk_site *site, size_t nargs, const sk_value *args, const sk_options *options, sk_ref *refs),
     (fn, site, nargs, args, options, refs))
TURN_FOR(sk_ref, put, (sk_value value, sk_site *site), (value, site))
TURN_FOR(sk_ref, promise, (sk_site *site), (site))
TURN(fulfil, (sk_ref ref, sk_value value, sk_site *site), (ref, value, site))
TURN_FOR(sk_code, get, (sk_ref ref, double timeout_s, sk_value *value, sk_failure **why, sk_site *site, const char *call),
         (ref, timeout_s, value, why, site, call))
TURN_FOR(sk_code, wait, (const sk_ref *refs, size_t n, size_t need, double timeout_s, bool stop_on_failure, uint8_t *ready, size_t *count,
                         size_t *failed, sk_failure **why, sk_site *site, const char *call),
         (refs, n, need, timeout_s, stop_on_failure, ready, count, failed, why, site, call))
typedef void *pointer;
TURN_FOR(pointer, waiter_new, (const sk_ref *refs, size_t n, sk_site *site), (refs, n, site))
TURN_FOR(sk_code, waiter_next, (void *waiter, double timeout_s, size_t *index, sk_site *site), (waiter, timeout_s, index, site))
TURN(waiter_free, (void *waiter), (waiter))
TURN(cancel, (sk_ref ref, int flags, sk_site *site), (ref, flags, site))
TURN(drop, (sk_ref ref, sk_site *site, const char *call), (ref, site, call))
TURN_FOR(sk_ref, dup, (sk_ref ref, sk_site *site, const char *call), (ref, site, call))
TURN(scope_begin, (sk_mark *mark), (mark))
TURN(scope_end, (sk_mark *mark), (mark))
TURN(sleep, (double seconds, sk_site *site), (seconds, site))
TURN(compute, (double units, sk_site *site), (units, site))
TURN_FOR(double, now, (void), ())
TURN_FOR(bool, cancelled, (void), ())
TURN_FOR(sk_counts, counts, (void), ())
TURN_FOR(size_t, resources, (sk_resource *out, size_t max), (out, max))
TURN_FOR(size_t, nodes, (sk_node_info *out, size_t max), (out, max))
TURN_FOR(size_t, print_refs, (void), ())
TURN_FOR(bool, hold, (sk_ref ref), (ref))
static void let_go(sk_ref ref) { enter(); sk_graph_port.release(ref); leave(); }
TURN(say, (const char *text), (text))

const sk_port *sk_local_port(void)
{
    return sk_session.backend->ops->enter ? &sk_turn_port : &sk_graph_port;
}

const sk_port sk_turn_port = {
    .submit = submit, .put = put, .promise = promise, .fulfil = fulfil, .get = get, .wait = wait, .waiter_new = waiter_new,
    .waiter_next = waiter_next, .waiter_free = waiter_free, .cancel = cancel, .drop = drop, .dup = dup, .scope_begin = scope_begin,
    .scope_end = scope_end, .sleep = sleep, .compute = compute, .now = now, .cancelled = cancelled, .counts = counts,
    .resources = resources, .nodes = nodes, .print_refs = print_refs, .hold = hold, .release = let_go, .say = say,
};
