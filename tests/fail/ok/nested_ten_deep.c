/* Nested calls grow by addition: ten deep compiles in no time. */
#include <skate.h>

SK_REMOTE(double, add, (double, a), (double, b)) { return a + b; }

sk_ref f(void)
{
    return sk_remote(add, 1, sk_remote(add, 2, sk_remote(add, 3, sk_remote(add, 4, sk_remote(add, 5,
           sk_remote(add, 6, sk_remote(add, 7, sk_remote(add, 8, sk_remote(add, 9,
           sk_remote(add, sk_remote(add, 10, 11), sk_remote(add, 12, 13)))))))))));
}

double g(void)
{
    sk_ref refs[2] = { f(), f() };
    return sk_get(double, sk_remote(add, sk_get(double, refs[0]), sk_take(double, refs[1])));
}
