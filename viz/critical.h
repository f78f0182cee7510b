/* critical.h -- the critical path of a run: the longest chain of work, each piece of which had to wait for the one before.
 *
 * The idea: `depth` is the length of the longest path, in run time, to where a task is now. It grows while the task runs, and jumps when the
 * task starts, or goes on, after something that was longer. Between two jumps lies a strand, and a strand knows the one it came after: so the
 * path is read off backwards from the deepest end. All of that is a fold over the steps of the model, of which only the new ones are looked at; of
 * the path only what is new behind the part that stayed. So it costs a live run a few steps a frame.
 *
 * The words are those of `skate trace` (timeline.h): a task starts after the tasks that make its arguments, and after the point of its parent where
 * it was submitted; it goes on, after a wait, after those awaited objects that are there by then. The driver's time does not count.
 *
 * Of paths that are equally long, the one of more pieces counts as longer: so there is one to be seen also where no time passes.
 *
 *     const sk_critical *c = sk_critical_of(m);
 *     for (uint32_t i = 0; i < c->npath; i++) ... c->path[i].task ... */
#ifndef SK_CRITICAL_H
#define SK_CRITICAL_H

#include "model.h"

/* A piece of the path: this task from step `at`, where it starts or goes on, to step `left`, where the next one can: an object is made, a task
 * is submitted, or it ends. */
typedef struct sk_critical_part { uint32_t task; sk_step at, left; uint32_t strand; int64_t ns; } sk_critical_part;

typedef struct sk_critical {
    int64_t work, span;             /* T1, all run time; Tinf, that on the path: of the run so far */
    sk_critical_part *path;         /* first task first */
    uint32_t npath;
    struct sk_critical_walk *walks; /* by task ... */
    struct sk_critical_strand *strands;
    uint32_t nwalks, nstrands;
    uint32_t *running, nrunning;    /* tasks */
    sk_step nsteps;                 /* taken in so far */
    int64_t ended_work;             /* of what does not run now */
    int64_t depth;                  /* the deepest that does not run now: */
    uint32_t strand;                /* where it is, */
    sk_step left;                   /* and since when */
} sk_critical;

/* Of all that the model has taken so far. The model's: good until it goes, brought up to date by the next call. */
const sk_critical *sk_critical_of(const sk_model *m);
void sk_critical_free(sk_critical *c); /* NULL is fine. For the model, which keeps it */

/* Is the task on it, and after which task did it first come there? SK_NO_INDEX: it is the first. */
bool sk_critical_has(const sk_critical *c, uint32_t task);
uint32_t sk_critical_before(const sk_critical *c, uint32_t task);
/* "work 12.0 ms, span 3.10 ms, at most 3.87 at once on average". In buf, which it returns. */
const char *sk_critical_words(const sk_critical *c, char buf[96]);

#endif
