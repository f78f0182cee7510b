/* window_script.c -- see window_script.h. Reading order: places; what the window says; the commands; the file. */
#include "window_script.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "paint.h"

#define FRAME 16666667ll

typedef struct script {
    sk_window *w;
    int64_t now;
    unsigned line;
    sk_error *err;
} script;

static bool fail(script *s, const char *format, ...) G_GNUC_PRINTF(2, 3);
static bool fail(script *s, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    g_vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (s->err) {
        s->err->code = SK_MISUSE;
        g_snprintf(s->err->message, sizeof s->err->message, "line %u: %s", s->line, what);
    }
    return false;
}

/* ---- Places: "X Y", or the name of a hit as in an SVG. Moves *word on ---------------------------------------------------------------- */

static bool place(script *s, char ***word, float *x, float *y)
{
    const sk_draw *d = sk_window_draw(s->w);
    const char *first = **word;
    char *end;
    if (!first)
        return fail(s, "where? X Y, or task-7, view-1 ...");
    *x = strtof(first, &end);
    if (*end == 0 && end != first) {
        if (!(*word)[1])
            return fail(s, "%s and what else? A place is X Y", first);
        *y = strtof((*word)[1], NULL);
        *word += 2;
        return true;
    }
    *word += 1;
    for (uint32_t i = d->nitems; i-- > 0;) { /* the topmost that can be seen there */
        const sk_item *item = &d->items[i];
        const sk_hit *hit = &d->hits[item->hit];
        if (!item->hit || (item->kind != SK_DRAW_RECT && item->kind != SK_DRAW_POLY))
            continue;
        g_autofree char *name = g_strdup_printf("%s-%u", sk_draw_hit_name(hit->what), hit->index + 1);
        *x = item->box.x + item->box.w / 2, *y = item->box.y + item->box.h / 2;
        if (hit->what == SK_HIT_BUTTON && hit->index < SK_COMMANDS && !strcmp(first, sk_commands[hit->index].name))
            return true;
        const sk_hit *top = &d->hits[sk_draw_at(d, *x, *y)];
        if (!strcmp(name, first) && top->what == hit->what && top->index == hit->index)
            return true;
    }
    return fail(s, "there is no %s in the picture", first);
}

/* ---- What the window says of itself ---------------------------------------------------------------------------------------------------- */

static char *value_of(script *s, const char *name)
{
    char *text = NULL, *found = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    sk_window_print(s->w, out);
    fclose(out);
    g_auto(GStrv) line = g_strsplit(text, "\n", -1);
    free(text);
    for (unsigned i = 0; line[i]; i++)
        if (g_str_has_prefix(line[i], name) && line[i][strlen(name)] == ' ')
            found = g_strdup(line[i] + strlen(name) + 1);
    return found;
}

static void frame(script *s, int64_t ns)
{
    s->now += ns;
    sk_window_tick(s->w, s->now);
    sk_window_write(s->w);
    sk_window_draw(s->w);
}

static bool check(script *s, const char *name, const char *value, bool wait)
{
    g_autofree char *found = value_of(s, name);
    if (!found)
        return fail(s, "the window knows no %s; `dump` lists all", name);
    for (int i = 0; wait && strcmp(found, value) && i < 60 * 60; i++) {
        frame(s, FRAME);
        g_usleep(s->w->model ? 0 : 10000); /* a lesson that runs needs real time */
        g_free(found);
        found = value_of(s, name);
    }
    return !strcmp(found, value) || fail(s, "%s is %s, not %s", name, found, value);
}

static bool dump(script *s, const char *path)
{
    FILE *out = path ? fopen(path, "w") : stdout;
    if (!out)
        return fail(s, "cannot write %s: %s", path, g_strerror(errno));
    sk_window_print(s->w, out);
    return (out == stdout || fclose(out) == 0) || fail(s, "cannot write %s: %s", path, g_strerror(errno));
}

/* ---- Commands ------------------------------------------------------------------------------------------------------------------------ */

static uint32_t mods_of(char **word)
{
    uint32_t mods = 0;
    for (; *word; word++)
        mods |= !strcmp(*word, "shift") ? SK_SHIFT : !strcmp(*word, "ctrl") ? SK_CTRL : 0;
    return mods;
}

static bool do_key(script *s, const char *name)
{
    uint32_t key = name ? sk_key_named(name) : 0;
    if (!key)
        return fail(s, "there is no key %s", name ? name : "without a name");
    sk_window_input(s->w, &(sk_input){ SK_INPUT_KEY, .key = key });
    return true;
}

