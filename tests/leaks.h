/* leaks.h -- makes AddressSanitizer's search for leaks cheaper where each case is a process.
 *
 * LeakSanitizer reads all globals at the end of each process, its own too: 10 to 30 MB, of which a case has touched little. What has not been touched is
 * mapped page by page while it is read, which takes longer than all else that a short case does. Read once before the cases
 * are forked off, it is mapped in all of them: that halves the time of the unit tests. */
#ifndef SKATE_TESTS_LEAKS_H
#define SKATE_TESTS_LEAKS_H

#ifdef __SANITIZE_ADDRESS__                     /* gcc says so; clang does without */
#include <sanitizer/lsan_interface.h>
#define leaks_look_once() ((void)__lsan_do_recoverable_leak_check())
#else
#define leaks_look_once() ((void)0)
#endif

#endif
