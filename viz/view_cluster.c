/* view_cluster.c -- where everything is: a box a node, in it its workers and what lies in its object store, and what is on its way between them.
 *
 * The idea: boxes stand in a grid that fills the area. How much a box tells depends on how large it is: a square for each worker with what
 * runs in it and a cell for each object; or small marks for them; or its colour alone, as strong as it is busy. Of what is in a node only
 * so much is looked at as is drawn (places.h), so a thousand nodes cost what ten do.
 *
 * An object's cell is as large as the square root of its bytes, in the colour of the function that made it (grey: put); the lower part of one
 * that is spilled is empty, with a wedge that points down. What is on its way is
 * a packet on a wire between the boxes, as far along as its time has passed. The log tells of a transfer when it has ended: looking
 * back, a packet is seen on its whole way; at the live edge only the wire of what has just come.
 *
 * Files: this one has the grid, the boxes and the view; view_cluster_node.c what is in a box; view_cluster_wires.c what is between them. */
#include <math.h>

#include "view_cluster.h"

/* ---- 1. The grid ----------------------------------------------------------------------------------------------------------------------- */

static bool is_seen(const sk_grid *g, sk_rect b)
{
    return b.x < g->area.x + g->area.w && b.x + b.w > g->area.x && b.y < g->area.y + g->area.h && b.y + b.h > g->area.y;
}

/* As many columns as make the boxes largest, taking those for best that are wider than high. */
static uint32_t best_columns(uint32_t n, float w, float h)
{
    uint32_t best = 1;
    float most = -1;
    for (uint32_t c = 1; c <= MIN(n, 4096); c++) {
        uint32_t rows = (n + c - 1) / c;
        float wide = w / (float)c, high = h / (float)rows, size = MIN(wide, high * 1.7f);
        if (size > most * 1.0001f)
            most = size, best = c;
    }
    return best;
}

/* The step from which on a whole log tells of nothing but nodes that end. */
static sk_step over_at(const sk_model *m)
{
    sk_step k = m->ended ? m->nsteps : SK_NEVER;
    while (m->ended && k && m->events[k - 1].type == SK_TRACE_NODE && m->events[k - 1].to == SK_NODE_DEAD)
        k--;
    return k;
}

static bool grid_of(sk_grid *g, const sk_places *places, const sk_view_in *in, sk_draw *out)
{
    const sk_view_state *s = in->state;
    float u = in->unit, key = in->area.h > 260 * u && in->area.w > 380 * u ? 24 * u : 0, pad = MIN(12 * u, MIN(in->area.w, in->area.h) / 20);
    *g = (sk_grid){ .in = in, .out = out, .places = places, .step = s->step, .over = over_at(in->model), .cells = 6000 };
    g->area = (sk_rect){ in->area.x, in->area.y, in->area.w, in->area.h - key };
    g->n = places->nnodes; /* those that are still to come have their places */
    if (!g->n || g->area.w < 8 || g->area.h < 8)
        return false;
    float w = g->area.w - 2 * pad, h = g->area.h - 2 * pad;
    g->columns = best_columns(g->n, w, h);
    g->rows = (g->n + g->columns - 1) / g->columns;
    g->pitch_x = w / (float)g->columns, g->pitch_y = MIN(h / (float)g->rows, g->pitch_x * 1.4f);
    g->at_x = (float)g->columns / 2, g->at_y = (float)g->rows / 2;
    if (s->zoom > 0) {
        g->pitch_y *= s->zoom / g->pitch_x, g->pitch_x = s->zoom;
        g->at_x = s->pan_x, g->at_y = s->pan_y;
    }
    g->detail = g->pitch_x >= 150 * u && g->pitch_y >= 100 * u ? SK_WORDS : g->pitch_x >= 44 * u && g->pitch_y >= 30 * u ? SK_MARKS : SK_POINTS;
    bool alone = g->n == 1;
    g->gap_x = alone ? 4 * u : g->detail == SK_WORDS ? 26 * u : g->detail == SK_MARKS ? 8 * u : MIN(2, g->pitch_x / 4);
    g->gap_y = alone ? 4 * u : g->detail == SK_WORDS ? 30 * u : g->detail == SK_MARKS ? 10 * u : MIN(2, g->pitch_y / 4);
    g->x0 = g->area.x + g->area.w / 2 - g->at_x * g->pitch_x;
    g->y0 = g->area.y + g->area.h / 2 - g->at_y * g->pitch_y;
    g->largest = sk_sums_at(&places->largest, s->step);
    return true;
}

