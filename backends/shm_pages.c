/* shm_pages.c -- the node's side of the store's memory: which pages of the arenas are there; see shm.h and shm_node.h.
 *
 * Pages are asked for before anybody writes to them (fallocate), so that want of memory is an answer, not a SIGBUS; and are given back as holes of the
 * file. Two sorts are kept for a while though nobody uses them: those of warm blocks (shm_blocks.h) and those of copies that were dropped last. They
 * count, and go first where room or memory is short (sk_shm_cool).
 *
 * Reading order: pages; pages of dropped copies; making room; copies, which other nodes' places stand for. */
#include "shm_node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define STEP ((size_t)16 << 20)          /* asked of the kernel at once: a signal costs no more than that again */

/* ---- pages ---- */

void sk_shm_drop_pages(sk_shm *s, unsigned owner, uint64_t offset, size_t size)
{
    if (s->far) {
        s->far->drop(s->far->data, offset, size);
        return;
    }
    off_t at = (off_t)(offset - (uint64_t)owner * s->stride);
    while (fallocate(s->files[owner], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)size) < 0 && errno == EINTR)
        ;
}

static bool try_pages(sk_shm *s, unsigned owner, uint64_t offset, size_t size)
{
    if (s->far) {
        s->far->fill(s->far->data, offset, size);
        return true;
    }
    off_t at = (off_t)(offset - (uint64_t)owner * s->stride);
    for (size_t done = 0, step; done < size; done += step) {
        step = size - done < STEP ? size - done : STEP;
        while (fallocate(s->files[owner], FALLOC_FL_KEEP_SIZE, at + (off_t)done, (off_t)step) < 0)
            if (errno != EINTR) {
                if (done)
                    sk_shm_drop_pages(s, owner, offset, done);
                return false;
            }
    }
    return true;
}

static bool collapse(char *at)
{
    int tries = 3;
    while (madvise(at, HUGE, MADV_COLLAPSE) < 0)
        if ((errno != EAGAIN && errno != EBUSY) || --tries == 0)
            return false;
    return true;
}

/* Pages of 2 MiB where blocks are of such: one entry of a page table then, which moves at a fifth of the price of 512, and need not be found again
 * one by one. By default the kernel gives shared memory none, whatever is asked; but it collapses what there is (MADV_COLLAPSE, Linux 6.1), and one
 * small page is enough to begin with. Tries: what it does not do is left to try_pages. */
void sk_shm_get_whole(sk_shm *s, unsigned owner, uint64_t offset, size_t size)
{
    uint64_t end = offset + size;
    for (uint64_t at = offset / HUGE * HUGE; at < end && s->large_are != IN_PAGES; at += HUGE) {
        bool got = try_pages(s, owner, at, s->page) && collapse(s->base + at);
        if (s->large_are == UNKNOWN)
            s->large_are = got ? WHOLE : IN_PAGES;
        if (!got)
            return;
    }
}

/* ---- pages of copies that were dropped ----
 *
 * Whoever gets a copy often gets another of that length, and in the same place, for that is free again. Fresh pages cost more than the bytes that are
 * to come. */

static void forget_dropped(sk_shm *s, unsigned i)
{
    s->dropped_bytes -= s->dropped[i].size;
    s->ndropped--;
    for (; i < s->ndropped; i++)
        s->dropped[i] = s->dropped[i + 1];
}

static void cool_dropped(sk_shm *s, unsigned i)
{
    sk_shm_drop_pages(s, sk_shm_owner(s, s->dropped[i].place), s->dropped[i].place, s->dropped[i].size);
    forget_dropped(s, i);
}

/* false: it goes at once. */
static bool keep_dropped(sk_shm *s, uint64_t place, size_t size)
{
    if (s->far || size > s->dropped_most || size < MIN(HUGE, s->dropped_most))
        return false;
    while (s->ndropped == sizeof s->dropped / sizeof *s->dropped || s->dropped_bytes + size > s->dropped_most)
        cool_dropped(s, 0);
    s->dropped[s->ndropped].place = place;
    s->dropped[s->ndropped++].size = size;
    s->dropped_bytes += size;
    memset(s->base + place, 0, s->page);     /* no header of an object there: node_objects.c */
    return true;
}

/* Those pages are needed. true: all of them are there. */
static bool take_dropped(sk_shm *s, uint64_t place, size_t size)
{
    bool all = false;
    for (unsigned i = s->ndropped; i-- > 0;) {
        uint64_t at = s->dropped[i].place, end = at + s->dropped[i].size;
        if (at >= place + size || place >= end)
            continue;
        if (at == place && end == place + size) {
            forget_dropped(s, i);
            all = true;
        } else {
            cool_dropped(s, i);
        }
    }
    return all;
}

/* ---- making room ---- */

/* Gives back `bytes` of what was freed first, or all there is. */
void sk_shm_cool(sk_shm *s, uint64_t bytes)
{
    sk_block *k;
    while (bytes && s->ndropped) {
        bytes -= MIN(bytes, s->dropped[0].size);
        cool_dropped(s, 0);
    }
    while (bytes && (k = sk_blocks_oldest(s->blocks))) {
        size_t part = k->size < bytes ? k->size : (size_t)bytes;
        if (sk_shm_is_large(s, k))
            part = sk_shm_round_up(part, HUGE);
        sk_shm_drop_pages(s, sk_shm_owner_of(s, k), k->offset + (k->size - part), part);
        sk_blocks_cool(s->blocks, k, part);
        bytes -= MIN(part, bytes);
    }
}

/* The same, and if there is no memory, without what is kept warm: that is in the way. */
bool sk_shm_get_pages(sk_shm *s, unsigned owner, uint64_t offset, size_t size)
{
    if (try_pages(s, owner, offset, size))
        return true;
    sk_shm_cool(s, UINT64_MAX);
    return try_pages(s, owner, offset, size);
}

/* There will be so many live bytes more: warm ones make room. */
void sk_shm_cool_for(sk_shm *s, size_t size)
{
    uint64_t sum = s->blocks->live_bytes + s->blocks->warm_bytes + s->guests + s->dropped_bytes + size;
    sk_shm_cool(s, sum > s->capacity ? sum - s->capacity : 0);
}

/* ---- copies ---- */

bool sk_shm_fill(sk_shm *s, uint64_t place, size_t size)
{
    unsigned owner = sk_shm_owner(s, place);
    size_t whole = sk_shm_round_up(size, s->page);
    bool is_there = take_dropped(s, place, whole);
    s->guests += whole;
    if (is_there)
        return true;
    sk_shm_cool_for(s, 0);
    if (s->large && place % s->stride >= s->large && place % HUGE == 0 && whole >= HUGE)
        sk_shm_get_whole(s, owner, place, whole / HUGE * HUGE);
    if (!sk_shm_get_pages(s, owner, place, whole)) {
        sk_shm_drop_pages(s, owner, place, whole);
        s->guests -= whole;
        errno = ENOMEM;
        return false;
    }
    return true;
}

void sk_shm_drop(sk_shm *s, uint64_t place, size_t size)
{
    size_t whole = sk_shm_round_up(size, s->page);
    take_dropped(s, place, whole);
    if (!keep_dropped(s, place, whole))
        sk_shm_drop_pages(s, sk_shm_owner(s, place), place, whole);
    s->guests -= MIN(whole, s->guests);
}

uint64_t sk_shm_guests(const sk_shm *s) { return s->guests; }
