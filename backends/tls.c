/* tls.c -- see tls.h. */
#include "tls.h"

#include "gnutls_late.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const char PRIORITY[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:-KX-ALL:+ECDHE-PSK:-GROUP-ALL:+GROUP-X25519";

enum {
    RECORD = 16384, OVERHEAD = 64,         /* of a record: header, content type, tag, and some to spare */
};

struct sk_tls {
    const sk_gnutls *g;
    sk_tls_self self;
    bool dials, broken, ended;
    gnutls_session_t session;
    gnutls_psk_client_credentials_t client_key;
    gnutls_psk_server_credentials_t server_key;
    sk_id client;                          /* answered: who the other is, once the key is asked for */
    bool refused;                          /* the identity was none that we answer to: why is in `error` */
    char error[200];
    size_t in_at, in_end, out_at, out_end;
    uint8_t in[SK_TLS_BUFFER], out[SK_TLS_BUFFER];
};

static int fail(sk_tls *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(sk_tls *t, const char *format, ...)
{
    t->broken = true;
    if (*t->error)                         /* the first one is the cause */
        return SK_TLS_BROKEN;
    va_list list;
    va_start(list, format);
    vsnprintf(t->error, sizeof t->error, format, list);
    va_end(list);
    return SK_TLS_BROKEN;
}

/* ---- keys ---- */

static const sk_id nobody;

static bool same(const sk_id *a, const sk_id *b) { return memcmp(a, b, sizeof *a) == 0; }

/* An end that does not know whom it dials does not know the cluster either. */
static bool derive(const sk_tls *t, const sk_id *client, const sk_id *server, unsigned char key[SK_KEY_BYTES])
{
    return sk_secret_psk(t->self.secret, same(server, &nobody) ? &nobody : &t->self.cluster, client, server, key, NULL);
}

/* Whom does the identity name, and may that be? Else `error` says why not. */
static bool read_identity(sk_tls *t, const char *name, sk_id *server)
{
    if (!sk_secret_psk_parse(name, strlen(name), &t->client, server))
        snprintf(t->error, sizeof t->error, "its identity is not of the form sk1.<client>.<server>");
    else if (same(&t->client, &t->self.node))
        snprintf(t->error, sizeof t->error, "it calls itself by our own name: our own messages, sent back to us, or we have dialed ourselves");
    else if (!same(server, &t->self.node) && !(t->self.head && same(server, &nobody)))
        snprintf(t->error, sizeof t->error, "it looks for another node than this one");
    else
        return true;
    return false;
}

/* GnuTLS asks for the key of an identity, which nobody has vouched for yet. One that we do not answer to gets a random key: so the other end
 * cannot tell it from a wrong secret. */
static int find_key(gnutls_session_t session, const char *name, gnutls_datum_t *key)
{
    sk_tls *t = sk_gnutls_load(NULL)->gnutls_session_get_ptr(session);
    sk_id server;
    key->data = (*t->g->gnutls_malloc)(SK_KEY_BYTES);
    key->size = SK_KEY_BYTES;
    if (!key->data)
        return -1;
    t->refused = !read_identity(t, name, &server);
    return (t->refused ? sk_secret_fill(key->data, SK_KEY_BYTES, NULL) : derive(t, &t->client, &server, key->data)) ? 0 : -1;
}

/* ---- bytes between GnuTLS and the buffers ---- */

static ssize_t pull(gnutls_transport_ptr_t data, void *to, size_t size)
{
    sk_tls *t = data;
    size_t there = t->in_end - t->in_at;
    if (there == 0 && !t->ended) {
        t->g->gnutls_transport_set_errno(t->session, EAGAIN);
        return -1;
    }
    size = size < there ? size : there;
    memcpy(to, t->in + t->in_at, size);
    t->in_at += size;
    if (t->in_at == t->in_end)
        t->in_at = t->in_end = 0;
    return (ssize_t)size;
}

static int pull_timeout(gnutls_transport_ptr_t data, unsigned ms)
{
    const sk_tls *t = data;
    (void)ms;
    return t->in_end > t->in_at || t->ended;
}

static size_t out_room(sk_tls *t)
{
    if (t->out_at == t->out_end)
        t->out_at = t->out_end = 0;
    return SK_TLS_BUFFER - t->out_end;
}

static ssize_t push(gnutls_transport_ptr_t data, const void *from, size_t size)
{
    sk_tls *t = data;
    if (out_room(t) < size) {
        t->g->gnutls_transport_set_errno(t->session, EAGAIN);
        return -1;
    }
    memcpy(t->out + t->out_end, from, size);
    t->out_end += size;
    return (ssize_t)size;
}

/* ---- life ---- */

static sk_tls *new_end(const sk_tls_self *self, bool dials, sk_error *err)
{
    const sk_gnutls *g = sk_gnutls_load(err);
    if (!g)
        return NULL;
    sk_tls *t = malloc(sizeof *t);
    if (!t)
        abort();
    memset(t, 0, offsetof(sk_tls, in));    /* the buffers are filled before they are read */
    t->g = g;
    t->self = *self;
    t->dials = dials;
    const char *at = NULL;
    int code = t->g->gnutls_init(&t->session, (dials ? GNUTLS_CLIENT : GNUTLS_SERVER) | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS);
    if (code == 0)
        code = t->g->gnutls_priority_set_direct(t->session, PRIORITY, &at);
    if (code != 0) {
        sk_error_set(err, SK_LIMIT, "TLS 1.3 with AES-128-GCM and pre-shared keys is not to be had from GnuTLS %s: %s; it takes version 3.6.13",
                     t->g->gnutls_check_version(NULL), t->g->gnutls_strerror(code));
        sk_tls_free(t);
        return NULL;
    }
    t->g->gnutls_session_set_ptr(t->session, t);
    t->g->gnutls_transport_set_ptr(t->session, t);
    t->g->gnutls_transport_set_pull_function(t->session, pull);
    t->g->gnutls_transport_set_pull_timeout_function(t->session, pull_timeout);
    t->g->gnutls_transport_set_push_function(t->session, push);
    return t;
}

static sk_tls *no_memory(sk_tls *t, sk_error *err)
{
    sk_error_set(err, SK_LIMIT, "TLS: the key cannot be made: not enough memory");
    sk_tls_free(t);
    return NULL;
}

sk_tls *sk_tls_dial(const sk_tls_self *self, const sk_id *server, sk_error *err)
{
    sk_tls *t = new_end(self, true, err);
    if (!t)
        return NULL;
    char name[SK_PSK_NAME + 1];
    unsigned char key[SK_KEY_BYTES];
    server = server ? server : &nobody;
    sk_secret_psk_name(&self->node, server, name);
    gnutls_datum_t secret = { key, sizeof key };
    bool done = derive(t, &self->node, server, key) && t->g->gnutls_psk_allocate_client_credentials(&t->client_key) == 0
                && t->g->gnutls_psk_set_client_credentials(t->client_key, name, &secret, GNUTLS_PSK_KEY_RAW) == 0
                && t->g->gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, t->client_key) == 0;
    sk_secret_wipe(key, sizeof key);
    return done ? t : no_memory(t, err);
}

