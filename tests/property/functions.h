#ifndef FUNCTIONS_H
#define FUNCTIONS_H
#include "plan.h"
#include <skate/backend.h>

SK_REMOTE_DECLARE(uint64_t, mix2, (uint64_t, a), (uint64_t, b), (uint64_t, salt));
SK_REMOTE_DECLARE(uint64_t, mix8, (uint64_t, a), (uint64_t, b), (uint64_t, c), (uint64_t, d), (uint64_t, e), (uint64_t, f),
                  (uint64_t, g), (uint64_t, h));
SK_REMOTE_OUT_DECLARE(split, ((uint64_t, x), (uint64_t, y), (uint64_t, z)), (uint64_t, a), (uint64_t, salt));
SK_REMOTE_OUT_DECLARE(split_fail, ((uint64_t, x), (uint64_t, y), (uint64_t, z)), (uint64_t, a), (uint64_t, salt), (int, id));
SK_REMOTE_DECLARE(uint64_t, fail, (uint64_t, a), (int, id));
SK_REMOTE_DECLARE(uint64_t, fail_fifth, (uint64_t, a), (uint64_t, salt), (int, id));
SK_REMOTE_DECLARE(uint64_t, fold, (sk_list, list), (int, mode), (uint64_t, salt));
SK_REMOTE_DECLARE(uint64_t, mix_pair, (uint64_t, a), (uint64_t, b));
SK_REMOTE_DECLARE(uint64_t, mix_one, (uint64_t, a));
SK_REMOTE_DECLARE(uint64_t, tree, (int, depth), (uint64_t, salt));
SK_REMOTE_DECLARE(sk_list, make_list, (int, n), (uint64_t, a), (uint64_t, salt));
SK_REMOTE_DECLARE(sk_ref, make_ref, (uint64_t, a), (uint64_t, salt));
SK_REMOTE_DECLARE(uint64_t, cope, (sk_ref, x), (uint64_t, salt));
SK_REMOTE_DECLARE(sk_array, make_array, (int, n), (uint64_t, a));
SK_REMOTE_DECLARE(uint64_t, fold_array, (sk_array, in), (uint64_t, salt));
SK_REMOTE_DECLARE(const char *, make_text, (uint64_t, a));
SK_REMOTE_DECLARE(uint64_t, hash_text, (const char *, text), (uint64_t, salt));
SK_REMOTE_DECLARE(uint64_t, roll, (int, depth));
SK_REMOTE_DECLARE(uint64_t, deep_fail, (int, depth), (int, id));
SK_REMOTE_DECLARE(uint64_t, cope_child, (int, id), (uint64_t, salt));
SK_REMOTE_DECLARE(uint64_t, cancel_child, (uint64_t, salt));
SK_REMOTE_DECLARE(uint64_t, forget, (int, n), (uint64_t, salt));

#endif
