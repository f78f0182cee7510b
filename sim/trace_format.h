/* trace_format.h -- the event log on disk and on a socket: what is in a *.sktrace file. Read this to write a reader.
 *
 * The idea: every thread writes records of its own into chunks, without locks; a file is a header and chunks in any order. All
 * numbers are little-endian; everything is a multiple of 8 bytes.
 *
 *   file    = header chunk*                  whole, if the last chunk holds a record END (*)
 *   header  = "SKTRACE\0"  u32 version=1  u32 clock (0: ticks of a counter, 1: nanoseconds)
 *   chunk   = "SKCH" u32 lane  u32 bytes (of the records)  u32 number (0, 1, 2 ... in each lane)
 *             u64 tick  u64 ns (the same instant on both clocks; ns counts from sk_init)  record*
 *   record  = u32 dt (ticks since the chunk's tick)  u8 type  u8 a  u16 n  u64 word[n]
 *
 * A lane is one thread's stream; within it time never goes back. Ticks become nanoseconds by the two (tick, ns) pairs
 * that are furthest apart in the file (with clock 1 they are the same). Text stands in words as bytes, each string ended by a NUL,
 * the last word padded with NULs. Tasks, objects, functions and sites are named by numbers that are never used twice in a file;
 * task and object numbers are separate, and 0 is none (the driver, where a task is meant). FUNCTION and SITE may
 * come after the records that use their numbers (in another lane). Readers skip types they do not know.
 *
 * (*) A program that ended by an error of its own, in an orderly way (a failed sk_get, misuse), leaves a whole file too: before END there is
 * INFO "error" with the message. Its other threads were still at work: tasks may be unfinished and objects not freed, and the last few records
 * of those threads may be missing; END counts the records that are there. Without END the program was killed, or crashed.
 *
 * The order of records of different lanes is that of their times; where times are equal, causes come before effects.
 *
 * INFO "time" is `real`; `virtual`: the backend's own, nothing in it was measured; or `measured`: virtual, but plain C has cost what it
 * took here (--cost live). Virtual times begin with 0 at sk_init.
 *
 * INFO "program" is as it was called; "executable" the absolute path of its file, which leads to its source (not in older logs).
 *
 * INFO "shutdown" is when sk_shutdown was called, in ns: while tasks end after that, the driver waits for them.
 *
 * R7: each TASK, OBJECT and NODE record is written by the one function that changes that state.
 *
 * The canonical log (`skate trace FILE --canonical OUT`; its SHA-256 is `--digest`; trace_digest.c writes it) is what two equal runs in
 * virtual time have in common. Text, a line a record, in the order above; words are separated by one space, lines end with \n:
 *
 *   line = NS what     NS: virtual nanoseconds, decimal, like all numbers
 *     task T new FN "SIGNATURE" at FILE CALLER by T makes O... needs O...      TASK_NEW; FILE is the file's name without its folders
 *     task T asks CPUS PRIORITY "NAME" "RESOURCES"                             TASK_ASKS; cpus in 1/10000, texts escaped as in C
 *     task T FROM TO [on NODE WORKER | code CODE]                              TASK; states in small letters
 *     object O FROM TO [type TYPE BYTES [is N]] [at FILE CALLER by T]          OBJECT; is: bool, signed and unsigned (as 64 bits) only
 *     node N FROM TO [workers W]                                               NODE; workers: of one that comes alive
 *     task T waits HOW for K of N at FILE CALLER object O                      WAIT
 *     task T waited HOW ready K code CODE                                      WAIT_END
 *     object O moves from N to N bytes B took NS                               TRANSFER
 *     task T says                                                              SAY
 *
 * T and O count tasks and objects 1, 2, 3 ... in the order in which this log names them; 0 is the driver, or none. Left out, because equal
 * runs differ in it: INFO, FUNCTION, SITE, NOTE, DROPPED, END, WAIT_ON, SPILL; the sk_code of an attempt that is repeated; folders; line numbers (compilers disagree about a call of several lines); the
 * library's own numbers of tasks, objects, functions, sites and lanes; previews of floating-point values; the text of SAY, which may hold
 * such values, or anything. Backend and seed are not part of it either: two seeds that make no difference have one digest. */
