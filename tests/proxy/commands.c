/* commands.c -- the proxy in words: a line is checked as a whole, then changes what it names and nothing else. See proxy.h. */
#include "inside.h"

#include "base.h"

#include <errno.h>
#include <inttypes.h>

const char proxy_commands[] =
    "[CONNECTION] [up|down|both] FAULT, all connections and both directions if not said:\n"
    "  delay MS [JITTER]       lets each byte through so much later, and up to JITTER ms more\n"
    "  rate BYTES [BURST]      lets so many bytes through a second; BURST at once after a pause\n"
    "  split K [GAP]           writes pieces of 1 to K bytes, with GAP ms after each\n"
    "  cut N [GAP]             ends a piece after N bytes\n"
    "  corrupt N BIT           flips bit BIT (0-7) of byte N (from 0)\n"
    "  corrupt-every N         flips one bit of about every N-th byte\n"
    "  fin [N], rst [N]        closes or resets the connection after exactly N bytes; without N now\n"
    "  hold [N], swallow [N]   lets nothing through after N bytes: holds it, or reads it and throws it away\n"
    "  pass                    ends hold and swallow (takes fin and rst back)\n"
    "  clear                   ends all faults\n"
    "N counts from the beginning of the connection; +N from where it is. 0 for delay, rate, split, cut and corrupt-every is none.\n"
    "Of the proxy:\n"
    "  refuse, black-hole, open    who connects is refused, gets no answer, is let in\n"
    "  count [CONNECTION]          all counts in a line\n"
    "  wait NAME N                 answers when that count is at least N\n"
    "  quit\n";

enum { WORDS = 8 };
enum { POSITION = 1, MILLISECONDS, NUMBER, BIT };              /* what an argument is */

typedef struct fault_word {
    const char *name;
    int needs, takes;                  /* arguments */
    int kinds[2];
    void (*set)(proxy_faults *, const uint64_t *args, int n);
} fault_word;

/* ---- What a word does ---- */

static void set_delay(proxy_faults *f, const uint64_t *a, int n) { f->delay_ns = (int64_t)a[0], f->jitter_ns = n > 1 ? (int64_t)a[1] : 0; }
static void set_rate(proxy_faults *f, const uint64_t *a, int n) { f->rate = a[0], f->burst = n > 1 ? a[1] : 0; }
static void set_split(proxy_faults *f, const uint64_t *a, int n) { f->split = a[0], f->gap_ns = n > 1 ? (int64_t)a[1] : 0; }
static void set_cut(proxy_faults *f, const uint64_t *a, int n) { f->cut_at = a[0], f->gap_ns = n > 1 ? (int64_t)a[1] : 0; }
static void set_corrupt(proxy_faults *f, const uint64_t *a, int n) { (void)n, f->corrupt_at = a[0], f->corrupt_mask = (uint8_t)(1 << a[1]); }
static void set_corrupt_every(proxy_faults *f, const uint64_t *a, int n) { (void)n, f->corrupt_every = a[0]; }
static void set_then(proxy_faults *f, proxy_then then, const uint64_t *a, int n) { f->then = then, f->after = n ? a[0] : 0; }
static void set_fin(proxy_faults *f, const uint64_t *a, int n) { set_then(f, PROXY_FIN, a, n); }
static void set_rst(proxy_faults *f, const uint64_t *a, int n) { set_then(f, PROXY_RST, a, n); }
static void set_hold(proxy_faults *f, const uint64_t *a, int n) { set_then(f, PROXY_HOLD, a, n); }
static void set_swallow(proxy_faults *f, const uint64_t *a, int n) { set_then(f, PROXY_SWALLOW, a, n); }
static void set_pass(proxy_faults *f, const uint64_t *a, int n) { set_then(f, PROXY_PASS, a, n); }
static void set_clear(proxy_faults *f, const uint64_t *a, int n) { (void)a, (void)n, *f = (proxy_faults){ 0 }; }

static const fault_word fault_words[] = {
    { "delay", 1, 2, { MILLISECONDS, MILLISECONDS }, set_delay },
    { "rate", 1, 2, { NUMBER, NUMBER }, set_rate },
    { "split", 1, 2, { NUMBER, MILLISECONDS }, set_split },
    { "cut", 1, 2, { POSITION, MILLISECONDS }, set_cut },
    { "corrupt", 2, 2, { POSITION, BIT }, set_corrupt },
    { "corrupt-every", 1, 1, { NUMBER }, set_corrupt_every },
    { "fin", 0, 1, { POSITION }, set_fin },
    { "rst", 0, 1, { POSITION }, set_rst },
    { "hold", 0, 1, { POSITION }, set_hold },
    { "swallow", 0, 1, { POSITION }, set_swallow },
    { "pass", 0, 0, { 0 }, set_pass },
    { "clear", 0, 0, { 0 }, set_clear },
};

typedef struct edit {
    const fault_word *word;
    uint64_t args[2];
    int n;
} edit;

static void apply(proxy_faults *faults, const void *data)
{
    const edit *e = data;
    e->word->set(faults, e->args, e->n);
}

/* ---- Reading ---- */