/* ---- 2. Boxes -------------------------------------------------------------------------------------------------------------------------- */

static uint32_t life_of(const sk_place *n, sk_step k)
{
    uint32_t lives = MIN(sk_sums_count(&n->up, k), n->nlives);
    return lives ? n->lives[lives - 1] : SK_NO_INDEX;
}

typedef struct facts { uint32_t workers, running, objects; uint64_t bytes; bool up; } facts;

static facts facts_of(const sk_grid *g, const sk_place *n)
{
    sk_step k = MIN(g->step, g->over);
    uint32_t first, all = n->up.n ? 0 : sk_grid_workers(g->in->model, n->node, &first);
    return (facts){ .workers = all ? all : (uint32_t)(sk_sums_at(&n->up, k) - sk_sums_at(&n->down, k)),
                    .running = sk_sums_count(&n->ran, k) - sk_sums_count(&n->rested, k), .objects = sk_sums_count(&n->came, k) - sk_sums_count(&n->went, k),
                    .bytes = sk_sums_at(&n->came, k) - sk_sums_at(&n->went, k), .up = sk_places_node(n, k) == SK_NODE_IS_UP };
}

/* Which function fills a box that tells no more: that of the first of its workers that runs something. */
static uint32_t main_fn(const sk_grid *g, const sk_place *n)
{
    enum { LOOKED_AT = 8 };
    const sk_model *m = g->in->model;
    uint32_t first, workers = sk_grid_workers(m, n->node, &first), blocked;
    for (uint32_t i = 0; i < MIN(workers, LOOKED_AT); i++) {
        uint32_t slice = sk_places_slice(g->places, m, m->lanes[first + i], g->step, &blocked);
        if (slice != SK_NO_INDEX && !m->slices[slice].blocked)
            return m->tasks[m->slices[slice].task].fn;
    }
    return SK_NO_INDEX;
}

