/* layout.c -- see layout.h. A row is a union-find of half slots in each direction: a place that is taken points on to the next, so finding
 * the nearest free one takes constant time, nearly. */
#include "layout.h"

#include <math.h>
#include <string.h>

#include "grow.h"

/* Makes [from, to] part of the row. */
static void widen(sk_layout_row *r, int32_t from, int32_t to)
{
    if (r->n && from + r->origin >= 0 && to + r->origin < r->n)
        return;
    int32_t low = r->n ? MIN(from, -r->origin) : from, high = r->n ? MAX(to, r->n - r->origin - 1) : to, more = (high - low) / 2 + 32;
    if (r->n == 0 || low < -r->origin)
        low -= more;
    if (r->n == 0 || high > r->n - r->origin - 1)
        high += more;
    int32_t n = high - low + 1, *left = g_new(int32_t, n), *right = g_new(int32_t, n);
    for (int32_t i = 0; i < n; i++)
        left[i] = right[i] = low + i;
    if (r->n) {
        memcpy(left - low - r->origin, r->left, (size_t)r->n * sizeof *left);
        memcpy(right - low - r->origin, r->right, (size_t)r->n * sizeof *right);
    }
    g_free(r->left);
    g_free(r->right);
    r->left = left;
    r->right = right;
    r->origin = -low;
    r->n = n;
}

/* Follows next[] from a place to one that is free, and shortens the way. */
static int32_t find(int32_t *next, int32_t place)
{
    while (next[place] != place)
        place = next[place] = next[next[place]];
    return place;
}

/* Takes the free place that is nearest to this one. */
static int32_t take(sk_layout_row *r, int32_t want)
{
    /* A task takes three half slots at most, so the nearest free one is not further off than this. */
    int32_t far = r->tasks && want < r->end + 2 ? (int32_t)MIN(3 * (int64_t)r->tasks + 8, INT32_MAX / 8) : 8;
    widen(r, want - far, want + far);
    int32_t *left = r->left + r->origin, *right = r->right + r->origin;
    int32_t a = find(left, want), b = find(right, want), p = want - a <= b - want ? a : b;
    for (int32_t taken = p - 1; taken <= p + 1; taken++) { /* the next one is a whole slot away */
        left[taken] = MIN(left[taken], p - 2);
        right[taken] = MAX(right[taken], p + 2);
    }
    r->end = r->tasks++ ? MAX(r->end, p) : p;
    return p;
}

static void place(sk_layout *l, const sk_model *m, uint32_t task)
{
    const sk_model_task *t = &m->tasks[task];
    double sum = 0;
    unsigned n = 0;
    for (unsigned d = 0; d < t->ndeps; d++) {
        uint32_t maker = m->objects[m->deps[t->first_dep + d]].producer;
        if (maker != SK_NO_INDEX && maker < l->ntasks)
            sum += (double)l->x[maker], n++;
    }
    if (!n && t->parent != SK_NO_INDEX && t->parent < l->ntasks)
        sum = (double)l->x[t->parent], n = 1;
    while (l->nrows <= t->layer)
        memset(SK_GROW(l->rows, l->nrows), 0, sizeof *l->rows);
    sk_layout_row *r = &l->rows[t->layer];
    int32_t want = n ? (int32_t)floor(2 * sum / n + 0.5) : r->tasks ? r->end + 2 : 0;
    float x = (float)take(r, want) / 2;
    l->low = l->ntasks ? MIN(l->low, x) : x;
    l->high = l->ntasks ? MAX(l->high, x) : x;
    *SK_GROW(l->x, l->ntasks) = x;
}

void sk_layout_follow(sk_layout *l, const sk_model *m)
{
    while (l->ntasks < m->ntasks)
        place(l, m, l->ntasks);
}

void sk_layout_clear(sk_layout *l)
{
    for (uint32_t i = 0; i < l->nrows; i++) {
        g_free(l->rows[i].left);
        g_free(l->rows[i].right);
    }
    g_free(l->rows);
    g_free(l->x);
    *l = (sk_layout){ 0 };
}
