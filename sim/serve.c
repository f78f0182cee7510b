/* serve.c -- see serve.h.
 *
 * The idea: the server decides nothing. It keeps a table from the client's names of refs to the objects' own, makes each call as if it
 * stood in the client's program, and lets the graph find misuse, which so has the same words, at the same place in the student's
 * source. An entry of the table stays until the graph says that its object has no handles left: a ref that the client has dropped
 * is still good while a list holds it, here as without a proxy.
 *
 * The one thing counted here: for each list that goes to the client, its refs get a handle each, until the client says RELEASE.
 *
 * A frame that no proxy would send ends the connection (refuse); so nothing is done half. Reading order: names; calls; questions;
 * the connection.                                                                                          */
#include "serve.h"

#include "fn.h"
#include "lane.h"
#include "object.h"
#include "port.h"
#include "session.h"
#include "task.h"
#include "wire.h"

#include <unistd.h>

enum { SWEEP_AT_LEAST = 1024 };

typedef struct served_waiter { void *impl; size_t left; } served_waiter;

typedef struct sk_served {
    sk_wire *wire;                     /* of the connection; so are fns */
    GHashTable *objects;               /* the client's id -> the object's */
    GHashTable *names;                 /* and back */
    GHashTable *given;                 /* id -> how many handles the client's lists have */
    uint64_t last, last_found;         /* ids minted so far by the client, and by us */
    uint64_t stale;                    /* some object's id that is good no more */
    size_t sweep_at;
    GPtrArray *fns;                    /* number - 1 -> sk_fn * */
    GHashTable *waiters;               /* number -> served_waiter * */
    GArray *marks;                     /* open scopes */
    bool refused, over;
} server;                              /* the tables are made when they are needed: most tasks make no calls */

#define KEY(id) ((gpointer)(uintptr_t)(id))
_Static_assert(sizeof(void *) == 8, "ids are kept as pointers");
_Static_assert(SK_WIRE_DUPLICATE == SK_DUPLICATE, "the bit goes through as it is; the tables are without it");

static void refuse(server *s, const char *why)
{
    if (!s->refused)
        sk_error_set(&s->wire->error, SK_PROTOCOL, "what arrives is not Skate's protocol: %s", why);
    s->refused = true;
}

/* ---- names ---- */

static void make_tables(server *s)
{
    if (s->objects)
        return;
    s->objects = g_hash_table_new(g_direct_hash, g_direct_equal);
    s->names = g_hash_table_new(g_direct_hash, g_direct_equal);
    s->given = g_hash_table_new(g_direct_hash, g_direct_equal);
    s->sweep_at = SWEEP_AT_LEAST;
}

static void bind(server *s, uint64_t id, sk_ref object)
{
    make_tables(s);
    g_hash_table_insert(s->objects, KEY(id), KEY(object.id));
    g_hash_table_insert(s->names, KEY(object.id), KEY(id));
    if (g_hash_table_size(s->objects) < s->sweep_at)
        return;
    GHashTableIter it;
    gpointer key, value;
    const char *why;
    g_hash_table_iter_init(&it, s->objects);
    while (g_hash_table_iter_next(&it, &key, &value))
        if (!sk_object_find((sk_ref){ (uint64_t)(uintptr_t)value }, &why)) {      /* its handles are gone for good */
            s->stale = (uint64_t)(uintptr_t)value;
            g_hash_table_remove(s->names, value);
            g_hash_table_iter_remove(&it);
        }
    s->sweep_at = MAX(SWEEP_AT_LEAST, 2 * g_hash_table_size(s->objects));
}

/* The object that the client means; if there is none, a ref that the graph will complain about in the right words. */
static sk_ref object_of(const server *s, uint64_t id)
{
    uint64_t duplicate = id & SK_DUPLICATE;
    id -= duplicate;
    uint64_t object = s->objects ? (uint64_t)(uintptr_t)g_hash_table_lookup(s->objects, KEY(id)) : 0;
    if (object || !id)
        return (sk_ref){ object | duplicate };
    bool swept = id >= SK_WIRE_FOUND ? id - SK_WIRE_FOUND - 1 < s->last_found : id - SK_WIRE_REF - 1 < s->last;
    return (sk_ref){ swept ? s->stale : (uint64_t)1 << 32 };
}

