/* other.c -- functions in a file that knows only skate.h: even with the names of C library functions. */
#include <skate.h>
#include "other.h"

SK_REMOTE(int64_t, read, (int64_t, x)) { return x + 1; }
SK_REMOTE_OUT(split, ((sk_list, low), (sk_list, high)), (sk_list, refs), (int64_t, pivot))
{
    sk_ref below[64], above[64];
    size_t n = 0, m = 0;
    for (size_t i = 0; i < refs.n; i++)
        if (sk_get(int64_t, refs.refs[i]) < pivot)
            below[n++] = refs.refs[i];
        else
            above[m++] = refs.refs[i];
    *low = sk_list_of(below, n);
    *high = sk_list_of(above, m);
}

sk_ref submit_read(int64_t x) { return sk_remote(read, x); }
