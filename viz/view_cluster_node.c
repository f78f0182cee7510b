/* view_cluster_node.c -- what is in the box of a node: its workers, and what lies in its object store. See view_cluster.c. */
#include <math.h>

#include "view_cluster.h"

uint32_t sk_grid_workers(const sk_model *m, uint32_t node, uint32_t *first)
{
    uint32_t low[2] = { 0, 0 };
    for (unsigned i = 0; i < 2; i++)
        for (uint32_t high = m->nworkers; low[i] < high;) {
            uint32_t middle = low[i] + (high - low[i]) / 2;
            if (m->workers[m->lanes[middle]].node < node + (uint64_t)i)
                low[i] = middle + 1;
            else
                high = middle;
        }
    *first = low[0];
    return low[1] - low[0];
}

/* ---- 1. Workers ------------------------------------------------------------------------------------------------------------------------ */

typedef enum slot_is { IDLE, RUNS, BLOCKED, DIED, BROKEN_OFF, GONE } slot_is;

/* What a worker does; *slice: what is, or was last, there. */
static slot_is slot_of(const sk_grid *g, uint32_t worker, bool up, uint32_t *slice, uint32_t *blocked)
{
    const sk_model *m = g->in->model;
    const sk_model_worker *w = &m->workers[worker];
    *slice = sk_places_slice(g->places, m, worker, g->step, blocked);
    if (!up)
        return GONE;
    if (*slice != SK_NO_INDEX)
        return m->slices[*slice].blocked ? BLOCKED : RUNS;
    uint32_t n = sk_steps_until(g->places->workers[worker].begin, g->places->workers[worker].n, g->step);
    if (!n)
        return IDLE;
    const sk_model_slice *last = &m->slices[*slice = w->slices[n - 1]];
    const sk_model_task *t = &m->tasks[last->task];
    bool killed = last->how == SK_END_FAILED && t->ended == last->end && (t->code == SK_WORKER_DIED || t->code == SK_WORKER_OOM);
    return killed ? DIED : last->how == SK_END_RETRIED ? BROKEN_OFF : IDLE;
}

static const char *slot_tip(const sk_grid *g, uint32_t worker, slot_is is, uint32_t slice, uint32_t blocked, char buf[600])
{
    static const char *const what[] = { "idle", "", "", "its process died in this task; the next task gets a new one",
                                        "its last attempt ended before its time, and is tried again", "its node is gone" };
    const sk_model *m = g->in->model;
    char where[32], tip[512];
    int n = g_snprintf(buf, 600, "%s%s", sk_model_where(m, worker, where), m->workers[worker].extra ? " (stands in for one whose task waits)" : "");
    if (*what[is])
        n += g_snprintf(buf + n, 600 - (gulong)n, ": %s", what[is]);
    if (blocked > (is == BLOCKED))
        n += g_snprintf(buf + n, 600 - (gulong)n, "\n%u more wait here", blocked - (is == BLOCKED));
    if (slice != SK_NO_INDEX && is != IDLE)
        g_snprintf(buf + n, 600 - (gulong)n, "\n%s", sk_view_tip(g->in, m->slices[slice].task, tip));
    return buf;
}

