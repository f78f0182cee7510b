/* test_child.c -- processes: what they inherit, how they end, and that nothing of them is left. Most are shells; where a test needs our own code
 * in the child, it is this program again, diverted by `in_a_child` before main. */
#include "backends/child.h"

#include "apart.h"

#include <signal.h>
#include <stdio.h>

/* ---- in the child ---- */

/* CHILD_TEST=PARENT WORD: adopts, says so on descriptor 3, then does as the word says. */
__attribute__((constructor(101))) static void in_a_child(void)
{
    const char *order = getenv("CHILD_TEST");
    if (!order)
        return;
    char word[20];
    int parent;
    if (sscanf(order, "%d %19s", &parent, word) != 2)
        _exit(99);
    sk_child_adopt(parent);
    if (write(3, "!", 1) != 1)
        _exit(98);
    if (!strcmp(word, "interrupt"))
        raise(SIGINT);
    else if (!strcmp(word, "lines"))
        printf("a line\n");
    else
        for (;;)
            pause();
    _exit(5);
}

/* ---- helpers ---- */

static bool start_sh(sk_child *c, const char *script, const int *fds, size_t nfds, sk_error *err)
{
    char *argv[] = { "shell", "-c", (char *)script, NULL };
    return sk_child_start(c, &(sk_child_spec){ .path = "/bin/sh", .argv = argv, .fds = fds, .nfds = nfds }, err);
}

static bool start_self(sk_child *c, pid_t parent, const char *word, int fd, sk_error *err)
{
    char order[60], *argv[] = { "self", NULL };
    snprintf(order, sizeof order, "CHILD_TEST=%d %s", (int)parent, word);
    return sk_child_start(c, &(sk_child_spec){ .argv = argv, .env = (const char *[]){ order, NULL }, .fds = &fd, .nfds = 1 }, err);
}

static void must(bool started, const sk_error *err) { ck_assert_msg(started, "%s", err->message); }

static void output_of(const char *script, const int *fds, size_t nfds, char *text, size_t room)
{
    sk_child c;
    sk_error err;
    must(start_sh(&c, script, fds, nfds, &err), &err);
    all_of(c.out, text, room);
    sk_child_reap(&c, true);
    sk_child_close(&c);
}

static void fate_of(const char *script, const char *fate)
{
    sk_child c;
    sk_error err;
    char text[200];
    must(start_sh(&c, script, NULL, 0, &err), &err);
    ck_assert(sk_child_reap(&c, true));
    ck_assert_str_eq(sk_child_fate(&c, text, sizeof text), fate);
    sk_child_close(&c);
}

/* ---- how it ends ---- */

START_TEST(a_fate_is_told_in_words)
{
    fate_of("exit 0", "ended with status 0");
    fate_of("exit 3", "called exit(3)");
    fate_of("kill -TERM $$", "was killed by signal 15 (Terminated)");
    fate_of("ulimit -c 0; kill -SEGV $$", "was killed by signal 11 (Segmentation fault)");
    sk_child dumped = { .ended = true, .status = SIGABRT | 0x80 }, big = { .ended = true, .status = SIGKILL, .max_rss = 512000000 },
             strange = { .ended = true, .status = 40 };
    char text[200];
    ck_assert_str_eq(sk_child_fate(&dumped, text, sizeof text), "was killed by signal 6 (Aborted) and dumped core");
    ck_assert_str_eq(sk_child_fate(&big, text, sizeof text), "was killed by signal 9 (Killed); it had taken 512 MB of memory");
    ck_assert_str_eq(sk_child_fate(&strange, text, sizeof text), "was killed by signal 40 (a real-time signal)");
}
END_TEST

