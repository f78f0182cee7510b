/* wait.h -- somebody waits for objects: sk_get, sk_get_all, sk_wait, sk_waiter all stand on this.
 *
 * A wait puts a link on each awaited object that is not there yet; a sealed object fires its link, which counts down how many are
 * still needed. The thread blocks in the backend until the wait is over, then takes its unfired links out again.
 * A link may be firing in another thread while the wait ends; so the wait's memory stays until every link has been
 * either taken out or fired to its end (sk_wait_finish).                                                    */
#ifndef SK_WAIT_H
#define SK_WAIT_H

#include "object.h"
#include "task.h"

typedef struct sk_wait {
    _Atomic int64_t need;                /* over at 0 or below */
    _Atomic uint32_t fired;              /* links fired to their end */
    _Atomic int code;                    /* an sk_code that ended it, not SK_OK: SK_DEADLOCK, SK_LIMIT */
    _Atomic uint64_t failed;             /* stop_on_failure: index + 1 of the first failed link */
    _Atomic(void *) thread;              /* whom to wake */
    _Atomic(sk_link *) done;             /* collects: fired links, last first */
    bool stop_on_failure, collects;
    bool needs_all;                      /* every link, with or without failure: its tasks may be run on top of it */
    bool is_deep;                        /* needs_all: too many steps down to what could run */
    uint32_t looked_at;                  /* needs_all: links before this one have been */
    uint32_t told;                       /* collects: links before this one have fired, says the log */
    int worker;                          /* where the task goes on; set by the backend */
    int64_t deadline;
    uint64_t task;                       /* who waits; 0: the driver */
    sk_site *site;
    sk_link *links;                      /* nlinks, of which the first nlinked have been put on lists */
    size_t nlinks;
    uint32_t linked;
    struct sk_wait *below;               /* the wait of the frame below, on the same lane */
    uint64_t *path;                      /* sk_wait_next's walk */
    size_t npath, path_capacity;
    char *message;                       /* with SK_DEADLOCK: who waits for whom; owned */
} sk_wait;

/* links: room for n; stays borrowed until sk_wait_finish. objects are those of links[i].object. Counts those that are there already. */
void sk_wait_start(sk_lane *lane, sk_wait *wait, sk_link *links, size_t n, int64_t need, bool stop_on_failure);
/* Blocks the calling lane; moves its task to BLOCKED and back. Returns SK_OK, SK_TIMEOUT, SK_DEADLOCK, SK_LIMIT; does not return
 * if the task was cancelled or timed out meanwhile. `cleanup` is freed in that case. */
sk_code sk_wait_block(sk_lane *lane, sk_wait *wait, int64_t deadline, sk_site *site, sk_trace_wait how, void *cleanup);
/* Runs the task that makes o on top of this one, if the backend lets it. Whether o is sealed then is for the caller to see. */
void sk_wait_run_here(sk_lane *lane, sk_object *o, sk_site *site);
void sk_wait_finish(sk_wait *wait);
/* Are the objects there? (sk_wait_over is also true when the wait is to end without them.) */
static inline bool sk_wait_is_satisfied(const sk_wait *wait) { return atomic_load_explicit(&wait->need, acquire) <= 0; }
void sk_wait_fire(sk_link *link, bool failed);
int64_t sk_wait_deadline_from(double timeout_s);

#endif
