/* random.c -- sk_random: seeded, one stream per task, the same on every backend. */
#include "conform.h"

SK_REMOTE(double, draw, (int, skip))
{
    for (int i = 0; i < skip; i++)
        sk_random();
    return sk_random();
}

CASE(random_numbers_are_in_the_unit_interval)
{
    double sum = 0;
    for (int i = 0; i < 10000; i++) {
        double x = sk_random();
        ck_assert(x >= 0 && x < 1);
        sum += x;
    }
    ck_assert(sum > 4700 && sum < 5300);            /* ten standard deviations */
}

CASE(tasks_draw_from_different_streams)
{
    double seen[200];
    for (int i = 0; i < 200; i++) {
        seen[i] = sk_get(double, sk_remote(draw, 0));
        for (int k = 0; k < i; k++)
            ck_assert(seen[k] != seen[i]);
    }
}

SK_REMOTE(double, sum_of_draws, (int, n))
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += sk_random();
    return sum;
}

CASE(the_streams_of_many_tasks_are_fair_together)
{
    double sum = 0;
    sk_ref refs[1000];
    for (int i = 0; i < 1000; i++)
        refs[i] = sk_remote(draw, 0);
    for (int i = 0; i < 1000; i++)
        sum += sk_get(double, refs[i]);
    ck_assert(sum > 410 && sum < 590);              /* ten standard deviations */
}

/* ---- the same again: the output of whole programs is compared ---- */

SK_REMOTE(double, draws_and_asks_children, (int, depth))
{
    double mine = sk_random();
    if (depth == 0)
        return mine;
    sk_ref a = sk_remote(draws_and_asks_children, depth - 1), b = sk_remote(draws_and_asks_children, depth - 1);
    double second = sk_get(double, b), first = sk_get(double, a);
    return mine + 2 * first + 3 * second + 5 * sk_random();
}

static uint64_t seed;
static int workers;
static void prints_draws(void)
{
    start(&(sk_config){ .seed = seed, .workers = workers });
    sk_ref refs[20], failing[4];
    printf("driver %.17g\n", sk_random());
    for (int i = 0; i < 20; i++)
        refs[i] = i % 2 ? sk_remote(draw, i) : sk_remote(draws_and_asks_children, i % 5);
    printf("driver %.17g\n", sk_random());
    for (int i = 19; i >= 0; i--)                   /* not in the order of submission */
        printf("task %d %.17g\n", i, sk_get(double, refs[i]));
    for (int i = 0; i < 4; i++)
        failing[i] = sk_remote_with(SK_OPTS(.retry_errors = true), sum_of_draws, i);
    for (int i = 0; i < 4; i++)
        printf("sum %.17g\n", sk_get(double, failing[i]));
    stop();
}

static char *draws_with(uint64_t s, int w, const char *backend)
{
    seed = s;
    workers = w;
    ending end;
    run_apart_on(backend, prints_draws, &end);
    ck_assert_msg(end.status == 0, "%s", end.output);
    return end.output;
}

CASE(the_same_seed_draws_the_same_numbers, .by_hand = true)
{
    ck_assert_str_eq(draws_with(5, 2, backend_name()), draws_with(5, 2, backend_name()));
}

CASE(another_seed_draws_other_numbers, .by_hand = true)
{
    ck_assert_str_ne(draws_with(5, 2, backend_name()), draws_with(6, 2, backend_name()));
}

CASE(seed_0_means_the_default_seed_1, .by_hand = true)
{
    ck_assert_str_eq(draws_with(0, 2, backend_name()), draws_with(1, 2, backend_name()));
}

CASE(the_number_of_workers_does_not_change_what_is_drawn, .by_hand = true)
{
    ck_assert_str_eq(draws_with(5, 1, backend_name()), draws_with(5, 4, backend_name()));
}

CASE(every_backend_draws_what_serial_draws, .by_hand = true)
{
    ck_assert_str_eq(draws_with(5, 2, backend_name()), draws_with(5, 2, "serial"));
    ck_assert_str_eq(draws_with(77, 3, backend_name()), draws_with(77, 3, "serial"));
}
