/* worker.c -- a worker process of the backend `processes`: the same program as the driver's, diverted before main.
 *
 * The idea: it runs one body after the other. A frame RUN (sim/wire.h) names a function and brings arguments; the body runs as anywhere
 * else, in a frame of its own; its calls of Skate go to the node through the proxy, as those of any remote program do; RAN brings the answers. The
 * worker knows nothing: all that a program can observe is decided in the node's graph.
 *
 * Large values are not sent. They lie in the store that the node and its workers map: sealed ones can only be read here. What this worker
 * makes lies in an arena of its own; a block of it can be written from its allocation (ALLOC) until the task ends, which is when a result is
 * sealed: then that mapping is withdrawn. (What sk_put copies is never the program's to write.) Blocks that are not handed over go back.
 *
 * A worker that dies takes nothing along: its rings have one writer each, no lock is shared, and what it had made belongs to the node.
 *
 * Reading order: the channel; the store; a body; crashes; the beginning. */
#include "worker.h"

#include "child.h"
#include "crash.h"
#include "error.h"
#include "fn.h"
#include "lines.h"
#include "memory.h"
#include "node.h"
#include "proxy.h"
#include "session.h"
#include "shm.h"
#include "spin.h"
#include "task.h"
#include "whose.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
    sk_worker_page *page;
    sk_bell *node;                        /* the node's */
    sk_ring_end in, out;
    int wake;                             /* to ring the node by; -1: its bell alone */
    struct stat wakes;                    /* what that was */
    int control;
    sk_shm_map store;
    const sk_fn **fns;                    /* by index */
    size_t nfns;
    struct { char *block; size_t size; bool handed_over; } *own;      /* what this task may write to */
    size_t nown, own_room;
    const sk_msg *running;                /* for the handler of crashes */
    uint8_t number;                      /* of the last RUN that has come */
    int64_t began;
    struct { uint64_t at, size; bool is_whole; } foreseen;        /* a block that has come with the task; size 0: none */
    bool wrote;                           /* to stdout, since its last task */
    sk_spin spin;                         /* its node is not where tasks come from */
    pid_t pid;                            /* a child that a task has forked has all this, too */
    struct stat pipes[2];                 /* stdout and stderr */
    char prefix[SK_LINES_PREFIX];         /* that their lines have now */
} w;

static int64_t monotonic(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- the channel ---- */

/* Spins for a while, then sleeps until the node has done something. */
static bool wait_until(bool (*is_there)(void))
{
    int64_t end = 0;
    sk_spin_found(&w.spin);
    while (!is_there() && !w.in.broken && !w.out.broken) {
        for (int i = 0; !w.page->headed && i < 50 && !is_there(); i++)
            sk_pause();
        if (!end)
            end = monotonic() + SK_SPIN_NS;
        if (w.page->headed ? sk_spin_on(&w.spin) : monotonic() < end)
            continue;
        uint32_t ticket = sk_bell_listen(&w.page->bell);
        if (!is_there())
            sk_bell_sleep(&w.page->bell, ticket, SK_NEVER);
        sk_bell_awake(&w.page->bell);
    }
    return !w.in.broken && !w.out.broken;
}

/* Takes the descriptor out of the way of tasks, which may close all that they find, and open others: those get the lowest numbers that are free. So at
 * this one nobody else's comes to stand by chance, an eventfd of the task's even less; what is no eventfd shows. */
static int out_of_the_way(int fd)
{
    enum { HIGH = 900 };                   /* most processes may have 1024 */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, limit.rlim_cur > HIGH + 1 ? HIGH : (int)limit.rlim_cur - 1);
    if (high < 0)
        return fd;
    close(fd);
    return high;
}

/* By the descriptor, if it is still there: a task may have closed it, and opened something else, which must not be written to. Else by the bell, which
 * somebody hears (ear.h). */
static void ring_node(void)
{
    struct stat now;
    if (!sk_bell_is_awaited(w.node))
        return;
    bool is_there = w.wake >= 0 && fstat(w.wake, &now) == 0 && now.st_ino == w.wakes.st_ino && now.st_dev == w.wakes.st_dev;
    sk_bell_ring_by(w.node, is_there ? w.wake : -1);
}

