/* runfile.c -- see runfile.h. Reading order: where it lies; its text; its thread; open, close, remove. */
#include "runfile.h"

#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD_NS = 250000000, STACK = 128 << 10 };

void (*sk_runfile_fill_rows)(sk_runfile *file);

static char path[SK_RUNFILE_PATH];         /* set while the file is there; a signal handler reads it */
static volatile sig_atomic_t is_there;
static pid_t owner;                        /* a forked child has no file */

static pthread_t thread;
static bool has_thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t closes;
static bool is_closing;                    /* under the lock */
static sk_runfile *now, *before;           /* the thread's, while there is one */

/* ---- where it lies ---- */

bool sk_runfile_directory(size_t i, char *text, size_t room)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    unsigned uid = (unsigned)geteuid();
    int n = 0;
    switch (i) {
    case 0:
        n = runtime && *runtime == '/' ? snprintf(text, room, "%s/skate", runtime) : snprintf(text, room, "/run/user/%u/skate", uid);
        break;
    case 1:
        n = snprintf(text, room, "/tmp/skate-%u", uid);
        break;
    case 2:                                /* of a session that was started without XDG_RUNTIME_DIR, or with another */
        n = snprintf(text, room, "/run/user/%u/skate", uid);
        break;
    default:
        return false;
    }
    if (n < 0 || (size_t)n >= room)
        *text = '\0';
    return true;
}

int sk_runfile_open_directory(const char *text)
{
    int fd = open(text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 077) == 0)
        return fd;
    close(fd);
    errno = EPERM;
    return -1;
}

/* A directory above that is somebody else's is refused too: XDG_RUNTIME_DIR may be left over from before su. */
static int make_directory(const char *text)
{
    if (mkdir(text, 0700) != 0 && errno != EEXIST)
        return -1;
    return sk_runfile_open_directory(text);
}

uint64_t sk_runfile_birth_of(pid_t pid)
{
    char name[40], text[1024];
    snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *at = strrchr(text, ')');   /* the name before it may hold anything */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

/* ---- its text ---- */

static void fill(sk_runfile *f)
{
    sk_lane sum;
    sk_lanes_sum(&sum);
#define GET(c) atomic_load_explicit(&sum.c, relaxed)
    int32_t running = GET(running);
    f->submitted = GET(submitted);
    f->done = GET(done);
    f->failed = GET(failed);
    f->cancelled = GET(cancelled);
    f->retries = GET(retries);
    f->running = running > 0 ? (uint64_t)running : 0;
#undef GET
    f->store_live = sk_store_live();
    f->store_peak = sk_store_peak();
    if (sk_runfile_fill_rows)
        sk_runfile_fill_rows(f);
}

static bool write_whole(int fd, const sk_runfile *f) { return pwrite(fd, f, sizeof *f, 0) == (ssize_t)sizeof *f; }

static void renew(void)
{
    fill(now);
    if (memcmp(now, before, sizeof *now) == 0)
        return;
    *before = *now;
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write_whole(fd, now);       /* a full disk: what is read is older */
        close(fd);
    }
}

/* ---- its thread ---- */

static void *keep_it_new(void *data)
{
    (void)data;
    struct timespec next;
    pthread_mutex_lock(&lock);
    while (!is_closing) {
        clock_gettime(CLOCK_MONOTONIC, &next);
        next.tv_nsec += PERIOD_NS;
        if (next.tv_nsec >= 1000000000)
            next.tv_sec++, next.tv_nsec -= 1000000000;
        while (!is_closing && pthread_cond_timedwait(&closes, &lock, &next) == 0)
            ;
        if (is_closing)
            break;
        pthread_mutex_unlock(&lock);       /* filling it in waits for the backend */
        renew();
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static bool start_thread(void)
{
    pthread_attr_t attributes;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&closes, &clock);
    pthread_condattr_destroy(&clock);
    is_closing = false;
    pthread_attr_init(&attributes);
#ifndef SK_SANITIZED
    pthread_attr_setstacksize(&attributes, STACK);
#endif
    sigset_t all, old;                     /* the program's signals are for its own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    has_thread = pthread_create(&thread, &attributes, keep_it_new, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return has_thread;
}

/* ---- open, close, remove ---- */

static bool create(const sk_runfile *f)
{
    int directory = -1;
    for (size_t i = 0; directory < 0 && i < 2; i++)
        if (sk_runfile_directory(i, path, sizeof path - 16) && *path)
            directory = make_directory(path);
    if (directory < 0)
        return false;
    char name[16];
    snprintf(name, sizeof name, "%d", (int)f->pid);
    unlinkat(directory, name, 0);          /* of a process that had this number before */
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write_whole(fd, f);
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && !ok)
        unlinkat(directory, name, 0);
    close(directory);
    size_t n = strlen(path);
    snprintf(path + n, sizeof path - n, "/%s", name);
    return ok;
}

unsigned sk_runfile_open(const char *program)
{
    const sk_settings *s = &sk_session.settings;
    now = calloc(1, sizeof *now);
    before = calloc(1, sizeof *before);
    if (!now || !before)
        abort();
    *now = (sk_runfile){ .version = SK_RUNFILE_VERSION, .size = sizeof *now, .pid = getpid(), .nodes = s->nodes, .workers = s->workers,
                         .born = sk_runfile_birth_of(getpid()), .since = (int64_t)time(NULL), .store_limit = s->store_bytes };
    memcpy(now->magic, SK_RUNFILE_MAGIC, sizeof now->magic);
    snprintf(now->backend, sizeof now->backend, "%s", s->backend);
    snprintf(now->program, sizeof now->program, "%s", program);
    fill(now);
    *before = *now;
    owner = getpid();
    is_there = create(now);
    return is_there && start_thread() ? 1 : 0;
}

void sk_runfile_remove(void)
{
    if (is_there && owner == getpid())
        unlink(path);
    is_there = false;
}

void sk_runfile_close(void)
{
    if (has_thread) {
        pthread_mutex_lock(&lock);
        is_closing = true;
        pthread_cond_signal(&closes);
        pthread_mutex_unlock(&lock);
        pthread_join(thread, NULL);
        pthread_cond_destroy(&closes);
        has_thread = false;
    }
    sk_runfile_remove();
    free(now);
    free(before);
    now = before = NULL;
    sk_runfile_fill_rows = NULL;
}
