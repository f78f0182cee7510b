/* resources.h -- amounts of cpus and named resources, in steps of 0.0001, exact: the one place that adds and subtracts them.
 *
 * A demand is what a task asks for, a pool what a node has. Amounts are integers (1 cpu is 10000), so 0.1 taken ten
 * times and given back is the pool as it was, to the digit.                                                     */
#ifndef SK_RESOURCES_H
#define SK_RESOURCES_H

#include "base.h"

enum { SK_UNITS = 10000, SK_MAX_RESOURCES = 8 };

typedef struct sk_amount { char name[24]; int64_t units; } sk_amount;
typedef struct sk_demand { int64_t cpus; int n; sk_amount amounts[SK_MAX_RESOURCES]; } sk_demand;    /* amounts: > 0, names differ */

typedef struct sk_resource_pool {
    int64_t cpus, cpus_free;
    int n;
    struct { char name[24]; int64_t total, free; } items[SK_MAX_RESOURCES];
} sk_resource_pool;

/* Rounds to the nearest step; false if it is not a number, negative, or more than 10^9. */
bool sk_units_from_double(double x, int64_t *units);
/* "gpu=1,licence=0.5"; NULL and "" are none. false and *err: what is wrong and what the form is. */
bool sk_demand_parse(sk_demand *demand, const char *text, sk_error *err);
void sk_resource_pool_init(sk_resource_pool *pool, int64_t cpus, const sk_demand *others);
/* Could the pool ever satisfy it? If not, says why: "asks for 4 cpus, the largest node has 2". */
bool sk_demand_is_feasible(const sk_demand *demand, const sk_resource_pool *pool, char *why, size_t room);
/* The named resources only; cpus are the caller's. All or nothing. */
bool sk_resources_take(sk_resource_pool *pool, const sk_demand *demand);
void sk_resources_give(sk_resource_pool *pool, const sk_demand *demand);
/* Whole demands, cpus too, for pools that are a node. A demand fits if all of it is free; take does not ask (ask first).
 * A task that waits lends its cpus and keeps the rest; reclaim takes them back, if need be below zero. */
bool sk_resource_pool_fits(const sk_resource_pool *pool, const sk_demand *demand);
void sk_resource_pool_take(sk_resource_pool *pool, const sk_demand *demand);
void sk_resource_pool_give(sk_resource_pool *pool, const sk_demand *demand);
void sk_resource_pool_lend(sk_resource_pool *pool, const sk_demand *demand);
void sk_resource_pool_reclaim(sk_resource_pool *pool, const sk_demand *demand);
/* Its row in items, or -1. */
int sk_resource_pool_find(const sk_resource_pool *pool, const char *name);
/* Writes units as a number without needless zeros ("0.5"). */
const char *sk_units_text(int64_t units, char *room, size_t size);

#endif
