/* live.c -- see live.h. Reading order: viewers; what they say; what they hear; the thread; open and close. */
#include "live.h"

#include "live_socket.h"
#include "session.h"
#include "trace.h"
#include "turnstile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4, PERIOD_MS = 20, REST_MS = 100, BASE_NS = 20000000, STACK = 128 << 10 };
static const int64_t PATIENCE_NS = 10000000000, AWAITED_NS = 2000000000;

bool (*sk_live_kill)(int node, int worker, char *why, size_t room);

typedef struct viewer {
    int fd;                                /* -1: none */
    bool holds;                            /* it has closed the gate */
    char line[SK_LIVE_LINE];               /* that is coming in */
    size_t n;
} viewer;

static viewer viewers[MOST];
static int listener = -1, wake = -1, log_fd = -1;
static pthread_t thread;
static bool has_thread, has_gate, was_closed;
static bool is_awaited;                    /* a viewer of this process is on its way, as `skate run --view` says */
static uint64_t was_waiting;
static int64_t opened_at;
static struct instant { uint64_t tick, ns; } first;
static bool is_full;                       /* no descriptor for another viewer: those that come wait */
static _Atomic bool is_closing;

/* ---- viewers ---- */

/* Lines are short, and what does not fit is not sent: the next "upto" says it too. */
static bool say(const viewer *v, const char *text) { return send(v->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)strlen(text); }

static void leave(viewer *v)
{
    close(v->fd);
    v->fd = -1;
    if (!v->holds)
        return;
    v->holds = false;
    for (int i = 0; i < MOST; i++)
        if (viewers[i].fd >= 0 && viewers[i].holds)
            return;
    sk_turnstile_set(false);
}

/* The same instant on both clocks: of some tries that between whose ticks the least time passed. */
static struct instant look_at_clocks(void)
{
    struct instant best = { 0, 0 };
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 8; i++) {
        uint64_t before = sk_trace_tick(), ns = sk_trace_now(), passed = sk_trace_tick() - before;
        if (passed < least) {
            least = passed;
            best = (struct instant){ before + passed / 2, ns };
        }
    }
    return best;
}

/* Nanoseconds per tick times 2^48. A viewer may come in the first milliseconds: it has to wait, for they are too few to measure by. */
static uint64_t scale(void)
{
    if (!sk_trace_counter)
        return (uint64_t)1 << 48;
    int64_t left = BASE_NS - (sk_session_monotonic() - opened_at);
    if (left > 0)
        nanosleep(&(struct timespec){ 0, left }, NULL);
    struct instant now = look_at_clocks();
    return (uint64_t)(((unsigned __int128)(now.ns - first.ns) << 48) / (now.tick - first.tick));
}

static void say_gate(const viewer *v)
{
    char text[60];
    snprintf(text, sizeof text, "gate %s %llu\n", was_closed ? "closed" : "open", (unsigned long long)was_waiting);
    say(v, text);
}

static void welcome(void)
{
    viewer *v = NULL, nobody = { .fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC) };
    is_full = nobody.fd < 0 && (errno == EMFILE || errno == ENFILE);
    if (nobody.fd < 0)
        return;
    for (int i = 0; i < MOST && !v; i++)
        if (viewers[i].fd < 0)
            v = &viewers[i];
    if (!sk_live_is_trusted(nobody.fd, false)) {
        say(&nobody, "no this run is another user's\n");
        close(nobody.fd);
        return;
    }
    if (!v) {
        say(&nobody, "no four viewers watch it already\n");
        close(nobody.fd);
        return;
    }
    *v = nobody;
    if (!sk_live_send_hello(v->fd, SK_LIVE_VERSION, scale(), has_gate ? "gate" : "-", log_fd)) {
        leave(v);
        return;
    }
    is_awaited = false;
    v->holds = was_closed;                 /* who comes while it is closed may open it, and opens it by leaving */
    if (has_gate)
        say_gate(v);
}

/* ---- what they say ---- */

static void obey(viewer *v, char *line)
{
    unsigned n;
    int node, worker, end = 0;
    char why[160] = "", answer[SK_LIVE_LINE];
    if (!strcmp(line, "gate open") || !strcmp(line, "gate closed")) {
        if (!has_gate) {
            say(v, "no tasks cannot be held back: the program was started without --sk-gate\n");
            return;
        }
        bool closes = !strcmp(line, "gate closed");
        for (int i = 0; i < MOST; i++)
            viewers[i].holds &= closes;    /* who opens it takes it from all that had closed it */
        v->holds = closes;
        sk_turnstile_set(closes);
    } else if (sscanf(line, "step %u%n", &n, &end) == 1 && !line[end] && n > 0) {
        sk_turnstile_step(n);
    } else if (sscanf(line, "kill %d %d%n", &node, &worker, &end) == 2 && !line[end]) {
        if (sk_live_kill ? sk_live_kill(node, worker, why, sizeof why)
                         : (snprintf(why, sizeof why, "on the backend %s a worker is no process that could be killed", sk_session.settings.backend), false))
            return;
        snprintf(answer, sizeof answer, "no %s\n", why);
        say(v, answer);
    } else {
        say(v, "no such command\n");
    }
}

