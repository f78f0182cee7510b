/* secret_text.h -- secrets and ids as hex digits: what secret.c and secret_file.c share. */
#ifndef SK_SECRET_TEXT_H
#define SK_SECRET_TEXT_H

#include <stddef.h>

size_t sk_secret_digits(const char *text, size_t size);           /* how many of either case it begins with */
void sk_secret_from_digits(unsigned char *bytes, const char *digits, size_t size);      /* of 2 * size digits, and nothing else */
void sk_secret_to_digits(char *digits, const unsigned char *bytes, size_t size);        /* lower case; without a 0 */

#endif
