/* cluster_file.h -- what a simulated cluster is made of: read from a file, a preset, or the command line's few numbers.
 *
 *     [cluster]                                  all of it optional
 *     nodes = 30                                 node0 .. node29
 *     workers = 8                                cpus a node
 *     resources = licence=1                      named ones, each node
 *     store-bytes = 2G                           default: no limit
 *     policy = locality
 *     seed = 1                                   of the policy; a --seed other than 1 goes before it
 *     [node.gpu*]                                more nodes: gpu0 .. gpu3; keys left out are as in [cluster]
 *     count = 4
 *     resources = gpu=2
 *     speed = 0.5                                computes half as fast
 *     disk-bandwidth = 500MB/s                   for objects that do not fit in the store; bandwidth: of its network card
 *     [network]
 *     latency = 50us
 *     bandwidth = 10Gbit/s                       of each card, each way; default: no limit
 *     pulls = 8                                  at a time, each node
 *     [overheads]                                submit schedule dispatch get put; default 0
 *     submit = 20us
 *     put-per-byte = 0.1ns
 *     [faults]
 *     seed = 7                                   for those at random:
 *     crash = every 100s for 2s                  each node, on average, from the end of one to the next; slow = every 60s by 10 for 5s; freeze; cut
 *     at 1.5s = crash node 3; freeze gpu0 for 300ms
 *     at 2s = restart 3; slow 4 by 10; cut 1 2 for 1s
 *
 * A node that is frozen for longer than 10 s is taken for dead: when it thaws later it is fenced (what it still brings is not taken) and
 * rejoins empty. A transfer that is cut starts again from byte 0.
 *
 * Equal nodes are one record, however many they are (up to 100,000 in all): 10,000 nodes cost no more than one. Numbers are exact: a time that is no whole number
 * of nanoseconds is refused, not rounded. Sizes count in 1024s (2G), bandwidths as networks do in 1000s (1GB/s, 100Mbit/s). */
#ifndef SK_CLUSTER_FILE_H
#define SK_CLUSTER_FILE_H

#include "base.h"
#include "resources.h"

typedef struct sk_overhead { int64_t fixed, per_byte; } sk_overhead;      /* ns; femtoseconds (10^-15 s) */
enum { SK_OVER_SUBMIT, SK_OVER_SCHEDULE, SK_OVER_DISPATCH, SK_OVER_GET, SK_OVER_PUT, SK_OVERHEADS };
static inline int64_t sk_overhead_of(const sk_overhead *o, int64_t bytes)
{
    return o->fixed + (int64_t)((__int128)bytes * o->per_byte / 1000000);
}

typedef struct sk_node_kind {            /* `count` nodes alike: first, first+1, ... */
    char name[32];                       /* "node*", "gpu*", "head": * stands for 0, 1, ... */
    uint32_t first, count;
    int workers;
    sk_demand resources;                 /* cpus is 0: they are the workers */
    int64_t speed;                       /* in SK_UNITS: 10000 is 1 */
    int64_t store_bytes;                 /* 0: no limit */
    int64_t disk_bandwidth, bandwidth;   /* bytes a second; 0: no limit, and as [network] says */
} sk_node_kind;

typedef enum sk_fault_kind { SK_FAULT_CRASH, SK_FAULT_FREEZE, SK_FAULT_SLOW, SK_FAULT_CUT, SK_FAULT_RESTART } sk_fault_kind;
enum { SK_FAULT_RATES = SK_FAULT_RESTART };       /* those before it happen at random too */

typedef struct sk_fault {
    int64_t at, lasts;                   /* ns; lasts 0: for good */
    int64_t by;                          /* slow: SK_UNITS times slower */
    sk_fault_kind kind;
    uint32_t node, other;                /* other: cut */
} sk_fault;
typedef struct sk_fault_rate { int64_t every, lasts, by; } sk_fault_rate;     /* every: mean for a node, ns; 0: never */

typedef struct sk_cluster_spec {
    uint32_t nodes, nkinds, nfaults;
    char policy[16];                     /* "": the scheduler's default */
    uint64_t seed, fault_seed;
    int64_t latency, bandwidth;          /* ns; bytes a second, 0: no limit */
    int pulls;
    sk_overhead overheads[SK_OVERHEADS];
    sk_fault_rate rates[SK_FAULT_RATES];
    sk_node_kind *kinds;                 /* in the order of their nodes; owned */
    sk_fault *faults;                    /* in the order of time; owned */
} sk_cluster_spec;

/* A file, or a preset by its name. NULL and *err: "FILE:LINE: [group] key = value: what was expected", or the list of presets. */
sk_cluster_spec *sk_cluster_spec_load(const char *name, sk_error *err);
/* `file` is for messages. */
sk_cluster_spec *sk_cluster_spec_parse(const char *text, size_t size, const char *file, sk_error *err);
/* Nodes alike and nothing else: for --nodes 1000 --workers 8. resources as in --sk-resources, or NULL. */
sk_cluster_spec *sk_cluster_spec_from_settings(int nodes, int workers, const char *resources, size_t store_bytes, sk_error *err);
void sk_cluster_spec_free(sk_cluster_spec *spec);                             /* NULL is fine */

const sk_node_kind *sk_cluster_spec_node(const sk_cluster_spec *spec, uint32_t node);
const char *sk_cluster_spec_name(const sk_cluster_spec *spec, uint32_t node, char *room, size_t size);
/* By name. false: there is none. */
bool sk_cluster_spec_find(const sk_cluster_spec *spec, const char *name, uint32_t *node);

/* The text of a file that means the same, with comments; `about`: its first lines, or NULL. To be freed with free. */
char *sk_cluster_spec_write(const sk_cluster_spec *spec, const char *about);
bool sk_cluster_spec_equal(const sk_cluster_spec *a, const sk_cluster_spec *b);

/* The built-in texts, ended by a NULL name. They are examples too. */
typedef struct sk_cluster_preset { const char *name, *text; } sk_cluster_preset;
extern const sk_cluster_preset sk_cluster_presets[];       /* each text starts with "# " and a line about it */
const sk_cluster_preset *sk_cluster_preset_find(const char *name);            /* NULL: there is none */

#endif
