/* trace_read.h -- reading the event log (trace_format.h says what is in it). Needs nothing of the
 * runtime.
 *
 * The idea: the file is mapped, not loaded. Opening it walks over every record once, checks every
 * length, and collects the tables (functions, sites, facts about the run). A cursor then merges
 * the lanes by time. Lanes are written by different threads without locks, so a thread that is
 * interrupted between changing a state and writing it down stamps the cause later than its effect.
 * The cursor puts that right: a record that does not fit yet (its from-state is not the current
 * state, its task or objects are not made yet, the arguments of a task that becomes READY are not
 * there yet, nor what a wait that ends well has waited for) holds its lane back until another lane
 * has brought what it waits for.
 *
 *     sk_reader *log = sk_trace_read_open("run.sktrace", &err);
 *     sk_cursor *c = sk_trace_read_cursor(log);
 *     for (sk_event e; sk_trace_read_next(c, &e); )
 *         if (e.type == SK_TRACE_TASK) ... e.ns, e.word[0] ...
 *     sk_trace_read_cursor_free(c);
 *     sk_trace_read_close(log);
 *
 * Reading order: 1 open and close; 2 the tables (trace_read.c); 3 events in order
 * (trace_cursor.c); 4 a log that grows; 5 numbers to indices (trace_ids.c). */
#ifndef SK_TRACE_READ_H
#define SK_TRACE_READ_H

#include "skate.h"
#include "trace_format.h"

/* ---- 1. Open and close -------------------------------------------------------------------------
 * A file that does not start like a Skate trace is an error. One that ends early or is damaged
 * further on opens: all whole records before that place are read, and the fields below say what is
 * missing. Nobody may shorten the file meanwhile. */

typedef struct sk_reader sk_reader;
enum { SK_TRACE_TYPES = SK_TRACE_SPILL + 1 };

typedef struct sk_read_info {
    uint64_t bytes, records; /* of the file; whole records, of unknown types too */
    uint64_t dropped;        /* records the program could not write */
    uint64_t missing_chunks; /* holes in a lane's numbering */
    uint64_t of_type[SK_TRACE_TYPES]; /* whole records, of each type that is known */
    uint32_t lanes, chunks;
    bool whole;     /* ended with an END record, and all before it was readable */
    bool truncated; /* no END record, or the last chunk is cut */
    bool has_end;   /* the four that follow were in the file */
    uint64_t end_records, end_dropped, end_tasks, end_objects;
    uint64_t damaged_at; /* the byte where reading stopped, if ... */
    const char *damage;  /* ... this says what was wrong there; else NULL */
} sk_read_info;

/* NULL and *err (may be NULL) if the file cannot be read or is not a Skate trace. */
sk_reader *sk_trace_read_open(const char *path, sk_error *err);
/* The same from memory, which is borrowed and must be aligned to 8 bytes; `name` is for messages.
 */
sk_reader *sk_trace_read_memory(const char *name, const void *data, size_t size, sk_error *err);
void sk_trace_read_close(sk_reader *log); /* NULL is fine; strings given out end here */
const sk_read_info *sk_trace_read_info(const sk_reader *log);

/* ---- 2. The tables. All strings are borrowed from the reader -------------------------------- */

typedef struct sk_read_fn {
    uint32_t number;
    int line;
    const char *name, *signature, *file;
} sk_read_fn;

typedef struct sk_read_site {
    uint32_t number;
    int line;
    const char *file, *fn;
} sk_read_site;

/* What INFO says under this key ("backend"), else NULL. */
const char *sk_trace_read_value(const sk_reader *log, const char *key);
/* The one with this number, else NULL. */
const sk_read_fn *sk_trace_read_fn(const sk_reader *log, uint32_t number);
const sk_read_site *sk_trace_read_site(const sk_reader *log, uint32_t number);

/* ---- 3. Events in order --------------------------------------------------------------------- */

typedef struct sk_cursor sk_cursor;

typedef struct sk_event {
    int64_t ns; /* since sk_init; may be a little less than the last */
    uint32_t lane;
    uint8_t type, a; /* sk_trace_type; others are skipped */
    uint16_t n;
    const uint64_t *word; /* as many as the type needs, or more. The log's */
} sk_event;

sk_cursor *sk_trace_read_cursor(const sk_reader *log); /* at the start; any number at a time */
void sk_trace_read_cursor_free(sk_cursor *c);
/* The next event; false at the end. Causes come before effects; a record whose cause never comes
 * is given out nevertheless, when the other lanes are a second ahead of it or at their end. O(log
 * lanes) amortised; about 40 bytes a task or object. */
bool sk_trace_read_next(sk_cursor *c, sk_event *e);
/* The k-th string (from 0) of a record that holds text. Never NULL. */
const char *sk_trace_read_text(const sk_event *e, unsigned k);

static inline uint32_t sk_trace_hi(uint64_t word) { return (uint32_t)(word >> 32); }
static inline uint32_t sk_trace_lo(uint64_t word) { return (uint32_t)word; }
static inline unsigned sk_trace_from(const sk_event *e) { return e->a >> 4; }
static inline unsigned sk_trace_to(const sk_event *e) { return e->a & 15; }

/* ---- 4. A log that grows ------------------------------------------------------------------------
 * It is read while its program writes it. More of it is looked at when one asks; a cursor of it gives out events up to a
 * time that one says: what came before that is in the file (live.h says so each time). What is written late comes late, behind
 * others that were later. */

/* `fd` is borrowed; `scale`: nanoseconds per tick times 2^48, where the clock is a counter. Close it by sk_trace_read_close. */
sk_reader *sk_trace_follow_open(int fd, const char *name, uint64_t scale, sk_error *err);
bool sk_trace_follow_more(sk_reader *log); /* true: there is more */
/* After it: gives out events up to this; INT64_MAX: all that there is. */
void sk_trace_read_until(sk_cursor *c, int64_t ns);

/* ---- 5. Numbers to indices ---------------------------------------------------------------------
 * Tasks and objects have 64-bit numbers with gaps; models want 0, 1, 2 ... A hash table from the
 * one to the other. */

typedef struct sk_ids { /* zero-initialised is empty */
    struct sk_ids_slot *slot;
    uint32_t mask, used, n; /* used: slots; n: numbers */
} sk_ids;
enum { SK_NO_INDEX = 0xffffffff };

/* Its index; SK_NO_INDEX if it is not there. */
uint32_t sk_trace_ids_find(const sk_ids *ids, uint64_t number);
/* Its index; a new one gets n, and n grows. */
uint32_t sk_trace_ids_add(sk_ids *ids, uint64_t number);
void sk_trace_ids_clear(sk_ids *ids);

#endif
