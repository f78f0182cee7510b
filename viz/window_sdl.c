/* window_sdl.c -- the only file that knows SDL: events in, pixels out, letters from SDL2_ttf.
 *
 * SDL has no part in drawing: the painter of paint_pixels.h fills an image in memory, in two parts, the view's frame (kept while only what lies
 * above it changes) and the rest; SDL copies it to the window, without OpenGL: where that is emulated, it takes ten times as long. The loop sleeps
 * until an event comes, or until the window (window.h) says that something moves: an idle window costs nothing.
 *
 * Reading order: letters; pictures; events; a descriptor to watch; the loop. */
#define _GNU_SOURCE
#include <SDL.h>
#include <SDL_ttf.h>
#include <fcntl.h>
#include <fontconfig/fontconfig.h>
#include <glib.h>
#include <gmodule.h>
#include <math.h>
#include <poll.h>
#include <unistd.h>

#include "display_scale.h"
#include "window_sdl.h"

#define FRAME_NS 16666667ll         /* 60 pictures a second; ... */
#define FAR_FRAME_NS 50000000ll     /* ... 20 where the window is not in front */
enum { WIDTH = 1280, HEIGHT = 720 }; /* of a window at 100 % */
#define NO_DISPLAY "there is no display to open a window on (SDL: %s); to write a picture instead: skate view FILE -o picture.png"

static bool fail(sk_error *err, const char *format, const char *why)
{
    if (err) {
        err->code = SK_LIMIT;
        g_snprintf(err->message, sizeof err->message, format, why);
    }
    return false;
}

/* ---- Letters ----------------------------------------------------------------------------------------------------------------------- */

enum { FACES = 3, SPARE = 8, ASCII = 128, SIZES = 64 };
typedef struct face { char *path; int index; } face;
struct sk_sdl_fonts {
    face face[FACES], spare[SPARE];  /* spare: for letters that the others lack, as they were needed */
    unsigned nspare;
    GHashTable *open;                /* face and size -> TTF_Font */
    GHashTable *glyphs;              /* font, size, letter -> sk_glyph */
    sk_glyph *quick[FACES][SIZES][ASCII];
    bool said;                       /* that a letter is missing */
};

/* The system's font that fits best; with `letter`, if it is not 0. */
static bool match(face *f, const char *family, bool bold, uint32_t letter)
{
    FcPattern *want = FcPatternCreate();
    FcResult result;
    FcChar8 *path;
    FcPatternAddString(want, FC_FAMILY, (const FcChar8 *)family);
    FcPatternAddInteger(want, FC_WEIGHT, bold ? FC_WEIGHT_BOLD : FC_WEIGHT_REGULAR);
    FcPatternAddBool(want, FC_SCALABLE, FcTrue);
    FcCharSet *letters = FcCharSetCreate();
    FcCharSetAddChar(letters, letter);
    if (letter)
        FcPatternAddCharSet(want, FC_CHARSET, letters);
    FcConfigSubstitute(NULL, want, FcMatchPattern);
    FcDefaultSubstitute(want);
    FcPattern *found = FcFontMatch(NULL, want, &result);
    FcCharSet *has = NULL;
    bool good = found && FcPatternGetString(found, FC_FILE, 0, &path) == FcResultMatch
                && (!letter || (FcPatternGetCharSet(found, FC_CHARSET, 0, &has) == FcResultMatch && FcCharSetHasChar(has, letter)));
    if (good) {
        f->path = g_strdup((const char *)path);
        f->index = 0;
        FcPatternGetInteger(found, FC_INDEX, 0, &f->index);
    }
    if (found)
        FcPatternDestroy(found);
    FcCharSetDestroy(letters);
    FcPatternDestroy(want);
    return good;
}

static void free_glyph(void *glyph)
{
    g_free(((sk_glyph *)glyph)->mask);
    g_free(glyph);
}

