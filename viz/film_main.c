/* film_main.c -- see film_main.h. */
#include "film_main.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "film.h"
#include "paint.h"
#include "paint_gif.h"
#include "storyboard.h"

enum { MOST_FPS = 50 }; /* browsers show no GIF faster */

static char *gif, *storyboard, *from, *to, *pace;
static int fps = SK_UNSET, seconds = SK_UNSET, frames = SK_UNSET;
static gboolean strict;

const GOptionEntry *sk_film_options(void)
{
    static const GOptionEntry entries[] = {
        { "gif", 0, 0, G_OPTION_ARG_FILENAME, &gif, "A film of the run (960x540)", "OUT.gif" },
        { "storyboard", 0, 0, G_OPTION_ARG_FILENAME, &storyboard, "The most telling moments beside each other, with captions (1600x900)", "OUT" },
        { "frames", 0, 0, G_OPTION_ARG_INT, &frames, "Storyboard: how many, 1 to 24 (6)", "N" },
        { "from", 0, 0, G_OPTION_ARG_STRING, &from, "Film, storyboard: from this time on (the start)", "T" },
        { "to", 0, 0, G_OPTION_ARG_STRING, &to, "Film, storyboard: up to this time (the end)", "T" },
        { "fps", 0, 0, G_OPTION_ARG_INT, &fps, "Film: pictures a second, 1 to 50 (15)", "N" },
        { "seconds", 0, 0, G_OPTION_ARG_INT, &seconds, "Film: how long, 1 to 120 (3 to 8, by the number of events)", "N" },
        { "pace", 0, 0, G_OPTION_ARG_STRING, &pace, "Film: `events`, the same time for each event, or `time`, as it passed (timeline, compared runs: time; else events)", "PACE" },
        { "strict", 0, 0, G_OPTION_ARG_NONE, &strict, "Fail if the trace is not whole: cut off, damaged, or events were dropped", NULL },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    return entries;
}

int sk_film_wanted(void) { return (gif != NULL) + (storyboard != NULL); }

sk_make sk_film_make(void) { return gif ? SK_MAKE_FILM : SK_MAKE_STORYBOARD; }

static bool is_within(int number, int most) { return number == SK_UNSET || (number >= 1 && number <= most); }

bool sk_film_good(const char **wrong, const char **which)
{
    *which = NULL;
    if (gif && !g_str_has_suffix(gif, ".gif") && strcmp(gif, "-"))
        *wrong = "a film ends with .gif, unlike ", *which = gif;
    else if (storyboard && !sk_painter_of(storyboard))
        *wrong = "a storyboard ends with .png, .svg, .pdf or .txt, unlike ", *which = storyboard;
    else if (!is_within(fps, MOST_FPS))
        *wrong = "--fps is 1 to 50";
    else if (!is_within(seconds, 120))
        *wrong = "--seconds is 1 to 120";
    else if (!is_within(frames, SK_STORYBOARD_MOST))
        *wrong = "--frames is 1 to 24";
    else if (pace && strcmp(pace, "events") && strcmp(pace, "time"))
        *wrong = "--pace is events or time, not ", *which = pace;
    else
        return true;
    return false;
}

bool sk_film_refuses(const sk_model *m, const char *path)
{
    if (!strict || (!m->trouble && !m->dropped))
        return false;
    fprintf(stderr, "skate view: %s: ", path);
    if (m->dropped)
        fprintf(stderr, "%" G_GUINT64_FORMAT " events were dropped%s", m->dropped, m->trouble ? ", and it is " : "");
    else
        fputs("it is ", stderr);
    fprintf(stderr, "%s; %u events are there, and --strict wants all\n", m->trouble ? m->trouble : "", m->nsteps);
    return true;
}

/* On a terminal: how far it is. */
static void progress(uint32_t done, uint32_t all)
{
    enum { WIDE = 30 };
    char bar[WIDE + 1];
    if (!isatty(STDERR_FILENO))
        return;
    for (unsigned i = 0; i < WIDE; i++)
        bar[i] = (uint64_t)i * all < (uint64_t)done * WIDE ? '#' : '.';
    bar[WIDE] = '\0';
    fprintf(stderr, "\r%s %u of %u pictures", bar, done, all);
    if (done == all)
        fprintf(stderr, "\r%*s\r", WIDE + 40, "");
}

static bool write_gif(const sk_view *view, const sk_film *f, const sk_view_state *state, int width, int height, sk_error *err)
{
    sk_view_state s = *state;
    sk_paint_may_be_ended();
    FILE *out = sk_paint_open(gif, err);
    if (!out)
        return false;
    sk_gif *g = sk_gif_new(out, width, height, sk_palette_of(s.theme));
    sk_draw *d = sk_draw_new();
    void *memory = view->open ? view->open() : NULL;
    uint32_t *pixels = g_new(uint32_t, (gsize)width * (gsize)height);
    for (uint32_t i = 0; i < f->frames && !ferror(out); i++) {
        progress(i, f->frames);
        sk_film_state(f, i, &s);
        sk_draw_clear(d);
        sk_frame_draw(view, memory, f->model, &s, (float)width, (float)height, d);
        sk_paint_image(d, width, height, pixels);
        sk_gif_add(g, pixels, sk_film_hundredths(f, i));
    }
    progress(f->frames, f->frames);
    g_free(pixels);
    if (view->close)
        view->close(memory);
    sk_draw_free(d);
    return sk_paint_close(out, gif, sk_gif_free(g), err);
}

/* Do its pictures show several runs, each of which may be the last to end? */
static bool is_of_runs(const sk_view *view, const sk_view_state *s) { return view == &sk_view_compare && s->runs; }

static bool write_storyboard(const sk_view *view, const sk_model *m, const sk_film_plan *plan, const sk_view_state *state, int width, int height, sk_error *err)
{
    sk_key keys[SK_STORYBOARD_MOST];
    uint32_t most = frames == SK_UNSET ? 6 : (uint32_t)frames;
    uint32_t n = is_of_runs(view, state) ? sk_storyboard_pick_runs(state->runs, m, state->normal, plan->from.ns, plan->to.ns, keys, most)
                                         : sk_storyboard_pick(m, plan->from.step, plan->to.step, keys, most);
    sk_draw *d = sk_draw_new();
    void *memory = view->open ? view->open() : NULL;
    sk_paint_may_be_ended();
    sk_storyboard_draw(view, memory, m, state, keys, n, (float)width, (float)height, d);
    bool good = sk_painter_of(storyboard)(d, width, height, storyboard, err);
    if (view->close)
        view->close(memory);
    sk_draw_free(d);
    return good;
}

bool sk_film_seek(const sk_view *view, sk_view_state *s, const sk_model *m, const char *option, const char *when)
{
    int64_t first = m->first, last = m->last;
    char end[16];
    bool several = is_of_runs(view, s);
    if (several)
        sk_storyboard_span(s->runs, m, s->normal, &first, &last);
    if (sk_view_beyond(m, when, last, end))
        fprintf(stderr, "skate view: %s %s is beyond the end of the %s, %s: taken as that\n", option, when, several && !s->normal && !g_str_has_prefix(when, "step:") ? "longest run" : "run", end);
    return sk_view_seek_within(s, m, when, first, last);
}

/* The time that an option names; NULL: `otherwise`. */
static bool moment(const sk_view *view, const sk_model *m, const sk_view_state *state, const char *option, const char *when, sk_step otherwise, sk_moment *at)
{
    sk_view_state s = *state;
    sk_view_step(&s, m, otherwise);
    bool good = !when || sk_film_seek(view, &s, m, option, when);
    *at = (sk_moment){ s.step, s.ns };
    return good;
}

int sk_film_main(const sk_view *view, const sk_model *m, const sk_view_state *state, int width, int height)
{
    sk_view_state s = *state;
    sk_film_plan plan = { .seconds = seconds == SK_UNSET ? 0 : seconds, .fps = fps == SK_UNSET ? 0 : (unsigned)fps,
                          .as_it_was = pace ? !strcmp(pace, "time") : view == &sk_view_timeline };
    sk_film film;
    sk_error err;
    if (!moment(view, m, state, "--from", from, 0, &plan.from))
        return sk_options_usage("--from is a time like 12ms, 1.5s, 50% or step:120, unlike ", from);
    if (!moment(view, m, state, "--to", to, m->nsteps, &plan.to))
        return sk_options_usage("--to is a time like 12ms, 1.5s, 50% or step:120, unlike ", to);
    if (is_of_runs(view, state)) {
        if (pace && !plan.as_it_was)
            return sk_options_usage("--pace events is of one run; several are compared by time", "");
        plan.as_it_was = true;
        int64_t first, last;
        sk_storyboard_span(state->runs, m, state->normal, &first, &last);
        if (!from)
            plan.from = (sk_moment){ sk_model_step_at(m, first), first };
        if (!to)
            plan.to.ns = MAX(last, plan.from.ns); /* a step may be later: what the program does when its tasks have ended */
    }
    if (plan.to.ns < plan.from.ns || plan.to.step < plan.from.step)
        return sk_options_usage("--to is before --from: ", to);
    if (from || to)
        s.from = plan.from.ns, s.to = plan.to.ns; /* the timeline shows that part */
    sk_film_init(&film, m, &plan);
    if (storyboard ? write_storyboard(view, m, &plan, &s, width ? width : 1600, height ? height : 900, &err)
                   : write_gif(view, &film, &s, width ? width : 960, height ? height : 540, &err))
        return 0;
    fprintf(stderr, "skate view: %s\n", err.message);
    return 1;
}
