/* check.h -- Check, with cheap marks. It comes before the system's (-Itests), which it includes.
 *
 * Each assertion that holds writes its place to a file, by two system calls: so Check can say after which of them a test crashed. In a loop over
 * a megabyte that is ten seconds, in which the test does nothing else; a node that it plays the head of has long taken it for dead. Here only the
 * first time an assertion is passed is written, which says as much. */
#ifndef SK_TESTS_CHECK_H
#define SK_TESTS_CHECK_H

#include_next <check.h>

static inline void sk_check_mark(const char *file, int line)
{
    static _Thread_local int passed[256];  /* of the lines with the same last bits, the one passed last */
    if (passed[line & 255] == line)
        return;
    passed[line & 255] = line;
    _mark_point(file, line);
}

#define _mark_point(file, line) sk_check_mark(file, line)

#endif
