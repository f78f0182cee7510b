/* timeline_words.c -- names, outcomes, codes and times for people; see the end of timeline.h. */
#include "timeline.h"

#include <glib.h>
#include <stdio.h>

const char *sk_timeline_name(const sk_timeline *t, uint32_t task)
{
    const sk_line_task *k = &t->tasks[task];
    return k->name ? t->names[k->name] : t->fns[k->fn].name;
}

const char *sk_timeline_code(unsigned code)
{
    static const char *const names[] = {
        [SK_OK] = "OK",
        [SK_TIMEOUT] = "TIMEOUT",
        [SK_TASK] = "TASK",
        [SK_CANCELLED] = "CANCELLED",
        [SK_TASK_TIMEOUT] = "TASK_TIMEOUT",
        [SK_WORKER_DIED] = "WORKER_DIED",
        [SK_WORKER_OOM] = "WORKER_OOM",
        [SK_OBJECT_LOST] = "OBJECT_LOST",
        [SK_STORE_FULL] = "STORE_FULL",
        [SK_INFEASIBLE] = "INFEASIBLE",
        [SK_DEADLOCK] = "DEADLOCK",
        [SK_LIMIT] = "LIMIT",
        [SK_HEAD_LOST] = "HEAD_LOST",
        [SK_PROTOCOL] = "PROTOCOL",
        [SK_MISUSE] = "MISUSE",
    };
    _Static_assert(G_N_ELEMENTS(names) == SK_CODES, "name the new code here");
    return code < SK_CODES ? names[code] : "?";
}

const char *sk_timeline_outcome(const sk_timeline *t, uint32_t task)
{
    static const char *const names[] = { "unknown", "waiting", "ready",  "running",
                                         "blocked", "done",    "failed", "cancelled" };
    return names[t->tasks[task].state];
}

const char *sk_timeline_time(int64_t ns, char buf[16])
{
    static const struct {
        double size;
        const char *name;
    } units[] = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" } };
    double x = (double)ns;
    unsigned u = 0;
    while (u < 3 && (x < 0 ? -x : x) < 0.9995 * units[u].size)
        u++;
    x /= units[u].size;
    double size = x < 0 ? -x : x;
    snprintf(buf, 16, "%.*f %s",
             u == 3 || size >= 99.95 ? 0
             : size >= 9.995         ? 1
                                     : 2,
             x, units[u].name);
    return buf;
}
