/* gnutls_late.h -- GnuTLS, loaded when it is first needed. Linked as other libraries are it would cost every process 5 ms of its start and
 * over 1 MB, workers and `skate ps` too; and only processes that talk to others through sockets need it.
 *
 *     const sk_gnutls *g = sk_gnutls_load(err);
 *     if (!g)
 *         return false;
 *     int failed = g->gnutls_hkdf_extract(...);
 *
 * A function more is a line more in the list. Types come from GnuTLS's own headers, so what is called wrongly does not compile. */
#ifndef SK_GNUTLS_LATE_H
#define SK_GNUTLS_LATE_H

#include "base.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#define SK_GNUTLS_FUNCTIONS(X)  \
    X(gnutls_check_version)     \
    X(gnutls_hkdf_expand)       \
    X(gnutls_hkdf_extract)      \
    X(gnutls_memcmp)            \
    X(gnutls_strerror)

typedef struct sk_gnutls {
#define SK_GNUTLS_POINTER(function) __typeof__(function) *function;
    SK_GNUTLS_FUNCTIONS(SK_GNUTLS_POINTER)
#undef SK_GNUTLS_POINTER
} sk_gnutls;

/* Any thread, any number of times; it stays for good. NULL: it is not here, or lacks a function; *err says so. */
const sk_gnutls *sk_gnutls_load(sk_error *err);

#endif
