/* proxy.c -- the port's remote end: every call becomes a frame (wire.h) for a server (serve.c), which makes it.
 *
 * The idea: a call that has no answer costs no round trip. The proxy numbers the refs it makes itself and goes on; the server decides
 * everything, also what is misuse. Only where the proxy sees that a call may be misuse (`doubt`: a ref it knows nothing of, odd
 * options) it waits until the server has looked (settle), so that the program ends at the wrong line and not later.
 *
 * An entry for each ref in the client's hands counts how many hands: its own handle, its duplicates, and the values that came back
 * and contain it. It keeps the value once it has been got, so that views stay valid until the ref is dropped and
 * a second get costs nothing. The last hand gone, entry and value go too; what the value contains loses a hand.
 *
 * When things are written: at once what lets others go on or gives back much memory (submit, fulfil, cancel, a large drop) and
 * every question; the rest when 64 KB have come together.
 *
 * Reading order: sending; entries; submit and put; get and wait; references; questions; start and stop.            */
#include "proxy.h"

#include "fn.h"
#include "lane.h"
#include "resources.h"
#include "serve.h"
#include "session.h"
#include "task.h"
#include "wire.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SMALL = 4096, LARGE = 64 << 10, MANY_DUPS = 32000 };

typedef struct entry {                 /* a ref in the client's hands */
    uint64_t id;
    uint32_t hands;                    /* made + dups + how often live values contain it */
    uint32_t dups;
    bool made, promised, has_value;
    bool small;                        /* its object is a number or little more: dropping it may wait */
    bool large;                        /* the next put may need its room: dropping it waits for the server */
    sk_value value;                    /* if has_value; owned */
    struct entry *next;                /* while dying */
} entry;

typedef struct proxy {
    sk_wire wire;
    pthread_t server;
    GHashTable *entries;               /* id -> entry */
    GHashTable *fns;                   /* sk_fn * -> number */
    uint64_t last;                     /* ids minted so far */
    uint32_t waiters;
    entry *dying;
    bool freeing;
    bool doubt;                        /* wait for the server before the call under way returns: it may be misuse */
    bool quiet;                        /* lists that are freed now were never the server's: say nothing */
    bool was_worker;                   /* of the lane, before */
    bool is_in_worker;                 /* a process whose tasks make the calls; see sk_proxy_begin_worker */
    void *thread;                      /* the backend's, of the lane before; lent to the server */
    sk_msg answer;
    GQueue later;                      /* sk_msg *: RUNs that were sent ahead, and came while a task waited for an answer */
} proxy;

static proxy *mine(void) { return sk_lane_self->port_data; }

/* ---- sending ---- */

static _Noreturn void lost(proxy *p)
{
    if (p->is_in_worker && p->wire.error.code != SK_PROTOCOL)
        _exit(0);                      /* the driver is gone: nobody is left to tell */
    if (p->wire.error.code == SK_PROTOCOL)
        sk_die(NULL, NULL, 1, "%s: %s", sk_code_name(SK_PROTOCOL), p->wire.error.message);
    sk_die(NULL, NULL, 1, "the connection to the core is lost (%s)", sk_code_name(SK_HEAD_LOST));
}

/* (A task that is sent ahead has no text of its own, which would lie in the frame.) */
static bool is_for_later(proxy *p)
{
    if (p->answer.type != SK_WIRE_RUN || !p->is_in_worker)
        return p->answer.type == SK_WIRE_ENDED && p->answer.id != sk_lane_self->frame->id;      /* of a task that had left already */
    p->answer.text = NULL;
    g_queue_push_tail(&p->later, g_memdup2(&p->answer, sizeof p->answer));
    return true;
}

static void receive(proxy *p)
{
    do
        if (!sk_wire_receive(&p->wire, &p->answer))
            lost(p);
    while (is_for_later(p));
    if (p->answer.type == SK_WIRE_ENDED)
        sk_frame_fail(sk_lane_self->frame, NULL);
    if (p->answer.type == SK_WIRE_ERROR)
        sk_die(NULL, NULL, 1, "%s: %s", sk_code_name(p->answer.code), p->answer.text ? p->answer.text : "?");
}

static void flush(proxy *p)
{
    if (sk_wire_flush(&p->wire))
        return;
    receive(p);                        /* it may have said why */
    lost(p);
}

