/* spans.h -- stretches of steps that begin in order and end whenever they like: which of them are open at a step?
 *
 * The idea: the ends stand in a row, and above it, in a pyramid, the largest end of each two, of each four ... So the last stretch of those that began by
 * step k and have not ended then is found by a search for k and a walk up and down: O(log n), however many have ended. What a view draws of a
 * run then costs what is drawn, at any step. Only ever appended, but for ends that come; zeros are empty. */
#ifndef SK_SPANS_H
#define SK_SPANS_H

#include "model.h"

typedef struct sk_spans {
    sk_step *begin;
    sk_step *end[32];                   /* [0] of each; [l] the largest of 2^l of them */
    uint32_t n, n_end[32];
} sk_spans;

uint32_t sk_spans_add(sk_spans *s, sk_step begin, sk_step end); /* its index; begin: not before the last one's */
void sk_spans_end(sk_spans *s, uint32_t i, sk_step end);
/* The last one before index `before` that is open at step k (begin <= k < end), else SK_NO_INDEX. From `before` = n on down, that is all of them. */
uint32_t sk_spans_open(const sk_spans *s, uint32_t before, sk_step k);
void sk_spans_clear(sk_spans *s);

/* How many of n steps in order are k or less. */
uint32_t sk_steps_until(const sk_step *steps, uint32_t n, sk_step k);

#endif
