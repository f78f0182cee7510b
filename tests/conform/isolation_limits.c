/* isolation_limits.c -- a store that is too small, few descriptors, no processes, a driver without descriptors 0-2. */
#include "isolation.h"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* ---- a store that is too small ---- */

SK_REMOTE(sk_array, of_bytes, (int64_t, n))
{
    sk_array a = sk_new_array(SK_U8, n);
    memset(sk_write(unsigned char, a), 3, (size_t)n);
    return a;
}

SK_REMOTE(int64_t, sums_bytes, (sk_array, a))
{
    int64_t sum = 0;
    for (int64_t i = 0; i < sk_len(a); i++)
        sum += sk_read(unsigned char, a)[i];
    return sum;
}

CASE(an_object_larger_than_the_store_is_store_full_and_the_program_goes_on, ISOLATED, .config.store_bytes = 1 << 20)
{
    sk_error err = FAILS(sk_remote(of_bytes, 4 << 20), SK_STORE_FULL);
    CONTAINS(err.message, "4194304");
    CONTAINS(err.message, "1048576");
    ck_assert_int_eq(sk_get(int64_t, sk_remote(sums_bytes, sk_remote(of_bytes, 100000))), 300000);
    ck_assert_uint_eq(sk_stats().retries, 0);
}

CASE(a_store_smaller_than_a_page_holds_what_travels, ISOLATED, .config.store_bytes = 1000)
{
    ck_assert_int_eq(sk_get(int64_t, sk_remote(plus, 1, 2)), 3);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(sums_bytes, sk_remote(of_bytes, 100))), 300);
    (void)FAILS(sk_remote(of_bytes, 100000), SK_STORE_FULL);
    (void)FAILS(sk_remote(of_bytes, 10000), SK_STORE_FULL);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(plus, 1, 2)), 3);
}

/* ---- descriptors ---- */

static void use_all(void)
{
    start(&(sk_config){ .workers = 2 });
    int64_t sum = 0;
    for (int i = 0; i < 20; i++)
        sum += sk_take(int64_t, sk_remote(sums_bytes, sk_remote(of_bytes, 100000 + i)));
    printf("sum %ld\n", (long)sum);
    sk_error err;
    int64_t answer;
    sk_ref gate = sk_promise(), held[30];
    for (int i = 0; i < 30; i++)               /* each blocked one wants a process of its own */
        held[i] = sk_remote(hold, sk_list_of(&gate, 1));
    sk_fulfil(gate, 1);
    for (int i = 0; i < 30; i++)
        if (!sk_try_get(held[i], &answer, SK_FOREVER, &err) && err.code != SK_LIMIT)
            printf("%s: %s\n", sk_code_name(err.code), err.message);
    printf("done\n");
    stop();
}

static void with_descriptors(int descriptors)
{
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ (rlim_t)descriptors, (rlim_t)descriptors });
    use_all();
}
static void with_64(void) { with_descriptors(64); }
static void with_12(void) { with_descriptors(12); }
static void with_16(void) { with_descriptors(16); }
static void with_24(void) { with_descriptors(24); }

CASE(sixty_four_descriptors_are_enough_for_two_workers, ISOLATED, .by_hand = true)
{
    ending end = run_apart(with_64);
    ck_assert_msg(end.status == 0, "status %d: %s", end.status, end.output);
    CONTAINS(end.output, "sum 6000570\n");
    ck_assert_msg(strstr(end.output, "done\n"), "%s", end.output);
    ck_assert_ptr_null(strstr(end.output, "SK_"));
}

/* Too few: says so, with the way out, or manages. */
static void says_or_manages(const ending *end, const char *words)
{
    if (end->status == 0) {
        CONTAINS(end->output, "done\n");
    } else {
        ck_assert_msg(end->status < 1000, "killed, %d: %s", end->status, end->output);
        ck_assert_msg(contains_any_case(end->output, words), "%s", end->output);
    }
}

CASE(too_few_descriptors_are_named, ISOLATED, .by_hand = true)
{
    ending end = run_apart(with_12);
    ck_assert_int_ne(end.status, 0);
    says_or_manages(&end, "ulimit -n");
    end = run_apart(with_16);
    says_or_manages(&end, "ulimit -n");
    end = run_apart(with_24);
    says_or_manages(&end, "ulimit -n");
}

/* ---- sizes of files, addresses ---- */

/* Shared memory is a file to the kernel, and one that is too large would be a signal that ends the program (SIGXFSZ). */
static void with_small_files(void)
{
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 100000, 100000 });
    use_all();
}

CASE(a_limit_of_the_size_of_files_is_named, ISOLATED, .by_hand = true)
{
    ending end = run_apart(with_small_files);
    ck_assert_msg(end.status == 2, "status %d: %s", end.status, end.output);
    CONTAINS(end.output, "the limit is 100000 bytes a file: raise it (ulimit -f), or ask for less with --sk-store-bytes");
}

static void with_few_addresses(void)
{
    setrlimit(RLIMIT_AS, &(struct rlimit){ 300000000, 300000000 });
    use_all();
}

CASE(a_limit_of_addresses_is_named, ISOLATED, .limits_memory = true, .by_hand = true)
{
    ending end = run_apart(with_few_addresses);
    ck_assert_msg(end.status == 2, "status %d: %s", end.status, end.output);
    CONTAINS(end.output, "raise it (ulimit -v), or ask for less with --sk-store-bytes");
}

/* Enough for the node and not for many workers: fewer take over from blocked ones, or it says so; answers are right. Each node has addresses for
 * what the workers of all make. */
static void with_some_addresses(void)
{
    rlim_t most = 1000000000 * conform_nodes();
    setrlimit(RLIMIT_AS, &(struct rlimit){ most, most });
    setenv("SKATE_STORE_BYTES", "8M", 1);
    use_all();
}

