/* whose.c -- see whose.h. */
#include "whose.h"

#include "fn.h"

#include <stdio.h>

enum { REMEMBERED = 64 };

/* A ring of the last gets, by any thread. Written blob last, so that a site is not taken for another blob's. */
static struct { _Atomic(const sk_blob *) blob; _Atomic(const sk_site *) site; } gets[REMEMBERED];
static _Atomic unsigned ngets;

void sk_whose_got(const sk_blob *blob, const sk_site *site)
{
    if (!blob || !(sk_blob_is_shared(blob) || sk_blob_is_counted_elsewhere(blob)))
        return;
    unsigned i = atomic_fetch_add_explicit(&ngets, 1, relaxed) % REMEMBERED;
    atomic_store_explicit(&gets[i].blob, NULL, relaxed);
    atomic_store_explicit(&gets[i].site, site, release);
    atomic_store_explicit(&gets[i].blob, blob, release);
}

SK_NO_TSAN static bool has(const sk_blob *blob, const void *address)
{
    return blob && (uintptr_t)address - (uintptr_t)blob < sizeof *blob + blob->size;
}

SK_NO_TSAN const sk_blob *sk_whose_found(const void *address)
{
    unsigned n = atomic_load_explicit(&ngets, relaxed);
    for (unsigned i = 1; i <= REMEMBERED && i <= n; i++) {
        const sk_blob *blob = atomic_load_explicit(&gets[(n - i) % REMEMBERED].blob, acquire);
        if (has(blob, address))
            return blob;
    }
    return NULL;
}

SK_NO_TSAN static const sk_site *got_at(const sk_blob *blob)
{
    unsigned n = atomic_load_explicit(&ngets, relaxed);
    for (unsigned i = 1; i <= REMEMBERED && i <= n; i++)
        if (atomic_load_explicit(&gets[(n - i) % REMEMBERED].blob, acquire) == blob)
            return atomic_load_explicit(&gets[(n - i) % REMEMBERED].site, relaxed);
    return NULL;
}

SK_NO_TSAN static const char *maker_of(const sk_blob *blob)
{
    for (const sk_fn *fn = sk_fn_first(); fn && blob->fn; fn = fn->next)
        if (fn->index == blob->fn)
            return fn->name;
    return NULL;
}

/* made: where it was submitted or put; NULL: not known here. */
SK_NO_TSAN static void describe(const sk_blob *blob, const sk_site *made, bool was_put, char *text, size_t room)
{
    const char *maker = maker_of(blob);
    const sk_site *got = got_at(blob);
    char by[300] = "", where[300] = "", when[300] = "";
    if (maker)
        snprintf(by, sizeof by, " that %.100s made", maker);
    if (made)
        snprintf(where, sizeof where, "%s%s at %.200s:%d", maker ? ", " : " that was ", was_put ? "put" : "submitted", made->file, made->line);
    else if (!maker)
        snprintf(by, sizeof by, " that the driver put");
    if (got)
        snprintf(when, sizeof when, ", got at %.200s:%d", got->file, got->line);
    snprintf(text, room, "(%s of %zu bytes)%s%s%s", sk_type_name((sk_type)blob->type), blob->size, by, where, when);
}

SK_NO_TSAN void sk_whose_describe(const sk_blob *blob, char *text, size_t room) { describe(blob, NULL, false, text, room); }

SK_NO_TSAN static sk_object *object_at(const void *address)
{
    uint32_t chunks = atomic_load_explicit(&sk_object_pool.nchunks, acquire);
    for (uint32_t number = 0; number < chunks << SK_CHUNK_SHIFT; number++) {
        sk_object *o = sk_object_at(number);
        if ((number & (SK_CHUNK_RECORDS - 1)) && o && sk_object_state_of(o) == SK_OBJECT_READY && sk_type_has_blob(o->value.type)
            && o->value.blob && sk_blob_is_shared(o->value.blob) && has(o->value.blob, address))
            return o;
    }
    return NULL;
}

SK_NO_TSAN bool sk_whose_view(const void *address, char *text, size_t room)
{
    if ((uintptr_t)address - sk_shared_store.base - sk_shared_store.view_delta >= sk_shared_store.size)
        return false;
    const sk_object *o = object_at((const char *)address - sk_shared_store.view_delta);
    char what[900];
    if (!o) {
        snprintf(text, room, "where an object has been whose ref has been dropped");
        return true;
    }
    describe(o->value.blob, o->site, !o->producer, what, sizeof what);
    snprintf(text, room, "an object %s", what);
    return true;
}
