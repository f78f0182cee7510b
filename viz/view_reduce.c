/* view_reduce.c -- how many values become one: a tree, the values in its nodes, each level a round.
 *
 * The idea: the tree is all that the result needs: the result of the selected task, else of the task in the deepest layer. Leaves stand in the
 * order of the operands, and whoever combines stands in the middle of what it combines: the order of the operands can be read off, and
 * with it why floating-point sums differ. While a run goes on and the deepest task changes, its tree grows: what it adds stands to the left or to the right of
 * what is placed, as the operands have it, and nothing that is there is moved. So a tree is a fold over the model's roots. While a combination begins, its operands travel to it (sk_view_state.motion).
 *
 * A frame looks at every knot, but draws only what is in sight and has a place of its own: where knots stand closer than a few pixels, the first of
 * those in a cell of the picture stands for the others. What is selected, has failed or is on the critical path is drawn all the same. */
#include <math.h>

#include "grow.h"
#include "view.h"

typedef struct knot { uint32_t task; float x; uint32_t height, first, n; } knot; /* first, n: its operands, in operands[]; n 0: a leaf */

/* What is taken already, of the picture cut into squares: by a box, by one that must be seen, by an edge that leaves it, by one from beside the picture. */
enum { CLOSE = 4 /* pixels from one to the next: they share squares */ };
enum { BOX = 1, LOUD = 2, EDGE = 4, ENTERS = 8 };
typedef struct cells { float side; uint32_t wide, high; uint8_t *taken; } cells;

typedef struct tree {
    const sk_view_in *in;
    sk_draw *out;
    knot *knots;            /* operands before who takes them: the root is the last */
    uint32_t *operands;     /* indices of knots */
    uint32_t nknots, noperands, leaves, height;
    int32_t from, to;       /* the leaves stand at from .. to - 1; the first of all stood at 0 */
    uint32_t root;          /* of these knots: all it needs was there when it was submitted, so they stay */
    uint32_t nth;           /* it is this one of the model's roots; SK_NO_INDEX: somebody has selected it */
    sk_ids of;              /* tasks to indices of knots */
    float slot, level, size, x0, y0;
    float slot_at, level_at; /* what is in the middle */
    cells boxes, edges;     /* of this frame; side 0: there is room for all */
    uint32_t reached, combined; /* of this frame: how far it has come */
} tree;

static uint32_t operand(const sk_model *m, uint32_t task, unsigned d) { return m->objects[m->deps[m->tasks[task].first_dep + d]].producer; }

/* What this task has and is not placed yet, depth first, with a stack of its own: trees may be chains. Leaves get their numbers. Returns how many of
 * them come before the root so far, as an operand. */
static uint32_t add_knots(tree *t, uint32_t root)
{
    typedef struct frame { uint32_t task; unsigned next; } frame;
    const sk_model *m = t->in->model;
    frame *stack = NULL;
    uint32_t n = 0, leaves = 0, before = 0;
    sk_ids seen = { 0 };
    *SK_GROW(stack, n) = (frame){ root, 0 };
    sk_trace_ids_add(&seen, root);
    while (n) {
        frame *f = &stack[n - 1]; /* until the stack grows */
        if (f->next < m->tasks[f->task].ndeps) {
            uint32_t from = operand(m, f->task, f->next++);
            if (t->nknots && from == t->root)
                before = leaves;
            if (from != SK_NO_INDEX && sk_trace_ids_find(&t->of, from) == SK_NO_INDEX && sk_trace_ids_find(&seen, from) == SK_NO_INDEX) {
                sk_trace_ids_add(&seen, from);
                *SK_GROW(stack, n) = (frame){ from, 0 };
            }
            continue;
        }
        knot k = { .task = f->task, .first = t->noperands };
        for (unsigned d = 0; d < m->tasks[f->task].ndeps; d++) {
            uint32_t from = operand(m, f->task, d), i = from == SK_NO_INDEX ? SK_NO_INDEX : sk_trace_ids_find(&t->of, from);
            if (i == SK_NO_INDEX)
                continue;
            *SK_GROW(t->operands, t->noperands) = i;
            k.n++;
            k.height = MAX(k.height, t->knots[i].height + 1);
        }
        k.x = k.n ? 0 : (float)leaves++;
        t->height = MAX(t->height, k.height);
        sk_trace_ids_add(&t->of, k.task);
        *SK_GROW(t->knots, t->nknots) = k;
        n--;
    }
    sk_trace_ids_clear(&seen);
    g_free(stack);
    t->leaves += leaves;
    return before;
}

