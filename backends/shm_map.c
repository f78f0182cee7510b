/* shm_map.c -- a worker's side of the store's memory, and what both sides need; see shm.h. */
#include "shm.h"

#include "aligned.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23           /* Linux 5.14 */
#endif

enum { HUGE = 2 << 20 };

/* ---- both sides ---- */

size_t sk_shm_page(void)
{
    static _Atomic size_t page;
    size_t known = atomic_load_explicit(&page, relaxed);
    if (!known)
        atomic_store_explicit(&page, known = (size_t)sysconf(_SC_PAGESIZE), relaxed);
    return known;
}

int sk_shm_lifted(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, 3), why = errno;
    close(fd);
    errno = why;
    return higher;
}

char *sk_shm_reserve(size_t size) { return sk_aligned_map(size, HUGE, PROT_NONE, MAP_NORESERVE); }

void sk_shm_prefault(void *p, size_t size)
{
    int kept = errno;
    madvise(p, size, MADV_POPULATE_WRITE);
    errno = kept;
}

static uint64_t limit_of(int resource)
{
    struct rlimit r;
    return getrlimit(resource, &r) == 0 ? (uint64_t)r.rlim_cur : 0;
}

bool sk_shm_error(sk_error *err, const char *what, const char *call, int why)
{
    char todo[120] = "";
    if (why == EMFILE)
        snprintf(todo, sizeof todo, "; the limit is %ju open files: raise it (ulimit -n)", (uintmax_t)limit_of(RLIMIT_NOFILE));
    else if (why == ENFILE)
        snprintf(todo, sizeof todo, "; the whole system has too many open files");
    else if (why == EFBIG)
        snprintf(todo, sizeof todo, "; the limit is %ju bytes a file: raise it (ulimit -f), or ask for less with --sk-store-bytes",
                 (uintmax_t)limit_of(RLIMIT_FSIZE));
    else if (why == ENOMEM && limit_of(RLIMIT_AS) != (uint64_t)RLIM_INFINITY)
        snprintf(todo, sizeof todo, "; the limit is %ju bytes of addresses: raise it (ulimit -v), or ask for less with --sk-store-bytes",
                 (uintmax_t)limit_of(RLIMIT_AS));
    else if (why == ENOMEM || why == ENOSPC)
        snprintf(todo, sizeof todo, "; free memory, or ask for less with --sk-store-bytes");
    else if (why == ENOSYS)
        snprintf(todo, sizeof todo, "; this needs Linux 3.17: use --backend threads");
    return sk_error_set(err, SK_LIMIT, "%s: %s: %s%s", what, call, strerror(why), todo);
}

/* ---- a worker ---- */

bool sk_shm_map_open(sk_shm_map *m, size_t stride, unsigned owners, sk_error *err)
{
    *m = (sk_shm_map){ .stride = stride, .owners = owners, .own = owners };
    size_t whole;
    if (__builtin_mul_overflow(stride, owners, &whole) || !(m->base = sk_shm_reserve(whole))) {
        char what[120];
        snprintf(what, sizeof what, "cannot reserve addresses for the object store (%u arenas of %zu bytes)", owners, stride);
        *m = (sk_shm_map){ 0 };
        return sk_shm_error(err, what, "mmap", ENOMEM);
    }
    m->has = calloc(owners, 1);
    if (m->has)
        return true;
    sk_shm_map_close(m);
    return sk_error_set(err, SK_LIMIT, "cannot map the object store: no memory for a list of %u arenas", owners);
}

void sk_shm_map_close(sk_shm_map *m)
{
    if (m->base)
        munmap(m->base, m->stride * m->owners);
    if (m->stage)
        munmap(m->stage, 2 * m->stride);
    free(m->has);
    free(m->hidden);
    *m = (sk_shm_map){ 0 };
}

