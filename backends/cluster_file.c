/* cluster_file.c -- see cluster_file.h. GKeyFile reads the values; it does not tell lines, merges what is there twice, and so the text is first read
 * once by us (`scan`) for a list of what stands where. Every key is a row of a table: what it is called, what it is, and what to
 * say if it is not. */
#include "cluster_file.h"

#include "cluster_units.h"
#include "error.h"
#include "policy.h"

#include <glib.h>
#include <stdio.h>

enum { MOST_NODES = 100000, MOST_WORKERS = 4096, MOST_PULLS = 1000000, MOST_SLOW = 1000000, MOST_TEXT = 1 << 20 };

/* ---- the tables ---- */

enum form { WHOLE, SEED, SIZE, TIME, BANDWIDTH, PER_BYTE, FACTOR, RESOURCES, POLICY };
typedef struct key {
    const char *name;
    enum form form;
    size_t at;
    uint32_t most;                   /* WHOLE: from 1 */
} key;

#define IN_SPEC(f) offsetof(sk_cluster_spec, f)
#define IN_KIND(f) offsetof(sk_node_kind, f)
/* Of [cluster] the spec's own; its other keys are those of a node, and so are those of [node.NAME] besides count. */
static const key cluster_keys[] = { { "nodes", WHOLE, IN_SPEC(nodes), MOST_NODES }, { "policy", POLICY, IN_SPEC(policy), 0 },
                                    { "seed", SEED, IN_SPEC(seed), 0 }, { 0 } };
static const key node_keys[] = { { "workers", WHOLE, IN_KIND(workers), MOST_WORKERS }, { "resources", RESOURCES, IN_KIND(resources), 0 },
                                 { "speed", FACTOR, IN_KIND(speed), 0 }, { "store-bytes", SIZE, IN_KIND(store_bytes), 0 },
                                 { "disk-bandwidth", BANDWIDTH, IN_KIND(disk_bandwidth), 0 },
                                 { "bandwidth", BANDWIDTH, IN_KIND(bandwidth), 0 }, { 0 } };
static const key count_key[] = { { "count", WHOLE, IN_KIND(count), MOST_NODES }, { 0 } };
static const key network_keys[] = { { "latency", TIME, IN_SPEC(latency), 0 }, { "bandwidth", BANDWIDTH, IN_SPEC(bandwidth), 0 },
                                    { "pulls", WHOLE, IN_SPEC(pulls), MOST_PULLS }, { 0 } };
#define OVERHEAD(name, i)                                                                                              \
    { name, TIME, IN_SPEC(overheads[i].fixed), 0 }, { name "-per-byte", PER_BYTE, IN_SPEC(overheads[i].per_byte), 0 }
static const key overhead_keys[] = { OVERHEAD("submit", SK_OVER_SUBMIT), OVERHEAD("schedule", SK_OVER_SCHEDULE),
                                     OVERHEAD("dispatch", SK_OVER_DISPATCH), OVERHEAD("get", SK_OVER_GET),
                                     OVERHEAD("put", SK_OVER_PUT), { 0 } };
static const key fault_keys[] = { { "seed", SEED, IN_SPEC(fault_seed), 0 }, { 0 } };
static const char *const fault_names[] = { "crash", "freeze", "slow", "cut", "restart" };

/* ---- reading the lines ---- */

typedef struct entry { char *group, *name; int line; } entry;

typedef struct reader {
    const char *file;
    sk_error *err;
    GKeyFile *keys;
    GArray *entries;                 /* entry; name NULL: the group's own line */
    GHashTable *lines;               /* of "group\nname": looked up, never walked */
    GArray *kinds, *faults;
    sk_cluster_spec *spec;
} reader;

static const entry *entry_at(const reader *r, guint i) { return &g_array_index(r->entries, entry, i); }

static void clear_entry(gpointer e)
{
    g_free(((entry *)e)->group);
    g_free(((entry *)e)->name);
}

