/* shared.h -- remote functions that one file defines and another calls. */
#ifndef SHARED_H
#define SHARED_H

#include <skate.h>

SK_REMOTE_DECLARE(double, mean, (sk_list, refs));
SK_REMOTE_OUT_DECLARE(divide, ((int64_t, quotient), (int64_t, rest)), (int64_t, a), (int64_t, b));
SK_REMOTE_DECLARE(sk_none, nothing);

#endif
