/* link_io.h -- the bytes of a link: what link.c and link_io.c have in common. */
#ifndef SK_LINK_IO_H
#define SK_LINK_IO_H

#include "link.h"

/* Plaintext that is there: how much, 0 if there is none now, -1 if the link has closed meanwhile. */
ssize_t sk_link_read(sk_link *l, void *to, size_t room);

bool sk_link_fill(sk_link *l);             /* TLS: one recv of ciphertext in this turn; was there any? Else it may have closed */

void sk_link_receive(sk_link *l);          /* OPEN: what is there, as frames to the user */

void sk_link_arm(sk_link *l, bool armed);  /* shall epoll tell when it can be written to? */

void sk_link_say_farewell(sk_link *l);

void sk_link_let_go(sk_link *l);           /* descriptor, TLS, handshake */

#endif
