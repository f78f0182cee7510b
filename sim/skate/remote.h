/* skate/remote.h -- the macros of skate.h: SK_REMOTE, sk_remote, sk_put, sk_get.
 *
 * The idea: C11 _Generic stands where Python would look at type(x). A remote function is an object of type
 * sk_fn named like the function, with a thunk that unpacks sk_values, calls the body and packs the answer.
 * The number and types of its parameters are kept in the sizes of never-defined extern arrays
 * (`extern const char add_sk_arg1[1 + SK_T_I64]`): unlike enums these may be declared again and again, so a function can be
 * declared in a header, defined elsewhere, and a contradiction between the two is a compiler error.
 *
 * Reading order: 1 types; 2 lists; 3 which type is this?; 4 SK_REMOTE; 5 sk_remote; 6 sk_put, sk_get; 7 the functions behind. */
#ifndef SKATE_REMOTE_H
#define SKATE_REMOTE_H

/* ---- 1. Types ----------------------------------------------------------------------------------- */

enum { SK_MAX_ARGS = 8, SK_MAX_RETURNS = 8 };

typedef enum sk_type {          /* of parameters, and of values in flight (there only the widest of a family) */
    SK_T_NONE, SK_T_BOOL, SK_T_INT, SK_T_UINT, SK_T_I64, SK_T_U64, SK_T_F32, SK_T_F64,
    SK_T_STR, SK_T_BUF, SK_T_ARRAY, SK_T_LIST, SK_T_REF, SK_T_BAD
} sk_type;

typedef struct sk_value {       /* 16 bytes; strings, buffers, arrays and lists are counted blobs */
    uint64_t type;              /* an sk_type; NONE BOOL I64 U64 F64 STR BUF ARRAY LIST REF BAD */
    union { bool b; int64_t i64; uint64_t u64; double f64; sk_ref ref; struct sk_blob *blob; const char *why; };
} sk_value;

typedef struct sk_site {        /* a place in the student's source; static, one per call */
    const char *file;
    int line;
    const char *func;
    uint32_t index;             /* in the trace; 0: not named there yet. Atomic; the trace's */
} sk_site;

struct sk_fn {                  /* static storage; nobody frees one */
    const char *name;           /* found by this name in another process or on another node */
    const char *signature;      /* exactly what the student wrote; hashed for handshakes */
    const char *file;
    int line;
    uint8_t nargs, nreturns;
    uint8_t arg_type[SK_MAX_ARGS], return_type[SK_MAX_RETURNS];     /* sk_type */
    void (*run)(const sk_value *in, sk_value *out);
    uint32_t index;             /* in the sorted table; set by the registry */
    sk_fn *next;                /* the registry's */
};

#define SK_HERE ({ static sk_site sk_here = { __FILE__, __LINE__, __func__, 0 }; &sk_here; })
#define SK_OPTS(...) (&(const sk_options){ __VA_ARGS__ })

/* ---- 2. Lists: SK_EACH runs m(x, i, a) over up to eight things, i counting from 1 ------------------ */

#define SK_CAT(a, b)  SK_CAT_(a, b)
#define SK_CAT_(a, b) a##b

#define SK_COUNT(...) SK_COUNT_(0 __VA_OPT__(,) __VA_ARGS__, many, many, many, many, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define SK_COUNT_(z, a, b, c, d, e, f, g, h, i, j, k, l, n, ...) n

#define SK_EACH(m, x, ...) SK_CAT(SK_EACH_, SK_COUNT(__VA_ARGS__))(m, x __VA_OPT__(,) __VA_ARGS__)
#define SK_EACH_0(m, x)
#define SK_EACH_1(m, x, a)                      m(x, 1, a)
#define SK_EACH_2(m, x, a, b)                   SK_EACH_1(m, x, a) m(x, 2, b)
#define SK_EACH_3(m, x, a, b, c)                SK_EACH_2(m, x, a, b) m(x, 3, c)
#define SK_EACH_4(m, x, a, b, c, d)             SK_EACH_3(m, x, a, b, c) m(x, 4, d)
#define SK_EACH_5(m, x, a, b, c, d, e)          SK_EACH_4(m, x, a, b, c, d) m(x, 5, e)
#define SK_EACH_6(m, x, a, b, c, d, e, f)       SK_EACH_5(m, x, a, b, c, d, e) m(x, 6, f)
#define SK_EACH_7(m, x, a, b, c, d, e, f, g)    SK_EACH_6(m, x, a, b, c, d, e, f) m(x, 7, g)
#define SK_EACH_8(m, x, a, b, c, d, e, f, g, h) SK_EACH_7(m, x, a, b, c, d, e, f, g) m(x, 8, h)
#define SK_EACH_many(m, x, ...)

