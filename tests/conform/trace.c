/* trace.c -- the event log agrees with what happened. (That every log is a legal history the frame checks after each case.) */
#include "conform.h"
#include <errno.h>
#include <signal.h>
#include <trace_read.h>
#include <unistd.h>

typedef struct census {
    uint64_t type[32];                /* records of each sk_trace_type */
    uint64_t to[8];                   /* tasks that came into each sk_task_state */
    uint64_t again, told;             /* RUNNING -> READY: retries; those that say why */
    uint64_t deps;
    uint64_t bytes_moved, came_twice; /* of TRANSFER records; those of an object to a node it has come to before */
    uint64_t bytes_spilled, bytes_restored; /* of SPILL records */
    uint64_t moved[32], nmoved;       /* object << 8 | node */
    unsigned sent_by_first;           /* by node 0 */
    uint64_t promised[128], npromised; /* objects, as they were promised */
    unsigned on[8], non;              /* of the first WAIT_ON records: how many objects they name */
    bool named_wrong;                 /* one of them does not name the last so many promises, in their order */
    uint64_t code[SK_CODES];          /* of ended tasks */
    sk_read_info info;
    bool says_hello, has_name, has_site;
    int site_line;                    /* to be found in trace.c */
    char error[1024];                 /* why the program ended; "": it did not end by an error */
} census;

static void take(census *c, const sk_event *e)
{
    if (e->type < 32)
        c->type[e->type]++;
    if (e->type == SK_TRACE_TASK) {
        c->to[sk_trace_to(e)]++;
        c->again += sk_trace_from(e) == SK_TASK_RUNNING && sk_trace_to(e) == SK_TASK_READY;
        c->told += sk_trace_from(e) == SK_TASK_RUNNING && sk_trace_to(e) == SK_TASK_READY && e->n > 1 && e->word[1] == SK_TASK;
        if ((sk_trace_to(e) == SK_TASK_FAILED || sk_trace_to(e) == SK_TASK_CANCELLED) && e->n > 1 && e->word[1] < SK_CODES)
            c->code[e->word[1]]++;
    }
    if (e->type == SK_TRACE_TASK_NEW)
        c->deps += e->a & 15;
    if (e->type == SK_TRACE_TRANSFER) {
        uint64_t key = e->word[0] << 8 | sk_trace_lo(e->word[2]);
        c->bytes_moved += e->word[1];
        c->sent_by_first += e->word[2] >> 32 == 0;
        for (uint64_t i = 0; i < c->nmoved; i++)
            c->came_twice += c->moved[i] == key;
        if (c->nmoved < 32)
            c->moved[c->nmoved++] = key;
    }
    if (e->type == SK_TRACE_SPILL)
        *(e->a ? &c->bytes_restored : &c->bytes_spilled) += e->word[1];
    if (e->type == SK_TRACE_OBJECT && sk_trace_from(e) == SK_OBJECT_NONE && sk_trace_to(e) == SK_OBJECT_PENDING && c->npromised < 128)
        c->promised[c->npromised++] = e->word[0];
    if (e->type == SK_TRACE_WAIT_ON && c->non < 8) {
        unsigned n = e->n - 1u;
        c->on[c->non++] = n;
        uint64_t given = n < 64 ? n : 100;
        c->named_wrong |= given > c->npromised || memcmp(e->word + 1, c->promised + c->npromised - given, n * sizeof *e->word) != 0;
    }
    if (e->type == SK_TRACE_SAY)
        c->says_hello |= strstr(sk_trace_read_text(e, 0), "hello from a task") != NULL;
    if (e->type == SK_TRACE_TASK_ASKS)
        c->has_name |= strcmp(sk_trace_read_text(e, 0), "sixth step") == 0;
}

static const char *scratch_path;       /* what a child writes */

