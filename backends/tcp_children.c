/* tcp_children.c -- the nodes that the head starts itself, on its own machine: `--nodes 4`. See tcp_nodes.c.
 *
 * A thread starts them, prints what they print, and waits for their ends: a child dies with the thread that has started it. */
#include "tcp.h"

#include "node.h"
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NODE_NAME "node%u"
enum { GRACE_MS = 2000 };

static bool start_node(tcp *c, unsigned i, sk_error *err)
{
    const sk_settings *s = c->pn.base.settings;
    sk_node_order order = { .workers = (unsigned)s->workers, .store_bytes = s->store_bytes,
                            .wait_ns = (int64_t)TCP_PATIENCE_S * 1000000000, .parent = getpid(), .has_secret = true, .secret = *c->secret,
                            .mark = c->marks[i] };
    snprintf(order.head, sizeof order.head, "%s", c->address);
    snprintf(order.name, sizeof order.name, NODE_NAME, i + 1);
    snprintf(order.resources, sizeof order.resources, "%s", s->resources ? s->resources : "");
    int fd = sk_node_order_send(&order, err);
    sk_secret_wipe(&order, sizeof order);
    if (fd < 0)
        return false;
    char name[64];
    snprintf(name, sizeof name, "skate node %u of %d", i + 1, (int)getpid());
    bool ok = sk_child_start(&c->children[i], &(sk_child_spec){ .argv = (char *[]){ name, NULL }, .env = (const char *[]){ "SKATE_WORKER=node", NULL },
                                                                .fds = &fd, .nfds = 1 }, err);
    close(fd);
    return ok;
}

static void *usher(void *data)
{
    tcp *c = data;
    bool ok = true;
    for (unsigned i = 0; ok && i < c->nchildren; i++)
        ok = start_node(c, i, &c->usher_error);
    atomic_store(&c->started, ok ? 1 : -1);
    struct pollfd *polled = g_new0(struct pollfd, 1 + 3 * c->nchildren);
    sk_lines *lines = g_new0(sk_lines, 2 * c->nchildren + 1);
    for (unsigned i = 0; i < 2 * c->nchildren; i++)
        sk_lines_init(&lines[i], i % 2 ? stderr : stdout, NULL);
    bool closing = false;
    for (;;) {
        nfds_t k = 0;
        bool any = false;
        polled[k++] = (struct pollfd){ .fd = closing ? -1 : c->usher_fd, .events = POLLIN };
        for (unsigned i = 0; i < c->nchildren; i++) {
            sk_child *child = &c->children[i];
            bool alive = child->pid && !child->ended;
            any |= alive;
            polled[k++] = (struct pollfd){ .fd = alive ? child->pidfd : -1, .events = POLLIN };
            polled[k++] = (struct pollfd){ .fd = child->pid ? child->out : -1, .events = POLLIN };
            polled[k++] = (struct pollfd){ .fd = child->pid ? child->err : -1, .events = POLLIN };
        }
        if (closing && !any)
            break;
        int came = poll(polled, k, closing ? GRACE_MS : -1);
        if (closing && came == 0)
            for (unsigned i = 0; i < c->nchildren; i++)
                sk_child_kill(&c->children[i], SIGKILL);
        closing |= polled[0].revents != 0;
        for (unsigned i = 0; i < c->nchildren; i++) {
            sk_child *child = &c->children[i];
            if (!child->pid)
                continue;
            if (child->out >= 0 && polled[2 + 3 * i].revents && !sk_lines_read(&lines[2 * i], child->out))
                close(child->out), child->out = -1;
            if (child->err >= 0 && polled[3 + 3 * i].revents && !sk_lines_read(&lines[2 * i + 1], child->err))
                close(child->err), child->err = -1;
            sk_child_reap(child, false);
        }
    }
    for (unsigned i = 0; i < c->nchildren; i++) {
        if (c->children[i].pid && c->children[i].out >= 0)
            sk_lines_read(&lines[2 * i], c->children[i].out);
        if (c->children[i].pid && c->children[i].err >= 0)
            sk_lines_read(&lines[2 * i + 1], c->children[i].err);
        sk_child_close(&c->children[i]);
    }
    for (unsigned i = 0; i < 2 * c->nchildren; i++)
        sk_lines_clear(&lines[i]);
    g_free(polled);
    g_free(lines);
    return NULL;
}

/* Before any of them can say it, and never again: so whoever reads them needs no lock. */
static bool make_marks(tcp *c, sk_error *err)
{
    c->marks = g_new0(uint64_t, c->nchildren);
    for (unsigned i = 0; i < c->nchildren; i++) {
        sk_id random;
        if (!sk_id_random(&random, err))
            return false;
        memcpy(&c->marks[i], &random, sizeof c->marks[i]);
        c->marks[i] &= INT64_MAX;
    }
    return true;
}

unsigned tcp_child_of(const tcp *c, uint64_t mark)
{
    for (unsigned i = 0; i < c->nchildren && mark; i++)
        if (c->marks[i] == mark)
            return i + 1;
    return 0;
}

bool tcp_start_children(tcp *c, sk_error *err)
{
    if (!c->nchildren)
        return true;
    c->usher_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->usher_fd < 0)
        return sk_process_error(err, "nodes cannot be started: eventfd");
    if (!make_marks(c, err))
        return false;
    c->children = g_new0(sk_child, c->nchildren);
    for (unsigned i = 0; i < c->nchildren; i++)
        c->children[i] = (sk_child){ .pidfd = -1, .out = -1, .err = -1 };
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&c->usher, NULL, usher, c);
    c->has_usher = error == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return c->has_usher || sk_error_set(err, SK_LIMIT, "nodes cannot be started: pthread_create: %s", strerror(error));
}

const char *tcp_child_has_ended(const tcp *c)
{
    for (unsigned i = 0; i < c->nchildren && atomic_load(&c->started) > 0; i++)       /* until then they are the usher's alone */
        if (c->children[i].ended)
            return "one that this program has started has ended, see what it says above";
    return NULL;
}

/* Its connection ends, and what that means is found out as if nobody had meant it. Its mark says which child it is: a name may be another's by now, that
 * has joined by hand. */
bool tcp_kill(int node, int worker, char *why, size_t room)
{
    if (worker >= 0 || node == 0)
        return pn_kill_worker(node, worker, why, room);
    tcp *c = (tcp *)pn_take_turn();
    const tcp_link *l = node > 0 && node < TCP_MOST_NODES ? c->by_host[node] : NULL;
    unsigned child = l && atomic_load(&c->started) > 0 ? tcp_child_of(c, l->mark) : 0;
    bool found = child && !c->children[child - 1].ended;
    if (found)
        sk_child_kill(&c->children[child - 1], SIGKILL);
    if (!l)
        snprintf(why, room, "node %d is not there", node);
    else if (!found)
        snprintf(why, room, "node %d (%.60s) was not started by this program: end it where it was started", node, l->name);
    pthread_mutex_unlock(&c->pn.turn);
    return found;
}

void tcp_end_children(tcp *c)
{
    if (c->has_usher) {
        sk_bell_tell(c->usher_fd);
        pthread_join(c->usher, NULL);
    }
    if (c->usher_fd > 0)
        close(c->usher_fd);
    g_free(c->children);
    g_free(c->marks);
}
