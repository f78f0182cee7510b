/* predict.c -- see predict.h. Reading order: 1 answers; 2 which task starts next; 3 on which worker; 4 what a task returns; 5 how long with other
 * workers; 6 asking. */
#include "predict.h"

#include <math.h>
#include <string.h>

#include <glib.h>

#include "critical.h"
#include "schedule.h"
#include "timeline.h"

enum { AHEAD = 4096, TRIES = 8192, LOOKED_AT = 256 }; /* steps that are looked ahead; steps at which to try; tasks on each side that could be wrong answers */

/* ---- 1. Answers: the right one first, the others behind it, then shuffled ------------------------------------------------------------------- */

static uint32_t mix(uint32_t x)
{
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

static bool add(sk_question *q, const char *text)
{
    if (q->answers == SK_PREDICT_MOST || !*text)
        return false;
    for (unsigned i = 0; i < q->answers; i++)
        if (!strcmp(q->answer[i], text))
            return false;
    g_snprintf(q->answer[q->answers++], sizeof q->answer[0], "%.*s", sk_model_fits(text, sizeof q->answer[0] - 1), text);
    return true;
}

static bool shuffle(sk_question *q)
{
    char held[sizeof q->answer[0]];
    uint32_t seed = mix(q->asked + 1);
    q->right = 0;
    for (unsigned i = q->answers; i > 1; i--) {
        unsigned k = (seed = mix(seed)) % i;
        memcpy(held, q->answer[i - 1], sizeof held);
        memcpy(q->answer[i - 1], q->answer[k], sizeof held);
        memcpy(q->answer[k], held, sizeof held);
        q->right = q->right == i - 1 ? k : q->right == k ? i - 1 : q->right;
    }
    return q->answers >= SK_PREDICT_FEWEST;
}

static const char *task_words(const sk_model *m, uint32_t task, char buf[48])
{
    const char *name = sk_model_name(m, task);
    g_snprintf(buf, 48, "task %u: %.*s", task + 1, sk_model_fits(name, 30), name);
    return buf;
}

/* ---- 2. Which task starts next? -------------------------------------------------------------------------------------------------------------- */

static bool starts(const sk_model_event *e) { return e->type == SK_TRACE_TASK && e->to == SK_TASK_RUNNING && e->from != SK_TASK_BLOCKED; }

/* The next step after k at which a task starts; SK_NEVER: none does soon, or nobody knows of it at k. */
static sk_step next_start(const sk_model *m, sk_step k)
{
    for (sk_step i = k + 1; i <= m->nsteps && i <= k + AHEAD; i++) {
        const sk_model_event *e = &m->events[i - 1];
        if (starts(e))
            return m->tasks[e->index].submitted <= k ? i : SK_NEVER;
    }
    return SK_NEVER;
}

/* Those that have not started, ready ones before others; of those that start at the same moment as the right one each would be right. */
static void add_others(sk_question *q, const sk_model *m, uint32_t task)
{
    int64_t then = sk_model_ns(m, q->shows);
    char words[48];
    for (int ready = 1; ready >= 0; ready--)
        for (uint32_t far = 1; far < LOOKED_AT && q->answers < SK_PREDICT_MOST; far++)
            for (int side = 0; side < 2; side++) {
                uint32_t i = side ? task + far : task - far;
                if (i >= m->ntasks || m->tasks[i].submitted > q->asked || m->tasks[i].ended <= q->asked)
                    continue;
                sk_task_state state = sk_model_task_at(m, i, q->asked);
                bool later = m->tasks[i].started > q->shows && (m->tasks[i].started == SK_NEVER || sk_model_ns(m, m->tasks[i].started) > then);
                if (later && (ready ? state == SK_TASK_READY : state == SK_TASK_WAITING))
                    add(q, task_words(m, i, words));
            }
}

/* Since when it could start in this slice. */
static void add_since(sk_question *q, const sk_model *m, uint32_t task, uint32_t slice)
{
    const sk_model_task *t = &m->tasks[task];
    uint32_t before = m->slices[slice].before;
    char time[16], since[80] = "";
    if (before != SK_NO_INDEX && m->slices[before].how == SK_END_RETRIED)
        g_snprintf(since, sizeof since, " had been tried in vain, and was ready again at %s", sk_timeline_time(sk_model_ns(m, m->slices[before].end), time));
    else if (before == SK_NO_INDEX && t->ready <= q->asked)
        g_snprintf(since, sizeof since, " was ready since %s", sk_timeline_time(sk_model_ns(m, t->ready), time));
    else if (before == SK_NO_INDEX && t->ready <= q->shows)
        g_snprintf(since, sizeof since, " was ready at %s%s", sk_timeline_time(sk_model_ns(m, t->ready), time),
                   t->ndeps ? ", when its last argument was there" : "");
    g_snprintf(q->why, sizeof q->why, "Task %u%s%s", task + 1, since, *since ? "; it" : "");
}

static bool ask_next(const sk_model *m, sk_question *q)
{
    char words[48], where[32], time[16];
    q->shows = next_start(m, q->asked);
    if (q->shows == SK_NEVER)
        return false;
    uint32_t task = q->answer_task = m->events[q->shows - 1].index;
    g_snprintf(q->text, sizeof q->text, "Which task starts next?");
    add(q, task_words(m, task, words));
    add_others(q, m, task);
    uint32_t s = sk_model_slice_of(m, task, q->shows);
    add_since(q, m, task, s);
    size_t n = strlen(q->why);
    g_snprintf(q->why + n, sizeof q->why - n, " starts at %s on %s.", sk_timeline_time(sk_model_ns(m, q->shows), time),
               sk_model_where(m, m->slices[s].worker, where));
    return shuffle(q);
}

/* ---- 3. On which worker? ---------------------------------------------------------------------------------------------------------------------- */

/* Where several are idle, one is as good as another; unless an argument of the task was made on one of the nodes: that task, else SK_NO_INDEX. */
static uint32_t made_near(const sk_model *m, uint32_t task, uint32_t node)
{
    const sk_model_task *t = &m->tasks[task];
    for (unsigned d = 0; d < t->ndeps; d++) {
        uint32_t maker = m->objects[m->deps[t->first_dep + d]].producer;
        uint32_t s = maker == SK_NO_INDEX ? SK_NO_INDEX : m->tasks[maker].last_slice;
        if (s != SK_NO_INDEX && m->workers[m->slices[s].worker].node == node)
            return maker;
    }
    return SK_NO_INDEX;
}

static unsigned count_idle(const sk_model *m, sk_step k)
{
    unsigned idle = 0;
    for (uint32_t i = 0; i < m->nworkers; i++)
        idle += !m->workers[i].extra && m->workers[i].since <= k && sk_model_running(m, i, k) == SK_NO_INDEX;
    return idle;
}

static bool ask_worker(const sk_model *m, sk_question *q)
{
    char where[32], time[16], name[48];
    bool one_node = m->nworkers && m->workers[m->lanes[0]].node == m->workers[m->lanes[m->nworkers - 1]].node;
    q->shows = next_start(m, q->asked);
    if (q->shows == SK_NEVER)
        return false;
    uint32_t task = q->task = q->answer_task = m->events[q->shows - 1].index;
    uint32_t right = m->slices[sk_model_slice_of(m, task, q->shows)].worker, at = 0, was;
    if (m->workers[right].since > q->asked)
        return false; /* nobody can know of it */
    uint32_t near = one_node ? SK_NO_INDEX : made_near(m, task, m->workers[right].node);
    if (near == SK_NO_INDEX && count_idle(m, q->asked) > 1)
        return false;
    g_snprintf(q->text, sizeof q->text, "%s starts next. On which worker?", task_words(m, task, name));
    *q->text = 'T';
    add(q, sk_model_where(m, right, where));
    while (m->lanes[at] != right)
        at++;
    for (int idle = 1; idle >= 0; idle--)
        for (uint32_t far = 1; far < m->nworkers && q->answers < SK_PREDICT_MOST; far++) {
            uint32_t w = m->lanes[(at + far) % m->nworkers];
            if (m->workers[w].since <= q->asked && (sk_model_running(m, w, q->asked) == SK_NO_INDEX) == idle)
                add(q, sk_model_where(m, w, where));
        }
    sk_model_where(m, right, where);
    was = sk_model_running(m, right, q->asked);
    if (near != SK_NO_INDEX)
        g_snprintf(q->why, sizeof q->why, "At %s it starts on %s: on this node task %u had made an argument of it.", sk_timeline_time(sk_model_ns(m, q->shows), time),
                   where, near + 1);
    else if (was == SK_NO_INDEX)
        g_snprintf(q->why, sizeof q->why, "At %s it starts on %s, which was idle.", sk_timeline_time(sk_model_ns(m, q->shows), time), where);
    else
        g_snprintf(q->why, sizeof q->why, "At %s it starts on %s, which was done with task %u by then.", sk_timeline_time(sk_model_ns(m, q->shows), time), where,
                   was + 1);
    return shuffle(q);
}

/* ---- 4. What does a task return? ------------------------------------------------------------------------------------------------------------- */

static bool is_whole(const sk_model_object *o) { return o->type == SK_T_INT || o->type == SK_T_I64 || o->type == SK_T_UINT || o->type == SK_T_U64; }
static bool is_number(const sk_model_object *o) { return is_whole(o) || o->type == SK_T_F32 || o->type == SK_T_F64; }

static double number_of(const sk_model_object *o)
{
    double wide;
    float narrow;
    memcpy(&wide, &o->preview, sizeof wide);
    memcpy(&narrow, &o->preview, sizeof narrow);
    return o->type == SK_T_F64 ? wide : o->type == SK_T_F32 ? (double)narrow : o->type == SK_T_UINT || o->type == SK_T_U64 ? (double)o->preview : (double)(int64_t)o->preview;
}

/* A number that could have come out, written as the right one is. */
static void add_number(sk_question *q, const sk_model_object *like, double x)
{
    char text[48];
    if (is_whole(like) && (x < -9e15 || x > 9e15 || (x < 0 && like->type != SK_T_INT && like->type != SK_T_I64)))
        return;
    if (is_whole(like))
        g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, (int64_t)x);
    else
        g_snprintf(text, sizeof text, like->type == SK_T_F32 ? "%.4g" : "%.6g", x);
    add(q, text);
}

