// The floor on Windows: nothing but CreateProcess and WaitForSingleObject. `respawn.exe COMMAND...` keeps it running.
#include <string.h>
#include <windows.h>

// The command line behind our own name.
static char *rest(char *line) {
    char end = *line == '"' ? '"' : ' ';
    char *found = strchr(line + 1, end);
    if (!found) return NULL;
    while (*++found == ' ') {}
    return found;
}

int main(void) {
    char *command = rest(GetCommandLineA());
    if (!command || !*command) return 2;
    for (;;) {
        STARTUPINFOA how = {.cb = sizeof how};
        PROCESS_INFORMATION made;
        if (!CreateProcessA(NULL, command, NULL, NULL, FALSE, CREATE_NO_WINDOW, NULL, NULL, &how, &made)) return 1;
        CloseHandle(made.hThread);
        WaitForSingleObject(made.hProcess, INFINITE);
        CloseHandle(made.hProcess);
    }
}