static void hear(viewer *v)
{
    ssize_t n = recv(v->fd, v->line + v->n, sizeof v->line - v->n, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        leave(v);
        return;
    }
    v->n += (size_t)n;
    for (char *end; v->fd >= 0 && (end = memchr(v->line, '\n', v->n)); ) {
        *end = '\0';
        obey(v, v->line);
        size_t used = (size_t)(end + 1 - v->line);
        memmove(v->line, v->line + used, v->n -= used);
    }
    if (v->fd >= 0 && v->n == sizeof v->line) {
        say(v, "no such command: a line that does not end\n");
        leave(v);
    }
}

/* ---- what they hear ---- */

static void publish(sk_lane *lane, void *data)
{
    (void)data;
    sk_trace_publish(lane->trace);
}

static void renew(void)
{
    char text[60];
    /* Before it is looked at. Where one thread at a time has the turn, the log is in order as it is. */
    snprintf(text, sizeof text, "upto %lld\n", sk_trace_own_clock ? (long long)INT64_MAX : (long long)sk_trace_now());
    sk_lanes_visit(publish, NULL);
    bool closed = atomic_load(&sk_turnstile_closed);
    uint64_t waiting = sk_turnstile_waiting();
    bool changed = closed != was_closed || waiting != was_waiting;
    was_closed = closed;
    was_waiting = waiting;
    for (int i = 0; i < MOST; i++)
        if (viewers[i].fd >= 0) {
            say(&viewers[i], text);
            if (changed)
                say_gate(&viewers[i]);
        }
}

/* ---- the thread ---- */

static bool is_watched(void)
{
    for (int i = 0; i < MOST; i++)
        if (viewers[i].fd >= 0)
            return true;
    return false;
}

static void *serve(void *data)
{
    bool gate_is_due = *(bool *)data;
    free(data);
    int64_t awaited_until = 0;             /* at the end of a run that was shorter than the start of its viewer */
    for (;;) {
        bool closing = atomic_load(&is_closing);
        int64_t now = sk_session_monotonic();
        if (closing && !awaited_until)
            awaited_until = now + AWAITED_NS;
        if (closing && (!is_awaited || now >= awaited_until))
            break;
        struct pollfd polled[2 + MOST] = { { closing ? -1 : wake, POLLIN, 0 }, { listener, POLLIN, 0 } };
        for (int i = 0; i < MOST; i++)
            polled[2 + i] = (struct pollfd){ viewers[i].fd, POLLIN, 0 };       /* -1 is passed over */
        int64_t left = PATIENCE_NS - (now - opened_at);
        polled[1].fd = is_full ? -1 : listener;
        poll(polled, 2 + MOST, is_watched() || closing ? PERIOD_MS : is_full ? REST_MS : gate_is_due ? (int)(left > 0 ? left / 1000000 + 1 : 0) : -1);
        is_full = false;
        for (int i = 0; i < MOST; i++)
            if (viewers[i].fd >= 0 && polled[2 + i].revents)
                hear(&viewers[i]);
        if (polled[1].revents)
            welcome();
        if (is_watched()) {
            gate_is_due = false;
            renew();
        } else if (gate_is_due && left <= 0) {
            gate_is_due = false;
            fprintf(stderr, "skate: nobody has come to open the gate (skate view --attach %d): it opens\n", (int)getpid());
            sk_turnstile_set(false);
        }
    }
    for (int i = 0; i < MOST; i++)
        if (viewers[i].fd >= 0) {
            say(&viewers[i], "end\n");
            viewers[i].holds = false;
            leave(&viewers[i]);
        }
    return NULL;
}

/* ---- open and close ---- */

static void close_all(void)
{
    int *all[] = { &listener, &wake, &log_fd };
    for (int i = 0; i < 3; i++) {
        if (*all[i] >= 0)
            close(*all[i]);
        *all[i] = -1;
    }
}

unsigned sk_live_open(const char *log_path, bool gate, sk_error *err)
{
    for (int i = 0; i < MOST; i++)
        viewers[i].fd = -1;
    has_gate = was_closed = gate;
    was_waiting = 0;
    is_full = false;
    atomic_store(&is_closing, false);
    opened_at = sk_session_monotonic();
    const char *viewer_for = getenv("SKATE_VIEWER_FOR");
    is_awaited = viewer_for && atoi(viewer_for) == (int)getpid();
    if (sk_trace_counter)
        first = look_at_clocks();
    bool *due = malloc(sizeof *due);
    if (!due)
        abort();
    *due = gate;
    log_fd = open(log_path, O_RDONLY | O_CLOEXEC);
    wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sigset_t all, old;                     /* the program's signals are for its own threads */
    sigfillset(&all);
    int failed = log_fd < 0 || wake < 0 || (listener = sk_live_listen(MOST)) < 0 ? errno : 0;
    if (!failed) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
#ifndef SK_SANITIZED
        pthread_attr_setstacksize(&attributes, STACK);
#endif
        pthread_sigmask(SIG_SETMASK, &all, &old);
        failed = pthread_create(&thread, &attributes, serve, due);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        pthread_attr_destroy(&attributes);
    }
    has_thread = !failed;
    if (failed) {
        free(due);
        close_all();
        err->code = SK_MISUSE;
        snprintf(err->message, sizeof err->message, "nobody can watch this run: %s", strerror(failed));
        return 0;
    }
    return 1;
}

void sk_live_close(void)
{
    if (has_thread) {
        atomic_store(&is_closing, true);
        (void)!write(wake, &(uint64_t){ 1 }, sizeof(uint64_t));
        pthread_join(thread, NULL);
        has_thread = false;
        close_all();
    }
    sk_live_kill = NULL;
}