/* A task whose arguments are numbers that have come from other tasks: they are in the log, others are not. */
static bool numbers_of(const sk_model *m, uint32_t task, double *x, unsigned *n, char *words, size_t room)
{
    const sk_model_task *t = &m->tasks[task];
    size_t used = 0;
    for (*n = 0; *n < t->ndeps && *n < 16; ++*n) {
        const sk_model_object *o = &m->objects[m->deps[t->first_dep + *n]];
        char value[48];
        if (o->made == SK_NEVER || !is_number(o))
            return false;
        x[*n] = number_of(o);
        if (used < room)
            used += (size_t)g_snprintf(words + used, room - used, "%s%s", !*n ? "" : *n + 1 == t->ndeps ? " and " : ", ",
                                       sk_model_value(m, m->deps[t->first_dep + *n], o->made, value));
    }
    return *n > 0;
}

static bool ask_value(const sk_model *m, sk_question *q)
{
    double x[16], sum = 0, product = 1, most = -INFINITY;
    char name[48], value[48], time[16], given[SK_PREDICT_GIVEN] = "";
    unsigned n = 0;
    uint32_t object = SK_NO_INDEX, task = SK_NO_INDEX;
    for (sk_step i = q->asked + 1; i <= m->nsteps && i <= q->asked + AHEAD && object == SK_NO_INDEX; i++) {
        const sk_model_event *e = &m->events[i - 1];
        if (e->type != SK_TRACE_OBJECT || e->to != SK_OBJECT_READY || m->objects[e->index].made != i)
            continue;
        task = m->objects[e->index].producer;
        if (task != SK_NO_INDEX && m->tasks[task].submitted <= q->asked && is_number(&m->objects[e->index]) && m->tasks[task].nobjects == 1 &&
            numbers_of(m, task, x, &n, given, sizeof given))
            object = e->index, q->shows = i;
    }
    if (object == SK_NO_INDEX)
        return false;
    const sk_model_object *o = &m->objects[object];
    q->task = q->answer_task = task;
    g_snprintf(q->text, sizeof q->text, "%s takes %s. What does it return?", task_words(m, task, name), given);
    *q->text = 'T';
    add(q, sk_model_value(m, object, q->shows, value));
    double right = number_of(o);
    for (unsigned i = 0; i < n; i++)
        sum += x[i], product *= x[i], most = MAX(most, x[i]);
    const double wrong[] = { sum, product, most, right + 1, n > 1 ? x[0] - x[1] : -x[0], 2 * right, right - 1, right + 10 };
    for (unsigned i = 0, from = mix(q->asked) % 3; i < G_N_ELEMENTS(wrong); i++)
        add_number(q, o, wrong[(i + from) % G_N_ELEMENTS(wrong)]);
    g_snprintf(q->why, sizeof q->why, "At %s task %u has made %s of %s, says the log.", sk_timeline_time(sk_model_ns(m, q->shows), time), task + 1,
               sk_model_value(m, object, q->shows, value), given);
    return shuffle(q);
}

