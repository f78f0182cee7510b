/* window.c -- the window's inputs and commands, and when it is drawn. window.h says the rest. */
#include "window.h"

#include <glib.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "paint.h"
#include "window_own.h"

#define SAY_NS 4000000000ll
#define CLICK 4             /* units that the mouse may move in a click */

/* ---- Making and changing ----------------------------------------------------------------------------------------------------------- */

static void close_views(sk_window *w)
{
    for (unsigned i = 0; i < w->nviews; i++)
        if (sk_views[i]->close && w->memory[i])
            sk_views[i]->close(w->memory[i]);
    memset(w->memory, 0, sizeof w->memory);
}

static void free_runs(sk_window *w)
{
    for (unsigned i = 0; i < w->runs.n; i++) {
        if (w->runs.model[i] != w->model)
            sk_model_free(w->runs.model[i]);
        g_free((char *)w->runs.path[i]);
    }
    sk_runs_unlook(&w->runs);
    sk_model_free(w->model);
    w->model = NULL;
    w->runs.n = 0;
    memset(w->marks, 0, sizeof w->marks);
}

/* All that is about the model shown is made anew; how to show it stays. */
static void show(sk_window *w, sk_model *m, const char *path)
{
    sk_view_state was = w->state;
    char *old = w->path;
    close_views(w);
    w->model = m;
    w->path = g_strdup(path);
    g_free(old);
    if (m) {
        sk_view_state_init(&w->state, m);
        for (unsigned i = 0; i < w->nviews; i++)
            w->memory[i] = sk_views[i]->open ? sk_views[i]->open() : NULL;
    }
    w->state.theme = was.theme, w->state.scale = was.scale, w->state.motion = 1;
    w->state.critical = was.critical, w->state.flip = was.flip, w->state.all_edges = was.all_edges;
    w->state.runs = w->runs.n > 1 ? &w->runs : NULL;
    w->ndensity = 0;
    memset(w->eye, 0, sizeof w->eye);
    w->over = (sk_hit){ 0 };
    g_clear_pointer(&w->player.breaks, g_free);
    w->quiz = (sk_quiz){ 0 };
    sk_window_time_init(w);
    if (m && m->trouble)
        sk_window_say(w, "%s", m->trouble);
    w->stale = true;
}

void sk_window_show(sk_window *w, sk_model *m, const char *path)
{
    g_autofree char *name = g_strdup(path); /* it may be of what is freed */
    close_views(w);
    free_runs(w);
    show(w, m, name);
    if (m && path && !w->live)
        sk_start_remember(w->start, name);
}

void sk_window_add(sk_window *w, sk_model *m, const char *path)
{
    sk_runs *r = &w->runs;
    if (!r->n)
        r->model[0] = w->model, r->path[0] = g_strdup(w->path), r->n = 1;
    if (r->n < SK_RUNS)
        r->model[r->n] = m, r->path[r->n++] = g_strdup(path);
    else
        sk_model_free(m);
    sk_runs_look(r);
    w->state.runs = r;
    w->stale = true;
}

/* At the same time, as fast, with the same function picked out; each run has its own bookmarks. */
void sk_window_go_to_run(sk_window *w, unsigned run)
{
    sk_view_state was = w->state;
    sk_player *p = &w->player;
    const sk_model *before = w->model;
    unsigned speed = p->speed, here = sk_runs_find(&w->runs, w->model);
    if (w->runs.n < 2)
        return sk_window_say(w, "there is no other run; to compare some: skate view A.sktrace B.sktrace");
    run %= w->runs.n;
    bool end = was.step >= w->model->nsteps && was.ns <= w->model->last; /* after it: others may still go on */
    memcpy(w->marks[here].at, p->marks, sizeof p->marks);
    w->marks[here].n = p->nmarks;
    show(w, w->runs.model[run], w->runs.path[run]);
    memcpy(p->marks, w->marks[run].at, sizeof p->marks);
    p->nmarks = w->marks[run].n, p->speed = speed;
    w->state.normal = was.normal;
    w->state.fn = sk_runs_same_function(before, was.fn, w->model);
    if (was.step == 0)
        sk_window_to_step(w, 0);
    else if (!end)
        sk_window_seek(w, was.ns);
    sk_window_say(w, "%c: %s", 'A' + (int)run, w->path ? w->path : "?");
}

