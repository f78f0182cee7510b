/* places.h -- who and what is where, at any step: of each node its life, its busy workers, and what lies in its object store.
 *
 * The log does not say where an object lies, but what follows from it: an object lies on the node whose worker made it (a put: where who put it was;
 * the driver is on the first node), and on those it has been moved to. It leaves them all when it is freed, and a node that dies takes its copies along.
 * An object that is missing leaves a mark where it was last, until it is made again or freed. Of copies that a full store dropped
 * the log says nothing; of those that it wrote to a disk it says so, unless it is an older one (model.h, spills).
 *
 * The idea: every change is kept with its step, in order. How many there are at a step is then the number that came by then, less that which went, by two
 * searches; and what is there, spans.h finds. Grows with the model. */
#ifndef SK_PLACES_H
#define SK_PLACES_H

#include "spans.h"

typedef struct sk_sums { sk_step *at; uint64_t *sum; uint32_t n; } sk_sums; /* after each step that adds something */

typedef struct sk_place {               /* of a node */
    uint32_t node;
    sk_step since;
    sk_sums up, down;                   /* its lives: their workers */
    uint32_t *lives, nlives;            /* those of `up`, in sk_model.nodes; none: the log never names it */
    sk_sums ran, rested;                /* slices RUNNING that began, and ended, here */
    sk_sums came, went;                 /* copies of objects; their bytes */
    sk_spans spans;                     /* of copies, and of marks of lost ones */
    uint32_t *copies, ncopies;          /* which ones: indices in sk_places.copies */
    uint32_t here;                      /* the last copy that came since it last died, no mark: it may have gone */
} sk_place;

/* The chains lead from the last one back, to SK_NO_INDEX. Those that say "may have gone" are left as they are when a copy goes, and are walked
 * once: where all that is still there goes. So whatever the log says, a step costs what it changes. */
typedef struct sk_copy {
    uint32_t object, store, place;      /* place: in its store */
    uint32_t before;                    /* the object's copy before this */
    uint32_t also, here;                /* the object's one of the same kind, the node's one, before this: they may have gone */
    bool lost;                          /* it is a mark */
} sk_copy;
typedef struct sk_copies { uint32_t last, there[2]; } sk_copies; /* of an object: its last copy; its last copy and its last mark that may have gone */

typedef struct sk_places {
    sk_place *nodes; uint32_t nnodes;   /* as they appeared ... */
    uint32_t *order;                    /* ... and by number */
    sk_ids of;                          /* numbers to indices */
    sk_copy *copies; uint32_t ncopies;
    sk_copies *of_object; uint32_t nobjects;
    sk_ids pairs;                       /* of an object and a store ... */
    uint32_t *newest, npairs;           /* ... to the last copy there */
    sk_spans *workers; uint32_t nworkers; /* by worker: its slices, as in sk_model_worker */
    uint32_t *place, nplace;            /* by slice: in those */
    sk_sums largest;                    /* the largest object up to then */
    sk_step steps;                      /* taken in so far */
} sk_places;

/* So many nodes in any order, and the most there are: no run has more of them, but a log may say so, and each moves those behind it and takes
 * room. What more it names counts with the node of the next number that there is. */
enum { SK_PLACES_MANY = 1 << 14, SK_PLACES_MOST = 1 << 17 };

void sk_places_follow(sk_places *s, const sk_model *m); /* takes in what is new; zeros are empty */
void sk_places_clear(sk_places *s);

uint64_t sk_sums_at(const sk_sums *s, sk_step k);       /* up to step k */
uint32_t sk_sums_count(const sk_sums *s, sk_step k);

typedef enum sk_node_is { SK_NODE_IS_NOT, SK_NODE_IS_UP, SK_NODE_IS_DOWN } sk_node_is;
sk_node_is sk_places_node(const sk_place *n, sk_step k);
/* On how many nodes the object lies; 16 stands for more. */
uint32_t sk_places_copies(const sk_places *s, uint32_t object, sk_step k);
/* The spill (in sk_model.spills) that has the bytes of this copy on its node's disk, else SK_NO_INDEX. */
uint32_t sk_places_spill(const sk_places *s, const sk_model *m, uint32_t copy, sk_step k);
/* The slice of this worker that is open, RUNNING before BLOCKED, else SK_NO_INDEX; and how many are blocked there. */
uint32_t sk_places_slice(const sk_places *s, const sk_model *m, uint32_t worker, sk_step k, uint32_t *blocked);

#endif
