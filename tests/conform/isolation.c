/* isolation.c -- tasks that crash, exit or never end, where that costs a retry and nothing else. What descriptors, children and threads
 * of a task do is in isolation_bodies.c, what the machine refuses in isolation_limits.c.
 *
 * Memory is not shared: attempts are counted in files, a byte each (`attempt`). */
#include "isolation.h"

/* ---- ways to die ---- */

static void *volatile nowhere;

__attribute__((no_sanitize("undefined"))) void die_by(int way)
{
    switch (way) {
    case BY_KILL: kill(getpid(), SIGKILL); break;
    case BY_FAULT: *(volatile int *)nowhere = 1; break;
    case BY_ABORT: abort();
    case BY_EXIT: exit(3);
    case BY_EXIT_AT_ONCE: _exit(0);
    case BY_PIPE: raise(SIGPIPE); break;
    case BY_MISTAKE: raise(SIGFPE); break;
    }
    for (;;)
        pause();
}

int64_t attempt(const char *file)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, ".", 1) != 1)
        sk_fail("%s cannot be written", file);
    struct stat s;
    fstat(fd, &s);
    close(fd);
    return s.st_size;
}

int64_t attempts_in(const char *file)
{
    struct stat s;
    return stat(file, &s) == 0 ? s.st_size : 0;
}

SK_REMOTE(int64_t, dies_at_first, (const char *, file), (int, times), (int, way))
{
    int64_t n = attempt(file);
    if (n <= times)
        die_by(way);
    return n;
}

/* ---- each way costs one retry ---- */

static void dies_once(int way)
{
    const char *file = scratch("attempts");
    ck_assert_int_eq(sk_get(int64_t, sk_remote(dies_at_first, file, 1, way)), 2);
    ck_assert_int_eq(attempts_in(file), 2);
    ck_assert_uint_eq(sk_stats().retries, 1);
}
CASE(a_task_that_kills_itself_is_tried_again, ISOLATED)            { dies_once(BY_KILL); }
CASE(a_task_that_faults_is_tried_again, ISOLATED)                  { dies_once(BY_FAULT); }
CASE(a_task_that_aborts_is_tried_again, ISOLATED)                  { dies_once(BY_ABORT); }
CASE(a_task_that_exits_is_tried_again, ISOLATED)                   { dies_once(BY_EXIT); }
CASE(a_task_that_exits_at_once_is_tried_again, ISOLATED)           { dies_once(BY_EXIT_AT_ONCE); }
CASE(a_task_that_a_broken_pipe_ends_is_tried_again, ISOLATED)      { dies_once(BY_PIPE); }
CASE(a_task_that_divides_by_zero_is_tried_again, ISOLATED)         { dies_once(BY_MISTAKE); }

static void message_has(int way, const char *words)
{
    sk_ref r = sk_remote_with(SK_OPTS(.max_retries = SK_ZERO), dies_at_first, scratch("attempts"), 9, way);
    sk_error err = FAILS(r, SK_WORKER_DIED);
    CONTAINS(err.message, "dies_at_first");
    CONTAINS(err.message, "isolation.c:");
    CONTAINS(err.message, words);
}
CASE(the_message_says_that_a_task_was_killed, ISOLATED)            { message_has(BY_KILL, "was killed by signal 9 (Killed)"); }
CASE(the_message_says_that_a_task_has_faulted, ISOLATED)           { message_has(BY_FAULT, "was killed by signal 11 (Segmentation fault)"); }
CASE(the_message_says_that_a_task_has_aborted, ISOLATED)           { message_has(BY_ABORT, "was killed by signal 6 (Aborted)"); }
CASE(the_message_says_that_a_task_called_exit, ISOLATED)           { message_has(BY_EXIT, "called exit(3)"); }
CASE(the_message_says_that_a_task_ended_its_process, ISOLATED)     { message_has(BY_EXIT_AT_ONCE, "ended with status 0"); }

/* ---- how often ---- */

