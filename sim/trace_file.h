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

typedef struct sk_file_lane {
    uint32_t lane;
    GArray *chunks; /* of sk_file_chunk; by number */
} sk_file_lane;

struct sk_reader {
    const char *data;
    size_t size;
    GMappedFile *map; /* NULL: the caller's memory, or a log that grows */
    sk_read_info info;
    uint32_t clock;
    GHashTable *lane_index; /* lane number -> its place in lanes + 1 */
    GArray *lanes;      /* of sk_file_lane; of a whole log by number, of one that grows as they come */
    GHashTable *fns, *sites; /* number -> sk_read_fn *, sk_read_site * */
    GHashTable *values;      /* key -> value, both in the file */
    uint64_t base_tick;      /* ns = base_ns + (tick - base_tick) * scale / 2^48 */
    int64_t base_ns;
    uint64_t scale;
    uint64_t scanned;        /* so far its chunks are known */
    int fd;                  /* of a log that grows, which each chunk's own clock counts for; else -1 */
};

static inline sk_file_lane *sk_file_lane_at(const sk_reader *log, uint32_t i)
{
    return &g_array_index(log->lanes, sk_file_lane, i);
}
static inline sk_file_chunk *sk_file_chunk_at(const sk_reader *log, uint32_t lane, uint32_t i)
{
    return &g_array_index(sk_file_lane_at(log, lane)->chunks, sk_file_chunk, i);
}

#define SK_LARGEST_LOG ((size_t)1 << 38) /* that can be followed: 256 GB */

static inline bool sk_trace_file_knows(unsigned type)
{
    return type >= SK_TRACE_INFO && type <= SK_TRACE_SPILL;
}

#endif
