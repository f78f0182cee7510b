/* value.c -- see value.h. */
#include "value.h"

#include "lane.h"
#include "session.h"

#include <inttypes.h>
#include <limits.h>

static const char *const type_names[] = { "none", "bool", "int", "unsigned", "int64_t", "uint64_t", "float", "double",
                                          "string", "sk_buf", "sk_array", "sk_list", "sk_ref", "?" };
static const char *const dtype_names[] = { "f64", "f32", "i64", "i32", "u8" };
static const uint8_t dtype_sizes[] = { 8, 4, 8, 4, 1 };

const char *sk_type_name(sk_type type)    { return (unsigned)type <= SK_T_BAD ? type_names[type] : "?"; }
const char *sk_dtype_name(sk_dtype dtype) { return (unsigned)dtype <= SK_U8 ? dtype_names[dtype] : "?"; }
size_t sk_dtype_size(sk_dtype dtype)      { return dtype_sizes[dtype]; }

sk_type sk_type_widest(sk_type type)
{
    return type == SK_T_INT ? SK_T_I64 : type == SK_T_UINT ? SK_T_U64 : type == SK_T_F32 ? SK_T_F64 : type;
}

/* ---- blobs ---- */

struct sk_shared_store sk_shared_store;
__thread sk_error sk_alloc_error;

sk_blob *sk_blob_new(sk_type type, size_t size, sk_error *err)
{
    size_t whole = sizeof(sk_blob) + size;
    if (whole < size || !sk_store_charge(whole, size, err))
        return NULL;
    const sk_backend_ops *ops = sk_session.backend->ops;
    sk_alloc_error.code = SK_OK;
    sk_blob *blob = ops->alloc ? ops->alloc((sk_backend *)sk_session.backend, whole) : sk_store_alloc(whole);
    if (!blob) {
        sk_store_discharge(whole);
        if (sk_alloc_error.code && err)
            *err = sk_alloc_error;
        else
            sk_error_set(err, SK_STORE_FULL, "no memory for %zu bytes", size);
        return NULL;
    }
    *blob = (sk_blob){ .refs = 1, .type = (uint8_t)type, .size = size, .shape = { 1, 1, 1, 1 } };
    return blob;
}

sk_blob *sk_blob_new_copy(sk_type type, size_t size)
{
    sk_blob *blob = sk_store_alloc(sizeof *blob + size);
    if (blob)
        *blob = (sk_blob){ .refs = 1, .type = (uint8_t)type, .size = size, .shape = { 1, 1, 1, 1 }, .copy = true };
    return blob;
}

void sk_blob_unref(sk_blob *blob)
{
    if (sk_blob_is_counted_elsewhere(blob))
        return;
    if (atomic_load_explicit(&blob->refs, acquire) != 1 && atomic_fetch_sub_explicit(&blob->refs, 1, acq_rel) != 1)
        return;
    if (blob->type == SK_T_LIST && (blob->copy || !sk_session.is_worker)) {      /* a worker's own holds nothing: the node's copy does */
        const sk_ref *refs = sk_blob_data(blob);
        for (size_t i = 0; i < blob->size / sizeof *refs; i++)
            sk_session_release_contained(refs[i]);
    }
    size_t whole = sizeof *blob + blob->size;
    if (unlikely(blob->copy)) {
        sk_store_free(blob, whole);
        return;
    }
    const sk_backend_ops *ops = sk_session.backend->ops;
    if (ops->free)
        ops->free((sk_backend *)sk_session.backend, blob, whole);
    else
        sk_store_free(blob, whole);
    sk_store_discharge(whole);
}

bool sk_blob_is_sound(const sk_blob *blob)
{
    const char *data = sk_blob_data(blob);
    switch (blob->type) {
    case SK_T_STR:
        return blob->size > 0 && data[blob->size - 1] == '\0' && strlen(data) == blob->size - 1;
    case SK_T_BUF:
        return true;
    case SK_T_LIST:
        return blob->size % sizeof(sk_ref) == 0;
    case SK_T_ARRAY: {
        if (blob->dtype > SK_U8 || blob->ndim < 1 || blob->ndim > SK_MAX_DIMS)
            return false;
        size_t bytes = dtype_sizes[blob->dtype];
        for (int i = 0; i < SK_MAX_DIMS; i++)
            if (blob->shape[i] < 0 || (i >= blob->ndim && blob->shape[i] != 1)
                || __builtin_mul_overflow(bytes, (size_t)blob->shape[i], &bytes))
                return false;
        return bytes == blob->size;
    }
    default:
        return false;
    }
}

