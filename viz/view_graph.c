/* view_graph.c -- the tasks as a graph, layer below layer: what needs what, and how far each is.
 *
 * The idea: places are layout.h's, and never change; so the drawing is the same at every time, only its states differ. How much is drawn of a
 * task depends on the room it has: a box with name and value; a small box; a dot. Of more than `fold` tasks (1500) it shows groups
 * (model.h) instead, with bars of how far they are; a group that is unfolded shows its tasks as cells, where it stands.
 *
 * Reading order: 1 the scale; 2 edges; 3 tasks; 4 groups; 5 the view. */
#include <math.h>
#include <string.h>

#include "critical.h"
#include "grow.h"
#include "layout.h"
#include "timeline.h"
#include "view.h"

typedef struct edge { uint32_t from, to, n; } edge; /* between groups */
typedef struct memory {
    sk_layout layout;
    sk_ids pairs;          /* group << 32 | group, to indices of edges */
    edge *edges;
    uint32_t nedges, ntasks; /* tasks whose arguments are in edges[] */
} memory;

typedef struct plan {
    const sk_view_in *in;
    sk_draw *out;
    const memory *mem;
    sk_rect area;
    float slot, layer;     /* pixels */
    float x0, y0;          /* where slot 0 of layer 0 is */
    float w, h;            /* of a box */
    float slot_at, layer_at; /* what is in the middle */
    float low, high;       /* slots that there are ... */
    uint32_t layers;       /* ... and layers */
} plan;

/* ---- 1. The scale. Positions are of the middles of boxes -------------------------------------------------------------------------------- */

static sk_point at(const plan *p, float slot, float layer)
{
    float across = p->x0 + slot * p->slot, along = p->y0 + layer * p->layer;
    return p->in->state->flip ? (sk_point){ along, across } : (sk_point){ across, along };
}

static sk_point task_at(const plan *p, uint32_t task) { return at(p, p->mem->layout.x[task], (float)p->in->model->tasks[task].layer); }

/* The room for columns from low to high and `layers` rows: all of it if nobody has zoomed. */
static void scale(plan *p, float low, float high, uint32_t layers, float widest, float highest)
{
    const sk_view_state *s = p->in->state;
    float across = s->flip ? p->area.h : p->area.w, along = s->flip ? p->area.w : p->area.h, columns = high - low + 1;
    p->slot = MIN(across / columns, s->flip ? highest : widest);
    p->layer = MIN(along / (float)MAX(1, layers), s->flip ? widest * 1.5f : highest * 1.6f);
    float middle = (low + high) / 2, level = ((float)layers - 1) / 2;
    if (s->zoom > 0) {
        p->slot = s->zoom;
        p->layer = MIN(MAX(p->layer, s->zoom * 0.6f), s->flip ? widest * 1.5f : highest * 1.6f);
        middle = s->pan_x;
        level = s->pan_y;
    }
    p->slot_at = middle, p->layer_at = level, p->low = low, p->high = high, p->layers = MAX(layers, 1u);
    float cx = p->area.x + p->area.w / 2, cy = p->area.y + p->area.h / 2;
    p->x0 = (s->flip ? cy : cx) - middle * p->slot;
    p->y0 = (s->flip ? cx : cy) - level * p->layer;
    float w = s->flip ? p->layer * 0.66f : p->slot * 0.84f, h = s->flip ? p->slot * 0.8f : p->layer * 0.52f;
    p->w = CLAMP(w, 1.5f, widest);
    p->h = CLAMP(h, 1.5f, highest);
    if (p->w < 28) /* where nothing can be written: no needles */
        p->h = MIN(p->h, MAX(3, 2 * p->w));
    if (p->h < 12)
        p->w = MIN(p->w, MAX(3, 2.5f * p->h));
}

static sk_rect box_at(const plan *p, sk_point c) { return (sk_rect){ c.x - p->w / 2, c.y - p->h / 2, p->w, p->h }; }

static bool visible(const plan *p, sk_rect b)
{
    return b.x < p->area.x + p->area.w + 20 && b.x + b.w > p->area.x - 20 && b.y < p->area.y + p->area.h + 20 && b.y + b.h > p->area.y - 20;
}

/* From the end of one box to the beginning of another. */
static void connect(const plan *p, sk_point a, sk_point b, const sk_pen *pen)
{
    sk_pen bent = *pen;
    bent.across = p->in->state->flip;
    if (bent.across)
        sk_draw_curve(p->out, a.x + p->w / 2, a.y, b.x - p->w / 2, b.y, &bent);
    else
        sk_draw_curve(p->out, a.x, a.y + p->h / 2, b.x, b.y - p->h / 2, &bent);
}

