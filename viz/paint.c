/* paint.c -- which painter, and what all of them need: opening and closing what they write to.
 *
 * A file is written under another name beside its own, and gets its own when all of it is there: whatever goes wrong, what was there before is
 * not lost, and nothing is left half done. */
#include "paint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

/* The file that is being written, under the name it has until then; "" if it is written where it is to be: standard output, a pipe, a device. One at
 * a time. */
static char part[PATH_MAX + 32];

sk_painter *sk_painter_of(const char *path)
{
    static const struct { const char *end; sk_painter *paint; } known[] = {
        { ".png", sk_paint_png }, { ".svg", sk_paint_svg }, { ".pdf", sk_paint_pdf }, { ".txt", sk_paint_text }
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++)
        if (g_str_has_suffix(path, known[i].end))
            return known[i].paint;
    return NULL;
}

static bool fail(sk_error *err, const char *path, const char *why)
{
    if (err) {
        err->code = SK_PROTOCOL;
        snprintf(err->message, sizeof err->message, "cannot write %s: %s", strcmp(path, "-") ? path : "to standard output", why);
    }
    return false;
}

FILE *sk_paint_open(const char *path, sk_error *err)
{
    struct stat st;
    *part = '\0';
    if (!strcmp(path, "-"))
        return stdout;
    bool there = stat(path, &st) == 0, is_new = !there && lstat(path, &st) != 0; /* neither: a link to what is not there yet */
    if (is_new || (there && S_ISREG(st.st_mode) && access(path, W_OK) == 0)) {
        g_autofree char *real = there ? realpath(path, NULL) : NULL; /* a link stays one */
        g_snprintf(part, sizeof part, "%s.%d.part", real ? real : path, (int)getpid());
        int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd >= 0 && there)
            (void)!fchmod(fd, st.st_mode & 07777);                           /* as private as it was */
        FILE *out = fd >= 0 ? fdopen(fd, "wb") : NULL;
        if (out)
            return out;
        if (fd >= 0)
            unlink(part), close(fd);
        *part = '\0';
    }
    FILE *out = fopen(path, "wb");
    if (!out)
        fail(err, path, strerror(errno));
    return out;
}

bool sk_paint_close(FILE *out, const char *path, const char *wrong, sk_error *err)
{
    errno = 0;
    bool bad = fflush(out) || ferror(out);
    int why = errno;
    if (out != stdout && fclose(out))
        bad = true, why = errno;
    if (*part && !wrong && !bad) {
        g_autofree char *real = realpath(path, NULL);
        if (rename(part, real ? real : path))
            bad = true, why = errno;
    }
    if (*part && (wrong || bad))
        unlink(part);
    *part = '\0';
    if (wrong || bad)
        return fail(err, path, wrong ? wrong : why ? strerror(why) : "some of it could not be written");
    return true;
}

static void take_away(int signal)
{
    if (*part)
        unlink(part);
    raise(signal); /* which has its usual effect again */
}

void sk_paint_may_be_ended(void)
{
    const int ends[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction old;
    for (unsigned i = 0; i < G_N_ELEMENTS(ends); i++)
        if (sigaction(ends[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) /* nohup */
            sigaction(ends[i], &(struct sigaction){ .sa_handler = take_away, .sa_flags = (int)SA_RESETHAND | SA_NODEFER }, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a limit of the file's size is an error like others */
}
