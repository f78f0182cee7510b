/* functions.c -- remote functions that several themes use. That they live in another file than their callers is itself a test. */
#include "conform.h"

SK_REMOTE(double, add, (double, a), (double, b)) { return a + b; }
SK_REMOTE(int64_t, plus, (int64_t, a), (int64_t, b)) { return a + b; }
SK_REMOTE(int64_t, same, (int64_t, x)) { return x; }
SK_REMOTE(int64_t, fails, (const char *, why)) { sk_fail("%s", why); }
SK_REMOTE(sk_none, nothing) { return (sk_none){ 0 }; }

/* Not associative and not commutative: every other order or grouping gives another string. */
SK_REMOTE(const char *, join, (const char *, a), (const char *, b))
{
    return sk_format("(%s%s)", a, b);
}

SK_REMOTE_OUT(divmod, ((int64_t, q), (int64_t, r)), (int64_t, a), (int64_t, b))
{
    if (b == 0)
        sk_fail("%ld divided by zero", (long)a);
    *q = a / b;
    *r = a % b;
}

SK_REMOTE(int64_t, sum_list, (sk_list, refs))
{
    int64_t sum = 0;
    for (size_t i = 0; i < refs.n; i++)
        sum += sk_get(int64_t, refs.refs[i]);
    return sum;
}

SK_REMOTE(int64_t, hold, (sk_list, refs))
{
    if (refs.n > 1)
        sk_fulfil(refs.refs[0], 1);
    return sk_get(int64_t, refs.refs[refs.n - 1]);
}

sk_ref hold_one(sk_ref gate, const sk_options *options)
{
    sk_ref both[2] = { sk_promise(), gate };
    sk_ref task = sk_remote_with(options, hold, sk_list_of(both, 2));
    (void)sk_take(int64_t, both[0]);
    return task;
}
