/* predict.h -- questions about what comes next in a run, whose answers are in its log.
 *
 * The idea: at any step the model knows what happens later; so it can ask, offer the answer among others that are plausible, and say why. Which
 * question it is, and in which order the answers stand, follows from the step, and from what is not to be asked any more: the same run asks the same
 * questions.
 *
 *     sk_question q;
 *     unsigned over = 0;
 *     if (sk_predict_ask(m, k, &over, &q)) ... q.text, q.answer[0 .. q.answers - 1]; q.right, q.why; it shows at step q.shows
 */
#ifndef SK_PREDICT_H
#define SK_PREDICT_H

#include "model.h"

enum { SK_PREDICT_MOST = 4, SK_PREDICT_FEWEST = 3 }; /* answers */
enum { SK_PREDICT_GIVEN = 512 }; /* 15 arguments, 24 letters each, and what is between them */
typedef enum sk_predict_sort { SK_PREDICT_NEXT, SK_PREDICT_WORKER, SK_PREDICT_VALUE, SK_PREDICT_MAKESPAN, SK_PREDICT_SORTS } sk_predict_sort;

typedef struct sk_question {
    sk_predict_sort sort;
    sk_step asked, shows;                  /* at which step; and the one in which it happens: the same, if the log is not what answers */
    uint32_t task;                         /* whom it is about; SK_NO_INDEX: to be found out, or nobody */
    uint32_t answer_task;                  /* whom the answer is about; SK_NO_INDEX: nobody */
    char text[SK_PREDICT_GIVEN + 128], answer[SK_PREDICT_MOST][48], why[SK_PREDICT_GIVEN + 160];
    unsigned answers, right;
} sk_question;

/* A question at step k, or at the next one that has some. false: there is none up to step q->asked: m->nsteps, or, in a long run, as far as was looked;
 * go on from there. `over`: sorts (1 << sort) that are
 * not asked for; the caller begins a quiz with 0 and hands it on. A question about the whole run is the same at every step, so it is over once it
 * was asked, or cannot be. */
bool sk_predict_ask(const sk_model *m, sk_step k, unsigned *over, sk_question *q);

#endif
