// expect: add: argument 2 has the wrong type
#include <skate.h>

SK_REMOTE(double, add, (double, a), (double, b)) { return a + b; }

sk_ref f(void)
{
    return sk_remote(add, 1.0, "2"); // here
}
