/* cluster_pull.c -- where the objects are, and what is fetched where. See cluster.h.
 *
 * A receiving node has two lines, gets before arguments, and at most `pulls` fetches under way. A task's arguments stand in
 * line all together or not at all (a *bundle*): were half of A and half of B admitted to a store that holds one bundle,
 * neither could ever start. As with Ray's PullManager, the first bundle is always admitted.
 *
 * What queues is looked at again when its turn comes: only then does it matter that an object was freed or that its last copy
 * has gone. So freeing is cheap, whatever stands in line.                                                            */
#include "cluster_state.h"

/* ---- Copies ------------------------------------------------------------------------------------------ */

int32_t *sk_pull_copies(sk_object_record *o) { return o->room > 2 ? o->many : o->few; }

/* Where the node is in the copies, or would be. */
static uint32_t position(const sk_object_record *o, int node)
{
    const int32_t *at = sk_pull_copies((sk_object_record *)o);
    uint32_t low = 0, high = o->copies;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (at[middle] < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool sk_pull_has_copy(const sk_object_record *o, int node)
{
    uint32_t at = position(o, node);
    return at < o->copies && sk_pull_copies((sk_object_record *)o)[at] == node;
}

static void add_copy(sk_object_record *o, int node)
{
    if (sk_pull_has_copy(o, node))
        return;
    if (o->copies == o->room) {
        int32_t *many = g_new(int32_t, o->room * 2);
        memcpy(many, sk_pull_copies(o), o->copies * sizeof *many);
        if (o->room > 2)
            g_free(o->many);
        o->many = many;
        o->room *= 2;
    }
    int32_t *at = sk_pull_copies(o);
    uint32_t i = position(o, node);
    memmove(at + i + 1, at + i, (o->copies++ - i) * sizeof *at);
    at[i] = node;
}

static bool remove_copy(sk_object_record *o, int node)
{
    if (!sk_pull_has_copy(o, node))
        return false;
    int32_t *at = sk_pull_copies(o);
    uint32_t i = position(o, node);
    memmove(at + i, at + i + 1, (--o->copies - i) * sizeof *at);
    o->last_node = node;
    return true;
}

/* A freed object is as good as there: whoever still names it waits for nothing. */
bool sk_pull_is_there(const sk_object_record *o, int node) { return o->is_freed || sk_pull_has_copy(o, node); }

int64_t sk_pull_missing(const sk_task_record *t, int node)
{
    int64_t bytes = 0;
    for (uint32_t i = 0; i < t->nargs; i++)
        if (!sk_pull_is_there(t->args[i], node))
            bytes += t->args[i]->bytes;
    return bytes;
}

sk_object_record *sk_pull_lost(const sk_task_record *t)
{
    for (uint32_t i = 0; i < t->nargs; i++)
        if (!t->args[i]->is_freed && !t->args[i]->copies)
            return t->args[i];
    return NULL;
}

static bool uses(const sk_task_record *t, const sk_object_record *o)
{
    for (uint32_t i = 0; i < t->nargs; i++)
        if (t->args[i] == o)
            return true;
    return false;
}

/* ---- What becomes of an object -------------------------------------------------------------------------- */

/* Nothing is left of it once it is freed and nobody points to it. */
static void bury(sk_cluster *c, sk_object_record *o)
{
    if (!o->is_freed || o->users || o->fetches)
        return;
    *(o->prev ? &o->prev->next : &c->first_object) = o->next;
    *(o->next ? &o->next->prev : &c->last_object) = o->prev;
    sk_idmap_remove(&c->objects, o->id);
    if (o->room > 2)
        g_free(o->many);
    g_free(o);
}

/* No copy is left: once, say so. */
static void cry(sk_cluster *c, sk_object_record *o)
{
    if (o->is_told || o->is_freed)
        return;
    o->is_told = true;
    sk_cluster_command(c, (sk_command){ .kind = o->is_rebuildable ? SK_COMMAND_REBUILD : SK_COMMAND_LOST, .object = o->id,
                       .node = o->last_node });
}

/* The last copy may just have gone. A put object is lost at once; one that can be made again, when something needs it. */
static void mourn(sk_cluster *c, sk_object_record *o)
{
    if (!o->copies && (!o->is_rebuildable || o->needed || o->fetches))
        cry(c, o);
}

void sk_pull_need(sk_task_record *t)
{
    for (uint32_t i = 0; i < t->nargs; i++)
        t->args[i]->needed++;
}

void sk_pull_unneed(sk_task_record *t)
{
    for (uint32_t i = 0; i < t->nargs; i++)
        t->args[i]->needed--;
}

void sk_pull_forget(sk_cluster *c, sk_task_record *t)
{
    for (uint32_t i = 0; i < t->nargs; i++) {
        t->args[i]->users--;
        bury(c, t->args[i]);
    }
}

void sk_pull_park(sk_cluster *c, sk_task_record *t, sk_object_record *lost)
{
    for (uint32_t i = 0; i < t->nargs; i++)
        if (t->args[i] == lost) {
            t->args[i] = t->args[0];
            t->args[0] = lost;
            break;
        }
    t->place = SK_PARKED;
    sk_task_list_add(&lost->parked, t);
    cry(c, lost);
}

void sk_pull_unpark(sk_task_record *t) { sk_task_list_remove(&t->args[0]->parked, t); }

/* ---- Fetches --------------------------------------------------------------------------------------------- */

static void list_add(sk_fetch_list *list, sk_fetch *f)
{
    f->next = NULL;
    f->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = f;
    list->last = f;
    list->n++;
}

static void list_remove(sk_fetch_list *list, sk_fetch *f)
{
    *(f->prev ? &f->prev->next : &list->first) = f->next;
    *(f->next ? &f->next->prev : &list->last) = f->prev;
    list->n--;
}

static uint64_t key_of(const sk_object_record *o, int node) { return o->serial * SK_MAX_NODES + (uint64_t)node; }

static sk_fetch_list *line_of(sk_cluster *c, const sk_fetch *f)
{
    sk_node_record *n = &c->nodes[f->node];
    return f->place == SK_FETCH_UNDER_WAY ? &n->under_way : f->is_get ? &n->gets : &n->arguments;
}

/* Takes a fetch off whatever it is on. */
static void detach(sk_cluster *c, sk_fetch *f)
{
    if (f->place == SK_FETCH_WAITS) {
        *(f->prev ? &f->prev->next : &f->object->wants) = f->next;
        if (f->next)
            f->next->prev = f->prev;
        return;
    }
    list_remove(line_of(c, f), f);
    if (f->place == SK_FETCH_UNDER_WAY)
        c->nodes[f->from].sending--;
}

static void queue_fetch(sk_cluster *c, sk_fetch *f)
{
    f->place = SK_FETCH_QUEUED;
    list_add(line_of(c, f), f);
}

/* A get of something that has no copy now. */
static void let_wait(sk_fetch *f)
{
    sk_object_record *o = f->object;
    f->place = SK_FETCH_WAITS;
    f->prev = NULL;
    f->next = o->wants;
    if (o->wants)
        o->wants->prev = f;
    o->wants = f;
}

/* It is on nothing any more. May free the object. */
static void end_fetch(sk_cluster *c, sk_fetch *f)
{
    sk_object_record *o = f->object;
    sk_idmap_remove(&c->fetches, f->key);
    g_free(f);
    o->fetches--;
    bury(c, o);
}

static sk_fetch *new_fetch(sk_cluster *c, sk_object_record *o, int node, bool is_get)
{
    sk_fetch *f = g_new0(sk_fetch, 1);
    f->key = key_of(o, node);
    f->object = o;
    f->node = node;
    f->is_get = is_get;
    sk_idmap_add(&c->fetches, f);
    o->fetches++;
    return f;
}

/* The less busy of two copies drawn at random: nearly as even as the least busy of all (Mitzenmacher), and no scan of
 * the thousands of copies that a broadcast makes. */
static int source(sk_cluster *c, sk_object_record *o, int failed)
{
    const int32_t *at = sk_pull_copies(o);
    if (o->copies == 1)
        return at[0];
    uint64_t draw = sk_cluster_draw(&c->source_stream);
    uint32_t i = (uint32_t)(draw % o->copies), k = (uint32_t)((draw >> 32) % o->copies);
    int a = at[i] == failed ? at[(i + 1) % o->copies] : at[i];
    int b = at[k] == failed ? at[(k + 1) % o->copies] : at[k];
    return c->nodes[b].sending < c->nodes[a].sending ? b : a;
}

/* Binds anew the tasks of this node that need the object and have it not. */
static void rebind_users(sk_cluster *c, const sk_object_record *o, int node)
{
    sk_node_record *n = &c->nodes[node];
    GPtrArray *users = g_ptr_array_new();
    for (int list = 0; list < 2; list++)
        for (sk_task_record *t = list ? n->bound.first : n->pulling.first; t; t = t->next)
            if (uses(t, o))
                g_ptr_array_add(users, t);
    for (guint i = 0; i < users->len; i++)
        sk_place_unbind(c, users->pdata[i]);
    for (guint i = 0; i < users->len; i++)
        sk_place_settle(c, users->pdata[i]);
    g_ptr_array_unref(users);
}

/* Pulling tasks of this node that have all they need now stand ready. */
static void notify(sk_cluster *c, const sk_object_record *o, int node)
{
    for (sk_task_record *t = c->nodes[node].pulling.first, *next; t; t = next) {
        next = t->next;
        if (uses(t, o) && !sk_pull_missing(t, node))
            sk_place_arrived(c, t);
    }
}

/* A detached fetch whose object has no copy (any more). */
static void give_up(sk_cluster *c, sk_fetch *f)
{
    sk_object_record *o = f->object;
    int node = f->node;
    if (o->is_freed) {
        notify(c, o, node);
        end_fetch(c, f);
        return;
    }
    bool is_get = f->is_get;
    if (is_get)
        let_wait(f);
    o->users++;                       /* do not bury it meanwhile */
    if (!is_get)
        end_fetch(c, f);
    rebind_users(c, o, node);
    o->users--;
    mourn(c, o);
}

/* Starts what may be under way. */
static void pump(sk_cluster *c, int node)
{
    sk_node_record *n = &c->nodes[node];
    for (sk_fetch *f; (f = n->gets.first ? n->gets.first : n->arguments.first) && n->under_way.n < c->pulls; ) {
        sk_object_record *o = f->object;
        detach(c, f);
        if (!o->copies) {
            give_up(c, f);
        } else if (sk_pull_has_copy(o, node)) {        /* it was made here meanwhile */
            end_fetch(c, f);
        } else {
            f->place = SK_FETCH_UNDER_WAY;
            f->attempt = ++c->attempts;
            f->from = source(c, o, f->from - 1);
            c->nodes[f->from].sending++;
            list_add(&n->under_way, f);
            sk_cluster_command(c, (sk_command){ .kind = SK_COMMAND_FETCH, .object = o->id, .from = f->from, .node = node,
                               .attempt = f->attempt, .bytes = o->bytes });
        }
    }
}

bool sk_pull_is_current(sk_cluster *c, const sk_command *command)
{
    sk_object_record *o = sk_idmap_find(&c->objects, command->object);
    sk_fetch *f = o ? sk_idmap_find(&c->fetches, key_of(o, command->node)) : NULL;
    if (!f || f->place != SK_FETCH_UNDER_WAY || f->attempt != command->attempt)
        return false;
    if (!o->is_freed)
        return true;
    detach(c, f);                     /* freed before anybody began: the next one may have its turn */
    end_fetch(c, f);
    sk_cluster_touch(c, command->node);
    sk_cluster_settle_down(c);
    return false;
}

/* ---- Bundles ---------------------------------------------------------------------------------------------- */

static int64_t bytes_of(const sk_task_record *t)
{
    int64_t bytes = 0;
    for (uint32_t i = 0; i < t->nargs; i++)
        bytes += t->args[i]->bytes;
    return bytes;
}

/* Admits bundles in the order in which they were bound, as far as they fit. */
static void admit(sk_cluster *c, int node)
{
    sk_node_record *n = &c->nodes[node];
    for (sk_task_record *t = n->pulling.first; t; t = t->next) {
        if (t->is_admitted)
            continue;
        if (n->store_bytes && n->pulling_bytes && n->pulling_bytes + bytes_of(t) > n->store_bytes)
            return;
        t->is_admitted = true;
        n->pulling_bytes += bytes_of(t);
        for (uint32_t i = 0; i < t->nargs; i++)
            if (!sk_pull_is_there(t->args[i], node) && !sk_idmap_find(&c->fetches, key_of(t->args[i], node)))
                queue_fetch(c, new_fetch(c, t->args[i], node, false));
    }
}

void sk_pull_serve(sk_cluster *c, int node)
{
    admit(c, node);
    pump(c, node);
}

/* Does a task that is pulling at this node need the fetch? */
static bool is_needed(sk_cluster *c, const sk_fetch *f)
{
    for (sk_task_record *t = c->nodes[f->node].pulling.first; t; t = t->next)
        if (t->is_admitted && uses(t, f->object))
            return true;
    return f->is_get;
}

/* The task is off the list already. What is under way goes on; its bytes may serve another. */
void sk_pull_unbundle(sk_cluster *c, sk_task_record *t)
{
    if (!t->is_admitted)
        return;
    t->is_admitted = false;
    c->nodes[t->node].pulling_bytes -= bytes_of(t);
    for (uint32_t i = 0; i < t->nargs; i++) {
        sk_fetch *f = sk_idmap_find(&c->fetches, key_of(t->args[i], t->node));
        if (f && f->place == SK_FETCH_QUEUED && !is_needed(c, f)) {
            detach(c, f);
            end_fetch(c, f);
        }
    }
    sk_cluster_touch(c, t->node);
}

/* ---- Events ------------------------------------------------------------------------------------------------- */

static void copy_came(sk_cluster *c, sk_object_record *o, int node)
{
    add_copy(o, node);
    o->is_told = false;
    notify(c, o, node);
    for (int n = o->parked.n; n > 0 && o->parked.first; n--) {
        sk_task_record *t = o->parked.first;
        sk_pull_unpark(t);
        sk_place_settle(c, t);
    }
    while (o->wants) {
        sk_fetch *f = o->wants;
        int to = f->node;
        detach(c, f);
        if (sk_pull_has_copy(o, to)) {
            end_fetch(c, f);
            continue;
        }
        queue_fetch(c, f);
        sk_cluster_touch(c, to);
    }
}

void sk_cluster_object(sk_cluster *c, uint64_t object, int64_t bytes, int node, bool rebuildable)
{
    if (bytes <= c->inline_bytes)
        return;
    sk_object_record *o = sk_idmap_find(&c->objects, object);
    if (o && o->is_freed)
        o->is_freed = o->is_told = false;
    if (!o) {
        o = g_new0(sk_object_record, 1);
        o->id = object;
        o->serial = ++c->serial;
        o->room = 2;
        o->last_node = -1;
        o->prev = c->last_object;
        *(c->last_object ? &c->last_object->next : &c->first_object) = o;
        c->last_object = o;
        sk_idmap_add(&c->objects, o);
    }
    o->bytes = bytes;
    o->is_rebuildable = rebuildable;
    if (node >= 0 && node < c->nnodes && c->nodes[node].is_up)
        copy_came(c, o, node);
    else
        mourn(c, o);
    sk_cluster_settle_down(c);
}

void sk_cluster_object_freed(sk_cluster *c, uint64_t object)
{
    sk_object_record *o = sk_idmap_find(&c->objects, object);
    if (!o || o->is_freed)
        return;
    o->is_freed = true;
    o->copies = 0;
    o->users++;                       /* not while we look at it */
    while (o->wants) {
        sk_fetch *f = o->wants;
        detach(c, f);
        end_fetch(c, f);
    }
    while (o->parked.first) {
        sk_task_record *t = o->parked.first;
        sk_pull_unpark(t);
        sk_place_settle(c, t);
    }
    o->users--;
    bury(c, o);
    sk_cluster_settle_down(c);
}

void sk_cluster_copy_gone(sk_cluster *c, uint64_t object, int node)
{
    sk_object_record *o = sk_idmap_find(&c->objects, object);
    if (!o || o->is_freed || !remove_copy(o, node))
        return;
    rebind_users(c, o, node);
    mourn(c, o);
    sk_cluster_settle_down(c);
}

void sk_cluster_wanted(sk_cluster *c, uint64_t object, int node)
{
    sk_object_record *o = sk_idmap_find(&c->objects, object);
    if (!o || node < 0 || node >= c->nnodes || !c->nodes[node].is_up || sk_pull_is_there(o, node))
        return;
    sk_fetch *f = sk_idmap_find(&c->fetches, key_of(o, node));
    if (f && f->place == SK_FETCH_QUEUED && !f->is_get) {      /* it overtakes the arguments */
        detach(c, f);
        f->is_get = true;
        queue_fetch(c, f);
    } else if (f) {
        f->is_get = true;
    } else {
        f = new_fetch(c, o, node, true);
        if (!o->copies && !o->is_rebuildable)
            o->is_told = false;
        queue_fetch(c, f);
    }
    sk_cluster_touch(c, node);
    mourn(c, o);
    sk_cluster_settle_down(c);
}

size_t sk_cluster_rescue(sk_cluster *c, int from, int to)
{
    size_t left = 0;
    for (sk_object_record *o = c->first_object; o; o = o->next) {
        if (o->is_freed || o->copies != 1 || !sk_pull_has_copy(o, from))
            continue;
        left++;
        if (!sk_idmap_find(&c->fetches, key_of(o, to)))
            queue_fetch(c, new_fetch(c, o, to, true));
    }
    sk_cluster_touch(c, to);
    sk_cluster_settle_down(c);
    return left;
}

static sk_fetch *under_way(sk_cluster *c, uint64_t object, int node, uint64_t attempt)
{
    sk_object_record *o = sk_idmap_find(&c->objects, object);
    sk_fetch *f = o && node >= 0 ? sk_idmap_find(&c->fetches, key_of(o, node)) : NULL;
    return f && f->place == SK_FETCH_UNDER_WAY && f->attempt == attempt ? f : NULL;
}

bool sk_cluster_arrived(sk_cluster *c, uint64_t object, int node, uint64_t attempt)
{
    sk_fetch *f = under_way(c, object, node, attempt);
    if (!f)
        return false;
    sk_object_record *o = f->object;
    bool is_freed = o->is_freed;
    detach(c, f);
    if (is_freed)
        notify(c, o, node);
    end_fetch(c, f);
    if (!is_freed)
        copy_came(c, o, node);
    sk_cluster_touch(c, node);
    sk_cluster_settle_down(c);
    return !is_freed;
}

/* It has come to nothing: once more, if there is a copy and somebody still needs it here. */
static void failed(sk_cluster *c, sk_fetch *f)
{
    int node = f->node;
    int from = f->from;
    detach(c, f);
    f->from = from + 1;               /* remembers where not to ask again; 0 is nowhere, see pump */
    if (!f->object->copies) {
        give_up(c, f);
    } else if (sk_pull_is_there(f->object, node) || !is_needed(c, f)) {
        end_fetch(c, f);
    } else {
        queue_fetch(c, f);
    }
    sk_cluster_touch(c, node);
}

void sk_cluster_fetch_failed(sk_cluster *c, uint64_t object, int node, uint64_t attempt)
{
    sk_fetch *f = under_way(c, object, node, attempt);
    if (!f)
        return;
    failed(c, f);
    sk_cluster_settle_down(c);
}

static void end_all(sk_cluster *c, sk_fetch_list *list)
{
    while (list->first) {
        sk_fetch *f = list->first;
        detach(c, f);
        end_fetch(c, f);
    }
}

/* Looks at all objects and all that is under way: nodes are lost rarely. */
void sk_pull_node_lost(sk_cluster *c, int node)
{
    sk_node_record *lost = &c->nodes[node];
    end_all(c, &lost->gets);
    end_all(c, &lost->arguments);
    end_all(c, &lost->under_way);
    GPtrArray *gone = g_ptr_array_new();
    for (sk_object_record *o = c->first_object; o; o = o->next) {
        for (sk_fetch *f = o->wants, *next; f; f = next) {
            next = f->next;
            if (f->node == node) {
                detach(c, f);
                end_fetch(c, f);
            }
        }
        if (remove_copy(o, node) && !o->copies)
            g_ptr_array_add(gone, o);
    }
    for (int i = 0; i < c->nnodes; i++)
        for (sk_fetch *f = c->nodes[i].under_way.first, *next; c->nodes[node].sending && f; f = next) {
            next = f->next;
            if (f->from == node)
                failed(c, f);
        }
    for (guint i = 0; i < gone->len; i++)
        mourn(c, gone->pdata[i]);
    g_ptr_array_unref(gone);
}
