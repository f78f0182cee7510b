/* proxy_stage.h -- the fault proxy with a peer on each side, over real sockets: what its tests share. Nothing here sleeps, or looks at a clock: a pause is
 * an hour, and is over because it is taken away. See proxy/proxy.h. */
#ifndef PROXY_STAGE_H
#define PROXY_STAGE_H

#include "base.h"
#include "proxy/proxy.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOUR INT64_C(3600000000000)

static char why[PROXY_WHY];

/* ---- Sockets ---- */

static inline socklen_t loopback(struct sockaddr_storage *at, int family, int port)
{
    memset(at, 0, sizeof *at);
    if (family == AF_INET) {
        *(struct sockaddr_in *)at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
        return sizeof(struct sockaddr_in);
    }
    *(struct sockaddr_in6 *)at = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_loopback };
    return sizeof(struct sockaddr_in6);
}

static inline int listen_on(int family, int *port)
{
    struct sockaddr_storage at;
    socklen_t size = loopback(&at, family, 0);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
    ck_assert_int_eq(listen(fd, 128), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(family == AF_INET ? ((struct sockaddr_in *)&at)->sin_port : ((struct sockaddr_in6 *)&at)->sin6_port);
    return fd;
}

/* A socket that is connected, or on the way; *code: what connect said. */
static inline int try_connect(int family, int port, int flags, int *code)
{
    struct sockaddr_storage at;
    socklen_t size = loopback(&at, family, port);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    ck_assert_int_ge(fd, 0);
    *code = connect(fd, (struct sockaddr *)&at, size) ? errno : 0;
    return fd;
}

static inline int connect_to(int family, int port)
{
    int code, fd = try_connect(family, port, 0, &code);
    ck_assert_int_eq(code, 0);
    return fd;
}

static inline int accept_from(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static inline void write_all(int fd, const void *data, size_t size)
{
    for (size_t at = 0; at < size; ) {
        ssize_t n = send(fd, (const char *)data + at, size - at, MSG_NOSIGNAL);
        ck_assert_int_gt(n, 0);
        at += (size_t)n;
    }
}

static inline void say(int fd, const char *text) { write_all(fd, text, strlen(text)); }

static inline void hear(int fd, const char *text)
{
    char got[256] = "";
    ck_assert_int_eq(recv(fd, got, strlen(text), MSG_WAITALL), (ssize_t)strlen(text));
    ck_assert_str_eq(got, text);
}

static inline void hear_nothing(int fd)
{
    char byte;
    ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
}

static inline void hear_the_end(int fd)
{
    char byte;
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
}

static inline void hear_a_reset(int fd)
{
    char byte;
    ck_assert_int_eq(recv(fd, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
}

static inline void close_with_reset(int fd)
{
    struct linger now = { 1, 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

/* ---- A proxy with a peer on each side ---- */

typedef struct stage {
    int family, listener;
    proxy *proxy;
    int client, target;                /* a connection through it */
} stage;

static inline proxy *proxy_before(int family, int port)
{
    char target[64], *listen = family == AF_INET ? "127.0.0.1:0" : "[::1]:0";
    snprintf(target, sizeof target, family == AF_INET ? "127.0.0.1:%d" : "[::1]:%d", port);
    proxy *p = proxy_open(&(proxy_options){ .target = target, .listen = listen, .seed = 1 }, why);
    ck_assert_msg(p != NULL, "%s", why);
    ck_assert_int_ne(proxy_port(p), 0);
    return p;
}

static inline void meet(stage *s)
{
    s->client = connect_to(s->family, proxy_port(s->proxy));
    s->target = accept_from(s->listener);
}

static inline stage stage_open(int family)
{
    stage s = { .family = family };
    int port;
    s.listener = listen_on(family, &port);
    s.proxy = proxy_before(family, port);
    meet(&s);
    return s;
}

static inline void stage_close(stage *s)
{
    close(s->client);
    close(s->target);
    proxy_close(s->proxy);
    close(s->listener);
}

static inline proxy_counts counts(stage *s)
{
    proxy_counts n;
    proxy_count(s->proxy, &n);
    return n;
}

static inline void set(stage *s, proxy_direction direction, proxy_faults faults)
{
    ck_assert(proxy_set(s->proxy, PROXY_ALL, direction, &faults));
}

static inline void wait_for(stage *s, const char *name, uint64_t n) { ck_assert(proxy_wait(s->proxy, name, n)); }

/* Of a stream that is the same each time, and not like itself elsewhere. */
static inline unsigned char byte_at(uint64_t i) { return (unsigned char)(sk_mix(i >> 3) >> (i & 7) * 8); }

#endif
