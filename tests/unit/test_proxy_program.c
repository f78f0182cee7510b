/* test_proxy_program.c -- the fault proxy as a program, as a script has it: lines in, lines out, and two peers. */
#include "base.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *proxy_program_suite(void);

typedef struct program {
    pid_t pid;
    FILE *in, *out;
    char line[4096];
} program;

/* build/tests/proxy stands beside build/tests/unit. Standard error goes where the output goes. */
static void start(program *p, const char *const *args)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 16);
    ck_assert_int_gt(n, 0);
    path[n] = '\0';
    strcpy(strrchr(path, '/'), "/proxy");
    const char *argv[16] = { path };
    for (int i = 0; args[i]; i++)
        argv[i + 1] = args[i];
    int in[2], out[2];
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    p->pid = fork();
    ck_assert_int_ge(p->pid, 0);
    if (p->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(out[1], 2);
        execv(path, (char **)argv);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    p->in = fdopen(in[1], "w");
    p->out = fdopen(out[0], "r");
}

static const char *next(program *p)
{
    if (!fgets(p->line, sizeof p->line, p->out))
        p->line[0] = '\0';
    return p->line;
}

static void send_line(program *p, const char *line)
{
    fprintf(p->in, "%s\n", line);
    fflush(p->in);
}

static void obeys(program *p, const char *line)
{
    send_line(p, line);
    ck_assert_str_eq(next(p), "ok\n");
}

/* Its status; all it still says has been read. */
static int end(program *p)
{
    int status;
    fclose(p->in);
    while (*next(p))
        ;
    fclose(p->out);
    ck_assert_int_eq(waitpid(p->pid, &status, 0), p->pid);
    ck_assert_msg(WIFEXITED(status), "it died of signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

static struct sockaddr_in here(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

static int listen_here(char address[32])
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = here(0);
    socklen_t size = sizeof at;
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    snprintf(address, 32, "127.0.0.1:%d", ntohs(at.sin_port));
    return fd;
}

START_TEST(a_script_sets_faults_and_reads_what_has_happened)
{
    char address[32], got[16] = "";
    int listener = listen_here(address), port;
    program p;
    start(&p, (const char *const[]){ "--seed", "7", "--do", "up corrupt 1 0", "--do", "up rst 5", address, NULL });
    ck_assert_int_eq(sscanf(next(&p), "proxy: listening on port %d\n", &port), 1);
    ck_assert_int_gt(port, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = here(port);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, sizeof at), 0);
    int target = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_eq(send(client, "ab", 2, 0), 2);
    ck_assert_int_eq(recv(target, got, 2, MSG_WAITALL), 2);
    ck_assert_str_eq(got, "ac");
    obeys(&p, "wait up.corrupted 1");
    send_line(&p, "up fly");
    ck_assert_str_eq(next(&p), "error: \"fly\" is not a fault or command; `proxy --help` lists them\n");
    ck_assert_int_eq(send(client, "cdefghij", 8, 0), 8);
    ck_assert_int_eq(recv(target, got, 3, MSG_WAITALL), 3);
    ck_assert_int_eq(recv(target, got, 1, 0), -1);
    obeys(&p, "wait dropped 1");
    send_line(&p, "count");
    ck_assert_ptr_nonnull(strstr(next(&p), "opened 1 open 0 ended 0 dropped 1 failed 0 up.read 10 up.forwarded 5 "));
    ck_assert_str_eq(next(&p), "ok\n");
    send_line(&p, "quit");
    ck_assert_int_eq(end(&p), 0);
    close(client);
    close(target);
    close(listener);
}
END_TEST

START_TEST(the_program_ends_with_its_input_and_closes_what_is_open)
{
    char address[32], byte;
    int listener = listen_here(address), port;
    program p;
    start(&p, (const char *const[]){ address, NULL });
    ck_assert_int_eq(sscanf(next(&p), "proxy: listening on port %d\n", &port), 1);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = here(port);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, sizeof at), 0);
    int target = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    obeys(&p, "wait opened 1");
    ck_assert_int_eq(end(&p), 0);
    ck_assert_int_eq(recv(client, &byte, 1, 0), 0);
    ck_assert_int_eq(recv(target, &byte, 1, 0), 0);
    close(client);
    close(target);
    close(listener);
}
END_TEST

START_TEST(with_stay_the_program_outlives_its_input)
{
    char address[32], byte = 'x';
    int listener = listen_here(address), port, status;
    program p;
    start(&p, (const char *const[]){ "--stay", address, NULL });
    ck_assert_int_eq(sscanf(next(&p), "proxy: listening on port %d\n", &port), 1);
    send_line(&p, "count");
    fclose(p.in);
    next(&p);
    ck_assert_str_eq(next(&p), "ok\n");
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = here(port);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, sizeof at), 0);
    int target = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_eq(send(client, &byte, 1, 0), 1);
    ck_assert_int_eq(recv(target, &byte, 1, 0), 1);
    kill(p.pid, SIGTERM);
    ck_assert_int_eq(waitpid(p.pid, &status, 0), p.pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    ck_assert_int_eq(recv(client, &byte, 1, 0), 0);
    fclose(p.out);
    close(client);
    close(target);
    close(listener);
}
END_TEST

START_TEST(what_the_program_cannot_do_it_says_and_its_help_has_an_example)
{
    static const struct { const char *args[4], *words; int status; } runs[] = {
        { { NULL }, "one TARGET is needed", 64 },
        { { "a", "b", NULL }, "one TARGET is needed", 64 },
        { { "--fly", "127.0.0.1:1", NULL }, "--fly", 64 },
        { { "--do", "rst -1", "127.0.0.1:1", NULL }, "N or +N", 64 },
        { { "127.0.0.1", NULL }, "write HOST:PORT", 1 },
        { { "--help", NULL }, "Example: ", 0 },
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        program p;
        bool said = false;
        start(&p, runs[i].args);
        while (*next(&p))
            said = said || strstr(p.line, runs[i].words);
        ck_assert_msg(said, "run %zu does not say \"%s\"", i, runs[i].words);
        ck_assert_int_eq(end(&p), runs[i].status);
    }
}
END_TEST

/* A copy of this program, elsewhere. */
START_TEST(without_the_proxy_beside_it_the_unit_tests_say_what_is_missing)
{
    char directory[] = "/tmp/lone-XXXXXX", command[200], said[5000] = "";
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(command, sizeof command, "cp /proc/%d/exe %s/unit && env -u CK_RUN_SUITE %s/unit 2>&1", (int)getpid(), directory, directory);
    FILE *out = popen(command, "r");
    ck_assert_ptr_nonnull(out);
    size_t n = fread(said, 1, sizeof said - 1, out);
    int status = pclose(out);
    snprintf(command, sizeof command, "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 2, "status %d: %s", status, said);
    snprintf(command, sizeof command, "unit: missing: %s/proxy; build with: make build/tests/proxy", directory);
    ck_assert_msg(n > 0 && strstr(said, command), "%s", said);
}
END_TEST

Suite *proxy_program_suite(void)
{
    Suite *suite = suite_create("proxy_program");
    TCase *c = tcase_create("program");
    tcase_add_test(c, a_script_sets_faults_and_reads_what_has_happened);
    tcase_add_test(c, the_program_ends_with_its_input_and_closes_what_is_open);
    tcase_add_test(c, with_stay_the_program_outlives_its_input);
    tcase_add_test(c, what_the_program_cannot_do_it_says_and_its_help_has_an_example);
    tcase_add_test(c, without_the_proxy_beside_it_the_unit_tests_say_what_is_missing);
    suite_add_tcase(suite, c);
    return suite;
}
