/* isolation_memory.c -- tasks that run out of memory: by a limit of their process's own (worker_memory), or by the kernel's OOM killer. */
#define _GNU_SOURCE
#include "isolation.h"

#include <glib.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>

enum { MEMORY = 64 << 20 };

#define LIMITED ISOLATED, .limits_memory = true, .config.workers = 1, .config.worker_memory = MEMORY

/* ---- ways to want too much ---- */

enum { AT_ONCE, BIT_BY_BIT, BY_GLIB, BY_MMAP, AND_ABORTS, AND_EXITS, ENOUGH };

typedef struct link { struct link *next; char bytes[1000]; } link_of_many;

static void *volatile last;                    /* so that nothing is left out */

__attribute__((no_sanitize("undefined"))) static void want(int way)
{
    switch (way) {
    case AT_ONCE:
        last = malloc(2 * (size_t)MEMORY);
        *(volatile char *)last = 1;
        break;
    case BIT_BY_BIT:
        for (link_of_many *first = NULL;;) {
            link_of_many *l = malloc(sizeof *l);
            l->next = first;                   /* a null pointer, in the end */
            last = first = l;
        }
    case BY_GLIB:
        for (;;)
            last = g_malloc(1 << 20);
    case BY_MMAP:
        last = mmap(NULL, 2 * (size_t)MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *(volatile char *)last = 1;
        break;
    case AND_ABORTS:
        while ((last = malloc(1 << 20)))
            memset(last, 1, 1 << 20);
        fprintf(stderr, "no memory\n");
        (void)!close(-1);                      /* another error since */
        abort();
    case AND_EXITS:
        last = malloc(2 * (size_t)MEMORY);
        perror("malloc");
        exit(4);
    case ENOUGH:
        last = malloc(MEMORY / 4);
        memset(last, 1, MEMORY / 4);
        free(last);
    }
}

SK_REMOTE(int64_t, wants, (const char *, file), (int, times), (int, way))
{
    int64_t n = attempt(file);
    want(n <= times ? way : ENOUGH);
    return n;
}

static void runs_out(int way, const char *fate)
{
    sk_error err = FAILS(sk_remote_with(SK_OPTS(.max_retries = SK_ZERO), wants, scratch("attempts"), 9, way), SK_WORKER_OOM);
    CONTAINS(err.message, "wants: ran out of memory in its only attempt, 1 (max_retries is 0)");
    CONTAINS(err.message, "isolation_memory.c:");
    CONTAINS(err.message, fate);
    CONTAINS(err.message, "67108864");
    CONTAINS(err.message, "--sk-worker-memory");
    ck_assert_int_eq(sk_get(int64_t, sk_remote(same, 5)), 5);
}
CASE(a_task_that_writes_where_malloc_gave_nothing_has_run_out_of_memory, LIMITED) { runs_out(AT_ONCE, "signal 11 (Segmentation fault)"); }
CASE(a_task_whose_list_grows_for_ever_has_run_out_of_memory, LIMITED)             { runs_out(BIT_BY_BIT, "signal 11 (Segmentation fault)"); }
CASE(a_task_that_glib_ends_for_want_of_memory_has_run_out_of_it, LIMITED)         { runs_out(BY_GLIB, "was killed by signal"); }
CASE(a_task_that_writes_where_mmap_has_failed_has_run_out_of_memory, LIMITED)     { runs_out(BY_MMAP, "signal 11 (Segmentation fault)"); }
CASE(a_task_that_aborts_for_want_of_memory_has_run_out_of_it, LIMITED)            { runs_out(AND_ABORTS, "signal 6 (Aborted)"); }
CASE(a_task_that_exits_for_want_of_memory_has_run_out_of_it, LIMITED)             { runs_out(AND_EXITS, "called exit(4)"); }

/* ---- how often ---- */

static void runs_out_often(int times)
{
    const char *file = scratch("attempts");
    sk_ref r = sk_remote(wants, file, times, BIT_BY_BIT);
    if (times < 4) {
        ck_assert_int_eq(sk_get(int64_t, r), times + 1);
    } else {
        sk_error err = FAILS(r, SK_WORKER_OOM);
        CONTAINS(err.message, "wants: ran out of memory in its last attempt, 4 (max_retries is 3)");
        ck_assert_uint_eq(count_of(err.message, "it had run out of memory"), 4);
    }
    ck_assert_int_eq(attempts_in(file), times < 4 ? times + 1 : 4);
    ck_assert_uint_eq(sk_stats().retries, (unsigned)MIN_OF(times, 3));
}
CASE(a_task_that_runs_out_of_memory_three_times_takes_four_attempts, LIMITED)     { runs_out_often(3); }
CASE(a_task_that_runs_out_of_memory_four_times_has_run_out, LIMITED)              { runs_out_often(4); }

/* ---- what is not want of memory ---- */

SK_REMOTE(int64_t, does_without)
{
    last = malloc(2 * (size_t)MEMORY);
    return last == NULL;
}

CASE(a_crash_is_not_put_down_to_what_an_earlier_task_could_not_get, LIMITED)
{
    ck_assert_int_eq(sk_get(int64_t, sk_remote(does_without)), 1);
    sk_ref r = sk_remote_with(SK_OPTS(.max_retries = SK_ZERO), dies_at_first, scratch("attempts"), 9, BY_FAULT);
    sk_error err = FAILS(r, SK_WORKER_DIED);
    ck_assert_ptr_null(strstr(err.message, "run out"));
}

static sk_array many_bytes(int64_t n)
{
    sk_array a = sk_new_array(SK_U8, n);
    memset(sk_write(unsigned char, a), 3, (size_t)n);
    return a;
}

SK_REMOTE(sk_array, makes_much, (int64_t, n)) { return many_bytes(n); }
SK_REMOTE(int64_t, sees_much, (sk_array, a)) { return sk_len(a) + sk_read(unsigned char, a)[sk_len(a) - 1]; }

CASE(objects_do_not_count_as_memory_of_a_worker, LIMITED)
{
    const int64_t n = MEMORY + (MEMORY >> 2);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(sees_much, sk_remote(makes_much, n))), n + 3);
    ck_assert_uint_eq(sk_stats().retries, 0);
}