/* SK_LIST is SK_EACH with commas between. */
#define SK_LIST(m, x, ...) SK_CAT(SK_LIST_, SK_COUNT(__VA_ARGS__))(m, x __VA_OPT__(,) __VA_ARGS__)
#define SK_LIST_0(m, x)
#define SK_LIST_1(m, x, a)                      m(x, 1, a)
#define SK_LIST_2(m, x, a, b)                   SK_LIST_1(m, x, a), m(x, 2, b)
#define SK_LIST_3(m, x, a, b, c)                SK_LIST_2(m, x, a, b), m(x, 3, c)
#define SK_LIST_4(m, x, a, b, c, d)             SK_LIST_3(m, x, a, b, c), m(x, 4, d)
#define SK_LIST_5(m, x, a, b, c, d, e)          SK_LIST_4(m, x, a, b, c, d), m(x, 5, e)
#define SK_LIST_6(m, x, a, b, c, d, e, f)       SK_LIST_5(m, x, a, b, c, d, e), m(x, 6, f)
#define SK_LIST_7(m, x, a, b, c, d, e, f, g)    SK_LIST_6(m, x, a, b, c, d, e, f), m(x, 7, g)
#define SK_LIST_8(m, x, a, b, c, d, e, f, g, h) SK_LIST_7(m, x, a, b, c, d, e, f, g), m(x, 8, h)
#define SK_LIST_many(m, x, ...)

/* ---- 3. Which type is this? ------------------------------------------------------------------------ */

#define SK_TYPE_OF(T) SK_TYPE_OF_VALUE((T){ 0 })
#define SK_TYPE_OF_VALUE(x) _Generic((x), sk_none: SK_T_NONE, _Bool: SK_T_BOOL, int: SK_T_INT,   \
    unsigned: SK_T_UINT, long: SK_T_I64, long long: SK_T_I64, unsigned long: SK_T_U64,           \
    unsigned long long: SK_T_U64, float: SK_T_F32, double: SK_T_F64, char *: SK_T_STR,           \
    const char *: SK_T_STR, sk_buf: SK_T_BUF, sk_array: SK_T_ARRAY, sk_list: SK_T_LIST,          \
    sk_ref: SK_T_REF, char: SK_T_INT, signed char: SK_T_INT, unsigned char: SK_T_INT,            \
    short: SK_T_INT, unsigned short: SK_T_INT, default: SK_T_BAD)

/* May an expression of type `arg` be given for a parameter of type `param`? A ref always may: its value is
 * checked when it arrives. Integers may be given for any number; a double only for a float or double. */
#define SK_FITS(param, arg)  SK_FITS_((int)(param), (int)(arg))
#define SK_FITS_(p, a) (p == a || a == SK_T_REF                                                   \
    || (a >= SK_T_BOOL && a <= SK_T_U64 && p >= SK_T_BOOL && p <= SK_T_F64)                       \
    || (a >= SK_T_F32 && a <= SK_T_F64 && p >= SK_T_F32 && p <= SK_T_F64))

#define SK_BOX(x) SK_BOX_WITH(x, sk_from_array)
#define SK_BOX_RESULT(x) SK_BOX_WITH(x, sk_from_result)   /* an array the task made is sealed, not copied */
#define SK_BOX_WITH(x, from_array) _Generic((x), sk_none: sk_from_none, _Bool: sk_from_bool, char: sk_from_i64,    \
    signed char: sk_from_i64, unsigned char: sk_from_i64, short: sk_from_i64,                     \
    unsigned short: sk_from_i64, int: sk_from_i64, unsigned: sk_from_u64, long: sk_from_i64,      \
    long long: sk_from_i64, unsigned long: sk_from_u64, unsigned long long: sk_from_u64,          \
    float: sk_from_f64, double: sk_from_f64, char *: sk_from_str, const char *: sk_from_str,      \
    sk_buf: sk_from_buf, sk_array: from_array, sk_list: sk_from_list, sk_ref: sk_from_ref,     \
    default: sk_from_bad)(x)

