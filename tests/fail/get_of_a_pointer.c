// expect: `double *` is not a type that can travel
#include <skate.h>

double f(sk_ref ref)
{
    return *sk_get(double *, ref); // here
}