sk_sdl_fonts *sk_sdl_fonts_open(sk_error *err)
{
    static const struct { const char *family; bool bold; } want[FACES] = { { "DejaVu Sans", false }, { "DejaVu Sans", true }, { "DejaVu Sans Mono", false } };
    if (TTF_Init() < 0)
        return fail(err, "the library for fonts does not start: %s", TTF_GetError()), NULL;
    sk_sdl_fonts *f = g_new0(sk_sdl_fonts, 1);
    f->open = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)TTF_CloseFont);
    f->glyphs = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, free_glyph);
    for (int i = 0; i < FACES; i++)
        if (!match(&f->face[i], want[i].family, want[i].bold, 0) || access(f->face[i].path, R_OK)) {
            sk_sdl_fonts_close(f);
            return fail(err, "there is no font to write with%s; install DejaVu (Debian: apt-get install fonts-dejavu-core)", ""), NULL;
        }
    return f;
}

void sk_sdl_fonts_close(sk_sdl_fonts *f)
{
    if (!f)
        return;
    g_hash_table_destroy(f->open);
    g_hash_table_destroy(f->glyphs);
    for (int i = 0; i < FACES; i++)
        g_free(f->face[i].path);
    for (unsigned i = 0; i < f->nspare; i++)
        g_free(f->spare[i].path);
    g_free(f);
    TTF_Quit();
}

static TTF_Font *open_font(sk_sdl_fonts *f, const face *face, unsigned which, int size)
{
    gint64 key = (gint64)which << 32 | size;
    TTF_Font *font = g_hash_table_lookup(f->open, &key);
    if (!font && (font = TTF_OpenFontIndex(face->path, size, face->index))) {
        TTF_SetFontHinting(font, TTF_HINTING_LIGHT);
        g_hash_table_insert(f->open, g_memdup2(&key, sizeof key), font);
    }
    return font;
}

/* Few fonts with Chinese letters have a bold face: it is made of the other. */
static TTF_Font *open_spare(sk_sdl_fonts *f, unsigned i, bool bold, int size)
{
    TTF_Font *font = open_font(f, &f->spare[i], FACES + i + (bold ? SPARE : 0), size);
    if (font && bold)
        TTF_SetFontStyle(font, TTF_STYLE_BOLD);
    return font;
}

/* A font that has this letter; one that has not if there is none (it shows a box). */
static TTF_Font *font_for(sk_sdl_fonts *f, sk_font which, int size, uint32_t letter)
{
    TTF_Font *font = open_font(f, &f->face[which], which, size), *spare;
    if (!font || TTF_GlyphIsProvided32(font, letter))
        return font;
    for (unsigned i = 0; i < f->nspare; i++)
        if ((spare = open_spare(f, i, which == SK_FONT_BOLD, size)) && TTF_GlyphIsProvided32(spare, letter))
            return spare;
    if (f->nspare < SPARE && match(&f->spare[f->nspare], "sans-serif", false, letter)) {
        f->nspare++;
        if ((spare = open_spare(f, f->nspare - 1, which == SK_FONT_BOLD, size)))
            return spare;
    }
    if (!f->said)
        g_printerr("skate view: no font here has the letter U+%04X; for Chinese: apt-get install fonts-wqy-microhei\n", letter);
    f->said = true;
    return font;
}

static sk_glyph *make_glyph(sk_sdl_fonts *f, sk_font which, int size, uint32_t letter)
{
    sk_glyph *g = g_new0(sk_glyph, 1);
    char text[7] = { 0 };
    g_unichar_to_utf8(letter, text);
    g->advance = sk_draw_width(text, which, size);
    TTF_Font *font = font_for(f, which, size, letter);
    SDL_Surface *s = font ? TTF_RenderGlyph32_Blended(font, letter, (SDL_Color){ 255, 255, 255, 255 }) : NULL;
    if (s) {
        int min = 0;
        TTF_GlyphMetrics32(font, letter, &min, NULL, NULL, NULL, NULL);
        g->width = s->w, g->height = s->h, g->left = MIN(min, 0), g->top = TTF_FontAscent(font);
        g->mask = g_malloc((size_t)MAX(s->w * s->h, 1));
        for (int y = 0; y < s->h; y++)
            for (int x = 0; x < s->w; x++)
                g->mask[y * s->w + x] = (uint8_t)(((uint32_t *)((char *)s->pixels + (size_t)y * s->pitch))[x] >> 24);
        SDL_FreeSurface(s);
    }
    return g;
}