static bool wrong(const reader *r, const entry *e, const char *value, const char *format, ...) __attribute__((format(printf, 4, 5)));
static bool wrong(const reader *r, const entry *e, const char *value, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *expected = g_strdup_vprintf(format, args);
    va_end(args);
    if (!e->name)
        return sk_error_set(r->err, SK_MISUSE, "%s:%d: [%.80s]: %s", r->file, e->line, e->group, expected);
    return sk_error_set(r->err, SK_MISUSE, "%s:%d: [%.80s] %.80s%s%.200s: %s", r->file, e->line, e->group, e->name, value ? " = " : "",
                        value ? value : "", expected);
}

/* The line where this stands first, or NULL. */
static const entry *find_entry(const reader *r, const char *group, const char *name)
{
    for (guint i = 0; i < r->entries->len; i++)
        if (g_strcmp0(entry_at(r, i)->group, group) == 0 && g_strcmp0(entry_at(r, i)->name, name) == 0)
            return entry_at(r, i);
    return NULL;
}

static bool scan_line(reader *r, char *line, int number, const char **group)
{
    g_strstrip(line);
    size_t length = strlen(line);
    if (length == 0 || *line == '#')
        return true;
    entry e = { .line = number };
    char *equals = strchr(line, '=');
    if (*line == '[' && line[length - 1] == ']') {
        e.group = g_strndup(line + 1, length - 2);
    } else if (equals && equals > line && *group) {
        e.group = g_strdup(*group);
        e.name = g_strstrip(g_strndup(line, (gsize)(equals - line)));
    } else {
        return sk_error_set(r->err, SK_MISUSE, "%s:%d: \"%.80s\": expected [group], key = value%s, or # comment", r->file, number, line,
                            *group ? "" : " (below a [group])");
    }
    char *what = g_strconcat(e.group, "\n", e.name, NULL);
    int there = GPOINTER_TO_INT(g_hash_table_lookup(r->lines, what));
    g_hash_table_insert(r->lines, what, GINT_TO_POINTER(number));
    g_array_append_val(r->entries, e);
    if (!e.name)
        *group = e.group;
    if (there)
        return wrong(r, &e, NULL, "is in line %d already%s", there,
                     !e.name ? "; nodes need different names" : g_str_has_prefix(e.name, "at ") ? "; join the two with ;" : "");
    return true;
}

static bool scan(reader *r, const char *text, size_t size)
{
    if (size > MOST_TEXT)
        return sk_error_set(r->err, SK_MISUSE, "%s: larger than %d bytes; a cluster file is text of some lines", r->file, MOST_TEXT);
    if (memchr(text, '\0', size) || !g_utf8_validate(text, (gssize)size, NULL))
        return sk_error_set(r->err, SK_MISUSE, "%s: is not text; a cluster file has lines like [cluster] and nodes = 4", r->file);
    g_autofree char *copy = g_strndup(text, size);
    g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);
    const char *group = NULL;
    for (int i = 0; lines[i]; i++)
        if (!scan_line(r, lines[i], i + 1, &group))
            return false;
    g_autoptr(GError) error = NULL;
    if (size && !g_key_file_load_from_data(r->keys, text, size, G_KEY_FILE_NONE, &error))
        return sk_error_set(r->err, SK_MISUSE, "%s: %.300s", r->file, error->message);
    return true;
}

/* ---- values ---- */

