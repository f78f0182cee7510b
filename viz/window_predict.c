/* window_predict.c -- predict mode: the run stands still, a question (predict.h) is asked about what comes next, and answered from the log.
 *
 * What is right is told, why, and how many of the answers were; then the run goes on to where it happened. While a question stands open, time does not
 * move: looking around does no harm. */
#include <glib.h>
#include <string.h>

#include "window_own.h"

#define FONT 12.f

static void leave(sk_window *w)
{
    sk_quiz *z = &w->quiz;
    z->on = false;
    w->top_stale = true;
    if (z->asked)
        sk_window_say(w, "%u of %u predicted", z->right, z->asked);
}

/* The next question from step k on; leaves if there is none. */
static void ask(sk_window *w, sk_step k)
{
    sk_quiz *z = &w->quiz;
    z->told = false;
    if (!sk_predict_ask(w->model, k, &z->over, &z->question)) {
        sk_step looked = z->question.asked;
        leave(w);
        if (looked < w->model->nsteps) {
            sk_window_to_step(w, looked);
            sk_window_say(w, "nothing to predict up to event %u: R looks on from there (%u of %u predicted so far)", looked, z->right, z->asked);
        } else if (z->asked)
            sk_window_say(w, "no more questions: %u of %u predicted", z->right, z->asked);
        else if (sk_window_is_live(w))
            sk_window_say(w, "nothing to predict here yet: let more happen, or go back (Home)");
        else if (k)
            sk_window_say(w, "nothing to predict from here on: go back first (Home)");
        else
            sk_window_say(w, w->model->last > w->model->first ? "nothing to predict in this run" : "nothing to predict: no time passes in this run");
        return;
    }
    if (z->question.asked != w->state.step)
        sk_window_to_step(w, z->question.asked);
    if (z->question.task != SK_NO_INDEX)
        sk_window_select(w, z->question.task);
}

void sk_window_predict(sk_window *w)
{
    sk_quiz *z = &w->quiz;
    if (z->on)
        return leave(w);
    *z = (sk_quiz){ .on = true };
    w->player.playing = w->player.follow = false; /* frozen where it is */
    w->stale = true;
    ask(w, w->state.step);
}

static void next(sk_window *w)
{
    const sk_question *q = &w->quiz.question;
    ask(w, MAX(q->shows, q->asked + 1));
}

void sk_window_predict_answer(sk_window *w, unsigned answer)
{
    sk_quiz *z = &w->quiz;
    const sk_question *q = &z->question;
    if (z->told)
        return next(w);
    if (answer >= q->answers)
        return sk_window_say(w, "there are %u answers: 1 to %u", q->answers, q->answers);
    z->told = true, z->chosen = answer;
    z->asked++;
    z->right += answer == q->right;
    if (q->shows != q->asked)
        sk_window_to_step(w, q->shows);
    if (q->answer_task != SK_NO_INDEX)
        sk_window_select(w, q->answer_task);
    w->player.playing = w->player.follow = false;
    w->top_stale = true;
}

bool sk_window_predict_key(sk_window *w, uint32_t key)
{
    sk_quiz *z = &w->quiz;
    if (key == SK_KEY_ESC)
        leave(w);
    else if (key >= '1' && key < '1' + SK_PREDICT_MOST)
        sk_window_predict_answer(w, key - '1');
    else if (z->told && (key == SK_KEY_ENTER || key == ' '))
        next(w);
    else
        return false;
    return true;
}

bool sk_window_predict_forbids(sk_window *w, sk_command_id id)
{
    if (!w->quiz.on || sk_commands[id].group != SK_GROUP_TIME || id == SK_DO_PREDICT || id == SK_DO_BREAK || id == SK_DO_MARK)
        return false;
    sk_window_say(w, w->quiz.told ? "Enter: the next question; Esc: leave predict mode" : "answer first, or leave predict mode: Esc");
    return true;
}

/* ---- Drawing ----------------------------------------------------------------------------------------------------------------------------- */

/* Words in lines no wider than this, from y on; returns where the next line would be. out NULL: only that. */
static float wrapped(sk_draw *out, const char *text, float x, float y, float wide, sk_font font, float size, sk_colour colour)
{
    g_auto(GStrv) word = g_strsplit(text, " ", -1);
    g_autoptr(GString) line = g_string_new(NULL);
    for (unsigned i = 0; word[i]; i++) {
        size_t had = line->len;
        g_string_append_printf(line, "%s%s", had ? " " : "", word[i]);
        bool over = had && sk_draw_width(line->str, font, size) > wide;
        if (over)
            g_string_truncate(line, had);
        if (over || !word[i + 1]) {
            if (out)
                sk_draw_label(out, (sk_rect){ x, y, wide + size, 1.5f * size }, line->str, font, size, SK_LEFT, colour);
            y += 1.5f * size;
            g_string_assign(line, over ? word[i] : "");
            if (over && !word[i + 1]) { /* the last word has a line of its own */
                if (out)
                    sk_draw_label(out, (sk_rect){ x, y, wide + size, 1.5f * size }, line->str, font, size, SK_LEFT, colour);
                y += 1.5f * size;
            }
        }
    }
    return y;
}

