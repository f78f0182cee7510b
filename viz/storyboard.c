/* storyboard.c -- see storyboard.h. Reading order: 1 what an event is worth; 2 which moments; 3 captions; 4 the picture. */
#include "storyboard.h"

#include <math.h>
#include <string.h>

#include <glib.h>

#include "grow.h"
#include "timeline.h"

/* ---- 1. What an event is worth -------------------------------------------------------------------------------------------------------- */

/* Of a task: was it RUNNING, or BLOCKED in a wait of its own? One that is READY after that has lost an attempt. */
static bool had_started(const sk_model_event *e) { return e->from == SK_TASK_RUNNING || e->from == SK_TASK_BLOCKED; }

/* Does it say that something went wrong? */
static bool is_failure(const sk_model_event *e)
{
    switch (e->type) {
    case SK_TRACE_TASK: return e->to == SK_TASK_FAILED || (e->to == SK_TASK_READY && had_started(e));
    case SK_TRACE_OBJECT: return e->to == SK_OBJECT_MISSING;
    case SK_TRACE_NODE: return e->to == SK_NODE_DEAD;
    default: return false;
    }
}

static float worth(const sk_model_event *e)
{
    if (is_failure(e))
        return e->type == SK_TRACE_NODE ? 30 : 8;
    switch (e->type) {
    case SK_TRACE_TASK_NEW: return 1;
    case SK_TRACE_TASK: return e->to == SK_TASK_CANCELLED ? 4 : e->to == SK_TASK_DONE ? 1.8f : e->to == SK_TASK_RUNNING && e->from != SK_TASK_BLOCKED ? 2 : 0;
    case SK_TRACE_TRANSFER: return 1.2f;
    default: return 0;
    }
}

/* ---- 2. Which moments ----------------------------------------------------------------------------------------------------------------- */

enum { PARTS = 16 };                     /* stretches for each picture */

typedef struct stretch { sk_step last, failed; float worth; bool starts, chosen; } stretch; /* its last event of worth, and that went wrong; 0: none */

/* From 0 to below n: half by time, half by events. What happens in one instant is not torn apart. */
static uint32_t stretch_of(const sk_model *m, sk_step from, sk_step to, sk_step k, uint32_t n)
{
    int64_t begin = sk_model_ns(m, from), end = sk_model_ns(m, to), ns = sk_model_ns(m, k);
    bool passes = end > begin;
    sk_step counts = passes ? MIN(sk_model_step_at(m, ns), to) : k;
    double at = (double)(counts - from) / (double)(to - from);
    if (passes)
        at = (at + (double)(ns - begin) / (double)(end - begin)) / 2;
    return MIN((uint32_t)(at * n), n - 1);
}

static uint32_t far_from_chosen(const stretch *s, uint32_t n, uint32_t i)
{
    for (uint32_t far = 0; far < n; far++)
        if ((i >= far && s[i - far].chosen) || (i + far < n && s[i + far].chosen))
            return far;
    return n;
}

/* One more; false: there is none. */
static bool choose(stretch *s, uint32_t n, bool failures)
{
    uint32_t best = n;
    float most = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!s[i].last || s[i].chosen || (failures && !s[i].failed))
            continue;
        float is = (failures ? 1 : sqrtf(s[i].worth)) * (float)far_from_chosen(s, n, i);
        if (is > most)
            most = is, best = i;
    }
    if (best < n)
        s[best].chosen = true;
    return best < n;
}

/* ---- 3. Captions ---------------------------------------------------------------------------------------------------------------------- */

/* Of what has happened since the picture before. Events of one kind: what they do, to tasks of which function. */
typedef struct kind { uint8_t type, started, to, lost; uint32_t fn, n; sk_step last; uint64_t bytes; float worth; bool fails; } kind;

/* Is it told why the attempt that this event breaks off is lost: its worker or node died? */
static bool loses_attempt(const sk_model *m, sk_step k)
{
    const sk_model_event *e = &m->events[k - 1];
    uint32_t s = e->type == SK_TRACE_TASK && e->to == SK_TASK_READY && had_started(e) ? sk_model_slice_of(m, e->index, k) : SK_NO_INDEX;
    return s != SK_NO_INDEX && m->slices[s].end == k && sk_model_is_lost(&m->slices[s]);
}

