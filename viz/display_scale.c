/* display_scale.c -- see display_scale.h. */
#include "display_scale.h"

#include <math.h>

#include <glib.h>

static const float least_dpi = 110, most_dpi = 400, ordinary_dpi = 96;

/* 0: it is not there, or no number above 0. */
static double number(const char *text)
{
    char *end;
    double x = text ? g_ascii_strtod(text, &end) : 0;
    return text && end != text && !*end && isfinite(x) && x > 0 ? x : 0;
}

float sk_display_scale(const sk_display *d)
{
    double scale = number(d->gdk_scale), fine = number(d->gdk_dpi_scale);
    if (d->pixels > 1.01f)
        return 1;
    if (scale > 0 || fine > 0)
        scale = (scale > 0 ? scale : 1) * (fine > 0 ? fine : 1);
    else if (d->dpi >= least_dpi && d->dpi <= most_dpi)
        scale = round((double)(d->dpi / ordinary_dpi) * 4) / 4;
    else
        scale = 1;
    return (float)CLAMP(scale, 0.75, 3.0);
}
