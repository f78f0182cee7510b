/* session.c -- sk_init, sk_shutdown, and what happens when a program ends in other ways: Ctrl-C, a crash. */
#include "session.h"

#include "admit.h"
#include "crash.h"
#include "divert.h"
#include "fn.h"
#include "gantt.h"
#include "lineage.h"
#include "live.h"
#include "object.h"
#include "proxy.h"
#include "runfile.h"
#include "task.h"
#include "turnstile.h"
#include "wait.h"
#include "whose.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

sk_session_state sk_session;
static pid_t session_pid;                  /* of the process that called sk_init: a forked child's exit is its own affair */

/* ---- time ---- */

static int64_t monotonic(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t sk_session_now(void)
{
    const sk_backend_ops *ops = sk_session.backend->ops;
    return ops->now ? ops->now((sk_backend *)sk_session.backend) : monotonic() - sk_session.start;
}

int64_t sk_session_monotonic(void) { return monotonic() - sk_session.start; }

uint64_t sk_trace_now(void)
{
    return sk_session.backend ? (uint64_t)sk_session_now() : 0;
}

/* ---- across lanes ---- */

static void wake_one(sk_lane *lane, void *data)
{
    (void)data;
    if (sk_session.backend->ops->wake)
        sk_session.backend->ops->wake((sk_backend *)sk_session.backend,
                                      atomic_load_explicit(&lane->thread, acquire));     /* pairs with sk_thread_attach, sk_thread_set */
}

void sk_session_wake_all(void) { sk_lanes_visit(wake_one, NULL); }

bool sk_session_hold_contained(sk_ref ref) { return sk_lane_self->port->hold(ref); }
void sk_session_release_contained(sk_ref ref) { sk_lane_self->port->release(ref); }

sk_counts sk_session_counts(void)
{
    sk_lane sum;
    sk_lanes_sum(&sum);
#define GET(c) atomic_load_explicit(&sum.c, relaxed)
    sk_counts counts = {
        .tasks_submitted = GET(submitted), .tasks_done = GET(done), .tasks_failed = GET(failed),
        .tasks_cancelled = GET(cancelled), .attempts = GET(attempts), .retries = GET(retries),
        .objects_made = GET(made), .objects_live = GET(made) - GET(freed),
        .bytes_live = sk_store_live(), .bytes_peak = sk_store_peak(), .workers = sk_session.settings.workers, .threads = 1,
        .threads_peak = 1, .transfers = GET(transfers), .bytes_moved = GET(bytes_moved),
    };
#undef GET
    if (sk_session.backend->ops->counts && !sk_session.ending)
        sk_session.backend->ops->counts((sk_backend *)sk_session.backend, &counts);
    return counts;
}

void *sk_session_frame(void) { return sk_lane_self->frame; }

int64_t sk_session_running(void)
{
    sk_lane sum;
    sk_lanes_sum(&sum);
    return atomic_load_explicit(&sum.running, relaxed);
}

/* ---- the nodes' states ---- */

static uint8_t *node_states;               /* sk_node_state, of settings.nodes */

void sk_node_move(int node, sk_node_state from, sk_node_state to, int workers)
{
    if (node_states[node] != from)
        sk_die(NULL, NULL, 1, "skate is wrong: node %d moves from %d to %d, but is %d", node, from, to, node_states[node]);
    node_states[node] = (uint8_t)to;
    if (!sk_trace_on)
        return;
    sk_trace_lane *t = sk_lane_self->trace;
    *sk_trace_record_at(t, sk_trace_tick(), SK_TRACE_NODE, from << 4 | to, 1) = (uint64_t)(uint32_t)node << 32 | (uint32_t)workers;
    sk_trace_done(t);
}

bool sk_node_has_been(int node) { return node_states[node] != SK_NODE_NONE; }
bool sk_node_is_alive(int node) { return node_states[node] == SK_NODE_ALIVE; }

static void begin_nodes(void)
{
    const sk_backend_ops *ops = sk_session.backend->ops;
    size_t n = (size_t)sk_session.settings.nodes;
    node_states = calloc(n, 1);
    sk_node_info *info = calloc(n, sizeof *info);
    if (!node_states || !info)
        abort();
    info[0] = (sk_node_info){ 0, sk_session.settings.workers, true };
    if (ops->nodes)
        ops->nodes((sk_backend *)sk_session.backend, info, n);
    for (size_t i = 0; i < n; i++)
        if (info[i].alive)
            sk_node_move((int)i, SK_NODE_NONE, SK_NODE_ALIVE, info[i].workers);
    free(info);
}

static void end_nodes(void)
{
    for (int i = 0; i < sk_session.settings.nodes; i++)
        if (sk_node_is_alive(i))
            sk_node_move(i, SK_NODE_ALIVE, SK_NODE_DEAD, sk_session.settings.workers);
    free(node_states);
    node_states = NULL;
}

/* ---- ending by force ---- */

/* dprintf would take memory for its buffer: not in a signal. */
__attribute__((format(printf, 1, 2)))
static void say(const char *format, ...)
{
    char text[1400];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0 && write(STDERR_FILENO, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1) < 0)
        return;
}

