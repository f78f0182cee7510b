/* paint_svg.c -- SVG: see paint.h. What belongs to a hit is a group with an id (task-7; where it is shown twice, task-7-2) and a title, which
 * browsers show as a tooltip. Numbers have one decimal: an SVG of ten thousand boxes stays small. */
#include "paint.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

static void put(FILE *out, const char *before, float x)
{
    long tenths = (long)(x * 10 + (x < 0 ? -0.5f : 0.5f));
    fprintf(out, "%s%s%ld", before, tenths < 0 ? "-" : "", labs(tenths) / 10);
    if (tenths % 10)
        fprintf(out, ".%ld", labs(tenths) % 10);
}

static void put_text(FILE *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        case '"': fputs("&quot;", out); break;
        default: fputc(*text, out);
        }
}

static void put_colour(FILE *out, const char *what, sk_colour c)
{
    if (!c) {
        fprintf(out, " %s=\"none\"", what);
        return;
    }
    fprintf(out, " %s=\"#%06x\"", what, c >> 8);
    if ((c & 255) != 255)
        fprintf(out, " %s-opacity=\"%.2f\"", what, (c & 255) / 255.0);
}

static void put_shape(FILE *out, const sk_draw *d, const sk_item *i)
{
    sk_rect b = i->box;
    switch (i->kind) {
    case SK_DRAW_RECT: {
        float in = i->pen.stroke ? MIN(i->pen.width, MIN(b.w, b.h)) : 0; /* a border is drawn inside its box */
        put(out, "<rect x=\"", b.x + in / 2), put(out, "\" y=\"", b.y + in / 2);
        put(out, "\" width=\"", b.w - in), put(out, "\" height=\"", b.h - in);
        if (i->pen.radius > 0)
            put(out, "\" rx=\"", i->pen.radius);
        fputc('"', out);
        break;
    }
    case SK_DRAW_CURVE:
        put(out, "<path d=\"M", b.x), put(out, " ", b.y);
        if (i->pen.across)
            put(out, "C", b.x + b.w / 2), put(out, " ", b.y), put(out, " ", b.x + b.w / 2), put(out, " ", b.y + b.h);
        else
            put(out, "C", b.x), put(out, " ", b.y + b.h / 2), put(out, " ", b.x + b.w), put(out, " ", b.y + b.h / 2);
        put(out, " ", b.x + b.w), put(out, " ", b.y + b.h);
        fputc('"', out);
        break;
    default:
        fprintf(out, "<%s points=\"", i->pen.fill || i->pen.closed ? "polygon" : "polyline");
        for (uint32_t k = 0; k < i->npoints; k++)
            put(out, k ? " " : "", d->points[i->point + k].x), put(out, ",", d->points[i->point + k].y);
        fputc('"', out);
    }
}

static void put_pen(FILE *out, const sk_pen *pen)
{
    put_colour(out, "fill", pen->fill);
    if (pen->stroke) {
        put_colour(out, "stroke", pen->stroke);
        if (pen->width > 1.05f || pen->width < 0.95f)
            put(out, " stroke-width=\"", pen->width), fputc('"', out);
        if (pen->dashed)
            put(out, " stroke-dasharray=\"", 2 + 1.5f * pen->width), fputc('"', out);
    }
    fputs("/>", out);
}

static void put_item(FILE *out, const sk_draw *d, const sk_item *i)
{
    static const char *const patterns[] = { "", "hatch", "back", "dots", "cross" };
    if (i->kind == SK_DRAW_TEXT) {
        static const char *const fonts[] = { "", " font-weight=\"bold\"", " font-family=\"DejaVu Sans Mono,monospace\"" };
        static const char *const aligns[] = { "", " text-anchor=\"middle\"", " text-anchor=\"end\"" };
        put(out, "<text x=\"", i->box.x), put(out, "\" y=\"", i->box.y), put(out, "\" font-size=\"", i->pen.width);
        fprintf(out, "\"%s%s", fonts[i->font], aligns[i->align]);
        put_colour(out, "fill", i->pen.fill);
        fputc('>', out);
        put_text(out, d->chars + i->text);
        fputs("</text>", out);
    } else {
        put_shape(out, d, i);
        put_pen(out, &i->pen);
        if (i->pen.pattern) {
            put_shape(out, d, i);
            fprintf(out, " fill=\"url(#%s)\"/>", patterns[i->pen.pattern]);
        }
    }
    if (i->kind == SK_DRAW_CURVE && i->pen.arrow) {
        sk_point p[3];
        sk_draw_arrow(i, p);
        fputs("<polygon points=\"", out);
        for (unsigned k = 0; k < 3; k++)
            put(out, k ? " " : "", p[k].x), put(out, ",", p[k].y);
        fputc('"', out);
        put_colour(out, "fill", i->pen.stroke);
        fputs("/>", out);
    }
    fputc('\n', out);
}