START_TEST(it_runs_until_it_is_killed_and_its_pidfd_tells_the_end)
{
    sk_child c;
    sk_error err;
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    must(start_sh(&c, "read x <&3", ends, 1, &err), &err);
    ck_assert(!sk_child_reap(&c, false));
    struct pollfd p = { .fd = c.pidfd, .events = POLLIN };
    if (c.pidfd >= 0)
        ck_assert_int_eq(poll(&p, 1, 0), 0);
    sk_child_kill(&c, SIGTERM);
    if (c.pidfd >= 0)
        ck_assert_int_eq(poll(&p, 1, -1), 1);
    ck_assert(sk_child_reap(&c, c.pidfd < 0));
    ck_assert(WIFSIGNALED(c.status) && WTERMSIG(c.status) == SIGTERM);
    sk_child_kill(&c, SIGTERM);                      /* nobody is there; nobody else is hit */
    ck_assert(sk_child_reap(&c, true));
    sk_child_close(&c);
    sk_child_close(&c);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(closing_a_running_one_ends_it_and_leaves_nothing)
{
    uint64_t before = open_ones();
    sk_child c, never = { 0 };
    sk_error err;
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    must(start_sh(&c, "read x <&3", ends, 1, &err), &err);
    sk_child_close(&c);
    sk_child_close(&never);
    close(ends[0]);
    close(ends[1]);
    ck_assert(has_no_children());
    ck_assert(open_ones() == before);
}
END_TEST

START_TEST(children_of_the_program_are_left_to_it)
{
    sk_child c;
    sk_error err;
    int status;
    pid_t own = fork();
    if (own == 0)
        _exit(7);
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PID, (id_t)own, &info, WEXITED | WNOWAIT), 0);
    must(start_sh(&c, "exit 3", NULL, 0, &err), &err);
    ck_assert(sk_child_reap(&c, true));
    ck_assert_int_eq(WEXITSTATUS(c.status), 3);
    ck_assert_int_eq(waitpid(own, &status, WNOHANG), own);
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    sk_child_close(&c);
}
END_TEST

START_TEST(a_status_that_the_program_took_is_not_waited_for)
{
    sk_child c;
    sk_error err;
    char text[200];
    must(start_sh(&c, "exit 3", NULL, 0, &err), &err);
    ck_assert_int_eq(waitpid(-1, NULL, 0), c.pid);
    ck_assert(sk_child_reap(&c, true));
    ck_assert(c.taken);
    ck_assert_ptr_nonnull(strstr(sk_child_fate(&c, text, sizeof text), "how is not known"));
    sk_child_close(&c);
}
END_TEST

/* A megabyte-sized child of a large process: the kernel says it took what the large one had. */
START_TEST(memory_of_the_parent_is_not_told_as_the_childs)
{
    size_t size = 100 << 20;
    char *big = malloc(size);
    memset(big, 1, size);
    sk_child c;
    sk_error err;
    must(start_sh(&c, "kill -KILL $$", NULL, 0, &err), &err);
    free(big);
    char text[200];
    ck_assert(sk_child_reap(&c, true));
    ck_assert_str_eq(sk_child_fate(&c, text, sizeof text), "was killed by signal 9 (Killed)");
    sk_child_close(&c);
}
END_TEST

/* ---- what it is given ---- */

