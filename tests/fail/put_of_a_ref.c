// expect: sk_put: a ref cannot be put; put a list of it: sk_list_of(&ref, 1)
#include <skate.h>

sk_ref f(sk_ref ref)
{
    return sk_put(ref); // here
}
