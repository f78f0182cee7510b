/* test_secret.c -- secret files that nobody else could have read, secrets that go to a child, and the keys made of them.
 *
 * The keys were computed apart from Skate; with what stands in test_auth.c's comment:
 *
 *     C, S = b(0x10, 16), b(0x20, 16)
 *     print(hkdf(K, cluster, b"sk1 psk" + C + S).hex(), H(hkdf(K, bytes(16), b"sk1 fingerprint")).hexdigest()[:8])          */
#include "backends/child.h"
#include "backends/secret.h"

#include <check.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- In memory ---- */

/* The flags of the mapping that has this address: /proc/self/smaps. */
static void flags_at(const void *at, char flags[200])
{
    char line[500];
    unsigned long from, to;
    bool here = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    ck_assert_ptr_nonnull(maps);
    *flags = '\0';
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = (uintptr_t)at >= from && (uintptr_t)at < to;
        else if (here && !strncmp(line, "VmFlags:", 8))
            g_strlcpy(flags, line + 8, 200);
    }
    fclose(maps);
}

START_TEST(a_secret_that_is_kept_is_in_no_core_dump_and_in_no_forked_child)
{
    char flags[200];
    sk_secret *secret = sk_secret_new(NULL);
    ck_assert_ptr_nonnull(secret);
    ck_assert(sk_secret_random(secret, NULL));
    flags_at(secret, flags);
    ck_assert_msg(strstr(flags, " dd") && strstr(flags, " wf"), "its flags are%s", flags);
    pid_t pid = fork();
    if (pid == 0)
        _exit(secret->bytes[0] | secret->bytes[1] | secret->bytes[31]);
    int status = -1;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    sk_secret_free(secret);
    sk_secret_free(NULL);
}
END_TEST

/* ---- Help: a directory, files in it, and what is said of them ---- */

static char directory[] = "/tmp/sk-secret-XXXXXX", file[64];
static const char digits[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

static void make_directory(void)
{
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(file, sizeof file, "%s/f", directory);
}

static void remove_directory(void)
{
    unlink(file);
    ck_assert_int_eq(rmdir(directory), 0);             /* nothing else has been left in it */
}

static void write_file(const char *text, size_t size, mode_t mode)
{
    unlink(file);
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, size), (ssize_t)size);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

