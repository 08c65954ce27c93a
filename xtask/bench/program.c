// The program under guard in the benches: `program SOCKET ID` tells who it is, its pid and when its first instruction in
// main ran, in one datagram, and then does nothing until a signal ends it. runit and s6 give a program no arguments:
// then both come as BENCH_SOCKET and BENCH_ID, so that no shell has to stand between.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const char *place = argc == 3 ? argv[1] : getenv("BENCH_SOCKET"), *id = argc == 3 ? argv[2] : getenv("BENCH_ID");
    if (!place || !id) return 2;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strncpy(to.sun_path, place, sizeof to.sun_path - 1);
    char text[64];
    int length = snprintf(text, sizeof text, "%s %d %lld", id, (int)getpid(),
                          now.tv_sec * 1000000000LL + now.tv_nsec);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    // Blocks while the queue is full; a stopwatch that is gone is nobody's loss.
    if (sendto(fd, text, length, 0, (struct sockaddr *)&to, sizeof to) < 0) perror("program: cannot report");
    close(fd);
    for (;;) pause();
}
