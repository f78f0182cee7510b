/* auth_pair.h -- two machines of the handshake that fit each other, and what tests of them have in common. */
#ifndef AUTH_PAIR_H
#define AUTH_PAIR_H

#include "backends/auth.h"

#include <check.h>
#include <glib.h>

/* ---- A pair of machines ---- */

enum { C, S, BOTH };
static sk_secret secret, other_secret;                 /* bytes 0, 1, 2 ...; 1, 2, 3 ... */
static sk_auth_spec spec[BOTH];                        /* of a pair that fits */
static sk_auth machine[BOTH];
static int next_nonce[BOTH];                           /* its first byte; each that is drawn counts up */
static sk_auth_status admission;
static int admissions;

static inline void count_up(void *bytes, size_t size, int first)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)(first + (int)i);
}

static inline bool draw(void *context, unsigned char *bytes, size_t size)
{
    count_up(bytes, size, (*(int *)context)++);
    return true;
}

static inline sk_auth_status admit(void *context, const sk_auth_hello *peer)
{
    (void)context;
    ck_assert_int_eq(peer->role, spec[C].role);
    ck_assert(!memcmp(&peer->node, &spec[C].node, sizeof peer->node));
    admissions++;
    return admission;
}

static inline void set_up(void)
{
    count_up(&secret, sizeof secret, 0);
    count_up(&other_secret, sizeof other_secret, 1);
    for (int i = 0; i < BOTH; i++) {
        spec[i] = (sk_auth_spec){ .accepts = i == S, .secret = &secret, .secret_name = i == S ? "/s" : "/c", .role = i == S ? SK_ROLE_DRIVER : SK_ROLE_NODE,
                                  .peer_roles = 1 << SK_ROLE_NODE | 1 << SK_ROLE_TOOL | 1 << SK_ROLE_DRIVER, .admit = i == S ? admit : NULL,
                                  .random = draw, .context = &next_nonce[i] };
        count_up(spec[i].build, sizeof spec[i].build, 0x80);
        count_up(&spec[i].cluster, sizeof spec[i].cluster, 0xa0);
        count_up(&spec[i].node, sizeof spec[i].node, i == S ? 0x20 : 0x10);
        next_nonce[i] = i == S ? 0x50 : 0x30;
    }
    admission = SK_AUTH_OK;
    admissions = 0;
}

static inline void begin(void)
{
    for (int i = 0; i < BOTH; i++)
        sk_auth_begin(&machine[i], &spec[i]);
}

static inline size_t output(int from, unsigned char *bytes)
{
    size_t size;
    const unsigned char *out = sk_auth_output(&machine[from], &size);
    memcpy(bytes, out, size);
    sk_auth_wrote(&machine[from], size);
    return size;
}

/* Everything that is to be said, in pieces of at most `piece` bytes. */
static inline void carry(int from, size_t piece)
{
    for (size_t size, n;;) {
        const unsigned char *out = sk_auth_output(&machine[from], &size);
        if (!size)
            return;
        n = MIN(size, piece);
        n = sk_auth_take(&machine[!from], out, n) ? n : size;      /* who has ended takes nothing */
        sk_auth_wrote(&machine[from], n);
    }
}

static inline void talk(size_t piece)
{
    for (int turn = 0; turn < 4; turn++)
        carry(turn % 2 ? S : C, piece);
}

static inline void both_are_done(void)
{
    for (int i = 0; i < BOTH; i++) {
        ck_assert_msg(machine[i].state == SK_AUTH_DONE, "%c: %s", "CS"[i], machine[i].reason);
        ck_assert_int_eq(machine[i].why, SK_WHY_NOT);
        ck_assert_str_eq(machine[i].reason, "");
        ck_assert(machine[i].is_proven);
        ck_assert_uint_eq(sk_auth_wants(&machine[i]), 0);
    }
    ck_assert_uint_eq(machine[C].taken, 196);
    ck_assert_uint_eq(machine[S].taken, 152);
    ck_assert_int_eq(machine[C].peer.role, spec[S].role);
    ck_assert(!memcmp(&machine[C].peer.node, &spec[S].node, sizeof spec[S].node));
    ck_assert(!memcmp(&machine[C].peer.cluster, &spec[S].cluster, sizeof spec[S].cluster));
    ck_assert_int_eq(machine[S].peer.role, spec[C].role);
    ck_assert(!memcmp(&machine[S].peer.node, &spec[C].node, sizeof spec[C].node));
}

static inline void failed(int who, sk_auth_why why, const char *reason)
{
    ck_assert_int_eq(machine[who].state, SK_AUTH_FAILED);
    ck_assert_str_eq(machine[who].reason, reason);
    ck_assert_int_eq(machine[who].why, why);
    ck_assert_uint_eq(sk_auth_wants(&machine[who]), 0);
    ck_assert_uint_eq(sk_auth_take(&machine[who], "SKHS", 4), 0);
}

static inline void is_hex(const unsigned char *bytes, size_t size, const char *want)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (size_t i = 0; i < size; i++)
        g_string_append_printf(text, "%02x", bytes[i]);
    ck_assert_str_eq(text->str, want);
}

/* What was said is, at its end, one refusal with this status: always the same 44 bytes. */
static inline void ends_with_refusal(const unsigned char *bytes, size_t size, int status)
{
    const unsigned char refusal[44] = { 'S', 'K', 'A', 'U', 0, 1, 0, (unsigned char)status };
    ck_assert_uint_ge(size, sizeof refusal);
    ck_assert(!memcmp(bytes + size - sizeof refusal, refusal, sizeof refusal));
}

/* S says this much before its refusal, the refusal, and no more. */
static inline void S_refuses(size_t before, int status)
{
    unsigned char out[SK_AUTH_MOST];
    size_t size = output(S, out);
    ck_assert_uint_eq(size, before + 44);
    ends_with_refusal(out, size, status);
}

#define PROOF_WRONG "authentication failed: its proof is wrong; its secret differs from "
#define OR_ANOTHER ", or that was said in another handshake"
#define REFUSES_US "authentication failed: it refuses us; its secret differs from "
#define OR_LOG ", or its log says why"

/* C would have noticed; this one goes on. */
static inline void S_is_shown(const unsigned char *hello, const unsigned char *proof)
{
    unsigned char bytes[SK_AUTH_MOST];
    sk_auth_begin(&machine[S], &spec[S]);
    ck_assert_uint_eq(sk_auth_take(&machine[S], hello, 108), 108);
    ck_assert_uint_eq(output(S, bytes), 152);
    ck_assert_uint_eq(sk_auth_take(&machine[S], proof, 44), 44);
}

/* The four messages of a handshake that was fine. */
static unsigned char said[4][SK_AUTH_MOST];
static size_t said_size[4];

static inline void record(void)
{
    begin();
    for (int i = 0; i < 4; i++) {
        int from = i % 2 ? S : C;
        said_size[i] = output(from, said[i]);
        sk_auth_take(&machine[!from], said[i], said_size[i]);
    }
    both_are_done();
    admissions = 0;
}

#endif
