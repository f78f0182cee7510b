/* live.c -- a run that is watched (sim/live.h) and who watches it (viz/attach.h), on every backend. Used as: build/tests/live
 *
 * The program starts itself again as the run that is watched. Two FIFOs hold a task of it: it says that it runs, and goes on when it is told.
 *
 * Reading order: what is watched; starting it; watching; the cases; main. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <skate.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "live.h"

enum { TREE = 4096, PATIENCE_S = 60 };

static char folder[] = "/tmp/skate-live-test-XXXXXX";
static long passed, failed;
const char *backend;

/* ---- what is watched ---- */

void meet(const char *path, int how)
{
    int fd = open(path, how);
    if (fd < 0 || close(fd) != 0)
        _exit(9);
}

SK_REMOTE(int, hold, (const char *, where), (const char *, seen))
{
    if (access(seen, F_OK) == 0)           /* an attempt after the first */
        return 2;
    close(open(seen, O_CREAT | O_WRONLY, 0600));
    meet(where, O_RDONLY);
    return 1;
}

SK_REMOTE(int, one, (int, x)) { return x; }
SK_REMOTE(int, sum, (int, x), (int, y)) { return x + y; }
SK_REMOTE(int, wrong, (int, x)) { sk_fail("%d is wrong", x); }

static int run(const char *what, const char *where, int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sk_init(&argc, &argv, NULL);
    static sk_ref refs[2 * TREE];
    char seen[200];
    int answer = 0;
    snprintf(seen, sizeof seen, "%s.seen", where);
    if (!strcmp(what, "hold")) {
        answer = sk_get(int, sk_remote(hold, where, seen));
    } else if (!strcmp(what, "away")) {              /* node 0 has no room for the third */
        char other[2][220];
        for (int i = 0; i < 2; i++) {
            snprintf(other[i], sizeof other[i], "%s.%d", where, i);
            refs[i] = sk_remote_with(SK_OPTS(.node = SK_ZERO), hold, where, other[i]);
        }
        refs[2] = sk_remote(hold, where, seen);
        for (int i = 0; i < 3; i++)
            answer += sk_get(int, refs[i]);
    } else if (!strcmp(what, "few") || !strcmp(what, "over")) {
        for (int i = 0; i < FEW; i++)
            refs[i] = sk_remote(one, i);
        for (int i = 0; i < FEW; i++)
            answer += sk_get(int, refs[i]);
        if (!strcmp(what, "over"))
            meet(where, O_WRONLY);
    } else if (!strcmp(what, "leave")) {             /* without waiting for them */
        for (int i = 0; i < FEW; i++)
            refs[i] = sk_remote(one, i);
    } else if (!strcmp(what, "tree")) {
        for (int i = 0; i < TREE; i++)
            refs[i] = sk_remote(one, 1);
        for (int n = TREE, i = 0; i < TREE - 1; i++, n++)
            refs[n] = sk_remote(sum, refs[2 * i], refs[2 * i + 1]);
        answer = sk_get(int, refs[2 * TREE - 2]) == TREE ? 7 : 8;
    } else {
        answer = sk_get(int, sk_remote(wrong, 3));
    }
    sk_shutdown();
    return answer;
}

/* ---- starting it ---- */

const char *path_of(const char *name)
{
    static char text[4][100];
    static int k;
    k = (k + 1) % 4;
    snprintf(text[k], sizeof text[k], "%s/%s", folder, name);
    return text[k];
}

char where[100];

pid_t start(const char *what, const char *option, const char *log)
{
    static int count;
    char by[60], file[120];
    snprintf(where, sizeof where, "%s/%d", folder, count++);
    if (mkfifo(where, 0600) != 0)
        exit(3);
    snprintf(by, sizeof by, "--sk-backend=%s", backend);
    snprintf(file, sizeof file, "--sk-trace=%s", log ? log : "");
    char *argv[] = { (char *)"live", (char *)"--watched", (char *)what, where, by, (char *)"--sk-workers=2", (char *)option,
                     !strcmp(backend, "tcp") ? (char *)"--sk-nodes=2" : (char *)"--sk-nodes=1", log ? file : NULL, NULL };
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        if (!getenv("LIVE_LOUD"))
            dup2(null, 2);
        dup2(null, 1);
        char self[20];
        snprintf(self, sizeof self, "%d", (int)getpid());
        if (!strcmp(what, "over"))
            setenv("SKATE_VIEWER_FOR", self, 1);
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    return pid;
}

