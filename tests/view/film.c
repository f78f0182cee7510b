/* film.c -- tests of several pictures of a run: which states a film shows, and what is in its GIF; which moments a storyboard shows. */
#include "cases.h"
#include "film.h"

#include <gif_lib.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "viz/film.h"
#include "unit/trace_forge.h"
#include "viz/paint_gif.h"
#include "viz/storyboard.h"

static const char *trace;

/* ---- Films ------------------------------------------------------------------------------------------------------------------------------ */

START_TEST(a_film_goes_from_its_first_moment_to_its_last_and_never_back)
{
    sk_model *m = sk_model_load(trace, NULL);
    for (unsigned way = 0; way < 8; way++) {
        sk_film f;
        sk_step a = way & 1 ? 20 : 0, b = way & 2 ? 100 : m->nsteps;
        sk_film_init(&f, m, &(sk_film_plan){ { a, sk_model_ns(m, a) }, { b, sk_model_ns(m, b) }, .fps = 10, .seconds = 4, .as_it_was = way & 4 });
        ck_assert_uint_eq(f.frames, 41);
        sk_view_state s = { 0 }, before = { .step = a, .ns = sk_model_ns(m, a) };
        for (uint32_t i = 0; i < f.frames; i++, before = s) {
            sk_film_state(&f, i, &s);
            ck_assert(s.step >= before.step && s.ns >= before.ns && s.step <= b);
            ck_assert(s.ns >= sk_model_ns(m, s.step) && (s.step == m->nsteps || s.ns <= sk_model_ns(m, s.step + 1)));
            ck_assert(i || s.step == a || (way & 4)); /* all of that instant has happened, where time counts */
        }
        ck_assert_uint_eq(s.step, b);
        ck_assert_int_eq(s.ns, sk_model_ns(m, b));
        ck_assert(s.motion >= 1 && s.moving <= 0);
    }
    sk_model_free(m);
}
END_TEST

START_TEST(each_event_has_the_same_time_in_a_film_and_what_it_moves_a_quarter_of_a_second)
{
    sk_model *m = sk_model_load(trace, NULL);
    sk_film f;
    sk_view_state s = { 0 };
    sk_film_init(&f, m, &(sk_film_plan){ .to = { 100, sk_model_ns(m, 100) }, .seconds = 10, .fps = 20 }); /* two pictures an event */
    sk_film_state(&f, 101, &s);
    ck_assert_uint_eq(s.step, 50);
    ck_assert_float_eq_tol(s.motion, .5f, .001f);
    ck_assert_float_eq_tol(sk_view_motion(&s, 50), .2f, .001f);     /* .05 s ago */
    ck_assert_float_eq_tol(sk_view_motion(&s, 49), .6f, .001f);
    ck_assert_float_eq_tol(sk_view_motion(&s, 48), 1, .001f);
    ck_assert_float_eq_tol(sk_view_motion(&s, 1), 1, .001f);
    s = (sk_view_state){ .step = 50, .motion = .25f };              /* the window's: only the last one moves */
    ck_assert_float_eq_tol(sk_view_motion(&s, 50), .25f, .001f);
    ck_assert_float_eq_tol(sk_view_motion(&s, 49), 1, .001f);
    sk_model_free(m);
}
END_TEST

START_TEST(a_film_lasts_as_long_as_was_asked_and_its_end_is_held)
{
    sk_model *m = sk_model_load(trace, NULL);
    const unsigned rates[] = { 1, 7, 15, 24, 50 };
    for (unsigned r = 0; r < G_N_ELEMENTS(rates); r++) {
        sk_film f;
        unsigned sum = 0;
        sk_film_init(&f, m, &(sk_film_plan){ .to = { m->nsteps, m->last }, .seconds = 6, .fps = rates[r] });
        for (uint32_t i = 0; i < f.frames; i++)
            sum += sk_film_hundredths(&f, i);
        ck_assert_uint_eq(sum, 600 + (unsigned)(100.0 / rates[r] + .5) + 200);
    }
    sk_film none;
    sk_model *empty = sk_model_new();
    sk_film_init(&none, empty, &(sk_film_plan){ 0 });
    ck_assert_uint_eq(none.frames, 1);
    sk_model_free(empty);
    sk_model_free(m);
}
END_TEST

/* ---- GIF -------------------------------------------------------------------------------------------------------------------------------- */

enum { W = 61, H = 37 };

