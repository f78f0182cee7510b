/* gnutls_late.h -- GnuTLS, loaded when it is first needed. Linked as other libraries are it would cost every process 5 ms of its start and
 * over 1 MB, workers and `skate ps` too; and only processes that talk to others through sockets need it.
 *
 *     const sk_gnutls *g = sk_gnutls_load(err);
 *     if (!g)
 *         return false;
 *     int failed = g->gnutls_hkdf_extract(...);
 *
 * A function more is a line more in the list (a variable too: the pointer is to it). Types come from GnuTLS's own headers, so what is called wrongly does not compile. */
#ifndef SK_GNUTLS_LATE_H
#define SK_GNUTLS_LATE_H

#include "base.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#define SK_GNUTLS_FUNCTIONS(X)                      \
    X(gnutls_alert_get)                             \
    X(gnutls_alert_get_name)                        \
    X(gnutls_alert_send_appropriate)                \
    X(gnutls_bye)                                   \
    X(gnutls_check_version)                         \
    X(gnutls_cipher_get)                            \
    X(gnutls_credentials_set)                       \
    X(gnutls_deinit)                                \
    X(gnutls_error_is_fatal)                        \
    X(gnutls_handshake)                             \
    X(gnutls_hkdf_expand)                           \
    X(gnutls_hkdf_extract)                          \
    X(gnutls_init)                                  \
    X(gnutls_kx_get)                                \
    X(gnutls_malloc)                                \
    X(gnutls_memcmp)                                \
    X(gnutls_priority_set_direct)                   \
    X(gnutls_protocol_get_version)                  \
    X(gnutls_psk_allocate_client_credentials)       \
    X(gnutls_psk_allocate_server_credentials)       \
    X(gnutls_psk_free_client_credentials)           \
    X(gnutls_psk_free_server_credentials)           \
    X(gnutls_psk_set_client_credentials)            \
    X(gnutls_psk_set_server_credentials_function)   \
    X(gnutls_record_recv)                           \
    X(gnutls_record_send)                           \
    X(gnutls_session_get_ptr)                       \
    X(gnutls_session_set_ptr)                       \
    X(gnutls_strerror)                              \
    X(gnutls_transport_set_errno)                   \
    X(gnutls_transport_set_ptr)                     \
    X(gnutls_transport_set_pull_function)           \
    X(gnutls_transport_set_pull_timeout_function)   \
    X(gnutls_transport_set_push_function)

typedef struct sk_gnutls {
#define SK_GNUTLS_POINTER(function) __typeof__(function) *function;
    SK_GNUTLS_FUNCTIONS(SK_GNUTLS_POINTER)
#undef SK_GNUTLS_POINTER
} sk_gnutls;

/* Any thread, any number of times; it stays for good. NULL: it is not here, or lacks a function; *err says so. */
const sk_gnutls *sk_gnutls_load(sk_error *err);

#endif
