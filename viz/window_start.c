/* window_start.c -- the screen without a file: lessons to run, recent files to open. A lesson is run by `skate run --trace`, in the background, and
 * its log opened when it ends.
 *
 * The recent files are lines of a file of the user's, the last one first. */
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "window_own.h"

enum { RECENT = 9, LESSONS = 40 };
typedef struct sk_start {
    GPtrArray *lesson, *recent;      /* paths */
    char *recent_file, *runner;
    uint32_t at;                     /* the entry that is chosen: lessons, then recent files */
    GPid pid;                        /* of the lesson that runs; 0: none */
    char *log, *lesson_name;         /* that it writes; what it is called */
} sk_start;

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

sk_start *sk_start_new(const sk_window_setup *setup)
{
    sk_start *s = g_new0(sk_start, 1);
    s->lesson = g_ptr_array_new_with_free_func(g_free);
    s->recent = g_ptr_array_new_with_free_func(g_free);
    s->recent_file = g_strdup(setup->recent);
    s->runner = g_strdup(setup->runner);
    g_autoptr(GDir) dir = setup->lessons ? g_dir_open(setup->lessons, 0, NULL) : NULL;
    for (const char *name; dir && (name = g_dir_read_name(dir)) && s->lesson->len < LESSONS;) {
        char *path = g_build_filename(setup->lessons, name, NULL);
        if (g_ascii_isdigit(name[0]) && g_file_test(path, G_FILE_TEST_IS_REGULAR) && g_file_test(path, G_FILE_TEST_IS_EXECUTABLE))
            g_ptr_array_add(s->lesson, path);
        else
            g_free(path);
    }
    g_ptr_array_sort(s->lesson, by_name);
    g_autofree char *text = NULL;
    if (setup->recent && g_file_get_contents(setup->recent, &text, NULL, NULL) && g_utf8_validate(text, -1, NULL)) {
        g_auto(GStrv) line = g_strsplit(text, "\n", -1);
        for (unsigned i = 0; line[i] && s->recent->len < RECENT; i++)
            if (*line[i] && g_file_test(line[i], G_FILE_TEST_EXISTS))
                g_ptr_array_add(s->recent, g_strdup(line[i]));
    }
    return s;
}

void sk_start_free(sk_start *s)
{
    if (!s)
        return;
    if (s->pid) {
        kill(s->pid, SIGTERM);
        waitpid(s->pid, NULL, 0);
    }
    if (s->log)
        g_unlink(s->log);
    g_ptr_array_unref(s->lesson);
    g_ptr_array_unref(s->recent);
    g_free(s->recent_file), g_free(s->runner), g_free(s->log), g_free(s->lesson_name);
    g_free(s);
}

void sk_start_remember(sk_start *s, const char *path)
{
    g_autofree char *full = g_canonicalize_filename(path, NULL);
    if (!s->recent_file || !g_file_test(full, G_FILE_TEST_EXISTS) || strchr(full, '\n') || g_strcmp0(path, s->log) == 0)
        return;
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%s\n", full);
    unsigned n = 1;
    for (unsigned i = 0; i < s->recent->len && n < RECENT; i++)
        if (strcmp(s->recent->pdata[i], full))
            g_string_append_printf(text, "%s\n", (char *)s->recent->pdata[i]), n++;
    g_autofree char *dir = g_path_get_dirname(s->recent_file);
    g_mkdir_with_parents(dir, 0700);
    g_file_set_contents(s->recent_file, text->str, (gssize)text->len, NULL); /* if that fails, it is forgotten */
    g_string_free(text, TRUE);
}

/* ---- Choosing ---------------------------------------------------------------------------------------------------------------------- */

static void open_log(sk_window *w, const char *path, const char *called)
{
    sk_error err;
    sk_model *m = sk_model_load(path, &err);
    if (m)
        sk_window_show(w, m, called);
    else
        sk_window_say(w, "%s", err.message);
}

static void run(sk_window *w, const char *lesson)
{
    sk_start *s = w->start;
    g_autoptr(GError) err = NULL;
    if (s->pid)
        return sk_window_say(w, "one lesson is running already");
    if (!s->runner)
        return sk_window_say(w, "there is no `skate run` beside this program; run the lesson with --trace, and open its log");
    int fd = g_file_open_tmp("skate-view-XXXXXX.sktrace", &s->log, &err);
    if (fd < 0)
        return sk_window_say(w, "there is no room for a log: %s", err->message);
    close(fd);
    char *argv[] = { s->runner, (char *)"run", (char *)"--trace", s->log, (char *)lesson, NULL };
    g_free(s->lesson_name);
    s->lesson_name = g_path_get_basename(lesson); /* the entry that is chosen may be another one when it ends */
    if (!g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, &s->pid, &err)) {
        sk_window_say(w, "the lesson does not start: %s", err->message);
        g_unlink(s->log);
        g_clear_pointer(&s->log, g_free);
        s->pid = 0;
    }
    w->stale = true;
}

