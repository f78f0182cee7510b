/* relay.c -- a run that is watched from another machine, by way of `skate relay` (backends/tool/relay.h): both of its ends are started here, on
 * loopback; and who is refused. viz/far.c, which starts one of them for a viewer, is tested by tests/view/run and tests/window/run.
 *
 * Reading order: starting relays; a viewer that looks at bytes; the cases; what is refused. */
#define _GNU_SOURCE
#include "relays.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/tool/relay.h"

/* ---- starting relays ---- */

const char *secret(const char *name, char digit)
{
    static char paths[2][100];
    char *path = paths[digit == 'b'];
    snprintf(path, sizeof paths[0], "%s", path_of(name));
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (fd >= 0) {
        char text[SK_SECRET_DIGITS];
        memset(text, digit, sizeof text);
        if (write(fd, text, sizeof text) != sizeof text)
            exit(3);
        close(fd);
    }
    return path;
}

relay start_relay(const char *const *args, void (*prepare)(void))
{
    static char path[600];
    int ends[2];
    ssize_t n = readlink("/proc/self/exe", path, 500);
    path[n > 0 ? n : 0] = '\0';
    strcpy(strrchr(path, '/'), "/../libexec/skate/skate-relay");
    if (pipe2(ends, O_CLOEXEC) != 0)
        exit(3);
    relay r = { .pid = fork() };
    if (r.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        unsetenv("SKATE_SECRET_FILE");
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        if (prepare)
            prepare();
        execv(path, (char **)args);
        _exit(127);
    }
    close(ends[1]);
    r.out = fdopen(ends[0], "r");
    if (!fgets(r.line, sizeof r.line, r.out))
        r.line[0] = '\0';
    const char *at = strstr(r.line, " is watched at ");
    if (at)
        sscanf(at, " is watched at %199[^ ]: ", r.address);
    r.address[strlen(r.address) - (*r.address != '\0')] = '\0';                /* its colon */
    return r;
}

int end_of_relay(relay *r)
{
    int status = end_of(r->pid);
    fclose(r->out);
    return status;
}

relay beside(pid_t pid)
{
    char number[20];
    snprintf(number, sizeof number, "%d", (int)pid);
    relay r = start_relay((const char *[]){ "skate relay", number, "--secret-file", MINE, NULL }, NULL);
    expect(strstr(r.line, "is watched at 127.0.0.1:") && strstr(r.line, "skate view --attach 127.0.0.1:"), "the relay says where it listens");
    return r;
}

relay from_with(const char *address, const char *file, void (*prepare)(void))
{
    return start_relay((const char *[]){ "skate relay", "--from", address, file ? "--secret-file" : NULL, file, NULL }, prepare);
}

relay from(const relay *r)
{
    relay f = from_with(r->address, MINE, NULL);
    expect(strstr(f.line, "is watched through process "), "the other end says that it is ready");
    return f;
}

void refused_with(relay r, int status, const char *words)
{
    char says[200];
    if (strstr(r.line, " is watched "))
        kill(r.pid, SIGKILL);              /* it was let in */
    int is = end_of_relay(&r);
    snprintf(says, sizeof says, "refused with %d, \"%s\"", status, words);
    expect(is == status && strstr(r.line, words), says);
    if (is != status || !strstr(r.line, words))
        printf("    it is %d: %s\n", is, r.line);
}

/* ---- a viewer that looks at bytes ---- */

int dial(pid_t pid)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int n = snprintf(at.sun_path + 1, sizeof at.sun_path - 1, SK_LIVE_NAME, (int)pid), fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (struct sockaddr *)&at, (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n)) == 0 ? fd : -1;
}

int take_log(int fd)
{
    char text[SK_LIVE_LINE];
    union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control;
    struct iovec part = { text, sizeof text };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    int log = -1;
    if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) > 0 && CMSG_FIRSTHDR(&message))
        memcpy(&log, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof log);
    return log;
}

