#include "shared.h"

SK_REMOTE(double, mean, (sk_list, refs))
{
    double sum = 0;
    for (size_t i = 0; i < refs.n; i++)
        sum += sk_get(double, refs.refs[i]);
    return sum / (double)refs.n;
}

SK_REMOTE_OUT(divide, ((int64_t, quotient), (int64_t, rest)), (int64_t, a), (int64_t, b))
{
    *quotient = a / b;
    *rest = a % b;
}

SK_REMOTE(sk_none, nothing) { return (sk_none){ 0 }; }
