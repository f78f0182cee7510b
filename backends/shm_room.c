/* shm_room.c -- the node's side of the store's memory: how much of it may be in use, and by which blocks; see shm.h and shm_node.h.
 *
 * Live and warm bytes and copies together stay below the capacity. Who needs more room than there is spills: the block that has been idle for the
 * longest time lends its pages, and gets them back when it is pinned. What is lent to the store (sk_shm_lend) is for pins alone, so that a task whose
 * arguments are larger than the capacity can run.
 *
 * Reading order: giving and taking blocks; spilling; pins; books of another node's memory; figures. */
#include "shm_node.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

/* ---- blocks ---- */

static size_t room_beyond(const sk_shm *s, size_t lent)
{
    uint64_t taken = s->blocks->live_bytes + s->guests;
    return taken < s->capacity + lent ? s->capacity + lent - (size_t)taken : 0;
}

static void note_peak(sk_shm *s)
{
    if (s->blocks->live_bytes > s->peak)
        s->peak = s->blocks->live_bytes;
}

static sk_block *cold(sk_shm *s, unsigned row, size_t size)
{
    sk_block *k = sk_blocks_take_cold(s->blocks, row, size);
    if (!k) {
        errno = ENOSPC;
        return NULL;
    }
    if (sk_shm_is_large(s, k))
        sk_shm_get_whole(s, sk_shm_owner_of(s, k), k->offset, k->size);
    if (!sk_shm_get_pages(s, sk_shm_owner_of(s, k), k->offset, k->size)) {
        sk_shm_drop_pages(s, sk_shm_owner_of(s, k), k->offset, k->size);
        sk_blocks_ungive(s->blocks, k);
        errno = ENOMEM;
        return NULL;
    }
    if (sk_shm_owner_of(s, k) == 0 && !s->far)      /* the node itself is about to write it */
        sk_shm_prefault(s->base + k->offset, size);
    return k;
}

/* One entry of a page table serves for 2 MiB, at a multiple of that: it is unlocked, locked, moved and found as cheaply as one for 4 KB. So sizes
 * that come near a multiple are rounded up to it, and have a part of the arena to themselves, where all borders are such; but not in stores that are
 * small, where each page counts. */
static size_t whole_size(const sk_shm *s, size_t size, bool *large)
{
    size_t up = sk_shm_round_up(size, HUGE);
    *large = s->large && up - size <= up / 4 && up <= s->capacity / 16;
    return *large ? up : sk_shm_round_up(size ? size : 1, s->page);
}

static sk_block *find_room(sk_shm *s, unsigned row, size_t size)
{
    sk_blocks *b = s->blocks;
    if (size > room_beyond(s, 0)) {
        errno = EDQUOT;
        return NULL;
    }
    sk_block *k = sk_blocks_take_warm(b, row, size, false);
    if (!k && b->live_bytes + b->warm_bytes + s->guests + s->dropped_bytes + size <= s->capacity)
        k = cold(s, row, size);
    if (!k)
        k = sk_blocks_take_warm(b, row, size, true);
    if (!k) {
        sk_shm_cool_for(s, size);
        k = cold(s, row, size);
    }
    if (!k) {                                /* perhaps only because warm and cold room lie side by side */
        sk_shm_cool(s, UINT64_MAX);
        k = cold(s, row, size);
    }
    return k;
}

void *sk_shm_alloc(sk_shm *s, unsigned owner, size_t size)
{
    errno = EDQUOT;
    if (!sk_shm_has_file(s, owner) || size > s->capacity)
        return NULL;
    bool large;
    size_t whole = whole_size(s, size, &large);
    sk_block *k = find_room(s, large ? owner + s->owners : owner, whole);
    if (!k && large)                         /* when each page counts */
        k = find_room(s, owner, sk_shm_round_up(size, s->page));
    if (!k)
        return NULL;
    k->used = sk_shm_round_up(size ? size : 1, s->page);
    k->name = k->told = 0;
    note_peak(s);
    return s->base + k->offset;
}

static sk_block *block_of(const sk_shm *s, const void *block)
{
    sk_block *k = sk_blocks_at(s->blocks, sk_shm_place_of(s, block));
    assert(k);
    return k;
}

static void forget_copy(sk_shm *s, const sk_block *k)
{
    if (!s->far)
        sk_spill_forget(s->spill, k->copy);
    else if (!k->away)                       /* else it goes with the pages */
        s->far->forget(s->far->data, k->offset + s->page);
}

void sk_shm_release(sk_shm *s, void *block)
{
    sk_block *k = block_of(s, block);
    if (k->copy != SK_NO_COPY)
        forget_copy(s, k);
    k->copy = SK_NO_COPY;
    if (k->away) {
        sk_shm_drop_pages(s, sk_shm_owner_of(s, k), k->offset, k->size);
        sk_blocks_ungive(s->blocks, k);
    } else {
        sk_blocks_give(s->blocks, k);
    }
}