static census census_of(const char *path, int site_line)
{
    census c = { .site_line = site_line };
    sk_error err = { 0 };
    sk_reader *log = sk_trace_read_open(path, &err);
    ck_assert_msg(log != NULL, "%s", err.message);
    sk_cursor *cursor = sk_trace_read_cursor(log);
    for (sk_event e; sk_trace_read_next(cursor, &e);)
        take(&c, &e);
    for (uint32_t i = 0; i < 100; i++) {
        const sk_read_site *site = sk_trace_read_site(log, i);
        c.has_site |= site && site->line == site_line && strstr(site->file, "trace.c");
    }
    c.info = *sk_trace_read_info(log);
    const char *error = sk_trace_read_value(log, "error");
    snprintf(c.error, sizeof c.error, "%s", error ? error : "");
    sk_trace_read_cursor_free(cursor);
    sk_trace_read_close(log);
    return c;
}

static void start_traced(const char *path, int workers)
{
    start(&(sk_config){ .trace = path, .workers = workers });
}

static void expect_whole(const census *c)
{
    ck_assert_msg(c->info.whole && !c->info.truncated && c->info.dropped == 0 && c->info.missing_chunks == 0 && !c->info.damage,
                  "the trace is not whole: %s", c->info.damage ? c->info.damage : "");
    ck_assert_uint_eq(c->info.records, c->info.end_records);
}

SK_REMOTE(int64_t, says_hello, (int, i))
{
    sk_say("hello from a task");
    return i;
}

CASE(the_log_counts_like_the_statistics, .by_hand = true)
{
    const char *path = scratch("counts.sktrace");
    start_traced(path, 2);
    sk_ref gate = sk_promise(), refs[30];
    int line = __LINE__ + 2;
    for (int i = 0; i < 30; i++)
        refs[i] = sk_remote(plus, gate, i);
    sk_ref failing = sk_remote_with(SK_OPTS(.retry_errors = true, .max_retries = 2), fails, "no");
    sk_ref dependant = sk_remote(plus, failing, failing);
    for (int i = 0; i < 5; i++)
        sk_cancel(refs[i], 0);
    sk_fulfil(gate, 1);
    sk_wait(refs, 30, 30, SK_FOREVER);
    (void)FAILS(dependant, SK_TASK);
    (void)sk_get(int64_t, sk_remote_with(SK_OPTS(.name = "sixth step"), says_hello, 1));
    sk_counts counts = sk_stats();
    stop();
    census c = census_of(path, line);
    expect_whole(&c);
    ck_assert_uint_eq(c.type[SK_TRACE_TASK_NEW], counts.tasks_submitted);
    ck_assert_uint_eq(c.to[SK_TASK_DONE], counts.tasks_done);
    ck_assert_uint_eq(c.to[SK_TASK_FAILED], counts.tasks_failed);
    ck_assert_uint_eq(c.to[SK_TASK_CANCELLED], counts.tasks_cancelled);
    ck_assert_uint_eq(c.again, counts.retries);
    ck_assert_uint_eq(c.told, counts.retries); /* they failed by themselves */
    ck_assert_uint_eq(c.info.end_tasks, counts.tasks_submitted);
    ck_assert_uint_eq(c.info.end_objects, counts.objects_made);
    ck_assert_uint_eq(c.code[SK_CANCELLED], 5);
    ck_assert_uint_eq(c.code[SK_TASK], 2);
    ck_assert_uint_ge(c.deps, 31);
    ck_assert(c.says_hello && c.has_name);
    ck_assert_msg(c.has_site, "line %d of trace.c is no site of the log", line);
}

SK_REMOTE(int64_t, bytes_in, (sk_array, bytes)) { return sk_len(bytes); }