sk_tls *sk_tls_answer(const sk_tls_self *self, sk_error *err)
{
    sk_tls *t = new_end(self, false, err);
    if (!t)
        return NULL;
    if (t->g->gnutls_psk_allocate_server_credentials(&t->server_key) != 0)
        return no_memory(t, err);
    t->g->gnutls_psk_set_server_credentials_function(t->server_key, find_key);
    return t->g->gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, t->server_key) == 0 ? t : no_memory(t, err);
}

void sk_tls_free(sk_tls *t)
{
    if (!t)
        return;
    if (t->session)
        t->g->gnutls_deinit(t->session);
    if (t->client_key)
        t->g->gnutls_psk_free_client_credentials(t->client_key);
    if (t->server_key)
        t->g->gnutls_psk_free_server_credentials(t->server_key);
    free(t);
}

/* ---- handshake ---- */

/* What an alert or an error means to a user. A wrong key is "illegal parameter" to GnuTLS. */
static int refuse(sk_tls *t, int code)
{
    if (code == GNUTLS_E_PREMATURE_TERMINATION || code == GNUTLS_E_PULL_ERROR)
        return fail(t, "it closed the connection during the TLS handshake");
    if (code == GNUTLS_E_FATAL_ALERT_RECEIVED && t->dials)
        return fail(t, "it refused the TLS handshake (%s): the secret differs, or it is not the node we look for",
                    t->g->gnutls_alert_get_name(t->g->gnutls_alert_get(t->session)));
    if (code == GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER || code == GNUTLS_E_DECRYPTION_FAILED)
        return fail(t, "the TLS handshake failed (%s): the secret differs", t->g->gnutls_strerror(code));
    return fail(t, "the TLS handshake failed: %s", t->g->gnutls_strerror(code));
}

