/* lineage.h -- how what was lost with a node is made again: by running its task once more.
 *
 * The idea (Ray's): objects are immutable and tasks can be repeated, so the record of a finished task is as good as a copy of its
 * answers. It is kept as long as one of them may be lost: function, arguments, and a claim on the objects among these. When the
 * last copy of an answer has gone and somebody needs it, the task goes from DONE back to WAITING and runs again; if arguments of
 * it have gone too, their tasks first, and so on. Each run counts against the task's max_retries, as in Ray.
 *
 *     object   READY -> MISSING            no copy is left, or nobody but lineage has a claim: its bytes are given back
 *              MISSING -> PENDING          it is being made again
 *              MISSING -> FAILED           it cannot be (it was put, or its task has run as often as it may): SK_OBJECT_LOST
 *     task     DONE -> WAITING -> ...      as at first
 *
 * Scalars travel in messages and are never lost. Put objects cannot be made again; so while a kept task has one as an
 * argument its bytes stay, even when the program has dropped it. Bytes that were lost stay in this process until their object is
 * freed: a view may point to them.
 *
 * Only on backends with nodes, who call with the turn (backend.h, enter): nothing here is locked. All of it is off, and costs a branch,
 * unless the backend sets sk_has_lineage. */
#ifndef SK_LINEAGE_H
#define SK_LINEAGE_H

#include "task.h"

/* The backend: no copy of the object is left. It is made again, or fails. `where`: "node 3, which crashed at 1.5 s". */
void sk_lineage_lost(sk_lane *lane, uint64_t object, const char *where);

/* For attempt.c: seals the answers of a finished task that are still open. true: its record is kept, do not bury it. */
bool sk_lineage_seal(sk_lane *lane, sk_task *t, sk_value *out);
/* A kept task is buried: its claims on its arguments are ordinary holds again. */
void sk_lineage_unkeep(sk_task *t);

/* sk_object_seal, when sk_has_lineage: what the value was before it was lost is put aside. If it fails now, nobody need wait for its bytes. */
void sk_lineage_shelve(sk_object *o, bool fails);
/* An object is about to be freed, when sk_has_lineage. */
void sk_lineage_object_goes(sk_lane *lane, sk_object *o);

/* What ended the attempts of this task that died, for the message that says it has died for good; `code` is the last one's. */
void sk_lineage_note_death(uint64_t task, sk_code code, const char *how);
const char *sk_lineage_deaths(uint64_t task, sk_code *code);      /* "node 1 crashed at 2 s; node 3 ..." or NULL */
void sk_lineage_forget_deaths(uint64_t task);

void sk_lineage_clear(void);                               /* at sk_init and at the end */

#endif
