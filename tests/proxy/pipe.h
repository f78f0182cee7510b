/* pipe.h -- one direction of a connection, with faults: bytes go in, and come out late, in pieces, changed, or not at all.
 *
 * A pipe knows no socket and no clock. Whoever owns it says what time it is with each call, puts in what it has read, looks at what may be
 * written now, and takes away what it could write. So every fault can be tried at chosen ticks, without sleeping; proxy.c puts two pipes and
 * two sockets together.
 *
 * A *position* is a number of bytes since the beginning of the connection: byte 0 is the first. The same seed, the same bytes and the same
 * settings at the same positions give the same output, however the bytes arrive. (Jitter is drawn once for each read, from the position
 * where that began.) */
#ifndef PROXY_PIPE_H
#define PROXY_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Added to a position: it is counted from the next byte that would be let through when the fault is set, not from the beginning. */
#define PROXY_FROM_NOW ((uint64_t)1 << 63)

/* What becomes of a stream after `after` bytes. */
typedef enum proxy_then {
    PROXY_PASS,                /* nothing */
    PROXY_HOLD,                /* frozen: nothing is read, nothing let through; the connection stays. PROXY_PASS thaws it, without loss */
    PROXY_SWALLOW,             /* half-open: all is read and thrown away, the end of the stream too; the connection stays */
    PROXY_FIN,                 /* the connection is closed, with FIN to both peers; what waits in either direction is lost */
    PROXY_RST,                 /* the same with RST; once the peer has acknowledged those bytes, for a reset would overtake them */
} proxy_then;

typedef struct proxy_faults {  /* of one direction. Zero: none */
    int64_t delay_ns;          /* each byte is let through this much after it came ... */
    int64_t jitter_ns;         /* ... and up to this much later. The order stays */
    uint64_t rate;             /* bytes a second; 0: no limit */
    uint64_t burst;            /* what may pass at once after a pause; 0: what `rate` lets through in 20 ms, at least 1 */
    uint64_t split;            /* pieces of 1 .. split bytes, each written by itself; 0: as it comes */
    uint64_t cut_at;           /* a piece ends at this position; 0: nowhere */
    int64_t gap_ns;            /* pause after each piece that split or cut_at ended, so that the other end reads it by itself */
    uint64_t corrupt_at;       /* the byte there ... */
    uint8_t corrupt_mask;      /* ... has these bits flipped; 0: none */
    uint64_t corrupt_every;    /* one bit of about every n-th byte is flipped; 0: none */
    uint64_t after;            /* exactly so many bytes are let through (at once, if there have been more already) ... */
    proxy_then then;           /* ... and this happens */
} proxy_faults;

/* What a pipe holds at most: 256 KiB, while there is a delay or jitter 16 MiB; and what 16384 reads have brought. */
enum { PIPE_ROOM = 256 << 10, PIPE_ROOM_DELAYED = 16 << 20, PIPE_READS = 16384 };

typedef struct pipe_counts {   /* bytes, but for pieces and cuts */
    uint64_t read;             /* put in */
    uint64_t forwarded;        /* taken out */
    uint64_t pieces;           /* writes that forwarded them */
    uint64_t cuts;             /* pieces that split or cut_at ended */
    uint64_t corrupted;        /* forwarded, not as they came */
    uint64_t swallowed;        /* thrown away by PROXY_SWALLOW */
} pipe_counts;

typedef struct fault_pipe fault_pipe;

fault_pipe *fault_pipe_new(uint64_t seed);
void fault_pipe_free(fault_pipe *);                             /* NULL will do */

/* What is held keeps its place, and is let through by the new settings: without a delay, at once. Copied. */
void fault_pipe_set(fault_pipe *, int64_t now, const proxy_faults *);
const proxy_faults *fault_pipe_faults(const fault_pipe *);      /* positions as counted from the beginning */
const pipe_counts *fault_pipe_counts(const fault_pipe *);
bool fault_pipe_dropped(const fault_pipe *);                    /* it has come to PROXY_FIN or PROXY_RST */

/* How many bytes may be put in now; 0: the source should not be read. */
size_t fault_pipe_room(const fault_pipe *);
void fault_pipe_put(fault_pipe *, int64_t now, const void *data, size_t size);      /* size <= room. Copied */

/* The source has ended, or was reset; nothing is put in after that. An end may become a reset while it has not been told. */
void fault_pipe_end(fault_pipe *, int64_t now, bool reset);

typedef enum pipe_step {
    PIPE_WAIT,                 /* nothing now: look again at *when (INT64_MAX: not before something is put in or set) */
    PIPE_WRITE,                /* `size` bytes are in `out` */
    PIPE_END,                  /* all is out: tell the other end that the stream has ended. Once */
    PIPE_RESET,                /* all is out: tell it that the source was reset; said from now on for ever */
    PIPE_FIN,                  /* a fault: close the connection, or reset it; said from now on for ever */
    PIPE_RST,
} pipe_step;

/* What is to be done now. *size: the room in `out`, then how much is there; never beyond a cut. It stays there until it is taken. */
pipe_step fault_pipe_look(fault_pipe *, int64_t now, void *out, size_t *size, int64_t *when);
void fault_pipe_take(fault_pipe *, int64_t now, size_t size);   /* that many of them have been written */

#endif
