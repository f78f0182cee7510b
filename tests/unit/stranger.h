/* stranger.h -- somebody who dials the head of link_pair.h with a plain socket, and says what a test likes: nothing, garbage, the handshake, frames. */
#ifndef STRANGER_H
#define STRANGER_H

#include "link_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static inline int stranger(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(head.address, ':') + 1)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline void say(int fd, const void *bytes, size_t n) { ck_assert_int_eq(send(fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n); }

/* All that it is told, until it is closed. */
static inline size_t answer(int fd, unsigned char *told, size_t room)
{
    size_t n = 0;
    for (;;) {
        ssize_t got = recv(fd, told + n, room - n, 0);
        if (got > 0) {
            n += (size_t)got;
        } else if (got == 0 || (got < 0 && errno != EAGAIN)) {
            close(fd);
            return n;
        } else {
            turn(&head);
            ck_assert_msg(anything_to_do(PATIENCE_MS, fd), "it is not closed");
        }
    }
}

/* A stranger that knows the secret, and says nothing after that. */
static inline int proven_stranger(void)
{
    int fd = stranger();
    sk_auth a;
    sk_auth_begin(&a, &(sk_auth_spec){ .secret = &pair_secret, .role = SK_ROLE_NODE, .peer_roles = 1u << SK_ROLE_DRIVER, .build = { 7 }, .node = { { 5 } } });
    while (a.state != SK_AUTH_DONE) {
        size_t n;
        unsigned char bytes[SK_AUTH_MOST];
        const unsigned char *out = sk_auth_output(&a, &n);
        if (n) {
            say(fd, out, n);
            sk_auth_wrote(&a, n);
        }
        turn(&head);
        ssize_t got = recv(fd, bytes, sk_auth_wants(&a), 0);
        if (got > 0)
            ck_assert_uint_eq(sk_auth_take(&a, bytes, (size_t)got), (size_t)got);
        ck_assert_int_ne(a.state, SK_AUTH_FAILED);
    }
    sk_auth_clear(&a);
    return fd;
}

static inline int known_stranger(sk_frame_writer *writer)
{
    int fd = proven_stranger();
    static const sk_frame_kind kinds[] = { [1] = { "OPEN", 0, false }, [6] = { "CHUNK", 4 << 20, false }, [16] = { "TEXT", 4 << 20, false } };
    static const sk_frame_rules rules = { kinds, 17, SK_FRAME_BULK, false };
    unsigned char open[SK_FRAME_HEADER];
    *writer = (sk_frame_writer){ &rules, 0 };
    sk_frame_seal(writer, open, &(sk_frame_head){ .type = 1 }, NULL, 0);
    say(fd, open, sizeof open);
    UNTIL(head.last.state == SK_PEER_UP);
    return fd;
}

#endif
