/* auth.c -- see auth.h. Reading order: messages as bytes; proofs; ends; what the peer must be; C; S; the machine. */
#include "auth.h"

#include "bytes.h"

#include <assert.h>
#include <glib.h>
#include <stdarg.h>
#include <stdio.h>

enum { MAC = 32, FROZEN = 8, MAC_AT = 12 };            /* FROZEN: magic, version, and role or status, in every version to come */
_Static_assert(2 * SK_AUTH_PROOF_BYTES + SK_AUTH_HELLO_BYTES <= SK_AUTH_MOST, "what a side says, and what it takes of a stranger");

enum { OURS, ITS };                                    /* of a->hello */

/* ---- Messages as bytes ---- */

static const unsigned char hello_magic[4] = { 'S', 'K', 'H', 'S' }, proof_magic[4] = { 'S', 'K', 'A', 'U' };

static void write_hello(unsigned char *to, const sk_auth_hello *h)
{
    memcpy(to, hello_magic, 4);
    sk_bytes_put(to + 4, h->version, 2);
    sk_bytes_put(to + 6, h->role, 2);
    sk_bytes_put(to + 8, h->flags, 4);
    memcpy(to + 12, h->build, 32);
    memcpy(to + 44, h->cluster.bytes, 16);
    memcpy(to + 60, h->node.bytes, 16);
    memcpy(to + 76, h->nonce, 32);
}

static void read_hello(sk_auth_hello *h, const unsigned char *from)
{
    h->version = (uint16_t)sk_bytes_get(from + 4, 2);
    h->role = (uint16_t)sk_bytes_get(from + 6, 2);
    h->flags = sk_bytes_get(from + 8, 4);
    memcpy(h->build, from + 12, 32);
    memcpy(h->cluster.bytes, from + 44, 16);
    memcpy(h->node.bytes, from + 60, 16);
    memcpy(h->nonce, from + 76, 32);
}

static unsigned char *room_for(sk_auth *a, size_t size)
{
    assert(a->nout + size <= sizeof a->out);
    a->nout += size;
    return a->out + a->nout - size;
}

static void say_hello(sk_auth *a) { memcpy(room_for(a, SK_AUTH_HELLO_BYTES), a->hello[OURS], SK_AUTH_HELLO_BYTES); }

static void say_proof(sk_auth *a, sk_auth_status status, const unsigned char *mac)
{
    unsigned char *to = room_for(a, SK_AUTH_PROOF_BYTES);
    memcpy(to, proof_magic, 4);
    sk_bytes_put(to + 4, SK_AUTH_PROTOCOL, 2);
    sk_bytes_put(to + 6, status, 2);
    sk_bytes_put(to + 8, 0, 4);
    memcpy(to + MAC_AT, mac, MAC);
}

/* ---- Proofs: labels of six bytes, the last of them 0. Inside TLS all are 0, and nobody looks at them ---- */

static const char label_S[] = "sk1 S", label_C[] = "sk1 C", label_ready[] = "sk1 R";

/* HMAC(K_a, label TH before); `before` is the proof that it answers, or NULL. May be `mac`. */
static void prove(const sk_auth *a, const char *label, const unsigned char *before, unsigned char mac[MAC])
{
    unsigned char transcript[32];
    gsize size = sizeof transcript;
    if (a->spec.in_tls) {
        memset(mac, 0, MAC);
        return;
    }
    GChecksum *hash = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(hash, a->hello[a->spec.accepts ? ITS : OURS], SK_AUTH_HELLO_BYTES);
    g_checksum_update(hash, a->hello[a->spec.accepts ? OURS : ITS], SK_AUTH_HELLO_BYTES);
    g_checksum_get_digest(hash, transcript, &size);
    g_checksum_free(hash);
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, a->key, sizeof a->key);
    g_hmac_update(hmac, (const guchar *)label, 6);
    g_hmac_update(hmac, transcript, sizeof transcript);
    if (before)
        g_hmac_update(hmac, before, MAC);
    size = MAC;
    g_hmac_get_digest(hmac, mac, &size);
    g_hmac_unref(hmac);
}

static bool is_proof(const sk_auth *a) { return a->spec.in_tls || sk_secret_equal(a->in + MAC_AT, a->expected, MAC); }

/* ---- Ends ---- */

