/* aligned.h -- fresh addresses from a multiple of something on: what a page of 2 MiB needs, and mmap does not promise. */
#ifndef SK_ALIGNED_H
#define SK_ALIGNED_H

#include "base.h"

/* `size` bytes (more than 0), private, from a multiple of `align` (a power of two; a page at least) on; `protection` and further `flags` are mmap's. All zeros
 * where they can be read, and no memory is taken before they are written. The caller's, to be given back by munmap. NULL: there are none (errno). */
char *sk_aligned_map(size_t size, size_t align, int protection, int flags);

#endif
