/* processes_workers.c -- the worker processes of a node: started, greeted, given arenas, buried, replaced. See processes.c.
 *
 * One thread, the attendant, starts them and waits for what they print and for their ends. It lives as long as the backend, since a
 * child dies with the thread that started it (PDEATHSIG); it decides nothing, and calls nothing of the graph. */
#include "processes.h"

#include "fn.h"
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MOST_FAILURES = 3, MOST_KILLED = 100 };      /* starts in a row: that came to nothing by themselves, or were killed from outside */

/* ---- the channel of a worker: used by the fiber of the attempt that it runs ---- */

static void tell(pn_worker *w)
{
    if (w->host->number)
        w->node->far->wrote(w);
    else
        sk_bell_ring(&w->process.page->bell);
}

static bool channel_write(void *channel, const uint8_t *bytes, size_t size)
{
    pn_worker *w = channel;
    while (size > 0) {
        size_t done = sk_ring_write(&w->process.to, bytes, size);
        bytes += done;
        size -= done;
        tell(w);
        while (size > 0 && sk_ring_writable(&w->process.to) == 0) {
            if (w->process.to.broken || !w->run || w->run->died)
                return false;
            w->run->listens = true;
            pn_leave_fiber(w->run);
        }
    }
    return true;
}

static size_t channel_read(void *channel, uint8_t *bytes, size_t room)
{
    pn_worker *w = channel;
    size_t done;
    while ((done = sk_ring_read(&w->process.from, bytes, room)) == 0) {
        if (w->process.from.broken || !w->run || w->run->died)
            return 0;
        w->run->listens = true;
        pn_leave_fiber(w->run);
    }
    tell(w);                               /* it may have waited for room */
    return done;
}

/* ---- starting ---- */

static void tell_attendant(pnode *n) { sk_bell_tell(n->wake_fd); }

/* Here, and where it is. */
static bool add_arena(pn_worker *w)
{
    pn_host *h = w->host;
    if (w->has_arena)
        return true;
    pthread_mutex_lock(&h->node->store_lock);
    w->has_arena = sk_shm_add(h->node->store, w->slot + 1, &h->start_error) && sk_shm_add(h->store, w->slot + 1, &h->start_error);
    pthread_mutex_unlock(&h->node->store_lock);
    return w->has_arena;
}

static void begin(pn_worker *w, pn_state state)
{
    pnode *n = w->node;
    w->state = state;
    n->active[n->nactive++] = w;
    w->host->starting++;
    n->starting++;
}

static void end(pn_worker *w)
{
    pnode *n = w->node;
    unsigned i = 0;
    while (n->active[i] != w)
        i++;
    memmove(n->active + i, n->active + i + 1, (--n->nactive - i) * sizeof *n->active);
    w->state = PN_NONE;
}

bool pn_want_worker(pn_host *h)
{
    pnode *n = h->node;
    if (h->up + h->starting >= h->most)
        return false;
    for (unsigned i = h->first; i < h->first + h->nslots; i++) {
        pn_worker *w = &n->workers[i];
        if (w->state != PN_NONE)
            continue;
        if (!add_arena(w)) {
            h->most = h->up + h->starting;
            return false;
        }
        if (h->number) {
            if (!n->far->start(w))
                return false;
            begin(w, PN_STARTING);
        } else {
            begin(w, PN_WANTED);
            tell_attendant(n);
        }
        return true;
    }
    return false;
}

/* By the attendant, without the turn: nobody else touches a worker that is PN_WANTED. */
static bool start(pn_worker *w, sk_error *err)
{
    pnode *n = w->node;
    char name[64];
    pthread_mutex_lock(&n->store_lock);
    int arena = sk_shm_descriptor(n->store, w->slot + 1, true, err);
    pthread_mutex_unlock(&n->store_lock);
    if (arena < 0)
        return false;
    snprintf(name, sizeof name, "skate worker %u of %d", w->slot, (int)getpid());
    bool ok = sk_process_start(&w->process, &(sk_process_spec){
        .name = name,
        .bell = n->bell_fd,
        .arena = arena,
        .owner = w->slot + 1,
        .owners = n->nslots + 1,
        .stride = sk_shm_stride(n->store),
        .large = sk_shm_large(n->store),
        .start = sk_session.start,
        .seed = sk_session.settings.seed,
        .workers = sk_session.settings.workers,
        .wake = MAX(n->bell_wakes, 0),
        .memory = n->base.settings->worker_memory,
        .labels = n->base.settings->prefix,
        .out = stdout,
        .err = stderr,
    }, err);
    close(arena);
    if (ok)
        pn_open_wire(w);
    return ok;
}

