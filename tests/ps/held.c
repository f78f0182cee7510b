/* held.c -- a program that skate ps is to list. Each of two tasks says that it runs, by a line into the FIFO `started`, and is held until there is
 * a byte for it in the FIFO `gate`. held END: how it ends then: shutdown, exit, misuse, crash; or
 * spills: there is something to spill, if the store is that small, and it ends by shutdown.
 *
 * On backends that run one task at a time there is one. */
#include <skate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int through_gate(void)
{
    FILE *started = fopen("started", "w");
    if (!started)
        return -1;
    fputs("started\n", started);
    fclose(started);
    FILE *gate = fopen("gate", "r");
    if (!gate)
        return -1;
    setvbuf(gate, NULL, _IONBF, 0);        /* one byte, not the other's too */
    int c = fgetc(gate);
    fclose(gate);
    return c;
}

SK_REMOTE(int, held) { return through_gate(); }

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, &(sk_config){ .workers = 2 });
    if (argc < 2)
        return 2;
    static const double numbers[125000];
    sk_put(sk_array_of(numbers, 125000));
    if (strcmp(argv[1], "spills") == 0)
        sk_put(sk_array_of(numbers, 125000));
    sk_ref refs[2] = { sk_remote(held), sk_remote_with(SK_OPTS(.name = "the second"), held) };
    sk_get(int, refs[0]);
    sk_get(int, refs[1]);
    if (strcmp(argv[1], "exit") == 0)
        exit(0);
    if (strcmp(argv[1], "misuse") == 0)
        sk_sleep(-1);
    if (strcmp(argv[1], "crash") == 0)
        abort();
    sk_shutdown();
    return 0;
}