static void dies(int times)
{
    const char *file = scratch("attempts");
    sk_ref r = sk_remote(dies_at_first, file, times, BY_KILL);
    if (times < 4) {
        ck_assert_int_eq(sk_get(int64_t, r), times + 1);
    } else {
        sk_error err = FAILS(r, SK_WORKER_DIED);
        CONTAINS(err.message, "dies_at_first: died in its last attempt, 4 (max_retries is 3)");
        ck_assert_uint_eq(count_of(err.message, "was killed by signal 9"), 4);
    }
    ck_assert_int_eq(attempts_in(file), times < 4 ? times + 1 : 4);
    ck_assert_uint_eq(sk_stats().retries, (unsigned)MIN_OF(times, 3));
    ck_assert_uint_eq(sk_stats().attempts, (unsigned)MIN_OF(times, 3) + 1);
}
CASE(a_task_that_never_dies_takes_one_attempt, ISOLATED)           { dies(0); }
CASE(a_task_that_dies_once_takes_two_attempts, ISOLATED)           { dies(1); }
CASE(a_task_that_dies_twice_takes_three_attempts, ISOLATED)        { dies(2); }
CASE(a_task_that_dies_three_times_takes_four_attempts, ISOLATED)   { dies(3); }
CASE(a_task_that_dies_four_times_has_died, ISOLATED)               { dies(4); }

static void dies_for_good(int max_retries, int attempts)
{
    const char *file = scratch("attempts");
    sk_ref r = sk_remote_with(SK_OPTS(.max_retries = max_retries), dies_at_first, file, 100, BY_EXIT_AT_ONCE);
    sk_ref next = sk_remote(same, r);
    (void)FAILS(r, SK_WORKER_DIED);
    CONTAINS(FAILS(next, SK_TASK).message, "ended with status 0");
    ck_assert_int_eq(attempts_in(file), attempts);
}
CASE(without_retries_a_task_dies_in_its_only_attempt, ISOLATED)    { dies_for_good(SK_ZERO, 1); }
CASE(with_one_retry_a_task_dies_in_its_second_attempt, ISOLATED)   { dies_for_good(1, 2); }
CASE(with_twenty_retries_a_task_dies_in_its_21st_attempt, ISOLATED) { dies_for_good(20, 21); }

CASE(a_task_that_fails_is_not_tried_again_and_keeps_its_process, ISOLATED, .config.workers = 1)
{
    for (int node = 0; node < nodes_here(); node++) {
        int64_t before = sk_get(int64_t, sk_remote_with(ON_NODE(node), pid_here));
        (void)FAILS(sk_remote_with(ON_NODE(node), fails, "no"), SK_TASK);
        int64_t after = sk_get(int64_t, sk_remote_with(ON_NODE(node), pid_here));
        ck_assert_int_eq(after, before);
    }
    ck_assert_uint_eq(sk_stats().retries, 0);
}

/* ---- who is charged ---- */

SK_REMOTE(int64_t, counts_and_waits, (const char *, file), (sk_list, refs))
{
    int64_t n = attempt(file);
    sk_fulfil(refs.refs[0], 1);
    return 10 * n + sk_get(int64_t, refs.refs[1]);
}

CASE(only_the_task_that_was_running_is_charged, ISOLATED, .config.workers = 3)
{
    sk_ref gate = sk_promise(), held[3];
    const char *files[3] = { scratch("first"), scratch("second"), scratch("third") };
    for (int i = 0; i < 3; i++) {
        sk_ref both[2] = { sk_promise(), gate };
        held[i] = sk_remote(counts_and_waits, files[i], sk_list_of(both, 2));
        (void)sk_take(int64_t, both[0]);
    }
    (void)FAILS(sk_remote(dies_at_first, scratch("attempts"), 9, BY_KILL), SK_WORKER_DIED);
    (void)FAILS(sk_remote(dies_at_first, scratch("others"), 9, BY_FAULT), SK_WORKER_DIED);
    sk_fulfil(gate, 5);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sk_get(int64_t, held[i]), 15);
    ck_assert_uint_eq(sk_stats().retries, 6);
}

