/* gantt.c -- see gantt.h.
 *
 * Reading order: 1 letters for functions; 2 a line as cells: how long what ran in each; 3 cells as
 * characters; 4 the axis; 5 the whole. Which workers share a line: gantt_lines.h. */
#include "gantt.h"

#include <glib.h>
#include <string.h>

#include "gantt_lines.h"

enum {
    LETTERS = 26,
    OTHERS = 25,
    MOST_FNS = 12
}; /* X is a mark; the 26th letter is '#', for the others */

typedef struct cell {
    double run[LETTERS], busy, blocked; /* parts of the cell, 0 .. 1 */
    char mark;                          /* an attempt that did not end well ends here */
    uint32_t starts;                    /* on how many workers a task of three cells or more starts here */
} cell;

typedef struct chart {
    FILE *out;
    const sk_timeline *t;
    int columns, label, width; /* of a line, of the label, of the time axis */
    int64_t from, to;          /* the axis, ns */
    uint8_t *letter;           /* by function: index into letters[] */
    uint32_t *order;           /* functions, longest total first */
    char letters[LETTERS + 1];
    sk_gantt_lines rows;
    bool waits, small, idle, failed, retried, cancelled, bars, mean; /* used, so explain it */
} chart;

/* ---- 1. Letters for functions --------------------------------------------------------------- */

