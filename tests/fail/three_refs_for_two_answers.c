// expect: divide: wrong number of answers
#include <skate.h>

SK_REMOTE_OUT(divide, ((int, quotient), (int, rest)), (int, a), (int, b))
{
    *quotient = a / b;
    *rest = a % b;
}

void f(void)
{
    sk_ref refs[3];
    sk_remote_into(refs, divide, 7, 2); // here
}