/* It is refused with this, in which %s is its name; nothing of it is kept, and nothing of it is said. */
__attribute__((format(printf, 1, 2))) static void refused(const char *format, ...)
{
    sk_secret secret, none = { { 0 } };
    sk_error err = { 0 };
    char message[sizeof err.message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    memset(&secret, 1, sizeof secret);
    ck_assert(!sk_secret_read(&secret, file, &err));
    ck_assert_str_eq(err.message, message);
    ck_assert_int_eq(err.code, SK_MISUSE);
    ck_assert(!memcmp(&secret, &none, sizeof none));
    ck_assert_ptr_null(strstr(err.message, "0203"));
    ck_assert(!sk_secret_read(&secret, file, NULL));
}

static sk_secret some_secret(void)
{
    sk_secret s;
    for (size_t i = 0; i < sizeof s.bytes; i++)
        s.bytes[i] = (unsigned char)i;
    return s;
}

static int open_files(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* ---- The file ---- */

START_TEST(a_file_that_was_made_can_be_read)
{
    sk_secret one, two;
    sk_error err = { 0 };
    int before = open_files();
    ck_assert_msg(sk_secret_create(file, &err), "%s", err.message);
    ck_assert_msg(sk_secret_read(&one, file, &err), "%s", err.message);
    g_autofree char *text = NULL;
    gsize size;
    ck_assert(g_file_get_contents(file, &text, &size, NULL));
    ck_assert_uint_eq(size, 65);
    ck_assert_uint_eq(strspn(text, "0123456789abcdef"), 64);
    ck_assert_int_eq(text[64], '\n');
    unlink(file);
    ck_assert(sk_secret_create(file, &err) && sk_secret_read(&two, file, &err));
    ck_assert(memcmp(&one, &two, sizeof one) != 0);
    ck_assert_int_eq(open_files(), before);
}
END_TEST

START_TEST(a_file_is_private_whatever_the_umask_is)
{
    mode_t masks[] = { 0, 022, 077, 0777 };
    for (size_t i = 0; i < G_N_ELEMENTS(masks); i++) {
        mode_t old = umask(masks[i]);
        bool ok = sk_secret_create(file, NULL);
        umask(old);
        struct stat st;
        ck_assert(ok && stat(file, &st) == 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        unlink(file);
    }
}
END_TEST

START_TEST(what_is_there_is_never_overwritten)
{
    sk_error err = { 0 };
    g_autofree char *message = g_strdup_printf("secret file %s: it is there already, and is never overwritten, as a cluster may use it; give another "
                                               "name, or remove it first", file);
    write_file("mine", 4, 0644);
    ck_assert(!sk_secret_create(file, &err));
    ck_assert_str_eq(err.message, message);
    g_autofree char *text = NULL;
    ck_assert(g_file_get_contents(file, &text, NULL, NULL));
    ck_assert_str_eq(text, "mine");
    unlink(file);
    g_autofree char *elsewhere = g_strdup_printf("%s/elsewhere", directory);
    ck_assert_int_eq(symlink(elsewhere, file), 0);             /* to what is not there: not through it, either */
    ck_assert(!sk_secret_create(file, &err));
    ck_assert_str_eq(err.message, message);
    ck_assert_int_ne(access(elsewhere, F_OK), 0);
}
END_TEST

START_TEST(where_no_file_can_be_made_the_reason_is_said)
{
    sk_error err = { 0 };
    g_autofree char *path = g_strdup_printf("%s/none/f", directory);
    g_autofree char *message = g_strdup_printf("secret file %s cannot be made: No such file or directory; give the name of a file that is not "
                                               "there, in a directory where you may write", path);
    ck_assert(!sk_secret_create(path, &err));
    ck_assert_str_eq(err.message, message);
}
END_TEST

START_TEST(a_file_that_cannot_be_written_whole_is_removed)
{
    struct rlimit old, tiny;
    sk_error err = { 0 };
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    tiny = (struct rlimit){ 10, old.rlim_max };
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    bool ok = sk_secret_create(file, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    ck_assert(!ok);
    ck_assert_ptr_nonnull(strstr(err.message, "cannot be made: File too large;"));
    ck_assert_int_ne(access(file, F_OK), 0);
}
END_TEST

START_TEST(exactly_64_hex_digits_of_either_case_are_read_with_or_without_a_newline)
{
    sk_secret want = some_secret(), got;
    sk_error err = { 0 };
    char text[66], upper[66];
    snprintf(text, sizeof text, "%s\n", digits);
    for (int i = 0; i < 66; i++)
        upper[i] = g_ascii_toupper(text[i]);
    for (size_t size = 64; size < 66; size++)
        for (mode_t mode = 0400; mode <= 0600; mode += 0200) {
            write_file(text, size, mode);
            ck_assert_msg(sk_secret_read(&got, file, &err), "%s", err.message);
            ck_assert(!memcmp(&got, &want, sizeof want));
            write_file(upper, size, mode);
            ck_assert(sk_secret_read(&got, file, &err) && !memcmp(&got, &want, sizeof want));
        }
}
END_TEST

START_TEST(a_file_of_another_length_is_refused)
{
    char text[80];
    for (size_t n = 0; n < 64; n++)
        for (int newline = 0; newline < 2; newline++) {
            snprintf(text, sizeof text, "%.*s%s", (int)n, digits, newline ? "\n" : "");
            write_file(text, strlen(text), 0600);
            refused("secret file %s has %zu hex digits, and 64 are wanted; make one with: skate secret new FILE", file, n);
        }
    const char *more[] = { "0", "00", "\n\n", " ", "\r\n", "\n0", "0\n" };
    for (size_t i = 0; i < G_N_ELEMENTS(more); i++) {
        snprintf(text, sizeof text, "%s%s", digits, more[i]);
        write_file(text, strlen(text), 0600);
        refused("secret file %s has more than 64 hex digits and a newline; make one with: skate secret new FILE", file);
    }
    g_autofree char *large = g_strnfill(1 << 20, 'a');
    write_file(large, 1 << 20, 0600);
    refused("secret file %s has more than 64 hex digits and a newline; make one with: skate secret new FILE", file);
}
END_TEST

START_TEST(what_is_no_hex_digit_is_refused_wherever_it_stands)
{
    char text[66];
    for (int at = 0; at < 64; at++)
        for (int c = 0; c < 256; c++)
            if (!g_ascii_isxdigit((char)c) && (c == 0 || c == 'g' || c == ' ' || c == 255 || (c == '\n' && at != 63))) {
                snprintf(text, sizeof text, "%s\n", digits);
                text[at] = (char)c;
                write_file(text, 65, 0600);
                refused("secret file %s: byte %d is no hex digit, and 64 are wanted; make one with: skate secret new FILE", file, at + 1);
            }
}
END_TEST

START_TEST(a_file_that_others_may_read_or_write_is_refused_with_its_mode)
{
    for (mode_t mode = 0; mode < 01000; mode++) {
        sk_secret secret;
        sk_error err = { 0 };
        write_file(digits, 64, 0600 | mode);
        if (mode & 077)
            refused("secret file %s has mode %04o: others could have it; if nobody has, `chmod 600` it, else remove it and make one with: skate "
                    "secret new FILE", file, 0600 | (unsigned)mode);
        else
            ck_assert_msg(sk_secret_read(&secret, file, &err), "%s", err.message);
    }
}
END_TEST

/* root may give a file away; others have files that are root's */
START_TEST(another_users_file_is_refused)
{
    unsigned owner = geteuid() == 0 ? 1000 : 0;
    write_file(digits, 64, 0600);
    if (owner)
        ck_assert_int_eq(chown(file, owner, (gid_t)-1), 0);
    else
        strcpy(file, "/etc/passwd");
    refused("secret file %s belongs to uid %u, and this is uid %u; copy it to a file of your own, of mode 0600, or make one with: skate secret new "
            "FILE", file, owner, (unsigned)geteuid());
    snprintf(file, sizeof file, "%s/f", directory);
}
END_TEST

START_TEST(what_is_no_file_is_refused_and_blocks_nobody)
{
    refused("secret file %s: there is no such file; make one with: skate secret new FILE", file);
    ck_assert_int_eq(mkdir(file, 0700), 0);
    refused("secret file %s is a directory; make one with: skate secret new FILE", file);
    ck_assert_int_eq(rmdir(file), 0);
    ck_assert_int_eq(mkfifo(file, 0600), 0);
    refused("secret file %s is a pipe; make one with: skate secret new FILE", file);
    unlink(file);
    ck_assert_int_eq(symlink("/dev/null", file), 0);
    refused("secret file %s is a symbolic link, which others may turn; name the file itself", file);
    unlink(file);
    strcpy(file, "/dev/null");
    refused("secret file %s is a device; make one with: skate secret new FILE", file);
    snprintf(file, sizeof file, "%s/f", directory);
}
END_TEST

/* ---- To a child ---- */

START_TEST(a_secret_goes_through_a_pipe)
{
    sk_secret want = some_secret(), got;
    sk_error err = { 0 };
    int before = open_files(), fd = sk_secret_send(&want, &err);
    ck_assert_msg(fd >= 0, "%s", err.message);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(open_files(), before + 1);
    ck_assert_msg(sk_secret_receive(fd, &got, &err), "%s", err.message);
    ck_assert(!memcmp(&got, &want, sizeof want));
    ck_assert_int_eq(open_files(), before);
}
END_TEST

START_TEST(a_child_has_the_secret_in_its_descriptor_3_and_nowhere_else)
{
    sk_secret secret = some_secret();
    sk_error err = { 0 };
    sk_child c;
    int fd = sk_secret_send(&secret, &err);
    ck_assert_int_ge(fd, 0);
    char *argv[] = { "sh", "-c", "cat <&3; tr '\\0' '\\n' </proc/$$/environ; tr '\\0' '\\n' </proc/$$/cmdline", NULL };
    ck_assert_msg(sk_child_start(&c, &(sk_child_spec){ .path = "/bin/sh", .argv = argv, .fds = &fd, .nfds = 1 }, &err), "%s", err.message);
    close(fd);
    g_autoptr(GString) all = g_string_new(NULL);
    for (;;) {
        char some[4096];
        struct pollfd p = { .fd = c.out, .events = POLLIN };
        ck_assert_int_eq(poll(&p, 1, -1), 1);
        ssize_t n = read(c.out, some, sizeof some);
        if (n <= 0)
            break;
        g_string_append_len(all, some, n);
    }
    ck_assert(sk_child_reap(&c, true));
    sk_child_close(&c);
    ck_assert_uint_gt(all->len, 65);
    ck_assert(!strncmp(all->str, digits, 64));
    ck_assert_int_eq(all->str[64], '\n');
    ck_assert_ptr_null(strstr(all->str + 64, digits));
}
END_TEST

/* `text` comes through a pipe; if it is to be refused, then with this. The pipe is closed in any case. */
static void comes(const char *text, bool writer_is_open, const char *found)
{
    int ends[2];
    sk_secret secret, none = { { 0 } };
    sk_error err = { 0 };
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    if (!writer_is_open)
        close(ends[1]);
    memset(&secret, 1, sizeof secret);
    ck_assert(sk_secret_receive(ends[0], &secret, &err) == !found);
    ck_assert_int_eq(fcntl(ends[0], F_GETFD), -1);
    if (found) {
        g_autofree char *message = g_strdup_printf("a secret was to come through the pipe %d: %s, wanted are 64 and a newline", ends[0], found);
        ck_assert_str_eq(err.message, message);
        ck_assert(!memcmp(&secret, &none, sizeof none));
    }
    if (writer_is_open)
        close(ends[1]);
}

START_TEST(what_comes_is_exactly_a_secret_or_is_refused_without_waiting)
{
    for (int open = 0; open < 2; open++) {
        g_autofree char *whole = g_strdup_printf("%s\n", digits), *more = g_strdup_printf("%s0\n", digits), *twice = g_strdup_printf("%s\n\n", digits);
        g_autofree char *less = g_strdup_printf("%.63s\n", digits), *odd = g_strdup_printf("%.63sg\n", digits);
        g_autofree char *space = g_strdup_printf("%s ", digits);
        comes(whole, open, NULL);
        comes("", open, "0 hex digits of 0 bytes");
        comes(digits, open, "64 hex digits of 64 bytes");
        comes(less, open, "63 hex digits of 64 bytes");
        comes(odd, open, "63 hex digits of 65 bytes");
        comes(space, open, "64 hex digits of 65 bytes");
        comes(more, open, "65 hex digits of 66 bytes");
        comes(twice, open, "64 hex digits of 66 bytes");
    }
}
END_TEST

START_TEST(only_a_pipe_can_bring_a_secret)
{
    sk_secret secret;
    sk_error err = { 0 };
    write_file(digits, 64, 0600);
    int fd = open(file, O_RDONLY);
    g_autofree char *message = g_strdup_printf("a secret was to come through descriptor %d, which is no pipe; only who started this process may send it", fd);
    ck_assert(!sk_secret_receive(fd, &secret, &err));
    ck_assert_str_eq(err.message, message);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    ck_assert(!sk_secret_receive(fd, &secret, &err));
    ck_assert_ptr_nonnull(strstr(err.message, "Bad file descriptor"));
}
END_TEST

/* ---- Keys ---- */

static sk_id id_from(int first)
{
    sk_id id;
    for (int i = 0; i < 16; i++)
        id.bytes[i] = (unsigned char)(first + i);
    return id;
}

static void is_hex(const unsigned char *bytes, size_t size, const char *want)
{
    char text[2 * 64 + 1] = "";
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    ck_assert_str_eq(text, want);
}

START_TEST(keys_are_those_computed_elsewhere)
{
    sk_secret secret = some_secret();
    sk_id cluster = id_from(0xa0), client = id_from(0x10), server = id_from(0x20);
    unsigned char key[SK_KEY_BYTES];
    char fingerprint[SK_FINGERPRINT + 1];
    sk_error err = { 0 };
    ck_assert_msg(sk_secret_auth_key(&secret, &cluster, key, &err), "%s", err.message);
    is_hex(key, sizeof key, "c4f9038812c189ba57d72e14e8365d8bf3e1294fe81e7a687a360bd0dfd13a0e");
    ck_assert_msg(sk_secret_psk(&secret, &cluster, &client, &server, key, &err), "%s", err.message);
    is_hex(key, sizeof key, "ced875055ddf8aeda91e086ab5e9b1609aed14af92b93171cd974311ca4df57d");
    ck_assert_msg(sk_secret_fingerprint(&secret, fingerprint, &err), "%s", err.message);
    ck_assert_str_eq(fingerprint, "a9b94a59");
}
END_TEST

START_TEST(a_key_is_for_one_client_and_one_server)
{
    sk_secret secret = some_secret();
    sk_id cluster = id_from(0xa0), client = id_from(0x10), server = id_from(0x20);
    unsigned char key[4][SK_KEY_BYTES];
    ck_assert(sk_secret_psk(&secret, &cluster, &client, &server, key[0], NULL));
    ck_assert(sk_secret_psk(&secret, &cluster, &server, &client, key[1], NULL));
    ck_assert(sk_secret_psk(&secret, &client, &client, &server, key[2], NULL));
    ck_assert(sk_secret_auth_key(&secret, &cluster, key[3], NULL));
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            ck_assert(memcmp(key[i], key[j], SK_KEY_BYTES) != 0);
}
END_TEST

START_TEST(the_name_of_a_key_says_whose_it_is)
{
    sk_id client = id_from(0x10), server = id_from(0xf8), c, s;
    char name[SK_PSK_NAME + 1];
    sk_secret_psk_name(&client, &server, name);
    ck_assert_str_eq(name, "sk1.101112131415161718191a1b1c1d1e1f.f8f9fafbfcfdfeff0001020304050607");
    ck_assert_uint_eq(strlen(name), SK_PSK_NAME);
    ck_assert(sk_secret_psk_parse(name, SK_PSK_NAME, &c, &s));
    ck_assert(!memcmp(&c, &client, sizeof c) && !memcmp(&s, &server, sizeof s));
}
END_TEST

START_TEST(another_name_of_a_key_is_refused)
{
    sk_id client = id_from(0x1a), server = id_from(0xf8), c, s;
    char name[SK_PSK_NAME + 1];
    for (size_t size = 0; size <= sizeof name; size++) {
        sk_secret_psk_name(&client, &server, name);
        ck_assert(sk_secret_psk_parse(name, size, &c, &s) == (size == SK_PSK_NAME));
    }
    for (size_t at = 0; at < SK_PSK_NAME; at++)
        for (int byte = 0; byte < 256; byte++) {
            sk_secret_psk_name(&client, &server, name);
            bool is_digit = at >= 4 && name[at] != '.', is_fine = byte == name[at] || (is_digit && strchr("0123456789abcdef", byte) && byte);
            name[at] = (char)byte;
            ck_assert_msg(sk_secret_psk_parse(name, SK_PSK_NAME, &c, &s) == is_fine, "byte %d at %zu", byte, at);
        }
}
END_TEST

/* ---- Randomness, and no trace of it ---- */

START_TEST(every_secret_and_id_is_another)
{
    sk_secret a = { { 0 } }, b = { { 0 } };
    sk_id c = { { 0 } }, d = { { 0 } };
    ck_assert(sk_secret_random(&a, NULL) && sk_secret_random(&b, NULL) && sk_id_random(&c, NULL) && sk_id_random(&d, NULL));
    ck_assert(!sk_secret_equal(&a, &b, sizeof a) && !sk_secret_equal(&c, &d, sizeof c) && !sk_secret_equal(&a, &c, sizeof c));
    b = a;
    ck_assert(sk_secret_equal(&a, &b, sizeof a));
    sk_secret_wipe(&b, sizeof b);
    for (size_t i = 0; i < sizeof b.bytes; i++)
        ck_assert_int_eq(b.bytes[i], 0);
}
END_TEST

/* What is sought must not be found for having been sought: it is kept under a mask, half of it, as bytes and as digits. */
enum { MASK = 0x55, HALF = SK_SECRET_BYTES / 2, LOOKS_AT = 1 << 20 };
static unsigned char sought[3 * HALF];     /* 16 bytes, and their 32 digits */

__attribute__((noinline)) static void seek(const sk_secret *secret)
{
    for (unsigned i = 0; i < HALF; i++) {
        sought[i] = secret->bytes[i] ^ MASK;
        sought[HALF + 2 * i] = (unsigned char)("0123456789abcdef"[secret->bytes[i] >> 4] ^ MASK);
        sought[HALF + 2 * i + 1] = (unsigned char)("0123456789abcdef"[secret->bytes[i] & 15] ^ MASK);
    }
}

static bool is_at(const unsigned char *at, const unsigned char *masked, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((at[i] ^ MASK) != masked[i])
            return false;
    return true;
}

static unsigned times_in(const unsigned char *bytes, size_t size)
{
    unsigned times = 0;
    for (size_t i = 0; i + 2 * HALF <= size; i++)
        times += is_at(bytes + i, sought, HALF) + is_at(bytes + i, sought + HALF, 2 * HALF);
    return times;
}

/* In all memory of this process that can be written, but for what a sanitizer reserves, and the room to look at it. */
static unsigned times_in_memory(void)
{
    unsigned long from, to;
    char line[500], perms[8];
    unsigned times = 0;
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    unsigned char *room = mmap(NULL, LOOKS_AT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FILE *maps = fopen("/proc/self/maps", "r");
    ck_assert(memory >= 0 && room != MAP_FAILED && maps);
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %7s", &from, &to, perms) != 3 || perms[1] != 'w' || to - from > (size_t)1 << 30)
            continue;
        for (unsigned long at = from; at < to; at += LOOKS_AT - 2 * HALF) {
            if (at < (uintptr_t)room + LOOKS_AT && at + LOOKS_AT > (uintptr_t)room)
                continue;
            ssize_t n = pread(memory, room, MIN((size_t)LOOKS_AT, to - at), (off_t)at);
            times += n > 0 ? times_in(room, (size_t)n) : 0;
        }
    }
    fclose(maps);
    close(memory);
    munmap(room, LOOKS_AT);
    return times;
}

START_TEST(when_a_secret_is_free_neither_its_bytes_nor_its_digits_are_anywhere_in_memory)
{
    sk_error err;
    ck_assert_msg(sk_secret_create(file, &err), "%s", err.message);
    sk_secret *secret = sk_secret_new(&err), *received = sk_secret_new(&err);
    ck_assert_msg(secret && received && sk_secret_read(secret, file, &err), "%s", err.message);
    seek(secret);
    ck_assert_uint_eq(times_in_memory(), 1);               /* it can be found, and is where it should be only */
    int fd = sk_secret_send(secret, &err);
    ck_assert_msg(fd >= 0 && sk_secret_receive(fd, received, &err), "%s", err.message);
    ck_assert_uint_eq(times_in_memory(), 2);
    sk_secret_free(secret);
    sk_secret_free(received);
    ck_assert_uint_eq(times_in_memory(), 0);
}
END_TEST

Suite *secret_suite(void)
{
    Suite *suite = suite_create("secret");
    TCase *files = tcase_create("files"), *pipes = tcase_create("pipes"), *keys = tcase_create("keys");
    tcase_add_checked_fixture(files, make_directory, remove_directory);
    tcase_add_test(files, a_file_that_was_made_can_be_read);
    tcase_add_test(files, a_file_is_private_whatever_the_umask_is);
    tcase_add_test(files, what_is_there_is_never_overwritten);
    tcase_add_test(files, where_no_file_can_be_made_the_reason_is_said);
    tcase_add_test(files, a_file_that_cannot_be_written_whole_is_removed);
    tcase_add_test(files, exactly_64_hex_digits_of_either_case_are_read_with_or_without_a_newline);
    tcase_add_test(files, a_file_of_another_length_is_refused);
    tcase_add_test(files, what_is_no_hex_digit_is_refused_wherever_it_stands);
    tcase_add_test(files, a_file_that_others_may_read_or_write_is_refused_with_its_mode);
    tcase_add_test(files, another_users_file_is_refused);
    tcase_add_test(files, what_is_no_file_is_refused_and_blocks_nobody);
    tcase_add_test(files, when_a_secret_is_free_neither_its_bytes_nor_its_digits_are_anywhere_in_memory);
    suite_add_tcase(suite, files);
    tcase_add_checked_fixture(pipes, make_directory, remove_directory);
    tcase_add_test(pipes, a_secret_goes_through_a_pipe);
    tcase_add_test(pipes, a_child_has_the_secret_in_its_descriptor_3_and_nowhere_else);
    tcase_add_test(pipes, what_comes_is_exactly_a_secret_or_is_refused_without_waiting);
    tcase_add_test(pipes, only_a_pipe_can_bring_a_secret);
    suite_add_tcase(suite, pipes);
    tcase_add_test(keys, a_secret_that_is_kept_is_in_no_core_dump_and_in_no_forked_child);
    tcase_add_test(keys, keys_are_those_computed_elsewhere);
    tcase_add_test(keys, a_key_is_for_one_client_and_one_server);
    tcase_add_test(keys, the_name_of_a_key_says_whose_it_is);
    tcase_add_test(keys, another_name_of_a_key_is_refused);
    tcase_add_test(keys, every_secret_and_id_is_another);
    suite_add_tcase(suite, keys);
    return suite;
}
