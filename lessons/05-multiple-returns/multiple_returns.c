/* Lesson 05 -- several return values, each with a reference of its own.
 *
 * A task may have up to eight answers. Each can be got, dropped or given to another task without
 * the others.
 *
 *   Ray: @ray.remote(num_returns=3)      (num_return_vals when the study note was written)
 *        a_id, b_id, c_id = return_multiple.remote()                                            */
#include <skate.h>
#include <stdio.h>

// The answers come first, as a list of (type, name) pairs; the body gets a pointer for each.
SK_REMOTE_OUT(return_multiple, ((int, a), (int, b), (int, c)))
{
    *a = 1;
    *b = 2;
    *c = 3;
}

// Answers may differ in type, and there may be parameters as usual.
SK_REMOTE_OUT(divide, ((int, quotient), (int, rest), (double, exact)), (int, a), (int, b))
{
    *quotient = a / b;
    *rest = a % b;
    *exact = (double)a / b;
}

SK_REMOTE(int, times_ten, (int, x)) { return 10 * x; }

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, NULL);

    // One task, three references.
    sk_ref ids[3];
    sk_remote_into(ids, return_multiple);
    sk_ref a_id = ids[0], b_id = ids[1], c_id = ids[2];
    int a = sk_get(int, a_id), b = sk_get(int, b_id), c = sk_get(int, c_id);
    printf("return_multiple    %d %d %d\n", a, b, c);

    // Each is used alone: a is dropped, b is got again, c goes to another task.
    sk_drop(a_id);
    sk_ref ten_c = sk_remote(times_ten, c_id);
    printf("b alone            %d\n", sk_get(int, b_id));
    printf("times_ten(c)       %d\n", sk_get(int, ten_c));

    sk_ref parts[3];
    sk_remote_into(parts, divide, 17, 5);
    int quotient = sk_get(int, parts[0]), rest = sk_get(int, parts[1]);
    printf("divide(17, 5)      %d rest %d, exactly %g\n", quotient, rest, sk_get(double, parts[2]));

    sk_shutdown();
    return 0;
}
