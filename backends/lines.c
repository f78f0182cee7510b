/* lines.c -- see lines.h. */
#include "lines.h"

#include <errno.h>
#include <unistd.h>

enum { ROUNDS = (1 << 20) / SK_LINES_LONGEST };

void sk_lines_init(sk_lines *l, FILE *to, const char *prefix)
{
    *l = (sk_lines){ .to = to, .prefixes = prefix, .data = malloc(SK_LINES_LONGEST) };
    if (!l->data)
        abort();
    if (prefix)
        snprintf(l->prefix, sizeof l->prefix, "%s", prefix);
}

/* A label: MARK, the prefix, a newline. A program does not print that by chance. */
static const char MARK[] = "\036skate\037";
enum { MARK_SIZE = sizeof MARK - 1 };

size_t sk_lines_label(char label[SK_LINES_LABEL], const char *prefix)
{
    int n = snprintf(label, SK_LINES_LABEL, "%s%.*s\n", MARK, SK_LINES_PREFIX - 1, prefix);
    for (char *at = label + MARK_SIZE; at < label + n - 1; at++)
        if (*at == '\n')                   /* a name may have any characters */
            *at = ' ';
    return (size_t)n;
}

static void take_label(sk_lines *l, const char *text, size_t length)
{
    length = length < sizeof l->prefix ? length : sizeof l->prefix - 1;
    memcpy(l->prefix, text, length);
    l->prefix[length] = '\0';
    l->cut = false;
}

/* The first `size` bytes, which are whole lines, except perhaps at the end. A label may stand behind a line without an end. */
static void pass_on(sk_lines *l, size_t size)
{
    flockfile(l->to);
    if (!l->prefixes)
        fwrite_unlocked(l->data, 1, size, l->to);
    for (size_t at = 0, length; l->prefixes && at < size; at += length) {
        const char *line = l->data + at, *newline = memchr(line, '\n', size - at);
        length = newline ? (size_t)(newline - line) + 1 : size - at;
        const char *label = newline ? memmem(line, length, MARK, MARK_SIZE) : NULL;
        if (label == line) {
            take_label(l, line + MARK_SIZE, length - MARK_SIZE - 1);
            continue;
        }
        if (label) {
            length = (size_t)(label - line);
            newline = NULL;
        }
        bool shown = l->cut && newline == line;               /* the newline that the last piece has been given already */
        l->cut = !newline;
        if (shown)
            continue;
        fputs_unlocked(l->prefix, l->to);
        fwrite_unlocked(line, 1, length, l->to);
        if (!newline)
            putc_unlocked('\n', l->to);
    }
    funlockfile(l->to);
    l->n -= size;
    memmove(l->data, l->data + size, l->n);
}

/* A long piece may end in the middle of a label: that waits for the rest. */
static size_t without_label(const sk_lines *l)
{
    const char *end = l->data + l->n, *mark = l->prefixes ? memrchr(end - SK_LINES_LABEL, MARK[0], SK_LINES_LABEL) : NULL;
    if (!mark)
        return l->n;
    size_t there = (size_t)(end - mark) < MARK_SIZE ? (size_t)(end - mark) : MARK_SIZE;
    return memcmp(mark, MARK, there) == 0 ? (size_t)(mark - l->data) : l->n;
}

/* So many bytes have come behind those that were there. Some room is left for the next. */
static void take(sk_lines *l, size_t got)
{
    const char *newline = memrchr(l->data + l->n, '\n', got);
    l->n += got;
    if (newline)
        pass_on(l, (size_t)(newline - l->data) + 1);
    else if (l->n == SK_LINES_LONGEST)
        pass_on(l, without_label(l));
}

void sk_lines_feed(sk_lines *l, const void *bytes, size_t size)
{
    for (size_t at = 0, piece; at < size; at += piece) {
        piece = SK_LINES_LONGEST - l->n < size - at ? SK_LINES_LONGEST - l->n : size - at;
        memcpy(l->data + l->n, (const char *)bytes + at, piece);
        take(l, piece);
    }
}

bool sk_lines_read(sk_lines *l, int fd)
{
    for (int i = 0; i < ROUNDS; ) {
        ssize_t got = read(fd, l->data + l->n, SK_LINES_LONGEST - l->n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return true;
        if (got <= 0) {
            if (l->n)
                pass_on(l, l->n);
            return false;
        }
        take(l, (size_t)got);
        i++;
    }
    return true;
}

void sk_lines_clear(sk_lines *l)
{
    if (l->n)
        pass_on(l, l->n);
    free(l->data);
    l->data = NULL;
}
