/* Lesson 02 -- remote functions: a call that returns a reference instead of an answer.
 *
 * Calling a normal function means waiting for it. Submitting a remote function makes a task, which
 * runs when a worker is free, and returns at once with a reference of the answer to come.
 *
 *   Ray: x_id = add2.remote(1, 2);  ray.get(x_id)                                               */
#include <skate.h>
#include <stdio.h>

// A normal function.
static int add1(int a, int b) { return a + b; }

// A remote function: the type of the answer, the name, then a (type, name) pair for each parameter.
SK_REMOTE(int, add2, (int, a), (int, b)) { return a + b; }

// The same, but it takes its time.
SK_REMOTE(int, slow_add, (int, a), (int, b))
{
    sk_sleep(0.5);
    return a + b;
}

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, NULL);

    printf("add1(1, 2)              %d\n", add1(1, 2));

    sk_ref x_id = sk_remote(add2, 1, 2);
    printf("sk_remote(add2, 1, 2)   %d\n", sk_get(int, x_id));

    // The code in the braces is still an ordinary C function, called add2_body. No task is made.
    printf("add2_body(1, 2)         %d\n", add2_body(1, 2));

    // Submitting does not wait for the task; getting does.
    double start = sk_now();
    sk_ref y_id = sk_remote(slow_add, 3, 4);
    double submitted = sk_now() - start;
    int y = sk_get(int, y_id);
    double answered = sk_now() - start;
    printf("slow_add(3, 4)          submitted after %.1f s, answer %d after %.1f s\n", submitted, y,
           answered);

    printf("tasks in all            %d\n", (int)sk_stats().tasks_submitted);
    sk_shutdown();
    return 0;
}