static volatile sig_atomic_t says_running;  /* the heading is due before the first */

SK_NO_TSAN static void print_frames(sk_frame *f)
{
    for (; f && f->task; f = f->below) {
        if (says_running)
            say("\nskate: interrupted; running were:\n");
        says_running = false;
        say("  %s, submitted at %s:%d\n", sk_task_name_of(f->task), f->task->site->file, f->task->site->line);
    }
}

SK_NO_TSAN static void print_running(sk_lane *lane, void *data)
{
    (void)data;
    print_frames(lane->frame);
}

SK_NO_TSAN static void print_strand(sk_strand *strand, void *data)
{
    (void)data;
    print_frames(strand->frame);
}

static void flush_lane(sk_lane *lane, void *data)
{
    (void)data;
    sk_trace_flush_dying(lane->trace);
}

static void write_out(void)
{
    sk_runfile_remove();
    if (atomic_exchange(&sk_trace_is_on, false))
        sk_lanes_visit_dying(flush_lane, NULL);
    if (sk_session.trace_is_temporary)
        unlink(sk_session.settings.trace);
}

static void keep_lane(sk_lane *lane, void *data)
{
    (void)data;
    sk_trace_keep(lane->trace, lane == sk_lane_self && lane->trace == &lane->own_trace);
}

/* sk_die: nothing is broken but the program's plan. The log becomes a whole one that says so, and the chart is drawn that was asked for. */
static void write_whole(const char *why)
{
    if (!why || sk_session.ending || !sk_trace_stop()) {       /* NULL: from a signal, perhaps inside malloc */
        if (why && sk_session.trace_failed)
            fprintf(stderr, "skate: the run is over, without its log: %s\n", sk_session.trace_error.message);
        write_out();
        return;
    }
    sk_lane sum;
    sk_error err;
    sk_lanes_visit_dying(keep_lane, NULL);
    sk_lanes_sum_dying(&sum);
    if (!sk_trace_finish(why, atomic_load_explicit(&sum.submitted, relaxed), atomic_load_explicit(&sum.made, relaxed), &err))
        fprintf(stderr, "skate: %s\n", err.message);
    else if (sk_session.settings.gantt && !sk_gantt_print_file(stdout, sk_session.settings.trace, &err))
        fprintf(stderr, "skate: no Gantt chart: %s\n", err.message);
    write_out();
}

/* main returned, or somebody called exit(). */
static void at_exit(void)
{
    if (!sk_session.started || getpid() != session_pid)
        return;
    fprintf(stderr, "skate: the program ended without sk_shutdown: what had not run did not run%s\n",
            sk_trace_on ? ", and the log is not whole" : "");
    write_out();
}

static void on_interrupt(int sig, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    static volatile sig_atomic_t again;
    if (again++)
        _exit(128 + sig);
    says_running = true;
    sk_lanes_visit_dying(print_running, NULL);
    sk_strands_visit(print_strand, NULL);
    if (says_running)
        say("\nskate: interrupted; nothing was running\n");
    write_out();
    signal(sig, SIG_DFL);
    raise(sig);
}

