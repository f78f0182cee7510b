/* gantt_lines.c -- see gantt_lines.h. From the finest to the coarsest way, until it fits. */
#include "gantt_lines.h"

#include <glib.h>

enum { MOST_LINES = 36 };

static void take_prints(sk_gantt_lines *c)
{
    const sk_timeline *t = c->t;
    c->print = g_new0(uint64_t, t->nworkers + 1);
    for (uint32_t i = 0; i < t->nslices; i++) {
        const sk_line_slice *s = &t->slices[i];
        uint64_t parts[] = { (uint64_t)s->start, (uint64_t)s->end, t->tasks[s->task].fn,
                             (uint64_t)s->how << 1 | s->blocked }, *p = &c->print[s->row];
        for (unsigned k = 0; k < G_N_ELEMENTS(parts); k++)
            *p = (*p ^ parts[k]) * 0x9e3779b97f4a7c15ull + 1, *p ^= *p >> 29;
    }
}

static bool is_last_of_node(const sk_timeline *t, uint32_t row)
{
    return row + 1 == t->nworkers || t->workers[row + 1].node != t->workers[row].node;
}

static bool is_first_of_node(const sk_timeline *t, uint32_t row)
{
    return row == 0 || is_last_of_node(t, row - 1);
}

static bool is_idle(const sk_gantt_lines *c, const sk_gantt_line *l)
{
    return l->alike && !c->print[l->worker];
}

/* Do the two do the same, worker by worker? */
static bool are_equal(const sk_gantt_lines *c, const sk_gantt_line *a, const sk_gantt_line *b)
{
    for (uint32_t i = 0; a->n == b->n && i < a->n; i++)
        if (c->print[a->worker + i] != c->print[b->worker + i])
            return false;
    return a->n == b->n;
}

static sk_gantt_line *add_line(sk_gantt_lines *c, uint32_t worker, uint32_t n)
{
    bool alike = true;
    for (uint32_t i = 1; i < n && alike; i++)
        alike = c->print[worker + i] == c->print[worker];
    sk_gantt_line *l = &c->lines[c->nlines++];
    *l = (sk_gantt_line){ worker, n, 0, alike };
    return l;
}

/* A line a worker; neighbours on which nothing ever ran share one, on one node, or `far`: also nodes
 * on which nothing did. */
static void lines_of_workers(sk_gantt_lines *c, bool far)
{
    const sk_timeline *t = c->t;
    c->nlines = 0;
    for (uint32_t r = 0; r < t->nworkers; r++) {
        sk_gantt_line *last = c->nlines ? &c->lines[c->nlines - 1] : NULL;
        if (last && !c->print[r] && is_idle(c, last) && !is_first_of_node(t, r))
            last->n++;
        else
            add_line(c, r, 1);
    }
    uint32_t n = c->nlines;
    c->nlines = 0;
    for (uint32_t i = 0; i < n; i++) {
        sk_gantt_line l = c->lines[i], *last = c->nlines ? &c->lines[c->nlines - 1] : NULL;
        bool whole = is_first_of_node(t, l.worker) && is_last_of_node(t, l.worker + l.n - 1);
        if (far && last && whole && is_idle(c, &l) && is_idle(c, last) && is_first_of_node(t, last->worker))
            last->n += l.n;
        else
            c->lines[c->nlines++] = l;
    }
}

/* A line a node, or a worker if there is one node; then neighbours that are equal share one. */
static void lines_of_equals(sk_gantt_lines *c)
{
    const sk_timeline *t = c->t;
    c->nlines = 0;
    for (uint32_t r = 0, first = 0; r < t->nworkers; r++)
        if (!c->by_node || is_last_of_node(t, r)) {
            add_line(c, first, r + 1 - first);
            first = r + 1;
        }
    uint32_t n = c->nlines;
    sk_gantt_line unit = { 0 }; /* the first node of the last line */
    c->nlines = 0;
    for (uint32_t i = 0; i < n; i++) {
        sk_gantt_line l = c->lines[i];
        if (c->nlines && are_equal(c, &unit, &l))
            c->lines[c->nlines - 1].n += l.n;
        else
            c->lines[c->nlines++] = unit = l;
    }
}

/* Groups of 2, 5, 10, 20, 50 ... nodes (workers); idle neighbours share a line. */
static void lines_of_groups(sk_gantt_lines *c)
{
    const sk_timeline *t = c->t;
    uint32_t units = c->by_node ? t->nodes : t->nworkers, size = 1;
    for (int k = 0; (units + size - 1) / size > MOST_LINES; k++)
        size = k % 3 == 1 ? size / 2 * 5 : size * 2;
    c->nlines = 0;
    for (uint32_t r = 0, first = 0, in_group = 0; r < t->nworkers; r++) {
        if (c->by_node && !is_last_of_node(t, r))
            continue;
        if (++in_group < size && r + 1 < t->nworkers)
            continue;
        sk_gantt_line *last = c->nlines ? &c->lines[c->nlines - 1] : NULL;
        sk_gantt_line *l = add_line(c, first, r + 1 - first);
        if (last && is_idle(c, last) && is_idle(c, l))
            last->n += l->n, c->nlines--;
        first = r + 1;
        in_group = 0;
    }
}

static void count_shares(sk_gantt_lines *c)
{
    for (uint32_t k = 0; k < c->nlines; k++) {
        sk_gantt_line *l = &c->lines[k];
        for (uint32_t r = l->worker; r < l->worker + l->n; r++)
            l->share += !c->t->workers[r].extra;
        l->share = MAX(l->share, 1);
    }
}

sk_gantt_lines sk_gantt_lines_choose(const sk_timeline *t)
{
    sk_gantt_lines lines = { .t = t }, *c = &lines;
    take_prints(c);
    c->lines = g_new(sk_gantt_line, c->t->nworkers + 1);
    lines_of_workers(c, false);
    if (c->nlines > MOST_LINES && c->t->nodes > 1)
        lines_of_workers(c, true);
    c->by_node = c->nlines > MOST_LINES && c->t->nodes > 1;
    if (c->nlines > MOST_LINES)
        lines_of_equals(c);
    if (c->nlines > MOST_LINES)
        lines_of_groups(c);
    count_shares(c);
    return lines;
}

void sk_gantt_lines_clear(sk_gantt_lines *c)
{
    g_free(c->lines);
    g_free(c->print);
}

char *sk_gantt_lines_label(const sk_gantt_lines *c, const sk_gantt_line *l)
{
    const sk_timeline *t = c->t;
    const sk_line_worker *w = &t->workers[l->worker], *last = &t->workers[l->worker + l->n - 1];
    if (t->nodes <= 1)
        return l->n > 1 ? g_strdup_printf("worker %d-%d", w->worker, last->worker)
                        : g_strdup_printf("worker %d", w->worker);
    if (w->node != last->node)
        return g_strdup_printf("node %u-%u", w->node, last->node);
    if (c->by_node)
        return g_strdup_printf("node %u", w->node);
    return l->n > 1 ? g_strdup_printf("node %u>%d-%d", w->node, w->worker, last->worker)
                    : g_strdup_printf("node %u>%d", w->node, w->worker);
}
