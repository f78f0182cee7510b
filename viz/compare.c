/* compare.c -- see compare.h. Reading order: 1 figures; 2 what to call a run; 3 sentences. */
#include "compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "timeline.h"

/* ---- 1. Figures ------------------------------------------------------------------------------------------------------------------------ */

static const char *state_of(const sk_compare_run *r)
{
    const sk_model *m = r->m;
    return m->error     ? "ended by an error"
           : m->trouble ? "not whole"
           : !m->ended  ? "goes on"
           : r->open    ? "unfinished"
           : m->dropped ? "events lost"
           : r->failed  ? "tasks failed"
                        : NULL;
}

static void add_up(sk_compare *c, unsigned i)
{
    sk_compare_run *r = &c->run[i];
    const sk_model *m = r->m;
    r->spent = sk_spent_of(m);
    r->makespan = r->spent.to - r->spent.from;
    r->tasks = m->ntasks;
    for (uint32_t t = 0; t < m->ntasks; t++) {
        sk_task_state s = sk_model_task_at(m, t, m->nsteps);
        int64_t ns = sk_model_run_ns(m, t, m->nsteps, m->last);
        sk_compare_fn *fn = &c->fns[c->fn_of[i][m->tasks[t].fn]];
        fn->tasks[i]++;
        fn->ns[i] += ns;
        r->work += ns;
        r->failed += s == SK_TASK_FAILED;
        r->cancelled += s == SK_TASK_CANCELLED;
        r->open += s < SK_TASK_DONE;
        r->again += m->tasks[t].attempts > 1 ? m->tasks[t].attempts - 1u : 0;
    }
    for (uint32_t t = 0; t < m->ntransfers; t++)
        r->moved += m->transfers[t].bytes;
    r->part = m->trouble || !m->ended || r->open;
    r->state = state_of(r);
}

int64_t sk_compare_part(const sk_compare_run *r, int64_t spent)
{
    return r->spent.all > 0 ? (int64_t)((double)spent / (double)r->spent.all * (double)r->makespan + 0.5) : 0;
}

const char *sk_compare_ratio(double ratio, char buf[16])
{
    if (ratio > 0 && ratio < 0.095)
        g_snprintf(buf, 16, "1/%.0f", 1 / ratio);
    else
        g_snprintf(buf, 16, "%.*fx", ratio < 9.95 ? 2 : ratio < 99.5 ? 1 : 0, ratio);
    return buf;
}

/* ---- 2. What to call a run -------------------------------------------------------------------------------------------------------------- */

static char *trait(const sk_compare *c, const sk_runs *runs, unsigned i, unsigned which)
{
    const sk_compare_run *r = &c->run[i];
    switch (which) {
    case 0: return g_path_get_basename(r->m->program);
    case 1: return g_strdup(r->m->backend);
    case 2: return g_strdup_printf("%u worker%s", r->spent.workers, r->spent.workers == 1 ? "" : "s");
    default: return g_path_get_basename(runs->path[i] ? runs->path[i] : "?");
    }
}

/* The first trait in which no two runs are equal. */
static void name_runs(sk_compare *c, const sk_runs *runs)
{
    enum { TRAITS = 4 };
    unsigned which = 0;
    for (; which < TRAITS; which++) {
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (unsigned i = 0; i < c->n; i++)
            g_hash_table_add(seen, trait(c, runs, i, which));
        if (g_hash_table_size(seen) == c->n)
            break;
    }
    for (unsigned i = 0; i < c->n; i++) {
        g_autofree char *words = which < TRAITS ? trait(c, runs, i, which) : NULL;
        if (words)
            g_snprintf(c->run[i].name, sizeof c->run[i].name, "%c (%.*s)", 'A' + (char)i, sk_model_fits(words, 50), words);
        else
            g_snprintf(c->run[i].name, sizeof c->run[i].name, "%c", 'A' + (char)i);
    }
}

/* ---- 3. Sentences ----------------------------------------------------------------------------------------------------------------------- */