int sk_tls_handshake(sk_tls *t)
{
    int code;
    if (t->broken)
        return SK_TLS_BROKEN;
    do
        code = t->g->gnutls_handshake(t->session);
    while (code < 0 && code != GNUTLS_E_AGAIN && t->g->gnutls_error_is_fatal(code) == 0);
    if (code == GNUTLS_E_AGAIN)
        return SK_TLS_MORE;
    if (code < 0) {
        t->g->gnutls_alert_send_appropriate(t->session, code);
        return refuse(t, code);
    }
    assert(!t->refused);                   /* nobody has that key */
    if (t->g->gnutls_protocol_get_version(t->session) != GNUTLS_TLS1_3 || t->g->gnutls_cipher_get(t->session) != GNUTLS_CIPHER_AES_128_GCM
        || t->g->gnutls_kx_get(t->session) != GNUTLS_KX_ECDHE_PSK)
        return fail(t, "it agreed to something else than TLS 1.3 with AES-128-GCM and ECDHE-PSK");
    t->self.secret = NULL;
    return 1;
}

const sk_id *sk_tls_client(const sk_tls *t) { return &t->client; }
const char *sk_tls_error(const sk_tls *t) { return t->error; }

/* ---- buffers ---- */

void *sk_tls_room(sk_tls *t, size_t *room)
{
    if (t->in_end == SK_TLS_BUFFER && t->in_at) {
        memmove(t->in, t->in + t->in_at, t->in_end - t->in_at);
        t->in_end -= t->in_at;
        t->in_at = 0;
    }
    *room = SK_TLS_BUFFER - t->in_end;
    return t->in + t->in_end;
}

void sk_tls_arrived(sk_tls *t, size_t n)
{
    assert(n <= SK_TLS_BUFFER - t->in_end);
    t->in_end += n;
}

void sk_tls_ended(sk_tls *t) { t->ended = true; }

const uint8_t *sk_tls_out(const sk_tls *t, size_t *n)
{
    *n = t->out_end - t->out_at;
    return t->out + t->out_at;
}

void sk_tls_sent(sk_tls *t, size_t n)
{
    assert(n <= t->out_end - t->out_at);
    t->out_at += n;
}

/* ---- plaintext ---- */

ssize_t sk_tls_read(sk_tls *t, void *to, size_t room)
{
    if (t->broken)
        return SK_TLS_BROKEN;
    for (;;) {
        ssize_t n = t->g->gnutls_record_recv(t->session, to, room);
        if (n > 0)
            return n;
        if (n == 0)
            return SK_TLS_END;
        if (n == GNUTLS_E_AGAIN)
            return SK_TLS_MORE;
        if (n == GNUTLS_E_PREMATURE_TERMINATION || (t->ended && t->in_at == t->in_end && t->g->gnutls_error_is_fatal((int)n) != 0))
            return fail(t, "the connection ended without a farewell"), SK_TLS_CUT;
        if (n == GNUTLS_E_REHANDSHAKE || t->g->gnutls_error_is_fatal((int)n) != 0)
            return fail(t, "TLS: %s", t->g->gnutls_strerror((int)n));
    }
}

ssize_t sk_tls_write(sk_tls *t, const void *from, size_t n)
{
    size_t done = 0;
    if (t->broken)
        return SK_TLS_BROKEN;
    while (done < n) {
        size_t size = n - done < RECORD ? n - done : RECORD;
        if (out_room(t) < size + OVERHEAD)
            break;
        ssize_t wrote = t->g->gnutls_record_send(t->session, (const uint8_t *)from + done, size);
        if (wrote < 0)
            return fail(t, "TLS: %s", t->g->gnutls_strerror((int)wrote));
        done += (size_t)wrote;
    }
    return (ssize_t)done;
}

void sk_tls_farewell(sk_tls *t)
{
    if (!t->broken && out_room(t) >= OVERHEAD)
        t->g->gnutls_bye(t->session, GNUTLS_SHUT_WR);
}
