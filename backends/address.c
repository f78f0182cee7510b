/* address.c -- see address.h. */
#include "address.h"

#include "error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <sys/resource.h>

/* ---- text ---- */

enum { HOST = 256 };                       /* names have at most 253 characters */

static bool bad(sk_error *err, const char *text, const char *why, bool listens)
{
    return sk_error_set(err, SK_MISUSE, "\"%s\" is not an address: %s; write %s", text, why,
                        listens ? "HOST:PORT, HOST or :PORT, an IPv6 address with a port as [::1]:7000"
                                : "HOST:PORT, an IPv6 address as [::1]:7000");
}

/* Splits it; a part that is missing is "". */
static bool split(const char *text, bool listens, char host[HOST], char port[8], sk_error *err)
{
    const char *colon = strrchr(text, ':'), *end = text + strlen(text);
    if (*text == '[') {
        const char *close = strchr(text, ']');
        if (!close || (close[1] && close[1] != ':'))
            return bad(err, text, "the bracket is not closed before the port", listens);
        colon = close[1] ? close + 1 : NULL;
        end = close;
        text++;
    } else if (colon && strchr(text, ':') != colon) {
        colon = NULL;                      /* several: IPv6 without a port */
    } else if (colon) {
        end = colon;
    }
    const char *digits = colon ? colon + 1 : "";
    size_t length = (size_t)(end - text);
    if (length >= HOST)
        return bad(err, text, "the host's name is too long", listens);
    memcpy(host, text, length);
    host[length] = '\0';
    if (strlen(digits) > 5 || strspn(digits, "0123456789") != strlen(digits) || atoi(digits) > 65535)
        return bad(err, text, "the port is not a number from 0 to 65535", listens);
    if (!listens && (!*host || !*digits || atoi(digits) == 0))
        return bad(err, text, !*host ? "it has no host" : "it has no port", listens);
    strcpy(port, *digits ? digits : "0");
    return true;
}

/* Once for each thread: getaddrinfo uses the thread's settings, and takes ours over. By default it would wait 5 s for each server, twice. */
static void shorten_lookups(void)
{
    static _Thread_local bool done;
    if (done)
        return;
    done = true;
    if (res_init() == 0) {
        _res.retrans = 1;
        _res.retry = 1;
    }
}

size_t sk_address_find(const char *text, bool listens, sk_address found[SK_ADDRESS_MOST], sk_error *err)
{
    char host[HOST], port[8];
    if (!split(text, listens, host, port, err))
        return 0;
    struct addrinfo *list = NULL, hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
    const char *name = *host ? host : "127.0.0.1";
    int bad = getaddrinfo(name, port, &hints, &list);
    if (bad) {
        shorten_lookups();
        hints.ai_flags = AI_NUMERICSERV | (listens ? AI_PASSIVE : AI_ADDRCONFIG);
        bad = getaddrinfo(name, port, &hints, &list);
        /* where there is no network but loopback, AI_ADDRCONFIG finds nothing at all, not even localhost */
        if (bad && !listens) {
            hints.ai_flags = AI_NUMERICSERV;
            bad = getaddrinfo(name, port, &hints, &list);
        }
    }
    if (bad) {
        sk_error_set(err, SK_MISUSE, "the host \"%s\" of \"%s\" is not known: %s; see that the name is right, or write its number (ip addr)", host,
                     text, bad == EAI_SYSTEM ? strerror(errno) : gai_strerror(bad));
        return 0;
    }
    size_t n = 0;
    for (const struct addrinfo *i = list; i && n < SK_ADDRESS_MOST; i = i->ai_next) {
        if ((i->ai_family != AF_INET && i->ai_family != AF_INET6) || i->ai_addrlen > sizeof found->room)
            continue;
        found[n].size = i->ai_addrlen;
        memcpy(&found[n++].room, i->ai_addr, i->ai_addrlen);
    }
    freeaddrinfo(list);
    for (size_t i = 0; i < n && !listens; i++)
        if (sk_address_is_any(&found[i])) {
            sk_error_set(err, SK_MISUSE, "%s is no address that can be dialed: it stands for all of a machine's own; give the one that others know it by", text);
            return 0;
        }
    if (!n)
        sk_error_set(err, SK_MISUSE, "the host \"%s\" has no address of IPv4 or IPv6", host);
    return n;
}

