/* secret.c -- see secret.h: randomness, the pipe to a child, and keys; secret_file.c has the file. What the handshake needs of
 * GnuTLS is in this file alone. */
#include "secret.h"

#include "error.h"
#include "gnutls_late.h"
#include "secret_text.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The secret ---- */

bool sk_secret_fill(void *bytes, size_t size, sk_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = getrandom((char *)bytes + done, size - done, 0);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR) {
            sk_error_set(err, SK_LIMIT, "%zu random bytes were asked for, and the kernel gives none: getrandom: %s; Linux 3.17 or later has it",
                         size, strerror(errno));
            sk_secret_wipe(bytes, size);
            return false;
        }
    }
    return true;
}

bool sk_secret_random(sk_secret *secret, sk_error *err) { return sk_secret_fill(secret->bytes, sizeof secret->bytes, err); }
bool sk_id_random(sk_id *id, sk_error *err) { return sk_secret_fill(id->bytes, sizeof id->bytes, err); }

/* The kernel rounds the size up to a page. What it does not know it refuses, and then it is memory like any other. */
sk_secret *sk_secret_new(sk_error *err)
{
    void *page = mmap(NULL, sizeof(sk_secret), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        sk_error_set(err, SK_LIMIT, "there is no memory for the secret: %s", strerror(errno));
        return NULL;
    }
    madvise(page, sizeof(sk_secret), MADV_DONTDUMP);
    madvise(page, sizeof(sk_secret), MADV_WIPEONFORK);
    return page;
}

void sk_secret_free(sk_secret *secret)
{
    if (!secret)
        return;
    sk_secret_wipe(secret, sizeof *secret);
    munmap(secret, sizeof *secret);
}

void sk_secret_wipe(void *bytes, size_t size) { explicit_bzero(bytes, size); }

bool sk_secret_equal(const void *a, const void *b, size_t size)
{
    const sk_gnutls *g = sk_gnutls_load(NULL);
    return g && g->gnutls_memcmp(a, b, size) == 0;
}

/* ---- Hex digits (secret_text.h) ---- */

static int digit(unsigned char c) { return g_ascii_xdigit_value((gchar)c); }      /* -1: none */

size_t sk_secret_digits(const char *text, size_t size)
{
    size_t n = 0;
    while (n < size && digit((unsigned char)text[n]) >= 0)
        n++;
    return n;
}

void sk_secret_from_digits(unsigned char *bytes, const char *digits, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(digit((unsigned char)digits[2 * i]) << 4 | digit((unsigned char)digits[2 * i + 1]));
}

void sk_secret_to_digits(char *digits, const unsigned char *bytes, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        digits[2 * i] = hex[bytes[i] >> 4];
        digits[2 * i + 1] = hex[bytes[i] & 15];
    }
}

/* ---- To a child ---- */

/* A pipe forgets what has been read, and its room is far more than that: writing never waits. */
int sk_secret_send(const sk_secret *secret, sk_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        sk_error_set(err, SK_LIMIT, "there is no pipe to hand the secret to a child: %s", strerror(errno));
        return -1;
    }
    char text[SK_SECRET_DIGITS + 1];
    sk_secret_to_digits(text, secret->bytes, sizeof secret->bytes);
    text[SK_SECRET_DIGITS] = '\n';
    ssize_t n;
    do
        n = write(ends[1], text, sizeof text);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof text) {
        sk_error_set(err, SK_LIMIT, "the secret cannot be written into a pipe: %s", n < 0 ? strerror(errno) : "it took only a part");
        close(ends[0]);
        ends[0] = -1;
    }
    sk_secret_wipe(text, sizeof text);
    close(ends[1]);
    return ends[0];
}

/* All that is there, at most `room`; ends before that where nothing is left, whether or not the other end is still open. */
static ssize_t read_pipe(int fd, char *text, size_t room)
{
    size_t size = 0;
    while (size < room) {
        ssize_t n = read(fd, text + size, room - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return -1;
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    return (ssize_t)size;
}

bool sk_secret_receive(int fd, sk_secret *secret, sk_error *err)
{
    char text[SK_SECRET_DIGITS + 2];       /* one more than may come */
    struct stat st;
    bool ok = false;
    *secret = (sk_secret){ { 0 } };
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &st) != 0) {
        sk_error_set(err, SK_PROTOCOL, "a secret was to come through descriptor %d: %s", fd, strerror(errno));
        return false;
    }
    ssize_t n = !S_ISFIFO(st.st_mode) ? 0 : fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ? -1 : read_pipe(fd, text, sizeof text);
    if (!S_ISFIFO(st.st_mode))
        sk_error_set(err, SK_PROTOCOL, "a secret was to come through descriptor %d, which is no pipe; only who started this process may send it", fd);
    else if (n < 0)
        sk_error_set(err, SK_PROTOCOL, "a secret was to come through the pipe %d: %s", fd, strerror(errno));
    else if (n != SK_SECRET_DIGITS + 1 || sk_secret_digits(text, (size_t)n) != SK_SECRET_DIGITS || text[SK_SECRET_DIGITS] != '\n')
        sk_error_set(err, SK_PROTOCOL, "a secret was to come through the pipe %d: %zu hex digits of %zd bytes, wanted are %d and a newline", fd,
                     sk_secret_digits(text, (size_t)n), n, SK_SECRET_DIGITS);
    else
        ok = true;
    if (ok)
        sk_secret_from_digits(secret->bytes, text, sizeof secret->bytes);
    sk_secret_wipe(text, sizeof text);
    close(fd);
    return ok;
}

