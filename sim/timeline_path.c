/* timeline_path.c -- see timeline_path.h. */
#include "timeline_path.h"

int64_t sk_timeline_path_depth(const sk_paths *p, uint32_t task, int64_t ns)
{
    const sk_line_task *t = &p->t->tasks[task];
    const sk_walk *w = &p->walks[task];
    if (t->state == SK_TASK_RUNNING)
        return w->depth + MAX(0, ns - w->since);
    if (t->end != SK_NO_TIME) /* it went on a little after it had sealed this answer */
        return MAX(0, w->depth - MAX(0, t->end - ns));
    return w->depth;
}

/* The longest path to an object that is there, and the strand it comes from; -1: none. */
static int64_t object_depth(const sk_paths *p, uint32_t object, uint32_t *strand)
{
    const sk_line_object *o = &p->t->objects[object];
    *strand = SK_NO_INDEX;
    if (o->producer == SK_NO_INDEX || o->made == SK_NO_TIME ||
        p->t->tasks[o->producer].start == SK_NO_TIME)
        return -1;
    *strand = p->t->tasks[o->producer].path;
    return sk_timeline_path_depth(p, o->producer, o->made);
}

static void new_strand(sk_paths *p, uint32_t task, int64_t start, uint32_t before)
{
    p->t->tasks[task].path = p->nstrands;
    *SK_MORE(p->strands, p->nstrands) = (sk_strand){ start, before, task };
    p->walks[task].depth = start;
}

void sk_timeline_path_begin(sk_paths *p, uint32_t task)
{
    const sk_line_task *t = &p->t->tasks[task];
    int64_t depth = p->walks[task].depth; /* of the parent where it submitted this */
    uint32_t before = t->path, s;
    for (unsigned i = 0; i < t->ndeps; i++) {
        int64_t d = object_depth(p, p->t->deps[t->first_dep + i], &s);
        if (d > depth || (d == depth && before == SK_NO_INDEX))
            depth = d, before = s;
    }
    new_strand(p, task, depth, before);
}

/* The task goes on after a wait. Children that ended meanwhile stand for awaited objects that the
 * log does not name. */
void sk_timeline_path_join(sk_paths *p, uint32_t task)
{
    sk_walk *w = &p->walks[task];
    bool all = w->n && w->n >= w->given;
    int64_t depth = all ? -1 : w->child_depth;
    uint32_t before = all ? SK_NO_INDEX : w->child_strand, s;
    for (uint32_t i = 0; i < w->n; i++) {
        int64_t d = object_depth(p, p->awaited[w->first + i], &s);
        if (d > depth)
            depth = d, before = s;
    }
    if (depth > w->depth)
        new_strand(p, task, depth, before);
}

void sk_timeline_path_critical(sk_paths *p)
{
    sk_timeline *t = p->t;
    int64_t depth = 0;
    uint32_t s = SK_NO_INDEX;
    for (uint32_t i = 0; i < t->ntasks; i++)
        if (t->tasks[i].path < p->nstrands && t->tasks[i].start != SK_NO_TIME &&
            (p->walks[i].depth > depth || s == SK_NO_INDEX))
            depth = p->walks[i].depth, s = t->tasks[i].path;
    t->span = depth;
    for (; s != SK_NO_INDEX; s = p->strands[s].before) {
        *SK_MORE(t->path, t->npath) =
            (sk_line_step){ p->strands[s].task, MAX(0, depth - p->strands[s].start) };
        depth = MIN(depth, p->strands[s].start);
    }
    for (uint32_t i = 0; i < t->npath / 2; i++) {
        sk_line_step step = t->path[i];
        t->path[i] = t->path[t->npath - 1 - i];
        t->path[t->npath - 1 - i] = step;
    }
}
