/* error.c -- see error.h. */
#include "error.h"

#include <stdarg.h>
#include <unistd.h>

static const char *const names[SK_CODES] = {
    "OK", "TIMEOUT", "TASK", "CANCELLED", "TASK_TIMEOUT", "WORKER_DIED", "WORKER_OOM", "OBJECT_LOST", "STORE_FULL",
    "INFEASIBLE", "DEADLOCK", "LIMIT", "HEAD_LOST", "PROTOCOL", "MISUSE",
};

const char *sk_code_name(sk_code code)
{
    return (unsigned)code < SK_CODES ? names[code] : "?";
}

sk_failure *sk_failure_new(sk_code code, const sk_site *site, sk_failure *cause, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int length = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    sk_failure *f = malloc(sizeof *f + (size_t)length + 1);
    if (!f)
        abort();
    *f = (sk_failure){ .refs = 1, .code = code, .site = site, .cause = cause };
    va_start(ap, format);
    vsnprintf(f->text, (size_t)length + 1, format, ap);
    va_end(ap);
    return f;
}

sk_failure *sk_failure_ref(sk_failure *failure)
{
    atomic_fetch_add_explicit(&failure->refs, 1, relaxed);
    return failure;
}

void sk_failure_unref(sk_failure *failure)
{
    while (failure && atomic_fetch_sub_explicit(&failure->refs, 1, acq_rel) == 1) {   /* a loop: chains are long */
        sk_failure *cause = failure->cause;
        free(failure);
        failure = cause;
    }
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

enum { HEAD = 8, TAIL = 4 };     /* of a chain of thousands, show these */

void sk_failure_print(const sk_failure *failure, FILE *out)
{
    size_t n = 0, i = 0;
    for (const sk_failure *f = failure; f; f = f->cause)
        n++;
    for (const sk_failure *f = failure; f; f = f->cause, i++) {
        if (n > HEAD + TAIL && i == HEAD)
            fprintf(out, "    ... %zu more ...\n", n - HEAD - TAIL);
        if (n > HEAD + TAIL && i >= HEAD && i < n - TAIL)
            continue;
        fprintf(out, "    ");
        if (f->site)
            fprintf(out, "%s:%d: ", f->site->file, f->site->line);
        for (const char *p = f->text; *p; p++) {  /* a deadlock has lines of its own: below their hop */
            fputc(*p, out);
            if (*p == '\n')
                fputs("    ", out);
        }
        fputc('\n', out);
    }
}

void sk_error_from_failure(sk_error *err, const sk_failure *failure)
{
    if (!err)
        return;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    size_t n = 0, i = 0;
    for (const sk_failure *f = failure; f; f = f->cause)
        n++;
    for (const sk_failure *f = failure; f; f = f->cause, i++) {
        if (n > HEAD + TAIL && i == HEAD)
            fprintf(out, "... %zu more ...\n", n - HEAD - TAIL);
        if (n > HEAD + TAIL && i >= HEAD && i < n - TAIL)
            continue;
        if (f->site)
            fprintf(out, "%s:%d: ", base_name(f->site->file), f->site->line);
        fprintf(out, "%s%s", f->text, f->cause ? "\n" : "");
    }
    fclose(out);
    err->code = failure->code;
    size_t room = sizeof err->message;
    if (size < room) {
        memcpy(err->message, text, size + 1);
    } else {
        memcpy(err->message, text, room - 4);
        memcpy(err->message + room - 4, "...", 4);
    }
    free(text);
}

bool sk_error_set(sk_error *err, sk_code code, const char *format, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, format);
        err->code = code;
        vsnprintf(err->message, sizeof err->message, format, ap);
        va_end(ap);
    }
    return false;
}

void (*sk_die_hook)(const char *why);
int sk_die_status;

/* Of two threads that die at once, one writes what must be written; the end of the other would cut it short. */
static void wait_for_turn_to_die(int status)
{
    static atomic_flag is_dying = ATOMIC_FLAG_INIT;
    static __thread bool is_first;
    if (!atomic_flag_test_and_set(&is_dying)) {
        is_first = true;
        return;
    }
    if (is_first)                                 /* it failed on the way out */
        _exit(status);
    for (;;)
        pause();
}

void sk_die(const sk_site *site, const sk_failure *failure, int status, const char *format, ...)
{
    char why[1000];
    int at = site ? snprintf(why, sizeof why, "%s:%d: ", site->file, site->line) : snprintf(why, sizeof why, "skate: ");
    size_t n = (size_t)at < sizeof why ? (size_t)at : sizeof why - 1;
    va_list ap;
    va_start(ap, format);
    vsnprintf(why + n, sizeof why - n, format, ap);
    va_end(ap);

    fflush(stdout);
    flockfile(stderr);
    if (site)
        fprintf(stderr, "%s:%d: ", site->file, site->line);
    else
        fprintf(stderr, "skate: ");
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    if (failure)
        sk_failure_print(failure, stderr);
    funlockfile(stderr);

    wait_for_turn_to_die(status);
    while (failure && failure->cause)
        failure = failure->cause;
    if (failure) {
        n = strlen(why);
        snprintf(why + n, sizeof why - n, "; %s", failure->text);
    }
    sk_die_status = status;
    if (sk_die_hook)
        sk_die_hook(why);
    fflush(NULL);
    _exit(status);        /* not exit(): other threads run tasks that use what atexit would take away */
}

void sk_die_of(int status, const char *why)
{
    fflush(stdout);
    wait_for_turn_to_die(status);
    if (sk_die_hook)
        sk_die_hook(why);
    fflush(NULL);
    _exit(status);
}
