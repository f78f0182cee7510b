/* lines.c -- see lines.h. */
#include "lines.h"

#include <errno.h>
#include <unistd.h>

enum { ROUNDS = (1 << 20) / SK_LINES_LONGEST };

void sk_lines_init(sk_lines *l, FILE *to, const char *prefix)
{
    *l = (sk_lines){ .to = to, .prefix = prefix, .data = malloc(SK_LINES_LONGEST) };
    if (!l->data)
        abort();
}

/* The first `size` bytes, which are whole lines, except perhaps at the end. */
static void pass_on(sk_lines *l, size_t size)
{
    flockfile(l->to);
    if (!l->prefix)
        fwrite_unlocked(l->data, 1, size, l->to);
    for (size_t at = 0, length; l->prefix && at < size; at += length) {
        const char *line = l->data + at, *newline = memchr(line, '\n', size - at);
        length = newline ? (size_t)(newline - line) + 1 : size - at;
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
        const char *newline = memrchr(l->data + l->n, '\n', (size_t)got);
        l->n += (size_t)got;
        if (newline)
            pass_on(l, (size_t)(newline - l->data) + 1);
        else if (l->n == SK_LINES_LONGEST)
            pass_on(l, l->n);
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
