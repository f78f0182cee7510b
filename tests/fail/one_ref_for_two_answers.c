// expect: divide: wrong number of answers: sk_remote is for one
#include <skate.h>

SK_REMOTE_OUT(divide, ((int, quotient), (int, rest)), (int, a), (int, b))
{
    *quotient = a / b;
    *rest = a % b;
}

sk_ref f(void)
{
    return sk_remote(divide, 7, 2); // here
}