/* From the side of one box to that of another in the same row; those there and those back beside each other. What stands between lies on them. */
static void connect_beside(const plan *p, sk_point a, sk_point b, const sk_pen *pen)
{
    sk_pen straight = *pen;
    if (p->in->state->flip) {
        float way = a.y < b.y ? 1 : -1, x = a.x + way * p->w / 4;
        sk_draw_curve(p->out, x, a.y + way * p->h / 2, x, b.y - way * p->h / 2, &straight);
    } else {
        float way = a.x < b.x ? 1 : -1, y = a.y + way * p->h / 4;
        straight.across = true;
        sk_draw_curve(p->out, a.x + way * p->w / 2, y, b.x - way * p->w / 2, y, &straight);
    }
}

/* ---- 2. Edges -------------------------------------------------------------------------------------------------------------------------- */

static void edges_of(const plan *p, uint32_t task)
{
    const sk_model *m = p->in->model;
    const sk_model_task *t = &m->tasks[task];
    const sk_palette *c = p->in->palette;
    uint32_t chosen = p->in->state->task;
    sk_point to = task_at(p, task);
    float u = p->in->unit, thin = p->slot < 24 ? 1 : 1.2f * u;
    uint32_t before = sk_view_is_critical(p->in, task) ? sk_critical_before(sk_critical_of(m), task) : SK_NO_INDEX;
    sk_colour quiet = p->in->state->critical ? sk_palette_mix(c->edge, c->ground, 0.5f) : c->edge;
    for (unsigned d = 0; d < t->ndeps; d++) {
        uint32_t object = m->deps[t->first_dep + d], maker = m->objects[object].producer;
        if (maker == SK_NO_INDEX)
            continue;
        sk_object_state state = sk_model_object_at(m, object, p->in->state->step);
        bool mine = task == chosen || maker == chosen, there = state != SK_OBJECT_PENDING, lost = state == SK_OBJECT_FAILED || state == SK_OBJECT_MISSING;
        bool critical = maker == before && !mine;
        sk_draw_layer(p->out, mine || critical ? SK_LAYER_BOXES : SK_LAYER_EDGES);
        connect(p, task_at(p, maker), to,
                &(sk_pen){ .stroke = mine ? c->select : critical ? c->critical : lost ? c->failed : there ? quiet : sk_palette_mix(quiet, c->ground, 0.4f),
                           .width = critical ? 2.5f * u : mine ? 2 * u : thin, .dashed = !there, .arrow = p->w >= 12 });
    }
    if (t->parent != SK_NO_INDEX && (!t->ndeps || t->parent == chosen || task == chosen || t->parent == before)) {
        bool critical = t->parent == before && task != chosen;
        sk_draw_layer(p->out, critical ? SK_LAYER_BOXES : SK_LAYER_GROUND);
        connect(p, task_at(p, t->parent), to,
                &(sk_pen){ .stroke = critical ? c->critical : task == chosen ? c->select : c->line, .width = critical ? 2.5f * u : thin });
    }
}

/* ---- 3. Tasks -------------------------------------------------------------------------------------------------------------------------- */

static void label(const plan *p, uint32_t task, sk_rect box)
{
    const sk_model *m = p->in->model;
    const sk_model_task *t = &m->tasks[task];
    float u = p->in->unit, size = 11 * u;
    char value[48] = "", time[16];
    sk_step k = p->in->state->step;
    sk_task_state state = sk_model_task_at(m, task, k);
    sk_look look = sk_palette_task(p->in->palette, t->fn, state, 0);
    if (box.w < 30 * u || box.h < 14 * u)
        return;
    if (t->nobjects)
        sk_model_value(m, t->first_object, k, value);
    const char *second = *value ? value : t->started <= k ? sk_timeline_time(sk_model_run_ns(m, task, k, p->in->state->ns), time) : sk_model_state(state);
    bool two = box.h >= 30 * u, sign = look.sign && box.h >= 22 * u;
    float room = box.w - (sign ? 16 : 4) * u;
    if (sk_view_is_dim(p->in, task))
        look.text = p->in->palette->dim;
    g_autofree char *name = box.w >= 56 * u ? g_strdup_printf("%u %s", task + 1, sk_model_name(m, task)) : g_strdup_printf("%u", task + 1);
    sk_draw_label(p->out, (sk_rect){ box.x + 4 * u, box.y, room - 2 * u, two ? box.h / 2 : box.h }, name, SK_FONT, size, SK_LEFT, look.text);
    if (two)
        sk_draw_label(p->out, (sk_rect){ box.x + 4 * u, box.y + box.h * 0.46f, box.w - 8 * u, box.h / 2 }, second, *value ? SK_FONT_BOLD : SK_FONT,
                      *value ? 12 * u : size, SK_LEFT, look.text);
}