/* The tree of a root that takes the result of the root so far, if there is one: what is there already stays where it is. */
static void grow(tree *t, uint32_t root)
{
    uint32_t old = t->nknots, was = t->leaves, left = add_knots(t, root);
    t->from -= (int32_t)left;
    for (uint32_t i = old; i < t->nknots; i++) {
        knot *k = &t->knots[i];
        float sum = 0;
        for (uint32_t d = 0; d < k->n; d++)
            sum += t->knots[t->operands[k->first + d]].x;
        k->x = k->n ? sum / (float)k->n : k->x < (float)left ? (float)t->from + k->x : (float)t->to + k->x - (float)left;
    }
    t->to += (int32_t)(t->leaves - was - left);
    t->root = root;
}

/* ---- What is in sight ----------------------------------------------------------------------------------------------------------------- */

static cells cells_of(sk_rect area, float side)
{
    cells c = { side, (uint32_t)(area.w / side) + 1, (uint32_t)(area.h / side) + 1, NULL };
    c.taken = g_malloc0((gsize)c.wide * c.high);
    return c;
}

/* Marks the square where this is; false: it has that mark, or LOUD, already, or is not in the picture. */
static bool claim(const cells *c, sk_rect area, sk_point p, uint8_t mark)
{
    if (c->side <= 0)
        return true;
    float x = (p.x - area.x) / c->side, y = (p.y - area.y) / c->side;
    if (!(x >= 0 && y >= 0 && x < (float)c->wide && y < (float)c->high))
        return false;
    uint8_t *it = &c->taken[(uint32_t)y * c->wide + (uint32_t)x];
    bool free = !(*it & (mark | LOUD));
    *it |= mark;
    return free;
}

/* Has an edge from a to b a place of its own? One that comes from beside the picture has it where it comes in, more or less, or where it ends: many come in
 * at one place, and many end in another. */
static bool claim_edge(const cells *c, sk_rect area, sk_point a, sk_point b)
{
    sk_point in = { CLAMP(a.x, area.x, area.x + area.w), CLAMP(a.y, area.y, area.y + area.h) };
    if (in.x == a.x && in.y == a.y)
        return claim(c, area, a, EDGE);
    bool begins = claim(c, area, in, ENTERS), ends = claim(c, area, b, ENTERS);
    return begins || ends;
}

static bool meets(sk_rect area, sk_point a, sk_point b, float more)
{
    return MAX(a.x, b.x) + more >= area.x && MIN(a.x, b.x) - more <= area.x + area.w && MAX(a.y, b.y) + more >= area.y &&
           MIN(a.y, b.y) - more <= area.y + area.h;
}

/* ---- Drawing -------------------------------------------------------------------------------------------------------------------------- */

static sk_point at(const tree *t, const knot *k) { return (sk_point){ t->x0 + k->x * t->slot, t->y0 + (float)k->height * t->level }; }

