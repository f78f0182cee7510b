// expect: incompatible type
#include <skate.h>

double f(int number)
{
    return sk_get(double, number); // here
}
