// expect: nothing: at least 1 answer
#include <skate.h>

SK_REMOTE_OUT(nothing, (), (int, a)) // here
{
    (void)a;
}