static bool is_new_id(server *s, uint64_t id)
{
    bool next = id == SK_WIRE_REF + s->last + 1;
    if (!next)
        refuse(s, "ids of new refs do not follow each other");
    return next;
}

static void name_new(server *s, sk_ref object) { bind(s, SK_WIRE_REF + ++s->last, object); }

/* Of a ref inside a value that goes to the client. */
static uint64_t name_of(void *data, sk_ref object, bool in_list)
{
    server *s = data;
    uint64_t duplicate = object.id & SK_DUPLICATE;
    object.id -= duplicate;
    uint64_t id = s->names ? (uint64_t)(uintptr_t)g_hash_table_lookup(s->names, KEY(object.id)) : 0;
    if (!id) {
        id = SK_WIRE_FOUND + ++s->last_found;
        bind(s, id, object);
    }
    if (in_list && sk_lane_self->port->hold(object))
        g_hash_table_insert(s->given, KEY(id), GSIZE_TO_POINTER(GPOINTER_TO_SIZE(g_hash_table_lookup(s->given, KEY(id))) + 1));
    return id | duplicate;
}

static void take_back(server *s, uint64_t id)
{
    id &= ~SK_DUPLICATE;
    size_t n = s->given ? GPOINTER_TO_SIZE(g_hash_table_lookup(s->given, KEY(id))) : 0;
    if (!n) {
        refuse(s, "RELEASE of a ref that is in no list");
        return;
    }
    if (n == 1)
        g_hash_table_remove(s->given, KEY(id));
    else
        g_hash_table_insert(s->given, KEY(id), GSIZE_TO_POINTER(n - 1));
    sk_lane_self->port->release(object_of(s, id));
}

static void name_objects(const server *s, sk_ref *refs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        refs[i] = object_of(s, refs[i].id);
}

static sk_value list_of(void *data, const sk_ref *refs, size_t n)
{
    sk_ref *objects = g_memdup2(refs, (n + 1) * sizeof *refs);
    name_objects(data, objects, n);
    sk_value list = sk_from_list((sk_list){ objects, n, NULL });      /* refuses dead ones as in a task */
    g_free(objects);
    return list;
}

/* ---- calls that have no answer ---- */

static void enter_fn(server *s, const sk_msg *m)
{
    const sk_fn *fn = m->text ? sk_fn_find(m->text) : NULL;
    char why[200];
    if (!fn || fn->nargs != m->number || fn->nreturns != m->word) {
        snprintf(why, sizeof why, fn ? "remote function '%.100s' takes and returns something else here"
                                     : "there is no remote function '%.100s' here", m->text ? m->text : "");
        refuse(s, why);
    } else if (s->fns->len > 1 << 16) {
        refuse(s, "too many functions");
    } else {
        g_ptr_array_add(s->fns, (gpointer)fn);
    }
}

static void submit(server *s, sk_msg *m)
{
    if (m->number - 1 >= s->fns->len || !is_new_id(s, m->id)) {
        refuse(s, "SUBMIT of a function that was not named");
        return;
    }
    const sk_fn *fn = s->fns->pdata[m->number - 1];
    bool fits = m->nvalues == fn->nargs;
    for (unsigned i = 0; i < m->nvalues && fits; i++)
        fits = m->values[i].type == SK_T_REF || fn->arg_type[i] != SK_T_REF;
    if (!fits) {
        refuse(s, "SUBMIT with the wrong arguments");
        return;
    }
    for (unsigned i = 0; i < m->nvalues; i++)
        if (m->values[i].type == SK_T_REF)
            m->values[i].ref = object_of(s, m->values[i].ref.id);
    sk_ref refs[SK_MAX_RETURNS];
    m->nvalues = 0;                               /* taken over, also by a call that ends the task */
    sk_submit_values(fn, m->site, fn->nargs, m->values, m->options, refs);
    for (unsigned i = 0; i < fn->nreturns; i++)
        name_new(s, refs[i]);
}

static void put(server *s, sk_msg *m)
{
    if (m->values[0].type == SK_T_REF || !is_new_id(s, m->id)) {
        refuse(s, "PUT of a ref");
        return;
    }
    m->nvalues = 0;
    name_new(s, sk_put_value(m->values[0], m->site));
}

static void fulfil(server *s, sk_msg *m)
{
    if (m->values[0].type == SK_T_REF) {
        refuse(s, "FULFIL with a ref");
        return;
    }
    m->nvalues = 0;
    sk_fulfil_at(object_of(s, m->id), m->values[0], m->site);
}