bool are_equal(int log, const char *path)
{
    struct stat a, b;
    int file = open(path, O_RDONLY);
    bool same = file >= 0 && fstat(log, &a) == 0 && fstat(file, &b) == 0 && a.st_size == b.st_size && a.st_size > 100000;
    for (off_t at = 0; same && at < a.st_size; ) {
        char x[65536], y[65536];
        ssize_t n = pread(log, x, sizeof x, at), m = pread(file, y, sizeof y, at);
        same = n > 0 && n == m && !memcmp(x, y, (size_t)n);
        at += n;
    }
    close(file);
    return same;
}

/* ---- the cases ---- */

static void the_log_comes_byte_by_byte(void)
{
    char log[120];
    snprintf(log, sizeof log, "%s.%s", path_of("far.sktrace"), backend);
    pid_t pid = start("tree", "--sk-gate", log);
    view here = watch(pid);                /* holds the gate closed, until the relay does */
    relay r = beside(pid), f = from(&r);
    sk_attach_close(here.a);
    int fd = dial(f.pid), copy = take_log(fd);
    expect(write(fd, "gate open\n", 10) == 10, "the gate is opened");
    FILE *lines = fdopen(fd, "r");
    char line[SK_LIVE_LINE] = "", last[SK_LIVE_LINE] = "";
    while (fgets(line, sizeof line, lines))
        strcpy(last, line);
    expect(!strcmp(last, "end\n"), "the end is told");
    expect(end_of(pid) == 7, "the tree has the right sum");
    expect(are_equal(copy, log), "the log is that of the program, byte by byte");
    expect((fcntl(copy, F_GETFL) & O_ACCMODE) == O_RDONLY, "it can only be read");
    fclose(lines);
    close(copy);
    expect(end_of_relay(&f) == 0 && end_of_relay(&r) == 0, "both ends of the relay end with the run");
}

static void the_gate_goes_through(void)
{
    pid_t pid = start("few", "--sk-gate", NULL);
    view here = watch(pid);
    WAIT_FOR(&here, here.to[SK_TASK_READY] > 0);
    relay r = beside(pid);
    sk_attach_close(here.a);               /* the relay holds it closed, until a viewer comes */
    relay f = from(&r);
    view v = watch(f.pid);
    WAIT_FOR(&v, STATUS(&v)->has_gate && STATUS(&v)->gate_is_closed && v.to[SK_TASK_READY] > 0);
    look_often(&v);
    expect(v.to[SK_TASK_RUNNING] == 0, "no task starts while the gate is closed");
    sk_attach_step(v.a, 1);
    WAIT_FOR(&v, v.to[SK_TASK_DONE] == 1);
    look_often(&v);
    expect(v.to[SK_TASK_RUNNING] == 1, "a step lets one through, from afar");
    sk_attach_gate(v.a, false);
    WAIT_FOR(&v, STATUS(&v)->state != SK_ATTACH_RUNS);
    expect(STATUS(&v)->state == SK_ATTACH_ENDED && v.to[SK_TASK_DONE] == FEW && end_of(pid) == 10, "the run goes on to its end, which is seen");
    sk_attach_close(v.a);
    expect(end_of_relay(&f) == 0 && end_of_relay(&r) == 0, "both ends of the relay end with the run");
}

static void who_leaves_opens_the_gate_from_afar(void)
{
    pid_t pid = start("few", "--sk-gate", NULL);
    sk_error err;
    sk_attach *wait = sk_attach_wait(pid, 60000, &err);
    relay r = beside(pid), f = from(&r);
    sk_attach_close(wait);
    view v = watch(f.pid);
    WAIT_FOR(&v, v.to[SK_TASK_READY] > 0);
    sk_attach_close(v.a);
    expect(end_of_relay(&f) == 0, "the end beside the viewer ends with it");
    expect(end_of(pid) == 10, "who leaves opens the gate");
    expect(end_of_relay(&r) == 0, "the end beside the program ends with that");
}

