/* functions.c -- the remote functions of random programs. What they must answer stands in plan.c once more, without Skate. */
#include "functions.h"

SK_REMOTE(uint64_t, mix2, (uint64_t, a), (uint64_t, b), (uint64_t, salt)) { return mix(mix(a, b), salt); }

SK_REMOTE(uint64_t, mix8, (uint64_t, a), (uint64_t, b), (uint64_t, c), (uint64_t, d), (uint64_t, e), (uint64_t, f), (uint64_t, g),
          (uint64_t, h))
{
    return mix(mix(mix(a, b), mix(c, d)), mix(mix(e, f), mix(g, h)));
}

SK_REMOTE_OUT(split, ((uint64_t, x), (uint64_t, y), (uint64_t, z)), (uint64_t, a), (uint64_t, salt))
{
    *x = mix(a, salt);
    *y = mix(a, salt + 1);
    *z = mix(a, salt + 2);
}

SK_REMOTE_OUT(split_fail, ((uint64_t, x), (uint64_t, y), (uint64_t, z)), (uint64_t, a), (uint64_t, salt), (int, id))
{
    *x = *y = 1;
    if (a % 5 == 0)
        sk_fail("boom %d.", id);
    *x = mix(a, salt);
    *y = mix(a, salt + 1);
    *z = mix(a, salt + 2);
}

SK_REMOTE(uint64_t, fail, (uint64_t, a), (int, id)) { sk_put(a); sk_fail("boom %d.", id); }

SK_REMOTE(uint64_t, fail_fifth, (uint64_t, a), (uint64_t, salt), (int, id))
{
    if (a % 5 == 0)
        sk_fail("boom %d.", id);
    return mix(a, salt);
}

static uint64_t fold_values(const uint64_t *values, size_t n, uint64_t salt)
{
    for (size_t i = 0; i < n; i++)
        salt = mix(salt, values[i]);
    return salt;
}

static uint64_t value_or_code(sk_ref ref)
{
    uint64_t value;
    sk_error err = { 0 };
    if (sk_try_get(ref, &value, SK_FOREVER, &err))
        return value;
    return 1000 + (uint64_t)err.code;
}

static void wait_for_all(const sk_list *list, bool at_once)
{
    sk_ref refs[MAX_LIST * 2];
    size_t left = list->n;
    memcpy(refs, list->refs, left * sizeof *refs);
    if (at_once && left > 0)
        sk_wait(refs, left, left, SK_FOREVER);
    while (!at_once && left > 0) {
        size_t done = sk_wait(refs, left, 1, SK_FOREVER);
        memmove(refs, refs + done, (left - done) * sizeof *refs);
        left -= done;
    }
}

static void drain(const sk_list *list)
{
    sk_waiter *waiter = sk_waiter_new(list->refs, list->n);
    sk_ref one;
    while (sk_waiter_next(waiter, &one, SK_FOREVER)) { }
    sk_waiter_free(waiter);
}

SK_REMOTE(uint64_t, fold, (sk_list, list), (int, mode), (uint64_t, salt))
{
    uint64_t values[MAX_LIST * 2];
    if (mode == BY_GET_ALL) {
        sk_get_all(uint64_t, list.refs, list.n, values);
        return fold_values(values, list.n, salt);
    }
    if (mode == BY_CHILDREN) {
        sk_ref sum = sk_put(salt);
        for (size_t i = 0; i < list.n; i++)
            sum = sk_remote(mix_pair, sum, list.refs[i]);
        return sk_get(uint64_t, sum);
    }
    if (mode == BY_WAIT)
        wait_for_all(&list, salt & 1);
    if (mode == BY_WAITER)
        drain(&list);
    for (size_t i = 0; i < list.n; i++)
        values[i] = mode == BY_TRY ? value_or_code(list.refs[i]) : sk_get(uint64_t, list.refs[i]);
    return fold_values(values, list.n, salt);
}

SK_REMOTE(uint64_t, mix_pair, (uint64_t, a), (uint64_t, b)) { return mix(a, b); }
SK_REMOTE(uint64_t, mix_one, (uint64_t, a)) { return mix(a, 1); }

