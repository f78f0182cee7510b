/* sleeps.c -- four tasks that sleep for 0.1 s on two workers: 0.2 s, by construction. With an argument: exits with that status. */
#include <skate.h>
#include <stdio.h>
#include <stdlib.h>

SK_REMOTE(int, nap)
{
    sk_sleep(0.1);
    return 1;
}

int main(int argc, char **argv)
{
    sk_init(&argc, &argv, &(sk_config){ .workers = 2 });
    sk_ref refs[4];
    for (int i = 0; i < 4; i++)
        refs[i] = sk_remote(nap);
    int n[4];
    sk_get_all(int, refs, 4, n);
    sk_shutdown();
    fprintf(stderr, "slept\n");
    return argc > 1 ? atoi(argv[1]) : n[0] + n[1] + n[2] + n[3] - 4;
}
