/* window_time.c -- the player: show time moves trace time. Speeds, steps, bookmarks, breakpoints.
 *
 * Motion (VIEWER.md 4c): what a step changed moves to its place in MOVE of show time. Where events follow each other faster than that can be
 * watched, nothing moves: it is there. */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "window_own.h"

#define MS 1000000ll
#define MOVE (250 * MS)     /* of one change */
#define LEAST (120 * MS)    /* between events whose motion is shown; the fastest of "the same time for each" */
#define EVENT (500 * MS)    /* an event's share at the usual speed */

const double sk_speeds[SK_SPEEDS] = { .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10 };

static sk_step now_step(const sk_window *w) { return w->state.step; }

static void settle(sk_window *w) { w->state.motion = 1; }

static void start_motion(sk_window *w)
{
    w->player.moved = w->player.now;
    w->state.motion = w->player.calm ? 1 : 0;
}

void sk_window_time_init(sk_window *w)
{
    sk_player *p = &w->player;
    *p = (sk_player){ .calm = p->calm, .now = p->now };
    p->follow = p->playing = w->live != NULL;
    /* all of it in about twelve seconds; as it is, if there is nothing yet; where no time passes, event by event */
    int64_t length = w->model ? w->model->last - w->model->first : 0;
    double speed = length > 0 ? (double)length / (12000.0 * MS) : 1;
    p->equal = length == 0 && w->model && w->model->nsteps > 0 && !w->live;
    while (p->speed + 1 < SK_SPEEDS && sk_speeds[p->speed] < speed)
        p->speed++;
}

/* The live edge is followed, or left: then what was there stays to be looked at. */
static void follow(sk_window *w, bool on)
{
    if (on)
        w->player.follow = w->player.playing = true;
    else if (w->player.follow)
        w->player.follow = w->player.playing = false;
}

void sk_window_seek(sk_window *w, int64_t ns)
{
    sk_view_seek(&w->state, w->model, CLAMP(ns, MIN((int64_t)0, w->model->first), w->model->last));
    follow(w, false);
    settle(w);
    w->stale = true;
}

void sk_window_to_step(sk_window *w, sk_step k)
{
    sk_view_step(&w->state, w->model, MIN(k, w->model->nsteps));
    follow(w, sk_window_is_live(w) && k >= w->model->nsteps);
    settle(w);
    w->stale = true;
}

/* ---- Commands ---------------------------------------------------------------------------------------------------------------------- */

static void one_step(sk_window *w, int way)
{
    sk_step k = now_step(w);
    w->player.playing = w->player.follow;
    if (way > 0 && k >= w->model->nsteps)
        return sk_window_say(w, sk_window_is_live(w) ? "this is now" : "this is the end");
    if (way < 0 && k == 0)
        return sk_window_say(w, "this is the start");
    sk_window_to_step(w, k + way);
    if (way > 0)
        start_motion(w);
}

void sk_window_mark_at(sk_window *w, sk_step k)
{
    sk_player *p = &w->player;
    uint32_t i = 0;
    while (i < p->nmarks && p->marks[i] < k)
        i++;
    bool there = i < p->nmarks && p->marks[i] == k;
    if (there)
        memmove(&p->marks[i], &p->marks[i + 1], (--p->nmarks - i) * sizeof p->marks[0]);
    else if (p->nmarks == SK_WINDOW_MARKS)
        return sk_window_say(w, "there are %d bookmarks already; take one away with M", SK_WINDOW_MARKS);
    else {
        memmove(&p->marks[i + 1], &p->marks[i], (p->nmarks++ - i) * sizeof p->marks[0]);
        p->marks[i] = k;
    }
    sk_window_say(w, there ? "the bookmark is gone" : "bookmark at event %u; { and } go there", k);
}

static void to_mark(sk_window *w, int way)
{
    const sk_player *p = &w->player;
    for (uint32_t i = 0; i < p->nmarks; i++) {
        sk_step k = p->marks[way > 0 ? i : p->nmarks - 1 - i];
        if (way > 0 ? k > now_step(w) : k < now_step(w))
            return sk_window_to_step(w, k);
    }
    sk_window_say(w, p->nmarks ? "there is no bookmark further on this way" : "there are no bookmarks; M makes one");
}

static void toggle_break(sk_window *w)
{
    sk_player *p = &w->player;
    uint32_t fn = w->state.fn != SK_NO_INDEX     ? w->state.fn
                  : w->state.task != SK_NO_INDEX ? w->model->tasks[w->state.task].fn
                                                 : SK_NO_INDEX;
    if (fn == SK_NO_INDEX)
        return sk_window_say(w, "stop at which function? Click one in the legend, or a task of it, then B");
    if (fn >= p->nbreaks) {
        p->breaks = g_realloc(p->breaks, fn + 1);
        memset(p->breaks + p->nbreaks, 0, fn + 1 - p->nbreaks);
        p->nbreaks = fn + 1;
    }
    p->breaks[fn] ^= 1;
    sk_window_say(w, p->breaks[fn] ? "playing stops where %s starts" : "playing no longer stops at %s", w->model->fns[fn].name);
}

static void change_speed(sk_window *w, int by)
{
    sk_player *p = &w->player;
    if (by < 0 ? p->speed == 0 : p->speed + 1 == SK_SPEEDS)
        return sk_window_say(w, by < 0 ? "slower than that is step by step: . and ," : "this is the fastest");
    p->speed = (unsigned)((int)p->speed + by);
    w->top_stale = true;
}