void pn_open_wire(pn_worker *w)
{
    w->sent = w->run_number = w->heard = 0;
    sk_wire_init(&w->wire, -1);
    w->wire.channel = w;
    w->wire.write = channel_write;
    w->wire.read = channel_read;
    w->wire.place = pn_place;
    w->wire.blob_at = pn_blob_at;
    w->wire.headers_in = w->host->number != 0;
    w->fns = g_ptr_array_new();
    w->lacks_arenas = false;
}

void pn_signal(pn_worker *w, int sig)
{
    if (w->host->number)
        w->node->far->signal(w, sig);
    else
        sk_process_signal(&w->process, sig);
}

void pn_idle(pn_worker *w)
{
    w->next_idle = w->host->idle;
    w->host->idle = w;
}

/* Its first frame. */
void pn_hello(pnode *n, pn_worker *w)
{
    sk_msg m;
    bool ok = sk_wire_receive(&w->wire, &m) && m.type == SK_WIRE_HELLO && m.number == SK_WIRE_VERSION && m.word == sk_fn_fingerprint();
    sk_msg_clear(&m);
    if (w->state == PN_UP) {               /* an idle one has nothing to say */
        pn_signal(w, SIGKILL);
        return;
    }
    if (!ok)
        sk_die(NULL, NULL, 1, "backend processes: a worker process has other remote functions than the driver; was the program built again while it "
               "ran?");
    w->state = PN_UP;
    w->failures = 0;
    n->starting--;
    w->host->starting--;
    w->host->up++;
    if (++n->up > n->up_peak)
        n->up_peak = n->up;
    pn_idle(w);
    pn_assign(n);
}

/* ---- arenas ---- */

bool pn_give_arena(pn_worker *w, unsigned owner)
{
    if (sk_process_has_arena(&w->process, owner))
        return true;
    if (w->host->number) {
        w->node->far->give_arena(w, owner);
        w->process.arenas[owner] = true;
        return true;
    }
    sk_error err;
    pthread_mutex_lock(&w->node->store_lock);
    int fd = sk_shm_descriptor(w->node->store, owner, false, &err);
    pthread_mutex_unlock(&w->node->store_lock);
    if (fd < 0) {
        fprintf(stderr, "skate: processes: %s\n", err.message);
        w->lacks_arenas = true;
        return false;                      /* then the bytes travel */
    }
    bool given = sk_process_give_arena(&w->process, owner, fd);
    close(fd);
    return given;
}

/* ---- ends ---- */

void pn_drain_output(pnode *n, pn_worker *w)
{
    if (w->host->number)                   /* it has come with what came before */
        return;
    pthread_mutex_lock(&n->output);
    sk_process_drain(&w->process);
    pthread_mutex_unlock(&n->output);
}

void pn_clear_worker(pn_worker *w)
{
    pnode *n = w->node;
    if (w->process.page) {
        sk_wire_clear(&w->wire);
        g_ptr_array_free(w->fns, TRUE);
    }
    pthread_mutex_lock(&n->output);
    if (w->host->number)
        n->far->clear(w);
    else
        sk_process_clear(&w->process);
    pthread_mutex_unlock(&n->output);
}

static void take_from_idle(pn_worker *w)
{
    for (pn_worker **at = &w->host->idle; *at; at = &(*at)->next_idle)
        if (*at == w) {
            *at = w->next_idle;
            return;
        }
}