static bool read_value(const reader *r, const entry *e, const key *k, const char *value, char *at)
{
    uint64_t n;
    switch (k->form) {
    case WHOLE:
        if (!sk_parse_whole(value, k->most, &n) || n == 0)
            return wrong(r, e, value, "expected a whole number from 1 to %u", k->most);
        *(int *)at = (int)n;
        return true;
    case SEED:
        return sk_parse_whole(value, UINT64_MAX, (uint64_t *)at) || wrong(r, e, value, "expected a whole number from 0");
    case SIZE:
        return sk_parse_bytes(value, (int64_t *)at) || wrong(r, e, value, "expected a size above 0, like 500M or 2G");
    case TIME:
        return sk_parse_time(value, (int64_t *)at)
               || wrong(r, e, value, "expected a time of whole nanoseconds, like 10ns, 80us, 1ms or 2.5s");
    case BANDWIDTH:
        return sk_parse_bandwidth(value, (int64_t *)at) || wrong(r, e, value, "expected a bandwidth above 0, like 1GB/s or 100Mbit/s");
    case PER_BYTE:
        return sk_parse_per_byte(value, (int64_t *)at) || wrong(r, e, value, "expected a time for each byte, like 0.1ns or 80ps");
    case FACTOR:
        return sk_parse_units(value, (int64_t *)at) || wrong(r, e, value, "expected a factor above 0 in steps of 0.0001, like 0.5");
    case RESOURCES: {
        sk_error why;
        memset(at, 0, sizeof(sk_demand));
        return sk_demand_parse((sk_demand *)at, value, &why) || wrong(r, e, value, "%s", why.message);
    }
    case POLICY:
        if (sk_policy_find(value, NULL)) {
            memset(at, 0, sizeof r->spec->policy);
            g_strlcpy(at, value, sizeof r->spec->policy);
            return true;
        }
        char list[200];
        return wrong(r, e, value, "expected one of: %s", sk_policy_names(list, sizeof list));
    }
    return false;
}

static const key *find_key(const key *keys, const char *name)
{
    for (; keys->name; keys++)
        if (!strcmp(keys->name, name))
            return keys;
    return NULL;
}

static bool unknown(const reader *r, const entry *e, const key *const *tables, const char *more)
{
    GString *list = g_string_new(NULL);
    for (; *tables; tables++)
        for (const key *k = *tables; k->name; k++)
            g_string_append_printf(list, " %s", k->name);
    wrong(r, e, NULL, "there is no such key; here are:%s%s", list->str, more);
    g_string_free(list, TRUE);
    return false;
}

static char *value_of(const reader *r, const entry *e)
{
    char *value = g_key_file_get_value(r->keys, e->group, e->name, NULL);
    return value ? g_strchomp(value) : g_strdup("");
}

/* Reads the keys of a group. tables[i] are those that lie in the struct at[i]; NULL-terminated. */
static bool read_group(const reader *r, const char *group, const key *const *tables, char *const *at)
{
    for (guint i = 0; i < r->entries->len; i++) {
        const entry *e = entry_at(r, i);
        if (!e->name || strcmp(e->group, group) != 0)
            continue;
        const key *k = NULL;
        for (int t = 0; tables[t] && !k; t++) {
            k = find_key(tables[t], e->name);
            g_autofree char *value = k ? value_of(r, e) : NULL;
            if (k && !read_value(r, e, k, value, at[t] + k->at))
                return false;
        }
        if (!k)
            return unknown(r, e, tables, "");
    }
    return true;
}

/* ---- faults ---- */

static bool read_node(const reader *r, const char *word, uint32_t *node)
{
    uint64_t n;
    if (!word)
        return false;
    if (sk_parse_whole(word, UINT32_MAX, &n)) {
        *node = (uint32_t)n;
        return n < r->spec->nodes;
    }
    return sk_cluster_spec_find(r->spec, word, node);
}

/* What follows: "for 2s", "by 10", both, none. Whatever is left over is wrong. */
static bool read_rest(char **words, sk_fault *f, const char **expected)
{
    *expected = "expected by FACTOR, like by 10";
    if (f->kind == SK_FAULT_SLOW) {
        if (!words[0] || strcmp(words[0], "by") || !words[1] || !sk_parse_units(words[1], &f->by))
            return false;
        *expected = "expected by FACTOR, from 1 to 1000000: so many times slower";
        if (f->by < SK_UNITS || f->by > (int64_t)MOST_SLOW * SK_UNITS)
            return false;
        words += 2;
    }
    *expected = f->kind == SK_FAULT_FREEZE ? "expected for TIME, like for 300ms" : "expected nothing more, or for TIME, like for 300ms";
    if (!words[0])
        return f->kind != SK_FAULT_FREEZE;
    return f->kind != SK_FAULT_RESTART && !strcmp(words[0], "for") && words[1] && sk_parse_time(words[1], &f->lasts) && f->lasts > 0
           && !words[2];
}