static void slot(const sk_grid *g, uint32_t worker, bool up, sk_rect box)
{
    const sk_model *m = g->in->model;
    const sk_palette *p = g->in->palette;
    float u = g->in->unit, small = MIN(box.w, box.h), radius = small > 10 * u ? 3 * u : 0;
    uint32_t slice, blocked;
    char tip[600], name[16];
    slot_is is = slot_of(g, worker, up, &slice, &blocked);
    bool busy = is == RUNS || is == BLOCKED, words = box.h >= 16 * u && box.w >= 40 * u;
    bool picked = worker == g->in->state->worker;
    sk_draw_hit(g->out, SK_HIT_WORKER, worker, slot_tip(g, worker, is, slice, blocked, tip));
    sk_pen pen = { .fill = p->ground, .stroke = is == DIED ? p->failed : is == BROKEN_OFF ? p->retried : m->workers[worker].extra ? p->grid : p->line,
                   .width = is == DIED || is == BROKEN_OFF ? 2 * u : 1, .radius = radius, .dashed = is == GONE && small >= 8 };
    sk_draw_rect(g->out, box, &pen);
    if (words) {
        g_snprintf(name, sizeof name, "%d", m->workers[worker].worker);
        sk_draw_label(g->out, (sk_rect){ box.x + 5 * u, box.y, 24 * u, box.h }, name, SK_FONT, 10 * u, SK_LEFT, p->dim);
    }
    sk_rect inside = words ? (sk_rect){ box.x + 24 * u, box.y + 2 * u, box.w - 26 * u, box.h - 4 * u } : box;
    if (is == DIED || is == BROKEN_OFF || is == GONE) {
        float size = MIN(small * 0.7f, 11 * u);
        sk_sign sign = is == BROKEN_OFF ? SK_SIGN_AGAIN : SK_SIGN_CROSS;
        if (size >= 4)
            sk_draw_sign(g->out, sign, (sk_rect){ inside.x + (words ? 4 * u : (inside.w - size) / 2), box.y + (box.h - size) / 2, size, size },
                         is == DIED ? p->failed : is == GONE ? p->dim : p->retried);
    } else if (is == IDLE && words && box.w >= 60 * u) {
        sk_draw_label(g->out, inside, "idle", SK_FONT, 10 * u, SK_CENTRE, sk_palette_mix(p->dim, p->ground, 0.35f));
    }
    if (busy) {
        uint32_t task = m->slices[slice].task;
        sk_draw_hit(g->out, SK_HIT_TASK, task, tip);
        sk_view_task_box(g->in, g->out, task, inside);
        g_autofree char *label = g_strdup_printf("%s %u", sk_model_name(m, task), task + 1);
        sk_rect line = { inside.x + 7 * u, inside.y, inside.w - (is == BLOCKED ? 24 : 12) * u, inside.h };
        sk_colour colour = is == BLOCKED ? p->text : p->on_fill;
        float size = CLAMP(inside.h * 0.26f, 11 * u, 16 * u);
        if (inside.h >= 42 * u && inside.w >= 80 * u) { /* room for how long it has run, too */
            char time[16];
            g_autofree char *ran = g_strdup_printf("ran %s", sk_timeline_time(sk_model_run_ns(m, task, g->step, g->in->state->ns), time));
            line.h = inside.h * 0.4f, line.y = inside.y + inside.h * 0.56f;
            sk_draw_label(g->out, line, ran, SK_FONT, 11 * u, SK_LEFT, colour);
            line.y = inside.y + inside.h * 0.14f;
        }
        if (inside.h >= 12 * u && inside.w >= 30 * u)
            sk_draw_label(g->out, line, label, SK_FONT, size, SK_LEFT, colour);
    }
    sk_draw_hit(g->out, SK_HIT_NONE, 0, NULL);
    if (picked)
        sk_grid_halo(g, box, 2 * u, radius + 2 * u);
}

/* Is there something to be seen of it? Those that stand in for others come and go. */
static bool is_there(const sk_grid *g, uint32_t worker)
{
    const sk_model_worker *w = &g->in->model->workers[worker];
    return w->since <= g->step && (!w->extra || sk_spans_open(&g->places->workers[worker], UINT32_MAX, g->step) != SK_NO_INDEX);
}

/* In as many columns as fill the area best; which is how high they are at most. Returns how high they are. */
float sk_grid_slots(const sk_grid *g, uint32_t node, bool up, sk_rect area)
{
    enum { MOST = 512 };
    const sk_model *m = g->in->model;
    float u = g->in->unit;
    uint32_t first, n = sk_grid_workers(m, node, &first), shown = 0, there[MOST];
    for (uint32_t i = 0; i < n && shown < MOST; i++)
        if (is_there(g, m->lanes[first + i]))
            there[shown++] = m->lanes[first + i];
    if (!shown)
        return 0;
    float gap = g->detail == SK_WORDS ? 4 * u : 1, wish = g->detail == SK_WORDS ? 118 * u : 10 * u;
    float most = g->detail == SK_WORDS ? CLAMP(area.h / 3, 34 * u, 90 * u) : 10 * u;
    uint32_t columns = CLAMP((uint32_t)(area.w / wish), 1, shown), rows = (shown + columns - 1) / columns;
    while (columns < shown && (float)rows * (14 * u + gap) > area.h && (area.w / (float)(columns + 1)) > 5 * u)
        columns++, rows = (shown + columns - 1) / columns;
    float wide = MIN(area.w / (float)columns, g->detail == SK_WORDS ? 320 * u : 28 * u), high = CLAMP(area.h / (float)rows, 4, most + gap);
    for (uint32_t i = 0; i < shown; i++) {
        sk_rect box = { area.x + (float)(i % columns) * wide, area.y + (float)(i / columns) * high, MAX(wide - gap, 2), MAX(high - gap, 2) };
        if (box.y + box.h > area.y + area.h + 1)
            break;
        slot(g, there[i], up, box);
    }
    return MIN((float)rows * high, area.h);
}

