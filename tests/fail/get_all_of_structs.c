// expect: is not a type that can travel
#include <skate.h>

struct point { double x, y; };

void f(sk_ref *refs, struct point *points)
{
    sk_get_all(struct point, refs, 10, points); // here
}
