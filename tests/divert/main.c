/* main.c -- a program with start-up of its own, and remote functions in two files and in a library: a worker must have all of them, and
 * must not go through the start-up again. Without SKATE_WORKER it prints the table that the driver has, as SKATE_WORKER=probe: does. */
#include <skate.h>
#include "fn.h"

#include <stdio.h>

__attribute__((constructor)) static void set_up(void)
{
    puts("set up by a constructor");
}

__attribute__((constructor(103))) static void set_up_early(void)
{
    puts("set up by an early constructor");
}

SK_REMOTE(int, first, (int, x)) { return x; }
SK_REMOTE(int, last, (int, x)) { return x; }

void say_hello(void);

int main(int argc, char **argv)
{
    say_hello();
    puts("in main");
    sk_init(&argc, &argv, NULL);
    size_t n = 0;
    for (const sk_fn *fn = sk_fn_first(); fn; fn = fn->next)
        n++;
    printf("probe: %zu functions, fingerprint %016llx\n", n, (unsigned long long)sk_fn_fingerprint());
    sk_shutdown();
    return argc - 1;
}
