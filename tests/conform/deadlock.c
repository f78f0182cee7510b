/* deadlock.c -- what is said when nothing can happen any more: the whole text, line numbers taken out. (nested.c and resources.c have the
 * cases in which it must be found at all.) */
#include "clusters.h"
#include <ctype.h>

/* ":123" becomes ":N". */
static const char *without_lines(const char *text)
{
    static char out[4000];
    size_t n = 0;
    for (const char *c = text; *c && n < sizeof out - 2; c++) {
        out[n++] = *c;
        if (*c == ':' && isdigit((unsigned char)c[1])) {
            out[n++] = 'N';
            while (isdigit((unsigned char)c[1]))
                c++;
        }
    }
    out[n] = '\0';
    return out;
}

static void says(sk_ref ref, const char *expected)
{
    sk_error err = error_of(ref);
    ck_assert_int_eq(err.code, SK_DEADLOCK);
    ck_assert_str_eq(without_lines(err.message), expected);
}

SK_REMOTE(int64_t, needs_a_gpu) { return 1; }
SK_REMOTE(int64_t, holds_the_gpu) { return sk_get(int64_t, sk_remote_with(SK_OPTS(.resources = "gpu=1"), needs_a_gpu)); }

CASE(a_resource_held_across_a_wait_is_a_cycle_with_who_holds_what, .needs = SK_CAN_VIRTUAL_TIME, .leaves = true,
     .config = { .nodes = 1, .resources = "gpu=1" })
{
    says(sk_remote_with(SK_OPTS(.resources = "gpu=1"), holds_the_gpu),
         "deadlock.c:N: holds_the_gpu: sk_get at tests/conform/deadlock.c:N failed\n"
         "deadlock.c:N: nothing can happen any more (deadlock):\n"
         "  holds_the_gpu (deadlock.c:N) holds gpu=1 and waits at deadlock.c:N for needs_a_gpu (deadlock.c:N)\n"
         "  needs_a_gpu (deadlock.c:N) has not started: it asks for gpu=1 and lacks gpu of node 0, held by holds_the_gpu (deadlock.c:N)\n"
         "  a cycle: holds_the_gpu (deadlock.c:N) -> needs_a_gpu (deadlock.c:N) -> holds_the_gpu (deadlock.c:N)");
}

SK_REMOTE(int64_t, waits_for_its_child) { return sk_get(int64_t, sk_remote_with(SK_OPTS(.resources = "gpu=0.5,key=1"), needs_a_gpu)); }
SK_REMOTE(int64_t, takes_part, (int64_t, a)) { return a; }

CASE(the_way_to_the_cycle_leads_through_arguments_and_several_resources, .needs = SK_CAN_VIRTUAL_TIME, .leaves = true,
     .config = { .nodes = 1, .resources = "gpu=2,key=1" })
{
    sk_ref holder = sk_remote_with(SK_OPTS(.resources = "key=1", .name = "keeper"), waits_for_its_child);
    sk_ref after = sk_remote(takes_part, holder), two[2] = { sk_remote(same, (int64_t)1), after };
    sk_ref sum = sk_remote(sum_list, sk_list_of(two, 2));
    says(sum,
         "deadlock.c:N: sum_list: sk_get at tests/conform/functions.c:N failed\n"
         "functions.c:N: nothing can happen any more (deadlock):\n"
         "  sum_list (deadlock.c:N) waits at functions.c:N for takes_part (deadlock.c:N)\n"
         "  takes_part (deadlock.c:N) has not started: it waits for its argument from keeper (deadlock.c:N)\n"
         "  keeper (deadlock.c:N) holds key=1 and waits at deadlock.c:N for needs_a_gpu (deadlock.c:N)\n"
         "  needs_a_gpu (deadlock.c:N) has not started: it asks for gpu=0.5,key=1 and lacks key of node 0, held by keeper (deadlock.c:N)\n"
         "  a cycle: keeper (deadlock.c:N) -> needs_a_gpu (deadlock.c:N) -> keeper (deadlock.c:N)");
}

SK_REMOTE(int64_t, fulfils_at_last, (sk_list, refs))
{
    int64_t x = sk_get(int64_t, refs.refs[0]);
    sk_fulfil(refs.refs[1], x);
    return x;
}
SK_REMOTE(int64_t, waits_for_the_promise, (sk_list, refs)) { return sk_get(int64_t, refs.refs[0]); }