/* The relay has come while the gate was closed; but that was opened, and closed again by another viewer. */
static void a_relay_that_waits_holds_no_gate_that_was_opened(void)
{
    pid_t pid = start("hold", "--sk-gate", NULL);
    view here = watch(pid);
    relay r = beside(pid);
    WAIT_FOR(&here, STATUS(&here)->gate_is_closed);
    sk_attach_gate(here.a, false);
    WAIT_FOR(&here, !STATUS(&here)->gate_is_closed && here.to[SK_TASK_RUNNING] == 1);
    view other = watch(pid);
    sk_attach_gate(here.a, true);
    WAIT_FOR(&other, STATUS(&other)->gate_is_closed);
    sk_attach_close(here.a);
    WAIT_FOR(&other, !STATUS(&other)->gate_is_closed);
    sk_attach_close(other.a);
    meet(where, O_WRONLY);
    expect(end_of(pid) == 1 && end_of_relay(&r) == 0, "who closed it last opens it by leaving");
}

static void one_viewer_after_the_other(void)
{
    bool can = !strcmp(backend, "processes");
    pid_t pid = start("hold", "--sk-live", NULL);
    view here = watch(pid);
    WAIT_FOR(&here, here.to[SK_TASK_RUNNING] == 1);
    sk_attach_close(here.a);
    relay r = beside(pid), f = from(&r);
    refused_with(from_with(r.address, MINE, NULL), 69, "a relay serves one viewer at a time");
    view v = watch(f.pid);
    sk_error err;
    expect(!sk_attach_open(f.pid, &err) && strstr(err.message, "one watches already"), "nor does its other end serve two");
    WAIT_FOR(&v, v.to[SK_TASK_RUNNING] == 1);
    sk_attach_close(v.a);
    expect(end_of_relay(&f) == 0, "the first leaves");
    for (f = from_with(r.address, MINE, NULL); strstr(f.line, "one viewer at a time"); f = from_with(r.address, MINE, NULL))
        end_of_relay(&f);                  /* until the relay has heard of that */
    v = watch(f.pid);
    WAIT_FOR(&v, v.to[SK_TASK_RUNNING] == 1);
    sk_attach_kill(v.a, 0, 77);
    WAIT_FOR(&v, STATUS(&v)->refusals == 1);
    expect(strstr(STATUS(&v)->refusal, can ? "no task runs" : "no process") != NULL, "what the program refuses is heard");
    if (can) {
        char seen[200];
        snprintf(seen, sizeof seen, "%s.seen", where);
        WAIT_FOR(&v, access(seen, F_OK) == 0);
        sk_attach_kill(v.a, (int)sk_trace_lo(v.last_place), (int)sk_trace_hi(v.last_place));
        WAIT_FOR(&v, v.to[SK_TASK_RUNNING] == 2 && v.to[SK_TASK_DONE] == 1);
    } else {
        meet(where, O_WRONLY);
    }
    expect(end_of(pid) == (can ? 2 : 1), "a worker is killed from afar");
    WAIT_FOR(&v, STATUS(&v)->state != SK_ATTACH_RUNS);
    expect(STATUS(&v)->state == SK_ATTACH_ENDED, "the end of the run is seen");
    sk_attach_close(v.a);
    expect(end_of_relay(&f) == 0 && end_of_relay(&r) == 0, "both ends of the relay end with the run");
}

