/* timeline_test.c -- tests of what the Timeline writes on its bars. */
#include <check.h>
#include <string.h>

#include "unit/trace_forge.h"
#include "view/cases.h"
#include "viz/view.h"

static bool draws(const sk_draw *d, const char *words)
{
    for (uint32_t i = 0; i < d->nitems; i++)
        if (d->items[i].kind == SK_DRAW_TEXT && !strcmp(d->chars + d->items[i].text, words))
            return true;
    return false;
}

/* Three runs of the same function one after the other: long, shorter than its name, shorter than its number. */
START_TEST(a_bar_without_room_for_the_name_of_its_task_has_its_number)
{
    enum { MS = 1000000 }; /* about a pixel */
    static const uint64_t ends[] = { 900, 960, 968 };
    forge f = forge_start(1, 1, "aggregate_data", NULL);
    for (uint64_t t = 1; t <= 3; t++) {
        forge_task(&f, 0, 0, t, 1, 0, 1, 0, t);
        forge_move(&f, 0, 0, t, SK_TASK_NONE, SK_TASK_READY, 0);
    }
    for (uint64_t t = 1; t <= 3; t++)
        forge_run(&f, 0, t > 1 ? ends[t - 2] * MS : 0, ends[t - 1] * MS, t, t);
    sk_model *m = view_model_of(forge_end(&f, true, 1000 * MS));
    sk_view_state s;
    sk_draw *d = sk_draw_new();
    void *memory = sk_view_timeline.open();
    sk_view_state_init(&s, m);
    sk_frame_draw(&sk_view_timeline, memory, m, &s, 1100, 400, d);
    ck_assert(draws(d, "aggregate_data 1"));
    ck_assert(draws(d, "2"));
    ck_assert(!draws(d, "3"));
    for (uint32_t i = 0; i < d->nitems; i++)
        ck_assert(d->items[i].kind != SK_DRAW_TEXT || !strstr(d->chars + d->items[i].text, "\u2026")); /* nothing is cut */
    sk_view_timeline.close(memory);
    sk_draw_free(d);
    sk_model_free(m);
}
END_TEST

TCase *timeline_case(void)
{
    TCase *t = tcase_create("timeline");
    tcase_add_test(t, a_bar_without_room_for_the_name_of_its_task_has_its_number);
    return t;
}