sk_window *sk_window_new(const sk_window_setup *setup)
{
    sk_window *w = g_new0(sk_window, 1);
    w->width = 1280, w->height = 720, w->unit = 1, w->x = -1;
    w->state.theme = setup->theme;
    w->state.scale = setup->scale > 0 ? CLAMP(setup->scale, .75f, 3) : 1;
    w->player.calm = setup->calm;
    w->live = setup->live;
    w->draw = sk_draw_new();
    while (sk_views[w->nviews] && w->nviews < SK_WINDOW_VIEWS)
        w->nviews++;
    for (unsigned i = 0; i < w->nviews; i++)
        if (setup->view && !strcmp(sk_views[i]->name, setup->view))
            w->view = i;
    w->start = sk_start_new(setup);
    sk_window_show(w, setup->model, setup->path);
    return w;
}

void sk_window_free(sk_window *w)
{
    if (!w)
        return;
    close_views(w);
    free_runs(w);
    sk_start_free(w->start);
    sk_draw_free(w->draw);
    g_free(w->path);
    g_free(w->picture);
    g_free(w->density);
    g_free(w->player.breaks);
    g_free(w);
}

void sk_window_say(sk_window *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *valid = g_utf8_make_valid(text, -1); /* it may come from a program, or be a file's name */
    g_snprintf(w->message, sizeof w->message, "%.*s", sk_model_fits(valid, sizeof w->message - 1), valid);
    w->message_until = w->player.now + SAY_NS;
    w->top_stale = true;
}

/* ---- Commands ---------------------------------------------------------------------------------------------------------------------- */

static void change_scale(sk_window *w, float by)
{
    static const float scales[] = { .75f, .9f, 1, 1.25f, 1.5f, 1.75f, 2, 2.5f, 3 };
    int at = 0;
    while (at + 1 < (int)G_N_ELEMENTS(scales) && scales[at] + .01f < w->state.scale)
        at++;
    at = CLAMP(at + (by > 0 ? 1 : -1), 0, (int)G_N_ELEMENTS(scales) - 1);
    w->state.scale = scales[at];
    sk_window_say(w, "text at %.0f %%", scales[at] * 100);
}

/* The worker that is picked, else the one that the selected task is, or was last, on. */
static const sk_model_worker *chosen_worker(const sk_window *w)
{
    if (w->state.worker < w->model->nworkers)
        return &w->model->workers[w->state.worker];
    uint32_t slice = w->state.task == SK_NO_INDEX ? SK_NO_INDEX : w->model->tasks[w->state.task].last_slice;
    return slice == SK_NO_INDEX ? NULL : &w->model->workers[w->model->slices[slice].worker];
}

/* Who is to be killed is settled now: when the answer comes, the task may be elsewhere. */
static void ask_to_kill(sk_window *w)
{
    const sk_model_worker *worker = chosen_worker(w);
    g_autofree char *not = g_strdup("");
    if (w->state.node < w->model->nnodes) {
        w->asked_node = w->model->nodes[w->state.node].node, w->asked_worker = -1;
        g_snprintf(w->question, sizeof w->question, "kill node %u, with all its workers and objects? Y: yes, any other key: no", w->asked_node);
    } else if (!worker) {
        return sk_window_say(w, "kill which worker? Select a task that has run there, or pick one in the Cluster view");
    } else {
        uint8_t state = w->state.task == SK_NO_INDEX ? SK_TASK_RUNNING : w->model->tasks[w->state.task].state;
        if (state != SK_TASK_RUNNING && state != SK_TASK_BLOCKED)
            g_free(not), not = g_strdup_printf(" Task %u does not run there now.", w->state.task + 1);
        w->asked_node = worker->node, w->asked_worker = worker->worker;
        g_snprintf(w->question, sizeof w->question, "kill worker %d of node %u?%s Y: yes, any other key: no", worker->worker, worker->node, not);
    }
    w->asking = true, w->top_stale = true;
}

static void answer(sk_window *w, bool yes)
{
    const sk_window_live *live = w->live;
    w->asking = false, w->top_stale = true;
    if (!yes)
        return;
    if (!live || !live->kill)
        return sk_window_say(w, "the run is over: there is no worker to kill");
    if (!live->kill(live->of, w->asked_node, w->asked_worker))
        return;
    if (w->asked_worker < 0)
        sk_window_say(w, "node %u is being killed", w->asked_node);
    else
        sk_window_say(w, "worker %d of node %u is being killed", w->asked_worker, w->asked_node);
}

