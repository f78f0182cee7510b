/* summary.c -- see export.h. */
#include "export.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORKERS = 32, MOST_FNS = 20, MOST_STEPS = 24, MOST_FAILURES = 5, MOST_TRANSFERS = 16 };

unsigned sk_summary_warn(FILE *out, const sk_timeline *t)
{
    const sk_read_info *info = &t->info;
    unsigned n = 0;
    if (info->damage) {
        fprintf(out,
                "DAMAGED: %s at byte %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                "; what follows could not be read\n",
                info->damage, info->damaged_at, info->bytes);
        n++;
    }
    if (info->truncated) {
        fprintf(out, "TRUNCATED: the trace stops before its end (was the program killed?); all "
                     "figures are of the part "
                     "that is there\n");
        n++;
    }
    if (t->error && !info->truncated) {
        fprintf(out,
                "ENDED BY AN ERROR: %s\n  (what was under way then has no end here; the figures are of "
                "the part that was run)\n",
                t->error);
        n++;
    }
    if (info->dropped) {
        fprintf(out,
                "DROPPED: %" G_GUINT64_FORMAT
                " records could not be written (is the disk full?); the figures are too small\n",
                info->dropped);
        n++;
    }
    if (info->missing_chunks) {
        fprintf(out,
                "MISSING: %" G_GUINT64_FORMAT
                " chunks are not in the file; the figures are too small\n",
                info->missing_chunks);
        n++;
    }
    return n;
}

static const char *bytes_text(uint64_t bytes, char buf[32])
{
    static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB" };
    double x = (double)bytes;
    unsigned u = 0;
    while (x >= 999.5 && u < 4)
        x /= 1000, u++;
    g_snprintf(buf, 32, "%.*f %s", u == 0 || x >= 99.95 ? 0 : x >= 9.995 ? 1 : 2, x, units[u]);
    return buf;
}

static void put_figures(FILE *out, const sk_timeline *t)
{
    char a[16], b[32], d[32];
    int64_t waited = 0;
    fprintf(out, "  tasks        %u: %u done, %u failed, %u cancelled", t->ntasks, t->done,
            t->failed, t->cancelled);
    if (t->unfinished)
        fprintf(out, ", %u unfinished", t->unfinished);
    fprintf(out, "; %u retries", t->retries);
    if (t->lost)
        fprintf(out, ", %u of them of attempts lost with a worker or node", t->lost);
    fputc('\n', out);
    fprintf(out, "  work T1      %s\n", sk_timeline_time(t->work, a));
    fprintf(out, "  span Tinf    %s\n", sk_timeline_time(t->span, a));
    if (t->span > 0)
        fprintf(out, "  parallelism  %.2f   T1 / Tinf: more workers than that do not help\n",
                (double)t->work / (double)t->span);
    fprintf(out, "  makespan     %s", sk_timeline_time(t->makespan, a));
    if (t->makespan > 0)
        fprintf(out, "   %.2f workers busy on average", (double)t->work / (double)t->makespan);
    for (uint32_t i = 0; i < t->nwaits; i++)
        waited += t->waits[i].end - t->waits[i].start;
    fprintf(out, "\n  driver       waited %s, %u time%s\n", sk_timeline_time(waited, a), t->nwaits,
            t->nwaits == 1 ? "" : "s");
    fprintf(out, "  objects      %u made, %u freed; %s in all, at most %s at once\n", t->nobjects,
            t->objects_freed, bytes_text(t->bytes_made, b), bytes_text(t->bytes_peak, d));
    if (t->nodes > 1 || t->ntransfers)
        fprintf(out, "  transfers    %u from node to node; %s in all\n", t->ntransfers,
                bytes_text(t->bytes_moved, b));
    if (t->objects_spilled)
        fprintf(out, "  spilled      %s in %u object%s, for want of memory; restored %u time%s, %s\n", bytes_text(t->bytes_spilled, b), t->objects_spilled,
                t->objects_spilled == 1 ? "" : "s", t->restores, t->restores == 1 ? "" : "s", bytes_text(t->bytes_restored, d));
    fputc('\n', out);
}

