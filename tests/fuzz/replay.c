/* replay.c -- gives files to a fuzz target, each in a process of its own: `make check` does so with tests/fuzz/corpus/.
 *
 *     build/tests/fuzz/NAME FILE...        the same, with one file, is how a crash that the fuzzer has found is seen again
 *
 * The last line adds up. It is linked with a target by the ordinary compiler; clang's libFuzzer brings a main of its own. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATIENCE = 120 };                   /* seconds for one input, before it counts as one that hangs */

/* Exactly as many bytes, so that a sanitizer sees one too many being read. */
static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long n = -1;
    if (f && fseek(f, 0, SEEK_END) == 0 && (n = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
        bytes = malloc(n ? (size_t)n : 1);
        if (bytes && fread(bytes, 1, (size_t)n, f) != (size_t)n) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (f)
        fclose(f);
    *size = bytes ? (size_t)n : 0;
    return bytes;
}

static int replay(const char *path)
{
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    if (!bytes) {
        fprintf(stderr, "%s cannot be read\n", path);
        return 1;
    }
    alarm(PATIENCE);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    return 0;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    int passed = 0, failed = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE...\n", argv[0]);
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        int status = 0;
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0)
            exit(replay(argv[i]));
        if (pid < 0 || waitpid(pid, &status, 0) != pid) {
            perror("replay");
            return 1;
        }
        if (status == 0) {
            passed++;
            continue;
        }
        failed++;
        if (WIFSIGNALED(status))
            printf("FAILED: %s ended by signal %d%s\n", argv[i], WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": it hangs" : "");
        else
            printf("FAILED: %s ended with status %d\n", argv[i], WEXITSTATUS(status));
        printf("    again: %s %s\n", argv[0], argv[i]);
    }
    printf("%s: %d passed, %d failed\n", slash ? slash + 1 : argv[0], passed, failed);
    return failed > 0;
}