static bool can_read(void)  { return sk_ring_readable(&w.in) > 0; }
static bool can_write(void) { return sk_ring_writable(&w.out) > 0; }

static bool channel_write(void *channel, const uint8_t *bytes, size_t n)
{
    (void)channel;
    while (n > 0) {
        size_t done = sk_ring_write(&w.out, bytes, n);
        if (done == 0 && !wait_until(can_write))
            return false;
        bytes += done;
        n -= done;
        ring_node();
    }
    return true;
}

static size_t channel_read(void *channel, uint8_t *bytes, size_t room)
{
    (void)channel;
    size_t n = sk_ring_read(&w.in, bytes, room);
    if (n == 0 && wait_until(can_read))
        n = sk_ring_read(&w.in, bytes, room);
    if (sk_ring_was_full(&w.in, n))
        ring_node();                       /* it may wait for room */
    return n;
}

/* ---- the store ---- */

/* Of blobs in the store, all but those that this task writes to and has not handed over. */
static bool is_counted_elsewhere(const sk_blob *blob)
{
    if (!sk_shm_map_contains(&w.store, blob))
        return false;
    for (size_t i = 0; i < w.nown; i++)
        if (w.own[i].block == (const char *)blob)
            return w.own[i].handed_over;
    return true;
}

static void lock(size_t i)
{
    if (!sk_shm_map_lock(&w.store, w.own[i].block, w.own[i].size)) {
        fprintf(stderr, "skate: a worker cannot withdraw the mapping of an object that is sealed (%s); it ends\n", strerror(errno));
        _exit(70);                         /* rather than let anyone write there */
    }
    w.own[i] = w.own[--w.nown];
}

/* A block that has come with the task, and is not taken by now, would be missed while the task waits. */
static void give_back_foreseen(void)
{
    if (!w.foreseen.size)
        return;
    w.foreseen.size = 0;
    sk_proxy_add(&(sk_msg){ .type = SK_WIRE_FREE, .word = w.foreseen.at });
}

/* Where there is room. */
static bool ask_for(size_t size, uint64_t *at)
{
    bool is_whole = w.foreseen.is_whole;
    if (w.foreseen.size == size) {
        w.foreseen.size = 0;
        *at = w.foreseen.at;
    } else {
        const sk_msg *a = sk_proxy_ask(&(sk_msg){ .type = SK_WIRE_ALLOC, .word = size }, SK_WIRE_PLACED);
        if (a->code != SK_OK)
            return sk_error_set(&sk_alloc_error, a->code, "%s", a->text ? a->text : "?");
        *at = a->word;
        is_whole = a->flag;
    }
    if (is_whole && !sk_shm_map_in_place(&w.store))
        return sk_error_set(&sk_alloc_error, SK_STORE_FULL, "a worker cannot map its objects for writing: %s", strerror(errno));
    return true;
}

static void *worker_alloc(sk_backend *self, size_t size)
{
    (void)self;
    uint64_t at;
    if (size < SK_PLACED_MIN)
        return sk_store_alloc(size);
    if (!ask_for(size, &at))
        return NULL;
    char *block = w.store.stage + (at - w.page->owner * w.page->stride);
    for (size_t i = 0; i < w.nown; i++)
        if (w.own[i].block == block) {     /* handed over, and come back already */
            lock(i);
            break;
        }
    if (sk_shm_map_unlock(&w.store, sk_shm_map_at(&w.store, at), size) != block) {
        sk_error_set(&sk_alloc_error, SK_STORE_FULL, "a worker cannot map %zu bytes for writing: %s", size, strerror(errno));
        return NULL;                       /* the node takes the block back when the task ends */
    }
    if (w.nown == w.own_room) {
        w.own_room = w.own_room ? 2 * w.own_room : 16;
        w.own = realloc(w.own, w.own_room * sizeof *w.own);
        if (!w.own)
            abort();
    }
    w.own[w.nown].block = block;
    w.own[w.nown].handed_over = false;
    w.own[w.nown++].size = size;
    return block;
}

static void worker_free(sk_backend *self, void *bytes, size_t size)
{
    (void)self;
    if (!sk_shm_map_contains(&w.store, bytes)) {
        sk_store_free(bytes, size);
        return;
    }
    for (size_t i = 0; i < w.nown; i++)
        if (w.own[i].block == bytes) {
            lock(i);
            sk_proxy_add(&(sk_msg){ .type = SK_WIRE_FREE, .word = sk_shm_map_offset(&w.store, bytes) });
            return;
        }
}