static void put_workers(FILE *out, const sk_timeline *t)
{
    char a[16], b[16], d[16];
    fprintf(out, "  %-14s %9s %9s %6s %9s %9s\n", "worker", "attempts", "busy", "", "idle",
            "blocked");
    uint32_t lines = 0, idle = 0;
    for (uint32_t i = 0; i < t->nworkers && lines < MOST_WORKERS; i++) {
        const sk_line_worker *w = &t->workers[i];
        char label[40];
        if (!w->tasks && !w->blocked_ns) {
            idle++;
            continue;
        }
        int n = t->nodes > 1 ? g_snprintf(label, sizeof label, "node %u>", w->node) : 0;
        g_snprintf(label + n, sizeof label - (gulong)n, "%d", w->worker);
        fprintf(out, "  %-14s %9u %9s %5.1f%% %9s %9s\n", label, w->tasks,
                sk_timeline_time(w->busy_ns, a),
                t->makespan ? 100.0 * (double)w->busy_ns / (double)t->makespan : 0.0,
                sk_timeline_time(MAX(0, t->makespan - w->busy_ns), b),
                sk_timeline_time(w->blocked_ns, d));
        lines++;
    }
    if (lines + idle < t->nworkers)
        fprintf(out, "  and %u more workers\n", t->nworkers - lines - idle);
    else if (idle)
        fprintf(out, "  %u worker%s ran nothing\n", idle, idle == 1 ? "" : "s");
    fputc('\n', out);
}

static int by_way(const void *a, const void *b)
{
    const sk_line_transfer *x = a, *y = b;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return x->to < y->to ? -1 : x->to > y->to;
}

/* A line for each two nodes. Each transfer by itself is in --transfers. */
static void put_transfers(FILE *out, const sk_timeline *t)
{
    uint32_t n = t->ntransfers, lines = 0, more = 0;
    if (!n)
        return;
    g_autofree sk_line_transfer *all = g_memdup2(t->transfers, n * sizeof *all);
    char a[16], b[16], d[32];
    qsort(all, n, sizeof *all, by_way);
    fprintf(out, "  %-24s %9s %9s %9s %9s\n", "from node to node", "transfers", "mean", "longest",
            "bytes");
    for (uint32_t i = 0, k; i < n; i = k) {
        uint64_t bytes = 0;
        int64_t ns = 0, longest = 0;
        for (k = i; k < n && !by_way(&all[i], &all[k]); k++) {
            bytes += all[k].bytes;
            ns += all[k].end - all[k].start;
            longest = MAX(longest, all[k].end - all[k].start);
        }
        if (lines++ >= MOST_TRANSFERS) {
            more++;
            continue;
        }
        char label[40];
        g_snprintf(label, sizeof label, "%u -> %u", all[i].from, all[i].to);
        fprintf(out, "  %-24s %9u %9s %9s %9s\n", label, k - i, sk_timeline_time(ns / (k - i), a),
                sk_timeline_time(longest, b), bytes_text(bytes, d));
    }
    if (more)
        fprintf(out, "  and between %u more pairs of nodes\n", more);
    fputc('\n', out);
}

