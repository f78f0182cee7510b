// expect: struct point
#include <skate.h>

struct point { double x, y; };

double f(sk_array points)
{
    return sk_read(struct point, points)[0].x; // here
}
