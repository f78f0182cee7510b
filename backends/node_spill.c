/* node_spill.c -- what a node has in its spill file, as the head tells it. See node_parts.h.
 *
 * Which pages go and come back is the head's to say, for it gives the places out, and knows what is in use (shm.h, books). So this is a table: of which place
 * the bytes are where in the file. They stay there when they come back to memory, for they never change: to spill them once more costs no write.
 *
 * What cannot be written stays in memory, and the head is told. What cannot be read back is needed by somebody, here or at another node: then this node
 * ends, and what it had is lost, and made again elsewhere. */
#include "node_parts.h"

#include <errno.h>
#include <string.h>

typedef struct node_away {
    uint64_t place;                        /* first: sk_idmap finds it */
    uint64_t at, size;
    bool is_away;                          /* the pages are not in memory */
} node_away;

void sk_node_spill_out(node *n, const sk_node_msg *m)
{
    node_away *a = sk_idmap_find(&n->spilled, m->place);
    uint64_t at;
    if (a && a->size != m->size) {
        sk_node_nonsense(n, "it spills %llu bytes of a block of which it spilled %llu", (unsigned long long)m->size, (unsigned long long)a->size);
        return;
    }
    if (a && !a->is_away && !sk_spill_has(n->spill, a->at, a->size)) {          /* cut since: what is in memory is all there is */
        sk_node_spill_forget(n, m->place);
        a = NULL;
    }
    if (!a && !sk_spill_write(n->spill, sk_shm_at(n->space, m->place), m->size, &at)) {
        sk_node_say(n, &(sk_node_msg){ .type = SK_NODE_UNSPILLED, .place = m->place, .w = m->w, .text = "its file cannot be written" });
        return;
    }
    if (!a) {
        a = g_new(node_away, 1);
        *a = (node_away){ m->place, at, m->size, true };
        sk_idmap_add(&n->spilled, a);
    }
    a->is_away = true;
    sk_shm_drop(n->space, m->place, m->size);
}

static void cannot_read(node *n, const sk_error *err)
{
    sk_node_end(n, SK_NODE_UNABLE, "%s", err->message);
    sk_node_goodbye(n);
}

void sk_node_spill_back(node *n, const sk_node_msg *m)
{
    node_away *a = sk_idmap_find(&n->spilled, m->place);
    sk_error err = { 0 };
    if (!a || !a->is_away)
        return;                            /* it could not be written, and is here still */
    if (!sk_shm_fill(n->space, a->place, a->size))
        sk_error_set(&err, SK_STORE_FULL, "there is no memory for %llu bytes that were spilled: %s", (unsigned long long)a->size, strerror(errno));
    else if (sk_spill_read(n->spill, a->at, sk_shm_at(n->space, a->place), a->size, &err))
        a->is_away = false;
    if (a->is_away)
        cannot_read(n, &err);
}

void sk_node_spill_forget(node *n, uint64_t place)
{
    node_away *a = sk_idmap_find(&n->spilled, place);
    if (!a)
        return;
    sk_spill_forget(n->spill, a->at);
    sk_idmap_remove(&n->spilled, place);
    g_free(a);
}

bool sk_node_spill_is_away(node *n, uint64_t place)
{
    const node_away *a = sk_idmap_find(&n->spilled, place);
    return a && a->is_away;
}

bool sk_node_spill_read(node *n, uint64_t place, uint64_t from, void *bytes, size_t size)
{
    const node_away *a = sk_idmap_find(&n->spilled, place);
    sk_error err;
    if (!a || from > a->size || size > a->size - from)
        return false;
    if (!a->is_away)                       /* it has come back meanwhile: then the file is not asked */
        memcpy(bytes, (const char *)sk_shm_at(n->space, place) + from, size);
    if (!a->is_away || sk_spill_read(n->spill, a->at + from, bytes, size, &err))
        return true;
    cannot_read(n, &err);
    return false;
}

void sk_node_spill_close(node *n)
{
    sk_idmap_free(&n->spilled);
    sk_spill_free(n->spill);
    n->spill = NULL;
}
