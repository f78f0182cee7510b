/* reduce.h -- the pairwise tree behind sk_reduce. */
#ifndef SK_REDUCE_H
#define SK_REDUCE_H

#include <skate.h>

sk_ref sk_reduce_tree(const sk_fn *fn, const sk_ref *refs, size_t n, sk_site *site);      /* n >= 1; see sk_reduce */

#endif
