/* keys.c -- the table of keys.h. */
#include "keys.h"

#include <string.h>

#include "view.h"

#define CTRL(key) (SK_CTRL | (key))
#define SHIFT(key) (SK_SHIFT | (key))

/* clang-format off */
const sk_command sk_commands[SK_COMMANDS] = {
    [SK_DO_PLAY]          = { "play", "play, pause", { ' ' }, SK_GROUP_TIME },
    [SK_DO_STEP]          = { "step", "next event", { '.' }, SK_GROUP_TIME },
    [SK_DO_BACK]          = { "back", "event before", { ',' }, SK_GROUP_TIME },
    [SK_DO_FASTER]        = { "faster", "faster", { ']' }, SK_GROUP_TIME },
    [SK_DO_SLOWER]        = { "slower", "slower", { '[' }, SK_GROUP_TIME },
    [SK_DO_EQUAL]         = { "equal", "the same time for each event", { 'x' }, SK_GROUP_TIME },
    [SK_DO_FIRST]         = { "first", "to the start", { SK_KEY_HOME }, SK_GROUP_TIME },
    [SK_DO_LAST]          = { "last", "to the end; live: follow", { SK_KEY_END }, SK_GROUP_TIME },
    [SK_DO_BREAK]         = { "break", "stop where the selected function starts", { 'b' }, SK_GROUP_TIME },
    [SK_DO_MARK]          = { "mark", "bookmark here, or take it away", { 'm' }, SK_GROUP_TIME },
    [SK_DO_PREVIOUS_MARK] = { "previous-mark", "bookmark before", { '{' }, SK_GROUP_TIME },
    [SK_DO_NEXT_MARK]     = { "next-mark", "next bookmark", { '}' }, SK_GROUP_TIME },
    [SK_DO_PREDICT]       = { "predict", "predict what comes next: questions", { 'r' }, SK_GROUP_TIME },

    [SK_DO_ZOOM_IN]       = { "zoom-in", "closer (or: wheel, Ctrl+wheel finely)", { 'w' }, SK_GROUP_LOOK },
    [SK_DO_ZOOM_OUT]      = { "zoom-out", "further away", { 's' }, SK_GROUP_LOOK },
    [SK_DO_LEFT]          = { "left", "to the left (or: drag, Shift+wheel)", { 'a', SK_KEY_LEFT }, SK_GROUP_LOOK },
    [SK_DO_RIGHT]         = { "right", "to the right", { 'd', SK_KEY_RIGHT }, SK_GROUP_LOOK },
    [SK_DO_UP]            = { "up", "up", { SK_KEY_UP }, SK_GROUP_LOOK },
    [SK_DO_DOWN]          = { "down", "down", { SK_KEY_DOWN }, SK_GROUP_LOOK },
    [SK_DO_FIT]           = { "fit", "all of it", { '0' }, SK_GROUP_LOOK },
    [SK_DO_TO_SELECTION]  = { "to-selection", "closer to what is selected", { 'f' }, SK_GROUP_LOOK },

    [SK_DO_FIND]          = { "find", "find: a function, a name, a number, a state", { '/', CTRL('f') }, SK_GROUP_FIND },
    [SK_DO_FIND_NEXT]     = { "find-next", "next that was found", { 'n' }, SK_GROUP_FIND },
    [SK_DO_FIND_PREVIOUS] = { "find-previous", "the one before", { SHIFT('n') }, SK_GROUP_FIND },
    [SK_DO_NEXT_TASK]     = { "next-task", "next task", { SK_KEY_TAB }, SK_GROUP_FIND },
    [SK_DO_PREVIOUS_TASK] = { "previous-task", "task before", { SHIFT(SK_KEY_TAB) }, SK_GROUP_FIND },
    [SK_DO_NEXT_HERE]     = { "next-here", "next task on the same worker", { '>' }, SK_GROUP_FIND },
    [SK_DO_PREVIOUS_HERE] = { "previous-here", "task before on the same worker", { '<' }, SK_GROUP_FIND },

    [SK_DO_CRITICAL]      = { "critical", "the critical path: the longest chain of work", { 'p' }, SK_GROUP_SHOW },
    [SK_DO_EDGES]         = { "edges", "all dependencies, or those that can be read", { 'e' }, SK_GROUP_SHOW },
    [SK_DO_FOLD]          = { "fold", "fold into groups, unfold (or: click a group)", { 'g' }, SK_GROUP_SHOW },
    [SK_DO_FLIP]          = { "flip", "graph downwards, or to the right", { 'o' }, SK_GROUP_SHOW },
    [SK_DO_TURN]          = { "turn", "compare: parts or time; code: next file", { 'z' }, SK_GROUP_SHOW },
    [SK_DO_NEXT_RUN]      = { "next-run", "the next of the runs that are compared", { 'u' }, SK_GROUP_SHOW },
    [SK_DO_THEME]         = { "theme", "dark, light", { 't' }, SK_GROUP_SHOW },
    [SK_DO_LARGER]        = { "larger", "larger text", { '+', '=', CTRL('+') }, SK_GROUP_SHOW },
    [SK_DO_SMALLER]       = { "smaller", "smaller text", { '-', CTRL('-') }, SK_GROUP_SHOW },
    [SK_DO_CALM]          = { "calm", "without motion, with motion", { 'v' }, SK_GROUP_SHOW },

    [SK_DO_GATE]          = { "gate", "hold new tasks back, let them go", { 'h' }, SK_GROUP_LIVE },
    [SK_DO_RELEASE]       = { "release", "let one task go", { 'l' }, SK_GROUP_LIVE },
    [SK_DO_KILL]          = { "kill", "kill what is picked in Cluster, else the selected task's worker (asks)", { 'k' }, SK_GROUP_LIVE },

    [SK_DO_VIEW]          = { "view", "the views", { '1' }, SK_GROUP_WINDOW },
    [SK_DO_PICTURE]       = { "picture", "write what is seen to a PNG file", { SK_KEY_F12 }, SK_GROUP_WINDOW },
    [SK_DO_HELP]          = { "help", "these keys", { '?' }, SK_GROUP_WINDOW },
    [SK_DO_CLEAR]         = { "clear", "close, select nothing", { SK_KEY_ESC }, SK_GROUP_WINDOW },
    [SK_DO_QUIT]          = { "quit", "quit", { 'q', CTRL('q') }, SK_GROUP_WINDOW },
};
const char *const sk_command_groups[SK_GROUPS] = { "Time", "Look around", "Find", "Show", "A live run", "Window" };