/* Views of shared objects are the only memory that can be read and not written and that a student comes by. */
static void say_object(int sig, const void *address, const void *context)
{
    char what[1000], place[600];
    if ((sig != SIGSEGV && sig != SIGBUS) || !sk_whose_view(address, what, sizeof what))
        return;
    say("skate: it wrote into %s: objects are immutable, make a new one with sk_new_array\n", what);
    sk_crash_place(context, place, sizeof place);
    if (*place)
        say("skate: it did so %s\n", place);
}

void sk_session_crash(int sig, const void *address, const void *context)
{
    static volatile sig_atomic_t again;
    if (again++)
        _exit(128 + sig);
    sk_frame *f = sk_lane_self ? sk_lane_self->frame : NULL;
    say("\nskate: %s in %s%s\n", sigdescr_np(sig), f && f->task ? "task " : "the driver", f && f->task ? sk_task_name_of(f->task) : "");
    if (sk_lane_self)
        print_running(sk_lane_self, NULL);
    say_object(sig, address, context);
    void *frames[40];
    backtrace_symbols_fd(frames, backtrace(frames, 40), STDERR_FILENO);
    write_out();
    signal(sig, SIG_DFL);
    raise(sig);
}

static void on_crash(int sig, siginfo_t *info, void *context) { sk_session_crash(sig, info->si_addr, context); }

static const int interrupts[] = { SIGINT, SIGTERM }, crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

/* Ours only where the program has none, and none of a sanitizer's. */
static void handle(const int *signals, size_t n, void (*handler)(int, siginfo_t *, void *), bool on)
{
    for (size_t i = 0; i < n; i++) {
        struct sigaction old, new = { .sa_flags = SA_ONSTACK };
        if (on) {
            new.sa_sigaction = handler;
            new.sa_flags |= SA_SIGINFO;
        }
        sigaction(signals[i], NULL, &old);
        if (old.sa_flags & SA_SIGINFO ? !on && old.sa_sigaction == handler : on && old.sa_handler == SIG_DFL)
            sigaction(signals[i], &new, NULL);
    }
}

/* ---- start and stop ---- */

static void trace_begin(int argc, char **argv)
{
    const sk_settings *s = &sk_session.settings;
    sk_trace_lane *t = sk_lane_self->trace;
    char number[32];
    const char *program = argc > 0 ? argv[0] : program_invocation_name;
#define INFO(key, value) sk_trace_text(t, SK_TRACE_INFO, 0, NULL, 0, (const char *[]){ key, value }, 2)
    INFO("version", SK_VERSION);
    INFO("program", program);
    g_autofree char *executable = g_file_read_link("/proc/self/exe", NULL); /* `program` may be relative, or found by PATH */
    if (executable && access(executable, F_OK) == 0)                        /* not "... (deleted)", of one that was built anew since */
        INFO("executable", executable);
    INFO("backend", s->backend);
    snprintf(number, sizeof number, "%d", s->workers);
    INFO("workers", number);
    snprintf(number, sizeof number, "%d", s->nodes);
    INFO("nodes", number);
    snprintf(number, sizeof number, "%llu", (unsigned long long)s->seed);
    INFO("seed", number);
    INFO("time", !sk_trace_own_clock ? "real" : s->cost && strcmp(s->cost, "none") != 0 ? "measured" : "virtual");
    snprintf(number, sizeof number, "%d", (int)getpid());
    INFO("pid", number);
    INFO("resources", s->resources ? s->resources : "");
#undef INFO
    for (const sk_fn *fn = sk_fn_first(); fn; fn = fn->next) {
        uint64_t word = (uint64_t)fn->index << 32 | (uint32_t)fn->line;
        sk_trace_text(t, SK_TRACE_FUNCTION, 0, &word, 1, (const char *[]){ fn->name, fn->signature, fn->file }, 3);
    }
}

/* A program may be started without stdin, stdout or stderr. What is opened next, a trace or shared memory, would be taken for them, and
 * written into by printf. */
static void fill_standard_descriptors(void)
{
    int fd;
    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
        ;
    if (fd >= 0)
        close(fd);
}

