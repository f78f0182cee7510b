/* files_test.c -- the start screen, files, words, scripts, and any sequence of inputs. */
#include <check.h>
#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "cases.h"
#include "hands.h"
#include "viz/window_script.h"

static char *file_in(const char *folder, const char *name, const char *text, int mode)
{
    char *path = g_build_filename(folder, name, NULL);
    ck_assert(g_file_set_contents(path, text, -1, NULL));
    ck_assert_int_eq(g_chmod(path, mode), 0);
    return path;
}

START_TEST(a_lesson_is_opened_under_its_name_whatever_is_chosen_meanwhile)
{
    g_autofree char *folder = g_dir_make_tmp("window-XXXXXX", NULL), *list = g_strdup_printf("%s\n", getenv("TRACE"));
    g_autofree char *runner = file_in(folder, "runner", "#!/bin/sh\ncp \"$TRACE\" \"$3\"\n", 0700), *lesson = file_in(folder, "1-one", "#!/bin/sh\n", 0700);
    g_autofree char *recent = file_in(folder, "recent", list, 0600);
    sk_window *w = sk_window_new(&(sk_window_setup){ .lessons = folder, .recent = recent, .runner = runner });
    press(w, SK_KEY_ENTER);
    press(w, SK_KEY_UP); /* round to the recent file */
    for (int64_t now = 1; !w->model && !*w->message; now++)
        sk_window_tick(w, now);
    ck_assert_msg(w->model != NULL, "%s", w->message);
    ck_assert_str_eq(w->path, "1-one");
    sk_window_free(w);
    g_unlink(runner), g_unlink(lesson), g_unlink(recent), g_rmdir(folder);
}
END_TEST

START_TEST(a_picture_takes_the_place_of_no_other)
{
    g_autofree char *folder = g_dir_make_tmp("window-XXXXXX", NULL);
    ck_assert_int_eq(chdir(folder), 0);
    g_autofree char *old = file_in(folder, "run-graph-1.png", "of the last session", 0600);
    sk_window *w = open_window();
    press(w, SK_KEY_F12);
    ck_assert_str_eq(w->picture, "run-graph-2.png");
    press(w, SK_KEY_F12); /* before it is written */
    ck_assert_str_eq(w->picture, "run-graph-2.png");
    sk_window_free(w);
    g_unlink(old), g_rmdir(folder);
}
END_TEST

START_TEST(long_words_are_cut_between_letters)
{
    ck_assert_int_eq(sk_model_fits("a\xc3\xa9", 3), 3);
    ck_assert_int_eq(sk_model_fits("a\xc3\xa9", 2), 1);
    ck_assert_int_eq(sk_model_fits("\xe4\xb8\xad", 2), 0);
    GString *name = g_string_new(NULL);
    for (int i = 0; i < 100; i++)
        g_string_append(name, "\xe4\xb8\xad");
    for (unsigned shift = 0; shift < 3; shift++) {
        sk_window *w = busy_window();
        for (uint32_t i = 0; i < w->model->ntasks; i++)
            w->model->tasks[i].name = name->str;
        for (uint32_t i = 0; i < w->model->nsites; i++)
            w->model->sites[i].file = name->str;
        sk_window_say(w, "%s", name->str);
        ck_assert(g_utf8_validate(w->message, -1, NULL));
        for (unsigned view = 0; view < w->nviews; view++) {
            w->view = view, w->stale = true;
            const sk_draw *d = sk_window_draw(w);
            for (uint32_t at = 1; at < d->nchars; at += (uint32_t)strlen(d->chars + at) + 1)
                ck_assert_msg(g_utf8_validate(d->chars + at, -1, NULL), "in view %u: %s", view, d->chars + at);
        }
        sk_window_free(w);
        g_string_insert_c(name, 0, 'x');
    }
    g_string_free(name, TRUE);
}
END_TEST

