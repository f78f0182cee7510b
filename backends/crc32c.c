/* crc32c.c -- see crc32c.h.
 *
 * A checksum is the remainder of a polynomial over bits, lowest bit first. So it is linear: the checksum of a and b in a row is that of
 * a, pushed on by as many zeros as b has bytes, plus that of b begun at 0. The instruction takes 8 bytes and its result is there 3 cycles
 * later, but it can be begun every cycle: three streams next to each other, put together by tables for the pushing, are three times as
 * fast as one (Gopal et al., Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction, Intel 2011; tables in place of its
 * multiplications after Mark Adler's crc32c.c). The tables for whoever has no instruction are those of slicing-by-8 (Kounavis and
 * Berry, 2005). */
#include "crc32c.h"

#include <endian.h>
#include <pthread.h>

enum { FAR = 4096, NEAR = 256 };           /* bytes of each of three streams; powers of two, multiples of 8 */
#define POLYNOMIAL 0x82f63b78u             /* Castagnoli's, lowest bit first */

/* Written once, by make_tables; whoever reads has been through pthread_once, or acquired what came through it. */
static uint32_t slice[8][256];             /* slice[k][b]: what byte b makes of 0, pushed on by k bytes */
static uint32_t far[4][256], near[4][256]; /* [k][b]: byte k of a checksum being b, pushed on by FAR or NEAR bytes */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- Tables ---- */

static uint32_t apply(const uint32_t matrix[32], uint32_t x)
{
    uint32_t sum = 0;
    for (int i = 0; x; i++, x >>= 1)
        sum ^= x & 1 ? matrix[i] : 0;
    return sum;
}

static void make_push(uint32_t push[4][256], size_t bytes)
{
    uint32_t matrix[32], square[32];       /* of a linear map: what it makes of each bit */
    for (int i = 0; i < 32; i++)           /* pushed on by one byte */
        matrix[i] = i < 8 ? slice[0][1u << i] : 1u << (i - 8);
    for (; bytes > 1; bytes /= 2) {
        for (int i = 0; i < 32; i++)
            square[i] = apply(matrix, matrix[i]);
        memcpy(matrix, square, sizeof matrix);
    }
    for (int k = 0; k < 4; k++)
        for (uint32_t b = 0; b < 256; b++)
            push[k][b] = apply(matrix, b << 8 * k);
}

static void make_tables(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t c = b;
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? POLYNOMIAL : 0);
        slice[0][b] = c;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++)
            slice[k][b] = slice[k - 1][b] >> 8 ^ slice[0][slice[k - 1][b] & 255];
    make_push(far, FAR);
    make_push(near, NEAR);
}

static uint64_t word_at(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

static uint32_t by_tables(uint32_t before, const void *data, size_t n)
{
    const unsigned char *at = data;
    uint32_t c = ~before;
    for (; n >= 8; at += 8, n -= 8) {
        uint64_t x = word_at(at) ^ c;
        c = slice[7][x & 255] ^ slice[6][x >> 8 & 255] ^ slice[5][x >> 16 & 255] ^ slice[4][x >> 24 & 255] ^
            slice[3][x >> 32 & 255] ^ slice[2][x >> 40 & 255] ^ slice[1][x >> 48 & 255] ^ slice[0][x >> 56];
    }
    for (; n; at++, n--)
        c = c >> 8 ^ slice[0][(c ^ *at) & 255];
    return ~c;
}

/* ---- The instruction ---- */

#if defined(__x86_64__)
#include <nmmintrin.h>
#define HAS_IT 1
#define WITH_IT __attribute__((target("sse4.2")))
WITH_IT static inline uint32_t add_word(uint32_t c, uint64_t word) { return (uint32_t)_mm_crc32_u64(c, word); }
WITH_IT static inline uint32_t add_byte(uint32_t c, unsigned char byte) { return _mm_crc32_u8(c, byte); }
bool sk_crc32c_has_hardware(void) { return __builtin_cpu_supports("sse4.2"); }

#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define HAS_IT 1
#define WITH_IT
static inline uint32_t add_word(uint32_t c, uint64_t word) { return __crc32cd(c, word); }
static inline uint32_t add_byte(uint32_t c, unsigned char byte) { return __crc32cb(c, byte); }
bool sk_crc32c_has_hardware(void) { return true; }

#else
bool sk_crc32c_has_hardware(void) { return false; }
#endif

#ifdef HAS_IT
static uint32_t pushed(const uint32_t push[4][256], uint32_t c)
{
    return push[0][c & 255] ^ push[1][c >> 8 & 255] ^ push[2][c >> 16 & 255] ^ push[3][c >> 24];
}

WITH_IT static uint32_t by_three(uint32_t c, const unsigned char *at, size_t each, const uint32_t push[4][256])
{
    uint32_t second = 0, third = 0;
    for (const unsigned char *end = at + each; at < end; at += 8) {
        c = add_word(c, word_at(at));
        second = add_word(second, word_at(at + each));
        third = add_word(third, word_at(at + 2 * each));
    }
    return pushed(push, pushed(push, c) ^ second) ^ third;
}

WITH_IT static uint32_t by_instruction(uint32_t before, const void *data, size_t n)
{
    const unsigned char *at = data;
    uint32_t c = ~before;
    for (; n >= 3 * FAR; at += 3 * FAR, n -= 3 * FAR)
        c = by_three(c, at, FAR, far);
    for (; n >= 3 * NEAR; at += 3 * NEAR, n -= 3 * NEAR)
        c = by_three(c, at, NEAR, near);
    for (; n >= 8; at += 8, n -= 8)
        c = add_word(c, word_at(at));
    for (; n; at++, n--)
        c = add_byte(c, *at);
    return ~c;
}
#endif

/* ---- Which of the two ---- */

typedef uint32_t way(uint32_t before, const void *data, size_t n);

static way *best(void)
{
    pthread_once(&once, make_tables);
#ifdef HAS_IT
    if (sk_crc32c_has_hardware())
        return by_instruction;
#endif
    return by_tables;
}

uint32_t sk_crc32c_hardware(uint32_t before, const void *data, size_t n) { return best()(before, data, n); }

uint32_t sk_crc32c_tables(uint32_t before, const void *data, size_t n)
{
    pthread_once(&once, make_tables);
    return by_tables(before, data, n);
}

static uint32_t choose(uint32_t before, const void *data, size_t n);
static _Atomic(way *) chosen = choose;

static uint32_t choose(uint32_t before, const void *data, size_t n)
{
    way *w = best();
    atomic_store_explicit(&chosen, w, release);                    /* the tables: pairs with sk_crc32c */
    return w(before, data, n);
}

uint32_t sk_crc32c(uint32_t before, const void *data, size_t n)
{
    return atomic_load_explicit(&chosen, acquire)(before, data, n);
}
