// expect: add: wrong number of arguments
#include <skate.h>

SK_REMOTE(double, add, (double, a), (double, b)) { return a + b; }

sk_ref f(void)
{
    return sk_remote(add, 1, 2, 3, 4, 5, 6, 7, 8, 9); // here
}