static void scope_end(server *s)
{
    if (!s->marks || !s->marks->len) {
        refuse(s, "SCOPE_END without a scope");
        return;
    }
    sk_mark mark = g_array_index(s->marks, sk_mark, s->marks->len - 1);
    g_array_set_size(s->marks, s->marks->len - 1);
    sk_lane_self->port->scope_end(&mark);
}

static void free_waiter(gpointer data)
{
    served_waiter *w = data;
    sk_lane_self->port->waiter_free(w->impl);
    g_free(w);
}

static void waiter_new(server *s, sk_msg *m)
{
    if (!s->waiters)
        s->waiters = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, free_waiter);
    if (g_hash_table_contains(s->waiters, GUINT_TO_POINTER(m->number))) {
        refuse(s, "two waiters of one number");
        return;
    }
    name_objects(s, m->refs, m->nrefs);
    served_waiter *w = g_new(served_waiter, 1);
    *w = (served_waiter){ sk_lane_self->port->waiter_new(m->refs, m->nrefs, m->site), m->nrefs };
    g_hash_table_insert(s->waiters, GUINT_TO_POINTER(m->number), w);
}

/* The client has a view of these bytes, not a copy, and will have it until its scope ends. */
static void keep_view(sk_ref ref)
{
    const char *why;
    sk_object *o = sk_object_find(ref, &why);
    if (o && sk_object_state_of(o) == SK_OBJECT_READY && sk_type_has_blob(o->value.type))
        sk_lane_add_scratch(sk_lane_self, sk_blob_ref(o->value.blob));
}

/* false: not one of these. */
static bool make_call(server *s, sk_msg *m)
{
    sk_mark mark;
    const char *call = m->text ? m->text : "?";
    switch (m->type) {
    case SK_WIRE_FN:          enter_fn(s, m); break;
    case SK_WIRE_SUBMIT:      submit(s, m); break;
    case SK_WIRE_PUT:         put(s, m); break;
    case SK_WIRE_PROMISE:
        if (is_new_id(s, m->id))
            name_new(s, sk_promise_at(m->site));
        break;
    case SK_WIRE_FULFIL:      fulfil(s, m); break;
    case SK_WIRE_CANCEL:      sk_lane_self->port->cancel(object_of(s, m->id), m->flag & (SK_FORCE | SK_ONLY_THIS), m->site); break;
    case SK_WIRE_DROP:
        if (s->wire->place && !strcmp(call, "sk_take"))
            keep_view(object_of(s, m->id));
        sk_lane_self->port->drop(object_of(s, m->id), m->site, call); break;
    case SK_WIRE_DUP:         sk_lane_self->port->dup(object_of(s, m->id), m->site, call); break;
    case SK_WIRE_RELEASE:     take_back(s, m->id); break;
    case SK_WIRE_SCOPE_BEGIN:
        sk_lane_self->port->scope_begin(&mark);
        if (!s->marks)
            s->marks = g_array_new(FALSE, FALSE, sizeof(sk_mark));
        g_array_append_val(s->marks, mark);
        break;
    case SK_WIRE_SCOPE_END:   scope_end(s); break;
    case SK_WIRE_WAITER_NEW:  waiter_new(s, m); break;
    case SK_WIRE_WAITER_FREE:
        if (!s->waiters || !g_hash_table_remove(s->waiters, GUINT_TO_POINTER(m->number)))
            refuse(s, "WAITER_FREE of no waiter");
        break;
    default: return false;
    }
    return true;
}

/* ---- questions ---- */

static void get(const server *s, const sk_msg *m, sk_msg *a)
{
    a->type = SK_WIRE_GOT;
    a->code = sk_lane_self->port->get(object_of(s, m->id), m->seconds, &a->values[0], &a->failure, m->site, m->text ? m->text : "?");
}

