/* member.c -- a program for tests of nodes that come and go: member MODE [OPTIONS].
 *
 *   held      two tasks say that they have started into the FIFO `started`, and are held until there is a byte for each in the FIFO `gate`
 *   makes     an object is made at node 1, and only there; then a task at node 0 is held as above; then the object is added up
 *   moves     an object is made at node 1 and added up at node 2; and one at each node that has `there`; a task at node 0 is held as above;
 *             then all three are added up
 *   spared    a task that may be tried once more, and needs `there`, is held as above
 *   once      the same of one that may not
 *   puts      a task at node 1 puts an object, and gives its reference back; then a task at node 0 is held as above; then the object is added up
 *
 * The end: "sum S, retries R", where the sum of what was made is 1000000 times 7 for each object, and of held tasks what they read at the gate. */
#include <skate.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

SK_REMOTE(int64_t, held)
{
    char byte = 0;
    FILE *started = fopen("started", "w");
    if (!started)
        return -1;
    fprintf(started, "%d\n", (int)getpid());
    fclose(started);
    FILE *gate = fopen("gate", "r");
    if (!gate)
        return -1;
    setvbuf(gate, NULL, _IONBF, 0);        /* one byte, not the other's too */
    if (fread(&byte, 1, 1, gate) != 1)
        return -1;
    fclose(gate);
    return byte;
}

#ifdef ONE_MORE
SK_REMOTE(int64_t, one_more) { return 1; }
#endif

SK_REMOTE(sk_array, sevens)
{
    printf("makes sevens\n");
    sk_array a = sk_new_array(SK_I64, 1000000);
    for (int64_t i = 0; i < 1000000; i++)
        sk_write(int64_t, a)[i] = 7;
    return a;
}

SK_REMOTE(int64_t, sum, (sk_array, a))
{
    int64_t all = 0;
    for (int64_t i = 0; i < sk_len(a); i++)
        all += sk_read(int64_t, a)[i];
    return all;
}

SK_REMOTE(sk_ref, puts_sevens)
{
    static int64_t sevens[1000000];
    for (int64_t i = 0; i < 1000000; i++)
        sevens[i] = 7;
    return sk_put(sk_array_of(sevens, 1000000));
}

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, &(sk_config){ .workers = 1 });
    int64_t answer = 0;
    if (argc > 1 && strcmp(argv[1], "moves") == 0) {
        sk_ref made[] = { sk_remote_with(SK_OPTS(.node = 1), sevens), sk_remote_with(SK_OPTS(.resources = "there=1"), sevens),
                          sk_remote_with(SK_OPTS(.resources = "there=1"), sevens) };
        sk_ref added = sk_remote_with(SK_OPTS(.node = 2), sum, made[0]);
        sk_wait(&added, 1, 1, SK_FOREVER);
        sk_get(int64_t, sk_remote_with(SK_OPTS(.node = SK_ZERO), held));
        for (int i = 0; i < 3; i++)
            answer += sk_get(int64_t, sk_remote_with(SK_OPTS(.node = SK_ZERO), sum, made[i]));
    } else if (argc > 1 && strcmp(argv[1], "makes") == 0) {
        sk_ref made = sk_remote_with(SK_OPTS(.node = 1), sevens);
        answer = sk_get(int64_t, sk_remote_with(SK_OPTS(.node = 1), sum, made));
        sk_get(int64_t, sk_remote_with(SK_OPTS(.node = SK_ZERO), held));
        answer = sk_get(int64_t, sk_remote(sum, made));
    } else if (argc > 1 && strcmp(argv[1], "puts") == 0) {
        sk_ref put = sk_get(sk_ref, sk_remote_with(SK_OPTS(.node = 1), puts_sevens));
        answer = sk_get(int64_t, sk_remote_with(SK_OPTS(.node = 1), sum, put));
        sk_get(int64_t, sk_remote_with(SK_OPTS(.node = SK_ZERO), held));
        answer = sk_get(int64_t, sk_remote(sum, put));
    } else if (argc > 1 && strcmp(argv[1], "spared") == 0) {
        answer = sk_get(int64_t, sk_remote_with(SK_OPTS(.resources = "there=1", .max_retries = 1), held));
    } else if (argc > 1 && strcmp(argv[1], "once") == 0) {
        answer = sk_get(int64_t, sk_remote_with(SK_OPTS(.resources = "there=1", .max_retries = SK_ZERO), held));
    } else {
        sk_ref both[] = { sk_remote(held), sk_remote(held) };
        answer = sk_get(int64_t, both[0]) + sk_get(int64_t, both[1]);
    }
    long long retries = (long long)sk_stats().retries;
    printf("sum %lld, retries %lld\n", (long long)answer, retries);
    sk_shutdown();
    return 0;
}
