/* timeline_path.h -- the longest path through a run, found while timeline.c goes over its events.
 *
 * The idea: `depth` is the length of the longest path, in run time, to where a task is now. It
 * grows while the task runs, and jumps when the task goes on after something that was longer.
 * Between two jumps lies a strand; each strand knows the strand it came after, so the critical path
 * is read off backwards from the deepest end. timeline.h says what the edges are.
 *
 *     ..._begin      a task starts: after its parent's submission (walk.depth), its arguments
 *     ..._join       it goes on after a wait: after the awaited objects that are there
 *     ..._critical   in the end: fills in t->span, t->path */
#ifndef SK_TIMELINE_PATH_H
#define SK_TIMELINE_PATH_H

#include <glib.h>

#include "timeline.h"

typedef struct sk_walk {   /* of each task */
    int64_t depth, since;  /* when it last went on, and the time then */
    int64_t child_depth;   /* the deepest child that ended since the wait began; -1: none */
    uint32_t child_strand; /* that child's last strand */
    uint32_t first, n;     /* the objects it waits for, in awaited[] */
    uint32_t given;        /* so many they are, also those that the log does not name */
    bool joined;           /* the last wait has ended, and the task is after it */
} sk_walk;

typedef struct sk_strand {
    int64_t start;         /* the depth where it begins */
    uint32_t before, task; /* the strand it came after, SK_NO_INDEX: none */
} sk_strand;

typedef struct sk_paths {
    sk_timeline *t;
    sk_walk *walks; /* by task */
    sk_strand *strands;
    uint32_t *awaited;
    uint32_t nwalks, nstrands, nawaited;
} sk_paths;

/* Room for one more at array[n]; arrays double at powers of two. */
#define SK_MORE(array, n)                                                                          \
    ((n) & ((n)-1) ? &(array)[(n)++]                                                               \
                   : ((array) = g_realloc_n((array), (n) ? 2 * (size_t)(n) : 1, sizeof *(array)),  \
                      &(array)[(n)++]))

/* The depth of a task at this time: now, or when it sealed an answer. */
int64_t sk_timeline_path_depth(const sk_paths *p, uint32_t task, int64_t ns);
void sk_timeline_path_begin(sk_paths *p, uint32_t task);
void sk_timeline_path_join(sk_paths *p, uint32_t task);
void sk_timeline_path_critical(sk_paths *p);

#endif
