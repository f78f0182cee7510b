/* spin.h -- looking again for a while before one sleeps, where a message goes through several processes.
 *
 * To be woken takes 50 us and more, for a core that idles must come up first; a task on another node and its answer are four such wakes. Who still looks
 * when the message comes has none. But the head, a node and its worker may be more than there are cores. So who looks gives way between two looks
 * (sched_yield), and they pass the core to each other in a microsecond. If it comes back late, somebody computes there: then looking would take the core from
 * him, and give way would cost us a whole time slice each time, as it would not if we slept. So for a while we sleep at once (who looks without giving way
 * may take the core from him who has the answer), and for twice as long if it is so again as soon as we look. What takes part of a slice only, as the driver's own work
 * between two answers, does not count. */
#ifndef SK_SPIN_H
#define SK_SPIN_H

#include "base.h"

#include <sched.h>
#include <time.h>

enum { SK_SPIN_NS = 20000,                 /* for so long anyone of a single node looks before he sleeps: without giving way, it is shorter than a wake */
       SK_SPIN_LONG_NS = 100000,           /* of several nodes, giving way */
       SK_SPIN_LATE_NS = 1000000,          /* a core comes back from our like sooner */
       SK_SPIN_SHY_NS = 20000000, SK_SPIN_SHY_MOST_NS = 1000000000 };

typedef struct sk_spin {                   /* all zeros at first */
    int64_t end;                           /* of looking; 0: something has been found since */
    int64_t shy_until, shy;                /* the core came back late: when we look for long again, and for how long it was not to be */
} sk_spin;

static inline int64_t sk_spin_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Something has been found. */
static inline void sk_spin_found(sk_spin *s) { s->end = 0; }

/* Nothing has been found. Passes a little time; true: look again. false: sleep. */
static inline bool sk_spin_on(sk_spin *s)
{
    int64_t now = sk_spin_now();
    bool is_shy = now < s->shy_until;
    if (is_shy)
        return false;
    if (!s->end)
        s->end = now + SK_SPIN_LONG_NS;
    if (now >= s->end)
        return false;
    sched_yield();
    int64_t back = sk_spin_now();
    if (back - now > SK_SPIN_LATE_NS) {
        s->shy = back - s->shy_until > s->shy ? SK_SPIN_SHY_NS : s->shy < SK_SPIN_SHY_MOST_NS / 2 ? 2 * s->shy : SK_SPIN_SHY_MOST_NS;
        s->shy_until = back + s->shy;
    }
    return true;                           /* also then: much may have come meanwhile */
}

#endif