/* true: the caller frees the lane's last temp, which the answer points to. (Memory of the lane's: the call may end the task.) */
static bool wait_for(server *s, const sk_msg *m, sk_msg *a)
{
    a->type = SK_WIRE_WAITED;
    if (m->nrefs == 0 || m->word < 1 || m->word > m->nrefs) {
        refuse(s, "WAIT for more than there is");
        return false;
    }
    size_t count = 0, failed = 0;
    uint8_t *ready = sk_lane_take_temp(sk_lane_self, m->nrefs);
    memset(ready, 0, m->nrefs);
    name_objects(s, m->refs, m->nrefs);
    a->code = sk_lane_self->port->wait(m->refs, m->nrefs, m->word, m->seconds, m->flag, ready, &count, &failed, &a->failure, m->site,
                                 m->text ? m->text : "?");
    a->number = (uint32_t)count;
    a->word = failed;
    a->bits = ready;
    a->nbits = m->nrefs;
    return true;
}

static void waiter_next(server *s, const sk_msg *m, sk_msg *a)
{
    served_waiter *w = s->waiters ? g_hash_table_lookup(s->waiters, GUINT_TO_POINTER(m->number)) : NULL;
    size_t index = 0;
    a->type = SK_WIRE_NEXT;
    if (!w || !w->left) {
        refuse(s, "WAITER_NEXT of no waiter, or of one that has handed out all");
        return;
    }
    a->code = sk_lane_self->port->waiter_next(w->impl, m->seconds, &index, m->site);
    w->left -= a->code == SK_OK;
    a->number = (uint32_t)index;
}

static void answer_to(server *s, sk_msg *m)
{
    sk_msg answer, *a = &answer;
    bool has_temp = false;
    sk_resource resources[SK_WIRE_MAX_ITEMS];
    sk_node_info nodes[SK_WIRE_MAX_ITEMS];
    *a = (sk_msg){ .type = SK_WIRE_DONE, .resources = resources, .nodes = nodes };
    bool timed = m->type == SK_WIRE_GET || m->type == SK_WIRE_WAIT || m->type == SK_WIRE_WAITER_NEXT || m->type == SK_WIRE_SLEEP;
    if ((timed && !(m->seconds >= 0)) || (m->type == SK_WIRE_COMPUTE && !(m->seconds >= 0 && m->seconds < 1e18))) {
        refuse(s, "a time that is none");
        return;
    }
    switch (m->type) {
    case SK_WIRE_GET:         get(s, m, a); break;
    case SK_WIRE_WAIT:        has_temp = wait_for(s, m, a); break;
    case SK_WIRE_WAITER_NEXT: waiter_next(s, m, a); break;
    case SK_WIRE_SLEEP:       sk_lane_self->port->sleep(m->seconds, m->site); break;
    case SK_WIRE_COMPUTE:     sk_lane_self->port->compute(m->seconds, m->site); break;
    case SK_WIRE_CANCELLED:   a->type = SK_WIRE_ANSWER; a->word = sk_lane_self->port->cancelled(); break;
    case SK_WIRE_PRINT_REFS:  a->type = SK_WIRE_ANSWER; a->word = sk_lane_self->port->print_refs(); break;
    case SK_WIRE_COUNTS:      a->type = SK_WIRE_COUNTED; a->counts = sk_lane_self->port->counts(); break;
    case SK_WIRE_RESOURCES:
        a->type = SK_WIRE_RESOURCED;
        a->word = sk_lane_self->port->resources(resources, SK_WIRE_MAX_ITEMS);
        a->nitems = MIN(a->word, SK_WIRE_MAX_ITEMS);
        break;
    case SK_WIRE_NODES:
        a->type = SK_WIRE_NODED;
        a->word = sk_lane_self->port->nodes(nodes, SK_WIRE_MAX_ITEMS);
        a->nitems = MIN(a->word, SK_WIRE_MAX_ITEMS);
        break;
    case SK_WIRE_PING:        break;
    case SK_WIRE_BYE:         s->over = true; return;
    default:                  refuse(s, "a frame that only a server sends"); break;
    }
    if (!s->refused && !sk_wire_add(s->wire, a)) {      /* only a value can be too large */
        sk_failure_unref(a->failure);
        a->failure = sk_failure_new(SK_STORE_FULL, m->site, NULL, "%s: %s", m->text ? m->text : "?", s->wire->error.message);
        a->code = SK_STORE_FULL;
        a->values[0] = (sk_value){ SK_T_NONE, { 0 } };
        sk_wire_add(s->wire, a);
    }
    sk_failure_unref(a->failure);
    if (has_temp)
        sk_lane_free_temp(sk_lane_self);
}

/* ---- the connection ---- */

