/* more.c -- the second file of the program; its constructor has the priority that SK_REMOTE's had once. */
#include <skate.h>

#include <stdio.h>

__attribute__((constructor)) static void set_up_more(void)
{
    puts("set up by a constructor");
}

SK_REMOTE(double, middle, (double, x), (double, y)) { return x + y; }
