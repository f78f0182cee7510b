/* program.c [FILE] -- does a little of everything on `processes`, while the n-th call of something fails. Ends with status 0 and "right"
 * if all answers are right, or with 0 and "named" if there was an error that says what is wrong; sk_init may end it with its own message.
 * Any other answer is 9. The store holds three of its arrays, and there are more of them: it spills. One task dies once, while FILE is not there. */
#include <fcntl.h>
#include <signal.h>
#include <skate.h>
#include <stdio.h>
#include <stdlib.h>

enum { LARGE = 20000, KEPT = 5 };

SK_REMOTE(sk_array, counting, (int64_t, n))
{
    sk_array a = sk_new_array(SK_I64, n);
    for (int64_t i = 0; i < n; i++)
        sk_write(int64_t, a)[i] = i;
    return a;
}

SK_REMOTE(int64_t, sum_of, (sk_array, a))
{
    int64_t sum = 0;
    for (int64_t i = 0; i < sk_len(a); i++)
        sum += sk_read(int64_t, a)[i];
    printf("summed\n");
    return sum;
}

SK_REMOTE(int64_t, nested, (int, depth))
{
    if (depth == 0)
        return sk_get(int64_t, sk_remote(sum_of, sk_remote(counting, LARGE)));
    return sk_get(int64_t, sk_remote(nested, depth - 1)) + 1;
}

SK_REMOTE(int64_t, crashes_at_first, (const char *, file), (int64_t, x))
{
    if (open(file, O_CREAT | O_EXCL | O_RDONLY, 0600) >= 0)
        raise(SIGKILL);
    return x;
}

static bool is_named;

static void expect(sk_ref r, int64_t wanted)
{
    int64_t got;
    sk_error err;
    if (!sk_try_get(r, &got, SK_FOREVER, &err)) {
        fprintf(stderr, "%s: %s\n", sk_code_name(err.code), err.message);
        is_named = true;
        if (!*err.message)
            exit(9);
    } else if (got != wanted) {
        fprintf(stderr, "%lld instead of %lld\n", (long long)got, (long long)wanted);
        exit(9);
    }
}

int main(int argc, char **argv)
{
    static int64_t mine[LARGE];
    mine[3] = 4;
    sk_init(&argc, &argv, &(sk_config){ .backend = "processes", .workers = 2, .store_bytes = 500000 });
    sk_ref kept[KEPT];
    for (int i = 0; i < KEPT; i++)
        kept[i] = i % 2 ? sk_remote(counting, LARGE) : sk_put(sk_array_of(mine, LARGE));
    const int64_t sum = (int64_t)LARGE * (LARGE - 1) / 2;
    expect(sk_remote(sum_of, sk_put(sk_array_of(mine, LARGE))), 4);
    expect(sk_remote(sum_of, sk_remote(counting, LARGE)), sum);
    expect(sk_remote(nested, 4), sum + 4);
    expect(sk_remote(crashes_at_first, argc > 1 ? argv[1] : "/dev/null", 5), 5);
    expect(sk_remote(sum_of, sk_put(sk_array_of(mine, LARGE))), 4);
    for (int i = 0; i < KEPT; i++)
        expect(sk_remote(sum_of, kept[i]), i % 2 ? sum : 4);
    sk_shutdown();
    puts(is_named ? "named" : "right");
    return 0;
}
