/* paint_cairo.c -- PNG, PDF, and pixels in memory: see paint.h. The only file that knows Cairo and Pango.
 *
 * Pango chooses the font of each letter: DejaVu Sans, and what there is for what it lacks, Chinese for instance. Its options are set here,
 * not by the user's desktop: grey smoothing, no hinting, places that are not rounded. So the picture is the same at every scale, and on
 * every machine with the same fonts. */
#include "paint.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include <cairo-pdf.h>
#include <pango/pangocairo.h>

typedef struct painter {
    cairo_t *cairo;
    PangoContext *context;
    PangoLayout *layout;
    PangoFontDescription *font[3];
} painter;

static void set_colour(cairo_t *c, sk_colour colour)
{
    cairo_set_source_rgba(c, (colour >> 24) / 255.0, (colour >> 16 & 255) / 255.0, (colour >> 8 & 255) / 255.0, (colour & 255) / 255.0);
}

static void round_rect(cairo_t *c, sk_rect b, double r)
{
    r = MIN(r, MIN(b.w, b.h) / 2.0);
    if (r < 0.5) {
        cairo_rectangle(c, b.x, b.y, b.w, b.h);
        return;
    }
    cairo_new_sub_path(c);
    cairo_arc(c, b.x + b.w - r, b.y + r, r, -G_PI / 2, 0);
    cairo_arc(c, b.x + b.w - r, b.y + b.h - r, r, 0, G_PI / 2);
    cairo_arc(c, b.x + r, b.y + b.h - r, r, G_PI / 2, G_PI);
    cairo_arc(c, b.x + r, b.y + r, r, G_PI, 3 * G_PI / 2);
    cairo_close_path(c);
}

static void path(cairo_t *c, const sk_draw *d, const sk_item *i)
{
    sk_rect b = i->box;
    const sk_point *p = d->points + i->point;
    switch (i->kind) {
    case SK_DRAW_RECT: round_rect(c, b, i->pen.radius); break;
    case SK_DRAW_CURVE:
        cairo_move_to(c, b.x, b.y);
        if (i->pen.across)
            cairo_curve_to(c, b.x + b.w / 2, b.y, b.x + b.w / 2, b.y + b.h, b.x + b.w, b.y + b.h);
        else
            cairo_curve_to(c, b.x, b.y + b.h / 2, b.x + b.w, b.y + b.h / 2, b.x + b.w, b.y + b.h);
        break;
    default:
        for (uint32_t k = 0; k < i->npoints; k++)
            cairo_line_to(c, p[k].x, p[k].y);
        if (i->pen.closed || i->pen.fill)
            cairo_close_path(c);
    }
}

/* Over what the path covers: lines 5 apart through the whole picture, so that neighbours of one function fit together. */
static void pattern(cairo_t *c, const sk_item *i)
{
    const double gap = 5;
    sk_rect b = i->box;
    cairo_save(c);
    cairo_clip_preserve(c);
    cairo_path_t *kept = cairo_copy_path(c);
    cairo_new_path(c);
    cairo_set_source_rgba(c, 0, 0, 0, 0.35);
    cairo_set_line_width(c, 1);
    if (i->pen.pattern == SK_PATTERN_DOTS) {
        for (double y = floor(b.y / gap) * gap; y < b.y + b.h; y += gap)
            for (double x = floor(b.x / gap) * gap; x < b.x + b.w; x += gap)
                cairo_rectangle(c, x, y, 1.6, 1.6);
        cairo_fill(c);
    } else {
        if (i->pen.pattern != SK_PATTERN_BACK_HATCH) /* up to the right: x + y is constant */
            for (double s = floor((b.x + b.y) / gap) * gap; s < b.x + b.y + b.w + b.h; s += gap)
                cairo_move_to(c, s - b.y, b.y), cairo_line_to(c, s - b.y - b.h, b.y + b.h);
        if (i->pen.pattern != SK_PATTERN_HATCH)
            for (double s = floor((b.x - b.y - b.h) / gap) * gap; s < b.x + b.w - b.y; s += gap)
                cairo_move_to(c, s + b.y, b.y), cairo_line_to(c, s + b.y + b.h, b.y + b.h);
        cairo_stroke(c);
    }
    cairo_restore(c);
    cairo_append_path(c, kept);
    cairo_path_destroy(kept);
}

static void text(painter *p, const sk_draw *d, const sk_item *i)
{
    PangoFontDescription *font = p->font[i->font];
    pango_font_description_set_absolute_size(font, i->pen.width * PANGO_SCALE);
    pango_layout_set_font_description(p->layout, font);
    pango_layout_set_text(p->layout, d->chars + i->text, -1);
    PangoRectangle size;
    pango_layout_get_extents(p->layout, NULL, &size);
    double width = (double)size.width / PANGO_SCALE, left = i->align == SK_LEFT ? 0 : i->align == SK_CENTRE ? width / 2 : width;
    cairo_move_to(p->cairo, i->box.x - left, i->box.y - (double)pango_layout_get_baseline(p->layout) / PANGO_SCALE);
    pango_cairo_show_layout(p->cairo, p->layout);
}