/* Handed over, if it is ours: from now on the node counts, and when the task ends it cannot be written any more. The lowest bit says that this
 * task still has references to it (places are multiples of a page). */
static bool place_of(void *data, sk_blob *blob, uint64_t *at)
{
    (void)data;
    if (!sk_shm_map_contains(&w.store, blob))
        return false;
    *at = sk_shm_map_offset(&w.store, blob);
    for (size_t i = 0; i < w.nown; i++)
        if (w.own[i].block == (char *)blob) {
            *at |= !w.own[i].handed_over && atomic_load_explicit(&blob->refs, relaxed) > 1;
            w.own[i].handed_over = true;
            break;
        }
    return true;
}

/* Arenas arrive on the control socket before the first value that lies in them. */
static void receive_arena(void)
{
    sk_arena_message message;
    struct iovec part = { &message, sizeof message };
    union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control;
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room };
    ssize_t n;
    do
        n = recvmsg(w.control, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    struct cmsghdr *c = n == sizeof message ? CMSG_FIRSTHDR(&m) : NULL;
    if (!c || c->cmsg_type != SCM_RIGHTS)
        _exit(0);                          /* the driver is gone */
    int fd;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    sk_error err;
    if (!sk_shm_map_add(&w.store, message.owner, fd, false, &err))
        sk_die(NULL, NULL, 1, "worker: %s", err.message);
}

static sk_blob *blob_at(void *data, sk_type type, uint64_t at)
{
    (void)data;
    (void)type;
    unsigned owner = (unsigned)(at / w.page->stride);
    if (owner >= w.page->owners)
        return NULL;
    while (!sk_shm_map_has(&w.store, owner))
        receive_arena();
    return sk_shm_map_at(&w.store, at);
}

static const sk_backend_ops worker_ops = { .version = SK_BACKEND_VERSION, .name = "worker", .size = sizeof(struct sk_backend_base),
                                           .alloc = worker_alloc, .free = worker_free };

/* ---- a body ---- */

static sk_failure *bad_answer(const sk_task *t, const sk_value *out)
{
    for (unsigned i = 0; i < t->fn->nreturns; i++)
        if (out[i].type == SK_T_BAD)
            return sk_failure_new(strstr(out[i].why, "store") ? SK_STORE_FULL : SK_TASK, t->site, NULL, "%s: answer %u: %s",
                                  sk_task_name_of(t), i + 1, out[i].why);
    return NULL;
}

/* The answers, or why there are none. */
static void say_ran(sk_task *t, sk_code code, sk_value *out, sk_failure *why)
{
    sk_lane *lane = sk_lane_self;
    sk_frame_end(lane, lane->frame);       /* first: it may have something to say to the node */
    fflush(stdout);
    bool wrote = w.wrote;
    w.wrote = false;
    uint64_t took = (uint64_t)(monotonic() - w.began);
    sk_msg m = { .type = SK_WIRE_RAN, .code = code, .flag = wrote, .word = took, .failure = why };
    if (code == SK_OK) {
        m.nvalues = t->fn->nreturns;
        memcpy(m.values, out, m.nvalues * sizeof *out);
    }
    sk_wire *wire = sk_proxy_wire();
    if (!sk_wire_add(wire, &m)) {          /* too large for a frame */
        m = (sk_msg){ .type = SK_WIRE_RAN, .code = SK_STORE_FULL, .flag = wrote, .word = took };
        m.failure = sk_failure_new(SK_STORE_FULL, t->site, NULL, "%s: %s", sk_task_name_of(t), wire->error.message);
        sk_wire_add(wire, &m);
        sk_failure_unref(m.failure);
    }
    sk_proxy_task_ended();                 /* before the answers go: their refs are the server's */
    for (unsigned i = 0; code == SK_OK && i < t->fn->nreturns; i++)
        if (out[i].type != SK_T_REF)
            sk_value_clear(&out[i]);
    while (w.nown)
        lock(w.nown - 1);
}

