/* shm.c -- the node's side of the store's memory: the arenas' files, their two mappings, and which pages are kept; see shm.h. */
#include "shm.h"

#include "shm_blocks.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define HUGE ((size_t)2 << 20)
#define LEAST (8 * HUGE)                 /* of places: a small store should not be in pieces at once */
#define STEP ((size_t)16 << 20)          /* asked of the kernel at once: a signal costs no more than that again */

struct sk_shm {
    char *base;                          /* owners x stride for writing, then as much for reading */
    size_t view_delta, stride, capacity, page;
    unsigned owners;
    int *files;                          /* -1: no arena yet */
    sk_blocks *blocks;
    uint64_t peak;
};

static size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

static void name_of(unsigned owner, char *out, size_t room)
{
    if (owner)
        snprintf(out, room, "cannot make shared memory for the objects of worker %u", owner);
    else
        snprintf(out, room, "cannot make shared memory for the objects of the driver");
}

/* ---- the windows ---- */

sk_shm *sk_shm_new(size_t capacity, unsigned owners, sk_error *err)
{
    assert(owners > 0);
    size_t page = sk_shm_page(), least = 0, stride = 0, whole = 0;
    char *base = NULL;
    errno = ENOMEM;
    if (capacity <= SIZE_MAX / 4) {
        capacity = round_up(capacity ? capacity : 1, page);
        least = round_up(capacity, HUGE);
        /* Twice the capacity, so that room is hardly ever in pieces; where addresses are scarce, as much less as still holds it. */
        stride = 2 * least > LEAST ? 2 * least : LEAST;
        do
            base = __builtin_mul_overflow(stride, 2 * (size_t)owners, &whole) ? NULL : sk_shm_reserve(whole);
        while (!base && (stride = stride / 2 / HUGE * HUGE) >= least);
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
    s->files = g_new(int, owners);
    for (unsigned i = 0; i < owners; i++)
        s->files[i] = -1;
    s->blocks = sk_blocks_new(owners);
    return s;
}

void sk_shm_free(sk_shm *s)
{
    if (!s)
        return;
    munmap(s->base, 2 * s->view_delta);
    for (unsigned i = 0; i < s->owners; i++)
        if (s->files[i] >= 0)
            close(s->files[i]);
    sk_blocks_free(s->blocks);
    g_free(s->files);
    g_free(s);
}

size_t sk_shm_stride(const sk_shm *s) { return s->stride; }

/* ---- arenas ---- */

/* Away from 0, 1 and 2, which a program may have closed: its printf must not land in the store. */
static int lifted(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, 3), why = errno;
    close(fd);
    errno = why;
    return higher;
}

/* A file beyond the limit would be a SIGXFSZ, which ends the program: so the limit is asked first. */
static bool set_length(int fd, size_t length)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_FSIZE, &r) == 0 && r.rlim_cur != RLIM_INFINITY && r.rlim_cur < length) {
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

bool sk_shm_add(sk_shm *s, unsigned owner, sk_error *err)
{
    assert(owner < s->owners);
    if (s->files[owner] >= 0)
        return true;
    const char *call = "memfd_create";
    int fd = lifted(memfd_create("skate", MFD_CLOEXEC | MFD_ALLOW_SEALING));
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
    sk_blocks_add(s->blocks, owner, (uint64_t)owner * s->stride, s->stride);
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
    int fd = writable ? fcntl(s->files[owner], F_DUPFD_CLOEXEC, 3) : lifted(open(path, O_RDONLY | O_CLOEXEC));
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
    off_t at = (off_t)(offset - (uint64_t)owner * s->stride);
    while (fallocate(s->files[owner], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)size) < 0 && errno == EINTR)
        ;
}

static bool get_pages(sk_shm *s, const sk_block *k)
{
    off_t at = (off_t)(k->offset - (uint64_t)k->owner * s->stride);
    for (size_t done = 0, step; done < k->size; done += step) {
        step = k->size - done < STEP ? k->size - done : STEP;
        while (fallocate(s->files[k->owner], FALLOC_FL_KEEP_SIZE, at + (off_t)done, (off_t)step) < 0)
            if (errno != EINTR) {
                if (done)
                    drop_pages(s, k->owner, k->offset, done);
                return false;
            }
    }
    return true;
}

/* Gives back `bytes` of what was freed first, or all there is. */
static void cool(sk_shm *s, uint64_t bytes)
{
    sk_block *k;
    while (bytes && (k = sk_blocks_oldest(s->blocks))) {
        size_t part = k->size < bytes ? k->size : (size_t)bytes;
        drop_pages(s, k->owner, k->offset + (k->size - part), part);
        sk_blocks_cool(s->blocks, k, part);
        bytes -= part;
    }
}

static sk_block *cold(sk_shm *s, unsigned owner, size_t size)
{
    sk_block *k = sk_blocks_take_cold(s->blocks, owner, size);
    if (!k)
        return NULL;
    if (!get_pages(s, k)) {
        cool(s, UINT64_MAX);                 /* there is no memory: what is kept warm is in the way */
        if (!get_pages(s, k)) {
            sk_blocks_ungive(s->blocks, k);
            return NULL;
        }
    }
    if (owner == 0)                          /* the node itself is about to write it */
        sk_shm_prefault(s->base + k->offset, size);
    return k;
}

void *sk_shm_alloc(sk_shm *s, unsigned owner, size_t size)
{
    sk_blocks *b = s->blocks;
    if (!sk_shm_has(s, owner) || size > s->capacity)
        return NULL;
    size = round_up(size ? size : 1, s->page);
    if (size > s->capacity - b->live_bytes)
        return NULL;
    sk_block *k = sk_blocks_take_warm(b, owner, size, false);
    if (!k && b->live_bytes + b->warm_bytes + size <= s->capacity)
        k = cold(s, owner, size);
    if (!k)
        k = sk_blocks_take_warm(b, owner, size, true);
    if (!k) {
        uint64_t sum = b->live_bytes + b->warm_bytes + size;
        cool(s, sum > s->capacity ? sum - s->capacity : 0);
        k = cold(s, owner, size);
    }
    if (!k) {                                /* perhaps only because warm and cold room lie side by side */
        cool(s, UINT64_MAX);
        k = cold(s, owner, size);
    }
    if (!k)
        return NULL;
    if (b->live_bytes > s->peak)
        s->peak = b->live_bytes;
    return s->base + k->offset;
}

void sk_shm_release(sk_shm *s, void *block)
{
    sk_block *k = sk_blocks_at(s->blocks, sk_shm_offset(s, block));
    assert(k);
    sk_blocks_give(s->blocks, k);
}

/* ---- places ---- */

size_t sk_shm_block(const sk_shm *s, uint64_t offset, unsigned *owner)
{
    const sk_block *k = sk_blocks_at(s->blocks, offset);
    if (k && owner)
        *owner = k->owner;
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

uint64_t sk_shm_live(const sk_shm *s) { return s->blocks->live_bytes; }
uint64_t sk_shm_warm(const sk_shm *s) { return s->blocks->warm_bytes; }
uint64_t sk_shm_peak(const sk_shm *s) { return s->peak; }
