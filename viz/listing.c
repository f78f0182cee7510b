/* listing.c -- see listing.h. */
#include "listing.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"

/* ---- Files and marks: made anew when the model names other places -------------------------------------------------------------------- */

/* A number that is another one when the tables are others: strings of the model are never moved, so their addresses will do. */
static uint64_t fingerprint(const sk_model *m)
{
    uint64_t sum = m->ngroups;
    for (uint32_t i = 0; i < m->nsites; i++)
        sum = sum * 0x100000001b3u + (uintptr_t)m->sites[i].file * 31 + (uint32_t)m->sites[i].line;
    for (uint32_t i = 0; i < m->nfns; i++)
        sum = sum * 0x100000001b3u + (uintptr_t)m->fns[i].file * 31 + (uint32_t)m->fns[i].line;
    return sum | 1; /* 0: of nothing */
}

static void add_mark(sk_listing *l, GHashTable *files, const char *name, int line, uint32_t site, uint32_t fn, uint32_t submits)
{
    gpointer known;
    uint32_t file = l->nfiles;
    if (g_hash_table_lookup_extended(files, name, NULL, &known)) {
        file = GPOINTER_TO_UINT(known);
    } else {
        g_hash_table_insert(files, (gpointer)name, GUINT_TO_POINTER(file));
        *SK_GROW(l->files, l->nfiles) = (sk_listing_file){ .name = name };
    }
    l->files[file].submits |= site != SK_NO_INDEX;
    *SK_GROW(l->marks, l->nmarks) = (sk_listing_mark){ .file = file, .site = site, .fn = fn, .submits = submits, .line = line };
}

static int by_place(const void *a, const void *b)
{
    const sk_listing_mark *x = a, *y = b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->site < y->site ? -1 : x->site > y->site;
}

/* One mark a line: `mark` is of the same line as the last one in `to`. */
static void merge(sk_listing_mark *to, const sk_listing_mark *mark)
{
    to->site = MIN(to->site, mark->site);
    to->fn = MIN(to->fn, mark->fn);
    to->others |= mark->submits != SK_NO_INDEX && to->submits != SK_NO_INDEX && mark->submits != to->submits;
    to->submits = MIN(to->submits, mark->submits);
}

static void make(sk_listing *l, const sk_model *m)
{
    g_autoptr(GHashTable) files = g_hash_table_new(g_str_hash, g_str_equal), kept = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree uint32_t *submits = g_new(uint32_t, m->nsites);
    sk_listing_file *old = l->files;
    uint32_t nold = l->nfiles, n = 0;
    memset(submits, 0xff, m->nsites * sizeof *submits);
    for (uint32_t g = m->ngroups; g-- > 0;)
        submits[m->groups[g].site] = m->groups[g].fn;
    g_free(l->marks);
    l->files = NULL, l->marks = NULL, l->nfiles = l->nmarks = 0;
    for (uint32_t i = 0; i < m->nsites; i++)
        if (submits[i] != SK_NO_INDEX)
            add_mark(l, files, m->sites[i].file, m->sites[i].line, i, SK_NO_INDEX, submits[i]);
    for (uint32_t i = 0; i < m->nfns; i++)
        if (strcmp(m->fns[i].file, "?"))
            add_mark(l, files, m->fns[i].file, m->fns[i].line, SK_NO_INDEX, i, SK_NO_INDEX);
    l->mark_of_site = g_renew(uint32_t, l->mark_of_site, m->nsites);
    if (l->nmarks)
        qsort(l->marks, l->nmarks, sizeof *l->marks, by_place);
    for (uint32_t i = 0; i < l->nmarks; i++) {
        bool same = n && l->marks[n - 1].file == l->marks[i].file && l->marks[n - 1].line == l->marks[i].line;
        uint32_t site = l->marks[i].site;
        if (same)
            merge(&l->marks[n - 1], &l->marks[i]);
        else
            l->marks[n++] = l->marks[i];
        if (site != SK_NO_INDEX)
            l->mark_of_site[site] = n - 1;
    }
    l->nmarks = n;
    for (uint32_t i = n; i-- > 0;)
        l->files[l->marks[i].file].first = i, l->files[l->marks[i].file].n++;
    for (uint32_t i = 0; i < nold; i++) /* what was read is not read again */
        g_hash_table_insert(kept, (gpointer)old[i].name, old[i].source);
    for (uint32_t i = 0; i < l->nfiles; i++) {
        l->files[i].source = g_hash_table_lookup(kept, l->files[i].name);
        g_hash_table_remove(kept, l->files[i].name);
    }
    for (uint32_t i = 0; i < nold; i++)
        sk_source_free(g_hash_table_lookup(kept, old[i].name));
    g_free(old);
}

