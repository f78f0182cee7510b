/* test_fiber.c -- fibers: who runs when, what a switch keeps, the pool, and a stack that overflows. */
#include <check.h>
#include <fenv.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backends/fiber.h"

Suite *fiber_suite(void);

static char log_text[200];
static void say(const char *word) { strcat(log_text, word); }

static void begin(void)
{
    log_text[0] = '\0';
    sk_fiber_pool_init(0);
}
static void end(void) { sk_fiber_pool_clear(); }

static void body(void *word)
{
    say(word);
    sk_fiber_switch(NULL);
    say(word);
}

START_TEST(a_fiber_goes_on_where_it_was)
{
    sk_fiber *a = sk_fiber_new(body, "a"), *b = sk_fiber_new(body, "b");
    ck_assert_ptr_null(sk_fiber_self());
    sk_fiber_switch(a);
    sk_fiber_switch(b);
    say("-");
    sk_fiber_switch(a);
    sk_fiber_switch(b);
    ck_assert_str_eq(log_text, "ab-ab");
    ck_assert_uint_eq(sk_fiber_pool_counts().alive, 0);
    ck_assert_uint_eq(sk_fiber_pool_counts().alive_peak, 2);
}
END_TEST

static sk_fiber *other;
static void ends_into_other(void *unused)
{
    (void)unused;
    say("1");
    sk_fiber_switch(other);
    say("3");
    sk_fiber_done(other);
}
static void is_other(void *first)
{
    say("2");
    sk_fiber_switch(*(sk_fiber **)first);
    say("4");
}

START_TEST(fibers_switch_to_each_other)
{
    sk_fiber *first;
    other = sk_fiber_new(is_other, &first);
    first = sk_fiber_new(ends_into_other, NULL);
    sk_fiber_switch(first);
    ck_assert_str_eq(log_text, "1234");
}
END_TEST

/* ---- what a switch keeps ---- */

static void rounds_up(void *unused)
{
    (void)unused;
    fesetround(FE_UPWARD);
    sk_fiber_switch(NULL);
    ck_assert_int_eq(fegetround(), FE_UPWARD);
}

START_TEST(rounding_belongs_to_the_fiber)
{
    sk_fiber *f = sk_fiber_new(rounds_up, NULL);
    sk_fiber_switch(f);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    sk_fiber_switch(f);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
}
END_TEST

static jmp_buf jump;
static int jumps;
__attribute__((noinline)) static void deep(int n)
{
    volatile char frame[500];
    frame[n] = (char)n;
    if (n > 0)
        deep(n - 1);
    else
        sk_fiber_switch(NULL);
    if (n == 0 && jumps < 100)
        longjmp(jump, 1);
    frame[0] = frame[n];
}

static void jumper(void *unused)
{
    (void)unused;
    for (volatile int i = 0; i < 3; i++) {
        jmp_buf mine;
        if (setjmp(mine) == 0) {
            memcpy(&jump, &mine, sizeof jump);
            deep(20);
        }
        jumps++;
    }
}

START_TEST(longjmp_works_within_a_fiber)
{
    jumps = 0;
    sk_fiber *f = sk_fiber_new(jumper, NULL);
    for (int i = 0; i < 4; i++)
        sk_fiber_switch(f);
    ck_assert_int_eq(jumps, 3);
    ck_assert_uint_eq(sk_fiber_pool_counts().alive, 0);
}
END_TEST

/* ---- the pool ---- */

static void waits_once(void *unused)
{
    (void)unused;
    volatile char frame[3000];
    frame[0] = 1;
    sk_fiber_switch(NULL);
    frame[2999] = frame[0];
}

static void waits_deep(void *unused)
{
    (void)unused;
    volatile char frame[30000];
    for (size_t i = 0; i < sizeof frame; i += 1000)
        frame[i] = 1;
    sk_fiber_switch(NULL);
    frame[2999] = frame[0];
}

static void run_bodies(int n, void (*body)(void *))
{
    sk_fiber **f = calloc((size_t)n, sizeof *f);
    for (int i = 0; i < n; i++) {
        ck_assert_ptr_nonnull(f[i] = sk_fiber_new(body, NULL));
        sk_fiber_switch(f[i]);
    }
    ck_assert_uint_eq(sk_fiber_pool_counts().alive, (unsigned)n);
    for (int i = 0; i < n; i++)
        sk_fiber_switch(f[i]);
    ck_assert_uint_eq(sk_fiber_pool_counts().alive, 0);
    free(f);
}

static void run_many(int n) { run_bodies(n, waits_once); }

START_TEST(stacks_are_used_again)
{
    run_many(600);
    ck_assert_uint_eq(sk_fiber_pool_counts().made, 600);
    run_many(600);
    ck_assert_uint_eq(sk_fiber_pool_counts().made, 600);
}
END_TEST

START_TEST(the_pages_of_deep_stacks_go_back_but_for_a_few)
{
    run_bodies(600, waits_deep);
    sk_fiber_counts c = sk_fiber_pool_counts();
    ck_assert_uint_eq(c.made, 600);
    ck_assert_uint_eq(c.warm, 256);
    ck_assert_uint_eq(c.cold, 344);
    run_bodies(600, waits_deep);
    ck_assert_uint_eq(sk_fiber_pool_counts().made, 600);
}
END_TEST

START_TEST(shallow_stacks_stay_warm)
{
    run_many(600);
    ck_assert_uint_eq(sk_fiber_pool_counts().warm, 600);
}
END_TEST

