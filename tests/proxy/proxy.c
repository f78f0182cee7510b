/* proxy.c -- the proxy's thread, and the calls of others. See proxy.h and inside.h. */
#include "inside.h"

#include "base.h"

#include <stddef.h>
#include <time.h>

int64_t proxy_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- The thread ---- */

static void obey(proxy *p)
{
    if (p->obeyed == p->pokes)
        return;
    p->obeyed = p->pokes;
    if (p->door_wanted != p->door_is && !door_become(p, p->door_wanted, p->door_why))
        p->door_wanted = p->door_is;
    int64_t now = proxy_now();
    for (GList *at = p->connections, *next; at; at = next) {
        next = at->next;
        connection_step(at->data, now);
    }
    pthread_cond_broadcast(&p->changed);
}

static void *run(void *data)
{
    proxy *p = data;
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        pthread_mutex_unlock(&p->lock);
        g_main_context_iteration(p->context, TRUE);        /* what it dispatches takes the lock by itself */
        pthread_mutex_lock(&p->lock);
        obey(p);
    }
    while (p->connections)
        connection_close(p->connections->data);
    door_clear(p);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* With the lock. */
static void poke(proxy *p)
{
    p->pokes++;
    g_main_context_wakeup(p->context);
}

/* ---- Opening and closing ---- */

static void free_all(proxy *p)
{
    door_clear(p);
    g_clear_object(&p->target);
    g_main_context_unref(p->context);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    g_free(p);
}

proxy *proxy_open(const proxy_options *options, char why[PROXY_WHY])
{
    proxy *p = g_new0(proxy, 1);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    p->seed = options->seed;
    p->context = g_main_context_new();
    if (!(p->target = sockets_look_up(options->target, why)) || !door_init(p, options->listen ? options->listen : "127.0.0.1:0", why)) {
        free_all(p);
        return NULL;
    }
    int code = pthread_create(&p->thread, NULL, run, p);
    if (code) {
        snprintf(why, PROXY_WHY, "no thread for the proxy: %s", g_strerror(code));
        free_all(p);
        return NULL;
    }
    return p;
}

void proxy_close(proxy *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    poke(p);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    free_all(p);
}

int proxy_port(const proxy *p) { return p->port; }

/* ---- Faults ---- */

static connection *find(proxy *p, unsigned number)
{
    for (GList *at = p->connections; at; at = at->next)
        if (connection_number(at->data) == number)
            return at->data;
    return NULL;
}

static void change_one(connection *c, int i, proxy_edit *edit, const void *data, int64_t now)
{
    fault_pipe *pipe = connection_pipe(c, i);
    proxy_faults faults = *fault_pipe_faults(pipe);
    bool dropped = fault_pipe_dropped(pipe);
    edit(&faults, data);
    fault_pipe_set(pipe, now, &faults);
    if (!dropped && fault_pipe_dropped(pipe))
        connection_at_once(c);
}

bool proxy_change(proxy *p, unsigned number, proxy_direction direction, proxy_edit *edit, const void *data)
{
    pthread_mutex_lock(&p->lock);
    int64_t now = proxy_now();
    connection *one = number == PROXY_ALL ? NULL : find(p, number);
    for (int i = 0; i < 2; i++) {
        if (!(direction & (1 << i)))
            continue;
        if (number == PROXY_ALL)
            edit(&p->faults[i], data);
        for (GList *at = number == PROXY_ALL ? p->connections : NULL; at; at = at->next)
            change_one(at->data, i, edit, data, now);
        if (one)
            change_one(one, i, edit, data, now);
    }
    poke(p);
    pthread_mutex_unlock(&p->lock);
    return number == PROXY_ALL || one;
}

static void replace(proxy_faults *faults, const void *data) { *faults = *(const proxy_faults *)data; }

bool proxy_set(proxy *p, unsigned number, proxy_direction direction, const proxy_faults *faults)
{
    return proxy_change(p, number, direction, replace, faults);
}

bool proxy_set_door(proxy *p, proxy_door wanted, char why[PROXY_WHY])
{
    pthread_mutex_lock(&p->lock);
    p->door_wanted = wanted;
    p->door_why[0] = '\0';
    poke(p);
    for (uint64_t mine = p->pokes; p->obeyed < mine; )
        pthread_cond_wait(&p->changed, &p->lock);
    bool done = p->door_is == wanted;
    if (!done)
        snprintf(why, PROXY_WHY, "%s", p->door_why);
    pthread_mutex_unlock(&p->lock);
    return done;
}

/* ---- Counts ---- */

static const struct { const char *name; size_t at; } names[] = {
#define COUNT(name) { #name, offsetof(proxy_counts, name) }
    COUNT(opened), COUNT(open), COUNT(ended), COUNT(dropped), COUNT(failed),
    COUNT(up.read), COUNT(up.forwarded), COUNT(up.pieces), COUNT(up.cuts), COUNT(up.corrupted), COUNT(up.swallowed),
    COUNT(down.read), COUNT(down.forwarded), COUNT(down.pieces), COUNT(down.cuts), COUNT(down.corrupted), COUNT(down.swallowed),
#undef COUNT
};

const char *proxy_count_name(size_t i) { return i < sizeof names / sizeof *names ? names[i].name : NULL; }
uint64_t proxy_count_value(const proxy_counts *n, size_t i) { return *(const uint64_t *)((const char *)n + names[i].at); }

void pipe_counts_add(pipe_counts *to, const pipe_counts *n)
{
    to->read += n->read;
    to->forwarded += n->forwarded;
    to->pieces += n->pieces;
    to->cuts += n->cuts;
    to->corrupted += n->corrupted;
    to->swallowed += n->swallowed;
}

static void add_connection(proxy_counts *n, connection *c)
{
    pipe_counts_add(&n->up, fault_pipe_counts(connection_pipe(c, 0)));
    pipe_counts_add(&n->down, fault_pipe_counts(connection_pipe(c, 1)));
}

static void count(proxy *p, proxy_counts *n)
{
    *n = p->over;
    for (GList *at = p->connections; at; at = at->next)
        add_connection(n, at->data);
}

void proxy_count(proxy *p, proxy_counts *n)
{
    pthread_mutex_lock(&p->lock);
    count(p, n);
    pthread_mutex_unlock(&p->lock);
}

bool proxy_count_one(proxy *p, unsigned number, proxy_counts *n)
{
    *n = (proxy_counts){ .opened = 1, .open = 1 };
    pthread_mutex_lock(&p->lock);
    connection *c = find(p, number);
    if (c)
        add_connection(n, c);
    pthread_mutex_unlock(&p->lock);
    return c;
}

bool proxy_wait(proxy *p, const char *name, uint64_t least)
{
    size_t i = 0;
    while (proxy_count_name(i) && strcmp(proxy_count_name(i), name) != 0)
        i++;
    if (!proxy_count_name(i))
        return false;
    pthread_mutex_lock(&p->lock);
    for (proxy_counts n; count(p, &n), proxy_count_value(&n, i) < least; )
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return true;
}
