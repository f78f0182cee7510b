/* listing.h -- a run by its source: the files that its trace names, the lines of each that submit tasks or define functions, and how it stands
 * with the tasks of a line at any time. No drawing here.
 *
 *     sk_listing_follow(l, m);                                   what is new in the model
 *     sk_listing_at(l, m, step, ns);                             counts and times of all lines, then
 *     const sk_source *s = sk_listing_source(l, m, file);        its text, read when it is first asked for
 *     for (uint32_t i = 0; i < sk_listing_rows(l, m, file); i++) { sk_listing_row r = sk_listing_row_at(l, m, file, i); ... } */
#ifndef SK_LISTING_H
#define SK_LISTING_H

#include "model.h"
#include "source.h"
#include "work.h"

/* A line that submits tasks, or defines a function. Several submissions may stand on one line. */
typedef struct sk_listing_mark {
    uint32_t file, site, fn;                /* site, fn: the first of them; SK_NO_INDEX: none */
    uint32_t submits;                       /* the function whose tasks it submits, the first of them ... */
    bool others;                            /* ... and there are others */
    int line;
    uint32_t total;                         /* tasks that it submits in all of the run, as far as that is known */
    uint32_t tasks[SK_TASK_CANCELLED + 1];  /* in each state, at the time asked for */
    uint32_t all;                           /* those that were submitted by then */
    int64_t ns;                             /* they had run */
} sk_listing_mark;

typedef struct sk_listing_file {
    const char *name;                       /* as the trace has it: the model's */
    sk_source *source;                      /* NULL: not read yet */
    uint32_t first, n, outside;             /* of its lines in marks[], sorted; so many of these are no lines of the source */
    bool submits;                           /* tasks */
} sk_listing_file;

typedef struct sk_listing {
    sk_listing_file *files; uint32_t nfiles;   /* those that submit come first, each sort by first appearance */
    sk_listing_mark *marks; uint32_t nmarks;
    int64_t longest, ran;                   /* of ns: the most of a line; all lines together */
    uint32_t *mark_of_site;                  /* of those that submit */
    uint64_t made_of;                       /* what of the model the above was made from, as a number */
    sk_work work;
} sk_listing;

void sk_listing_follow(sk_listing *l, const sk_model *m); /* zeros are empty */
void sk_listing_clear(sk_listing *l);
void sk_listing_at(sk_listing *l, const sk_model *m, sk_step k, int64_t ns);
/* "× 9999", "× 35k", "× 4M": how many tasks, never wider than four digits. In buf, which it returns. */
const char *sk_listing_times(uint32_t n, char buf[16]);
const sk_source *sk_listing_source(sk_listing *l, const sk_model *m, uint32_t file);

/* A file as rows: the lines of its source; then the marked lines that are not among them: all of them if there is no source. */
typedef struct sk_listing_row { int line; const char *text; const sk_listing_mark *mark; } sk_listing_row; /* text, mark: NULL: none */
uint32_t sk_listing_rows(sk_listing *l, const sk_model *m, uint32_t file);
sk_listing_row sk_listing_row_at(sk_listing *l, const sk_model *m, uint32_t file, uint32_t row);
/* The row of a mark. */
uint32_t sk_listing_row_of(sk_listing *l, const sk_model *m, const sk_listing_mark *mark);
/* The mark where this task was submitted. */
const sk_listing_mark *sk_listing_of_task(const sk_listing *l, const sk_model *m, uint32_t task);

#endif