static char **split_words(const char *text)
{
    GStrvBuilder *b = g_strv_builder_new();
    g_auto(GStrv) all = g_strsplit_set(text, " \t", -1);
    for (char **w = all; *w; w++)
        if (**w)
            g_strv_builder_add(b, *w);
    char **words = g_strv_builder_end(b);
    g_strv_builder_unref(b);
    return words;
}

/* "freeze node 2 for 300ms" */
static bool read_event(const reader *r, const entry *e, const char *text, int64_t at)
{
    g_auto(GStrv) all = split_words(text);
    char **w = all;
    sk_fault f = { .at = at };
    const char *expected;
    unsigned kind = 0;
    while (kind < G_N_ELEMENTS(fault_names) && (!*w || strcmp(*w, fault_names[kind])))
        kind++;
    if (kind == G_N_ELEMENTS(fault_names))
        return wrong(r, e, text, "expected crash, restart, freeze, slow or cut, and a node: crash node 3; cut 1 2 for 1s");
    f.kind = (sk_fault_kind)kind;
    w++;
    for (int i = 0; i <= (f.kind == SK_FAULT_CUT); i++) {
        w += *w && !strcmp(*w, "node");
        if (!read_node(r, *w, i ? &f.other : &f.node)) {
            char name[48];
            sk_cluster_spec_name(r->spec, r->spec->nodes - 1, name, sizeof name);
            return wrong(r, e, text, "there is no node %s; expected a number from 0 to %u, or a name like %s", *w ? *w : "given",
                         r->spec->nodes - 1, name);
        }
        w++;
    }
    if (f.kind == SK_FAULT_CUT && f.node == f.other)
        return wrong(r, e, text, "expected two different nodes");
    if (!read_rest(w, &f, &expected))
        return wrong(r, e, text, "%s", expected);
    g_array_append_val(r->faults, f);
    return true;
}

/* "at 1.5s = crash node 3; slow 4 by 10" */
static bool read_script(const reader *r, const entry *e)
{
    int64_t at;
    g_autofree char *value = value_of(r, e), *when = g_strstrip(g_strdup(e->name + 3));
    if (!sk_parse_time(when, &at))
        return wrong(r, e, value, "expected at TIME = FAULT, with a time of whole nanoseconds, like at 1.5s = crash node 3");
    g_auto(GStrv) events = g_strsplit(value, ";", -1);
    for (char **one = events; *one; one++)
        if (*g_strstrip(*one) && !read_event(r, e, *one, at))
            return false;
    return true;
}

/* "slow = every 60s by 10 for 5s" */
static bool read_rate(const reader *r, const entry *e, sk_fault_kind kind)
{
    g_autofree char *value = value_of(r, e);
    g_auto(GStrv) words = split_words(value);
    sk_fault f = { .kind = kind };
    const char *expected;
    int64_t every;
    if (!words[0] || strcmp(words[0], "every") || !words[1] || !sk_parse_time(words[1], &every) || every <= 0)
        return wrong(r, e, value, "expected every TIME%s for TIME: a node's mean time between two, like every 100s%s for 2s",
                     kind == SK_FAULT_SLOW ? " by FACTOR" : "", kind == SK_FAULT_SLOW ? " by 10" : "");
    if (!read_rest(words + 2, &f, &expected))
        return wrong(r, e, value, "%s", expected);
    r->spec->rates[kind] = (sk_fault_rate){ every, f.lasts, f.by };
    return true;
}

