// expect: add_sk_nreturns
#include <skate.h>

static double add(double a, double b) { return a + b; }

sk_ref f(void)
{
    return sk_remote(add, add(1, 2), 2.0); // here
}
