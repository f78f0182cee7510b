/* moves.c HOW [DIRECTORY] -- a program whose file, or whose way to it, is not any more where it was when its workers start: after chdir, renamed, deleted,
 * or with another program in its place. One of its workers dies, so that one starts late. */
#include <skate.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

SK_REMOTE(int, square, (int, x)) { return x * x; }

SK_REMOTE(int, dies_at_first, (const char *, mark))
{
    FILE *f = fopen(mark, "r");
    if (f) {
        fclose(f);
        return 100;
    }
    f = fopen(mark, "w");
    fclose(f);
    raise(SIGKILL);
    return 0;
}

static int change(const char *how, const char *program)
{
    if (!strcmp(how, "chdir"))
        return chdir("/");
    if (!strcmp(how, "rename"))
        return rename(program, "elsewhere");
    if (!strcmp(how, "delete"))
        return unlink(program);
    if (!strcmp(how, "replace")) {
        FILE *f = fopen("other", "w");
        fprintf(f, "#!/bin/sh\necho the wrong program\n");
        fclose(f);
        return rename("other", program);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "", *mark = argc > 2 ? argv[2] : "mark", *late = argc > 3 ? argv[3] : "";
    if (!*late && change(how, argv[0]) != 0)
        perror(how);
    sk_init(&argc, &argv, &(sk_config){ .backend = "processes", .workers = 1 });
    int sum = sk_get(int, sk_remote(square, 3));
    if (*late && change(how, argv[0]) != 0)
        perror(how);
    sum += sk_get(int, sk_remote(dies_at_first, mark)) + sk_get(int, sk_remote(square, 4));
    sk_shutdown();
    printf("sum %d\n", sum);
    return 0;
}
