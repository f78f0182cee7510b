/* whose.h -- whose bytes are these? For handlers of crashes: what a student must know who has written into an object.
 *
 * Views of shared objects can only be read; writing there is a fault, at an address. From it to the object lead: the blob, whose header says which
 * function's task made it; the last gets that handed out views, which are remembered for this; and, in the driver, the table of
 * objects. Nothing here takes a lock or memory. What other threads change meanwhile may be read half: better that than nothing said. */
#ifndef SK_WHOSE_H
#define SK_WHOSE_H

#include "object.h"

/* A get has handed out a view of this value. Cheap; remembers what lies in a shared store. */
void sk_whose_got(const sk_blob *blob, const sk_site *site);
static inline void sk_whose_note(const sk_value *v, const sk_site *site)
{
    if (unlikely(sk_shared_store.remembers_gets) && sk_type_has_blob(v->type))
        sk_whose_got(v->blob, site);
}

/* The blob that a remembered get has handed out and that has this byte; NULL. */
SK_NO_TSAN const sk_blob *sk_whose_found(const void *address);

/* "(sk_array of 65536 bytes) that counting made, got at a.c:7". */
SK_NO_TSAN void sk_whose_describe(const sk_blob *blob, char *text, size_t room);

/* The driver: what is at this address of the views? "an object (sk_array of 65536 bytes) that counting made, submitted at a.c:5, got at a.c:7". false:
 * it lies outside of the views. */
SK_NO_TSAN bool sk_whose_view(const void *address, char *text, size_t room);

#endif
