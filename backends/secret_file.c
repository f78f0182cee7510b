/* secret_file.c -- the file with a secret (see secret.h): making one, and reading one that nobody else could have read or written. */
#include "error.h"
#include "secret.h"
#include "secret_text.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Making one ---- */

/* The name is on the disk when its directory is. Some file systems cannot be asked for that, and need not be. */
static bool sync_directory(const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES;            /* one may be allowed to make files there, and not to list them */
    bool ok = fsync(fd) == 0 || errno == EINVAL;
    close(fd);
    return ok;
}

static bool write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        size -= (size_t)n;
    }
    return true;
}

static bool refuse_to_create(const char *path, int why, sk_error *err)
{
    if (why == EEXIST)
        return sk_error_set(err, SK_MISUSE, "secret file %s: it is there already, and is never overwritten, as a cluster may use it; give "
                            "another name, or remove it first", path);
    return sk_error_set(err, SK_MISUSE, "secret file %s cannot be made: %s; give the name of a file that is not there, in a directory where you "
                        "may write", path, strerror(why));
}

bool sk_secret_create(const char *path, sk_error *err)
{
    sk_secret secret;
    if (!sk_secret_random(&secret, err))
        return false;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        sk_secret_wipe(&secret, sizeof secret);
        return refuse_to_create(path, errno, err);
    }
    char text[SK_SECRET_DIGITS + 1];
    sk_secret_to_digits(text, secret.bytes, sizeof secret.bytes);
    text[SK_SECRET_DIGITS] = '\n';
    /* fchmod: whatever the umask is */
    bool ok = fchmod(fd, 0600) == 0 && write_all(fd, text, sizeof text) && fsync(fd) == 0;
    int why = errno;
    sk_secret_wipe(&secret, sizeof secret);
    sk_secret_wipe(text, sizeof text);
    if (close(fd) != 0 && ok) {
        ok = false;
        why = errno;
    }
    if (ok && !sync_directory(path)) {
        ok = false;
        why = errno;
    }
    if (ok)
        return true;
    unlink(path);                          /* ours, and not whole */
    return refuse_to_create(path, why, err);
}

/* ---- Reading one ---- */

#define MAKE_ONE "make one with: skate secret new FILE"

static bool refuse_to_open(const char *path, int why, sk_error *err)
{
    if (why == ENOENT)
        return sk_error_set(err, SK_MISUSE, "secret file %s: there is no such file; " MAKE_ONE, path);
    if (why == ELOOP)
        return sk_error_set(err, SK_MISUSE, "secret file %s is a symbolic link, which others may turn; name the file itself", path);
    return sk_error_set(err, SK_MISUSE, "secret file %s cannot be read: %s; " MAKE_ONE, path, strerror(why));
}

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode) ? "a directory" : S_ISFIFO(mode) ? "a pipe" : S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "not a regular file";
}

/* Who could have read or written it but this user? */
static bool is_private(const char *path, const struct stat *st, sk_error *err)
{
    if (!S_ISREG(st->st_mode))
        return sk_error_set(err, SK_MISUSE, "secret file %s is %s; " MAKE_ONE, path, kind_of(st->st_mode));
    if (st->st_uid != geteuid())
        return sk_error_set(err, SK_MISUSE, "secret file %s belongs to uid %u, and this is uid %u; copy it to a file of your own, of mode 0600, or "
                            MAKE_ONE, path, (unsigned)st->st_uid, (unsigned)geteuid());
    if (st->st_mode & 077)
        return sk_error_set(err, SK_MISUSE, "secret file %s has mode %04o: others could have it; if nobody has, `chmod 600` it, else remove it and "
                            MAKE_ONE, path, (unsigned)(st->st_mode & 07777));
    return true;
}

/* Nothing of the text is in a message: it may be a secret, or nearly one. */
static bool is_whole(const char *path, const char *text, size_t size, sk_error *err)
{
    size_t digits = sk_secret_digits(text, size < SK_SECRET_DIGITS ? size : SK_SECRET_DIGITS);
    bool newline = size == SK_SECRET_DIGITS + 1 && text[SK_SECRET_DIGITS] == '\n';
    if (digits == SK_SECRET_DIGITS && (size == SK_SECRET_DIGITS || newline))
        return true;
    if (digits == size || (digits + 1 == size && text[digits] == '\n'))
        return sk_error_set(err, SK_MISUSE, "secret file %s has %zu hex digits, and %d are wanted; " MAKE_ONE, path, digits, SK_SECRET_DIGITS);
    if (digits == SK_SECRET_DIGITS)
        return sk_error_set(err, SK_MISUSE, "secret file %s has more than %d hex digits and a newline; " MAKE_ONE, path, SK_SECRET_DIGITS);
    return sk_error_set(err, SK_MISUSE, "secret file %s: byte %zu is no hex digit, and %d are wanted; " MAKE_ONE, path, digits + 1, SK_SECRET_DIGITS);
}

bool sk_secret_read(sk_secret *secret, const char *path, sk_error *err)
{
    char text[SK_SECRET_DIGITS + 2];       /* one more than may be there */
    size_t size = 0;
    struct stat st;
    *secret = (sk_secret){ { 0 } };
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);      /* a pipe, too, opens at once, to be refused */
    if (fd < 0)
        return refuse_to_open(path, errno, err);
    bool ok = fstat(fd, &st) == 0 ? is_private(path, &st, err) : refuse_to_open(path, errno, err);
    while (ok && size < sizeof text) {
        ssize_t n = read(fd, text + size, sizeof text - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            ok = refuse_to_open(path, errno, err);
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    ok = ok && is_whole(path, text, size, err);
    if (ok)
        sk_secret_from_digits(secret->bytes, text, sizeof secret->bytes);
    sk_secret_wipe(text, sizeof text);
    close(fd);
    return ok;
}