const sk_glyph *sk_sdl_glyph(void *fonts, sk_font font, int size, uint32_t letter)
{
    sk_sdl_fonts *f = fonts;
    bool quick = letter < ASCII && size < SIZES;
    if (quick && f->quick[font][size][letter])
        return f->quick[font][size][letter];
    gint64 key = (gint64)font << 48 | (gint64)size << 32 | letter;
    sk_glyph *g = g_hash_table_lookup(f->glyphs, &key);
    if (!g)
        g_hash_table_insert(f->glyphs, g_memdup2(&key, sizeof key), g = make_glyph(f, font, size, letter));
    if (quick)
        f->quick[font][size][letter] = g;
    return g;
}

/* ---- Pictures ---------------------------------------------------------------------------------------------------------------------- */

typedef struct screen {
    SDL_Window *window;
    sk_sdl_fonts *fonts;
    SDL_Surface *frame, *whole;      /* the view's frame alone; with what lies above it */
    uint64_t serial;                 /* of the frame that is in `frame` */
    float per_x, per_y;              /* pixels per unit of mouse coordinates */
    bool front;
} screen;

static sk_pixels pixels_of(SDL_Surface *s) { return (sk_pixels){ s->pixels, s->w, s->h, s->pitch / 4 }; }

static void show(screen *c, sk_window *w)
{
    Uint64 began = SDL_GetPerformanceCounter();
    const sk_draw *d = sk_window_draw(w);
    SDL_Surface *window = SDL_GetWindowSurface(c->window);
    if (!window)
        return;
    if (!c->frame || c->frame->w != window->w || c->frame->h != window->h) {
        SDL_FreeSurface(c->frame), SDL_FreeSurface(c->whole);
        c->frame = SDL_CreateRGBSurfaceWithFormat(0, window->w, window->h, 32, SDL_PIXELFORMAT_RGB888);
        c->whole = SDL_CreateRGBSurfaceWithFormat(0, window->w, window->h, 32, SDL_PIXELFORMAT_RGB888);
        c->serial = 0;
    }
    if (!c->frame || !c->whole)
        return;
    sk_pixels frame = pixels_of(c->frame), whole = pixels_of(c->whole);
    if (c->serial != w->serial) {
        sk_draw below = *d;
        below.nitems = w->base;
        sk_pixels_fill(&frame, d->ground);
        sk_paint_pixels(&below, &frame, sk_sdl_glyph, c->fonts);
        c->serial = w->serial;
    }
    memcpy(whole.at, frame.at, (size_t)whole.stride * 4 * whole.height);
    sk_draw above = *d;
    above.items += w->base, above.nitems -= w->base;
    sk_paint_pixels(&above, &whole, sk_sdl_glyph, c->fonts);
    SDL_BlitSurface(c->whole, NULL, window, NULL);
    SDL_UpdateWindowSurface(c->window);
    w->frame_ms = 1e3 * (double)(SDL_GetPerformanceCounter() - began) / (double)SDL_GetPerformanceFrequency();
}

/* ---- Events ------------------------------------------------------------------------------------------------------------------------- */

static uint32_t mods(void)
{
    SDL_Keymod now = SDL_GetModState();
    return (now & KMOD_CTRL ? SK_CTRL : 0) | (now & KMOD_SHIFT ? SK_SHIFT : 0);
}

