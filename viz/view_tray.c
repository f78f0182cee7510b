/* view_tray.c -- the tray of a wait: what somebody waits for as chips, of which those that are there drop out. See view.h.
 *
 * One wait is shown: that of the selected task, else the driver's, else the last that has begun; others are counted. */
#include "view.h"

#include <glib.h>

enum { LOOKED_AT = 4096 }; /* waits that have begun before this step: those that are open are mostly among the last */

typedef struct found { uint32_t wait, others; } found;

static uint32_t waits_begun(const sk_model *m, sk_step k)
{
    uint32_t low = 0, high = m->nwaits;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (m->waits[middle].begin <= k)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The wait that ends at this very step is still there while its last chip drops out. */
static bool is_open(const sk_view_in *in, const sk_model_wait *w)
{
    return w->end > in->state->step || (w->end == in->state->step && in->state->motion < 1);
}

static found find(const sk_view_in *in)
{
    const sk_model *m = in->model;
    found f = { SK_NO_INDEX, 0 };
    int best = 0;
    for (uint32_t i = waits_begun(m, in->state->step), n = 0; i-- > 0 && n < LOOKED_AT; n++) {
        const sk_model_wait *w = &m->waits[i];
        if (!is_open(in, w))
            continue;
        int good = w->task != SK_NO_INDEX && w->task == in->state->task ? 3 : w->task == SK_NO_INDEX ? 2 : 1;
        f.others += f.wait != SK_NO_INDEX;
        if (good > best)
            best = good, f.wait = i;
    }
    return f;
}

/* A chip looks like the task that makes the object; of an object that is there no more than what falls out is left. */
static void chip(const sk_view_in *in, sk_draw *out, uint32_t object, sk_rect box, float gone)
{
    const sk_model *m = in->model;
    const sk_palette *p = in->palette;
    uint32_t maker = m->objects[object].producer;
    sk_look look = { .fill = p->panel, .stroke = p->dim, .text = p->text, .width = 1, .dashed = 1 };
    char text[24], tip[512];
    if (maker != SK_NO_INDEX)
        look = sk_palette_task(p, m->tasks[maker].fn, sk_model_task_at(m, maker, in->state->step), false);
    box.y += gone * box.h;
    sk_colour ground = p->ground;
    sk_draw_hit(out, maker != SK_NO_INDEX ? SK_HIT_TASK : SK_HIT_OBJECT, maker != SK_NO_INDEX ? maker : object,
                maker != SK_NO_INDEX ? sk_view_tip(in, maker, tip) : "a promise, or an object that was put");
    sk_draw_rect(out, box, &(sk_pen){ .fill = sk_palette_mix(look.fill, ground, gone), .stroke = sk_palette_mix(look.stroke, ground, gone),
                                      .width = look.width * in->unit, .dashed = look.dashed, .radius = 3 * in->unit });
    g_snprintf(text, sizeof text, maker != SK_NO_INDEX ? "%u" : "o%u", (maker != SK_NO_INDEX ? maker : object) + 1);
    sk_draw_label(out, box, text, SK_FONT, 11 * in->unit, SK_CENTRE, sk_palette_mix(look.text, ground, gone));
    sk_draw_hit(out, SK_HIT_NONE, 0, NULL);
}

static bool is_there(const sk_model *m, uint32_t object, sk_step k)
{
    sk_object_state state = sk_model_object_at(m, object, k);
    return state == SK_OBJECT_READY || state == SK_OBJECT_FAILED;
}

void sk_tray_draw(const sk_view_in *in, sk_draw *out, sk_rect label, sk_rect box)
{
    const sk_model *m = in->model;
    const sk_palette *p = in->palette;
    float u = in->unit, x = box.x + 4 * u, right = box.x + box.w - 4 * u;
    found f = find(in);
    char text[128];
    if (f.wait == SK_NO_INDEX) {
        sk_draw_label(out, label, "nobody waits", SK_FONT, 11 * u, SK_RIGHT, p->dim);
        return;
    }
    const sk_model_wait *w = &m->waits[f.wait];
    g_snprintf(text, sizeof text, w->task == SK_NO_INDEX ? "driver waits" : "task %u waits", w->task + 1);
    sk_draw_hit(out, w->task == SK_NO_INDEX ? SK_HIT_SITE : SK_HIT_TASK, w->task == SK_NO_INDEX ? w->site : w->task, NULL);
    sk_draw_rect(out, label, &(sk_pen){ 0 });
    sk_draw_label(out, label, text, SK_FONT_BOLD, 11 * u, SK_RIGHT, p->text);
    sk_draw_hit(out, SK_HIT_NONE, 0, NULL);

    uint32_t there = 0, n = w->nawaited, wanted = MIN(w->wanted, n);
    for (uint32_t i = 0; i < n; i++)
        there += is_there(m, m->awaited[w->first_awaited + i], in->state->step);
    bool drains = w->how == SK_WAIT_WAITER;
    const char *of = w->given > n ? drains ? " left are" : " named are" : n > 1 ? " are" : " is";
    g_autofree char *enough = wanted < n || drains ? g_strdup_printf("; %u is enough", drains ? 1 : MAX(wanted, 1)) : g_strdup("");
    g_snprintf(text, sizeof text, "%u of %u%s there%s", n, n, of, enough);
    float wide = sk_draw_width(text, SK_FONT_BOLD, 11 * u) + u; /* the same for all counts */
    g_snprintf(text, sizeof text, "%u of %u%s there%s", there, n, of, enough);
    sk_draw_label(out, (sk_rect){ x, box.y, MIN(wide, right - x), box.h }, text, SK_FONT_BOLD, 11 * u, SK_LEFT, p->text);
    x += wide + 8 * u;
    if (f.others) {
        g_snprintf(text, sizeof text, f.others == 1 ? "1 other waits" : "%u others wait", f.others);
        wide = sk_draw_width(text, SK_FONT, 11 * u);
        sk_draw_label(out, (sk_rect){ right - wide - u, box.y, wide + u, box.h }, text, SK_FONT, 11 * u, SK_LEFT, p->dim);
        right -= wide + 10 * u;
    }
    float chip_w = 30 * u, more = 34 * u;
    for (uint32_t i = 0, left = n - there; i < n; i++) {
        uint32_t object = m->awaited[w->first_awaited + i];
        bool now = is_there(m, object, in->state->step), drops = now && in->state->motion < 1 && in->state->step && !is_there(m, object, in->state->step - 1);
        if (now && !drops)
            continue;
        if (x + chip_w + (left > 1 ? more : 0) > right) {
            g_snprintf(text, sizeof text, "+ %u", left);
            sk_draw_label(out, (sk_rect){ x, box.y, MAX(0, right - x), box.h }, text, SK_FONT, 11 * u, SK_LEFT, p->dim);
            break;
        }
        chip(in, out, object, (sk_rect){ x, box.y + 3 * u, chip_w, box.h - 6 * u }, drops ? in->state->motion : 0);
        x += chip_w + 4 * u;
        left -= !now;
    }
}
