/* skate_link.c -- what the TCP transport does on loopback between two processes: the other one is forked and answers. The limits are tcp_bench.c's.
 *
 *   link_ping       us: a control message of 64 bytes there and back, both ends asleep in between; the median
 *   link_ping_tls   the same in TLS
 *   link_notes      messages/s: control messages of 64 bytes one way, as many as the queue takes
 *   link_bulk       GB/s: 100 MB, from asking for them to the last byte where it belongs, checksums compared; the second time
 *   link_bulk_tls   the same in TLS
 *   link_idle       % of a cpu: an end that has nothing to say for a second */
#define _GNU_SOURCE
#include "../../backends/transport.h"

#include "bench.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PING = SK_TRANSPORT_TYPE, NOTE, PULL, DONE, NOTES = 1000000, PINGS = 10000, SIZE = 64 };

static const sk_frame_kind kinds[] = { { "PING", SIZE, false }, { "NOTE", SIZE, false }, { "PULL", SIZE, false }, { "DONE", SIZE, false } };
static const sk_secret secret = { "thirty-two bytes that are known" };

static sk_transport *t;
static sk_transport_self self;
static sk_peer peer;
static bool answers;                       /* the other end: it does what it is asked for */
static int notes, replies;
static uint64_t arrived;
static uint8_t *object;
static size_t object_size;

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "link: %s\n", what);
    exit(1);
}

/* ---- what both ends do with what they are told ---- */

static void reply(uint16_t type, size_t size)
{
    static char bytes[SIZE];
    must(sk_transport_send(t, peer, type, 0, &(struct iovec){ bytes, size }, 1) == SK_SENT, "the other end is gone");
}

static void on_state(void *data, sk_peer p, const sk_peer_info *info)
{
    (void)data;
    if (info->state == SK_PEER_UP)
        peer = p;
    if (info->state != SK_PEER_DEAD)
        return;
    if (answers)
        _exit(0);
    must(false, info->why);
}

static void on_control(void *data, sk_peer p, uint16_t type, uint64_t req, const uint8_t *bytes, size_t size)
{
    (void)data, (void)p, (void)req, (void)bytes;
    if (type == NOTE) {
        notes++;
        return;
    }
    if (!answers)
        replies++;
    else if (type == PING)
        reply(PING, size);
    else if (type == DONE)
        reply(DONE, 0);
    else
        must(sk_transport_send_bulk(t, peer, 0, 0, &(struct iovec){ object, object_size }, 1), "the other end is gone");
}

static void *on_place(void *data, sk_peer p, uint64_t req, uint64_t offset, size_t size)
{
    (void)data, (void)p, (void)req, (void)size;
    return object + offset;
}

static void on_bulk(void *data, sk_peer p, uint64_t req, uint64_t offset, size_t size)
{
    (void)data, (void)p, (void)req, (void)offset;
    arrived += size;
}

static void on_room(void *data, sk_peer p) { (void)data, (void)p; }
static void on_sent(void *data, sk_peer p, uint64_t req, bool sent) { (void)data, (void)p, (void)req, (void)sent; }
static void on_lost(void *data, sk_peer p, const char *why) { (void)data, (void)p; must(answers, why); }

static const sk_transport_events events = { on_state, on_control, on_room, on_place, on_bulk, on_sent, on_lost, NULL };

/* ---- two processes ---- */

static bool open_end(bool tls, sk_error *err)
{
    self = (sk_transport_self){ .role = answers ? SK_ROLE_DRIVER : SK_ROLE_NODE, .peer_roles = ~0u, .cluster = { { 9 } }, .node = { { answers ? 1 : 2 } },
                                .secret = &secret, .secret_name = "the secret of this run" };
    t = sk_tcp_transport.open(&(sk_transport_config){ .me = &self, .kinds = kinds, .nkinds = 4, .events = &events, .encrypt = tls, .dead_ns = 60000000000 }, err);
    return t;
}

static _Noreturn void answer(bool tls, int tell)
{
    char address[SK_TRANSPORT_ADDRESS];
    sk_error err;
    answers = true;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    must(open_end(tls, &err) && sk_transport_listen(t, "", address, &err), "cannot listen");
    must(write(tell, address, sizeof address) == sizeof address, "cannot tell the address");
    for (;;)
        sk_transport_poll(t, SK_NEVER);
}

