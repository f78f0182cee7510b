// expect: sk_remote_fn: argument 2 has a type that cannot travel
#include <skate.h>

struct point { double x, y; };

sk_ref f(const sk_fn *fn, struct point p)
{
    return sk_remote_fn(fn, 1, p); // here
}
