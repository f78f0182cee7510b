/* trace_digest.c -- see trace_digest.h. A pass over the events in order; every record becomes a line, or nothing.
 *
 * Reading order: 1 text that is hashed when there is much of it; 2 names that do not depend on the run; 3 one function
 * per sort of record; 4 may this trace have a digest, and the whole. */
#include "trace_digest.h"

#include <glib.h>
#include <string.h>

enum { MUCH = 1 << 16 };

typedef struct pen {
    const sk_reader *log;
    GString *text;
    GChecksum *sum;
    FILE *out;
    sk_ids tasks, objects;
} pen;

/* ---- 1. Text ---- */

static void flush(pen *p)
{
    g_checksum_update(p->sum, (const guchar *)p->text->str, (gssize)p->text->len);
    if (p->out)
        fwrite(p->text->str, 1, p->text->len, p->out);
    g_string_truncate(p->text, 0);
}

/* " 17", by hand: a log may have millions of them. */
static void put_number(pen *p, uint64_t n)
{
    char digits[24], *at = digits + sizeof digits;
    do
        *--at = (char)('0' + n % 10);
    while (n /= 10);
    *--at = ' ';
    g_string_append_len(p->text, at, digits + sizeof digits - at);
}

static void put_word(pen *p, const char *word)
{
    g_string_append_c(p->text, ' ');
    g_string_append(p->text, word);
}

/* What the program wrote, as one word of one line. */
static void put_quoted(pen *p, const char *text)
{
    g_autofree char *escaped = g_strescape(text, NULL);
    g_string_append_printf(p->text, " \"%s\"", escaped);
}

/* ---- 2. Names ---- */

/* 1, 2, 3 ... in the order in which the log first names them; 0 stays 0. */
static void put_id(pen *p, sk_ids *ids, uint64_t number)
{
    put_number(p, number ? sk_trace_ids_add(ids, number) + 1 : 0);
}

static void put_fn(pen *p, uint32_t number)
{
    const sk_read_fn *fn = sk_trace_read_fn(p->log, number);
    put_word(p, fn ? fn->name : "?");
    put_quoted(p, fn ? fn->signature : "");
}

/* Without the line: where a call goes over several, compilers differ in which of them is its own. */
static void put_site(pen *p, uint32_t number)
{
    const sk_read_site *site = sk_trace_read_site(p->log, number);
    const char *slash = site ? strrchr(site->file, '/') : NULL;
    put_word(p, "at");
    put_word(p, !site ? "?" : slash ? slash + 1 : site->file);
    put_word(p, site && *site->fn ? site->fn : "?");
}

static void put_change(pen *p, const char *const *names, const sk_event *e)
{
    put_word(p, names[sk_trace_from(e)]);
    put_word(p, names[sk_trace_to(e)]);
}

/* ---- 3. Records ---- */

static void task_new(pen *p, const sk_event *e)
{
    unsigned returns = sk_trace_from(e), deps = sk_trace_to(e);
    put_word(p, "task");
    put_id(p, &p->tasks, e->word[0]);
    put_word(p, "new");
    put_fn(p, sk_trace_hi(e->word[1]));
    put_site(p, sk_trace_lo(e->word[1]));
    put_word(p, "by");
    put_id(p, &p->tasks, e->word[2]);
    put_word(p, "makes");
    for (unsigned i = 0; i < returns; i++)
        put_id(p, &p->objects, e->word[3 + i]);
    put_word(p, "needs");
    for (unsigned i = 0; i < deps; i++)
        put_id(p, &p->objects, e->word[3 + returns + i]);
}

static void task_asks(pen *p, const sk_event *e)
{
    put_word(p, "task");
    put_id(p, &p->tasks, e->word[0]);
    put_word(p, "asks");
    put_number(p, sk_trace_hi(e->word[1]));
    g_string_append_printf(p->text, " %d", (int)sk_trace_lo(e->word[1]));
    put_quoted(p, sk_trace_read_text(e, 0));
    put_quoted(p, sk_trace_read_text(e, 1));
}

