/* serial.c -- the smallest backend: one task at a time, in the thread that needs its result. Read this one first, and copy it.
 *
 * The idea: nothing runs when it is submitted. When somebody waits for an object, sk_wait_next names a task that the object
 * needs and that can run; it is run here, on top of the waiting one, until the object is there. What nobody has
 * waited for runs at the end, in the order in which it became ready. A debugger shows the tasks as ordinary nested
 * calls, and its time is the T1 of speed-up plots. Should a program call from several threads, they take turns: whoever waits
 * holds the lock until its wait is over (or nothing it needs can run).
 *
 * This file uses the installed headers only. As a module: export the table at the end as sk_backend_module.          */
#include <skate.h>
#include <skate/backend.h>

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

typedef struct serial {
    struct sk_backend_base base;             /* first, so that an sk_backend * is a serial * */
    sk_task_name *queue;                     /* what became ready, oldest first; names may have gone stale */
    size_t first, last, room;
    pthread_mutex_t queue_lock;              /* guards the queue */
    pthread_mutex_t turn;                    /* who runs tasks; recursive: a task may wait */
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
    pthread_mutex_lock(&s->queue_lock);
    if (s->last == s->room)
        make_room(s);
    s->queue[s->last++] = task;
    pthread_mutex_unlock(&s->queue_lock);
}

static bool serial_open(sk_backend *self, const sk_settings *settings, sk_error *err)
{
    (void)settings;
    (void)err;
    serial *s = (serial *)self;
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&s->turn, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_mutex_init(&s->queue_lock, NULL);
    return true;
}

static int64_t clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void doze(int64_t ns)
{
    struct timespec ts = { ns / 1000000000, ns % 1000000000 };
    if (ns > 0)
        nanosleep(&ts, NULL);
}

/* Nothing that the wait needs can run. Time may end it, or another thread of the program: that gets its turn meanwhile, if no task is
 * under way here. */
static void let_others(serial *s, sk_wait *wait, int64_t ns)
{
    bool mine = !sk_wait_is_in_task(wait);
    if (mine)
        pthread_mutex_unlock(&s->turn);
    doze(ns);
    if (mine)
        pthread_mutex_lock(&s->turn);
}

static void serial_wait(sk_backend *self, sk_wait *wait)
{
    serial *s = (serial *)self;
    int64_t deadline = sk_wait_deadline(wait), begun = (int64_t)(sk_now() * 1e9), start = clock_ns();
    pthread_mutex_lock(&s->turn);
    while (!sk_wait_over(wait)) {
        sk_task_name task = sk_wait_next(wait, true);
        int64_t left = deadline == SK_NEVER ? SK_NEVER : deadline - begun - (clock_ns() - start);
        if (task.id && sk_stack_is_low())
            sk_wait_give_up(wait);           /* nested too deeply: an error beats a stack overflow */
        else if (task.id)
            sk_task_run(task, 0);
        else if (deadline != SK_NEVER)
            let_others(s, wait, left < 1000000 ? left : 1000000);
        else if (sk_deadlock() == 0)         /* another thread of the program may still do something */
            let_others(s, wait, 1000000);
        if (deadline != SK_NEVER && begun + clock_ns() - start >= deadline)
            break;
    }
    pthread_mutex_unlock(&s->turn);
}

static void serial_drain(sk_backend *self)
{
    serial *s = (serial *)self;
    pthread_mutex_lock(&s->turn);
    for (;;) {
        pthread_mutex_lock(&s->queue_lock);
        sk_task_name task = { s->first < s->last ? s->queue[s->first++].id : 0 };
        pthread_mutex_unlock(&s->queue_lock);
        if (!task.id)
            break;
        sk_task_run(task, 0);
    }
    pthread_mutex_unlock(&s->turn);
}

static void serial_close(sk_backend *self)
{
    serial *s = (serial *)self;
    free(s->queue);
    pthread_mutex_destroy(&s->turn);
    pthread_mutex_destroy(&s->queue_lock);
}

const sk_backend_ops sk_backend_serial = {
    .version = SK_BACKEND_VERSION,
    .name = "serial",
    .summary = "one task at a time, in the caller, when its result is needed",
    .size = sizeof(serial),
    .open = serial_open,
    .ready = serial_ready,
    .wait = serial_wait,
    .drain = serial_drain,
    .close = serial_close,
};
