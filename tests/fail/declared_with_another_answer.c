// expect: conflicting types|with a different type
#include <skate.h>

SK_REMOTE_DECLARE(int, add, (double, a), (double, b));

SK_REMOTE(double, add, (double, a), (double, b)) { return a + b; } // here
