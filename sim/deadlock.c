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

enum { MOST_WAITS = 4096, MOST_VISITS = 256, MOST_LINES = 12, MOST_OTHERS = 6 };
static sk_wait *waits[MOST_WAITS];            /* of all lanes, while sk_deadlock looks */
static sk_wait *by_task[MOST_WAITS];          /* the innermost of each task, in the order of their names */
static size_t nwaits, ntasks;
static struct { uint64_t below, above; } stacked[MOST_WAITS];     /* a task that waits for one which it runs itself, on its stack */
static size_t nstacked;

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
    sk_wait *wait = atomic_load_explicit(&lane->waiting, acquire);
    collect_waits(wait, NULL);
    for (sk_frame *f = wait ? lane->frame : NULL; f && f->below && nstacked < MOST_WAITS; f = f->below) {
        stacked[nstacked].below = f->below->id;
        stacked[nstacked++].above = f->id;
    }
}

static int by_name(const void *left, const void *right)
{
    uint64_t a = (*(sk_wait *const *)left)->task, b = (*(sk_wait *const *)right)->task;
    return a < b ? -1 : a > b;
}

static void index_waits(void)
{
    ntasks = 0;
    for (size_t i = 0; i < nwaits; i++)
        if (waits[i]->task)
            by_task[ntasks++] = waits[i];
    qsort(by_task, ntasks, sizeof *by_task, by_name);
}

static const sk_wait *wait_of(uint64_t task)
{
    sk_wait key = { .task = task }, *at = &key;
    sk_wait **found = bsearch(&at, by_task, ntasks, sizeof *by_task, by_name);
    return found ? *found : NULL;
}

/* ---- Who waits for whom: a way from one waiter on, along what each needs ----------------------------------------
 *
 * A step of the way is a task (or the driver) and what it needs next: an object that is not there, so in the end the task that makes
 * it; or a resource, so the task that holds it. The way ends at a promise, or at a task that is on it already: a cycle.      */

typedef struct step {
    uint64_t task;                   /* 0: the driver */
    const sk_wait *wait;             /* it is blocked in this; NULL: it has not started */
    const sk_object *object;         /* it needs this */
    uint64_t holder;                 /* or what this task holds */
    uint64_t above;                  /* or this task, which it runs itself */
    char lacks[100];
    size_t others;                   /* it waits for so many objects besides */
} step;

typedef struct way {
    step steps[MOST_VISITS];         /* from the waiter on */
    int n, visits;
    int cycle;                       /* steps from here on are a cycle; -1: none */
    bool first_only;                 /* of several objects; else all are tried, until one leads to a cycle */
} way;

static bool is_missing(sk_object *o) { return o && !sk_object_is_sealed(o); }

static void say_task(FILE *out, uint64_t name)
{
    sk_task *t = sk_task_at(name);
    const char *slash = strrchr(t->site->file, '/');
    fprintf(out, "%s (%s:%d)", sk_task_name_of(t), slash ? slash + 1 : t->site->file, t->site->line);
}

static const char *file_of(const sk_site *site)
{
    const char *slash = strrchr(site->file, '/');
    return slash ? slash + 1 : site->file;
}

static bool follow(way *w, uint64_t task, const sk_wait *wait);

/* The step goes on to this task. true: a cycle is closed. */
static bool follow_to(way *w, uint64_t task)
{
    for (int i = 0; i < w->n; i++)
        if (w->steps[i].task == task && task) {
            w->cycle = i;
            return true;
        }
    return w->visits < MOST_VISITS && follow(w, task, wait_of(task));
}

static bool follow_objects(way *w, step *s, sk_object *const *objects, size_t n)
{
    int here = w->n;
    for (size_t i = 0; i < (w->first_only ? 1 : n); i++) {
        s->object = objects[i];
        w->n = here;
        if (objects[i]->producer && follow_to(w, objects[i]->producer))
            return true;
    }
    return false;
}

/* Puts the task on the way, and what it needs. true: the way has come to a cycle. */
static bool follow(way *w, uint64_t task, const sk_wait *wait)
{
    enum { MOST_OBJECTS = 16 };
    step *s = &w->steps[w->n++];
    w->visits++;
    *s = (step){ .task = task, .wait = wait };
    sk_object *missing[MOST_OBJECTS];
    size_t n = 0, all = 0;
    sk_task *t = task ? sk_task_at(task) : NULL;
    if (wait) {
        for (size_t i = 0; i < wait->linked; i++)
            if (is_missing(wait->links[i].object) && all++ < MOST_OBJECTS)
                missing[n++] = wait->links[i].object;
    } else if (sk_state_of(atomic_load_explicit(&t->state, acquire)) == SK_TASK_WAITING) {
        for (unsigned i = 0; i < t->nargs; i++)
            if (sk_slot_is_pending(&t->args[i]) && is_missing(t->args[i].pending.object) && all++ < MOST_OBJECTS)
                missing[n++] = t->args[i].pending.object;
    } else if (sk_state_of(atomic_load_explicit(&t->state, acquire)) == SK_TASK_READY) {
        const sk_backend_ops *ops = sk_session.backend->ops;
        if (ops->holder)
            s->holder = ops->holder((sk_backend *)sk_session.backend, (sk_task_name){ task }, s->lacks, sizeof s->lacks).id;
        else if (t->extras)
            s->holder = sk_admit_holder(t->extras, s->lacks, sizeof s->lacks);
        return s->holder && follow_to(w, s->holder);
    }
    for (size_t i = 0; !all && i < nstacked; i++)
        if (stacked[i].below == task && task) {
            s->above = stacked[i].above;
            return follow_to(w, s->above);
        }
    s->others = all ? all - 1 : 0;
    return n && follow_objects(w, s, missing, n);
}