#ifndef SK_TRACE_FORMAT_H
#define SK_TRACE_FORMAT_H

#include <stdint.h>

#define SK_TRACE_MAGIC "SKTRACE"
#define SK_CHUNK_MAGIC 0x48434b53u          /* "SKCH" */
enum { SK_TRACE_VERSION = 1 };

typedef struct sk_trace_header { char magic[8]; uint32_t version, clock; } sk_trace_header;
typedef struct sk_trace_chunk { uint32_t magic, lane, bytes, number; uint64_t tick, ns; } sk_trace_chunk;
typedef struct sk_trace_record { uint32_t dt; uint8_t type, a; uint16_t n; } sk_trace_record;

/* X(name, number, what `a` is, words). hi:lo is one word, hi in its upper 32 bits. */
#define SK_TRACE_RECORDS(X)                                                                                       \
    X(INFO,      1, "0",                "text: key, value. Keys: program executable backend workers nodes seed time pid resources version error") \
    X(FUNCTION,  2, "0",                "number:line, text: name, signature, file")                               \
    X(SITE,      3, "0",                "number:line, text: file, function")                                      \
    X(TASK_NEW,  4, "returns<<4|deps",  "task, function:site, parent task, object[returns], object[deps] (arguments that are refs to wait for)") \
    X(TASK_ASKS, 5, "0",                "task, cpus in 1/10000 : priority, text: name, resources (both may be empty). For tasks that ask for anything unusual") \
    X(TASK,      6, "from<<4|to",       "task; to RUNNING: also worker:node; to FAILED or CANCELLED: also the sk_code; to READY from RUNNING or BLOCKED, to be tried again: also the sk_code of the attempt (not in older logs)") \
    X(OBJECT,    7, "from<<4|to",       "object; to READY: also type<<56|bytes, preview (the scalar's 8 bytes, else 0); from NONE: also site of the put:0, task") \
    X(NODE,      8, "from<<4|to",       "node:workers (0 unless to ALIVE)")                                                           \
    X(WAIT,      9, "how (sk_trace_wait)", "task that waits (0 driver), number wanted:number given, site:0, object (the first awaited)") \
    X(WAIT_END, 10, "how",              "task, number ready, sk_code")                                            \
    X(SAY,      11, "0",                "task, text")                                                             \
    X(NOTE,     12, "0",                "text: something the runtime has to say, a deadlock for instance")        \
    X(DROPPED,  13, "0",                "how many records this lane could not write")                             \
    X(END,      14, "0",                "records in the whole file, this one included; dropped in all; tasks; objects") \
    X(TRANSFER, 15, "0",                "object, bytes, from node:to node, how many ns it took. When all of it has come; what came to nothing is not here") \
    X(WAIT_ON,  16, "how",              "task that waits, objects: the awaited ones, 64 at most; of an sk_waiter those that are not there yet. Right after its WAIT, if it is for several") \
    X(SPILL,    17, "0 out, 1 back",    "object, bytes, node:0. Bytes of it that were in that node's store are in a file on its disk only from now on; or are in the store again. While it is READY; it ends too when it is lost or freed, or the node dies")

#define SK_TRACE_ENUM(name, number, a, words) SK_TRACE_##name = number,
typedef enum sk_trace_type { SK_TRACE_RECORDS(SK_TRACE_ENUM) } sk_trace_type;
typedef enum sk_trace_wait { SK_WAIT_GET, SK_WAIT_GET_ALL, SK_WAIT_WAIT, SK_WAIT_WAITER } sk_trace_wait;

/* The states, as they stand in `a`. */
typedef enum sk_task_state { SK_TASK_NONE, SK_TASK_WAITING, SK_TASK_READY, SK_TASK_RUNNING, SK_TASK_BLOCKED,
                             SK_TASK_DONE, SK_TASK_FAILED, SK_TASK_CANCELLED } sk_task_state;
typedef enum sk_object_state { SK_OBJECT_NONE, SK_OBJECT_PENDING, SK_OBJECT_READY, SK_OBJECT_FAILED, SK_OBJECT_MISSING,
                               SK_OBJECT_FREED } sk_object_state;
typedef enum sk_node_state { SK_NODE_NONE, SK_NODE_ALIVE, SK_NODE_DEAD } sk_node_state;

#endif
