/* paint_text.c -- a draw list as text, in the order in which it is painted: see paint.h. An item a line:
 *
 *   rect boxes 10,20 60x24 fill 77aadd stroke 333333 1 radius 3 hatch dashed [task 7]
 *   text text "add" 12 bold centre at 40,36 colour 000000 [task 7]
 *   ... clip 0,0 640x400
 *   tip [task 7] what its tooltip says, after its first item */
#include "paint.h"

#include <glib.h>
#include <stdlib.h>

static void number(FILE *out, float x)
{
    long tenths = (long)(x * 10 + (x < 0 ? -0.5f : 0.5f));
    fprintf(out, "%s%ld", tenths < 0 ? "-" : "", labs(tenths) / 10);
    if (tenths % 10)
        fprintf(out, ".%ld", labs(tenths) % 10);
}

static void pair(FILE *out, const char *before, float x, char between, float y)
{
    fputs(before, out);
    number(out, x);
    fputc(between, out);
    number(out, y);
}

static void colour(FILE *out, const char *what, sk_colour c)
{
    if (c)
        fprintf(out, (c & 255) == 255 ? "%s %06x" : "%s %06x at %u", what, c >> 8, c & 255);
}

static void shape(FILE *out, const sk_draw *d, const sk_item *i)
{
    static const char *const patterns[] = { "", " hatch", " back-hatch", " dots", " cross" };
    const sk_pen *pen = &i->pen;
    if (i->kind == SK_DRAW_POLY) {
        for (uint32_t k = 0; k < i->npoints; k++)
            pair(out, " ", d->points[i->point + k].x, ',', d->points[i->point + k].y);
    } else {
        pair(out, " ", i->box.x, ',', i->box.y);
        pair(out, " ", i->box.w, 'x', i->box.h);
    }
    colour(out, " fill", pen->fill);
    colour(out, " stroke", pen->stroke);
    if (pen->stroke)
        fputc(' ', out), number(out, pen->width);
    if (pen->radius > 0)
        fputs(" radius ", out), number(out, pen->radius);
    fprintf(out, "%s%s%s%s%s", patterns[pen->pattern], pen->dashed ? " dashed" : "", pen->arrow ? " arrow" : "",
            pen->across ? " across" : "", pen->closed ? " closed" : "");
}

static void text(FILE *out, const sk_draw *d, const sk_item *i)
{
    static const char *const fonts[] = { "", " bold", " mono" }, *const aligns[] = { "", " centre", " right" };
    fprintf(out, " \"%s\" ", d->chars + i->text);
    number(out, i->pen.width);
    fprintf(out, "%s%s", fonts[i->font], aligns[i->align]);
    pair(out, " at ", i->box.x, ',', i->box.y);
    colour(out, " colour", i->pen.fill);
}

bool sk_paint_text(const sk_draw *d, int width, int height, const char *path, sk_error *err)
{
    static const char *const kinds[] = { "rect", "poly", "curve", "text" };
    static const char *const layers[] = { "ground", "edges", "boxes", "text", "above", "panels", "top" };
    FILE *out = sk_paint_open(path, err);
    if (!out)
        return false;
    g_autofree uint32_t *order = sk_draw_order(d);
    g_autofree bool *told = g_new0(bool, d->nhits);
    uint32_t clip = 0;
    fprintf(out, "%dx%d on %06x, %u items\n", width, height, d->ground >> 8, d->nitems);
    for (uint32_t k = 0; k < d->nitems; k++) {
        const sk_item *i = &d->items[order[k]];
        const sk_hit *hit = &d->hits[i->hit];
        if (i->clip != clip) {
            clip = i->clip;
            fputs(clip ? "clip" : "clip none", out);
            if (clip)
                pair(out, " ", d->clips[clip].x, ',', d->clips[clip].y), pair(out, " ", d->clips[clip].w, 'x', d->clips[clip].h);
            fputc('\n', out);
        }
        fprintf(out, "%s %s", kinds[i->kind], layers[i->layer]);
        (i->kind == SK_DRAW_TEXT ? text : shape)(out, d, i);
        if (i->hit)
            fprintf(out, " [%s %u]", sk_draw_hit_name(hit->what), hit->index + 1);
        fputc('\n', out);
        if (i->hit && hit->tip && !told[i->hit]) {
            g_auto(GStrv) lines = g_strsplit(d->chars + hit->tip, "\n", -1);
            g_autofree char *one = g_strjoinv(" | ", lines);
            fprintf(out, "tip [%s %u] %s\n", sk_draw_hit_name(hit->what), hit->index + 1, one);
            told[i->hit] = true;
        }
    }
    return sk_paint_close(out, path, NULL, err);
}