/* Only where the pipes are that this worker was born with: a task may have closed them, and opened something else there. */
static void label_output(const sk_task *t)
{
    char prefix[SK_LINES_PREFIX], label[SK_LINES_LABEL], node[24] = "";
    if (!w.page->labels)
        return;
    if (sk_node())                         /* else it is the driver's: its pid is enough */
        snprintf(node, sizeof node, " node=%d", sk_node());
    snprintf(prefix, sizeof prefix, "(%.200s pid=%d%s) ", sk_task_name_of(t), (int)w.pid, node);
    if (!strcmp(prefix, w.prefix))
        return;
    strcpy(w.prefix, prefix);
    size_t size = sk_lines_label(label, prefix);
    for (int fd = 1; fd <= 2; fd++) {
        struct stat now;
        if (fstat(fd, &now) == 0 && now.st_ino == w.pipes[fd - 1].st_ino && now.st_dev == w.pipes[fd - 1].st_dev)
            (void)!write(fd, label, size);
    }
}

static void run_body(sk_msg *m)
{
    static sk_task *t;                     /* what messages say of the running task */
    static sk_extras extras;
    sk_lane *lane = sk_lane_self;
    if (!t && !(t = calloc(1, sizeof *t)))
        abort();
    if (m->number < 1 || m->number > w.nfns || m->nvalues != w.fns[m->number - 1]->nargs)
        sk_die(NULL, NULL, 1, "%s: the node names a function that is not here", sk_code_name(SK_PROTOCOL));
    bool is_sound;
    w.number++;
    if (w.page->headed)
        atomic_store(&w.page->gates[(uint8_t)(w.number + SK_GATES_AHEAD)], SK_GATE_OPEN);
    if (!sk_gate_pass(&w.page->gates[w.number], &is_sound)) {     /* sent ahead, and had back */
        sk_msg_clear(m);
        if (!is_sound)
            sk_die(NULL, NULL, 1, "a worker: what it shares with the node has been written to");
        return;
    }
    w.began = monotonic();
    w.foreseen.at = m->block_at;
    w.foreseen.size = m->block_size;
    w.foreseen.is_whole = m->flag;
    t->fn = w.fns[m->number - 1];
    t->site = m->site;
    char name[200];
    snprintf(name, sizeof name, "%s", m->text ? m->text : "");
    extras.name = name;
    extras.deadline = SK_NEVER;
    t->extras = m->text ? &extras : NULL;
    sk_frame frame = { .below = lane->frame, .task = t, .id = m->id, .seed = m->word, .random = m->word, .worker = (int)m->more,
                       .node = (int)w.page->node, .handles = lane->nhandles, .scratch = lane->nscratch };
    lane->frame = &frame;
    w.running = m;
    sk_proxy_task_begins();
    for (unsigned i = 0; i < m->nvalues; i++)
        if (m->values[i].type == SK_T_REF)
            sk_proxy_knows(m->values[i].ref);
    sk_value out[SK_MAX_RETURNS];
    sk_failure *why = NULL;
    sk_code code = SK_OK;
    label_output(t);
    sk_memory_forget();
    if (!sk_frame_run(&frame, t->fn, m->values, out)) {
        why = frame.failure;
        code = why ? why->code : SK_CANCELLED;
    } else if ((why = bad_answer(t, out))) {
        code = why->code;
        for (unsigned i = 0; i < t->fn->nreturns; i++)
            if (out[i].type != SK_T_REF)
                sk_value_clear(&out[i]);
    }
    w.running = NULL;
    say_ran(t, code, out, why);
    lane->frame = frame.below;
    sk_failure_unref(why);
    sk_msg_clear(m);
}

/* ---- crashes ---- */

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return;
}

/* Which value that this task has got lies there? Its arguments are known by number, what it has got by the line. */
static void name_object(const void *address, char *text, size_t room)
{
    const sk_msg *m = w.running;
    char what[400];
    for (unsigned i = 0; m && i < m->nvalues; i++) {
        const sk_blob *b = sk_type_has_blob(m->values[i].type) ? m->values[i].blob : NULL;
        if (b && (uintptr_t)address - (uintptr_t)b < sizeof *b + b->size) {
            sk_whose_describe(b, what, sizeof what);
            snprintf(text, room, "argument %u %s", i + 1, what);
            return;
        }
    }
    const sk_blob *got = sk_whose_found(address);
    if (got)
        sk_whose_describe(got, what, sizeof what);
    snprintf(text, room, "an object %s", got ? what : "that it has put or handed over");
}