static void end(sk_auth *a, sk_auth_state state)
{
    a->state = state;
    a->nin = 0;
    a->spec.secret = NULL;                 /* the caller may have it back */
    sk_secret_wipe(a->key, sizeof a->key);
    sk_secret_wipe(a->expected, sizeof a->expected);
    sk_secret_wipe(a->in, sizeof a->in);
}

/* `says` is what the peer hears; OK: nothing. C says nothing unless it is its turn: to whom, if that is not Skate? */
__attribute__((format(printf, 4, 5))) static void fail(sk_auth *a, sk_auth_why why, sk_auth_status says, const char *format, ...)
{
    static const unsigned char none[MAC];
    va_list args;
    va_start(args, format);
    vsnprintf(a->reason, sizeof a->reason, format, args);
    va_end(args);
    a->why = why;
    if (says != SK_AUTH_OK && (a->spec.accepts || a->state == SK_AUTH_PROVING))
        say_proof(a, says, none);
    end(a, SK_AUTH_FAILED);
}

static const char *secret_name(const sk_auth *a) { return a->spec.secret_name ? a->spec.secret_name : "ours"; }

/* ---- What the peer must be, once it has proven itself ---- */

static bool is_zero(const sk_id *id)
{
    static const sk_id none;
    return !memcmp(id, &none, sizeof none);
}

static bool is_same(const sk_id *a, const sk_id *b) { return !memcmp(a, b, sizeof *a); }

/* What no status has a word for. */
static bool is_wanted(sk_auth *a)
{
    const sk_auth_hello *peer = &a->peer;
    char its[SK_ID_DIGITS + 1], wanted[SK_ID_DIGITS + 1];
    sk_id_print(&peer->node, its);
    if (peer->flags != a->self.flags)
        fail(a, SK_WHY_MODE, SK_AUTH_NO, "flags %08x in its HELLO, %08x in ours: TLS must be on both ends, or on none", peer->flags, a->self.flags);
    else if (peer->role == 0 || peer->role > SK_ROLE_LAST || !(a->spec.peer_roles & 1u << peer->role))
        fail(a, SK_WHY_ROLE, SK_AUTH_NO, "it is a %s (role %u), which is not wanted here", sk_auth_role_name(peer->role), peer->role);
    else if (is_zero(&peer->node))
        fail(a, SK_WHY_PEER, SK_AUTH_NO, "its node id is all zero, which nobody has");
    else if (!a->spec.accepts && is_zero(&peer->cluster))
        fail(a, SK_WHY_PEER, SK_AUTH_NO, "its cluster id is all zero, which no cluster has");
    else if (a->spec.peer && !is_same(a->spec.peer, &peer->node)) {
        sk_id_print(a->spec.peer, wanted);
        fail(a, SK_WHY_PEER, SK_AUTH_NO, "its node id is %s, and %s is wanted here", its, wanted);
    } else
        return true;
    return false;
}

static void fail_cluster(sk_auth *a)
{
    char ours[SK_ID_DIGITS + 1], its[SK_ID_DIGITS + 1];
    sk_id_print(&a->self.cluster, ours);
    sk_id_print(&a->peer.cluster, its);
    fail(a, SK_WHY_CLUSTER, SK_AUTH_CLUSTER, "it belongs to cluster %s, and this is cluster %s, which has the same secret", its, ours);
}

static void fail_build(sk_auth *a)
{
    fail(a, SK_WHY_BUILD, SK_AUTH_BUILD, "its table of remote functions is another: build %08x there, %08x here; run the same program on both ends",
         (unsigned)sk_bytes_get(a->peer.build, 4), (unsigned)sk_bytes_get(a->self.build, 4));
}

/* Neither knows all: who connects may not know the cluster yet; a tool has no functions. */
static bool is_alike(sk_auth *a)
{
    const sk_auth_hello *ours = &a->self, *its = &a->peer;
    bool is_unknown = is_zero(a->spec.accepts ? &its->cluster : &ours->cluster);
    bool has_no_functions = ours->role == SK_ROLE_TOOL || its->role == SK_ROLE_TOOL;
    if (!is_unknown && !is_same(&ours->cluster, &its->cluster))
        fail_cluster(a);
    else if (!has_no_functions && memcmp(ours->build, its->build, sizeof ours->build) != 0)
        fail_build(a);
    else
        return true;
    return false;
}