SK_REMOTE(uint64_t, tree, (int, depth), (uint64_t, salt))
{
    if (depth == 0)
        return mix(salt, 0);
    sk_ref a = sk_remote(tree, depth - 1, mix(salt, 1)), b = sk_remote(tree, depth - 1, mix(salt, 2));
    if (salt & 1)
        return sk_get(uint64_t, sk_remote(mix_pair, a, b));
    uint64_t second = sk_get(uint64_t, b);
    return mix(sk_get(uint64_t, a), second);
}

SK_REMOTE(sk_list, make_list, (int, n), (uint64_t, a), (uint64_t, salt))
{
    sk_ref refs[MAX_LIST];
    for (int i = 0; i < n; i++) {
        uint64_t place = (uint64_t)i;
        refs[i] = list_fails(salt, place) ? sk_remote(fail, a, i) :
            i % 2 ? sk_put(list_value(a, salt, place)) : sk_remote(mix_pair, mix(a, salt), place);
    }
    return sk_list_of(refs, (size_t)n);
}

SK_REMOTE(sk_ref, make_ref, (uint64_t, a), (uint64_t, salt)) { return sk_remote(mix_pair, a, salt); }
SK_REMOTE(uint64_t, cope, (sk_ref, x), (uint64_t, salt)) { return mix(salt, value_or_code(x)); }

SK_REMOTE(sk_array, make_array, (int, n), (uint64_t, a))
{
    sk_array made = sk_new_array(SK_I64, n, 2);
    for (int i = 0; i < 2 * n; i++)
        sk_write(int64_t, made)[i] = (int64_t)mix(a, (uint64_t)i);
    return made;
}

SK_REMOTE(uint64_t, fold_array, (sk_array, in), (uint64_t, salt))
{
    for (int64_t i = 0; i < sk_len(in); i++)
        salt = mix(salt, (uint64_t)sk_read(int64_t, in)[i]);
    return salt;
}

SK_REMOTE(const char *, make_text, (uint64_t, a))
{
    char text[TEXT_MAX];
    text_of(a, text);
    return sk_format("%s", text);
}

SK_REMOTE(uint64_t, hash_text, (const char *, text), (uint64_t, salt)) { return mix(hash_of(text), salt); }

SK_REMOTE(uint64_t, roll, (int, depth))
{
    uint64_t mine = (uint64_t)(sk_random() * 0x1p53);
    return depth == 0 ? mine : mix(mine, sk_get(uint64_t, sk_remote(roll, depth - 1)));
}

SK_REMOTE(uint64_t, deep_fail, (int, depth), (int, id))
{
    if (depth == 0)
        sk_fail("boom %d.", id);
    return sk_get(uint64_t, sk_remote(deep_fail, depth - 1, id));
}

SK_REMOTE(uint64_t, cope_child, (int, id), (uint64_t, salt))
{
    sk_ref child = sk_remote_with(SK_OPTS(.retry_errors = salt % 3 == 0, .max_retries = 1), fail, salt, id);
    sk_ref next = sk_remote(mix_pair, child, salt);
    return mix(value_or_code(next), mix(value_or_code(child), salt));
}

SK_REMOTE(uint64_t, cancel_child, (uint64_t, salt))
{
    sk_ref gate = sk_promise();
    sk_ref child = sk_remote(mix_pair, gate, salt), next = sk_remote(mix_pair, salt, child), other = sk_remote(mix_pair, gate, salt);
    sk_cancel(child, salt & 1 ? SK_ONLY_THIS : 0);
    sk_fulfil(gate, salt);
    return mix(value_or_code(next), mix(value_or_code(child), value_or_code(other)));
}

SK_REMOTE(uint64_t, forget, (int, n), (uint64_t, salt))
{
    for (int i = 0; i < n; i++)
        sk_remote(mix_one, i % 2 ? sk_put(salt) : sk_remote(fail_fifth, salt, salt, 1));
    return mix(salt, 3);
}
