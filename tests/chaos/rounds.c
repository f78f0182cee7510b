/* rounds.c -- reductions whose answer changes if a part is lost, doubled, or out of order: products of 2x2 matrices modulo a prime, which do
 * not commute. Three sorts: small matrices that travel in messages, blocks of 2048 matrices and more that lie in the shared store, and ranges
 * that split themselves, so that parents wait in processes of their own, which are killed too. */
#include "chaos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRIME = 1000003, MOST_LEAVES = 40, MOST_MATRICES = 6000 };

typedef struct matrix { int64_t a, b, c, d; } matrix;

static matrix times(matrix x, matrix y)
{
    return (matrix){ (x.a * y.a + x.b * y.c) % PRIME, (x.a * y.b + x.b * y.d) % PRIME,
                     (x.c * y.a + x.d * y.c) % PRIME, (x.c * y.b + x.d * y.d) % PRIME };
}

static matrix leaf_of(uint64_t seed, int64_t leaf, int64_t place)
{
    uint64_t state = seed ^ (uint64_t)leaf << 32 ^ (uint64_t)place;
    uint64_t x = chaos_random(&state), y = chaos_random(&state);
    return (matrix){ (int64_t)(x % PRIME), (int64_t)((x >> 32) % PRIME), (int64_t)(y % PRIME), (int64_t)((y >> 32) % PRIME) };
}

/* ---- small ones ---- */

SK_REMOTE(sk_buf, small_leaf, (uint64_t, seed), (int64_t, leaf))
{
    matrix m = leaf_of(seed, leaf, 0);
    return sk_pack(m);
}

SK_REMOTE(sk_buf, small_times, (sk_buf, x), (sk_buf, y))
{
    matrix m = times(sk_unpack(matrix, x), sk_unpack(matrix, y));
    sk_compute(100);                       /* so that they are hit at work */
    return sk_pack(m);
}

/* ---- blocks ---- */

static void fill_block(matrix *m, uint64_t seed, int64_t leaf, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        m[i] = leaf_of(seed, leaf, i);
}

SK_REMOTE(sk_array, block_leaf, (uint64_t, seed), (int64_t, leaf), (int64_t, n))
{
    sk_array a = sk_new_array(SK_I64, n, 4);
    fill_block((matrix *)sk_write(int64_t, a), seed, leaf, n);
    return a;
}

SK_REMOTE(sk_array, block_times, (sk_array, x), (sk_array, y))
{
    sk_array a = sk_new_array(SK_I64, x.shape[0], 4);
    matrix *to = (matrix *)sk_write(int64_t, a);
    const matrix *l = (const matrix *)sk_read(int64_t, x), *r = (const matrix *)sk_read(int64_t, y);
    for (int64_t i = 0; i < x.shape[0]; i++)
        to[i] = times(l[i], r[i]);
    return a;
}

/* ---- ranges ---- */

static const sk_options *stubborn(void)
{
    static const sk_options options = { .max_retries = 250 };
    return &options;
}

SK_REMOTE_DECLARE(sk_array, block_range, (uint64_t, seed), (int64_t, from), (int64_t, to), (int64_t, n));
SK_REMOTE(sk_array, block_range, (uint64_t, seed), (int64_t, from), (int64_t, to), (int64_t, n))
{
    if (to - from == 1)
        return block_leaf_body(seed, from, n);
    int64_t middle = (from + to) / 2;
    sk_ref left = sk_remote_with(stubborn(), block_range, seed, from, middle, n);
    sk_ref right = sk_remote_with(stubborn(), block_range, seed, middle, to, n);
    sk_array l = sk_get(sk_array, left), r = sk_get(sk_array, right);
    return block_times_body(l, r);
}

/* ---- a round ---- */

static bool failed(const char *what, uint64_t seed, const char *how)
{
    printf("chaos: %s of seed %llu: %s\n", what, (unsigned long long)seed, how);
    return false;
}

/* Pairs of neighbours, level by level; as sk_reduce, with options. */
static sk_ref reduce(bool blocks, sk_ref *refs, int n)
{
    while (n > 1) {
        int kept = 0;
        for (int i = 0; i + 1 < n; i += 2)
            refs[kept++] = blocks ? sk_remote_with(stubborn(), block_times, refs[i], refs[i + 1])
                                  : sk_remote_with(stubborn(), small_times, refs[i], refs[i + 1]);
        if (n % 2)
            refs[kept++] = refs[n - 1];
        n = kept;
    }
    return refs[0];
}

static bool small_round(uint64_t seed, int leaves)
{
    sk_ref refs[MOST_LEAVES];
    sk_error err;
    sk_buf answer;
    for (int i = 0; i < leaves; i++)
        refs[i] = sk_remote_with(stubborn(), small_leaf, seed, i);
    if (!sk_try_get(reduce(false, refs, leaves), &answer, SK_FOREVER, &err))
        return failed("small matrices", seed, err.message);
    matrix m = leaf_of(seed, 0, 0), got = sk_unpack(matrix, answer);
    for (int i = 1; i < leaves; i++)
        m = times(m, leaf_of(seed, i, 0));
    return !memcmp(&m, &got, sizeof m) || failed("small matrices", seed, "WRONG ANSWER");
}

static bool is_right(uint64_t seed, int leaves, int64_t n, sk_array answer)
{
    if (answer.shape[0] != n || answer.shape[1] != 4)
        return false;
    const matrix *got = (const matrix *)sk_read(int64_t, answer);
    for (int64_t i = 0; i < n; i++) {
        matrix m = leaf_of(seed, 0, i);
        for (int leaf = 1; leaf < leaves; leaf++)
            m = times(m, leaf_of(seed, leaf, i));
        if (memcmp(&m, &got[i], sizeof m))
            return false;
    }
    return true;
}

static bool block_round(uint64_t seed, int leaves, int64_t n)
{
    static matrix mine[MOST_MATRICES];
    sk_ref refs[MOST_LEAVES];
    sk_error err;
    sk_array answer;
    for (int i = 0; i < leaves; i++) {
        if (i % 4 == 3) {
            fill_block(mine, seed, i, n);
            refs[i] = sk_put(sk_array_of((int64_t *)mine, n, 4));
        } else {
            refs[i] = sk_remote_with(stubborn(), block_leaf, seed, i, n);
        }
    }
    if (!sk_try_get(reduce(true, refs, leaves), &answer, SK_FOREVER, &err))
        return failed("blocks", seed, err.message);
    return is_right(seed, leaves, n, answer) || failed("blocks", seed, "WRONG ANSWER");
}

static bool range_round(uint64_t seed, int leaves, int64_t n)
{
    sk_error err;
    sk_array answer;
    if (!sk_try_get(sk_remote_with(stubborn(), block_range, seed, 0, leaves, n), &answer, SK_FOREVER, &err))
        return failed("ranges", seed, err.message);
    return is_right(seed, leaves, n, answer) || failed("ranges", seed, "WRONG ANSWER");
}

bool chaos_round(uint64_t seed)
{
    uint64_t state = seed;
    int leaves = 2 + (int)(chaos_random(&state) % (MOST_LEAVES - 1));
    int64_t n = 2048 + (int64_t)(chaos_random(&state) % (MOST_MATRICES - 2048));       /* 64 to 192 KB */
    bool ok = false;
    sk_scope {
        switch (chaos_random(&state) % 3) {
        case 0: ok = small_round(seed, leaves); break;
        case 1: ok = block_round(seed, leaves, n); break;
        default: ok = range_round(seed, 2 + leaves % 12, n);
        }
    }
    return ok;
}
