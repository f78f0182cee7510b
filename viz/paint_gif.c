/* paint_gif.c -- see paint_gif.h. The only file that knows giflib.
 *
 * Reading order: 1 the palette; 2 records of the file; 3 frames. */
#include "paint_gif.h"

#include <string.h>

#include <gif_lib.h>
#include <glib.h>

enum { COLOURS = 255, SAME = 255, CACHE = 8192 }; /* SAME: this pixel is what it was */

struct sk_gif {
    FILE *out;
    GifFileType *file;            /* NULL: something went wrong */
    int error;
    int width, height;
    uint32_t colour[COLOURS], ncolours;
    uint32_t seen[CACHE];         /* colours + 1, at their hash ... */
    uint8_t index[CACHE];         /* ... and which of colour[] comes nearest */
    uint8_t *shown, *next, *line; /* shown: by the frames that are written or wait; next: room for one; line: a row of the file */
    unsigned left, top, right, bottom; /* of the frame that waits: what it changes */
    uint8_t *waits;               /* the picture that it leads to */
    bool first, waiting;
    unsigned hundredths;          /* that it lasts: more, if the next ones are like it */
};

/* ---- 1. The palette ------------------------------------------------------------------------------------------------------------------- */

static void add_colour(sk_gif *g, sk_colour c)
{
    uint32_t rgb = c >> 8;
    for (uint32_t i = 0; i < g->ncolours; i++)
        if (g->colour[i] == rgb)
            return;
    if (g->ncolours < COLOURS)
        g->colour[g->ncolours++] = rgb;
}

/* `steps` colours from a to b, both left out: the edges of one upon the other. */
static void add_between(sk_gif *g, sk_colour a, sk_colour b, unsigned steps)
{
    for (unsigned i = 1; i <= steps; i++)
        add_colour(g, sk_palette_mix(a, b, (float)i / (float)(steps + 1)));
}

/* The most important first: they are there exactly. */
static void make_palette(sk_gif *g, const sk_palette *p)
{
    enum { FILLS = 9 };
    const sk_colour inks[] = { p->select, p->critical, p->ready, p->running, p->done, p->failed, p->retried, p->cancelled, p->transfer, p->edge };
    sk_colour all[sizeof *p / sizeof(sk_colour)], fill[FILLS];
    memcpy(all, p, sizeof all);
    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++)
        add_colour(g, all[i]);
    for (uint32_t i = 0; i < FILLS; i++)
        add_colour(g, fill[i] = sk_palette_fn(p, i).fill);
    add_between(g, p->ground, p->text, 7);
    add_between(g, p->panel, p->text, 5);
    add_between(g, p->ground, p->dim, 4);
    for (unsigned i = 0; i < FILLS; i++) {
        add_between(g, p->ground, fill[i], 5);   /* lighter: idle pixels of a lane, what is greyed */
        add_between(g, fill[i], 0x000000ff, 7);  /* darker: borders, patterns, letters upon it */
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(inks); i++)
        add_between(g, p->ground, inks[i], 3);
    for (unsigned i = 0; i < FILLS; i++)
        add_between(g, fill[i], p->done, 2);
}

static uint8_t nearest(sk_gif *g, uint32_t rgb)
{
    uint32_t h = (rgb * 2654435761u) >> 19, best = UINT32_MAX;
    if (g->seen[h] == rgb + 1)
        return g->index[h];
    g->seen[h] = rgb + 1;
    for (uint32_t i = 0; i < g->ncolours; i++) {
        int r = (int)(rgb >> 16 & 255) - (int)(g->colour[i] >> 16 & 255), gr = (int)(rgb >> 8 & 255) - (int)(g->colour[i] >> 8 & 255),
            b = (int)(rgb & 255) - (int)(g->colour[i] & 255);
        uint32_t far = (uint32_t)(3 * r * r + 4 * gr * gr + 2 * b * b);
        if (far < best)
            best = far, g->index[h] = (uint8_t)i;
    }
    return g->index[h];
}

uint32_t sk_gif_nearest(sk_gif *g, uint32_t colour) { return g->colour[nearest(g, colour)]; }

/* ---- 2. Records of the file ----------------------------------------------------------------------------------------------------------- */

static int to_stream(GifFileType *file, const GifByteType *bytes, int n)
{
    sk_gif *g = file->UserData;
    return (int)fwrite(bytes, 1, (size_t)n, g->out);
}

/* What a call of giflib returned. After an error nothing more is written. */
static bool good(sk_gif *g, int returned)
{
    if (returned != GIF_ERROR)
        return true;
    g->error = g->file->Error ? g->file->Error : E_GIF_ERR_WRITE_FAILED;
    EGifCloseFile(g->file, NULL);
    g->file = NULL;
    return false;
}

