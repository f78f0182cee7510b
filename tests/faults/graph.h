/* graph.h -- a random program for the fault simulator, as data, and what each of its objects must hold.
 *
 * The idea: everything is a 2x2 matrix of integers modulo a prime, and nearly every function multiplies: a part that is lost, doubled or
 * out of order changes the answer. The serial answer is computed while the program is made up. Some matrices carry padding, so
 * that they take time to travel. */
#ifndef FAULTS_GRAPH_H
#define FAULTS_GRAPH_H

#include <skate.h>

#include <stdio.h>

enum { MOST_SLOTS = 96, MOST_FAN = 6, PRIME = 1000003 };

typedef struct matrix { int64_t at[4]; } matrix;

typedef enum what {
    PUT, LEAF, MUL, MUL4, SPLIT, DET, SCALE, FAN, LIST, FOLD, PUTTER, BY_REF, REDUCE, NAY, WHATS
} what;

typedef struct slot {
    what what;
    int args[MOST_FAN], nargs;             /* slots before this one */
    int which;                             /* SPLIT: of its answers; the second stands behind the first */
    bool is_scalar, is_list, fails;        /* fails: by itself (NAY), or because of an argument that does */
    matrix is;                             /* what it must hold; of a list, the product; of a scalar, at[0] */
    uint64_t seed;
    int pad;                               /* elements behind the four */
    double seconds, units;
    sk_options options;
    bool drop;                             /* by the driver, once all is submitted, before anything is got */
    bool wait;                             /* the driver waits for it while it submits */
} slot;

typedef struct graph {
    slot slots[MOST_SLOTS];
    int n;
    double pause;                          /* the driver sleeps so long between two submissions */
} graph;

uint64_t draw(uint64_t *stream);
static inline int below(uint64_t *stream, int n) { return (int)(draw(stream) % (uint64_t)n); }

void graph_make(graph *g, uint64_t seed, int nodes, bool has_gpu);
void graph_print(const graph *g, FILE *out);

/* Runs it between sk_init and sk_shutdown. NULL, or what is wrong (in a static buffer). *right, *errors: objects that had the serial answer, that ended with an error. `for_good`:
 * nodes or links may be lost and not come back, so what only they could do may end as INFEASIBLE or DEADLOCK. */
const char *graph_run(const graph *g, bool for_good, unsigned *right, unsigned *errors);

#endif
