/* node_wire.h -- what the head of a cluster and its nodes say to each other: the one page of that protocol. The layers below it: transport.h (peers,
 * control beside bulk), auth.h (who is there), frame.h (the bytes of a frame).
 *
 * The idea. The graph, the scheduler and all decisions are the head's, which is the driver's process. A node is worker processes and memory. It
 * carries bytes between the head and its workers without looking at them (TO, FROM: the streams of sim/wire.h, as they pass through the rings
 * of worker.h), keeps the pages that it is told to keep, and moves them to whom it is told to.
 *
 * One space of addresses for all nodes. Each worker of each node owns an arena (shm.h), numbered over the whole cluster; owner 0 is the driver. A *place*
 * is a number in that space, and names the same object on every node that has a copy: where it was made, and where it was pulled to. The
 * head gives places out, so a node needs no table of what it holds; its memory is a sparse file for each owner. What the head says
 * of pages (FILL, DROP) comes on the same connection, in order, before the stream that needs it.
 *
 *     node                                                head
 *       | -- JOIN: so many workers, resources, memory ----> |
 *       | <---------------------------- CLOCK (some) ------ |     the offset of the clocks, from the fastest answer
 *       | ---- TIME --------------------------------------> |
 *       | <---------------------------- WELCOME ----------- |     its number, its owners, the layout of the space
 *       | <---------------------------- START slot -------- |
 *       | <=== TO, FROM: a stream for each worker ========> |     at most SK_NODE_WINDOW bytes that are not TAKEN
 *       | <---------------------------- PULL place -------- |     from that peer, which may be the head
 *       | -- SEND place --> that peer == bulk ==> |         |
 *       | ---- ARRIVED -----------------------------------> |
 *       | ---- EXITED slot -------------------------------> |     a worker has died, how, and which RUNs it had begun
 *       | <---------------------------- LEAVE ------------- |
 *
 * A worker's *life* counts the processes that have had its slot: what is said of another life than the present one is late, and passed over.
 *
 * Payloads: the fields of a message one after the other, as its letters say; all numbers big-endian. Nothing that arrives is trusted: a text's length
 * is checked against what is there, every place against the space (by whoever uses it), and a payload must end where its last field does. */
#ifndef SK_NODE_WIRE_H
#define SK_NODE_WIRE_H

#include "transport.h"
#include "value.h"
#include "worker.h"

enum { SK_NODE_WINDOW = SK_WORKER_RING, SK_NODE_PIECE = 64 << 10,      /* of a stream: under way at most, in one message at most */
       SK_NODE_PAYLOAD = SK_NODE_PIECE + 4096, SK_NODE_BLOB = sizeof(sk_blob), SK_NODE_TEXT = 4000 };

/* X(NAME, number, fields, what it says)
 *   s slot  l life  n m k numbers (u32)   p place  z size  r request  w v u x y words (u64)   t o texts (u32 size, bytes, NUL)   h a blob's header
 *   i a node's id   b bytes, the rest of the payload                                                                       */