int end_of(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* ---- watching ---- */

static void take(void *data, const sk_event *e)
{
    view *v = data;
    v->events++;
    v->by_type[e->type & 31]++;
    if (e->type == SK_TRACE_TASK) {
        v->to[sk_trace_to(e)]++;
        if (sk_trace_to(e) == SK_TASK_RUNNING)
            v->last_place = e->word[1], v->nodes |= 1ull << (sk_trace_lo(e->word[1]) & 63);
    } else if (e->type == SK_TRACE_NODE && sk_trace_to(e) == SK_NODE_DEAD) {
        v->dead |= 1ull << (sk_trace_hi(e->word[0]) & 63);
    } else if (e->type == SK_TRACE_INFO && !strcmp(sk_trace_read_text(e, 0), "error")) {
        snprintf(v->error, sizeof v->error, "%s", sk_trace_read_text(e, 1));
    }
}

bool look(view *v, double *until)
{
    struct timespec now, nap = { 0, 2000000 };
    nanosleep(&nap, NULL);
    clock_gettime(CLOCK_MONOTONIC, &now);
    double t = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    if (*until == 0)
        *until = t + PATIENCE_S;
    sk_attach_read(v->a, take, v, 1000000);
    return t < *until;
}

void expect(bool ok, const char *what)
{
    if (ok) {
        passed++;
        return;
    }
    failed++;
    printf("live: FAILED: on %s: %s\n", backend, what);
}

view watch(pid_t pid)
{
    sk_error err = { 0 };
    view v = { .a = sk_attach_wait(pid, PATIENCE_S * 1000, &err) };
    if (!v.a) {
        printf("live: FAILED: on %s: %s\n", backend, err.message);
        printf("live: %ld passed, %ld failed\n", passed, failed + 1);
        exit(1);
    }
    return v;
}

void look_often(view *v)
{
    double until = 0;
    for (int i = 0; i < 50; i++)
        look(v, &until);
}

/* ---- the cases ---- */

static void a_task_is_seen_while_it_runs(void)
{
    pid_t pid = start("hold", "--sk-live", NULL);
    view v = watch(pid);
    WAIT_FOR(&v, v.to[SK_TASK_RUNNING] == 1);
    expect(v.to[SK_TASK_DONE] == 0 && STATUS(&v)->state == SK_ATTACH_RUNS, "it runs, and has not ended");
    meet(where, O_WRONLY);
    WAIT_FOR(&v, STATUS(&v)->state != SK_ATTACH_RUNS);
    expect(STATUS(&v)->state == SK_ATTACH_ENDED && v.to[SK_TASK_DONE] == 1, "the log is whole, with the end of the task");
    expect(end_of(pid) == 1, "the run has ended well");
    sk_attach_close(v.a);
}

static void the_gate_holds_tasks_back(void)
{
    pid_t pid = start("few", "--sk-gate", NULL);
    view v = watch(pid);
    WAIT_FOR(&v, STATUS(&v)->has_gate && STATUS(&v)->gate_is_closed && v.to[SK_TASK_READY] > 0);
    look_often(&v);
    expect(v.to[SK_TASK_RUNNING] == 0, "no task starts while the gate is closed");
    for (unsigned i = 1; i <= 2; i++) {
        sk_attach_step(v.a, 1);
        WAIT_FOR(&v, v.to[SK_TASK_DONE] == i);
        look_often(&v);
        expect(v.to[SK_TASK_RUNNING] == i, "a step lets one through");
    }
    sk_attach_gate(v.a, false);
    WAIT_FOR(&v, STATUS(&v)->state != SK_ATTACH_RUNS);
    expect(v.to[SK_TASK_DONE] == FEW && end_of(pid) == 0 + 1 + 2 + 3 + 4, "open, it holds nobody");
    sk_attach_close(v.a);
}

static void nothing_is_lost_at_the_gate_when_the_program_waits_for_nothing(void)
{
    pid_t pid = start("leave", "--sk-gate", NULL);
    view v = watch(pid);
    WAIT_FOR(&v, v.to[SK_TASK_READY] > 0);
    look_often(&v);
    expect(v.to[SK_TASK_RUNNING] == 0 && STATUS(&v)->state == SK_ATTACH_RUNS, "sk_shutdown waits for the gate");
    sk_attach_step(v.a, 1);
    WAIT_FOR(&v, v.to[SK_TASK_DONE] == 1);
    look_often(&v);
    expect(v.to[SK_TASK_RUNNING] == 1, "a step lets one through, though nobody waits for it");
    sk_attach_gate(v.a, false);
    WAIT_FOR(&v, STATUS(&v)->state != SK_ATTACH_RUNS);
    expect(v.to[SK_TASK_DONE] == FEW && end_of(pid) == 0, "all of them are done");
    sk_attach_close(v.a);
}

static void who_leaves_opens_the_gate(void)
{
    pid_t pid = start("few", "--sk-gate", NULL);
    view v = watch(pid), other = watch(pid);
    WAIT_FOR(&v, v.to[SK_TASK_READY] > 0);
    sk_attach_close(v.a);
    look_often(&other);
    expect(other.to[SK_TASK_RUNNING] == 0, "the other viewer holds it closed");
    sk_attach_close(other.a);
    expect(end_of(pid) == 10, "who leaves opens the gate");
}

static void who_reads_along_sees_what_the_file_says(void)
{
    const char *log = path_of("file.sktrace");
    pid_t pid = start("tree", "--sk-gate", log);         /* so that it waits for us */
    view v = watch(pid);
    sk_attach_gate(v.a, false);
    WAIT_FOR(&v, STATUS(&v)->state != SK_ATTACH_RUNS);
    expect(end_of(pid) == 7, "the tree has the right sum");
    sk_error err;
    sk_reader *reader = sk_trace_read_open(log, &err);
    const sk_read_info *info = reader ? sk_trace_read_info(reader) : NULL;
    expect(info && info->whole && info->end_records == info->records && info->dropped == 0, "the file is whole");
    view file = { 0 };
    sk_cursor *c = reader ? sk_trace_read_cursor(reader) : NULL;
    for (sk_event e; c && sk_trace_read_next(c, &e);)
        take(&file, &e);
    expect(file.by_type[SK_TRACE_TASK_NEW] == 2 * TREE - 1 && file.events == v.events && !memcmp(file.by_type, v.by_type, sizeof v.by_type)
               && !memcmp(file.to, v.to, sizeof v.to), "who reads along has read the same");
    sk_trace_read_cursor_free(c);
    sk_trace_read_close(reader);
    sk_attach_close(v.a);
}

static void how_a_run_ends_is_seen(void)
{
    pid_t pid = start("hold", "--sk-live", NULL);
    view v = watch(pid);
    WAIT_FOR(&v, v.to[SK_TASK_RUNNING] == 1);
    kill(pid, SIGKILL);
    expect(end_of(pid) == -SIGKILL, "it is killed");
    WAIT_FOR(&v, STATUS(&v)->state != SK_ATTACH_RUNS);
    expect(STATUS(&v)->state == SK_ATTACH_LOST, "a program that is killed is lost");
    sk_attach_close(v.a);
    pid = start("wrong", "--sk-gate", NULL);
    v = watch(pid);
    sk_attach_gate(v.a, false);
    WAIT_FOR(&v, STATUS(&v)->state != SK_ATTACH_RUNS);
    expect(STATUS(&v)->state == SK_ATTACH_ENDED && strstr(v.error, "3 is wrong"), "one that ends by an error says why");
    expect(end_of(pid) == 1, "its status says so");
    sk_attach_close(v.a);
}

static void a_worker_is_killed(void)
{
    bool can = !strcmp(backend, "processes") || !strcmp(backend, "tcp");
    pid_t pid = start("hold", "--sk-live", NULL);
    view v = watch(pid);
    WAIT_FOR(&v, v.to[SK_TASK_RUNNING] == 1);
    sk_attach_kill(v.a, 0, 77);
    WAIT_FOR(&v, STATUS(&v)->refusals == 1);
    expect(strstr(STATUS(&v)->refusal, can ? "no task runs" : "no process") != NULL, "what cannot be killed is refused");
    if (can) {
        char seen[200];
        snprintf(seen, sizeof seen, "%s.seen", where);
        WAIT_FOR(&v, access(seen, F_OK) == 0);
        sk_attach_kill(v.a, (int)sk_trace_lo(v.last_place), (int)sk_trace_hi(v.last_place));
        WAIT_FOR(&v, v.to[SK_TASK_RUNNING] == 2 && v.to[SK_TASK_DONE] == 1);
    } else {
        meet(where, O_WRONLY);
    }
    expect(end_of(pid) == (can ? 2 : 1), "the task is tried again");
    sk_attach_close(v.a);
}

static void a_node_is_killed(void)
{
    pid_t pid = start("away", "--sk-live", NULL);
    view v = watch(pid);
    WAIT_FOR(&v, v.to[SK_TASK_RUNNING] == 3);
    expect(v.nodes == 3, "the third task is on node 1");
    sk_attach_kill(v.a, 0, -1);
    WAIT_FOR(&v, STATUS(&v)->refusals == 1);
    expect(strstr(STATUS(&v)->refusal, "node 0 is the program itself") != NULL, "the program's own node is not killed");
    sk_attach_kill(v.a, 7, -1);
    WAIT_FOR(&v, STATUS(&v)->refusals == 2);
    expect(strstr(STATUS(&v)->refusal, "node 7 is not there") != NULL, "a node that is not there is not killed");
    char seen[200];
    snprintf(seen, sizeof seen, "%s.seen", where);
    WAIT_FOR(&v, access(seen, F_OK) == 0);
    sk_attach_kill(v.a, 1, -1);
    WAIT_FOR(&v, v.dead == 2);
    meet(where, O_WRONLY);                 /* those of node 0 go on */
    WAIT_FOR(&v, v.to[SK_TASK_DONE] == 3);
    expect(end_of(pid) == 4, "the task of the node that was killed is tried again");
    sk_attach_close(v.a);
}

/* As `skate run --view` does, whose viewer takes longer to start than the program to end. */
static void a_run_that_is_over_waits_for_the_viewer_that_was_announced(void)
{
    pid_t pid = start("over", "--sk-live", NULL);
    meet(where, O_RDONLY);                 /* it has done its work, and ends */
    siginfo_t gone = { 0 };
    struct timespec nap = { 0, 2000000 };
    for (int i = 0; i < 50 && gone.si_pid == 0; i++) {                         /* as in look_often */
        nanosleep(&nap, NULL);
        waitid(P_PID, (id_t)pid, &gone, WEXITED | WNOHANG | WNOWAIT);
    }
    expect(gone.si_pid == 0, "it waits for its viewer");
    view v = watch(pid);
    WAIT_FOR(&v, STATUS(&v)->state != SK_ATTACH_RUNS);
    expect(STATUS(&v)->state == SK_ATTACH_ENDED && v.to[SK_TASK_DONE] == FEW && end_of(pid) == 10, "who comes at the end sees all of it");
    sk_attach_close(v.a);
}

/* Who has mapped a log would be killed by SIGBUS if it got shorter. */
static void the_log_of_a_run_that_is_watched_is_not_taken_from_it(void)
{
    const char *log = path_of("twice.sktrace");
    pid_t pid = start("tree", "--sk-gate", log);
    view v = watch(pid);
    WAIT_FOR(&v, v.to[SK_TASK_READY] > 0);
    pid_t second = start("over", "--sk-gantt", log);
    meet(where, O_RDONLY);
    expect(end_of(second) == 10, "a second run writes a log of the same name");
    sk_attach_gate(v.a, false);
    WAIT_FOR(&v, STATUS(&v)->state != SK_ATTACH_RUNS);
    expect(STATUS(&v)->state == SK_ATTACH_ENDED && v.to[SK_TASK_DONE] == 2 * TREE - 1 && end_of(pid) == 7, "the first is seen to its end");
    sk_attach_close(v.a);
}

static void nonsense_is_refused(void)
{
    sk_error err = { 0 };
    pid_t means[2] = { 0, 0 };
    char name[40];
    snprintf(name, sizeof name, "@skate-live/%d", (int)getpid());
    expect(sk_attach_address(name, &means[0], &err) && sk_attach_address(name + 1, &means[1], &err) && means[0] == getpid() && means[1] == getpid(),
           "a socket's name is a run's, as its number is");
    expect(sk_attach_address("localhost:7000", &means[0], &err) && means[0] == 0, "an address of a network is no process of this machine");
    expect(!sk_attach_address("localhost:", &means[0], &err) && strstr(err.message, "nor HOST:PORT of a relay"), "what is neither is said to be");
    expect(!sk_attach_address("4711 ", &means[0], &err) && strstr(err.message, "neither"), "half a number is none");
    expect(!sk_attach_open(getpid(), &err) && strstr(err.message, "lets nobody watch"), "a process that is no run cannot be watched");
    expect(!sk_attach_open(0x3ffffff, &err) && strstr(err.message, "there is no process"), "nor one that is not there");
    pid_t pid = start("hold", "--sk-live", NULL);
    view v = watch(pid);
    WAIT_FOR(&v, v.to[SK_TASK_RUNNING] == 1);
    sk_attach_gate(v.a, true);
    WAIT_FOR(&v, STATUS(&v)->refusals == 1);
    expect(strstr(STATUS(&v)->refusal, "--sk-gate") != NULL, "without a gate it cannot be closed");
    sk_attach *more[3] = { watch(pid).a, watch(pid).a, watch(pid).a };
    expect(!sk_attach_open(pid, &err) && strstr(err.message, "four viewers"), "the fifth viewer is sent away");
    for (int i = 0; i < 3; i++)
        sk_attach_close(more[i]);
    if (geteuid() == 0) {
        pid_t other = fork();
        if (other == 0)
            _exit(setuid(65534) != 0 ? 2 : sk_attach_open(pid, &err) != NULL ? 1 : strstr(err.message, "another user's") ? 0 : 3);
        expect(end_of(other) == 0, "another user is sent away");
        other = fork();
        if (other == 0)
            _exit(setuid(65534) != 0 ? 2 : sk_attach_open(getppid(), &err) != NULL ? 1 : strstr(err.message, "is another user's") ? 0 : 3);
        expect(end_of(other) == 0, "of another user's process that listens to nobody it is said whose it is");
    }
    meet(where, O_WRONLY);
    expect(end_of(pid) == 1, "the run does not mind");
    sk_attach_close(v.a);
}

int main(int argc, char **argv)
{
    if (argc > 3 && !strcmp(argv[1], "--watched"))
        return run(argv[2], argv[3], argc - 3, argv + 3);
    if (!mkdtemp(folder))
        return 3;
    static const char *const all[] = { "threads", "serial", "processes", "tcp", "virtual" };
    bool slow = getenv("SAN") && !strcmp(getenv("SAN"), "thread");             /* the store of processes needs more addresses than are left there */
    backend = "threads";
    pid_t alone = start("few", "--sk-gate", NULL);                             /* nobody comes */
    for (int i = 0; i < 5; i++) {
        backend = all[i];
        if (argc > 1 && strcmp(argv[1], backend) != 0)
            continue;
        if (slow && (i == 2 || i == 3))
            continue;
        a_task_is_seen_while_it_runs();
        the_gate_holds_tasks_back();
        nothing_is_lost_at_the_gate_when_the_program_waits_for_nothing();
        who_leaves_opens_the_gate();
        who_reads_along_sees_what_the_file_says();
        how_a_run_ends_is_seen();
        a_worker_is_killed();
        if (!strcmp(backend, "tcp"))
            a_node_is_killed();
        if (i == 0 || i == 2)
            relay_cases();
    }
    backend = "threads";
    a_run_that_is_over_waits_for_the_viewer_that_was_announced();
    the_log_of_a_run_that_is_watched_is_not_taken_from_it();
    nonsense_is_refused();
    relay_refusals();
    expect(end_of(alone) == 10, "a gate to which nobody comes opens");
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        return 3;
    printf("live: %ld passed, %ld failed\n", passed, failed);
    return failed > 0;
}
