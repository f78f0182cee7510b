/* shim.c -- loaded before the C library (LD_PRELOAD): the NTH call of the function NTH_CALL in this process fails, and the file NTH_MARK
 * tells that there was one. Not in worker processes: their driver is what is tried, or with NTH_IN=node the nodes that it starts. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *call, *mark;
static long nth;
static atomic_long count;

__attribute__((constructor)) static void begin(void)
{
    const char *n = getenv("NTH"), *in = getenv("NTH_IN"), *as = getenv("SKATE_WORKER");
    bool is_node = as && strcmp(as, "node") == 0;
    if (!n || (in && strcmp(in, "node") == 0 ? !is_node : as != NULL))
        return;
    call = getenv("NTH_CALL");
    mark = getenv("NTH_MARK");
    nth = atol(n);
}

static bool fails(const char *name)
{
    if (!call || strcmp(call, name) || atomic_fetch_add(&count, 1) + 1 != nth)
        return false;
    close(creat(mark, 0600));
    return true;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(name, error) if (fails(#name)) return errno = (error), -1

int memfd_create(const char *n, unsigned flags)              { FAIL(memfd_create, EMFILE); return REAL(memfd_create)(n, flags); }
int ftruncate(int fd, off_t size)                            { FAIL(ftruncate, ENOSPC); return REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off_t size)                          { FAIL(ftruncate, ENOSPC); return REAL(ftruncate)(fd, size); }
int fallocate(int fd, int mode, off_t at, off_t size)        { FAIL(fallocate, ENOSPC); return REAL(fallocate)(fd, mode, at, size); }
int socketpair(int d, int t, int p, int fds[2])              { FAIL(socketpair, EMFILE); return REAL(socketpair)(d, t, p, fds); }
int eventfd(unsigned n, int flags)                           { FAIL(eventfd, EMFILE); return REAL(eventfd)(n, flags); }
int pipe2(int fds[2], int flags)                             { FAIL(pipe2, EMFILE); return REAL(pipe2)(fds, flags); }
ssize_t write(int fd, const void *p, size_t n)               { FAIL(write, EIO); return REAL(write)(fd, p, n); }
ssize_t pwrite(int fd, const void *p, size_t n, off_t at)    { FAIL(pwrite, ENOSPC); return REAL(pwrite)(fd, p, n, at); }
ssize_t pread(int fd, void *p, size_t n, off_t at)           { FAIL(pread, EIO); return REAL(pread)(fd, p, n, at); }
ssize_t pwrite64(int fd, const void *p, size_t n, off_t at) __attribute__((alias("pwrite")));
ssize_t pread64(int fd, void *p, size_t n, off_t at) __attribute__((alias("pread")));
ssize_t sendmsg(int fd, const struct msghdr *m, int flags)   { FAIL(sendmsg, EAGAIN); return REAL(sendmsg)(fd, m, flags); }
ssize_t recv(int fd, void *p, size_t n, int flags)           { FAIL(recv, ECONNRESET); return REAL(recv)(fd, p, n, flags); }
int socket(int domain, int type, int protocol)               { FAIL(socket, EMFILE); return REAL(socket)(domain, type, protocol); }
int listen(int fd, int n)                                    { FAIL(listen, EADDRINUSE); return REAL(listen)(fd, n); }
int epoll_create1(int flags)                                 { FAIL(epoll_create1, EMFILE); return REAL(epoll_create1)(flags); }
int epoll_ctl(int e, int op, int fd, struct epoll_event *ev) { FAIL(epoll_ctl, ENOMEM); return REAL(epoll_ctl)(e, op, fd, ev); }
int signalfd(int fd, const sigset_t *set, int flags)         { FAIL(signalfd, EMFILE); return REAL(signalfd)(fd, set, flags); }
int mprotect(void *p, size_t n, int prot)                    { FAIL(mprotect, ENOMEM); return REAL(mprotect)(p, n, prot); }
int madvise(void *p, size_t n, int advice)                   { FAIL(madvise, EINVAL); return REAL(madvise)(p, n, advice); }

int bind(int fd, __CONST_SOCKADDR_ARG to, socklen_t n)       { FAIL(bind, EADDRINUSE); return REAL(bind)(fd, to, n); }
int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t n)    { FAIL(connect, ENETUNREACH); return REAL(connect)(fd, to, n); }

int accept4(int fd, __SOCKADDR_ARG from, socklen_t *n, int flags)
{
    FAIL(accept4, EMFILE);
    return REAL(accept4)(fd, from, n, flags);
}

/* Through calloc and realloc too: GLib and the C library call each of the three. With errno: pthread_getattr_np takes an errno of 0 for success. */
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *malloc(size_t n)             { return fails("malloc") ? (errno = ENOMEM, NULL) : __libc_malloc(n); }
void *calloc(size_t n, size_t m)   { return fails("malloc") ? (errno = ENOMEM, NULL) : __libc_calloc(n, m); }
void *realloc(void *p, size_t n)   { return fails("malloc") ? (errno = ENOMEM, NULL) : __libc_realloc(p, n); }

void *mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
    if (fails("mmap"))
        return errno = ENOMEM, MAP_FAILED;
    return REAL(mmap)(p, n, prot, flags, fd, at);
}

void *mmap64(void *p, size_t n, int prot, int flags, int fd, off_t at) __attribute__((alias("mmap")));

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *f, const posix_spawnattr_t *a, char *const argv[],
                char *const env[])
{
    return fails("posix_spawn") ? EAGAIN : REAL(posix_spawn)(pid, path, f, a, argv, env);
}

int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *data)
{
    return fails("pthread_create") ? EAGAIN : REAL(pthread_create)(t, a, run, data);
}

int fcntl(int fd, int order, ...)
{
    va_list list;
    va_start(list, order);
    void *arg = va_arg(list, void *);
    va_end(list);
    FAIL(fcntl, EMFILE);
    return REAL(fcntl)(fd, order, arg);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    FAIL(open, EACCES);
    return REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));
int fcntl64(int fd, int order, ...) __attribute__((alias("fcntl")));

long syscall(long number, ...)
{
    va_list list;
    long a[6];
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_pidfd_open)
        FAIL(pidfd_open, EMFILE);
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
