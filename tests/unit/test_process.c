/* test_process.c -- one worker process, without a node: it is begun, talked to, given an arena, listened to, and it dies. The worker is this program
 * again, diverted before main. */
#include "backends/process.h"

#include "apart.h"
#include "backends/memory.h"
#include "backends/shm.h"
#include "failing.h"
#include "fn.h"
#include "skate.h"
#include "wire.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

#define MB ((size_t)1 << 20)

/* ---- in the worker ---- */

SK_REMOTE(int, process_node) { return sk_node(); }

SK_REMOTE(int64_t, process_sum, (sk_buf, b))
{
    int64_t sum = 0;
    for (size_t i = 0; i < b.size; i++)
        sum += ((const unsigned char *)b.data)[i];
    return sum;
}

SK_REMOTE(int, process_prints)
{
    printf("to out\n");
    fprintf(stderr, "to err\n");
    return 0;
}

SK_REMOTE(int, process_exits) { exit(3); }

SK_REMOTE(int, process_closes_out)
{
    printf("the last\n");
    fflush(stdout);
    close(1);
    return 0;
}

/* ---- the other side ---- */

enum { OWNERS = 4, OWN = 1, OTHER = 2 };   /* of arenas */

static sk_shm *store;
static sk_bell *bell;
static int bell_fd, arena_fd;
static sk_process_spec spec;
static sk_process p;
static sk_wire wire;
static sk_error why;
static uint8_t number;                     /* of the last RUN */

static bool channel_write(void *channel, const uint8_t *bytes, size_t size)
{
    (void)channel;
    size_t done = sk_ring_write(&p.to, bytes, size);
    sk_bell_ring(&p.page->bell);
    return done == size;
}

/* A worker that dies meanwhile fails the test: now and then it is looked after. */
static size_t channel_read(void *channel, uint8_t *bytes, size_t room)
{
    (void)channel;
    size_t done;
    while ((done = sk_ring_read(&p.from, bytes, room)) == 0) {
        uint32_t ticket = sk_bell_listen(bell);
        if (!sk_ring_readable(&p.from))
            sk_bell_sleep(bell, ticket, 100000000);
        sk_bell_awake(bell);
        if (!sk_ring_readable(&p.from) && sk_process_reap(&p, false))
            return 0;
    }
    return done;
}

static bool place(void *data, sk_blob *blob, uint64_t *at)
{
    (void)data;
    *at = sk_shm_offset(store, blob);
    return true;
}

static bool open_node(void)
{
    sk_fn_sort();
    store = sk_shm_new(8 * MB, OWNERS, "none", &why);
    if (!store || !sk_shm_add(store, OWN, &why) || !sk_shm_add(store, OTHER, &why))
        return false;
    arena_fd = sk_shm_descriptor(store, OWN, true, &why);
    bell = sk_process_bell_new(&bell_fd, &why);
    spec = (sk_process_spec){ .name = "a worker", .bell = bell_fd, .arena = arena_fd, .node = 7, .owner = OWN, .owners = OWNERS,
                              .stride = sk_shm_stride(store), .large = sk_shm_large(store), .workers = 1, .out = stdout, .err = stderr };
    return arena_fd >= 0 && bell;
}

static void close_node(void)
{
    close(arena_fd);
    sk_process_bell_free(bell, bell_fd);
    sk_shm_free(store);
}

static void begin(void)
{
    ck_assert_msg(sk_process_start(&p, &spec, &why), "%s", why.message);
    sk_wire_init(&wire, -1);
    wire.write = channel_write;
    wire.read = channel_read;
    wire.place = place;
    number = 0;
}

static void end(void)
{
    sk_wire_clear(&wire);
    sk_process_clear(&p);
}

static void hear(sk_msg *m) { ck_assert_msg(sk_wire_receive(&wire, m), "%s", wire.error.message); }

static void hear_hello(void)
{
    sk_msg m;
    hear(&m);
    ck_assert_int_eq(m.type, SK_WIRE_HELLO);
    ck_assert_uint_eq(m.number, SK_WIRE_VERSION);
    ck_assert(m.word == sk_fn_fingerprint());
    sk_msg_clear(&m);
}

static void say(const sk_msg *m)
{
    ck_assert(sk_wire_add(&wire, m));
    ck_assert(sk_wire_flush(&wire));
}

static void order(const sk_fn *fn, const sk_value *in)
{
    sk_msg run = { .type = SK_WIRE_RUN, .number = fn->index, .id = 1, .nvalues = fn->nargs };
    if (in)
        run.values[0] = *in;
    atomic_store(&p.page->gates[++number], SK_GATE_OPEN);
    say(&run);
}