static void task_moves(pen *p, const sk_event *e)
{
    static const char *const states[] = { "none", "waiting", "ready", "running", "blocked", "done", "failed", "cancelled" };
    unsigned to = sk_trace_to(e);
    put_word(p, "task");
    put_id(p, &p->tasks, e->word[0]);
    put_change(p, states, e);
    if (to == SK_TASK_RUNNING) {
        put_word(p, "on");
        put_number(p, sk_trace_lo(e->word[1]));
        put_number(p, sk_trace_hi(e->word[1]));
    } else if (to == SK_TASK_FAILED || to == SK_TASK_CANCELLED) {
        put_word(p, "code");
        put_number(p, e->word[1]);
    }
}

static void object_moves(pen *p, const sk_event *e)
{
    static const char *const states[] = { "none", "pending", "ready", "failed", "missing", "freed" };
    const uint64_t *w = e->word + 1;
    put_word(p, "object");
    put_id(p, &p->objects, e->word[0]);
    put_change(p, states, e);
    if (sk_trace_to(e) == SK_OBJECT_READY) {
        unsigned type = (unsigned)(w[0] >> 56);
        put_word(p, "type");
        put_number(p, type);
        put_number(p, w[0] & 0xffffffffffffff);
        if (type == SK_T_BOOL || type == SK_T_I64 || type == SK_T_U64) {
            put_word(p, "is");
            put_number(p, type == SK_T_BOOL ? w[1] & 1 : w[1]);
        }
        w += 2;
    }
    if (sk_trace_from(e) == SK_OBJECT_NONE) {
        put_site(p, sk_trace_hi(w[0]));
        put_word(p, "by");
        put_id(p, &p->tasks, w[1]);
    }
}

static void node_moves(pen *p, const sk_event *e)
{
    static const char *const states[] = { "none", "alive", "dead" };
    put_word(p, "node");
    put_number(p, sk_trace_hi(e->word[0]));
    put_change(p, states, e);
    if (sk_trace_to(e) != SK_NODE_ALIVE)
        return;
    put_word(p, "workers");
    put_number(p, sk_trace_lo(e->word[0]));
}

static void wait_begins(pen *p, const sk_event *e)
{
    put_word(p, "task");
    put_id(p, &p->tasks, e->word[0]);
    put_word(p, "waits");
    put_number(p, e->a);
    put_word(p, "for");
    put_number(p, sk_trace_hi(e->word[1]));
    put_word(p, "of");
    put_number(p, sk_trace_lo(e->word[1]));
    put_site(p, sk_trace_hi(e->word[2]));
    put_word(p, "object");
    put_id(p, &p->objects, e->word[3]);
}

static void wait_ends(pen *p, const sk_event *e)
{
    put_word(p, "task");
    put_id(p, &p->tasks, e->word[0]);
    put_word(p, "waited");
    put_number(p, e->a);
    put_word(p, "ready");
    put_number(p, e->word[1]);
    put_word(p, "code");
    put_number(p, e->word[2]);
}

static void moves(pen *p, const sk_event *e)
{
    put_word(p, "object");
    put_id(p, &p->objects, e->word[0]);
    put_word(p, "moves from");
    put_number(p, sk_trace_hi(e->word[2]));
    put_word(p, "to");
    put_number(p, sk_trace_lo(e->word[2]));
    put_word(p, "bytes");
    put_number(p, e->word[1]);
    put_word(p, "took");
    put_number(p, e->word[3]);
}

