/* reduce.c -- sk_reduce and sk_map, on the public API only. */
#include "reduce.h"

#include <stdlib.h>

/* Level by level, neighbours in pairs; an odd one out moves up as it is. So the order is kept: (x0 x1)(x2 x3) x4 ->
 * ((x0 x1)(x2 x3)) x4 -> one, and the depth is ceil(log2 n). */
sk_ref sk_reduce_tree(const sk_fn *fn, const sk_ref *refs, size_t n, sk_site *site)
{
    if (n == 1)
        return sk_dup_at(refs[0], site);
    struct { sk_ref ref; bool ours; } *level = malloc(n * sizeof *level);
    if (!level)
        abort();
    for (size_t i = 0; i < n; i++) {
        level[i].ref = refs[i];
        level[i].ours = false;
    }
    for (; n > 1; n = (n + 1) / 2) {
        for (size_t i = 0; i + 1 < n; i += 2) {
            sk_value pair[SK_MAX_ARGS] = { sk_from_ref(level[i].ref), sk_from_ref(level[i + 1].ref) };
            sk_ref up = sk_submit_one(fn, site, 2, pair, NULL);
            for (size_t j = i; j < i + 2; j++)
                if (level[j].ours)
                    sk_drop_at(level[j].ref, site);
            level[i / 2].ref = up;
            level[i / 2].ours = true;
        }
        if (n % 2)
            level[n / 2] = level[n - 1];
    }
    sk_ref answer = level[0].ref;
    free(level);
    return answer;
}

void sk_map_at(const sk_fn *fn, const sk_ref *refs, size_t n, sk_ref *out, sk_site *site)
{
    for (size_t i = 0; i < n; i++) {
        sk_value one[SK_MAX_ARGS] = { sk_from_ref(refs[i]) };
        out[i] = sk_submit_one(fn, site, 1, one, NULL);
    }
}
