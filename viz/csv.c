/* csv.c -- see export.h. One line a task, or one line a transfer; times in ns since sk_init, empty where it never
 * happened; `deps` are the tasks whose answers are arguments, separated by spaces. Quoted as RFC
 * 4180 says. */
#include "export.h"

#include <glib.h>
#include <string.h>

static void put_text(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++)
        fputs(*text == '"' ? "\"\"" : (char[]){ *text, '\0' }, out);
    fputc('"', out);
}

static void put_time(FILE *out, int64_t ns)
{
    if (ns != SK_NO_TIME)
        fprintf(out, "%" G_GINT64_FORMAT, ns);
    fputc(',', out);
}

void sk_transfers_write(FILE *out, const sk_timeline *t)
{
    fputs("object,made_by,file,line,bytes,from,to,start_ns,end_ns\n", out);
    for (uint32_t i = 0; i < t->ntransfers; i++) {
        const sk_line_transfer *x = &t->transfers[i];
        const sk_line_object *o = &t->objects[x->object];
        const sk_line_site *site = &t->sites[o->site];
        fprintf(out, "%u,%u,", x->object + 1, o->producer + 1); /* SK_NO_INDEX + 1 is 0: it was put */
        put_text(out, site->file);
        fprintf(out, ",%d,%" G_GUINT64_FORMAT ",%u,%u,", site->line, x->bytes, x->from, x->to);
        fprintf(out, "%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT "\n", x->start, x->end);
    }
}

void sk_csv_write(FILE *out, const sk_timeline *t)
{
    fputs("id,name,file,line,parent,worker,node,submitted_ns,ready_ns,start_ns,end_ns,blocked_ns,"
          "attempts,outcome,deps\n",
          out);
    for (uint32_t i = 0; i < t->ntasks; i++) {
        const sk_line_task *task = &t->tasks[i];
        const sk_line_site *site = &t->sites[task->site];
        fprintf(out, "%u,", i + 1);
        put_text(out, sk_timeline_name(t, i));
        fputc(',', out);
        put_text(out, site->file);
        fprintf(out, ",%d,%u,", site->line,
                task->parent + 1); /* SK_NO_INDEX + 1 is 0, the driver */
        if (task->last_slice != SK_NO_INDEX) {
            const sk_line_worker *w = &t->workers[t->slices[task->last_slice].row];
            fprintf(out, "%d,%u,", w->worker, w->node);
        } else {
            fputs(",,", out);
        }
        put_time(out, task->submitted);
        put_time(out, task->ready);
        put_time(out, task->start);
        put_time(out, task->end);
        fprintf(out, "%" G_GINT64_FORMAT ",%u,%s,", task->blocked_ns, task->attempts,
                sk_timeline_outcome(t, i));
        const char *space = "";
        for (unsigned d = 0; d < task->ndeps; d++) {
            const sk_line_object *o = &t->objects[t->deps[task->first_dep + d]];
            if (o->producer == SK_NO_INDEX)
                continue;
            fprintf(out, "%s%u", space, o->producer + 1);
            space = " ";
        }
        fputc('\n', out);
    }
}
