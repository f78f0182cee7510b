/* model_words.c -- names, values and sentences for people, and a model as text for tests: see model.h, section 5. */
#include <string.h>

#include <glib.h>

#include "model.h"
#include "timeline.h"

const char *sk_model_name(const sk_model *m, uint32_t task)
{
    const sk_model_task *t = &m->tasks[task];
    return t->name ? t->name : m->fns[t->fn].name;
}

const char *sk_model_state(unsigned state)
{
    static const char *const names[] = { "none", "waiting", "ready", "running", "blocked", "done", "failed", "cancelled" };
    return state < G_N_ELEMENTS(names) ? names[state] : "?";
}

const char *sk_model_bytes(uint64_t bytes, char buf[16])
{
    static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB", "PB" };
    double x = (double)bytes;
    unsigned u = 0;
    while (x >= 999.5 && u < G_N_ELEMENTS(units) - 1)
        x /= 1000, u++;
    g_snprintf(buf, 16, "%.*f %s", u == 0 || x >= 99.95 ? 0 : x >= 9.995 ? 1 : 2, x, units[u]);
    return buf;
}

const char *sk_model_where(const sk_model *m, uint32_t worker, char buf[32])
{
    const sk_model_worker *w = &m->workers[worker], *last = &m->workers[m->lanes[m->nworkers - 1]];
    if (m->workers[m->lanes[0]].node == last->node)
        g_snprintf(buf, 32, "worker %d", w->worker);
    else
        g_snprintf(buf, 32, "node %u>%d", w->node, w->worker);
    return buf;
}

const char *sk_model_value(const sk_model *m, uint32_t object, sk_step k, char buf[48])
{
    static const char *const sorts[] = { [SK_T_STR] = "text", [SK_T_BUF] = "buffer", [SK_T_ARRAY] = "array", [SK_T_LIST] = "list" };
    const sk_model_object *o = &m->objects[object];
    float narrow;
    double wide;
    char bytes[16];
    *buf = '\0';
    if (o->made > k)
        return buf;
    memcpy(&narrow, &o->preview, sizeof narrow);
    memcpy(&wide, &o->preview, sizeof wide);
    switch (o->type) {
    case SK_T_BOOL: return strcpy(buf, o->preview ? "true" : "false");
    case SK_T_INT:
    case SK_T_I64: g_snprintf(buf, 48, "%" G_GINT64_FORMAT, (int64_t)o->preview); break;
    case SK_T_UINT:
    case SK_T_U64: g_snprintf(buf, 48, "%" G_GUINT64_FORMAT, o->preview); break;
    case SK_T_F32: g_snprintf(buf, 48, "%.4g", (double)narrow); break;
    case SK_T_F64: g_snprintf(buf, 48, "%.6g", wide); break;
    default:
        if (o->type < G_N_ELEMENTS(sorts) && sorts[o->type])
            g_snprintf(buf, 48, "%s of %s", sorts[o->type], sk_model_bytes(o->bytes, bytes));
    }
    return buf;
}

int sk_model_fits(const char *text, size_t most)
{
    size_t n = strnlen(text, most + 1);
    if (n <= most)
        return (int)n;
    while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80) /* in the middle of a letter */
        most--;
    return (int)most;
}

static const char *who(const sk_model *m, uint32_t task, char buf[64])
{
    if (task == SK_NO_INDEX)
        return "the driver";
    const char *name = sk_model_name(m, task);
    g_snprintf(buf, 64, "task %u (%.*s)", task + 1, sk_model_fits(name, 40), name);
    return buf;
}

/* s: the task's last slice, or NULL. One that ends here was broken off. */
static void ready_sentence(const sk_model_slice *s, sk_step k, const sk_model_event *e, const char *task, char buf[160])
{
    bool again = e->from == SK_TASK_RUNNING || e->from == SK_TASK_BLOCKED, known = again && s && s->end == k && s->code != SK_OK;
    if (known)
        g_snprintf(buf, 160, "%s is to run once more: %s%s", task, sk_model_is_lost(s) ? "its attempt is lost, " : "", sk_timeline_code(s->code));
    else
        g_snprintf(buf, 160, again ? "%s is to run once more" : "%s is ready", task);
}