static void how_it_ends_is_seen_from_afar(void)
{
    pid_t pid = start("hold", "--sk-live", NULL);
    sk_attach_close(watch(pid).a);
    relay r = beside(pid), f = from(&r);
    view v = watch(f.pid);
    WAIT_FOR(&v, v.to[SK_TASK_RUNNING] == 1);
    kill(pid, SIGKILL);
    expect(end_of(pid) == -SIGKILL, "the program is killed");
    expect(end_of_relay(&f) == 0 && end_of_relay(&r) == 0, "both ends of the relay end");
    WAIT_FOR(&v, STATUS(&v)->state != SK_ATTACH_RUNS);
    expect(STATUS(&v)->state == SK_ATTACH_LOST, "a program that is killed is lost");
    sk_attach_close(v.a);

    pid = start("hold", "--sk-live", NULL);
    sk_attach_close(watch(pid).a);
    r = beside(pid), f = from(&r);
    v = watch(f.pid);
    WAIT_FOR(&v, v.to[SK_TASK_RUNNING] == 1);
    kill(r.pid, SIGKILL);
    expect(end_of_relay(&r) == -SIGKILL, "the relay is killed");
    WAIT_FOR(&v, STATUS(&v)->refusals == 1);
    expect(strstr(STATUS(&v)->refusal, "is gone: it closed the connection") != NULL, "the viewer is told who is gone");
    expect(end_of_relay(&f) == 69, "its other end ends");
    sk_attach_close(v.a);
    meet(where, O_WRONLY);
    expect(end_of(pid) == 1, "the run does not mind");
}

void relay_cases(void)
{
    the_log_comes_byte_by_byte();
    the_gate_goes_through();
    who_leaves_opens_the_gate_from_afar();
    a_relay_that_waits_holds_no_gate_that_was_opened();
    one_viewer_after_the_other();
    how_it_ends_is_seen_from_afar();
}

/* ---- what is refused ---- */

/* A relay that knows the secret, and means no good: says these frames, in a process of its own. */
typedef struct said { uint16_t type; uint64_t request; const char *bytes; } said;
static const said *liar_says;
static sk_transport *liar;
static sk_auth_role liar_is = SK_ROLE_RELAY;

static void lie(void *data, sk_peer peer, const sk_peer_info *info)
{
    (void)data;
    if (info->state == SK_PEER_DEAD)
        _exit(0);
    for (const said *s = liar_says; info->state == SK_PEER_UP && s->type; s++)
        sk_transport_send(liar, peer, s->type, s->request, &(struct iovec){ (void *)s->bytes, strlen(s->bytes) }, 1);
}

static void ignore(void *data, sk_peer peer, uint16_t type, uint64_t req, const uint8_t *bytes, size_t size)
{ (void)data, (void)peer, (void)type, (void)req, (void)bytes, (void)size; }

static const sk_frame_kind any_kinds[RELAY_KINDS] = { { "HELLO", 1000, false }, { "LOG", 1000, false }, { "LINE", 1000, false }, { "END", 1000, false } };

static void a_liar_is_refused(const said *says, int status, const char *words)
{
    int ends[2];
    char address[SK_TRANSPORT_ADDRESS] = "";
    if (pipe(ends) != 0)
        exit(3);
    pid_t pid = fork();
    if (pid == 0) {
        static const sk_transport_events events = { .state = lie, .control = ignore };
        sk_error err;
        sk_secret known;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sk_transport_self self = { .role = liar_is, .peer_roles = 1 << SK_ROLE_VIEWER, .cluster = { { 1 } }, .node = { { 2 } }, .secret = &known };
        sk_transport_config config = { .me = &self, .kinds = any_kinds, .nkinds = RELAY_KINDS, .events = &events };
        liar_says = says;
        liar = sk_secret_read(&known, MINE, &err) ? sk_tcp_transport.open(&config, &err) : NULL;
        if (!liar || !sk_transport_listen(liar, "127.0.0.1:0", address, &err) || write(ends[1], address, sizeof address) < 0)
            _exit(1);
        for (;;)
            sk_transport_poll(liar, SK_NEVER);
    }
    if (read(ends[0], address, sizeof address) <= 0)
        exit(3);
    close(ends[0]);
    close(ends[1]);
    relay f = from_with(address, MINE, NULL);
    if (strstr(f.line, "is watched through") && !fgets(f.line, sizeof f.line, f.out))          /* the next line says it, then */
        f.line[0] = '\0';
    refused_with(f, status, words);
    if (liar_is == SK_ROLE_RELAY)
        expect(end_of(pid) == 0, "it is left");
    else
        kill(pid, SIGKILL), end_of(pid);   /* it has never heard of us */
}

