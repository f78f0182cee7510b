/* cluster_test.c -- the Cluster view in the window: what can be clicked there, and who is killed then. On the log FAULTS: four nodes, two of which die
 * (tests/window/run makes it). */
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "cases.h"
#include "viz/window.h"

typedef struct killed { unsigned times; uint32_t node; int worker; } killed;

static bool kill_it(void *of, uint32_t node, int worker)
{
    killed *k = of;
    *k = (killed){ k->times + 1, node, worker };
    return true;
}

static sk_window *open_cluster(const sk_window_live *live, const char *at)
{
    sk_error err;
    sk_model *m = sk_model_load(getenv("FAULTS"), &err);
    ck_assert_msg(m != NULL, "%s", err.message);
    sk_window *w = sk_window_new(&(sk_window_setup){ .model = m, .path = "faults.sktrace", .live = live, .view = "cluster", .calm = true });
    sk_window_tick(w, 1);
    sk_view_seek(&w->state, m, (int64_t)(1e6 * atof(at)));
    w->player.follow = false, w->stale = true;
    sk_window_draw(w);
    return w;
}

static void press(sk_window *w, uint32_t key) { sk_window_input(w, &(sk_input){ SK_INPUT_KEY, .key = key }); }

static void click(sk_window *w, sk_rect b)
{
    float x = b.x + b.w / 2, y = b.y + b.h / 2;
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = x, .y = y });
    sk_window_draw(w);
}

/* Where the mouse finds it: in its middle, a node in its corner, a worker at its left. */
static bool find(sk_window *w, sk_hit_what what, uint32_t index, sk_rect *box)
{
    const sk_draw *d = sk_window_draw(w);
    for (uint32_t i = 0; i < w->base; i++) {
        const sk_item *item = &d->items[i];
        const sk_hit *hit = &d->hits[item->hit];
        if (!item->hit || hit->what != what || hit->index != index || item->kind != SK_DRAW_RECT)
            continue;
        *box = item->box;
        if (what == SK_HIT_NODE)
            *box = (sk_rect){ box->x + 4, box->y + 4, 4, 4 };
        if (what == SK_HIT_WORKER)
            box->w = 8;
        const sk_hit *found = &d->hits[sk_draw_at(d, box->x + box->w / 2, box->y + box->h / 2)];
        if (found->what == what && found->index == index)
            return true;
    }
    return false;
}

START_TEST(everything_in_a_cluster_can_be_clicked)
{
    unsigned kinds[SK_HIT_TIME + 1] = { 0 };
    sk_window *w = open_cluster(NULL, "5.1");
    const sk_model *m = w->model;
    const struct { sk_hit_what what; uint32_t n; } all[] = {
        { SK_HIT_TASK, m->ntasks }, { SK_HIT_OBJECT, m->nobjects }, { SK_HIT_WORKER, m->nworkers }, { SK_HIT_NODE, m->nnodes }
    };
    for (unsigned s = 0; s < G_N_ELEMENTS(all); s++)
        for (uint32_t i = 0; i < all[s].n; i++) {
            sk_rect box;
            press(w, SK_KEY_ESC);
            if (!find(w, all[s].what, i, &box))
                continue;
            kinds[all[s].what]++;
            click(w, box);
            switch (all[s].what) {
            case SK_HIT_TASK: ck_assert_uint_eq(w->state.task, i); break;
            case SK_HIT_OBJECT: ck_assert_uint_eq(w->state.object, i); break;
            case SK_HIT_WORKER:
                ck_assert_uint_eq(w->state.worker, i);
                ck_assert_uint_eq(w->state.task, sk_model_running(m, i, w->state.step));
                break;
            default: ck_assert_uint_eq(w->state.node, i); break;
            }
        }
    ck_assert_uint_ge(kinds[SK_HIT_TASK], 4);
    ck_assert_uint_ge(kinds[SK_HIT_OBJECT], 3);
    ck_assert_uint_ge(kinds[SK_HIT_WORKER], 8);
    ck_assert_uint_eq(kinds[SK_HIT_NODE], 4);
    press(w, SK_KEY_ESC);
    ck_assert_uint_eq(w->state.worker, SK_NO_INDEX);
    ck_assert_uint_eq(w->state.node, SK_NO_INDEX);
    sk_window_free(w);
}
END_TEST

