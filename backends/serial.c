/* serial.c -- the smallest backend: one task at a time, in the thread that needs its result. Read this one first, and copy it.
 *
 * The idea: nothing runs when it is submitted. When somebody waits for an object, sk_wait_next names a task that the object
 * needs and that can run; it is run here, on top of the waiting one, until the object is there. What nobody has
 * waited for runs at the end, in the order in which it became ready. One thread, no locks: a debugger shows the
 * tasks as ordinary nested calls, and its time is the T1 of speed-up plots.
 *
 * This file uses the installed headers only. As a module: export the table at the end as sk_backend_module.          */
#include <skate.h>
#include <skate/backend.h>

#include <stdlib.h>
#include <time.h>

typedef struct serial {
    struct sk_backend_base base;             /* first, so that an sk_backend * is a serial * */
    sk_task_name *queue;                     /* what became ready, oldest first; names may have gone stale */
    size_t first, last, room;
} serial;

/* Makes room for one more: forgets the stale ones, and if that does not help, grows. */
static void make_room(serial *s)
{
    size_t kept = 0;
    for (size_t i = s->first; i < s->last; i++)
        if (sk_task_is_ready(s->queue[i]))
            s->queue[kept++] = s->queue[i];
    s->first = 0;
    s->last = kept;
    if (kept >= s->room / 2) {
        s->room = s->room ? 2 * s->room : 256;
        s->queue = realloc(s->queue, s->room * sizeof *s->queue);
        if (!s->queue)
            abort();
    }
}

static void serial_ready(sk_backend *self, sk_task_name task)
{
    serial *s = (serial *)self;
    if (s->last == s->room)
        make_room(s);
    s->queue[s->last++] = task;
}

static int64_t clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void serial_wait(sk_backend *self, sk_wait *wait)
{
    (void)self;
    int64_t deadline = sk_wait_deadline(wait), start = clock_ns();
    int64_t begun = (int64_t)(sk_now() * 1e9);
    while (!sk_wait_over(wait)) {
        sk_task_name task = sk_wait_next(wait, true);
        if (task.id && sk_stack_is_low()) {
            sk_wait_give_up(wait);           /* nested too deeply: an error beats a stack overflow */
        } else if (task.id) {
            sk_task_run(task, 0);
        } else if (deadline == SK_NEVER) {
            if (sk_deadlock() == 0)
                sk_wait_give_up(wait);
        } else {                             /* nothing it needs can run: let the time pass */
            int64_t left = deadline - begun - (clock_ns() - start);
            struct timespec ts = { left / 1000000000, left % 1000000000 };
            if (left > 0)
                nanosleep(&ts, NULL);
            return;
        }
        if (deadline != SK_NEVER && begun + clock_ns() - start >= deadline)
            return;
    }
}

static void serial_drain(sk_backend *self)
{
    serial *s = (serial *)self;
    while (s->first < s->last)
        sk_task_run(s->queue[s->first++], 0);
}

static void serial_close(sk_backend *self)
{
    free(((serial *)self)->queue);
}

const sk_backend_ops sk_backend_serial = {
    .version = SK_BACKEND_VERSION,
    .name = "serial",
    .summary = "one task at a time, in the caller, when its result is needed",
    .size = sizeof(serial),
    .ready = serial_ready,
    .wait = serial_wait,
    .drain = serial_drain,
    .close = serial_close,
};