static void do_live(sk_window *w, sk_command_id id)
{
    const sk_window_live *live = w->live;
    if (!live)
        return sk_window_say(w, "this run is over: there is nothing to hold back, or to kill");
    bool there = id == SK_DO_GATE ? live->gate != NULL : id == SK_DO_RELEASE ? live->release != NULL : live->kill != NULL;
    if (!there)
        return sk_window_say(w, "this run cannot %s", id == SK_DO_KILL ? "kill its workers" : "hold its tasks back");
    if (id == SK_DO_GATE) {
        if (live->gate(live->of, !w->held)) {
            w->held = !w->held;
            if (!w->held && w->player.stopped)
                w->player.playing = w->player.follow = true;
            w->player.stopped = false;
            sk_window_say(w, w->held ? "new tasks are held back; . lets one go" : "new tasks start again");
        }
    } else if (id == SK_DO_RELEASE) {
        if (live->release(live->of))
            sk_window_say(w, "one task may start");
    } else
        ask_to_kill(w);
}

static void ask_picture(sk_window *w)
{
    if (w->picture)
        return; /* of the same moment: two would be one */
    g_autofree char *name = w->path ? g_path_get_basename(w->path) : g_strdup("start");
    char *dot = strrchr(name, '.');
    if (dot && !w->live) /* a run's name may end with an address */
        *dot = 0;
    do { /* those of the last session stay */
        g_free(w->picture);
        w->picture = g_strdup_printf("%s-%s-%u.png", name, w->model ? sk_views[w->view]->name : "screen", ++w->pictures);
    } while (g_file_test(w->picture, G_FILE_TEST_EXISTS));
}

void sk_window_write(sk_window *w)
{
    if (!w->picture)
        return;
    sk_error err;
    sk_window_draw(w);
    if (sk_paint_png(w->draw, (int)w->width, (int)w->height, w->picture, &err))
        sk_window_say(w, "written: %s", w->picture);
    else
        sk_window_say(w, "%s", err.message);
    g_clear_pointer(&w->picture, g_free);
}

bool sk_window_is_live(const sk_window *w) { return w->live && w->live->take; }

/* Of a run that can be held, is it the run that Space means? Else the player, who shows what was before. */
static bool means_run(const sk_window *w) { return w->model && w->live && w->live->gate && (w->held || w->player.follow); }

bool sk_window_goes(const sk_window *w) { return means_run(w) ? !w->held : w->player.playing; }

/* At the live edge, to play is to let the run go on, and a step is one more task. */
static sk_command_id what_is_meant(const sk_window *w, sk_command_id id)
{
    bool edge = means_run(w) && w->held && (w->player.follow || w->state.step >= w->model->nsteps);
    return id == SK_DO_PLAY && means_run(w) ? SK_DO_GATE : id == SK_DO_STEP && edge ? SK_DO_RELEASE : id;
}

void sk_window_do(sk_window *w, sk_command_id id)
{
    w->top_stale = true;
    if (sk_window_predict_forbids(w, id))
        return;
    id = what_is_meant(w, id);
    switch (id) {
    case SK_DO_THEME: w->state.theme = w->state.theme == SK_THEME_LIGHT ? SK_THEME_DARK : SK_THEME_LIGHT; break;
    case SK_DO_LARGER: change_scale(w, 1); break;
    case SK_DO_SMALLER: change_scale(w, -1); break;
    case SK_DO_CALM:
        w->player.calm = !w->player.calm;
        sk_window_say(w, w->player.calm ? "things jump to their places" : "things move to their places");
        break;
    case SK_DO_EDGES:
        w->state.all_edges = !w->state.all_edges;
        sk_window_say(w, w->state.all_edges ? "all dependencies are drawn" : "dependencies are drawn where they can be read");
        break;
    case SK_DO_CRITICAL:
        if (!w->model)
            return;
        w->state.critical = !w->state.critical;
        break;
    case SK_DO_FLIP: w->state.flip = !w->state.flip; break;
    case SK_DO_PICTURE: ask_picture(w); return;
    case SK_DO_HELP: w->help = !w->help; return;
    case SK_DO_QUIT: w->done = true; return;
    case SK_DO_CLEAR:
        w->state.task = w->state.object = w->state.worker = w->state.node = w->state.fn = w->state.site = SK_NO_INDEX;
        break;
    default:
        if (!w->model || id >= SK_DO_VIEW)
            return;
        if (sk_window_time_do(w, id) || sk_window_look_do(w, id))
            return;
        return do_live(w, id);
    }
    w->stale = true;
}

