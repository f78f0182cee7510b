/* shm_blocks.h -- which parts of the object store's arenas are in use, which are free with their pages, which without: numbers only.
 *
 * Blocks tile an arena without gaps: each knows its neighbours. A block is LIVE, WARM (freed, its pages are still there) or COLD (no
 * pages). Of each state's free blocks there is a tree by size, and in it, per size, the last one freed first. Warm neighbours are
 * merged only when a size is not there as such, so that a program which makes the same sizes again and again finds them as they
 * were. All of it lies in private memory of the node: no worker can break it. The caller has a lock.
 *
 * A live block that is *kept* (nobody writes it any more) and not *pinned* (nobody reads it just now) is *idle*: these are in the order in
 * which they became so. An idle one can go *away*: it stays live, in its place, but some of its bytes are elsewhere, and do not count.    */
#ifndef SK_SHM_BLOCKS_H
#define SK_SHM_BLOCKS_H

#include "base.h"
#include "idmap.h"

typedef struct sk_link { struct sk_link *before, *after; } sk_link;     /* in a ring through its head */

typedef enum { SK_BLOCK_LIVE, SK_BLOCK_WARM, SK_BLOCK_COLD } sk_block_state;

typedef struct sk_block {
    uint64_t offset;                     /* first: sk_idmap finds live blocks by it */
    size_t size;
    size_t grain;                        /* warm: the largest block that was freed here and may be wanted again */
    uint64_t freed;                      /* warm: when, as a count; live: since when, so that no two live blocks have ever the same */
    struct sk_block *left, *right;       /* neighbours in the arena; NULL at its ends */
    sk_link same, age, unmerged;         /* free: others of this size; warm: all by age; warm: may have warm neighbours */
    sk_link idle;                        /* live, kept, not pinned, not away */
    size_t used;                         /* live: what was asked for, in whole pages; the caller's */
    size_t away;                         /* live: bytes of it that are not in memory */
    uint64_t copy;                       /* live: where in the file its bytes are; SK_NO_COPY: nowhere */
    uint32_t owner, pins;
    sk_block_state state;
    bool kept, seen;                     /* seen: one of the pins is for good */
    uint64_t name;                       /* live: the caller's, for whoever is told where its bytes are; 0: nobody is told */
    uint32_t told;                       /* live: it was told that they are away, and of which memory (shm_room.c); 0: it was not */
    bool refills;                        /* live: it has a pin, but its bytes are on their way from elsewhere; the caller's */
} sk_block;

#define SK_NO_COPY UINT64_MAX

typedef struct sk_block_arena {
    GTree *warm, *cold;                  /* by size; NULL: there is no such arena */
    sk_link unmerged;
    sk_block *first;
} sk_block_arena;

typedef struct sk_blocks {
    sk_idmap live;
    sk_link age;                         /* warm blocks of all arenas, oldest first */
    sk_link idle;                        /* idle blocks of all arenas, the first to become so first */
    uint64_t clock;
    uint64_t live_bytes, warm_bytes;     /* live: without what is away */
    uint64_t idle_bytes, away_bytes;
    uint64_t left_bytes;                 /* of what is away: that part which is not */
    unsigned owners;
    sk_block_arena arenas[];
} sk_blocks;

sk_blocks *sk_blocks_new(unsigned owners);
void sk_blocks_free(sk_blocks *b);                                      /* NULL is fine */
void sk_blocks_add(sk_blocks *b, unsigned owner, uint64_t offset, size_t size);     /* a new arena: one cold block */

/* A live block of exactly that size, or NULL. Warm: of that size, or cut from a larger one; unless `any`, a cut leaves room for what was
 * freed there or takes at least an eighth of it (a page must not cost a hundred megabytes their place). */
sk_block *sk_blocks_take_warm(sk_blocks *b, unsigned owner, size_t size, bool any);
sk_block *sk_blocks_take_cold(sk_blocks *b, unsigned owner, size_t size);

void sk_blocks_give(sk_blocks *b, sk_block *block);                     /* live, nothing of it away -> warm */
void sk_blocks_ungive(sk_blocks *b, sk_block *block);                   /* live -> cold: its pages could not be had */
void sk_blocks_cool(sk_blocks *b, sk_block *block, size_t size);        /* the last `size` bytes of a warm block -> cold */
sk_block *sk_blocks_oldest(const sk_blocks *b);                         /* warm block; NULL: none */
sk_block *sk_blocks_at(const sk_blocks *b, uint64_t offset);            /* the live block that starts there, or NULL */

void sk_blocks_keep(sk_blocks *b, sk_block *block);                     /* live: it is written */
void sk_blocks_pin(sk_blocks *b, sk_block *block);                      /* live, not away */
void sk_blocks_unpin(sk_blocks *b, sk_block *block);
sk_block *sk_blocks_idlest(const sk_blocks *b, bool with_copy);         /* idle for the longest time (of those that have a copy); NULL: none is */
void sk_blocks_send(sk_blocks *b, sk_block *block, size_t size);        /* idle: so many bytes of it are away now */
void sk_blocks_bring(sk_blocks *b, sk_block *block);                    /* and are back: it is idle again */

#endif
