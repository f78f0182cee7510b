/* runs.c -- see runs.h. */
#include "runs.h"

#include <string.h>

GPtrArray *sk_runs_functions(const sk_runs *r, uint32_t *of[SK_RUNS])
{
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *names = g_ptr_array_new();
    for (unsigned i = 0; i < r->n; i++) {
        const sk_model *m = r->model[i];
        of[i] = g_new(uint32_t, (gsize)m->nfns + 1);
        for (uint32_t f = 0; f < m->nfns; f++) {
            gpointer at;
            if (!g_hash_table_lookup_extended(known, m->fns[f].name, NULL, &at)) {
                at = GUINT_TO_POINTER(names->len);
                g_hash_table_insert(known, (gpointer)m->fns[f].name, at);
                g_ptr_array_add(names, (gpointer)m->fns[f].name);
            }
            of[i][f] = GPOINTER_TO_UINT(at);
        }
    }
    return names;
}

void sk_runs_unlook(sk_runs *r)
{
    for (unsigned i = 0; i < SK_RUNS; i++)
        g_clear_pointer(&r->look[i], g_free);
}

void sk_runs_look(sk_runs *r)
{
    sk_runs_unlook(r);
    g_ptr_array_unref(sk_runs_functions(r, r->look));
}

unsigned sk_runs_find(const sk_runs *r, const sk_model *m)
{
    unsigned run = 0;
    while (run < r->n && r->model[run] != m)
        run++;
    return run;
}

uint32_t sk_runs_same_function(const sk_model *from, uint32_t fn, const sk_model *to)
{
    for (uint32_t f = 0; fn < from->nfns && f < to->nfns; f++)
        if (!strcmp(from->fns[fn].name, to->fns[f].name))
            return f;
    return SK_NO_INDEX;
}