/* ---- spilling ---- */

void sk_shm_keep(sk_shm *s, const void *block)
{
    sk_block *k = block_of(s, block);
    if (k->used > s->page)                   /* else there is nothing beside the first page */
        sk_blocks_keep(s->blocks, k);
}

void sk_shm_listen(sk_shm *s, sk_shm_tell *tell, void *listener)
{
    s->tell = tell;
    s->listener = listener;
}

void sk_shm_set_name(sk_shm *s, const void *block, uint64_t name)
{
    sk_block *k = block_of(s, block);
    k->name = name;
    k->told = 0;
}

uint64_t sk_shm_name(const sk_shm *s, const void *block) { return block_of(s, block)->name; }

static void tell_away(sk_shm *s, sk_block *k)
{
    if (!k->name || !s->tell)
        return;
    k->told = s->memory + 1;
    s->tell(s->listener, k->name, k->away, false);
}

/* Before it is: who hears of it is told how much. */
static void tell_back(sk_shm *s, sk_block *k)
{
    if (k->told == s->memory + 1)
        s->tell(s->listener, k->name, k->away, true);
    k->told = 0;
}

static bool can_spill(const sk_shm *s) { return s->far ? s->far_spills : sk_spill_is_on(s->spill); }

/* To the file, if it is not there; its pages go back. */
static bool send_away(sk_shm *s, sk_block *k, uint64_t at, size_t size)
{
    if (s->far) {
        s->far->spill(s->far->data, at, size, k->freed);
        k->copy = at;
        return true;
    }
    if (k->copy != SK_NO_COPY && !sk_spill_has(s->spill, k->copy, size)) {      /* cut since: what is in memory is all there is */
        sk_spill_forget(s->spill, k->copy);
        k->copy = SK_NO_COPY;
    }
    if (k->copy == SK_NO_COPY && !sk_spill_write(s->spill, s->base + at, size, &k->copy))
        return false;
    sk_shm_drop_pages(s, sk_shm_owner_of(s, k), at, size);
    return true;
}

size_t sk_shm_spill(sk_shm *s)
{
    for (bool can_write = can_spill(s);; can_write = false) {
        sk_block *k = sk_blocks_idlest(s->blocks, !can_write);
        if (!k)
            return 0;
        size_t size = k->used - s->page;     /* what a large one has more stays */
        if (send_away(s, k, k->offset + s->page, size)) {
            sk_blocks_send(s->blocks, k, size);
            tell_away(s, k);
            return size;
        }
    }
}

size_t sk_shm_away(const sk_shm *s, const void *block) { return block_of(s, block)->away; }

uint64_t sk_shm_spilled_at(const sk_shm *s, const void *block)
{
    const sk_block *k = block_of(s, block);
    assert(k->away);
    return k->copy;
}

bool sk_shm_read_spilled(sk_shm *s, uint64_t at, void *bytes, size_t size, sk_error *err) { return sk_spill_read(s->spill, at, bytes, size, err); }

static size_t loan(const sk_shm *s) { return s->borrows ? s->lent : 0; }

size_t sk_shm_available(const sk_shm *s, uint64_t copies)
{
    const sk_blocks *b = s->blocks;
    uint64_t can = s->capacity + loan(s) + b->idle_bytes + b->left_bytes + copies, taken = b->live_bytes + s->guests;
    return can > taken ? (size_t)(can - taken) : 0;
}

/* ---- pins ---- */

size_t sk_shm_takes(const sk_shm *s, const void *block)
{
    const sk_block *k = block_of(s, block);
    return k->kept && !k->pins ? k->size : 0;
}

void sk_shm_lend(sk_shm *s, size_t bytes)
{
    uint64_t taken = s->blocks->live_bytes + s->guests;
    s->lent = !bytes ? 0 : bytes + (taken > s->capacity ? (size_t)taken - s->capacity : 0);
}

void sk_shm_borrow(sk_shm *s, bool borrows) { s->borrows = borrows; }

static bool restore(sk_shm *s, sk_block *k, sk_error *err)
{
    if (!s->far && k->copy == SK_NO_COPY) {
        errno = EIO;
        return sk_error_set(err, SK_OBJECT_LOST, "the object was spilled, and could not be read back");
    }
    if (k->away > room_beyond(s, loan(s))) {
        errno = EDQUOT;
        return false;
    }
    uint64_t at = k->offset + s->page;
    sk_shm_cool_for(s, k->away);
    if (s->far) {
        s->far->restore(s->far->data, at, k->away);
        tell_back(s, k);
        sk_blocks_bring(s->blocks, k);
        note_peak(s);
        return true;
    }
    if (sk_shm_is_large(s, k))
        sk_shm_get_whole(s, sk_shm_owner_of(s, k), at, k->away);
    if (!sk_shm_get_pages(s, sk_shm_owner_of(s, k), at, k->away)) {
        sk_shm_drop_pages(s, sk_shm_owner_of(s, k), at, k->away);
        errno = ENOMEM;
        return false;
    }
    sk_shm_prefault(s->base + at, k->away);
    if (!sk_spill_read(s->spill, k->copy, s->base + at, k->away, err)) {
        sk_shm_drop_pages(s, sk_shm_owner_of(s, k), at, k->away);
        errno = EIO;
        return false;
    }
    tell_back(s, k);
    sk_blocks_bring(s->blocks, k);
    note_peak(s);
    return true;
}

