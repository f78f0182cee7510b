/* secret.h -- what the processes of a cluster know and nobody else does: 32 random bytes, and the keys that are made of them.
 *
 * A cluster on one machine has a secret of its own in memory (sk_secret_random), which goes to the processes it starts through a pipe
 * (sk_secret_send, sk_secret_receive): arguments and environments can be read by others. A cluster of several machines has a file that its
 * user has made (`skate secret new FILE`) and copied there. Nobody chooses a secret, so nobody can guess one.
 *
 * No secret and no part of one is ever in a message; what may be shown is its fingerprint, which is of a derived key. The secret itself
 * is no key of anything either: each use has a key of its own, made by HKDF-SHA256 (RFC 5869, GnuTLS's). auth.h has one,
 * TLS with others: a pre-shared key is for exactly one client and one server (RFC 9257), or one could be taken for the other.
 *
 * Reading order: the secret; its file; to a child; keys. */
#ifndef SK_SECRET_H
#define SK_SECRET_H

#include "base.h"

enum { SK_SECRET_BYTES = 32, SK_SECRET_DIGITS = 64, SK_KEY_BYTES = 32 };

typedef struct sk_secret { unsigned char bytes[SK_SECRET_BYTES]; } sk_secret;

/* Of a cluster, and of a process in it: 16 random bytes, new each time one starts. Not secret. All zero is nobody. */
typedef struct sk_id { unsigned char bytes[16]; } sk_id;
enum { SK_ID_DIGITS = 32 };

/* ---- The secret ---- */

/* From the kernel (getrandom); waits only where the machine has just been switched on. false: it has none (a kernel without that call). */
bool sk_secret_fill(void *bytes, size_t size, sk_error *err);
bool sk_secret_random(sk_secret *, sk_error *err);
bool sk_id_random(sk_id *, sk_error *err);

/* Memory for one, all zero, for as long as a process needs it: a page of its own, which no core dump shows (a task may crash in this very process)
 * and no forked child has. free wipes it; NULL is fine. */
sk_secret *sk_secret_new(sk_error *err);
void sk_secret_free(sk_secret *);

void sk_secret_wipe(void *bytes, size_t size);             /* so that no copy is left, whatever the compiler thinks of it */

/* In a time that does not depend on what they are. Never, where there is no GnuTLS. */
bool sk_secret_equal(const void *a, const void *b, size_t size);

/* ---- Its file: 64 hex digits and a newline, mode 0600 ----
 * `path` is borrowed. Messages say the file, what was found there and what to do. */

/* Makes one; it is on the disk when this returns. What is there already is never overwritten. */
bool sk_secret_create(const char *path, sk_error *err);

/* false: there is none; or it is no regular file, or a symbolic link; or another user's, or others may read or write it; or it is not
 * exactly 64 hex digits, with or without a newline. Then *secret is all zero. Never blocks. */
bool sk_secret_read(sk_secret *secret, const char *path, sk_error *err);

/* ---- To a child ---- */

/* The end of a pipe with the secret in it, for sk_child_spec.fds; close it here when the child has been started. -1: see *err. */
int sk_secret_send(const sk_secret *, sk_error *err);

/* By the child, once: takes the secret out of the pipe and closes it, whatever comes. It does not wait: what was sent is there. */
bool sk_secret_receive(int fd, sk_secret *, sk_error *err);

/* ---- Keys. false: GnuTLS cannot, *err says why; then the key is all zero ---- */

bool sk_secret_auth_key(const sk_secret *, const sk_id *cluster, unsigned char key[SK_KEY_BYTES], sk_error *err);    /* for auth.h */

/* For TLS between this client and this server, which never change roles. */
bool sk_secret_psk(const sk_secret *, const sk_id *cluster, const sk_id *client, const sk_id *server, unsigned char key[SK_KEY_BYTES],
                   sk_error *err);

/* What the client tells the server in the clear, so that it knows which key is meant: "sk1.CLIENT.SERVER", each 32 lower-case hex digits. */
enum { SK_PSK_NAME = 4 + 2 * SK_ID_DIGITS + 1 };           /* without the 0 */
void sk_secret_psk_name(const sk_id *client, const sk_id *server, char name[SK_PSK_NAME + 1]);

/* The way back, by the server: `size` bytes, not trusted. false: it is no such name. Whose ids they are is the caller's to check: that the
 * server is this process, and that the client is not. */
bool sk_secret_psk_parse(const char *name, size_t size, sk_id *client, sk_id *server);

void sk_id_print(const sk_id *, char digits[SK_ID_DIGITS + 1]);

/* To compare secrets by eye: the first 8 hex digits of the SHA-256 of a derived key that serves for nothing else. */
enum { SK_FINGERPRINT = 8 };
bool sk_secret_fingerprint(const sk_secret *, char digits[SK_FINGERPRINT + 1], sk_error *err);

#endif
