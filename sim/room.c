/* room.c -- see room.h. */
#include "room.h"

#include <glib.h>

static const int64_t NOTHING = INT64_MIN;

void sk_room_clear(sk_room *room)
{
    g_free(room->most);
    *room = (sk_room){ 0 };
}

static int64_t *vertex(const sk_room *room, int at) { return room->most + (size_t)at * (size_t)room->width; }

/* Makes a vertex the larger of its two children; false if it was. */
static bool refresh(sk_room *room, int at)
{
    int64_t *v = vertex(room, at);
    const int64_t *left = vertex(room, 2 * at), *right = vertex(room, 2 * at + 1);
    bool changed = false;
    for (int i = 0; i < room->width; i++) {
        int64_t most = left[i] > right[i] ? left[i] : right[i];
        changed |= v[i] != most;
        v[i] = most;
    }
    return changed;
}

void sk_room_grow(sk_room *room, int nodes, int width)
{
    if (nodes <= room->leaves && width <= room->width)
        return;
    sk_room old = *room;
    room->width = width > old.width ? width : old.width;
    room->leaves = old.leaves ? old.leaves : 1;
    while (room->leaves < nodes)
        room->leaves *= 2;
    size_t all = 2 * (size_t)room->leaves * (size_t)room->width;
    room->most = g_new(int64_t, all);
    for (size_t i = 0; i < all; i++)
        room->most[i] = NOTHING;
    for (int n = 0; n < old.leaves; n++)
        memcpy(vertex(room, room->leaves + n), vertex(&old, old.leaves + n), (size_t)old.width * sizeof *old.most);
    for (int at = room->leaves - 1; at > 0; at--)
        refresh(room, at);
    g_free(old.most);
}

void sk_room_set(sk_room *room, int node, const int64_t *values)
{
    int64_t *leaf = vertex(room, room->leaves + node);
    for (int i = 0; i < room->width; i++)
        leaf[i] = values ? values[i] : NOTHING;
    for (int at = (room->leaves + node) / 2; at > 0 && refresh(room, at); at /= 2)
        ;
}

/* `at` has the nodes first .. first + size - 1 below it. */
static int find(const sk_room *room, const int64_t *want, int from, int at, int first, int size)
{
    const int64_t *v = vertex(room, at);
    if (first + size <= from)
        return -1;
    for (int i = 0; i < room->width; i++)
        if (v[i] < want[i])
            return -1;
    if (size == 1)
        return first;
    int found = find(room, want, from, 2 * at, first, size / 2);
    return found >= 0 ? found : find(room, want, from, 2 * at + 1, first + size / 2, size / 2);
}

int sk_room_find(const sk_room *room, const int64_t *want, int from)
{
    return room->leaves ? find(room, want, from, 1, 0, room->leaves) : -1;
}