/* Is it want of memory that ends this process? Then the node is told: the body's doing, or that of what brings its arguments. */
static bool note_memory(void)
{
    if (getpid() != w.pid || !sk_memory_has_run_out(w.page->last_words, sizeof w.page->last_words))
        return false;
    w.page->out_of_memory = 1;
    return true;
}

/* A body calls exit(): perhaps because malloc gave it nothing. (A worker itself leaves by _exit.) */
static void on_exit_of_a_body(void) { note_memory(); }

/* What the node is told besides the signal. */
static void explain(int sig, const siginfo_t *info, const void *context, char *text, size_t room)
{
    bool is_object = (sig == SIGSEGV || sig == SIGBUS) && sk_shm_map_contains(&w.store, info->si_addr);
    char place[270], object[420];
    if (!is_object && note_memory())
        snprintf(object, sizeof object, "%.400s; ", w.page->last_words);
    else
        *object = '\0';
    sk_crash_place(context, place, sizeof place);
    if (is_object) {
        name_object(info->si_addr, object, sizeof object);
        snprintf(text, room, "it wrote into %s: objects are immutable, make a new one with sk_new_array; %s", object, place);
    } else {
        snprintf(text, room, "%s%s", object, place);
    }
}

static void on_crash(int sig, siginfo_t *info, void *context)
{
    char why[sizeof w.page->last_words], line[900];
    explain(sig, info, context, why, sizeof why);
    if (getpid() == w.pid)
        memcpy(w.page->last_words, why, sizeof why);
    const sk_frame *f = sk_lane_self ? sk_lane_self->frame : NULL;
    const char *task = f && f->task ? sk_task_name_of(f->task) : "no task";
    snprintf(line, sizeof line, "\nskate: %s in task %s", sigdescr_np(sig), task);
    say(line);
    if (f && f->task && f->task->site) {
        snprintf(line, sizeof line, ", submitted at %s:%d", f->task->site->file, f->task->site->line);
        say(line);
    }
    say(*why ? ": " : "");
    say(why);
    say("\n");
    void *frames[40];
    backtrace_symbols_fd(frames, backtrace(frames, 40), STDERR_FILENO);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void on_die(const char *why)
{
    if (!why || !sk_lane_self || !w.running)
        return;
    char text[2000];                       /* a frame's text has a limit */
    snprintf(text, sizeof text, "%s", why);
    sk_proxy_add(&(sk_msg){ .type = SK_WIRE_DIE, .number = (uint32_t)sk_die_status, .text = text });
    fflush(stdout);
    sk_proxy_flush();
}

static void catch_crashes(void)
{
    void *warm[1];
    backtrace(warm, 1);                    /* loads what it needs now: not in a signal */
    for (size_t i = 0; i < 6; i++) {
        int sig = (const int[]){ SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP }[i];       /* SIGTRAP: GLib's way to abort */
        struct sigaction had, now = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK };
        sigaction(sig, NULL, &had);
        if (had.sa_handler == SIG_DFL)     /* else a sanitizer's */
            sigaction(sig, &now, NULL);
    }
}

/* ---- the beginning ---- */

/* What goes to stdout is noted, so that the driver has it before the task's answers; a line at a time, so that a crash loses little. */
static ssize_t write_out(void *cookie, const char *bytes, size_t size)
{
    (void)cookie;
    w.wrote = true;
    return write(STDOUT_FILENO, bytes, size);
}

static void watch_stdout(void)
{
    FILE *out = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = write_out });
    if (!out)
        return;
    setvbuf(out, NULL, _IOLBF, 64 << 10);
    stdout = out;
}

static void *map(int fd, size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        fprintf(stderr, "skate: a worker cannot map what it shares with the node: %s\n", strerror(errno));
        _exit(70);
    }
    close(fd);
    return p;
}

