/* objects.c -- sk_put, sk_get, sk_take, sk_get_all: what an object is. */
#include "conform.h"

CASE(what_was_put_comes_back)
{
    sk_ref x = sk_put(42);
    ck_assert_int_eq(sk_get(int, x), 42);
    ck_assert_int_eq(sk_get(int, x), 42);           /* again: a get does not consume */
}

CASE(every_put_makes_another_object)
{
    sk_ref a = sk_put(1), b = sk_put(1);
    ck_assert(a.id != 0 && b.id != 0 && a.id != b.id);
    sk_drop(a);
    ck_assert_int_eq(sk_get(int, b), 1);
}

CASE(a_list_of_ten_objects_comes_back_in_order)
{
    sk_ref refs[10];
    int values[10];
    for (int i = 0; i < 10; i++)
        refs[i] = sk_put(i);
    sk_get_all(int, refs, 10, values);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(values[i], i);
}

CASE(put_copies_a_string)
{
    char text[] = "before";
    sk_ref x = sk_put((const char *)text);
    strcpy(text, "after!");
    ck_assert_str_eq(sk_get(const char *, x), "before");
}

CASE(put_copies_a_buffer)
{
    unsigned char bytes[4] = { 1, 2, 3, 4 };
    sk_buf buf = { bytes, sizeof bytes, NULL };
    sk_ref x = sk_put(buf);
    memset(bytes, 9, sizeof bytes);
    sk_buf back = sk_get(sk_buf, x);
    ck_assert_uint_eq(back.size, 4);
    ck_assert(memcmp(back.data, "\1\2\3\4", 4) == 0);
}

CASE(put_copies_an_array)
{
    double numbers[6] = { 0, 1, 2, 3, 4, 5 };
    sk_ref x = sk_put(sk_array_of(numbers, 2, 3));
    numbers[5] = -1;
    sk_array back = sk_get(sk_array, x);
    ck_assert(back.dtype == SK_F64 && back.ndim == 2 && back.shape[0] == 2 && back.shape[1] == 3);
    for (int i = 0; i < 6; i++)
        ck_assert(sk_read(double, back)[i] == i);
}

CASE(put_copies_a_list)
{
    sk_ref refs[2] = { sk_put(1), sk_put(2) };
    sk_ref x = sk_put(sk_list_of(refs, 2));
    sk_ref second = refs[1];
    refs[1] = refs[0];
    sk_list back = sk_get(sk_list, x);
    ck_assert_uint_eq(back.n, 2);
    ck_assert_int_eq(sk_get(int, back.refs[1]), 2);
    ck_assert_int_eq(sk_get(int, second), 2);
}

CASE(an_argument_is_copied_when_the_task_is_submitted)
{
    char text[] = "before";
    sk_ref gate = sk_promise();
    sk_ref task = sk_remote(join, (const char *)text, gate);
    strcpy(text, "after!");
    sk_fulfil(gate, (const char *)"!");
    ck_assert_str_eq(sk_get(const char *, task), "(before!)");
}

CASE(array_data_is_aligned_to_64_bytes)
{
    for (int n = 1; n < 200; n += 13) {
        unsigned char bytes[200] = { 7 };
        sk_ref x = sk_put(sk_array_of(bytes, n));
        ck_assert_uint_eq((uintptr_t)sk_get(sk_array, x).data % 64, 0);
    }
}

CASE(two_gets_see_the_same_bytes, .not_by_proxy = true)
{
    double numbers[100] = { 0 };
    sk_ref x = sk_put(sk_array_of(numbers, 100));
    ck_assert_ptr_eq(sk_get(sk_array, x).data, sk_get(sk_array, x).data);
    ck_assert_ptr_ne(sk_get(sk_array, x).data, numbers);
}

SK_REMOTE_OUT(make_array, ((sk_array, made), (uint64_t, address)), (int64_t, n))
{
    *made = sk_new_array(SK_F64, n);
    double *numbers = sk_write(double, *made);
    for (int64_t i = 0; i < n; i++)
        numbers[i] = (double)i;
    *address = (uint64_t)(uintptr_t)numbers;
}

