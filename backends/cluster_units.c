/* cluster_units.c -- see cluster_units.h. Decimal digits are kept as an integer and a power of ten: no floating point, no rounding. */
#include "cluster_units.h"

#include "resources.h"

#include <stdio.h>

typedef struct unit { const char *name; int64_t is; } unit;

static const unit times[] = { { "h", 3600000000000 }, { "min", 60000000000 }, { "s", 1000000000 }, { "ms", 1000000 },
                              { "us", 1000 }, { "ns", 1 }, { NULL, 0 } };
static const unit per_byte[] = { { "us", 1000000000 }, { "ns", 1000000 }, { "ps", 1000 }, { "fs", 1 }, { NULL, 0 } };
static const unit sizes[] = { { "T", 1LL << 40 }, { "TB", 1LL << 40 }, { "TiB", 1LL << 40 }, { "G", 1 << 30 }, { "GB", 1 << 30 },
                              { "GiB", 1 << 30 }, { "M", 1 << 20 }, { "MB", 1 << 20 }, { "MiB", 1 << 20 }, { "K", 1 << 10 },
                              { "KB", 1 << 10 }, { "KiB", 1 << 10 }, { "", 1 }, { "B", 1 }, { NULL, 0 } };
/* in bits */
static const unit bandwidths[] = { { "GB/s", 8000000000 }, { "MB/s", 8000000 }, { "kB/s", 8000 }, { "B/s", 8 },
                                   { "Gbit/s", 1000000000 }, { "Mbit/s", 1000000 }, { "kbit/s", 1000 }, { "bit/s", 1 },
                                   { "GiB/s", 8LL << 30 }, { "MiB/s", 8 << 20 }, { "KiB/s", 8 << 10 }, { NULL, 0 } };
static const unit plain[] = { { "", SK_UNITS }, { NULL, 0 } };

/* The number times its unit, divided by `divisor`, if that is whole. */
static bool parse(const char *text, const unit *units, int64_t divisor, int64_t *out)
{
    __int128 digits = 0, tens = divisor;
    int n = 0;
    bool point = false;
    const char *p = text;
    for (; (*p >= '0' && *p <= '9') || (*p == '.' && !point); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        if (++n > 18)
            return false;
        digits = digits * 10 + (*p - '0');
        tens *= point ? 10 : 1;
    }
    if (n == 0)
        return false;
    while (*p == ' ')
        p++;
    for (const unit *u = units; u->name; u++)
        if (!strcmp(p, u->name)) {
            __int128 x = digits * u->is;                 /* at most 10^18 * 2^43 */
            if (x % tens || x / tens > INT64_MAX / 4)
                return false;
            *out = (int64_t)(x / tens);
            return true;
        }
    return false;
}

bool sk_parse_time(const char *text, int64_t *ns)               { return parse(text, times, 1, ns); }
bool sk_parse_per_byte(const char *text, int64_t *femtoseconds) { return parse(text, per_byte, 1, femtoseconds); }
bool sk_parse_bandwidth(const char *text, int64_t *b)           { return parse(text, bandwidths, 8, b) && *b > 0; }
bool sk_parse_bytes(const char *text, int64_t *bytes)           { return parse(text, sizes, 1, bytes) && *bytes > 0; }
bool sk_parse_units(const char *text, int64_t *units)           { return parse(text, plain, 1, units) && *units > 0; }

bool sk_parse_whole(const char *text, uint64_t most, uint64_t *n)
{
    uint64_t x = 0;
    for (const char *p = text; *p; p++)
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(x, 10, &x) || __builtin_add_overflow(x, (uint64_t)(*p - '0'), &x))
            return false;
    *n = x;
    return *text && x <= most;
}

/* In the largest of the units, every one a name of its own, that needs no fraction. */
static const char *text(int64_t x, const unit *units, char *room, size_t size)
{
    const unit *u = units;
    while (u->is > 1 && (x == 0 || x % u->is))
        u++;
    snprintf(room, size, "%lld%s", (long long)(x / u->is), u->name);
    return room;
}

const char *sk_time_text(int64_t ns, char *room, size_t size)
{
    return ns == 0 ? text(0, &(const unit){ "s", 1 }, room, size) : text(ns, times + 2, room, size);
}
const char *sk_per_byte_text(int64_t femtoseconds, char *room, size_t size) { return text(femtoseconds, per_byte, room, size); }
const char *sk_bytes_text(int64_t bytes, char *room, size_t size)
{
    static const unit short_names[] = { { "T", 1LL << 40 }, { "G", 1 << 30 }, { "M", 1 << 20 }, { "K", 1 << 10 }, { "", 1 } };
    return text(bytes, short_names, room, size);
}
const char *sk_bandwidth_text(int64_t bytes_per_s, char *room, size_t size)
{
    static const unit decimal[] = { { "GB/s", 1000000000 }, { "MB/s", 1000000 }, { "kB/s", 1000 }, { "B/s", 1 } };
    return text(bytes_per_s, decimal, room, size);
}