static void begin_live(bool has_log)
{
    const sk_settings *s = &sk_session.settings;
    sk_error err = { .message = "nobody can watch this run: it has no log" };
    unsigned started = has_log ? sk_live_open(s->trace, s->gate, &err) : 0;
    if (!started) {
        fprintf(stderr, "skate: %s\n", err.message);
        sk_turnstile_set(false);
    }
    if (sk_session.trace_is_temporary && !s->gantt)
        unlink(s->trace);                         /* who watches has it open */
    sk_session.backend_threads += started;
}

void sk_init_at(sk_site *site, int *argc, char ***argv, const sk_config *config)
{
    sk_worker_divert(NULL);
    if (sk_session.started)
        sk_misuse(site, "sk_init: called twice; call sk_shutdown before a second sk_init");
    fill_standard_descriptors();
    sk_error err;
    sk_demand others;
    sk_session = (sk_session_state){ .ended_before = sk_session.ended_before, .init_site = site };
    sk_settings *s = &sk_session.settings;
    int full_argc = argc ? *argc : 0;
    char **full_argv = argv ? *argv : NULL;
    sk_settings_read(s, argc, argv, config);
    if (!sk_demand_parse(&others, s->resources, &err))
        sk_misuse(site, "--sk-resources: %s", err.message);
    const sk_backend_ops *ops = sk_backend_find(s->backend, &err);
    if (!ops)
        sk_misuse(site, "%s", err.message);
    sk_settings_for(s, ops, site);

    sk_fn_sort();
    sk_pool_init(&sk_object_pool, 1 << SK_OBJECT_SHIFT);
    sk_pool_init(&sk_task_pool, 1 << SK_TASK_SHIFT);
    sk_pool_init(&sk_big_task_pool, 1 << SK_BIG_TASK_SHIFT);
    sk_store_limit(s->store_bytes);
    sk_resource_pool pool;
    sk_resource_pool_init(&pool, (int64_t)s->workers * SK_UNITS, &others);
    size_t size = ((ops->size > sizeof *sk_session.backend ? ops->size : sizeof *sk_session.backend) + 63) & ~(size_t)63;
    sk_session.backend = aligned_alloc(64, size);
    if (!sk_session.backend)
        abort();
    memset(sk_session.backend, 0, size);
    *sk_session.backend = (struct sk_backend_base){ ops, s };
    sk_session.start = monotonic();
    sk_admit_open(&pool);
    sk_has_cluster = ops->spend != NULL;
    sk_lineage_clear();
    atomic_store(&sk_cancellations, 0);

    char log_file[] = "/tmp/skate-log-XXXXXX";
    s->live |= s->gate;
    if ((s->gantt || s->live) && !s->trace) {
        int fd = mkstemp(log_file);
        if (fd >= 0) {
            close(fd);
            s->trace = strdup(log_file);
            sk_session.trace_is_temporary = s->trace != NULL;
        }
    }
    sk_turnstile_open_session(s->gate, ops->can & SK_CAN_ISOLATE);
    sk_trace_own_clock = ops->can & SK_CAN_VIRTUAL_TIME;
    bool trace = s->trace && sk_trace_open(s->trace, &sk_session.trace_error);
    if (s->trace && !trace) {                     /* the run goes on; the exit says so again */
        sk_session.trace_failed = true;
        fprintf(stderr, "skate: %s; the run goes on without\n", sk_session.trace_error.message);
    }
    sk_session.started = true;
    session_pid = getpid();
    static bool registered;
    if (!registered)
        registered = atexit(at_exit) == 0;
    sk_lane_make("sk_init", NULL);
    if (ops->open && !ops->open((sk_backend *)sk_session.backend, s, &err))
        sk_misuse(site, "backend %s cannot start: %s", ops->name, err.message);
    if (trace)
        trace_begin(full_argc, full_argv);        /* after open, which may know better how many nodes and workers there are */
    begin_nodes();
    if (ops->started)
        ops->started((sk_backend *)sk_session.backend);
    if (s->live)
        begin_live(trace);
    sk_session.backend_threads += sk_runfile_open(full_argc > 0 && full_argv[0] ? full_argv[0] : program_invocation_name);
    sk_die_hook = write_whole;
    handle(interrupts, 2, on_interrupt, true);
    handle(crashes, 5, on_crash, true);
    const char *port = getenv("SKATE_PORT");
    if (port && !strcmp(port, "proxy"))
        sk_session.proxied = sk_proxy_start();
}