/* Frames that sk_fiber_done leaves behind are nobody's afterwards: AddressSanitizer would object to what the next body finds. */
__attribute__((noinline)) static void leaves(int n)
{
    volatile char frame[300];
    memset((char *)frame, n, sizeof frame);
    if (n == 0 && jumps < 100)
        sk_fiber_done(NULL);
    if (n > 0)
        leaves(n - 1);
    frame[0] = frame[1];
}
static void leaves_frames(void *unused) { leaves(unused ? 1 : 30); }
static void uses_stack(void *unused)
{
    (void)unused;
    volatile char big[20000];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)i;
}

START_TEST(a_stack_that_was_left_in_the_middle_is_as_new)
{
    for (int i = 0; i < 100; i++) {
        sk_fiber_switch(sk_fiber_new(leaves_frames, NULL));
        sk_fiber_switch(sk_fiber_new(uses_stack, NULL));
    }
    ck_assert_uint_eq(sk_fiber_pool_counts().made, 1);
}
END_TEST

START_TEST(clearing_drops_those_that_wait)
{
    sk_fiber_switch(sk_fiber_new(waits_once, NULL));
    sk_fiber_new(waits_once, NULL);
    sk_fiber_pool_clear();
    ck_assert_uint_eq(sk_fiber_pool_counts().made, 0);
    run_many(10);
}
END_TEST

/* ---- overflow ---- */

START_TEST(guards_have_names)
{
    sk_fiber *a = sk_fiber_new(waits_once, NULL), *b = sk_fiber_new(waits_once, NULL);
    size_t size;
    char *low = sk_fiber_stack(b, &size);
    ck_assert_ptr_eq(sk_fiber_guard_hit(low - 1), b);
    ck_assert_ptr_eq(sk_fiber_guard_hit(low - 60000), b);
    ck_assert_ptr_null(sk_fiber_guard_hit(low));
    ck_assert_ptr_null(sk_fiber_guard_hit(NULL));
    ck_assert_ptr_eq(sk_fiber_guard_hit((char *)sk_fiber_stack(a, &size) - 8), a);
    ck_assert_uint_eq(sk_fiber_number(b), 1);
}
END_TEST

static void on_overflow(int sig, siginfo_t *info, void *unused)
{
    (void)sig;
    (void)unused;
    sk_fiber *f = sk_fiber_guard_hit(info->si_addr);
    _exit(f && f == sk_fiber_self() && !strcmp(sk_fiber_arg(f), "endless") ? 42 : 1);
}

__attribute__((noinline)) static int endless(volatile int n)
{
    volatile char frame[1000];
    frame[n % 1000] = 1;
    return n < 0 ? 0 : endless(n + 1) + frame[n % 1000];
}
static void overflows(void *unused) { (void)unused; endless(0); }

START_TEST(an_overflow_names_its_fiber)
{
    pid_t child = fork();
    if (child == 0) {
        static char stack[64 << 10];
        sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof stack }, NULL);
        sigaction(SIGSEGV, &(struct sigaction){ .sa_sigaction = on_overflow, .sa_flags = SA_SIGINFO | SA_ONSTACK }, NULL);
        sk_fiber_switch(sk_fiber_new(overflows, "endless"));
        _exit(2);
    }
    int status;
    waitpid(child, &status, 0);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 42);
}
END_TEST

/* Not a test of speed: prints it, for SK_TEST_SPEED=1. */
static void ping(void *n)
{
    for (int i = 0; i < *(int *)n; i++)
        sk_fiber_switch(NULL);
}
static void nothing(void *unused) { (void)unused; }
static double since(clock_t begin) { return (double)(clock() - begin) / CLOCKS_PER_SEC; }
static long resident_kb(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert(f && fscanf(f, "%*d %ld", &pages) == 1);
    fclose(f);
    return pages * 4;
}

START_TEST(speed)
{
    int rounds = 5000000;
    if (!getenv("SK_TEST_SPEED"))
        return;
    sk_fiber *f = sk_fiber_new(ping, &rounds);
    clock_t start = clock();
    for (int i = 0; i <= rounds; i++)
        sk_fiber_switch(f);
    fprintf(stderr, "fiber: %.1f ns a switch\n", since(start) * 1e9 / rounds / 2);
    start = clock();
    for (int i = 0; i < 1000000; i++)
        sk_fiber_switch(sk_fiber_new(nothing, NULL));
    fprintf(stderr, "fiber: %.1f ns to make, run and end one\n", since(start) * 1e9 / 1e6);
    long before = resident_kb();
    start = clock();
    for (int i = 0; i < 10000; i++)
        sk_fiber_switch(sk_fiber_new(waits_once, NULL));
    fprintf(stderr, "fiber: 10,000 that wait: %.1f ms, %ld KB resident\n", since(start) * 1e3, resident_kb() - before);
}
END_TEST

Suite *fiber_suite(void)
{
    Suite *suite = suite_create("fiber");
    TCase *tests = tcase_create("fiber");
    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_test(tests, a_fiber_goes_on_where_it_was);
    tcase_add_test(tests, fibers_switch_to_each_other);
    tcase_add_test(tests, rounding_belongs_to_the_fiber);
    tcase_add_test(tests, longjmp_works_within_a_fiber);
    tcase_add_test(tests, stacks_are_used_again);
    tcase_add_test(tests, the_pages_of_deep_stacks_go_back_but_for_a_few);
    tcase_add_test(tests, shallow_stacks_stay_warm);
    tcase_add_test(tests, a_stack_that_was_left_in_the_middle_is_as_new);
    tcase_add_test(tests, clearing_drops_those_that_wait);
    tcase_add_test(tests, guards_have_names);
    tcase_add_test(tests, an_overflow_names_its_fiber);
    tcase_add_test(tests, speed);
    suite_add_tcase(suite, tests);
    return suite;
}