static bool number(const char *word, uint64_t most, uint64_t *n)
{
    char *end;
    errno = 0;
    *n = strtoull(word, &end, 10);
    return g_ascii_isdigit(*word) && !*end && !errno && *n <= most;
}

static bool argument(const char *word, int kind, uint64_t *n)
{
    char *end;
    double ms;
    switch (kind) {
    case POSITION:
        if (*word != '+')
            return number(word, PROXY_FROM_NOW - 1, n);
        if (!number(word + 1, PROXY_FROM_NOW - 1, n))
            return false;
        *n |= PROXY_FROM_NOW;
        return true;
    case MILLISECONDS:
        ms = g_ascii_strtod(word, &end);
        *n = ms >= 0 && ms < 1e12 ? (uint64_t)(ms * 1e6) : 0;
        return g_ascii_isdigit(*word) && !*end && ms >= 0 && ms < 1e12;
    case BIT:
        return number(word, 7, n);
    default:
        return number(word, UINT64_MAX, n);
    }
}

static const char *kind_name(int kind)
{
    return kind == POSITION ? "a number of bytes, N or +N" : kind == MILLISECONDS ? "milliseconds" : kind == BIT ? "a bit, 0 to 7" : "a number";
}

static bool wrong(char why[PROXY_WHY], const char *format, ...) G_GNUC_PRINTF(2, 3);
static bool wrong(char why[PROXY_WHY], const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(why, PROXY_WHY, format, list);
    va_end(list);
    return false;
}

static bool fault(proxy *p, char **words, int n, char why[PROXY_WHY])
{
    uint64_t connection = PROXY_ALL;
    proxy_direction direction = PROXY_BOTH;
    int at = 0;
    if (g_ascii_isdigit(words[at][0])) {
        if (!number(words[at], UINT32_MAX, &connection) || connection == PROXY_ALL)
            return wrong(why, "\"%s\" is not the number of a connection; they count from 1", words[at]);
        at++;
    }
    static const char *const directions[] = { "up", "down", "both" };
    for (int i = 0; i < 3 && at < n; i++)
        if (strcmp(words[at], directions[i]) == 0) {
            direction = (proxy_direction)(i + 1);
            at++;
            break;
        }
    edit e = { NULL, { 0, 0 }, n - at - 1 };
    for (size_t i = 0; i < G_N_ELEMENTS(fault_words) && at < n; i++)
        if (strcmp(words[at], fault_words[i].name) == 0)
            e.word = &fault_words[i];
    if (!e.word)
        return wrong(why, "\"%s\" is not a fault or command; `proxy --help` lists them", at < n ? words[at] : words[n - 1]);
    if (e.n < e.word->needs || e.n > e.word->takes)
        return wrong(why, "%s takes %d to %d arguments, not %d", e.word->name, e.word->needs, e.word->takes, e.n);
    for (int i = 0; i < e.n; i++)
        if (!argument(words[at + 1 + i], e.word->kinds[i], &e.args[i]))
            return wrong(why, "%s \"%s\": that should be %s", e.word->name, words[at + 1 + i], kind_name(e.word->kinds[i]));
    return proxy_change(p, (unsigned)connection, direction, apply, &e) || wrong(why, "there is no connection %u open", (unsigned)connection);
}

static bool say_counts(proxy *p, const char *which, FILE *out, char why[PROXY_WHY])
{
    uint64_t connection;
    proxy_counts counts;
    if (!which)
        proxy_count(p, &counts);
    else if (!number(which, UINT32_MAX, &connection) || !proxy_count_one(p, (unsigned)connection, &counts))
        return wrong(why, "there is no connection %s open", which);
    for (size_t i = 0; proxy_count_name(i); i++)
        fprintf(out, "%s%s %" PRIu64, i ? " " : "", proxy_count_name(i), proxy_count_value(&counts, i));
    fprintf(out, "\n");
    return true;
}

static bool wait_for(proxy *p, char **words, int n, char why[PROXY_WHY])
{
    uint64_t least;
    if (n != 3 || !number(words[2], UINT64_MAX, &least))
        return wrong(why, "wait takes the name of a count and a number");
    return proxy_wait(p, words[1], least) || wrong(why, "\"%s\" is not a count; `count` shows their names", words[1]);
}

bool proxy_command(proxy *p, const char *line, FILE *out, char why[PROXY_WHY])
{
    static const char *const doors[] = { "open", "refuse", "black-hole" };         /* in the order of proxy_door */
    g_autofree char *copy = g_strdup(line);
    char *words[WORDS], *rest = copy;
    int n = 0;
    for (char *word; (word = strsep(&rest, " \t\r\n")); )
        if (*word && n < WORDS)
            words[n++] = word;
        else if (*word)
            return wrong(why, "\"%s\" is too much: a command has at most %d words", word, WORDS);
    if (n == 0)
        return true;
    for (int i = 0; i < 3; i++)
        if (n == 1 && strcmp(words[0], doors[i]) == 0)
            return proxy_set_door(p, (proxy_door)i, why);
    if (strcmp(words[0], "count") == 0 && n <= 2)
        return say_counts(p, n > 1 ? words[1] : NULL, out, why);
    if (strcmp(words[0], "wait") == 0)
        return wait_for(p, words, n, why);
    return fault(p, words, n, why);
}
