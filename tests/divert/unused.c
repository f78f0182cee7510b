/* unused.c -- includes skate.h, uses nothing of it, and is linked without the library. */
#include <skate.h>

int main(void) { return 0; }
