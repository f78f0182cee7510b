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
long chaos_killed(void);
void chaos_killer_join(void);
int chaos_children(pid_t *pids, int room);              /* of all threads of this process */

/* drivers.c: starts `program VICTIM SEED`, kills it at a random moment, and looks at what is left. How many of n left something. */
int chaos_kill_drivers(const char *program, const char *victim, uint64_t seed, int n);

#endif