/* What it said before it died holds: tasks that it has ended have ended. */
static void hear_out(pnode *n, pn_worker *w)
{
    for (pn_take_free(n, w); w->state == PN_UP && w->run && w->run->listens && !w->run->runnable && sk_ring_readable(&w->process.from);
         pn_take_free(n, w)) {
        w->run->listens = false;
        pn_resume(n, w->run);
    }
}

/* Worker processes do not start there, again and again. */
static void host_fails(pn_host *h, const char *how)
{
    if (h->number)
        h->node->far->fails(h, how);
    else
        sk_die(NULL, NULL, 1, "backend %s: worker processes do not start: %s", h->node->base.ops->name, how);
}

void pn_bury(pn_worker *w, sk_code code, const char *how, int most)
{
    pnode *n = w->node;
    pn_host *h = w->host;
    bool was_up = w->state == PN_UP;
    pn_drain_output(n, w);
    hear_out(n, w);
    w->state = PN_GONE;                    /* not to be used again, whatever its attempt's end brings */
    take_from_idle(w);
    pn_take_back_all(n, w);
    (*(was_up ? &n->up : &n->starting))--;
    (*(was_up ? &h->up : &h->starting))--;
    if (w->run && !pn_move(n, w->run))
        pn_died(n, w->run, code, how);
    pn_clear_worker(w);
    end(w);
    w->doomed = false;
    w->reaped = false;                     /* the place may be wanted again at once: it is not to be buried twice */
    if (!was_up && ++w->failures >= (unsigned)most)
        host_fails(h, how);
    bool is_needed = h->queue || h->up + h->starting < (unsigned)h->workers;
    if (is_needed && !atomic_load(&n->closing))
        pn_want_worker(h);
}

static void bury(pnode *n, pn_worker *w)
{
    char how[1200];
    int most = sk_process_was_killed(&w->process) ? MOST_KILLED : MOST_FAILURES;
    sk_code code = sk_process_fate(&w->process, w->doomed ? NULL : &n->kills, n->up + n->starting, how, sizeof how);
    pn_bury(w, code, how, most);
}

void pn_bury_gone(pnode *n)
{
    pn_host *own = &n->hosts[0];
    n->some_gone = false;
    for (unsigned i = 0; i < own->nslots; i++)
        if (n->workers[i].state != PN_NONE && n->workers[i].reaped)
            bury(n, &n->workers[i]);
    if (own->start_error.code && own->up + own->starting == 0)
        sk_die(NULL, NULL, 1, "backend %s: no worker process can be started: %s", n->base.ops->name, own->start_error.message);
}

/* ---- the attendant ---- */

static void start_wanted(pnode *n)
{
    pn_host *own = &n->hosts[0];
    for (unsigned i = 0; i < own->nslots; i++) {
        pn_worker *w = &n->workers[i];
        pthread_mutex_lock(&n->turn);
        bool wanted = w->state == PN_WANTED && !atomic_load(&n->closing);
        pthread_mutex_unlock(&n->turn);
        if (!wanted)
            continue;
        sk_error err = { 0 };
        bool ok = start(w, &err);
        pthread_mutex_lock(&n->turn);
        if (ok) {
            w->state = PN_STARTING;
        } else {
            end(w);
            n->starting--;
            own->starting--;
            own->start_error = err;
            own->most = own->up + own->starting;
            n->some_gone = true;
        }
        pthread_mutex_unlock(&n->turn);
        pn_ring_anyway(n);      /* it may have said hello already, when nobody listened to it */
    }
}

static void attend_to(pnode *n, pn_worker *w)
{
    pn_drain_output(n, w);
    pthread_mutex_lock(&n->turn);
    bool is_there = (w->state == PN_STARTING || w->state == PN_UP) && !w->reaped;      /* else buried since it was polled */
    pthread_mutex_unlock(&n->turn);
    if (!is_there || !sk_process_reap(&w->process, false))
        return;
    pthread_mutex_lock(&n->turn);
    w->reaped = true;
    n->some_gone = true;
    pthread_mutex_unlock(&n->turn);
    pn_ring_anyway(n);
}

