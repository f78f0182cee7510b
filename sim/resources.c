/* resources.c -- see resources.h. */
#include "resources.h"

#include "error.h"

#include <errno.h>
#include <math.h>

bool sk_units_from_double(double x, int64_t *units)
{
    if (!(x >= 0 && x <= 1e9))
        return false;
    *units = (int64_t)(x * SK_UNITS + 0.5);
    return true;
}

const char *sk_units_text(int64_t units, char *room, size_t size)
{
    int n = snprintf(room, size, "%lld.%04lld", (long long)(units / SK_UNITS), (long long)(units % SK_UNITS));
    while (n > 0 && room[n - 1] == '0')
        room[--n] = '\0';
    if (n > 0 && room[n - 1] == '.')
        room[n - 1] = '\0';
    return room;
}

bool sk_demand_parse(sk_demand *demand, const char *text, sk_error *err)
{
    demand->n = 0;
    for (const char *p = text ? text : ""; *p; ) {
        size_t name = strcspn(p, "=,");
        char *end = NULL;
        double x = p[name] == '=' ? strtod(p + name + 1, &end) : 0;
        int64_t units = 0;
        if (name == 0 || name >= sizeof demand->amounts[0].name || p[name] != '=' || end == p + name + 1
            || (*end && *end != ',') || !sk_units_from_double(x, &units))
            return sk_error_set(err, SK_MISUSE, "resources \"%s\": at \"%s\": the form is name=amount,name=amount with "
                                "amounts from 0 and names of at most 23 letters, for instance gpu=1,licence=0.5", text, p);
        if (strncmp(p, "cpu", name) == 0 && (name == 3 || (name == 4 && p[3] == 's')))
            return sk_error_set(err, SK_MISUSE, "resources \"%s\": cpus are asked for with num_cpus, and given with --sk-workers", text);
        for (int i = 0; i < demand->n; i++)
            if (strlen(demand->amounts[i].name) == name && !strncmp(demand->amounts[i].name, p, name))
                return sk_error_set(err, SK_MISUSE, "resources \"%s\": %.*s is there twice", text, (int)name, p);
        if (units > 0) {
            if (demand->n == SK_MAX_RESOURCES)
                return sk_error_set(err, SK_MISUSE, "resources \"%s\": more than %d names", text, SK_MAX_RESOURCES);
            sk_amount *a = &demand->amounts[demand->n++];
            memcpy(a->name, p, name);
            a->name[name] = '\0';
            a->units = units;
        }
        p = *end ? end + 1 : end;
    }
    return true;
}

void sk_resource_pool_init(sk_resource_pool *pool, int64_t cpus, const sk_demand *others)
{
    *pool = (sk_resource_pool){ .cpus = cpus, .cpus_free = cpus, .n = others->n };
    for (int i = 0; i < others->n; i++) {
        memcpy(pool->items[i].name, others->amounts[i].name, sizeof pool->items[i].name);
        pool->items[i].total = pool->items[i].free = others->amounts[i].units;
    }
}

int sk_resource_pool_find(const sk_resource_pool *pool, const char *name)
{
    for (int i = 0; i < pool->n; i++)
        if (!strcmp(pool->items[i].name, name))
            return i;
    return -1;
}

bool sk_demand_is_feasible(const sk_demand *demand, const sk_resource_pool *pool, char *why, size_t room)
{
    char a[32], b[32];
    if (demand->cpus > pool->cpus) {
        snprintf(why, room, "asks for %s cpus, the largest node has %s", sk_units_text(demand->cpus, a, sizeof a),
                 sk_units_text(pool->cpus, b, sizeof b));
        return false;
    }
    for (int i = 0; i < demand->n; i++) {
        int at = sk_resource_pool_find(pool, demand->amounts[i].name);
        int64_t have = at < 0 ? 0 : pool->items[at].total;
        if (demand->amounts[i].units > have) {
            snprintf(why, room, "asks for %s %s, the largest node has %s%s", sk_units_text(demand->amounts[i].units, a, sizeof a),
                     demand->amounts[i].name, sk_units_text(have, b, sizeof b),
                     at < 0 ? " (give it with --sk-resources)" : "");
            return false;
        }
    }
    return true;
}

bool sk_resources_take(sk_resource_pool *pool, const sk_demand *demand)
{
    for (int i = 0; i < demand->n; i++)
        if (demand->amounts[i].units > pool->items[sk_resource_pool_find(pool, demand->amounts[i].name)].free)
            return false;
    for (int i = 0; i < demand->n; i++)
        pool->items[sk_resource_pool_find(pool, demand->amounts[i].name)].free -= demand->amounts[i].units;
    return true;
}

void sk_resources_give(sk_resource_pool *pool, const sk_demand *demand)
{
    for (int i = 0; i < demand->n; i++)
        pool->items[sk_resource_pool_find(pool, demand->amounts[i].name)].free += demand->amounts[i].units;
}

bool sk_resource_pool_fits(const sk_resource_pool *pool, const sk_demand *demand)
{
    if (demand->cpus > pool->cpus_free)
        return false;
    for (int i = 0; i < demand->n; i++) {
        int at = sk_resource_pool_find(pool, demand->amounts[i].name);
        if (at < 0 || demand->amounts[i].units > pool->items[at].free)
            return false;
    }
    return true;
}

static void add(sk_resource_pool *pool, const sk_demand *demand, int sign)
{
    pool->cpus_free += sign * demand->cpus;
    for (int i = 0; i < demand->n; i++)
        pool->items[sk_resource_pool_find(pool, demand->amounts[i].name)].free += sign * demand->amounts[i].units;
}

void sk_resource_pool_take(sk_resource_pool *pool, const sk_demand *demand)    { add(pool, demand, -1); }
void sk_resource_pool_give(sk_resource_pool *pool, const sk_demand *demand)    { add(pool, demand, 1); }
void sk_resource_pool_lend(sk_resource_pool *pool, const sk_demand *demand)    { pool->cpus_free += demand->cpus; }
void sk_resource_pool_reclaim(sk_resource_pool *pool, const sk_demand *demand) { pool->cpus_free -= demand->cpus; }