START_TEST(who_is_picked_in_the_cluster_is_killed)
{
    killed k = { 0 };
    sk_window_live live = { .of = &k, .fd = -1, .kill = kill_it };
    sk_window *w = open_cluster(&live, "5.1");
    const sk_model *m = w->model;
    sk_rect box;
    unsigned idle = 0, busy = 0;
    for (uint32_t i = 0; i < m->nworkers; i++) {
        press(w, SK_KEY_ESC);
        if (!find(w, SK_HIT_WORKER, i, &box))
            continue;
        click(w, box);
        uint32_t task = sk_model_running(m, i, w->state.step);
        *(task == SK_NO_INDEX ? &idle : &busy) += 1;
        unsigned before = k.times;
        press(w, 'k');
        ck_assert(w->asking);
        press(w, 'n');
        ck_assert_uint_eq(k.times, before);
        press(w, 'k'), press(w, 'y');
        ck_assert_uint_eq(k.times, before + 1);
        ck_assert_uint_eq(k.node, m->workers[i].node);
        ck_assert_int_eq(k.worker, m->workers[i].worker);
    }
    ck_assert_uint_gt(idle, 0);
    ck_assert_uint_gt(busy, 0);
    sk_window_free(w);
}
END_TEST

START_TEST(a_node_that_is_picked_is_killed_whole_and_a_task_that_is_selected_later_is_meant_instead)
{
    killed k = { 0 };
    sk_window_live live = { .of = &k, .fd = -1, .kill = kill_it };
    sk_window *w = open_cluster(&live, "2");
    const sk_model *m = w->model;
    sk_rect box;
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert(find(w, SK_HIT_NODE, i, &box));
        click(w, box);
        press(w, 'k');
        g_autofree char *whom = g_strdup_printf("kill node %u", m->nodes[i].node);
        ck_assert_ptr_nonnull(strstr(w->question, whom));
        press(w, 'y');
        ck_assert_uint_eq(k.node, m->nodes[i].node);
        ck_assert_int_eq(k.worker, -1);
        g_autofree char *said = g_strdup_printf("node %u is being killed", m->nodes[i].node);
        ck_assert_str_eq(w->message, said);
    }
    press(w, SK_KEY_TAB);
    press(w, 'k'), press(w, 'y');
    ck_assert_int_ge(k.worker, 0);
    ck_assert_uint_eq(k.times, 5);
    sk_window_free(w);
}
END_TEST

START_TEST(a_cluster_is_zoomed_where_the_mouse_is_and_never_lost)
{
    sk_window *w = open_cluster(NULL, "5.1");
    sk_rect before, after;
    ck_assert(find(w, SK_HIT_NODE, 0, &before));
    float x = before.x + 2, y = before.y + 2;
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y });
    for (int i = 0; i < 2; i++)
        sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = 1 });
    ck_assert(w->state.zoom > 0);
    ck_assert(find(w, SK_HIT_NODE, 0, &after));
    ck_assert_float_eq_tol(after.x + 2, x, 30); /* the gaps do not grow along */
    ck_assert_float_eq_tol(after.y + 2, y, 30);
    for (int i = 0; i < 200; i++)
        press(w, i < 100 ? SK_KEY_LEFT : SK_KEY_UP);
    ck_assert(w->state.pan_x >= 0 && w->state.pan_y >= 0);
    press(w, '0');
    ck_assert(find(w, SK_HIT_NODE, 0, &after));
    ck_assert_float_eq_tol(after.x, before.x, .01f);
    sk_window_free(w);
}
END_TEST

TCase *window_cluster_case(void)
{
    TCase *t = tcase_create("cluster");
    tcase_add_test(t, everything_in_a_cluster_can_be_clicked);
    tcase_add_test(t, who_is_picked_in_the_cluster_is_killed);
    tcase_add_test(t, a_node_that_is_picked_is_killed_whole_and_a_task_that_is_selected_later_is_meant_instead);
    tcase_add_test(t, a_cluster_is_zoomed_where_the_mouse_is_and_never_lost);
    return t;
}