/* ---- addresses ---- */

bool sk_address_is_loopback(const sk_address *a)
{
    const struct sockaddr_in *four = (const struct sockaddr_in *)&a->room;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&a->room;
    if (a->any.sa_family == AF_INET)
        return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    if (a->any.sa_family != AF_INET6)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) || (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) && six->sin6_addr.s6_addr[12] == 127);
}

bool sk_address_is_any(const sk_address *a)
{
    const struct sockaddr_in *four = (const struct sockaddr_in *)&a->room;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)&a->room)->sin6_addr;
    if (a->any.sa_family == AF_INET)
        return four->sin_addr.s_addr == htonl(INADDR_ANY);
    return a->any.sa_family == AF_INET6
           && (IN6_IS_ADDR_UNSPECIFIED(six) || (IN6_IS_ADDR_V4MAPPED(six) && !memcmp(six->s6_addr + 12, &(uint32_t){ INADDR_ANY }, 4)));
}

uint16_t sk_address_port(const sk_address *a)
{
    return ntohs(a->any.sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)&a->room)->sin6_port : ((const struct sockaddr_in *)&a->room)->sin_port);
}

const char *sk_address_print(const sk_address *a, char text[SK_ADDRESS_TEXT])
{
    char host[HOST] = "?";
    bool six = a->any.sa_family == AF_INET6;
    if (getnameinfo(&a->any, a->size, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0)
        strcpy(host, "?");
    snprintf(text, SK_ADDRESS_TEXT, six ? "[%s]:%u" : "%s:%u", host, sk_address_port(a));
    return text;
}

/* ---- errors ---- */

static const char *no_more_files(int error, char *text, size_t room)
{
    struct rlimit limit = { 0 };
    getrlimit(RLIMIT_NOFILE, &limit);
    if (error == EMFILE)
        snprintf(text, room, "%llu descriptors are allowed; allow more (ulimit -n)", (unsigned long long)limit.rlim_cur);
    else
        snprintf(text, room, "the system's table of open files is full (sysctl fs.file-max)");
    return text;
}

bool sk_address_cannot_listen(const char *address, int error, sk_error *err)
{
    char text[120];
    switch (error) {
    case EADDRINUSE:
        return sk_error_set(err, SK_MISUSE, "%s is in use, perhaps by another run; leave the port out, or 0, and one is chosen", address);
    case EADDRNOTAVAIL:
        return sk_error_set(err, SK_MISUSE, "%s is not an address of this machine; `ip addr` shows which are, 0.0.0.0 is all of them", address);
    case EACCES:
        return sk_error_set(err, SK_MISUSE, "%s: ports below 1024 are for root; leave the port out, or 0, and one is chosen", address);
    case EAFNOSUPPORT:
        return sk_error_set(err, SK_MISUSE, "%s: this machine has no IPv6; use an address of IPv4", address);
    case EMFILE: case ENFILE:
        return sk_error_set(err, SK_LIMIT, "%s cannot be listened at: %s", address, no_more_files(error, text, sizeof text));
    }
    return sk_error_set(err, SK_LIMIT, "%s cannot be listened at: %s", address, strerror(error));
}

const char *sk_address_cannot_dial(int error, char *text, size_t room)
{
    char files[120];
    switch (error) {
    case ECONNREFUSED:
        snprintf(text, room, "connection refused: nobody listens there; see that it runs, and that host and port are those that it printed");
        break;
    case ETIMEDOUT:
        snprintf(text, room, "no answer in time; see that the machine is up, and that no firewall is between");
        break;
    case EHOSTUNREACH: case ENETUNREACH:
        snprintf(text, room, "%s: there is no way to it from here; see that both are in one network", strerror(error));
        break;
    case EADDRNOTAVAIL:
        snprintf(text, room, "all ports of this machine are in use, or the address is none that can be dialed");
        break;
    case EMFILE: case ENFILE:
        snprintf(text, room, "%s", no_more_files(error, files, sizeof files));
        break;
    default:
        snprintf(text, room, "%s", strerror(error));
    }
    return text;
}
