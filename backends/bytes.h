/* bytes.h -- integers as they are on the wire between nodes: big-endian, of 1 to 8 bytes. */
#ifndef SK_BYTES_H
#define SK_BYTES_H

#include <stdint.h>

/* The lower `size` bytes of x, the highest of them first. */
static inline void sk_bytes_put(uint8_t *at, uint64_t x, int size)
{
    for (int i = size; i-- > 0; x >>= 8)
        at[i] = (uint8_t)x;
}

static inline uint64_t sk_bytes_get(const uint8_t *at, int size)
{
    uint64_t x = 0;
    for (int i = 0; i < size; i++)
        x = x << 8 | at[i];
    return x;
}

#endif
