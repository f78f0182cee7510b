/* tcp_nodes.c -- who joins the cluster, and who is lost. See tcp.c.
 *
 * A node that has proven to know the secret says what it has (JOIN), is asked for the time a few times, and is welcome: it has a number then, by which the
 * program knows it. The nodes that this process starts have the first numbers, by their marks: no other can have one of these, whatever it is called.
 * Others have the number of their name (node7), or the first that is free. The number of a node that was lost is free again; what was made there under
 * that number is lost all the same.
 *
 * A node is lost when its connection ends, or is silent for as long as the transport's patience: then its attempts have died, its copies are gone,
 * and if it wakes up later it finds no connection, and comes as a new node. */
#include "tcp.h"

#include "lineage.h"
#include "node.h"
#include "session.h"
#include "task.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SK_NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

#define LEFT "which left: "

enum { STEP_NS = 20000000, LOOK_NS = 10000000 };

static bool is_idle(tcp *c, int host)
{
    sk_cluster_view view;
    return sk_cluster_look(c->pn.cluster, host, &view) && view.running + view.blocked == 0;
}

/* ---- joining ---- */

static void refuse(tcp *c, tcp_link *l, const char *why)
{
    fprintf(stderr, "skate: tcp: %s (%s) is not let in: %s\n", *l->name ? l->name : "a node", l->address, why);
    l->asked = 0;
    tcp_say(c, l, &(sk_node_msg){ .type = SK_NODE_LEAVE, .text = why });
    sk_transport_drop(c->transport, l->peer, why);
}

static pn_host *host_for(tcp *c, const tcp_link *l)
{
    unsigned number = tcp_child_of(c, l->mark);
    char end;
    if (number)
        return c->by_host[number] ? NULL : &c->pn.hosts[number];
    if (sscanf(l->name, "node%u%c", &number, &end) == 1 && number > c->nchildren && number < c->pn.nhosts && !c->by_host[number])
        return &c->pn.hosts[number];
    for (unsigned i = 1 + c->nchildren; i < c->pn.nhosts; i++)
        if (!c->by_host[i] && !c->pn.hosts[i].store)
            return &c->pn.hosts[i];
    for (unsigned i = 1 + c->nchildren; i < c->pn.nhosts; i++)
        if (!c->by_host[i])
            return &c->pn.hosts[i];
    return NULL;
}

static void ask_time(tcp *c, tcp_link *l) { tcp_say(c, l, &(sk_node_msg){ .type = SK_NODE_CLOCK, .w = (uint64_t)(sk_session.start + pn_now()) }); }

static void join(tcp *c, tcp_link *l, const sk_node_msg *m)
{
    char why[700];
    if (l->has_joined || l->asked)
        return;
    if (m->n != SK_NODE_VERSION) {
        snprintf(why, sizeof why, "it speaks version %u of the protocol, the head %d; both ends need the same Skate", m->n, SK_NODE_VERSION);
        refuse(c, l, why);
        return;
    }
    snprintf(l->name, sizeof l->name, "%s", m->text);
    g_strcanon(l->name, SK_NAME_LETTERS, '?');         /* it goes to a terminal */
    snprintf(l->resources, sizeof l->resources, "%s", m->other);
    snprintf(l->serves, sizeof l->serves, "%.*s", (int)MIN(m->nbytes, sizeof l->serves - 1), m->bytes ? (const char *)m->bytes : "");
    l->workers = m->m;
    l->store_bytes = m->size;
    l->mark = m->v;
    sk_demand demand;
    sk_error err;
    if (m->w != sk_shm_page())
        snprintf(why, sizeof why, "its pages have %llu bytes, the head's %zu", (unsigned long long)m->w, sk_shm_page());
    else if (m->m < 1)
        snprintf(why, sizeof why, "it has no workers; give it --workers 1 or more");
    else if (!sk_demand_parse(&demand, l->resources, &err))
        snprintf(why, sizeof why, "%.290s", err.message);
    else
        *why = '\0';
    if (*why) {
        refuse(c, l, why);
        return;
    }
    l->asked = sk_transport_peer(c->transport, l->peer)->heard_ns;
    c->some_ask = true;
}

/* ---- names ---- */

/* What it may have been before: a child of this process, by its mark; another, by its name. */
static tcp_link *of_same_name(tcp *c, const tcp_link *l)
{
    unsigned child = tcp_child_of(c, l->mark);
    for (tcp_link *other = c->links; other; other = other->next)
        if (other != l && other->has_joined && tcp_child_of(c, other->mark) == child && (child || (*l->name && !strcmp(other->name, l->name))))
            return other;
    return NULL;
}

