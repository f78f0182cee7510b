// expect: f9: at least 1 answer, at most 8 answers
#include <skate.h>

SK_REMOTE_OUT(f9, ((int, a), (int, b), (int, c), (int, d), (int, e), (int, f), (int, g), (int, h), (int, i))) // here
{
    *a = 1;
}
