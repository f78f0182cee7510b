/* options.c -- the four ways to give an option, which one wins, and what a wrong one is told. Each body runs in a child. */
#include "conform.h"
#include <stdarg.h>
#include <unistd.h>

static void init_with_line(const sk_config *config, int n, ...)
{
    static char *words[16];
    char **argv = words;
    int argc = 0;
    va_list list;
    va_start(list, n);
    argv[argc++] = "program";
    while (n-- > 0)
        argv[argc++] = va_arg(list, char *);
    argv[argc] = NULL;
    va_end(list);
    sk_config c = config ? *config : (sk_config){ 0 };
    c.backend = c.backend ? c.backend : backend_name();
    sk_init(&argc, &argv, &c);
    printf("argc %d:", argc);
    for (int i = 0; i < argc; i++)
        printf(" %s", argv[i]);
    printf("%s\n", argv[argc] ? " and no NULL" : ".");
    printf("workers %d\n", sk_stats().workers);
    sk_shutdown();
}

#define BAD(sentence, ...) CASE(sentence, .by_hand = true, .dies = 2, .says = { __VA_ARGS__ })

static void expect_output(void (*body)(void), int status, const char *first, const char *second)
{
    ending end = run_apart(body);
    ck_assert_msg(end.status == status, "exit status %d instead of %d; it printed:\n%s", end.status, status, end.output);
    CONTAINS(end.output, first);
    if (second)
        CONTAINS(end.output, second);
}

/* ---- precedence ---- */

static void all_four(void)
{
    setenv("SKATE_WORKERS", "3", 1);
    init_with_line(&(sk_config){ .workers = 4 }, 1, "--sk-workers=2");
}
CASE(the_command_line_comes_first, .by_hand = true) { expect_output(all_four, 0, "workers 2\n", "argc 1: program."); }

static void environment_and_config(void)
{
    setenv("SKATE_WORKERS", "3", 1);
    init_with_line(&(sk_config){ .workers = 4 }, 0);
}
CASE(the_environment_comes_before_the_config, .by_hand = true) { expect_output(environment_and_config, 0, "workers 3\n", NULL); }

static void config_only(void) { init_with_line(&(sk_config){ .workers = 4 }, 0); }
CASE(the_config_comes_before_the_default, .by_hand = true) { expect_output(config_only, 0, "workers 4\n", NULL); }

static void empty_environment(void)
{
    setenv("SKATE_WORKERS", "", 1);
    init_with_line(&(sk_config){ .workers = 4 }, 0);
}
CASE(an_empty_variable_is_like_none, .by_hand = true) { expect_output(empty_environment, 0, "workers 4\n", NULL); }