/* One of its name is there: has it been heard since the new one asked? Then it lives. Has it been silent since, for longer than one that lives
 * would be, it is what the new one was before: a laptop that was turned off, or has another address now. */
static void settle_name(tcp *c, tcp_link *l, tcp_link *other)
{
    char why[500];
    const sk_peer_info *info = sk_transport_peer(c->transport, other->peer);
    if (other->is_lost || !info)
        return;
    if (other->is_suspect || sk_session.start + pn_now() > l->asked + 2 * tcp_heartbeat(c)) {
        sk_transport_drop(c->transport, other->peer, "it is silent, and one of its name has come");
    } else if (info->heard_ns > l->asked) {
        snprintf(why, sizeof why, "a node called %s is there already (%s), and lives; give this one another --name", l->name, other->address);
        refuse(c, l, why);
    }
}

static void admit(tcp *c, tcp_link *l)
{
    char why[200];
    l->asked = 0;
    if (!host_for(c, l)) {
        snprintf(why, sizeof why, "there are %u nodes already, which is as many as this head has numbers for (--sk-expect)", c->pn.nhosts);
        refuse(c, l, why);
        return;
    }
    l->has_joined = true;
    l->clocks = TCP_CLOCKS;
    l->round_trip = INT64_MAX;
    ask_time(c, l);
}

void tcp_admit_nodes(tcp *c)
{
    if (!c->some_ask)
        return;
    c->some_ask = false;
    for (tcp_link *l = c->links; l; l = l->next) {
        tcp_link *other = l->asked && !l->is_lost ? of_same_name(c, l) : NULL;
        if (other)
            settle_name(c, l, other);
        else if (l->asked && !l->is_lost)
            admit(c, l);
        c->some_ask |= l->asked != 0;
    }
}

static void fill_books(void *data, uint64_t place, size_t size)
{
    tcp_link *l = data;
    if (!l->pulling || place != l->pulled)
        tcp_say(l->cluster, l, &(sk_node_msg){ .type = SK_NODE_FILL, .place = place, .size = size });
}

static void drop_books(void *data, uint64_t place, size_t size)
{
    tcp_link *l = data;
    if (!l->pulling || place != l->pulled)
        tcp_say(l->cluster, l, &(sk_node_msg){ .type = SK_NODE_DROP, .place = place, .size = size });
}

static void spill_books(void *data, uint64_t place, size_t size, uint64_t serial)
{
    tcp_link *l = data;
    tcp_say(l->cluster, l, &(sk_node_msg){ .type = SK_NODE_SPILL, .place = place, .size = size, .w = serial });
}

static void restore_books(void *data, uint64_t place, size_t size)
{
    tcp_link *l = data;
    tcp_say(l->cluster, l, &(sk_node_msg){ .type = SK_NODE_RESTORE, .place = place, .size = size });
}

static void forget_books(void *data, uint64_t place)
{
    tcp_link *l = data;
    tcp_say(l->cluster, l, &(sk_node_msg){ .type = SK_NODE_FORGET, .place = place });
}

static void no_page(void *data, uint64_t place, size_t size) { (void)data, (void)place, (void)size; }
static void no_spill(void *data, uint64_t place, size_t size, uint64_t serial) { (void)data, (void)place, (void)size, (void)serial; }
static void no_copy(void *data, uint64_t place) { (void)data, (void)place; }
static const sk_shm_far no_pages = { no_page, no_page, no_spill, no_page, no_copy, NULL };