START_TEST(it_has_the_descriptors_it_was_given_and_no_others)
{
    int a[2], b[2];
    char text[500], from_a[20], from_b[20];
    ck_assert_int_eq(pipe2(a, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(b, O_CLOEXEC), 0);
    ck_assert_int_eq(dup2(a[0], 50), 50);                           /* without CLOEXEC: as a careless program has them */
    output_of("echo 3 >&3; echo 4 >&4; echo 5 >&5; i=0; while [ $i -lt 256 ]; do [ ! -e /proc/self/fd/$i ] || echo $i; i=$((i+1)); done",
              (int[]){ b[1], a[1], b[1] }, 3, text, sizeof text);
    ck_assert_str_eq(text, "0\n1\n2\n3\n4\n5\n");
    close(a[1]);
    close(b[1]);
    ck_assert_str_eq(all_of(a[0], from_a, sizeof from_a), "4\n");
    ck_assert_str_eq(all_of(b[0], from_b, sizeof from_b), "3\n5\n");
    close(a[0]);
    close(b[0]);
    close(50);
}
END_TEST

START_TEST(it_reads_nothing_from_stdin_and_writes_into_two_pipes)
{
    sk_child c;
    sk_error err;
    char text[100];
    must(start_sh(&c, "cat; echo out; echo err >&2", NULL, 0, &err), &err);
    ck_assert_str_eq(all_of(c.out, text, sizeof text), "out\n");
    ck_assert_str_eq(all_of(c.err, text, sizeof text), "err\n");
    ck_assert(fcntl(c.out, F_GETFL) & O_NONBLOCK && fcntl(c.out, F_GETFD) & FD_CLOEXEC);
    ck_assert(fcntl(c.err, F_GETFL) & O_NONBLOCK && fcntl(c.err, F_GETFD) & FD_CLOEXEC);
    ck_assert(c.pidfd < 0 || fcntl(c.pidfd, F_GETFD) & FD_CLOEXEC);
    sk_child_close(&c);
}
END_TEST

START_TEST(it_has_our_environment_and_what_is_added)
{
    sk_child c;
    sk_error err;
    char text[100], *argv[] = { "the name", "-c", "echo $0, $OLD, $NEW, $NEWER", NULL };
    setenv("OLD", "old", 1);
    setenv("NEW", "old", 1);
    setenv("NEWER", "newer", 1);
    must(sk_child_start(&c, &(sk_child_spec){ .path = "/bin/sh", .argv = argv, .env = (const char *[]){ "NEW=new", "MORE=more", NULL } }, &err), &err);
    ck_assert_str_eq(all_of(c.out, text, sizeof text), "the name, old, new, newer\n");
    sk_child_close(&c);
}
END_TEST

START_TEST(it_starts_with_no_signal_blocked_or_left_ignored)
{
    char text[300];
    sigset_t all, had;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &had);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    output_of("grep -e SigBlk -e SigIgn /proc/self/status | tr -d '\\t'", NULL, 0, text, sizeof text);
    pthread_sigmask(SIG_SETMASK, &had, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    unsigned long long blocked, ignored;
    ck_assert_int_eq(sscanf(text, "SigBlk:%llx SigIgn:%llx", &blocked, &ignored), 2);
    ck_assert_uint_eq(blocked, 0);
    ck_assert_uint_eq(ignored & (1u << (SIGPIPE - 1) | 1u << (SIGTERM - 1) | 1u << (SIGCHLD - 1)), 0);
}
END_TEST

/* ---- where it is difficult ---- */

static const char *without_0_1_2(void)
{
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    sk_child c;
    static sk_error err;
    char text[100];
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0 || ends[0] > 2)
        return "the pipe to inherit does not lie where it is difficult";
    if (!start_sh(&c, "cat; echo out; echo err >&2; echo three >&3; [ -e /proc/self/fd/4 ] && echo four", &ends[1], 1, &err))
        return err.message;
    close(ends[1]);
    if (c.out < 3 || c.err < 3 || (c.pidfd >= 0 && c.pidfd < 3))
        return "one of ours lies below 3";
    if (strcmp(all_of(c.out, text, sizeof text), "out\n") != 0)
        return "stdout";
    if (strcmp(all_of(c.err, text, sizeof text), "err\n") != 0)
        return "stderr";
    if (strcmp(all_of(ends[0], text, sizeof text), "three\n") != 0)
        return "what it inherits";
    close(ends[0]);
    if (!sk_child_reap(&c, true))
        return "not reaped";
    sk_child_close(&c);
    for (int fd = 0; fd < MOST; fd++)
        if (fcntl(fd, F_GETFD) >= 0 && fd < 3)
            return "something is left below 3";
    return "";
}

START_TEST(a_program_may_have_closed_descriptors_0_to_2) { apart(without_0_1_2); }
END_TEST

static const char *at_the_limit(void)
{
    static char wrong[1200];
    uint64_t before = open_ones();
    bool started = false;
    int failures = 0, fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (rlim_t limit = 0; !started; limit++) {
        struct rlimit old, new;
        sk_error err = { 0 };
        sk_child c;
        uint64_t now = open_ones();
        getrlimit(RLIMIT_NOFILE, &old);
        new = old;
        new.rlim_cur = limit;
        setrlimit(RLIMIT_NOFILE, &new);
        started = start_sh(&c, "exit 3", (int[]){ fd, fd }, 2, &err);
        setrlimit(RLIMIT_NOFILE, &old);
        if (started && (!sk_child_reap(&c, true) || WEXITSTATUS(c.status) != 3))
            return "it has not done its work";
        if (started)
            sk_child_close(&c);
        else if (err.code != SK_LIMIT || !strstr(err.message, "\"shell\" cannot be started") || !strstr(err.message, "ulimit -n")) {
            snprintf(wrong, sizeof wrong, "limit %d: %s", (int)limit, err.message);
            return wrong;
        } else
            failures++;
        if (open_ones() != now || !has_no_children())
            return "something is left";
    }
    close(fd);
    return failures < 8 ? "there were hardly any failures" : open_ones() != before ? "a descriptor is left" : "";
}

START_TEST(at_the_limit_of_descriptors_it_says_so_and_leaves_nothing) { apart(at_the_limit); }
END_TEST

static const char *no_more_processes(void)
{
    struct rlimit none = { 0, 0 };
    static sk_error err;
    sk_child c;
    uint64_t before = open_ones();
    if ((getuid() == 0 && setresuid(65534, 65534, 65534) != 0) || setrlimit(RLIMIT_NPROC, &none) != 0)
        return "the limit cannot be set";
    if (start_sh(&c, "exit 3", NULL, 0, &err))
        return "it was started";
    if (err.code != SK_LIMIT || !strstr(err.message, "ulimit -u"))
        return err.message;
    return open_ones() != before || !has_no_children() ? "something is left" : "";
}

