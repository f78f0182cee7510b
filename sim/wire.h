/* wire.h -- calls of the port as bytes: what a proxy and a server say to each other over a stream socket.
 *
 * The idea: one table (SK_WIRE_MESSAGES) says for each message which fields of sk_msg travel, a letter a field. Encoder and decoder
 * both walk the letters, so they cannot disagree; a new message is one line. The proxy asks, the server answers; calls that have
 * no answer are numbered by the caller (it mints the ids of the refs it makes), so nobody waits for them.
 *
 *   frame   = u32 length of the rest after the type, u8 type, fields. All numbers are little-endian.
 *   text    = u32 size with the NUL (0: no text at all), bytes, NUL
 *   site    = u32: number of a SITE frame sent before in the same direction, from 1 on; 0 is none
 *   value   = u8 sk_type, then  NONE -  BOOL u8  I64 U64 F64 REF u64  STR BUF u64 size, bytes
 *             ARRAY u8 dtype, u8 ndim, u64 shape[ndim], u64 size, bytes   LIST u32 n, u64 ids[n]
 *             STR BUF ARRAY with SK_WIRE_AT_PLACE added to the type: u64, where the blob lies in a store that both ends share; then, if
 *             they share only the names of places (headers_in at the other end), the sk_blob itself
 *   failure = u32 hops (0: none), then from the root cause up: u8 code, site, text
 *
 * Names of refs: bit 62 is set in all of them, bit 61 in those that the server minted, for refs that come back inside a value. Both
 * count from 1 in the lower bits and use no number twice. Bit 63 means a duplicate, as in the names of objects.
 *
 * Nothing that arrives is trusted: a length is checked against its cap and against the bytes that are there before anything is
 * allocated for it, every enum against its range, every blob by sk_blob_is_sound. What does not pass is SK_PROTOCOL.
 *
 * Reading order: messages; sk_msg; sk_wire.                                                                */
#ifndef SK_WIRE_H
#define SK_WIRE_H

#include "value.h"

#include <glib.h>

enum { SK_WIRE_VERSION = 4, SK_WIRE_HEADER = 5, SK_WIRE_BATCH = 64 << 10,
       SK_WIRE_MAX_NAME = 4096, SK_WIRE_MAX_TEXT = 1 << 20, SK_WIRE_MAX_REFS = 16 << 20, SK_WIRE_MAX_HOPS = 1 << 20,
       SK_WIRE_MAX_SITES = 1 << 20, SK_WIRE_MAX_ITEMS = 64 };
#define SK_WIRE_MAX_BLOB  ((size_t)1 << 30)
#define SK_WIRE_MAX_FRAME (SK_WIRE_MAX_BLOB + (1 << 20))
#define SK_WIRE_AT_PLACE 0x40
#define SK_WIRE_REF    ((uint64_t)1 << 62)         /* the client minted it */
#define SK_WIRE_FOUND  ((uint64_t)3 << 61)         /* the server minted it */
#define SK_WIRE_DUPLICATE ((uint64_t)1 << 63)

/* ---- Messages: X(name, number, fields, what they mean) ----
 * RUN to DIE are between a node and its worker processes (backends/worker.c), whose tasks make the other calls.
 * n number  m another one  i id  w word  d seconds  b flag  c code  s site  t text  u other  v one value  V values
 * g a block: where, bytes  R refs  o options  f failure  B bits  C counts  A resources  N nodes                                     */