static GifFileType *decode(FILE *file)
{
    int error = 0;
    fflush(file);
    rewind(file);
    GifFileType *gif = DGifOpenFileHandle(dup(fileno(file)), &error);
    ck_assert_msg(gif && DGifSlurp(gif) == GIF_OK, "the GIF cannot be read: %d", gif ? gif->Error : error);
    return gif;
}

/* Frame i upon the ones before. */
static unsigned show(const GifFileType *gif, int i, uint32_t *pixels)
{
    GraphicsControlBlock control;
    const SavedImage *image = &gif->SavedImages[i];
    const GifImageDesc *at = &image->ImageDesc;
    ck_assert_int_eq(DGifSavedExtensionToGCB((GifFileType *)gif, i, &control), GIF_OK);
    ck_assert_int_eq(control.DisposalMode, DISPOSE_DO_NOT);
    for (int y = 0; y < at->Height; y++)
        for (int x = 0; x < at->Width; x++) {
            int k = image->RasterBits[y * at->Width + x];
            GifColorType c = gif->SColorMap->Colors[k];
            if (k != control.TransparentColor)
                pixels[(at->Top + y) * W + at->Left + x] = (uint32_t)(c.Red << 16 | c.Green << 8 | c.Blue);
        }
    return (unsigned)control.DelayTime;
}

START_TEST(what_is_decoded_of_a_gif_is_what_was_put_into_it)
{
    enum { FRAMES = 40 };
    static uint32_t pictures[FRAMES][W * H], shown[W * H];
    const sk_palette *p = sk_palette_of(SK_THEME_DARK);
    FILE *file = tmpfile();
    sk_gif *g = sk_gif_new(file, W, H, p);
    GRand *dice = g_rand_new_with_seed(3);
    for (int f = 0; f < FRAMES; f++) { /* ground, and boxes in any colours that grow from frame to frame */
        for (int i = 0; i < W * H; i++)
            pictures[f][i] = f ? pictures[f - 1][i] : p->ground >> 8;
        int x0 = g_rand_int_range(dice, 0, W), y0 = g_rand_int_range(dice, 0, H), x1 = g_rand_int_range(dice, x0, W), y1 = g_rand_int_range(dice, y0, H);
        uint32_t colour = g_rand_int(dice) & 0xffffff;
        for (int y = y0; y <= y1 && f % 5; y++) /* every fifth is like the last */
            for (int x = x0; x <= x1; x++)
                pictures[f][y * W + x] = (x + y) % 4 ? colour : p->text >> 8;
        sk_gif_add(g, pictures[f], 10);
    }
    uint32_t expected[W * H];
    GifFileType *gif = NULL;
    unsigned at = 0, written = 0;
    g_autofree uint32_t *nearest = g_new(uint32_t, FRAMES * W * H);
    for (int f = 0; f < FRAMES; f++)
        for (int i = 0; i < W * H; i++)
            nearest[f * W * H + i] = sk_gif_nearest(g, pictures[f][i]);
    ck_assert_ptr_null(sk_gif_free(g));
    gif = decode(file);
    ck_assert_int_eq(gif->SWidth, W);
    ck_assert_int_eq(gif->SHeight, H);
    for (int i = 0; i < gif->ImageCount; i++) {
        unsigned hundredths = show(gif, i, shown);
        for (unsigned until = at + hundredths; at < until; at += 10, written++) {
            memcpy(expected, nearest + written * W * H, sizeof expected);
            ck_assert_mem_eq(shown, expected, sizeof expected);
        }
    }
    ck_assert_uint_eq(written, FRAMES);
    ck_assert_int_eq(gif->ImageCount, FRAMES - FRAMES / 5 + 1); /* the first is one like the ground that is there anyway */
    const ExtensionBlock *loop = gif->SavedImages[0].ExtensionBlocks;
    ck_assert_mem_eq(loop->Bytes, "NETSCAPE2.0", 11);
    ck_assert_mem_eq(loop[1].Bytes, "\1\0\0", 3);
    DGifCloseFile(gif, NULL);
    g_rand_free(dice);
    fclose(file);
}
END_TEST