static void tasks(const plan *p)
{
    enum { READABLE = 6000 };
    const sk_model *m = p->in->model;
    bool all = m->ntasks <= READABLE || p->in->state->all_edges;
    uint32_t chosen = p->in->state->task;
    for (uint32_t i = 0; i < m->ntasks; i++) {
        if (m->tasks[i].submitted > p->in->state->step)
            continue;
        if (all || i == chosen)
            edges_of(p, i);
        sk_rect box = box_at(p, task_at(p, i));
        char tip[512];
        if (!visible(p, box))
            continue;
        sk_draw_layer(p->out, SK_LAYER_BOXES);
        sk_draw_hit(p->out, SK_HIT_TASK, i, sk_view_tip(p->in, i, tip));
        sk_view_task_box(p->in, p->out, i, box);
        label(p, i, box);
        sk_draw_hit(p->out, SK_HIT_NONE, 0, NULL);
    }
}

/* ---- 4. Groups ------------------------------------------------------------------------------------------------------------------------- */

static void follow_edges(memory *mem, const sk_model *m)
{
    for (; mem->ntasks < m->ntasks; mem->ntasks++) {
        const sk_model_task *t = &m->tasks[mem->ntasks];
        for (int d = t->parent == SK_NO_INDEX ? 0 : -1; d < t->ndeps; d++) {
            uint32_t from = d < 0 ? t->parent : m->objects[m->deps[t->first_dep + d]].producer;
            if (from == SK_NO_INDEX)
                continue;
            uint32_t a = m->tasks[from].group, e = sk_trace_ids_add(&mem->pairs, (uint64_t)a << 32 | t->group);
            if (e == mem->nedges)
                *SK_GROW(mem->edges, mem->nedges) = (edge){ a, t->group, 0 };
            mem->edges[e].n++;
        }
    }
}

static void cells(const plan *p, uint32_t group, sk_rect box)
{
    const sk_model *m = p->in->model;
    uint32_t n = m->groups[group].tasks, columns = MAX(1, (uint32_t)ceilf(sqrtf((float)n * box.w / box.h)));
    float side = MIN(box.w / (float)columns, box.h / (float)((n + columns - 1) / columns)), gap = side >= 5 ? 1 : 0;
    uint32_t k = 0;
    for (uint32_t i = m->groups[group].first_task; i < m->ntasks && k < n && side >= 1; i++) {
        if (m->tasks[i].group != group)
            continue;
        sk_rect cell = { box.x + (float)(k % columns) * side, box.y + (float)(k / columns) * side, side - gap, side - gap };
        k++;
        if (m->tasks[i].submitted > p->in->state->step)
            continue;
        char tip[512];
        sk_draw_hit(p->out, SK_HIT_TASK, i, sk_view_tip(p->in, i, tip));
        sk_view_task_box(p->in, p->out, i, cell);
        sk_draw_hit(p->out, SK_HIT_NONE, 0, NULL);
    }
}

static bool unfolded(const sk_view_state *s, uint32_t group)
{
    for (uint32_t i = 0; i < s->nunfolded && i < G_N_ELEMENTS(s->unfolded); i++)
        if (s->unfolded[i] == group)
            return true;
    return false;
}