void sk_listing_follow(sk_listing *l, const sk_model *m)
{
    uint64_t made_of = fingerprint(m);
    sk_work_follow(&l->work, m);
    if (made_of != l->made_of)
        make(l, m);
    l->made_of = made_of;
    for (uint32_t i = 0; i < l->nmarks; i++)
        l->marks[i].total = 0;
    for (uint32_t g = 0; g < m->ngroups; g++)
        l->marks[l->mark_of_site[m->groups[g].site]].total += m->groups[g].tasks;
}

void sk_listing_clear(sk_listing *l)
{
    for (uint32_t i = 0; i < l->nfiles; i++)
        sk_source_free(l->files[i].source);
    g_free(l->files);
    g_free(l->marks);
    g_free(l->mark_of_site);
    sk_work_clear(&l->work);
    *l = (sk_listing){ 0 };
}

/* ---- At a time --------------------------------------------------------------------------------------------------------------------------- */

void sk_listing_at(sk_listing *l, const sk_model *m, sk_step k, int64_t ns)
{
    sk_model_counts counts;
    const int64_t *ran = sk_work_at(&l->work, m, ns);
    sk_model_count(m, k, &counts);
    for (uint32_t i = 0; i < l->nmarks; i++) {
        memset(l->marks[i].tasks, 0, sizeof l->marks[i].tasks);
        l->marks[i].all = 0, l->marks[i].ns = 0;
    }
    for (uint32_t g = 0; g < m->ngroups; g++) {
        sk_listing_mark *mark = &l->marks[l->mark_of_site[m->groups[g].site]];
        mark->ns += ran[g];
        for (unsigned s = SK_TASK_WAITING; s <= SK_TASK_CANCELLED; s++)
            mark->tasks[s] += counts.group[g][s], mark->all += counts.group[g][s];
    }
    l->longest = l->ran = 0;
    for (uint32_t i = 0; i < l->nmarks; i++)
        l->longest = MAX(l->longest, l->marks[i].ns), l->ran += l->marks[i].ns;
}

/* ---- Rows -------------------------------------------------------------------------------------------------------------------------------- */

const sk_source *sk_listing_source(sk_listing *l, const sk_model *m, uint32_t file)
{
    sk_listing_file *f = &l->files[file];
    if (!f->source)
        f->source = sk_source_read(f->name, m->path, m->program, m->executable);
    return f->source;
}

static bool is_inside(const sk_source *s, int line) { return line >= 1 && (uint32_t)line <= s->nlines; }

uint32_t sk_listing_rows(sk_listing *l, const sk_model *m, uint32_t file)
{
    const sk_source *s = sk_listing_source(l, m, file);
    sk_listing_file *f = &l->files[file];
    f->outside = 0;
    for (uint32_t i = 0; i < f->n; i++)
        f->outside += !is_inside(s, l->marks[f->first + i].line);
    return s->nlines + f->outside;
}

/* The first mark of the file that is not above this line. */
static uint32_t find(const sk_listing *l, const sk_listing_file *f, int line)
{
    uint32_t low = f->first, high = f->first + f->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (l->marks[middle].line < line)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Marks outside of the source are some below its first line (1), and those after its last. */
static uint32_t below_first(const sk_listing *l, const sk_listing_file *f, const sk_source *s)
{
    return s->nlines ? find(l, f, 1) - f->first : f->n;
}

sk_listing_row sk_listing_row_at(sk_listing *l, const sk_model *m, uint32_t file, uint32_t row)
{
    const sk_source *s = sk_listing_source(l, m, file);
    const sk_listing_file *f = &l->files[file];
    if (row < s->nlines) {
        int line = (int)row + 1;
        uint32_t i = find(l, f, line);
        bool marked = i < f->first + f->n && l->marks[i].line == line;
        return (sk_listing_row){ line, s->text + s->line[row], marked ? &l->marks[i] : NULL };
    }
    uint32_t below = below_first(l, f, s), i = row - s->nlines;
    const sk_listing_mark *mark = &l->marks[i < below ? f->first + i : find(l, f, (int)s->nlines + 1) + i - below];
    return (sk_listing_row){ mark->line, NULL, mark };
}

uint32_t sk_listing_row_of(sk_listing *l, const sk_model *m, const sk_listing_mark *mark)
{
    const sk_source *s = sk_listing_source(l, m, mark->file);
    const sk_listing_file *f = &l->files[mark->file];
    uint32_t i = (uint32_t)(mark - l->marks), below = below_first(l, f, s);
    if (is_inside(s, mark->line))
        return (uint32_t)mark->line - 1;
    return s->nlines + (i - f->first < below ? i - f->first : below + i - find(l, f, (int)s->nlines + 1));
}

const sk_listing_mark *sk_listing_of_task(const sk_listing *l, const sk_model *m, uint32_t task)
{
    return &l->marks[l->mark_of_site[m->tasks[task].site]];
}

const char *sk_listing_times(uint32_t n, char buf[16])
{
    g_snprintf(buf, 16, n < 10000 ? "× %u" : n < 1000000 ? "× %uk" : "× %uM", n < 10000 ? n : n < 1000000 ? n / 1000 : n / 1000000);
    return buf;
}