CASE(the_least_memory_is_enough_for_tasks_that_take_none, ISOLATED, .limits_memory = true, .config.workers = 2, .config.worker_memory = 1 << 20)
{
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(sk_take(int64_t, sk_remote(sees_much, sk_remote(makes_much, 1000 * i + 1))), 1000 * i + 4);
}

/* ---- a limit that is none ---- */

static void with_next_to_nothing(void)
{
    start(&(sk_config){ .workers = 1, .worker_memory = 4096 });
    printf("%d\n", (int)sk_get(int64_t, sk_remote(same, 1)));
    stop();
}

CASE(a_limit_below_what_a_worker_needs_is_named, ISOLATED, .by_hand = true)
{
    ending end = run_apart(with_next_to_nothing);
    ck_assert_msg(end.status > 0 && end.status < 1000, "status %d: %s", end.status, end.output);
    CONTAINS(end.output, "worker-memory");
    CONTAINS(end.output, "4096 bytes; give 1M or more");
}

/* ---- the kernel's OOM killer ---- */

/* Nobody can be made to run out of the machine's memory for a test. So the program runs in a mount namespace of its own, where the file in
 * which the kernel counts whom it has killed for want of memory is ours; a task counts itself there, and kills itself. */
static char counter[200];

static void set_count(int n)
{
    FILE *f = fopen(counter, "w");
    if (!f)
        sk_fail("%s cannot be written", counter);
    fprintf(f, "oom_kill_disable 0\nunder_oom 0\noom_kill %d\nlow 0\n", n);
    fclose(f);
}

SK_REMOTE(int64_t, is_killed, (const char *, file), (int, count))
{
    snprintf(counter, sizeof counter, "%s", file);
    if (count)
        set_count(count);
    die_by(BY_KILL);
    return 0;
}

static bool put_over(const char *path) { return access(path, F_OK) == 0 && mount(counter, path, NULL, MS_BIND, NULL) == 0; }

/* Over those of every group that this process is in; see memory.c. */
static bool fake_counters(void)
{
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    bool any = false;
    char line[600], path[800];
    FILE *f = fopen("/proc/self/cgroup", "r");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *names = strchr(line, ':'), *group = names ? strchr(names + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/memory" };
        for (int i = 0; i < 3; i++)
            for (int whole = 0; whole < 2; whole++) {
                snprintf(path, sizeof path, "%s%s/%s", roots[i], whole ? group : "", i < 2 ? "memory.events" : "memory.oom_control");
                any |= put_over(path);
            }
    }
    if (f)
        fclose(f);
    return any || put_over("/proc/vmstat");
}

static const char *file_of_counter;
static int node_of_killed;

static void is_killed_by_the_kernel(void)
{
    snprintf(counter, sizeof counter, "%s", file_of_counter);
    set_count(7);
    if (!fake_counters())
        _exit(77);
    start(&(sk_config){ .workers = 1, .nodes = node_of_killed ? 2 : 0 });
    static const int counts[] = { 0, 8, 0, 9, 10, 0 };      /* 0: it is killed, but not by the kernel */
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        sk_error err = error_of(sk_remote_with(ON_NODE(node_of_killed, .max_retries = SK_ZERO), is_killed, counter, counts[i]));
        printf("%s: %s\n", sk_code_name(err.code), strstr(err.message, "OOM killer") ? "the OOM killer" : err.message);
    }
    stop();
}

static void expect_three_by_the_kernel(void)
{
    file_of_counter = scratch("counter");
    ending end = run_apart(is_killed_by_the_kernel);
    if (end.status == 77) {
        printf("skip: no mount namespace here, so no counter of the kernel's can be ours\n");
        return;
    }
    ck_assert_msg(end.status == 0, "status %d: %s", end.status, end.output);
    ck_assert_msg(count_of(end.output, "WORKER_OOM: the OOM killer\n") == 3, "%s", end.output);
    ck_assert_msg(count_of(end.output, "WORKER_DIED: ") == 3, "%s", end.output);
    const char *first = strstr(end.output, "WORKER_OOM");
    ck_assert(first > strstr(end.output, "WORKER_DIED"));
}

/* Each node compares the counts of its own group, so this is about the tasks of one. */
CASE(a_task_that_the_kernel_kills_for_want_of_memory_has_run_out_of_it, ISOLATED, .by_hand = true) { expect_three_by_the_kernel(); }

CASE(a_task_that_the_kernel_kills_on_another_node_has_run_out_of_memory, ISOLATED | SK_CAN_NODES, .by_hand = true)
{
    node_of_killed = 1;
    expect_three_by_the_kernel();
}
