/* aligned.c -- see aligned.h. More is mapped than is asked for, and what is in front of the multiple and behind the end goes back. */
#include "aligned.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

char *sk_aligned_map(size_t size, size_t align, int protection, int flags)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole;
    if (align < page)
        align = page;
    if (__builtin_add_overflow(size, align, &whole)) {
        errno = ENOMEM;
        return NULL;
    }
    char *raw = mmap(NULL, whole, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    char *p = (char *)(((uintptr_t)raw + align - 1) & ~(uintptr_t)(align - 1)), *end = p + ((size + page - 1) & ~(page - 1));
    if (p > raw)
        munmap(raw, (size_t)(p - raw));
    if (end < raw + whole)
        munmap(end, (size_t)(raw + whole - end));
    return p;
}