static void group(const plan *p, uint32_t g, const uint32_t *states, sk_point where, bool critical)
{
    const sk_model *m = p->in->model;
    const sk_palette *c = p->in->palette;
    const sk_model_group *it = &m->groups[g];
    const sk_model_site *site = &m->sites[it->site];
    float u = p->in->unit, pad = 6 * u;
    bool open = unfolded(p->in->state, g);
    sk_rect box = box_at(p, where);
    uint32_t seen = 0, done = states[SK_TASK_DONE];
    for (unsigned s = SK_TASK_WAITING; s <= SK_TASK_CANCELLED; s++)
        seen += states[s];
    sk_look look = sk_palette_fn(c, it->fn);
    g_autofree char *file = g_path_get_basename(site->file);
    g_autofree char *name = g_strdup_printf("%s × %u", m->fns[it->fn].name, seen);
    g_autofree char *line = g_strdup_printf("%s:%d", file, site->line);
    GString *tip = g_string_new(NULL);
    g_string_printf(tip, "%s, submitted at %s, layers %u to %u", m->fns[it->fn].name, line, (1u << it->band) - 1, (2u << it->band) - 2);
    for (unsigned s = SK_TASK_WAITING; s <= SK_TASK_CANCELLED; s++)
        if (states[s])
            g_string_append_printf(tip, "\n%u %s", states[s], sk_model_state(s));
    if (open) {
        box = (sk_rect){ where.x - 1.2f * p->w, where.y - 0.8f * p->layer, 2.4f * p->w, 1.6f * p->layer };
        sk_draw_layer(p->out, SK_LAYER_ABOVE);
    }
    sk_draw_hit(p->out, SK_HIT_GROUP, g, tip->str);
    g_string_free(tip, TRUE);
    for (int back = seen > 1 && !open ? 2 : 0; back >= 0; back--) /* a pile */
        sk_draw_rect(p->out, (sk_rect){ box.x + 3 * u * (float)back, box.y - 3 * u * (float)back, box.w, box.h },
                     &(sk_pen){ .fill = c->panel, .stroke = c->dim, .radius = 4 * u, .width = u });
    if (critical)
        sk_draw_rect(p->out, (sk_rect){ box.x - u, box.y - u, box.w + 2 * u, box.h + 2 * u }, &(sk_pen){ .stroke = c->critical, .width = 3 * u, .radius = 5 * u });
    sk_draw_rect(p->out, (sk_rect){ box.x + pad, box.y + pad, 10 * u, 10 * u }, &(sk_pen){ .fill = look.fill, .pattern = look.pattern, .radius = 2 * u });
    sk_draw_label(p->out, (sk_rect){ box.x + pad + 15 * u, box.y + pad - 2 * u, box.w - 2 * pad - 15 * u, 14 * u }, name, SK_FONT_BOLD, 12 * u, SK_LEFT, c->text);
    g_autofree char *part = g_strdup_printf("%u done", done);
    float wide = sk_draw_width(part, SK_FONT, 11 * u);
    if (box.h >= 44 * u) {
        sk_draw_label(p->out, (sk_rect){ box.x + pad, box.y + pad + 13 * u, box.w - 2 * pad - wide - 6 * u, 14 * u }, line, SK_FONT, 11 * u, SK_LEFT, c->dim);
        sk_draw_label(p->out, (sk_rect){ box.x + pad, box.y + pad + 13 * u, box.w - 2 * pad, 14 * u }, part, SK_FONT, 11 * u, SK_RIGHT, c->dim);
    }
    sk_draw_hit(p->out, SK_HIT_NONE, 0, NULL);
    if (open)
        cells(p, g, (sk_rect){ box.x + pad, box.y + pad + 30 * u, box.w - 2 * pad, box.h - 2 * pad - 30 * u });
    else
        sk_view_bar(p->in, p->out, states, it->tasks, it->fn, (sk_rect){ box.x + pad, box.y + box.h - pad - 9 * u, box.w - 2 * pad, 9 * u });
}

/* A row of boxes a band, each in the middle: slot[] is where. */
static void scale_groups(plan *p, float *slot)
{
    const sk_model *m = p->in->model;
    g_autofree uint32_t *in_band = g_new0(uint32_t, (gsize)m->nbands + 1);
    uint32_t most = 1;
    for (uint32_t g = 0; g < m->ngroups; g++) {
        slot[g] = (float)in_band[m->groups[g].band]++;
        most = MAX(most, in_band[m->groups[g].band]);
    }
    for (uint32_t g = 0; g < m->ngroups; g++)
        slot[g] += (float)(most - in_band[m->groups[g].band]) / 2;
    scale(p, 0, (float)most - 1, m->nbands, 190 * p->in->unit, 84 * p->in->unit);
}

/* Which groups, and which of the edges between them, the critical path goes through. */
static void mark_critical(const plan *p, bool *group, bool *edge)
{
    const sk_model *m = p->in->model;
    const sk_critical *c = sk_critical_of(m);
    for (uint32_t i = 0; p->in->state->critical && i < c->npath; i++) {
        uint32_t here = m->tasks[c->path[i].task].group, from = i ? m->tasks[c->path[i - 1].task].group : here;
        group[here] = true;
        if (from != here) {
            uint32_t e = sk_trace_ids_find(&p->mem->pairs, (uint64_t)from << 32 | here);
            if (e != SK_NO_INDEX)
                edge[e] = true;
        }
    }
}