/* A value on its way or in its place: in a pill, if it can be read; on its way else a dot. */
static void value(const tree *t, sk_point c, uint32_t task, bool moving)
{
    const sk_model *m = t->in->model;
    const sk_model_task *it = &m->tasks[task];
    float u = t->in->unit, size = MIN(13 * u, t->size * 0.5f);
    char text[48] = "";
    if (it->nobjects)
        sk_model_value(m, it->first_object, t->in->state->step, text);
    float w = sk_draw_width(text, SK_FONT_BOLD, size), dot = CLAMP(t->size * 0.7f, 4 * u, 12 * u);
    bool small = size < 6 || !*text;
    sk_look look = sk_palette_fn(t->in->palette, it->fn);
    if (moving && small)
        sk_draw_rect(t->out, (sk_rect){ c.x - dot / 2, c.y - dot / 2, dot, dot }, &(sk_pen){ .fill = look.fill, .stroke = t->in->palette->text, .radius = dot / 2 });
    if (small || (w > t->slot * 1.9f && !moving))
        return;
    if (moving)
        sk_draw_rect(t->out, (sk_rect){ c.x - w / 2 - 5 * u, c.y - size * 0.75f, w + 10 * u, size * 1.5f },
                     &(sk_pen){ .fill = look.fill, .stroke = t->in->palette->text, .radius = size });
    sk_draw_label(t->out, (sk_rect){ c.x - w, c.y - size, 2 * w, 2 * size }, text, SK_FONT_BOLD, size, SK_CENTRE, look.text);
}

static void combine(const tree *t, const knot *k)
{
    const sk_model *m = t->in->model;
    const sk_view_state *s = t->in->state;
    const sk_model_task *it = &m->tasks[k->task];
    const sk_palette *p = t->in->palette;
    sk_point to = at(t, k);
    float u = t->in->unit;
    uint32_t slice = sk_model_slice_of(m, k->task, s->step);
    float far = slice == SK_NO_INDEX || m->slices[slice].blocked ? 1 : sk_view_motion(s, m->slices[slice].begin), x = far * far * (3 - 2 * far);
    for (uint32_t d = 0; d < k->n; d++) {
        const knot *operand = &t->knots[t->operands[k->first + d]];
        uint32_t from = operand->task;
        sk_point a = at(t, operand);
        if (!meets(t->in->area, a, to, t->size + 8 * u) || !claim_edge(&t->edges, t->in->area, a, to))
            continue;
        bool there = m->tasks[from].ended <= s->step, used = it->started <= s->step;
        sk_draw_layer(t->out, SK_LAYER_EDGES);
        sk_draw_curve(t->out, a.x, a.y + t->size / 2, to.x, to.y - t->size / 2,
                      &(sk_pen){ .stroke = used ? p->edge_strong : p->edge, .width = (used ? 1.6f : 1) * u, .dashed = !there, .arrow = t->size >= 16 * u });
        sk_draw_layer(t->out, SK_LAYER_ABOVE);
        if (far < 1 && there)
            value(t, (sk_point){ a.x + (to.x - a.x) * x, a.y + (to.y - a.y) * x }, from, true);
    }
}

static void node(const tree *t, const knot *k)
{
    const sk_model *m = t->in->model;
    const sk_model_task *it = &m->tasks[k->task];
    sk_point c = at(t, k);
    sk_rect box = { c.x - t->size / 2, c.y - t->size / 2, t->size, t->size };
    char tip[512], text[48];
    float u = t->in->unit;
    if (it->nobjects && *sk_model_value(m, it->first_object, t->in->state->step, text)) { /* as wide as its value, if there is room */
        float w = MIN(t->slot * 1.9f, sk_draw_width(text, SK_FONT_BOLD, MIN(13 * u, t->size * 0.5f)) + 16 * u);
        if (w > box.w && w <= (!k->n ? t->slot * 0.94f : t->slot * 1.9f))
            box = (sk_rect){ c.x - w / 2, box.y, w, box.h };
    }
    sk_draw_layer(t->out, SK_LAYER_BOXES);
    sk_draw_hit(t->out, SK_HIT_TASK, k->task, sk_view_tip(t->in, k->task, tip));
    sk_view_task_box(t->in, t->out, k->task, box);
    value(t, c, k->task, false);
    sk_draw_hit(t->out, SK_HIT_NONE, 0, NULL);
}

