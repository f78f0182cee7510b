// expect: sk_remote_fn: at most 8 arguments
#include <skate.h>

sk_ref f(const sk_fn *fn)
{
    return sk_remote_fn(fn, 1, 2, 3, 4, 5, 6, 7, 8, 9); // here
}