static void groups(plan *p, const float *slot)
{
    const sk_model *m = p->in->model;
    const sk_palette *c = p->in->palette;
    sk_model_counts counts;
    sk_model_count(m, p->in->state->step, &counts);
    g_autofree bool *critical = g_new0(bool, (gsize)m->ngroups + 1);
    g_autofree bool *on = g_new0(bool, (gsize)p->mem->nedges + 1);
    mark_critical(p, critical, on);
    for (uint32_t e = 0; e < p->mem->nedges; e++) {
        const edge *it = &p->mem->edges[e];
        const sk_model_group *a = &m->groups[it->from], *b = &m->groups[it->to];
        bool there = m->tasks[a->first_task].submitted <= p->in->state->step && m->tasks[b->first_task].submitted <= p->in->state->step;
        if (it->from == it->to || !there)
            continue;
        sk_draw_layer(p->out, on[e] ? SK_LAYER_BOXES : SK_LAYER_EDGES);
        (a->band < b->band ? connect : connect_beside)(p, at(p, slot[it->from], (float)a->band), at(p, slot[it->to], (float)b->band),
            &(sk_pen){ .stroke = on[e] ? c->critical : c->edge, .width = (1 + 0.6f * log2f((float)it->n)) * p->in->unit, .arrow = true });
    }
    sk_draw_layer(p->out, SK_LAYER_BOXES);
    for (uint32_t g = 0; g < m->ngroups; g++)
        if (m->tasks[m->groups[g].first_task].submitted <= p->in->state->step) {
            group(p, g, counts.group[g], at(p, slot[g], (float)m->groups[g].band), critical[g]);
            sk_draw_layer(p->out, SK_LAYER_BOXES);
        }
}

/* ---- 5. The view ----------------------------------------------------------------------------------------------------------------------- */

static bool is_folded(const sk_view_in *in) { return in->model->ntasks > (in->state->fold ? in->state->fold : 1500); }

/* slot: NULL, or where the groups are to go (room for ngroups + 1). */
static plan plan_of(memory *mem, const sk_view_in *in, sk_draw *out, float *slot)
{
    const sk_model *m = in->model;
    float u = in->unit, pad = MIN(16 * u, MIN(in->area.w, in->area.h) / 10);
    plan p = { .in = in, .out = out, .mem = mem, .area = { in->area.x + pad, in->area.y + pad, in->area.w - 2 * pad, in->area.h - 2 * pad } };
    g_autofree float *own = slot ? NULL : g_new(float, (gsize)m->ngroups + 1);
    if (is_folded(in))
        scale_groups(&p, slot ? slot : own);
    else {
        sk_layout_follow(&mem->layout, m);
        scale(&p, mem->layout.low, mem->layout.high, m->nlayers, 130 * u, 44 * u);
    }
    return p;
}

static void draw(void *mine, const sk_view_in *in, sk_draw *out)
{
    memory *mem = mine;
    if (!in->model->ntasks) {
        sk_draw_label(out, in->area, "no tasks yet", SK_FONT, 14 * in->unit, SK_CENTRE, in->palette->dim);
        return;
    }
    g_autofree float *slot = g_new(float, (gsize)in->model->ngroups + 1);
    plan p = plan_of(mem, in, out, slot);
    if (is_folded(in)) {
        follow_edges(mem, in->model);
        groups(&p, slot);
    } else
        tasks(&p);
}

/* What is under the mouse stays there. */
static void move(void *mine, const sk_view_in *in, sk_view_state *s, const sk_view_move *by)
{
    if (!in->model->ntasks)
        return;
    plan p = plan_of(mine, in, NULL, NULL), q;
    float across = s->flip ? by->y : by->x, along = s->flip ? by->x : by->y;
    float slot = (across - p.x0) / p.slot, layer = (along - p.y0) / p.layer;
    s->zoom = CLAMP(p.slot * by->factor, 0.01f, (is_folded(in) ? 190 : 130) * in->unit);
    s->pan_x = p.slot_at, s->pan_y = p.layer_at;
    q = plan_of(mine, in, NULL, NULL);
    across += s->flip ? by->dy : by->dx, along += s->flip ? by->dx : by->dy;
    s->pan_x += slot - (across - q.x0) / q.slot;
    s->pan_y += layer - (along - q.y0) / q.layer;
    s->pan_x = CLAMP(s->pan_x, p.low, p.high), s->pan_y = CLAMP(s->pan_y, 0, (float)p.layers - 1); /* never out of sight */
}

static void *open_memory(void) { return g_new0(memory, 1); }
static void close_memory(void *mine)
{
    memory *mem = mine;
    sk_layout_clear(&mem->layout);
    sk_trace_ids_clear(&mem->pairs);
    g_free(mem->edges);
    g_free(mem);
}

const sk_view sk_view_graph = { "graph", "Graph", '1', open_memory, close_memory, draw, move };
