/* shm.h -- memory that several processes share: where the `processes` backend keeps the bytes of objects.
 *
 * One *arena* per owner: owner 0 is the node (what the driver puts), owner k is the worker in slot k, who writes its results there. An
 * arena is one memfd: it has no name, and is gone with the last process that has it. It is sparse: `stride` bytes of places, of which only
 * used ones have pages. Every process reserves one window of owners x stride addresses and maps arenas at their place in it, so a place is
 * the same 64-bit *offset* everywhere, and offset <-> pointer is an addition.
 *
 * The node maps all arenas for writing, and once more for reading only: a program gets *views* in that second window. Workers
 * map all arenas for reading; a block of its own arena a worker may unlock, to write a result, and locks again when the object is sealed.
 * What is where is known to the node alone, in private memory (shm_blocks.h).
 *
 * *Spilling*: a block that is kept (written, and nobody writes it again) and not pinned (nobody reads it) can lend its pages to others. Its
 * bytes go to a file (shm_spill.h), all but the first page: there is the blob's header, which the node reads and counts in at any time. The
 * block keeps its place, so its name stays good; whoever wants to read it pins it, and the bytes come back. A copy in the file stays as long as
 * the block lives, for it never changes: to spill it a second time costs no write. Places are more than the capacity, as many as addresses allow.
 *
 * *Clusters*: the space of places can reach over several nodes (node_wire.h): one and the same on all of them, with arenas for all their workers. Only
 * the head gives places out. A node's own side is a *space*: arenas, and pages where it is told to have some. What another node holds the head
 * knows by *books*: an sk_shm without memory, whose pages are another's.
 *
 * shm.c, shm_pages.c and shm_room.c are the node's side (shm_node.h), shm_map.c a worker's. Linux only. Nothing here takes a lock: the caller has one.              */
#ifndef SK_SHM_H
#define SK_SHM_H

#include "base.h"
#include "error.h"

typedef struct sk_shm sk_shm;
#define SK_SHM_NOWHERE UINT64_MAX         /* an offset that no block has */

/* ---- the node ----
 *
 * Room for `capacity` bytes (rounded up to pages), live and freed ones together. Takes addresses only. Errors (SK_LIMIT) say which call
 * failed, why, and what to do. */
sk_shm *sk_shm_new(size_t capacity, unsigned owners, const char *spill_directory, sk_error *err);        /* the latter: see shm_spill.h */
void sk_shm_free(sk_shm *s);                                                     /* NULL is fine; all pointers die with it */
size_t sk_shm_stride(const sk_shm *s);                                           /* for sk_shm_map_open */
size_t sk_shm_large(const sk_shm *s);                                            /* for sk_shm_map */
bool sk_shm_is_whole(const sk_shm *s, const void *block);                        /* of pages of 2 MiB: see sk_shm_map_in_place */
bool sk_shm_add(sk_shm *s, unsigned owner, sk_error *err);                       /* its arena; true if it is there already */
bool sk_shm_has(const sk_shm *s, unsigned owner);
/* A new descriptor of an arena (close-on-exec, 3 or more), which the caller closes; -1: *err says why. A read-only one cannot be mapped for
 * writing, whoever gets it. */
int sk_shm_descriptor(sk_shm *s, unsigned owner, bool writable, sk_error *err);

/* A block of whole pages, at least one; where the node writes to it. Its pages are there: writing cannot fail. What is in it is what was
 * there before, or zeros. NULL: errno is EDQUOT (no room below the capacity: spill, or release some), ENOMEM (the system has no memory: the
 * same may help) or ENOSPC (this arena has no place of that length). */
void *sk_shm_alloc(sk_shm *s, unsigned owner, size_t size);
/* The pages stay for the next block; when live and freed bytes would pass the capacity, those freed first go back to the system. */
void sk_shm_release(sk_shm *s, void *block);

/* Of live blocks. The node says that one is written: it may be spilled from now on. */
void sk_shm_keep(sk_shm *s, const void *block);
/* Of live blocks whose bytes have a name (not 0): `tell` hears it, in the thread and under the lock of whoever does it, when they are spilled, and when they
 * are back; `size` is how many. Of a block without a name, nothing; 0 takes the name away, as releasing does. */
typedef void sk_shm_tell(void *listener, uint64_t name, size_t size, bool back);
void sk_shm_listen(sk_shm *s, sk_shm_tell *tell, void *listener);
void sk_shm_set_name(sk_shm *s, const void *block, uint64_t name);
uint64_t sk_shm_name(const sk_shm *s, const void *block);
/* Spills one block, of those that are kept and not pinned the one that has been so for the longest time: so many bytes have room now. 0: there is
 * none, or there is no file to write to. */
