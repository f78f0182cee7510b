/* reduce.c -- sk_reduce and sk_map, on the public API only (but for the memory, which a task that is ended inside must not leak). */
#include "reduce.h"

#include "lane.h"

/* Level by level, neighbours in pairs; an odd one out moves up as it is. So the order is kept: (x0 x1)(x2 x3) x4 ->
 * ((x0 x1)(x2 x3)) x4 -> one, and the depth is ceil(log2 n). */
sk_ref sk_reduce_tree(const sk_fn *fn, const sk_ref *refs, size_t n, sk_site *site)
{
    if (n == 1)
        return sk_dup_at(refs[0], site);
    struct { sk_ref ref; bool ours; } *level = sk_lane_take_temp(sk_lane_self, n * sizeof *level);
    for (size_t i = 0; i < n; i++) {
        level[i].ref = refs[i];
        level[i].ours = false;
    }
    for (; n > 1; n = (n + 1) / 2) {
        for (size_t i = 0; i + 1 < n; i += 2) {
            sk_value pair[2] = { sk_from_ref(level[i].ref), sk_from_ref(level[i + 1].ref) };
            sk_ref up = sk_submit_checked(fn, site, 2, pair);
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
    sk_lane_free_temp(sk_lane_self);
    return answer;
}

void sk_map_at(const sk_fn *fn, const sk_ref *refs, size_t n, sk_ref *out, sk_site *site)
{
    for (size_t i = 0; i < n; i++) {
        sk_value one[1] = { sk_from_ref(refs[i]) };
        out[i] = sk_submit_checked(fn, site, 1, one);
    }
}