static int by_time(const void *a, const void *b, void *data)
{
    const sk_timeline *t = data;
    const sk_line_fn *x = &t->fns[*(const uint32_t *)a], *y = &t->fns[*(const uint32_t *)b];
    if (x->run_ns != y->run_ns)
        return x->run_ns > y->run_ns ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* A letter of its name, the first if it is free; else any. */
static char choose_letter(const char *name, const bool *taken)
{
    for (const char *p = name; *p; p++) {
        char c = g_ascii_toupper(*p);
        if (g_ascii_isupper(c) && c != 'X' && !taken[c - 'A'])
            return c;
    }
    for (char c = 'A'; c <= 'Z'; c++)
        if (c != 'X' && !taken[c - 'A'])
            return c;
    return '#';
}

static void give_letters(chart *c)
{
    const sk_timeline *t = c->t;
    bool taken[LETTERS] = { false };
    uint8_t used = 0;
    c->letter = g_new(uint8_t, t->nfns + 1);
    c->order = g_new(uint32_t, t->nfns + 1);
    for (uint32_t i = 0; i < t->nfns; i++)
        c->order[i] = i;
    g_qsort_with_data(c->order, (int)t->nfns, sizeof *c->order, by_time, (void *)t);
    c->letters[OTHERS] = '#';
    for (uint32_t i = 0; i < t->nfns; i++) {
        uint32_t fn = c->order[i];
        c->letter[fn] = OTHERS;
        if (t->fns[fn].attempts == 0 || used == OTHERS)
            continue;
        char letter = choose_letter(t->fns[fn].name, taken);
        taken[letter - 'A'] = true;
        c->letters[used] = letter;
        c->letter[fn] = used++;
    }
}

/* ---- 2. A line as cells --------------------------------------------------------------------- */

static double column_of(const chart *c, int64_t ns)
{
    return CLAMP((double)(ns - c->from) / (double)(c->to - c->from), 0.0, 1.0) * c->width;
}

/* Calls are per slice, so this only looks at the cells it covers. `share`: of the line, a worker's. */
static void add_slice(const chart *c, cell *row, const sk_line_slice *s, double share)
{
    const sk_line_task *task = &c->t->tasks[s->task];
    double from = column_of(c, s->start), to = column_of(c, s->end);
    int first = MIN((int)from, c->width - 1), last = MIN((int)to, c->width - 1);
    if (last > first && last == to)
        last--;
    for (int i = first; i <= last; i++) {
        double part = MAX(MIN(to, i + 1) - MAX(from, i),
                          1e-9) * share; /* also tasks that took no time leave a trace */
        if (s->blocked) {
            row[i].blocked += part;
        } else {
            row[i].run[c->letter[task->fn]] += part;
            row[i].busy += part;
        }
    }
    if (!s->blocked && to - from >= 3 && (s == &c->t->slices[task->first_slice] || s->attempt > 1))
        row[first].starts++;
    char mark = s->how == SK_SLICE_FAILED      ? 'x'
                : s->how == SK_SLICE_RETRIED   ? '!'
                : s->how == SK_SLICE_CANCELLED ? '/'
                                               : 0;
    if (mark && row[last].mark != 'x')
        row[last].mark = mark;
}

/* ---- 3. Cells as characters ----------------------------------------------------------------- */

static char cell_char(chart *c, const sk_gantt_line *l, const cell *row, int i, char before)
{
    const cell *x = &row[i];
    /* The end of a bar that barely reaches into this cell is not shown; but in a mean little may be all there is. */
    const double speck = l->alike ? 0.1 : 1e-9;
    bool beside =
        (i > 0 && row[i - 1].busy > speck) || (i + 1 < c->width && row[i + 1].busy > speck);
    double busy = x->busy < speck && beside ? 0 : x->busy;
    if (x->mark) {
        *(x->mark == 'x' ? &c->failed : x->mark == '!' ? &c->retried : &c->cancelled) = true;
        return x->mark;
    }
    if (x->blocked > speck &&
        busy < speck) { /* a worker whose task is blocked may run another: then that one is shown */
        c->waits = true;
        return '~';
    }
    if (busy == 0) {
        c->idle = true;
        return '.';
    }
    if (x->starts == l->n && !strchr(".~|x!/ ", before)) {
        c->bars = true;
        return '|';
    }
    int best = 0;
    for (int k = 1; k < LETTERS; k++)
        best = x->run[k] > x->run[best] ? k : best;
    c->small |= busy < 0.5;
    return busy < 0.5 ? g_ascii_tolower(c->letters[best]) : c->letters[best];
}

static void put_row(chart *c, const char *label, const char *cells, double percent)
{
    fprintf(c->out, "%*s  %s %3.0f%%\n", c->label, label, cells, percent);
}

static double percent_of(const chart *c, int64_t ns)
{
    return 100.0 * (double)ns / (double)(c->to - c->from);
}

static void wait_in(chart *c, double *waiting, int64_t start, int64_t end)
{
    double from = column_of(c, start), to = column_of(c, end);
    for (int i = (int)from; i < c->width && i < to; i++)
        waiting[i] += MIN(to, i + 1) - MAX(from, i);
}

/* sk_shutdown waits until the last task has ended. */
static void wait_in_shutdown(chart *c, double *waiting)
{
    const sk_timeline *t = c->t;
    const char *text = sk_trace_read_value(t->log, "shutdown");
    if (!text)
        return;
    int64_t start = g_ascii_strtoll(text, NULL, 10), end = start;
    for (uint32_t s = 0; s < t->nslices; s++)
        end = MAX(end, t->slices[s].end);
    if (end > start && start >= c->from)
        wait_in(c, waiting, start, end);
}

static void put_driver(chart *c)
{
    const sk_timeline *t = c->t;
    g_autofree double *waiting = g_new0(double, c->width);
    g_autofree char *text = g_new0(char, c->width + 1);
    double in_all = 0;
    for (uint32_t w = 0; w < t->nwaits; w++)
        wait_in(c, waiting, t->waits[w].start, t->waits[w].end);
    wait_in_shutdown(c, waiting);
    for (int i = 0; i < c->width; i++) {
        double part = MIN(waiting[i], 1.0); /* threads of the driver may wait at the same time */
        text[i] = part >= 0.5 ? '~' : '=';
        c->waits |= part >= 0.5;
        in_all += part;
    }
    put_row(c, "driver", text, 100.0 * (1 - in_all / c->width));
}

static void put_workers(chart *c)
{
    const sk_timeline *t = c->t;
    cell *cells = g_new0(cell, (size_t)c->rows.nlines * c->width + 1);
    g_autofree uint32_t *line_of = g_new(uint32_t, t->nworkers + 1);
    for (uint32_t k = 0; k < c->rows.nlines; k++)
        for (uint32_t i = 0; i < c->rows.lines[k].n; i++)
            line_of[c->rows.lines[k].worker + i] = k;
    for (uint32_t i = 0; i < t->nslices; i++) {
        uint32_t k = line_of[t->slices[i].row];
        add_slice(c, cells + (size_t)k * c->width, &t->slices[i], 1.0 / c->rows.lines[k].share);
    }
    for (uint32_t k = 0; k < c->rows.nlines; k++) {
        const sk_gantt_line *l = &c->rows.lines[k];
        g_autofree char *label = sk_gantt_lines_label(&c->rows, l), *text = g_new0(char, c->width + 1);
        double busy = 0;
        for (int i = 0; i < c->width; i++)
            text[i] = cell_char(c, l, cells + (size_t)k * c->width, i, i ? text[i - 1] : ' ');
        for (uint32_t i = 0; i < l->n; i++)
            busy += percent_of(c, t->workers[l->worker + i].busy_ns);
        c->mean |= !l->alike;
        put_row(c, label, text, busy / l->share);
    }
    g_free(cells);
}

/* ---- 4. The axis ---------------------------------------------------------------------------- */

static int64_t choose_step(const chart *c)
{
    int64_t step = 1;
    for (int k = 0; (c->to - c->from) / step > c->width / 10; k++) /* 1 2 5 10 20 50 ... */
        step = step / (k % 3 == 1 ? 2 : 1) * (k % 3 == 1 ? 5 : 2);
    return step;
}

static void put_axis(const chart *c)
{
    static const struct {
        int64_t size;
        const char *name;
    } units[] = { { 1000000000, "s" }, { 1000000, "ms" }, { 1000, "us" }, { 1, "ns" } };
    int64_t step = choose_step(c);
    unsigned u = 0;
    while (u < 3 && c->to < units[u].size)
        u++;
    int digits = 0;
    for (int64_t s = units[u].size; s > 1 && step % s; s /= 10)
        digits++;

    g_autofree char *numbers = g_strnfill((gsize)c->columns, ' '),
                    *line = g_strnfill((gsize)c->width, '-');
    int room = c->columns - c->label - 2;
    for (int64_t at = (c->from + step - 1) / step * step; at <= c->to; at += step) {
        int column = MIN((int)column_of(c, at), c->width - 1);
        char text[40];
        int n = g_snprintf(text, sizeof text, "%.*f %s", at ? digits : 0,
                           (double)at / (double)units[u].size, units[u].name);
        if (column + n <= room)
            memcpy(numbers + column, text, (size_t)n);
        line[column] = '+';
    }
    numbers[room] = '\0';
    fprintf(c->out, "%*s  %s\n%*s  %s busy\n", c->label, "", g_strchomp(numbers), c->label, "",
            line);
}

/* ---- 5. The whole --------------------------------------------------------------------------- */

static void put_line(const chart *c, char *line) /* takes it; cut to the columns */
{
    fprintf(c->out, "%.*s\n", c->columns, line);
    g_free(line);
}

static void put_legend(const chart *c)
{
    const sk_timeline *t = c->t;
    uint32_t shown = 0, more = 0;
    int name = 4;
    for (uint32_t i = 0; i < t->nfns; i++)
        if (t->fns[i].attempts)
            name = MAX(name, (int)strlen(t->fns[i].name));
    name = MAX(4, MIN(name, c->columns - c->label - 46));
    for (uint32_t i = 0; i < t->nfns; i++) {
        const sk_line_fn *fn = &t->fns[c->order[i]];
        char mean[16], total[16];
        if (!fn->attempts)
            continue;
        if (shown++ >= MOST_FNS) {
            more++;
            continue;
        }
        put_line(c, g_strdup_printf("%*s  %c %-*.*s  %u %s, mean %s, in all %s", c->label, "",
                                    c->letters[c->letter[c->order[i]]], name, name, fn->name,
                                    fn->tasks, fn->tasks == 1 ? "task" : "tasks",
                                    sk_timeline_time(fn->run_ns / MAX(1, fn->tasks), mean),
                                    sk_timeline_time(fn->run_ns, total)));
    }
    if (more)
        fprintf(c->out, "%*s  and %u more functions\n", c->label, "", more);

    struct {
        bool used;
        const char *text;
    } marks[] = {
        { t->nworkers > 0 && c->idle, ". idle" },
        { c->waits, "~ waiting (sk_get, sk_wait)" },
        { true, "= driver at work" },
        { c->bars, "| next task" },
        { c->small, "small letter: less than half busy" },
        { c->failed, "x failed" },
        { c->retried, "! broken off, tried again" },
        { c->cancelled, "/ cancelled" },
        { c->mean, "several on a line: their mean" },
    };
    int at = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(marks); i++) {
        int n = (int)strlen(marks[i].text);
        if (!marks[i].used)
            continue;
        if (at == 0 || at + 3 + n > c->columns) {
            at = fprintf(c->out, "%s%*s  %s", at ? "\n" : "", c->label, "", marks[i].text) -
                 (at ? 1 : 0);
            continue;
        }
        at += fprintf(c->out, "   %s", marks[i].text);
    }
    fputc('\n', c->out);
    char work[16], span[16];
    put_line(c, g_strdup_printf("%*s  work T1 %s, span Tinf %s, T1/Tinf %.2f", c->label, "",
                                sk_timeline_time(t->work, work), sk_timeline_time(t->span, span),
                                t->span > 0 ? (double)t->work / (double)t->span : 0.0));
}