int64_t sk_start_tick(sk_window *w)
{
    sk_start *s = w->start;
    int status;
    if (!s->pid)
        return INT64_MAX;
    pid_t got = waitpid(s->pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return 50000000;
    s->pid = 0;
    w->stale = true;
    g_autofree char *log = g_steal_pointer(&s->log);
    open_log(w, log, s->lesson_name);
    if (w->model && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        sk_window_say(w, "the lesson ended with an error; this is what it had done");
    g_unlink(log);
    return 0;
}

void sk_start_choose(sk_window *w, uint32_t entry)
{
    sk_start *s = w->start;
    if (entry >= s->lesson->len + s->recent->len || s->pid)
        return;
    s->at = entry;
    if (entry < s->lesson->len)
        run(w, s->lesson->pdata[entry]);
    else {
        g_autofree char *path = g_strdup(s->recent->pdata[entry - s->lesson->len]);
        open_log(w, path, path);
    }
    w->stale = true;
}

bool sk_start_key(sk_window *w, uint32_t key)
{
    sk_start *s = w->start;
    uint32_t n = s->lesson->len + s->recent->len;
    if (key == SK_KEY_ENTER)
        sk_start_choose(w, s->at);
    else if (n && (key == SK_KEY_UP || key == SK_KEY_DOWN || key == SK_KEY_TAB))
        s->at = (s->at + (key == SK_KEY_UP ? n - 1 : 1)) % n;
    else
        return false;
    w->stale = true;
    return true;
}

/* ---- Drawing ----------------------------------------------------------------------------------------------------------------------- */

static void draw_list(const sk_window *w, sk_draw *d, sk_rect box, const char *title, const GPtrArray *paths, uint32_t first, const char *none)
{
    const sk_palette *p = sk_palette_of(w->state.theme);
    float u = sk_window_unit(w), size = 13 * u, line = MIN(24 * u, (box.h - 30 * u) / MAX(paths->len, 1u)), y = box.y + 30 * u;
    size = MIN(size, line * .8f);
    sk_draw_label(d, (sk_rect){ box.x, box.y, box.w, 24 * u }, title, SK_FONT_BOLD, 14 * u, SK_LEFT, p->text);
    if (!paths->len)
        sk_draw_label(d, (sk_rect){ box.x, y, box.w, 24 * u }, none, SK_FONT, 12 * u, SK_LEFT, p->dim);
    for (unsigned i = 0; i < paths->len; i++, y += line) {
        sk_rect row = { box.x, y, box.w, line - 2 * u };
        g_autofree char *name = g_path_get_basename(paths->pdata[i]);
        bool at = w->start->at == first + i, over = w->over.what == SK_HIT_BUTTON && w->over.index == SK_COMMANDS + first + i;
        sk_draw_hit(d, SK_HIT_BUTTON, SK_COMMANDS + first + i, paths->pdata[i]);
        sk_draw_rect(d, row, &(sk_pen){ .fill = at || over ? sk_palette_mix(p->ground, p->select, .25f) : p->panel, .radius = 4 * u });
        sk_draw_label(d, (sk_rect){ row.x + 8 * u, row.y, row.w - 16 * u, row.h }, name, SK_FONT, size, SK_LEFT, p->text);
        sk_draw_hit(d, SK_HIT_NONE, 0, NULL);
    }
}

void sk_start_draw(sk_window *w, sk_draw *d)
{
    const sk_start *s = w->start;
    const sk_palette *p = sk_palette_of(w->state.theme);
    float u = sk_window_unit(w), wide = MIN(w->width - 40 * u, 900 * u), x = (w->width - wide) / 2, top = MIN(60 * u, w->height / 10);
    bool two = wide > 500 * u;
    sk_draw_layer(d, SK_LAYER_GROUND);
    sk_draw_text(d, x, top + 24 * u, "Skate", SK_FONT_BOLD, 26 * u, SK_LEFT, p->text);
    const char *say = s->pid ? "the lesson runs; its picture opens when it ends ..."
                      : *w->message && w->message_until > w->player.now ? w->message
                                                                       : "Up, Down and Enter, or a click.   To open another: skate view FILE.sktrace";
    sk_draw_label(d, (sk_rect){ x, top + 34 * u, wide, 24 * u }, say, SK_FONT, 12 * u, SK_LEFT, p->dim);
    sk_rect left = { x, top + 76 * u, two ? wide / 2 - 12 * u : wide, w->height - top - 90 * u }, right = left;
    if (two)
        right.x += wide / 2 + 12 * u;
    else
        left.h *= .6f, right.y += left.h, right.h *= .4f;
    draw_list(w, d, left, "Lessons, to run and watch", s->lesson, 0, "none are built here: make lessons");
    draw_list(w, d, right, "Recent files", s->recent, s->lesson->len, "none yet: skate run --trace FILE.sktrace ./program");
}
