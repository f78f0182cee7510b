/* trace_read.c -- see trace_read.h. Opening a trace: everything in it is checked here, once, so
 * that cursors need not.
 *
 * Reading order: 1 what a record must look like; 2 chunks and tables; 3 lanes and the clock; 4
 * opening. */
#include "trace_read.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace_file.h"

_Static_assert(G_BYTE_ORDER == G_LITTLE_ENDIAN, "traces are little-endian and read in place");

/* ---- 1. What a record must look like -------------------------------------------------------- */

static const struct shape {
    uint8_t words, strings;
} shapes[] = {
    /* at least; the text follows the words */
    [SK_TRACE_INFO] = { 0, 2 },     [SK_TRACE_FUNCTION] = { 1, 3 },  [SK_TRACE_SITE] = { 1, 2 },
    [SK_TRACE_TASK_NEW] = { 3, 0 }, [SK_TRACE_TASK_ASKS] = { 2, 2 }, [SK_TRACE_TASK] = { 1, 0 },
    [SK_TRACE_OBJECT] = { 1, 0 },   [SK_TRACE_NODE] = { 1, 0 },      [SK_TRACE_WAIT] = { 4, 0 },
    [SK_TRACE_WAIT_END] = { 3, 0 }, [SK_TRACE_SAY] = { 1, 1 },       [SK_TRACE_NOTE] = { 0, 1 },
    [SK_TRACE_DROPPED] = { 1, 0 },  [SK_TRACE_END] = { 4, 0 },
    [SK_TRACE_TRANSFER] = { 4, 0 }, [SK_TRACE_WAIT_ON] = { 1, 0 }, [SK_TRACE_SPILL] = { 3, 0 },
};

/* NULL if the record can be read as its type says, else what is wrong with it. */
static const char *check_record(const sk_trace_record *r)
{
    if (!sk_trace_file_knows(r->type))
        return r->type ? NULL : "a record without a type";
    unsigned words = shapes[r->type].words, strings = shapes[r->type].strings, from = r->a >> 4,
             to = r->a & 15;
    if (r->type == SK_TRACE_TASK_NEW) {
        words += from + to;
    } else if (r->type == SK_TRACE_TASK) {
        if (from > SK_TASK_CANCELLED || to > SK_TASK_CANCELLED)
            return "a task state that does not exist";
        words += to == SK_TASK_RUNNING || to == SK_TASK_FAILED || to == SK_TASK_CANCELLED;
    } else if (r->type == SK_TRACE_OBJECT) {
        if (from > SK_OBJECT_FREED || to > SK_OBJECT_FREED)
            return "an object state that does not exist";
        words += (to == SK_OBJECT_READY ? 2 : 0) + (from == SK_OBJECT_NONE ? 2 : 0);
    } else if (r->type == SK_TRACE_SPILL && r->a > 1) {
        return "a way of spilling that does not exist";
    } else if (r->type == SK_TRACE_NODE && (from > SK_NODE_DEAD || to > SK_NODE_DEAD)) {
        return "a node state that does not exist";
    }
    if (r->n < words)
        return "a record that is too short for its type";
    const char *p = (const char *)(r + 1) + 8 * words, *end = (const char *)(r + 1) + 8 * r->n;
    for (; strings; strings--) {
        p = p < end ? memchr(p, '\0', (size_t)(end - p)) : NULL;
        if (!p)
            return "a text without an end";
        p++;
    }
    return NULL;
}

const char *sk_trace_read_text(const sk_event *e, unsigned k)
{
    if (!sk_trace_file_knows(e->type) || k >= shapes[e->type].strings)
        return "";
    const char *p = (const char *)(e->word + shapes[e->type].words);
    while (k--)
        p += strlen(p) + 1;
    return p;
}

/* ---- 2. Chunks and tables ------------------------------------------------------------------- */

static void damaged(sk_reader *log, uint64_t at, const char *what)
{
    log->info.damaged_at = at;
    log->info.damage = what;
}