SK_REMOTE(int64_t, has_a_child_that_dies, (const char *, mine), (const char *, childs), (int, times))
{
    int64_t n = attempt(mine), pid = getpid();
    int64_t of_child = sk_get(int64_t, sk_remote(dies_at_first, childs, times, BY_KILL));
    return pid == getpid() ? 100 * n + of_child : 0;
}

CASE(a_child_that_dies_is_charged_and_its_parent_is_not, ISOLATED)
{
    ck_assert_int_eq(sk_get(int64_t, sk_remote(has_a_child_that_dies, scratch("parent"), scratch("child"), 3)), 104);
    ck_assert_uint_eq(sk_stats().retries, 3);
}

CASE(a_child_that_dies_for_good_fails_its_parent_with_the_cause, ISOLATED)
{
    sk_ref r = sk_remote(has_a_child_that_dies, scratch("parent"), scratch("child"), 4);
    CONTAINS(FAILS(r, SK_TASK).message, "dies_at_first: died in its last attempt, 4");
    ck_assert_int_eq(attempts_in(scratch("parent")), 1);
    ck_assert_int_eq(attempts_in(scratch("child")), 4);
}

SK_REMOTE(int64_t, dies_with_a_child, (const char *, mine), (const char *, childs), (sk_list, refs))
{
    if (attempt(mine) > 1)
        return sk_get(int64_t, sk_remote(same, 7));
    sk_ref child = sk_remote(counts_and_waits, childs, sk_list_of(refs.refs, 2));
    (void)sk_get(int64_t, refs.refs[0]);
    (void)child;
    die_by(BY_KILL);
    return 0;
}

CASE(the_children_of_a_parent_that_dies_are_cancelled_and_submitted_again, ISOLATED)
{
    sk_ref both[2] = { sk_promise(), sk_promise() };
    sk_ref r = sk_remote(dies_with_a_child, scratch("parent"), scratch("child"), sk_list_of(both, 2));
    ck_assert_int_eq(sk_get(int64_t, r), 7);
    EVENTUALLY(sk_stats().tasks_cancelled == 1);
    ck_assert_int_eq(attempts_in(scratch("parent")), 2);
    ck_assert_int_eq(attempts_in(scratch("child")), 1);
    ck_assert_uint_eq(sk_stats().retries, 1);
}

/* ---- what never ends ---- */

SK_REMOTE(int64_t, loops, (const char *, file), (bool, blocks), (sk_list, begun))
{
    sigset_t all;
    sigfillset(&all);
    if (blocks)
        sigprocmask(SIG_BLOCK, &all, NULL);
    FILE *f = fopen(file, "a");
    if (!f)
        sk_fail("%s cannot be written", file);
    fprintf(f, "%d\n", (int)getpid());
    fclose(f);
    sk_fulfil(begun.refs[0], 1);
    for (;;) { }
    return 0;
}

static pid_t only_pid_in(const char *file)
{
    FILE *f = fopen(file, "r");
    ck_assert_ptr_nonnull(f);
    int pid = 0, more = 0, n = fscanf(f, "%d %d", &pid, &more);
    fclose(f);
    ck_assert_msg(n == 1, "%d attempts instead of one", n);
    return pid;
}

static bool is_gone(pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; }

static void loops_too_long(bool blocks)
{
    const char *file = scratch("pid");
    sk_ref begun = sk_promise(), r = sk_remote_with(SK_OPTS(.timeout_s = 0.5), loops, file, blocks, sk_list_of(&begun, 1));
    CONTAINS(FAILS(r, SK_TASK_TIMEOUT).message, "loops");
    pid_t pid = only_pid_in(file);
    EVENTUALLY(is_gone(pid));
    ck_assert_int_eq(sk_get(int64_t, sk_remote(same, 1)), 1);
    ck_assert_uint_eq(sk_stats().retries, 0);
}
CASE(the_process_of_a_task_that_loops_too_long_ends, ISOLATED)                { loops_too_long(false); }
CASE(a_process_that_blocks_all_signals_ends_when_its_time_is_up, ISOLATED)    { loops_too_long(true); }

