/* crc32c.h -- CRC-32C (Castagnoli: iSCSI, RFC 3720 appendix B.4), the checksum of frames.
 *
 * It finds what goes wrong by accident; against people there is TLS. The processor's own instruction where it has one, found out when the
 * first checksum is wanted, else tables. Incremental: sk_crc32c(sk_crc32c(0, a, n), b, m) is the checksum of a and b in a row. Any
 * thread, any alignment. The checksum of "123456789" is 0xe3069283. */
#ifndef SK_CRC32C_H
#define SK_CRC32C_H

#include "base.h"

/* The checksum of what came before (0: nothing), with n more bytes. data may be NULL if n is 0. */
uint32_t sk_crc32c(uint32_t before, const void *data, size_t n);

/* The two ways, for tests and benchmarks. Without such an instruction, or on a processor that does not have it, the first is the second. */
uint32_t sk_crc32c_hardware(uint32_t before, const void *data, size_t n);
uint32_t sk_crc32c_tables(uint32_t before, const void *data, size_t n);
bool sk_crc32c_has_hardware(void);

#endif
