/* sum.c -- eight numbers added up two by two, each in its own time: the run of which tests/view makes its pictures. One task
 * fails, and with it who needs it; one waits for tasks of its own. */
#include <skate.h>

SK_REMOTE(int64_t, number, (int64_t, x))
{
    sk_compute(1000 * (double)x);
    return x;
}

SK_REMOTE(int64_t, add, (int64_t, x), (int64_t, y))
{
    sk_compute(2000);
    return x + y;
}

SK_REMOTE(int64_t, divide, (int64_t, x), (int64_t, y))
{
    if (y == 0)
        sk_fail("%lld / 0", (long long)x); // the failure that the pictures show
    return x / y;
}

SK_REMOTE(int64_t, twice, (int64_t, x))
{
    sk_ref half = sk_remote(number, x), other = sk_remote(number, x); /* nested: it waits for its own tasks */
    return sk_get(int64_t, half) + sk_get(int64_t, other);
}

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, NULL);
    sk_ref value[16];
    int head = 0, tail = 0;
    for (; tail < 8; tail++)
        value[tail] = sk_remote(number, (int64_t)(tail + 1));
    sk_ref nothing = sk_remote(divide, value[3], (int64_t)0), lost = sk_remote(add, nothing, value[0]), nested = sk_remote(twice, (int64_t)4);
    for (; tail - head > 1; head += 2)
        value[tail++] = sk_remote(add, value[head], value[head + 1]);
    sk_error err;
    int64_t sum = sk_get(int64_t, value[head]) + sk_get(int64_t, nested), none;
    int status = sum != 44 || sk_try_get(lost, &none, SK_FOREVER, &err);
    sk_shutdown();
    return status;
}
