/* scale_test.c -- how large text is at first, by what environment and display say. */
#include <check.h>
#include <glib.h>
#include <math.h>

#include "cases.h"
#include "viz/display_scale.h"

static const struct { const char *what; sk_display display; float scale; } displays[] = {
    { "nothing is known", { 1, NULL, NULL, 0 }, 1 },
    { "an ordinary monitor", { 1, NULL, NULL, 96 }, 1 },
    { "one that is a little finer", { 1, NULL, NULL, 109 }, 1 },
    { "a laptop", { 1, NULL, NULL, 144 }, 1.5f },
    { "between two steps", { 1, NULL, NULL, 166 }, 1.75f },
    { "4K on 14 inches", { 1, NULL, NULL, 315 }, 3 },
    { "a projector that says it is a stamp", { 1, NULL, NULL, 2000 }, 1 },
    { "no number", { 1, NULL, NULL, NAN }, 1 },
    { "scaled by the window system already", { 2, "2", NULL, 192 }, 1 },
    { "GDK_SCALE comes before the display", { 1, "2", NULL, 96 }, 2 },
    { "GDK_SCALE 1 too", { 1, "1", NULL, 192 }, 1 },
    { "both of GDK's", { 1, "2", "0.75", 96 }, 1.5f },
    { "the second alone", { 1, NULL, "1.25", 192 }, 1.25f },
    { "words", { 1, "large", "", 192 }, 2 },
    { "below nothing", { 1, "-2", "0", 144 }, 1.5f },
    { "more than there is", { 1, "8", NULL, 96 }, 3 },
    { "less than there is", { 1, "1", "0.1", 96 }, 0.75f },
};

START_TEST(text_is_as_large_as_environment_and_display_say)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(displays); i++) {
        float scale = sk_display_scale(&displays[i].display);
        ck_assert_msg(scale == displays[i].scale, "%s: %g, not %g", displays[i].what, (double)scale, (double)displays[i].scale);
    }
}
END_TEST

TCase *scale_case(void)
{
    TCase *t = tcase_create("scale");
    tcase_add_test(t, text_is_as_large_as_environment_and_display_say);
    return t;
}
