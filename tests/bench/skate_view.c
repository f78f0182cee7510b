/* skate_view.c -- what `skate view` costs: opening, frames while a run is played, going to any time. No display: what SDL would show is painted into
 * memory at 1280x720, letters and all.
 *
 *   view_open_1M_s       s: a log of 1,000,000 tasks, from the file to the first picture
 *   view_frame_p95_ms    ms: of 95 % of the frames of graph and timeline of 100,000 tasks, played from the start to the end, zoomed and moved meanwhile
 *   view_pan_p95_ms      ms: of 95 % of the frames of graph and timeline of 1,000,000 tasks, a task selected, zoomed and moved
 *   view_scrub_p95_ms    ms: of 95 % of the pictures of the timeline of 1,000,000 tasks at times in no order */
#define _GNU_SOURCE
#include <skate.h>

#include <unistd.h>

#include "../../viz/paint_pixels.h"
#include "../../viz/window.h"
#include "../../viz/window_sdl.h"

#include "bench.h"

enum { WIDE = 1280, HIGH = 720, MILLION = 1000000, FRAMES = 300 };
static char many_log[64], some_log[64];
static sk_sdl_fonts *fonts;
static uint32_t pixels[WIDE * HIGH];

SK_REMOTE(int, one, (int, x)) { return x; }
SK_REMOTE(int, add, (int, a), (int, b)) { return a + b; }

/* A tree: as many leaves as sums, in pairs; a thousand at a time. */
static void make_log(char *path, int tasks, int *argc, char ***argv)
{
    strcpy(path, "/tmp/skate-view-XXXXXX");
    close(mkstemp(path));
    sk_init(argc, argv, &(sk_config){ .trace = path, .workers = 2 });
    for (int done = 0; done < tasks; done += 1023) {
        sk_ref level[512];
        for (int i = 0; i < 512; i++)
            level[i] = sk_remote(one, i);
        for (int n = 256; n; n /= 2)
            for (int i = 0; i < n; i++) {
                sk_ref sum = sk_remote(add, level[2 * i], level[2 * i + 1]);
                sk_drop(level[2 * i]), sk_drop(level[2 * i + 1]);
                level[i] = sum;
            }
        bench_expect("sum", sk_get(int, level[0]), 511 * 512 / 2);
        sk_drop(level[0]);
    }
    sk_shutdown();
}

static sk_window *open_log(const char *path, int view)
{
    sk_error err;
    sk_model *m = sk_model_load(path, &err);
    if (!m) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    sk_window *w = sk_window_new(&(sk_window_setup){ .model = m });
    while (sk_views[w->view] != (view ? &sk_view_timeline : &sk_view_graph))
        w->view++;
    return w;
}

static double picture(sk_window *w) /* ms */
{
    double start = bench_now();
    sk_pixels p = { pixels, WIDE, HIGH, WIDE };
    const sk_draw *d = sk_window_draw(w);
    sk_pixels_fill(&p, d->ground);
    sk_paint_pixels(d, &p, sk_sdl_glyph, fonts);
    return (bench_now() - start) * 1e3;
}

static int up(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }
static double p95(double *ms, int n)
{
    qsort(ms, n, sizeof *ms, up);
    return ms[n * 95 / 100];
}

static double view_open_1M_s(void)
{
    double start = bench_now();
    sk_window *w = open_log(many_log, 0);
    picture(w);
    double seconds = bench_now() - start;
    sk_window_free(w);
    return seconds;
}

/* Of a window that is zoomed and moved, frame after frame; played from the start to the end if it `plays`. */
static double frames_p95(const char *log, int view, bool plays)
{
    double ms[FRAMES];
    sk_window *w = open_log(log, view);
    int64_t now = 1;
    if (plays) {
        sk_window_do(w, SK_DO_FIRST);
        w->player.speed = 2;
        sk_window_do(w, SK_DO_PLAY);
    } else {
        w->state.task = w->model->ntasks / 2;
    }
    picture(w); /* what is computed once */
    for (int i = 0; i < FRAMES; i++) {
        double start = bench_now();
        sk_window_tick(w, now += 16666667);
        if (i % 10 == 0)
            sk_window_input(w, &(sk_input){ SK_INPUT_WHEEL, .by = i % 20 ? 1 : -.9f });
        sk_window_do(w, i % 7 < 3 ? SK_DO_LEFT : SK_DO_RIGHT);
        w->stale = true;
        ms[i] = (bench_now() - start) * 1e3 + picture(w);
    }
    sk_window_free(w);
    return p95(ms, FRAMES);
}

static double worse(double a, double b) { return a > b ? a : b; }
static double view_frame_p95_ms(void) { return worse(frames_p95(some_log, 0, true), frames_p95(some_log, 1, true)); }
static double view_pan_p95_ms(void) { return worse(frames_p95(many_log, 0, false), frames_p95(many_log, 1, false)); }

static double view_scrub_p95_ms(void)
{
    static sk_window *w;
    double ms[FRAMES];
    if (!w)
        picture(w = open_log(many_log, 1));
    uint32_t at = 1;
    for (int i = 0; i < FRAMES; i++) {
        at = at * 1664525 + 1013904223;
        double start = bench_now();
        sk_view_seek(&w->state, w->model, w->model->first + (int64_t)((double)(w->model->last - w->model->first) * (at >> 8) / (1 << 24)));
        w->stale = true;
        ms[i] = (bench_now() - start) * 1e3 + picture(w);
    }
    return p95(ms, FRAMES);
}

static const bench_row rows[] = {
    BENCH_ROW(view_open_1M_s, "s", .runs = 3), BENCH_ROW(view_frame_p95_ms, "ms", .runs = 3), BENCH_ROW(view_pan_p95_ms, "ms", .runs = 3),
    BENCH_ROW(view_scrub_p95_ms, "ms", .runs = 3)
};

int main(int argc, char **argv)
{
    sk_error err;
    if (bench_lists_rows(BENCH_ROWS(rows), argv))
        return 0;
    if (!(fonts = sk_sdl_fonts_open(&err))) {
        printf("# skate: the viewer left out: %s\n", err.message);
        return 0;
    }
    make_log(some_log, bench_n(MILLION / 10), &argc, &argv);
    make_log(many_log, bench_n(MILLION), &argc, &argv);
    bench_main("skate", "", BENCH_ROWS(rows), argv);
    unlink(some_log), unlink(many_log);
    sk_sdl_fonts_close(fonts);
    return 0;
}