CASE(a_forced_cancel_ends_a_running_loop_and_its_process, .needs = SK_CAN_ISOLATE | SK_CAN_KILL, .config.workers = 1)
{
    const char *file = scratch("pid");
    sk_ref begun = sk_promise(), r = sk_remote(loops, file, true, sk_list_of(&begun, 1));
    (void)sk_get(int64_t, begun);
    sk_cancel(r, SK_FORCE);
    (void)FAILS(r, SK_CANCELLED);
    pid_t pid = only_pid_in(file);
    EVENTUALLY(is_gone(pid));
    ck_assert_int_eq(sk_get(int64_t, sk_remote(same, 1)), 1);
    ck_assert_uint_eq(sk_stats().retries, 0);
    ck_assert_uint_eq(sk_stats().tasks_cancelled, 1);
}

/* ---- objects ---- */

static bool is_counting(const int64_t *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] != i)
            return false;
    return true;
}

SK_REMOTE(int64_t, counting_is_whole, (sk_array, a)) { return is_counting(sk_read(int64_t, a), sk_len(a)); }

SK_REMOTE(sk_array, counting, (int64_t, n))
{
    sk_array a = sk_new_array(SK_I64, n);
    for (int64_t i = 0; i < n; i++)
        sk_write(int64_t, a)[i] = i;
    return a;
}

/* Each in one line, which is to be named. */
enum { ARGUMENT_LINE = __LINE__ + 1, GOT_LINE = __LINE__ + 2 };
SK_REMOTE(int64_t, writes_into_its_argument, (sk_array, a)) { ((volatile int64_t *)a.data)[5] = 99; return 0; }
SK_REMOTE(int64_t, writes_into_what_it_got, (sk_list, refs)) { ((volatile int64_t *)sk_get(sk_array, refs.refs[0]).data)[5] = 99; return 0; }

SK_REMOTE(int64_t, writes_into_what_it_put)
{
    sk_array a = sk_new_array(SK_I64, 8192);
    sk_write(int64_t, a)[0] = 1;
    sk_ref r = sk_put(a);
    ((volatile int64_t *)sk_get(sk_array, r).data)[5] = 99;
    return 0;
}

enum { LARGE = 8192 };                /* int64_t: 64 KiB, which lie in the shared store */

/* addr2line, which comes with the compiler, knows lines. */
static bool has_addr2line(void)
{
    static int known;
    if (!known)
        known = system("command -v addr2line >/dev/null") == 0 ? 1 : -1;
    return known > 0;
}

static void names_line(const char *text, const char *function, int line)
{
    char place[100];
    if (has_addr2line())
        snprintf(place, sizeof place, "in %s at isolation.c:%d", function, line);
    else
        snprintf(place, sizeof place, "(addr2line, which would name the line, is not here)");
    CONTAINS(text, place);
}

static void is_not_written(sk_ref array, const char *maker)
{
    char got[100];
    static const sk_options once = { .max_retries = SK_ZERO };
    sk_error err = FAILS(sk_remote_with(&once, writes_into_its_argument, array), SK_WORKER_DIED);
    CONTAINS(err.message, "it wrote into argument 1 (sk_array of 65536 bytes)");
    CONTAINS(err.message, maker);
    names_line(err.message, "writes_into_its_argument", ARGUMENT_LINE);
    err = FAILS(sk_remote_with(&once, writes_into_what_it_got, sk_list_of(&array, 1)), SK_WORKER_DIED);
    CONTAINS(err.message, "it wrote into an object (sk_array of 65536 bytes)");
    CONTAINS(err.message, maker);
    snprintf(got, sizeof got, "got at tests/conform/isolation.c:%d", GOT_LINE);
    CONTAINS(err.message, got);
    names_line(err.message, "writes_into_what_it_got", GOT_LINE);
    ck_assert(is_counting(sk_read(int64_t, sk_get(sk_array, array)), LARGE));
    ck_assert_int_eq(sk_get(int64_t, sk_remote(counting_is_whole, array)), 1);
}

