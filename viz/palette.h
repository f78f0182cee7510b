/* palette.h -- the colours of the viewer, and what states look like. One place decides; views ask.
 *
 * The idea: a function has one look everywhere: a fill, and from the tenth function on a pattern over it. A state has a colour *and* a
 * shape (border, mark), so that nothing depends on seeing colours. Fills are Paul Tol's "light" set, which carries black text at 8:1; lines and
 * states are Okabe and Ito's, the darker of them on light ground. Colours are 0xRRGGBBAA; 0 is none. */
#ifndef SK_PALETTE_H
#define SK_PALETTE_H

#include <stdint.h>

typedef uint32_t sk_colour;
typedef enum sk_theme { SK_THEME_LIGHT, SK_THEME_DARK } sk_theme;
typedef enum sk_pattern { SK_PATTERN_NONE, SK_PATTERN_HATCH, SK_PATTERN_BACK_HATCH, SK_PATTERN_DOTS, SK_PATTERN_CROSS } sk_pattern;
typedef enum sk_sign { SK_SIGN_NONE, SK_SIGN_CHECK, SK_SIGN_CROSS, SK_SIGN_AGAIN, SK_SIGN_PLAY, SK_SIGN_PAUSE, SK_SIGN_STRIKE } sk_sign;

typedef struct sk_palette {
    sk_colour ground, panel, line, grid;         /* behind everything; of panels; their borders; faint lines */
    sk_colour text, dim, on_fill;                /* text; less important text; text on a function's fill */
    sk_colour edge, edge_strong;                 /* arrows of the graph; those of what is selected */
    sk_colour select, critical, now;             /* the halo of what is selected; the critical path; the time shown */
    const uint32_t *look; uint32_t nlooks;       /* by function, its look, where several runs share theirs (runs.h); of others, and NULL: its own number. Borrowed */
    sk_colour ready, running, done, failed, retried, cancelled, waiting, transfer; /* of lines, and of marks */
} sk_palette;

const sk_palette *sk_palette_of(sk_theme theme);

typedef struct sk_look { /* of a box */
    sk_colour fill, stroke, text;
    float width;       /* of the border, in units; 0: none */
    uint8_t pattern, dashed, sign;
} sk_look;

/* The looks of functions: 0, 1 ... differ as long as they can. */
sk_look sk_palette_look(const sk_palette *p, uint32_t look);
/* Of a function, by its place in the model (its first appearance). */
sk_look sk_palette_fn(const sk_palette *p, uint32_t fn);
/* Of a task of this function in this state (sk_task_state); `again`: it is not its first attempt. */
sk_look sk_palette_task(const sk_palette *p, uint32_t fn, unsigned state, int again);
/* Of a share of the workers' time (stats.h, spent.h). */
typedef enum sk_share { SK_SHARE_COMPUTE, SK_SHARE_TRANSFER, SK_SHARE_SCHEDULING, SK_SHARE_IDLE, SK_SHARES } sk_share;
sk_look sk_palette_share(const sk_palette *p, sk_share share);
/* Of a quantity: from 0, dark blue, to 1, yellow (cividis, which looks the same to those who do not see red and green). */
sk_colour sk_palette_heat(float part);
/* Between two colours: 0 is a, 1 is b. */
sk_colour sk_palette_mix(sk_colour a, sk_colour b, float part);

#endif
