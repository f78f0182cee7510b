/* trace_forge.h -- makes traces for tests: a writer of its own, so that reader and library cannot
 * agree on a mistake.
 *
 *     forge f = forge_new(1);        clock 1: ticks are nanoseconds; 0: three a nanosecond
 *     forge_fn(&f, 1, "add"); ...                   FUNCTION 1, and SITE 1 at forge.c:1
 *     forge_task(&f, lane, ns, task, fn, parent, returns, deps, objects...)
 *     forge_move(&f, lane, ns, task, from, to, word) ...
 *     GByteArray *file = forge_end(&f, true);       with END; the caller's
 */
#ifndef SK_TRACE_FORGE_H
#define SK_TRACE_FORGE_H

#include <glib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "trace_format.h"

enum { FORGE_LANES = 16 };

typedef struct forge {
    uint32_t clock;
    GByteArray *file, *chunk[FORGE_LANES];
    uint64_t tick[FORGE_LANES], ns[FORGE_LANES];
    uint32_t number[FORGE_LANES];
    uint64_t records, tasks, objects, dropped;
} forge;

static inline forge forge_new(uint32_t clock)
{
    forge f = { .clock = clock, .file = g_byte_array_new() };
    sk_trace_header head = { SK_TRACE_MAGIC, SK_TRACE_VERSION, clock };
    g_byte_array_append(f.file, (const guint8 *)&head, sizeof head);
    return f;
}

static inline void forge_flush(forge *f, unsigned lane)
{
    GByteArray *c = f->chunk[lane];
    if (!c)
        return;
    sk_trace_chunk head = { SK_CHUNK_MAGIC,    lane,          c->len,
                            f->number[lane]++, f->tick[lane], f->ns[lane] };
    g_byte_array_append(f->file, (const guint8 *)&head, sizeof head);
    g_byte_array_append(f->file, c->data, c->len);
    g_byte_array_unref(c);
    f->chunk[lane] = NULL;
}

static inline void forge_record(forge *f, unsigned lane, uint64_t ns, unsigned type, unsigned a,
                                const uint64_t *words, unsigned n)
{
    uint64_t tick = f->clock ? ns : 1000 + 3 * ns;
    if (f->chunk[lane] && tick - f->tick[lane] > UINT32_MAX)
        forge_flush(f, lane);
    if (!f->chunk[lane]) {
        f->chunk[lane] = g_byte_array_new();
        f->tick[lane] = tick;
        f->ns[lane] = ns;
    }
    sk_trace_record r = { (uint32_t)(tick - f->tick[lane]), (uint8_t)type, (uint8_t)a,
                          (uint16_t)n };
    g_byte_array_append(f->chunk[lane], (const guint8 *)&r, sizeof r);
    if (n)
        g_byte_array_append(f->chunk[lane], (const guint8 *)words, 8 * n);
    f->records++;
}

/* Strings up to a NULL. */
static inline void forge_text(forge *f, unsigned lane, uint64_t ns, unsigned type,
                              const uint64_t *words, unsigned n, ...)
{
    uint64_t w[512] = { 0 };
    char *p = (char *)(w + n);
    va_list args;
    if (n)
        memcpy(w, words, 8 * n);
    va_start(args, n);
    for (const char *s; (s = va_arg(args, const char *)); p += strlen(s) + 1)
        strcpy(p, s);
    va_end(args);
    forge_record(f, lane, ns, type, 0, w, n + (unsigned)(p - (char *)(w + n) + 7) / 8);
}

static inline void forge_info(forge *f, const char *key, const char *value)
{
    forge_text(f, 0, 0, SK_TRACE_INFO, NULL, 0, key, value, NULL);
}

static inline void forge_fn(forge *f, uint32_t number, const char *name)
{
    uint64_t w = (uint64_t)number << 32 | 10;
    forge_text(f, 0, 0, SK_TRACE_FUNCTION, &w, 1, name, "double f(double)", "forge.c", NULL);
}

static inline void forge_site(forge *f, uint32_t number, int line)
{
    uint64_t w = (uint64_t)number << 32 | (uint32_t)line;
    forge_text(f, 0, 0, SK_TRACE_SITE, &w, 1, "forge.c", "main", NULL);
}

/* A trace of `workers` workers on node 0, functions 1 .. named, sites 1 .. 3 on lines 1 .. 3;
 * names end with NULL. */