static bool do_text(script *s, const char *text)
{
    for (; *text; text = g_utf8_next_char(text))
        sk_window_input(s->w, &(sk_input){ SK_INPUT_KEY, .key = g_utf8_get_char(text) });
    return true;
}

static bool do_mouse(script *s, const char *what, char **word)
{
    float x = 0, y = 0, dx = 0, dy = 0, by = 0;
    if (!strcmp(what, "wheel")) {
        if (!*word)
            return fail(s, "how far? wheel N AT");
        by = strtof(*word++, NULL);
    }
    if (!place(s, &word, &x, &y))
        return false;
    sk_window_input(s->w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y });
    if (!strcmp(what, "drag")) {
        if (g_strcmp0(word[0], "by") || !word[1] || !word[2])
            return fail(s, "how far? drag AT by DX DY");
        dx = strtof(word[1], NULL), dy = strtof(word[2], NULL);
        word += 3;
    }
    uint32_t mods = mods_of(word);
    if (by != 0)
        sk_window_input(s->w, &(sk_input){ SK_INPUT_WHEEL, .by = by, .mods = mods });
    else if (strcmp(what, "move")) {
        sk_window_input(s->w, &(sk_input){ SK_INPUT_PRESS, .x = x, .y = y, .mods = mods });
        for (int i = 1; i <= 4 && (dx != 0 || dy != 0); i++)
            sk_window_input(s->w, &(sk_input){ SK_INPUT_MOVE, .x = x + dx * i / 4, .y = y + dy * i / 4 });
        sk_window_input(s->w, &(sk_input){ SK_INPUT_RELEASE, .x = x + dx, .y = y + dy, .mods = mods });
    }
    return true;
}

static bool do_line(script *s, char *text)
{
    g_auto(GStrv) all = g_strsplit_set(g_strstrip(text), " \t", -1);
    g_autofree char **word = g_new0(char *, g_strv_length(all) + 1);
    for (unsigned i = 0, n = 0; all[i]; i++)
        if (*all[i])
            word[n++] = all[i];
    const char *what = word[0];
    const sk_draw *d;
    sk_error err;
    if (!what || *what == '#')
        return true;
    if (!strcmp(what, "key"))
        return do_key(s, word[1]);
    if (!strcmp(what, "text"))
        return do_text(s, text + strlen("text") + (text[4] ? 1 : 0));
    if (!strcmp(what, "move") || !strcmp(what, "click") || !strcmp(what, "drag") || !strcmp(what, "wheel"))
        return do_mouse(s, what, word + 1);
    if (!strcmp(what, "dump"))
        return dump(s, word[1]);
    if (!strcmp(what, "draw")) {
        d = sk_window_draw(s->w);
        return sk_paint_text(d, (int)s->w->width, (int)s->w->height, word[1] ? word[1] : "-", &err) || fail(s, "%s", err.message);
    }
    if (!word[1])
        return fail(s, "%s what?", what);
    if (!strcmp(what, "shot")) {
        d = sk_window_draw(s->w);
        return sk_paint_png(d, (int)s->w->width, (int)s->w->height, word[1], &err) || fail(s, "%s", err.message);
    }
    if (!strcmp(what, "wait")) {
        for (int64_t left = (int64_t)(strtod(word[1], NULL) * 1e6); left > 0; left -= FRAME)
            frame(s, MIN(left, FRAME));
        return true;
    }
    if (!word[2])
        return fail(s, "there is no command %s, or it needs more words", what);
    if (!strcmp(what, "size")) {
        sk_window_input(s->w, &(sk_input){ SK_INPUT_SIZE, .x = strtof(word[1], NULL), .y = strtof(word[2], NULL), .by = word[3] ? strtof(word[3], NULL) : 0 });
        return true;
    }
    if (!strcmp(what, "check") || !strcmp(what, "wait-for")) {
        const char *value = strstr(text, word[1]) + strlen(word[1]);
        return check(s, word[1], value + strspn(value, " \t"), *what == 'w');
    }
    return fail(s, "there is no command %s", what);
}

bool sk_script_run(sk_window *w, const char *path, sk_error *err)
{
    script s = { .w = w, .now = 1, .err = err };
    g_autofree char *text = NULL;
    g_autoptr(GError) wrong = NULL;
    if (!g_file_get_contents(path, &text, NULL, &wrong))
        return fail(&s, "%s", wrong->message);
    sk_window_tick(w, s.now);
    g_auto(GStrv) line = g_strsplit(text, "\n", -1);
    for (; line[s.line] && !w->done; ) {
        char *here = line[s.line++];
        if (!do_line(&s, here))
            return false;
    }
    return true;
}