/* S, about who is welcome otherwise. */
static bool is_admitted(sk_auth *a)
{
    sk_auth_status status = a->spec.admit ? a->spec.admit(a->spec.context, &a->peer) : SK_AUTH_OK;
    char its[SK_ID_DIGITS + 1];
    sk_id_print(&a->peer.node, its);
    if (status == SK_AUTH_DUPLICATE_NODE)
        fail(a, SK_WHY_DUPLICATE, status, "there is a %s of its node id already: %s", sk_auth_role_name(a->peer.role), its);
    else if (status != SK_AUTH_OK)
        fail(a, SK_WHY_BUSY, SK_AUTH_BUSY, "there is no room for one more %s", sk_auth_role_name(a->peer.role));
    return status == SK_AUTH_OK;
}

/* The header of an AUTH, but for its status. */
static bool is_header(sk_auth *a)
{
    uint32_t version = sk_bytes_get(a->in + 4, 2), flags = sk_bytes_get(a->in + 8, 4);
    if (version == SK_AUTH_PROTOCOL && flags == 0)
        return true;
    fail(a, SK_WHY_HEADER, SK_AUTH_NO, "its AUTH has version %u and flags %08x; %d and 0 were to come", version, flags, SK_AUTH_PROTOCOL);
    return false;
}

static void fail_proof(sk_auth *a)
{
    fail(a, SK_WHY_PROOF, SK_AUTH_NO, "authentication failed: its proof is wrong; its secret differs from %s, or that was said in another handshake",
         secret_name(a));
}

/* Both keys come from the cluster_id of S, so that also those meet who think of different clusters, and can be told so. */
static bool make_key(sk_auth *a, const sk_id *cluster)
{
    sk_error err = { 0 };
    if (a->spec.in_tls || sk_secret_auth_key(a->spec.secret, cluster, a->key, &err))
        return true;
    fail(a, SK_WHY_US, SK_AUTH_NO, "%.500s", err.message);
    return false;
}

/* ---- C: who has connected ---- */

static void C_hears_hello(sk_auth *a)
{
    if (!make_key(a, &a->peer.cluster))
        return;
    prove(a, label_S, NULL, a->expected);
    a->state = SK_AUTH_PROVING;
}

static void fail_as_told(sk_auth *a, uint32_t status)
{
    if (status == SK_AUTH_NO && !a->is_proven)
        fail(a, SK_WHY_REFUSED, SK_AUTH_OK, "authentication failed: it refuses us; its secret differs from %s, or its log says why", secret_name(a));
    else if (status == SK_AUTH_NO)
        fail(a, SK_WHY_REFUSED, SK_AUTH_OK, "it refuses us, though it knows the secret; its log says why");
    else if (a->is_proven && status == SK_AUTH_CLUSTER)
        fail_cluster(a);
    else if (a->is_proven && status == SK_AUTH_BUILD)
        fail_build(a);
    else if (status == SK_AUTH_BUSY && a->is_proven)
        fail(a, SK_WHY_BUSY, SK_AUTH_OK, "it has no room for one more %s", sk_auth_role_name(a->self.role));
    else if (status == SK_AUTH_BUSY)       /* it has looked at nothing of ours: whether the secret is the same nobody knows */
        fail(a, SK_WHY_BUSY, SK_AUTH_OK, "it is too busy to let anybody in: too many others are about to connect, or it has not got that far itself");
    else if (a->is_proven && status == SK_AUTH_DUPLICATE_NODE)
        fail(a, SK_WHY_DUPLICATE, SK_AUTH_OK, "it has a %s of our node id already", sk_auth_role_name(a->self.role));
    else
        fail(a, SK_WHY_HEADER, SK_AUTH_OK, "it refuses us with status %u (%s), which cannot be here", status, sk_auth_status_name(status));
}

/* In place of its HELLO. */
static void C_hears_refusal(sk_auth *a)
{
    if (is_header(a))
        fail_as_told(a, sk_bytes_get(a->in + 6, 2));
}

static void C_hears_proof(sk_auth *a)
{
    uint32_t status = sk_bytes_get(a->in + 6, 2);
    unsigned char mac[MAC];
    if (!is_header(a))
        return;
    if (status != SK_AUTH_OK) {
        fail_as_told(a, status);
        return;
    }
    if (!is_proof(a)) {
        fail_proof(a);
        return;
    }
    a->is_proven = true;
    if (!is_wanted(a))
        return;
    prove(a, label_C, a->expected, mac);
    say_proof(a, SK_AUTH_OK, mac);
    prove(a, label_ready, mac, a->expected);
    a->state = SK_AUTH_JUDGED;
}

