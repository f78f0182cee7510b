/* isolation_bodies.c -- tasks that close descriptors, fork, leave threads behind or print, and the driver's terminal. */
#include "isolation.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

SK_REMOTE(int64_t, pid_here) { return getpid(); }

/* ---- descriptors ---- */

SK_REMOTE(int64_t, closes, (int, from), (int, to))
{
    for (int fd = from; fd <= to; fd++)
        close(fd);
    return 7;
}

SK_REMOTE(int64_t, opens_and_writes)
{
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], "x", 1) != 1)
        sk_fail("no pipe");
    return 8;                                  /* and leaves them open */
}

SK_REMOTE(int64_t, adds_up, (sk_array, a))
{
    int64_t sum = 0;
    for (int64_t i = 0; i < sk_len(a); i++)
        sum += sk_read(int64_t, a)[i];
    return sum;
}

SK_REMOTE(sk_array, many_ones, (int64_t, n))
{
    sk_array a = sk_new_array(SK_I64, n);
    for (int64_t i = 0; i < n; i++)
        sk_write(int64_t, a)[i] = 1;
    return a;
}

static void closed(int from, int to)
{
    static int64_t x[8192];
    x[1] = 5;
    ck_assert_int_eq(sk_get(int64_t, sk_remote(closes, from, to)), 7);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(opens_and_writes)), 8);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(adds_up, sk_put(sk_array_of(x, 8192)))), 5);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(adds_up, sk_remote(many_ones, 8192))), 8192);
    ck_assert_uint_eq(sk_stats().retries, 0);
}
CASE(a_task_may_close_stdin_stdout_and_stderr, ISOLATED, .config.workers = 1)          { closed(0, 2); }
CASE(a_task_that_closes_all_descriptors_costs_nobody_a_retry, ISOLATED, .config.workers = 1) { closed(3, 1023); }

SK_REMOTE(const char *, thirty_kilobytes)
{
    static char text[30000];
    memset(text, 'x', sizeof text - 1);
    return text;
}

/* Where the node sleeps it is woken through a descriptor of the worker's, which is closed here: at its number is one of the task's now. Returns how many
 * of those somebody else has written to, after calls of every sort: short ones, and answers that do not fit into the ring. */
SK_REMOTE(int64_t, opens_its_own_in_their_place)
{
    enum { OWN = 16, LONG = 20 };
    int own[OWN];
    int64_t written = 0;
    for (int fd = 3; fd <= 1023; fd++)
        close(fd);
    for (int i = 0; i < OWN; i++)
        own[i] = eventfd(0, EFD_NONBLOCK);
    sk_ref texts[LONG];
    for (int i = 0; i < LONG; i++) {
        sk_sleep(0.001);
        texts[i] = sk_remote(thirty_kilobytes);
    }
    sk_wait(texts, LONG, LONG, SK_FOREVER);
    for (int i = 0; i < LONG; i++)
        written += strlen(sk_get(const char *, texts[i])) != 29999;
    for (int i = 0; i < OWN; i++)
        written += eventfd_read(own[i], &(eventfd_t){ 0 }) == 0;
    return written;
}

CASE(nobody_writes_to_what_a_task_has_opened_in_the_place_of_what_it_has_closed, ISOLATED, .config.workers = 2)
{
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(sk_get(int64_t, sk_remote(opens_its_own_in_their_place)), 0);
}

/* ---- children ---- */

enum { LEAVES_AT_ONCE, LEAVES, CALLS_SKATE, RETURNS };

SK_REMOTE(int64_t, forks, (int, then))
{
    pid_t pid = fork();
    if (pid == 0) {
        if (then == LEAVES_AT_ONCE)
            _exit(9);
        if (then == LEAVES)
            exit(9);
        if (then == CALLS_SKATE)
            (void)sk_put(1);
        return 1;
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) { }
    return 1000 + (WIFEXITED(status) ? WEXITSTATUS(status) : 256);
}

static void forked(int then, int64_t answer)
{
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sk_take(int64_t, sk_remote(forks, then)), answer);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(same, 4)), 4);
    ck_assert_uint_eq(sk_stats().retries, 0);
}
CASE(a_task_may_fork_a_child_that_leaves, ISOLATED)                        { forked(LEAVES_AT_ONCE, 1009); }
CASE(a_task_may_fork_a_child_that_exits, ISOLATED)                         { forked(LEAVES, 1009); }
CASE(a_forked_child_that_calls_skate_ends_and_nothing_else_does, ISOLATED) { forked(CALLS_SKATE, 1002); }

