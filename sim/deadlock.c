/* deadlock.c -- nothing can happen any more, and somebody waits: who waits for whom?
 *
 * A backend calls sk_deadlock when it has proved that no task runs, none can, and no timed wait is under way. Then all lanes stand
 * still and their waits can be looked at. Blocked tasks are ended first: their failure reaches the driver with its chain.
 * Only if no task is blocked, the driver's own wait ends.                                                            */
#include "admit.h"
#include "session.h"
#include "wait.h"

#include <dirent.h>
#include <signal.h>

#if defined(__SANITIZE_THREAD__)
#define SK_HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SK_HAS_TSAN 1
#endif
#endif

enum { MOST_LINES = 40 };

enum { MOST_WAITS = 4096 };
static sk_wait *waits[MOST_WAITS];            /* of all lanes, while sk_deadlock looks */
static size_t nwaits;

static void collect_waits(sk_wait *wait, void *data)
{
    (void)data;
    for (sk_wait *w = wait; w && nwaits < sizeof waits / sizeof *waits; w = w->below)
        waits[nwaits++] = w;
}

static void collect_of_strand(sk_strand *strand, void *data)
{
    collect_waits(atomic_load_explicit(&strand->waiting, relaxed), data);
}

static void collect(sk_lane *lane, void *data)
{
    size_t *free_agents = data;
    if (!atomic_load_explicit(&lane->is_worker, relaxed) && !atomic_load_explicit(&lane->waiting, acquire))
        ++*free_agents;
    collect_waits(atomic_load_explicit(&lane->waiting, acquire), NULL);
}

static const sk_wait *wait_of(uint64_t task)
{
    for (size_t i = 0; i < nwaits; i++)
        if (waits[i]->task == task)
            return waits[i];
    return NULL;
}

static void describe_task(FILE *out, sk_task *t)
{
    fprintf(out, "%s (%s:%d)", sk_task_name_of(t), t->site->file, t->site->line);
}

/* From an awaited object along what it needs, until a task is met again or the trail ends. true: it ends at a promise. */
static bool describe(FILE *out, const sk_wait *wait)
{
    const sk_wait *w = wait;
    uint64_t seen[MOST_LINES];
    for (int line = 0; line < MOST_LINES; line++) {
        fprintf(out, "\n  ");
        if (w->task)
            describe_task(out, sk_task_at(w->task));
        else
            fprintf(out, "the driver");
        seen[line] = w->task;
        fprintf(out, " waits at %s:%d for ", w->site->file, w->site->line);
        sk_object *o = NULL;
        for (size_t i = 0; i < w->linked && !o; i++)
            if (!sk_object_is_sealed(w->links[i].object))
                o = w->links[i].object;
        /* down through arguments that are missing */
        while (o && o->producer) {
            sk_task *t = sk_task_at(o->producer);
            uint64_t word = atomic_load_explicit(&t->state, acquire);
            describe_task(out, t);
            if (sk_state_of(word) != SK_TASK_WAITING)
                break;
            sk_object *next = NULL;
            for (unsigned i = 0; i < t->nargs && !next; i++)
                if (sk_slot_is_pending(&t->args[i]) && !sk_object_is_sealed(t->args[i].pending.object))
                    next = t->args[i].pending.object;
            fprintf(out, ", which waits for its argument ");
            o = next;
        }
        if (!o || !o->producer) {
            if (o)
                fprintf(out, "a promise (%s:%d) that nobody is left to fulfil", o->site->file, o->site->line);
            return o != NULL;
        }
        uint64_t name = o->producer;
        sk_task *t = sk_task_at(name);
        uint64_t word = atomic_load_explicit(&t->state, acquire);
        if (sk_state_of(word) == SK_TASK_READY && t->extras) {
            char lacks[100];
            uint64_t holder = sk_admit_holder(t->extras, lacks, sizeof lacks);
            fprintf(out, ", which %s", lacks);
            if (!holder)
                return false;
            fprintf(out, ", held by ");
            describe_task(out, sk_task_at(holder));
            name = holder;
        }
        for (int i = 0; i <= line; i++)
            if (seen[i] == name) {
                fprintf(out, ": a cycle");
                return false;
            }
        w = wait_of(name);
        if (!w)
            return false;
    }
    return false;
}

/* ThreadSanitizer has a thread or two (after a fork) in the program. They are told by what they block: SIGSEGV, and all else. */
static bool is_of_sanitizer(const char *thread)
{
#if SK_HAS_TSAN
    char path[300], line[200];
    unsigned long long blocked = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
    FILE *status = fopen(path, "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
            break;
    if (status)
        fclose(status);
    return blocked >> (SIGSEGV - 1) & 1;
#else
    (void)thread;
    return false;
#endif
}

/* Threads of the program that Skate does not know, and that could fulfil a promise: those the kernel counts beyond ours. */
static size_t unknown_threads(size_t lanes)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/task");
    if (!dir)
        return 0;
    for (struct dirent *e; (e = readdir(dir)); )
        n += e->d_name[0] != '.' && !is_of_sanitizer(e->d_name);
    closedir(dir);
    return n > lanes ? n - lanes : 0;
}

static void count_lane(sk_lane *lane, void *data)
{
    *(size_t *)data += !lane->has_no_thread;
}

/* Does the lane go on when this wait ends? Only its innermost wait does. */
static bool is_innermost(const sk_wait *w)
{
    for (size_t i = 0; i < nwaits; i++)
        if (waits[i]->below == w)
            return false;
    return true;
}

size_t sk_deadlock(void)
{
    size_t ended = 0, free_agents = 0, lanes = 0;
    nwaits = 0;
    sk_lanes_visit(collect, &free_agents);
    sk_strands_visit(collect_of_strand, NULL);
    sk_lanes_visit(count_lane, &lanes);
    bool promises_may_come = !sk_session.draining && (free_agents || unknown_threads(lanes));
    for (int tasks = 1; tasks >= 0 && !ended; tasks--)
        for (size_t i = 0; i < nwaits; i++) {
            sk_wait *w = waits[i];
            if ((w->task != 0) != (tasks != 0) || w->deadline != SK_NEVER || sk_wait_over(w) || !is_innermost(w))
                continue;
            char *text = NULL;
            size_t size = 0;
            FILE *out = open_memstream(&text, &size);
            if (!out)
                abort();
            fprintf(out, "nothing can happen any more (deadlock):");
            bool promise = describe(out, w);
            fclose(out);
            if (promise && promises_may_come) {
                free(text);
                continue;
            }
            w->message = text;
            if (sk_trace_on)
                sk_trace_text(sk_lane_self->trace, SK_TRACE_NOTE, 0, NULL, 0, (const char *[]){ text }, 1);
            ended++;
        }
    /* All is described: only now may they go on. Once one is awake, it may end the waits of others, so none is looked at any more. */
    void *threads[MOST_WAITS];
    size_t nthreads = 0;
    for (size_t i = 0; i < nwaits; i++)
        if (waits[i]->message)
            threads[nthreads++] = atomic_load_explicit(&waits[i]->thread, relaxed);
    for (size_t i = 0; i < nwaits; i++)
        if (waits[i]->message)
            atomic_store_explicit(&waits[i]->code, SK_DEADLOCK, seq_cst);
    for (size_t i = 0; i < nthreads && sk_session.backend->ops->wake; i++)
        sk_session.backend->ops->wake((sk_backend *)sk_session.backend, threads[i]);
    return ended;
}