static void C_hears_verdict(sk_auth *a)
{
    uint32_t status = sk_bytes_get(a->in + 6, 2);
    if (!is_header(a))
        return;
    if (status != SK_AUTH_OK)
        fail_as_told(a, status);
    else if (!is_proof(a))
        fail_proof(a);
    else if (is_alike(a))
        end(a, SK_AUTH_DONE);
}

/* ---- S: who was connected to ---- */

static void S_hears_hello(sk_auth *a)
{
    if (!make_key(a, &a->self.cluster))
        return;
    unsigned char mac[MAC];
    prove(a, label_S, NULL, mac);
    say_hello(a);
    say_proof(a, SK_AUTH_OK, mac);
    prove(a, label_C, mac, a->expected);
    a->state = SK_AUTH_PROVING;
}

/* Nothing of its HELLO is looked at before this. */
static void S_hears_proof(sk_auth *a)
{
    uint32_t status = sk_bytes_get(a->in + 6, 2);
    unsigned char mac[MAC];
    if (!is_header(a))
        return;
    if (status == SK_AUTH_NO)
        fail(a, SK_WHY_REFUSED, SK_AUTH_NO, "authentication failed: it refuses us; its secret differs from %s, or its log says why", secret_name(a));
    else if (status != SK_AUTH_OK)
        fail(a, SK_WHY_HEADER, SK_AUTH_NO, "it proves itself with status %u (%s), which cannot be here", status, sk_auth_status_name(status));
    else if (!is_proof(a))
        fail_proof(a);
    else {
        a->is_proven = true;
        if (!is_wanted(a) || !is_alike(a) || !is_admitted(a))
            return;
        prove(a, label_ready, a->expected, mac);
        say_proof(a, SK_AUTH_OK, mac);
        end(a, SK_AUTH_DONE);
    }
}

/* ---- The machine ---- */

static bool has_ended(const sk_auth *a) { return a->state == SK_AUTH_DONE || a->state == SK_AUTH_FAILED; }

static bool is_refusal(const sk_auth *a)   /* C: in place of a HELLO */
{
    return a->state == SK_AUTH_GREETING && !a->spec.accepts && !memcmp(a->in, proof_magic, sizeof proof_magic);
}

/* Of the message that comes; known when its frozen bytes are here. */
static size_t length(const sk_auth *a)
{
    return a->state == SK_AUTH_GREETING && !(a->nin >= FROZEN && is_refusal(a)) ? SK_AUTH_HELLO_BYTES : SK_AUTH_PROOF_BYTES;
}

static void look_at_frozen(sk_auth *a)
{
    const unsigned char *wanted = a->state == SK_AUTH_GREETING && !is_refusal(a) ? hello_magic : proof_magic;
    uint32_t version = sk_bytes_get(a->in + 4, 2);
    if (memcmp(a->in, wanted, 4) != 0)
        fail(a, SK_WHY_MAGIC, SK_AUTH_NO, "not Skate's handshake: %08x where %08x (\"%.4s\") was to come", (unsigned)sk_bytes_get(a->in, 4),
             (unsigned)sk_bytes_get(wanted, 4), wanted);
    else if (a->state == SK_AUTH_GREETING && version != SK_AUTH_PROTOCOL)
        fail(a, SK_WHY_VERSION, SK_AUTH_VERSION, "it speaks version %u of the handshake, and this is version %d; both ends need the same Skate",
             version, SK_AUTH_PROTOCOL);
}

static void hear(sk_auth *a)
{
    if (is_refusal(a)) {
        C_hears_refusal(a);
    } else if (a->state == SK_AUTH_GREETING) {
        memcpy(a->hello[ITS], a->in, SK_AUTH_HELLO_BYTES);
        read_hello(&a->peer, a->in);
        if (is_same(&a->peer.node, &a->self.node))
            fail(a, SK_WHY_REFLECTED, SK_AUTH_NO, "it has our own node id: we talk to ourselves, or to our echo");
        else if (a->spec.accepts)
            S_hears_hello(a);
        else
            C_hears_hello(a);
    } else if (a->state == SK_AUTH_PROVING) {
        if (a->spec.accepts)
            S_hears_proof(a);
        else
            C_hears_proof(a);
    } else {
        C_hears_verdict(a);
    }
}

