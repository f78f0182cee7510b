/* palette.c -- see palette.h. */
#include "palette.h"

#include <glib.h>

#include "trace_format.h"

static const sk_palette light = {
    .ground = 0xfafaf7ff, .panel = 0xf0f0ecff, .line = 0xc8c8c4ff, .grid = 0xe4e4e0ff,
    .text = 0x1c1e22ff, .dim = 0x62666eff, .on_fill = 0x000000ff,
    .edge = 0x9a9ea6ff, .edge_strong = 0x1c1e22ff,
    .select = 0x0072b2ff, .critical = 0xd55e00ff, .now = 0x1c1e22ff,
    .ready = 0x0072b2ff, .running = 0x000000ff, .done = 0x00664bff, .failed = 0xd55e00ff, .retried = 0xa8508aff,
    .cancelled = 0x8a8e96ff, .waiting = 0x8a8e96ff, .transfer = 0xb0402aff,
};
static const sk_palette dark = {
    .ground = 0x16181dff, .panel = 0x202329ff, .line = 0x3c4048ff, .grid = 0x282b32ff,
    .text = 0xe8e8e4ff, .dim = 0x9a9ea6ff, .on_fill = 0x000000ff,
    .edge = 0x666a74ff, .edge_strong = 0xe8e8e4ff,
    .select = 0x56b4e9ff, .critical = 0xe69f00ff, .now = 0xe8e8e4ff,
    .ready = 0x56b4e9ff, .running = 0xffffffff, .done = 0x00563fff, .failed = 0xff7a1fff, .retried = 0xcc79a7ff,
    .cancelled = 0x7a7e86ff, .waiting = 0x7a7e86ff, .transfer = 0xff9a80ff,
};

const sk_palette *sk_palette_of(sk_theme theme) { return theme == SK_THEME_DARK ? &dark : &light; }

/* Paul Tol's "light"; his grey comes last, so that it is not taken for "nothing". */
static const sk_colour fills[] = { 0x77aaddff, 0xee8866ff, 0xeedd88ff, 0x44bb99ff, 0xffaabbff, 0x99ddffff, 0xbbcc33ff, 0xaaaa00ff, 0xddddddff };

sk_look sk_palette_look(const sk_palette *p, uint32_t look)
{
    static const uint8_t patterns[] = { SK_PATTERN_NONE, SK_PATTERN_HATCH, SK_PATTERN_DOTS, SK_PATTERN_BACK_HATCH, SK_PATTERN_CROSS };
    return (sk_look){ .fill = fills[look % G_N_ELEMENTS(fills)], .text = p->on_fill,
                      .pattern = patterns[look / G_N_ELEMENTS(fills) % G_N_ELEMENTS(patterns)] };
}

sk_look sk_palette_fn(const sk_palette *p, uint32_t fn) { return sk_palette_look(p, fn < p->nlooks ? p->look[fn] : fn); }

sk_look sk_palette_task(const sk_palette *p, uint32_t fn, unsigned state, int again)
{
    sk_look l = sk_palette_fn(p, fn), hollow = { .fill = p->ground, .text = p->text, .width = 1.5f };
    switch (state) {
    case SK_TASK_READY: l = hollow, l.stroke = p->ready; break;
    case SK_TASK_RUNNING: l.stroke = p->running, l.width = 2; break;
    case SK_TASK_BLOCKED: l.fill = sk_palette_mix(l.fill, p->ground, 0.65f), l.text = p->text, l.stroke = p->running, l.width = 1.5f, l.dashed = 1, l.sign = SK_SIGN_PAUSE; break;
    case SK_TASK_DONE: l.sign = SK_SIGN_CHECK, l.stroke = sk_palette_mix(l.fill, 0x000000ff, 0.3f), l.width = 1; break;
    case SK_TASK_FAILED: l = hollow, l.stroke = p->failed, l.width = 3, l.sign = SK_SIGN_CROSS; break;
    case SK_TASK_CANCELLED: l = hollow, l.stroke = p->cancelled, l.text = p->dim, l.sign = SK_SIGN_STRIKE; break;
    default: l = hollow, l.stroke = p->waiting, l.text = p->dim, l.width = 1, l.dashed = 1; break;
    }
    if (again && l.sign != SK_SIGN_CROSS)
        l.sign = SK_SIGN_AGAIN, l.stroke = p->retried, l.width = 2;
    return l;
}

sk_colour sk_palette_mix(sk_colour a, sk_colour b, float part)
{
    sk_colour mixed = 0;
    for (int shift = 0; shift < 32; shift += 8) {
        float x = (float)(a >> shift & 255), y = (float)(b >> shift & 255);
        mixed |= (sk_colour)(x + (y - x) * part + 0.5f) << shift;
    }
    return mixed;
}

sk_look sk_palette_share(const sk_palette *p, sk_share share)
{
    switch (share) {
    case SK_SHARE_COMPUTE: return (sk_look){ .fill = sk_palette_mix(p->panel, p->text, 0.42f) };
    case SK_SHARE_TRANSFER: return (sk_look){ .fill = sk_palette_mix(p->ground, p->transfer, 0.6f), .pattern = SK_PATTERN_HATCH };
    case SK_SHARE_SCHEDULING: return (sk_look){ .fill = sk_palette_mix(p->ground, p->retried, 0.55f), .pattern = SK_PATTERN_DOTS };
    default: return (sk_look){ .fill = p->panel };
    }
}

sk_colour sk_palette_heat(float part)
{
    static const sk_colour cividis[] = { 0x00224eff, 0x123570ff, 0x3b496cff, 0x575d6dff, 0x707173ff, 0x8a8678ff, 0xa59c74ff, 0xc3b369ff, 0xe1cc55ff, 0xfee838ff };
    float at = CLAMP(part, 0, 1) * (G_N_ELEMENTS(cividis) - 1);
    unsigned i = MIN((unsigned)at, G_N_ELEMENTS(cividis) - 2);
    return sk_palette_mix(cividis[i], cividis[i + 1], at - (float)i);
}