static void node(sk_grid *g, const sk_place *n, sk_rect box)
{
    const sk_palette *p = g->in->palette;
    float u = g->in->unit, pad = g->detail == SK_WORDS ? 8 * u : 3 * u;
    facts f = facts_of(g, n);
    char bytes[16], tip[200], name[32];
    g_snprintf(name, sizeof name, "node %u", n->node);
    g_snprintf(tip, sizeof tip, "%s%s\n%u of %u workers busy\n%u objects, %s", name, f.up ? "" : ": it is gone", f.running, f.workers, f.objects,
               sk_model_bytes(f.bytes, bytes));
    uint32_t life = life_of(n, g->step);
    if (life != SK_NO_INDEX || g->n == 1)
        sk_draw_hit(g->out, SK_HIT_NODE, life == SK_NO_INDEX ? 0 : life, tip);
    bool picked = life != SK_NO_INDEX && life == g->in->state->node;
    if (g->detail == SK_POINTS) {
        uint32_t fn = f.running ? main_fn(g, n) : SK_NO_INDEX;
        float part = f.workers ? MIN((float)f.running / (float)f.workers, 1) : f.running > 0;
        if (fn != SK_NO_INDEX && sk_view_is_grey(g->in, fn))
            part *= 0.25f;
        sk_colour fill = fn != SK_NO_INDEX ? sk_palette_fn(p, fn).fill : p->dim; /* its first workers run nothing, but others do */
        sk_pen pen = { .fill = f.running ? sk_palette_mix(p->ground, fill, 0.2f + 0.8f * part) : p->panel,
                       .stroke = f.up ? (MIN(box.w, box.h) >= 5 ? p->line : 0) : p->failed };
        float held = MIN(1, 0.1f + sqrtf((float)f.bytes / (float)MAX(g->largest, 1)) / 4);
        if (!f.up)
            pen.fill = p->ground;
        sk_draw_rect(g->out, box, &pen);
        if (!f.up && MIN(box.w, box.h) >= 8)
            sk_draw_sign(g->out, SK_SIGN_CROSS, (sk_rect){ box.x + box.w / 4, box.y + box.h / 4, box.w / 2, box.h / 2 }, p->failed);
        else if (f.objects && MIN(box.w, box.h) >= 7) /* it holds something */
            sk_draw_rect(g->out, (sk_rect){ box.x + 2, box.y + box.h - 4, (box.w - 4) * held, 2 }, &(sk_pen){ .fill = p->dim });
        sk_draw_hit(g->out, SK_HIT_NONE, 0, NULL);
        if (picked)
            sk_grid_halo(g, box, 2, 0);
        return;
    }
    sk_draw_rect(g->out, box, &(sk_pen){ .fill = f.up ? p->panel : sk_palette_mix(p->ground, p->failed, 0.06f), .stroke = f.up ? p->line : p->failed,
                                        .width = f.up ? 1 : 2 * u, .radius = 5 * u, .dashed = !f.up });
    if (picked)
        sk_grid_halo(g, box, 3 * u, 7 * u);
    sk_rect in = { box.x + pad, box.y + pad, box.w - 2 * pad, box.h - 2 * pad };
    float head = g->detail == SK_WORDS ? 20 * u : in.h >= 26 * u ? 12 * u : 0;
    if (head > 0) {
        float x = in.x;
        if (!f.up) {
            sk_draw_sign(g->out, SK_SIGN_CROSS, (sk_rect){ x, in.y + 1 * u, head * 0.55f, head * 0.55f }, p->failed);
            x += head * 0.8f;
        }
        float size = g->detail == SK_WORDS ? 13 * u : 9 * u, wide = sk_draw_width(name, SK_FONT_BOLD, size) + 10 * u;
        g_autofree char *what = f.up ? g_strdup_printf("%u of %u busy", f.running, f.workers) : g_strdup("gone");
        sk_draw_label(g->out, (sk_rect){ x, in.y - 2 * u, in.w - (x - in.x), head - 4 * u }, name, SK_FONT_BOLD, size, SK_LEFT, p->text);
        if (g->detail == SK_WORDS && wide + x - in.x + sk_draw_width(what, SK_FONT, 11 * u) < in.w)
            sk_draw_label(g->out, (sk_rect){ x + wide, in.y - 2 * u, in.w - wide - (x - in.x), head - 4 * u }, what, SK_FONT, 11 * u, SK_RIGHT,
                          f.up ? p->dim : p->failed);
    }
    sk_draw_hit(g->out, SK_HIT_NONE, 0, NULL);
    in.y += head, in.h -= head;
    bool words = g->detail == SK_WORDS && in.h > 60 * u;
    float used = sk_grid_slots(g, n->node, f.up, (sk_rect){ in.x, in.y, in.w, words ? in.h * 0.5f : in.h * 0.55f });
    in.y += used, in.h -= used;
    if (words) {
        g_autofree char *what = g_strdup_printf("%u object%s, %s", f.objects, f.objects == 1 ? "" : "s", sk_model_bytes(f.bytes, bytes));
        in.y += 4 * u, in.h -= 4 * u;
        sk_draw_line(g->out, in.x, in.y, in.x + in.w, in.y, &(sk_pen){ .stroke = p->grid });
        sk_draw_label(g->out, (sk_rect){ in.x, in.y, in.w, 18 * u }, "object store", SK_FONT, 10 * u, SK_LEFT, p->dim);
        float wide = sk_draw_width("object store", SK_FONT, 10 * u) + 8 * u;
        sk_draw_label(g->out, (sk_rect){ in.x + wide, in.y, in.w - wide, 18 * u }, what, SK_FONT, 11 * u, SK_RIGHT, p->text);
        in.y += 18 * u, in.h -= 18 * u;
    } else {
        in.y += 2, in.h -= 2;
    }
    if (in.h > 3 * u)
        sk_grid_store(g, n, in);
}

/* ---- 3. The view ----------------------------------------------------------------------------------------------------------------------- */