static void calls_from_a_child(void)
{
    start(NULL);
    printf("%d\n", (int)sk_get(int64_t, sk_remote(forks, CALLS_SKATE)));
    stop();
}

CASE(a_forked_child_that_calls_skate_is_told, ISOLATED, .by_hand = true)
{
    ending end = run_apart(calls_from_a_child);
    ck_assert_int_eq(end.status, 0);
    CONTAINS(end.output, "child process that a task has started");
    CONTAINS(end.output, "isolation_bodies.c:");
    CONTAINS(end.output, "1002\n");
}

static void returns_twice(void)
{
    start(&(sk_config){ .workers = 1 });
    for (int i = 0; i < 3; i++)
        printf("answer %d\n", (int)sk_get(int64_t, sk_remote(forks, RETURNS)) / 1000);
    stop();
}

CASE(a_forked_child_that_returns_from_the_task_does_not_answer, ISOLATED, .by_hand = true)
{
    ending end = run_apart(returns_twice);
    ck_assert_msg(end.status == 0, "status %d: %s", end.status, end.output);
    ck_assert_uint_eq(count_of(end.output, "answer 1\n"), 3);
}

/* ---- threads ---- */

static void *stays(void *data)
{
    (void)data;
    for (;;)
        pause();
    return NULL;
}

static void *calls(void *data)
{
    (void)data;
    (void)sk_put(1);
    return NULL;
}

static bool begin(void *(*run)(void *))
{
    pthread_t thread;
    return pthread_create(&thread, NULL, run, NULL) == 0 && pthread_detach(thread) == 0;
}

SK_REMOTE(int64_t, leaves_a_thread) { return begin(stays); }

CASE(a_task_may_leave_a_thread_behind, ISOLATED, .config.workers = 1)
{
    for (int i = 1; i < 20; i++)
        ck_assert_int_eq(sk_get(int64_t, sk_remote(leaves_a_thread)), 1);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(adds_up, sk_remote(many_ones, 8192))), 8192);
    ck_assert_uint_eq(sk_stats().retries, 0);
}

/* The thread waits until somebody writes into the fifo, then ends the process, in which no task runs any more. */
static char fifo[500];

static void *ends_the_process(void *data)
{
    (void)data;
    close(open(fifo, O_RDONLY));
    _exit(3);
}

SK_REMOTE(int64_t, leaves_a_thread_that_will_exit, (const char *, file))
{
    snprintf(fifo, sizeof fifo, "%s", file);
    return begin(ends_the_process) ? getpid() : 0;
}

CASE(a_thread_left_behind_that_ends_its_process_charges_nobody, ISOLATED, .config.workers = 1)
{
    const char *file = scratch("fifo");
    ck_assert_int_eq(mkfifo(file, 0600), 0);
    pid_t pid = (pid_t)sk_get(int64_t, sk_remote(leaves_a_thread_that_will_exit, file));
    ck_assert_int_gt(pid, 0);
    close(open(file, O_WRONLY));               /* waits for the thread */
    EVENTUALLY(kill(pid, 0) != 0 && errno == ESRCH);
    ck_assert_int_ne(sk_get(int64_t, sk_remote_with(SK_OPTS(.max_retries = SK_ZERO), pid_here)), pid);
    ck_assert_uint_eq(sk_stats().retries, 0);
}

SK_REMOTE(int64_t, has_a_thread_that_calls)
{
    begin(calls);
    for (;;)
        pause();
    return 0;
}

static void calls_from_a_thread(void)
{
    start(NULL);
    sk_error err;
    int64_t answer;
    if (!sk_try_get(sk_remote_with(SK_OPTS(.max_retries = SK_ZERO), has_a_thread_that_calls), &answer, SK_FOREVER, &err))
        printf("%s\n", err.message);
    stop();
}

CASE(a_thread_of_a_task_that_calls_skate_is_told, ISOLATED, .by_hand = true)
{
    ending end = run_apart(calls_from_a_thread);
    CONTAINS(end.output, "called by a thread or a child process that a task has started");
    CONTAINS(end.output, "isolation_bodies.c:");
    ck_assert_int_lt(end.status, 1000);
}

/* ---- what tasks print ---- */

