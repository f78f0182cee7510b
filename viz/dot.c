/* dot.c -- see export.h. Tasks are boxes coloured by function, puts that tasks take are ellipses;
 * an arrow is an argument, with the number of the answer where a task has several; a dotted arrow
 * leads from a task to those it submitted. */
#include "export.h"

#include <glib.h>

static void put_text(FILE *out, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    for (const char *p = valid; *p; p++) {
        if (*p == '"' || *p == '\\')
            fputc('\\', out);
        fputc((unsigned char)*p < ' ' ? ' ' : *p, out);
    }
}

/* Neighbouring numbers get hues far apart. */
static void put_colour(FILE *out, uint32_t fn)
{
    double hue = 0.08 + fn * 0.61803398875;
    fprintf(out, "\"%.3f 0.35 0.95\"", hue - (double)(int64_t)hue);
}

static void put_task(FILE *out, const sk_timeline *t, uint32_t i)
{
    const sk_line_task *task = &t->tasks[i];
    char time[16];
    fprintf(out, "  t%u [label=\"", i + 1);
    put_text(out, sk_timeline_name(t, i));
    if (task->start != SK_NO_TIME)
        fprintf(out, "\\n%s", sk_timeline_time(task->run_ns, time));
    if (task->attempts > 1)
        fprintf(out, "\\n%u attempts", task->attempts);
    if (task->state == SK_TASK_FAILED)
        fprintf(out, "\\nFAILED: %s", sk_timeline_code(task->code));
    else if (task->state != SK_TASK_DONE)
        fprintf(out, "\\n%s", sk_timeline_outcome(t, i));
    fputs("\", fillcolor=", out);
    put_colour(out, task->fn);
    if (task->state == SK_TASK_FAILED)
        fputs(", color=red, penwidth=3", out);
    else if (task->state != SK_TASK_DONE)
        fputs(", style=\"filled,dashed\"", out);
    fputs(", tooltip=\"", out);
    put_text(out, t->sites[task->site].file);
    fprintf(out, ":%d\"];\n", t->sites[task->site].line);
}

static void put_edges(FILE *out, const sk_timeline *t, uint32_t i, bool *put_drawn)
{
    const sk_line_task *task = &t->tasks[i];
    for (unsigned d = 0; d < task->ndeps; d++) {
        uint32_t index = t->deps[task->first_dep + d];
        const sk_line_object *o = &t->objects[index];
        if (o->producer != SK_NO_INDEX) {
            const sk_line_task *from = &t->tasks[o->producer];
            fprintf(out, "  t%u -> t%u", o->producer + 1, i + 1);
            if (from->nobjects > 1)
                fprintf(out, " [label=\"answer %u\"]", index - from->first_object + 1);
            fputs(";\n", out);
            continue;
        }
        if (!put_drawn[index]) {
            put_drawn[index] = true;
            fprintf(out, "  o%u [label=\"put\\n", index + 1);
            put_text(out, t->sites[o->site].file);
            fprintf(out, ":%d\", shape=ellipse, fillcolor=white];\n", t->sites[o->site].line);
        }
        fprintf(out, "  o%u -> t%u;\n", index + 1, i + 1);
    }
    if (task->parent != SK_NO_INDEX)
        fprintf(out, "  t%u -> t%u [style=dotted, arrowhead=open, constraint=false];\n",
                task->parent + 1, i + 1);
}

void sk_dot_write(FILE *out, const sk_timeline *t)
{
    g_autofree bool *put_drawn = g_new0(bool, (gsize)t->nobjects + 1);
    fputs("digraph skate {\n  label=\"", out);
    g_autofree char *program = g_path_get_basename(t->program);
    put_text(out, program);
    fputs("\";\n  node [shape=box, style=filled, fontname=\"sans-serif\", fontsize=10];\n"
          "  edge [fontname=\"sans-serif\", fontsize=8];\n",
          out);
    for (uint32_t i = 0; i < t->ntasks; i++)
        put_task(out, t, i);
    for (uint32_t i = 0; i < t->ntasks; i++)
        put_edges(out, t, i, put_drawn);
    fputs("}\n", out);
}