#define SK_UNBOX(T, value) _Generic((T){ 0 }, sk_none: sk_to_none, _Bool: sk_to_bool, int: sk_to_int,   \
    unsigned: sk_to_uint, long: sk_to_i64, long long: sk_to_i64, unsigned long: sk_to_u64,              \
    unsigned long long: sk_to_u64, float: sk_to_f32, double: sk_to_f64, const char *: sk_to_str,        \
    sk_buf: sk_to_buf, sk_array: sk_to_array, sk_list: sk_to_list, sk_ref: sk_to_ref)(value)

static inline sk_value sk_from_none(sk_none v)   { (void)v; return (sk_value){ SK_T_NONE, { 0 } }; }
static inline sk_value sk_from_bool(bool v)      { return (sk_value){ SK_T_BOOL, { .u64 = v } }; }
static inline sk_value sk_from_i64(int64_t v)    { return (sk_value){ SK_T_I64, { .i64 = v } }; }
static inline sk_value sk_from_u64(uint64_t v)   { return (sk_value){ SK_T_U64, { .u64 = v } }; }
static inline sk_value sk_from_f64(double v)     { return (sk_value){ SK_T_F64, { .f64 = v } }; }
static inline sk_value sk_from_ref(sk_ref v)     { return (sk_value){ SK_T_REF, { .ref = v } }; }
/* These copy (or share, if it is a view of an object); the value owns one reference to its blob. */
sk_value sk_from_str(const char *v);
sk_value sk_from_buf(sk_buf v);
sk_value sk_from_array(sk_array v);
sk_value sk_from_result(sk_array v);
sk_value sk_from_list(sk_list v);
sk_value sk_from_bad();                /* never called: the type check has complained */

/* The type of an argument has been checked against the parameter before the task runs; what is left to check is
 * the range of narrow integers. Out of line where they can fail the task. */
int sk_to_int(sk_value v);
unsigned sk_to_uint(sk_value v);
int64_t sk_to_i64(sk_value v);
uint64_t sk_to_u64(sk_value v);
static inline sk_none  sk_to_none(sk_value v) { (void)v; return (sk_none){ 0 }; }
static inline bool     sk_to_bool(sk_value v) { return v.u64 != 0; }
static inline double   sk_to_f64(sk_value v)
{
    return v.type == SK_T_F64 ? v.f64 : v.type == SK_T_I64 ? (double)v.i64 : (double)v.u64;
}
static inline float    sk_to_f32(sk_value v)  { return (float)sk_to_f64(v); }
static inline sk_ref   sk_to_ref(sk_value v)  { return v.ref; }
const char *sk_to_str(sk_value v);     /* views: borrowed from the value */
sk_buf      sk_to_buf(sk_value v);
sk_array    sk_to_array(sk_value v);
sk_list     sk_to_list(sk_value v);

/* ---- 4. SK_REMOTE ------------------------------------------------------------------------------------- */

#define SK_PAIR_TYPE(T, name) T
#define SK_PAIR_NAME(T, name) name
#define SK_DECLARE(x, i, pair)        SK_PAIR_TYPE pair SK_PAIR_NAME pair
#define SK_DECLARE_OUT(x, i, pair)    SK_PAIR_TYPE pair *SK_PAIR_NAME pair
#define SK_OUT_LOCAL(x, i, pair)      SK_PAIR_TYPE pair sk_out_##i = { 0 };
#define SK_OUT_ADDRESS(x, i, pair)    &sk_out_##i
#define SK_OUT_STORE(x, i, pair)      sk_out[i - 1] = SK_BOX_RESULT(sk_out_##i);
#define SK_FROM_ARG(x, i, pair)       SK_UNBOX(SK_PAIR_TYPE pair, sk_in[i - 1])
#define SK_COMMA_DECLARE(x, i, pair)  , SK_DECLARE(x, i, pair)
#define SK_COMMA_FROM_ARG(x, i, pair) , SK_FROM_ARG(x, i, pair)
#define SK_TYPE_OF_PAIR(x, i, pair)   SK_TYPE_OF(SK_PAIR_TYPE pair)
#define SK_ARG_CONSTANT(fn, i, pair)                                                              \
    _Static_assert(SK_TYPE_OF_PAIR(~, i, pair) != SK_T_BAD, #fn ": the type of parameter " #i     \
                   " cannot travel; see \"Things that travel\" in skate.h");                      \
    extern const char fn##_sk_arg##i[1 + SK_TYPE_OF_PAIR(~, i, pair)];