static void task_sentence(const sk_model *m, sk_step k, const sk_model_event *e, char buf[160])
{
    const sk_model_task *t = &m->tasks[e->index];
    char a[64], where[32] = "?";
    uint32_t s = sk_model_slice_of(m, e->index, k);
    who(m, e->index, a);
    if (s != SK_NO_INDEX)
        sk_model_where(m, m->slices[s].worker, where);
    switch (e->to) {
    case SK_TASK_WAITING: g_snprintf(buf, 160, "%s waits for its arguments", a); break;
    case SK_TASK_READY: ready_sentence(s == SK_NO_INDEX ? NULL : &m->slices[s], k, e, a, buf); break;
    case SK_TASK_RUNNING: g_snprintf(buf, 160, e->from == SK_TASK_BLOCKED ? "%s goes on, on %s" : "%s starts on %s", a, where); break;
    case SK_TASK_BLOCKED: g_snprintf(buf, 160, "%s waits, on %s", a, where); break;
    case SK_TASK_DONE: g_snprintf(buf, 160, "%s is done, on %s", a, where); break;
    default: g_snprintf(buf, 160, "%s is %s: %s", a, sk_model_state(e->to), sk_timeline_code(t->code)); break;
    }
}

static void object_sentence(const sk_model *m, sk_step k, const sk_model_event *e, char buf[160])
{
    static const char *const names[] = { "is nothing", "is promised", "is there", "has failed", "is lost", "is freed" };
    char value[48];
    sk_model_value(m, e->index, k, value);
    bool is = e->to == SK_OBJECT_READY && *value;
    g_snprintf(buf, 160, "object %u %s%s%s", e->index + 1, names[MIN(e->to, SK_OBJECT_FREED)], is ? ": " : "", is ? value : "");
}

/* As at the end of most runs, when their nodes stop. That no more tasks will come cannot be known: a node can die between two waves of them, too. */
static bool is_nothing_open(const sk_model *m, sk_step k)
{
    sk_model_counts c;
    sk_model_count(m, k, &c);
    return c.tasks[SK_TASK_WAITING] + c.tasks[SK_TASK_READY] + c.tasks[SK_TASK_RUNNING] + c.tasks[SK_TASK_BLOCKED] == 0;
}

const char *sk_model_sentence(const sk_model *m, sk_step k, char buf[160])
{
    static const char *const hows[] = { "gets", "gets all", "waits for", "waits for" };
    char a[64], b[64], bytes[16];
    if (k == 0 || k > m->nsteps)
        return strcpy(buf, "nothing has happened yet");
    const sk_model_event *e = &m->events[k - 1];
    if (e->index == SK_NO_INDEX)
        return strcpy(buf, e->type == SK_TRACE_SPILL ? "an object is restored" : "a wait ends");
    switch (e->type) {
    case SK_TRACE_TASK_NEW:
        g_snprintf(buf, 160, "%s submits %s", who(m, m->tasks[e->index].parent, a), who(m, e->index, b));
        break;
    case SK_TRACE_TASK: task_sentence(m, k, e, buf); break;
    case SK_TRACE_OBJECT: object_sentence(m, k, e, buf); break;
    case SK_TRACE_NODE:
        g_snprintf(buf, 160, "node %u %s", m->nodes[e->index].node, e->to == SK_NODE_ALIVE ? "is there" : is_nothing_open(m, k) ? "is gone; no task is open" : "is gone");
        break;
    case SK_TRACE_WAIT: {
        const sk_model_wait *w = &m->waits[e->index];
        g_snprintf(buf, 160, "%s %s %u of %u", who(m, w->task, a), hows[w->how % 4], w->wanted, w->given);
        break;
    }
    case SK_TRACE_WAIT_END: {
        const sk_model_wait *w = &m->waits[e->index];
        g_snprintf(buf, 160, "%s has %u of %u", who(m, w->task, a), w->ready, w->given);
        break;
    }
    case SK_TRACE_TRANSFER: {
        const sk_model_transfer *t = &m->transfers[e->index];
        g_snprintf(buf, 160, "object %u has come from node %u to node %u: %s", t->object + 1, t->from, t->to, sk_model_bytes(t->bytes, bytes));
        break;
    }
    case SK_TRACE_SPILL: {
        const sk_model_spill *s = &m->spills[e->index];
        g_snprintf(buf, 160, e->to ? "object %u is back in the store of node %u: %s" : "object %u goes to the disk of node %u, for want of memory: %s",
                   s->object + 1, s->node, sk_model_bytes(s->bytes, bytes));
        break;
    }
    default: {
        const sk_model_say *s = &m->says[e->index];
        g_snprintf(buf, 160, "%s: %.*s", who(m, s->task, a), sk_model_fits(s->text, 90), s->text);
    }
    }
    return buf;
}

