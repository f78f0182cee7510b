/* layout.h -- where the tasks of a graph stand: a layered drawing that only grows.
 *
 * The idea: a task's layer is final when it is submitted (model.h), so only its place in the layer is to be found: as near as there is room
 * to the middle of those that make its arguments, else of its parent; who has neither comes next in its row. Nothing ever moves: what a
 * student has seen stays where it was. Places are in slots: tasks of a layer are 1 apart, at least. About 100 ns a task. */
#ifndef SK_LAYOUT_H
#define SK_LAYOUT_H

#include "model.h"

typedef struct sk_layout_row { /* a layer: which half slots are free */
    int32_t *left, *right;     /* at [place + origin]: the next place to the left or right that is free, this one included; paths get shorter */
    int32_t origin, n;
    int32_t end;               /* the highest place that is taken */
    uint32_t tasks;
} sk_layout_row;

typedef struct sk_layout {
    float *x;                  /* by task */
    uint32_t ntasks;
    sk_layout_row *rows;       /* by layer */
    uint32_t nrows;
    float low, high;           /* of all x */
} sk_layout;

void sk_layout_follow(sk_layout *l, const sk_model *m); /* takes in what is new; a layout of zeros is empty */
void sk_layout_clear(sk_layout *l);

#endif
