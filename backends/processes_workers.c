/* processes_workers.c -- the worker processes of a node: started, greeted, given arenas, buried, replaced. See processes.c.
 *
 * One thread, the attendant, starts them and waits for what they print and for their ends. It lives as long as the backend, since a
 * child dies with the thread that started it (PDEATHSIG); it decides nothing, and calls nothing of the graph. */
#include "processes.h"

#include "fn.h"
#include "memory.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_FAILURES = 3, MOST_KILLED = 100,       /* starts in a row: that came to nothing by themselves, or were killed from outside */
       GRACE_MS = 2000 };

/* ---- the channel of a worker: used by the fiber of the attempt that it runs ---- */

static bool channel_write(void *channel, const uint8_t *bytes, size_t size)
{
    pn_worker *w = channel;
    while (size > 0) {
        size_t done = sk_ring_write(&w->to, bytes, size);
        bytes += done;
        size -= done;
        sk_bell_ring(&w->page->bell);
        while (size > 0 && sk_ring_writable(&w->to) == 0) {
            if (w->to.broken || !w->run || w->run->died)
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
    while ((done = sk_ring_read(&w->from, bytes, room)) == 0) {
        if (w->from.broken || !w->run || w->run->died)
            return 0;
        w->run->listens = true;
        pn_leave_fiber(w->run);
    }
    sk_bell_ring(&w->page->bell);          /* it may have waited for room */
    return done;
}

/* ---- starting ---- */

static void tell_attendant(pnode *n)
{
    uint64_t one = 1;
    while (write(n->wake_fd, &one, sizeof one) < 0)
        if (errno == EAGAIN)
            return;                        /* it has been told already */
        else if (errno != EINTR)
            sk_die(NULL, NULL, 1, "backend processes: the thread that attends to worker processes cannot be woken: write: %s", strerror(errno));
}

bool pn_want_worker(pnode *n)
{
    if (n->up + n->starting >= n->most)
        return false;
    for (unsigned i = 0; i < n->nslots; i++) {
        pn_worker *w = &n->workers[i];
        if (w->state != PN_NONE)
            continue;
        if (!w->has_arena) {
            pthread_mutex_lock(&n->store_lock);
            bool ok = sk_shm_add(n->store, w->slot + 1, &n->start_error);
            pthread_mutex_unlock(&n->store_lock);
            if (!ok) {
                n->most = n->up + n->starting;
                return false;
            }
            w->has_arena = true;
        }
        w->state = PN_WANTED;
        n->used = MAX(n->used, i + 1);
        n->starting++;
        tell_attendant(n);
        return true;
    }
    return false;
}

static bool fail(sk_error *err, const char *what)
{
    return sk_error_set(err, SK_LIMIT, "%s: %s%s", what, strerror(errno),
                        errno == EMFILE || errno == ENFILE ? "; allow more descriptors with `ulimit -n`" : "");
}

static int memory(size_t size, sk_error *err, void **at)
{
    int fd = memfd_create("skate", MFD_CLOEXEC);
    if (fd < 0) {
        fail(err, "memory to share with a worker: memfd_create");
        return -1;
    }
    if (ftruncate(fd, (off_t)size) != 0)
        fail(err, "memory to share with a worker: ftruncate");
    else if ((*at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
        fail(err, "memory to share with a worker: mmap");
    else
        return fd;
    close(fd);
    return -1;
}

static void fill_page(pn_worker *w)
{
    pnode *n = w->node;
    sk_worker_page *page = w->page;
    sk_bell_init(&page->bell);
    sk_ring_init(sk_worker_ring(page, 0), SK_WORKER_RING);
    sk_ring_init(sk_worker_ring(page, 1), SK_WORKER_RING);
    page->start = sk_session.start;
    page->seed = sk_session.settings.seed;
    page->workers = sk_session.settings.workers;
    page->driver = getpid();
    page->owner = w->slot + 1;
    page->owners = n->nslots + 1;
    page->stride = sk_shm_stride(n->store);
    page->large = sk_shm_large(n->store);
    page->memory = n->base.settings->worker_memory;
    page->labels = n->base.settings->prefix;
    page->out_of_memory = 0;
    page->last_words[0] = '\0';
    memset((void *)page->gates, SK_GATE_DONE, sizeof page->gates);
    w->sent = w->run_number = 0;
}

/* By the attendant, without the turn: nobody else touches a worker that is PN_WANTED. */
static bool start(pn_worker *w, sk_error *err)
{
    pnode *n = w->node;
    int sockets[2] = { -1, -1 }, room = -1, arena = -1;
    void *at = NULL;
    bool ok = false;
    char name[64];
    if ((room = memory(sk_worker_room(), err, &at)) < 0)
        return false;
    w->page = at;
    fill_page(w);
    pthread_mutex_lock(&n->store_lock);
    arena = sk_shm_descriptor(n->store, w->slot + 1, true, err);
    pthread_mutex_unlock(&n->store_lock);
    if (arena >= 0) {
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
            fail(err, "a socket to a worker");
        else {
            snprintf(name, sizeof name, "skate worker %u of %d", w->slot, (int)getpid());
            int fds[SK_WORKER_FDS] = { [SK_WORKER_ROOM] = room, [SK_WORKER_BELL] = n->bell_fd, [SK_WORKER_CONTROL] = sockets[1],
                                       [SK_WORKER_ARENA] = arena };
            ok = sk_child_start(&w->child, &(sk_child_spec){ .argv = (char *[]){ name, NULL }, .env = (const char *[]){ "SKATE_WORKER=1", NULL },
                                                             .fds = fds, .nfds = SK_WORKER_FDS }, err);
        }
    }
    close(room);
    if (arena >= 0)
        close(arena);
    if (sockets[1] >= 0)
        close(sockets[1]);
    if (!ok) {
        if (sockets[0] >= 0)
            close(sockets[0]);
        munmap(w->page, sk_worker_room());
        w->page = NULL;
        return false;
    }
    w->control = sockets[0];
    sk_ring_open(&w->to, sk_worker_ring(w->page, 0), SK_WORKER_RING);
    sk_ring_open(&w->from, sk_worker_ring(w->page, 1), SK_WORKER_RING);
    sk_wire_init(&w->wire, -1);
    w->wire.channel = w;
    w->wire.write = channel_write;
    w->wire.read = channel_read;
    w->wire.place = pn_place;
    w->wire.blob_at = pn_blob_at;
    w->fns = g_ptr_array_new();
    w->arenas = g_new0(uint8_t, n->nslots + 1);
    w->lacks_arenas = false;
    w->arenas[w->slot + 1] = true;
    char prefix[40];
    snprintf(prefix, sizeof prefix, "(pid=%d) ", (int)w->child.pid);
    sk_lines_init(&w->out, stdout, n->base.settings->prefix ? prefix : NULL);
    sk_lines_init(&w->err, stderr, n->base.settings->prefix ? prefix : NULL);
    w->prints = true;
    return true;
}

void pn_idle(pnode *n, pn_worker *w)
{
    w->next_idle = n->idle;
    n->idle = w;
}

/* Its first frame. */
void pn_hello(pnode *n, pn_worker *w)
{
    sk_msg m;
    bool ok = sk_wire_receive(&w->wire, &m) && m.type == SK_WIRE_HELLO && m.number == SK_WIRE_VERSION && m.word == sk_fn_fingerprint();
    sk_msg_clear(&m);
    if (w->state == PN_UP) {               /* an idle one has nothing to say */
        sk_child_kill(&w->child, SIGKILL);
        return;
    }
    if (!ok)
        sk_die(NULL, NULL, 1, "backend processes: a worker process has other remote functions than the driver; was the program built again while it "
               "ran?");
    w->state = PN_UP;
    w->failures = 0;
    n->starting--;
    if (++n->up > n->up_peak)
        n->up_peak = n->up;
    pn_idle(n, w);
    pn_assign(n);
}

/* ---- arenas ---- */

bool pn_give_arena(pn_worker *w, unsigned owner)
{
    if (w->arenas[owner])
        return true;
    sk_error err;
    pthread_mutex_lock(&w->node->store_lock);
    int fd = sk_shm_descriptor(w->node->store, owner, false, &err);
    pthread_mutex_unlock(&w->node->store_lock);
    if (fd < 0) {
        fprintf(stderr, "skate: processes: %s\n", err.message);
        w->lacks_arenas = true;
        return false;                      /* then the bytes travel */
    }
    sk_arena_message message = { owner };
    struct iovec part = { &message, sizeof message };
    union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room };
    control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    ssize_t sent;
    do
        sent = sendmsg(w->control, &m, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    close(fd);
    w->arenas[owner] = sent == sizeof message;
    return w->arenas[owner];
}

/* ---- ends ---- */

/* A program may have closed its end. */
static void drain(sk_lines *lines, int *fd)
{
    if (*fd >= 0 && !sk_lines_read(lines, *fd)) {
        close(*fd);
        *fd = -1;
    }
}

void pn_drain_output(pnode *n, pn_worker *w)
{
    pthread_mutex_lock(&n->output);
    if (w->prints) {
        drain(&w->out, &w->child.out);
        drain(&w->err, &w->child.err);
    }
    pthread_mutex_unlock(&n->output);
}

static void clear(pnode *n, pn_worker *w)
{
    pthread_mutex_lock(&n->output);
    if (w->prints) {
        sk_lines_clear(&w->out);
        sk_lines_clear(&w->err);
    }
    w->prints = false;
    sk_child_close(&w->child);
    pthread_mutex_unlock(&n->output);
    if (w->page) {
        sk_wire_clear(&w->wire);
        g_ptr_array_free(w->fns, TRUE);
        g_free(w->arenas);
        munmap(w->page, sk_worker_room());
        close(w->control);
    }
    w->page = NULL;
    w->control = -1;
}

static void take_from_idle(pnode *n, pn_worker *w)
{
    for (pn_worker **at = &n->idle; *at; at = &(*at)->next_idle)
        if (*at == w) {
            *at = w->next_idle;
            return;
        }
}

static bool was_killed(const pn_worker *w) { return !w->child.taken && WIFSIGNALED(w->child.status) && WTERMSIG(w->child.status) == SIGKILL; }

/* Has the kernel killed it for want of memory? It counts whom it has, but not by name: each death that is not our doing takes one of those that are
 * new. More can be left over for others of our processes, which may have died with it, and no more. */
static bool is_for_memory(pnode *n, const pn_worker *w)
{
    int64_t kills = was_killed(w) && !w->doomed ? sk_memory_kills("") : -1;
    if (kills < 0 || kills <= n->kills)
        return false;
    n->kills = MAX(n->kills + 1, kills - (int64_t)(n->up + n->starting));
    return true;
}

static sk_code describe(const pn_worker *w, char *how, size_t room)
{
    char fate[200], *words = w->page->last_words;
    bool killed = is_for_memory(w->node, w);
    sk_child_fate(&w->child, fate, sizeof fate);
    words[sizeof w->page->last_words - 1] = '\0';
    if (killed)
        snprintf(words, sizeof w->page->last_words, "by the kernel's OOM killer: memory had run out, of the machine or of its control group");
    snprintf(how, room, "its process (%d) %s%s%s", (int)w->child.pid, fate, *words ? ": " : "", words);
    return killed || w->page->out_of_memory ? SK_WORKER_OOM : SK_WORKER_DIED;
}

/* What it said before it died holds: tasks that it has ended have ended. */
static void hear_out(pnode *n, pn_worker *w)
{
    while (w->state == PN_UP && w->run && w->run->listens && !w->run->runnable && sk_ring_readable(&w->from)) {
        w->run->listens = false;
        pn_resume(n, w->run);
        while (n->free == w) {
            n->free = w->next_free;
            pn_run_next(n, w);
        }
    }
}

static void bury(pnode *n, pn_worker *w)
{
    char how[1200];
    bool was_up = w->state == PN_UP;
    int most = was_killed(w) ? MOST_KILLED : MOST_FAILURES;
    sk_code code = describe(w, how, sizeof how);
    pn_drain_output(n, w);
    hear_out(n, w);
    w->state = PN_GONE;                    /* not to be used again, whatever its attempt's end brings */
    take_from_idle(n, w);
    pn_take_back_all(n, w);
    if (was_up)
        n->up--;
    else
        n->starting--;
    if (w->run && !pn_move(n, w->run))
        pn_died(n, w->run, code, how);
    clear(n, w);
    w->state = PN_NONE;
    w->doomed = false;
    w->reaped = false;                     /* the place may be wanted again at once: it is not to be buried twice */
    if (!was_up && ++w->failures >= (unsigned)most)
        sk_die(NULL, NULL, 1, "backend processes: worker processes do not start: %s", how);
    bool is_needed = n->queue || n->up + n->starting < (unsigned)sk_session.settings.workers;
    if (is_needed && !atomic_load(&n->closing))
        pn_want_worker(n);
}

void pn_bury_gone(pnode *n)
{
    n->some_gone = false;
    for (unsigned i = 0; i < n->nslots; i++)
        if (n->workers[i].state != PN_NONE && n->workers[i].reaped)
            bury(n, &n->workers[i]);
    if (n->start_error.code && n->up + n->starting == 0)
        sk_die(NULL, NULL, 1, "backend processes: no worker process can be started: %s", n->start_error.message);
}

/* ---- the attendant ---- */

static void start_wanted(pnode *n)
{
    for (unsigned i = 0; i < n->nslots; i++) {
        pn_worker *w = &n->workers[i];
        pthread_mutex_lock(&n->turn);
        bool wanted = w->state == PN_WANTED && !atomic_load(&n->closing);
        pthread_mutex_unlock(&n->turn);
        if (!wanted)
            continue;
        sk_error err = { 0 };
        bool ok = start(w, &err);
        pthread_mutex_lock(&n->turn);
        w->state = ok ? PN_STARTING : PN_NONE;
        if (!ok) {
            n->starting--;
            n->start_error = err;
            n->most = n->up + n->starting;
            n->some_gone = true;
        }
        pthread_mutex_unlock(&n->turn);
        sk_bell_ring_anyway(n->bell);      /* it may have said hello already, when nobody listened to it */
    }
}

static void attend_to(pnode *n, pn_worker *w)
{
    pn_drain_output(n, w);
    pthread_mutex_lock(&n->turn);
    bool is_there = (w->state == PN_STARTING || w->state == PN_UP) && !w->reaped;      /* else buried since it was polled */
    pthread_mutex_unlock(&n->turn);
    if (!is_there || !sk_child_reap(&w->child, false))
        return;
    pthread_mutex_lock(&n->turn);
    w->reaped = true;
    n->some_gone = true;
    pthread_mutex_unlock(&n->turn);
    sk_bell_ring_anyway(n->bell);
}

static void *attend(void *data)
{
    pnode *n = data;
    struct pollfd *polled = calloc(1 + 3 * (size_t)n->nslots, sizeof *polled);
    pn_worker **who = calloc(1 + 3 * (size_t)n->nslots, sizeof *who);
    if (!polled || !who)
        abort();
    while (!atomic_load(&n->closing)) {
        start_wanted(n);
        nfds_t k = 0;
        polled[k++] = (struct pollfd){ .fd = n->wake_fd, .events = POLLIN };
        int timeout = -1;
        pthread_mutex_lock(&n->turn);
        pthread_mutex_lock(&n->output);
        for (unsigned i = 0; i < n->nslots; i++) {
            pn_worker *w = &n->workers[i];
            if ((w->state != PN_STARTING && w->state != PN_UP) || w->reaped)
                continue;
            if (w->child.pidfd < 0)        /* an old kernel: ask now and then */
                timeout = 20;
            const int fds[3] = { w->child.pidfd, w->child.out, w->child.err };
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
    void *at;
    n->bell_fd = memory(SK_WORKER_PAGE, err, &at);
    if (n->bell_fd < 0)
        return false;
    n->bell = at;
    sk_bell_init(n->bell);
    n->kills = sk_memory_kills("");
    n->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (n->wake_fd < 0)
        return fail(err, "eventfd");
    n->workers = calloc(n->nslots, sizeof *n->workers);
    if (!n->workers)
        abort();
    for (unsigned i = 0; i < n->nslots; i++)
        n->workers[i] = (pn_worker){ .node = n, .slot = i, .control = -1, .child = { .pidfd = -1, .out = -1, .err = -1 } };
    for (int i = 0; i < n->base.settings->workers; i++)
        if (!pn_want_worker(n)) {
            *err = n->start_error;
            return false;
        }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&n->attendant, NULL, attend, n);
    n->has_attendant = error == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return n->has_attendant || fail(err, "a thread to attend to worker processes");
}

/* They are asked to go; those that do not within two seconds are made to. */
void pn_workers_close(pnode *n)
{
    if (n->has_attendant) {
        tell_attendant(n);
        pthread_join(n->attendant, NULL);
    }
    for (unsigned i = 0; i < n->nslots; i++) {
        pn_worker *w = &n->workers[i];
        if (!w->page || w->reaped)
            continue;
        if (w->state != PN_UP || w->run || !sk_wire_add(&w->wire, &(sk_msg){ .type = SK_WIRE_BYE }) || !sk_wire_flush(&w->wire))
            sk_child_kill(&w->child, SIGKILL);
    }
    for (unsigned i = 0; i < n->nslots; i++) {
        pn_worker *w = &n->workers[i];
        if (w->page && !w->reaped) {
            struct pollfd end = { .fd = w->child.pidfd, .events = POLLIN };
            if (w->child.pidfd < 0 || poll(&end, 1, GRACE_MS) != 1)
                sk_child_kill(&w->child, SIGKILL);
            sk_child_reap(&w->child, true);
        }
        if (w->page)
            pn_drain_output(n, w);
        clear(n, w);
    }
    free(n->workers);
    n->workers = NULL;
    if (n->bell) {
        munmap(n->bell, SK_WORKER_PAGE);
        close(n->bell_fd);
    }
    if (n->wake_fd >= 0)
        close(n->wake_fd);
}