START_TEST(only_what_has_changed_is_in_a_frame)
{
    uint32_t a[W * H], b[W * H];
    const sk_palette *p = sk_palette_of(SK_THEME_LIGHT);
    FILE *file = tmpfile();
    sk_gif *g = sk_gif_new(file, W, H, p);
    for (int i = 0; i < W * H; i++)
        a[i] = b[i] = p->panel >> 8;
    for (int y = 7; y < 11; y++)
        for (int x = 20; x < 29; x++)
            b[y * W + x] = p->failed >> 8;
    sk_gif_add(g, a, 5);
    sk_gif_add(g, b, 5);
    sk_gif_add(g, b, 300);
    ck_assert_ptr_null(sk_gif_free(g));
    GifFileType *gif = decode(file);
    ck_assert_int_eq(gif->ImageCount, 2);
    const GifImageDesc *d = &gif->SavedImages[1].ImageDesc;
    ck_assert(d->Left == 20 && d->Top == 7 && d->Width == 9 && d->Height == 4);
    uint32_t shown[W * H];
    ck_assert_uint_eq(show(gif, 0, shown), 5);
    ck_assert_uint_eq(show(gif, 1, shown), 305);
    ck_assert_mem_eq(shown, b, sizeof b);
    DGifCloseFile(gif, NULL);
    fclose(file);
}
END_TEST

START_TEST(a_picture_may_last_longer_than_a_gif_can_say)
{
    uint32_t a[W * H] = { 0 }, shown[W * H];
    FILE *file = tmpfile();
    sk_gif *g = sk_gif_new(file, W, H, sk_palette_of(SK_THEME_LIGHT));
    for (int i = 0; i < 3; i++)
        sk_gif_add(g, a, 30000);
    sk_gif_free(g);
    GifFileType *gif = decode(file);
    unsigned sum = 0;
    for (int i = 0; i < gif->ImageCount; i++)
        sum += show(gif, i, shown);
    ck_assert_uint_eq(sum, 90000);
    DGifCloseFile(gif, NULL);
    fclose(file);
}
END_TEST

START_TEST(the_colours_of_the_palette_are_in_a_gif_as_they_are_and_those_between_nearly)
{
    for (unsigned theme = SK_THEME_LIGHT; theme <= SK_THEME_DARK; theme++) {
        const sk_palette *p = sk_palette_of((sk_theme)theme);
        sk_colour own[sizeof *p / sizeof(sk_colour)];
        FILE *file = tmpfile();
        sk_gif *g = sk_gif_new(file, W, H, p);
        memcpy(own, p, sizeof own);
        for (unsigned i = 0; i < G_N_ELEMENTS(own); i++)
            ck_assert_uint_eq(sk_gif_nearest(g, own[i] >> 8), own[i] >> 8);
        for (uint32_t fn = 0; fn < 9; fn++)
            for (float part = 0; part <= 1; part += .05f) { /* letters on it, its borders; it on the ground */
                sk_colour fill = sk_palette_fn(p, fn).fill, mixed[] = { sk_palette_mix(fill, p->on_fill, part), sk_palette_mix(fill, p->ground, part) };
                for (unsigned k = 0; k < 2; k++)
                    for (int shift = 0; shift < 24; shift += 8)
                        ck_assert_int_lt(abs((int)(mixed[k] >> 8 >> shift & 255) - (int)(sk_gif_nearest(g, mixed[k] >> 8) >> shift & 255)), 24);
            }
        sk_gif_free(g);
        fclose(file);
    }
}
END_TEST

/* ---- Storyboards ------------------------------------------------------------------------------------------------------------------------ */

static sk_model *model_of(forge *f, uint64_t ns)
{
    return view_model_of(forge_end(f, true, ns));
}

START_TEST(a_storyboard_ends_with_the_end_and_its_moments_follow_each_other)
{
    sk_model *m = sk_model_load(trace, NULL);
    for (uint32_t most = 1; most <= SK_STORYBOARD_MOST; most++)
        for (sk_step from = 0; from <= m->nsteps; from += 23)
            for (sk_step to = from; to <= m->nsteps; to += 29) {
                sk_key keys[SK_STORYBOARD_MOST];
                uint32_t n = sk_storyboard_pick(m, from, to, keys, most);
                ck_assert(n >= 1 && n <= most);
                ck_assert_uint_eq(keys[n - 1].step, to);
                for (uint32_t i = 0; i < n; i++) {
                    ck_assert(keys[i].step >= from && (i == 0 || keys[i].step > keys[i - 1].step));
                    ck_assert(g_str_has_prefix(keys[i].caption, "t = ") && g_utf8_validate(keys[i].caption, -1, NULL));
                }
            }
    sk_key keys[6];
    ck_assert_uint_eq(sk_storyboard_pick(m, 0, m->nsteps, keys, 6), 6);
    sk_model *empty = sk_model_new();
    ck_assert_uint_eq(sk_storyboard_pick(empty, 0, 0, keys, 6), 1);
    ck_assert_str_eq(keys[0].caption, "t = 0 ns: 0 tasks done");
    sk_model_free(empty);
    sk_model_free(m);
}
END_TEST

