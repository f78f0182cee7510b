/* handshake_fuzz.c -- any bytes, in any pieces, into both sides of the handshake; and somebody between many of them.
 * covers: backends/auth.c
 *
 * Who does not know the secret gets nobody to be DONE: a machine may only be if there is one honest machine on the other end with which it
 * has had the same conversation, each byte of it, and no other machine has had that too (matching conversations: Bellare and
 * Rogaway, "Entity Authentication and Key Distribution", CRYPTO '93). The nonces count up, so inputs of the corpus can be true
 * transcripts of the machines here, and what is found around those is around the real thing.
 *
 * Input:  kind u8 (% 4), then
 *   0, 1  seed of the pieces u8, bytes that S (0) or C (1) hears
 *   2     the same, in TLS, where nobody is asked for a proof: to S, or, if the seed is odd, to C
 *   3     a script for who is in between: steps, each an op and its arguments; see play. It begins machines, hears all they say, and lets
 *         them hear what it likes. One kind of them has another secret: that of the one in between. */
#include "backends/auth.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(what) do { if (!(what)) { fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what); abort(); } } while (0)

/* ---- Machines, and what they have said and heard ---- */

enum { HONEST_C, HONEST_S, STRANGER, KINDS, MANY = 16 };

typedef struct talker {
    int kind;
    sk_auth auth;
    unsigned char said[SK_AUTH_MOST], heard[SK_AUTH_MOST];
    size_t nsaid;
} talker;

static sk_secret secrets[2];
static int next_nonce;

static void count_up(void *bytes, size_t size, int first)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)(first + (int)i);
}

static bool draw(void *context, unsigned char *bytes, size_t size)
{
    (void)context;
    count_up(bytes, size, next_nonce++);
    return true;
}

static sk_auth_status admit(void *context, const sk_auth_hello *peer)
{
    (void)context;
    int number = peer->node.bytes[15] / 16 - 1;        /* see begin */
    return number % 8 == 5 ? SK_AUTH_BUSY : number % 8 == 7 ? SK_AUTH_DUPLICATE_NODE : SK_AUTH_OK;
}

static void begin(talker *t, int kind, int number, bool in_tls)
{
    bool is_S = kind == HONEST_S;
    sk_auth_spec spec = { .accepts = is_S, .in_tls = in_tls, .secret = &secrets[kind == STRANGER], .secret_name = "/secret",
                          .role = is_S ? SK_ROLE_DRIVER : SK_ROLE_NODE, .peer_roles = is_S ? 1 << SK_ROLE_NODE | 1 << SK_ROLE_TOOL : 1 << SK_ROLE_DRIVER,
                          .admit = admit, .random = draw };
    *t = (talker){ .kind = kind };
    count_up(spec.build, sizeof spec.build, 0x80 + (number % 5 == 4));
    count_up(&spec.cluster, sizeof spec.cluster, number % 7 == 6 && is_S ? 0xa1 : 0xa0);
    count_up(&spec.node, sizeof spec.node, 16 * number + 1);
    sk_auth_begin(&t->auth, &spec);
}

/* What must be true at any time. */
static void check(const talker *t)
{
    const sk_auth *a = &t->auth;
    bool is_S = t->kind == HONEST_S, has_ended = a->state == SK_AUTH_DONE || a->state == SK_AUTH_FAILED;
    size_t noutput, wants = sk_auth_wants(a);
    static const sk_secret none;
    HOLDS(a->taken <= (is_S ? 152 : 196));
    HOLDS(a->taken + wants <= (is_S ? 152 : 196));
    HOLDS(has_ended == (wants == 0));
    HOLDS((a->state == SK_AUTH_FAILED) == (a->why != SK_WHY_NOT) && (a->state == SK_AUTH_FAILED) == (a->reason[0] != '\0'));
    HOLDS(!strchr(a->reason, '\n') && strlen(a->reason) < sizeof a->reason);
    (void)sk_auth_output(a, &noutput);
    HOLDS(t->nsaid + noutput <= SK_AUTH_MOST);
    HOLDS(!has_ended || (!memcmp(a->key, &none, sizeof a->key) && !memcmp(a->expected, &none, sizeof a->expected)));
}

