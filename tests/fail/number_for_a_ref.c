// expect: later: argument 1 has the wrong type
#include <skate.h>

SK_REMOTE(int, later, (sk_ref, ref)) { return sk_get(int, ref); }

sk_ref f(void)
{
    return sk_remote(later, 42); // here
}