static kind kind_of(const sk_model *m, sk_step k)
{
    const sk_model_event *e = &m->events[k - 1];
    bool task = e->type == SK_TRACE_TASK || e->type == SK_TRACE_TASK_NEW;
    return (kind){ e->type, task && had_started(e), e->to, loses_attempt(m, k), task ? m->tasks[e->index].fn : SK_NO_INDEX, 1, k,
                   e->type == SK_TRACE_TRANSFER ? m->transfers[e->index].bytes : 0, worth(e), is_failure(e) };
}

static bool counts_more(const kind *a, const kind *b) { return a->fails != b->fails ? a->fails : a->worth > b->worth; }

/* What happened most, failures first; and what happens next to most to tasks of the same function (n: 0: nothing). */
static void main_kinds(const sk_model *m, sk_step from, sk_step to, kind *first, kind *second)
{
    kind *kinds = NULL;
    sk_ids ids = { 0 }; /* what a kind is, as a number, to its index */
    uint32_t n = 0, best = 0;
    for (sk_step k = from + 1; k <= to; k++) {
        kind one = kind_of(m, k);
        if (one.worth <= 0)
            continue;
        uint32_t i = sk_trace_ids_add(&ids, (uint64_t)one.fn << 32 | one.type << 16 | one.to << 8 | one.lost << 1 | one.started);
        if (i == n)
            *SK_GROW(kinds, n) = one;
        else
            kinds[i].n++, kinds[i].worth += one.worth, kinds[i].bytes += one.bytes, kinds[i].last = k;
    }
    sk_trace_ids_clear(&ids);
    *first = *second = (kind){ 0 };
    for (uint32_t i = 1; i < n; i++)
        if (counts_more(&kinds[i], &kinds[best]))
            best = i;
    if (n)
        *first = kinds[best];
    for (uint32_t i = 0; i < n; i++)
        if (i != best && kinds[i].fn == first->fn && (!second->n || counts_more(&kinds[i], second)))
            *second = kinds[i];
    g_free(kinds);
}

static const char *words_for(const kind *k)
{
    bool one = k->n == 1;
    switch (k->type == SK_TRACE_TASK_NEW ? SK_TASK_WAITING : k->type == SK_TRACE_TASK ? k->to : SK_TASK_NONE) {
    case SK_TASK_WAITING: return one ? "is submitted" : "are submitted";
    case SK_TASK_READY:
        return k->lost ? (one ? "is lost and to run once more" : "are lost and to run once more") : one ? "is to run once more" : "are to run once more";
    case SK_TASK_RUNNING: return one ? "starts" : "start";
    case SK_TASK_DONE: return one ? "is done" : "are done";
    case SK_TASK_FAILED: return one ? "fails" : "fail";
    case SK_TASK_CANCELLED: return one ? "is cancelled" : "are cancelled";
    default: return NULL;
    }
}

/* "10 tasks of f2 are submitted, 4 start" */
static void caption(const sk_model *m, sk_step from, sk_step to, char *text, size_t size)
{
    kind a, b;
    char sentence[160], bytes[16];
    main_kinds(m, from, to, &a, &b);
    if (a.fails && a.n == 1)
        b.n = 0; /* that deserves a sentence */
    if (b.n && a.last > b.last) { /* in the order in which it happens */
        kind swap = a;
        a = b, b = swap;
    }
    if (words_for(&a) && (a.n > 1 || b.n > 1)) {
        const char *name = m->fns[a.fn].name;
        int n = g_snprintf(text, size, "%u task%s of %.*s %s", a.n, a.n == 1 ? "" : "s", sk_model_fits(name, 60), name, words_for(&a));
        if (b.n)
            g_snprintf(text + n, size - (size_t)n, ", %u %s", b.n, words_for(&b));
    } else if (a.type == SK_TRACE_TRANSFER && a.n > 1) {
        g_snprintf(text, size, "%u objects have come to other nodes: %s", a.n, sk_model_bytes(a.bytes, bytes));
    } else {
        g_strlcpy(text, sk_model_sentence(m, a.last, sentence), size);
    }
}

