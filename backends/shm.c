/* shm.c -- the node's side of the store's memory: addresses. See shm.h, and shm_node.h for the other parts.
 *
 * Two windows of addresses are reserved once: one for writing, one for reading. An arena is a file that is mapped at its place in both. Which pages it has
 * is shm_pages.c's, which parts of it are in use shm_room.c's.
 *
 * Reading order: the windows; arenas; places. */
#include "shm_node.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define LEAST (8 * HUGE)                 /* of places: a small store should not be in pieces at once */
#define LONGEST 32                       /* capacities in a stride: what is spilled keeps its place */
#ifndef SK_TSAN
#define MOST ((size_t)1 << 45)           /* addresses for that; as many as are needed to hold the capacity itself there may always be */
#else
#define MOST ((size_t)1 << 38)           /* it leaves 0.5 to 1.5 TB, by luck, and each process of a cluster needs what the first one chose */
#endif
#define LUKEWARM ((size_t)256 << 20)     /* of dropped copies, at most; and no more than an eighth of the capacity */

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
        capacity = sk_shm_round_up(capacity ? capacity : 1, page);
        least = sk_shm_round_up(capacity, HUGE);
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
                   .capacity = sk_shm_round_up(capacity ? capacity : 1, here->page), .page = here->page, .owners = here->owners, .far = pages };
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
    return k && sk_shm_is_large(s, k) && s->large_are == WHOLE;
}

/* ---- arenas ---- */

static void name_of(unsigned owner, char *out, size_t room)
{
    if (owner)
        snprintf(out, room, "cannot make shared memory for the objects of worker %u", owner);
    else
        snprintf(out, room, "cannot make shared memory for the objects of the driver");
}

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

bool sk_shm_has(const sk_shm *s, unsigned owner) { return sk_shm_has_file(s, owner); }

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

/* ---- places ---- */

size_t sk_shm_block(const sk_shm *s, uint64_t offset, unsigned *owner)
{
    const sk_block *k = sk_blocks_at(s->blocks, offset);
    if (k && owner)
        *owner = sk_shm_owner_of(s, k);
    return k ? k->size : 0;
}

bool sk_shm_contains(const sk_shm *s, const void *p) { return (uintptr_t)p - (uintptr_t)s->base < 2 * s->view_delta; }

uint64_t sk_shm_offset(const sk_shm *s, const void *p) { return sk_shm_place_of(s, p); }
unsigned sk_shm_owner(const sk_shm *s, uint64_t place) { return (unsigned)(place / s->stride); }

void *sk_shm_at(const sk_shm *s, uint64_t offset)
{
    return offset < s->view_delta && sk_shm_has(s, (unsigned)(offset / s->stride)) ? s->base + offset : NULL;
}

const void *sk_shm_view(const sk_shm *s, const void *block)
{
    assert(sk_shm_contains(s, block));
    return s->base + s->view_delta + sk_shm_offset(s, block);
}
