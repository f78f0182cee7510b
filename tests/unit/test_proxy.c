/* test_proxy.c -- the fault proxy between real sockets: what passes, its door, and what may be said to it from outside. What it does to an open
 * connection is in test_proxy_faults.c. See proxy_stage.h. */
#include "proxy_stage.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

Suite *proxy_suite(void);

/* ---- Without faults ---- */

static void bytes_and_half_closes_pass(int family)
{
    stage s = stage_open(family);
    say(s.client, "a question");
    shutdown(s.client, SHUT_WR);
    hear(s.target, "a question");
    hear_the_end(s.target);
    say(s.target, "an answer, after the end of the question");
    hear(s.client, "an answer, after the end of the question");
    hear_nothing(s.client);
    ck_assert_uint_eq(counts(&s).open, 1);
    shutdown(s.target, SHUT_WR);
    hear_the_end(s.client);
    wait_for(&s, "ended", 1);
    proxy_counts n = counts(&s);
    ck_assert_uint_eq(n.opened, 1);
    ck_assert_uint_eq(n.open + n.dropped + n.failed, 0);
    ck_assert_uint_eq(n.up.read, 10);
    ck_assert_uint_eq(n.up.forwarded, 10);
    ck_assert_uint_eq(n.down.forwarded, 40);
    ck_assert_uint_eq(n.up.corrupted + n.down.corrupted + n.up.swallowed + n.down.swallowed, 0);
    stage_close(&s);
}

START_TEST(bytes_and_half_closes_pass_both_ways) { bytes_and_half_closes_pass(AF_INET); }
END_TEST

START_TEST(bytes_and_half_closes_pass_over_ipv6)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage at;
    socklen_t size = loopback(&at, AF_INET6, 0);
    bool there = fd >= 0 && bind(fd, (struct sockaddr *)&at, size) == 0;
    close(fd);
    if (there)
        bytes_and_half_closes_pass(AF_INET6);
    else
        printf("test_proxy: skipped: this machine has no IPv6 loopback\n");
}
END_TEST

START_TEST(a_reset_is_forwarded_as_a_reset_behind_the_bytes_before_it)
{
    stage s = stage_open(AF_INET);
    say(s.client, "last words");
    wait_for(&s, "up.read", 10);
    close_with_reset(s.client);
    hear(s.target, "last words");
    hear_a_reset(s.target);
    wait_for(&s, "ended", 1);
    ck_assert_uint_eq(counts(&s).dropped, 0);
    close(s.target);

    meet(&s);                                          /* one whose peer has ended already, and does not listen any more */
    shutdown(s.client, SHUT_WR);
    hear_the_end(s.target);
    close_with_reset(s.client);
    while (send(s.target, "is anybody there?", 17, MSG_NOSIGNAL) > 0)
        ;
    ck_assert(errno == ECONNRESET || errno == EPIPE);
    wait_for(&s, "ended", 2);
    s.client = -1;
    stage_close(&s);
}
END_TEST

START_TEST(a_target_that_is_not_there_resets_who_connects)
{
    int port, listener = listen_on(AF_INET, &port);
    close(listener);
    stage s = { .family = AF_INET, .listener = -1, .target = -1, .proxy = proxy_before(AF_INET, port) };
    s.client = connect_to(AF_INET, proxy_port(s.proxy));
    hear_a_reset(s.client);
    wait_for(&s, "failed", 1);
    ck_assert_uint_eq(counts(&s).open, 0);
    stage_close(&s);
}
END_TEST

/* An echo for n connections, each until its end; in a thread. */
typedef struct echo { int listener, connections; pthread_t thread; } echo;

