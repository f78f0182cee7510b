/* worker.h -- what a worker process does (sim/divert.h says how it gets here). */
#ifndef SK_WORKER_H
#define SK_WORKER_H

_Noreturn void sk_worker_main(const char *text);

#endif