static bool begin(sk_gif *g)
{
    GifColorType colours[COLOURS + 1] = { { 0, 0, 0 } };
    for (uint32_t i = 0; i < g->ncolours; i++)
        colours[i] = (GifColorType){ g->colour[i] >> 16 & 255, g->colour[i] >> 8 & 255, g->colour[i] & 255 };
    ColorMapObject *map = GifMakeMapObject(COLOURS + 1, colours);
    EGifSetGifVersion(g->file, true);
    int done = EGifPutScreenDesc(g->file, g->width, g->height, 8, 0, map);
    GifFreeMapObject(map);
    return good(g, done) && good(g, EGifPutExtensionLeader(g->file, APPLICATION_EXT_FUNC_CODE))
           && good(g, EGifPutExtensionBlock(g->file, 11, "NETSCAPE2.0"))
           && good(g, EGifPutExtensionBlock(g->file, 3, "\1\0\0")) /* for ever */
           && good(g, EGifPutExtensionTrailer(g->file));
}

/* The frame that waits: `waits` upon `shown`, which becomes it. */
static void put_waiting(sk_gif *g)
{
    GifByteType control[4];
    int width = (int)(g->right - g->left), height = (int)(g->bottom - g->top);
    g->waiting = false;
    EGifGCBToExtension(&(GraphicsControlBlock){ DISPOSE_DO_NOT, false, (int)g->hundredths, g->first ? NO_TRANSPARENT_COLOR : SAME }, control);
    if (!g->file || !good(g, EGifPutExtension(g->file, GRAPHICS_EXT_FUNC_CODE, sizeof control, control))
        || !good(g, EGifPutImageDesc(g->file, (int)g->left, (int)g->top, width, height, false, NULL)))
        return;
    for (unsigned y = g->top; y < g->bottom; y++) {
        size_t at = (size_t)y * (size_t)g->width + g->left;
        for (int x = 0; x < width; x++)
            g->line[x] = !g->first && g->waits[at + (size_t)x] == g->shown[at + (size_t)x] ? SAME : g->waits[at + (size_t)x];
        if (!good(g, EGifPutLine(g->file, g->line, width)))
            return;
    }
    memcpy(g->shown, g->waits, (size_t)g->width * (size_t)g->height);
    g->first = false;
}

/* ---- 3. Frames ------------------------------------------------------------------------------------------------------------------------ */

sk_gif *sk_gif_new(FILE *out, int width, int height, const sk_palette *palette)
{
    sk_gif *g = g_new0(sk_gif, 1);
    size_t pixels = (size_t)width * (size_t)height;
    *g = (sk_gif){ .out = out, .width = width, .height = height, .first = true };
    g->shown = g_malloc(pixels), g->waits = g_malloc(pixels), g->next = g_malloc(pixels), g->line = g_malloc((size_t)width);
    make_palette(g, palette);
    g->file = EGifOpen(g, to_stream, &g->error);
    if (g->file)
        begin(g);
    return g;
}

/* The rectangle in which two pictures differ; false: nowhere. */
static bool differ(sk_gif *g, const uint8_t *a, const uint8_t *b)
{
    unsigned width = (unsigned)g->width, height = (unsigned)g->height, left = width, right = 0, top = height, bottom = 0;
    for (unsigned y = 0; y < height; y++, a += width, b += width) {
        if (!memcmp(a, b, width))
            continue;
        unsigned x = 0, end = width;
        while (a[x] == b[x])
            x++;
        while (a[end - 1] == b[end - 1])
            end--;
        left = MIN(left, x), right = MAX(right, end), top = MIN(top, y), bottom = y + 1;
    }
    if (bottom)
        g->left = left, g->right = right, g->top = top, g->bottom = bottom;
    return bottom > 0;
}

void sk_gif_add(sk_gif *g, const uint32_t *pixels, unsigned hundredths)
{
    size_t n = (size_t)g->width * (size_t)g->height;
    if (!g->file)
        return;
    for (size_t i = 0; i < n; i++)
        g->next[i] = i && pixels[i] == pixels[i - 1] ? g->next[i - 1] : nearest(g, pixels[i] & 0xffffff);
    if (g->waiting && !memcmp(g->next, g->waits, n) && g->hundredths + hundredths <= UINT16_MAX) {
        g->hundredths += hundredths; /* nothing has changed: the last one lasts longer */
        return;
    }
    if (g->waiting)
        put_waiting(g);
    if (g->first)
        g->left = g->top = 0, g->right = (unsigned)g->width, g->bottom = (unsigned)g->height;
    else if (!differ(g, g->shown, g->next))
        g->left = g->top = 0, g->right = g->bottom = 1; /* the last one lasted as long as one can */
    uint8_t *swap = g->waits;
    g->waits = g->next, g->next = swap;
    g->waiting = true;
    g->hundredths = MIN(hundredths, UINT16_MAX);
}

const char *sk_gif_free(sk_gif *g)
{
    if (g->waiting)
        put_waiting(g);
    if (g->file && EGifCloseFile(g->file, &g->error) == GIF_OK)
        g->error = 0;
    bool stream = g->error == E_GIF_ERR_WRITE_FAILED || g->error == E_GIF_ERR_DISK_IS_FULL; /* which knows better why */
    const char *wrong = !g->error || stream ? NULL : GifErrorString(g->error);
    g_free(g->shown), g_free(g->waits), g_free(g->next), g_free(g->line);
    g_free(g);
    return wrong;
}
