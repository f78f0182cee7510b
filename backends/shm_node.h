/* shm_node.h -- the node's side of the store's memory: what its files share. Nobody else includes it; see shm.h.
 *
 *   shm.c         addresses: the windows, the arenas in them, and where a place is     base view_delta stride large page owners files
 *   shm_pages.c   which pages of them are there                                        large_are dropped ndropped dropped_bytes dropped_most guests
 *   shm_room.c    how much may be there, of which blocks: given, spilled, pinned       capacity lent borrows blocks spill peak far far_spills memory tell listener
 *
 * Each changes what stands in its line, and reads the rest; but sk_shm_new and its like begin all of it, and sk_shm_set_pages the guests anew. */
#ifndef SK_SHM_NODE_H
#define SK_SHM_NODE_H

#include "shm.h"
#include "shm_blocks.h"
#include "shm_spill.h"

#define HUGE ((size_t)2 << 20)

struct sk_shm {
    char *base;                          /* owners x stride for writing, then as much for reading */
    size_t view_delta, stride, capacity, lent, page;
    bool borrows;                        /* whoever asks and pins now may use what is lent */
    size_t large;                        /* in an arena: from here on blocks are of whole 2 MiB, see whole_size; 0: nowhere */
    enum { UNKNOWN, WHOLE, IN_PAGES } large_are;     /* has the kernel memory in pieces of 2 MiB? The first such block shows it. See get_whole */
    unsigned owners;
    int *files;                          /* -1: no arena yet */
    sk_blocks *blocks;
    sk_spill *spill;
    uint64_t peak, guests;
    struct { uint64_t place; size_t size; } dropped[16];   /* copies that were dropped last, oldest first: their pages are there still */
    unsigned ndropped;
    size_t dropped_bytes, dropped_most;
    const sk_shm_far *far;               /* books: the base is another's, and the files are only marks. NULL: memory is here */
    bool far_spills;
    uint32_t memory;                     /* books: so many came before it; what the one before had spilled is not there */
    sk_shm_tell *tell;                   /* NULL: nobody listens */
    void *listener;
};

static inline size_t sk_shm_round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }
static inline bool sk_shm_is_large(const sk_shm *s, const sk_block *k) { return k->owner >= s->owners; }
static inline unsigned sk_shm_owner_of(const sk_shm *s, const sk_block *k) { return k->owner % s->owners; }
static inline bool sk_shm_has_file(const sk_shm *s, unsigned owner) { return owner < s->owners && s->files[owner] >= 0; }

static inline uint64_t sk_shm_place_of(const sk_shm *s, const void *p)
{
    size_t at = (uintptr_t)p - (uintptr_t)s->base;
    return at < s->view_delta ? at : at < 2 * s->view_delta ? at - s->view_delta : SK_SHM_NOWHERE;
}

/* shm_pages.c */
void sk_shm_drop_pages(sk_shm *s, unsigned owner, uint64_t offset, size_t size);
/* What is kept warm goes, if it is in the way. false: the system has no memory; some may have been got. */
bool sk_shm_get_pages(sk_shm *s, unsigned owner, uint64_t offset, size_t size);
void sk_shm_get_whole(sk_shm *s, unsigned owner, uint64_t offset, size_t size);  /* of 2 MiB, if that can be: before sk_shm_get_pages */
void sk_shm_cool(sk_shm *s, uint64_t bytes);                                     /* gives back so much of what was freed first, or all there is */
void sk_shm_cool_for(sk_shm *s, size_t size);                                    /* there will be so many live bytes more: warm ones make room */

#endif