/* Its body, there. */
static int64_t result_of(const sk_fn *fn, const sk_value *in)
{
    sk_msg m;
    order(fn, in);
    hear(&m);
    ck_assert_int_eq(m.type, SK_WIRE_RAN);
    ck_assert_int_eq(m.code, SK_OK);
    ck_assert_uint_eq(m.nvalues, 1);
    int64_t result = m.values[0].i64;
    sk_msg_clear(&m);
    return result;
}

/* It died so; more may follow. */
static void expect_fate(sk_process_kills *kills, sk_code code, const char *words)
{
    char how[1200], want[200];
    ck_assert(sk_process_reap(&p, true));
    ck_assert_int_eq(sk_process_fate(&p, kills, 2, how, sizeof how), code);
    int length = snprintf(want, sizeof want, "its process (%d) %s", (int)p.child.pid, words);
    ck_assert_msg(!strncmp(how, want, (size_t)length), "\"%s\" is not \"%s\"", how, want);
}

/* Lines of /proc/self/maps that are a worker's page, or a bell. */
static int shared_mappings(void)
{
    char line[400];
    int n = 0;
    FILE *f = fopen("/proc/self/maps", "re");
    while (f && fgets(line, sizeof line, f))
        n += strstr(line, "/memfd:skate ") != NULL;
    if (f)
        fclose(f);
    return n;
}

static void setup(void) { ck_assert_msg(open_node(), "%s", why.message); }
static void teardown(void) { close_node(); }

/* ---- its life ---- */

START_TEST(it_says_hello_in_its_ring_and_goes_when_it_is_told_leaving_nothing)
{
    uint64_t files = open_ones();
    int mappings = shared_mappings();
    begin();
    ck_assert_int_eq(shared_mappings(), mappings + 1);
    hear_hello();
    say(&(sk_msg){ .type = SK_WIRE_BYE });
    sk_process_end(&p);
    expect_fate(NULL, SK_WORKER_DIED, "ended with status 0");
    ck_assert(!sk_process_was_killed(&p));
    end();
    ck_assert(open_ones() == files);
    ck_assert_int_eq(shared_mappings(), mappings);
    ck_assert(has_no_children());
}
END_TEST

START_TEST(its_tasks_are_on_its_node)
{
    for (unsigned node = 0; node < 3; node++) {
        spec.node = node;
        begin();
        hear_hello();
        ck_assert_int_eq(result_of(&process_node, NULL), node);
        end();
    }
}
END_TEST

START_TEST(it_reads_what_lies_in_an_arena_that_it_has_been_given)
{
    size_t size = SK_PLACED_MIN;
    sk_blob *blob = sk_shm_alloc(store, OTHER, sizeof *blob + size);
    *blob = (sk_blob){ .refs = 1, .type = SK_T_BUF, .size = size, .sealed = true };
    memset(sk_blob_data(blob), 3, size);
    uint64_t files = open_ones();
    begin();
    hear_hello();
    ck_assert(sk_process_has_arena(&p, OWN));
    ck_assert(!sk_process_has_arena(&p, OTHER));
    uint64_t started = open_ones();
    int fd = sk_shm_descriptor(store, OTHER, false, &why);
    ck_assert(sk_process_give_arena(&p, OTHER, fd));
    close(fd);
    ck_assert(open_ones() == started);
    ck_assert(sk_process_has_arena(&p, OTHER));
    ck_assert(!sk_process_has_arena(&p, 0));
    ck_assert_int_eq(result_of(&process_sum, &(sk_value){ SK_T_BUF, { .blob = blob } }), 3 * (int64_t)size);
    end();
    ck_assert(open_ones() == files);
}
END_TEST

START_TEST(an_arena_that_cannot_be_sent_it_does_not_have)
{
    begin();
    hear_hello();
    ck_assert(!sk_process_give_arena(&p, OTHER, MOST - 1));       /* no such descriptor */
    ck_assert(!sk_process_has_arena(&p, OTHER));
    sk_process_signal(&p, SIGKILL);
    expect_fate(NULL, SK_WORKER_DIED, "was killed");
    int fd = sk_shm_descriptor(store, OTHER, false, &why);
    ck_assert(!sk_process_give_arena(&p, OTHER, fd));             /* nobody is there */
    ck_assert(!sk_process_has_arena(&p, OTHER));
    close(fd);
    end();
}
END_TEST

/* ---- what it prints ---- */

static char *printed[2];
static size_t printed_size[2];

static void print_to_memory(bool labels)
{
    spec.out = open_memstream(&printed[0], &printed_size[0]);
    spec.err = open_memstream(&printed[1], &printed_size[1]);
    spec.labels = labels;
    ck_assert(spec.out && spec.err);
}