bool sk_shm_pin(sk_shm *s, const void *block, sk_error *err)
{
    sk_block *k = block_of(s, block);
    errno = ESTALE;
    if (k->refills || (k->away && !restore(s, k, err)))
        return false;
    sk_blocks_pin(s->blocks, k);
    return true;
}

uint64_t sk_shm_serial(const sk_shm *s, const void *block)
{
    const sk_block *k = sk_blocks_at(s->blocks, sk_shm_place_of(s, block));
    return k ? k->freed : 0;
}

void sk_shm_unpin(sk_shm *s, const void *block, uint64_t serial)
{
    if (sk_shm_serial(s, block) == serial)
        sk_blocks_unpin(s->blocks, block_of(s, block));
}

bool sk_shm_pin_for_good(sk_shm *s, const void *block, sk_error *err)
{
    sk_block *k = block_of(s, block);
    if (!k->seen && !sk_shm_pin(s, block, err))
        return false;
    k->seen = true;
    return true;
}

/* ---- what the file has lost ---- */

void sk_shm_lose(sk_shm *s, const void *block)
{
    sk_block *k = block_of(s, block);
    if (!k->away || k->copy == SK_NO_COPY)
        return;
    sk_spill_forget(s->spill, k->copy);
    k->copy = SK_NO_COPY;
}

bool sk_shm_refill(sk_shm *s, const void *block)
{
    sk_block *k = block_of(s, block);
    uint64_t at = k->offset + s->page;
    errno = ESTALE;
    if (!k->away || k->copy != SK_NO_COPY)
        return false;
    sk_shm_cool_for(s, k->away);
    if (!sk_shm_get_pages(s, sk_shm_owner_of(s, k), at, k->away)) {
        sk_shm_drop_pages(s, sk_shm_owner_of(s, k), at, k->away);
        errno = ENOMEM;
        return false;
    }
    sk_blocks_bring(s->blocks, k);
    sk_blocks_pin(s->blocks, k);
    k->refills = true;
    note_peak(s);
    return true;
}

void sk_shm_refilled(sk_shm *s, const void *block, bool whole)
{
    sk_block *k = block_of(s, block);
    size_t size = k->used - s->page;
    k->refills = false;
    sk_blocks_unpin(s->blocks, k);
    if (whole)
        return;
    sk_shm_drop_pages(s, sk_shm_owner_of(s, k), k->offset + s->page, size);
    sk_blocks_send(s->blocks, k, size);
}

/* ---- books ---- */

void sk_shm_set_pages(sk_shm *books, const sk_shm_far *pages)
{
    books->far = pages;
    books->memory++;
    books->guests = 0;                       /* it has no copies of anything */
    /* What the one before had made is not there: nothing of it must be spilled. Whoever needs it has it fetched, and counts it again by a pin. */
    for (sk_block *k; (k = sk_blocks_idlest(books->blocks, false)); ) {
        k->copy = SK_NO_COPY;
        sk_blocks_send(books->blocks, k, k->used - books->page);
    }
}

void sk_shm_set_spills(sk_shm *books, bool spills) { books->far_spills = spills; }

void sk_shm_unspill(sk_shm *books, uint64_t place, uint64_t serial)
{
    books->far_spills = false;
    sk_block *k = place >= books->page ? sk_blocks_at(books->blocks, place - books->page) : NULL;
    if (!k || k->freed != serial)
        return;
    k->copy = SK_NO_COPY;
    if (k->away) {
        tell_back(books, k);
        sk_blocks_bring(books->blocks, k);
    }
}

/* ---- figures ---- */

size_t sk_shm_room(const sk_shm *s) { return room_beyond(s, 0); }
uint64_t sk_shm_live(const sk_shm *s) { return s->blocks->live_bytes; }
uint64_t sk_shm_spilled(const sk_shm *s) { return s->blocks->away_bytes; }
uint64_t sk_shm_left(const sk_shm *s) { return s->blocks->left_bytes; }
uint64_t sk_shm_idle(const sk_shm *s) { return s->blocks->idle_bytes; }
uint64_t sk_shm_warm(const sk_shm *s) { return s->blocks->warm_bytes; }
uint64_t sk_shm_peak(const sk_shm *s) { return s->peak; }

const char *sk_shm_spills_to(const sk_shm *s)
{
    return !can_spill(s) ? NULL : s->far ? "its own disk" : sk_spill_directory(s->spill);
}