static void collect_table(sk_reader *log, const sk_event *e)
{
    uint32_t number = e->n ? sk_trace_hi(e->word[0]) : 0;
    int line = e->n ? (int)sk_trace_lo(e->word[0]) : 0;
    if (e->type == SK_TRACE_FUNCTION) {
        sk_read_fn *fn = g_new(sk_read_fn, 1);
        *fn = (sk_read_fn){ number, line, sk_trace_read_text(e, 0), sk_trace_read_text(e, 1),
                            sk_trace_read_text(e, 2) };
        g_hash_table_replace(log->fns, GUINT_TO_POINTER(number), fn);
    } else if (e->type == SK_TRACE_SITE) {
        sk_read_site *site = g_new(sk_read_site, 1);
        *site = (sk_read_site){ number, line, sk_trace_read_text(e, 0), sk_trace_read_text(e, 1) };
        g_hash_table_replace(log->sites, GUINT_TO_POINTER(number), site);
    } else if (e->type == SK_TRACE_INFO) {
        g_hash_table_replace(log->values, (char *)sk_trace_read_text(e, 0),
                             (char *)sk_trace_read_text(e, 1));
    } else if (e->type == SK_TRACE_DROPPED) {
        log->info.dropped += e->word[0];
    } else if (e->type == SK_TRACE_END) {
        sk_read_info *info = &log->info;
        info->has_end = true;
        info->end_records = e->word[0];
        info->end_dropped = e->word[1];
        info->end_tasks = e->word[2];
        info->end_objects = e->word[3];
    }
}

/* Walks over the records in [at, end); returns where the last whole one ends. Shorter than `end`:
 * cut, or damaged. */
static uint64_t scan_records(sk_reader *log, uint64_t at, uint64_t end, bool *ended)
{
    *ended = false;
    while (end - at >= sizeof(sk_trace_record)) {
        const sk_trace_record *r = (const sk_trace_record *)(log->data + at);
        uint64_t bytes = sizeof *r + 8ull * r->n;
        if (bytes > end - at)
            break;
        const char *wrong = check_record(r);
        if (wrong) {
            damaged(log, at, wrong);
            break;
        }
        sk_event e = { .type = r->type, .a = r->a, .n = r->n, .word = (const uint64_t *)(r + 1) };
        collect_table(log, &e);
        *ended |= r->type == SK_TRACE_END;
        log->info.records++;
        log->info.of_type[sk_trace_file_knows(r->type) ? r->type : 0]++;
        at += bytes;
    }
    return at;
}

/* The lane of this number; a new one if there is none. */
static sk_file_lane *lane_of(sk_reader *log, uint32_t number)
{
    gpointer at = g_hash_table_lookup(log->lane_index, GUINT_TO_POINTER(number));
    if (!at) {
        sk_file_lane lane = { number, g_array_new(FALSE, FALSE, sizeof(sk_file_chunk)) };
        g_array_append_val(log->lanes, lane);
        at = GUINT_TO_POINTER(log->lanes->len); /* its place + 1: 0 is "none" */
        g_hash_table_insert(log->lane_index, GUINT_TO_POINTER(number), at);
    }
    return sk_file_lane_at(log, GPOINTER_TO_UINT(at) - 1);
}

/* Those that are there since the last time. Of a log that grows, what is cut is not all there yet. */
static void scan_chunks(sk_reader *log)
{
    uint64_t at = log->scanned;
    bool ended = log->info.has_end;
    log->info.truncated = false;
    while (at < log->size && !log->info.damage && !log->info.truncated) {
        sk_trace_chunk head;
        if (log->size - at < sizeof head) {
            log->info.truncated = true;
            break;
        }
        memcpy(&head, log->data + at, sizeof head);
        if (head.magic != SK_CHUNK_MAGIC) {
            damaged(log, at, "no chunk starts here");
            break;
        }
        if (head.bytes % 8) {
            damaged(log, at, "a chunk whose length is not a multiple of 8");
            break;
        }
        bool cut = head.bytes > log->size - at - sizeof head;
        if (cut && log->fd >= 0) {
            log->info.truncated = true;
            break;
        }
        at += sizeof head;
        uint64_t end = cut ? log->size - (log->size - at) % 8 : at + head.bytes;
        uint64_t stop = scan_records(log, at, end, &ended);
        if (stop < end && !log->info.damage && !cut)
            damaged(log, stop, "a record that is longer than its chunk");
        log->info.truncated = cut;
        sk_file_chunk c = { at, head.tick, head.ns, head.lane, head.number, (uint32_t)(stop - at) };
        g_array_append_val(lane_of(log, head.lane)->chunks, c);
        log->info.chunks++;
        at = end;
    }
    log->scanned = at;
    log->info.truncated |= !ended && !log->info.damage;
    log->info.whole = ended && !log->info.truncated && !log->info.damage;
    if (log->info.end_dropped > log->info.dropped)
        log->info.dropped = log->info.end_dropped;
    log->info.lanes = log->lanes->len;
}

