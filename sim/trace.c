/* trace.c -- see trace.h. */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

_Atomic bool sk_trace_is_on;
bool sk_trace_counter, sk_trace_own_clock;

static int fd = -1;
static const char *file_path;
static int write_error;                     /* errno of the first write that failed; under the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint32_t lanes, sites;
uint32_t sk_trace_first_site;              /* sites named before belong to an earlier file */
static uint64_t records_in_all;             /* in the file; under the lock */
static bool is_stopped;                     /* nothing but what sk_trace_stop's caller has goes to the file; under the lock */
static _Atomic uint64_t dropped_in_all;

/* Does the processor's counter run at one speed, through sleep and on all cores? */
static bool counter_is_steady(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
#else
    return false;
#endif
}

static bool write_all(const void *data, size_t size)
{
    for (const char *p = data; size; ) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (!write_error)
                write_error = n < 0 ? errno : EIO;
            return false;
        }
        p += n;
        size -= (size_t)n;
    }
    return true;
}

/* Both, by one call if the file takes all: who dies meanwhile leaves no head without its records. */
static bool write_parts(struct iovec parts[2])
{
    ssize_t n = writev(fd, parts, 2);
    size_t done = n > 0 ? (size_t)n : 0, first = done < parts[0].iov_len ? done : parts[0].iov_len;
    return write_all((char *)parts[0].iov_base + first, parts[0].iov_len - first)
           && write_all((char *)parts[1].iov_base + (done - first), parts[1].iov_len - (done - first));
}

bool sk_trace_open(const char *path, sk_error *err)
{
    /* A file of its own: who still reads the log of an earlier run has it mapped, and would die of its getting shorter. What is no plain file
     * (/dev/stdout), or may not go, is written to as it is. */
    struct stat old;
    bool fresh = lstat(path, &old) == 0 && S_ISREG(old.st_mode) && unlink(path) == 0;
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (fresh ? O_EXCL : O_TRUNC), fresh ? old.st_mode & 0777 : 0644);
    sk_trace_header header = { SK_TRACE_MAGIC, SK_TRACE_VERSION, 0 };
    sk_trace_counter = counter_is_steady() && !sk_trace_own_clock && !getenv("SKATE_TRACE_CLOCK_NS");
    header.clock = !sk_trace_counter;
    file_path = path;
    write_error = 0;
    records_in_all = 0;
    is_stopped = false;
    atomic_store(&dropped_in_all, 0);
    atomic_store(&lanes, 0);
    sk_trace_first_site = atomic_load(&sites);
    if (fd < 0 || !write_all(&header, sizeof header)) {
        if (err) {
            err->code = SK_MISUSE;
            snprintf(err->message, sizeof err->message, "cannot write the trace %s: %s", path,
                     strerror(fd < 0 ? errno : write_error));
        }
        if (fd >= 0)
            close(fd);
        fd = -1;
        return false;
    }
    atomic_store(&sk_trace_is_on, true);
    return true;
}

/* Records in these bytes. */
static uint64_t count(const char *from, const char *to)
{
    uint64_t n = 0;
    for (; from < to; from += 8 + 8 * ((const sk_trace_record *)from)->n)
        n++;
    return n;
}

/* What the file lacks of the buffer, up to here, as a chunk. With the lock. */
static bool send(sk_trace_lane *t, char *to)
{
    sk_trace_chunk head = *(sk_trace_chunk *)t->buffer;
    char *from = t->sent;
    head.bytes = (uint32_t)(to - from);
    head.number = t->number++;
    struct iovec parts[2] = { { &head, sizeof head }, { from, head.bytes } };
    t->sent = to;                                 /* before: a crash meanwhile may lose them, but does not write them twice */
    return write_parts(parts);
}

void sk_trace_flush(sk_trace_lane *t)
{
    if (!t->buffer || !t->at)
        return;
    pthread_mutex_lock(&lock);
    if (t->at > t->sent) {
        if (is_stopped || write_error || !send(t, t->at))
            t->dropped += t->records - t->counted;
        else
            records_in_all += t->records - t->counted;
        t->counted = t->records;
    }
    t->at = t->end = NULL;                        /* under the lock: sk_trace_keep would write it a second time */
    atomic_store_explicit(&t->written, NULL, relaxed);
    pthread_mutex_unlock(&lock);
}