/* ---- 2. The store ---------------------------------------------------------------------------------------------------------------------- */

/* Its lower part is empty but for a wedge that points down: the bytes have gone from here. */
void sk_grid_spilled(const sk_grid *g, sk_rect box)
{
    const sk_palette *p = g->in->palette;
    sk_rect low = { box.x + 1, box.y + box.h * 0.6f, box.w - 2, box.h * 0.4f - 1 };
    float middle = box.x + box.w / 2, half = MIN(low.h * 0.7f, low.w / 2), pad = low.h * 0.15f;
    sk_draw_rect(g->out, low, &(sk_pen){ .fill = p->ground });
    sk_draw_poly(g->out, (sk_point[]){ { middle - half, low.y + pad }, { middle + half, low.y + pad }, { middle, low.y + low.h - pad } }, 3,
                 &(sk_pen){ .fill = p->text });
}

static void object_cell(const sk_grid *g, uint32_t copy, sk_rect box)
{
    const sk_model *m = g->in->model;
    const sk_palette *p = g->in->palette;
    const sk_copy *c = &g->places->copies[copy];
    const sk_model_object *o = &m->objects[c->object];
    float u = g->in->unit;
    uint32_t nodes = sk_places_copies(g->places, c->object, g->step), spill = sk_places_spill(g->places, m, copy, g->step);
    char tip[480], value[48], bytes[16];
    int n = g_snprintf(tip, sizeof tip, "object %u: %s", c->object + 1, sk_model_bytes(o->bytes, bytes));
    if (*sk_model_value(m, c->object, g->step, value))
        n += g_snprintf(tip + n, sizeof tip - (gulong)n, "\n%s", value);
    if (o->producer != SK_NO_INDEX)
        n += g_snprintf(tip + n, sizeof tip - (gulong)n, "\nmade by task %u (%.*s)", o->producer + 1,
                        sk_model_fits(sk_model_name(m, o->producer), 60), sk_model_name(m, o->producer));
    else
        n += g_snprintf(tip + n, sizeof tip - (gulong)n, "\nput by %.60s", o->maker == SK_NO_INDEX ? "the driver" : sk_model_name(m, o->maker));
    if (c->lost)
        n += g_snprintf(tip + n, sizeof tip - (gulong)n, "\nlost: its last copy was here");
    else if (nodes > 1)
        n += g_snprintf(tip + n, sizeof tip - (gulong)n, "\non %u%s nodes", nodes, nodes == 16 ? " or more" : "");
    if (spill != SK_NO_INDEX)
        g_snprintf(tip + n, sizeof tip - (gulong)n, "\nspilled: %s of it are on the node's disk, for want of memory", sk_model_bytes(m->spills[spill].bytes, bytes));
    sk_look look = o->producer != SK_NO_INDEX ? sk_palette_fn(p, m->tasks[o->producer].fn) : (sk_look){ .fill = sk_palette_mix(p->panel, p->dim, 0.45f) };
    if (o->producer != SK_NO_INDEX && sk_view_is_grey(g->in, m->tasks[o->producer].fn))
        look.fill = sk_palette_mix(look.fill, p->ground, 0.8f), look.pattern = 0;
    sk_pen pen = { .fill = look.fill, .stroke = box.w >= 5 ? sk_palette_mix(look.fill, 0x000000ff, 0.3f) : 0, .pattern = box.w >= 8 ? look.pattern : 0,
                   .radius = box.w > 8 * u ? 1.5f * u : 0 };
    if (c->lost)
        pen = (sk_pen){ .fill = p->ground, .stroke = p->failed, .width = box.w >= 8 ? 1.5f * u : 1, .dashed = box.w >= 8 };
    sk_draw_hit(g->out, SK_HIT_OBJECT, c->object, tip);
    sk_draw_rect(g->out, box, &pen);
    float mark = MIN(box.w * 0.4f, 8 * u);
    if (!c->lost && nodes > 1 && mark >= 2) /* a dog-ear */
        sk_draw_poly(g->out, (sk_point[]){ { box.x + box.w - mark, box.y }, { box.x + box.w, box.y }, { box.x + box.w, box.y + mark } }, 3,
                     &(sk_pen){ .fill = p->text });
    if (spill != SK_NO_INDEX && box.w >= 5)
        sk_grid_spilled(g, box);
    if (c->lost && box.w >= 6 * u)
        sk_draw_sign(g->out, SK_SIGN_CROSS, (sk_rect){ box.x + box.w * 0.2f, box.y + box.h * 0.2f, box.w * 0.6f, box.h * 0.6f }, p->failed);
    sk_draw_hit(g->out, SK_HIT_NONE, 0, NULL);
    float size = MIN(11 * u, box.h * 0.36f);
    if (!c->lost && *value && size >= 7 && sk_draw_width(value, SK_FONT, size) <= box.w - 4 * u)
        sk_draw_label(g->out, (sk_rect){ box.x, box.y, box.w, spill != SK_NO_INDEX ? box.h * 0.6f : box.h }, value, SK_FONT, size, SK_CENTRE, o->producer == SK_NO_INDEX ? p->text : p->on_fill);
    bool of_task = g->in->state->task != SK_NO_INDEX && o->producer == g->in->state->task;
    if (c->object == g->in->state->object || of_task)
        sk_grid_halo(g, box, 2 * u, 3 * u);
}