static void forget_printed(void)
{
    fclose(spec.out);
    fclose(spec.err);
    free(printed[0]);
    free(printed[1]);
}

/* All of it. NAME stands for "NAME pid=NUMBER node=7": that is where these run (spec). */
static void expect_printed(int which, const char *words, const char *name)
{
    char want[200];
    fflush(which ? spec.err : spec.out);
    if (name)
        snprintf(want, sizeof want, "(%s pid=%d node=7) %s", name, (int)p.child.pid, words);
    else
        snprintf(want, sizeof want, "%s", words);
    ck_assert_str_eq(printed[which], want);
}

START_TEST(what_it_prints_passes_with_the_task_as_its_label_or_without)
{
    for (int labels = 0; labels < 2; labels++) {
        print_to_memory(labels);
        begin();
        hear_hello();
        sk_process_drain(&p);
        expect_printed(0, "", NULL);
        result_of(&process_prints, NULL);
        sk_process_drain(&p);
        expect_printed(0, "to out\n", labels ? "process_prints" : NULL);
        expect_printed(1, "to err\n", labels ? "process_prints" : NULL);
        end();
        forget_printed();
    }
}
END_TEST

START_TEST(a_pipe_that_its_body_has_closed_is_closed_here_too)
{
    print_to_memory(false);
    begin();
    hear_hello();
    result_of(&process_closes_out, NULL);
    ck_assert_int_ge(p.child.out, 3);
    sk_process_drain(&p);
    ck_assert_int_eq(p.child.out, -1);
    ck_assert_int_ge(p.child.err, 3);
    expect_printed(0, "the last\n", NULL);
    sk_process_drain(&p);
    end();
    forget_printed();
}
END_TEST

START_TEST(what_it_printed_before_it_died_passes_when_it_is_cleared_even_half_a_line)
{
    print_to_memory(false);
    begin();
    hear_hello();
    sk_lines_feed(&p.out, "half", 4);
    sk_process_drain(&p);
    expect_printed(0, "", NULL);
    sk_process_clear(&p);
    expect_printed(0, "half", NULL);
    end();
    forget_printed();
}
END_TEST

/* As a daemon does that sends its bytes elsewhere: there they become the same lines. */
START_TEST(its_pipes_may_be_read_by_the_caller_and_fed_elsewhere)
{
    print_to_memory(true);
    FILE *to = spec.out, *err = spec.err;
    spec.out = spec.err = NULL;
    begin();
    spec.out = to;
    spec.err = err;
    hear_hello();
    result_of(&process_prints, NULL);
    sk_process_drain(&p);                  /* leaves them alone */
    sk_lines lines;
    sk_lines_init(&lines, to, "(somebody) ");
    char bytes[500];
    ssize_t got = read(p.child.out, bytes, sizeof bytes);
    ck_assert_int_gt(got, 0);
    for (ssize_t i = 0; i < got; i++)
        sk_lines_feed(&lines, bytes + i, 1);
    expect_printed(0, "to out\n", "process_prints");
    sk_lines_clear(&lines);
    end();
    forget_printed();
}
END_TEST

/* ---- what it died of ---- */

START_TEST(its_death_is_told_in_words)
{
    static const struct { int sig; bool killed; const char *words; } deaths[] = {
        { SIGKILL, true, "was killed by signal 9 (Killed)" }, { SIGTERM, false, "was killed by signal 15 (Terminated)" } };
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) {
        begin();
        hear_hello();
        sk_process_signal(&p, deaths[i].sig);
        expect_fate(NULL, SK_WORKER_DIED, deaths[i].words);
        ck_assert(sk_process_was_killed(&p) == deaths[i].killed);
        end();
    }
    begin();
    hear_hello();
    order(&process_exits, NULL);
    expect_fate(NULL, SK_WORKER_DIED, "called exit(3)");
    end();
}
END_TEST

START_TEST(its_last_words_are_told_wherever_they_end_and_whether_it_was_want_of_memory)
{
    begin();
    hear_hello();
    sk_process_signal(&p, SIGTERM);
    ck_assert(sk_process_reap(&p, true));
    strcpy(p.page->last_words, "it was told to");
    expect_fate(NULL, SK_WORKER_DIED, "was killed by signal 15 (Terminated): it was told to");
    p.page->out_of_memory = 1;
    expect_fate(NULL, SK_WORKER_OOM, "was killed by signal 15 (Terminated): it was told to");
    memset(p.page->last_words, 'x', sizeof p.page->last_words);   /* it may write there what it likes */
    char how[2000];
    ck_assert_int_eq(sk_process_fate(&p, NULL, 1, how, sizeof how), SK_WORKER_OOM);
    ck_assert_uint_eq(strspn(strchr(how, 'x'), "x"), sizeof p.page->last_words - 1);
    end();
}
END_TEST

