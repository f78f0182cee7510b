/* node_table.c -- see node_table.h. */
#include "node_table.h"

#include "fn_table.h"

#include <stdio.h>

bool sk_node_table_send(sk_transport *t, sk_peer head)
{
    char *text = sk_fn_table_text();
    size_t whole = strlen(text), size;
    whole = whole < SK_NODE_TABLE_MOST ? whole : SK_NODE_TABLE_MOST;
    bool sent = true;
    for (size_t at = 0; sent && (at < whole || at == 0); at += size ? size : 1) {
        size = whole - at < SK_NODE_PIECE ? whole - at : SK_NODE_PIECE;
        sk_node_msg m = { .type = SK_NODE_FUNCTIONS, .size = whole, .bytes = (const uint8_t *)text + at, .nbytes = size };
        sent = sk_node_send(t, head, &m) == SK_SENT;
    }
    free(text);
    return sent;
}

bool sk_node_table_take(sk_node_table *table, const sk_node_msg *m, const char *who, char *why, size_t room)
{
    bool begins = !table->text;
    if (m->size > SK_NODE_TABLE_MOST || (!begins && m->size != table->whole) || m->nbytes > m->size - table->size || (m->size && !m->nbytes)) {
        snprintf(why, room, "%s sent no table of functions", who);
        return true;
    }
    if (begins) {
        table->whole = m->size;
        table->text = malloc(table->whole + 1);
        if (!table->text)
            abort();
    }
    if (m->nbytes)
        memcpy(table->text + table->size, m->bytes, m->nbytes);
    table->size += m->nbytes;
    if (table->size < table->whole)
        return false;
    char *ours = sk_fn_table_text();
    char where[500];
    if (sk_fn_table_differs(ours, table->text, table->size, who, where, sizeof where))
        snprintf(why, room, "%s; run the same program on both ends", where);
    else
        snprintf(why, room, "%s has the same functions after all", who);
    free(ours);
    return true;
}

void sk_node_table_clear(sk_node_table *table)
{
    free(table->text);
    *table = (sk_node_table){ 0 };
}