/* ---- 3. Lanes and the clock ----------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    const sk_file_chunk *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->offset < y->offset ? -1 : 1;
}

static int by_lane(const void *a, const void *b)
{
    const sk_file_lane *x = a, *y = b;
    return x->lane < y->lane ? -1 : x->lane > y->lane;
}

static void sort_lanes(sk_reader *log)
{
    g_array_sort(log->lanes, by_lane);
    for (uint32_t l = 0; l < log->lanes->len; l++) {
        GArray *chunks = sk_file_lane_at(log, l)->chunks;
        g_array_sort(chunks, by_number);
        sk_file_chunk *c = (sk_file_chunk *)chunks->data;
        for (uint32_t i = 0; i < chunks->len; i++) {
            if (i && c[i].number == c[i - 1].number) {
                c[i].bytes = 0; /* the first one counts */
                log->info.whole = false;
                if (!log->info.damage)
                    damaged(log, c[i].offset, "a chunk that is there twice");
            }
            uint32_t expected = i ? c[i - 1].number + 1 : 0;
            log->info.missing_chunks += c[i].number > expected ? c[i].number - expected : 0;
        }
    }
}

/* Ticks become nanoseconds along the line through the first and the last chunk's pair. */
static void set_clock(sk_reader *log)
{
    const sk_file_chunk *first = NULL, *last = NULL;
    for (uint32_t l = 0; l < log->lanes->len; l++)
        for (uint32_t i = 0; i < sk_file_lane_at(log, l)->chunks->len; i++) {
            const sk_file_chunk *c = sk_file_chunk_at(log, l, i);
            if (!first || c->tick < first->tick)
                first = c;
            if (!last || c->tick > last->tick)
                last = c;
        }
    const uint64_t one = 1ull << 48;
    log->scale = one;
    if (!first)
        return;
    log->base_tick = first->tick;
    log->base_ns = (int64_t)MIN(first->ns, (uint64_t)INT64_MAX / 2);
    if (last->tick == first->tick || log->clock == 1)
        return;
    unsigned __int128 scale =
        last->ns < first->ns
            ? 0
            : ((unsigned __int128)(last->ns - first->ns) << 48) / (last->tick - first->tick);
    if (scale == 0 || scale >> 63) {
        if (!log->info.damage)
            damaged(log, first->offset, "clocks that contradict each other");
        log->info.whole = false;
    } else {
        log->scale = (uint64_t)scale;
    }
}

/* ---- 4. Opening ----------------------------------------------------------------------------- */

static G_GNUC_PRINTF(2, 3) bool fail(sk_error *err, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->code = SK_PROTOCOL;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return false;
}

static bool check_header(sk_reader *log, const char *name, sk_error *err)
{
    sk_trace_header head = { 0 };
    size_t n = MIN(log->size, sizeof head);
    if (n)
        memcpy(&head, log->data, n);
    if (!n)
        return fail(err,
                    "%s: not a Skate trace (found an empty file); was the program killed before it "
                    "wrote one?",
                    name);
    if (memcmp(head.magic, SK_TRACE_MAGIC, MIN(n, sizeof head.magic))) {
        char found[4 * sizeof head.magic + 1] = "";
        for (size_t i = 0; i < MIN(n, sizeof head.magic); i++) {
            unsigned char b = (unsigned char)head.magic[i];
            sprintf(found + strlen(found), g_ascii_isprint(b) && b != '"' ? "%c" : "\\x%02x", b);
        }
        return fail(
            err,
            "%s: not a Skate trace (found \"%s\" at its start); make one with --sk-trace=FILE or "
            "`skate run --trace FILE PROGRAM`",
            name, found);
    }
    if (n < sizeof head)
        return fail(err, "%s: not a Skate trace (found %zu bytes, its header alone has %zu)", name,
                    n, sizeof head);
    if (head.version != SK_TRACE_VERSION)
        return fail(err,
                    "%s: a Skate trace of version %u, but this skate reads version %d; record it "
                    "again, or use the skate "
                    "that made it",
                    name, head.version, SK_TRACE_VERSION);
    if (head.clock > 1)
        return fail(err, "%s: not a Skate trace (found clock %u, there are 0 and 1)", name,
                    head.clock);
    log->clock = head.clock;
    return true;
}