static void resized(screen *c, sk_window *w)
{
    int wide, high, pixels_wide, pixels_high;
    SDL_GetWindowSize(c->window, &wide, &high);
    SDL_GetWindowSizeInPixels(c->window, &pixels_wide, &pixels_high);
    c->per_x = (float)pixels_wide / MAX(wide, 1), c->per_y = (float)pixels_high / MAX(high, 1);
    sk_window_input(w, &(sk_input){ SK_INPUT_SIZE, .x = pixels_wide, .y = pixels_high, .by = c->per_x });
}

/* Characters come as text, as the keyboard makes them; here what is no text. 0: nothing of the kind. */
static uint32_t key_of(const SDL_Keysym *key)
{
    switch (key->sym) {
    case SDLK_UP: return SK_KEY_UP;
    case SDLK_DOWN: return SK_KEY_DOWN;
    case SDLK_LEFT: return SK_KEY_LEFT;
    case SDLK_RIGHT: return SK_KEY_RIGHT;
    case SDLK_HOME: return SK_KEY_HOME;
    case SDLK_END: return SK_KEY_END;
    case SDLK_F12: return SK_KEY_F12;
    case SDLK_TAB: return SK_KEY_TAB | (key->mod & KMOD_SHIFT ? SK_SHIFT : 0);
    case SDLK_BACKSPACE: return SK_KEY_BACK;
    case SDLK_RETURN: case SDLK_KP_ENTER: return SK_KEY_ENTER;
    case SDLK_ESCAPE: return SK_KEY_ESC;
    default: break;
    }
    if (!(key->mod & KMOD_CTRL) || key->sym < ' ' || key->sym > '~')
        return 0;
    return SK_CTRL | (key->sym == '=' ? '+' : (uint32_t)key->sym);
}

static void take(screen *c, sk_window *w, const SDL_Event *e)
{
    sk_input in = { .mods = mods() };
    switch (e->type) {
    case SDL_QUIT: in.kind = SK_INPUT_QUIT; break;
    case SDL_KEYDOWN:
        in.kind = SK_INPUT_KEY;
        if (!(in.key = key_of(&e->key.keysym)))
            return;
        break;
    case SDL_TEXTINPUT:
        for (const char *s = e->text.text; *s; s = g_utf8_next_char(s))
            sk_window_input(w, &(sk_input){ SK_INPUT_KEY, .key = g_utf8_get_char(s) });
        return;
    case SDL_MOUSEMOTION:
        in.kind = SK_INPUT_MOVE, in.x = e->motion.x * c->per_x, in.y = e->motion.y * c->per_y;
        break;
    case SDL_MOUSEBUTTONDOWN: case SDL_MOUSEBUTTONUP:
        if (e->button.button != SDL_BUTTON_LEFT)
            return;
        in.kind = e->type == SDL_MOUSEBUTTONDOWN ? SK_INPUT_PRESS : SK_INPUT_RELEASE;
        in.x = e->button.x * c->per_x, in.y = e->button.y * c->per_y;
        break;
    case SDL_MOUSEWHEEL:
        in.kind = SK_INPUT_WHEEL;
        in.by = e->wheel.preciseY;
        if (fabsf(e->wheel.preciseX) > fabsf(in.by))
            in.by = -e->wheel.preciseX, in.mods |= SK_SHIFT; /* to the side: it moves, and does not zoom */
        break;
    case SDL_WINDOWEVENT:
        switch (e->window.event) {
        case SDL_WINDOWEVENT_SIZE_CHANGED: case SDL_WINDOWEVENT_DISPLAY_CHANGED: resized(c, w); return;
        case SDL_WINDOWEVENT_EXPOSED: w->top_stale = true; return;
        case SDL_WINDOWEVENT_FOCUS_GAINED: c->front = true; return;
        case SDL_WINDOWEVENT_FOCUS_LOST: c->front = false; return;
        case SDL_WINDOWEVENT_LEAVE: in.kind = SK_INPUT_LEAVE; break;
        default: return;
        }
        break;
    default: return;
    }
    sk_window_input(w, &in);
}