CASE(a_task_that_writes_into_an_object_of_a_task_dies_and_changes_nothing, ISOLATED) { is_not_written(sk_remote(counting, LARGE), " that counting made"); }

CASE(a_task_that_writes_into_an_object_of_the_driver_dies_and_changes_nothing, ISOLATED)
{
    static int64_t x[LARGE];
    for (int i = 0; i < LARGE; i++)
        x[i] = i;
    is_not_written(sk_put(sk_array_of(x, LARGE)), " that the driver put");
}

CASE(a_task_that_writes_into_what_it_has_put_dies, ISOLATED)
{
    sk_error err = FAILS(sk_remote_with(SK_OPTS(.max_retries = SK_ZERO), writes_into_what_it_put), SK_WORKER_DIED);
    CONTAINS(err.message, "it wrote into an object");
}

enum { A_TASKS, PUT, OF_SOME, DROPPED };
static int driver_gets, made_on;       /* which of these; the node that makes it */

static void driver_writes(void)
{
    static int64_t x[LARGE];
    start(&(sk_config){ .nodes = made_on ? 2 : 0 });
    x[5] = 5;
    sk_ref r[2] = { sk_remote(same, 1) };        /* r[1] is the array */
    r[1] = driver_gets == PUT ? sk_put(sk_array_of(x, LARGE)) : sk_remote_with(ON_NODE(made_on), counting, LARGE); printf("made in line %d\n", __LINE__);
    sk_array a = sk_get(sk_array, r[1]); printf("got in line %d\n", __LINE__);
    if (driver_gets == OF_SOME) {
        sk_get_all(sk_array, r + 1, 1, &a); printf("got with others in line %d\n", __LINE__);
    }
    if (driver_gets == DROPPED)
        sk_drop(r[1]);
    printf("it reads %d\n", (int)sk_read(int64_t, a)[5]);
    printf("written in line %d\n", __LINE__ + 1);
    ((volatile int64_t *)a.data)[5] = 99;
    printf("it has written\n");
    stop();
}

static int line_in(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    ck_assert_msg(at != NULL, "\"%s\" is not in %s", words, text);
    return atoi(at + strlen(words));
}

static ending driver_that_writes(int what)
{
    driver_gets = what;
    ending end = run_apart(driver_writes);
    ck_assert_int_eq(end.status, 1000 + SIGSEGV);
    CONTAINS(end.output, what == DROPPED ? "it reads " : "it reads 5");        /* what has been dropped may be there still, or not */
    CONTAINS(end.output, "the driver");
    ck_assert_ptr_null(strstr(end.output, "it has written"));
    names_line(end.output, "driver_writes", line_in(end.output, "written in line "));
    return end;
}

static void writes_into_what_was(int what, const char *format, const char *got)
{
    char words[400], place[100];
    for (made_on = 0; made_on < (backend_can() & SK_CAN_NODES ? 2 : 1); made_on++) {
        ending end = driver_that_writes(what);
        snprintf(place, sizeof place, "isolation.c:%d", line_in(end.output, "made in line "));
        snprintf(words, sizeof words, format, "tests/conform/", place, "tests/conform/", line_in(end.output, got));
        CONTAINS(end.output, words);
    }
}

CASE(a_driver_that_writes_into_what_a_task_made_is_told_which_and_where, .not_by_proxy = true, ISOLATED, .by_hand = true)
{
    writes_into_what_was(A_TASKS, "it wrote into an object (sk_array of 65536 bytes) that counting made, submitted at %s%s, got at %sisolation.c:%d: "
                         "objects are immutable", "got in line ");
}

