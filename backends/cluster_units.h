/* cluster_units.h -- numbers with units, exactly, both ways: "1.5ms" is 1500000 ns. Whoever reads gives a string that ends after the unit.
 * They return false on what they do not know, on negative numbers, on what does not fit, and on fractions of the smallest unit. */
#ifndef SK_CLUSTER_UNITS_H
#define SK_CLUSTER_UNITS_H

#include "base.h"

bool sk_parse_time(const char *text, int64_t *ns);                  /* ns us ms s min h */
bool sk_parse_per_byte(const char *text, int64_t *femtoseconds);    /* fs ps ns us: of each byte */
bool sk_parse_bandwidth(const char *text, int64_t *bytes_per_s);    /* B/s kB/s MB/s GB/s, KiB/s ..., bit/s kbit/s Mbit/s Gbit/s; above 0 */
bool sk_parse_bytes(const char *text, int64_t *bytes);              /* 1000, 500K 500M 2G 1T; above 0 */
bool sk_parse_units(const char *text, int64_t *units);              /* 0.5: in SK_UNITS; above 0 */
bool sk_parse_whole(const char *text, uint64_t most, uint64_t *n);  /* digits only */

/* Write into room, and return it. */
const char *sk_time_text(int64_t ns, char *room, size_t size);
const char *sk_per_byte_text(int64_t femtoseconds, char *room, size_t size);
const char *sk_bandwidth_text(int64_t bytes_per_s, char *room, size_t size);
const char *sk_bytes_text(int64_t bytes, char *room, size_t size);

#endif