static void *run_echo(void *data)
{
    echo *e = data;
    struct pollfd *fds = calloc((size_t)e->connections + 1, sizeof *fds);
    int open = 0, over = 0, n = 0;
    fds[0] = (struct pollfd){ e->listener, POLLIN, 0 };
    while (over < e->connections) {
        poll(fds, (nfds_t)n + 1, -1);
        for (int i = 1; i <= n; i++) {
            char data[65536];
            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            ssize_t got = recv(fds[i].fd, data, sizeof data, MSG_DONTWAIT);
            for (ssize_t at = 0, sent; at < got; at += sent)
                if ((sent = send(fds[i].fd, data + at, (size_t)(got - at), MSG_NOSIGNAL)) <= 0)
                    break;
            if (got == 0 || (got < 0 && errno != EAGAIN)) {
                close(fds[i].fd);
                fds[i].fd = -1;
                over++;
            }
        }
        if (fds[0].revents && open < e->connections) {
            fds[++n] = (struct pollfd){ accept4(e->listener, NULL, NULL, SOCK_CLOEXEC), POLLIN, 0 };
            open++;
        }
        if (open == e->connections)
            fds[0].fd = -1;
    }
    free(fds);
    return NULL;
}

static void echo_open(echo *e, int connections, int *port)
{
    e->listener = listen_on(AF_INET, port);
    e->connections = connections;
    ck_assert_int_eq(pthread_create(&e->thread, NULL, run_echo, e), 0);
}

static void echo_close(echo *e)
{
    pthread_join(e->thread, NULL);
    close(e->listener);
}

static int entries(const char *folder)
{
    DIR *d = opendir(folder);
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* What the process has; after a first proxy, for GLib and the sanitizers have descriptors and threads of their own. */
typedef struct things { int descriptors, threads; } things;

static things what_there_is(void)
{
    proxy_close(proxy_before(AF_INET, 1));
    return (things){ entries("/proc/self/fd"), entries("/proc/self/task") };
}

/* A thread that has been joined is listed for a moment yet. */
static void expect_as_before(things before)
{
    ck_assert_int_eq(entries("/proc/self/fd"), before.descriptors);
    while (entries("/proc/self/task") > before.threads)        /* with one too many it would be for ever */
        sched_yield();
}

START_TEST(two_hundred_connections_at_once_keep_their_bytes_apart_and_leave_nothing)
{
    enum { CONNECTIONS = 200 };
    things before = what_there_is();
    int fd[CONNECTIONS], port;
    echo e;
    echo_open(&e, CONNECTIONS, &port);
    proxy *p = proxy_before(AF_INET, port);
    ck_assert(proxy_set(p, PROXY_ALL, PROXY_BOTH, &(proxy_faults){ .split = 3 }));
    for (int i = 0; i < CONNECTIONS; i++)
        fd[i] = connect_to(AF_INET, proxy_port(p));
    for (int i = 0; i < CONNECTIONS; i++) {
        char text[64];
        snprintf(text, sizeof text, "this is connection %d", i);
        say(fd[i], text);
        shutdown(fd[i], SHUT_WR);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        char text[64];
        snprintf(text, sizeof text, "this is connection %d", i);
        hear(fd[i], text);
        hear_the_end(fd[i]);
        close(fd[i]);
    }
    ck_assert(proxy_wait(p, "ended", CONNECTIONS));
    proxy_counts n;
    proxy_count(p, &n);
    ck_assert_uint_eq(n.opened, CONNECTIONS);
    ck_assert_uint_eq(n.open, 0);
    ck_assert_uint_eq(n.up.forwarded, n.down.forwarded);
    ck_assert_uint_gt(n.up.pieces, CONNECTIONS * 7);           /* of 21 to 22 bytes each, by at most 3 */
    echo_close(&e);
    proxy_close(p);
    expect_as_before(before);
}
END_TEST

START_TEST(closing_ends_whatever_a_connection_is_doing)
{
    things before = what_there_is();
    static const proxy_faults doing[] = {
        { 0 }, { .delay_ns = HOUR }, { .rate = 1 }, { .split = 1, .gap_ns = HOUR }, { .then = PROXY_HOLD }, { .then = PROXY_SWALLOW },
        { .after = 2, .then = PROXY_FIN },
    };
    for (size_t i = 0; i < sizeof doing / sizeof *doing; i++) {
        stage s = stage_open(AF_INET);
        set(&s, PROXY_BOTH, doing[i]);
        say(s.client, "what are you doing?");
        if (doing[i].then != PROXY_HOLD)
            wait_for(&s, "up.read", 1);
        proxy_close(s.proxy);
        s.proxy = NULL;
        stage_close(&s);
    }
    expect_as_before(before);
}
END_TEST

/* ---- The door ---- */

START_TEST(a_refused_connection_is_refused_and_those_that_are_open_go_on)
{
    stage s = stage_open(AF_INET);
    int port = proxy_port(s.proxy), code;
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(proxy_set_door(s.proxy, PROXY_REFUSE, why), "%s", why);
        close(try_connect(AF_INET, port, 0, &code));
        ck_assert_int_eq(code, ECONNREFUSED);
        say(s.client, "still open");
        hear(s.target, "still open");
        ck_assert_msg(proxy_set_door(s.proxy, PROXY_OPEN, why), "%s", why);
        close(s.client);
        close(s.target);
        meet(&s);                                      /* by the same port */
    }
    ck_assert_uint_eq(counts(&s).opened, 4);
    stage_close(&s);
}
END_TEST

