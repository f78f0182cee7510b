/* trace_digest.h -- the canonical log of a run, and its SHA-256: are two runs equal, to the nanosecond?
 *
 * The idea: a trace also holds what differs between equal runs: paths, process numbers, the numbers the library gave to
 * tasks and objects. The canonical log (trace_format.h defines it) is what is left without these: text, one line a record, the
 * same on every machine and compiler. The digest is the hash of just this text, so that `sha256sum` of the exported log
 * gives it too, and `diff` of two logs shows where two runs part.
 *
 * Only runs in virtual time have one: real times never come twice. */
#ifndef SK_TRACE_DIGEST_H
#define SK_TRACE_DIGEST_H

#include <stdio.h>

#include "trace_read.h"

enum { SK_DIGEST_SIZE = 65 }; /* 64 hex digits and a NUL */

/* Fills in `hex`, and writes the text to `out` (NULL: only the digest; write errors stay in the stream). false and *err (may
 * be NULL) if the trace, whose file's name is `name`, is not whole or not of a run in virtual time; then nothing is written. */
bool sk_trace_digest(const sk_reader *log, const char *name, FILE *out, char hex[SK_DIGEST_SIZE], sk_error *err);

#endif