static void show_view(sk_window *w, unsigned view)
{
    if (view >= w->nviews)
        return sk_window_say(w, "there are %u views: 1 ... %u", w->nviews, w->nviews);
    sk_view_state *s = &w->state;
    w->eye[w->view].zoom = s->zoom, w->eye[w->view].pan_x = s->pan_x, w->eye[w->view].pan_y = s->pan_y, w->eye[w->view].scroll = s->scroll;
    w->view = view;
    s->zoom = w->eye[view].zoom, s->pan_x = w->eye[view].pan_x, s->pan_y = w->eye[view].pan_y, s->scroll = w->eye[view].scroll;
    w->stale = true;
}

/* ---- Keys -------------------------------------------------------------------------------------------------------------------------- */

static void find_key(sk_window *w, uint32_t key)
{
    size_t n = strlen(w->find);
    char letter[7] = { 0 };
    if (key == SK_KEY_ESC || key == SK_KEY_ENTER) {
        w->finding = false;
        if (key == SK_KEY_ENTER)
            sk_window_find(w, 1);
    } else if (key == SK_KEY_BACK && n)
        *g_utf8_find_prev_char(w->find, w->find + n) = 0;
    else if (key >= ' ' && key < SK_KEY_UP && n + 6 < sizeof w->find && g_unichar_isprint(key)) {
        g_unichar_to_utf8(key, letter);
        strcat(w->find, letter);
    }
    w->top_stale = true;
}

static void press_key(sk_window *w, uint32_t key)
{
    if (w->asking)
        return answer(w, (key | 32) == 'y');
    if (w->finding && w->model)
        return find_key(w, key);
    if (w->help && (key == SK_KEY_ESC || key == '?')) {
        w->help = false, w->top_stale = true;
        return;
    }
    if (!w->model && !w->help && sk_start_key(w, key))
        return;
    if (w->quiz.on && w->model && sk_window_predict_key(w, key))
        return;
    if (key >= 'A' && key <= 'Z')
        key = (key + 32) | SK_SHIFT;
    sk_command_id id = sk_command_of(key);
    if (id == SK_COMMANDS && key & SK_SHIFT) /* with Shift held, or Caps Lock on, letters are letters */
        id = sk_command_of(key & ~(uint32_t)SK_SHIFT);
    if (id == SK_DO_VIEW && w->model)
        show_view(w, key - '1');
    else if (id < SK_COMMANDS)
        sk_window_do(w, id);
}

/* ---- The mouse --------------------------------------------------------------------------------------------------------------------- */

static bool inside(sk_rect r, float x, float y) { return x >= r.x && x < r.x + r.w && y >= r.y && y < r.y + r.h; }

static void seek_to_mouse(sk_window *w)
{
    sk_rect bar = sk_window_where(w).scrubber;
    double part = CLAMP((w->x - bar.x) / bar.w, 0.f, 1.f);
    sk_window_seek(w, w->model->first + (int64_t)(part * (double)(w->model->last - w->model->first)));
}

static void click(sk_window *w)
{
    sk_hit hit = w->over;
    switch (hit.what) {
    case SK_HIT_BUTTON:
        if (!w->model && hit.index >= SK_COMMANDS)
            sk_start_choose(w, hit.index - SK_COMMANDS);
        else
            sk_window_do(w, hit.index);
        break;
    case SK_HIT_VIEW: show_view(w, hit.index); break;
    case SK_HIT_ANSWER:
        if (hit.index < SK_PREDICT_MOST || w->quiz.told)
            sk_window_predict_answer(w, hit.index);
        break;
    default:
        if (w->help)
            w->help = false, w->top_stale = true;
        else if (w->model && inside(sk_window_where(w).frame, w->x, w->y))
            sk_window_click(w, hit);
    }
}

static void move_mouse(sk_window *w, float x, float y)
{
    float dx = x - w->x, dy = y - w->y, far = CLICK * sk_window_unit(w);
    w->x = x, w->y = y;
    switch (w->drag) {
    case SK_DRAG_PRESSED:
        if (hypotf(x - w->from_x, y - w->from_y) < far)
            return;
        w->drag = w->measure & SK_SHIFT ? SK_DRAG_MEASURE : SK_DRAG_PAN;
        dx = x - w->from_x, dy = y - w->from_y;
        if (w->drag == SK_DRAG_MEASURE) {
            w->top_stale = true;
            return;
        } /* fall through */
    case SK_DRAG_PAN: sk_window_pan(w, dx, dy); return;
    case SK_DRAG_TIME: seek_to_mouse(w); return;
    case SK_DRAG_MEASURE: w->top_stale = true; return;
    case SK_DRAG_NONE: break;
    }
    sk_window_draw(w);
    sk_hit over = w->draw->hits[sk_draw_at(w->draw, x, y)];
    if (over.tip || over.what != w->over.what || over.index != w->over.index)
        w->top_stale = true, w->stale |= !w->model; /* the tooltip goes along; the start screen shows what is chosen */
    w->over = over;
}

