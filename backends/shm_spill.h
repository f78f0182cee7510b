/* shm_spill.h -- the file that blocks of the store go to when it is full: bytes out, the same bytes in. Numbers and bytes only; shm_room.c decides what.
 *
 * One file for all of them, without a name: it is made at the first need (O_TMPFILE; or a name that is taken away at once), and gone with
 * the process, however that ends. Room in it is given and taken like room in an arena (shm_blocks.h), and holes go back to the file system.
 *
 * Nothing is lost when a write fails, for whatever reason (no such directory, no room, read-only, a limit of file sizes): that is said once, on
 * stderr, and from then on nothing more is written. What is in the file stays readable. The caller has a lock. Linux only.  */
#ifndef SK_SHM_SPILL_H
#define SK_SHM_SPILL_H

#include "base.h"
#include "error.h"

typedef struct sk_spill sk_spill;

/* NULL: $TMPDIR, or /var/tmp (which is on a disk where /tmp is memory), or /tmp. "none": nothing is ever written. Touches nothing yet. */
sk_spill *sk_spill_new(const char *directory);
void sk_spill_free(sk_spill *p);                                                 /* NULL is fine */
bool sk_spill_is_on(const sk_spill *p);                                          /* false: "none", or a write has failed */
const char *sk_spill_directory(const sk_spill *p);
uint64_t sk_spill_bytes(const sk_spill *p);                                      /* in the file */

/* Who sends what is in the file reads so many bytes of it at a time. (Looked at in a mapping, a page that cannot be read would be SIGBUS.) The memory for
 * that counts nowhere, so there is only so much of it, whoever asks: who gets none waits until another is done. */
enum { SK_SPILL_PART = 1 << 20, SK_SPILL_PARTS = 16 };
typedef struct sk_spill_parts { unsigned used; } sk_spill_parts;                 /* of one process; all zero is new */
uint8_t *sk_spill_part_take(sk_spill_parts *p);                                  /* NULL: errno is EAGAIN, all are in use; or ENOMEM */
void sk_spill_part_give(sk_spill_parts *p, uint8_t *part);                       /* NULL is fine */

bool sk_spill_write(sk_spill *p, const void *bytes, size_t size, uint64_t *at);
/* Is the file still that long? Somebody may have cut it. Asked before the bytes in memory are let go because they are there. */
bool sk_spill_has(const sk_spill *p, uint64_t at, size_t size);
/* Of what was written there, or of a part of it. false: *err says why (SK_OBJECT_LOST), and what is in `bytes` means nothing. */
bool sk_spill_read(sk_spill *p, uint64_t at, void *bytes, size_t size, sk_error *err);
void sk_spill_forget(sk_spill *p, uint64_t at);                                  /* `at` is where a write began */

#endif