void sk_auth_begin(sk_auth *a, const sk_auth_spec *spec)
{
    sk_error err = { 0 };
    assert((spec->secret || spec->in_tls) && spec->peer_roles && spec->role >= SK_ROLE_DRIVER && spec->role <= SK_ROLE_LAST);
    assert(!is_zero(&spec->node) && (!spec->accepts || !is_zero(&spec->cluster)));
    *a = (sk_auth){ .spec = *spec };
    a->self = (sk_auth_hello){ .version = SK_AUTH_PROTOCOL, .role = (uint16_t)spec->role, .flags = spec->in_tls ? SK_AUTH_IN_TLS : 0,
                               .cluster = spec->cluster, .node = spec->node };
    memcpy(a->self.build, spec->build, sizeof a->self.build);
    unsigned char *nonce = a->self.nonce;
    size_t size = sizeof a->self.nonce;
    bool drawn = spec->random ? spec->random(spec->context, nonce, size) : sk_secret_fill(nonce, size, &err);
    write_hello(a->hello[OURS], &a->self);
    if (!drawn)
        fail(a, SK_WHY_US, SK_AUTH_NO, "no nonce could be drawn%s%.500s", *err.message ? ": " : "", err.message);
    else if (!spec->accepts)
        say_hello(a);
}

size_t sk_auth_wants(const sk_auth *a)
{
    if (has_ended(a))
        return 0;
    size_t more = a->state == SK_AUTH_GREETING && !a->spec.accepts && !(a->nin >= FROZEN && is_refusal(a)) ? SK_AUTH_PROOF_BYTES : 0;
    return length(a) - a->nin + more;      /* C: S sends two messages at once */
}

size_t sk_auth_take(sk_auth *a, const void *bytes, size_t size)
{
    size_t done = 0;
    while (done < size && !has_ended(a)) {
        if (a->spec.accepts && a->state == SK_AUTH_PROVING && a->nout > 0) {
            fail(a, SK_WHY_TURN, SK_AUTH_NO, "it sent more than its HELLO of %d bytes before it could have our answer", SK_AUTH_HELLO_BYTES);
            break;
        }
        size_t until = a->nin < FROZEN ? FROZEN : length(a), n = MIN(until - a->nin, size - done);
        memcpy(a->in + a->nin, (const char *)bytes + done, n);
        a->nin += n;
        a->taken += n;
        done += n;
        if (a->nin == FROZEN)
            look_at_frozen(a);
        if (!has_ended(a) && a->nin == length(a)) {
            hear(a);
            a->nin = 0;
        }
    }
    return done;
}

const unsigned char *sk_auth_output(const sk_auth *a, size_t *size)
{
    *size = a->nout;
    return a->out;
}

void sk_auth_wrote(sk_auth *a, size_t size)
{
    assert(size <= a->nout);
    a->nout -= size;
    memmove(a->out, a->out + size, a->nout);
}

void sk_auth_stop(sk_auth *a, sk_auth_why why)
{
    assert(why == SK_WHY_CLOSED || why == SK_WHY_LATE);
    if (has_ended(a))
        return;
    fail(a, why, SK_AUTH_NO, "it %s after %zu bytes, %s: %zu of %zu bytes of this message are here",
         why == SK_WHY_LATE ? "did not go on in time" : "closed the connection", a->taken, sk_auth_state_name(a->state), a->nin, length(a));
}

void sk_auth_clear(sk_auth *a) { sk_secret_wipe(a, sizeof *a); }

/* ---- Words ---- */

const char *sk_auth_role_name(unsigned role)
{
    static const char *const names[] = { "nobody", "driver", "node", "worker", "tool", "relay", "viewer" };
    return role < G_N_ELEMENTS(names) ? names[role] : "stranger";
}

const char *sk_auth_status_name(unsigned status)
{
    static const char *const names[] = { "OK", "AUTH_FAILED", "VERSION", "BUILD", "CLUSTER", "BUSY", "DUPLICATE_NODE" };
    return status < G_N_ELEMENTS(names) ? names[status] : "unknown";
}

const char *sk_auth_state_name(sk_auth_state state)
{
    static const char *const names[] = { "greeting", "proving", "judged", "done", "failed" };
    return names[state];
}