static inline forge forge_start(uint32_t clock, uint32_t workers, ...)
{
    forge f = forge_new(clock);
    uint32_t n = 0;
    va_list args;
    forge_info(&f, "program", "forge");
    forge_info(&f, "backend", "threads");
    va_start(args, workers);
    for (const char *s; (s = va_arg(args, const char *));)
        forge_fn(&f, ++n, s);
    va_end(args);
    for (uint32_t i = 1; i <= 3; i++)
        forge_site(&f, i, (int)i);
    uint64_t w = workers;
    forge_record(&f, 0, 0, SK_TRACE_NODE, SK_NODE_NONE << 4 | SK_NODE_ALIVE, &w, 1);
    return f;
}

/* TASK_NEW, submitted at site `fn`; then the numbers of the objects it returns, and of those it
 * takes, as uint64_t. */
static inline void forge_task(forge *f, unsigned lane, uint64_t ns, uint64_t task, uint32_t fn,
                              uint64_t parent, unsigned returns, unsigned deps, ...)
{
    uint64_t w[33] = { task, (uint64_t)fn << 32 | fn, parent };
    va_list args;
    va_start(args, deps);
    for (unsigned i = 0; i < returns + deps; i++)
        w[3 + i] = va_arg(args, uint64_t);
    va_end(args);
    forge_record(f, lane, ns, SK_TRACE_TASK_NEW, returns << 4 | deps, w, 3 + returns + deps);
    f->tasks++;
    f->objects += returns;
}

/* `word`: of RUNNING the worker (of node 0), of FAILED and CANCELLED the code, of READY, if not 0, that of the attempt that was broken off. */
static inline void forge_move(forge *f, unsigned lane, uint64_t ns, uint64_t task, unsigned from,
                              unsigned to, uint64_t word)
{
    uint64_t w[2] = { task, to == SK_TASK_RUNNING ? word << 32 : word };
    bool has = to == SK_TASK_RUNNING || to == SK_TASK_FAILED || to == SK_TASK_CANCELLED || (to == SK_TASK_READY && word);
    forge_record(f, lane, ns, SK_TRACE_TASK, from << 4 | to, w, 1 + has);
}

static inline void forge_object(forge *f, unsigned lane, uint64_t ns, uint64_t object,
                                unsigned from, unsigned to, uint64_t bytes)
{
    uint64_t w[5] = { object }, n = 1;
    if (to == SK_OBJECT_READY)
        w[n++] = 7ull << 56 | bytes, w[n++] = 0;
    if (from == SK_OBJECT_NONE)
        w[n++] = 1ull << 32, w[n++] = 0, f->objects++;
    forge_record(f, lane, ns, SK_TRACE_OBJECT, from << 4 | to, w, (unsigned)n);
}

/* READY -> RUNNING at `start`, one answer and DONE at `end`; lane and worker are the same. */
static inline void forge_run(forge *f, unsigned worker, uint64_t start, uint64_t end, uint64_t task,
                             uint64_t object)
{
    forge_move(f, worker + 1, start, task, SK_TASK_READY, SK_TASK_RUNNING, worker);
    forge_object(f, worker + 1, end, object, SK_OBJECT_PENDING, SK_OBJECT_READY, 100);
    forge_move(f, worker + 1, end, task, SK_TASK_RUNNING, SK_TASK_DONE, 0);
}

static inline void forge_wait(forge *f, unsigned lane, uint64_t start, uint64_t end, uint64_t task,
                              uint64_t object)
{
    uint64_t w[4] = { task, 1ull << 32 | 1, 1ull << 32, object }, e[3] = { task, 1, 0 };
    forge_record(f, lane, start, SK_TRACE_WAIT, SK_WAIT_GET, w, 4);
    forge_record(f, lane, end, SK_TRACE_WAIT_END, SK_WAIT_GET, e, 3);
}

static inline GByteArray *forge_end(forge *f, bool with_end, uint64_t ns)
{
    for (unsigned i = FORGE_LANES;
         i-- > 0;) /* last lane first: a reader must not lean on the order of chunks */
        forge_flush(f, i);
    if (with_end) {
        uint64_t w[4] = { f->records + 1, f->dropped, f->tasks, f->objects };
        forge_record(f, 0, ns, SK_TRACE_END, 0, w, 4);
        forge_flush(f, 0);
    }
    return f->file;
}

#endif
