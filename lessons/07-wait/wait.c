/* Lesson 07 -- wait: take up each result when it is there, not when all are.
 *
 * Four tasks take 0 to 4 seconds each; the driver needs another second for each result. Whoever
 * gets all four first is idle until the slowest is done. Whoever waits for one at a time is not.
 *
 *   Ray: while len(result_ids):
 *            done_id, result_ids = ray.wait(result_ids)
 *            sum = process_incremental(sum, ray.get(done_id[0]))                                */
#include <skate.h>
#include <stdio.h>

enum { TASKS = 4 };

SK_REMOTE(int, do_some_work, (int, x), (double, seconds))
{
    sk_sleep(seconds);
    return x;
}

static int process_incremental(int sum, int result)
{
    sk_sleep(1);
    return sum + result;
}

static int process_results(const int *results)
{
    int sum = 0;
    for (int i = 0; i < TASKS; i++)
        sum = process_incremental(sum, results[i]);
    return sum;
}

static void start_work(sk_ref *refs, const double *seconds)
{
    for (int x = 0; x < TASKS; x++)
        refs[x] = sk_remote(do_some_work, x, seconds[x]);
}

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, &(sk_config){ .workers = TASKS, .seed = 1 });

    // Drawn here, not in the tasks, so that both versions have the same work to do.
    double seconds[TASKS];
    printf("the tasks take        ");
    for (int x = 0; x < TASKS; x++) {
        seconds[x] = 4 * sk_random();
        printf(" %.1f", seconds[x]);
    }
    printf(" s\n");

    // Version 1: get all, then process.
    double start = sk_now();
    sk_ref result_ids[TASKS];
    start_work(result_ids, seconds);
    int results[TASKS];
    sk_get_all(int, result_ids, TASKS, results);
    int sum = process_results(results);
    double get_all = sk_now() - start;
    printf("get all, then process  duration = %.1f s, result = %d\n", get_all, sum);

    // Version 2: process each when it is there. sk_wait moves one that is ready to the front; what
    // is left to wait for is the rest of the array, which starts one further on.
    start = sk_now();
    start_work(result_ids, seconds);
    sum = 0;
    sk_ref *left = result_ids;
    size_t n = TASKS;
    while (n > 0) {
        sk_wait(left, n, 1, SK_FOREVER);
        sum = process_incremental(sum, sk_get(int, left[0])); // Ray's done_id[0]
        left++;
        n--;
    }
    double one_by_one = sk_now() - start;
    printf("wait, process, wait    duration = %.1f s, result = %d\n", one_by_one, sum);

    double gain = get_all - one_by_one;
    if (gain > 0.1)
        printf("faster                 wait, by %.1f s\n", gain);
    else
        printf("faster                 neither\n");

    sk_shutdown();
    return 0;
}
