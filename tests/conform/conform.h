/* conform.h -- how a case of the conformance suite is written.
 *
 * The idea: a case is a sentence and a body. The frame (conform.c) runs the body in a process of its own, between sk_init and
 * sk_shutdown and inside one sk_scope, on each backend, and then looks whether everything was given back:
 *
 *     CASE(a_task_adds_two_numbers) { ck_assert(sk_get(double, sk_remote(add, 1.0, 2.0)) == 3); }
 *     CASE(two_tasks_run_at_once, .needs = SK_CAN_OVERLAP, .config.workers = 2) { ... }
 *     CASE(a_dropped_ref_cannot_be_got, .dies = 2, .says = { "used after sk_drop" })
 *     {
 *         sk_ref x = sk_put(1);
 *         sk_drop(x);
 *         WRONG(sk_get(int, x));           // the message must name this file and line
 *     }
 *
 * No case sleeps to wait for something and none measures time. Tasks are held back with promises (skate/backend.h): `hold`
 * says that it runs by fulfilling one promise, and waits for another. Where a case must look into the memory of its tasks
 * (a static atomic), it says so: `.looks_inside`.
 *
 * Reading order: 1 cases; 2 what bodies may use; 3 remote functions for all. */
#ifndef CONFORM_H
#define CONFORM_H

#include <check.h>
#include <skate.h>
#include <skate/backend.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- 1. Cases ------------------------------------------------------------------------------------------ */

typedef struct conform_case conform_case;
struct conform_case {
    const char *name;             /* a sentence with underscores */
    const char *file;
    int line;
    void (*body)(void);

    unsigned needs;               /* SK_CAN_...; skipped on a backend that lacks one */
    bool looks_inside;            /* reads memory of the tasks: skipped where tasks are isolated */
    bool spins;                   /* a body waits in a loop without calls: skipped where time is simulated, for there it would be for ever */
    bool not_by_proxy;            /* compares addresses, or shares refs with other threads of the program (which have ports of their own):
                                   * skipped when the driver sits behind a proxy */
    bool own_queue;               /* about the core's queue for resources (sim/admit.c): skipped where a cluster has its own */
    const char *only_on;          /* about a promise of this backend alone, decorated or not: skipped on others */
    bool limits_memory;           /* of processes: a sanitizer's own would count, and is terabytes of addresses. Skipped under one */
    sk_config config;             /* workers 0 means 2 here, nodes 0 what --nodes says; backend and trace belong to the frame */
    bool by_hand;                 /* the body calls start() or sk_init itself, and shuts down */
    bool leaves;                  /* leaves tasks or bytes for the shutdown: do not count before it */

    int dies;                     /* the body ends the program with this exit status */
    const char *says[6];          /* and prints all of these */

    conform_case *next;           /* the frame's */
};

void conform_add(conform_case *c);

#define CASE(sentence, ...)                                                                       \
    static void sentence(void);                                                                   \
    static conform_case sentence##_case =                                                         \
        { .name = #sentence, .file = __FILE__, .line = __LINE__, .body = sentence __VA_OPT__(,) __VA_ARGS__ };  \
    __attribute__((constructor)) static void sentence##_add(void) { conform_add(&sentence##_case); }  \
    static void sentence(void)

/* ---- 2. What bodies may use ------------------------------------------------------------------------------ */

/* For cases by hand: sk_init on the backend under test with `config` (may be NULL), and sk_shutdown. */
void start(const sk_config *config);
void stop(void);
const char *backend_name(void);       /* under test: "threads", "./mine.so" */
unsigned backend_can(void);
const char *scratch(const char *name);      /* a path for a file, removed after the case */

/* A case that counts what one node has (its workers, its resources) means each of the nodes: it sums over all, or it says where its tasks are to run.
 * Where there is one node they have no such wish, and take the way of any task. */
int nodes_here(void);                 /* what sk_nodes says */
size_t conform_nodes(void);           /* what --nodes says; 1 where there are none */
int node_wish(int number);            /* for sk_options.node */
#define ON_NODE(number, ...) SK_OPTS(.node = node_wish(number) __VA_OPT__(,) __VA_ARGS__)

/* Is the case to have only some hundred tasks blocked at once? So it is on virtual under ThreadSanitizer: each takes 2 MB and 5 ms there
 * (fiber.c), and has nothing to race with, for bodies on virtual run one at a time. */
bool with_few(void);
extern const bool under_tsan;

/* The statement that should end the program; its line must be in the message. */
#define WRONG(...) do { conform_wrong_line(__LINE__); __VA_ARGS__; } while (0)
void conform_wrong_line(int line);

/* Runs `body` in a child process that has not called sk_init. */
typedef struct ending {
    int status;                   /* exit status; 1000 + signal if it was killed */
    char *output;                 /* stdout and stderr, in the order written; lives as long as the case */
    int line;                     /* of the last WRONG; 0 */
} ending;
ending run_apart(void (*body)(void));
void run_apart_on(const char *backend, void (*body)(void), ending *end);   /* the same, on another backend */

/* Looks at a count again and again until it has settled, as long as a hang would take. */
#define EVENTUALLY(condition)                                                                     \
    do {                                                                                          \
        int turns_ = 0;                                                                           \
        while (!(condition) && conform_turn(&turns_)) { }                                         \
        ck_assert_msg((condition), "never became true: " #condition);                             \
    } while (0)
bool conform_turn(int *turns);

#define CONTAINS(text, words) ck_assert_msg(strstr((text), (words)), "\"%s\" is not in \"%s\"", (words), (text))
size_t count_of(const char *text, const char *words);
bool contains_any_case(const char *text, const char *words);

/* The error of a ref that must fail. */
sk_error error_of(sk_ref ref);
#define FAILS(ref, expected)                                                                      \
    ({                                                                                            \
        sk_error error_ = error_of(ref);                                                          \
        ck_assert_msg(error_.code == (expected), "expected %s, got %s: %s", sk_code_name(expected),  \
                      sk_code_name(error_.code), error_.message);                                 \
        error_;                                                                                   \
    })

/* ---- 3. Remote functions for all (functions.c) -------------------------------------------------------------- */

SK_REMOTE_DECLARE(double, add, (double, a), (double, b));
SK_REMOTE_DECLARE(int64_t, plus, (int64_t, a), (int64_t, b));
SK_REMOTE_DECLARE(int64_t, same, (int64_t, x));
SK_REMOTE_DECLARE(int64_t, fails, (const char *, why));              /* sk_fail(why) */
SK_REMOTE_DECLARE(const char *, join, (const char *, a), (const char *, b));     /* "(ab)" */
SK_REMOTE_DECLARE(sk_none, nothing);
SK_REMOTE_OUT_DECLARE(divmod, ((int64_t, q), (int64_t, r)), (int64_t, a), (int64_t, b));     /* fails for b = 0 */
SK_REMOTE_DECLARE(int64_t, sum_list, (sk_list, refs));               /* gets them one by one */
/* Fulfils refs[0], if there are two, then waits for the last and returns its value. */
SK_REMOTE_DECLARE(int64_t, hold, (sk_list, refs));

/* Submits hold and returns when it runs (only where tasks overlap with the driver). `gate` lets it go on. */
sk_ref hold_one(sk_ref gate, const sk_options *options);

#endif