/* "round 2 of 3 (ceil(log2 8) = 3)": how far it has come, and the least that n values need, two by two. */
static void headline(const tree *t)
{
    const sk_model *m = t->in->model;
    const sk_palette *p = t->in->palette;
    uint32_t all = t->nknots - t->leaves, least = 0;
    char result[48] = "";
    if (t->in->area.h < 6 * 20 * t->in->unit)
        return; /* it would lie on the tree (scale) */
    const sk_model_task *root = &m->tasks[t->knots[t->nknots - 1].task];
    while ((uint64_t)1 << least < t->leaves)
        least++;
    if (root->nobjects)
        sk_model_value(m, root->first_object, t->in->state->step, result);
    g_autofree char *far = g_strdup_printf("%u of %u combinations, round %u of %u", t->combined, all, t->reached, t->height);
    g_autofree char *why = t->leaves < 2 ? g_strdup("") : g_strdup_printf("   (%u values two by two need at least ⌈log₂ %u⌉ = %u rounds)", t->leaves, t->leaves, least);
    g_autofree char *end = g_strdup_printf("%s%s", *result ? "   result: " : "", result), *text = g_strconcat(far, why, end, NULL);
    float u = t->in->unit;
    if (sk_draw_width(text, SK_FONT, 12 * u) > t->in->area.w - 28 * u) {
        g_free(text);
        text = g_strconcat(far, end, NULL);
    }
    sk_draw_layer(t->out, SK_LAYER_ABOVE);
    sk_draw_label(t->out, (sk_rect){ t->in->area.x + 14 * u, t->in->area.y + 6 * u, t->in->area.w - 28 * u, 18 * u }, text, SK_FONT, 12 * u, SK_LEFT, p->dim);
}

/* What the picture is of: the result of the selected task, if others are combined in it. SK_NO_INDEX: there is none. */
static uint32_t root_of(const sk_view_in *in)
{
    const sk_model *m = in->model;
    return in->state->task < m->ntasks && m->tasks[in->state->task].layer ? in->state->task : m->deepest;
}

/* All of it, if nobody has zoomed. */
static void scale(tree *t)
{
    const sk_view_in *in = t->in;
    const sk_view_state *s = in->state;
    float u = in->unit, pad = MIN(18 * u, MIN(in->area.w, in->area.h) / 10), head = MIN(26 * u, in->area.h / 6);
    float w = in->area.w - 2 * pad, h = in->area.h - 2 * pad - head;
    t->slot = MIN(w / (float)MAX(1, t->leaves), 110 * u);
    t->level = MIN(h / (float)(t->height + 1), 96 * u);
    t->slot_at = (float)(t->from + t->to - 1) / 2, t->level_at = (float)t->height / 2;
    if (s->zoom > 0) {
        t->slot = s->zoom;
        t->level = MIN(MAX(t->level, s->zoom * 0.6f), 96 * u);
        t->slot_at = s->pan_x, t->level_at = s->pan_y;
    }
    t->size = CLAMP(MIN(t->slot * 0.86f, t->level * 0.5f), 2, 46 * u);
    t->x0 = in->area.x + in->area.w / 2 - t->slot_at * t->slot;
    t->y0 = in->area.y + head + pad + h / 2 - t->level_at * t->level;
}

static void clear(tree *t, const sk_view_in *in, sk_draw *out)
{
    sk_trace_ids_clear(&t->of);
    g_free(t->knots);
    g_free(t->operands);
    *t = (tree){ .in = in, .out = out, .nth = SK_NO_INDEX };
}

static bool takes(const sk_model *m, uint32_t task, uint32_t from)
{
    for (unsigned d = 0; d < m->tasks[task].ndeps; d++)
        if (operand(m, task, d) == from)
            return true;
    return false;
}

/* The tree of the deepest task, from that of one before it, if each of those between takes the result of the one before: else it is another tree. (If it
 * has it at all it is an operand of its own: what is between them would have been the deepest.) */