#define SK_RETURN_CONSTANT(fn, i, pair)                                                           \
    _Static_assert(SK_TYPE_OF_PAIR(~, i, pair) != SK_T_BAD, #fn ": the type of answer " #i        \
                   " cannot travel; see \"Things that travel\" in skate.h");                      \
    extern const char fn##_sk_return##i[1 + SK_TYPE_OF_PAIR(~, i, pair)];

#define SK_PARAMETERS(...)   SK_CAT(SK_PARAMETERS_, SK_SOME(__VA_ARGS__))(__VA_ARGS__)
#define SK_PARAMETERS_0()    void                                    /* C spells "no parameters" (void) */
#define SK_PARAMETERS_1(...) SK_LIST(SK_DECLARE, ~, __VA_ARGS__)
#define SK_SOME(...) SK_COUNT_(0 __VA_OPT__(,) __VA_ARGS__, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0)

#define SK_UNWRAP(...)          __VA_ARGS__
#define SK_COUNT_OF(outs)       SK_COUNT_OR_9 outs
#define SK_LIST_OF(m, x, outs)  SK_LIST_OF_(m, x, SK_UNWRAP outs)
#define SK_LIST_OF_(m, x, ...)  SK_LIST(m, x, __VA_ARGS__)
#define SK_EACH_OF(m, x, outs)  SK_EACH_OF_(m, x, SK_UNWRAP outs)
#define SK_EACH_OF_(m, x, ...)  SK_EACH(m, x, __VA_ARGS__)
#define SK_OUT_PARAMETERS(outs, ...) \
    SK_LIST_OF(SK_DECLARE_OUT, ~, outs) SK_EACH(SK_COMMA_DECLARE, ~ __VA_OPT__(,) __VA_ARGS__)

