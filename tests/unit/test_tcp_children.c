/* test_tcp_children.c -- the nodes that a head starts: which of them is killed when the user says "kill node 1". */
#include "backends/tcp.h"

#include "apart.h"
#include "session.h"

#include <signal.h>

Suite *tcp_children_suite(void);

static bool has_ended(sk_child *child)
{
    struct pollfd p = { .fd = child->pidfd, .events = POLLIN };
    return poll(&p, 1, 0) > 0;
}

START_TEST(the_child_of_that_mark_is_killed_and_none_that_only_has_the_name)
{
    static tcp c;
    sk_child child;
    uint64_t mark = 77;
    char why[200];
    sk_error err;
    ck_assert_msg(sk_child_start(&child, &(sk_child_spec){ .path = "/bin/sleep", .argv = (char *[]){ "sleep", "1000", NULL } }, &err), "%s", err.message);
    tcp_link by_hand = { .name = "node1" }, ours = { .name = "lab7", .mark = mark };
    c.children = &child;
    c.marks = &mark;
    c.nchildren = 1;
    c.started = 1;
    pthread_mutex_init(&c.pn.turn, NULL);
    sk_session.backend = (struct sk_backend_base *)&c;
    c.by_host[1] = &by_hand;
    c.by_host[2] = &ours;
    ck_assert(!tcp_kill(1, -1, why, sizeof why));
    ck_assert_str_eq(why, "node 1 (node1) was not started by this program: end it where it was started");
    ck_assert(!has_ended(&child));
    ck_assert(!tcp_kill(3, -1, why, sizeof why));
    ck_assert_str_eq(why, "node 3 is not there");
    ck_assert(tcp_kill(2, -1, why, sizeof why));
    ck_assert(sk_child_reap(&child, true));
    ck_assert(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGKILL);
    sk_child_close(&child);
    sk_session.backend = NULL;
    pthread_mutex_destroy(&c.pn.turn);
}
END_TEST

Suite *tcp_children_suite(void)
{
    Suite *s = suite_create("tcp_children");
    TCase *kill_case = tcase_create("tcp_children");
    tcase_add_test(kill_case, the_child_of_that_mark_is_killed_and_none_that_only_has_the_name);
    suite_add_tcase(s, kill_case);
    return s;
}