START_TEST(who_connects_to_a_black_hole_gets_no_answer_until_the_door_opens)
{
    stage s = stage_open(AF_INET);
    int code;
    ck_assert_msg(proxy_set_door(s.proxy, PROXY_BLACK_HOLE, why), "%s", why);
    ck_assert_msg(proxy_set_door(s.proxy, PROXY_BLACK_HOLE, why), "%s", why);
    int fd = try_connect(AF_INET, proxy_port(s.proxy), SOCK_NONBLOCK, &code);
    ck_assert_int_eq(code, EINPROGRESS);
    struct tcp_info info;
    socklen_t size;
    do {                                               /* the SYN has been sent once more: nobody has answered the first one */
        size = sizeof info;
        ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
        ck_assert_int_eq(info.tcpi_state, TCP_SYN_SENT);
        struct pollfd nothing = { fd, 0, 0 };
        ck_assert_int_eq(poll(&nothing, 1, 10), 0);
    } while (info.tcpi_retransmits == 0);
    say(s.client, "still open");
    hear(s.target, "still open");
    ck_assert_uint_eq(counts(&s).opened, 1);

    ck_assert_msg(proxy_set_door(s.proxy, PROXY_OPEN, why), "%s", why);
    struct pollfd writable = { fd, POLLOUT, 0 };
    ck_assert_int_eq(poll(&writable, 1, -1), 1);
    int target = accept_from(s.listener);
    say(fd, "at last");
    hear(target, "at last");
    ck_assert_uint_eq(counts(&s).opened, 2);
    close(fd);
    close(target);
    ck_assert_msg(proxy_set_door(s.proxy, PROXY_BLACK_HOLE, why), "%s", why);
    ck_assert_msg(proxy_set_door(s.proxy, PROXY_REFUSE, why), "%s", why);
    close(try_connect(AF_INET, proxy_port(s.proxy), 0, &code));
    ck_assert_int_eq(code, ECONNREFUSED);
    stage_close(&s);
}
END_TEST

