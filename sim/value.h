/* value.h -- values and the counted bytes behind them.
 *
 * A scalar is its 16-byte sk_value. A string, buffer, array or list is a blob: a header and 64-byte-aligned
 * data in the store of the node where it was made, counted, immutable once sealed. A view in a student's hand
 * (sk_buf, sk_list, sk_array, const char *) points into the blob and says so in `owner`; a value made of such a view shares
 * the blob instead of copying it.                                                                       */
#ifndef SK_VALUE_H
#define SK_VALUE_H

#include "base.h"
#include "error.h"

typedef struct sk_blob {
    _Atomic uint32_t refs;
    uint8_t type, dtype, ndim, sealed;     /* sk_type; then of arrays */
    size_t size;                           /* bytes of data; a string's NUL counts */
    int64_t shape[SK_MAX_DIMS];
    uint64_t maker;                        /* of an unsealed array: the frame that may write it */
    uint32_t copy;                         /* of an object that another process or lane holds: not counted in the store */
    uint32_t fn;                           /* whose task made it, where that is of use (whose.h): its index; 0: the driver, or not known */
} sk_blob;
_Static_assert(sizeof(sk_blob) == 64, "data follows the header and must stay aligned to 64");

/* A store that several processes map. In the node's process blobs lie from base on, and views that the program gets view_delta further on, where
 * the same pages can only be read. In a worker process the node counts references, for most blobs: is_counted_elsewhere knows which.
 * In all others size is 0, and the function NULL. */
SK_OURS extern struct sk_shared_store {
    uintptr_t base, size, view_delta;
    bool (*is_counted_elsewhere)(const sk_blob *);
    bool remembers_gets;                   /* writing into a view is a fault: see whose.h */
} sk_shared_store;
static inline bool sk_blob_is_shared(const sk_blob *blob)
{
    return unlikely((uintptr_t)blob - sk_shared_store.base < sk_shared_store.size);
}
static inline bool sk_blob_is_counted_elsewhere(const sk_blob *blob)
{
    return unlikely(sk_shared_store.is_counted_elsewhere != NULL) && sk_shared_store.is_counted_elsewhere(blob);
}
/* Of the last alloc of a backend that returned NULL and knows why; code 0: it does not. */
extern __thread sk_error sk_alloc_error;

/* *to = *from, word by word: values are written so, and a load of both words at once would have to wait until the two stores have reached
 * the cache (no store forwarding), some twenty cycles. */
static inline void sk_value_copy(sk_value *to, const sk_value *from)
{
    uint64_t type = from->type, bits = from->u64;
    __asm__("" : "+r"(type), "+r"(bits));         /* or the compiler makes one load of the two */
    to->type = type;
    to->u64 = bits;
}

static inline void *sk_blob_data(const sk_blob *blob) { return (char *)blob + sizeof *blob; }

/* NULL when the store is full or there is no memory; then *err says so. One reference, unsealed. */
sk_blob *sk_blob_new(sk_type type, size_t size, sk_error *err);
/* What a proxy shows its program: a copy, which the account of the store knows nothing of. NULL: no memory. */
sk_blob *sk_blob_new_copy(sk_type type, size_t size);
void sk_blob_unref(sk_blob *blob);
static inline sk_blob *sk_blob_ref(sk_blob *blob)
{
    if (!sk_blob_is_counted_elsewhere(blob))
        atomic_fetch_add_explicit(&blob->refs, 1, relaxed);
    return blob;
}

static inline bool sk_type_has_blob(uint64_t type) { return type >= SK_T_STR && type <= SK_T_LIST; }
static inline void sk_value_clear(sk_value *v)
{
    if (unlikely(sk_type_has_blob(v->type)))
        sk_blob_unref(v->blob);
}
/* Where a program may look at it. */
static inline void *sk_blob_view(const sk_blob *blob)
{
    return (char *)sk_blob_data(blob) + (sk_blob_is_shared(blob) && blob->sealed ? sk_shared_store.view_delta : 0);
}
sk_type sk_type_widest(sk_type type);             /* INT -> I64 ... */
const char *sk_type_name(sk_type type);           /* "int64_t" */
const char *sk_dtype_name(sk_dtype dtype);
size_t sk_dtype_size(sk_dtype dtype);
size_t sk_value_bytes(const sk_value *v);
/* Does it have bytes of its own that must be moved? Scalars and empty things travel in messages. */
static inline bool sk_value_has_bytes(const sk_value *v) { return sk_type_has_blob(v->type) && v->blob && v->blob->size > 0; }

/* May a value arrive at a place of this type? If not, *why says why ("5000000000 does not fit int"). */
bool sk_value_fits(const sk_value *v, sk_type type, char *why, size_t room);
/* Writes the value as the C type that belongs to `type`; it fits. Views are borrowed from the value. */
void sk_value_store(const sk_value *v, sk_type type, void *out);
/* A blob from outside (a wire): are its fields consistent? Data has `size` bytes. */
bool sk_blob_is_sound(const sk_blob *blob);

/* What sk_from_* found wrong: a value of type SK_T_BAD carries the reason, and the call that has the site reports it. */
static inline sk_value sk_value_bad(const char *why) { return (sk_value){ SK_T_BAD, { .why = why } }; }

/* store.c: the bytes of a process, kept warm for reuse. */
void *sk_store_alloc(size_t size);
void sk_store_free(void *bytes, size_t size);
void sk_store_clear(void);                         /* gives back what is kept */
/* Accounting, over every kind of store. */
bool sk_store_charge(size_t size, size_t asked, sk_error *err);      /* asked: for the message */
bool sk_store_try_charge(size_t size);             /* the same without a word, and without making room */
void sk_store_recharge(size_t size);               /* a charge that was taken back for a while */
bool sk_store_has_room(size_t size);
/* SK_STORE_FULL, with need and have; `more`: what else there is to say, ended by "; ". false */
bool sk_store_say_full(size_t asked, const char *more, sk_error *err);
/* A backend that can make room when a charge does not fit, or wait for some: true: try again; false: *err says why not. NULL: none can. */
extern bool (*sk_store_make_room)(size_t size, size_t asked, sk_error *err);
void sk_store_discharge(size_t size);
extern size_t sk_store_keep;                       /* so many bytes of free blocks are kept warm, at most. For tests */
void sk_store_limit(size_t bytes);
uint64_t sk_store_live(void);
uint64_t sk_store_peak(void);

#endif
