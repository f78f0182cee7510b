/* gnutls_late.c -- see gnutls_late.h. */
#include "gnutls_late.h"

#include "error.h"

#include <gmodule.h>
#include <pthread.h>

#define LIBRARY "libgnutls.so.30"          /* since 3.4, of 2015 */

static sk_gnutls table;
static bool is_loaded;
static char why_not[400];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    GModule *library = g_module_open(LIBRARY, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
    is_loaded = library != NULL;
#define FIND(function) is_loaded = is_loaded && g_module_symbol(library, #function, (gpointer *)&table.function);
    SK_GNUTLS_FUNCTIONS(FIND)
#undef FIND
    if (!is_loaded)
        snprintf(why_not, sizeof why_not, "%s", g_module_error());
}

const sk_gnutls *sk_gnutls_load(sk_error *err)
{
    pthread_once(&once, load);
    if (is_loaded)
        return &table;
    sk_error_set(err, SK_LIMIT, "GnuTLS 3.6.13 or later is needed, and cannot be loaded: %s; apt-get install libgnutls30", why_not);
    return NULL;
}