CASE(a_cycle_by_a_promise_names_the_promise_and_who_else_waits, .needs = SK_CAN_VIRTUAL_TIME, .leaves = true)
{
    sk_ref promise = sk_promise(), first = sk_remote(waits_for_the_promise, sk_list_of(&promise, 1)), two[2] = { first, promise };
    sk_remote(fulfils_at_last, sk_list_of(two, 2));
    says(first,
         "deadlock.c:N: waits_for_the_promise: sk_get at tests/conform/deadlock.c:N failed\n"
         "deadlock.c:N: nothing can happen any more (deadlock):\n"
         "  waits_for_the_promise (deadlock.c:N) waits at deadlock.c:N for a promise (deadlock.c:N) that nobody is left to fulfil\n"
         "  meanwhile:\n"
         "  fulfils_at_last (deadlock.c:N) waits at deadlock.c:N for waits_for_the_promise (deadlock.c:N)");
}

SK_REMOTE(int64_t, goes_round, (sk_list, next)) { return sk_get(int64_t, next.refs[0]); }

/* Each waits for the one before it, the first for the last. */
static sk_ref make_ring(int n)
{
    sk_ref last = sk_promise(), gate = last;
    for (int i = 0; i < n; i++)
        last = i == 0 ? sk_remote_with(SK_OPTS(.name = "ring"), goes_round, gate)
                      : sk_remote_with(SK_OPTS(.name = "ring"), goes_round, sk_list_of(&last, 1));
    sk_fulfil(gate, sk_list_of(&last, 1));
    sk_drop(gate);
    return last;
}

CASE(a_ring_of_three_is_named_in_its_order, .needs = SK_CAN_VIRTUAL_TIME, .leaves = true)
{
    says(make_ring(3),
         "deadlock.c:N: ring: sk_get at tests/conform/deadlock.c:N failed\n"
         "deadlock.c:N: nothing can happen any more (deadlock):\n"
         "  ring (deadlock.c:N) waits at deadlock.c:N for ring (deadlock.c:N)\n"
         "  ring (deadlock.c:N) waits at deadlock.c:N for ring (deadlock.c:N)\n"
         "  ring (deadlock.c:N) waits at deadlock.c:N for ring (deadlock.c:N)\n"
         "  a cycle: ring (deadlock.c:N) -> ring (deadlock.c:N) -> ring (deadlock.c:N) -> ring (deadlock.c:N)");
}

static void a_long_ring(void)
{
    start(NULL);
    sk_get(int64_t, make_ring(100));
}

CASE(a_ring_of_a_hundred_is_shortened, .needs = SK_CAN_VIRTUAL_TIME, .by_hand = true)
{
    ending end = run_apart(a_long_ring);
    ck_assert_int_eq(end.status, 1);
    CONTAINS(end.output, "... 88 more ...");
    CONTAINS(end.output, "... -> ");
    CONTAINS(end.output, "failed with DEADLOCK");
}

/* The wait is for one of two: the way that leads to a cycle is shown, whichever it is. */
SK_REMOTE(int64_t, waits_for_either, (sk_list, refs))
{
    sk_ref both[2] = { refs.refs[0], refs.refs[1] };
    return (int64_t)sk_wait(both, 2, 1, SK_FOREVER);
}

CASE(of_several_refs_the_way_to_the_cycle_is_shown, .needs = SK_CAN_VIRTUAL_TIME, .leaves = true,
     .config = { .nodes = 1, .resources = "gpu=1" })
{
    sk_ref two[2] = { sk_promise(), sk_remote_with(SK_OPTS(.resources = "gpu=1"), holds_the_gpu) };
    says(sk_remote(waits_for_either, sk_list_of(two, 2)),
         "deadlock.c:N: waits_for_either: sk_wait at tests/conform/deadlock.c:N failed\n"
         "deadlock.c:N: nothing can happen any more (deadlock):\n"
         "  waits_for_either (deadlock.c:N) waits at deadlock.c:N for holds_the_gpu (deadlock.c:N) and 1 more\n"
         "  holds_the_gpu (deadlock.c:N) holds gpu=1 and waits at deadlock.c:N for needs_a_gpu (deadlock.c:N)\n"
         "  needs_a_gpu (deadlock.c:N) has not started: it asks for gpu=1 and lacks gpu of node 0, held by holds_the_gpu (deadlock.c:N)\n"
         "  a cycle: holds_the_gpu (deadlock.c:N) -> needs_a_gpu (deadlock.c:N) -> holds_the_gpu (deadlock.c:N)");
}
