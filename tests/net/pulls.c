/* pulls.c -- a program for tests/net/pulls: what node 1 has made node 2 needs. Prints the sum that came out, and how many transfers it took. */
#include <skate.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 3 << 20 };

SK_REMOTE(sk_array, ones, (int64_t, n))
{
    sk_array a = sk_new_array(SK_U8, n);
    memset(sk_write(uint8_t, a), 1, (size_t)n);
    return a;
}

SK_REMOTE(int64_t, sum, (sk_array, a))
{
    int64_t sum = 0;
    for (int64_t i = 0; i < sk_len(a); i++)
        sum += sk_read(uint8_t, a)[i];
    return sum;
}

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, NULL);
    sk_ref made = sk_remote_with(SK_OPTS(.node = 1), ones, (int64_t)SIZE);
    int64_t result = sk_take(int64_t, sk_remote_with(SK_OPTS(.node = 2), sum, made));
    printf("%s, %d transfers\n", result == SIZE ? "all of it" : "WRONG", (int)sk_stats().transfers);
    sk_drop(made);
    sk_shutdown();
    return result != SIZE;
}
