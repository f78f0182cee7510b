/* address.h -- HOST:PORT as text and as the system's addresses, and what errors of sockets mean to a user.
 *
 * Written as "127.0.0.1:7000", "[::1]:7000", "lab-03:7000". To listen, parts may be missing: "" and ":7000" are on loopback, "10.0.0.7" and
 * "::1" have any port. An IPv6 address with a port stands in brackets. */
#ifndef SK_ADDRESS_H
#define SK_ADDRESS_H

#include "base.h"

#include <sys/socket.h>

enum { SK_ADDRESS_TEXT = 300, SK_ADDRESS_MOST = 8 };   /* bytes of HOST:PORT; addresses of a host that are tried */

typedef struct sk_address {
    socklen_t size;
    union {
        struct sockaddr any;
        struct sockaddr_storage room;
    };
} sk_address;

/* The addresses of `text`, in the order in which they should be tried; returns how many, 0 with *err. `listens`: parts may be missing, as above.
 *
 * To dial, 0.0.0.0 and :: are none. Numbers are converted at once. A name is looked up in this thread, and that may take some time: the resolver is told to ask each
 * name server once and wait a second for it, so 3 s for each domain of the search list where none of three servers answers. */
size_t sk_address_find(const char *text, bool listens, sk_address found[SK_ADDRESS_MOST], sk_error *err);

bool sk_address_is_loopback(const sk_address *a);      /* 127/8, ::1, and 127/8 written as IPv6; 0.0.0.0 and :: are not */

const char *sk_address_print(const sk_address *a, char text[SK_ADDRESS_TEXT]);     /* numbers: "[::1]:7000". Returns text */

bool sk_address_is_any(const sk_address *a);           /* 0.0.0.0, ::, and 0.0.0.0 written as IPv6: to listen at all, never to dial */

uint16_t sk_address_port(const sk_address *a);

/* What to tell a user of this errno of socket, bind, listen: "127.0.0.1:7000 is in use; leave the port out ...". false. */
bool sk_address_cannot_listen(const char *address, int error, sk_error *err);

/* The same of connecting, without the address: "connection refused: nobody listens there ...". */
const char *sk_address_cannot_dial(int error, char *text, size_t room);

#endif
