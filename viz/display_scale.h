/* display_scale.h -- how large text is to be where the window system does not say: X11 has pixels only.
 *
 * The first of these that is there decides (--scale comes before all of them, and is not asked here):
 *   1. the window has more pixels than points (Wayland, macOS): it is scaled already
 *   2. GDK_SCALE, times GDK_DPI_SCALE if that is there: as for programs of GTK
 *   3. dots per inch of the display against 96: Xft.dpi, which desktops set, else what the monitor says of itself; in steps of a quarter, from 110 dpi on */
#ifndef SK_DISPLAY_SCALE_H
#define SK_DISPLAY_SCALE_H

typedef struct sk_display {
    float pixels;                        /* per point of the window; 1: it is not scaled */
    const char *gdk_scale, *gdk_dpi_scale; /* the environment's; NULL: not there. What is no number is as good as not there */
    float dpi;                           /* 0: unknown. What no display has (over 400) is not believed */
} sk_display;

/* 0.75 .. 3, as the scale of a window is. */
float sk_display_scale(const sk_display *d);

#endif
