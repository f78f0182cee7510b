/* model_own.h -- what model.c and model_load.c (making the model) and model_ask.c (asking it) share. */
#ifndef SK_MODEL_OWN_H
#define SK_MODEL_OWN_H

#include <glib.h>

#include "model.h"

enum { SK_MODEL_CHECK = 4096, SK_MODEL_STATES = SK_TASK_CANCELLED + 1 };

typedef uint32_t sk_by_state[SK_MODEL_STATES];
typedef struct sk_model_tally { /* what is counted, but by groups */
    sk_by_state tasks;
    uint32_t objects;
    uint64_t bytes;
} sk_model_tally;
typedef struct sk_model_check { /* the tally after so many steps */
    sk_step step;
    sk_model_tally tally;
    uint32_t group, ngroups;    /* in check_group[] */
} sk_model_check;

struct sk_model_own {
    sk_ids tasks, objects, fns, sites, workers, nodes, groups, waiting; /* numbers, or pairs of them, to indices */
    uint32_t *open_wait;        /* by index in `waiting`: in waits[], or SK_NO_INDEX */
    uint32_t nopen;
    struct { uint32_t last, lanes; } *life; /* by index in `nodes`: its last one in nodes[]; for so many of its workers there are lanes */
    uint32_t nlife;
    GStringChunk *text;
    sk_model_tally tally;       /* now */
    sk_by_state *group;         /* now, by group */
    uint32_t ngroup;
    sk_model_check *checks;
    uint32_t nchecks;
    sk_by_state *check_group;
    uint32_t ncheck_group;
    sk_by_state *answer;        /* of sk_model_count */
    uint32_t nanswer;
    struct sk_critical *critical; /* critical.h; NULL until somebody asks for it */
};

/* Text as the model's own, for good, fit to be shown: whatever stands in the log. */
const char *sk_model_keep(sk_model *m, const char *text);
/* Takes the change of a step into the tallies; group[] has room for all groups there are. */
void sk_model_tally_step(const sk_model *m, const sk_model_event *e, sk_model_tally *tally, sk_by_state *group);

#endif