#define SK_WIRE_MESSAGES(X)                                                                                  \
    X(HELLO,        1, "tnw",    "\"skate\", version, sk_fn_fingerprint; the first frame, both ways")        \
    X(SITE,         2, "ntu",    "line, file, function: the next number in this direction; both ways")       \
    X(FN,           3, "tnw",    "a function: name, nargs, nreturns; the next number, from 1 on")            \
    X(SUBMIT,       4, "nsiVo",  "function, site, id of the first of nreturns refs, arguments, options")     \
    X(PUT,          5, "siv",    "site, id of the new ref, value")                                           \
    X(PROMISE,      6, "si",     "site, id of the new ref")                                                  \
    X(FULFIL,       7, "siv",    "site, ref, value")                                                         \
    X(CANCEL,       8, "sib",    "site, ref, flags")                                                         \
    X(DROP,         9, "sit",    "site, ref, name of the call")                                              \
    X(DUP,         10, "sit",    "site, ref, name of the call")                                              \
    X(RELEASE,     11, "i",      "a ref of a list that came back: the client has forgotten that list")       \
    X(SCOPE_BEGIN, 12, "",       "")                                                                         \
    X(SCOPE_END,   13, "",       "")                                                                         \
    X(WAITER_NEW,  14, "nsR",    "the client's number for it, site, refs")                                   \
    X(WAITER_FREE, 15, "n",      "number")                                                                   \
    X(RUN,         16, "nmwigbstV", "node to worker: fn->index, row, seed, id, a block that it will ask for (0 bytes: none), is that of pages " \
                                    "of 2 MiB, site, name (none: the function's), arguments -> RAN") \
    X(RAN,         17, "cbwVf",  "worker to node: code, has it written to stdout?, ns of the body, the answers if OK, why not") \
    X(FREE,        18, "w",      "worker to node: where a block lies that it does not need after all")       \
    X(SAY,         19, "t",      "worker to node: for the log")                                             \
    X(DIE,         20, "nt",     "worker to node: status, why: the program has made a mistake and ends")     \
    X(GET,         32, "sitd",   "site, ref, name of the call, timeout -> GOT")                              \
    X(WAIT,        33, "stRwbd", "site, call, refs, how many, stop at a failure, timeout -> WAITED")         \
    X(WAITER_NEXT, 34, "nsd",    "number, site, timeout -> NEXT")                                            \
    X(SLEEP,       35, "sd",     "site, seconds -> DONE")                                                    \
    X(COMPUTE,     36, "sd",     "site, units -> DONE")                                                      \
    X(CANCELLED,   37, "",       "-> ANSWER")                                                                \
    X(COUNTS,      38, "",       "-> COUNTED")                                                               \
    X(RESOURCES,   39, "",       "-> RESOURCED")                                                             \
    X(NODES,       40, "",       "-> NODED")                                                                 \
    X(PRINT_REFS,  41, "",       "-> ANSWER")                                                                \
    X(PING,        42, "",       "-> DONE: all before it is done, and was not misuse")                       \
    X(BYE,         43, "",       "-> DONE, the last frame; without it, all that the client made is dropped") \
    X(ALLOC,       44, "w",      "worker to node: room for so many bytes -> PLACED")                         \
    X(GOT,         64, "cvf",    "code, value if OK, why not")                                               \
    X(WAITED,      65, "cnwBf",  "code, how many are ready, index of the failed one, which are ready, why")  \
    X(NEXT,        66, "cn",     "code, index")                                                              \
    X(DONE,        67, "",       "")                                                                         \
    X(ANSWER,      68, "w",      "a number")                                                                 \
    X(COUNTED,     69, "C",      "")                                                                         \
    X(RESOURCED,   70, "wA",     "how many there are, the first of them")                                    \
    X(NODED,       71, "wN",     "how many there are, the first of them")                                    \
    X(ERROR,       72, "ct",     "code, why: the last frame")                                                \
    X(PLACED,      73, "cwbt",   "code, where, is it of pages of 2 MiB, why not")                            \
    X(ENDED,       74, "i",      "the task of this id has ended: leave its body")

#define SK_WIRE_ENUM(name, number, fields, words) SK_WIRE_##name = number,
typedef enum sk_wire_type { SK_WIRE_MESSAGES(SK_WIRE_ENUM) } sk_wire_type;

/* ---- One message ---- */