static int by_time(const void *a, const void *b)
{
    const sk_line_fn *x = *(sk_line_fn *const *)a, *y = *(sk_line_fn *const *)b;
    if (x->run_ns != y->run_ns)
        return x->run_ns > y->run_ns ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void put_fns(FILE *out, const sk_timeline *t)
{
    g_autofree const sk_line_fn **order = g_new(const sk_line_fn *, t->nfns + 1);
    char a[16], b[16], d[16];
    if (!t->nfns)
        return;
    for (uint32_t i = 0; i < t->nfns; i++)
        order[i] = &t->fns[i];
    qsort(order, t->nfns, sizeof *order, by_time);
    fprintf(out, "  %-24s %9s %9s %9s %9s %9s %7s\n", "function", "tasks", "failed", "mean",
            "longest", "in all", "of T1");
    for (uint32_t i = 0; i < t->nfns && i < MOST_FNS; i++) {
        const sk_line_fn *fn = order[i];
        fprintf(out, "  %-24s %9u %9u %9s %9s %9s %6.1f%%\n", fn->name, fn->tasks, fn->failed,
                sk_timeline_time(fn->run_ns / MAX(1, fn->tasks), a),
                sk_timeline_time(fn->longest_ns, b), sk_timeline_time(fn->run_ns, d),
                t->work ? 100.0 * (double)fn->run_ns / (double)t->work : 0.0);
    }
    if (t->nfns > MOST_FNS)
        fprintf(out, "  and %u more functions\n", t->nfns - MOST_FNS);
    fputc('\n', out);
}

/* Steps that follow each other, of one function submitted on one line, are one line here; the
 * middle of a long path is left out. */
static void put_path(FILE *out, const sk_timeline *t)
{
    typedef struct fold {
        uint32_t task, n;
        int64_t ns;
    } fold;
    g_autofree fold *folds = g_new(fold, (gsize)t->npath + 1);
    uint32_t n = 0;
    char a[16];
    if (!t->npath)
        return;
    for (uint32_t i = 0; i < t->npath; i++) {
        const sk_line_task *task = &t->tasks[t->path[i].task],
                           *last = n ? &t->tasks[folds[n - 1].task] : NULL;
        if (last && last->fn == task->fn && last->site == task->site && last->name == task->name)
            folds[n - 1].n++, folds[n - 1].ns += t->path[i].ns;
        else
            folds[n++] = (fold){ t->path[i].task, 1, t->path[i].ns };
    }
    fprintf(out, "  critical path: %s in %u step%s, first to last\n", sk_timeline_time(t->span, a),
            t->npath, t->npath == 1 ? "" : "s");
    for (uint32_t i = 0; i < n; i++) {
        if (n > MOST_STEPS && i == MOST_STEPS / 2) {
            uint32_t steps = 0;
            int64_t ns = 0;
            for (; i < n - MOST_STEPS / 2; i++)
                steps += folds[i].n, ns += folds[i].ns;
            fprintf(out, "  %9s  ... %u more steps ...\n", sk_timeline_time(ns, a), steps);
        }
        const sk_line_task *task = &t->tasks[folds[i].task];
        char times[24] = "";
        if (folds[i].n > 1)
            g_snprintf(times, sizeof times, " x %u", folds[i].n);
        g_autofree char *what = g_strdup_printf("%s%s", sk_timeline_name(t, folds[i].task), times);
        fprintf(out, "  %9s  %-24s submitted at %s:%d\n", sk_timeline_time(folds[i].ns, a), what,
                t->sites[task->site].file, t->sites[task->site].line);
    }
    fputc('\n', out);
}

static void put_failures(FILE *out, const sk_timeline *t)
{
    uint32_t shown = 0;
    for (uint32_t i = 0; i < t->ntasks && t->failed && shown <= MOST_FAILURES; i++) {
        const sk_line_task *task = &t->tasks[i];
        if (task->state != SK_TASK_FAILED)
            continue;
        if (!shown++)
            fprintf(out, "  failed tasks, in the order of submission\n");
        if (shown > MOST_FAILURES)
            fprintf(out, "  and %u more\n", t->failed - MOST_FAILURES);
        else
            fprintf(out, "  %-13s %-20s submitted at %s:%d   (task %u%s)\n",
                    sk_timeline_code(task->code), sk_timeline_name(t, i), t->sites[task->site].file,
                    t->sites[task->site].line, i + 1,
                    task->start == SK_NO_TIME ? ", never ran" : "");
    }
    if (shown)
        fputc('\n', out);
    for (uint32_t i = 0; i < t->nsays; i++)
        if (t->says[i].note)
            fprintf(out, "  note: %s\n", t->says[i].text);
}

void sk_summary_print(FILE *out, const sk_timeline *t, const char *path)
{
    const char *seed = sk_trace_read_value(t->log, "seed");
    g_autofree char *program = g_path_get_basename(t->program);
    fprintf(out, "%s: %s on %s, %u worker%s", path, program, t->backend, t->nworkers - t->nextra,
            t->nworkers - t->nextra == 1 ? "" : "s");
    if (t->nodes > 1)
        fprintf(out, " on %u nodes", t->nodes);
    fprintf(out, "%s%s\n", seed ? ", seed " : "", seed ? seed : "");
    sk_summary_warn(out, t);
    const char *time = sk_trace_read_value(t->log, "time");
    if (t->ntasks && !t->makespan && time && strcmp(time, "virtual") == 0)
        fprintf(out, "All times are 0: plain C takes no time on virtual; --cost live charges it\n");
    fputc('\n', out);
    put_figures(out, t);
    put_workers(out, t);
    put_transfers(out, t);
    put_fns(out, t);
    put_path(out, t);
    put_failures(out, t);
}
