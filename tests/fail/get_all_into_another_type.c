// expect: must be an array of `double`
#include <skate.h>

void f(sk_ref *refs, int *numbers)
{
    sk_get_all(double, refs, 10, numbers); // here
}