/* 2000 tasks one after the other on a worker, one of which fails: it is seen. */
START_TEST(a_storyboard_shows_what_went_wrong_however_much_else_there_is)
{
    for (uint64_t bad = 1; bad <= 2000; bad += 333) {
        forge f = forge_start(1, 1, "work", NULL);
        for (uint64_t t = 1; t <= 2000; t++) {
            forge_task(&f, 0, 10 * t, t, 1, 0, 1, 0, t);
            forge_move(&f, 0, 10 * t, t, SK_TASK_NONE, SK_TASK_READY, 0);
            forge_move(&f, 0, 10 * t + 1, t, SK_TASK_READY, SK_TASK_RUNNING, 0);
            forge_move(&f, 0, 10 * t + 9, t, SK_TASK_RUNNING, t == bad ? SK_TASK_FAILED : SK_TASK_DONE, t == bad ? SK_TASK : 0);
        }
        sk_model *m = model_of(&f, 30000);
        sk_key keys[6];
        uint32_t n = sk_storyboard_pick(m, 0, m->nsteps, keys, 6), fails = 0;
        g_autofree char *words = g_strdup_printf("task %u (work) is failed: TASK", (unsigned)bad);
        for (uint32_t i = 0; i < n; i++)
            fails += strstr(keys[i].caption, words) != NULL;
        ck_assert_uint_eq(n, 6);
        ck_assert_uint_eq(fails, 1);
        ck_assert_str_eq(strchr(keys[5].caption, ':'), ": the end: 1999 tasks done, 1 failed");
        sk_model_free(m);
    }
}
END_TEST

/* Of forty functions, all of which do something between two pictures, the last one fails. */
START_TEST(the_picture_of_a_failure_tells_of_it_however_many_functions_there_are)
{
    enum { FNS = 40 };
    forge f = forge_start(1, 1, NULL);
    for (uint32_t t = 1; t <= FNS; t++) {
        char name[8];
        g_snprintf(name, sizeof name, "f%u", t);
        forge_fn(&f, t, name);
    }
    for (uint64_t t = 1; t <= 2 * FNS; t++) {
        bool bad = t == FNS;
        forge_task(&f, 0, 100 * t, t, (t - 1) % FNS + 1, 0, 1, 0, t);
        forge_move(&f, 0, 100 * t, t, SK_TASK_NONE, SK_TASK_READY, 0);
        forge_move(&f, 0, 100 * t + 1, t, SK_TASK_READY, SK_TASK_RUNNING, 0);
        forge_move(&f, 0, 100 * t + 9, t, SK_TASK_RUNNING, bad ? SK_TASK_FAILED : SK_TASK_DONE, bad ? SK_TASK : 0);
    }
    sk_model *m = model_of(&f, 30000);
    for (uint32_t most = 2; most <= 6; most++) {
        sk_key keys[6];
        uint32_t n = sk_storyboard_pick(m, 0, m->nsteps, keys, most), fails = 0;
        for (uint32_t i = 0; i < n; i++)
            fails += strstr(keys[i].caption, "task 40 (f40) is failed: TASK") != NULL;
        ck_assert_msg(fails == (most > 2), "%u of %u pictures tell of the failure", fails, most); /* the first one is that where tasks start */
    }
    sk_model_free(m);
}
END_TEST