/* One object that all nodes use twice. */
CASE(what_moves_from_node_to_node_is_counted_and_each_transfer_is_in_the_log, .by_hand = true, .needs = SK_CAN_NODES)
{
    enum { BYTES = 100000 };
    static unsigned char bytes[BYTES];
    const char *path = scratch("moves.sktrace");
    start(&(sk_config){ .trace = path, .workers = 2, .nodes = 4 });
    int nodes = (int)sk_nodes(NULL, 0);
    sk_ref shared = sk_put(sk_array_of(bytes, BYTES));
    for (int i = 0; i < 2 * nodes; i++) {
        sk_ref length = sk_remote_with(SK_OPTS(.node = i % nodes ? i % nodes : SK_ZERO), bytes_in, shared);
        ck_assert_int_eq(sk_take(int64_t, length), BYTES);
    }
    uint64_t others = (uint64_t)nodes - 1;
    ck_assert_uint_eq(sk_stats().transfers, others);
    ck_assert_uint_eq(sk_stats().bytes_moved, others * BYTES);
    stop();
    census c = census_of(path, 0);
    expect_whole(&c);
    ck_assert_uint_eq(c.type[SK_TRACE_TRANSFER], others);
    ck_assert_uint_eq(c.bytes_moved, others * BYTES);
    ck_assert_uint_eq(c.came_twice, 0);
}

/* The same bytes each time, but each time they are another value. */
CASE(a_large_value_moves_to_the_node_of_its_task_and_is_gone_after_it, .by_hand = true, .needs = SK_CAN_NODES)
{
    enum { BYTES = 100000 };
    static unsigned char bytes[BYTES];
    start(&(sk_config){ .workers = 2, .nodes = 4 });
    int nodes = (int)sk_nodes(NULL, 0);
    uint64_t others = 2 * ((uint64_t)nodes - 1);
    for (int i = 0; i < 2 * nodes; i++) {
        sk_ref length = sk_remote_with(SK_OPTS(.node = i % nodes ? i % nodes : SK_ZERO), bytes_in, sk_array_of(bytes, BYTES));
        ck_assert_int_eq(sk_take(int64_t, length), BYTES);
    }
    ck_assert_uint_eq(sk_stats().transfers, others);
    ck_assert_uint_eq(sk_stats().bytes_moved, others * BYTES);
    EVENTUALLY(sk_stats().objects_live == 0 && sk_stats().bytes_live == 0);
    int small = backend_can() & SK_CAN_VIRTUAL_TIME ? BYTES - 1 : 20000;        /* real nodes share what is of 32 KiB */
    sk_get(int64_t, sk_remote_with(SK_OPTS(.node = nodes - 1), bytes_in, sk_array_of(bytes, small)));
    ck_assert_uint_eq(sk_stats().transfers, others);              /* a small one goes along in the message */
    stop();
}

/* Who has got it sends it on. The simulated network shares its links, there it need not. */
CASE(who_has_got_a_large_object_sends_it_on, .by_hand = true, .needs = SK_CAN_NODES | SK_CAN_ISOLATE)
{
    enum { NODES = 9, BYTES = 4 << 20 };
    static unsigned char bytes[BYTES];
    const char *path = scratch("on.sktrace");
    start(&(sk_config){ .trace = path, .workers = 1, .nodes = NODES });
    sk_ref shared = sk_put(sk_array_of(bytes, BYTES)), lengths[NODES - 1];
    for (int i = 1; i < NODES; i++)
        lengths[i - 1] = sk_remote_with(SK_OPTS(.node = i), bytes_in, shared);
    for (int i = 1; i < NODES; i++)
        ck_assert_int_eq(sk_take(int64_t, lengths[i - 1]), BYTES);
    stop();
    census c = census_of(path, 0);
    expect_whole(&c);
    ck_assert_uint_eq(c.type[SK_TRACE_TRANSFER], NODES - 1);
    ck_assert_uint_eq(c.came_twice, 0);
    ck_assert_msg(c.sent_by_first <= 3, "the node that had it first has sent it to %u of the eight others", c.sent_by_first);
}

SK_REMOTE(sk_array, zeros, (int64_t, bytes))
{
    sk_array a = sk_new_array(SK_U8, bytes);
    memset(sk_write(unsigned char, a), 0, (size_t)bytes);
    return a;
}

