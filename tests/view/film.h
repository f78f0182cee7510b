/* film.h -- the tests of several pictures (film.c), for view.c to run. */
#ifndef TESTS_VIEW_FILM_H
#define TESTS_VIEW_FILM_H

#include <check.h>

/* trace: a run of sum.c on virtual; borrowed. */
TCase *film_tests(const char *trace);

#endif
