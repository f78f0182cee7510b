/* window_live.c -- see window_live.h. */
#include "window_live.h"

#include <glib.h>
#include <unistd.h>

enum { NICE = 10 }; /* the run comes first: where it has work for all processors, the window is left a twentieth of them */
enum { AT_ONCE = 2000, BUDGET_US = 5000, STARTS_MS = 10000 };

static void append(void *model, const sk_event *e) { sk_model_take(model, e); }

/* A part at a time, so that a window that comes late to a long run stays alive while it catches up: a third of a picture's time. */
static uint32_t take(void *of, sk_model *m)
{
    sk_watch *l = of;
    gint64 end = g_get_monotonic_time() + BUDGET_US;
    if (l->far)
        sk_far_reap(l->far);
    uint32_t n = 0, more;
    do
        n += more = (uint32_t)sk_attach_read(l->attach, append, m, AT_ONCE);
    while (more == AT_ONCE && g_get_monotonic_time() < end);
    const sk_attach_status *s = sk_attach_status_of(l->attach);
    l->window.fd = more == AT_ONCE ? -1 : sk_attach_fd(l->attach);
    if (s->state != SK_ATTACH_RUNS)
        l->window.gate = NULL, l->window.release = NULL, l->window.kill = NULL;
    if (s->state != SK_ATTACH_RUNS && n == 0)
        l->window.take = NULL; /* nothing more comes */
    return n;
}

static const char *status(void *of)
{
    sk_watch *l = of;
    const sk_attach_status *s = sk_attach_status_of(l->attach);
    if (s->state == SK_ATTACH_ENDED)
        return "the run has ended";
    if (s->state == SK_ATTACH_LOST && l->far)
        g_snprintf(l->status, sizeof l->status, "%s is gone, or the way to it", l->name);
    else if (s->state == SK_ATTACH_LOST)
        return "the program is gone: it crashed, or was killed";
    else if (s->gate_is_closed)
        g_snprintf(l->status, sizeof l->status, "%s; the gate is closed: Space opens it, . lets one task through", l->name);
    else
        g_snprintf(l->status, sizeof l->status, "%s runs", l->name);
    return l->status;
}

static const char *refusal(void *of)
{
    sk_watch *l = of;
    const sk_attach_status *s = sk_attach_status_of(l->attach);
    bool fresh = s->refusals != l->refusals;
    l->refusals = s->refusals;
    return fresh ? s->refusal : NULL;
}

/* What was asked for is taken to be so until the program has spoken of its gate. */
static bool is_held(void *of)
{
    sk_watch *l = of;
    const sk_attach_status *s = sk_attach_status_of(l->attach);
    l->asks &= s->gates == l->gates && s->refusals == l->refusals && s->state == SK_ATTACH_RUNS;
    return l->asks ? l->wants : s->gate_is_closed;
}

static bool gate(void *of, bool held)
{
    sk_watch *l = of;
    l->asks = true, l->wants = held, l->gates = sk_attach_status_of(l->attach)->gates;
    return sk_attach_gate(l->attach, held);
}

static bool release(void *of) { return sk_attach_step(((sk_watch *)of)->attach, 1); }
static bool kill_worker(void *of, uint32_t node, int worker) { return sk_attach_kill(((sk_watch *)of)->attach, (int)node, worker); }

static sk_watch *watch(sk_attach *a, sk_far *far)
{
    (void)!nice(NICE);
    sk_watch *l = g_new0(sk_watch, 1);
    l->attach = a;
    l->far = far;
    l->name = far ? g_strdup(sk_far_name(far)) : g_strdup_printf("process %d", (int)sk_attach_status_of(a)->pid);
    l->window = (sk_window_live){ .of = l, .fd = sk_attach_fd(a), .take = take, .status = status, .kill = kill_worker, .refusal = refusal };
    if (sk_attach_status_of(a)->has_gate)
        l->window.is_held = is_held, l->window.gate = gate, l->window.release = release;
    return l;
}

sk_watch *sk_watch_open(int pid, bool starts, sk_error *err)
{
    sk_attach *a = starts ? sk_attach_wait(pid, STARTS_MS, err) : sk_attach_open(pid, err);
    return a ? watch(a, NULL) : NULL;
}

sk_watch *sk_watch_open_far(const char *address, const char *secret_file, sk_error *err)
{
    sk_far *far = sk_far_open(address, secret_file, err);
    sk_attach *a = far ? sk_attach_open(sk_far_pid(far), err) : NULL;
    if (a)
        return watch(a, far);
    sk_far_close(far);
    return NULL;
}

void sk_watch_close(sk_watch *l)
{
    if (!l)
        return;
    sk_attach_close(l->attach);
    sk_far_close(l->far);
    g_free(l->name);
    g_free(l);
}
