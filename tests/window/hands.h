/* hands.h -- what tests of the window do to it: open one on TRACE, press, click, let time pass, ask what it says of itself. */
#ifndef SK_WINDOW_HANDS_H
#define SK_WINDOW_HANDS_H

#include <check.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viz/window.h"

#define MS 1000000ll

static inline sk_window *open_window_on(const char *log)
{
    sk_error err;
    sk_model *m = sk_model_load(log, &err);
    ck_assert_msg(m != NULL, "%s", err.message);
    sk_window *w = sk_window_new(&(sk_window_setup){ .model = m, .path = "run.sktrace", .calm = true });
    sk_window_tick(w, 1);
    return w;
}

static inline sk_window *open_window(void) { return open_window_on(getenv("TRACE")); }

/* Of those that can be zoomed and moved: 0 the graph, 1 the timeline. */
static inline unsigned index_of(unsigned view)
{
    unsigned i = 0;
    while (sk_views[i] != (view ? &sk_view_timeline : &sk_view_graph))
        i++;
    return i;
}

static inline void press(sk_window *w, uint32_t key) { sk_window_input(w, &(sk_input){ SK_INPUT_KEY, .key = key }); }

static inline void click(sk_window *w, float x, float y)
{
    sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = x, .y = y });
    sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = x, .y = y });
}

/* Everything the window says of itself. */
static inline char *words_of(const sk_window *w)
{
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    sk_window_print(w, out);
    fprintf(out, "picture %s\n", w->picture ? "yes" : "no");
    fclose(out);
    return text;
}

/* Time passes in frames of 10 ms. */
static inline void pass(sk_window *w, int64_t ns)
{
    for (int64_t end = w->player.now + ns; w->player.now < end;) {
        sk_window_tick(w, w->player.now + 10 * MS);
        sk_window_draw(w);
    }
}

/* A window in which every command has something to do: in the middle, closer, with a selected task that is neither the first nor the last of its
 * worker, a bookmark on either side, and something to find. */
static inline sk_window *busy_window(void)
{
    sk_window *w = open_window();
    sk_step n = w->model->nsteps;
    sk_step at[] = { n / 4, n / 4 * 3, n / 2 };
    for (int i = 0; i < 3; i++) {
        sk_view_step(&w->state, w->model, at[i]);
        if (i < 2)
            press(w, 'm');
    }
    strcpy(w->find, "a");
    const sk_model_worker *lane = &w->model->workers[0];
    for (uint32_t i = 0; i < w->model->nworkers && lane->nslices < 3; i++)
        lane = &w->model->workers[i];
    ck_assert_uint_ge(lane->nslices, 3);
    w->state.task = w->model->slices[lane->slices[1]].task;
    w->player.speed = 5;
    *w->message = 0;
    sk_window_draw(w);
    return w;
}

#endif
