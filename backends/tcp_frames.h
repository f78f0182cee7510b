/* tcp_frames.h -- the frames that the TCP transport says for itself. Three headers are the page of the protocol: frame.h, what a frame is; this one, how
 * connections are opened, kept and given up; node_wire.h, what a head and its nodes say through them. Before the first frame there is the handshake, auth.h.
 *
 *     type          on              request              payload           said by
 *      1 OPEN       both, first     0: control; n > 0: bulk, the n-th       who dialed, once
 *      2 HEARTBEAT  both            0                    -                 both, when there is nothing else to say; and in answer to control's OPEN
 *      3 WANT_BULK  control         0                    -                 who was dialed: "dial a link for bulk, I have something to send"
 *      4 BULK_LOST  control         n                    -                 both: "the n-th link for bulk is no more", before anything that is said later
 *      5 BYE        control         0                    text, <= 200      both: why it closes the connection, which it then does
 *      6 CHUNK      bulk            whose it is          offset u64, bytes both; <= 4 MiB in all
 *     16 ...        control         the runtime's        <= 1 MiB          node_wire.h
 *
 * Flags are 0. Numbers of links for bulk only grow, from 1 on; UINT64_MAX is none. Who dialed knows which there have been: the loss of another is an error.
 * The other end may hear of a loss before the OPEN of that link, which then comes too late. Whatever is not in this table is an error, which ends
 * the connection (control: the peer). */
#ifndef SK_TCP_FRAMES_H
#define SK_TCP_FRAMES_H

#include "frame.h"

enum {
    SK_TCP_OPEN = 1, SK_TCP_HEARTBEAT, SK_TCP_WANT_BULK, SK_TCP_BULK_LOST, SK_TCP_BYE, SK_TCP_CHUNK,
    SK_TCP_BYE_MOST = 200,                 /* bytes of a farewell's reason */
};

/* The first frame of a link; those of a link for control after it, beside the runtime's; those of a link for bulk. For sk_frame_rules. */
#define SK_TCP_OPENING_KINDS { [SK_TCP_OPEN] = { "OPEN", 0, false } }
#define SK_TCP_CONTROL_KINDS { [SK_TCP_HEARTBEAT] = { "HEARTBEAT", 0, false }, [SK_TCP_WANT_BULK] = { "WANT_BULK", 0, false }, \
                               [SK_TCP_BULK_LOST] = { "BULK_LOST", 0, false }, [SK_TCP_BYE] = { "BYE", SK_TCP_BYE_MOST, false } }
#define SK_TCP_BULK_KINDS { [SK_TCP_HEARTBEAT] = { "HEARTBEAT", 0, false }, [SK_TCP_CHUNK] = { "CHUNK", SK_FRAME_BULK, true } }

#endif