CASE(a_returned_array_becomes_the_result_without_a_copy, .looks_inside = true, .not_by_proxy = true)
{
    sk_ref refs[2];
    sk_remote_into(refs, make_array, 1000);
    sk_array got = sk_get(sk_array, refs[0]);
    ck_assert_uint_eq((uint64_t)(uintptr_t)got.data, sk_get(uint64_t, refs[1]));
    ck_assert(sk_read(double, got)[999] == 999);
}

SK_REMOTE(uint64_t, address_of, (sk_array, a)) { return (uint64_t)(uintptr_t)a.data; }

CASE(an_array_arrives_as_an_argument_without_a_copy, .looks_inside = true, .not_by_proxy = true)
{
    sk_ref refs[2];
    sk_remote_into(refs, make_array, 1000);
    ck_assert_uint_eq(sk_get(uint64_t, sk_remote(address_of, refs[0])), sk_get(uint64_t, refs[1]));
}

SK_REMOTE(sk_array, doubled, (sk_array, in))
{
    sk_array out = sk_new_array(SK_F64, sk_len(in));
    for (int64_t i = 0; i < sk_len(in); i++)
        sk_write(double, out)[i] = 2 * sk_read(double, in)[i];
    return out;
}

CASE(a_task_leaves_its_argument_as_it_was)
{
    double numbers[3] = { 1, 2, 3 };
    sk_ref x = sk_put(sk_array_of(numbers, 3));
    sk_array out = sk_get(sk_array, sk_remote(doubled, x));
    ck_assert(sk_read(double, out)[2] == 6);
    ck_assert(sk_read(double, sk_get(sk_array, x))[2] == 3);
}

CASE(a_view_stays_valid_until_its_ref_is_dropped)
{
    sk_ref x = sk_put((const char *)"a text that is long enough to be on the heap, not in some small place");
    const char *view = sk_get(const char *, x);
    for (int i = 0; i < 1000; i++)
        sk_drop(sk_put((const char *)"another text of the same length, which could be put in the freed place!"));
    ck_assert_str_eq(view, "a text that is long enough to be on the heap, not in some small place");
}

CASE(a_view_stays_valid_while_a_duplicate_lives)
{
    sk_ref x = sk_put((const char *)"text"), y = sk_dup(x);
    const char *view = sk_get(const char *, y);
    sk_drop(x);
    ck_assert_str_eq(view, "text");
    sk_drop(y);
}

CASE(a_taken_view_stays_valid_to_the_end_of_the_scope)
{
    const char *first = sk_take(const char *, sk_put((const char *)"first"));
    for (int i = 0; i < 100; i++)
        (void)sk_take(const char *, sk_put((const char *)"later"));
    ck_assert_str_eq(first, "first");
}

CASE(take_drops_the_ref)
{
    uint64_t before = sk_stats().objects_live;
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(sk_take(int, sk_put(i)), i);
    EVENTUALLY(sk_stats().objects_live == before);
}

CASE(a_put_view_outlives_the_object_it_came_from)
{
    double numbers[3] = { 1, 2, 3 };
    sk_ref x = sk_put(sk_array_of(numbers, 3));
    sk_ref y = sk_put(sk_get(sk_array, x));
    sk_drop(x);
    ck_assert(sk_read(double, sk_get(sk_array, y))[1] == 2);
}

CASE(get_all_takes_duplicates)
{
    sk_ref x = sk_put(1), y = sk_put(2);
    sk_ref refs[5] = { x, y, x, x, y };
    int values[5];
    sk_get_all(int, refs, 5, values);
    int expected[5] = { 1, 2, 1, 1, 2 };
    ck_assert_mem_eq(values, expected, sizeof values);
}

CASE(get_all_of_none_is_done_at_once)
{
    int value = 7;
    sk_get_all(int, (sk_ref *)NULL, 0, &value);
    ck_assert_int_eq(value, 7);
    ck_assert(sk_try_get_all((sk_ref *)NULL, 0, &value, 0, NULL));
}

CASE(try_get_leaves_the_error_alone_when_it_succeeds)
{
    sk_error err = { .code = SK_CODES, .message = "mine" };
    int value = 0;
    ck_assert(sk_try_get(sk_put(5), &value, SK_FOREVER, &err));
    ck_assert_int_eq(value, 5);
    ck_assert(err.code == SK_CODES && strcmp(err.message, "mine") == 0);
}