static sk_reader *open_data(sk_reader *log, const char *name, sk_error *err)
{
    log->lanes = g_array_new(FALSE, FALSE, sizeof(sk_file_lane));
    log->lane_index = g_hash_table_new(NULL, NULL);
    log->fns = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    log->sites = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    log->values = g_hash_table_new(g_str_hash, g_str_equal);
    log->info.bytes = log->size;
    if (!check_header(log, name, err)) {
        sk_trace_read_close(log);
        return NULL;
    }
    log->scanned = sizeof(sk_trace_header);
    scan_chunks(log);
    if (log->fd < 0) {
        sort_lanes(log);
        set_clock(log);
    }
    return log;
}

sk_reader *sk_trace_read_memory(const char *name, const void *data, size_t size, sk_error *err)
{
    sk_reader *log = g_new0(sk_reader, 1);
    log->data = data;
    log->size = size;
    log->fd = -1;
    return open_data(log, name, err);
}

sk_reader *sk_trace_read_open(const char *path, sk_error *err)
{
    if (g_file_test(path, G_FILE_TEST_EXISTS) && !g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        fail(err, "%s: not a Skate trace (found a folder, a device or a pipe)", path);
        return NULL;
    }
    g_autoptr(GError) why = NULL;
    GMappedFile *map = g_mapped_file_new(path, FALSE, &why);
    if (!map) {
        bool none = g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        fail(err, "%s: cannot read it: %s", path, none ? g_strerror(ENOENT) : why->message);
        return NULL;
    }
    sk_reader *log = g_new0(sk_reader, 1);
    log->map = map;
    log->fd = -1;
    log->data = g_mapped_file_get_contents(map);
    log->size = g_mapped_file_get_length(map);
    return open_data(log, path, err);
}

/* The mapping is larger than the file will ever be: addresses stay, and what is beyond its end is not touched. */
sk_reader *sk_trace_follow_open(int fd, const char *name, uint64_t scale, sk_error *err)
{
    struct stat st;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    void *data = MAP_FAILED;
    if (own >= 0 && fstat(own, &st) == 0)
        data = S_ISREG(st.st_mode) ? mmap(NULL, SK_LARGEST_LOG, PROT_READ, MAP_SHARED | MAP_NORESERVE, own, 0) : (errno = EINVAL, MAP_FAILED);
    if (data == MAP_FAILED) {
        fail(err, "%s: cannot follow it: %s", name, g_strerror(errno));
        if (own >= 0)
            close(own);
        return NULL;
    }
    sk_reader *log = g_new0(sk_reader, 1);
    log->data = data;
    log->size = MIN((size_t)st.st_size, SK_LARGEST_LOG);
    log->fd = own;
    log->scale = scale;
    return open_data(log, name, err);
}

bool sk_trace_follow_more(sk_reader *log)
{
    struct stat st;
    uint64_t before = log->scanned;
    if (fstat(log->fd, &st) != 0 || (size_t)st.st_size <= log->size)
        return false;
    log->info.bytes = log->size = MIN((size_t)st.st_size, SK_LARGEST_LOG);
    scan_chunks(log);
    return log->scanned > before;
}

void sk_trace_read_close(sk_reader *log)
{
    if (!log)
        return;
    for (uint32_t i = 0; i < log->lanes->len; i++)
        g_array_unref(sk_file_lane_at(log, i)->chunks);
    g_array_unref(log->lanes);
    g_hash_table_unref(log->lane_index);
    g_hash_table_unref(log->fns);
    g_hash_table_unref(log->sites);
    g_hash_table_unref(log->values);
    if (log->map)
        g_mapped_file_unref(log->map);
    if (log->fd >= 0) {
        munmap((void *)log->data, SK_LARGEST_LOG);
        close(log->fd);
    }
    g_free(log);
}

const sk_read_info *sk_trace_read_info(const sk_reader *log) { return &log->info; }

const char *sk_trace_read_value(const sk_reader *log, const char *key)
{
    return g_hash_table_lookup(log->values, key);
}

const sk_read_fn *sk_trace_read_fn(const sk_reader *log, uint32_t number)
{
    return g_hash_table_lookup(log->fns, GUINT_TO_POINTER(number));
}

const sk_read_site *sk_trace_read_site(const sk_reader *log, uint32_t number)
{
    return g_hash_table_lookup(log->sites, GUINT_TO_POINTER(number));
}