SK_REMOTE(int64_t, prints, (int, lines))
{
    for (int i = 0; i < lines; i++)
        printf("line %d of the task, which is long enough that many of them fill a pipe of 64 KiB\n", i);
    return lines;
}

static void prints_before_the_driver(void)
{
    start(NULL);
    for (int i = 1; i <= 3; i++) {
        int64_t lines = sk_get(int64_t, sk_remote(prints, 2000 * i));
        printf("driver: %d\n", (int)lines);
    }
    (void)sk_get(int64_t, sk_remote(prints, 1));
    printf("driver: 1\n");
    stop();
}

CASE(what_a_task_prints_is_there_before_its_answer, ISOLATED, .by_hand = true)
{
    ending end = run_apart(prints_before_the_driver);
    ck_assert_int_eq(end.status, 0);
    const char *at = end.output;
    static const int lines[] = { 2000, 4000, 6000, 1 };
    for (int i = 0; i < 4; i++) {
        char text[100];
        for (int j = 0; j < lines[i]; j++) {
            int n = snprintf(text, sizeof text, "line %d of the task", j);
            ck_assert_msg(!strncmp(at, text, (size_t)n), "instead of \"%s\": %.200s", text, at);
            at = strchr(at, '\n') + 1;
        }
        int n = snprintf(text, sizeof text, "driver: %d\n", lines[i]);
        ck_assert_msg(!strncmp(at, text, (size_t)n), "instead of \"%s\": %.200s", text, at);
        at += n;
    }
    ck_assert_str_eq(at, "");
}

SK_REMOTE(int64_t, greets, (const char *, whom))
{
    printf("hello %s\n", whom);
    fprintf(stderr, "and welcome, %s\n", whom);
    printf("no end");                          /* of this line */
    return getpid();
}

SK_REMOTE(int64_t, takes_leave)
{
    (void)!write(STDOUT_FILENO, "good\nbye\n", 9);
    return getpid();
}

static int printing_node;

static void print_with_prefixes(void)
{
    start(&(sk_config){ .workers = 1, .prefix = true, .nodes = printing_node ? 2 : 0 });
    for (int i = 0; i < 2; i++) {
        (void)sk_get(int64_t, sk_remote_with(ON_NODE(printing_node), greets, "Ada"));
        (void)sk_get(int64_t, sk_remote_with(ON_NODE(printing_node), takes_leave));
    }
    int64_t pid = sk_get(int64_t, sk_remote_with(ON_NODE(printing_node, .name = "the last"), greets, "Bob"));
    stop();
    printf("pid %d\n", (int)pid);
}

static void expect_prefixes(const char *node)
{
    ending end = run_apart(print_with_prefixes);
    ck_assert_int_eq(end.status, 0);
    const char *at = strstr(end.output, "\npid ");
    ck_assert_ptr_nonnull(at);
    int pid = atoi(at + 5);
    static const struct { int times; const char *format; } lines[] = {
        { 2, "(greets pid=%d%s) hello Ada\n" }, { 2, "(greets pid=%d%s) and welcome, Ada\n" }, { 2, "(greets pid=%d%s) no end\n" },
        { 2, "(takes_leave pid=%d%s) good\n" }, { 2, "(takes_leave pid=%d%s) bye\n" }, { 1, "(the last pid=%d%s) hello Bob\n" },
        { 1, "(the last pid=%d%s) and welcome, Bob\n" }, { 1, "(the last pid=%d%s) no end\n" } };
    size_t length = 0;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char line[100];
        length += (size_t)lines[i].times * (size_t)snprintf(line, sizeof line, lines[i].format, pid, node);
        ck_assert_msg(count_of(end.output, line) == (size_t)lines[i].times, "%s is not there %d times: %s", line, lines[i].times, end.output);
    }
    ck_assert_uint_eq(length, (size_t)(at + 1 - end.output));       /* and nothing else */
}

CASE(lines_of_tasks_say_on_request_which_task_has_printed_them, ISOLATED, .by_hand = true) { expect_prefixes(""); }

CASE(lines_of_tasks_say_on_request_which_node_they_come_from, ISOLATED | SK_CAN_NODES, .by_hand = true)
{
    printing_node = 1;
    expect_prefixes(" node=1");
}

/* The task opens a file where its stdout was: nothing of ours may be written there. */
SK_REMOTE(int64_t, opens_a_file_as_stdout, (const char *, file))
{
    close(STDOUT_FILENO);
    return open(file, O_WRONLY | O_CREAT, 0600) == STDOUT_FILENO;
}