void sk_trace_publish(sk_trace_lane *t)
{
    pthread_mutex_lock(&lock);
    char *to = atomic_load_explicit(&t->written, acquire);
    if (to && to > t->sent && !is_stopped && sk_trace_on) {        /* off: the program dies, and writes them itself */
        uint64_t n = count(t->sent, to);
        if (write_error || !send(t, to))
            t->dropped += n;
        else
            records_in_all += n;
        t->counted += n;
    }
    pthread_mutex_unlock(&lock);
}

SK_NO_TSAN void sk_trace_flush_dying(sk_trace_lane *t)
{
    char *at = t->at, *from = t->sent;
    if (!t->buffer || at <= from)
        return;
    sk_trace_chunk head = *(sk_trace_chunk *)t->buffer;
    head.bytes = (uint32_t)(at - from);
    head.number = t->number;
    struct iovec parts[2] = { { &head, sizeof head }, { from, head.bytes } };
    t->at = t->end = NULL;
    syscall(SYS_writev, fd, parts, 2);            /* not through libc: no locks, and no sanitizer that looks at the bytes */
}

/* The buffer is full, or its clock would overflow: writes it out and starts the next chunk. */
void sk_trace_room_slow(sk_trace_lane *t, uint64_t tick)
{
    uint64_t ns = sk_trace_counter ? sk_trace_now() : tick;    /* before the disk is written: the same instant as the tick */
    sk_trace_flush(t);
    if (!t->buffer) {
        t->buffer = malloc(SK_TRACE_BUFFER);
        if (!t->buffer)
            abort();
        t->lane = atomic_fetch_add(&lanes, 1);
    }
    sk_trace_chunk *chunk = (sk_trace_chunk *)t->buffer;
    *chunk = (sk_trace_chunk){ SK_CHUNK_MAGIC, t->lane, 0, 0, tick, ns };     /* send fills in the rest, of each part */
    t->tick = tick;
    t->at = t->sent = t->buffer + sizeof *chunk;
    t->end = t->buffer + SK_TRACE_BUFFER;
}

void sk_trace_text(sk_trace_lane *t, sk_trace_type type, unsigned a, const uint64_t *words, unsigned n,
                   const char *const *strings, unsigned nstrings)
{
    size_t bytes = 0, size[4];
    for (unsigned i = 0; i < nstrings; i++) {
        size[i] = strings[i] ? strlen(strings[i]) : 0;
        if (size[i] > 4000)
            size[i] = 4000;
        bytes += size[i] + 1;
    }
    unsigned text = (unsigned)((bytes + 7) / 8);
    uint64_t *w = sk_trace_record_at(t, sk_trace_tick(), type, a, n + text);
    if (n)
        memcpy(w, words, n * sizeof *w);
    if (text)
        w[n + text - 1] = 0;
    char *p = (char *)(w + n);
    for (unsigned i = 0; i < nstrings; i++) {
        if (size[i])
            memcpy(p, strings[i], size[i]);
        p[size[i]] = '\0';
        p += size[i] + 1;
    }
    sk_trace_done(t);
}

