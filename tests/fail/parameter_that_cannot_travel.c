// expect: sum: the type of parameter 1 cannot travel
#include <skate.h>

SK_REMOTE(double, sum, (const double *, numbers), (int, n)) // here
{
    return n > 0 ? numbers[0] : 0;
}