/* ---- In words --------------------------------------------------------------------------------------------------- */

/* "gpu=1,licence=0.5 "; what a task keeps while it waits. */
static void say_resources(FILE *out, const sk_task *t, const char *before, const char *after)
{
    char number[32];
    if (!t->extras || !t->extras->demand.n)
        return;
    for (int i = 0; i < t->extras->demand.n; i++)
        fprintf(out, "%s%s=%s", i ? "," : before, t->extras->demand.amounts[i].name,
                sk_units_text(t->extras->demand.amounts[i].units, number, sizeof number));
    fprintf(out, "%s", after);
}

static void say_object(FILE *out, const sk_object *o, size_t others)
{
    if (!o)
        fprintf(out, "nothing");
    else if (o->producer)
        say_task(out, o->producer);
    else
        fprintf(out, "a promise (%s:%d) that nobody is left to fulfil", file_of(o->site), o->site->line);
    if (others)
        fprintf(out, " and %zu more", others);
}

static void say_step(FILE *out, const step *s)
{
    fprintf(out, "\n  ");
    if (!s->task)
        fprintf(out, "the driver");
    else
        say_task(out, s->task);
    if (s->wait) {
        if (s->task)
            say_resources(out, sk_task_at(s->task), " holds ", " and");
        fprintf(out, " waits at %s:%d for ", file_of(s->wait->site), s->wait->site->line);
        say_object(out, s->object, s->others);
    } else if (s->above) {
        fprintf(out, " waits for ");
        say_task(out, s->above);
        fprintf(out, " and runs it itself");
    } else if (s->object) {
        fprintf(out, " has not started: it waits for its argument from ");
        say_object(out, s->object, s->others);
    } else {
        fprintf(out, " has not started: it ");
        say_resources(out, sk_task_at(s->task), "asks for ", " and ");
        fprintf(out, "%s", *s->lacks ? s->lacks : "waits for a worker");
        if (s->holder) {
            fprintf(out, ", held by ");
            say_task(out, s->holder);
        }
    }
}

static bool is_on(const way *w, const sk_wait *wait)
{
    for (int i = 0; i < w->n; i++)
        if (w->steps[i].wait == wait)
            return true;
    return false;
}

/* Everything about one wait that is to end. true: its way ends at a promise. */
static bool describe(FILE *out, const sk_wait *wait)
{
    static way w;
    w = (way){ .cycle = -1 };
    if (!follow(&w, wait->task, wait)) {
        w = (way){ .cycle = -1, .first_only = true };
        follow(&w, wait->task, wait);
    }
    for (int i = 0; i < w.n; i++) {
        if (w.n > MOST_LINES && i == MOST_LINES / 2) {
            fprintf(out, "\n  ... %d more ...", w.n - MOST_LINES);
            i = w.n - MOST_LINES / 2;
        }
        say_step(out, &w.steps[i]);
    }
    if (w.cycle >= 0) {
        fprintf(out, "\n  a cycle: ");
        for (int i = w.cycle; i < w.n; i++) {
            if (w.n - w.cycle > MOST_LINES && i - w.cycle == MOST_LINES / 2) {
                fprintf(out, "... -> ");
                i = w.n - MOST_LINES / 2;
            }
            say_task(out, w.steps[i].task);
            fprintf(out, " -> ");
        }
        say_task(out, w.steps[w.cycle].task);
        return false;
    }
    /* No cycle to be seen: perhaps one of these would have fulfilled the promise. */
    size_t others = 0;
    for (size_t i = 0; i < nwaits; i++)
        if (!is_on(&w, waits[i]) && waits[i]->task && others++ < MOST_OTHERS) {
            way *other = &w;
            int n = w.n;
            if (n == MOST_VISITS)
                continue;
            other->visits = MOST_VISITS;         /* one step only */
            follow(other, waits[i]->task, waits[i]);
            fprintf(out, others == 1 ? "\n  meanwhile:" : "");
            say_step(out, &other->steps[n]);
            w.n = n;
        }
    if (others > MOST_OTHERS)
        fprintf(out, "\n  and %zu more tasks wait", others - MOST_OTHERS);
    const step *last = &w.steps[w.n - 1];
    return last->object && !last->object->producer;
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
    nwaits = nstacked = 0;
    sk_lanes_visit(collect, &free_agents);
    sk_strands_visit(collect_of_strand, NULL);
    index_waits();
    sk_lanes_visit(count_lane, &lanes);
    bool promises_may_come = !sk_session.draining && (free_agents || unknown_threads(lanes + sk_session.backend_threads));
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