START_TEST(at_the_limit_of_processes_it_says_so_and_leaves_nothing) { apart(no_more_processes); }
END_TEST

START_TEST(a_program_that_is_not_there_is_named)
{
    uint64_t before = open_ones();
    char *argv[] = { "worker 1", NULL };
    sk_child c;
    sk_error err;
    ck_assert(!sk_child_start(&c, &(sk_child_spec){ .path = "/nowhere/at/all", .argv = argv }, &err));
    ck_assert_int_eq(err.code, SK_MISUSE);
    ck_assert_ptr_nonnull(strstr(err.message, "process \"worker 1\" cannot be started: /nowhere/at/all: No such file"));
    ck_assert(open_ones() == before);
    ck_assert(has_no_children());
    ck_assert(!start_sh(&c, "exit 0", (int[]){ MOST - 1 }, 1, &err));
    ck_assert_ptr_nonnull(strstr(err.message, "a descriptor it inherits: Bad file descriptor"));
    ck_assert(open_ones() == before);
}
END_TEST

/* ---- parent and child ---- */

START_TEST(a_child_dies_with_its_parent)
{
    int ends[2], status;
    char byte;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t between = fork();
    ck_assert_int_ge(between, 0);
    if (between == 0) {
        sk_child c;
        if (!start_self(&c, getpid(), "wait", ends[1], NULL))
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);                   /* it has adopted */
    ck_assert_int_eq(kill(between, SIGKILL), 0);
    ck_assert_int_eq(waitpid(between, &status, 0), between);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(read(ends[0], &byte, 1), 0);                   /* and its end of the pipe is closed: it is gone */
    close(ends[0]);
}
END_TEST

START_TEST(a_child_whose_parent_is_gone_already_does_not_begin)
{
    sk_child c;
    sk_error err;
    int ends[2];
    char byte;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    must(start_self(&c, getppid(), "wait", ends[1], &err), &err);
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0);
    ck_assert(sk_child_reap(&c, true));
    ck_assert_int_eq(c.status, 0);
    sk_child_close(&c);
    close(ends[0]);
}
END_TEST

START_TEST(a_child_leaves_ctrl_c_to_its_parent_and_passes_on_each_line)
{
    static const char *const words[] = { "interrupt", "lines" };
    for (int i = 0; i < 2; i++) {
        sk_child c;
        sk_error err;
        int ends[2];
        char text[50];
        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        must(start_self(&c, getpid(), words[i], ends[1], &err), &err);
        close(ends[1]);
        ck_assert_str_eq(all_of(c.out, text, sizeof text), i ? "a line\n" : "");      /* it leaves by _exit, which flushes nothing */
        ck_assert(sk_child_reap(&c, true));
        ck_assert_str_eq(sk_child_fate(&c, text, sizeof text), "called exit(5)");
        sk_child_close(&c);
        close(ends[0]);
    }
}
END_TEST

Suite *child_suite(void)
{
    Suite *suite = suite_create("child");
    TCase *tests = tcase_create("child");
    tcase_add_test(tests, a_fate_is_told_in_words);
    tcase_add_test(tests, it_runs_until_it_is_killed_and_its_pidfd_tells_the_end);
    tcase_add_test(tests, closing_a_running_one_ends_it_and_leaves_nothing);
    tcase_add_test(tests, children_of_the_program_are_left_to_it);
    tcase_add_test(tests, a_status_that_the_program_took_is_not_waited_for);
    tcase_add_test(tests, memory_of_the_parent_is_not_told_as_the_childs);
    tcase_add_test(tests, it_has_the_descriptors_it_was_given_and_no_others);
    tcase_add_test(tests, it_reads_nothing_from_stdin_and_writes_into_two_pipes);
    tcase_add_test(tests, it_has_our_environment_and_what_is_added);
    tcase_add_test(tests, it_starts_with_no_signal_blocked_or_left_ignored);
    tcase_add_test(tests, a_program_may_have_closed_descriptors_0_to_2);
    tcase_add_test(tests, at_the_limit_of_descriptors_it_says_so_and_leaves_nothing);
    tcase_add_test(tests, at_the_limit_of_processes_it_says_so_and_leaves_nothing);
    tcase_add_test(tests, a_program_that_is_not_there_is_named);
    tcase_add_test(tests, a_child_dies_with_its_parent);
    tcase_add_test(tests, a_child_whose_parent_is_gone_already_does_not_begin);
    tcase_add_test(tests, a_child_leaves_ctrl_c_to_its_parent_and_passes_on_each_line);
    suite_add_tcase(suite, tests);
    return suite;
}
