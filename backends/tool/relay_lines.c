/* relay_lines.c -- what both ends of `skate relay` need: see relay.h. */
#include "relay.h"

#include <errno.h>
#include <glib.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

const sk_frame_kind relay_kinds[RELAY_KINDS] = {
    { "HELLO", SK_LIVE_LINE, false }, { "LOG", RELAY_CHUNK, false }, { "LINE", SK_LIVE_LINE, false }, { "END", 0, false },
};

int relay_fail(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    fprintf(stderr, "skate relay: %s\n", text);
    return status;
}

/* ---- lines ---- */

static void give_out(relay_lines *in, void (*line)(void *data, const char *text), void *data)
{
    size_t used = 0;
    for (char *end; (end = memchr(in->text + used, '\n', in->n - used)); used = (size_t)(end + 1 - in->text)) {
        *end = '\0';
        line(data, in->text + used);
    }
    memmove(in->text, in->text + used, in->n -= used);
}

bool relay_hear(int fd, relay_lines *in, void (*line)(void *data, const char *text), void *data)
{
    give_out(in, line, data);              /* what has come with the first words */
    ssize_t n = in->n < sizeof in->text ? recv(fd, in->text + in->n, sizeof in->text - in->n, MSG_DONTWAIT) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    in->n += (size_t)n;
    give_out(in, line, data);
    return true;
}

bool relay_is_line(const uint8_t *bytes, size_t size, char text[SK_LIVE_LINE])
{
    if (size == 0 || size >= SK_LIVE_LINE - 1)             /* its newline, and a NUL */
        return false;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] < ' ' || bytes[i] == 127)
            return false;
    memcpy(text, bytes, size);
    text[size] = '\0';
    for (const char *bad; !g_utf8_validate(text, -1, &bad); )              /* cut in the middle of a letter, perhaps */
        text[bad - text] = '?';
    return true;
}

/* ---- frames ---- */

sk_transport_sent relay_send(sk_transport *t, sk_peer peer, uint16_t type, uint64_t request, const void *bytes, size_t size)
{
    return sk_transport_send(t, peer, type, request, &(struct iovec){ (void *)bytes, size }, size > 0);
}

sk_transport_sent relay_send_line(sk_transport *t, sk_peer peer, const char *format, ...)
{
    char text[SK_LIVE_LINE - 1];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return relay_send(t, peer, RELAY_LINE, 0, text, strlen(text));
}

void relay_no_room(void *data, sk_peer peer) { (void)data, (void)peer; }
void relay_no_bulk(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size) { (void)data, (void)peer, (void)req, (void)offset, (void)size; }
void relay_no_sent(void *data, sk_peer peer, uint64_t req, bool sent) { (void)data, (void)peer, (void)req, (void)sent; }
void relay_no_loss(void *data, sk_peer peer, const char *why) { (void)data, (void)peer, (void)why; }

void *relay_no_place(void *data, sk_peer peer, uint64_t req, uint64_t offset, size_t size)
{
    (void)data, (void)peer, (void)req, (void)offset, (void)size;
    return NULL;
}