CASE(a_driver_that_writes_into_what_it_put_is_told_so, .not_by_proxy = true, ISOLATED, .by_hand = true)
{
    writes_into_what_was(PUT, "it wrote into an object (sk_array of 65536 bytes) that was put at %s%s, got at %sisolation.c:%d: "
                         "objects are immutable", "got in line ");
}

CASE(a_driver_that_writes_into_one_of_several_is_told_where_it_got_it_last, .not_by_proxy = true, ISOLATED, .by_hand = true)
{
    writes_into_what_was(OF_SOME, "it wrote into an object (sk_array of 65536 bytes) that counting made, submitted at %s%s, got at %sisolation.c:%d: "
                         "objects are immutable", "got with others in line ");
}

CASE(a_driver_that_writes_into_what_it_has_dropped_is_told_so, .not_by_proxy = true, ISOLATED, .by_hand = true)
{
    for (made_on = 0; made_on < (backend_can() & SK_CAN_NODES ? 2 : 1); made_on++)
        CONTAINS(driver_that_writes(DROPPED).output, "it wrote into where an object has been whose ref has been dropped");
}

static void has_a_handler_of_its_own(int sig) { _exit(sig); }

static void driver_with_a_handler_writes(void)
{
    signal(SIGSEGV, has_a_handler_of_its_own);
    driver_gets = A_TASKS;
    driver_writes();
}

CASE(a_handler_of_the_program_s_own_for_faults_stays, .not_by_proxy = true, ISOLATED, .by_hand = true)
{
    ending end = run_apart(driver_with_a_handler_writes);
    ck_assert_int_eq(end.status, SIGSEGV);
    ck_assert_ptr_null(strstr(end.output, "it wrote into"));
}

SK_REMOTE_OUT(makes_and_says_where, ((sk_array, a), (int64_t, pid)), (int64_t, n))
{
    *pid = getpid();
    *a = counting_body(n);
}

SK_REMOTE(int64_t, dies_unless_there, (int64_t, pid))
{
    if (getpid() == pid)
        die_by(BY_KILL);
    return 1;
}

CASE(what_a_process_made_outlives_it, ISOLATED, .config.workers = 1)
{
    for (int node = 0; node < nodes_here(); node++) {
        sk_ref made[2];
        sk_remote_into_with(ON_NODE(node), made, makes_and_says_where, LARGE);
        pid_t pid = (pid_t)sk_get(int64_t, made[1]);
        sk_ref dies = sk_remote_with(ON_NODE(node), dies_unless_there, made[1]);
        ck_assert_int_eq(sk_get(int64_t, dies), 1);
        ck_assert_uint_eq(sk_stats().retries, (unsigned)node + 1);
        EVENTUALLY(is_gone(pid));
        ck_assert_int_eq(sk_get(int64_t, sk_remote(counting_is_whole, made[0])), 1);      
        ck_assert(is_counting(sk_read(int64_t, sk_get(sk_array, made[0])), LARGE));
        ck_assert_int_eq(sk_get(int64_t, sk_remote(counting_is_whole, sk_remote(counting, 2 * LARGE))), 1);
    }
}

CASE(a_crash_loses_nothing_that_others_made, ISOLATED, .config.workers = 3)
{
    sk_ref made[40], dies[10];
    for (int i = 0; i < 40; i++) {
        made[i] = sk_remote(counting, LARGE + i);
        if (i % 4 == 0)
            dies[i / 4] = sk_remote(dies_at_first, scratch("attempts"), 4, BY_KILL);
    }
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(sk_get(int64_t, sk_remote(counting_is_whole, made[i])), 1);
    for (int i = 0; i < 10; i++)
        ck_assert_int_gt(sk_get(int64_t, dies[i]), 4);
}