/* The linker knows `add` as sk_remote.add, so that a remote function may be called `read` or `link`, or `first` (sk_fn_first is ours). */
#define SK_REMOTE_OUT_DECLARE(fn, outs, ...)                                                      \
    _Static_assert(SK_COUNT_IS_FINE(__VA_ARGS__), #fn ": at most 8 parameters");                  \
    _Static_assert(SK_COUNT_IS_FINE outs && SK_COUNT_OF(outs) > 0, #fn ": at least 1 answer, at most 8 answers");  \
    extern const char fn##_sk_nargs[1 + SK_COUNT_OR_9(__VA_ARGS__)];                              \
    extern const char fn##_sk_nreturns[1 + SK_COUNT_OF(outs)];                                    \
    SK_EACH(SK_ARG_CONSTANT, fn __VA_OPT__(,) __VA_ARGS__)                                        \
    SK_EACH_OF(SK_RETURN_CONSTANT, fn, outs)                                                      \
    extern sk_fn fn __asm__("sk_remote." #fn)
#define SK_REMOTE_DECLARE(T, fn, ...) SK_REMOTE_OUT_DECLARE(fn, ((T, answer)) __VA_OPT__(,) __VA_ARGS__)
#define SK_COUNT_OR_9(...) SK_CAT(SK_NUMBER_, SK_COUNT(__VA_ARGS__))
#define SK_COUNT_IS_FINE(...) (SK_COUNT_OR_9(__VA_ARGS__) < 9)
enum { SK_NUMBER_0, SK_NUMBER_1, SK_NUMBER_2, SK_NUMBER_3, SK_NUMBER_4, SK_NUMBER_5, SK_NUMBER_6,
       SK_NUMBER_7, SK_NUMBER_8, SK_NUMBER_many };

#define SK_REMOTE(T, fn, ...)                                                                     \
    SK_REMOTE_DECLARE(T, fn __VA_OPT__(,) __VA_ARGS__);                                           \
    static T fn##_body(SK_PARAMETERS(__VA_ARGS__));                                               \
    static void fn##_sk_run(const sk_value *sk_in, sk_value *sk_out)                              \
    {                                                                                             \
        (void)sk_in;                                                                              \
        T sk_answer = fn##_body(SK_LIST(SK_FROM_ARG, ~ __VA_OPT__(,) __VA_ARGS__));               \
        sk_out[0] = SK_BOX_RESULT(sk_answer);                                                     \
    }                                                                                             \
    SK_ENTER_IN_REGISTRY(fn, ((T, answer)), #T " " #fn "(" #__VA_ARGS__ ")" __VA_OPT__(,) __VA_ARGS__)  \
    static T fn##_body(SK_PARAMETERS(__VA_ARGS__))

#define SK_REMOTE_OUT(fn, outs, ...)                                                              \
    SK_REMOTE_OUT_DECLARE(fn, outs __VA_OPT__(,) __VA_ARGS__);                                    \
    static void fn##_body(SK_OUT_PARAMETERS(outs __VA_OPT__(,) __VA_ARGS__));                     \
    static void fn##_sk_run(const sk_value *sk_in, sk_value *sk_out)                              \
    {                                                                                             \
        (void)sk_in;                                                                              \
        SK_EACH_OF(SK_OUT_LOCAL, ~, outs)                                                         \
        fn##_body(SK_LIST_OF(SK_OUT_ADDRESS, ~, outs)                                             \
                  SK_EACH(SK_COMMA_FROM_ARG, ~ __VA_OPT__(,) __VA_ARGS__));                       \
        SK_EACH_OF(SK_OUT_STORE, ~, outs)                                                         \
    }                                                                                             \
    SK_ENTER_IN_REGISTRY(fn, outs, #outs " " #fn "(" #__VA_ARGS__ ")" __VA_OPT__(,) __VA_ARGS__)  \
    static void fn##_body(SK_OUT_PARAMETERS(outs __VA_OPT__(,) __VA_ARGS__))

#define SK_ENTER_IN_REGISTRY(fn, outs, text, ...)                                                 \
    sk_fn fn = {                                                                                  \
        .name = #fn, .signature = text, .file = __FILE__, .line = __LINE__,                       \
        .nargs = SK_COUNT_OR_9(__VA_ARGS__), .nreturns = SK_COUNT_OF(outs), .run = fn##_sk_run,   \
        .arg_type = { SK_LIST(SK_TYPE_OF_PAIR, ~ __VA_OPT__(,) __VA_ARGS__) },                    \
        .return_type = { SK_LIST_OF(SK_TYPE_OF_PAIR, ~, outs) } };                                \
    __attribute__((constructor(101))) static void fn##_sk_register(void) { sk_fn_register(&fn); }

/* ---- 5. sk_remote --------------------------------------------------------------------------------------
 * Each argument is evaluated once, into a local, and stands once in the expansion (not even #x may follow: SK_EACH
 * has expanded it by then), so that nested calls grow by addition, not by multiplication. */

#define SK_EVALUATE(fn, i, x) __auto_type sk_x##i = (x);
#define SK_BOX_LOCAL(fn, i, x) SK_BOX(sk_x##i)
#define SK_CHECK_ARG(fn, i, x)                                                                    \
    enum { sk_fits_##i = SK_FITS(sizeof fn##_sk_arg##i - 1, SK_TYPE_OF_VALUE(sk_x##i)) };         \
    _Static_assert(sk_fits_##i, #fn ": argument " #i " has the wrong type");
#define SK_CHECK_ARGS(fn, ...)                                                                    \
    _Static_assert(SK_COUNT_OR_9(__VA_ARGS__) == sizeof fn##_sk_nargs - 1, #fn ": wrong number of arguments");  \
    SK_EACH(SK_EVALUATE, fn __VA_OPT__(,) __VA_ARGS__)                                            \
    SK_EACH(SK_CHECK_ARG, fn __VA_OPT__(,) __VA_ARGS__)
#define SK_CHECK_ANSWERS(fn, n)                                                                   \
    _Static_assert((n) == sizeof fn##_sk_nreturns - 1, #fn ": wrong number of answers: sk_remote is for one; " \
                   "give sk_remote_into an array of as many sk_ref as the function has answers")
/* As long as the list, but at least 1. */
#define SK_ARGS(fn, ...) ((sk_value[SK_COUNT_OR_9(__VA_ARGS__) + !SK_COUNT_OR_9(__VA_ARGS__)]){                     \
    SK_LIST(SK_BOX_LOCAL, fn __VA_OPT__(,) __VA_ARGS__) })

#define sk_remote(fn, ...) sk_remote_with(NULL, fn __VA_OPT__(,) __VA_ARGS__)
#define sk_remote_with(options, fn, ...) ({                                                       \
    SK_CHECK_ANSWERS(fn, 1);                                                                      \
    SK_CHECK_ARGS(fn __VA_OPT__(,) __VA_ARGS__)                                                   \
    sk_submit_one(&(fn), SK_HERE, sizeof fn##_sk_nargs - 1, SK_ARGS(fn __VA_OPT__(,) __VA_ARGS__), (options)); })
#define sk_remote_into(refs, fn, ...) sk_remote_into_with(NULL, refs, fn __VA_OPT__(,) __VA_ARGS__)
#define sk_remote_into_with(options, refs, fn, ...) ({                                            \
    SK_CHECK_ANSWERS(fn, sizeof (refs) / sizeof (refs)[0]);                                       \
    SK_CHECK_ARGS(fn __VA_OPT__(,) __VA_ARGS__)                                                   \
    sk_submit(&(fn), SK_HERE, sizeof fn##_sk_nargs - 1, SK_ARGS(fn __VA_OPT__(,) __VA_ARGS__), (options), (refs)); })
#define SK_CHECK_TRAVELS(fn, i, x)                                                                \
    _Static_assert((int)SK_TYPE_OF_VALUE(sk_x##i) != SK_T_BAD, "sk_remote_fn: argument " #i " has a type that cannot travel");
#define sk_remote_fn(fn, ...) ({                                                                  \
    _Static_assert(SK_COUNT_IS_FINE(__VA_ARGS__), "sk_remote_fn: at most 8 arguments");           \
    SK_EACH(SK_EVALUATE, fn __VA_OPT__(,) __VA_ARGS__)                                            \
    SK_EACH(SK_CHECK_TRAVELS, fn __VA_OPT__(,) __VA_ARGS__)                                       \
    sk_submit_checked((fn), SK_HERE, SK_COUNT_OR_9(__VA_ARGS__), SK_ARGS(fn __VA_OPT__(,) __VA_ARGS__)); })

/* ---- 6. sk_put, sk_get and the rest ----------------------------------------------------------------------- */

#define sk_put(x) ({                                                                              \
    __auto_type sk_x0 = (x);                                                                      \
    enum { sk_type_0 = SK_TYPE_OF_VALUE(sk_x0) };                                                 \
    _Static_assert((int)sk_type_0 != SK_T_REF, "sk_put: a ref cannot be put; put a list of it: sk_list_of(&ref, 1)");  \
    _Static_assert((int)sk_type_0 != SK_T_BAD, "sk_put: `" #x "` has a type that cannot travel; "  \
                   "plain structs travel as sk_pack(x), refs as sk_list_of(refs, n)");             \
    sk_put_value(SK_BOX(sk_x0), SK_HERE); })

#define SK_CHECK_TYPE(T)                                                                          \
    _Static_assert(SK_TYPE_OF(T) != SK_T_BAD, "`" #T "` is not a type that can travel; for a struct use sk_get_struct")
#define sk_get(T, ref) ({ SK_CHECK_TYPE(T); T sk_v; sk_get_into((ref), SK_TYPE_OF(T), &sk_v, SK_HERE); sk_v; })
#define sk_take(T, ref) ({ SK_CHECK_TYPE(T); T sk_v; sk_take_into((ref), SK_TYPE_OF(T), &sk_v, SK_HERE); sk_v; })
#define sk_get_struct(T, ref) ({ T sk_v; sk_get_bytes((ref), &sk_v, sizeof (T), SK_HERE); sk_v; })
#define sk_get_all(T, refs, n, values) ({ SK_CHECK_TYPE(T);                                       \
    _Static_assert(__builtin_types_compatible_p(T, __typeof__(*(values))),                        \
                   "sk_get_all: `" #values "` must be an array of `" #T "`");                     \
    T *sk_v = (values);                                                                           \
    sk_get_all_into((refs), (n), SK_TYPE_OF(T), sk_v, sizeof (T), SK_HERE); })
#define SK_CHECK_POINTER(name, p)                                                                 \
    _Static_assert(SK_TYPE_OF_VALUE(*(p)) != SK_T_BAD, name ": `" #p "` must point to a type that can travel")
#define sk_try_get(ref, value, timeout_s, err) ({ SK_CHECK_POINTER("sk_try_get", value);           \
    sk_try_get_into((ref), SK_TYPE_OF_VALUE(*(value)), (value), (timeout_s), (err), SK_HERE); })
#define sk_try_get_all(refs, n, values, timeout_s, err) ({ SK_CHECK_POINTER("sk_try_get_all", values);  \
    sk_try_get_all_into((refs), (n), SK_TYPE_OF_VALUE(*(values)), (values), sizeof *(values), (timeout_s), (err), SK_HERE); })

#define sk_wait(refs, n, num_returns, timeout_s) sk_wait_at((refs), (n), (num_returns), (timeout_s), SK_HERE)
#define sk_try_wait(refs, n, num_returns, timeout_s, count, err) \
    sk_try_wait_at((refs), (n), (num_returns), (timeout_s), (count), (err), SK_HERE)
#define sk_waiter_next(waiter, ref, timeout_s) sk_waiter_next_at((waiter), (ref), (timeout_s), SK_HERE)
#define sk_cancel(ref, flags) sk_cancel_at((ref), (flags), SK_HERE)
#define sk_drop(ref) sk_drop_at((ref), SK_HERE)
#define sk_dup(ref) sk_dup_at((ref), SK_HERE)

/* The cleanup attribute ends the scope however it is left: at the brace, by break, return or goto. */
#define sk_scope \
    for (sk_mark sk_m __attribute__((cleanup(sk_scope_end))) = sk_scope_begin(); !sk_m.over; sk_m.over = true)

#define SK_DTYPE_OF(x) _Generic((x), double: SK_F64, float: SK_F32, long: SK_I64, long long: SK_I64,  \
    int: SK_I32, unsigned char: SK_U8)
#define SK_DIMS(...) (const int64_t[]){ __VA_ARGS__ }, (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#define sk_new_array(dtype, ...) sk_new_array_at((dtype), SK_DIMS(__VA_ARGS__), false, SK_HERE)
#define sk_zeros(dtype, ...) sk_new_array_at((dtype), SK_DIMS(__VA_ARGS__), true, SK_HERE)
#define sk_array_of(pointer, ...) sk_array_view((pointer), SK_DTYPE_OF(*(pointer)), SK_DIMS(__VA_ARGS__), SK_HERE)
#define sk_list_of(refs, n) sk_list_view((refs), (n), SK_HERE)
#define sk_read(T, array)  ((const T *)sk_read_at((array), SK_DTYPE_OF((T){ 0 }), SK_HERE))
#define sk_write(T, array) ((T *)sk_write_at((array), SK_DTYPE_OF((T){ 0 }), SK_HERE))
#define sk_expect_shape(array, ...) sk_expect_shape_at((array), SK_DIMS(__VA_ARGS__), SK_HERE)
#define sk_pack(lvalue) sk_buf_view(&(lvalue), sizeof (lvalue), SK_HERE)
#define sk_buf_of(data, size) sk_buf_view((data), (size), SK_HERE)
#define sk_unpack(T, buf) ({ T sk_v; sk_unpack_into((buf), &sk_v, sizeof (T), SK_HERE); sk_v; })

/* ---- 7. The functions behind ---------------------------------------------------------------------------------
 * Sites are static and stay valid; refs, values and arrays are borrowed unless a comment above says otherwise.
 * sk_submit and sk_put_value take over the blobs of their values.                                              */

typedef struct sk_mark { size_t outer, scratch; bool over; } sk_mark;

void   sk_init_at(sk_site *site, int *argc, char ***argv, const sk_config *config);
void   sk_shutdown_at(sk_site *site);
void   sk_fn_register(sk_fn *fn);
void   sk_submit(const sk_fn *fn, sk_site *site, size_t nargs, const sk_value *args, const sk_options *options, sk_ref *returns);
/* Arguments fit their parameters. */
static inline sk_ref sk_submit_one(const sk_fn *fn, sk_site *site, size_t nargs, const sk_value *args, const sk_options *options)
{
    sk_ref answer;
    sk_submit(fn, site, nargs, args, options, &answer);
    return answer;
}
/* The same where the compiler has not seen that the arguments fit. How many answers there are is not known either; the first is returned. */
sk_ref sk_submit_checked(const sk_fn *fn, sk_site *site, size_t nargs, const sk_value *args);
sk_ref sk_put_value(sk_value value, sk_site *site);
void   sk_get_into(sk_ref ref, sk_type type, void *value, sk_site *site);
void   sk_take_into(sk_ref ref, sk_type type, void *value, sk_site *site);
void   sk_get_bytes(sk_ref ref, void *value, size_t size, sk_site *site);
void   sk_get_all_into(const sk_ref *refs, size_t n, sk_type type, void *values, size_t stride, sk_site *site);
bool   sk_try_get_into(sk_ref ref, sk_type type, void *value, double timeout_s, sk_error *err, sk_site *site);
bool   sk_try_get_all_into(const sk_ref *refs, size_t n, sk_type type, void *values, size_t stride, double timeout_s,
                           sk_error *err, sk_site *site);
size_t sk_wait_at(sk_ref *refs, size_t n, size_t num_returns, double timeout_s, sk_site *site);
bool   sk_try_wait_at(sk_ref *refs, size_t n, size_t num_returns, double timeout_s, size_t *count, sk_error *err, sk_site *site);
sk_waiter *sk_waiter_new_at(const sk_ref *refs, size_t n, sk_site *site);
bool   sk_waiter_next_at(sk_waiter *waiter, sk_ref *ref, double timeout_s, sk_site *site);
size_t sk_waiter_left(const sk_waiter *waiter);
void   sk_need_started(const char *call, const sk_site *site);    /* misuse before sk_init and after sk_shutdown */
void   sk_waiter_free(sk_waiter *waiter);
void   sk_cancel_at(sk_ref ref, int flags, sk_site *site);
void   sk_drop_at(sk_ref ref, sk_site *site);
sk_ref sk_dup_at(sk_ref ref, sk_site *site);
sk_mark sk_scope_begin(void);
void   sk_scope_end(sk_mark *mark);
sk_ref sk_reduce_at(const sk_fn *fn, const sk_ref *refs, size_t n, sk_site *site);
void   sk_map_at(const sk_fn *fn, const sk_ref *refs, size_t n, sk_ref *out, sk_site *site);
void   sk_fail_at(sk_site *site, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));
void   sk_sleep_at(double seconds, sk_site *site);
void   sk_compute_at(double units, sk_site *site);
void   sk_say_at(sk_site *site, const char *format, ...) __attribute__((format(printf, 2, 3)));
sk_array sk_new_array_at(sk_dtype dtype, const int64_t *shape, int ndim, bool zeroed, sk_site *site);
sk_array sk_array_view(const void *data, sk_dtype dtype, const int64_t *shape, int ndim, sk_site *site);
sk_list sk_list_view(const sk_ref *refs, size_t n, sk_site *site);
sk_buf sk_buf_view(const void *data, size_t size, sk_site *site);
const void *sk_read_at(sk_array array, sk_dtype dtype, sk_site *site);
void  *sk_write_at(sk_array array, sk_dtype dtype, sk_site *site);
void   sk_expect_shape_at(sk_array array, const int64_t *shape, int ndim, sk_site *site);
void   sk_unpack_into(sk_buf buf, void *value, size_t size, sk_site *site);

