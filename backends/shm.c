/* shm.c -- the node's side of the store's memory: the arenas' files, their two mappings, and which pages are kept, or spilled; see shm.h. */
#include "shm.h"

#include "shm_blocks.h"
#include "shm_spill.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define HUGE ((size_t)2 << 20)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define LEAST (8 * HUGE)                 /* of places: a small store should not be in pieces at once */
#define LONGEST 32                       /* capacities in a stride: what is spilled keeps its place */
#ifndef SK_TSAN
#define MOST ((size_t)1 << 45)           /* addresses for that; as many as are needed to hold the capacity itself there may always be */
#else
#define MOST ((size_t)1 << 38)           /* it leaves 0.5 to 1.5 TB, by luck, and each process of a cluster needs what the first one chose */
#endif
#define LUKEWARM ((size_t)256 << 20)     /* of dropped copies, at most; and no more than an eighth of the capacity */
#define STEP ((size_t)16 << 20)          /* asked of the kernel at once: a signal costs no more than that again */

struct sk_shm {
    char *base;                          /* owners x stride for writing, then as much for reading */
    size_t view_delta, stride, capacity, lent, page;
    bool borrows;
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
};

static bool is_large(const sk_shm *s, const sk_block *k) { return k->owner >= s->owners; }
static unsigned owner_of(const sk_shm *s, const sk_block *k) { return k->owner % s->owners; }

static size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

static void name_of(unsigned owner, char *out, size_t room)
{
    if (owner)
        snprintf(out, room, "cannot make shared memory for the objects of worker %u", owner);
    else
        snprintf(out, room, "cannot make shared memory for the objects of the driver");
}

/* ---- the windows ---- */

static size_t limit_of(int resource)
{
    struct rlimit r;
    return getrlimit(resource, &r) == 0 && r.rlim_cur != RLIM_INFINITY ? (size_t)r.rlim_cur : SIZE_MAX;
}

/* How long an arena is: room for what is spilled, where addresses are plenty (and no more than a quarter of those that the process may have);
 * where they are not, twice the capacity, so that room is hardly ever in pieces, or as much less as still holds it. */
static size_t first_stride(size_t least, unsigned owners)
{
    size_t file = limit_of(RLIMIT_FSIZE) / HUGE * HUGE, most = MIN(MOST, limit_of(RLIMIT_AS) / 4) / 2 / owners / HUGE * HUGE;
    size_t usual = MAX(2 * least, LEAST), long_one = MAX(LONGEST * MIN(least, SIZE_MAX / LONGEST / 2), LEAST);
    size_t stride = MAX(usual, MIN(most, long_one));
    return stride > file && file >= least ? file : stride;
}

static void open_rest(sk_shm *s, const char *spill_directory)
{
    s->files = g_new(int, s->owners);
    for (unsigned i = 0; i < s->owners; i++)
        s->files[i] = -1;
    s->blocks = sk_blocks_new(2 * s->owners);      /* by owner the small ones, then the large ones */
    s->spill = sk_spill_new(spill_directory);
}

sk_shm *sk_shm_new(size_t capacity, unsigned owners, const char *spill_directory, sk_error *err)
{
    assert(owners > 0);
    size_t page = sk_shm_page(), least = 0, stride = 0, whole = 0;
    char *base = NULL;
    errno = ENOMEM;
    if (capacity <= SIZE_MAX / 4) {
        capacity = round_up(capacity ? capacity : 1, page);
        least = round_up(capacity, HUGE);
        stride = first_stride(least, owners);
        do
            base = __builtin_mul_overflow(stride, 2 * (size_t)owners, &whole) ? NULL : sk_shm_reserve(whole);
        while (!base && (stride = stride > 2 * least ? MAX(stride / 2 / HUGE * HUGE, 2 * least) : stride / 2 / HUGE * HUGE) >= least);
    }
    if (!base) {
        char what[160];
        snprintf(what, sizeof what, "cannot reserve addresses for an object store of %zu bytes (%u times twice as much, for %u workers)",
                 capacity, owners, owners - 1);
        sk_shm_error(err, what, "mmap", errno);
        return NULL;
    }
    sk_shm *s = g_new0(sk_shm, 1);
    *s = (sk_shm){ .base = base, .view_delta = whole / 2, .stride = stride, .capacity = capacity, .page = page, .owners = owners };
    s->large = stride >= 4 * least ? stride / 2 / HUGE * HUGE : 0;
    s->dropped_most = MIN(LUKEWARM, capacity / 8);
    open_rest(s, spill_directory);
    return s;
}