static void toggle_play(sk_window *w)
{
    sk_player *p = &w->player;
    bool play = !p->playing, end = now_step(w) >= w->model->nsteps, live = sk_window_is_live(w);
    if (play && end && !live)
        sk_window_to_step(w, 0); /* once more */
    p->playing = play;
    p->follow = play && end && live;
    p->rest = 0;
    w->top_stale = true;
}

bool sk_window_time_do(sk_window *w, sk_command_id id)
{
    switch (id) {
    case SK_DO_PLAY: toggle_play(w); break;
    case SK_DO_STEP: one_step(w, 1); break;
    case SK_DO_BACK: one_step(w, -1); break;
    case SK_DO_FASTER: change_speed(w, 1); break;
    case SK_DO_SLOWER: change_speed(w, -1); break;
    case SK_DO_EQUAL:
        w->player.equal = !w->player.equal;
        sk_window_say(w, w->player.equal ? "each event takes the same time" : "time passes as it did");
        break;
    case SK_DO_FIRST: sk_window_to_step(w, 0); break;
    case SK_DO_LAST: sk_window_to_step(w, w->model->nsteps); break;
    case SK_DO_BREAK: toggle_break(w); break;
    case SK_DO_PREDICT: sk_window_predict(w); break;
    case SK_DO_MARK: sk_window_mark_at(w, now_step(w)); break;
    case SK_DO_PREVIOUS_MARK: to_mark(w, -1); break;
    case SK_DO_NEXT_MARK: to_mark(w, 1); break;
    default: return false;
    }
    return true;
}

/* ---- Playing ----------------------------------------------------------------------------------------------------------------------- */

static bool is_break(const sk_window *w, sk_step k)
{
    const sk_model_event *e = &w->model->events[k - 1];
    if (e->type != SK_TRACE_TASK || e->to != SK_TASK_RUNNING || e->from == SK_TASK_BLOCKED)
        return false;
    uint32_t fn = w->model->tasks[e->index].fn;
    return fn < w->player.nbreaks && w->player.breaks[fn];
}

/* A run that is followed has gone on meanwhile, and goes on, unless it can be held. */
static void stop_at(sk_window *w, uint32_t task)
{
    const sk_window_live *live = w->live;
    bool followed = w->player.follow, can_hold = followed && live && live->gate && !w->held;
    w->player.playing = w->player.follow = false;
    sk_window_select(w, task);
    if (can_hold && live->gate(live->of, true))
        w->held = w->player.stopped = true;
    const char *how = !followed || !sk_window_is_live(w) ? "" : w->held ? "; new tasks are held back, Space lets them go" : "; the run itself goes on, End follows it again";
    sk_window_say(w, "stopped: %s starts (task %u)%s", sk_model_name(w->model, task), task + 1, how);
}

/* On to step k, or to the first before it where a breakpoint is. True: playing has stopped there. */
static bool advance(sk_window *w, sk_step k)
{
    sk_step from = now_step(w), stop = w->player.nbreaks ? from : k;
    bool hit = false;
    while (stop < k && !hit)
        hit = is_break(w, ++stop);
    if (stop > from) {
        sk_view_step(&w->state, w->model, stop);
        if (stop == from + 1 && w->player.now - w->player.moved >= LEAST)
            start_motion(w);
        else
            w->player.moved = w->player.now, settle(w);
    }
    if (hit)
        stop_at(w, w->model->events[stop - 1].index);
    return hit;
}

static void play(sk_window *w, int64_t passed)
{
    const sk_model *m = w->model;
    sk_player *p = &w->player;
    double speed = sk_speeds[p->speed];
    if (p->equal) {
        double share = MAX(EVENT / (speed / sk_speeds[SK_NORMAL_SPEED]), LEAST);
        share = MIN(share, 10 * EVENT);
        p->rest += passed / share;
        while (p->rest >= 1 && now_step(w) < m->nsteps) {
            p->rest -= 1;
            if (advance(w, now_step(w) + 1))
                return;
        }
    } else {
        p->rest += passed * speed;
        int64_t whole = (int64_t)p->rest, to = MIN(w->state.ns + whole, MAX(m->last, w->state.ns));
        p->rest -= whole;
        if (advance(w, MAX(sk_model_step_at(m, to), now_step(w))))
            return;
        w->state.ns = MAX(to, w->state.ns);
    }
    if (now_step(w) >= m->nsteps)
        p->playing = p->follow = sk_window_is_live(w); /* what was before is over: from here on, what is */
}

int64_t sk_window_time_tick(sk_window *w, int64_t passed)
{
    sk_player *p = &w->player;
    const sk_model *m = w->model;
    if (p->follow && now_step(w) < m->nsteps) {
        if (!advance(w, m->nsteps))
            settle(w);
        w->stale = true;
    } else if (p->playing && passed > 0 && !(p->follow && sk_window_is_live(w))) {
        int64_t ns = w->state.ns;
        sk_step k = now_step(w);
        play(w, passed);
        w->stale |= ns != w->state.ns || k != now_step(w);
        w->top_stale = true;
    }
    if (w->state.motion < 1) {
        float t = CLAMP((float)(p->now - p->moved) / MOVE, 0, 1);
        w->state.motion = p->calm ? 1 : t < .5f ? 4 * t * t * t : 1 - powf(2 - 2 * t, 3) / 2; /* slow in, slow out */
        w->stale = true;
    }
    bool waits = p->playing && now_step(w) >= m->nsteps; /* for a live run to go on */
    return (p->playing && !waits) || w->state.motion < 1 ? 0 : INT64_MAX;
}
