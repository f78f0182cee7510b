/* line.c -- two peers that exchange lines over TCP, to see whether a network between them works.
 *
 *     line echo ADDRESS           prints the port it has chosen, then gives each line back to whoever sent it
 *     line talk ADDRESS PORT      sends each line of its input, and prints what comes back; "lost: ..." and status 1 if nothing can
 *
 * What is sent and not acknowledged for two seconds is lost: TCP itself would try for a quarter of an hour. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 2000, LONGEST = 4096 };

static int lost(void)
{
    printf("lost: %s\n", strerror(errno));
    return 1;
}

static int new_socket(const char *address, const char *port, struct addrinfo **at)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    int code = getaddrinfo(address, port, &hints, at), patience = PATIENCE_MS;
    if (code) {
        fprintf(stderr, "line: %s %s: %s\n", address, port, gai_strerror(code));
        exit(2);
    }
    int fd = socket((*at)->ai_family, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience) < 0)
        exit(lost());
    return fd;
}

static int echo(const char *address)
{
    struct addrinfo *at;
    struct sockaddr_storage mine;
    socklen_t size = sizeof mine;
    int fd = new_socket(address, "0", &at);
    if (bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, 8) < 0 || getsockname(fd, (struct sockaddr *)&mine, &size) < 0)
        return lost();
    freeaddrinfo(at);
    printf("%d\n", ntohs(mine.ss_family == AF_INET ? ((struct sockaddr_in *)&mine)->sin_port : ((struct sockaddr_in6 *)&mine)->sin6_port));
    fflush(stdout);
    for (int from; (from = accept(fd, NULL, NULL)) >= 0; ) {
        if (fork() == 0) {                     /* one that is lost keeps no other waiting */
            char data[LONGEST];
            for (ssize_t n; (n = recv(from, data, sizeof data, 0)) > 0; )
                if (send(from, data, (size_t)n, MSG_NOSIGNAL) < 0)
                    break;
            _exit(0);
        }
        close(from);
    }
    return lost();
}

static int talk(const char *address, const char *port)
{
    struct addrinfo *at;
    char line[LONGEST], back[LONGEST];
    int fd = new_socket(address, port, &at);
    if (connect(fd, at->ai_addr, at->ai_addrlen) < 0)
        return lost();
    freeaddrinfo(at);
    while (fgets(line, sizeof line, stdin)) {
        size_t n = strlen(line);
        if (send(fd, line, n, MSG_NOSIGNAL) < 0 || recv(fd, back, n, MSG_WAITALL) < 0)
            return lost();
        fwrite(back, 1, n, stdout);
        fflush(stdout);
    }
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    signal(SIGCHLD, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "echo") == 0)
        return echo(argv[2]);
    if (argc == 4 && strcmp(argv[1], "talk") == 0)
        return talk(argv[2], argv[3]);
    fprintf(stderr, "usage: line echo ADDRESS | line talk ADDRESS PORT\n");
    return 2;
}