/* ---- A descriptor to watch: SDL cannot wait for one, so a thread does, and wakes the loop ---------------------------------------- */

typedef struct watch {
    int fd, quit[2];
    Uint32 event;
    SDL_sem *taken;                  /* the loop has looked: watch on */
    SDL_Thread *thread;
} watch;

static int watch_thread(void *of)
{
    watch *a = of;
    for (;;) {
        struct pollfd fds[2] = { { .fd = a->fd, .events = POLLIN }, { .fd = a->quit[0], .events = POLLIN } };
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents)
            return 0;
        SDL_Event e = { .type = a->event };
        SDL_PushEvent(&e);
        if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
            return 0;                /* nothing more can come: whoever takes it sees so, too */
        SDL_SemWait(a->taken);
    }
}

/* A descriptor of its own: whose fd is may close it when the run ends, and its number then is another's. */
static void watch_start(watch *a, int fd)
{
    *a = (watch){ .fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0), .quit = { -1, -1 } };
    if (a->fd < 0 || pipe2(a->quit, O_CLOEXEC) < 0)
        return;
    a->event = SDL_RegisterEvents(1);
    a->taken = SDL_CreateSemaphore(0);
    a->thread = a->taken ? SDL_CreateThread(watch_thread, "watch", a) : NULL;
}

static void watch_stop(watch *a)
{
    if (a->thread) {
        if (write(a->quit[1], "", 1) == 1) {
            SDL_SemPost(a->taken);
            SDL_WaitThread(a->thread, NULL);
        }
    }
    if (a->taken)
        SDL_DestroySemaphore(a->taken);
    if (a->fd >= 0)
        close(a->fd);
    for (int i = 0; i < 2; i++)
        if (a->quit[i] >= 0)
            close(a->quit[i]);
}

/* ---- The loop ------------------------------------------------------------------------------------------------------------------------ */

static int64_t now_ns(void) { return (int64_t)((double)SDL_GetPerformanceCounter() / (double)SDL_GetPerformanceFrequency() * 1e9); }

static void loop(screen *c, sk_window *w)
{
    watch a;
    SDL_Event e;
    int64_t shown = 0;
    watch_start(&a, w->live ? w->live->fd : -1);
    w->stale = true;
    while (!w->done) {
        int64_t now = now_ns(), pause = sk_window_tick(w, now), next = shown + (c->front ? FRAME_NS : FAR_FRAME_NS);
        sk_window_write(w);
        if ((w->stale || w->top_stale) && now >= next) {
            show(c, w);
            shown = now;
            next = shown + (c->front ? FRAME_NS : FAR_FRAME_NS);
            pause = sk_window_tick(w, now_ns());
        }
        if (w->live && w->live->take && !a.thread)
            pause = MIN(pause, 50000000);   /* nobody wakes us: look */
        pause = MAX(pause == INT64_MAX ? pause : pause + now, next) - now; /* moves are drawn by frames */
        bool there = pause == INT64_MAX - now || pause > 1000000000000ll ? SDL_WaitEvent(&e) : SDL_WaitEventTimeout(&e, (int)(pause / 1000000 + 1));
        for (; there && !w->done; there = SDL_PollEvent(&e))
            if (a.thread && e.type == a.event)
                SDL_SemPost(a.taken);       /* the next tick takes it */
            else
                take(c, w, &e);
    }
    watch_stop(&a);
}