static void put_title(const chart *c)
{
    const sk_timeline *t = c->t;
    char time[16];
    g_autofree char *program = g_path_get_basename(t->program);
    uint32_t workers = t->nworkers - t->nextra;
    g_autofree char *nodes = t->nodes > 1 ? g_strdup_printf(" on %u nodes", t->nodes) : g_strdup("");
    put_line(c, g_strdup_printf("%s on %s, %u worker%s%s: %u task%s in %s", program, t->backend,
                                workers, workers == 1 ? "" : "s", nodes, t->ntasks,
                                t->ntasks == 1 ? "" : "s", sk_timeline_time(t->makespan, time)));
    if (t->info.damage)
        fprintf(c->out, "DAMAGED at byte %" G_GUINT64_FORMAT ": only what comes before is shown\n",
                t->info.damaged_at);
    else if (t->info.truncated)
        fprintf(c->out, "TRUNCATED: the trace stops before the program did\n");
    else if (t->error)
        fprintf(c->out, "ENDED BY AN ERROR: %s\n", t->error);
    if (t->info.dropped || t->info.missing_chunks)
        fprintf(c->out,
                "INCOMPLETE: %" G_GUINT64_FORMAT " records and %" G_GUINT64_FORMAT
                " chunks are missing\n",
                t->info.dropped, t->info.missing_chunks);
}

