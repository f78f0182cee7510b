/* ear.c -- hears a bell for somebody who sleeps in poll. See ear.h. */
#include "ear.h"

#include <signal.h>
#include <string.h>

static void *hear(void *data)
{
    sk_ear *e = data;
    for (uint32_t ticket = sk_bell_ticket(e->bell); !atomic_load(&e->over); ) {
        sk_bell_sleep(e->bell, ticket, SK_NEVER);
        uint32_t now = sk_bell_ticket(e->bell);
        if (now != ticket)
            sk_bell_tell(e->fd);               /* not by the bell: we would hear ourselves */
        ticket = now;
    }
    return NULL;
}

bool sk_ear_open(sk_ear *e, sk_bell *bell, int fd, sk_error *err)
{
    sigset_t all, before;
    e->bell = bell;
    e->fd = fd;
    atomic_store(&e->over, false);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&e->thread, NULL, hear, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    e->listens = error == 0;
    return e->listens || sk_error_set(err, SK_LIMIT, "no thread to hear worker processes: %s", strerror(error));
}

void sk_ear_close(sk_ear *e)
{
    if (!e->listens)
        return;
    atomic_store(&e->over, true);
    sk_bell_ring_anyway(e->bell);
    pthread_join(e->thread, NULL);
    e->listens = false;
}
