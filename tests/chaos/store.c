/* store.c -- rounds of objects that the store has no room for: made by tasks, put, passed by value, mixed, got, read and dropped in random order, of
 * random sizes from what travels in messages to a sixteenth of the store (four of them for each of three workers: more could stand still). Each number of an object tells which object it is and where in it, so
 * bytes of another, of an older one in the same place, or of a hole are found out. Many more are alive at once than there is room for. */
#include "chaos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THINGS = 300, STEPS = 400 };

typedef struct thing { sk_ref ref; int64_t n; uint64_t key; bool there; } thing;

static double most_alive;
double chaos_most_alive(void) { return most_alive; }

static const sk_options *stubborn(void)
{
    static const sk_options options = { .max_retries = 250 };
    return &options;
}

static void fill(int64_t *to, int64_t n, uint64_t key)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (int64_t)(key * 0x9e3779b97f4a7c15u + (uint64_t)i);
}

static bool is_filled(const int64_t *x, int64_t n, int64_t wanted, uint64_t key)
{
    if (n != wanted)
        return false;
    for (int64_t i = 0; i < n; i++)
        if (x[i] != (int64_t)(key * 0x9e3779b97f4a7c15u + (uint64_t)i))
            return false;
    return true;
}

SK_REMOTE(sk_array, make_thing, (int64_t, n), (uint64_t, key))
{
    sk_array a = sk_new_array(SK_I64, n);
    fill(sk_write(int64_t, a), n, key);
    return a;
}

SK_REMOTE(bool, thing_is_whole, (sk_array, a), (int64_t, n), (uint64_t, key)) { return is_filled(sk_read(int64_t, a), sk_len(a), n, key); }

/* Reads both, and makes a third: what it reads must stay while there is no room for what it makes. */
SK_REMOTE(sk_array, next_thing, (sk_array, a), (int64_t, n), (uint64_t, key), (sk_array, b), (int64_t, m), (uint64_t, other), (int64_t, size),
          (uint64_t, next))
{
    sk_array made = sk_new_array(SK_I64, size);
    bool good = is_filled(sk_read(int64_t, a), sk_len(a), n, key) && is_filled(sk_read(int64_t, b), sk_len(b), m, other);
    fill(sk_write(int64_t, made), size, good ? next : 0);
    return made;
}

/* Gets what others make, a thing at a time. */
SK_REMOTE(bool, gets_things, (sk_list, refs), (int64_t, n), (uint64_t, key))
{
    for (size_t i = 0; i < refs.n; i++) {
        sk_ref mine = sk_remote_with(stubborn(), make_thing, n, key + i);
        sk_array a = sk_get(sk_array, refs.refs[i]), b = sk_get(sk_array, mine);
        if (sk_len(a) == 0 || !is_filled(sk_read(int64_t, b), sk_len(b), n, key + i))
            return false;
        sk_drop(mine);
    }
    return true;
}

static int64_t any_length(uint64_t *random)
{
    int64_t most = (int64_t)1 << (chaos_random(random) % 8 ? 14 + chaos_random(random) % 2 : 9 + chaos_random(random) % 5);      /* 4 to 256 KB */
    return 1 + (int64_t)(chaos_random(random) % (uint64_t)most);
}

static bool failed(uint64_t seed, const char *what, const char *how)
{
    printf("chaos: store of seed %llu: %s: %s\n", (unsigned long long)seed, what, how);
    return false;
}

static bool task_says_yes(uint64_t seed, const char *what, sk_ref ref)
{
    sk_error err;
    bool yes;
    bool good = sk_try_get(ref, &yes, SK_FOREVER, &err) ? yes || failed(seed, what, "WRONG ANSWER") : failed(seed, what, err.message);
    sk_drop(ref);
    return good;
}

static void replace(thing *t, sk_ref ref, int64_t n, uint64_t key)
{
    if (t->there)
        sk_drop(t->ref);
    *t = (thing){ ref, n, key, true };
}

static bool look_here(uint64_t seed, thing *t)
{
    sk_error err;
    sk_array a;
    if (!sk_try_get(t->ref, &a, SK_FOREVER, &err))
        return failed(seed, "get", err.message);
    bool good = is_filled(sk_read(int64_t, a), sk_len(a), t->n, t->key) || failed(seed, "get", "WRONG ANSWER");
    sk_drop(t->ref);                       /* a view of it would keep it in memory */
    t->there = false;
    return good;
}

/* One step; by chance what. */
static bool step(uint64_t seed, uint64_t *random, thing *things)
{
    static int64_t mine[1 << 15];
    thing *t = &things[chaos_random(random) % THINGS], *a = &things[chaos_random(random) % THINGS], *b = &things[chaos_random(random) % THINGS];
    int64_t n = any_length(random);
    uint64_t key = chaos_random(random) | 1;
    switch (chaos_random(random) % 12) {
    case 0: case 1: case 2:
        replace(t, sk_remote_with(stubborn(), make_thing, n, key), n, key);
        return true;
    case 3: case 4:
        fill(mine, n, key);
        replace(t, sk_put(sk_array_of(mine, n)), n, key);
        return true;
    case 5: case 10: case 11:
        if (a->there && b->there)
            replace(t, sk_remote_with(stubborn(), next_thing, a->ref, a->n, a->key, b->ref, b->n, b->key, n, key), n, key);
        return true;
    case 6:
        fill(mine, n, key);
        return task_says_yes(seed, "by value", sk_remote_with(stubborn(), thing_is_whole, sk_array_of(mine, n), n, key));
    case 7:
        return !a->there || task_says_yes(seed, "read", sk_remote_with(stubborn(), thing_is_whole, a->ref, a->n, a->key));
    case 8: {
        sk_ref two[2] = { a->ref, b->ref };
        return !a->there || !b->there || task_says_yes(seed, "gets", sk_remote_with(stubborn(), gets_things, sk_list_of(two, 2), n, key));
    }
    default:
        return !t->there || look_here(seed, t);
    }
}

bool chaos_store_round(uint64_t seed)
{
    thing things[THINGS] = { 0 };
    uint64_t random = seed;
    bool ok = true;
    sk_scope {
        for (int i = 0; i < STEPS && ok; i++) {
            double alive = 0;
            ok = step(seed, &random, things);
            for (int k = 0; k < THINGS; k++)
                alive += things[k].there ? (double)things[k].n * 8 : 0;
            if (alive / CHAOS_STORE > most_alive)
                most_alive = alive / CHAOS_STORE;
        }
        for (int i = 0; i < THINGS && ok; i++)
            ok = !things[i].there || look_here(seed, &things[i]);
    }
    return ok;
}
