/* divert.c -- see divert.h. Linux: which object an address lies in comes from dl_iterate_phdr. */
#include "divert.h"

#include "fn.h"

#include <link.h>
#include <stdio.h>
#include <unistd.h>

/* The first object in the list is the executable. 1: it is `where`; -1: it is not. */
static int look(struct dl_phdr_info *object, size_t size, void *where)
{
    (void)size;
    uintptr_t address = (uintptr_t)where - object->dlpi_addr;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && address - part->p_vaddr < part->p_memsz)
            return 1;
    }
    return -1;
}

static void probe(void)
{
    size_t n = sk_fn_sort();
    printf("probe: %zu functions, fingerprint %016llx\n", n, (unsigned long long)sk_fn_fingerprint());
    fflush(stdout);
    _exit(0);
}

void sk_worker_divert(const void *here)
{
    static const char name[] = "SKATE_WORKER";
    const char *set = getenv(name);
    if (!set || !*set || (here && dl_iterate_phdr(look, (void *)(uintptr_t)here) != 1))
        return;
    char *text = strdup(set);
    if (!text)
        abort();
    unsetenv(name);
    if (!strncmp(text, "probe:", 6))
        probe();
    sk_worker_entry(text);
    abort();                                              /* it does not return */
}
