#ifndef OTHER_H
#define OTHER_H
#include <skate.h>

SK_REMOTE_OUT_DECLARE(split, ((sk_list, low), (sk_list, high)), (sk_list, refs), (int64_t, pivot));
sk_ref submit_read(int64_t x);

#endif
