// expect: greet: argument 1 has the wrong type
#include <skate.h>

SK_REMOTE(int, greet, (const char *, name)) { return name[0]; }

sk_ref f(void)
{
    return sk_remote(greet, 42); // here
}