static void draw_answer(sk_window *w, unsigned i, sk_rect box, float u)
{
    const sk_palette *p = sk_palette_of(w->state.theme);
    const sk_quiz *z = &w->quiz;
    bool over = w->over.what == SK_HIT_ANSWER && w->over.index == i, right = z->told && i == z->question.right,
         wrong = z->told && i == z->chosen && !right;
    sk_colour stroke = right ? p->ready : wrong ? p->failed : p->line;
    g_autofree char *text = g_strdup_printf("%u   %s", i + 1, z->question.answer[i]);
    sk_draw_hit(w->draw, SK_HIT_ANSWER, i, NULL);
    sk_draw_rect(w->draw, box, &(sk_pen){ .fill = over && !z->told ? sk_palette_mix(p->panel, p->text, .15f) : p->ground, .stroke = stroke,
                                          .width = (right || wrong ? 2.5f : 1) * u, .radius = 4 * u });
    sk_draw_label(w->draw, (sk_rect){ box.x + 10 * u, box.y, box.w - 34 * u, box.h }, text, right ? SK_FONT_BOLD : SK_FONT, FONT * u, SK_LEFT,
                  z->told && !right && !wrong ? p->dim : p->text);
    if (right || wrong)
        sk_draw_sign(w->draw, right ? SK_SIGN_CHECK : SK_SIGN_CROSS, (sk_rect){ box.x + box.w - 20 * u, box.y + box.h / 2 - 6 * u, 12 * u, 12 * u }, stroke);
    sk_draw_hit(w->draw, SK_HIT_NONE, 0, NULL);
}

typedef struct sheet { /* the question, as large as this unit makes it */
    float u, size, pad, wide, inside, row, scored, high;
    unsigned columns, rows;
} sheet;

static sheet measure(const sk_question *q, const char *score, const char *verdict, unsigned answers, float room, float u)
{
    sheet s = { .u = u, .size = FONT * u, .pad = 12 * u, .wide = MIN(620 * u, room - 12 * u), .row = 26 * u };
    s.inside = s.wide - 2 * s.pad;
    s.columns = s.inside > 380 * u ? 2 : 1;
    s.rows = (answers + s.columns - 1) / s.columns;
    s.scored = sk_draw_width(score, SK_FONT, s.size) + 12 * u;
    s.high = wrapped(NULL, q->text, 0, s.pad, s.inside - s.scored, SK_FONT_BOLD, 1.1f * s.size, 0) + 6 * u + (float)s.rows * (s.row + 5 * u) +
             (*verdict ? wrapped(NULL, verdict, 0, 0, s.inside, SK_FONT, s.size, 0) + 6 * u : 0) + 1.6f * s.size + .5f * s.pad;
    return s;
}

/* Where the window is too low for it, it gets smaller; once it is told, the answers that were neither given nor right go first. */
void sk_window_predict_draw(sk_window *w)
{
    const sk_palette *p = sk_palette_of(w->state.theme);
    const sk_quiz *z = &w->quiz;
    const sk_question *q = &z->question;
    sk_draw *d = w->draw;
    sk_rect area = sk_window_where(w).box;
    bool good = z->told && z->chosen == q->right, all = true;
    g_autofree char *score = z->asked ? g_strdup_printf("%u of %u right", z->right, z->asked) : g_strdup("predict");
    g_autofree char *verdict = z->told ? g_strdup_printf("%s %s", good ? "Right." : "Not so.", q->why) : g_strdup("");
    sheet s = measure(q, score, verdict, q->answers, area.w, sk_window_unit(w));
    if (s.wide < 90 * s.u) /* hardly a window */
        return;
    if (z->told && s.high > w->height)
        all = false, s = measure(q, score, verdict, good ? 1 : 2, area.w, s.u);
    for (unsigned i = 0; i < 12 && s.high > w->height; i++)
        s = measure(q, score, verdict, all ? q->answers : good ? 1 : 2, area.w, .9f * s.u);
    float u = s.u, size = s.size, pad = s.pad, wide = s.wide, inside = s.inside, scored = s.scored, row = s.row;
    sk_rect box = { area.x + (area.w - wide) / 2, MAX(area.y + area.h - s.high - 10 * u, 0), wide, s.high };
    sk_draw_hit(d, SK_HIT_ANSWER, SK_PREDICT_MOST, NULL); /* a click beside the answers: on to the next, once it is told */
    sk_draw_rect(d, (sk_rect){ box.x + 3 * u, box.y + 3 * u, box.w, box.h }, &(sk_pen){ .fill = 0x00000030, .radius = 5 * u });
    sk_draw_rect(d, box, &(sk_pen){ .fill = p->panel, .stroke = p->select, .width = 1.5f * u, .radius = 5 * u });
    float x = box.x + pad, y = wrapped(d, q->text, x, box.y + pad, inside - scored, SK_FONT_BOLD, 1.1f * size, p->text) + 6 * u;
    sk_draw_label(d, (sk_rect){ box.x + box.w - pad - scored, box.y + pad, scored, 1.5f * size }, score, SK_FONT, size, SK_RIGHT, p->dim);
    for (unsigned i = 0, n = 0; i < q->answers; i++) {
        float w_one = (inside - (float)(s.columns - 1) * 8 * u) / (float)s.columns;
        if (!all && i != q->right && i != z->chosen)
            continue;
        draw_answer(w, i, (sk_rect){ x + (float)(n % s.columns) * (w_one + 8 * u), y + (float)(n / s.columns) * (row + 5 * u), w_one, row }, u);
        n++;
    }
    y += (float)s.rows * (row + 5 * u);
    sk_draw_hit(d, SK_HIT_ANSWER, SK_PREDICT_MOST, NULL);
    if (z->told)
        y = wrapped(d, verdict, x, y, inside, SK_FONT, size, p->text) + 6 * u;
    sk_draw_label(d, (sk_rect){ x, y, inside, 1.6f * size }, z->told ? "Enter: the next question    Esc: leave" : "1, 2 ... or a click    Esc: leave", SK_FONT, .9f * size,
                  SK_LEFT, p->dim);
    sk_draw_hit(d, SK_HIT_NONE, 0, NULL);
}
