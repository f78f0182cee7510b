/* ps.c -- `skate ps`: the sessions of this user that run now, their worker processes, and what their objects take. Reads what they have
 * written (sim/runfile.h), and removes what they have left behind if they were killed.
 *
 * Nothing in a file is believed: its size, kind and owner are looked at, numbers are printed as numbers, strings end where their
 * room ends and are printed without what a terminal might obey, and the process is asked of the kernel.
 *
 * Reading order: one file; all of them; the table; JSON; main.                                                     */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runfile.h"

static const char help[] =
    "One line for each program between sk_init and sk_shutdown, and one below it for each worker process (backend processes). Figures are at\n"
    "most a quarter of a second old. STORE: bytes of strings, buffers, arrays and lists now, at the peak, and what they may take.\n\n"
    "Examples:\n"
    "  skate run --backend processes --workers 4 ./program & skate ps\n"
    "  watch -n 1 skate ps\n"
    "  skate ps --json";

/* ---- one file ---- */

static bool reads_whole(int fd, sk_runfile *f)
{
    char *at = (char *)f;
    size_t left = sizeof *f;
    while (left > 0) {
        ssize_t n = read(fd, at, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        left -= (size_t)n;
    }
    return true;
}

static bool is_sound(sk_runfile *f)
{
    f->backend[sizeof f->backend - 1] = '\0';
    f->program[sizeof f->program - 1] = '\0';
    for (size_t i = 0; i < SK_RUNFILE_ROWS; i++)
        f->rows[i].task[SK_RUNFILE_TASK - 1] = '\0';
    return memcmp(f->magic, SK_RUNFILE_MAGIC, sizeof f->magic) == 0 && f->version == SK_RUNFILE_VERSION && f->size == sizeof *f
           && f->nrows <= SK_RUNFILE_ROWS;
}

/* A file that is being written reads as two halves of different age: then once more. */
static bool read_file(int directory, const char *name, sk_runfile *f)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    bool ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_size == (off_t)sizeof *f;
    sk_runfile *again = ok ? g_new(sk_runfile, 1) : NULL;
    ok = ok && reads_whole(fd, f);
    for (int i = 0; ok && i < 3; i++) {
        ok = lseek(fd, 0, SEEK_SET) == 0 && reads_whole(fd, again);
        bool is_same = ok && memcmp(f, again, sizeof *f) == 0;
        if (ok)
            memcpy(f, again, sizeof *f);
        if (is_same)
            break;
    }
    g_free(again);
    if (fd >= 0)
        close(fd);
    return ok && is_sound(f);
}

/* "1234", as sk_runfile_open names it; 0: another name. */
static pid_t pid_of(const char *name)
{
    guint64 n;
    if (*name < '1' || *name > '9' || !g_ascii_string_to_unsigned(name, 10, 1, G_MAXINT32, &n, NULL))
        return 0;
    return (pid_t)n;
}

/* ---- all of them ---- */

/* The session of this file, or NULL: there is none (any more). */
static sk_runfile *look(int directory, const char *name)
{
    pid_t pid = pid_of(name);
    if (!pid)
        return NULL;
    g_autofree sk_runfile *f = g_new0(sk_runfile, 1);
    bool ok = read_file(directory, name, f) && f->pid == pid;      /* before the look at the process: it may end meanwhile */
    guint64 born = sk_runfile_birth_of(pid);
    if (!born || (ok && f->born != born))
        unlinkat(directory, name, 0);
    return ok && born && f->born == born ? g_steal_pointer(&f) : NULL;
}

static void look_into(const char *path, GPtrArray *sessions)
{
    int directory = sk_runfile_open_directory(path);
    if (directory < 0) {
        if (errno != ENOENT && errno != EACCES)
            fprintf(stderr, "skate ps: %s is not looked at: it is no directory, or not of this user's alone (mode 700)\n", path);
        return;
    }
    int fd = dup(directory);
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e; entries && (e = readdir(entries));) {
        sk_runfile *f = look(directory, e->d_name);
        if (f)
            g_ptr_array_add(sessions, f);
    }
    if (entries)
        closedir(entries);
    close(directory);
}

static gint older_first(gconstpointer a, gconstpointer b)
{
    const sk_runfile *x = *(sk_runfile *const *)a, *y = *(sk_runfile *const *)b;
    return x->born != y->born ? (x->born < y->born ? -1 : 1) : x->pid < y->pid ? -1 : x->pid > y->pid;
}

static GPtrArray *find_sessions(void)
{
    GPtrArray *sessions = g_ptr_array_new_with_free_func(g_free);
    char path[3][SK_RUNFILE_PATH];
    for (size_t i = 0; i < 3 && sk_runfile_directory(i, path[i], sizeof path[i]); i++) {
        bool is_new = *path[i];
        for (size_t j = 0; j < i; j++)
            is_new = is_new && strcmp(path[i], path[j]) != 0;
        if (is_new)
            look_into(path[i], sessions);
    }
    g_ptr_array_sort(sessions, older_first);
    return sessions;
}

/* ---- the table ---- */

/* A terminal obeys what is not printable. */
static char *printable(const char *text)
{
    char *copy = g_utf8_make_valid(text, -1);
    GString *out = g_string_new(NULL);
    for (const char *p = copy; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        g_string_append_unichar(out, g_unichar_isprint(c) ? c : '?');
    }
    g_free(copy);
    return g_string_free(out, FALSE);
}

