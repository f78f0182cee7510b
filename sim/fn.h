/* fn.h -- the table of remote functions, found by name: no code travels, only names do. */
#ifndef SK_FN_H
#define SK_FN_H

#include "base.h"

const sk_fn *sk_fn_find(const char *name);
const sk_fn *sk_fn_first(void);             /* sorted by name after sk_fn_sort; next by ->next */
sk_fn **sk_fn_by_name(size_t *n);           /* all of them, sorted, and a NULL; the caller's: free() */
size_t sk_fn_sort(void);                    /* numbers them 1, 2, ...; two of one name end the program */
uint64_t sk_fn_fingerprint(void);           /* of sorted names and signatures: peers compare it */

#endif