sk_shm *sk_shm_new_space(size_t stride, size_t large, unsigned owners, size_t size, sk_error *err)
{
    size_t page = sk_shm_page(), whole = 0;
    errno = EINVAL;
    bool fits = owners > 0 && stride > 0 && stride % HUGE == 0 && large < stride && large % HUGE == 0
                && !__builtin_mul_overflow(stride, 2 * (size_t)owners, &whole);
    char *base = fits ? sk_shm_reserve(whole) : NULL;
    if (!base) {
        char what[120];
        snprintf(what, sizeof what, "cannot reserve addresses for the objects of a cluster (%u workers, %zu bytes each)", owners, stride);
        sk_shm_error(err, what, "mmap", errno);
        return NULL;
    }
    sk_shm *s = g_new0(sk_shm, 1);
    *s = (sk_shm){ .base = base, .view_delta = whole / 2, .stride = stride, .large = large, .capacity = SIZE_MAX / 4, .page = page, .owners = owners };
    s->dropped_most = MIN(LUKEWARM, size / 8);
    open_rest(s, "none");
    return s;
}

sk_shm *sk_shm_new_books(const sk_shm *here, size_t capacity, const sk_shm_far *pages)
{
    sk_shm *s = g_new0(sk_shm, 1);
    *s = (sk_shm){ .base = here->base, .view_delta = here->view_delta, .stride = here->stride, .large = here->large, .large_are = IN_PAGES,
                   .capacity = round_up(capacity ? capacity : 1, here->page), .page = here->page, .owners = here->owners, .far = pages };
    s->far_spills = true;
    open_rest(s, "none");
    return s;
}

void sk_shm_free(sk_shm *s)
{
    if (!s)
        return;
    if (!s->far)
        munmap(s->base, 2 * s->view_delta);
    for (unsigned i = 0; i < s->owners && !s->far; i++)
        if (s->files[i] >= 0)
            close(s->files[i]);
    sk_blocks_free(s->blocks);
    sk_spill_free(s->spill);
    g_free(s->files);
    g_free(s);
}

size_t sk_shm_stride(const sk_shm *s) { return s->stride; }
size_t sk_shm_large(const sk_shm *s) { return s->large; }

bool sk_shm_is_whole(const sk_shm *s, const void *block)
{
    const sk_block *k = sk_blocks_at(s->blocks, sk_shm_offset(s, block));
    return k && is_large(s, k) && s->large_are == WHOLE;
}

/* ---- arenas ---- */

/* A file beyond the limit would be a SIGXFSZ, which ends the program: so the limit is asked first. */
static bool set_length(int fd, size_t length)
{
    if (limit_of(RLIMIT_FSIZE) < length) {
        errno = EFBIG;
        return false;
    }
    return ftruncate(fd, (off_t)length) == 0;
}

static bool map(sk_shm *s, unsigned owner, int fd, int how, size_t delta)
{
    char *place = s->base + owner * s->stride + delta;
    return mmap(place, s->stride, how, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0) != MAP_FAILED;
}

bool sk_shm_has(const sk_shm *s, unsigned owner) { return owner < s->owners && s->files[owner] >= 0; }