/* What the desktop has set for X11, which SDL does not tell: the resource Xft.dpi. libX11 is there where SDL's x11 is. 0: it is not set */
static float xft_dpi(void)
{
    void *(*open)(const char *), (*close)(void *);
    char *(*get)(void *, const char *, const char *), *text;
    GModule *x11 = g_module_open("libX11.so.6", G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
    float dpi = 0;
    if (x11 && g_module_symbol(x11, "XOpenDisplay", (gpointer *)&open) && g_module_symbol(x11, "XCloseDisplay", (gpointer *)&close) &&
        g_module_symbol(x11, "XGetDefault", (gpointer *)&get)) {
        void *display = open(NULL);
        if (display && (text = get(display, "Xft", "dpi")))
            dpi = (float)g_ascii_strtod(text, NULL);
        if (display)
            close(display);
    }
    if (x11)
        g_module_close(x11);
    return dpi;
}

/* Elsewhere than on X11 a window has pixels of its own. */
static float scale_for(const screen *c)
{
    float dpi = 0;
    bool x11 = !strcmp(SDL_GetCurrentVideoDriver(), "x11");
    if (x11 && (dpi = xft_dpi()) <= 0 && SDL_GetDisplayDPI(MAX(SDL_GetWindowDisplayIndex(c->window), 0), &dpi, NULL, NULL) < 0)
        dpi = 0;
    return sk_display_scale(&(sk_display){ c->per_x, getenv("GDK_SCALE"), getenv("GDK_DPI_SCALE"), dpi });
}

/* So large, and in the middle, that at this scale it shows what it shows at 100 %; or as large as the desktop. */
static void fit(const screen *c, float scale)
{
    int display = MAX(SDL_GetWindowDisplayIndex(c->window), 0), wide = (int)lroundf(WIDTH * scale), high = (int)lroundf(HEIGHT * scale);
    SDL_Rect desk = { 0, 0, WIDTH, HEIGHT };
    SDL_GetDisplayUsableBounds(display, &desk);
    SDL_SetWindowSize(c->window, MIN(wide, desk.w), MIN(high, desk.h));
    SDL_SetWindowPosition(c->window, (int)SDL_WINDOWPOS_CENTERED_DISPLAY((unsigned)display), (int)SDL_WINDOWPOS_CENTERED_DISPLAY((unsigned)display));
}

bool sk_sdl_run(sk_window *w, bool scaled, sk_error *err)
{
    SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
    SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    SDL_SetHint(SDL_HINT_MOUSE_FOCUS_CLICKTHROUGH, "1");
    SDL_SetHint(SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0");
    if (SDL_Init(SDL_INIT_VIDEO) < 0)
        return fail(err, NO_DISPLAY, SDL_GetError());
    const char *driver = SDL_GetCurrentVideoDriver();
    if (!getenv("SDL_VIDEODRIVER") && (!driver || !strcmp(driver, "offscreen") || !strcmp(driver, "dummy") || !strcmp(driver, "evdev"))) {
        SDL_Quit(); /* SDL would draw to where nobody looks */
        return fail(err, NO_DISPLAY, driver ? driver : "none");
    }
    screen c = { .fonts = sk_sdl_fonts_open(err), .front = true };
    bool good = c.fonts != NULL;
    if (good) {
        g_autofree char *name = w->path ? g_path_get_basename(w->path) : NULL;
        g_autofree char *title = g_strconcat(name ? name : "Skate", name ? " - Skate" : "", NULL);
        c.window = SDL_CreateWindow(title, SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED, WIDTH, HEIGHT,
                                    SDL_WINDOW_HIDDEN | SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI); /* hidden: how large it is to be, it must tell first */
        good = c.window != NULL || fail(err, "no window can be opened: %s", SDL_GetError());
    }
    if (good) {
        SDL_SetWindowMinimumSize(c.window, 200, 150);
        SDL_StartTextInput();
        resized(&c, w);
        if (!scaled)
            w->state.scale = scale_for(&c);
        fit(&c, w->state.scale);
        SDL_ShowWindow(c.window);
        resized(&c, w);
        loop(&c, w);
    }
    SDL_FreeSurface(c.frame), SDL_FreeSurface(c.whole);
    sk_sdl_fonts_close(c.fonts);
    if (c.window)
        SDL_DestroyWindow(c.window);
    SDL_Quit();
    return good;
}