static void *attend(void *data)
{
    pnode *n = data;
    struct pollfd *polled = calloc(1 + 3 * (size_t)n->hosts[0].nslots, sizeof *polled);
    pn_worker **who = calloc(1 + 3 * (size_t)n->hosts[0].nslots, sizeof *who);
    if (!polled || !who)
        abort();
    while (!atomic_load(&n->closing)) {
        start_wanted(n);
        nfds_t k = 0;
        polled[k++] = (struct pollfd){ .fd = n->wake_fd, .events = POLLIN };
        int timeout = -1;
        pthread_mutex_lock(&n->turn);
        pthread_mutex_lock(&n->output);
        for (unsigned i = 0; i < n->hosts[0].nslots; i++) {
            pn_worker *w = &n->workers[i];
            if ((w->state != PN_STARTING && w->state != PN_UP) || w->reaped)
                continue;
            if (w->process.child.pidfd < 0)            /* an old kernel: ask now and then */
                timeout = 20;
            const int fds[3] = { w->process.child.pidfd, w->process.child.out, w->process.child.err };
            for (int j = 0; j < 3; j++)
                if (fds[j] >= 0) {
                    who[k] = w;
                    polled[k++] = (struct pollfd){ .fd = fds[j], .events = POLLIN };
                }
        }
        pthread_mutex_unlock(&n->output);
        pthread_mutex_unlock(&n->turn);
        poll(polled, k, timeout);
        uint64_t count;
        if (polled[0].revents && read(n->wake_fd, &count, sizeof count) < 0)
            continue;
        for (nfds_t i = 1; i < k; i++)
            if (polled[i].revents || timeout >= 0)
                attend_to(n, who[i]);
    }
    free(polled);
    free(who);
    return NULL;
}

/* ---- open and close ---- */

bool pn_workers_open(pnode *n, sk_error *err)
{
    n->bell = sk_process_bell_new(&n->bell_fd, err);
    if (!n->bell)
        return false;
    sk_process_kills_init(&n->kills);
    n->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (n->wake_fd < 0)
        return sk_process_error(err, "eventfd");
    for (int i = 0; i < n->hosts[0].workers; i++)
        if (!pn_want_worker(&n->hosts[0])) {
            *err = n->hosts[0].start_error;
            return false;
        }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&n->attendant, NULL, attend, n);
    n->has_attendant = error == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return n->has_attendant || sk_process_error(err, "a thread to attend to worker processes");
}

/* Has the attendant tried to start all that were wanted at first? false and *err: in vain. */
bool pn_workers_tried(pnode *n, bool *tried, sk_error *err)
{
    pn_host *own = &n->hosts[0];
    *tried = true;
    pthread_mutex_lock(&n->turn);
    for (unsigned i = 0; i < own->nslots; i++)
        *tried &= n->workers[i].state != PN_WANTED;
    bool failed = own->start_error.code && own->up + own->starting == 0;
    if (failed)
        *err = own->start_error;
    pthread_mutex_unlock(&n->turn);
    return !failed;
}

/* They are asked to go; those that do not within two seconds are made to. */
void pn_workers_close(pnode *n)
{
    if (n->has_attendant) {
        tell_attendant(n);
        pthread_join(n->attendant, NULL);
    }
    for (unsigned i = 0; n->workers && i < n->hosts[0].nslots; i++) {
        pn_worker *w = &n->workers[i];
        if (!w->process.page || w->reaped)
            continue;
        if (w->state != PN_UP || w->run || !sk_wire_add(&w->wire, &(sk_msg){ .type = SK_WIRE_BYE }) || !sk_wire_flush(&w->wire))
            sk_process_signal(&w->process, SIGKILL);
    }
    for (unsigned i = 0; n->workers && i < n->hosts[0].nslots; i++) {
        pn_worker *w = &n->workers[i];
        if (w->process.page && !w->reaped)
            sk_process_end(&w->process);
        if (w->process.page)
            pn_drain_output(n, w);
        pn_clear_worker(w);
    }
    sk_process_bell_free(n->bell, n->bell_fd);
    if (n->wake_fd >= 0)
        close(n->wake_fd);
}