/* ---- C values into sk_values ---- */

static sk_value from_bytes(sk_type type, const void *data, size_t size)
{
    sk_lane *lane = sk_lane_get("a call that passes a value", NULL);
    sk_blob *blob = sk_blob_new(type, size, &lane->boxing_error);
    if (!blob)
        return sk_value_bad(lane->boxing_error.message);
    if (size)
        memcpy(sk_blob_data(blob), data, size);
    blob->sealed = true;
    return (sk_value){ type, { .blob = blob } };
}

/* Shares the blob of a view that has not been tampered with. */
static bool is_view(const void *owner, const void *data, size_t size)
{
    const sk_blob *blob = owner;
    return blob && blob->sealed && sk_blob_view(blob) == data && blob->size == size;
}

sk_value sk_from_str(const char *v)
{
    return v ? from_bytes(SK_T_STR, v, strlen(v) + 1) : sk_value_bad("the string is null");
}

sk_value sk_from_buf(sk_buf v)
{
    if (!v.data && v.size)
        return sk_value_bad("the buffer's data is null but its size is not 0");
    if (is_view(v.owner, v.data, v.size) && ((sk_blob *)v.owner)->type == SK_T_BUF)
        return (sk_value){ SK_T_BUF, { .blob = sk_blob_ref((sk_blob *)v.owner) } };
    return from_bytes(SK_T_BUF, v.data, v.size);
}

sk_value sk_from_list(sk_list v)
{
    if (!v.refs && v.n)
        return sk_value_bad("the list's refs are null but its n is not 0");
    if (is_view(v.owner, v.refs, v.n * sizeof *v.refs) && ((sk_blob *)v.owner)->type == SK_T_LIST)
        return (sk_value){ SK_T_LIST, { .blob = sk_blob_ref((sk_blob *)v.owner) } };
    sk_value value = from_bytes(SK_T_LIST, v.refs, v.n * sizeof *v.refs);
    if (value.type == SK_T_LIST)
        for (size_t i = 0; i < v.n; i++)
            if (!sk_session_hold_contained(v.refs[i])) {      /* not a live ref: give back those before it, report it */
                while (i-- > 0)
                    sk_session_release_contained(v.refs[i]);
                value.blob->type = SK_T_BUF;      /* contains nothing now */
                sk_blob_unref(value.blob);
                return sk_value_bad("the list contains a ref that was never made, or used after sk_drop");
            }
    return value;
}

static sk_value from_array(sk_array v, bool result)
{
    sk_blob *blob = (sk_blob *)v.owner;
    size_t bytes = (unsigned)v.dtype <= SK_U8 ? dtype_sizes[v.dtype] : 0;
    if (!bytes || v.ndim < 1 || v.ndim > SK_MAX_DIMS)
        return sk_value_bad("the array's dtype or number of dimensions is not valid");
    for (int i = 0; i < v.ndim; i++)
        if (v.shape[i] < 0 || __builtin_mul_overflow(bytes, (size_t)v.shape[i], &bytes))
            return sk_value_bad("the array's shape is negative or too large");
    if (!v.data && bytes)
        return sk_value_bad("the array's data is null");
    bool same = blob && sk_blob_view(blob) == v.data && blob->size == bytes && blob->dtype == v.dtype
                && blob->ndim == v.ndim && !memcmp(blob->shape, v.shape, sizeof blob->shape);
    if (same && blob->sealed)
        return (sk_value){ SK_T_ARRAY, { .blob = sk_blob_ref(blob) } };
    sk_lane *lane = sk_lane_get("a call that passes an array", NULL);
    if (same && result && blob->maker == lane->frame->id) {
        blob->sealed = true;              /* what a task returns is sealed where it stands: no copy */
        return (sk_value){ SK_T_ARRAY, { .blob = sk_blob_ref(blob) } };
    }
    sk_value value = from_bytes(SK_T_ARRAY, v.data, bytes);
    if (value.type == SK_T_ARRAY) {
        value.blob->dtype = (uint8_t)v.dtype;
        value.blob->ndim = (uint8_t)v.ndim;
        for (int i = 0; i < SK_MAX_DIMS; i++)
            value.blob->shape[i] = i < v.ndim ? v.shape[i] : 1;
    }
    return value;
}

