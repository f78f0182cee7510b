// expect: tick: wrong number of arguments
#include <skate.h>

SK_REMOTE(sk_none, tick) { return (sk_none){ 0 }; }

sk_ref f(void)
{
    return sk_remote(tick, 1); // here
}
