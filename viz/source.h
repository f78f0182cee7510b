/* source.h -- a source file that a trace names, as lines to be shown.
 *
 * The idea: a trace may come from anybody and name anything: /etc/shadow, /dev/zero, a pipe, a file of a gigabyte. What it names is shown only
 * if it is a plain file of at most SK_SOURCE_MOST bytes, is text, is called like C or C++ source, and lies, links followed, in or below one of
 * these folders: the current one; that of the trace; that of the program, if the program is there and is the user's own, and up to three above
 * it (build/lessons/06 is made from lessons/06), short of / and of the user's home. Its path may lead on from the current folder, that of the trace,
 * or up to three above that; newer traces have the absolute path of the program, too, so that they may be looked at from anywhere.
 *
 * The path in the trace is as the compiler was told: absolute, or from wherever that ran. It is looked for from each of these folders, and then by its
 * name alone: so a trace that was sent together with its source shows it. */
#ifndef SK_SOURCE_H
#define SK_SOURCE_H

#include <stdint.h>

enum { SK_SOURCE_MOST = 2 << 20 };

typedef struct sk_source {
    char *trouble;            /* why there are no lines: a sentence, which says where it was sought; NULL: there are */
    char *path;               /* where it was found; NULL: nowhere */
    char *text;               /* valid UTF-8 without tabs and control characters; each line ends with a NUL */
    uint32_t *line, nlines;   /* line i + 1 begins at text + line[i] */
    int64_t changed;          /* when it was last written: seconds since 1970 */
} sk_source;

/* Never NULL. `trace`: the path of the trace, NULL: unknown; `program`: as the trace has it; `executable`: its absolute path, NULL: the trace does not
 * say. */
sk_source *sk_source_read(const char *file, const char *trace, const char *program, const char *executable);
void sk_source_free(sk_source *s); /* NULL is fine */

#endif