static const struct { uint32_t key; const char *name; } names[] = {
    { SK_KEY_BACK, "Backspace" }, { SK_KEY_TAB, "Tab" }, { SK_KEY_ENTER, "Enter" }, { SK_KEY_ESC, "Esc" }, { ' ', "Space" },
    { SK_KEY_UP, "Up" }, { SK_KEY_DOWN, "Down" }, { SK_KEY_LEFT, "Left" }, { SK_KEY_RIGHT, "Right" },
    { SK_KEY_HOME, "Home" }, { SK_KEY_END, "End" }, { SK_KEY_F12, "F12" },
};
/* clang-format on */
enum { NAMES = sizeof names / sizeof names[0] };

sk_command_id sk_command_of(uint32_t key)
{
    if (key >= '1' && key <= '9')
        return SK_DO_VIEW;
    for (int id = 0; id < SK_COMMANDS; id++)
        for (int i = 0; i < 3; i++)
            if (key && sk_commands[id].key[i] == key)
                return id;
    return SK_COMMANDS;
}

const char *sk_key_name(uint32_t key, char buf[24])
{
    uint32_t plain = key & ~(uint32_t)(SK_CTRL | SK_SHIFT);
    const char *name = NULL;
    for (int i = 0; i < NAMES; i++)
        if (names[i].key == plain)
            name = names[i].name;
    char letter[2] = { (char)(plain >= 'a' && plain <= 'z' ? plain - 32 : plain), 0 };
    snprintf(buf, 24, "%s%s%s", key & SK_CTRL ? "Ctrl+" : "", key & SK_SHIFT ? "Shift+" : "", name ? name : letter);
    return buf;
}

const char *sk_command_keys(sk_command_id id, char buf[80])
{
    char one[24];
    *buf = 0;
    if (id == SK_DO_VIEW) {
        unsigned n = 0;
        while (sk_views[n])
            n++;
        snprintf(buf, 80, "1 ... %u", n);
        return buf;
    }
    for (int i = 0; i < 3 && sk_commands[id].key[i]; i++)
        snprintf(buf + strlen(buf), 80 - strlen(buf), "%s%s", i ? "  " : "", sk_key_name(sk_commands[id].key[i], one));
    return buf;
}

uint32_t sk_key_named(const char *name)
{
    uint32_t with = 0;
    for (;;)
        if (!strncmp(name, "Ctrl+", 5) && name[5])
            with |= SK_CTRL, name += 5;
        else if (!strncmp(name, "Shift+", 6) && name[6])
            with |= SK_SHIFT, name += 6;
        else
            break;
    for (int i = 0; i < NAMES; i++)
        if (!strcmp(names[i].name, name))
            return with | names[i].key;
    unsigned char c = (unsigned char)name[0];
    if (c < 33 || c > 126 || name[1])
        return 0;
    return with | (c >= 'A' && c <= 'Z' ? c + 32u : c);
}

void sk_keys_print(FILE *out)
{
    char keys[80];
    for (int group = 0; group < SK_GROUPS; group++) {
        fprintf(out, "%s:\n", sk_command_groups[group]);
        for (int id = 0; id < SK_COMMANDS; id++)
            if (sk_commands[id].group == group)
                fprintf(out, "  %-14s %s\n", sk_command_keys(id, keys), sk_commands[id].words);
    }
}
