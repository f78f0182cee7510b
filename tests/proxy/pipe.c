/* pipe.c -- see pipe.h. What is random is drawn from the seed and a position, never from a state: so it does not depend on how the bytes
 * arrive, or on how often somebody looks. */
#include "pipe.h"

#include "base.h"

#include <assert.h>
#include <glib.h>

enum { PIECES = 1, JITTER = 2, CORRUPTION = 3 };               /* what is drawn, so that each has a stream of its own */
enum { SECOND = 1000000000 };

typedef struct arrival {               /* a read */
    uint64_t from;                     /* the position of its first byte */
    int64_t at;
} arrival;

struct fault_pipe {
    proxy_faults faults;
    pipe_counts counts;
    uint64_t seed;

    uint64_t in, out;                  /* positions: of the next byte to come, of the next to be let through */
    GByteArray *data;                  /* the bytes between, from `taken` on */
    size_t taken;
    GArray *arrivals;                  /* theirs, from `left` on */
    guint left;

    uint64_t piece_end;                /* where split ends the piece that `out` is in */
    int64_t cut_since;                 /* when the last piece was cut off; INT64_MIN: a pause is not due */
    uint64_t credit;                   /* bytes that may pass, times SECOND; means nothing without a rate */
    int64_t credit_since;

    bool ended, reset, told;
    int64_t ended_at;
    proxy_then over;                   /* PROXY_FIN or PROXY_RST: it has come to that */
};

/* ---- What is random, and what is late ---- */

static uint64_t draw(const fault_pipe *p, int what, uint64_t position) { return sk_mix(sk_mix(p->seed + (uint64_t)what) ^ position); }

static int64_t later(int64_t at, int64_t by) { return by > 0 && at > INT64_MAX - by ? INT64_MAX : at + by; }

static int64_t due(const fault_pipe *p, uint64_t from, int64_t at)
{
    int64_t jitter = p->faults.jitter_ns > 0 ? (int64_t)(draw(p, JITTER, from) % ((uint64_t)p->faults.jitter_ns + 1)) : 0;
    return later(later(at, p->faults.delay_ns), jitter);
}

/* The bits that are flipped in the byte there. */
static uint8_t flipped(const fault_pipe *p, uint64_t position)
{
    uint8_t mask = position == p->faults.corrupt_at ? p->faults.corrupt_mask : 0;
    if (p->faults.corrupt_every) {
        uint64_t drawn = draw(p, CORRUPTION, position);
        if (drawn % p->faults.corrupt_every == 0)
            mask ^= (uint8_t)(1 << (drawn >> 61));
    }
    return mask;
}

static void begin_piece(fault_pipe *p)
{
    p->piece_end = p->faults.split ? p->out + 1 + draw(p, PIECES, p->out) % p->faults.split : UINT64_MAX;
}

/* ---- What may pass by the rate ---- */

static uint64_t bucket(const proxy_faults *f)
{
    uint64_t bytes = f->burst ? f->burst : f->rate / 50, most = INT64_MAX / SECOND;
    return (bytes > most ? most : bytes ? bytes : 1) * SECOND;
}

static void earn(fault_pipe *p, int64_t now)
{
    const proxy_faults *f = &p->faults;
    if (!f->rate || now <= p->credit_since)
        return;
    uint64_t passed = (uint64_t)now - (uint64_t)p->credit_since, missing = bucket(f) - p->credit;
    p->credit = passed > missing / f->rate ? bucket(f) : p->credit + passed * f->rate;
    p->credit_since = now;
}

/* ---- Bytes that are held ---- */

static size_t held(const fault_pipe *p) { return (size_t)(p->in - p->out); }

/* The first n are not held any more. What has been left in front is moved away when it is half: each byte is moved once, on the average. */
static void leave(fault_pipe *p, size_t n)
{
    p->out += n;
    p->taken += n;
    if (p->taken >= p->data->len - p->taken) {
        g_byte_array_remove_range(p->data, 0, (guint)p->taken);
        p->taken = 0;
    }
    while (p->left < p->arrivals->len &&
           (p->left + 1 < p->arrivals->len ? g_array_index(p->arrivals, arrival, p->left + 1).from : p->in) <= p->out)
        p->left++;
    if (p->left >= p->arrivals->len - p->left) {
        g_array_remove_range(p->arrivals, 0, p->left);
        p->left = 0;
    }
}

static bool reached(const fault_pipe *p, proxy_then then) { return p->faults.then == then && p->out >= p->faults.after; }

/* `out` or the faults have changed. */
static void look_whether_reached(fault_pipe *p)
{
    if (!p->over && (reached(p, PROXY_FIN) || reached(p, PROXY_RST)))
        p->over = p->faults.then;
    if (reached(p, PROXY_SWALLOW)) {
        p->counts.swallowed += held(p);
        leave(p, held(p));
    }
}

/* ---- In ---- */

fault_pipe *fault_pipe_new(uint64_t seed)
{
    fault_pipe *p = g_new0(fault_pipe, 1);
    p->seed = seed;
    p->data = g_byte_array_new();
    p->arrivals = g_array_new(FALSE, FALSE, sizeof(arrival));
    p->piece_end = UINT64_MAX;
    p->cut_since = INT64_MIN;
    return p;
}

void fault_pipe_free(fault_pipe *p)
{
    if (!p)
        return;
    g_byte_array_unref(p->data);
    g_array_unref(p->arrivals);
    g_free(p);
}

static uint64_t from_the_beginning(const fault_pipe *p, uint64_t position)
{
    return position & PROXY_FROM_NOW ? (position & ~PROXY_FROM_NOW) + p->out : position;
}

