/* tree.h -- the reduction that both simulators run, and where its tasks are: for tree_skate.c and tree_simgrid.cpp.
 *
 * Task 1 is the root, task i adds 2i and 2i + 1, tasks n .. 2n - 1 are the leaves. All compute equally long and make equally many bytes.
 * Arguments: LEAVES NODES BYTES LATENCY-us BANDWIDTH-MB/s WORK-us PLACEMENT, all whole numbers; PLACEMENT:
 *
 *     block    a leaf's node by its number, a sum's node is that of its left operand
 *     cyclic   task i on node i mod NODES
 *     spread   task i on a node drawn by i */
#ifndef TREE_H
#define TREE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TREE_MOST_LEAVES = 1 << 16 };
typedef struct tree { int leaves, nodes, bytes, latency_us, bandwidth_mb, work_us; char placement; } tree;

static inline tree tree_read(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "usage: %s LEAVES NODES BYTES LATENCY-us BANDWIDTH-MB/s WORK-us block|cyclic|spread\n", argv[0]);
        exit(2);
    }
    tree t = { atoi(argv[1]), atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), atoi(argv[6]), argv[7][0] };
    if (t.leaves < 2 || t.leaves > TREE_MOST_LEAVES || t.nodes < 1 || t.bytes < 8 || t.bandwidth_mb < 1 || !strchr("bcs", t.placement)) {
        fprintf(stderr, "%s: not such a tree\n", argv[0]);
        exit(2);
    }
    return t;
}

static inline int tree_node(const tree *t, int i)
{
    if (t->placement == 'c')
        return i % t->nodes;
    if (t->placement == 's') {
        uint64_t x = (uint64_t)i * 0x9e3779b97f4a7c15u;
        return (int)((x ^ x >> 29) * 0xbf58476d1ce4e5b9u >> 40) % t->nodes;
    }
    while (i < t->leaves)
        i *= 2;
    return (int)((int64_t)(i - t->leaves) * t->nodes / t->leaves);
}

#endif