typedef struct sk_msg {                /* to send: all borrowed. Received: see sk_msg_clear */
    sk_wire_type type;
    uint32_t number, more;
    uint64_t id, word;
    uint64_t block_at, block_size;
    double seconds;
    uint8_t flag;
    sk_code code;
    sk_site *site;                     /* permanent on both ends */
    const char *text, *other;          /* received: in the frame, valid until the next one arrives */
    unsigned nvalues;
    sk_value values[SK_MAX_ARGS];      /* received: owned. SK_T_BAD: the store was full */
    sk_ref *refs;                      /* received: owned */
    size_t nrefs;
    const sk_options *options;         /* NULL: none */
    sk_options room_for_options;       /* received: where options points to */
    sk_failure *failure;               /* received: owned */
    const uint8_t *bits;               /* received: in the frame. A byte each, 0 or 1 */
    size_t nbits;
    sk_counts counts;
    sk_resource *resources;            /* nitems of one of these; received: owned */
    sk_node_info *nodes;
    size_t nitems;
} sk_msg;

void sk_msg_clear(sk_msg *m);          /* frees what a received message owns; take things out by setting them to 0 */
const char *sk_wire_name(unsigned type);           /* "SUBMIT"; NULL: no such message */
const char *sk_wire_fields(unsigned type);         /* "nsiVo" */

/* ---- One end of a connection. One thread at a time. ---- */

typedef struct sk_wire {
    int fd;
    uint8_t *out, *in;
    size_t nout, out_room;             /* bytes not yet written */
    size_t in_at, in_end, in_room;     /* bytes read and not yet decoded */
    GHashTable *sites_out;             /* sk_site * -> number */
    GPtrArray *sites_in;               /* number - 1 -> sk_site * */
    sk_error error;                    /* after false: SK_PROTOCOL or SK_HEAD_LOST and why; or what cannot be sent */
    /* The refs inside a value are known to the other end by other names. NULL: by the same. */
    uint64_t (*ref_out)(void *data, sk_ref ref, bool in_list);
    sk_value (*list_in)(void *data, const sk_ref *refs, size_t n);      /* makes the list; SK_T_BAD as from sk_from_list */
    /* Both ends share a store. place: does the blob lie in it (and is not so small that it had better travel)? Then it is sent as its
     * place; blob_at turns that into a value of this type again, NULL with nothing there. Both NULL: bytes travel. */
    bool (*place)(void *data, sk_blob *blob, uint64_t *at);
    sk_blob *(*blob_at)(void *data, sk_type type, uint64_t at);
    bool headers_out, headers_in;
    const uint8_t *header;             /* headers_in, in blob_at: what was sent with this place */
    /* Another channel than a socket: writes all of it, reads some of it (0: the end). NULL: send and recv on fd. */
    bool (*write)(void *channel, const uint8_t *bytes, size_t n);
    size_t (*read)(void *channel, uint8_t *bytes, size_t room);
    void *channel;
    void *data;
    bool copies;                       /* what arrives are copies of objects, see sk_blob_new_copy */
} sk_wire;

void sk_wire_init(sk_wire *w, int fd); /* fd is borrowed; -1: frames stay in `out` */
void sk_wire_clear(sk_wire *w);
/* Adds a frame to the buffer. false: too large for a frame (nothing was added), w->error says what. */
bool sk_wire_add(sk_wire *w, const sk_msg *m);
bool sk_wire_flush(sk_wire *w);        /* writes out the buffer; false: nobody is there any more */
/* Waits for the next frame that is not a SITE. false: the end (SK_HEAD_LOST), or not Skate's protocol. */
bool sk_wire_receive(sk_wire *w, sk_msg *m);
/* wire_read.c: one whole frame from memory, sites too; the inner part of sk_wire_receive. */
bool sk_wire_decode(sk_wire *w, const uint8_t *frame, size_t size, sk_msg *m);

#endif