static void say(talker *t)
{
    size_t n;
    const unsigned char *bytes = sk_auth_output(&t->auth, &n);
    memcpy(t->said + t->nsaid, bytes, n);
    t->nsaid += n;
    sk_auth_wrote(&t->auth, n);
    check(t);
    if (t->kind != HONEST_S || t->auth.state != SK_AUTH_FAILED || n == 0)
        return;
    HOLDS(t->nsaid >= 44);
    const unsigned char *last = t->said + t->nsaid - 44;
    unsigned char no[44] = { 'S', 'K', 'A', 'U', 0, 1, 0, SK_AUTH_NO };        /* every refusal is this one, unless: */
    if (t->auth.why == SK_WHY_VERSION)
        no[7] = SK_AUTH_VERSION;
    else if (t->auth.is_proven && last[7] >= SK_AUTH_BUILD && last[7] <= SK_AUTH_DUPLICATE_NODE)
        no[7] = last[7];
    HOLDS(!memcmp(last, no, sizeof no));
}

static size_t hear(talker *t, const unsigned char *bytes, size_t size)
{
    size_t before = t->auth.taken, n = sk_auth_take(&t->auth, bytes, size);
    HOLDS(n <= size && t->auth.taken == before + n);
    HOLDS(n == size || sk_auth_wants(&t->auth) == 0);
    memcpy(t->heard + before, bytes, n);
    check(t);
    return n;
}

/* ---- Somebody in between ---- */

/* The same conversation: S has heard what C has said, and C has heard what S has said, as far as the one of the two that has ended heard. */
static bool match(const talker *x, const talker *y)
{
    size_t C_said = x->kind == HONEST_S ? y->nsaid : x->nsaid;
    const talker *c = x->kind == HONEST_S ? y : x, *s = x->kind == HONEST_S ? x : y;
    if (c->kind != HONEST_C || s->kind != HONEST_S || C_said < 152 || s->nsaid < 152)
        return false;
    bool is_same = !memcmp(c->said, s->heard, 152) && !memcmp(c->heard, s->said, 152) && s->auth.taken == 152 && c->auth.taken >= 152;
    return is_same && (x->kind == HONEST_S || (s->nsaid == 196 && c->auth.taken == 196 && !memcmp(c->heard + 152, s->said + 152, 44)));
}

static void nobody_is_deceived(const talker *t, int n)
{
    for (int i = 0; i < n; i++) {
        int matches = 0;
        for (int j = 0; j < n; j++)
            matches += match(&t[i], &t[j]);
        HOLDS(matches <= 1);
        HOLDS(t[i].auth.state != SK_AUTH_DONE || matches == 1);
        HOLDS(t[i].kind != HONEST_S || !t[i].auth.is_proven || matches == 1);
        HOLDS(t[i].kind != STRANGER || !t[i].auth.is_proven);
    }
}

typedef struct input { const uint8_t *at, *end; } input;

static unsigned take(input *in) { return in->at < in->end ? *in->at++ : 0; }

/* op % 8:  0 1 begin a machine of a kind   2 3 4 one hears a part of what another has said   5 with a bit turned   6 bytes   7 it is stopped.
 * What a machine has to say it says at once, unless the op's highest bit is set. */