static void add(proxy *p, const sk_msg *m)
{
    if (!sk_wire_add(&p->wire, m))
        sk_die(m->site, NULL, 1, "%s: %s", m->text && m->type >= SK_WIRE_GET ? m->text : "skate", p->wire.error.message);
    if (p->wire.nout >= SK_WIRE_BATCH)
        flush(p);
}

void (*sk_proxy_before_ask)(void);

static const sk_msg *ask(proxy *p, const sk_msg *m, sk_wire_type type)
{
    if (sk_proxy_before_ask)
        sk_proxy_before_ask();
    add(p, m);
    flush(p);
    p->doubt = false;
    receive(p);
    if (p->answer.type != type) {
        sk_error_set(&p->wire.error, SK_PROTOCOL, "the core answers %s to %s", sk_wire_name(p->answer.type), sk_wire_name(m->type));
        lost(p);
    }
    return &p->answer;
}

static void settle(proxy *p)
{
    if (p->doubt)
        ask(p, &(sk_msg){ .type = SK_WIRE_PING }, SK_WIRE_DONE);
}

/* ---- entries ---- */

/* A ref and its duplicates have one entry. */
static entry *find(proxy *p, sk_ref ref)
{
    return g_hash_table_lookup(p->entries, (gpointer)(uintptr_t)(ref.id & ~SK_WIRE_DUPLICATE));
}

static entry *need(proxy *p, sk_ref ref)
{
    entry *e = find(p, ref);
    if (!e) {
        e = g_new0(entry, 1);
        e->id = ref.id & ~SK_WIRE_DUPLICATE;
        g_hash_table_insert(p->entries, (gpointer)(uintptr_t)e->id, e);
    }
    return e;
}

static entry *mint(proxy *p, sk_ref *ref)
{
    ref->id = SK_WIRE_REF + ++p->last;
    entry *e = need(p, *ref);
    e->made = true;
    e->hands = 1;
    return e;
}

/* One hand less. A loop, so that lists of lists of ... do not eat the stack. */
static void let_go(proxy *p, entry *e)
{
    if (--e->hands > 0)
        return;
    e->next = p->dying;
    p->dying = e;
    if (p->freeing)
        return;
    p->freeing = true;
    while ((e = p->dying)) {
        p->dying = e->next;
        g_hash_table_remove(p->entries, (gpointer)(uintptr_t)e->id);
        if (e->has_value && e->value.type == SK_T_REF) {
            entry *inner = find(p, e->value.ref);
            if (inner)
                let_go(p, inner);
        } else if (e->has_value) {
            sk_value_clear(&e->value);            /* a list: release() below */
        }
        g_free(e);
    }
    p->freeing = false;
}

static void weigh(entry *e, const sk_value *v)
{
    size_t size = sk_value_bytes(v);
    e->small = size < SMALL && v->type != SK_T_REF && v->type != SK_T_LIST;
    e->large = size >= LARGE;
}

static void doubt_unless_known(proxy *p, sk_ref ref) { p->doubt |= !find(p, ref); }

/* A list that the client makes goes to the server with the call that is under way: the server holds what is in it. */
static bool hold(sk_ref ref)
{
    doubt_unless_known(mine(), ref);
    return true;
}

/* A list that came from the server is freed. */
static void release_ref(sk_ref ref)
{
    proxy *p = mine();
    if (p->quiet)
        return;
    add(p, &(sk_msg){ .type = SK_WIRE_RELEASE, .id = ref.id });
    entry *e = find(p, ref);
    if (e)
        let_go(p, e);
}

static sk_value list_came(void *data, const sk_ref *refs, size_t n)
{
    proxy *p = data;
    sk_blob *blob = sk_blob_new_copy(SK_T_LIST, n * sizeof *refs);
    if (!blob)
        abort();
    for (size_t i = 0; i < n; i++)
        need(p, refs[i])->hands++;
    memcpy(sk_blob_data(blob), refs, n * sizeof *refs);
    blob->sealed = true;
    return (sk_value){ SK_T_LIST, { .blob = blob } };
}

/* A value has been encoded; the server makes its own blob of it. Only lists that came from there have hands on their refs. */
static void clear(proxy *p, sk_value v)
{
    if (!sk_type_has_blob(v.type))
        return;
    p->quiet = !v.blob->copy;
    sk_blob_unref(v.blob);
    p->quiet = false;
}

/* ---- submit and put ---- */