static void say(sk_compare *c, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void say(sk_compare *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_ptr_array_add(c->words, g_strdup_vprintf(format, args));
    va_end(args);
}

/* What makes the figures of a run less than they seem. */
static void say_state(sk_compare *c, const sk_compare_run *r)
{
    const sk_model *m = r->m;
    if (m->trouble)
        say(c, "The trace of %s is %s: its figures are of the part that is there.", r->name, m->trouble);
    else if (!m->ended)
        say(c, "%s has not ended: its figures are of the part that is there.", r->name);
    if (m->error)
        say(c, "%s ended by an error: %s.", r->name, m->error);
    if (r->open)
        say(c, "%s is unfinished: %u of its %u tasks have not ended.", r->name, r->open, r->tasks);
    if (m->dropped)
        say(c, "%s lacks %" G_GUINT64_FORMAT " events: its figures are too small.", r->name, m->dropped);
    if (!r->tasks)
        say(c, "%s has no tasks.", r->name);
    else if (!r->makespan)
        say(c, "No time passes in %s%s.", r->name,
            strcmp(m->time, "virtual") ? "" : ": plain C takes none on virtual (skate run --cost live charges it)");
}

/* Tasks that did not go well: once, if that is the same in all runs. */
static void say_failures(sk_compare *c)
{
    bool same = true;
    for (unsigned i = 1; i < c->n; i++)
        same &= c->run[i].failed == c->run[0].failed && c->run[i].cancelled == c->run[0].cancelled;
    for (unsigned i = 0; i < (same ? 1 : c->n); i++) {
        const sk_compare_run *r = &c->run[i];
        const char *where = same ? "each run" : r->name;
        if (r->failed)
            say(c, "In %s %u task%s failed.", where, r->failed, r->failed == 1 ? "" : "s");
        if (r->cancelled)
            say(c, "In %s %u task%s cancelled.", where, r->cancelled, r->cancelled == 1 ? " was" : "s were");
    }
}

/* Which programs they are, and whether they did the same. */
static void say_programs(sk_compare *c)
{
    const sk_compare_run *a = &c->run[0];
    g_autofree char *first = g_path_get_basename(a->m->program);
    bool differ = false;
    for (unsigned i = 1; i < c->n; i++) {
        const sk_compare_run *r = &c->run[i];
        g_autofree char *other = g_path_get_basename(r->m->program);
        bool another = strcmp(first, other) != 0;
        if (another)
            say(c, "%s and %s are different programs, %s and %s: that one takes longer says nothing of where they ran.", a->name, r->name, first,
                other);
        else if (a->tasks != r->tasks && !a->part && !r->part)
            say(c, "%s has %u tasks, %s %u: they did not do the same.", r->name, r->tasks, a->name, a->tasks);
        differ |= another;
    }
    if (differ)
        return;
    const sk_compare_run *best = NULL, *worst = NULL;
    char ratio[16];
    for (unsigned i = 0; i < c->n; i++) {
        const sk_compare_run *r = &c->run[i];
        if (r->part || r->makespan <= 0)
            continue;
        best = !best || r->makespan < best->makespan ? r : best;
        worst = !worst || r->makespan > worst->makespan ? r : worst;
    }
    if (c->n > 2 && best && best->makespan < worst->makespan)
        say(c, "%s is the fastest and %s the slowest: it takes %s as long.", best->name, worst->name,
            sk_compare_ratio((double)worst->makespan / (double)best->makespan, ratio));
}

/* Which parts of the makespan have changed, the largest change first: what is less than a fiftieth of it is not told. */
static void say_parts(sk_compare *c, const sk_compare_run *a, const sk_compare_run *b)
{
    static const struct {
        size_t at;
        const char *more;
    } parts[] = {
        { offsetof(sk_spent, compute), "computing" },
        { offsetof(sk_spent, transfer), "waiting for transfers" },
        { offsetof(sk_spent, scheduling), "before ready tasks start" },
        { offsetof(sk_spent, idle), "idle" },
    };
    struct {
        int64_t by, was;
        const char *words;
    } change[G_N_ELEMENTS(parts)];
    unsigned n = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        int64_t was = sk_compare_part(a, *(const int64_t *)((const char *)&a->spent + parts[i].at));
        int64_t is = sk_compare_part(b, *(const int64_t *)((const char *)&b->spent + parts[i].at));
        if (llabs(is - was) <= (MAX(a->makespan, b->makespan) - 1) / 50 || is == was)
            continue;
        unsigned k = n++;
        for (; k > 0 && llabs(change[k - 1].by) < llabs(is - was); k--)
            change[k] = change[k - 1];
        change[k].by = is - was, change[k].was = was, change[k].words = parts[i].more;
    }
    if (!n)
        return;
    char time[16];
    GString *text = g_string_new(NULL);
    g_string_printf(text, "On average a worker of %c spends", *b->name);
    for (unsigned i = 0; i < n; i++) {
        const char *join = i == 0 ? "" : i + 1 == n ? " and" : ",";
        g_string_append_printf(text, "%s %s %s %s", join, sk_timeline_time(llabs(change[i].by), time), change[i].by > 0 ? "more" : "less",
                               change[i].words);
        if (change[i].was > 0)
            g_string_append_printf(text, " (%+.0f%%)", 100.0 * (double)change[i].by / (double)change[i].was);
        else
            g_string_append_printf(text, " (%c: none)", *a->name);
    }
    say(c, "%s than one of %c.", text->str, *a->name);
    g_string_free(text, TRUE);
}

