#include "shared.h"

double f(void)
{
    sk_ref answers[2];
    sk_remote_into(answers, divide, 7, (int64_t)2);
    sk_remote(nothing);
    sk_ref refs[] = { sk_put(1.0), sk_remote(mean, sk_list_of(answers, 2)) };
    return sk_get(double, sk_remote(mean, sk_list_of(refs, 2)));
}