/* ---- 5. How long with other workers? ------------------------------------------------------------------------------------------------------------ */

static unsigned own_workers(const sk_model *m)
{
    unsigned own = 0;
    for (uint32_t i = 0; i < m->nworkers; i++)
        own += !m->workers[i].extra;
    return own ? own : m->nworkers;
}

/* A time that nobody takes for one that stands there already. */
static void add_time(sk_question *q, int64_t *times, double ns)
{
    char text[16];
    if (ns < 1 || q->answers == SK_PREDICT_MOST)
        return;
    for (unsigned i = 0; i < q->answers; i++)
        if (ns < (double)times[i] * 1.12 && ns > (double)times[i] / 1.12)
            return;
    times[q->answers] = (int64_t)ns;
    add(q, sk_timeline_time((int64_t)ns, text));
}

static bool ask_makespan(const sk_model *m, sk_question *q)
{
    const sk_critical *c = sk_critical_of(m);
    unsigned own = own_workers(m), p = own == 4 ? 2 : 4;
    int64_t estimate = m->ended && c->work > 0 ? sk_schedule_estimate(m, p) : -1, times[SK_PREDICT_MOST] = { 0 };
    int64_t base = estimate > 0 ? sk_schedule_estimate(m, own) : -1; /* in the same way: the run itself also takes up the driver's time, and moves data */
    if (base <= 0)
        return false;
    char a[16], b[16], d[16];
    g_snprintf(q->text, sizeof q->text, "By list scheduling all tasks of this run take %s on %u worker%s. How long on %u?", sk_timeline_time(base, a), own,
               own == 1 ? "" : "s", p);
    add_time(q, times, (double)estimate);
    add_time(q, times, (double)base * own / p);
    add_time(q, times, (double)c->work / p);
    add_time(q, times, (double)base);
    add_time(q, times, (double)c->span);
    add_time(q, times, (double)c->work);
    add_time(q, times, (double)estimate * 1.5);
    add_time(q, times, (double)estimate / 1.6);
    g_snprintf(q->why, sizeof q->why, "An estimate: each task for as long as the log says, on the first worker that is free: %s. No way is shorter than T1/%u = %s, or than Tinf = %s.",
               sk_timeline_time(estimate, a), p, sk_timeline_time((int64_t)((double)c->work / p), b), sk_timeline_time(c->span, d));
    return shuffle(q);
}