/* ---- Keys ---- */

static bool derive(const sk_secret *secret, const sk_id *salt, const void *info, size_t size, unsigned char key[SK_KEY_BYTES], sk_error *err)
{
    unsigned char extracted[SK_KEY_BYTES];
    const sk_gnutls *g = sk_gnutls_load(err);
    sk_secret_wipe(key, SK_KEY_BYTES);
    if (!g)
        return false;
    gnutls_datum_t secret_ = { (unsigned char *)secret->bytes, sizeof secret->bytes }, salt_ = { (unsigned char *)salt->bytes, sizeof salt->bytes };
    gnutls_datum_t extracted_ = { extracted, sizeof extracted }, info_ = { (unsigned char *)info, (unsigned)size };
    int failed = g->gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &secret_, &salt_, extracted);
    if (!failed)
        failed = g->gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &extracted_, &info_, key, SK_KEY_BYTES);
    sk_secret_wipe(extracted, sizeof extracted);
    if (!failed)
        return true;
    sk_secret_wipe(key, SK_KEY_BYTES);
    return sk_error_set(err, SK_LIMIT, "no key can be made of the secret: GnuTLS %s: %s", g->gnutls_check_version(NULL), g->gnutls_strerror(failed));
}

bool sk_secret_auth_key(const sk_secret *secret, const sk_id *cluster, unsigned char key[SK_KEY_BYTES], sk_error *err)
{
    static const char info[] = "sk1 auth";
    return derive(secret, cluster, info, sizeof info - 1, key, err);
}

bool sk_secret_psk(const sk_secret *secret, const sk_id *cluster, const sk_id *client, const sk_id *server, unsigned char key[SK_KEY_BYTES],
                   sk_error *err)
{
    enum { LABEL = 7 };
    unsigned char info[LABEL + 2 * sizeof(sk_id)];
    memcpy(info, "sk1 psk", LABEL);
    memcpy(info + LABEL, client, sizeof *client);
    memcpy(info + LABEL + sizeof *client, server, sizeof *server);
    return derive(secret, cluster, info, sizeof info, key, err);
}

bool sk_secret_fingerprint(const sk_secret *secret, char digits[SK_FINGERPRINT + 1], sk_error *err)
{
    static const char info[] = "sk1 fingerprint";
    static const sk_id none;
    unsigned char key[SK_KEY_BYTES];
    *digits = '\0';
    if (!derive(secret, &none, info, sizeof info - 1, key, err))
        return false;
    g_autofree char *hash = g_compute_checksum_for_data(G_CHECKSUM_SHA256, key, sizeof key);
    sk_secret_wipe(key, sizeof key);
    memcpy(digits, hash, SK_FINGERPRINT);
    digits[SK_FINGERPRINT] = '\0';
    return true;
}

/* ---- The name of a pre-shared key ---- */

void sk_id_print(const sk_id *id, char digits[SK_ID_DIGITS + 1])
{
    sk_secret_to_digits(digits, id->bytes, sizeof id->bytes);
    digits[SK_ID_DIGITS] = '\0';
}

void sk_secret_psk_name(const sk_id *client, const sk_id *server, char name[SK_PSK_NAME + 1])
{
    memcpy(name, "sk1.", 4);
    sk_id_print(client, name + 4);
    name[4 + SK_ID_DIGITS] = '.';
    sk_id_print(server, name + 4 + SK_ID_DIGITS + 1);
}

/* Only what sk_secret_psk_name writes: so two ids have one name, also for whoever compares names. */
bool sk_secret_psk_parse(const char *name, size_t size, sk_id *client, sk_id *server)
{
    char again[SK_PSK_NAME + 1];
    const char *first = name + 4, *second = name + 4 + SK_ID_DIGITS + 1;
    if (size != SK_PSK_NAME || sk_secret_digits(first, SK_ID_DIGITS) != SK_ID_DIGITS || sk_secret_digits(second, SK_ID_DIGITS) != SK_ID_DIGITS)
        return false;
    sk_secret_from_digits(client->bytes, first, sizeof client->bytes);
    sk_secret_from_digits(server->bytes, second, sizeof server->bytes);
    sk_secret_psk_name(client, server, again);
    return !memcmp(again, name, SK_PSK_NAME);
}