/* What marks mean, in a line below. */
static void key(const sk_grid *g)
{
    const sk_palette *p = g->in->palette;
    float u = g->in->unit, y = g->area.y + g->area.h, h = g->in->area.y + g->in->area.h - y, box = 11 * u;
    enum { SPILLED = 6 };
    float x = g->area.x + 14 * u, right = g->area.x + g->area.w - 10 * u;
    static const char *const words[] = { "object: as large as the root of its bytes", "on several nodes", "lost", "on its way", "worker or node that died",
                                         "attempt broken off, tried again", "spilled to the disk" };
    bool spills = g->in->model->nspills > 0; /* else there is nothing to explain */
    for (unsigned n = 0; h > 0 && n < G_N_ELEMENTS(words) - !spills; n++) {
        unsigned i = !spills || n < 2 ? n : n == 2 ? SPILLED : n - 1; /* right after those that it is like */
        float wide = sk_draw_width(words[i], SK_FONT, 11 * u);
        sk_rect b = { x, y + (h - box) / 2, box, box };
        if (x + box + 6 * u + wide > right)
            break;
        sk_colour fill = sk_palette_mix(p->panel, p->dim, 0.45f);
        if (i < 2 || i == SPILLED)
            sk_draw_rect(g->out, b, &(sk_pen){ .fill = fill, .stroke = sk_palette_mix(fill, 0x000000ff, 0.3f) });
        if (i == 1)
            sk_draw_poly(g->out, (sk_point[]){ { b.x + box - 5 * u, b.y }, { b.x + box, b.y }, { b.x + box, b.y + 5 * u } }, 3, &(sk_pen){ .fill = p->text });
        if (i == SPILLED)
            sk_grid_spilled(g, b);
        if (i == 2)
            sk_draw_rect(g->out, b, &(sk_pen){ .fill = p->ground, .stroke = p->failed, .width = 1.5f * u, .dashed = true });
        if (i == 3) {
            sk_draw_line(g->out, b.x, b.y + box / 2, b.x + box, b.y + box / 2, &(sk_pen){ .stroke = p->transfer, .width = 1.5f * u });
            sk_draw_rect(g->out, (sk_rect){ b.x + 3 * u, b.y + 3 * u, 5 * u, 5 * u }, &(sk_pen){ .fill = fill, .stroke = p->transfer, .width = u });
        }
        if (i == 2 || i == 4)
            sk_draw_sign(g->out, SK_SIGN_CROSS, (sk_rect){ b.x + 2 * u, b.y + 2 * u, box - 4 * u, box - 4 * u }, p->failed);
        if (i == 5)
            sk_draw_sign(g->out, SK_SIGN_AGAIN, b, p->retried);
        sk_draw_text(g->out, x + box + 5 * u, y + h / 2 + 4 * u, words[i], SK_FONT, 11 * u, SK_LEFT, p->dim);
        x += box + wide + 20 * u;
    }
}

/* What is under the mouse stays there. */
static void move(void *memory, const sk_view_in *in, sk_view_state *s, const sk_view_move *by)
{
    sk_grid g;
    sk_places_follow(memory, in->model);
    if (!grid_of(&g, memory, in, NULL))
        return;
    float u = in->unit, x = (by->x - g.x0) / g.pitch_x, y = (by->y - g.y0) / g.pitch_y;
    s->zoom = CLAMP(g.pitch_x * by->factor, MIN(g.pitch_x, 8), MAX(g.pitch_x, 900 * u));
    s->pan_x = g.at_x, s->pan_y = g.at_y;
    if (!grid_of(&g, memory, in, NULL)) /* as it would be now: from there it is pulled to where it should be */
        return;
    s->pan_x = CLAMP(s->pan_x + x - (by->x + by->dx - g.x0) / g.pitch_x, 0, (float)g.columns); /* never out of sight */
    s->pan_y = CLAMP(s->pan_y + y - (by->y + by->dy - g.y0) / g.pitch_y, 0, (float)g.rows);
}

static void draw(void *memory, const sk_view_in *in, sk_draw *out)
{
    sk_grid g;
    sk_places_follow(memory, in->model);
    if (!grid_of(&g, memory, in, out)) {
        sk_draw_label(out, in->area, "no node is there yet", SK_FONT, 14 * in->unit, SK_CENTRE, in->palette->dim);
        return;
    }
    sk_draw_layer(out, SK_LAYER_BOXES);
    float first = floorf((g.area.y - g.y0) / g.pitch_y);
    for (uint32_t i = first > 0 ? (uint32_t)first * g.columns : 0; i < g.n; i++) {
        const sk_place *n = &g.places->nodes[g.places->order[i]];
        sk_rect box = sk_grid_box(&g, i);
        if (box.y > g.area.y + g.area.h)
            break;
        if (is_seen(&g, box) && n->since <= g.step)
            node(&g, n, box);
    }
    sk_draw_layer(out, SK_LAYER_ABOVE);
    sk_grid_wires(&g);
    key(&g);
}

static void *open_memory(void) { return g_new0(sk_places, 1); }
static void close_memory(void *memory)
{
    sk_places_clear(memory);
    g_free(memory);
}

const sk_view sk_view_cluster = { "cluster", "Cluster", '4', open_memory, close_memory, draw, move };
