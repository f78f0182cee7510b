/* backends.c -- which backends there are: the built-in ones, the checking decorator, modules. */
#include "backends.h"
#include "divert.h"
#include "session.h"
#include "node.h"
#include "worker.h"

#include <gmodule.h>
#include <unistd.h>

const sk_backend_ops *const sk_backends[] = { &sk_backend_threads, &sk_backend_serial, &sk_backend_processes, &sk_backend_tcp, &sk_backend_virtual, NULL };

static void enter(const char *text)
{
    if (!strcmp(text, "node"))
        sk_node_main();
    sk_worker_main(text);
}

void (*const sk_worker_entry)(const char *text) = enter;

/* Modules stay loaded until the program ends: a table that a finished run still points to must not vanish. */
static const sk_backend_ops *load(const char *path, sk_error *err)
{
    if (access(path, R_OK) != 0) {
        sk_error_set(err, SK_MISUSE, "backend module %s: no such file that can be read", path);
        return NULL;
    }
    GModule *module = g_module_open(path, G_MODULE_BIND_LOCAL);
    gpointer symbol = NULL;
    if (!module) {
        sk_error_set(err, SK_MISUSE, "backend module %s cannot be loaded: %s", path, g_module_error());
        return NULL;
    }
    if (!g_module_symbol(module, "sk_backend_module", &symbol) || !symbol) {
        sk_error_set(err, SK_MISUSE, "backend module %s has no sk_backend_module; it must export "
                     "`const sk_backend_ops sk_backend_module` (see skate/backend.h)", path);
        g_module_close(module);
        return NULL;
    }
    const sk_backend_ops *ops = symbol;
    if (ops->version != SK_BACKEND_VERSION) {
        sk_error_set(err, SK_MISUSE, "backend module %s is for version %u of skate/backend.h, this is version %d; rebuild it",
                     path, ops->version, SK_BACKEND_VERSION);
        g_module_close(module);
        return NULL;
    }
    if (!ops->ready || !ops->wait || !ops->drain || !ops->name) {
        sk_error_set(err, SK_MISUSE, "backend module %s lacks one of the slots name, ready, wait, drain", path);
        g_module_close(module);
        return NULL;
    }
    g_module_make_resident(module);
    return ops;
}

const sk_backend_ops *sk_backend_find(const char *name, sk_error *err)
{
    static const char checked[] = "checked+";
    if (!strncmp(name, checked, sizeof checked - 1)) {
        const sk_backend_ops *inner = sk_backend_find(name + sizeof checked - 1, err);
        if (inner && inner->run_body) {
            sk_error_set(err, SK_MISUSE, "checked+%s: the checks see the calls of one process, and %s runs tasks in others; leave checked+ out",
                         inner->name, inner->name);
            return NULL;
        }
        return inner ? sk_backend_checked(inner) : NULL;
    }
    for (int i = 0; sk_backends[i]; i++)
        if (!strcmp(sk_backends[i]->name, name))
            return sk_backends[i];
    if (strchr(name, '/') || g_str_has_suffix(name, ".so"))
        return load(name, err);
    char list[300] = "";
    for (int i = 0; sk_backends[i]; i++) {
        strcat(list, i ? ", " : "");
        strcat(list, sk_backends[i]->name);
    }
    sk_error_set(err, SK_MISUSE, "no backend is called \"%s\"; there are %s, checked+NAME (with contract checks), and modules by "
                 "their path (./mine.so)", name, list);
    return NULL;
}
