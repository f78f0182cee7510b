/* many_things.c -- a program for the digest: much of what a run can contain, decided by seeded random numbers.
 *
 * Nested tasks of random shape, arrays that travel between nodes, named resources, priorities, retries, failures, a cancellation, waits with
 * time limits, a put and a say. Nothing here depends on the order in which C evaluates arguments, which compilers choose. */
#include <skate.h>
#include <stdio.h>

enum { ROUNDS = 40 };

SK_REMOTE(sk_array, make, (int, bytes))
{
    sk_array a = sk_new_array(SK_U8, (size_t)bytes);
    uint8_t *p = sk_write(uint8_t, a);
    for (int i = 0; i < bytes; i++)
        p[i] = (uint8_t)i;
    sk_sleep(0.01 * sk_random());
    return a;
}

SK_REMOTE(int, look, (sk_array, a), (sk_array, b))
{
    sk_compute(1000 * sk_random());
    return (int)(a.shape[0] + b.shape[0]);
}

SK_REMOTE(int, unsteady, (int, x))
{
    sk_sleep(0.002);
    if (sk_random() < 0.4)
        sk_fail("drew a blank at %d", x);
    return x;
}

SK_REMOTE(int, branch, (int, depth))
{
    sk_sleep(0.001 + 0.01 * sk_random());
    int children = depth > 0 ? (int)(3 * sk_random()) : 0, sum = 1;
    sk_ref refs[3];
    for (int i = 0; i < children; i++)
        refs[i] = sk_remote(branch, depth - 1);
    for (int i = 0; i < children; i++)
        sum += sk_take(int, refs[i]);
    if (depth == 6)
        sk_say("%d branches", sum);
    return sum;
}

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, NULL);
    sk_ref arrays[ROUNDS], looks[ROUNDS], tries[ROUNDS], trees[4];
    int sum = 0, failed = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int bytes = 1 + (int)(100000 * sk_random());
        arrays[i] = sk_remote_with(SK_OPTS(.priority = i % 3 - 1), make, bytes);
        tries[i] = sk_remote_with(SK_OPTS(.retry_errors = true, .max_retries = 2), unsteady, i);
    }
    for (int i = 0; i < ROUNDS; i++) {
        int other = (int)(ROUNDS * sk_random());
        looks[i] = sk_remote_with(SK_OPTS(.resources = i % 2 ? "gpu=1" : NULL), look, arrays[i], arrays[other]);
    }
    for (int i = 0; i < 4; i++)
        trees[i] = sk_remote(branch, 6);
    sk_ref late = sk_remote(make, 1000), put = sk_put(0.5);
    sk_cancel(late, 0);
    size_t left = ROUNDS;
    for (sk_ref *at = looks; left > 0; ) {
        size_t ready = sk_wait(at, left, 1, 0.003);
        for (size_t i = 0; i < ready; i++)
            sum += sk_get(int, at[i]);
        at += ready;
        left -= ready;
    }
    for (int i = 0; i < ROUNDS; i++) {
        int value = 0;
        sk_error err;
        failed += !sk_try_get(tries[i], &value, SK_FOREVER, &err);
        sum += value;
    }
    for (int i = 0; i < 4; i++)
        sum += sk_get(int, trees[i]);
    printf("%d, %d failed, %g, at %.9f s\n", sum, failed, sk_get(double, put), sk_now());
    sk_shutdown();
    return 0;
}
