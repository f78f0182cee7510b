/* proxy.c -- being written. */
#include "proxy.h"
bool sk_proxy_start(void) { sk_misuse(NULL, "SKATE_PORT=proxy: not built yet"); }
void sk_proxy_stop(void) { }
