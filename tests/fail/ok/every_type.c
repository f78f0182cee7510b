/* Everything that travels: as parameter, answer, argument, object; and numbers that widen. */
#include <skate.h>

SK_REMOTE(bool, of_bool, (bool, x)) { return x; }
SK_REMOTE(int, of_int, (int, x)) { return x; }
SK_REMOTE(unsigned, of_unsigned, (unsigned, x)) { return x; }
SK_REMOTE(int64_t, of_int64, (int64_t, x)) { return x; }
SK_REMOTE(uint64_t, of_uint64, (uint64_t, x)) { return x; }
SK_REMOTE(size_t, of_size, (size_t, x)) { return x; }
SK_REMOTE(float, of_float, (float, x)) { return x; }
SK_REMOTE(double, of_double, (double, x)) { return x; }
SK_REMOTE(const char *, of_string, (const char *, x)) { return x; }
SK_REMOTE(sk_buf, of_buf, (sk_buf, x)) { return x; }
SK_REMOTE(sk_array, of_array, (sk_array, x)) { return x; }
SK_REMOTE(sk_list, of_list, (sk_list, x)) { return x; }
SK_REMOTE(sk_ref, of_ref, (sk_ref, x)) { return sk_dup(x); }
SK_REMOTE(sk_none, of_none) { return (sk_none){ 0 }; }
SK_REMOTE(double, of_eight, (int, a), (int, b), (int, c), (int, d), (int, e), (int, f), (int, g), (double, h))
{
    return a + b + c + d + e + f + g + h;
}

struct point { double x, y; };
enum colour { RED, GREEN };

void f(sk_ref ref, char *text, const double *numbers, struct point p, short s, unsigned char u);
void f(sk_ref ref, char *text, const double *numbers, struct point p, short s, unsigned char u)
{
    sk_ref refs[8];
    refs[0] = sk_remote(of_bool, true);
    refs[1] = sk_remote(of_int, s);
    refs[2] = sk_remote(of_unsigned, u);
    refs[3] = sk_remote(of_int64, 5);
    refs[4] = sk_remote(of_uint64, 5u);
    refs[5] = sk_remote(of_size, sizeof p);
    refs[6] = sk_remote(of_float, 1.5);
    refs[7] = sk_remote(of_double, RED);
    sk_remote(of_string, "literal");
    sk_remote(of_string, text);
    sk_remote(of_buf, sk_pack(p));
    sk_remote(of_buf, ((sk_buf){ text, 3, NULL }));
    sk_remote(of_array, sk_array_of(numbers, 10, 10));
    sk_remote(of_list, sk_list_of(refs, 8));
    sk_remote(of_ref, ref);
    sk_remote(of_double, ref);
    sk_remote(of_none);
    sk_remote(of_eight, 1, 2, 3, 4, 5, 6, ref, 8);
    sk_remote_fn(&of_none);
    sk_remote_fn(&of_eight, 1, 2, 3, 4, 5, 6, ref, 8.0);

    sk_put(true), sk_put(1), sk_put(1u), sk_put(INT64_C(1)), sk_put(UINT64_C(1)), sk_put(1.0f), sk_put(1.0);
    sk_put("text"), sk_put(text), sk_put(sk_pack(p)), sk_put(sk_array_of(numbers, 100));
    sk_put(sk_list_of(refs, 8));

    struct point q = sk_get_struct(struct point, ref);
    q = sk_unpack(struct point, sk_get(sk_buf, ref));
    (void)q;
    const char *string = sk_get(const char *, ref);
    (void)string;
    sk_ref inner = sk_get(sk_ref, ref);
    sk_get(sk_none, sk_dup(inner));
}
