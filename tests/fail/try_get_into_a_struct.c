// expect: must point to a type that can travel
#include <skate.h>

struct point { double x, y; };

bool f(sk_ref ref, struct point *p)
{
    return sk_try_get(ref, p, 1.0, NULL); // here
}