static void add_blocks(sk_shm *s, unsigned owner)
{
    sk_blocks_add(s->blocks, owner, (uint64_t)owner * s->stride, s->large ? s->large : s->stride);
    if (s->large)
        sk_blocks_add(s->blocks, owner + s->owners, (uint64_t)owner * s->stride + s->large, s->stride - s->large);
}

bool sk_shm_add(sk_shm *s, unsigned owner, sk_error *err)
{
    assert(owner < s->owners);
    if (s->files[owner] >= 0)
        return true;
    if (s->far) {
        s->files[owner] = INT_MAX;
        add_blocks(s, owner);
        return true;
    }
    const char *call = "memfd_create";
    int fd = sk_shm_lifted(memfd_create("skate", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (fd < 0)
        goto failed;
    call = "ftruncate";
    if (!set_length(fd, s->stride))
        goto failed;
    call = "fcntl (seals)";              /* nobody can make it shorter: that would be SIGBUS for all */
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        goto failed;
    call = "mmap";
    if (!map(s, owner, fd, PROT_READ | PROT_WRITE, 0) || !map(s, owner, fd, PROT_READ, s->view_delta))
        goto failed;
    s->files[owner] = fd;
    add_blocks(s, owner);
    return true;

failed:;
    int why = errno;
    char what[100];
    if (fd >= 0) {
        /* what was mapped becomes reserved addresses again */
        for (int i = 0; i < 2; i++)
            mmap(s->base + owner * s->stride + (size_t)i * s->view_delta, s->stride, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
        close(fd);
    }
    name_of(owner, what, sizeof what);
    return sk_shm_error(err, what, call, why);
}

int sk_shm_descriptor(sk_shm *s, unsigned owner, bool writable, sk_error *err)
{
    assert(sk_shm_has(s, owner));
    char path[40], what[100];
    snprintf(path, sizeof path, "/proc/self/fd/%d", s->files[owner]);
    int fd = writable ? fcntl(s->files[owner], F_DUPFD_CLOEXEC, 3) : sk_shm_lifted(open(path, O_RDONLY | O_CLOEXEC));
    if (fd < 0) {
        int why = errno;
        name_of(owner, what, sizeof what);
        sk_shm_error(err, what, writable ? "fcntl (descriptor)" : path, why);
    }
    return fd;
}

/* ---- pages ---- */

static void drop_pages(sk_shm *s, unsigned owner, uint64_t offset, size_t size)
{
    if (s->far) {
        s->far->drop(s->far->data, offset, size);
        return;
    }
    off_t at = (off_t)(offset - (uint64_t)owner * s->stride);
    while (fallocate(s->files[owner], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)size) < 0 && errno == EINTR)
        ;
}

static bool get_pages(sk_shm *s, unsigned owner, uint64_t offset, size_t size)
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
                    drop_pages(s, owner, offset, done);
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
 * small page is enough to begin with. Tries: what it does not do is left to get_pages. */
static void get_whole(sk_shm *s, unsigned owner, uint64_t offset, size_t size)
{
    uint64_t end = offset + size;
    for (uint64_t at = offset / HUGE * HUGE; at < end && s->large_are != IN_PAGES; at += HUGE) {
        bool got = get_pages(s, owner, at, s->page) && collapse(s->base + at);
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
    drop_pages(s, sk_shm_owner(s, s->dropped[i].place), s->dropped[i].place, s->dropped[i].size);
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

/* Gives back `bytes` of what was freed first, or all there is. */
static void cool(sk_shm *s, uint64_t bytes)
{
    sk_block *k;
    while (bytes && s->ndropped) {
        bytes -= MIN(bytes, s->dropped[0].size);
        cool_dropped(s, 0);
    }
    while (bytes && (k = sk_blocks_oldest(s->blocks))) {
        size_t part = k->size < bytes ? k->size : (size_t)bytes;
        if (is_large(s, k))
            part = round_up(part, HUGE);
        drop_pages(s, owner_of(s, k), k->offset + (k->size - part), part);
        sk_blocks_cool(s->blocks, k, part);
        bytes -= MIN(part, bytes);
    }
}

/* The same, and if there is no memory, without what is kept warm: that is in the way. */
static bool get_pages_somehow(sk_shm *s, unsigned owner, uint64_t offset, size_t size)
{
    if (get_pages(s, owner, offset, size))
        return true;
    cool(s, UINT64_MAX);
    return get_pages(s, owner, offset, size);
}

static sk_block *cold(sk_shm *s, unsigned row, size_t size)
{
    sk_block *k = sk_blocks_take_cold(s->blocks, row, size);
    if (!k) {
        errno = ENOSPC;
        return NULL;
    }
    if (is_large(s, k))
        get_whole(s, owner_of(s, k), k->offset, k->size);
    if (!get_pages_somehow(s, owner_of(s, k), k->offset, k->size)) {
        drop_pages(s, owner_of(s, k), k->offset, k->size);
        sk_blocks_ungive(s->blocks, k);
        errno = ENOMEM;
        return NULL;
    }
    if (owner_of(s, k) == 0 && !s->far)      /* the node itself is about to write it */
        sk_shm_prefault(s->base + k->offset, size);
    return k;
}

/* There will be so many live bytes more: warm ones make room. */
static void cool_for(sk_shm *s, size_t size)
{
    uint64_t sum = s->blocks->live_bytes + s->blocks->warm_bytes + s->guests + s->dropped_bytes + size;
    cool(s, sum > s->capacity ? sum - s->capacity : 0);
}

static void note_peak(sk_shm *s)
{
    if (s->blocks->live_bytes > s->peak)
        s->peak = s->blocks->live_bytes;
}

/* One entry of a page table serves for 2 MiB, at a multiple of that: it is unlocked, locked, moved and found as cheaply as one for 4 KB. So sizes
 * that come near a multiple are rounded up to it, and have a part of the arena to themselves, where all borders are such; but not in stores that are
 * small, where each page counts. */
static size_t whole_size(const sk_shm *s, size_t size, bool *large)
{
    size_t up = round_up(size, HUGE);
    *large = s->large && up - size <= up / 4 && up <= s->capacity / 16;
    return *large ? up : round_up(size ? size : 1, s->page);
}

static sk_block *find_room(sk_shm *s, unsigned row, size_t size)
{
    sk_blocks *b = s->blocks;
    if (size > sk_shm_room(s)) {
        errno = EDQUOT;
        return NULL;
    }
    sk_block *k = sk_blocks_take_warm(b, row, size, false);
    if (!k && b->live_bytes + b->warm_bytes + s->guests + s->dropped_bytes + size <= s->capacity)
        k = cold(s, row, size);
    if (!k)
        k = sk_blocks_take_warm(b, row, size, true);
    if (!k) {
        cool_for(s, size);
        k = cold(s, row, size);
    }
    if (!k) {                                /* perhaps only because warm and cold room lie side by side */
        cool(s, UINT64_MAX);
        k = cold(s, row, size);
    }
    return k;
}

void *sk_shm_alloc(sk_shm *s, unsigned owner, size_t size)
{
    errno = EDQUOT;
    if (!sk_shm_has(s, owner) || size > s->capacity)
        return NULL;
    bool large;
    size_t whole = whole_size(s, size, &large);
    sk_block *k = find_room(s, large ? owner + s->owners : owner, whole);
    if (!k && large)                         /* when each page counts */
        k = find_room(s, owner, round_up(size, s->page));
    if (!k)
        return NULL;
    k->used = round_up(size ? size : 1, s->page);
    note_peak(s);
    return s->base + k->offset;
}

void sk_shm_set_pages(sk_shm *books, const sk_shm_far *pages)
{
    books->far = pages;
    books->guests = 0;                       /* it has no copies of anything */
    /* What the one before had made is not there: nothing of it must be spilled. Whoever needs it has it fetched, and counts it again by a pin. */
    for (sk_block *k; (k = sk_blocks_idlest(books->blocks, false)); ) {
        k->copy = SK_NO_COPY;
        sk_blocks_send(books->blocks, k, k->used - books->page);
    }
}

void sk_shm_set_spills(sk_shm *books, bool spills) { books->far_spills = spills; }

unsigned sk_shm_owner(const sk_shm *s, uint64_t place) { return (unsigned)(place / s->stride); }

bool sk_shm_fill(sk_shm *s, uint64_t place, size_t size)
{
    unsigned owner = sk_shm_owner(s, place);
    size_t whole = round_up(size, s->page);
    bool is_there = take_dropped(s, place, whole);
    s->guests += whole;
    if (is_there)
        return true;
    cool_for(s, 0);
    if (s->large && place % s->stride >= s->large && place % HUGE == 0 && whole >= HUGE)
        get_whole(s, owner, place, whole / HUGE * HUGE);
    if (!get_pages_somehow(s, owner, place, whole)) {
        drop_pages(s, owner, place, whole);
        s->guests -= whole;
        errno = ENOMEM;
        return false;
    }
    return true;
}

void sk_shm_drop(sk_shm *s, uint64_t place, size_t size)
{
    size_t whole = round_up(size, s->page);
    take_dropped(s, place, whole);
    if (!keep_dropped(s, place, whole))
        drop_pages(s, sk_shm_owner(s, place), place, whole);
    s->guests -= MIN(whole, s->guests);
}

uint64_t sk_shm_guests(const sk_shm *s) { return s->guests; }

static sk_block *block_of(const sk_shm *s, const void *block)
{
    sk_block *k = sk_blocks_at(s->blocks, sk_shm_offset(s, block));
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
        drop_pages(s, owner_of(s, k), k->offset, k->size);
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

static bool can_spill(const sk_shm *s) { return s->far ? s->far_spills : sk_spill_is_on(s->spill); }

/* To the file, if it is not there; its pages go back. */
static bool send_away(sk_shm *s, sk_block *k, uint64_t at, size_t size)
{
    if (s->far) {
        s->far->spill(s->far->data, at, size, k->freed);
        k->copy = at;
        return true;
    }
    if (k->copy == SK_NO_COPY && !sk_spill_write(s->spill, s->base + at, size, &k->copy))
        return false;
    drop_pages(s, owner_of(s, k), at, size);
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
            return size;
        }
    }
}

void sk_shm_unspill(sk_shm *books, uint64_t place, uint64_t serial)
{
    books->far_spills = false;
    sk_block *k = place >= books->page ? sk_blocks_at(books->blocks, place - books->page) : NULL;
    if (!k || k->freed != serial)
        return;
    k->copy = SK_NO_COPY;
    if (k->away)
        sk_blocks_bring(books->blocks, k);
}

size_t sk_shm_away(const sk_shm *s, const void *block) { return block_of(s, block)->away; }

bool sk_shm_read_away(sk_shm *s, const void *block, size_t from, void *bytes, size_t size, sk_error *err)
{
    return sk_spill_read(s->spill, block_of(s, block)->copy + from, bytes, size, err);
}

static size_t loan(const sk_shm *s) { return s->borrows ? s->lent : 0; }

size_t sk_shm_available(const sk_shm *s, uint64_t copies)
{
    const sk_blocks *b = s->blocks;
    uint64_t can = s->capacity + loan(s) + b->idle_bytes + b->left_bytes + copies, taken = b->live_bytes + s->guests;
    return can > taken ? (size_t)(can - taken) : 0;
}

size_t sk_shm_takes(const sk_shm *s, const void *block)
{
    const sk_block *k = block_of(s, block);
    return k->kept && !k->pins ? k->size : 0;
}

static size_t room_beyond(const sk_shm *s, size_t lent)
{
    uint64_t taken = s->blocks->live_bytes + s->guests;
    return taken < s->capacity + lent ? s->capacity + lent - (size_t)taken : 0;
}

static bool restore(sk_shm *s, sk_block *k, sk_error *err)
{
    if (k->away > room_beyond(s, loan(s))) {
        errno = EDQUOT;
        return false;
    }
    uint64_t at = k->offset + s->page;
    cool_for(s, k->away);
    if (s->far) {
        s->far->restore(s->far->data, at, k->away);
        sk_blocks_bring(s->blocks, k);
        note_peak(s);
        return true;
    }
    if (is_large(s, k))
        get_whole(s, owner_of(s, k), at, k->away);
    if (!get_pages_somehow(s, owner_of(s, k), at, k->away)) {
        drop_pages(s, owner_of(s, k), at, k->away);
        errno = ENOMEM;
        return false;
    }
    sk_shm_prefault(s->base + at, k->away);
    if (!sk_spill_read(s->spill, k->copy, s->base + at, k->away, err)) {
        drop_pages(s, owner_of(s, k), at, k->away);
        errno = EIO;
        return false;
    }
    sk_blocks_bring(s->blocks, k);
    note_peak(s);
    return true;
}

bool sk_shm_pin(sk_shm *s, const void *block, sk_error *err)
{
    sk_block *k = block_of(s, block);
    if (k->away && !restore(s, k, err))
        return false;
    sk_blocks_pin(s->blocks, k);
    return true;
}

uint64_t sk_shm_serial(const sk_shm *s, const void *block)
{
    const sk_block *k = sk_blocks_at(s->blocks, sk_shm_offset(s, block));
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

/* ---- places ---- */

size_t sk_shm_block(const sk_shm *s, uint64_t offset, unsigned *owner)
{
    const sk_block *k = sk_blocks_at(s->blocks, offset);
    if (k && owner)
        *owner = owner_of(s, k);
    return k ? k->size : 0;
}

bool sk_shm_contains(const sk_shm *s, const void *p) { return (uintptr_t)p - (uintptr_t)s->base < 2 * s->view_delta; }

uint64_t sk_shm_offset(const sk_shm *s, const void *p)
{
    size_t at = (uintptr_t)p - (uintptr_t)s->base;
    return at < s->view_delta ? at : at < 2 * s->view_delta ? at - s->view_delta : SK_SHM_NOWHERE;
}

void *sk_shm_at(const sk_shm *s, uint64_t offset)
{
    return offset < s->view_delta && sk_shm_has(s, (unsigned)(offset / s->stride)) ? s->base + offset : NULL;
}

const void *sk_shm_view(const sk_shm *s, const void *block)
{
    assert(sk_shm_contains(s, block));
    return s->base + s->view_delta + sk_shm_offset(s, block);
}

size_t sk_shm_room(const sk_shm *s) { return room_beyond(s, 0); }

void sk_shm_lend(sk_shm *s, size_t bytes)
{
    uint64_t taken = s->blocks->live_bytes + s->guests;
    s->lent = !bytes ? 0 : bytes + (taken > s->capacity ? (size_t)taken - s->capacity : 0);
}

void sk_shm_borrow(sk_shm *s, bool borrows) { s->borrows = borrows; }

uint64_t sk_shm_live(const sk_shm *s) { return s->blocks->live_bytes; }
uint64_t sk_shm_spilled(const sk_shm *s) { return s->blocks->away_bytes; }
uint64_t sk_shm_left(const sk_shm *s) { return s->blocks->left_bytes; }
uint64_t sk_shm_idle(const sk_shm *s) { return s->blocks->idle_bytes; }
const char *sk_shm_spills_to(const sk_shm *s)
{
    return !can_spill(s) ? NULL : s->far ? "its own disk" : sk_spill_directory(s->spill);
}
uint64_t sk_shm_warm(const sk_shm *s) { return s->blocks->warm_bytes; }
uint64_t sk_shm_peak(const sk_shm *s) { return s->peak; }
