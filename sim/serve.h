/* serve.h -- the other end of a proxy: makes the calls that arrive on a connection, on the graph in this process. See serve.c. */
#ifndef SK_SERVE_H
#define SK_SERVE_H

/* Serves one connection until its end, in the calling thread, which must not have made anything yet: it becomes the driver that
 * the proxy stands for. Closes fd. What the other end has made stays until the session ends if it said goodbye, and
 * is dropped at once if it died or did not speak Skate's protocol. */
void sk_serve(int fd);

#endif