/* What the tasks themselves took, and by which function that differs most. */
static void say_work(sk_compare *c, unsigned i)
{
    const sk_compare_run *a = &c->run[0], *b = &c->run[i];
    const sk_compare_fn *most = NULL;
    char t[4][16];
    if (llabs(b->work - a->work) <= (MAX(a->work, b->work) - 1) / 50 || a->work == b->work)
        return;
    for (uint32_t f = 0; f < c->nfns; f++)
        if (!most || llabs(c->fns[f].ns[i] - c->fns[f].ns[0]) > llabs(most->ns[i] - most->ns[0]))
            most = &c->fns[f];
    GString *text = g_string_new(NULL);
    g_string_printf(text, "The tasks of %c run %s in all, those of %c %s; most of the difference is in %s", *b->name,
                    sk_timeline_time(b->work, t[0]), *a->name, sk_timeline_time(a->work, t[1]), most->name);
    if (!most->tasks[0] || !most->tasks[i])
        g_string_append_printf(text, ", which only %c has", most->tasks[i] ? *b->name : *a->name);
    else if (most->tasks[0] != most->tasks[i])
        g_string_append_printf(text, ": %u tasks, not %u", most->tasks[i], most->tasks[0]);
    else
        g_string_append_printf(text, ": %s a task, not %s", sk_timeline_time(most->ns[i] / most->tasks[i], t[2]),
                               sk_timeline_time(most->ns[0] / most->tasks[0], t[3]));
    say(c, "%s.", text->str);
    g_string_free(text, TRUE);
}

static void say_moved(sk_compare *c, unsigned i)
{
    char text[2][64], bytes[16];
    for (unsigned k = 0; k < 2; k++) {
        const sk_compare_run *r = &c->run[k ? i : 0];
        if (r->moved)
            g_snprintf(text[k], sizeof text[k], "%s in %u transfer%s", sk_model_bytes(r->moved, bytes), r->m->ntransfers,
                       r->m->ntransfers == 1 ? "" : "s");
        else
            g_strlcpy(text[k], "nothing", sizeof text[k]);
    }
    if (c->run[i].moved != c->run[0].moved)
        say(c, "%c moves %s between nodes, %c %s.", *c->run[i].name, text[1], *c->run[0].name, text[0]);
}

/* As far as it is known; while its tasks run, it has no end. The caller's. */
static char *length_of(const sk_compare_run *r)
{
    char time[16];
    sk_timeline_time(r->makespan, time);
    return r->spent.open ? g_strdup_printf("has taken %s so far", time)
           : r->part     ? g_strdup_printf("ends after %s in its trace", time)
                         : g_strdup_printf("takes %s", time);
}

/* Of another program only how long it takes is told: that its parts differ is no wonder. Nor is a part of a run compared with a whole. */
static void say_pair(sk_compare *c, unsigned i)
{
    const sk_compare_run *a = &c->run[0], *b = &c->run[i];
    char ratio[16], speed[16], x[16], y[16];
    g_autofree char *first = g_path_get_basename(a->m->program), *second = g_path_get_basename(b->m->program);
    bool same = !strcmp(first, second);
    if (a->part || b->part) {
        g_autofree char *of_a = length_of(a), *of_b = length_of(b);
        return say(c, "%s %s, %s %s.", b->name, of_b, a->name, of_a);
    }
    if (a->makespan > 0 && b->makespan > 0) {
        double r = (double)b->makespan / (double)a->makespan;
        if (fabs(r - 1) < 0.005)
            say(c, "%s takes as long as %s: %s.", b->name, a->name, sk_timeline_time(b->makespan, x));
        else
            say(c, "%s %s %s as %s as %s: %s, not %s.", b->name, r > 1 ? "takes" : "is", sk_compare_ratio(r > 1 ? r : 1 / r, ratio),
                r > 1 ? "long" : "fast", a->name, sk_timeline_time(b->makespan, x), sk_timeline_time(a->makespan, y));
        if (same)
            say_parts(c, a, b);
        uint32_t more = b->spent.workers, less = a->spent.workers;
        if (same && more != less && a->tasks == b->tasks && less && more) {
            say(c, "%c has %u worker%s, not %u: %.3gx the workers %s %s the speed.", *b->name, more, more == 1 ? "" : "s", less,
                (double)more / less, more > less ? "bring" : "have", sk_compare_ratio(1 / r, speed));
        }
    }
    if (!same)
        return;
    say_work(c, i);
    say_moved(c, i);
    if (a->again != b->again)
        say(c, "In %c %u attempts were started again, in %c %u.", *b->name, b->again, *a->name, a->again);
}

sk_compare *sk_compare_new(const sk_runs *runs)
{
    sk_compare *c = g_new0(sk_compare, 1);
    g_autoptr(GPtrArray) names = sk_runs_functions(runs, c->fn_of);
    c->nfns = names->len;
    c->fns = g_new0(sk_compare_fn, (gsize)c->nfns + 1);
    for (uint32_t f = 0; f < c->nfns; f++)
        c->fns[f].name = names->pdata[f];
    c->words = g_ptr_array_new_with_free_func(g_free);
    c->n = MIN(runs->n, SK_RUNS);
    for (unsigned i = 0; i < c->n; i++) {
        c->run[i].m = runs->model[i];
        add_up(c, i);
    }
    name_runs(c, runs);
    for (unsigned i = 0; i < c->n; i++)
        say_state(c, &c->run[i]);
    say_programs(c);
    for (unsigned i = 1; i < c->n; i++)
        say_pair(c, i);
    say_failures(c);
    return c;
}

void sk_compare_free(sk_compare *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < c->n; i++)
        g_free(c->fn_of[i]);
    g_free(c->fns);
    g_ptr_array_unref(c->words);
    g_free(c);
}