/* "the end: 199 tasks done, 2 failed" */
static void last_caption(const sk_model *m, sk_step k, char *text, size_t size)
{
    sk_model_counts c;
    sk_model_count(m, k, &c);
    uint32_t others = 0, bad = c.tasks[SK_TASK_FAILED], away = c.tasks[SK_TASK_CANCELLED];
    for (unsigned s = SK_TASK_WAITING; s < SK_TASK_DONE; s++)
        others += c.tasks[s];
    g_autofree char *failed = bad ? g_strdup_printf(", %u failed", bad) : g_strdup(""), *cancelled = away ? g_strdup_printf(", %u cancelled", away) : g_strdup(""),
                    *left = others ? g_strdup_printf(", %u not yet", others) : g_strdup("");
    g_snprintf(text, size, "%s%u task%s done%s%s%s", k == m->nsteps && m->ended ? "the end: " : "", c.tasks[SK_TASK_DONE], c.tasks[SK_TASK_DONE] == 1 ? "" : "s", failed,
               cancelled, left);
}

/* The last event that anything but the end of the program has to do with. */
static sk_step last_of_tasks(const sk_model *m, sk_step from, sk_step to)
{
    while (to > from && (m->events[to - 1].type == SK_TRACE_NODE || worth(&m->events[to - 1]) <= 0))
        to--;
    return to;
}

/* With the values that it makes, and all else of its instant. */
static sk_step whole_instant(const sk_model *m, sk_step k, sk_step to)
{
    if (m->last > m->first)
        return MIN(sk_model_step_at(m, sk_model_ns(m, k)), to);
    while (k < to && m->events[k].type == SK_TRACE_OBJECT)
        k++;
    return k;
}

uint32_t sk_storyboard_pick(const sk_model *m, sk_step from, sk_step to, sk_key *keys, uint32_t most)
{
    uint32_t n = PARTS * most, left = most - 1, used = 0, start = 0;
    char text[160], time[16];
    g_autofree stretch *s = g_new0(stretch, (gsize)n + 1); /* one more: the end */
    to = MIN(to, m->nsteps);
    sk_step last = last_of_tasks(m, from, to);
    for (sk_step k = from + 1; k <= last; k++) {
        const sk_model_event *e = &m->events[k - 1];
        stretch *it = &s[stretch_of(m, from, last, k, n)];
        if (worth(e) <= 0)
            continue;
        it->last = k;
        it->failed = is_failure(e) ? k : it->failed;
        it->worth += worth(e);
        it->starts |= e->type == SK_TRACE_TASK && e->to == SK_TASK_RUNNING;
    }
    for (uint32_t i = 0; i < n; i++) {
        sk_step k = s[i].failed ? s[i].failed : s[i].last;
        s[i].last = k ? whole_instant(m, k, to) : 0;
        if (s[i].last >= last)
            s[i].last = 0; /* it looks like the end, which is shown */
    }
    s[n].chosen = true;
    while (start < n && !(s[start].last && s[start].starts))
        start++;
    if (start < n && left)
        s[start].chosen = true, left--;
    for (uint32_t bad = most / 2; left && bad && choose(s, n + 1, true); bad--)
        left--;
    while (left && choose(s, n + 1, false))
        left--;
    for (uint32_t i = 0; i <= n; i++) {
        if (!s[i].chosen)
            continue;
        sk_key *key = &keys[used++];
        key->step = i < n ? s[i].last : to;
        *key->brief = '\0';
        key->ns = sk_model_ns(m, key->step);
        if (i < n)
            caption(m, used > 1 ? keys[used - 2].step : from, key->step, text, sizeof text);
        else
            last_caption(m, to, text, sizeof text);
        g_snprintf(key->caption, sizeof key->caption, "t = %s: %s", sk_timeline_time(sk_model_ns(m, key->step), time), text);
    }
    return used;
}

/* ---- Several runs ---------------------------------------------------------------------------------------------------------------------- */

/* Times of a log may be any: sums stay within what there are numbers for. */
static int64_t later(int64_t ns, int64_t by)
{
    int64_t sum;
    return __builtin_add_overflow(ns, by, &sum) ? (by > 0 ? INT64_MAX : INT64_MIN) : sum;
}

/* How long a run is shown: as long as it takes, or as the one that is shown takes. */
static int64_t length_of(const sk_compare *c, unsigned run, unsigned shown, bool parts)
{
    int64_t own = c->run[run].makespan, wanted = c->run[shown].makespan;
    return parts && own > 0 && wanted > 0 ? wanted : own;
}

