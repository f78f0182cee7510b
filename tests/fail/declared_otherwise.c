// expect: conflicting types|with a different type
#include <skate.h>

SK_REMOTE_DECLARE(double, add, (double, a), (double, b));

SK_REMOTE(double, add, (double, a), (int, b)) { return a + b; } // here
