// expect: has a type that cannot travel
#include <skate.h>

sk_ref f(double *numbers)
{
    return sk_put(numbers); // here
}