static uint32_t number_of_fn(proxy *p, const sk_fn *fn)
{
    uint32_t number = GPOINTER_TO_UINT(g_hash_table_lookup(p->fns, fn));
    if (!number) {
        number = g_hash_table_size(p->fns) + 1;
        g_hash_table_insert(p->fns, (gpointer)fn, GUINT_TO_POINTER(number));
        add(p, &(sk_msg){ .type = SK_WIRE_FN, .text = fn->name, .number = fn->nargs, .word = fn->nreturns });
    }
    return number;
}

static bool are_fine(const sk_options *o)
{
    sk_demand demand;
    sk_error err;
    return !o || (o->num_cpus >= 0 && o->num_cpus < 1e9 && o->timeout_s >= 0 && o->node >= SK_ZERO && o->max_retries >= SK_ZERO
                  && o->max_retries <= 250 && sk_demand_parse(&demand, o->resources, &err));
}

static void submit(const sk_fn *fn, sk_site *site, size_t nargs, const sk_value *args, const sk_options *options, sk_ref *refs)
{
    proxy *p = mine();
    sk_msg m = { .type = SK_WIRE_SUBMIT, .number = number_of_fn(p, fn), .site = site, .id = SK_WIRE_REF + p->last + 1,
                 .nvalues = (unsigned)nargs, .options = options };
    for (size_t i = 0; i < nargs; i++) {
        m.values[i] = args[i];
        if (args[i].type == SK_T_REF)
            doubt_unless_known(p, args[i].ref);
    }
    p->doubt |= !are_fine(options);
    if (!sk_wire_add(&p->wire, &m))
        sk_die(site, NULL, 1, "%s: %s", fn->name, p->wire.error.message);
    for (size_t i = 0; i < nargs; i++)
        clear(p, args[i]);             /* before the server has its copy: the store need not have room for two */
    for (unsigned i = 0; i < fn->nreturns; i++)
        mint(p, &refs[i]);
    flush(p);
    settle(p);
}

static sk_ref put(sk_value value, sk_site *site)
{
    proxy *p = mine();
    sk_ref ref;
    sk_msg m = { .type = SK_WIRE_PUT, .site = site, .id = SK_WIRE_REF + p->last + 1, .values = { value } };
    entry weight;
    weigh(&weight, &value);
    if (!sk_wire_add(&p->wire, &m))
        sk_die(site, NULL, 1, "sk_put: %s", p->wire.error.message);
    clear(p, value);
    entry *e = mint(p, &ref);
    e->small = weight.small;
    e->large = weight.large;
    if (p->wire.nout >= SK_WIRE_BATCH)
        flush(p);
    settle(p);
    return ref;
}

static sk_ref promise(sk_site *site)
{
    proxy *p = mine();
    sk_ref ref;
    mint(p, &ref)->promised = true;
    add(p, &(sk_msg){ .type = SK_WIRE_PROMISE, .site = site, .id = ref.id });
    return ref;
}

static void fulfil(sk_ref ref, sk_value value, sk_site *site)
{
    proxy *p = mine();
    entry *e = find(p, ref);
    sk_msg m = { .type = SK_WIRE_FULFIL, .site = site, .id = ref.id, .values = { value } };
    p->doubt |= !e || !e->promised;
    if (e)
        e->promised = false;
    if (!sk_wire_add(&p->wire, &m))
        sk_die(site, NULL, 1, "sk_fulfil: %s", p->wire.error.message);
    clear(p, value);
    flush(p);
    settle(p);
}

/* ---- get and wait ---- */

static sk_code get(sk_ref ref, double timeout_s, sk_value *value, sk_failure **why, sk_site *site, const char *call)
{
    proxy *p = mine();
    entry *e = find(p, ref);
    if (!e || !e->has_value) {
        const sk_msg *a = ask(p, &(sk_msg){ .type = SK_WIRE_GET, .site = site, .id = ref.id, .text = call, .seconds = timeout_s },
                              SK_WIRE_GOT);
        *why = a->failure;
        if (a->code != SK_OK)
            return a->code;
        sk_value v = a->values[0];
        if (v.type == SK_T_BAD) {                 /* no memory for our copy */
            *why = sk_failure_new(SK_STORE_FULL, site, NULL, "%s: %s", call, v.why);
            return SK_STORE_FULL;
        }
        if (!e) {                                 /* alive in somebody else's hands: the value stays until this scope ends */
            if (sk_type_has_blob(v.type))
                sk_lane_add_scratch(sk_lane_self, v.blob);
            *value = v;
            return SK_OK;
        }
        e->value = v;
        e->has_value = true;
        weigh(e, &v);
        if (v.type == SK_T_REF)
            need(p, v.ref)->hands++;
    }
    *value = e->value;
    return SK_OK;
}