/* Four times what a store holds; and the first ones are wanted again. */
CASE(what_a_full_store_spills_and_restores_is_in_the_log_to_the_byte, .by_hand = true, .needs = SK_CAN_ISOLATE)
{
    enum { BYTES = 1 << 20, EACH = 32, NODES = 4 };
    const char *path = scratch("spilled.sktrace");
    start(&(sk_config){ .trace = path, .workers = 2, .store_bytes = 8 << 20 });
    int nodes = (int)sk_nodes(NULL, 0);
    ck_assert_int_le(nodes, NODES);
    sk_ref made[NODES * EACH];
    for (int i = 0; i < nodes * EACH; i++)
        made[i] = sk_remote_with(SK_OPTS(.node = i % nodes ? i % nodes : SK_ZERO), zeros, BYTES);
    for (int i = 0; i < nodes * EACH; i++)
        ck_assert_int_eq(sk_take(int64_t, sk_remote_with(SK_OPTS(.node = i % nodes ? i % nodes : SK_ZERO), bytes_in, made[i])), BYTES);
    uint64_t spilled = sk_stats().bytes_spilled;
    stop();
    census c = census_of(path, 0);
    expect_whole(&c);
    ck_assert_uint_ge(spilled, (uint64_t)nodes * (EACH - 8) * (BYTES - (64 << 10)));     /* first pages stay */
    ck_assert_uint_ge(c.bytes_restored, (uint64_t)nodes * 8 * (BYTES - (64 << 10)));
    ck_assert_uint_eq(c.bytes_spilled - c.bytes_restored, spilled);
}

CASE(on_one_node_nothing_moves, .by_hand = true)
{
    static unsigned char bytes[100000];
    const char *path = scratch("still.sktrace");
    start(&(sk_config){ .trace = path, .workers = 2, .nodes = 1 });
    ck_assert_int_eq(sk_get(int64_t, sk_remote(bytes_in, sk_put(sk_array_of(bytes, 100000)))), 100000);
    ck_assert(sk_stats().transfers == 0 && sk_stats().bytes_moved == 0);
    stop();
    census c = census_of(path, 0);
    expect_whole(&c);
    ck_assert_uint_eq(c.type[SK_TRACE_TRANSFER], 0);
}

CASE(no_record_is_lost_of_a_hundred_thousand_tasks, .by_hand = true)
{
    const char *path = scratch("many.sktrace");
    start_traced(path, 2);
    sk_ref x = sk_put(0);
    for (int i = 0; i < 100000; i++) {
        sk_ref next = sk_remote(plus, x, 1);
        sk_drop(x);
        x = next;
        if (i % 1000 == 0)
            (void)sk_get(int64_t, x);
    }
    ck_assert_int_eq(sk_get(int64_t, x), 100000);
    stop();
    census c = census_of(path, 0);
    expect_whole(&c);
    ck_assert_uint_eq(c.to[SK_TASK_DONE], 100000);
}

SK_REMOTE(int64_t, waits_in_vain, (sk_ref, never)) { return sk_wait(&never, 1, 1, 0.01) == 0; }

/* Of a promise, as all tasks may be done before anybody waits for them. */
CASE(waits_of_tasks_and_of_the_driver_are_in_the_log, .by_hand = true)
{
    const char *path = scratch("waits.sktrace");
    start_traced(path, 1);
    sk_ref never = sk_promise();
    ck_assert_uint_eq(sk_wait(&never, 1, 1, 0.01), 0);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(waits_in_vain, never)), 1);
    sk_fulfil(never, 1);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(same, 1)), 1);
    stop();
    census c = census_of(path, 0);
    expect_whole(&c);
    ck_assert_uint_ge(c.type[SK_TRACE_WAIT], 2);
    ck_assert_uint_eq(c.type[SK_TRACE_WAIT], c.type[SK_TRACE_WAIT_END]);
    ck_assert_uint_ge(c.type[SK_TRACE_INFO], 1);
    ck_assert_uint_ge(c.type[SK_TRACE_FUNCTION], 2);
}

