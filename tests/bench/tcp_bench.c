/* tcp_bench.c -- what TCP and GnuTLS do on loopback between two processes that block in send and recv: the limits of skate_link.c's and skate_cluster.c's rows.
 *
 *   link_ping       us: 64 bytes there and back; the median
 *   link_ping_tls   the same through GnuTLS
 *   link_bulk       GB/s: 100 MB, from asking for them to the last byte, sent and received as much at once as the system takes; the second time
 *   link_bulk_tls   the same through GnuTLS: TLS 1.3, AES-128-GCM, records of 16 KiB
 *   ping_tcp, pull_100MB, pull_tls_100MB: link_ping, link_bulk and link_bulk_tls by the names that they have in skate_cluster.c
 *
 * Build: cc -O3 -march=native tcp_bench.c -lgnutls */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { PINGS = 10000, SIZE = 64 };

static const char priority[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:-KX-ALL:+ECDHE-PSK:-GROUP-ALL:+GROUP-X25519";
static unsigned char *object;
static size_t object_size;
static int fd;
static pid_t child;
static gnutls_session_t tls;               /* NULL: in clear */

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

/* ---- bytes ---- */

static void put(const void *bytes, size_t size)
{
    for (size_t at = 0; at < size; ) {
        ssize_t n = tls ? gnutls_record_send(tls, (const char *)bytes + at, size - at) : send(fd, (const char *)bytes + at, size - at, MSG_NOSIGNAL);
        must(n > 0, "send");
        at += (size_t)n;
    }
}

static bool get(void *bytes, size_t size)
{
    for (size_t at = 0; at < size; ) {
        ssize_t n = tls ? gnutls_record_recv(tls, (char *)bytes + at, size - at) : recv(fd, (char *)bytes + at, size - at, 0);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* ---- two processes ---- */

static int give_key(gnutls_session_t session, const char *name, gnutls_datum_t *key)
{
    (void)session, (void)name;
    key->data = gnutls_malloc(32);
    key->size = 32;
    memset(key->data, 7, 32);
    return 0;
}

static void secure(bool serves)
{
    unsigned char secret[32];
    memset(secret, 7, sizeof secret);
    gnutls_psk_server_credentials_t server;
    gnutls_psk_client_credentials_t client;
    gnutls_init(&tls, (serves ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NO_TICKETS);
    gnutls_priority_set_direct(tls, priority, NULL);
    if (serves) {
        gnutls_psk_allocate_server_credentials(&server);
        gnutls_psk_set_server_credentials_function(server, give_key);
        gnutls_credentials_set(tls, GNUTLS_CRD_PSK, server);
    } else {
        gnutls_psk_allocate_client_credentials(&client);
        gnutls_psk_set_client_credentials(client, "bench", &(gnutls_datum_t){ secret, sizeof secret }, GNUTLS_PSK_KEY_RAW);
        gnutls_credentials_set(tls, GNUTLS_CRD_PSK, client);
    }
    gnutls_transport_set_int(tls, fd);
    must(gnutls_handshake(tls) == 0, "handshake");
}

/* A byte before what it is about: 'p' a ping, 'b' the object. */
static _Noreturn void answer(int listener, bool encrypted)
{
    char bytes[SIZE], what;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fd = accept(listener, NULL, NULL);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    if (encrypted)
        secure(true);
    while (get(bytes, SIZE)) {
        what = bytes[0];
        if (what == 'p')
            put(bytes, SIZE);
        else
            put(object, object_size);
    }
    _exit(0);
}

static void begin(bool encrypted)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(listener, (struct sockaddr *)&at, size) == 0 && listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&at, &size) == 0,
         "listen");
    child = fork();
    if (child == 0)
        answer(listener, encrypted);
    close(listener);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    must(child > 0 && connect(fd, (struct sockaddr *)&at, size) == 0, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    if (encrypted)
        secure(false);
}

static void end(void)
{
    if (tls)
        gnutls_deinit(tls);
    tls = NULL;
    close(fd);
    waitpid(child, NULL, 0);
}

/* ---- rows ---- */

static double ping(bool encrypted)
{
    static double us[PINGS];
    char bytes[SIZE] = "p";
    int n = bench_n(PINGS);
    begin(encrypted);
    for (int i = 0; i < n + 100; i++) {
        double start = bench_now();
        put(bytes, SIZE);
        must(get(bytes, SIZE), "recv");
        if (i >= 100)
            us[i - 100] = (bench_now() - start) * 1e6;
    }
    end();
    return bench_median(us, n);
}

static double link_ping(void) { return ping(false); }
static double link_ping_tls(void) { return ping(true); }

static double pull_once(void)
{
    char bytes[SIZE] = "b";
    double start = bench_now();
    put(bytes, SIZE);
    must(get(object, object_size), "recv");
    return bench_now() - start;
}

static double pull(bool encrypted)
{
    char bytes[SIZE] = "p";
    object_size = (size_t)bench_n(BENCH_100MB) * sizeof(double);
    bench_fill((double *)object, object_size / 8, 3);
    begin(encrypted);
    memset(object, 1, object_size);
    for (int i = 0; i < 100; i++) {
        put(bytes, SIZE);
        must(get(bytes, SIZE), "recv");
    }
    double seconds = pull_once();
    seconds = pull_once();
    bench_expect("last element", ((double *)object)[object_size / 8 - 1], 3 + (double)(object_size / 8 - 1));
    end();
    return (double)object_size * 1e-9 / seconds;
}

static double link_bulk(void) { return pull(false); }
static double link_bulk_tls(void) { return pull(true); }

static const bench_row rows[] = {
    BENCH_ROW(link_ping, "us"),
    BENCH_ROW(link_ping_tls, "us"),
    BENCH_ROW(link_bulk, "GB/s"),
    BENCH_ROW(link_bulk_tls, "GB/s"),
    { .metric = "ping_tcp", .unit = "us", .once = link_ping },
    { .metric = "pull_100MB", .unit = "GB/s", .once = link_bulk },
    { .metric = "pull_tls_100MB", .unit = "GB/s", .once = link_bulk_tls },
};

int main(int argc, char **argv)
{
    (void)argc;
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    object = malloc((size_t)BENCH_100MB * sizeof(double));
    must(object, "memory");
    bench_main("tcp", "", BENCH_ROWS(rows), argv);
    return 0;
}
