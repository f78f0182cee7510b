/* shm_spill.c -- see shm_spill.h. */
#include "shm_spill.h"

#include "shm.h"
#include "shm_blocks.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_ROOM ((size_t)1 << 62)      /* as if files had no end: who says where it is, is the file system */

struct sk_spill {
    char *directory;
    int fd;                              /* -1: not made yet */
    bool off;
    uint64_t end;                        /* of what was written: so long is the file, at least */
    sk_blocks *room;                     /* what of the file is taken: live; what is not: cold */
};

static char *default_directory(void)
{
    const char *given = getenv("TMPDIR");
    struct stat st;
    if (given && *given)
        return g_strdup(given);
    return g_strdup(stat("/var/tmp", &st) == 0 && S_ISDIR(st.st_mode) ? "/var/tmp" : "/tmp");
}

sk_spill *sk_spill_new(const char *directory)
{
    sk_spill *p = g_new0(sk_spill, 1);
    p->fd = -1;
    p->off = directory && !strcmp(directory, "none");
    p->directory = directory ? g_strdup(directory) : default_directory();
    p->room = sk_blocks_new(1);
    sk_blocks_add(p->room, 0, 0, FILE_ROOM);
    return p;
}

void sk_spill_free(sk_spill *p)
{
    if (!p)
        return;
    if (p->fd >= 0)
        close(p->fd);
    sk_blocks_free(p->room);
    g_free(p->directory);
    g_free(p);
}

bool sk_spill_is_on(const sk_spill *p)            { return !p->off; }
const char *sk_spill_directory(const sk_spill *p) { return p->directory; }
uint64_t sk_spill_bytes(const sk_spill *p)        { return p->room->live_bytes; }

/* ---- the file ---- */

static int make_file(const char *directory)
{
    int fd = sk_shm_lifted(open(directory, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
    if (fd >= 0)
        return fd;
    char *path = g_strdup_printf("%s/skate-spill-XXXXXX", directory);      /* file systems without O_TMPFILE: overlays, NFS */
    fd = mkostemp(path, O_CLOEXEC);
    int why = errno;
    if (fd >= 0) {
        unlink(path);
        fd = sk_shm_lifted(fd);
        why = errno;
    }
    g_free(path);
    errno = why;
    return fd;
}

/* A write beyond the limit would be a SIGXFSZ, which ends the program: so the limit is asked first. */
static bool is_within_limit(uint64_t end)
{
    struct rlimit r;
    return getrlimit(RLIMIT_FSIZE, &r) != 0 || r.rlim_cur == RLIM_INFINITY || end <= r.rlim_cur;
}

static bool write_all(int fd, const char *bytes, size_t size, uint64_t at)
{
    if (!is_within_limit(at + size)) {
        errno = EFBIG;
        return false;
    }
    while (size) {
        ssize_t n = pwrite(fd, bytes, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n ? errno : ENOSPC;
            return false;
        }
        bytes += n;
        size -= (size_t)n;
        at += (uint64_t)n;
    }
    return true;
}

/* Somebody may have cut it, who made room: then it is shorter than what was written. `size`: how long it is. */
static bool is_shorter(const sk_spill *p, uint64_t end, uint64_t *size)
{
    struct stat st;
    if (fstat(p->fd, &st) != 0)
        return false;
    *size = (uint64_t)st.st_size;
    return *size < end;
}

static void punch(int fd, uint64_t at, size_t size)      /* tries: a file system without holes keeps the room for the next */
{
    int before = errno;
    while (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)size) < 0 && errno == EINTR)
        ;
    errno = before;
}

/* ---- writing and reading ---- */

static void turn_off(sk_spill *p, const char *call)
{
    const char *what_to_do = errno == ENOSPC || errno == EDQUOT ? "make room there" : errno == EFBIG ? "raise the limit (ulimit -f)"
                             : errno == EMFILE || errno == ENFILE ? "allow more descriptors (ulimit -n)"
                             : errno == ENOENT || errno == ENOTDIR ? "make that directory" : "make it writable";
    fprintf(stderr, "skate: the object store is full and cannot spill to %s: %s: %s; objects stay in memory, and what does not fit there is "
            "SK_STORE_FULL: %s, or name another directory with --sk-spill-dir\n", p->directory, call, strerror(errno), what_to_do);
    p->off = true;
}

/* A write beyond its end would fill it with zeros up to there, and those would pass for what was spilled. */
static bool is_cut(sk_spill *p)
{
    uint64_t size;
    if (!is_shorter(p, p->end, &size))
        return false;
    fprintf(stderr, "skate: the file in %s that the object store spills to was cut: it has %llu bytes, and %llu were written; what was spilled behind "
            "that is lost. Nothing more is spilled: objects stay in memory, and what does not fit there is SK_STORE_FULL. Run it again with a "
            "directory where nobody cuts files (--sk-spill-dir)\n", p->directory, (unsigned long long)size, (unsigned long long)p->end);
    p->off = true;
    return true;
}

bool sk_spill_write(sk_spill *p, const void *bytes, size_t size, uint64_t *at)
{
    if (p->off)
        return false;
    if (p->fd < 0 && (p->fd = make_file(p->directory)) < 0) {
        turn_off(p, "open");
        return false;
    }
    if (is_cut(p))
        return false;
    sk_block *k = sk_blocks_take_cold(p->room, 0, size);
    if (!k)
        return false;
    if (!write_all(p->fd, bytes, size, k->offset)) {
        punch(p->fd, k->offset, size);
        sk_blocks_ungive(p->room, k);
        turn_off(p, "write");
        return false;
    }
    *at = k->offset;
    p->end = MAX(p->end, *at + size);
    return true;
}

bool sk_spill_has(const sk_spill *p, uint64_t at, size_t size)
{
    uint64_t there;
    return !is_shorter(p, at + size, &there);
}

bool sk_spill_read(sk_spill *p, uint64_t at, void *bytes, size_t size, sk_error *err)
{
    char *to = bytes;
    while (size) {
        ssize_t n = pread(p->fd, to, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return sk_error_set(err, SK_OBJECT_LOST, "the object was spilled to %s, and cannot be read back: read: %s", p->directory,
                                n ? strerror(errno) : "the file is shorter than it was");
        to += n;
        size -= (size_t)n;
        at += (uint64_t)n;
    }
    return true;
}

uint8_t *sk_spill_part_take(sk_spill_parts *p)
{
    uint8_t *part = p->used < SK_SPILL_PARTS ? g_try_malloc(SK_SPILL_PART) : NULL;
    errno = p->used < SK_SPILL_PARTS ? ENOMEM : EAGAIN;
    p->used += part != NULL;
    return part;
}

void sk_spill_part_give(sk_spill_parts *p, uint8_t *part)
{
    p->used -= part != NULL;
    g_free(part);
}

void sk_spill_forget(sk_spill *p, uint64_t at)
{
    sk_block *k = sk_blocks_at(p->room, at);
    assert(k);
    punch(p->fd, k->offset, k->size);
    sk_blocks_ungive(p->room, k);
}
