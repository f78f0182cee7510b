/* chaos.h -- programs that go on while their processes are killed. See chaos.c. */
#ifndef CHAOS_H
#define CHAOS_H

#include <skate.h>
#include <stdint.h>
#include <sys/types.h>

uint64_t chaos_random(uint64_t *state);                 /* splitmix64 */
double chaos_now(void);                                 /* seconds, monotonic */

/* rounds.c: one order-sensitive reduction; true: its answer is right. Says what is wrong. */
bool chaos_round(uint64_t seed);

/* store.c: the same of objects that the store has no room for. */
enum { CHAOS_STORE = 4 << 20 };
bool chaos_store_round(uint64_t seed);
double chaos_most_alive(void);                          /* bytes by CHAOS_STORE, over all rounds */

/* killer.c: kills a random child of this process, pause by pause (`slow` times as long), in a thread of its own, until it has killed `kills`. */
void chaos_killer_start(uint64_t seed, long kills, double slow);
void chaos_hold_fire(bool hold);
bool chaos_holds_fire(void);
long chaos_killed(void);
void chaos_killer_join(void);
int chaos_children(pid_t *pids, int room);              /* of all threads of this process */

bool chaos_kill_child(pid_t pid);                       /* false: it is none */

/* nodes.c: nodes of a cluster whose head this process is, or will be, and what befalls them, in a thread of its own. */
typedef enum chaos_trouble {
    CHAOS_NO_TROUBLE,
    CHAOS_KILLS,                                        /* kill -9 of nodes that are started again and again */
    CHAOS_OWN_KILLS,                                    /* of those that the program starts itself: of these there are no more then */
    CHAOS_FREEZES, CHAOS_NAPS,                          /* longer than the head's patience; shorter */
    CHAOS_PROXY,                                        /* faults of their connections */
} chaos_trouble;
enum { CHAOS_NODES = 3 };

typedef struct chaos_cluster {
    chaos_trouble trouble;
    long troubles;                                      /* how many */
    uint64_t seed;
    double slow, heartbeat, dead_after;                 /* factor; seconds */
    char head[40];                                      /* HOST:PORT */
    const char *secret_file;
} chaos_cluster;

int chaos_free_port(void);
void chaos_nodes_begin(const chaos_cluster *cluster);
void chaos_nodes_harm(void);                            /* from now on */
double chaos_struck(void);                             /* when a node was last killed, or frozen for long; 0: none was */
long chaos_troubles(void);                              /* that are over */
void chaos_nodes_close(void);                           /* no more harm, and no more nodes */
int chaos_nodes_end(void);                              /* when the head is gone: waits for the nodes' ends. How many did what none should */

/* drivers.c: starts `program VICTIM SEED`, kills it at a random moment, and looks at what is left. How many of n left something.
 * `slow`: how much longer it takes to begin. */
int chaos_kill_drivers(const char *program, const char *victim, uint64_t seed, int n, int slow);

#endif