/* Promises, so that what is waited for stays away as long as it should. */
CASE(a_wait_for_several_names_them_in_the_log, .by_hand = true)
{
    const char *path = scratch("several.sktrace");
    start_traced(path, 2);
    sk_ref one = sk_promise(), refs[100], *next;
    ck_assert_uint_eq(sk_wait(&one, 1, 1, 0.01), 0); /* of one: WAIT has said which */
    for (int i = 0; i < 3; i++)
        refs[i] = sk_promise();
    ck_assert_uint_eq(sk_wait(refs, 3, 2, 0.01), 0);
    sk_waiter *waiter = sk_waiter_new(refs, 3);
    sk_ref done;
    ck_assert(!sk_waiter_next(waiter, &done, 0.01));
    sk_fulfil(refs[0], 1);
    ck_assert(sk_waiter_next(waiter, &done, SK_FOREVER));
    ck_assert(!sk_waiter_next(waiter, &done, 0.01)); /* for two yet */
    for (next = refs + 1; next < refs + 3; next++)
        sk_fulfil(*next, 1);
    sk_waiter_free(waiter);
    for (next = refs; next < refs + 100; next++)
        *next = sk_promise();
    ck_assert_uint_eq(sk_wait(refs, 100, 100, 0.01), 0);
    sk_fulfil(one, 1);
    for (next = refs; next < refs + 100; next++)
        sk_fulfil(*next, 1);
    stop();
    census c = census_of(path, 0);
    expect_whole(&c);
    ck_assert_uint_eq(c.non, 4);
    ck_assert_uint_eq(c.on[0], 3);
    ck_assert_uint_eq(c.on[1], 3);
    ck_assert_uint_eq(c.on[2], 2);
    ck_assert_uint_eq(c.on[3], 64);
    ck_assert(!c.named_wrong);
}

CASE(what_runs_at_shutdown_is_in_the_log_too, .by_hand = true)
{
    const char *path = scratch("shutdown.sktrace");
    start_traced(path, 2);
    for (int i = 0; i < 100; i++)
        sk_remote(same, i);
    stop();
    census c = census_of(path, 0);
    expect_whole(&c);
    ck_assert_uint_eq(c.to[SK_TASK_DONE], 100);
}

static void runs_without_log(void)
{
    start_traced("/no/such/directory/run.sktrace", 2);
    printf("the answer is %g\n", sk_get(double, sk_remote(add, 40, 2)));
    stop();
    printf("after shutdown\n");
}

CASE(a_log_that_cannot_be_written_is_reported_and_the_run_goes_on, .by_hand = true)
{
    ending end = run_apart(runs_without_log);
    CONTAINS(end.output, "after shutdown");
    const char *answer = strstr(end.output, "the answer is 42");
    ck_assert_msg(answer != NULL, "%s", end.output);
    CONTAINS(answer, "/no/such/directory/run.sktrace");         /* the exit says so */
    CONTAINS(answer, strerror(ENOENT));
}

static void fails_without_log(void)
{
    start_traced("/no/such/directory/run.sktrace", 2);
    (void)sk_get(int64_t, sk_remote(fails, "because of the moon"));
}

CASE(a_program_that_ends_by_an_error_says_in_the_end_that_its_log_could_not_be_written, .by_hand = true)
{
    ending end = run_apart(fails_without_log);
    ck_assert_int_eq(end.status, 1);
    const char *answer = strstr(end.output, "because of the moon");
    ck_assert_msg(answer != NULL, "%s", end.output);
    CONTAINS(answer, "without its log: cannot write the trace /no/such/directory/run.sktrace");
}

static void fails_traced(void)
{
    start_traced(scratch_path, 2);
    (void)sk_get(int64_t, sk_remote(fails, "because of the moon"));
}