bool sk_shm_map_add(sk_shm_map *m, unsigned owner, int fd, bool own, sk_error *err)
{
    char what[80];
    snprintf(what, sizeof what, "cannot map arena %u of the object store", owner);
    int mode = fcntl(fd, F_GETFL);
    bool good = true;
    if (mode < 0)
        good = sk_shm_error(err, what, "fcntl", errno);
    else if (owner >= m->owners || m->has[owner])
        good = sk_error_set(err, SK_PROTOCOL, "%s: %s", what, owner < m->owners ? "it is mapped already" : "there is no such arena");
    else if ((mode & O_ACCMODE) != (own ? O_RDWR : O_RDONLY))
        good = sk_error_set(err, SK_PROTOCOL, "%s: %s", what,
                            own ? "it is this worker's own, and its descriptor is read-only" : "it is not this worker's, and its descriptor is writable");
    else if (mmap(m->base + owner * m->stride, m->stride, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED)
        good = sk_shm_error(err, what, "mmap", errno);
    if (good && own) {
        m->stage = sk_shm_reserve(2 * m->stride);
        m->backstage = m->stage ? m->stage + m->stride : NULL;
        good = m->stage || sk_shm_error(err, what, "mmap", ENOMEM);
    }
    if (mode >= 0)
        close(fd);
    if (good) {
        m->has[owner] = 1;
        if (own)
            m->own = owner;
    }
    return good;
}

bool sk_shm_map_has(const sk_shm_map *m, unsigned owner) { return owner < m->owners && m->has[owner]; }

void *sk_shm_map_at(const sk_shm_map *m, uint64_t offset)
{
    return m->stride && offset / m->stride < m->owners && m->has[offset / m->stride] ? m->base + offset : NULL;
}

static bool is_on_stage(const sk_shm_map *m, const void *p)
{
    return m->stage && (uintptr_t)p - (uintptr_t)m->stage < (uintptr_t)m->stride;
}

bool sk_shm_map_contains(const sk_shm_map *m, const void *p)
{
    return (uintptr_t)p - (uintptr_t)m->base < (uintptr_t)m->stride * m->owners || is_on_stage(m, p);
}

uint64_t sk_shm_map_offset(const sk_shm_map *m, const void *p)
{
    if (is_on_stage(m, p))
        return (uint64_t)((uintptr_t)p - (uintptr_t)m->stage) + m->own * m->stride;
    return sk_shm_map_contains(m, p) ? (uint64_t)((uintptr_t)p - (uintptr_t)m->base) : SK_SHM_NOWHERE;
}

/* Where the block begins in its arena; false: it is not one of ours. */
static bool find_block(const sk_shm_map *m, const char *window, const void *p, size_t *size, size_t *at)
{
    *at = (uintptr_t)p - (uintptr_t)window;
    size_t page = m->large && *at >= m->large ? HUGE : sk_shm_page();
    if (m->own >= m->owners || *at % page || *at >= m->stride || *size > m->stride - *at) {
        errno = EINVAL;
        return false;
    }
    *size = (*size + page - 1) & ~(page - 1);
    return true;
}

/* Addresses that a mapping has left stay ours. */
static void reserve_again(char *p, size_t size)
{
    mmap(p, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/* Forgets what is mapped backstage there; true: it was exactly this block, and is still mapped. */
static bool take_hidden(sk_shm_map *m, size_t at, size_t size)
{
    for (size_t i = m->nhidden; i-- > 0; ) {
        sk_shm_hidden *h = &m->hidden[i];
        if (h->at >= at + size || at >= h->at + h->size)
            continue;
        bool same = h->at == at && h->size == size;
        if (!same)                                /* blocks have been cut anew since */
            reserve_again(m->backstage + h->at, h->size);
        *h = m->hidden[--m->nhidden];
        if (same)
            return true;
    }
    return false;
}

bool sk_shm_map_in_place(sk_shm_map *m)
{
    if (m->in_place)
        return true;
    if (!m->large || m->own >= m->owners) {
        errno = EINVAL;
        return false;
    }
    size_t size = m->stride - m->large;
    char *from = m->base + m->own * m->stride + m->large, *to = m->stage + m->large;
    if (mremap(from, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to || mprotect(to, size, PROT_NONE) != 0) {
        reserve_again(to, size);
        return false;
    }
    return m->in_place = true;
}

static bool is_in_place(const sk_shm_map *m, size_t at) { return m->in_place && at >= m->large; }

void *sk_shm_map_unlock(sk_shm_map *m, void *p, size_t size)
{
    size_t at;
    if (!find_block(m, m->base + m->own * m->stride, p, &size, &at))
        return NULL;
    char *to = m->stage + at, *from = m->backstage + at;
    if (is_in_place(m, at))
        return mprotect(to, size, PROT_READ | PROT_WRITE) == 0 ? to : NULL;
    if (take_hidden(m, at, size)) {
        if (mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to) {
            reserve_again(from, size);
            return to;
        }
        reserve_again(from, size);
    }
    /* The same pages once more. Not by a descriptor: a task may have closed it, and opened a file of its own by that number. */
    if (mremap((char *)p, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
        return NULL;
    if (mprotect(to, size, PROT_READ | PROT_WRITE) != 0) {
        reserve_again(to, size);
        return NULL;
    }
    sk_shm_prefault(to, size);
    return to;
}

bool sk_shm_map_lock(sk_shm_map *m, void *written, size_t size)
{
    size_t at;
    if (!find_block(m, m->stage, written, &size, &at))
        return false;
    if (is_in_place(m, at))
        return mprotect(written, size, PROT_NONE) == 0;
    if (m->nhidden == m->hidden_room) {
        size_t room = m->hidden_room ? 2 * m->hidden_room : 64;
        sk_shm_hidden *grown = realloc(m->hidden, room * sizeof *grown);
        if (!grown)
            return false;
        m->hidden = grown;
        m->hidden_room = room;
    }
    char *from = m->stage + at, *to = m->backstage + at;
    bool moved = mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;
    reserve_again(from, size);                    /* if it has not moved, it is gone now */
    if (moved)
        m->hidden[m->nhidden++] = (sk_shm_hidden){ at, size };
    return true;
}
