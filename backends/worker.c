/* worker.c -- see worker.h. */
#include "worker.h"

#include <stdio.h>
#include <unistd.h>

_Noreturn void sk_worker_main(const char *text)
{
    fprintf(stderr, "skate: SKATE_WORKER=%s: this is not a worker's order\n", text);
    _exit(70);
}