sk_value sk_from_array(sk_array v)  { return from_array(v, false); }
sk_value sk_from_result(sk_array v) { return from_array(v, true); }
sk_value sk_from_bad() { return sk_value_bad("a type that cannot travel"); }

/* ---- sk_values into C values ---- */

int      sk_to_int(sk_value v)  { return (int)v.i64; }
unsigned sk_to_uint(sk_value v) { return (unsigned)v.u64; }
int64_t  sk_to_i64(sk_value v)  { return v.i64; }
uint64_t sk_to_u64(sk_value v)  { return v.u64; }
const char *sk_to_str(sk_value v) { return sk_blob_view(v.blob); }
sk_buf   sk_to_buf(sk_value v)  { return (sk_buf){ sk_blob_view(v.blob), v.blob->size, v.blob }; }
sk_list  sk_to_list(sk_value v) { return (sk_list){ sk_blob_view(v.blob), v.blob->size / sizeof(sk_ref), v.blob }; }
sk_array sk_to_array(sk_value v)
{
    sk_array a = { sk_blob_view(v.blob), (sk_dtype)v.blob->dtype, v.blob->ndim, { 0 }, v.blob };
    memcpy(a.shape, v.blob->shape, sizeof a.shape);
    return a;
}

bool sk_value_fits(const sk_value *v, sk_type type, char *why, size_t room)
{
    bool integer = v->type == SK_T_I64 || v->type == SK_T_U64 || v->type == SK_T_BOOL;
    bool negative = v->type == SK_T_I64 && v->i64 < 0, fits = true;
    switch (type) {
    case SK_T_BOOL: break;                        /* as in C: what is not 0 is true */
    case SK_T_INT:  fits = negative ? v->i64 >= INT_MIN : v->u64 <= INT_MAX; break;
    case SK_T_UINT: fits = !negative && v->u64 <= UINT_MAX; break;
    case SK_T_I64:  fits = negative || v->u64 <= INT64_MAX; break;
    case SK_T_U64:  fits = !negative; break;
    case SK_T_F32: case SK_T_F64:
        if (integer || v->type == SK_T_F64)
            return true;
        integer = false;
        break;
    default:
        if (v->type == (uint64_t)type)
            return true;
        integer = false;
    }
    if (!integer)
        snprintf(why, room, "is %s, wanted %s", sk_type_name((sk_type)v->type), sk_type_name(type));
    else if (!fits && negative)
        snprintf(why, room, "is %" PRId64 ", which does not fit %s", v->i64, sk_type_name(type));
    else if (!fits)
        snprintf(why, room, "is %" PRIu64 ", which does not fit %s", v->u64, sk_type_name(type));
    return integer && fits;
}

void sk_value_store(const sk_value *v, sk_type type, void *out)
{
    switch (type) {
    case SK_T_NONE:  *(sk_none *)out = (sk_none){ 0 }; break;
    case SK_T_BOOL:  *(bool *)out = v->u64 != 0; break;
    case SK_T_INT:   *(int *)out = (int)v->i64; break;
    case SK_T_UINT:  *(unsigned *)out = (unsigned)v->u64; break;
    case SK_T_I64:   *(int64_t *)out = v->i64; break;
    case SK_T_U64:   *(uint64_t *)out = v->u64; break;
    case SK_T_F32:   *(float *)out = sk_to_f32(*v); break;
    case SK_T_F64:   *(double *)out = sk_to_f64(*v); break;
    case SK_T_STR:   *(const char **)out = sk_to_str(*v); break;
    case SK_T_BUF:   *(sk_buf *)out = sk_to_buf(*v); break;
    case SK_T_ARRAY: *(sk_array *)out = sk_to_array(*v); break;
    case SK_T_LIST:  *(sk_list *)out = sk_to_list(*v); break;
    case SK_T_REF:   *(sk_ref *)out = v->ref; break;
    default: abort();
    }
}

size_t sk_value_bytes(const sk_value *v)
{
    return sk_type_has_blob(v->type) ? (v->blob ? v->blob->size : 0) : v->type == SK_T_NONE ? 0 : 8;
}
