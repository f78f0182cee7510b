// expect: redefinition of
#include <skate.h>

SK_REMOTE(int, one) { return 1; }
SK_REMOTE(int, one) { return 1; } // here