static float side(const sk_grid *g, uint64_t bytes, float most)
{
    return MAX(most * sqrtf((float)bytes / (float)MAX(g->largest, 1)), MIN(5 * g->in->unit, most));
}

/* Rows from the top left, each as high as its highest cell. Where they end, or a negative number: they do not fit. */
static float stack(const sk_grid *g, const uint32_t *copies, uint32_t n, sk_rect area, float most, bool draws)
{
    float gap = MAX(1, MIN(2 * g->in->unit, most / 6)), x = area.x, y = area.y, high = 0;
    for (uint32_t i = 0; i < n; i++) {
        float size = side(g, g->in->model->objects[g->places->copies[copies[i]].object].bytes, most);
        if (x > area.x && x + size > area.x + area.w)
            x = area.x, y += high + gap, high = 0;
        high = MAX(high, size);
        if (y + high > area.y + area.h)
            return -1;
        if (draws)
            object_cell(g, copies[i], (sk_rect){ x, y, size, size });
        x += size + gap;
    }
    return y + high;
}

void sk_grid_store(sk_grid *g, const sk_place *n, sk_rect area)
{
    enum { MOST = 1500 };
    float u = g->in->unit, most = MIN(CLAMP(MIN(area.w, area.h) / 4, 24 * u, 72 * u), area.h);
    uint32_t copies[MOST], found = 0, wish = MIN(MIN(MOST, g->cells), (uint32_t)MAX(area.w * area.h / (4 * u * 4 * u), 0));
    if (g->detail == SK_MARKS)
        most = MIN(8 * u, area.h);
    for (uint32_t i = UINT32_MAX; found < wish && (i = sk_spans_open(&n->spans, i, g->step)) != SK_NO_INDEX;)
        copies[found++] = n->copies[i];
    bool all = found < wish;
    if (!found && g->detail == SK_WORDS)
        sk_draw_label(g->out, (sk_rect){ area.x, area.y, area.w, MIN(area.h, 60 * u) }, "nothing lies here", SK_FONT, 11 * u, SK_CENTRE, g->in->palette->dim);
    for (uint32_t i = 0; i < found / 2; i++) { /* the oldest first */
        uint32_t other = copies[i];
        copies[i] = copies[found - 1 - i], copies[found - 1 - i] = other;
    }
    while (most > 4 && stack(g, copies, found, area, most, false) < 0)
        most *= 0.85f;
    uint32_t first = 0;
    if (!all || stack(g, copies, found, area, most, false) < 0) { /* what is newest, and a word about the rest */
        area.h -= area.h > 40 * u ? 14 * u : 0;
        while (first < found && stack(g, copies + first, found - first, area, most, false) < 0)
            first += MAX(1, (found - first) / 16);
    }
    float end = stack(g, copies + first, found - first, area, most, true), bottom = area.y + area.h;
    g->cells -= MIN(g->cells, found - first);
    uint32_t there = sk_sums_count(&n->came, g->step) - sk_sums_count(&n->went, g->step);
    if (there > found - first && g->detail == SK_WORDS && area.h > 26 * u) {
        g_autofree char *more = g_strdup_printf("and %u older ones", there - (found - first));
        sk_draw_label(g->out, (sk_rect){ area.x, MIN(end + 2 * u, bottom), area.w, 14 * u }, more, SK_FONT, 10 * u, SK_LEFT, g->in->palette->dim);
    }
}
