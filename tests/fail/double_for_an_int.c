// expect: square: argument 1 has the wrong type
#include <skate.h>

SK_REMOTE(int, square, (int, x)) { return x * x; }

sk_ref f(void)
{
    return sk_remote(square, 2.5); // here
}
