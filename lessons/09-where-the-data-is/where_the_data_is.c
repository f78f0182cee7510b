/* Lesson 09 -- where the data is: how many bytes move from node to node, and how to move fewer.
 *
 * An object lies on the node where it was made. A task that runs on another node and has it as argument needs a copy
 * there, which comes over the network before the task begins, and stays for the next one. Four ways to feed tasks:
 *
 *   by value    20 tasks use the same weights, each is given them
 *   put once    the same, with one reference for all
 *   to the data 16 tasks read a block each, and run where the scheduler likes: where their block is
 *   away        the same, each on the node after that
 *
 *   09-where-the-data-is [MB] --sk-backend=virtual --sk-nodes=4        MB: of the weights, 1 to 100; 1
 *
 *   Ray: ref = ray.put(weights) before the loop, not score.remote(weights, i) in it             */
#include <skate.h>
#include <stdio.h>
#include <stdlib.h>

enum { TASKS = 20, BLOCKS = 16, ON_THEIR_WAY = 4, MEGABYTE = 1000000 };

static int nodes;
static int on(int i) { return i % nodes ? i % nodes : SK_ZERO; } // for SK_OPTS(.node): 0 would be "any"

SK_REMOTE(double, score, (sk_array, weights), (int, i))
{
    const double *w = sk_read(double, weights);
    double sum = 0;
    for (int64_t k = i; k < sk_len(weights); k += TASKS)
        sum += w[k];
    return sum;
}

// Two answers: whoever needs to know only where the block is does not get the block.
SK_REMOTE_OUT(make_block, ((sk_array, block), (int, node)), (int, i), (int64_t, length))
{
    *block = sk_new_array(SK_F64, length);
    double *x = sk_write(double, *block);
    for (int64_t k = 0; k < length; k++)
        x[k] = (double)((k + i) % 100);
    *node = sk_node();
}

SK_REMOTE_OUT(add_up, ((double, sum), (int, node)), (sk_array, block))
{
    const double *x = sk_read(double, block);
    *sum = 0;
    for (int64_t k = 0; k < sk_len(block); k++)
        *sum += x[k];
    *node = sk_node();
}

static void report(const char *what, const sk_counts *before, double answer)
{
    sk_counts now = sk_stats();
    printf("%-11s %8.2f MB in %2d transfers   sum %.0f", what, (double)(now.bytes_moved - before->bytes_moved) / MEGABYTE,
           (int)(now.transfers - before->transfers), answer);
}

static void use_weights(sk_array weights, bool once)
{
    sk_counts before = sk_stats();
    double start = sk_now(), answers[TASKS], sum = 0;
    sk_ref refs[TASKS], shared = once ? sk_put(weights) : (sk_ref){ 0 };
    for (int i = 0; i < TASKS; i++) {
        if (once)
            refs[i] = sk_remote_with(SK_OPTS(.node = on(i)), score, shared, i);
        else
            refs[i] = sk_remote_with(SK_OPTS(.node = on(i)), score, weights, i); // copied now, and for this task only
        if (i >= ON_THEIR_WAY)
            sk_wait(&refs[i - ON_THEIR_WAY], 1, 1, SK_FOREVER); // or all 20 copies would be there at once
    }
    sk_get_all(double, refs, TASKS, answers);
    for (int i = 0; i < TASKS; i++)
        sum += answers[i];
    report(once ? "put once" : "by value", &before, sum);
    printf("   %.3f s\n", sk_now() - start);
}

static void use_blocks(int64_t length, bool away)
{
    sk_ref blocks[BLOCKS][2], sums[BLOCKS][2];
    int home[BLOCKS], local = 0;
    for (int i = 0; i < BLOCKS; i++)
        sk_remote_into_with(SK_OPTS(.node = on(i)), blocks[i], make_block, i, length);
    for (int i = 0; i < BLOCKS; i++)
        home[i] = sk_get(int, blocks[i][1]); // not the block: that would bring it here
    sk_counts before = sk_stats();
    double start = sk_now(), sum = 0;
    for (int i = 0; i < BLOCKS; i++) {
        sk_remote_into_with(SK_OPTS(.node = away ? on(i + 1) : 0), sums[i], add_up, blocks[i][0]);
        sk_drop(blocks[i][0]);
    }
    for (int i = 0; i < BLOCKS; i++) {
        sum += sk_get(double, sums[i][0]);
        local += sk_get(int, sums[i][1]) == home[i];
    }
    report(away ? "away" : "to the data", &before, sum);
    printf("   %d of %d tasks at their block   %.3f s\n", local, BLOCKS, sk_now() - start);
}

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, &(sk_config){ .workers = BLOCKS / 4 }); // on 4 nodes, a worker for each block
    nodes = (int)sk_nodes(NULL, 0);
    int megabytes = argc > 1 ? atoi(argv[1]) : 1;
    if (megabytes < 1 || megabytes > 100) {
        fprintf(stderr, "%s: how many MB of weights? 1 to 100, not %s\n", argv[0], argv[1]);
        sk_shutdown();
        return 2;
    }
    int64_t length = (int64_t)megabytes * MEGABYTE / (int64_t)sizeof(double);
    double *weights = malloc((size_t)length * sizeof *weights);
    for (int64_t k = 0; weights && k < length; k++)
        weights[k] = (double)(k % 1000);
    if (weights) {
        printf("weights of %d MB, %d blocks of %.2f MB, %d node%s\n", megabytes, BLOCKS, 0.64 * megabytes, nodes, nodes == 1 ? "" : "s");
        sk_scope { use_weights(sk_array_of(weights, length), false); }
        sk_scope { use_weights(sk_array_of(weights, length), true); }
        sk_scope { use_blocks(length * 64 / 100, false); }
        sk_scope { use_blocks(length * 64 / 100, true); }
    }
    sk_shutdown();
    free(weights);
    return weights ? 0 : 1;
}
