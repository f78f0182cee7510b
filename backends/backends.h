/* backends.h -- the built-in backends. Adding one: its file, a line here, a line in backends.c. */
#ifndef SK_BACKENDS_H
#define SK_BACKENDS_H

#include <skate/backend.h>

extern const sk_backend_ops sk_backend_serial, sk_backend_threads, sk_backend_processes, sk_backend_virtual, sk_backend_tcp;

#endif