static void item(painter *p, const sk_draw *d, const sk_item *i)
{
    cairo_t *c = p->cairo;
    set_colour(c, i->pen.fill);
    if (i->kind == SK_DRAW_TEXT) {
        text(p, d, i);
        return;
    }
    sk_item shape = *i; /* a border is drawn inside its box */
    if (i->kind == SK_DRAW_RECT && i->pen.stroke) {
        float w = MIN(i->pen.width, MIN(i->box.w, i->box.h));
        shape.box = (sk_rect){ i->box.x + w / 2, i->box.y + w / 2, i->box.w - w, i->box.h - w };
    }
    cairo_new_path(c);
    path(c, d, &shape);
    if (i->pen.fill)
        cairo_fill_preserve(c);
    if (i->pen.pattern)
        pattern(c, i);
    if (i->pen.stroke) {
        double dash = 2 + 1.5 * i->pen.width;
        set_colour(c, i->pen.stroke);
        cairo_set_line_width(c, i->pen.width);
        cairo_set_dash(c, &dash, i->pen.dashed, 0);
        cairo_stroke_preserve(c);
    }
    cairo_new_path(c);
    if (i->kind == SK_DRAW_CURVE && i->pen.arrow) {
        sk_point head[3];
        sk_draw_arrow(i, head);
        for (unsigned k = 0; k < 3; k++)
            cairo_line_to(c, head[k].x, head[k].y);
        cairo_fill(c);
    }
}

static void paint(const sk_draw *d, cairo_surface_t *surface)
{
    static const char *const fonts[] = { "DejaVu Sans,WenQuanYi Micro Hei,Droid Sans Fallback,Noto Sans CJK SC,sans-serif",
                                         "DejaVu Sans,WenQuanYi Micro Hei,Droid Sans Fallback,Noto Sans CJK SC,sans-serif",
                                         "DejaVu Sans Mono,WenQuanYi Micro Hei Mono,Droid Sans Fallback,Noto Sans Mono CJK SC,monospace" };
    painter p = { .cairo = cairo_create(surface) };
    p.context = pango_cairo_create_context(p.cairo);
    p.layout = pango_layout_new(p.context);
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(p.context, options);
    pango_cairo_context_set_resolution(p.context, 72);
    pango_context_set_round_glyph_positions(p.context, FALSE);
    pango_layout_context_changed(p.layout);
    for (unsigned i = 0; i < 3; i++) {
        p.font[i] = pango_font_description_from_string(fonts[i]);
        if (i == SK_FONT_BOLD)
            pango_font_description_set_weight(p.font[i], PANGO_WEIGHT_BOLD);
    }
    set_colour(p.cairo, d->ground);
    cairo_paint(p.cairo);

    g_autofree uint32_t *order = sk_draw_order(d);
    uint32_t clip = 0;
    cairo_save(p.cairo);
    for (uint32_t k = 0; k < d->nitems; k++) {
        const sk_item *i = &d->items[order[k]];
        if (i->clip != clip) {
            sk_rect b = d->clips[clip = i->clip];
            cairo_restore(p.cairo);
            cairo_save(p.cairo);
            if (clip) {
                cairo_rectangle(p.cairo, b.x, b.y, b.w, b.h);
                cairo_clip(p.cairo);
            }
        }
        item(&p, d, i);
    }
    cairo_restore(p.cairo);
    for (unsigned i = 0; i < 3; i++)
        pango_font_description_free(p.font[i]);
    cairo_font_options_destroy(options);
    g_object_unref(p.layout);
    g_object_unref(p.context);
    cairo_destroy(p.cairo);
}

static cairo_status_t to_file(void *file, const unsigned char *data, unsigned n)
{
    return fwrite(data, 1, n, file) == n ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

/* Into a stream of sk_paint_open; `surface` ends here. */
static bool finish(cairo_surface_t *surface, bool png, FILE *out, const char *path, sk_error *err)
{
    cairo_status_t status = png ? cairo_surface_write_to_png_stream(surface, to_file, out) : CAIRO_STATUS_SUCCESS;
    cairo_surface_finish(surface); /* a PDF is written here */
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    return sk_paint_close(out, path, status == CAIRO_STATUS_SUCCESS || status == CAIRO_STATUS_WRITE_ERROR ? NULL : cairo_status_to_string(status), err);
}

void sk_paint_image(const sk_draw *d, int width, int height, uint32_t *pixels)
{
    cairo_surface_t *surface = cairo_image_surface_create_for_data((unsigned char *)pixels, CAIRO_FORMAT_RGB24, width, height, 4 * width);
    paint(d, surface);
    cairo_surface_finish(surface);
    cairo_surface_destroy(surface);
    for (size_t i = 0; i < (size_t)width * (size_t)height; i++)
        pixels[i] &= 0xffffff; /* Cairo does not say what is above */
}

bool sk_paint_png(const sk_draw *d, int width, int height, const char *path, sk_error *err)
{
    FILE *out = sk_paint_open(path, err);
    if (!out)
        return false;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    paint(d, surface);
    return finish(surface, true, out, path, err);
}

bool sk_paint_pdf(const sk_draw *d, int width, int height, const char *path, sk_error *err)
{
    FILE *out = sk_paint_open(path, err);
    if (!out)
        return false;
    cairo_surface_t *surface = cairo_pdf_surface_create_for_stream(to_file, out, width * 0.75, height * 0.75); /* 96 pixels an inch */
    cairo_surface_set_device_scale(surface, 0.75, 0.75);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE, "2000-01-01T00:00:00Z");
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATOR, "Skate");
    paint(d, surface);
    return finish(surface, false, out, path, err);
}