START_TEST(no_sequence_of_inputs_breaks_it)
{
    uint32_t seed = getenv("SEED") ? (uint32_t)atoi(getenv("SEED")) : 1;
    GRand *r = g_rand_new_with_seed(seed);
    sk_window *w = open_window();
    for (int i = 0; i < 3000; i++) {
        float x = (float)g_rand_double_range(r, -50, w->width + 50), y = (float)g_rand_double_range(r, -50, w->height + 50);
        uint32_t mods = g_rand_int_range(r, 0, 4) ? 0 : g_rand_boolean(r) ? SK_SHIFT : SK_CTRL;
        switch (g_rand_int_range(r, 0, 8)) {
        case 0: case 1: press(w, sk_commands[g_rand_int_range(r, 0, SK_COMMANDS)].key[0]); break;
        case 2: press(w, (uint32_t)g_rand_int_range(r, 1, 0x3000) | mods); break;
        case 3: sk_window_input(w, &(sk_input){ SK_INPUT_MOVE, .x = x, .y = y }); break;
        case 4: sk_window_input(w, &(sk_input){ SK_INPUT_PRESS, .x = x, .y = y, .mods = mods }); break;
        case 5: sk_window_input(w, &(sk_input){ SK_INPUT_RELEASE, .x = x, .y = y, .mods = mods }); break;
        case 6: sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = (float)g_rand_double_range(r, -5, 5), .mods = mods }); break;
        case 7:
            if (g_rand_int_range(r, 0, 10) == 0)
                sk_window_input(w, &(sk_input){ SK_INPUT_SIZE, .x = (float)g_rand_int_range(r, 1, 2000), .y = (float)g_rand_int_range(r, 1, 1500), .by = 1 });
            break;
        }
        pass(w, 10 * MS * g_rand_int_range(r, 0, 3));
        sk_window_draw(w);
        const sk_view_state *s = &w->state;
        ck_assert_msg(s->step <= w->model->nsteps && s->ns >= sk_model_ns(w->model, s->step) && (s->task == SK_NO_INDEX || s->task < w->model->ntasks)
                          && s->scale >= .75f && s->scale <= 3 && w->view < w->nviews && s->from <= s->to && isfinite(s->zoom) && isfinite(s->pan_x),
                      "after %d inputs of SEED=%u", i, seed);
        w->done = false;
    }
    g_rand_free(r);
    sk_window_free(w);
}
END_TEST

START_TEST(a_script_names_the_line_that_it_cannot_do)
{
    static const struct { const char *text, *says; } bad[] = {
        { "key Home\nfly\n", "line 2: fly what?" }, { "fly away now\n", "line 1: there is no command fly" }, { "key Nothing\n", "no key Nothing" },
        { "click task-99999\n", "there is no task-99999" }, { "check step 99999999\n", "step is " }, { "check nothing yes\n", "knows no nothing" },
        { "drag 10 10\n", "how far?" }, { "wheel\n", "how far?" }, { "click\n", "where?" }, { "click 10\n", "what else?" },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = NULL;
        int fd = g_file_open_tmp("window-XXXXXX.script", &path, NULL);
        ck_assert_int_ge(fd, 0);
        ck_assert(g_file_set_contents(path, bad[i].text, -1, NULL));
        sk_window *w = open_window();
        sk_error err = { 0 };
        ck_assert(!sk_script_run(w, path, &err));
        ck_assert_msg(strstr(err.message, bad[i].says) != NULL, "\"%s\" is not in \"%s\"", bad[i].says, err.message);
        sk_window_free(w);
        g_unlink(path);
        close(fd);
    }
}
END_TEST

TCase *window_files_case(void)
{
    TCase *t = tcase_create("files");
    tcase_add_test(t, a_lesson_is_opened_under_its_name_whatever_is_chosen_meanwhile);
    tcase_add_test(t, a_picture_takes_the_place_of_no_other);
    tcase_add_test(t, long_words_are_cut_between_letters);
    tcase_add_test(t, no_sequence_of_inputs_breaks_it);
    tcase_add_test(t, a_script_names_the_line_that_it_cannot_do);
    return t;
}