static void press_button(sk_window *w, const sk_input *in)
{
    move_mouse(w, in->x, in->y);
    w->from_x = in->x, w->from_y = in->y, w->measure = in->mods;
    bool bar = w->model && !w->help && w->over.what == SK_HIT_TIME && !inside(sk_window_where(w).frame, in->x, in->y);
    if (bar && sk_window_predict_forbids(w, SK_DO_FIRST))
        bar = false;
    bool answers = w->over.what == SK_HIT_ANSWER;
    w->drag = bar ? SK_DRAG_TIME : answers ? SK_DRAG_NONE : w->model && inside(sk_window_where(w).box, in->x, in->y) && !w->help ? SK_DRAG_PRESSED : SK_DRAG_NONE;
    if (bar)
        seek_to_mouse(w);
    else if (w->drag == SK_DRAG_NONE)
        click(w);
}

static void release_button(sk_window *w)
{
    sk_drag was = w->drag;
    w->drag = SK_DRAG_NONE;
    w->top_stale |= was == SK_DRAG_MEASURE;
    if (was == SK_DRAG_PRESSED)
        click(w);
}

static void turn_wheel(sk_window *w, const sk_input *in)
{
    if (!w->model || w->help)
        return;
    if (in->mods & SK_SHIFT)
        sk_window_pan(w, in->by * 60 * sk_window_unit(w), 0);
    else
        sk_window_zoom(w, w->x, w->y, powf(in->mods & SK_CTRL ? 1.05f : 1.25f, in->by));
}

void sk_window_input(sk_window *w, const sk_input *in)
{
    switch (in->kind) {
    case SK_INPUT_KEY: press_key(w, in->key); break;
    case SK_INPUT_MOVE: move_mouse(w, in->x, in->y); break;
    case SK_INPUT_PRESS: press_button(w, in); break;
    case SK_INPUT_RELEASE: release_button(w); break;
    case SK_INPUT_WHEEL: turn_wheel(w, in); break;
    case SK_INPUT_SIZE:
        w->width = MAX(in->x, 1), w->height = MAX(in->y, 1);
        w->unit = in->by > 0 ? in->by : w->unit;
        w->stale = true;
        break;
    case SK_INPUT_LEAVE:
        w->x = -1, w->over = (sk_hit){ 0 }, w->top_stale = true;
        break;
    case SK_INPUT_QUIT: w->done = true; break;
    }
}

/* ---- Time and drawing --------------------------------------------------------------------------------------------------------------- */

/* Takes what has come. What the frame tells of the run, beside its events, may have changed, too: its end, an error, what was lost. */
static void tick_live(sk_window *w)
{
    const sk_window_live *live = w->live;
    if (live->take && live->take(live->of, w->model) > 0)
        w->top_stale = true;
    if (live->is_held && w->held != live->is_held(live->of))
        w->held = !w->held, w->top_stale = true;
    if (w->asking && !live->kill)
        w->asking = false, w->top_stale = true;
    const char *why = live->refusal ? live->refusal(live->of) : NULL, *status = live->status ? live->status(live->of) : "";
    if (why)
        sk_window_say(w, "it does not: %s", why);
    if (strcmp(status, w->status) || w->error != w->model->error || w->dropped != w->model->dropped) {
        g_strlcpy(w->status, status, sizeof w->status);
        w->error = w->model->error, w->dropped = w->model->dropped;
        w->stale = true;
    }
}

int64_t sk_window_tick(sk_window *w, int64_t now)
{
    int64_t passed = w->player.now ? MAX(now - w->player.now, 0) : 0, pause = INT64_MAX;
    w->player.now = now;
    if (w->model && w->live)
        tick_live(w);
    if (w->model)
        pause = sk_window_time_tick(w, MIN(passed, 100000000)); /* after a hold-up time does not jump */
    else
        pause = sk_start_tick(w);
    if (*w->message && w->message_until <= now)
        *w->message = 0, w->top_stale = true;
    else if (*w->message)
        pause = MIN(pause, w->message_until - now);
    if (w->live && w->live->fd < 0 && w->live->take)
        pause = MIN(pause, 50000000);
    return w->stale || w->top_stale ? 0 : pause;
}