void fault_pipe_set(fault_pipe *p, int64_t now, const proxy_faults *faults)
{
    proxy_faults old = p->faults, *f = &p->faults;
    earn(p, now);
    *f = *faults;
    f->cut_at = from_the_beginning(p, f->cut_at);
    f->corrupt_at = from_the_beginning(p, f->corrupt_at);
    f->after = from_the_beginning(p, f->after);
    if (!old.rate || p->credit > bucket(f))
        p->credit = bucket(f);
    p->credit_since = now;
    if (f->split != old.split)
        begin_piece(p);
    look_whether_reached(p);
}

const proxy_faults *fault_pipe_faults(const fault_pipe *p) { return &p->faults; }
const pipe_counts *fault_pipe_counts(const fault_pipe *p) { return &p->counts; }
bool fault_pipe_dropped(const fault_pipe *p) { return p->over != PROXY_PASS; }

size_t fault_pipe_room(const fault_pipe *p)
{
    if (p->ended || p->over || reached(p, PROXY_HOLD))
        return 0;
    size_t most = p->faults.delay_ns > 0 || p->faults.jitter_ns > 0 ? PIPE_ROOM_DELAYED : PIPE_ROOM;
    return held(p) >= most || p->arrivals->len - p->left >= PIPE_READS ? 0 : most - held(p);
}

void fault_pipe_put(fault_pipe *p, int64_t now, const void *data, size_t size)
{
    assert(size <= fault_pipe_room(p));
    if (!size)
        return;
    arrival a = { p->in, now };
    g_array_append_val(p->arrivals, a);
    g_byte_array_append(p->data, data, (guint)size);
    p->in += size;
    p->counts.read += size;
    look_whether_reached(p);
}

void fault_pipe_end(fault_pipe *p, int64_t now, bool reset)
{
    if (!p->ended)
        p->ended_at = now;
    p->ended = true;
    if (!p->told)
        p->reset = p->reset || reset;
}

/* ---- Out ---- */

static pipe_step wait_until(int64_t *when, int64_t at)
{
    *when = at;
    return PIPE_WAIT;
}

/* How many of the held bytes are not late any more; if none, *when the first is. */
static size_t arrived(const fault_pipe *p, int64_t now, int64_t *when)
{
    for (guint i = p->left; i < p->arrivals->len; i++) {
        const arrival *a = &g_array_index(p->arrivals, arrival, i);
        *when = due(p, a->from, a->at);
        if (*when > now)
            return i == p->left ? 0 : (size_t)(a->from - p->out);
    }
    return held(p);
}

static size_t up_to(size_t n, uint64_t position, uint64_t end) { return end > position && end - position < n ? (size_t)(end - position) : n; }

pipe_step fault_pipe_look(fault_pipe *p, int64_t now, void *out, size_t *size, int64_t *when)
{
    const proxy_faults *f = &p->faults;
    size_t n = *size;
    *size = 0;
    *when = INT64_MAX;
    if (p->over)
        return p->over == PROXY_FIN ? PIPE_FIN : PIPE_RST;
    if (reached(p, PROXY_HOLD) || reached(p, PROXY_SWALLOW))
        return PIPE_WAIT;
    if (p->cut_since != INT64_MIN && later(p->cut_since, f->gap_ns) > now)
        return wait_until(when, later(p->cut_since, f->gap_ns));
    if (!held(p)) {
        if (!p->ended || p->told)
            return PIPE_WAIT;
        if (due(p, p->in, p->ended_at) > now)
            return wait_until(when, due(p, p->in, p->ended_at));
        if (p->reset)
            return PIPE_RESET;
        p->told = true;
        return PIPE_END;
    }

    size_t there = arrived(p, now, when);
    if (!there)
        return PIPE_WAIT;
    n = n < there ? n : there;
    n = up_to(n, p->out, p->piece_end);
    n = up_to(n, p->out, f->cut_at);
    if (f->then != PROXY_PASS)
        n = up_to(n, p->out, f->after);
    if (f->rate) {
        earn(p, now);
        uint64_t want = n < bucket(f) / SECOND ? n * SECOND : bucket(f);       /* else it would be woken for each byte */
        if (p->credit < SECOND)
            return wait_until(when, later(now, (int64_t)((want - p->credit + f->rate - 1) / f->rate)));
        n = n < p->credit / SECOND ? n : (size_t)(p->credit / SECOND);
    }
    *when = INT64_MAX;
    *size = n;
    unsigned char *to = out;
    memcpy(to, p->data->data + p->taken, n);
    if (f->corrupt_mask || f->corrupt_every)
        for (size_t i = 0; i < n; i++)
            to[i] ^= flipped(p, p->out + i);
    return PIPE_WRITE;
}

void fault_pipe_take(fault_pipe *p, int64_t now, size_t size)
{
    assert(size <= held(p));
    if (!size)
        return;
    if (p->faults.corrupt_mask || p->faults.corrupt_every)
        for (size_t i = 0; i < size; i++)
            p->counts.corrupted += flipped(p, p->out + i) != 0;
    if (p->faults.rate)
        p->credit -= p->credit < size * SECOND ? p->credit : size * SECOND;
    p->counts.forwarded += size;
    p->counts.pieces++;
    leave(p, size);
    p->cut_since = INT64_MIN;
    if (p->out == p->piece_end || p->out == p->faults.cut_at) {
        p->counts.cuts++;
        p->cut_since = now;
    }
    if (p->out == p->piece_end)
        begin_piece(p);
    look_whether_reached(p);
}
