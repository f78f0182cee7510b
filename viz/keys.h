/* keys.h -- what the window can be told, and by which key: one table, from which come the keys, the buttons, the `?` overlay and --help.
 *
 * A key is a character ('a', '?', ' '), or one of SK_KEY_..., with SK_CTRL or SK_SHIFT added. Characters carry no SK_SHIFT: '<' is '<' on any
 * keyboard, and letters are small. What cannot be done in a window (no live run, no task selected) says why when it is tried. */
#ifndef SK_KEYS_H
#define SK_KEYS_H

#include <stdint.h>
#include <stdio.h>

enum {
    SK_KEY_BACK = 8, SK_KEY_TAB = 9, SK_KEY_ENTER = 13, SK_KEY_ESC = 27,
    SK_KEY_UP = 0x110000, SK_KEY_DOWN, SK_KEY_LEFT, SK_KEY_RIGHT, SK_KEY_HOME, SK_KEY_END, SK_KEY_F12,
    SK_CTRL = 1 << 24, SK_SHIFT = 1 << 25
};

typedef enum sk_command_id {
    SK_DO_PLAY, SK_DO_STEP, SK_DO_BACK, SK_DO_FASTER, SK_DO_SLOWER, SK_DO_EQUAL, SK_DO_FIRST, SK_DO_LAST, SK_DO_BREAK, SK_DO_MARK,
    SK_DO_PREVIOUS_MARK, SK_DO_NEXT_MARK, SK_DO_PREDICT,
    SK_DO_ZOOM_IN, SK_DO_ZOOM_OUT, SK_DO_LEFT, SK_DO_RIGHT, SK_DO_UP, SK_DO_DOWN, SK_DO_FIT, SK_DO_TO_SELECTION,
    SK_DO_FIND, SK_DO_FIND_NEXT, SK_DO_FIND_PREVIOUS, SK_DO_NEXT_TASK, SK_DO_PREVIOUS_TASK, SK_DO_NEXT_HERE, SK_DO_PREVIOUS_HERE,
    SK_DO_CRITICAL, SK_DO_EDGES, SK_DO_FOLD, SK_DO_FLIP, SK_DO_TURN, SK_DO_NEXT_RUN, SK_DO_THEME, SK_DO_LARGER, SK_DO_SMALLER, SK_DO_CALM,
    SK_DO_GATE, SK_DO_RELEASE, SK_DO_KILL,
    SK_DO_VIEW, SK_DO_PICTURE, SK_DO_HELP, SK_DO_CLEAR, SK_DO_QUIT,
    SK_COMMANDS
} sk_command_id;

typedef enum sk_command_group { SK_GROUP_TIME, SK_GROUP_LOOK, SK_GROUP_FIND, SK_GROUP_SHOW, SK_GROUP_LIVE, SK_GROUP_WINDOW, SK_GROUPS } sk_command_group;

typedef struct sk_command {
    const char *name, *words;   /* for scripts; for people */
    uint32_t key[3];            /* 0: none. SK_DO_VIEW has '1', and means the digits from there on */
    uint8_t group;
} sk_command;

extern const sk_command sk_commands[SK_COMMANDS];
extern const char *const sk_command_groups[SK_GROUPS];

/* The command of a key, SK_COMMANDS if it has none. */
sk_command_id sk_command_of(uint32_t key);
/* "Ctrl+F". In buf, which it returns. */
const char *sk_key_name(uint32_t key, char buf[24]);
/* The keys of a command: "+ = Ctrl++". In buf, which it returns. */
const char *sk_command_keys(sk_command_id id, char buf[80]);
/* The key with this name; 0: there is none. */
uint32_t sk_key_named(const char *name);
/* All of the table, for --help. */
void sk_keys_print(FILE *out);

#endif