static void follow_roots(tree *t)
{
    const sk_model *m = t->in->model;
    uint32_t last = m->nroots - 1, i = last, at = t->nknots ? t->nth : SK_NO_INDEX;
    while (i > 0 && i != at && takes(m, m->roots[i], m->roots[i - 1]))
        i--;
    if (i != at) {
        clear(t, t->in, t->out);
        grow(t, m->roots[i]);
    }
    for (; i < last; i++)
        grow(t, m->roots[i + 1]);
    t->nth = last;
}

/* The tree of this root; it grows once, or on with the run. */
static void look_at(tree *t, const sk_view_in *in, sk_draw *out, uint32_t root)
{
    t->in = in;
    t->out = out;
    if (root == in->model->deepest) {
        follow_roots(t);
    } else if (!t->nknots || t->root != root || t->nth != SK_NO_INDEX) {
        clear(t, in, out);
        grow(t, root);
        t->nth = SK_NO_INDEX;
    }
    scale(t);
}

/* What is under the mouse stays there. */
static void move(void *memory, const sk_view_in *in, sk_view_state *s, const sk_view_move *by)
{
    tree *t = memory;
    uint32_t root = root_of(in);
    if (root == SK_NO_INDEX)
        return;
    look_at(t, in, NULL, root);
    float slot = (by->x - t->x0) / t->slot, level = (by->y - t->y0) / t->level;
    s->zoom = CLAMP(t->slot * by->factor, 0.01f, 160 * in->unit);
    s->pan_x = t->slot_at, s->pan_y = t->level_at;
    scale(t); /* as it would be now: from there it is pulled to where it should be */
    s->pan_x = CLAMP(s->pan_x + slot - (by->x + by->dx - t->x0) / t->slot, (float)t->from, (float)MAX(t->to - 1, t->from)); /* never out of sight */
    s->pan_y = CLAMP(s->pan_y + level - (by->y + by->dy - t->y0) / t->level, 0, (float)t->height);
}

static void draw_knot(const tree *t, const knot *k, const sk_model_task *it)
{
    const sk_view_in *in = t->in;
    sk_point p = at(t, k);
    bool chosen = k->task == in->state->task, loud = chosen || (it->state == SK_TASK_FAILED && it->ended <= in->state->step) || sk_view_is_critical(in, k->task);
    combine(t, k);
    if (meets(in->area, p, p, MAX(t->size, t->slot)) && (claim(&t->boxes, in->area, p, loud ? LOUD : BOX) || chosen))
        node(t, k);
}

static void draw(void *memory, const sk_view_in *in, sk_draw *out)
{
    tree *t = memory;
    const sk_model *m = in->model;
    uint32_t root = root_of(in);
    if (root == SK_NO_INDEX) {
        sk_draw_label(out, in->area, "no task takes the result of another: there is nothing to reduce", SK_FONT, 14 * in->unit, SK_CENTRE, in->palette->dim);
        return;
    }
    look_at(t, in, out, root);
    bool close = t->slot < CLOSE || t->level < CLOSE;
    t->boxes = close ? cells_of(in->area, 2) : (cells){ 0 };
    t->edges = close ? cells_of(in->area, 6) : (cells){ 0 };
    t->reached = t->combined = 0;
    for (uint32_t i = 0; i < t->nknots; i++) {
        const knot *k = &t->knots[i];
        const sk_model_task *it = &m->tasks[k->task];
        if (k->n && it->ended <= in->state->step)
            t->combined++, t->reached = MAX(t->reached, k->height);
        if (it->submitted <= in->state->step)
            draw_knot(t, k, it);
    }
    g_clear_pointer(&t->boxes.taken, g_free);
    g_clear_pointer(&t->edges.taken, g_free);
    headline(t);
}

static void *open_memory(void) { return g_new0(tree, 1); }
static void close_memory(void *memory)
{
    clear(memory, NULL, NULL);
    g_free(memory);
}

const sk_view sk_view_reduce = { "reduce", "Reduce", '2', open_memory, close_memory, draw, move };
