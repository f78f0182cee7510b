/* room.h -- which node has room? The next one at or after a given number, without looking at all of them.
 *
 * A tournament tree: a leaf per node holds what is free there, one number a column (cpus, speed, named resources); an inner vertex
 * holds the largest of each column below it. A subtree whose largest cpus are too few has no node that fits, so the search passes
 * it by. One change costs log2(nodes) steps. With several columns the maxima may be of different nodes; then the search has to
 * turn back, and is still right.                                                                                    */
#ifndef SK_ROOM_H
#define SK_ROOM_H

#include "base.h"

typedef struct sk_room {
    int width, leaves;       /* leaves: a power of two */
    int64_t *most;           /* width numbers a vertex; vertex 1 is the root, `leaves` + i is node i */
} sk_room;

void sk_room_clear(sk_room *room);
/* Room for this many nodes and columns; what is there stays, new numbers are "nothing". */
void sk_room_grow(sk_room *room, int nodes, int width);
/* values: width numbers, copied; NULL: nothing fits here, not even a demand for 0. */
void sk_room_set(sk_room *room, int node, const int64_t *values);
/* The first node >= from that has at least `want` in each column, or -1. */
int sk_room_find(const sk_room *room, const int64_t *want, int from);

#endif
