/* crash.c -- see crash.h. */
#include "crash.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { FRAMES = 40, PATIENCE_MS = 5000 };

typedef struct place { char path[500], file[520]; uintptr_t offset; } place;      /* the file can be opened even if its name is gone */

static uintptr_t counter_of(const void *context)
{
#if defined(__x86_64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

static bool is_of_the_system(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    static const char *const names[] = { "libc.so", "libc-", "ld-linux", "libskate.so", "libglib-2.0", "libpthread", "libm.so", "linux-vdso" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strncmp(name, names[i], strlen(names[i])))
            return true;
    return false;
}

/* Where the file is that this address was loaded from. false: in no file, or in one of the system's. */
static bool find(uintptr_t address, place *p)
{
    Dl_info info;
    struct link_map *map = NULL;
    if (!dladdr1((void *)address, &info, (void **)&map, RTLD_DL_LINKMAP) || !map || (info.dli_sname && !strncmp(info.dli_sname, "sk_", 3)))
        return false;
    p->offset = address - map->l_addr;
    if (*map->l_name) {
        snprintf(p->path, sizeof p->path, "%s", map->l_name);
        memcpy(p->file, p->path, sizeof p->path);
        return !is_of_the_system(p->path);
    }
    ssize_t n = readlink("/proc/self/exe", p->path, sizeof p->path - 1);      /* argv[0] of a worker is no path */
    p->path[n > 0 ? n : 0] = '\0';
    snprintf(p->file, sizeof p->file, "/proc/%d/exe", (int)getpid());
    return n > 0;
}

/* The frames of the handler stand before the one that has crashed. */
static bool find_in_program(const void *context, place *p)
{
    void *frames[FRAMES];
    uintptr_t crashed = counter_of(context);
    int n = backtrace(frames, FRAMES), i = 0;
    while (i < n && (uintptr_t)frames[i] != crashed)
        i++;
    if (i == n)                                   /* it jumped to where no code is, perhaps */
        return crashed && find(crashed, p);
    if (find(crashed, p))
        return true;
    while (++i < n)
        if (find((uintptr_t)frames[i] - 1, p))    /* of a call: frames have the address behind it */
            return true;
    return false;
}

/* What addr2line prints: the function's name, and FILE:LINE. */
static size_t ask(const place *p, char *text, size_t room)
{
    int ends[2];
    size_t n = 0;
    char address[32];
    snprintf(address, sizeof address, "0x%zx", (size_t)p->offset);
    if (pipe(ends) != 0)
        return 0;
    pid_t pid = _Fork();                          /* not fork: its handlers may be the program's, and this is a signal */
    if (pid == 0) {
        struct rlimit r;
        sigset_t none;
        if (getrlimit(RLIMIT_DATA, &r) == 0) {    /* a worker's own limit, which may be what it has died of */
            r.rlim_cur = r.rlim_max;
            setrlimit(RLIMIT_DATA, &r);
        }
        unsetenv("LD_PRELOAD");
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);         /* both survive exec: nobody need look after it */
        alarm(PATIENCE_MS / 1000);
        dup2(ends[1], STDOUT_FILENO);
        close(STDERR_FILENO);
        close(ends[0]);
        execlp("addr2line", "addr2line", "-s", "-f", "-e", p->file, address, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    struct pollfd there = { .fd = ends[0], .events = POLLIN };
    while (pid > 0 && n < room - 1 && poll(&there, 1, PATIENCE_MS) > 0) {
        ssize_t got = read(ends[0], text + n, room - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    close(ends[0]);
    text[n] = '\0';
    if (pid > 0) {
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    return n;
}

void sk_crash_place(const void *context, char *text, size_t room)
{
    place p;
    char answer[600];
    *text = '\0';
    if (!find_in_program(context, &p))
        return;
    size_t n = ask(&p, answer, sizeof answer);
    char *line = n ? strchr(answer, '\n') : NULL, *end = line ? strchr(line + 1, '\n') : NULL;
    if (!end) {
        snprintf(text, room, "at 0x%zx of %s (addr2line, which would name the line, is not here)", (size_t)p.offset, p.path);
        return;
    }
    *line++ = *end = '\0';
    static const char *const ours[] = { "_body", "_sk_run" };      /* SK_REMOTE's */
    for (size_t i = 0, length; i < 2; i++)
        if ((length = strlen(answer)) > strlen(ours[i]) && !strcmp(answer + length - strlen(ours[i]), ours[i]))
            answer[length - strlen(ours[i])] = '\0';
    line[strcspn(line, " ")] = '\0';              /* " (discriminator 2)" */
    if (!strchr(line, '?'))
        snprintf(text, room, "in %s at %s", answer, line);
    else
        snprintf(text, room, "at 0x%zx of %s, %s (compile it with -g to see the line)", (size_t)p.offset, p.path, *answer == '?' ? "?" : answer);
}
