/* misuse.c -- what must not be done ends the program with exit status 2 and a message that names the student's file and line.
 * The frame runs each body in a child process, and looks for "misuse.c:LINE" of the statement in WRONG. */
#include "conform.h"
#include <pthread.h>

static const sk_ref garbage = { 0x123456789abcdef };

#define MISUSE(sentence, ...) CASE(sentence, .dies = 2, .says = { __VA_ARGS__ })

/* ---- refs ---- */

MISUSE(a_dropped_ref_cannot_be_got, "sk_get", "used after sk_drop") { sk_ref x = sk_put(1); sk_drop(x); WRONG(sk_get(int, x)); }
MISUSE(a_dropped_ref_cannot_be_taken, "used after sk_drop") { sk_ref x = sk_put(1); sk_drop(x); WRONG(sk_take(int, x)); }
MISUSE(a_taken_ref_cannot_be_got, "used after") { sk_ref x = sk_put(1); (void)sk_take(int, x); WRONG(sk_get(int, x)); }
MISUSE(a_dropped_ref_cannot_be_waited_for, "used after sk_drop") { sk_ref x = sk_put(1); sk_drop(x); WRONG(sk_wait(&x, 1, 1, 0)); }
MISUSE(a_dropped_ref_cannot_be_an_argument, "used after sk_drop") { sk_ref x = sk_put(1); sk_drop(x); WRONG(sk_remote(same, x)); }
MISUSE(a_dropped_ref_cannot_be_duplicated, "used after sk_drop") { sk_ref x = sk_put(1); sk_drop(x); WRONG(sk_dup(x)); }
MISUSE(a_dropped_ref_cannot_be_cancelled, "used after sk_drop") { sk_ref x = sk_put(1); sk_drop(x); WRONG(sk_cancel(x, 0)); }
MISUSE(a_ref_cannot_be_dropped_twice, "sk_drop") { sk_ref x = sk_put(1); sk_drop(x); WRONG(sk_drop(x)); }
MISUSE(a_dropped_ref_cannot_be_put_in_a_list, "used after sk_drop") { sk_ref x = sk_put(1); sk_drop(x); WRONG(sk_put(sk_list_of(&x, 1))); }

MISUSE(a_ref_is_gone_after_its_scope, "used after")
{
    sk_ref x = { 0 };
    sk_scope { x = sk_put(1); }
    WRONG(sk_get(int, x));
}

MISUSE(a_dropped_ref_is_gone_even_if_a_pending_task_still_needs_the_object, "used after sk_drop")
{
    sk_ref gate = sk_promise(), x = sk_put((const char *)"text");
    sk_remote(join, x, gate);
    sk_drop(x);
    WRONG(sk_get(const char *, x));
}

MISUSE(a_recycled_record_does_not_revive_an_old_ref, "used after sk_drop")
{
    sk_ref old = sk_put(1);
    sk_drop(old);
    for (int i = 0; i < 1000; i++)
        sk_put(i);                  /* one of them takes its place */
    WRONG(sk_get(int, old));
}

MISUSE(no_ref_at_all_cannot_be_got, "never made") { WRONG(sk_get(int, (sk_ref){ 0 })); }
MISUSE(garbage_cannot_be_got, "never made") { WRONG(sk_get(int, garbage)); }
MISUSE(garbage_cannot_be_an_argument, "never made") { WRONG(sk_remote(same, garbage)); }
MISUSE(garbage_cannot_be_dropped, "never made") { WRONG(sk_drop(garbage)); }
MISUSE(garbage_cannot_be_waited_for, "never made") { sk_ref x = garbage; WRONG(sk_wait(&x, 1, 1, 0)); }
MISUSE(garbage_cannot_be_duplicated, "never made") { WRONG(sk_dup(garbage)); }

MISUSE(a_ref_inside_a_list_belongs_to_the_list, "sk_drop")
{
    sk_ref x = sk_put(1), list = sk_put(sk_list_of(&x, 1));
    sk_drop(x);
    sk_list back = sk_get(sk_list, list);
    WRONG(sk_drop(back.refs[0]));
}

SK_REMOTE(int64_t, drops_its_argument, (sk_ref, x)) { WRONG(sk_drop(x)); return 0; }
MISUSE(a_task_cannot_drop_the_ref_it_was_given, "sk_drop") { (void)sk_get(int64_t, sk_remote(drops_its_argument, sk_put(1))); }

SK_REMOTE(int64_t, uses_after_drop, (int, n)) { sk_ref x = sk_put(n); sk_drop(x); WRONG(return sk_get(int, x)); }
MISUSE(misuse_in_a_task_ends_the_program_too, "used after sk_drop") { (void)sk_get(int64_t, sk_remote(uses_after_drop, 1)); }

/* ---- arguments ---- */

SK_REMOTE(uint64_t, size_of_buf, (sk_buf, in)) { return in.size; }