static void defaults(void)
{
    init_with_line(NULL, 0);
    printf("cores %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
}
CASE(the_default_is_one_worker_per_core_and_on_a_simulated_node_four, .by_hand = true)
{
    ending end = run_apart(defaults);
    int workers = -1;
    long cores = -2;
    ck_assert_int_eq(end.status, 0);
    ck_assert(sscanf(strstr(end.output, "workers "), "workers %d", &workers) == 1);
    ck_assert(sscanf(strstr(end.output, "cores "), "cores %ld", &cores) == 1);
    if (backend_can() & SK_CAN_VIRTUAL_TIME) {
        ck_assert_int_eq(workers, 4);               /* on any machine */
        return;
    }
    ck_assert_int_ge(workers, 1);
    ck_assert_int_le(workers, cores);               /* fewer if the process may not use all cores */
}

/* ---- argv ---- */

static void mixed_arguments(void)
{
    init_with_line(NULL, 6, "-v", "--sk-workers=2", "file.txt", "--sk-seed=9", "--size=3", "last");
}
CASE(options_are_removed_and_the_rest_keeps_its_order, .by_hand = true)
{
    expect_output(mixed_arguments, 0, "argc 5: program -v file.txt --size=3 last.", "workers 2\n");
}

static void backend_by_argument(void)
{
    static char option[4096];
    snprintf(option, sizeof option, "--sk-backend=%s", backend_name());
    init_with_line(&(sk_config){ .backend = "no such backend" }, 2, option, "--sk-workers=2");
}
CASE(the_backend_can_be_chosen_on_the_command_line, .by_hand = true) { expect_output(backend_by_argument, 0, "argc 1: program.", NULL); }

static void backend_by_environment(void)
{
    setenv("SKATE_BACKEND", backend_name(), 1);
    init_with_line(&(sk_config){ .backend = "no such backend" }, 0);
}
CASE(the_backend_can_be_chosen_in_the_environment, .by_hand = true) { expect_output(backend_by_environment, 0, "argc 1: program.", NULL); }

static void without_arguments(void)
{
    sk_init(NULL, NULL, &(sk_config){ .backend = backend_name() });
    printf("it is %g\n", sk_get(double, sk_remote(add, 1, 2)));
    sk_shutdown();
}
CASE(init_takes_no_arguments_at_all, .by_hand = true) { expect_output(without_arguments, 0, "it is 3\n", NULL); }

static void resources_by_argument(void)
{
    int argc = 2;
    char *words[] = { "program", "--sk-resources=gpu=2,licence=0.25", NULL }, **argv = words;
    sk_init(&argc, &argv, &(sk_config){ .backend = backend_name() });
    sk_resource have[4];
    for (size_t i = 0, n = sk_resources(have, 4); i < n; i++)
        printf("%s %g\n", have[i].name, have[i].total);
    sk_shutdown();
}
CASE(resources_can_be_given_on_the_command_line, .by_hand = true) { expect_output(resources_by_argument, 0, "gpu 2\n", "licence 0.25\n"); }

static void runs_twice(void)
{
    for (int i = 0; i < 3; i++) {
        start(NULL);
        printf("run %d: %ld\n", i, (long)sk_get(int64_t, sk_remote(plus, i, 1)));
        stop();
    }
}
CASE(after_shutdown_a_program_can_start_again, .by_hand = true) { expect_output(runs_twice, 0, "run 0: 1\n", "run 2: 3\n"); }

static void asks_for_help(void) { init_with_line(NULL, 1, "--sk-help"); }
CASE(help_lists_the_options_and_ends_well, .by_hand = true)
{
    ending end = run_apart(asks_for_help);
    ck_assert_int_eq(end.status, 0);
    static const char *const options[] = { "backend", "nodes", "workers", "resources", "seed", "store-bytes", "spill-dir", "trace", "gantt" };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        CONTAINS(end.output, options[i]);
    ck_assert(!strstr(end.output, "argc"));
}

static void draws_a_chart(void)
{
    init_with_line(NULL, 1, "--sk-gantt");
}
CASE(gantt_is_an_option_without_a_value, .by_hand = true) { expect_output(draws_a_chart, 0, "argc 1: program.", NULL); }

static void draws_tasks(void)
{
    start(&(sk_config){ .gantt = true });
    sk_ref x = sk_remote(add, 1, 2);
    (void)sk_get(double, x);
    stop();
}
CASE(the_chart_at_the_end_names_the_functions, .by_hand = true) { expect_output(draws_tasks, 0, "add", NULL); }

/* ---- what is wrong is named ---- */

BAD(an_unknown_backend_is_refused_with_the_list, "nonsense", "serial", "threads")
{
    sk_init(NULL, NULL, &(sk_config){ .backend = "nonsense" });
}
BAD(a_module_that_does_not_exist_is_refused, "./no-such-module.so") { sk_init(NULL, NULL, &(sk_config){ .backend = "./no-such-module.so" }); }
BAD(an_unknown_option_is_refused_with_the_list, "--sk-wrokers", "workers") { init_with_line(NULL, 1, "--sk-wrokers=2"); }
BAD(no_workers_are_refused, "workers", "0") { init_with_line(NULL, 1, "--sk-workers=0"); }
BAD(a_negative_number_of_workers_is_refused, "workers", "-1") { init_with_line(NULL, 1, "--sk-workers=-1"); }
BAD(workers_that_are_no_number_are_refused, "workers", "many") { init_with_line(NULL, 1, "--sk-workers=many"); }
BAD(workers_with_something_behind_the_number_are_refused, "workers", "4x") { init_with_line(NULL, 1, "--sk-workers=4x"); }
BAD(too_many_workers_are_refused, "workers", "99999999999") { init_with_line(NULL, 1, "--sk-workers=99999999999"); }
BAD(an_option_without_its_value_is_refused, "--sk-workers") { init_with_line(NULL, 1, "--sk-workers"); }
BAD(a_wrong_environment_is_named, "SKATE_WORKERS", "none") { setenv("SKATE_WORKERS", "none", 1); init_with_line(NULL, 0); }
BAD(a_wrong_backend_in_the_environment_is_named, "nonsense", "threads") { setenv("SKATE_BACKEND", "nonsense", 1); init_with_line(NULL, 0); }
BAD(a_negative_number_of_workers_in_the_config_is_refused, "workers", "-3") { init_with_line(&(sk_config){ .workers = -3 }, 0); }
BAD(resources_without_amounts_are_refused, "gpu") { init_with_line(NULL, 1, "--sk-resources=gpu"); }
BAD(negative_resources_are_refused, "gpu") { init_with_line(NULL, 1, "--sk-resources=gpu=-1"); }
BAD(a_seed_that_is_no_number_is_refused, "seed", "luck") { init_with_line(NULL, 1, "--sk-seed=luck"); }
BAD(a_store_that_is_no_number_is_refused, "store-bytes", "big") { init_with_line(NULL, 1, "--sk-store-bytes=big"); }

static void two_nodes(void)
{
    int argc = 2;
    char *line[] = { "program", "--sk-nodes=2", NULL }, **argv = line;
    sk_init(&argc, &argv, &(sk_config){ .backend = backend_name() });
    printf("there are %zu nodes\n", sk_nodes(NULL, 0));
    sk_shutdown();
}
CASE(two_nodes_are_refused_where_there_is_one, .by_hand = true)
{
    if (backend_can() & SK_CAN_NODES)
        expect_output(two_nodes, 0, "there are 2 nodes", NULL);
    else
        expect_output(two_nodes, 2, "nodes", NULL);
}
