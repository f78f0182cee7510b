// expect: plain structs travel as sk_pack(x)
#include <skate.h>

struct point { double x, y; };

sk_ref f(struct point p)
{
    return sk_put(p); // here
}
