/* live_socket.h -- the socket of live.h, for who listens there: a program, and `skate relay` in place of one. */
#ifndef SK_LIVE_SOCKET_H
#define SK_LIVE_SOCKET_H

#include "base.h"

#include <sys/socket.h>
#include <sys/un.h>

/* Where the viewers of a process connect; its length. */
socklen_t sk_live_address(pid_t pid, struct sockaddr_un *at);
/* Non-blocking, at the address of this process, with room for so many in its queue; -1: errno. */
int sk_live_listen(int most);
/* Does the process at the other end belong to this user, or to root? And, for who dials (`any_of_root`), is this process root's? */
bool sk_live_is_trusted(int fd, bool any_of_root);
/* The first line, with the log's descriptor. false: it does not take it. */
bool sk_live_send_hello(int fd, int version, uint64_t scale, const char *can, int log);

#endif