/* That the kernel has killed someone is shown by knowing of fewer kills than there were. */
START_TEST(a_kill_of_the_kernels_is_taken_by_one_death_that_is_not_our_doing)
{
    static const char oom[] = "by the kernel's OOM killer";
    int64_t now = sk_memory_kills("");
    char how[1200];
    sk_process_kills kills, ours;
    sk_process_kills_init(&kills);
    ck_assert_int_eq(kills.known, now);
    begin();
    hear_hello();
    sk_process_signal(&p, SIGKILL);
    expect_fate(&kills, SK_WORKER_DIED, "was killed by signal 9 (Killed)");       /* there is no new one */
    kills.known = now - 1;
    ours = kills;
    ck_assert_int_eq(sk_process_fate(&p, NULL, 2, how, sizeof how), SK_WORKER_DIED);
    ck_assert_int_eq(kills.known, ours.known);
    if (now >= 0) {
        ck_assert_int_eq(sk_process_fate(&p, &kills, 2, how, sizeof how), SK_WORKER_OOM);
        ck_assert_ptr_nonnull(strstr(how, oom));
        ck_assert_int_eq(kills.known, now);
        p.page->last_words[0] = '\0';
        ck_assert_int_eq(sk_process_fate(&p, &kills, 2, how, sizeof how), SK_WORKER_DIED);
        kills.known = now - 10;            /* eight of them were nobody of ours */
        ck_assert_int_eq(sk_process_fate(&p, &kills, 2, how, sizeof how), SK_WORKER_OOM);
        ck_assert_int_eq(kills.known, now - 2);
    }
    end();
    begin();
    hear_hello();
    sk_process_signal(&p, SIGTERM);        /* that is not how the kernel does it */
    kills.known = now - 1;
    expect_fate(&kills, SK_WORKER_DIED, "was killed by signal 15 (Terminated)");
    ck_assert_int_eq(kills.known, now - 1);
    end();
}
END_TEST

START_TEST(one_that_does_not_go_is_made_to)
{
    begin();
    hear_hello();
    sk_process_signal(&p, SIGSTOP);
    say(&(sk_msg){ .type = SK_WIRE_BYE });
    sk_process_end(&p);
    ck_assert(sk_process_was_killed(&p));
    end();
    ck_assert(has_no_children());
}
END_TEST

START_TEST(clearing_a_running_one_ends_it_and_leaves_nothing)
{
    uint64_t files = open_ones();
    int mappings = shared_mappings();
    begin();
    sk_process never = SK_PROCESS_NONE, zeros = { 0 };
    sk_process_clear(&p);
    sk_process_clear(&p);
    sk_process_clear(&never);
    sk_process_clear(&zeros);
    sk_process_drain(&p);
    ck_assert_int_eq(p.control, -1);
    ck_assert_ptr_null(p.page);
    ck_assert(has_no_children());
    ck_assert(open_ones() == files);
    ck_assert_int_eq(shared_mappings(), mappings);
    end();
}
END_TEST

/* ---- where it does not start ---- */

static char wrong[1200];
static uint64_t files_before;
static int mappings_before;

/* What is wrong after a start that should have failed with these words; NULL: nothing. */
static const char *after_failure(bool started, const char *words)
{
    if (started)
        return "it was started";
    if (!strstr(why.message, words))
        snprintf(wrong, sizeof wrong, "\"%s\" does not say \"%s\"", why.message, words);
    else if (p.page || p.control != -1 || p.arenas || p.child.pid || p.child.out != -1 || p.child.err != -1 || p.child.pidfd != -1)
        return "the process is not SK_PROCESS_NONE";
    else if (open_ones() != files_before || shared_mappings() != mappings_before || !has_no_children())
        return "something is left";
    return *wrong ? wrong : NULL;
}

static bool open_apart(void)
{
    bool ok = open_node();
    files_before = open_ones();
    mappings_before = shared_mappings();
    return ok;
}

static const char *at_the_limit_of_descriptors(void)
{
    const char *bad;
    int failures = 0;
    for (rlim_t limit = open_apart() ? 3 : 0;; limit++) {
        struct rlimit old, new;
        getrlimit(RLIMIT_NOFILE, &old);
        new = old;
        new.rlim_cur = limit;
        setrlimit(RLIMIT_NOFILE, &new);
        bool started = sk_process_start(&p, &spec, &why);
        setrlimit(RLIMIT_NOFILE, &old);
        if (started)
            break;
        if ((bad = after_failure(started, "ulimit -n")))
            return bad;
        failures++;
    }
    sk_process_clear(&p);
    return failures < 8 ? "there were hardly any failures" : open_ones() != files_before || !has_no_children() ? "something is left" : "";
}

