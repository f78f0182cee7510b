/* Each call and macro of skate.h once, as a careful student compiles it; names of libc are free. */
#include <skate.h>
#include <stdio.h>

SK_REMOTE(double, link, (double, a), (double, b)) { return a + b; }
SK_REMOTE(double, square, (double, x)) { return x * x; }

SK_REMOTE(sk_array, rows, (int64_t, n))
{
    sk_array a = sk_new_array(SK_F64, n, 3);
    double *x = sk_write(double, a);
    for (int64_t i = 0; i < sk_len(a); i++)
        x[i] = sk_random();
    if (sk_cancelled())
        sk_fail("cancelled after %d rows", (int)n);
    return a;
}

SK_REMOTE(double, first, (sk_array, a))
{
    sk_expect_shape(a, 10, 3);
    return sk_read(double, a)[0];
}

SK_REMOTE_OUT(both, ((double, low), (const char *, word)))
{
    *low = link_body(1, 2);
    *word = "word";
}

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, &(sk_config){ .backend = "serial", .workers = 2, .gantt = true });

    sk_ref refs[4], out[4], two[2];
    for (int i = 0; i < 4; i++)
        refs[i] = sk_remote_with(SK_OPTS(.name = "rows", .num_cpus = 0.5, .priority = i), rows, 10);
    sk_map(first, refs, 4, out);
    sk_ref sum = sk_reduce(link, out, 4);
    sk_remote_into(two, both);
    sk_remote_into_with(SK_OPTS(.max_retries = SK_ZERO), two, both);

    size_t ready = sk_wait(refs, 4, 2, SK_FOREVER), count;
    sk_error err;
    if (!sk_try_wait(refs, 4, 4, 0.5, &count, &err))
        printf("%zu, %s: %s\n", ready, sk_code_name(err.code), err.message);
    double value, values[4];
    if (sk_try_get(sum, &value, 0, NULL) && sk_try_get_all(out, 4, values, SK_FOREVER, &err))
        sk_say("%g and %g", value, values[0]);
    sk_get_all(double, out, 4, values);
    const char *words[1];
    sk_get_all(const char *, two + 1, 1, words);

    sk_waiter *waiter = sk_waiter_new(out, 4);
    for (sk_ref ref; sk_waiter_next(waiter, &ref, SK_FOREVER);)
        value += sk_get(double, ref);
    sk_waiter_free(waiter);

    for (int i = 0; i < 3; i++)
        sk_scope {
            sk_ref x = sk_put(i);
            if (i == 1)
                break;
            sk_drop(sk_dup(x));
            sk_scope sk_take(double, sk_remote(square, x));
        }

    sk_cancel(sum, SK_FORCE | SK_ONLY_THIS);
    sk_sleep(0.1);
    sk_compute(100);
    printf("%g %d %d %d\n", sk_now(), sk_node(), sk_worker(), sk_stats().workers);
    sk_shutdown();
    return 0;
}