START_TEST(without_descriptors_left_connections_wait_until_there_are)
{
    stage s = stage_open(AF_INET), second = s;
    struct rlimit limit, few;
    wait_for(&s, "opened", 1);                         /* accept takes a descriptor before it looks whether there is somebody: it is over */
    getrlimit(RLIMIT_NOFILE, &limit);
    second.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    few = (struct rlimit){ (rlim_t)second.client + 1, limit.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct sockaddr_storage at;
    socklen_t size = loopback(&at, AF_INET, proxy_port(s.proxy));
    ck_assert_int_eq(connect(second.client, (struct sockaddr *)&at, size), 0);
    say(second.client, "later");
    say(s.client, "now");
    hear(s.target, "now");
    ck_assert_uint_eq(counts(&s).opened, 1);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    second.target = accept_from(s.listener);
    hear(second.target, "later");
    close(second.client);
    close(second.target);
    stage_close(&s);
}
END_TEST

START_TEST(what_cannot_be_opened_says_why)
{
    int port, listener = listen_on(AF_INET, &port), before = entries("/proc/self/fd");
    char taken[64];
    snprintf(taken, sizeof taken, "127.0.0.1:%d", port);
    const struct { const char *target, *listen, *words; } wrong[] = {
        { "127.0.0.1", NULL, "write HOST:PORT" }, { "", NULL, "write HOST:PORT" }, { "127.0.0.1:x", NULL, "write HOST:PORT" },
        { "127.0.0.1:1", taken, taken }, { "127.0.0.1:1", "192.0.2.1:0", "192.0.2.1" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        why[0] = '\0';
        ck_assert_ptr_null(proxy_open(&(proxy_options){ .target = wrong[i].target, .listen = wrong[i].listen }, why));
        ck_assert_msg(strstr(why, wrong[i].words) != NULL, "\"%s\" does not say \"%s\"", why, wrong[i].words);
    }
    ck_assert_int_eq(entries("/proc/self/fd"), before);
    close(listener);
}
END_TEST

/* ---- From many threads ---- */

enum { MEDDLERS = 3, ROUNDS = 300 };

static void *meddle(void *data)
{
    proxy *p = data;
    static _Atomic uint64_t meddlers;
    uint64_t seed = ++meddlers * ROUNDS;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t r = sk_mix(seed + (uint64_t)i);
        proxy_faults faults = { .delay_ns = r & 1 ? 1000 : 0, .jitter_ns = r & 2 ? 1000 : 0, .split = r & 4 ? 7 : 0, .rate = r & 8 ? 100000000 : 0,
                                .then = r & 16 ? PROXY_HOLD : PROXY_PASS };
        proxy_set(p, PROXY_ALL, 1 + r % 3, &faults);
        proxy_set(p, 1 + r % 8, PROXY_BOTH, &faults);
        proxy_counts n;
        proxy_count(p, &n);
        proxy_count_one(p, 1 + r % 8, &n);
        if (r % 16 == 0)
            proxy_set_door(p, PROXY_REFUSE, (char[PROXY_WHY]){ 0 });
    }
    return NULL;
}

START_TEST(faults_may_be_changed_from_many_threads_while_bytes_flow)
{
    enum { CONNECTIONS = 8 };
    int port, fd[CONNECTIONS];
    echo e;
    echo_open(&e, CONNECTIONS, &port);
    proxy *p = proxy_before(AF_INET, port);
    pthread_t meddlers[MEDDLERS];
    for (int i = 0; i < CONNECTIONS; i++)
        fd[i] = connect_to(AF_INET, proxy_port(p));
    ck_assert(proxy_wait(p, "opened", CONNECTIONS));
    for (int i = 0; i < MEDDLERS; i++)
        ck_assert_int_eq(pthread_create(&meddlers[i], NULL, meddle, p), 0);
    char data[2000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)byte_at(i);
    for (int i = 0; i < CONNECTIONS; i++)
        write_all(fd[i], data, sizeof data);
    for (int i = 0; i < MEDDLERS; i++)
        pthread_join(meddlers[i], NULL);
    ck_assert(proxy_set(p, PROXY_ALL, PROXY_BOTH, &(proxy_faults){ 0 }));
    for (int i = 0; i < CONNECTIONS; i++) {
        char got[sizeof data];
        shutdown(fd[i], SHUT_WR);
        ck_assert_int_eq(recv(fd[i], got, sizeof got, MSG_WAITALL), sizeof got);
        ck_assert_mem_eq(got, data, sizeof data);
        hear_the_end(fd[i]);
        close(fd[i]);
    }
    echo_close(&e);
    proxy_close(p);
}
END_TEST

/* ---- In words ---- */

static char *command(proxy *p, const char *line, bool *done)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    snprintf(why, sizeof why, "nothing");
    *done = proxy_command(p, line, out, why);
    fclose(out);
    return text;
}

static void obeys(proxy *p, const char *line, const char *answer)
{
    bool done;
    char *text = command(p, line, &done);
    ck_assert_msg(done, "\"%s\": %s", line, why);
    ck_assert_msg(strstr(text, answer) != NULL, "\"%s\" answers \"%s\"", line, text);
    free(text);
}