static void say_hello(server *s, const sk_msg *m)
{
    sk_msg a = { .type = SK_WIRE_HELLO, .text = "skate", .number = SK_WIRE_VERSION, .word = sk_fn_fingerprint() };
    if (m->type != SK_WIRE_HELLO || g_strcmp0(m->text, "skate"))
        refuse(s, "no HELLO at its beginning");
    else if (m->number != SK_WIRE_VERSION)
        refuse(s, "another version; both ends must be of one build");
    else if (m->word != a.word)
        refuse(s, "other remote functions are defined there; both ends must be of one build");
    else
        sk_wire_add(s->wire, &a);
}

static void serve(server *s)
{
    sk_msg m;
    bool met = false;
    while (!s->over && !s->refused && sk_wire_receive(s->wire, &m)) {
        if (!met)
            say_hello(s, &m);
        else if (!make_call(s, &m))
            answer_to(s, &m);
        met = true;
        sk_msg_clear(&m);
        if (s->wire->nout && !s->refused && !sk_wire_flush(s->wire))
            return;
    }
    if (!s->over && s->wire->error.code == SK_PROTOCOL) {
        sk_msg bad = { .type = SK_WIRE_ERROR, .code = SK_PROTOCOL, .text = s->wire->error.message };
        s->wire->nout = 0;
        if (sk_wire_add(s->wire, &bad))
            sk_wire_flush(s->wire);
    }
}

/* Handles of the client's lists, waiters. */
static void drop_given(server *s)
{
    GHashTableIter it;
    gpointer key, value;
    if (s->waiters)
        g_hash_table_remove_all(s->waiters);
    if (!s->given)
        return;
    g_hash_table_iter_init(&it, s->given);
    while (g_hash_table_iter_next(&it, &key, &value))
        for (size_t n = GPOINTER_TO_SIZE(value); n > 0; n--)
            sk_lane_self->port->release(object_of(s, (uint64_t)(uintptr_t)key));
}

static void clear(server *s)
{
    g_clear_pointer(&s->objects, g_hash_table_destroy);
    g_clear_pointer(&s->names, g_hash_table_destroy);
    g_clear_pointer(&s->given, g_hash_table_destroy);
    g_clear_pointer(&s->waiters, g_hash_table_destroy);
    if (s->marks)
        g_array_free(s->marks, TRUE);
    s->marks = NULL;
}

/* And duplicates of what others made. What the client itself made is the thread's: at its end it becomes the main driver's, so that at
 * shutdown all runs as if there had been no proxy. */
static void drop_all(server *s, bool said_goodbye)
{
    sk_lane *lane = sk_lane_self;
    drop_given(s);
    lane->driver.handles = said_goodbye ? lane->nhandles : 0;
    lane->driver.scopes = 0;
    sk_frame_end(lane, &lane->driver);
}

void sk_serve(int fd)
{
    sk_lane *lane = sk_lane_get("sk_serve", NULL);
    lane->driver.seed = lane->driver.random = sk_mix(sk_session.settings.seed);     /* it submits for the driver: the same random streams */
    sk_wire wire;
    sk_wire_init(&wire, fd);
    server *s = sk_served_new(&wire, g_ptr_array_new());
    sk_served_turn(s);
    serve(s);
    drop_all(s, s->over);
    if (s->over) {                                /* the goodbye is answered when all is done */
        sk_msg done = { .type = SK_WIRE_DONE };
        sk_wire_add(&wire, &done);
        sk_wire_flush(&wire);
    }
    clear(s);
    g_ptr_array_free(s->fns, TRUE);
    g_free(s);
    sk_wire_clear(&wire);
    close(fd);
}

/* ---- for backends whose tasks' bodies run in other processes ---- */

server *sk_served_new(sk_wire *wire, GPtrArray *fns)
{
    server *s = g_new0(server, 1);
    s->wire = wire;
    s->fns = fns;
    return s;
}

void sk_served_turn(server *s)
{
    s->wire->ref_out = name_of;
    s->wire->list_in = list_of;
    s->wire->data = s;
}

bool sk_served_call(server *s, sk_msg *m)
{
    if (!make_call(s, m))
        answer_to(s, m);
    return !s->refused;
}

sk_ref sk_served_object(const server *s, sk_ref ref) { return object_of(s, ref.id); }

void sk_served_end(server *s)
{
    drop_given(s);
    clear(s);
    g_free(s);
}
