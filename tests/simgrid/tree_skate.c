/* tree_skate.c -- the tree of tree.h on virtual; prints when its last task ended, in seconds. tests/simgrid/run compares. */
#include <skate.h>
#include <unistd.h>

#include "tree.h"

static tree t;
static double last;
static sk_ref refs[2 * TREE_MOST_LEAVES];

static sk_array made(void)
{
    sk_array a = sk_new_array(SK_U8, t.bytes);
    sk_compute(t.work_us);
    last = sk_now();
    return a;
}

SK_REMOTE(sk_array, leaf) { return made(); }
SK_REMOTE(sk_array, add, (sk_array, x), (sk_array, y))
{
    (void)x, (void)y;
    return made();
}

int main(int argc, char **argv)
{
    t = tree_read(argc, argv);
    char path[] = "/tmp/skate-tree-XXXXXX", option[64];
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file || fprintf(file, "[cluster]\nnodes = %d\nworkers = 1\npolicy = fifo\n[network]\nlatency = %dus\nbandwidth = %dMB/s\n",
                         t.nodes, t.latency_us, t.bandwidth_mb) < 0 || fclose(file) != 0) {
        perror(path);
        return 1;
    }
    snprintf(option, sizeof option, "--sk-cluster=%s", path);
    char *list[] = { argv[0], "--sk-backend=virtual", option, NULL }, **options = list;
    int count = 3;
    sk_init(&count, &options, NULL);
    unlink(path);
    for (int k = 0, i; k < 2 * t.leaves - 1; k++) {
        i = k < t.leaves ? t.leaves + k : 2 * t.leaves - 1 - k;      /* the leaves in their order, then the sums from the leaves on */
        int node = tree_node(&t, i);
        const sk_options *on = SK_OPTS(.node = node ? node : SK_ZERO);
        if (i >= t.leaves) {
            refs[i] = sk_remote_with(on, leaf);
            continue;
        }
        refs[i] = sk_remote_with(on, add, refs[2 * i], refs[2 * i + 1]);
        sk_drop(refs[2 * i]);
        sk_drop(refs[2 * i + 1]);
    }
    sk_wait(&refs[1], 1, 1, SK_FOREVER);
    printf("%.9f\n", last);
    sk_shutdown();
    return 0;
}
