/* process.c -- see process.h. */
#include "process.h"

#include "memory.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

bool sk_process_error(sk_error *err, const char *what)
{
    return sk_error_set(err, SK_LIMIT, "%s: %s%s", what, strerror(errno),
                        errno == EMFILE || errno == ENFILE ? "; allow more descriptors with `ulimit -n`" : "");
}

/* ---- what is shared ---- */

static int memory(size_t size, sk_error *err, void **at)
{
    int fd = memfd_create("skate", MFD_CLOEXEC);
    if (fd < 0) {
        sk_process_error(err, "memory to share with a worker: memfd_create");
        return -1;
    }
    if (ftruncate(fd, (off_t)size) != 0)
        sk_process_error(err, "memory to share with a worker: ftruncate");
    else if ((*at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
        sk_process_error(err, "memory to share with a worker: mmap");
    else
        return fd;
    close(fd);
    return -1;
}

sk_bell *sk_process_bell_new(int *fd, sk_error *err)
{
    void *at;
    *fd = memory(SK_WORKER_PAGE, err, &at);
    if (*fd < 0)
        return NULL;
    sk_bell_init(at);
    return at;
}

void sk_process_bell_free(sk_bell *bell, int fd)
{
    if (!bell)
        return;
    munmap(bell, SK_WORKER_PAGE);
    close(fd);
}

static void fill_page(sk_worker_page *page, const sk_process_spec *spec)
{
    sk_bell_init(&page->bell);
    sk_ring_init(sk_worker_ring(page, 0), SK_WORKER_RING);
    sk_ring_init(sk_worker_ring(page, 1), SK_WORKER_RING);
    page->start = spec->start;
    page->seed = spec->seed;
    page->workers = spec->workers;
    page->node = spec->node;
    page->driver = getpid();
    page->owner = spec->owner;
    page->owners = spec->owners;
    page->stride = spec->stride;
    page->large = spec->large;
    page->memory = spec->memory;
    page->labels = spec->labels;
    page->wakes = spec->wake > 0;
    page->headed = spec->headed;
    page->out_of_memory = 0;
    page->last_words[0] = '\0';
    memset((void *)page->gates, spec->headed ? SK_GATE_OPEN : SK_GATE_DONE, sizeof page->gates);
}

/* ---- its beginning ---- */

bool sk_process_start(sk_process *p, const sk_process_spec *spec, sk_error *err)
{
    int sockets[2] = { -1, -1 };
    void *at = NULL;
    bool ok = false;
    *p = SK_PROCESS_NONE;
    int room = memory(sk_worker_room(), err, &at);
    if (room < 0)
        return false;
    fill_page(at, spec);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
        sk_process_error(err, "a socket to a worker");
    else {
        int fds[SK_WORKER_FDS + 1] = { [SK_WORKER_WAKE] = spec->wake, [SK_WORKER_ROOM] = room, [SK_WORKER_BELL] = spec->bell, [SK_WORKER_CONTROL] = sockets[1],
                                   [SK_WORKER_ARENA] = spec->arena };
        ok = sk_child_start(&p->child, &(sk_child_spec){ .path = spec->path, .argv = (char *[]){ (char *)spec->name, NULL },
                                                         .env = (const char *[]){ "SKATE_WORKER=1", NULL }, .fds = fds, .nfds = SK_WORKER_FDS + (spec->wake > 0) }, err);
    }
    close(room);
    if (sockets[1] >= 0)
        close(sockets[1]);
    if (!ok) {
        if (sockets[0] >= 0)
            close(sockets[0]);
        munmap(at, sk_worker_room());
        return false;
    }
    p->page = at;
    p->control = sockets[0];
    sk_ring_open(&p->to, sk_worker_ring(p->page, 0), SK_WORKER_RING);
    sk_ring_open(&p->from, sk_worker_ring(p->page, 1), SK_WORKER_RING);
    p->arenas = g_new0(uint8_t, spec->owners);
    p->arenas[spec->owner] = true;
    char prefix[40];
    snprintf(prefix, sizeof prefix, "(pid=%d) ", (int)p->child.pid);
    p->prints = spec->out && spec->err;
    if (p->prints) {
        sk_lines_init(&p->out, spec->out, spec->labels ? prefix : NULL);
        sk_lines_init(&p->err, spec->err, spec->labels ? prefix : NULL);
    }
    return true;
}

/* ---- while it is there ---- */

bool sk_process_give_arena(sk_process *p, unsigned owner, int fd)
{
    sk_arena_message message = { owner };
    struct iovec part = { &message, sizeof message };
    union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room };
    control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    ssize_t sent;
    do
        sent = sendmsg(p->control, &m, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    p->arenas[owner] = sent == sizeof message;
    return p->arenas[owner];
}

/* A program may have closed its end. */
static void drain(sk_lines *lines, int *fd)
{
    if (*fd >= 0 && !sk_lines_read(lines, *fd)) {
        close(*fd);
        *fd = -1;
    }
}

void sk_process_drain(sk_process *p)
{
    if (!p->prints)
        return;
    drain(&p->out, &p->child.out);
    drain(&p->err, &p->child.err);
}

/* ---- its end ---- */

void sk_process_end(sk_process *p)
{
    struct pollfd end = { .fd = p->child.pidfd, .events = POLLIN };
    if (p->child.pidfd < 0 || poll(&end, 1, SK_PROCESS_GRACE_MS) != 1)
        sk_process_signal(p, SIGKILL);
    sk_process_reap(p, true);
}

void sk_process_clear(sk_process *p)
{
    if (p->prints) {
        sk_lines_clear(&p->out);
        sk_lines_clear(&p->err);
    }
    sk_child_close(&p->child);
    if (p->page) {
        g_free(p->arenas);
        munmap(p->page, sk_worker_room());
        close(p->control);
    }
    *p = SK_PROCESS_NONE;
}

/* ---- what it died of ---- */

bool sk_process_was_killed(const sk_process *p)
{
    const sk_child *c = &p->child;
    return !c->taken && WIFSIGNALED(c->status) && WTERMSIG(c->status) == SIGKILL;
}

void sk_process_kills_init(sk_process_kills *k) { k->known = sk_memory_kills(""); }

/* Has the kernel killed it for want of memory? */
static bool is_for_memory(sk_process_kills *k, unsigned alive)
{
    int64_t kills = sk_memory_kills("");
    if (kills < 0 || kills <= k->known)
        return false;
    k->known = MAX(k->known + 1, kills - (int64_t)alive);
    return true;
}

sk_code sk_process_fate(sk_process *p, sk_process_kills *kills, unsigned alive, char *how, size_t room)
{
    char fate[200], *words = p->page->last_words;
    bool killed = kills && sk_process_was_killed(p) && is_for_memory(kills, alive);
    sk_child_fate(&p->child, fate, sizeof fate);
    words[sizeof p->page->last_words - 1] = '\0';
    if (killed)
        snprintf(words, sizeof p->page->last_words, "by the kernel's OOM killer: memory had run out, of the machine or of its control group");
    snprintf(how, room, "its process (%d) %s%s%s", (int)p->child.pid, fate, *words ? ": " : "", words);
    return killed || p->page->out_of_memory ? SK_WORKER_OOM : SK_WORKER_DIED;
}
