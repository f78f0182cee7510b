// expect: all: argument 1 has the wrong type
#include <skate.h>

SK_REMOTE(int, all, (sk_list, refs)) { return (int)refs.n; }

sk_ref f(void)
{
    sk_ref refs[3] = { { 0 } };
    return sk_remote(all, refs); // here
}
