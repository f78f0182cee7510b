#ifndef RUN_H
#define RUN_H
#include "plan.h"

enum { MAX_ANSWERS = 20000 };
typedef struct answer { int step; uint32_t code; uint64_t value; } answer;
typedef struct answers { int n; answer answer[MAX_ANSWERS]; } answers;

/* Between sk_init and sk_shutdown. Ends the process with status 3 at the first wrong answer. `runs_by_itself`: the backend runs
 * tasks that nobody waits for, so that in the end nothing may be left; it has `patience` seconds for it. */
void run_plan(const plan *p, const sk_config *config, bool runs_by_itself, double patience, answers *out);

#endif