static char *bytes(guint64 n)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
    double x = (double)n;
    size_t i = 0;
    while (x >= 999.5 && i + 1 < G_N_ELEMENTS(units))
        x /= 1000, i++;
    return g_strdup_printf(i && x < 9.95 ? "%.1f %s" : "%.0f %s", x, units[i]);
}

static char *age(gint64 since)
{
    gint64 s = MAX(0, (gint64)time(NULL) - since);
    if (s >= 86400)
        return g_strdup_printf("%" G_GINT64_FORMAT "d %02d:%02d", s / 86400, (int)(s / 3600 % 24), (int)(s / 60 % 60));
    return g_strdup_printf("%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
}

static void print_session(const sk_runfile *f)
{
    g_autofree char *program = printable(f->program), *backend = printable(f->backend), *since = age(f->since);
    g_autofree char *live = bytes(f->store_live), *peak = bytes(f->store_peak), *most = bytes(f->store_limit);
    g_autofree char *spilled = bytes(f->store_spilled), *also = f->store_spilled ? g_strdup_printf(", %s spilled", spilled) : g_strdup("");
    g_autofree char *store = g_strdup_printf("%s, %s of %s%s", live, peak, most, also);
    guint64 ended = f->done + f->failed + f->cancelled, left = f->submitted > ended ? f->submitted - ended : 0;
    printf("%7d  %-10s %7d  %-8s %8" PRIu64 " %8" PRIu64 " %9" PRIu64 "  %-26s %s\n", f->pid, backend, f->workers, since, f->running, left, f->done,
           store, program);
    for (uint32_t i = 0; i < f->nrows; i++) {
        g_autofree char *task = printable(f->rows[i].task);
        printf("%7d    worker   %s%s\n", f->rows[i].pid, *task ? task : "idle", f->rows[i].is_blocked ? ", waits" : "");
    }
    if (f->worker_processes > f->nrows)
        printf("           and %" PRIu64 " more\n", f->worker_processes - f->nrows);
}

static void print_table(const GPtrArray *sessions)
{
    if (sessions->len == 0) {
        printf("no program runs tasks now\n");
        return;
    }
    printf("%7s  %-10s %7s  %-8s %8s %8s %9s  %-26s %s\n", "PID", "BACKEND", "WORKERS", "FOR", "RUNNING", "LEFT", "DONE", "STORE NOW, PEAK OF LIMIT", "PROGRAM");
    for (guint i = 0; i < sessions->len; i++)
        print_session(sessions->pdata[i]);
}

/* ---- JSON ---- */

static void print_string(const char *key, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    printf("\"%s\": \"", key);
    for (const char *p = valid; *p; p++)
        if (*p == '"' || *p == '\\')
            printf("\\%c", *p);
        else if ((unsigned char)*p < 32 || *p == 127)
            printf("\\u%04x", (unsigned char)*p);
        else
            putchar(*p);
    putchar('"');
}

static void print_json_session(const sk_runfile *f)
{
    printf("  { \"pid\": %d, ", f->pid);
    print_string("program", f->program);
    printf(", ");
    print_string("backend", f->backend);
    printf(", \"nodes\": %d, \"workers\": %d, \"since\": %" PRId64 ",\n    \"tasks\": { \"submitted\": %" PRIu64 ", \"running\": %" PRIu64 ", \"done\": %" PRIu64
           ", \"failed\": %" PRIu64 ", \"cancelled\": %" PRIu64 ", \"retries\": %" PRIu64 " },\n"
           "    \"store\": { \"live\": %" PRIu64 ", \"peak\": %" PRIu64 ", \"limit\": %" PRIu64 ", \"spilled\": %" PRIu64 " },\n"
           "    \"worker_processes\": [", f->nodes, f->workers, f->since, f->submitted, f->running, f->done, f->failed, f->cancelled, f->retries,
           f->store_live, f->store_peak, f->store_limit, f->store_spilled);
    for (uint32_t i = 0; i < f->nrows; i++) {
        printf("%s\n      { \"pid\": %d, ", i ? "," : "", f->rows[i].pid);
        print_string("task", f->rows[i].task);
        printf(", \"waits\": %s }", f->rows[i].is_blocked ? "true" : "false");
    }
    printf("%s] }", f->nrows ? "\n    " : "");
}

static void print_json(const GPtrArray *sessions)
{
    printf("[");
    for (guint i = 0; i < sessions->len; i++) {
        printf("%s\n", i ? "," : "");
        print_json_session(sessions->pdata[i]);
    }
    printf("%s]\n", sessions->len ? "\n" : "");
}

/* ---- main ---- */

int main(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, "print an array of objects, for programs", NULL },
        G_OPTION_ENTRY_NULL
    };
    setlocale(LC_CTYPE, "");
    g_set_prgname("skate ps");
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_set_summary(context, "Lists this user's programs that run tasks now, their workers, and what their objects take.");
    g_option_context_set_description(context, help);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "skate ps: %s; see skate ps --help\n", error->message);
        return 2;
    }
    if (argc > 1) {
        fprintf(stderr, "skate ps: it takes no arguments, but there is \"%s\"; see skate ps --help\n", argv[1]);
        return 2;
    }
    g_autoptr(GPtrArray) sessions = find_sessions();
    if (json)
        print_json(sessions);
    else
        print_table(sessions);
    return 0;
}
