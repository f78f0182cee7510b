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

#endif
