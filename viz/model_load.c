/* model_load.c -- a model of a whole file: see sk_model_load in model.h.
 *
 * The idea: a thread of its own puts the log in order (trace_cursor.c), a few thousand events ahead of who takes them into the model: two
 * processors share the work. The ring of batches between them is the only thing that both touch. */
#include <glib.h>
#include <pthread.h>
#include <sys/stat.h>

#include "grow.h"
#include "model_own.h"

enum { BATCH = 4096, BATCHES = 4, FEW = 8 * BATCH, MOST_EXPECTED = 1 << 24 };

typedef struct ahead {
    sk_cursor *cursor;                  /* the thread's */
    sk_event event[BATCHES][BATCH];     /* the thread's, then, when it is counted in `filled`, the taker's until it is counted in `taken` */
    uint32_t n[BATCHES];                /* likewise; less than BATCH: the last one */
    pthread_mutex_t lock;               /* of what follows */
    pthread_cond_t changed;
    uint32_t filled, taken;
} ahead;

static void *read_ahead(void *of)
{
    ahead *a = of;
    for (uint32_t batch = 0, n = BATCH; n == BATCH; batch++) {
        pthread_mutex_lock(&a->lock);
        while (batch - a->taken == BATCHES)
            pthread_cond_wait(&a->changed, &a->lock);
        pthread_mutex_unlock(&a->lock);
        sk_event *e = a->event[batch % BATCHES];
        for (n = 0; n < BATCH && sk_trace_read_next(a->cursor, &e[n]); n++)
            continue;
        a->n[batch % BATCHES] = n;
        pthread_mutex_lock(&a->lock);
        a->filled++;
        pthread_cond_signal(&a->changed);
        pthread_mutex_unlock(&a->lock);
    }
    return NULL;
}

static void take_batches(ahead *a, sk_model *m)
{
    for (uint32_t batch = 0, n = BATCH; n == BATCH; batch++) {
        pthread_mutex_lock(&a->lock);
        while (a->filled == batch)
            pthread_cond_wait(&a->changed, &a->lock);
        pthread_mutex_unlock(&a->lock);
        n = a->n[batch % BATCHES];
        for (uint32_t i = 0; i < n; i++)
            sk_model_take(m, &a->event[batch % BATCHES][i]);
        pthread_mutex_lock(&a->lock);
        a->taken++;
        pthread_cond_signal(&a->changed);
        pthread_mutex_unlock(&a->lock);
    }
}

static void take_all(sk_cursor *c, sk_model *m, bool few)
{
    pthread_t thread;
    ahead *a = few ? NULL : g_new0(ahead, 1);
    if (a) {
        a->cursor = c;
        pthread_mutex_init(&a->lock, NULL);
        pthread_cond_init(&a->changed, NULL);
    }
    if (a && pthread_create(&thread, NULL, read_ahead, a) == 0) {
        take_batches(a, m);
        pthread_join(thread, NULL);
    } else {
        for (sk_event e; sk_trace_read_next(c, &e);)
            sk_model_take(m, &e);
    }
    if (a) {
        pthread_mutex_destroy(&a->lock);
        pthread_cond_destroy(&a->changed);
        g_free(a);
    }
}

/* What the log has records of, there will be. Large arrays need not double then, which touches each page twice. */
static void expect(sk_model *m, const sk_read_info *info)
{
    uint64_t tasks = MIN(info->of_type[SK_TRACE_TASK_NEW], MOST_EXPECTED);
    uint64_t steps = tasks + MIN(info->of_type[SK_TRACE_TASK] + info->of_type[SK_TRACE_OBJECT], 4 * MOST_EXPECTED);
    SK_EXPECT(m->tasks, m->ntasks, tasks);
    SK_EXPECT(m->objects, m->nobjects, tasks);
    SK_EXPECT(m->deps, m->ndeps, tasks);
    SK_EXPECT(m->uses, m->nuses, tasks);
    SK_EXPECT(m->slices, m->nslices, tasks);
    SK_EXPECT(m->events, m->nsteps, steps);
}

sk_model *sk_model_load(const char *path, sk_error *err)
{
    sk_reader *log = sk_trace_read_open(path, err);
    if (!log)
        return NULL;
    const sk_read_info *info = sk_trace_read_info(log);
    sk_model *m = sk_model_new();
    struct stat st;
    m->path = sk_model_keep(m, path);
    m->written = stat(path, &st) ? 0 : st.st_mtim.tv_sec;
    sk_cursor *c = sk_trace_read_cursor(log);
    bool few = info->records < FEW;
    if (!few)
        expect(m, info);
    take_all(c, m, few);
    sk_trace_read_cursor_free(c);
    if (info->damage) {
        g_autofree char *where = g_strdup_printf("damaged at byte %" G_GUINT64_FORMAT ": %s", info->damaged_at, info->damage);
        m->trouble = sk_model_keep(m, where);
    } else if (info->truncated) {
        m->trouble = "cut off: the program still runs, or was killed";
    } else if (info->missing_chunks) {
        m->trouble = "parts of it are missing";
    }
    m->dropped = MAX(m->dropped, info->dropped);
    sk_trace_read_close(log);
    return m;
}