static void welcome(tcp *c, tcp_link *l)
{
    pnode *n = &c->pn;
    pn_host *h = host_for(c, l);
    if (!h) {
        refuse(c, l, "all numbers have been given to others meanwhile");
        return;
    }
    const sk_settings *s = n->base.settings;
    if (!*l->name)
        snprintf(l->name, sizeof l->name, "node%d", h->number);
    if (l->workers > h->nslots / 2) {
        fprintf(stderr, "skate: tcp: %s has %u workers, of which %u are used: a head has room for no more a node\n", l->name, l->workers, h->nslots / 2);
        l->workers = h->nslots / 2;
    }
    l->host = h;
    c->by_host[h->number] = l;
    l->pages = (sk_shm_far){ fill_books, drop_books, spill_books, restore_books, forget_books, l };
    if (!h->store) {
        h->store = sk_shm_new_books(n->store, l->store_bytes, &l->pages);
        pn_tell_spills(h);
    } else {
        sk_shm_set_pages(h->store, &l->pages);
    }
    sk_shm_set_spills(h->store, !s->spill_dir || strcmp(s->spill_dir, "none"));
    h->store_bytes = l->store_bytes;
    h->workers = (int)l->workers;
    h->most = h->nslots;
    h->is_taken = false;
    tcp_say(c, l, &(sk_node_msg){ .type = SK_NODE_WELCOME, .n = (uint32_t)h->number, .m = n->nslots + 1, .k = h->first + 1, .life = h->nslots,
                                  .place = sk_shm_stride(n->store), .size = sk_shm_large(n->store), .w = s->seed,
                                  .v = (uint64_t)(sk_session.start + l->offset), .u = s->worker_memory, .y = (uint64_t)tcp_heartbeat(c),
                                  .x = (uint64_t)tcp_dead_after(c), .slot = s->prefix,
                                  .text = l->name, .other = s->spill_dir });
    sk_cluster_node spec = { .speed = SK_UNITS, .store_bytes = (int64_t)MIN(l->store_bytes, INT64_MAX) };
    sk_demand others = { 0 };
    sk_error err;
    sk_demand_parse(&others, l->resources, &err);
    sk_resource_pool_init(&spec.pool, (int64_t)l->workers * SK_UNITS, &others);
    if (c->begun)
        sk_node_move(h->number, sk_node_has_been(h->number) ? SK_NODE_DEAD : SK_NODE_NONE, SK_NODE_ALIVE, h->workers);
    sk_cluster_node_up(n->cluster, h->number, &spec);
    for (int i = 0; i < h->workers; i++)
        pn_want_worker(h);
    c->expected -= c->expected > 0;
}

static void time_came(tcp *c, tcp_link *l, const sk_node_msg *m)
{
    if (!l->clocks || !l->has_joined || l->host)
        return;
    int64_t now = sk_session.start + pn_now(), trip = now - (int64_t)m->w;
    if (trip < l->round_trip) {
        l->round_trip = trip;
        l->offset = (int64_t)m->v - (int64_t)m->w - trip / 2;
    }
    if (--l->clocks)
        ask_time(c, l);
    else
        welcome(c, l);
}

/* ---- leaving ----
 *
 * A node that is told to end wants to leave: nothing new starts there, what runs may end, and what only it has comes here. Then it may go. It does not
 * wait for that for ever (node.c). */

static void note_leave(tcp_link *l, const char *text)
{
    snprintf(l->why, sizeof l->why, LEFT "%.400s", text);
    for (char *p = l->why; *p; p++)
        *p = (unsigned char)*p < ' ' ? '?' : *p;
}

static void wants_to_leave(tcp *c, tcp_link *l, const char *text)
{
    if (!l->host)
        return;
    note_leave(l, text);
    l->is_leaving = c->some_leave = true;
    c->leavers_at = 0;
    sk_cluster_node_pause(c->pn.cluster, l->host->number, true);
}

void tcp_let_leave(tcp *c)
{
    if (!c->some_leave || pn_now() < c->leavers_at)
        return;
    c->some_leave = false;
    for (tcp_link *l = c->links; l; l = l->next) {
        if (!l->is_leaving || !l->host || l->is_lost)
            continue;
        c->some_leave = true;
        size_t left = sk_cluster_rescue(c->pn.cluster, l->host->number, 0);
        if (left || !is_idle(c, l->host->number))
            continue;
        tcp_say(c, l, &(sk_node_msg){ .type = SK_NODE_LEAVE, .text = "nobody needs it any more" });
        sk_transport_drop(c->transport, l->peer, "it has left");
        break;                             /* what it had is missing from the next one's answer only when the scheduler knows that it is gone */
    }
    c->leavers_at = pn_now() + LOOK_NS;
    if (c->some_leave)
        sk_events_push(&c->pn.events, c->leavers_at, PN_EVENT_FAR, 0, 0);
}

void tcp_hear_node(tcp *c, tcp_link *l, const sk_node_msg *m)
{
    switch (m->type) {
    case SK_NODE_JOIN: join(c, l, m); return;
    case SK_NODE_TIME: time_came(c, l, m); return;
    case SK_NODE_LEAVING:
        wants_to_leave(c, l, m->text);
        return;
    default:                               /* GOODBYE */
        note_leave(l, m->text);
        sk_transport_drop(c->transport, l->peer, "it has said goodbye");
    }
}

