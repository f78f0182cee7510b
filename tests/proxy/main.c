/* main.c -- the fault proxy as a program: `proxy --help`. Answers each line on stdin with one that ends the answer, "ok" or "error: ...", so that
 * a script knows when a fault is in force. */
#include "proxy.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char about[] =
    "The first line printed is \"proxy: listening on port N\". Each line read from standard input is a command, and is answered with \"ok\" or\n"
    "\"error: ...\"; the proxy ends at `quit` or with its input. Up is from who connects to TARGET, down the way back. Commands:\n\n";

static const char example[] =
    "\nExample: the answers of whatever listens on port 7000 come 20 to 25 ms late; then connection 1 is cut off in the middle of a message.\n"
    "  mkfifo in; proxy --do 'down delay 20 5' 127.0.0.1:7000 <in & exec 3>in\n"
    "  echo 'wait opened 1' >&3\n"
    "  echo '1 down rst +10' >&3; echo 'wait dropped 1' >&3; echo count >&3; echo quit >&3\n";

static void obey(proxy *p, const char *line)
{
    char why[PROXY_WHY];
    if (proxy_command(p, line, stdout, why))
        printf("ok\n");
    else
        printf("error: %s\n", why);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    proxy_options options = { .seed = 1 };
    gint64 seed = 1;
    gboolean stay = FALSE;
    g_autofree char *listen = NULL;
    g_auto(GStrv) first = NULL;
    GOptionEntry entries[] = {
        { "listen", 'l', 0, G_OPTION_ARG_STRING, &listen, "Where to listen (127.0.0.1:0; port 0 is any that is free)", "HOST:PORT" },
        { "seed", 's', 0, G_OPTION_ARG_INT64, &seed, "Seed of jitter, split and corrupt-every (1)", "N" },
        { "do", 'd', 0, G_OPTION_ARG_STRING_ARRAY, &first, "A command before anybody connects; may be repeated", "COMMAND" },
        { "stay", 0, 0, G_OPTION_ARG_NONE, &stay, "Go on when the input has ended, until killed", NULL },
        { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("TARGET - a TCP proxy before TARGET (HOST:PORT) that injects faults");
    g_autofree char *text = g_strconcat(about, proxy_commands, example, NULL);
    g_option_context_set_description(context, text);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc != 2) {
        fprintf(stderr, "proxy: %s; `proxy --help` says how\n", error ? error->message : "one TARGET is needed, HOST:PORT");
        return 64;
    }
    options.target = argv[1];
    options.listen = listen;
    options.seed = (uint64_t)seed;

    char why[PROXY_WHY];
    proxy *p = proxy_open(&options, why);
    if (!p) {
        fprintf(stderr, "proxy: %s\n", why);
        return 1;
    }
    int status = 0;
    for (char **line = first; line && *line && !status; line++)
        if (!proxy_command(p, *line, stdout, why)) {
            fprintf(stderr, "proxy: --do \"%s\": %s\n", *line, why);
            status = 64;
        }
    if (!status) {
        printf("proxy: listening on port %d\n", proxy_port(p));
        fflush(stdout);
        char *line = NULL;
        size_t size = 0;
        while (getline(&line, &size, stdin) > 0) {
            line[strcspn(line, "\n")] = '\0';
            if (strcmp(line, "quit") == 0) {
                stay = FALSE;
                break;
            }
            obey(p, line);
        }
        free(line);
        while (stay)
            pause();
    }
    proxy_close(p);
    return status;
}
