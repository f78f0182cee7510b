/* virtual_watch.c -- two things a task's body can do to the simulation from which nothing recovers: never give it a turn, and overflow its
 * stack. Both end the program with the task's name and its submit line.
 *
 * The idea of the watchdog: one timer rings each time the process has used a quarter of the patience (of cpu time: a stopped or
 * debugged program uses none), and looks whether the simulation has resumed any fiber since. A switch costs the watchdog one increment.
 * The idea of the other: below each stack lies a guard that faults (fiber.h); the handler knows whose it is.
 *
 * Both run as signal handlers, in any thread of the program, perhaps inside malloc or stdio: so they write with write(2), and what they
 * look at is the simulation's, not the thread's. */
#include "virtual.h"

#include "session.h"
#include "task.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { RINGS = 4, DEFAULT_PATIENCE = 10 };

static vcluster *watched;                  /* one session at a time */
static struct sigaction had_alarm, had_fault[2];
static const int faults[2] = { SIGSEGV, SIGBUS };
static const char *patience_text;
static uint64_t seen;                      /* switches when the timer rang last */
static int rings;                          /* since there was one */

/* ---- the end ---- */

__attribute__((format(printf, 1, 2)))
SK_NO_TSAN static _Noreturn void end(const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0 && write(STDERR_FILENO, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1) < 0)
        _exit(1);
    if (sk_die_hook)
        sk_die_hook(NULL);
    _exit(1);
}

/* ---- a body that does not yield ---- */

SK_NO_TSAN static void ring(int sig)
{
    (void)sig;
    vcluster *v = watched;
    run *r = v ? v->current : NULL;
    if (!r || v->switches != seen) {
        rings = 0;
        seen = v ? v->switches : 0;
        return;
    }
    if (++rings < RINGS)
        return;
    sk_task *t = sk_task_at(r->task);
    end("%s:%d: %s, submitted here, has run for %s seconds of cpu time without giving the simulation a turn. Does it wait for a global variable "
        "(%s, %s:%d)? On virtual nothing else runs meanwhile, and no time passes: wait for refs, or call sk_sleep. If it only computes for so "
        "long: --sk-patience=SECONDS or SKATE_PATIENCE, 0 to wait for ever\n", t->site->file, t->site->line, sk_task_name_of(t), patience_text,
        t->fn->name, t->fn->file, t->fn->line);
}

static bool watch(vcluster *v, const char *patience, sk_error *err)
{
    char *stop = NULL;
    double seconds = patience ? strtod(patience, &stop) : DEFAULT_PATIENCE;
    if (stop && (stop == patience || *stop || !(seconds >= 0 && seconds <= 1e6)))
        return sk_error_set(err, SK_MISUSE, "--sk-patience=%.100s: give seconds (of cpu time, for one task without a turn), or 0 for no limit",
                            patience);
    int64_t ns = sk_ns_of(seconds / RINGS);
    patience_text = patience ? patience : "10";
    struct sigaction action = { .sa_handler = ring, .sa_flags = SA_ONSTACK | SA_RESTART };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM };
    struct itimerspec each = { .it_value = { ns / 1000000000, ns % 1000000000 }, .it_interval = { ns / 1000000000, ns % 1000000000 } };
    if (ns == 0)
        return true;
    seen = 0;                              /* what a session before this one has left says nothing about it */
    rings = 0;
    v->has_watchdog = sigaction(SIGVTALRM, &action, &had_alarm) == 0
                      && timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &v->watchdog) == 0
                      && timer_settime(v->watchdog, 0, &each, NULL) == 0;
    return true;
}

/* ---- a stack that overflows ---- */

/* Not a fault of ours: whoever was asked before us has it. */
SK_NO_TSAN static void pass_on(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *had = &had_fault[sig == faults[1]];
    if (had->sa_flags & SA_SIGINFO)
        had->sa_sigaction(sig, info, context);
    else if (had->sa_handler == SIG_DFL || had->sa_handler == SIG_IGN)
        sk_session_crash(sig, info->si_addr, context);
    else
        had->sa_handler(sig);
}

SK_NO_TSAN static void fault(int sig, siginfo_t *info, void *context)
{
    sk_fiber *fiber = watched ? sk_fiber_guard_hit(info->si_addr) : NULL;
    if (!fiber) {
        pass_on(sig, info, context);
        return;
    }
    size_t size;
    sk_fiber_stack(fiber, &size);
    const run *r = sk_fiber_arg(fiber);
    sk_task *t = sk_task_at(r->task);
    end("%s:%d: %s, submitted here, has overflowed its stack of %zu KiB (%s, %s:%d). Does it recurse without end? If it needs more: "
        "--sk-stack-bytes=%zuK or SKATE_STACK_BYTES; large arrays are better made with sk_new_array or malloc\n", t->site->file,
        t->site->line, sk_task_name_of(t), (size + 1023) / 1024, t->fn->name, t->fn->file, t->fn->line, 4 * ((size + 1023) / 1024));
}

/* ---- open and close ---- */

bool sk_virtual_watch(vcluster *v, const char *patience, sk_error *err)
{
    watched = v;
    struct sigaction action = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    for (int i = 0; i < 2; i++)
        sigaction(faults[i], &action, &had_fault[i]);
    return watch(v, patience, err);
}

void sk_virtual_unwatch(vcluster *v)
{
    if (watched != v)
        return;
    if (v->has_watchdog) {
        timer_delete(v->watchdog);
        struct sigaction ignore = { .sa_handler = SIG_IGN };       /* a ring under way */
        sigaction(SIGVTALRM, &ignore, NULL);
        sigaction(SIGVTALRM, &had_alarm, NULL);
    }
    for (int i = 0; i < 2; i++)
        sigaction(faults[i], &had_fault[i], NULL);
    watched = NULL;
}
