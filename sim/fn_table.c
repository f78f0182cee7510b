/* fn_table.c -- see fn_table.h. Reading order: ours; a text, line by line; types out of a signature; where two texts differ. */
#include "fn_table.h"

#include <glib.h>
#include <stdio.h>

/* ---- Ours ---- */

/* Macros write each of them in one line; who registers a function by hand may not have. */
static void append(GString *to, const char *text)
{
    for (; *text; text++)
        g_string_append_c(to, (unsigned char)*text < ' ' ? ' ' : *text);
}

char *sk_fn_table_text(void)
{
    size_t n;
    sk_fn **table = sk_fn_by_name(&n);     /* also before the session has sorted them */
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < n; i++) {
        const sk_fn *fn = table[i];
        append(text, fn->name);
        g_string_append_c(text, '\t');
        append(text, fn->signature);
        g_string_append_c(text, '\n');
    }
    free(table);
    return g_string_free(text, FALSE);     /* g_free is free */
}

void sk_fn_table_id(unsigned char id[32])
{
    char *text = sk_fn_table_text();
    GChecksum *hash = g_checksum_new(G_CHECKSUM_SHA256);
    gsize size = 32;
    g_checksum_update(hash, (const guchar *)text, -1);
    g_checksum_get_digest(hash, id, &size);
    g_checksum_free(hash);
    free(text);
}

/* ---- A text, line by line ---- */

typedef struct piece { const char *at; size_t size; } piece;           /* of a text; not ended by a 0 */

typedef struct reader {
    const char *at, *end;
    int line;                              /* the number of the one that has been read */
    piece name, signature;
    const char *wrong;                     /* what the line is not; then there are no more */
} reader;

static bool is_equal(piece a, piece b) { return a.size == b.size && !memcmp(a.at, b.at, a.size); }

static int compare(piece a, piece b)
{
    int order = memcmp(a.at, b.at, MIN(a.size, b.size));
    return order ? order : a.size < b.size ? -1 : a.size > b.size;
}

/* The next line; false at the end, and where it is no line of a table: names are not empty, and each comes after the one before. */
static bool next(reader *r)
{
    piece before = r->name;
    if (r->at == r->end)
        return false;
    r->line++;
    const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
    const char *tab = newline ? memchr(r->at, '\t', (size_t)(newline - r->at)) : NULL;
    if (!newline)
        r->wrong = "does not end";
    else if (!tab)
        r->wrong = "has no tab";
    else if (tab == r->at)
        r->wrong = "has no name";
    if (r->wrong)
        return false;
    r->name = (piece){ r->at, (size_t)(tab - r->at) };
    r->signature = (piece){ tab + 1, (size_t)(newline - tab - 1) };
    r->at = newline + 1;
    if (r->line > 1 && compare(before, r->name) >= 0)
        r->wrong = "is not in the order of names";
    return !r->wrong;
}

/* ---- Types out of a signature: "T f((double, a), (sk_array, b))", or "((T, a), (U, b)) f(...)" ---- */

/* The types of a list of pairs, "(double, sk_array)". A type ends at the last comma of its pair. */
static void append_types(GString *to, piece list)
{
    int depth = 0;
    const char *start = NULL, *comma = NULL;
    g_string_append_c(to, '(');
    bool is_first = true;
    for (const char *p = list.at; p < list.at + list.size; p++) {
        if (*p == '(' && depth++ == 0)
            start = p + 1, comma = NULL;
        else if (*p == ',' && depth == 1)
            comma = p;
        else if (*p == ')' && depth > 0 && --depth == 0 && comma) {
            g_string_append(to, is_first ? "" : ", ");
            g_string_append_len(to, start, comma - start);
            is_first = false;
        }
    }
    g_string_append_c(to, ')');
}

/* What stands before the name and its bracket, and what is in that bracket. false: it does not look like a signature. */
static bool split(piece name, piece signature, piece *answers, piece *parameters)
{
    const char *end = signature.at + signature.size;
    for (const char *p = signature.at; p && (size_t)(end - p) > name.size; p++) {
        p = memmem(p, (size_t)(end - p), name.at, name.size);
        if (!p || p + name.size == end)
            return false;
        if (p == signature.at || p[-1] != ' ' || p[name.size] != '(' || end[-1] != ')')
            continue;
        *answers = (piece){ signature.at, (size_t)(p - 1 - signature.at) };
        *parameters = (piece){ p + name.size + 1, (size_t)(end - 1 - (p + name.size + 1)) };
        return true;
    }
    return false;
}

static void append_answers(GString *to, piece answers)
{
    if (answers.size && answers.at[0] == '(')          /* "((T, a), (U, b))" */
        append_types(to, (piece){ answers.at + 1, answers.size - 1 });
    else
        g_string_append_printf(to, "(%.*s)", (int)answers.size, answers.at);
}

/* ---- Where two texts differ ---- */

enum { SHOWN = 300 };                      /* characters of a piece in a message */

static char *shown(const char *text, size_t size)
{
    size_t n = MIN(size, SHOWN);
    char *copy = g_malloc(n + 1);
    for (size_t i = 0; i < n; i++)
        copy[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];      /* a terminal obeys what is not printable */
    copy[n] = '\0';
    return copy;
}

/* "(double, sk_array)": of the parameters, or of the answers. NULL: that is no signature. */
static char *types_of(piece name, piece signature, bool of_answers)
{
    piece answers, parameters;
    if (!split(name, signature, &answers, &parameters))
        return NULL;
    g_autoptr(GString) types = g_string_new(NULL);
    if (of_answers)
        append_answers(types, answers);
    else
        append_types(types, parameters);
    return shown(types->str, types->len);
}

static void say_different(piece name, piece here, piece there, char *text, size_t room)
{
    g_autofree char *called = shown(name.at, name.size);
    for (int of_answers = 0; of_answers < 2; of_answers++) {
        g_autofree char *a = types_of(name, here, of_answers), *b = types_of(name, there, of_answers);
        if (a && b && strcmp(a, b) != 0) {
            snprintf(text, room, "`%s` %s %s here and %s there", called, of_answers ? "answers" : "takes", a, b);
            return;
        }
    }
    g_autofree char *a = shown(here.at, here.size), *b = shown(there.at, there.size);
    snprintf(text, room, "`%s` is written `%s` here and `%s` there", called, a, b);
}

bool sk_fn_table_differs(const char *ours, const char *theirs, size_t size, const char *who, char *text, size_t room)
{
    reader a = { .at = ours, .end = ours + strlen(ours) }, b = { .at = theirs, .end = theirs + size };
    for (;;) {
        bool more = next(&a), more_there = next(&b);
        if (b.wrong) {
            snprintf(text, room, "%s sent no table of functions: line %d %s", who, b.line, b.wrong);
            return true;
        }
        if (!more && !more_there)
            return false;
        int order = !more ? 1 : !more_there ? -1 : compare(a.name, b.name);
        piece name = order > 0 ? b.name : a.name;
        g_autofree char *called = shown(name.at, name.size);
        if (order < 0)
            snprintf(text, room, "%s has no `%s`", who, called);
        else if (order > 0)
            snprintf(text, room, "%s has `%s`, which is not here", who, called);
        else if (!is_equal(a.signature, b.signature))
            say_different(name, a.signature, b.signature, text, room);
        else
            continue;
        return true;
    }
}
