/* library.c -- the program's shared library. */
#include <skate.h>

#include <stdio.h>

void say_hello(void);
void run_all(int *argc, char ***argv);

__attribute__((constructor)) static void set_up_library(void)
{
    puts("library set up");
}

SK_REMOTE(double, in_library, (sk_buf, bytes)) { return (double)bytes.size; }

void say_hello(void) { puts("hello from the library"); }

void run_all(int *argc, char ***argv)
{
    sk_init(argc, argv, NULL);
    puts("past sk_init");
    sk_shutdown();
}
