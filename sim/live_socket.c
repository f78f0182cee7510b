/* live_socket.c -- see live_socket.h. */
#define _GNU_SOURCE
#include "live_socket.h"

#include "live.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

socklen_t sk_live_address(pid_t pid, struct sockaddr_un *at)
{
    *at = (struct sockaddr_un){ .sun_family = AF_UNIX };
    int n = snprintf(at->sun_path + 1, sizeof at->sun_path - 1, SK_LIVE_NAME, (int)pid);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int sk_live_listen(int most)
{
    struct sockaddr_un at;
    socklen_t size = sk_live_address(getpid(), &at);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (bind(fd, (struct sockaddr *)&at, size) == 0 && listen(fd, most) == 0))
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

bool sk_live_is_trusted(int fd, bool any_of_root)
{
    struct ucred who;
    socklen_t size = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && (who.uid == geteuid() || who.uid == 0 || (any_of_root && geteuid() == 0));
}

bool sk_live_send_hello(int fd, int version, uint64_t scale, const char *can, int log)
{
    char text[SK_LIVE_LINE];
    int n = snprintf(text, sizeof text, "skate %d %d %llu %s\n", version, (int)getpid(), (unsigned long long)scale, can);
    union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
    struct iovec part = { text, (size_t)n };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room };
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &log, sizeof log);
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == n;
}