/* ---- 6. Asking ------------------------------------------------------------------------------------------------------------------------------------ */

/* Starts of tasks are asked for most often, the whole run once. */
static bool ask_at(const sk_model *m, sk_step k, unsigned *over, sk_question *q)
{
    static bool (*const sorts[SK_PREDICT_SORTS])(const sk_model *, sk_question *) = { ask_next, ask_worker, ask_value, ask_makespan };
    static const uint8_t orders[8][3] = {
        { SK_PREDICT_NEXT, SK_PREDICT_VALUE, SK_PREDICT_WORKER }, { SK_PREDICT_VALUE, SK_PREDICT_NEXT, SK_PREDICT_WORKER },
        { SK_PREDICT_WORKER, SK_PREDICT_NEXT, SK_PREDICT_VALUE }, { SK_PREDICT_NEXT, SK_PREDICT_WORKER, SK_PREDICT_VALUE },
        { SK_PREDICT_VALUE, SK_PREDICT_WORKER, SK_PREDICT_NEXT }, { SK_PREDICT_WORKER, SK_PREDICT_VALUE, SK_PREDICT_NEXT },
        { SK_PREDICT_NEXT, SK_PREDICT_VALUE, SK_PREDICT_WORKER }, { SK_PREDICT_MAKESPAN, SK_PREDICT_NEXT, SK_PREDICT_VALUE },
    };
    const uint8_t *order = orders[mix(k) % 8];
    for (unsigned i = 0; i < 3; i++) {
        if (*over & 1u << order[i])
            continue;
        if (order[i] == SK_PREDICT_MAKESPAN)
            *over |= 1u << SK_PREDICT_MAKESPAN;
        *q = (sk_question){ .sort = order[i], .asked = k, .shows = k, .task = SK_NO_INDEX, .answer_task = SK_NO_INDEX };
        if (sorts[order[i]](m, q))
            return true;
    }
    return false;
}

/* Where there was nothing to ask at step k: the next step at which there may be something. All questions are about a start, or about an answer that is
 * made. More tasks are there to be mistaken for the right one just before that than earlier; fewer workers are idle just after a start than later. */
static sk_step next_try(const sk_model *m, sk_step k)
{
    while (++k < m->nsteps) {
        const sk_model_event *e = &m->events[k];
        if (starts(e) || starts(e - 1) || (e->type == SK_TRACE_OBJECT && e->to == SK_OBJECT_READY))
            break;
    }
    return k;
}

bool sk_predict_ask(const sk_model *m, sk_step k, unsigned *over, sk_question *q)
{
    for (unsigned tries = 0; k < m->nsteps && tries < TRIES; tries++, k = next_try(m, k))
        if (ask_at(m, k, over, q))
            return true;
    q->asked = MIN(k, m->nsteps);
    return false;
}
