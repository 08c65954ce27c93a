// The bench's hands: sends signals, starts processes and hears `program` report, all by one clock (CLOCK_MONOTONIC).
//
// `stopwatch SOCKET` reads commands, one a line with its words parted by tabs, and answers each with one line:
//
//   now                       NS
//   hear MS                   ID PID NS, the next report; `nothing` after MS
//   kill PID ID MS            NS PID: from just before SIGKILL to main of ID's successor; `nothing` after MS
//   spawn ID MS PROGRAM ARG.. NS PID CHILD: from just before the start of CHILD to main of ID; `nothing CHILD` after MS.
//                             Words NAME=VALUE before PROGRAM are put into the environment, and stay there.
//   signal PID NUMBER         `sent` or `gone`
//
// It ends with its input.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 64

extern char **environ;
static int hearing;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

struct report {
    char id[64];
    int pid;
    long long at;
};

static int hear(struct report *report, long long until) {
    for (;;) {
        long long left = until - now();
        struct pollfd readable = {.fd = hearing, .events = POLLIN};
        if (poll(&readable, 1, left > 0 ? (int)(left / 1000000 + 1) : 0) <= 0) return 0;
        char text[128];
        ssize_t length = recv(hearing, text, sizeof text - 1, 0);
        if (length <= 0) return 0;
        text[length] = 0;
        if (sscanf(text, "%63s %d %lld", report->id, &report->pid, &report->at) == 3) return 1;
    }
}

// The report of `id`; those of others are late news of starts that nobody times.
static int hear_of(const char *id, struct report *report, long long until) {
    while (hear(report, until))
        if (strcmp(report->id, id) == 0) return 1;
    return 0;
}

static void do_kill(char **words) {
    struct report report;
    long long began = now();
    if (kill(atoi(words[1]), SIGKILL) != 0) {
        puts("nothing");
        return;
    }
    if (hear_of(words[2], &report, began + atoll(words[3]) * 1000000)) printf("%lld %d\n", report.at - began, report.pid);
    else puts("nothing");
}

static void do_spawn(char **words) {
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    char **argv = words + 3;
    for (; *argv && **argv != '/' && strchr(*argv, '='); argv++) putenv(strdup(*argv));
    struct report report;
    pid_t child;
    long long began = now();
    if (!*argv || posix_spawn(&child, *argv, &quiet, 0, argv, environ) != 0) child = 0;
    posix_spawn_file_actions_destroy(&quiet);
    if (child && hear_of(words[1], &report, began + atoll(words[2]) * 1000000))
        printf("%lld %d %d\n", report.at - began, report.pid, (int)child);
    else printf("nothing %d\n", (int)child);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strncpy(at.sun_path, argv[1], sizeof at.sun_path - 1);
    hearing = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(hearing, (struct sockaddr *)&at, sizeof at) < 0) return 1;
    setvbuf(stdout, 0, _IOLBF, 0);
    static char line[16384];
    while (fgets(line, sizeof line, stdin)) {
        while (waitpid(-1, 0, WNOHANG) > 0) {}
        line[strcspn(line, "\n")] = 0;
        char *words[WORDS_MAX + 1] = {0}, *rest = line;
        int count = 0;
        while (count < WORDS_MAX && (words[count] = strsep(&rest, "\t"))) count++;
        struct report report;
        if (!strcmp(words[0], "now")) printf("%lld\n", now());
        else if (!strcmp(words[0], "kill") && count == 4) do_kill(words);
        else if (!strcmp(words[0], "spawn") && count > 3) do_spawn(words);
        else if (!strcmp(words[0], "signal") && count == 3) puts(kill(atoi(words[1]), atoi(words[2])) ? "gone" : "sent");
        else if (!strcmp(words[0], "hear") && count == 2) {
            if (hear(&report, now() + atoll(words[1]) * 1000000)) printf("%s %d %lld\n", report.id, report.pid, report.at);
            else puts("nothing");
        } else puts("what?");
    }
}