START_TEST(words_set_what_they_name_and_nothing_else)
{
    stage s = stage_open(AF_INET);
    obeys(s.proxy, "", "");
    obeys(s.proxy, "up delay 3600000 0.5", "");
    obeys(s.proxy, "  1 up  split 1\t", "");
    obeys(s.proxy, "1 up corrupt 0 5", "");
    obeys(s.proxy, "1 up rst +3", "");
    say(s.client, "abcdef");
    obeys(s.proxy, "wait up.read 6", "");
    obeys(s.proxy, "count", "up.read 6 up.forwarded 0");
    obeys(s.proxy, "up delay 0", "");
    hear(s.target, "Abc");
    hear_a_reset(s.target);
    obeys(s.proxy, "wait dropped 1", "");
    obeys(s.proxy, "count", "opened 1 open 0 ended 0 dropped 1 failed 0 up.read 6 up.forwarded 3 up.pieces 3 up.cuts 3 up.corrupted 1 up.swallowed 0");
    close(s.client);
    close(s.target);
    meet(&s);                                          /* what was said of connection 1 is not true of 2 */
    say(s.client, "abcdef");
    hear(s.target, "abcdef");
    obeys(s.proxy, "count 2", "open 1 ended 0 dropped 0 failed 0 up.read 6 up.forwarded 6 up.pieces 1 ");
    obeys(s.proxy, "refuse", "");
    int code;
    close(try_connect(AF_INET, proxy_port(s.proxy), 0, &code));
    ck_assert_int_eq(code, ECONNREFUSED);
    obeys(s.proxy, "open", "");
    obeys(s.proxy, "2 fin", "");
    hear_the_end(s.client);
    stage_close(&s);
}
END_TEST

START_TEST(words_that_are_wrong_say_what_would_be_right_and_change_nothing)
{
    static const struct { const char *line, *words; } wrong[] = {
        { "fly", "\"fly\" is not a fault" }, { "up", "\"up\" is not a fault" }, { "7", "\"7\" is not a fault" }, { "up down delay 1", "\"down\" is not" },
        { "0 rst", "they count from 1" }, { "9 rst", "no connection 9 open" }, { "delay", "1 to 2 arguments, not 0" }, { "delay -1", "milliseconds" },
        { "delay 1 2 3", "not 3" }, { "delay nan", "milliseconds" }, { "rate 1k", "a number" }, { "rate +1", "a number" }, { "corrupt 1 8", "0 to 7" },
        { "rst -1", "N or +N" }, { "rst 99999999999999999999", "N or +N" }, { "pass 1", "not 1" }, { "count 9", "no connection 9" },
        { "wait nothing 1", "not a count" }, { "wait opened", "a number" }, { "a b c d e f g h i", "at most 8 words" },
    };
    stage s = stage_open(AF_INET);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bool done;
        free(command(s.proxy, wrong[i].line, &done));
        ck_assert_msg(!done && strstr(why, wrong[i].words), "\"%s\" says \"%s\", not \"%s\"", wrong[i].line, why, wrong[i].words);
    }
    say(s.client, "all is well");
    hear(s.target, "all is well");
    stage_close(&s);
}
END_TEST

Suite *proxy_suite(void)
{
    Suite *suite = suite_create("proxy");
    TCase *c = tcase_create("without faults");
    tcase_add_test(c, bytes_and_half_closes_pass_both_ways);
    tcase_add_test(c, bytes_and_half_closes_pass_over_ipv6);
    tcase_add_test(c, a_reset_is_forwarded_as_a_reset_behind_the_bytes_before_it);
    tcase_add_test(c, a_target_that_is_not_there_resets_who_connects);
    tcase_add_test(c, two_hundred_connections_at_once_keep_their_bytes_apart_and_leave_nothing);
    tcase_add_test(c, closing_ends_whatever_a_connection_is_doing);
    suite_add_tcase(suite, c);
    c = tcase_create("door");
    tcase_add_test(c, a_refused_connection_is_refused_and_those_that_are_open_go_on);
    tcase_add_test(c, who_connects_to_a_black_hole_gets_no_answer_until_the_door_opens);
    tcase_add_test(c, without_descriptors_left_connections_wait_until_there_are);
    tcase_add_test(c, what_cannot_be_opened_says_why);
    suite_add_tcase(suite, c);
    c = tcase_create("from outside");
    tcase_add_test(c, faults_may_be_changed_from_many_threads_while_bytes_flow);
    tcase_add_test(c, words_set_what_they_name_and_nothing_else);
    tcase_add_test(c, words_that_are_wrong_say_what_would_be_right_and_change_nothing);
    suite_add_tcase(suite, c);
    return suite;
}