MISUSE(a_null_buffer_with_a_size_cannot_be_put, "sk_put") { sk_buf buf = { NULL, 8, NULL }; WRONG(sk_put(buf)); }
MISUSE(a_null_buffer_with_a_size_cannot_be_passed, "size is not 0") { sk_buf buf = { NULL, 8, NULL }; WRONG(sk_remote(size_of_buf, buf)); }
MISUSE(a_null_string_cannot_be_put, "sk_put") { WRONG(sk_put((const char *)NULL)); }
MISUSE(a_null_list_with_a_length_cannot_be_put, "sk_put") { WRONG(sk_put(sk_list_of((sk_ref *)NULL, 3))); }
MISUSE(duplicates_in_wait_are_misuse, "sk_wait", "twice") { sk_ref x = sk_put(1), refs[2] = { x, x }; WRONG(sk_wait(refs, 2, 1, 0)); }
MISUSE(waiting_for_0_is_misuse, "num_returns") { sk_ref x = sk_put(1); WRONG(sk_wait(&x, 1, 0, 0)); }
MISUSE(waiting_for_more_than_there_are_is_misuse, "num_returns", "2") { sk_ref x = sk_put(1); WRONG(sk_wait(&x, 1, 2, 0)); }
MISUSE(a_negative_timeout_is_misuse, "timeout", "-1") { sk_ref x = sk_put(1); WRONG(sk_wait(&x, 1, 1, -1)); }
MISUSE(a_negative_timeout_of_try_get_all_without_an_err_ends_the_program, "sk_try_get_all", "timeout", "-2") { int v; sk_ref x = sk_put(1); WRONG(sk_try_get_all(&x, 1, &v, -2, NULL)); }
MISUSE(misuse_of_try_wait_without_an_err_ends_the_program, "sk_try_wait", "num_returns") { sk_ref x = sk_put(1); size_t n; WRONG(sk_try_wait(&x, 1, 2, 0, &n, NULL)); }
MISUSE(a_negative_timeout_of_a_waiter_is_misuse, "sk_waiter_next", "-1") { sk_ref x = sk_put(1), y; sk_waiter *w = sk_waiter_new(&x, 1); WRONG(sk_waiter_next(w, &y, -1)); }
MISUSE(try_get_of_a_dropped_ref_ends_the_program, "used after sk_drop") { int v; sk_error e; sk_ref x = sk_put(1); sk_drop(x); WRONG(sk_try_get(x, &v, 0, &e)); }
MISUSE(a_negative_timeout_of_try_get_without_an_err_ends_the_program, "sk_try_get", "timeout", "-0.5") { int v; sk_ref x = sk_put(1); WRONG(sk_try_get(x, &v, -0.5, NULL)); }
MISUSE(reducing_none_is_misuse, "sk_reduce") { sk_ref x = sk_put(1); WRONG(sk_reduce(plus, &x, 0)); }
MISUSE(reducing_with_a_function_of_one_argument_is_misuse, "same") { sk_ref x[2] = { sk_put(1), sk_put(2) }; WRONG(sk_reduce(same, x, 2)); }
MISUSE(mapping_with_a_function_of_two_arguments_is_misuse, "plus") { sk_ref x = sk_put(1), y; WRONG(sk_map(plus, &x, 1, &y)); }
MISUSE(a_negative_sleep_is_misuse, "sk_sleep") { WRONG(sk_sleep(-1)); }
MISUSE(a_negative_amount_of_work_is_misuse, "sk_compute") { WRONG(sk_compute(-1)); }
MISUSE(a_function_called_at_run_time_with_too_few_arguments_is_misuse, "plus", "2") { const sk_fn *f = &plus; WRONG(sk_remote_fn(f, 1)); }
MISUSE(a_function_called_at_run_time_with_a_wrong_type_is_misuse, "plus", "argument 2") { const sk_fn *f = &plus; WRONG(sk_remote_fn(f, 1, "two")); }
MISUSE(five_dimensions_are_misuse, "dimension") { WRONG(sk_new_array(SK_U8, 1, 1, 1, 1, 1)); }
MISUSE(a_negative_dimension_is_misuse, "-3") { WRONG(sk_new_array(SK_U8, 2, -3)); }
MISUSE(fulfilling_twice_is_misuse, "sk_fulfil") { sk_ref x = sk_promise(); sk_fulfil(x, 1); WRONG(sk_fulfil(x, 2)); }
MISUSE(fulfilling_what_is_no_promise_is_misuse, "sk_fulfil") { sk_ref x = sk_put(1); WRONG(sk_fulfil(x, 2)); }

/* ---- what is sealed stays sealed ---- */

MISUSE(an_object_cannot_be_written_to, "sk_write")
{
    double numbers[3] = { 1, 2, 3 };
    sk_array view = sk_get(sk_array, sk_put(sk_array_of(numbers, 3)));
    WRONG(sk_write(double, view)[0] = 9);
}

