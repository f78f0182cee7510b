/* view_cluster_wires.c -- what is on its way between nodes: packets on wires, as far along as their time has passed. See view_cluster.c. */
#include <math.h>

#include "view_cluster.h"

/* From below one box, along the gaps between the boxes, to below the other. */
static uint32_t wire(const sk_grid *g, uint32_t from, uint32_t to, float aside, sk_point p[6])
{
    sk_rect a = sk_grid_box(g, from), b = sk_grid_box(g, to);
    float u = g->in->unit, lane = g->gap_y / 2 + aside;
    if (g->detail != SK_WORDS) {
        p[0] = (sk_point){ a.x + a.w / 2, a.y + a.h / 2 }, p[1] = (sk_point){ b.x + b.w / 2, b.y + b.h / 2 };
        return 2;
    }
    float ax = a.x + a.w * 0.5f + aside - 8 * u, bx = b.x + b.w * 0.5f + aside + 8 * u, ay = a.y + a.h, by = b.y + b.h;
    uint32_t n = 0;
    p[n++] = (sk_point){ ax, ay };
    p[n++] = (sk_point){ ax, ay + lane };
    if (fabsf(ay - by) > 1) {
        float x = b.x - g->gap_x / 2 + aside;
        p[n++] = (sk_point){ x, ay + lane };
        p[n++] = (sk_point){ x, by + lane };
    }
    p[n++] = (sk_point){ bx, by + lane };
    p[n++] = (sk_point){ bx, by };
    return n;
}

/* So much of the way along it. */
static sk_point along(const sk_point *p, uint32_t n, float part)
{
    float all = 0;
    for (uint32_t i = 1; i < n; i++)
        all += hypotf(p[i].x - p[i - 1].x, p[i].y - p[i - 1].y);
    all *= CLAMP(part, 0, 1);
    for (uint32_t i = 1; i < n; i++) {
        float piece = hypotf(p[i].x - p[i - 1].x, p[i].y - p[i - 1].y);
        if (all <= piece && piece > 0)
            return (sk_point){ p[i - 1].x + (p[i].x - p[i - 1].x) * all / piece, p[i - 1].y + (p[i].y - p[i - 1].y) * all / piece };
        all -= piece;
    }
    return p[n - 1];
}

/* On which place of the grid a node stands. */
static uint32_t place_of(const sk_grid *g, uint32_t node)
{
    for (uint32_t low = 0, high = g->n; low < high;) {
        uint32_t middle = low + (high - low) / 2, here = g->places->nodes[g->places->order[middle]].node;
        if (here == node)
            return middle;
        if (here < node)
            low = middle + 1;
        else
            high = middle;
    }
    return SK_NO_INDEX;
}

/* part: how much of its way it has come; 1: it is there, and only its wire is drawn. */
static void transfer(const sk_grid *g, uint32_t index, float part, bool named)
{
    const sk_model *m = g->in->model;
    const sk_palette *p = g->in->palette;
    const sk_model_transfer *t = &m->transfers[index];
    const sk_model_object *o = &m->objects[t->object];
    uint32_t from = place_of(g, t->from), to = place_of(g, t->to);
    float u = g->in->unit, aside = ((float)(index % 5) - 2) * 3 * u;
    char bytes[16], tip[200], time[16];
    if (from == SK_NO_INDEX || to == SK_NO_INDEX || from == to)
        return;
    sk_point way[6];
    uint32_t n = wire(g, from, to, aside, way);
    bool there = part >= 1;
    for (uint32_t i = 1; i < n; i++)
        sk_draw_line(g->out, way[i - 1].x, way[i - 1].y, way[i].x, way[i].y,
                     &(sk_pen){ .stroke = there ? sk_palette_mix(p->ground, p->transfer, 0.4f) : p->transfer, .width = g->detail == SK_POINTS ? 1 : 1.5f * u });
    if (there)
        return;
    sk_point c = along(way, n, part);
    float most = (g->detail == SK_WORDS ? 16 : g->detail == SK_MARKS ? 9 : 5) * u;
    float size = MAX(most * sqrtf((float)t->bytes / (float)MAX(g->largest, 1)), most * 0.5f);
    sk_colour fill = o->producer == SK_NO_INDEX ? sk_palette_mix(p->panel, p->dim, 0.45f) : sk_palette_fn(p, m->tasks[o->producer].fn).fill;
    g_snprintf(tip, sizeof tip, "object %u: node %u to node %u\n%s in %s", t->object + 1, t->from, t->to,
               sk_model_bytes(t->bytes, bytes), sk_timeline_time(t->took, time));
    sk_draw_hit(g->out, SK_HIT_TRANSFER, index, tip);
    sk_draw_rect(g->out, (sk_rect){ c.x - size / 2, c.y - size / 2, size, size },
                 &(sk_pen){ .fill = fill, .stroke = t->object == g->in->state->object ? p->select : p->transfer, .width = 2 * u,
                            .radius = g->detail == SK_POINTS ? 0 : 3 * u });
    sk_draw_hit(g->out, SK_HIT_NONE, 0, NULL);
    if (named) {
        float wide = sk_draw_width(bytes, SK_FONT_BOLD, 10 * u) + 6 * u;
        sk_rect label = { c.x + size / 2 + 3 * u, c.y - 7 * u + 2.5f * aside, wide, 14 * u }; /* not where that of a neighbour is */
        sk_draw_rect(g->out, label, &(sk_pen){ .fill = p->ground, .radius = 3 * u });
        sk_draw_label(g->out, label, bytes, SK_FONT_BOLD, 10 * u, SK_CENTRE, p->transfer);
    }
}

void sk_grid_wires(const sk_grid *g)
{
    enum { MOST = 200, LOOKED_AT = 4096, NAMED = 10, JUST = 24 };
    const sk_model *m = g->in->model;
    const sk_view_state *s = g->in->state;
    uint32_t low = 0, high = m->ntransfers, moving[MOST], n = 0;
    while (low < high) { /* the first that has not ended */
        uint32_t middle = low + (high - low) / 2;
        if (m->transfers[middle].end <= s->step)
            low = middle + 1;
        else
            high = middle;
    }
    int64_t recent = MIN((s->ns - m->first) / 50, 200000000);
    for (uint32_t i = low, shown = 0; i-- && shown < JUST && sk_model_ns(m, m->transfers[i].end) > s->ns - recent; shown++) {
        const sk_model_transfer *t = &m->transfers[i];
        bool arrives = t->end == s->step && s->motion < 1; /* this step: it goes the rest of its way while we look */
        float ease = s->motion * s->motion * (3 - 2 * s->motion);
        double came = t->took > 0 ? 1 - (double)(sk_model_ns(m, t->end) - sk_model_ns(m, t->end - 1)) / (double)t->took : 0;
        float before = (float)CLAMP(came, 0, 1);
        transfer(g, i, arrives ? before + (0.999f - before) * ease : 1, arrives);
    }
    for (uint32_t i = low; i < m->ntransfers && i - low < LOOKED_AT && n < MOST; i++)
        if (sk_model_ns(m, m->transfers[i].end) - m->transfers[i].took <= s->ns)
            moving[n++] = i;
    for (uint32_t i = n; i--;) {
        const sk_model_transfer *t = &m->transfers[moving[i]];
        int64_t begin = sk_model_ns(m, t->end) - t->took;
        transfer(g, moving[i], t->took > 0 ? (float)MIN((double)(s->ns - begin) / (double)t->took, 0.999) : 0, n <= NAMED && g->detail == SK_WORDS);
    }
}