static void draw_frame(sk_window *w)
{
    sk_draw *d = w->draw;
    sk_draw_clear(d);
    d->ground = sk_palette_of(w->state.theme)->ground;
    if (w->model) {
        sk_window_places at = sk_window_where(w);
        sk_view_state s = w->state;
        s.scale = sk_window_unit(w);
        sk_frame_draw(sk_views[w->view], w->memory[w->view], w->model, &s, at.frame.w, at.frame.h, d);
    } else
        sk_start_draw(w, d);
    w->base = d->nitems, w->base_points = d->npoints, w->base_hits = d->nhits, w->base_clips = d->nclips, w->base_chars = d->nchars;
    w->serial++;
}

const sk_draw *sk_window_draw(sk_window *w)
{
    sk_draw *d = w->draw;
    if (!w->stale && !w->top_stale && w->serial)
        return d;
    if (w->stale || !w->serial)
        draw_frame(w);
    d->nitems = w->base, d->npoints = w->base_points, d->nhits = w->base_hits, d->nclips = w->base_clips, d->nchars = w->base_chars;
    w->over.tip = 0;
    if (w->x >= 0 && !w->drag) /* what it is over may have moved, or its words changed */
        w->over = d->hits[sk_draw_at(d, w->x, w->y)];
    sk_window_draw_top(w);
    if (w->x >= 0 && !w->drag) {
        sk_hit top = d->hits[sk_draw_at(d, w->x, w->y)];
        if (top.what != w->over.what || top.index != w->over.index) {
            w->over = top; /* a button: drawn once more, as it looks under the mouse */
            d->nitems = w->base, d->npoints = w->base_points, d->nclips = w->base_clips;
            sk_window_draw_top(w);
        }
    }
    w->stale = w->top_stale = false;
    return d;
}

void sk_window_print(const sk_window *w, FILE *out)
{
    const sk_view_state *s = &w->state;
    const sk_player *p = &w->player;
    fprintf(out, "screen %s\n", w->model ? sk_views[w->view]->name : "start");
    fprintf(out, "step %u\nns %" G_GINT64_FORMAT "\nmotion %.2f\n", s->step, s->ns, s->motion);
    fprintf(out, "playing %s\nfollow %s\nspeed %g\nequal %s\ncalm %s\n", p->playing ? "yes" : "no", p->follow ? "yes" : "no", sk_speeds[p->speed],
            p->equal ? "yes" : "no", p->calm ? "yes" : "no");
    fprintf(out, "task %u\nobject %u\nworker %u\nnode %u\nfn %u\n", s->task + 1, s->object + 1, s->worker + 1, s->node + 1, s->fn + 1); /* 0: none */
    fprintf(out, "from %" G_GINT64_FORMAT "\nto %" G_GINT64_FORMAT "\nzoom %.3f\npan_x %.1f\npan_y %.1f\n", s->from, s->to, s->zoom, s->pan_x, s->pan_y);
    unsigned run = sk_runs_find(&w->runs, w->model);
    fprintf(out, "run %u\nnormal %s\nscroll %.1f\n", w->runs.n ? run + 1 : 0, s->normal ? "yes" : "no", s->scroll);
    fprintf(out, "site %u\nfile %u\nrow %.1f\n", s->site + 1, s->file, s->row);
    fprintf(out, "scale %.2f\ntheme %s\nflip %s\nedges %s\ncritical %s\nfold %u\nunfolded %u\n", s->scale, s->theme == SK_THEME_DARK ? "dark" : "light",
            s->flip ? "yes" : "no", s->all_edges ? "all" : "some", s->critical ? "yes" : "no", s->fold, s->nunfolded);
    fprintf(out, "marks %u\nhelp %s\nfinding %s\nfind %s\nheld %s\nasking %s\ndone %s\n", p->nmarks, w->help ? "yes" : "no", w->finding ? "yes" : "no",
            w->find, w->held ? "yes" : "no", w->asking ? "yes" : "no", w->done ? "yes" : "no");
    fprintf(out, "quiz %s\nanswered %s\nasked %u\nright %u\nquestion %s\n", w->quiz.on ? "yes" : "no",
            !w->quiz.told ? "no" : w->quiz.chosen == w->quiz.question.right ? "right" : "wrong", w->quiz.asked, w->quiz.right,
            w->quiz.on ? w->quiz.question.text : "");
    fprintf(out, "message %s\n", w->message);
}
