// The floor: nothing but waitpid and posix_spawn. `respawn PROGRAM ARG...` keeps the program running; SIGTERM ends both.
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static volatile pid_t child;

static void end(int signal) {
    (void)signal;
    if (child > 0) kill(child, SIGKILL);
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    signal(SIGTERM, end);
    for (;;) {
        pid_t pid;
        if (posix_spawn(&pid, argv[1], 0, 0, argv + 1, environ) != 0) return 1;
        child = pid;
        if (waitpid(pid, 0, 0) < 0) return 1;
        child = 0;
    }
}
