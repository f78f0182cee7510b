/* relay.h -- what the two ends of `skate relay` say to each other, and what both need.
 *
 * The idea: a program hands its log to a viewer as a descriptor, over a socket of its own machine (sim/live.h). That does not leave the machine, so two
 * processes stand in between. One, beside the program, is a viewer to it; one, beside the viewer, is the program to that: it writes the bytes
 * that come into a file without a name, and hands out that one. Between them is one peer of the transport (transport.h), with its secret:
 *
 *     program -- @skate-live/PID -- relay_beside.c -- HMAC or TLS -- relay_from.c -- @skate-live/PID OF THE RELAY -- viewer
 *
 *     type       request      payload                  said by
 *     16 HELLO   version      the program's hello      beside, once: who it is, and then all of the rest
 *     17 LOG     offset       bytes of the log         beside: in order, without a gap
 *     18 LINE                 a line of sim/live.h     both; "upto" comes behind the bytes that it speaks of. In place of HELLO: "no WHY", and the end
 *     19 END     1: whole     -                        beside, last: 1 the log is whole, 0 the program is gone, and that is all there is of it
 *
 * Files: relay.c what is asked for; relay_beside.c and relay_from.c, one end each; relay_lines.c what both need. */
#ifndef SK_TOOL_RELAY_H
#define SK_TOOL_RELAY_H

#include "backends/node.h"
#include "live.h"
#include "live_socket.h"

enum { RELAY_VERSION = 1, RELAY_HELLO = SK_TRANSPORT_TYPE, RELAY_LOG, RELAY_LINE, RELAY_END, RELAY_KINDS = 4 };
enum { RELAY_CHUNK = 16 << 10 };           /* a peer whose frame is not whole in ten seconds is ended (tcp_peers.c): so 2 KB/s are enough */
extern const sk_frame_kind relay_kinds[RELAY_KINDS];

/* ---- The ends. Each returns the exit status, what went wrong has been said ---- */

typedef struct relay_order {
    sk_transport_self self;                /* role and peer_roles are the end's to set */
    pid_t pid;                             /* beside: of the program */
    const char *address;                   /* beside: where to listen; from: whom to dial */
} relay_order;

int relay_beside(relay_order *order);
int relay_from(relay_order *order);

/* ---- What both need ---- */

/* "skate relay: ..." on standard error; returns the status. */
int relay_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

typedef struct relay_lines {
    char text[SK_LIVE_LINE];               /* that is coming in */
    size_t n;
} relay_lines;

/* Takes what has come, and gives out each line that is whole, without its newline. false: the other end has closed, or its line does not end. */
bool relay_hear(int fd, relay_lines *in, void (*line)(void *data, const char *text), void *data);

/* A payload that may be a line: without control characters, and, once it is in `text`, UTF-8. */
bool relay_is_line(const uint8_t *bytes, size_t size, char text[SK_LIVE_LINE]);

sk_transport_sent relay_send(sk_transport *t, sk_peer peer, uint16_t type, uint64_t request, const void *bytes, size_t size);
sk_transport_sent relay_send_line(sk_transport *t, sk_peer peer, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The events of transport.h that a peer without objects has no use for. */
void relay_no_room(void *data, sk_peer peer);
void *relay_no_place(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size);
void relay_no_bulk(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size);
void relay_no_sent(void *data, sk_peer peer, uint64_t req, bool sent);
void relay_no_loss(void *data, sk_peer peer, const char *why);

#endif
