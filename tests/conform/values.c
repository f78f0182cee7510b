/* values.c -- every type that can travel, through put and get, as an argument and as an answer; ranges; views. */
#include "conform.h"
#include <float.h>
#include <limits.h>
#include <math.h>

/* One function and one case for each scalar type: through put, a value argument, a ref argument and the answer. */
#define TRAVELS(T, name, ...)                                                                     \
    SK_REMOTE(T, hands_on_##name, (T, x)) { return x; }                                           \
    CASE(values_of_type_##name##_travel_unchanged)                                                \
    {                                                                                             \
        static const T values[] = { __VA_ARGS__ };                                                \
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {                             \
            T value = values[i], back[4];                                                         \
            sk_ref x = sk_put(value);                                                             \
            back[0] = sk_get(T, x);                                                               \
            back[1] = sk_get(T, sk_remote(hands_on_##name, value));                               \
            back[2] = sk_get(T, sk_remote(hands_on_##name, x));                                   \
            ck_assert(sk_try_get(sk_remote(hands_on_##name, sk_remote(hands_on_##name, x)), &back[3], SK_FOREVER, NULL));  \
            for (int k = 0; k < 4; k++)                                                           \
                ck_assert_msg(memcmp(&back[k], &value, sizeof value) == 0, "value %zu, way %d", i, k);  \
        }                                                                                         \
    }

TRAVELS(bool, bool, false, true)
TRAVELS(int, int, 0, 1, -1, INT_MAX, INT_MIN)
TRAVELS(unsigned, unsigned, 0, 1, UINT_MAX)
TRAVELS(int64_t, int64, 0, -1, INT64_MAX, INT64_MIN, 5000000000)
TRAVELS(uint64_t, uint64, 0, 1, UINT64_MAX, 1UL << 63)
TRAVELS(float, float, 0, -0.0f, 0.1f, FLT_MAX, FLT_MIN, FLT_TRUE_MIN, INFINITY, -INFINITY)
TRAVELS(double, double, 0, -0.0, 0.1, DBL_MAX, DBL_MIN, DBL_TRUE_MIN, INFINITY, -INFINITY)

SK_REMOTE(bool, is_nan, (double, x)) { return x != x; }
CASE(not_a_number_stays_not_a_number)
{
    ck_assert(sk_get(bool, sk_remote(is_nan, sk_put(NAN))));
    ck_assert(isnan(sk_get(double, sk_put(NAN))));
}

SK_REMOTE(int, short_args, (int, a), (int, b)) { return a * 1000 + b; }
CASE(chars_and_shorts_travel_as_ints)
{
    signed char c = -5;
    unsigned short s = 65535;
    ck_assert_int_eq(sk_get(int, sk_put(c)), -5);
    ck_assert_int_eq(sk_get(int, sk_put(s)), 65535);
    ck_assert_int_eq(sk_get(int, sk_remote(short_args, c, (unsigned char)200)), -4800);
}

/* ---- numbers widen, and are checked when they narrow ---- */

SK_REMOTE(double, takes_double, (double, x)) { return x; }
SK_REMOTE(int, takes_int, (int, x)) { return x; }
SK_REMOTE(unsigned, takes_unsigned, (unsigned, x)) { return x; }
SK_REMOTE(uint64_t, takes_uint64, (uint64_t, x)) { return x; }
SK_REMOTE(int64_t, takes_int64, (int64_t, x)) { return x; }
SK_REMOTE(bool, takes_bool, (bool, x)) { return x; }

CASE(integers_widen_to_double)
{
    ck_assert(sk_get(double, sk_remote(takes_double, 7)) == 7);
    ck_assert(sk_get(double, sk_remote(takes_double, sk_put(-7))) == -7);
    ck_assert(sk_get(double, sk_remote(takes_double, sk_put(UINT64_MAX))) == 18446744073709551615.0);
    ck_assert(sk_get(double, sk_put(3u)) == 3);
    ck_assert(sk_get(float, sk_put(3)) == 3);
}

CASE(numbers_in_range_narrow)
{
    ck_assert_int_eq(sk_get(int, sk_remote(takes_int, (int64_t)INT_MIN)), INT_MIN);
    ck_assert_int_eq(sk_get(int, sk_put((uint64_t)INT_MAX)), INT_MAX);
    ck_assert_uint_eq(sk_get(uint64_t, sk_remote(takes_uint64, sk_put(7))), 7);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(takes_int64, sk_put((uint64_t)INT64_MAX))), INT64_MAX);
    ck_assert(sk_get(bool, sk_remote(takes_bool, 1)));
    ck_assert(!sk_get(bool, sk_remote(takes_bool, sk_put(0))));
}

CASE(numbers_out_of_range_fail_the_task)
{
    CONTAINS(FAILS(sk_remote(takes_int, 5000000000), SK_TASK).message, "5000000000");
    CONTAINS(FAILS(sk_remote(takes_int, sk_put(-5000000000)), SK_TASK).message, "-5000000000");
    CONTAINS(FAILS(sk_remote(takes_unsigned, sk_put(-1)), SK_TASK).message, "-1");
    CONTAINS(FAILS(sk_remote(takes_unsigned, sk_put(4294967296)), SK_TASK).message, "4294967296");
    CONTAINS(FAILS(sk_remote(takes_uint64, sk_put(-1)), SK_TASK).message, "-1");
    CONTAINS(FAILS(sk_remote(takes_int64, sk_put(UINT64_MAX)), SK_TASK).message, "18446744073709551615");
    CONTAINS(FAILS(sk_remote(takes_int, sk_put(UINT64_MAX)), SK_TASK).message, "18446744073709551615");
}

CASE(a_double_does_not_become_an_integer)
{
    (void)FAILS(sk_remote(takes_int, sk_put(1.0)), SK_TASK);
    int value;
    sk_error err = { 0 };
    ck_assert(!sk_try_get(sk_put(1.0), &value, SK_FOREVER, &err));
}

/* ---- strings and buffers ---- */

SK_REMOTE(uint64_t, length_of, (const char *, text)) { return strlen(text); }
SK_REMOTE(const char *, text_as_it_is, (const char *, text)) { return text; }

CASE(strings_travel_empty_long_and_unicode)
{
    static const char *const texts[] = { "", "a", "seven77", "eight888", "grüße, 世界, 🙂", "tab\tand\nnewline" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ck_assert_str_eq(sk_get(const char *, sk_put(texts[i])), texts[i]);
        ck_assert_str_eq(sk_get(const char *, sk_remote(text_as_it_is, texts[i])), texts[i]);
        ck_assert_uint_eq(sk_get(uint64_t, sk_remote(length_of, sk_put(texts[i]))), strlen(texts[i]));
    }
    size_t n = 3u << 20;
    char *text = malloc(n + 1);
    memset(text, 'x', n);
    text[n] = 0;
    ck_assert_uint_eq(sk_get(uint64_t, sk_remote(length_of, text)), n);
    ck_assert_str_eq(sk_get(const char *, sk_put(text)), text);
    free(text);
}

SK_REMOTE(sk_buf, reversed, (sk_buf, in))
{
    unsigned char out[1024];
    for (size_t i = 0; i < in.size; i++)
        out[i] = ((const unsigned char *)in.data)[in.size - 1 - i];
    return sk_buf_of(out, in.size);
}

CASE(buffers_travel_with_all_their_bytes)
{
    unsigned char bytes[512];
    for (int i = 0; i < 512; i++)
        bytes[i] = (unsigned char)i;
    for (size_t size = 0; size <= 512; size += 1 + size / 3) {
        sk_buf buf = { bytes, size, NULL };
        sk_buf back = sk_get(sk_buf, sk_put(buf));
        ck_assert(back.size == size && memcmp(back.data, bytes, size) == 0);
        back = sk_get(sk_buf, sk_remote(reversed, buf));
        ck_assert_uint_eq(back.size, size);
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_eq(((const unsigned char *)back.data)[i], bytes[size - 1 - i]);
    }
}

SK_REMOTE(uint64_t, size_of, (sk_buf, in)) { return in.size; }

CASE(an_empty_buffer_may_have_no_address)
{
    sk_buf none = { NULL, 0, NULL };
    ck_assert_uint_eq(sk_get(sk_buf, sk_put(none)).size, 0);
    ck_assert_uint_eq(sk_get(uint64_t, sk_remote(size_of, none)), 0);
}

/* ---- structs ---- */

typedef struct body { double mass; float position[3]; char name[12]; int64_t id; } body;

SK_REMOTE(sk_buf, moved, (sk_buf, packed), (double, dx))
{
    body b = sk_unpack(body, packed);
    b.position[0] += (float)dx;
    b.id++;
    return sk_pack(b);
}

CASE(structs_travel_as_packed_bytes)
{
    body b = { 1.5, { 1, 2, 3 }, "earth", 7 };
    sk_ref x = sk_put(sk_pack(b));
    body back = sk_get_struct(body, x);
    ck_assert(back.mass == 1.5 && back.position[2] == 3 && back.id == 7 && strcmp(back.name, "earth") == 0);
    back = sk_get_struct(body, sk_remote(moved, x, 0.5));
    ck_assert(back.position[0] == 1.5f && back.id == 8);
    back = sk_get_struct(body, sk_remote(moved, sk_pack(b), 2));
    ck_assert(back.position[0] == 3);
}

CASE(a_packed_struct_of_another_size_fails_the_task)
{
    int64_t other = 5;
    sk_error err = FAILS(sk_remote(moved, sk_pack(other), 1), SK_TASK);
    CONTAINS(err.message, "8");
    char size[32];
    snprintf(size, sizeof size, "%zu", sizeof(body));
    CONTAINS(err.message, size);
}

CASE(a_struct_of_another_size_ends_the_driver, .dies = 1, .says = { "8" })
{
    int64_t other = 5;
    sk_ref x = sk_put(sk_pack(other));
    WRONG((void)sk_get_struct(body, x));
}

/* ---- arrays ---- */

#define ARRAYS_TRAVEL(T, name, DT)                                                                \
    SK_REMOTE(sk_array, squares_of_##name, (sk_array, in))                                        \
    {                                                                                             \
        sk_array out = sk_new_array(DT, in.shape[0], in.shape[1]);                                \
        for (int64_t i = 0; i < sk_len(in); i++)                                                  \
            sk_write(T, out)[i] = (T)(sk_read(T, in)[i] * sk_read(T, in)[i]);                     \
        return out;                                                                               \
    }                                                                                             \
    CASE(arrays_of_##name##_travel)                                                               \
    {                                                                                             \
        T numbers[6] = { 0, 1, 2, 3, 4, 5 };                                                      \
        sk_array a = sk_array_of(numbers, 2, 3);                                                  \
        ck_assert(a.dtype == DT && sk_len(a) == 6);                                               \
        sk_array back = sk_get(sk_array, sk_put(a));                                              \
        ck_assert(back.dtype == DT && back.ndim == 2 && memcmp(back.data, numbers, sizeof numbers) == 0);  \
        back = sk_get(sk_array, sk_remote(squares_of_##name, a));                                 \
        ck_assert(back.dtype == DT && back.shape[0] == 2 && back.shape[1] == 3 && back.shape[2] == 1);     \
        ck_assert(sk_read(T, back)[5] == 25);                                                     \
        back = sk_get(sk_array, sk_remote(squares_of_##name, sk_remote(squares_of_##name, sk_put(a))));    \
        ck_assert(sk_read(T, back)[3] == 81);                                                     \
    }

ARRAYS_TRAVEL(double, f64, SK_F64)
ARRAYS_TRAVEL(float, f32, SK_F32)
ARRAYS_TRAVEL(int64_t, i64, SK_I64)
ARRAYS_TRAVEL(int32_t, i32, SK_I32)
ARRAYS_TRAVEL(unsigned char, u8, SK_U8)

SK_REMOTE(int64_t, dimensions_of, (sk_array, a))
{
    return a.ndim * 10000 + a.shape[0] * 1000 + a.shape[1] * 100 + a.shape[2] * 10 + a.shape[3];
}

CASE(arrays_have_one_to_four_dimensions)
{
    double numbers[2 * 3 * 4 * 5] = { 0 };
    ck_assert_int_eq(sk_get(int64_t, sk_remote(dimensions_of, sk_array_of(numbers, 7))), 17111);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(dimensions_of, sk_array_of(numbers, 2, 3))), 22311);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(dimensions_of, sk_array_of(numbers, 2, 3, 4))), 32341);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(dimensions_of, sk_array_of(numbers, 2, 3, 4, 5))), 42345);
}

CASE(an_array_may_be_empty)
{
    double number = 0;
    sk_array back = sk_get(sk_array, sk_put(sk_array_of(&number, 0)));
    ck_assert(sk_len(back) == 0 && back.ndim == 1 && back.shape[0] == 0);
    back = sk_get(sk_array, sk_remote(squares_of_f64, sk_array_of(&number, 3, 0)));
    ck_assert(sk_len(back) == 0 && back.shape[0] == 3 && back.shape[1] == 0);
}

SK_REMOTE(double, expects_three_by_three, (sk_array, a))
{
    sk_expect_shape(a, 3, 3);
    return sk_read(double, a)[8];
}

CASE(an_array_of_another_shape_fails_the_task_that_expects_it)
{
    double numbers[9] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };
    ck_assert(sk_get(double, sk_remote(expects_three_by_three, sk_array_of(numbers, 3, 3))) == 8);
    (void)FAILS(sk_remote(expects_three_by_three, sk_array_of(numbers, 9)), SK_TASK);
    (void)FAILS(sk_remote(expects_three_by_three, sk_array_of(numbers, 3, 2)), SK_TASK);
    CONTAINS(FAILS(sk_remote(expects_three_by_three, sk_array_of(numbers, 1, 3, 3)), SK_TASK).message, "values.c");
}

CASE(an_array_of_another_dtype_fails_the_task_that_reads_it)
{
    float numbers[9] = { 0 };
    sk_error err = FAILS(sk_remote(expects_three_by_three, sk_array_of(numbers, 3, 3)), SK_TASK);
    ck_assert_msg(contains_any_case(err.message, "f32") || strstr(err.message, "float"), "%s", err.message);
}

/* ---- lists ---- */

SK_REMOTE(sk_list, backwards, (sk_list, in))
{
    sk_ref out[10000];
    for (size_t i = 0; i < in.n; i++)
        out[i] = in.refs[in.n - 1 - i];
    return sk_list_of(out, in.n);
}

CASE(a_list_of_ten_thousand_refs_is_passed_and_returned)
{
    static sk_ref refs[10000];
    for (int i = 0; i < 10000; i++)
        refs[i] = sk_put(i);
    sk_ref answer = sk_remote(backwards, sk_list_of(refs, 10000));
    sk_list back = sk_get(sk_list, answer);
    ck_assert_uint_eq(back.n, 10000);
    for (int i = 0; i < 10000; i++)
        ck_assert_int_eq(sk_get(int, back.refs[i]), 9999 - i);
    ck_assert_int_eq(sk_get(int64_t, sk_remote(sum_list, answer)), 49995000);
}

SK_REMOTE(uint64_t, length_of_list, (sk_list, in)) { return in.n; }

CASE(a_list_may_be_empty)
{
    ck_assert_uint_eq(sk_get(sk_list, sk_put(sk_list_of((sk_ref *)NULL, 0))).n, 0);
    ck_assert_uint_eq(sk_get(uint64_t, sk_remote(length_of_list, sk_list_of((sk_ref *)NULL, 0))), 0);
}

SK_REMOTE(int64_t, sum_of_lists, (sk_list, lists))
{
    int64_t sum = 0;
    for (size_t i = 0; i < lists.n; i++) {
        sk_list inner = sk_get(sk_list, lists.refs[i]);
        for (size_t k = 0; k < inner.n; k++)
            sum += sk_get(int64_t, inner.refs[k]);
    }
    return sum;
}

CASE(lists_of_lists_travel)
{
    sk_ref lists[10];
    for (int i = 0; i < 10; i++) {
        sk_ref numbers[10];
        for (int k = 0; k < 10; k++)
            numbers[k] = k % 2 ? sk_put(10 * i + k) : sk_remote(same, 10 * i + k);
        lists[i] = sk_put(sk_list_of(numbers, 10));
    }
    ck_assert_int_eq(sk_get(int64_t, sk_remote(sum_of_lists, sk_list_of(lists, 10))), 4950);
}
