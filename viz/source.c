/* source.c -- see source.h. Reading order: 1 folders; 2 what may be shown; 3 lines; 4 looking for it. */
#define _GNU_SOURCE
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

enum { ABOVE = 3, TAB = 4 };

/* ---- 1. Folders ----------------------------------------------------------------------------------------------------------------------- */

/* Is `path` `folder`, or in or below it? Both are real paths. */
static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return !strncmp(path, folder, n) && (path[n] == '/' || !path[n]);
}

static void add(GPtrArray *folders, char *real)
{
    if (!real || !strcmp(real, "/") || g_ptr_array_find_with_equal_func(folders, real, g_str_equal, NULL))
        free(real);
    else
        g_ptr_array_add(folders, real);
}

/* Why the program at this path, links followed, is not believed to be the user's; NULL: it is. */
static const char *distrust(const char *real)
{
    struct stat st;
    if (!real || stat(real, &st))
        return errno == ENOENT || errno == ENOTDIR ? "is not there" : "cannot be looked at";
    return !S_ISREG(st.st_mode)          ? "is no plain file"
           : st.st_uid != geteuid()      ? "is another user's, and is not followed"
           : !(st.st_mode & 0100)        ? "may not be run by its owner"
                                         : NULL;
}

/* The folder of the program and those above it. Whoever made the trace chose its path: it is believed if there is such a program, and nobody else could
 * have put it there. */
static bool add_program(GPtrArray *folders, const char *program, const char *home)
{
    char *real = realpath(program, NULL);
    bool good = strchr(program, '/') && !distrust(real);
    for (int above = 0; good && above <= ABOVE; above++) {
        *strrchr(real, '/') = 0;
        if (!*real || (home && is_below(home, real)))
            break;
        add(folders, strdup(real));
    }
    free(real);
    return good;
}

/* A path that is not absolute leads on from where the program was started. Newer traces say what file it was; else, or if that has gone elsewhere
 * together with the trace, it is tried from here, from the trace, and from above it. */
static bool find_program(GPtrArray *folders, const char *program, const char *executable, const char *beside)
{
    char *home = realpath(g_get_home_dir(), NULL), *from = beside && *program != '/' ? realpath(beside, NULL) : NULL;
    bool found = executable && *executable == '/' && add_program(folders, executable, home);
    found |= add_program(folders, program, home);
    for (int above = 0; !found && from && *from && above <= ABOVE && !(above && home && is_below(home, from)); above++) {
        g_autofree char *path = g_build_filename(from, program, NULL);
        found = strchr(program, '/') && add_program(folders, path, home);
        *strrchr(from, '/') = 0;
    }
    free(from);
    free(home);
    return found;
}

/* *found: the program is there. */
static GPtrArray *folders_of(const char *trace, const char *program, const char *executable, bool *found)
{
    GPtrArray *folders = g_ptr_array_new_with_free_func(free);
    g_autofree char *beside = trace ? g_path_get_dirname(trace) : NULL;
    add(folders, realpath(".", NULL));
    if (beside)
        add(folders, realpath(beside, NULL));
    *found = find_program(folders, program, executable, beside);
    return folders;
}

/* ---- 2. What may be shown -------------------------------------------------------------------------------------------------------------- */

static bool is_called_like_source(const char *path)
{
    static const char *const ends[] = { ".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp" };
    for (unsigned i = 0; i < G_N_ELEMENTS(ends); i++)
        if (g_str_has_suffix(path, ends[i]))
            return true;
    return false;
}

/* All of a file that may be shown, else NULL and why not. Devices and pipes are never opened: that alone can do something, or wait for ever. */
static char *read_all(const char *real, size_t *size, int64_t *changed, const char **why)
{
    struct stat st;
    if (stat(real, &st))
        return *why = g_strerror(errno), NULL;
    if (!S_ISREG(st.st_mode))
        return *why = "it is no plain file", NULL;
    int fd = open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > SK_SOURCE_MOST) {
        *why = fd < 0 ? g_strerror(errno) : st.st_size > SK_SOURCE_MOST ? "it has more than 2 MiB" : "it is no plain file";
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    char *text = g_malloc((size_t)st.st_size + 1);
    ssize_t got;
    *size = 0;
    while (*size < (size_t)st.st_size && (got = read(fd, text + *size, (size_t)st.st_size - *size)) > 0)
        *size += (size_t)got;
    close(fd);
    text[*size] = 0;
    *changed = st.st_mtim.tv_sec;
    if (memchr(text, 0, *size)) {
        g_free(text);
        return *why = "it is no text", NULL;
    }
    return text;
}

