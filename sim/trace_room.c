/* trace_room.c -- see trace_room.h. */
#include "trace_room.h"

#include <glib.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LARGE_PAGE = 2 << 20 };

void *sk_trace_room(void *old, size_t used, size_t bytes)
{
    if (old && malloc_usable_size(old) >= bytes)
        return old;
    if (bytes < LARGE_PAGE)
        return g_realloc(old, bytes);
    void *new = NULL;
    if (posix_memalign(&new, LARGE_PAGE, bytes) != 0)
        g_error("no memory for %" G_GSIZE_FORMAT " bytes of what a log says", bytes);
#ifdef MADV_HUGEPAGE
    madvise(new, bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* a wish: without it all is as it was */
#endif
    if (used)
        memcpy(new, old, used);
    g_free(old);
    return new;
}