CASE(the_log_of_a_program_that_ends_with_an_error_can_be_read, .by_hand = true)
{
    scratch_path = scratch("failed.sktrace");
    ending end = run_apart(fails_traced);
    ck_assert_int_eq(end.status, 1);
    census c = census_of(scratch_path, 0);
    ck_assert_uint_eq(c.to[SK_TASK_FAILED], 1);
    expect_whole(&c);
    CONTAINS(c.error, "trace.c:");
    CONTAINS(c.error, "sk_get: failed with TASK");
    CONTAINS(c.error, "because of the moon");           /* the root cause */
}

static void fails_with_a_chart(void)
{
    start(&(sk_config){ .gantt = true, .workers = 2 });
    (void)sk_get(int64_t, sk_remote(fails, "because of the moon"));
}

CASE(a_program_that_ends_with_an_error_prints_the_chart_that_was_asked_for, .by_hand = true)
{
    ending end = run_apart(fails_with_a_chart);
    ck_assert_int_eq(end.status, 1);
    CONTAINS(end.output, "ENDED BY AN ERROR: ");
    CONTAINS(end.output, "F fails  1 task");            /* the chart's legend */
    ck_assert_msg(!strstr(end.output, "TRUNCATED"), "%s", end.output);
}

/* Keeps the workers writing to the log while the driver ends the program. */
SK_REMOTE(int64_t, multiplies, (int, depth))
{
    if (depth == 0)
        return 1;
    sk_ref refs[2] = { sk_remote(multiplies, depth - 1), sk_remote(multiplies, depth - 1) };
    return sk_get(int64_t, refs[0]) + sk_get(int64_t, refs[1]);
}

static void fails_amid_work(void)
{
    start_traced(scratch_path, 2);
    int depth = backend_can() & SK_CAN_ISOLATE ? 12 : 20;       /* each of these is a journey to another process */
    sk_ref work = sk_remote(multiplies, depth), first = sk_remote(multiplies, 8);
    (void)sk_get(int64_t, first);
    sk_drop(first);
    (void)work;
    sk_get(int64_t, first);
}

CASE(misuse_while_others_write_leaves_a_whole_log, .by_hand = true, .needs = SK_CAN_OVERLAP)
{
    for (int i = 0; i < 10; i++) {
        scratch_path = scratch("amid.sktrace");
        ending end = run_apart(fails_amid_work);
        ck_assert_msg(end.status == 2, "exit status %d: %s", end.status, end.output);
        census c = census_of(scratch_path, 0);
        expect_whole(&c);
        CONTAINS(c.error, "used after sk_drop");
        ck_assert_uint_ge(c.to[SK_TASK_DONE], 511 - 2);
    }
}

static void is_interrupted(void)
{
    start_traced(scratch_path, 2);
    (void)hold_one(sk_promise(), NULL);
    raise(SIGINT);
    for (;;)
        pause();
}

static void is_interrupted_idle(void)
{
    start_traced(scratch_path, 2);
    raise(SIGINT);
    for (;;)
        pause();
}

CASE(ctrl_c_where_nothing_runs_says_so, .by_hand = true)
{
    scratch_path = scratch("idle.sktrace");
    ending end = run_apart(is_interrupted_idle);
    ck_assert_msg(end.status == 130 || end.status == 1000 + SIGINT, "exit status %d: %s", end.status, end.output);
    CONTAINS(end.output, "interrupted; nothing was running");
}

CASE(ctrl_c_stops_says_what_was_running_and_keeps_the_log, .by_hand = true, .needs = SK_CAN_OVERLAP)
{
    scratch_path = scratch("interrupted.sktrace");
    ending end = run_apart(is_interrupted);
    ck_assert_msg(end.status == 130 || end.status == 1000 + SIGINT, "exit status %d: %s", end.status, end.output);
    CONTAINS(end.output, "hold");
    census c = census_of(scratch_path, 0);
    ck_assert_uint_ge(c.to[SK_TASK_RUNNING], 1);
    ck_assert(c.info.truncated && !c.info.whole);
}
