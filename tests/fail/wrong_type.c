// expect: length: argument 1 has the wrong type
#include <skate.h>

SK_REMOTE(int, length, (const char *, text)) { return text[0] != 0; }

sk_ref f(void)
{
    sk_buf bytes = { "abc", 3, 0 };
    return sk_remote(length, bytes); // here
}
