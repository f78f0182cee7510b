/* compare.h -- two to four runs side by side: figures of each, by function too, and how they differ in sentences. No drawing here. The same
 * runs give the same words.
 *
 *     sk_compare *c = sk_compare_new(&runs);        the first is what the others are compared with
 *     c->run[1].spent.transfer ... c->fns[0].ns[1] ... c->words->pdata[0] */
#ifndef SK_COMPARE_H
#define SK_COMPARE_H

#include <glib.h>

#include "model.h"
#include "runs.h"
#include "spent.h"

typedef struct sk_compare_run {
    const sk_model *m;
    sk_spent spent;
    int64_t makespan, work;                   /* work: the run time of all tasks, T1 */
    uint32_t tasks, failed, cancelled, open, again; /* open: not ended; again: attempts that were not the first */
    uint64_t moved;                           /* bytes from node to node */
    char name[64];                            /* "B (tcp)": its letter, and what of it is unlike the others' */
    bool part;                                /* its end is not there: how long it takes is not known */
    const char *state;                        /* "not whole", "ended by an error" ...; NULL: it is whole and went well */
} sk_compare_run;

/* A function by its name: that is what two runs have in common. */
typedef struct sk_compare_fn { const char *name; uint32_t tasks[SK_RUNS]; int64_t ns[SK_RUNS]; } sk_compare_fn;

typedef struct sk_compare {
    unsigned n;
    sk_compare_run run[SK_RUNS];
    sk_compare_fn *fns; uint32_t nfns;        /* in the order of sk_runs_functions: a place is a look, too */
    uint32_t *fn_of[SK_RUNS];                 /* by function of the model: in fns[] */
    GPtrArray *words;                         /* sentences, the most important first */
} sk_compare;

sk_compare *sk_compare_new(const sk_runs *runs); /* O(events) */
void sk_compare_free(sk_compare *c);             /* NULL is fine */

/* A part of a run's makespan: what a worker of it spent on average, so that compute + transfer + scheduling + idle is the makespan. */
int64_t sk_compare_part(const sk_compare_run *r, int64_t spent);
/* "1.80x"; "1/386" of one that is small */
const char *sk_compare_ratio(double ratio, char buf[16]);

#endif