static gint by_time(gconstpointer a, gconstpointer b)
{
    int64_t x = ((const sk_fault *)a)->at, y = ((const sk_fault *)b)->at;
    return x < y ? -1 : x > y;
}

static bool read_faults(const reader *r)
{
    static const key *const tables[] = { fault_keys, NULL };
    for (guint i = 0; i < r->entries->len; i++) {
        const entry *e = entry_at(r, i);
        if (!e->name || strcmp(e->group, "faults") != 0)
            continue;
        int kind = 0;
        while (kind < SK_FAULT_RATES && strcmp(e->name, fault_names[kind]))
            kind++;
        const key *k = find_key(fault_keys, e->name);
        g_autofree char *value = k ? value_of(r, e) : NULL;
        bool ok = k                                   ? read_value(r, e, k, value, (char *)r->spec + k->at)
                  : kind < SK_FAULT_RATES             ? read_rate(r, e, (sk_fault_kind)kind)
                  : g_str_has_prefix(e->name, "at ")  ? read_script(r, e)
                                                      : unknown(r, e, tables, " crash freeze slow cut, and at TIME");
        if (!ok)
            return false;
    }
    g_array_sort(r->faults, by_time);            /* keeps the order of equals */
    return true;
}

/* ---- nodes ---- */

static bool is_digits(const char *s, size_t n) { return n > 0 && strspn(s, "0123456789") >= n; }

/* Could the two give one name to two nodes? "gpu*" and "gpu1" could. */
static bool same_name(const sk_node_kind *a, const sk_node_kind *b)
{
    const sk_node_kind *many = strchr(a->name, '*') ? a : b, *other = many == a ? b : a;
    uint64_t n;
    size_t stem = strcspn(many->name, "*");
    if (!many->name[stem] || strchr(other->name, '*'))
        return !strcmp(a->name, b->name) || (strchr(other->name, '*') && many->name[stem] && !strncmp(many->name, other->name, stem)
                                            && is_digits(other->name + stem, strcspn(other->name + stem, "*"))
                                            && other->name[stem] != '0');
    const char *digits = other->name + stem;
    return !strncmp(many->name, other->name, stem) && sk_parse_whole(digits, many->count - 1, &n) && (digits[0] != '0' || !digits[1]);
}

static bool add_kind(reader *r, const entry *e, sk_node_kind kind)
{
    for (guint i = 0; i < r->kinds->len; i++) {
        const sk_node_kind *other = &g_array_index(r->kinds, sk_node_kind, i);
        if (same_name(&kind, other) || same_name(other, &kind))
            return wrong(r, e, NULL, "two nodes may get one name, here and as %s; nodes need different names", other->name);
    }
    if ((uint64_t)r->spec->nodes + kind.count > MOST_NODES)
        return wrong(r, e, NULL, "more than %d nodes", MOST_NODES);
    kind.first = r->spec->nodes;
    r->spec->nodes += kind.count;
    g_array_append_val(r->kinds, kind);
    return true;
}

static bool is_name(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return n > 0 && n < 28 && !is_digits(s, strlen(s)) && (!s[n] || !strcmp(s + n, "*")) && strcmp(s, "node") != 0;
}

static bool read_kind(reader *r, const entry *e, const sk_node_kind *like)
{
    static const key *const tables[] = { node_keys, count_key, NULL };
    sk_node_kind kind = *like;
    const char *name = e->group + strlen("node.");
    if (!is_name(name))
        return wrong(r, e, NULL, "expected [node.NAME] or [node.NAME*] with at most 27 letters, digits, - _ . and a letter among them");
    memset(kind.name, 0, sizeof kind.name);
    strcpy(kind.name, name);
    kind.count = 1;
    if (!read_group(r, e->group, tables, (char *[]){ (char *)&kind, (char *)&kind }))
        return false;
    const entry *count = find_entry(r, e->group, "count");
    if (count && !strchr(name, '*'))
        return wrong(r, count, NULL, "several nodes need several names: write [node.%s*]", name);
    return add_kind(r, e, kind);
}