size_t sk_shm_spill(sk_shm *s);
size_t sk_shm_away(const sk_shm *s, const void *block);                          /* bytes of it that are in the file only */
/* Of a block that is away: where in the file its bytes are, that is, those behind the first page; and a part of them, which takes no room. To read it needs no
 * lock, as long as the block stays away. false: *err says why it cannot be read. */
uint64_t sk_shm_spilled_at(const sk_shm *s, const void *block);
bool sk_shm_read_spilled(sk_shm *s, uint64_t at, void *bytes, size_t size, sk_error *err);
/* The file does not have what is away of a block any more; others may. It stays away, and cannot be pinned. */
void sk_shm_lose(sk_shm *s, const void *block);
/* Pages for a block that was lost, whether there is room or not, to be written with bytes of others; sk_shm_pin waits for sk_shm_refilled (errno is ESTALE).
 * false: errno. Then `whole`: they have come; if not, it is lost as before. */
bool sk_shm_refill(sk_shm *s, const void *block);
void sk_shm_refilled(sk_shm *s, const void *block, bool whole);
/* Bytes that can be had, by spilling all that can be spilled, and how many of them it takes to pin this block (0: it is pinned). */
size_t sk_shm_available(const sk_shm *s, uint64_t copies);                        /* copies: bytes of guests (below) that could go */
size_t sk_shm_takes(const sk_shm *s, const void *block);
void sk_shm_lend(sk_shm *s, size_t bytes);                                        /* so many more can be pinned than now (not made), whatever the capacity; 0: no more */
void sk_shm_borrow(sk_shm *s, bool borrows);                                      /* whoever asks and pins from now on: may he use what is lent? false at first */
/* Brings it back, if need be, and keeps it until it is unpinned as often, or released. false: errno as in sk_shm_alloc; or EIO: it cannot be
 * read (*err says why), now or ever. Nothing has changed then. */
bool sk_shm_pin(sk_shm *s, const void *block, sk_error *err);
/* `serial` is of the block when it was pinned: where it has been released since, nothing happens. */
void sk_shm_unpin(sk_shm *s, const void *block, uint64_t serial);
uint64_t sk_shm_serial(const sk_shm *s, const void *block);                      /* no other block has it, has had it or will; 0: none is there */
bool sk_shm_pin_for_good(sk_shm *s, const void *block, sk_error *err);           /* once for all: until it is released */

/* The size of the live block that starts exactly there, and whose it is (owner may be NULL); 0: there is none. Any offset may be asked. */
size_t sk_shm_block(const sk_shm *s, uint64_t offset, unsigned *owner);
uint64_t sk_shm_offset(const sk_shm *s, const void *p);                          /* of a pointer into either window; or SK_SHM_NOWHERE */
void *sk_shm_at(const sk_shm *s, uint64_t offset);                               /* NULL: outside, or no such arena yet */
const void *sk_shm_view(const sk_shm *s, const void *block);                     /* the same bytes, where writing faults */
bool sk_shm_contains(const sk_shm *s, const void *p);                            /* is it in either window? */

size_t sk_shm_room(const sk_shm *s);                                             /* bytes that are not live; without what is lent */
uint64_t sk_shm_live(const sk_shm *s);                                           /* bytes in blocks, without what is in the file only */
uint64_t sk_shm_spilled(const sk_shm *s);                                        /* bytes that are in the file only */
uint64_t sk_shm_left(const sk_shm *s);                                           /* bytes that have stayed, of blocks that are spilled */
uint64_t sk_shm_idle(const sk_shm *s);                                           /* bytes that could be spilled */
/* Where it spills to; NULL: it does not (any more). */
const char *sk_shm_spills_to(const sk_shm *s);
uint64_t sk_shm_warm(const sk_shm *s);                                           /* bytes freed whose pages are still there */
uint64_t sk_shm_peak(const sk_shm *s);                                           /* most live bytes so far */

/* ---- clusters ---- */

/* A node's side: the space that the head has, for sk_shm_add, _descriptor, _at, _fill and _drop. It gives no places out, and spills by order only
 * (node_spill.c). `size`: of its store, of which an eighth at most are pages of dropped copies, kept for the next. */
sk_shm *sk_shm_new_space(size_t stride, size_t large, unsigned owners, size_t size, sk_error *err);
/* At the head: another node's memory. Addresses are those of `here`, whose first pages of blocks stand for the whole; `pages` is told what the node is to
 * do, with places; borrowed. sk_shm_add makes an arena known. The node has a spill file of its own, and the books say what is in it; if it cannot
 * write there it says so later (sk_shm_unspill), if it cannot read back it is no node any more. */
