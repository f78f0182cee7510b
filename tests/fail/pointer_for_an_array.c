// expect: sum: argument 1 has the wrong type
#include <skate.h>

SK_REMOTE(double, sum, (sk_array, numbers)) { return sk_read(double, numbers)[0]; }

sk_ref f(double *numbers)
{
    return sk_remote(sum, numbers); // here
}
