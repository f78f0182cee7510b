/* Lesson 06 -- tree reduction: add up 100 arrays in 7 levels instead of 99.
 *
 * A hundred tasks draw a thousand normally distributed numbers each; then the arrays are added two
 * by two. Take two from the front of the queue, append their sum at the back, until one is left.
 *
 *   Ray: data = [generate_data.remote() for _ in range(100)]
 *        while len(data) > 1:
 *            data.append(aggregate_data.remote(data.pop(0), data.pop(0)))                       */
#include <skate.h>
#include <math.h>
#include <stdio.h>

enum { ARRAYS = 100, LENGTH = 1000 };

// Box and Muller: two uniform numbers become two normal ones. sk_random has a stream for each task,
// so the numbers do not depend on which worker draws them, or when.
SK_REMOTE(sk_array, generate_data)
{
    const double two_pi = 6.283185307179586;
    sk_array data = sk_new_array(SK_F64, LENGTH); // in the store, to be filled
    double *x = sk_write(double, data);
    for (int i = 0; i < LENGTH; i += 2) {
        double radius = sqrt(-2 * log(1 - sk_random())); // 1 - [0, 1) is never 0
        double angle = two_pi * sk_random();
        x[i] = radius * cos(angle);
        x[i + 1] = radius * sin(angle);
    }
    return data; // becomes the result as it is: no copy
}

SK_REMOTE(sk_array, aggregate_data, (sk_array, x), (sk_array, y))
{
    sk_array sum = sk_new_array(SK_F64, LENGTH);
    const double *a = sk_read(double, x), *b = sk_read(double, y);
    double *c = sk_write(double, sum);
    for (int i = 0; i < LENGTH; i++)
        c[i] = a[i] + b[i];
    return sum;
}

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, NULL);

    // The queue: each of the 99 sums takes a new place at the back, so 199 places are enough.
    // level[i] is how many additions lie on top of each other in data[i].
    sk_ref data[2 * ARRAYS];
    int level[2 * ARRAYS] = { 0 };
    int head = 0, tail = 0;
    while (tail < ARRAYS)
        data[tail++] = sk_remote(generate_data);

    while (tail - head > 1) {
        sk_ref x = data[head], y = data[head + 1];
        level[tail] = 1 + (level[head] > level[head + 1] ? level[head] : level[head + 1]);
        data[tail] = sk_remote(aggregate_data, x, y);
        head += 2;
        tail += 1;
        sk_drop(x); // we need them no more; the task keeps its arguments until it has run,
        sk_drop(y); // and then their memory is free for the next
    }

    // Everything is submitted, nothing has been waited for. The only get:
    const double *sums = sk_read(double, sk_get(sk_array, data[head]));
    double total = 0, squares = 0;
    for (int i = 0; i < LENGTH; i++) {
        total += sums[i];
        squares += sums[i] * sums[i];
    }
    double mean = total / LENGTH;

    int tasks = (int)sk_stats().tasks_submitted;
    printf("tasks               %d (%d generate, %d add)\n", tasks, ARRAYS, tasks - ARRAYS);
    printf("levels of adds      %d\n", level[head]);
    printf("sum of all numbers  %.6f\n", total);
    printf("mean of a number    %.6f\n", total / (ARRAYS * LENGTH));
    printf("deviation of a sum  %.6f\n", sqrt(squares / LENGTH - mean * mean));

    sk_shutdown();
    return 0;
}