static pid_t child;

/* A new child for each run: so none has anything left of the one before. */
static void begin(bool tls)
{
    int ends[2];
    char address[SK_TRANSPORT_ADDRESS];
    sk_error err;
    must(pipe(ends) == 0, "no pipe");
    peer = (sk_peer){ 0 };
    notes = replies = 0;
    arrived = 0;
    child = fork();
    if (child == 0)
        answer(tls, ends[1]);
    must(child > 0 && read(ends[0], address, sizeof address) == sizeof address, "no other end");
    close(ends[0]);
    close(ends[1]);
    must(open_end(tls, &err), err.message);
    sk_transport_dial(t, address, NULL, NULL, &err);
    while (!peer.id)
        sk_transport_poll(t, SK_NEVER);
}

static void end(void)
{
    sk_transport_close(t);
    waitpid(child, NULL, 0);
}

static void wait_for_replies(int n)
{
    while (replies < n)
        sk_transport_poll(t, SK_NEVER);
}

/* ---- rows ---- */

static double ping(bool tls)
{
    static double us[PINGS];
    int n = bench_n(PINGS);
    begin(tls);
    for (int i = 0; i < n + 100; i++) {
        double start = bench_now();
        reply(PING, SIZE);
        wait_for_replies(i + 1);
        if (i >= 100)
            us[i - 100] = (bench_now() - start) * 1e6;
    }
    end();
    return bench_median(us, n);
}

static double link_ping(void) { return ping(false); }
static double link_ping_tls(void) { return ping(true); }

static double link_notes(void)
{
    static char bytes[SIZE];
    int n = bench_n(NOTES);
    begin(false);
    double start = bench_now();
    for (int i = 0; i < n; i++)
        while (sk_transport_send(t, peer, NOTE, 0, &(struct iovec){ bytes, SIZE }, 1) == SK_SEND_FULL)
            sk_transport_poll(t, SK_NEVER);
    while (sk_transport_send(t, peer, DONE, 0, NULL, 0) == SK_SEND_FULL)
        sk_transport_poll(t, SK_NEVER);
    wait_for_replies(1);
    double seconds = bench_now() - start;
    end();
    return n / seconds;
}

static double pull_once(void)
{
    double start = bench_now();
    arrived = 0;
    reply(PULL, 0);
    while (arrived < object_size)
        sk_transport_poll(t, SK_NEVER);
    return bench_now() - start;
}

static double pull(bool tls)
{
    object_size = (size_t)bench_n(BENCH_100MB) * sizeof(double);
    bench_fill((double *)object, object_size / 8, 3);
    begin(tls);
    memset(object, 1, object_size);        /* here, not there; and the pages are there */
    for (int i = 0; i < 100; i++) {        /* awake, both of them */
        reply(PING, SIZE);
        wait_for_replies(i + 1);
    }
    double seconds = pull_once();          /* the first takes several times as long as those that follow, also with plain TCP */
    seconds = pull_once();
    bench_expect("last element", ((double *)object)[object_size / 8 - 1], 3 + (double)(object_size / 8 - 1));
    bench_expect("first element", ((double *)object)[0], 3);
    end();
    return (double)object_size * 1e-9 / seconds;
}

static double link_bulk(void) { return pull(false); }
static double link_bulk_tls(void) { return pull(true); }

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static double link_idle(void)
{
    begin(false);
    double start = bench_now(), mine = cpu_seconds(), length = bench_is_small() ? 0.05 : 1;
    while (bench_now() - start < length)
        sk_transport_poll(t, (int64_t)(length * 1e9));
    mine = cpu_seconds() - mine;
    end();
    return 100 * mine / length;
}

static const bench_row rows[] = {
    BENCH_ROW(link_ping, "us"),
    BENCH_ROW(link_ping_tls, "us"),
    BENCH_ROW(link_notes, "messages/s"),
    BENCH_ROW(link_bulk, "GB/s"),
    BENCH_ROW(link_bulk_tls, "GB/s"),
    BENCH_ROW(link_idle, "%", .runs = 1, .cold = true),
};

int main(int argc, char **argv)
{
    (void)argc;
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    object = malloc((size_t)BENCH_100MB * sizeof(double));
    must(object, "no memory");
    bench_main("skate", "", BENCH_ROWS(rows), argv);
    return 0;
}
