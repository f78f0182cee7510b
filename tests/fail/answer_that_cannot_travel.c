// expect: middle: the type of answer 1 cannot travel
#include <skate.h>

struct point { double x, y; };

SK_REMOTE(struct point, middle, (double, x), (double, y)) // here
{
    return (struct point){ x / 2, y / 2 };
}