/* When it ends, on the clock of the run that is shown. */
static int64_t end_of(const sk_compare *c, unsigned run, unsigned shown, bool parts)
{
    return later(c->run[shown].spent.from, length_of(c, run, shown, parts));
}

/* What the run's own clock says when that of the run that is shown says ns, to the nearest. */
static int64_t own_time(const sk_compare *c, unsigned run, unsigned shown, bool parts, int64_t ns)
{
    int64_t own = c->run[run].makespan, length = length_of(c, run, shown, parts);
    __extension__ __int128 since = (__int128)ns - c->run[shown].spent.from;
    if (own != length)
        since = (since * own + length / 2) / length;
    return later(c->run[run].spent.from, (int64_t)CLAMP(since, INT64_MIN, INT64_MAX));
}

static int64_t last_end(const sk_compare *c, unsigned shown, bool parts)
{
    int64_t last = end_of(c, 0, shown, parts);
    for (unsigned i = 1; i < c->n; i++)
        last = MAX(last, end_of(c, i, shown, parts));
    return last;
}

void sk_storyboard_span(const sk_runs *runs, const sk_model *shown, bool parts, int64_t *from, int64_t *to)
{
    sk_compare *c = sk_compare_new(runs);
    unsigned run = sk_runs_find(runs, shown);
    *from = c->run[run].spent.from;
    *to = last_end(c, run, parts);
    sk_compare_free(c);
}

/* When a picture is, as the axis of Compare has it: a time, or, where each run is drawn as long as the one that is shown, a part: "t = 12.0 ms", "25 %" */
static void when(const sk_compare *c, unsigned shown, bool parts, int64_t ns, char text[32])
{
    char time[16];
    const sk_compare_run *r = &c->run[shown];
    if (parts && r->makespan > 0)
        g_snprintf(text, 32, "%.3g %%", 100 * ((double)ns - (double)r->spent.from) / (double)r->makespan);
    else
        g_snprintf(text, 32, "t = %s", sk_timeline_time(ns, time));
}

/* "of 20 tasks 6 have ended in A, all in B"; where they have not as many tasks, "6 of 20 tasks have ended in A, all 12 in B" */
static void far_in_words(GString *s, const sk_compare *c, const uint32_t *ended, bool same)
{
    if (same)
        g_string_append_printf(s, "of %u task%s ", c->run[0].tasks, c->run[0].tasks == 1 ? "" : "s");
    for (unsigned i = 0; i < c->n; i++) {
        bool all = ended[i] == c->run[i].tasks;
        g_string_append(s, i ? ", " : "");
        if (same && all)
            g_string_append(s, "all");
        else if (same)
            g_string_append_printf(s, "%u", ended[i]);
        else if (all)
            g_string_append_printf(s, "all %u", ended[i]);
        else
            g_string_append_printf(s, "%u of %u", ended[i], c->run[i].tasks);
        g_string_append_printf(s, "%s%s in %c", same || i ? "" : " tasks", i ? "" : " have ended", 'A' + (char)i);
    }
}

/* And, where that has no room, "A 6/20, B 12/12 tasks ended". At the end: how long each of them takes. */
static void runs_caption(const sk_compare *c, unsigned shown, bool parts, int64_t ns, sk_key *key)
{
    char at[32], time[16];
    uint32_t ended[SK_RUNS];
    bool same = true, over = ns >= last_end(c, shown, parts);
    g_autoptr(GString) words = g_string_new(NULL), brief = g_string_new(NULL);
    when(c, shown, parts, ns, at);
    for (unsigned i = 0; i < c->n; i++) {
        const sk_compare_run *r = &c->run[i];
        const char *join = i ? ", " : "";
        sk_model_counts n;
        sk_model_count(r->m, sk_model_step_at(r->m, own_time(c, i, shown, parts, ns)), &n);
        ended[i] = n.tasks[SK_TASK_DONE] + n.tasks[SK_TASK_FAILED] + n.tasks[SK_TASK_CANCELLED];
        same &= r->tasks == c->run[0].tasks;
        if (over)
            g_string_append_printf(words, "%s%c %s%s%s", join, 'A' + (char)i, i ? "" : "takes ", sk_timeline_time(r->makespan, time),
                                   r->part ? " so far" : "");
        else
            g_string_append_printf(brief, "%s%c %u/%u", join, 'A' + (char)i, ended[i], r->tasks);
    }
    if (!over)
        far_in_words(words, c, ended, same);
    g_snprintf(key->caption, sizeof key->caption, "%s: %s%s", at, over ? "the end: " : "", words->str);
    g_snprintf(key->brief, sizeof key->brief, "%s: %s%s", at, over ? words->str : brief->str, over ? "" : " tasks ended");
}

