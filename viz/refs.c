/* refs.c -- see export.h. A site whose objects are never freed while the program works holds on to
 * more and more: usually refs that are kept in a list for ever, or a loop without sk_drop or
 * sk_scope. What shutdown frees does not count as freed then. */
#include "export.h"

#include <glib.h>
#include <stdlib.h>

enum { MANY = 10 }; /* fewer objects than this are no pattern */

typedef struct count {
    uint32_t site;
    uint64_t made, early, late, never, bytes;
} count;

static int by_keeping(const void *a, const void *b)
{
    const count *x = a, *y = b;
    uint64_t p = x->late + x->never, q = y->late + y->never;
    if (p != q)
        return p > q ? -1 : 1;
    return x->site < y->site ? -1 : x->site > y->site;
}

/* When the last task ended, and the driver submitted and waited for the last time: from then on
 * only shutdown frees. */
static int64_t end_of_work(const sk_timeline *t)
{
    int64_t end = t->first;
    for (uint32_t i = 0; i < t->ntasks; i++)
        end = MAX(end, MAX(t->tasks[i].end, t->tasks[i].submitted));
    for (uint32_t i = 0; i < t->nwaits; i++)
        end = MAX(end, t->waits[i].end);
    return end;
}

void sk_refs_print(FILE *out, const sk_timeline *t)
{
    g_autofree count *counts = g_new0(count, (gsize)t->nsites + 1);
    int64_t end = end_of_work(t);
    uint64_t never = 0;
    uint32_t growing = 0;
    for (uint32_t i = 0; i < t->nsites; i++)
        counts[i].site = i;
    for (uint32_t i = 0; i < t->nobjects; i++) {
        const sk_line_object *o = &t->objects[i];
        count *c = &counts[o->site];
        c->made++;
        c->bytes += o->bytes;
        if (o->freed == SK_NO_TIME)
            c->never++, never++;
        else if (o->freed < end)
            c->early++;
        else
            c->late++;
    }
    qsort(counts, t->nsites, sizeof *counts, by_keeping);

    fprintf(out,
            "%u objects, by the line that made them; \"in the end\": by sk_shutdown, or after the "
            "last task\n\n",
            t->nobjects);
    fprintf(out, "%10s %10s %10s %10s %14s  %s\n", "made", "freed", "in the end", "never", "bytes",
            "where");
    for (uint32_t i = 0; i < t->nsites; i++) {
        const count *c = &counts[i];
        bool grows = c->made >= MANY && c->early == 0;
        if (!c->made)
            continue;
        growing += grows;
        fprintf(out,
                "%10" G_GUINT64_FORMAT " %10" G_GUINT64_FORMAT " %10" G_GUINT64_FORMAT
                " %10" G_GUINT64_FORMAT " %14" G_GUINT64_FORMAT "  %s:%d (%s)%s\n",
                c->made, c->early, c->late, c->never, c->bytes, t->sites[c->site].file,
                t->sites[c->site].line, t->sites[c->site].fn, grows ? "  ONLY GROWS" : "");
    }
    fputc('\n', out);
    if (never)
        fprintf(out, "%" G_GUINT64_FORMAT " objects were never freed%s\n", never,
                t->info.whole ? "" : " (or the trace ends before that)");
    if (growing)
        fprintf(out,
                "%u site%s: nothing made there was freed while the program worked; sk_drop, or "
                "sk_scope in loops\n",
                growing, growing == 1 ? " only grows" : "s only grow");
    if (!never && !growing)
        fputs("all were freed, and no site only grows\n", out);
}