typedef struct sk_shm_far {
    void (*fill)(void *data, uint64_t place, size_t size);
    void (*drop)(void *data, uint64_t place, size_t size);                       /* also what is in its file of that place */
    void (*spill)(void *data, uint64_t place, size_t size, uint64_t serial);     /* to the file, unless it is there already: the pages go */
    void (*restore)(void *data, uint64_t place, size_t size);
    void (*forget)(void *data, uint64_t place);                                  /* what is in the file */
    void *data;
} sk_shm_far;
sk_shm *sk_shm_new_books(const sk_shm *here, size_t capacity, const sk_shm_far *pages);
void sk_shm_set_pages(sk_shm *books, const sk_shm_far *pages);                   /* another node has that number now */
void sk_shm_set_spills(sk_shm *books, bool spills);                              /* has it a file? true at first */
void sk_shm_unspill(sk_shm *books, uint64_t place, uint64_t serial);             /* the node could not: all is as it was there, and it spills no more */
/* Pages for (a part of) a block whose place another sk_shm has given out: a copy of it. They count, but whether there is
 * room for them is not asked. false: the system has no memory (errno). sk_shm_drop gives them back. `place` and `size` are multiples of a page but for the size of an end. */
bool sk_shm_fill(sk_shm *s, uint64_t place, size_t size);
void sk_shm_drop(sk_shm *s, uint64_t place, size_t size);
uint64_t sk_shm_guests(const sk_shm *s);                                         /* bytes of such copies */
unsigned sk_shm_owner(const sk_shm *s, uint64_t place);

/* ---- a worker ---- */

typedef struct sk_shm_hidden { size_t at, size; } sk_shm_hidden;

/* Its own arena a worker maps three times: to read, in its place; to write, where a block lies in `stage` from unlock to lock; and, between
 * two uses, out of the program's reach. A mapping moves from the one to the other with its page tables (mremap), which is twenty times
 * cheaper here than to change its protection and back (mprotect has to look at each page). Where pages are of 2 MiB there are few to look at:
 * such blocks stay on stage, and their protection changes, for half of that again. */
typedef struct sk_shm_map {
    char *base;
    size_t stride;
    size_t large;                        /* the caller's to set, if not 0: from this place in an arena on blocks take whole 2 MiB */
    unsigned owners, own;                /* own: its arena's owner, or `owners` while there is none */
    unsigned char *has;
    bool in_place;                       /* what lies from `large` on is unlocked by its protection */
    char *stage, *backstage;             /* a stride of addresses each */
    sk_shm_hidden *hidden;               /* mapped backstage */
    size_t nhidden, hidden_room;
} sk_shm_map;

bool sk_shm_map_open(sk_shm_map *m, size_t stride, unsigned owners, sk_error *err);
void sk_shm_map_close(sk_shm_map *m);                                            /* all zero is fine */
/* Maps an arena for reading. Its own needs a writable descriptor; a foreign one must come with a read-only one: a writable one is refused. Takes fd:
 * it is closed, come what may. */
bool sk_shm_map_add(sk_shm_map *m, unsigned owner, int fd, bool own, sk_error *err);
bool sk_shm_map_has(const sk_shm_map *m, unsigned owner);
void *sk_shm_map_at(const sk_shm_map *m, uint64_t offset);                       /* its place; NULL: outside, or not mapped yet */
uint64_t sk_shm_map_offset(const sk_shm_map *m, const void *p);                  /* of its place, or where it may be written; or SK_SHM_NOWHERE */
bool sk_shm_map_contains(const sk_shm_map *m, const void *p);                    /* either of them */
/* From now on, before the first block there is unlocked: those from `large` on have pages of 2 MiB. false: the kernel refuses (errno). */
bool sk_shm_map_in_place(sk_shm_map *m);
/* A block of its own arena, whole pages from p, which is its place: returns where it may be written until it is locked; NULL: not in its own arena, or
 * the kernel refuses (errno). Neither blocks nor parts of blocks that are unlocked. */
void *sk_shm_map_unlock(sk_shm_map *m, void *p, size_t size);
/* What unlock returned: nobody can write there any more. What was written is in its place. */
bool sk_shm_map_lock(sk_shm_map *m, void *written, size_t size);

/* ---- both (shm_map.c) ---- */

size_t sk_shm_page(void);
/* A new descriptor, or -1 and errno: away from 0, 1 and 2, which a program may have closed, so that its printf does not land there. Takes fd. */
int sk_shm_lifted(int fd);
char *sk_shm_reserve(size_t size);                                               /* addresses only, at a multiple of 2 MiB; NULL: errno */
/* Pages that are about to be written are mapped at once: a fault each costs three times as much. Tries; nothing depends on it. */
void sk_shm_prefault(void *p, size_t size);
bool sk_shm_error(sk_error *err, const char *what, const char *call, int why);   /* false */

#endif