static void put_event(pen *p, const sk_event *e)
{
    switch ((sk_trace_type)e->type) { /* without default: whoever adds a record decides here */
    case SK_TRACE_INFO:
    case SK_TRACE_FUNCTION:
    case SK_TRACE_SITE:
    case SK_TRACE_NOTE:
    case SK_TRACE_DROPPED:
    case SK_TRACE_WAIT_ON:
    case SK_TRACE_SPILL:
    case SK_TRACE_END: return;
    case SK_TRACE_TASK_NEW:
    case SK_TRACE_TASK_ASKS:
    case SK_TRACE_TASK:
    case SK_TRACE_OBJECT:
    case SK_TRACE_NODE:
    case SK_TRACE_WAIT:
    case SK_TRACE_WAIT_END:
    case SK_TRACE_SAY:
    case SK_TRACE_TRANSFER: break;
    }
    g_string_append_printf(p->text, "%" G_GINT64_FORMAT, e->ns);
    switch ((sk_trace_type)e->type) {
    case SK_TRACE_TASK_NEW: task_new(p, e); break;
    case SK_TRACE_TASK_ASKS: task_asks(p, e); break;
    case SK_TRACE_TASK: task_moves(p, e); break;
    case SK_TRACE_OBJECT: object_moves(p, e); break;
    case SK_TRACE_NODE: node_moves(p, e); break;
    case SK_TRACE_WAIT: wait_begins(p, e); break;
    case SK_TRACE_WAIT_END: wait_ends(p, e); break;
    case SK_TRACE_TRANSFER: moves(p, e); break;
    case SK_TRACE_SAY:
        put_word(p, "task");
        put_id(p, &p->tasks, e->word[0]);
        put_word(p, "says");
        break;
    default: break;
    }
    g_string_append_c(p->text, '\n');
    if (p->text->len > MUCH)
        flush(p);
}

/* ---- 4. The whole ---- */

static G_GNUC_PRINTF(2, 3) bool refuse(sk_error *err, const char *format, ...)
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

static bool has_digest(const sk_reader *log, const char *name, sk_error *err)
{
    const sk_read_info *info = sk_trace_read_info(log);
    const char *time = sk_trace_read_value(log, "time"), *backend = sk_trace_read_value(log, "backend");
    if (info->damage)
        return refuse(err, "%s: no digest: the trace is damaged at byte %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " (%s); run the "
                      "program again", name, info->damaged_at, info->bytes, info->damage);
    if (info->truncated)
        return refuse(err, "%s: no digest: the trace stops before its end (was the program killed, or the file cut?); run the program "
                      "again, to its end", name);
    if (info->dropped || info->missing_chunks)
        return refuse(err, "%s: no digest: %" G_GUINT64_FORMAT " records and %" G_GUINT64_FORMAT " chunks are missing; run the program "
                      "again, with room on the disk", name, info->dropped, info->missing_chunks);
    if (g_strcmp0(time, "measured") == 0)
        return refuse(err, "%s: no digest: this run charged the time that plain C took here (--cost), which never comes twice; run it "
                      "with --cost none", name);
    if (g_strcmp0(time, "virtual") != 0)
        return refuse(err, "%s: no digest: this run was on \"%s\", in real time, which never comes twice; run it with --backend virtual",
                      name, backend ? backend : "?");
    return true;
}

bool sk_trace_digest(const sk_reader *log, const char *name, FILE *out, char hex[SK_DIGEST_SIZE], sk_error *err)
{
    if (!has_digest(log, name, err))
        return false;
    pen p = { .log = log, .text = g_string_sized_new(MUCH + 4096), .sum = g_checksum_new(G_CHECKSUM_SHA256), .out = out };
    sk_cursor *c = sk_trace_read_cursor(log);
    for (sk_event e; sk_trace_read_next(c, &e);)
        put_event(&p, &e);
    sk_trace_read_cursor_free(c);
    flush(&p);
    g_strlcpy(hex, g_checksum_get_string(p.sum), SK_DIGEST_SIZE);
    g_checksum_free(p.sum);
    g_string_free(p.text, TRUE);
    sk_trace_ids_clear(&p.tasks);
    sk_trace_ids_clear(&p.objects);
    return true;
}