static void limit_memory(void)
{
    sk_error err;
    if (w.page->memory && !sk_memory_limit(w.page->memory, &err)) {
        snprintf(w.page->last_words, sizeof w.page->last_words, "%.500s", err.message);
        _exit(70);
    }
    sk_memory_go_first();
    sk_memory_watch();
    atexit(on_exit_of_a_body);
}

/* A child that a task has forked has this process's memory, but is not this worker. */
static void in_forked_child(void) { sk_lane_self = NULL; }

static void make_session(void)
{
    static struct sk_backend_base base;
    sk_session = (sk_session_state){ .started = true, .is_worker = true, .start = w.page->start };
    sk_session.settings = (sk_settings){ .backend = "processes", .nodes = 1, .workers = w.page->workers, .seed = w.page->seed };
    base = (struct sk_backend_base){ &worker_ops, &sk_session.settings };
    sk_session.backend = &base;
    sk_pool_init(&sk_object_pool, 1 << SK_OBJECT_SHIFT);
    sk_pool_init(&sk_task_pool, 1 << SK_TASK_SHIFT);
    sk_pool_init(&sk_big_task_pool, 1 << SK_BIG_TASK_SHIFT);
    w.nfns = sk_fn_sort();
    w.fns = calloc(w.nfns + 1, sizeof *w.fns);
    if (!w.fns)
        abort();
    for (const sk_fn *fn = sk_fn_first(); fn; fn = fn->next)
        w.fns[fn->index - 1] = fn;
    sk_lane_make("a worker", NULL);
}

static void open_store(void)
{
    sk_error err;
    if (!sk_shm_map_open(&w.store, w.page->stride, w.page->owners, &err)
        || !sk_shm_map_add(&w.store, w.page->owner, 3 + SK_WORKER_ARENA, true, &err))
        sk_die(NULL, NULL, 1, "worker: %s", err.message);
    w.store.large = w.page->large;
    sk_shared_store.is_counted_elsewhere = is_counted_elsewhere;
    sk_shared_store.remembers_gets = true;
}

void sk_worker_main(const char *text)
{
    if (!strcmp(text, "node"))
        sk_node_main();
    if (strcmp(text, "1") != 0) {          /* by hand, perhaps */
        fprintf(stderr, "skate: SKATE_WORKER=%s: this is not a worker's order\n", text);
        _exit(70);
    }
    w.page = map(3 + SK_WORKER_ROOM, sk_worker_room());
    w.node = map(3 + SK_WORKER_BELL, SK_WORKER_PAGE);
    w.control = 3 + SK_WORKER_CONTROL;
    fcntl(w.control, F_SETFD, FD_CLOEXEC);
    w.wake = w.page->wakes ? 3 + SK_WORKER_WAKE : -1;
    if (w.wake >= 0) {
        w.wake = out_of_the_way(w.wake);
        fcntl(w.wake, F_SETFD, FD_CLOEXEC);
        fstat(w.wake, &w.wakes);
    }
    sk_child_adopt(w.page->driver);
    sk_ring_open(&w.in, sk_worker_ring(w.page, 0), SK_WORKER_RING);
    sk_ring_open(&w.out, sk_worker_ring(w.page, 1), SK_WORKER_RING);
    w.pid = getpid();
    fstat(1, &w.pipes[0]);
    fstat(2, &w.pipes[1]);
    watch_stdout();
    make_session();
    open_store();
    pthread_atfork(NULL, NULL, in_forked_child);
    sk_wire *wire = sk_proxy_begin_worker();
    wire->write = channel_write;
    wire->read = channel_read;
    wire->place = place_of;
    wire->blob_at = blob_at;
    wire->headers_out = w.page->headed;
    sk_proxy_before_ask = give_back_foreseen;
    sk_die_hook = on_die;
    catch_crashes();
    limit_memory();
    sk_proxy_add(&(sk_msg){ .type = SK_WIRE_HELLO, .text = "skate", .number = SK_WIRE_VERSION, .word = sk_fn_fingerprint() });
    for (sk_msg m;;) {
        if (!sk_wire_flush(wire) || !sk_proxy_next(&m))
            break;
        if (m.type == SK_WIRE_RUN)
            run_body(&m);
        else if (m.type == SK_WIRE_BYE)
            break;
        else
            sk_msg_clear(&m);              /* ENDED, of a task that had left already */
    }
    fflush(NULL);
    _exit(0);
}
