/* node_table.h -- a node whose remote functions are others than the head's is told which.
 *
 * The handshake compares hashes, and refuses it (auth.h). So it dials once more, as a tool, whose functions are not compared, and sends its table as
 * text, in pieces (FUNCTIONS); the head says where the two differ, in LEAVE. */
#ifndef SK_NODE_TABLE_H
#define SK_NODE_TABLE_H

#include "node_wire.h"

enum { SK_NODE_TABLE_MOST = 1 << 20 };     /* bytes of text: of a larger one the end is not sent */

/* By the node. false: the connection does not take it. */
bool sk_node_table_send(sk_transport *t, sk_peer head);

typedef struct sk_node_table { char *text; size_t size, whole; } sk_node_table;      /* what has come; all zeros: nothing yet */

/* By the head: FUNCTIONS has come, nothing of it is trusted. true: that was all of it, or it is nonsense; `why` is what to say. */
bool sk_node_table_take(sk_node_table *table, const sk_node_msg *m, const char *who, char *why, size_t room);
void sk_node_table_clear(sk_node_table *table);

#endif