SK_REMOTE(double, writes_to_its_argument, (sk_array, a)) { sk_write(double, a)[0] = 9; return 0; }
CASE(a_task_that_writes_to_its_argument_fails)
{
    double numbers[3] = { 1, 2, 3 };
    sk_error err = FAILS(sk_remote(writes_to_its_argument, sk_array_of(numbers, 3)), SK_TASK);
    CONTAINS(err.message, "sk_write");
    CONTAINS(err.message, "misuse.c");
}

/* ---- options of a task ---- */

MISUSE(a_negative_number_of_cpus_is_misuse, "num_cpus") { WRONG(sk_remote_with(SK_OPTS(.num_cpus = -2), same, 1)); }
MISUSE(a_number_of_cpus_that_is_not_a_number_is_misuse, "num_cpus") { WRONG(sk_remote_with(SK_OPTS(.num_cpus = __builtin_nan("")), same, 1)); }
MISUSE(a_negative_timeout_s_is_misuse, "timeout_s") { WRONG(sk_remote_with(SK_OPTS(.timeout_s = -3), same, 1)); }
MISUSE(fewer_than_no_retries_is_misuse, "max_retries") { WRONG(sk_remote_with(SK_OPTS(.max_retries = -2), same, 1)); }
MISUSE(resources_without_an_amount_are_misuse, "gpu") { WRONG(sk_remote_with(SK_OPTS(.resources = "gpu="), same, 1)); }
MISUSE(a_negative_amount_of_a_resource_is_misuse, "gpu") { WRONG(sk_remote_with(SK_OPTS(.resources = "gpu=-1"), same, 1)); }
MISUSE(resources_that_are_not_a_list_are_misuse, "hello world") { WRONG(sk_remote_with(SK_OPTS(.resources = "hello world"), same, 1)); }

/* ---- before, after, outside ---- */

#define BY_HAND(sentence, ...) CASE(sentence, .dies = 2, .by_hand = true, .says = { __VA_ARGS__ })

BY_HAND(put_before_init_is_misuse, "sk_put", "sk_init") { WRONG(sk_put(1)); }
BY_HAND(remote_before_init_is_misuse, "sk_init") { WRONG(sk_remote(same, 1)); }
BY_HAND(get_before_init_is_misuse, "sk_get", "sk_init") { WRONG(sk_get(int, garbage)); }
BY_HAND(wait_before_init_is_misuse, "sk_wait", "sk_init") { sk_ref x = garbage; WRONG(sk_wait(&x, 1, 1, 0)); }
BY_HAND(get_all_before_init_is_misuse, "sk_init") { int v; WRONG(sk_get_all(int, &garbage, 1, &v)); }
BY_HAND(new_array_before_init_is_misuse, "sk_new_array", "sk_init") { WRONG(sk_new_array(SK_F64, 3)); }
BY_HAND(sleep_before_init_is_misuse, "sk_sleep", "sk_init") { WRONG(sk_sleep(0)); }
BY_HAND(stats_before_init_is_misuse, "sk_stats", "sk_init") { sk_stats(); }
BY_HAND(shutdown_before_init_is_misuse, "sk_shutdown", "sk_init") { sk_shutdown(); }
BY_HAND(put_after_shutdown_is_misuse, "sk_put", "sk_shutdown") { start(NULL); stop(); WRONG(sk_put(1)); }
BY_HAND(get_after_shutdown_is_misuse, "sk_get", "sk_shutdown") { start(NULL); sk_ref x = sk_put(1); stop(); WRONG(sk_get(int, x)); }
BY_HAND(remote_after_shutdown_is_misuse, "sk_shutdown") { start(NULL); stop(); WRONG(sk_remote(same, 1)); }
BY_HAND(shutdown_twice_is_misuse, "sk_shutdown") { start(NULL); stop(); stop(); }
BY_HAND(init_twice_is_misuse, "sk_init") { start(NULL); start(NULL); }

MISUSE(sk_fail_outside_a_task_is_misuse, "sk_fail") { WRONG(sk_fail("no task here")); }

SK_REMOTE(int64_t, shuts_down) { sk_shutdown(); return 0; }
MISUSE(shutdown_inside_a_task_is_misuse, "sk_shutdown") { (void)sk_get(int64_t, sk_remote(shuts_down)); }

static void *gets_dropped(void *ref) { sk_ref x = *(sk_ref *)ref; WRONG(sk_get(int, x)); return NULL; }
CASE(misuse_in_another_thread_of_the_program_ends_it_too, .dies = 2, .says = { "used after sk_drop" }, .not_by_proxy = true)
{
    sk_ref x = sk_put(1);
    sk_drop(x);
    pthread_t thread;
    pthread_create(&thread, NULL, gets_dropped, &x);
    pthread_join(thread, NULL);
}