static bool read_nodes(reader *r)
{
    static const key *const tables[] = { cluster_keys, node_keys, NULL };
    sk_node_kind plain = { .name = "node*", .workers = 1, .speed = SK_UNITS };
    if (!read_group(r, "cluster", tables, (char *[]){ (char *)r->spec, (char *)&plain }))
        return false;
    bool others = false;
    for (guint i = 0; i < r->entries->len; i++)
        others |= !entry_at(r, i)->name && g_str_has_prefix(entry_at(r, i)->group, "node.");
    plain.count = r->spec->nodes ? r->spec->nodes : !others;
    r->spec->nodes = 0;
    if (plain.count && !add_kind(r, NULL, plain))
        return false;
    for (guint i = 0; i < r->entries->len; i++)
        if (!entry_at(r, i)->name && g_str_has_prefix(entry_at(r, i)->group, "node.") && !read_kind(r, entry_at(r, i), &plain))
            return false;
    return true;
}

/* ---- the whole ---- */

static bool check_groups(const reader *r)
{
    static const char *const groups[] = { "cluster", "network", "overheads", "faults" };
    for (guint i = 0; i < r->entries->len; i++) {
        const entry *e = entry_at(r, i);
        bool known = g_str_has_prefix(e->group, "node.");
        for (size_t g = 0; g < G_N_ELEMENTS(groups); g++)
            known |= !strcmp(groups[g], e->group);
        if (!known && !e->name)
            return wrong(r, e, NULL, "there is no such group; there are [cluster] [node.NAME] [network] [overheads] [faults]");
    }
    return true;
}

static bool read_all(reader *r, const char *text, size_t size)
{
    static const key *const network[] = { network_keys, NULL }, *const overheads[] = { overhead_keys, NULL };
    char *spec = (char *)r->spec;
    bool ok = scan(r, text, size) && check_groups(r) && read_nodes(r) && read_group(r, "network", network, &spec)
              && read_group(r, "overheads", overheads, &spec);
    r->spec->nkinds = r->kinds->len;             /* faults name nodes */
    r->spec->kinds = (sk_node_kind *)(void *)r->kinds->data;
    ok = ok && read_faults(r);
    r->spec->nfaults = r->faults->len;
    r->spec->kinds = g_memdup2(r->kinds->data, r->kinds->len * sizeof(sk_node_kind));
    r->spec->faults = g_memdup2(r->faults->data, r->faults->len * sizeof(sk_fault));
    return ok;
}

sk_cluster_spec *sk_cluster_spec_parse(const char *text, size_t size, const char *file, sk_error *err)
{
    reader r = { .file = file, .err = err, .keys = g_key_file_new(), .spec = g_new0(sk_cluster_spec, 1) };
    r.lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    r.entries = g_array_new(FALSE, FALSE, sizeof(entry));
    r.kinds = g_array_new(FALSE, FALSE, sizeof(sk_node_kind));
    r.faults = g_array_new(FALSE, FALSE, sizeof(sk_fault));
    g_array_set_clear_func(r.entries, clear_entry);
    *r.spec = (sk_cluster_spec){ .seed = 1, .fault_seed = 1, .pulls = 8 };
    if (!read_all(&r, text, size)) {
        sk_cluster_spec_free(r.spec);
        r.spec = NULL;
    }
    g_hash_table_destroy(r.lines);
    g_array_free(r.entries, TRUE);
    g_array_free(r.kinds, TRUE);
    g_array_free(r.faults, TRUE);
    g_key_file_free(r.keys);
    return r.spec;
}

void sk_cluster_spec_free(sk_cluster_spec *spec)
{
    if (!spec)
        return;
    g_free(spec->kinds);
    g_free(spec->faults);
    g_free(spec);
}
