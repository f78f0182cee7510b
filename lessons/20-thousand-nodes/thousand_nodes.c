/* Lesson 20 -- a thousand nodes: when the driver is the bottleneck, and what to do about it.
 *
 * On a simulated cluster everything takes exactly what its description says. Say that a submission
 * costs a millisecond. Then whoever submits a thousand tasks is busy for a second, whatever the
 * thousand nodes could do meanwhile. Tasks that submit tasks share that work.
 *
 *   Ray: the same, with `add.remote(...)` in the driver, or inside another remote function       */
#include <skate.h>
#include <stdio.h>

enum { LEAVES = 1000, TASKS = 10000, FAN = 10 };

SK_REMOTE(int, leaf, (int, i))
{
    sk_sleep(1);
    return i;
}

SK_REMOTE(int, add, (int, a), (int, b), (double, seconds))
{
    sk_sleep(seconds);
    return a + b;
}

// The driver submits all: the queue of lesson 06, 1000 leaves and 999 additions.
static int tree_by_driver(double seconds)
{
    sk_ref queue[2 * LEAVES];
    int head = 0, tail = 0;
    for (; tail < LEAVES; tail++)
        queue[tail] = sk_remote(leaf, tail);
    for (; tail - head > 1; head += 2)
        queue[tail++] = sk_remote(add, queue[head], queue[head + 1], seconds);
    return sk_take(int, queue[head]);
}

// A task submits its two halves, which do the same. Whoever waits gives its cpu to others.
SK_REMOTE(int, tree, (int, first), (int, n), (double, seconds))
{
    if (n == 1) {
        sk_sleep(1);
        return first;
    }
    sk_ref left = sk_remote(tree, first, n / 2, seconds);
    sk_ref right = sk_remote(tree, first + n / 2, n - n / 2, seconds);
    int sum = sk_get(int, left);
    sum += sk_get(int, right);
    sk_sleep(seconds);
    return sum;
}

static int many_by_driver(void)
{
    static sk_ref refs[TASKS];
    int sum = 0;
    for (int i = 0; i < TASKS; i++)
        refs[i] = sk_remote(leaf, i);
    for (int i = 0; i < TASKS; i++)
        sum += sk_take(int, refs[i]);
    return sum;
}

// Ten tasks, each of which submits ten, each of which ... until they are leaves.
SK_REMOTE(int, many, (int, first), (int, n))
{
    sk_ref refs[FAN];
    int sum = 0, part = n / FAN;
    for (int i = 0; i < FAN; i++)
        refs[i] = part == 1 ? sk_remote(leaf, first + i) : sk_remote(many, first + i * part, part);
    for (int i = 0; i < FAN; i++)
        sum += sk_take(int, refs[i]);
    return sum;
}

#define TIMED(who, call)                                                                           \
    do {                                                                                           \
        double start = sk_now();                                                                   \
        int sum = (call);                                                                          \
        printf("  submitted by %-11s %6.3f s   sum %d\n", who, sk_now() - start, sum);             \
    } while (0)

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, &(sk_config){ .backend = "virtual", .nodes = 1000, .workers = 1 });
    printf("1000 leaves of 1 s, added up two by two, an addition takes 1 s\n");
    TIMED("the driver", tree_by_driver(1));
    TIMED("tasks", sk_take(int, sk_remote(tree, 0, LEAVES, 1.0)));
    printf("the same, an addition takes 0.01 s\n");
    TIMED("the driver", tree_by_driver(0.01));
    TIMED("tasks", sk_take(int, sk_remote(tree, 0, LEAVES, 0.01)));
    printf("10,000 tasks of 1 s\n");
    TIMED("the driver", many_by_driver());
    TIMED("tasks", sk_take(int, sk_remote(many, 0, TASKS)));
    sk_shutdown();
    return 0;
}
