/* clusters.c -- see clusters.h. */
#include "clusters.h"
#include <math.h>
#include <unistd.h>

void start_on(const char *file, const char *policy)
{
    const char *path = scratch("cluster");
    FILE *out = fopen(path, "w");
    ck_assert(out && fputs(file, out) >= 0 && fclose(out) == 0);
    setenv("SKATE_CLUSTER", path, 1);
    if (policy)
        setenv("SKATE_POLICY", policy, 1);
    else
        unsetenv("SKATE_POLICY");
    start(NULL);
    unlink(path);
}

int64_t now_ns(void) { return llround(sk_now() * 1e9); }

void took(int64_t began, int64_t ns, int line)
{
    int64_t is = now_ns() - began;
    ck_assert_msg(is == ns, "line %d: it took %ld ns, the closed form is %ld", line, (long)is, (long)ns);
}

void get_all_of(sk_ref *refs, size_t n) { ck_assert_uint_eq(sk_wait(refs, n, n, SK_FOREVER), n); }

SK_REMOTE(int64_t, rests, (int64_t, ns))
{
    sk_sleep((double)ns / 1e9);
    return ns;
}

SK_REMOTE(int64_t, rests_after, (int64_t, ns), (int64_t, a), (int64_t, b))
{
    sk_sleep((double)ns / 1e9);
    return a + b;
}

SK_REMOTE(sk_array, makes_bytes, (int64_t, n))
{
    return sk_zeros(SK_U8, n);
}

SK_REMOTE(int64_t, takes_bytes, (sk_array, bytes)) { return sk_len(bytes); }
SK_REMOTE(int64_t, takes_two, (sk_array, a), (sk_array, b)) { return sk_len(a) + sk_len(b); }

sk_options *at(int node)
{
    static sk_options options;
    options = (sk_options){ .node = node ? node : SK_ZERO, .num_cpus = SK_ZERO };
    return &options;
}

sk_ref bytes_on(int node, int64_t n)
{
    uint64_t done = sk_stats().tasks_done;
    sk_ref made = sk_remote_with(at(node), makes_bytes, n);
    while (sk_stats().tasks_done == done)      /* sk_wait would fetch the bytes */
        sk_sleep(1e-9);
    return made;
}