static sk_code wait_for(const sk_ref *refs, size_t n, size_t need_of_them, double timeout_s, bool stop_on_failure, uint8_t *ready,
                        size_t *count, size_t *failed, sk_failure **why, sk_site *site, const char *call)
{
    proxy *p = mine();
    const sk_msg *a = ask(p, &(sk_msg){ .type = SK_WIRE_WAIT, .site = site, .text = call, .refs = (sk_ref *)refs, .nrefs = n,
                                        .word = need_of_them, .flag = stop_on_failure, .seconds = timeout_s }, SK_WIRE_WAITED);
    if (a->nbits != n) {
        sk_error_set(&p->wire.error, SK_PROTOCOL, "the core answers for %zu refs, not %zu", a->nbits, n);
        lost(p);
    }
    memcpy(ready, a->bits, n);
    *count = a->number;
    *failed = a->word;
    *why = a->failure;
    return a->code;
}

static void *waiter_new(const sk_ref *refs, size_t n, sk_site *site)
{
    proxy *p = mine();
    for (size_t i = 0; i < n; i++)
        doubt_unless_known(p, refs[i]);
    uint32_t number = ++p->waiters;
    add(p, &(sk_msg){ .type = SK_WIRE_WAITER_NEW, .number = number, .site = site, .refs = (sk_ref *)refs, .nrefs = n });
    settle(p);
    return GUINT_TO_POINTER(number);
}

static sk_code waiter_next(void *waiter, double timeout_s, size_t *index, sk_site *site)
{
    const sk_msg *a = ask(mine(), &(sk_msg){ .type = SK_WIRE_WAITER_NEXT, .number = GPOINTER_TO_UINT(waiter), .site = site,
                                             .seconds = timeout_s }, SK_WIRE_NEXT);
    *index = a->number;
    return a->code;
}

static void waiter_free(void *waiter)
{
    add(mine(), &(sk_msg){ .type = SK_WIRE_WAITER_FREE, .number = GPOINTER_TO_UINT(waiter) });
}

/* ---- references ---- */

static void cancel(sk_ref ref, int flags, sk_site *site)
{
    proxy *p = mine();
    doubt_unless_known(p, ref);
    add(p, &(sk_msg){ .type = SK_WIRE_CANCEL, .site = site, .id = ref.id, .flag = (uint8_t)flags });
    flush(p);
    settle(p);
}

static void drop(sk_ref ref, sk_site *site, const char *call)
{
    proxy *p = mine();
    entry *e = find(p, ref);
    bool duplicate = ref.id & SK_WIRE_DUPLICATE, owned = e && (duplicate ? e->dups > 0 : e->made);
    bool small = e && e->small, large = e && e->large;
    add(p, &(sk_msg){ .type = SK_WIRE_DROP, .site = site, .id = ref.id, .text = call });
    if (!owned) {
        p->doubt = true;
        settle(p);
        return;
    }
    if (duplicate)
        e->dups--;
    else
        e->made = false;
    let_go(p, e);
    if (large)
        p->doubt = true;
    if (!small)
        flush(p);
    settle(p);
}

static sk_ref dup_ref(sk_ref ref, sk_site *site, const char *call)
{
    proxy *p = mine();
    entry *e = find(p, ref);
    p->doubt |= !e || e->dups >= MANY_DUPS;
    add(p, &(sk_msg){ .type = SK_WIRE_DUP, .site = site, .id = ref.id, .text = call });
    settle(p);
    e = need(p, ref);
    e->dups++;
    e->hands++;
    return (sk_ref){ ref.id | SK_WIRE_DUPLICATE };
}

/* Ids are minted in order: what was made in a scope is a range of them. */
static void scope_begin(sk_mark *mark)
{
    proxy *p = mine();
    *mark = (sk_mark){ .outer = p->last, .scratch = sk_lane_self->nscratch };
    add(p, &(sk_msg){ .type = SK_WIRE_SCOPE_BEGIN });
}