/* As lesson 03 on four workers: three rounds. */
START_TEST(what_happens_in_one_instant_is_one_moment_of_a_storyboard)
{
    forge f = forge_start(1, 4, "f2", NULL);
    const uint64_t s = 1000000000;
    for (uint64_t t = 1; t <= 10; t++) {
        forge_task(&f, 0, 2 * s, t, 1, 0, 1, 0, t);
        forge_move(&f, 0, 2 * s, t, SK_TASK_NONE, SK_TASK_READY, 0);
    }
    for (uint64_t t = 1; t <= 10; t++) {
        uint64_t at = (2 + (t - 1) / 4) * s;
        forge_move(&f, 0, at, t, SK_TASK_READY, SK_TASK_RUNNING, (t - 1) % 4);
        if (t % 4 && t != 10)
            continue;
        for (uint64_t k = t - (t - 1) % 4; k <= t; k++)
            forge_move(&f, 0, at + s, k, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    }
    sk_model *m = model_of(&f, 5 * s);
    sk_key keys[6];
    ck_assert_uint_eq(sk_storyboard_pick(m, 0, m->nsteps, keys, 6), 4);
    ck_assert_str_eq(keys[0].caption, "t = 2.00 s: 10 tasks of f2 are submitted, 4 start");
    ck_assert_str_eq(keys[1].caption, "t = 3.00 s: 4 tasks of f2 are done, 4 start");
    ck_assert_str_eq(keys[2].caption, "t = 4.00 s: 4 tasks of f2 are done, 2 start");
    ck_assert_str_eq(keys[3].caption, "t = 5.00 s: the end: 10 tasks done");
    sk_model_free(m);
}
END_TEST

/* Tasks that wait for others lose their attempt, as do those that run: four with their worker, which is told, four for another reason. */
START_TEST(an_attempt_that_is_lost_in_a_wait_is_a_failure_like_one_that_is_lost_while_it_runs)
{
    static const struct { uint8_t code; const char *words; } why[] = { { SK_WORKER_DIED, "4 are lost and to run once more" },
                                                                       { SK_TASK, "4 are to run once more" } };
    for (unsigned i = 0; i < G_N_ELEMENTS(why); i++)
        for (unsigned waits = 0; waits < 2; waits++) {
            enum { N = 400, BAD = 204 };
            forge f = forge_start(1, 8, "f", NULL);
            for (uint64_t t = 1; t <= N; t++) {
                uint64_t at = 100 * (t / 4 * 4);
                bool bad = t >= BAD && t < BAD + 4;
                forge_task(&f, 0, at, t, 1, 0, 1, 0, t);
                forge_move(&f, 0, at, t, SK_TASK_NONE, SK_TASK_READY, 0);
                forge_move(&f, 0, at, t, SK_TASK_READY, SK_TASK_RUNNING, t % 4);
                if (waits)
                    forge_move(&f, 0, at, t, SK_TASK_RUNNING, SK_TASK_BLOCKED, 0);
                if (bad)
                    forge_move(&f, 0, at + 10, t, waits ? SK_TASK_BLOCKED : SK_TASK_RUNNING, SK_TASK_READY, why[i].code);
                else
                    forge_move(&f, 0, at + 90, t, waits ? SK_TASK_BLOCKED : SK_TASK_RUNNING, SK_TASK_DONE, 0);
            }
            sk_model *m = model_of(&f, 100000);
            sk_key keys[6];
            uint32_t n = sk_storyboard_pick(m, 0, m->nsteps, keys, 6), told = 0;
            for (uint32_t k = 0; k < n; k++)
                told += strstr(keys[k].caption, why[i].words) != NULL;
            ck_assert_msg(told == 1, "%u of %u pictures tell that attempts %s are lost: %s", told, n, waits ? "that wait" : "that run", keys[2].caption);
            sk_model_free(m);
        }
}
END_TEST

/* Two tasks, at times that a forged log may have, one after the other. */
static sk_model *far_away(uint64_t from, uint64_t to)
{
    forge f = forge_start(1, 1, "f", NULL);
    forge_task(&f, 0, from, 1, 1, 0, 1, 0, 1ull);
    forge_move(&f, 0, from, 1, SK_TASK_NONE, SK_TASK_READY, 0);
    forge_move(&f, 0, from, 1, SK_TASK_READY, SK_TASK_RUNNING, 0);
    forge_move(&f, 0, to, 1, SK_TASK_RUNNING, SK_TASK_DONE, 0);
    return model_of(&f, to);
}

START_TEST(times_beyond_all_measure_are_in_the_order_of_time_in_a_storyboard)
{
    sk_model *a = far_away(INT64_MAX - 10, INT64_MAX - 2), *b = far_away(1, INT64_MAX - 1), *d = far_away(1, 2);
    sk_runs runs = { .model = { a, b, d }, .path = { "a", "b", "d" }, .n = 3 };
    for (unsigned shown = 0; shown < 3; shown++)
        for (unsigned parts = 0; parts < 2; parts++) {
            sk_key keys[SK_STORYBOARD_MOST];
            int64_t from, to;
            const sk_model *m = runs.model[shown];
            sk_view_state s = { .runs = &runs, .normal = parts };
            sk_storyboard_span(&runs, m, parts, &from, &to);
            ck_assert_int_lt(from, to);
            uint32_t n = sk_storyboard_pick_runs(&runs, m, parts, from, to, keys, SK_STORYBOARD_MOST);
            ck_assert_int_eq(keys[n - 1].ns, to);
            for (uint32_t i = 0; i < n; i++)
                ck_assert(keys[i].ns >= (i ? keys[i - 1].ns + 1 : from));
            ck_assert(sk_view_seek_within(&s, m, "100%", from, to) && s.ns == to);
            ck_assert(sk_view_seek_within(&s, m, "0%", from, to) && s.ns == from);
            ck_assert(sk_view_seek_within(&s, m, "1e300s", from, to) && s.ns == to);
        }
    for (unsigned i = 0; i < 3; i++)
        sk_model_free(runs.model[i]);
}
END_TEST

START_TEST(a_storyboard_of_any_size_stays_in_it_and_names_each_task_in_each_picture)
{
    sk_model *m = sk_model_load(trace, NULL);
    const float sizes[][2] = { { 1600, 900 }, { 300, 2000 }, { 5000, 200 }, { 50, 50 } };
    for (uint32_t most = 1; most <= SK_STORYBOARD_MOST; most += 5)
        for (unsigned z = 0; z < G_N_ELEMENTS(sizes); z++)
            for (unsigned v = 0; sk_views[v]; v++) {
                sk_key keys[SK_STORYBOARD_MOST];
                sk_view_state s;
                sk_draw *d = sk_draw_new();
                void *memory = sk_views[v]->open ? sk_views[v]->open() : NULL;
                uint32_t n = sk_storyboard_pick(m, 0, m->nsteps, keys, most), last = 0;
                sk_view_state_init(&s, m);
                sk_storyboard_draw(sk_views[v], memory, m, &s, keys, n, sizes[z][0], sizes[z][1], d);
                ck_assert_uint_gt(d->nitems, 0);
                bool plain = sk_views[v] == &sk_view_graph || sk_views[v] == &sk_view_reduce; /* a picture has one clip; others clip their parts, too */
                ck_assert(plain ? d->nclips == n + 1 : d->nclips > n);
                for (uint32_t i = 1; i < d->nclips; i++)
                    ck_assert(d->clips[i].x >= 0 && d->clips[i].y >= 0 && d->clips[i].x + d->clips[i].w <= sizes[z][0] && d->clips[i].y + d->clips[i].h <= sizes[z][1]);
                for (uint32_t i = 0; i < d->nitems; i++)
                    last += d->items[i].clip == n && d->hits[d->items[i].hit].what == SK_HIT_TASK;
                ck_assert(last > 0 || sizes[z][0] < 1600 || !plain);
                if (sk_views[v]->close)
                    sk_views[v]->close(memory);
                sk_draw_free(d);
            }
    sk_model_free(m);
}
END_TEST

TCase *film_tests(const char *path)
{
    TCase *t = tcase_create("film");
    trace = path;
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_film_goes_from_its_first_moment_to_its_last_and_never_back);
    tcase_add_test(t, each_event_has_the_same_time_in_a_film_and_what_it_moves_a_quarter_of_a_second);
    tcase_add_test(t, a_film_lasts_as_long_as_was_asked_and_its_end_is_held);
    tcase_add_test(t, what_is_decoded_of_a_gif_is_what_was_put_into_it);
    tcase_add_test(t, only_what_has_changed_is_in_a_frame);
    tcase_add_test(t, a_picture_may_last_longer_than_a_gif_can_say);
    tcase_add_test(t, the_colours_of_the_palette_are_in_a_gif_as_they_are_and_those_between_nearly);
    tcase_add_test(t, a_storyboard_ends_with_the_end_and_its_moments_follow_each_other);
    tcase_add_test(t, a_storyboard_shows_what_went_wrong_however_much_else_there_is);
    tcase_add_test(t, the_picture_of_a_failure_tells_of_it_however_many_functions_there_are);
    tcase_add_test(t, what_happens_in_one_instant_is_one_moment_of_a_storyboard);
    tcase_add_test(t, an_attempt_that_is_lost_in_a_wait_is_a_failure_like_one_that_is_lost_while_it_runs);
    tcase_add_test(t, times_beyond_all_measure_are_in_the_order_of_time_in_a_storyboard);
    tcase_add_test(t, a_storyboard_of_any_size_stays_in_it_and_names_each_task_in_each_picture);
    return t;
}