/* One more moment, in its place; false: it is there already. */
static bool add_moment(int64_t *at, uint32_t *n, int64_t ns)
{
    uint32_t i = *n;
    for (uint32_t k = 0; k < *n; k++)
        if (at[k] == ns)
            return false;
    for (; i > 0 && at[i - 1] > ns; i--)
        at[i] = at[i - 1];
    at[i] = ns;
    ++*n;
    return true;
}

/* In the middle of the longest stretch without one; false: there is no time left between them. */
static bool halve(int64_t *at, uint32_t *n, int64_t from)
{
    uint64_t most = 1; /* they are in order, but may be further apart than a signed number says */
    int64_t middle = 0;
    for (uint32_t i = 0; i < *n; i++) {
        int64_t before = i ? at[i - 1] : from;
        if (at[i] > before && (uint64_t)at[i] - (uint64_t)before > most)
            most = (uint64_t)at[i] - (uint64_t)before, middle = before + (int64_t)(most / 2);
    }
    return most > 1 && add_moment(at, n, middle);
}

uint32_t sk_storyboard_pick_runs(const sk_runs *runs, const sk_model *shown, bool parts, int64_t from, int64_t to, sk_key *keys, uint32_t most)
{
    int64_t at[SK_STORYBOARD_MOST];
    uint32_t n = 0;
    sk_compare *c = sk_compare_new(runs);
    unsigned run = sk_runs_find(runs, shown);
    add_moment(at, &n, to);
    for (unsigned i = 0; i < c->n && n < most; i++) {
        int64_t end = end_of(c, i, run, parts);
        if (end > from && end < to)
            add_moment(at, &n, end);
    }
    while (n < most && halve(at, &n, from)) {}
    for (uint32_t i = 0; i < n; i++) {
        keys[i].ns = at[i], keys[i].step = sk_model_step_at(shown, at[i]);
        runs_caption(c, run, parts, at[i], &keys[i]);
    }
    sk_compare_free(c);
    return n;
}

/* ---- 4. The picture ------------------------------------------------------------------------------------------------------------------- */

/* Columns for n cells: cells half as wide again as they are high, and few empty. */
static uint32_t columns(uint32_t n, float width, float height)
{
    uint32_t best = 1;
    float least = 1e9f;
    for (uint32_t c = 1; c <= n; c++) {
        uint32_t rows = (n + c - 1) / c;
        float is = fabsf(logf(width / (float)c / (height / (float)rows) / 1.5f)) + 0.7f * (float)(c * rows - n) / (float)n;
        if (is < least)
            least = is, best = c;
    }
    return best;
}

/* Where the words of a cell are. h 0: there is no room for any. */
static sk_rect words_of(sk_rect cell, float u)
{
    float badge = 18 * u;
    return cell.h > 52 * u ? (sk_rect){ cell.x + badge + 7 * u, cell.y + cell.h - 21 * u, cell.w - badge - 7 * u, badge } : (sk_rect){ 0 };
}

/* Do the captions all have room in a cell of this size? One that has not is told in its brief form, as are the others: they are read together. */
static bool fit(const sk_key *keys, uint32_t n, sk_rect cell, float u)
{
    for (uint32_t i = 0; i < n; i++)
        if (*keys[i].brief && sk_draw_width(keys[i].caption, SK_FONT, 13 * u) > words_of(cell, u).w)
            return false;
    return true;
}