void sk_model_print(const sk_model *m, sk_step k, FILE *out)
{
    sk_model_counts c;
    char sentence[160], value[48];
    k = MIN(k, m->nsteps);
    sk_model_count(m, k, &c);
    fprintf(out, "step %u at %" G_GINT64_FORMAT " ns: %s\n", k, sk_model_ns(m, k), sk_model_sentence(m, k, sentence));
    for (unsigned s = SK_TASK_WAITING; s <= SK_TASK_CANCELLED; s++)
        fprintf(out, "%s%s %u", s == SK_TASK_WAITING ? "tasks: " : ", ", sk_model_state(s), c.tasks[s]);
    fprintf(out, "\nobjects: %u ready, %" G_GUINT64_FORMAT " bytes\n", c.objects, c.bytes);
    for (uint32_t g = 0; g < c.ngroups; g++) {
        const sk_model_group *group = &m->groups[g];
        if (m->tasks[group->first_task].submitted > k)
            continue;
        fprintf(out, "group %u: %s at line %d, band %u:", g + 1, m->fns[group->fn].name, m->sites[group->site].line, group->band);
        for (unsigned s = SK_TASK_WAITING; s <= SK_TASK_CANCELLED; s++)
            fprintf(out, " %u", c.group[g][s]);
        fputc('\n', out);
    }
    for (uint32_t i = 0; i < m->nworkers; i++) {
        uint32_t w = m->lanes[i], task = sk_model_running(m, w, k);
        if (m->workers[w].since > k)
            continue;
        fprintf(out, "node %u worker %d%s: ", m->workers[w].node, m->workers[w].worker, m->workers[w].extra ? " (extra)" : "");
        if (task == SK_NO_INDEX)
            fputs("idle\n", out);
        else
            fprintf(out, "task %u\n", task + 1);
    }
    for (uint32_t i = 0; i < m->ntasks; i++) {
        const sk_model_task *t = &m->tasks[i];
        if (t->submitted > k)
            continue;
        fprintf(out, "task %u %s layer %u %s", i + 1, sk_model_name(m, i), t->layer, sk_model_state(sk_model_task_at(m, i, k)));
        for (unsigned d = 0; d < t->ndeps; d++)
            fprintf(out, "%s%u", d ? "," : " needs ", m->deps[t->first_dep + d] + 1);
        int64_t run = sk_model_run_ns(m, i, k, sk_model_ns(m, k));
        if (t->started <= k)
            fprintf(out, " ran %" G_GINT64_FORMAT " ns", run);
        fputc('\n', out);
    }
    static const char *const states[] = { "none", "pending", "ready", "failed", "missing", "freed" };
    for (uint32_t i = 0; i < m->nobjects; i++)
        if (m->objects[i].born <= k)
            fprintf(out, "object %u %s %s%s\n", i + 1, states[sk_model_object_at(m, i, k)], sk_model_value(m, i, k, value),
                    sk_model_spill_of(m, i, k) != SK_NO_INDEX ? " spilled" : "");
}