/* ---- 3. Lines -------------------------------------------------------------------------------------------------------------------------- */

static void split(sk_source *s, const char *text)
{
    GString *out = g_string_new(NULL);
    GArray *line = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    unsigned column = 0;
    bool fresh = true; /* the next letter begins a line */
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        uint32_t start = (uint32_t)out->len;
        if (fresh)
            g_array_append_val(line, start);
        gunichar c = g_utf8_get_char(p);
        fresh = c == '\n';
        if (fresh) {
            g_string_append_c(out, 0);
            column = 0;
        } else if (c == '\t') {
            g_string_append_len(out, "    ", TAB - column % TAB);
            column += TAB - column % TAB;
        } else if (c != '\r' || (p[1] && p[1] != '\n')) {
            g_string_append_unichar(out, g_unichar_iscntrl(c) ? ' ' : c);
            column++;
        }
    }
    s->text = g_string_free(out, FALSE);
    s->nlines = line->len;
    s->line = (uint32_t *)(void *)g_array_free(line, FALSE);
}

/* ---- 4. Looking for it ----------------------------------------------------------------------------------------------------------------- */

/* Takes the file at this path if there is one that may be shown. Else false, and the reason in s->trouble if there is something there. */
static bool take(sk_source *s, const char *path, const GPtrArray *folders)
{
    const char *why = NULL;
    char *real = realpath(path, NULL);
    bool here = false;
    size_t size;
    if (!real && (errno == ENOENT || errno == ENOTDIR))
        return false;
    for (unsigned i = 0; real && i < folders->len; i++)
        here |= is_below(real, folders->pdata[i]);
    if (!real)
        why = g_strerror(errno);
    else if (!is_called_like_source(real))
        why = "what it is called is no source of C or C++ (.c .h .cc .cpp .cxx .hh .hpp)";
    else if (!here)
        why = "it lies outside the current folder, the trace's and the program's";
    g_autofree char *text = why ? NULL : read_all(real, &size, &s->changed, &why);
    if (text) {
        g_autofree char *valid = g_utf8_make_valid(text, (gssize)size);
        s->path = g_strdup(real);
        split(s, valid);
    } else if (!s->trouble) {
        s->trouble = g_strdup_printf("%s is not shown: %s.", path, why);
    }
    free(real);
    return text != NULL;
}

/* Why the path that the trace has of its program led to no folder. */
static const char *why_no_program(const char *executable)
{
    char *real = *executable == '/' ? realpath(executable, NULL) : NULL;
    const char *why = *executable == '/' ? distrust(real) : "has no absolute path";
    free(real);
    return why ? why : "has just come"; /* it was not to be believed a moment ago */
}

sk_source *sk_source_read(const char *file, const char *trace, const char *program, const char *executable)
{
    sk_source *s = g_new0(sk_source, 1);
    bool found = false, has_program;
    g_autoptr(GPtrArray) folders = folders_of(trace, program, executable, &has_program);
    g_autofree char *name = g_path_get_basename(file);
    bool absolute = *file == '/';
    if (!is_called_like_source(file)) { /* and is not even looked for */
        s->trouble = g_strdup_printf("%s is not shown: what it is called is no source of C or C++ (.c .h .cc .cpp .cxx .hh .hpp).", file);
        return s;
    }
    if (absolute)
        found = take(s, file, folders);
    for (int by_name = absolute; !found && by_name <= 1; by_name++)
        for (unsigned i = 0; !found && i < folders->len; i++) {
            g_autofree char *path = g_build_filename(folders->pdata[i], by_name ? name : file, NULL);
            found = take(s, path, folders);
        }
    if (found) {
        g_clear_pointer(&s->trouble, g_free); /* of another place */
    } else if (!s->trouble) {
        GString *where = g_string_new(NULL);
        for (unsigned i = 0; i < folders->len; i++)
            g_string_append_printf(where, "%s%s", i ? ", " : "", (char *)folders->pdata[i]);
        if (executable && !has_program)
            g_string_append_printf(where, "; the program, %s, %s", executable, why_no_program(executable));
        s->trouble = g_strdup_printf(
            "%s is not here: sought by this path, and as %s, in %s. Go to where the program was built, or lay it beside the trace.", file, name,
            where->str);
        g_string_free(where, TRUE);
    }
    return s;
}

void sk_source_free(sk_source *s)
{
    if (!s)
        return;
    g_free(s->trouble);
    g_free(s->path);
    g_free(s->text);
    g_free(s->line);
    g_free(s);
}