static void cell(const sk_view *view, void *memory, const sk_view_in *all, const sk_key *key, const char *caption, uint32_t number, sk_rect box, sk_draw *out)
{
    const sk_palette *p = all->palette;
    sk_rect words = words_of(box, all->unit);
    float u = all->unit, line = words.h > 0 ? 26 * u : 0, badge = words.h;
    sk_view_state s = *all->state;
    sk_view_in in = *all;
    char text[8];
    s.step = key->step, s.ns = key->ns;
    in.state = &s;
    in.area = (sk_rect){ box.x + u, box.y + u, MAX(1, box.w - 2 * u), MAX(1, box.h - line - 2 * u) };
    in.unit = u * CLAMP(sqrtf(in.area.w / (720 * u)), 0.6f, 1);
    sk_draw_clip(out, in.area);
    sk_draw_layer(out, SK_LAYER_GROUND);
    view->draw(memory, &in, out);
    sk_draw_hit(out, SK_HIT_NONE, 0, NULL);
    sk_draw_unclip(out);
    sk_draw_layer(out, SK_LAYER_PANELS);
    sk_draw_rect(out, (sk_rect){ box.x, box.y, box.w, box.h - line }, &(sk_pen){ .stroke = p->line, .width = u, .radius = 4 * u });
    if (line <= 0)
        return; /* no room for words */
    g_snprintf(text, sizeof text, "%u", number);
    sk_rect round = { box.x, words.y, badge, badge };
    sk_draw_rect(out, round, &(sk_pen){ .fill = p->text, .radius = badge / 2 });
    sk_draw_label(out, round, text, SK_FONT_BOLD, 11 * u, SK_CENTRE, p->ground);
    sk_draw_label(out, words, caption, SK_FONT, 13 * u, SK_LEFT, p->text);
}

/* "06-tree on threads"; of several runs, "06-tree: A (1 worker), B (4 workers)", or, where they are not of one program, only what they are called. */
static char *title_of(const sk_view *view, const sk_model *m, const sk_view_state *state)
{
    g_autofree char *program = g_path_get_basename(m->program);
    if (view != &sk_view_compare || !state->runs)
        return g_strdup_printf("%s on %s", program, m->backend);
    sk_compare *c = sk_compare_new(state->runs);
    g_autoptr(GString) names = g_string_new(NULL);
    bool same = true;
    for (unsigned i = 0; i < c->n; i++) {
        g_autofree char *other = g_path_get_basename(c->run[i].m->program);
        same &= !strcmp(other, program);
        g_string_append_printf(names, "%s%s", i ? ", " : "", c->run[i].name);
    }
    sk_compare_free(c);
    return same ? g_strdup_printf("%s: %s", program, names->str) : g_strdup(names->str);
}

void sk_storyboard_draw(const sk_view *view, void *memory, const sk_model *m, const sk_view_state *state, const sk_key *keys, uint32_t n, float width,
                        float height, sk_draw *out)
{
    sk_palette own = sk_view_palette(state, m), *p = &own;
    float u = state->scale > 0 ? state->scale : 1, gap = 14 * u, head = height > 240 * u ? 36 * u : 0, legend = height > 300 * u ? 28 * u : 0;
    sk_view_state s = *state;
    s.step = keys[n - 1].step, s.ns = keys[n - 1].ns;
    sk_view_in in = { m, &s, p, { 0, 0, width, height }, u };
    uint32_t across = columns(n, width, height - head - legend), rows = (n + across - 1) / across;
    gap = MIN(gap, MIN(width / (float)across, height / (float)rows) / 8);
    float w = (width - gap) / (float)across - gap, h = (height - head - legend - gap / 2) / (float)rows - gap / 2;
    bool whole = fit(keys, n, (sk_rect){ 0, 0, w, h }, u);
    out->ground = p->ground;
    for (uint32_t i = 0; i < n; i++) {
        sk_rect box = { gap + (float)(i % across) * (w + gap), head + gap / 2 + (float)(i / across) * (h + gap / 2), w, h };
        cell(view, memory, &in, &keys[i], whole || !*keys[i].brief ? keys[i].caption : keys[i].brief, i + 1, box, out);
    }
    sk_draw_layer(out, SK_LAYER_PANELS);
    if (head > 0) {
        g_autofree char *title = title_of(view, m, state);
        sk_draw_label(out, (sk_rect){ gap, 0, width - 2 * gap, head }, title, SK_FONT_BOLD, 16 * u, SK_LEFT, p->text);
        sk_draw_label(out, (sk_rect){ gap, 0, width - 2 * gap, head }, view->title, SK_FONT, 14 * u, SK_RIGHT, p->dim);
    }
    in.area = (sk_rect){ 0, height - legend, width, legend };
    if (legend > 0)
        sk_legend_draw(view, &in, out);
}
