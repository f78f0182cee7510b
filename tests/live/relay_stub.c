/* relay_stub.c -- `skate relay` beside a program that this file plays: it speaks the lines of sim/live.h when the case wants it to.
 *
 * Reading order: the program; what is asked of the relay. */
#define _GNU_SOURCE
#include "relays.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sim/live.h"

/* ---- the program ---- */

static int listener, log_fd;
static int told;                           /* written to when the program has come to a place that the case waits for */
static int life[2];                        /* ends with the test */

static void open_stub(const char *path, int backlog)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int n = snprintf(at.sun_path + 1, sizeof at.sun_path - 1, SK_LIVE_NAME, (int)getpid());
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    log_fd = open(path, O_CREAT | O_APPEND | O_RDWR, 0600);
    if (log_fd < 0 || bind(listener, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) != 0
        || listen(listener, backlog) != 0)
        _exit(9);
}

static void say(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        _exit(8);
}

static void grow(size_t size)
{
    static char bytes[1 << 20];
    memset(bytes, (int)(size % 251), size);
    if (write(log_fd, bytes, size) != (ssize_t)size)
        _exit(7);
}

static int welcome(void)
{
    char text[100];
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), n = snprintf(text, sizeof text, "skate %d %d 1 -\n", SK_LIVE_VERSION, (int)getpid());
    union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
    struct iovec part = { text, (size_t)n };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room };
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &log_fd, sizeof log_fd);
    if (sendmsg(fd, &message, MSG_NOSIGNAL) != n)
        _exit(6);
    return fd;
}

/* Until the relay says something (true), or leaves. */
static bool is_asked(int fd)
{
    char byte;
    return read(fd, &byte, 1) == 1;
}

/* A child that holds what it inherits, for as long as the test lives. */
static void leave_an_heir(void)
{
    char byte;
    if (fork() != 0)
        return;
    close(listener);
    _exit(read(life[0], &byte, 1) == 1);
}

static pid_t play(void (*part)(const char *path), const char *path)
{
    int ends[2];
    char byte;
    if (pipe2(ends, O_CLOEXEC) != 0)
        exit(3);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        told = ends[1];
        close(life[1]);
        part(path);
        _exit(0);
    }
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1)      /* it listens */
        exit(3);
    told = ends[0];
    return pid;
}

static bool is_told(void)
{
    char byte;
    return read(told, &byte, 1) == 1;
}

/* ---- what is asked of the relay ---- */

enum { STEPS = 60, MOST_OF_ONE = 700001 };

static size_t step_size(int i) { return 1 + (size_t)i * 7919 * 31 % MOST_OF_ONE; }

/* "upto N" when the log has N bytes; more come at once behind it. */
static void counts(const char *path)
{
    unsigned long long size = 0;
    char text[60];
    open_stub(path, 4);
    say(told, "l");
    int fd = welcome();
    for (int i = 0; i < STEPS; i++) {
        grow(step_size(i));
        size += step_size(i);
        snprintf(text, sizeof text, "upto %llu\n", size);
        say(fd, text);
    }
    is_asked(fd);
}

static void nothing_is_announced_before_it_is_there(void)
{
    const char *path = path_of("counted");
    pid_t pid = play(counts, path);
    relay r = beside(pid), f = from(&r);
    int fd = dial(f.pid), copy = take_log(fd), early = 0, n = 0;
    unsigned long long upto = 0, size = 0, announced;
    for (int i = 0; i < STEPS; i++)
        size += step_size(i);
    FILE *lines = fdopen(fd, "r+");
    for (char line[SK_LIVE_LINE]; upto < size && fgets(line, sizeof line, lines); )
        if (sscanf(line, "upto %llu", &announced) == 1) {
            struct stat st;
            early += fstat(copy, &st) != 0 || (unsigned long long)st.st_size < announced || announced < upto;
            upto = announced;
            n++;
        }
    expect(n > 0 && upto == size, "up to when the log is complete is said");
    expect(early == 0, "but never before it is here");
    expect(are_equal(copy, path), "the log is the same, byte by byte");
    expect(write(fd, "step 1\n", 7) == 7 && end_of(pid) == 0, "the program is told to end");
    expect(end_of_relay(&f) == 0 && end_of_relay(&r) == 0, "and both ends of the relay do");
    fclose(lines);
    close(copy);
    close(told);
}

/* It says "end" of a log that is whole, and stays; or it ends without a word. A child of it has the connection open. */
static void leaves_an_heir(const char *path)
{
    open_stub(path, 4);
    say(told, "l");
    int fd = welcome();
    if (!strstr(path, "whole"))
        grow(1000);
    leave_an_heir();
    is_asked(fd);
    if (!strstr(path, "whole"))
        _exit(0);
    say(fd, "end\n");
    for (;;)
        pause();
}

static void an_heir_of_the_connection_does_not_hold_the_end_back(bool whole)
{
    const char *path = path_of(whole ? "whole" : "cut");
    if (whole)
        expect(end_of(start("few", "--sk-live", path)) == 10, "there is a log");
    pid_t pid = play(leaves_an_heir, path);
    relay r = beside(pid), f = from(&r);
    int fd = dial(f.pid);
    close(take_log(fd));
    expect(write(fd, "step 1\n", 7) == 7, "the program is told to go on");
    expect(whole || end_of(pid) == 0, "it ends without a word");
    expect(end_of_relay(&f) == 0 && end_of_relay(&r) == 0, "both ends of the relay end, though its child has the connection");
    if (whole)
        kill(pid, SIGKILL), end_of(pid);
    close(fd);
    close(told);
}

/* The run is over when the first viewer has left, the process is not. */
static void closes_its_door(const char *path)
{
    open_stub(path, 4);
    say(told, "l");
    int fd = welcome();
    grow(1000);
    while (is_asked(fd))
        ;
    close(listener);
    say(told, "c");
    for (;;)
        pause();
}

static void a_relay_ends_with_the_run_though_the_process_lives(void)
{
    pid_t pid = play(closes_its_door, path_of("closed"));
    relay r = beside(pid), f = from(&r);
    int fd = dial(f.pid);
    close(take_log(fd));                   /* who leaves before that has not been there */
    close(fd);
    expect(end_of_relay(&f) == 0 && is_told(), "the viewer leaves, and then the run is over");
    refused_with(from_with(r.address, MINE, NULL), 69, "lets nobody watch it");
    expect(end_of_relay(&r) == 0, "who comes too late is told so, and the relay ends");
    kill(pid, SIGKILL);
    end_of(pid);
    close(told);
}

static void never_answers(const char *path)
{
    open_stub(path, 0);
    say(told, "l");
    for (;;)
        pause();
}

static void a_program_that_does_not_answer_is_not_waited_for(void)
{
    pid_t pid = play(never_answers, path_of("mute"));
    int first = dial(pid);                 /* fills the queue */
    char number[20];
    snprintf(number, sizeof number, "%d", (int)pid);
    refused_with(start_relay((const char *[]){ "skate relay", number, "--secret-file", MINE, NULL }, NULL), 69, "does not answer");
    close(first);
    kill(pid, SIGKILL);
    end_of(pid);
    close(told);
}

void stub_cases(void)
{
    if (pipe2(life, O_CLOEXEC) != 0)
        exit(3);
    nothing_is_announced_before_it_is_there();
    an_heir_of_the_connection_does_not_hold_the_end_back(true);
    an_heir_of_the_connection_does_not_hold_the_end_back(false);
    a_relay_ends_with_the_run_though_the_process_lives();
    a_program_that_does_not_answer_is_not_waited_for();
    close(life[0]);
    close(life[1]);
}
