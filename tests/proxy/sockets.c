/* sockets.c -- see inside.h. Linux: SIOCOUTQ. */
#include "inside.h"

#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* By the C library, not by GResolver: that has threads, which stay. */
GSocketAddress *sockets_look_up(const char *host_and_port, char why[PROXY_WHY])
{
    g_autoptr(GSocketConnectable) parsed = g_network_address_parse(host_and_port, 0, NULL);
    if (!parsed || !strrchr(host_and_port, ':')) {
        snprintf(why, PROXY_WHY, "\"%s\" is not an address: write HOST:PORT or [IPV6]:PORT", host_and_port);
        return NULL;
    }
    const char *host = g_network_address_get_hostname(G_NETWORK_ADDRESS(parsed));
    g_autofree char *port = g_strdup_printf("%u", g_network_address_get_port(G_NETWORK_ADDRESS(parsed)));
    struct addrinfo *found, hints = { .ai_socktype = SOCK_STREAM };
    int code = getaddrinfo(host, port, &hints, &found);
    if (code) {
        snprintf(why, PROXY_WHY, "%s: %s", host_and_port, gai_strerror(code));
        return NULL;
    }
    GSocketAddress *address = g_socket_address_new_from_native(found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return address;
}

GSocket *sockets_new(GSocketAddress *address, char why[PROXY_WHY])
{
    g_autoptr(GError) error = NULL;
    GSocket *s = g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);
    if (s)
        g_socket_set_blocking(s, FALSE);
    else
        snprintf(why, PROXY_WHY, "no socket: %s", error->message);
    return s;
}

void sockets_be_prompt(GSocket *s) { g_socket_set_option(s, IPPROTO_TCP, TCP_NODELAY, 1, NULL); }

bool sockets_unsent(GSocket *s)
{
    int unsent = 0;
    if (g_socket_condition_check(s, G_IO_HUP | G_IO_ERR) & (G_IO_HUP | G_IO_ERR))
        return false;
    return ioctl(g_socket_get_fd(s), SIOCOUTQ, &unsent) == 0 && unsent > 0;
}

void sockets_reset(GSocket *s)
{
    struct linger now = { 1, 0 };
    setsockopt(g_socket_get_fd(s), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    g_socket_close(s, NULL);
}