void sk_gantt_print(FILE *out, const sk_timeline *t, int columns)
{
    chart c = { .out = out, .t = t, .columns = columns <= 0 ? SK_GANTT_COLUMNS : MAX(columns, 50) };
    c.label = (int)strlen("driver");
    c.rows = sk_gantt_lines_choose(t);
    for (uint32_t k = 0; k < c.rows.nlines; k++) {
        g_autofree char *label = sk_gantt_lines_label(&c.rows, &c.rows.lines[k]);
        c.label = MAX(c.label, (int)strlen(label));
    }
    c.label = MIN(c.label, 20);
    c.width = c.columns - c.label - 2 - 5;
    c.from =
        t->first > 0 && t->first < t->last / 2 ? 0 : t->first; /* from sk_init, if that is near */
    c.to = MAX(t->last, c.from + 1);

    if (c.from > 0)
        c.from -= c.from % MAX(1, choose_step(&c) / 10); /* a round number, if one is near */

    put_title(&c);
    if (!t->nslices && !t->nwaits) {
        fprintf(out, "no task ran\n");
        sk_gantt_lines_clear(&c.rows);
        return;
    }
    give_letters(&c);
    put_axis(&c);
    put_driver(&c);
    put_workers(&c);
    put_legend(&c);
    g_free(c.letter);
    g_free(c.order);
    sk_gantt_lines_clear(&c.rows);
}

bool sk_gantt_print_file(FILE *out, const char *path, sk_error *err)
{
    sk_timeline *t = sk_timeline_load(path, err);
    if (t)
        sk_gantt_print(out, t, 0);
    sk_timeline_free(t);
    return t != NULL;
}