/* A node that was refused for its functions asks which. One at a time: who comes between begins anew. */
void tcp_hear_functions(tcp *c, sk_peer peer, const sk_node_msg *m)
{
    char why[600], who[SK_TRANSPORT_ADDRESS + 20];
    const sk_peer_info *info = sk_transport_peer(c->transport, peer);
    if (c->asking.id != peer.id)
        sk_node_table_clear(&c->table);
    c->asking = peer;
    snprintf(who, sizeof who, "the node at %s", info ? info->address : "?");
    if (!sk_node_table_take(&c->table, m, who, why, sizeof why))
        return;
    sk_node_table_clear(&c->table);
    fprintf(stderr, "skate: tcp: %s\n", why);
    sk_node_send(c->transport, peer, &(sk_node_msg){ .type = SK_NODE_LEAVE, .text = why });
}

/* ---- being lost ---- */

static void lose(tcp *c, tcp_link *l)
{
    pnode *n = &c->pn;
    pn_host *h = l->host;
    char how[400];
    snprintf(c->reasons[h->number], sizeof c->reasons[0], "node %d (%.60s), %.100s", h->number, l->name, l->why);
    snprintf(how, sizeof how, "node %d (%.60s) was lost, %.250s", h->number, l->name, l->why);
    h->is_taken = l->is_leaving;
    if (l->is_leaving && is_idle(c, h->number))
        fprintf(stderr, "skate: tcp: node %d (%.60s) has left: %.250s\n", h->number, l->name, l->why + strlen(LEFT));
    else if (!atomic_load(&n->closing))
        fprintf(stderr, "skate: tcp: %s; its tasks are tried again elsewhere\n", how);
    c->by_host[h->number] = NULL;
    h->most = 0;
    if (c->begun)
        sk_node_move(h->number, SK_NODE_ALIVE, SK_NODE_DEAD, h->workers);
    tcp_lose_objects(c, l);
    sk_cluster_node_lost(n->cluster, h->number);
    for (unsigned i = h->first; i < h->first + h->nslots; i++)
        if (n->workers[i].state != PN_NONE) {
            n->workers[i].doomed = true;       /* no attempt is put back into the queue of a node that is gone */
            pn_bury(&n->workers[i], SK_WORKER_DIED, how, INT_MAX);
        }
    pn_forget_queue(h, how);
    sk_shm_set_pages(h->store, &no_pages);
    l->host = NULL;
}

static void remove_link(tcp *c, tcp_link *l)
{
    for (tcp_link **at = &c->links; *at; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            break;
        }
    g_free(l);
}

bool tcp_lose_nodes(tcp *c)
{
    if (!c->some_lost)
        return false;
    c->some_lost = false;
    for (tcp_link *l = c->links, *next; l; l = next) {
        next = l->next;
        if (!l->is_lost)
            continue;
        if (l->host)
            lose(c, l);
        remove_link(c, l);
    }
    return true;
}

void tcp_host_fails(pn_host *h, const char *how)
{
    tcp *c = tcp_of(h->node);
    tcp_link *l = c->by_host[h->number];
    if (!l)
        return;
    snprintf(l->why, sizeof l->why, "for no worker process starts there: %s", how);
    tcp_say(c, l, &(sk_node_msg){ .type = SK_NODE_LEAVE, .text = l->why });
    sk_transport_drop(c->transport, l->peer, l->why);
}

void tcp_peer_state(tcp *c, sk_peer peer, const sk_peer_info *info)
{
    tcp_link *l = info->owner;
    switch (info->state) {
    case SK_PEER_UP:
        if (l) {                           /* it was silent, and is not any more */
            l->is_suspect = false;
            if (l->host && !l->is_leaving)
                sk_cluster_node_pause(c->pn.cluster, l->host->number, false);
            return;
        }
        if (info->hello->role != SK_ROLE_NODE)
            return;
        l = g_new0(tcp_link, 1);
        l->cluster = c;
        l->peer = peer;
        l->id = info->hello->node;
        snprintf(l->address, sizeof l->address, "%s", info->address);
        l->next = c->links;
        c->links = l;
        sk_transport_own(c->transport, peer, l);
        return;
    case SK_PEER_SUSPECT:
        if (l) {
            l->is_suspect = true;
            if (l->host)
                sk_cluster_node_pause(c->pn.cluster, l->host->number, true);
        }
        return;
    case SK_PEER_DEAD:
        if (!l)
            return;
        tcp_forget_waiting(c, peer);
        if (!*l->why)
            snprintf(l->why, sizeof l->why, "which is gone: %s", info->why);
        l->is_lost = true;
        c->some_lost = true;
        return;
    default:
        return;
    }
}

/* ---- status ---- */