static void put_hit(FILE *out, const sk_draw *d, uint32_t h, GHashTable *seen)
{
    const sk_hit *hit = &d->hits[h];
    gpointer key = GSIZE_TO_POINTER(((gsize)hit->index + 1) << 4 | hit->what);
    guint times = GPOINTER_TO_UINT(g_hash_table_lookup(seen, key)) + 1;
    g_hash_table_insert(seen, key, GUINT_TO_POINTER(times));
    fprintf(out, "<g id=\"%s-%u", sk_draw_hit_name(hit->what), hit->index + 1);
    if (times > 1)
        fprintf(out, "-%u", times);
    fputs("\">", out);
    if (hit->tip) {
        fputs("<title>", out);
        put_text(out, d->chars + hit->tip);
        fputs("</title>", out);
    }
    fputc('\n', out);
}

bool sk_paint_svg(const sk_draw *d, int width, int height, const char *path, sk_error *err)
{
    FILE *out = sk_paint_open(path, err);
    if (!out)
        return false;
    g_autofree uint32_t *order = sk_draw_order(d);
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
            "font-family=\"DejaVu Sans,WenQuanYi Micro Hei,Droid Sans Fallback,Noto Sans CJK SC,sans-serif\">\n<defs>\n",
            width, height, width, height);
    static const char *const patterns[][2] = { { "hatch", "M0 5L5 0" }, { "back", "M0 0L5 5" }, { "cross", "M0 5L5 0M0 0L5 5" },
                                               { "dots", "M2 2.8h1.6" } };
    for (unsigned i = 0; i < G_N_ELEMENTS(patterns); i++)
        fprintf(out, "<pattern id=\"%s\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\"><path d=\"%s\" stroke=\"#000\" "
                     "stroke-opacity=\".35\" stroke-width=\"%s\"/></pattern>\n",
                patterns[i][0], patterns[i][1], i == 3 ? "1.6" : "1");
    for (uint32_t i = 1; i < d->nclips; i++) {
        fprintf(out, "<clipPath id=\"clip-%u\"><rect", i);
        put(out, " x=\"", d->clips[i].x), put(out, "\" y=\"", d->clips[i].y);
        put(out, "\" width=\"", d->clips[i].w), put(out, "\" height=\"", d->clips[i].h);
        fputs("\"/></clipPath>\n", out);
    }
    fprintf(out, "</defs>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#%06x\"/>\n", d->ground >> 8);
    uint32_t clip = 0, hit = 0;
    for (uint32_t k = 0; k <= d->nitems; k++) { /* one more, which closes what is open */
        const sk_item *i = k < d->nitems ? &d->items[order[k]] : &(sk_item){ 0 };
        if (hit && (i->hit != hit || i->clip != clip))
            fputs("</g>\n", out), hit = 0;
        if (clip && i->clip != clip)
            fputs("</g>\n", out);
        if (i->clip && i->clip != clip)
            fprintf(out, "<g clip-path=\"url(#clip-%u)\">\n", i->clip);
        clip = i->clip;
        if (i->hit && i->hit != hit)
            put_hit(out, d, hit = i->hit, seen);
        if (k < d->nitems)
            put_item(out, d, i);
    }
    fputs("</svg>\n", out);
    return sk_paint_close(out, path, NULL, err);
}