/* A worker process is this same program, started with SKATE_WORKER=... in its environment. It must leave for its work when all functions are
 * known (priority 101), but before the program's own constructors and main, so that nothing of the program's start-up runs twice: hence
 * these constructors, of which the first in the executable does it (sim/divert.c). In any other process they do nothing. Weak: a file that
 * includes skate.h and uses nothing of it links without the library. */
static void sk_worker_divert_weak(const void *here) __attribute__((weakref("sk_worker_divert")));
__attribute__((constructor(102))) static void sk_worker_way_in(void)
{
    static const char here = 0;         /* lies in the same executable or library as the caller */
    if (sk_worker_divert_weak)
        sk_worker_divert_weak(&here);
}

/* The small questions know their caller's line too. (A macro's own name inside it is not expanded again.) */
#define sk_now()              (sk_need_started("sk_now", SK_HERE), sk_now())
#define sk_random()           (sk_need_started("sk_random", SK_HERE), sk_random())
#define sk_node()             (sk_need_started("sk_node", SK_HERE), sk_node())
#define sk_worker()           (sk_need_started("sk_worker", SK_HERE), sk_worker())
#define sk_cancelled()        (sk_need_started("sk_cancelled", SK_HERE), sk_cancelled())
#define sk_stats()            (sk_need_started("sk_stats", SK_HERE), sk_stats())
#define sk_print_refs()       (sk_need_started("sk_print_refs", SK_HERE), sk_print_refs())
#define sk_resources(out, max) (sk_need_started("sk_resources", SK_HERE), sk_resources((out), (max)))
#define sk_nodes(out, max)     (sk_need_started("sk_nodes", SK_HERE), sk_nodes((out), (max)))

#endif
