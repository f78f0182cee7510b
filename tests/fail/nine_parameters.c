// expect: f9: at most 8 parameters
#include <skate.h>

SK_REMOTE(int, f9, (int, a), (int, b), (int, c), (int, d), (int, e), (int, f), (int, g), (int, h), (int, i)) // here
{
    return a + b + c + d + e + f + g + h + i;
}
