/* trace_check.h -- is a trace a legal history? For tests: every run's log must replay.
 *
 * What is checked: the file is whole, nothing was dropped, no lane's time goes back; every TASK,
 * OBJECT and NODE record starts at the state its task, object or node is in, and is an edge of its
 * state diagram; a task becomes READY or RUNNING only when all its arguments are there or failed,
 * (what was lost since may be made again while it is READY), and is DONE only if none had failed
 * when it began; a worker runs one ordinary task at a time; every task ends,
 * the answers of a DONE task were READY, those of others FAILED; every object is freed; functions
 * and sites that are named exist; what moves from one node to another was READY before; what is
 * spilled is READY, and was not; what is restored was spilled there; the counts in END are right. */
#ifndef SK_TRACE_CHECK_H
#define SK_TRACE_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* false, and in `why` (n bytes, cut if longer) the first thing that is wrong. */
bool trace_check(const char *path, char *why, size_t n);

#endif
