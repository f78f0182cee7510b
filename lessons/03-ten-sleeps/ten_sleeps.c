/* Lesson 03 -- ten sleeps of a second, in a second.
 *
 * Tasks that do not need each other may run at the same time, as many as there are workers. So
 * submit them all first, and get afterwards.
 *
 *   Ray: [f1() for _ in range(10)]                      ten seconds
 *        ray.get([f2.remote() for _ in range(10)])      one, with ten workers                   */
#include <skate.h>
#include <stdio.h>

static void f1(void) { sk_sleep(1); }

SK_REMOTE(sk_none, f2)
{
    sk_sleep(1);
    return (sk_none){ 0 }; // a task always has an answer; sk_none is the one that says nothing
}

int main(int argc, char **argv)
{
    // Ten workers, whatever the machine has: sleepers need no core. --sk-workers=5 overrides it.
    sk_init(&argc, &argv, &(sk_config){ .workers = 10 });

    // One after the other. Two are enough to see where this goes.
    double start = sk_now();
    for (int i = 0; i < 2; i++)
        f1();
    printf(" 2 calls of f1     about %.0f s\n", sk_now() - start);

    // All at once: ten submissions, and only then the first get.
    start = sk_now();
    sk_ref refs[10];
    for (int i = 0; i < 10; i++)
        refs[i] = sk_remote(f2);
    sk_none nothing[10];
    sk_get_all(sk_none, refs, 10, nothing);
    printf("10 tasks of f2     about %.0f s\n", sk_now() - start);

    sk_shutdown();
    return 0;
}