static void scope_end(sk_mark *mark)
{
    proxy *p = mine();
    add(p, &(sk_msg){ .type = SK_WIRE_SCOPE_END });
    for (uint64_t i = mark->outer + 1; i <= p->last; i++) {
        entry *e = find(p, (sk_ref){ SK_WIRE_REF + i });
        if (e && e->made) {
            e->made = false;
            let_go(p, e);
        }
    }
    sk_lane_drop_scratch(sk_lane_self, mark->scratch);
    flush(p);
}

/* ---- questions ---- */

static void sleep_for(double seconds, sk_site *site)
{
    ask(mine(), &(sk_msg){ .type = SK_WIRE_SLEEP, .site = site, .seconds = seconds }, SK_WIRE_DONE);
}

static void compute(double units, sk_site *site)
{
    ask(mine(), &(sk_msg){ .type = SK_WIRE_COMPUTE, .site = site, .seconds = units }, SK_WIRE_DONE);
}

static double now(void)       { return sk_local_port()->now(); }
static void say(const char *text) { sk_local_port()->say(text); }
static bool cancelled(void)   { return ask(mine(), &(sk_msg){ .type = SK_WIRE_CANCELLED }, SK_WIRE_ANSWER)->word; }
static size_t print_refs(void) { return ask(mine(), &(sk_msg){ .type = SK_WIRE_PRINT_REFS }, SK_WIRE_ANSWER)->word; }
static sk_counts counts(void) { return ask(mine(), &(sk_msg){ .type = SK_WIRE_COUNTS }, SK_WIRE_COUNTED)->counts; }

static size_t resources(sk_resource *out, size_t max)
{
    proxy *p = mine();
    const sk_msg *a = ask(p, &(sk_msg){ .type = SK_WIRE_RESOURCES }, SK_WIRE_RESOURCED);
    if (out)
        memcpy(out, a->resources, MIN(max, a->nitems) * sizeof *out);
    size_t n = a->word;
    sk_msg_clear(&p->answer);
    return n;
}

static size_t nodes(sk_node_info *out, size_t max)
{
    proxy *p = mine();
    const sk_msg *a = ask(p, &(sk_msg){ .type = SK_WIRE_NODES }, SK_WIRE_NODED);
    if (out)
        memcpy(out, a->nodes, MIN(max, a->nitems) * sizeof *out);
    size_t n = a->word;
    sk_msg_clear(&p->answer);
    return n;
}

const sk_port sk_proxy_port = {
    submit, put, promise, fulfil, get, wait_for, waiter_new, waiter_next, waiter_free, cancel, drop, dup_ref, scope_begin,
    scope_end, sleep_for, compute, now, cancelled, counts, resources, nodes, print_refs, hold, release_ref, say,
};

/* ---- in a worker process ---- */

static void sleep_here(double seconds, sk_site *site)  { sk_graph_port.sleep(seconds, site); }
static void compute_here(double units, sk_site *site)  { sk_graph_port.compute(units, site); }
static double now_here(void) { return (double)sk_session_now() / 1e9; }

static void say_there(const char *text) { add(mine(), &(sk_msg){ .type = SK_WIRE_SAY, .text = text }); }

/* What takes time takes it here. */
static const sk_port worker_port = {
    submit, put, promise, fulfil, get, wait_for, waiter_new, waiter_next, waiter_free, cancel, drop, dup_ref, scope_begin,
    scope_end, sleep_here, compute_here, now_here, cancelled, counts, resources, nodes, print_refs, hold, release_ref, say_there,
};

sk_wire *sk_proxy_begin_worker(void)
{
    sk_lane *lane = sk_lane_get("sk_proxy_begin_worker", NULL);
    proxy *p = g_new0(proxy, 1);
    sk_wire_init(&p->wire, -1);
    p->wire.list_in = list_came;
    p->wire.data = p;
    p->wire.copies = true;
    p->is_in_worker = true;
    p->entries = g_hash_table_new(g_direct_hash, g_direct_equal);
    p->fns = g_hash_table_new(g_direct_hash, g_direct_equal);
    lane->port_data = p;
    lane->port = &worker_port;
    return &p->wire;
}

sk_wire *sk_proxy_wire(void)       { return &mine()->wire; }
void sk_proxy_add(const sk_msg *m) { add(mine(), m); }
void sk_proxy_flush(void)          { flush(mine()); }
const sk_msg *sk_proxy_ask(const sk_msg *m, sk_wire_type type) { return ask(mine(), m, type); }

