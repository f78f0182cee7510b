/* Functions that call each other: one is declared before it is defined, as often as one likes. */
#include <skate.h>

SK_REMOTE_DECLARE(bool, is_odd, (unsigned, n));
SK_REMOTE_DECLARE(bool, is_odd, (unsigned, n));

SK_REMOTE(bool, is_even, (unsigned, n))
{
    return n == 0 || sk_get(bool, sk_remote(is_odd, n - 1));
}

SK_REMOTE(bool, is_odd, (unsigned, n))
{
    return n != 0 && sk_get(bool, sk_remote(is_even, n - 1));
}

SK_REMOTE_DECLARE(bool, is_odd, (unsigned, n));
