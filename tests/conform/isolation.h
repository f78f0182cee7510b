/* isolation.h -- what the cases about isolation share: ways to die, and a count of attempts that outlives processes. */
#ifndef ISOLATION_H
#define ISOLATION_H

#include "conform.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define ISOLATED .needs = SK_CAN_ISOLATE
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))

enum { BY_KILL, BY_FAULT, BY_ABORT, BY_EXIT, BY_EXIT_AT_ONCE, BY_PIPE, BY_MISTAKE };
void die_by(int way);

int64_t attempt(const char *file);             /* one more; how many there were by now */
int64_t attempts_in(const char *file);

SK_REMOTE_DECLARE(int64_t, dies_at_first, (const char *, file), (int, times), (int, way));
SK_REMOTE_DECLARE(int64_t, pid_here);

/* isolation_ahead.c: ends at once, so that all of them are known to be short; or does that. Answers x. */
enum { NOTHING, DIES_FIRST, WAITS, RUNS, ASKS, KILLS_NODE };
SK_REMOTE_DECLARE(int64_t, brief, (const char *, file), (int64_t, x), (int, does));
SK_REMOTE_DECLARE(int64_t, one_more, (int64_t, x));
SK_REMOTE_DECLARE(int64_t, turns_for, (int64_t, us));

#endif
