/* spans.c -- see spans.h. */
#include "spans.h"

#include "grow.h"

uint32_t sk_steps_until(const sk_step *steps, uint32_t n, sk_step k)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (steps[middle] <= k)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The levels above i, as high as there are two of them. */
static void lift(sk_spans *s, uint32_t i)
{
    for (unsigned l = 1; l < G_N_ELEMENTS(s->end) && s->n_end[l - 1] > 1; l++) {
        const sk_step *below = s->end[l - 1];
        uint32_t left = i & ~1u, right = left + 1;
        sk_step most = right < s->n_end[l - 1] ? MAX(below[left], below[right]) : below[left];
        i /= 2;
        if (i == s->n_end[l])
            (void)SK_GROW(s->end[l], s->n_end[l]);
        s->end[l][i] = most;
    }
}

uint32_t sk_spans_add(sk_spans *s, sk_step begin, sk_step end)
{
    *SK_GROW(s->begin, s->n) = begin;
    *SK_GROW(s->end[0], s->n_end[0]) = end;
    lift(s, s->n - 1);
    return s->n - 1;
}

void sk_spans_end(sk_spans *s, uint32_t i, sk_step end)
{
    s->end[0][i] = end;
    lift(s, i);
}

uint32_t sk_spans_open(const sk_spans *s, uint32_t before, sk_step k)
{
    uint32_t end = MIN(before, sk_steps_until(s->begin, s->n, k));
    unsigned l = 0;
    for (; end; end /= 2, l++) /* all before `end`, in units of this level; an odd one out stands alone */
        if (end & 1 && s->end[l][end - 1] > k)
            break;
    if (!end)
        return SK_NO_INDEX;
    uint32_t at = end - 1;
    while (l--) {
        at = 2 * at + 1;
        at -= s->end[l][at] <= k;
    }
    return at;
}

void sk_spans_clear(sk_spans *s)
{
    g_free(s->begin);
    for (unsigned l = 0; l < G_N_ELEMENTS(s->end); l++)
        g_free(s->end[l]);
    *s = (sk_spans){ 0 };
}
