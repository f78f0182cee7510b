/* fn.c -- see fn.h. SK_REMOTE's constructors only hang the function into a list, whose head needs no construction:
 * so their order does not matter, nor the library's being loaded later. They have priority 101, before all others a program may have: when
 * a worker is diverted (divert.c), all functions are here. */
#include "fn.h"

#include "error.h"

static sk_fn *all;

void sk_fn_register(sk_fn *fn)
{
    fn->next = all;
    all = fn;
}

const sk_fn *sk_fn_first(void) { return all; }

const sk_fn *sk_fn_find(const char *name)
{
    for (const sk_fn *fn = all; fn; fn = fn->next)
        if (!strcmp(fn->name, name))
            return fn;
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(sk_fn *const *)a)->name, (*(sk_fn *const *)b)->name);
}

sk_fn **sk_fn_by_name(size_t *n)
{
    size_t i = 0;
    *n = 0;
    for (sk_fn *fn = all; fn; fn = fn->next)
        ++*n;
    sk_fn **table = calloc(*n + 1, sizeof *table);
    if (!table)
        abort();
    for (sk_fn *fn = all; fn; fn = fn->next)
        table[i++] = fn;
    qsort(table, *n, sizeof *table, by_name);
    return table;
}

size_t sk_fn_sort(void)
{
    size_t n;
    sk_fn **table = sk_fn_by_name(&n);
    all = n ? table[0] : NULL;
    for (size_t i = 0; i < n; i++) {
        table[i]->index = (uint32_t)i + 1;
        table[i]->next = table[i + 1];
        if (i && !strcmp(table[i - 1]->name, table[i]->name)) {
            sk_site here = { table[i]->file, table[i]->line, "", 0 };
            sk_misuse(&here, "remote function '%s' is already defined at %s:%d; names must differ in the whole program",
                      table[i]->name, table[i - 1]->file, table[i - 1]->line);
        }
    }
    free(table);
    return n;
}

uint64_t sk_fn_fingerprint(void)
{
    uint64_t h = 0xcbf29ce484222325u;                     /* FNV-1a */
    for (const sk_fn *fn = all; fn; fn = fn->next)
        for (int part = 0; part < 2; part++)
            for (const char *p = part ? fn->signature : fn->name; ; p++) {
                h = (h ^ (unsigned char)*p) * 0x100000001b3u;
                if (!*p)
                    break;
            }
    return h;
}
