/* trace_room.h -- room for what is made of a log: large arrays that grow.
 *
 * The idea: a log of a million tasks becomes some 450 MB, each of whose pages is touched once in order, and many again anywhere. On pages of
 * 2 MB that is a few hundred page faults for the large arrays instead of 120,000, and the processor finds its way to most of them by a table
 * that it keeps: a model took 2.5 s of a processor instead of 4.0. Small arrays are ordinary ones. */
#ifndef SK_TRACE_ROOM_H
#define SK_TRACE_ROOM_H

#include <stddef.h>

/* Room for so many bytes, with what is in the first `used` of the old one, which may be NULL and is given back, or is the new one if it is large
 * enough. g_free gives it back. */
void *sk_trace_room(void *old, size_t used, size_t bytes);

#endif