#define HELLO { RELAY_HELLO, RELAY_VERSION, "skate 1 4711 281474976710656 gate" }

static void a_peer_that_lies_is_refused(void)
{
    a_liar_is_refused((said[]){ { RELAY_HELLO, 9, "skate 1 4711 1 -" }, { 0 } }, 65, "speaks version 9, and this is version 1");
    a_liar_is_refused((said[]){ { RELAY_HELLO, RELAY_VERSION, "skate 1 4711" }, { 0 } }, 76, "its first words are not a program's");
    a_liar_is_refused((said[]){ { RELAY_HELLO, RELAY_VERSION, "skate 1 4711 1 -\nend" }, { 0 } }, 76, "what is not its turn");
    a_liar_is_refused((said[]){ { RELAY_LINE, 0, "no nothing to see here" }, { 0 } }, 69, "nothing to see here");
    a_liar_is_refused((said[]){ { RELAY_LINE, 0, "end" }, { 0 } }, 76, "its first words are not a relay's");
    a_liar_is_refused((said[]){ { RELAY_LOG, 0, "SKTRACE" }, { 0 } }, 76, "what is not its turn");
    a_liar_is_refused((said[]){ HELLO, HELLO, { 0 } }, 76, "what is not its turn");
    a_liar_is_refused((said[]){ HELLO, { RELAY_LOG, 1, "SKTRACE" }, { 0 } }, 76, "it has left out a part of the log");
    a_liar_is_refused((said[]){ HELLO, { RELAY_LOG, 0, "SKTRACE" }, { RELAY_LOG, 0, "SKTRACE" }, { 0 } }, 76, "it has left out a part of the log");
    a_liar_is_refused((said[]){ HELLO, { RELAY_LINE, 0, "upto noon" }, { 0 } }, 76, "it says what no program does");
    a_liar_is_refused((said[]){ HELLO, { RELAY_LINE, 0, "gate ajar 3" }, { 0 } }, 76, "it says what no program does");
    char longest[SK_LIVE_LINE * 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    a_liar_is_refused((said[]){ HELLO, { RELAY_LINE, 0, longest }, { 0 } }, 69, "was damaged: protocol error");
    liar_is = SK_ROLE_DRIVER;              /* a head of a cluster, which has the same secret */
    a_liar_is_refused((said[]){ HELLO, { 0 } }, 76, "is no relay of a run: it is a driver");
    liar_is = SK_ROLE_RELAY;
    a_liar_is_refused((said[]){ HELLO, { RELAY_LOG, 0, "SKTRACE" }, { RELAY_LINE, 0, "no \xc3" }, { RELAY_LINE, 0, "no \x1b[2J" }, { 0 } }, 76, "what is not its turn");
}

/* Listens, and says these words to the first that comes. */
static pid_t stranger(char address[40], const char *words)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) != 0 || listen(fd, 1) != 0 || getsockname(fd, (struct sockaddr *)&here, &size) != 0)
        exit(3);
    snprintf(address, 40, "127.0.0.1:%d", ntohs(here.sin_port));
    pid_t pid = words ? fork() : 0;
    if (words && pid == 0) {
        char heard[1000];
        int to = accept(fd, NULL, NULL);
        (void)!write(to, words, strlen(words));
        shutdown(to, SHUT_WR);
        while (read(to, heard, sizeof heard) > 0)
            ;
        _exit(0);
    }
    close(fd);
    return pid;
}

