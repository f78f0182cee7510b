// expect: for a struct use sk_get_struct
#include <skate.h>

struct point { double x, y; };

double f(sk_ref ref)
{
    return sk_take(struct point, ref).x; // here
}
