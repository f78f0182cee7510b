// expect: incompatible
#include <skate.h>

SK_REMOTE(double, half, (double, x))
{
    sk_ref ref = sk_put(x / 2);
    return ref; // here
}