SK_REMOTE(sk_array, dies_while_it_writes, (const char *, file), (int64_t, n))
{
    sk_array a = sk_new_array(SK_I64, n), b = sk_new_array(SK_I64, n);
    sk_put(a);
    for (int64_t i = 0; i < n / 2; i++)
        sk_write(int64_t, b)[i] = -1;
    if (attempt(file) < 4)
        die_by(BY_KILL);
    for (int64_t i = 0; i < n; i++)
        sk_write(int64_t, b)[i] = i;
    return b;
}

CASE(what_a_dead_process_was_writing_comes_back, ISOLATED)
{
    uint64_t before = sk_stats().bytes_live;
    sk_ref r = sk_remote(dies_while_it_writes, scratch("attempts"), 100000);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(counting_is_whole, r)), 1);
    EVENTUALLY(sk_stats().bytes_live < before + 900000);
    sk_drop(r);
    EVENTUALLY(sk_stats().bytes_live == before);
}

CASE(the_store_is_not_full_of_what_dead_ones_were_writing, ISOLATED, .config.store_bytes = 4 << 20)
{
    for (int i = 0; i < 20; i++) {
        char name[20];
        snprintf(name, sizeof name, "attempts%d", i);
        sk_scope {
            ck_assert_int_eq(sk_get(int64_t, sk_remote(counting_is_whole, sk_remote(dies_while_it_writes, scratch(name), 100000))), 1);
        }
    }
}

/* ---- who is not charged ---- */

/* Killed between two tasks: the next one has not run, and a task without retries must not die of it. */
CASE(a_process_killed_while_idle_charges_nobody, ISOLATED, .config.workers = 1)
{
    static const sk_options once = { .max_retries = SK_ZERO };
    for (int i = 0; i < 100; i++) {
        pid_t pid = (pid_t)sk_take(int64_t, sk_remote_with(&once, pid_here));
        kill(pid, SIGKILL);
        ck_assert_int_ne(sk_take(int64_t, sk_remote_with(&once, pid_here)), pid);
    }
    ck_assert_uint_eq(sk_stats().retries, 0);
}

/* The task may have ended in its process when that is killed for it. */
CASE(a_forced_cancel_charges_only_its_task, .needs = SK_CAN_ISOLATE | SK_CAN_KILL, .config.workers = 1)
{
    static const sk_options once = { .max_retries = SK_ZERO };
    for (int i = 0; i < 100; i++) {
        sk_scope {
            sk_ref r = sk_remote(same, i), next = sk_remote_with(&once, same, 2 * i);
            for (int turn = 0; turn < i * 10; turn++)
                (void)sk_stats();
            sk_cancel(r, SK_FORCE);
            ck_assert_int_eq(sk_get(int64_t, next), 2 * i);
        }
    }
    ck_assert_uint_eq(sk_stats().retries, 0);
}

SK_REMOTE(int64_t, freezes) { raise(SIGSTOP); return 0; }

CASE(a_process_that_is_stopped_ends_when_its_time_is_up, ISOLATED)
{
    (void)FAILS(sk_remote_with(SK_OPTS(.timeout_s = 0.2), freezes), SK_TASK_TIMEOUT);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(same, 1)), 1);
}

SK_REMOTE(int64_t, waits_with_a_child, (const char *, file), (sk_list, refs))
{
    attempt(file);
    sk_ref child = sk_remote(counts_and_waits, file, refs);
    return sk_get(int64_t, child);
}

CASE(a_forced_cancel_of_a_waiting_parent_ends_its_child_too, .needs = SK_CAN_ISOLATE | SK_CAN_KILL)
{
    sk_ref both[2] = { sk_promise(), sk_promise() };
    const char *file = scratch("attempts");
    sk_ref r = sk_remote(waits_with_a_child, file, sk_list_of(both, 2));
    (void)sk_get(int64_t, both[0]);
    sk_cancel(r, SK_FORCE);
    (void)FAILS(r, SK_CANCELLED);
    EVENTUALLY(sk_stats().tasks_cancelled == 2);
    ck_assert_int_eq(attempts_in(file), 2);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(same, 1)), 1);
}
