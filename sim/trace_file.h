/* trace_file.h -- an open trace, as its two readers see it: trace_read.c, which opens it, and
 * trace_cursor.c, which walks it. */
#ifndef SK_TRACE_FILE_H
#define SK_TRACE_FILE_H

#include <glib.h>

#include "trace_read.h"

typedef struct sk_file_chunk {
    uint64_t offset; /* of the records */
    uint64_t tick, ns;
    uint32_t lane, number, bytes; /* bytes: of whole records */
} sk_file_chunk;

struct sk_reader {
    const char *data;
    size_t size;
    GMappedFile *map; /* NULL: the caller's memory */
    sk_read_info info;
    uint32_t clock;
    GArray *chunks;     /* of sk_file_chunk; by lane, then number */
    GArray *lane_first; /* of uint32_t: where each lane starts in chunks; one more at the end */
    GHashTable *fns, *sites; /* number -> sk_read_fn *, sk_read_site * */
    GHashTable *values;      /* key -> value, both in the file */
    uint64_t base_tick;      /* ns = base_ns + (tick - base_tick) * scale / 2^48 */
    int64_t base_ns;
    uint64_t scale;
};

static inline bool sk_trace_file_knows(unsigned type)
{
    return type >= SK_TRACE_INFO && type <= SK_TRACE_END;
}

#endif