/* Objects that nobody will make any more: their dependants will not run. */
static void cancel_left(void)
{
    sk_counts counts = sk_session_counts();
    if (counts.tasks_submitted == counts.tasks_done + counts.tasks_failed + counts.tasks_cancelled)
        return;                                   /* the usual case: no need to look at all records */
    uint32_t chunks[2] = { atomic_load_explicit(&sk_task_pool.nchunks, acquire), atomic_load_explicit(&sk_big_task_pool.nchunks, acquire) };
    for (int big = 0; big < 2; big++)
        for (uint32_t number = 0; number < chunks[big] << SK_CHUNK_SHIFT; number++) {
            sk_task *t = sk_task_at(number | (big ? SK_BIG_TASK : 0));
            uint64_t word = atomic_load_explicit(&t->state, acquire);
            if ((number & (SK_CHUNK_RECORDS - 1)) && (sk_state_of(word) == SK_TASK_WAITING || sk_state_of(word) == SK_TASK_READY))
                sk_task_never(sk_lane_self, t, sk_generation_of(word), SK_TASK_CANCELLED, SK_CANCELLED, "never ran: the program ended");
        }
}

/* What the driver has made and not dropped. (Promises nobody fulfilled fail, so that what waits for them ends.) */
static void drop_all(sk_lane *lane)
{
    sk_frame_end(lane, lane->frame);
}

void sk_shutdown_at(sk_site *site)
{
    if (!sk_session.started)
        sk_misuse(site, sk_session.ended_before ? "sk_shutdown: called twice" : "sk_shutdown: called before sk_init");
    if (sk_lane_self && sk_lane_self->frame->task)
        sk_misuse(site, "sk_shutdown: called inside a task; only the driver ends the run");
    sk_lane *lane = sk_lane_get("sk_shutdown", NULL);
    if (sk_session.proxied)
        sk_proxy_stop();
    const sk_backend_ops *ops = sk_session.backend->ops;
    sk_backend *backend = (sk_backend *)sk_session.backend;
    sk_session.draining = true;
    if (sk_trace_on) {
        char now[32];
        snprintf(now, sizeof now, "%llu", (unsigned long long)sk_trace_now());
        sk_trace_text(lane->trace, SK_TRACE_INFO, 0, NULL, 0, (const char *[]){ "shutdown", now }, 2);
    }
    ops->drain(backend);
    cancel_left();
    ops->drain(backend);                          /* nothing should be left, but a retry may have been */
    sk_session.ending = true;
    drop_all(lane);
    if (ops->alloc)
        sk_lanes_drop_refs();
    sk_runfile_close();                           /* its thread asks the backend */
    sk_live_close();
    sk_turnstile_close_session();
    if (ops->close)
        ops->close(backend);
    handle(interrupts, 2, on_interrupt, false);
    handle(crashes, 5, on_crash, false);
    end_nodes();
    sk_counts counts = sk_session_counts();
    bool trace = sk_trace_on;
    sk_lanes_free_all();
    sk_error err;
    if (trace && !sk_trace_close(counts.tasks_submitted, counts.objects_made, &err))
        sk_session.trace_failed = true, sk_session.trace_error = err;
    if (sk_session.trace_failed)
        fprintf(stderr, "skate: the run is over, without its log: %s\n", sk_session.trace_error.message);
    else if (trace && sk_session.settings.gantt && !sk_gantt_print_file(stdout, sk_session.settings.trace, &err))
        fprintf(stderr, "skate: no Gantt chart: %s\n", err.message);
    if (sk_session.trace_is_temporary)
        unlink(sk_session.settings.trace);
    free(sk_session.backend);
    sk_admit_close();
    sk_store_clear();
    sk_lineage_clear();
    sk_pool_clear(&sk_object_pool);
    sk_pool_clear(&sk_task_pool);
    sk_pool_clear(&sk_big_task_pool);
    sk_settings_clear(&sk_session.settings);
    sk_session = (sk_session_state){ .ended_before = true };
    sk_die_hook = NULL;
}
