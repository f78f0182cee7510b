/* grow.h -- arrays that grow: SK_GROW(array, n) makes room for one more at array[n], counts it, and is its address. They double at powers
 * of two, so nothing but the number of elements has to be kept. */
#ifndef SK_GROW_H
#define SK_GROW_H

#include <glib.h>

#include "trace_room.h"

/* Room for at least so many, at once, so that they need not double that far. */
#define SK_EXPECT(array, n, many) \
    ((array) = sk_trace_room((array), (n) * sizeof *(array), ((size_t)1 << g_bit_storage((gulong)(many))) * sizeof *(array)))

#define SK_GROW(array, n)                                                                                                             \
    ((n) & ((n)-1) ? &(array)[(n)++]                                                                                                  \
                   : ((array) = sk_trace_room((array), (n) * sizeof *(array), ((n) ? 2 * (size_t)(n) : 1) * sizeof *(array)), &(array)[(n)++]))

#endif