CASE(try_get_of_a_promise_times_out_and_consumes_nothing)
{
    sk_ref x = sk_promise();
    int value = 7;
    sk_error err = { 0 };
    ck_assert(!sk_try_get(x, &value, 0, &err));
    ck_assert_int_eq(err.code, SK_TIMEOUT);
    ck_assert(!sk_try_get(x, &value, 0.01, &err));
    ck_assert_int_eq(err.code, SK_TIMEOUT);
    ck_assert(!sk_try_get(x, &value, 0, NULL));     /* err may be NULL */
    sk_fulfil(x, 8);
    ck_assert(sk_try_get(x, &value, 0, &err));
    ck_assert_int_eq(value, 8);
}

CASE(a_large_object_comes_back_whole)
{
    size_t size = 20u << 20;
    unsigned char *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 24);
    sk_buf buf = { bytes, size, NULL };
    sk_buf back = sk_get(sk_buf, sk_put(buf));
    ck_assert_uint_eq(back.size, size);
    ck_assert(memcmp(back.data, bytes, size) == 0);
    free(bytes);
}

SK_REMOTE(sk_array, ones, (int64_t, n))
{
    sk_array out = sk_new_array(SK_F64, n);
    for (int64_t i = 0; i < n; i++)
        sk_write(double, out)[i] = 1;
    return out;
}

CASE(an_array_made_by_the_driver_can_be_put_and_passed, .leaves = true)
{
    sk_array a = sk_new_array(SK_F64, 4);
    for (int i = 0; i < 4; i++)
        sk_write(double, a)[i] = i;
    sk_ref task = sk_remote(doubled, a);
    sk_ref x = sk_put(a);
    ck_assert(sk_read(double, sk_get(sk_array, x))[3] == 3);
    ck_assert(sk_read(double, sk_get(sk_array, task))[3] == 6);
}

CASE(zeros_are_zero_even_in_memory_that_was_used, .leaves = true)
{
    for (int round = 0; round < 3; round++) {
        sk_ref used = sk_remote(ones, 1000);
        ck_assert(sk_read(double, sk_get(sk_array, used))[999] == 1);
        sk_drop(used);
        sk_array zeros = sk_zeros(SK_F64, 1000);
        for (int i = 0; i < 1000; i++)
            ck_assert(sk_read(double, zeros)[i] == 0);
    }
}

SK_REMOTE(int64_t, make_and_forget, (int64_t, n))
{
    for (int i = 0; i < n; i++)
        sk_write(double, sk_new_array(SK_F64, 1000))[0] = 1;
    return n;
}

CASE(an_array_that_is_not_returned_is_freed_with_its_task)
{
    ck_assert_int_eq(sk_get(int64_t, sk_remote(make_and_forget, 100)), 100);
}

SK_REMOTE(sk_array, two_mebibytes) { return sk_new_array(SK_U8, 2 << 20); }

CASE(what_does_not_fit_into_the_store_is_refused_with_both_figures, .config.store_bytes = 1 << 20)
{
    sk_error err = FAILS(sk_remote(two_mebibytes), SK_STORE_FULL);
    CONTAINS(err.message, "need 2097");             /* and a few for the header */
    CONTAINS(err.message, "1048576");
}

CASE(the_store_has_room_again_after_a_drop, .config.store_bytes = 1 << 20)
{
    static unsigned char bytes[600 << 10];
    sk_buf buf = { bytes, sizeof bytes, NULL };
    for (int i = 0; i < 20; i++)
        sk_drop(sk_put(buf));
    ck_assert_uint_eq(sk_get(sk_buf, sk_put(buf)).size, sizeof bytes);
}

SK_REMOTE(sk_array, far_too_large) { return sk_new_array(SK_F64, 1L << 50); }

CASE(an_array_too_large_for_memory_fails_its_task)
{
    (void)FAILS(sk_remote(far_too_large), SK_STORE_FULL);
}

SK_REMOTE(sk_array, larger_than_a_size) { return sk_new_array(SK_F64, 1L << 31, 1L << 31, 1L << 31); }

CASE(an_array_whose_size_overflows_fails_its_task)
{
    (void)FAILS(sk_remote(larger_than_a_size), SK_STORE_FULL);
}
