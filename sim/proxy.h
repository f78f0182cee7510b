/* proxy.h -- the port's remote end: the same calls, written to a channel. See proxy.c. */
#ifndef SK_PROXY_H
#define SK_PROXY_H

#include "port.h"

extern const sk_port sk_proxy_port;

/* Lets this lane (the driver's) make its calls through a socketpair, served by a thread of this process. false if it cannot. */
bool sk_proxy_start(void);
void sk_proxy_stop(void);            /* back to the local graph, which takes over what the driver still holds; at shutdown only */

#endif