/* Garbage to the end beside the program: it goes on. */
static void throw_garbage(const char *address)
{
    struct sockaddr_in there = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1)) };
    char garbage[400];
    memset(garbage, 0xa5, sizeof garbage);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&there, sizeof there) != 0 || write(fd, garbage, sizeof garbage) <= 0)
        exit(3);
    while (read(fd, garbage, sizeof garbage) > 0)          /* a refusal, and the end */
        ;
    close(fd);
}

static void without_room(void) { setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 64, 64 }); }

static void without_a_directory(void) { setenv("TMPDIR", "/nowhere/at/all", 1); }

void relay_refusals(void)
{
    char address[40];
    const char *other = secret("other", 'b');
    stranger(address, NULL);
    refused_with(from_with(address, MINE, NULL), 69, "no relay answers at 127.0.0.1:");
    refused_with(from_with(address, NULL, NULL), 2, "--secret-file FILE is missing");
    refused_with(from_with("lab", MINE, NULL), 69, "\"lab\" is not an address: it has no port");
    refused_with(start_relay((const char *[]){ "skate relay", "1", "--bind", "0.0.0.0", NULL }, NULL), 2, "others of the network could watch");
    refused_with(start_relay((const char *[]){ "skate relay", "1", "--bind", "nowhere.invalid", "--secret-file", MINE, NULL }, NULL), 2, "nowhere.invalid");
    refused_with(start_relay((const char *[]){ "skate relay", "1", "--port", "70000", "--secret-file", MINE, NULL }, NULL), 2, "--port is a number from 0 to 65535");
    refused_with(start_relay((const char *[]){ "skate relay", "x", "--secret-file", MINE, NULL }, NULL), 2, "a program is named by its number");
    char self[20];
    snprintf(self, sizeof self, "%d", (int)getpid());
    refused_with(start_relay((const char *[]){ "skate relay", self, "--secret-file", MINE, NULL }, NULL), 69, "lets nobody watch it");
    refused_with(start_relay((const char *[]){ "skate relay", "1073741823", "--secret-file", MINE, NULL }, NULL), 69, "there is no process 1073741823");
    pid_t web = stranger(address, "HTTP/1.1 400 Bad Request\r\nContent-Length: 40\r\n\r\nand forty bytes of text about what is bad");
    refused_with(from_with(address, MINE, NULL), 76, "is no relay of a run");
    expect(end_of(web) == 0, "it is left");
    a_peer_that_lies_is_refused();
    stub_cases();

    pid_t pid = start("hold", "--sk-live", NULL);
    view here = watch(pid);
    WAIT_FOR(&here, here.to[SK_TASK_RUNNING] == 1);
    sk_attach_close(here.a);
    relay r = beside(pid);
    refused_with(from_with(r.address, other, NULL), 77, "does not let us in: authentication failed");
    throw_garbage(r.address);
    refused_with(from_with(r.address, MINE, without_a_directory), 70, "cannot be kept in /nowhere/at/all: No such file");
    relay full = from_with(r.address, MINE, without_room);
    if (strstr(full.line, "is watched through") && !fgets(full.line, sizeof full.line, full.out))
        full.line[0] = '\0';
    refused_with(full, 70, "cannot be kept in ");
    relay f = from_with(r.address, MINE, NULL);
    for (; strstr(f.line, "one viewer at a time"); f = from_with(r.address, MINE, NULL))
        end_of_relay(&f);
    view v = watch(f.pid);
    WAIT_FOR(&v, v.to[SK_TASK_RUNNING] == 1);
    meet(where, O_WRONLY);
    WAIT_FOR(&v, STATUS(&v)->state == SK_ATTACH_ENDED);
    expect(end_of(pid) == 1, "who was refused has disturbed nobody");
    sk_attach_close(v.a);
    expect(end_of_relay(&f) == 0 && end_of_relay(&r) == 0, "both ends of the relay end with the run");
}
