/* bulk.c -- see bulk.h. */
#include "bulk.h"

#include "bytes.h"

#include <assert.h>

/* ---- lists ---- */

static void append(sk_bulk_list *list, sk_bulk_send *s)
{
    s->next = NULL;
    *(list->first ? &list->last->next : &list->first) = s;
    list->last = s;
}

static sk_bulk_send *take(sk_bulk_list *list)
{
    sk_bulk_send *s = list->first;
    if (s)
        list->first = s->next;
    return s;
}

bool sk_bulk_is_idle(const sk_bulk_out *b) { return !b->waiting.first && !b->n; }
sk_bulk_send *sk_bulk_next_over(sk_bulk_out *b) { return take(&b->over); }

/* ---- requests ---- */

static size_t left_of(const sk_bulk_send *s)
{
    size_t left = 0;
    for (size_t i = s->piece; i < s->n; i++)
        left += s->pieces[i].iov_len - (i == s->piece ? s->at : 0);
    return left;
}

void sk_bulk_add(sk_bulk_out *b, uint64_t request, uint64_t offset, const struct iovec *pieces, size_t n)
{
    sk_bulk_send *s = calloc(1, sizeof *s + n * sizeof *pieces);
    if (!s)
        abort();
    s->request = request;
    s->offset = offset;
    for (size_t i = 0; i < n; i++)
        if (pieces[i].iov_len)
            s->pieces[s->n++] = pieces[i];
    b->queued += left_of(s);
    append(&b->waiting, s);
}

static void finish(sk_bulk_out *b, sk_bulk_send *s)
{
    b->queued -= left_of(s);
    append(&b->over, s);
}

void sk_bulk_cancel(sk_bulk_out *b, uint64_t request)
{
    sk_bulk_list old = b->waiting;
    b->waiting = (sk_bulk_list){ 0 };
    for (sk_bulk_send *s; (s = take(&old)); ) {
        if (s->request != request) {
            append(&b->waiting, s);
            continue;
        }
        s->ends = s->failed = true;
        if (!s->sealed)
            finish(b, s);
    }
}

void sk_bulk_fail(sk_bulk_out *b)
{
    for (; b->n; b->n--, b->at++) {
        sk_bulk_chunk *c = &b->window[b->at % SK_BULK_WINDOW];
        b->queued -= c->data.iov_len;
        if (--c->of->sealed == 0 && c->of->ends) {             /* else it waits for more chunks */
            c->of->failed = true;
            finish(b, c->of);
        }
    }
    b->ahead = 0;
    for (sk_bulk_send *s; (s = take(&b->waiting)); ) {
        s->failed = true;
        finish(b, s);
    }
}

/* ---- chunks ---- */

static void seal(sk_bulk_out *b, sk_link *l, uint16_t type)
{
    sk_bulk_send *s = take(&b->waiting);
    sk_bulk_chunk *c = &b->window[(b->at + b->n++) % SK_BULK_WINDOW];
    *c = (sk_bulk_chunk){ .of = s };
    if (s->piece < s->n) {                 /* else nothing but its end: a request of no bytes */
        const struct iovec *piece = &s->pieces[s->piece];
        size_t size = piece->iov_len - s->at;
        c->data = (struct iovec){ (uint8_t *)piece->iov_base + s->at, size < SK_BULK_CHUNK ? size : SK_BULK_CHUNK };
        s->at += c->data.iov_len;
        if (s->at == piece->iov_len)
            s->piece++, s->at = 0;
    }
    uint8_t *prefix = c->head + SK_FRAME_HEADER;
    sk_bytes_put(prefix, s->offset, SK_BULK_PREFIX);
    s->offset += c->data.iov_len;
    sk_frame_seal(&l->writer, c->head, &(sk_frame_head){ .type = type, .request = s->request },
                  (struct iovec[]){ { prefix, SK_BULK_PREFIX }, c->data }, 2);
    l->frames_out++;
    b->ahead += sizeof c->head + c->data.iov_len;
    s->sealed++;
    s->ends = s->piece == s->n;
    if (!s->ends)
        append(&b->waiting, s);
}

static void left(sk_bulk_out *b, size_t n)
{
    b->ahead -= n;
    while (n) {
        sk_bulk_chunk *c = &b->window[b->at % SK_BULK_WINDOW];
        size_t rest = sizeof c->head + c->data.iov_len - c->gone;
        if (n < rest) {
            c->gone += n;
            return;
        }
        n -= rest;
        b->queued -= c->data.iov_len;
        b->at++;
        b->n--;
        if (--c->of->sealed == 0 && c->of->ends)
            finish(b, c->of);
    }
}

bool sk_bulk_go_on(sk_bulk_out *b, sk_link *l, uint16_t type)
{
    struct iovec pieces[2 * SK_BULK_WINDOW];
    size_t n = 0;
    while (b->waiting.first && b->n < SK_BULK_WINDOW && b->ahead < SK_BULK_TURN)
        seal(b, l, type);
    for (unsigned i = 0; i < b->n; i++) {
        sk_bulk_chunk *c = &b->window[(b->at + i) % SK_BULK_WINDOW];
        size_t of_data = c->gone > sizeof c->head ? c->gone - sizeof c->head : 0;
        if (c->gone < sizeof c->head)
            pieces[n++] = (struct iovec){ c->head + c->gone, sizeof c->head - c->gone };
        if (of_data < c->data.iov_len)
            pieces[n++] = (struct iovec){ (uint8_t *)c->data.iov_base + of_data, c->data.iov_len - of_data };
    }
    if (n)
        left(b, sk_link_write(l, pieces, n));
    return !sk_bulk_is_idle(b);
}

/* ---- receiving ---- */

static void ask(sk_bulk_in *b, const sk_frame_head *head, const sk_transport_events *events, void *data, sk_peer peer, void **place)
{
    b->request = head->request;
    b->size = head->size - SK_BULK_PREFIX;
    b->offset = sk_bytes_get(b->prefix, SK_BULK_PREFIX);
    *place = events->bulk_place(data, peer, b->request, b->offset, b->size);
    b->placed = *place;
}

void sk_bulk_where(sk_bulk_in *b, sk_link *l, const sk_frame_head *head, const sk_transport_events *events, void *data, sk_peer peer)
{
    void *place = b->prefix;
    size_t room = SK_BULK_PREFIX;
    if (head->done == SK_BULK_PREFIX) {
        ask(b, head, events, data, peer, &place);
        room = SIZE_MAX;
    } else {
        b->placed = false;
    }
    if (l->stage == SK_LINK_OPEN)
        sk_frame_into(&l->in, place, room);
}

void sk_bulk_whole(sk_bulk_in *b, sk_link *l, const sk_frame_head *head, const sk_transport_events *events, void *data, sk_peer peer)
{
    void *place;
    if (head->size < SK_BULK_PREFIX) {
        sk_frame_refuse(&l->in, "has %u bytes, fewer than its offset", (unsigned)head->size);
        sk_link_close(l, SK_PEER_BROKEN, "%s", l->in.error.message);
        return;
    }
    if (head->size == SK_BULK_PREFIX)      /* nobody has been asked yet */
        ask(b, head, events, data, peer, &place);
    bool placed = b->placed;
    b->placed = false;
    if (placed)
        events->bulk(data, peer, b->request, b->offset, b->size);
}

void sk_bulk_forget(sk_bulk_in *b, sk_link *l, uint64_t request)
{
    if (!b->placed || b->request != request)
        return;
    b->placed = false;
    if (b->size && l->stage == SK_LINK_OPEN)
        sk_frame_into(&l->in, NULL, SIZE_MAX);
}
