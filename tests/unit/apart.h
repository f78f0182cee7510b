/* apart.h -- for tests of what a process leaves behind: its descriptors, its children; and tests that need a process of their own. */
#ifndef APART_H
#define APART_H

#include "base.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 256 };                       /* descriptors that the tests look at */

/* All that comes from fd until its end. */
static inline const char *all_of(int fd, char *text, size_t room)
{
    size_t n = 0;
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        poll(&p, 1, -1);
        ssize_t got = read(fd, text + n, room - 1 - n);
        if (got <= 0 && !(got < 0 && (errno == EAGAIN || errno == EINTR)))
            break;
        n += got > 0 ? (size_t)got : 0;
    }
    text[n] = 0;
    return text;
}

static inline uint64_t open_ones(void)     /* a hash of which descriptors are open */
{
    uint64_t set = 0;
    for (int fd = 0; fd < MOST; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            set = sk_mix(set + (uint64_t)fd + 1);
    return set;
}

/* The files without a name in this directory that the process has open lose their bytes: as when a disk fails. How many there are. */
static inline int cut_files(pid_t pid, const char *directory)
{
    char path[64], link[500];
    int count = 0;
    for (int fd = 0; fd < MOST; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        ssize_t n = readlink(path, link, sizeof link - 1);
        link[n > 0 ? n : 0] = '\0';
        if (n <= 0 || strncmp(link, directory, strlen(directory)) || !strstr(link, " (deleted)"))
            continue;
        int file = open(path, O_WRONLY | O_CLOEXEC);
        ck_assert_int_ge(file, 0);
        ck_assert_int_eq(ftruncate(file, 0), 0);
        close(file);
        count++;
    }
    return count;
}

static inline bool has_no_children(void) { return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD; }

/* Runs the test in a process of its own, which may close what it likes: it says what is wrong, or "". */
static inline void apart(const char *(*test)(void))
{
    int ends[2], status;
    char text[500];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    int above = fcntl(ends[1], F_DUPFD_CLOEXEC, MOST);             /* out of the test's way */
    ck_assert_int_ge(above, MOST);
    close(ends[1]);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        const char *wrong = test();
        _exit(write(above, wrong, strlen(wrong)) < 0);
    }
    close(above);
    all_of(ends[0], text, sizeof text);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_str_eq(text, "");
    ck_assert_int_eq(status, 0);
    close(ends[0]);
}

#endif
