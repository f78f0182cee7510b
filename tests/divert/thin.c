/* thin.c -- an executable that knows nothing of Skate: its library uses it. */
#include <stdio.h>

void run_all(int *argc, char ***argv);

int main(int argc, char **argv)
{
    puts("in main");
    run_all(&argc, &argv);
    return 0;
}
