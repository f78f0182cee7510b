/* Lesson 04 -- arguments: values and references mix.
 *
 * Where a parameter says int you may give an int or a reference of one. A reference makes the task
 * wait until that object is there, and the body receives the value: so tasks depend on each other.
 *
 *   Ray: add2.remote(1, 2);  add2.remote(1, ray.put(2));  add2.remote(ray.put(1), ray.put(2))   */
#include <skate.h>
#include <stdio.h>

SK_REMOTE(int, add2, (int, a), (int, b)) { return a + b; }

// References inside a list stay references: this task starts without waiting for them, and gets
// them itself.
SK_REMOTE(int, add_list, (sk_list, list))
{
    int sum = 0;
    for (size_t i = 0; i < list.n; i++)
        sum += sk_get(int, list.refs[i]);
    return sum;
}

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, NULL);

    // The three forms. The body of add2 sees the same two ints each time.
    sk_ref both_values = sk_remote(add2, 1, 2);
    sk_ref one_ref = sk_remote(add2, 1, sk_put(2));
    sk_ref both_refs = sk_remote(add2, sk_put(1), sk_put(2));
    printf("add2(1, 2)                  %d\n", sk_get(int, both_values));
    printf("add2(1, put(2))             %d\n", sk_get(int, one_ref));
    printf("add2(put(1), put(2))        %d\n", sk_get(int, both_refs));

    // The reference of a task that may not have run yet is as good. Five tasks, each waiting for
    // the one before; no get in between.
    sk_ref x = sk_put(0);
    for (int i = 1; i <= 5; i++)
        x = sk_remote(add2, x, i);
    printf("a chain, 0+1+2+3+4+5        %d\n", sk_get(int, x));

    // So calls nest like C calls, and the two inner ones may run at the same time.
    sk_ref nested = sk_remote(add2, sk_remote(add2, 1, 2), sk_remote(add2, 3, 4));
    printf("add2(add2(1, 2), add2(3,4)) %d\n", sk_get(int, nested));

    // A list of the three answers from above.
    sk_ref three[] = { both_values, one_ref, both_refs };
    sk_ref total = sk_remote(add_list, sk_list_of(three, 3));
    printf("add_list of three refs      %d\n", sk_get(int, total));

    sk_shutdown();
    return 0;
}