CASE(few_addresses_and_a_small_store_are_enough_for_two_workers, ISOLATED, .limits_memory = true, .by_hand = true)
{
    ending end = run_apart(with_some_addresses);
    ck_assert_msg(end.status == 0, "status %d: %s", end.status, end.output);
    CONTAINS(end.output, "sum 6000570\n");
    ck_assert_msg(strstr(end.output, "done\n"), "%s", end.output);
    ck_assert_ptr_null(strstr(end.output, "SK_"));
}

/* ---- processes ---- */

static void with_no_process_more(void)
{
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
        _exit(77);
    prctl(PR_SET_DUMPABLE, 1);                 /* else /proc/self/exe is not ours any more */
    setrlimit(RLIMIT_NPROC, &(struct rlimit){ 0, 0 });
    use_all();
}

CASE(a_limit_of_processes_is_named, ISOLATED, .by_hand = true)
{
    ending end = run_apart(with_no_process_more);
    ck_assert_msg(end.status > 0 && end.status < 1000, "status %d: %s", end.status, end.output);
    ck_assert_msg(strstr(end.output, "ulimit -u") || strstr(end.output, "thread"), "%s", end.output);
}

/* ---- a driver without descriptors 0-2 ---- */

SK_REMOTE(int64_t, prints_and_says)
{
    printf("a line that goes nowhere\n");
    fprintf(stderr, "and another\n");
    fflush(stdout);
    return 5;
}

static bool is_shared_memory(int fd)
{
    char path[40], target[200] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, target, sizeof target - 1) > 0 && strstr(target, "memfd");
}

static void without_0_to_2(void)
{
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    start(&(sk_config){ .workers = 2 });
    for (int fd = 0; fd < 3; fd++)
        if (is_shared_memory(fd))
            _exit(10 + fd);
    for (int i = 0; i < 20; i++) {
        printf("neither does this\n");
        fflush(stdout);
        if (sk_take(int64_t, sk_remote(prints_and_says)) != 5)
            _exit(20);
    }
    if (sk_take(int64_t, sk_remote(sums_bytes, sk_remote(of_bytes, 100000))) != 300000)
        _exit(21);
    stop();
    _exit(5);
}

CASE(a_driver_may_start_with_descriptors_0_to_2_closed, ISOLATED, .by_hand = true)
{
    ck_assert_int_eq(run_apart(without_0_to_2).status, 5);
}

/* What the program opens after that is its stdout, and gets what is printed; nothing else of ours may land there. */
static const char *opened_as_stdout;

static void closes_0_to_2_later(void)
{
    start(&(sk_config){ .workers = 2 });
    if (sk_take(int64_t, sk_remote(prints_and_says)) != 5)
        _exit(20);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    if (open("/dev/null", O_RDONLY) != 0 || open(opened_as_stdout, O_WRONLY | O_CREAT, 0600) != 1)
        _exit(21);
    for (int i = 0; i < 20; i++)
        if (sk_take(int64_t, sk_remote(prints_and_says)) != 5)
            _exit(22);
    sk_error err = error_of(sk_remote_with(SK_OPTS(.max_retries = SK_ZERO), dies_at_first, scratch("attempts"), 9, BY_KILL));
    if (err.code != SK_WORKER_DIED || sk_take(int64_t, sk_remote(prints_and_says)) != 5)      /* by a process that starts without a stderr here */
        _exit(23);
    stop();
    fflush(stdout);
    _exit(5);
}

CASE(a_driver_may_close_descriptors_0_to_2_while_it_runs, ISOLATED, .by_hand = true)
{
    opened_as_stdout = scratch("stdout");
    ck_assert_int_eq(run_apart(closes_0_to_2_later).status, 5);
    FILE *f = fopen(opened_as_stdout, "r");
    ck_assert_ptr_nonnull(f);
    char line[200];
    int lines = 0;
    while (fgets(line, sizeof line, f)) {
        ck_assert_str_eq(line, "a line that goes nowhere\n");
        lines++;
    }
    fclose(f);
    ck_assert_int_eq(lines, 21);
}

/* ---- a driver whose reader has gone ---- */

static void into_a_broken_pipe(void)
{
    int ends[2];
    ck_assert(pipe(ends) == 0);
    close(ends[0]);
    int out = dup(1);
    dup2(ends[1], 1);
    start(&(sk_config){ .workers = 2 });
    for (int i = 0; i < 20; i++)
        if (sk_take(int64_t, sk_remote(prints_and_says)) != 5)
            _exit(20);
    stop();
    dup2(out, 1);
    _exit(5);
}

/* As with any program: SIGPIPE ends it, if it prints, by itself or through its tasks; it does not hang, and nothing of it stays. */
CASE(a_driver_that_prints_into_a_broken_pipe_ends_or_goes_on, ISOLATED, .by_hand = true)
{
    int status = run_apart(into_a_broken_pipe).status;
    ck_assert_msg(status == 5 || status == 1000 + SIGPIPE, "status %d", status);
}

/* A driver that does not want the signal goes on, and so do its tasks, to whom the pipe is none of their business. */
static void into_a_broken_pipe_without_a_signal(void)
{
    int ends[2];
    ck_assert(pipe(ends) == 0);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    start(&(sk_config){ .workers = 2 });
    for (int i = 0; i < 200; i++)
        if (sk_take(int64_t, sk_remote(prints_and_says)) != 5)
            _exit(20);
    if (sk_stats().retries)
        _exit(21);
    stop();
    _exit(5);
}

CASE(a_driver_that_ignores_broken_pipes_goes_on_without_its_readers, ISOLATED, .by_hand = true)
{
    ck_assert_int_eq(run_apart(into_a_broken_pipe_without_a_signal).status, 5);
}