START_TEST(at_the_limit_of_descriptors_nothing_is_left_whichever_it_is) { apart(at_the_limit_of_descriptors); }
END_TEST

/* One system call fails, in a process of its own; the words, and whether there can be a bell. */
static int call, argument;
static uint32_t value;
static const char *words;
static bool has_bell;

static const char *with_a_call_that_fails(void)
{
    if (!open_apart())
        return why.message;
    fails(call, EPERM, argument, value);
    const char *bad = after_failure(sk_process_start(&p, &spec, &why), words);
    if (bad)
        return bad;
    int fd;
    sk_bell *another = sk_process_bell_new(&fd, &why);
    if (!another != !has_bell)
        return "the bell";
    if (!another && !strstr(why.message, words))
        return why.message;
    sk_process_bell_free(another, fd);
    return open_ones() == files_before && shared_mappings() == mappings_before ? "" : "something of the bell is left";
}

START_TEST(each_call_that_fails_is_named_and_nothing_is_left)
{
    static const struct { int call, argument; uint32_t value; const char *words; bool has_bell; } calls[] = {
        { SYS_memfd_create, -1, 0, "memory to share with a worker: memfd_create: Operation not permitted", false },
        { SYS_ftruncate, -1, 0, "memory to share with a worker: ftruncate: Operation not permitted", false },
        { SYS_mmap, 3, MAP_SHARED, "memory to share with a worker: mmap: Operation not permitted", false },
        { SYS_socketpair, -1, 0, "a socket to a worker: Operation not permitted", true },
        { SYS_pipe2, -1, 0, "a pipe for its stdout: Operation not permitted", true },
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        call = calls[i].call;
        argument = calls[i].argument;
        value = calls[i].value;
        words = calls[i].words;
        has_bell = calls[i].has_bell;
        apart(with_a_call_that_fails);
    }
}
END_TEST

START_TEST(a_program_that_is_not_there_and_a_bell_that_is_none_are_named)
{
    files_before = open_ones();
    mappings_before = shared_mappings();
    spec.path = "/nowhere/at/all";
    const char *bad = after_failure(sk_process_start(&p, &spec, &why), "process \"a worker\" cannot be started: /nowhere/at/all: No such file");
    ck_assert_msg(!bad, "%s", bad);
    spec.path = NULL;
    spec.bell = MOST - 1;
    bad = after_failure(sk_process_start(&p, &spec, &why), "a descriptor it inherits: Bad file descriptor");
    ck_assert_msg(!bad, "%s", bad);
    sk_process_clear(&p);
}
END_TEST

Suite *process_suite(void)
{
    Suite *suite = suite_create("process");
    TCase *tests = tcase_create("process"), *apart = tcase_create("process, apart");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, it_says_hello_in_its_ring_and_goes_when_it_is_told_leaving_nothing);
    tcase_add_test(tests, its_tasks_are_on_its_node);
    tcase_add_test(tests, it_reads_what_lies_in_an_arena_that_it_has_been_given);
    tcase_add_test(tests, an_arena_that_cannot_be_sent_it_does_not_have);
    tcase_add_test(tests, what_it_prints_passes_with_the_task_as_its_label_or_without);
    tcase_add_test(tests, a_pipe_that_its_body_has_closed_is_closed_here_too);
    tcase_add_test(tests, what_it_printed_before_it_died_passes_when_it_is_cleared_even_half_a_line);
    tcase_add_test(tests, its_pipes_may_be_read_by_the_caller_and_fed_elsewhere);
    tcase_add_test(tests, its_death_is_told_in_words);
    tcase_add_test(tests, its_last_words_are_told_wherever_they_end_and_whether_it_was_want_of_memory);
    tcase_add_test(tests, a_kill_of_the_kernels_is_taken_by_one_death_that_is_not_our_doing);
    tcase_add_test(tests, one_that_does_not_go_is_made_to);
    tcase_add_test(tests, clearing_a_running_one_ends_it_and_leaves_nothing);
    tcase_add_test(tests, a_program_that_is_not_there_and_a_bell_that_is_none_are_named);
    tcase_add_test(apart, at_the_limit_of_descriptors_nothing_is_left_whichever_it_is);
    tcase_add_test(apart, each_call_that_fails_is_named_and_nothing_is_left);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, apart);
    return suite;
}
