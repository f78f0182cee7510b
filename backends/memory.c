/* memory.c -- see memory.h. */
#include "memory.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include <wchar.h>

enum { NEAR = 1 << 20 };                   /* at most a quarter of the limit. malloc asks the kernel for more than it is asked for: the last piece may be left over */

static size_t base, limit;                 /* taken when the limit began; 0: none of ours */
static volatile bool glib_has_failed;

/* ---- in a worker ---- */

/* In bytes; what RLIMIT_DATA limits, and the stack. Safe in a handler. */
static size_t taken(void)
{
    char text[200] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    const char *at = n > 0 ? text : "";
    for (int field = 0; field < 5 && *at; field++) {       /* size resident shared text lib data */
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    size_t pages = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        pages = 10 * pages + (size_t)(*at - '0');
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

bool sk_memory_limit(size_t bytes, sk_error *err)
{
    struct rlimit r;
    getrlimit(RLIMIT_DATA, &r);
    base = taken();
    r.rlim_cur = r.rlim_max < base + bytes ? r.rlim_max : base + bytes;
    if (setrlimit(RLIMIT_DATA, &r) != 0)
        return sk_error_set(err, SK_LIMIT, "worker-memory: setrlimit: %s", strerror(errno));
    limit = bytes;
    return true;
}

/* g_malloc says why it ends the program, then traps. */
static void hear_glib(const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
    if (message && strstr(message, "failed to allocate"))
        glib_has_failed = true;
    g_log_default_handler(domain, level, message, data);
}

void sk_memory_watch(void)
{
    fwide(stderr, -1);                     /* else perror writes to a stream of its own, and closing that changes errno */
    g_log_set_handler("GLib", (GLogLevelFlags)(G_LOG_LEVEL_ERROR | G_LOG_FLAG_FATAL | G_LOG_FLAG_RECURSION), hear_glib, NULL);
}

void sk_memory_forget(void) { errno = 0; }

bool sk_memory_has_run_out(char *text, size_t room)
{
    bool failed = glib_has_failed || errno == ENOMEM;
    size_t now = taken(), have = now > base ? now - base : 0;
    if (!failed && !(limit && have + MIN(NEAR, limit / 4) >= limit))
        return false;
    if (limit)
        snprintf(text, room, "it had run out of memory: it had %zu of the %zu bytes that it may take (--sk-worker-memory)", have, limit);
    else
        snprintf(text, room, "it had run out of memory: malloc or mmap had failed, and it had taken %zu bytes", have);
    return true;
}

void sk_memory_go_first(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, "500", 3) < 0)           /* then it is as likely as the driver */
        errno = 0;
    close(fd);
}

/* ---- the kernel's count ---- */

static int64_t count_in(const char *root, const char *directory, const char *group, const char *file)
{
    char path[4400], line[200];
    snprintf(path, sizeof path, "%s%s%s/%s", root, directory, group, file);
    FILE *f = fopen(path, "re");
    int64_t kills = -1;
    long long n;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "oom_kill %lld", &n) == 1)
            kills = n;
    if (f)
        fclose(f);
    return kills;
}

/* A container may see its group as the root of what is mounted, but be told the group's whole name. */
static int64_t count_of(const char *root, const char *directory, const char *group, const char *file)
{
    int64_t kills = count_in(root, directory, strcmp(group, "/") ? group : "", file);
    return kills >= 0 ? kills : count_in(root, directory, "", file);
}

static bool has_memory(const char *controllers)
{
    for (const char *at = controllers; (at = strstr(at, "memory")); at += 6)
        if ((at == controllers || at[-1] == ',') && (at[6] == '\0' || at[6] == ','))
            return true;
    return false;
}

int64_t sk_memory_kills(const char *root)
{
    char line[4200], path[300];
    int64_t kills = -1;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    while (kills < 0 && f && fgets(line, sizeof line, f)) {        /* "4:memory:/group"; of the unified hierarchy "0::/group" */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *controllers++ = *group++ = '\0';
        if (has_memory(controllers))
            kills = count_of(root, "/sys/fs/cgroup/memory", group, "memory.oom_control");
        else if (!*controllers && (kills = count_of(root, "/sys/fs/cgroup", group, "memory.events")) < 0)
            kills = count_of(root, "/sys/fs/cgroup/unified", group, "memory.events");
    }
    if (f)
        fclose(f);
    return kills >= 0 ? kills : count_in(root, "/proc", "", "vmstat");
}
