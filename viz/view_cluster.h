/* view_cluster.h -- what the files of the Cluster view have in common: the grid that nodes stand in, and who draws what of it. */
#ifndef SK_VIEW_CLUSTER_H
#define SK_VIEW_CLUSTER_H

#include <glib.h>

#include "places.h"
#include "timeline.h"
#include "view.h"

typedef enum sk_detail { SK_POINTS, SK_MARKS, SK_WORDS } sk_detail; /* how much a box tells */

typedef struct sk_grid {
    const sk_view_in *in;
    sk_draw *out;
    const sk_places *places;
    sk_step step;
    uint32_t n, columns, rows;          /* nodes */
    float pitch_x, pitch_y, gap_x, gap_y, x0, y0; /* from box to box; x0, y0: of the first cell of the grid, its gap included */
    float at_x, at_y;                   /* what is in the middle, in boxes */
    sk_rect area;                       /* without the line of what marks mean */
    sk_detail detail;
    uint64_t largest;                   /* object so far */
    sk_step over;                       /* from here on nodes are down because the run has ended: that is no loss */
    uint32_t cells;                     /* that may still be drawn */
} sk_grid;

static inline sk_rect sk_grid_box(const sk_grid *g, uint32_t i)
{
    return (sk_rect){ g->x0 + (float)(i % g->columns) * g->pitch_x + g->gap_x / 2, g->y0 + (float)(i / g->columns) * g->pitch_y + g->gap_y / 2,
                      MAX(g->pitch_x - g->gap_x, 1), MAX(g->pitch_y - g->gap_y, 1) };
}

/* Around what is selected, or picked. */
static inline void sk_grid_halo(const sk_grid *g, sk_rect b, float far, float radius)
{
    sk_draw_rect(g->out, (sk_rect){ b.x - far, b.y - far, b.w + 2 * far, b.h + 2 * far },
                 &(sk_pen){ .stroke = g->in->palette->select, .width = 2 * g->in->unit, .radius = radius });
}

/* ---- view_cluster_node.c: what is in a box ---- */
/* Of a node's workers, by number: where they begin among lanes[], and how many. */
uint32_t sk_grid_workers(const sk_model *m, uint32_t node, uint32_t *first);
/* Its workers, in as many columns as fill the area best. Returns how high they are. */
float sk_grid_slots(const sk_grid *g, uint32_t node, bool up, sk_rect area);
/* The mark of an object whose bytes are on the node's disk, into its cell. */
void sk_grid_spilled(const sk_grid *g, sk_rect box);
void sk_grid_store(sk_grid *g, const sk_place *n, sk_rect area);

/* ---- view_cluster_wires.c ---- */
void sk_grid_wires(const sk_grid *g); /* what is on its way, above the boxes */

#endif
