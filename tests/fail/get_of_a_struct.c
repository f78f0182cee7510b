// expect: for a struct use sk_get_struct
#include <skate.h>

struct point { double x, y; };

double f(sk_ref ref)
{
    struct point p = sk_get(struct point, ref); // here
    return p.x;
}
