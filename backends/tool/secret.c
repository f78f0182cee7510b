/* secret.c -- `skate secret`: makes the file that the nodes of a cluster on several machines know each other by, and says of one whether it
 * can be used. The secret itself is never shown; two files are compared by their fingerprints.
 *
 * Exit status: 0; 1 if the file cannot be made, or cannot be used; 2 for misuse. */
#include <glib.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "backends/secret.h"

static const char help[] =
    "new FILE     makes FILE: a secret of 32 random bytes, which only you can read (mode 0600). What is there is not overwritten.\n"
    "check FILE   can it be used? Prints its fingerprint, which is not secret: equal fingerprints, equal secrets.\n\n"
    "All nodes of a cluster need the same file. Copy it with what keeps it private (scp -p), not by mail; who has it can run the\n"
    "program's tasks on your machines.\n\n"
    "Examples:\n"
    "  skate secret new ~/.skate-secret\n"
    "  scp -p ~/.skate-secret lab2:\n"
    "  skate secret check ~/.skate-secret; ssh lab2 skate secret check .skate-secret";

static int refuse(const char *what, const char *more)
{
    fprintf(stderr, "skate secret: %s%s\n", what, more);
    return 2;
}

static int fail(const sk_error *err)
{
    fprintf(stderr, "skate secret: %s\n", err->message);
    return 1;
}

static int check(const char *path, const char *what)
{
    sk_secret secret;
    sk_error err;
    char fingerprint[SK_FINGERPRINT + 1];
    bool ok = sk_secret_read(&secret, path, &err) && sk_secret_fingerprint(&secret, fingerprint, &err);
    sk_secret_wipe(&secret, sizeof secret);
    if (!ok)
        return fail(&err);
    printf("%s %s; fingerprint %s\n", path, what, fingerprint);
    return 0;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    g_set_prgname("skate secret");
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new("new|check FILE");
    g_option_context_set_summary(context, "Makes a secret file for a cluster of several machines, or checks one.");
    g_option_context_set_description(context, help);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        return refuse(error->message, "; see skate secret --help");
    if (argc < 2)
        return refuse("new or check? For example: skate secret new ~/.skate-secret", "");
    bool is_new = strcmp(argv[1], "new") == 0;
    if (!is_new && strcmp(argv[1], "check") != 0)
        return refuse(argv[1], ": there is new and check; see skate secret --help");
    if (argc < 3 || !*argv[2])
        return refuse(argv[1], " needs the name of a file; see skate secret --help");
    if (argc > 3)
        return refuse("one file at a time, but there is also ", argv[3]);
    sk_error err;
    if (is_new && !sk_secret_create(argv[2], &err))
        return fail(&err);
    return check(argv[2], is_new ? "is made: mode 0600, yours alone" : "can be used");
}