#define SK_NODE_MESSAGES(X)                                                                                                              \
    X(JOIN,     0, "nmzwvtob", "node: version, workers, bytes of its store, page size; the mark that the head gave it as its child, or 0; its name, its resources; " \
                                "the address where it serves objects") \
    X(CLOCK,    1, "w",        "head: its clock")                                                                                        \
    X(TIME,     2, "wv",       "node: the word of CLOCK, its own clock (CLOCK_MONOTONIC, ns)")                                           \
    X(WELCOME,  3, "nmklpzwvuxysto", "head: your number; owners there are, your first owner, your slots; stride and large of shm.h; seed; start of the run on the " \
                                "node's clock; memory of a worker (0: no limit); ns of silence after which either end takes the other for dead, and for which the node looks for a head that is gone; " \
                                "ns between two heartbeats; do workers print labels (0, 1); name of the run; directory to spill to, or \"\" or none") \
    X(START,    4, "sl",       "head: a worker process")                                                                                 \
    X(FAILED,   5, "slt",      "node: it cannot be started, why")                                                                        \
    X(TO,       6, "slb",      "head: bytes for the worker")                                                                             \
    X(FROM,     7, "slb",      "node: bytes from the worker")                                                                            \
    X(TAKEN,    8, "sln",      "both: so many more bytes of your stream have been passed on")                                            \
    X(ARENA,    9, "sln",      "head: the worker needs this owner's arena")                                                              \
    X(SIGNAL,  10, "sln",      "head: send it this signal")                                                                              \
    X(FILL,    11, "pz",       "head: pages for a block, to be written by the worker that owns it")                                      \
    X(DROP,    12, "pz",       "head: those pages are not needed any more")                                                              \
    X(HEADER,  13, "ph",       "head: the first bytes of a block that is sealed, as the graph has them")                                 \
    X(PULL,    14, "rpzhit",   "head: get the block there from the node of this id at this address, with this header -> ARRIVED or MISSED") \
    X(ABANDON, 15, "r",        "head: not needed any more; the answer comes all the same")                                               \
    X(ARRIVED, 16, "rw",       "node: the block is there; ns that it took")                                                              \
    X(MISSED,  17, "rnt",      "node: it is not, sk_code, why")                                                                          \
    X(SEND,    18, "rpz",      "anyone: send me what comes behind the header of that block, as bulk of this request, from offset 0 on")   \
    X(NOTHING, 19, "rt",       "the answer if it cannot")                                                                                \
    X(OUTPUT,  20, "slnb",     "node: the worker has printed this, on 1 or 2")                                                           \
    X(EXITED,  21, "slnmtob",  "node: the worker has ended: by itself before it said anything (1) or not (0), for want of memory (1) or not (0); its fate " \
                               "(\"was killed by signal 9\"), its last words; its gates")                                                \
    X(LEAVE,   22, "t",        "head: the run is over, or you are not wanted, why; the last message")                                    \
    X(GOODBYE, 23, "t",        "node: it leaves, why; the last message")                                                                 \
    X(LEAVING, 29, "t",        "node: it wants to leave, why: send it no more tasks; when those there have ended, and others have what only it has -> LEAVE") \
    X(STATUS,  24, "",         "a tool: what is there?")                                                                                 \
    X(STATE,   25, "t",        "head: that")                                                                                             \
    X(FUNCTIONS, 26, "zb",     "a node that was refused for its functions, as a tool: bytes of its table in all, a piece -> LEAVE, where it differs")\
    X(CLOSE,    27, "slnm",    "head: close the gates of RUNs n to m (both of 0 to 255; from the last on, until one has begun) -> GATES")\
    X(GATES,    28, "slnmb",   "node: the n and m of CLOSE, and the 256 gates as they are now. What is CLOSED does not run; nor what is DONE: the worker has come to it since")\
    X(SPILL,    30, "pzw",     "head: those pages to a file, unless they are there by an earlier one, and give them back; a serial for -> UNSPILLED")\
    X(RESTORE,  31, "pz",      "head: those pages again, with what was spilled of them")\
    X(FORGET,   32, "p",       "head: what is in the file of those pages is not needed any more (DROP says that too)")\
    X(UNSPILLED,33, "pwt",     "node: it cannot be written, why: all is as it was before SPILL, and any other would come to nothing too")

#define SK_NODE_ENUM(name, number, fields, words) SK_NODE_##name = SK_TRANSPORT_TYPE + (number),
typedef enum sk_node_type { SK_NODE_MESSAGES(SK_NODE_ENUM) } sk_node_type;

/* Of every version JOIN begins with its own (n): what comes behind is each one's. */
enum { SK_NODE_VERSION = 3 };

typedef struct sk_node_msg {               /* to send: all borrowed. Received: texts and bytes lie in the payload */
    sk_node_type type;
    uint32_t slot, life, n, m, k;
    uint64_t place, size, req, w, v, u, x, y;
    const char *text, *other;              /* never NULL when received; NULL is sent as "" */
    const uint8_t *bytes;
    size_t nbytes;
    uint8_t header[SK_NODE_BLOB];
    sk_id id;
} sk_node_msg;

const sk_frame_kind *sk_node_kinds(unsigned *n);       /* for sk_transport_config */
const char *sk_node_name(unsigned type);               /* "JOIN"; NULL: no such message */

/* The payload, without b's bytes, which follow it: at most `room` bytes, SK_NODE_PAYLOAD is enough. Texts are cut at SK_NODE_TEXT. Returns its size. */
size_t sk_node_encode(const sk_node_msg *m, uint8_t *payload, size_t room);
bool sk_node_decode(sk_node_msg *m, unsigned type, const uint8_t *payload, size_t size, sk_error *err);      /* false: SK_PROTOCOL, why */

/* Of what has not been decoded: is it a JOIN of who speaks another version, m->n? The other fields mean nothing then. */
bool sk_node_is_of_other_version(const sk_node_msg *m);

/* Both at once: encodes and queues it. */
sk_transport_sent sk_node_send(sk_transport *t, sk_peer peer, const sk_node_msg *m);

#endif
