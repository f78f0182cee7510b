/* stranger.c -- somebody else's server, for tests of commands that look for a head: listens on loopback, prints its port, and to each that connects
 * says what it was started with ("" says nothing, and waits), until it is ended. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *words = argc > 1 ? argv[1] : "";
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) != 0 || listen(fd, 8) != 0 || getsockname(fd, (struct sockaddr *)&here, &size) != 0)
        return 1;
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    for (int to; (to = accept(fd, NULL, NULL)) >= 0;) {
        char heard[1000];
        if (read(to, heard, sizeof heard) > 0 && *words && write(to, words, strlen(words)) > 0)
            shutdown(to, SHUT_WR);
        while (read(to, heard, sizeof heard) > 0)
            ;
        close(to);
    }
    return 1;
}