bool sk_proxy_next(sk_msg *m)
{
    proxy *p = mine();
    sk_msg *kept = g_queue_pop_head(&p->later);
    if (!kept)
        return sk_wire_receive(&p->wire, m);
    *m = *kept;
    g_free(kept);
    return true;
}

void sk_proxy_knows(sk_ref ref)    { need(mine(), ref)->hands++; }

static void forget(gpointer id, gpointer data, gpointer user)
{
    entry *e = data;
    (void)id, (void)user;
    if (e->has_value)
        sk_value_clear(&e->value);
    g_free(e);
}

void sk_proxy_task_ended(void)
{
    proxy *p = mine();
    p->quiet = true;                   /* the server gives back all at once */
    if (g_hash_table_size(p->entries)) {
        g_hash_table_foreach(p->entries, forget, NULL);
        g_hash_table_remove_all(p->entries);
    }
    p->last = p->waiters = 0;
    p->doubt = false;
}

void sk_proxy_task_begins(void) { mine()->quiet = false; }

/* ---- start and stop ---- */

typedef struct server_start { int fd; void *thread; } server_start;

/* The backend must know one driver, not two: from here on that is the server, since this is who waits. */
static void *serve(void *data)
{
    server_start *start = data;
    int fd = start->fd;
    void *thread = start->thread;
    sk_thread_set(thread);
    g_free(start);
    sk_serve(fd);
    if (thread)
        sk_thread_set(NULL);           /* the driver's again: it does not go with this thread */
    return NULL;
}

/* Signals that are for the program go to its own threads. */
static bool start_server(proxy *p, int fd)
{
    server_start *start = g_new(server_start, 1);
    *start = (server_start){ fd, p->thread };
    sigset_t all, before;
    sigfillset(&all);
    for (size_t i = 0; i < 5; i++)
        sigdelset(&all, (const int[]){ SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT }[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&p->server, NULL, serve, start) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!ok)
        g_free(start);
    return ok;
}

bool sk_proxy_start(void)
{
    int fds[2];
    sk_lane *lane = sk_lane_get("sk_proxy_start", NULL);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return false;
    proxy *p = g_new0(proxy, 1);
    sk_wire_init(&p->wire, fds[0]);
    p->wire.list_in = list_came;
    p->wire.data = p;
    p->wire.copies = true;
    p->thread = lane->thread;
    if (!start_server(p, fds[1])) {
        sk_wire_clear(&p->wire);
        g_free(p);
        close(fds[0]);
        close(fds[1]);
        return false;
    }
    p->entries = g_hash_table_new(g_direct_hash, g_direct_equal);
    p->fns = g_hash_table_new(g_direct_hash, g_direct_equal);
    lane->port_data = p;
    lane->port = &sk_proxy_port;
    lane->thread = NULL;
    p->was_worker = lane->is_worker;
    lane->is_worker = true;            /* for sk_deadlock: what the driver may still do, the server's lane stands for */
    const sk_msg *a = ask(p, &(sk_msg){ .type = SK_WIRE_HELLO, .text = "skate", .number = SK_WIRE_VERSION, .word = sk_fn_fingerprint() },
                          SK_WIRE_HELLO);
    if (g_strcmp0(a->text, "skate") || a->number != SK_WIRE_VERSION || a->word != sk_fn_fingerprint()) {
        sk_error_set(&p->wire.error, SK_PROTOCOL, "the core is of another version or has other remote functions");
        lost(p);
    }
    return true;
}

void sk_proxy_stop(void)
{
    sk_lane *lane = sk_lane_self;
    proxy *p = lane->port_data;
    if (lane->port != &sk_proxy_port)
        return;
    p->quiet = true;                   /* the server's goodbye gives back all at once */
    sk_lane_drop_scratch(lane, 0);
    g_hash_table_foreach(p->entries, forget, NULL);
    ask(p, &(sk_msg){ .type = SK_WIRE_BYE }, SK_WIRE_DONE);
    pthread_join(p->server, NULL);
    close(p->wire.fd);
    lane->port = sk_local_port();
    lane->port_data = NULL;
    lane->is_worker = p->was_worker;
    lane->thread = p->thread;
    g_hash_table_destroy(p->entries);
    g_hash_table_destroy(p->fns);
    sk_wire_clear(&p->wire);
    g_free(p);
}