static void play(input *in)
{
    static talker t[MANY];
    int n = 0;
    while (in->at < in->end) {
        unsigned op = take(in);
        if (op % 8 <= 1) {
            if (n < MANY) {
                begin(&t[n], (int)(take(in) % KINDS), n, false);
                n++;
                say(&t[n - 1]);
            }
            continue;
        }
        if (n == 0)
            return;
        talker *to = &t[take(in) % (unsigned)n];
        if (op % 8 <= 5) {
            const talker *from = &t[take(in) % (unsigned)n];
            size_t at = take(in), size = take(in);
            unsigned char bytes[SK_AUTH_MOST];
            at = at < from->nsaid ? at : from->nsaid;
            size = size < from->nsaid - at ? size : from->nsaid - at;
            memcpy(bytes, from->said + at, size);
            unsigned bit = op % 8 == 5 ? take(in) : 0, of = op % 8 == 5 ? take(in) : 0;
            if (op % 8 == 5 && size)
                bytes[bit % size] ^= (unsigned char)(1u << of % 8);
            hear(to, bytes, size);
        } else if (op % 8 == 6) {
            size_t size = take(in), there = (size_t)(in->end - in->at);
            size = size < there ? size : there;
            hear(to, in->at, size);
            in->at += size;
        } else {
            sk_auth_stop(&to->auth, op & 8 ? SK_WHY_LATE : SK_WHY_CLOSED);
            check(to);
        }
        if (!(op & 0x80))
            say(to);
        nobody_is_deceived(t, n);
    }
}

/* ---- Bytes ---- */

/* All the bytes, in pieces that are no more than it wants; it speaks between them. */
static void listen(talker *t, const uint8_t *data, size_t size, bool one_by_one, uint64_t seed)
{
    say(t);
    for (size_t at = 0; at < size;) {
        size_t wants = sk_auth_wants(&t->auth), most = one_by_one ? 1 : sk_mix(seed++) % 160 + 1;
        if (!wants)
            break;
        most = most < wants ? most : wants;
        at += hear(t, data + at, most < size - at ? most : size - at);
        say(t);
    }
}

/* What is fine to hear, from an honest one, for the machine that `listen` had. */
static void truth(int kind, unsigned char *bytes)
{
    static talker c, s;
    next_nonce = 1;
    begin(kind == HONEST_S ? &s : &c, kind, 0, false);
    begin(kind == HONEST_S ? &c : &s, kind == HONEST_S ? HONEST_C : HONEST_S, 1, false);
    for (int turn = 0; turn < 2; turn++) {
        say(&c);
        hear(&s, c.said + (turn ? 108 : 0), turn ? 44 : 108);
        say(&s);
        hear(&c, s.said + (turn ? 152 : 0), turn ? 44 : 152);
    }
    HOLDS(c.auth.state == SK_AUTH_DONE && s.auth.state == SK_AUTH_DONE);
    memcpy(bytes, kind == HONEST_S ? c.said : s.said, kind == HONEST_S ? 152 : 196);
}

static void hear_bytes(int kind, bool in_tls, uint8_t seed, const uint8_t *data, size_t size)
{
    static talker one, other;
    unsigned char fine[SK_AUTH_MOST];
    next_nonce = 1;
    begin(&one, kind, 0, in_tls);
    next_nonce = 1;
    begin(&other, kind, 0, in_tls);
    listen(&one, data, size, false, seed);
    listen(&other, data, size, true, 0);
    HOLDS(one.auth.state == other.auth.state && one.auth.why == other.auth.why && !strcmp(one.auth.reason, other.auth.reason));
    HOLDS(one.nsaid == other.nsaid && !memcmp(one.said, other.said, one.nsaid));
    if (in_tls || (!one.auth.is_proven && one.auth.state != SK_AUTH_DONE))
        return;
    truth(kind, fine);
    HOLDS(!memcmp(one.heard, fine, kind == HONEST_S || one.auth.state != SK_AUTH_DONE ? 152 : 196));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    count_up(&secrets[0], sizeof secrets[0], 0);
    count_up(&secrets[1], sizeof secrets[1], 1);
    input in = { data, data + size };
    unsigned kind = take(&in) % 4;
    next_nonce = 1;
    if (kind == 3) {
        play(&in);
        return 0;
    }
    uint8_t seed = (uint8_t)take(&in);
    hear_bytes(kind == 0 || (kind == 2 && seed % 2 == 0) ? HONEST_S : HONEST_C, kind == 2, seed, in.at, (size_t)(in.end - in.at));
    return 0;
}