static const char *file_as_stdout;

static void open_a_file_as_stdout(void)
{
    start(&(sk_config){ .workers = 1, .prefix = true });
    printf("%d\n", (int)sk_get(int64_t, sk_remote(opens_a_file_as_stdout, file_as_stdout)));
    (void)sk_get(int64_t, sk_remote(same, 1));
    stop();
}

CASE(a_file_that_a_task_opens_as_its_stdout_gets_no_labels, ISOLATED, .by_hand = true)
{
    file_as_stdout = scratch("stdout");
    CONTAINS(run_apart(open_a_file_as_stdout).output, "1\n");
    struct stat s;
    ck_assert_int_eq(stat(file_as_stdout, &s), 0);
    ck_assert_int_eq(s.st_size, 0);
}

enum { WIDE = 200 };

SK_REMOTE(int64_t, complains, (int, who))
{
    char line[WIDE + 1];
    for (int i = 0; i < 300; i++) {
        memset(line, 'a' + who, WIDE);
        line[WIDE] = '\n';
        for (int at = 0; at <= WIDE; at += 67)         /* in pieces, as stderr is not buffered */
            if (write(STDERR_FILENO, line + at, (size_t)MIN_OF(67, WIDE + 1 - at)) < 0)
                sk_fail("stderr");
    }
    return who;
}

static void complain_at_once(void)
{
    start(&(sk_config){ .workers = 3 });
    sk_ref r[6];
    for (int i = 0; i < 6; i++)
        r[i] = sk_remote(complains, i);
    for (int i = 0; i < 6; i++)
        (void)sk_get(int64_t, r[i]);
    stop();
}

CASE(lines_on_stderr_arrive_whole, ISOLATED, .by_hand = true)
{
    ending end = run_apart(complain_at_once);
    ck_assert_int_eq(end.status, 0);
    int count = 0;
    for (const char *at = end.output, *next; *at; at = next + 1, count++) {
        next = strchr(at, '\n');
        ck_assert_ptr_nonnull(next);
        ck_assert_int_eq(next - at, WIDE);
        for (const char *c = at; c < next; c++)
            ck_assert_int_eq(*c, *at);
    }
    ck_assert_int_eq(count, 6 * 300);
}

/* A crash must not take with it what was printed before. */
SK_REMOTE(int64_t, prints_and_dies)
{
    printf("last words\n");
    fprintf(stderr, "last complaint\n");
    die_by(BY_KILL);
    return 0;
}

static void prints_and_dies_once(void)
{
    start(NULL);
    (void)error_of(sk_remote_with(SK_OPTS(.max_retries = SK_ZERO), prints_and_dies));
    printf("driver\n");
    stop();
}

CASE(what_a_task_printed_before_it_died_is_there, ISOLATED, .by_hand = true)
{
    ending end = run_apart(prints_and_dies_once);
    CONTAINS(end.output, "last words\n");
    CONTAINS(end.output, "last complaint\n");
    ck_assert(strstr(end.output, "last words") < strstr(end.output, "driver"));
}

static const char *scratch_of(const char *file)
{
    static char path[500];
    snprintf(path, sizeof path, "%s.pid", file);
    return path;
}

/* What a task has started may outlive its process, with the descriptors that it has: nobody waits for it. */
SK_REMOTE(int64_t, leaves_a_child, (const char *, file))
{
    if (attempt(file) > 1)
        return 2;
    pid_t pid = fork();
    if (pid == 0) {
        FILE *f = fopen(scratch_of(file), "w");
        if (f) {
            fprintf(f, "%d\n", (int)getpid());
            fclose(f);
        }
        for (;;)
            pause();
    }
    die_by(BY_KILL);
    return 0;
}

static int pid_in(const char *path)
{
    int pid = 0;
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%d", &pid) != 1)
        pid = 0;
    if (f)
        fclose(f);
    return pid;
}

CASE(a_child_of_a_task_that_outlives_its_process_holds_nobody_up, ISOLATED, .by_hand = true)
{
    const char *file = scratch("attempts"), *left = scratch_of(file);
    start(NULL);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(leaves_a_child, file)), 2);
    stop();
    EVENTUALLY(pid_in(left) > 0);
    kill(pid_in(left), SIGKILL);
}
