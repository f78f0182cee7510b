/* painter_test.c -- the painter of the window: what it covers. */
#include <check.h>
#include <glib.h>
#include <math.h>

#include "cases.h"
#include "viz/paint_pixels.h"

static const sk_glyph *no_glyph(void *fonts, sk_font font, int size, uint32_t letter)
{
    static const sk_glyph none = { .advance = 7 };
    (void)fonts, (void)font, (void)size, (void)letter;
    return &none;
}

static double sum(const sk_pixels *p) /* of what is white, in pixels */
{
    double all = 0;
    for (int i = 0; i < p->width * p->height; i++)
        all += (p->at[i] >> 8 & 255) / 255.0;
    return all;
}

START_TEST(boxes_and_lines_cover_what_they_should_and_nothing_beyond_their_clip)
{
    uint32_t at[100 * 80];
    sk_pixels p = { at, 100, 80, 100 };
    sk_draw *d = sk_draw_new();
    static const struct { float x1, y1, x2, y2, width; } lines[] = { { 10, 10, 80, 30, 1 }, { 10, 10, 30, 70, 2 }, { 80, 70, 15, 20, 3 }, { 5, 40, 90, 40, 2 }, { 50, 5, 50, 75, 1 } };
    sk_pixels_fill(&p, 0x000000ff);
    sk_draw_rect(d, (sk_rect){ 10, 20, 30, 15 }, &(sk_pen){ .fill = 0xffffffff });
    sk_paint_pixels(d, &p, no_glyph, NULL);
    ck_assert_double_eq(sum(&p), 30 * 15);
    ck_assert_uint_eq(at[20 * 100 + 10], 0xffffff);
    ck_assert_uint_eq(at[20 * 100 + 9], 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++) {
        sk_draw_clear(d);
        sk_pixels_fill(&p, 0x000000ff);
        sk_draw_line(d, lines[i].x1, lines[i].y1, lines[i].x2, lines[i].y2, &(sk_pen){ .stroke = 0xffffffff, .width = lines[i].width });
        sk_paint_pixels(d, &p, no_glyph, NULL);
        double length = hypot(lines[i].x2 - lines[i].x1, lines[i].y2 - lines[i].y1) * lines[i].width;
        ck_assert_msg(fabs(sum(&p) - length) < .06 * length, "line %u covers %g, not %g", i, sum(&p), length);
    }
    sk_draw_clear(d);
    sk_pixels_fill(&p, 0x000000ff);
    sk_draw_poly(d, (sk_point[]){ { 20, 10 }, { 60, 50 }, { 20, 50 } }, 3, &(sk_pen){ .fill = 0xffffffff });
    sk_paint_pixels(d, &p, no_glyph, NULL);
    ck_assert_double_lt(fabs(sum(&p) - 800), 12);
    sk_point comb[81] = { { 0, 70 } }; /* 40 teeth, of which a row crosses 80 sides */
    for (int i = 0; i < 40; i++)
        comb[2 * i] = (sk_point){ 2 * i, 70 }, comb[2 * i + 1] = (sk_point){ 2 * i + 1, 10 };
    comb[80] = (sk_point){ 80, 70 };
    sk_draw_clear(d);
    sk_pixels_fill(&p, 0x000000ff);
    sk_draw_poly(d, comb, 81, &(sk_pen){ .fill = 0xffffffff });
    sk_paint_pixels(d, &p, no_glyph, NULL);
    ck_assert_double_lt(fabs(sum(&p) - 40 * 2 * 60 / 2.0), 40);
    sk_draw_clear(d);
    sk_pixels_fill(&p, 0x000000ff);
    sk_draw_clip(d, (sk_rect){ 20, 20, 10, 10 });
    sk_draw_rect(d, (sk_rect){ -1e9f, -1e9f, 2e9f, 2e9f }, &(sk_pen){ .fill = 0xffffffff, .radius = 5 });
    sk_draw_line(d, -1e6f, -1e6f, 1e6f, 1e6f, &(sk_pen){ .stroke = 0xffffffff, .width = 40 });
    sk_draw_curve(d, -1e6f, 0, 1e6f, 50, &(sk_pen){ .stroke = 0xffffffff, .width = 3, .arrow = true });
    sk_paint_pixels(d, &p, no_glyph, NULL);
    ck_assert_double_eq(sum(&p), 100);
    sk_draw_free(d);
}
END_TEST

TCase *window_painter_case(void)
{
    TCase *t = tcase_create("painter");
    tcase_add_test(t, boxes_and_lines_cover_what_they_should_and_nothing_beyond_their_clip);
    return t;
}
