/* fn_table.h -- the table of remote functions as a text and as its hash, so that two processes can tell whether they have the same ones.
 *
 * The text is a line for each function, sorted by name: the name, a tab, the signature as the student wrote it, a newline. Peers compare
 * the hash (in the HELLO of backends/auth.h); where it differs, one of them sends its text, and the other says where. */
#ifndef SK_FN_TABLE_H
#define SK_FN_TABLE_H

#include "fn.h"

char *sk_fn_table_text(void);                          /* owned by the caller: free() */
void sk_fn_table_id(unsigned char id[32]);             /* SHA-256 of the text */

/* Names the first function, by name, that the two texts do not have alike. `theirs` has `size` bytes and is not trusted. `who` they are:
 * "node 3". Returns whether they differ; then `text` is one line:
 *
 *     node 3 has no `f`
 *     node 3 has `f`, which is not here
 *     `f` takes (double, double) here and (double, int64_t) there
 *     `f` answers (double) here and (int64_t) there
 *     `f` is written `double f((double, a))` here and `double f((double, b))` there
 *     node 3 sent no table of functions: line 2 ...                                                                      */
bool sk_fn_table_differs(const char *ours, const char *theirs, size_t size, const char *who, char *text, size_t room);

#endif