void tcp_status(tcp *c, sk_peer peer)
{
    pnode *n = &c->pn;
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "head %s, pid %d, %.1f s: %zu tasks run, %zu wait\n", c->address, (int)getpid(), (double)pn_now() / 1e9,
                           sk_cluster_running(n->cluster), sk_cluster_waiting(n->cluster));
    g_string_append_printf(text, "%4s %-16s %-24s %8s %8s %12s %12s  %s\n", "node", "name", "address", "workers", "running", "store", "copies", "clock");
    for (unsigned i = 0; i < n->nhosts; i++) {
        tcp_link *l = c->by_host[i];
        sk_cluster_view view;
        if ((i && !l) || !sk_cluster_look(n->cluster, (int)i, &view))
            continue;
        pthread_mutex_lock(&n->store_lock);
        double live = (double)sk_shm_live(n->hosts[i].store), guests = (double)sk_shm_guests(n->hosts[i].store);
        pthread_mutex_unlock(&n->store_lock);
        g_string_append_printf(text, "%4u %-16s %-24s %8d %8d %9.1f MB %9.1f MB  ", i, l ? l->name : "(the driver)", l ? l->address : "-",
                               n->hosts[i].workers, view.running, live / 1e6, guests / 1e6);
        if (l)
            g_string_append_printf(text, "%+.3f ms, to %.3f ms%s\n", (double)l->offset / 1e6, (double)l->round_trip / 2e6,
                                   l->is_suspect ? "; silent" : l->is_leaving ? "; leaves" : "");
        else
            g_string_append(text, "0\n");
        if (text->len > SK_NODE_TEXT - 300) {
            g_string_append(text, "...\n");
            break;
        }
    }
    sk_node_send(c->transport, peer, &(sk_node_msg){ .type = SK_NODE_STATE, .text = text->str });
    g_string_free(text, TRUE);
}

/* ---- open and close ---- */

static unsigned joined(const tcp *c)
{
    unsigned count = 0;
    for (unsigned i = 1; i < c->pn.nhosts; i++)
        count += c->by_host[i] != NULL;
    return count;
}

static bool lacks_descriptors(void)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0), why = errno;
    if (fd >= 0)
        close(fd);
    return fd < 0 && (why == EMFILE || why == ENFILE);
}

bool tcp_open_nodes(tcp *c, sk_error *err)
{
    const sk_settings *s = c->pn.base.settings;
    unsigned wanted = c->expected, shown = UINT_MAX;
    bool shows = s->head && wanted;
    int64_t end = sk_session_monotonic() + (int64_t)(s->head ? s->join_wait : TCP_PATIENCE_S) * 1000000000;
    bool tried = false;
    if (!tcp_start_children(c, err))
        return false;
    while (joined(c) < wanted || !tried) {
        if (!pn_workers_tried(&c->pn, &tried, err))        /* of this process, beside the nodes */
            return false;
        if (shows && shown != joined(c)) {
            shown = joined(c);
            fprintf(stderr, "skate: tcp: %u of %u nodes have joined %s\n", shown, wanted, c->address);
        }
        if (atomic_load(&c->started) < 0) {
            *err = c->usher_error;
            return false;
        }
        if (tcp_child_has_ended(c))
            return sk_error_set(err, SK_LIMIT, "%u of %u nodes have joined, and no more will: %s", joined(c), wanted, tcp_child_has_ended(c));
        if (sk_session_monotonic() > end && lacks_descriptors())
            return sk_error_set(err, SK_LIMIT, "%u of %u nodes have joined %s: Too many open files; no descriptor is left for the connections of the others: "
                                "allow more (ulimit -n)", joined(c), wanted, c->address);
        if (sk_session_monotonic() > end)
            return sk_error_set(err, SK_LIMIT, "%u of %u nodes have joined %s within %d s; start them with "
                                "`skate node --join %s --secret-file %s PROGRAM`", joined(c), wanted, c->address, s->head ? s->join_wait : TCP_PATIENCE_S, c->called,
                                s->secret_file ? s->secret_file : "FILE");
        sk_transport_poll(c->transport, STEP_NS);
        tcp_lose_nodes(c);
        tcp_admit_nodes(c);
    }
    if (shows)
        fprintf(stderr, "skate: tcp: %u of %u nodes have joined\n", wanted, wanted);
    return true;
}

void tcp_close_nodes(tcp *c)
{
    for (tcp_link *l = c->links; l; l = l->next)
        tcp_say(c, l, &(sk_node_msg){ .type = SK_NODE_LEAVE, .text = "the run is over" });
    if (c->transport)
        sk_transport_poll(c->transport, 0);
    tcp_end_children(c);
    while (c->links)
        remove_link(c, c->links);
}