uint32_t sk_trace_site_slow(sk_trace_lane *t, sk_site *site)
{
    uint32_t mine = atomic_fetch_add(&sites, 1) + 1, none = __atomic_load_n(&site->index, __ATOMIC_RELAXED);
    if (none > sk_trace_first_site)
        return none;
    if (!__atomic_compare_exchange_n(&site->index, &none, mine, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return none;               /* another thread named it meanwhile */
    uint64_t word = (uint64_t)mine << 32 | (uint32_t)site->line;
    sk_trace_text(t, SK_TRACE_SITE, 0, &word, 1, (const char *[]){ site->file, site->func }, 2);
    return mine;
}

void sk_trace_free(sk_trace_lane *t)
{
    sk_trace_flush(t);
    pthread_mutex_lock(&lock);
    bool must_tell = t->dropped && sk_trace_on && !is_stopped && !write_error;
    pthread_mutex_unlock(&lock);
    if (must_tell) {
        *sk_trace_record_at(t, sk_trace_tick(), SK_TRACE_DROPPED, 0, 1) = t->dropped;
        sk_trace_done(t);
        sk_trace_flush(t);
    }
    atomic_fetch_add(&dropped_in_all, t->dropped);
    pthread_mutex_lock(&lock);                    /* not while sk_trace_keep reads it */
    free(t->buffer);
    *t = (sk_trace_lane){ 0 };
    pthread_mutex_unlock(&lock);
}

/* The last records of a whole file. */
static void write_end(sk_trace_lane *last, uint64_t tasks, uint64_t objects)
{
    uint64_t *w = sk_trace_record_at(last, sk_trace_tick(), SK_TRACE_END, 0, 4);
    w[0] = records_in_all + last->records;        /* END too */
    w[1] = atomic_load(&dropped_in_all);
    w[2] = tasks;
    w[3] = objects;
    sk_trace_done(last);
}

static bool close_file(sk_error *err)
{
    int failed = write_error;
    if (close(fd) < 0 && !failed)
        failed = errno;
    fd = -1;
    if (failed && err) {
        err->code = SK_MISUSE;
        snprintf(err->message, sizeof err->message, "the trace %s is not complete: %s", file_path, strerror(failed));
    }
    return !failed;
}

bool sk_trace_close(uint64_t tasks, uint64_t objects, sk_error *err)
{
    sk_trace_lane last = { 0 };
    write_end(&last, tasks, objects);
    sk_trace_flush(&last);
    free(last.buffer);
    atomic_store(&sk_trace_is_on, false);
    return close_file(err);
}

/* ---- a program that ends by an error ---- */

bool sk_trace_stop(void)
{
    if (!atomic_exchange(&sk_trace_is_on, false))
        return false;
    pthread_mutex_lock(&lock);
    is_stopped = true;
    return true;
}

/* Not through libc: a sanitizer would look at the bytes, which another thread wrote without telling anybody. */
static void write_quietly(struct iovec *parts, int n)
{
    for (int i = 0; i < n && !write_error; i++)
        for (char *p = parts[i].iov_base; parts[i].iov_len > 0; ) {
            long done = syscall(SYS_write, fd, p, parts[i].iov_len);
            if (done < 0 && errno == EINTR)
                continue;
            if (done <= 0) {
                write_error = done < 0 ? errno : EIO;
                break;
            }
            p += done;
            parts[i].iov_len -= (size_t)done;
        }
}

SK_NO_TSAN void sk_trace_keep(sk_trace_lane *t, bool is_mine)
{
    char *buffer = __atomic_load_n(&t->buffer, __ATOMIC_ACQUIRE), *at = __atomic_load_n(&t->at, __ATOMIC_ACQUIRE);
    sk_trace_chunk head;
    if (t->is_kept || !buffer || at <= buffer + sizeof head || at > buffer + SK_TRACE_BUFFER)
        return;
    t->is_kept = true;                            /* lanes may share one */
    uint64_t n = 0;
    char *from = t->sent, *end = from;
    if (from < buffer + sizeof head || from > at)
        return;
    while (end < at) {
        char *next = end + 8 + 8 * ((sk_trace_record *)end)->n;
        if (next > at || (next == at && !is_mine))
            break;
        end = next;
        n++;
    }
    if (n == 0)
        return;
    head = *(sk_trace_chunk *)buffer;
    head.bytes = (uint32_t)(end - from);
    head.number = t->number++;
    struct iovec parts[2] = { { &head, sizeof head }, { from, head.bytes } };
    write_quietly(parts, 2);
    records_in_all += n;
}

bool sk_trace_finish(const char *why, uint64_t tasks, uint64_t objects, sk_error *err)
{
    sk_trace_lane last = { 0 };
    sk_trace_text(&last, SK_TRACE_INFO, 0, NULL, 0, (const char *[]){ "error", why }, 2);
    write_end(&last, tasks, objects);
    sk_trace_chunk *chunk = (sk_trace_chunk *)last.buffer;
    chunk->bytes = (uint32_t)(last.at - last.sent);
    if (!write_error)
        write_all(chunk, sizeof *chunk + chunk->bytes);
    free(last.buffer);
    bool good = close_file(err);
    pthread_mutex_unlock(&lock);
    return good;
}
